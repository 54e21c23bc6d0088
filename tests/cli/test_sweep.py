"""`course sweep` on this machine; a cluster is tried in tests/training/test_cluster.py."""

import json

import pytest
from click.testing import CliRunner

from course_lib.cli.sweep import _axis, sweep

EXPERIMENT = "tests.training.experiments:square"


def run(*asked):
    return CliRunner().invoke(sweep, list(asked))


@pytest.mark.slow
def test_every_combination_is_run_once_and_stored(tmp_path):
    traces = tmp_path / "traces"
    traces.mkdir()
    asked = [EXPERIMENT, "--over", "x=[3,0.5]", "--over", f"folder={traces}", "--workers", "1"]
    asked += ["--over", "seconds=[0,0.01]", "--folder", str(tmp_path / "results")]
    first = run(*asked)
    assert first.exit_code == 0, first.output
    lines = first.stdout.splitlines()
    assert len(lines) == 4
    assert lines[0].startswith("x=3 ") and lines[0].endswith('{"square": 9}')
    rows = json.loads(run(*asked, "--json").stdout)
    assert [(row["x"], row["seconds"]) for row in rows] == [
        (3, 0), (3, 0.01), (0.5, 0), (0.5, 0.01),
    ]  # fmt: skip
    assert [row["result"]["square"] for row in rows] == [9, 9, 0.25, 0.25]
    assert len(list(traces.iterdir())) == 4


@pytest.mark.slow
def test_settings_that_fail_are_named_and_the_exit_code_says_so(tmp_path):
    done = run(
        "tests.training.experiments:picky", "--over", "x=[1,2]", "--over", f"folder={tmp_path}",
        "--folder", str(tmp_path / "results"), "--workers", "1",
    )  # fmt: skip
    assert done.exit_code == 1
    assert "1 of 2 settings failed" in done.output and "no twos" in done.output


@pytest.mark.parametrize("word", ["adam", "tcp://host:1", "/data/x.csv", "3x3", "a b"])
def test_a_word_needs_no_quotes(word):
    assert _axis(f"x={word}") == ("x", [word])


@pytest.mark.parametrize(
    "asked, said",
    [
        (["nonsense"], "expected module:function"),
        (["no.such.module:f"], "cannot be imported"),
        (["tests.training.experiments:none"], "cannot be imported"),
        (["tests.training.experiments:__doc__"], "expected a function"),
        ([EXPERIMENT, "--over", "x"], "expected NAME=VALUES"),
        ([EXPERIMENT, "--over", "1x=2"], "expected NAME=VALUES"),
        *(
            ([EXPERIMENT, "--over", f"x={given}"], "is not JSON")
            for given in ("[1", '{"a":1', '"a', "True", "None", ".5", "1_000", "'a'", "1,2")
        ),
        ([EXPERIMENT, "--workers", "0"], "Invalid value for '--workers'"),
    ],
)
def test_what_cannot_be_understood_is_said(asked, said, tmp_path):
    done = run(*asked, "--folder", str(tmp_path))
    assert done.exit_code == 2
    assert said in done.output
