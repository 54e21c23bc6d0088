"""Wrong experiments of chapter 06: each must turn its claim red."""

import functools
import math

import numpy as np

from course_lib.labs import chance
from tests.notebooks.harness import sabotage

CHAPTER = "06_chance"
N, S, DEALS = 10, 2, 1_000_000
NAME = "bell curve, σ = 1"


@functools.cache
def dealt(tau=None, spread=1.0):
    return chance.deal(N, S, DEALS, np.random.default_rng(1), tau=tau, spread=spread)


@functools.cache
def best():
    return chance.best_threshold(N, S)


def by_threshold(tau):
    return math.exp(chance.log_odds_threshold(N, S, chance.log_tail(tau)))


def judged(top=None, top_odds=1 / 45, threshold_odds=None, peak=0.2, log_odds=None):
    """What the evidence cell reads, from what was dealt and what formulas are passed off."""
    top = top or dealt()
    threshold_odds = by_threshold(best()) if threshold_odds is None else threshold_odds
    contests = [(top_odds, top), (threshold_odds, dealt(best()))]
    bounds = [counted.interval(0.9999) for _, counted in contests]
    exact = -math.log(math.comb(1000, 100))
    return {
        "largest": {NAME: top},
        "agree": all(a <= p <= b for (p, _), (a, b) in zip(contests, bounds, strict=True)),
        "widest": 0.1 if top.trials >= DEALS else (bounds[0][1] - bounds[0][0]) / top_odds,
        "off_peak": abs(peak - S / N),
        "off_log": abs((exact if log_odds is None else log_odds) / exact - 1),
    }


@sabotage(CHAPTER, "C16")
def one_tail_of_two():
    q = math.exp(chance.log_tail(best())) / 2
    return judged(threshold_odds=q**S * (1 - q) ** (N - S))


@sabotage(CHAPTER, "C16")
def the_others_may_pass():
    return judged(threshold_odds=(S / N) ** S)


@sabotage(CHAPTER, "C16")
def supports_counted_in_every_order():
    return judged(top_odds=1 / math.perm(N, S))


@sabotage(CHAPTER, "C16")
def the_threshold_that_suits_the_true_ones_alone():
    trial_q = np.linspace(0.001, 0.999, 999)
    return judged(peak=trial_q[(S * np.log(trial_q)).argmax()])


@sabotage(CHAPTER, "C16")
def true_weights_that_were_dealt_larger():
    return judged(top=dealt(spread=tuple(np.where(np.arange(N) < S, 1.2, 1.0))))


@sabotage(CHAPTER, "C16")
def deals_that_are_copies():
    batch = chance.deal(N, S, 500, np.random.default_rng(0))
    return judged(top=chance.Counted(batch.successes * 2000, batch.trials * 2000))


@sabotage(CHAPTER, "C16")
def too_few_deals_to_tell_anything():
    return judged(top=chance.deal(N, S, 500, np.random.default_rng(1)))


@sabotage(CHAPTER, "C16")
def logarithms_to_another_base():
    return judged(log_odds=chance.log_odds_top_k(1000, 100) / math.log(10))
