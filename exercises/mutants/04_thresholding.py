"""Wrong versions of assignment 04, each a misconception; and right ones, written differently.

Each message completes "This looks like a known slip: ..." and is read by a student whose answers
are those of the mutant in every case.
"""

import numpy as np

from course_lib.grading import alternative, mutant

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


@mutant(
    "soft_threshold",
    "it cuts but does not shrink: that is the hard threshold",
    loses=["positive", "signs", "tables", "unchanged"],
)
def hard(v, tau):
    return np.where(np.abs(v) > tau, v, 0)


@mutant("soft_threshold", "it shrinks signed values, so negative ones are lost", loses=["signs"])
def only_upwards(v, tau):
    return np.maximum(v - tau, 0)


@mutant(
    "soft_threshold",
    "it shrinks past zero, so small numbers change their sign",
    loses=["positive", "signs", "tables", "unchanged"],
)
def past_zero(v, tau):
    return np.sign(v) * (np.abs(v) - tau)


@mutant("soft_threshold", "it loses the sign of negative numbers", loses=["signs"])
def unsigned(v, tau):
    return np.maximum(np.abs(v) - tau, 0)


@mutant("soft_threshold", "it writes into the array it was given", loses=["unchanged"])
def in_place(v, tau):
    v[...] = np.sign(v) * np.maximum(np.abs(v) - tau, 0)
    return v


@mutant(
    "soft_threshold",
    "where tau is 0 it hands back the array it was given, not a new one",
    loses=["unchanged"],
)
def handed_back(v, tau):
    return v if tau == 0 else np.sign(v) * np.maximum(np.abs(v) - tau, 0)


@mutant(
    "soft_threshold",
    "it shrinks by half of tau: the price has no half, only the square",
    loses=["positive", "signs", "tables", "unchanged"],
)
def half(v, tau):
    return np.sign(v) * np.maximum(np.abs(v) - tau / 2, 0)


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


@mutant(
    "ista_step",
    "its threshold is tau; it has to be tau / L",
    loses=["threshold", "onward", "wide", "unchanged"],
)
def not_scaled(A, y, x, tau):
    L = np.linalg.norm(A, 2) ** 2
    moved = x + A.T @ (y - A @ x) / L
    return np.sign(moved) * np.maximum(np.abs(moved) - tau, 0)


@mutant(
    "ista_step",
    "its step has length 1; it has to be 1 / L, or the method may grow without bound",
    loses=["step", "threshold", "onward", "wide", "unchanged"],
)
def no_length(A, y, x, tau):
    L = np.linalg.norm(A, 2) ** 2
    moved = x + A.T @ (y - A @ x)
    return np.sign(moved) * np.maximum(np.abs(moved) - tau / L, 0)


@mutant(
    "ista_step",
    "its L is the largest singular value of A; the eigenvalue of A'A is the square of that",
    loses=["step", "threshold", "onward", "wide", "unchanged"],
)
def singular_value(A, y, x, tau):
    L = np.linalg.norm(A, 2)
    moved = x + A.T @ (y - A @ x) / L
    return np.sign(moved) * np.maximum(np.abs(moved) - tau / L, 0)


@mutant(
    "ista_step",
    "its L is the sum of all squares of A (Frobenius); the largest eigenvalue of A'A is smaller",
    loses=["step", "threshold", "onward", "wide", "unchanged"],
)
def frobenius(A, y, x, tau):
    L = np.sum(A * A)
    moved = x + A.T @ (y - A @ x) / L
    return np.sign(moved) * np.maximum(np.abs(moved) - tau / L, 0)


@mutant(
    "ista_step",
    "it walks up the gradient instead of down",
    loses=["step", "threshold", "onward", "wide", "unchanged"],
)
def uphill(A, y, x, tau):
    L = np.linalg.norm(A, 2) ** 2
    moved = x - A.T @ (y - A @ x) / L
    return np.sign(moved) * np.maximum(np.abs(moved) - tau / L, 0)


@mutant(
    "ista_step",
    "it cuts where it should shrink",
    loses=["threshold", "onward", "wide", "unchanged"],
)
def cuts(A, y, x, tau):
    L = np.linalg.norm(A, 2) ** 2
    moved = x + A.T @ (y - A @ x) / L
    return np.where(np.abs(moved) > tau / L, moved, 0)


@mutant("ista_step", "it starts from zero, wherever x is", loses=["onward", "wide", "unchanged"])
def from_zero(A, y, x, tau):
    L = np.linalg.norm(A, 2) ** 2
    moved = A.T @ y / L
    return np.sign(moved) * np.maximum(np.abs(moved) - tau / L, 0)


