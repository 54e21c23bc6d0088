"""Many networks at once against one in plain PyTorch, and removed units against dense layers."""

from functools import partial
from statistics import median
from time import perf_counter

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from course_lib.cli.bench import Measurement
from course_lib.pruning import criteria
from course_lib.pruning.structured import remove, select_units, unit_scores
from course_lib.sparse.roofline import race
from course_lib.training import Recipe, Replicas, fit_replicas, mlp
from course_lib.training.recipe import batches

SIZES, EXAMPLES, COPIES = (40, 100, 100, 10), 4000, 10
RECIPE = Recipe(steps=300)


def measure() -> list[Measurement]:
    """Return times as ratios within this run, on one thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return [_replicas(), *_removed()]
    finally:
        torch.set_num_threads(before)


def _replicas() -> Measurement:
    """Train one plainly and ten at once, in turn, and compare the medians."""
    generator = torch.Generator().manual_seed(0)
    X = torch.randn(EXAMPLES, SIZES[0], generator=generator)
    y = torch.randint(0, SIZES[-1], (EXAMPLES,), generator=generator)
    alone, together = [], []
    for _ in range(5):
        start = perf_counter()
        _plain(X, y)
        middle = perf_counter()
        fit_replicas(Replicas.of(SIZES, range(COPIES)), (X, y), RECIPE, seeds=range(COPIES))
        alone.append(middle - start)
        together.append(perf_counter() - middle)
    return Measurement(
        f"{COPIES} replicas of {'-'.join(map(str, SIZES))}, batch {RECIPE.batch}, against one "
        "trained in plain PyTorch",
        median(together) / median(alone),
        limit=4.5,
    )


def _plain(X: torch.Tensor, y: torch.Tensor) -> None:
    """Train one network as anyone would."""
    model = mlp(SIZES, seed=0)
    optimiser = torch.optim.SGD(model.parameters(), lr=RECIPE.lr, momentum=RECIPE.momentum)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, RECIPE.steps)
    for chosen in batches(len(X), RECIPE, seed=0):
        optimiser.zero_grad()
        cross_entropy(model(X[chosen]), y[chosen]).backward()
        optimiser.step()
        schedule.step()


def _removed() -> list[Measurement]:
    """Time the forward pass of a dense network, and of what is left without most of its units."""
    dense: nn.Sequential = mlp((784, 1024, 1024, 10), seed=0)
    X = torch.rand(128, 784)
    rows = []
    with torch.no_grad():
        for density in (0.5, 0.2):
            units = select_units(unit_scores(criteria.magnitude(dense)), density)
            small = remove(dense, units)
            seconds = race({"all": partial(dense, X), "left": partial(small, X)})
            rows.append(
                Measurement(
                    f"784-1024-1024-10, {density:.0%} of the units left: times as fast",
                    seconds["all"] / seconds["left"],
                )
            )
    return rows
