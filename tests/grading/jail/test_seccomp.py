"""The filter of system calls: its numbers are the kernel's, and it says what it is meant to say."""

from __future__ import annotations

import re
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from course_lib.grading.jail.limits import Limits
from course_lib.grading.jail.seccomp import ASKED, CLONE, CLONE3, FORBIDDEN, MACHINES, filter_of
from course_lib.grading.jail.walls import Jail

# Of Debian's linux-libc-dev, on an x86_64: its own numbers, and the table that aarch64 takes.
HEADERS = {
    "x86_64": Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
    "aarch64": Path("/usr/include/asm-generic/unistd.h"),
}
LATER = {"setxattrat"}  # newer than some headers
ONE = {"inotify_init"}  # aarch64 has only its successor
ALLOWED, DENIED, KILLED = 0x7FFF0000, 0x00050001, 0x80000000


def numbers(machine):
    text = HEADERS[machine].read_text()
    found = re.findall(r"^#define __NR(?:3264)?_(\w+)\s+(\d+)", text, re.M)
    return {name: int(number) for name, number in found}


@pytest.mark.skipif(not HEADERS["aarch64"].exists(), reason="the kernel's headers are not here")
@pytest.mark.parametrize("machine", HEADERS)
def test_numbers_are_those_of_the_kernel_s_headers(machine):
    if not HEADERS[machine].exists():
        pytest.skip(f"not the headers of a {machine}")
    theirs, column = numbers(machine), list(MACHINES).index(machine)
    ours = {name: pair[column] for name, pair in FORBIDDEN.items()}
    ours |= {name: asked.numbers[column] for name, asked in ASKED.items() if "," not in name}
    ours |= {"clone": CLONE[column], "clone3": CLONE3}
    unknown = ours.keys() - theirs.keys()
    assert unknown <= (LATER if machine == "x86_64" else LATER | ONE)
    assert {n: v for n, v in ours.items() if n not in unknown and theirs[n] != v} == {}
    assert len(ours) - len(unknown) > 50


def answer(machine, number, *arguments):
    """What a machine that runs such filters, as the kernel does, says of a call."""
    shown = struct.pack(
        "IIQ6Q", number, MACHINES[machine], 0, *arguments, *[0] * (6 - len(arguments))
    )
    rules, at, value = list(struct.iter_unpack("HBBI", filter_of(machine))), 0, 0
    while True:
        code, yes, no, k = rules[at]
        at += 1
        if code == 0x20:
            (value,) = struct.unpack_from("I", shown, k)
        elif code == 0x54:
            value &= k
        elif code == 0x06:
            return k
        else:
            at += yes if {0x15: value == k, 0x35: value >= k}[code] else no


@pytest.mark.parametrize("machine", MACHINES)
def test_what_is_forbidden_is_refused_and_the_rest_is_not(machine):
    column = list(MACHINES).index(machine)
    denied = {pair[column] for pair in FORBIDDEN.values()}
    for number in range(470):
        expected = DENIED if number in denied else ALLOWED
        expected = 0x00050026 if number == CLONE3 else expected  # ENOSYS
        if number not in {asked.numbers[column] for asked in ASKED.values()}:
            assert answer(machine, number) == expected, number
    assert answer(machine, 1 << 30) == KILLED


@pytest.mark.parametrize("machine", MACHINES)
def test_calls_are_refused_by_their_arguments(machine):
    column = list(MACHINES).index(machine)

    def said(name, *arguments):
        return answer(machine, ASKED[name].numbers[column], *arguments)

    threads, namespace = 0x003D0F00, 0x10000000
    assert answer(machine, CLONE[column], threads) == ALLOWED
    assert answer(machine, CLONE[column], threads | namespace) == DENIED
    for flags, expected in {
        0x22: ALLOWED, 0x4022: ALLOWED, 0x01: ALLOWED, 0x02: ALLOWED,
        0x21: DENIED, 0x23: DENIED, 0x40021: DENIED,
    }.items():  # fmt: skip
        assert said("mmap", 0, 4096, 3, flags, 0, 0) == expected, hex(flags)
    for option in (7, 26, 50, 52):
        assert said("setsockopt", 3, 1, option) == 0x00050000  # as if it had been done
    assert said("setsockopt", 3, 1, 2) == ALLOWED
    assert said("fcntl", 3, 6) == ALLOWED and said("fcntl", 3, 38) == DENIED
    for family, protocol, expected in (
        (1, 0, ALLOWED), (2, 6, ALLOWED), (10, 17, ALLOWED), (16, 0, ALLOWED),
        (2, 132, 0x00050061), (16, 4, 0x00050061), (38, 0, 0x00050061), (17, 0, 0x00050061),
    ):  # fmt: skip
        assert said("socket", family, 1, protocol) == expected, (family, protocol)


BY_NAME = """
import ctypes
c = ctypes.CDLL(None, use_errno=True)
for ask in (
    "semget(0, 1, 512)", "semop(0, 0, 0)", "semctl(0, 0, 0)", "shmat(0, 0, 0)", "shmctl(0, 0, 0)",
    "shmdt(0)", "shmget(0, 4096, 512)", "msgget(0, 512)", "msgsnd(0, 0, 0, 0)", "msgctl(0, 0, 0)",
    "msgrcv(0, 0, 0, 0, 0)", "setxattr(b'/tmp', b'user.x', b'1', 1, 0)", "inotify_init()",
    "fsetxattr(0, b'user.x', b'1', 1, 0)", "lsetxattr(b'/tmp', b'user.x', b'1', 1, 0)",
    "inotify_init1(0)", "inotify_add_watch(0, b'/', 1)", "fanotify_init(0, 0)", "tee(0, 1, 1, 0)",
    "vmsplice(1, 0, 0, 0)", "splice(0, 0, 1, 0, 1, 0)", "memfd_create(b'x', 0)", "unshare(0)",
    "mq_open(b'/x', 64, 438, 0)", "setns(0, 0)", "fcntl(0, 1031, 4096)", "ptrace(0, 0, 0, 0)",
    "mount(0, 0, 0, 0, 0)", "umount2(b'/tmp', 0)", "process_vm_writev(0, 0, 0, 0, 0, 0)",
):
    ctypes.set_errno(0)
    if eval("c." + ask) != -1 or ctypes.get_errno() != 1:
        print(ask, ctypes.get_errno())
"""


@pytest.mark.slow
def test_the_c_library_s_own_calls_are_refused_by_name():
    """Its numbers are not ours."""
    command = [sys.executable, "-c", BY_NAME]
    done = Jail(Limits(files_mb=16)).start(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert done.communicate()[0] == ""
