"""Wrong versions of assignment 04, each a misconception; and right ones, written differently.

Each message completes "This looks like a known slip: ..." and is read by a student whose answers
are those of the mutant in every case.
"""

import numpy as np

from course_lib.grading import alternative, mutant, slip

# --- soft_threshold


@alternative("soft_threshold")
def by_clipping(v, tau):
    return v - np.clip(v, -tau, tau)


@alternative("soft_threshold")
def with_loops(v, tau):
    new = np.array(v, dtype=float)
    for place, value in np.ndenumerate(v):
        if value > tau:
            new[place] = value - tau
        elif value < -tau:
            new[place] = value + tau
        else:
            new[place] = 0.0
    return new


hard = slip(
    "soft_threshold",
    "it cuts but does not shrink: that is the hard threshold",
    swap=("np.sign(v) * np.maximum(np.abs(v) - tau, 0)", "np.where(np.abs(v) > tau, v, 0)"),
    loses=["positive", "signs", "tables", "unchanged"],
)
only_upwards = slip(
    "soft_threshold",
    "it shrinks signed values, so negative ones are lost",
    swap=("np.sign(v) * np.maximum(np.abs(v) - tau, 0)", "np.maximum(v - tau, 0)"),
    loses=["signs"],
)
past_zero = slip(
    "soft_threshold",
    "it shrinks past zero, so small numbers change their sign",
    swap=("np.maximum(np.abs(v) - tau, 0)", "(np.abs(v) - tau)"),
    loses=["positive", "signs", "tables", "unchanged"],
)
unsigned = slip(
    "soft_threshold",
    "it loses the sign of negative numbers",
    swap=("np.sign(v) * np.maximum(np.abs(v) - tau, 0)", "np.maximum(np.abs(v) - tau, 0)"),
    loses=["signs"],
)
in_place = slip(
    "soft_threshold",
    "it writes into the array it was given",
    swap=(
        "return np.sign(v) * np.maximum(np.abs(v) - tau, 0)",
        "v[...] = np.sign(v) * np.maximum(np.abs(v) - tau, 0); return v",
    ),
    loses=["unchanged"],
)
handed_back = slip(
    "soft_threshold",
    "where tau is 0 it hands back the array it was given, not a new one",
    swap=("return np.sign(v)", "return v if tau == 0 else np.sign(v)"),
    loses=["unchanged"],
)
half = slip(
    "soft_threshold",
    "it shrinks by half of tau: the price has no half, only the square",
    swap=("np.abs(v) - tau", "np.abs(v) - tau / 2"),
    loses=["positive", "signs", "tables", "unchanged"],
)


# --- ista_step


@alternative("ista_step")
def by_eigenvalues(A, y, x, tau):
    L = np.linalg.eigvalsh(A.T @ A)[-1]
    moved = x - (A.T @ A @ x - A.T @ y) / L
    return np.where(
        moved > tau / L, moved - tau / L, np.where(moved < -tau / L, moved + tau / L, 0)
    )


@alternative("ista_step")
def by_singular_values_and_loops(A, y, x, tau):
    L = max(np.linalg.svd(A)[1]) ** 2
    residual = [
        sum(a * b for a, b in zip(row, x, strict=True)) - t for row, t in zip(A, y, strict=True)
    ]
    new = []
    for j in range(len(x)):
        value = x[j] - sum(A[i][j] * residual[i] for i in range(len(y))) / L
        new.append(np.sign(value) * max(abs(value) - tau / L, 0.0))
    return new


