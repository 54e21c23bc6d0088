"""`course run`: what it stores, what it refuses, and that it leaves no half-written file."""

import os

import nbformat
import pytest
from click.testing import CliRunner

from course_lib.cli import main, offline
from course_lib.cli.bench.rerun import settled_text

pytestmark = pytest.mark.slow


def run(*names):
    return CliRunner().invoke(main, ["run", *names])


def outputs(path):
    return [cell.outputs for cell in nbformat.read(path, as_version=4).cells]


def test_a_second_run_changes_nothing_but_tagged_cells(write_notebook):
    path = write_notebook(
        "01_good",
        "print({'b', 'a', 'c'})",
        ("import time; time.time()", "nbval-ignore-output"),
        "object.__repr__",
    )
    assert run().exit_code == 0
    first, text = settled_text(path), path.read_text()
    assert run().exit_code == 0
    assert settled_text(path) == first
    assert path.read_text() != text  # the clock went on: the run did take place


def test_an_unchanged_file_is_not_touched(write_notebook):
    path = write_notebook("01_good", "1 + 1")
    run()
    os.utime(path, (1, 1))
    result = run("01")
    assert "outputs unchanged" in result.output
    assert path.stat().st_mtime == 1


def test_it_stores_no_version_no_clock_and_no_live_output(write_notebook):
    path = write_notebook("01_good", "1 + 1", ("print('moving')", "live"))
    path.chmod(0o640)
    assert run().exit_code == 0
    nb = nbformat.read(path, as_version=4)
    assert nb.metadata.language_info == {"name": "python", "pygments_lexer": "ipython3"}
    assert all("execution" not in cell.metadata for cell in nb.cells)
    assert [len(o) for o in outputs(path)] == [1, 0]
    assert [cell.execution_count for cell in nb.cells] == [1, 2]
    assert path.stat().st_mode & 0o777 == 0o640


def test_it_says_what_a_chapter_cost(write_notebook):
    write_notebook("01_good", "block = b'x' * (200 * 2**20)")
    line = next(line for line in run().output.splitlines() if line.startswith("01_good"))
    words = line.replace(",", "").split()
    assert float(words[1]) > 0.1
    if os.path.exists("/proc/self/status"):
        assert 200 < float(words[3]) < 1000


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("x = {}\nx['key']", "cell 2: KeyError: 'key'"),
        ("import warnings; warnings.warn('careful')", "cell 2 writes to stderr"),
        ("import os; os._exit(3)", "the kernel died"),
    ],
)
def test_a_failing_chapter_is_named_and_left_as_it_was(write_notebook, source, said):
    path = write_notebook("02_bad", "1 + 1", source)
    good = write_notebook("03_good", "1 + 1")
    before = path.read_bytes()
    result = run()
    assert result.exit_code == 1
    assert "02_bad.ipynb: FAILED" in result.output
    assert said in result.output
    assert path.read_bytes() == before
    assert sorted(p.name for p in path.parent.iterdir()) == ["02_bad.ipynb", "03_good.ipynb"]
    assert outputs(good)[0], "the chapters after it are run"


def test_what_somebody_writes_meanwhile_is_not_lost(write_notebook):
    path = write_notebook("01_edited", "with open('01_edited.ipynb', 'a') as me: me.write(' ')")
    edited = path.read_text() + " "
    result = run()
    assert result.exit_code == 1
    assert "it was changed while it ran; run it again" in result.output
    assert path.read_text() == edited


@pytest.mark.parametrize("text", ["", "no json", "{}", "[1]", '{"cells": 3, "nbformat": 4}'])
def test_a_file_that_is_no_notebook_is_named(course, text):
    (course / "notebooks" / "01_odd.ipynb").write_text(text)
    result = run()
    assert result.exit_code == 1
    assert "01_odd.ipynb: FAILED" in result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)


def test_an_unknown_chapter_is_answered_with_the_known_ones(write_notebook):
    write_notebook("01_good", "1")
    result = run("1", "07")
    assert result.exit_code == 1
    assert "no chapter is called '07'. The chapters are: 01_good." in result.output


def test_no_chapter_at_all(course):
    result = run()
    assert result.exit_code == 1
    assert "there is no chapter" in result.output


PYTHON_ASKS = """
import socket
def refused(ask):
    try:
        ask()
    except OSError as error:
        return str(error)
print(refused(lambda: socket.create_connection(("192.0.2.1", 80), timeout=3)))
print(refused(lambda: socket.getaddrinfo("example.org", 80)))
print(refused(lambda: socket.socket().connect(("192.0.2.1", 80))))
"""


@pytest.mark.parametrize("own_namespace", [True, False])
def test_python_in_a_chapter_reaches_nothing(write_notebook, monkeypatch, own_namespace):
    if not own_namespace:
        monkeypatch.setattr(offline, "namespace", lambda: ())
    path = write_notebook("01_asks", PYTHON_ASKS)
    assert run().exit_code == 0
    lines = outputs(path)[0][0].text.splitlines()
    assert len(lines) == 3
    assert all("a chapter runs with no network" in line for line in lines)


@pytest.mark.skipif(not offline.namespace(), reason="this system has no network namespaces")
def test_no_program_started_by_a_chapter_has_a_network(write_notebook):
    path = write_notebook("01_asks", "print(open('/proc/net/route').read().count('\\n'))")
    assert run().exit_code == 0
    routes = int(outputs(path)[0][0].text)
    with open("/proc/net/route") as table:
        outside = table.read().count("\n")
    assert routes <= 1 and (routes < outside or outside <= 1)


def test_settings_of_the_user_do_not_show(write_notebook, monkeypatch, tmp_path):
    startup = tmp_path / "ipython" / "profile_default" / "startup"
    startup.mkdir(parents=True)
    (startup / "00.py").write_text("mine = 1")
    (tmp_path / "matplotlibrc").write_text("lines.linewidth: 9")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("MATPLOTLIBRC", str(tmp_path / "matplotlibrc"))
    path = write_notebook(
        "01_asks",
        "import matplotlib\nprint('mine' in globals(), matplotlib.rcParams['lines.linewidth'])",
    )
    assert run().exit_code == 0
    assert outputs(path)[0][0].text == "False 1.5\n"
