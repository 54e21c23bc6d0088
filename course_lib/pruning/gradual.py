"""Pruning while training: many small cuts, to the density that a schedule asks for."""

from numbers import Real

from torch import nn
from torch.nn.functional import cross_entropy

from course_lib.masks import Mask
from course_lib.pruning import cut
from course_lib.pruning.criteria import magnitude
from course_lib.pruning.cut import Criterion, prune_model
from course_lib.pruning.rounds import check_held, check_train, is_whole
from course_lib.training.examples import Examples, Loss
from course_lib.training.trainer import Train, Trainer


def cubic(step: int, *, begin: int, end: int, density: float) -> float:
    """Return the density at a step: from 1 down to `density` along a cubic, fast and then slow.

    Raises:
        ValueError: begin is not before end, or the density is no share.

    Examples:
        >>> [round(cubic(step, begin=0, end=100, density=0.1), 3) for step in (0, 50, 100, 150)]
        [1.0, 0.213, 0.1, 0.1]

    Source: Zhu and Gupta (2017).
    """
    if not begin < end or not 0 <= density <= 1:
        raise ValueError(
            f"given begin={begin}, end={end}, density={density}: expected begin < end and a share."
        )
    progress = min(max((step - begin) / (end - begin), 0.0), 1.0)
    return density + (1 - density) * (1 - progress) ** 3


def gradual_pruning(
    model: nn.Module,
    train: Train,
    *,
    density: float,
    begin: int,
    end: int,
    every: int = 50,
    scope: str = "global",
    criterion: Criterion = magnitude,
    data: Examples | None = None,
    loss: Loss = cross_entropy,
    mask: Mask | None = None,
) -> Mask:
    """Prune while training: every so many steps, to the density of the cubic schedule; in place.

    Args:
        model: any network with prunable weights, or Replicas.
        train: as `Trainer`.
        density: at the end.
        begin: the step before the first cut.
        end: the step of the last cut, at most the last of the training.
        every: steps between two cuts.
        scope: "global" or "tensor".
        criterion: the saliency, called as `criterion(model, data, loss)`.
        data: what the criterion looks at.
        loss: what the criterion takes for the loss.
        mask: to start from, instead of all.

    Returns:
        The last mask.

    Raises:
        TypeError: as `prune_model`.
        ValueError: as `cubic` and `prune`; a mask that is sparser than wanted; or a training that
            ended before the last cut.

    Examples:
        >>> import torch
        >>> from course_lib.training import Recipe, mlp
        >>> train = Trainer((torch.rand(20, 4), torch.arange(20) % 2), Recipe(steps=20, batch=4))
        >>> model = mlp((4, 8, 2), seed=0)
        >>> gradual_pruning(model, train, density=0.25, begin=0, end=15, every=5)
        Mask(2 tensors, 12 of 48 weights kept)

    Source: Zhu and Gupta (2017).
    """
    if mask is not None and not isinstance(mask, Mask):
        given = type(mask).__name__
        raise TypeError(f"mask: given a {given}, expected a Mask, or None to start from all.")
    current = mask if mask is not None else Mask.ones_like(model)
    for name, value in {"begin": begin, "end": end, "density": density}.items():
        if not isinstance(value, Real) or isinstance(value, bool):
            raise TypeError(f"{name}: given {value!r}, expected a number.")
    cubic(0, begin=begin, end=end, density=density)
    cut.check_criterion_call(criterion, model, data, loss)
    cut.check_shares(current, None, density, scope, None)
    cut.count_left(current, None, density)
    check_train(train, on_step=None)
    if not is_whole(every, 1):
        raise ValueError(f"every: given {every!r}, expected at least 1 step between two cuts.")
    if isinstance(train, Trainer) and end > train.recipe.steps:
        raise ValueError(
            f"end: given {end}, but training has {train.recipe.steps} steps, so the last cut would "
            "never come. Choose an earlier end, or more steps."
        )
    seen = 0

    def on_step(step: int) -> Mask | None:
        nonlocal current, seen
        seen = step
        if begin < step <= end and ((step - begin) % every == 0 or step == end):
            wanted = cubic(step, begin=begin, end=end, density=density)
            if wanted < current.density:
                current = prune_model(
                    model, current, criterion, data=data, loss=loss, density=wanted, scope=scope
                )
                return current
        return None

    train(model, current, on_step=on_step)
    check_held(model, current)
    if seen < end:
        raise ValueError(
            f"train: ended at step {seen}, expected to come by step {end}, where the last cut is; "
            f"the network stays at density {current.density:.3f}. Does it call on_step?"
        )
    return current
