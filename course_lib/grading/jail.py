"""A kernel for students' code, in a bubblewrap jail (for `course check`: without one).

The jail sees the system's read-only files, this Python, the assignment's data and nothing else: no
network, no home, no other submission. The kernel is spoken to over ipc sockets, and dies with the
grader.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import platform
import secrets
import shlex
import shutil
import stat
import struct
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import psutil
import zmq
from jupyter_client.blocking import BlockingKernelClient
from jupyter_client.connect import write_connection_file

from course_lib.grading.tasks import Refusal

MB = 1 << 20
HOME = "/assignment"  # the folder in which a jailed notebook runs
UMASK = 0o022  # in every jail, whatever the grader's
# As root, each jail gets a user id of its own: limits on processes bind, and jails cannot meet.
UIDS = range(61184, 65520)  # the range that systemd takes for dynamic users
_turn = itertools.count()

STUB = '''"""Stands for course_lib while a notebook is graded."""
import sys

ROOMS = {rooms!r}


def refuse(room):
    raise ImportError(
        f"course_lib.{{room}} cannot be imported while this notebook is graded, for the course's "
        "own functions would be the answer. Write the function yourself, with what the notebook "
        "imports."
    )


class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        parts = name.split(".")
        if parts[0] == "course_lib" and len(parts) > 1 and parts[1] not in ROOMS:
            refuse(parts[1])


def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(name)
    refuse(name)


sys.meta_path.insert(0, Finder)
'''


# The first process of a cold jail. bubblewrap's own would be of the kernel's user where the grader
# is not root, and open to it: its environment, and its memory, to be written even.
INIT = """
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)  # PR_SET_DUMPABLE: an exec, as below, undoes it
signal.signal(signal.SIGINT, signal.SIG_IGN)
child = os.fork()
if not child:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.execvp(sys.argv[1], sys.argv[1:])
while True:
    ended, status = os.wait()
    if ended == child:
        os._exit(os.waitstatus_to_exitcode(status) & 255)
"""


# In the kernel, before any code of the student's: what is printed beyond so many characters goes
# nowhere. It would pile up there, and whether memory or time ended it would be a matter of speed.
# (Who gets past this is ended for what it put out.)
HUSH = """
import contextlib, sys
from IPython import get_ipython
get_ipython()._tee = lambda channel: contextlib.nullcontext()  # it would keep all that is printed
left = {most}
def hush(write):
    def some(text):
        global left
        if left < 0:
            return len(text)
        left -= len(repr(text)) + 100  # as the grader counts a message
        return write(text if left >= 0 else "\\n(no more of what is printed is kept)\\n")
    return some
for stream in (sys.stdout, sys.stderr):
    stream.write = hush(stream.write)
"""


@dataclass(frozen=True)
class Limits:
    """What one submission may use.

    memory_mb: data of one process; all of them together may hold twice as much.
    cpu_s: processor time of one process.
    processes: processes and threads.
    files_mb: each of its three scratch folders, in memory.
    cell_s, total_s: wall-clock time for one cell, and for the notebook.
    output_mb: what it may print or show; what it prints beyond three quarters of it is not heard.
    """

    memory_mb: int = 2048
    cpu_s: int = 120
    processes: int = 64
    files_mb: int = 256
    cell_s: float = 30
    total_s: float = 180
    output_mb: int = 20

    @property
    def resources(self) -> dict[str, int]:
        """What the system sees to for each process, under the names of setrlimit(2)."""
        return {
            "DATA": self.memory_mb * MB,
            "CPU": self.cpu_s,
            "NPROC": self.processes,
            "FSIZE": self.files_mb * MB,
            "NOFILE": 1024,
            "CORE": 0,
        }


_open: dict[Path, Callable[[], object]] = {}  # folders in use, and what kills those who use them
_making = threading.Lock()


def folder(
    prefix: str, place: str | None = None, kill: Callable[[], object] = lambda: None
) -> Path:
    """Make a folder that `remove` removes; or `end_all`, after it has called `kill`."""
    with _making:
        made = Path(tempfile.mkdtemp(prefix=prefix, dir=place))
        _open[made] = kill
    return made


def remove(made: Path) -> None:
    """Remove such a folder."""
    shutil.rmtree(made, ignore_errors=True)
    _open.pop(made, None)


def end_all() -> None:
    """Kill all jails of this process, and remove their folders; no new ones can be made.

    It is for a process that ends next, whatever its main thread is about; this is called in
    another, and waits for nothing.
    """
    _making.acquire()
    for made, kill in list(_open.items())[::-1]:
        with contextlib.suppress(Exception):
            kill()
        with contextlib.suppress(Exception):
            remove(made)


GRACE_SECONDS = 20  # for what was told to stop, on a busy machine


class KernelLost(Exception):
    """The kernel is dead, or was stopped because it did not keep to its limits."""


def library(folder: Path, needs: Iterable[str]) -> None:
    """Write the stub of course_lib into `folder`, with the real rooms that an assignment needs."""
    package, real = folder / "course_lib", Path(__file__).resolve().parents[1]
    (package / "grading").mkdir(parents=True)
    (package / "__init__.py").write_text(STUB.format(rooms=["grading", *needs]))
    (package / "grading" / "__init__.py").write_text("def check(*args, **kwargs):\n    pass\n")
    for room in needs:
        shutil.copytree(real / room, package / room, ignore=shutil.ignore_patterns("__pycache__"))
    for path in (folder, *folder.rglob("*")):  # the jail's user is another, whatever our umask
        path.chmod(0o755 if path.is_dir() else 0o644)


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
        Refusal: it is another machine.
    """
    machines = {"x86_64": (0xC000003E, 56), "aarch64": (0xC00000B7, 220)}
    if machine not in machines:
        raise Refusal(
            f"the jail knows {' and '.join(machines)}, not {machine}. Grade on one of them."
        )
    column, (arch, clone) = list(machines).index(machine), machines[machine]
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


