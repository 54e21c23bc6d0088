"""Guesses in a real browser, alone on a page: asked, kept, laid over the figure that answers."""

import json
import math
import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from course_lib.teaching import answer, figure, guess, show
from course_lib.teaching.guess import ASKED

pytestmark = pytest.mark.slow

NAMES = ("lines", "tall", "winner", "fall", "open")
FALL = ([1, 0.1, 0.01], [90, 80, 10])
MARKED = 30  # the datum at which matplotlib itself draws a line, to compare with


def figures():
    """Each guess, and the figure that answers it."""
    ASKED.clear()
    fig, ax = figure(6, 3)
    ax.plot([2, 22, 64], [10, 38, 39])
    ax.axvline(MARKED, color="C5")
    ax.annotate("a long label", (52, 39), va="center")
    ax.set_title("a < b")
    yield (
        guess("lines", "How many lines?", low=2, high=64, unit="lines"),
        show(fig, alt="a rise", caption="Enough.", answers=answer("lines", 22)),
    )
    fig, (_, ax) = figure(6, 3, ncols=2)
    ax.set(yscale="log", ylim=(1, 1000), xlim=(0, 1))
    ax.axhline(MARKED, color="C5")
    yield (
        guess("tall", "How tall?", low=1, high=500, log="x"),
        show(fig, alt="a line", caption="So.", answers=answer("tall", 12.25, on=ax, along="y")),
    )
    fig, ax = figure(6, 3)
    ax.bar(["soft", "hard"], [1, 2])
    yield (
        guess("winner", "Who needs fewer?", choices=["soft", "hard", "neither"]),
        show(fig, alt="bars", caption="Two.", answers=answer("winner", "hard")),
    )
    fig, ax = figure(6, 3)
    ax.set(xscale="log", xlim=(1, 0.01), ylim=(0, 100))
    ax.plot(*FALL, color="C5")
    asked = guess(
        "fall", "Draw the fall.", x=FALL[0], y=(0, 100), unit="%", log="x", xlabel="density"
    )
    yield asked, show(fig, alt="a fall", caption="Late.", answers=answer("fall", FALL))
    fig, ax = figure(6, 3)
    ax.set(xlim=(0, 1))
    yield (
        guess("open", "And this?", low=0.0, high=2.0),
        show(fig, alt="empty", caption="Open.", answers=answer("open", lock=False)),
    )


def questions():
    """Two more questions, with no figure."""
    yield guess("many", "How many at most?", low=1, high=5000, unit="lines")
    yield guess("share", "Which share?", low=0.0, high=100.0, unit="%")


@pytest.fixture(scope="module")
def parts():
    """All questions, and each figure a screen further down; what is hidden is hidden by force."""
    asked, answered = zip(*figures(), strict=True)
    apart = '<p style="height:1500px">text</p>'
    force = "<style>[hidden]{display:none!important}</style>"
    asked = [*asked, *questions()]
    return [force, *(each.html for each in asked), *(apart + each.html for each in answered), apart]


def keep(page, name, **fields):
    """Answer a question by its fields, and press the button."""
    question = page.locator(f"#guess-{name}")
    if "number" in fields:
        question.get_by_role("textbox").fill(str(fields["number"]))
    if "choice" in fields:
        question.get_by_label(fields["choice"], exact=True).check()
    for slider, level in zip(
        question.get_by_role("slider").all(), fields.get("levels", ()), strict=False
    ):
        slider.fill(str(level))
    question.get_by_role("button", name="Keep this guess").click()
    return question.get_by_role("status")


def see(page, name):
    """Scroll to the figure that answers; it is seen when the question says so."""
    page.locator(f"#answer-{name}").scroll_into_view_if_needed()
    expect(page.locator(f"#guess-{name} [role=status]")).to_contain_text("seen the answer")


def is_open(page, name):
    picture = page.locator(f"#answer-{name} .sw-shown")
    cover = page.locator(f"#answer-{name} .sw-cover")
    shut = picture.get_attribute("hidden") is not None
    assert cover.is_visible() == shut
    return not shut


