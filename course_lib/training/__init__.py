"""Training, or refitting: one network, or many replicas of it at once.

- `trainer`: data, recipe and seeds in one, to be called again and again; and refit, the last one of
  score, select, refit.
- `recipe`: how a network is trained, and `schedules`, its learning rates over time.
- `fit`: one network trained by a recipe, and pruned weights held at zero.
- `replicas`: many copies of a network, trained as one.
- `data`: the two sets of examples that chapters learn from, and `models`, their networks.
- `sweep`: an experiment over a grid of settings, stored as results come.

Behind them `examples` reads data of all forms.
"""

from course_lib.training.data import Data, digits, mnist1d
from course_lib.training.fit import accuracy, fit, hold, mean_loss
from course_lib.training.models import mlp
from course_lib.training.recipe import Recipe
from course_lib.training.replicas import Replicas, fit_replicas
from course_lib.training.schedules import constant, cosine, drops, exponential, linear
from course_lib.training.sweep import SweepFailed, grid, sweep
from course_lib.training.trainer import Train, Trainer, refit

__all__ = [
    "Data", "Recipe", "Replicas", "SweepFailed", "Train", "Trainer", "accuracy", "constant",
    "cosine", "digits", "drops", "exponential", "fit", "fit_replicas", "grid", "hold", "linear",
    "mean_loss", "mlp", "mnist1d", "refit", "sweep",
]  # fmt: skip
