"""The checks of assignment 10. Secret: `course release` hands out the visible ones only.

Nothing here hangs on a tie but where a check is about ties, so rounding decides nothing.
"""

import numpy as np

from course_lib.grading import Check, Task, call, helper, name

# --- spectral_norm


def integers(rng, shape):
    """Whole numbers of either sign, none of them 0."""
    return (rng.integers(1, 6, shape) * rng.choice([-1, 1], shape)).astype(float)


def powers(shapes, rounds, *, symmetric=False):
    """Calls of spectral_norm, from starts that are longer than 1."""

    def cases(rng):
        found = []
        for shape, count in zip(shapes, rounds, strict=True):
            W = integers(rng, shape)
            if symmetric:
                W = np.triu(W) + np.triu(W, 1).T
            found.append((W, integers(rng, shape[1]), count))
        return found

    return cases


def many_rounds(rng):
    """So many rounds that they reach the end, for large matrices and for small ones."""
    found = []
    for scale in (100.0, 0.001, 30.0):
        while True:
            W = integers(rng, (3, 3))
            first, second, _ = np.linalg.svd(W, compute_uv=False)
            if second < 0.9 * first:
                break
        found.append((scale * W, integers(rng, 3), 400))
    return found


def pruned(rng):
    """Matrices of which little is left, or nothing; some starts are taken to zero."""
    n = int(rng.integers(2, 5))
    place, other = rng.choice(n, 2, replace=False)
    one = np.zeros((n, n))
    one[place, place] = rng.integers(2, 9)
    column = integers(rng, (n, n))
    column[:, other] = 0
    away = 3.0 * np.eye(n)[other]
    return [
        (np.zeros((n, n)), integers(rng, n), 2),
        (one, integers(rng, n), 2),
        (column, away, 0),
        (column, away, 3),
    ]


SPECTRAL_NORM = Task(
    "spectral_norm",
    [
        Check(
            "rounds",
            "goes so many rounds with a symmetric matrix",
            2,
            powers([(2, 2), (3, 3), (4, 4)], [1, 2, 1], symmetric=True),
            visible=True,
        ),
        Check(
            "transpose",
            "applies the matrix and then its transpose",
            1,
            powers([(2, 2), (3, 3), (4, 4)], [1, 2, 1]),
            visible=True,
        ),
        Check(
            "start",
            "without rounds, measures along the start, whatever its length",
            0.5,
            powers([(2, 2), (3, 3), (4, 4)], [0, 0, 0]),
        ),
        Check(
            "shapes",
            "takes matrices that are not square",
            1,
            powers([(2, 4), (5, 2), (1, 3), (3, 2)], [1, 2, 1, 1]),
        ),
        Check(
            "many", "stands hundreds of rounds, with large entries and with small", 0.5, many_rounds
        ),
        Check("zero", "gives 0 where the matrix takes the vector to zero", 0.5, pruned),
        Check(
            "unchanged",
            "is right, and leaves its inputs as they were",
            0.5,
            powers([(2, 2), (3, 3)], [1, 2], symmetric=True),
            unchanged=True,
        ),
    ],
)

# --- certified_radius


def predictions(sizes, *, rank=(0,), tie=False, shift=1):
    """Calls of certified_radius with logits that are whole numbers and apart, above `shift`.

    The right class has the largest logit, or the one of a rank drawn for each row; the first row is
    always right. With `tie` the right class shares the largest logit with another, but in row 0.
    """

    def cases(rng):
        found = []
        for n, classes in sizes:
            logits = np.array([rng.choice(20, classes, replace=False) for _ in range(n)]) + shift
            order = np.argsort(-logits, axis=1)
            places = np.append(0, rng.choice(rank, n - 1))
            y = order[np.arange(n), places]
            if tie:
                logits[np.arange(1, n), order[1:, 1]] = logits.max(axis=1)[1:]
            found.append((logits.astype(float), y, float(rng.choice([0.25, 3.0, 5.0, 10.0]))))
        return found

    return cases


CERTIFIED_RADIUS = Task(
    "certified_radius",
    [
        Check(
            "two",
            "turns the margin between two classes into a radius",
            1,
            predictions([(1, 2), (3, 2), (4, 2)]),
            visible=True,
        ),
        Check(
            "runner",
            "measures the margin to the largest of the other logits",
            1.5,
            predictions([(2, 3), (3, 4), (5, 6)]),
            visible=True,
        ),
        Check(
            "wrong",
            "certifies nothing where the prediction is wrong",
            1,
            predictions([(4, 4), (5, 5), (6, 6)], rank=(1, 2, 3)),
        ),
        Check(
            "negative",
            "takes logits that are all below zero",
            0.5,
            predictions([(2, 3), (3, 4), (4, 2)], shift=-25),
        ),
        Check(
            "ties",
            "certifies nothing where another class has as large a logit",
            0.5,
            predictions([(3, 3), (4, 5)], tie=True),
        ),
        Check(
            "unchanged",
            "is right, and leaves its inputs as they were",
            0.5,
            predictions([(2, 3), (3, 4)]),
            unchanged=True,
        ),
    ],
)

