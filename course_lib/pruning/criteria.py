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

import warnings
from contextlib import ExitStack
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from course_lib.masks import prunable
from course_lib.pruning import curvature, scoring
from course_lib.pruning.ablation import loss_without, tried_together
from course_lib.pruning.scoring import Scores, joined, parted
from course_lib.training.examples import Examples, Loss, answer, mapped, seeded


def magnitude(model: nn.Module, data: Examples | None = None, loss: Loss = cross_entropy) -> Scores:
    """Score |w|: in the units of the weights, not of the loss; needs no data.

    Examples:
        >>> layer = nn.Linear(2, 1)
        >>> layer.weight.data = torch.tensor([[-3.0, 2.0]])
        >>> magnitude(layer)
        {'weight': tensor([[3., 2.]])}

    Source: Janowsky (1989), Han et al. (2015).
    """
    return {name: w.detach().abs() for name, w in prunable(model).items()}


def random(
    model: nn.Module, data: Examples | None = None, loss: Loss = cross_entropy, *, seed: int = 0
) -> Scores:
    """Score by chance: what every criterion must beat; needs no data.

    Examples:
        >>> layer = nn.Linear(2, 3)
        >>> torch.equal(random(layer, seed=1)["weight"], random(layer, seed=1)["weight"])
        True
    """
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
    downwards. Source: the first term of Taylor's formula.

    Examples:
        >>> from torch.nn.functional import mse_loss
        >>> layer = nn.Linear(2, 1, bias=False)
        >>> layer.weight.data = torch.tensor([[1.0, 1.0]])
        >>> data = torch.tensor([[1.0, 2.0]]), torch.tensor([[4.0]])
        >>> signed_first_order(layer, data, mse_loss)
        {'weight': tensor([[2., 4.]])}
    """
    with scoring.scored(model, data, loss) as task:
        gradients = scoring.mean_gradients(task)
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

    Examples:
        >>> from torch.nn.functional import mse_loss
        >>> layer = nn.Linear(2, 1, bias=False)
        >>> layer.weight.data = torch.tensor([[1.0, 1.0]])
        >>> data = torch.tensor([[1.0, 2.0]]), torch.tensor([[4.0]])
        >>> first_order(layer, data, mse_loss)
        {'weight': tensor([[2., 4.]])}

    Source: Mozer and Smolensky (1989), Molchanov et al. (2017).
    """
    if not each:
        return {n: s.abs() for n, s in signed_first_order(model, data, loss).items()}
    with scoring.scored(model, data, loss) as task:
        total = {name: torch.zeros_like(w, requires_grad=False) for name, w in task.weights.items()}
        for gradients in scoring.example_gradients(task):
            for name, g in gradients.items():
                total[name] += g.abs().sum(dim=0)
        return {n: total[n] * w.detach().abs() / task.count for n, w in task.weights.items()}


def snip(model: nn.Module, data: Examples | None = None, loss: Loss = cross_entropy) -> Scores:
    """Score |g w| as a share of the whole network's, at the start of training.

    Examples:
        >>> layer = nn.Linear(3, 2)
        >>> scores = snip(layer, (torch.ones(4, 3), torch.tensor([0, 0, 1, 0])))
        >>> round(float(scores["weight"].sum()), 4)
        1.0

    Source: Lee, Ajanthan and Torr (2019).
    """
    scores = first_order(model, data, loss)
    total = torch.stack([s.sum(dtype=torch.float64) for s in scores.values()]).sum()
    return {name: torch.where(total > 0, s / total, s) for name, s in scores.items()}


