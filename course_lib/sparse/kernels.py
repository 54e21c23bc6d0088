"""Products with a sparse matrix that are faster than the dense ones: the course's own kernels.

Three products make a linear layer y = W x, forward and backward, each for a whole batch at once:

    spmm     Y = W X            forward; with the transposed matrix, the gradient of the input
    sddmm    (G Xᵀ) on W's own pattern only: the gradient of the weights that are kept
    spmv     y = W x            one example, where vectors cannot run along the batch

Activations are feature-major, (features, batch): then the examples of one feature lie side by side,
and a weight multiplies a whole vector of them. A *tile* is the piece of the batch whose sums fit
the registers; the sums of a row stay there from the first weight to the last and go to memory once.
A *panel* is a range of columns whose activations fit the first-level cache.

Everything else is bookkeeping so that any batch, any shape and any number of threads give the right
answer. The kernels release Python's lock, and threads share rows so that each has as many weights
as the others.

Source: Hong et al., 2018 (panels and register tiles); Gale et al., 2020 (SpMM and SDDMM).
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import torch
from llvmlite import binding
from numba.core import config
from torch import Tensor

from course_lib.sparse.compilers import njit
from course_lib.sparse.plan import Array, Plan
from course_lib.sparse.simd import (
    add,
    axpy,
    dot,
    fma,
    gather,
    load,
    load_first,
    plus,
    positive,
    store,
    store_first,
    total,
    zeros,
)
from course_lib.sparse.team import share

LINE = 64  # bytes in a line of the cache, of every processor this runs on
FLOATS = (torch.float32, torch.float64)
TILE = 8  # registers that hold the sums of a tile: half of what AVX2 has, so that nothing spills
# Of one example: a row of a sparse matrix has few weights, and wider vectors leave more of it over.
SPMV_LANES = 8
PARTS = 4  # of the rows for each thread: one that is late takes fewer
SMALL = 2_000_000  # multiply-adds below which a second thread costs more time than it saves


@cache
def lanes_of(dtype: Any) -> int:
    """Return how many numbers of this type one register of this processor holds."""
    given = config.CPU_FEATURES  # what numba compiles for, if somebody has said so
    features = set((given or binding.get_host_cpu_features().flatten()).split(","))
    size = 64 if "+avx512f" in features else 32 if "+avx" in features else 16
    return size // np.dtype(dtype).itemsize


# ---- the kernels: what runs on one thread, over some rows and some of the batch ------------------
#
# rows and batch are (first, end). places[column] is where the activations of that column begin in
# the flat array x: for a linear layer column * stride; a convolution has columns that overlap (see
# layers).


@njit(inline="always")
def _take(x, at, count, lanes, ragged):
    return load_first(x, at, count, lanes) if ragged else load(x, at, lanes)


@njit(inline="always")
def _input(x, places, column, at, left, lanes, ragged, regular):
    begin = column * places[0] if regular else places[column]
    return _take(x, begin + at, left, lanes, ragged)


@njit(inline="always")
def _put(y, at, count, sums, ragged):
    if ragged:
        store_first(y, at, count, sums)
    else:
        store(y, at, sums)


@cache
def product(lanes: int, ragged: bool, regular: bool) -> Callable[..., None]:
    """Make the kernel of Y = W X for tiles of `lanes` examples; ragged: for a last, shorter one."""

    @njit(nogil=True, cache=True)
    def kernel(values, columns, splits, places, x, y, stride, bias, relu, rows, batch):
        panels = splits.shape[0] - 1
        for panel in range(panels):
            for at in range(batch[0], batch[1], lanes):
                left = batch[1] - at
                for row in range(rows[0], rows[1]):
                    here = row * stride + at
                    if panel == 0:
                        sums = add(bias[row], zeros(y, lanes))
                    else:
                        sums = _take(y, here, left, lanes, ragged)
                    for p in range(splits[panel, row], splits[panel + 1, row]):
                        some = _input(x, places, columns[p], at, left, lanes, ragged, regular)
                        sums = axpy(values[p], some, sums)
                    if relu and panel == panels - 1:
                        sums = positive(sums)
                    _put(y, here, left, sums, ragged)

    return kernel


@cache
def narrow_product(lanes: int, regular: bool) -> Callable[..., None]:
    """Make the kernel of Y = W X for a batch of at most `lanes` examples, one or two registers.

    An addition must wait some cycles for the one before it. In a wide tile the other registers fill
    that time; here four sums take turns.
    """

    @njit(nogil=True, cache=True)
    def kernel(values, columns, splits, places, x, y, stride, bias, relu, rows, batch):
        at, left = batch[0], batch[1] - batch[0]
        for row in range(rows[0], rows[1]):
            first, end = splits[0, row], splits[-1, row]
            fours = end - (end - first) % 4
            a = add(bias[row], zeros(y, lanes))
            b, c, d = zeros(y, lanes), zeros(y, lanes), zeros(y, lanes)
            for p in range(first, fours, 4):
                some = _input(x, places, columns[p], at, left, lanes, True, regular)
                a = axpy(values[p], some, a)
                some = _input(x, places, columns[p + 1], at, left, lanes, True, regular)
                b = axpy(values[p + 1], some, b)
                some = _input(x, places, columns[p + 2], at, left, lanes, True, regular)
                c = axpy(values[p + 2], some, c)
                some = _input(x, places, columns[p + 3], at, left, lanes, True, regular)
                d = axpy(values[p + 3], some, d)
            for p in range(fours, end):
                some = _input(x, places, columns[p], at, left, lanes, True, regular)
                a = axpy(values[p], some, a)
            sums = plus(plus(a, b), plus(c, d))
            if relu:
                sums = positive(sums)
            store_first(y, row * stride + at, left, sums)

    return kernel


@cache
def vector_product(lanes: int) -> Callable[..., None]:
    """Make the kernel of y = W x for one example: vectors run along the row and gather from x."""

    @njit(nogil=True, cache=True)
    def kernel(values, columns, pointers, x, y, bias, relu, rows):
        for row in range(rows[0], rows[1]):
            first, end = pointers[row], pointers[row + 1]
            whole = end - (end - first) % lanes
            sums = zeros(y, lanes)
            for p in range(first, whole, lanes):
                sums = fma(load(values, p, lanes), gather(x, columns, p, lanes), sums)
            result = bias[row] + total(sums)
            for p in range(whole, end):
                result += values[p] * x[columns[p]]
            y[row] = max(result, 0) if relu else result  # a NaN stays: max keeps its first

    return kernel


@cache
def dots(lanes: int, ragged: bool, regular: bool) -> Callable[..., None]:
    """Make the kernel of out[p] = <G[row p], X[column p]> for tiles of `lanes` examples.

    fresh: the first tile overwrites `out`; else every tile adds to it.
    """

    @njit(nogil=True, cache=True)
    def kernel(columns, splits, places, g, stride, x, out, fresh, rows, batch):
        for panel in range(splits.shape[0] - 1):
            for at in range(batch[0], batch[1], lanes):
                left = batch[1] - at
                first = fresh and at == batch[0]
                for row in range(rows[0], rows[1]):
                    slopes = _take(g, row * stride + at, left, lanes, ragged)
                    for p in range(splits[panel, row], splits[panel + 1, row]):
                        some = _input(x, places, columns[p], at, left, lanes, ragged, regular)
                        found = dot(slopes, some)
                        out[p] = found if first else out[p] + found

    return kernel


# ---- a whole product: tiles, threads, checks ----------------------------------------------------


@cache
def _tiles(batch: int, dtype: Any) -> list[tuple[int, bool, tuple[int, int]]]:
    """Return (lanes, ragged, (first, end)): the whole tiles, then one for the rest."""
    register = lanes_of(dtype)
    wide = TILE * register
    rest = batch % wide
    tiles = [(wide, False, (0, batch - rest))] if batch >= wide else []
    if rest:
        lanes = register
        while lanes < rest:
            lanes *= 2
        tiles.append((lanes, True, (batch - rest, batch)))
    return tiles


def _share(work: Callable[[tuple[int, int]], None], plan: Plan, operations: int) -> None:
    """Do the work for all rows, on as many threads as torch may use, if there is enough of it."""
    threads = torch.get_num_threads()
    if threads == 1 or operations < SMALL:
        work((0, plan.shape[0]))
    else:
        share(work, plan.cuts(PARTS * threads), threads)


@cache
def _every(stride: int) -> Array:
    """Return the places of a linear layer: column c begins at c * stride."""
    return np.array([stride], dtype=np.int64)


@cache
def _no_bias(rows: int, dtype: torch.dtype) -> Array:
    return torch.zeros(rows, dtype=dtype).numpy()


def flat(matrix: Tensor) -> tuple[Array, int]:
    """Return the memory of a feature-major matrix as a flat array, and its stride in entries."""
    features, batch = matrix.shape
    stride = matrix.stride(0)
    size = (features - 1) * stride + batch if features and batch else 0
    return matrix.detach().as_strided((size,), (1,)).numpy(), stride


def feature_major(features: int, batch: int, dtype: torch.dtype) -> Tensor:
    """Make room for activations: (features, batch), each feature beginning on a line of the cache.

    A vector that lies across two lines costs two loads. And rows whose distance is a large power of
    two would all want the same few places in the cache, so such a distance gets one line more.
    """
    if batch == 1:
        return torch.empty(features, 1, dtype=dtype)
    line = LINE // dtype.itemsize
    stride = -(-batch // line) * line
    if stride > 2 * line and stride * dtype.itemsize % 1024 == 0:
        stride += line
    return torch.empty_strided((features, batch), (stride, 1), dtype=dtype)


def as_feature_major(x: Tensor) -> Tensor:
    """Return x, (features, batch), with the batch innermost: itself if it is so, else a copy."""
    batch = x.shape[1]
    if x.stride(0) == 1 if batch == 1 else x.stride(1) == 1 and x.stride(0) >= batch:
        return x
    return feature_major(x.shape[0], x.shape[1], x.dtype).copy_(x)


def multiply(
    values: Tensor, plan: Plan, x: Tensor, bias: Tensor | None = None, *, relu: bool = False
) -> Tensor:
    """Compute Y = W X (+ bias, then ReLU), W given by its kept values and its plan.

    Args:
        values: (nnz,) float32 or float64, in the order of the plan's columns.
        plan: the pattern of W, (rows, columns).
        x: (columns, batch), of the same type; any batch. Fastest if its batch lies innermost.
        bias: (rows,), added to each row.
        relu: also replace what is negative by 0.

    Returns:
        (rows, batch), feature-major, on padded lines of the cache. Rounding aside it is the dense
        product.

    Raises:
        TypeError, ValueError: types or shapes that do not fit.

    Examples:
        >>> from course_lib.sparse import CSR
        >>> W = CSR.from_dense(torch.tensor([[0.0, 2.0], [3.0, 0.0]]))
        >>> multiply(torch.from_numpy(W.values), W.plan, torch.tensor([[1.0], [10.0]])).tolist()
        [[20.0], [3.0]]
    """
    rows, columns = plan.shape
    _check("values", values, (plan.nnz,), values.dtype)
    _check("x", x, (columns, None), values.dtype)
    if bias is not None:
        _check("bias", bias, (rows,), values.dtype)
    x = as_feature_major(x)
    y = feature_major(rows, x.shape[1], x.dtype)
    if x.shape[1] == 1:
        _multiply_one(y, values, plan, x, bias, relu)
        return y
    multiply_into(y, values, plan, x, _every(x.stride(0)), bias, relu=relu)
    return y


def multiply_into(
    y: Tensor,
    values: Tensor,
    plan: Plan,
    x: Tensor,
    places: Array,
    bias: Tensor | None,
    *,
    relu: bool,
) -> None:
    """Compute Y = W X, where column c of W stands for x.flat[places[c] :][: batch] of Y's batch.

    Nothing is checked: x must reach from the first place to the last, and the batch beyond it.
    """
    v, shift = values.detach().contiguous().numpy(), _shift(bias, y)
    (flat_x, _), (flat_y, stride) = flat(x), flat(y)
    batch, regular = y.shape[1], len(places) == 1

    def work(rows: tuple[int, int]) -> None:
        for lanes, ragged, span in _tiles(batch, v.dtype):
            splits = plan.splits(plan.panels(min(lanes, batch), v.itemsize))
            is_narrow = lanes <= 2 * lanes_of(v.dtype)
            kernel = (
                narrow_product(lanes, regular) if is_narrow else product(lanes, ragged, regular)
            )
            kernel(v, plan.columns, splits, places, flat_x, flat_y, stride, shift, relu, rows, span)

    _share(work, plan, plan.nnz * batch)


def _multiply_one(
    y: Tensor, values: Tensor, plan: Plan, x: Tensor, bias: Tensor | None, relu: bool
) -> None:
    """Compute y = W x for one example."""
    v, shift = values.detach().contiguous().numpy(), _shift(bias, y)
    (flat_x, _), (flat_y, _) = flat(x), flat(y)

    def work(rows: tuple[int, int]) -> None:
        kernel = vector_product(SPMV_LANES)
        kernel(v, plan.columns, plan.pointers, flat_x, flat_y, shift, relu, rows)

    _share(work, plan, plan.nnz)


def _shift(bias: Tensor | None, y: Tensor) -> Array:
    if bias is None:
        return _no_bias(len(y), y.dtype)
    return np.asarray(bias.detach().contiguous().numpy())


def sddmm(plan: Plan, g: Tensor, x: Tensor) -> Tensor:
    """Compute G Xᵀ where the plan keeps a weight: the gradient of the values.

    Args:
        plan: the pattern of W, (rows, columns).
        g: (rows, batch), the gradient of Y.
        x: (columns, batch), of the same type.

    Returns:
        (nnz,) in the order of the plan's columns.

    Raises:
        TypeError, ValueError: types or shapes that do not fit.

    Examples:
        >>> plan = Plan(np.int32([1, 0]), np.int32([0, 1, 2]), (2, 2))
        >>> sddmm(plan, torch.tensor([[1.0], [10.0]]), torch.tensor([[5.0], [7.0]])).tolist()
        [7.0, 50.0]
    """
    _check("g", g, (plan.shape[0], None), g.dtype)
    _check("x", x, (plan.shape[1], g.shape[1]), g.dtype)
    g, x = as_feature_major(g), as_feature_major(x)
    out = torch.zeros(plan.nnz, dtype=g.dtype)
    sddmm_into(out, plan, g, x, _every(x.stride(0)), fresh=True)
    return out


def sddmm_into(
    out: Tensor, plan: Plan, g: Tensor, x: Tensor, places: Array, *, fresh: bool
) -> None:
    """Compute G Xᵀ on the pattern into `out`, or add it there; places as in `multiply_into`."""
    (flat_g, stride), (flat_x, _), found = flat(g), flat(x), out.numpy()
    batch, regular = g.shape[1], len(places) == 1

    def work(rows: tuple[int, int]) -> None:
        for lanes, ragged, span in _tiles(batch, found.dtype):
            splits = plan.splits(plan.panels(min(lanes, batch), found.itemsize))
            first = fresh and span[0] == 0
            dots(lanes, ragged, regular)(
                plan.columns, splits, places, flat_g, stride, flat_x, found, first, rows, span
            )

    _share(work, plan, plan.nnz * batch)


def _check(name: str, given: Tensor, shape: tuple[int | None, ...], dtype: torch.dtype) -> None:
    """Raise unless the tensor is on the CPU, of this type and of this shape."""
    if not isinstance(given, Tensor):
        raise TypeError(f"{name} is a {type(given).__name__}, expected a torch tensor.")
    fits = given.ndim == len(shape) and all(
        wanted is None or size == wanted for size, wanted in zip(given.shape, shape, strict=True)
    )
    if fits and given.dtype == dtype and dtype in FLOATS and given.device.type == "cpu":
        return
    if given.dtype != dtype or dtype not in FLOATS:
        wanted = str(dtype) if dtype in FLOATS else "torch.float32 or torch.float64"
        raise TypeError(f"{name} is {given.dtype}, expected {wanted}: convert it with .to(...).")
    if given.device.type != "cpu":
        raise ValueError(f"{name} is on {given.device}, expected the CPU: move it with .cpu().")
    wanted = "(" + ", ".join("batch" if n is None else str(n) for n in shape) + ")"
    raise ValueError(f"{name} has the shape {tuple(given.shape)}, expected {wanted}.")
