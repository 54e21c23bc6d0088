"""Saliency: what would the loss lose if a weight were gone? The first of score, select, refit.

Every criterion is a function `score(model, X, y) -> scores`: a tensor for each prunable weight, in
the weight's shape, the larger the more worth keeping. `select(scores, density=0.1)` makes the mask.
Where a criterion estimates a change of the loss it is in units of the loss (mean cross-entropy
unless another `loss(logits, y)` is given), so that it can be held against the `oracle`, which
sets every single weight to zero and looks.

Networks are scored as they are used: in evaluation mode, with running averages in batch norms.
"""

import copy
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, jacrev, vjp, vmap
from torch.nn.functional import cross_entropy

from course_lib.masks import Mask, prunable

Scores = dict[str, Tensor]
Loss = Callable[[Tensor, Tensor], Tensor]

LARGEST_HESSIAN = 5_000  # weights whose full Hessian is made: 200 MB in float64
CHUNK = 1 << 24  # numbers that one batched computation may hold at once


# Criteria


def magnitude(model: nn.Module, X: Tensor | None = None, y: Tensor | None = None) -> Scores:
    """Score |w|: in the units of the weights, not of the loss; needs no data.

    Source: Janowsky (1989), Han et al. (2015). Used in every chapter from 02 on.
    """
    return {name: w.detach().abs() for name, w in prunable(model).items()}


def random(
    model: nn.Module, X: Tensor | None = None, y: Tensor | None = None, *, seed: int = 0
) -> Scores:
    """Score by chance: what every criterion must beat. Used in chapters 02 to 05."""
    generator = torch.Generator().manual_seed(seed)
    return {n: torch.rand(w.shape, generator=generator) for n, w in prunable(model).items()}


def signed_first_order(
    model: nn.Module, X: Tensor, y: Tensor, *, loss: Loss = cross_entropy
) -> Scores:
    """Estimate the change of the loss to first order: -g w, positive where the loss would rise.

    As a score it is a trap: it keeps weights that matter upwards and drops those that matter
    downwards. Source: the first term of Taylor's formula. Used in chapter 02.
    """
    weights = prunable(model)
    gradients = _gradients(model, weights, X, y, loss)
    return {name: -gradients[name] * w.detach() for name, w in weights.items()}


def first_order(
    model: nn.Module, X: Tensor, y: Tensor, *, loss: Loss = cross_entropy, each: bool = False
) -> Scores:
    """Estimate the size of the change to first order: |g w|.

    With `each`, the average over examples of |g_n w|, g_n the gradient of a single one: what some
    examples gain can then not cancel what others lose.

    Source: Mozer and Smolensky (1989), Molchanov et al. (2017). Used in chapters 02 and 13.
    """
    if not each:
        return {n: s.abs() for n, s in signed_first_order(model, X, y, loss=loss).items()}
    weights = prunable(model)
    total = {name: torch.zeros_like(w) for name, w in weights.items()}
    for gradients in _example_gradients(model, weights, X, y, loss):
        for name, g in gradients.items():
            total[name] += g.abs().sum(dim=0)
    return {n: total[n] * w.detach().abs() / len(X) for n, w in weights.items()}


def snip(model: nn.Module, X: Tensor, y: Tensor, *, loss: Loss = cross_entropy) -> Scores:
    """Score |g w| as a share of the whole network's, at the start of training.

    Source: Lee, Ajanthan and Torr (2019). Used in chapters 02 and 05.
    """
    scores = first_order(model, X, y, loss=loss)
    total = math.fsum(float(s.sum(dtype=torch.float64)) for s in scores.values())
    return {name: s / total if total else s for name, s in scores.items()}


def fisher(model: nn.Module, X: Tensor, y: Tensor, *, loss: Loss = cross_entropy) -> Scores:
    """Estimate the change with the empirical Fisher for the Hessian: w^2 mean(g_n^2) / 2.

    The squares are of the gradients g_n of single examples at their own labels.
    Source: Theis et al. (2018). Used in chapter 02.
    """
    weights = prunable(model)
    squares = {name: torch.zeros_like(w) for name, w in weights.items()}
    for gradients in _example_gradients(model, weights, X, y, loss):
        for name, g in gradients.items():
            squares[name] += g.square().sum(dim=0)
    return {n: w.detach().square() * squares[n] / (2 * len(X)) for n, w in weights.items()}