not_scaled = slip(
    "ista_step",
    "its threshold is tau; it has to be tau / L",
    swap=("np.abs(moved) - tau / L", "np.abs(moved) - tau"),
    loses=["threshold", "onward", "wide", "unchanged"],
)
no_length = slip(
    "ista_step",
    "its step has length 1; it has to be 1 / L, or the method may grow without bound",
    swap=("A.T @ (y - A @ x) / L", "A.T @ (y - A @ x)"),
    loses=["step", "threshold", "onward", "wide", "unchanged"],
)
singular_value = slip(
    "ista_step",
    "its L is the largest singular value of A; the eigenvalue of A'A is the square of that",
    swap=("np.linalg.norm(A, 2) ** 2", "np.linalg.norm(A, 2)"),
    loses=["step", "threshold", "onward", "wide", "unchanged"],
)
frobenius = slip(
    "ista_step",
    "its L is the sum of all squares of A (Frobenius); the largest eigenvalue of A'A is smaller",
    swap=("np.linalg.norm(A, 2) ** 2", "np.sum(A * A)"),
    loses=["step", "threshold", "onward", "wide", "unchanged"],
)
uphill = slip(
    "ista_step",
    "it walks up the gradient instead of down",
    swap=("x + A.T", "x - A.T"),
    loses=["step", "threshold", "onward", "wide", "unchanged"],
)
cuts = slip(
    "ista_step",
    "it cuts where it should shrink",
    swap=(
        "np.sign(moved) * np.maximum(np.abs(moved) - tau / L, 0)",
        "np.where(np.abs(moved) > tau / L, moved, 0)",
    ),
    loses=["threshold", "onward", "wide", "unchanged"],
)
from_zero = slip(
    "ista_step",
    "it starts from zero, wherever x is",
    swap=("x + A.T @ (y - A @ x) / L", "A.T @ y / L"),
    loses=["onward", "wide", "unchanged"],
)
forgets_x = slip(
    "ista_step",
    "it takes the gradient at x, but the step from zero",
    swap=("x + A.T", "A.T"),
    loses=["onward", "wide", "unchanged"],
)
step_in_place = slip(
    "ista_step",
    "it makes the step in the x it was given",
    swap=("moved = x + A.T @ (y - A @ x) / L", "x += A.T @ (y - A @ x) / L; moved = x"),
    loses=["unchanged"],
)


# --- iht


@alternative("iht")
def by_sorting_places(A, y, k, rounds, step):
    x = np.zeros(A.shape[1])
    for _ in range(rounds):
        x = x - step * (A.T @ (A @ x) - A.T @ y)
        for i in sorted(range(len(x)), key=lambda j: abs(x[j]))[: len(x) - k]:
            x[i] = 0
    return list(x)


@alternative("iht")
def recursive(A, y, k, rounds, step):
    if rounds == 0:
        return np.zeros(A.shape[1])
    x = recursive(A, y, k, rounds - 1, step)
    moved = x + step * ((y - A @ x) @ A)
    return moved * (np.abs(moved) >= np.sort(np.abs(moved))[-k])


@mutant(
    "iht",
    "what it dropped can never return: that is pruning, not hard thresholding",
    loses=["return"],
)
def never_returns(A, y, k, rounds, step):
    x, support = np.zeros(A.shape[1]), np.ones(A.shape[1], dtype=bool)
    for _ in range(rounds):
        moved = (x + step * A.T @ (y - A @ x)) * support
        kept = np.argsort(-np.abs(moved))[:k]
        support[:] = False
        support[kept] = True
        x = moved * support
    return x


signed = slip(
    "iht",
    "it keeps the largest values, signs and all",
    swap=("-np.abs(moved)", "-moved"),
    loses=["signs", "return"],
)


@mutant("iht", "it thresholds once, after all the rounds", loses=["return"])
def once_at_the_end(A, y, k, rounds, step):
    x = np.zeros(A.shape[1])
    for _ in range(rounds):
        x = x + step * A.T @ (y - A @ x)
    kept = np.argsort(-np.abs(x))[:k]
    new = np.zeros(A.shape[1])
    new[kept] = x[kept]
    return new


one_more = slip(
    "iht",
    "it makes one round too many",
    swap=("range(rounds)", "range(rounds + 1)"),
    loses=["first", "signs", "none", "return"],
)


