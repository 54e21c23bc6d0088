"""Recovery: finding a sparse vector, or a picture, from fewer measurements than unknowns.

Soft thresholding and its hard twin, side by side with iterative magnitude pruning, all on the same
problem: y = A x, with x sparse. Axes in front broadcast, so that a hundred random problems are one
batched computation: A (..., m, n), x (..., n), y (..., m).
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from skimage.data import shepp_logan_phantom
from skimage.restoration import denoise_tv_chambolle
from skimage.transform import resize
from torch import Tensor

from course_lib.labs.approximation import soft_threshold
from course_lib.masks import n_of_m
from course_lib.masks.checks import checked_count
from course_lib.old_names import left

__getattr__ = left(__name__)


class Problems(NamedTuple):
    """Random problems: A (trials, m, n), the sparse truth (trials, n), and y = A truth."""

    A: Tensor
    truth: Tensor
    y: Tensor


def random_problems(trials: int, m: int, n: int, k: int, seed: int) -> Problems:
    """Draw Gaussian measurements of vectors with k entries, normal plus a random sign, float64.

    Args:
        trials: how many.
        m: measurements of each.
        n: unknowns of each.
        k: entries of the truth that are not zero.
        seed: of the draw.

    Raises:
        TypeError, ValueError: k is not an integer from 0 to n.

    Examples:
        >>> A, truth, y = random_problems(5, m=20, n=50, k=3, seed=0)
        >>> A.shape, truth.shape, y.shape
        (torch.Size([5, 20, 50]), torch.Size([5, 50]), torch.Size([5, 20]))
    """
    k = checked_count(k, 0, n)
    g = torch.Generator().manual_seed(seed)
    A = torch.randn(trials, m, n, generator=g, dtype=torch.float64) / math.sqrt(m)
    places = torch.rand(trials, n, generator=g).argsort(dim=1)[:, :k]
    values, signs = torch.randn(2, trials, k, generator=g, dtype=torch.float64)
    truth = torch.zeros(trials, n, dtype=torch.float64)
    truth.scatter_(1, places, values + signs.sign())
    return Problems(A, truth, _times(A, truth))


def recovered(x: Tensor, truth: Tensor, tolerance: float = 0.01) -> Tensor:
    """Tell, problem by problem, whether x is the truth up to a relative error: bool (...).

    Examples:
        >>> recovered(torch.tensor([1.001, 0.0]), torch.tensor([1.0, 0.0]))
        tensor(True)
    """
    missed, size = (torch.linalg.vector_norm(v, dim=-1) for v in (x - truth, truth))
    found: Tensor = missed <= tolerance * size
    return found


# Soft: the l1 norm


def step_size(A: Tensor) -> Tensor:
    """Return 1/L, L the largest eigenvalue of A'A: the longest step that is always safe, (...)."""
    norm: Tensor = torch.linalg.matrix_norm(A, 2)
    return 1 / norm**2


def lasso_objective(A: Tensor, x: Tensor, y: Tensor, tau: float) -> Tensor:
    """Return |Ax - y|^2 / 2 + tau |x|_1 for each problem, (...).

    Args:
        A: (..., m, n).
        x: (..., n).
        y: (..., m).
        tau: the price of size.
    """
    return (_times(A, x) - y).square().sum(dim=-1) / 2 + tau * x.abs().sum(dim=-1)


def ista(A: Tensor, y: Tensor, tau: float | Tensor, rounds: int) -> Tensor:
    """Minimise |Ax - y|^2 / 2 + tau |x|_1: a gradient step, then a soft threshold, and again.

    Args:
        A: measurements (..., m, n).
        y: what was measured (..., m).
        tau: the price of size, not negative: a number, or one for each problem (...).
        rounds: how many steps.

    Returns:
        x (..., n), from x = 0.

    Raises:
        ValueError: tau is negative or not finite.

    Source: Daubechies, Defrise and De Mol (2004).

    Examples:
        >>> ista(torch.eye(3), torch.tensor([3.0, -0.5, -2.0]), tau=1.0, rounds=5)
        tensor([ 2.,  0., -1.])
    """
    *_, x = (torch.zeros_like(_back(A, y)), *ista_steps(A, y, tau, rounds))
    return x


def ista_steps(A: Tensor, y: Tensor, tau: float | Tensor, rounds: int) -> Iterator[Tensor]:
    """Yield x after each round of `ista`."""
    step, price = _prices(A, tau)
    x = torch.zeros_like(_back(A, y))
    for _ in range(rounds):
        x = soft_threshold(x + step * _back(A, y - _times(A, x)), step * price)
        yield x


