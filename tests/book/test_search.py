"""Search finds: what is about a word comes first, shown by its prose, and signs count."""

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from urllib.parse import quote

import pytest
from axe_playwright_python.sync_playwright import Axe
from bs4 import BeautifulSoup
from playwright.sync_api import Page
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

from course_lib.teaching.book.search import sections

Open = Callable[..., Page]
PHONE, DESK = {"width": 390, "height": 844}, {"width": 1280, "height": 890}
FIRST = {
    "lottery": "notebooks/05_lottery_tickets",
    "Lottery tickets": "notebooks/05_lottery_tickets",
    "rewinding": "notebooks/05_lottery_tickets",
    "fairness": "notebooks/11_fairness",
    "structured pruning": "notebooks/08_hardware",
    "N:M": "notebooks/08_hardware",
    "2:4": "notebooks/08_hardware",
    "2 of 4": "notebooks/08_hardware",
    "roofline": "notebooks/08_hardware",
    "CSR": "notebooks/08_hardware",
    "SNIP": "notebooks/02_saliency",
    "Hessian": "notebooks/02_saliency",
    "magnitude pruning": "notebooks/01_sparse_approximation",
    "one-shot pruning": "notebooks/03_iterative_pruning",
    "finetuning": "notebooks/03_iterative_pruning",
    "fine-tuning": "notebooks/03_iterative_pruning",
    "lasso": "notebooks/04_thresholding",
    "compressed sensing": "notebooks/04_thresholding",
    "random labels": "notebooks/07_no_free_lunch",
    "memorization": "notebooks/07_no_free_lunch",
    "pruning at random": "notebooks/06_chance",
    "dropout": "notebooks/09_training_for_pruning",
    "regularization": "notebooks/09_training_for_pruning",
    "adversarial": "notebooks/10_robustness",
    "differential privacy": "notebooks/12_privacy",
    "jets": "notebooks/13_physics",
    "sensors": "notebooks/14_statistics",
    "density": "book/notation",
    "top_k": "book/library/masks",
    "install": "book/how_to_use",
}
NEAREST = {
    "movement pruning": "notebooks/02_saliency",
    "quantisation": "notebooks/08_hardware",
    "quantization": "notebooks/08_hardware",
    "Quantized": "notebooks/08_hardware",
    "RigL": "notebooks/03_iterative_pruning",
    "knowledge distillation": "notebooks/03_iterative_pruning",
}
SIGNS = ("Binder", "Show the source", "Hide the source", "Back to top", "Click to show")


def search(page: Page, query: str) -> list[str]:
    """Search from a page that is open; return the pages found, in their order."""
    page.goto(page.url.rpartition("search.html")[0] + f"search.html?q={quote(query)}")
    page.locator("#search-results h2", has_text="Search results").wait_for(state="attached")
    links = page.locator("#search-results > ul.search > li > a").all()
    return [(link.get_attribute("href") or "").removesuffix(".html") for link in links]


@pytest.mark.slow
def test_the_page_about_a_word_comes_first(open_page: Open) -> None:
    page = open_page("search")
    wrong = [f"{query}: {found[:2]}" for query, name in FIRST.items()
             if (found := search(page, query))[:1] != [name]]  # fmt: skip
    assert not wrong, "\n".join(wrong)


@pytest.mark.slow
def test_what_is_not_in_the_book_is_said_with_the_nearest_there_is(open_page: Open) -> None:
    page = open_page("search")
    for query, name in NEAREST.items():
        found = search(page, query)
        said = page.locator(".search-summary")
        assert f"“{query}” is not a subject of this book" in said.inner_text()
        assert (said.locator("a").get_attribute("href") or "").startswith(f"{name}.html")
        assert set(found) <= {"book/references"}, f"{query}: {found} are not about it"
    assert search(page, "xyzzy") == []
    assert page.locator(".search-summary").inner_text() == "No pages for “xyzzy”."


@pytest.mark.slow
def test_results_lead_to_sections_and_to_what_is_explained(open_page: Open) -> None:
    page = open_page("search")
    for query, anchor in [
        ("roofline", "08_hardware.html#a-roof-over-every-program"),
        ("density", "notation.html#term-density"),
        ("top_k", "masks.html#course_lib.masks.top_k"),
    ]:
        search(page, query)
        page.locator(".search-places").first.locator("a").first.click()
        assert page.url.endswith(anchor)
        page.go_back()


@cache
def code_lines(path: Path) -> set[str]:
    """The lines of code that a page shows, short ones left out."""
    blocks = re.findall(r'class="cell_input.*?<pre>(.*?)</pre>', path.read_text("utf-8"), re.S)
    code = BeautifulSoup("\n".join(blocks), "html.parser").get_text()
    return {line for each in code.splitlines() if len(line := each.strip()) > 12}


