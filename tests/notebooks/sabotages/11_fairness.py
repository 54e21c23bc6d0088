"""Wrong experiments of chapter 11: each must turn its claim red."""

import functools

import numpy as np
import torch

from course_lib.labs import people
from course_lib.labs.fairness import accuracies, at_one_stroke, in_rounds, logits
from course_lib.teaching import interval
from course_lib.training.data import digits, mnist1d
from course_lib.training.fit import Recipe
from tests.notebooks.harness import sabotage

CHAPTER = "11_fairness"
WAYS = {"at one stroke": at_one_stroke, "in rounds": in_rounds}
DENSE, EARLY, LATE = range(3)


@functools.cache
def predictions(task, way):
    """A small honest experiment: right classes, predictions (3, S, n) and groups."""
    torch.set_num_threads(1)
    data = digits() if task == "digits" else mnist1d(5_000)
    change = people.transposed if task == "digits" else people.scrambled

    def make(seed):
        return people.with_minority(data, change, share=0.1, seed=seed)

    found = logits(make, WAYS[way], [0.41, 0.03], range(6), recipe=Recipe(steps=250, lr=0.2))
    return make(0).y_test.numpy(), found.argmax(dim=-1).numpy(), make(0).group_test


def gaps(task, way, group=None, names=("majority", "minority")):
    """The gap in points, (3, S), of dense networks, early and late."""
    y, predicted, own = predictions(task, way)
    rows = [accuracies(y, guesses, own if group is None else group) for guesses in predicted]
    return np.array([100 * (row[names[0]] - row[names[1]]) for row in rows])


def judged(early=EARLY, late=LATE, dense=DENSE, curves=("curves", "in rounds"), **how):
    """What the evidence cell reads, from what is passed off for each."""
    found = {way: gaps("digits", way, **how) for way in WAYS}
    changes = {way: interval(g[late] - g[dense]) for way, g in found.items()}
    away = gaps(*curves)
    narrowing, _, narrow_high = interval(away[LATE] - away[DENSE])
    return {
        "late": changes,
        "least": min(low for _, low, _ in changes.values()),
        "twice": changes["in rounds"],  # only told in the note
        "early": {way: (g[early] - g[DENSE]).mean() for way, g in found.items()},
        "narrowing": narrowing,
        "narrow_high": narrow_high,
    }


@sabotage(CHAPTER, "C30")
def the_same_network_before_and_after():
    return judged(late=DENSE)


@sabotage(CHAPTER, "C30")
def hardly_pruned_passed_off_as_hard():
    return judged(late=EARLY)


@sabotage(CHAPTER, "C30")
def hard_pruned_passed_off_as_hardly():
    """The gap would then widen at any density, and there would be no condition."""
    return judged(early=LATE)


@sabotage(CHAPTER, "C30")
def before_and_after_exchanged():
    return judged(late=DENSE, dense=LATE)


@sabotage(CHAPTER, "C30")
def the_minority_taken_for_the_majority():
    return judged(names=("minority", "majority"))


@sabotage(CHAPTER, "C30")
def groups_dealt_at_random():
    *_, group = predictions("digits", "in rounds")
    return judged(group=np.random.default_rng(0).permutation(group))


@sabotage(CHAPTER, "C30")
def digits_passed_off_as_the_curves():
    """Where there is no task on which the gap closes, there is no other side."""
    return judged(curves=("digits", "in rounds"))
