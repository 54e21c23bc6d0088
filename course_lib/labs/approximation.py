"""Approximation: the best sparse vector beside a given one, and the norms that decide what is best.

Chapter 01 asks when keeping the k largest |w| is optimal, and answers by trying every support. A
*norm* here is a function from residuals (..., n) to their lengths (...). A *fit* is a function from
vectors (..., n) and supports, bool (..., n), to the values that the survivors get. Axes in front
of the last broadcast, so one call looks at many vectors and all supports.
"""

import math
from collections.abc import Callable
from itertools import combinations
from typing import NamedTuple

import torch
from torch import Tensor

from course_lib.masks import top_k

Norm = Callable[[Tensor], Tensor]
Fit = Callable[[Tensor, Tensor], Tensor]
Rule = Callable[[Tensor, int], Tensor]


# Approximations


def hard_threshold(w: Tensor, k: int) -> Tensor:
    """Keep the k entries of largest magnitude and set the others to zero: H_k(w).

    The nearest point to w among all with at most k entries that are not zero, in the Euclidean
    norm and in many others. Source: Blumensath and Davies (2009).

    Raises:
        TypeError, ValueError: as `top_k`.

    Examples:
        >>> hard_threshold(torch.tensor([3.0, -0.5, -2.0]), 2)
        tensor([ 3.,  0., -2.])
    """
    return torch.where(top_k(w.abs(), k), w, 0)


def soft_threshold(w: Tensor, tau: float | Tensor) -> Tensor:
    """Move every entry towards zero by tau, and no further than zero.

    The minimiser of |v - w|^2 / 2 + tau |v|_1. Source: Donoho (1995).

    Args:
        w: any shape.
        tau: a number, or a tensor that broadcasts with w.

    Raises:
        ValueError: tau is negative or not finite.

    Examples:
        >>> soft_threshold(torch.tensor([3.0, -0.5, -2.0]), 1.0)
        tensor([ 2.,  0., -1.])
    """
    price = torch.as_tensor(tau)
    if not ((price >= 0) & price.isfinite()).all():
        raise ValueError(f"tau: given {tau}, expected a finite number that is not negative.")
    return torch.where(w.abs() <= tau, 0, w - tau * w.sign())


def nonnegative_threshold(w: Tensor, k: int) -> Tensor:
    """Keep the k largest entries of the positive part of w: the best of all v >= 0 with k entries.

    Raises:
        TypeError, ValueError: as `top_k`.
    """
    return hard_threshold(w.clamp(min=0), k)


# Norms


def lp(p: float) -> Norm:
    """Return the lp norm (sum |r_i|^p)^(1/p), max |r_i| at p = inf; below p = 1 a quasi-norm.

    Raises:
        ValueError: p is not positive.

    Examples:
        >>> lp(1)(torch.tensor([3.0, -4.0])), lp(2)(torch.tensor([3.0, -4.0]))
        (tensor(7.), tensor(5.))
    """
    if not p > 0:
        raise ValueError(f"p: given {p}, expected a positive number or math.inf.")

    def norm(residual: Tensor) -> Tensor:
        peak = residual.abs().amax(dim=-1, keepdim=True)
        scaled = residual / torch.where(peak > 0, peak, 1)  # so that no power over- or underflows
        length: Tensor = torch.linalg.vector_norm(scaled, p, dim=-1)
        return peak.squeeze(-1) * length

    return norm


def ky_fan(j: int) -> Norm:
    """Return the sum of the j largest |r_i|, a symmetric gauge norm between l-inf and l1.

    Raises:
        ValueError: j is below 1. Source: Ky Fan (1951).

    Examples:
        >>> ky_fan(2)(torch.tensor([3.0, -4.0, 1.0]))
        tensor(7.)
    """
    if j < 1:
        raise ValueError(f"j: given {j}, expected an integer of at least 1.")
    return lambda r: r.abs().topk(min(j, r.shape[-1]), dim=-1).values.sum(dim=-1)


def sorted_l1(weights: Tensor) -> Norm:
    """Return the ordered weighted l1 norm (OWL): the largest |r_i| counts with the first weight.

    Raises:
        ValueError: weights that increase, are negative, or start with zero: then it is no norm.

    Source: Bogdan et al. (2015).

    Examples:
        >>> sorted_l1(torch.tensor([2.0, 1.0]))(torch.tensor([3.0, -4.0]))
        tensor(11.)
    """
    if not (weights[0] > 0 and weights[-1] >= 0 and (weights.diff() <= 0).all()):
        raise ValueError(
            f"weights: given {weights.tolist()}, expected numbers that are not negative and never "
            "increase, the first of them positive. Sort them in descending order."
        )
    return lambda r: (weights * r.abs().sort(dim=-1, descending=True).values).sum(dim=-1)


