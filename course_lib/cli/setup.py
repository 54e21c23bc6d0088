"""Makes the course's environment for one purpose: `python -I course_lib/cli/setup.py PURPOSE`.

The Makefile calls it with whatever Python it finds, so it imports nothing but Python's own modules
and is written so that an older Python can read it, and be told that it is too old.
"""

from __future__ import annotations

import hashlib
import json
import os
import queue
import re
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
MB = 10**6

# purpose: (what it is for, extras of course_lib, MB to download, MB on the disk, what it covers).
PURPOSES = {
    "style": ("the tool for style", ["style"], 20, 80, []),
    "book": ("the book", ["book"], 120, 600, []),
    "lab": ("chapters, assignments and grading", ["lab"], 600, 2100, []),
    "test": ("everything", ["all"], 800, 2500, ["book", "lab", "style"]),
}
ALONE = ("style", "book")  # these extras need nothing of the course's own: nothing is computed
CUDA = (2600, 4000)  # MB more of both where torch asks for CUDA's packages
BUILD = ["hatchling", "editables"]  # install the course itself, with nothing fetched for it
PATIENCE = 20.0  # seconds between two lines of progress where there is no terminal


class Stop(Exception):
    """Nothing can be set up; the message says why and what to do."""


def main(words: list[str]) -> int:
    """Set up for the purpose that is named, or only ask whether this Python fits (`fits`)."""
    purpose = words[0] if words else "test"
    try:
        fits(sys.version_info[:3], sys.executable, purpose)
        if purpose != "fits":
            ready(purpose, chosen=words[1:] == ["chosen"])
    except Stop as error:
        sys.stderr.write(f"make: {error}\n")
        return 1
    except PermissionError as error:
        sys.stderr.write(
            f"make: this user may not write {error.filename}. Copy the course to a folder of your "
            "own, or have its owner set it up.\n"
        )
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("\nStopped. The next call goes on.\n")
        return 130
    return 0


def fits(version: tuple[int, ...], name: str, purpose: str) -> None:
    """Refuse a Python that the course's packages do not know.

    Raises:
        Stop: with the range that pyproject.toml names, and what to do.
    """
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    found = re.search(r'^requires-python = ">=3\.(\d+),<3\.(\d+)"', text, re.MULTILINE)
    if not found:
        raise Stop("pyproject.toml does not say which Python it needs: is this copy whole?")
    oldest, newest = int(found[1]), int(found[2]) - 1
    if not (3, oldest) <= tuple(version[:2]) <= (3, newest):
        raise Stop(
            f"the course needs Python 3.{oldest} to 3.{newest}, and {name} is Python "
            f"{'.'.join(map(str, version))}. Install one of these, or name it: "
            f"make PYTHON=/path/to/python3.{oldest + 1} {purpose}"
        )


def state() -> str:
    """Return what a stamp says: from which requirements, and where, all was set up."""
    digest = hashlib.sha256()
    for name in ("pyproject.toml", "constraints.txt"):
        digest.update((ROOT / name).read_bytes())
    return f"{digest.hexdigest()[:16]} {ROOT}"


def stamp(purpose: str) -> Path:
    """Return the file that says that a purpose is ready; it is written last."""
    return VENV / f".ready-{purpose}"


def is_ready(purpose: str) -> bool:
    """Tell whether all was set up, here, and from the requirements of now."""
    covering = [one for one, row in PURPOSES.items() if one == purpose or purpose in row[4]]
    there = [stamp(one).read_text() for one in covering if stamp(one).is_file()]
    return state() in there


