"""Threads that share the rows of a product.

Threads of our own, not numba's: of its threading layers one ends the process when two threads enter
at once, and another shares OpenMP with torch. There are as many as torch uses:
torch.set_num_threads sets both.
"""

import os
import select
import threading
from collections import deque
from collections.abc import Callable, Iterable
from queue import SimpleQueue
from typing import Any

Job = Callable[[], None]

_jobs: SimpleQueue[Job] = SimpleQueue()
_workers: list[threading.Thread] = []
_hiring = threading.Lock()


def share(work: Callable[[Any], None], parts: Iterable[Any], threads: int) -> None:
    """Do work(part) for each part, on this thread and `threads` - 1 others.

    Whoever is free takes the next part, so nobody waits for a thread that is slow to wake up.

    Raises:
        Exception: the first that a part raised, on whichever thread; all parts are over by then.
    """
    todo, over = deque(parts), SimpleQueue[BaseException | None]()
    count = len(todo)

    def help_out() -> None:
        while todo:
            try:
                part = todo.popleft()
            except IndexError:  # somebody took the last one meanwhile
                return
            try:
                work(part)
            except BaseException as error:
                over.put(error)
            else:
                over.put(None)

    _hire(threads - 1)
    for _ in range(threads - 1):
        _jobs.put(help_out)
    help_out()
    while over.qsize() < count:  # asleep, it would wake up some 30 microseconds too late
        select.select((), (), (), 0)  # lets the others have Python's lock
    for error in (over.get() for _ in range(count)):
        if error is not None:
            raise error


def _hire(count: int) -> None:
    """See that there are so many threads; they sleep while there is nothing to do."""
    if len(_workers) < count:
        with _hiring:
            while len(_workers) < count:
                worker = threading.Thread(target=_labour, name="sparse", daemon=True)
                worker.start()
                _workers.append(worker)


def _labour() -> None:
    while True:
        _jobs.get()()


def _start_anew() -> None:
    """Forget the threads: a forked child has none of its parent's."""
    global _jobs, _hiring
    _jobs, _hiring = SimpleQueue(), threading.Lock()
    _workers.clear()


os.register_at_fork(after_in_child=_start_anew)
