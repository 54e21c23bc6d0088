"""nbgrader's formgrader on a server of its own, for the answers that a person grades.

Nothing of a student's runs there, neither in Python (no kernel can be started, and the buttons that
run submissions are closed) nor in the browser: text is cleaned, names are escaped, and the page may
load nothing from elsewhere. nbgrader by itself shows answers and names as HTML, scripts included.
"""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from typing import Any

import bleach
import nbformat
from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.serverapp import ServerApp
from nbconvert.exporters import HTMLExporter
from nbconvert.filters import markdown2html
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell
from tornado import web
from traitlets.config import Config

from course_lib.grading.cells import CHECK, grade_id, is_written
from course_lib.grading.errors import clean
from course_lib.grading.grades.gradebook import COURSE, address
from course_lib.grading.grades.store import verdicts
from course_lib.grading.marking.mark import report

TAGS = frozenset(
    "a abbr b blockquote br code dd del div dl dt em h1 h2 h3 h4 h5 h6 hr i kbd li ol p pre span "
    "strong sub sup table tbody td th thead tr ul".split()
)
ATTRIBUTES = {"a": ["href", "title"], "*": ["class"]}
START = "/formgrader/gradebook"
# Of nbgrader's buttons: they run submissions as the instructor, or write what `course` writes.
CLOSED = "assign|unrelease|release|collect|autograde|generate_feedback|release_feedback"
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; font-src 'self' data:; base-uri 'none'; frame-ancestors 'none'"
)
# What nbgrader says at each click of things that this course does not use.
NOISE = re.compile(r"nbgrader_config\.py file found|Unwritable directory")
MATHS = re.compile(r'<script src="https://[^"]*/mathjax/[^"]*">\s*</script>')
# Without \href and its like, which would make links of a student's. nbgrader asks an older MathJax
# when it is ready; the last lines answer for ours.
OUR_MATHS = r"""<script>
MathJax = {tex: {inlineMath: [["$", "$"], ["\\(", "\\)"]], processEscapes: true,
  packages: {"[-]": ["autoload", "require"]}}};
</script>
<script src="BASE/formgrader/mathjax/tex-mml-chtml.js"></script>
<script>
MathJax.Hub = {Startup: {signal: {Interest(tell) {
  (MathJax.startup?.promise ?? Promise.resolve()).then(() => tell("End"));
}}}};
</script>"""


def markdown(source: str) -> str:
    """Return Markdown as HTML in which nothing can run or be loaded."""
    made: str = bleach.clean(markdown2html(source), tags=TAGS, attributes=ATTRIBUTES, strip=True)
    return made


def escaped(book: NotebookNode, resources: dict[str, Any]) -> tuple[NotebookNode, dict[str, Any]]:
    """Escape the names of students, which nbgrader's template writes as they are; for nbconvert."""
    names = ("student", "last_name", "first_name", "notebook_path")
    resources.update({k: html.escape(resources[k]) for k in names if resources.get(k)})
    return book, resources


def settings() -> Config:
    """Return what makes nbgrader show a submission safely, wherever it shows one."""
    here = __name__
    made = Config()
    made.CourseDirectory.course_id = COURSE
    made.HTMLExporter.sanitize_html = True
    made.HTMLExporter.filters = {"markdown2html": f"{here}.markdown"}
    made.HTMLExporter.preprocessors = [f"{here}.escaped"]
    return made


def server(root: Path, out: Path, url: str | None, port: int, browser: bool) -> ServerApp:
    """Return the server, ready to `start()`.

    Args:
        root: the course.
        out: the folder of the grades.
        url: of the gradebook, if it is not the one in `out`.
        port: where it listens, on this machine alone.
        browser: is a browser opened?
    """
    made = settings()
    made.CourseDirectory.root = str(out.resolve())
    made.CourseDirectory.db_url = address(out, url)
    made.CourseDirectory.source_directory = str(root / "exercises" / "source")
    made.FormgradeExtension.debug = False  # it would show the settings, a password among them
    made.ServerApp.update(
        root_dir=str(out.resolve()),
        port=port,
        port_retries=0,
        open_browser=browser,
        allow_root=True,
        default_url=START,
        jpserver_extensions={__name__: True},
        tornado_settings={
            "headers": {"Content-Security-Policy": POLICY},
            "mathjax_folder": str(root / "book" / "_static" / "vendor" / "mathjax"),
        },
    )
    app: ServerApp = ServerApp.instance(config=made)
    app.log.addFilter(lambda record: not NOISE.search(record.getMessage()))
    app.initialize(argv=[], find_extensions=False)
    return app


