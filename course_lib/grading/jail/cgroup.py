"""A control group for each jail, within one that the user names and may divide (version 2).

What it bounds, the system itself bounds for the jail as a whole, and at once. Without it the grader
adds up what it sees (`guard`), and processor time is shared by processes.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from pathlib import Path

from course_lib.grading.errors import Refusal
from course_lib.grading.jail.limits import MB, Limits, inside_of

CONTROLLERS = ("memory", "pids", "cpu")
OWN = "grader"  # where the grader itself goes if it runs in the group that is to be divided
WAIT_SECONDS = 20  # until the last process of an ended jail is gone


def ready(place: Path) -> None:
    """See that a control group can be divided, and prepare it.

    Raises:
        Refusal: it cannot, with the reason.
    """
    why = "it is no folder of a control group of version 2"
    try:
        if (place / "cgroup.controllers").exists():
            there = (place / "cgroup.controllers").read_text().split()
            lacking = [name for name in CONTROLLERS if name not in there]
            why = f"it has no {' and no '.join(lacking)} to give" if lacking else ""
        if not why:
            inside = (place / "cgroup.procs").read_text().split()
            if str(os.getpid()) in inside:  # a group that is divided holds no process itself
                (place / OWN).mkdir(exist_ok=True)
                (place / OWN / "cgroup.procs").write_text("0")
            enabled = " ".join(f"+{name}" for name in CONTROLLERS)
            (place / "cgroup.subtree_control").write_text(enabled)
            with Group(place, "trial", Limits()) as trial:
                subprocess.run(inside_of(["true"]), stdin=trial.door, check=True)
    except OSError as error:
        why = f"{error.strerror}: {error.filename or place}"
    except subprocess.CalledProcessError:
        why = "no process may be put into a group within it"
    if why:
        raise Refusal(
            f"--cgroup {place}: {why}. Name a control group (version 2) that you may divide and in "
            "which no other process runs; the page for instructors on what is safe says how to get "
            "one. Without --cgroup grading goes on as well."
        )


class Group:
    """The group of one jail; a context manager that ends all in it and removes it.

    door: who writes 0 into this handle is in it, with all that he starts from then on.
    """

    def __init__(self, place: Path, name: str, limits: Limits) -> None:
        self.folder = place / name
        self.folder.mkdir()
        rules = {
            "memory.max": 2 * limits.memory_mb * MB + 3 * limits.files_mb * MB,
            "memory.oom.group": 1,  # all of it ends, or nothing
            "pids.max": limits.processes + 8,  # our own first processes among them
            "cpu.weight": 100,  # as much as any other jail, however many processes it has
        }
        try:
            for file, value in rules.items():
                (self.folder / file).write_text(str(value))
            with contextlib.suppress(OSError):  # a system without swap may not have it
                (self.folder / "memory.swap.max").write_text("0")
            self.door = os.open(self.folder / "cgroup.procs", os.O_WRONLY | os.O_CLOEXEC)
        except OSError:
            self.folder.rmdir()
            raise

    def short_of_memory(self) -> bool:
        """Whether something in it was ended because it had more than its memory."""
        with contextlib.suppress(OSError):
            events = (self.folder / "memory.events").read_text().split()
            return int(dict(zip(events[::2], events[1::2], strict=True)).get("oom_kill", 0)) > 0
        return False

    def close(self) -> None:
        """End what is in it, and remove it."""
        os.close(self.door)
        with contextlib.suppress(OSError):
            (self.folder / "cgroup.kill").write_text("1")
        end = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < end:
            try:
                self.folder.rmdir()
                return
            except FileNotFoundError:
                return
            except OSError:
                time.sleep(0.01)

    def __enter__(self) -> Group:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
