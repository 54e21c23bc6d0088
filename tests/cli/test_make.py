"""The Makefile and its set-up on machines that lack something: a sentence, and no stamp."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from course_lib.cli import setup
from course_lib.cli.doctor import asked

ROOT = Path(__file__).resolve().parents[2]
SMALL = ("sh", "rm", "cat", "grep", "sed", "expand", "printf", "mkdir", "touch", "cmp", "cp")
READY = {
    "book": "book",
    "lab": "lab",
    "setup": "lab book",
    "test": "test",
    "check": "test",
    "format": "style",
}


@pytest.fixture
def bare(tmp_path, monkeypatch):
    """A bare copy of what sets up the course, in a folder with a blank in its name."""
    root = tmp_path / "my course"
    (root / "course_lib" / "cli").mkdir(parents=True)
    for name in ("Makefile", "pyproject.toml", "constraints.txt", "course_lib/cli/setup.py"):
        shutil.copy(ROOT / name, root / name)
    monkeypatch.setattr(setup, "ROOT", root)
    monkeypatch.setattr(setup, "VENV", root / ".venv")
    monkeypatch.setattr(setup, "PYTHON", root / ".venv" / "bin" / "python")
    umask = os.umask(0o022)
    os.umask(umask)
    yield root
    os.umask(umask)  # set-up by root changes it


@pytest.fixture
def make(bare, tmp_path):
    """Run make in the bare copy on a machine with few programs: those given, name -> script."""
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
            cwd=bare,
            env={"PATH": str(folder), "HOME": os.environ.get("HOME", "/")},
            capture_output=True,
            text=True,
        )

    return call


REAL = f'exec "{sys.executable}" "$@"'


def stamps(root):
    return sorted(path.name for path in (root / ".venv").glob(".ready*"))


def test_help_is_the_default_and_lists_the_targets(make):
    result = make()
    assert result.returncode == 0
    for target in (*READY, "constraints", "picture", "clean", "help"):
        assert f"make {target} " in result.stdout


@pytest.mark.parametrize("target", READY)
def test_no_python_is_a_sentence(make, bare, target):
    result = make(target)
    assert result.returncode != 0
    said = f"needs {pythons()}, and finds none. Install one, or name it: make PYTHON="
    assert said in result.stderr and target in result.stderr
    assert not stamps(bare)


def pythons():
    """The range, as the Makefile must name it, from pyproject.toml."""
    with pytest.raises(setup.Stop) as told:
        setup.fits((2, 7, 18), "python", "book")
    return str(told.value).removeprefix("the course needs ").partition(",")[0]


@pytest.mark.parametrize("version", [(3, 10, 14), (3, 40, 0)])
def test_a_python_too_old_or_too_new_is_one_sentence_with_what_to_do(version):
    with pytest.raises(setup.Stop) as told:
        setup.fits(version, "/usr/bin/python3", "lab")
    words = str(told.value)
    assert words.startswith(f"the course needs {pythons()}, and /usr/bin/python3 is Python 3.")
    assert "make PYTHON=" in words and words.endswith("lab") and "\n" not in words


def test_a_python_that_is_named_is_taken_or_refused(make, bare):
    old = '[ "$2" = -c ] || { echo "make: the course needs, and this is old" >&2; exit 1; }'
    result = make("book", "PYTHON=old", old=old, python3=REAL)
    assert result.returncode != 0 and "this is old" in result.stderr
    result = make("book", "PYTHON=/no/such/python", python3=REAL)
    assert "'/no/such/python' is no Python 3 that runs here" in result.stderr
    assert not stamps(bare)


def test_a_python_without_venv_is_a_sentence(bare, monkeypatch, capsys):
    monkeypatch.setattr(setup.sys, "_base_executable", shutil.which("false"))
    assert setup.main(["book"]) == 1
    assert "apt-get install python3-venv" in capsys.readouterr().err
    assert not stamps(bare)


def environment(root, pip="exit 1"):
    """An environment that counts as one, with a pip of ours."""
    python = root / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    version = f"{sys.version_info[0]}, {sys.version_info[1]}"
    told = f'[\\"{root}/.venv\\", {version}]'
    python.write_text(f'#!/bin/sh\ncase "$*" in *"-m pip"*) {pip};; *) echo "{told}";; esac\n')
    python.chmod(0o755)
    python.with_name("pip").write_text(f'#!/bin/sh\n\'\'\'exec\' "{python}" "$0" "$@"\n')


def test_a_half_made_environment_is_not_ready(bare, capsys):
    """Pip fails: its words are shown, and the stamp must not be there."""
    environment(bare, "echo Collecting things; echo ERROR: no such thing; exit 1")
    assert setup.main(["book"]) == 1
    assert "ERROR: no such thing" in capsys.readouterr().err
    assert not stamps(bare)


def test_no_network_is_named(bare, capsys):
    environment(bare, 'echo "WARNING: Retrying (Retry(total=0))"; echo ERROR: none; exit 1')
    assert setup.main(["lab"]) == 1
    assert "Is there a network?" in capsys.readouterr().err


def test_a_stopped_set_up_goes_on_at_the_next_call(bare, capsys, monkeypatch):
    environment(bare)

    def stopped(*words, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(setup, "pip", stopped)
    assert setup.main(["book"]) == 130
    assert capsys.readouterr().err == "\nStopped. The next call goes on.\n"
    assert not stamps(bare)


PIP = r"""
case "$*" in
*--report*) cat "$0.report";;
*--no-deps*) echo "Successfully installed course";;
*"raw"*) echo "$@" >> "$0.calls"; echo "Collecting torch>=2"
    echo "  Downloading torch-2.whl (9.0 MB)"; echo "Progress 3000000 of 9000000"
    echo "Progress 9000000 of 9000000"
    echo "  Downloading numpy-2.whl (1.0 MB)"; echo "Progress 1000000 of 1000000"
    echo "Successfully installed torch-2 numpy-2";;
