"""A trainer: data, a recipe and seeds, ready to be called again and again on a network."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, Self

from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from course_lib.masks import Mask
from course_lib.training.examples import (
    Examples,
    Loss,
    check_examples,
    check_loss,
    checked_seeds,
)
from course_lib.training.fit import Recipe, StepHook, check_recipe, fit
from course_lib.training.replicas import Replicas, fit_replicas


class Train(Protocol):
    """Whatever trains a network in place, from one step to another, with a mask held."""

    def __call__(
        self,
        model: nn.Module,
        mask: Mask | None = None,
        *,
        round: int = 0,
        start: int = 0,
        stop: int | None = None,
        on_step: StepHook | None = None,
    ) -> None:
        """Train; another round sees other batches, the same round the same."""


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

    Used in chapters 03, 05 and 09.
    """

    data: Examples
    recipe: Recipe
    seeds: Sequence[int] = (0,)
    lr: Tensor | None = None
    loss: Loss = cross_entropy

    def __new__(cls, *given: object, **named: object) -> Self:
        """Tell who gives examples and targets as two arguments that they are one."""
        if len(given) > 1 and isinstance(given[1], Tensor):
            raise TypeError(
                "data: given examples and targets as two arguments, expected them as one pair. "
                "Write Trainer((X, y), recipe)."
            )
        return super().__new__(cls)

    def __post_init__(self) -> None:
        check_examples(self.data)
        check_loss(self.loss)
        check_recipe(self.recipe)
        object.__setattr__(self, "seeds", checked_seeds(self.seeds))

    def __call__(
        self,
        model: nn.Module,
        mask: Mask | None = None,
        *,
        round: int = 0,
        start: int = 0,
        stop: int | None = None,
        on_step: StepHook | None = None,
    ) -> None:
        """Train in place; as `Train`.

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
                mask=mask, start=start, stop=stop, on_step=on_step,
            )  # fmt: skip
            return
        if self.lr is not None:
            raise ValueError("lr: rates are for Replicas. For one network write Recipe(lr=...).")
        fit(
            model, self.data, self.recipe, loss=self.loss, seed=seeds[0],
            mask=mask, start=start, stop=stop, on_step=on_step,
        )  # fmt: skip
