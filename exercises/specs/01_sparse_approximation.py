"""The checks of assignment 01. Secret: `course release` hands out the visible ones only.

Each check asks for one thing, with inputs on which the other mistakes do no harm (all positive
where signs are not the point, all different where ties are not): a slip costs the points it should,
and no more.
"""

from math import prod

import numpy as np

from course_lib.grading import Check, Task, attr
from course_lib.grading.authoring.tasks import Expression
from course_lib.grading.marking.plain import encode


def sizes(rng, n, whole=True):
    """Return n different sizes, shuffled: 1 to n, or real numbers, nearly all between 0 and 1."""
    values = rng.permutation(n) + 1.0
    return values if whole else (values + rng.uniform(0.1, 0.9, n)) / n


def signs(rng, n):
    return rng.choice([-1.0, 1.0], n)


def array(values, shape=(-1,), dtype=np.float32):
    return np.asarray(values).reshape(shape).astype(dtype)


def budget(rng, n):
    """Return a k that keeps something and drops something."""
    return int(rng.integers(1, n))


# --- keep_largest


def mixed_signs(rng):
    small = [array(sizes(rng, n) * signs(rng, n)) for n in (2, 3, 5, 8)]
    large = [array(sizes(rng, n, False) * signs(rng, n), dtype=np.float64) for n in (13, 40)]
    return [(w, budget(rng, len(w))) for w in small + large]


def tied(rng):
    """Some threes, some twos, some ones, with a k that keeps a part of the twos."""
    cases = []
    for threes, twos, ones in ((0, 2, 1), (1, 2, 1), (1, 3, 0), (2, 4, 3), (3, 6, 3)):
        w = rng.permutation([3.0] * threes + [2.0] * twos + [1.0] * ones)
        cases.append((array(w), threes + budget(rng, twos)))
    return cases


def positive(rng):
    return [(array(sizes(rng, n)), budget(rng, n)) for n in (2, 4, 7)]


def many_shapes(rng):
    kinds = {
        (2, 2): np.float32,
        (2, 3): np.int64,
        (3, 1): np.float64,
        (2, 3, 2): np.float32,
        (4, 5): np.int32,
    }
    drawn = [(array(sizes(rng, prod(s)), s, d)) for s, d in kinds.items()]
    return [(w, budget(rng, w.size)) for w in drawn]


def transposed(rng):
    """A matrix whose rows do not lie one after the other in memory."""
    w = array(sizes(rng, 6), (2, 3))
    return attr(Expression(encode(w)), "T"), budget(rng, 6)


def many_layouts(rng):
    return [*many_shapes(rng), transposed(rng)]


def tied_matrices(rng):
    cases = []
    for shape, (threes, twos, ones) in {
        (2, 2): (1, 3, 0),
        (2, 3): (1, 4, 1),
        (3, 2): (0, 5, 1),
        (2, 2, 2): (2, 4, 2),
    }.items():
        w = rng.permutation([3.0] * threes + [2.0] * twos + [1.0] * ones)
        cases.append((array(w, shape), threes + budget(rng, twos)))
    return cases


def with_zeros(rng):
    """More places than there are entries other than zero."""
    cases = []
    for others, zeros in ((0, 2), (1, 2), (2, 3), (3, 6)):
        w = rng.permutation([*sizes(rng, others), *[0.0] * zeros])
        cases.append((array(w), others + budget(rng, zeros)))
    return cases


def none_and_all(rng):
    return [(array(sizes(rng, n)), k) for n in (1, 3, 6) for k in (0, n)]


def out_of_range(rng):
    w = array(sizes(rng, 4))
    matrix = array(sizes(rng, 6), (2, 3))
    return [(w, -1), (w, 5), (w, budget(rng, 4)), (matrix, 7), (matrix, -2)]


def small_negatives(rng):
    """Half of the entries negative, but each of them smaller than every positive one."""
    cases = []
    for n in (1, 2, 4):
        values = rng.permutation([*(sizes(rng, n) + n), *-sizes(rng, n)])
        cases.append((array(values), int(rng.integers(1, n + 1))))
    return cases


