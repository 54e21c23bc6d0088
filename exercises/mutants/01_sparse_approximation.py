"""Wrong versions of assignment 01, each a misconception; and right ones, written differently.

Each message completes "This looks like a known slip: ..." and is read by a student whose answers
are those of the mutant in every case.
"""

import torch

from course_lib.grading import alternative, mutant, slip

# --- keep_largest

EVERY = ["largest", "ties", "tensor", "shapes", "order", "zeros", "ends", "refuses", "unchanged"]


@alternative("keep_largest")
def keep_largest_numpy(weights, k):
    import numpy as np

    if k < 0 or k > weights.numel():
        raise ValueError("k out of range")
    order = np.argsort(-np.abs(weights.numpy().ravel()), kind="stable")
    mask = np.zeros(weights.numel(), dtype=bool)
    mask[order[:k]] = True
    return torch.from_numpy(mask.reshape(weights.shape))


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
    return torch.tensor(chosen).view(weights.shape)


@alternative("keep_largest")
def keep_largest_by_threshold(weights, k):
    if not 0 <= k <= weights.numel():
        raise ValueError(k)
    size = weights.abs().flatten()
    if k == 0:
        return torch.zeros_like(weights, dtype=torch.bool)
    smallest = size.sort(descending=True).values[k - 1]
    larger, equal = size > smallest, size == smallest
    mask = larger | (equal & (equal.cumsum(0) <= k - larger.sum()))
    return mask.reshape(weights.shape)


signed = slip(
    "keep_largest",
    "it compares signed values, not magnitudes",
    swap=("weights.abs()", "weights"),
    loses=["largest"],
)


@mutant(
    "keep_largest", "it keeps every entry that ties with the k-th", loses=["ties", "order", "zeros"]
)
def keeps_ties(weights, k):
    if not 0 <= k <= weights.numel():
        raise ValueError(k)
    if k == 0:
        return torch.zeros(weights.shape, dtype=torch.bool)
    size = weights.abs()
    return size >= size.flatten().sort(descending=True).values[k - 1]


@mutant(
    "keep_largest",
    "it keeps every entry that ties with the k-th, and everything for k = 0",
    loses=["ties", "order", "zeros", "ends"],
)
def threshold_of_nothing(weights, k):
    if not 0 <= k <= weights.numel():
        raise ValueError(k)
    size = weights.abs()
    return size >= size.flatten().sort(descending=True).values[k - 1]


@mutant(
    "keep_largest",
    "it keeps only what is strictly larger than the k-th entry, and so loses the k-th itself",
    loses=EVERY,
)
def one_too_few(weights, k):
    if not 0 <= k <= weights.numel():
        raise ValueError(k)
    size = weights.abs()
    return size > size.flatten().sort(descending=True).values[k - 1]