def ready(purpose: str, chosen: bool = False) -> None:
    """Set up what a purpose needs, unless it is there; say what that takes before it begins.

    Args:
        purpose: of PURPOSES.
        chosen: was this Python asked for by name? Then an environment of another is made anew.

    Raises:
        Stop: something is lacking.
    """
    wanted = sys.version_info[:2] if chosen else None
    if is_ready(purpose) and wanted in (None, environment()):
        return
    begun = time.monotonic()
    if os.geteuid() == 0:
        os.umask(0o022)  # what root sets up others may read: the jail's user, the students of a hub
    what, extras, download, disk, _ = PURPOSES[purpose]
    stamp(purpose).unlink(missing_ok=True)
    there = environment()
    if wanted not in (None, there) or not usable(there):
        make_environment()
    say(f"Setting up {what} in .venv with Python {'.'.join(map(str, environment() or ()))} ...")
    pip(["pip"], bar="off")
    if purpose not in ALONE and brings_cuda():
        download, disk = download + CUDA[0], disk + CUDA[1]
        say(
            f"PyTorch brings NVIDIA's CUDA libraries here, some {CUDA[1] / 1000:.0f} GB that the "
            "course never uses. For the small build stop now (Ctrl-C), set PIP_EXTRA_INDEX_URL to "
            "the CPU package index that PyTorch's installation page names, and call this again."
        )
    have = size(VENV) / MB
    space = shutil.disk_usage(ROOT).free / MB
    if space < disk - have:
        raise Stop(
            f"this takes {(disk - have) / 1000:.1f} GB of the disk, and {space / 1000:.1f} GB are "
            f"free at {ROOT}. Free some space, and call it again."
        )
    if have < disk / 2:  # not where little is to be brought up to date
        say(
            f"At most {download} MB are downloaded (less if pip has some of it already), "
            f"and {disk / 1000:.1f} GB stay on the disk."
        )
    quick = ["--no-compile"] if purpose in ALONE else []
    count, loaded = pip([*quick, *requirements(extras, alone=purpose in ALONE), *BUILD])
    pip(["--no-deps", "--no-build-isolation", "-e", str(ROOT)], bar="off")
    if purpose not in ALONE:
        compile_all()
        # makes its list of fonts now, not in a chapter
        subprocess.call([str(PYTHON), "-I", "-c", "import matplotlib.font_manager"])
    stamp(purpose).write_text(state())
    say(
        f"Ready after {time.monotonic() - begun:.0f} s: {count} packages installed, "
        f"{loaded / MB:.0f} MB downloaded; .venv takes {size(VENV) / MB:.0f} MB of the disk."
    )


def compile_all() -> None:
    """Compile what is not yet: a jail and the users of a hub may not write here.

    Each would compile it anew, which takes time, and memory that a notebook is short of. (Some
    packages carry files that no Python of today reads: they are passed over.)
    """
    words = ["-I", "-m", "compileall", "-q", "-q", "-j", "0", str(VENV / "lib")]
    subprocess.call([str(PYTHON), *words])


def environment() -> tuple[int, ...] | None:
    """Return the Python version of a .venv that works and was made here; None if there is none.

    One that was moved works by halves: its programs name the Python of where they were.
    """
    ask = "import json, pip, sys; print(json.dumps([sys.prefix, *sys.version_info[:2]]))"
    try:
        told = subprocess.run([str(PYTHON), "-I", "-c", ask], capture_output=True, check=True)
        prefix, *version = json.loads(told.stdout)
        program = (VENV / "bin" / "pip").read_text()
    except (OSError, ValueError, subprocess.CalledProcessError):
        return None
    here = re.search(rf'[!"]{re.escape(str(VENV))}/bin/', program)
    return tuple(version) if here and Path(prefix) == VENV else None


def usable(version: tuple[int, ...] | None) -> bool:
    """Tell whether there is an environment, of a Python that fits."""
    try:
        fits(version or (), "", "")
    except Stop:
        return False
    return True


def make_environment() -> None:
    """Make .venv anew, with the Python that runs this (never one that lies within .venv).

    Raises:
        Stop: this Python cannot.
    """
    python = getattr(sys, "_base_executable", sys.executable)
    made = subprocess.run([python, "-m", "venv", "--clear", str(VENV)], capture_output=True)
    if made.returncode:
        if not os.access(ROOT, os.W_OK):
            raise PermissionError(13, "not writable", str(ROOT))
        raise Stop(
            f"{python} cannot make a virtual environment. On Debian and Ubuntu: "
            "apt-get install python3-venv"
        )


def requirements(extras: list[str], alone: bool) -> list[str]:
    """Return what pyproject.toml lists under these extras, and (if not `alone`) for the course."""
    import tomllib  # older Pythons, which are told so, have none

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    listed = [] if alone else list(project["dependencies"])
    for extra in extras:
        for line in project["optional-dependencies"][extra]:
            inner = re.fullmatch(r"course_lib\[(.+)\]", line)
            listed += requirements(inner[1].split(","), alone=True) if inner else [line]
    return list(dict.fromkeys(listed))