KEEP_LARGEST = Task(
    "keep_largest",
    [
        Check(
            "largest",
            "keeps the k entries of largest magnitude, whatever their sign",
            2,
            mixed_signs,
            visible=True,
        ),
        Check(
            "ties",
            "among equal magnitudes the earlier are kept, and exactly k in all",
            1,
            tied,
            visible=True,
        ),
        Check(
            "tensor",
            "is right, and an array of dtype bool",
            0.5,
            positive,
            visible=True,
            types=True,
        ),
        Check(
            "shapes",
            "works for every shape and dtype, with k for the whole array",
            0.25,
            many_layouts,
        ),
        Check("order", "in a matrix ties are settled row by row", 0.25, tied_matrices),
        Check("zeros", "keeps exactly k, even where zeros have to be among them", 0.5, with_zeros),
        Check("ends", "k = 0 keeps nothing, k = all keeps everything", 0.5, none_and_all),
        Check("refuses", "any other k raises ValueError", 0.5, out_of_range),
        Check(
            "unchanged",
            "is right, and leaves the weights as they were",
            0.5,
            small_negatives,
            unchanged=True,
        ),
    ],
)


# --- squared_error


def masked(rng, n, dropped):
    """Return n numbers of both signs, and a mask that drops some of them."""
    mask = np.ones(n, dtype=bool)
    mask[rng.permutation(n)[:dropped]] = False
    return array(sizes(rng, n) * signs(rng, n)), mask


def some_dropped(rng):
    return [masked(rng, n, d) for n, d in ((3, 2), (4, 2), (6, 3), (9, 5), (30, 20))]


def real_and_whole(rng):
    (w, mask), (v, other) = masked(rng, 4, 2), masked(rng, 5, 3)
    return [(w, mask), (v.astype(int), other), (w.astype(float) / 4, mask)]


def nothing_or_everything_dropped(rng):
    cases = []
    for n in (1, 2, 7):
        w = array((sizes(rng, n) + 1) * signs(rng, n))
        cases += [(w, np.ones(n, dtype=bool)), (w, np.zeros(n, dtype=bool))]
    return cases


def masked_matrices(rng):
    cases = []
    for shape in ((2, 2), (3, 1), (2, 2, 3)):
        n = prod(shape)
        w, mask = masked(rng, n, int(rng.integers(2, n)))
        cases.append((w.reshape(shape), mask.reshape(shape)))
    return cases


SQUARED_ERROR = Task(
    "squared_error",
    [
        Check("dropped", "adds the squares of the dropped entries", 2, some_dropped, visible=True),
        Check(
            "float",
            "is right, and a Python float, for whole numbers too",
            0.5,
            real_and_whole,
            visible=True,
            types=True,
        ),
        Check(
            "ends",
            "nothing dropped costs nothing, everything dropped costs it all",
            0.5,
            nothing_or_everything_dropped,
        ),
        Check("shapes", "works for every shape", 0.5, masked_matrices),
        Check(
            "unchanged",
            "is right, and leaves weights and mask as they were",
            0.5,
            some_dropped,
            unchanged=True,
        ),
    ],
)


# --- nonnegative_keep


def enough_positives(rng):
    """More positive entries than the budget, and negative ones larger than they are."""
    cases = []
    for p, m, k in ((2, 1, 1), (2, 2, 1), (3, 2, 2), (5, 4, 3), (15, 15, 7)):
        values = rng.permutation([*sizes(rng, p), *-(sizes(rng, m) + p)])
        cases.append((array(values), k))
    return cases


def too_few_positives(rng):
    """Fewer positive entries than the budget; none at all in one case."""
    cases = []
    for p, m in ((0, 3), (1, 2), (2, 3), (3, 6)):
        values = rng.permutation([*sizes(rng, p), 0.0, *-(sizes(rng, m) + p)])
        cases.append((array(values), p + budget(rng, m)))
    return cases


def no_place_or_enough(rng):
    """No place at all, or enough for all, with entries of both signs."""
    cases = []
    for p, m in ((1, 1), (2, 1), (3, 4)):
        w = array(rng.permutation([*sizes(rng, p), *-(sizes(rng, m) + p)]))
        cases += [(w, 0), (w, p + m)]
    return cases