def fista(A: Tensor, y: Tensor, tau: float | Tensor, rounds: int) -> Tensor:
    """Minimise what `ista` does, with momentum: an error of 1/t^2 instead of 1/t after t rounds.

    Arguments, result and errors are those of `ista`. Source: Beck and Teboulle (2009).

    Examples:
        >>> A, truth, y = random_problems(1, m=60, n=100, k=3, seed=0)
        >>> recovered(fista(A, y, tau=1e-4, rounds=2000), truth)
        tensor([True])
    """
    step, price = _prices(A, tau)
    x = ahead = torch.zeros_like(_back(A, y))
    t = 1.0
    for _ in range(rounds):
        new = soft_threshold(ahead + step * _back(A, y - _times(A, ahead)), step * price)
        faster = (1 + math.sqrt(1 + 4 * t * t)) / 2
        ahead = new + (t - 1) / faster * (new - x)
        x, t = new, faster
    return x


def refit(A: Tensor, y: Tensor, support: Tensor) -> Tensor:
    """Refit by least squares on a support, bool (..., n): what soft thresholding shrank returns.

    Where there are more survivors than measurements, the shortest solution.

    Args:
        A: (..., m, n).
        y: what was measured (..., m).
        support: bool (..., n).

    Examples:
        >>> refit(torch.eye(3), torch.tensor([3.0, -0.5, -2.0]), torch.tensor([True, False, True]))
        tensor([ 3.,  0., -2.])
    """
    kept = A * support.unsqueeze(-2)
    fit: Tensor = torch.linalg.pinv(kept).matmul(y.unsqueeze(-1)).squeeze(-1) * support
    return fit


# Hard: exactly k entries


def largest_support(x: Tensor, k: int) -> Tensor:
    """Return the supports of the k largest |x|, bool (..., n), ties by lowest index.

    Raises:
        TypeError, ValueError: k is not an integer from 0 to n.

    Examples:
        >>> largest_support(torch.tensor([3.0, -0.5, -2.0]), 2)
        tensor([ True, False,  True])
    """
    n = x.shape[-1]
    return n_of_m(x.abs(), checked_count(k, 0, n), n)


def iht(A: Tensor, y: Tensor, k: int, rounds: int, start: Tensor | None = None) -> Tensor:
    """Look for x with k entries: a gradient step, then keep the k largest, and again.

    Begins at zero, or at `start` (..., n), of which only the k largest entries count.

    Every round chooses among *all* n places, so that one given up before can return. The step is
    the best one on the present support (the normalised version).

    Args:
        A: measurements (..., m, n).
        y: what was measured (..., m).
        k: entries of x.
        rounds: how many steps.
        start: (..., n), where to begin; zero if not given.

    Raises:
        TypeError, ValueError: k is not an integer from 0 to n.

    Source: Blumensath and Davies (2009, 2010).

    Examples:
        >>> A, truth, y = random_problems(1, m=60, n=100, k=3, seed=0)
        >>> recovered(iht(A, y, k=3, rounds=50), truth)
        tensor([True])
    """
    *_, x = (torch.zeros_like(_back(A, y)), *iht_steps(A, y, k, rounds, start))
    return x


def iht_steps(
    A: Tensor, y: Tensor, k: int, rounds: int, start: Tensor | None = None
) -> Iterator[Tensor]:
    """Yield x after each round of `iht`."""
    support = largest_support(_back(A, y) if start is None else start, k)
    x = torch.zeros_like(_back(A, y)) if start is None else start * support
    for _ in range(rounds):
        slope = _back(A, y - _times(A, x))
        along = slope * support
        length = along.square().sum(dim=-1, keepdim=True)
        bend = _times(A, along).square().sum(dim=-1, keepdim=True)
        x = x + slope * length / bend.clamp(min=torch.finfo(bend.dtype).tiny)
        support = largest_support(x, k)
        x = x * support
        yield x


def magnitude_pruning(A: Tensor, y: Tensor, k: int, fraction: float, ridge: float = 1e-3) -> Tensor:
    """Iterative magnitude pruning of a linear model: fit, drop the smallest, fit the rest, again.

    Args:
        A: measurements (..., m, n).
        y: what was measured (..., m).
        k: how many entries to end with.
        fraction: of those left, dropped in each round (at least one, never below k); 1 is one shot.
        ridge: added while there are more unknowns than measurements, relative to |A|^2 / m.

    Returns:
        x (..., n) with at most k entries. What is dropped never returns.

    Raises:
        TypeError, ValueError: k is not an integer from 0 to n; the fraction is not in (0, 1].

    Source: Han et al. (2015), on least squares.

    Examples:
        >>> A, truth, y = random_problems(1, m=90, n=60, k=3, seed=0)
        >>> recovered(magnitude_pruning(A, y, k=3, fraction=0.5), truth)
        tensor([True])
    """
    if not 0 < fraction <= 1:
        raise ValueError(f"fraction: given {fraction}, expected a share above 0 and at most 1.")
    *_, x = magnitude_pruning_steps(A, y, k, fraction, ridge)
    return x


