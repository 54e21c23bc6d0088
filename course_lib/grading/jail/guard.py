"""What a jail holds of this machine, where no limit of the system's bounds it for a whole jail.

The system limits each process; of a jail as a whole it knows nothing (but for a control group, see
`cgroup`). So the grader adds up, a few times a second, what it can see from outside.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from course_lib.grading.jail.limits import FRESH, MB

PROC = Path("/proc")
INODE, THREAD = 1536, 32 << 10  # bytes that the system keeps for each, at most
DATAGRAMS = 11  # messages that wait at one socket, each from a sender that may be gone
EMPTY = ("06", "0A")  # TCP: only the end is remembered; it waits for connections
MOST = 10_000  # locks on files, and watched files: a notebook has a few
TERMINALS = 16  # of the machine's 4096


def _numbers(text: str) -> dict[str, int]:
    """Return the numbers of lines such as "VmRSS:   123 kB", in bytes where kB."""
    found = {}
    for line in text.splitlines():
        name, _, rest = line.partition(":")
        words = rest.split()
        if words and words[0].isdigit():
            found[name] = int(words[0]) * (1024 if words[-1] == "kB" else 1)
    return found


def _fields(path: Path) -> dict[str, int]:
    """Return the numbers of such a file, none if it is gone."""
    with contextlib.suppress(OSError):
        return _numbers(path.read_text())
    return {}


def _lines(path: Path) -> list[list[str]]:
    with contextlib.suppress(OSError):
        return [line.split() for line in path.read_text(errors="replace").splitlines()[1:]]
    return []


def _size(name: str) -> int:
    """Return the last number of a file of /proc/sys/net: the most that a buffer may hold."""
    with contextlib.suppress(OSError):
        return int((PROC / "sys/net" / name).read_text().split()[-1])
    return MB


@cache
def _buffers() -> dict[str, int]:
    """Return the bytes that one socket of a kind can hold; none can ask for more, see `seccomp`."""
    sent, received = _size("core/wmem_default"), _size("core/rmem_default")
    tcp = _size("ipv4/tcp_rmem") + _size("ipv4/tcp_wmem")
    both = sent + received
    return {"tcp": tcp, "tcp6": tcp, "udp": both, "udp6": both, "netlink": both, "unix": sent}


def _kernels(pid: int) -> int:
    """Return the bytes that the system itself can hold for the jail of this process, at most."""
    held = 0
    for kind, size in _buffers().items():
        for words in _lines(PROC / f"{pid}/net/{kind}"):
            if kind == "unix":
                held += size * (DATAGRAMS if words[4:5] == ["0002"] else 1)
            elif not (kind.startswith("tcp") and words[3] in EMPTY):
                held += size
    for folder in FRESH:
        with contextlib.suppress(OSError):
            room = os.statvfs(PROC / f"{pid}/root{folder}")
            held += INODE * (room.f_files - room.f_ffree)
    return held


def _share(pid: int, resident: int) -> int:
    """Return a process's share of the bytes that it holds; 0 if it has ended."""
    try:
        text = (PROC / f"{pid}/smaps_rollup").read_text()
    except PermissionError:
        return resident
    except OSError:
        return 0
    return _numbers(text).get("Pss", 0)


def memory(first: int, pids: list[int], most: int) -> int:
    """Return the bytes that the processes of a jail hold, as far as is known from outside.

    What they share is counted once: this takes milliseconds, so it is done only if the rough count
    is above `most`. Page tables, what was swapped out, threads, sockets and files count.
    """
    status = [_fields(PROC / f"{pid}/status") for pid in pids]
    names = ("VmPTE", "VmSwap")
    held = sum(s.get(name, 0) for s in status for name in names)
    held += sum(s.get("Threads", 0) * THREAD for s in status) + _kernels(first)
    rough = [s.get("VmRSS", 0) for s in status]
    if held + sum(rough) <= most:
        return held + sum(rough)
    return held + sum(map(_share, pids, rough))


def _locks(pids: Iterable[int]) -> int:
    """Return how many locks on files these processes hold."""
    wanted = {str(pid) for pid in pids}
    with contextlib.suppress(OSError), (PROC / "locks").open() as lines:
        return sum(1 for line in lines if wanted.intersection(line.split()[4:6]))
    return 0


def _watched(pid: int) -> int:
    """Return how many files a process has told the system to watch (epoll)."""
    found, numbers = 0, []
    with contextlib.suppress(OSError):
        numbers = os.listdir(PROC / f"{pid}/fd")
    for number in numbers:
        with contextlib.suppress(OSError):  # it was closed meanwhile
            if os.readlink(PROC / f"{pid}/fd/{number}") == "anon_inode:[eventpoll]":
                found += (PROC / f"{pid}/fdinfo/{number}").read_text().count("tfd:")
    return found


def excess(first: int, pids: list[int], most: int) -> str:
    """Return what the processes of a jail have too much of, "" if nothing.

    first: its first process, which is ours. pids: the others. most: the bytes of memory that they
    may hold together.
    """
    if memory(first, pids, most) > most:
        return f"it held more than {most // MB} MB of memory"
    if _locks(pids) > MOST:
        return f"it held more than {MOST} locks on files"
    if sum(map(_watched, pids)) > MOST:
        return f"it watched more than {MOST} files"
    with contextlib.suppress(OSError):
        if len(os.listdir(PROC / str(first) / "root" / "dev/pts")) > TERMINALS + 1:
            return f"it opened more than {TERMINALS} terminals"
    return ""


def shortage() -> str:
    """Return what this machine has too little of to go on, "" if nothing."""
    machine = _fields(PROC / "meminfo")
    floor = min(1024 * MB, machine.get("MemTotal", 0) // 16)
    left = machine.get("MemAvailable", floor)
    return f"this machine had only {left // MB} MB of memory left" if left < floor else ""