@mutant(
    "ista_step",
    "it takes the gradient at x, but the step from zero",
    loses=["onward", "wide", "unchanged"],
)
def forgets_x(A, y, x, tau):
    L = np.linalg.norm(A, 2) ** 2
    moved = A.T @ (y - A @ x) / L
    return np.sign(moved) * np.maximum(np.abs(moved) - tau / L, 0)


@mutant("ista_step", "it makes the step in the x it was given", loses=["unchanged"])
def step_in_place(A, y, x, tau):
    L = np.linalg.norm(A, 2) ** 2
    x += A.T @ (y - A @ x) / L
    return np.sign(x) * np.maximum(np.abs(x) - tau / L, 0)


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


@mutant("iht", "it keeps the largest values, signs and all", loses=["signs", "return"])
def signed(A, y, k, rounds, step):
    x = np.zeros(A.shape[1])
    for _ in range(rounds):
        moved = x + step * A.T @ (y - A @ x)
        kept = np.argsort(-moved)[:k]
        x = np.zeros(A.shape[1])
        x[kept] = moved[kept]
    return x


@mutant("iht", "it thresholds once, after all the rounds", loses=["return"])
def once_at_the_end(A, y, k, rounds, step):
    x = np.zeros(A.shape[1])
    for _ in range(rounds):
        x = x + step * A.T @ (y - A @ x)
    kept = np.argsort(-np.abs(x))[:k]
    new = np.zeros(A.shape[1])
    new[kept] = x[kept]
    return new


@mutant("iht", "it makes one round too many", loses=["first", "signs", "none", "return"])
def one_more(A, y, k, rounds, step):
    x = np.zeros(A.shape[1])
    for _ in range(rounds + 1):
        moved = x + step * A.T @ (y - A @ x)
        kept = np.argsort(-np.abs(moved))[:k]
        x = np.zeros(A.shape[1])
        x[kept] = moved[kept]
    return x


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


@mutant(
    "iht",
    "it drops the k largest instead of keeping them",
    loses=["first", "signs", "none", "return"],
)
def drops_the_largest(A, y, k, rounds, step):
    x = np.zeros(A.shape[1])
    for _ in range(rounds):
        moved = x + step * A.T @ (y - A @ x)
        moved[np.argsort(-np.abs(moved))[:k]] = 0
        x = moved
    return x


@mutant("iht", "it forgets the step", loses=["first", "signs", "none", "return"])
def no_step(A, y, k, rounds, step):
    x = np.zeros(A.shape[1])
    for _ in range(rounds):
        moved = x + A.T @ (y - A @ x)
        kept = np.argsort(-np.abs(moved))[:k]
        x = np.zeros(A.shape[1])
        x[kept] = moved[kept]
    return x


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


@mutant("toll", "it averages over places without truth too", loses=["places", "larger"])
def all_places(estimates, truth):
    return np.mean((truth - estimates) * np.where(truth < 0, -1, 1))


@mutant(
    "toll",
    "it takes signed differences, so that negative entries count the wrong way",
    loses=["signs"],
)
def signed_differences(estimates, truth):
    return np.mean((truth - estimates)[:, truth != 0])


@mutant("toll", "it averages the size of the errors, in whichever direction", loses=["larger"])
def size_of_errors(estimates, truth):
    return np.mean(np.abs(truth - estimates)[:, truth != 0])


@mutant(
    "toll",
    "it says how much too large, not how much too small",
    loses=["positive", "signs", "places", "larger"],
)
def too_large_instead(estimates, truth):
    return np.mean(((estimates - truth) * np.sign(truth))[:, truth != 0])


@mutant(
    "toll",
    "it adds up over estimates, where it should average",
    loses=["signs", "places", "larger"],
)
def summed(estimates, truth):
    return np.sum(((truth - estimates) * np.sign(truth))[:, truth != 0]) / np.sum(truth != 0)


@mutant("toll", "it compares sizes, so a wrong sign looks right", loses=["larger"])
def sizes_only(estimates, truth):
    return np.mean((np.abs(truth) - np.abs(estimates))[:, truth != 0])


@mutant("toll", "it takes places from the estimate instead of from the truth", loses=["places"])
def places_of_the_estimate(estimates, truth):
    return np.mean(((truth - estimates) * np.where(truth < 0, -1, 1))[estimates != 0])


@mutant("toll", "it leaves out true entries that were read as 0", loses=["places"])
def found_entries_only(estimates, truth):
    found = (estimates != 0) & (truth != 0)
    return np.mean(((truth - estimates) * np.where(truth < 0, -1, 1))[found])


@mutant(
    "toll",
    "it takes the size of the mean estimate, so a wrong sign looks right where it prevails",
    loses=["larger"],
)
def size_of_the_mean(estimates, truth):
    return np.mean((np.abs(truth) - np.abs(np.mean(estimates, axis=0)))[truth != 0])
