"""Wrong versions of assignment 09, each a misconception; and right ones, written differently.

Each message completes "This looks like a known slip: ..." and is read by a student whose answers
are those of the mutant in every case.
"""

import numpy as np

from course_lib.grading import alternative, mutant

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


@mutant(
    "adamw_step",
    "it adds the decay to the gradient, where Adam divides it away: L2, not decoupled decay",
    loses=["weights", "biases", "apart", "unchanged"],
)
def in_the_gradient(w, m, v, gradient, t, lr, decay, is_weight):
    gradient = gradient + decay * w * is_weight
    m = 0.9 * m + 0.1 * gradient
    v = 0.999 * v + 0.001 * gradient**2
    move = (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
    return w - lr * move, m, v


@mutant("adamw_step", "it lets biases decay too", loses=["biases", "unchanged"])
def biases_too(w, m, v, gradient, t, lr, decay, is_weight):
    m = 0.9 * m + 0.1 * gradient
    v = 0.999 * v + 0.001 * gradient**2
    move = (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
    return w - lr * move - lr * decay * w, m, v


@mutant(
    "adamw_step",
    "it scales the decay by the gradients, as if it were a part of Adam's move",
    loses=["weights", "biases", "unchanged"],
)
def scaled_by_the_gradient(w, m, v, gradient, t, lr, decay, is_weight):
    m = 0.9 * m + 0.1 * gradient
    v = 0.999 * v + 0.001 * gradient**2
    root = np.sqrt(v / (1 - 0.999**t)) + 1e-8
    return w - lr * (m / (1 - 0.9**t) + decay * w * is_weight) / root, m, v


@mutant(
    "adamw_step",
    "it takes the decay whole, not times the learning rate",
    loses=["weights", "biases", "unchanged"],
)
def without_the_rate(w, m, v, gradient, t, lr, decay, is_weight):
    m = 0.9 * m + 0.1 * gradient
    v = 0.999 * v + 0.001 * gradient**2
    move = (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
    return w - lr * move - decay * w * is_weight, m, v


@mutant(
    "adamw_step",
    "it lets the weights decay after the move, not those before the step",
    loses=["weights", "biases", "unchanged"],
)
def after_the_move(w, m, v, gradient, t, lr, decay, is_weight):
    m = 0.9 * m + 0.1 * gradient
    v = 0.999 * v + 0.001 * gradient**2
    move = (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
    return (w - lr * move) * (1 - lr * decay * is_weight), m, v


@mutant(
    "adamw_step",
    "it leaves out the hats, the correction for averages that began at zero",
    loses=["plain", "weights", "biases", "unchanged"],
)
def without_hats(w, m, v, gradient, t, lr, decay, is_weight):
    m = 0.9 * m + 0.1 * gradient
    v = 0.999 * v + 0.001 * gradient**2
    return w - lr * m / (np.sqrt(v) + 1e-8) - lr * decay * w * is_weight, m, v


@mutant(
    "adamw_step",
    "it stores the averages with their hats, and corrects them again at the next step",
    loses=["averages", "apart", "unchanged"],
)
def hats_stored(w, m, v, gradient, t, lr, decay, is_weight):
    m = (0.9 * m + 0.1 * gradient) / (1 - 0.9**t)
    v = (0.999 * v + 0.001 * gradient**2) / (1 - 0.999**t)
    return w - lr * m / (np.sqrt(v) + 1e-8) - lr * decay * w * is_weight, m, v


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


@mutant("dropout", "it goes on silencing in use", loses=["use"])
def in_use_as_well(p, h, u, training):
    return np.where(u < p, 0.0, h / (1 - p))


@mutant(
    "dropout",
    "it does not scale up what is left",
    loses=["training", "tables", "unchanged"],
)
def unscaled(p, h, u, training):
    return np.where(u < p, 0.0, h) if training else h


@mutant(
    "dropout",
    "it scales in use instead of in training",
    loses=["training", "use", "tables", "unchanged"],
)
def scaled_in_use(p, h, u, training):
    return np.where(u < p, 0.0, h) if training else h * (1 - p)


@mutant(
    "dropout",
    "it takes p for the share that is kept",
    loses=["training", "tables", "unchanged"],
)
def p_is_kept(p, h, u, training):
    return np.where(u < p, h / p, 0.0) if training else h


@mutant(
    "dropout",
    "it divides by the share that happened to survive, not by the one expected",
    loses=["training", "tables", "unchanged"],
)
def by_the_survivors(p, h, u, training):
    if not training:
        return h
    kept = u >= p
    return np.where(kept, h / max(kept.mean(), 1e-9), 0.0)


@mutant("dropout", "it silences whole columns, by the first row's numbers", loses=["tables"])
def whole_columns(p, h, u, training):
    if not training:
        return h
    first = u[0] if u.ndim == 2 else u
    return np.where(first < p, 0.0, h / (1 - p)) + 0 * h


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


@mutant(
    "density_at",
    "it returns the share that is removed, not the share that is left",
    loses=["between", "ends", "outside"],
)
def the_removed(step, begin, end, density):
    u = min(max((step - begin) / (end - begin), 0.0), 1.0)
    return 1 - (density + (1 - density) * (1 - u) ** 3)


@mutant(
    "density_at",
    "it takes the density for the share to remove",
    loses=["between", "ends", "outside"],
)
def density_for_sparsity(step, begin, end, density):
    u = min(max((step - begin) / (end - begin), 0.0), 1.0)
    return 1 - density + density * (1 - u) ** 3


@mutant("density_at", "it is slow at first and fast at the end", loses=["between"])
def slow_then_fast(step, begin, end, density):
    u = min(max((step - begin) / (end - begin), 0.0), 1.0)
    return 1 - (1 - density) * u**3


@mutant("density_at", "it falls along a straight line", loses=["between"])
def straight(step, begin, end, density):
    u = min(max((step - begin) / (end - begin), 0.0), 1.0)
    return density + (1 - density) * (1 - u)


@mutant(
    "density_at",
    "it counts from step 0 instead of from the beginning",
    loses=["between", "ends", "outside"],
)
def from_zero(step, begin, end, density):
    u = min(max(step / end, 0.0), 1.0)
    return density + (1 - density) * (1 - u) ** 3


@mutant("density_at", "it goes on past both ends", loses=["outside"])
def past_the_ends(step, begin, end, density):
    u = (step - begin) / (end - begin)
    return density + (1 - density) * (1 - u) ** 3


@mutant(
    "density_at",
    "it falls to nothing instead of to the density",
    loses=["between", "ends", "outside"],
)
def to_nothing(step, begin, end, density):
    u = min(max((step - begin) / (end - begin), 0.0), 1.0)
    return (1 - u) ** 3


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


@mutant("tune_and_report", "it chooses on the test set", loses=["honest"])
def chosen_on_test(validation, test):
    means = test.mean(axis=2)
    chosen = means.argmax(axis=1)
    return chosen, means[np.arange(len(chosen)), chosen]


@mutant("tune_and_report", "it chooses one rate for all schedules together", loses=["several"])
def one_for_all(validation, test):
    best = int(validation.mean(axis=(0, 2)).argmax())
    return [best] * len(test), test[:, best].mean(axis=1)


@mutant(
    "tune_and_report",
    "it reports the validation accuracy, which the choice has made too good",
    loses=["one", "several", "honest", "seeds", "ties"],
)
def reports_validation(validation, test):
    means = validation.mean(axis=2)
    return means.argmax(axis=1), means.max(axis=1)


@mutant("tune_and_report", "it goes by the best seed, not by the mean", loses=["seeds"])
def best_seed(validation, test):
    chosen = validation.max(axis=2).argmax(axis=1)
    return chosen, test.mean(axis=2)[np.arange(len(chosen)), chosen]


@mutant(
    "tune_and_report",
    "it reports the best seed, not the mean",
    loses=["one", "several", "honest", "seeds", "ties"],
)
def reports_best_seed(validation, test):
    chosen = validation.mean(axis=2).argmax(axis=1)
    return chosen, test.max(axis=2)[np.arange(len(chosen)), chosen]


@mutant("tune_and_report", "of equal rates it takes the last", loses=["ties"])
def last_of_equals(validation, test):
    means = validation.mean(axis=2)
    chosen = means.shape[1] - 1 - means[:, ::-1].argmax(axis=1)
    return chosen, test.mean(axis=2)[np.arange(len(chosen)), chosen]


@mutant("tune_and_report", "it goes by the median of the seeds, not by their mean", loses=["seeds"])
def by_the_median(validation, test):
    chosen = np.median(validation, axis=2).argmax(axis=1)
    return chosen, np.median(test, axis=2)[np.arange(len(chosen)), chosen]


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


@mutant("leftover", "it forgets to square: that is a cosine", loses=["part", "flipped", "tables"])
def cosine_only(initial, final):
    return abs((initial * final).sum()) / np.sqrt((initial**2).sum() * (final**2).sum())


@mutant(
    "leftover",
    "it returns the share that was learned",
    loses=["extremes", "part", "flipped", "tables"],
)
def the_learned(initial, final):
    return 1 - (initial * final).sum() ** 2 / ((initial**2).sum() * (final**2).sum())


@mutant(
    "leftover",
    "it centres the weights first: that is a correlation",
    loses=["extremes", "part", "flipped", "tables"],
)
def centred(initial, final):
    a, b = initial - initial.mean(), final - final.mean()
    return (a * b).sum() ** 2 / ((a**2).sum() * (b**2).sum() + 1e-12)


@mutant(
    "leftover",
    "it takes the start itself, without the factor c",
    loses=["extremes", "part", "flipped", "tables"],
)
def without_the_factor(initial, final):
    return (initial**2).sum() / (final**2).sum()


@mutant("leftover", "it counts a start whose sign was turned as negative", loses=["flipped"])
def signed(initial, final):
    product = (initial * final).sum()
    return product * abs(product) / ((initial**2).sum() * (final**2).sum())


@mutant("leftover", "it takes each row by itself and averages the shares", loses=["tables"])
def row_by_row(initial, final):
    a, b = np.atleast_2d(initial), np.atleast_2d(final)
    shares = (a * b).sum(1) ** 2 / ((a**2).sum(1) * (b**2).sum(1) + 1e-12)
    return shares.mean()


@mutant(
    "leftover",
    "it compares sizes and ignores signs",
    loses=["extremes", "part", "flipped", "tables"],
)
def sizes_only(initial, final):
    product = np.abs(initial * final).sum()
    return product**2 / ((initial**2).sum() * (final**2).sum())
