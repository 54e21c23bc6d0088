"""Saliency: what would the loss lose if a weight were gone? The first of score, select, refit.

Every criterion is a function `criterion(model, data, loss) -> scores`: a tensor for each prunable
weight, in the weight's shape, the larger the more worth keeping. `select(scores, density=0.1)`
makes the mask. Data is a pair (X, y) or a collection of such batches, as told in
`course_lib.training.examples`; means over batches count every example once. Criteria that need no
data ignore it.

Where a criterion estimates a change of the loss it is in units of the loss (mean cross-entropy
unless another `loss(outputs, targets)` is given), so that it can be held against the `oracle`,
which sets every single weight to zero and looks.

Networks are scored as they are used: in evaluation mode, with running averages in batch norms.
Frozen weights are scored like others; what the output does not depend on has a slope of zero.
Networks of half precision are scored in float32, in which the squares of small slopes are not lost.
"""

import copy
import math
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import product
from numbers import Integral, Real
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, jacrev, vjp, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import cross_entropy
from torch.nn.modules.batchnorm import _BatchNorm

from course_lib.masks import Mask, prunable
from course_lib.training.examples import (
    Batch,
    Examples,
    Loss,
    answer,
    batches_of,
    check_loss,
    examples_in,
    mapped,
    mean_of,
    rows,
    seeded,
    tensors_in,
)
from course_lib.training.replicas import Replicas

Scores = dict[str, Tensor]

LARGEST_HESSIAN = 5_000  # weights whose full Hessian is made: 200 MB in float64
CHUNK = 1 << 24  # numbers that one batched computation may hold at once


# Criteria


def magnitude(model: nn.Module, data: Examples | None = None, loss: Loss = cross_entropy) -> Scores:
    """Score |w|: in the units of the weights, not of the loss; needs no data.

    Source: Janowsky (1989), Han et al. (2015). Used in every chapter from 02 on.
    """
    return {name: w.detach().abs() for name, w in prunable(model).items()}


def random(
    model: nn.Module, data: Examples | None = None, loss: Loss = cross_entropy, *, seed: int = 0
) -> Scores:
    """Score by chance: what every criterion must beat; needs no data. Used in chapters 02 to 05."""
    generator = seeded(seed)
    return {
        name: torch.rand(w.shape, generator=generator).to(w.device)
        for name, w in prunable(model).items()
    }


def signed_first_order(
    model: nn.Module, data: Examples | None = None, loss: Loss = cross_entropy
) -> Scores:
    """Estimate the change of the loss to first order: -g w, positive where the loss would rise.

    As a score it is a trap: it keeps weights that matter upwards and drops those that matter
    downwards. Source: the first term of Taylor's formula. Used in chapter 02.
    """
    with _task(model, data, loss) as task:
        gradients = _gradients(task)
        return {name: -gradients[name] * w.detach() for name, w in task.weights.items()}


def first_order(
    model: nn.Module,
    data: Examples | None = None,
    loss: Loss = cross_entropy,
    *,
    each: bool = False,
) -> Scores:
    """Estimate the size of the change to first order: |g w|.

    With `each`, the average over examples of |g_n w|, g_n the gradient of a single one: what some
    examples gain can then not cancel what others lose.

    Source: Mozer and Smolensky (1989), Molchanov et al. (2017). Used in chapters 02 and 13.
    """
    if not each:
        return {n: s.abs() for n, s in signed_first_order(model, data, loss).items()}
    with _task(model, data, loss) as task:
        total = {name: torch.zeros_like(w, requires_grad=False) for name, w in task.weights.items()}
        for gradients in _example_gradients(task):
            for name, g in gradients.items():
                total[name] += g.abs().sum(dim=0)
        return {n: total[n] * w.detach().abs() / task.count for n, w in task.weights.items()}


def snip(model: nn.Module, data: Examples | None = None, loss: Loss = cross_entropy) -> Scores:
    """Score |g w| as a share of the whole network's, at the start of training.

    Source: Lee, Ajanthan and Torr (2019). Used in chapters 02 and 05.
    """
    scores = first_order(model, data, loss)
    total = torch.stack([s.sum(dtype=torch.float64) for s in scores.values()]).sum()
    return {name: torch.where(total > 0, s / total, s) for name, s in scores.items()}


