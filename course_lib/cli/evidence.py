"""`course evidence`: the claims that the stored notebooks hold."""

import json
import textwrap
from dataclasses import asdict

import click

from course_lib.cli.place import course_root
from course_lib.teaching import Claim, collect


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for machines.")
def evidence(as_json: bool) -> None:
    """List every claim of the chapters with what was measured.

    Exit code 1 if one did not stand. A claim about the clock may fail on a machine: it is only
    marked (`course bench` judges the clock).
    """
    try:
        claims = collect(course_root() / "notebooks")
    except (ValueError, OSError) as error:
        raise click.ClickException(str(error)) from error
    if not claims:
        raise click.ClickException("no chapter stores a claim: run the chapters with `course run`.")
    if as_json:
        click.echo(json.dumps([asdict(claim) for claim in claims], indent=2, ensure_ascii=False))
    else:
        for claim in claims:
            click.echo(_paragraph(claim))
    if not all(claim.passed or claim.clock for claim in claims):
        raise SystemExit(1)


def _paragraph(claim: Claim) -> str:
    stands = "" if claim.passed else " - DID NOT STAND in the stored run"
    over = f", over {claim.over}" if claim.over else ""
    lines = textwrap.wrap(claim.statement, 92, initial_indent="      ", subsequent_indent="      ")
    head = f"{claim.id:<5} {claim.verdict}{stands}  ({claim.chapter})"
    return "\n".join([head, *lines, f"      measured: {claim.measured_text}{over}"])
