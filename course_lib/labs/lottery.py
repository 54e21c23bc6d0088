"""The lottery ticket experiment: tickets against their controls, and a race by the clock.

`contest` is one run of the whole experiment for some seeds, at once, as plain data, so that `sweep`
can share it out. `train_by_clock` trains a network and writes down when it was how good.
"""

import copy
from collections.abc import Mapping, Sequence
from time import perf_counter
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.optim import SGD

from course_lib.masks import Mask
from course_lib.pruning import State, Ticket, iterative_pruning, prune_model, tickets
from course_lib.sparse import densify, sparsify
from course_lib.training import Data, Recipe, Replicas, Trainer, accuracy, hold, mlp, mnist1d
from course_lib.training.data import CLASSES
from course_lib.training.recipe import batches

SIZES = (40, 100, 100, 10)
RATES = {"4.weight": 0.18}  # the output layer is small and is pruned half as fast
RACE = Recipe(steps=150, lr=0.3)
CONTROLS = ("reinitialised", "shuffled", "one cut", "before training")


def controls(
    ticket: Ticket, dense: nn.Module, start: nn.Module, fresh: nn.Module, seed: int
) -> dict[str, tuple[State, Mask]]:
    """Return what to train in the ticket's place: initial values and mask, by name.

    Args:
        ticket: what is on trial.
        dense: the network that it comes from, trained with all its weights.
        start: the same before any training.
        fresh: one of other seeds.
        seed: of the random masks.
    """
    values, mask = ticket.initial, ticket.mask
    return {
        "reinitialised": (tickets.reinitialised(ticket, fresh), mask),
        "shuffled": (values, tickets.shuffled(start, mask, seed)),
        "one cut": (values, tickets.largest(dense, mask)),
        "before training": (values, tickets.largest(start, mask)),
        "anywhere": (values, tickets.random_mask(start, mask, seed)),
        "signs alone": (tickets.signs_only(ticket, start), mask),
    }


def fresh_examples(samples: int = 20_000, seed: int = 7) -> tuple[Tensor, Tensor]:
    """Return MNIST-1D examples that no training has seen, all of a new draw: (X, y)."""
    drawn = mnist1d(samples, seed)
    return torch.cat([drawn.X, drawn.X_test]), torch.cat([drawn.y, drawn.y_test])


def contest(
    seeds: Sequence[int],
    *,
    rounds: int = 8,
    contested: Mapping[str, Sequence[str]] | None = None,
    rewind_step: int | None = 0,
    fraction: float = 0.36,
    steps: int = 1500,
    samples: int = 5000,
) -> dict[str, object]:
    """Find tickets for some seeds, and train controls in their place.

    Args:
        seeds: of the networks, which are trained side by side.
        rounds: of pruning.
        contested: controls by the round ("4") at which they compete; the four of `CONTROLS` at
            every second round if not given.
        rewind_step: the step to whose values each round goes back; None lets values go on.
        fraction: of the remaining weights, removed in each round; half of it in the output layer.
        steps: of each training.
        samples: of MNIST-1D; four fifths are trained on.

    Returns:
        "density", one for each round from 0 (dense), and under the name of each contestant its test
        accuracies in per cent on 20,000 fresh examples: by round, for each seed.

    Raises:
        ValueError: a round that is not reached, or an unknown control.

    Source: Frankle and Carbin (2019).
    """
    if contested is None:
        contested = {str(number): CONTROLS for number in range(2, rounds + 1, 2)}
    strange = set(contested) - {str(number) for number in range(rounds + 1)}
    if strange:
        raise ValueError(f"contested: given rounds {sorted(strange)}, expected 0 to {rounds}.")
    torch.set_num_threads(1)  # the fastest for small networks, and leaves a core to others
    data, (X, y) = mnist1d(samples), fresh_examples()
    train = Trainer((data.X, data.y), Recipe(steps=steps), seeds=seeds)
    model, start = Replicas.of(SIZES, seeds), Replicas.of(SIZES, seeds)
    fresh = Replicas.of(SIZES, [seed + 1000 for seed in seeds])

    def test(model: nn.Module) -> list[float]:
        return [100 * share for share in accuracy(model, X, y).tolist()]

    density: list[float] = []
    found: dict[str, dict[str, list[float]]] = {"ticket": {}}
    dense = start
    for done in iterative_pruning(
        model, train, rounds=rounds, fraction=fraction, rates=RATES, scope="tensor",
        rewind_step=rewind_step,
    ):  # fmt: skip
        number = str(done.number)
        density.append(done.density)
        found["ticket"][number] = test(model)
        if done.number == 0:
            dense = copy.deepcopy(model)
        ticket = Ticket(done.mask, done.rewound or start.state_dict(), tuple(seeds))
        rivals = controls(ticket, dense, start, fresh, seed=seeds[0] + 100 * done.number)
        for name in contested.get(number, ()):
            if name not in rivals:
                raise ValueError(f"contested: given {name!r}, expected one of {list(rivals)}.")
            rival = copy.deepcopy(model)
            tickets.train_from(rival, *rivals[name], train, round=done.number)
            found.setdefault(name, {})[number] = test(rival)
    return {"density": density, **found}


# The race


class Moment(NamedTuple):
    """Where a training stood.

    Attributes:
        seconds: spent in it.
        step: how many were taken.
        loss: its mean since the moment before.
        accuracy: on the test, a share.
    """

    seconds: float
    step: int
    loss: float
    accuracy: float


