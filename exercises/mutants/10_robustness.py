"""Wrong versions of assignment 10, each a misconception; and right ones, written differently.

Each message completes "This looks like a known slip: ..." and is read by a student whose answers
are those of the mutant in every case.
"""

import numpy as np

from course_lib.grading import alternative, mutant, slip

# --- spectral_norm


@alternative("spectral_norm")
def plain_loops(W, start, rounds):
    m, n = W.shape
    v = [float(s) for s in start]
    for done in range(rounds + 1):
        length = sum(s * s for s in v) ** 0.5
        if length == 0:
            return 0.0
        v = [s / length for s in v]
        u = [sum(W[i, j] * v[j] for j in range(n)) for i in range(m)]
        if done < rounds:
            v = [sum(W[i, j] * u[i] for i in range(m)) for j in range(n)]
    return sum(s * s for s in u) ** 0.5


@alternative("spectral_norm")
def gram_matrix(W, start, rounds):
    A = W.T @ W
    v = start / np.abs(start).max()
    for _ in range(rounds):
        v = A @ v
        if not v.any():
            return 0
        v = v / np.abs(v).max()
    return float(np.sqrt(v @ A @ v / (v @ v)))


@mutant(
    "spectral_norm",
    "it returns the root of the sum of squares, which is the Frobenius norm",
    loses=["rounds", "transpose", "start", "shapes", "many", "zero", "unchanged"],
)
def frobenius(W, start, rounds):
    return np.sqrt((W**2).sum())


@mutant(
    "spectral_norm",
    "it returns the exact norm, whatever the start and the number of rounds",
    loses=["rounds", "transpose", "start", "shapes", "zero", "unchanged"],
)
def exact(W, start, rounds):
    return np.linalg.norm(W, 2)


no_root = slip(
    "spectral_norm",
    "it forgets the square root, and returns an eigenvalue of the transpose times the matrix",
    swap=("np.linalg.norm(W @ v)", "v @ (W.T @ (W @ v))"),
    loses=["rounds", "transpose", "start", "shapes", "many", "zero", "unchanged"],
)
no_transpose = slip(
    "spectral_norm",
    "it applies the matrix twice, and its transpose never",
    swap=("W.T @ (W @ v)", "W @ (W @ v)"),
    loses=["transpose", "shapes", "many"],
)


@mutant(
    "spectral_norm",
    "it never divides the vector by its length",
    loses=["rounds", "transpose", "start", "shapes", "many", "zero", "unchanged"],
)
def never_normalised(W, start, rounds):
    v = start
    with np.errstate(all="ignore"):
        for _ in range(rounds):
            v = W.T @ (W @ v)
        return np.linalg.norm(W @ v)


@mutant(
    "spectral_norm",
    "it divides by the length at the very end only, when numbers have overflowed or vanished",
    loses=["many"],
)
def normalised_at_the_end(W, start, rounds):
    v = start
    with np.errstate(all="ignore"):
        for _ in range(rounds):
            v = W.T @ (W @ v)
        length = np.linalg.norm(v)
        return np.linalg.norm(W @ v) / length if length else 0.0


long_start = slip(
    "spectral_norm",
    "it does not divide the start by its length",
    swap=("start / np.linalg.norm(start)", "start"),
    loses=["start"],
)
one_too_many = slip(
    "spectral_norm",
    "it goes one round too many",
    swap=("range(rounds)", "range(rounds + 1)"),
    loses=["rounds", "transpose", "start", "shapes", "unchanged"],
)


@mutant("spectral_norm", "it divides by a length of zero", loses=["zero"])
def by_zero(W, start, rounds):
    v = start / np.linalg.norm(start)
    with np.errstate(all="ignore"):
        for _ in range(rounds):
            v = W.T @ (W @ v)
            v = v / np.linalg.norm(v)
    return np.linalg.norm(W @ v)


start_in_place = slip(
    "spectral_norm",
    "it writes into the start it was given",
    swap=("v = start / np.linalg.norm(start)", "v = start; v /= np.linalg.norm(v)"),
    loses=["unchanged"],
)


# --- certified_radius


@alternative("certified_radius")
def row_by_row(logits, y, lipschitz):
    radii = []
    for row, right in zip(logits.tolist(), y.tolist(), strict=True):
        margin = row.pop(right) - max(row)
        row_radius = margin / 2**0.5 / lipschitz if margin > 0 else 0.0
        radii.append(row_radius)
    return radii


@alternative("certified_radius")
def all_distances(logits, y, lipschitz):
    """The distance to the boundary with every other class, and the least of them."""
    n, classes = logits.shape
    gaps = logits[np.arange(n), y][:, None] - logits
    others = np.arange(classes) != y[:, None]
    return np.min(gaps.clip(min=0), axis=1, where=others, initial=np.inf) / lipschitz / np.sqrt(2)


EVERY = ["two", "runner", "wrong", "negative", "ties", "unchanged"]


