"""A recipe: how a network is trained, but for the data."""

from dataclasses import dataclass
from math import inf
from numbers import Integral, Real

import torch
from torch import Tensor

from course_lib.training.examples import seeded
from course_lib.training.schedules import Schedule, cosine

LIMITS = {"lr": inf, "momentum": 1, "weight_decay": inf, "l1": inf, "dropout": 1}  # of a Recipe


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

    Examples:
        >>> recipe = Recipe(steps=100, lr=0.2)
        >>> recipe.rate(0), recipe.rate(50), round(recipe.rate(99), 5)
        (0.2, 0.1, 5e-05)
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
