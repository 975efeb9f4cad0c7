"""The package's layers, circles and sizes, what may not be imported where, and Python 3.7 on the device side."""

import ast
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "edgekit"
MODULES = {
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts): path for path in sorted(PACKAGE.rglob("*.py"))
}

#: Each may import what stands in earlier lines, and its own part.
LAYERS = (
    tuple("child documented errors install files labels image memory preprocess progress project".split())
    + tuple("quiet sizes terminal tflite units version".split()),
    ("edgetpu", "models"),
    ("targets",),
    ("devices",),
    ("calibration", "camera", "pycoral", "serve"),
    ("evaluation",),
    ("converters",),
    ("training",),
    ("reports",),
    ("cli",),
    ("__init__", "__main__", "testing"),
)
FOUNDATION = set(LAYERS[0])

HEAVY = {"tensorflow", "keras", "tf_keras", "litert_quantizer", "ai_edge_quantizer", "h5py", "torch", "mediapipe"}

#: What has to run on a board: Python 3.7, and neither TensorFlow nor the converters.
DEVICE_SIDE = ("__init__", "__main__", *LAYERS[0], "devices", "edgetpu", "targets", "pycoral", "camera", "serve", "cli")


def _part(module):
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def _imports(module, *, top_level_only=False):
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    for node in tree.body if top_level_only else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports relatively"
            names = (f"{node.module}.{alias.name}" for alias in node.names)
            yield from (name if name in MODULES or f"{name}.__init__" in MODULES else node.module for name in names)


def _layer(part):
    return next(index for index, parts in enumerate(LAYERS) if part in parts)


@pytest.mark.parametrize("module", MODULES)
def test_imports_go_one_way(module):
    here = _part(module)
    for imported in _imports(module):
        if not imported.startswith("edgekit"):
            continue
        there = _part(imported)
        same = there == here or {here, there} <= FOUNDATION
        assert same or _layer(there) < _layer(here), f"{module} imports {imported}"


# Circles, and arrows by string.


def _package_of(module):
    """A package by its own name, as it is imported."""
    return module.rsplit(".__init__", 1)[0]


NAMES = {_package_of(module): module for module in MODULES}


def _named(module):
    """Modules of edgekit that a module names in a string: the whole of it, or with a further `.name` or `:name`."""
    for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith("edgekit."):
            name = node.value.replace(":", ".").rstrip(".")
            while name not in NAMES and "." in name:
                name = name.rpartition(".")[0]
            if re.fullmatch(r"[\w.:]+", node.value) and name != "edgekit":
                yield name


def _ancestors(name):
    parts = name.split(".")
    return [".".join(parts[:count]) for count in range(1, len(parts))]


def _reached(module):
    """What importing a module runs: the modules it imports or names, and the packages on the way to them.

    The packages around a module are left out: they re-export what is in them, and may be half made meanwhile.
    """
    here = _package_of(module)
    around = {here, *_ancestors(here)}
    for name in (*map(_package_of, _imports(module)), *_named(module)):
        if name in NAMES:
            yield from {name, *_ancestors(name)} - around


def _circle(graph):
    """One circle of a graph (name → names), or ()."""
    done, path = set(), []

    def walk(name):
        if name in path:
            return (*path[path.index(name) :], name)
        if name in done:
            return ()
        path.append(name)
        for target in sorted(graph.get(name, ())):
            found = walk(target)
            if found:
                return found
        path.pop()
        done.add(name)
        return ()

    return next((found for found in map(walk, sorted(graph)) if found), ())


def test_a_circle_is_found():
    assert _circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ("b", "c", "b")
    assert _circle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == ()


def test_no_circle_anywhere():
    graph = {_package_of(module): set(_reached(module)) for module in MODULES}
    assert _circle(graph) == ()


def test_no_circle_among_the_benchmarks():
    graph = {}
    for path in PACKAGE.with_name("benchmarks").glob("*.py"):
        nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
        whole = {name.name for node in nodes if isinstance(node, ast.Import) for name in node.names}
        parts = [node for node in nodes if isinstance(node, ast.ImportFrom)]
        whole |= {f"benchmarks.{alias.name}" for node in parts if node.module == "benchmarks" for alias in node.names}
        graph[f"benchmarks.{path.stem}"] = whole | {str(node.module) for node in parts}
    assert any(name in graph for names in graph.values() for name in names)
    assert _circle(graph) == ()


@pytest.mark.parametrize("module", MODULES)
def test_no_module_names_one_of_an_upper_layer_in_a_string(module):
    here = _part(module)
    for name in _named(module):
        there = _part(name)
        assert there == here or _layer(there) <= _layer(here), f"{module} names {name}"


