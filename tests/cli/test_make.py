"""The Makefile on machines that lack something: a sentence, and nothing that counts as ready."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SMALL = ("sh", "rm", "cat", "grep", "sed", "expand", "printf", "mkdir", "touch")


@pytest.fixture
def make(tmp_path):
    """Run make in a bare copy of the course on a machine with few programs."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    for name in ("pyproject.toml", "constraints.txt"):
        (tmp_path / name).touch()
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in SMALL:
        if found := shutil.which(name):
            (folder / name).symlink_to(found)

    def call(*words, **programs):
        for name, script in programs.items():
            (folder / name).write_text(f"#!/bin/sh\n{script}\n")
            (folder / name).chmod(0o755)
        return subprocess.run(
            [shutil.which("make"), *words],
            cwd=tmp_path,
            env={"PATH": str(folder), "HOME": os.environ.get("HOME", "/")},
            capture_output=True,
            text=True,
        )

    call.ready = tmp_path / ".venv" / ".ready"
    return call


def test_help_is_the_default_and_lists_the_targets(make):
    result = make()
    assert result.returncode == 0
    for target in ("book", "test", "lab", "check", "constraints", "clean", "help"):
        assert f"make {target}" in result.stdout


@pytest.mark.parametrize("target", ["book", "test", "lab", "check"])
def test_no_python_is_a_sentence(make, target):
    result = make(target)
    assert result.returncode != 0
    assert "needs Python 3.11 to 3.14, and finds none" in result.stderr
    assert not make.ready.exists()


def test_a_python_without_venv_is_a_sentence(make):
    result = make("book", python3='case "$*" in *venv*) exit 1;; *-V*) echo Python;; esac')
    assert result.returncode != 0
    assert "apt-get install python3-venv" in result.stderr
    assert not make.ready.exists()


def test_a_half_made_environment_is_not_ready(make):
    """The new environment's own Python fails at pip: the stamp must not be there."""
    broken = "mkdir -p .venv/bin && printf '#!/bin/sh\\nexit 1\\n' > .venv/bin/python"
    chmod = shutil.which("chmod")
    python = f'case "$*" in *venv*) {broken} && {chmod} 755 .venv/bin/python;; *-V*) echo P;; esac'
    result = make("book", python3=python)
    assert result.returncode != 0
    assert (make.ready.parent / "bin" / "python").exists()
    assert not make.ready.exists()


def test_a_moved_environment_is_made_anew(make):
    make.ready.parent.mkdir()
    make.ready.write_text("/somewhere/else")
    result = make("book")
    assert "needs Python" in result.stderr
    assert not make.ready.exists()


def test_a_ready_environment_is_used_at_once(make, tmp_path):
    (make.ready.parent / "bin").mkdir(parents=True)
    course = make.ready.parent / "bin" / "course"
    course.write_text('#!/bin/sh\necho "called: $*"\n')
    course.chmod(0o755)
    make.ready.write_text(str(tmp_path))
    assert make("book", "NO_SERVE=1").stdout == "called: book --no-serve\n"
    assert make("book", "PORT=9000").stdout == "called: book --port 9000\n"
    assert make("test").stdout == "called: doctor --need test --install\ncalled: test\n"
    assert make("check").stdout == "called: test --fast\n"
