"""Components in a real browser, alone on a page: as in JupyterLab, no style sheet helps them."""

import math

import pytest
from axe_playwright_python.sync_playwright import Axe

from course_lib.labs.drawings import diamond
from course_lib.teaching import (
    choice,
    evidence,
    figure,
    forest,
    interval,
    number,
    quiz,
    show,
    slider,
    source,
)
from tests.teaching.conftest import PAGES

# Of every figure: how wide it is drawn, how high its smallest letters, which words stick out of it.
WORDS = """all => all.map(each => {
  const own = each.getBoundingClientRect(), words = [...each.querySelectorAll("svg text")]
    .filter(text => text.getClientRects().length)
    .map(text => [text, text.getBoundingClientRect(), text.getScreenCTM()]);
  return {
    drawn: [...each.querySelectorAll("svg")].filter(svg => svg.getClientRects().length)
      .map(svg => svg.getBoundingClientRect().width),
    letters: Math.min(...words.map(([text, , at]) =>
      parseFloat(getComputedStyle(text).fontSize) * Math.hypot(at.a, at.b))),
    out: words.filter(([, box]) => box.left < own.left - 1 || box.right > own.right + 1)
      .map(([text]) => text.textContent),
  };
})"""

pytestmark = pytest.mark.slow


def components():
    fig, ax = figure(4, 3)
    ax.plot([0, 1], [0, 1])
    ax.set_title("a < b")
    two, axes = figure(height=3, ncols=2, sharey=True)
    for pane in axes:
        pane.plot([0, 1], [0, 1], label="a line with a name")
        pane.legend()
    pictures, panes = figure(height=2, ncols=3)
    for pane in panes:
        pane.imshow([[0, 1], [1, 0]])
        pane.axis("off")
        pane.set_title("a picture")
    rows = {"a": (1.0, 0.5, 1.5, "better"), "b": (-0.1, -0.5, 0.3, "undecided")}
    verdicts = ("holds", "holds under conditions", "does not hold")
    return {
        "figure": show(fig, alt="a rising line", caption="It rises."),
        "two panels": show(two, alt="two lines", caption="Both rise."),
        "pictures": show(pictures, alt="three pictures"),
        "forest": forest({"digits": rows}, label="way", unit="points", caption="One is better."),
        "drawing": diamond(),
        "wide slider": frames("wide", width=8),
        "first": frames("first"),
        "second": frames("second"),
        "quiz": quiz(
            "test",
            [
                choice(
                    r"Is \(1 < 2\)?", {"yes": "It is.", "no & never": "Count again."}, right="yes"
                ),
                number(
                    "Half of one half?",
                    0.25,
                    why="Well halved.",
                    wrong={1: "Twice it."},
                    otherwise="No.",
                ),
            ],
        ),
        "source": source(interval),
        **{
            f"claim {i}": evidence(
                f"C{i}",
                f"Claim {i} < 9.",
                verdict=verdict,
                measured=0.5,
                check=i != 3,
                clock=i == 3,
                interval=(0.4, 0.6),
                over="5 seeds",
                note="as a test",
            )
            for i, verdict in enumerate(verdicts, 1)
        },
    }


def frames(label, width=4):
    def draw(ax, n):
        ax.plot(range(n))
        ax.set_title(f"{n} points")

    return slider(
        draw,
        [2, 3, 4, 5],
        label=label,
        alt=lambda n: f"{n} points",
        start=1,
        caption="c",
        width=width,
        height=3,
    )


@pytest.fixture(scope="module")
def parts():
    return [each._repr_mimebundle_()["text/html"] for each in components().values()]


@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing_before_and_after_answers(open_one, name):
    page = open_one(name, color_scheme=PAGES[name][2])
    for _ in range(2):
        found = Axe().run(page).response["violations"]
        assert [(each["id"], [n["html"][:120] for n in each["nodes"]]) for each in found] == []
        page.get_by_label("no & never").check()
        page.get_by_role("textbox").fill("1/4")
        page.get_by_role("textbox").press("Enter")
        assert page.get_by_text("Well halved.").is_visible()


def shown(page, label):
    """What one slider shows, and says of it."""
    figure = page.locator(".sw-slider", has=page.get_by_role("slider", name=label))
    return (
        figure.locator("svg:visible").get_attribute("aria-label"),
        figure.locator("output").inner_text(),
        page.get_by_role("slider", name=label).get_attribute("aria-valuetext"),
    )