def fisher(model: nn.Module, data: Examples | None = None, loss: Loss = cross_entropy) -> Scores:
    """Estimate the change with the empirical Fisher for the Hessian: w^2 mean(g_n^2) / 2.

    The squares are of the gradients g_n of single examples at their own labels.
    Source: Theis et al. (2018). Used in chapter 02.
    """
    with _task(model, data, loss) as task:
        squares = {n: torch.zeros_like(w, requires_grad=False) for n, w in task.weights.items()}
        for gradients in _example_gradients(task):
            for name, g in gradients.items():
                squares[name] += g.square().sum(dim=0)
        return {
            name: w.detach().square() * squares[name] / (2 * task.count)
            for name, w in task.weights.items()
        }


def obd(
    model: nn.Module,
    data: Examples | None = None,
    loss: Loss = cross_entropy,
    *,
    diagonal: str = "gauss-newton",
    probes: int = 100,
    seed: int = 0,
) -> Scores:
    """Estimate the change at a minimum to second order: H_ii w^2 / 2, optimal brain damage.

    Args:
        model: any with prunable weights.
        data: a pair (X, y), or batches.
        loss: from outputs and targets to their mean loss.
        diagonal: "exact", one Hessian-vector product for every weight, for small networks;
            "gauss-newton", exact where every weight enters the outputs linearly, piece by piece, as
            in a network of ReLU layers; "hutchinson", an average over random probes.
        probes: random vectors, for "hutchinson".
        seed: of the probes.

    Raises:
        ValueError: another diagonal; no probes.

    Source: LeCun, Denker and Solla (1990); Bekas, Kokiopoulou and Saad (2007) for the probes.
    Used in chapters 02 and 13.
    """
    curvature = hessian_diagonal(model, data, loss, diagonal=diagonal, probes=probes, seed=seed)
    return {
        name: h * w.detach().to(h.dtype).square() / 2
        for (name, w), h in zip(prunable(model).items(), curvature.values(), strict=True)
    }


def second_order(
    model: nn.Module,
    data: Examples | None = None,
    loss: Loss = cross_entropy,
    *,
    diagonal: str = "gauss-newton",
) -> Scores:
    """Estimate the change by both terms of Taylor's formula: -g w + H_ii w^2 / 2.

    Raises:
        ValueError: as `obd`.

    Source: LeCun, Denker and Solla (1990), before the gradient is dropped. Used in chapter 02.
    """
    slope = signed_first_order(model, data, loss)
    curve = obd(model, data, loss, diagonal=diagonal)
    return {name: slope[name] + curve[name] for name in slope}


def obs(
    model: nn.Module,
    data: Examples | None = None,
    loss: Loss = cross_entropy,
    *,
    damping: float = 1e-6,
    block: int | None = None,
) -> Scores:
    """Estimate the change when all other weights adapt: w^2 / (2 [H^-1]_ii), the brain surgeon.

    Args:
        model: any with prunable weights.
        data: a pair (X, y), or batches.
        loss: from outputs and targets to their mean loss.
        damping: added to the diagonal of H, which is singular as soon as a unit is dead.
        block: with it, H is taken to be block-diagonal, so many neighbouring weights to a block,
            and estimated by the empirical Fisher; without it H is exact.

    Raises:
        ValueError: too many weights for an exact Hessian, or it is not positive definite.

    Source: Hassibi and Stork (1993); Kurtic et al. (2022) for the blocks. Used in chapter 02.
    """
    weights = prunable(model)
    w = _flat(weights).detach().double()
    if block is None:
        inverse = inverse_hessian(model, data, loss, damping=damping).diagonal()
    else:
        _check_whole(block, "block", "how many weights a block holds")
        _check_damping(damping)
        with _task(model, data, loss) as task:
            inverse = _block_inverses(task, damping, block)
    return _split(w.square() / (2 * inverse), weights)


