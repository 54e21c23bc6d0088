"""Training one network, dense or pruned, and holding pruned weights at zero while it is trained."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, count, islice

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.optim import Optimizer

from course_lib.masks import Mask
from course_lib.masks.mask import NORMS
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
)
from course_lib.training.schedules import Schedule, cosine

StepHook = Callable[[int], Mask | None]
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
        if self.optimiser not in ("sgd", "adam"):
            raise ValueError(f"optimiser: given {self.optimiser!r}, expected 'sgd' or 'adam'.")
        if self.steps < 1 or self.batch < 1:
            raise ValueError(
                f"given steps={self.steps} and batch={self.batch}, expected at least 1 of each."
            )
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout: given {self.dropout}, expected a share below 1.")

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
        ValueError: there are no examples.
    """
    if examples < 1:
        raise ValueError("data: there is no example in it, expected at least one. See len(X).")
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, examples, (recipe.steps, recipe.batch), generator=generator)


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
        ValueError: the mask does not fit the model, a masked weight is not the optimiser's, or the
            optimiser evaluates the loss within its step (LBFGS), between our two moments.

    Used in chapters 03, 05 and 09.
    """
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
                parameter.grad.masked_fill_(out, 0)

    @torch.no_grad()
    def after(*_: object) -> None:
        for parameter, out in gone.items():
            parameter.masked_fill_(out, 0)  # zero even where training diverged to NaN
            for memory in optimiser.state.get(parameter, {}).values():
                if isinstance(memory, Tensor) and memory.shape == out.shape:
                    memory.masked_fill_(out, 0)

    after()
    handles = [optimiser.register_step_pre_hook(before), optimiser.register_step_post_hook(after)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


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
        TypeError: data or loss of another kind.
        ValueError: no examples; the mask does not fit; nothing can be trained; steps that are not
            the recipe's; or dropout in the recipe, which belongs in the model.

    Used in chapters 02 to 05.
    """
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
