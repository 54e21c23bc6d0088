"""Wrong versions of assignment 14, each a misconception; and right ones, written differently.

Each message completes "This looks like a known slip: ..." and is read by a student whose answers
are those of the mutant in every case.
"""

import numpy as np

from course_lib.grading import alternative, mutant

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
    """The covariance of the unknowns less what the readings explain."""
    readings = A @ prior @ A.T + noise * np.eye(len(A))
    return (prior - prior @ A.T @ np.linalg.solve(readings, A @ prior)).tolist()


@mutant(
    "posterior_covariance",
    "it multiplies by the noise variance instead of dividing by it",
    loses=["even", "prior", "few", "unchanged"],
)
def noise_inverted(A, noise, prior):
    return np.linalg.inv(np.linalg.inv(prior) + A.T @ A * noise)


@mutant(
    "posterior_covariance",
    "it forgets the prior",
    loses=["even", "prior", "few", "unchanged"],
)
def no_prior(A, noise, prior):
    return np.linalg.pinv(A.T @ A / noise)


@mutant(
    "posterior_covariance",
    "it returns the information, and not its inverse",
    loses=["even", "prior", "few", "unchanged"],
)
def information(A, noise, prior):
    return np.linalg.inv(prior) + A.T @ A / noise


@mutant(
    "posterior_covariance",
    "it takes the noise for a standard deviation, and squares it",
    loses=["even", "prior", "few", "unchanged"],
)
def standard_deviation(A, noise, prior):
    return np.linalg.inv(np.linalg.inv(prior) + A.T @ A / noise**2)


@mutant(
    "posterior_covariance",
    "it adds the prior covariance to the information, and not its inverse",
    loses=["prior", "few", "unchanged"],
)
def prior_not_inverted(A, noise, prior):
    return np.linalg.inv(prior + A.T @ A / noise)


@mutant(
    "posterior_covariance",
    "it forgets how the unknowns hang together: only the diagonal is kept",
    loses=["even", "prior", "few", "unchanged"],
)
def diagonal_alone(A, noise, prior):
    return np.diag(np.diag(np.linalg.inv(np.linalg.inv(prior) + A.T @ A / noise)))


@mutant("posterior_covariance", "it writes into the prior it was given", loses=["unchanged"])
def in_place(A, noise, prior):
    prior[:] = np.linalg.inv(np.linalg.inv(prior) + A.T @ A / noise)
    return prior


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


@mutant(
    "a_cost",
    "it returns the trace of the information, and not of its inverse",
    loses=["all", "some", "noises", "none"],
)
def trace_of_the_information(A, chosen, noise, prior):
    rows, own = A[chosen], noise[chosen]
    return np.trace(np.linalg.inv(prior) + rows.T @ (rows / own[:, None]))


@mutant(
    "a_cost",
    "it inverts the trace instead of the matrix",
    loses=["all", "some", "noises", "none"],
)
def inverse_of_the_trace(A, chosen, noise, prior):
    rows, own = A[chosen], noise[chosen]
    return 1 / np.trace(np.linalg.inv(prior) + rows.T @ (rows / own[:, None]))


@mutant(
    "a_cost",
    "it returns a standard deviation, the root of the sum of variances",
    loses=["all", "some", "noises", "none"],
)
def root(A, chosen, noise, prior):
    rows, own = A[chosen], noise[chosen]
    information = np.linalg.inv(prior) + rows.T @ (rows / own[:, None])
    return np.sqrt(np.trace(np.linalg.inv(information)))


@mutant(
    "a_cost",
    "it returns the determinant, which is the criterion D and not A",
    loses=["all", "some", "noises", "none"],
)
def determinant(A, chosen, noise, prior):
    rows, own = A[chosen], noise[chosen]
    return 1 / np.linalg.det(np.linalg.inv(prior) + rows.T @ (rows / own[:, None]))


