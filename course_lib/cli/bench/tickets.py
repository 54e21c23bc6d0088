"""The lottery ticket experiment in seconds, and the race of a ticket against the whole network."""

import tempfile
from statistics import median
from time import perf_counter

import torch
from torch.nn.functional import cross_entropy

from course_lib.cli.bench import Measurement
from course_lib.labs.lottery import SIZES, contest, fresh_examples, race, seconds_to
from course_lib.training import Data, Recipe, mlp, mnist1d, sweep
from course_lib.training.recipe import batches

HALVES = [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]]
RETRAINS = 10 * (9 + 4 * 4)  # ten seeds, nine rounds, four controls at four densities
SAMPLE = 5  # trainings of the plain loop that are timed; all cost the same


def measure() -> list[Measurement]:
    """Return the seconds of the experiment, the same in plain PyTorch, and the race."""
    data, (X, y) = mnist1d(), fresh_examples()  # made before the clock starts
    plain = RETRAINS * median(_plain(data, seed) for seed in range(SAMPLE))
    with tempfile.TemporaryDirectory() as folder:
        begun = perf_counter()
        sweep(contest, [{"seeds": seeds} for seeds in HALVES], folder=folder, workers=2)
        ours = perf_counter() - begun
    what = f"recipe A, {RETRAINS} trainings of 1,500 steps"
    rows = [
        Measurement(what, ours, limit=60, unit="s"),
        Measurement(f"{what}: as a plain PyTorch loop in one process", plain / ours, least=3),
    ]
    return [*rows, *_race(Data(data.X, data.y, X[:2000], y[:2000]))]


def _plain(data: Data, seed: int) -> float:
    """Return the seconds of one masked training, as anyone would write it."""
    model, recipe = mlp(SIZES, seed), Recipe()
    weights = [p for p in model.parameters() if p.ndim == 2]
    masks = [torch.rand_like(w) < 0.5 for w in weights]
    optimiser = torch.optim.SGD(model.parameters(), lr=recipe.lr, momentum=recipe.momentum)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, recipe.steps)
    begun = perf_counter()
    for chosen in batches(len(data.X), recipe, seed):
        optimiser.zero_grad()
        cross_entropy(model(data.X[chosen]), data.y[chosen]).backward()
        optimiser.step()
        schedule.step()
        with torch.no_grad():
            for w, mask in zip(weights, masks, strict=True):
                w.mul_(mask)
    return perf_counter() - begun


def _race(data: Data) -> list[Measurement]:
    """Return how much sooner a ticket is as good as the whole network, minus a point."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        races = [race(seed, data) for seed in range(3)]
    finally:
        torch.set_num_threads(before)
    sooner, steps = [], []
    for each in races:
        dense, sparse = each.runs["dense"], each.runs["sparse"]
        goal = dense[-1].accuracy - 0.01
        sooner.append(seconds_to(dense, goal) / seconds_to(sparse, goal))
        steps.append(dense[-1].seconds / sparse[-1].seconds)
    return [
        Measurement(
            "2048 wide, ticket of 10%, to dense accuracy minus a point: times sooner",
            median(sooner),
            least=4,
        ),
        Measurement("the same, a step: times as fast", median(steps)),
    ]