no_root_of_two = slip(
    "certified_radius",
    "it leaves out the square root of two",
    swap=("np.sqrt(2) * lipschitz", "lipschitz"),
    loses=EVERY,
)
two_without_root = slip(
    "certified_radius",
    "it divides by 2 in place of the square root of two",
    swap=("np.sqrt(2) * lipschitz", "2 * lipschitz"),
    loses=EVERY,
)
multiplied = slip(
    "certified_radius",
    "it multiplies by L instead of dividing",
    swap=(
        "np.maximum(margin, 0) / (np.sqrt(2) * lipschitz)",
        "np.maximum(margin, 0) * lipschitz / np.sqrt(2)",
    ),
    loses=EVERY,
)
size_of_the_margin = slip(
    "certified_radius",
    "it certifies wrong predictions, by the size of their margin",
    swap=("np.maximum(margin, 0)", "np.abs(margin)"),
    loses=["wrong"],
)


@mutant(
    "certified_radius",
    "it measures from the largest logit to the second, right or wrong",
    loses=["wrong"],
)
def best_of_all(logits, y, lipschitz):
    ordered = np.sort(logits, axis=1)
    return (ordered[:, -1] - ordered[:, -2]) / (np.sqrt(2) * lipschitz)


negative_radius = slip(
    "certified_radius",
    "it gives wrong predictions a radius below zero, not 0",
    swap=("np.maximum(margin, 0)", "margin"),
    loses=["wrong"],
)
to_the_mean = slip(
    "certified_radius",
    "it measures the margin to the mean of the other logits",
    swaps=[("-np.inf", "0"), ("others.max(axis=1)", "others.sum(axis=1) / (logits.shape[1] - 1)")],
    loses=["runner", "wrong", "negative", "ties", "unchanged"],
)
to_the_lowest = slip(
    "certified_radius",
    "it measures the margin to the lowest logit",
    swap=("others.max(axis=1)", "logits.min(axis=1)"),
    loses=["runner", "wrong", "negative", "ties", "unchanged"],
)
hidden_by_zero = slip(
    "certified_radius",
    "it puts 0 in the place of the right logit, and 0 may be the largest of the others",
    swap=("-np.inf", "0"),
    loses=["negative"],
)


@mutant(
    "certified_radius",
    "it passes over a class that ties with the right one, and measures to the next lower",
    loses=["ties"],
)
def next_lower(logits, y, lipschitz):
    radii = []
    for row, right in zip(logits, y, strict=True):
        lower = row[row < row[right]]
        safe = row[right] == row.max() and len(lower)
        radii.append((row[right] - lower.max()) / (2**0.5 * lipschitz) if safe else 0.0)
    return radii


@mutant("certified_radius", "it writes into the logits it was given", loses=["unchanged"])
def logits_in_place(logits, y, lipschitz):
    own = logits[np.arange(len(y)), y]
    logits[np.arange(len(y)), y] = -np.inf
    return np.maximum(own - logits.max(axis=1), 0) / (np.sqrt(2) * lipschitz)


# --- interval_layer


@alternative("interval_layer")
def two_halves(W, b, low, high):
    up, down = np.maximum(W, 0), np.minimum(W, 0)
    ends = up @ low + down @ high + b, up @ high + down @ low + b
    return [np.maximum(end, 0) for end in ends]


@alternative("interval_layer")
def every_corner(W, b, low, high):
    corners = np.array(np.meshgrid(*zip(low, high, strict=True))).reshape(len(low), -1)
    out = W @ corners + b[:, None]
    out[out < 0] = 0
    return out.min(axis=1), out.max(axis=1)


ends_as_they_are = slip(
    "interval_layer",
    "it takes the lower ends to the lower end even where a weight is negative",
    swap=(
        "np.maximum(middle - reach, 0), np.maximum(middle + reach, 0)",
        "np.maximum(W @ low + b, 0), np.maximum(W @ high + b, 0)",
    ),
    loses=["signs", "relu"],
)


@mutant(
    "interval_layer",
    "it tries two corners, all low and all high, and sorts what comes out",
    loses=["signs", "relu"],
)
def two_corners(W, b, low, high):
    ends = W @ low + b, W @ high + b
    return np.maximum(np.minimum(*ends), 0), np.maximum(np.maximum(*ends), 0)


sizes_for_ends = slip(
    "interval_layer",
    "it takes the sizes of the weights for the ends; they are for the radius",
    swap=(
        "np.maximum(middle - reach, 0), np.maximum(middle + reach, 0)",
        "np.maximum(np.abs(W) @ low + b, 0), np.maximum(np.abs(W) @ high + b, 0)",
    ),
    loses=["signs", "relu"],
)
whole_width = slip(
    "interval_layer",
    "it takes the whole width of the box for its radius",
    swap=("(high - low) / 2", "high - low"),
    loses=["positive", "bias", "signs", "relu"],
)
no_bias = slip(
    "interval_layer",
    "it forgets the bias",
    swap=("W @ centre + b", "W @ centre"),
    loses=["bias", "signs", "relu"],
)
bias_widens = slip(
    "interval_layer",
    "it adds the bias to the radius too, as if the bias were uncertain",
    swap=("np.abs(W) @ radius", "np.abs(W) @ radius + np.abs(b)"),
    loses=["bias", "signs", "relu"],
)
no_relu = slip(
    "interval_layer",
    "it forgets the ReLU",
    swap=(
        "np.maximum(middle - reach, 0), np.maximum(middle + reach, 0)",
        "middle - reach, middle + reach",
    ),
    loses=["relu"],
)
relu_of_the_centre = slip(
    "interval_layer",
    "it sends the centre through the ReLU and leaves the radius as it was",
    swap=(
        "np.maximum(middle - reach, 0), np.maximum(middle + reach, 0)",
        "np.maximum(middle, 0) - reach, np.maximum(middle, 0) + reach",
    ),
    loses=["relu"],
)


