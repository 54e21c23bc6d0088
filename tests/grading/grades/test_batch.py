"""Grading a folder: every submission gets a verdict, none is lost, none is touched."""

from __future__ import annotations

import contextlib
import json
import operator
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import nbformat
import psutil
import pytest
from click.testing import CliRunner
from nbformat.v4 import new_notebook

from course_lib import processes
from course_lib.cli.grade import grade as command
from course_lib.grading.errors import Refusal
from course_lib.grading.grades.batch import _locked, attention
from course_lib.grading.grades.store import write
from course_lib.grading.grades.tables import table
from course_lib.grading.trial import worker
from course_lib.grading.verdict import Verdict
from tests.grading.example import NAME, Grader, answered
from tests.grading.trial.test_submission import chapter, other, own

slow = pytest.mark.slow
STUB = "def keep(*args):\n    raise NotImplementedError\n\nsplit = keep"


@pytest.fixture
def handed_in(tmp_path, released):
    """Five submissions: right, stub, no notebook, broken, with an odd name."""
    folder = tmp_path / "submissions"
    for student in ("ada", "=cmd|calc", "émile, \x1b[2J"):
        (folder / student).mkdir(parents=True)
    nbformat.write(answered(released), folder / "ada" / f"{NAME}.ipynb")
    nbformat.write(released, folder / "bob.ipynb")
    nbformat.write(answered(released), folder / "émile, \x1b[2J" / "my homework.ipynb")
    (folder / "carl.ipynb").write_text('{"cells": [')
    return folder


def snapshot(folder):
    return {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in folder.rglob("*") if p.is_file()}


def scores(out):
    from nbgrader.api import Gradebook

    with Gradebook(f"sqlite:///{out}/gradebook.db", "the-statue-within") as book:
        return {
            s.student.id: {
                g.name: (g.auto_score, g.manual_score, g.needs_manual_grade)
                for n in s.notebooks
                for g in n.grades
            }
            for s in book.assignment_submissions(NAME)
        }


def stored(out):
    """What is stored of each student, and when it was written."""
    paths = sorted((out / "grades" / NAME).glob("*.json"))  # a kill may leave a draft
    return {p.stem: (json.loads(p.read_text()), p.stat().st_mtime_ns) for p in paths}


@slow
def test_a_folder_is_graded_whole(course, handed_in, tmp_path):
    before = snapshot(handed_in)
    out = tmp_path / "out"
    done = CliRunner().invoke(command, [NAME, str(handed_in), "--out", str(out)])
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["student", "keep", "split", "total", "note"]
    assert [line.split()[0] for line in lines[1:]] == [
        "=cmd%7Ccalc",
        "ada",
        "bob",
        "carl",
        "émile,",
    ]
    assert "7/7" in lines[2] and "0/7" in lines[3] and "7/7" in lines[5]
    assert (
        "UNGRADED: there is no notebook" in lines[1]
        and "UNGRADED: carl.ipynb is not a notebook" in lines[4]
    )
    assert "\x1b" not in done.output
    assert done.exit_code == 1
    assert "5 handed in, 0 late; 4 will be graded, 1 needs a person: =cmd%7Ccalc" in done.stderr
    assert done.stderr.splitlines()[-6:] == [
        "4 of 5 need a person:",
        "  =cmd%7Ccalc: it has no score: there is no notebook: the folder is empty",
        "  bob: nothing was written: every task and answer is as it was released",
        "  carl: it has no score: carl.ipynb is not a notebook: it is not JSON, or only a part",
        "  émile, %1B%5B2J: handed in as my homework.ipynb",
        "The answer written is for a person to grade, in formgrader: all that have a score.",
    ]
    assert snapshot(handed_in) == before
    verdict = json.loads((out / "grades" / NAME / "ada.json").read_text())
    assert verdict["points"] == 7 and verdict["status"] == "graded" and verdict["form"] == 2
    assert verdict["written"] == [{"name": "written", "total": 3}]
    table = (out / "grades" / f"{NAME}.csv").read_text(encoding="utf-8-sig").splitlines()
    assert [line.split(",")[0] for line in table[1:]] == [
        "'=cmd%7Ccalc",
        "ada",
        "bob",
        "carl",
        '"émile',
    ]
    pages = {p.stem: p.read_text() for p in (out / "feedback" / NAME).iterdir()}
    assert sorted(pages) == ["=cmd%7Ccalc", "ada", "bob", "carl", "émile, %1B%5B2J"]
    assert "keeps the k entries of largest magnitude" in pages["ada"]
    kept = scores(out)
    assert kept["ada"] == {
        "check_keep": (5, None, False),
        "check_split": (2, None, False),
        "written": (None, None, True),
    }
    assert kept["bob"]["check_keep"][0] == 0
    assert kept["carl"]["check_keep"] == (None, None, True)
    book = nbformat.read(out / "autograded" / "ada" / NAME / f"{NAME}.ipynb", 4)
    assert any(
        c.source == "Because it is so." and c.metadata.nbgrader.grade_id == "written"
        for c in book.cells
    )


