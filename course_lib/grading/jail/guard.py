"""What a jail holds of this machine, where no limit of the system's bounds it for a whole jail.

The system limits each process; of a jail as a whole it knows nothing (but for a control group, see
`cgroup`). So the grader adds up, a few times a second, what it can see from outside.
"""

from __future__ import annotations

import contextlib
import os
import re
from functools import cache
from pathlib import Path

import psutil

from course_lib.grading.jail.limits import FRESH, MB
from course_lib.grading.marking.plain import children

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


def _text(path: Path) -> str:
    """Return what a file of the system's says, "" if it is gone."""
    with contextlib.suppress(OSError):
        return path.read_text(errors="replace")
    return ""


def _fields(path: Path) -> dict[str, int]:
    return _numbers(_text(path))


def _lines(path: Path) -> list[list[str]]:
    return [line.split() for line in _text(path).splitlines()[1:]]


def _size(name: str) -> int:
    """Return the last number of a file of /proc/sys/net: the most that a buffer may hold."""
    words = _text(PROC / "sys/net" / name).split()
    return int(words[-1]) if words else MB


@cache
def _buffers() -> dict[str, int]:
    """Return the bytes that one socket of a kind can hold; none can ask for more, see `seccomp`."""
    sent, received = _size("core/wmem_default"), _size("core/rmem_default")
    tcp = _size("ipv4/tcp_rmem") + _size("ipv4/tcp_wmem")
    both = sent + received
    return {"tcp": tcp, "tcp6": tcp, "udp": both, "udp6": both, "netlink": both, "unix": sent}


def _some(pid: int, kind: str) -> bool:
    """Say whether there may be sockets of a kind beside that at which a kernel itself listens.

    To look through the system's table of them takes long even where there are none.
    """
    name = "sockstat6" if kind.endswith("6") else "sockstat"
    found = re.search(rf"{kind}: inuse (\d+)", _text(PROC / f"{pid}/net/{name}"), re.IGNORECASE)
    return not found or int(found[1]) > 1


def _kernels(pid: int) -> int:
    """Return the bytes that the system itself can hold for the jail of this process, at most."""
    held = 0
    for kind, size in _buffers().items():
        for words in [] if not _some(pid, kind) else _lines(PROC / f"{pid}/net/{kind}"):
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


def _noted(pid: int) -> tuple[int, int]:
    """Return how many locks a process holds on its files, and how many it has watched (epoll)."""
    text = ""
    with contextlib.suppress(OSError):
        for number in os.listdir(PROC / f"{pid}/fdinfo"):
            text += _text(PROC / f"{pid}/fdinfo/{number}")
    return text.count("\nlock:"), text.count("\ntfd:")


def inside(first: int) -> list[int]:
    """Return the processes of a jail but for its first, whose offspring they are."""
    if not (PROC / f"self/task/{os.getpid()}/children").exists():  # not every system lists them
        with contextlib.suppress(psutil.Error):
            return [each.pid for each in psutil.Process(first).children(recursive=True)]
    found = children(first)
    for pid in found:  # which grows meanwhile
        found += children(pid)
    return found


def excess(first: int, pids: list[int], most: int) -> str:
    """Return what the processes of a jail have too much of, "" if nothing.

    first: its first process, which is ours. pids: the others. most: the bytes of memory that they
    may hold together.
    """
    if memory(first, pids, most) > most:
        return f"it held more than {most // MB} MB of memory"
    noted = [_noted(pid) for pid in pids]
    if sum(locks for locks, _ in noted) > MOST:
        return f"it held more than {MOST} locks on files"
    if sum(watched for _, watched in noted) > MOST:
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
