"""Training one network, dense or pruned, and holding pruned weights at zero while it is trained."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain, count, islice

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.optim import Optimizer

from course_lib.masks import Mask
from course_lib.masks.weights import NORMS, check_module
from course_lib.training import examples
from course_lib.training.examples import Batch, Examples, Loss, examples_in, is_pair, rows
from course_lib.training.recipe import Recipe, batches, check_recipe

StepHook = Callable[[int], Mask | None]
NOTHING = (
    "model: no parameter requires a gradient, so there is nothing to train. Thaw some: "
    "layer.requires_grad_(True)."
)


def check_mask(mask: object, name: str = "mask") -> None:
    """Raise TypeError for what is neither a mask nor None."""
    if mask is not None and not isinstance(mask, Mask):
        raise TypeError(
            f"{name}: given a {type(mask).__name__}, expected a Mask or None. Make one with "
            "Mask({name: kept}) or select(scores, density=0.1)."
        )


@contextmanager
def hold(optimiser: Optimizer, model: nn.Module, mask: Mask) -> Iterator[None]:
    """Hold pruned weights at exactly zero through every step of an optimiser.

    Three things could bring a weight back: its gradient, the optimiser's memory (momentum, Adam's
    averages) and the step itself (decay, or a gradient mask forgotten). Within this context the
    gradients are masked before each step, weights and memory after it.

    Args:
        optimiser: any that changes its parameters in `step` alone.
        model: its weights are masked at once.
        mask: names parameters of the model. Frozen ones are masked and need not be the
            optimiser's; of a tied weight with two names and two masks, both hold.

    Raises:
        TypeError: no optimiser, no mask.
        ValueError: the mask does not fit the model, a masked weight is not the optimiser's, or the
            optimiser evaluates the loss within its step (LBFGS), between our two moments.

    Examples:
        >>> from course_lib.masks import select
        >>> model = nn.Linear(4, 2)
        >>> mask = select({"weight": model.weight.abs()}, density=0.5)
        >>> optimiser = torch.optim.Adam(model.parameters())
        >>> with hold(optimiser, model, mask):
        ...     for _ in range(3):
        ...         model(torch.ones(1, 4)).sum().backward()
        ...         optimiser.step()
        >>> int(torch.count_nonzero(model.weight))
        4
    """
    if not isinstance(optimiser, Optimizer):
        raise TypeError(
            f"optimiser: given a {type(optimiser).__name__}, expected an optimiser of torch, one "
            "like SGD or Adam. Of a scheduler take scheduler.optimizer."
        )
    if mask is None:
        raise TypeError("mask: given None, expected a Mask. Mask({}) holds nothing.")
    check_mask(mask)
    if isinstance(optimiser, torch.optim.LBFGS):
        raise ValueError(
            "optimiser: given LBFGS, which computes gradients within its step, where they cannot "
            "be masked. Expected one like SGD or Adam."
        )
    mask.apply_(model)
    named = dict(model.named_parameters(remove_duplicate=False))
    gone: dict[nn.Parameter, Tensor] = {}
    for name, entry in mask.items():  # a weight of two names is held by both masks
        out = ~entry.to(named[name].device)
        gone[named[name]] = out | gone.get(named[name], out)
    own = {parameter for group in optimiser.param_groups for parameter in group["params"]}
    strangers = [n for n in mask if named[n].requires_grad and named[n] not in own]
    if strangers:
        raise ValueError(
            f"optimiser: it does not train {strangers}, which the mask prunes. "
            "Make it from the parameters of the same model."
        )

    def before(*_: object) -> None:
        for parameter, out in gone.items():
            if parameter.grad is not None:
                _silence(parameter.grad, out)

    @torch.no_grad()
    def after(*_: object) -> None:
        for parameter, out in gone.items():
            parameter.masked_fill_(out, 0)  # zero even where training diverged to NaN
            for memory in optimiser.state.get(parameter, {}).values():
                if isinstance(memory, Tensor) and memory.shape == out.shape:
                    _silence(memory, out)

    after()
    handles = [optimiser.register_step_pre_hook(before), optimiser.register_step_post_hook(after)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@torch.no_grad()
def _silence(numbers: Tensor, out: Tensor) -> None:
    """Make numbers zero where a mask prunes; of sparse ones, as embeddings give, what is there."""
    if numbers.is_sparse:
        few = numbers.coalesce()
        few.values().masked_fill_(out[tuple(few.indices())], 0)
        numbers.copy_(few)
    else:
        numbers.masked_fill_(out, 0)


def fit(
    model: nn.Module,
    data: Examples,
    recipe: Recipe,
    *,
    loss: Loss = cross_entropy,
    seed: int = 0,
    mask: Mask | None = None,
    start: int = 0,
    stop: int | None = None,
    on_step: StepHook | None = None,
) -> None:
    """Train a network in place.

    It is in eval mode afterwards. A frozen normalisation, in eval mode when given and without a
    parameter that requires a gradient, keeps its running averages.

    Args:
        model: any; for the loss of the chapters one that gives logits (batch, classes).
        data: a pair (inputs, targets), from which batches are drawn; or a collection of batches,
            as a list or a DataLoader, which are then taken in its order, one a step, over and over:
            the recipe's `batch` and the seed do not matter. Inputs are a tensor, a tuple of
            arguments or a dictionary of them.
        recipe: how.
        loss: from outputs and targets to their mean loss.
        seed: of the batches.
        mask: weights that stay zero.
        start: the step to begin with; the optimiser begins without memory.
        stop: the step to end before; all of the recipe if not given.
        on_step: called after each step with its number from 1; may return a new mask, which holds
            from then on.

    Raises:
        TypeError: model, data, recipe, seed, mask or loss of another kind.
        ValueError: no examples, or such as do not fit the network or the loss; the mask does not
            fit; nothing can be trained, or gradients are switched off; steps that are not the
            recipe's; or dropout in the recipe, which belongs in the model.

    Examples:
        >>> from course_lib.training import mlp
        >>> X = torch.rand(200, 2, generator=torch.Generator().manual_seed(0))
        >>> y = (X[:, 0] > X[:, 1]).long()
        >>> model = mlp((2, 16, 2), seed=0)
        >>> fit(model, (X, y), Recipe(steps=200, batch=32))
        >>> bool(accuracy(model, X, y) > 0.95)
        True
    """
    check_module(model)
    check_recipe(recipe)
    check_mask(mask)
    if not torch.is_grad_enabled():
        raise ValueError(
            "fit: called where gradients are switched off, within torch.no_grad() or "
            "torch.inference_mode(); expected a place where the network can learn. Call it outside."
        )
    if recipe.dropout:
        raise ValueError("dropout: put nn.Dropout into the model, or train Replicas.")
    examples.check_loss(loss)
    end = recipe.check_steps(start, stop)
    weights = [p for p in model.parameters() if p.requires_grad]
    if not weights:
        raise ValueError(NOTHING)
    optimiser: Optimizer
    if recipe.optimiser == "adam":
        optimiser = torch.optim.Adam(weights, lr=recipe.lr, foreach=True)
    else:
        optimiser = torch.optim.SGD(weights, lr=recipe.lr, momentum=recipe.momentum, foreach=True)
    drawn = _drawn(data, recipe, seed, start)
    penalised = _matrices(model)
    mask = mask if mask is not None else Mask({})
    step = start
    while step < end:
        with hold(optimiser, model, mask):
            _begin(model)
            renewed = None
            while step < end and renewed is None:
                for group in optimiser.param_groups:
                    group["lr"] = recipe.rate(step)
                inputs, targets = next(drawn)
                optimiser.zero_grad()
                examples.mean_of(loss, examples.answer(model, inputs), targets).backward()
                _penalise(penalised, recipe)
                optimiser.step()
                step += 1
                renewed = on_step(step) if on_step else None
                check_mask(renewed, "on_step")
        if renewed is not None:
            mask = renewed
    mask.apply_(model)
    model.eval()


def _drawn(data: Examples, recipe: Recipe, seed: int, start: int) -> Iterator[Batch]:
    """Yield the batch of each step from `start` on; what is wrong with them is said at once."""
    examples.check_examples(data)
    drawn: Iterator[Batch]
    if is_pair(data):
        X, y = data
        order = batches(examples_in((X, y)), recipe, seed)
        drawn = (rows((X, y), chosen) for chosen in order[start:])
    else:
        again = chain.from_iterable(examples.batches_of(data) for _ in count())
        drawn = islice(again, start, None)
    return chain(list(islice(drawn, 1)), drawn)


def _begin(model: nn.Module) -> None:
    """Put a network in train mode, but for normalisations that the caller has frozen.

    Those are in eval mode with their parameters frozen, or, if they have none, in a network that
    is otherwise in train mode.
    """
    frozen = [
        layer
        for layer in model.modules()
        if isinstance(layer, NORMS)
        and not layer.training
        and not any(p.requires_grad for p in layer.parameters())
        and (model.training or any(True for _ in layer.parameters()))
    ]
    model.train()
    for layer in frozen:
        layer.eval()


def _matrices(model: nn.Module) -> list[nn.Parameter]:
    """Return what penalties pull at: matrices, kernels, and the kept weights of sparse layers."""
    # Known by their pattern: to ask for their class would load every kernel.
    thin = [m for m in model.modules() if {"columns", "pointers"} <= m._buffers.keys()]
    kept = {layer.values for layer in thin}
    return [p for p in model.parameters() if p.requires_grad and (p.ndim > 1 or p in kept)]


@torch.no_grad()
def _penalise(weights: list[nn.Parameter], recipe: Recipe) -> None:
    """Add the gradients of L2 and L1 penalties to those of the weights."""
    for w in weights:
        if w.grad is not None:
            if recipe.weight_decay:
                w.grad.add_(w, alpha=recipe.weight_decay)
            if recipe.l1:
                w.grad.add_(w.sign(), alpha=recipe.l1)


@torch.no_grad()
def accuracy(model: nn.Module, X: Tensor, y: Tensor) -> Tensor:
    """Return the share of examples whose largest logit is their class.

    A number for one network, over all places where it gives logits (tokens, pixels in the last axis
    but one); (S,) for S replicas. The network is measured in eval mode, and gets its modes back.

    Raises:
        ValueError: no examples; targets that are not one class for each row of logits, as one-hot
            ones are; or a single logit, of which the largest says nothing.

    Examples:
        >>> model = nn.Identity()
        >>> logits = torch.tensor([[2.0, 1.0], [0.0, 3.0], [1.0, 0.0], [5.0, 4.0]])
        >>> float(accuracy(model, logits, torch.tensor([0, 1, 1, 0])))
        0.75
    """
    logits, classes = _measured(model, X, y)
    if logits.shape[-1] == 1:
        raise ValueError(
            f"model: gives {tuple(logits.shape)}, a single logit, which is always the largest; "
            "expected one for each class. For two classes compare it with 0: (model(X) > 0)."
        )
    return _mean((logits.argmax(dim=-1) == classes).double(), model)


@torch.no_grad()
def mean_loss(model: nn.Module, X: Tensor, y: Tensor) -> Tensor:
    """Return the mean cross-entropy: a number for one network; (S,) for S replicas.

    Raises:
        ValueError: as `accuracy`; or a class that is none of the network's.

    Examples:
        >>> logits = torch.zeros(3, 10)
        >>> round(float(mean_loss(nn.Identity(), logits, torch.tensor([0, 1, 2]))), 4)
        2.3026
    """
    logits, classes = _measured(model, X, y)
    log_p = logits.log_softmax(dim=-1)
    if classes.min() < 0 or classes.max() >= logits.shape[-1]:
        raise ValueError(
            f"y: given classes from {classes.min()} to {classes.max()}, expected 0 to "
            f"{logits.shape[-1] - 1}: the network gives {logits.shape[-1]} logits."
        )
    return -_mean(log_p.gather(-1, classes.long().unsqueeze(-1)).squeeze(-1), model)


def _measured(model: nn.Module, X: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Return logits (..., C) as the network gives them in use, and classes (...)."""
    if not len(y):
        raise ValueError("data: there is no example in it, expected at least one. See len(X).")
    training = [m for m in model.modules() if m.training] if isinstance(model, nn.Module) else []
    for layer in training:
        layer.training = False
    try:
        logits = examples.answer(model, X)
    finally:
        for layer in training:
            layer.training = True
    if not isinstance(logits, Tensor):
        raise TypeError(
            f"model: gives a {type(logits).__name__}, expected logits, a tensor with one number "
            "for each class along its last axis."
        )
    rows = logits.shape[:-1]
    # Replicas answer (S, n, C) to n examples; all other networks one row for each target.
    shared = y.ndim == 1 and len(rows) == 2 and rows[1] == len(y) and _together(model)
    if not (y.shape == rows or shared) or (y.is_floating_point() and (y != y.round()).any()):
        raise ValueError(
            f"y: given {tuple(y.shape)} {y.dtype} where the network gives logits "
            f"{tuple(logits.shape)}, expected one class for each row of logits, {tuple(rows)}. "
            "Write y.argmax(dim=-1) for one-hot targets, y.squeeze(-1) for a column."
        )
    return logits, y.expand(rows)


def _mean(values: Tensor, model: nn.Module) -> Tensor:
    """Average over examples; over all there is but for replicas."""
    return values.mean(dim=-1) if _together(model) else values.flatten().mean(dim=-1)


def _together(model: nn.Module) -> bool:
    """Tell whether a network is many that answer side by side, (S, n, C)."""
    return getattr(model, "count", None) is not None and hasattr(model, "replica")
