"""What the pages get when all else of them is made.

Formulas in MathML where there is no JavaScript (MathJax sets them where there is), what a shared
link shows, and a few repairs of what Sphinx and its extensions write.
"""

import html
import re
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx

from course_lib.chapters import course

# Whatever holds formulas, as Sphinx writes it and as our own templates do.
HOLDS = re.compile(
    r'<(span|div|p|legend|figcaption) class="(?:math notranslate nohighlight|mathjax_process)"'
    r"[^>]*>.*?</\1>",
    re.S,
)
FORMULA = re.compile(r"\\\((.+?)\\\)|\\\[(.+?)\\\]", re.S)
# What docutils does not know, written as it does.
PLAINER = [
    (r"\\dots\b", r"\\ldots"),
    (r"\\[bB]igg?\b", ""),
    (r"\\([td]?)frac(\d)(\d)", r"\\\1frac{\2}{\3}"),
    (r"\\(begin|end)\{(?:split|gathered)\}", r"\\\1{aligned}"),
]
# Proofs, exercises and solutions all get the same id, to which nothing leads.
SAME = re.compile(
    r'(<(?:section(?: class="[\w-]+")?|div class="proof admonition"))'
    r' id="(?:(?:\w+-)+content|proof)"(?=>)'
)
LONGEST = 200  # letters of a description; what shows links cuts there


def finish(app: Sphinx, page: str, _: str, context: dict[str, Any], tree: Any) -> None:
    """Change the body of one page, and tell its template what a shared link shows."""
    body = context.get("body", "")
    body = re.sub(
        r'to<a class="(reference internal)" href="([^"]*)"> ', r'to <a class="\1" href="\2">', body
    )
    body = SAME.sub(r"\1", body)
    context["body"] = HOLDS.sub(lambda held: FORMULA.sub(_both, held[0]), body)
    context["description"] = describe(tree)
    book = course(Path(app.srcdir)).book
    context["book_address"], context["page_address"] = book, f"{book}/{page}.html"


def _both(formula: re.Match[str]) -> str:
    """Return a formula as TeX, and as MathML for a browser without JavaScript."""
    try:
        drawn = mathml(html.unescape(formula[1] or formula[2]), block=bool(formula[2]))
    except MathError:
        return formula[0]  # it is read as it was written
    return f'<span class="tex">{formula[0]}</span><noscript>{drawn}</noscript>'


def mathml(tex: str, *, block: bool) -> str:
    """Return a formula in MathML.

    Raises:
        MathError: it holds what docutils cannot read.
    """
    for pattern, instead in PLAINER:
        tex = re.sub(pattern, instead, tex)
    return str(tex2mathml(tex.strip(), as_block=block))


def describe(tree: nodes.document | None) -> str:
    """Return the first sentences of a page, in words alone; "" if it has none."""
    for paragraph in tree.findall(nodes.paragraph) if tree else ():
        text = " ".join(paragraph.astext().split())
        if len(text) > 40:
            return text if len(text) <= LONGEST else text[:LONGEST].rpartition(" ")[0] + " …"
    return ""
