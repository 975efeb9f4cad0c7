"""`edgekit verify`, the usual options in edgekit.toml, and the page on continuous integration as it is written."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner

import edgekit
from edgekit.cli import main
from tests.support.pairs import write_pair
from tests.support.project import write_project

pytest.importorskip("litert_quantizer")

PAGE = (Path(__file__).parents[2] / "docs" / "ci.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.M | re.S)


def run(*arguments):
    result = CliRunner().invoke(main, list(map(str, arguments)))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """The project of the page, with the model that its convert makes."""
    folder = write_project(tmp_path_factory.mktemp("project"))
    (folder / "edgekit.toml").write_text(blocks("toml")[0])
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        result = run("convert", "model.h5", "-o", "model_int8.tflite")
        assert result.exit_code == 0, result.output
    return folder


@pytest.fixture
def project(made, monkeypatch):
    monkeypatch.chdir(made)
    return made


def examples():
    lines = main.get_command(None, "verify").help.partition("Examples:")[2].splitlines()
    return [shlex.split(line)[1:] for line in lines if line.strip()]


@pytest.mark.parametrize("arguments", examples(), ids=" ".join)
def test_the_examples_of_the_help_run(project, arguments):
    assert run(*arguments).exit_code == 0


def test_every_gate_in_every_form(project):
    (project / "none.toml").write_text('[verify]\nmax_size = 10\nmin_mapped = "100%"\n')
    given = ["--spec", "none.toml", "--junit", "v.xml", "--markdown", "v.md"]
    result = run("verify", "model_int8.tflite", *given, "--json")
    assert result.exit_code == 1
    document = json.loads(result.stdout)
    size = (project / "model_int8.tflite").stat().st_size
    assert (document["accepted"], [gate["met"] for gate in document["gates"]]) == (False, [False, True])
    assert [gate["value"] for gate in document["gates"]] == [size, 1]
    suite = ElementTree.parse(project / "v.xml").getroot()
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")
    assert [(case.get("name"), case.find("failure") is not None) for case in suite] == [
        ("max_size", True),
        ("min_mapped", False),
    ]
    summary = (project / "v.md").read_text(encoding="utf-8")
    assert "1 of 2 gates met" in summary and "| ❌ | max_size |" in summary and "| ✅ | min_mapped |" in summary
    assert "NOT MET  max_size" in run("verify", "model_int8.tflite", "--spec", "none.toml").output


def test_names_of_files_are_no_markup(project, tmp_path):
    name = "a|b<script>*.tflite"
    (tmp_path / name).write_bytes((project / "model_int8.tflite").read_bytes())
    (tmp_path / "g.toml").write_text("[verify]\nmax_size = 10\n")
    run("verify", tmp_path / name, "--spec", tmp_path / "g.toml", "--markdown", tmp_path / "s.md")
    assert "a\\|b\\<script\\>\\*.tflite" in (tmp_path / "s.md").read_text(encoding="utf-8")


def test_a_wrong_question_is_exit_code_2(project):
    (project / "bad.toml").write_text("[verify]\nheight = 3\n")
    result = run("verify", "model_int8.tflite", "--spec", "bad.toml", "--json")
    assert (result.exit_code, json.loads(result.stdout)["error"]) == (2, "UsageError")


# The page.


def transcripts():
    return [
        (shlex.split(head)[2:], body.splitlines())
        for head, body in re.findall(r"^```\n(\$ .*?)\n(.*?)^```", PAGE, re.M | re.S)
    ]


def shape(line):
    """A line without the sizes of files, which hold the versions of what made them, and without double spaces."""
    return re.sub(r"\d+\.\d\dKiB", "#", " ".join(line.split()))


@pytest.mark.parametrize(("arguments", "lines"), transcripts(), ids=[" ".join(each[0]) for each in transcripts()])
def test_a_transcript_is_what_the_command_prints(project, arguments, lines):
    printed = [shape(line) for line in run(*arguments).output.splitlines()]
    assert [line for line in lines if line != "…" and shape(line) not in printed] == []


def test_the_workflow_runs_as_it_is_written(tmp_path):
    """Each `run:` line in a shell of its own; pip is asked for what there is, and edgekit is this one."""
    write_project(tmp_path)
    (tmp_path / "edgekit.toml").write_text(blocks("toml")[0])
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    for name, line in (
        ("pip", 'echo "$@" > pip.txt'),
        ("edgekit", f'exec {shlex.quote(sys.executable)} -m edgekit "$@"'),
    ):
        (bin_folder / name).write_text(f"#!/bin/sh\n{line}\n")
        (bin_folder / name).chmod(0o755)
    environment = {
        **os.environ,
        "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(Path(edgekit.__file__).parents[1]),
        "GITHUB_STEP_SUMMARY": str(tmp_path / "shown.md"),
    }
    steps = re.findall(r"^\s+(?:- )?run: (.*)$", blocks("yaml")[0], re.M)
    assert len(steps) == 4
    for step in steps:
        done = subprocess.run(
            ["bash", "-e", "-c", step], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, f"{step}\n{done.stdout}{done.stderr}"
    assert (tmp_path / "pip.txt").read_text().split() == ["install", "edgekit-coral[convert]"]
    assert "5 of 5 gates met" in (tmp_path / "shown.md").read_text(encoding="utf-8")
    assert ElementTree.parse(tmp_path / "verify.xml").getroot().get("failures") == "0"


def test_the_fixtures_work_in_users_own_tests_as_the_page_shows(pytester, made):
    for path in (*made.glob("*.tflite"), made / "model.h5", made / "model.labels.txt", made / "edgekit.toml"):
        (pytester.path / path.name).write_bytes(path.read_bytes())
    for folder in ("train", "validation"):
        (pytester.path / folder).symlink_to(made / folder)
    pair = write_pair(pytester.path)
    pair.rename(pytester.path / "model_edgetpu.tflite")
    (pytester.path / "net.tflite").rename(pytester.path / "model.tflite")
    conftest, tests = blocks("python")
    pytester.makeconftest(conftest)
    pytester.makepyfile(tests)
    pytester.runpytest_inprocess("-p", "no:cacheprovider").assert_outcomes(passed=3)


def test_a_gate_that_is_not_met_fails_the_users_test_in_words(pytester, made):
    (pytester.path / "edgekit.toml").write_text("[verify]\nmax_size = 10\n")
    pytester.makeconftest('pytest_plugins = ["edgekit.testing"]')
    pytester.makepyfile(f"def test_it(assert_verified): assert_verified({str(made / 'model_int8.tflite')!r})")
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*max_size: *KiB, not at most 10.00B*"])


def test_a_classifier_is_closed_when_the_users_test_ends(pytester, model_file):
    pytester.makeconftest('pytest_plugins = ["edgekit.testing"]')
    pytester.makepyfile(
        f"""
        import numpy
        import pytest
        kept = []
        def test_first(open_classifier):
            kept.append(open_classifier({str(model_file)!r}))
        def test_second():
            with pytest.raises(Exception, match="closed"):
                kept[0].classify(numpy.zeros((8, 8, 3), numpy.uint8))
        """
    )
    pytester.runpytest_inprocess("-p", "no:cacheprovider").assert_outcomes(passed=2)


# Usual options.


@pytest.fixture
def usual(tmp_path, monkeypatch):
    """Writes edgekit.toml into the folder of the call."""
    write_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    return lambda text: (tmp_path / "edgekit.toml").write_text(text)


def settings(*arguments):
    result = run("convert", "model.h5", "--json", *arguments)
    assert result.exit_code == 0, result.output
    provenance = json.loads(result.stdout)["provenance"]
    return provenance["recipe"], provenance["calibration"], result.stderr


def test_the_project_s_options_are_used_and_the_command_line_wins(usual):
    usual('[convert]\nsamples = 10\ndata = "train"\nranges = "minmax"\ncorrections = "none"\nno-verify = true\n')
    recipe, calibration, told = settings()
    assert (recipe["samples"], recipe["ranges"], calibration["images"], told) == (10, "minmax", 10, "")
    recipe, calibration, told = settings("--samples", "7", "--ranges", "percentile", "-v")
    assert (recipe["samples"], recipe["ranges"], calibration["images"]) == (7, "percentile", 7)
    assert "From edgekit.toml: --data train, --no-verify, --corrections none" in told
    assert "From command line: " in told and "--samples 7" in told.split("From command line: ")[1]


def test_other_commands_and_other_folders_are_left_alone(usual, tmp_path, monkeypatch):
    usual('[evaluate]\nmin-top1 = "100%"\n')
    assert run("convert", "model.h5", "--no-verify").exit_code == 0
    assert run("evaluate", "model_int8.tflite", "--data", "validation", "--json").exit_code in (0, 1)
    usual("[[[")
    assert run("devices").exit_code == 0 and run("convert", "--help").exit_code == 0
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    assert "From edgekit.toml" not in run("evaluate", "../model_int8.tflite", "--data", "../validation", "-v").stderr


@pytest.mark.parametrize(
    "text",
    [
        "[[[",
        "[convert]\nsampels = 10\n",
        "[convert]\nsamples = [1]\n",
        "[convert]\nsamples = true\n",
        '[convert]\nno-verify = "yes"\n',
        '[convert]\nsamples = "many"\n',
        "[convert]\ntrust = true\n",
        '[convert]\noutput = "/elsewhere.tflite"\n',
        '[evaluate]\nscheduler = "tcp://stranger:1"\n',
        '[evaluate]\ncsv = "x.csv"\n',
        '[convert]\nlabels = "a\\u0000b"\n',
        "[gates]\n",
        "convert = 3\n",
    ],
)
def test_what_the_file_must_not_say_is_told_in_words(usual, text):
    usual(text)
    result = run("convert", "model.h5", "--json")
    assert (result.exit_code, json.loads(result.stdout)["error"]) == (2, "UsageError")


def test_the_part_of_the_ops_may_be_asked_of_another_accelerator(project, tmp_path):
    pytest.importorskip("tosa_converter_for_tflite")
    spec = tmp_path / "npu.toml"
    spec.write_text('[verify]\ntarget = "coral-npu"\nmin_mapped = "100%"\n')
    result = run("verify", "model_int8.tflite", "--spec", spec)
    assert result.exit_code == 0 and "legalize to TOSA" in result.output
    spec.write_text('[verify]\ntarget = "cpu"\nmin_mapped = "100%"\n')
    assert "'cpu' in [verify] is no accelerator" in run("verify", "model_int8.tflite", "--spec", spec).stderr
