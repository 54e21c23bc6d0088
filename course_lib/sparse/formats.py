"""Ways to store a pruned weight matrix, all their bytes counted: indices, pointers, filling.

Each format is made from a weight and a mask and gives back exactly the same matrix:

    CSR        the kept values row by row, the column of each, and where each row begins
    BlockCSR   the same for blocks of weights: one index for r x c of them, zeros fill a block up
    NofM       at most n kept of every m neighbours: no pointers, and a few bits for each place
    Bitmask    one bit for every weight, kept or not, and the kept values

The pattern is the mask's: a kept weight that happens to be 0 is stored. The kernels work on CSR and
BlockCSR; the others say what hardware made for them would have to move.

Source: Saad, 2003 (compressed rows and blocks); Mishra et al., 2021 (2 of 4).
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cached_property
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
import scipy.sparse
import torch
from torch import Tensor

from course_lib.sparse import patterns
from course_lib.sparse.patterns import pointers_of
from course_lib.sparse.plan import Array, Plan


class Format:
    """What all formats have: the shape, the arrays they are made of, and the way back."""

    ARRAYS: ClassVar[tuple[str, ...]]
    shape: tuple[int, int]
    values: Array

    @property
    def bytes(self) -> dict[str, int]:
        """The bytes of each array, by name."""
        return {name: getattr(self, name).nbytes for name in self.ARRAYS}

    @property
    def nbytes(self) -> int:
        """All bytes: values with their filling, indices, pointers."""
        return sum(self.bytes.values())

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the values."""
        return self.values.dtype

    @property
    def nnz(self) -> int:
        """How many weights are kept."""
        return len(self.values)

    @property
    def density(self) -> float:
        """The share of weights kept; 1 for a matrix of no weights."""
        size = self.shape[0] * self.shape[1]
        return self.nnz / size if size else 1.0

    def to_dense(self) -> Array:
        """Return the (rows, columns) matrix, pruned weights 0."""
        raise NotImplementedError


