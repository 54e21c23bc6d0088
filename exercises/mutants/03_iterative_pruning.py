"""Wrong versions of assignment 03, each a misconception; and right ones, written differently.

Each message completes "This looks like a known slip: ..." and is read by a student whose answers
are those of the mutant in every case.
"""

import numpy as np

from course_lib.grading import alternative, mutant

# --- prune_round


@alternative("prune_round")
def one_by_one(w, mask, fraction):
    new = np.array(mask, dtype=bool)
    for _ in range(round(fraction * int(mask.sum()))):
        places = [tuple(i) for i in np.argwhere(new)]
        new[min(reversed(places), key=lambda i: abs(w[i]))] = False
    return new


@alternative("prune_round")
def sorted_pairs(w, mask, fraction):
    flat = [(abs(v), -i) for i, v in enumerate(w.flatten().tolist()) if mask.flatten()[i]]
    kept = sorted(flat)[round(fraction * len(flat)) :]
    new = np.zeros(w.size, dtype=bool)
    new[[-i for _, i in kept]] = True
    return new.reshape(mask.shape)


@mutant(
    "prune_round", "it takes the fraction of all weights, not of those left", loses=["remaining"]
)
def of_the_original(w, mask, fraction):
    left = np.flatnonzero(mask)
    gone = min(round(fraction * w.size), len(left))
    order = np.argsort(-np.abs(w.ravel()[left]), kind="stable")
    new = np.zeros(w.size, dtype=bool)
    new[left[order[: len(left) - gone]]] = True
    return new.reshape(w.shape)


@mutant("prune_round", "it removes the lowest values, signs and all", loses=["signs"])
def signed(w, mask, fraction):
    left = np.flatnonzero(mask)
    gone = round(fraction * len(left))
    order = np.argsort(-w.ravel()[left], kind="stable")
    new = np.zeros(w.size, dtype=bool)
    new[left[order[: len(left) - gone]]] = True
    return new.reshape(w.shape)


@mutant("prune_round", "it lets weights return that were removed before", loses=["remaining"])
def forgets_the_mask(w, mask, fraction):
    kept = int(mask.sum()) - round(fraction * int(mask.sum()))
    order = np.argsort(-np.abs(w.ravel()), kind="stable")
    new = np.zeros(w.size, dtype=bool)
    new[order[:kept]] = True
    return new.reshape(w.shape)


@mutant("prune_round", "it removes all weights that tie with the last one to go", loses=["ties"])
def all_of_a_tie(w, mask, fraction):
    left = np.flatnonzero(mask)
    gone = round(fraction * len(left))
    new = np.array(mask, dtype=bool)
    if gone:
        sizes = np.abs(w)
        new &= sizes > np.sort(sizes.ravel()[left])[gone - 1]
    return new


@mutant(
    "prune_round",
    "it keeps the fraction instead of removing it",
    loses=["first", "signs", "remaining", "ties", "tables", "unchanged"],
)
def keeps_the_fraction(w, mask, fraction):
    left = np.flatnonzero(mask)
    order = np.argsort(-np.abs(w.ravel()[left]), kind="stable")
    new = np.zeros(w.size, dtype=bool)
    new[left[order[: round(fraction * len(left))]]] = True
    return new.reshape(w.shape)


@mutant("prune_round", "it writes into the mask it was given", loses=["unchanged"])
def in_place(w, mask, fraction):
    left = np.flatnonzero(mask)
    gone = round(fraction * len(left))
    order = left[np.argsort(-np.abs(w.ravel()[left]), kind="stable")]
    for i in order[len(left) - gone :]:
        mask[np.unravel_index(i, mask.shape)] = False
    return mask


@mutant(
    "prune_round",
    "it takes a weight that is 0 for one that was removed",
    loses=["first", "signs", "remaining", "tables", "unchanged"],
)
def zero_is_gone(w, mask, fraction):
    left = np.flatnonzero(mask & (w != 0))
    gone = round(fraction * len(left))
    order = np.argsort(-np.abs(w.ravel()[left]), kind="stable")
    new = np.zeros(w.size, dtype=bool)
    new[left[order[: len(left) - gone]]] = True
    return new.reshape(w.shape)


