"""The pages on which an assignment is done in a browser, made from what is released.

`book/page/NN_name.md` only holds the page's place in the book: when Sphinx reads it, it gets the
released notebook instead, as Markdown, with a field to write in for each cell that is the
student's. What the fields do is told by `book/_static/page`, what Python they use by `packing`.
`{assignments}` is a list of all, with where each can be done.
"""

import ast
import json
import re
import sys
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from course_lib.chapters import left_out, title
from course_lib.teaching.book.sources import TEMPLATES, render

RELEASED = "exercises/release"
PAGE = re.compile(r"book/page/(\d\d_\w+)")
PYTHON = "book/_static/vendor/pyodide/contents.js"
THERE = {"numpy", "course_lib.grading", *sys.stdlib_module_names}  # in the page
# What the released notebook says of JupyterLab is said of the page here.
JUPYTERLAB = [
    (re.compile(r"\*\*How this notebook works\*\*.*?(?=^Each check begins)", re.S | re.M), "how"),
    (re.compile(r"^Choose \*Kernel.*?$", re.M), "closing"),
]
SCRIPTS = ("worker", "runner", "editor", "drafts", "notebook", "page")


def names(root: Path) -> list[str]:
    """Return the names of the released assignments whose chapters are taught, in order."""
    found = (path.name for path in (root / RELEASED).glob("[0-9][0-9]_*") if path.is_dir())
    return sorted(set(found) - left_out(root))


def released(root: Path, name: str) -> Path:
    """Return the path of an assignment's notebook."""
    return root / RELEASED / name / f"assignment_{name}.ipynb"


def cells(root: Path, name: str) -> list[dict[str, Any]]:
    """Return the cells of an assignment's notebook, the source of each a text."""
    found = json.loads(released(root, name).read_text(encoding="utf-8"))["cells"]
    return [cell | {"source": "".join(cell["source"])} for cell in found]


def imported(code: str) -> set[str]:
    """Return what code imports: modules by their first name, those of the course by two."""
    found: list[str] = []
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.append(node.module)
    return {".".join(m.split(".")[: 1 + m.startswith("course_lib.")]) for m in found}


def works(root: Path, name: str) -> bool:
    """Say whether an assignment can be done in a page: all that it imports is there.

    In a student's archive the page's Python is not.
    """
    if not all((root / file).is_file() for file in (PYTHON, f"book/page/{name}.md")):
        return False
    code = (cell["source"] for cell in cells(root, name) if cell["cell_type"] == "code")
    return set().union(*map(imported, code)) <= THERE


def markdown(root: Path, name: str) -> str:
    """Return the page of an assignment as Markdown."""
    page = works(root, name)
    parts = []
    for cell in cells(root, name):
        mark, text = cell["metadata"].get("nbgrader", {}), cell["source"]
        if mark.get("solution") and page:
            kind = "work" if cell["cell_type"] == "code" else "words"
            parts.append(_html(f"page_{kind}.html", name=mark["grade_id"], text=text))
        elif cell["cell_type"] == "code" and not (mark.get("grade") and page):
            parts.append(f"```python\n{text}\n```")
        elif cell["cell_type"] == "markdown":
            parts.append(_said_here(text, name) if page else _to_root(text))
    heading, *rest = parts
    first, _, more = heading.partition("\n\n")
    note = _html("page_note.html", page=page, name=name, file=released(root, name).name)
    desk = [_html("page_desk.html", name=name)] if page else []
    return "\n\n".join([first, note, more, *rest, *desk])


def _html(template: str, **given: Any) -> str:
    """Return a template of this room as a block of Markdown."""
    text = TEMPLATES.get_template(template).render(given)
    return f"``````{{raw}} html\n{text}\n``````"


def _said_here(text: str, name: str) -> str:
    for words, template in JUPYTERLAB:
        text = words.sub(TEMPLATES.get_template(f"page_{template}.md").render(name=name), text)
    return _to_root(text)


def _to_root(text: str) -> str:
    """Return text with links seen from the page, and with a head above each column."""
    return text.replace("](../../../", "](../../").replace("| | you", "| task | you")


def fill(app: Sphinx, page: str, source: list[str]) -> None:
    """Put the assignment in the place of its page's text."""
    if named := PAGE.fullmatch(page):
        app.env.note_dependency(str(released(Path(app.srcdir), named[1])))
        source[0] = markdown(Path(app.srcdir), named[1])


def bring_scripts(app: Sphinx, page: str, _: str, context: dict[str, Any], __: Any) -> None:
    """Give a page that computes its scripts, and forbid it to ask anybody for anything.

    It is an assignment's, or a chapter's that has a listing of the class `change-me`.
    """
    named, scripts = PAGE.fullmatch(page), list[str]()
    if named and works(Path(app.srcdir), named[1]):
        scripts = ["vendor/codemirror/codemirror.js", *(f"page/{n}.js" for n in SCRIPTS)]
    elif "change-me" in context.get("body", "") and (Path(app.srcdir) / PYTHON).is_file():
        scripts = ["page/change.js"]
    if scripts:
        app.add_css_file("page/page.css")
        for script in scripts:
            app.add_js_file(script, loading_method="defer")
        context["metatags"] += (
            '<meta http-equiv="Content-Security-Policy" content="connect-src \'none\'">'
        )


class Assignments(SphinxDirective):
    """`{assignments}`: the released assignments, with where each can be done."""

    def run(self) -> list[nodes.Node]:
        """Return the table."""
        root, uri = Path(self.env.srcdir), self.env.app.builder.get_relative_uri
        up = "../" * self.env.docname.count("/")
        rows = []
        for name in names(root):
            path = released(root, name)
            self.env.note_dependency(str(path))
            place = uri(self.env.docname, f"book/page/{name}")
            file = f"{up}{path.relative_to(root).as_posix()}"
            rows.append((int(name[:2]), title(path), place, file, works(root, name)))
        return [render("assignments.html", rows=rows)]
