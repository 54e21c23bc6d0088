"""The checks of assignment 14. Secret: `course release` hands out the visible ones only.

Gains of competing sensors differ by two per cent at least, so rounding decides nothing.
"""

import math
from itertools import chain, combinations, repeat

import numpy as np

from course_lib.grading import Check, Task

NOISES = (0.25, 0.5, 2.0, 3.0)  # never 1: the variance is neither its inverse nor its root


def rows(rng, n, d):
    """Rows of small whole numbers, none of them zero everywhere."""
    A = rng.integers(-3, 4, (n, d)).astype(float)
    A[np.arange(n), rng.integers(0, d, n)] = rng.choice([-2.0, 1.0, 3.0], n)
    return A


def covariance(rng, d):
    """A positive definite matrix with different variances and, from two unknowns on, correlated."""
    L = np.tril(rng.integers(1, 3, (d, d))).astype(float) * np.sign(rng.standard_normal((d, 1)))
    L[np.arange(d), np.arange(d)] = rng.permutation(np.arange(1, d + 1)) / 2 + 1
    return L @ L.T / 2


def covariances(shapes, *, even=False):
    """Calls of posterior_covariance."""

    def cases(rng):
        noises = rng.permutation(NOISES)
        return [
            (
                rows(rng, n, d),
                float(noises[i % 4]),
                np.eye(d) if even else covariance(rng, d),
            )
            for i, (n, d) in enumerate(shapes)
        ]

    return cases


POSTERIOR_COVARIANCE = Task(
    "posterior_covariance",
    [
        Check(
            "even",
            "inverts the information where the prior is the identity",
            2,
            covariances([(2, 1), (3, 2), (5, 3), (4, 2)], even=True),
            visible=True,
        ),
        Check(
            "prior",
            "takes the prior into account, by its inverse",
            1.5,
            covariances([(2, 1), (4, 2), (6, 3)]),
            visible=True,
        ),
        Check(
            "few",
            "works with fewer sensors than unknowns",
            1,
            covariances([(1, 2), (2, 4), (1, 3)]),
        ),
        Check(
            "unchanged",
            "is right, and leaves its inputs as they were",
            0.5,
            covariances([(3, 2), (4, 3)]),
            unchanged=True,
        ),
    ],
)


def choices(shapes, *, share=0.5, even=False, alike=False):
    """Calls of a_cost, with a share of the sensors chosen."""

    def cases(rng):
        found = []
        for n, d in shapes:
            chosen = rng.permutation(np.arange(n) < round(share * n))
            noise = np.full(n, rng.choice(NOISES)) if alike else rng.permutation((NOISES * n)[:n])
            prior = np.eye(d) if even else covariance(rng, d)
            found.append((rows(rng, n, d), chosen, noise, prior))
        return found

    return cases


A_COST = Task(
    "a_cost",
    [
        Check(
            "all",
            "adds up the variances after all sensors were read",
            1.5,
            choices([(3, 2), (5, 3), (4, 2)], share=1, even=True, alike=True),
            visible=True,
        ),
        Check(
            "some",
            "counts the sensors that are read, and no others",
            1,
            choices([(4, 2), (6, 3), (5, 2)], alike=True),
            visible=True,
        ),
        Check(
            "noises",
            "lets every sensor have noise of its own",
            1,
            choices([(5, 2), (8, 3), (7, 4)], share=0.7),
        ),
        Check("none", "knows the cost of reading nothing", 0.5, choices([(3, 2), (4, 3)], share=0)),
    ],
)


def worths(shapes, *, known=""):
    """Calls of gains: P is the identity, or correlated, or knows one direction nearly exactly."""

    def cases(rng):
        found = []
        for i, (n, d) in enumerate(shapes):
            P, A = np.eye(d), rows(rng, n, d)
            if known == "correlated":
                P = covariance(rng, d)
            if known == "nearly":
                P[0, 0] = 1 / 64
                A[0] = 0
                A[0, 0] = 8.0  # by far the loudest, and worth next to nothing
            found.append((P, A, float(NOISES[(i + int(rng.integers(4))) % 4])))
        return found

    return cases


GAINS = Task(
    "gains",
    [
        Check(
            "even",
            "is right where all directions are equally unknown",
            1.5,
            worths([(3, 2), (2, 1), (4, 3)]),
            visible=True,
        ),
        Check(
            "correlated",
            "is right where unknowns are correlated",
            1.5,
            worths([(3, 2), (4, 3), (5, 4)], known="correlated"),
            visible=True,
        ),
        Check(
            "nearly",
            "gives little for a loud answer to what is known already",
            0.5,
            worths([(3, 2), (4, 3)], known="nearly"),
        ),
        Check(
            "unchanged",
            "is right, and leaves its inputs as they were",
            0.5,
            worths([(3, 2), (4, 2)], known="correlated"),
            unchanged=True,
        ),
    ],
)


def path(A, noise, prior, k):
    """The choices of greedy, and whether each of them is the best by two per cent."""
    P, left, order, clear = prior, list(range(len(A))), [], True
    for _ in range(k):
        worth = [(P @ A[i]) @ (P @ A[i]) / (noise + A[i] @ P @ A[i]) for i in left]
        ranked = sorted(worth)
        clear &= len(ranked) < 2 or ranked[-1] >= 1.02 * ranked[-2]
        order.append(best := left.pop(int(np.argmax(worth))))
        Pa = P @ A[best]
        P = P - np.outer(Pa, Pa) / (noise + A[best] @ Pa)
    return order, clear


def trace_of(A, noise, prior, chosen):
    rows = A[list(chosen)]
    return np.trace(np.linalg.inv(np.linalg.inv(prior) + rows.T @ rows / noise))


