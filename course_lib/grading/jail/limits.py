"""What a submission may use, and where it runs."""

from __future__ import annotations

from dataclasses import dataclass

MB = 1 << 20
HOME = "/assignment"  # the folder in which a jailed notebook runs
FRESH = ("/dev/shm", "/tmp", HOME)  # what each jail has of its own, in memory
FILES = 20_000  # in each of these, folders and links too


@dataclass(frozen=True)
class Limits:
    """What one submission may use.

    memory_mb: data of one process; all of them together may hold twice as much.
    cpu_s: processor time of one process.
    processes: processes and threads.
    files_mb: each of its three scratch folders, in memory.
    cell_s, total_s: processor time for one cell, and for the notebook, of all its processes; what
        sleeps ten times as long is ended too.
    cgroup: the control group in which each jail gets one of its own; "": none, see `cgroup`.
    output_mb: what it may print or show; what it prints beyond three quarters of it is not heard.
    """

    memory_mb: int = 2048
    cpu_s: int = 120
    processes: int = 32
    files_mb: int = 256
    cell_s: float = 30
    total_s: float = 180
    output_mb: int = 20
    cgroup: str = ""

    @property
    def resources(self) -> dict[str, int]:
        """What the system sees to for each process, under the names of setrlimit(2)."""
        return {
            "DATA": self.memory_mb * MB,
            "CPU": self.cpu_s,
            "NPROC": self.processes,
            "FSIZE": self.files_mb * MB,
            "NOFILE": 256,
            "SIGPENDING": 256,
            "CORE": 1,  # 0 would call the machine's own handler of crashes, were one set up
        }


def inside_of(command: list[str]) -> list[str]:
    """Return the command that runs in a control group if its standard input is the group's door."""
    return ["sh", "-c", 'echo 0 >&0 && exec "$@" </dev/null', "sh", *command]
