"""Wrong versions of assignment 01, each a misconception; and right ones, written differently.

Each message completes "This looks like a known slip: ..." and is read by a student whose answers
are those of the mutant in every case.
"""

import numpy as np

from course_lib.grading import alternative, mutant, slip

# --- keep_largest

EVERY = ["largest", "ties", "tensor", "shapes", "order", "zeros", "ends", "refuses", "unchanged"]


@alternative("keep_largest")
def keep_largest_by_lexsort(weights, k):
    if k < 0 or k > weights.size:
        raise ValueError("k out of range")
    order = np.lexsort((np.arange(weights.size), -np.abs(weights.ravel())))
    mask = np.zeros(weights.size, dtype=bool)
    mask[order[:k]] = True
    return mask.reshape(weights.shape)


@alternative("keep_largest")
def keep_largest_by_hand(weights, k):
    values = weights.flatten().tolist()
    if k not in range(len(values) + 1):
        raise ValueError
    chosen = [False] * len(values)
    for _ in range(k):
        best = None
        for i, value in enumerate(values):
            if not chosen[i] and (best is None or abs(value) > abs(values[best])):
                best = i
        chosen[best] = True
    return np.array(chosen).reshape(weights.shape)


@alternative("keep_largest")
def keep_largest_by_threshold(weights, k):
    if not 0 <= k <= weights.size:
        raise ValueError(k)
    size = np.abs(weights).flatten()
    if k == 0:
        return np.zeros_like(weights, dtype=bool)
    smallest = np.sort(size)[::-1][k - 1]
    larger, equal = size > smallest, size == smallest
    mask = larger | (equal & (equal.cumsum() <= k - larger.sum()))
    return mask.reshape(weights.shape)


signed = slip(
    "keep_largest",
    "it compares signed values, not magnitudes",
    swap=("np.abs(weights)", "weights"),
    loses=["largest"],
)


@mutant(
    "keep_largest", "it keeps every entry that ties with the k-th", loses=["ties", "order", "zeros"]
)
def keeps_ties(weights, k):
    if not 0 <= k <= weights.size:
        raise ValueError(k)
    if k == 0:
        return np.zeros(weights.shape, dtype=bool)
    size = np.abs(weights)
    return size >= np.sort(size, axis=None)[::-1][k - 1]


@mutant(
    "keep_largest",
    "it keeps every entry that ties with the k-th, and everything for k = 0",
    loses=["ties", "order", "zeros", "ends"],
)
def threshold_of_nothing(weights, k):
    if not 0 <= k <= weights.size:
        raise ValueError(k)
    size = np.abs(weights)
    return size >= np.sort(size, axis=None)[::-1][k - 1]


@mutant(
    "keep_largest",
    "it keeps only what is strictly larger than the k-th entry, and so loses the k-th itself",
    loses=EVERY,
)
def one_too_few(weights, k):
    if not 0 <= k <= weights.size:
        raise ValueError(k)
    return np.abs(weights) > np.sort(np.abs(weights), axis=None)[::-1][k - 1]


later = slip(
    "keep_largest",
    "among entries that tie it keeps the later ones",
    swaps=[
        ("-np.abs(weights)", "np.abs(weights)"),
        ("order[:k]", "order[weights.size - k :]"),
    ],
    loses=["ties", "order", "zeros"],
)
share = slip(
    "keep_largest",
    "it takes k for the share of entries to keep; k is their number",
    swaps=[
        ("not 0 <= k <= weights.size", "False"),
        ("order[:k]", "order[: round(k * weights.size)]"),
    ],
    loses=[check for check in EVERY if check != "ends"],
)
inverted = slip(
    "keep_largest",
    "its True marks the entries to drop, not those to keep",
    swaps=[("np.zeros", "np.ones"), ("mask[order[:k]] = True", "mask[order[:k]] = False")],
    loses=EVERY,
)
pruned_weights = slip(
    "keep_largest",
    "it returns the pruned weights; asked for is the mask",
    swap=("return mask.reshape(weights.shape)", "return weights * mask.reshape(weights.shape)"),
    loses=EVERY,
)
not_zero = slip(
    "keep_largest",
    "its mask is True where the pruned weights are not zero, so a zero that is kept gets lost",
    swap=(
        "return mask.reshape(weights.shape)",
        "return weights * mask.reshape(weights.shape) != 0",
    ),
    loses=["zeros"],
)