def deviation(A, noise, prior, k):
    """Greedy with the noise squared, as if it were a standard deviation."""
    return path(A, noise**2, prior, k)[0]


def best_of_all(A, noise, prior, k):
    """The best k, in the order in which greedy would take them."""
    choices = combinations(range(len(A)), k)
    best = min(choices, key=lambda chosen: trace_of(A, noise, prior, chosen))
    return [best[i] for i in path(A[list(best)], noise, prior, k)[0]]


def backwards(A, noise, prior, k):
    """What is left if the least useful go, in the order in which greedy would take it."""
    left = list(range(len(A)))
    while len(left) > k:
        left.remove(min(left, key=lambda i: trace_of(A, noise, prior, [j for j in left if j != i])))
    return [left[i] for i in path(A[left], noise, prior, k)[0]]


def selections(sizes, *, even=False, rivals=()):
    """Calls of greedy (n, d, k), in which some rows are nearly the same.

    rivals: other rules, each of which chooses otherwise in some case. There are more cases of the
    last size until they do.
    """

    def cases(rng):
        found, unseen = [], set(rivals)
        for n, d, k in chain(sizes, repeat(sizes[-1])):
            if len(found) >= len(sizes) and not unseen:
                break
            while True:
                A = np.round(rng.standard_normal((n, d)) * 2, 1)
                A[: n // 2] = np.round(A[0] * rng.uniform(1, 1.6, (n // 2, 1)), 1)
                A = A[rng.permutation(n)]
                prior = np.eye(d) if even else covariance(rng, d)
                noise = float(rng.choice(NOISES))
                order, clear = path(A, noise, prior, k)
                if not clear or not (A != 0).any(axis=1).all():
                    continue
                told = {rule for rule in unseen if rule(A, noise, prior, k) != order}
                if told or len(found) < len(sizes):
                    break
            unseen -= told
            found.append((A, noise, prior, k))
        return found

    return cases


GREEDY = Task(
    "greedy",
    [
        Check(
            "one",
            "takes the sensor that is worth most by itself",
            1,
            selections([(4, 2, 1), (6, 3, 1), (5, 2, 1), (6, 4, 1)]),
            visible=True,
        ),
        Check(
            "even",
            "looks at what it has before it takes the next",
            2,
            selections(
                [(4, 2, 2), (5, 2, 3), (8, 3, 5), (6, 3, 3)],
                even=True,
                rivals=(deviation, best_of_all, backwards),
            ),
            visible=True,
        ),
        Check(
            "prior",
            "does so under any prior",
            1,
            selections([(5, 2, 3), (6, 3, 4), (8, 3, 5)]),
        ),
        Check(
            "all",
            "can put all sensors in order",
            0.5,
            selections([(4, 2, 4), (5, 3, 5)]),
        ),
        Check("zero", "takes none if none may be read", 0.5, selections([(3, 2, 0), (4, 3, 0)])),
    ],
)


def not_fooled(inputs, answer):
    """Say why the sensors do not fool the rule by the factor asked for; "" if they do.

    It stands alone: it is sent to students as source, with `np` for numpy.
    """
    d, factor = inputs
    A = np.asarray(answer, float)
    if A.ndim != 2 or A.shape[1] != d or not d < len(A) <= 12:
        return f"the sensors have the shape {A.shape}, expected ({d + 1} to 12, {d})"
    if np.abs(A).max() > 1e6:
        return f"the largest entry is {np.abs(A).max():.4g}, expected at most a million"
    lengths = np.linalg.norm(A, axis=1)
    order = np.argsort(-lengths)
    last, following = lengths[order[d - 1]], lengths[order[d]]
    if last < 1.00999 * following:
        return (
            f"it is not clear which {d} are the loudest: the lengths {last:.4g} and "
            f"{following:.4g} are too near each other"
        )

    def cost(chosen):
        rows = A[list(chosen)]
        return float(np.sum(1 / (1 + np.linalg.svd(rows, compute_uv=False) ** 2)))

    def all_choices(start, count):
        if count == 0:
            return [()]
        return [
            (i, *rest)
            for i in range(start, len(A) - count + 1)
            for rest in all_choices(i + 1, count - 1)
        ]

    paid, best = cost(order[:d]), min(cost(chosen) for chosen in all_choices(0, d))
    if paid < factor * best * (1 - 1e-5):
        return (
            f"the loudest leave {paid:.4g} and the best {d} leave {best:.4g}, which is "
            f"{paid / best:.4g} times less; expected {factor:.4g} times"
        )
    return ""


def fool(ds, low, high):
    """Calls of decoys with factors between two numbers, spread evenly on a logarithmic scale."""

    def cases(rng):
        powers = rng.uniform(math.log(low), math.log(high), len(ds))
        return [(d, round(math.exp(power), 2)) for d, power in zip(ds, powers, strict=True)]

    return cases


DECOYS = Task(
    "decoys",
    [
        Check(
            "two",
            "fools the rule where there are two unknowns",
            1,
            fool([2, 2, 2], 1.5, 3),
            visible=True,
            property=not_fooled,
        ),
        Check(
            "more",
            "fools it where there are more",
            1.5,
            lambda rng: [*fool([3], 1.5, 3)(rng), *fool([4, 5], 50, 300)(rng)],
            visible=True,
            property=not_fooled,
        ),
        Check(
            "any",
            "fools it by any factor",
            1.5,
            lambda rng: [*fool([2, 3], 500, 5000)(rng), *fool([4, 5], 9000, 10_000)(rng)],
            property=not_fooled,
        ),
    ],
)

TASKS = [POSTERIOR_COVARIANCE, A_COST, GAINS, GREEDY, DECOYS]
