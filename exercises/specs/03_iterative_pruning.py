"""The checks of assignment 03. Secret: `course release` hands out the visible ones only.

Wherever a check is not about ties, sizes differ by at least a half and one weight that is left may
be 0, so rounding decides nothing.
"""

import numpy as np

from course_lib.grading import Check, Task, attr, call, module, name


def weights(rng, shape, *, ties=False, positive=False):
    """Weights of different sizes, or of very few sizes."""
    count = int(np.prod(shape))
    sizes = rng.integers(1, 3, count) if ties else rng.permutation(np.arange(0, 2 * count, 2))
    signs = 1 if positive else rng.choice([-1, 1], count)
    return (sizes[:count] * signs).astype(float).reshape(shape)


def cuts(shapes, fractions, *, pruned=0.0, **kind):
    """Calls of prune_round; a share is pruned already, and there weights are by far the largest."""

    def cases(rng):
        found = []
        for shape, fraction in zip(shapes, fractions, strict=True):
            w = weights(rng, shape, **kind)
            mask = np.ones(w.size, dtype=bool)
            mask[rng.choice(w.size, round(pruned * w.size), replace=False)] = False
            mask = mask.reshape(shape)
            found.append((np.where(mask, w, 99 * rng.choice([-1, 1], shape)), mask, fraction))
        return found

    return cases


PRUNE_ROUND = Task(
    "prune_round",
    [
        Check(
            "first",
            "removes the smallest positive weights of a whole row",
            2,
            cuts([(6,), (8,), (10,)], [0.5, 0.25, 0.3], positive=True),
            visible=True,
        ),
        Check(
            "signs",
            "looks at the size of weights, not at their sign",
            1,
            cuts([(6,), (9,), (12,)], [0.5, 0.4, 0.25]),
        ),
        Check(
            "remaining",
            "removes a fraction of what is left, and nothing returns",
            1.5,
            cuts([(10,), (12,), (20,)], [0.5, 0.5, 0.4], pruned=0.5, positive=True),
        ),
        Check(
            "ties",
            "removes exactly so many where sizes are equal, the later ones first",
            0.5,
            cuts([(8,), (10,), (12,)], [0.5, 0.3, 0.25], ties=True, positive=True),
        ),
        Check(
            "tables",
            "works on tables of weights, removing nothing or everything too",
            0.5,
            cuts([(3, 4), (5, 2), (2, 3), (2, 4)], [0.25, 0.5, 0.0, 1.0], positive=True),
        ),
        Check(
            "unchanged",
            "is right, and leaves its inputs as they were",
            0.5,
            cuts([(6,), (8,)], [0.5, 0.25], positive=True),
            unchanged=True,
        ),
    ],
)


def between(rng):
    """A density strictly between two powers, nearer to the upper one or to the lower one."""
    found = []
    for place in (0.1, 0.9, 0.5, 0.2, 0.8):
        p, t = float(rng.choice([0.2, 0.3, 0.36])), int(rng.integers(3, 9))
        found.append(((1 - p) ** (t - place), p))
    return found


TWO = [0.8, 0.52], [0.99, 0.68]  # densities for which one round is enough, and two


ROUNDS_NEEDED = Task(
    "rounds_needed",
    [
        Check("between", "rounds up between two rounds", 2, between, visible=True),
        Check(
            "exact",
            "counts a round that reaches the density exactly as enough",
            1,
            lambda rng: [(0.5**t, 0.5) for t in rng.permutation(np.arange(1, 7))[:4].tolist()],
        ),
        Check(
            "one",
            "takes one round where one is enough, and two where it is not",
            1,
            lambda rng: [(0.95, 0.2), (0.5, 0.9), *((d, 0.3) for d in rng.uniform(*TWO).tolist())],
        ),
    ],
)


def arguments(rng):
    """Plain arguments of momentum_step, with something removed."""
    w, v, g = rng.integers(1, 9, (3, 4)).astype(float)
    return [(w, v, g, rng.permutation([True, True, False, False]), 0.25, 0.5)]


def steps(number, *, dense=False):
    """Calls that ask for the weights (0) or the velocities (1) after one step."""

    def cases(rng):
        take, found = attr(module("operator"), "getitem"), []
        for size in (2, 3, 5, 8):
            w, v, g = rng.integers(1, 9, (3, size)).astype(float)
            mask = np.ones(size, dtype=bool)
            if not dense:
                mask[rng.choice(size, size // 2, replace=False)] = False
            lr, mu = float(rng.choice([0.1, 0.25])), float(rng.choice([0.5, 0.75]))
            step = call(name("momentum_step"), w, v, g, mask, lr, mu)
            found.append(call(take, step, number))
        return found

    return cases


MOMENTUM_STEP = Task(
    "momentum_step",
    [
        Check(
            "dense", "does the step where nothing is removed", 1.5, steps(0, dense=True),
            visible=True,
        ),
        Check("velocity", "keeps the velocity of the step", 1, steps(1, dense=True), visible=True),
        Check("zero", "holds removed weights at zero", 1.5, steps(0)),
        Check("memory", "forgets what drove removed weights", 0.5, steps(1)),
        Check(
            "unchanged", "is right, and leaves its inputs as they were", 0.5, arguments,
            unchanged=True,
        ),
    ],
)  # fmt: skip


def regressions(examples, features, fraction, rounds, *, orthogonal=False):
    """Linear models whose sizes stay apart in every round, so that rounding decides nothing."""

    def cases(rng):
        found = []
        while len(found) < 4:
            X = rng.standard_normal((examples, features))
            if orthogonal:
                X = np.linalg.qr(X)[0]
            else:
                X = X + 1.5 * rng.standard_normal((examples, 1))
            w = rng.permutation(np.arange(1, features + 1)) * rng.choice([-1.0, 1.0], features)
            y = X @ w + (0 if orthogonal else 0.5) * rng.standard_normal(examples)
            X, y = X.round(3), y.round(3)
            if apart(X, y, fraction, rounds):
                found.append((X, y, fraction, rounds))
        return found

    return cases


def apart(X, y, fraction, rounds):
    """Tell whether no two sizes come near each other."""
    kept = np.arange(X.shape[1])
    for _ in range(rounds + 1):
        size = np.abs(np.linalg.lstsq(X[:, kept], y, rcond=None)[0])
        if len(size) > 1 and np.diff(np.sort(size)).min() < 0.02:
            return False
        kept = kept[np.argsort(size)[round(fraction * len(kept)) :]]
    return True


PRUNE_AND_REFIT = Task(
    "prune_and_refit",
    [
        Check(
            "none",
            "without rounds, fits all weights",
            1,
            regressions(9, 4, 0.5, 0),
            visible=True,
        ),
        Check("refit", "refits after a cut", 1.5, regressions(10, 6, 0.5, 1), visible=True),
        Check(
            "nothing",
            "removes nothing where the fraction of what is left rounds to nothing",
            0.5,
            regressions(9, 4, 0.1, 2),
        ),
        Check(
            "rounds",
            "goes in rounds, by the values of the last fit",
            3,
            regressions(12, 8, 0.25, 4),
        ),
    ],
)  # fmt: skip

TASKS = [PRUNE_ROUND, ROUNDS_NEEDED, MOMENTUM_STEP, PRUNE_AND_REFIT]
