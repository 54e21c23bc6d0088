"""A ladder: the same product Y = W X, each rung a few lines, each faster than the one below.

All rungs have the same signature, and all give the same answer:

    rung(values, columns, pointers, x, y)

with W in compressed rows (see `formats.CSR`), x (columns, batch) and y (rows, batch) of float32 in
C order. One thread. Each rung differs little from the one below, so the time that it saves tells
what that little cost.
"""

from collections.abc import Callable

import numpy as np

from course_lib.sparse.compilers import njit
from course_lib.sparse.kernels import LINE, TILE, lanes_of
from course_lib.sparse.plan import Array
from course_lib.sparse.simd import (
    axpy,
    fma,
    load,
    load_first,
    part,
    repeat,
    spread,
    store,
    store_first,
    zeros,
)

LANES = lanes_of(np.float32)  # one register
WIDE = TILE * LANES  # a tile of registers


@njit(nogil=True, cache=True)
def naive(values, columns, pointers, x, y):
    """One number of Y after the other, as the formula reads; every step jumps to another row.

    Examples:
        >>> from course_lib.sparse import CSR
        >>> W = CSR.from_dense(np.float32([[0, 2], [3, 0]]))
        >>> x, y = np.float32([[1], [10]]), np.empty((2, 1), np.float32)
        >>> naive(W.values, W.columns, W.pointers, x, y)
        >>> y.tolist()
        [[20.0], [3.0]]
    """
    for row in range(y.shape[0]):
        for j in range(y.shape[1]):
            y[row, j] = 0
            for p in range(pointers[row], pointers[row + 1]):
                y[row, j] += values[p] * x[columns[p], j]


@njit(nogil=True, cache=True)
def rowwise(values, columns, pointers, x, y):
    """A whole row of X for each weight: memory is read in order, and the compiler finds vectors.

    Examples:
        >>> from course_lib.sparse import CSR
        >>> W = CSR.from_dense(np.float32([[0, 2], [3, 0]]))
        >>> x, y = np.float32([[1], [10]]), np.empty((2, 1), np.float32)
        >>> rowwise(W.values, W.columns, W.pointers, x, y)
        >>> y.tolist()
        [[20.0], [3.0]]
    """
    for row in range(y.shape[0]):
        y[row] = 0
        for p in range(pointers[row], pointers[row + 1]):
            for j in range(y.shape[1]):
                y[row, j] += values[p] * x[columns[p], j]


@njit(nogil=True, cache=True)
def vectors(values, columns, pointers, x, y):
    """The same, in vectors: for each weight the row of Y is still loaded and stored again.

    Examples:
        >>> from course_lib.sparse import CSR
        >>> W = CSR.from_dense(np.float32([[0, 2], [3, 0]]))
        >>> x, y = np.float32([[1], [10]]), np.empty((2, 1), np.float32)
        >>> vectors(W.values, W.columns, W.pointers, x, y)
        >>> y.tolist()
        [[20.0], [3.0]]
    """
    batch, x, y_flat = y.shape[1], x.ravel(), y.ravel()
    for row in range(y.shape[0]):
        y[row] = 0
        for p in range(pointers[row], pointers[row + 1]):
            for j in range(0, batch, LANES):
                here, there, left = row * batch + j, columns[p] * batch + j, batch - j
                old = load_first(y_flat, here, left, LANES)
                new = axpy(values[p], load_first(x, there, left, LANES), old)
                store_first(y_flat, here, left, new)


def _in_registers(lanes: int) -> Callable[..., None]:
    @njit(nogil=True, cache=True)
    def kernel(values, columns, pointers, x, y):
        rows, batch = y.shape
        x, y = x.ravel(), y.ravel()
        whole = batch - batch % lanes
        for j in range(0, whole, lanes):
            for row in range(rows):
                sums = zeros(y, lanes)
                for p in range(pointers[row], pointers[row + 1]):
                    sums = axpy(values[p], load(x, columns[p] * batch + j, lanes), sums)
                store(y, row * batch + j, sums)
        if whole < batch:  # the last tile, shorter than the others
            left = batch - whole
            for row in range(rows):
                sums = zeros(y, lanes)
                for p in range(pointers[row], pointers[row + 1]):
                    there = columns[p] * batch + whole
                    sums = axpy(values[p], load_first(x, there, left, lanes), sums)
                store_first(y, row * batch + whole, left, sums)

    return kernel


