"""`course check`: what a student runs before handing in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from course_lib.cli.place import course_root

if TYPE_CHECKING:
    from course_lib.grading.trial.precheck import Finding


@click.command()
@click.argument("notebook", type=click.Path(path_type=Path))
def check(notebook: Path) -> None:
    """Check NOTEBOOK before you hand it in: is it whole, and do the visible checks pass?

    It is a file, or an assignment by its number (01), its name or its folder.

    They run in a new kernel, as in grading, but without a jail: for your own work alone. Somebody
    else's notebook could do here whatever you can; `course grade` runs it in a jail.

    Exit code 1 if something is to be mended.
    """
    from course_lib.grading.errors import Refusal
    from course_lib.grading.marking.check import released
    from course_lib.grading.marking.mark import report
    from course_lib.grading.trial.precheck import meant, precheck

    releases = course_root() / "exercises" / "release"
    try:
        notebook = meant(notebook, releases)
        found = precheck(notebook, releases)
    except Refusal as refusal:
        raise click.ClickException(str(refusal)) from refusal
    if found.problems:
        click.echo("To mend:")
        for problem in found.problems:
            click.echo(f"  - {problem}")
    for result in found.results:
        file = releases / found.assignment / f"{result.name}.check.json"
        click.echo(report(result, released(file)))
    click.echo(f"\n{total(found)}\n{verdict(found, notebook.name)}")
    if not found.good:
        raise SystemExit(1)


def total(found: Finding) -> str:
    """Say how many points the visible checks are, of how many the whole assignment has."""
    points, of = (sum(getattr(r, key) for r in found.results) for key in ("points", "total"))
    words = f", and a person gives {found.words:g} for what you wrote" if found.words else ""
    return (
        f"Visible checks: {points:g} of {of:g} points. The assignment has {found.worth:g}: grading "
        f"draws other inputs and has more checks{words}."
    )


def verdict(found: Finding, name: str) -> str:
    """Say whether the notebook is ready to hand in, or how much is missing."""
    if found.good:
        return f"{name} is whole and passes the visible checks: ready to hand in."
    short = sum(not result.passed for result in found.results)
    missing = [
        f"{short} of {len(found.results)} tasks do not pass yet" * bool(short),
        f"{len(found.problems)} to mend, listed at the top" * bool(found.problems),
    ]
    return f"Not ready to hand in: {'; '.join(filter(None, missing))}."