# --- rounds_needed


@alternative("rounds_needed")
def by_logarithms(density, fraction):
    return int(np.ceil(np.log(density) / np.log(1 - fraction) - 1e-9))


@alternative("rounds_needed")
def by_trying(density, fraction):
    return next(t for t in range(10_000) if (1 - fraction) ** t <= density + 1e-12)


@mutant("rounds_needed", "it rounds down: one round more is needed", loses=["between", "one"])
def rounds_down(density, fraction):
    return int(np.log(density) / np.log(1 - fraction) + 1e-9)


@mutant(
    "rounds_needed", "it goes one round too far where the density is met exactly", loses=["exact"]
)
def below(density, fraction):
    return int(np.log(density) / np.log(1 - fraction) + 1e-9) + 1


@mutant(
    "rounds_needed",
    "it removes the fraction of the original in every round",
    loses=["between", "exact"],
)
def of_the_original_each_time(density, fraction):
    return int(np.ceil((1 - density) / fraction - 1e-9))


@mutant(
    "rounds_needed",
    "it lets every round keep the fraction instead of removing it",
    loses=["between", "one"],
)
def keeps_it(density, fraction):
    return int(np.ceil(np.log(density) / np.log(fraction) - 1e-9))


# --- momentum_step


@alternative("momentum_step")
def by_places(w, velocity, gradient, mask, lr, momentum):
    new_w, new_v = [0.0] * len(w), [0.0] * len(w)
    for i in range(len(w)):
        if mask[i]:
            new_v[i] = momentum * velocity[i] + gradient[i]
            new_w[i] = w[i] - lr * new_v[i]
    return new_w, new_v


@alternative("momentum_step")
def by_factors(w, velocity, gradient, mask, lr, momentum):
    velocity = mask * (momentum * velocity + gradient)
    return mask * w - lr * velocity, velocity


@mutant(
    "momentum_step",
    "it masks the gradient alone, and momentum carries removed weights along",
    loses=["zero", "memory", "unchanged"],
)
def gradient_alone(w, velocity, gradient, mask, lr, momentum):
    velocity = momentum * velocity + gradient * mask
    return w * mask - lr * velocity, velocity


@mutant(
    "momentum_step",
    "it masks the weights and lets the memory of removed ones live on",
    loses=["memory", "unchanged"],
)
def memory_lives_on(w, velocity, gradient, mask, lr, momentum):
    velocity = momentum * velocity + gradient
    return (w - lr * velocity) * mask, velocity


@mutant("momentum_step", "it does the step without the mask", loses=["zero", "memory", "unchanged"])
def without_the_mask(w, velocity, gradient, mask, lr, momentum):
    velocity = momentum * velocity + gradient
    return w - lr * velocity, velocity


@mutant(
    "momentum_step",
    "it leaves removed weights where they were instead of at zero",
    loses=["zero", "unchanged"],
)
def frozen_not_zero(w, velocity, gradient, mask, lr, momentum):
    velocity = (momentum * velocity + gradient) * mask
    return w - lr * velocity, velocity


@mutant(
    "momentum_step",
    "it takes the step along the old velocity",
    loses=["dense", "zero", "unchanged"],
)
def old_velocity(w, velocity, gradient, mask, lr, momentum):
    return (w - lr * velocity) * mask, (momentum * velocity + gradient) * mask


@mutant(
    "momentum_step",
    "it weighs the gradient with one minus the momentum",
    loses=["dense", "velocity", "zero", "memory", "unchanged"],
)
def averaged(w, velocity, gradient, mask, lr, momentum):
    velocity = (momentum * velocity + (1 - momentum) * gradient) * mask
    return (w - lr * velocity) * mask, velocity


@mutant("momentum_step", "it writes into the arrays it was given", loses=["unchanged"])
def step_in_place(w, velocity, gradient, mask, lr, momentum):
    for array in (w, velocity, gradient):
        array[~mask] = 0
    velocity = momentum * velocity + gradient
    return w - lr * velocity, velocity


# --- prune_and_refit