@pytest.mark.slow
def test_excerpts_are_prose(open_page: Open, site: Path) -> None:
    """None holds a line of code of its page, nor what only stands on a button."""
    page, checked = open_page("search"), 0
    for query in ("lottery", "density", "torch", "import"):
        names = search(page, query)
        texts = page.locator("#search-results > ul.search > li").all_inner_texts()
        for name, text in zip(names, texts, strict=True):
            shown = [each for each in (*SIGNS, *code_lines(site / f"{name}.html")) if each in text]
            assert not shown, f"{query}, {name}: {text}"
            checked += 1
    assert checked > 30  # or this test would test nothing
    assert len(code_lines(site / "notebooks" / "05_lottery_tickets.html")) > 50


@pytest.mark.slow
@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
@pytest.mark.parametrize("name", ["search", "notebooks/05_lottery_tickets"])
def test_the_magnifier_lies_on_no_letter(open_page: Open, name: str, size: dict[str, int]) -> None:
    page = open_page(name, viewport=size)
    if name != "search":  # which has a field of its own
        page.keyboard.press("Control+k")
        page.locator("#pst-search-dialog").wait_for()
    forms = page.locator("form.bd-search:visible")
    assert forms.count() == 1
    for form in forms.all():
        starts = form.locator("input").evaluate(
            "field => field.getBoundingClientRect().left + field.clientLeft"
            " + parseFloat(getComputedStyle(field).paddingLeft)"
        )
        icon = form.locator(".fa-magnifying-glass").bounding_box()
        assert icon and icon["width"] > 8
        assert icon["x"] + icon["width"] + 4 <= starts


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_results_are_open_to_everybody(open_page: Open, scheme: str) -> None:
    page = open_page("search", color_scheme=scheme, viewport=PHONE)
    assert len(search(page, "pruning")) == 12
    page.locator("#search-results summary").click()
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    page.add_style_tag(content="* { transition: none !important }")  # colours are final
    found = Axe().run(page, options={"preload": False, "resultTypes": ["violations"]}).response
    assert found["passes"]
    assert not found["violations"], found["violations"]


@pytest.mark.slow
def test_search_works_from_the_disk(open_page: Open, site: Path) -> None:
    page = open_page("search", start=f"{site.as_uri()}/")
    assert search(page, "lottery")[0] == "notebooks/05_lottery_tickets"
    assert "lottery" in page.locator(".context").first.inner_text()


@pytest.mark.slow
def test_the_index_has_the_words_and_every_page_leads_to_it(site: Path) -> None:
    html = (site / "genindex.html").read_text(encoding="utf-8")
    entries = {a.get_text(): a["href"] for a in BeautifulSoup(html, "html.parser").select("td a")}
    assert entries["2:4"] == "notebooks/08_hardware.html#where-it-breaks"
    assert entries["movement pruning"] == "notebooks/02_saliency.html#"
    for name in ("search", "book/welcome", "notebooks/08_hardware"):
        page = BeautifulSoup((site / f"{name}.html").read_text(encoding="utf-8"), "html.parser")
        assert page.select_one("footer a[href$='genindex.html']")
    search = BeautifulSoup((site / "search.html").read_text(encoding="utf-8"), "html.parser")
    assert "JavaScript" in "".join(each.get_text() for each in search.select("noscript"))


PAGE = """
<div class="header">Binder</div><article class="bd-article"><section id="one">
<h1>One<a class="headerlink">#</a></h1><p>First <b>wo</b>rd, <span class="math">\\(w_i\\)</span>
and <span class="math">\\(\\varepsilon\\)</span>, not <span class="math">\\(\\sqrt{2}\\)</span>.</p>
<div class="cell_input"><pre>import os</pre></div><div class="solution">Tell nobody.</div>
<section id="two"><h2>Two</h2><p>Second.</p><dl class="glossary"><dt id="term-mask">mask</dt>
<dd>Yes or no.</dd></dl><dl><dt class="sig" id="lib.f"><span class="sig-name">f</span>
<em class="sig-param">x</em></dt><dd>Does it.</dd></dl></section></section></article>
"""


def test_the_prose_of_a_page_is_read_by_sections() -> None:
    assert sections(PAGE) == [
        ("one", "One", "First word, w_i and ε, not …."),
        ("two", "Two", "Second."),
        ("term-mask", "mask", "Yes or no."),
        ("lib.f", "f", "Does it."),
    ]
    assert sections("<p>A page of another theme.</p>") == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("keywords: {page: [a]}", "names page, which is no page of the book"),
        ("keywords: {index#there: [a]}", "leads to index#there: no such section"),
        ("absent: [{words: [a], nearest: index}]", "cannot be read: KeyError\\('why'\\)"),
        ("[]", "cannot be read"),
        ("keywords: {", "cannot be read"),
    ],
)
def test_words_that_lead_nowhere_end_the_build(tmp_path: Path, words: str, said: str) -> None:
    (tmp_path / "book").mkdir()
    (tmp_path / "book" / "search.yml").write_text(words)
    (tmp_path / "index.md").write_text("# A page\n")
    app = Sphinx(
        tmp_path, None, tmp_path / "out", tmp_path / "trees", "html", status=None, warning=None,
        confoverrides={"extensions": ["myst_parser", "course_lib.teaching.book"]},
    )  # fmt: skip
    with pytest.raises(ExtensionError, match=said):
        app.build()
