"""Wrong experiments of chapter 08: each must turn its claim red."""

import numpy as np

from course_lib.sparse.formats import CSR, Bitmask
from course_lib.sparse.roofline import Machine
from tests.notebooks.harness import sabotage

CHAPTER = "08_hardware"
ROOF = Machine(peak=100e9, bandwidth=20e9)
CACHE = Machine(peak=100e9, bandwidth=100e9)
WEIGHTS = np.random.default_rng(0).standard_normal((64, 64)).astype(np.float32)
POINTS = [("memory", 0.5, 9e9), ("compute", 50.0, 90e9)]


def counted(matrix, what=lambda m: m.nbytes - m.bytes["pointers"]):
    """The break-even density, as the chapter counts it."""
    return matrix.bytes["values"] / what(matrix)


def honest(index):
    """A full matrix in compressed rows."""
    return CSR.from_dense(WEIGHTS, WEIGHTS == WEIGHTS, index=index)


SHARES = {0.5: {"values + int32": 1.0}, 0.1: {"values + int32": 0.2}}


@sabotage(CHAPTER, "C19")
def a_clock_that_stops_early():
    return {"points": [*POINTS, ("miracle", 0.5, 90e9)], "roofs": [ROOF, CACHE, CACHE]}


@sabotage(CHAPTER, "C19")
def dense_operations_counted_for_a_sparse_product():
    return {"points": [("sparse", 50.0, 10 * 60e9)], "roofs": [CACHE]}


@sabotage(CHAPTER, "C19")
def a_matrix_from_memory_that_was_in_a_cache_after_all():
    return {"points": [("memory", 0.5, 30e9), POINTS[1]], "roofs": [ROOF, CACHE]}


@sabotage(CHAPTER, "C20")
def indices_forgotten():
    dishonest = {k: counted(honest(k), lambda m: m.bytes["values"]) for k in ("int32", "uint16")}
    return {"counted": dishonest, "shares": SHARES}


@sabotage(CHAPTER, "C20")
def a_bit_for_each_weight_passed_off_as_indices():
    bits = Bitmask.from_dense(WEIGHTS, WEIGHTS == WEIGHTS)
    share = {"values + int32": bits.nbytes / WEIGHTS.nbytes}
    true = {k: counted(honest(k)) for k in ("int32", "uint16")}
    return {"counted": true, "shares": {0.5: share, 0.1: share}}


@sabotage(CHAPTER, "C21")
def a_library_as_fast_as_the_count_of_operations():
    return {"speedups": {"library": 9.7}}


@sabotage(CHAPTER, "C22")
def a_library_that_wins_at_half():
    return {"half_speedup": 1.2}


@sabotage(CHAPTER, "C23")
def a_product_that_memory_really_limits():
    return {"bandwidth_used": 0.9, "gained": 2.0, "large_used": 0.7}


@sabotage(CHAPTER, "C23")
def a_kernel_no_faster_than_the_library():
    return {"bandwidth_used": 0.05, "gained": 1.0, "large_used": 0.7}


@sabotage(CHAPTER, "C23")
def one_example_that_is_not_limited_by_memory():
    return {"bandwidth_used": 0.05, "gained": 2.0, "large_used": 0.3}
