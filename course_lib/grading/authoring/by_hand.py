"""The examples that a task's text works out by hand: the first of its visible checks.

They stand in the text as they would in a session of Python, with what comes of them,

    >>> soft_threshold(np.array([3.0, -0.5, -2.0]), 1.0)
    [2, 0, -1]

so a student can copy them, and nobody writes them twice. What is fixed can be remembered: they are
worth nothing.
"""

from __future__ import annotations

import ast
import doctest

from nbformat import NotebookNode

from course_lib.grading.cells import marks
from course_lib.grading.marking.plain import Names, Node, encode

Example = tuple[str, str]  # a statement, and what comes of it


def examples(book: NotebookNode, task: str) -> list[Example]:
    """Return what the cell of text above a task's solution works out."""
    text = ""
    for cell in book.cells:
        if cell.cell_type == "markdown":
            text = cell.source.replace("```", "")
        elif marks(cell).get("grade_id") == task:
            found = doctest.DocTestParser().get_examples(text)
            return [(each.source, each.want.strip()) for each in found]
    return []


def cases(found: list[Example], names: Names) -> list[tuple[Node, str]]:
    """Return the calls among examples as expressions, and what comes of each.

    The other lines give values a name. names: those of the notebook.
    """
    names, made = dict(names), []
    for source, want in found:
        (line,) = ast.parse(source).body
        if isinstance(line, ast.Expr) and isinstance(line.value, ast.Call):
            of = {"expr": "name", "name": ast.unparse(line.value.func)}
            args = [_node(argument, names) for argument in line.value.args]
            made.append(({"expr": "call", "of": of, "args": args, "kwargs": {}}, want))
        else:
            exec(source, names)
    return made


def _node(argument: ast.expr, names: Names) -> Node:
    """Return an argument as data: a function that is written there is sent as its source."""
    text = ast.unparse(argument)
    if isinstance(argument, ast.Lambda):
        return {"expr": "helper", "name": "observable", "source": f"observable = {text}"}
    return encode(eval(text, names))
