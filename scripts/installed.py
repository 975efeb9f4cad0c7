"""Installs edgekit with each extra into an environment of its own and prints what that takes, as a table in Markdown.

    python scripts/installed.py [EXTRA ...]

A wheel is made from the checkout first, so that what is measured is what users install. Megabytes are those on disk,
without what a new environment brings (pip); packages are counted likewise.
"""

import subprocess
import sys
import venv
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[1]
#: "" is edgekit without extras.
EXTRAS = ("", "camera", "serve", "report", "zoo", "convert", "train", "tensorflow")


def main() -> None:
    """Prints a row for each extra."""
    print("| extra | packages | MB |\n|---|---|---|")
    with TemporaryDirectory() as name:
        pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--quiet", "--no-deps")
        subprocess.run([*pip, "-w", name, str(ROOT)], check=True)
        (wheel,) = Path(name).glob("*.whl")
        for extra in sys.argv[1:] or EXTRAS:
            packages, size = installed(wheel, extra, Path(name) / f"environment-{extra}")
            print(f"| {f'`{extra}`' if extra else '(none)'} | {packages} | {size / 1e6:.0f} |", flush=True)


def installed(wheel: Path, extra: str, folder: Path) -> tuple[int, int]:
    """(packages, bytes) that the wheel with an extra adds to a new environment."""
    venv.create(folder, with_pip=True)
    before = measured(folder)
    requirement = f"{wheel}[{extra}]" if extra else str(wheel)
    pip = (str(folder / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "install", "--quiet")
    subprocess.run([*pip, "--no-compile", requirement], check=True)
    after = measured(folder)
    return after[0] - before[0], after[1] - before[1]


def measured(folder: Path) -> tuple[int, int]:
    """(packages, bytes) of an environment."""
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    return len([*folder.rglob("*.dist-info")]), sum(path.stat().st_size for path in files)


if __name__ == "__main__":
    main()
