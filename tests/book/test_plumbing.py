"""What a page shows of its code: what measures stays open, what only makes the page is folded."""

import ast
from pathlib import Path

import nbformat
import pytest
from bs4 import BeautifulSoup, Tag
from docutils import nodes
from docutils.utils import new_document

from course_lib.chapters import chapters
from course_lib.teaching.book.plumbing import Fold, parts

ROOT = Path(__file__).parents[2]
CHAPTERS = pytest.mark.parametrize("name", [path.stem for path in chapters(ROOT)])
# Whatever is made by one of these, wherever in a statement it stands, is no science.
PLUMBING = {"say", "evidence", "source", "show", "figure", "slider", "quiz", "choice", "number"}


@pytest.fixture(scope="module", params=[path.stem for path in chapters(ROOT)])
def article(request: pytest.FixtureRequest, site: Path) -> Tag:
    """The article of a chapter."""
    html = (site / "notebooks" / f"{request.param}.html").read_text(encoding="utf-8")
    found = BeautifulSoup(html, "html.parser").select_one("article")
    assert found
    return found


def lines(text: str) -> int:
    """Count lines that have something in them."""
    return sum(bool(line.strip()) for line in text.splitlines())


def plumbing(code: str) -> int:
    """Count lines of the statements that make something of the page, or import."""
    found = 0
    for statement in ast.parse(code).body:
        calls = (n.func for n in ast.walk(statement) if isinstance(n, ast.Call))
        if isinstance(statement, ast.Import | ast.ImportFrom) or PLUMBING & {
            call.id for call in calls if isinstance(call, ast.Name)
        }:
            found += lines(ast.unparse(statement))
    return found


@pytest.mark.slow
def test_under_a_tenth_of_the_open_code_is_plumbing(article: Tag) -> None:
    blocks = [
        pre.text for pre in article.select("div.cell_input pre") if not pre.find_parent("details")
    ]
    assert sum(map(lines, blocks)) > 50
    assert sum(map(plumbing, blocks)) < 0.1 * sum(map(lines, blocks))


@pytest.mark.slow
def test_each_claim_is_proved_in_its_own_box(article: Tag) -> None:
    for box in article.select(".sw-claim"):
        (fold,) = box.select("details")
        assert fold.summary and fold.summary.text == "How this was measured"
        assert f'"{box["id"]}"' in fold.text and "check=" in fold.text


@pytest.mark.slow
def test_answers_of_a_quiz_are_not_in_the_code_of_the_page(article: Tag) -> None:
    assert article.select(".sw-quiz")
    for pre in article.select("div.cell_input pre"):
        assert "otherwise=" not in pre.text and "right=" not in pre.text


@pytest.mark.slow
def test_each_fold_says_what_it_holds(article: Tag) -> None:
    names = [fold.text for fold in article.select("details.fold > summary")]
    assert names and "" not in names and not article.select("details.hide")


@pytest.mark.slow
def test_how_long_the_code_took_is_said_before_it_begins(article: Tag) -> None:
    (end,) = (p.text for p in article.select("p") if p.text.startswith("This chapter"))
    (box,) = (p.text for p in article.select(".admonition p") if p.text.startswith("Time"))
    assert end.partition("code took ")[2].rstrip(".") in box


@CHAPTERS
def test_what_a_claim_rests_on_is_open(name: str) -> None:
    """No number that stands in a claim comes from a cell that is folded whole."""
    folded: dict[str, bool] = {}
    nb = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)
    for cell in (cell for cell in nb.cells if cell.cell_type == "code"):
        found = parts(cell.source)
        whole = "hide-input" in cell.metadata.get("tags", []) and "sentence" not in {
            part.kind for part in found
        }
        for part in found:
            names = [n for n in ast.walk(ast.parse(part.source)) if isinstance(n, ast.Name)]
            made = {node.id for node in names if isinstance(node.ctx, ast.Store)}
            if part.kind == "claim":
                hidden = {node.id for node in names if folded.get(node.id)} - made
                assert not hidden, f"{hidden} are made in code that is folded"
            folded |= dict.fromkeys(made, whole or bool(part.kind))


@pytest.mark.parametrize(
    ("source", "kinds"),
    [
        ("import math", ["import"]),
        ("x = 1", [""]),
        ("x = 1\nsay(f'{x}')", ["", "sentence"]),
        ("import torch\ntorch.set_num_threads(1)\nstarted = time.perf_counter()", ["import"]),
        ("started = time.perf_counter()", ["clock"]),
        ("from math import pi\nevidence('C1', 'it is', check=pi > 3)", ["claim"]),
        ("source(f)\nsay('so')", ["sentence"]),
        ("# why\nx = 1\n# how\nevidence('C1', 'it is', check=x)", ["", "claim"]),
        ("said = evidence('C1', 'it is', check=x)\nsay(said.measured_text)", ["claim"]),
        ("questions = [number('How many?', 3)]", ["quiz"]),
        ("for x in y:\n    print(x)", [""]),
        ("def draw(ax):\n    show(fig)", [""]),
        ("drawings.diamond()", ["drawing"]),
        ("guess('lines', 'How many?', low=1, high=9)", ["question"]),
    ],
)
def test_kinds(source: str, kinds: list[str]) -> None:
    assert [part.kind for part in parts(source)] == kinds
    assert "\n".join(part.source for part in parts(source)) == source


def test_a_cell_with_a_magic_stays_as_it_is() -> None:
    source = nodes.container("", nodes.literal_block("", "%%time\nsay(1)"))
    source["nb_element"] = "cell_code_source"
    cell = nodes.container("", source, nb_element="cell_code")
    document = new_document("a page")
    document += cell
    Fold(document).run()
    assert cell.children == [source] and source.astext() == "%%time\nsay(1)"


def test_a_comment_goes_with_what_it_explains() -> None:
    assert [part.source for part in parts("a = 1\n\n# said\nsay(a)\n\nb = 2")] == [
        "a = 1",
        "# said\nsay(a)",
        "b = 2",
    ]
