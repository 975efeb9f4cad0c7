"""What each step of the int8 conversion brings: every correction and range method, judged on images kept apart.

    python benchmarks/b0.py MODEL --data DIR --verify-data DIR [--samples 100]

Ranges and the choice («auto») see --data only. SQNR in the second column is the measure that the choice goes by, on
calibration images; agreement and top-1 are on --verify-data, with 95 % Wilson intervals.
"""

import argparse
import time
from dataclasses import replace
from pathlib import Path

from edgekit.calibration import METHODS, open_samples
from edgekit.calibration.class_matching import match_samples
from edgekit.converters import Recipe, load_source
from edgekit.converters.export.reference import float_reference, resolve_preprocessing
from edgekit.converters.quantization.corrections import adjustments
from edgekit.converters.quantization.search.choose import choose, forms, ranges_of
from edgekit.converters.quantization.search.effort import EFFORTS
from edgekit.converters.quantization.search.search import Candidate, Search
from edgekit.converters.recipe import sized
from edgekit.evaluation import Verdict, compare
from edgekit.quiet import tensorflow_quiet
from edgekit.tflite.model import Model


def main() -> None:
    arguments = parse()
    with tensorflow_quiet(False):
        source = load_source(arguments.model)
        spec = sized(source.spec, Recipe())
        images = open_samples(arguments.data, spec, count=arguments.samples)
        finding = resolve_preprocessing(source, images)
        model = float_reference(source, finding.spec, images)
    started = time.perf_counter()
    candidates = forms(model, images)
    chosen = choose(candidates, images)
    seconds = time.perf_counter() - started
    held_out = open_samples(arguments.verify_data, spec, count=None)
    matching = match_samples(held_out, source.labels, source.classes)
    print(f"{arguments.model.name}: {arguments.samples} images to calibrate, {held_out.count} to judge")
    print(f"{'corrections, ranges':<33}  SQNR  agreement              top-1 float / int8")
    search = Search(candidates[0], images.take(EFFORTS["auto"].selection))
    for form in candidates:
        for method in METHODS:
            search.attempt(Candidate(form, ranges_of(form, method)))
    for adjustment in adjustments(None):
        search.attempt(replace(search.best, adjusted=(*search.best.adjusted, adjustment.name)), "adjustment")
    for step in search.steps:
        print(row(step.name, step.sqnr_db, judge(model, step.candidate, held_out, matching)), flush=True)
    best = max(step.sqnr_db for step in chosen.steps)
    print(row("auto", best, judge(model, chosen.best, held_out, matching)), f" chosen in {seconds:.1f} s")
    for step in (step for step in chosen.steps if step.kind == "group"):
        print(f"  tried: {step.name}, {step.sqnr_db:.1f} dB")


def judge(model: Model, candidate: Candidate, held_out, matching) -> Verdict:
    return compare(model, replace(model, graph=candidate.quantized()), held_out, matching=matching)


def row(step: str, sqnr_db: float, verdict: Verdict) -> str:
    return f"{step:<33} {sqnr_db:5.1f}  {told(verdict)}"


def told(verdict: Verdict) -> str:
    low, high = (100 * bound for bound in verdict.interval)
    text = f"{100 * verdict.agreement:5.1f} % ({low:.1f} to {high:.1f})"
    if verdict.top1_reference is None or verdict.top1_candidate is None:
        return f"{text:<22} –"
    return f"{text:<22} {100 * verdict.top1_reference:.1f} / {100 * verdict.top1_candidate:.1f}"


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--verify-data", type=Path, required=True)
    parser.add_argument("--samples", type=int, default=100)
    return parser.parse_args()


if __name__ == "__main__":
    main()