@mutant("keep_largest", "it keeps k entries in every row, not k in all", loses=["shapes", "order"])
def row_by_row(weights, k):
    if not 0 <= k <= weights.size:
        raise ValueError(k)
    order = np.argsort(-np.abs(weights), axis=-1, kind="stable")
    mask = np.zeros(weights.shape, dtype=bool)
    np.put_along_axis(mask, order[..., :k], True, -1)
    return mask


flat = slip(
    "keep_largest",
    "for a matrix it returns a flat mask",
    swap=("mask.reshape(weights.shape)", "mask"),
    loses=["shapes", "order"],
)
as_in_memory = slip(
    "keep_largest",
    "it reads entries in the order in which they lie in memory; flatten reads every array row by "
    "row, a transposed one too",
    swap=("np.abs(weights).flatten()", 'np.abs(weights).ravel("K")'),
    loses=["shapes"],
)
whole_magnitudes = slip(
    "keep_largest",
    "it rounds magnitudes to whole numbers before it compares them",
    swap=("np.abs(weights)", "np.abs(weights).astype(int)"),
    loses=["largest"],
)


@mutant(
    "keep_largest",
    "among entries that tie it goes column by column, not row by row",
    loses=["order"],
)
def column_by_column(weights, k):
    if not 0 <= k <= weights.size:
        raise ValueError(k)
    order = np.argsort(-np.abs(weights).flatten(order="F"), kind="stable")
    mask = np.zeros(weights.size, dtype=bool)
    mask[order[:k]] = True
    return mask.reshape(weights.shape, order="F")


as_list = slip(
    "keep_largest",
    "it returns a list, not an array",
    swap=("mask.reshape(weights.shape)", "mask.reshape(weights.shape).tolist()"),
    loses=["tensor"],
)
zeros_and_ones = slip(
    "keep_largest",
    "its mask holds the numbers 0 and 1, not True and False",
    swap=("np.zeros(weights.size, dtype=bool)", "np.zeros(weights.size)"),
    loses=["tensor"],
)
unchecked = slip(
    "keep_largest",
    "it lets a k pass that is out of range",
    swap=("not 0 <= k <= weights.size", "False"),
    loses=["refuses"],
)
in_place = slip(
    "keep_largest",
    "it takes absolute values in place: the caller's weights lose their signs",
    swap=("np.abs(weights)", "np.abs(weights, out=weights)"),
    loses=["unchanged"],
)


# --- squared_error

ALL = ["dropped", "float", "ends", "shapes", "unchanged"]


@alternative("squared_error")
def error_rebuilt(weights, mask):
    return float(np.sum((weights - weights * mask) ** 2))


@alternative("squared_error")
def error_by_hand(weights, mask):
    total = 0.0
    for value, kept in zip(weights.flatten().tolist(), mask.flatten().tolist(), strict=True):
        total += 0.0 if kept else value * value
    return total


of_the_kept = slip(
    "squared_error",
    "it adds up what is kept; the error is what is dropped",
    swap=("weights[~mask]", "weights[mask]"),
    loses=ALL,
)
not_squared = slip(
    "squared_error",
    "it adds sizes, not squares",
    swap=("weights[~mask] ** 2", "abs(weights[~mask])"),
    loses=ALL,
)
root = slip(
    "squared_error",
    "it takes the square root; the squared error is asked for",
    swap=("float((weights[~mask] ** 2).sum())", "float((weights[~mask] ** 2).sum()) ** 0.5"),
    loses=ALL,
)
square_of_the_sum = slip(
    "squared_error",
    "it squares the sum; the squares are to be summed",
    swap=("float((weights[~mask] ** 2).sum())", "float(weights[~mask].sum()) ** 2"),
    loses=ALL,
)
mean_of_all = slip(
    "squared_error",
    "it takes the mean over all entries; the sum is asked for",
    swap=(
        "float((weights[~mask] ** 2).sum())",
        "float((weights[~mask] ** 2).sum()) / weights.size",
    ),
    loses=ALL,
)
mean_of_dropped = slip(
    "squared_error",
    "it takes the mean over the dropped entries; the sum is asked for",
    swap=(".sum()", ".sum() / max((~mask).sum(), 1)"),
    loses=ALL,
)
zero_dimensional = slip(
    "squared_error",
    "it returns a number of NumPy's, not a float",
    swap=("float((weights[~mask] ** 2).sum())", "(weights[~mask] ** 2).sum()"),
    loses=["float"],
)
whole_number = slip(
    "squared_error",
    "for whole weights it returns an int, not a float",
    swap=("float((weights[~mask] ** 2).sum())", "(weights[~mask] ** 2).sum().item()"),
    loses=["float"],
)


