"""The pages on paper, without JavaScript, by keyboard, and as a link that somebody shares."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from playwright.sync_api import Browser, Page, expect

from course_lib.chapters import chapters, course
from course_lib.teaching.book.finish import mathml

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
CHAPTERS = [f"notebooks/{path.stem}" for path in chapters(ROOT)]
LOTTERY = "notebooks/05_lottery_tickets"
Open = Callable[..., Page]


@pytest.fixture
def bare(browser: Browser, address: str) -> Iterator[Callable[[str], Page]]:
    """Open a page in a browser whose JavaScript is off."""
    context = browser.new_context(java_script_enabled=False)

    def bare(name: str) -> Page:
        page = context.new_page()
        page.goto(f"{address}{name}.html")
        return page

    yield bare
    context.close()


@pytest.mark.parametrize("name", ["book/welcome", LOTTERY])
def test_a_slider_that_was_moved_prints_its_start(open_page: Open, name: str) -> None:
    page = open_page(name, reduced_motion="reduce")
    slider = page.locator(".sw-slider").first
    slider.get_by_role("slider").press("End")
    slider.get_by_role("slider").press("ArrowLeft")
    page.emulate_media(media="print")
    expect(slider.locator("[data-frame]:visible")).to_have_count(1)
    expect(slider.locator(".sw-start")).to_be_visible()


def test_exercises_are_printed_without_what_is_shut(open_page: Open) -> None:
    page = open_page(LOTTERY)
    opened = page.locator("details.sd-dropdown").first
    opened.locator("summary").click()
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    expect(page.locator("div.exercise").first).to_be_visible()
    assert page.locator(".solution").count() > 1
    expect(page.locator(".solution:visible")).to_have_count(0)
    expect(page.locator("details.sd-dropdown:visible")).to_have_count(1)  # which a teacher opened
    expect(page.locator(".bd-article :is(button, .copybtn):visible")).to_have_count(0)
    expect(page.get_by_text("Show the source").locator("visible=true")).to_have_count(0)
    heads = page.evaluate(
        "['#jb-print-toc h2', '.bd-article h2'].map("
        "name => parseFloat(getComputedStyle(document.querySelector(name)).fontSize))"
    )
    assert heads[0] < heads[1]
    expect(page.locator(".sheet-from")).to_contain_text(f"{course(ROOT).book}/{LOTTERY}.html")


def test_the_ledger_breaks_between_rows_and_code_between_lines(open_page: Open) -> None:
    def style(page: Page, part: str, name: str) -> str:
        found = page.locator(part).first.evaluate(f"each => getComputedStyle(each).{name}")
        return str(found)

    page = open_page("book/evidence")
    page.emulate_media(media="print")
    assert style(page, "table.ledger", "breakInside") == "auto"
    assert style(page, "table.ledger tbody tr", "breakInside") == "avoid"
    assert style(page, "table.ledger thead", "display") == "table-header-group"
    page = open_page(LOTTERY)
    page.emulate_media(media="print")
    assert style(page, ".cell_input pre", "whiteSpace") == "pre-wrap"


def test_without_javascript_the_map_has_its_colours(bare: Callable[[str], Page]) -> None:
    page = bare("book/welcome")
    colours = {
        part: page.locator(f".chapter-graph {part}").first.evaluate(
            "each => getComputedStyle(each).fill"
        )
        for part in ("rect", "text")
    }
    assert len(set(colours.values())) == 2 and "rgb(0, 0, 0)" not in colours.values()


def test_without_javascript_the_night_is_that_of_the_system(browser: Browser, address: str) -> None:
    context = browser.new_context(java_script_enabled=False, color_scheme="dark")
    page = context.new_page()
    page.goto(f"{address}{LOTTERY}.html")
    for part, what in (("body", "backgroundColor"), (".bd-article p", "color"), (".sw", "color")):
        colour = page.locator(part).first.evaluate(f"each => getComputedStyle(each).{what}")
        bright = sum(map(int, re.findall(r"\d+", colour)[:3])) > 384
        assert bright == (what == "color"), f"{part}: {what}"
    context.close()


@pytest.mark.parametrize("name", CHAPTERS)
def test_without_javascript_formulas_are_set(bare: Callable[[str], Page], name: str) -> None:
    page = bare(name)
    expect(page.locator(".tex:visible")).to_have_count(0)
    assert page.locator("math").count() == page.locator(".tex").count() > 10
    raw = page.locator(".math.notranslate:not(:has(.tex))").all_inner_texts()
    assert not raw, "docutils cannot read these"


def test_formulas_are_written_as_docutils_reads_them() -> None:
    for tex in (r"1, \dots, n", r"\tfrac12 x", r"\Big( a \Big/ b \Big)"):
        assert mathml(tex, block=False).startswith("<math")
    aligned = r"\begin{split}a &= b\\ &= c\end{split}"
    assert "<mtable" in mathml(aligned, block=True)


def test_the_tab_key_does_not_stop_at_formulas(open_page: Open) -> None:
    page = open_page(LOTTERY)
    assert page.locator("mjx-container").count() > 10
    assert page.locator("mjx-container[tabindex='0']").count() == 0


def test_a_citation_leads_there_and_back(open_page: Open) -> None:
    page = open_page(LOTTERY)
    link = page.get_by_role("link", name="Frankle and Carbin [2019]").first
    link.click()
    entry = page.locator(".citation:target")
    expect(entry).to_contain_text("Frankle")
    others = page.locator(".citation:not(:target)").first
    paper = "each => getComputedStyle(each).backgroundColor"
    assert entry.evaluate(paper) != others.evaluate(paper)
    entry.locator(".cited a", has_text="The lucky start").click()
    expect(page).to_have_url(re.compile(rf"{LOTTERY}\.html#id\d+$"))


@pytest.mark.parametrize("name", ["book/welcome", LOTTERY, "search"])
def test_the_head_says_each_thing_once(site: Path, name: str) -> None:
    head = BeautifulSoup((site / f"{name}.html").read_text("utf-8"), "html.parser").head
    assert head
    named = lambda key: [tag["content"] for tag in head.select(key)]  # noqa: E731
    assert len(named("meta[name=viewport]")) == 1
    (picture,) = named("meta[property='og:image']")
    assert picture.startswith(course(ROOT).book)
    assert (site / picture.removeprefix(f"{course(ROOT).book}/")).is_file()
    assert all(named("meta[property='og:title']"))
    if name != "search":
        assert named("meta[name=description]") == named("meta[property='og:description']")
        assert 40 < len(named("meta[name=description]")[0]) < 210


def test_the_fonts_of_the_text_are_asked_for_at_once(open_page: Open) -> None:
    """And once: a preload that the style sheet does not match is a second request."""
    page = open_page(LOTTERY)
    page.wait_for_load_state("networkidle")
    asked = page.evaluate(
        "performance.getEntriesByType('resource').filter(each => /serif/.test(each.name))"
        ".map(each => [each.initiatorType, each.name])"
    )
    assert sorted(kind for kind, _ in asked) == ["link", "link"]


def test_what_is_printed_ends_where_the_code_ends(open_page: Open) -> None:
    page = open_page("notebooks/08_hardware", viewport={"width": 1280, "height": 900})
    places = page.evaluate(
        """[...document.querySelectorAll(".cell_output > .stream")].map((out) => {
            const box = (each) => each.getBoundingClientRect(), next = out.nextElementSibling;
            const code = out.closest(".cell").querySelector(".cell_input");
            const below = next && box(next).top - box(out).bottom;
            return [code && box(code).right - box(out).right, below];
        })"""
    )
    assert {round(over) for over, _ in places if over is not None} == {0}
    distances = [distance for _, distance in places if distance is not None]
    assert distances and min(distances) > 8


def test_code_in_a_table_does_not_break_inside_a_word(open_page: Open) -> None:
    page = open_page("book/notation", viewport={"width": 390, "height": 844})
    broken = page.evaluate(
        """[...document.querySelectorAll("table code span.pre")].filter((word) =>
            new Set([...word.getClientRects()].map((line) => line.top)).size > 1
        ).map((word) => word.textContent)"""
    )
    assert not broken
