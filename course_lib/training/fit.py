"""Training one network, dense or pruned, and holding pruned weights at zero while it is trained."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, count, islice
from math import inf
from numbers import Integral, Real

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.optim import Optimizer

from course_lib.masks import Mask
from course_lib.masks.weights import NORMS, check_module
from course_lib.training.examples import (
    Batch,
    Examples,
    Loss,
    answer,
    batches_of,
    check_examples,
    check_loss,
    examples_in,
    is_pair,
    mean_of,
    rows,
    seeded,
)
from course_lib.training.schedules import Schedule, cosine

StepHook = Callable[[int], Mask | None]
LIMITS = {"lr": inf, "momentum": 1, "weight_decay": inf, "l1": inf, "dropout": 1}  # of a Recipe
NOTHING = (
    "model: no parameter requires a gradient, so there is nothing to train. Thaw some: "
    "layer.requires_grad_(True)."
)


@dataclass(frozen=True)
class Recipe:
    """How a network is trained.

    Attributes:
        steps: of gradient descent, one batch each.
        lr: the peak learning rate.
        batch: examples a step, drawn with replacement.
        optimiser: "sgd" or "adam".
        momentum: of SGD.
        weight_decay: L2, added to the gradient of weights; biases are left alone.
        l1: the same with the sign of the weight.
        dropout: share of hidden activations that are silenced at random.
        schedule: from progress to a factor of lr.

    Raises:
        TypeError: a setting of another kind.
        ValueError: one that is out of range: NaN, infinite or negative, a momentum or a dropout of
            1 or more, another optimiser.
    """

    steps: int = 1500
    lr: float = 0.1
    batch: int = 128
    optimiser: str = "sgd"
    momentum: float = 0.9
    weight_decay: float = 0.0
    l1: float = 0.0
    dropout: float = 0.0
    schedule: Schedule = cosine

    def __post_init__(self) -> None:
        for name in ("steps", "batch"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, Integral):
                raise TypeError(f"{name}: given {value!r}, expected an integer, at least 1.")
            if value < 1:
                raise ValueError(f"{name}: given {value}, expected at least 1.")
        for name, below in LIMITS.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, Real):
                raise TypeError(f"{name}: given {value!r}, expected a number.")
            if not 0 <= float(value) < below:
                until = "a finite number, not negative" if below == inf else f"0 <= {name} < 1"
                raise ValueError(f"{name}: given {value}, expected {until}.")
        if self.optimiser not in ("sgd", "adam"):
            raise ValueError(f"optimiser: given {self.optimiser!r}, expected 'sgd' or 'adam'.")
        if not callable(self.schedule):
            raise TypeError(
                f"schedule: given {self.schedule!r}, expected a function from progress to a factor "
                "of the rate, as course_lib.training.schedules.cosine."
            )

    def check_steps(self, start: int, stop: int | None) -> int:
        """Return the step to end before, all of the recipe if `stop` is None.

        Raises:
            ValueError: not 0 <= start <= stop <= steps.
        """
        end = self.steps if stop is None else stop
        if not 0 <= start <= end <= self.steps:
            raise ValueError(
                f"given start = {start} and stop = {stop} in a recipe of {self.steps} steps, "
                f"expected 0 <= start <= stop <= {self.steps}. Choose steps within the recipe."
            )
        return end

    def rate(self, step: int) -> float:
        """Return the learning rate at a step."""
        return self.lr * self.schedule(step / self.steps)


def batches(examples: int, recipe: Recipe, seed: int) -> Tensor:
    """Draw the indices of all batches of a training, int64 (steps, batch).

    Raises:
        TypeError: the seed is no integer.
        ValueError: there are no examples.
    """
    if examples < 1:
        raise ValueError("data: there is no example in it, expected at least one. See len(X).")
    shape = (recipe.steps, recipe.batch)
    return torch.randint(0, examples, shape, generator=seeded(seed))


def check_recipe(recipe: object) -> None:
    """Raise TypeError for what is no recipe."""
    if not isinstance(recipe, Recipe):
        given = type(recipe).__name__
        raise TypeError(f"recipe: given a {given}, expected a Recipe. See Recipe(steps=1500).")


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

    Used in chapters 03, 05 and 09.
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

    Used in chapters 02 to 05.
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
    check_loss(loss)
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
                mean_of(loss, answer(model, inputs), targets).backward()
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
    check_examples(data)
    drawn: Iterator[Batch]
    if is_pair(data):
        X, y = data
        order = batches(examples_in((X, y)), recipe, seed)
        drawn = (rows((X, y), chosen) for chosen in order[start:])
    else:
        again = chain.from_iterable(batches_of(data) for _ in count())
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

    Used in every chapter with a network.
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
        logits = answer(model, X)
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
