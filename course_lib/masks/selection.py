"""Selections: from scores to a mask, the middle one of the three moves score, select, refit.

A selection knows nothing of weights. It is given scores, the larger the more worth keeping, and
answers with a bool tensor of the same shape, True where it keeps. Pruning by magnitude is
`top_k(weights.abs(), k)`. Scores may be floats of 16 to 64 bits or integers, of any shape; every
selection raises TypeError for others and ValueError for NaN or infinite ones.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from numbers import Real

import torch
from torch import Tensor

from course_lib.masks.checks import checked_count, checked_density, checked_scores, groups_along
from course_lib.masks.mask import Mask
from course_lib.masks.radix import first, kth_largest


def top_k(scores: Tensor, k: int) -> Tensor:
    """Keep exactly the k largest scores; of equal ones those with the lowest index.

    Args:
        scores: any shape; `weights.abs()` for pruning by magnitude.
        k: how many to keep, from 0 to all.

    Returns:
        A bool tensor of the shape of the scores with exactly k True.

    Raises:
        TypeError: k is not an integer, or as for every selection.
        ValueError: k is out of range, or as for every selection.

    Examples:
        >>> top_k(torch.tensor([3.0, 1.0, 2.0, 2.0]), 2).tolist()
        [True, False, True, False]
    """
    scores = checked_scores(scores)
    k = checked_count(k, 0, scores.numel())
    if k == 0:
        return torch.zeros_like(scores, dtype=torch.bool)
    kth, ties = kth_largest([scores], k)  # by counting, without a sort: see masks/radix.py
    larger = scores > kth
    return larger.logical_or_(first(scores == kth, ties))


def threshold(scores: Tensor, tau: float) -> Tensor:
    """Keep every score above tau, however many these are; a score equal to tau is dropped.

    Raises:
        TypeError: tau is not a number, or as for every selection.
        ValueError: tau is NaN, or as for every selection.

    Examples:
        >>> threshold(torch.tensor([3.0, 1.0, 2.0, 2.0]), 2).tolist()
        [True, False, False, False]
    """
    is_number = isinstance(tau, Real) or (isinstance(tau, Tensor) and tau.numel() == 1)
    if not is_number or isinstance(tau, bool):
        raise TypeError(f"tau: given {tau!r} ({type(tau).__name__}), expected a number.")
    if tau != tau:
        raise ValueError("tau: given NaN, expected a number. Nothing can be compared with NaN.")
    scores = checked_scores(scores)
    if scores.is_floating_point():
        return scores > tau
    # For integers torch would wrap tau to their type, or round both to float32.
    number = tau.item() if isinstance(tau, Tensor) else tau
    limits = torch.iinfo(scores.dtype)
    if not limits.min <= number < limits.max:
        return torch.full_like(scores, number < limits.min, dtype=torch.bool)
    return scores > math.floor(number)


def n_of_m(scores: Tensor, n: int, m: int) -> Tensor:
    """Keep the n largest of every m neighbours along the last axis; ties by lowest index.

    Raises:
        TypeError: n or m is not an integer, or as for every selection.
        ValueError: n is not in 0..m, m does not divide the axis, or as for every selection.

    Examples:
        >>> n_of_m(torch.tensor([[3.0, 1.0, 2.0, 4.0, 1.0, 1.0, 5.0, 0.0]]), 2, 4).int().tolist()
        [[1, 0, 0, 1, 1, 0, 1, 0]]

    Source: Mishra et al. (2021), for two of four.
    """
    rows = torch.atleast_1d(checked_scores(scores))
    groups = rows.reshape(*rows.shape[:-1], groups_along(-1, rows.shape, m, "m"), m)
    n = checked_count(n, 0, m, "n")
    best = groups.argsort(dim=-1, descending=True, stable=True)[..., :n]
    kept = torch.zeros_like(groups, dtype=torch.bool).scatter_(-1, best, True)
    return kept.reshape(scores.shape)


def blocks(scores: Tensor, edges: Sequence[int], rule: Callable[[Tensor], Tensor]) -> Tensor:
    """Keep or drop whole blocks: sum the scores in each, and let `rule` select among the sums.

    Args:
        scores: any shape.
        edges: of a block, one for each axis, such as (4, 1); each divides its axis.
        rule: any selection, such as `lambda sums: top_k(sums, 10)`.

    Returns:
        A bool tensor of the shape of the scores.

    Raises:
        TypeError: an edge is not an integer, the rule does not return a bool tensor, or as for
            every selection.
        ValueError: the blocks do not tile the scores, the rule returns another shape than that of
            the sums, or as for every selection.

    Examples:
        >>> scores = torch.tensor([[1.0, 9.0], [1.0, 9.0], [5.0, 0.0], [5.0, 0.0]])
        >>> blocks(scores, (2, 1), lambda sums: top_k(sums, 2)).int().tolist()
        [[0, 1], [0, 1], [1, 0], [1, 0]]
    """
    scores = checked_scores(scores)
    if not isinstance(edges, Sequence) or len(edges) != scores.ndim:
        raise ValueError(
            f"edges: given {edges!r}, expected {scores.ndim} edge(s), one for each axis of "
            f"the scores {tuple(scores.shape)}. Write 1 for an axis that is not grouped."
        )
    # Scores (6, 4) in blocks (2, 1) become (3, 2, 4, 1): every second axis runs inside a block.
    split: list[int] = []
    for axis, edge in enumerate(edges):
        split += groups_along(axis, scores.shape, edge, f"edges[{axis}]"), edge
    inside = tuple(range(1, len(split), 2))
    exact = torch.float64 if scores.is_floating_point() else torch.int64
    sums = scores.reshape(split).sum(dim=inside, dtype=exact) if inside else scores
    kept = rule(sums)
    if not isinstance(kept, Tensor) or kept.dtype != torch.bool:
        given = kept.dtype if isinstance(kept, Tensor) else type(kept).__name__
        raise TypeError(f"rule: it returned {given}, expected a bool tensor, as selections do.")
    if kept.shape != sums.shape:
        raise ValueError(
            f"rule: it returned the shape {tuple(kept.shape)} for sums {tuple(sums.shape)}, "
            "expected the same."
        )
    for axis in inside:
        kept = kept.unsqueeze(axis)
    return kept.expand(split).reshape(scores.shape)


def select(
    scores: Mapping[str, Tensor],
    *,
    k: int | None = None,
    density: float | None = None,
    scope: str = "global",
) -> Mask:
    """Keep the largest scores of a whole network.

    Args:
        scores: a tensor for each name, all of floats or all of integers.
        k: how many to keep, in all (scope "global") or of each tensor (scope "tensor").
        density: the share to keep, instead of k; the count is rounded to the nearest integer.
        scope: "global" compares all scores with each other, so that layers may end with different
            densities; "tensor" selects within each tensor alone.

    Returns:
        A Mask with the names of the scores and the exact count; of equal scores those are kept
        that stand in an earlier tensor, then those at a lower index.

    Raises:
        TypeError: scores is not such a mapping, k not an integer or density not a number.
        ValueError: k or density is out of range, not exactly one of them is given, the scope is
            neither of the two, or as for every selection.

    Examples:
        >>> scores = {"a": torch.tensor([5.0, 4.0, 3.0]), "b": torch.tensor([2.0, 1.0, 0.0])}
        >>> select(scores, density=0.5)["b"].tolist()
        [False, False, False]
        >>> select(scores, k=1, scope="tensor")["b"].tolist()
        [True, False, False]
    """
    if (k is None) == (density is None):
        raise ValueError(f"given k = {k} and density = {density}, expected exactly one of them.")
    if scope not in ("global", "tensor"):
        raise ValueError(f"scope: given {scope!r}, expected 'global' or 'tensor'.")
    scores = _comparable(scores)

    def count(numel: int) -> int:
        if density is None:
            return checked_count(k, 0, numel)  # type: ignore[arg-type]  # one of them is given
        return round(checked_density(density) * numel)

    if scope == "tensor":
        return Mask({name: top_k(s, count(s.numel())) for name, s in scores.items()})
    return Mask(_global_top_k(scores, count(sum(s.numel() for s in scores.values()))))


def _global_top_k(scores: Mapping[str, Tensor], k: int) -> dict[str, Tensor]:
    """Do what `top_k` does, over tensors that are never joined."""
    if k == 0:
        return {name: torch.zeros_like(s, dtype=torch.bool) for name, s in scores.items()}
    kth, ties = kth_largest(list(scores.values()), k)
    kept = {}
    for name, s in scores.items():
        equal = first(s == kth, ties)
        ties -= int(torch.count_nonzero(equal))
        kept[name] = equal.logical_or_(s > kth)
    return kept


def _comparable(scores: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return checked scores in the one data type that holds all of them exactly."""
    if not isinstance(scores, Mapping):
        given = type(scores).__name__
        raise TypeError(f"scores: given {given}, expected a mapping from names to tensors.")
    checked = {name: checked_scores(s, f"scores of {name!r}") for name, s in scores.items()}
    types = {s.dtype for s in checked.values()}
    if len({dtype.is_floating_point for dtype in types}) > 1:
        raise TypeError(f"scores: given {types}, expected all floats or all integers.")
    return {name: s.to(reduce(torch.promote_types, types)) for name, s in checked.items()}
