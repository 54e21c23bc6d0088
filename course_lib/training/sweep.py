"""Sweeps: one experiment at every point of a grid, stored as results come, by any executor.

    rows = sweep(experiment, grid(seed=range(10), density=[0.5, 0.1]), folder="results")

The experiment is a function at the top of a module, from settings to plain data (what JSON can
say). Each result is a file of its own, named by a digest of the experiment's name and its settings
and written whole or not at all, by this process alone: a sweep that was killed goes on where it
stood, and a worker that dies costs the work it held, which is done again.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor, Executor
from contextlib import closing
from itertools import product
from pathlib import Path

from tqdm import tqdm

from course_lib.files import store, stored
from course_lib.processes import Dropped, work

Settings = dict[str, object]
Experiment = Callable[..., object]


class SweepFailed(RuntimeError):
    """Some settings failed; the others are stored.

    Attributes:
        failures: pairs of the settings and what went wrong.

    Examples:
        >>> failed = SweepFailed([({"seed": 3}, "ValueError: no luck")], done=9)
        >>> print(str(failed).splitlines()[0])
        1 of 10 settings failed:
    """

    def __init__(self, failures: Sequence[tuple[Settings, str]], done: int) -> None:
        self.failures = list(failures)
        told = "\n".join(f"  {settings}: {error}" for settings, error in self.failures)
        super().__init__(
            f"{len(self.failures)} of {done + len(self.failures)} settings failed:\n{told}\n"
            "The others are stored. Mend the experiment and sweep again: it does only these."
        )


def grid(**axes: Iterable[object]) -> list[Settings]:
    """Return settings for every combination of the values; the last axis changes fastest.

    Examples:
        >>> grid(seed=[0, 1], density=[0.5])
        [{'seed': 0, 'density': 0.5}, {'seed': 1, 'density': 0.5}]
    """
    values = [list(axis) for axis in axes.values()]
    return [dict(zip(axes, point, strict=True)) for point in product(*values)]


def sweep(
    experiment: Experiment,
    settings: Sequence[Settings],
    *,
    folder: str | os.PathLike[str],
    executor: Executor | None = None,
    workers: int | None = None,
) -> list[Settings]:
    """Run an experiment at all settings that have no stored result, and return all results.

    Args:
        experiment: a function at the top of an importable module; called with settings as
            keywords, it returns plain data.
        settings: of each run, plain data; `grid` makes them.
        folder: of the results. One folder may serve many sweeps; delete it after you have changed
            what the experiment does.
        executor: any, such as that of a Dask cluster, `client.get_executor()`; it is not shut down.
        workers: of the local processes that are used without an executor; one for each core.

    Returns:
        For each of the settings, in their order, these and the "result".

    Raises:
        TypeError: settings that are not plain data, or an experiment that workers cannot import.
        SweepFailed: at some settings the experiment raised, gave no plain data, or its worker died
            twice. All others have been done and stored.

    Examples:
        >>> from concurrent.futures import ThreadPoolExecutor
        >>> from tempfile import TemporaryDirectory
        >>> from course_lib.training.schedules import linear
        >>> with TemporaryDirectory() as folder, ThreadPoolExecutor(1) as executor:
        ...     rows = sweep(linear, grid(progress=[0.0, 0.25]), folder=folder, executor=executor)
        >>> rows
        [{'progress': 0.0, 'result': 1.0}, {'progress': 0.25, 'result': 0.75}]
    """
    name = _name(experiment)
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    files = {_key(name, point): point for point in settings}
    missing = {k: point for k, point in files.items() if _read(place / f"{k}.json", name) is None}
    failures: dict[str, str] = {}
    with tqdm(total=len(files), initial=len(files) - len(missing), disable=None) as bar:
        for key, result, error in _run(experiment, missing, executor, workers):
            if error is None:
                try:
                    _write(place / f"{key}.json", name, files[key], result)
                except TypeError as problem:
                    error = f"the result is no plain data ({problem})"
            if error is not None:
                failures[key] = error
            bar.update()
    if failures:
        told = [(files[key], error) for key, error in failures.items()]
        raise SweepFailed(told, len(files) - len(failures))
    return [
        {**point, "result": _result(place / f"{_key(name, point)}.json", name)}
        for point in settings
    ]


# Running


def _run(
    experiment: Experiment,
    points: Mapping[str, Settings],
    executor: Executor | None,
    workers: int | None,
) -> Iterator[tuple[str, object, str | None]]:
    """Yield (key, result, error) as they come; what a dying worker took along is tried again."""
    tasks = [(key, (experiment, point)) for key, point in points.items()]
    with closing(work(_call, tasks, workers or os.cpu_count() or 1, executor)) as done:
        for key, result, error in done:
            if isinstance(error, BrokenExecutor | Dropped):
                said = "the worker died; too little memory, or the experiment ends its process"
                yield key, None, said
            else:
                yield key, result, f"{type(error).__name__}: {error}" if error else None


def _call(experiment: Experiment, settings: Settings) -> object:
    return experiment(**settings)


# The store


def _name(experiment: Experiment) -> str:
    module, name = getattr(experiment, "__module__", None), getattr(experiment, "__qualname__", "")
    if module in (None, "__main__") or "<" in name or not name:
        raise TypeError(
            f"experiment: given {experiment!r}, which worker processes cannot import. Expected a "
            "function at the top of a module (not of a notebook, no lambda)."
        )
    return f"{module}:{name}"


def _key(name: str, settings: Settings) -> str:
    try:
        told = json.dumps([name, settings], sort_keys=True, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"settings: given {settings}, expected plain data: text, numbers, lists, true or false."
        ) from error
    return hashlib.sha256(told.encode()).hexdigest()[:24]


def _read(path: Path, name: str) -> Settings | None:
    """Return what is stored; None if there is nothing, or it is broken and must be done again."""
    found = stored(path)
    if found is None or found[0] != name:
        return None
    entry: Settings = json.loads(found[1])
    return entry


def _result(path: Path, name: str) -> object:
    entry = _read(path, name)
    if entry is None:
        raise RuntimeError(f"{path}: was stored and is gone or altered. Run the sweep again.")
    return entry["result"]


def _write(path: Path, name: str, settings: Settings, result: object) -> None:
    told = json.dumps({"settings": settings, "result": result}, indent=1)
    store(path, name, told.encode())