later = slip(
    "keep_largest",
    "among entries that tie it keeps the later ones",
    swaps=[
        ("descending=True, stable=True", "stable=True"),
        ("order[:k]", "order[weights.numel() - k :]"),
    ],
    loses=["ties", "order", "zeros"],
)
share = slip(
    "keep_largest",
    "it takes k for the share of entries to keep; k is their number",
    swaps=[
        ("not 0 <= k <= weights.numel()", "False"),
        ("order[:k]", "order[: round(k * weights.numel())]"),
    ],
    loses=[check for check in EVERY if check != "ends"],
)
inverted = slip(
    "keep_largest",
    "its True marks the entries to drop, not those to keep",
    swaps=[("torch.zeros", "torch.ones"), ("mask[order[:k]] = True", "mask[order[:k]] = False")],
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
    if not 0 <= k <= weights.numel():
        raise ValueError(k)
    order = weights.abs().sort(dim=-1, descending=True, stable=True).indices
    mask = torch.zeros(weights.shape, dtype=torch.bool)
    return mask.scatter(-1, order[..., :k], True)


flat = slip(
    "keep_largest",
    "for a matrix it returns a flat mask",
    swap=("mask.reshape(weights.shape)", "mask"),
    loses=["shapes", "order"],
)
by_view = slip(
    "keep_largest",
    "it needs a tensor whose rows lie one after the other in memory, as view does; "
    "flatten works for every tensor, a transposed one too",
    swap=("weights.abs().flatten()", "weights.view(-1).abs()"),
    loses=["shapes"],
)
whole_magnitudes = slip(
    "keep_largest",
    "it rounds magnitudes to whole numbers before it compares them",
    swap=("weights.abs()", "weights.abs().long()"),
    loses=["largest"],
)


@mutant(
    "keep_largest",
    "among entries that tie it goes column by column, not row by row",
    loses=["order"],
)
def column_by_column(weights, k):
    import numpy as np

    if not 0 <= k <= weights.numel():
        raise ValueError(k)
    order = np.argsort(-np.abs(weights.numpy()).flatten(order="F"), kind="stable")
    mask = np.zeros(weights.numel(), dtype=bool)
    mask[order[:k]] = True
    return torch.from_numpy(mask.reshape(weights.shape, order="F").copy())


as_list = slip(
    "keep_largest",
    "it returns a list, not a tensor",
    swap=("mask.reshape(weights.shape)", "mask.reshape(weights.shape).tolist()"),
    loses=["tensor"],
)
zeros_and_ones = slip(
    "keep_largest",
    "its mask holds the numbers 0 and 1, not True and False",
    swap=("torch.zeros(weights.numel(), dtype=torch.bool)", "torch.zeros(weights.numel())"),
    loses=["tensor"],
)
unchecked = slip(
    "keep_largest",
    "it lets a k pass that is out of range",
    swap=("not 0 <= k <= weights.numel()", "False"),
    loses=["refuses"],
)
in_place = slip(
    "keep_largest",
    "it takes absolute values in place: the caller's weights lose their signs",
    swap=("weights.abs()", "weights.abs_()"),
    loses=["unchanged"],
)


# --- squared_error

ALL = ["dropped", "float", "ends", "shapes", "unchanged"]


@alternative("squared_error")
def error_rebuilt(weights, mask):
    import numpy as np

    w, m = weights.numpy(), mask.numpy()
    return float(np.sum((w - w * m) ** 2))


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
    "squared_error", "it adds sizes, not squares", swap=("square()", "abs()"), loses=ALL
)
root = slip(
    "squared_error",
    "it takes the square root; the squared error is asked for",
    swap=("float(weights[~mask].square().sum())", "float(weights[~mask].square().sum()) ** 0.5"),
    loses=ALL,
)
square_of_the_sum = slip(
    "squared_error",
    "it squares the sum; the squares are to be summed",
    swap=("float(weights[~mask].square().sum())", "float(weights[~mask].sum()) ** 2"),
    loses=ALL,
)
mean_of_all = slip(
    "squared_error",
    "it takes the mean over all entries; the sum is asked for",
    swap=(
        "float(weights[~mask].square().sum())",
        "float(weights[~mask].square().sum()) / weights.numel()",
    ),
    loses=ALL,
)
mean_of_dropped = slip(
    "squared_error",
    "it takes the mean over the dropped entries; the sum is asked for",
    swap=("square().sum()", "double().square().mean()"),
    loses=ALL,
)
zero_dimensional = slip(
    "squared_error",
    "it returns a tensor, not a float",
    swap=("float(weights[~mask].square().sum())", "weights[~mask].square().sum()"),
    loses=["float"],
)
whole_number = slip(
    "squared_error",
    "for whole weights it returns an int, not a float",
    swap=("float(weights[~mask].square().sum())", "weights[~mask].square().sum().item()"),
    loses=["float"],
)


@mutant("squared_error", "it works row by row and returns one number for each", loses=["shapes"])
def rows(weights, mask):
    error = torch.where(mask, 0, weights).square().sum(dim=-1)
    return float(error) if error.dim() == 0 else error


@mutant("squared_error", "it sets entries of the caller's weights to zero", loses=["unchanged"])
def zeroed_in_place(weights, mask):
    weights[mask] = 0
    return float(weights.square().sum())


# --- nonnegative_keep

SEVEN = ["closest", "tensor", "room", "shapes", "ends", "ties", "unchanged"]


