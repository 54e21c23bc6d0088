"""Kernels that start warm: each is a fork of one Python that has the slow imports behind it.

The walls around each are those of `jail.Kernel`. What a fork shares with the next is what was there
before any student's code ran: modules as imported, and their place in memory (which a cold kernel
draws anew each time).
"""

from __future__ import annotations

import base64
import json
import os
import select
import signal
import socket
import subprocess
import warnings
from collections.abc import Iterable
from pathlib import Path

from course_lib.grading.jail import forkserver
from course_lib.grading.jail.folders import folder, remove
from course_lib.grading.jail.kernel import Kernel, KernelLost, Process
from course_lib.grading.jail.limits import FILES, FRESH, HOME, MB, Limits
from course_lib.grading.jail.stub import library
from course_lib.grading.jail.walls import Jail, executable, python, rules_here

# What every kernel imports, some of it late.
ALWAYS = (
    "ipykernel.kernelapp",
    "ipykernel.debugger",
    "IPython.core.completerlib",
    "IPython.extensions.storemagic",
    "numpy.random",
    "encodings.idna",
)
IMPORT_SECONDS, FORK_SECONDS = 600, 300  # for what hangs
KILLED = -signal.SIGKILL


class Forked:
    """The first process of a warm kernel's jail, by the handle that the system gives for it.

    line: on which it tells how its kernel ended.
    """

    def __init__(self, handle: int, line: socket.socket) -> None:
        self.handle, self.line = handle, line
        with open(f"/proc/self/fdinfo/{handle}", encoding="ascii") as info:
            fields = dict(line.split(":", 1) for line in info)
        self.pid = int(fields["Pid"])
        self.code: int | None = None

    def poll(self) -> int | None:
        """Return how its kernel ended, -9 if it was ended itself; None while it lives."""
        if self.code is None and self._ended(0):
            self.line.setblocking(False)
            try:
                self.code = int(self.line.recv(16) or KILLED)
            except OSError:
                self.code = KILLED
        return self.code

    def kill(self) -> None:
        """End it, and with it its whole process namespace."""
        if self.code is None:
            try:
                signal.pidfd_send_signal(self.handle, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def wait(self) -> int:
        """Wait until it has ended, and all processes of its jail."""
        self._ended(None)
        code = self.poll()
        os.close(self.handle)
        self.line.close()
        return code or 0

    def _ended(self, seconds: float | None) -> bool:
        return bool(select.select([self.handle], [], [], seconds)[0])


class WarmKernel(Kernel):
    """A kernel that is forked; see `Warm`."""

    def __init__(self, warm: Warm) -> None:
        self.warm = warm
        self._begin(warm.limits, str(warm.pool), True)

    def _launch(self, file: str) -> Process:
        return self.warm.fork(self.uid, file, [self.group.door] if self.group else [])

    def _first(self) -> int:
        return self.process.pid


class Warm:
    """Makes kernels that have done the slow imports; a context manager.

    Where none can be made, its kernels are cold ones, and `why` says the reason.

    limits, data, needs: as for `Kernel`, the same for all. modules: what is imported beforehand.
    """

    def __init__(
        self,
        limits: Limits,
        data: Iterable[Path] = (),
        needs: Iterable[str] = (),
        modules: Iterable[str] = (),
    ) -> None:
        self.limits, self.data, self.needs = limits, list(data), list(needs)
        self.why, self.proven = "", False
        # Short, for a socket's path has at most 107 characters.
        self.folder = folder("warm.", "/tmp", self._kill)
        self.lib, self.pool = self.folder / "lib", self.folder / "k"
        try:
            library(self.lib, self.needs)
            self.pool.mkdir()
            self.pool.chmod(0o755)
            self._start([*ALWAYS, *modules])
        except (OSError, KernelLost) as error:
            self._cool(error)
        except BaseException:
            self.close()
            raise

    def kernel(self) -> Kernel:
        """Return a new kernel in a jail of its own.

        Raises:
            KernelLost: it did not start.
        """
        if not self.why:
            try:
                kernel = WarmKernel(self)
            except (OSError, KernelLost) as error:
                if self.proven:  # it was no fault of this machine
                    raise
                self._cool(error)
            else:
                self.proven = True
                return kernel
        return Kernel(self.limits, self.data, self.needs)

    def _cool(self, error: Exception) -> None:
        """Make cold kernels from here on."""
        self.why = str(error) or type(error).__name__
        warnings.warn(f"kernels start cold here, which takes longer: {self.why}", stacklevel=3)
        self.close()

    def _start(self, modules: list[str]) -> None:
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        jail = Jail(self.limits, [self.lib, self.pool], self.data, self.lib)
        source = Path(forkserver.__file__).read_text(encoding="utf-8")
        quiet = dict.fromkeys(("stdout", "stderr"), subprocess.DEVNULL)
        with theirs:
            command = [executable(), "-c", source, *modules]
            self.server = jail.start_forkserver(command, stdin=theirs, **quiet)
        self.control.settimeout(IMPORT_SECONDS)
        if (said := self.control.recv(1000).decode()) != "ready":
            raise KernelLost(said or "the process that is to be forked ended at its start")

    def fork(self, uid: int, file: str, doors: list[int]) -> Forked:
        """Start a kernel that listens where `file` says; see `forkserver` for what is asked.

        doors: that of the control group in which it is to run, if there is one.

        Raises:
            KernelLost: there is no jail for it.
        """
        request = {
            "fresh": FRESH,
            "size": self.limits.files_mb * MB,
            "files": FILES,
            "keep": [str(self.lib), file, *self._covered()],
            "home": HOME,
            "uid": uid,
            "limits": self.limits.resources,
            "filter": base64.b64encode(rules_here()).decode(),
            "connection": file,
        }
        line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            with theirs:
                handles = [theirs.fileno(), *doors]
                socket.send_fds(self.control, [json.dumps(request).encode()], handles)
            line.settimeout(FORK_SECONDS)
            said, handles, *_ = socket.recv_fds(line, 1000, 1, socket.MSG_CMSG_CLOEXEC)
            if handles:
                return Forked(handles[0], line)
        except OSError as error:
            line.close()
            raise KernelLost(f"no kernel could be forked: {error}") from error
        line.close()
        raise KernelLost(f"no jail for a forked kernel: {said.decode() or 'it ended'}")

    def _covered(self) -> list[str]:
        """Return what lies in the folders that each jail has anew, and is to be seen there."""
        own = [f"{HOME}/{path.name}" for path in self.data]
        return own + [str(p) for p in python() if any(p.is_relative_to(f) for f in FRESH)]

    def _kill(self) -> None:
        if hasattr(self, "server"):
            self.server.kill()

    def close(self) -> None:
        """End the server and all its kernels, and remove its folder."""
        self._kill()
        if hasattr(self, "server"):
            self.server.wait()
            self.control.close()
        remove(self.folder)

    def __enter__(self) -> Warm:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