def brings_cuda() -> bool:
    """Ask pip which PyTorch it would install, and whether that one asks for CUDA's packages."""
    if list(VENV.glob("lib/python3*/site-packages/torch-*.dist-info")):
        return False
    words = ["-q", "--dry-run", "--no-deps", "--report", "-", "torch"]
    told = subprocess.run(command(words, bar="off"), capture_output=True)
    program = (
        "import json, sys; from pip._vendor.packaging.requirements import Requirement\n"
        "for package in json.load(sys.stdin)['install']:\n"
        "    for line in package['metadata'].get('requires_dist', []):\n"
        "        wanted = Requirement(line)\n"
        "        if wanted.name.startswith(('nvidia', 'cuda')):\n"
        "            print(wanted.marker is None or wanted.marker.evaluate({'extra': ''}))\n"
    )
    asked = subprocess.run(
        [str(PYTHON), "-I", "-c", program], input=told.stdout, capture_output=True
    )
    return b"True" in asked.stdout


def command(words: list[str], bar: str) -> list[str]:
    """Return the call of pip that installs, at the versions that are tested."""
    pins = str(ROOT / "constraints.txt")
    options = ["--disable-pip-version-check", "--no-input", "--progress-bar", bar, "-c", pins]
    return [str(PYTHON), "-I", "-m", "pip", "install", *options, *words]


def pip(words: list[str], bar: str = "raw") -> tuple[int, int]:
    """Install with pip, saying how far it is; return how many packages and bytes that were.

    Raises:
        Stop: pip failed; its own words are in the message.
    """
    process = subprocess.Popen(
        command(words, bar), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        errors="replace",
    )  # fmt: skip
    lines: queue.Queue[str | None] = queue.Queue()

    def read() -> None:
        for line in process.stdout or ():
            lines.put(line.rstrip())
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    progress = Progress()
    while True:
        try:
            line = lines.get(timeout=0.5)
        except queue.Empty:
            progress.show()
            continue
        if line is None:
            break
        progress.take(line)
    progress.clear()
    if process.wait():
        offline = "\nIs there a network? The next call goes on." if progress.offline else ""
        raise Stop("pip could not install what the course needs:\n" + progress.words() + offline)
    return progress.installed, progress.loaded


class Progress:
    """How far pip is, from what it prints.

    Attributes:
        installed: packages installed.
        loaded: bytes downloaded.
        offline: has pip had no answer?
    """

    def __init__(self) -> None:
        self.installed = self.loaded = self.part = 0
        self.found: set[str] = set()
        self.doing = ""
        self.offline = False
        self.said: list[str] = []
        self.begun = self.shown = time.monotonic()

    def take(self, line: str) -> None:
        """Read a line of pip's."""
        if step := re.match(r"Progress (\d+) of (\d+)", line):
            now, whole = int(step[1]), int(step[2])
            self.loaded += now - self.part if now >= self.part else now
            self.part = 0 if now == whole else now
        else:
            self.said.append(line)
            self.offline |= "Retrying (" in line
            if package := re.match(r"Collecting ([\w.\[\],-]+)", line):
                self.found.add(package[1])
                self.doing = f"{package[1]}"
            elif file := re.match(r"\s+Downloading ([^-]+)-.*\((.+)\)", line):
                self.part, self.doing = 0, f"{file[1]}, {file[2]}"
            elif packages := re.match(r"Installing collected packages: (.*)", line):
                self.doing = f"writing {len(packages[1].split(','))} packages to the disk"
            elif packages := re.match(r"Successfully installed (.*)", line):
                self.installed = len(packages[1].split())
        self.show()

    def show(self) -> None:
        """Say how far it is: in place on a terminal, else a line now and then."""
        now = time.monotonic()
        terminal = sys.stdout.isatty()
        if now - self.shown < (0.2 if terminal else PATIENCE):
            return
        self.shown = now
        waits = " (no answer yet)" if self.offline and not self.loaded else ""
        text = (
            f"  {now - self.begun:3.0f} s, {self.loaded / MB:.0f} MB, {len(self.found)} packages "
            f"found; {self.doing}{waits}"
        )
        if terminal:
            shown = text[: shutil.get_terminal_size().columns - 1]
            print(f"\r\033[K{shown}", end="", flush=True)
        else:
            say(text)

    def clear(self) -> None:
        """Leave an empty line on a terminal."""
        if sys.stdout.isatty():
            print("\r\033[K", end="", flush=True)

    def words(self) -> str:
        """Return pip's errors, or the last that it said."""
        errors = [line for line in self.said if line.startswith(("ERROR", "error"))]
        return "\n".join(f"  {line}" for line in errors or self.said[-8:])


def size(folder: Path) -> int:
    """Return the bytes that a folder takes of the disk."""
    return sum(
        os.lstat(os.path.join(at, name)).st_blocks * 512
        for at, _, names in os.walk(folder)
        for name in names
    )


def say(text: str) -> None:
    """Print a line at once."""
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
