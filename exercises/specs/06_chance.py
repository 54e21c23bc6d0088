"""The checks of assignment 06. Secret: `course release` hands out the visible ones only.

Chances of task 1 are at least 0.005, and sizes in a deal are whole numbers: rounding decides
nothing.
"""

import math

import numpy as np

from course_lib.grading import Check, Task, attr, call, module, name


def item(task, number, *arguments):
    """A call of a task that asks for one entry of the tuple it returns."""
    return call(attr(module("operator"), "getitem"), call(name(task), *arguments), number)


def thresholds(*games, sigmas=(1.0,)):
    """Calls of threshold_odds for games (N, s), at thresholds that leave the odds a size."""

    def cases(rng):
        found = []
        for N, s in games:
            while True:
                sigma = float(rng.choice(sigmas))
                ratio = round(float(rng.uniform(0.4, 1.5)), 2)
                q = math.erfc(ratio / math.sqrt(2))
                if q**s * (1 - q) ** (N - s) >= 0.005:
                    break
            found.append((N, s, ratio * sigma, sigma))
        return found

    return cases


THRESHOLD_ODDS = Task(
    "threshold_odds",
    [
        Check(
            "passes",
            "where all weights are true, they all have to pass",
            1.5,
            thresholds((1, 1), (2, 2), (3, 3)),
            visible=True,
        ),
        Check(
            "stays",
            "the others have to stay behind",
            2,
            thresholds((3, 1), (5, 2), (6, 2), (4, 3)),
            visible=True,
        ),
        Check(
            "spread",
            "the threshold is measured in standard deviations",
            1.5,
            thresholds((2, 1), (4, 2), (5, 1), sigmas=(0.25, 3.0)),
        ),
        Check(
            "edges",
            "knows the odds without a true weight, and those at a threshold of 0",
            1,
            lambda rng: [
                *thresholds((2, 0), (3, 0))(rng),
                (3, 3, 0.0, 1.0),
                (int(rng.integers(4, 7)), 2, 0.0, 2.0),
            ],
        ),
    ],
)


def games(low, high, sigmas=(1.0,), *, most=0.45):
    """Calls of best_threshold with several shares of true weights."""

    def cases(rng):
        found = []
        for sigma in (*sigmas, *sigmas):
            N = int(rng.integers(low, high))
            found.append((N, int(rng.integers(1, max(2, int(most * N)))), sigma))
        return found

    return cases


BEST_THRESHOLD = Task(
    "best_threshold",
    [
        Check("tails", "counts both ends of the bell curve", 2, games(5, 40), visible=True),
        Check("spread", "grows with the spread", 1, games(5, 40, (0.2, 5.0, 40.0))),
        Check(
            "rare",
            "finds it for a few true weights of very many, and for nearly all",
            1,
            lambda rng: [
                (int(rng.integers(10_000, 1_000_000)), int(rng.integers(1, 20)), 1.0),
                *((N, N - 1, 1.0) for N in rng.integers(4, 40, 2).tolist()),
            ],
        ),
    ],
)


def deals(count, weights, s, wins, *, signs=(1,)):
    """Values and true places with so many deals won; of the others, some miss by one weight."""
    count, weights, s, wins = int(count), int(weights), int(s), int(wins)

    def draw(rng):
        true = np.zeros(weights, bool)
        true[rng.choice(np.arange(1, weights), s, replace=False)] = True  # not the first places
        values = np.zeros((count, weights))
        for row, won in zip(values, rng.permutation(np.arange(count) < wins), strict=True):
            sizes = np.sort(rng.permutation(np.arange(1, 3 * weights))[:weights])[::-1].copy()
            if not won:  # the least of the largest goes elsewhere
                sizes[[s - 1, s]] = sizes[[s, s - 1]]
            row[true], row[~true] = rng.permutation(sizes[:s]), rng.permutation(sizes[s:])
        return values * rng.choice(signs, values.shape), true

    return draw


