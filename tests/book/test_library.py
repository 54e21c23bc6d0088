"""What the book says of the library: read from its source, against a small made-up one."""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from course_lib.teaching.book.library import Place, notebook, read_library
from course_lib.teaching.book.reference import Writer, code_lines

ROOT = Path(__file__).parents[2]

LIBRARY = {
    "masks/__init__.py": '''
        """Masks.

        second   told first
        first    told second
        """

        from course_lib.masks.first import Kept, keep
        from course_lib.masks.second import LIMIT, largest

        __all__ = ["LIMIT", "Kept", "keep", "largest"]
        ''',
    "masks/first.py": '''
        r"""First: `keep` what is \\(x > 0\\)."""

        import torch

        from course_lib.masks.second import largest, never


        class Kept(dict):
            """What is kept, *all* of it; |w| and w * w are left alone."""

            def __init__(self, of: int) -> None:
                self.size = count(of)

            def write(self, place: "str") -> None:
                """Write it."""
                written(place)

            def _hidden(self): ...


        def keep(scores: torch.Tensor, k: int = 2) -> Kept:
            """Keep the `largest`, as `torch.topk` does.

            Args:
                scores: any.

            Raises:
                ValueError: none are left.

            Look:

                for each score:  w * w
            """
            # a comment
            largest = [k]  # a variable of its own
            return Kept(k)


        def count(k):
            return k


        def written(place):
            return place


        def choose(criterion):
            if criterion in (never,) or isinstance(criterion, Never):
                return largest
            return None


        class Never:
            pass
        ''',
    "masks/second.py": '''
        """Second."""

        # How many there are,
        # at most.
        LIMIT = 3


        def largest(x: int) -> "int | None":
            """Return the largest.

            >>> largest(2) * 2
            4
            """
            return _best(x)


        def never(x):
            return x


        def _best(x):
            return x
        ''',
    "labs/__init__.py": '"""Labs."""',
    "labs/a_visit.py": '''
        """A visit."""

        from dataclasses import dataclass, field

        from course_lib.masks import Kept, largest

        @dataclass
        class Seen:
            """What is seen.

            of: whom.
            """

            of: Kept
            more: list[int] = field(default_factory=list)
            _own: int = 0


        def measure():
            """Measure."""
            from course_lib.masks.first import Kept

            return [largest for largest in ()], Kept
        ''',
}
CHAPTERS = {
    "01_one": ["# One", "from course_lib.masks import keep as k\n%matplotlib inline\nk([1])"],
    "02_two": ["# Two", "from course_lib.labs import a_visit as lab", "lab.measure()"],
    "03_three": [
        "# Three",
        "from course_lib.masks import largest, keep",
        "def f(keep): return keep",
    ],
    "04_four": ["# Four", "import course_lib.masks.first", "course_lib.masks.first.choose(1)"],
    "05_five": ["# Five", "from course_lib.masks import Kept", "Kept(1).write('x')"],
    "06_six": ["# Six", "largest = 1\nprint(largest)"],
}
# Worked out by hand: direct (True) or through the library.
REACHED = {
    ("first", "keep"): {"01_one": True},
    ("first", "Kept"): {"01_one": False, "02_two": False, "05_five": True},
    ("first", "count"): {"01_one": False, "02_two": False, "05_five": False},
    ("first", "written"): {"05_five": False},
    ("first", "choose"): {"04_four": True},
    ("second", "largest"): {"04_four": False},
    ("second", "_best"): {"04_four": False},
}


@pytest.fixture
def course(tmp_path: Path) -> Path:
    """A course of six chapters with that library."""
    for name, text in {"__init__.py": "", **LIBRARY}.items():
        path = tmp_path / "course_lib" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text))
    (tmp_path / "notebooks").mkdir()
    for name, (title, *code) in CHAPTERS.items():
        cells = [{"cell_type": "markdown", "source": title, "metadata": {}}]
        cells += [{"cell_type": "code", "source": c, "metadata": {}, "outputs": []} for c in code]
        (tmp_path / "notebooks" / f"{name}.ipynb").write_text(json.dumps({"cells": cells}))
    return tmp_path


def test_a_chapter_uses_what_its_cells_reach_and_nothing_else(course: Path) -> None:
    used = read_library(course).used_in
    found = {
        (place.module.rpartition(".")[2], place.name): {p.stem: named for p, named in uses.items()}
        for place, uses in used.items()
        if place.module.startswith("course_lib.masks")
    }
    assert found == REACHED


def test_an_import_alone_is_no_use(course: Path) -> None:
    library = read_library(course)
    assert library.reached(notebook(course / "notebooks/03_three.ipynb")) == set()


