"""Wrong versions of assignment 10, each a misconception; and right ones, written differently.

Each message completes "This looks like a known slip: ..." and is read by a student whose answers
are those of the mutant in every case.
"""

import numpy as np

from course_lib.grading import alternative, mutant

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


@mutant(
    "spectral_norm",
    "it forgets the square root, and returns an eigenvalue of the transpose times the matrix",
    loses=["rounds", "transpose", "start", "shapes", "many", "zero", "unchanged"],
)
def no_root(W, start, rounds):
    v = start / np.linalg.norm(start)
    for _ in range(rounds):
        v = W.T @ (W @ v)
        length = np.linalg.norm(v)
        if length == 0:
            return 0.0
        v = v / length
    return v @ (W.T @ (W @ v))


@mutant(
    "spectral_norm",
    "it applies the matrix twice, and its transpose never",
    loses=["transpose", "shapes", "many"],
)
def no_transpose(W, start, rounds):
    v = start / np.linalg.norm(start)
    for _ in range(rounds):
        v = W @ (W @ v)
        length = np.linalg.norm(v)
        if length == 0:
            return 0.0
        v = v / length
    return np.linalg.norm(W @ v)


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


@mutant("spectral_norm", "it does not divide the start by its length", loses=["start"])
def long_start(W, start, rounds):
    v = start
    for _ in range(rounds):
        v = W.T @ (W @ v)
        length = np.linalg.norm(v)
        if length == 0:
            return 0.0
        v = v / length
    return np.linalg.norm(W @ v)


@mutant(
    "spectral_norm",
    "it goes one round too many",
    loses=["rounds", "transpose", "start", "shapes", "unchanged"],
)
def one_too_many(W, start, rounds):
    v = start / np.linalg.norm(start)
    for _ in range(rounds + 1):
        v = W.T @ (W @ v)
        length = np.linalg.norm(v)
        if length == 0:
            return 0.0
        v = v / length
    return np.linalg.norm(W @ v)


@mutant("spectral_norm", "it divides by a length of zero", loses=["zero"])
def by_zero(W, start, rounds):
    v = start / np.linalg.norm(start)
    with np.errstate(all="ignore"):
        for _ in range(rounds):
            v = W.T @ (W @ v)
            v = v / np.linalg.norm(v)
    return np.linalg.norm(W @ v)


@mutant("spectral_norm", "it writes into the start it was given", loses=["unchanged"])
def start_in_place(W, start, rounds):
    v = start
    v /= np.linalg.norm(v)
    for _ in range(rounds):
        pulled = W.T @ (W @ v)
        length = np.linalg.norm(pulled)
        if length == 0:
            return 0.0
        v = pulled / length
    return np.linalg.norm(W @ v)


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


@mutant("certified_radius", "it leaves out the square root of two", loses=EVERY)
def no_root_of_two(logits, y, lipschitz):
    others = logits.copy()
    others[np.arange(len(y)), y] = -np.inf
    margin = logits[np.arange(len(y)), y] - others.max(axis=1)
    return np.maximum(margin, 0) / lipschitz


@mutant("certified_radius", "it divides by 2 in place of the square root of two", loses=EVERY)
def two_without_root(logits, y, lipschitz):
    others = logits.copy()
    others[np.arange(len(y)), y] = -np.inf
    margin = logits[np.arange(len(y)), y] - others.max(axis=1)
    return np.maximum(margin, 0) / (2 * lipschitz)


@mutant("certified_radius", "it multiplies by L instead of dividing", loses=EVERY)
def multiplied(logits, y, lipschitz):
    others = logits.copy()
    others[np.arange(len(y)), y] = -np.inf
    margin = logits[np.arange(len(y)), y] - others.max(axis=1)
    return np.maximum(margin, 0) * lipschitz / np.sqrt(2)


@mutant(
    "certified_radius",
    "it certifies wrong predictions, by the size of their margin",
    loses=["wrong"],
)
def size_of_the_margin(logits, y, lipschitz):
    others = logits.copy()
    others[np.arange(len(y)), y] = -np.inf
    margin = logits[np.arange(len(y)), y] - others.max(axis=1)
    return np.abs(margin) / (np.sqrt(2) * lipschitz)