def fisher(model: nn.Module, data: Examples | None = None, loss: Loss = cross_entropy) -> Scores:
    """Estimate the change with the empirical Fisher for the Hessian: w^2 mean(g_n^2) / 2.

    The squares are of the gradients g_n of single examples at their own labels.
    Source: Theis et al. (2018).

    Examples:
        >>> from torch.nn.functional import mse_loss
        >>> layer = nn.Linear(1, 1, bias=False)
        >>> layer.weight.data = torch.tensor([[2.0]])
        >>> fisher(layer, (torch.tensor([[1.0], [1.0]]), torch.tensor([[1.0], [3.0]])), mse_loss)
        {'weight': tensor([[8.]])}
    """
    with scoring.scored(model, data, loss) as task:
        squares = {n: torch.zeros_like(w, requires_grad=False) for n, w in task.weights.items()}
        for gradients in scoring.example_gradients(task):
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

    Examples:
        >>> from torch.nn.functional import mse_loss
        >>> layer = nn.Linear(2, 1, bias=False)
        >>> layer.weight.data = torch.tensor([[1.0, 1.0]])
        >>> data = torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0]])
        >>> obd(layer, data, mse_loss)
        {'weight': tensor([[1., 4.]])}

    Source: LeCun, Denker and Solla (1990); Bekas, Kokiopoulou and Saad (2007) for the probes.
    """
    diagonals = curvature.hessian_diagonal(
        model, data, loss, diagonal=diagonal, probes=probes, seed=seed
    )
    return {
        name: h * w.detach().to(h.dtype).square() / 2
        for (name, w), h in zip(prunable(model).items(), diagonals.values(), strict=True)
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

    Examples:
        >>> from torch.nn.functional import mse_loss
        >>> layer = nn.Linear(2, 1, bias=False)
        >>> layer.weight.data = torch.tensor([[1.0, 1.0]])
        >>> data = torch.tensor([[1.0, 2.0]]), torch.tensor([[4.0]])
        >>> second_order(layer, data, mse_loss), oracle(layer, data, mse_loss)
        ({'weight': tensor([[3., 8.]])}, {'weight': tensor([[3., 8.]], dtype=torch.float64)})

    Source: LeCun, Denker and Solla (1990), before the gradient is dropped.
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

    Examples:
        >>> from torch.nn.functional import mse_loss
        >>> layer = nn.Linear(2, 1, bias=False)
        >>> layer.weight.data = torch.tensor([[1.0, 1.0]])
        >>> X = torch.tensor([[1.0, 0.9], [0.9, 1.0]])
        >>> data = X, X.sum(dim=1, keepdim=True)
        >>> adapted, alone = (f(layer, data, mse_loss)["weight"] for f in (obs, obd))
        >>> bool((adapted < alone).all())
        True

    Source: Hassibi and Stork (1993); Kurtic et al. (2022) for the blocks.
    """
    weights = prunable(model)
    w = joined(weights).detach().double()
    if block is None:
        inverse = curvature.inverse_hessian(model, data, loss, damping=damping).diagonal()
    else:
        curvature.check_whole(block, "block", "how many weights a block holds")
        curvature.check_damping(damping)
        with scoring.scored(model, data, loss) as task:
            inverse = curvature.block_inverses(task, damping, block)
    return parted(w.square() / (2 * inverse), weights)


def synflow(model: nn.Module, data: Examples | None = None, loss: Loss = cross_entropy) -> Scores:
    """Score the flow through a weight: |w| dR/d|w|, R the sum of outputs for an input of ones.

    All parameters are replaced by their sizes, so no label and no example is looked at: of data
    only the shape. Within every layer the scores sum to the same R, if there are no biases.
    Integers are names, not amounts: where they are embedded, ones stand for the embedded vectors.

    Where nothing flows through a layer, right behind a LayerNorm of the inputs, there is a warning.

    Returns:
        float64, since flows of deep networks are large.

    Examples:
        >>> model = nn.Sequential(nn.Linear(2, 3, bias=False), nn.Linear(3, 1, bias=False))
        >>> scores = synflow(model, (torch.zeros(1, 2), torch.zeros(1).long()))
        >>> torch.allclose(scores["0.weight"].sum(), scores["1.weight"].sum())
        True

    Source: Tanaka et al. (2020).
    """
    with scoring.scored(model, data, loss, dtype=torch.float64) as task, ExitStack() as undo:
        for layer in task.model.modules():
            if isinstance(layer, nn.Embedding | nn.EmbeddingBag):
                hook = layer.register_forward_hook(lambda *call: torch.ones_like(call[2]))
                undo.callback(hook.remove)
        with torch.no_grad():
            for parameter in task.model.parameters():
                parameter.abs_()
        inputs, _ = next(task.batches())
        outputs = answer(task.model, mapped(_one_of_ones, inputs))
        flow = torch.stack([z.sum() for z in scoring.numbers_in(outputs)]).sum()
        slopes = scoring.slopes_of(flow, task.weights)
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

    Examples:
        >>> from torch.nn.functional import mse_loss
        >>> layer = nn.Linear(2, 1, bias=False)
        >>> layer.weight.data = torch.tensor([[1.0, 1.0]])
        >>> data = torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0]])
        >>> oracle(layer, data, mse_loss)
        {'weight': tensor([[1., 4.]], dtype=torch.float64)}
    """
    with scoring.scored(model, data, loss, dtype=torch.float64) as task, torch.no_grad():
        if any(w.is_meta for w in task.weights.values()):
            raise ValueError(
                "model: it is on the device meta, which keeps no values, so nothing can be tried. "
                "Move it to another: model.to_empty(device='cpu'), and load its weights."
            )
        base = task.mean(task.loss_of)
        places = tried_together(task.model)
        return {
            name: task.mean(partial(loss_without, task, w, places.get(name))) - base
            for name, w in task.weights.items()
        }


NEED_DATA = (
    signed_first_order, first_order, snip, fisher, obd, second_order, obs, synflow, oracle,
)  # fmt: skip
