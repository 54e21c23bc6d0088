"""The rules of the house: style, types, layers, pins, nothing of one machine in what is tracked."""

import ast
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from course_lib.chapters import course
from course_lib.cli import adopt
from course_lib.cli.doctor import asked, pins

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent


@pytest.mark.parametrize(
    "command",
    [["ruff", "check"], ["ruff", "format", "--check"], ["mypy"], ["lint-imports", "--no-cache"]],
    ids=" ".join,
)
def test_tools_find_nothing(command):
    result = subprocess.run(
        [BIN / command[0], *command[1:]], cwd=ROOT, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stdout + result.stderr


PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
COURSE = course(ROOT)
PINS = (ROOT / "constraints.txt").read_text()
RANGE = SpecifierSet(PROJECT["requires-python"])
PYTHONS = [version for m in range(30) if (version := f"3.{m}.0") in RANGE]
# What one wheel of torch asks for by exact versions and another not at all, so that no pin says it.
BESIDE_TORCH = "nvidia|cuda|triton"
ROOMS = ["masks", "sparse", "training", "pruning", "teaching", "labs", "grading", "cli"]


def with_python(version):
    return {"python_version": version.rpartition(".")[0], "python_full_version": version}


def requirements(*extras):
    """What the course asks for: of itself, and of these extras (all, if none is named)."""
    groups = PROJECT["optional-dependencies"]
    asked = [*PROJECT["dependencies"], *(r for e in extras or groups for r in groups[e])]
    wanted = [Requirement(text) for text in asked]
    inner = [e for w in wanted if w.name == PROJECT["name"] and extras for e in w.extras]
    outer = [w for w in wanted if w.name != PROJECT["name"]]
    return outer + (requirements(*inner) if inner else [])


def test_the_range_has_the_pythons_that_its_classifiers_name():
    named = [c.rpartition(" ")[2] + ".0" for c in PROJECT["classifiers"] if " :: 3." in c]
    assert named == PYTHONS and len(PYTHONS) > 1


@pytest.mark.parametrize("python", PYTHONS)
def test_every_dependency_is_pinned_within_its_range(python):
    pinned = pins(PINS, with_python(python))
    for wanted in requirements():
        if wanted.marker is None or wanted.marker.evaluate({**with_python(python), "extra": ""}):
            assert pinned[canonicalize_name(wanted.name)] in wanted.specifier, wanted


def test_pins_fit_every_machine():
    lines = [line for line in PINS.splitlines() if not line.startswith("#")]
    assert len(lines) > 200
    for line in lines:
        assert re.fullmatch(r"[a-z0-9-]+==[0-9][0-9a-z.]*( ; .+)?", line), line
        assert not re.match(f"course|{BESIDE_TORCH}", line)
    assert "://" not in PINS


@pytest.mark.parametrize("python", PYTHONS)
def test_every_pin_can_be_had_on_every_python_of_the_range(python):
    """By what the installed packages say of themselves; they say the same everywhere."""
    seen = 0
    for name in pins(PINS, with_python(python)):
        try:
            needs = metadata.metadata(name).get("Requires-Python")
        except metadata.PackageNotFoundError:
            continue  # of another system or Python
        seen += 1
        assert SpecifierSet(needs or "").contains(python), f"{name} needs Python {needs}"
    assert seen > 200


@pytest.mark.parametrize("python", PYTHONS)
def test_pins_are_what_a_python_asks_for_and_no_more(python):
    """A pin without the marker of what asks for it would be missed on the other Pythons."""
    there, lacking = asked("all", machine=with_python(python))
    wanted = {name for name in {*there, *lacking} if not re.match(BESIDE_TORCH, name)}
    assert wanted == set(pins(PINS, with_python(python)))


def test_what_is_tested_is_what_is_pinned():
    other = {name: metadata.version(name).split("+")[0] for name in pins(PINS)}
    assert other == pins(PINS)


def imported(folder):
    """The packages that a room imports at the top of its modules, by their names on an index."""
    of = metadata.packages_distributions()
    found = set()
    for path in folder.rglob("*.py"):
        for node in ast.parse(path.read_text()).body:
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module]
            tops = {name.partition(".")[0] for name in names}
            others = tops - sys.stdlib_module_names - {"course_lib", "__future__"}
            found |= {canonicalize_name(of[top][0]) for top in others}
    return found


