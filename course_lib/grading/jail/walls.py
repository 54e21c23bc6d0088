"""A jail: what is seen inside, and as whom a command runs there. Bubblewrap makes it."""

from __future__ import annotations

import contextlib
import itertools
import os
import platform
import shlex
import shutil
import socket
import stat
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from course_lib.chapters import OWN
from course_lib.grading.errors import Refusal
from course_lib.grading.jail.limits import FRESH, HOME, MB, Limits, inside_of
from course_lib.grading.jail.seccomp import MACHINES, filter_of

COURSE = OWN if (OWN / "pyproject.toml").is_file() else OWN / "course_lib"
UMASK = 0o022  # in every jail, whatever the grader's
# As root, each jail gets a user id of its own: limits on processes bind, and jails cannot meet.
UIDS = range(61184, 65520)  # the range that systemd takes for dynamic users
_turn = itertools.count()


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


def user() -> tuple[int, socket.socket]:
    """Return the user id that the next jail runs under, and what must be closed after its end.

    As root it is one that no other jail has, of whatever process: a name that is this one's while
    the socket is open, however its process ends.

    Raises:
        Refusal: all are taken.
    """
    lock = socket.socket(socket.AF_UNIX)
    if os.geteuid() != 0:
        return os.getuid(), lock
    for _ in UIDS:
        uid = UIDS[(os.getpid() * 61 + next(_turn)) % len(UIDS)]
        with contextlib.suppress(OSError):
            lock.bind(f"\0course_lib jail {uid}")
            return uid, lock
    lock.close()
    raise Refusal(f"{len(UIDS)} jails run on this machine, and there is no user for another")


def _anybody() -> int:
    """Return such a user id for a jail of ours in which no student's code runs."""
    uid, lock = user()
    lock.close()
    return uid


def rules_here() -> bytes:
    """Return the filter of system calls for this machine.

    Raises:
        Refusal: the jail does not know this machine.
    """
    machine = platform.machine()
    if machine not in MACHINES:
        raise Refusal(
            f"the jail knows {' and '.join(MACHINES)}, not {machine}. Grade on one of them."
        )
    return filter_of(machine)


def python() -> list[Path]:
    """Return the folders of this Python: the environment, and what it was made from."""
    places = (Path(sys.prefix), Path(sys.base_prefix), Path(sys.executable).resolve().parents[1])
    return list(dict.fromkeys(places))


def executable() -> str:
    """Return the path of this Python without dots: a jail has no folders beside it."""
    return os.path.abspath(sys.executable)


@dataclass
class Jail:
    """The walls of one jail: what is seen inside, and as whom the command runs.

    read: paths seen at their own place, read-only.
    data: files seen in the folder of the notebook, read-only.
    path: where Python looks for modules first.
    uid: the user.
    """

    limits: Limits
    read: Iterable[Path] = ()
    data: Iterable[Path] = ()
    path: Path | str = ""
    uid: int = field(default_factory=_anybody)

    @property
    def root(self) -> bool:
        """Whether root makes this jail."""
        return os.geteuid() == 0

    def start(
        self, command: list[str], door: int | None = None, **kwargs: Any
    ) -> subprocess.Popen[str]:
        """Start `command` in this jail; the other arguments are those of `subprocess.Popen`.

        door: of the control group in which it is to run.
        """
        with tempfile.TemporaryFile() as rules:
            rules.write(rules_here())
            rules.seek(0)
            number = rules.fileno()
            first = ["--seccomp", str(number), "--as-pid-1", "--", executable(), "-ISc", INIT]
            args = [*self._walls(), *first, *self._drop(), *command]
            if door is not None:
                args, kwargs = inside_of(args), {**kwargs, "stdin": door}
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
            "NUMBA_NUM_THREADS": "4",  # these two would take one a core: more than there may be
            "LOKY_MAX_CPU_COUNT": "4",
            "IPYTHONDIR": "/tmp/ipython",
            "MPLCONFIGDIR": "/tmp/matplotlib",
            "MPLBACKEND": "agg",
        }

    def _files(self) -> list[str]:
        """Bind an allow-list: whatever is not named here is not there, nor is the course itself."""
        system = [Path("/etc/ld.so.cache"), Path("/etc/alternatives")]
        wanted = dict.fromkeys(p for p in [*system, *python(), *self.read] if p.exists())
        within = [p for p in wanted if p.is_relative_to(COURSE)]  # its environment, say
        seen = [p for p in wanted if p not in within and not p.is_relative_to("/usr")]
        covered = any(COURSE.is_relative_to(p) for p in [Path("/usr"), *seen])
        args = ["--ro-bind", "/usr", "/usr", "--symlink", "usr/bin", "/bin"]
        args += ["--symlink", "usr/lib", "/lib", "--symlink", "usr/lib64", "/lib64"]
        args += ["--proc", "/proc", "--dev", "/dev"]
        args += ["--dev-bind", "/dev/null", "/dev/zero"]  # shared, it is memory that nothing shows
        for folder in FRESH:
            size = str(self.limits.files_mb * MB)
            args += ["--size", size, "--perms", "1777", "--tmpfs", folder]
        made = {Path("/"), Path("/tmp"), Path("/usr")}
        for path in [*seen, *[COURSE] * covered, *within]:
            for parent in reversed(path.parents):  # bubblewrap alone would close them to others
                if parent not in made and not any(parent.is_relative_to(p) for p in seen):
                    args += ["--perms", "0755", "--dir", str(parent)]
                    made.add(parent)
            new = path == COURSE and path not in within
            args += ["--tmpfs", str(path)] if new else ["--ro-bind", str(path), str(path)]
        args += ["--remount-ro", str(COURSE)] * covered
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
    trial = Jail(Limits()).start([executable(), "-c", ""], stderr=pipe, stdin=subprocess.DEVNULL)
    why = trial.communicate()[1].strip()
    if trial.returncode:
        raise Refusal(
            f"{no}, and bubblewrap cannot make one here ({why or 'no reason given'}). "
            "It needs version 0.8 or newer, and leave to make namespaces: in Docker --security-opt "
            "seccomp=unconfined --cap-add SYS_ADMIN; on Ubuntu 24.04 "
            "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"
        )