@slow
def test_a_notebook_that_was_not_made_from_the_release_is_named_and_has_no_score(
    course, released, tmp_path
):
    folder = tmp_path / "submissions"
    folder.mkdir()
    for make in (other, chapter, own):
        nbformat.write(make(released), folder / f"{make.__name__}.ipynb")
    nbformat.write(new_notebook(), folder / "void.ipynb")
    nbformat.write(answered(released, keep=wrong("keep"), split=wrong("split")), folder / "z.ipynb")
    nbformat.write(answered(released, keep=STUB, split=STUB), folder / "worded.ipynb")
    nbformat.write(released, folder / "stub.ipynb")
    out = tmp_path / "out"
    done = CliRunner().invoke(command, [NAME, str(folder), "--out", str(out)])
    points = {student: verdict["points"] for student, (verdict, _) in stored(out).items()}
    assert points == {
        "chapter": None, "other": None, "own": 7, "stub": 0, "void": None, "worded": 0, "z": 0,
    }  # fmt: skip
    assert done.stderr.splitlines()[-8:-1] == [
        "6 of 7 need a person:",
        "  chapter: it has no score: it is a chapter, 'The cotter pin', which is read and not "
        f"handed in; the assignment is assignment_{NAME}.ipynb",
        "  other: it has no score: it is the notebook of 01_other ; the assignment is "
        f"assignment_{NAME}.ipynb",
        "  stub: nothing was written: every task and answer is as it was released",
        f"  void: it has no score: it is empty: nothing was written; the assignment is "
        f"assignment_{NAME}.ipynb",
        "  worded: it has no point at all",
        "  z: it has no point at all",
    ]


@slow
def test_json_holds_every_verdict_of_a_zip_in_the_order_of_names(course, handed_in, tmp_path):
    source = shutil.make_archive(str(tmp_path / "class"), "zip", handed_in)
    done = CliRunner().invoke(command, [NAME, source, "--json", "--out", str(tmp_path / "out")])
    found = json.loads(done.stdout)
    assert [v["student"] for v in found] == sorted(v["student"] for v in found)
    assert [v["points"] for v in found] == [None, 7, 0, None, 7]
    assert found[1]["tasks"][0]["checks"][0] == {
        "id": "distinct", "title": "keeps the k entries of largest magnitude", "visible": True,
        "points": 2, "total": 2, "fault": None,
    }  # fmt: skip


@slow
def test_called_again_it_grades_what_is_new_or_named(course, handed_in, released, tmp_path):
    out = tmp_path / "out"
    args = [NAME, str(handed_in), "--json", "--out", str(out)]
    CliRunner().invoke(command, args)
    first = stored(out)
    nbformat.write(released, handed_in / "carl.ipynb")
    done = CliRunner().invoke(command, args)
    assert "3 of 5 are graded and have not changed: they are kept" in done.stderr
    assert [v["points"] for v in json.loads(done.stdout)] == [None, 7, 0, 0, 7]
    second = stored(out)
    assert {s for s in first if first[s] == second[s]} == {"ada", "bob", "émile, %1B%5B2J"}

    done = CliRunner().invoke(command, [*args, "--only", "ada"])
    assert [v["student"] for v in json.loads(done.stdout)] == ["ada"] and done.exit_code == 0
    third = stored(out)
    assert {s for s in third if third[s] == second[s]} == set(third) - {"ada"}


