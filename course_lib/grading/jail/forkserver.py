"""A Python that has the slow imports behind it, and forks a kernel for each submission.

Its source is run in an outer jail, which shows what students' code may see (see `warm`), so it
stands alone: standard library and ipykernel. It never runs a line of a student's. Each fork first
closes itself into a jail of its own, with the walls that `jail.Jail` gives to a cold kernel: new
namespaces, fresh folders in memory, a user of its own, no capability, limits, system calls
filtered.

A request is JSON, with one end of a line for the answer and, where there is one, the handle of
cgroup.procs of a control group:
    {"fresh": folders to be made anew, "size": bytes and "files": files each may hold, "keep": paths
     under these that stay seen, "home": the folder to run in, "uid": the user, "limits":
     {"NPROC": 32, ...},
     "filter": seccomp rules in base64, "connection": the file that tells where to listen}
The answer is b"up" with a handle of the jail's first process, whose end is the end of all in it,
and in the end the exit status of the kernel, if it was that that ended; or the reason why there is
no jail.
"""

import base64
import contextlib
import ctypes
import fcntl
import gc
import importlib
import json
import os
import resource
import socket
import struct
import sys
from collections.abc import Iterator
from typing import Any

Request = dict[str, Any]

libc = ctypes.CDLL(None, use_errno=True)

# From the kernel's headers, the same on all machines.
NEWNS, NEWUTS, NEWIPC, NEWUSER = 0x00020000, 0x04000000, 0x08000000, 0x10000000
NEWPID, NEWNET = 0x20000000, 0x40000000
RDONLY, NOSUID, NODEV, NOEXEC, REMOUNT, BIND = 1, 2, 4, 8, 32, 4096
DUMPABLE, SECCOMP, BOUNDING, NO_NEW_PRIVILEGES, AMBIENT = 4, 22, 24, 38, 47  # for prctl
CAPABILITIES = 0x20080522  # version 3 of the structure


def done(result: int) -> None:
    """Raise OSError if a call of the C library failed."""
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def mount(source: str, target: str, kind: str = "", flags: int = 0, options: str = "") -> None:
    """Attach `source`, or a new file system of a kind, at `target`."""
    words = [word.encode() or None for word in (source, target, kind)]
    done(libc.mount(*words, ctypes.c_ulong(flags), options.encode() or None))


def write(path: str, text: str) -> None:
    """Write a text into a file of the system's."""
    with open(path, "w") as file:
        file.write(text)


def unshare() -> None:
    """Leave all namespaces; what is forked from here on is in new ones."""
    root, uid, gid = os.geteuid() == 0, os.getuid(), os.getgid()
    new = NEWNS | NEWUTS | NEWIPC | NEWPID | NEWNET
    done(libc.unshare(new | (0 if root else NEWUSER)))
    if not root:  # the same user inside
        write("/proc/self/setgroups", "deny")
        write("/proc/self/uid_map", f"{uid} {uid} 1")
        write("/proc/self/gid_map", f"{gid} {gid} 1")


def cover(request: Request) -> None:
    """Cover what the outer jail shows of other kernels by new folders, /proc and terminals."""
    kept = [(path, os.open(path, os.O_PATH)) for path in request["keep"]]
    room = f"size={request['size']},nr_inodes={request['files']},mode=1777"
    for folder in request["fresh"]:
        mount("tmpfs", folder, "tmpfs", NOSUID | NODEV, room)
    for path, handle in kept:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if os.path.isdir(f"/proc/self/fd/{handle}"):
            os.mkdir(path)
        else:
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY))
        mount(f"/proc/self/fd/{handle}", path, flags=BIND)  # as read-only as it was
        os.close(handle)
    terminals = "newinstance,ptmxmode=0666,mode=620,max=16"  # the system has 4096 for everybody
    mount("devpts", "/dev/pts", "devpts", NOSUID | NOEXEC, terminals)
    mount("proc", "/proc", "proc", NOSUID | NODEV | NOEXEC)
    if os.geteuid():
        write("/proc/sys/user/max_user_namespaces", "0")
    for name in ("sysrq-trigger", "irq", "bus"):
        with contextlib.suppress(FileNotFoundError):
            mount(f"/proc/{name}", f"/proc/{name}", flags=BIND)
            mount("none", f"/proc/{name}", flags=REMOUNT | BIND | RDONLY | NOSUID | NODEV | NOEXEC)
    os.chdir(request["home"])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:  # the loopback is up
        fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh22x", b"lo", 1))


