"""A sweep on a real Dask cluster: two worker processes, one of them killed in the middle."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from distributed import Client

from course_lib.cli.sweep import sweep as command
from tests.training.experiments import square

ROOT = Path(__file__).parents[2]
EXPERIMENT = f"{square.__module__}:{square.__name__}"


def start(program, *arguments, cwd):
    """Start a program of this environment that may import the course's tests."""
    command = [str(Path(sys.executable).with_name(program)), *arguments]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    quiet = subprocess.DEVNULL
    return subprocess.Popen(command, cwd=cwd, env=env, stdout=quiet, stderr=quiet)


@pytest.fixture
def cluster(tmp_path):
    """The address of a scheduler, and two workers without a nanny: who is killed stays dead."""
    told = tmp_path / "scheduler.json"
    here = ["--scheduler-file", str(told), "--host", "127.0.0.1", "--no-dashboard"]
    worker = ["dask", "worker", *here, "--nthreads", "1", "--no-nanny"]
    processes = [start("dask", "scheduler", *here, "--port", "0", cwd=tmp_path)]
    processes += [start(*worker, cwd=tmp_path) for _ in range(2)]
    try:
        while not told.exists():
            assert processes[0].poll() is None
            time.sleep(0.05)
        address = json.loads(told.read_text())["address"]
        with Client(address, timeout=600) as client:
            client.wait_for_workers(2, timeout=600)
        yield address, processes[1:]
    finally:
        for process in processes:
            process.kill()
            process.wait()


@pytest.mark.slow
def test_a_worker_of_a_cluster_is_killed_in_the_middle_and_nothing_is_lost(cluster, tmp_path):
    address, workers = cluster
    traces, results = tmp_path / "traces", tmp_path / "results"
    traces.mkdir()
    asked = [EXPERIMENT, "--over", "x=[0,1,2,3,4,5,6,7,8,9]", "--over", f'folder="{traces}"']
    asked += ["--over", f'gate="{tmp_path / "gate"}"']
    asked += ["--folder", str(results), "--scheduler", address]
    sweeping = start("course", "sweep", *asked, cwd=ROOT)
    while len(list(traces.glob("x[4-9]*"))) < 2:  # both workers wait at the gate
        assert sweeping.poll() is None
        time.sleep(0.02)
    workers[0].kill()
    (tmp_path / "gate").touch()
    assert sweeping.wait() == 0
    assert len(list(results.glob("*.json"))) == 10
    ran = len(list(traces.iterdir()))
    assert ran >= 10

    # Asked again, on the worker that is left: all is read, nothing is run.
    done = CliRunner().invoke(command, [*asked, "--json"])
    assert done.exit_code == 0, done.output
    rows = json.loads(done.stdout)
    assert [row["result"] for row in rows] == [{"square": x * x} for x in range(10)]
    assert len(list(traces.iterdir())) == ran


def test_a_scheduler_that_does_not_answer_is_a_sentence(monkeypatch, tmp_path):
    monkeypatch.setattr("course_lib.cli.sweep.CONNECT_SECONDS", 0.2)
    asked = [EXPERIMENT, "--scheduler", "tcp://127.0.0.1:9", "--folder", str(tmp_path)]
    done = CliRunner().invoke(command, asked)
    assert done.exit_code == 1
    assert "no Dask scheduler answers at tcp://127.0.0.1:9" in done.output
