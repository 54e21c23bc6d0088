"""Each operation on vectors against NumPy."""

import numpy as np
import pytest
from numba import njit
from numba.core.errors import TypingError

from course_lib.sparse import simd
from course_lib.sparse.simd import (
    add,
    axpy,
    dot,
    fma,
    gather,
    load,
    load_first,
    part,
    plus,
    positive,
    repeat,
    spread,
    store,
    store_first,
    total,
    zeros,
)

kinds = pytest.mark.parametrize("dtype", [np.float32, np.float64])
widths = pytest.mark.parametrize("lanes", [1, 4, 16, 128])


def arrays(dtype, size, count=3):
    rng = np.random.default_rng(0)
    return [rng.integers(-9, 10, size).astype(dtype) for _ in range(count)]


@kinds
@widths
def test_arithmetic(dtype, lanes):
    x, y, z = arrays(dtype, lanes)

    @njit
    def run(x, y, z, out):
        a, b, c = load(x, 0, lanes), load(y, 0, lanes), load(z, 0, lanes)
        store(out, 0, fma(a, b, c))
        store(out, lanes, axpy(y[0], a, c))
        store(out, 2 * lanes, plus(a, b))
        store(out, 3 * lanes, add(z[0], a))
        store(out, 4 * lanes, positive(a))
        store(out, 5 * lanes, zeros(x, lanes))
        return total(a), dot(a, b)

    out = np.full(6 * lanes, np.nan, dtype)
    sums = run(x, y, z, out)
    expected = [x * y + z, y[0] * x + z, x + y, z[0] + x, np.maximum(x, 0), 0 * x]
    assert np.array_equal(out, np.concatenate(expected))
    assert sums == (x.sum(), x @ y)


@kinds
@pytest.mark.parametrize("count", [-5, 0, 1, 7, 16, 40])
def test_the_first_lanes_and_no_others(dtype, count):
    (x,) = arrays(dtype, 16, 1)

    @njit
    def run(x, out, count):
        some = load_first(x, 0, count, 16)
        store(out, 0, some)
        store_first(out, 16, count, load(x, 0, 16))

    out = np.full(32, 99, dtype)
    run(x, out, count)
    here = np.arange(16) < count
    assert np.array_equal(out[:16], np.where(here, x, 0))
    assert np.array_equal(out[16:], np.where(here, x, 99))


@kinds
@pytest.mark.parametrize("index", [np.uint16, np.int32])
def test_rearranging(dtype, index):
    (x,) = arrays(dtype, 70_000, 1)
    columns = np.array([3, 65_000, 0, 3, 40_000, 1, 2, 7], index)

    @njit
    def run(x, columns, out):
        store(out, 0, gather(x, columns, 1, 4))
        store(out, 4, repeat(load(x, 0, 2), 3))
        store(out, 10, spread(load(x, 0, 2), 3))
        store(out, 16, part(load(x, 0, 8), 2, 4))

    out = np.empty(20, dtype)
    run(x, columns, out)
    assert np.array_equal(out[:4], x[columns[1:5]])
    assert np.array_equal(out[4:10], np.tile(x[:2], 3))
    assert np.array_equal(out[10:16], np.repeat(x[:2], 3))
    assert np.array_equal(out[16:], x[2:6])


def test_nan_stays():
    x, out = np.array([np.nan, -1.0, 2.0, -np.inf]), np.empty(4)

    @njit
    def run(x, out):
        store(out, 0, positive(load(x, 0, 4)))

    run(x, out)
    assert np.isnan(out[0]) and out[1:].tolist() == [0, 2, 0]


@pytest.mark.parametrize("array", [np.ones((2, 2)), np.ones(4, np.int32)])
def test_what_is_no_flat_array_of_floats(array):
    @njit
    def run(x):
        return total(load(x, 0, 2))

    with pytest.raises((TypingError, TypeError), match="expected a flat array of float"):
        run(array)


def test_lanes_are_constant():
    @njit
    def run(x, lanes):
        return total(simd.load(x, 0, lanes))

    with pytest.raises((TypingError, TypeError), match="must be a constant"):
        run(np.ones(4), 2)
