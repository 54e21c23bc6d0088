"""Chapters that read like the model, chapter 04 (CONTRIBUTING says what makes it one), and those
that do not yet: their list only shrinks.
"""

import ast
from pathlib import Path

import nbformat
import pytest

from course_lib.chapters import chapters
from tests.notebooks.harness import tags

ROOT = Path(__file__).parents[2]
NOT_YET = {
    "01_sparse_approximation",
    "02_saliency",
    "03_iterative_pruning",
    "05_lottery_tickets",
    "06_chance",
    "07_no_free_lunch",
    "08_hardware",
    "09_training_for_pruning",
    "10_robustness",
    "11_fairness",
    "12_privacy",
    "13_physics",
    "14_statistics",
}
BOX = "```{admonition} Before you begin"


def calls(cell):
    """The names of the functions that a cell calls, and of the keywords it gives them."""
    if cell.cell_type != "code":
        return set()
    nodes = list(ast.walk(ast.parse(cell.source)))
    found = {ast.unparse(node.func) for node in nodes if isinstance(node, ast.Call)}
    return found | {f"{node.arg}=" for node in nodes if isinstance(node, ast.keyword)}


def lacks(cells):
    """What a chapter lacks to read like the model, in words."""
    cells = [cell for cell in cells if "remove-cell" not in tags(cell)]
    made = [calls(cell) for cell in cells]
    box = next((i for i, cell in enumerate(cells) if BOX in cell.source), len(cells))
    found = []
    if not made[1] & {"show", "slider"}:
        found.append("a picture on its first screen")
    if not any("guess" in each for each in made[:box]) or not any("answers=" in m for m in made):
        found.append("a guess before the box, and a figure that answers it")
    if box == len(cells) or "\n- " not in cells[box].source.partition(BOX)[2].partition("```")[0]:
        found.append("outcomes as bullets")
    if sum("quiz" in each for each in made) < 3:
        found.append("a question at the end of its sections")
    for before, cell, each in zip(cells, cells[1:], made[1:], strict=False):
        if "source" in each and before.cell_type != "markdown":
            found.append(f"words before the listing {cell.source!r}")
    return found


def test_the_list_of_chapters_that_do_not_read_like_the_model_only_shrinks():
    taught = {path.stem: nbformat.read(path, as_version=4).cells for path in chapters(ROOT)}
    found = {name: lacks(cells) for name, cells in taught.items()}
    assert {name for name, said in found.items() if said} == NOT_YET & set(taught), found


@pytest.mark.parametrize(
    ("id", "lost"),
    [
        ("guess-lines", "a guess"),
        ("cell-02", "a picture"),
        ("cell-03-told", "outcomes"),
        ("cell-07-told", "words"),
    ],
)
def test_what_the_model_would_lack(id, lost):
    path = ROOT / "notebooks" / "04_thresholding.ipynb"
    cells = [c for c in nbformat.read(path, as_version=4).cells if c.id != id]
    assert any(said.startswith(lost) for said in lacks(cells)), lacks(cells)