def synflow(model: nn.Module, data: Examples | None = None, loss: Loss = cross_entropy) -> Scores:
    """Score the flow through a weight: |w| dR/d|w|, R the sum of outputs for an input of ones.

    All parameters are replaced by their sizes, so no label and no example is looked at: of data
    only the shape. Within every layer the scores sum to the same R, if there are no biases.
    Integers are names, not amounts: where they are embedded, ones stand for the embedded vectors.

    Where nothing flows through a layer, right behind a LayerNorm of the inputs, there is a warning.

    Returns:
        float64, since flows of deep networks are large.

    Source: Tanaka et al. (2020). Used in chapters 02 and 05.
    """
    with _task(model, data, loss, dtype=torch.float64) as task, ExitStack() as undo:
        for layer in task.model.modules():
            if isinstance(layer, nn.Embedding | nn.EmbeddingBag):
                hook = layer.register_forward_hook(lambda *call: torch.ones_like(call[2]))
                undo.callback(hook.remove)
        with torch.no_grad():
            for parameter in task.model.parameters():
                parameter.abs_()
        inputs, _ = next(task.batches())
        outputs = answer(task.model, mapped(_one_of_ones, inputs))
        flow = torch.stack([z.sum() for z in _numbers(outputs)]).sum()
        slopes = _slopes(flow, task.weights)
        scores = {name: w.detach() * slopes[name] for name, w in task.weights.items()}
    alive = {n: w for n, w in task.weights.items() if not w.is_meta and bool(w.any())}
    dry = [name for name in alive if not bool(scores[name].any())]
    if 0 < len(dry) < len(scores):
        warnings.warn(
            f"synflow: nothing flows through {dry}, all of whose scores are 0, so that a global "
            "selection removes these layers whole. If they are in use, a LayerNorm "
            "may have made zeros of an input of ones: give scope='tensor' or another criterion.",
            stacklevel=2,
        )
    return scores


def _one_of_ones(X: Tensor) -> Tensor:
    """Return a single example of ones in the shape of X; zeros for names and switches."""
    if not X.ndim:
        return X
    return torch.full_like(X[:1], 1 if X.is_floating_point() else 0)


def oracle(model: nn.Module, data: Examples | None = None, loss: Loss = cross_entropy) -> Scores:
    """Measure the true change of the loss for every single weight, by setting it to zero.

    In float64, since most changes are tiny. In an `nn.Sequential` of simple layers those before the
    weight's own are computed once, and many weights are tried together; elsewhere each costs a
    forward pass.

    Returns:
        The changes, signed, float64: positive where the loss rises.

    Used in chapter 02.
    """
    with _task(model, data, loss, dtype=torch.float64) as task, torch.no_grad():
        if any(w.is_meta for w in task.weights.values()):
            raise ValueError(
                "model: it is on the device meta, which keeps no values, so nothing can be tried. "
                "Move it to another: model.to_empty(device='cpu'), and load its weights."
            )
        base = task.mean(task.loss_of)
        places = _places(task.model)
        return {
            name: task.mean(partial(_without, task, w, places.get(name))) - base
            for name, w in task.weights.items()
        }


NEED_DATA = (
    signed_first_order, first_order, snip, fisher, obd, second_order, obs, synflow, oracle,
)  # fmt: skip


# The Hessian


