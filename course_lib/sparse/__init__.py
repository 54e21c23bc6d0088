"""Sparse: pruned matrices stored small, multiplied fast, and put into networks.

- `formats`: a pruned matrix in fewer bytes, all of them counted.
- `kernels`: its products, in the vectors of this processor.
- `linear` and `convolution`: layers that keep and train the kept weights alone.
- `convert`: a whole network made sparse, and dense again.
- `roofline`: what this machine can do, and which density pays.
- `ladder`: one product, each rung faster than the one below; a module to import from here.

Behind them are `patterns`, `products`, `plan`, `simd`, `team` and `compilers`.
"""

from course_lib.sparse.convert import densify, refusals, sparsify
from course_lib.sparse.convolution import SparseConv1d, SparseConv2d
from course_lib.sparse.formats import CSR, Bitmask, BlockCSR, NofM
from course_lib.sparse.kernels import multiply, sddmm
from course_lib.sparse.linear import SparseLinear
from course_lib.sparse.roofline import Machine, break_even, operations, race, traffic

__all__ = [
    "CSR", "Bitmask", "BlockCSR", "Machine", "NofM", "SparseConv1d", "SparseConv2d", "SparseLinear",
    "break_even", "densify", "ladder", "multiply", "operations", "race", "refusals", "roofline",
    "sddmm", "sparsify", "traffic",
]  # fmt: skip