def weighted_l2(weights: Tensor) -> Norm:
    """Return sqrt(sum a_i r_i^2), where an error along some axes costs more than along others.

    Args:
        weights: a, shape (n,), or (..., n) for other weights with every vector.

    Raises:
        ValueError: a weight is not positive.
    """
    if not (weights > 0).all():
        raise ValueError(f"weights: given {weights.min():g} among them, expected positive numbers.")
    return lambda r: (weights * r**2).sum(dim=-1).sqrt()


def hessian_norm(hessian: Tensor) -> Norm:
    """Return sqrt(r' H r): half its square is the rise of a quadratic loss at its minimum.

    Args:
        hessian: H, symmetric and positive definite, (n, n), or (..., n, n) for each vector its own.

    Raises:
        ValueError: H is not symmetric or not positive definite.

    Examples:
        >>> H = torch.tensor([[2.0, 1.0], [1.0, 2.0]])
        >>> hessian_norm(H)(torch.tensor([1.0, -1.0]))  # the root of 2
        tensor(1.4142)
    """
    _check_hessian(hessian)
    return lambda r: quadratic_loss(r, hessian).mul(2).sqrt()


def quadratic_loss(residual: Tensor, hessian: Tensor) -> Tensor:
    """Return r' H r / 2, what a quadratic loss rises by when its minimum is missed by r."""
    return torch.einsum("...i,...ij,...j->...", residual, hessian, residual) / 2


# What the survivors become


def keep_values(w: Tensor, support: Tensor) -> Tensor:
    """Leave the survivors as they were: w on the support, zero elsewhere."""
    return torch.where(support, w, 0)


def keep_positive(w: Tensor, support: Tensor) -> Tensor:
    """Leave survivors as they were if positive: the nearest v >= 0 on the support."""
    return torch.where(support & (w > 0), w, 0)


def refit_survivors(w: Tensor, hessian: Tensor, support: Tensor) -> Tensor:
    """Let the survivors make up for what is gone: the least (v - w)' H (v - w) on the support.

    With S kept and Z dropped, v_S = w_S + H_SS^-1 H_SZ w_Z, the optimal brain surgeon's update.

    Args:
        w: vectors (..., n), each the minimum of its quadratic loss.
        hessian: H, symmetric and positive definite, (..., n, n).
        support: S, bool (..., n).

    Returns:
        v (..., n), zero off the support.

    Raises:
        ValueError: H is not symmetric or not positive definite.

    Source: Hassibi and Stork (1993).

    Examples:
        >>> H = torch.tensor([[2.0, 1.0], [1.0, 2.0]])
        >>> refit_survivors(torch.tensor([3.0, -2.0]), H, torch.tensor([True, False]))
        tensor([2., 0.])
    """
    _check_hessian(hessian)
    dropped = torch.where(support, 0, w)
    pull = support * torch.einsum("...ij,...j->...i", hessian, dropped)  # H_SZ w_Z
    # H_SS, with the identity in the place of what is dropped: then every system has size n.
    both_kept = support.unsqueeze(-1) & support.unsqueeze(-2)
    system = hessian * both_kept + torch.diag_embed((~support).to(hessian.dtype))
    change: Tensor = torch.linalg.solve(system, pull)
    return w - dropped + change


def hessian_losses(w: Tensor, hessian: Tensor, support: Tensor) -> tuple[Tensor, Tensor]:
    """Return what the loss rises by without and with re-optimised survivors, each (...).

    Args:
        w: vectors (..., n).
        hessian: H (..., n, n).
        support: bool (..., n).

    Examples:
        >>> H = torch.tensor([[2.0, 1.0], [1.0, 2.0]])
        >>> hessian_losses(torch.tensor([3.0, -2.0]), H, torch.tensor([True, False]))
        (tensor(4.), tensor(3.))
    """
    refitted = refit_survivors(w, hessian, support)
    return (
        quadratic_loss(w - keep_values(w, support), hessian),
        quadratic_loss(w - refitted, hessian),
    )


# Every support tried


class BestSupport(NamedTuple):
    """What an exhaustive search found: the least loss, and who attains it.

    Attributes:
        loss: (...), the least over all supports.
        supports: bool (C(n, k), n), all supports there are.
        optimal: bool (C(n, k), ...), the supports that attain it, ties included.
    """

    loss: Tensor
    supports: Tensor
    optimal: Tensor


