"""What a reader does with the book: menu, search, the dark, sliders, quizzes."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from course_lib.chapters import chapters, course
from course_lib.teaching import Claim, collect

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
CHAPTERS = [f"notebooks/{path.stem}" for path in chapters(ROOT)]
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True}
Open = Callable[..., Page]


def shown_frame(slider: Locator) -> str:
    """The description of the one frame that a slider shows."""
    frames = slider.locator("[data-frame]:visible [role=img]:visible")
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
        spoken = handle.get_attribute("aria-valuetext") or ""
        assert spoken.startswith(f"{slider.locator('output').inner_text()}: ")
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
    for clear in page.locator(".sw-quiz").get_by_role("button", name="Clear").all():
        clear.click()
    expect(page.locator(".sw-quiz [role=status] p:visible")).to_have_count(0)


def test_a_number_may_be_written_in_many_ways(open_page: Open) -> None:
    page = open_page("notebooks/01_sparse_approximation")

    def same(typed: str, number: float) -> bool:
        return bool(
            page.evaluate("([typed, number]) => swQuiz.same(typed, number, 1e-9)", [typed, number])
        )

    right = {
        "0.25": 0.25,
        "1/4": 0.25,
        "25%": 0.25,
        "25 per cent": 0.25,
        "5,25": 5.25,
        "\u22122.5": -2.5,
    }
    right |= {
        "1 in 16": 1 / 16,
        "1:16": 1 / 16,
        "80 bytes": 80,
        "5 points": 5,
        "5%": 5,
        "2e3": 2000,
    }
    assert all(same(typed, number) for typed, number in right.items())
    wrong = {"25": 0.25, "0.05": 5, "abc": 0, "": 0, "1 2": 1, "a quarter": 0.25}
    assert not any(same(typed, number) for typed, number in wrong.items())


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
    expect(page.locator("#search-results li").first).to_contain_text(course(ROOT).name)
    page.locator("#search-results li a").first.click()
    expect(page.locator("article h1")).to_contain_text(course(ROOT).name)


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


def in_reading_order() -> list[Claim]:
    """All claims as the ledger lists them."""
    return sorted(collect(ROOT / "notebooks"), key=lambda claim: (claim.chapter, claim.place))


def test_ledger_is_what_the_chapters_stored(open_page: Open) -> None:
    claims = in_reading_order()
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


def test_the_ledger_shows_one_verdict_if_asked(open_page: Open) -> None:
    claims = in_reading_order()
    page = open_page("book/evidence")
    rows = page.locator("table.ledger tbody tr")
    for verdict in {claim.verdict for claim in claims}:
        page.get_by_role("radio", name=re.compile(rf"^{verdict} \(\d+\)$")).check()
        wanted = [claim.number for claim in claims if claim.verdict == verdict]
        assert rows.locator("visible=true").locator("td:first-child").all_inner_texts() == wanted
    page.get_by_role("radio", name=re.compile("^all")).check()
    expect(rows.locator("visible=true")).to_have_count(len(claims))


def test_the_concept_test_judges_only_when_both_answers_are_given(open_page: Open) -> None:
    page = open_page("book/concept_test")
    test, status = page.locator(".sw-concept"), page.locator(".sw-concept [role=status]")
    questions = test.locator("fieldset").all()
    keep = page.get_by_role("button", name="Keep these answers")

    def answer(right: int) -> None:
        """Answer as many rightly, the others with the next option."""
        for place, question in enumerate(questions):
            good = int(question.get_attribute("data-right") or 0)
            key = good if place < right else (good + 1) % 3
            question.locator(f'input[value="{key}"]').check()

    keep.click()
    expect(status).to_contain_text("12 of 12 questions have no answer yet")
    answer(3)
    keep.click()
    expect(status).to_contain_text("Your first answers are kept")
    expect(test.locator(".sw-said:visible")).to_have_count(0)
    page.reload()
    page.get_by_role("button", name="I have read it: answer again").click()
    assert test.locator("input:checked").count() == 0
    answer(9)
    keep.click()
    expect(status).to_contain_text(
        "Right before: 3 of 12. Right after: 9 of 12. You changed your mind 6 times."
        " Of what there was to gain you gained 67%."
    )
    expect(test.locator(".sw-said:visible")).to_have_count(12)
    expect(test.locator('[data-time=before][data-as="right"]')).to_have_count(3)
    page.get_by_role("button", name="Forget all my answers").click()
    page.reload()
    expect(status).to_contain_text("Before you read")


def test_answers_kept_before_the_options_moved_stay_right(open_page: Open) -> None:
    """They were kept by place, and the right places were the first, third and second, in turn."""
    page = open_page("book/concept_test")
    for time in ("before", "after"):
        kept = {"answers": [0, 2, 1] * 4, "day": "1 January 2026"}
        arguments = [f"sw-concept:concept_test:{time}", json.dumps(kept)]
        page.evaluate("([key, value]) => localStorage.setItem(key, value)", arguments)
    page.reload()
    status = page.locator(".sw-concept [role=status]")
    expect(status).to_contain_text("Right before: 12 of 12. Right after: 12 of 12.")
    first = page.locator('.sw-said [data-time="before"]').first
    expect(first).to_have_text(
        re.compile("For every measure that adds up the same growing function")
    )


def test_progress_is_what_was_read_and_answered(open_page: Open) -> None:
    page = open_page("notebooks/01_sparse_approximation")
    question = page.locator(".sw-quiz fieldset").first
    known = re.findall(r"\[([-+.e\d]+),", question.get_attribute("data-known") or "")
    question.get_by_role("textbox").fill(known[0])
    question.get_by_role("textbox").press("Enter")
    page.locator(".bd-article h2").last.scroll_into_view_if_needed()
    page.wait_for_function("localStorage.getItem('sw-read:01_sparse_approximation') === 'read'")
    start = page.url.rpartition("notebooks/")[0]
    page.goto(f"{start}book/progress.html")
    row = page.locator(".reader-progress tbody tr").first
    expect(row).to_contain_text("to the end")
    expect(row).to_contain_text("1 of 5 answered, 1 right")
    expect(page.locator(".reader-summary")).to_contain_text("1 of 14 chapters read to the end")
    page.get_by_role("button", name="Forget all").click()
    page.reload()
    expect(row).to_contain_text("not opened")
    expect(row).to_contain_text("0 of 5 answered")


def test_progress_counts_guesses_and_forgets_them(open_page: Open) -> None:
    page = open_page("book/progress")
    page.add_init_script(
        """if (!sessionStorage.once) { sessionStorage.once = 1;
            localStorage.setItem("sw-guess:one", '{"value": 3, "seen": true}');
            localStorage.setItem("sw-guess:two", '{"seen": true}');
            localStorage.setItem("sw-guess:three", '{"value": "many"}');
            localStorage.setItem("sw-guess:four", '{"value": [1, 2]}'); }
        addEventListener("DOMContentLoaded", () => {
            const row = document.querySelector(".reader-progress tbody tr");
            row.dataset.guesses = '[["one", "number", 0], ["two", "choice", 0], '
              + '["three", "number", 0], ["four", "curve", 3]]'; });"""
    )
    page.reload()
    row, summary = page.locator(".reader-progress tbody tr").first, page.locator(".reader-summary")
    expect(row.locator(".reader-guesses")).to_have_text("1 of 4 made")
    expect(summary).to_contain_text(re.compile(r"1 of \d+ guesses made"))
    page.get_by_role("button", name="Forget all").click()
    expect(row.locator(".reader-guesses")).to_have_text("0 of 4 made")
    assert page.evaluate("localStorage.getItem('sw-guess:two')") is None


def test_the_first_figure_moves_until_it_is_paused(open_page: Open) -> None:
    page = open_page("book/welcome", reduced_motion="no-preference")
    slider, button = page.locator(".plays .sw-slider"), page.locator(".plays-button")
    expect(slider.locator("output")).to_have_attribute(
        "aria-live", "off"
    )  # or it would count aloud
    first = shown_frame(slider)
    while shown_frame(slider) == first:
        page.wait_for_timeout(100)
    button.click()
    expect(button).to_have_text("Play")
    expect(slider.locator("output")).to_have_attribute("aria-live", "polite")
    still = shown_frame(slider)
    page.wait_for_timeout(1500)
    assert shown_frame(slider) == still


def test_the_first_figure_is_still_for_those_who_prefer_it(open_page: Open) -> None:
    page = open_page("book/welcome", reduced_motion="reduce")
    slider = page.locator(".plays .sw-slider")
    first = shown_frame(slider)
    page.wait_for_timeout(1500)
    assert shown_frame(slider) == first
