"""A trainer: data, a recipe and seeds, ready to be called again and again on a network."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor, nn

from course_lib.masks import Mask
from course_lib.training.fit import Recipe, StepHook, fit
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
        X: examples.
        y: classes.
        recipe: how.
        seeds: of the batches, one for each replica; for a single network the first is used.
        lr: peak rates of the replicas, in place of the recipe's.

    Used in chapters 03, 05 and 09.
    """

    X: Tensor
    y: Tensor
    recipe: Recipe
    seeds: Sequence[int] = (0,)
    lr: Tensor | None = None

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
        """Train in place; as `Train`."""
        seeds = [seed + 10_000 * round for seed in self.seeds]
        if isinstance(model, Replicas):
            fit_replicas(
                model, self.X, self.y, self.recipe, seeds=seeds, lr=self.lr,
                mask=mask, start=start, stop=stop, on_step=on_step,
            )  # fmt: skip
        else:
            fit(
                model, self.X, self.y, self.recipe, seed=seeds[0],
                mask=mask, start=start, stop=stop, on_step=on_step,
            )  # fmt: skip
