"""The checks of assignment 15. Secret: `course release` hands out the visible ones only.

What a recipe returns is judged by its numbers alone: the checks count, multiply and compare
themselves. Where a right answer can have bad luck, the bar is far below what right answers reach.
"""

import numpy as np

from course_lib.grading import Check, Task, attr, call, helper, module, name

# --- recipe


def examples(secret, seed, n, features, classes, fresh=0):
    """Draw examples of a law that few know: each class lies about a point and its opposite.

    Four of the features matter. The law comes from secret and seed, the examples from `fresh` too.
    """
    law = np.random.default_rng([secret, seed])
    signs = np.array([[1, 1, -1, -1], [1, -1, 1, -1], [1, -1, -1, 1], [1, 1, 1, 1]])
    centres = np.zeros((classes, features))
    places = law.permutation(features)[:4]
    centres[:, places] = signs[law.permutation(4)[:classes]] * law.choice([-1, 1], 4)
    rng = np.random.default_rng([secret, seed, fresh])
    y = np.concatenate([np.arange(classes), rng.integers(0, classes, n - classes)])
    side = rng.choice([-1, 1], n)
    X = side[:, None] * centres[y] + 0.5 * rng.standard_normal((n, features))
    return X.astype(np.float32), y


def few(features, classes):
    """Arguments of recipe, with a few examples: for what has nothing to do with accuracy."""

    def cases(rng):
        seed = int(rng.integers(0, 10**6))
        return [(*examples(99, seed, 60, features, classes), seed)]

    return cases


def shapes_fit(inputs, answer):
    """Say which array has the wrong shape."""
    X, y, _ = inputs
    sizes = [X.shape[1], 64, int(y.max()) + 1]
    if len(answer) != 2:
        return f"the network has {len(answer)} layers, expected 2"
    for i, (W, b) in enumerate(answer):
        for what, values, shape in (
            ("weights", W, (sizes[i + 1], sizes[i])),
            ("biases", b, (sizes[i + 1],)),
        ):
            if np.shape(values) != shape:
                return f"the {what} of layer {i + 1} are {np.shape(values)}, expected {shape}"
    return ""


def few_are_kept(inputs, answer):
    """Say how many weights are not zero, if there are too many."""
    X, y, _ = inputs
    total = 64 * (X.shape[1] + int(y.max()) + 1)
    if len(answer) != 2 or sum(np.size(W) for W, _ in answer) != total:
        return f"the answer has not {total} weights in two layers"
    kept = [int(np.count_nonzero(W)) for W, _ in answer]
    if sum(kept) > 0.1 * total:
        return (
            f"{sum(kept)} of {total} weights are not 0 ({' and '.join(map(str, kept))} in the two "
            f"layers), expected at most {total // 10}"
        )
    return ""


def trained_on(recipe, *given):
    """Networks for some examples; the check asks them about fresh ones."""
    return [recipe(*given[i : i + 3]) for i in range(0, len(given), 5)]


def with_fresh(rng):
    given = []
    for _ in range(2):
        seed = int(rng.integers(0, 10**6))
        given += [*examples(7, seed, 300, 20, 4), seed, *examples(7, seed, 300, 20, 4, fresh=1)]
    return [call(helper(trained_on), name("recipe"), *given)]


def right_about_fresh(inputs, answer):
    """Say how many of the fresh examples the networks are right about, if too few.

    They are asked only if they have the right shapes, and few weights.
    """
    shares = []
    for i, ((W, b), (V, c)) in enumerate(answer):
        X, y = inputs[5 * i + 4 : 5 * i + 6]
        shapes, size, n = [np.shape(part) for part in (W, b, V, c)], X.shape[1], int(y.max()) + 1
        if shapes != [(64, size), (64,), (n, 64), (n,)]:
            return f"network {i + 1} has weights and biases of the shapes {shapes}"
        kept = np.count_nonzero(W) + np.count_nonzero(V)
        if kept > 6.4 * (size + n):
            return f"{kept} weights of network {i + 1} are not 0, of {64 * (size + n)}"
        hidden = np.maximum(X @ np.asarray(W).T + b, 0)
        shares.append(((hidden @ np.asarray(V).T + c).argmax(axis=1) == y).mean())
    told = " and ".join(f"{share:.0%}" for share in shares)
    good = np.mean(shares) >= 0.7
    return "" if good else f"the networks are right about {told} of fresh examples; expected 70%"


def learned(recipe, *given):
    """Networks for some examples."""
    return [recipe(*given[i : i + 3]) for i in range(0, len(given), 3)]


def without_fresh(rng):
    given = []
    for features, classes in ((18, 4), (22, 3), (26, 4)):
        seed = int(rng.integers(0, 10**6))
        given += [*examples(2024, seed, 300, features, classes), seed]
    return [call(helper(learned), name("recipe"), *given)]


