"""A class graded on a real Dask cluster: two worker processes, one of them killed in the middle."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from distributed import Client

from course_lib.cli.grade import grade as command
from tests.grading.example import NAME
from tests.grading.grades.test_batch import group, started, stored, until  # noqa: F401
from tests.training.test_cluster import ROOT, cluster  # noqa: F401

pytestmark = pytest.mark.slow


def names(client):
    """The names of the workers that the scheduler has now."""
    return [worker["name"] for worker in client.scheduler_info()["workers"].values()]


def test_a_worker_of_a_cluster_is_killed_in_the_middle_and_every_submission_is_graded(
    course,
    cluster,  # noqa: F811
    group,  # noqa: F811
    tmp_path,
):
    (address, workers), (folder, expected), out = cluster, group, tmp_path / "out"
    args = [folder, "--out", out, "--scheduler", address]
    grader = started(course, *args)
    until(grader, 3)
    workers[0].kill()
    said = grader.communicate()[1]
    assert grader.returncode == 0, said
    before = stored(out)
    assert {student: verdict["points"] for student, (verdict, _) in before.items()} == expected

    # A worker that finds no bubblewrap makes no jail: what is graded stays, the rest is refused.
    workers[1].kill()
    place = tmp_path / "scheduler.json"
    dask = [str(Path(sys.executable).with_name("dask")), "worker", "--scheduler-file", str(place)]
    bare = subprocess.Popen(
        [
            *dask,
            "--host",
            "127.0.0.1",
            "--no-dashboard",
            "--nthreads",
            "1",
            "--no-nanny",
            "--name",
            "bare",
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PATH": str(tmp_path)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        with Client(address, timeout=600) as client:
            while names(client) != ["bare"]:
                assert bare.poll() is None
                time.sleep(0.05)
        done = CliRunner().invoke(command, [NAME, *map(str, args), "--again"])
    finally:
        bare.kill()
        bare.wait()
    assert done.exit_code == 1
    assert "cannot grade: grading refuses" in done.output and "without a jail" in done.output
    assert stored(out) == before
