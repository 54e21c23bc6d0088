"""`course export`: grades for a learning-management system, and the students' pages."""

import json
from collections.abc import Callable
from pathlib import Path

import click

from course_lib.cli.place import course_root
from course_lib.grading.grades.export import EXPORTS, Request


def _systems(command: Callable[..., None]) -> Callable[..., None]:
    """Add an option for each system that grades can be handed to."""
    for name, system in reversed(EXPORTS.items()):
        file = click.Path(exists=True, dir_okay=False, path_type=Path)
        kind = {"metavar": system.wants, "type": file} if system.wants else {"is_flag": True}
        command = click.option(f"--{name}", help=system.help, **kind)(command)
    return command


@click.command()
@click.argument("name", metavar="ASSIGNMENT")
@_systems
@click.option("--column", default="", help="That column's title or number, if it is not clear.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for machines.")
@click.option("--partial", is_flag=True, help="Hand over grades that wait for a person's points.")
@click.option(
    "--out", type=click.Path(path_type=Path), help="Where grades lie (default: exercises/)."
)
@click.option("--db", "url", metavar="URL", help="Of the gradebook, as given to `course grade`.")
def export(
    name: str,
    column: str,
    as_json: bool,
    partial: bool,
    out: Path | None,
    url: str | None,
    **asked: Path | bool | None,
) -> None:
    """Put the machine's points and a person's together, and hand the grades over.

    Always written: export/ASSIGNMENT.csv for a spreadsheet, and the students' pages in
    feedback/ASSIGNMENT, now with the points and comments that a person gave. A grade that is not
    complete is left empty for Canvas and Moodle, never 0.

    Exit code 1 if a student's grade found no place in a file that was asked for.
    """
    from course_lib.grading.authoring.assignment import Assignment
    from course_lib.grading.errors import Refusal, clean
    from course_lib.grading.grades import feedback
    from course_lib.grading.grades import tally as grades
    from course_lib.grading.grades.gradebook import Book, storing
    from course_lib.grading.grades.store import verdicts, write
    from course_lib.grading.grades.tables import Export, plain

    exercises = course_root() / "exercises"
    folder = out or exercises
    try:
        assignment = Assignment(exercises, name)
        found = list(verdicts(folder, name).values())
        if not found:
            raise Refusal(f"{folder} holds no grades of {name}. Call `course grade` first.")
        with storing(folder, "the export", "export"), Book(folder, assignment, url) as book:
            given = book.given()
        tallies = grades.tallies(found, given)
        files = {f"{name}.csv": Export(plain(found, given))}
        for system, wanted in asked.items():
            if wanted:
                own = wanted.read_bytes() if isinstance(wanted, Path) else b""
                request = Request(tallies, name, partial, own, column)
                files[f"{name}.{system}.csv"] = EXPORTS[system].make(request)
        with storing(folder, "the export", "export"):
            for verdict in found:
                if why := feedback.write_page(folder, verdict, given.get(verdict.student)):
                    click.echo(clean(f"{verdict.student}: {why}", 600), err=True)
            for file, result in files.items():
                write(folder / "export" / file, result.content)
                click.echo(f"{folder / 'export' / file}", err=True)
                for note in result.notes:
                    click.echo(f"  {note}", err=True)
    except Refusal as refusal:
        raise click.ClickException(str(refusal)) from refusal
    for line in grades.incomplete(tallies):
        click.echo(line, err=True)
    if as_json:
        click.echo(json.dumps(grades.records(tallies), indent=1, ensure_ascii=False))
    if any(result.unplaced for result in files.values()):
        raise SystemExit(1)
