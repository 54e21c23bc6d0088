"""Wrong experiments of chapter 14: each must turn its claim red."""

import functools

import numpy as np
import torch

from course_lib.labs import sensors as lab
from course_lib.labs.sensors import Sensors
from course_lib.masks import top_k
from course_lib.teaching import interval
from course_lib.training.data import digits
from course_lib.training.fit import Recipe
from course_lib.training.replicas import Replicas, fit_replicas
from tests.notebooks.harness import sabotage

CHAPTER = "14_statistics"
SETS = range(30)


def gaussian(rng):
    return rng.standard_normal((14, 4))


# --- C37: the trace is the error


@functools.cache
def searched(draw=gaussian, noise=0.1):
    """Sets of sensors with all of their choices of six."""
    sets = [Sensors.of(draw(np.random.default_rng(s)), noise) for s in SETS]
    return [(each, lab.exhaustive(each, 6)) for each in sets]


def simulated(sensors, mask, estimate, rng, count=1000):
    theta = rng.standard_normal((count, 4))
    noise = np.sqrt(sensors.noise) * rng.standard_normal((count, 14))
    found = estimate(sensors, mask, theta @ sensors.A.T + noise)
    return ((found - theta) ** 2).sum(axis=1).mean()


def errors(
    best=lambda sensors, found: found.best,
    estimate=lab.posterior_mean,
    greedy=lambda sensors: lab.greedy(sensors, 6),
):
    """What the evidence cell of C37 reads, with parts of the experiment exchanged."""
    promised, wins, paid = [], [], []
    for s, (each, found) in enumerate(searched()):
        made = [
            simulated(each, mask, estimate, np.random.default_rng([9, s]))
            for mask in (best(each, found), lab.loudest(each, 6))
        ]
        promised.append(made[0] / found.least)
        wins.append(made[0] <= 1.05 * made[1])
        paid.append(float(lab.cost(each, greedy(each))) / found.least)
    ratio, low, high = interval(promised)
    return {
        "ratio": ratio, "ratio_low": low, "ratio_high": high,
        "best_wins": np.mean(wins), "usual": np.median(paid), "worst": max(paid),
    }  # fmt: skip


@sabotage(CHAPTER, "C37")
def the_trace_of_the_information():
    """Whoever maximises it reads the loudest."""
    return errors(best=lambda sensors, found: lab.loudest(sensors, 6))


@sabotage(CHAPTER, "C37")
def noise_variance_inverted():
    def estimate(sensors, mask, readings):
        return lab.posterior_mean(Sensors.of(sensors.A, 1 / sensors.noise), mask, readings)

    return errors(estimate=estimate)


@sabotage(CHAPTER, "C37")
def no_prior():
    """Least squares, as if nothing were known beforehand."""

    def estimate(sensors, mask, readings):
        return readings[:, mask] @ np.linalg.pinv(sensors.A[mask]).T

    return errors(estimate=estimate)


@sabotage(CHAPTER, "C37")
def greedy_that_never_looks_at_what_it_has():
    def alone(sensors):
        nothing = lab.posterior_root(sensors, np.zeros(14, dtype=bool))
        gains = -lab.a_cost(lab.read_one(nothing, sensors))
        return top_k(torch.from_numpy(gains), 6).numpy()

    return errors(greedy=alone)


# --- C38: the loudest


def vary(rng):
    return lab.directions(14, 4, rng) * np.exp(rng.standard_normal((14, 1)))


def equal(rng):
    return lab.directions(14, 4, rng)


def overlap(rng):
    return lab.redundant_rows(14, 4, 0.85, rng)


def apart(rng):
    return lab.redundant_rows(14, 4, 0.0, rng)


def against_lots(draw, choose):
    ratios = [lab.cost(s, choose(s, found)) / found.lottery for s, found in searched(draw)]
    return tuple(float(np.exp(part)) for part in interval(np.log(ratios)))


@functools.cache
def exact(stretch):
    """How often the 3 loudest of 8 orthogonal sensors are the best."""
    hits = []
    for s in SETS:
        rng = np.random.default_rng(s)
        rows = np.linalg.qr(rng.standard_normal((8, 8)))[0] * np.exp(rng.standard_normal((8, 1)))
        each = Sensors.of(rows, 0.3, np.diag(np.exp(stretch * rng.standard_normal(8))))
        hits.append((lab.exhaustive(each, 3).best == lab.loudest(each, 3)).all())
    return np.array(hits)


@functools.cache
def neurons(shuffled):
    """Points of accuracy by which the longest outgoing weights beat lots, with 10 units."""
    data, seeds = digits(0), range(5)
    network = Replicas.of((64, 100, 10), seeds)
    fit_replicas(network, (data.X, data.y), Recipe(steps=300), seeds=seeds)
    with torch.no_grad():
        hidden, test = (network[1](network[0](X)).double().numpy() for X in (data.X, data.X_test))
        logits = network(data.X).double().numpy()
    outgoing = network.layers[1].weight.detach().double().norm(dim=1)

    def refit(s, mask):
        kept, seen = (np.pad(h[s][:, mask], ((0, 0), (0, 1)), constant_values=1)
                      for h in (hidden, test))  # fmt: skip
        fitted = np.linalg.lstsq(kept, logits[s], rcond=None)[0]
        return 100 * ((seen @ fitted).argmax(axis=1) == data.y_test.numpy()).mean()

    ahead = []
    for s in seeds:
        rng = np.random.default_rng(s)
        scores = [outgoing[s].numpy(), *rng.random((6, 100))]
        longest, *lots = (refit(s, top_k(torch.as_tensor(v), 10).numpy()) for v in scores)
        ahead.append((lots[0] if shuffled else longest) - np.mean(lots[1:]))
    return interval(ahead)


def loudness(
    overlapping=overlap,
    varied=vary,
    choose=lambda sensors, found: lab.loudest(sensors, 6),
    stretch=0.0,
    shuffled=False,
):
    """What the evidence cell of C38 reads, with parts of the experiment exchanged."""
    cost, low, high = against_lots(overlapping, choose)
    vary_cost, _, vary_high = against_lots(varied, choose)
    ahead, ahead_low, _ = neurons(shuffled)
    return {
        "overlap_cost": cost, "overlap_low": low, "overlap_high": high,
        "vary_cost": vary_cost, "vary_high": vary_high,
        "equal_cost": against_lots(equal, choose)[0],
        "isotropic": exact(stretch), "stretched": exact(2.0),
        "by_length": ahead, "by_length_low": ahead_low,
    }  # fmt: skip


@sabotage(CHAPTER, "C38")
def loud_sensors_that_do_not_overlap():
    return loudness(overlapping=apart)


@sabotage(CHAPTER, "C38")
def equal_lengths_passed_off_as_varied():
    return loudness(varied=equal)


@sabotage(CHAPTER, "C38")
def the_best_passed_off_as_the_loudest():
    return loudness(choose=lambda sensors, found: found.best)


@sabotage(CHAPTER, "C38")
def a_stretched_prior_passed_off_as_even():
    return loudness(stretch=2.0)


@sabotage(CHAPTER, "C38")
def neurons_by_lot_passed_off_as_the_longest():
    return loudness(shuffled=True)