def test_tests_share_through_support_alone():
    for path in PACKAGE.with_name("tests").rglob("*.py"):
        assert not re.search(r"^(from|import) tests\S*conftest", path.read_text(encoding="utf-8"), re.M), path


# Sizes.


def _bodies(module):
    """(name, lines) of each function, its docstring left out."""
    for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"))):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            body = node.body[1:] if ast.get_docstring(node) is not None else node.body
            yield node.name, body[-1].end_lineno - body[0].lineno + 1 if body else 0


@pytest.mark.parametrize("module", MODULES)
def test_modules_and_functions_fit_on_a_few_screens(module):
    assert len(MODULES[module].read_text(encoding="utf-8").splitlines()) <= 300
    long = {name: lines for name, lines in _bodies(module) if lines > 40}
    assert not long, f"{module}: {long}"


def test_nine_functions_in_ten_have_sixteen_lines_or_fewer():
    lines = sorted(lines for module in MODULES for _, lines in _bodies(module))
    assert lines[len(lines) * 9 // 10] <= 16


def test_what_is_known_of_a_value_is_said():
    """`Any` hides mistakes from the type checker: there are no more of them than this, and fewer are welcome."""
    found = {module: len(re.findall(r"\bAny\b", path.read_text(encoding="utf-8"))) for module, path in MODULES.items()}
    assert sum(found.values()) <= 20, {module: count for module, count in found.items() if count}


def test_no_room_holds_more_than_a_seventh_of_the_package():
    lines = Counter()
    for path in MODULES.values():
        lines[path.parent.relative_to(PACKAGE)] += len(path.read_text(encoding="utf-8").splitlines())
    total = sum(lines.values())
    assert {str(room): count for room, count in lines.items() if count > 0.14 * total} == {}


# What is loaded.


@pytest.mark.parametrize("module", MODULES)
def test_nothing_heavy_is_imported_at_the_top_of_a_module(module):
    assert not {name.split(".")[0] for name in _imports(module, top_level_only=True)} & HEAVY


@pytest.mark.parametrize("module", [name for name in MODULES if _part(name) in ("tflite", "devices", "edgetpu")])
def test_the_device_side_never_imports_tensorflow_or_the_converters(module):
    imported = set(_imports(module))
    assert not {name.split(".")[0] for name in imported} & HEAVY
    assert not any(name.startswith("edgekit.converters") for name in imported)


def _loaded_by(statement):
    program = f"{statement}\nimport sys\nprint('\\n'.join(sorted({{name.split('.')[0] for name in sys.modules}})))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_importing_every_module_loads_nothing_heavy():
    names = [name.rsplit(".__init__", 1)[0] for name in MODULES if not name.endswith("__main__")]
    assert not _loaded_by(f"import {', '.join(names)}") & HEAVY


def test_importing_the_devices_loads_no_interpreter():
    loaded = _loaded_by("import edgekit, edgekit.devices")
    assert not loaded & (HEAVY | {"ai_edge_litert", "tflite_runtime", "rich"})


def test_help_loads_neither_numpy_nor_an_interpreter():
    loaded = _loaded_by("from edgekit.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass")
    assert not loaded & (HEAVY | {"numpy", "PIL", "ai_edge_litert"})


def test_classifying_never_loads_tensorflow(tmp_path):
    from tests.support.build import colour_classifier

    path = tmp_path / "m.tflite"
    path.write_bytes(colour_classifier("uint8"))
    program = "import numpy; from edgekit import Classifier; Classifier({!r}).classify(numpy.ones((4, 4, 3)))"
    assert not _loaded_by(program.format(str(path))) & HEAVY


def test_type_checkers_see_the_public_names_where_they_are():
    import edgekit

    tree = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    checked = next(node for node in tree.body if isinstance(node, ast.If))
    seen = {alias.name: node.module for node in checked.body for alias in node.names}
    assert seen == edgekit._PUBLIC


def test_the_public_names_exist():
    import edgekit

    for name in edgekit.__all__:
        if not edgekit._PUBLIC[name].startswith(("edgekit.converters", "edgekit.calibration", "edgekit.training")):
            assert getattr(edgekit, name).__module__.startswith("edgekit")
    assert set(edgekit.__all__) <= set(dir(edgekit))
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        edgekit.nonsense  # noqa: B018


def test_the_device_side_is_valid_python_3_7():
    pytest.importorskip("vermin", reason="vermin is not installed")
    paths = [str(path) for module, path in MODULES.items() if _part(module) in DEVICE_SIDE]
    program = "import sys, vermin; sys.argv[0] = 'vermin'; vermin.main()"
    options = ["--target=3.7-", "--violations", "--no-tips"]
    done = subprocess.run([sys.executable, "-c", program, *options, *paths], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
