"""What a cell puts on the page: a block of HTML, a sentence with numbers, a function's source."""

import html
import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from IPython.display import Markdown
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

# For JupyterLab: keys pressed on this very element are not its shortcuts (arrows, Enter, Space).
KEYS = ' data-lm-suppress-shortcuts="true"'


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


def prose(text: str) -> str:
    r"""Escape a text for HTML; `` `code` `` becomes code, and \( \) is left for MathJax."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text))


def say(sentence: str) -> Markdown:
    """Show a sentence in Markdown, so that a number in it is the number that was measured.

    Examples:
        >>> rounds = 3
        >>> say(f"It took **{rounds}** rounds.").data
        'It took **3** rounds.'
    """
    return Markdown(sentence)


def source(function: Callable[..., Any]) -> Html:
    """Show the library's own source of a function or class, as it is imported.

    Raises:
        TypeError, OSError: it has no Python source, as a built-in has none.

    Examples:
        >>> print(source(say).text.splitlines()[0])
        def say(sentence: str) -> Markdown:
    """
    code = inspect.getsource(function)
    where = function.__module__.replace(".", "/") + ".py"
    body = highlight(code, PythonLexer(), HtmlFormatter(nowrap=True)).rstrip()
    return Html(
        f'{asset("frame.css")}{asset("source.css")}<figure class="sw sw-source">'
        f"<figcaption>{html.escape(where)}</figcaption>"
        f'<div class="highlight"><pre tabindex="0"{KEYS} role="region" '
        f'aria-label="Source of {html.escape(function.__name__)}">{body}</pre></div></figure>',
        code,
    )