@alternative("nonnegative_keep")
def nonnegative_numpy(weights, k):
    import numpy as np

    w = weights.numpy()
    order = np.argsort(w, axis=None)[::-1]
    kept = np.zeros_like(w)
    for i in order[:k]:
        kept.flat[i] = max(w.flat[i], 0)
    return torch.from_numpy(kept)


@alternative("nonnegative_keep")
def nonnegative_zeroing(weights, k):
    out = weights.clone()
    out[out < 0] = 0
    smallest_first = out.flatten().argsort()
    out.view(-1)[smallest_first[: weights.numel() - k]] = 0
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
    swap=("weights.clamp(min=0)", "weights.abs()"),
    loses=["closest", "room", "ends"],
)
plain_rule = slip(
    "nonnegative_keep",
    "it is the plain rule: negative entries stay in the answer",
    swap=("weights.clamp(min=0)", "weights"),
    loses=["closest", "room", "ends"],
)


@mutant(
    "nonnegative_keep",
    "when the positive entries run out it fills the budget with negative ones",
    loses=["room", "ends"],
)
def fills_the_budget(weights, k):
    order = weights.flatten().sort(descending=True, stable=True).indices
    out = torch.zeros_like(weights).flatten()
    out[order[:k]] = weights.flatten()[order[:k]]
    return out.reshape(weights.shape)


