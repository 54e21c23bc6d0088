"""Sabotage: feed a chapter's evidence cell a wrong experiment, and see its claim turn red.

An evidence cell uses only what the chapter imported and the variables that earlier cells made. So
it can be run alone, in this process, with variables of our own: those of a sabotaged experiment
must make it raise `ClaimFailed`.

A chapter's sabotages live in `tests/notebooks/sabotages/<chapter>.py`:

    from tests.notebooks.harness import sabotage

    @sabotage("01_sparse_approximation", "C1")
    def keeps_the_smallest():
        '''Random supports passed off as the largest entries.'''
        return {"optimal": np.zeros(200)}

Each returns the variables that differ from an honest run, all those that the cell reads.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import nbformat

from course_lib.teaching import Claim, ClaimFailed, evidence

Variables = dict[str, Any]


class Sabotage(NamedTuple):
    """One wrong experiment: the claim that must fall, and what makes the variables."""

    chapter: str
    claim: str
    make: Callable[[], Variables]


REGISTERED: list[Sabotage] = []


def sabotage(chapter: str, claim: str) -> Callable[[Callable[[], Variables]], Callable]:
    """Register a function that returns the variables of a wrong experiment."""

    def register(make: Callable[[], Variables]) -> Callable[[], Variables]:
        REGISTERED.append(Sabotage(chapter, claim, make))
        return make

    return register


def run_evidence(notebook: Path, claim: str, **variables: Any) -> None:
    """Run the import statements of a notebook and the evidence cell of one claim, nothing else.

    Raises:
        LookupError: no cell tagged `evidence` holds the claim, or more than one does.
        ClaimFailed: the claim does not hold for these variables.
        Exception: whatever else the cell raises; NameError says that a variable is missing.
    """
    cells = [c for c in nbformat.read(notebook, as_version=4).cells if c.cell_type == "code"]
    holding = [c for c in cells if "evidence" in tags(c) and claim in claims_made(c.source)]
    if len(holding) != 1:
        raise LookupError(f"{notebook.name} has {len(holding)} evidence cells that hold {claim}")
    namespace: Variables = {"__name__": "__main__"}
    for cell in cells:
        exec(_imports(cell.source), namespace)
    namespace.update(variables, evidence=_strict)
    exec(compile(holding[0].source, f"{notebook.name}, {claim}", "exec"), namespace)


def _strict(*args: Any, **kwargs: Any) -> Claim:
    """Make a claim that raises if it fails, even if it is about the clock."""
    made = evidence(*args, **kwargs)
    if not made.passed:
        raise ClaimFailed(f"{made.id}, about the clock, does not stand")
    return made


def tags(cell: nbformat.NotebookNode) -> set[str]:
    """Return the tags of a cell."""
    return set(cell.metadata.get("tags", []))


def claims_made(source: str) -> list[str]:
    """Return the ids of the claims that a cell's source makes: the first argument of `evidence`."""
    return [
        node.args[0].value
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call)
        and getattr(node.func, "id", getattr(node.func, "attr", "")) == "evidence"
        and node.args
        and isinstance(node.args[0], ast.Constant)
    ]


def _imports(source: str) -> Any:
    """Return the import statements at the top level of a cell, compiled; magics have none."""
    try:
        body = ast.parse(source).body
    except SyntaxError:
        body = []
    kept = [node for node in body if isinstance(node, ast.Import | ast.ImportFrom)]
    return compile(ast.Module(kept, type_ignores=[]), "imports", "exec")