@mutant("a_cost", "it reads all sensors, chosen or not", loses=["some", "noises", "none"])
def reads_all(A, chosen, noise, prior):
    information = np.linalg.inv(prior) + A.T @ (A / noise[:, None])
    return np.trace(np.linalg.inv(information))


@mutant("a_cost", "it gives all sensors the noise of the first", loses=["noises"])
def first_noise(A, chosen, noise, prior):
    rows = A[chosen]
    return np.trace(np.linalg.inv(np.linalg.inv(prior) + rows.T @ rows / noise[0]))


@mutant(
    "a_cost",
    "it multiplies by the noise variances instead of dividing by them",
    loses=["all", "some", "noises"],
)
def noises_inverted(A, chosen, noise, prior):
    rows, own = A[chosen], noise[chosen]
    information = np.linalg.inv(prior) + rows.T @ (rows * own[:, None])
    return np.trace(np.linalg.inv(information))


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


@mutant(
    "gains",
    "it returns the squared lengths of the rows: loudness",
    loses=["even", "correlated", "nearly", "unchanged"],
)
def squared_lengths(P, A, noise):
    return (A**2).sum(axis=1)


@mutant(
    "gains",
    "it has a'Pa in the numerator, where the squared length of Pa belongs",
    loses=["correlated", "nearly", "unchanged"],
)
def wrong_numerator(P, A, noise):
    q = np.einsum("ni,ij,nj->n", A, P, A)
    return q / (noise + q)


@mutant(
    "gains",
    "it uses the prior's gain: it takes P for the identity",
    loses=["correlated", "nearly", "unchanged"],
)
def never_updated(P, A, noise):
    q = (A**2).sum(axis=1)
    return q / (noise + q)


@mutant(
    "gains",
    "it forgets the noise in the denominator",
    loses=["even", "correlated", "nearly", "unchanged"],
)
def no_noise(P, A, noise):
    PA = A @ P
    return (PA**2).sum(axis=1) / (PA * A).sum(axis=1)


@mutant(
    "gains",
    "it takes the noise for a standard deviation, and squares it",
    loses=["even", "correlated", "nearly", "unchanged"],
)
def squared_noise(P, A, noise):
    PA = A @ P
    return (PA**2).sum(axis=1) / (noise**2 + (PA * A).sum(axis=1))


@mutant(
    "gains",
    "it returns the gain of the logarithm of the determinant, which is D and not A",
    loses=["even", "correlated", "nearly", "unchanged"],
)
def gain_of_d(P, A, noise):
    return np.log(1 + np.einsum("ni,ij,nj->n", A, P, A) / noise)


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


@mutant(
    "greedy",
    "it may read a sensor twice",
    loses=["even", "prior", "all"],
)
def twice(A, noise, prior, k):
    P, order = prior, []
    for _ in range(k):
        PA = A @ P
        total = noise + (PA * A).sum(axis=1)
        best = int(((PA**2).sum(axis=1) / total).argmax())
        order.append(best)
        P = P - np.outer(PA[best], PA[best]) / total[best]
    return order


@mutant(
    "greedy",
    "it returns the sensors sorted by number, not in the order in which they were chosen",
    loses=["even", "prior", "all"],
)
def sorted_by_number(A, noise, prior, k):
    P, order = prior, []
    for _ in range(k):
        PA = A @ P
        total = noise + (PA * A).sum(axis=1)
        gain = (PA**2).sum(axis=1) / total
        gain[order] = -1
        best = int(gain.argmax())
        order.append(best)
        P = P - np.outer(PA[best], PA[best]) / total[best]
    return sorted(order)


@mutant(
    "greedy",
    "it takes the sensor whose reading is the least certain: a'Pa, and not what it tells",
    loses=["one", "even", "prior", "all"],
)
def least_certain(A, noise, prior, k):
    P, order = prior, []
    for _ in range(k):
        PA = A @ P
        q = (PA * A).sum(axis=1)
        q[order] = -1
        best = int(q.argmax())
        order.append(best)
        P = P - np.outer(PA[best], PA[best]) / (noise + q[best])
    return order


