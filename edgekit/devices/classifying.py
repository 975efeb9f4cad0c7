"""classify(): the names of what is in image files, each file answered on its own."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Iterable, Iterator, List, Optional, Union

from edgekit.devices.classifier import Classifier
from edgekit.devices.prediction import Prediction
from edgekit.errors import DataError, UsageError
from edgekit.image import images_in


@dataclass(frozen=True)
class FileAnswer:
    """What was said of one image file.

    Attributes:
      image: its name as it was given, or as it was found in a folder.
      prediction: what is in it; None where it could not be used.
      error: why not.
    """

    image: str
    prediction: Optional[Prediction] = None
    error: Optional[DataError] = None


def classify(
    model: Union[str, "os.PathLike[str]", Classifier], images: Iterable[str], *, k: int = 5
) -> Iterator[FileAnswer]:
    """Names what is in image files, one after the other, as each answer is asked for.

    Args:
      model: a `.tflite` file, opened on the best device there is; or a Classifier, which stays open.
      images: files, and folders, which stand for all images in them.
      k: how many classes to name.

    Raises:
      UsageError: a folder holds no images.
      EdgekitError: the model cannot be opened, or failed, see `Classifier`.
    """
    files = image_files(images)
    if isinstance(model, Classifier):
        yield from _answers(model, files, k)
        return
    with Classifier(os.fspath(model)) as classifier:
        yield from _answers(classifier, files, k)


def _answers(classifier: Classifier, files: Iterable[str], k: int) -> Iterator[FileAnswer]:
    for file in files:
        try:
            yield FileAnswer(file, classifier.classify(file, k))
        except DataError as error:
            yield FileAnswer(file, error=error)


def image_files(names: Iterable[str]) -> List[str]:
    """The files named, a folder standing for all the images in it. Raises UsageError where it holds none."""
    files: List[str] = []
    for name in names:
        found = [str(file) for file in images_in(Path(name))] if os.path.isdir(name) else [str(name)]
        if not found:
            raise UsageError(f"There are no images in the folder {name}.")
        files += found
    return files
