"""`course test`: what it runs, in which order, and that no limit of time decides a test."""

import json
import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

from course_lib.cli import main, run
from course_lib.cli.test import processes

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
TESTS = """
import pytest
def test_quick(): pass
@pytest.mark.slow
def test_slow(): pass
@pytest.mark.long
def test_long(): pass
@pytest.mark.slow
@pytest.mark.long
def test_both(): pass
"""


@pytest.fixture
def small(course, write_notebook):
    """A course with one test of each kind, the settings of ours, and two chapters."""
    (course / "tests" / "notebooks").mkdir(parents=True)
    (course / "tests" / "notebooks" / "sanitize.cfg").touch()
    (course / "tests" / "test_kinds.py").write_text(TESTS)
    (course / "tests" / "test_light.py").write_text("def test_light(): pass\n")
    shutil.copy(ROOT / "tests" / "conftest.py", course / "tests")
    shutil.copy(ROOT / "pyproject.toml", course)
    rows = [{"name": "01_one", "seconds": 3.0}, {"name": "02_two", "seconds": 90.0}]
    (course / "book").mkdir()
    (course / "book" / "budgets.json").write_text(json.dumps({"chapters": rows}))
    write_notebook("01_one", "1")
    write_notebook("02_two", "2")
    return course


@pytest.mark.parametrize(
    ("asked", "ran"),
    [
        ([], ["Cell 0", "test_quick", "test_slow", "Cell 0", "test_light"]),
        (["--fast"], ["test_quick", "test_light"]),
        (
            ["--long"],
            ["Cell 0", "test_quick", "test_slow", "test_long", "test_both", "Cell 0", "test_light"],
        ),
    ],
)
def test_what_is_run_and_the_heaviest_file_first(small, monkeypatch, asked, ran):
    commands = []
    monkeypatch.setattr(os, "execv", lambda program, command: commands.append(command))
    result = CliRunner().invoke(main, ["test", *asked])
    assert result.exit_code == 0, result.output
    (command,) = commands
    assert command[command.index("-n") + 1] == str(processes())
    plain = os.environ | {"PYTEST_ADDOPTS": ""}
    one = [*command, "-n0", "--collect-only", "-q", "-p", "no:cacheprovider"]
    told = subprocess.run(one, capture_output=True, text=True, cwd=small, env=plain).stdout
    found = [line.partition("::")[2] for line in told.splitlines() if "::" in line]
    assert found == ran, told
    if not asked:
        assert told.index("02_two") < told.index("test_slow") < told.index("01_one")


def test_fast_and_long_at_once_are_refused(small):
    result = CliRunner().invoke(main, ["test", "--fast", "--long"])
    assert result.exit_code == 2 and "say one of them" in result.output


@pytest.mark.parametrize(("cores", "gib", "count"), [(2, 16, 3), (2, 4, 2), (1, 2, 2), (8, 64, 9)])
def test_as_many_at_once_as_cores_and_memory_bear(monkeypatch, cores, gib, count):
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    sizes = {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": gib * 2**30 // 4096}
    monkeypatch.setattr(os, "sysconf", sizes.get)
    assert processes() == count


def test_limits_of_time_are_for_what_hangs():
    """Five minutes at least, which a busy machine does not take for what works."""
    for path in sorted((ROOT / "tests").rglob("*.py")):
        for line in path.read_text(encoding="utf-8").splitlines():
            refused_at_once = "create_connection" in line
            for unit, number in re.findall(r"(?<![\w-])(timeout=|mark\.timeout\()([\d_]+)", line):
                least = 1200 if "mark" in unit else 300_000 if "expect(" in line else 300
                assert int(number) >= least or int(number) == 0 or refused_at_once, (path, line)


def test_a_cell_has_its_fifteen_minutes_before_its_test_is_ended():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]
    assert 15 * 60 == run.CELL_SECONDS < settings["ini_options"]["timeout"]
