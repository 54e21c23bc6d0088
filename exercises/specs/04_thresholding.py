"""The checks of assignment 04. Secret: `course release` hands out the visible ones only.

No number lies near a threshold or near another that it is compared with: rounding decides nothing.
"""

from itertools import pairwise

import numpy as np

from course_lib.grading import Check, Task, call, helper, name


def values(shapes, tau, *, signs=(1,)):
    """Numbers at odd multiples of 0.25, so that none lies at the threshold."""

    def cases(rng):
        found = []
        for shape in shapes:
            count = int(np.prod(shape))
            sizes = np.concatenate([[0.25, 4.75], rng.integers(0, 10, count) / 2 + 0.25])[:count]
            found.append(
                ((rng.permutation(sizes) * signs_of(rng, count, signs)).reshape(shape), tau)
            )
        return found

    return cases


def signs_of(rng, count, signs):
    """Signs in which each of those given appears."""
    return rng.permutation(np.resize(signs, count))


def array_returned_by(soft_threshold, v, tau):
    """Say in words which array comes back: who writes into the answer must not write into v."""
    before, new = v.copy(), soft_threshold(v, tau)
    if isinstance(new, np.ndarray):
        new[...] = 99
    return "a new array" if (v == before).all() else "the very array that it was given"


def written_into(cases):
    """The same inputs, of which nothing may change when the answer is written into."""
    use = helper(array_returned_by)
    return lambda rng: [call(use, name("soft_threshold"), *case) for case in cases(rng)]


SOFT_THRESHOLD = Task(
    "soft_threshold",
    [
        Check(
            "positive",
            "shrinks positive numbers, not below zero",
            2,
            values([(2,), (4,), (6,)], 1.0),
            visible=True,
        ),
        Check(
            "signs",
            "shrinks the size of negative numbers too",
            1.5,
            values([(4,), (7,)], 2.0, signs=(1, -1)),
        ),
        Check(
            "tables",
            "works on tables, with no price too",
            1,
            lambda rng: [*values([(2, 3), (3, 2)], 1.5)(rng), *values([(2, 2)], 0.0)(rng)],
        ),
        Check(
            "unchanged",
            "is right, and leaves its input as it was, and returns a new array",
            0.5,
            lambda rng: [
                *values([(4,), (5,)], 1.0)(rng),
                *written_into(values([(3,), (2, 2)], 0.0))(rng),
            ],
            unchanged=True,
        ),
    ],
)


def problems(rows, columns, tau, *, onward=False, count=4, larger=False):
    """Steps of ISTA after which no entry is near its threshold, and the step matters.

    larger: does something exceed tau, so that a threshold of tau is not one that cuts all?
    """

    def cases(rng):
        found = []
        while len(found) < count:
            A = rng.integers(-3, 4, (rows, columns)).astype(float)
            y = rng.integers(-9, 10, rows).astype(float)
            x = rng.integers(-3, 4, columns).astype(float) * onward
            L = np.linalg.norm(A, 2) ** 2
            if L < 5 or np.linalg.norm(A) ** 2 < 1.1 * L or (onward and not x.all()):
                continue
            moved = np.abs(x + A.T @ (y - A @ x) / L)
            if moved.min() < 0.05 or (np.abs(moved - tau / L).min() < 0.05 and tau):
                continue
            if tau and (moved.max() < 1.5 * tau / L or moved.min() > tau / L):
                continue
            if larger and moved.max() < 1.1 * tau:
                continue
            found.append((A, y, x, tau))
        return found

    return cases


ISTA_STEP = Task(
    "ista_step",
    [
        Check(
            "step",
            "without a price, takes the step of length 1/L",
            1.5,
            problems(3, 2, 0.0),
            visible=True,
        ),
        Check(
            "threshold",
            "shrinks by what belongs to this step",
            2,
            lambda rng: [
                *problems(3, 2, 6.0, count=3)(rng),
                *problems(3, 2, 1.5, count=1, larger=True)(rng),
            ],
            visible=True,
        ),
        Check("onward", "goes on from where x is", 1, problems(3, 2, 4.0, onward=True)),
        Check(
            "wide",
            "works with more unknowns than measurements",
            1,
            problems(3, 6, 5.0, onward=True),
        ),
        Check(
            "unchanged",
            "is right, and leaves its inputs as they were",
            0.5,
            problems(3, 2, 4.0, onward=True, count=2),
            unchanged=True,
        ),
    ],
)


