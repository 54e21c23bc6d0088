"""Cells of a notebook: what nbgrader's metadata says of one, what its code defines and imports."""

from __future__ import annotations

import ast
import contextlib
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from nbformat import NotebookNode

LARGEST = 50 << 20  # bytes of a notebook
LONGEST = 100_000  # characters of a cell that is read as Python here
CHECK = "check_"  # the check cell of task NAME is called check_NAME
ASKED = "YOUR ANSWER HERE"  # what nbgrader puts in the place of a written answer
OPEN = "open"  # the locked cell that the open part of an assignment begins with, if it has one


def marks(cell: NotebookNode) -> dict[str, Any]:
    """Return nbgrader's metadata of a cell of ours; empty if it has none."""
    return dict(cell.metadata.get("nbgrader", {}))


def grade_id(cell: NotebookNode) -> str:
    """Return what a cell of ours is called; "" if it has no name."""
    return str(marks(cell).get("grade_id", ""))


def is_check(cell: NotebookNode) -> bool:
    """Is this a cell whose points the machine gives?"""
    return bool(marks(cell).get("grade") and not marks(cell).get("solution"))


def is_written(cell: NotebookNode) -> bool:
    """Is this an answer that a person grades?"""
    return bool(marks(cell).get("grade") and marks(cell).get("solution"))


def locked(cell: NotebookNode) -> bool:
    """Is this a cell that students leave as it is?"""
    return bool(marks(cell).get("locked") or is_check(cell))


def unanswered(book: NotebookNode) -> list[str]:
    """Return the names of the written answers that are still to be written."""
    empty = ("", ASKED)
    return [grade_id(c) for c in book.cells if is_written(c) and c.source.strip() in empty]


def answered(released: NotebookNode, sources: Mapping[str, str]) -> NotebookNode:
    """Return a released notebook with these sources in the cells of these names."""
    book = deepcopy(released)
    for cell in book.cells:
        cell.source = sources.get(grade_id(cell), cell.source)
    return book


def _tree(source: str) -> ast.Module:
    """Return the syntax tree of a cell; an empty one if it is no Python (a magic, a gap).

    So it is for what nobody writes: a tree takes 600 times the room of its source.
    """
    if len(source) <= LONGEST:
        with contextlib.suppress(SyntaxError, ValueError, RecursionError, MemoryError):
            return ast.parse(source)
    return ast.Module([], [])


def not_python(source: str) -> str:
    """Return why the source of a code cell is no Python, and where; "" if it is."""
    from IPython.core.inputtransformer2 import TransformerManager

    if len(source) > LONGEST:
        return f"it has more than {LONGEST} characters"
    plain = TransformerManager().transform_cell(source)
    try:
        ast.parse(plain)
    except SyntaxError as error:
        return f"{error.msg} (line {error.lineno} of the cell)"
    except ValueError as error:  # a null character
        return str(error)
    except (RecursionError, MemoryError):
        return "it is nested too deeply"
    return ""


def defined(source: str) -> set[str]:
    """Return the names of the functions and classes that a cell defines at its top level."""
    kinds = (ast.FunctionDef, ast.ClassDef, ast.AsyncFunctionDef)
    return {node.name for node in _tree(source).body if isinstance(node, kinds)}


def used(source: str) -> set[str]:
    """Return all names that code speaks of."""
    return {node.id for node in ast.walk(_tree(source)) if isinstance(node, ast.Name)}


def rooms(source: str) -> set[str]:
    """Return the rooms of course_lib that a cell imports, wherever it does."""
    paths: list[str] = []
    for module, names in all_imports(source):
        paths += [f"{module}.{name}" for name in names] or [module]
    return {path.split(".")[1] for path in paths if path.startswith("course_lib.")}


def all_imports(source: str, inside: bool = False) -> list[tuple[str, list[str]]]:
    """Return what code imports: modules, each with the names taken from it.

    inside: only what functions import when they are called.
    """
    tree, found = _tree(source), []  # type: ast.AST, list[tuple[str, list[str]]]
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    for root in [n for n in ast.walk(tree) if isinstance(n, kinds)] if inside else [tree]:
        for node in ast.walk(root):
            if isinstance(node, ast.Import):
                found += [(alias.name, []) for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.append((node.module, [alias.name for alias in node.names]))
    return found


def imports(notebook: NotebookNode) -> list[str]:
    """Return the modules that a notebook's code cells import at their top level."""
    found: dict[str, None] = {}
    for cell in notebook.cells:
        for node in _tree(cell.source).body if cell.cell_type == "code" else ():
            if isinstance(node, ast.Import):
                found |= dict.fromkeys(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found[node.module] = None
    return [name for name in found if name.split(".")[0] != "course_lib"]