@slow
def test_a_person_s_points_survive_and_a_failed_regrade_leaves_no_old_score(
    course, handed_in, tmp_path
):
    from nbgrader.api import Gradebook

    out, alone = tmp_path / "out", tmp_path / "alone"
    alone.mkdir()
    shutil.copy(handed_in / "ada" / f"{NAME}.ipynb", alone / "ada.ipynb")
    args = [NAME, str(alone), "--out", str(out)]
    assert CliRunner().invoke(command, args).exit_code == 0
    with Gradebook(f"sqlite:///{out}/gradebook.db", "the-statue-within") as book:
        grade = book.find_grade("written", NAME, NAME, "ada")
        grade.manual_score, grade.needs_manual_grade = 3, False
        book.db.commit()
    done = CliRunner().invoke(command, [*args, "--again"])
    assert done.exit_code == 0 and "kept" not in done.stderr and "need" not in done.stderr
    assert scores(out)["ada"]["written"] == (None, 3, False)
    (alone / "ada.ipynb").write_text("")
    assert CliRunner().invoke(command, args).exit_code == 1
    assert scores(out)["ada"]["check_keep"] == (None, None, True)
    assert json.loads((out / "grades" / NAME / "ada.json").read_text())["points"] is None


@slow
def test_a_kernel_that_does_not_start_leaves_the_submission_ungraded(
    assignment, handed_in, tmp_path, monkeypatch
):
    grader = Grader(assignment, tmp_path)
    monkeypatch.setattr(worker.time, "sleep", lambda s: None)
    monkeypatch.setattr(sys, "executable", "/bin/false")
    worker._here.clear()  # what another test has started would do
    with pytest.warns(UserWarning, match="kernels start cold here"):
        verdict, _ = grader.verdict("bob", handed_in / "bob.ipynb")
    assert verdict.status == "ungraded" and verdict.points is None
    assert "no kernel started in 3 attempts" in verdict.why


@slow
def test_a_full_disk_stops_grading_and_keeps_what_is_stored(
    course, handed_in, tmp_path, monkeypatch
):
    out, real = tmp_path / "out", os.replace

    def full(old, new):
        if str(new).endswith("bob.json"):
            raise OSError(28, "No space left on device")
        real(old, new)

    monkeypatch.setattr(os, "replace", full)
    args = [NAME, str(handed_in), "--out", str(out), "--workers", "1"]
    done = CliRunner().invoke(command, args)
    assert (
        done.exit_code == 1
        and "No space left on device" in done.output
        and "grade again" in done.output
    )
    assert sorted(p.name for p in (out / "grades" / NAME).iterdir()) == [
        "=cmd%7Ccalc.json",
        "ada.json",
    ]
    assert json.loads((out / "grades" / NAME / "ada.json").read_text())["points"] == 7
    assert scores(out)["ada"]["check_keep"][0] == 5


