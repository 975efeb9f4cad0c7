"""How often one conversion reads, unpacks and packs a whole model.

    python benchmarks/model_io.py MODEL --data DIR [--samples 16]

A read parses a file into a graph, an unpack turns it into the schema's mutable objects, a pack writes those as a file.
Everything else works on the graph in memory. The counts do not depend on the number of images.
"""

import argparse
from collections import Counter
from pathlib import Path

from edgekit.converters import Recipe, convert, load_source
from edgekit.quiet import tensorflow_quiet
from edgekit.tflite import reader, tree


def counted(counts: Counter[str]) -> None:
    """Counts the calls of the functions through which every whole model goes."""
    for name, module, function in (("reads", reader, "_read"), ("unpacks", tree, "unpack"), ("packs", tree, "pack")):
        setattr(module, function, _counting(getattr(module, function), counts, name))


def _counting(function, counts, name):
    def call(*arguments):
        counts[name] += 1
        return function(*arguments)

    return call


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--samples", type=int, default=16)
    arguments = parser.parse_args()
    counts: Counter[str] = Counter()
    counted(counts)
    with tensorflow_quiet(False):
        convert(load_source(arguments.model), arguments.data, recipe=Recipe(samples=arguments.samples))
    print(f"{arguments.model.name}: {', '.join(f'{counts[name]} {name}' for name in ('reads', 'unpacks', 'packs'))}")


if __name__ == "__main__":
    main()
