"""A control group that the user names: divided among jails, or refused with the reason."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path

import pytest

from course_lib.grading.errors import Refusal
from course_lib.grading.jail import cgroup
from course_lib.grading.jail.kernel import Kernel, KernelLost
from course_lib.grading.jail.limits import MB, Limits
from course_lib.grading.jail.warm import Warm, WarmKernel

LIMITS = Limits(memory_mb=256, files_mb=16)


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder that looks like a control group, without a system that keeps it."""
    (tmp_path / "cgroup.controllers").write_text("cpuset cpu io memory pids\n")
    (tmp_path / "cgroup.procs").write_text("")
    real = Path.mkdir

    def mkdir(path, *args, **kwargs):
        real(path, *args, **kwargs)
        if path.parent == tmp_path:  # the system puts its files into each new group
            (path / "cgroup.procs").write_text("")

    def rmdir(path):
        for file in path.iterdir():
            file.unlink()
        os.rmdir(path)

    monkeypatch.setattr(Path, "mkdir", mkdir)
    monkeypatch.setattr(Path, "rmdir", rmdir)
    return tmp_path


def test_a_group_has_the_limits_of_a_jail_as_a_whole(place):
    with cgroup.Group(place, "one", LIMITS) as group:
        said = {file.name: file.read_text() for file in group.folder.iterdir()}
        assert int(said["memory.max"]) == 2 * 256 * MB + 3 * 16 * MB
        assert said["memory.swap.max"] == "0" and said["memory.oom.group"] == "1"
        assert int(said["pids.max"]) > LIMITS.processes and said["cpu.weight"] == "100"
        (group.folder / "memory.events").write_text("low 0\noom 0\noom_kill 0\n")
        assert not group.short_of_memory()
        (group.folder / "memory.events").write_text("low 0\noom 3\noom_kill 1\n")
        assert group.short_of_memory()
    assert not group.folder.exists()


def test_a_group_is_tried_before_a_class_is_graded_in_it(place):
    (place / "cgroup.procs").write_text(f"1\n{os.getpid()}\n")
    cgroup.ready(place)
    assert (place / "cgroup.subtree_control").read_text() == "+memory +pids +cpu"
    assert (place / cgroup.OWN / "cgroup.procs").read_text() == "0"  # we went out of the way
    assert [path.name for path in place.iterdir() if path.is_dir()] == [cgroup.OWN]


@pytest.mark.parametrize(
    "controllers, why",
    [(None, "no folder of a control group"), ("cpu io", "no memory and no pids to give")],
)
def test_what_is_no_group_to_divide_is_refused_with_the_reason(tmp_path, controllers, why):
    if controllers:
        (tmp_path / "cgroup.controllers").write_text(controllers)
    with pytest.raises(Refusal, match=why) as refusal:
        cgroup.ready(tmp_path)
    assert str(tmp_path) in str(refusal.value)


@pytest.mark.slow
@pytest.mark.parametrize("warmth", ["cold", "warm"])
def test_who_had_too_much_in_a_group_is_told_so_and_no_other(warmth, place, monkeypatch):
    """The kernel enters by the door; what ended it is read from the group."""
    limits = Limits(memory_mb=1024, cgroup=str(place))
    with ExitStack() as stack:
        make = stack.enter_context(Warm(limits)).kernel if warmth == "warm" else None
        live = stack.enter_context(make() if make else Kernel(limits))
        assert isinstance(live, WarmKernel) == (warmth == "warm")
        assert (live.group.folder / "cgroup.procs").read_text().startswith("0")
        (live.group.folder / "memory.events").write_text("oom_kill 1\n")
        live.process.kill()
        while live.process.poll() is None:
            pass
        with pytest.raises(KernelLost, match="control group") as lost:
            live.execute("1 + 1", 20)
        assert not lost.value.ours