def user() -> int:
    """Return the user id that the next jail runs under: as root, one that no other jail has."""
    if os.geteuid() == 0:
        return UIDS[(os.getpid() * 61 + next(_turn)) % len(UIDS)]
    return os.getuid()


def python() -> list[Path]:
    """Return the folders of this Python: the environment, and what it was made from."""
    places = (Path(sys.prefix), Path(sys.base_prefix), Path(sys.executable).resolve().parents[1])
    return list(dict.fromkeys(places))


@dataclass
class Jail:
    """The walls of one jail: what is seen inside, and as whom the command runs.

    read: paths seen at their own place, read-only. write: the same, writable.
    data: files seen in the folder of the notebook, read-only.
    path: where Python looks for modules first.
    uid: the user.
    """

    limits: Limits
    read: Iterable[Path] = ()
    write: Iterable[Path] = ()
    data: Iterable[Path] = ()
    path: Path | str = ""
    uid: int = field(default_factory=user)

    @property
    def root(self) -> bool:
        """Whether root makes this jail."""
        return os.geteuid() == 0

    def start(self, command: list[str], **kwargs: Any) -> subprocess.Popen[str]:
        """Start `command` in this jail; the other arguments are those of `subprocess.Popen`."""
        with tempfile.TemporaryFile() as rules:
            rules.write(filter_of(platform.machine()))
            rules.seek(0)
            number = rules.fileno()
            first = ["--seccomp", str(number), "--as-pid-1", "--", sys.executable, "-ISc", INIT]
            args = [*self._walls(), *first, *self._drop(), *command]
            return self._popen(args, pass_fds=[number], **kwargs)

    def start_forkserver(self, command: list[str], **kwargs: Any) -> subprocess.Popen[str]:
        """Start a command of ours that makes jails within this one; it sees what they may see.

        It keeps its rights and has no limits: it must never run a line of a student's.
        """
        return self._popen([*self._walls(nested=True), "--", *command], **kwargs)

    def _popen(self, args: list[str], **kwargs: Any) -> subprocess.Popen[str]:
        """Start bubblewrap with nothing of ours: neither variables nor umask."""
        return subprocess.Popen(args, text=True, umask=UMASK, env=self._environment(), **kwargs)

    def _walls(self, nested: bool = False) -> list[str]:
        args = [
            shutil.which("bwrap") or "bwrap",
            "--unshare-ipc",
            "--unshare-pid",
            "--unshare-net",
            "--unshare-uts",
        ]
        args += ["--unshare-cgroup-try", "--die-with-parent", "--new-session"]
        args += ["--hostname", "grader"]
        if not self.root:
            args += ["--unshare-user", "--uid", "65534", "--gid", "65534"]
            args += [] if nested else ["--disable-userns"]
        return args + self._files()

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": f"{sys.prefix}/bin:/usr/bin:/bin",
            "PYTHONPATH": str(self.path),
            "HOME": HOME,
            "USER": "student",
            "LANG": "C.UTF-8",
            "PYTHONHASHSEED": "0",
            "OMP_NUM_THREADS": "1",
            "IPYTHONDIR": "/tmp/ipython",
            "MPLCONFIGDIR": "/tmp/matplotlib",
            "MPLBACKEND": "agg",
        }

    def _files(self) -> list[str]:
        """Bind an allow-list: whatever is not named here is not there."""
        system = [Path("/etc/ld.so.cache"), Path("/etc/alternatives")]
        wanted = [*system, *python(), *self.read]
        seen = dict.fromkeys(p for p in wanted if p.exists() and not p.is_relative_to("/usr"))
        args = ["--ro-bind", "/usr", "/usr", "--symlink", "usr/bin", "/bin"]
        args += ["--symlink", "usr/lib", "/lib", "--symlink", "usr/lib64", "/lib64"]
        args += ["--proc", "/proc", "--dev", "/dev"]
        for folder in ("/dev/shm", "/tmp", HOME):
            size = str(self.limits.files_mb * MB)
            args += ["--size", size, "--perms", "1777", "--tmpfs", folder]
        made = {Path("/"), Path("/tmp")}
        for kind, paths in (("--ro-bind", seen), ("--bind", self.write)):
            for path in paths:
                for parent in reversed(path.parents):  # bubblewrap alone would close them to others
                    if parent not in made and not any(parent.is_relative_to(p) for p in seen):
                        args += ["--perms", "0755", "--dir", str(parent)]
                        made.add(parent)
                args += [kind, str(path), str(path)]
        for path in self.data:
            args += ["--ro-bind", str(path), f"{HOME}/{path.name}"]
        return [*args, "--remount-ro", "/dev", "--remount-ro", "/", "--chdir", HOME]

    def _drop(self) -> list[str]:
        """Inside: leave root's user id (its files are bound by now), then take on the limits."""
        args = []
        if self.root:
            args = ["setpriv", f"--reuid={self.uid}", f"--regid={self.uid}", "--clear-groups"]
            args += ["--no-new-privs", "--bounding-set=-all", "--inh-caps=-all"]
        limits = [f"--{name.lower()}={most}" for name, most in self.limits.resources.items()]
        return [*args, "prlimit", *limits, "--"]


