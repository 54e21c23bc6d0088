"""Wrong versions of assignment 14, each a misconception; and right ones, written differently.

Each message completes "This looks like a known slip: ..." and is read by a student whose answers
are those of the mutant in every case.
"""

import numpy as np

from course_lib.grading import alternative, mutant, slip

# --- posterior_covariance


@alternative("posterior_covariance")
def reading_by_reading(A, noise, prior):
    P = np.array(prior, dtype=float)
    for a in A:
        Pa = P @ a
        P = P - np.outer(Pa, Pa) / (noise + a @ Pa)
    return P


@alternative("posterior_covariance")
def by_conditioning(A, noise, prior):
    """The covariance of the unknowns minus what the readings explain."""
    readings = A @ prior @ A.T + noise * np.eye(len(A))
    return (prior - prior @ A.T @ np.linalg.solve(readings, A @ prior)).tolist()


noise_inverted = slip(
    "posterior_covariance",
    "it multiplies by the noise variance instead of dividing by it",
    swap=("A.T @ A / noise", "A.T @ A * noise"),
    loses=["even", "prior", "few", "unchanged"],
)
no_prior = slip(
    "posterior_covariance",
    "it forgets the prior",
    swap=(
        "np.linalg.inv(np.linalg.inv(prior) + A.T @ A / noise)",
        "np.linalg.pinv(A.T @ A / noise)",
    ),
    loses=["even", "prior", "few", "unchanged"],
)
information = slip(
    "posterior_covariance",
    "it returns the information, and not its inverse",
    swap=(
        "np.linalg.inv(np.linalg.inv(prior) + A.T @ A / noise)",
        "np.linalg.inv(prior) + A.T @ A / noise",
    ),
    loses=["even", "prior", "few", "unchanged"],
)
standard_deviation = slip(
    "posterior_covariance",
    "it takes the noise for a standard deviation, and squares it",
    swap=("A.T @ A / noise", "A.T @ A / noise**2"),
    loses=["even", "prior", "few", "unchanged"],
)
prior_not_inverted = slip(
    "posterior_covariance",
    "it adds the prior covariance to the information, and not its inverse",
    swap=("np.linalg.inv(prior)", "prior"),
    loses=["prior", "few", "unchanged"],
)
diagonal_alone = slip(
    "posterior_covariance",
    "it forgets how the unknowns hang together: only the diagonal is kept",
    swap=(
        "np.linalg.inv(np.linalg.inv(prior) + A.T @ A / noise)",
        "np.diag(np.diag(np.linalg.inv(np.linalg.inv(prior) + A.T @ A / noise)))",
    ),
    loses=["even", "prior", "few", "unchanged"],
)
in_place = slip(
    "posterior_covariance",
    "it writes into the prior it was given",
    swap=(
        "return np.linalg.inv(np.linalg.inv(prior) + A.T @ A / noise)",
        "prior[:] = np.linalg.inv(np.linalg.inv(prior) + A.T @ A / noise); return prior",
    ),
    loses=["unchanged"],
)


# --- a_cost


@alternative("a_cost")
def one_by_one(A, chosen, noise, prior):
    P = np.array(prior, dtype=float)
    for i in range(len(A)):
        if chosen[i]:
            Pa = P @ A[i]
            P = P - np.outer(Pa, Pa) / (noise[i] + A[i] @ Pa)
    return sum(P[j, j] for j in range(len(P)))


@alternative("a_cost")
def by_eigenvalues(A, chosen, noise, prior):
    weights = np.where(chosen, 1 / noise, 0)
    return (1 / np.linalg.eigvalsh(np.linalg.inv(prior) + (A.T * weights) @ A)).sum()