def kept(page, name):
    return json.loads(page.evaluate(f"localStorage.getItem('sw-guess:{name}')") or "{}")


ALL = {
    "lines": {"number": 12},
    "tall": {"number": 100},
    "winner": {"choice": "soft"},
    "fall": {"levels": (95, 60, 40)},
    "open": {"number": 0.5},
}
SAID = {
    "lines": "You guessed 12 lines; the answer is 22 lines.",
    "tall": "You guessed 100; the answer is 12.3.",
    "winner": "You said: soft. The answer is: hard.",
    "fall": "You drew 95% at 1, 60% at 0.1, 40% at 0.01. On average it is 18 points away from the "
    "answer, and at most 30 points, at 0.01.",
    "open": "You guessed 0.5.",
}


def spoken(page, name):
    return page.locator(f"#answer-{name} .sw-said").inner_text().replace("\u00a0", " ")


def test_a_figure_is_covered_until_there_is_a_guess_then_says_it(open_one):
    page = open_one()
    assert [is_open(page, name) for name in NAMES] == [False] * 4 + [True]
    assert not page.get_by_text("Enough.").is_visible()
    assert "a rise" not in page.locator("main").aria_snapshot()
    for name in NAMES:
        assert "Kept: " in keep(page, name, **ALL[name]).inner_text()
        assert is_open(page, name)
    assert {name: spoken(page, name) for name in NAMES} == SAID
    assert page.get_by_text("Enough.").is_visible()
    assert page.locator("svg:visible .sw-mine text", has_text="your guess").count() == 4


def test_a_guess_can_be_changed_until_the_answer_was_seen_and_is_kept(open_one):
    page = open_one()
    keep(page, "lines", number=12)
    keep(page, "lines", number=50)
    page.reload()
    assert page.locator("#guess-lines input").first.input_value() == "50"
    assert page.locator("#guess-lines input").first.is_enabled()
    see(page, "lines")
    for _ in range(2):
        assert page.locator("#guess-lines :is(input, button):enabled").count() == 0
        assert spoken(page, "lines").startswith("You guessed 50 lines")
        page.reload()
    assert kept(page, "lines") == {"value": 50, "seen": True}


def test_every_kind_comes_back_as_it_was_left(open_one):
    page = open_one()
    for name in NAMES:
        keep(page, name, **ALL[name])
    page.reload()
    assert page.locator("#guess-winner").get_by_label("soft").is_checked()
    levels = [s.input_value() for s in page.locator("#guess-fall").get_by_role("slider").all()]
    assert levels == ["95", "60", "40"]
    assert {name: spoken(page, name) for name in NAMES} == SAID


@pytest.mark.parametrize(
    ("name", "bad"),
    [("lines", bad) for bad in (1, 65, "", 12.5, "1,5", "1/0", "inf", "nan", "1e400", "many")]
    + [("open", -1), ("open", "0/0")],
)
def test_what_is_no_guess_is_told_and_opens_nothing(open_one, name, bad):
    page = open_one()
    whole = "whole " if name == "lines" else ""  # its two limits are whole
    assert f"Type a {whole}number from" in keep(page, name, number=bad).inner_text()
    assert kept(page, name) == {}


@pytest.mark.parametrize(
    ("name", "typed", "value"),
    [("open", "1,5", 1.5), ("open", "3/2", 1.5), ("share", "40%", 40), ("share", "40", 40),
     ("many", "1,024", 1024), ("many", "1 024", 1024), ("many", "1", 1)],
)  # fmt: skip
def test_a_guess_may_be_written_in_many_ways(open_one, name, typed, value):
    page = open_one()
    keep(page, name, number=typed)
    assert kept(page, name) == {"value": value}


def test_one_is_one_and_not_several(open_one):
    page = open_one()
    assert "Kept: 1\u00a0line. " in keep(page, "many", number=1).text_content()


def test_nothing_chosen_or_drawn_is_told(open_one):
    page = open_one()
    assert keep(page, "winner").inner_text() == "Choose one first."
    assert keep(page, "fall").inner_text() == "Draw the curve first."
    assert not is_open(page, "winner") and not is_open(page, "fall")


