"""A small Sphinx extension for the pages of the book that show what the chapters have stored.

`{ledger}` is the table of all measured claims, `{headline}` their count, `{claims} VERDICT` the
list of those with that verdict, `` {claim}`C1` `` a link to one of them, and `{slider} NAME` the
first slider of a chapter.
All are read from stored outputs, so they can say nothing that a cell has not said. Used by
`book/evidence.md`, `book/closing.md` and `book/welcome.md`. The released assignments are put beside
the pages that link to them. What is the reader's own is in `course_lib.teaching.reader`.
"""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.errors import ExtensionError
from sphinx.transforms import SphinxTransform
from sphinx.util.docutils import SphinxDirective, SphinxRole

from course_lib.chapters import title
from course_lib.teaching.budgets import Budgets
from course_lib.teaching.chapter_map import ChapterMap
from course_lib.teaching.evidence import VERDICTS, Claim, collect
from course_lib.teaching.kill_matrix import KillMatrix
from course_lib.teaching.reader import ConceptTest, Progress
from course_lib.teaching.slim import slim
from course_lib.teaching.sources import notebooks

RELEASED = "exercises/release/"
COLUMNS = {"Claim": 8, "Statement": 47, "Verdict": 17, "Measured": 28}


class Ledger(SphinxDirective):
    """`{ledger}`: one row a claim, in order, with its note, verdict and measurement.

    Raises:
        ExtensionError: the stored evidence cannot be read; `collect` says why.
    """

    def run(self) -> list[nodes.Node]:
        """Return a sentence of summary, and the table."""
        claims = _stored_claims(self.env)
        group = nodes.tgroup("", cols=len(COLUMNS))
        group += [nodes.colspec("", colwidth=width) for width in COLUMNS.values()]
        group += nodes.thead("", _row(*([nodes.Text(name)] for name in COLUMNS)))
        group += nodes.tbody("", *(self.claim_row(claim) for claim in claims))
        table = nodes.table("", group, classes=["ledger"])
        return [
            nodes.paragraph("", _summary(claims)),
            nodes.raw("", _filter(claims), format="html"),
            table,
        ]

    def claim_row(self, claim: Claim) -> nodes.row:
        """Return one claim: where it stands, what it says, the verdict, what was measured."""
        statement, problems = self.parse_inline(_markdown(claim.statement))
        note, more = self.parse_inline(_markdown(_sentence(claim.note)))
        link = _link(self.env, claim, claim.id)
        verdict = nodes.inline("", claim.verdict, classes=_classes(claim))
        over = f", over {claim.over}" if claim.over else ""
        clock = " (a claim about the clock)" if claim.clock else ""
        measured = nodes.Text(f"{claim.measured_text}{over}{clock}")
        row = _row([link], [*statement, *problems], [verdict], [measured])
        if note:
            row[1] += nodes.paragraph("", "", *note, *more, classes=["claims-where"])
        row["classes"] += _classes(claim)[1:]
        return row


class Headline(SphinxDirective):
    """`{headline}`: how many claims stand under each verdict, in a sentence."""

    def run(self) -> list[nodes.Node]:
        """Return the sentence."""
        return [nodes.paragraph("", _summary(_stored_claims(self.env)))]


class Claims(SphinxDirective):
    """`{claims} VERDICT`: how many claims have it, and which, each with its measurement.

    Raises:
        ExtensionError: no such verdict, or the stored evidence cannot be read.
    """

    required_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        """Return a sentence that counts them, and the list."""
        verdict = self.arguments[0]
        if verdict not in VERDICTS:
            raise ExtensionError(f"claims: given {verdict!r}, expected one of {list(VERDICTS)}.")
        claims = _stored_claims(self.env)
        found = [claim for claim in claims if claim.verdict == verdict]
        said = f"{len(found)} of the {len(claims)} claims of this book."
        items = [self.claim_item(claim) for claim in found]
        listed = nodes.bullet_list("", *items, classes=["claims"])
        return [nodes.paragraph("", said), *([listed] if items else [])]

    def claim_item(self, claim: Claim) -> nodes.list_item:
        """Return one claim: what it says, what was measured, and the cell that shows it."""
        statement, problems = self.parse_inline(_markdown(claim.statement))
        measured = f"{_sentence(claim.measured_text)} {_sentence(claim.note)} ".lstrip()
        where = title(Path(self.env.srcdir) / "notebooks" / f"{claim.chapter}.ipynb")
        link = _link(self.env, claim, f"{claim.id}, {where}")
        second = nodes.paragraph("", "", nodes.Text(measured), link, classes=["claims-where"])
        return nodes.list_item("", nodes.paragraph("", "", *statement, *problems), second)


