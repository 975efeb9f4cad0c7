"""What Frigate loads for custom classification: `model.tflite` and `labelmap.txt` in a folder of the model's name.

Frigate resizes a crop to 224×224 (bilinear), gives its RGB bytes to the model as they are, and takes uint8 scores
in the order of the label map (frigate/data_processing/real_time/custom_classification.py, version 0.17 and 0.18).
"""

from dataclasses import replace
from pathlib import Path

from edgekit.files import check_writable, make_folder, write_text
from edgekit.training.plan import TrainingPlan
from edgekit.training.saving import save_trained
from edgekit.training.trained import Trained

#: Height and width of what Frigate gives to a model, in pixels.
SIZE = (224, 224)
_MODEL, _LABELS = "model.tflite", "labelmap.txt"


def frigate_plan(plan: TrainingPlan) -> TrainingPlan:
    """The plan with the input that Frigate gives."""
    return replace(plan, size=SIZE, interpolation="bilinear")


def check_folder(folder: Path) -> None:
    """Raises OutputError where the folder's files could not be written, before the work."""
    for path in [folder / _MODEL, folder / _LABELS] if folder.exists() else [folder]:
        check_writable(path)


def model_path(folder: Path) -> Path:
    """Where the model is in the folder."""
    return folder / _MODEL


def save_for_frigate(trained: Trained, folder: Path, floating: Path | None = None) -> Path:
    """Writes the model, its label map and its manifest into the folder, which is made. Returns the manifest's path.

    Raises:
      OutputError: one of them cannot be written.
    """
    make_folder(folder)
    manifest = save_trained(trained, folder / _MODEL, floating)
    write_text(folder / _LABELS, "".join(f"{name}\n" for name in trained.dataset.class_names))
    return manifest
