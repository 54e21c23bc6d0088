"""Wrong versions of assignment 01, each a misconception; and right ones, written differently.

Each message completes "This looks like a known slip: ..." and is read by a student whose answers
are those of the mutant in every case.
"""

import torch

from course_lib.grading import alternative, mutant

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


@mutant("keep_largest", "it compares signed values, not magnitudes", loses=["largest"])
def signed(weights, k):
    if not 0 <= k <= weights.numel():
        raise ValueError(k)
    order = weights.flatten().sort(descending=True, stable=True).indices
    mask = torch.zeros(weights.numel(), dtype=torch.bool)
    mask[order[:k]] = True
    return mask.reshape(weights.shape)


@mutant(
    "keep_largest",
    "it keeps every entry that ties with the k-th",
    loses=["ties", "order", "zeros"],
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


@mutant(
    "keep_largest",
    "among entries that tie it keeps the later ones",
    loses=["ties", "order", "zeros"],
)
def later(weights, k):
    n = weights.numel()
    if not 0 <= k <= n:
        raise ValueError(k)
    order = weights.abs().flatten().sort(stable=True).indices
    mask = torch.zeros(n, dtype=torch.bool)
    mask[order[n - k :]] = True
    return mask.reshape(weights.shape)


@mutant(
    "keep_largest",
    "it takes k for the share of entries to keep; k is their number",
    loses=[check for check in EVERY if check != "ends"],
)
def share(weights, k):
    order = weights.abs().flatten().sort(descending=True, stable=True).indices
    mask = torch.zeros(weights.numel(), dtype=torch.bool)
    mask[order[: round(k * weights.numel())]] = True
    return mask.reshape(weights.shape)


@mutant("keep_largest", "its True marks the entries to drop, not those to keep", loses=EVERY)
def inverted(weights, k):
    if not 0 <= k <= weights.numel():
        raise ValueError(k)
    order = weights.abs().flatten().sort(descending=True, stable=True).indices
    mask = torch.ones(weights.numel(), dtype=torch.bool)
    mask[order[:k]] = False
    return mask.reshape(weights.shape)


@mutant("keep_largest", "it returns the pruned weights; asked for is the mask", loses=EVERY)
def pruned_weights(weights, k):
    if not 0 <= k <= weights.numel():
        raise ValueError(k)
    order = weights.abs().flatten().sort(descending=True, stable=True).indices
    mask = torch.zeros(weights.numel(), dtype=torch.bool)
    mask[order[:k]] = True
    return weights * mask.reshape(weights.shape)


@mutant(
    "keep_largest",
    "its mask is True where the pruned weights are not zero, so a zero that is kept gets lost",
    loses=["zeros"],
)
def not_zero(weights, k):
    if not 0 <= k <= weights.numel():
        raise ValueError(k)
    order = weights.abs().flatten().sort(descending=True, stable=True).indices
    pruned = torch.zeros_like(weights).flatten()
    pruned[order[:k]] = weights.flatten()[order[:k]]
    return pruned.reshape(weights.shape) != 0


@mutant("keep_largest", "it keeps k entries in every row, not k in all", loses=["shapes", "order"])
def row_by_row(weights, k):
    if not 0 <= k <= weights.numel():
        raise ValueError(k)
    order = weights.abs().sort(dim=-1, descending=True, stable=True).indices
    mask = torch.zeros(weights.shape, dtype=torch.bool)
    return mask.scatter(-1, order[..., :k], True)


@mutant("keep_largest", "for a matrix it returns a flat mask", loses=["shapes", "order"])
def flat(weights, k):
    if not 0 <= k <= weights.numel():
        raise ValueError(k)
    order = weights.abs().flatten().sort(descending=True, stable=True).indices
    mask = torch.zeros(weights.numel(), dtype=torch.bool)
    mask[order[:k]] = True
    return mask


@mutant(
    "keep_largest",
    "it needs a tensor whose rows lie one after the other in memory, as view does; "
    "flatten works for every tensor, a transposed one too",
    loses=["shapes"],
)
def by_view(weights, k):
    if not 0 <= k <= weights.numel():
        raise ValueError(k)
    order = weights.view(-1).abs().sort(descending=True, stable=True).indices
    mask = torch.zeros(weights.numel(), dtype=torch.bool)
    mask[order[:k]] = True
    return mask.view(weights.shape)


@mutant(
    "keep_largest",
    "it rounds magnitudes to whole numbers before it compares them",
    loses=["largest"],
)
def whole_magnitudes(weights, k):
    if not 0 <= k <= weights.numel():
        raise ValueError(k)
    order = weights.abs().long().flatten().sort(descending=True, stable=True).indices
    mask = torch.zeros(weights.numel(), dtype=torch.bool)
    mask[order[:k]] = True
    return mask.reshape(weights.shape)


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


@mutant("keep_largest", "it returns a list, not a tensor", loses=["tensor"])
def as_list(weights, k):
    if not 0 <= k <= weights.numel():
        raise ValueError(k)
    order = weights.abs().flatten().sort(descending=True, stable=True).indices
    mask = torch.zeros(weights.numel(), dtype=torch.bool)
    mask[order[:k]] = True
    return mask.reshape(weights.shape).tolist()


@mutant("keep_largest", "its mask holds the numbers 0 and 1, not True and False", loses=["tensor"])
def zeros_and_ones(weights, k):
    if not 0 <= k <= weights.numel():
        raise ValueError(k)
    order = weights.abs().flatten().sort(descending=True, stable=True).indices
    mask = torch.zeros(weights.numel())
    mask[order[:k]] = 1
    return mask.reshape(weights.shape)


@mutant("keep_largest", "it lets a k pass that is out of range", loses=["refuses"])
def unchecked(weights, k):
    order = weights.abs().flatten().sort(descending=True, stable=True).indices
    mask = torch.zeros(weights.numel(), dtype=torch.bool)
    mask[order[:k]] = True
    return mask.reshape(weights.shape)


@mutant(
    "keep_largest",
    "it takes absolute values in place: the caller's weights lose their signs",
    loses=["unchanged"],
)
def in_place(weights, k):
    if not 0 <= k <= weights.numel():
        raise ValueError(k)
    order = weights.abs_().flatten().sort(descending=True, stable=True).indices
    mask = torch.zeros(weights.numel(), dtype=torch.bool)
    mask[order[:k]] = True
    return mask.reshape(weights.shape)


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


@mutant("squared_error", "it adds up what is kept; the error is what is dropped", loses=ALL)
def of_the_kept(weights, mask):
    return float(weights[mask].square().sum())


@mutant("squared_error", "it adds sizes, not squares", loses=ALL)
def not_squared(weights, mask):
    return float(weights[~mask].abs().sum())


@mutant("squared_error", "it takes the square root; the squared error is asked for", loses=ALL)
def root(weights, mask):
    return float(weights[~mask].square().sum()) ** 0.5


@mutant("squared_error", "it squares the sum; the squares are to be summed", loses=ALL)
def square_of_the_sum(weights, mask):
    return float(weights[~mask].sum()) ** 2


@mutant("squared_error", "it takes the mean over all entries; the sum is asked for", loses=ALL)
def mean_of_all(weights, mask):
    return float(weights[~mask].square().sum()) / weights.numel()


@mutant(
    "squared_error", "it takes the mean over the dropped entries; the sum is asked for", loses=ALL
)
def mean_of_dropped(weights, mask):
    return float(weights[~mask].double().square().mean())


@mutant("squared_error", "it returns a tensor, not a float", loses=["float"])
def zero_dimensional(weights, mask):
    return weights[~mask].square().sum()


@mutant("squared_error", "for whole weights it returns an int, not a float", loses=["float"])
def whole_number(weights, mask):
    return weights[~mask].square().sum().item()


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


@mutant(
    "nonnegative_keep",
    "it selects the largest magnitudes first and drops negative entries afterwards: "
    "they have used up places of the budget",
    loses=["closest", "room"],
)
def positive_part_last(weights, k):
    order = weights.abs().flatten().sort(descending=True, stable=True).indices
    out = torch.zeros_like(weights).flatten()
    out[order[:k]] = weights.flatten()[order[:k]].clamp(min=0)
    return out.reshape(weights.shape)


@mutant(
    "nonnegative_keep",
    "it turns negative entries into positive ones; the closest allowed value to -3 is 0, not 3",
    loses=["closest", "room", "ends"],
)
def absolute(weights, k):
    order = weights.abs().flatten().sort(descending=True, stable=True).indices
    out = torch.zeros_like(weights).flatten()
    out[order[:k]] = weights.flatten()[order[:k]].abs()
    return out.reshape(weights.shape)


@mutant(
    "nonnegative_keep",
    "it is the plain rule: negative entries stay in the answer",
    loses=["closest", "room", "ends"],
)
def plain_rule(weights, k):
    order = weights.abs().flatten().sort(descending=True, stable=True).indices
    out = torch.zeros_like(weights).flatten()
    out[order[:k]] = weights.flatten()[order[:k]]
    return out.reshape(weights.shape)


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


@mutant(
    "nonnegative_keep",
    "it forgets the budget and keeps every positive entry",
    loses=["closest", "tensor", "shapes", "ends", "ties", "unchanged"],
)
def no_budget(weights, k):
    return weights.clamp(min=0)


@mutant("nonnegative_keep", "it returns a mask; asked for is the vector", loses=SEVEN)
def only_a_mask(weights, k):
    positive = weights.clamp(min=0).flatten()
    mask = torch.zeros(weights.numel(), dtype=torch.bool)
    mask[positive.sort(descending=True, stable=True).indices[:k]] = True
    return mask.reshape(weights.shape) & (weights > 0)


@mutant(
    "nonnegative_keep",
    "it returns the survivors alone; the answer has the shape of the weights, with zeros elsewhere",
    loses=SEVEN,
)
def survivors_alone(weights, k):
    return weights.clamp(min=0).flatten().sort(descending=True).values[:k]


@mutant("nonnegative_keep", "for a matrix it returns a vector", loses=["shapes"])
def flattened(weights, k):
    positive = weights.clamp(min=0).flatten()
    order = positive.sort(descending=True, stable=True).indices
    out = torch.zeros_like(positive)
    out[order[:k]] = positive[order[:k]]
    return out


@mutant("nonnegative_keep", "it keeps k entries in every row, not k in all", loses=["shapes"])
def k_in_every_row(weights, k):
    positive = weights.clamp(min=0)
    order = positive.sort(dim=-1, descending=True, stable=True).indices[..., :k]
    return torch.zeros_like(weights).scatter(-1, order, positive.gather(-1, order))


@mutant("nonnegative_keep", "it changes the dtype to float32", loses=["tensor"])
def always_float(weights, k):
    positive = weights.clamp(min=0).flatten().float()
    order = positive.sort(descending=True, stable=True).indices
    out = torch.zeros_like(positive)
    out[order[:k]] = positive[order[:k]]
    return out.reshape(weights.shape)


@mutant(
    "nonnegative_keep",
    "it sets negative entries of the caller's weights to zero",
    loses=["unchanged"],
)
def clamped_in_place(weights, k):
    positive = weights.clamp_(min=0).flatten()
    order = positive.sort(descending=True, stable=True).indices
    out = torch.zeros_like(positive)
    out[order[:k]] = positive[order[:k]]
    return out.reshape(weights.shape)


@mutant(
    "nonnegative_keep",
    "it keeps every positive entry that ties with the k-th",
    loses=["ties"],
)
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


@mutant(
    "counter_example",
    "it stretches the axis of the number that the rule keeps; stretch the other one",
    loses=["twice", "any"],
)
def wrong_axis(factor):
    return torch.tensor([3.0, 2.0]), torch.tensor([9 / 4 * factor, 1.0])


@mutant(
    "counter_example",
    "it balances the sizes of the two numbers, not their squares",
    loses=["twice", "any"],
)
def sizes_not_squares(factor):
    return torch.tensor([3.0, 2.0]), torch.tensor([1.0, 3 / 2 * factor])


@mutant(
    "counter_example",
    "it stretches by the factor alone; first the stretch must make up for the difference in size",
    loses=["twice", "any"],
)
def factor_alone(factor):
    return torch.tensor([3.0, 2.0]), torch.tensor([1.0, factor])


@mutant(
    "counter_example",
    "at this stretch (9/4 for 3 and 2) both choices cost the same; the factor comes on top",
    loses=["twice", "any"],
)
def balance(factor):
    return torch.tensor([3.0, 2.0]), torch.tensor([1.0, 9 / 4])


@mutant(
    "counter_example",
    "its answer is the same whatever the factor",
    loses=["any"],
)
def one_answer(factor):
    return torch.tensor([3.0, 2.0]), torch.tensor([1.0, 9.0])


@mutant("counter_example", "it returns a first and the weights second", loses=["twice", "any"])
def other_order(factor):
    return torch.tensor([1.0, 9 / 4 * factor]), torch.tensor([3.0, 2.0])


@mutant(
    "counter_example",
    "it makes an error in one coordinate free; a must be positive",
    loses=["twice", "any"],
)
def free_axis(factor):
    return torch.tensor([3.0, 2.0]), torch.tensor([0.0, 1.0])


@mutant("counter_example", "it uses infinity; ordinary numbers suffice", loses=["twice", "any"])
def infinite(factor):
    return torch.tensor([3.0, 2.0]), torch.tensor([1.0, float("inf")])


@mutant(
    "counter_example",
    "it lives on a tie: where both sizes are equal the rule has no larger number to keep",
    loses=["twice", "any"],
)
def tie(factor):
    return torch.tensor([1.0, 1.0]), torch.tensor([1.0, 1.5 * factor])


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


@mutant("keep_weighted", "it ignores a", loses=["cheapest", "many"])
def ignores_a(weights, a, k):
    order = weights.abs().flatten().sort(descending=True, stable=True).indices
    mask = torch.zeros(weights.numel(), dtype=torch.bool)
    mask[order[:k]] = True
    return mask.reshape(weights.shape)


@mutant(
    "keep_weighted",
    "it ranks by a times size; an error enters squared, so a belongs under a root "
    "(or the size squared)",
    loses=["cheapest", "many"],
)
def no_root(weights, a, k):
    order = (a * weights.abs()).flatten().sort(descending=True, stable=True).indices
    mask = torch.zeros(weights.numel(), dtype=torch.bool)
    mask[order[:k]] = True
    return mask.reshape(weights.shape)


@mutant(
    "keep_weighted",
    "it divides by a stretch where it should multiply: what hurts more should be kept sooner",
    loses=["cheapest", "many"],
)
def divides(weights, a, k):
    order = (weights.abs() / a.sqrt()).flatten().sort(descending=True, stable=True).indices
    mask = torch.zeros(weights.numel(), dtype=torch.bool)
    mask[order[:k]] = True
    return mask.reshape(weights.shape)


@mutant(
    "keep_weighted",
    "it ranks by a alone and ignores the weights",
    loses=["cheapest", "many", "even", "ties"],
)
def by_a_alone(weights, a, k):
    order = a.flatten().sort(descending=True, stable=True).indices
    mask = torch.zeros(weights.numel(), dtype=torch.bool)
    mask[order[:k]] = True
    return mask.reshape(weights.shape)


@mutant(
    "keep_weighted", "it compares signed values, not magnitudes", loses=["cheapest", "many", "even"]
)
def signed_and_weighted(weights, a, k):
    order = (a.sqrt() * weights).flatten().sort(descending=True, stable=True).indices
    mask = torch.zeros(weights.numel(), dtype=torch.bool)
    mask[order[:k]] = True
    return mask.reshape(weights.shape)


@mutant("keep_weighted", "it keeps the entries that would cost least to drop", loses=ALL_SEVEN)
def keeps_the_cheapest(weights, a, k):
    order = (a * weights.square()).flatten().sort(descending=True, stable=True).indices
    mask = torch.ones(weights.numel(), dtype=torch.bool)
    mask[order[:k]] = False
    return mask.reshape(weights.shape)


@mutant("keep_weighted", "it returns the pruned weights; asked for is the mask", loses=ALL_SEVEN)
def pruned_and_weighted(weights, a, k):
    order = (a * weights.square()).flatten().sort(descending=True, stable=True).indices
    mask = torch.zeros(weights.numel(), dtype=torch.bool)
    mask[order[:k]] = True
    return weights * mask.reshape(weights.shape)


@mutant("keep_weighted", "it returns a list, not a tensor", loses=["tensor"])
def list_of_kept(weights, a, k):
    order = (a * weights.square()).flatten().sort(descending=True, stable=True).indices
    mask = torch.zeros(weights.numel(), dtype=torch.bool)
    mask[order[:k]] = True
    return mask.reshape(weights.shape).tolist()


@mutant("keep_weighted", "it changes the caller's a in place", loses=["unchanged"])
def root_in_place(weights, a, k):
    order = (a.sqrt_() * weights.abs()).flatten().sort(descending=True, stable=True).indices
    mask = torch.zeros(weights.numel(), dtype=torch.bool)
    mask[order[:k]] = True
    return mask.reshape(weights.shape)


@mutant("keep_weighted", "it keeps every entry whose cost ties with the k-th", loses=["ties"])
def keeps_equal_costs(weights, a, k):
    cost = a * weights.square()
    if k == 0:
        return torch.zeros(weights.shape, dtype=torch.bool)
    return cost >= cost.flatten().sort(descending=True).values[k - 1]


@mutant(
    "keep_weighted",
    "its mask is True where the pruned weights are not zero, so a zero that is kept gets lost",
    loses=["ties"],
)
def costs_something(weights, a, k):
    order = (a * weights.square()).flatten().sort(descending=True, stable=True).indices
    pruned = torch.zeros_like(weights).flatten()
    pruned[order[:k]] = weights.flatten()[order[:k]]
    return pruned.reshape(weights.shape) != 0


@mutant(
    "keep_weighted",
    "it rounds costs to whole numbers before it compares them",
    loses=["cheapest", "many"],
)
def whole_costs(weights, a, k):
    order = (a * weights.square()).long().flatten().sort(descending=True, stable=True).indices
    mask = torch.zeros(weights.numel(), dtype=torch.bool)
    mask[order[:k]] = True
    return mask.reshape(weights.shape)
