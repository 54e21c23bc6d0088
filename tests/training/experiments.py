"""Experiments for the tests of sweeps; each leaves a trace, so that runs can be counted."""

import os
import time
from pathlib import Path


def trace(folder: str, label: str) -> int:
    """Leave a new file; return how many there were before."""
    before = len(list(Path(folder).glob(f"{label}.*")))
    Path(folder, f"{label}.{os.getpid()}.{time.time_ns()}").touch()
    return before


def square(x: float, folder: str, seconds: float = 0.0, gate: str = "") -> dict[str, float]:
    """Square x, after some seconds; from 4 on, only when there is a file called `gate`."""
    trace(folder, f"x{x}")
    time.sleep(seconds)
    while gate and x >= 4 and not Path(gate).exists():
        time.sleep(0.05)
    return {"square": x * x}


def picky(x: float, folder: str) -> object:
    trace(folder, f"x{x}")
    if x == 2:
        raise ValueError("no twos")
    return {1, 2} if x == 3 else x


def deadly(x: float, folder: str, lives: int) -> float:
    """End the whole process at x = 1, as many times as there are lives."""
    if trace(folder, f"x{x}") < lives and x == 1:
        os._exit(3)
    return x