@dataclass(frozen=True, eq=False)
class CSR(Format):
    """Compressed sparse rows.

    Args:
        values: (nnz,) the kept weights, row by row, float16, float32 or float64.
        columns: (nnz,) their columns, growing within each row; uint16 or int32.
        pointers: (rows + 1,) int32: row r has the entries pointers[r] to pointers[r + 1] - 1.
        shape: (rows, columns).

    Raises:
        TypeError, ValueError: arrays that are no such thing; the message names the row.

    Examples:
        >>> matrix = CSR.from_dense([[0.0, 2.0], [3.0, 0.0], [0.0, 0.0]])
        >>> matrix.values, matrix.columns, matrix.pointers
        (array([2., 3.]), array([1, 0], dtype=uint16), array([0, 1, 2, 2], dtype=int32))
        >>> matrix.nbytes, matrix.density
        (36, 0.3333333333333333)
    """

    values: Array
    columns: Array
    pointers: Array
    shape: tuple[int, int]
    ARRAYS: ClassVar = ("values", "columns", "pointers")

    def __post_init__(self) -> None:
        patterns.check_values(self.values, 1)
        patterns.check_pattern(self.columns, self.pointers, self.shape, len(self.values))

    @classmethod
    def from_dense(cls, weight: Any, mask: Any = None, *, index: str = "auto") -> CSR:
        """Store the kept weights of a (rows, columns) tensor or array.

        Args:
            weight: the matrix.
            mask: bool, of the same shape; None: what is not 0 is kept.
            index: "uint16" or "int32" for the columns; "auto" takes uint16 where it suffices.
        """
        matrix, kept = patterns.matrix_of(weight, mask)
        rows, columns = np.nonzero(kept)
        kind = patterns.index_type(index, matrix.shape[1])
        return cls(matrix[rows, columns], columns.astype(kind), pointers_of(kept), matrix.shape)

    def to_dense(self) -> Array:
        """Return the (rows, columns) matrix, pruned weights 0."""
        matrix = np.zeros(self.shape, self.dtype)
        matrix[self.rows(), self.columns] = self.values
        return matrix

    def rows(self) -> Array:
        """Return the row of each entry, (nnz,)."""
        return np.repeat(np.arange(self.shape[0]), np.diff(self.pointers))

    @cached_property
    def plan(self) -> Plan:
        """How the kernels walk this pattern."""
        return Plan(self.columns, self.pointers, self.shape)

    def transpose(self) -> tuple[CSR, Array]:
        """Return the transposed matrix, and the order that takes these values to its values.

        Training changes values and keeps the pattern: then values[order] are the new ones.
        """
        rows = self.rows()
        order = np.argsort(self.columns, kind="stable")  # rows grow already within a column
        counts = np.bincount(self.columns, minlength=self.shape[1])
        pointers = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
        columns = rows[order].astype(patterns.index_type("auto", self.shape[0]))
        return CSR(self.values[order], columns, pointers, (self.shape[1], self.shape[0])), order

    def to_scipy(self) -> scipy.sparse.csr_array:
        """Return the same matrix as SciPy holds it (its columns are int32); no float16 there."""
        if self.dtype == np.float16:
            raise TypeError("values are float16, expected float32 or float64, which SciPy stores.")
        return scipy.sparse.csr_array(
            (self.values, self.columns.astype(np.int32), self.pointers), shape=self.shape
        )

    @classmethod
    def from_scipy(cls, matrix: Any, *, index: str = "auto") -> CSR:
        """Take a SciPy matrix of any format; entries given twice are added, as in SciPy."""
        matrix = matrix if scipy.sparse.issparse(matrix) else patterns.array_of(matrix, "values")
        if matrix.ndim != 2:
            raise ValueError(
                f"the matrix has the shape {matrix.shape}, expected two dimensions: reshape it to "
                "(1, columns) or (rows, 1)."
            )
        if matrix.dtype not in patterns.FLOATS[1:]:
            raise TypeError(f"values are {matrix.dtype}, expected float32 or float64.")
        matrix = scipy.sparse.csr_array(matrix, copy=True)
        matrix.sum_duplicates()  # sorts the columns too
        patterns.check_count(matrix.nnz)
        columns = matrix.indices.astype(patterns.index_type(index, matrix.shape[1]))
        return cls(matrix.data, columns, matrix.indptr.astype(np.int32), matrix.shape)

    def to_torch(self) -> Tensor:
        """Return the same matrix as torch holds it (its columns are int32)."""
        parts = (self.pointers, self.columns.astype(np.int32), self.values)
        pointers, columns, values = (torch.from_numpy(part) for part in parts)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch says that its sparse layouts are a beta
            return torch.sparse_csr_tensor(pointers, columns, values, self.shape)

    @classmethod
    def from_torch(cls, matrix: Tensor, *, index: str = "auto") -> CSR:
        """Take a torch tensor in the layout torch.sparse_csr."""
        if not isinstance(matrix, Tensor):
            raise TypeError(f"given {type(matrix).__name__}, expected a torch tensor.")
        if matrix.layout != torch.sparse_csr:
            raise ValueError(
                f"the tensor has the layout {matrix.layout}, expected torch.sparse_csr: call "
                ".to_sparse_csr(), or CSR.from_dense for a dense one."
            )
        if matrix.ndim != 2:
            raise ValueError(
                f"the tensor has the shape {tuple(matrix.shape)}, expected two dimensions: take "
                "one matrix of the batch."
            )
        values = patterns.array_of(matrix.values(), "values")
        patterns.check_count(len(values))
        columns = matrix.col_indices().numpy().astype(patterns.index_type(index, matrix.shape[1]))
        pointers = matrix.crow_indices().numpy().astype(np.int32)
        return cls(values, columns, pointers, (matrix.shape[0], matrix.shape[1]))