def walks(rows, columns, k, rounds, *, positive=False, changes=False):
    """Problems for IHT in which no choice is close; with `changes`, one that changes its mind."""

    def cases(rng):
        found = []
        while len(found) < 3:
            A = rng.integers(-3, 4, (rows, columns)).astype(float)
            y = rng.integers(-9, 10, rows).astype(float)
            if positive:
                A, y = np.abs(A), np.abs(y)
            if not A.any(axis=0).all():
                continue
            step = float(np.round(0.9 / np.linalg.norm(A, 2) ** 2, 3))
            supports, clear = trace(A, y, k, rounds, step)
            if clear and (not changes or any(b - a for a, b in pairwise(supports))):
                found.append((A, y, k, rounds, step))
        return found

    return cases


def trace(A, y, k, rounds, step):
    """The supports of IHT, and whether every choice was clear and negative entries took part."""
    x, supports, clear = np.zeros(A.shape[1]), [], step > 0
    for _ in range(rounds):
        moved = x + step * A.T @ (y - A @ x)
        order = np.argsort(-np.abs(moved))
        sizes = np.abs(moved)[order]
        clear &= k == len(sizes) or sizes[k - 1] - sizes[k] > 0.02
        x = np.zeros(A.shape[1])
        x[order[:k]] = moved[order[:k]]
        supports.append(set(order[:k].tolist()))
    return supports, clear


def downward(rng):
    """One round in which a large negative entry must be kept."""
    found = []
    for size in (3, 4, 5):
        y = rng.permutation(np.arange(1, size + 1)) * 2.0
        y[np.argmax(y)] *= -1
        found.append((np.eye(size), y, 1, 1, 0.5))
    return found


IHT = Task(
    "iht",
    [
        Check(
            "first", "makes the first round", 1.5, walks(3, 4, 2, 1, positive=True), visible=True
        ),
        Check("signs", "keeps what is large in size, also below zero", 1, downward),
        Check(
            "none",
            "without rounds, stays at zero; where all entries are kept, drops none",
            0.5,
            lambda rng: [
                *walks(3, 4, 2, 0, positive=True)(rng)[:2],
                *walks(3, 3, 3, 2)(rng)[:2],
            ],
        ),
        Check(
            "return", "chooses among all entries in every round", 3, walks(3, 5, 2, 4, changes=True)
        ),
    ],
)


def readings(rows, *, signs=(1,), zeros=False):
    """Estimates that fall short, some of the wrong sign; `zeros` finds what is not there."""

    def cases(rng):
        found = []
        for size in (3, 4, 6):
            truth = rng.integers(2, 9, size) * signs_of(rng, size, signs) * 1.0
            truth[: size // 3 * zeros] = 0
            short = rng.integers(1, 7, (rows, size)) / 4
            order = rng.permutation(size)
            read = np.where(truth == 0, 0.5 + short, truth - np.sign(truth) * short)
            read[0, -1] *= not zeros
            if -1 in signs:
                read[:, 0], read[0, 1] = -read[:, 0], -read[0, 1]
            found.append((read[:, order], truth[order]))
        return found

    return cases


def too_large(rng):
    """Estimates of which some are too large, and some have the wrong sign."""
    truth = np.array([3.0, 2.0, 0.0, 5.0])
    high, low = rng.integers(3, 9, 2) / 4
    return [
        (np.array([[3 + high, 2 - low / 4, 0, 5 + high]]), truth),
        (np.array([[3 - low / 2, 2 + high, 0, 5 + low], [-low, 2 + high, 0, 5 + high]]), truth),
        (np.array([[-1 - low, 2, 0, 5], [-0.5, 2 - high / 4, 0, 5]]), truth),
    ]


TOLL = Task(
    "toll",
    [
        Check("positive", "averages over true positive entries", 1.5, readings(1), visible=True),
        Check("signs", "counts in the direction of the truth", 1, readings(3, signs=(1, -1))),
        Check("places", "leaves out the places where nothing is true", 1, readings(2, zeros=True)),
        Check("larger", "counts what was read too large as negative", 0.5, too_large),
    ],
)

TASKS = [SOFT_THRESHOLD, ISTA_STEP, IHT, TOLL]
