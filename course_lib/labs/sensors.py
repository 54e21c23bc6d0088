"""Sensors: which few readings tell most about what one wants to know.

The unknown is theta, d numbers with the prior N(0, prior). Sensor i, if it is read, gives
a_i . theta plus noise of its own, independent of all others. What is still unknown after some
readings is a normal distribution, and its covariance depends on *which* sensors are read, not on
what they say: so they can be chosen beforehand. A choice is a mask, bool (n,).

Covariances are kept as *roots*: P = root @ root.T. A root has the square root of the condition
number of its covariance, so sensors that are nearly copies of each other do no harm, and no
rounding can make a variance negative. A *criterion* is a function from roots (..., d, d) to costs
(...), the smaller the better.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from course_lib.labs.approximation import all_supports
from course_lib.masks import top_k

Floats = NDArray[np.float64]
Bits = NDArray[np.bool_]
Criterion = Callable[[Floats], Floats]
AT_ONCE = 4096  # choices looked at together in an exhaustive search


class Sensors(NamedTuple):
    """What could be read: made by `Sensors.of`, which checks it.

    A: float64 (n, d), row i is a_i. noise: (n,), the variance of each sensor's noise. prior:
    (d, d), the covariance of theta before anything is read.
    """

    A: Floats
    noise: Floats
    prior: Floats

    @classmethod
    def of(cls, A: ArrayLike, noise: ArrayLike = 1.0, prior: ArrayLike | None = None) -> "Sensors":
        """Make sensors from their rows.

        Args:
            A: (n, d), one sensor a row.
            noise: the variance of the noise, of all (a number) or of each (n,).
            prior: the covariance of theta, (d, d); the identity if not given.

        Raises:
            ValueError: A is no table of finite numbers, a variance is not positive and finite, or
                the prior is not symmetric and positive definite.

        Source: Chaloner and Verdinelli (1995).
        """
        rows = np.array(A, dtype=float)
        if rows.ndim != 2 or 0 in rows.shape or not np.isfinite(rows).all():
            raise ValueError(
                f"A: given shape {rows.shape}, expected finite numbers (sensors, unknowns), at "
                "least one of each. A single sensor is A[None]."
            )
        n, d = rows.shape
        variances = np.array(noise, dtype=float)
        if (
            variances.shape not in ((), (n,))
            or not ((variances > 0) & (variances < math.inf)).all()
        ):
            raise ValueError(
                f"noise: given {noise!r}, expected a positive variance, or {n} of them, one for "
                "each sensor. A sensor without noise has no place here: give it a little."
            )
        covariance = np.eye(d) if prior is None else np.array(prior, dtype=float)
        if covariance.shape != (d, d) or not _is_covariance(covariance):
            raise ValueError(
                f"prior: given shape {covariance.shape}, expected a symmetric positive definite "
                f"matrix ({d}, {d}), the covariance of theta before any reading."
            )
        return cls(rows, np.broadcast_to(variances, (n,)), covariance)


# What is known after some readings


def posterior_root(sensors: Sensors, mask: ArrayLike) -> Floats:
    """Return a root of the covariance of theta once the sensors of a mask are read.

    With the prior L L' and rows b_i = L'a_i / s_i the covariance is L (I + sum b_i b_i')^-1 L'.
    The sum is never formed: R from the QR of the rows of I and of all b_i has R'R equal to it.

    Args:
        sensors: n sensors of d unknowns.
        mask: bool (..., n), as many choices as you like.

    Returns:
        L R^-1, float64 (..., d, d).

    Raises:
        ValueError: the mask is not bool, or its last axis is not n.

    Source: Bierman (1977), the square root information filter.
    """
    read = _checked_mask(sensors, mask)
    d = len(sensors.prior)
    factor = np.linalg.cholesky(sensors.prior)
    rows = sensors.A @ factor / np.sqrt(sensors.noise)[:, None]
    before = np.broadcast_to(np.eye(d), (*read.shape[:-1], d, d))
    stacked = np.concatenate([before, rows * read[..., None]], axis=-2)
    triangle: Floats = np.linalg.qr(stacked, mode="r")  # type: ignore[assignment]  # mode "r"
    root: Floats = np.linalg.solve(triangle.mT, factor.T).mT
    return root


def posterior_covariance(sensors: Sensors, mask: ArrayLike) -> Floats:
    """Return (prior^-1 + sum over the mask of a_i a_i' / noise_i)^-1, (..., d, d).

    Raises:
        ValueError: as `posterior_root`.
    """
    root = posterior_root(sensors, mask)
    return root @ root.mT


def posterior_mean(sensors: Sensors, mask: ArrayLike, readings: ArrayLike) -> Floats:
    """Return the best estimate of theta from the readings of one mask, (..., d).

    Args:
        sensors: n sensors of d unknowns.
        mask: bool (n,), the sensors that are read.
        readings: (..., n); those of other sensors are not looked at.

    Raises:
        ValueError: the mask or the last axis of the readings does not fit.
    """
    read = _checked_mask(sensors, mask)
    said = np.asarray(readings, dtype=float)
    if read.ndim != 1 or said.shape[-1:] != read.shape:
        raise ValueError(
            f"given a mask {read.shape} and readings {said.shape}, expected one mask (n,) and "
            "readings (..., n)."
        )
    root = posterior_root(sensors, read)
    heard = (said / sensors.noise)[..., read] @ sensors.A[read]
    return heard @ root @ root.T


def read_one(root: Floats, sensors: Sensors) -> Floats:
    """Return what a root becomes if one more sensor is read: for each sensor, (n, d, d).

    P - P a a' P / (noise + a' P a), for the root: Sherman and Morrison's formula halved.

    Source: Sherman and Morrison (1950); Potter's form, in Bierman (1977).
    """
    seen = sensors.A @ root  # row i is root' a_i
    total = sensors.noise + (seen**2).sum(axis=1)
    step = 1 / (total + np.sqrt(sensors.noise * total))
    moved = step[:, None] * (seen @ root.T)
    after: Floats = root - moved[:, :, None] * seen[:, None, :]
    return after


# Criteria


def a_cost(root: Floats) -> Floats:
    """Return the trace of the covariance: the mean squared error, summed over the unknowns.

    Examples:
        >>> float(a_cost(np.diag([3.0, 1.0])))
        10.0
    """
    cost: Floats = (root**2).sum(axis=(-2, -1))
    return cost


def d_cost(root: Floats) -> Floats:
    """Return the logarithm of the covariance's determinant: twice that of the ellipse's volume.

    Examples:
        >>> round(float(np.exp(d_cost(np.diag([3.0, 1.0])))), 6)
        9.0
    """
    cost: Floats = 2 * np.linalg.slogdet(root).logabsdet
    return cost


def e_cost(root: Floats) -> Floats:
    """Return the largest eigenvalue of the covariance: the variance in the worst direction.

    Examples:
        >>> float(e_cost(np.diag([3.0, 1.0])))
        9.0
    """
    cost: Floats = np.linalg.norm(root, 2, axis=(-2, -1)) ** 2
    return cost


def cost(sensors: Sensors, mask: ArrayLike, criterion: Criterion = a_cost) -> Floats:
    """Return the cost of each mask, (...). Raises as `posterior_root`."""
    return criterion(posterior_root(sensors, mask))


# Choices


class Search(NamedTuple):
    """All choices of k sensors, bool (C(n, k), n), and what each costs, (C(n, k),)."""

    masks: Bits
    costs: Floats

    @property
    def best(self) -> Bits:
        """The mask of least cost; of equal ones the first."""
        mask: Bits = self.masks[self.costs.argmin()]
        return mask

    @property
    def least(self) -> float:
        """The least cost."""
        return float(self.costs.min())

    @property
    def lottery(self) -> float:
        """The mean cost of k sensors drawn by lot: exact, for all draws are here."""
        return float(self.costs.mean())


def exhaustive(sensors: Sensors, k: int, criterion: Criterion = a_cost) -> Search:
    """Try every choice of k sensors.

    Raises:
        ValueError: k is not in 0..n, or there are more than a million choices.
    """
    masks = all_supports(len(sensors.A), k).numpy()
    parts = [masks[i : i + AT_ONCE] for i in range(0, len(masks), AT_ONCE)]
    return Search(masks, np.concatenate([cost(sensors, part, criterion) for part in parts]))


def loudest(sensors: Sensors, k: int) -> Bits:
    """Keep the k sensors with the longest rows a_i: the sculptor's rule.

    Raises:
        TypeError, ValueError: as `top_k`.
    """
    lengths = np.linalg.norm(sensors.A, axis=1)
    return top_k(torch.from_numpy(lengths), k).numpy()


def greedy(sensors: Sensors, k: int, criterion: Criterion = a_cost) -> Bits:
    """Choose k sensors one by one, each the best beside those that are chosen already.

    Of equally good ones the first is taken.

    Raises:
        ValueError: k is not in 0..n.
    """
    _check_count(sensors, k)
    mask = np.zeros(len(sensors.A), dtype=bool)
    root = posterior_root(sensors, mask)  # nothing read: the prior's
    for _ in range(k):
        tried = read_one(root, sensors)
        best = int(np.where(mask, math.inf, criterion(tried)).argmin())
        mask[best], root = True, tried[best]
    return mask


def exchange(
    sensors: Sensors, mask: ArrayLike, criterion: Criterion = a_cost, tolerance: float = 1e-12
) -> Bits:
    """Exchange one sensor of a choice for one outside, the best of all pairs, while that helps.

    Args:
        sensors: n sensors of d unknowns.
        mask: bool (n,), where to begin.
        criterion: what is to be made small.
        tolerance: relative; an exchange that gains less is not made.

    Raises:
        ValueError: the mask does not fit.

    Source: Fedorov (1972).
    """
    chosen = _checked_mask(sensors, mask).copy()
    now = float(cost(sensors, chosen, criterion))
    while True:
        swaps = np.full((len(chosen), len(chosen)), math.inf)  # out, in
        for out in np.flatnonzero(chosen):
            rest = chosen.copy()
            rest[out] = False
            tried = criterion(read_one(posterior_root(sensors, rest), sensors))
            swaps[out] = np.where(chosen, math.inf, tried)
        out, new = np.unravel_index(swaps.argmin(), swaps.shape)
        if not swaps[out, new] < now - tolerance * abs(now):
            return chosen
        chosen[out], chosen[new] = False, True
        now = float(swaps[out, new])


# Where sensors come from


def directions(n: int, d: int, rng: np.random.Generator) -> Floats:
    """Draw n directions, uniform on the unit sphere, (n, d)."""
    rows = rng.standard_normal((n, d))
    unit: Floats = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit


def redundant_rows(n: int, d: int, redundancy: float, rng: np.random.Generator) -> Floats:
    """Draw rows (n, d), the first half of them twice as long as the others and nearly alike.

    Each long row points along a direction of its own, pulled towards one that they share.

    Args:
        n: sensors.
        d: unknowns.
        redundancy: from 0, where the long rows have nothing in common, to 1, where they are equal.
        rng: of the draw; the same draws for every redundancy.

    Raises:
        ValueError: the redundancy is not from 0 to 1.
    """
    if not 0 <= redundancy <= 1:
        raise ValueError(f"redundancy: given {redundancy}, expected a number from 0 to 1.")
    rows, shared = directions(n, d, rng), directions(1, d, rng)
    strong = redundancy * shared + (1 - redundancy) * rows[: n // 2]
    rows[: n // 2] = 2 * strong / np.linalg.norm(strong, axis=1, keepdims=True)
    return rows


def units_as_sensors(hidden: ArrayLike, outputs: ArrayLike) -> Sensors:
    """See the units of a layer as sensors of the outputs that are computed from them.

    theta is the vector of outputs minus its mean, and its prior is their covariance over the
    examples. Row a_i is the least squares fit of unit i by the outputs, and the noise is the
    variance that this leaves. So the first two moments of each unit with the outputs are exact;
    that units share no noise is an assumption. A unit that never changes gets a row of zeros.

    Args:
        hidden: activations (examples, n).
        outputs: (examples, d), such as logits; no output is a combination of others.

    Raises:
        ValueError: the examples do not match, or the outputs are linearly dependent.
    """
    H, Z = (np.array(part, dtype=float) for part in (hidden, outputs))
    if H.ndim != 2 or Z.ndim != 2 or len(H) != len(Z):
        raise ValueError(
            f"given hidden {H.shape} and outputs {Z.shape}, expected (examples, n) and "
            "(examples, d), the same examples in both."
        )
    H, Z = H - H.mean(axis=0), Z - Z.mean(axis=0)
    fit, _, rank, _ = np.linalg.lstsq(Z, H)
    if rank < Z.shape[1]:
        raise ValueError(
            f"outputs: given {Z.shape[1]} of rank {rank}, expected none to be a combination of "
            "the others. Leave those out that say nothing new."
        )
    noise = ((H - Z @ fit) ** 2).mean(axis=0)
    silent = H.var(axis=0) == 0
    return Sensors.of(fit.T * ~silent[:, None], np.where(silent, 1.0, noise), Z.T @ Z / len(Z))


# Checks


def _checked_mask(sensors: Sensors, mask: ArrayLike) -> Bits:
    read: Bits = np.asarray(mask)
    n = len(sensors.A)
    if read.dtype != bool or read.shape[-1:] != (n,):
        raise ValueError(
            f"mask: given {read.dtype} of shape {read.shape}, expected bool (..., {n}), a yes or "
            "no for each sensor."
        )
    return read


def _check_count(sensors: Sensors, k: int) -> None:
    if not 0 <= k <= len(sensors.A):
        raise ValueError(f"k: given {k}, expected from 0 to {len(sensors.A)}, all sensors.")


def _is_covariance(matrix: Floats) -> bool:
    if not np.isfinite(matrix).all() or not np.allclose(matrix, matrix.T, rtol=1e-10, atol=0):
        return False
    try:
        np.linalg.cholesky(matrix)
    except np.linalg.LinAlgError:
        return False
    return True
