"""A network to be pruned in rounds, and how it is trained."""

import torch

from course_lib.training.fit import Recipe
from course_lib.training.models import mlp
from course_lib.training.trainer import Trainer


def toy(seed=0):
    g = torch.Generator().manual_seed(seed)
    return torch.randn(60, 6, generator=g).double(), torch.randint(0, 3, (60,), generator=g)


X, y = toy()

RECIPE = Recipe(steps=12, batch=8)

TRAIN = Trainer((X, y), RECIPE)


def net(seed=0):
    return mlp((6, 7, 5, 3), seed).double()


def states_equal(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[n], b[n]) for n in a)