def farther(inputs, answer):
    """Say why an approximation of positive weights is not allowed, or not closest; "" if it is.

    Equal weights may compete for the last place: any choice among them will do.
    """
    weights, k = np.asarray(inputs[0], float), inputs[1]
    v = np.asarray(answer, float)
    if v.shape != weights.shape:
        return f"the answer has the shape {v.shape}, the weights have {weights.shape}"
    if (v < 0).any():
        return f"one entry of the answer is {v.min():.4g}; none may be negative"
    if (v != 0).sum() > k:
        return f"{(v != 0).sum()} entries of the answer are not zero; k = {k}"
    squares = np.sort(np.maximum(weights, 0).ravel() ** 2)
    best = (weights**2).sum() - squares[squares.size - k :].sum()
    error = ((weights - v) ** 2).sum()
    if error > best + 1e-5 * (weights**2).sum():
        return f"the answer's squared error is {error:.4g}; {best:.4g} is possible"
    return ""


def positive_kinds(rng):
    return [(w.astype(d), k) for (w, k), d in zip(positive(rng), DTYPES, strict=True)]


DTYPES = (np.float32, np.float64, np.int64)

NONNEGATIVE_KEEP = Task(
    "nonnegative_keep",
    [
        Check(
            "closest",
            "no allowed vector is closer: negative entries win no place",
            2,
            enough_positives,
            visible=True,
        ),
        Check(
            "tensor",
            "is right, and an array with the dtype of the weights",
            0.5,
            positive_kinds,
            visible=True,
            types=True,
        ),
        Check(
            "room",
            "fewer than k positive entries: the rest of the budget stays unspent",
            0.5,
            too_few_positives,
        ),
        Check("shapes", "works for every shape, with k for the whole array", 0.5, many_shapes),
        Check(
            "ends",
            "k = 0 gives zeros, k = all gives the positive part",
            0.5,
            no_place_or_enough,
        ),
        Check(
            "ties",
            "where positive entries tie for the last place, one gets it and k are kept",
            0.5,
            tied,
            property=farther,
        ),
        Check(
            "unchanged",
            "is right, and leaves the weights as they were",
            0.5,
            small_negatives,
            unchanged=True,
        ),
    ],
)


# --- counter_example


def rule_loses(inputs, answer):
    """Say why the answer is no counter-example by the factor asked for; "" if it is one.

    It stands alone: it is sent to students as source, with `np` for numpy.
    """
    (factor,) = inputs
    parts = [np.asarray(part) for part in answer]
    if [part.shape for part in parts] != [(2,), (2,)]:
        return "the answer must be a pair (weights, a), each of two numbers"
    weights, a = (part.astype(float) for part in parts)
    if not (a > 0).all():
        return "both stretch factors must be positive"
    first, second = abs(weights)
    if first == second:
        return "both weights have the same size, so neither is the larger one that the rule keeps"
    kept, dropped = (0, 1) if first > second else (1, 0)
    with np.errstate(all="ignore"):
        cost = a * weights**2
    if not np.isfinite(cost).all() or cost[kept] == 0:
        return "the squares of these numbers are too large or too small to count with"
    times = cost[dropped] / cost[kept]
    if times >= factor * (1 - 1e-5):  # the student may count in float32
        return ""
    paid = " x ".join(f"{x:.4g}" for x in (a[dropped], weights[dropped] ** 2))
    other = " x ".join(f"{x:.4g}" for x in (a[kept], weights[kept] ** 2))
    said = (
        f"the rule keeps {weights[kept]:.4g} and pays {paid} = {cost[dropped]:.4g}; keeping "
        f"{weights[dropped]:.4g} pays {other} = {cost[kept]:.4g}. "
    )
    if times <= 1:
        return said + "So the rule does not lose at all"
    return (
        said + f"So the rule pays {times:.4g} times as much, and {factor:.4g} times was asked for"
    )


def plain_factors(rng):
    return [(2,), (3,)]


def any_factor(rng):
    return [
        (float(rng.uniform(1.1, 1.9)),),
        (int(rng.integers(5, 20)),),
        (float(rng.uniform(50, 1000)),),
        (int(rng.integers(10**4, 10**6)),),
        (int(rng.integers(10**14, 10**15)),),  # more than a constant would be prepared for
    ]


COUNTER_EXAMPLE = Task(
    "counter_example",
    [
        Check(
            "twice",
            "the rule pays at least `factor` times as much, for 2 and for 3",
            2,
            plain_factors,
            visible=True,
            property=rule_loses,
        ),
        Check(
            "any",
            "the rule pays at least `factor` times as much, for any factor",
            2,
            any_factor,
            property=rule_loses,
        ),
    ],
)


