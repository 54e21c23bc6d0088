"""The checks of assignment 11. Secret: `course release` hands out the visible ones only.

Groups differ in size and in accuracy wherever a check could mistake one for another. Numbers are
far from each other on the scale of rounding.
"""

import numpy as np

from course_lib.grading import Check, Task, attr, call, module, name


def part(place, *arguments, of):
    """Ask for one part of what a function returns."""
    return call(attr(module("operator"), "getitem"), call(name(of), *arguments), place)


def people(rng, sizes, classes=3):
    """Right classes, predictions and groups, shuffled; some right and some wrong in each group."""
    y = rng.integers(0, classes, sum(sizes))
    group = np.repeat(np.arange(len(sizes)), sizes)
    wrong = (y + rng.integers(1, classes, len(y))) % classes
    right = np.zeros(len(y), dtype=bool)
    for g, size in enumerate(sizes):
        hits = rng.integers(0, 2) if size == 1 else round(size * (0.75, 0.25)[g % 2])
        right[rng.permutation(np.flatnonzero(group == g))[:hits]] = True
    order = rng.permutation(len(y))
    return y[order], np.where(right, y, wrong)[order], group[order]


def counted(place, kinds):
    def cases(rng):
        return [part(place, *people(rng, sizes), of="group_accuracies") for sizes in kinds]

    return cases


GROUP_ACCURACIES = Task(
    "group_accuracies",
    [
        Check(
            "groups",
            "counts the right ones of each of two groups",
            1.5,
            counted(0, [(4, 4), (12, 4), (8, 12)]),
            visible=True,
        ),
        Check(
            "overall",
            "counts everybody once for the overall accuracy, however large the groups are",
            1,
            counted(1, [(12, 4), (16, 4), (4, 24)]),
            visible=True,
        ),
        Check(
            "many",
            "knows as many groups as there are, some of one member",
            1,
            counted(0, [(4, 8, 12), (8, 4, 4, 1), (1, 12, 1, 8, 4)]),
        ),
        Check(
            "unchanged",
            "is right, and leaves its inputs as they were",
            0.5,
            lambda rng: [people(rng, (4, 4)), people(rng, (8, 4))],
            unchanged=True,
        ),
    ],
)


def changes(place, counts, *, steady=False):
    """Seeds that scatter a good deal, and changes that scatter less, or not at all."""

    def cases(rng):
        found = []
        for n in counts:
            before = rng.permutation(np.arange(n) * 2.0) + rng.integers(5, 9)
            shift = rng.permutation(np.arange(n)) * (0 if steady else 0.5)
            after = before + shift + float(rng.integers(1, 4)) * rng.choice([-2, 2])
            t = float(rng.choice([2.5, 2.75, 3.25]))
            found.append(part(place, before, after, t, of="paired_interval"))
        return found

    return cases


PAIRED_INTERVAL = Task(
    "paired_interval",
    [
        Check(
            "mean", "gives the mean change, after minus before", 1, changes(0, [3, 5, 8]),
            visible=True,
        ),
        Check("low", "gives the lower limit", 1.5, changes(1, [3, 5, 8]), visible=True),
        Check("high", "gives the upper limit", 1, changes(2, [2, 4, 9])),
        Check(
            "steady",
            "has no width where every seed changes alike, however the seeds differ",
            1.5,
            changes(1, [3, 4, 6], steady=True),
        ),
    ],
)  # fmt: skip


def accuracies(place, kinds):
    """Accuracies in steps of 1/20; "behind": the second group is, "ahead": it is not."""

    def cases(rng):
        found = []
        for kind in kinds:
            low, high = np.sort(rng.choice(np.arange(8, 19), 2, replace=False)) / 20
            a, b = (high, low) if kind == "behind" else (low, high)
            chance = float(rng.choice([0.12, 0.17, 0.23]))
            found.append(part(place, float(a), float(b), chance, of="rulers"))
        return found

    return cases


RULERS = Task(
    "rulers",
    [
        Check(
            "gap", "gives the gap where the second group is behind", 1,
            accuracies(0, ["behind"] * 3), visible=True,
        ),
        Check("sign", "keeps the sign of the gap", 0.5, accuracies(0, ["ahead"] * 3)),
        Check(
            "ratio", "divides errors, the second group's by the first's", 1.5,
            accuracies(1, ["behind", "behind", "ahead"]), visible=True,
        ),
        Check(
            "headroom", "measures the gap by what it could be at most", 1,
            accuracies(2, ["behind"] * 3),
        ),
    ],
)  # fmt: skip


