"""Folds the code that is not the science, and names each fold by what it holds.

What a statement is, is told by its syntax: an import, a sentence made by `say`, a claim, a figure,
a quiz. Statements that measure something stay open. The code of a claim lies in the claim's box,
that of a quiz, which has the answers, is not on the page.
"""

import ast
from contextlib import suppress
from itertools import groupby
from typing import Any, NamedTuple

from docutils import nodes
from sphinx.highlighting import PygmentsBridge
from sphinx.transforms.post_transforms import SphinxPostTransform

# What a call of the course's own makes, and what a fold that holds it is called.
MAKES = {
    "say": "sentence", "evidence": "claim", "source": "listing", "show": "figure",
    "figure": "figure", "forest": "figure", "slider": "slider", "guess": "question",
    "touch": "part", "drawings": "drawing",
}  # fmt: skip
QUIZ = {"quiz", "number", "choice"}
NAMES = {
    "import": "Imports",
    "sentence": "Code of this sentence",
    "claim": "How this was measured",
    "figure": "Code of this figure",
    "slider": "Code of this slider",
    "question": "Code of this question",
    "part": "Code of this part",
    "drawing": "Code of this drawing",
    "clock": "Code of this sentence",
}
CLOCK = {"started", "seconds", "torch.set_num_threads"}  # how long a page takes is no claim of it
SCIENCE = ""
DRAWN = {"figure", "slider"}
MINOR = {"clock", "import", "listing"}  # a fold is called after what else it holds


class Part(NamedTuple):
    """Lines of a cell that are of one kind: "" for what measures something."""

    kind: str
    source: str


def kind(statement: ast.stmt) -> str:
    """Return of what kind a statement is."""
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return "import"
    calls = (node.func for node in ast.walk(statement) if isinstance(node, ast.Call))
    if any(isinstance(made, ast.Name) and made.id in QUIZ for made in calls):
        return "quiz"
    if isinstance(statement, ast.Assign | ast.Expr):
        value = statement.value
        target = ast.unparse(statement.targets[0] if isinstance(statement, ast.Assign) else value)
        if target.partition("(")[0] in CLOCK:
            return "clock"
        if isinstance(value, ast.Call):
            return MAKES.get(ast.unparse(value.func).partition(".")[0], SCIENCE)
    return SCIENCE


def parts(source: str) -> list[Part]:
    r"""Return the parts of a cell, in order; with each the comments above it.

    Examples:
        >>> [part.kind for part in parts("import math\nx = math.pi\nsay(f'{x:.2f}')")]
        ['import', '', 'sentence']
    """
    lines, found, above = source.splitlines(), list[Part](), 0
    for folds, statements in groupby(ast.parse(source).body, lambda one: bool(kind(one))):
        body = list(statements)
        end = body[-1].end_lineno or above
        kinds = [*map(kind, body)]
        what = next((one for one in kinds if one not in MINOR), kinds[0])
        found.append(Part(what if folds else SCIENCE, "\n".join(lines[above:end]).strip("\n")))
        above = end
    return found


class fold(nodes.General, nodes.Element):  # as docutils names its nodes
    """Something that is folded under a name."""


class Fold(SphinxPostTransform):
    """Folds the plumbing of each cell, below what it makes, and names the fold."""

    default_priority = 198  # before what folds the cells that are tagged
    formats = ("html",)

    def run(self, **_: Any) -> None:
        """Go through the cells of a page."""
        for cell in [*self.document.findall(nodes.container)]:
            if cell.get("nb_element") == "cell_code":
                for shown in cell.children[:1]:
                    if shown.get("nb_element") == "cell_code_source":
                        with suppress(SyntaxError):  # a cell with a magic stays as it is
                            self.fold(cell, shown)

    def fold(self, cell: nodes.container, shown: nodes.container) -> None:
        """Leave open what measures something; put the rest below the cell's outputs."""
        found = parts(shown.astext())
        kinds = set(map(kind, ast.parse(shown.astext()).body))
        cell.remove(shown)
        if "quiz" in kinds:  # it has the answers
            return
        tagged = cell.attributes.pop("hide_mode", None)
        if tagged and "sentence" not in kinds:  # a drawing folds whole, with what it computes
            found = [Part((kinds & DRAWN or {"figure"}).pop(), shown.astext())]
        open_ones = [_block(shown, part.source) for part in found if not part.kind]
        cell.children[:0] = open_ones
        for part in found:
            boxes = [raw for raw in cell.findall(nodes.raw) if "sw-claim" in raw.astext()]
            if part.kind == "claim" and boxes:
                self.into_box(boxes[-1], part.source)
            elif part.kind in NAMES:
                cell += fold("", _block(shown, part.source), name=NAMES[part.kind])

    def into_box(self, box: nodes.raw, source: str) -> None:
        """Put the code of a claim into the claim's box, as its last row."""
        code = PygmentsBridge("html").highlight_block(source, "ipython3")
        row = f"<details><summary>{NAMES['claim']}</summary>{code}</details>"
        head, end, rest = box.astext().rpartition("</div>")
        box.children = [nodes.Text(head + row + end + rest)]


def _block(shown: nodes.container, source: str) -> nodes.container:
    """Return a block of code like this one, with another source."""
    made, (literal,) = shown.copy(), shown.children
    code = literal.copy()
    code.rawsource = source
    code += nodes.Text(source)
    made += code
    return made


def visit_fold(translator: Any, node: fold) -> None:
    """Begin what is folded."""
    translator.body.append(f"<details class='fold'><summary>{node['name']}</summary>\n")


def depart_fold(translator: Any, _: fold) -> None:
    """End it."""
    translator.body.append("</details>\n")
