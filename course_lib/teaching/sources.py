"""What the directives of the book read: its chapters, and files that lie beside a page.

Whatever is read is noted as a dependency, so that the page is made anew when it changes.
"""

from __future__ import annotations

from pathlib import Path

from sphinx.environment import BuildEnvironment

from course_lib import chapters as course


def beside(env: BuildEnvironment, name: str) -> Path:
    """Return the path of a file beside the page that is being read."""
    path = Path(env.doc2path(env.docname)).parent / name
    env.note_dependency(str(path))
    return path


def notebooks(env: BuildEnvironment) -> Path:
    """Return the folder of the chapters."""
    folder = Path(env.srcdir) / "notebooks"
    for path in (folder, *folder.glob("*.ipynb")):  # the folder too: a chapter may be new
        env.note_dependency(str(path))
    return folder


def chapters(env: BuildEnvironment) -> dict[str, tuple[str, str]]:
    """Return title and address (seen from this page) of each chapter, by its name."""
    uri = env.app.builder.get_relative_uri
    return {
        path.stem: (course.title(path), uri(env.docname, f"notebooks/{path.stem}"))
        for path in course.chapters(notebooks(env).parent)
    }