@mutant(
    "certified_radius",
    "it measures from the largest logit to the second, right or wrong",
    loses=["wrong"],
)
def best_of_all(logits, y, lipschitz):
    ordered = np.sort(logits, axis=1)
    return (ordered[:, -1] - ordered[:, -2]) / (np.sqrt(2) * lipschitz)


@mutant(
    "certified_radius", "it gives wrong predictions a radius below zero, not 0", loses=["wrong"]
)
def negative_radius(logits, y, lipschitz):
    others = logits.copy()
    others[np.arange(len(y)), y] = -np.inf
    margin = logits[np.arange(len(y)), y] - others.max(axis=1)
    return margin / (np.sqrt(2) * lipschitz)


@mutant(
    "certified_radius",
    "it measures the margin to the mean of the other logits",
    loses=["runner", "wrong", "negative", "ties", "unchanged"],
)
def to_the_mean(logits, y, lipschitz):
    own = logits[np.arange(len(y)), y]
    mean = (logits.sum(axis=1) - own) / (logits.shape[1] - 1)
    return np.maximum(own - mean, 0) / (np.sqrt(2) * lipschitz)


@mutant(
    "certified_radius",
    "it measures the margin to the lowest logit",
    loses=["runner", "wrong", "negative", "ties", "unchanged"],
)
def to_the_lowest(logits, y, lipschitz):
    own = logits[np.arange(len(y)), y]
    return (own - logits.min(axis=1)) / (np.sqrt(2) * lipschitz)


@mutant(
    "certified_radius",
    "it puts 0 in the place of the right logit, and 0 may be the largest of the others",
    loses=["negative"],
)
def hidden_by_zero(logits, y, lipschitz):
    others = logits.copy()
    others[np.arange(len(y)), y] = 0
    margin = logits[np.arange(len(y)), y] - others.max(axis=1)
    return np.maximum(margin, 0) / (np.sqrt(2) * lipschitz)


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


@mutant(
    "interval_layer",
    "it takes the lower ends to the lower end even where a weight is negative",
    loses=["signs", "relu"],
)
def ends_as_they_are(W, b, low, high):
    return np.maximum(W @ low + b, 0), np.maximum(W @ high + b, 0)


@mutant(
    "interval_layer",
    "it tries two corners, all low and all high, and sorts what comes out",
    loses=["signs", "relu"],
)
def two_corners(W, b, low, high):
    ends = W @ low + b, W @ high + b
    return np.maximum(np.minimum(*ends), 0), np.maximum(np.maximum(*ends), 0)


@mutant(
    "interval_layer",
    "it takes the sizes of the weights for the ends; they are for the radius",
    loses=["signs", "relu"],
)
def sizes_for_ends(W, b, low, high):
    W = np.abs(W)
    return np.maximum(W @ low + b, 0), np.maximum(W @ high + b, 0)


@mutant(
    "interval_layer",
    "it takes the whole width of the box for its radius",
    loses=["positive", "bias", "signs", "relu"],
)
def whole_width(W, b, low, high):
    middle, reach = W @ (low + high) / 2 + b, np.abs(W) @ (high - low)
    return np.maximum(middle - reach, 0), np.maximum(middle + reach, 0)


@mutant("interval_layer", "it forgets the bias", loses=["bias", "signs", "relu"])
def no_bias(W, b, low, high):
    middle, reach = W @ (low + high) / 2, np.abs(W) @ (high - low) / 2
    return np.maximum(middle - reach, 0), np.maximum(middle + reach, 0)


@mutant(
    "interval_layer",
    "it adds the bias to the radius too, as if the bias were uncertain",
    loses=["bias", "signs", "relu"],
)
def bias_widens(W, b, low, high):
    middle, reach = W @ (low + high) / 2 + b, np.abs(W) @ (high - low) / 2 + np.abs(b)
    return np.maximum(middle - reach, 0), np.maximum(middle + reach, 0)


@mutant("interval_layer", "it forgets the ReLU", loses=["relu"])
def no_relu(W, b, low, high):
    middle, reach = W @ (low + high) / 2 + b, np.abs(W) @ (high - low) / 2
    return middle - reach, middle + reach


