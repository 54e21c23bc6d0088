"""`course bench`: measure what the course promises about time, on this machine."""

import json
import pkgutil
from dataclasses import asdict
from importlib import import_module

import click

from course_lib.cli import bench as entries
from course_lib.cli.bench import Measurement


def names() -> list[str]:
    """Return the names of all entries."""
    return sorted(m.name for m in pkgutil.iter_modules(entries.__path__) if m.name != "command")


@click.command()
@click.argument("names_", metavar="[NAMES]", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for machines.")
def bench(names_: tuple[str, ...], as_json: bool) -> None:
    """Measure, all entries or NAMES. Exit code 1 if a promise is not kept here.

    Keep the machine otherwise idle.
    """
    unknown = sorted(set(names_) - set(names()))
    if unknown:
        raise click.ClickException(
            f"no bench is called {', '.join(unknown)}. There are: {', '.join(names())}."
        )
    results: dict[str, list[Measurement]] = {}
    for name in names_ or names():
        results[name] = import_module(f"{entries.__name__}.{name}").measure()
        if not as_json:
            for m in results[name]:
                click.echo(f"{name:10}  {m.what}: {m.value:.3g} {m.unit}{m.promise}")
    if as_json:
        found = {n: [asdict(m) | {"kept": m.kept} for m in ms] for n, ms in results.items()}
        click.echo(json.dumps(found, indent=2))
    if not all(m.kept for ms in results.values() for m in ms):
        raise SystemExit(1)