esac
"""
REPORT = '{"install": [{"metadata": {"name": "torch", "requires_dist": ["%s"]}}]}'


@pytest.mark.parametrize(
    ("wanted", "cuda"),
    [
        ("nvidia-cublas==13; python_version > '3'", True),
        ("nvidia-cublas==13; python_version < '3'", False),
        ("sympy", False),
    ],
)
def test_what_it_takes_is_said_before_and_after(bare, capsys, monkeypatch, wanted, cuda):
    environment(bare, PIP.replace("\n", "\n  "))
    python = bare / ".venv" / "bin" / "python"
    Path(f"{python}.report").write_text(REPORT % wanted)
    # The question what a marker means is put to a real pip.
    real = f'case "$*" in *_vendor*) exec "{sys.executable}" "$@";; esac\n'
    python.write_text(python.read_text().replace("#!/bin/sh\n", "#!/bin/sh\n" + real))
    assert setup.main(["lab"]) == 0
    said = capsys.readouterr().out
    assert ("CUDA" in said and "PIP_EXTRA_INDEX_URL" in said) == cuda
    before = said.index("MB are downloaded")
    assert before < said.index("Ready after")
    assert "2 packages installed, 10 MB downloaded" in said
    assert stamps(bare) == [".ready-lab"]
    calls = Path(f"{python}.calls").read_text()
    assert "torch" in calls and "jupyterlab" in calls and "constraints.txt" in calls
    assert setup.main(["lab"]) == 0 and capsys.readouterr().out == ""  # the second time, nothing


def test_a_full_disk_is_told_before_anything_is_fetched(bare, capsys, monkeypatch):
    environment(bare, PIP)
    monkeypatch.setattr(setup.shutil, "disk_usage", lambda path: SimpleNamespace(free=10**8))
    assert setup.main(["book"]) == 1
    assert "0.1 GB are free" in capsys.readouterr().err
    assert not (bare / ".venv" / "bin" / "python.calls").exists()


def test_requirements_are_those_of_the_purpose():
    book = setup.requirements(["book"], alone=True)
    assert {line.partition(">")[0] for line in book} >= {"jupyter-book", "matplotlib", "scipy"}
    assert not any(line.startswith(("torch", "numba", "jupyterlab")) for line in book)
    everything = setup.requirements(["all"], alone=False)
    (style,) = setup.requirements(["style"], alone=True)
    assert style.startswith("ruff>")
    assert {"torch>=2.6", style, *book} <= {*everything}
    assert not any("course_lib" in line for line in everything)
    assert (
        setup.PURPOSES.keys() == {"style", "book", "lab", "test"} and asked("book", alone=True)[0]
    )


def test_an_environment_is_ready_for_what_it_covers(bare):
    (bare / ".venv").mkdir()
    setup.stamp("test").write_text(setup.state())
    assert all(map(setup.is_ready, setup.PURPOSES))
    setup.stamp("test").unlink()
    setup.stamp("book").write_text(setup.state())
    assert [p for p in setup.PURPOSES if setup.is_ready(p)] == ["book"]


def test_a_change_of_requirements_or_place_is_set_up_anew(bare, monkeypatch):
    (bare / ".venv").mkdir()
    setup.stamp("book").write_text(setup.state())
    (bare / "constraints.txt").write_text("click==9.9\n")
    assert not setup.is_ready("book")
    setup.stamp("book").write_text(setup.state())
    elsewhere = bare.rename(bare.parent / "moved")
    monkeypatch.setattr(setup, "ROOT", elsewhere)
    monkeypatch.setattr(setup, "VENV", elsewhere / ".venv")
    assert setup.stamp("book").is_file() and not setup.is_ready("book")


def test_an_environment_made_elsewhere_is_none(bare):
    for name in ("python", "pip"):  # copied with links to itself; moved, with programs that are not
        environment(bare)
        assert setup.environment() == sys.version_info[:2]
        program = setup.PYTHON.with_name(name)
        program.write_text(program.read_text().replace(str(bare), f"/somewhere{bare}"))
        assert setup.environment() is None
        shutil.rmtree(bare / ".venv")


def test_a_ready_environment_is_used_at_once(make, bare):
    (bare / ".venv" / "bin").mkdir(parents=True)
    course = bare / ".venv" / "bin" / "course"
    course.write_text('#!/bin/sh\necho "called: $*"\n')
    course.chmod(0o755)
    setup.stamp("test").write_text(setup.state())

    def said(*words):
        return make(*words, python3=REAL).stdout

    assert said("book", "NO_SERVE=1") == "called: book --no-serve\n"
    assert said("book", "PORT=9000") == "called: book --port 9000\n"
    assert said("setup") == ""
    assert said("test") == "called: doctor --need test --install\ncalled: test\n"
    assert said("check") == "called: test --fast\n"


def test_make_format_mends_what_it_can_and_tells_of_the_rest(make, bare):
    """With the ruff of the environment, by the rules of pyproject.toml."""
    (bare / ".venv" / "bin").mkdir(parents=True)
    (bare / ".venv" / "bin" / "ruff").symlink_to(Path(sys.executable).with_name("ruff"))
    setup.stamp("test").write_text(setup.state())
    untidy = bare / "untidy.py"
    untidy.write_text('"About."\nimport sys\nimport os\nprint( os.name,sys.path )\n')
    result = make("format", python3=REAL)
    assert result.returncode == 0, result.stderr
    assert untidy.read_text() == (
        '"""About."""\n\nimport os\nimport sys\n\nprint(os.name, sys.path)\n'
    )
    untidy.write_text('"""About."""\n\nprint( nothing )\n')
    result = make("format", python3=REAL)
    assert result.returncode != 0 and "Undefined name `nothing`" in result.stdout
    assert untidy.read_text().endswith("print(nothing)\n")


@pytest.mark.skipif(os.geteuid() != 0, reason="root's umask alone is set aside")
def test_what_root_sets_up_others_may_read(bare, capsys):
    environment(bare, PIP)
    old = os.umask(0o077)
    try:
        assert setup.main(["book"]) == 0
    finally:
        os.umask(old)
    assert setup.stamp("book").stat().st_mode & 0o777 == 0o644
