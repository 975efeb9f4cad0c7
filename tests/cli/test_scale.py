import json

import pytest
from click.testing import CliRunner

from edgekit.cli import main
from edgekit.errors import UsageError
from edgekit.units import memory, milliseconds


def edgekit(*arguments):
    return CliRunner().invoke(main, ["scale", *arguments])


def test_the_table_states_the_constraint_and_what_fits():
    result = edgekit("--max-latency", "8ms", "--max-memory", "7.5MiB")
    assert result.exit_code == 0
    assert "α·β²·γ² = 1.92 ≈ 2" in result.output
    assert "EfficientNetB: b0 is the largest that fits; b1 does not: " in result.output
    assert "at most 8 ms" in result.output and "at most 7.50MiB" in result.output
    rows = [line.split() for line in result.output.splitlines() if line.startswith("  b0 ")]
    assert rows[0][:3] == ["b0", "224×224", "5.33"] and rows[0][-1] == "yes"


def test_where_nothing_fits_that_is_said():
    assert "none fits; lite0 does not" in edgekit("--max-memory", "1KiB").output


def test_the_document_for_machines():
    rows = json.loads(edgekit("--json", "--max-latency", "8").stdout)
    estimated = {"on_chip_bytes", "on_chip_interval", "streamed_bytes", "streamed_interval", "latency_ms"}
    assert all(set(row) == estimated | {"name", "parameters", "flops", "latency_interval", "fits"} for row in rows)
    for row in rows:
        for value, interval in (
            ("on_chip_bytes", "on_chip"),
            ("streamed_bytes", "streamed"),
            ("latency_ms", "latency"),
        ):
            low, high = row[f"{interval}_interval"]
            assert low <= row[value] <= high
    found = {row["name"]: row for row in rows}
    assert (found["b7"]["parameters"], found["b7"]["fits"], found["lite0"]["fits"]) == (66_658_687, False, True)


@pytest.mark.parametrize(
    "arguments", [["--max-latency", "fast"], ["--max-memory", "7.5"], ["--base", "b3"], ["--max-latency", "0ms"]]
)
def test_wrong_requests_are_told_in_words(arguments):
    result = edgekit(*arguments, "--json")
    assert (result.exit_code, json.loads(result.stdout)["error"]) == (2, "UsageError")


@pytest.mark.parametrize(("text", "value"), [("8ms", 8), ("8 ms", 8), ("8", 8), ("0.5s", 500), ("250us", 0.25)])
def test_times_as_users_write_them(text, value):
    assert milliseconds("--max-latency", text) == value


@pytest.mark.parametrize(
    ("text", "value"), [("7.5MiB", 7864320), ("7.5 MiB", 7864320), ("7.5MB", 7864320), ("12B", 12)]
)
def test_sizes_as_users_write_them(text, value):
    assert memory("--max-memory", text) == value


@pytest.mark.parametrize("text", ["", "-1ms", "1e3", "7 bananas", "٣ms"])
def test_other_words_are_refused(text):
    with pytest.raises(UsageError, match="--max"):
        milliseconds("--max-latency", text)
    with pytest.raises(UsageError, match="--max"):
        memory("--max-memory", text)