@mutant("squared_error", "it works row by row and returns one number for each", loses=["shapes"])
def rows(weights, mask):
    error = (np.where(mask, 0, weights) ** 2).sum(axis=-1)
    return float(error) if error.ndim == 0 else error


@mutant("squared_error", "it sets entries of the caller's weights to zero", loses=["unchanged"])
def zeroed_in_place(weights, mask):
    weights[mask] = 0
    return float((weights**2).sum())


# --- nonnegative_keep

SEVEN = ["closest", "tensor", "room", "shapes", "ends", "ties", "unchanged"]


@alternative("nonnegative_keep")
def nonnegative_one_by_one(weights, k):
    kept = np.zeros_like(weights)
    for i in np.argsort(weights, axis=None)[::-1][:k]:
        kept.flat[i] = max(weights.flat[i], 0)
    return kept


@alternative("nonnegative_keep")
def nonnegative_zeroing(weights, k):
    out = weights.copy()
    out[out < 0] = 0
    smallest_first = out.flatten().argsort()
    out.reshape(-1)[smallest_first[: weights.size - k]] = 0
    return out


positive_part_last = slip(
    "nonnegative_keep",
    "it selects the largest magnitudes first and drops negative entries afterwards: "
    "they have used up places of the budget",
    swap=("keep_largest(positive_part, k)", "keep_largest(weights, k)"),
    loses=["closest", "room"],
)
absolute = slip(
    "nonnegative_keep",
    "it turns negative entries into positive ones; the closest allowed value to -3 is 0, not 3",
    swap=("np.maximum(weights, 0)", "np.abs(weights)"),
    loses=["closest", "room", "ends"],
)
plain_rule = slip(
    "nonnegative_keep",
    "it is the plain rule: negative entries stay in the answer",
    swap=("np.maximum(weights, 0)", "weights"),
    loses=["closest", "room", "ends"],
)


@mutant(
    "nonnegative_keep",
    "when the positive entries run out it fills the budget with negative ones",
    loses=["room", "ends"],
)
def fills_the_budget(weights, k):
    order = np.argsort(-weights.flatten(), kind="stable")
    out = np.zeros(weights.size, weights.dtype)
    out[order[:k]] = weights.flatten()[order[:k]]
    return out.reshape(weights.shape)


no_budget = slip(
    "nonnegative_keep",
    "it forgets the budget and keeps every positive entry",
    swap=("np.where(keep_largest(positive_part, k), positive_part, 0)", "positive_part"),
    loses=["closest", "tensor", "shapes", "ends", "ties", "unchanged"],
)
only_a_mask = slip(
    "nonnegative_keep",
    "it returns a mask; asked for is the vector",
    swap=(
        "np.where(keep_largest(positive_part, k), positive_part, 0)",
        "keep_largest(positive_part, k) & (weights > 0)",
    ),
    loses=SEVEN,
)
survivors_alone = slip(
    "nonnegative_keep",
    "it returns the survivors alone; the answer has the shape of the weights, with zeros elsewhere",
    swap=(
        "np.where(keep_largest(positive_part, k), positive_part, 0)",
        "np.sort(positive_part, axis=None)[::-1][:k]",
    ),
    loses=SEVEN,
)
flattened = slip(
    "nonnegative_keep",
    "for a matrix it returns a vector",
    swap=("positive_part, 0)", "positive_part, 0).flatten()"),
    loses=["shapes"],
)


