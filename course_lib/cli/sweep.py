"""`course sweep`: one experiment at every point of a grid, here or on a cluster."""

import ast
import importlib
import json
import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

CONNECT_SECONDS = 10


@click.command()
@click.argument("experiment")
@click.option(
    "--over",
    "axes",
    multiple=True,
    metavar="NAME=VALUES",
    help="An argument and its values, in JSON: --over density=[0.5,0.1]. A single value needs no "
    "brackets. Given more than once, every combination is run.",
)
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("results"),
    show_default=True,
    help="Where results are stored as they come. What is there is not done again.",
)
@click.option("--workers", type=click.IntRange(1), help="Local processes; one a core if not given.")
@click.option("--scheduler", metavar="ADDRESS", help="Of a Dask cluster, such as tcp://host:8786.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for machines.")
def sweep(
    experiment: str,
    axes: Sequence[str],
    folder: Path,
    workers: int | None,
    scheduler: str | None,
    as_json: bool,
) -> None:
    r"""Run EXPERIMENT, a function named as module:function, at every point of a grid.

    The function takes settings as keywords and returns plain data. Modules are looked for in this
    folder too; the workers of a cluster must be able to import them as well. A sweep that was
    killed goes on where it stood. Exit code 1 if some settings failed.

    \b
    Example, the lottery ticket experiment for six seeds in three parts:
      course sweep course_lib.labs.lottery:contest --over seeds=[[0,1],[2,3],[4,5]]
    """
    from course_lib.training.sweep import SweepFailed, grid
    from course_lib.training.sweep import sweep as run

    function = _experiment(experiment)
    settings = grid(**dict(_axis(text) for text in axes))
    try:
        with cluster(scheduler) as executor:
            rows = run(function, settings, folder=folder, executor=executor, workers=workers)
    except (SweepFailed, TypeError) as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        click.echo(json.dumps(rows, indent=1, ensure_ascii=False))
        return
    for row in rows:
        result = row.pop("result")
        told = " ".join(f"{name}={json.dumps(value)}" for name, value in row.items())
        click.echo(f"{told or 'no settings'}  {_short(result)}")


def _experiment(text: str) -> Callable[..., object]:
    """Return the function that module:function names."""
    path, _, name = text.partition(":")
    sys.path.insert(0, str(Path.cwd()))
    try:
        found: Any = getattr(importlib.import_module(path), name)
    except (ImportError, ValueError, AttributeError) as error:
        raise click.BadParameter(
            f"{text!r} cannot be imported ({error}); expected module:function, such as "
            "course_lib.labs.lottery:contest."
        ) from error
    if not callable(found):
        raise click.BadParameter(f"{text!r} is {type(found).__name__}, expected a function.")
    function: Callable[..., object] = found
    return function


def _axis(text: str) -> tuple[str, list[object]]:
    """Return the name and the values of one --over."""
    name, equals, values = text.partition("=")
    if not equals or not name.isidentifier():
        raise click.BadParameter(f"--over {text!r}: expected NAME=VALUES, such as seed=[0,1,2].")
    try:
        found = json.loads(values)
    except ValueError as error:
        if not _is_word(values):
            raise click.BadParameter(
                f"--over {text!r}: {values!r} is not JSON ({error}). Expected values such as "
                f"{name}=[0.5,0.1] or {name}=[true,null]; a single word needs no quotes."
            ) from error
        found = values
    return name, found if isinstance(found, list) else [found]


def _is_word(text: str) -> bool:
    """Tell whether this is just a word: no JSON that was cut short, and no value of Python's."""
    if text.startswith(("[", "{", '"')):
        return False
    try:
        ast.literal_eval(text)  # True, None, .5, 1_000, 'a', and 1,2 too
    except (ValueError, SyntaxError):
        return True
    return False


@contextmanager
def cluster(address: str | None) -> Iterator[Executor | None]:
    """Yield the executor of a Dask cluster; None where no address is given.

    Raises:
        click.ClickException: no scheduler answers there.
    """
    if address is None:
        yield None
        return
    from distributed import Client

    logging.getLogger("distributed.client").setLevel(logging.CRITICAL)  # we say it in a sentence
    try:
        client = Client(address, timeout=CONNECT_SECONDS)
    except (OSError, ValueError) as error:
        raise click.ClickException(
            f"no Dask scheduler answers at {address} ({error}). Start one with `dask scheduler`, "
            "and workers with `dask worker ADDRESS`."
        ) from error
    with client, client.get_executor() as executor:
        if not client.scheduler_info()["workers"]:
            click.echo(
                f"The cluster has no worker yet; this waits. Start some: dask worker {address}",
                err=True,
            )
        yield executor


def _short(result: object) -> str:
    text = json.dumps(result, ensure_ascii=False)
    return text if len(text) <= 100 else f"{text[:99]}…"
