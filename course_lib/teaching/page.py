"""What a cell puts on the page: a block of HTML, a sentence with numbers, a function's source."""

import ast
import html
import inspect
import json
import re
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from IPython.display import Markdown
from jinja2 import Environment, FunctionLoader, StrictUndefined
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

# For JupyterLab: keys pressed on this very element are not its shortcuts (arrows, Enter, Space).
KEYS = ' data-lm-suppress-shortcuts="true"'
# What is no place for a printer's numbers: code, formulas, tags, the addresses of links.
NO_NUMBERS = re.compile(
    r"(```.*?```|``.*?``|`[^`]*`|\$\$.*?\$\$|\$[^$]*\$|\\\(.*?\\\)|\\\[.*?\\\]|<[^<>]*>|\]\([^)]*\)|\{[\w:]+\}`[^`]*`)",
    re.S,
)
POWER = re.compile(r"(?<![\w.])([+-]?\d+(?:\.\d+)?)e([+-]?\d+)(?![\w.]*\w)")
RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True)
class Html:
    """A block of HTML that a cell displays, with plain text for where there is no browser.

    Examples:
        >>> Html("<b>three</b> rounds", "three rounds").text
        'three rounds'
    """

    html: str
    text: str

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return {"text/html": self.html, "text/plain": self.text}


@cache
def asset(name: str) -> str:
    """Return a style sheet or script of this room, made small, to be written into an output."""
    text = (files(__package__) / "assets" / name).read_text(encoding="utf-8")
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    text = "\n".join(line.strip() for line in text.splitlines() if line.strip())
    tag = "style" if name.endswith(".css") else "script"
    return f"<{tag}>{text}</{tag}>"


def typeset(text: str) -> str:
    r"""Write the numbers of a text as a printer does; code, formulas, tags and links stay.

    Examples:
        >>> typeset("-4.6 of 1024x1024, p = 3e-14; `x-1` and `-1`, C1-5, 2026-01-31")
        '−4.6 of 1024 × 1024, p = 3 × 10⁻¹⁴; `x-1` and `-1`, C1-5, 2026-01-31'
    """
    pieces = NO_NUMBERS.split(text)
    pieces[::2] = [_numbers(piece) for piece in pieces[::2]]
    return "".join(pieces)


def _numbers(text: str) -> str:
    """Set powers of ten, "times" between sizes, and minus signs."""
    text = POWER.sub(lambda n: f"{n[1]} × 10{str(int(n[2])).translate(RAISED)}", text)
    text = re.sub(r"(?<=\d)(?<!\b0) ?x ?(?=[1-9])", " × ", text)
    return re.sub(r"(?<![^\s(\[{|:;,/=<>~*_\"'\u2018\u201c+])-(?=\.?\d)", "\N{MINUS SIGN}", text)


def prose(text: str) -> str:
    r"""Escape a text for HTML; `` `code` `` becomes code, and \( \) is left for MathJax."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(typeset(text)))


def _template(name: str) -> str:
    """Return a template of this room in one line: its own line ends are for who reads it."""
    text = (files(__package__) / "templates" / name).read_text(encoding="utf-8")
    return "".join(line.strip() for line in text.splitlines())


# A template says which words are to be escaped, by our own rules: what is stored stays as it is.
TEMPLATES = Environment(loader=FunctionLoader(_template), undefined=StrictUndefined)
TEMPLATES.filters |= {"escaped": html.escape, "prose": prose, "typeset": typeset}
TEMPLATES.filters["json"] = json.dumps
TEMPLATES.globals["keys"] = KEYS


def render(template: str, **given: Any) -> str:
    """Return what a template of this room makes of what it is given."""
    return TEMPLATES.get_template(template).render(given)


def say(sentence: str) -> Markdown:
    """Show a sentence in Markdown, so that a number in it is the number that was measured.

    Its numbers are set as a printer sets them; see `typeset`.

    Examples:
        >>> rounds = 3
        >>> say(f"It took **{rounds}** rounds.").data
        'It took **3** rounds.'
    """
    return Markdown(typeset(sentence))


def source(function: Callable[..., Any]) -> Html:
    """Show the library's own source of a function or class, as it is imported, without docstrings.

    Raises:
        TypeError, OSError: it has no Python source, as a built-in has none.

    Examples:
        >>> print(source(say).text.splitlines()[0])
        def say(sentence: str) -> Markdown:
    """
    code = undocumented(inspect.getsource(function))
    where = function.__module__.replace(".", "/") + ".py"
    body = highlight(code, PythonLexer(), HtmlFormatter(nowrap=True)).rstrip()
    shown = render("source.html", where=where, name=function.__name__, body=body)
    return Html(asset("frame.css") + asset("source.css") + shown, code)


def undocumented(code: str) -> str:
    r"""Return the source of a function or class without its docstrings: its page has them.

    Examples:
        >>> print(undocumented("def f():\n    'Two.'\n    return 2  # the first prime"))
        def f():
            return 2  # the first prime
    """
    lines = textwrap.dedent(code).splitlines()
    gone: set[int] = set()
    for node in ast.walk(ast.parse("\n".join(lines))):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and len(node.body) > 1:
            first, second = node.body[:2]
            if ast.get_docstring(node, clean=False) is not None:
                gone |= set(range(first.lineno, _begin(second, lines, first.end_lineno or 0)))
    return "\n".join(line for number, line in enumerate(lines, 1) if number not in gone)


def _begin(statement: ast.stmt, lines: list[str], above: int) -> int:
    """Return the number of the line in which a statement, or a comment on it, begins."""
    return next(n for n in range(above + 1, statement.lineno + 1) if lines[n - 1].strip())
