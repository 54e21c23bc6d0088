"""Training, or refitting: one network, or many replicas of it at once.

data        the two sets of examples that chapters learn from
models      the networks of the chapters
fit         one network trained by a recipe, and pruned weights held at zero
replicas    many copies of a network, trained as one
trainer     data, recipe and seeds in one, to be called again and again on a network
schedules   learning rates over time
sweep       an experiment over a grid of settings, stored as results come
"""

from course_lib.training.data import Data, digits, mnist1d
from course_lib.training.fit import Recipe, accuracy, fit, hold, mean_loss
from course_lib.training.models import mlp
from course_lib.training.replicas import Replicas, fit_replicas
from course_lib.training.schedules import constant, cosine, drops, exponential, linear
from course_lib.training.sweep import SweepFailed, grid, sweep
from course_lib.training.trainer import Train, Trainer, refit

__all__ = [
    "Data",
    "Recipe",
    "Replicas",
    "SweepFailed",
    "Train",
    "Trainer",
    "accuracy",
    "constant",
    "cosine",
    "digits",
    "drops",
    "exponential",
    "fit",
    "fit_replicas",
    "grid",
    "hold",
    "linear",
    "mean_loss",
    "mlp",
    "mnist1d",
    "refit",
    "sweep",
]
