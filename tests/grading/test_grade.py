"""Grading a folder: every submission gets a verdict, none is lost, none is touched."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import nbformat
import pytest
from click.testing import CliRunner

from course_lib.cli.grade import grade as command
from course_lib.grading import jail, run
from course_lib.grading.run import Grader, submissions, table, write
from course_lib.grading.tasks import Refusal
from tests.grading.trial import GOOD, NAME, answered

slow = pytest.mark.slow


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


@slow
def test_a_folder_is_graded_whole(course, handed_in, tmp_path):
    before = snapshot(handed_in)
    out = tmp_path / "out"
    done = CliRunner().invoke(command, [NAME, str(handed_in), "--out", str(out)])
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["student", "keep", "split", "total", "note"]
    assert [line.split()[0] for line in lines[1:]] == ["=cmd|calc", "ada", "bob", "carl", "émile,"]
    assert "7/7" in lines[2] and "0/7" in lines[3] and "7/7" in lines[5]
    assert (
        "UNGRADED: there is no notebook" in lines[1]
        and "UNGRADED: carl.ipynb is not a notebook" in lines[4]
    )
    assert "\x1b" not in done.output
    assert done.exit_code == 1 and "2 of 5 need a person: =cmd|calc, carl" in done.stderr
    assert snapshot(handed_in) == before
    verdict = json.loads((out / "grades" / NAME / "ada.json").read_text())
    assert verdict["points"] == 7 and verdict["status"] == "graded" and verdict["format"] == 1
    assert verdict["written"] == [{"name": "written", "total": 3}]
    assert "written (3 points) is for a person to grade" in done.stderr
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
def test_json_holds_every_verdict_in_the_order_of_names(course, handed_in, tmp_path):
    done = CliRunner().invoke(
        command, [NAME, str(handed_in), "--json", "--out", str(tmp_path / "out")]
    )
    found = json.loads(done.stdout)
    assert [v["student"] for v in found] == sorted(v["student"] for v in found)
    assert [v["points"] for v in found] == [None, 7, 0, None, 7]
    assert found[1]["tasks"][0]["checks"][0] == {
        "id": "distinct", "title": "keeps the k entries of largest magnitude", "visible": True,
        "points": 2, "total": 2, "fault": "",
    }  # fmt: skip


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
    assert CliRunner().invoke(command, args).exit_code == 0
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
    monkeypatch.setattr(run.time, "sleep", lambda s: None)
    monkeypatch.setattr(jail.sys, "executable", "/bin/false")
    verdict, _ = grader.verdict("bob", handed_in / "bob.ipynb")
    assert verdict["status"] == "ungraded" and verdict["points"] is None
    assert "no kernel started in 3 attempts" in verdict["why"]


@slow
def test_a_full_disk_stops_grading_and_keeps_what_is_stored(
    course, handed_in, tmp_path, monkeypatch
):
    out, real = tmp_path / "out", os.replace

    def full(old, new):
        if str(new).endswith("bob.json"):
            raise OSError(28, "No space left on device")
        real(old, new)

    monkeypatch.setattr(run.os, "replace", full)
    done = CliRunner().invoke(command, [NAME, str(handed_in), "--out", str(out)])
    assert (
        done.exit_code == 1
        and "No space left on device" in done.output
        and "grade again" in done.output
    )
    assert sorted(p.name for p in (out / "grades" / NAME).iterdir()) == [
        "=cmd|calc.json",
        "ada.json",
    ]
    assert json.loads((out / "grades" / NAME / "ada.json").read_text())["points"] == 7
    assert scores(out)["ada"]["check_keep"][0] == 5


def test_a_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    write(path, b"old")

    def fail(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(run.os, "fsync", fail)
    with pytest.raises(OSError, match="No space"):
        write(path, b"new")
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == ["a.json"]


def test_layouts_of_folders(tmp_path):
    for path in (
        "ada/x.ipynb",
        f"bob/{NAME}.ipynb",
        "bob/other.ipynb",
        f"eve/{NAME}/{NAME}.ipynb",
        "fay/1.ipynb",
        "fay/2.ipynb",
        "gus.ipynb",
        "hal/notes.txt",
        ".hidden/x.ipynb",
        "readme.txt",
    ):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    (tmp_path / "ivy").symlink_to(tmp_path / "ada")
    (tmp_path / "bob.ipynb").touch()
    os.mkdir(os.fsencode(tmp_path) + b"/z\xff")
    found = submissions(tmp_path, NAME)
    assert list(found) == ["ada", "bob", "eve", "fay", "gus", "hal", "ivy", "readme.txt", "z\ufffd"]
    assert [getattr(found[s], "name", None) for s in ("ada", "eve", "gus")] == [
        "x.ipynb",
        f"{NAME}.ipynb",
        "gus.ipynb",
    ]
    assert "two submissions" in str(found["bob"])
    assert "several notebooks: 1.ipynb, 2.ipynb" in str(found["fay"])
    assert "no notebook" in str(found["hal"])
    assert "a link" in str(found["ivy"])
    assert "no folder and no notebook" in str(found["readme.txt"])


def test_nothing_to_grade_is_said(tmp_path):
    with pytest.raises(Refusal, match="is not a folder"):
        submissions(tmp_path / "none", NAME)
    with pytest.raises(Refusal, match="holds no submission"):
        submissions(tmp_path, NAME)


def test_the_table_has_blanks_for_what_is_not_graded():
    verdict = {
        "student": "a",
        "tasks": [],
        "points": None,
        "total": 7,
        "status": "ungraded",
        "why": "no",
        "notes": [],
    }
    assert table([verdict], ["keep"]).splitlines()[1].split() == ["a", "UNGRADED:", "no"]


def test_without_bubblewrap_nothing_is_graded(course, handed_in, tmp_path, monkeypatch):
    monkeypatch.setattr(
        jail.shutil, "which", lambda tool: None if tool == "bwrap" else f"/usr/bin/{tool}"
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


@slow
def test_a_killed_grader_leaves_no_kernel_and_no_half_file(course, tmp_path, released):
    folder, out = tmp_path / "submissions", tmp_path / "out"
    folder.mkdir()
    nbformat.write(answered(released), folder / "ada.ipynb")
    mark = f"sleeper{os.getpid()}"
    stuck = answered(released, keep=GOOD + f"\n{mark} = 1\nwhile True: pass")
    nbformat.write(stuck, folder / "bob.ipynb")
    code = (
        f"from course_lib.cli.grade import grade; grade(['{NAME}', '{folder}', '--out', '{out}'])"
    )
    grader = subprocess.Popen(
        [sys.executable, "-c", code], cwd=course, stderr=subprocess.PIPE, text=True
    )
    assert grader.stderr.readline().startswith("ada")
    import time

    import psutil

    deadline = time.monotonic() + 20
    while not (
        kernels := [
            p
            for p in psutil.Process(grader.pid).children(recursive=True)
            if "ipykernel_launcher" in " ".join(p.cmdline())
        ]
    ):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    grader.kill()
    grader.wait()
    assert not psutil.wait_procs(kernels, timeout=5)[1]
    assert json.loads((out / "grades" / NAME / "ada.json").read_text())["points"] == 7
    assert [p.name for p in (out / "grades" / NAME).iterdir()] == ["ada.json"]
    assert scores(out)["ada"]["check_keep"][0] == 5
