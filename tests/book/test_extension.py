"""The ledger, the lists of claims, the slider: made from stored outputs, and anew with them."""

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

from course_lib.teaching import choice, guess, number, quiz, slider
from course_lib.teaching.book.concept import read_concepts
from course_lib.teaching.book.reader import guesses, quiz_questions
from course_lib.teaching.evidence import MIME


def store(folder: Path, *outputs: dict[str, Any], tag: str = "evidence") -> None:
    """Write a chapter of one cell that stores these outputs."""
    cell = {
        "cell_type": "code",
        "metadata": {"tags": [tag]},
        "source": "",
        "outputs": [{"output_type": "display_data", "data": data} for data in outputs],
    }
    path = folder / "notebooks" / "01_trial.ipynb"
    path.parent.mkdir(exist_ok=True)
    title = {"cell_type": "markdown", "metadata": {}, "source": ["# A trial\n", "text"]}
    path.write_text(json.dumps({"cells": [title, cell], "metadata": {}, "nbformat": 4}))
    later = path.stat().st_mtime + 5  # as if written later: some file systems count seconds
    os.utime(path, (later, later))


def claim(
    measured: float,
    verdict: str = "holds",
    name: str = "C1",
    statement: str = "Small is *small*.",
    note: str = "",
) -> dict[str, Any]:
    return {
        MIME: {
            "id": name,
            "note": note,
            "statement": statement,
            "verdict": verdict,
            "measured": measured,
            "interval": [0.25, 0.75],
            "unit": "of the trials",
            "over": "4 seeds",
        }
    }


def build(folder: Path, text: str) -> str:
    """Build a book of one page with this text; return the page."""
    (folder / "index.md").write_text(text)
    return rebuild(folder)


def rebuild(folder: Path, **settings: Any) -> str:
    app = Sphinx(
        folder, None, folder / "out", folder / "trees", "html", status=None, warning=None,
        confoverrides={
            "extensions": ["myst_parser", "course_lib.teaching.book"],
            "myst_enable_extensions": ["dollarmath"],
            **settings,
        },
    )  # fmt: skip
    app.build()
    return (folder / "out" / "index.html").read_text(encoding="utf-8")


LEDGER = "# Ledger\n\n```{ledger}\n```\n"


def test_a_row_says_where_what_how_sure_and_how_much(tmp_path: Path) -> None:
    store(tmp_path, claim(0.5, "does not hold"))
    page = build(tmp_path, LEDGER)
    assert 'href="notebooks/01_trial.html#C1"' in page
    assert "Small is <em>small</em>." in page
    assert "verdict-does-not-hold" in page
    assert "0.5 [0.25, 0.75] of the trials, over 4 seeds" in page
    assert "1 claims are measured. Holds: 0; holds under conditions: 0; does not hold: 1." in page


def test_formulas_of_statements_are_formulas_in_the_ledger(tmp_path: Path) -> None:
    store(tmp_path, claim(0.5, statement=r"A cut costs \(w^2\), or \(g w\)."))
    page = build(tmp_path, LEDGER)
    assert page.count('<span class="math notranslate') == 2
    assert r"\(w^2\)" in page and "A cut costs (" not in page


def test_claims_are_grouped_by_verdict(tmp_path: Path) -> None:
    store(
        tmp_path,
        claim(0.5, "holds", "C1", "First."),
        claim(0.4, "does not hold", "C2", "Second.", note="it is < the other"),
        claim(0.3, "holds", "C3", "Third."),
    )
    text = "# Page\n\n```{{claims}} {}\n```\n"
    page = build(tmp_path, text.format("holds"))
    assert "2 of the 3 claims" in page and "Second" not in page
    assert page.index("First.") < page.index("Third.")
    assert 'href="notebooks/01_trial.html#C3"' in page and "Claim 1.3, A trial" in page
    page = build(tmp_path, text.format("does not hold"))
    assert "1 of the 3 claims" in page and "First" not in page
    assert "0.4 [0.25, 0.75] of the trials. It is &lt; the other. " in page
    page = build(tmp_path, text.format("holds under conditions"))
    assert "0 of the 3 claims" in page and "claims-where" not in page


