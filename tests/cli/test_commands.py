"""The command's face: help at once, sentences instead of tracebacks."""

import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from course_lib.cli import COMMANDS, bench, main, place, ports
from course_lib.cli.bench import Measurement, command


def test_help_lists_every_command_and_imports_none():
    code = (
        "import sys; from click.testing import CliRunner; from course_lib.cli import main\n"
        "print(CliRunner().invoke(main, ['--help']).output)\n"
        "heavy = {'torch', 'numpy', 'matplotlib', 'nbformat', 'IPython'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert all(name in result.stdout for name in COMMANDS)


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_explains_itself(name):
    result = CliRunner().invoke(main, [name, "--help"])
    assert result.exit_code == 0, result.output
    assert "Usage:" in result.output


def test_an_unknown_command_is_an_error():
    result = CliRunner().invoke(main, ["prune"])
    assert result.exit_code == 2
    assert "No such command 'prune'" in result.output


def test_a_missing_package_is_a_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "nbclient", None)
    for name in [name for name in sys.modules if name.startswith("course_lib.cli.run")]:
        monkeypatch.delitem(sys.modules, name)
    result = CliRunner().invoke(main, ["run"])
    assert result.exit_code == 1
    assert "needs the Python module 'nbclient'" in result.output
    assert "pip install" in result.output and "make setup" in result.output


def test_tests_without_their_packages_are_a_sentence(monkeypatch):
    """After `make book` alone: pytest is not there to say so itself."""
    monkeypatch.setattr("course_lib.cli.test.find_spec", lambda name: None)
    result = CliRunner().invoke(main, ["test"])
    assert result.exit_code == 1
    assert "needs the Python module 'pytest'" in result.output and "make test" in result.output


def test_root_is_found_from_a_folder_inside(course):
    inside = course / "notebooks"
    assert place.course_root(inside) == course.resolve()


def test_outside_a_course_is_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(place, "__file__", str(tmp_path / "a" / "b" / "c" / "place.py"))
    with pytest.raises(click.ClickException, match="not inside a copy of the course"):
        place.course_root(tmp_path)


ASKED = ["lab --list", "check a.ipynb", "doctor", "evidence", "run 01", "sweep json:dumps", "test"]


@pytest.mark.parametrize("asked", ASKED)
def test_a_folder_that_was_deleted_is_a_sentence(tmp_path, monkeypatch, asked):
    folder = tmp_path / "gone"
    folder.mkdir()
    monkeypatch.chdir(folder)
    folder.rmdir()
    done = CliRunner().invoke(main, asked.split())
    assert done.exit_code == 1
    (line,) = done.output.splitlines()
    assert line.startswith("Error: the folder that you are in is not there any more")


@pytest.mark.parametrize("name", ["2", "02", "02_two", "notebooks/02_two.ipynb"])
def test_ways_to_name_a_chapter(write_notebook, name):
    write_notebook("01_one", "1")
    two = write_notebook("02_two", "1")
    assert place.chapters((name, name)) == [two.resolve()]


def test_a_busy_port_gives_the_next_and_says_so(capsys):
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        busy = taken.getsockname()[1]
        port = ports.free_port(busy)
        assert port > busy
        assert ports.is_free(port)
    assert f"Port {busy} is busy; using {port}." in capsys.readouterr().err


def test_no_free_port_is_a_sentence(monkeypatch):
    monkeypatch.setattr(ports, "is_free", lambda port: False)
    with pytest.raises(click.ClickException, match="all busy"):
        ports.free_port(65530)


@pytest.fixture
def entry(monkeypatch):
    """One bench entry, whose measurements are those of the list."""
    measurements = [Measurement("size", 2.0)]
    module = type(sys)("course_lib.cli.bench.made_up")
    module.measure = lambda: measurements
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(command, "names", lambda: ["made_up"])
    return measurements


def test_bench_judges_promises(entry):
    result = CliRunner().invoke(main, ["bench"])
    assert result.exit_code == 0
    assert "size: 2 x" in result.output
    entry.append(Measurement("ratio", 3.5, limit=3.0))
    result = CliRunner().invoke(main, ["bench", "made_up"])
    assert result.exit_code == 1
    assert "NOT KEPT" in result.output
    result = CliRunner().invoke(main, ["bench", "--json"])
    assert result.exit_code == 1
    assert '"kept": false' in result.output


def test_bench_promise_is_not_kept_by_nan():
    assert not Measurement("ratio", float("nan"), limit=3.0).kept


def test_unknown_bench_is_answered_with_the_known_ones():
    result = CliRunner().invoke(main, ["bench", "nothing"])
    assert result.exit_code == 1
    assert "rerun" in result.output
    assert bench.__name__ in sys.modules