def obd(
    model: nn.Module,
    X: Tensor,
    y: Tensor,
    *,
    loss: Loss = cross_entropy,
    diagonal: str = "gauss-newton",
    probes: int = 100,
    seed: int = 0,
) -> Scores:
    """Estimate the change at a minimum to second order: H_ii w^2 / 2, optimal brain damage.

    Args:
        model: any with Linear or convolutional layers.
        X: examples.
        y: what the loss compares the logits with.
        loss: from logits and y to their mean loss.
        diagonal: "exact", one Hessian-vector product for every weight, for small networks;
            "gauss-newton", exact where every weight enters the logits linearly, piece by piece, as
            in a network of ReLU layers; "hutchinson", an average over random probes.
        probes: random vectors, for "hutchinson".
        seed: of the probes.

    Raises:
        ValueError: another diagonal.

    Source: LeCun, Denker and Solla (1990); Bekas, Kokiopoulou and Saad (2007) for the probes.
    Used in chapters 02 and 13.
    """
    curvature = hessian_diagonal(
        model, X, y, loss=loss, diagonal=diagonal, probes=probes, seed=seed
    )
    return {n: curvature[n] * w.detach().square() / 2 for n, w in prunable(model).items()}


def second_order(
    model: nn.Module,
    X: Tensor,
    y: Tensor,
    *,
    loss: Loss = cross_entropy,
    diagonal: str = "gauss-newton",
) -> Scores:
    """Estimate the change by both terms of Taylor's formula: -g w + H_ii w^2 / 2.

    Raises:
        ValueError: as `obd`.

    Source: LeCun, Denker and Solla (1990), before the gradient is dropped. Used in chapter 02.
    """
    slope = signed_first_order(model, X, y, loss=loss)
    curve = obd(model, X, y, loss=loss, diagonal=diagonal)
    return {name: slope[name] + curve[name] for name in slope}


def obs(
    model: nn.Module,
    X: Tensor,
    y: Tensor,
    *,
    loss: Loss = cross_entropy,
    damping: float = 1e-6,
    block: int | None = None,
) -> Scores:
    """Estimate the change when all other weights adapt: w^2 / (2 [H^-1]_ii), the brain surgeon.

    Args:
        model: any with Linear or convolutional layers.
        X: examples.
        y: what the loss compares the logits with.
        loss: from logits and y to their mean loss.
        damping: added to the diagonal of H, which is singular as soon as a unit is dead.
        block: with it, H is taken to be block-diagonal, so many neighbouring weights to a block,
            and estimated by the empirical Fisher; without it H is exact.

    Raises:
        ValueError: too many weights for an exact Hessian, or it is not positive definite.

    Source: Hassibi and Stork (1993); Kurtic et al. (2022) for the blocks. Used in chapter 02.
    """
    weights = prunable(model)
    w = _flat(weights).double()
    if block is None:
        inverse = inverse_hessian(model, X, y, loss=loss, damping=damping).diagonal()
    else:
        inverse = _block_inverses(model, weights, X, y, loss, damping, block)
    return _split(w.square() / (2 * inverse), weights)


def synflow(model: nn.Module, X: Tensor, y: Tensor | None = None) -> Scores:
    """Score the flow through a weight: |w| dR/d|w|, R the sum of outputs for an input of ones.

    All parameters are replaced by their sizes, so no label and no example is looked at: of X only
    the shape. Within every layer the scores sum to the same R, if there are no biases.

    Source: Tanaka et al. (2020). Used in chapters 02 and 05.
    """
    linear = copy.deepcopy(model).double().eval()
    with torch.no_grad():
        for parameter in linear.parameters():
            parameter.abs_()
    weights = prunable(linear)
    flow = linear(torch.ones(1, *X.shape[1:], dtype=torch.float64)).sum()
    gradients = torch.autograd.grad(flow, list(weights.values()))
    return {
        name: (w.detach() * g).to(own.dtype)
        for (name, w), g, own in zip(
            weights.items(), gradients, prunable(model).values(), strict=True
        )
    }


