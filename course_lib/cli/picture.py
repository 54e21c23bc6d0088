"""`make picture`: the picture of a page that README.md shows, taken from the built book.

It moves, as the slider on the page does: few numbers first, then more.
"""

import io
import shutil
import sys
from pathlib import Path

from course_lib.cli.doctor import CHROMIUM
from course_lib.cli.place import course_root

PAGE = "notebooks/01_sparse_approximation.html"
WIDTH, HEIGHT = 1180, 800  # as wide as the page without its contents beside it

SECONDS, LAST = 1.2, 3.0  # that a step of the slider is seen, and its last one
COLOURS = 96  # greys of the coin and what little else has a colour: a GIF has one table of them
STEPS = 7  # of the slider that are seen

# The slider's figure, with its caption, at the foot of the window.
SCROLL = """() => document.querySelector("input[type=range]").closest("figure")
  .scrollIntoView({block: "end", behavior: "instant"})"""


def picture(html: Path, target: Path) -> None:
    """Take the picture: a chapter while its first slider moves.

    Args:
        html: folder of the built book.
        target: the GIF file.

    Raises:
        SystemExit: there is no Chromium.
    """
    from playwright.sync_api import sync_playwright

    program = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if program is None:
        sys.exit(
            "Error: a picture needs Chromium; `course doctor --need test` says how to have it."
        )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
        page.goto((html / PAGE).as_uri())
        page.evaluate("window.MathJax?.startup?.promise.then(() => 0)")  # formulas are set
        page.evaluate(SCROLL)
        page.evaluate("document.fonts.ready.then(() => 0)")
        page.wait_for_function("document.querySelector('.bd-sidebar-primary').scrollTop === 0")
        page.wait_for_timeout(1000)  # what slides or fades has done so
        slider = page.locator("input[type=range]").first
        start = int(slider.input_value())  # the last one seen, as on the page
        taken = []
        for step in range(max(0, start - STEPS + 1), start + 1):
            slider.fill(str(step))
            taken.append(page.screenshot())
        browser.close()
    _moving(taken, target)


def _moving(taken: list[bytes], target: Path) -> None:
    """Write pictures as one that moves, for ever, in colours that all of them share."""
    from PIL import Image

    pictures = [Image.open(io.BytesIO(each)).convert("RGB") for each in taken]
    table = pictures[-1].quantize(COLOURS)
    first, *others = (each.quantize(palette=table, dither=Image.Dither.NONE) for each in pictures)
    seen = [1000 * SECONDS] * len(others) + [1000 * LAST]
    first.save(target, save_all=True, append_images=others, duration=seen, loop=0, optimize=True)


if __name__ == "__main__":
    root = course_root()
    picture(root / "_build" / "html", root / "book" / "_static" / "readme.gif")
    print("book/_static/readme.gif is new; look at it.")
