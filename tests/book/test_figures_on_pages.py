"""The words of every figure, on the pages of the book: inside the figure and apart."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page

from course_lib.chapters import chapters

CHAPTERS = [path.stem for path in chapters(Path(__file__).parents[2])]

# Each drawing that the width shows, every frame of a slider and what waits for a guess included.
# A pixel over the edge is rounding; words overlap if by a quarter of the lower or narrower one.
FAULTS = r"""() => {
  document.querySelectorAll("details").forEach((each) => { each.open = true; });
  document.querySelectorAll("main [hidden]").forEach((each) => { each.hidden = false; });
  const faults = [];
  for (const svg of document.querySelectorAll(".sw-figure svg")) {
    const has = svg.getBoundingClientRect();
    if (!has.width) continue;
    const words = [...svg.querySelectorAll("text")].filter((text) => text.textContent.trim())
      .map((text) => ({said: text.textContent, lies: text.getBoundingClientRect()}));
    words.forEach(({said, lies: a}, i) => {
      const over = [has.left - a.left, a.right - has.right, has.top - a.top, a.bottom - has.bottom];
      if (Math.max(...over) > 1)
        faults.push(`outside: ${said}`);
      for (const {said: other, lies: b} of words.slice(0, i)) {
        const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
        const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
        if (Math.min(wide, high) > Math.min(a.width, a.height, b.width, b.height) / 4)
          faults.push(`on each other: ${other} | ${said}`);
      }
    });
  }
  return faults;
}"""


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("name", CHAPTERS)
def test_words_of_figures_lie_inside_and_apart(
    open_page: Callable[..., Page], name: str, width: int
) -> None:
    page = open_page(f"notebooks/{name}", viewport={"width": width, "height": 900})
    assert page.evaluate(FAULTS) == []
