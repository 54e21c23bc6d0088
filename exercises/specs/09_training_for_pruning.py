"""The checks of assignment 09. Secret: `course release` hands out the visible ones only.

Means are compared only where they are equal or differ by a half at least, and random numbers keep
their distance from the probability: rounding decides nothing.
"""

import numpy as np

from course_lib.grading import Check, Task, attr, call, module, name

# --- adamw_step


def moments(rng, size, *, decay, biases):
    """The arguments of one step: the first, or a later one with averages behind it."""
    t = int(rng.choice([1, 2, 7]))
    w, m, g = rng.integers(1, 9, (3, size)) / 2 * rng.choice([-1, 1], (3, size))
    v = rng.integers(1, 9, size) / 4
    if t == 1:
        m, v = np.zeros(size), np.zeros(size)
    is_weight = np.ones(size, dtype=bool)
    if biases:
        is_weight[rng.choice(size, size // 2, replace=False)] = False
    return w, m, v, g, t, 0.25, decay, is_weight


def updates(part, *, decay=0.0, biases=False):
    """Calls that ask for the parameters (0) or for one of the averages (1, 2) after a step."""

    def cases(rng):
        take = attr(module("operator"), "getitem")
        found = []
        for size in (2, 3, 5, 6):
            step = call(name("adamw_step"), *moments(rng, size, decay=decay, biases=biases))
            found += [call(take, step, number) for number in part]
        return found

    return cases


ADAMW_STEP = Task(
    "adamw_step",
    [
        Check("plain", "without decay, does the step of Adam", 1.5, updates([0]), visible=True),
        Check("averages", "keeps both averages", 1, updates([1, 2]), visible=True),
        Check("weights", "lets weights decay, at the learning rate", 2, updates([0], decay=0.5)),
        Check(
            "biases", "does not let biases decay", 1, updates([0], decay=0.5, biases=True)
        ),
        Check("apart", "keeps the decay out of the averages", 1, updates([1, 2], decay=0.5)),
        Check(
            "unchanged",
            "is right, and leaves its inputs as they were",
            0.5,
            lambda rng: [moments(rng, size, decay=0.5, biases=True) for size in (3, 4)],
            unchanged=True,
        ),
    ],
)  # fmt: skip


# --- dropout


def activations(shapes, probabilities, training):
    """Activations and random numbers, of which some silence and some do not."""

    def cases(rng):
        found = []
        for shape, p in zip(shapes, probabilities, strict=True):
            count = int(np.prod(shape))
            silent = rng.permutation(np.resize([True, False, False], count))
            u = np.where(
                silent, p * rng.uniform(0, 0.9, count), 1 - (1 - p) * 0.9 * rng.random(count)
            )
            h = rng.integers(1, 9, count).astype(float)
            found.append((p, h.reshape(shape), u.reshape(shape), training))
        return found

    return cases


DROPOUT = Task(
    "dropout",
    [
        Check(
            "training",
            "silences and scales in training",
            1.5,
            activations([(3,), (5,), (8,)], [0.2, 0.5, 0.75], True),
            visible=True,
        ),
        Check(
            "use",
            "changes nothing in use",
            1,
            activations([(3,), (6,), (2, 4)], [0.5, 0.25, 0.2], False),
        ),
        Check(
            "tables",
            "silences each activation of a table by its own number",
            1,
            activations([(4, 3), (2, 5), (3, 2)], [0.25, 0.2, 0.5], True),
        ),
        Check(
            "unchanged",
            "is right, and leaves its inputs as they were",
            0.5,
            activations([(4,), (6,)], [0.2, 0.25], True),
            unchanged=True,
        ),
    ],
)


# --- density_at


def schedules(*places):
    """Calls at the given places of the way from begin (0) to end (1), or outside it."""

    def cases(rng):
        found = []
        for place in places:
            begin, length = int(rng.integers(1, 9)) * 20, int(rng.integers(2, 9)) * 40
            density = float(rng.choice([0.05, 0.1, 0.25, 0.3]))
            step = begin + round(place * length)
            found.append((step, begin, begin + length, density))
        return found

    return cases


DENSITY_AT = Task(
    "density_at",
    [
        Check(
            "between",
            "falls along the cubic",
            1.5,
            schedules(0.25, 0.5, 0.7),
            visible=True,
        ),
        Check("ends", "begins at 1 and ends at the density", 0.5, schedules(0, 1, 0, 1)),
        Check(
            "outside",
            "keeps all before the beginning, and stays after the end",
            1,
            lambda rng: [(0, 40, 80, 0.25), *schedules(-0.2, 1.3, 2, 1.1)(rng)],
        ),
    ],
)


# --- tune_and_report


def tables(schedules, rates, seeds, *, agree=True, ties=False, lucky=False, skewed=False):
    """Accuracies of which every schedule has its best rate at another place.

    agree: does the test set rank the rates as the validation set does? ties: do two rates share the
    highest mean? lucky: has another rate the best single seed? skewed: is the mean, of four seeds,
    far above the median?
    """

    def cases(rng):
        found = []
        for _ in range(3):
            validation = np.empty((schedules, rates, seeds))
            test = np.empty_like(validation)
            places = rng.permutation(rates)
            for i in range(schedules):
                best, other = places[i % rates], places[(i + 1) % rates]
                ranks = rng.permutation(np.arange(rates)) * 1.0
                ranks[best] = rates + 1
                if ties:
                    ranks[other] = ranks[best]
                means = 50 + 2 * ranks
                validation[i] = means[:, None]
                seen = means if agree else means[::-1] if best != rates - 1 - best else -means + 120
                test[i] = seen[:, None] - 1.5 - i
                if lucky:
                    validation[i, other, 0] = means[best] + 5
                    validation[i, other, 1] -= means[best] + 5 - means[other]
                elif skewed:
                    validation[i, best] += [-9, 27, -9, -9]
                else:
                    spread = np.resize([0.25, -0.25], seeds)
                    validation[i] += spread
                test[i] += [-1, -1, 3, -1] if skewed else np.resize([0.5, -0.5], seeds)
            found.append((validation, test))
        return found

    return cases


TUNE_AND_REPORT = Task(
    "tune_and_report",
    [
        Check(
            "one",
            "chooses and reports for a single schedule",
            1,
            tables(1, 3, 2),
            visible=True,
        ),
        Check("several", "gives every schedule a rate of its own", 1, tables(3, 4, 2)),
        Check("honest", "does not look at the test set to choose", 1, tables(1, 4, 2, agree=False)),
        Check(
            "seeds",
            "goes by the mean, not by a lucky seed nor by the one in the middle",
            0.5,
            lambda rng: [
                *tables(1, 3, 4, lucky=True)(rng),
                *tables(1, 3, 4, skewed=True)(rng),
            ],
        ),
        Check("ties", "takes the first of two equal rates", 0.5, tables(1, 4, 2, ties=True)),
    ],
)


# --- leftover


def pairs(shapes, *, flipped=False):
    """Initial and final weights at a middling angle, c positive or negative."""

    def cases(rng):
        found = []
        while len(found) < len(shapes):
            shape = shapes[len(found)]
            initial = rng.integers(1, 6, shape) * rng.choice([-1.0, 1.0, 1.0], shape)
            final = initial * 1.5 + rng.integers(-6, 7, shape)
            product = (initial * final).sum()
            share = product**2 / ((initial**2).sum() * (final**2).sum() + 1e-9)
            if product > 0 and 0.15 < share < 0.75:
                found.append((initial, -final if flipped else final))
        return found

    return cases


def extremes(rng):
    """Final weights that are a multiple of the initial ones, or orthogonal to them."""
    found = []
    for size in (2, 4, 6, 8):
        initial = rng.integers(1, 6, size).astype(float)
        turned = initial[::-1] * np.resize([1.0, -1.0], size)
        found += [(initial, 3 * initial), (initial, 2 * turned)]
    return found


LEFTOVER = Task(
    "leftover",
    [
        Check("extremes", "knows all of it from nothing of it", 1, extremes, visible=True),
        Check("part", "measures a part of it", 1.5, pairs([(2,), (4,), (7,)]), visible=True),
        Check(
            "flipped",
            "counts a start whose sign was turned",
            0.5,
            pairs([(3,), (5,)], flipped=True),
        ),
        Check("tables", "takes a table as one vector", 1, pairs([(2, 3), (4, 2), (3, 3)])),
    ],
)

TASKS = [ADAMW_STEP, DROPOUT, DENSITY_AT, TUNE_AND_REPORT, LEFTOVER]
