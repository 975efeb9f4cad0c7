"""Data files inside installed packages, found without importing the packages."""

from importlib.util import find_spec
from pathlib import Path

from edgekit.errors import MissingDependencyError
from edgekit.install import install_command


def package_folder(package: str, *, extra: str) -> Path:
    """The folder of an installed top-level package.

    Args:
      package: its import name.
      extra: the extra of edgekit that brings it.

    Raises:
      MissingDependencyError: it is not installed.
    """
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise MissingDependencyError(
            f"The package {package} is not installed.", hint=f"Install it with: {install_command(extra)}"
        )
    return Path(next(iter(spec.submodule_search_locations)))


def is_installed(package: str) -> bool:
    """Whether a top-level package can be found."""
    return find_spec(package) is not None