def test_slider_and_field_say_the_same(open_one):
    page = open_one()
    for name, end, middle in (("lines", 64, 33), ("tall", 500, 22.4)):
        field = page.locator(f"#guess-{name}").get_by_role("textbox")
        slider = page.locator(f"#guess-{name}").get_by_role("slider")
        assert field.input_value() == ""
        slider.press("End")
        assert float(field.input_value()) == end
        field.fill(str(middle))
        maximum = float(slider.get_attribute("max"))
        assert float(slider.input_value()) == pytest.approx(maximum / 2, abs=0.6)
        assert str(middle) in slider.get_attribute("aria-valuetext")


def test_all_by_keyboard(open_one):
    page = open_one()
    field = page.locator("#guess-lines").get_by_role("textbox")
    field.focus()
    page.keyboard.type("12")
    page.keyboard.press("Enter")
    assert kept(page, "lines") == {"value": 12}
    page.locator("#guess-winner input").first.focus()
    for key in ("ArrowDown", "Tab", "Enter"):
        page.keyboard.press(key)
    assert kept(page, "winner") == {"value": "hard"}
    page.locator("#guess-fall input").first.focus()
    for key in ("ArrowUp", "Tab", "End", "Tab", "Home"):
        page.keyboard.press(key)
        expect(page.locator("#guess-fall .sw-on")).to_have_count(1)
    focused = page.evaluate(
        "[document.activeElement.ariaLabel, document.activeElement.ariaValueText]"
    )
    assert focused == ["y at density 0.01", "0%"]
    for key in ("Tab", "Space"):
        page.keyboard.press(key)
    assert kept(page, "fall") == {"value": [51, 100, 0]}


def drag(page, *spots):
    """Draw over the pad, through spots in fractions of its width and height."""
    pad = page.locator("#guess-fall .sw-paper")
    pad.scroll_into_view_if_needed()
    box = pad.bounding_box()
    for i, (x, y) in enumerate(spots):
        page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
        if i == 0:
            page.mouse.down()
    page.mouse.up()


def test_a_curve_is_drawn_in_one_line_and_mended_point_by_point(open_one):
    page = open_one()
    drag(page, (0.01, 0.1), (0.99, 0.7))  # the browser tells of no point between
    levels = page.locator("#guess-fall").get_by_role("slider")
    drawn = [int(each.input_value()) for each in levels.all()]
    assert drawn == [pytest.approx(level, abs=2) for level in (90, 60, 30)]
    drag(page, (0.52, 0.25))
    assert [int(each.input_value()) for each in levels.all()] == [drawn[0], 75, drawn[2]]
    keep(page, "fall")
    assert kept(page, "fall")["value"] == [drawn[0], 75, drawn[2]]
    see(page, "fall")
    drag(page, (0.01, 0.5), (0.99, 0.5))
    assert int(levels.first.input_value()) == drawn[0], "drawn over what was seen"


def rectangle(page, name, what):
    return page.locator(f"#answer-{name} .sw-shown svg:visible {what}").first.evaluate(
        "e => { const r = e.getBoundingClientRect(); return [r.left, r.top, r.right, r.bottom]; }"
    )


BY_MATPLOTLIB = 'path[style*="--sw-6"]'


@pytest.mark.parametrize("width", [390, 800, 1920])
def test_a_guess_lies_where_its_datum_does(open_one, width):
    """Beside what matplotlib drew at the same datum, on linear and on logarithmic axes."""
    page = open_one(width=width)
    keep(page, "lines", number=MARKED)
    keep(page, "tall", number=MARKED)
    keep(page, "fall", levels=FALL[1])
    for name, mine in (("lines", "path"), ("tall", "path"), ("fall", "polyline")):
        ours, theirs = (rectangle(page, name, w) for w in (f".sw-mine {mine}", BY_MATPLOTLIB))
        assert ours == [pytest.approx(edge, abs=2) for edge in theirs], name


def test_the_oracle_can_tell_one_datum_from_the_next(open_one):
    page = open_one()
    keep(page, "lines", number=MARKED + 1)
    ours, theirs = (rectangle(page, "lines", w) for w in (".sw-mine path", BY_MATPLOTLIB))
    assert ours[0] - theirs[0] > 2