trace_of_the_information = slip(
    "a_cost",
    "it returns the trace of the information, and not of its inverse",
    swap=("np.linalg.inv(information)", "information"),
    loses=["all", "some", "noises", "none"],
)
inverse_of_the_trace = slip(
    "a_cost",
    "it inverts the trace instead of the matrix",
    swap=("np.trace(np.linalg.inv(information))", "1 / np.trace(information)"),
    loses=["all", "some", "noises", "none"],
)
root = slip(
    "a_cost",
    "it returns a standard deviation, the root of the sum of variances",
    swap=("np.trace(np.linalg.inv(information))", "np.sqrt(np.trace(np.linalg.inv(information)))"),
    loses=["all", "some", "noises", "none"],
)
determinant = slip(
    "a_cost",
    "it returns the determinant, which is the criterion D and not A",
    swap=("np.trace(np.linalg.inv(information))", "1 / np.linalg.det(information)"),
    loses=["all", "some", "noises", "none"],
)
reads_all = slip(
    "a_cost",
    "it reads all sensors, chosen or not",
    swap=("A[chosen], noise[chosen]", "A, noise"),
    loses=["some", "noises", "none"],
)
first_noise = slip(
    "a_cost",
    "it gives all sensors the noise of the first",
    swap=("rows / own[:, None]", "rows / noise[0]"),
    loses=["noises"],
)
noises_inverted = slip(
    "a_cost",
    "it multiplies by the noise variances instead of dividing by them",
    swap=("rows / own[:, None]", "rows * own[:, None]"),
    loses=["all", "some", "noises"],
)


# --- gains


@alternative("gains")
def by_inverting(P, A, noise):
    before = np.trace(P)
    information = np.linalg.inv(P)
    after = [np.trace(np.linalg.inv(information + np.outer(a, a) / noise)) for a in A]
    return [before - each for each in after]


@alternative("gains")
def by_updating(P, A, noise):
    found = []
    for a in A:
        Pa = P @ a
        found.append(np.trace(np.outer(Pa, Pa)) / (noise + a @ Pa))
    return np.array(found)


squared_lengths = slip(
    "gains",
    "it returns the squared lengths of the rows: loudness",
    swap=("(PA**2).sum(axis=1) / (noise + (PA * A).sum(axis=1))", "(A**2).sum(axis=1)"),
    loses=["even", "correlated", "nearly", "unchanged"],
)
wrong_numerator = slip(
    "gains",
    "it has a'Pa in the numerator, where the squared length of Pa belongs",
    swap=("(PA**2)", "(PA * A)"),
    loses=["correlated", "nearly", "unchanged"],
)
never_updated = slip(
    "gains",
    "it uses the prior's gain: it takes P for the identity",
    swap=("A @ P", "A"),
    loses=["correlated", "nearly", "unchanged"],
)
no_noise = slip(
    "gains",
    "it forgets the noise in the denominator",
    swap=("(noise + (PA * A).sum(axis=1))", "(PA * A).sum(axis=1)"),
    loses=["even", "correlated", "nearly", "unchanged"],
)
squared_noise = slip(
    "gains",
    "it takes the noise for a standard deviation, and squares it",
    swap=("noise + (PA * A)", "noise**2 + (PA * A)"),
    loses=["even", "correlated", "nearly", "unchanged"],
)
gain_of_d = slip(
    "gains",
    "it returns the gain of the logarithm of the determinant, which is D and not A",
    swap=(
        "(PA**2).sum(axis=1) / (noise + (PA * A).sum(axis=1))",
        "np.log(1 + (PA * A).sum(axis=1) / noise)",
    ),
    loses=["even", "correlated", "nearly", "unchanged"],
)


@mutant("gains", "it writes into the rows it was given", loses=["unchanged"])
def rows_in_place(P, A, noise):
    lengths = noise + np.einsum("ni,ij,nj->n", A, P, A)
    A[:] = A @ P
    return (A**2).sum(axis=1) / lengths


# --- greedy


@alternative("greedy")
def anew_each_time(A, noise, prior, k):
    order, left = [], list(range(len(A)))
    for _ in range(k):

        def cost(i, order=order):
            rows = A[[*order, i]]
            return np.trace(np.linalg.inv(np.linalg.inv(prior) + rows.T @ rows / noise))

        order.append(min(left, key=cost))
        left.remove(order[-1])
    return order


@alternative("greedy")
def with_the_information(A, noise, prior, k):
    M, order = np.linalg.inv(prior), []
    while len(order) < k:
        costs = [
            np.inf if i in order else np.linalg.inv(M + np.outer(a, a) / noise).trace()
            for i, a in enumerate(A)
        ]
        order.append(np.argmin(costs))
        M = M + np.outer(A[order[-1]], A[order[-1]]) / noise
    return np.array(order, dtype=int)