def magnitude_pruning_steps(
    A: Tensor, y: Tensor, k: int, fraction: float, ridge: float = 1e-3
) -> Iterator[Tensor]:
    """Yield the fit x of each round of `magnitude_pruning`, the first with all entries."""
    m, n = A.shape[-2:]
    k = checked_count(k, 0, n)
    support = torch.ones_like(_back(A, y), dtype=torch.bool)
    left = n
    while True:
        if left > m:  # the ridge solution, by a system of m equations
            kept = A * support.unsqueeze(-2)
            G = kept @ kept.mT + ridge * torch.eye(m, dtype=A.dtype)
            x = _back(kept, torch.linalg.solve(G, y))
        else:
            x = refit(A, y, support)
        yield x
        if left == k:
            return
        left = max(k, min(left - 1, round(left * (1 - fraction))))
        support = largest_support(torch.where(support, x.abs(), -1) + 1, left)


# A picture from a few lines of its Fourier transform


def phantom(size: int = 64) -> Tensor:
    """Return the head phantom of Shepp and Logan (1974), float64 (size, size) in 0..1."""
    image = resize(shepp_logan_phantom(), (size, size), order=0, anti_aliasing=False)
    return torch.from_numpy(np.ascontiguousarray(image, dtype=np.float64))


def radial_mask(size: int, lines: int, turn: float = 0.0) -> Tensor:
    """Return which frequencies a scanner sees along lines through zero: bool (size, size).

    The lines are equally spaced; `turn`, from 0 to 1, turns them on towards the next.

    Args:
        size: rows, and columns, even.
        lines: how many, at least one.
        turn: by what share of the angle between two lines.

    Raises:
        ValueError: no line, or an odd size.

    Examples:
        >>> radial_mask(8, lines=1).int().sum()
        tensor(8)
    """
    if lines < 1 or size < 2 or size % 2:
        raise ValueError(f"given size={size}, lines={lines}: expected an even size, and a line.")
    angle = (torch.arange(lines, dtype=torch.float64) + turn) * math.pi / lines
    radius = torch.arange(-size // 2, size // 2, dtype=torch.float64)
    row = (size // 2 + radius * angle.sin().unsqueeze(1)).round().long().clamp(0, size - 1)
    column = (size // 2 + radius * angle.cos().unsqueeze(1)).round().long().clamp(0, size - 1)
    mask = torch.zeros(size, size, dtype=torch.bool)
    mask[row, column] = True
    seen: Tensor = torch.fft.ifftshift(mask)
    return seen


def frequencies(image: Tensor, mask: Tensor) -> Tensor:
    """Return the frequencies of an image that the mask lets through, complex, zero elsewhere.

    Args:
        image: (height, width).
        mask: bool (height, width), as `radial_mask` makes it.
    """
    seen: Tensor = torch.fft.fft2(image, norm="ortho") * mask
    return seen


def zero_filled(measured: Tensor) -> Tensor:
    """Return the picture in which every frequency that was not measured is zero.

    Args:
        measured: complex (height, width), from `frequencies`.

    Examples:
        >>> image = phantom(16)
        >>> everything = torch.ones(16, 16, dtype=torch.bool)
        >>> psnr(zero_filled(frequencies(image, everything)), image) > 200
        True
    """
    image: Tensor = torch.fft.ifft2(measured, norm="ortho").real
    return image


def reconstruct(measured: Tensor, mask: Tensor, rounds: int = 400) -> Tensor:
    """Look for the picture of least total variation that agrees with what was measured.

    `ista` again, with another notion of simple: a step towards the measurements, then a little
    smoothing that leaves edges sharp, less of it every round.

    Args:
        measured: from `frequencies`.
        mask: the same.
        rounds: how many.

    Source: Rudin, Osher and Fatemi (1992); Candès, Romberg and Tao (2006).
    """
    x = zero_filled(measured)
    for t in range(rounds):
        x = x + zero_filled(measured - frequencies(x, mask))
        weight = max(0.1 * 0.97**t, 1e-3)
        smooth = denoise_tv_chambolle(x.numpy(), weight=weight, eps=1e-5, max_num_iter=60)
        x = torch.from_numpy(smooth)
    return x


def psnr(image: Tensor, truth: Tensor) -> float:
    """Return the peak signal-to-noise ratio in decibels.

    Args:
        image: (height, width).
        truth: the same, as it should be.
    """
    return float(10 * torch.log10(truth.max() ** 2 / (image - truth).square().mean()))


def _times(A: Tensor, x: Tensor) -> Tensor:
    return A.matmul(x.unsqueeze(-1)).squeeze(-1)


def _back(A: Tensor, y: Tensor) -> Tensor:
    return A.mT.matmul(y.unsqueeze(-1)).squeeze(-1)


def _prices(A: Tensor, tau: float | Tensor) -> tuple[Tensor, Tensor]:
    """Return step and tau, each (..., 1); ValueError unless tau is finite and not negative."""
    price = torch.as_tensor(tau, dtype=A.dtype)
    if not ((price >= 0) & price.isfinite()).all():
        raise ValueError(f"tau: given {tau}, expected finite numbers that are not negative.")
    return step_size(A).unsqueeze(-1), price.unsqueeze(-1)
