"""How the pattern of a sparse matrix is walked: panels of columns, shares of rows."""

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

# Bytes of activations: the first-level cache of nearly every processor holds them.
PANEL = 32 * 1024
WORTH = 20  # weights of a row in a panel, for which it pays to load and store the row's sums


class Plan:
    """How a pattern is walked: which columns make a panel, which rows a thread has.

    Args:
        columns: (nnz,) the column of each kept weight, row by row.
        pointers: (rows + 1,) where each row begins among them.
        shape: (rows, columns) of the matrix.
    """

    def __init__(self, columns: Array, pointers: Array, shape: tuple[int, int]) -> None:
        self.columns, self.pointers, self.shape = columns, pointers, shape
        self._splits: dict[int, Array] = {}
        self._cuts: dict[int, list[tuple[int, int]]] = {}

    @property
    def nnz(self) -> int:
        """How many weights are kept."""
        return len(self.columns)

    @property
    def nbytes(self) -> int:
        """Bytes of the pattern and of what was laid out for it."""
        laid_out = sum(splits.nbytes for splits in self._splits.values())
        return self.columns.nbytes + self.pointers.nbytes + laid_out

    def splits(self, panels: int) -> Array:
        """Return (panels + 1, rows): where each panel begins in each row, and the rows' ends."""
        if panels not in self._splits:
            rows, width = self.shape
            heads = [self.pointers[:-1]]
            if panels > 1:
                row = np.repeat(np.arange(rows), np.diff(self.pointers))
                key = row * width + self.columns  # grows along the matrix: each row is sorted
                for panel in range(1, panels):
                    heads.append(
                        np.searchsorted(key, np.arange(rows) * width + panel * width // panels)
                    )
            self._splits[panels] = np.array([*heads, self.pointers[1:]], dtype=np.int32)
        return self._splits[panels]

    def panels(self, lanes: int, itemsize: int) -> int:
        """Return into how many panels to cut, so that a tile of one stays in the first-level cache.

        Each panel loads and stores the sums once more, so a row should have some weights in each.
        """
        wanted = self.shape[1] * lanes * itemsize // PANEL
        affordable = self.nnz // (WORTH * max(self.shape[0], 1))
        return max(1, min(wanted, affordable))

    def cuts(self, parts: int) -> list[tuple[int, int]]:
        """Return ranges of rows, `parts` of them, each with about as many weights as the others."""
        if parts not in self._cuts:
            goals = np.arange(1, parts) * (self.nnz / parts)
            edges = [0, *np.searchsorted(self.pointers, goals).tolist(), self.shape[0]]
            self._cuts[parts] = list(pairwise(edges))
        return self._cuts[parts]