def hessian_diagonal(
    model: nn.Module,
    data: Examples | None = None,
    loss: Loss = cross_entropy,
    *,
    diagonal: str = "gauss-newton",
    probes: int = 100,
    seed: int = 0,
) -> Scores:
    """Return H_ii, the curvature of the loss along each weight; arguments as in `obd`."""
    if diagonal not in ("exact", "gauss-newton", "hutchinson"):
        raise ValueError(
            f"diagonal: given {diagonal!r}, expected 'exact', 'gauss-newton' or 'hutchinson'."
        )
    _check_whole(probes, "probes", "how many random vectors to average over")
    with _task(model, data, loss) as task:
        if diagonal == "gauss-newton":
            return _gauss_newton(task)
        w = _flat(task.weights).detach()
        times = _HessianProduct(task)
        if diagonal == "exact":
            size = max(1, CHUNK // (8 * w.numel() + task.width))
            parts = []
            for some in torch.arange(w.numel(), device=w.device).split(size):
                units = torch.nn.functional.one_hot(some, w.numel()).to(w.dtype)
                columns = times.each(units)
                parts.append(columns.gather(1, some.unsqueeze(1)).squeeze(1))
            return _split(torch.cat(parts), task.weights)
        generator = seeded(seed)
        total = torch.zeros_like(w)
        for _ in range(probes):
            sign = torch.randint(0, 2, w.shape, generator=generator).to(w) * 2 - 1
            total += sign * times(sign)
        return _split(total / probes, task.weights)


def full_hessian(
    model: nn.Module, data: Examples | None = None, loss: Loss = cross_entropy
) -> Tensor:
    """Return the Hessian of the loss in all prunable weights, float64 (P, P).

    Weights stand in the order of `prunable`, each flattened row by row.

    Raises:
        ValueError: more than 5,000 weights.

    Used in chapter 02.
    """
    count = sum(w.numel() for w in prunable(model).values())
    if count > LARGEST_HESSIAN:
        raise ValueError(
            f"given {count:,} weights, expected at most {LARGEST_HESSIAN:,}: their Hessian has "
            "the square of that. Use obs(..., block=100), or obd."
        )
    with _task(model, data, loss, dtype=torch.float64) as task:
        times = _HessianProduct(task)
        size = max(1, CHUNK // (4 * count + task.count * 64))
        units = torch.eye(count, dtype=torch.float64, device=_flat(task.weights).device)
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

    Used in chapter 02.
    """
    _check_damping(damping)
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


def _check_whole(value: object, name: str, what: str, least: int = 1) -> None:
    """Raise ValueError for what is no integer, or too small."""
    if isinstance(value, bool) or not isinstance(value, Integral) or int(value) < least:
        raise ValueError(
            f"{name}: given {value!r}, expected {what}, an integer of {least} or more."
        )


def _check_damping(damping: object) -> None:
    """Raise ValueError for a damping that is no number; below zero it takes away from H."""
    number = isinstance(damping, Real) and not isinstance(damping, bool)
    if not number or not 0 <= damping < math.inf:  # type: ignore[operator]  # it is a number
        raise ValueError(f"damping: given {damping!r}, expected a number of 0 or more.")


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
    data: Examples,
    k: int,
    loss: Loss = cross_entropy,
    *,
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
    if isinstance(k, bool) or not isinstance(k, Integral) or not 0 <= k <= w.numel():
        raise ValueError(f"k: given {k}, expected how many to keep, from 0 to {w.numel()}.")
    inverse = inverse_hessian(model, data, loss, damping=damping)
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


@dataclass(frozen=True)
class _Task:
    """A network ready to be scored, its prunable weights, and what it is scored by."""

    model: nn.Module
    weights: dict[str, Tensor]
    data: Examples
    loss: Loss
    dtype: torch.dtype | None  # of a copy, to which examples are converted
    count: int  # examples
    width: int  # the lengths of all axes of a batch's inputs

    def batches(self) -> Iterator[Batch]:
        """Go through the batches, where the network is and in its precision."""
        for inputs, targets in batches_of(self.data):
            yield mapped(self._fitting, inputs), mapped(self._fitting, targets)

    def _fitting(self, X: Tensor) -> Tensor:
        devices = {w.device for w in self.weights.values()}
        X = X.to(devices.pop()) if len(devices) == 1 else X
        X = X.clone() if X.is_inference() else X
        return X.to(self.dtype) if self.dtype is not None and X.is_floating_point() else X

    def loss_of(self, batch: Batch) -> Tensor:
        """Return the mean loss of a batch."""
        return mean_of(self.loss, answer(self.model, batch[0]), batch[1])

    def mean(self, of: Callable[[Batch], Tensor]) -> Tensor:
        """Return the mean over all examples of what is a mean over those of a batch."""
        found, seen = torch.zeros(()), 0
        for batch in self.batches():
            value, count = of(batch), examples_in(batch)
            found = found + (value - found) * (count / (seen + count)) if seen else value
            seen += count
        return found


@contextmanager
def _task(
    model: nn.Module, data: Examples | None, loss: Loss, dtype: torch.dtype | None = None
) -> Iterator[_Task]:
    """Make a network ready to be scored, and leave it as it was.

    A copy is scored if another precision is asked for, or the network's own is a half.

    Raises:
        TypeError: Replicas, data or a loss of another kind.
        ValueError: no examples, or a network that cannot be copied.
    """
    if isinstance(model, Replicas):
        raise TypeError(
            "model: given Replicas, whose copies each have scores of their own, expected a single "
            "network. Write model.replica(0), or let prune_model score them all."
        )
    if data is None:
        raise TypeError("data: given None, but this criterion looks at examples. Give (X, y).")
    check_loss(loss)
    weights = prunable(model)
    if dtype is None and any(w.dtype in (torch.float16, torch.bfloat16) for w in weights.values()):
        dtype = torch.float32
    count = width = 0
    for batch in batches_of(data):
        count += examples_in(batch)
        width = max(width, sum(sum(X.shape) for X in tensors_in(batch[0])))
    with torch.inference_mode(False), torch.enable_grad():
        if dtype is not None or any(w.is_inference() for w in weights.values()):
            model = _copied(model, dtype)
            named = dict(model.named_parameters())
            weights = {name: named[name] for name in weights}
        frozen = [w for w in weights.values() if not w.requires_grad]
        with _evaluating(model):
            try:
                for w in frozen:
                    w.requires_grad_(True)
                yield _Task(model, weights, data, loss, dtype, count, width)
            finally:
                for w in frozen:
                    w.requires_grad_(False)


def _copied(model: nn.Module, dtype: torch.dtype | None) -> nn.Module:
    """Return a copy of another precision; ValueError for a network that cannot be copied."""
    try:
        return copy.deepcopy(model).to(dtype)
    except RuntimeError as error:
        raise ValueError(
            f"model: it cannot be copied, to be scored in {dtype} ({error}). Does it keep what a "
            "forward pass computed as an attribute? Delete that, or store it detached."
        ) from error


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    """Score a network as it is used, and leave every layer in the mode it was in.

    Attention is computed by its formula, since its fast forms know no second derivatives; what is
    compiled runs as it was written, since only that can be differentiated example by example.
    """
    modes = [(module, module.training) for module in model.modules()]
    fast = torch.backends.mha.get_fastpath_enabled()
    with ExitStack() as stack:
        stack.callback(torch.backends.mha.set_fastpath_enabled, fast)
        for module, mode in modes:
            stack.callback(setattr, module, "training", mode)
        torch.backends.mha.set_fastpath_enabled(False)
        model.eval()
        if any(hasattr(m, "_orig_mod") or m._compiled_call_impl is not None for m, _ in modes):
            stack.enter_context(torch.compiler.set_stance("force_eager"))
        stack.enter_context(sdpa_kernel(SDPBackend.MATH))
        yield


def _slopes(value: Tensor, weights: Mapping[str, Tensor], *, again: bool = False) -> Scores:
    """Return the gradient; zero for weights that the value does not depend on.

    Raises:
        ValueError: it depends on none of them, and so was cut off from the network.
    """
    _check_slope(value)
    found = torch.autograd.grad(
        value, list(weights.values()), create_graph=again, allow_unused=True, materialize_grads=True
    )
    return dict(zip(weights, found, strict=True))


def _check_slope(value: Tensor) -> None:
    """Raise ValueError for a value that was cut off from the network."""
    if not value.requires_grad:
        raise ValueError(
            "loss: no slope leads from it to any prunable weight of the network. Is there a "
            "detach(), .data or torch.no_grad() in the network or in the loss?"
        )


def _gradients(task: _Task) -> Scores:
    """Return the gradient of the mean loss; nothing is added to what the weights already hold."""
    slope = task.mean(lambda batch: _flat(_slopes(task.loss_of(batch), task.weights)))
    return _split(slope, task.weights)


def _example_gradients(task: _Task) -> Iterator[Scores]:
    """Yield the gradients of single examples, (chunk, *shape) for each weight."""

    def one(values: Scores, x: Any, label: Any) -> Tensor:
        return mean_of(task.loss, _as_if(task.model, values, _single(x)), _single(label))

    def each(values: Scores, batch: Batch) -> Scores:
        return vmap(grad(one), in_dims=(None, 0, 0))(values, *batch)  # type: ignore[no-any-return]

    def plainly(batch: Batch) -> Scores:
        found = [_slopes(task.loss_of(example), task.weights) for example in _examples(batch)]
        return {name: torch.stack([g[name] for g in found]) for name in task.weights}

    _check_apart(task.model)
    return _together_or_plainly(task, each, plainly, sum(w.numel() for w in task.weights.values()))


def _gauss_newton(task: _Task) -> Scores:
    """Average J' S J's diagonal: J the slopes of the outputs, S the loss's curvature in them."""

    def outputs(values: Scores, x: Any) -> Tensor:
        z: Tensor = _as_if(task.model, values, _single(x))
        return z.flatten()

    def each(values: Scores, batch: Batch) -> Scores:
        z: Tensor = answer(task.model, batch[0])

        def one(flat: Tensor, label: Any) -> Tensor:
            return mean_of(task.loss, flat.view(1, *z.shape[1:]), _single(label))

        S = vmap(jacrev(jacrev(one)))(z.flatten(1), batch[1])  # (n, C, C)
        J = vmap(jacrev(outputs), in_dims=(None, 0))(values, batch[0])  # (n, C, *shape) each
        return _curved(S, J)

    def plainly(batch: Batch) -> Scores:
        total: Scores = {}
        for x, label in _examples(batch):
            z = answer(task.model, x)
            flat = torch.cat([part.flatten() for part in _numbers(z)])

            def one(flat: Tensor, z: Any = z, label: Any = label) -> Tensor:
                parts = iter(flat.split([part.numel() for part in _numbers(z)]))
                output = mapped(lambda t: next(parts).view_as(t) if _is_number(t) else t, z)
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

    _check_apart(task.model)
    first = rows(next(task.batches()), slice(0, 1))
    _check_slope(task.loss_of(first))
    classes = sum(z.numel() for z in _numbers(answer(task.model, first[0])))
    numbers = classes * sum(w.numel() for w in task.weights.values())
    total = {name: torch.zeros_like(w, requires_grad=False) for name, w in task.weights.items()}
    for found in _together_or_plainly(task, each, plainly, numbers):
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


def _together_or_plainly(
    task: _Task,
    each: Callable[[Scores, Batch], Scores],
    plainly: Callable[[Batch], Scores],
    numbers: int,
) -> Iterator[Scores]:
    """Yield what is asked of single examples, chunk by chunk: many at once, or in a plain loop.

    Not every network can be differentiated for many examples at once (not those that look at their
    numbers, nor all recurrent ones), and some answer wrongly, because they keep their weights in a
    second place. So the first two examples are asked both ways, and the loop decides.
    """
    values = {name: w.detach() for name, w in task.weights.items()}
    together = None
    for batch in task.batches():
        for begin in range(0, examples_in(batch), size := max(1, CHUNK // numbers)):
            some = rows(batch, slice(begin, begin + size))
            if together is None:
                few = rows(some, slice(0, 2))
                together = _alike(partial(each, values), plainly, few)
            if together:
                with _at_once():
                    found = each(values, some)
            else:
                found = plainly(some)
            yield {name: part.detach() for name, part in found.items()}


def _check_apart(model: nn.Module) -> None:
    """Raise ValueError for a network in which a single example has no answer of its own."""
    found = [name for name, layer in model.named_modules() if _looks_around(layer)]
    if found:
        raise ValueError(
            f"model: {found} normalise by the batch at hand, having no running averages, so single "
            "examples cannot be scored. Make them with track_running_stats=True, or take a "
            "criterion of whole batches, as first_order."
        )


def _alike(one: Callable[[Any], Scores], other: Callable[[Any], Scores], given: Any) -> bool:
    """Tell whether two ways give the same but for rounding; False if the first fails."""
    try:
        with _at_once():
            found = one(given)
    except Exception:  # of any kind: the other way will say what is wrong, if something is
        return False
    wanted = other(given)
    if any(w.is_meta for w in wanted.values()):
        return True
    whole = _flat(wanted).norm()
    return all(
        bool((found[name] - w).norm() <= 1e-2 * w.norm() + 1e-5 * whole) or not whole.isfinite()
        for name, w in wanted.items()
    )


@contextmanager
def _at_once() -> Iterator[None]:
    """Differentiate for many examples at once: no slopes of biases, no word on what is slow."""
    with torch.no_grad(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "There is a performance drop")
        yield


def _as_if(model: nn.Module, values: Scores, inputs: Any) -> Any:
    """Call a network as if its weights had these values, wherever it uses them."""
    put = {place: values[name] for name in values for place in _users(model)[name]}
    by_name = isinstance(inputs, Mapping)
    given = () if by_name else tuple(inputs) if isinstance(inputs, list) else inputs
    # Ties are told one by one: torch's own way leaves a module that stands in two places changed.
    return functional_call(model, put, given, dict(inputs) if by_name else {}, tie_weights=False)


def _users(model: nn.Module) -> dict[str, list[str]]:
    """Return for each parameter its names, one for every module that holds it."""
    names: dict[int, dict[tuple[int, str], str]] = {}
    for path, module in model.named_modules(remove_duplicate=False):
        for own, parameter in module.named_parameters(path, recurse=False):
            place = (id(module), own.rpartition(".")[2])  # whatever the module is called
            names.setdefault(id(parameter), {}).setdefault(place, own)
    first = {id(parameter): name for name, parameter in model.named_parameters()}
    return {first[key]: list(found.values()) for key, found in names.items()}


def _single(part: Any) -> Any:
    """Make a batch of one from what vmap took out of a batch."""
    return mapped(lambda X: X.unsqueeze(0), part)


def _examples(batch: Batch) -> Iterator[Batch]:
    """Go through the examples of a batch, each a batch of its own."""
    return (rows(batch, slice(i, i + 1)) for i in range(examples_in(batch)))


def _is_number(X: Tensor) -> bool:
    return X.is_floating_point()


def _numbers(part: Any) -> list[Tensor]:
    return [X for X in tensors_in(part) if _is_number(X)]


class _HessianProduct:
    """The function v -> H v, by the chain rule (Pearlmutter 1994), for one vector or many."""

    def __init__(self, task: _Task) -> None:
        self.task, self.w = task, _flat(task.weights).detach()
        first = next(task.batches())
        sign = 1 - 2 * (torch.arange(len(self.w), device=self.w.device) % 2).to(self.w)
        self.together = _alike(
            lambda v: {"": vmap(partial(self._functional, first))(v)[0]},
            lambda v: {"": self._plain(first, v[0])},
            sign.unsqueeze(0),
        )

    def __call__(self, v: Tensor) -> Tensor:
        if self.together:
            with _at_once():
                return self.task.mean(lambda batch: self._functional(batch, v))
        return self.task.mean(lambda batch: self._plain(batch, v))

    def each(self, rows: Tensor) -> Tensor:
        """Return the products with the rows of a matrix."""
        if self.together:
            with _at_once():
                return self.task.mean(lambda batch: vmap(partial(self._functional, batch))(rows))
        return torch.stack([self(row) for row in rows])

    def _functional(self, batch: Batch, v: Tensor) -> Tensor:
        def total(w: Tensor) -> Tensor:
            output = _as_if(self.task.model, _split(w, self.task.weights), batch[0])
            return mean_of(self.task.loss, output, batch[1])

        result: Tensor = vjp(grad(total), self.w)[1](v)[0]
        return result

    def _plain(self, batch: Batch, v: Tensor) -> Tensor:
        slopes = _slopes(self.task.loss_of(batch), self.task.weights, again=True)
        along = (_flat(slopes) * v).sum()
        if not along.requires_grad:  # a loss that is linear in the weights is not curved
            return torch.zeros_like(v)
        return _flat(_slopes(along, self.task.weights))


def _block_inverses(task: _Task, damping: float, block: int) -> Tensor:
    """Return the diagonal of the inverse of the block-diagonal empirical Fisher, (P,)."""
    count = sum(w.numel() for w in task.weights.values())
    filled = -(-count // block) * block
    like = {"dtype": torch.float64, "device": _flat(task.weights).device}
    F = torch.zeros(filled // block, block, block, **like)  # type: ignore[call-overload]
    for gradients in _example_gradients(task):
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


# Layers that treat every row of a matrix alike: many batches can go through them as one; norms only
# as `_row_by_row` has it.
ROW_BY_ROW = (
    nn.Linear, nn.ReLU, nn.LeakyReLU, nn.Tanh, nn.Sigmoid, nn.GELU, nn.SiLU, nn.ELU, nn.Softplus,
    nn.Identity, nn.Dropout, nn.BatchNorm1d, nn.LayerNorm,
)  # fmt: skip


def _places(model: nn.Module) -> dict[str, int]:
    """Tell which Linear layers of a Sequential can be tried without many weights at once.

    Nobody else uses their weight, no hook looks on, and what follows treats rows alike.
    """
    layers = list(model) if type(model) is nn.Sequential else []
    if any(m._forward_hooks or m._forward_pre_hooks for m in model.modules()):
        return {}
    users = [w.data_ptr() for _, w in model.named_parameters(remove_duplicate=False)]
    return {
        f"{number}.weight": number
        for number, layer in enumerate(layers)
        if type(layer) is nn.Linear
        and users.count(layer.weight.data_ptr()) == 1
        and all(_row_by_row(after) for after in layers[number + 1 :])
    }


def _row_by_row(layer: nn.Module) -> bool:
    """Tell whether a layer treats every row of a matrix alike, whatever stands in the others."""
    if isinstance(layer, nn.LayerNorm) and len(layer.normalized_shape) > 1:
        return False
    return type(layer) in ROW_BY_ROW and not _looks_around(layer)


def _looks_around(layer: nn.Module) -> bool:
    """Tell whether a layer in evaluation mode lets every example change what others give."""
    return isinstance(layer, _BatchNorm) and layer.running_mean is None


def _without(task: _Task, w: Tensor, number: int | None, batch: Batch) -> Tensor:
    """Return the loss of a batch without each weight, float64 in the shape of the weights."""
    if number is not None and isinstance(batch[0], Tensor):
        assert isinstance(task.model, nn.Sequential)  # as `_places` found it
        inputs = task.model[:number](batch[0])
        if inputs.ndim == 2:
            return _without_each(task, number, inputs, batch[1])
    losses = torch.empty(w.shape, dtype=torch.float64, device=w.device)
    for index in product(*map(range, w.shape)):
        value = w.data[index].clone()
        w.data[index] = 0
        losses[index] = task.loss_of(batch)
        w.data[index] = value
    return losses


def _without_each(task: _Task, number: int, inputs: Tensor, y: Any) -> Tensor:
    """Return the loss without each weight of one Linear layer: only one of its outputs moves."""
    assert isinstance(task.model, nn.Sequential)
    layer, rest = task.model[number], task.model[number + 1 :]
    assert isinstance(layer, nn.Linear)
    z = layer(inputs)
    losses = torch.empty_like(layer.weight)
    size = max(1, CHUNK // (8 * z.numel()))
    one = vmap(lambda logits: mean_of(task.loss, logits, y))
    for unit, row in enumerate(layer.weight):
        for some in torch.arange(len(row), device=row.device).split(size):
            moved = z.expand(len(some), *z.shape).clone()
            moved[:, :, unit] -= (row[some] * inputs[:, some]).T
            logits = rest(moved.flatten(0, 1)).view(len(some), len(z), -1)
            try:
                losses[unit, some] = one(logits)
            except RuntimeError:  # a loss that looks at its numbers is asked one by one
                found = [mean_of(task.loss, each, y) for each in logits]
                losses[unit, some] = torch.stack(found)
    return losses


def _flat(weights: Mapping[str, Tensor]) -> Tensor:
    return torch.cat([w.flatten() for w in weights.values()])


def _split(flat: Tensor, weights: Mapping[str, Tensor]) -> Scores:
    parts = flat.split([w.numel() for w in weights.values()])
    return {n: part.view(w.shape) for (n, w), part in zip(weights.items(), parts, strict=True)}
