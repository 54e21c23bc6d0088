"""A kernel that has no network, for `course run` and for the tests that run notebooks again.

Two locks, the second for systems that lack the first:

1. On Linux the kernel starts inside its own empty network namespace (`unshare --net`, for a normal
   user together with a user namespace): neither it nor any program it starts can reach anything.
2. Everywhere an audit hook in the kernel's Python refuses name look-ups and internet addresses with
   a sentence that says why. An audit hook cannot be taken off again.

The kernel talks to its client through Unix sockets (jupyter's `ipc` transport), which need no
network.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager, KernelManager

# Sums split over another number of threads end in other digits, so every run uses the same number.
# One: kernels run side by side, and threads that wait for each other while other kernels hold the
# cores made a chapter ten times slower. A chapter that shows threads asks for them itself.
THREADS = "1"
LONGEST_PLACE = 70  # letters of the folder in which a kernel has its own
ENVIRONMENT = {
    "OMP_NUM_THREADS": THREADS,
    "MKL_NUM_THREADS": THREADS,
    "OPENBLAS_NUM_THREADS": THREADS,
    "PYTHONHASHSEED": "0",
    "TQDM_DISABLE": "1",
}


@cache
def namespace() -> tuple[str, ...]:
    """Return the command prefix that takes the network away, empty where none works."""
    for prefix in (("unshare", "--net"), ("unshare", "--map-current-user", "--net")):
        if shutil.which(prefix[0]):
            trial = subprocess.run([*prefix, "true"], capture_output=True, check=False)
            if trial.returncode == 0:
                return prefix
    return ()


def _matplotlibrc() -> str:
    """Return the file of matplotlib's own defaults, without importing matplotlib."""
    found = find_spec("matplotlib")
    if found is None or not found.origin:
        return ""
    return str(Path(found.origin).parent / "mpl-data" / "matplotlibrc")


class _Offline:
    """What both kernel managers share: the command that starts the kernel, and its transport."""

    def __init__(self, **kwargs: Any) -> None:
        # A short path of its own: the system takes no names of sockets beyond a hundred letters.
        place = "/tmp" if len(tempfile.gettempdir()) > LONGEST_PLACE else None
        self._folder = tempfile.TemporaryDirectory(
            prefix="course-", dir=place, ignore_cleanup_errors=True
        )
        here = Path(self._folder.name)
        ours = {"transport": "ipc", "ip": f"{here}/k", "connection_file": f"{here}/kernel.json"}
        super().__init__(**{**ours, **kwargs})

    @property
    def kernel_spec(self) -> KernelSpec:
        command = [sys.executable, "-m", "course_lib.cli.offline", "-f", "{connection_file}"]
        # IPython's usual traceback looks for the source of every frame in every module that is
        # loaded: with the packages of some chapters that takes minutes.
        command.append("--InteractiveShell.xmode=Plain")
        return KernelSpec(
            argv=[*namespace(), *command],
            display_name="Python 3 (no network)",
            language="python",
            # Nor may the settings of whoever runs it show in a page: IPython's start-up files,
            # matplotlib's style.
            env={**ENVIRONMENT, "IPYTHONDIR": self._folder.name, "MATPLOTLIBRC": _matplotlibrc()},
        )


class OfflineKernelManager(_Offline, KernelManager):
    """A kernel manager whose kernels have no network."""


class AsyncOfflineKernelManager(_Offline, AsyncKernelManager):
    """The same for asynchronous clients (nbclient)."""


def refuse_network() -> None:
    """Make every later attempt of this process's Python to use the internet raise `OSError`."""
    import socket

    families = {socket.AF_INET, socket.AF_INET6}

    def guard(event: str, args: tuple[Any, ...]) -> None:
        if event in ("socket.getaddrinfo", "socket.gethostbyname"):
            raise OSError(f"a chapter runs with no network, and this one asked for {args[0]!r}")
        if event in ("socket.connect", "socket.sendto", "socket.bind"):
            sock, address = args
            if sock.family in families:
                raise OSError(f"a chapter runs with no network, and this one asked for {address!r}")

    sys.addaudithook(guard)


def _start() -> None:
    # `python -m` puts the working folder first on the path, where a notebook's own copy
    # of a module could shadow a package; ipykernel_launcher takes it off as well.
    if sys.path and os.path.realpath(sys.path[0]) == os.path.realpath(os.getcwd()):
        del sys.path[0]
    refuse_network()
    from ipykernel import kernelapp

    kernelapp.launch_new_instance()


if __name__ == "__main__":
    _start()
