"""The clock that counts a kernel's processor time: what sleeps is ended late, all else at last."""

import os
import subprocess
import sys

import psutil
import pytest

from course_lib.grading.jail import clock
from course_lib.grading.jail.clock import FAR, LAST, Clock

WAITS = """
import os, sys
os.posix_spawn("/bin/true", ["true"], {}, file_actions=[
    (os.POSIX_SPAWN_OPEN, 0, sys.argv[1], os.O_RDONLY, 0)])
"""


def states(pid):
    """Return the state of a process and of all that it started, as Linux names them."""
    process = psutil.Process(pid)
    found = []
    for one in [process, *process.children(recursive=True)]:
        with open(f"/proc/{one.pid}/stat") as stat:
            found.append(stat.read().rpartition(")")[2].split()[0])
    return found


@pytest.fixture
def at(monkeypatch):
    """Set the time, and what the processes had of a processor."""
    now = {"time": 0.0, "used": (0.0, False)}
    monkeypatch.setattr(clock.time, "monotonic", lambda: now["time"])
    monkeypatch.setattr(clock, "processor", lambda pid: now["used"])
    return now


@pytest.mark.parametrize(("busy", "most"), [(False, FAR), (True, LAST)])
def test_nothing_is_waited_for_without_end(busy, most, at):
    ticking = Clock(1, 2.0)
    at.update(time=2.0 * most - 0.1, used=(1.5, busy))
    assert ticking.left() == 0.5
    at["time"] = 2.0 * most + 0.1
    assert ticking.left() == 0.0


@pytest.mark.skipif(sys.platform != "linux", reason="states of processes are Linux's")
def test_who_waits_for_a_process_of_its_own_is_not_busy(tmp_path):
    line = tmp_path / "line"
    os.mkfifo(line)
    waiting = subprocess.Popen([sys.executable, "-c", WAITS, line])
    try:
        while states(waiting.pid) != ["D", "S"]:  # it waits for its own, which waits for somebody
            assert waiting.poll() is None
        assert not clock.processor(waiting.pid)[1]
    finally:
        other_end = os.open(line, os.O_RDWR)
        waiting.wait()
        os.close(other_end)
