"""The claims that the chapters have stored: their table, lists of them, and links to one.

`{ledger}` is the table of all measured claims, `{headline}` their count, `{claims} VERDICT` the
list of those with that verdict, `` {claim}`C1` `` a link to one of them.
"""

import re
from collections import Counter
from pathlib import Path

from docutils import nodes
from sphinx.environment import BuildEnvironment
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective, SphinxRole

from course_lib.chapters import title
from course_lib.teaching.book.sources import chapters, is_part, stored_claims, whole_book
from course_lib.teaching.evidence import VERDICTS, Claim
from course_lib.teaching.page import render, typeset

COLUMNS = {"Claim": 8, "Statement": 47, "Verdict": 17, "Measured": 28}


class Ledger(SphinxDirective):
    """`{ledger}`: one row a claim, in order, with its note, verdict and measurement.

    Raises:
        ExtensionError: the stored evidence cannot be read; `collect` says why.
    """

    def run(self) -> list[nodes.Node]:
        """Return a sentence of summary, and the table."""
        claims = sorted(stored_claims(self.env), key=_reading_order)
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
        link = _link(self.env, claim, claim.number)
        verdict = nodes.inline("", claim.verdict, classes=_classes(claim))
        over = f", over {typeset(claim.over)}" if claim.over else ""
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
        return [nodes.paragraph("", _summary(stored_claims(self.env)))]


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
        claims = stored_claims(self.env)
        found = sorted((c for c in claims if c.verdict == verdict), key=_reading_order)
        said = f"{len(found)} of the {len(claims)} claims of this book."
        items = [self.claim_item(claim) for claim in found]
        listed = nodes.bullet_list("", *items, classes=["claims"])
        return [nodes.paragraph("", said), *([listed] if items else [])]

    def claim_item(self, claim: Claim) -> nodes.list_item:
        """Return one claim: what it says, what was measured, and the cell that shows it."""
        statement, problems = self.parse_inline(_markdown(claim.statement))
        measured = f"{_sentence(claim.measured_text)} {_sentence(claim.note)} ".lstrip()
        where = title(Path(self.env.srcdir) / "notebooks" / f"{claim.chapter}.ipynb")
        link = _link(self.env, claim, f"Claim {claim.number}, {where}")
        told = nodes.Text(typeset(measured))
        second = nodes.paragraph("", "", told, link, classes=["claims-where"])
        return nodes.list_item("", nodes.paragraph("", "", *statement, *problems), second)


class ClaimLink(SphinxRole):
    """`` {claim}`C1` ``: a link to a claim in its chapter, with the mark of its verdict.

    Raises:
        ExtensionError: no chapter makes the claim, or the stored evidence cannot be read.
    """

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """Return the link, whose tooltip is the statement."""
        everywhere = stored_claims(self.env, untaught=True)
        found = [claim for claim in everywhere if claim.id == self.text]
        if not found and is_part(self.env):  # its chapter is not even there
            return [nodes.Text(self.text)], []
        if not found:
            raise ExtensionError(f"claim {self.text}: no chapter makes it.")
        (claim,) = found
        link = _link(self.env, claim, f"{claim.number}\N{NO-BREAK SPACE}{VERDICTS[claim.verdict]}")
        link["reftitle"] = f"Claim {claim.number}: {claim.statement} ({claim.verdict})"
        link["classes"] += _classes(claim)
        return [link], []


def _link(env: BuildEnvironment, claim: Claim, text: str) -> nodes.Element:
    """Return a link to the card of a claim, or its name if no book is known that has it."""
    page, is_here = f"notebooks/{claim.chapter}", claim.chapter in chapters(env)
    page = (
        env.app.builder.get_relative_uri(env.docname, page)
        if is_here
        else whole_book(env, claim.chapter)
    )
    if not page:
        return nodes.inline("", text)
    return nodes.reference("", text, refuri=f"{page}#{claim.id}", internal=is_here)


def _reading_order(claim: Claim) -> tuple[str, int]:
    return claim.chapter, claim.place


def _classes(claim: Claim) -> list[str]:
    return ["verdict", f"verdict-{claim.verdict.replace(' ', '-')}"]


def _markdown(statement: str) -> str:
    r"""Return a statement with its formulas, in \( \) on a card, as Markdown has them."""
    return re.sub(r"\\\((.+?)\\\)", r"$\1$", typeset(statement))


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
        ("all", f"all ({len(claims)})"),
        *((v, f"{v} ({counts[v]})") for v in VERDICTS if counts[v]),
    ]
    return render("ledger_filter.html", choices=choices)


def _row(*cells: list[nodes.Node]) -> nodes.row:
    """Return a table row of these cells, each a list of inline nodes."""
    return nodes.row("", *(nodes.entry("", nodes.paragraph("", "", *cell)) for cell in cells))