@alternative("prune_and_refit")
def normal_equations(X, y, fraction, rounds):
    kept = np.ones(X.shape[1], dtype=bool)
    for t in range(rounds + 1):
        w = np.zeros(X.shape[1])
        w[kept] = np.linalg.solve(X[:, kept].T @ X[:, kept], X[:, kept].T @ y)
        if t < rounds:
            for _ in range(round(fraction * int(kept.sum()))):
                kept[min(np.flatnonzero(kept), key=lambda i: abs(w[i]))] = False
    return w


@alternative("prune_and_refit")
def columns_zeroed(X, y, fraction, rounds):
    X = np.array(X)
    left = X.shape[1]
    w = np.linalg.pinv(X) @ y
    gone_before = 0
    for _ in range(rounds):
        gone = round(fraction * left)
        order = np.argsort(np.abs(w))
        gone_before, left = gone_before + gone, left - gone
        X[:, order[:gone_before]] = 0
        w = np.linalg.pinv(X) @ y
        w[order[:gone_before]] = 0
    return w


@mutant("prune_and_refit", "it does not refit what is left", loses=["refit", "rounds"])
def no_refit(X, y, fraction, rounds):
    w = np.linalg.lstsq(X, y, rcond=None)[0]
    kept = np.arange(len(w))
    for _ in range(rounds):
        kept = kept[np.argsort(np.abs(w[kept]))[round(fraction * len(kept)) :]]
    new = np.zeros(len(w))
    new[kept] = w[kept]
    return new


@mutant(
    "prune_and_refit",
    "it ranks by the first fit in every round: one cut in disguise",
    loses=["rounds"],
)
def one_cut_in_disguise(X, y, fraction, rounds):
    first = np.linalg.lstsq(X, y, rcond=None)[0]
    kept = np.arange(len(first))
    for _ in range(rounds):
        kept = kept[np.argsort(np.abs(first[kept]))[round(fraction * len(kept)) :]]
    w = np.zeros(len(first))
    w[kept] = np.linalg.lstsq(X[:, kept], y, rcond=None)[0]
    return w


@mutant("prune_and_refit", "it takes the fraction of all weights in every round", loses=["rounds"])
def of_all_weights(X, y, fraction, rounds):
    kept = np.arange(X.shape[1])
    w = np.linalg.lstsq(X, y, rcond=None)[0]
    for _ in range(rounds):
        gone = min(round(fraction * X.shape[1]), len(kept) - 1)
        kept = kept[np.argsort(np.abs(w[kept]))[gone:]]
        w = np.zeros(X.shape[1])
        w[kept] = np.linalg.lstsq(X[:, kept], y, rcond=None)[0]
    return w


@mutant("prune_and_refit", "it removes the lowest values, signs and all", loses=["refit", "rounds"])
def signed_values(X, y, fraction, rounds):
    kept = np.arange(X.shape[1])
    w = np.linalg.lstsq(X, y, rcond=None)[0]
    for _ in range(rounds):
        kept = kept[np.argsort(w[kept])[round(fraction * len(kept)) :]]
        w = np.zeros(X.shape[1])
        w[kept] = np.linalg.lstsq(X[:, kept], y, rcond=None)[0]
    return w


@mutant(
    "prune_and_refit",
    "it subtracts the means first, as if there were a constant to fit",
    loses=["none", "refit", "rounds", "nothing"],
)
def centred(X, y, fraction, rounds):
    X, y = X - X.mean(0), y - y.mean()
    kept = np.arange(X.shape[1])
    w = np.linalg.lstsq(X, y, rcond=None)[0]
    for _ in range(rounds):
        kept = kept[np.argsort(np.abs(w[kept]))[round(fraction * len(kept)) :]]
        w = np.zeros(X.shape[1])
        w[kept] = np.linalg.lstsq(X[:, kept], y, rcond=None)[0]
    return w


@mutant("prune_and_refit", "it removes one weight at least in every round", loses=["nothing"])
def one_at_least(X, y, fraction, rounds):
    kept = np.arange(X.shape[1])
    for number in range(rounds + 1):
        w = np.zeros(X.shape[1])
        w[kept] = np.linalg.lstsq(X[:, kept], y, rcond=None)[0]
        if number < rounds:
            kept = kept[np.argsort(np.abs(w[kept]))[max(1, round(fraction * len(kept))) :]]
    return w