def test_a_list_of_claims_follows_the_notebook(tmp_path: Path) -> None:
    store(tmp_path, claim(0.5))
    assert "1 of the 1 claims" in build(tmp_path, "# Page\n\n```{claims} holds\n```\n")
    store(tmp_path, claim(0.5, "does not hold"))
    assert "0 of the 1 claims" in rebuild(tmp_path)


def test_a_link_to_a_claim_carries_its_verdict(tmp_path: Path) -> None:
    store(tmp_path, claim(0.5, "does not hold", "C7", 'Say "small".'))
    page = build(tmp_path, "# Page\n\nSo it is {claim}`C7`.\n")
    assert 'href="notebooks/01_trial.html#C7"' in page and "1.1\N{NO-BREAK SPACE}✗</a>" in page
    assert (
        "Claim 1.1: Say &quot;small&quot;. (does not hold)" in page
        and "verdict-does-not-hold" in page
    )


@pytest.mark.parametrize(
    "text, words",
    [
        ("{claim}`C8`", "claim C8: no chapter makes it"),
        ("```{claims} perhaps\n```", "claims: given 'perhaps', expected one of"),
    ],
)
def test_what_no_chapter_says_stops_the_build(tmp_path: Path, text: str, words: str) -> None:
    store(tmp_path, claim(0.5))
    with pytest.raises(ExtensionError, match=words):
        build(tmp_path, f"# Page\n\n{text}\n")


def test_the_ledger_follows_the_notebook(tmp_path: Path) -> None:
    store(tmp_path, claim(0.5))
    assert "0.5 [0.25" in build(tmp_path, LEDGER)
    store(tmp_path, claim(0.625))
    assert "0.625 [0.25" in rebuild(tmp_path)


def test_a_chapter_that_was_not_run_stops_the_build(tmp_path: Path) -> None:
    store(tmp_path)
    with pytest.raises(ExtensionError, match="course run 01_trial"):
        build(tmp_path, LEDGER)


def test_the_slider_is_the_one_that_the_chapter_stores(tmp_path: Path) -> None:
    stored = '<figure class="sw-slider">the block</figure>'
    store(tmp_path, {"text/html": "<p>no</p>"}, {"text/html": [stored]}, tag="hide-input")
    assert stored in build(tmp_path, "# Page\n\n```{slider} 01_trial\n```\n")
    with pytest.raises(ExtensionError, match=r"02_none\.ipynb is missing or stores no slider"):
        build(tmp_path, "# Page\n\n```{slider} 02_none\n```\n")


def test_the_slider_may_begin_elsewhere_than_in_its_chapter(tmp_path: Path) -> None:
    def draw(axes: Any, n: int) -> None:
        axes.bar(range(n), 1)

    def made(start: int) -> str:
        shown = slider(draw, [1, 2, 4], label="Bars", alt=lambda n: f"{n} bars.", start=start)
        return re.sub(r"\b[a-z]+\d+-", "", shown.html)

    store(tmp_path, {"text/html": made(0)}, tag="hide-input")
    page = build(tmp_path, "# Page\n\n```{slider} 01_trial\n:start: 4\n```\n")
    assert made(2) in page
    with pytest.raises(ExtensionError, match="no value '3'; it has 1, 2, 4"):
        build(tmp_path, "# Page\n\n```{slider} 01_trial\n:start: 3\n```\n")


def test_released_assignments_are_beside_the_pages(tmp_path: Path) -> None:
    store(tmp_path, claim(0.5))
    (tmp_path / "exercises" / "release" / "01_trial").mkdir(parents=True)
    (tmp_path / "exercises" / "release" / "01_trial" / "01_trial.ipynb").write_text("{}")
    build(tmp_path, LEDGER)
    assert (tmp_path / "out" / "exercises" / "release" / "01_trial" / "01_trial.ipynb").is_file()


