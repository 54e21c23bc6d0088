"""Wrong versions of assignment 09, each a misconception; and right ones, written differently.

Each message completes "This looks like a known slip: ..." and is read by a student whose answers
are those of the mutant in every case.
"""

import numpy as np

from course_lib.grading import alternative, mutant, slip

# --- adamw_step


@alternative("adamw_step")
def one_parameter_at_a_time(w, m, v, gradient, t, lr, decay, is_weight):
    new = [[], [], []]
    for i in range(len(w)):
        first = 0.9 * m[i] + (1 - 0.9) * gradient[i]
        second = 0.999 * v[i] + (1 - 0.999) * gradient[i] * gradient[i]
        root = (second / (1 - 0.999**t)) ** 0.5
        kept = 1 - lr * decay if is_weight[i] else 1.0
        new[0].append(kept * w[i] - lr * first / (1 - 0.9**t) / (root + 1e-8))
        new[1].append(first)
        new[2].append(second)
    return tuple(new)


@alternative("adamw_step")
def decay_first(w, m, v, gradient, t, lr, decay, is_weight):
    m = m + 0.1 * (gradient - m)
    v = v + 0.001 * (gradient * gradient - v)
    shrunk = np.where(is_weight, w * (1 - lr * decay), w)
    rate = lr * np.sqrt(1 - 0.999**t) / (1 - 0.9**t)
    return shrunk - rate * m / (np.sqrt(v) + 1e-8 * np.sqrt(1 - 0.999**t)), m, v


in_the_gradient = slip(
    "adamw_step",
    "it adds the decay to the gradient, where Adam divides it away: L2, not decoupled decay",
    swaps=[
        ("m = 0.9 * m", "gradient = gradient + decay * w * is_weight; m = 0.9 * m"),
        ("w - lr * move - lr * decay * w * is_weight", "w - lr * move"),
    ],
    loses=["weights", "biases", "apart", "unchanged"],
)
biases_too = slip(
    "adamw_step",
    "it lets biases decay too",
    swap=("decay * w * is_weight", "decay * w"),
    loses=["biases", "unchanged"],
)
scaled_by_the_gradient = slip(
    "adamw_step",
    "it scales the decay by the gradients, as if it were a part of Adam's move",
    swaps=[
        ("(m / (1 - 0.9**t))", "(m / (1 - 0.9**t) + decay * w * is_weight)"),
        ("w - lr * move - lr * decay * w * is_weight", "w - lr * move"),
    ],
    loses=["weights", "biases", "unchanged"],
)
without_the_rate = slip(
    "adamw_step",
    "it takes the decay whole, not times the learning rate",
    swap=("lr * decay * w", "decay * w"),
    loses=["weights", "biases", "unchanged"],
)
after_the_move = slip(
    "adamw_step",
    "it lets the weights decay after the move, not those before the step",
    swap=(
        "w - lr * move - lr * decay * w * is_weight",
        "(w - lr * move) * (1 - lr * decay * is_weight)",
    ),
    loses=["weights", "biases", "unchanged"],
)
without_hats = slip(
    "adamw_step",
    "it leaves out the hats, the correction for averages that began at zero",
    swap=("(m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)", "m / (np.sqrt(v) + 1e-8)"),
    loses=["plain", "weights", "biases", "unchanged"],
)
hats_stored = slip(
    "adamw_step",
    "it stores the averages with their hats, and corrects them again at the next step",
    swaps=[
        ("0.9 * m + 0.1 * gradient", "(0.9 * m + 0.1 * gradient) / (1 - 0.9**t)"),
        ("0.999 * v + 0.001 * gradient**2", "(0.999 * v + 0.001 * gradient**2) / (1 - 0.999**t)"),
        ("(m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)", "m / (np.sqrt(v) + 1e-8)"),
    ],
    loses=["averages", "apart", "unchanged"],
)


