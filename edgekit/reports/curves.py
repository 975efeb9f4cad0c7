"""A training's curves as an image: top-1 by number of images and, of a fine-tuning, by epoch."""

from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from edgekit.errors import UsageError
from edgekit.files import check_writable
from edgekit.install import not_importable
from edgekit.training import Trained
from edgekit.training.curve import Curve
from edgekit.training.finetuning.finetune import Tuned

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_INCHES, _DPI = 4.5, 120


def check_curves(path: Path | None) -> None:
    """Raises before the work where the image could not be written.

    Raises:
      UsageError: its name does not end in `.png`.
      MissingDependencyError: matplotlib is not installed.
      OutputError: it may not be written there.
    """
    if path is None:
        return
    if path.suffix.lower() != ".png":
        raise UsageError(f"{path} does not end in .png.", "Curves are drawn as PNG.")
    check_writable(path)
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError as error:
        raise not_importable("Drawing curves", "matplotlib", "train", error) from error


def curves_png(trained: Trained) -> bytes:
    """The curves as a PNG file."""
    from matplotlib.figure import Figure

    count = 2 if trained.tuned and trained.tuned.history else 1
    figure = Figure(figsize=(_INCHES * count, _INCHES), dpi=_DPI, layout="constrained")
    axes = figure.subplots(1, count, squeeze=False)[0]
    _by_images(axes[0], trained.curve)
    if trained.tuned and count > 1:
        _by_epoch(axes[1], trained.tuned)
    content = BytesIO()
    figure.savefig(content, format="png", metadata={"Software": None})
    return content.getvalue()


def _by_images(axes: "Axes", curve: Curve) -> None:
    points, twice = curve.points, curve.doubled
    shown = [(each.images, 100 * each.top1, *(100 * end for end in each.interval)) for each in points]
    if twice:
        shown.append((twice.images, 100 * twice.top1, *(100 * end for end in twice.interval)))
    images, top1, low, high = zip(*shown, strict=True)
    axes.fill_between(images, low, high, alpha=0.2, linewidth=0, label="95 % CI")
    axes.plot(images[: len(points)], top1[: len(points)], "o-", label="measured")
    if twice:
        axes.plot(images[-2:], top1[-2:], "o--", label="twice as many, expected")
    axes.set(xscale="log", xlabel="images trained on", ylabel="top-1, %", title="Probe, by number of images")
    axes.set_xticks(images, list(map(str, images)), rotation=45)
    axes.minorticks_off()
    axes.legend()


def _by_epoch(axes: "Axes", tuned: Tuned) -> None:
    epochs = range(1, len(tuned.history) + 1)
    axes.plot(epochs, [100 * each.aside_top1 for each in tuned.history], "o-", label="fine-tuned")
    axes.axhline(100 * tuned.probe, linestyle="--", color="gray", label="probe")
    axes.axvline(tuned.epochs, linestyle=":", color="gray", label="best epoch")
    axes.set(xlabel="epoch", ylabel="top-1 on images kept aside, %", title="Fine-tuning, by epoch")
    axes.legend(loc="lower right")
    losses = axes.twinx()
    losses.plot(epochs, [each.loss for each in tuned.history], color="tab:orange", alpha=0.6)
    losses.set_ylabel("loss in training", color="tab:orange")