class ClaimLink(SphinxRole):
    """`` {claim}`C1` ``: a link to a claim in its chapter, with the mark of its verdict.

    Raises:
        ExtensionError: no chapter makes the claim, or the stored evidence cannot be read.
    """

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """Return the link, whose tooltip is the statement."""
        found = [claim for claim in _stored_claims(self.env) if claim.id == self.text]
        if not found:
            raise ExtensionError(f"claim {self.text}: no chapter makes it.")
        (claim,) = found
        link = _link(self.env, claim, f"{claim.id}\N{NO-BREAK SPACE}{VERDICTS[claim.verdict]}")
        link["reftitle"] = f"{claim.statement} ({claim.verdict})"
        link["classes"] += _classes(claim)
        return [link], []


class StoredSlider(SphinxDirective):
    """`{slider} NAME`: the first slider that the chapter NAME stores.

    Raises:
        ExtensionError: there is no such chapter, or it stores no slider.
    """

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return the slider as it stands in the chapter."""
        path = Path(self.env.srcdir) / "notebooks" / f"{self.arguments[0]}.ipynb"
        self.env.note_dependency(str(path))
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"] if path.is_file() else []
        for cell in cells:
            for output in cell.get("outputs", []):
                html = "".join(output.get("data", {}).get("text/html", ""))
                if "sw-slider" in html:
                    return [nodes.raw("", html, format="html")]
        raise ExtensionError(f"{path.name} is missing or stores no slider: `course run` stores it.")


def _stored_claims(env: BuildEnvironment) -> list[Claim]:
    """Return all claims, read once for a page, which is made anew when a chapter changes."""
    if "claims" not in env.temp_data:
        try:
            env.temp_data["claims"] = collect(notebooks(env))
        except ValueError as error:
            raise ExtensionError(f"the claims cannot be read: {error}") from error
    claims: list[Claim] = env.temp_data["claims"]
    return claims


def _link(env: BuildEnvironment, claim: Claim, text: str) -> nodes.reference:
    """Return a link to the card of a claim."""
    page = env.app.builder.get_relative_uri(env.docname, f"notebooks/{claim.chapter}")
    return nodes.reference("", text, refuri=f"{page}#{claim.id}", internal=True)


def _classes(claim: Claim) -> list[str]:
    return ["verdict", f"verdict-{claim.verdict.replace(' ', '-')}"]


def _markdown(statement: str) -> str:
    r"""Return a statement with its formulas, in \( \) on a card, as Markdown has them."""
    return re.sub(r"\\\((.+?)\\\)", r"$\1$", statement)


def _sentence(words: str) -> str:
    """Return these words, if any, with a capital letter and a full stop."""
    return f"{words[:1].upper()}{words[1:].rstrip('.')}." if words else ""


def _summary(claims: list[Claim]) -> str:
    """Return how many claims stand under each verdict."""
    counts = Counter(claim.verdict for claim in claims)
    said = "; ".join(f"{verdict}: {counts[verdict]}" for verdict in VERDICTS)
    return f"{len(claims)} claims are measured. {said[:1].upper()}{said[1:]}."


def _filter(claims: list[Claim]) -> str:
    """Return the buttons that choose which rows are seen; the style sheet does the rest."""
    counts = Counter(claim.verdict for claim in claims)
    choices = [
        ("all", f"all {len(claims)}"),
        *((v, f"{counts[v]} {v}") for v in VERDICTS if counts[v]),
    ]
    labels = "".join(
        f'<label><input type="radio" name="ledger" value="{value.replace(" ", "-")}" '
        f'autocomplete="off"{" checked" * (value == "all")}> {text}</label>'
        for value, text in choices
    )
    return f'<fieldset class="ledger-filter"><legend>Show the claims</legend>{labels}</fieldset>'


def _row(*cells: list[nodes.Node]) -> nodes.row:
    """Return a table row of these cells, each a list of inline nodes."""
    return nodes.row("", *(nodes.entry("", nodes.paragraph("", "", *cell)) for cell in cells))


def _visit_citation(translator: Any, node: nodes.citation) -> None:
    """Open an entry of the bibliography, and their list before the first.

    In place of docutils' own, whose role for an entry was deprecated.
    """
    if not isinstance(node.previous_sibling(), nodes.citation):
        translator.body.append('<div role="list" class="citation-list">\n')
    translator.body.append(translator.starttag(node, "div", classes=["citation"], role="listitem"))


def _depart_citation(translator: Any, node: nodes.citation) -> None:
    """Close the entry, and the list after the last."""
    last = not isinstance(node.next_node(descend=False, siblings=True), nodes.citation)
    translator.body.append("</div>\n</div>\n" if last else "</div>\n")


class InstructorLinks(SphinxTransform):
    """Make plain words of a link to an instructor's page, where a student's copy lacks it."""

    default_priority = 500

    def apply(self, **_: Any) -> None:
        """Change the links of one page."""
        for link in list(self.document.findall(pending_xref)):
            file = self.env.relfn2path(str(link.get("reftarget")), self.env.docname)[0]
            if file.startswith("book/instructor") and not (Path(self.env.srcdir) / file).is_file():
                link.replace_self(link.children)


class AssignmentLinks(SphinxTransform):
    """Turn a link to a released assignment, which is no page, into one to its file.

    It is written in Markdown, so that JupyterLab opens the assignment in a tab.

    Raises:
        ExtensionError: no such assignment is released.
    """

    default_priority = 500

    def apply(self, **_: Any) -> None:
        """Change the links of one page."""
        for link in list(self.document.findall(pending_xref)):
            place = str(link.get("reftarget"))
            if link.get("refdomain") == "doc":  # MyST has found the file
                file = f"{place}.ipynb"
            else:
                file = self.env.relfn2path(place, self.env.docname)[0]
            if not file.startswith(RELEASED):
                continue
            if not (Path(self.env.srcdir) / file).is_file():
                raise ExtensionError(f"{self.env.docname} links to {file}, which is not released.")
            address = "../" * self.env.docname.count("/") + file
            new = nodes.reference("", "", *link.children, refuri=address, internal=True)
            link.replace_self(new)


def _add_assignments(app: Sphinx, exception: Exception | None) -> None:
    """Copy the released assignments to where the chapters' links expect them."""
    released = Path(app.srcdir) / RELEASED
    if exception is None and app.builder.format == "html" and released.is_dir():
        target = Path(app.outdir) / RELEASED
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(released, target, ignore=shutil.ignore_patterns(".*"))