def all_supports(n: int, k: int) -> Tensor:
    """Return every choice of k places among n, a bool tensor (C(n, k), n), in index order.

    Args:
        n: places.
        k: how many of them are chosen.

    Raises:
        ValueError: k is not in 0..n, or there are more than a million choices.

    Examples:
        >>> all_supports(3, 2).int().tolist()
        [[1, 1, 0], [1, 0, 1], [0, 1, 1]]
    """
    if not 0 <= k <= n or math.comb(n, k) > 1_000_000:
        raise ValueError(
            f"given n = {n} and k = {k}, expected 0 <= k <= n and at most a million supports. "
            "An exhaustive search is for small n."
        )
    places = torch.tensor(list(combinations(range(n), k)), dtype=torch.int64)
    return torch.zeros(len(places), n, dtype=torch.bool).scatter_(1, places, True)


def best_support(
    w: Tensor, k: int, norm: Norm, fit: Fit = keep_values, tolerance: float = 1e-9
) -> BestSupport:
    """Find the least loss norm(w - v) over all v with k entries, by trying every support.

    Args:
        w: vectors (..., n), best in float64.
        k: how many entries to keep.
        norm: from residuals to losses.
        fit: from vectors and supports to the v to try on each support.
        tolerance: relative; losses so close to the least count as equal to it.

    Raises:
        ValueError: k is not in 0..n, or there are more than a million supports.

    Examples:
        >>> found = best_support(torch.tensor([3.0, -4.0, 1.0]), 1, lp(2))
        >>> found.supports[found.optimal].int().tolist(), round(found.loss.item(), 4)
        ([[0, 1, 0]], 3.1623)
    """
    supports = all_supports(w.shape[-1], k)
    candidates = supports.view(len(supports), *[1] * (w.ndim - 1), -1)
    losses = norm(w - fit(w, candidates))
    least = losses.amin(dim=0)
    return BestSupport(least, supports, losses <= least * (1 + tolerance))


def is_optimal(rule: Rule, norm: Norm, w: Tensor, k: int, fit: Fit = keep_values) -> Tensor:
    """Tell, vector by vector, whether the rule's support loses no more than the best support.

    Args:
        rule: from a vector (n,) and k to a bool tensor (n,), such as `by_magnitude`.
        norm: from residuals to losses.
        w: one vector a row, (trials, n).
        k: how many entries to keep.
        fit: what the survivors become, on the rule's support and on all others.

    Returns:
        A bool tensor (trials,). It compares losses, so a tie with the best is optimal.

    Raises:
        TypeError, ValueError: as `best_support`.

    Examples:
        >>> is_optimal(by_magnitude, lp(2), torch.tensor([[3.0, -4.0, 1.0]]), 1)
        tensor([True])
    """
    if w.ndim != 2:
        raise ValueError(f"w: given shape {tuple(w.shape)}, expected (trials, n). Use w[None].")
    chosen = torch.stack([rule(row, k) for row in w])
    found = best_support(w, k, norm, fit)
    hits = (found.supports.unsqueeze(1) == chosen).all(dim=-1)
    return (hits & found.optimal).any(dim=0)


def by_magnitude(w: Tensor, k: int) -> Tensor:
    """Choose the k largest |w_i|: the sculptor's rule.

    Examples:
        >>> by_magnitude(torch.tensor([3.0, -4.0, 1.0]), 2)
        tensor([ True,  True, False])
    """
    return top_k(w.abs(), k)


def by_positive_part(w: Tensor, k: int) -> Tensor:
    """Choose the k largest max(w_i, 0): the rule repaired for v >= 0."""
    return top_k(w.clamp(min=0), k)


# Random problems


def random_vectors(trials: int, n: int, seed: int) -> Tensor:
    """Draw standard normal vectors, float64 (trials, n).

    Args:
        trials: how many.
        n: entries of each.
        seed: of the draw.
    """
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(trials, n, generator=generator, dtype=torch.float64)


def random_hessians(trials: int, n: int, seed: int) -> Tensor:
    """Draw the Hessians A A' / n of least squares problems with normal A, (trials, n, n).

    Args:
        trials: how many.
        n: rows and columns of each.
        seed: of the draw.
    """
    factors = random_vectors(trials * n, n, seed).view(trials, n, n)
    return factors @ factors.mT / n


def _check_hessian(hessian: Tensor) -> None:
    """Raise ValueError unless every matrix is symmetric and positive definite."""
    if not torch.allclose(hessian, hessian.mT):
        raise ValueError("hessian: given one that is not symmetric. Take (H + H') / 2.")
    if torch.linalg.cholesky_ex(hessian).info.any():
        raise ValueError(
            "hessian: given one that is not positive definite, as it is at a strict minimum. "
            "Add a small multiple of the identity."
        )
