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
import signal
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from itertools import product
from multiprocessing import active_children, get_context
from pathlib import Path

from tqdm import tqdm

from course_lib.masks.files import write_whole

Settings = dict[str, object]
Experiment = Callable[..., object]
ATTEMPTS = 3  # how often settings are tried whose worker died


class SweepFailed(RuntimeError):
    """Some settings failed; the others are stored.

    Attributes:
        failures: pairs of the settings and what went wrong.
    """

    def __init__(self, failures: Sequence[tuple[Settings, str]], done: int) -> None:
        self.failures = list(failures)
        told = "\n".join(f"  {settings}: {error}" for settings, error in self.failures)
        super().__init__(
            f"{len(self.failures)} of {done + len(self.failures)} settings failed:\n{told}\n"
            "The others are stored. Mend the experiment and sweep again: it does only these."
        )


def grid(**axes: Iterable[object]) -> list[Settings]:
    """Return settings for every combination of the values; the last axis changes fastest."""
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
            time and again. All others have been done and stored.

    Used in chapter 05.
    """
    name = _name(experiment)
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    files = {_key(name, point): point for point in settings}
    missing = [key for key in files if _read(place / f"{key}.json") is None]
    failures: dict[str, str] = {}
    with tqdm(total=len(files), initial=len(files) - len(missing), disable=None) as bar:
        for key, result, error in _run(experiment, files, missing, executor, workers):
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
    return [{**point, "result": _result(place / f"{_key(name, point)}.json")} for point in settings]


# Running


def _run(
    experiment: Experiment,
    files: Mapping[str, Settings],
    missing: Sequence[str],
    executor: Executor | None,
    workers: int | None,
) -> Iterator[tuple[str, object, str | None]]:
    """Yield (key, result, error) as they come; what a dying worker took along is tried again.

    A pool of processes breaks as a whole when one of them dies, and does not say which task it
    held. So the second time what was lost runs one task at a time, to find the guilty one.
    """
    left, together = list(missing), True
    for _ in range(ATTEMPTS):
        lost: list[str] = []
        groups = [left] if together else [[key] for key in left]
        for group in groups:
            with _pool(executor, 1 if not together else workers) as pool:
                tasks: dict[Future[object], str] = {}
                with _deaf_to_ctrl_c():
                    for key in group:
                        try:
                            tasks[pool.submit(experiment, **files[key])] = key
                        except BrokenExecutor:
                            lost.append(key)
                for task in as_completed(tasks):
                    error = task.exception()
                    if isinstance(error, BrokenExecutor):
                        lost.append(tasks[task])
                    elif error is not None:
                        yield tasks[task], None, f"{type(error).__name__}: {error}"
                    else:
                        yield tasks[task], task.result(), None
        left, together = lost, False
        if not left:
            return
        if executor is not None:
            break  # not ours to make anew
    for key in left:
        yield key, None, "the worker died; too little memory, or the experiment ends its process"


@contextmanager
def _pool(executor: Executor | None, workers: int | None) -> Iterator[Executor]:
    """Yield the executor that was given, or local processes of our own.

    They are spawned: a process that is forked after torch or numba have started threads can hang.
    """
    if executor is not None:
        yield executor
        return
    before = set(active_children())
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        try:
            yield pool
        except BaseException:  # Ctrl-C: what is under way would be waited for
            for process in set(active_children()) - before:
                process.terminate()
            raise


@contextmanager
def _deaf_to_ctrl_c() -> Iterator[None]:
    """Have processes that are started here not hear Ctrl-C, which a terminal sends to all.

    Each would write a traceback of its own. They inherit what this thread does not hear.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


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


def _read(path: Path) -> Settings | None:
    """Return what is stored; None if there is nothing, or it is broken and must be done again."""
    try:
        digest, told = path.read_text().split("\n", 1)
    except (OSError, ValueError):
        return None
    if hashlib.sha256(told.encode()).hexdigest() != digest:
        return None
    entry: Settings = json.loads(told)
    return entry


def _result(path: Path) -> object:
    entry = _read(path)
    if entry is None:
        raise RuntimeError(f"{path}: was stored and is gone or altered. Run the sweep again.")
    return entry["result"]


def _write(path: Path, name: str, settings: Settings, result: object) -> None:
    told = json.dumps({"experiment": name, "settings": settings, "result": result}, indent=1)
    write_whole(path, f"{hashlib.sha256(told.encode()).hexdigest()}\n{told}".encode())
