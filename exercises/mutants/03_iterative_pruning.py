"""Wrong versions of assignment 03, each a misconception; and right ones, written differently.

Each message completes "This looks like a known slip: ..." and is read by a student whose answers
are those of the mutant in every case.
"""

import numpy as np

from course_lib.grading import alternative, mutant, slip

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


of_the_original = slip(
    "prune_round",
    "it takes the fraction of all weights, not of those left",
    swap=("round(fraction * len(left))", "min(round(fraction * w.size), len(left))"),
    loses=["remaining"],
)
signed = slip(
    "prune_round",
    "it removes the lowest values, signs and all",
    swap=("np.abs(w.ravel()[left])", "w.ravel()[left]"),
    loses=["signs"],
)
forgets_the_mask = slip(
    "prune_round",
    "it lets weights return that were removed before",
    swaps=[
        ("w.ravel()[left]", "w.ravel()"),
        ("left[order[: len(left) - gone]]", "order[: len(left) - gone]"),
    ],
    loses=["remaining"],
)


@mutant("prune_round", "it removes all weights that tie with the last one to go", loses=["ties"])
def all_of_a_tie(w, mask, fraction):
    left = np.flatnonzero(mask)
    gone = round(fraction * len(left))
    new = np.array(mask, dtype=bool)
    if gone:
        sizes = np.abs(w)
        new &= sizes > np.sort(sizes.ravel()[left])[gone - 1]
    return new


keeps_the_fraction = slip(
    "prune_round",
    "it keeps the fraction instead of removing it",
    swap=("len(left) - gone", "gone"),
    loses=["first", "signs", "remaining", "ties", "tables", "unchanged"],
)
in_place = slip(
    "prune_round",
    "it writes into the mask it was given",
    swap=("return new.reshape(w.shape)", "mask[...] = new.reshape(w.shape); return mask"),
    loses=["unchanged"],
)
zero_is_gone = slip(
    "prune_round",
    "it takes a weight that is 0 for one that was removed",
    swap=("np.flatnonzero(mask)", "np.flatnonzero(mask & (w != 0))"),
    loses=["first", "signs", "remaining", "tables", "unchanged"],
)


# --- rounds_needed


@alternative("rounds_needed")
def by_logarithms(density, fraction):
    return int(np.ceil(np.log(density) / np.log(1 - fraction) - 1e-9))


@alternative("rounds_needed")
def by_trying(density, fraction):
    return next(t for t in range(10_000) if (1 - fraction) ** t <= density + 1e-12)


rounds_down = slip(
    "rounds_needed",
    "it rounds down: one round more is needed",
    swap=("left > density * (1 + 1e-12)", "left * (1 - fraction) > density * (1 - 1e-12)"),
    loses=["between", "one"],
)
below = slip(
    "rounds_needed",
    "it goes one round too far where the density is met exactly",
    swap=("left > density * (1 + 1e-12)", "left > density * (1 - 1e-12)"),
    loses=["exact"],
)
of_the_original_each_time = slip(
    "rounds_needed",
    "it removes the fraction of the original in every round",
    swap=("left * (1 - fraction)", "left - fraction"),
    loses=["between", "exact"],
)
keeps_it = slip(
    "rounds_needed",
    "it lets every round keep the fraction instead of removing it",
    swap=("left * (1 - fraction)", "left * fraction"),
    loses=["between", "one"],
)


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


gradient_alone = slip(
    "momentum_step",
    "it masks the gradient alone, and momentum carries removed weights along",
    swaps=[
        (
            "np.where(mask, momentum * velocity + gradient, 0.0)",
            "momentum * velocity + gradient * mask",
        ),
        ("np.where(mask, w - lr * velocity, 0.0)", "w * mask - lr * velocity"),
    ],
    loses=["zero", "memory", "unchanged"],
)
memory_lives_on = slip(
    "momentum_step",
    "it masks the weights and lets the memory of removed ones live on",
    swap=("np.where(mask, momentum * velocity + gradient, 0.0)", "momentum * velocity + gradient"),
    loses=["memory", "unchanged"],
)
without_the_mask = slip(
    "momentum_step",
    "it does the step without the mask",
    swaps=[
        ("np.where(mask, momentum * velocity + gradient, 0.0)", "momentum * velocity + gradient"),
        ("np.where(mask, w - lr * velocity, 0.0)", "w - lr * velocity"),
    ],
    loses=["zero", "memory", "unchanged"],
)
frozen_not_zero = slip(
    "momentum_step",
    "it leaves removed weights where they were instead of at zero",
    swap=("np.where(mask, w - lr * velocity, 0.0)", "w - lr * velocity"),
    loses=["zero", "unchanged"],
)
old_velocity = slip(
    "momentum_step",
    "it takes the step along the old velocity",
    swaps=[("velocity = np.where(", "new = np.where("), ("0.0), velocity", "0.0), new")],
    loses=["dense", "zero", "unchanged"],
)
averaged = slip(
    "momentum_step",
    "it weighs the gradient with one minus the momentum",
    swap=("+ gradient", "+ (1 - momentum) * gradient"),
    loses=["dense", "velocity", "zero", "memory", "unchanged"],
)


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


no_refit = slip(
    "prune_and_refit",
    "it does not refit what is left",
    swap=(
        "np.linalg.lstsq(X[:, kept], y, rcond=None)[0]",
        "np.linalg.lstsq(X, y, rcond=None)[0][kept]",
    ),
    loses=["refit", "rounds"],
)
one_cut_in_disguise = slip(
    "prune_and_refit",
    "it ranks by the first fit in every round: one cut in disguise",
    swap=("np.abs(w[kept])", "np.abs(np.linalg.lstsq(X, y, rcond=None)[0][kept])"),
    loses=["rounds"],
)
of_all_weights = slip(
    "prune_and_refit",
    "it takes the fraction of all weights in every round",
    swap=("round(fraction * len(kept))", "min(round(fraction * X.shape[1]), len(kept) - 1)"),
    loses=["rounds"],
)
signed_values = slip(
    "prune_and_refit",
    "it removes the lowest values, signs and all",
    swap=("np.abs(w[kept])", "w[kept]"),
    loses=["refit", "rounds"],
)
centred = slip(
    "prune_and_refit",
    "it subtracts the means first, as if there were a constant to fit",
    swap=(
        "kept = np.arange(X.shape[1])",
        "X, y = X - X.mean(0), y - y.mean(); kept = np.arange(X.shape[1])",
    ),
    loses=["none", "refit", "rounds", "nothing"],
)
one_at_least = slip(
    "prune_and_refit",
    "it removes one weight at least in every round",
    swap=("round(fraction * len(kept))", "max(1, round(fraction * len(kept)))"),
    loses=["nothing"],
)
