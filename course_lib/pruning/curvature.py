"""Curvature: the Hessian of the loss in the weights, its diagonal, its inverse, and the surgeon.

Hessians are those of the mean loss over all examples, in float64 where they are inverted. The
surgeon cuts a weight and lets all others adapt, as `obs` of the criteria only estimates.
"""

import math
from functools import partial
from numbers import Integral, Real
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.func import grad, jacrev, vjp, vmap
from torch.nn.functional import cross_entropy

from course_lib.masks import Mask, prunable
from course_lib.pruning import scoring
from course_lib.pruning.scoring import CHUNK, Scored, Scores, joined, numbers_in, parted
from course_lib.training import examples
from course_lib.training.examples import Batch, Examples, Loss, answer, mapped, mean_of, rows

LARGEST_HESSIAN = 5_000  # weights whose full Hessian is made: 200 MB in float64


def hessian_diagonal(
    model: nn.Module,
    data: Examples | None = None,
    loss: Loss = cross_entropy,
    *,
    diagonal: str = "gauss-newton",
    probes: int = 100,
    seed: int = 0,
) -> Scores:
    """Return H_ii, the curvature of the loss along each weight; arguments as in `obd`.

    Examples:
        >>> from torch.nn.functional import mse_loss
        >>> data = torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0]])
        >>> hessian_diagonal(torch.nn.Linear(2, 1), data, mse_loss)
        {'weight': tensor([[2., 8.]])}
    """
    if diagonal not in ("exact", "gauss-newton", "hutchinson"):
        raise ValueError(
            f"diagonal: given {diagonal!r}, expected 'exact', 'gauss-newton' or 'hutchinson'."
        )
    check_whole(probes, "probes", "how many random vectors to average over")
    with scoring.scored(model, data, loss) as task:
        if diagonal == "gauss-newton":
            return _gauss_newton(task)
        w = joined(task.weights).detach()
        times = _HessianProduct(task)
        if diagonal == "exact":
            size = max(1, CHUNK // (8 * w.numel() + task.width))
            parts = []
            for some in torch.arange(w.numel(), device=w.device).split(size):
                units = torch.nn.functional.one_hot(some, w.numel()).to(w.dtype)
                columns = times.each(units)
                parts.append(columns.gather(1, some.unsqueeze(1)).squeeze(1))
            return parted(torch.cat(parts), task.weights)
        generator = examples.seeded(seed)
        total = torch.zeros_like(w)
        for _ in range(probes):
            sign = torch.randint(0, 2, w.shape, generator=generator).to(w) * 2 - 1
            total += sign * times(sign)
        return parted(total / probes, task.weights)


def full_hessian(
    model: nn.Module, data: Examples | None = None, loss: Loss = cross_entropy
) -> Tensor:
    """Return the Hessian of the loss in all prunable weights, float64 (P, P).

    Weights stand in the order of `prunable`, each flattened row by row.

    Raises:
        ValueError: more than 5,000 weights.

    Examples:
        >>> from torch.nn.functional import mse_loss
        >>> data = torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0]])
        >>> full_hessian(torch.nn.Linear(2, 1), data, mse_loss).tolist()
        [[2.0, 4.0], [4.0, 8.0]]
    """
    count = sum(w.numel() for w in prunable(model).values())
    if count > LARGEST_HESSIAN:
        raise ValueError(
            f"given {count:,} weights, expected at most {LARGEST_HESSIAN:,}: their Hessian has "
            "the square of that. Use obs(..., block=100), or obd."
        )
    with scoring.scored(model, data, loss, dtype=torch.float64) as task:
        times = _HessianProduct(task)
        size = max(1, CHUNK // (4 * count + task.count * 64))
        units = torch.eye(count, dtype=torch.float64, device=joined(task.weights).device)
        return torch.cat([times.each(some) for some in units.split(size)])


def inverse_hessian(
    model: nn.Module,
    data: Examples | None = None,
    loss: Loss = cross_entropy,
    *,
    damping: float = 1e-6,
) -> Tensor:
    """Return (H + damping I)^-1, float64 (P, P), by Cholesky.

    Raises:
        ValueError: as `full_hessian`, or H + damping I is not positive definite, or not finite.

    Examples:
        >>> from torch.nn.functional import mse_loss
        >>> data = torch.eye(2), torch.ones(2, 1)
        >>> inverse_hessian(torch.nn.Linear(2, 1, bias=False), data, mse_loss, damping=0).tolist()
        [[1.0, -0.0], [-0.0, 1.0]]
    """
    check_damping(damping)
    H = full_hessian(model, data, loss)
    if H.device.type == "meta" or not H.isfinite().all():
        raise ValueError(
            f"model: its Hessian holds {'no values' if H.is_meta else 'NaN or infinity'}, expected "
            "finite numbers. Look at the weights: a network that diverged has none to choose from."
        )
    units = torch.eye(len(H), dtype=H.dtype, device=H.device)
    factor, info = torch.linalg.cholesky_ex(H + damping * units)
    if info:
        least = torch.linalg.eigvalsh(H)[0]
        raise ValueError(
            f"damping: given {damping:g}, but the Hessian's smallest eigenvalue is {least:.3g}: "
            "not at a minimum. Train longer, or give a damping above its size."
        )
    return torch.cholesky_inverse(factor)


def check_whole(value: object, name: str, what: str, least: int = 1) -> None:
    """Raise ValueError for what is no integer, or too small."""
    if isinstance(value, bool) or not isinstance(value, Integral) or int(value) < least:
        raise ValueError(
            f"{name}: given {value!r}, expected {what}, an integer of {least} or more."
        )


def check_damping(damping: object) -> None:
    """Raise ValueError for a damping that is no number; below zero it takes away from H."""
    number = isinstance(damping, Real) and not isinstance(damping, bool)
    if not number or not 0 <= damping < math.inf:  # type: ignore[operator]  # it is a number
        raise ValueError(f"damping: given {damping!r}, expected a number of 0 or more.")


class Cut(NamedTuple):
    """What the surgeon leaves: new weights, the inverse Hessian of the rest, and the price.

    Examples:
        >>> cut = surgeon(torch.tensor([1.0, 2.0]), torch.eye(2), 0)
        >>> cut.weights.tolist(), float(cut.change)
        ([0.0, 2.0], 0.5)
    """

    weights: Tensor
    inverse: Tensor
    change: Tensor


def surgeon(weights: Tensor, inverse: Tensor, index: int) -> Cut:
    """Set one weight to zero and let all others adapt: w - w_q / [H^-1]_qq  H^-1 e_q.

    Args:
        weights: (P,), at the minimum of a quadratic loss, or near one.
        inverse: H^-1 (P, P); rows and columns of weights cut before are zero.
        index: q, which to cut.

    Returns:
        The new weights, the inverse Hessian of those that are left, and w_q^2 / (2 [H^-1]_qq).

    Raises:
        ValueError: the weight was cut before.

    Examples:
        >>> H = torch.tensor([[2.0, 1.0], [1.0, 2.0]])
        >>> weights, inverse, change = surgeon(torch.tensor([1.0, 1.0]), torch.linalg.inv(H), 0)
        >>> weights.tolist(), float(change)
        ([0.0, 1.5], 0.75)

    Source: Hassibi and Stork (1993).
    """
    column, pivot = inverse[:, index], inverse[index, index]
    if pivot <= 0:
        raise ValueError(f"index: given {index}, which is cut already. Choose one that is left.")
    change = weights[index].square() / (2 * pivot)
    moved = weights - weights[index] / pivot * column
    rest = inverse - torch.outer(column, column) / pivot
    moved[index] = 0
    rest[index] = 0
    rest[:, index] = 0
    return Cut(moved, rest, change)


@torch.no_grad()
def brain_surgery(
    model: nn.Module, data: Examples, k: int, loss: Loss = cross_entropy, *, damping: float = 1e-6
) -> Mask:
    """Cut weights of a small network one by one, the cheapest first, until k are left, in place.

    After every cut all other weights adapt. The Hessian is made once and downdated.

    Raises:
        ValueError: k out of range, or as `inverse_hessian`.

    Examples:
        >>> from torch.nn.functional import mse_loss
        >>> layer = nn.Linear(3, 1, bias=False)
        >>> layer.weight.data = torch.tensor([[3.0, 2.0, 1.0]])
        >>> X = torch.eye(3)
        >>> brain_surgery(layer, (X, X @ layer.weight.detach().T), 2, mse_loss)["weight"].tolist()
        [[True, True, False]]

    Source: Hassibi and Stork (1993).
    """
    weights = prunable(model)
    w = joined(weights).double()
    if isinstance(k, bool) or not isinstance(k, Integral) or not 0 <= k <= w.numel():
        raise ValueError(f"k: given {k}, expected how many to keep, from 0 to {w.numel()}.")
    inverse = inverse_hessian(model, data, loss, damping=damping)
    left = torch.ones_like(w, dtype=torch.bool)
    for _ in range(w.numel() - k):
        price = torch.where(left, w.square() / inverse.diagonal().clamp(min=1e-300), math.inf)
        index = int(price.argmin())
        w, inverse, _ = surgeon(w, inverse, index)
        left[index] = False
    for parameter, new in zip(weights.values(), parted(w, weights).values(), strict=True):
        parameter.copy_(new)
    return Mask(parted(left, weights))


# Machinery


def _gauss_newton(task: Scored) -> Scores:
    """Average J' S J's diagonal: J the slopes of the outputs, S the loss's curvature in them."""

    def outputs(values: Scores, x: Any) -> Tensor:
        z: Tensor = scoring.as_if(task.model, values, scoring.as_batch(x))
        return z.flatten()

    def each(values: Scores, batch: Batch) -> Scores:
        z: Tensor = answer(task.model, batch[0])

        def one(flat: Tensor, label: Any) -> Tensor:
            return mean_of(task.loss, flat.view(1, *z.shape[1:]), scoring.as_batch(label))

        S = vmap(jacrev(jacrev(one)))(z.flatten(1), batch[1])  # (n, C, C)
        J = vmap(jacrev(outputs), in_dims=(None, 0))(values, batch[0])  # (n, C, *shape) each
        return _curved(S, J)

    def plainly(batch: Batch) -> Scores:
        total: Scores = {}
        for x, label in scoring.one_by_one(batch):
            z = answer(task.model, x)
            flat = torch.cat([part.flatten() for part in numbers_in(z)])

            def one(flat: Tensor, z: Any = z, label: Any = label) -> Tensor:
                parts = iter(flat.split([part.numel() for part in numbers_in(z)]))
                output = mapped(lambda t: next(parts).view_as(t) if scoring.is_number(t) else t, z)
                return mean_of(task.loss, output, label)

            S = torch.autograd.functional.hessian(one, flat.detach())
            J = [
                torch.autograd.grad(
                    number, list(task.weights.values()), retain_graph=True, allow_unused=True,
                    materialize_grads=True,
                )
                for number in flat
            ]  # fmt: skip
            slopes = (torch.stack(part).unsqueeze(0) for part in zip(*J, strict=True))
            found = _curved(S.unsqueeze(0), dict(zip(task.weights, slopes, strict=True)))
            total = {name: total.get(name, 0) + curve for name, curve in found.items()}
        return total

    scoring.check_apart(task.model)
    first = rows(next(task.batches()), slice(0, 1))
    scoring.check_slope(task.loss_of(first))
    classes = sum(z.numel() for z in numbers_in(answer(task.model, first[0])))
    numbers = classes * sum(w.numel() for w in task.weights.values())
    total = {name: torch.zeros_like(w, requires_grad=False) for name, w in task.weights.items()}
    for found in scoring.together_or_plainly(task, each, plainly, numbers):
        for name, curve in found.items():
            total[name] += curve
    return {name: t / task.count for name, t in total.items()}


def _curved(S: Tensor, J: Scores) -> Scores:
    """Return the diagonal of the sum of J' S J, from (n, C, C) and (n, C, *shape) each."""
    found = {}
    for name, slopes in J.items():
        flat = slopes.flatten(2)  # (n, C, weights)
        found[name] = torch.bmm(S, flat).mul_(flat).sum(dim=(0, 1)).view(slopes.shape[2:])
    return found


class _HessianProduct:
    """The function v -> H v, by the chain rule (Pearlmutter 1994), for one vector or many."""

    def __init__(self, task: Scored) -> None:
        self.task, self.w = task, joined(task.weights).detach()
        first = next(task.batches())
        sign = 1 - 2 * (torch.arange(len(self.w), device=self.w.device) % 2).to(self.w)
        self.together = scoring.alike(
            lambda v: {"": vmap(partial(self._functional, first))(v)[0]},
            lambda v: {"": self._plain(first, v[0])},
            sign.unsqueeze(0),
        )

    def __call__(self, v: Tensor) -> Tensor:
        if self.together:
            with scoring.at_once():
                return self.task.mean(lambda batch: self._functional(batch, v))
        return self.task.mean(lambda batch: self._plain(batch, v))

    def each(self, rows: Tensor) -> Tensor:
        """Return the products with the rows of a matrix."""
        if self.together:
            with scoring.at_once():
                return self.task.mean(lambda batch: vmap(partial(self._functional, batch))(rows))
        return torch.stack([self(row) for row in rows])

    def _functional(self, batch: Batch, v: Tensor) -> Tensor:
        def total(w: Tensor) -> Tensor:
            output = scoring.as_if(self.task.model, parted(w, self.task.weights), batch[0])
            return mean_of(self.task.loss, output, batch[1])

        result: Tensor = vjp(grad(total), self.w)[1](v)[0]
        return result

    def _plain(self, batch: Batch, v: Tensor) -> Tensor:
        slopes = scoring.slopes_of(self.task.loss_of(batch), self.task.weights, again=True)
        along = (joined(slopes) * v).sum()
        if not along.requires_grad:  # a loss that is linear in the weights is not curved
            return torch.zeros_like(v)
        return joined(scoring.slopes_of(along, self.task.weights))


def block_inverses(task: Scored, damping: float, block: int) -> Tensor:
    """Return the diagonal of the inverse of the block-diagonal empirical Fisher, (P,)."""
    count = sum(w.numel() for w in task.weights.values())
    filled = -(-count // block) * block
    like = {"dtype": torch.float64, "device": joined(task.weights).device}
    F = torch.zeros(filled // block, block, block, **like)  # type: ignore[call-overload]
    for gradients in scoring.example_gradients(task):
        G = torch.cat([g.flatten(1) for g in gradients.values()], dim=1).double()
        G = torch.nn.functional.pad(G, (0, filled - count)).view(len(G), -1, block)
        F += torch.einsum("nbi,nbj->bij", G, G) / task.count
    F += damping * torch.eye(block, **like)  # type: ignore[call-overload]
    inverse, info = torch.linalg.inv_ex(F)
    if not F.is_meta and bool(info.any()):
        raise ValueError(
            f"damping: given {damping:g}, with which a block of the Fisher matrix is singular, as "
            "wherever a unit is dead. Give a damping above 0, as 1e-6."
        )
    diagonals: Tensor = inverse.diagonal(dim1=1, dim2=2)
    return diagonals.flatten()[:count]