OVER = """all => all.flatMap(svg => {
  const box = e => e.getBoundingClientRect(), ours = [...svg.querySelectorAll(".sw-mine text")];
  return [...svg.querySelectorAll("text:not(.sw-mine *)")].filter(each => ours.some(mine => {
    const [a, b] = [box(mine), box(each)];
    return a.left < b.right && a.right > b.left && a.top < b.bottom && a.bottom > b.top;
  })).map(each => each.textContent);
})"""


# Whether the upright line of a guess, of which each piece is "Mx yVy", goes through the long label.
CROSSED = r"""svg => {
  const word = [...svg.querySelectorAll("text")].find(each => each.textContent === "a long label")
    .getBoundingClientRect(), line = svg.querySelector(".sw-mine path"), at = line.getScreenCTM();
  return [...line.getAttribute("d").matchAll(/M([\d.]+) ([\d.]+)V([\d.]+)/g)].some(piece => {
    const [x, ...ys] = piece.slice(1).map(Number);
    const [a, b] = ys.map(y => new DOMPoint(x, y).matrixTransform(at));
    return a.x > word.left && a.x < word.right && a.y < word.bottom - 3 && b.y > word.top + 3;
  });
}"""


@pytest.mark.parametrize("width", [390, 800])
@pytest.mark.parametrize("guessed", [55, 60, 63])
def test_a_guess_covers_no_word_of_the_figure_and_no_line_of_it_crosses_one(
    open_one, width, guessed
):
    page = open_one(width=width)
    keep(page, "lines", number=guessed)
    pictures = page.locator("#answer-lines svg:visible")
    expect(pictures.locator(".sw-mine text")).to_have_text("your guess")
    assert pictures.evaluate_all(OVER) == []
    crossed = page.locator("#answer-lines svg:visible").evaluate(CROSSED)
    assert not crossed


def test_the_cover_leaves_room_around_its_words(open_one):
    page = open_one(width=320)
    page.locator(".sw-cover b").evaluate_all(
        "all => all.forEach(each => { each.textContent = 'many words '.repeat(12); })"
    )
    for cover in page.locator(".sw-cover:visible").all():
        box = cover.bounding_box()
        for inner in cover.locator("p").all():
            word = inner.bounding_box()
            assert word["y"] >= box["y"] + 10
            assert word["y"] + word["height"] <= box["y"] + box["height"] - 10


def test_a_guess_beyond_the_axes_is_told_and_not_drawn(open_one):
    page = open_one()
    keep(page, "open", number=1.5)
    mine = page.locator("#answer-open svg:visible .sw-mine")
    assert mine.text_content() == "your guess, 1.5, lies beyond"
    assert mine.locator("path").count() == 0


def test_show_me_opens_and_ends_the_guessing(open_one):
    page = open_one()
    page.locator("#answer-winner").get_by_role("button", name="Show me").press("Enter")
    assert is_open(page, "winner") and not is_open(page, "lines")
    assert page.evaluate("document.activeElement.className") == "sw-shown"
    assert not page.locator("#answer-winner .sw-said").is_visible()
    page.reload()
    assert is_open(page, "winner")
    expect(page.locator("#guess-winner [role=status]")).to_have_text(
        "You looked at the answer first."
    )
    assert page.locator("#guess-winner input:enabled").count() == 0


def test_the_cover_leads_to_the_question(open_one):
    page = open_one()
    page.locator("#answer-lines").get_by_role("link", name="Make a guess").click()
    expect(page.locator("#guess-lines").get_by_role("textbox")).to_be_focused()
    expect(page.locator("#guess-lines")).to_be_in_viewport()


def test_who_comes_by_a_link_or_a_search_in_the_page_finds_it_open(open_one):
    page = open_one(aim="#answer-lines")
    assert is_open(page, "lines") and not is_open(page, "winner")
    assert kept(page, "lines") == {}
    page.evaluate("location.hash = '#answer-winner'")
    page.wait_for_function("!document.querySelector('#answer-winner .sw-shown').hidden")
    shut = page.locator("#answer-fall .sw-shown")
    assert shut.get_attribute("hidden") == "until-found"
    assert shut.evaluate("e => getComputedStyle(e).contentVisibility") == "hidden"
    shut.evaluate("e => e.dispatchEvent(new Event('beforematch', {bubbles: true}))")
    assert is_open(page, "fall")