_one_register = _in_registers(LANES)


def one_register(values, columns, pointers, x, y):
    """The sums of one register of examples stay in it until the row is done.

    Examples:
        >>> from course_lib.sparse import CSR
        >>> W = CSR.from_dense(np.float32([[0, 2], [3, 0]]))
        >>> x, y = np.float32([[1], [10]]), np.empty((2, 1), np.float32)
        >>> one_register(W.values, W.columns, W.pointers, x, y)
        >>> y.tolist()
        [[20.0], [3.0]]
    """
    _one_register(values, columns, pointers, x, y)


_tiled = _in_registers(WIDE)


def tiled(values, columns, pointers, x, y):
    """Eight registers of sums: a weight and an index that are read serve all of them.

    Examples:
        >>> from course_lib.sparse import CSR
        >>> W = CSR.from_dense(np.float32([[0, 2], [3, 0]]))
        >>> x, y = np.float32([[1], [10]]), np.empty((2, 1), np.float32)
        >>> tiled(W.values, W.columns, W.pointers, x, y)
        >>> y.tolist()
        [[20.0], [3.0]]
    """
    _tiled(values, columns, pointers, x, y)


def _in_blocks(lanes: int) -> Callable[..., None]:
    two, three, all_four = 2 * lanes, 3 * lanes, 4 * lanes

    @njit(nogil=True, cache=True)
    def kernel(values, columns, pointers, x, y):
        rows, batch = y.shape
        x, y, values = x.ravel(), y.ravel(), values.ravel()
        for j in range(0, batch, lanes):
            left = batch - j
            for block in range(len(pointers) - 1):
                sums = zeros(y, all_four)
                for p in range(pointers[block], pointers[block + 1]):
                    inputs = load_first(x, columns[p] * batch + j, left, lanes)
                    weights = spread(load(values, 4 * p, 4), lanes)
                    sums = fma(weights, repeat(inputs, 4), sums)
                row, here = 4 * block, 4 * block * batch + j
                store_first(y, here, left, part(sums, 0, lanes))
                if row + 1 < rows:
                    store_first(y, here + batch, left, part(sums, lanes, lanes))
                if row + 2 < rows:
                    store_first(y, here + 2 * batch, left, part(sums, two, lanes))
                if row + 3 < rows:
                    store_first(y, here + 3 * batch, left, part(sums, three, lanes))

    return kernel


# Four rows of sums must fit the registers: 32 of them with AVX-512, 16 with AVX2.
_blocked = _in_blocks((4 if LANES == 16 else 2) * LANES)


def blocked(values, columns, pointers, x, y):
    """Blocks of 4 x 1, as in `BlockCSR`: an input and an index serve four rows.

    Examples:
        >>> from course_lib.sparse import BlockCSR
        >>> W = BlockCSR.from_dense(np.float32([[0, 2], [3, 0]]))
        >>> x, y = np.float32([[1], [10]]), np.empty((2, 1), np.float32)
        >>> blocked(W.values, W.columns, W.pointers, x, y)
        >>> y.tolist()
        [[20.0], [3.0]]
    """
    _blocked(values, columns, pointers, x, y)


RUNGS: dict[str, Callable[..., None]] = {
    "one number at a time": naive,
    "a row at a time": rowwise,
    "in vectors": vectors,
    "sums in a register": one_register,
    "sums in eight registers": tiled,
}


def shifted(rows: int, columns: int, offset: int) -> Array:
    """Return a float32 array (rows, columns) that begins `offset` bytes after a line of the cache.

    A vector that lies across two lines costs two loads. NumPy begins its arrays on multiples of 16
    bytes: with vectors of 64 bytes three of four such arrays have every vector split.

    Examples:
        >>> shifted(2, 3, 0).ctypes.data % 64
        0
    """
    size = 4 * rows * columns
    room = np.empty(size + 2 * LINE, np.uint8)
    start = -room.ctypes.data % LINE + offset
    return room[start : start + size].view(np.float32).reshape(rows, columns)
