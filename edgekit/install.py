"""How edgekit is installed: the one place from which every hint takes its command."""

from importlib import import_module

from edgekit.errors import EdgekitError, MissingDependencyError
from edgekit.memory import is_short, short

#: Name of the distribution. In the package index `edgekit` is another project's, with a command of the same name.
DISTRIBUTION = "edgekit-coral"

#: How the description of edgekit's own distribution begins.
DESCRIPTION = "From a trained Keras image classifier to the Edge TPU"


def install_command(extra: str = "") -> str:
    """The command that installs edgekit with an extra, quoted so that every shell takes it as it stands."""
    return f'pip install "{DISTRIBUTION}[{extra}]"' if extra else f"pip install {DISTRIBUTION}"


def not_importable(work: str, package: str, extra: str, error: ImportError) -> EdgekitError:
    """What to raise where a package of an extra cannot be imported.

    Args:
      work: what needs it, such as "Quantizing".
      package: the package.
      extra: the extra of edgekit that brings it.
      error: why: one that is installed may fail to load, for want of memory or of a library.
    """
    if isinstance(error, ModuleNotFoundError):
        return MissingDependencyError(
            f"{work} needs {package}, which is not installed.", f"Install it with: {install_command(extra)}"
        )
    if is_short(error):
        return short(f"{package}, which {work[0].lower()}{work[1:]} needs")
    reason = (str(error) or type(error).__name__).splitlines()[0][:160]
    return MissingDependencyError(
        f"{work} needs {package}, which is installed but does not load: {reason}.",
        f"Install it again with: {install_command(extra)}",
    )


def other_edgekit() -> str:
    """Version and description of another project's distribution `edgekit` that is installed here, or ""."""
    try:
        metadata = import_module("importlib.metadata")
    except ImportError:  # Python 3.7, for which that project has no release
        return ""
    for found in metadata.distributions(name="edgekit"):
        about = found.metadata.get("Summary") or ""
        if not about.startswith(DESCRIPTION):  # else an installation of edgekit itself, before it was renamed
            return f"edgekit {found.version}: {about or 'no description'}"
    return ""
