"""Wrong versions of assignment 02, each a misconception; and right ones, written differently.

Each message completes "This looks like a known slip: ..." and is read by a student whose answers
are those of the mutant in every case.
"""

import numpy as np

from course_lib.grading import alternative, mutant

# --- first_order


@alternative("first_order")
def example_by_example(X, y, w):
    g = np.zeros(len(w))
    for x, label in zip(X, y, strict=True):
        z = sum(a * b for a, b in zip(x, w, strict=True))
        g += (1 / (1 + np.exp(-z)) - label) * x
    return np.abs(w) * np.abs(g) / len(X)


@alternative("first_order")
def by_differences(X, y, w):
    def loss(v):
        z = X @ v
        return np.mean(np.logaddexp(0, z) - y * z)

    h = 1e-6
    found = []
    for i in range(len(w)):
        up, down = w.astype(float).copy(), w.astype(float).copy()
        up[i] += h
        down[i] -= h
        found.append(abs((loss(up) - loss(down)) / (2 * h) * w[i]))
    return found


@mutant("first_order", "it keeps the sign of g w", loses=["sizes"])
def signed(X, y, w):
    p = 1 / (1 + np.exp(-X @ w))
    return X.T @ (p - y) / len(y) * w


@mutant(
    "first_order",
    "it adds up over examples instead of averaging",
    loses=["slope", "sizes", "mean", "unchanged"],
)
def summed(X, y, w):
    p = 1 / (1 + np.exp(-X @ w))
    return np.abs(X.T @ (p - y) * w)


@mutant(
    "first_order",
    "it is the slope alone, not multiplied by the weight",
    loses=["slope", "sizes", "mean", "unchanged"],
)
def slope_alone(X, y, w):
    p = 1 / (1 + np.exp(-X @ w))
    return np.abs(X.T @ (p - y) / len(y))


@mutant(
    "first_order",
    "it takes the size before averaging, so that nothing can cancel (useful, but another saliency)",
    loses=["slope", "sizes", "mean", "unchanged"],
)
def each_by_itself(X, y, w):
    p = 1 / (1 + np.exp(-X @ w))
    return np.mean(np.abs((p - y)[:, None] * X), axis=0) * np.abs(w)


@mutant(
    "first_order",
    "its slope is that of squared errors",
    loses=["slope", "sizes", "mean", "unchanged"],
)
def squared_errors(X, y, w):
    p = 1 / (1 + np.exp(-X @ w))
    return np.abs(X.T @ ((p - y) * p * (1 - p)) / len(y) * w)


@mutant("first_order", "it writes into the weights it was given", loses=["unchanged"])
def in_place(X, y, w):
    p = 1 / (1 + np.exp(-X @ w))
    w[...] = np.abs(X.T @ (p - y) / len(y) * w)
    return w


# --- optimal_damage


@alternative("optimal_damage")
def with_loops(X, w):
    found = []
    for i in range(len(w)):
        total = 0.0
        for x in X:
            p = 1 / (1 + np.exp(-float(np.dot(x, w))))
            total += p * (1 - p) * x[i] ** 2
        found.append(0.5 * total / len(X) * w[i] ** 2)
    return found


@alternative("optimal_damage")
def from_the_whole_hessian(X, w):
    p = 1 / (1 + np.exp(-X @ w))
    H = X.T @ np.diag(p * (1 - p)) @ X / len(X)
    return 0.5 * np.diag(H) * w * w


@mutant("optimal_damage", "the half is missing", loses=["one", "mean", "wide"])
def no_half(X, w):
    p = 1 / (1 + np.exp(-X @ w))
    return np.mean((p * (1 - p))[:, None] * X**2, axis=0) * w**2


@mutant("optimal_damage", "the weight is not squared", loses=["one", "mean", "wide"])
def weight_not_squared(X, w):
    p = 1 / (1 + np.exp(-X @ w))
    return np.mean((p * (1 - p))[:, None] * X**2, axis=0) * np.abs(w) / 2


@mutant("optimal_damage", "it adds up over examples instead of averaging", loses=["mean", "wide"])
def damage_summed(X, w):
    p = 1 / (1 + np.exp(-X @ w))
    return np.sum((p * (1 - p))[:, None] * X**2, axis=0) * w**2 / 2


@mutant("optimal_damage", "p (1 - p) is missing", loses=["one", "mean", "wide"])
def no_spread(X, w):
    return np.mean(X**2, axis=0) * w**2 / 2


