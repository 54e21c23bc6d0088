"""Masks and selections: the ground floor of the science."""

from course_lib.masks.mask import LayerTable, Mask
from course_lib.masks.selection import blocks, n_of_m, select, threshold, top_k
from course_lib.masks.weights import LeftOutWarning, prunable

__all__ = [
    "LayerTable",
    "LeftOutWarning",
    "Mask",
    "blocks",
    "n_of_m",
    "prunable",
    "select",
    "threshold",
    "top_k",
]