@mutant("nonnegative_keep", "it keeps k entries in every row, not k in all", loses=["shapes"])
def k_in_every_row(weights, k):
    positive = np.maximum(weights, 0)
    order = np.argsort(-positive, axis=-1, kind="stable")[..., :k]
    kept = np.zeros_like(weights)
    np.put_along_axis(kept, order, np.take_along_axis(positive, order, -1), -1)
    return kept


always_float = slip(
    "nonnegative_keep",
    "it changes the dtype to float32",
    swap=("np.maximum(weights, 0)", "np.maximum(weights, 0).astype(np.float32)"),
    loses=["tensor"],
)
clamped_in_place = slip(
    "nonnegative_keep",
    "it sets negative entries of the caller's weights to zero",
    swap=("np.maximum(weights, 0)", "np.maximum(weights, 0, out=weights)"),
    loses=["unchanged"],
)


@mutant("nonnegative_keep", "it keeps every positive entry that ties with the k-th", loses=["ties"])
def keeps_positive_ties(weights, k):
    positive = np.maximum(weights, 0)
    if k == 0:
        return np.zeros_like(weights)
    smallest = np.sort(positive, axis=None)[::-1][k - 1]
    return np.where(positive >= smallest, positive, 0)


@mutant(
    "nonnegative_keep",
    "it keeps only what is strictly larger than the first entry to go: where entries tie, "
    "places of the budget stay empty",
    loses=["ties"],
)
def drops_positive_ties(weights, k):
    positive = np.maximum(weights, 0)
    if k == weights.size:
        return positive
    return np.where(positive > np.sort(positive, axis=None)[::-1][k], positive, 0)


@mutant(
    "nonnegative_keep",
    "it counts k places from the end, as in order[-k:], and for k = 0 that is everything",
    loses=["ends"],
)
def from_the_end(weights, k):
    positive = np.maximum(weights, 0).flatten()
    order = np.argsort(positive, kind="stable")
    out = np.zeros_like(positive)
    out[order[-k:]] = positive[order[-k:]]
    return out.reshape(weights.shape)


# --- counter_example


@alternative("counter_example")
def other_way_round(factor):
    return [-0.5, 4.0], [64.0 * factor * 1.5, 1.0]


@alternative("counter_example")
def nearly_equal(factor):
    weights = np.array([1.0, -1.01])
    return weights, np.array([1.1 * factor, 1.0])


wrong_axis = slip(
    "counter_example",
    "it stretches the axis of the number that the rule keeps; stretch the other one",
    swap=("[1.0, 2.5 * factor]", "[9 / 4 * factor, 1.0]"),
    loses=["twice", "any"],
)
sizes_not_squares = slip(
    "counter_example",
    "it balances the sizes of the two numbers, not their squares",
    swap=("2.5 * factor", "3 / 2 * factor"),
    loses=["twice", "any"],
)
factor_alone = slip(
    "counter_example",
    "it stretches by the factor alone; first the stretch must make up for the difference in size",
    swap=("2.5 * factor", "factor"),
    loses=["twice", "any"],
)
balance = slip(
    "counter_example",
    "at this stretch (9/4 for 3 and 2) both choices cost the same; the factor comes on top",
    swap=("2.5 * factor", "9 / 4"),
    loses=["twice", "any"],
)
one_answer = slip(
    "counter_example",
    "its answer is the same whatever the factor",
    swap=("2.5 * factor", "9.0"),
    loses=["any"],
)
other_order = slip(
    "counter_example",
    "it returns a first and the weights second",
    swaps=[("2.5 * factor", "9 / 4 * factor"), ("return weights, a", "return a, weights")],
    loses=["twice", "any"],
)
free_axis = slip(
    "counter_example",
    "it makes an error in one coordinate free; a must be positive",
    swap=("[1.0, 2.5 * factor]", "[0.0, 1.0]"),
    loses=["twice", "any"],
)
infinite = slip(
    "counter_example",
    "it uses infinity; ordinary numbers suffice",
    swap=("2.5 * factor", 'float("inf")'),
    loses=["twice", "any"],
)
tie = slip(
    "counter_example",
    "it lives on a tie: where both sizes are equal the rule has no larger number to keep",
    swaps=[("[3.0, 2.0]", "[1.0, 1.0]"), ("2.5 * factor", "1.5 * factor")],
    loses=["twice", "any"],
)