def right_about_others(inputs, answer):
    """Draw fresh examples of the same laws, which no student's process has seen, and ask."""
    shares = []
    for i, ((W, b), (V, c)) in enumerate(answer):
        X, y, seed = inputs[3 * i + 1 : 3 * i + 4]
        features, classes = X.shape[1], int(y.max()) + 1
        shapes = [np.shape(part) for part in (W, b, V, c)]
        if shapes != [(64, features), (64,), (classes, 64), (classes,)]:
            return f"network {i + 1} has weights and biases of the shapes {shapes}"
        kept = np.count_nonzero(W) + np.count_nonzero(V)
        if kept > 6.4 * (features + classes):
            return f"{kept} weights of network {i + 1} are not 0, of {64 * (features + classes)}"
        # The law, as in `examples`.
        law = np.random.default_rng([2024, seed])
        signs = np.array([[1, 1, -1, -1], [1, -1, 1, -1], [1, -1, -1, 1], [1, 1, 1, 1]])
        centres = np.zeros((classes, features))
        places = law.permutation(features)[:4]
        centres[:, places] = signs[law.permutation(4)[:classes]] * law.choice([-1, 1], 4)
        rng = np.random.default_rng([2024, seed, 1])
        y = rng.integers(0, classes, 1000)
        X = rng.choice([-1, 1], (1000, 1)) * centres[y]
        X = X + 0.5 * rng.standard_normal(X.shape)
        hidden = np.maximum(X @ np.asarray(W).T + b, 0)
        shares.append(((hidden @ np.asarray(V).T + c).argmax(axis=1) == y).mean())
    told = ", ".join(f"{share:.0%}" for share in shares)
    good = np.mean(shares) >= 0.7
    return "" if good else f"the networks are right about {told} of fresh examples; expected 70%"


def thrice(recipe, X, y, seed, other):
    """Networks from a seed, from another one, and from the first one again."""
    return [recipe(X.copy(), y.copy(), s) for s in (seed, other, seed)]


def two_seeds(rng):
    seed, more = (int(i) for i in rng.integers([0, 1], [1000, 100]))
    X, y = examples(99, seed, 60, 12, 3)
    return [call(helper(thrice), name("recipe"), X, y, seed, seed + more), (X, y, seed + more + 1)]


def seeds_tell(inputs, answer):
    """Say whether the seed does not decide what the three networks are; nothing of one alone."""
    if len(inputs) == 3:
        return ""
    first, other, again = ([np.asarray(W) for W, _ in network] for network in answer)
    if not all(np.array_equal(a, b) for a, b in zip(first, again, strict=True)):
        return "called again with the same seed it returned another network"
    if all(np.array_equal(a, b) for a, b in zip(first, other, strict=True)):
        return "with another seed it returned the same network"
    return ""


RECIPE = Task(
    "recipe",
    [
        Check(
            "shape",
            "returns two layers with 64 units in between, (outputs, inputs) each",
            1,
            few(15, 4),
            visible=True,
            property=shapes_fit,
            seconds=40,
        ),
        Check(
            "density",
            "keeps at most a tenth of the weights",
            2,
            few(20, 4),
            visible=True,
            property=few_are_kept,
            seconds=40,
        ),
        Check(
            "accuracy",
            "is right about 70% of fresh examples, with a tenth of the weights",
            2,
            with_fresh,
            visible=True,
            property=right_about_fresh,
            seconds=60,
        ),
        Check(
            "others",
            "does so for other laws too, with other numbers of features and classes",
            2,
            without_fresh,
            property=right_about_others,
            seconds=80,
        ),
        Check(
            "seed",
            "begins where the seed says: the same network again, or another one",
            1,
            two_seeds,
            property=seeds_tell,
            anew=True,
            seconds=80,
        ),
    ],
)

# --- stored_bytes


def layer(rng, rows, columns, kept):
    """Weights with `kept` entries that are not 0, and biases, some of them 0."""
    W = np.zeros(rows * columns, dtype=np.int8)
    W[rng.permutation(len(W))[:kept]] = rng.choice([-3, -1, 2, 5], kept)
    return W.reshape(rows, columns), rng.integers(-1, 2, rows).astype(float)


def rows_win(rng):
    return layer(rng, int(rng.integers(2, 6)), int(rng.integers(300, 500)), int(rng.integers(4, 9)))


def bits_win(rng):
    rows, columns = 2 * rng.integers(3, 6, 2) + 1  # odd: the last byte is not full
    return layer(rng, int(rows), int(columns), int(rows * columns * rng.uniform(0.2, 0.6)))


def dense_wins(rng):
    rows, columns = (int(i) for i in rng.integers(3, 9, 2))
    return layer(rng, rows, columns, rows * columns)


def wide(rng):
    return [([layer(rng, 2, columns, 9)],) for columns in (2**16 + 1, 2**16)]


def alone(make):
    return lambda rng: [([make(rng)],) for _ in range(4)]


