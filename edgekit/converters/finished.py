"""Finished `.tflite` files, to be judged as they are."""

from pathlib import Path

from edgekit.converters.sources.sniff import TFLITE, sniff
from edgekit.devices.opening import open_model
from edgekit.devices.tensors import input_spec, input_tensor, output_meaning, output_tensor
from edgekit.labels import find_names
from edgekit.tflite.graph import Graph
from edgekit.tflite.metadata import Metadata, pixel_input, read_metadata
from edgekit.tflite.model import Model
from edgekit.tflite.summary import quantization


def finished_model(path: Path, preprocess: str | None) -> Model:
    """A `.tflite` as it is; `preprocess` counts where it does not say how to scale its images.

    Raises:
      EdgekitError: as `open_model`; or it is no image classifier, or does not say how its images must be scaled.
    """
    return _as_it_is(open_model(path, threads=1).graph, path, preprocess)


def if_finished(path: Path, preprocess: str | None) -> Model | None:
    """The same where a file is a model to take as it is: quantized, or with other inputs than the conversion takes.

    None for any other. Raises as `finished_model`.
    """
    if sniff(path) != TFLITE:
        return None
    graph = open_model(path, threads=1).graph
    integers = quantization(graph).kind in ("full", "partial")
    if integers or any(graph.tensors[i].dtype != "float32" for i in graph.inputs):
        return _as_it_is(graph, path, preprocess)
    return None


def _as_it_is(graph: Graph, path: Path, preprocess: str | None) -> Model:
    metadata, tensor = read_metadata(graph) or Metadata(), input_tensor(graph)
    known = metadata.input or pixel_input(tensor)
    spec = input_spec(tensor, metadata, None if known else preprocess)
    names = find_names(path, output_tensor(graph).elements, metadata.labels)
    return Model(graph, spec, output_meaning(graph, metadata), names.labels)