@mutant("adamw_step", "it writes into the arrays it was given", loses=["unchanged"])
def step_in_place(w, m, v, gradient, t, lr, decay, is_weight):
    m *= 0.9
    m += 0.1 * gradient
    v *= 0.999
    v += 0.001 * gradient**2
    move = (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
    w *= 1 - lr * decay * is_weight
    w -= lr * move
    return w, m, v


# --- dropout


@alternative("dropout")
def by_a_mask(p, h, u, training):
    kept = (u >= p).astype(float) / (1 - p) if training else np.ones(h.shape)
    return h * kept


@alternative("dropout")
def one_by_one(p, h, u, training):
    new = np.array(h, dtype=float)
    if training:
        for place in np.ndindex(*h.shape):
            new[place] = 0 if u[place] < p else h[place] / (1 - p)
    return new


in_use_as_well = slip(
    "dropout", "it goes on silencing in use", swap=("if not training:", "if False:"), loses=["use"]
)
unscaled = slip(
    "dropout",
    "it does not scale up what is left",
    swap=("h / (1 - p)", "h"),
    loses=["training", "tables", "unchanged"],
)
scaled_in_use = slip(
    "dropout",
    "it scales in use instead of in training",
    swaps=[("return h", "return h * (1 - p)"), ("h / (1 - p)", "h")],
    loses=["training", "use", "tables", "unchanged"],
)
p_is_kept = slip(
    "dropout",
    "it takes p for the share that is kept",
    swap=("0.0, h / (1 - p)", "h / p, 0.0"),
    loses=["training", "tables", "unchanged"],
)
by_the_survivors = slip(
    "dropout",
    "it divides by the share that happened to survive, not by the one expected",
    swap=("h / (1 - p)", "h / max((u >= p).mean(), 1e-9)"),
    loses=["training", "tables", "unchanged"],
)
whole_columns = slip(
    "dropout",
    "it silences whole columns, by the first row's numbers",
    swap=("np.where(u < p,", "np.where(np.broadcast_to(u[0] if u.ndim == 2 else u, h.shape) < p,"),
    loses=["tables"],
)


@mutant("dropout", "it writes into the array it was given", loses=["unchanged"])
def silenced_in_place(p, h, u, training):
    if training:
        h[u < p] = 0
        h /= 1 - p
    return h


# --- density_at


@alternative("density_at")
def by_cases(step, begin, end, density):
    if step <= begin:
        return 1.0
    if step >= end:
        return density
    left = (end - step) / (end - begin)
    return density + (1 - density) * left * left * left


@alternative("density_at")
def through_the_sparsity(step, begin, end, density):
    gone = 1 - density
    u = np.clip((step - begin) / (end - begin), 0, 1)
    return 1 - (gone + (0 - gone) * (1 - u) ** 3)


the_removed = slip(
    "density_at",
    "it returns the share that is removed, not the share that is left",
    swap=("density + (1 - density) * (1 - u) ** 3", "1 - (density + (1 - density) * (1 - u) ** 3)"),
    loses=["between", "ends", "outside"],
)
density_for_sparsity = slip(
    "density_at",
    "it takes the density for the share to remove",
    swap=("density + (1 - density) * (1 - u) ** 3", "1 - density + density * (1 - u) ** 3"),
    loses=["between", "ends", "outside"],
)
slow_then_fast = slip(
    "density_at",
    "it is slow at first and fast at the end",
    swap=("density + (1 - density) * (1 - u) ** 3", "1 - (1 - density) * u**3"),
    loses=["between"],
)
straight = slip(
    "density_at",
    "it falls along a straight line",
    swap=("(1 - u) ** 3", "(1 - u)"),
    loses=["between"],
)
from_zero = slip(
    "density_at",
    "it counts from step 0 instead of from the beginning",
    swap=("(step - begin) / (end - begin)", "step / end"),
    loses=["between", "ends", "outside"],
)
past_the_ends = slip(
    "density_at",
    "it goes on past both ends",
    swap=("min(max((step - begin) / (end - begin), 0.0), 1.0)", "(step - begin) / (end - begin)"),
    loses=["outside"],
)
to_nothing = slip(
    "density_at",
    "it falls to nothing instead of to the density",
    swap=("density + (1 - density) * (1 - u) ** 3", "(1 - u) ** 3"),
    loses=["between", "ends", "outside"],
)


# --- tune_and_report


@alternative("tune_and_report")
def in_loops(validation, test):
    chosen, reported = [], []
    for tried, seen in zip(validation, test, strict=True):
        means = [sum(row) / len(row) for row in tried.tolist()]
        best = max(range(len(means)), key=lambda i: means[i])
        chosen.append(best)
        reported.append(float(np.mean(seen[best])))
    return chosen, reported


@alternative("tune_and_report")
def by_stable_sorting(validation, test):
    order = np.argsort(-validation.mean(axis=2), axis=1, kind="stable")
    chosen = order[:, 0]
    reported = np.take_along_axis(test.mean(axis=2), chosen[:, None], axis=1)[:, 0]
    return chosen.tolist(), reported.tolist()


chosen_on_test = slip(
    "tune_and_report",
    "it chooses on the test set",
    swap=("chosen = validation", "chosen = test"),
    loses=["honest"],
)


@mutant("tune_and_report", "it chooses one rate for all schedules together", loses=["several"])
def one_for_all(validation, test):
    best = int(validation.mean(axis=(0, 2)).argmax())
    return [best] * len(test), test[:, best].mean(axis=1)


reports_validation = slip(
    "tune_and_report",
    "it reports the validation accuracy, which the choice has made too good",
    swap=("test.mean(axis=2)", "validation.mean(axis=2)"),
    loses=["one", "several", "honest", "seeds", "ties"],
)
best_seed = slip(
    "tune_and_report",
    "it goes by the best seed, not by the mean",
    swap=("validation.mean", "validation.max"),
    loses=["seeds"],
)
reports_best_seed = slip(
    "tune_and_report",
    "it reports the best seed, not the mean",
    swap=("test.mean", "test.max"),
    loses=["one", "several", "honest", "seeds", "ties"],
)
last_of_equals = slip(
    "tune_and_report",
    "of equal rates it takes the last",
    swap=(
        "validation.mean(axis=2).argmax(axis=1)",
        "validation.shape[1] - 1 - validation.mean(axis=2)[:, ::-1].argmax(axis=1)",
    ),
    loses=["ties"],
)
by_the_median = slip(
    "tune_and_report",
    "it goes by the median of the seeds, not by their mean",
    swaps=[
        ("validation.mean(axis=2)", "np.median(validation, axis=2)"),
        ("test.mean(axis=2)", "np.median(test, axis=2)"),
    ],
    loses=["seeds"],
)


# --- leftover


@alternative("leftover")
def by_the_split(initial, final):
    start, end = initial.ravel(), final.ravel()
    c = float(start @ end) / float(start @ start)
    rest = end - c * start
    return 1 - float(rest @ rest) / float(end @ end)


@alternative("leftover")
def squared_cosine(initial, final):
    lengths = np.linalg.norm(initial.ravel()) * np.linalg.norm(final.ravel())
    return (np.vdot(initial, final) / lengths) ** 2


cosine_only = slip(
    "leftover",
    "it forgets to square: that is a cosine",
    swap=(
        "product**2 / ((initial**2).sum() * (final**2).sum())",
        "abs(product) / np.sqrt((initial**2).sum() * (final**2).sum())",
    ),
    loses=["part", "flipped", "tables"],
)
the_learned = slip(
    "leftover",
    "it returns the share that was learned",
    swap=("product**2 /", "1 - product**2 /"),
    loses=["extremes", "part", "flipped", "tables"],
)


@mutant(
    "leftover",
    "it centres the weights first: that is a correlation",
    loses=["extremes", "part", "flipped", "tables"],
)
def centred(initial, final):
    a, b = initial - initial.mean(), final - final.mean()
    return (a * b).sum() ** 2 / ((a**2).sum() * (b**2).sum() + 1e-12)


without_the_factor = slip(
    "leftover",
    "it takes the start itself, without the factor c",
    swap=(
        "product**2 / ((initial**2).sum() * (final**2).sum())",
        "(initial**2).sum() / (final**2).sum()",
    ),
    loses=["extremes", "part", "flipped", "tables"],
)
signed = slip(
    "leftover",
    "it counts a start whose sign was turned as negative",
    swap=("product**2", "product * abs(product)"),
    loses=["flipped"],
)


@mutant("leftover", "it takes each row by itself and averages the shares", loses=["tables"])
def row_by_row(initial, final):
    a, b = np.atleast_2d(initial), np.atleast_2d(final)
    shares = (a * b).sum(1) ** 2 / ((a**2).sum(1) * (b**2).sum(1) + 1e-12)
    return shares.mean()


sizes_only = slip(
    "leftover",
    "it compares sizes and ignores signs",
    swap=("(initial * final)", "np.abs(initial * final)"),
    loses=["extremes", "part", "flipped", "tables"],
)
