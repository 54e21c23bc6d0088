"""A small problem, and masks that leave half."""

import torch

from course_lib.masks import Mask, prunable


def toy(n=60, features=6, classes=3, seed=0):
    g = torch.Generator().manual_seed(seed)
    X = torch.randn(n, features, generator=g).double()
    return X, torch.randint(0, classes, (n,), generator=g)


def half(model, seed=0):
    g = torch.Generator().manual_seed(seed)
    return Mask({n: torch.rand(w.shape, generator=g) < 0.5 for n, w in prunable(model).items()})
