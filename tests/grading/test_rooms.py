"""The plan of this wing: how far one import leads, and what a student's check stands on."""

import ast
import json
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
FLOORS = 6  # modules that the longest chain of imports may have


def imported(folder, package):
    """{module of a package: those of it that it imports, at its top or in a function}."""
    paths = {}
    for path in folder.rglob("*.py"):
        parts = path.relative_to(folder).with_suffix("").parts
        paths[".".join((package, *(p for p in parts if p != "__init__")))] = path
    found = {}
    for module, path in paths.items():
        names = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                inner = {f"{node.module}.{alias.name}" for alias in node.names}
                names |= inner & set(paths) or {node.module}
        found[module] = names & set(paths) - {module}
    return found


def longest(found):
    """The longest chain of modules in which each imports the next."""

    @cache
    def chain(module):
        return [module, *max(map(chain, sorted(found[module])), key=len, default=[])]

    return max(map(chain, sorted(found)), key=len)


def test_the_longest_chain_of_imports_is_short():
    found = imported(ROOT / "course_lib" / "grading", "course_lib.grading")
    assert len(found) > 30
    assert len(chain := longest(found)) <= FLOORS, " -> ".join(chain)


def test_a_chain_is_followed_through_rooms_and_functions(tmp_path):
    for name, text in (
        ("__init__", "from p.a import x"),
        ("a", "def f():\n    from p.room import b"),
        ("room/__init__", ""),
        ("room/b", "import p.c, os"),
        ("c", "from p import d, nothing\nfrom numpy import ndarray"),
        ("d", ""),
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / f"{name}.py").write_text(text)
    assert longest(imported(tmp_path, "p")) == ["p", "p.a", "p.room.b", "p.c", "p.d"]


BARE = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])
from course_lib.grading import check

def f(x):
    return x + OFF
OFF = 0.0
check("f")
OFF = 1.0
check("f")
tops = {name.partition(".")[0] for name in sys.modules}
print(sorted(tops - sys.stdlib_module_names - {"__main__"}))
import IMPORTED
"""


@pytest.fixture
def bare(tmp_path):
    """Run a check where Python finds its standard library, NumPy and the course's library alone."""
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    (shelf / "course_lib").symlink_to(ROOT / "course_lib")
    for path in Path(np.__file__).parents[1].glob("numpy*"):
        (shelf / path.name).symlink_to(path)
    node = {"type": "float", "value": 1.0}
    case = {"expr": "call", "of": {"expr": "name", "name": "f"}, "args": [node], "kwargs": {}}
    want = [{"value": {"type": "float", "value": 2.0}}]
    row = {"id": "a", "title": "adds one", "points": 1, "visible": True, "cases": [case]}
    row |= {"want": want, "twins": {"it adds nothing": [{"value": node}]}, "seconds": 2.0}
    row |= {"types": False, "unchanged": False, "rtol": 0, "atol": 0, "property": None}
    material = {"name": "f", "needs": [], "checks": [row], "worth": 1}
    (tmp_path / "f.check.json").write_text(json.dumps(material))

    def run(imported):
        own = subprocess.check_output(
            [sys.executable, "-I", "-S", "-c", "import sys, json; print(json.dumps(sys.path))"]
        )
        places = json.dumps([*json.loads(own), str(shelf)])
        code = BARE.replace("IMPORTED", imported)
        command = [sys.executable, "-I", "-S", "-c", code, places]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)

    return run


def test_check_needs_numpy_and_the_standard_library_alone(bare):
    done = bare("course_lib.grading.errors")
    assert done.returncode == 0, done.stderr
    assert "f: 0 of 1 points" in done.stdout and "known slip: it adds nothing" in done.stdout
    assert "f: 1 of 1 points" in done.stdout
    assert done.stdout.splitlines()[-1] == "['course_lib', 'numpy']"


def test_what_graders_have_is_not_there(bare):
    assert "No module named 'nbformat'" in bare("course_lib.grading.cells").stderr