no_budget = slip(
    "nonnegative_keep",
    "it forgets the budget and keeps every positive entry",
    swap=("torch.where(keep_largest(positive_part, k), positive_part, 0)", "positive_part"),
    loses=["closest", "tensor", "shapes", "ends", "ties", "unchanged"],
)
only_a_mask = slip(
    "nonnegative_keep",
    "it returns a mask; asked for is the vector",
    swap=(
        "torch.where(keep_largest(positive_part, k), positive_part, 0)",
        "keep_largest(positive_part, k) & (weights > 0)",
    ),
    loses=SEVEN,
)
survivors_alone = slip(
    "nonnegative_keep",
    "it returns the survivors alone; the answer has the shape of the weights, with zeros elsewhere",
    swap=(
        "torch.where(keep_largest(positive_part, k), positive_part, 0)",
        "positive_part.flatten().sort(descending=True).values[:k]",
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
    positive = weights.clamp(min=0)
    order = positive.sort(dim=-1, descending=True, stable=True).indices[..., :k]
    return torch.zeros_like(weights).scatter(-1, order, positive.gather(-1, order))


always_float = slip(
    "nonnegative_keep",
    "it changes the dtype to float32",
    swap=("weights.clamp(min=0)", "weights.clamp(min=0).float()"),
    loses=["tensor"],
)
clamped_in_place = slip(
    "nonnegative_keep",
    "it sets negative entries of the caller's weights to zero",
    swap=("weights.clamp(min=0)", "weights.clamp_(min=0)"),
    loses=["unchanged"],
)


@mutant("nonnegative_keep", "it keeps every positive entry that ties with the k-th", loses=["ties"])
def keeps_positive_ties(weights, k):
    positive = weights.clamp(min=0)
    if k == 0:
        return torch.zeros_like(weights)
    smallest = positive.flatten().sort(descending=True).values[k - 1]
    return torch.where(positive >= smallest, positive, 0)


@mutant(
    "nonnegative_keep",
    "it keeps only what is strictly larger than the first entry to go: where entries tie, "
    "places of the budget stay empty",
    loses=["ties"],
)
def drops_positive_ties(weights, k):
    positive = weights.clamp(min=0)
    if k == weights.numel():
        return positive
    return torch.where(positive > positive.flatten().sort(descending=True).values[k], positive, 0)


@mutant(
    "nonnegative_keep",
    "it counts k places from the end, as in order[-k:], and for k = 0 that is everything",
    loses=["ends"],
)
def from_the_end(weights, k):
    positive = weights.clamp(min=0).flatten()
    order = positive.sort(stable=True).indices
    out = torch.zeros_like(positive)
    out[order[-k:]] = positive[order[-k:]]
    return out.reshape(weights.shape)


# --- counter_example


@alternative("counter_example")
def other_way_round(factor):
    return [-0.5, 4.0], [64.0 * factor * 1.5, 1.0]


@alternative("counter_example")
def nearly_equal(factor):
    weights = torch.tensor([1.0, -1.01])
    return weights, torch.tensor([1.1 * factor, 1.0])


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
def weighted_numpy(weights, a, k):
    import numpy as np

    cost = (a.numpy() * weights.numpy() ** 2).ravel()
    mask = np.zeros(cost.size, dtype=bool)
    mask[np.argsort(cost)[cost.size - k :]] = True
    return torch.from_numpy(mask).reshape(weights.shape)


@alternative("keep_weighted")
def weighted_by_hand(weights, a, k):
    pairs = zip(weights.flatten().tolist(), a.flatten().tolist(), strict=True)
    costs = [stretch * value**2 for value, stretch in pairs]
    kept = sorted(range(len(costs)), key=costs.__getitem__, reverse=True)[:k]
    return torch.tensor([i in kept for i in range(len(costs))]).reshape(weights.shape)


ignores_a = slip(
    "keep_weighted",
    "it ignores a",
    swap=("a.sqrt() * weights", "weights"),
    loses=["cheapest", "many"],
)
no_root = slip(
    "keep_weighted",
    "it ranks by a times size; an error enters squared, so a belongs under a root "
    "(or the size squared)",
    swap=("a.sqrt() * weights", "a * weights"),
    loses=["cheapest", "many"],
)
divides = slip(
    "keep_weighted",
    "it divides by a stretch where it should multiply: what hurts more should be kept sooner",
    swap=("a.sqrt() * weights", "weights / a.sqrt()"),
    loses=["cheapest", "many"],
)
by_a_alone = slip(
    "keep_weighted",
    "it ranks by a alone and ignores the weights",
    swap=("a.sqrt() * weights", "a"),
    loses=["cheapest", "many", "even", "ties"],
)


@mutant(
    "keep_weighted", "it compares signed values, not magnitudes", loses=["cheapest", "many", "even"]
)
def signed_and_weighted(weights, a, k):
    order = (a.sqrt() * weights).flatten().sort(descending=True, stable=True).indices
    mask = torch.zeros(weights.numel(), dtype=torch.bool)
    mask[order[:k]] = True
    return mask.reshape(weights.shape)


keeps_the_cheapest = slip(
    "keep_weighted",
    "it keeps the entries that would cost least to drop",
    swap=("keep_largest(a.sqrt() * weights, k)", "~keep_largest(a.sqrt() * weights, k)"),
    loses=ALL_SEVEN,
)
pruned_and_weighted = slip(
    "keep_weighted",
    "it returns the pruned weights; asked for is the mask",
    swap=("keep_largest(a.sqrt() * weights, k)", "weights * keep_largest(a.sqrt() * weights, k)"),
    loses=ALL_SEVEN,
)
list_of_kept = slip(
    "keep_weighted",
    "it returns a list, not a tensor",
    swap=("keep_largest(a.sqrt() * weights, k)", "keep_largest(a.sqrt() * weights, k).tolist()"),
    loses=["tensor"],
)
root_in_place = slip(
    "keep_weighted",
    "it changes the caller's a in place",
    swap=("a.sqrt()", "a.sqrt_()"),
    loses=["unchanged"],
)


@mutant("keep_weighted", "it keeps every entry whose cost ties with the k-th", loses=["ties"])
def keeps_equal_costs(weights, a, k):
    cost = a * weights.square()
    if k == 0:
        return torch.zeros(weights.shape, dtype=torch.bool)
    return cost >= cost.flatten().sort(descending=True).values[k - 1]


costs_something = slip(
    "keep_weighted",
    "its mask is True where the pruned weights are not zero, so a zero that is kept gets lost",
    swap=(
        "keep_largest(a.sqrt() * weights, k)",
        "weights * keep_largest(a.sqrt() * weights, k) != 0",
    ),
    loses=["ties"],
)
whole_costs = slip(
    "keep_weighted",
    "it rounds costs to whole numbers before it compares them",
    swap=("a.sqrt() * weights", "(a * weights.square()).long()"),
    loses=["cheapest", "many"],
)
