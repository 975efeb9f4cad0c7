"""Real photographs to try a model on: those that the package scikit-image carries as sample data."""

from pathlib import Path

from edgekit.errors import MissingDependencyError, OutputError
from edgekit.files import write_bytes
from edgekit.install import install_command
from edgekit.models.packages import package_folder

#: Of scikit-image's photographs, those of things that ImageNet has a class for: a cat, a cup of
#: espresso, a man with a camera on a tripod, and a motorcycle. All free of rights or CC0.
_NAMES = ("chelsea.png", "coffee.png", "camera.png", "motorcycle_left.png")


def demo_photos() -> tuple[Path, ...]:
    """The photographs, where they are installed; scikit-image itself is not imported.

    Raises:
      MissingDependencyError: scikit-image is not installed, or comes without them.
    """
    folder = package_folder("skimage", extra="demo") / "data"
    photos = tuple(folder / name for name in _NAMES if (folder / name).is_file())
    if not photos:
        raise MissingDependencyError(
            f"{folder} holds no photographs.", hint=f"Install them again with: {install_command('demo')}"
        )
    return photos


def copy_demo_photos(folder: Path) -> tuple[Path, ...]:
    """Copies the photographs to a folder, which is created where it does not exist.

    Raises:
      MissingDependencyError: as `demo_photos`.
      OutputError: the folder cannot be created or written.
    """
    photos = demo_photos()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"The folder {folder} could not be created: {error.strerror}.") from error
    copies = tuple(folder / photo.name for photo in photos)
    for photo, copy in zip(photos, copies):
        write_bytes(copy, photo.read_bytes())
    return copies