def closed() -> list[Path]:
    """Return the folders of this Python in which the jail's user could not read something.

    The executable is looked at, and each package and module, not all that is in a package.
    """
    if os.geteuid() != 0:  # the jail's user is ours
        return []
    inside = [Path(sysconfig.get_path(name)) for name in ("stdlib", "purelib", "platlib")]
    inside.append(Path(sys.executable).resolve())
    found = []
    for place in python():
        paths = {place}
        for path in inside:
            if path.is_relative_to(place):
                paths |= {p for p in (path, *path.parents) if p.is_relative_to(place)}
                paths |= set(path.iterdir()) if path.is_dir() else set()
        if any(map(_shut, paths)):
            found.append(place)
    return found


def _shut(path: Path) -> bool:
    """Is this a folder or a module that users other than its owner cannot read?"""
    try:
        mode = path.stat().st_mode
    except OSError:  # a link to nowhere
        return False
    if stat.S_ISDIR(mode):
        return path.name != "__pycache__" and mode & 0o5 != 0o5
    return path.suffix in (".py", ".so", ".pth") and not mode & 0o4


def ready() -> None:
    """See whether a jail can be made here.

    Raises:
        Refusal: it cannot, with the remedy.
    """
    no = "grading refuses to run students' code without a jail"
    if not sys.platform.startswith("linux"):
        raise Refusal(f"{no}, and only Linux has it. Grade on Linux.")
    tools = {"bwrap": "bubblewrap", "setpriv": "util-linux", "prlimit": "util-linux"}
    for tool, package in tools.items():
        if not shutil.which(tool):
            sudo = "" if os.geteuid() == 0 else "sudo "
            raise Refusal(
                f"{no}, and {tool} is not installed here. "
                f"Run: {sudo}apt-get update && {sudo}apt-get install -y {package}"
            )
    if shut := closed():
        raise Refusal(
            f"{no}, and its user, who is not root, could not read this Python, which was installed "
            "under a umask that closes files to other users. "
            f"Run: chmod -R go+rX {' '.join(shlex.quote(str(path)) for path in shut)}"
        )
    pipe = subprocess.PIPE
    trial = Jail(Limits()).start([sys.executable, "-c", ""], stderr=pipe, stdin=subprocess.DEVNULL)
    why = trial.communicate()[1].strip()
    if trial.returncode:
        raise Refusal(
            f"{no}, and bubblewrap cannot make one here ({why or 'no reason given'}). "
            "It needs version 0.8 or newer, and leave to make namespaces: in Docker --security-opt "
            "seccomp=unconfined --cap-add SYS_ADMIN; on Ubuntu 24.04 "
            "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"
        )


