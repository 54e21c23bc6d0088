"""Wrong experiments of chapter 01: each must turn its claim red."""

import torch

from course_lib.labs import approximation as lab
from course_lib.masks import top_k
from tests.notebooks.harness import sabotage

CHAPTER = "01_sparse_approximation"
K = 3
VECTORS = lab.random_vectors(200, 8, seed=0)
STRETCH = lab.random_vectors(200, 8, seed=1).exp()
HESSIANS = lab.random_hessians(200, 8, seed=2)
NORMS = {"p = 1": lab.lp(1), "p = 2": lab.lp(2), "Ky Fan": lab.ky_fan(2)}


def signed(w, k):
    """The misconception: large means positive."""
    return top_k(w, k)


def fair(rule=lab.by_magnitude):
    """What the rule does under symmetric norms."""
    return {name: lab.is_optimal(rule, norm, VECTORS, K) for name, norm in NORMS.items()}


def unfair(stretch=STRETCH, hessians=HESSIANS, refit_with=HESSIANS):
    """What the rule does under weighted and Hessian norms."""
    rule, tilted = lab.by_magnitude, lab.hessian_norm(hessians)
    moved = lab.is_optimal(
        rule, tilted, VECTORS, K, lambda w, s: lab.refit_survivors(w, refit_with, s)
    )
    return {
        "weighted": lab.is_optimal(rule, lab.weighted_l2(stretch), VECTORS, K),
        "Hessian, copied": lab.is_optimal(rule, tilted, VECTORS, K),
        "Hessian, moved": moved,
    }


def optimal_nonnegative(rule):
    """How a rule does when no value may be negative."""
    return lab.is_optimal(rule, lab.lp(2), VECTORS, K, lab.keep_positive)


@sabotage(CHAPTER, "C1")
def signed_entries_passed_off_as_the_largest():
    return {"optimal_l2": lab.is_optimal(signed, lab.lp(2), VECTORS, K)}


@sabotage(CHAPTER, "C1")
def one_failure_among_two_hundred():
    return {"optimal_l2": torch.arange(200) > 0}


@sabotage(CHAPTER, "C2")
def a_rule_that_fair_norms_break():
    return {"symmetric": fair(signed), "unfair": unfair(), "vectors": VECTORS}


@sabotage(CHAPTER, "C2")
def an_axis_that_was_never_stretched():
    return {
        "symmetric": fair(),
        "unfair": unfair(stretch=torch.ones(200, 8, dtype=torch.float64)),
        "vectors": VECTORS,
    }


@sabotage(CHAPTER, "C2")
def a_hessian_that_was_never_tilted():
    plain = torch.eye(8, dtype=torch.float64).expand(200, 8, 8)
    return {
        "symmetric": fair(),
        "unfair": unfair(hessians=plain, refit_with=plain),
        "vectors": VECTORS,
    }


@sabotage(CHAPTER, "C3")
def a_repair_that_repairs_nothing():
    by_size = optimal_nonnegative(lab.by_magnitude)
    return {"by_size": by_size, "by_positive_part": by_size}


@sabotage(CHAPTER, "C3")
def a_constraint_that_was_forgotten():
    free = lab.is_optimal(lab.by_magnitude, lab.lp(2), VECTORS, K)
    repaired = optimal_nonnegative(lab.by_positive_part)
    return {"by_size": free, "by_positive_part": repaired}
