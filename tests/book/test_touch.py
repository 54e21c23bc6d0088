"""Parts to touch on a page of the book: its style sheets and scripts leave them as they are."""

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe

from course_lib.teaching import touch

pytestmark = pytest.mark.slow

# As an output comes to a page that is there already: markup first, then its scripts.
ADD = """html => {
  document.querySelector("article h1").insertAdjacentHTML("afterend", html);
  document.querySelectorAll("article .sw-touch ~ script").forEach(old => {
    const script = document.createElement("script");
    script.textContent = old.textContent;
    old.replaceWith(script);
  });
}"""


def parts():
    rng = np.random.default_rng(0)
    made = [
        touch.five(rng.standard_normal(64)),
        touch.ball(),
        touch.stretch(),
        touch.deals(rng.standard_normal(10)),
        touch.bytes_of(),
        touch.crowd(rng.random(300)),
    ]
    return "".join(part.html for part in made)


@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (1280, "dark"), (1920, "light")])
def test_in_the_book_they_are_whole_and_axe_finds_nothing(open_page, width, scheme):
    page = open_page(
        "notebooks/06_chance", viewport={"width": width, "height": 900}, color_scheme=scheme
    )
    page.evaluate(ADD, parts())
    assert page.locator(".sw-touch.sw-on").count() == 6
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    cut = "all => all.filter(each => each.scrollWidth > each.clientWidth + 1).length"
    assert page.eval_on_selector_all(".sw-touch, .sw-live, .sw-board, .sw-hands", cut) == 0
    # Style sheets are not fetched a second time: the page forbids it.
    found = Axe().run(page, context=".sw-touch", options={"preload": False}).response
    assert found["passes"]
    assert not [
        (rule["id"], [n["html"][:120] for n in rule["nodes"]]) for rule in found["violations"]
    ]


def test_a_printed_page_of_the_book_shows_their_start(open_page):
    page = open_page("notebooks/06_chance")
    page.evaluate(ADD, parts())
    page.emulate_media(media="print")
    for still, live in zip(
        page.locator(".sw-still").all(), page.locator(".sw-live").all(), strict=True
    ):
        assert still.is_visible() and not live.is_visible()