def bodies(kinds):
    """Columns of votes, before and after: examples and, in each column, networks in any order."""

    def cases(rng):
        found = []
        for pairs in kinds:
            shuffled = [np.array(pairs[i]) for i in rng.permutation(len(pairs))]
            votes = [rng.permutation(column, axis=1) for column in shuffled]
            before, after = np.stack(votes, axis=-1)
            found.append((before, after))
        return found

    return cases


CLEAR = [([0] * 5, [0] * 5), ([1] * 5, [2] * 5), ([2] * 5, [2] * 5)]
# Four of five networks have changed, and the body has not; or one has, and the body with it.
CALM = [([1, 1, 1, 0, 0], [0, 0, 1, 1, 1]), ([0, 0, 0, 1, 1], [2, 2, 0, 0, 0])]
TURNED = [([2, 2, 2, 0, 0], [2, 2, 0, 0, 0]), ([0, 0, 0, 1, 1], [0, 0, 1, 1, 1])]
SPLIT = [([1, 1, 1, 0, 0], [1, 1, 1, 0, 0])]
TIED = [([2, 2, 1, 1], [1, 1, 1, 1]), ([3, 3, 0, 0], [3, 3, 3, 3]), ([1, 1, 1, 1], [1, 1, 1, 1])]

EXEMPLARS = Task(
    "exemplars",
    [
        Check(
            "clear", "finds where all networks have changed their answer", 1,
            bodies([CLEAR, CLEAR * 2, [*CLEAR, CLEAR[1]]]), visible=True,
        ),
        Check(
            "body", "asks the body, not one network, nor how many have changed", 1.5,
            bodies([CALM + TURNED, [*CALM, *CALM, *TURNED], [*TURNED, *TURNED, *CALM]]),
        ),
        Check(
            "ties", "answers with the smallest of the classes that tie", 0.5,
            bodies([TIED, TIED * 2, [*TIED, TIED[1]]]),
        ),
        Check(
            "none", "returns nothing where no body has changed", 0.5,
            bodies([[CLEAR[0], CLEAR[2]], CALM, CALM * 2]),
        ),
        Check(
            "unchanged", "is right, and leaves its inputs as they were", 0.5,
            bodies([CLEAR + SPLIT, CLEAR + SPLIT * 2, CLEAR * 2 + SPLIT]), unchanged=True,
        ),
    ],
)  # fmt: skip


# Of the majority and of the minority: how many stay right, are lost, are won, stay wrong.
FATES = [
    ((6, 3, 1, 2), (2, 4, 2, 3)),
    ((9, 2, 1, 4), (1, 3, 2, 1)),
    ((5, 5, 2, 0), (1, 1, 3, 0)),
]


def pruned(rng, fates):
    """Arguments of report_card: right classes, groups, predictions before and after."""
    right = np.array([(1, 1), (1, 0), (0, 1), (0, 0)], dtype=bool)
    fate = np.concatenate([np.repeat(np.arange(4), counts) for counts in fates])
    group = np.repeat([0, 1], [sum(counts) for counts in fates])
    order = rng.permutation(len(fate))
    right, group = right[fate[order]], group[order]
    y = rng.integers(0, 3, len(order))
    wrong = (y[:, None] + rng.integers(1, 3, (len(order), 2))) % 3
    before, after = np.where(right, y[:, None], wrong).T
    return y, group, before.copy(), after.copy()


def entry(key):
    return lambda rng: [part(key, *pruned(rng, fates), of="report_card") for fates in FATES]


def keys(rng):
    """The keys of the card, in the order of the alphabet."""
    card = call(name("report_card"), *pruned(rng, FATES[0]))
    return [call(attr(module("builtins"), "sorted"), card)]


REPORT_CARD = Task(
    "report_card",
    [
        Check("overall", "gives the accuracy of everybody", 0.5, entry("overall"), visible=True),
        Check("gap", "gives the gap, majority minus minority", 1, entry("gap"), visible=True),
        Check("lost", "counts what was lost in each group", 1, entry("lost"), visible=True),
        Check("won", "counts what was won in each group", 1, entry("won")),
        Check("keys", "has the four keys and no other", 0.5, keys),
    ],
)

TASKS = [GROUP_ACCURACIES, PAIRED_INTERVAL, RULERS, EXEMPLARS, REPORT_CARD]
