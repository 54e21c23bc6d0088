"""Every page of the book: whole, offline, legible at any width, and open to everybody."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple
from urllib.parse import unquote, urldefrag

import pytest
import yaml
from axe_playwright_python.sync_playwright import Axe
from bs4 import BeautifulSoup
from playwright.sync_api import Browser, Page

from course_lib.chapters import chapters
from course_lib.cli.bench.chapters import FIRST_PAGE, PAGE, compressed_size
from course_lib.cli.book import pages

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
CONTENTS = [
    name.removesuffix(".md").removesuffix(".ipynb")
    for name in pages(yaml.safe_load((ROOT / "_toc.yml").read_text()))
]
# The pages of the assignments are made alike: one on which it is done, one which only tells.
ALIKE = [name for name in CONTENTS if name.startswith("book/page/")]
CONTENTS = [name for name in CONTENTS if name not in ALIKE or name[10:12] in ("04", "15")]
PAGES = [*CONTENTS, "search", "genindex"]
CHAPTERS = [f"notebooks/{path.stem}" for path in chapters(ROOT)]
# All pages have their colours of one sheet: by night, one of each kind is looked at every time.
ONE_OF_EACH = [
    *("book/welcome", "book/evidence", "book/progress", "book/concept_test"),
    *("book/library/masks", "book/page/04_thresholding", "search", *CHAPTERS[3:4]),
]

# By night only the colours are other. Without preload: axe resolves @import against the page.
# And what is in order is not told node by node, which would take as long again.
BY_DAY = {"preload": False, "resultTypes": ["violations"]}
BY_NIGHT = BY_DAY | {"runOnly": ["color-contrast", "link-in-text-block"]}


class Visit(NamedTuple):
    name: str
    page: Page


@pytest.fixture(scope="module", params=PAGES)
def visit(request: pytest.FixtureRequest, visitor: Callable[..., Any]) -> Iterator[Visit]:
    """A page, opened once for the tests that follow, in their order: it takes seconds."""
    with visitor() as open_page:
        yield Visit(request.param, open_page(request.param))


def test_a_page_is_light(visit: Visit, site: Path) -> None:
    name, page = visit
    page.wait_for_load_state("networkidle")
    loaded = page.evaluate("performance.getEntriesByType('resource').map(each => each.name)")
    paths = {site / unquote(address.split("/", 3)[3].partition("?")[0]) for address in loaded}
    files = [path for path in {*paths, site / f"{name}.html"} if path.is_file()]
    size = sum(map(compressed_size, files)) / 1000
    assert size < (FIRST_PAGE if name == CONTENTS[0] else PAGE), f"{size:.0f} kB"


# How far a formula on a line of its own stands from the middle of its line, in widths of that line.
ASIDE = """() => {
  const lines = [...document.querySelectorAll("div.math")].filter(line => line.clientWidth);
  return lines.map(line => {
    const [own, set] = [line, line.querySelector("mjx-math")].map(x => x.getBoundingClientRect());
    return (set.left + set.right - own.left - own.right) / 2 / own.width;
  });
}"""


def test_formulas_are_set(visit: Visit) -> None:
    name, page = visit
    written = page.locator(".math.notranslate").count()
    assert page.locator("mjx-container").count() >= written
    assert page.locator("mjx-merror, [data-mjx-error]").count() == 0
    aside = page.evaluate(ASIDE)
    assert all(abs(each) < 0.1 for each in aside), f"formulas off the middle: {aside}"
    assert name != "book/notation" or written > 10  # or this test would test nothing


def violations(page: Page, scheme: Literal["light", "dark"], rules: dict[str, object]) -> str:
    """What axe finds on a page in these colours."""
    page.emulate_media(color_scheme=scheme)
    page.locator(f"html[data-theme={scheme}]").wait_for()
    page.add_style_tag(content="* { transition: none !important }")  # colours are final
    # What a drawing is made of is nobody's to read: its description is.
    found = Axe().run(page, context={"exclude": [["svg > g"]]}, options=rules).response
    assert found["passes"]
    return "\n".join(
        f"{rule['id']}: {node['html'][:300]}"
        for rule in found["violations"]
        for node in rule["nodes"]
    )


def test_axe_finds_nothing_by_day(visit: Visit) -> None:
    assert not violations(visit.page, "light", BY_DAY)


@pytest.mark.parametrize(
    "visit",
    [name if name in ONE_OF_EACH else pytest.param(name, marks=pytest.mark.long) for name in PAGES],
    indirect=True,
)
def test_axe_finds_nothing_by_night(visit: Visit) -> None:
    assert not violations(visit.page, "dark", BY_NIGHT)


def test_no_page_is_wider_than_its_window(visit: Visit) -> None:
    for width in (320, 390, 768, 1024, 1200, 1360):
        visit.page.set_viewport_size({"width": width, "height": 844})
        root = "document.documentElement"
        over = visit.page.evaluate(f"{root}.scrollWidth - {root}.clientWidth")
        assert over <= 0, f"{over} pixels too wide at {width}"


def test_every_chapter_is_in_the_contents_and_on_the_map(site: Path) -> None:
    assert [name for name in CONTENTS if name.startswith("notebooks/")] == CHAPTERS
    welcome = (site / "book" / "welcome.html").read_text(encoding="utf-8")
    entries = BeautifulSoup(welcome, "html.parser").select(".chapter-map li")
    assert [entry.find("a")["href"] for entry in entries] == [f"../{n}.html" for n in CHAPTERS]


def test_words_of_the_map_stay_in_their_boxes(open_page: Callable[..., Page]) -> None:
    room = open_page("book/welcome").evaluate("""() =>
      [...document.querySelectorAll(".chapter-graph a")].map(a => {
        const [box, words] = ["rect", "text"].map(tag => a.querySelector(tag).getBBox());
        return box.x + box.width - words.x - words.width;
      })""")
    assert len(room) == len(CHAPTERS) and min(room) >= 0


def test_no_id_stands_twice_on_a_page_and_no_formula_as_it_was_typed(site: Path) -> None:
    for path in (site / f"{name}.html" for name in [*PAGES, *ALIKE]):
        page = BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
        ids = [tag["id"] for tag in page.select("[id]")]
        assert len(ids) == len(set(ids)), f"{path.name}: {sorted(ids)}"
    sources = BeautifulSoup((site / "book/references.html").read_text("utf-8"), "html.parser")
    assert "$" not in sources.select_one("article").get_text()  # type: ignore[union-attr]


def test_an_assignment_has_the_number_of_its_chapter(site: Path) -> None:
    page = (site / "book/page/04_thresholding.html").read_text(encoding="utf-8")
    assert "<title>Assignment 4: " in page and "Assignment 5: " in page  # in the side bar too
    capstone = (site / "book/page/15_capstone.html").read_text(encoding="utf-8")
    assert "Assignment 15: " not in capstone


SHIFTS = """window.shifts = 0; new PerformanceObserver(list => list.getEntries().forEach(each => {
  if (!each.hadRecentInput) shifts += each.value;
})).observe({ type: "layout-shift", buffered: true });"""


@pytest.mark.parametrize("name", ["notebooks/02_saliency", "notebooks/05_lottery_tickets"])
def test_little_moves_while_a_page_comes(browser: Browser, address: str, name: str) -> None:
    for width, height in ((1280, 720), (1920, 1080), (390, 844)):
        page = browser.new_page(viewport={"width": width, "height": height})
        page.add_init_script(SHIFTS)
        page.goto(f"{address}{name}.html")
        page.evaluate("MathJax.startup.promise.then(() => 0)")
        assert page.evaluate("shifts") < 0.05, width
        page.close()


@pytest.mark.parametrize("name", ["notebooks/04_thresholding", "book/progress"])
def test_where_nothing_may_be_kept_no_script_fails(
    open_page: Callable[..., Page], name: str
) -> None:
    """As browsers do that block what sites store; `open_page` looks for errors."""
    page = open_page(
        name,
        before="Object.defineProperty(window, 'localStorage', { configurable: true, "
        "get() { throw new DOMException('no', 'SecurityError'); } })",
    )
    page.get_by_role("button", name="Color mode").click()
    assert page.evaluate("document.documentElement.dataset.mode") != "auto"
    if name == "book/progress":
        assert "lets the book keep nothing" in page.locator(".reader-summary").inner_text()


def test_the_keyboard_is_seen_on_every_button_above_the_text(
    open_page: Callable[..., Page],
) -> None:
    page = open_page("notebooks/04_thresholding", viewport={"width": 1280, "height": 800})
    page.locator(".bd-header-article .btn").first.focus()
    page.keyboard.press("Shift+Tab")
    for _ in range(4):
        page.keyboard.press("Tab")
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none", page.evaluate("document.activeElement.outerHTML")


def test_the_first_figure_is_seen_at_once(open_page: Callable[..., Page]) -> None:
    page = open_page(
        "book/welcome", viewport={"width": 1366, "height": 768}, reduced_motion="reduce"
    )
    slider = page.locator(".plays .sw-slider")
    box = slider.bounding_box()
    assert box and box["y"] + box["height"] < 768
    assert slider.locator("output").inner_text() == "64"


def test_every_inner_link_leads_somewhere(site: Path) -> None:
    soups = {
        path.resolve(): BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
        for path in site.rglob("*.html")
        if "_static" not in path.parts
    }
    ids = {path: {tag["id"] for tag in soup.find_all(id=True)} for path, soup in soups.items()}
    dead = []
    for path, soup in soups.items():
        for tag in soup.find_all(["a", "link", "script", "img"]):
            link = tag.get("href") or tag.get("src") or ""
            if not link or link.startswith(("http:", "https:", "mailto:", "data:", "javascript:")):
                continue
            address, fragment = urldefrag(link)
            address = unquote(address.partition("?")[0])
            target = (path.parent / address).resolve() if address else path
            if not target.is_file() or (fragment and fragment not in ids.get(target, {fragment})):
                dead.append(f"{path.relative_to(site)} -> {link}")
    assert not dead, "\n".join(sorted(set(dead)))


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_chapter_can_be_launched(site: Path, name: str) -> None:
    """On Binder and Colab, from the repository that the configuration names."""
    config = yaml.safe_load((ROOT / "_config.yml").read_text())
    owner = config["repository"]["url"].removeprefix("https://github.com/")
    branch = config["repository"]["branch"]
    page = BeautifulSoup((site / f"{name}.html").read_text(encoding="utf-8"), "html.parser")
    links = {tag["href"] for tag in page.select(".dropdown-launch-buttons a[href^=http]")}
    assert links == {
        f"https://mybinder.org/v2/gh/{owner}/{branch}?urlpath=lab/tree/{name}.ipynb",
        f"https://colab.research.google.com/github/{owner}/blob/{branch}/{name}.ipynb",
    }
    assert (ROOT / f"{name}.ipynb").is_file()


@pytest.mark.parametrize("name", CONTENTS)
def test_pages_work_from_the_disk(open_page: Callable[..., Page], site: Path, name: str) -> None:
    page = open_page(name, start=f"{site.as_uri()}/")
    assert page.locator("article h1").is_visible()
    assert page.locator("mjx-container").count() >= page.locator(".math.notranslate").count()
