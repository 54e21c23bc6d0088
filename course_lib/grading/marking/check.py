"""`check("NAME")`: what students call in their notebook; standard library and NumPy alone."""

from __future__ import annotations

import json
import sys
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from course_lib.grading.marking.mark import answering, mark, report
from course_lib.grading.marking.plain import decode
from course_lib.grading.marking.values import Material, given, unpacked


def borrowed(name: str, names: Mapping[str, object], needs: list[str]) -> str:
    """Return the first object of course_lib that the student's function is or uses; empty if none.

    Rooms of the library that the assignment allows (`needs`) and `check` itself do not count.
    """
    rooms = ("grading", *needs)
    todo, seen = [name], set()  # type: list[str], set[str]

    def foreign(where: str) -> bool:
        package, *room = where.split(".")
        return package == "course_lib" and room[:1] not in [[r] for r in rooms]

    while todo:
        seen.add(key := todo.pop())
        thing = names.get(key)
        where = getattr(thing, "__module__", None) or getattr(thing, "__name__", "")
        if not isinstance(where, str):
            continue
        if foreign(where):
            return f"{where}.{getattr(thing, '__qualname__', '')}".rstrip(".")
        code = getattr(thing, "__code__", None)
        if where == "__main__" and code is not None:
            inside = next(filter(foreign, code.co_names), "")  # what it imports when it is called
            if inside:
                return inside
            todo += [n for n in code.co_names if n not in seen]
    return ""


class NotChecked(FileNotFoundError):
    """Nothing was checked. In a notebook its sentence is shown and no traceback: an error still."""

    def _render_traceback_(self) -> list[str]:
        """Return the lines that IPython shows."""
        return [f"Nothing was checked: {self}"]


def released(path: Path) -> Material:
    """Return what a task's check file holds.

    Raises:
        NotChecked: it is not there, or is no such file.
    """
    if not path.is_file():
        raise NotChecked(
            f"{path.name} is not in {path.parent.resolve()}. Keep the notebook in the folder in "
            "which it was released, with its .check.json files, and open it there."
        )
    try:
        material = json.loads(path.read_text(encoding="utf-8"))
        name, needs, checks = (material[key] for key in ("name", "needs", "checks"))
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise NotChecked(
            f"{path.resolve()} cannot be read ({type(error).__name__}). Unpack or fetch the course "
            "again beside this one, and copy the file from there."
        ) from None
    worth, hidden = material.get("worth"), material.get("hidden", [])
    return Material(name=name, needs=needs, checks=checks, worth=worth, hidden=hidden)


def check(name: str, folder: str | Path = ".", inputs: str = "") -> list[Any] | None:
    """Run the visible checks of one task on the function in this notebook, and print the report.

    A check that takes longer than it may is stopped, as in grading.

    inputs: which inputs to return instead, as a report says that shows them shortened.

    Raises:
        FileNotFoundError: the task's check file does not lie in the folder of the notebook, or
            cannot be read.

    Examples:
        >>> check("keep_largest", "exercises/release/01_sparse_approximation")  # too early
        keep_largest is not defined: run the code that defines it first, under this very name.
    """
    if inputs:
        return _inputs(inputs, Path(folder) / f"{name}.check.json")
    material = released(Path(folder) / f"{name}.check.json")
    names = vars(sys.modules["__main__"])
    if name not in names:
        print(f"{name} is not defined: run the code that defines it first, under this very name.")
        return None
    try:
        result = mark(material, answering(names))
    except KeyboardInterrupt:
        print(f"{name} was still running when you stopped it.")
        return None
    print(report(result, material))
    if any(row.fault and row.fault.raised.startswith("NameError") for row in result.checks):
        print("  Is a cell not run yet? The imports are in the first cells of the notebook.")
    if used := borrowed(name, names, material["needs"]):
        print(
            f"  Note: {name} uses {used}. While it is graded it cannot: course_lib cannot be "
            "imported there. Write the function yourself."
        )
    print(f"{_seen(result.total, material.get('worth'))} Grading draws other inputs.")
    if (hidden := material.get("hidden")) and result.passed:
        print(f"Graded too: {'; '.join(hidden)}.")
    return None


def _inputs(where: str, path: Path) -> list[Any]:
    """Return the inputs of a case: "CHECK/NUMBER" of the check file, or those packed into a text.

    Raises:
        NotChecked: there are none.
    """
    try:
        key, slash, number = where.partition("/")
        if slash:
            (rules,) = [check for check in released(path)["checks"] if check["id"] == key]
            nodes = given(rules["cases"][int(number)])
        else:
            nodes = unpacked(where)
    except (ValueError, LookupError, zlib.error):
        raise NotChecked(f"no inputs are called {where[:60]!r}. Copy the whole line.") from None
    return [decode(node, {}) for node in nodes]


def _seen(total: float, worth: float | None) -> str:
    """Say how much of a task its visible checks are; releases of earlier do not tell its worth."""
    if worth is None:
        return "These are the visible checks; more of them are hidden."
    if worth <= total:
        return "These checks are all that the task has."
    return f"These visible checks are {total:g} of the task's {worth:g} points, the rest is hidden."
