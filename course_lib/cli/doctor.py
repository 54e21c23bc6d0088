"""`course doctor`: what this machine has and lacks, with the remedy."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path

import click
from packaging.requirements import Requirement

from course_lib.cli.place import course_root
from course_lib.cli.ports import is_free

NEEDS = ("book", "lab", "test", "grade")
CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
GIB = 2**30


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
    """

    what: str
    ok: bool
    found: str
    needed: tuple[str, ...] = ()
    why: str = ""
    remedy: str = ""
    package: str = ""


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
    return [f for f in examine() if need is None or need in f.needed]


def examine() -> Iterator[Finding]:
    """Yield a finding for everything the course can need."""
    version = platform.python_version()
    new_enough = sys.version_info >= (3, 11)
    yield Finding("Python", new_enough, version, NEEDS, "", "Install 3.11 or newer.")
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
    """Compare what is installed with what the course asks for and with its pins."""
    lines = (course_root() / "constraints.txt").read_text().splitlines()
    pins = dict(line.split("==") for line in lines if "==" in line and line[0] not in "# ")
    pins = {name: pin for name, pin in pins.items() if name not in foreign()}
    remedy = 'In the course folder: pip install -c constraints.txt -e ".[all]"'
    missing, other = [], []
    for name, pin in pins.items():
        try:
            version = metadata.version(name).split("+")[0]
        except metadata.PackageNotFoundError:
            missing.append(name)
            continue
        if version != pin:
            other.append(f"{name} {version} (pin {pin})")
    found = f"{len(pins) - len(missing)} of {len(pins)} pinned packages installed"
    lacks = f"; without {', '.join(missing[:6])}" + (" ..." if len(missing) > 6 else "")
    yield Finding("packages", not missing, found + (lacks if missing else ""), NEEDS, "", remedy)
    differ = f"not at their pins: {', '.join(other[:6])}" if other else "all at their pins"
    yield Finding("versions", not other, differ, (), "The course is tested with the pins.", remedy)


def foreign() -> set[str]:
    """Return the packages that the course asks for on other machines only."""
    asked = map(Requirement, metadata.requires("course_lib") or [])
    extras = metadata.metadata("course_lib").get_all("Provides-Extra") or []
    return {
        wanted.name
        for wanted in asked
        if wanted.marker and not any(wanted.marker.evaluate({"extra": e}) for e in ("", *extras))
    }


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
    from course_lib.grading.jail import Refusal, ready

    try:
        ready()
        yield Finding("jail", True, "starts", purpose)
    except Refusal as error:
        yield Finding("jail", False, str(error), purpose)


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