@pytest.mark.parametrize("room", ROOMS)
def test_requirements_follow_the_rooms(room):
    """Who installs the library alone gets what the rooms of pruning import, and no chapter's."""
    extras = {
        "teaching": ["teaching", "book"],
        "labs": ["labs", "jets"],
        "grading": ["grading"],
        "cli": ["book", "grading", "test"],
    }
    declared = {canonicalize_name(Requirement(text).name) for text in PROJECT["dependencies"]}
    if room in extras:
        declared |= {canonicalize_name(wanted.name) for wanted in requirements(*extras[room])}
    assert imported(ROOT / "course_lib" / room) <= declared


@pytest.mark.slow
def test_the_book_is_built_without_the_sciences():
    """What it asks for, and what it imports: only of what it asks for."""
    there, lacking = asked("book", alone=True)
    heavy = {"torch", "numba", "llvmlite", "jupyterlab", "pandas", "scikit-image", "scikit-learn"}
    assert not lacking and not heavy & there.keys() and len(there) < 130
    program = """
import importlib, pkgutil, sys
from importlib import metadata
from packaging.utils import canonicalize_name
allowed = set(sys.argv[1].split()) | {"course-lib"}
of = metadata.packages_distributions()
class Wall:
    def find_spec(self, name, path=None, target=None):
        owners = {canonicalize_name(d) for d in of.get(name.partition(".")[0], [])}
        if owners and not owners & allowed:
            raise ModuleNotFoundError(f"{name} is of {owners}", name=name)
sys.meta_path.insert(0, Wall())
import course_lib.cli.book, course_lib.cli.doctor, course_lib.teaching as room
for module in pkgutil.walk_packages(room.__path__, "course_lib.teaching."):
    importlib.import_module(module.name)
import jupyter_book.cli.main, sphinx_proof, sphinx_exercise, sphinxcontrib.bibtex
"""
    result = subprocess.run(
        [sys.executable, "-c", program, " ".join(there)], capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr


def tracked():
    names = subprocess.check_output(["git", "ls-files", "-z"], cwd=ROOT, text=True).split("\0")
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


def test_no_path_of_this_machine_is_tracked():
    """A path of the machine that ran a chapter would be a diff on every other."""
    roots = {f"{ROOT}/", f"{Path.home()}/"} - {"//"}
    for path in tracked():
        text = path.read_bytes().decode("utf-8", errors="ignore")
        found = [root for root in roots if root in text]
        assert not found, f"{path.relative_to(ROOT)} names {found}"


def test_no_large_file_is_tracked():
    large = [p.relative_to(ROOT) for p in tracked() if p.stat().st_size > 2 * 2**20]
    assert not large


def test_every_file_follows_the_courses_name_and_address():
    assert not adopt.changes(ROOT), "run: course adopt"
    assert not list(adopt.unlisted(ROOT))
    urls = PROJECT["urls"]
    assert (urls["Repository"], urls["Documentation"]) == (COURSE.repository, COURSE.book)
    for name in ("_config.yml", "CITATION.cff", "README.md", ".github/ISSUE_TEMPLATE/config.yml"):
        text = (ROOT / name).read_text()
        host, owner = COURSE.repository.rsplit("/", 2)[:2]
        found = set(re.findall(rf"{re.escape(host)}/{re.escape(owner)}/[\w.-]+", text))
        assert found == {COURSE.repository}, name


def test_binder_has_all_that_chapters_and_assignments_need():
    assert '-c constraints.txt -e ".[lab]"' in (ROOT / ".binder" / "postBuild").read_text()


def test_what_is_carried_has_its_licence_beside_it():
    carried = [p for p in (ROOT / "book" / "_static" / "vendor").iterdir() if p.is_dir()]
    notice = (ROOT / "NOTICE").read_text()
    for folder in carried:
        assert (folder / "LICENSE").stat().st_size > 500, folder.name
        assert f"vendor/{folder.name}" in notice
