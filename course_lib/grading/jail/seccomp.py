"""Which system calls there are in a jail: a filter for seccomp(2)."""

from __future__ import annotations

import errno
import struct
from dataclasses import dataclass

MACHINES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}  # as the filter is told of them
Numbers = tuple[int, int]  # of one call: on x86_64, on aarch64
# System calls that a notebook has no use for: they make namespaces and mounts, hold memory that no
# limit sees, share out what all of the machine has one of, look into other processes, or have a
# history of holes.
FORBIDDEN: dict[str, Numbers] = {
    "unshare": (272, 97), "setns": (308, 268), "mount": (165, 40), "umount2": (166, 39),
    "pivot_root": (155, 41), "open_tree": (428, 428), "move_mount": (429, 429),
    "fsopen": (430, 430), "fsconfig": (431, 431), "fsmount": (432, 432), "fspick": (433, 433),
    "mount_setattr": (442, 442), "bpf": (321, 280), "keyctl": (250, 219), "add_key": (248, 217),
    "request_key": (249, 218), "userfaultfd": (323, 282), "perf_event_open": (298, 241),
    "ptrace": (101, 117), "process_vm_writev": (311, 271), "syslog": (103, 116),
    "seccomp": (317, 277),
    # asynchronous input and output: the machine has 65,536 requests for everybody
    "io_setup": (206, 0), "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426), "io_uring_register": (427, 427),
    # System V, and POSIX queues
    "shmget": (29, 194), "shmat": (30, 196), "shmctl": (31, 195), "shmdt": (67, 197),
    "semget": (64, 190), "semop": (65, 193), "semctl": (66, 191), "semtimedop": (220, 192),
    "msgget": (68, 186), "msgsnd": (69, 189), "msgrcv": (70, 188), "msgctl": (71, 187),
    "mq_open": (240, 180),
    # memory that belongs to no process: in files without a name, attributes of files, pipes
    "memfd_create": (319, 279), "memfd_secret": (447, 447),
    "setxattr": (188, 5), "lsetxattr": (189, 6), "fsetxattr": (190, 7), "setxattrat": (463, 463),
    "vmsplice": (278, 75), "splice": (275, 76), "tee": (276, 77),
    # kept by the system for whoever asks
    "inotify_init": (253, 26), "inotify_init1": (294, 26), "inotify_add_watch": (254, 27),
    "fanotify_init": (300, 262),
    "timer_create": (222, 107), "landlock_create_ruleset": (444, 444),
    "landlock_add_rule": (445, 445), "landlock_restrict_self": (446, 446),
}  # fmt: skip


@dataclass(frozen=True)
class Asked:
    """A call that is answered in another way where its argument is, or is not, one of some values.

    numbers: of the call. argument: which, from 0. values: after `mask`. among: True if these are
    refused, False if all others are. error: the answer; 0: as if it had been done.
    """

    numbers: Numbers
    argument: int
    values: tuple[int, ...]
    among: bool = True
    mask: int = 0xFFFFFFFF
    error: int = errno.EPERM


ASKED = {
    # Memory that is shared and has no name stays when it is no longer mapped, and no process's
    # numbers show it. (Files in memory are limited.) MAP_SHARED 1 or 3, MAP_ANONYMOUS 32.
    "mmap": Asked((9, 222), 3, (0x21, 0x23), mask=0x23),
    # What a socket can hold is reckoned from its default: SO_SNDBUF, SO_RCVBUF, forced or not. And
    # filters of sockets (26, 50 to 52) take of a memory that all filters of the machine share.
    "setsockopt": Asked((54, 208), 2, (7, 8, 32, 33, 26, 50, 51, 52), error=0),
    # Sizes of pipes, leases, notices, and locks that belong to no process.
    "fcntl": Asked((72, 25), 1, (1024, 1026, 1031, 36, 37, 38)),
    # Unix, internet, netlink; no protocols but the usual ones.
    "socket": Asked((41, 198), 0, (1, 2, 10, 16), among=False, error=errno.EAFNOSUPPORT),
    "socket, protocol": Asked((41, 198), 2, (0, 1, 6, 17), among=False, error=errno.EAFNOSUPPORT),
}
LOAD, EQUAL, ABOVE, ALL, END = 0x20, 0x15, 0x35, 0x54, 0x06  # BPF: LD, JEQ, JGE, AND, RET
KILL, REFUSE, ALLOW = 0x80000000, 0x00050000, 0x7FFF0000
NUMBER, ARCHITECTURE, ARGUMENTS = 0, 4, 16  # where they stand in what the filter is shown
NEW = 0x7E020000  # the flags of clone(2) that make namespaces
CLONE, CLONE3 = (56, 220), 435

Rule = tuple[int, int, int, int]


def _block(number: int, argument: int, tests: list[Rule]) -> list[Rule]:
    """Return rules for one argument of one call; where they say nothing, the filter goes on."""
    load = (LOAD, 0, 0, ARGUMENTS + 8 * argument)
    rules = [load, *tests, (LOAD, 0, 0, NUMBER)]
    return [(EQUAL, 0, len(rules), number), *rules]


def _asked(asked: Asked, column: int) -> list[Rule]:
    refuse: Rule = (END, 0, 0, REFUSE | asked.error)
    tests: list[Rule] = [(ALL, 0, 0, asked.mask)]
    if asked.among:
        for value in asked.values:
            tests += [(EQUAL, 0, 1, value), refuse]
    else:
        last = len(asked.values)
        tests += [(EQUAL, last - at, 0, value) for at, value in enumerate(asked.values)] + [refuse]
    return _block(asked.numbers[column], asked.argument, tests)


def filter_of(machine: str) -> bytes:
    """Return the seccomp filter of a machine (x86_64, aarch64), as bubblewrap reads it.

    Raises:
        KeyError: it is another machine.
    """
    column, architecture = list(MACHINES).index(machine), MACHINES[machine]
    rules: list[Rule] = [(LOAD, 0, 0, ARCHITECTURE), (EQUAL, 1, 0, architecture)]
    rules += [(END, 0, 0, KILL), (LOAD, 0, 0, NUMBER)]  # another ABI
    rules += [(ABOVE, 0, 1, 0x40000000), (END, 0, 0, KILL)]  # x32
    for numbers in FORBIDDEN.values():
        rules += [(EQUAL, 0, 1, numbers[column]), (END, 0, 0, REFUSE | errno.EPERM)]
    # clone3 hides its flags in memory: without it the C library takes clone, whose flags show.
    rules += [(EQUAL, 0, 1, CLONE3), (END, 0, 0, REFUSE | errno.ENOSYS)]
    made: list[Rule] = [(ALL, 0, 0, NEW), (EQUAL, 1, 0, 0), (END, 0, 0, REFUSE | errno.EPERM)]
    rules += _block(CLONE[column], 0, made)
    for asked in ASKED.values():
        rules += _asked(asked, column)
    return b"".join(struct.pack("HBBI", *rule) for rule in [*rules, (END, 0, 0, ALLOW)])
