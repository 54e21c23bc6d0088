"""An instructor takes the course over as the book's page says: its table, its commands, as typed.

A copy of the tree is the original, a clone of it the instructor's; its own library runs there.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from urllib.parse import unquote, urldefrag

import pytest
import yaml
from bs4 import BeautifulSoup

from course_lib.chapters import Course, chapters, course, left_out, notebooks
from course_lib.cli import adopt
from course_lib.cli.book import pages
from course_lib.grading.grades.gradebook import COURSE as GRADEBOOK
from course_lib.teaching.evidence import MIME
from course_lib.training.data import cache_folder

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "book" / "instructor" / "adopt.md").read_text()
TABLE, *_ = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
COMMANDS = [line for line in PAGE.splitlines() if line.startswith(("course ", "git "))]
WANTED = Course(**tomllib.loads(TABLE)["tool"]["course"])
TAUGHT = [path.stem for path in notebooks(ROOT) if path.stem[:2] in WANTED.chapters]
LEFT = [path.stem for path in notebooks(ROOT) if path.stem not in TAUGHT]
GIT = [
    "git",
    "-c",
    "user.name=A",
    "-c",
    "user.email=a@example.org",
    "-c",
    "protocol.file.allow=always",
]


def run(folder, *words, check=True):
    """Run a command in a copy of the course, `course` with the copy's own library."""
    env = os.environ | {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    if words[0] == "course":
        words = [sys.executable, "-c", "from course_lib.cli import main; main()", *words[1:]]
    elif words[0] == "git":
        words = [*GIT, *words[1:]]
    done = subprocess.run(words, cwd=folder, env=env, capture_output=True, text=True)
    assert not check or done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done


def copy(target):
    """Copy what is tracked, or is going to be."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.check_output(listed, cwd=ROOT, text=True).split("\0"):
        if name and (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
    return target


def set_to(root, table):
    file = root / "pyproject.toml"
    pattern = re.compile(r"^\[tool\.course\]\n.*?(?=^\[|\Z)", re.DOTALL | re.MULTILINE)
    text, found = pattern.subn(lambda _: f"{table.strip()}\n\n", file.read_text())
    assert found == 1
    file.write_text(text)


ALL = f'[tool.course]\nname = "{Course.name}"\n'  # everything else as it came


@pytest.fixture
def tree(tmp_path):
    """A course as it came, of the files that the command looks at."""
    files = [*adopt.NAMED, *adopt.ADDRESSED, "_toc.yml", adopt.PROJECT]
    for name in files + [path.relative_to(ROOT).as_posix() for path in notebooks(ROOT)]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, tmp_path / name)
    set_to(tmp_path, ALL)
    write(tmp_path)
    return tmp_path


def write(root):
    """Do what the command does; return the names of the files that changed."""
    wanted = adopt.changes(root)
    for path, text in wanted.items():
        path.write_text(text)
    return {path.relative_to(root).as_posix() for path in wanted}


def texts(root):
    return {path: path.read_text() for path in root.rglob("*") if path.is_file()}


def test_each_is_one_edit_and_one_command(tree):
    before = texts(tree)
    for line, files in (
        (f'name = "{WANTED.name}"', {*adopt.NAMED, adopt.PROJECT}),
        (f'book = "{WANTED.book}"', {".github/ISSUE_TEMPLATE/config.yml", adopt.PROJECT}),
        (f"chapters = {json.dumps(WANTED.chapters)}", {"_toc.yml"}),
    ):
        set_to(tree, f"[tool.course]\n{line}\n")
        assert write(tree) == files
        assert write(tree) == set()  # again, it changes nothing
        set_to(tree, ALL)
        write(tree)
        assert texts(tree) == before  # and it can be taken back
    set_to(tree, f'[tool.course]\nrepository = "{WANTED.repository}"\n')
    assert write(tree) > {f"notebooks/{name}.ipynb" for name in TAUGHT + LEFT}
    told = [path for path, text in texts(tree).items() if Course.repository in text]
    assert told == []


@pytest.mark.parametrize("words", ["course", "pruning", "a-b", "statue-within-2026", "notebooks"])
def test_a_clone_may_be_called_as_an_ordinary_word(tree, words):
    """Which is no reason to change that word where it means something else."""
    before = texts(tree)
    set_to(tree, f'[tool.course]\nrepository = "https://example.org/{words}"\nname = "Pruning"\n')
    write(tree)
    assert f"cd /opt/{words}\n" in (tree / "book" / "instructor" / "scale.md").read_text()
    set_to(tree, ALL)
    write(tree)
    assert texts(tree) == before


def test_the_contents_keep_what_an_instructor_wrote(tree):
    """A part that has lost all its chapters goes, and comes back; what was left out stays out."""
    toc = tree / "_toc.yml"
    toc.write_text(
        toc.read_text().replace("      - file: book/notation", "#     - file: book/notation")
    )
    before = toc.read_text()
    set_to(tree, "[tool.course]\nchapters = [1]\n")
    write(tree)
    found = yaml.safe_load(toc.read_text())
    assert "Applications and connections" not in [part["caption"] for part in found["parts"]]
    assert [n for n in pages(found) if n.startswith("notebooks/")] == [f"notebooks/{TAUGHT[0]}"]
    set_to(tree, "[tool.course]\nchapters = [1, 8]\n")
    write(tree)
    assert "Applications and connections" in toc.read_text() and "08_" in toc.read_text()
    set_to(tree, ALL)
    write(tree)
    assert toc.read_text() == before
    (tree / "notebooks" / "16_new.ipynb").write_text(
        (tree / "notebooks" / f"{LEFT[0]}.ipynb").read_text()
    )
    assert list(adopt.unlisted(tree)) == ["16_new"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('chapters = ["01", "20"]', "Error: [tool.course] in pyproject.toml: no chapter is called"),
        ('repository = "our place"', "repository is 'our place', expected an address, such as"),
        ('nmae = "Less"', "given nmae, expected only name, repository, book, original, chapters."),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(tree, line, said):
    set_to(tree, f"[tool.course]\n{line}\n")
    before = texts(tree)
    done = run(tree, "course", "adopt", check=False)
    assert done.returncode == 1 and said in done.stderr and "Traceback" not in done.stderr
    assert texts(tree) == before


def test_check_writes_nothing(tree):
    set_to(tree, f'[tool.course]\nname = "{WANTED.name}"\n')
    before = texts(tree)
    done = run(tree, "course", "adopt", "--check", check=False)
    assert done.returncode == 1 and "README.md: does not follow" in done.stdout
    assert texts(tree) == before
    set_to(tree, ALL)
    assert "All files follow." in run(tree, "course", "adopt", "--check").stdout


IDENTIFIERS = """
from course_lib.teaching.evidence import MIME
from course_lib.grading.grades.gradebook import COURSE
from course_lib.training.data import cache_folder
print(MIME, COURSE, cache_folder().name)
"""


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """The course as it came, under version control."""
    folder = copy(tmp_path_factory.mktemp("adopting") / "original")
    set_to(folder, ALL)
    write(folder)
    run(folder, "git", "init", "--quiet", "--initial-branch=main")
    run(folder, "git", "add", "--all")
    run(folder, "git", "commit", "--quiet", "--message", "As it came")
    return folder


@pytest.fixture(scope="module")
def ours(original):
    """The instructor's copy, after all that the page says."""
    folder = original.with_name("ours")
    run(original, "git", "clone", "--quiet", "--origin", "upstream", ".", str(folder))
    set_to(folder, TABLE)
    for command in COMMANDS:
        run(folder, *shlex.split(command))
    return folder


@pytest.mark.slow
def test_the_name_is_told_where_the_authors_are(ours):
    allowed = {"LICENSE", "LICENSE-CODE", "CHANGELOG.md", "course_lib/chapters.py"}
    listed = run(ours, "git", "grep", "-lI", "-e", Course.name, "-e", Course.repository).stdout
    for name in set(listed.split()) - allowed:
        if name.startswith(("tests/", "exercises/")) or Path(name).stem in LEFT:
            continue  # tests ask, or hold what was written before; the rest is as it came
        lines = (ours / name).read_text().splitlines()
        told = [line for line in lines if Course.name in line or Course.repository in line]
        expected = (
            f"{Course.name} authors|docstitle|original|>{Course.name}<|{Course.name}, a course"
        )
        assert [line for line in told if not re.search(expected, line)] == [], name
    assert WANTED.name in run(ours, "course", "--help").stdout


@pytest.mark.slow
def test_the_book_has_the_chapters_taught_and_no_dead_link(ours):
    site = ours / "_build" / "html"
    found = {p: BeautifulSoup(p.read_text(), "html.parser") for p in site.rglob("*.html")}
    assert sorted(p.stem for p in site.glob("notebooks/*.html")) == TAUGHT
    outside = set()
    for path, page in found.items():
        if page.article:  # the foot of each page
            foot = " ".join(page.select_one(".bd-footer-content").text.split())
            assert foot.startswith(f"{WANTED.name}, made from {Course.name}. Text"), path
        for link in page.find_all("a", href=True):
            address, part = urldefrag(unquote(link["href"]))
            if re.match(r"\w+:", address):
                outside.add(address)
                continue
            target = (path.parent / address).resolve() if address else path
            assert target.exists(), f"{path} leads to {address}"
            if part and target in found:
                assert found[target].find(id=part), f"{path} leads to {address}#{part}"
    elsewhere = {a for a in outside if a.startswith(WANTED.original) and a != WANTED.original}
    assert {Path(address).stem for address in elsewhere} == set(LEFT)
    assert not any(a.startswith(Course.repository) for a in outside)
    assert any(a.startswith(WANTED.repository) for a in outside)
    welcome = found[site / "book" / "welcome.html"]
    numbers = [int(name[:2]) for name in TAUGHT]
    assert [int(box.text.split(".")[0]) for box in welcome.select("svg.chapter-graph a")] == numbers
    assert "Six chapters" in welcome.text and "Fourteen" not in welcome.text
    rows = found[site / "book" / "evidence.html"].select("table.ledger tbody tr")
    told = run(ours, "course", "evidence", "--json").stdout
    ids = sorted(row.td.a["href"].partition("#")[2] for row in rows)
    assert ids == sorted(claim["id"] for claim in json.loads(told))
    assert {claim["chapter"] for claim in json.loads(told)} == set(TAUGHT)
    released = {path.name for path in (site / "exercises" / "release").iterdir()}
    assert released == {*TAUGHT, "15_capstone"}


@pytest.mark.slow
def test_students_receive_what_is_taught(ours, tmp_path):
    """And can build the book of it, in which nothing leads to what they have not."""
    (packed,) = (ours / "dist").iterdir()
    assert packed.name == "less-is-enough-students.zip"
    with zipfile.ZipFile(packed) as bundle:
        bundle.extractall(tmp_path)
    copy = tmp_path / "less-is-enough"
    assert [path.stem for path in notebooks(copy)] == TAUGHT
    assert sorted(p.name for p in (copy / "exercises" / "release").iterdir()) == [
        *TAUGHT,
        "15_capstone",
    ]
    readme = (copy / "README.md").read_text()
    assert readme.startswith(f"# {WANTED.name}: your copy") and "6 chapters" in readme
    assert "7 assignments" in readme
    for path in notebooks(copy):
        for name in LEFT:
            assert f"({name}.ipynb" not in path.read_text(), path
    first = json.loads((copy / "notebooks" / f"{TAUGHT[0]}.ipynb").read_text())
    assert f"({WANTED.original}/notebooks/09_training_for_pruning.html)" in json.dumps(first)
    listed = run(copy, "course", "lab", "--list").stdout.splitlines()
    assert [line.split()[0] for line in listed] == [*TAUGHT, "15_capstone"]
    run(copy, "course", "book", "--no-serve")


@pytest.mark.slow
def test_commands_know_what_is_taught(ours):
    (left, *_) = LEFT
    for words in (["run", left[:2]], ["grade", left, "."], ["release", left], ["mutants", left]):
        done = run(ours, "course", *words, check=False)
        assert done.returncode == 1 and f"{left} is not taught" in done.stderr, words
    page = run(ours, sys.executable, "-c", START).stdout
    assert page.startswith(f"# {WANTED.name}\n")
    assert "- 5 · [The lucky start: lottery tickets](notebooks/05" in page
    assert LEFT[0] not in page


START = """
from datetime import date
from pathlib import Path
from course_lib.cli.start import start_page
print(start_page(Path.cwd(), date.today()))
"""


@pytest.mark.long
def test_their_tests_follow(ours):
    """Those that ask about chapters, and run none."""
    quick = ["-m", "not slow and not long", "-k", "not tools_find"]
    files = [
        *("tests/notebooks", "tests/cli/test_house_rules.py", "tests/test_chapters.py"),
        *("tests/cli/test_evidence.py", "tests/grading/authoring/test_student_archive.py"),
    ]
    told = run(ours, sys.executable, "-m", "pytest", "-q", *files, *quick, check=False).stdout
    assert re.search(r"^\d+ passed, \d+ deselected", told, re.MULTILINE), told[-3000:]
    listed = run(ours, sys.executable, "-m", "pytest", "-q", "--collect-only", "tests").stdout
    assert TAUGHT[1] in listed and f"[{LEFT[0]}" not in listed


@pytest.mark.slow
def test_identifiers_do_not_follow(ours):
    renamed = run(ours, sys.executable, "-c", IDENTIFIERS).stdout.split()
    assert renamed == [MIME, GRADEBOOK, cache_folder().name]


@pytest.mark.slow
def test_what_is_new_in_the_original_can_be_pulled(ours, original):
    """In chapters that are taught, and in those that are not."""
    for name in (TAUGHT[1], LEFT[0]):
        path = original / "notebooks" / f"{name}.ipynb"
        text = path.read_text()
        assert text.count("**Time** About") == 1
        path.write_text(text.replace("**Time** About", "**Time** Upstream says about"))
    run(original, "git", "commit", "--quiet", "--all", "--message", "News")
    run(ours, "git", "pull", "--quiet", "--no-rebase", "--no-edit", "upstream", "main")
    assert "Upstream says" in (ours / "notebooks" / f"{TAUGHT[1]}.ipynb").read_text()
    assert "All files follow." in run(ours, "course", "adopt", "--check").stdout
    assert run(ours, "git", "status", "--short").stdout == ""
    assert set(left_out(ours)) == set(LEFT) and len(chapters(ours)) == 6
    assert course(ours).name == WANTED.name
