"""The checks of assignment 02. Secret: `course release` hands out the visible ones only.

Numbers are small, so that no exponential overflows, and no two prices that are compared are near.
"""

from itertools import chain, repeat

import numpy as np

from course_lib.grading import Check, Task


def regressions(shapes, *, upward=False, downward=False, labels=True):
    """Logistic regressions; `upward` where every slope has the sign of its weight."""

    def cases(rng):
        found = []
        for examples, features in shapes:
            while True:
                X = rng.integers(-3, 4, (examples, features)).astype(float)
                y = rng.integers(0, 2, examples)
                w = rng.choice([-1.5, -1.0, -0.5, 0.5, 1.0, 1.5], features)
                p = 1 / (1 + np.exp(-X @ w))
                slope = X.T @ (p - y) / examples * w
                clear = np.abs(slope).min() > 0.01 and X.any(axis=0).all()
                if clear and (not upward or slope.min() > 0) and (not downward or slope.max() < 0):
                    break
            found.append((X, y, w) if labels else (X, w))
        return found

    return cases


def quadratics(sizes, *, diagonal=False, choose=None, rivals=()):
    """Weights and Hessians; with `choose`, those where a rule of thumb picks another weight.

    The weights to pick are not all at the same place, so that no constant is right throughout.
    With `rivals`, no two of these rules pick the same throughout, so that no slip is taken for
    another: there are more cases of the last size until they are told apart.
    """

    def apart(found):
        return len({tuple(int(rule(w, H)) for w, H in found) for rule in rivals})

    def cases(rng):
        found, answers = [], set()
        for size in chain(sizes, repeat(sizes[-1])):
            more = len(found) >= len(sizes)
            if more and apart(found) == len(rivals):
                break
            while True:
                B = rng.integers(-2, 3, (size, size)).astype(float)
                H = np.diag(rng.integers(1, 30, size) * 1.0) if diagonal else B.T @ B + np.eye(size)
                w = rng.permutation(np.arange(1, 2 * size + 1))[:size] * rng.choice(
                    [-1.0, 1.0], size
                )
                price = w**2 / np.diag(np.linalg.inv(H))
                first, second = np.sort(price)[:2]
                mixed = diagonal or np.abs(H[~np.eye(size, dtype=bool)]).min() > 0
                if (
                    mixed
                    and second > 1.1 * first
                    and (choose is None or choose(w, H) != price.argmin())
                    and (size != sizes[-1] or answers != {price.argmin()})
                    and (not more or apart([*found, (w, H)]) > apart(found))
                ):
                    break
            answers.add(price.argmin())
            found.append((w, H))
        return found

    return cases


def at(cases):
    """The same with an index."""
    return lambda rng: [(w, H, int(rng.integers(len(w)))) for w, H in cases(rng)]


FIRST_ORDER = Task(
    "first_order",
    [
        Check(
            "slope",
            "finds the slope, and multiplies by the weight",
            2.5,
            regressions([(1, 2), (2, 3), (4, 3)], upward=True),
            visible=True,
        ),
        Check("sizes", "takes the size", 1.5, regressions([(1, 2), (3, 2)], downward=True)),
        Check("mean", "averages over examples", 1.5, regressions([(5, 2), (7, 3)], upward=True)),
        Check(
            "unchanged",
            "is right, and leaves its inputs as they were",
            0.5,
            regressions([(2, 2), (3, 2)], upward=True),
            unchanged=True,
        ),
    ],
)

OPTIMAL_DAMAGE = Task(
    "optimal_damage",
    [
        Check(
            "one",
            "works for a single example",
            2,
            regressions([(1, 2), (1, 3)], labels=False),
            visible=True,
        ),
        Check("mean", "averages over examples", 2, regressions([(3, 2), (6, 3)], labels=False)),
        Check(
            "wide", "works with more weights than examples", 1, regressions([(2, 6)], labels=False)
        ),
    ],
)

SURGEON = Task(
    "surgeon",
    [
        Check(
            "alone",
            "cuts the weight, and moves no other that has nothing to do with it",
            1.5,
            at(quadratics([2, 3, 4], diagonal=True)),
            visible=True,
        ),
        Check("pair", "lets one other weight adapt", 2, at(quadratics([2, 2, 2])), visible=True),
        Check("many", "lets many weights adapt", 2, at(quadratics([3, 4]))),
        Check(
            "unchanged",
            "is right, and leaves its inputs as they were",
            0.5,
            at(quadratics([2, 3], diagonal=True)),
            unchanged=True,
        ),
    ],
)


def by_size(w, H):
    return np.abs(w).argmin()


def by_damage(w, H):
    return (w**2 * np.diag(H)).argmin()


def spread(H):
    """The diagonal of the inverse."""
    return np.diag(np.linalg.inv(H))


RIVALS = [
    lambda w, H: (w**2 / spread(H)).argmin(),  # the right one
    by_size,
    lambda w, H: (w**2 * spread(H)).argmin(),  # times, not divided by
    lambda w, H: (np.abs(w) / spread(H)).argmin(),  # the size, not its square
    lambda w, H: (w**2 / spread(H)).argmax(),
    lambda w, H: (w / spread(H)).argmin(),
]
MORE_RIVALS = [
    *RIVALS,
    by_damage,
    lambda w, H: (w**2 / np.diag(H)).argmin(),
    lambda w, H: np.linalg.norm(w / spread(H) * np.linalg.inv(H), axis=0).argmin(),
]


CHEAPEST = Task(
    "cheapest",
    [
        Check(
            "curvature",
            "weighs a weight's size by the curvature",
            1.5,
            quadratics([2, 3, 4], diagonal=True, choose=by_size, rivals=RIVALS),
            visible=True,
        ),
        Check(
            "adapt",
            "lets the others adapt",
            2.5,
            quadratics([3, 4, 5], choose=by_damage, rivals=MORE_RIVALS),
        ),
    ],
)

TASKS = [FIRST_ORDER, OPTIMAL_DAMAGE, SURGEON, CHEAPEST]