@pytest.mark.parametrize("page", ["index.md", "book/page.md"])
def test_a_link_to_an_assignment_is_one_to_its_file(tmp_path: Path, page: str) -> None:
    name = "exercises/release/01_trial/assignment_01_trial.ipynb"
    (tmp_path / name).parent.mkdir(parents=True)
    (tmp_path / name).write_text("{}")
    up = "../" * page.count("/")
    (tmp_path / page).parent.mkdir(exist_ok=True)
    (tmp_path / "index.md").write_text("# Index\n")
    (tmp_path / page).write_text(f"# Page\n\n[open *it*]({up}{name}) now\n")
    # As in the book a notebook is a kind of page; but not those of the assignments.
    kinds = {".md": "markdown", ".ipynb": "markdown"}
    rebuild(tmp_path, source_suffix=kinds, exclude_patterns=["exercises", "out", "trees"])
    made = (tmp_path / "out" / page).with_suffix(".html").read_text(encoding="utf-8")
    assert f'href="{up}{name}"' in made and "open <em>it</em>" in made
    (tmp_path / name).unlink()
    with pytest.raises(ExtensionError, match=f"links to {name}, which is not released"):
        (tmp_path / page).write_text(f"# Page\n\n[open it]({up}{name})\n")
        rebuild(tmp_path, source_suffix=kinds, exclude_patterns=["exercises", "out", "trees"])


MAP = """# Map

```{chapter-map}
01:
%s
```
"""


def chapters(folder: Path, *names: str) -> None:
    (folder / "notebooks").mkdir()
    for name in names:
        book = {"cells": [{"cell_type": "markdown", "source": [f"# On <{name}>: its subject"]}]}
        (folder / "notebooks" / f"{name}.ipynb").write_text(json.dumps(book))


def test_the_map_has_a_link_for_each_chapter_and_a_line_for_each_need(tmp_path: Path) -> None:
    chapters(tmp_path, "01_one", "02_two", "03_three")
    page = build(tmp_path, MAP % "02: 01\n03: 01 02")
    for name in ("01_one", "02_two", "03_three"):
        assert f'<a href="notebooks/{name}.html"><rect' in page
        assert f"{int(name[:2])}. On &lt;{name}&gt;<" in page
    assert page.count("<path d=") == 3


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("02: 03", "03"),  # a need that is no chapter
        ("", "02"),  # a chapter without a line
        ("02: 02", "circle"),
    ],
)
def test_the_map_fits_the_chapters(tmp_path: Path, lines: str, said: str) -> None:
    chapters(tmp_path, "01_one", "02_two")
    with pytest.raises(ExtensionError, match=said):
        build(tmp_path, MAP % lines)


ROW = {"ask": "Which?", "options": ["this", "that"], "why": "Shown.", "chapter": "01_one"}


def test_a_concept_test_is_made_of_whole_questions(tmp_path: Path) -> None:
    chapters(tmp_path, "01_one")
    text = "# Test\n\n```{concept-test} test.yml\n```\n"
    (tmp_path / "test.yml").write_text(json.dumps([ROW, ROW | {"ask": "And <which>?"}]))
    page = build(tmp_path, text)
    assert page.count("<fieldset") == 2
    assert "2. And &lt;which&gt;?" in page
    assert 'href="notebooks/01_one.html">On &lt;01_one&gt;: its subject</a>' in page
    for wrong in (
        {"chapter": "09_nine"}, {"options": ["this"]}, {"options": ["this", "this"]}, {"options": 3}
    ):  # fmt: skip
        (tmp_path / "test.yml").write_text(json.dumps([ROW | wrong]))
        with pytest.raises(ExtensionError, match=r"test\.yml cannot be made"):
            rebuild(tmp_path)
    (tmp_path / "test.yml").write_text(json.dumps([{"ask": "Which?"}]))
    with pytest.raises(ExtensionError, match="missing chapter, options, why"):
        rebuild(tmp_path)


