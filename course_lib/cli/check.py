"""`course check`: what a student runs before handing in."""

from __future__ import annotations

from pathlib import Path

import click

from course_lib.cli.place import course_root


@click.command()
@click.argument("notebook", type=click.Path(path_type=Path))
def check(notebook: Path) -> None:
    """Check NOTEBOOK before you hand it in: is it whole, and do the visible checks pass?

    They run in a new kernel, as in grading.

    Exit code 1 if something is to be mended.
    """
    from course_lib.grading.marking import report
    from course_lib.grading.precheck import precheck
    from course_lib.grading.tasks import Refusal

    try:
        found = precheck(notebook, course_root() / "exercises" / "release")
    except Refusal as refusal:
        raise click.ClickException(str(refusal)) from refusal
    if found.problems:
        click.echo("To mend:")
        for problem in found.problems:
            click.echo(f"  - {problem}")
    for result in found.results:
        click.echo(report(result))
    if not found.good:
        raise SystemExit(1)
    click.echo(
        "The notebook is whole and passes the visible checks. "
        "Grading has more, with other inputs, for all the points."
    )
