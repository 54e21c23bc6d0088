"""What the search page searches: the prose of the book, section by section, and words of the field.

Sphinx's own index knows which page has a word, not where nor how often; so a built book gets
`search_text.js` beside it, a script because a page that is read from a disk may load nothing else.
`book/_static/search.js` ranks by it. `book/search.yml` holds words that a place of the book is
about and does not say, and words that the book says nothing about; both are in the index too.
"""

import json
import re
from pathlib import Path
from typing import Any, cast
from unicodedata import lookup

import yaml
from bs4 import BeautifulSoup, NavigableString, Tag
from sphinx.application import Sphinx
from sphinx.domains.index import IndexDomain
from sphinx.environment import BuildEnvironment
from sphinx.errors import ExtensionError
from sphinx.search.en import SearchEnglish

from course_lib.teaching.book.sources import is_part

WORDS = "book/search.yml"
LARGE = re.compile(r"<(svg|script|style|pre|noscript)\b.*?</\1>", re.S)  # slow to parse, no prose
# What is no prose: signs, code, what one clicks, answers.
APART = """
    .headerlink, .cell_input, .toggle-button, nav, form, fieldset, button, textarea, summary,
    .sig-paren, em.sig-param, .sig-return, .field-list, .library-where, .solution, div.math,
    .sw-quiz, .sw-slider, .sw-source figcaption, .visually-hidden
"""
# A section; a word that is explained; a name; a source.
BEGINS = "h1, h2, h3, .glossary dt[id], dt.sig[id], .citation > .label"
BLOCKS = {"p", "li", "dt", "dd", "td", "th", "div", "section", "figcaption", "blockquote"}
LETTER = re.compile(r"\\(?:var)?([a-z]+)")  # in a formula
PLAIN = re.compile(r"[\w\s=<>+\-:,.|/()'%]*")  # a formula that needs no setting


class Titles(SearchEnglish):
    """English, of which Sphinx indexes no words: `search_text.js` has them all."""

    def word_filter(self, word: str) -> bool:
        """Say of each word that it is not to be indexed."""
        return False


def sections(html: str) -> list[tuple[str, str, str]]:
    """Return the prose of a page: anchor, heading and text of each section; none: no article.

    A word of the glossary, a name of the library and a source are sections too.
    """
    article = BeautifulSoup(LARGE.sub(" ", html), "html.parser").select_one("article.bd-article")
    if article is None:
        return []
    for tag in article.select(APART):
        tag.decompose()
    for formula in article.select("span.math"):
        tex = LETTER.sub(_letter, formula.get_text().removeprefix(r"\(").removesuffix(r"\)"))
        formula.string = tex if PLAIN.fullmatch(tex) else "…"
    heads = {id(tag): tag for tag in article.select(BEGINS)}
    found: list[tuple[str, str, list[str]]] = []
    for node in article.descendants:
        if id(node) in heads:
            found.append((*_called(heads[id(node)]), []))
        elif isinstance(node, Tag) and node.name in BLOCKS and found:
            found[-1][2].append(" ")
        elif isinstance(node, NavigableString) and found:
            if not any(id(parent) in heads for parent in node.parents):
                found[-1][2].append(node)
    return [(anchor, head, " ".join("".join(text).split())) for anchor, head, text in found]


def _letter(found: re.Match[str]) -> str:
    """Return a Greek letter for its name in a formula; what is none stays as it is."""
    try:
        return lookup(f"GREEK SMALL LETTER {found[1]}")
    except KeyError:
        return found[0]


def _called(head: Tag) -> tuple[str, str]:
    """Return anchor and heading of a section from the tag that begins it."""
    name = head.select_one(".sig-name")
    anchor = head.get("id") or (head.parent.get("id", "") if head.parent else "")
    return str(anchor), " ".join((name or head).get_text().split())


def read_words(env: BuildEnvironment) -> dict[str, Any]:
    """Return `book/search.yml`, without the pages that a part of the book leaves out.

    Returns:
        `keywords`: a list of words for each place, `page` or `page#anchor`; `absent`: a list of
        entries with `words`, `nearest` (a place) and `why`. Both empty, if there is no such file.

    Raises:
        ExtensionError: it cannot be read, or names a page that is not there.
    """
    path = Path(env.srcdir) / WORDS
    try:
        said = yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else {}
        keywords = {
            place: [str(word) for word in said["keywords"][place]]
            for place in said.get("keywords", {})
        }
        absent = [
            {key: row[key] for key in ("words", "nearest", "why")} for row in said.get("absent", [])
        ]
    except (OSError, ValueError, TypeError, KeyError, AttributeError, yaml.YAMLError) as error:
        raise ExtensionError(f"{WORDS} cannot be read: {error!r}") from error
    places = {*keywords, *(row["nearest"] for row in absent)}
    strange = {place for place in places if place.partition("#")[0] not in env.found_docs}
    teachers = "book/instructor" if "book/instructors" not in env.found_docs else None
    wrong = {p for p in strange if not (teachers and p.startswith(teachers))}  # a student's copy
    if wrong and not is_part(env):
        raise ExtensionError(f"{WORDS} names {min(wrong)}, which is no page of the book.")
    return {
        "keywords": {place: words for place, words in keywords.items() if place not in strange},
        "absent": [row for row in absent if row["nearest"] not in strange],
    }


def depend(app: Sphinx, page: str, _: list[str]) -> None:
    """Make the index anew, with the first page, when the words change."""
    if page == app.config.root_doc:
        app.env.note_dependency(str(Path(app.srcdir) / WORDS))


def add_to_index(_: Sphinx, env: BuildEnvironment) -> None:
    """Put the words into Sphinx's index: each leads to its place, or to the nearest there is."""
    words = read_words(env)
    places = [
        *words["keywords"].items(),
        *((row["nearest"], row["words"]) for row in words["absent"]),
    ]
    for place, listed in places:
        page, _, anchor = place.partition("#")
        entries = cast(IndexDomain, env.get_domain("index")).entries.setdefault(page, [])
        entries += [("single", str(word), anchor, "", None) for word in listed]


def write_text(app: Sphinx, exception: Exception | None) -> None:
    """Write `search_text.js` into a built book that has a search page.

    Raises:
        ExtensionError: a word of `book/search.yml` is said to lead to a section that is not there.
    """
    site, env = Path(app.outdir), app.env
    if exception or app.builder.format != "html" or not (site / "search.html").is_file():
        return
    words, pages = read_words(env), []
    there = set[str]()
    for name in sorted(env.found_docs):
        if "nosearch" in env.metadata[name]:
            continue
        found = sections((site / f"{name}.html").read_text(encoding="utf-8"))
        there |= {name, *(f"{name}#{anchor}" for anchor, *_ in found)}
        pages.append({"name": name, "title": env.titles[name].astext(), "sections": found})
    places = {*words["keywords"], *(row["nearest"] for row in words["absent"])}
    if missing := places - there:
        raise ExtensionError(f"{WORDS} leads to {min(missing)}: no such section is in the book.")
    text = json.dumps({"pages": pages, **words}, ensure_ascii=False, separators=(",", ":"))
    (site / "search_text.js").write_text(f"const swText = {text};\n", encoding="utf-8")
