"""Masks and selections: which weights stay, and how they are chosen. The ground floor.

- `mask`: which weights of a network are kept, as a value.
- `selection`: from scores to a mask: select, the middle one of score, select, refit.
- `weights`: which weights of a network pruning may touch.

Behind them `radix` finds the k-th largest of many scores without a sort.
"""

from course_lib.masks.mask import LayerTable, Mask
from course_lib.masks.selection import blocks, n_of_m, select, threshold, top_k
from course_lib.masks.weights import LeftOutWarning, prunable

__all__ = [
    "LayerTable", "LeftOutWarning", "Mask", "blocks", "n_of_m", "prunable", "select", "threshold",
    "top_k",
]  # fmt: skip