@mutant(
    "greedy",
    "it never updates: it takes the sensors that are best by themselves",
    loses=["even", "prior", "all"],
)
def without_updating(A, noise, prior, k):
    PA = A @ prior
    gain = (PA**2).sum(axis=1) / (noise + (PA * A).sum(axis=1))
    return [int(i) for i in np.argsort(-gain)[:k]]


@mutant(
    "greedy",
    "it takes the longest rows: the sculptor's rule",
    loses=["one", "even", "prior", "all"],
)
def longest(A, noise, prior, k):
    return [int(i) for i in np.argsort(-(A**2).sum(axis=1))[:k]]


twice = slip(
    "greedy",
    "it may read a sensor twice",
    swap=("gain[order] = -1", "pass"),
    loses=["even", "prior", "all"],
)
sorted_by_number = slip(
    "greedy",
    "it returns the sensors sorted by number, not in the order in which they were chosen",
    swap=("return order", "return sorted(order)"),
    loses=["even", "prior", "all"],
)
least_certain = slip(
    "greedy",
    "it takes the sensor whose reading is the least certain: a'Pa, and not what it tells",
    swap=("(PA**2).sum(axis=1) / total", "(PA * A).sum(axis=1)"),
    loses=["one", "even", "prior", "all"],
)
from_the_identity = slip(
    "greedy",
    "it forgets the prior, and starts from the identity",
    swap=("P, order = prior, []", "P, order = np.eye(A.shape[1]), []"),
    loses=["one", "prior", "all"],
)
noise_squared = slip(
    "greedy",
    "it takes the noise for a standard deviation, and squares it",
    swap=("noise + (PA * A)", "noise**2 + (PA * A)"),
    loses=["even"],
)
one_at_least = slip(
    "greedy",
    "it takes one at least, also for k = 0",
    swap=("range(k)", "range(max(k, 1))"),
    loses=["zero"],
)


# --- decoys


@alternative("decoys")
def one_copy_fewer(d, factor):
    quiet = 3 * factor**0.5
    first = [[2 * quiet] + [0.0] * (d - 1) for _ in range(d)]
    others = [[quiet * (i == j) for i in range(d)] for j in range(1, d)]
    return first + others


@alternative("decoys")
def along_the_diagonal(d, factor):
    quiet = 10 * np.eye(d) * np.sqrt(factor)
    return np.vstack([quiet, np.full((d, d), 20 * np.sqrt(factor))])


loud_ones_apart = slip(
    "decoys",
    "its loud sensors do not overlap, and then the loudest are the best",
    swaps=[
        ("1.1 * length", "length"),
        ("[loud, length * np.eye(d)]", "[1.1 * length * np.eye(d), loud]"),
    ],
    loses=["two", "more", "any"],
)
too_quiet = slip(
    "decoys",
    "its quiet sensors are too quiet: reading them settles nothing",
    swaps=[("1.1 * length", "1.5 * length"), ("length * np.eye(d)", "0.1 * np.eye(d)")],
    loses=["two", "more", "any"],
)


@mutant(
    "decoys",
    "all of its sensors point the same way, so that there is nothing better to choose",
    loses=["two", "more", "any"],
)
def all_alike(d, factor):
    rows = np.zeros((2 * d, d))
    rows[:, 0] = [3 * factor] * d + [2 * factor] * d
    return rows


equally_loud = slip(
    "decoys",
    "its sensors are equally loud, so that the rule has nothing to go by",
    swap=("1.1 * length", "length"),
    loses=["two", "more", "any"],
)
too_loud = slip(
    "decoys",
    "its lengths grow like the factor and pass a million; the root of it is enough",
    swaps=[
        ("1.1 * length", "200.0 * factor"),
        ("length * np.eye(d)", "100.0 * factor * np.eye(d)"),
    ],
    loses=["any"],
)
one_size = slip(
    "decoys",
    "it gives the same sensors for every factor",
    swaps=[("1.1 * length", "4.0"), ("length * np.eye(d)", "3 * np.eye(d)")],
    loses=["more", "any"],
)
two_unknowns_only = slip(
    "decoys",
    "its quiet sensors hear only the first two unknowns",
    swap=("np.eye(d)", "np.eye(d)[:2]"),
    loses=["more", "any"],
)
