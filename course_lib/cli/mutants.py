"""`course mutants`: show that each known mistake loses its points, and is named."""

from __future__ import annotations

import json

import click

from course_lib.cli.place import course_root


@click.command()
@click.argument("names", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All assignments.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for machines.")
def mutants(names: tuple[str, ...], everything: bool, as_json: bool) -> None:
    """Grade the reference, the stub, every mutant and every alternative of assignments NAMES.

    It is done in the jail, as for students. Prints the kill matrix. Exit code 1 on any deviation
    from what the mutants declare.
    """
    from course_lib.grading.assignment import Assignment, assignments
    from course_lib.grading.mutants import matrix, text
    from course_lib.grading.tasks import Refusal

    exercises = course_root() / "exercises"
    if not names and not everything:
        raise click.UsageError("name an assignment, or say --all")
    found = []
    try:
        for name in assignments(exercises) if everything else names:
            assignment = Assignment(exercises, name)
            found.append(matrix(assignment))
            if not as_json:
                click.echo(f"{name} ({found[-1]['seconds']} s)\n{text(found[-1], assignment)}")
                for problem in found[-1]["problems"]:
                    click.echo(f"DEVIATION {problem}")
    except Refusal as refusal:
        raise click.ClickException(str(refusal)) from refusal
    if as_json:
        click.echo(json.dumps(found, indent=1, ensure_ascii=False))
    if not all(one["ok"] for one in found):
        raise SystemExit(1)
