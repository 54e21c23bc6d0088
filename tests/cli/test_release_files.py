"""What a release hands out: wheel, sdist, version, changelog. Whole, typed, and with no answer."""

import ast
import hashlib
import json
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from datetime import date
from email import message_from_bytes
from itertools import pairwise
from pathlib import Path
from textwrap import dedent

import pytest
import yaml
from markdown_it import MarkdownIt
from packaging.version import Version
from trove_classifiers import classifiers

import course_lib

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
REPOSITORY = PROJECT["urls"]["Repository"]
LICENCES = {"LICENSE", "LICENSE-CODE", "LICENSE-TEXT", "NOTICE"}
BESIDE = LICENCES | {"CHANGELOG.md", "CITATION.cff", "README.md", "constraints.txt"}
BUILD = {"pyproject.toml", "PKG-INFO", ".gitignore"}  # which any sdist of hatchling's has
SECRET = ("exercises/source", "exercises/specs", "exercises/mutants", "tests", "book/instructor")


def listed(*places):
    """What git knows of, and what it would take on: not what the tools make."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", *places]
    names = subprocess.check_output(command, cwd=ROOT, text=True).split("\0")
    return {name for name in names if name and (ROOT / name).is_file()}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Both packages as files, built as a release builds them, with nothing fetched."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return next(folder.glob("*.whl")), next(folder.glob("*.tar.gz"))


@pytest.fixture(scope="module")
def wheel(made):
    with zipfile.ZipFile(made[0]) as bundle:
        return {name: bundle.read(name) for name in bundle.namelist()}


@pytest.fixture(scope="module")
def sdist(made):
    with tarfile.open(made[1]) as bundle:
        files = [member for member in bundle.getmembers() if member.isfile()]
        return {m.name.partition("/")[2]: bundle.extractfile(m).read() for m in files}


@pytest.fixture(scope="module")
def told(wheel):
    """What the wheel says of itself: what an index shows."""
    (name,) = (name for name in wheel if name.endswith(".dist-info/METADATA"))
    return message_from_bytes(wheel[name])


def apart(wheel):
    """The files of the library, and those in which the wheel tells of itself."""
    about = f"course_lib-{course_lib.__version__}.dist-info/"
    inside = {name for name in wheel if not name.startswith(about)}
    return inside, {name.removeprefix(about) for name in wheel} - inside


def test_both_hold_the_library_whole_and_nothing_else_of_the_course(wheel, sdist):
    library = listed("course_lib")
    inside, about = apart(wheel)
    assert inside == library
    assert sdist.keys() == library | BESIDE | BUILD
    assert about == {"METADATA", "WHEEL", "RECORD", "entry_points.txt"} | {
        f"licenses/{name}" for name in LICENCES
    }
    for name in library:
        assert wheel[name] == sdist[name] == (ROOT / name).read_bytes(), name


def test_what_is_no_python_is_there_too(wheel):
    """Types, settings of JupyterLab, pages, styles, jets: the library reads them at work."""
    assert {
        "course_lib/py.typed",
        "course_lib/cli/lab_settings/custom/custom.css",
        "course_lib/cli/lab_settings/labconfig/default_setting_overrides.json",
        "course_lib/cli/lab_settings/labconfig/page_config.json",
        "course_lib/grading/assets/feedback.html",
        "course_lib/grading/assets/students.md",
        "course_lib/labs/jets_data/jets.npz",
        "course_lib/teaching/assets/slider.js",
    } <= wheel.keys()


def answers():
    """Texts that nobody may find in a package: solutions, and functions that are known mistakes."""
    for path in (ROOT / "exercises" / "source").rglob("*.ipynb"):
        for cell in json.loads(path.read_text())["cells"]:
            source = "".join(cell["source"])
            for part in re.findall(r"### BEGIN SOLUTION\n(.*?)### END SOLUTION", source, re.DOTALL):
                yield dedent(part).strip()
    for path in (ROOT / "exercises" / "mutants").glob("*.py"):
        lines = (text := path.read_text()).splitlines()
        for node in ast.parse(text).body:
            if isinstance(node, ast.FunctionDef):
                yield "\n".join(lines[node.body[0].lineno - 1 : node.end_lineno])


@pytest.mark.slow
def test_no_answer_is_in_either(wheel, sdist):
    """A private copy's archive of the library, once on an index, would publish them.

    No file of the course's secrets by its name or content, and no solution in any text. (Two lines
    may be anybody's.)
    """
    secret = {hashlib.sha256((ROOT / name).read_bytes()).digest() for name in listed(*SECRET)}
    hidden = {text for text in answers() if text.count("\n") > 1}
    assert len(secret) > 50 and len(hidden) > 50
    for bundle in (wheel, sdist):
        for name, content in bundle.items():
            assert not name.startswith(SECRET) and not name.endswith(".ipynb")
            assert hashlib.sha256(content).digest() not in secret, name
            text = content.decode(errors="ignore")
            assert not [answer for answer in hidden if answer in text], name


def test_an_index_is_told_what_pyproject_says(told):
    assert told["Name"] == PROJECT["name"] and told["Summary"] == PROJECT["description"]
    assert told["Description-Content-Type"] == "text/markdown"
    named = told.get_all("Classifier")
    assert named == PROJECT["classifiers"] and "Typing :: Typed" in named
    assert not set(named) - set(classifiers)
    urls = dict(line.split(", ", 1) for line in told.get_all("Project-URL"))
    assert urls == PROJECT["urls"] and urls["Changelog"].startswith(f"{REPOSITORY}/")
    assert told["Requires-Dist"] and set(told.get_all("Provides-Extra")) == set(
        PROJECT["optional-dependencies"]
    )


def test_both_bear_their_licences(wheel, sdist, told):
    assert told["License-Expression"] == "MIT AND CC-BY-4.0"
    assert set(told.get_all("License-File")) == LICENCES
    assert not [c for c in told.get_all("Classifier") if c.startswith("License ::")]
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())["license"]
    assert " AND ".join(cited) == told["License-Expression"]
    for name in LICENCES:
        (there,) = (c for n, c in wheel.items() if n.endswith(f".dist-info/licenses/{name}"))
        assert there == sdist[name] == (ROOT / name).read_bytes()


def links(markdown):
    """Where links and pictures of a Markdown text lead."""
    tokens = MarkdownIt().parse(markdown)
    for token in (t for block in tokens for t in (block, *(block.children or []))):
        yield from (token.attrs[key] for key in ("href", "src") if key in token.attrs)


def test_links_of_the_readme_work_on_an_index_page(told):
    """It stands there alone: a link within the repository leads nowhere. So they lead to it."""
    found = list(links(told.get_payload()))
    assert len(found) > 6
    for link in found:
        assert link.startswith("https://"), link
        place = re.match(rf"{re.escape(REPOSITORY)}/(?:blob|raw)/main/(.+)", link)
        assert place and place[1] in listed(place[1]), f"{link} leads to nothing that is tracked"


@pytest.mark.slow
def test_the_wheel_works_where_there_is_no_repository(wheel, tmp_path):
    """Unpacked, and found before what is installed here; it reads what is no Python, too."""
    for name, content in wheel.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    program = f"""
