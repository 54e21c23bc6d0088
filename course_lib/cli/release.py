"""`course release`: make the student's version of assignments."""

from datetime import datetime

import click

from course_lib.chapters import course
from course_lib.cli.place import course_root
from course_lib.cli.setup import PURPOSES

ARCHIVE = "dist/{}-students.zip"  # of the course that is called so


def sizes() -> dict[str, str]:
    """Return what setting up takes, as the students' README names it."""
    (_, _, lab, disk, _), (_, _, book, *_) = PURPOSES["lab"], PURPOSES["book"]
    return {"download": f"{lab}", "disk": f"{disk / 1000:.1f}", "book": f"{book}"}


@click.command()
@click.argument("names", nargs=-1)
@click.option("--check", is_flag=True, help="Write nothing; see whether the release is up to date.")
@click.option("--due", type=click.DateTime(["%Y-%m-%d"]), help="The day to hand in, 2026-12-24.")
def release(names: tuple[str, ...], check: bool, due: datetime | None) -> None:
    """Make exercises/release/NAME, for all assignments if none is named.

    Then make the archive for students: all chapters, the library and all released assignments.
    With --due the day is written into the source, and shown to students where they start and in the
    notebook.
    """
    from course_lib.grading.authoring import release as making
    from course_lib.grading.authoring.assignment import Assignment, assignments
    from course_lib.grading.errors import Refusal

    root = course_root()
    if due and (check or not names):
        raise click.UsageError("--due needs the names of its assignments, and no --check")
    old = []
    try:
        for name in names or assignments(root / "exercises"):
            assignment = Assignment(root / "exercises", name)
            if due:
                assignment.set_due(due.date())
            if check:
                old += [f"{name}/{file}" for file in making.differing(assignment)]
                continue
            changed = making.release(assignment)
            click.echo(f"{name}: {', '.join(changed) or 'nothing'} changed in exercises/release")
        if not check:
            files = making.archive(
                root, target := root / ARCHIVE.format(course(root).folder), sizes()
            )
            size = target.stat().st_size / 2**20
            click.echo(f"{target.relative_to(root)}: {len(files)} files, {size:.1f} MB")
    except Refusal as refusal:
        raise click.ClickException(str(refusal)) from refusal
    if old:
        raise click.ClickException(
            f"exercises/release is not what its sources give: {', '.join(old)}. Run: course release"
        )
    if check:
        click.echo("exercises/release is up to date.")