# --- keep_weighted

ALL_SEVEN = ["cheapest", "tensor", "many", "even", "ends", "ties", "unchanged"]


@alternative("keep_weighted")
def weighted_by_costs(weights, a, k):
    cost = (a * weights**2).ravel()
    mask = np.zeros(cost.size, dtype=bool)
    mask[np.argsort(cost)[cost.size - k :]] = True
    return mask.reshape(weights.shape)


@alternative("keep_weighted")
def weighted_by_hand(weights, a, k):
    pairs = zip(weights.flatten().tolist(), a.flatten().tolist(), strict=True)
    costs = [stretch * value**2 for value, stretch in pairs]
    kept = sorted(range(len(costs)), key=costs.__getitem__, reverse=True)[:k]
    return np.array([i in kept for i in range(len(costs))]).reshape(weights.shape)


ignores_a = slip(
    "keep_weighted",
    "it ignores a",
    swap=("np.sqrt(a) * weights", "weights"),
    loses=["cheapest", "many"],
)
no_root = slip(
    "keep_weighted",
    "it ranks by a times size; an error enters squared, so a belongs under a root "
    "(or the size squared)",
    swap=("np.sqrt(a) * weights", "a * weights"),
    loses=["cheapest", "many"],
)
divides = slip(
    "keep_weighted",
    "it divides by a stretch where it should multiply: what hurts more should be kept sooner",
    swap=("np.sqrt(a) * weights", "weights / np.sqrt(a)"),
    loses=["cheapest", "many"],
)
by_a_alone = slip(
    "keep_weighted",
    "it ranks by a alone and ignores the weights",
    swap=("np.sqrt(a) * weights", "a"),
    loses=["cheapest", "many", "even", "ties"],
)


@mutant(
    "keep_weighted", "it compares signed values, not magnitudes", loses=["cheapest", "many", "even"]
)
def signed_and_weighted(weights, a, k):
    order = np.argsort(-(np.sqrt(a) * weights).flatten(), kind="stable")
    mask = np.zeros(weights.size, dtype=bool)
    mask[order[:k]] = True
    return mask.reshape(weights.shape)


keeps_the_cheapest = slip(
    "keep_weighted",
    "it keeps the entries that would cost least to drop",
    swap=("keep_largest(np.sqrt(a) * weights, k)", "~keep_largest(np.sqrt(a) * weights, k)"),
    loses=ALL_SEVEN,
)
pruned_and_weighted = slip(
    "keep_weighted",
    "it returns the pruned weights; asked for is the mask",
    swap=(
        "keep_largest(np.sqrt(a) * weights, k)",
        "weights * keep_largest(np.sqrt(a) * weights, k)",
    ),
    loses=ALL_SEVEN,
)
list_of_kept = slip(
    "keep_weighted",
    "it returns a list, not an array",
    swap=(
        "keep_largest(np.sqrt(a) * weights, k)",
        "keep_largest(np.sqrt(a) * weights, k).tolist()",
    ),
    loses=["tensor"],
)
root_in_place = slip(
    "keep_weighted",
    "it changes the caller's a in place",
    swap=("np.sqrt(a)", "np.sqrt(a, out=a)"),
    loses=["unchanged"],
)


@mutant("keep_weighted", "it keeps every entry whose cost ties with the k-th", loses=["ties"])
def keeps_equal_costs(weights, a, k):
    cost = a * weights**2
    if k == 0:
        return np.zeros(weights.shape, dtype=bool)
    return cost >= np.sort(cost, axis=None)[::-1][k - 1]


costs_something = slip(
    "keep_weighted",
    "its mask is True where the pruned weights are not zero, so a zero that is kept gets lost",
    swap=(
        "keep_largest(np.sqrt(a) * weights, k)",
        "weights * keep_largest(np.sqrt(a) * weights, k) != 0",
    ),
    loses=["ties"],
)
whole_costs = slip(
    "keep_weighted",
    "it rounds costs to whole numbers before it compares them",
    swap=("np.sqrt(a) * weights", "(a * weights**2).astype(int)"),
    loses=["cheapest", "many"],
)