import sys
sys.path.insert(0, {str(tmp_path)!r})
import course_lib
from course_lib.cli.lab import SETTINGS
from course_lib.labs.jets import how_made
assert course_lib.__file__.startswith({str(tmp_path)!r})
assert (SETTINGS / "labconfig" / "page_config.json").is_file()
assert how_made()
from course_lib.cli import main
sys.argv = ["course", "--version"]
main()
"""
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True
    )
    assert result.stdout == f"course, version {course_lib.__version__}\n", result.stderr


def test_the_version_is_one(told):
    """It is written in course_lib/__init__.py; CITATION.cff, which tools read as it is, follows."""
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"]
    assert str(cited) == told["Version"] == course_lib.__version__
    assert str(Version(course_lib.__version__)) == course_lib.__version__  # as an index writes it


def test_the_changelog_tells_of_every_release_and_of_what_comes():
    """In the form of Keep a Changelog, the newest first; its newest release is this version."""
    text = (ROOT / "CHANGELOG.md").read_text()
    first, *releases = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert first == "[Unreleased]"
    told = [re.fullmatch(r"\[(\d+\.\d+\.\d+)\] - (\d{4}-\d\d-\d\d)", line) for line in releases]
    assert told and all(told), releases
    versions, dates = ([match[i] for match in told] for i in (1, 2))
    assert versions[0] == course_lib.__version__
    assert all(Version(new) > Version(old) for new, old in pairwise(versions))
    assert all(date.fromisoformat(new) >= date.fromisoformat(old) for new, old in pairwise(dates))
    kinds = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    named = set(re.findall(r"^### (.+)$", text, re.MULTILINE))
    assert all(kind in kinds or kind.startswith("To do when you come from ") for kind in named)