def estimates(number, *tables, signs=(1,)):
    """Calls of estimate that ask for the share (0) or the error (1), for (n, N, s, wins)."""
    return lambda rng: [item("estimate", number, *deals(*t, signs=signs)(rng)) for t in tables]


ESTIMATE = Task(
    "estimate",
    [
        Check(
            "share",
            "counts the deals that found all true ones, where values are positive",
            1.5,
            estimates(0, (4, 3, 2, 1), (5, 4, 2, 3), (8, 6, 3, 2)),
            visible=True,
        ),
        Check(
            "signs",
            "looks at the size of values, not at their sign",
            1,
            estimates(0, (6, 4, 2, 4), (9, 5, 2, 7), (10, 6, 3, 8), signs=(1, -1)),
        ),
        Check(
            "error",
            "says how far the share may be off",
            1.5,
            estimates(1, (4, 3, 2, 1), (6, 4, 2, 4), (25, 5, 2, 5)),
            visible=True,
        ),
        Check(
            "many",
            "the error shrinks with the number of deals",
            0.5,
            estimates(1, (400, 4, 2, 100), (900, 3, 2, 400)),
        ),
        Check(
            "extremes",
            "is right where all deals are won, or none",
            0.5,
            lambda rng: [deals(n, 5, 2, wins)(rng) for n, wins in [(4, 0), (3, 3), (6, 6), (5, 0)]],
        ),
    ],
)


def batches(number, count, *, copies=0, twins=False):
    """Calls of pool: batches of different sizes and shares, some of them copies of others."""

    def cases(rng):
        found = []
        for _ in range(3):
            sizes = rng.permutation([10, 20, 50, 100, 250, 400, 30])[:count]
            rows = [
                (seed, int(rng.integers(1, n)), int(n))
                for seed, n in zip(rng.permutation(90)[:count].tolist(), sizes, strict=True)
            ]
            if twins:  # another seed, the same numbers: no copy
                rows.append((int(rng.integers(100, 200)), *rows[0][1:]))
            rows += [rows[i] for i in rng.integers(0, count, copies)]
            rows = [rows[i] for i in rng.permutation(len(rows))]
            found.append(item("pool", number, *(list(part) for part in zip(*rows, strict=True))))
        return found

    return cases


POOL = Task(
    "pool",
    [
        Check("share", "puts all deals together", 1, batches(0, 3), visible=True),
        Check("copies", "counts a seed once", 0.5, batches(0, 3, copies=3)),
        Check("error", "the error is that of all deals together", 0.5, batches(1, 4), visible=True),
        Check("twins", "other seeds are other deals", 0.5, batches(0, 3, twins=True)),
        Check("copies_error", "the error counts a seed once too", 0.5, batches(1, 3, copies=3)),
    ],
)

LOG10_ODDS = Task(
    "log10_odds",
    [
        Check(
            "exact",
            "knows the odds where just the true ones are kept",
            1,
            lambda rng: [
                (N, s, s)
                for N, s in [(4, 2), (7, 3), *rng.integers((20, 2), (40, 19), (2, 2)).tolist()]
            ],
            visible=True,
        ),
        Check(
            "more",
            "knows the odds where more are kept than needed",
            1,
            lambda rng: (
                [(N, 2, int(rng.integers(3, N))) for N in rng.integers(6, 20, 3).tolist()]
                + [(30, 10, 15)]
            ),
        ),
        Check(
            "large",
            "knows odds that no computer's number can hold",
            1.5,
            lambda rng: [
                (2 * N, N, N + extra)
                for N in rng.integers(900, 2500, 3).tolist()
                for extra in (0, int(rng.integers(1, 100)))
            ],
            visible=True,
        ),
        Check(
            "edges",
            "knows the odds without a true weight, and with all weights kept",
            0.5,
            lambda rng: [(5, 0, 2), (6, 3, 6), (1, 1, 1), (8, 1, int(rng.integers(2, 7)))],
        ),
    ],
)

TASKS = [THRESHOLD_ODDS, BEST_THRESHOLD, ESTIMATE, POOL, LOG10_ODDS]
