"""Which system calls there are in a jail: a filter for seccomp(2)."""

from __future__ import annotations

import errno
import struct

MACHINES = {"x86_64": (0xC000003E, 56), "aarch64": (0xC00000B7, 220)}  # architecture, clone
# System calls that a notebook has no use for: they make namespaces and mounts, hold memory that no
# limit sees, look into other processes, or have a history of holes. {name: (x86_64, aarch64)}
FORBIDDEN = {
    "unshare": (272, 97), "setns": (308, 268), "mount": (165, 40), "umount2": (166, 39),
    "pivot_root": (155, 41), "open_tree": (428, 428), "move_mount": (429, 429),
    "fsopen": (430, 430), "bpf": (321, 280), "keyctl": (250, 219), "add_key": (248, 217),
    "request_key": (249, 218), "io_uring_setup": (425, 425), "userfaultfd": (323, 282),
    "perf_event_open": (298, 241), "ptrace": (101, 117), "process_vm_writev": (311, 271),
    "memfd_create": (319, 279), "shmget": (29, 194),
}  # fmt: skip


def filter_of(machine: str) -> bytes:
    """Return the seccomp filter of a machine (x86_64, aarch64), as bubblewrap reads it.

    Raises:
        KeyError: it is another machine.
    """
    column, (arch, clone) = list(MACHINES).index(machine), MACHINES[machine]
    load, equal, above, bits, end = 0x20, 0x15, 0x35, 0x45, 0x06  # BPF: LD, JEQ, JGE, JSET, RET
    denied = [numbers[column] for numbers in FORBIDDEN.values()]
    rules = [(load, 0, 0, 4), (equal, 1, 0, arch), (end, 0, 0, 0x80000000)]  # other ABI: killed
    rules += [(load, 0, 0, 0), (above, 0, 1, 0x40000000), (end, 0, 0, 0x80000000)]  # x32: killed
    for number in denied:
        rules += [(equal, 0, 1, number), (end, 0, 0, 0x00050000 | errno.EPERM)]
    # clone3 hides its flags in memory: without it the C library takes clone, whose flags show.
    rules += [(equal, 0, 1, 435), (end, 0, 0, 0x00050000 | errno.ENOSYS)]
    rules += [(equal, 0, 3, clone), (load, 0, 0, 16), (bits, 0, 1, 0x7E020000)]  # new namespaces
    rules += [(end, 0, 0, 0x00050000 | errno.EPERM), (end, 0, 0, 0x7FFF0000)]
    return b"".join(struct.pack("HBBI", *rule) for rule in rules)
