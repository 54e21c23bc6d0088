"""How long a kernel has worked: by the processor time that it had, whatever else goes on."""

import os
import sys
import time

import psutil

FAR = 10  # what sleeps so many times as long as it may compute is not waited for
LAST = 60  # nor is anything so many times as long: there are ways to use time that no count shows
TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100  # of processor time, a second


def processor(pid: int) -> tuple[float, bool]:
    """Return what a process and all that it started have had of a processor, as far as is known.

    In seconds; and whether one of them has it now, or waits for it.
    """
    used, busy, below = 0.0, False, []
    try:
        if sys.platform != "linux":
            process = psutil.Process(pid)
            used = float(sum(process.cpu_times()[:4]))  # with those of its ended children
            return used, process.status() == psutil.STATUS_RUNNING
        with open(f"/proc/{pid}/stat", "rb") as file:
            stat = file.read().rpartition(b")")[2].split()
        used, busy = sum(map(int, stat[11:15])) / TICKS, stat[0] == b"R"
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children", "rb") as file:
                below += file.read().split()
    except (OSError, psutil.Error):  # it has ended
        pass
    for child in below:
        more, also = processor(int(child))
        used, busy = used + more, busy or also
    return used, busy


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
