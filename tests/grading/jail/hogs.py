"""Notebooks that take what is not theirs alone: each a cell, bounded, so that a jail that does not
hold it leaves the machine alive. Each says in `taken` what it got, in MB or in pieces.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Hog:
    """most: what it may get; or it is ended, and the words say why. cold: of a cold kernel's."""

    source: str
    most: int
    words: str = "of memory"


CALL = """
import ctypes
c = ctypes.CDLL(None, use_errno=True)
taken = 0
"""
SYSTEM_V = (
    CALL
    + """
for i in range(150):
    taken += 2 * (c.semget(0, 32000, 0o1600) >= 0)
"""
)
PAGE_TABLES = """
import mmap
taken, step = 0, 2 << 20
lazy = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x4000  # nothing is set aside for it
m = mmap.mmap(-1, 200_000 * step, flags=lazy, prot=mmap.PROT_READ)
m.madvise(15)  # no huge pages
for at in range(0, 200_000 * step, step):
    m[at]
    taken = at // step * 4096 >> 20
"""
ATTRIBUTES = """
import os
taken = 0
for folder in ("/tmp", "/dev/shm", "/assignment"):
    for i in range(4000):
        try:
            if i % 50 == 0:
                open(f"{folder}/{i // 50}", "w").close()
            os.setxattr(f"{folder}/{i // 50}", f"user.{i}", bytes(1000))
            taken += 1 / 1000
        except OSError:
            break
taken = int(taken)
"""
SOCKETS = """
import os, socket, time
pairs, taken = [], 0
for i in range(16):
    if os.fork() == 0:
        while True:
            try:
                pairs.append(socket.socketpair())
                for end in pairs[-1]:
                    end.setblocking(False)
                    try:
                        while len(pairs) < 120:
                            taken += end.send(bytes(1 << 16))
                    except BlockingIOError:
                        pass
            except OSError:
                time.sleep(600)
time.sleep(8)
taken = 900
"""
LARGE_SOCKETS = """
import socket
pairs, taken = [], 0
for i in range(40):
    pairs.append(socket.socketpair())
    for end in pairs[-1]:
        for size in (socket.SO_SNDBUF, 32):
            try:
                end.setsockopt(socket.SOL_SOCKET, size, 8 << 20)
            except OSError:
                pass
        end.setblocking(False)
        try:
            while True:
                taken += end.send(bytes(1 << 16))
        except BlockingIOError:
            pass
taken >>= 20
"""
DATAGRAMS = """
import os, socket, time
held, taken, me = [], 0, 0
for child in (1, 2):
    if not me and os.fork() == 0:
        me = child
for i in range(120):
    here = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    here.bind(f"/tmp/s{me}.{i}")
    held.append(here)
    for j in range(11):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as there:
            there.setblocking(False)
            try:
                taken += there.sendto(bytes(150_000), f"/tmp/s{me}.{i}")
            except OSError:
                break
if me:
    time.sleep(600)
taken = 3 * taken >> 20
time.sleep(2)
"""
UNACCEPTED = """
import socket, time
here, taken = socket.socket(socket.AF_UNIX), 0
here.bind("/tmp/here")
here.listen(4096)
for i in range(4000):
    with socket.socket(socket.AF_UNIX) as there:
        there.setblocking(False)
        try:
            there.connect("/tmp/here")
            while True:
                taken += there.send(bytes(1 << 16))
        except OSError:
            pass
taken >>= 20
time.sleep(2)
"""
TCP = """
import os, socket, time
here, held, taken = socket.create_server(("127.0.0.1", 0)), [], 0
for child in range(3):
    if os.fork() == 0:
        here = socket.create_server(("127.0.0.1", 0))
        break
for i in range(80):
    there = socket.create_connection(here.getsockname())
    held.append((there, here.accept()))
    there.setblocking(False)
    try:
        while True:
            taken += there.send(bytes(1 << 16))
    except OSError:
        pass
taken = 4 * taken >> 20
time.sleep(2)
"""
FILES = """
import os
taken = 0
for folder in ("/tmp", "/dev/shm", "/assignment"):
    try:
        for i in range(150_000):
            os.close(os.open(f"{folder}/{i}", os.O_CREAT))
            taken += 1
    except OSError:
        pass
taken = taken * 1200 >> 20
"""
UNMAPPED = """
import mmap
taken = 0
try:
    held = [mmap.mmap(-1, 50 << 20) for i in range(10)]
except OSError:
    held = []
for m in held:
    for at in range(0, len(m), 4096):
        m[at] = 1
    m.madvise(mmap.MADV_DONTNEED)
    taken += 50
"""
DEV_ZERO = "zero = open('/dev/zero', 'r+b', 0)\n" + UNMAPPED.replace("(-1", "(zero.fileno()")
PIPES = """
import fcntl, os
held, taken = [], 0
for i in range(60):
    held.append(os.pipe())
    os.set_blocking(held[-1][1], False)
    try:
        fcntl.fcntl(held[-1][1], 1031, 1 << 20)
    except OSError:
        pass
    try:
        while True:
            taken += os.write(held[-1][1], bytes(1 << 16))
    except BlockingIOError:
        pass
taken >>= 20
"""
LOCKS = """
import fcntl, time
taken, files = 0, [open(f"/tmp/{i}", "w") for i in range(20)]
for file in files:
    for i in range(2000):
        fcntl.lockf(file, fcntl.LOCK_EX, 1, 2 * i)
        taken += 1
time.sleep(1)
"""
OPEN_LOCKS = """
import fcntl, struct
taken, files = 0, [open(f"/tmp/{i}", "w") for i in range(20)]
try:
    for file in files:
        for i in range(2000):
            fcntl.fcntl(file, 37, struct.pack("hhqqi", fcntl.F_WRLCK, 0, 2 * i, 1, 0))
            taken += 1
except OSError:
    pass
"""
WATCHED = """
import os, select, time
taken, all, files = 0, [select.epoll() for i in range(20)], [os.pipe()[0] for i in range(20)]
for file in files:
    for number in range(100, 200):
        os.dup2(file, number)
        for one in all:
            one.register(number)
            taken += 1
        os.close(number)
time.sleep(1)
"""
TERMINALS = """
import os, time
taken = 0
try:
    for i in range(60):
        os.openpty()
        taken += 1
except OSError:
    pass
time.sleep(1)
"""
THREADS = """
import threading, time
taken = threading.stack_size(1 << 16)
try:
    for i in range(60):
        threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
        taken += 1
except RuntimeError:
    pass
"""
DESCRIPTORS = """
import os
taken = 0
try:
    for i in range(600):
        os.dup(0)
        taken += 1
except OSError:
    pass
"""

HOGS = {
    "semaphores of System V": Hog(SYSTEM_V, 0),
    "page tables": Hog(PAGE_TABLES, 512),
    "attributes of files": Hog(ATTRIBUTES, 0),
    "pairs of sockets": Hog(SOCKETS, 0),
    "large sockets": Hog(LARGE_SOCKETS, 20),
    "datagrams of nobody": Hog(DATAGRAMS, 512),
    "connections that nobody takes": Hog(UNACCEPTED, 512),
    "connections over the loopback": Hog(TCP, 512),
    "empty files": Hog(FILES, 512),
    "shared memory that is not mapped": Hog(UNMAPPED, 0),
    "shared memory of /dev/zero": Hog(DEV_ZERO, 0),
    "large pipes": Hog(PIPES, 8),
    "locks": Hog(LOCKS, 10_000, "10000 locks on files"),
    "locks of nobody": Hog(OPEN_LOCKS, 0),
    "watched files": Hog(WATCHED, 10_000, "watched more than 10000 files"),
    "terminals": Hog(TERMINALS, 16, "16 terminals"),
    "threads": Hog(THREADS, 32),
    "descriptors": Hog(DESCRIPTORS, 256),
}
