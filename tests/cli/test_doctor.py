"""`course doctor` on machines that lack something, made by changing PATH."""

import json
import os
import subprocess

import pytest

from course_lib.cli import doctor


@pytest.fixture
def machine(tmp_path, course_command):
    """Run the doctor on a machine whose programs are exactly those given: name -> shell script."""

    def look(*options, **programs):
        folder = tmp_path / "bin"
        folder.mkdir(exist_ok=True)
        for name, script in programs.items():
            file = folder / name.replace("_", "-")
            file.write_text(f"#!/bin/sh\n{script}\n")
            file.chmod(0o755)
        return subprocess.run(
            [*course_command, "doctor", *options],
            env={**os.environ, "PATH": str(folder)},
            capture_output=True,
            text=True,
        )

    return look


LIMITS = {"setpriv": "exit 0", "prlimit": "exit 0"}
GOOD = {"chromium": "exit 0", "bwrap": "exit 0", "git": "exit 0", **LIMITS}


def test_all_is_well(machine):
    result = machine("--need", "test", **GOOD)
    assert result.returncode == 0, result.stdout
    assert "LACKING" not in result.stdout


@pytest.mark.parametrize("lacking", ["chromium", "bwrap", "git"])
def test_a_missing_program_is_named_with_its_remedy(machine, lacking):
    programs = {name: script for name, script in GOOD.items() if name != lacking}
    result = machine("--need", "test", **programs)
    name = "bubblewrap" if lacking == "bwrap" else lacking
    assert result.returncode == 1
    line = next(line for line in result.stdout.splitlines() if line.startswith("LACKING"))
    assert name in line
    assert "nstall" in line


def test_a_reader_needs_no_browser_of_ours(machine):
    assert machine("--need", "book").returncode == 0


@pytest.mark.slow
def test_who_grades_is_told_what_is_not_walled(machine):
    told = machine("--need", "grade", **GOOD)
    assert told.returncode == 0, told.stdout
    lines = [line for line in told.stdout.splitlines() if line.startswith("note     not walled: ")]
    words = ["processor", "memory", "kernel"] + ["user"] * (os.geteuid() != 0)
    assert [line.split(": ")[1] for line in lines] == words
    assert "course grade --cgroup" in lines[0]
    assert "not walled" not in machine("--need", "book", **GOOD).stdout


def test_a_jail_that_may_not_start_is_found(machine):
    result = machine("--need", "grade", bwrap="echo no permissions >&2; exit 1", **LIMITS)
    assert result.returncode == 1
    line = next(line for line in result.stdout.splitlines() if line.startswith("LACKING  jail"))
    assert "no permissions" in line and "namespaces" in line


def test_without_apt_the_exact_command_is_printed(machine):
    result = machine("--need", "test", "--install", git="exit 0")
    assert result.returncode == 1
    assert "apt-get install -y bubblewrap chromium" in result.stderr


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="only root installs packages")
def test_root_installs_what_is_lacking(machine, tmp_path):
    log = tmp_path / "apt.log"
    apt = f'echo "$@" >> {log}; for p in chromium bwrap; do echo "#!/bin/sh" > {tmp_path}/bin/$p; '
    apt += f"/bin/chmod 755 {tmp_path}/bin/$p; done"
    result = machine("--need", "test", "--install", git="exit 0", apt_get=apt, **LIMITS)
    assert result.returncode == 0, result.stdout + result.stderr
    assert log.read_text().splitlines()[0].startswith("update")
    assert "install" in log.read_text() and "bubblewrap chromium" in log.read_text()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root installs packages")
def test_apt_that_fails_stops_with_a_sentence(machine):
    result = machine("--need", "test", "--install", git="exit 0", apt_get="exit 100")
    assert result.returncode == 1
    assert "apt-get update failed" in result.stderr


def test_json_holds_the_same(machine):
    result = machine("--json", **GOOD)
    findings = {f["what"]: f for f in json.loads(result.stdout)}
    assert findings["chromium"]["ok"] and findings["bubblewrap"]["ok"]
    assert findings["versions"]["ok"]


def test_other_versions_are_named(machine, course):
    (course / "constraints.txt").write_text(
        "click==0.0.1\nnumpy==0.0.2 ; python_version < '3'\nnot-asked-for==1.0\n"
    )
    result = machine(**GOOD)
    assert "not at their pins: click" in result.stdout
    assert "(pin 0.0.1)" in result.stdout and "0.0.2" not in result.stdout


@pytest.mark.parametrize("content", [None, "click=0.0.1\n", b"\xff\xfe"])
def test_without_its_pins_the_rest_is_examined(machine, course, content):
    pins = course / "constraints.txt"
    pins.unlink()
    if content:
        pins.write_bytes(content if isinstance(content, bytes) else content.encode())
    result = machine(**GOOD)
    assert not result.stderr
    (line,) = (line for line in result.stdout.splitlines() if "versions" in line)
    assert line.startswith("note     versions: not known") and str(pins) in line
    assert "Unpack the course again" in line and "port 8000" in result.stdout


class Package:
    version = "1.0"

    def __init__(self, *requires):
        self.requires = list(requires)


@pytest.fixture
def index(monkeypatch):
    """Have exactly these packages installed: name -> what it asks for."""

    def install(**packages):
        there = {name.replace("_", "-"): Package(*asks) for name, asks in packages.items()}

        def find(name):
            if name not in there:
                raise doctor.metadata.PackageNotFoundError(name)
            return there[name]

        monkeypatch.setattr(doctor.metadata, "distribution", find)

    return install


def test_what_is_asked_for_is_followed_to_its_end(index):
    index(
        course_lib=[
            "Base.one>=1",
            "course_lib[inner]; extra == 'lab'",
            "torch; extra == 'inner'",
            "other; extra == 'other'",
        ],
        base_one=["fast[io]", "base-one"],
        fast=["disk; extra == 'io'", "never; extra == 'ssh'", 'old; python_version < "3.12"'],
        disk=[],
        torch=[],
    )
    old, new = {"python_version": "3.11"}, {"python_version": "3.12"}
    there, lacking = doctor.asked("lab", machine=new)
    assert (set(there), lacking) == ({"base-one", "fast", "disk", "torch"}, set())
    assert doctor.asked("lab", machine=old)[1] == {"old"}  # what a package asks for counts too
    assert set(doctor.asked("lab", alone=True, machine=new)[0]) == {"torch"}


def test_missing_packages_are_named_with_what_brings_them(index, monkeypatch):
    index(course_lib=["there", "gone; extra == 'test'"], there=[])
    found = {f.needed: f for f in doctor._packages() if f.needed}
    assert found["lab",].ok and not found["test",].ok
    assert found["test",].found == "1 of 2 installed, without gone"
    assert "make test" in found["test",].remedy


@pytest.mark.parametrize(
    ("version", "ok"), [("3.10.14", False), ("3.11.0", True), ("3.40.0", False)]
)
def test_a_python_too_old_or_too_new_is_told(monkeypatch, version, ok):
    monkeypatch.setattr(doctor.platform, "python_version", lambda: version)
    finding = next(doctor.examine())
    assert finding.ok == ok and finding.found == version
    assert "needs Python" in finding.why and "make PYTHON=" in finding.remedy