@mutant(
    "greedy",
    "it forgets the prior, and starts from the identity",
    loses=["one", "prior", "all"],
)
def from_the_identity(A, noise, prior, k):
    P, order = np.eye(A.shape[1]), []
    for _ in range(k):
        PA = A @ P
        total = noise + (PA * A).sum(axis=1)
        gain = (PA**2).sum(axis=1) / total
        gain[order] = -1
        best = int(gain.argmax())
        order.append(best)
        P = P - np.outer(PA[best], PA[best]) / total[best]
    return order


@mutant("greedy", "it takes the noise for a standard deviation, and squares it", loses=["even"])
def noise_squared(A, noise, prior, k):
    P, order = prior, []
    for _ in range(k):
        PA = A @ P
        total = noise**2 + (PA * A).sum(axis=1)
        gain = (PA**2).sum(axis=1) / total
        gain[order] = -1
        best = int(gain.argmax())
        order.append(best)
        P = P - np.outer(PA[best], PA[best]) / total[best]
    return order


@mutant("greedy", "it takes one at least, also for k = 0", loses=["zero"])
def one_at_least(A, noise, prior, k):
    P, order = prior, []
    for _ in range(max(k, 1)):
        PA = A @ P
        total = noise + (PA * A).sum(axis=1)
        gain = (PA**2).sum(axis=1) / total
        gain[order] = -1
        best = int(gain.argmax())
        order.append(best)
        P = P - np.outer(PA[best], PA[best]) / total[best]
    return order


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


@mutant(
    "decoys",
    "its loud sensors do not overlap, and then the loudest are the best",
    loses=["two", "more", "any"],
)
def loud_ones_apart(d, factor):
    length = 2 * np.sqrt(factor)
    quiet = np.zeros((d, d))
    quiet[:, 0] = length
    return np.vstack([1.1 * length * np.eye(d), quiet])


@mutant(
    "decoys",
    "its quiet sensors are too quiet: reading them settles nothing",
    loses=["two", "more", "any"],
)
def too_quiet(d, factor):
    loud = np.zeros((d, d))
    loud[:, 0] = 3 * np.sqrt(factor)
    return np.vstack([loud, 0.1 * np.eye(d)])


@mutant(
    "decoys",
    "all of its sensors point the same way, so that there is nothing better to choose",
    loses=["two", "more", "any"],
)
def all_alike(d, factor):
    rows = np.zeros((2 * d, d))
    rows[:, 0] = [3 * factor] * d + [2 * factor] * d
    return rows


@mutant(
    "decoys",
    "its sensors are equally loud, so that the rule has nothing to go by",
    loses=["two", "more", "any"],
)
def equally_loud(d, factor):
    length = 2 * np.sqrt(factor)
    loud = np.zeros((d, d))
    loud[:, 0] = length
    return np.vstack([loud, length * np.eye(d)])


@mutant(
    "decoys",
    "its lengths grow like the factor and pass a million; the root of it is enough",
    loses=["any"],
)
def too_loud(d, factor):
    loud = np.zeros((d, d))
    loud[:, 0] = 200.0 * factor
    return np.vstack([loud, 100.0 * factor * np.eye(d)])


@mutant("decoys", "it gives the same sensors for every factor", loses=["any"])
def one_size(d, factor):
    loud = np.zeros((d, d))
    loud[:, 0] = 4.0
    return np.vstack([loud, 3 * np.eye(d)])


@mutant(
    "decoys",
    "its quiet sensors hear only the first two unknowns",
    loses=["more", "any"],
)
def two_unknowns_only(d, factor):
    length = 2 * np.sqrt(factor)
    loud = np.zeros((d, d))
    loud[:, 0] = 1.1 * length
    return np.vstack([loud, length * np.eye(d)[:2]])
