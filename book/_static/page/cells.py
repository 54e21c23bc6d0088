"""Runs cells as a notebook does, for the Python in a page: the worker calls this and no more."""

import ast
import builtins
import functools
import linecache
import signal
import sys
import time
import traceback

import numpy as np

import __main__
from course_lib.grading.marking import plain

# Python is slower here than where the seconds of checks were chosen, and the machine may be busy.
PATIENCE = 5


def run(source: str, name: str) -> bool:
    """Run a cell's code, print its last value if it has one; say whether it ended well.

    What it defined when it ran before under its own name, a task's function, is forgotten first: a
    check is never of what stands there no more.
    """
    vars(__main__).pop(name, None)
    file = f"<{name}>"
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    try:
        tree = ast.parse(source, file)
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, file, "exec"), vars(__main__))
        if last is not None:
            show(eval(compile(ast.Expression(last.value), file, "eval"), vars(__main__)))
    except BaseException as error:  # SystemExit too: a cell ends nothing but itself
        print(*told(error), sep="\n")
        return False
    return True


def show(value: object) -> None:
    """Print the value of a cell's last line."""
    if value is not None:
        print(repr(value))


def told(error: BaseException) -> list[str]:
    """Return the lines that say what went wrong, and where in the cells."""
    if render := getattr(error, "_render_traceback_", None):
        return list(render())
    steps = traceback.extract_tb(error.__traceback__)
    own = [] if isinstance(error, SyntaxError) else [s for s in steps if s.filename != __file__]
    lines = ["Traceback (most recent call last):", *traceback.format_list(own)] if own else []
    lines += traceback.format_exception_only(error)
    if isinstance(error, ModuleNotFoundError):
        lines.append("(On this page there are NumPy and what comes with Python.)")
    return [line.rstrip("\n") for line in lines]


def ask(prompt: object = "") -> str:
    """Stand in for `input`: there is nobody whom the worker could wait for."""
    raise RuntimeError("a program cannot ask here;\nwrite the answer into the code instead.")


def forget() -> None:
    """Forget all that cells have defined, as a kernel does that is started anew."""
    names = vars(__main__)
    for name in [name for name in names if not name.startswith("__")]:
        del names[name]


class Clock:
    """The timer of processor time that a browser lacks: `check` stops with it what never ends.

    It looks at the time whenever Python code calls or jumps back, and rings by calling the handler.
    """

    def __init__(self) -> None:
        self.due, self.every = 0.0, 0.0
        watch = sys.monitoring
        self.tool, events = watch.PROFILER_ID, watch.events
        self.events = events.JUMP | events.PY_START
        watch.use_tool_id(self.tool, "clock")
        for event in (events.JUMP, events.PY_START):
            watch.register_callback(self.tool, event, self.look)

    def look(self, *_: object) -> None:
        """Ring if it is time, and again a while later if that was caught."""
        if time.perf_counter() > self.due:
            self.due = time.perf_counter() + self.every
            signal.getsignal(signal.SIGPROF)(signal.SIGPROF, None)

    def set(self, which: int, seconds: float, interval: float = 0.0) -> None:
        """Do as `signal.setitimer` does, for the timer of processor time; the others never ring."""
        if which == signal.ITIMER_PROF:
            self.due, self.every = time.perf_counter() + PATIENCE * seconds, interval
            sys.monitoring.set_events(self.tool, self.events if seconds else 0)


def as_index(x: object) -> object:
    """Return whole numbers as those that count places here, 32 bits wide; others as they are."""
    fits = isinstance(x, np.ndarray | np.generic) and x.dtype in (np.int64, np.uint32)
    return x.astype(np.intp) if fits else x


def widened() -> None:
    """Have NumPy's whole numbers of 32 bits, of which a browser makes most, pass for 64.

    Elsewhere NumPy counts with 64 bits: two functions refuse them here, and a check would see
    other kinds of numbers than were expected.
    """
    bincount, repeat, encode = np.bincount, np.repeat, plain.encode

    @functools.wraps(bincount)
    def counted(x: object, *args: object, **kwargs: object) -> object:
        return bincount(as_index(x), *args, **kwargs)

    @functools.wraps(repeat)
    def repeated(a: object, repeats: object, *args: object, **kwargs: object) -> object:
        return repeat(a, as_index(repeats), *args, **kwargs)

    def encoded(x: object, depth: int = 0) -> plain.Node:
        narrow = type(x) in (np.ndarray, np.int32) and x.dtype == np.int32
        return encode(x.astype(np.int64) if narrow else x, depth)

    np.bincount, np.repeat, plain.encode = counted, repeated, encoded


def begin() -> None:
    """Make ready what cells count on."""
    signal.setitimer = Clock().set
    builtins.input = ask
    widened()
