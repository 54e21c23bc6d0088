"""Where one may not write: right all the same, or one sentence with the remedy. As root and not.

A folder is made read-only by the system itself (bubblewrap), as a shared course on a hub is for
its students: root may not write there either.
"""

import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from course_lib.cli import place
from tests.grading import example

pytestmark = pytest.mark.slow

COURSE = Path(sys.executable).with_name("course")
NOBODY = ["--unshare-user", "--uid", "12345", "--gid", "12345"]  # in no list of users


def within(*options, cwd):
    """Start a command in a world of its own, as far as the options say."""
    box = ["bwrap", "--dev-bind", "/", "/", *map(str, options)]
    return subprocess.run(box, cwd=cwd, capture_output=True, text=True)


def everything(folder):
    return {p: p.is_file() and p.read_bytes() for p in folder.rglob("*")}


@pytest.mark.parametrize(
    ("asked", "user"),
    [
        ("run", []),
        ("run", NOBODY),
        ("lab --no-browser", []),
        (f"release {example.NAME}", []),
        ("book --no-serve", NOBODY),
    ],
)
def test_a_course_that_may_not_be_written_to(tmp_path, asked, user):
    course = tmp_path / "course of all"
    example.make(course)
    (course / "constraints.txt").touch()
    cell = nbformat.v4.new_code_cell("1 + 1")
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), course / "notebooks" / "01_one.ipynb")
    before, home = everything(course), tmp_path / "home"
    home.mkdir()
    read_only = ["--ro-bind", course, course, "--setenv", "HOME", home]
    done = within(*read_only, *user, COURSE, *asked.split(), cwd=course)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("Error: ") and f"may not write to the course in {course}" in line
    assert everything(course) == before

    # The remedy is one: a copy that is the user's own.
    remedy = line.partition("in it: ")[2]
    asked = f"{remedy} && touch notebooks/mine && pwd"
    made = within(*read_only, *user, "sh", "-c", asked, cwd=course)
    assert (made.returncode, made.stdout.strip()) == (0, str(home / "statue-within")), made.stderr
    assert everything(home / "statue-within").keys() >= {home / "statue-within" / "_toc.yml"}


@pytest.mark.parametrize("home", [["--unsetenv", "HOME"], ["--setenv", "HOME", "/nonexistent"]])
def test_a_user_without_a_home_runs_a_chapter(write_notebook, tmp_path, home):
    """In a folder for what is passing, whose name is too long for a socket's."""
    path = write_notebook("01_one", "import matplotlib.pyplot as plt\nprint(plt.figure().number)")
    passing = tmp_path / ("long-folder-name-" * 6)
    passing.mkdir()
    settings = [*home, "--setenv", "TMPDIR", passing, *NOBODY]
    done = within(*settings, COURSE, "run", cwd=path.parent)
    assert done.returncode == 0, done.stderr
    (cell,) = nbformat.read(path, as_version=4).cells
    assert cell.outputs[0].text == "1\n"
    assert not list(passing.iterdir())  # nothing is left of the home that it had


def test_a_home_is_left_alone_where_there_is_one(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    with place.a_home():
        assert Path.home() == tmp_path
    monkeypatch.setenv("HOME", str(tmp_path / "none"))
    with place.a_home():
        assert Path.home().is_dir() and Path.home() != tmp_path / "none"
    assert Path.home() == tmp_path / "none"