# --- interval_layer


def layers(*, signs=True, bias=True, closes=False):
    """Calls of interval_layer; every output stays above zero, or with `closes` it need not.

    Without `signs` all weights and inputs are positive. With `closes` the outputs in turn lie below
    zero, on both sides of it, and above.
    """

    def cases(rng):
        found = []
        for outputs, inputs in ((3, 2), (3, 4), (4, 3)):
            W = rng.integers(1, 6, (outputs, inputs)).astype(float)
            low = rng.integers(1, 5, inputs).astype(float)
            if signs:
                turned = rng.choice([-1, 1], (outputs, inputs))
                turned[:, :2] = 1, -1  # both signs in every row
                W *= rng.permuted(turned, axis=1)
                low -= rng.integers(0, 7, inputs)
            high = low + rng.integers(1, 6, inputs)
            middle, reach = W @ (low + high) / 2, np.abs(W) @ (high - low) / 2
            if closes:
                b = np.resize([-2, 0.5, 2], outputs) * reach - middle
            elif signs:
                b = reach - middle + rng.integers(1, 9, outputs)
            else:
                b = np.resize([-0.5, 1.5], outputs) * (W @ low) * bias
            found.append((W, b, low, high))
        return found

    return cases


def shapes_of_the_box(interval_layer, W, b, low, high):
    """Tell the shapes of both ends."""
    return [list(np.shape(end)) for end in interval_layer(W, b, low, high)]


def only_called(cases):
    """The same inputs, of which nothing may change."""
    use = helper(shapes_of_the_box)
    return lambda rng: [call(use, name("interval_layer"), *case) for case in cases(rng)]


INTERVAL_LAYER = Task(
    "interval_layer",
    [
        Check(
            "positive",
            "finds both ends where weights are positive and there is no bias",
            1,
            layers(signs=False, bias=False),
            visible=True,
        ),
        Check("bias", "adds the bias to both ends", 1, layers(signs=False), visible=True),
        Check("signs", "finds the worst corner for weights of either sign", 1.5, layers()),
        Check("relu", "sends both ends through the ReLU", 1, layers(closes=True)),
        Check(
            "unchanged",
            "its two ends have the right shape, and its inputs stay as they were",
            0.5,
            only_called(layers()),
            unchanged=True,
        ),
    ],
)

# --- attack_step


def attacks(eps, rates, far, *, still=False, edges=False):
    """Calls of attack_step: x is up to `far` from x0, in the middle or at the edges of [0, 1].

    A rate above eps tells a box about x from no box at all.
    """

    def cases(rng):
        found = []
        for shape, rate in zip([(4,), (6,), (3, 4)], rates, strict=True):
            x0 = rng.uniform(0.4, 0.6, shape)
            if edges:
                x0 = np.resize([0.03, 0.97], shape) + rng.uniform(-0.01, 0.01, shape)
            x = x0 + rng.uniform(0.6, 1, shape) * far * rng.choice([-1, 1], shape)
            gradient = rng.choice([0.1, 0.4, 3.0, 8.0], shape) * rng.choice([-1, 1], shape)
            if still:
                gradient *= rng.permutation(np.resize([0, 1, 0, 1e-9], x0.size)).reshape(shape)
            found.append((x.round(3), x0.round(3), gradient, eps, rate))
        return found

    return cases


ATTACK_STEP = Task(
    "attack_step",
    [
        Check(
            "step",
            "moves every pixel by the rate, downhill",
            1.5,
            attacks(0.3, [0.05] * 3, 0.08),
            visible=True,
        ),
        Check(
            "box",
            "comes back into the box about the picture under attack",
            1.5,
            attacks(0.1, [0.08, 0.15, 0.08], 0.09),
            visible=True,
        ),
        Check("pixels", "stays within 0 and 1", 1, attacks(0.3, [0.1] * 3, 0.015, edges=True)),
        Check(
            "still",
            "leaves a pixel in place whose derivative is 0, and no other",
            0.5,
            attacks(0.3, [0.05] * 3, 0.08, still=True),
        ),
        Check(
            "unchanged",
            "is right, and leaves its inputs as they were",
            0.5,
            attacks(0.3, [0.05] * 3, 0.08),
            unchanged=True,
        ),
    ],
)

TASKS = [SPECTRAL_NORM, CERTIFIED_RADIUS, INTERVAL_LAYER, ATTACK_STEP]
