"""A trainer: data, a recipe and seeds, ready to be called again and again on a network."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any, Protocol, TypedDict, Unpack

from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from course_lib.masks import Mask
from course_lib.training.examples import Examples, Loss, check_examples, check_loss, checked_seeds
from course_lib.training.fit import StepHook, fit
from course_lib.training.recipe import Recipe, check_recipe
from course_lib.training.replicas import Replicas, fit_replicas


class Steps(TypedDict, total=False):
    """Which steps of a recipe are taken, and who looks on: arguments of `fit` handed on."""

    start: int
    stop: int | None
    on_step: StepHook | None


class Train(Protocol):
    """Whatever trains a network in place, from one step to another, with a mask held.

    Examples:
        >>> def train(model, mask=None, *, round=0, start=0, stop=None, on_step=None):
        ...     mask.apply_(model)  # holds it, and trains nothing
        >>> from course_lib.pruning import one_shot
        >>> dense, pruned = one_shot(nn.Linear(10, 2), train, density=0.5)
        >>> pruned.density
        0.5
    """

    def __call__(
        self, model: nn.Module, mask: Mask | None = None, *, round: int = 0, **steps: Unpack[Steps]
    ) -> None:
        """Train; another round sees other batches, the same round the same."""


def _two_are_a_pair(trainer: type["Trainer"]) -> type["Trainer"]:
    """Let Trainer(X, y, recipe) make what Trainer((X, y), recipe) makes, as 0.1.0 did, and warn."""
    make = trainer.__init__

    @wraps(make)
    def init(self: "Trainer", *given: Any, **named: Any) -> None:
        if len(given) > 1 and isinstance(given[1], Tensor):
            warnings.warn(
                "Trainer(X, y, recipe) goes with the next release: write Trainer((X, y), recipe)",
                DeprecationWarning,
                stacklevel=2,
            )
            given = (given[:2], *given[2:])
        make(self, *given, **named)

    setattr(trainer, "__init__", init)  # noqa: B010  # mypy takes no assignment
    return trainer


@_two_are_a_pair
@dataclass(frozen=True)
class Trainer:
    """Trains one network, or all replicas at once, on its data by its recipe.

    Attributes:
        data: a pair (inputs, targets), or batches of it, as for `fit`.
        recipe: how.
        seeds: of the batches, one for each replica; for a single network the first is used.
        lr: peak rates of the replicas, in place of the recipe's.
        loss: from outputs and targets to their mean loss. Replicas know cross-entropy only.

    Raises:
        TypeError: data, recipe, seeds or loss of another kind.
        ValueError: no seeds.

    Examples:
        >>> import torch
        >>> from course_lib.training import mlp
        >>> X, y = torch.rand(20, 4), torch.arange(20) % 2
        >>> train = Trainer((X, y), Recipe(steps=5, batch=4))
        >>> model = mlp((4, 8, 2), seed=0)
        >>> train(model, stop=3)
        >>> train(model, start=3)
    """

    data: Examples
    recipe: Recipe
    seeds: Sequence[int] = (0,)
    lr: Tensor | None = None
    loss: Loss = cross_entropy

    def __post_init__(self) -> None:
        check_examples(self.data)
        check_loss(self.loss)
        check_recipe(self.recipe)
        object.__setattr__(self, "seeds", checked_seeds(self.seeds))

    def __call__(
        self, model: nn.Module, mask: Mask | None = None, *, round: int = 0, **steps: Unpack[Steps]
    ) -> None:
        """Train in place, with a mask held.

        Args:
            model: one network, or Replicas.
            mask: weights that stay zero.
            round: another round sees other batches, the same round the same.
            **steps: `start`, `stop` and `on_step` of `fit`.

        Raises:
            ValueError: as `fit`; or another loss than cross-entropy for Replicas, rates for a
                single network.
        """
        seeds = [seed + 10_000 * round for seed in self.seeds]
        if isinstance(model, Replicas):
            if self.loss is not cross_entropy:
                raise ValueError(
                    "loss: Replicas are trained by cross-entropy, written out by hand, expected no "
                    "other. Train the networks one by one."
                )
            fit_replicas(
                model, self.data, self.recipe, seeds=seeds, lr=self.lr,  # type: ignore[arg-type]
                mask=mask, **steps,
            )  # fmt: skip
            return
        if self.lr is not None:
            raise ValueError("lr: rates are for Replicas. For one network write Recipe(lr=...).")
        fit(model, self.data, self.recipe, loss=self.loss, seed=seeds[0], mask=mask, **steps)


def refit(
    model: nn.Module,
    mask: Mask,
    data: Examples,
    recipe: Recipe,
    *,
    seeds: Sequence[int] = (0,),
    loss: Loss = cross_entropy,
) -> None:
    """Train what a mask has left, in place: the last of the three moves score, select, refit.

    Args:
        model: one network, or Replicas; it is pruned at once.
        mask: weights that stay zero.
        data: a pair (inputs, targets), or batches of it, as for `fit`.
        recipe: how.
        seeds: of the batches, one for each replica.
        loss: from outputs and targets to their mean loss.

    Raises:
        TypeError, ValueError: as `Trainer`, and as `fit`.

    Examples:
        >>> import torch
        >>> from course_lib.masks import select
        >>> from course_lib.training import mlp
        >>> model = mlp((4, 8, 2), seed=0)
        >>> mask = select({"0.weight": model[0].weight.abs()}, density=0.25)
        >>> X, y = torch.rand(20, 4), torch.arange(20) % 2
        >>> refit(model, mask, (X, y), Recipe(steps=5, batch=4))
        >>> int(torch.count_nonzero(model[0].weight))
        8
    """
    Trainer(data, recipe, seeds, loss=loss)(model, mask)
