"""`course grade`: grade a folder of submissions in a jail."""

from __future__ import annotations

import json
from pathlib import Path

import click

from course_lib.cli.place import course_root


@click.command()
@click.argument("name")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for machines.")
@click.option(
    "--out", type=click.Path(path_type=Path), help="Where grades go (default: exercises/)."
)
def grade(name: str, folder: Path, as_json: bool, out: Path | None) -> None:
    """Grade the submissions of assignment NAME in FOLDER, each in a jail.

    FOLDER holds one folder a student with the notebook in it, or notebooks named by student. It is
    only read. Grades go to grades/NAME/STUDENT.json and to the gradebook, gradebook.db. Exit code 1
    if a submission stays ungraded.
    """
    from course_lib.grading.assignment import Assignment
    from course_lib.grading.run import Grader, table
    from course_lib.grading.tasks import Refusal

    exercises = course_root() / "exercises"
    try:
        assignment = Assignment(exercises, name)
        grader = Grader(assignment, out or exercises)
        verdicts = []
        for verdict in grader.grade(folder):
            verdicts.append(verdict)
            click.echo(f"{verdict['student']} ({verdict['seconds']} s)", err=True)
    except Refusal as refusal:
        raise click.ClickException(str(refusal)) from refusal
    if as_json:
        click.echo(json.dumps(verdicts, indent=1, ensure_ascii=False))
    else:
        click.echo(table(verdicts, [task.name for task in assignment.tasks]))
    for answer in assignment.written:
        click.echo(
            f"{answer['name']} ({answer['total']:g} points) is for a person to grade", err=True
        )
    ungraded = [v["student"] for v in verdicts if v["status"] == "ungraded"]
    if ungraded:
        click.echo(
            f"{len(ungraded)} of {len(verdicts)} need a person: {', '.join(ungraded)}", err=True
        )
        raise SystemExit(1)