def for_marker(book: NotebookNode, folder: Path, source: Path) -> NotebookNode:
    """Return a submission as graded, with the marker's guide below written answers.

    Below each task it says why points were lost. What a student had a hand in stands there as code,
    a line a line. folder: where the submission lies. source: the folder of the source notebooks.
    """
    out, student, name = folder.parent.parent.parent, folder.parent.name, folder.name
    verdict = verdicts(out, name).get(student)
    tasks = {CHECK + task.name: task for task in (verdict.tasks if verdict else ())}
    guides = {}
    if (path := source / name / f"{name}.ipynb").is_file():
        cells = nbformat.read(path, as_version=4).cells
        guides = {grade_id(cell): cell.source for cell in cells if is_written(cell)}
    shown: NotebookNode = nbformat.from_dict(book)
    places = []
    for cell in book.cells:
        places.append(cell)
        if guide := guides.get(key := grade_id(cell)):
            text = re.sub(r"^### (BEGIN|END) SOLUTION$", "", guide, flags=re.MULTILINE).strip()
            places.append(new_markdown_cell(f"*For you alone:*\n\n{text}"))
        elif key in tasks and not tasks[key].passed:
            lines = report(tasks[key]).splitlines()
            text = "\n".join(f"    {clean(line, 1000)}" for line in lines)
            places.append(new_markdown_cell(f"*Why points were lost:*\n\n{text}"))
    shown.cells = places
    return shown


class Closed(JupyterHandler):
    """Answers the buttons that are closed."""

    @web.authenticated
    def post(self, *args: str) -> None:
        """Say, in the dialogue that the button opens, what to do instead."""
        said = (
            "This button is closed: nbgrader would run submissions as you, or overwrite what the "
            "course made. Call `course grade`, `course release` or `course export` instead."
        )
        self.finish(json.dumps({"success": False, "log": said}))


class Exporter(HTMLExporter):
    """nbconvert's, with the book's own MathJax instead of one from the network.

    A submission is shown with what its marker needs, see `for_marker`.
    """

    def from_notebook_node(self, nb: NotebookNode, resources: Any = None, **kw: Any) -> Any:
        """Return the page of a notebook and its resources."""
        folder = Path((resources or {}).get("metadata", {}).get("path", ""))
        source = Path(self.config.CourseDirectory.source_directory)
        return super().from_notebook_node(for_marker(nb, folder, source), resources, **kw)

    def from_filename(self, *args: Any, **kwargs: Any) -> Any:
        """Return the page of a notebook and its resources."""
        page, resources = super().from_filename(*args, **kwargs)
        ours = OUR_MATHS.replace("BASE", resources["base_url"])
        return MATHS.sub(lambda _: ours, page), resources


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": __name__}]


def _load_jupyter_server_extension(app: ServerApp) -> None:
    from nbgrader.server_extensions import formgrader

    kept = app.web_app.settings
    base = app.base_url.rstrip("/")
    straight = {"url": base + START, "permanent": False}
    # Before nbgrader's own: the first that fits answers.
    app.web_app.add_handlers(
        ".*$",
        [
            (rf"{base}/api/(?:kernels|sessions)(?:/.*)?", web.ErrorHandler, {"status_code": 403}),
            # With ?path= nbgrader would run whatever settings lie in that folder.
            (rf"{base}/formgrader/?", web.RedirectHandler, straight),
            (rf"{base}/formgrader/api/.*/(?:{CLOSED})", Closed),
            (
                rf"{base}/formgrader/mathjax/(.*)",
                web.StaticFileHandler,
                {"path": kept["mathjax_folder"]},
            ),
        ],
    )
    formgrader.formgrader.load_jupyter_server_extension(app)
    kept["nbgrader_exporter"] = Exporter(config=kept["nbgrader_exporter"].config)