@mutant(
    "iht",
    "it compares with the size after the k-th: where all are kept, there is none",
    loses=["none"],
)
def above_the_next(A, y, k, rounds, step):
    x = np.zeros(A.shape[1])
    for _ in range(rounds):
        moved = x + step * A.T @ (y - A @ x)
        x = moved * (np.abs(moved) > np.sort(np.abs(moved))[::-1][k])
    return x


drops_the_largest = slip(
    "iht",
    "it drops the k largest instead of keeping them",
    swap=("np.argsort(-np.abs(moved))[:k]", "np.argsort(-np.abs(moved))[k:]"),
    loses=["first", "signs", "none", "return"],
)
no_step = slip(
    "iht",
    "it forgets the step",
    swap=("step * A.T", "A.T"),
    loses=["first", "signs", "none", "return"],
)


@mutant("iht", "it shrinks the survivors too", loses=["first", "signs", "return"])
def shrinks(A, y, k, rounds, step):
    x = np.zeros(A.shape[1])
    for _ in range(rounds):
        moved = x + step * A.T @ (y - A @ x)
        sizes = np.sort(np.abs(moved))
        tau = sizes[-k - 1] if k < len(sizes) else 0.0
        x = np.sign(moved) * np.maximum(np.abs(moved) - tau, 0)
    return x


# --- toll


@alternative("toll")
def with_sizes(estimates, truth):
    total, count = 0.0, 0
    for row in estimates:
        for read, true in zip(row, truth, strict=True):
            if true != 0:
                total += abs(true) - (read if true > 0 else -read)
                count += 1
    return total / count


@alternative("toll")
def mean_first(estimates, truth):
    on = truth != 0
    read = np.mean(estimates, axis=0)[on] * np.sign(truth[on])
    return float(np.mean(np.abs(truth[on]) - read))


all_places = slip(
    "toll",
    "it averages over places without truth too",
    swap=(
        "((truth - estimates) * np.sign(truth))[:, places]",
        "(truth - estimates) * np.where(truth < 0, -1, 1)",
    ),
    loses=["places", "larger"],
)
signed_differences = slip(
    "toll",
    "it takes signed differences, so that negative entries count the wrong way",
    swap=("((truth - estimates) * np.sign(truth))", "(truth - estimates)"),
    loses=["signs"],
)
size_of_errors = slip(
    "toll",
    "it averages the size of the errors, in whichever direction",
    swap=("((truth - estimates) * np.sign(truth))", "np.abs(truth - estimates)"),
    loses=["larger"],
)
too_large_instead = slip(
    "toll",
    "it says how much too large, not how much too small",
    swap=("truth - estimates", "estimates - truth"),
    loses=["positive", "signs", "places", "larger"],
)
summed = slip(
    "toll",
    "it adds up over estimates, where it should average",
    swap=(
        "np.mean(((truth - estimates) * np.sign(truth))[:, places])",
        "np.sum(((truth - estimates) * np.sign(truth))[:, places]) / np.sum(places)",
    ),
    loses=["signs", "places", "larger"],
)
sizes_only = slip(
    "toll",
    "it compares sizes, so a wrong sign looks right",
    swap=("((truth - estimates) * np.sign(truth))", "(np.abs(truth) - np.abs(estimates))"),
    loses=["signs", "larger"],
)
places_of_the_estimate = slip(
    "toll",
    "it takes places from the estimate instead of from the truth",
    swap=(
        "((truth - estimates) * np.sign(truth))[:, places]",
        "((truth - estimates) * np.where(truth < 0, -1, 1))[estimates != 0]",
    ),
    loses=["places"],
)
found_entries_only = slip(
    "toll",
    "it leaves out true entries that were read as 0",
    swap=("[:, places]", "[places & (estimates != 0)]"),
    loses=["places"],
)
size_of_the_mean = slip(
    "toll",
    "it takes the size of the mean estimate, so a wrong sign looks right where it prevails",
    swap=(
        "((truth - estimates) * np.sign(truth))[:, places]",
        "(np.abs(truth) - np.abs(np.mean(estimates, axis=0)))[places]",
    ),
    loses=["signs", "larger"],
)
