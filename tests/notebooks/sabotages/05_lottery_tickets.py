"""Wrong experiments of chapter 05: each must turn its claim red."""

import functools

import numpy as np
import torch

from course_lib.labs import lottery
from course_lib.teaching import interval
from course_lib.training.data import Data, mnist1d
from course_lib.training.fit import Recipe
from tests.notebooks.harness import sabotage

CHAPTER = "05_lottery_tickets"
CONTESTED = [2, 4, 6, 8]
SEEDS = [0, 1, 2, 3]


@functools.cache
def trial():
    """A short contest: (densities, accuracies by contestant and round)."""
    threads = torch.get_num_threads()
    try:
        names = ["reinitialised", "shuffled", "one cut", "before training"]
        found = lottery.contest(
            SEEDS, rounds=8, steps=150, contested={str(t): names for t in CONTESTED}
        )
    finally:
        torch.set_num_threads(threads)
    density = found.pop("density")
    return density, {
        name: {int(t): np.array(values) for t, values in rounds.items()}
        for name, rounds in found.items()
    }


def contest(**passed_off):
    """What the evidence cells of C11 to C13 read, with one contestant passed off for another.

    passed_off: the role and who plays it: ticket="shuffled".
    """
    density, honest = trial()
    result = dict(honest)
    for role, player in passed_off.items():
        result[role] = {**honest[role], **honest[player]}
    gap = {
        (name, t): interval(result["ticket"][t] - result[name][t])
        for name in ("reinitialised", "shuffled", "one cut", "before training")
        for t in CONTESTED
    }
    to_whole = {t: interval(result["ticket"][t] - result["ticket"][0]) for t in range(1, 9)}
    return {
        "density": density, "contested": CONTESTED, "gap": gap, "to_whole": to_whole,
        "margin": 1.0,
    }  # fmt: skip


@sabotage(CHAPTER, "C13")
def a_ticket_passed_off_as_its_own_control():
    return contest(reinitialised="ticket")


@sabotage(CHAPTER, "C13")
def other_wiring_passed_off_as_the_ticket():
    return contest(ticket="shuffled")


@sabotage(CHAPTER, "C11")
def a_ticket_with_too_few_weights():
    read = contest()
    return read | {"to_whole": {2: read["to_whole"][8]}}


@sabotage(CHAPTER, "C11")
def a_mask_from_before_training():
    read = contest(ticket="before training")
    return read | {"to_whole": {2: read["to_whole"][4]}}


def dense_itself(t):
    """The dense network in the ticket's place at a round."""
    whole = trial()[1]["ticket"][0]
    return {"to_whole": {t: interval(whole - whole)}}


@sabotage(CHAPTER, "C11")
def hardly_anything_was_removed():
    density, _ = trial()
    read = contest() | dense_itself(2)
    return read | {"density": [*density[:2], density[1]]}


def about(means):
    """Differences by round, from the first, each with an interval of half a point either way."""
    return {t: (mean, mean - 0.5, mean + 0.5) for t, mean in enumerate(means, 1)}


def on_both_tasks(**wrong):
    """What the evidence cell of C12 reads: numbers like the chapter's, under which it stands.

    The short contest will not do: there tickets learn faster than the whole, and end ahead of it.
    wrong: what differs.
    """
    density = [0.8 ** (2 * t) for t in range(9)]
    return {
        "density": density,
        "kept": [0.9 * share for share in density],
        "to_whole": about([-0.3, -0.1, -0.4, -0.9, -2.2, -4.6, -7.9, -12.8]),
        "on_digits": about([0.1, -0.1, -0.4, 0.0, -0.2, -0.2]),
        "small_is": "undecided",
        "margin": 1.0,
    } | wrong


@sabotage(CHAPTER, "C12")
def the_dense_network_passed_off_as_a_ticket():
    honest = on_both_tasks()["to_whole"]
    return on_both_tasks(to_whole=honest | dense_itself(6)["to_whole"])


@sabotage(CHAPTER, "C12")
def no_task_leaves_room():
    return on_both_tasks(on_digits=on_both_tasks()["to_whole"])


@sabotage(CHAPTER, "C12")
def a_ticket_that_is_better_somewhere():
    honest = on_both_tasks()["on_digits"]
    return on_both_tasks(on_digits=honest | {2: (0.6, 0.3, 0.9)})


@sabotage(CHAPTER, "C12")
def too_few_seeds_to_tell():
    honest = on_both_tasks()["on_digits"]
    return on_both_tasks(on_digits=honest | {4: (0.0, -2.0, 2.0)})


@sabotage(CHAPTER, "C12")
def a_larger_part_of_the_easier_task():
    return on_both_tasks(kept=[1.0] * 7)


@sabotage(CHAPTER, "C14")
def rewound_to_the_same_step_twice():
    _, result = trial()
    overall = interval(result["ticket"][6] - result["ticket"][6])
    without = {t: interval(result["ticket"][t] - result["one cut"][t]) for t in CONTESTED}
    return {"overall": overall, "without": without, "density": trial()[0]}


@sabotage(CHAPTER, "C14")
def rewinding_compared_with_itself():
    _, result = trial()
    without = {t: interval(result["ticket"][t] - result["ticket"][t]) for t in CONTESTED}
    overall = interval(result["ticket"][6] - result["shuffled"][6])
    return {"overall": overall, "without": without, "density": trial()[0]}


@functools.cache
def races():
    """Two races of a network far too small to gain anything."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        data = mnist1d()
        few = Data(data.X, data.y, data.X_test[:200], data.y_test[:200])
        return [lottery.race(s, few, width=64, recipe=Recipe(steps=30)) for s in range(2)]
    finally:
        torch.set_num_threads(threads)


def clocked(found, speedup=None, total=None):
    """What the evidence cell of C15 reads."""
    pace = {
        way: np.array([r.runs[way][-1].seconds / r.runs[way][-1].step for r in found])
        for way in ("dense", "masked", "sparse")
    }
    arrived = {
        way: np.array([r.runs[way][-1].seconds for r in found]) for way in ("dense", "sparse")
    }
    paths = [zip(r.runs["masked"], r.runs["sparse"], strict=False) for r in found]
    return {
        "same_path": max(abs(a.loss - b.loss) for path in paths for a, b in path),
        "slowed": pace["masked"].mean() / pace["dense"].mean(),
        "pace": pace,
        "arrived": arrived,
        "speedup": arrived["dense"] / arrived["sparse"] if speedup is None else speedup,
        "total": arrived["dense"].mean() + 1 if total is None else total,
    }


@sabotage(CHAPTER, "C15")
def a_network_too_small_to_gain():
    return clocked(races())


@sabotage(CHAPTER, "C15")
def a_mask_passed_off_as_sparse():
    found = [r._replace(runs=r.runs | {"sparse": r.runs["masked"]}) for r in races()]
    read = clocked(found)
    return read | {"speedup": read["pace"]["dense"] / read["pace"]["masked"]}


@sabotage(CHAPTER, "C15")
def a_search_that_costs_nothing():
    return clocked(races(), speedup=np.array([4.0, 4.1]), total=0.0)


@sabotage(CHAPTER, "C15")
def masked_and_sparse_are_two_different_tickets():
    other = races()[::-1]
    found = [
        r._replace(
            runs=r.runs | {"sparse": [m._replace(loss=m.loss + 1) for m in o.runs["sparse"]]}
        )
        for r, o in zip(races(), other, strict=True)
    ]
    return clocked(found, speedup=np.array([4.0, 4.1]))
