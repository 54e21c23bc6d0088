"""What a reader does with the book: menu, search, the dark, sliders, quizzes."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from course_lib.teaching import collect

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
CHAPTERS = sorted(f"notebooks/{path.stem}" for path in (ROOT / "notebooks").glob("[0-9]*.ipynb"))
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True}
Open = Callable[..., Page]


def shown_frame(slider: Locator) -> str:
    """The description of the one frame that a slider shows."""
    frames = slider.locator("[data-frame]:visible [role=img]")
    expect(frames).to_have_count(1)
    return frames.get_attribute("aria-label") or ""


@pytest.mark.parametrize("name", CHAPTERS)
def test_sliders_by_keyboard_and_by_mouse(open_page: Open, name: str) -> None:
    page = open_page(name)
    sliders = page.locator(".sw-slider")
    assert sliders.count() >= 1
    for slider in sliders.all():
        handle = slider.get_by_role("slider")
        handle.focus()
        page.keyboard.press("Home")
        first, value = shown_frame(slider), handle.get_attribute("aria-valuetext")
        page.keyboard.press("ArrowRight")
        assert shown_frame(slider) != first
        assert handle.get_attribute("aria-valuetext") != value
        expect(slider.locator("output")).to_have_text(handle.get_attribute("aria-valuetext") or "")
        page.keyboard.press("End")
        last = shown_frame(slider)
        handle.scroll_into_view_if_needed()
        box = handle.bounding_box()
        assert box
        page.mouse.click(box["x"] + 3, box["y"] + box["height"] / 2)
        assert shown_frame(slider) == first
        page.mouse.move(box["x"] + 8, box["y"] + box["height"] / 2)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] - 2, box["y"] + box["height"] / 2, steps=5)
        page.mouse.up()
        assert shown_frame(slider) == last


@pytest.mark.parametrize("name", CHAPTERS)
def test_quiz_has_a_word_for_each_answer_and_keeps_the_last(open_page: Open, name: str) -> None:
    page = open_page(name)
    questions = page.locator(".sw-quiz fieldset")
    assert questions.count() >= 3

    def said(question: Locator) -> str:
        words = question.get_by_role("status").locator("p:visible")
        expect(words).to_have_count(1)
        return words.inner_text()

    kept = []
    for question in questions.all():
        verdicts = []
        if question.get_attribute("data-kind") == "choice":
            for option in question.get_by_role("radio").all():
                option.check()
                verdicts.append(said(question))
        else:
            field = question.get_by_role("textbox")
            known = re.findall(r"\[([-+.e\d]+),", question.get_attribute("data-known") or "")
            for typed in ("no number", "-98765.4", *reversed(known)):
                field.fill(typed)
                field.press("Enter")
                verdicts.append(said(question))
        assert len(set(verdicts)) == len(verdicts), "two answers, the same words"
        assert sum(word.startswith("Right.") for word in verdicts) == 1
        kept.append(verdicts[-1])
    page.reload()
    assert [said(question) for question in questions.all()] == kept
    page.locator(".sw-quiz").get_by_role("button", name="Clear").click()
    expect(page.locator(".sw-quiz [role=status] p:visible")).to_have_count(0)


@pytest.mark.parametrize("name", CHAPTERS)
def test_figures_follow_the_dark(open_page: Open, name: str) -> None:
    page = open_page(name, color_scheme="light")
    paper = "getComputedStyle(document.body).backgroundColor"
    ink = "getComputedStyle(document.querySelector('figure.sw svg text')).fill"
    light = page.evaluate(paper), page.evaluate(ink)
    button = page.get_by_role("button", name="Color mode").locator("visible=true").first
    for _ in range(3):
        if page.locator("html").get_attribute("data-theme") == "dark":
            break
        button.click()
    dark = page.evaluate(paper), page.evaluate(ink)
    assert brightness(light[0]) > 200 > 100 > brightness(light[1])
    assert brightness(dark[0]) < 60 < 150 < brightness(dark[1])
    page.reload()
    assert page.locator("html").get_attribute("data-theme") == "dark"


def test_paper_is_light(open_page: Open) -> None:
    page = open_page("book/welcome", color_scheme="dark")
    themes = """() => ["beforeprint", "afterprint"].map((moment) => {
        dispatchEvent(new Event(moment));
        return document.documentElement.dataset.theme;
    })"""
    assert page.evaluate(themes) == ["light", "dark"]


def brightness(colour: str) -> float:
    """The mean of red, green and blue of a computed colour."""
    return sum(map(int, re.findall(r"\d+", colour)[:3])) / 3


def test_search_finds_a_word(open_page: Open) -> None:
    page = open_page("book/how_to_use")
    page.keyboard.press("Control+k")
    page.get_by_role("searchbox").locator("visible=true").first.fill("superchio")
    page.keyboard.press("Enter")
    page.wait_for_url("**/search.html*")
    expect(page.locator("#search-results li").first).to_contain_text("The Statue Within")
    page.locator("#search-results li a").first.click()
    expect(page.locator("article h1")).to_contain_text("The Statue Within")


def test_menu_of_a_phone_opens_leads_on_and_closes(open_page: Open) -> None:
    page = open_page("book/welcome", **PHONE)
    link = page.get_by_role("link", name="Words and symbols").locator("visible=true")
    assert link.count() == 0
    page.locator(".primary-toggle").click()
    expect(link).to_have_count(1)
    page.keyboard.press("Escape")
    expect(link).to_have_count(0)
    page.locator(".primary-toggle").click()
    link.click()
    expect(page.locator("article h1")).to_contain_text("Words and symbols")


def test_ledger_is_what_the_chapters_stored(open_page: Open) -> None:
    claims = collect(ROOT / "notebooks")
    page = open_page("book/evidence")
    rows = page.locator("table.ledger tbody tr")
    expect(rows).to_have_count(len(claims))
    for claim, row in zip(claims, rows.all(), strict=True):
        # Sphinx sets apostrophes as a printer does.
        expect(row).to_contain_text(
            claim.measured_text.replace("'", "\N{RIGHT SINGLE QUOTATION MARK}")
        )
        expect(row).to_contain_text(claim.verdict)
    if claims:
        rows.first.get_by_role("link").click()
        expect(page.locator(f"#{claims[0].id}")).to_be_in_viewport()