def _memory(processes: list[psutil.Process], most: int) -> int:
    """Return the bytes that processes hold, with what they share counted once, as far as is known.

    The exact count takes milliseconds, so it is made only if the rough one is above `most`.
    """
    rough = exact = 0
    for process in processes:
        with contextlib.suppress(psutil.Error):
            rough += process.memory_info().rss
    if rough <= most:
        return rough
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            try:
                exact += process.memory_full_info().pss
            except psutil.AccessDenied:
                exact += process.memory_info().rss
    return exact


class Process(Protocol):
    """The process of a kernel, as `subprocess.Popen` has it."""

    @property
    def pid(self) -> int:
        """Its number."""

    def poll(self) -> int | None:
        """Return its exit status, None while it lives."""

    def kill(self) -> None:
        """End it, and all that it started."""

    def wait(self) -> int:
        """Wait until it has ended; return its exit status."""


class Kernel:
    """A Python kernel and the line to it; a context manager that ends it.

    limits: what it may use. data: files for its folder. needs: rooms of course_lib it may import.
    jailed: False for a student's own notebook on the student's own machine (`course check`).
    """

    process: Process

    def __init__(
        self,
        limits: Limits,
        data: Iterable[Path] = (),
        needs: Iterable[str] = (),
        jailed: bool = True,
    ) -> None:
        self.data, self.needs = list(data), list(needs)
        self._begin(limits, "/tmp" if jailed else None, jailed)

    def _begin(self, limits: Limits, place: str | None, jailed: bool) -> None:
        """Make a folder in `place` for the line to the kernel, start it, and greet it."""
        self.limits, self.jailed, self.uid = limits, jailed, user()
        self._seen, self._checked = 0, 0.0
        # Short, for a socket's path has at most 107 characters.
        self.folder = folder("jail.", place, self._kill)
        self.sockets = self.folder / "s"
        try:
            self.sockets.mkdir()
            self.sockets.chmod(0o755)
            self._connect(self._connection())
        except BaseException:
            self.close()
            raise

    @property
    def _foreign(self) -> bool:
        """Whether the kernel runs as another user than the grader."""
        return self.jailed and os.geteuid() == 0

    def _connection(self) -> str:
        """Write the file that tells the kernel where to listen; return its path."""
        file = str(self.sockets / "kernel.json")
        key = secrets.token_hex(16).encode()
        if self.jailed:
            write_connection_file(file, key=key, transport="ipc", ip=str(self.sockets / "k"))
        else:
            write_connection_file(file, key=key)
        if self._foreign:
            for path in (self.sockets, Path(file)):
                os.chown(path, self.uid, self.uid)
        return file

    def _launch(self, file: str) -> Process:
        """Start the kernel that listens where `file` says."""
        lib = self.folder / "lib"
        library(lib, self.needs)
        command = [sys.executable, "-m", "ipykernel_launcher", "-f", file]
        quiet: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
        if self.jailed:
            jail = Jail(self.limits, [lib], [self.sockets], self.data, lib, self.uid)
            return jail.start(command, **quiet)
        for path in self.data:
            shutil.copy(path, self.folder)
        env = {**os.environ, "PYTHONPATH": str(lib), "MPLBACKEND": "agg"}
        return subprocess.Popen(command, cwd=self.folder, env=env, text=True, **quiet)

    def _connect(self, file: str) -> None:
        self.process = self._launch(file)
        self.context = zmq.Context()
        self.context.setsockopt(zmq.MAXMSGSIZE, 8 * MB)  # what a kernel may pile up here is bounded
        self.context.setsockopt(zmq.RCVHWM, 50)
        self.context.setsockopt(zmq.RECONNECT_IVL, 5)  # ms; the kernel listens when it is ready
        self.client = BlockingKernelClient(connection_file=file, context=self.context)
        self.client.load_connection_file()
        self.client.start_channels(stdin=False, hb=False)
        self._greet()
        most = 3 * self.limits.output_mb * MB // 4  # the rest is for what is shown otherwise
        self.execute("", 300, expression=f"exec({HUSH.format(most=most)!r}, {{}})")
        if self._foreign:
            os.chown(self.sockets, 0, 0)  # from now on nothing new can be written there

    def _greet(self, seconds: float = 600) -> None:
        """Wait until the kernel answers on both lines.

        Raises:
            KernelLost: it did not.
        """
        end, heard = time.monotonic() + seconds, set()  # type: float, set[str]
        while heard != {"shell", "iopub"}:
            if time.monotonic() > end:
                raise KernelLost(f"the kernel did not start in {seconds:g} s")
            self.client.kernel_info()
            heard |= {channel for channel, _ in self._messages(0.2)}

    def _messages(self, seconds: float) -> list[tuple[str, dict[str, Any]]]:
        """Return what arrives within `seconds`; see that the kernel lives and keeps its limits."""
        self._guard(0.2)
        poller, found = zmq.Poller(), []
        lines = {"shell": self.client.shell_channel, "iopub": self.client.iopub_channel}
        for channel in lines.values():
            poller.register(channel.socket, zmq.POLLIN)
        ready = dict(poller.poll(int(seconds * 1000)))
        for name, channel in lines.items():
            if channel.socket in ready:
                try:
                    message = channel.get_msg(timeout=0)
                    if not isinstance(message["content"], dict):
                        raise TypeError
                    self._seen += len(str(message["content"])) if name == "iopub" else 0
                except (
                    Exception
                ) as error:  # not JSON, too deep, not signed: not from an honest kernel
                    raise KernelLost("it sent what is no message") from error
                found.append((name, message))
        if self._seen > self.limits.output_mb * MB:
            raise KernelLost(f"it put out more than {self.limits.output_mb} MB")
        return found

    def _guard(self, every: float = 0.0) -> None:
        """See that the kernel lives and keeps its limits, at most once in `every` seconds."""
        if self.process.poll() is not None:
            raise KernelLost("it ended the Python process")
        if not self.jailed or time.monotonic() - self._checked < every:
            return
        self._checked, most, files = time.monotonic(), 2 * self.limits.memory_mb, []
        with contextlib.suppress(psutil.Error):
            inside = psutil.Process(self.process.pid).children(recursive=True)
            if _memory(inside, most * MB) > most * MB:
                raise KernelLost(f"it held more than {most} MB of memory")
        with contextlib.suppress(OSError):
            files = [path.lstat().st_size for path in self.sockets.iterdir()]
        if len(files) > 20 or sum(files) > MB:
            raise KernelLost("it wrote files into the folder of its sockets")

    def execute(
        self,
        source: str,
        seconds: float,
        expression: str = "",
        shown: Callable[[dict[str, Any]], None] = lambda message: None,
    ) -> dict[str, Any]:
        """Run source, or evaluate an expression; return the content of the kernel's reply.

        shown: called with each message of output. A cell that runs longer than `seconds` is
        interrupted, and the reply says so.

        Raises:
            KernelLost: the kernel ended, hangs, or broke its limits.
        """
        quiet = {"silent": True, "user_expressions": {"it": expression}} if expression else {}
        sent = self.client.execute(source, allow_stdin=False, stop_on_error=False, **quiet)
        end, reply, idle = time.monotonic() + seconds, None, False
        interrupted = False
        while reply is None or not (idle or expression):
            if time.monotonic() > end:
                if reply is not None:
                    break
                if interrupted or expression:
                    raise KernelLost(f"it was still running after {seconds:g} s")
                interrupted, end = True, time.monotonic() + GRACE_SECONDS
                control = self.client.control_channel
                control.send(self.client.session.msg("interrupt_request", {}))
            for channel, message in self._messages(0.1):
                if message["parent_header"].get("msg_id") != sent:
                    continue
                if channel == "shell":
                    reply = message["content"]
                    end = min(end, time.monotonic() + GRACE_SECONDS)
                elif message["content"].get("execution_state") == "idle":
                    idle = True
                else:
                    shown(message)
        self._guard()  # a cell shorter than the guard's interval is looked at too
        return {**reply, "interrupted": interrupted}

    def _kill(self) -> None:
        if hasattr(self, "process"):
            self.process.kill()  # bubblewrap's end is the end of its whole process namespace

    def close(self) -> None:
        """End the kernel and all that it started, and remove its folder."""
        self._kill()
        if hasattr(self, "process"):
            self.process.wait()
        if hasattr(self, "client"):
            self.client.stop_channels()
            self.context.destroy(linger=0)
        remove(self.folder)

    def __enter__(self) -> Kernel:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
