"""A book of some of the chapters: what is left out, what leads elsewhere, what still counts."""

import json
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

from course_lib.teaching.book.chapter_map import among
from tests.book.test_extension import claim

ORIGINAL = "https://whole.example.org/book"
NAMES = ("01_one", "02_two", "03_three", "04_four")
PAGE = """# Page

{count}`Chapters`, {count}`questions`; {count}`assignments`.

:::{when} whole
All [of two](notebooks/02_two.ipynb).
:::
:::{when} part
Some [of three](notebooks/03_three.ipynb) and [of one](notebooks/01_one.ipynb).
:::

See {claim}`C1`, {claim}`C2`.

```{ledger}
```

```{chapter-map}
01:
02: 01
03: 02
04: 02 03
```

```{concept-test} book/concept_test.yml
```

## First

::::{div} chapter-map
1. [One](notebooks/01_one.ipynb) asks.
2. [Two](notebooks/02_two.ipynb) asks.
::::

## Second

::::{div} chapter-map
3. [Three](notebooks/03_three.ipynb) asks.
4. [Four](notebooks/04_four.ipynb) asks.
::::
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A course of four chapters, each with a claim; questions about the first and the second."""
    (tmp_path / "notebooks").mkdir()
    for number, name in enumerate(NAMES, 1):
        data = claim(0.5, name=f"C{number}")
        outputs = [{"output_type": "display_data", "metadata": {}, "data": data}]
        said = {"cell_type": "markdown", "metadata": {}, "source": f"# On {name}"}
        made = {
            "cell_type": "code",
            "metadata": {},
            "source": "",
            "outputs": outputs,
            "execution_count": 1,
        }
        text = json.dumps(
            {"cells": [said, made], "metadata": {}, "nbformat": 4, "nbformat_minor": 4}
        )
        (tmp_path / "notebooks" / f"{name}.ipynb").write_text(text)
    (tmp_path / "book").mkdir()
    rows = [
        {"ask": f"On {name}?", "options": ["Yes.", "No."], "why": "So.", "chapter": name}
        for name in NAMES[:2]
    ]
    (tmp_path / "book" / "concept_test.yml").write_text(json.dumps(rows))
    return tmp_path


def build(root: Path, *settings: str, text: str = PAGE) -> BeautifulSoup:
    (root / "pyproject.toml").write_text("\n".join(["[tool.course]", *settings]))
    (root / "index.md").write_text(text)
    extensions = ["myst_nb", "sphinx_design", "course_lib.teaching.book"]
    given = {"extensions": extensions, "myst_enable_extensions": ["colon_fence"]}
    kinds = {
        ".md": "myst-nb",
        ".ipynb": "myst-nb",
    }
    given |= {"nb_execution_mode": "off", "root_doc": "index", "source_suffix": kinds}
    app = Sphinx(root, None, root / "out", root / "trees", "html", given, None, None, freshenv=True)
    app.build()
    return BeautifulSoup((root / "out" / "index.html").read_text(), "html.parser").find(
        class_="body"
    )


def links(page: BeautifulSoup) -> dict[str, str]:
    return {a.text.strip(): a["href"] for a in page.find_all("a") if not a.find_parent("svg")}


def test_the_whole_book(root: Path) -> None:
    page = build(root)
    assert "Four chapters, two questions; four assignments." in page.text
    assert "All of two." in page.text and "Some" not in page.text
    assert len(page.select("table.ledger tbody tr")) == 4
    assert len(page.select("svg a")) == len(page.select(".chapter-map li")) == 4
    assert len(page.select("fieldset[data-right]")) == 2


def test_a_part_leads_to_the_whole(root: Path) -> None:
    page = build(root, "chapters = [1, 4]", f'original = "{ORIGINAL}/"')
    assert "Two chapters, one question; two assignments." in page.text
    assert "Some of three and of one." in page.text and "All" not in page.find("p").text
    found = links(page)
    assert found["of three"] == f"{ORIGINAL}/notebooks/03_three.html"
    assert found["2.1\N{NO-BREAK SPACE}✓"] == f"{ORIGINAL}/notebooks/02_two.html#C2"
    assert found["1.1\N{NO-BREAK SPACE}✓"] == "notebooks/01_one.html#C1"
    assert [row.td.text for row in page.select("table.ledger tbody tr")] == ["1.1", "4.1"]
    assert [a.text for a in page.select("svg a")] == ["1. On 01_one", "4. On 04_four"]
    assert len(page.select("svg path")) == 1
    assert [legend.text for legend in page.select("legend.mathjax_process")] == ["1. On 01_one?"]
    lists = page.select(".chapter-map ol")
    assert [(ol.get("start"), ol.text.strip()) for ol in lists] == [
        ("1", "One asks."),
        ("4", "Four asks."),
    ]


def test_with_no_other_book_links_are_plain_words(root: Path) -> None:
    page = build(root, 'chapters = ["01"]', 'original = ""')
    assert "Some of three and of one." in page.text and "of three" not in links(page)
    assert "See 1.1\N{NO-BREAK SPACE}✓, 2.1\N{NO-BREAK SPACE}✓." in page.text
    assert "2.1\N{NO-BREAK SPACE}✓" not in links(page)
    assert [h2.text.rstrip("¶") for h2 in page.select("h2")] == ["First"]  # no empty section


def test_so_it_is_where_the_others_are_not_even_there(root: Path) -> None:
    """As in the copy of a student."""
    for name in NAMES[:2]:
        (root / "notebooks" / f"{name}.ipynb").unlink()
    text = PAGE.replace("```{concept", "```{slider} 01_one\n```\n\n```{concept")
    page = build(root, "chapters = [3]", f'original = "{ORIGINAL}"', text=text)
    assert links(page)["of one"] == f"{ORIGINAL}/notebooks/01_one.html"
    assert "See C1, C2." in page.text
    assert "No question is about the chapters of this book." in page.text
    with pytest.raises(ExtensionError, match="is missing or stores no slider"):
        build(root, text="# Page\n\n```{slider} 01_one\n```\n")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("```{when} ever\nx\n```", "given 'ever', expected whole or part"),
        ("{count}`pages`", "given 'pages', expected chapters, assignments or questions"),
    ],
)
def test_other_words_stop_the_build(root: Path, text: str, said: str) -> None:
    with pytest.raises(ExtensionError, match=said):
        build(root, text=f"# Page\n\n{text}\n")


def test_a_chapter_leans_on_what_a_missing_one_leans_on() -> None:
    needs = {"01": [], "02": ["01"], "03": ["02", "01"], "04": ["03", "02"]}
    assert among({"01", "03", "04"}, needs) == {"01": [], "03": ["01"], "04": ["03", "01"]}
    assert among({"04"}, needs) == {"04": []}