def drop_privileges(request: Request) -> None:
    """Take on the user, the limits and the filter of a jail; nothing can undo it."""
    for name, most in request["limits"].items():
        resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (most, most))
    last = int(open("/proc/sys/kernel/cap_last_cap").read())
    for number in range(last + 1):
        done(libc.prctl(BOUNDING, number, 0, 0, 0))
    done(libc.prctl(AMBIENT, 4, 0, 0, 0))  # clear all
    if os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(*[request["uid"]] * 3)
        os.setresuid(*[request["uid"]] * 3)
    header, none = (ctypes.c_uint32 * 2)(CAPABILITIES, 0), (ctypes.c_uint32 * 6)()
    done(libc.capset(header, none))
    done(libc.prctl(DUMPABLE, 1, 0, 0, 0))  # /proc/self is its own, as after an exec
    done(libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0))
    rules = base64.b64decode(request["filter"])
    buffer = ctypes.create_string_buffer(rules, len(rules))
    program = struct.pack("HP", len(rules) // 8, ctypes.addressof(buffer))
    done(libc.prctl(SECCOMP, 2, ctypes.c_char_p(program), 0, 0))


def run_kernel(file: str) -> None:
    """Be the kernel, as `python -m ipykernel_launcher` is."""
    null = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(null, number)
    os.closerange(3, 1 << 16)  # no way back
    if "numpy" in sys.modules:  # it was seeded before the fork; random and torch see to themselves
        sys.modules["numpy"].random.seed()
    sys.argv = ["ipykernel_launcher", "-f", file]
    from ipykernel import kernelapp

    kernelapp.launch_new_instance()


def reap(kernel: int) -> int:
    """Be the first process of a jail: take the ended ones away; return when the kernel has."""
    while True:
        ended, status = os.wait()
        if ended == kernel:
            return os.waitstatus_to_exitcode(status) & 0xFF


def first_process(request: Request, line: socket.socket) -> int:
    """Close the jail, start the kernel in it, wait for its end; tell and return the exit status."""
    try:
        cover(request)
        done(libc.prctl(DUMPABLE, 0, 0, 0, 0))  # the kernel may be of the same user
        os.setsid()
        socket.send_fds(line, [b"up"], [os.pidfd_open(os.getpid())])
    except OSError as error:
        line.send(f"{type(error).__name__}: {error}".encode())
        return 1
    kernel = os.fork()
    if kernel == 0:
        drop_privileges(request)
        run_kernel(request["connection"])
    os.dup2(line.fileno(), 0)
    os.closerange(1, 1 << 16)
    status = reap(kernel)
    os.write(0, b"%d" % status)
    return status


def fork(request: Request, line: socket.socket, doors: list[int]) -> None:
    """Fork a jail; returns in the caller alone, who is not its parent."""
    between = os.fork()
    if between:
        os.waitpid(between, 0)
        return
    code = 1
    try:
        for door in doors:
            os.write(door, b"0")  # whoever writes it is in that group
        unshare()
        if os.fork() == 0:
            code = first_process(request, line)
    except OSError as error:
        line.send(f"{type(error).__name__}: {error}".encode())
    finally:
        os._exit(code)


def requests(control: socket.socket) -> Iterator[tuple[Request, socket.socket, list[int]]]:
    """Yield what the grader asks for, until it is gone."""
    while True:
        data, (*handles,), *_ = socket.recv_fds(control, 1 << 16, 2)
        if not data:
            return
        with socket.socket(fileno=handles.pop(0)) as line:
            yield json.loads(data), line, handles
        for door in handles:
            os.close(door)


def prepare(modules: list[str]) -> str:
    """Import modules, as far as they are there; return why forks would not be sound, if so."""
    for name in modules:
        with contextlib.suppress(Exception):
            importlib.import_module(name)
    threads = len(os.listdir("/proc/self/task"))
    gc.collect()
    gc.freeze()  # what is there now is not looked at again, so that the forks go on sharing it
    return "" if threads == 1 else f"the imports leave {threads - 1} threads"


def serve(modules: list[str]) -> None:
    """Tell the grader, on standard input, that the imports are done, and fork as it asks."""
    sys.path.remove("")  # a kernel looks for modules elsewhere first
    control = socket.socket(fileno=0)
    control.send(prepare(modules).encode() or b"ready")
    for request, line, doors in requests(control):
        fork(request, line, doors)


if __name__ == "__main__":
    serve(sys.argv[1:])
