"""The exact odds that pruning an untrained network finds a given wiring, in logarithms.

Of N weights, s are the true support. All begin independently, with one continuous law symmetric
about zero; pruning by size should keep the s and nothing else. The odds soon fall below the least
number a computer can hold (1e-308), so every probability here is a natural logarithm.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaln, log_ndtr, ndtri, ndtri_exp
from scipy.stats import binomtest

Floats = NDArray[np.float64]


def log_choose(n: ArrayLike, k: ArrayLike) -> Floats:
    """Return ln C(n, k), elementwise; exact to rounding for n up to 1e15 and beyond.

    Args:
        n: of how many.
        k: how many are chosen.

    Raises:
        ValueError: k is not from 0 to n.

    Examples:
        >>> float(np.exp(log_choose(5, 2)).round(6))
        10.0
        >>> round(float(log_choose(10**15, 1)), 4)
        34.5388
    """
    n, k = np.asarray(n, float), np.asarray(k, float)
    if np.any((k < 0) | (k > n)):
        raise ValueError(f"k: given {k}, expected from 0 to n = {n}.")
    # By the beta function: a difference of two gammaln would lose the digits where k is small.
    return np.asarray(-np.log1p(n) - betaln(n - k + 1, k + 1), float)


def log_tail(tau: ArrayLike, sigma: ArrayLike = 1.0) -> Floats:
    """Return ln q: of the chance that a weight from N(0, sigma^2) is larger in size than tau.

    q = erfc(tau / (sigma sqrt 2)), both tails; its logarithm stays finite where q underflows.

    Args:
        tau: the threshold, at least 0.
        sigma: standard deviation of the weights.

    Raises:
        ValueError: tau is negative, or sigma not positive.

    Examples:
        >>> round(float(np.exp(log_tail(1.96))), 4)
        0.05
        >>> round(float(log_tail(100.0)))  # the chance itself underflows
        -5005
    """
    tau, sigma = np.asarray(tau, float), np.asarray(sigma, float)
    if np.any(~(tau >= 0)) or np.any(~(sigma > 0)):
        raise ValueError(f"given tau={tau}, sigma={sigma}: expected tau >= 0 and sigma > 0.")
    return np.asarray(np.minimum(math.log(2) + log_ndtr(-tau / sigma), 0.0))


def log_odds_threshold(N: ArrayLike, s: ArrayLike, log_q: ArrayLike) -> Floats:
    """Return ln P that exactly the s true ones of N weights pass a threshold.

    P = q^s (1 - q)^(N - s), with q the chance of a weight to pass.

    Args:
        N: weights.
        s: true ones among them.
        log_q: ln q, of `log_tail`.

    Returns:
        ln P, elementwise; minus infinity where it cannot happen.

    Raises:
        ValueError: s is not from 0 to N, or log_q is positive.
    """
    N, s, log_q = _checked(N, s), np.asarray(s, float), np.asarray(log_q, float)
    if np.any(~(log_q <= 0)):
        raise ValueError(f"log_q: given {log_q}, expected the logarithm of a chance, at most 0.")
    with np.errstate(divide="ignore", invalid="ignore"):
        log_rest = np.where(
            log_q > -math.log(2), np.log(-np.expm1(log_q)), np.log1p(-np.exp(log_q))
        )
        kept = np.where(s == 0, 0.0, s * log_q)  # 0 times minus infinity: nothing has to pass
        return np.asarray(kept + np.where(N == s, 0.0, (N - s) * log_rest))


def best_threshold(N: float, s: float, sigma: float = 1.0) -> float:
    """Return the tau at which `log_odds_threshold` is largest: where q = s / N.

    Infinite for s = 0, zero for s = N.

    Args:
        N: weights.
        s: true ones among them.
        sigma: standard deviation of the weights.

    Raises:
        ValueError: s is not from 0 to N, or sigma not positive.

    Examples:
        >>> round(best_threshold(100, 5), 3)
        1.96
    """
    _checked(N, s)
    log_tail(0.0, sigma)
    if s in (0, N):
        return math.inf if s == 0 else 0.0
    half = math.log(s) - math.log(2 * N)  # of one tail
    return float(-sigma * (ndtri(math.exp(half)) if half > -300 else ndtri_exp(half)))


def log_odds_best(N: ArrayLike, s: ArrayLike) -> Floats:
    """Return ln P at the best threshold: s ln(s/N) + (N - s) ln(1 - s/N), whatever sigma.

    Args:
        N: weights.
        s: true ones among them.

    Raises:
        ValueError: s is not from 0 to N.

    Examples:
        >>> round(float(log_odds_best(100, 5)), 3)
        -19.852
    """
    N, s = _checked(N, s), np.asarray(s, float)
    with np.errstate(divide="ignore"):
        return log_odds_threshold(N, s, np.log(s / N))


def log_odds_top_k(N: ArrayLike, s: ArrayLike, k: ArrayLike | None = None) -> Floats:
    """Return ln P that all s true ones are among the k largest of N weights.

    P = C(N - s, k - s) / C(N, k): all sets of k are equally likely, whatever the law and whatever
    its spread. With k = s, the default, P = 1 / C(N, s): the support exactly.

    Args:
        N: weights.
        s: true ones among them.
        k: kept ones, at least s; s if not given.

    Raises:
        ValueError: s is not from 0 to N, or k not from s to N.

    Examples:
        >>> round(float(np.exp(-log_odds_top_k(10, 3))))  # one in C(10, 3)
        120
        >>> float(np.exp(log_odds_top_k(10, 3, k=10)))
        1.0
    """
    N, s = _checked(N, s), np.asarray(s, float)
    if k is None:
        return np.asarray(-log_choose(N, s))
    k = np.asarray(k, float)
    if np.any(~((k >= s) & (k <= N))):
        raise ValueError(f"k: given {k}, expected from s = {s}, which it must hold, to N = {N}.")
    # C(N-s, k-s) / C(N, k) = C(k, s) / C(N, s)
    return np.asarray(log_choose(k, s) - log_choose(N, s))


def _checked(N: ArrayLike, s: ArrayLike) -> Floats:
    N, s = np.asarray(N, float), np.asarray(s, float)
    if np.any(~((s >= 0) & (s <= N) & (N >= 1))):
        raise ValueError(f"given N={N}, s={s}: expected N of at least 1 and s from 0 to N.")
    return N


@dataclass(frozen=True)
class Counted:
    """Successes counted in independent trials.

    Attributes:
        successes: how many.
        trials: of how many.
    """

    successes: int
    trials: int

    @property
    def share(self) -> float:
        """The estimate of the probability."""
        return self.successes / self.trials

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """Return exact bounds, honest even at zero. Source: Clopper and Pearson (1934)."""
        found = binomtest(self.successes, self.trials).proportion_ci(confidence, "exact")
        return float(found.low), float(found.high)


def gaussian(rng: np.random.Generator, shape: tuple[int, int]) -> Floats:
    """Draw independent standard Gaussian values: what `deal` deals unless told otherwise.

    Args:
        rng: the generator.
        shape: (deals, N).
    """
    return rng.standard_normal(shape)


def deal(
    N: int,
    s: int,
    trials: int,
    rng: np.random.Generator,
    *,
    k: int | None = None,
    tau: float | None = None,
    spread: ArrayLike = 1.0,
    draw: Callable[[np.random.Generator, tuple[int, int]], Floats] = gaussian,
) -> Counted:
    """Deal values to N weights many times, prune by size, and count how often the true ones stay.

    Args:
        N: weights; the first s are the true ones.
        s: true ones.
        trials: deals, each afresh.
        rng: the generator.
        k: keep the k largest: won if the true ones are among them. Without it, k = s.
        tau: keep what is larger in size instead: won if just the true ones are kept.
        spread: what the values drawn are multiplied by, one for all or (N,), one for each weight.
        draw: from the generator and a shape (deals, N) to values.

    Raises:
        ValueError: s is not from 0 to N, k not from s to N or given beside tau, or trials below 1.
    """
    _checked(N, s)
    if trials < 1:
        raise ValueError(f"trials: given {trials}, expected at least 1.")
    if tau is not None and k is not None:
        raise ValueError(f"given both k={k} and tau={tau}, expected one of them.")
    k = s if k is None else k
    if not s <= k <= N:
        raise ValueError(f"k: given {k}, expected from s = {s} to N = {N}.")
    spare = k - s  # places for others among the kept
    found, chunk = 0, max(1, 2_000_000 // N)
    for begin in range(0, trials, chunk):
        shape = (min(chunk, trials - begin), N)
        size = np.abs(draw(rng, shape) * np.asarray(spread, float))
        least, others = size[:, :s].min(axis=1, initial=np.inf), size[:, s:]
        if tau is not None:
            won = (least > tau) & (others <= tau).all(axis=1)
        elif spare < N - s:  # there must not be more than `spare` others above the least true one
            won = least > np.partition(others, -spare - 1, axis=1)[:, -spare - 1]
        else:
            won = np.ones(len(size), bool)
        found += int(np.count_nonzero(won))
    return Counted(found, trials)
