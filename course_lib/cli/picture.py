"""`make picture`: the picture of a page that README.md shows, taken from the built book."""

import shutil
import sys
from pathlib import Path

from course_lib.cli.doctor import CHROMIUM
from course_lib.cli.place import course_root

PAGE = "notebooks/01_sparse_approximation.html"
WIDTH = 1180  # as wide as the page without its contents beside it

# Put the heading of the first slider's section under the bar at the top; nothing of a line is cut.
SCROLL = """() => {
  const section = document.querySelector("input[type=range]").closest("section");
  const heading = section.querySelector("h2, h3");
  const top = heading.getBoundingClientRect().top + scrollY;
  scrollTo({top: top - 1.5 * heading.offsetHeight - 24, behavior: "instant"});
}"""
# The height at which the whole side bar can be seen.
HEIGHT = """() => {
  const links = document.querySelectorAll(".bd-sidebar-primary a");
  return Math.ceil(links[links.length - 1].getBoundingClientRect().bottom) + 32;
}"""


def picture(html: Path, target: Path) -> None:
    """Take the picture: a chapter at its first slider, with the whole side bar.

    Args:
        html: folder of the built book.
        target: the PNG file.

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
        page = browser.new_page(viewport={"width": WIDTH, "height": 1000}, color_scheme="light")
        page.goto((html / PAGE).as_uri())
        page.evaluate("window.MathJax?.startup?.promise.then(() => 0)")  # formulas are set
        page.set_viewport_size({"width": WIDTH, "height": page.evaluate(HEIGHT)})
        page.evaluate(SCROLL)
        page.evaluate("document.fonts.ready.then(() => 0)")
        page.wait_for_function("document.querySelector('.bd-sidebar-primary').scrollTop === 0")
        page.wait_for_timeout(1000)  # what slides or fades has done so
        page.screenshot(path=str(target))
        browser.close()


if __name__ == "__main__":
    root = course_root()
    picture(root / "_build" / "html", root / "book" / "_static" / "readme.png")
    print("book/_static/readme.png is new; look at it.")