def test_two_sliders_move_by_keys_and_each_by_itself(open_one):
    page = open_one()
    assert shown(page, "first") == shown(page, "second") == ("3 points", "3", "3: 3 points")
    page.get_by_role("slider", name="first").focus()
    for keys, expected in (("ArrowRight", "4"), ("End", "5"), ("ArrowRight", "5"), ("Home", "2")):
        page.keyboard.press(keys)
        said = f"{expected}: {expected} points"
        assert shown(page, "first") == (f"{expected} points", expected, said)
    assert shown(page, "second") == ("3 points", "3", "3: 3 points")


def test_hidden_frames_are_hidden_from_a_screen_reader(open_one):
    snapshot = open_one().locator("main").aria_snapshot()
    assert snapshot.count('img "3 points"') == 3
    assert "2 points" not in snapshot and "4 points" not in snapshot


@pytest.mark.parametrize("width", [320, 390, 800])
def test_nothing_is_wider_than_the_window(open_one, width):
    page = open_one(width=width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_quiz_says_nothing_before_it_is_answered_then_a_word_on_every_answer(open_one):
    page = open_one()
    said = page.locator(".sw-quiz [role=status] p:visible")
    assert said.count() == 0
    page.get_by_label("no & never").check()
    assert "Not quite. Count again." in said.inner_text()
    page.get_by_label("yes").check()
    assert "Right. It is." in said.inner_text()
    field = page.get_by_role("textbox")
    for text, answer in (
        ("0.25", "Well halved"),
        ("25 %", "Well halved"),
        ("1/4", "Well halved"),
        ("0,25", "Well halved"),
        ("1", "Twice it"),
        ("−1", "No."),
        ("seven", "not a number"),
        ("1/0", "not a number"),
        ("1e400", "not a number"),
        ("inf", "not a number"),
        ("nan", "not a number"),
        ("", "Type a number first."),
    ):
        field.fill(text)
        field.press("Enter")
        assert answer in said.nth(1).inner_text(), text
    assert said.nth(1).inner_text() == "Type a number first."  # and no "Not quite."
    page.reload()
    assert said.count() == 1, "an empty field was kept as an answer"


@pytest.mark.parametrize(
    ("text", "value"),
    [("1,024", 1024), ("1 024", 1024), ("−1,024", -1024), ("1,234,567", 1234567),
     ("1,024.5", 1024.5), ("12,345/5", 2469), ("1,5", 1.5), ("0,125", 0.125), ("1,0245", 1.0245),
     ("1.024", 1.024), ("1 in 1,000", 0.001), ("5 %", 0.05), ("1.024,5", None), ("1,2,3", None),
     ("0/0", None), ("-1e999", None)],
)  # fmt: skip
def test_a_comma_is_read_by_what_follows_it(open_one, text, value):
    read = open_one().evaluate("text => [swNumber(text)].find(Number.isFinite) ?? null", text)
    assert read == (value if value is None else pytest.approx(value, rel=1e-12))


def test_how_a_comma_was_read_is_said_where_it_could_be_a_decimal(open_one):
    page = open_one()
    field, said = page.get_by_role("textbox"), page.locator(".sw-read")
    for text, words in (
        ("1,024", "read as one between thousands; for a decimal write 1.024."),
        ("1,5", ""),
        ("1024", ""),
    ):
        field.fill(text)
        field.press("Enter")
        assert words in said.text_content() and bool(words) == said.is_visible(), text


def test_the_bar_beside_a_question_of_two_lines_begins_with_it(open_one):
    page = open_one(width=320)
    # The border of a fieldset begins at the middle of a legend that is not afloat.
    floats, below = page.locator(".sw-quiz legend").last.evaluate(
        """e => { e.textContent = "many words ".repeat(20);
        const top = each => each.getBoundingClientRect().top;
        return [getComputedStyle(e).float, top(e) - top(e.parentElement)]; }"""
    )
    assert (floats, below) == ("left", 0)


def test_a_quiz_of_one_question_has_no_number_and_is_no_landmark():
    """A page may have several; landmarks of one name could not be told apart."""
    asked = number("Half of one half?", 0.25, why="Well halved.", wrong={}, otherwise="No.")
    one, two = quiz("one", [asked]).html, quiz("two", [asked, asked]).html
    assert ">Half of one half?<" in one and "aria-label" not in one and "my answer<" in one
    assert ">2. Half of one half?<" in two and 'aria-label="Quiz"' in two


def test_a_quiz_is_kept_and_can_be_cleared(open_one):
    page = open_one()
    page.get_by_label("yes").check()
    page.get_by_role("textbox").fill("1")
    page.get_by_role("button", name="Check").click()
    page.reload()
    assert page.get_by_label("yes").is_checked()
    assert page.get_by_text("Twice it.").is_visible()
    page.get_by_role("button", name="Clear my answers").click()
    page.reload()
    assert not page.get_by_label("yes").is_checked()
    assert page.locator(".sw-quiz [role=status] p:visible").count() == 0


INKS = {"day": "rgb(31, 36, 41)", "night": "rgb(228, 232, 236)"}


@pytest.mark.parametrize(
    ("name", "system", "ink"),
    [
        ("book by day", "dark", "day"),
        ("book by night", "light", "night"),
        ("lab by night", "light", "night"),
        ("lab by day, system dark", "dark", "day"),
        ("elsewhere", "light", "day"),
        ("elsewhere", "dark", "night"),
    ],
)
def test_the_page_decides_between_day_and_night(open_one, name, system, ink):
    page = open_one(name, color_scheme=system)
    words = page.locator("svg text", has_text="a < b").first
    assert words.evaluate("each => getComputedStyle(each).fill") == INKS[ink]


def test_letters_of_a_figure_can_be_read_on_a_phone(open_one):
    page = open_one(width=390)
    heights = page.eval_on_selector_all(
        "svg text", "all => all.map(t => t.getBoundingClientRect().height).filter(h => h > 0)"
    )
    assert heights and min(heights) > 8 and math.isfinite(max(heights))


@pytest.mark.parametrize(("width", "least"), [(320, 10), (390, 10), (768, 12.4), (1280, 12.4)])
def test_figures_are_whole_and_their_letters_are_large_in_every_column(open_one, width, least):
    """Two panels, pictures, a forest, a drawing, sliders: on a phone, in a column, on a screen."""
    page = open_one(width=width)
    found = page.eval_on_selector_all("figure.sw:not(.sw-source)", WORDS)
    assert len(found) == 8
    for each in found:
        assert each["letters"] >= least and each["out"] == [], each
        assert max(each["drawn"]) <= width
    whole = [each["drawn"] for each in found[1:3]] + [found[5]["drawn"]]
    assert whole == ([[736]] * 3 if width >= 768 else whole)


def test_printed_a_figure_is_the_one_for_a_wide_column(open_one):
    page = open_one(width=390)
    assert page.locator("svg.sw-narrow:visible").count() == 3
    page.emulate_media(media="print")
    assert page.locator("svg.sw-narrow:visible").count() == 0
    assert page.locator("svg.sw-wide:visible").count() == 3


def test_printed_a_slider_shows_its_start_by_day(open_one):
    page = open_one("book by night")
    page.get_by_role("slider", name="first").fill("3")
    page.emulate_media(media="print")
    slider = page.locator(".sw-slider", has=page.locator("[aria-label=first]"))
    assert slider.locator("svg:visible").get_attribute("aria-label") == "3 points"
    assert not slider.locator("input, output").first.is_visible()
    at = "each => getComputedStyle(each, '::after').content"
    assert slider.locator(".sw-start").evaluate(at) == '"first: 3"'
    words = page.locator("svg text", has_text="a < b").first
    assert words.evaluate("each => getComputedStyle(each).fill") == INKS["day"]


def test_the_name_of_a_source_stands_at_its_left_whatever_follows(open_one):
    """Every output brings the shared style sheet again; it must not undo what came between."""
    caption = open_one().locator(".sw-source figcaption")
    assert caption.evaluate("each => getComputedStyle(each).textAlign") == "left"


def test_in_jupyterlab_the_keys_are_the_components_own(open_one):
    """Its shortcuts take the arrows from whatever has the focus and does not carry this mark."""
    focusable = open_one().locator(".sw :is(input, button, [tabindex])")
    assert focusable.count() > 5
    marked = open_one().locator(".sw :is(input, button, [tabindex])[data-lm-suppress-shortcuts]")
    assert marked.count() == focusable.count()
