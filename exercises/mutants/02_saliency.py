"""Wrong versions of assignment 02, each a misconception; and right ones, written differently.

Each message completes "This looks like a known slip: ..." and is read by a student whose answers
are those of the mutant in every case.
"""

import numpy as np

from course_lib.grading import alternative, mutant, slip

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


signed = slip(
    "first_order", "it keeps the sign of g w", swap=("np.abs(g * w)", "g * w"), loses=["sizes"]
)
summed = slip(
    "first_order",
    "it adds up over examples instead of averaging",
    swap=("X.T @ (p - y) / len(y)", "X.T @ (p - y)"),
    loses=["slope", "sizes", "mean", "unchanged"],
)
slope_alone = slip(
    "first_order",
    "it is the slope alone, not multiplied by the weight",
    swap=("np.abs(g * w)", "np.abs(g)"),
    loses=["slope", "sizes", "mean", "unchanged"],
)
each_by_itself = slip(
    "first_order",
    "it takes the size before averaging, so that nothing can cancel (useful, but another saliency)",
    swap=("X.T @ (p - y) / len(y)", "np.mean(np.abs((p - y)[:, None] * X), axis=0)"),
    loses=["slope", "sizes", "mean", "unchanged"],
)
squared_errors = slip(
    "first_order",
    "its slope is that of squared errors",
    swap=("(p - y)", "((p - y) * p * (1 - p))"),
    loses=["slope", "sizes", "mean", "unchanged"],
)
in_place = slip(
    "first_order",
    "it writes into the weights it was given",
    swap=("np.abs(g * w)", "np.abs(g * w, out=w)"),
    loses=["unchanged"],
)


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


no_half = slip(
    "optimal_damage",
    "the half is missing",
    swap=("H * w**2 / 2", "H * w**2"),
    loses=["one", "mean", "wide"],
)
weight_not_squared = slip(
    "optimal_damage",
    "the weight is not squared",
    swap=("H * w**2", "H * np.abs(w)"),
    loses=["one", "mean", "wide"],
)
damage_summed = slip(
    "optimal_damage",
    "it adds up over examples instead of averaging",
    swap=("np.mean", "np.sum"),
    loses=["mean", "wide"],
)
no_spread = slip(
    "optimal_damage",
    "p (1 - p) is missing",
    swap=("(p * (1 - p))[:, None] * X**2", "X**2"),
    loses=["one", "mean", "wide"],
)
x_not_squared = slip(
    "optimal_damage", "x is not squared", swap=("X**2", "X"), loses=["one", "mean", "wide"]
)
curvature_alone = slip(
    "optimal_damage",
    "it is the curvature alone",
    swap=("H * w**2 / 2", "H"),
    loses=["one", "mean", "wide"],
)


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


hessian_for_inverse = slip(
    "surgeon",
    "it uses H where it should use its inverse",
    swap=("np.linalg.inv(H)[:, i]", "H[:, i]"),
    loses=["pair", "many"],
)
wrong_way = slip(
    "surgeon",
    "it moves the other way, so the weight is doubled instead of cut",
    swap=("w - w[i]", "w + w[i]"),
    loses=["alone", "pair", "many", "unchanged"],
)
inverse_of_the_diagonal = slip(
    "surgeon",
    "it divides by 1 / H_ii, which is not [H^-1]_ii",
    swap=("w[i] / column[i]", "w[i] * H[i, i]"),
    loses=["pair", "many"],
)
surgeon_in_place = slip(
    "surgeon",
    "it writes into the weights it was given",
    swap=("return w - w[i] / column[i] * column", "w -= w[i] / column[i] * column; return w"),
    loses=["unchanged"],
)
not_divided = slip(
    "surgeon",
    "it forgets to divide by [H^-1]_ii",
    swap=("w[i] / column[i]", "w[i]"),
    loses=["alone", "pair", "many", "unchanged"],
)


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


smallest = slip(
    "cheapest",
    "it cuts the smallest weight, whatever the curvature",
    swap=("w**2 / np.diag(np.linalg.inv(H))", "np.abs(w)"),
    loses=["curvature", "adapt"],
)
brain_damage = slip(
    "cheapest",
    "it is brain damage: the others are held fixed",
    swap=("w**2 / np.diag(np.linalg.inv(H))", "w**2 * np.diag(H)"),
    loses=["adapt"],
)
multiplied = slip(
    "cheapest",
    "it multiplies by [H^-1]_ii, where the price divides by it",
    swap=("w**2 / np.diag", "w**2 * np.diag"),
    loses=["curvature", "adapt"],
)
size_not_squared = slip(
    "cheapest",
    "it does not square the weight",
    swap=("w**2", "np.abs(w)"),
    loses=["curvature", "adapt"],
)
dearest = slip(
    "cheapest",
    "it cuts the dearest weight",
    swap=("np.argmin", "np.argmax"),
    loses=["curvature", "adapt"],
)