@dataclass(frozen=True, eq=False)
class BlockCSR(Format):
    """Compressed rows of blocks: one column index for r x c weights.

    A block is stored whole if any of its weights is kept; its other weights are zeros, which count
    as bytes and not as kept. A kept weight that happens to be 0 counts as filling.

    Args:
        values: (blocks, r, c).
        columns: (blocks,) the column of blocks, growing within each row of blocks; uint16 or int32.
        pointers: (rows of blocks + 1,) int32.
        shape: (rows, columns) of the matrix; blocks that stick out are filled with zeros.

    Examples:
        >>> matrix = BlockCSR.from_dense(np.eye(4), block=(2, 2))
        >>> matrix.nnz, matrix.stored, matrix.nbytes
        (4, 8, 80)
    """

    values: Array
    columns: Array
    pointers: Array
    shape: tuple[int, int]
    ARRAYS: ClassVar = ("values", "columns", "pointers")

    def __post_init__(self) -> None:
        patterns.check_values(self.values, 3)
        patterns.check_pattern(self.columns, self.pointers, self._blocks, len(self.values))

    @classmethod
    def from_dense(
        cls, weight: Any, mask: Any = None, *, block: tuple[int, int] = (4, 1)
    ) -> BlockCSR:
        """Store the blocks in which a weight is kept; arguments as for `CSR.from_dense`."""
        matrix, kept = patterns.matrix_of(weight, mask)
        edges = np.asarray(block)
        if edges.shape != (2,) or edges.dtype.kind not in "iu" or edges.min() < 1:
            raise ValueError(f"block={block}, expected two numbers of at least 1.")
        filled = patterns.in_blocks(np.where(kept, matrix, 0).astype(matrix.dtype), block)
        some: Array = np.any(patterns.in_blocks(kept, block), axis=(2, 3))
        rows, columns = np.nonzero(some)
        kind = patterns.index_type("auto", some.shape[1])
        return cls(filled[rows, columns], columns.astype(kind), pointers_of(some), matrix.shape)

    @property
    def block(self) -> tuple[int, int]:
        """(r, c), the shape of a block."""
        return self.values.shape[1], self.values.shape[2]

    @property
    def _blocks(self) -> tuple[int, int]:
        (rows, columns), (r, c) = self.shape, self.block
        return -(-rows // r), -(-columns // c)

    @property
    def nnz(self) -> int:
        """How many weights are kept: the stored values that are not 0."""
        return int(np.count_nonzero(self.values))

    @property
    def stored(self) -> int:
        """How many values are stored, filling included."""
        return self.values.size

    def to_dense(self) -> Array:
        """Return the (rows, columns) matrix, pruned weights 0."""
        (rows, columns), (r, c) = self._blocks, self.block
        blocks = np.zeros((rows, columns, r, c), self.dtype)
        blocks[np.repeat(np.arange(rows), np.diff(self.pointers)), self.columns] = self.values
        matrix = blocks.transpose(0, 2, 1, 3).reshape(rows * r, columns * c)
        return np.ascontiguousarray(matrix[: self.shape[0], : self.shape[1]])


@dataclass(frozen=True, eq=False)
class NofM(Format):
    """At most n kept weights in every m neighbours of a row, as GPUs have it for 2 of 4.

    Args:
        values: (rows, groups, n) the kept weights of each group, then zeros as filling.
        places: the packed places of all values in their groups, ceil(log2 m) bits each, uint8.
        shape: (rows, columns), columns = groups * m.
        m: the size of a group.

    Examples:
        >>> matrix = NofM.from_dense([[0.0, 2.0, 3.0, 0.0]], n=2, m=4)
        >>> matrix.values.tolist(), matrix.bytes
        ([[[2.0, 3.0]]], {'values': 16, 'places': 1})
    """

    values: Array
    places: Array
    shape: tuple[int, int]
    m: int
    ARRAYS: ClassVar = ("values", "places")

    def __post_init__(self) -> None:
        patterns.check_values(self.values, 3)
        rows, groups, _ = self.values.shape
        if (rows, groups * self.m) != tuple(self.shape):
            raise ValueError(
                f"values of the shape {self.values.shape} with m={self.m} make a matrix of "
                f"{(rows, groups * self.m)}, expected {self.shape}."
            )
        size = -(-self.values.size * self._bits // 8)
        if self.places.dtype != np.uint8 or self.places.shape != (size,):
            raise ValueError(
                f"places are {self.places.dtype} {self.places.shape}, expected uint8 ({size},)."
            )

    @classmethod
    def from_dense(cls, weight: Any, mask: Any = None, *, n: int = 2, m: int = 4) -> NofM:
        """Store at most n weights in every m; ValueError names a group that has more."""
        matrix, kept = patterns.matrix_of(weight, mask)
        rows, columns = matrix.shape
        if not (isinstance(n, Integral) and isinstance(m, Integral)):
            raise TypeError(f"n={n!r}, m={m!r}, expected two integers.")
        if not 1 <= n <= m or columns % m:
            raise ValueError(
                f"n={n}, m={m} for {columns} columns; expected 1 <= n <= m and m to divide them."
            )
        groups = kept.reshape(rows, columns // m, m)
        full = np.argwhere(groups.sum(2) > n)
        if len(full):
            row, group = full[0]
            raise ValueError(
                f"row {row} keeps more than {n} of its columns {group * m} to {group * m + m - 1}. "
                "Make the mask with n_of_m."
            )
        places = np.argsort(~groups, axis=2, kind="stable")[:, :, :n]  # the kept ones first
        here = np.take_along_axis(np.where(kept, matrix, 0).reshape(groups.shape), places, 2)
        bits = max(m - 1, 0).bit_length()
        packed = np.unpackbits(
            places.astype(">u4").view(np.uint8).reshape(-1, 4), axis=1, count=32
        )[:, 32 - bits :]
        return cls(here.astype(matrix.dtype), np.packbits(packed.ravel()), matrix.shape, m)

    @property
    def _bits(self) -> int:
        return max(self.m - 1, 0).bit_length()

    @property
    def nnz(self) -> int:
        """How many weights are kept: the stored values that are not 0."""
        return int(np.count_nonzero(self.values))

    def to_dense(self) -> Array:
        """Return the (rows, columns) matrix, pruned weights 0."""
        bits = np.unpackbits(self.places, count=self.values.size * self._bits)
        powers = 1 << np.arange(self._bits)[::-1]
        places = bits.reshape(*self.values.shape, self._bits) @ powers
        groups = np.zeros((*self.values.shape[:2], self.m), self.dtype)
        np.put_along_axis(groups, places.astype(np.int64), self.values, 2)
        return groups.reshape(self.shape)


@dataclass(frozen=True, eq=False)
class Bitmask(Format):
    """One bit for each weight, 1 where it is kept, and the kept values row by row.

    Args:
        values: (nnz,).
        bits: the packed bits of all weights row by row, uint8.
        shape: (rows, columns).

    Examples:
        >>> matrix = Bitmask.from_dense([[0.0, 2.0, 3.0, 0.0]])
        >>> matrix.bytes
        {'values': 16, 'bits': 1}
    """

    values: Array
    bits: Array
    shape: tuple[int, int]
    ARRAYS: ClassVar = ("values", "bits")

    def __post_init__(self) -> None:
        patterns.check_values(self.values, 1)
        size = -(-self.shape[0] * self.shape[1] // 8)
        if self.bits.dtype != np.uint8 or self.bits.shape != (size,):
            raise ValueError(
                f"bits are {self.bits.dtype} {self.bits.shape}, expected uint8 ({size},)."
            )
        if (ones := int(self.mask().sum())) != len(self.values):
            raise ValueError(
                f"{ones} bits are 1, expected one for each of {len(self.values)} values."
            )

    @classmethod
    def from_dense(cls, weight: Any, mask: Any = None) -> Bitmask:
        """Store the kept weights; arguments as for `CSR.from_dense`."""
        matrix, kept = patterns.matrix_of(weight, mask)
        return cls(matrix[kept], np.packbits(kept), matrix.shape)

    def mask(self) -> Array:
        """Return the (rows, columns) mask."""
        size = self.shape[0] * self.shape[1]
        return np.unpackbits(self.bits, count=size).astype(bool).reshape(self.shape)

    def to_dense(self) -> Array:
        """Return the (rows, columns) matrix, pruned weights 0."""
        matrix = np.zeros(self.shape, self.dtype)
        matrix[self.mask()] = self.values
        return matrix