@mutant("optimal_damage", "x is not squared", loses=["one", "mean", "wide"])
def x_not_squared(X, w):
    p = 1 / (1 + np.exp(-X @ w))
    return np.mean((p * (1 - p))[:, None] * X, axis=0) * w**2 / 2


@mutant("optimal_damage", "it is the curvature alone", loses=["one", "mean", "wide"])
def curvature_alone(X, w):
    p = 1 / (1 + np.exp(-X @ w))
    return np.mean((p * (1 - p))[:, None] * X**2, axis=0)


# --- surgeon


@alternative("surgeon")
def by_solving(w, H, i):
    e = np.zeros(len(w))
    e[i] = 1
    column = np.linalg.solve(H, e)
    new = w - column * (w[i] / column[i])
    new[i] = 0.0
    return new


@alternative("surgeon")
def by_minimising_over_the_rest(w, H, i):
    rest = [j for j in range(len(w)) if j != i]
    move = np.zeros(len(w))
    move[i] = -w[i]
    move[rest] = np.linalg.solve(H[np.ix_(rest, rest)], H[rest, i] * w[i])
    return [float(a + b) for a, b in zip(w, move, strict=True)]


@mutant("surgeon", "it cuts the weight and lets no other adapt", loses=["pair", "many"])
def only_cuts(w, H, i):
    new = np.array(w, dtype=float)
    new[i] = 0
    return new


@mutant("surgeon", "it uses H where it should use its inverse", loses=["pair", "many"])
def hessian_for_inverse(w, H, i):
    return w - w[i] / H[i, i] * H[:, i]


@mutant(
    "surgeon",
    "it moves the other way, so the weight is doubled instead of cut",
    loses=["alone", "pair", "many", "unchanged"],
)
def wrong_way(w, H, i):
    column = np.linalg.inv(H)[:, i]
    return w + w[i] / column[i] * column


@mutant("surgeon", "it divides by 1 / H_ii, which is not [H^-1]_ii", loses=["pair", "many"])
def inverse_of_the_diagonal(w, H, i):
    return w - w[i] * H[i, i] * np.linalg.inv(H)[:, i]


@mutant("surgeon", "it writes into the weights it was given", loses=["unchanged"])
def surgeon_in_place(w, H, i):
    column = np.linalg.inv(H)[:, i]
    w -= w[i] / column[i] * column
    return w


@mutant(
    "surgeon",
    "it forgets to divide by [H^-1]_ii",
    loses=["alone", "pair", "many", "unchanged"],
)
def not_divided(w, H, i):
    return w - w[i] * np.linalg.inv(H)[:, i]


@mutant(
    "surgeon",
    "it goes on with w_i after it has set w_i to 0, so the weights after it stay where they are",
    loses=["pair", "many"],
)
def one_after_the_other(w, H, i):
    new, column = np.array(w, dtype=float), np.linalg.inv(H)[:, i]
    for j in range(len(w)):
        new[j] -= new[i] / column[i] * column[j]
    return new


# --- cheapest


@alternative("cheapest")
def by_trying_every_cut(w, H):
    costs = []
    for i in range(len(w)):
        column = np.linalg.inv(H)[:, i]
        move = -w[i] / column[i] * column
        costs.append(move @ H @ move / 2)
    return costs.index(min(costs))


@alternative("cheapest")
def as_a_sort(w, H):
    inverse = np.linalg.inv(H)
    return min(range(len(w)), key=lambda i: w[i] ** 2 / (2 * inverse[i, i]))


@mutant(
    "cheapest", "it cuts the smallest weight, whatever the curvature", loses=["curvature", "adapt"]
)
def smallest(w, H):
    return int(np.argmin(np.abs(w)))


@mutant("cheapest", "it is brain damage: the others are held fixed", loses=["adapt"])
def brain_damage(w, H):
    return int(np.argmin(w**2 * np.diag(H)))


@mutant(
    "cheapest",
    "it multiplies by [H^-1]_ii, where the price divides by it",
    loses=["curvature", "adapt"],
)
def multiplied(w, H):
    return int(np.argmin(w**2 * np.diag(np.linalg.inv(H))))


@mutant("cheapest", "it does not square the weight", loses=["curvature", "adapt"])
def size_not_squared(w, H):
    return int(np.argmin(np.abs(w) / np.diag(np.linalg.inv(H))))


@mutant("cheapest", "it cuts the dearest weight", loses=["curvature", "adapt"])
def dearest(w, H):
    return int(np.argmax(w**2 / np.diag(np.linalg.inv(H))))