def _spare_mathjax(app: Sphinx, page: str, _: str, context: dict[str, Any], __: Any) -> None:
    """Drop MathJax from a page without formulas: Sphinx loads it for those of its sections too."""
    if not app.env.get_domain("math").data["has_equations"].get(page):
        context["script_files"] = [
            file for file in context["script_files"] if "mathjax" not in str(file.filename).lower()
        ]


def _slim(app: Sphinx, exception: Exception | None) -> None:
    """Make the book lighter; see `course_lib.teaching.slim`."""
    if exception is None and app.builder.format == "html":
        slim(Path(app.outdir))


def setup(app: Sphinx) -> dict[str, Any]:
    """Register all this with Sphinx."""
    app.add_directive("ledger", Ledger)
    app.add_directive("claims", Claims)
    app.add_directive("slider", StoredSlider)
    app.add_directive("concept-test", ConceptTest)
    app.add_directive("progress", Progress)
    app.add_directive("chapter-map", ChapterMap)
    app.add_directive("headline", Headline)
    app.add_directive("budgets", Budgets)
    app.add_directive("kill-matrix", KillMatrix)
    app.add_role("claim", ClaimLink())
    app.add_node(nodes.citation, override=True, html=(_visit_citation, _depart_citation))
    app.add_transform(AssignmentLinks)
    app.add_transform(InstructorLinks)
    app.connect("html-page-context", _spare_mathjax, priority=900)
    app.connect("build-finished", _add_assignments)
    app.connect("build-finished", _slim)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
