"""What a student unpacks: all that is needed, nothing that is not theirs, and it works there."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

from course_lib import chapters
from course_lib.cli.book import pages
from course_lib.cli.release import sizes
from course_lib.grading.authoring import release
from course_lib.grading.authoring.assignment import Assignment, assignments
from course_lib.grading.intake.names import notebook

ROOT = Path(__file__).parents[3]
NAME = assignments(ROOT / "exercises")[0]
DENIED = re.compile(
    r"(^|/)(tests|source|specs|mutants|submitted|feedback|export|dist|_build|\..*)/|^grades/"
    r"|(^|/)\.|instructor|kill_matrix\.(md|json)|\.db$|__pycache__|CONTRIBUTING|nbgrader_config"
)


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    target = tmp_path_factory.mktemp("packed") / "students.zip"
    release.archive(ROOT, target, sizes())
    return target


@pytest.fixture(scope="module")
def unpacked(packed, tmp_path_factory):
    folder = tmp_path_factory.mktemp("unpacked")
    with zipfile.ZipFile(packed) as bundle:
        bundle.extractall(folder)
    return folder / chapters.course(ROOT).folder


def course(folder, *words):
    """Run the course command with the library that lies in the folder, as `make lab` sets it up."""
    command = [sys.executable, "-c", "from course_lib.cli import main; main()", *words]
    env = os.environ | {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)


def test_it_holds_what_is_needed_and_nothing_that_is_denied(unpacked):
    names = {p.relative_to(unpacked).as_posix() for p in unpacked.rglob("*") if p.is_file()}
    assert [name for name in names if DENIED.search(name)] == []
    wanted = {f"notebooks/{path.name}" for path in chapters.chapters(ROOT)} | {
        f"exercises/release/{name}/{notebook(name)}" for name in assignments(ROOT / "exercises")
    }
    licences = {"LICENSE", "LICENSE-CODE", "LICENSE-TEXT", "NOTICE"}
    assert wanted | licences | {"README.md", "Makefile", "course_lib/cli/setup.py"} <= names


def _told(path):
    text = path.read_text(errors="replace")
    if not path.name.endswith(".check.json"):
        return text
    told = json.loads(text) | {"hidden": []}
    for check in told["checks"]:
        check["twins"] = list(check["twins"].values())  # by the sentence that names a slip
    return json.dumps(told, ensure_ascii=False)


@pytest.mark.slow
def test_no_hidden_check_is_named_in_it(unpacked):
    """By its title, but in the list that a student reads who sees only green (and known slips).

    The few words of a title that is another's too, of a visible one, may stand.
    """
    texts = {p: _told(p) for p in unpacked.rglob("*") if p.is_file()}
    told, seen = [], 0
    for name in assignments(ROOT / "exercises"):
        checks = [c for task in Assignment(ROOT / "exercises", name).tasks for c in task.checks]
        visible = {c.title for c in checks if c.visible}
        for check in checks:
            if not check.visible and check.title not in visible and len(check.title) > 24:
                seen += 1
                told += [(check.title, str(p)) for p, text in texts.items() if check.title in text]
    assert seen > 100
    assert told == []


def test_its_readme_is_short_and_names_what_is_there(unpacked):
    readme = (unpacked / "README.md").read_text()
    assert len(readme.splitlines()) <= 20
    count = len(chapters.chapters(ROOT))
    assert f"{count} chapters" in readme and f"{count + 1} assignments" in readme
    assert f"about {sizes()['download']} MB" in readme and "{" not in readme
    for words in ("git clone", "make test", "course grade", "course release", "CONTRIBUTING"):
        assert words not in readme
    pattern = "exercises/release/NN_topic/assignment_NN_topic.ipynb"
    assert pattern in readme and (unpacked / pattern.replace("NN_topic", NAME)).is_file()


def test_its_commands_and_contents_are_those_that_can_work(unpacked):
    said = subprocess.run(["make", "help"], cwd=unpacked, capture_output=True, text=True).stdout
    assert re.findall(r"make (\w+)", said)[:3] == ["help", "book", "lab"]
    makefile = (unpacked / "Makefile").read_text()
    for target in release.WORKSHOP:
        assert not re.search(rf"\bmake {target}\b|^{target}:", makefile + said, re.MULTILINE)
        assert target in (ROOT / "Makefile").read_text()  # or this would test nothing
    contents = list(pages(yaml.safe_load((unpacked / "_toc.yml").read_text())))
    assert len(contents) > 20
    for page in contents:
        assert list(unpacked.glob(f"{page}.*")), page
    assert "For instructors" not in (unpacked / "_toc.yml").read_text()


def test_its_files_bear_the_date_of_the_last_commit(packed, tmp_path, monkeypatch):
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    course = tmp_path / "course"
    (course / "notebooks").mkdir(parents=True)
    (course / "notebooks" / "01_one.ipynb").write_text("{}")
    git = ["git", "-C", str(course), "-c", "user.name=A", "-c", "user.email=a@example.org"]
    when = {"GIT_COMMITTER_DATE": "2026-05-04T03:02:02+0000"}
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "One"]):
        subprocess.run([*git, *words], check=True, env=os.environ | when)
    release.archive(course, tmp_path / "one.zip", sizes())
    os.utime(course / "notebooks" / "01_one.ipynb", (0, 0))
    release.archive(course, tmp_path / "two.zip", sizes())
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "one.zip") as bundle:
        assert {entry.date_time for entry in bundle.infolist()} == {(2026, 5, 4, 3, 2, 2)}
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1767225600")
    release.archive(course, tmp_path / "three.zip", sizes())
    with zipfile.ZipFile(tmp_path / "three.zip") as bundle:
        assert {entry.date_time for entry in bundle.infolist()} == {(2026, 1, 1, 0, 0, 0)}
    with zipfile.ZipFile(packed) as bundle:
        assert all(entry.date_time[0] >= 2025 for entry in bundle.infolist())


def test_without_git_they_bear_that_of_the_newest_file(course, monkeypatch):
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    for file in course.rglob("*"):
        os.utime(file, (1_700_000_000, 1_700_000_000))
    assert release.stamp(course, ["_toc.yml"]).year == 2023


@pytest.mark.slow
def test_a_student_begins_in_it(unpacked):
    listed = course(unpacked, "lab", "--list")
    assert listed.returncode == 0, listed.stderr
    assert [line.split()[0] for line in listed.stdout.splitlines()] == assignments(
        ROOT / "exercises"
    )
    assert listed.stdout.count("to begin") == len(assignments(ROOT / "exercises"))
    place = f"exercises/release/{NAME}/{notebook(NAME)}"
    checked = course(unpacked, "check", place)
    assert checked.returncode == 1 and "Not ready to hand in: 5 of 5 tasks" in checked.stdout
    assert place in course(unpacked, "check", f"notebooks/{NAME}.ipynb").stderr
    assert "exercises/source" not in start(unpacked)
    assert "exercises/source" in start(ROOT)


def start(folder):
    from datetime import date

    from course_lib.cli.start import start_page

    return start_page(folder, date(2026, 11, 26))


@pytest.mark.slow
def test_its_book_builds_without_the_pages_that_it_lacks(unpacked, tmp_path):
    command = "from jupyter_book.cli.main import main; main()"
    options = ["build", ".", "--path-output", str(tmp_path), "-W", "-n", "--keep-going"]
    built = subprocess.run(
        [sys.executable, "-c", command, *options],
        cwd=unpacked,
        env=os.environ | {"PYTHONPATH": str(unpacked)},
        capture_output=True,
        text=True,
    )
    assert built.returncode == 0, (built.stdout + built.stderr)[-4000:]
    page = (tmp_path / "_build" / "html" / "book" / "how_to_use.html").read_text()
    assert "page for you" in page and "instructors.html" not in page
