"""A kernel for students' code, in a bubblewrap jail (for `course check`: without one).

The jail sees the system's read-only files, this Python, the assignment's data and nothing else: no
network, no home, no other submission. The kernel is spoken to over ipc sockets, and dies with the
grader.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Protocol

import psutil
import zmq
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.connect import write_connection_file

from course_lib.grading.jail import guard
from course_lib.grading.jail.cgroup import Group
from course_lib.grading.jail.clock import Clock
from course_lib.grading.jail.folders import folder, remove
from course_lib.grading.jail.limits import MB, Limits
from course_lib.grading.jail.stub import library
from course_lib.grading.jail.walls import Jail, executable, user

Message = dict[str, Any]  # what Jupyter sends
PARTS = ("header", "parent_header", "metadata", "content")  # of a message
GRACE_SECONDS = 20  # for what was told to stop
ENDED = "it ended the Python process"
LISTEN = "/tmp/kernel"  # in the jail, with a number for each line


class KernelLost(Exception):
    """The kernel is dead, or was stopped because it did not keep to its limits.

    ours: it was ended by something that is not of the notebook's doing, such as this machine's
    having no memory left. Then it costs no point: it is graded again, or a person decides.
    """

    def __init__(self, why: str, ours: bool = False) -> None:
        super().__init__(why)
        self.ours = ours


# In the kernel: exit and quit mean nothing in a cell; when they ended it was a matter of luck.
STAY = "get_ipython().ask_exit = lambda: None"
# In the kernel, before any code of the student's: what is printed beyond so many characters goes
# nowhere. It would pile up there, and whether memory or time ended it would be a matter of speed.
# (Who gets past this is not listened to until the cell's end.)
HUSH = """
import contextlib, sys
from IPython import get_ipython
get_ipython()._tee = lambda channel: contextlib.nullcontext()  # it would keep all that is printed
def fresh(*cell):
    global left
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
fresh()
get_ipython().events.register("pre_run_cell", fresh)
"""


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
        self.limits, self.jailed = limits, jailed
        self.uid, self._lock = user()
        self.group: Group | None = None
        self._seen, self._checked, self._handles = 0, 0.0, list[int]()
        # Short, for a socket's path has at most 107 characters.
        self.folder = folder("jail.", place, self._kill)
        try:
            if jailed and limits.cgroup:
                self.group = Group(Path(limits.cgroup), self.folder.name, limits)
            self._connect(self._connection())
        except BaseException:
            self.close()
            raise

    def _connection(self) -> str:
        """Write the file that tells the kernel where to listen; return its path."""
        file = str(self.folder / "kernel.json")
        key = secrets.token_hex(16).encode()
        if self.jailed:
            write_connection_file(file, key=key, transport="ipc", ip=LISTEN)
        else:
            write_connection_file(file, key=key)
        if self.jailed and os.geteuid() == 0:  # the kernel runs as another user
            os.chown(file, self.uid, self.uid)
        return file

    def _launch(self, file: str) -> Process:
        """Start the kernel that listens where `file` says."""
        lib = self.folder / "lib"
        library(lib, self.needs)
        command = [executable(), "-m", "ipykernel_launcher", "-f", file]
        quiet: Message = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
        if self.jailed:
            jail = Jail(self.limits, [lib, Path(file)], self.data, lib, self.uid)
            return jail.start(command, self.group.door if self.group else None, **quiet)
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
        if self.jailed:
            self._reach()
        self.client.start_channels(stdin=False, hb=False)
        self._greet()
        most = 3 * self.limits.output_mb * MB // 4  # the rest is for what is shown otherwise
        self.execute("", 300, expression=f"exec({HUSH.format(most=most) + STAY!r}, {{}})")

    def _first(self) -> int:
        """Return the number of the first process in the jail, which is ours; 0: not yet there."""
        with contextlib.suppress(psutil.Error):
            return next((p.pid for p in psutil.Process(self.process.pid).children()), 0)
        return 0

    def _reach(self, seconds: float = 600) -> None:
        """Lead the client to the sockets within the jail; no folder is shared with it.

        Each is held by a handle before any code of the student's runs, so that what lies at its
        place later does not matter. Before they are there, what is seen of the jail may be this
        machine's own, so its limits are not looked at.

        Raises:
            KernelLost: the kernel ended before it listened, or did not come to it.
        """
        client, end = self.client, time.monotonic() + seconds
        for port in (client.shell_port, client.iopub_port, client.control_port):
            while True:
                self._lives()
                if time.monotonic() > end:
                    raise KernelLost(f"the kernel did not listen in {seconds:g} s")
                place = f"/proc/{self._first()}/root{LISTEN}-{port}"
                with contextlib.suppress(OSError):
                    self._handles.append(os.open(place, os.O_PATH | os.O_NOFOLLOW))
                    break
                time.sleep(0.002)
            (self.folder / f"k-{port}").symlink_to(f"/proc/self/fd/{self._handles[-1]}")
        client.ip = str(self.folder / "k")

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

    @property
    def _deaf(self) -> bool:
        """Whether a cell has put out so much that no more of it is listened to."""
        return self._seen > self.limits.output_mb * MB

    def _messages(self, seconds: float) -> list[tuple[str, Message]]:
        """Return what arrives within `seconds`; see that the kernel lives and keeps its limits."""
        self._guard(0.2)
        poller, found = zmq.Poller(), []
        lines = {"shell": self.client.shell_channel, "iopub": self.client.iopub_channel}
        for channel in lines.values():
            poller.register(channel.socket, zmq.POLLIN)
        ready = dict(poller.poll(int(seconds * 1000)))
        for name, channel in lines.items():
            if channel.socket in ready and name == "iopub" and self._deaf:
                channel.socket.recv_multipart()
            elif channel.socket in ready:
                try:
                    message = channel.get_msg(timeout=0)
                    if not all(isinstance(message[part], dict) for part in PARTS):
                        raise TypeError
                except (
                    Exception
                ) as error:  # not JSON, too deep, not signed: not from an honest kernel
                    raise KernelLost("it sent what is no message") from error
                found.append((name, message))
        return found

    def _lives(self) -> None:
        if (code := self.process.poll()) is not None:
            if self.group and self.group.short_of_memory():
                raise KernelLost("it held more memory than its control group may")
            if self.jailed and code == -signal.SIGKILL:  # nothing inside can do that
                raise KernelLost("its jail was killed", ours=True)
            raise KernelLost(ENDED)

    def _guard(self, every: float = 0.0) -> None:
        """See that the kernel lives and keeps its limits, at most once in `every` seconds."""
        self._lives()
        if not self.jailed or time.monotonic() - self._checked < every:
            return
        self._checked, first = time.monotonic(), self._first()
        if why := guard.excess(first, guard.inside(first), 2 * self.limits.memory_mb * MB):
            raise KernelLost(why)
        if why := guard.shortage():
            raise KernelLost(why, ours=True)

    def execute(
        self,
        source: str,
        seconds: float,
        expression: str = "",
        shown: Callable[[Message], None] = lambda message: None,
    ) -> Message:
        """Run source, or evaluate an expression; return the content of the kernel's reply.

        shown: called with each message of output. A cell that takes more than these seconds of a
        processor is interrupted, and the reply says so; it says too what was `used`.

        Raises:
            KernelLost: the kernel ended, hangs, or broke its limits.
        """
        quiet = {"silent": True, "user_expressions": {"it": expression}} if expression else {}
        clock = own = Clock(self.process.pid, seconds)
        sent = self.client.execute(source, allow_stdin=False, stop_on_error=False, **quiet)
        reply, idle, interrupted, self._seen = None, False, False, 0
        while reply is None or not (idle or expression or self._deaf):
            if clock.over():
                if reply is not None:
                    break
                if interrupted or expression:
                    raise KernelLost(f"it was still running after {seconds:g} s")
                interrupted, clock = True, Clock(self.process.pid, GRACE_SECONDS, far=1)
                control = self.client.control_channel
                control.send(self.client.session.msg("interrupt_request", {}))
            for channel, message in self._messages(0.1):
                if message["parent_header"].get("msg_id") != sent:
                    continue
                self._seen += len(str(message["content"])) if channel == "iopub" else 0
                if channel == "shell":
                    reply = message["content"]
                    clock = clock if expression else Clock(self.process.pid, GRACE_SECONDS, far=1)
                elif message["content"].get("execution_state") == "idle":
                    idle = True
                else:
                    shown(message)
        self._guard()  # a cell shorter than the guard's interval is looked at too
        return {**reply, "interrupted": interrupted, "used": own.used() if expression else 0}

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
        while self._handles:
            os.close(self._handles.pop())
        if self.group:
            self.group.close()
        remove(self.folder)
        self._lock.close()

    def __enter__(self) -> Kernel:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
