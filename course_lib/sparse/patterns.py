"""What a pruned matrix may be made of: values, indices and pointers, checked."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from course_lib.sparse.plan import Array

FLOATS = (np.float16, np.float32, np.float64)
TORCH_FLOATS = (torch.float16, torch.float32, torch.float64)
UINT16 = 2**16  # columns that a uint16 can tell apart
INT32 = 2**31 - 1  # entries that the pointers can count


def matrix_of(weight: Any, mask: Any) -> tuple[Array, Array]:
    """Return weight and mask as matrices, or say what is wrong with them."""
    matrix = array_of(weight, "weight")
    check_values(matrix, 2, "weight")
    if isinstance(mask, Tensor) and mask.dtype is not torch.bool:
        raise ValueError(
            f"the mask is {mask.dtype}, expected bool {matrix.shape}, True where kept."
        )
    kept = matrix != 0 if mask is None else array_of(mask, "the mask")
    if kept.dtype != bool or kept.shape != matrix.shape:
        raise ValueError(
            f"the mask is {kept.dtype} {kept.shape}, expected bool {matrix.shape}, True where kept."
        )
    check_count(int(np.count_nonzero(kept)))
    return matrix, kept


def array_of(given: Any, name: str) -> Array:
    """Return a tensor or an array as NumPy's, in the same memory, or say why there is none."""
    if not isinstance(given, Tensor):
        return np.asarray(given)
    if given.layout is not torch.strided or given.is_nested:
        kind = "nested" if given.is_nested else given.layout
        raise TypeError(f"{name}: given a tensor that is {kind}, expected a dense one.")
    if given.device.type != "cpu":
        raise ValueError(f"{name}: given a tensor on {given.device}, expected one on the CPU.")
    if given.dtype not in (*TORCH_FLOATS, torch.bool):
        raise TypeError(
            f"{name} are {given.dtype}, expected float16, float32 or float64: convert them with "
            ".float()."
        )
    return given.detach().numpy()


def pointers_of(kept: Array) -> Array:
    """Return where each row of a mask begins among its entries, (rows + 1,) int32."""
    return np.concatenate([[0], np.cumsum(kept.sum(1))]).astype(np.int32)


def in_blocks(matrix: Array, block: tuple[int, int]) -> Array:
    """Return (block rows, block columns, r, c), zeros where blocks stick out."""
    (rows, columns), (r, c) = matrix.shape, block
    whole = np.pad(matrix, ((0, -rows % r), (0, -columns % c)))
    return whole.reshape(whole.shape[0] // r, r, -1 if whole.size else 0, c).transpose(0, 2, 1, 3)


def index_type(index: str, columns: int) -> Any:
    """Return the type of indices that tells so many columns apart; ValueError if it cannot."""
    if index == "auto":
        return np.uint16 if columns <= UINT16 else np.int32
    if index not in ("uint16", "int32") or (index == "uint16" and columns > UINT16):
        raise ValueError(
            f"index={index!r} for {columns} columns; expected 'auto', 'int32', or 'uint16' for at "
            f"most {UINT16}."
        )
    return np.dtype(index)


def check_values(values: Array, ndim: int, name: str = "values") -> None:
    """Raise TypeError or ValueError for what are no values of so many dimensions."""
    if not isinstance(values, np.ndarray):
        raise TypeError(f"{name}: given {type(values).__name__}, expected a NumPy array.")
    if values.dtype not in FLOATS:
        raise TypeError(f"{name} are {values.dtype}, expected float16, float32 or float64.")
    if values.ndim != ndim:
        raise ValueError(f"{name} have the shape {values.shape}, expected {ndim} dimensions.")


def check_count(nnz: int) -> None:
    """Raise ValueError for more weights than pointers can count."""
    if nnz > INT32:
        raise ValueError(f"{nnz} weights are kept, expected at most {INT32}: split the matrix.")


def check_pattern(columns: Array, pointers: Array, shape: tuple[int, int], nnz: int) -> None:
    """Raise unless the kernels may trust the pattern: they check no bounds."""
    rows, width = shape
    if columns.dtype not in (np.uint16, np.int32) or pointers.dtype != np.int32:
        raise TypeError(
            f"columns are {columns.dtype} and pointers {pointers.dtype}, expected uint16 or int32, "
            "and int32."
        )
    if columns.shape != (nnz,) or pointers.shape != (rows + 1,):
        raise ValueError(
            f"columns have the shape {columns.shape} and pointers {pointers.shape}, expected "
            f"({nnz},) and ({rows + 1},)."
        )
    if pointers[0] != 0 or pointers[-1] != nnz or (np.diff(pointers) < 0).any():
        raise ValueError(f"pointers must begin with 0, never fall, and end with {nnz}.")
    row = np.repeat(np.arange(rows), np.diff(pointers))
    if (wrong := np.flatnonzero((columns < 0) | (columns >= width))).size:
        raise ValueError(f"row {row[wrong[0]]} has the column {columns[wrong[0]]} of {width}.")
    back = (columns[1:] <= columns[:-1]) & (row[1:] == row[:-1])
    if (wrong := np.flatnonzero(back)).size:
        raise ValueError(
            f"row {row[wrong[0]]} has the column {columns[wrong[0] + 1]} after "
            f"{columns[wrong[0]]}; expected columns that grow, none twice. CSR.from_scipy sorts "
            "and adds them."
        )
