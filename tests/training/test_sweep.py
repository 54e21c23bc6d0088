"""Sweeps with real processes: any executor, raising, dying, killed in the middle, and resumed."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from textwrap import indent

import pytest

from course_lib.files import store
from course_lib.training.sweep import SweepFailed, grid, sweep
from tests.training.experiments import deadly, picky, square

ROOT = Path(__file__).parents[2]


@pytest.fixture
def traces(tmp_path):
    folder = tmp_path / "traces"
    folder.mkdir()
    return folder


def count(traces, x="*"):
    return len(list(traces.glob(f"x{x}.*")))


def test_grid_is_every_combination_the_last_axis_fastest():
    assert grid(a=(1, 2), b="xy") == [
        {"a": 1, "b": "x"}, {"a": 1, "b": "y"}, {"a": 2, "b": "x"}, {"a": 2, "b": "y"},
    ]  # fmt: skip


@pytest.mark.slow
def test_results_in_the_order_of_the_settings_and_never_twice(tmp_path, traces):
    points = grid(x=[3, 1, 2], folder=[str(traces)])
    points[0]["seconds"] = 0.3  # the first is the last to be done
    wanted = [{**point, "result": {"square": point["x"] ** 2}} for point in points]
    with ThreadPoolExecutor(3) as pool:
        assert sweep(square, points, folder=tmp_path / "a", executor=pool) == wanted
    assert count(traces) == 3
    assert sweep(square, points, folder=tmp_path / "a") == wanted  # all read, no process started
    assert count(traces) == 3
    assert sweep(square, points, folder=tmp_path / "b", workers=2) == wanted
    assert count(traces) == 6


def test_a_broken_result_is_done_again(tmp_path, traces):
    points = grid(x=range(4), folder=[str(traces)])
    with ThreadPoolExecutor(1) as pool:
        first = sweep(square, points, folder=tmp_path / "a", executor=pool)
        files = sorted((tmp_path / "a").iterdir())
        files[0].write_bytes(files[0].read_bytes()[:-4])
        files[1].write_bytes(b"")
        files[2].write_bytes(files[2].read_bytes().replace(b"square", b"sqvare"))
        assert sweep(square, points, folder=tmp_path / "a", executor=pool) == first
    assert count(traces) == 4 + 3


def test_failures_are_told_at_the_end_and_tried_again(tmp_path, traces):
    points = grid(x=range(5), folder=[str(traces)])
    with ThreadPoolExecutor(2) as pool:
        for _ in range(2):
            with pytest.raises(SweepFailed, match="2 of 5 settings failed") as failed:
                sweep(picky, points, folder=tmp_path / "a", executor=pool)
    told = {settings["x"]: error for settings, error in failed.value.failures}
    assert told[2] == "ValueError: no twos"
    assert "no plain data" in told[3]
    assert [count(traces, x) for x in range(5)] == [1, 1, 2, 2, 1]


def test_a_result_of_another_form_or_experiment_is_made_anew(tmp_path, traces):
    points = grid(x=[3], folder=[str(traces)])
    with ThreadPoolExecutor(1) as pool:
        wanted = sweep(square, points, folder=tmp_path / "a", executor=pool)
        (path,) = (tmp_path / "a").iterdir()
        told = json.dumps({"experiment": "old", "result": 4}, indent=1)
        old = f"{hashlib.sha256(told.encode()).hexdigest()}\n{told}".encode()
        strange = path.with_name("strange")
        store(strange, "another:experiment", b'{"result": 4}')
        for content in (old, strange.read_bytes()):
            path.write_bytes(content)
            assert sweep(square, points, folder=tmp_path / "a", executor=pool) == wanted
    assert count(traces) == 3


@pytest.mark.slow
@pytest.mark.parametrize("lives", [1, 99])
def test_a_worker_that_dies_costs_no_result(tmp_path, traces, lives):
    points = grid(x=range(4), folder=[str(traces)], lives=[lives])
    if lives == 1:
        rows = sweep(deadly, points, folder=tmp_path / "a", workers=2)
        assert [row["result"] for row in rows] == [0, 1, 2, 3]
    else:
        with pytest.raises(SweepFailed, match=r"1 of 4 settings failed:\n.*worker died") as failed:
            sweep(deadly, points, folder=tmp_path / "a", workers=2)
        assert [settings["x"] for settings, _ in failed.value.failures] == [1]
        assert len(list((tmp_path / "a").iterdir())) == 3


@pytest.mark.slow
def test_killed_in_the_middle_and_resumed_nothing_stored_is_done_again(tmp_path, traces):
    script = (
        "from course_lib.training.sweep import grid, sweep\n"
        "from tests.training.experiments import square\n"
        f"points = grid(x=range(8), folder=[{str(traces)!r}], gate=[{str(tmp_path / 'gate')!r}])\n"
        f"sweep(square, points, folder={str(tmp_path / 'a')!r}, workers=1)\n"
    )
    file = tmp_path / "script.py"
    file.write_text("if __name__ == '__main__':\n" + indent(script, "    "))
    child = subprocess.Popen(
        [sys.executable, str(file)], cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, start_new_session=True
    )
    results = tmp_path / "a"
    while len(list(results.glob("*.json"))) < 4:
        assert child.poll() is None
        time.sleep(0.02)
    os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    assert len(list(results.glob("*.json"))) == 4  # the fifth waits at the gate
    before = count(traces)
    (tmp_path / "gate").touch()
    points = grid(x=range(8), folder=[str(traces)], gate=[str(tmp_path / "gate")])
    with ThreadPoolExecutor(8) as pool:
        rows = sweep(square, points, folder=results, executor=pool)
    assert [row["result"] for row in rows] == [{"square": x * x} for x in range(8)]
    assert count(traces) - before == 4


def nested():
    def inner(x):
        return x

    return inner


@pytest.mark.parametrize("experiment", [lambda x: x, nested()])
def test_an_experiment_that_workers_cannot_import_is_refused(tmp_path, experiment):
    with pytest.raises(TypeError, match="top of a module"):
        sweep(experiment, grid(x=[1]), folder=tmp_path)


@pytest.mark.parametrize("value", [{1, 2}, float("nan"), object()])
def test_settings_that_are_no_plain_data_are_refused(tmp_path, value):
    with pytest.raises(TypeError, match="plain data"):
        sweep(square, [{"x": value}], folder=tmp_path)