STORED_BYTES = Task(
    "stored_bytes",
    [
        Check("bits", "counts the bits of a bit mask, in whole bytes", 1, alone(bits_win),
              visible=True),
        Check("rows", "counts columns and pointers of compressed rows", 1, alone(rows_win),
              visible=True),
        Check("dense", "stores a full matrix as it is", 0.5, alone(dense_wins), visible=True),
        Check("wide", "gives columns two bytes where they suffice, else four", 0.5, wide),
        Check(
            "layers", "chooses for each layer by itself", 1,
            lambda rng: [
                ([make(rng) for make in order],)
                for order in ([rows_win, bits_win], [dense_wins, rows_win, bits_win])
            ],
        ),
    ],
)  # fmt: skip

# --- group_shares


def columns(group_shares, right, group, z, wanted):
    """Some columns of the rows of all groups."""
    return [[row[i] for i in wanted] for row in group_shares(right, group, z)[0]]


def people(rng, counts):
    """Who was predicted rightly, and everybody's group, from (right, members) of each group."""
    right = np.concatenate([np.arange(n) < hits for hits, n in counts])
    group = np.repeat(np.arange(len(counts)), [n for _, n in counts])
    order = rng.permutation(len(right))
    return right[order], group[order], float(rng.choice([1.5, 1.75, 2.25, 2.5]))


USUAL = [[(9, 12), (2, 8)], [(3, 12), (12, 16)], [(5, 20), (9, 15), (4, 10)]]
EXTREME = [[(4, 4), (5, 9)], [(6, 8), (0, 3), (5, 10)], [(0, 6), (9, 9)], [(1, 1), (3, 7)]]
# The widest gap is not that of the first and the last group, nor that of the largest ones.
GAPS = [[(9, 20), (1, 8), (7, 9), (5, 10)], [(11, 20), (9, 10), (2, 9), (12, 20)]]


def rows_of(kinds, *wanted):
    return lambda rng: [
        call(helper(columns), name("group_shares"), *people(rng, counts), list(wanted))
        for counts in kinds
    ]


def gaps(kinds):
    take = attr(module("operator"), "getitem")
    return lambda rng: [
        call(take, call(name("group_shares"), *people(rng, counts)), 1) for counts in kinds
    ]


GROUP_SHARES = Task(
    "group_shares",
    [
        Check("shares", "gives the share of each group", 0.5, rows_of(USUAL, 0), visible=True),
        Check("limits", "gives Wilson's limits", 1.5, rows_of(USUAL, 1, 2), visible=True),
        Check("extreme", "is not certain where all or none are right", 1, rows_of(EXTREME, 1, 2)),
        Check("gap", "finds the widest gap, whichever groups it lies between", 1, gaps(GAPS),
              visible=True),
    ],
)  # fmt: skip

# --- verdict


def accuracies(rng, low, high, scatter):
    """Accuracies of some seeds whose paired interval is (low, high), in units of the margin."""
    n = int(rng.integers(4, 9))
    t, margin = float(rng.choice([2.5, 2.75, 3.25])), float(rng.choice([0.01, 0.015, 0.02]))
    pattern = rng.permutation(np.linspace(-1, 1, n))
    pattern /= pattern.std(ddof=1)
    spread = (high - low) / 2 * np.sqrt(n) / t
    dense = 0.8 + scatter * margin * rng.permutation(np.linspace(-1, 1, n))
    return dense, dense + margin * ((low + high) / 2 + spread * pattern), t, margin


def intervals(*limits, clear=(), scatter=0.02):
    """Calls of verdict. clear: more of them, so that no word is right throughout a check."""
    return lambda rng: [
        accuracies(rng, *pair, scatter) for pair in rng.permutation([*limits * 3, *clear])
    ]


GAIN, LOSS = (2, 2.2), (-3.2, -3)
VERDICT = Task(
    "verdict",
    [
        Check("better", "says better where the whole interval is above 0, and not of a clear loss",
              0.5, intervals((0.3, 1.5), (0.2, 3), clear=[LOSS]), visible=True),
        Check("enough", "says good enough where no loss beyond the margin is left, and only there",
              1, intervals((-0.6, 0.5), (-0.4, 1.2), (-0.8, -0.1), clear=[GAIN, LOSS]),
              visible=True),
        Check("worse", "says worse where the loss is certainly beyond the margin, not of a gain",
              0.5, intervals((-4, -1.5), (-2, -1.2), clear=[GAIN]), visible=True),
        Check("open", "says open where the seeds do not decide, and only there", 1,
              intervals((-2.5, 0.8), (-1.8, -0.3), (-1.5, 2.5), clear=[GAIN, LOSS])),
        Check("paired", "looks at changes, however much the seeds scatter", 1,
              intervals((0.3, 1.5), (-0.4, 1.2), (-0.8, -0.1), (-2, -1.2), scatter=10)),
    ],
)  # fmt: skip

TASKS = [RECIPE, STORED_BYTES, GROUP_SHARES, VERDICT]