@torch.no_grad()
def oracle(model: nn.Module, X: Tensor, y: Tensor, *, loss: Loss = cross_entropy) -> Scores:
    """Measure the true change of the loss for every single weight, by setting it to zero.

    In float64, since most changes are tiny. In an `nn.Sequential` the layers before the weight's
    own are computed once, and many weights are tried together; elsewhere each costs a forward pass.

    Returns:
        The changes, signed, float64: positive where the loss rises.

    Used in chapter 02.
    """
    exact = copy.deepcopy(model).double().eval()
    X = X.double() if X.is_floating_point() else X
    base = loss(exact(X), y)
    changes: Scores = {}
    place = _places(exact)
    for name, w in prunable(exact).items():
        if isinstance(exact, nn.Sequential) and name in place:
            changes[name] = _without_each(exact, place[name], X, y, loss) - base
            continue
        found = torch.empty(w.numel(), dtype=torch.float64)
        flat = w.data.view(-1)
        for index in range(w.numel()):
            value = flat[index].item()
            flat[index] = 0
            found[index] = loss(exact(X), y) - base
            flat[index] = value
        changes[name] = found.view_as(w)
    return changes


# The Hessian


def hessian_diagonal(
    model: nn.Module,
    X: Tensor,
    y: Tensor,
    *,
    loss: Loss = cross_entropy,
    diagonal: str = "gauss-newton",
    probes: int = 100,
    seed: int = 0,
) -> Scores:
    """Return H_ii, the curvature of the loss along each weight; arguments as in `obd`."""
    weights = prunable(model)
    if diagonal == "gauss-newton":
        return _gauss_newton(model, weights, X, y, loss)
    w = _flat(weights)
    product = _hessian_product(model, weights, X, y, loss)
    if diagonal == "exact":
        size = max(1, CHUNK // (8 * w.numel() + sum(X.shape)))
        parts = []
        for rows in torch.arange(w.numel()).split(size):
            units = torch.nn.functional.one_hot(rows, w.numel()).to(w.dtype)
            columns = vmap(product)(units)
            parts.append(columns.gather(1, rows.unsqueeze(1)).squeeze(1))
        return _split(torch.cat(parts), weights)
    if diagonal == "hutchinson":
        generator = torch.Generator().manual_seed(seed)
        total = torch.zeros_like(w)
        for _ in range(probes):
            sign = torch.randint(0, 2, w.shape, generator=generator).to(w.dtype) * 2 - 1
            total += sign * product(sign)
        return _split(total / probes, weights)
    raise ValueError(
        f"diagonal: given {diagonal!r}, expected 'exact', 'gauss-newton' or 'hutchinson'."
    )


def full_hessian(model: nn.Module, X: Tensor, y: Tensor, *, loss: Loss = cross_entropy) -> Tensor:
    """Return the Hessian of the loss in all prunable weights, float64 (P, P).

    Weights stand in the order of `prunable`, each flattened row by row.

    Raises:
        ValueError: more than 5,000 weights.

    Used in chapter 02.
    """
    exact = copy.deepcopy(model).double().eval()
    weights = prunable(exact)
    w = _flat(weights)
    if w.numel() > LARGEST_HESSIAN:
        raise ValueError(
            f"given {w.numel():,} weights, expected at most {LARGEST_HESSIAN:,}: their Hessian has "
            "the square of that. Use obs(..., block=100), or obd."
        )
    product = _hessian_product(exact, weights, X.double(), y, loss)
    size = max(1, CHUNK // (4 * w.numel() + len(X) * 64))
    units = torch.eye(w.numel(), dtype=torch.float64)
    return torch.cat([vmap(product)(rows) for rows in units.split(size)])


def inverse_hessian(
    model: nn.Module, X: Tensor, y: Tensor, *, loss: Loss = cross_entropy, damping: float = 1e-6
) -> Tensor:
    """Return (H + damping I)^-1, float64 (P, P), by Cholesky.

    Raises:
        ValueError: as `full_hessian`, or H + damping I is not positive definite.

    Used in chapter 02.
    """
    H = full_hessian(model, X, y, loss=loss)
    factor, info = torch.linalg.cholesky_ex(H + damping * torch.eye(len(H), dtype=H.dtype))
    if info:
        least = torch.linalg.eigvalsh(H)[0]
        raise ValueError(
            f"damping: given {damping:g}, but the Hessian's smallest eigenvalue is {least:.3g}: "
            "not at a minimum. Train longer, or give a damping above its size."
        )
    return torch.cholesky_inverse(factor)


class Cut(NamedTuple):
    """What the surgeon leaves: new weights, the inverse Hessian of the rest, and the price."""

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

    Source: Hassibi and Stork (1993). Used in chapter 02.
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
    model: nn.Module,
    X: Tensor,
    y: Tensor,
    k: int,
    *,
    loss: Loss = cross_entropy,
    damping: float = 1e-6,
) -> Mask:
    """Cut weights of a small network one by one, the cheapest first, until k are left, in place.

    After every cut all other weights adapt. The Hessian is made once and downdated.

    Raises:
        ValueError: k out of range, or as `inverse_hessian`.

    Source: Hassibi and Stork (1993). Used in chapter 02.
    """
    weights = prunable(model)
    w = _flat(weights).double()
    if not 0 <= k <= w.numel():
        raise ValueError(f"k: given {k}, expected how many to keep, from 0 to {w.numel()}.")
    inverse = inverse_hessian(model, X, y, loss=loss, damping=damping)
    left = torch.ones_like(w, dtype=torch.bool)
    for _ in range(w.numel() - k):
        price = torch.where(left, w.square() / inverse.diagonal().clamp(min=1e-300), math.inf)
        index = int(price.argmin())
        w, inverse, _ = surgeon(w, inverse, index)
        left[index] = False
    for parameter, new in zip(weights.values(), _split(w, weights).values(), strict=True):
        parameter.copy_(new)
    return Mask(_split(left, weights))


# Machinery


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    """Score a network as it is used, and leave every layer in the mode it was in."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


def _gradients(
    model: nn.Module, weights: Mapping[str, Tensor], X: Tensor, y: Tensor, loss: Loss
) -> Scores:
    """Return the gradient of the mean loss; nothing is added to what the weights already hold."""
    with _evaluating(model), torch.enable_grad():
        found = torch.autograd.grad(loss(model(X), y), list(weights.values()))
    return dict(zip(weights, found, strict=True))


def _example_gradients(
    model: nn.Module, weights: Mapping[str, Tensor], X: Tensor, y: Tensor, loss: Loss
) -> Iterator[Scores]:
    """Yield the gradients of single examples, (chunk, *shape) for each weight."""

    def one(values: Scores, x: Tensor, label: Tensor) -> Tensor:
        value: Tensor = loss(functional_call(model, values, (x[None],)), label[None])
        return value

    values = {name: w.detach() for name, w in weights.items()}
    size = max(1, CHUNK // sum(w.numel() for w in values.values()))
    each = vmap(grad(one), in_dims=(None, 0, 0))
    with _evaluating(model):
        for some, labels in zip(X.split(size), y.split(size), strict=True):
            with torch.no_grad():  # biases would have it too
                found = each(values, some, labels)
            yield found


def _gauss_newton(
    model: nn.Module, weights: Mapping[str, Tensor], X: Tensor, y: Tensor, loss: Loss
) -> Scores:
    """Average J' S J's diagonal: J the slopes of the logits, S the loss's curvature in them."""

    def logits(values: Scores, x: Tensor) -> Tensor:
        z: Tensor = functional_call(model, values, (x[None],))
        return z[0]

    def one(z: Tensor, label: Tensor) -> Tensor:
        return loss(z[None], label[None])

    values = {name: w.detach() for name, w in weights.items()}
    total = {name: torch.zeros_like(w) for name, w in values.items()}
    with _evaluating(model), torch.no_grad():
        classes = model(X[:1]).numel()
        size = max(1, CHUNK // (classes * sum(w.numel() for w in values.values())))
        for some, labels in zip(X.split(size), y.split(size), strict=True):
            z = model(some)
            S = vmap(jacrev(jacrev(one)))(z, labels)  # (n, C, C)
            J = vmap(jacrev(logits), in_dims=(None, 0))(values, some)  # (n, C, *shape) each
            for name, slopes in J.items():
                flat = slopes.flatten(2)  # (n, C, weights)
                curved = torch.bmm(S, flat).mul_(flat).sum(dim=(0, 1))
                total[name] += curved.view_as(total[name])
    return {name: t / len(X) for name, t in total.items()}


def _hessian_product(
    model: nn.Module, weights: Mapping[str, Tensor], X: Tensor, y: Tensor, loss: Loss
) -> Callable[[Tensor], Tensor]:
    """Return the function v -> H v, by the chain rule (Pearlmutter 1994)."""

    def total(w: Tensor) -> Tensor:
        value: Tensor = loss(functional_call(model, _split(w, weights), (X,)), y)
        return value

    w = _flat(weights)

    def product(v: Tensor) -> Tensor:
        with _evaluating(model), torch.no_grad():
            result: Tensor = vjp(grad(total), w)[1](v)[0]
        return result

    return product


def _block_inverses(
    model: nn.Module,
    weights: Mapping[str, Tensor],
    X: Tensor,
    y: Tensor,
    loss: Loss,
    damping: float,
    block: int,
) -> Tensor:
    """Return the diagonal of the inverse of the block-diagonal empirical Fisher, (P,)."""
    if block < 1:
        raise ValueError(f"block: given {block}, expected how many weights a block holds.")
    count = sum(w.numel() for w in weights.values())
    filled = -(-count // block) * block
    F = torch.zeros(filled // block, block, block, dtype=torch.float64)
    for gradients in _example_gradients(model, weights, X, y, loss):
        G = torch.cat([g.flatten(1) for g in gradients.values()], dim=1).double()
        G = torch.nn.functional.pad(G, (0, filled - count)).view(len(G), -1, block)
        F += torch.einsum("nbi,nbj->bij", G, G) / len(X)
    F += damping * torch.eye(block, dtype=torch.float64)
    diagonals: Tensor = torch.linalg.inv(F).diagonal(dim1=1, dim2=2)
    return diagonals.flatten()[:count]


def _places(model: nn.Module) -> dict[str, int]:
    """Tell where in a Sequential each Linear layer stands whose weight nobody else uses."""
    if type(model) is not nn.Sequential:
        return {}
    users = [w.data_ptr() for _, w in model.named_parameters(remove_duplicate=False)]
    return {
        f"{number}.weight": number
        for number, layer in enumerate(model)
        if type(layer) is nn.Linear and users.count(layer.weight.data_ptr()) == 1
    }


def _without_each(model: nn.Sequential, number: int, X: Tensor, y: Tensor, loss: Loss) -> Tensor:
    """Return the loss without each weight of one Linear layer: only one of its outputs moves."""
    inputs, layer, rest = model[:number](X), model[number], model[number + 1 :]
    assert isinstance(layer, nn.Linear)  # as `_places` found it
    z = layer(inputs)
    if z.ndim != 2:
        raise ValueError(f"X: the layer gives {tuple(z.shape)}, expected (examples, features).")
    losses = torch.empty_like(layer.weight)
    size = max(1, CHUNK // (8 * z.numel()))
    one = vmap(lambda logits: loss(logits, y))
    for unit, row in enumerate(layer.weight):
        for some in torch.arange(len(row)).split(size):
            moved = z.expand(len(some), *z.shape).clone()
            moved[:, :, unit] -= (row[some] * inputs[:, some]).T
            logits = rest(moved.flatten(0, 1))
            losses[unit, some] = one(logits.view(len(some), len(z), -1))
    return losses


def _flat(weights: Mapping[str, Tensor]) -> Tensor:
    return torch.cat([w.detach().flatten() for w in weights.values()])


def _split(flat: Tensor, weights: Mapping[str, Tensor]) -> Scores:
    parts = flat.split([w.numel() for w in weights.values()])
    return {n: part.view(w.shape) for (n, w), part in zip(weights.items(), parts, strict=True)}