def test_what_a_room_hands_out_is_its_face_or_else_its_modules(course: Path) -> None:
    library = read_library(course)
    told = {m: [face.name for face, _ in pairs] for m, pairs in library.public("masks").items()}
    assert list(told.items()) == [
        ("course_lib.masks.second", ["LIMIT", "largest"]),
        ("course_lib.masks.first", ["Kept", "keep"]),
    ]
    *_, pair = library.public("labs")["course_lib.labs.a_visit"]
    assert pair == (Place("course_lib.labs.a_visit", "measure"),) * 2


def test_a_page_says_how_it_is_called_what_it_means_and_who_uses_it(course: Path) -> None:
    page = "\n".join(Writer(read_library(course), ["masks"]).sections("masks"))
    assert page.index("second\n------") < page.index("first\n-----")
    assert "from course_lib.masks import Kept, keep" in page and "_hidden" not in page
    assert ".. py:function:: keep(scores: torch.Tensor, k: int=2) -> course_lib.masks.Kept" in page
    assert "Keep the :py:obj:`largest <course_lib.masks.largest>`, as ``torch.topk`` does." in page
    assert ":param scores: any." in page and ":raises ValueError: none are left." in page
    assert "Look:\n\n   ::\n\n       for each score:  w * w" in page
    assert r"*all* of it; \|w\| and w \* w" in page and ":math:`x > 0`" in page
    assert ".. py:class:: Kept(of: int)\n" in page
    assert ".. py:method:: write(place: str) -> None" in page
    assert ":value: 3" in page and "How many there are, at most." in page
    assert ">>> largest(2) * 2" in page
    assert "3 lines of code. Used in :doc:`01 One </notebooks/01_one>`.\n" in page
    assert (
        "Used in :doc:`05 Five </notebooks/05_five>`; through other functions in "
        ":doc:`01 </notebooks/01_one>`, :doc:`02 </notebooks/02_two>`.\n"
    ) in page


def test_a_class_of_data_is_told_by_its_fields(course: Path) -> None:
    page = "\n".join(Writer(read_library(course), ["labs", "masks"]).sections("labs"))
    assert ".. py:class:: Seen(of: course_lib.masks.Kept, more: list[int] = ...)\n" in page
    assert ":Attributes: **of** -- whom." in page and "_own" not in page


def test_lines_of_code_are_those_that_run(course: Path) -> None:
    library = read_library(course)
    assert code_lines(library, Place("course_lib.masks.first", "keep")) == 3
    assert code_lines(library, Place("course_lib.masks.second")) == 7


def test_the_library_is_read_again_when_it_changes(course: Path) -> None:
    assert Place("course_lib.masks.second", "never") not in read_library(course).used_in
    path = course / "course_lib/masks/second.py"
    path.write_text(path.read_text().replace("return _best(x)", "return never(x)"))
    assert Place("course_lib.masks.second", "never") in read_library(course).used_in


def test_every_room_has_a_page_and_every_name_of_its_face_is_on_it() -> None:
    library = read_library(ROOT)
    pages = {path.stem for path in (ROOT / "book/library").glob("*.rst")}
    there = {path.parent.name for path in (ROOT / "course_lib").glob("*/__init__.py")}
    assert pages == there - {"cli"}
    for room in pages:
        shown = {face.name for pairs in library.public(room).values() for face, _ in pairs}
        listed = set(library.modules[f"course_lib.{room}"].all)
        modules = {name for name in listed if f"course_lib.{room}.{name}" in library.modules}
        assert shown >= listed - modules and library.public(room), room


@pytest.mark.slow
def test_nothing_of_the_library_is_imported_to_read_it() -> None:
    program = (
        "import sys; from pathlib import Path\n"
        "from course_lib.teaching.book.library import read_library\n"
        "from course_lib.teaching.book.reference import Writer\n"
        f"library = read_library(Path({str(ROOT)!r}))\n"
        "assert '\\n'.join(Writer(library, ['pruning', 'sparse']).sections('pruning'))\n"
        "found = {'torch', 'numba', 'sklearn', 'course_lib.masks'} & set(sys.modules)\n"
        "sys.exit(f'imported: {found}' if found else 0)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT)


def test_no_docstring_says_by_hand_which_chapter_uses_it() -> None:
    said = re.compile(r"\b[Uu]sed\s+(in|by)\s+(every\s+|all\s+|no\s+)?chapters?\b")
    kinds = ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef
    for name, module in read_library(ROOT).modules.items():
        told = [ast.get_docstring(n) or "" for n in ast.walk(module.tree) if isinstance(n, kinds)]
        assert not said.search("\n".join(told)), name
    assert said.search("Source: Han (2015). Used in chapters 03 and 05.")