@mutant(
    "interval_layer",
    "it sends the centre through the ReLU and leaves the radius as it was",
    loses=["relu"],
)
def relu_of_the_centre(W, b, low, high):
    middle, reach = W @ (low + high) / 2 + b, np.abs(W) @ (high - low) / 2
    return np.maximum(middle, 0) - reach, np.maximum(middle, 0) + reach


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


@mutant("interval_layer", "it writes into the box it was given", loses=["unchanged"])
def box_in_place(W, b, low, high):
    radius = (high - low) / 2
    low += radius
    middle, reach = W @ low + b, np.abs(W) @ radius
    return np.maximum(middle - reach, 0), np.maximum(middle + reach, 0)


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


@mutant("attack_step", "it puts the box about x, not about the picture x0", loses=["box"])
def box_about_x(x, x0, gradient, eps, rate):
    moved = x - rate * np.sign(gradient)
    return np.clip(np.clip(moved, x - eps, x + eps), 0, 1)


@mutant(
    "attack_step",
    "it steps uphill, where the margin grows",
    loses=["step", "box", "pixels", "still", "unchanged"],
)
def uphill(x, x0, gradient, eps, rate):
    moved = x + rate * np.sign(gradient)
    return np.clip(np.clip(moved, x0 - eps, x0 + eps), 0, 1)


@mutant(
    "attack_step",
    "it steps by the gradient itself and not by its sign",
    loses=["step", "box", "pixels", "still", "unchanged"],
)
def no_sign(x, x0, gradient, eps, rate):
    moved = x - rate * gradient
    return np.clip(np.clip(moved, x0 - eps, x0 + eps), 0, 1)


@mutant(
    "attack_step",
    "it steps by the gradient divided by its length, which is for the other norm",
    loses=["step", "box", "pixels", "still", "unchanged"],
)
def unit_gradient(x, x0, gradient, eps, rate):
    moved = x - rate * gradient / np.linalg.norm(gradient)
    return np.clip(np.clip(moved, x0 - eps, x0 + eps), 0, 1)


@mutant(
    "attack_step",
    "it steps from x0, and forgets how far the attack had come",
    loses=["step", "box", "pixels", "still", "unchanged"],
)
def from_the_beginning(x, x0, gradient, eps, rate):
    moved = x0 - rate * np.sign(gradient)
    return np.clip(np.clip(moved, x0 - eps, x0 + eps), 0, 1)


@mutant("attack_step", "it never comes back into the box", loses=["box"])
def no_box(x, x0, gradient, eps, rate):
    return np.clip(x - rate * np.sign(gradient), 0, 1)


@mutant(
    "attack_step",
    "it shortens the whole change until it fits, where each pixel is to be cut by itself",
    loses=["box"],
)
def box_scaled(x, x0, gradient, eps, rate):
    delta = x - rate * np.sign(gradient) - x0
    delta = delta * min(1, eps / np.abs(delta).max())
    return np.clip(x0 + delta, 0, 1)


@mutant("attack_step", "it takes eps for the whole width of the box", loses=["box"])
def half_the_box(x, x0, gradient, eps, rate):
    moved = x - rate * np.sign(gradient)
    return np.clip(np.clip(moved, x0 - eps / 2, x0 + eps / 2), 0, 1)


@mutant("attack_step", "it leaves pixels below 0 or above 1", loses=["pixels"])
def no_picture(x, x0, gradient, eps, rate):
    return np.clip(x - rate * np.sign(gradient), x0 - eps, x0 + eps)


@mutant("attack_step", "it takes a small derivative for none", loses=["still"])
def small_is_nothing(x, x0, gradient, eps, rate):
    moved = x - rate * np.sign(gradient) * (np.abs(gradient) > 1e-6)
    return np.clip(np.clip(moved, x0 - eps, x0 + eps), 0, 1)


@mutant("attack_step", "it moves pixels whose derivative is 0", loses=["still"])
def never_still(x, x0, gradient, eps, rate):
    moved = np.where(gradient > 0, x - rate, x + rate)
    return np.clip(np.clip(moved, x0 - eps, x0 + eps), 0, 1)


@mutant("attack_step", "it writes into the picture it was given", loses=["unchanged"])
def x_in_place(x, x0, gradient, eps, rate):
    x -= rate * np.sign(gradient)
    return np.clip(np.clip(x, x0 - eps, x0 + eps), 0, 1)