def test_the_browser_itself_opens_for_a_fragment_of_text(open_one):
    assert is_open(open_one(aim="#:~:text=Enough."), "lines")


def test_printed_and_without_a_script_the_figure_is_open(open_one):
    page = open_one("book by night")
    page.emulate_media(media="print")
    assert not page.locator(".sw-cover").first.is_visible()
    assert page.get_by_text("Enough.").bounding_box()["height"] > 0
    assert not page.locator(".sw-controls").first.is_visible()
    bare = open_one(java_script_enabled=False)
    assert [is_open(bare, name) for name in NAMES] == [True] * 5
    assert bare.get_by_text("How many lines?").first.is_visible()
    assert not bare.locator(".sw-guess :is(input, button, svg)").first.is_visible()


REFUSE = "Object.defineProperty(window, 'localStorage', {get() { throw new Error('no'); }})"


def test_where_nothing_can_be_kept_a_guess_lasts_for_the_visit(open_one):
    page = open_one(before=REFUSE)
    assert "keep nothing" in keep(page, "lines", number=12).inner_text()
    assert spoken(page, "lines") == SAID["lines"]
    see(page, "lines")
    assert spoken(page, "lines") == SAID["lines"]


@pytest.mark.parametrize(
    "odd", ["", "{", "null", "7", '{"value":"x"}', '{"value":[1,2]}', '{"value":null}']
)
def test_whatever_is_kept_no_page_breaks(open_one, odd):
    names = json.dumps([f"sw-guess:{name}" for name in NAMES if name != "winner"])
    page = open_one(before=f"for (const k of {names}) localStorage.setItem(k, {json.dumps(odd)})")
    assert not is_open(page, "lines") and not is_open(page, "fall")


@pytest.mark.parametrize(
    ("theme", "width"), [("day", 800), ("night", 800), ("day", 390), ("night", 390)]
)
def test_axe_finds_nothing_before_and_after(open_one, theme, width):
    page = open_one(f"book by {theme}", width)
    for name in (None, *NAMES):
        if name:
            keep(page, name, **ALL[name])
        if name in (None, NAMES[-1]):
            found = Axe().run(page).response["violations"]
            assert [(each["id"], [n["html"][:120] for n in each["nodes"]]) for each in found] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_by_night_the_guess_can_be_told_from_the_page(open_one):
    page = open_one("book by night")
    keep(page, "lines", number=12)
    ink = page.locator("#answer-lines svg:visible .sw-mine path").evaluate(
        "e => getComputedStyle(e).stroke"
    )
    assert math.prod(map(int, re.findall(r"\d+", ink))) > 200**3


def test_in_jupyterlab_the_keys_are_the_components_own(open_one):
    page = open_one()
    focusable = page.locator(":is(.sw-guess, .sw-cover) :is(a, input, button), .sw [tabindex]")
    assert focusable.count() > 15
    assert (
        page.locator(
            ".sw :is(a, input, button, [tabindex]):not([data-lm-suppress-shortcuts])"
        ).count()
        == 0
    )


def test_a_cell_that_runs_again_shows_what_is_kept_and_leaves_the_others(open_one):
    """JupyterLab puts the output anew into the page, and runs its scripts."""
    page = open_one()
    keep(page, "lines", number=12)
    page.locator("#guess-winner").get_by_label("hard").check()
    page.evaluate(
        """() => { const old = document.querySelector("#guess-lines"), made = old.cloneNode(true);
        delete made.querySelector("fieldset").dataset.ready;
        made.querySelector("input").value = "";
        old.replaceWith(made); swGuess.restore(); }"""
    )
    assert page.locator("#guess-lines input").first.input_value() == "12"
    assert page.locator("#guess-winner").get_by_label("hard").is_checked()
