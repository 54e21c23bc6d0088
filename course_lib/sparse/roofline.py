"""What this machine can do at best, measured; and what a product would cost at that rate.

A computation does some arithmetic and moves some bytes. No program is faster than the arithmetic
units allow, nor faster than the memory allows: with the intensity I = operations / bytes, the rate
is at most min(peak, bandwidth * I). Drawn over I that is a roof, and where a program lies under it
says what could hold it back.

Source: Williams, Waterman and Patterson, 2009.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from course_lib.sparse.compilers import njit
from course_lib.sparse.formats import CSR
from course_lib.sparse.kernels import lanes_of, multiply
from course_lib.sparse.simd import axpy, load, plus, store, total, zeros

CHAINS = 8  # registers that take turns, so that no sum waits for itself
BEYOND_CACHES = 256 * 2**20  # bytes of an array that no cache of today's processors holds


@dataclass(frozen=True)
class Machine:
    """The roof: the arithmetic and the memory of one thread.

    Attributes:
        peak: operations a second (a multiply-add counts two).
        bandwidth: bytes a second, read from memory.

    Examples:
        >>> machine = Machine(peak=1e11, bandwidth=1e10)
        >>> machine.ridge, float(machine.attainable(2.0)), float(machine.attainable(100.0))
        (10.0, 20000000000.0, 100000000000.0)
    """

    peak: float
    bandwidth: float

    @classmethod
    @cache
    def measure(cls) -> Machine:
        """Measure this machine, about a second; a second call returns what the first found."""
        return cls(measured_peak(), measured_bandwidth(BEYOND_CACHES))

    @property
    def ridge(self) -> float:
        """The intensity, operations a byte, from which the arithmetic is what limits."""
        return self.peak / self.bandwidth

    def attainable(self, intensity: Any) -> Any:
        """Return the most operations a second at an intensity (or an array of them)."""
        return np.minimum(self.peak, self.bandwidth * np.asarray(intensity))

    def seconds(self, operations: float, nbytes: float) -> float:
        """Return the least time for so much arithmetic and so many bytes, done side by side."""
        return max(operations / self.peak, nbytes / self.bandwidth)


def operations(weights: int, batch: int) -> int:
    """Count the operations of Y = W X: one multiplication and one addition, a weight an example.

    Examples:
        >>> operations(weights=1000, batch=128)
        256000
    """
    return 2 * weights * batch


def traffic(weight_bytes: int, shape: tuple[int, int], batch: int, itemsize: int = 4) -> int:
    """Count the bytes that Y = W X moves at least: each weight, input and output once.

    Args:
        weight_bytes: the matrix as it is stored, indices and all: `nbytes` of its format.
        shape: (rows, columns) of the matrix.
        batch: examples.
        itemsize: bytes of one activation.

    Examples:
        >>> traffic(weight_bytes=6000, shape=(100, 50), batch=128)
        82800
    """
    return weight_bytes + sum(shape) * batch * itemsize


def race(runners: Mapping[str, Callable[[], object]], seconds: float = 0.3) -> dict[str, float]:
    """Time functions side by side: they take turns, so a busy neighbour slows all of them alike.

    Args:
        runners: functions by name; each is first run twice, for what first calls load or compile.
        seconds: how long the race lasts for each runner, about.

    Returns:
        The best time of each, in seconds.

    Examples:
        >>> sorted(race({"sum": lambda: sum(range(100)), "nothing": lambda: None}, 0.01))
        ['nothing', 'sum']
    """
    best = dict.fromkeys(runners, float("inf"))
    for run in [*runners.values()] * 2:
        run()
    end = time.perf_counter() + seconds * len(runners)
    while time.perf_counter() < end:
        for name, run in runners.items():
            # Three at a stretch: the first finds the caches full of another runner's data.
            for _ in range(3):
                start = time.perf_counter()
                run()
                best[name] = min(best[name], time.perf_counter() - start)
    return best


@cache
def _multiply_adds(lanes: int) -> Callable[..., None]:
    @njit(nogil=True, cache=True)
    def kernel(numbers, times):
        sums = load(numbers, 0, lanes)
        for _ in range(times):
            sums = axpy(numbers[0], sums, sums)
        store(numbers, 0, sums)

    return kernel


def measured_peak(dtype: Any = np.float32) -> float:
    """Measure operations a second of one thread that does multiply-adds in registers only.

    Examples:
        >>> measured_peak() > 0
        True
    """
    lanes, times = CHAINS * lanes_of(dtype), 200_000
    numbers = np.zeros(lanes, dtype)
    kernel = _multiply_adds(lanes)
    return 2 * lanes * times / race({"peak": lambda: kernel(numbers, times)})["peak"]


def measured_bandwidth(nbytes: int) -> float:
    """Measure bytes a second of one thread that reads an array of so many bytes again and again.

    Examples:
        >>> measured_bandwidth(256 * 1024) > 0
        True
    """
    numbers = np.ones(nbytes // 4, np.float32)
    kernel = _reading(CHAINS * lanes_of(np.float32))
    return numbers.nbytes / race({"read": lambda: kernel(numbers)}, 0.5)["read"]


@cache
def _reading(lanes: int) -> Callable[..., float]:
    @njit(nogil=True, cache=True)
    def kernel(numbers):
        sums = zeros(numbers, lanes)
        for at in range(0, len(numbers) - lanes + 1, lanes):
            sums = plus(load(numbers, at, lanes), sums)
        return total(sums)

    return kernel


def break_even(rows: int, columns: int, batch: int) -> float:
    """Measure the density below which the sparse product is faster than torch's dense one.

    The time of a sparse product is close to a line in the density: it is measured at two, dense
    once, and where the line meets the dense time is the answer. Sizes are rounded to powers of two,
    so a network's layers share measurements; a small fraction of a second each, on as many threads
    as torch has.

    Examples:
        >>> 0 <= break_even(64, 64, 16) <= 1
        True
    """
    sizes = (min(2 ** round(np.log2(max(size, 1))), 2048) for size in (rows, columns))
    examples = min(2 ** round(np.log2(max(batch, 1))), 256)
    return _break_even(*sizes, examples, torch.get_num_threads())


@cache
def _break_even(rows: int, columns: int, batch: int, threads: int) -> float:
    chance = torch.Generator().manual_seed(0)
    weight = torch.randn(rows, columns, generator=chance)
    x = torch.randn(columns, batch, generator=chance)
    examples = x.T.contiguous()
    few, many = 0.1, 0.4
    runners: dict[str, Callable[[], object]] = {"dense": lambda: F.linear(examples, weight)}
    for name, density in (("few", few), ("many", many)):
        kept = torch.rand(weight.shape, generator=chance) < density
        csr = CSR.from_dense(weight, kept)
        values = torch.from_numpy(csr.values)
        runners[name] = partial(multiply, values, csr.plan, x)
    times = race(runners, 0.05)
    slope = (times["many"] - times["few"]) / (many - few)
    if slope <= 0:  # so small that only the call counts
        return 1.0 if times["many"] <= times["dense"] else 0.0
    return float(np.clip(few + (times["dense"] - times["few"]) / slope, 0, 1))
