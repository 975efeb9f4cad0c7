"""Converting in an environment where TensorFlow and Keras cannot be imported."""

import json
import subprocess
import sys

import numpy as np
import pytest

from edgekit.devices.interpreter import open_interpreter
from tests.support.keras_exports import randomized
from tests.support.tiny_keras import SIZE, classifier, save

#: Runs the command line with imports of TensorFlow and Keras failing, as where they are not installed.
PROGRAM = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("tensorflow", "keras", "tf_keras"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
from edgekit.cli import main
main()
"""


def run(*arguments, cwd):
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, *map(str, arguments)], cwd=cwd, capture_output=True, text=True, timeout=300
    )


@pytest.fixture(params=["keras2.h5", "keras3.h5", "keras3.keras"])
def model(request, keras2, keras3, tmp_path):
    """(a classifier of one of the Kerases with another model inside, its file)."""
    library, suffix = request.param.split(".")
    keras = keras2 if library == "keras2" else keras3
    k = keras.layers
    given = keras.Input((SIZE, SIZE, 3))
    x = k.Rescaling(1 / 255)(k.RandomFlip()(given))
    built = randomized(keras.Model(given, classifier(keras)(x)))
    return built, save(built, tmp_path / f"model.{suffix}")


def test_a_keras_file_becomes_a_verified_int8_model(model, tmp_path):
    _, path = model
    done = run("convert", path, "--int8", "--json", "--samples", 16, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["provenance"]["export"] == {"way": "direct", "off_keras": None}
    assert "tensorflow" not in answer["provenance"]["versions"]
    assert answer["verdict"]["images"] > 0
    assert len(open_interpreter((tmp_path / answer["model"]).read_bytes()).get_output_details()) == 1


def test_the_float_model_is_within_rounding_of_what_keras_computes(model, tmp_path):
    from edgekit import Recipe, convert, load_source

    conversion = convert(load_source(model[1]), recipe=Recipe(samples=8), verify=False, check_export=True)
    assert conversion.artefact.provenance["export"]["off_keras"] < 1e-5


def test_a_model_that_keras_answers_otherwise_is_refused(model, monkeypatch):
    from dataclasses import replace

    from edgekit import Recipe, convert, load_source
    from edgekit.errors import ConversionError

    source = load_source(model[1])
    changed = replace(
        source, through_keras=lambda: replace(source, predict=lambda images: np.asarray(source.predict(images)) + 0.1)
    )
    with pytest.raises(ConversionError, match="does not compute what"):
        convert(changed, recipe=Recipe(samples=8), verify=False, check_export=True)


def test_a_layer_that_only_keras_knows_is_named_with_the_extra(keras3, tmp_path):
    k, given = keras3.layers, keras3.Input((SIZE, SIZE, 3))
    x = k.EinsumDense("abcd,de->abce", (None, None, 4))(k.Conv2D(4, 3)(given))
    path = save(keras3.Model(given, k.Dense(3)(k.GlobalAveragePooling2D()(x))), tmp_path / "m.keras")
    done = run("convert", path, "--int8", cwd=tmp_path)
    assert done.returncode == 2
    assert "EinsumDense" in done.stderr
    assert 'pip install "edgekit-coral[tensorflow]"' in done.stderr
    assert len(done.stderr.strip().splitlines()) <= 2


@pytest.mark.parametrize("argument", ["--check-export", "--surgery=relu6"])
def test_what_needs_keras_says_so(model, argument, tmp_path):
    done = run("convert", model[1], "--int8", argument, "--samples", 8, cwd=tmp_path)
    assert done.returncode == 2
    assert "edgekit-coral[tensorflow]" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_savedmodel_says_what_it_needs(keras3, tmp_path):
    classifier(keras3).export(str(tmp_path / "saved"), verbose=False)
    done = run("convert", tmp_path / "saved", "--int8", cwd=tmp_path)
    assert done.returncode == 2
    assert "edgekit-coral[tensorflow]" in done.stderr