def test_a_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    write(path, b"old")

    def fail(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space"):
        write(path, b"new")
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == ["a.json"]


def test_the_table_has_blanks_for_what_is_not_graded():
    verdict = Verdict(why="no", student="a", total=7)
    assert table([verdict], ["keep"]).splitlines()[1].split() == ["a", "UNGRADED:", "no"]


def test_without_bubblewrap_nothing_is_graded(course, handed_in, tmp_path, monkeypatch):
    monkeypatch.setattr(
        shutil, "which", lambda tool: None if tool == "bwrap" else f"/usr/bin/{tool}"
    )
    done = CliRunner().invoke(command, [NAME, str(handed_in), "--out", str(tmp_path / "out")])
    assert (
        done.exit_code == 1
        and "install -y bubblewrap" in done.output
        and "Traceback" not in done.output
    )
    assert not (tmp_path / "out").exists()


def test_without_namespaces_nothing_is_graded(course, handed_in, tmp_path, monkeypatch):
    fake = tmp_path / "bin" / "bwrap"
    fake.parent.mkdir()
    fake.write_text("#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake.parent}:{os.environ['PATH']}")
    done = CliRunner().invoke(command, [NAME, str(handed_in), "--out", str(tmp_path / "out")])
    assert done.exit_code == 1 and "No permissions to create new namespace" in done.output
    assert not (tmp_path / "out").exists()


# A class, stopped and killed

SCORES = {"": 7, "keep": 2, "split": 5, "keep split": 0}  # by the functions that are wrong


def wrong(name):
    return f"def {name}(*args):\n    return None"


@pytest.fixture
def group(tmp_path, released):
    """A folder of twelve submissions, and what each must score."""
    folder, expected = tmp_path / "submissions", {}
    folder.mkdir()
    for number in range(12):
        faults = list(SCORES)[number % 4]
        book = answered(released, **{name: wrong(name) for name in faults.split()})
        nbformat.write(book, folder / f"s{number:02}.ipynb")
        expected[f"s{number:02}"] = SCORES[faults]
    return folder, expected


def started(course, *args):
    """The grader as a process of its own, and of its own process group, as a terminal has it."""
    code = "import sys; from course_lib.cli.grade import grade; grade(sys.argv[1:])"
    return subprocess.Popen(
        [sys.executable, "-c", code, NAME, *map(str, args)],
        cwd=course,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
        # Ctrl-C counts, even where the tests themselves were started in the background.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def descendants(process, words=""):
    found = []
    for child in psutil.Process(process.pid).children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            found += [child] if words in " ".join(child.cmdline()) else []
    return found


def importing(process):
    """Whether a process of Python is well under way with its imports."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.memory_info().rss > 25 << 20
    return False


def until(process, number):
    """What the grader says until so many more submissions are graded."""
    said = []
    while sum(line.endswith(" s)\n") for line in said) < number:
        said.append(process.stderr.readline())
        assert said[-1], said
    return "".join(said)


def test_whoever_needs_a_person_is_named_with_the_reason():
    verdicts = [
        Verdict("graded", student="ada"),
        Verdict("graded", student="bob", late=True, handed=["handed in more than once"]),
        Verdict(why="no kernel started\x1b", student="cyd"),
        Verdict("graded", student="dot"),
    ]
    said = attention(
        verdicts, {"written": ["ada", "dot"], "why": ["ada", "bob", "dot"]}, {"dot": "no page"}
    )
    assert said == [
        "3 of 4 need a person:",
        "  bob: it is late; handed in more than once",
        "  cyd: it has no score: no kernel started ",
        "  dot: no page",
        "The answer written is for a person to grade, in formgrader: ada, dot.",
        "The answer why is for a person to grade, in formgrader: all that have a score.",
    ]
    assert attention(verdicts[:1], {}, {}) == []


@slow
def test_a_class_is_graded_though_a_worker_dies_and_the_grader_is_stopped_and_killed(
    course, group, tmp_path
):
    (folder, expected), out = group, tmp_path / "out"
    args = [folder, "--out", out, "--workers", "2"]

    grader = started(course, *args)
    until(grader, 1)
    descendants(grader, "spawn_main")[0].kill()
    until(grader, 4)
    family = descendants(grader)
    os.killpg(grader.pid, signal.SIGINT)
    said = grader.communicate()[1]
    assert grader.returncode == 130
    assert "call the same again to go on" in said and "Traceback" not in said
    assert not psutil.wait_procs(family, timeout=600)[1]
    first = stored(out)
    assert 5 <= len(first) < 12

    grader = started(course, *args)
    assert f"{len(first)} of 12 are graded and have not changed" in until(grader, 2)
    family = descendants(grader)
    assert family
    grader.kill()
    grader.wait()
    assert not psutil.wait_procs(family, timeout=600)[1]
    second = stored(out)
    assert len(first) + 2 <= len(second) < 12
    # As if it had been killed before the last grades reached the gradebook.
    with sqlite3.connect(out / "gradebook.db") as db:
        db.execute("update grade set auto_score = null, needs_manual_grade = 1")

    done = CliRunner().invoke(command, list(map(str, [NAME, *args])))
    assert done.exit_code == 0, done.output
    last = stored(out)
    assert {student: verdict["points"] for student, (verdict, _) in last.items()} == expected
    # What was there was not graded again.
    assert {k: second[k] for k in first} == first and {k: last[k] for k in second} == second
    assert len({verdict["seed"] for verdict, _ in last.values()}) == 1
    book = scores(out)
    assert {s: g["check_keep"][0] + g["check_split"][0] for s, g in book.items()} == expected
    assert not [p for p in out.rglob(".*") if p.name != ".grading.lock"]


@slow
@pytest.mark.parametrize("times", [1, 3])
def test_ctrl_c_while_workers_start_is_one_line(course, group, tmp_path, times):
    grader = started(course, group[0], "--out", tmp_path / "out", "--workers", "2")
    assert grader.stderr.readline()  # it says what was handed in, and then starts workers
    while not (family := [p for p in descendants(grader, "spawn_main") if importing(p)]):
        assert grader.poll() is None
    for _ in range(times):  # as from a terminal, all hear it, and one may press it again
        os.killpg(grader.pid, signal.SIGINT)
    said = grader.communicate()[1]
    assert grader.returncode == 130, said
    last = [line for line in said.splitlines() if line][-1]
    assert last.startswith("Stopped. Every grade") and said.count("Stopped") == 1
    assert "Traceback" not in said and "Interrupt" not in said
    assert not psutil.wait_procs(family, timeout=600)[1]


# A worker that the grader leaves while it is busy with its own end, as at the end of a class.
LEFT = """
import atexit, sys, time
from multiprocessing import Pipe
from course_lib import processes
from course_lib.grading.jail import folders
held, leash = Pipe(duplex=False)
processes._on_leash(held, folders.end_all)
print(folders.folder("jail.", "/tmp", lambda: print("ended")), flush=True)
def late():
    leash.close()
    time.sleep(3000)
atexit.register(late)
"""


def test_a_worker_that_is_told_to_end_while_it_ends_says_nothing_and_leaves_nothing():
    root = str(Path(__file__).parents[3])
    command = [sys.executable, "-c", LEFT]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=root)
    assert done.returncode == 1 and done.stderr == ""
    assert not os.path.exists(done.stdout.split()[0])


def test_what_kills_its_worker_twice_is_told_and_the_rest_is_done():
    tasks = [(str(n), (pow, n, 2)) for n in range(6)]
    tasks[2:2] = [("fatal", (os._exit, 1))]
    done = {
        name: (result, error) for name, result, error in processes.work(operator.call, tasks, 2)
    }
    result, error = done.pop("fatal")
    assert result is None and "died, twice" in str(error)
    assert done == {str(n): (n * n, None) for n in range(6)}


def test_two_graders_in_one_folder(course, handed_in, tmp_path):
    args = [NAME, str(handed_in), "--out", str(tmp_path / "out")]
    with _locked(tmp_path / "out"):
        done = CliRunner().invoke(command, args)
    assert done.exit_code == 1 and "another grader is at work in" in done.output


def test_nobody_of_that_name(course, handed_in, tmp_path):
    args = [NAME, str(handed_in), "--out", str(tmp_path / "out"), "--only", "adda"]
    done = CliRunner().invoke(command, args)
    assert done.exit_code == 1 and "no submission is from 'adda'. Did you mean ada?" in done.output


def test_a_worker_without_a_jail_or_with_another_version_refuses(monkeypatch):
    with pytest.raises(Refusal, match="cannot grade: its course_lib grades by other rules"):
        worker.grade_sealed(b"x" * 40, b"", "ada.ipynb")
    worker._jail_is_ready.cache_clear()
    monkeypatch.setattr(shutil, "which", lambda tool: None)
    with pytest.raises(Refusal, match=r"cannot grade: grading refuses .* without a jail"):
        worker.grade_sealed(worker.version(), b"", "ada.ipynb")
