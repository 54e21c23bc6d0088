"""How long a kernel has worked: by the processor time that it had, whatever else goes on."""

import sys
import time

import psutil

from course_lib.grading.marking.plain import FAR, LAST, spent


def processor(pid: int) -> tuple[float, bool]:
    """Return what a process and all that it started have had of a processor, as far as is known.

    In seconds; and whether one of them has it now, or waits for it.
    """
    if sys.platform == "linux":
        return spent(pid)
    try:
        process = psutil.Process(pid)
        used = float(sum(process.cpu_times()[:4]))  # with those of its ended children
        return used, process.status() == psutil.STATUS_RUNNING
    except psutil.Error:  # it has ended
        return 0.0, False


class Clock:
    """Counts processor seconds of a kernel and all that it starts, whatever else goes on.

    pid: of the first process. far: what sleeps ends after so many times as long.
    """

    def __init__(self, pid: int, seconds: float, far: float = FAR) -> None:
        self.pid, self.seconds, self.most = pid, seconds, 0.0
        self.before, self.busy = processor(pid)
        self.looked = time.monotonic()
        self.end, self.last = self.looked + far * seconds, self.looked + LAST * seconds

    def used(self) -> float:
        """Return the processor seconds since it was started."""
        now, self.busy = processor(self.pid)
        self.most = max(self.most, now - self.before)  # what is gone has had its time
        return self.most

    def left(self) -> float:
        """Return the processor seconds that are left: none where it sleeps for far too long."""
        left, now = self.seconds - self.used(), time.monotonic()
        return 0.0 if now > (self.last if self.busy else self.end) else left

    def over(self) -> bool:
        """Say whether nothing is left; it looks ten times a second at the most."""
        if (now := time.monotonic()) < self.looked + 0.1:
            return False
        self.looked = now
        return self.left() <= 0
