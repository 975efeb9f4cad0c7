"""edgekit: from a trained Keras image classifier to the Edge TPU, phones and plain CPUs.

Each command of the tool is one call here. The public names are resolved on first use, so that importing the package
loads neither TensorFlow nor an interpreter: the device side of edgekit must start quickly on a small board.
"""

from importlib import import_module
from typing import TYPE_CHECKING, List

if TYPE_CHECKING:
    from edgekit.calibration.labelled import ImageSet as ImageSet
    from edgekit.calibration.samples import Samples as Samples
    from edgekit.converters import Recipe as Recipe
    from edgekit.converters import convert as convert
    from edgekit.converters import load_source as load_source
    from edgekit.converters import save as save
    from edgekit.converters.comparing import compare as compare
    from edgekit.converters.explaining import explain as explain
    from edgekit.converters.making import new as new
    from edgekit.converters.scale import scale as scale
    from edgekit.converters.several import convert_for as convert_for
    from edgekit.converters.verification.verify import verify as verify
    from edgekit.devices import Classifier as Classifier
    from edgekit.devices import Prediction as Prediction
    from edgekit.devices.benchmarking.benchmark import benchmark as benchmark
    from edgekit.devices.classifying import classify as classify
    from edgekit.devices.describing import set_metadata as set_metadata
    from edgekit.devices.discovery import attached as attached
    from edgekit.devices.doctor.doctor import diagnose as diagnose
    from edgekit.devices.doctor.machine import examine as examine
    from edgekit.devices.inspection import inspect as inspect
    from edgekit.edgetpu import CompilerOptions as CompilerOptions
    from edgekit.edgetpu.compiler.compiler import compile_models as compile_models
    from edgekit.edgetpu.placement.mapping import map_ops as map_ops
    from edgekit.errors import EdgekitError as EdgekitError
    from edgekit.evaluation.accuracy import evaluate as evaluate
    from edgekit.evaluation.phone import benchmark_on_phone as benchmark_on_phone
    from edgekit.preprocess import InputSpec as InputSpec
    from edgekit.reports.snippets import snippet as snippet
    from edgekit.targets.judges import Place as Place
    from edgekit.tflite import read_graph as read_graph
    from edgekit.tflite import read_metadata as read_metadata
    from edgekit.training import TrainingPlan as TrainingPlan
    from edgekit.training import save_trained as save_trained
    from edgekit.training import train as train

__version__ = "0.1.0"

#: Public name → the module that has it; the imports above say the same to type checkers.
_PUBLIC = {
    "Classifier": "edgekit.devices",
    "CompilerOptions": "edgekit.edgetpu",
    "EdgekitError": "edgekit.errors",
    "ImageSet": "edgekit.calibration.labelled",
    "InputSpec": "edgekit.preprocess",
    "Place": "edgekit.targets.judges",
    "Prediction": "edgekit.devices",
    "Recipe": "edgekit.converters",
    "Samples": "edgekit.calibration.samples",
    "TrainingPlan": "edgekit.training",
    "attached": "edgekit.devices.discovery",
    "benchmark": "edgekit.devices.benchmarking.benchmark",
    "benchmark_on_phone": "edgekit.evaluation.phone",
    "classify": "edgekit.devices.classifying",
    "compare": "edgekit.converters.comparing",
    "compile_models": "edgekit.edgetpu.compiler.compiler",
    "convert": "edgekit.converters",
    "diagnose": "edgekit.devices.doctor.doctor",
    "evaluate": "edgekit.evaluation.accuracy",
    "examine": "edgekit.devices.doctor.machine",
    "explain": "edgekit.converters.explaining",
    "inspect": "edgekit.devices.inspection",
    "load_source": "edgekit.converters",
    "map_ops": "edgekit.edgetpu.placement.mapping",
    "new": "edgekit.converters.making",
    "read_graph": "edgekit.tflite",
    "read_metadata": "edgekit.tflite",
    "save": "edgekit.converters",
    "save_trained": "edgekit.training",
    "train": "edgekit.training",
    "scale": "edgekit.converters.scale",
    "set_metadata": "edgekit.devices.describing",
    "verify": "edgekit.converters.verification.verify",
    "convert_for": "edgekit.converters.several",
    "snippet": "edgekit.reports.snippets",
}

__all__ = sorted(_PUBLIC)


def __getattr__(name: str) -> object:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'edgekit' has no attribute {name!r}")
    return getattr(import_module(_PUBLIC[name]), name)


def __dir__() -> List[str]:
    return sorted([*globals(), *_PUBLIC])
