"""Draws README's images of a report: docs/images/report.png and report-maps.jpg.

    python -m scripts.images

A model of the zoo, calibrated on synthetic images, is judged on parts of photographs that scikit-image brings. It
needs the extras `convert`, `zoo`, `report` and `demo`, and Chromium.
"""

import io
import random
import runpy
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

from edgekit.models.packages import package_folder

ROOT = Path(__file__).parents[1]
IMAGES = ROOT / "docs" / "images"
#: Those of scikit-image's photographs that are in the public domain, by their photographers' word.
PHOTOS = ("camera.png", "chelsea.png", "coffee.png", "rocket.jpg")
#: Parts of each photograph, and the width of their sides as a share of the photograph's shorter one.
PARTS, SMALLEST = 50, 0.45
#: Width of the page in pixels, and how much larger it is drawn.
WIDTH, SCALE = 1040, 1.2


def main() -> None:
    """Makes the model and its report in a folder of its own, and draws two parts of it."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        edgekit(folder, "zoo", "lite0", "-o", "lite0.h5")
        cut(folder / "parts")
        edgekit(folder, "convert", "lite0.h5", "--verify-data", "parts", "--report", "report.html")
        draw(folder / "report.html", folder / "profile")


def edgekit(folder: Path, *arguments: str) -> None:
    """Runs a command in a folder."""
    subprocess.run([sys.executable, "-m", "edgekit", *arguments], cwd=folder, check=True)


def cut(parts: Path) -> None:
    """Writes square parts of photographs, the same in every run."""
    chance = random.Random(0)
    parts.mkdir()
    for name in PHOTOS:
        path = package_folder("skimage", extra="demo") / "data" / name
        photo = Image.open(path).convert("RGB")
        for number in range(PARTS):
            side = int(min(photo.size) * chance.uniform(SMALLEST, 1))
            left, top = (chance.randint(0, whole - side) for whole in photo.size)
            part = photo.crop((left, top, left + side, top + side)).resize((320, 320))
            part.save(parts / f"{path.stem}_{number:02}.jpg", quality=92)


def draw(report: Path, profile: Path) -> None:
    """Draws the top of a report, and what the models look at."""
    browser = runpy.run_path(str(ROOT / "tests" / "support" / "browser.py"))["Browser"]
    page = browser(profile, report.as_uri())
    try:
        page.resize(WIDTH, 900)
        page.prefer("light")
        places = "[...document.querySelectorAll('section')].map(s => [s.querySelector('h2').textContent, s.offsetTop])"
        tops = dict(page.run(places))
        titles = list(tops)
        (IMAGES / "report.png").write_bytes(page.shot(0, tops["How it was made"], SCALE))
        after = tops[titles[titles.index("What it looks at") + 1]]
        top = tops["What it looks at"]
        maps = Image.open(io.BytesIO(page.shot(top + 2, after - top - 30, SCALE)))
        maps.convert("RGB").save(IMAGES / "report-maps.jpg", quality=85)
    finally:
        page.close()


if __name__ == "__main__":
    main()
