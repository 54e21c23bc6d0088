"""`course grade`: grade a class in jails, here or on a cluster."""

from __future__ import annotations

import json
import signal
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

import click

from course_lib.cli import STOPPED
from course_lib.cli.place import course_root


@click.command()
@click.argument("name", metavar="ASSIGNMENT")
@click.argument(
    "sources", nargs=-1, required=True, metavar="SOURCE...", type=click.Path(path_type=Path)
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for machines.")
@click.option(
    "--out", type=click.Path(path_type=Path), help="Where grades go (default: exercises/)."
)
@click.option(
    "--only",
    multiple=True,
    metavar="STUDENT",
    help="Grade this student alone, and again. May be given more than once.",
)
@click.option("--again", is_flag=True, help="Grade again what is graded and has not changed.")
@click.option("--workers", type=click.IntRange(1), help="Local processes; one a core if not given.")
@click.option("--scheduler", metavar="ADDRESS", help="Of a Dask cluster, such as tcp://host:8786.")
@click.option(
    "--db",
    "url",
    metavar="URL",
    help="Of the gradebook, such as postgresql://host/grades (default: gradebook.db in --out).",
)
@click.option(
    "--cgroup",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="A control group (version 2) to divide among jails; without it, limits are counted.",
)
def grade(
    name: str,
    sources: tuple[Path, ...],
    as_json: bool,
    out: Path | None,
    only: tuple[str, ...],
    again: bool,
    workers: int | None,
    scheduler: str | None,
    url: str | None,
    cgroup: Path | None,
) -> None:
    """Grade the submissions of ASSIGNMENT in each SOURCE, each in a jail.

    A SOURCE is a folder or a ZIP archive, as a learning-management system downloads it, or a folder
    that holds one folder a student, or notebooks named by student. It is only read. Grades go to
    grades/ASSIGNMENT/STUDENT.json and to the gradebook, pages for students to feedback/ASSIGNMENT.

    Each grade is stored as soon as it is there. Called again, after a kill or with more
    submissions, it grades only what is new, has changed, or has no score yet. A grade that an
    earlier version of the assignment gave stands, and is counted; --again makes it anew.

    Exit code 1 if a submission stays without a score, 130 after Ctrl-C.
    """
    from tqdm import tqdm

    from course_lib.cli.sweep import cluster
    from course_lib.grading.authoring.assignment import Assignment
    from course_lib.grading.errors import Refusal, clean
    from course_lib.grading.grades import batch as batches
    from course_lib.grading.grades.tables import table
    from course_lib.grading.grades.tally import names_of
    from course_lib.grading.intake.collect import report
    from course_lib.grading.jail.cgroup import ready

    exercises = course_root() / "exercises"
    try:
        with ExitStack() as stack:
            assignment = Assignment(exercises, name)
            if cgroup:
                if scheduler:
                    raise Refusal("--cgroup is of this machine, and --scheduler's are others")
                ready(cgroup)
                assignment.limits = replace(assignment.limits, cgroup=str(cgroup.resolve()))
            executor = stack.enter_context(cluster(scheduler))
            batch = stack.enter_context(
                batches.batch(
                    assignment,
                    out or exercises,
                    sources,
                    only=only,
                    again=again,
                    url=url,
                    workers=workers,
                    executor=executor,
                )
            )
            click.echo(f"{report(batch.handed)}\n", err=True)
            if batch.kept:
                click.echo(
                    f"{len(batch.kept)} of {len(batch.handed)} are graded and have not changed: "
                    "they are kept",
                    err=True,
                )
            if batch.older:
                click.echo(
                    f"{batch.older} of these were graded by another version of the assignment or "
                    "of the grader, or with other inputs; where rules differ the table marks it, "
                    "and --again grades all anew by today's",
                    err=True,
                )
            if batch.gone:
                click.echo(
                    f"graded before and not in this download ({len(batch.gone)}): "
                    f"{names_of(batch.gone)}; what they had stays, and is marked in the table",
                    err=True,
                )
            if batch.lost:
                click.echo(
                    "the file of the seed is gone; the grades that are there tell it, and it is "
                    "used again",
                    err=True,
                )
            coming = stack.enter_context(closing(batch.grade()))
            bar = stack.enter_context(tqdm(total=len(batch.todo), unit="submission", disable=None))
            for verdict in coming:
                bar.update()
                if bar.disable:
                    shown = clean(verdict.student, 300)
                    click.echo(f"{shown} ({verdict.seconds} s)", err=True)
            verdicts, unmarked = batch.verdicts(), batch.unmarked()
    except Refusal as refusal:
        raise click.ClickException(str(refusal)) from refusal
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # to end now is all that is left to do
        click.echo(
            "\nStopped. Every grade that was there is stored; call the same again to go on.",
            err=True,
        )
        raise SystemExit(STOPPED) from None
    if as_json:
        click.echo(json.dumps([v.stored() for v in verdicts], indent=1, ensure_ascii=False))
    else:
        click.echo(table(verdicts, [task.name for task in assignment.tasks]))
    for line in batches.attention(verdicts, unmarked, batch.faults):
        click.echo(line, err=True)
    if any(verdict.status == "ungraded" for verdict in verdicts):
        raise SystemExit(1)