# --- keep_weighted


def apart(costs, k):
    """Is the k-th largest cost clearly larger than the next?"""
    ordered = sorted(costs.flatten().tolist(), reverse=True)
    return ordered[k - 1] > 1.05 * ordered[k]


def stretched(rng, shape, unit=1, dtype=np.float32):
    """Return weights of both signs and stretches of very different sizes, with one best choice.

    The weights are 1 to n, divided by `unit`: a large one makes costs that differ by fractions.
    """
    n = prod(shape)
    while True:
        w = array(sizes(rng, n) * signs(rng, n) / unit, shape, dtype)
        a = array(rng.choice([0.25, 1, 4, 9, 25, 100], n), shape, dtype)
        k = budget(rng, n)
        if apart(a * w**2, k):
            return w, a, k


def stretched_vectors(rng):
    units = {2: 1, 3: 1, 4: 1, 5: 1, 6: 20, 8: 100}
    return [stretched(rng, (n,), unit) for n, unit in units.items()]


def stretched_tensors(rng):
    shapes = {(2, 3): 1, (4, 3): 50, (2, 2, 2): 1, (25,): 100, (40,): 100}
    return [stretched(rng, shape, unit, np.float64) for shape, unit in shapes.items()]


def even_stretch(rng):
    cases = []
    for n, c in ((2, 4.0), (4, 0.25), (9, 100.0)):
        w = array(sizes(rng, n) * signs(rng, n))
        cases.append((w, np.full(n, c, np.float32), budget(rng, n)))
    return cases


def mild_stretch(rng, n):
    """Positive weights, and stretches that leave their order as it is."""
    w = array(sizes(rng, n))
    return w, 1 + w / 100


def mild(rng):
    return [(*mild_stretch(rng, n), budget(rng, n)) for n in (2, 4, 7)]


def mild_ends(rng):
    return [(*mild_stretch(rng, n), k) for n in (1, 3, 5) for k in (0, n)]


def tied_costs(rng):
    """All a equal, and some costs too; zeros among them, and places for zeros."""
    cases = []
    for w, k in (*tied(rng), *with_zeros(rng)):
        cases.append((w, np.full(w.shape, rng.choice([1, 4, 9]), np.float32), k))
    return cases


def too_dear(inputs, answer):
    """Say why an answer is no mask of k entries, or not a cheapest one; "" if it is.

    Equal costs may compete for the last place: any choice among them will do.
    """
    weights, a = (np.asarray(part, float) for part in inputs[:2])
    k, mask = inputs[2], np.asarray(answer)
    if mask.shape != weights.shape:
        return f"the mask has the shape {mask.shape}, the weights have {weights.shape}"
    if not np.isin(mask, [0, 1]).all():
        return "the entries of a mask are True and False"
    kept = mask.astype(bool)
    if kept.sum() != k:
        return f"the mask keeps {kept.sum()}; k = {k}"
    cost = a * weights**2
    paid, best = cost[~kept].sum(), np.sort(cost.ravel())[: cost.size - k].sum()
    if paid > best + 1e-5 * cost.sum():
        return f"what the mask drops costs {paid:.4g}; {best:.4g} is possible"
    return ""


KEEP_WEIGHTED = Task(
    "keep_weighted",
    [
        Check(
            "cheapest",
            "what is dropped costs least in the weighted sum of squares",
            2,
            stretched_vectors,
            visible=True,
        ),
        Check(
            "tensor",
            "is right, and an array of dtype bool",
            0.5,
            mild,
            visible=True,
            types=True,
        ),
        Check("many", "drops the cheapest of matrices and of long vectors", 0.5, stretched_tensors),
        Check("even", "with all a equal it is the sculptor's rule again", 0.5, even_stretch),
        Check("ends", "k = 0 keeps nothing, k = all keeps everything", 0.5, mild_ends),
        Check(
            "ties",
            "where costs tie, or weights are zero, still exactly k are kept",
            0.5,
            tied_costs,
            property=too_dear,
        ),
        Check(
            "unchanged",
            "is right, and leaves weights and a as they were",
            0.5,
            mild,
            unchanged=True,
        ),
    ],
)

TASKS = [KEEP_LARGEST, SQUARED_ERROR, NONNEGATIVE_KEEP, COUNTER_EXAMPLE, KEEP_WEIGHTED]