def test_the_right_answer_stands_in_every_place() -> None:
    rows = [ROW | {"ask": f"{i}?", "options": ["right", "a", "b"]} for i in range(30)]
    made = read_concepts(rows, {"01_one": ("One", "one.html")})
    places = [list(concept.options).index("right") for concept in made]
    assert {places.count(place) > 5 for place in (0, 1, 2)} == {True}
    assert all(places[turn:] != places[:-turn] for turn in range(1, 12)), "a pattern"
    assert [concept.keys[place] for concept, place in zip(made[:4], places, strict=False)] == [
        0, 2, 1, 0
    ], "answers that browsers keep would be others"  # fmt: skip
    assert all(concept.right == "right" for concept in made)


def test_progress_knows_the_right_answers_of_the_stored_quizzes(tmp_path: Path) -> None:
    asked = quiz(
        "trial",
        [
            choice("Which?", {"this": "No.", "that": "Yes."}, right="that"),
            number("How many?", 4, why="Two and two.", wrong={5: "Count."}, otherwise="No."),
        ],
    )
    store(tmp_path, {"text/html": asked.html}, tag="hide-input")
    first, second = quiz_questions(tmp_path / "notebooks" / "01_trial.ipynb")
    assert first == {"key": "trial-1", "kind": "choice", "right": 1}
    assert second["key"] == "trial-2"
    assert second["right"][0] == 4


def test_progress_knows_the_guesses_and_no_name_is_asked_in_two_chapters(tmp_path: Path) -> None:
    asked = [guess(name, "How many?", low=1, high=9).html for name in ("trial-one", "trial-two")]
    chapters(tmp_path, "02_two")
    store(tmp_path, {"text/html": "".join(asked)})
    assert guesses(tmp_path / "notebooks" / "01_trial.ipynb") == [
        ("trial-one", "number", 0), ("trial-two", "number", 0)
    ]  # fmt: skip
    page = build(tmp_path, "# Progress\n\n```{progress}\n```\n")
    assert "0 of 2 made" in page and page.count(">none<") == 1
    other = (tmp_path / "notebooks" / "01_trial.ipynb").read_text()
    (tmp_path / "notebooks" / "02_two.ipynb").write_text(other)
    with pytest.raises(ExtensionError, match="'trial-one' is asked in 01_trial and 02_two"):
        build(tmp_path, "# Progress again\n\n```{progress}\n```\n")


def test_budgets_are_those_measured(tmp_path: Path) -> None:
    chapters(tmp_path, "01_one", "02_two")
    text = "# Budgets\n\n```{budgets}\n```\n"
    assert "Nothing was measured yet." in build(tmp_path, text)
    row = {"name": "01_one", "seconds": 12.4, "memory": 300.2, "page": 512.0}
    stored = {"machine": "A <machine>", "first_page": 300.0, "chapters": [row]}
    (tmp_path / "budgets.json").write_text(json.dumps(stored))
    page = build(tmp_path, f"{text}\nAgain.\n")
    row = ">1 On &lt;01_one&gt;: its subject</a></td><td>12 s</td><td>300 MiB</td><td>512 kB</td>"
    assert row in page
    assert '>2 On &lt;02_two&gt;: its subject</a></td><td colspan="3">not measured yet' in page
    assert "Measured on: A &lt;machine&gt;. The first page weighs 300 kB." in page
    (tmp_path / "budgets.json").write_text("{")
    with pytest.raises(ExtensionError, match=r"budgets\.json cannot be read"):
        build(tmp_path, f"{text}\nOnce more.\n")


def test_all_chapters_have_been_measured() -> None:
    root = Path(__file__).parents[2]
    stored = json.loads((root / "book" / "budgets.json").read_text())
    names = [path.stem for path in sorted((root / "notebooks").glob("[0-9]*.ipynb"))]
    assert [row["name"] for row in stored["chapters"]] == names
