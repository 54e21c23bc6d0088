"""`course doctor`: what this machine has and lacks, with the remedy."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path

import click
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from course_lib.cli.place import course_root
from course_lib.cli.ports import is_free

NEEDS = ("book", "lab", "test", "grade")
# need: the extra of course_lib that brings its packages, and the command that installs them.
PACKAGES = {
    "book": ("book", "make book"),
    "lab": ("lab", "make lab"),
    "test": ("test", "make test"),
    "grade": ("grading", "make lab"),
}
CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
GIB = 2**30
HERE: Mapping[str, str] = {}  # a machine that differs from this one in nothing


@dataclass(frozen=True)
class Finding:
    """One line of the doctor's report.

    what: the thing looked at.
    ok: whether it is there and works.
    found: what was found.
    needed: the purposes (of NEEDS) that cannot do without it; none: good to have.
    why: what it is for.
    remedy: what to do if it is lacking.
    package: the Debian package that brings it.
    concerns: the purpose for which it is told, though that can do without it.
    """

    what: str
    ok: bool
    found: str
    needed: tuple[str, ...] = ()
    why: str = ""
    remedy: str = ""
    package: str = ""
    concerns: str = ""


@click.command()
@click.option("--need", type=click.Choice(NEEDS), help="Look only at what this purpose needs.")
@click.option("--install", is_flag=True, help="Install lacking system packages (apt, as root).")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for machines.")
def doctor(need: str | None, install: bool, as_json: bool) -> None:
    """Say what this machine has and lacks for the course. Exit code 1 if it lacks a need."""
    findings = _relevant(need)
    packages = sorted({f.package for f in findings if not f.ok and f.package})
    if install and packages:
        _install(packages)
        findings = _relevant(need)
    if as_json:
        click.echo(json.dumps([asdict(f) for f in findings], indent=2))
    else:
        for f in findings:
            mark = "ok     " if f.ok else "LACKING" if f.needed else "note   "
            click.echo(f"{mark}  {f.what}: {f.found}" + ("" if f.ok else f". {f.why} {f.remedy}"))
    if any(not f.ok and f.needed for f in findings):
        raise SystemExit(1)


def _relevant(need: str | None) -> list[Finding]:
    return [f for f in examine() if need is None or need in (*f.needed, f.concerns)]


def examine() -> Iterator[Finding]:
    """Yield a finding for everything the course can need."""
    version, range_ = platform.python_version(), metadata.metadata("course_lib")["Requires-Python"]
    fits = SpecifierSet(range_ or "").contains(version, prereleases=True)
    yield Finding(
        "Python", fits, version, NEEDS, f"The course needs Python {range_}.",
        "Name one: make PYTHON=/path/to/python3.12 book.",
    )  # fmt: skip
    yield from _packages()
    yield Finding("processor", True, f"{os.cpu_count()} cores, {platform.machine()}, {_vectors()}")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIB
    yield Finding(
        "memory", memory >= 3, f"{memory:.1f} GiB", NEEDS, "A chapter may take 1.5 GiB.",
        "Close other programs, or use a machine with 4 GiB or more.",
    )  # fmt: skip
    free = shutil.disk_usage(course_root()).free / GIB
    yield Finding(
        "disk", free >= 0.5, f"{free:.1f} GiB free", NEEDS, "Builds and grading write files.",
        "Free some space.",
    )  # fmt: skip
    yield Finding(
        "git", bool(shutil.which("git")), _where("git"), ("test",), "Tests ask what is tracked.",
        "Install git.", "git",
    )  # fmt: skip
    browser = next(filter(None, map(shutil.which, CHROMIUM)), None)
    yield Finding(
        "chromium", bool(browser), browser or "not found", ("test",), "Tests open the book in it.",
        _apt(["chromium"]), "chromium",
    )  # fmt: skip
    yield from _jail()
    for port, whose in ((8000, "book"), (8888, "lab")):
        yield Finding(
            f"port {port}", is_free(port), "free" if is_free(port) else "busy", (),
            f"`course {whose}` will take the next free port.",
        )  # fmt: skip


def _where(program: str) -> str:
    return shutil.which(program) or "not found"


def _vectors() -> str:
    """Return the vector extensions that the sparse kernels can use here."""
    try:
        words = set(Path("/proc/cpuinfo").read_text().split())
    except OSError:
        words = set()
    known = [word for word in ("avx2", "fma", "avx512f", "asimd", "sve") if word in words]
    return " ".join(known) or "vector extensions not known"


def _packages() -> Iterator[Finding]:
    """Compare what is installed with what each purpose asks for, and with the pins."""
    installed: dict[str, str] = {}
    for need, (extra, command) in PACKAGES.items():
        there, lacking = asked(extra, alone=need == "book")
        installed |= there
        found = f"{len(there)} of {len(there) + len(lacking)} installed"
        lacks = f", without {', '.join(sorted(lacking)[:6])}" + (" ..." if len(lacking) > 6 else "")
        yield Finding(
            f"packages ({need})", not lacking, found + (lacks if lacking else ""), (need,), "",
            f'In the course folder: {command}, or pip install -c constraints.txt -e ".[{extra}]"',
        )  # fmt: skip
    file = course_root() / "constraints.txt"
    try:
        pinned = pins(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:  # ValueError: it is no list of pins
        said = getattr(error, "strerror", None) or str(error).splitlines()[0]
        yield Finding(
            "versions", False, f"not known, for {file} cannot be read ({said})", (),
            "It holds the pins that the course is tested with.",
            "Unpack the course again beside this one, and copy the file from there.",
        )  # fmt: skip
        return
    other = [
        f"{name} {version} (pin {pinned[name]})"
        for name, version in sorted(installed.items())
        if version.split("+")[0] != pinned.get(name, version.split("+")[0])
    ]
    differ = f"not at their pins: {', '.join(other[:6])}" if other else "all at their pins"
    yield Finding(
        "versions", not other, differ, (), "The course is tested with the pins.",
        'In the course folder: pip install -c constraints.txt -e ".[all]"',
    )  # fmt: skip


def pins(text: str, machine: Mapping[str, str] = HERE) -> dict[str, str]:
    """Return {package: version} of a file of pins: those whose markers hold.

    Args:
        text: of the file.
        machine: variables of markers in which it differs from this one, as python_version.
    """
    lines = (line.strip() for line in text.splitlines())
    pinned = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return {
        canonicalize_name(pin.name): str(pin.specifier).removeprefix("==")
        for pin in pinned
        if pin.marker is None or pin.marker.evaluate(dict(machine))
    }


def asked(
    extra: str, *, alone: bool = False, machine: Mapping[str, str] = HERE
) -> tuple[dict[str, str], set[str]]:
    """Follow the requirements of course_lib[extra], and theirs.

    Args:
        extra: of course_lib.
        alone: leave out what course_lib asks for by itself, without any extra.
        machine: variables of markers in which it differs from this one, as python_version.

    Returns:
        {package: its version} of what is installed, and the names of what is not.
    """
    installed: dict[str, str] = {}
    lacking: set[str] = set()
    course = str(canonicalize_name("course_lib"))
    todo: list[tuple[str, str]] = [(course, extra)] + ([] if alone else [(course, "")])
    seen = set(todo)
    while todo:
        name, part = todo.pop()
        try:
            distribution = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            lacking.add(name)
            continue
        if name != course:
            installed[name] = distribution.version
        for wanted in map(Requirement, distribution.requires or []):
            if not _holds(wanted, part, machine):
                continue
            inner = canonicalize_name(wanted.name)
            parts = set(wanted.extras) | (set() if inner == course and alone else {""})
            todo += (new := {(inner, one) for one in parts} - seen)
            seen |= new
    return installed, lacking


def _holds(wanted: Requirement, extra: str, machine: Mapping[str, str]) -> bool:
    """Is it asked for there by this extra (or, if it is "", by the package itself)?"""
    if wanted.marker is None:
        return extra == ""
    by_itself = wanted.marker.evaluate({**machine, "extra": ""})
    return (
        by_itself
        if not extra
        else (wanted.marker.evaluate({**machine, "extra": extra}) and not by_itself)
    )


def _jail() -> Iterator[Finding]:
    """Look for bubblewrap, and whether a jail really starts: some systems have it and forbid it."""
    purpose = ("test", "grade")
    there = bool(shutil.which("bwrap"))
    yield Finding(
        "bubblewrap", there, _where("bwrap"), purpose, "Students' code runs in its jail.",
        _apt(["bubblewrap"]) if sys.platform == "linux" else "Grade on Linux.", "bubblewrap",
    )  # fmt: skip
    if not there:
        return
    from course_lib.grading.errors import Refusal
    from course_lib.grading.jail.walls import ready

    try:
        ready()
        yield Finding("jail", True, "starts", purpose)
    except Refusal as error:
        yield Finding("jail", False, str(error), purpose)
    for what, found, remedy in _open():
        yield Finding(f"not walled: {what}", False, found, remedy=remedy, concerns="grade")


def _open() -> Iterator[tuple[str, str, str]]:
    """Yield what the jail does not protect from on this machine, and what would."""
    yield (
        "processor", "a submission may keep all processors busy while it runs, and slow the others",
        "It costs them no point; with a control group each has its share: course grade --cgroup.",
    )  # fmt: skip
    yield (
        "memory", "the memory of a submission as a whole is added up a few times a second, not "
        "walled", "What is too fast for that ends at the machine's last memory, where all wait and "
        "none loses a point; a control group walls it.",
    )  # fmt: skip
    yield (
        "kernel", f"jails share this machine's Linux, {platform.release()}: who knows a hole in it "
        "may climb out", "Keep it up to date, or grade in a virtual machine of its own.",
    )  # fmt: skip
    if not _root():
        yield (
            "user", "all jails run as you, for only root can give each a user of its own",
            "They see neither each other nor your files; what Linux counts by user (watched files, "
            "pages of pipes) they share with you.",
        )  # fmt: skip


def _apt(packages: list[str]) -> str:
    sudo = "" if _root() else "sudo "
    return f"Run: {sudo}apt-get update && {sudo}apt-get install -y {' '.join(packages)}"


def _root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0


def _install(packages: list[str]) -> None:
    """Install Debian packages as root, or stop with the exact command.

    Raises:
        click.ClickException: this user cannot, or apt failed.
    """
    if not _root() or not shutil.which("apt-get"):
        raise click.ClickException(f"this machine lacks {', '.join(packages)}. {_apt(packages)}")
    click.echo(f"Installing {', '.join(packages)} (apt) ...")
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for words in (["update", "-q"], ["install", "-y", "-q", "--no-install-recommends", *packages]):
        if subprocess.call(["apt-get", *words], env=quiet, stdout=subprocess.DEVNULL):
            raise click.ClickException(f"apt-get {words[0]} failed; see above. {_apt(packages)}")