@mutant(
    "interval_layer",
    "it sets negative weights to 0 in the matrix it was given",
    loses=["unchanged"],
)
def weights_in_place(W, b, low, high):
    negative = np.minimum(W, 0)
    W[W < 0] = 0
    ends = W @ low + negative @ high + b, W @ high + negative @ low + b
    return np.maximum(ends[0], 0), np.maximum(ends[1], 0)


box_in_place = slip(
    "interval_layer",
    "it writes into the box it was given",
    swap=(
        "centre, radius = (low + high) / 2, (high - low) / 2",
        "radius = (high - low) / 2; low += radius; centre = low",
    ),
    loses=["unchanged"],
)


# --- attack_step


@alternative("attack_step")
def pixel_by_pixel(x, x0, gradient, eps, rate):
    new = []
    for here, origin, slope in zip(x.ravel(), x0.ravel(), gradient.ravel(), strict=True):
        moved = here - rate if slope > 0 else here + rate if slope < 0 else here
        lowest, highest = max(0.0, origin - eps), min(1.0, origin + eps)
        new.append(min(max(moved, lowest), highest))
    return np.reshape(new, x.shape)


@alternative("attack_step")
def by_the_change(x, x0, gradient, eps, rate):
    delta = x - x0
    delta = delta + rate * (gradient < 0) - rate * (gradient > 0)
    delta = np.minimum(np.maximum(delta, -eps), eps)
    return np.minimum(np.maximum(x0 + delta, 0), 1)


box_about_x = slip(
    "attack_step",
    "it puts the box about x, not about the picture x0",
    swap=("x0 - eps, x0 + eps", "x - eps, x + eps"),
    loses=["box"],
)
uphill = slip(
    "attack_step",
    "it steps uphill, where the margin grows",
    swap=("x - rate", "x + rate"),
    loses=["step", "box", "pixels", "still", "unchanged"],
)
no_sign = slip(
    "attack_step",
    "it steps by the gradient itself and not by its sign",
    swap=("np.sign(gradient)", "gradient"),
    loses=["step", "box", "pixels", "still", "unchanged"],
)
unit_gradient = slip(
    "attack_step",
    "it steps by the gradient divided by its length, which is for the other norm",
    swap=("np.sign(gradient)", "gradient / np.linalg.norm(gradient)"),
    loses=["step", "box", "pixels", "still", "unchanged"],
)
from_the_beginning = slip(
    "attack_step",
    "it steps from x0, and forgets how far the attack had come",
    swap=("moved = x - rate", "moved = x0 - rate"),
    loses=["step", "box", "pixels", "still", "unchanged"],
)
no_box = slip(
    "attack_step",
    "it never comes back into the box",
    swap=("np.clip(moved, x0 - eps, x0 + eps)", "moved"),
    loses=["box"],
)


@mutant(
    "attack_step",
    "it shortens the whole change until it fits, where each pixel is to be cut by itself",
    loses=["box"],
)
def box_scaled(x, x0, gradient, eps, rate):
    delta = x - rate * np.sign(gradient) - x0
    delta = delta * min(1, eps / np.abs(delta).max())
    return np.clip(x0 + delta, 0, 1)


half_the_box = slip(
    "attack_step",
    "it takes eps for the whole width of the box",
    swap=("x0 - eps, x0 + eps", "x0 - eps / 2, x0 + eps / 2"),
    loses=["box"],
)
no_picture = slip(
    "attack_step",
    "it leaves pixels below 0 or above 1",
    swap=(
        "np.clip(np.clip(moved, x0 - eps, x0 + eps), 0, 1)",
        "np.clip(moved, x0 - eps, x0 + eps)",
    ),
    loses=["pixels"],
)
small_is_nothing = slip(
    "attack_step",
    "it takes a small derivative for none",
    swap=("np.sign(gradient)", "np.sign(gradient) * (np.abs(gradient) > 1e-6)"),
    loses=["still"],
)
never_still = slip(
    "attack_step",
    "it moves pixels whose derivative is 0",
    swap=("x - rate * np.sign(gradient)", "np.where(gradient > 0, x - rate, x + rate)"),
    loses=["still"],
)
x_in_place = slip(
    "attack_step",
    "it writes into the picture it was given",
    swap=("moved = x - rate * np.sign(gradient)", "x -= rate * np.sign(gradient); moved = x"),
    loses=["unchanged"],
)
