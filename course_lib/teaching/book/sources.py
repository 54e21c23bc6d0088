"""What the directives of the book read: its chapters and their claims, and files beside a page.

Whatever is read is noted as a dependency, so that the page is made anew when it changes.
"""

from pathlib import Path
from typing import Any

from docutils import nodes
from jinja2 import Environment, PackageLoader, StrictUndefined
from sphinx.environment import BuildEnvironment
from sphinx.errors import ExtensionError

from course_lib import chapters as course
from course_lib.teaching.evidence import Claim, collect

TEMPLATES = Environment(
    loader=PackageLoader(__package__), autoescape=True, undefined=StrictUndefined
)


def render(template: str, **given: Any) -> nodes.raw:
    """Return what a template of this room makes of what it is given; text is escaped."""
    return nodes.raw("", TEMPLATES.get_template(template).render(given), format="html")


def beside(env: BuildEnvironment, name: str) -> Path:
    """Return the path of a file beside the page that is being read."""
    path = Path(env.doc2path(env.docname)).parent / name
    env.note_dependency(str(path))
    return path


def notebooks(env: BuildEnvironment) -> Path:
    """Return the folder of the chapters."""
    folder = Path(env.srcdir) / "notebooks"
    for path in (folder, *course.chapters(folder.parent)):  # the folder too: a chapter may be new
        env.note_dependency(str(path))
    return folder


def is_part(env: BuildEnvironment) -> bool:
    """Tell whether only some of the chapters are taught."""
    return bool(course.course(Path(env.srcdir)).chapters)


def whole_book(env: BuildEnvironment, name: str) -> str:
    """Return the address of a chapter in a book that has it; "" if there is none."""
    address = course.course(Path(env.srcdir)).original
    return address and f"{address}/notebooks/{name}.html"


def stored_claims(env: BuildEnvironment, *, untaught: bool = False) -> list[Claim]:
    """Return all claims, for a page that is made anew when a chapter changes.

    Raises:
        ExtensionError: the stored evidence cannot be read; `collect` says why.
    """
    try:
        return collect(notebooks(env), untaught=untaught)
    except ValueError as error:
        raise ExtensionError(f"the claims cannot be read: {error}") from error


def chapters(env: BuildEnvironment) -> dict[str, tuple[str, str]]:
    """Return title and address (seen from this page) of each chapter, by its name."""
    uri = env.app.builder.get_relative_uri
    return {
        path.stem: (course.title(path), uri(env.docname, f"notebooks/{path.stem}"))
        for path in course.chapters(notebooks(env).parent)
    }
