"""Work on many processes, here or on a cluster: a dying worker costs only what killed it."""

import os
import signal
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    Executor,
    Future,
    ProcessPoolExecutor,
    wait,
)
from contextlib import contextmanager, nullcontext
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

WINDOW = 64  # tasks that an executor holds whose workers we do not know

Task = tuple[str, tuple[Any, ...]]  # a name, and the arguments of the function
Done = tuple[str, Any, BaseException | None]  # the name, the result, or why there is none
End = Callable[[], None]


class Dropped(Exception):
    """The executor gave a task up: it is being shut down, or its cluster is gone."""


def work(
    function: Callable[..., Any],
    tasks: Iterable[Task],
    workers: int,
    executor: Executor | None = None,
    *,
    at_end: End | None = None,
) -> Generator[Done, None, None]:
    """Call the function with the arguments of every task; yield as they come to an end.

    Tasks are taken a few ahead of the workers, so that not all of them need fit into memory.

    Args:
        function: at the top of a module.
        tasks: what is to be done.
        workers: processes of this machine, where no executor is given.
        executor: any, such as that of a Dask cluster, which does the work of dead workers again by
            itself. It is not shut down.
        at_end: at the top of a module; what a process of ours does first when it is ended.

    A pool of processes breaks as a whole when one of them dies, and does not say which task it
    held. All that were under way are tried once more, each alone: the guilty one breaks its pool
    again, and then its error says so.
    """
    left, window = iter(tasks), WINDOW if executor else workers + 2
    while True:
        with nullcontext(executor) if executor else _processes(workers, at_end) as pool:
            lost = yield from _through(pool, function, left, window)
        if not lost:
            return
        alone = iter(lost)
        while True:
            with _processes(1, at_end) as pool:
                guilty = yield from _through(pool, function, alone, 1)
            if not guilty:
                break
            yield guilty[0][0], None, BrokenExecutor("the process that worked on it died, twice")


def _through(
    pool: Executor, function: Callable[..., Any], left: Iterator[Task], window: int
) -> Generator[Done, None, list[Task]]:
    """Yield what comes to an end; return the tasks under way when the pool broke, none if not."""
    flight: dict[Future[Any], Task] = {}
    try:
        while True:
            while len(flight) < window and (task := next(left, None)):
                try:
                    with _unheard():
                        flight[pool.submit(function, *task[1])] = task
                except BrokenExecutor:
                    return [*flight.values(), task]
            if not flight:
                return []
            done, _ = wait(flight, return_when=FIRST_COMPLETED)
            broken = [f for f in done if not f.cancelled() and _broke(f)]
            for future in [f for f in flight if f in done and f not in broken]:  # in their order
                name, _ = flight.pop(future)
                if future.cancelled():
                    yield name, None, Dropped()
                elif error := future.exception():
                    yield name, None, error
                else:
                    yield name, future.result(), None
            if broken:
                return list(flight.values())
    finally:
        for future in flight:
            future.cancel()


def _broke(future: Future[Any]) -> bool:
    return isinstance(future.exception(), BrokenExecutor)


# Processes that end with this one


@contextmanager
def _processes(workers: int, at_end: End | None) -> Iterator[Executor]:
    """Yield processes of our own, which end when this one does, in whatever way.

    Each holds one end of a pipe, the leash, whose other end this process alone has: the system
    closes it even after `kill -9`. They are spawned, for a process that is forked after torch or
    numba has started threads can hang.
    """
    context = get_context("spawn")
    held, leash = context.Pipe(duplex=False)
    given = (held, at_end)
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_on_leash, initargs=given)
    try:
        yield pool
        pool.shutdown()
    finally:
        leash.close()
        pool.shutdown(cancel_futures=True)
        held.close()


@contextmanager
def _unheard() -> Iterator[None]:
    """Put Ctrl-C off for a moment: a process that is started in it does not hear it at all."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _on_leash(held: Connection, at_end: End | None = None) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all: our parent decides
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})  # its own children hear it

    def end() -> None:
        """End this process.

        No exception says it to the main thread, which may be anywhere: in a `finally`, or at exit.
        """
        try:
            if at_end:
                at_end()
        finally:
            os._exit(1)

    def watch() -> None:
        held.poll(None)  # nothing is ever sent: this is the end of the pipe
        end()

    signal.signal(signal.SIGTERM, lambda number, frame: threading.Thread(target=end).start())
    threading.Thread(target=watch, daemon=True).start()