def train_by_clock(
    model: nn.Module,
    data: Data,
    recipe: Recipe,
    *,
    seed: int,
    mask: Mask | None = None,
    stop: int | None = None,
    looks: int = 6,
) -> list[Moment]:
    """Train one network by plain SGD, in place, and write down when it was how good.

    Args:
        model: dense, or sparse as `sparsify` makes it; the loop is the same.
        data: to learn from and to be tested on.
        recipe: how; SGD without penalties.
        seed: of the batches.
        mask: held on a dense network, as software does that knows no sparse layers.
        stop: the step to end before; all of the recipe if not given.
        looks: how often to look in a whole training, evenly; looking is not timed.

    Returns:
        A moment for each look.

    Raises:
        ValueError: a recipe with Adam, penalties or dropout.
    """
    if recipe.optimiser != "sgd" or recipe.weight_decay or recipe.l1 or recipe.dropout:
        raise ValueError(f"recipe: given {recipe}, expected SGD without penalties or dropout.")
    optimiser = SGD(model.parameters(), lr=recipe.lr, momentum=recipe.momentum, fused=True)
    order = batches(len(data.X), recipe, seed)
    marks = {round(recipe.steps * look / looks) for look in range(1, looks + 1)}
    moments: list[Moment] = []
    seconds, losses = 0.0, torch.zeros(recipe.steps)
    with hold(optimiser, model, mask if mask is not None else Mask({})):
        for step, chosen in enumerate(order[:stop]):
            begun = perf_counter()
            for group in optimiser.param_groups:
                group["lr"] = recipe.rate(step)
            optimiser.zero_grad()
            loss = cross_entropy(model(data.X[chosen]), data.y[chosen])
            loss.backward()
            optimiser.step()
            seconds += perf_counter() - begun
            losses[step] = loss.detach()
            if step + 1 in marks:
                lately = losses[moments[-1].step if moments else 0 : step + 1].mean()
                right = float(accuracy(model, data.X_test, data.y_test))
                moments.append(Moment(seconds, step + 1, float(lately), right))
    return moments


def seconds_to(moments: Sequence[Moment], wanted: float) -> float:
    """Return the seconds until a test accuracy was first seen; infinite if it never was.

    Args:
        moments: of one training.
        wanted: the accuracy, a share.

    Examples:
        >>> run = [Moment(1.0, 10, 0.7, 0.6), Moment(2.0, 20, 0.5, 0.9)]
        >>> seconds_to(run, 0.8), seconds_to(run, 0.95)
        (2.0, inf)
    """
    return min((m.seconds for m in moments if m.accuracy >= wanted), default=float("inf"))


class Race(NamedTuple):
    """What one race was like.

    Attributes:
        runs: the moments of "dense", "masked" and "sparse". The last two train the same ticket; the
            masked network stops after a third of the way, by when its path and pace are known.
        bill: seconds of what comes before the sparse run: "search" (the dense training and the
            rounds that find the mask), "conversion" and "compilation".
    """

    runs: dict[str, list[Moment]]
    bill: dict[str, float]


def race(
    seed: int,
    data: Data,
    *,
    width: int = 2048,
    recipe: Recipe = RACE,
    fractions: Sequence[float] = (0.7, 2 / 3),
) -> Race:
    """Find a ticket of a wide network, and train it against the whole network, by the clock.

    Args:
        seed: of the network and the batches.
        data: to learn from and to be tested on.
        width: of two hidden layers.
        recipe: of every training.
        fractions: of the remaining weights that the rounds of the search remove, half of it in the
            output layer.

    Raises:
        ValueError: as `prune` and `train_by_clock`.
    """
    start = mlp((data.X.shape[1], width, width, CLASSES), seed)
    runs, bill = {}, {"search": 0.0, "conversion": 0.0, "compilation": 0.0}

    def run(model: nn.Module, number: int, **how: Any) -> list[Moment]:
        return train_by_clock(model, data, recipe, seed=seed + 100 * number, **how)

    dense: nn.Module = copy.deepcopy(start)
    runs["dense"] = run(dense, 0)
    bill["search"] += runs["dense"][-1].seconds
    mask, trained, last = Mask.ones_like(start), dense, len(fractions)
    for number, fraction in enumerate(fractions, 1):
        begun = perf_counter()
        last_layer = {"4.weight": fraction / 2}
        mask = prune_model(trained, mask, fraction=fraction, rates=last_layer, scope="tensor")
        bill["search"] += perf_counter() - begun
        begun = perf_counter()
        sparse = sparsify(start, mask)
        bill["conversion"] += perf_counter() - begun
        bill["compilation"] += _first_step(sparse, data, recipe)
        moments = run(sparse, number)
        if number < last:
            bill["search"] += moments[-1].seconds
            trained = densify(sparse)
    runs["sparse"] = moments
    masked = copy.deepcopy(start)
    runs["masked"] = run(masked, last, mask=mask, stop=recipe.steps // 3)
    return Race(runs, bill)


def _first_step(model: nn.Module, data: Data, recipe: Recipe) -> float:
    """Return the seconds that a first step takes longer than a second: compiling, or loading."""
    seconds = []
    for _ in range(2):
        begun = perf_counter()
        X, y = data.X[: recipe.batch], data.y[: recipe.batch]
        cross_entropy(copy.deepcopy(model)(X), y).backward()
        seconds.append(perf_counter() - begun)
    return max(seconds[0] - seconds[1], 0.0)
