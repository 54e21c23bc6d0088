"""The checks of assignment 05. Secret: `course release` hands out the visible ones only.

Values are whole numbers where they are only moved about, and sizes stay apart where a cut has to
choose, so rounding decides nothing. Answers that are random are judged by properties. What is left
to chance in them is far less likely than one in a million for a right answer: where a property
counts, it counts hundreds of places and allows six standard deviations or more.
"""

from itertools import pairwise

import numpy as np

from course_lib.grading import Check, Task, attr, call, helper, module, name


def some(rng, shape, share=0.5):
    """A mask that keeps some places and removes some."""
    size = int(np.prod(shape))
    kept = np.arange(size) < max(1, min(size - 1, round(share * size)))
    return rng.permutation(kept).reshape(shape)


# --- rewind


def history(rng, steps, shapes):
    """Networks by step, in which no value occurs twice and none is 0."""
    count = sum(int(np.prod(shape)) for shape in shapes.values())
    values = rng.permutation(np.arange(1, count * len(steps) + 1)).astype(float)
    values *= rng.choice([-1.0, 1.0], values.size)
    found = {}
    for step, part in zip(steps, np.split(values, len(steps)), strict=True):
        network = {}
        for key, shape in shapes.items():
            size = int(np.prod(shape))
            network[key], part = part[:size].reshape(shape), part[size:]
        found[step] = network
    return found


SMALL = {"0.weight": (2, 2), "0.bias": (2,)}
LARGE = {"0.weight": (3, 4), "0.bias": (3,), "2.weight": (2, 3), "2.bias": (2,)}


def returns(key, steps, shapes, *, masked=("0.weight",)):
    """Calls that ask for one array of the ticket; a tuple is the steps and the step to go to."""
    take = attr(module("operator"), "getitem")

    def cases(rng):
        found = []
        for each, rewind_step in steps:
            mask = {k: some(rng, shapes[k]) for k in masked}
            told = history(rng, each, shapes)
            found.append(call(take, call(name("rewind"), told, mask, rewind_step), key))
        return found

    return cases


def rest(rng):
    """Biases, and a layer that the mask does not name."""
    steps = [([0, 50, 300], 50), ([0, 20, 60], 0)]
    return [
        case for key in ("0.bias", "2.weight", "2.bias") for case in returns(key, steps, LARGE)(rng)
    ]


def look_at_ticket(rewind, history, mask, rewind_step, train):
    """Tell a ticket's shape, and whether its weights are the history's; perhaps train it then."""
    known = {w for network in history.values() for w in network["0.weight"].ravel().tolist()}
    ticket = rewind(history, mask, rewind_step)
    weights = np.array(ticket["0.weight"])
    for values in ticket.values() if train else ():
        if isinstance(values, np.ndarray):
            values += 1000
    return [*weights.shape, set() < set(weights.ravel().tolist()) - {0.0} <= known]


def tickets(*, train):
    """Calls in which a helper looks at the ticket."""

    def cases(rng):
        found = []
        for shapes, step in ((SMALL, 0), (LARGE, 40), (LARGE, 0)):
            told = history(rng, [0, 40, 90], shapes)
            mask = {"0.weight": some(rng, shapes["0.weight"])}
            found.append(call(helper(look_at_ticket), name("rewind"), told, mask, step, train))
        return found

    return cases


REWIND = Task(
    "rewind",
    [
        Check(
            "start",
            "rewound to step 0, kept weights have their values from before any training",
            1,
            returns("0.weight", [([0, 80], 0), ([0, 10, 400], 0)], SMALL),
            visible=True,
        ),
        Check(
            "later",
            "rewound to a later step, they have the values of that step",
            1,
            returns(
                "2.weight",
                [([0, 5, 90], 5), ([0, 100, 200, 900], 200), ([0, 2, 3], 2)],
                LARGE,
                masked=("0.weight", "2.weight"),
            ),
            visible=True,
        ),
        Check("rest", "what the mask does not name is rewound too, and kept whole", 1, rest),
        Check(
            "unchanged",
            "its weights are some of the history, and the history stays as it was",
            0.5,
            tickets(train=False),
            unchanged=True,
        ),
        Check(
            "own",
            "its weights are some of the history, and training them in place leaves that as it was",
            0.5,
            tickets(train=True),
            unchanged=True,
        ),
    ],
)

# --- find_ticket


def search(X, y, initial, fraction, rounds, steps, lr, slip=""):
    """The places that a search keeps, perhaps with a slip; None if a cut is close."""
    mask, w = np.ones(len(initial), dtype=bool), initial
    for number in range(rounds):
        w = w if slip == "goes on" else initial
        w = w if slip == "from all" else mask * w
        if number == 0 or slip != "trains once":
            for _ in range(steps):
                g = X.T @ (X @ w - y) / len(y)
                w = (w - lr * g) * (1 if slip == "revives" else mask)
            trained = w
        left = np.flatnonzero(mask)
        order = left[np.argsort(np.abs(trained[left]))]
        sizes = np.abs(trained[order])
        if np.diff(sizes).min() < 0.01 or sizes[-1] > 100:
            return None
        mask[order[: round(fraction * len(left))]] = False
    return tuple(np.flatnonzero(mask))


def searches(examples, features, fraction, rounds, steps, *, telling=False, count=4):
    """Calls of find_ticket in which no cut is close; perhaps they tell slips of rounds apart."""
    slips = ("goes on", "trains once", "revives", "from all") if telling else ()

    def cases(rng):
        found, told = [], {slip: () for slip in ("", *slips)}
        while len(found) < count or len(set(told.values())) < len(told):
            X = rng.standard_normal((examples, features)) + rng.standard_normal((examples, 1))
            y = 2 * X @ rng.standard_normal(features)
            initial = rng.uniform(0.1, 1, features) * rng.choice([-1, 1], features)
            case = X.round(1), y.round(1), initial.round(2), fraction, rounds, steps, 0.125
            kept = {slip: search(*case, slip) for slip in told}
            if None not in kept.values() and list(kept.values()).count(kept[""]) == 1:
                found.append(case)
                told = {slip: (*told[slip], kept[slip]) for slip in told}
        return found

    return cases


def answer_part(number, cases):
    """Ask for the mask (0) or the values (1)."""
    take = attr(module("operator"), "getitem")
    return lambda rng: [call(take, call(name("find_ticket"), *case), number) for case in cases(rng)]


def lengths_of(find_ticket, *inputs):
    """Tell how long a ticket's mask and values are."""
    return [len(part) for part in find_ticket(*inputs)]


def only_called(cases):
    return lambda rng: [call(helper(lengths_of), name("find_ticket"), *case) for case in cases(rng)]


FIND_TICKET = Task(
    "find_ticket",
    [
        Check(
            "mask",
            "after one round, the mask keeps the largest trained weights",
            1.5,
            answer_part(0, searches(6, 4, 0.5, 1, 3)),
            visible=True,
        ),
        Check(
            "values",
            "the ticket begins with the initial values of what it keeps",
            1,
            answer_part(1, searches(6, 4, 0.5, 1, 3)),
            visible=True,
        ),
        Check(
            "rounds",
            "in every round it trains what is left, from the initial values, and cuts again",
            1.5,
            lambda rng: [
                *answer_part(0, searches(12, 10, 0.3, 2, 4, count=1))(rng),
                *answer_part(0, searches(12, 10, 0.3, 4, 4, telling=True, count=3))(rng),
            ],
        ),
        Check(
            "counts",
            "it removes as many as Python's round says: of halves the even number, perhaps none",
            0.5,
            lambda rng: [
                *answer_part(0, searches(6, 5, 0.5, 1, 3, count=2))(rng),
                *answer_part(0, searches(9, 9, 0.5, 1, 3, count=1))(rng),
                *answer_part(0, searches(6, 3, 0.1, 2, 3, count=1))(rng),
            ],
        ),
        Check(
            "unchanged",
            "its mask and values are as long as the weights, and its inputs stay as they were",
            0.5,
            only_called(searches(6, 4, 0.5, 1, 2)),
            unchanged=True,
        ),
    ],
)

# --- reinitialised


def network(seed, shapes):
    """A network as the task describes it."""
    rng = np.random.default_rng(seed)
    found = {}
    for key, shape in shapes.items():
        b = 1 / np.sqrt(shape[-1])
        found[key] = rng.uniform(-b, b, shape) if len(shape) == 2 else np.zeros(shape)
    return found


def controls(*sizes, dense=0, share=0.5, from_zero=False):
    """Calls of reinitialised: networks of some sizes, whose last `dense` layers are not masked.

    from_zero: is the seed of the first one 0?
    """

    def cases(rng):
        found = []
        for layers in sizes:
            shapes = {}
            for i, (inputs, outputs) in enumerate(pairwise(layers)):
                shapes |= {f"{2 * i}.weight": (outputs, inputs), f"{2 * i}.bias": (outputs,)}
            seed = int(rng.integers(1, 1000)) if found or not from_zero else 0
            masked = [k for k in shapes if len(shapes[k]) == 2][: len(layers) - 1 - dense]
            mask = {k: some(rng, shapes[k], share) for k in masked}
            found.append((network(seed, shapes), mask, seed))
        return found

    return cases


def zero_where_removed(inputs, answer):
    """Say where an answer is zero and should not be, or is not zero and should be."""
    for key, kept in inputs[1].items():
        new = np.asarray(answer[key], float)
        if new.shape != kept.shape:
            return f"{key!r} has the shape {new.shape}, the mask {kept.shape}"
        if (new[~kept] != 0).any():
            wrong = (new[~kept] != 0).sum()
            return f"{key!r}: {wrong} of {(~kept).sum()} removed weights are not 0"
        if (new[kept] == 0).any():
            return f"{key!r}: {(new[kept] == 0).sum()} of {kept.sum()} kept weights are 0"
    return ""


def nothing_of_the_ticket(inputs, answer):
    """Say how many kept values are the ticket's, wherever they stood and whatever their sign."""
    initial, mask, _ = inputs
    for key, kept in mask.items():
        new = np.asarray(answer[key], np.float32)
        if new.shape != kept.shape:
            return f"{key!r} has the shape {new.shape}, the mask {kept.shape}"
        if (new[kept] == 0).any():
            return f"{key!r}: {(new[kept] == 0).sum()} of {kept.sum()} kept weights are 0"
        there = new[kept] == initial[key].astype(np.float32)[kept]
        if there.mean() > 0.2:
            return (
                f"{key!r}: {there.sum()} of {kept.sum()} kept weights have the ticket's own values"
            )
        known = np.isin(np.abs(new[kept]), np.abs(initial[key].astype(np.float32)))
        if known.mean() > 0.2:
            return (
                f"{key!r}: {known.sum()} of {kept.sum()} kept weights have values that the "
                "ticket's network began with, at other places or with other signs"
            )
    return ""


def by_the_law(inputs, answer):
    """Say how fresh values differ from thousands that are uniform within their bound."""
    initial, mask, _ = inputs
    for key, kept in mask.items():
        new = np.asarray(answer[key], float)
        if new.shape != kept.shape:
            return f"{key!r} has the shape {new.shape}, the mask {kept.shape}"
        b = 1 / np.sqrt(kept.shape[1])
        values, old = new[kept] / b, initial[key][kept] / b
        said = f"{key!r}, of shape {kept.shape}, has the bound {b:.4f}; "
        if np.abs(values).max() > 1 + 1e-5:
            largest = b * np.abs(values).max()
            return said + f"the largest of {kept.sum()} kept weights is {largest:.4f}"
        if len(np.unique(np.float32(values))) < 0.8 * values.size:
            return f"{key!r}: many of {kept.sum()} kept weights have the same value as another"
        outer, positive = (np.abs(values) > 0.5).mean(), (values > 0).mean()
        if not 0.4 < outer < 0.6:
            return said + f"a share of {outer:.2f} of the kept weights is larger than half of it"
        if not 0.4 < positive < 0.6:
            return said + f"a share of {positive:.2f} of the kept weights is positive"
        together = np.corrcoef(values, old)[0, 1]
        if abs(together) > 0.2:
            return f"{key!r}: the values follow those of the ticket (correlation {together:.2f})"
    return ""


def outside_the_mask(inputs, answer):
    """Say what is wrong with the biases, and with layers that the mask does not name."""
    initial, mask, _ = inputs
    for key, old in initial.items():
        if key not in answer:
            return f"{key!r} is missing"
        new = np.asarray(answer[key], float)
        if new.shape != old.shape:
            return f"{key!r} has the shape {new.shape}, expected {old.shape}"
        if old.ndim == 1 and (new != 0).any():
            return f"{key!r}: biases begin at 0; one is {new[new != 0][0]:.4g}"
        if old.ndim == 2 and key not in mask:
            if (new == 0).any():
                return f"{key!r}: {(new == 0).sum()} weights are 0, of a layer that is kept whole"
            if (np.float32(new) == np.float32(old)).mean() > 0.2:
                return f"{key!r}: the layer still has the ticket's values"
    return ""


def both(reinitialised, first, mask, seed, second, other):
    """Two controls, for two networks from two seeds; and the first of them once more."""
    copies = [{key: values.copy() for key, values in first.items()} for _ in range(2)]
    controls = [reinitialised(copy, mask, seed) for copy in copies]
    return [controls[0], reinitialised(second, mask, other), controls[1]]


def two_controls(rng):
    found = []
    for inputs in (5, 8):
        shapes = {f"{i}.weight": (inputs, inputs) for i in (0, 2)}
        seed, more = (int(i) for i in rng.integers([0, 10], [1000, 100]))
        mask = dict.fromkeys(shapes, some(rng, (inputs, inputs), 0.6))
        first, second = network(seed, shapes), network(seed + more, shapes)
        arguments = first, mask, seed, second, seed + more
        found.append(call(helper(both), name("reinitialised"), *arguments))
    return found


def strangers(inputs, answer):
    """Say which two layers, of one control or two, have values in common."""
    _, first, mask, seed, second, other = inputs
    layers = {}
    for start, control, s in ((first, answer[0], seed), (second, answer[1], other)):
        for key, kept in mask.items():
            if np.shape(control[key]) != kept.shape:
                return f"{key!r} has the shape {np.shape(control[key])}, the mask {kept.shape}"
            values = np.asarray(control[key], np.float32)[kept]
            if np.isin(values, start[key].astype(np.float32)).mean() > 0.2:
                return f"{key!r} of seed {s} still has the ticket's values"
            layers[f"{key!r} of seed {s}"] = values
    known = list(layers)
    for i, one in enumerate(known):
        for two in known[:i]:
            if np.isin(layers[one], layers[two]).mean() > 0.2:
                return f"{two} and {one} have the same values"
    for key in mask:
        if not np.array_equal(answer[0][key], answer[2][key]):
            return f"{key!r}: called again with seed {seed}, it returned other values"
    return ""


def shape_of(reinitialised, initial, mask, seed):
    """Tell the shape of a control's weights, if it is not the ticket's network itself."""
    control = reinitialised(initial, mask, seed)
    return [] if control is initial else list(np.shape(control["0.weight"]))


def only_drawn(rng):
    cases = controls([2, 3], [4, 2, 3])(rng)
    return [call(helper(shape_of), name("reinitialised"), *case) for case in cases]


REINITIALISED = Task(
    "reinitialised",
    [
        Check(
            "zeros",
            "removed weights are 0, kept ones are not",
            0.5,
            controls([3, 2], [4, 3, 2]),
            visible=True,
            property=zero_where_removed,
        ),
        Check(
            "fresh",
            "kept weights are not 0 and no value of the ticket's, at its place or at another",
            1,
            controls([5, 6], [6, 4], [5, 6, 4], from_zero=True),
            visible=True,
            property=nothing_of_the_ticket,
        ),
        Check(
            "law",
            "the values are spread as the ticket's were: evenly within the bound of their layer",
            1,
            controls([100, 45], [40, 130], share=0.45),
            property=by_the_law,
        ),
        Check(
            "outside",
            "biases are 0, and layers that the mask does not name are new and whole",
            0.5,
            controls([6, 4, 5], [4, 3, 7, 5], dense=1),
            property=outside_the_mask,
        ),
        Check(
            "strangers",
            "each layer has values of its own, and so has each seed: the same whenever it is used",
            0.5,
            two_controls,
            property=strangers,
            anew=True,
        ),
        Check(
            "unchanged", "its shape is right, and its inputs stay as they were", 0.5, only_drawn,
            unchanged=True,
        ),
    ],
)  # fmt: skip

# --- shuffled


def rounds(rng, shapes, count=4):
    """The masks of a search: each within the one before, with layers pruned at different rates."""
    order = {k: rng.permutation(int(np.prod(shape))).reshape(shape) for k, shape in shapes.items()}
    rates = dict(zip(shapes, rng.permutation([0.8, 0.6, 0.7])[: len(shapes)], strict=True))
    return [
        {k: order[k] < round(rates[k] ** t * order[k].size) for k in shapes} for t in range(count)
    ]


def moved(ts, *many):
    """Calls of shuffled for some rounds of searches with four masks."""
    return lambda rng: [
        (rounds(rng, shapes), t, int(rng.integers(0, 1000)))
        for shapes, t in zip(many, ts, strict=True)
    ]


ONE = {"0.weight": (5, 9)}
TWO = {"0.weight": (5, 4), "2.weight": (3, 5)}
THREE = {"0.weight": (6, 8), "2.weight": (7, 6), "4.weight": (5, 7)}


def counts_stay(inputs, answer):
    """Say which layer has another count than the ticket, or that no place has changed."""
    masks, t, _ = inputs
    for key, kept in masks[t].items():
        new = np.asarray(answer[key])
        if new.shape != kept.shape:
            return f"{key!r} has the shape {new.shape}, the ticket's mask {kept.shape}"
        if not np.isin(new, [0, 1]).all():
            return f"{key!r} holds other things than True and False (or 1 and 0)"
        if new.sum() != kept.sum():
            return f"{key!r} keeps {new.sum()} weights, the ticket of round {t} {kept.sum()}"
    if all((np.asarray(answer[key]) == kept).all() for key, kept in masks[t].items()):
        return "every weight is kept at the place where the ticket keeps it"
    return ""


def in_a_corner(rng):
    """A ticket that keeps one corner of its layer and nothing else, of a quarter of the places.

    The round before it still kept a whole side.
    """
    found = []
    for rows, columns in ((40, 50), (60, 36)):
        kept = np.zeros((rows, columns), dtype=bool)
        kept[: rows // 2, : columns // 2] = True
        side = np.zeros((rows, columns), dtype=bool)
        side[: rows // 2] = True
        masks = [{"0.weight": mask} for mask in (np.ones_like(kept), side, kept)]
        found.append((masks, 2, int(rng.integers(0, 1000))))
    return found


def spread_out(inputs, answer):
    """Say in which part of the layer there are too many or too few, if there are."""
    masks, t, _ = inputs
    for key, kept in masks[t].items():
        new = np.asarray(answer[key], float)
        if new.shape != kept.shape:
            return f"{key!r} has the shape {new.shape}, the ticket's mask {kept.shape}"
        if not 0.15 < new.mean() < 0.35:
            return f"{key!r}: the ticket keeps a quarter, your mask a share of {new.mean():.2f}"
        rows, columns = (n // 2 for n in kept.shape)
        parts = {"top": new[:rows], "left": new[:, :columns]}
        parts |= {"even rows": new[::2], "even columns": new[:, ::2]}
        for part, values in parts.items():
            share = values.sum() / new.sum()
            if not 0.35 < share < 0.65:
                where = f"the {part}" if part.startswith("even") else f"the {part} half"
                return (
                    f"the ticket keeps the top left corner of {key!r} only; of what your mask "
                    f"keeps, a share of {share:.2f} is in {where}, expected about 0.5"
                )
        for lines, sums in (("rows", new.sum(axis=1)), ("columns", new.sum(axis=0))):
            if (sums == 0).mean() > 0.2:
                return f"{key!r}: {(sums == 0).sum()} of {sums.size} {lines} keep nothing at all"
            if sums.std() < 1:
                low, high = sums.min(), sums.max()
                return f"{key!r}: all {lines} keep {low:.0f} to {high:.0f}; chance is not so even"
    return ""


def both_masks(shuffled, masks, t, seed, other):
    """Two controls of one ticket; and the first of them once more."""
    controls = []
    for s in (seed, other, seed):
        copy = [{key: kept.copy() for key, kept in mask.items()} for mask in masks]
        controls.append(shuffled(copy, t, s))
    return controls


def two_masks(rng):
    found = []
    for shape in ((6, 5), (7, 8)):
        layers = np.ones(shape, dtype=bool), some(rng, shape, 0.7), some(rng, shape, 0.5)
        masks = [dict.fromkeys(("0.weight", "2.weight"), kept) for kept in layers]
        seed, more = (int(i) for i in rng.integers([0, 1], [1000, 100]))
        found.append(call(helper(both_masks), name("shuffled"), masks, 2, seed, seed + more))
    return found


def no_twins(inputs, answer):
    """Say which two layers, of one control or two, keep the same places."""
    _, masks, t, *seeds = inputs
    for key, control in [(key, control) for key in masks[t] for control in answer]:
        if np.shape(control[key]) != masks[t][key].shape:
            return f"{key!r} has the shape {np.shape(control[key])}"
    layers = {
        f"{key!r} of seed {seed}": np.asarray(control[key]) * 1
        for seed, control in zip(seeds, answer, strict=False)
        for key in masks[t]
    }
    known = list(layers)
    for i, one in enumerate(known):
        for two in known[:i]:
            if np.array_equal(layers[one], layers[two]):
                return f"{two} and {one} keep the same places"
    for key in masks[t]:
        if not np.array_equal(answer[0][key], answer[2][key]):
            return f"{key!r}: called again with seed {seeds[0]}, it kept other places"
    return ""


def names_of(shuffled, masks, t, seed):
    """Tell the names of a control's layers."""
    return sorted(shuffled(masks, t, seed))


def only_shuffled(rng):
    cases = moved([3, 1, 2], ONE, TWO, THREE)(rng)
    return [call(helper(names_of), name("shuffled"), *case) for case in cases]


SHUFFLED = Task(
    "shuffled",
    [
        Check(
            "counts",
            "each layer keeps as many weights as the ticket of the last round, elsewhere",
            1,
            moved([3, 3, 3], ONE, TWO, THREE),
            visible=True,
            property=counts_stay,
        ),
        Check(
            "spread",
            "they can be anywhere in their layer, not only in the rows or columns they came from",
            1,
            in_a_corner,
            visible=True,
            property=spread_out,
        ),
        Check(
            "round",
            "it takes the mask of the round that was asked for",
            1,
            moved([1, 2, 1], ONE, TWO, THREE),
            property=counts_stay,
        ),
        Check(
            "twins",
            "each layer is shuffled by itself, differently for another seed, not for the same",
            0.5,
            two_masks,
            property=no_twins,
            anew=True,
        ),
        Check(
            "unchanged", "its layers are the ticket's, and its inputs stay as they were", 0.5,
            only_shuffled, unchanged=True,
        ),
    ],
)  # fmt: skip

# --- ledger


def bills(part, skips_zeros, *, exact=None, fractions=(0.2, 0.3, 0.4), most=6, halves=()):
    """Calls that ask for one part of a bill.

    exact: are both bills equal at some time, or never? halves: which slips with halves, of those
    listed here after the right way to cut, lead to another end?
    """
    take = attr(module("operator"), "getitem")
    cuts = [
        lambda fraction, left: left - round(fraction * left),
        lambda fraction, left: left - int(fraction * left + 0.5),
        lambda fraction, left: round((1 - fraction) * left),
    ]

    def cases(rng):
        found = []
        while len(found) < 4:
            weights = int(rng.integers(30, 200)) * 10
            fraction, number = float(rng.choice(fractions)), int(rng.integers(1, most))
            steps, batch = (int(i) for i in rng.integers(2, 50, 2))
            lefts = [[weights] for _ in cuts]
            for left, cut in zip(lefts, cuts, strict=True):
                for _ in range(number):
                    left.append(cut(fraction, left[-1]))
            left = lefts[0]
            if [i for i, other in enumerate(lefts) if other[-1] != left[-1]] != list(halves):
                continue
            saved = weights - left[-1]
            rest = sum(left) % saved
            if exact is False and (2 * rest > saved) != len(found) % 2:
                continue  # one that rounds down to the nearest, one that rounds up, in turn
            if exact is None or exact == (rest == 0):
                bill = call(name("ledger"), weights, fraction, number, steps, batch, skips_zeros)
                found.append(call(take, bill, part))
        return found

    return cases


def never_or_at_last(rng):
    """Bills that are never paid, with a mask alone or with nothing removed, and one that is."""
    nothing = call(name("ledger"), int(rng.integers(2, 5)), 0.1, 2, 5, 3, True)
    take = attr(module("operator"), "getitem")
    masked = bills(2, False)(rng)[:2]
    return [*masked, call(take, nothing, 2), bills(2, True, exact=False)(rng)[0]]


LEDGER = Task(
    "ledger",
    [
        Check(
            "mask",
            "with a mask alone, every training of the search costs what the dense one does",
            1,
            bills(0, False),
            visible=True,
        ),
        Check(
            "sparse",
            "where zeros are skipped, each training of the search costs what is left",
            1,
            bills(0, True),
            visible=True,
        ),
        Check(
            "later",
            "a later training costs what the software multiplies by",
            0.5,
            lambda rng: [
                bills(1, True)(rng)[0],
                bills(1, True, fractions=(0.5,), halves=(1, 2))(rng)[0],
                bills(1, True, fractions=(0.5,), halves=(2,))(rng)[0],
                *bills(1, False)(rng)[:2],
            ],
        ),
        Check(
            "after",
            "the search has paid after the first training that brings the bill below",
            0.5,
            bills(2, True, exact=False),
        ),
        Check(
            "exact",
            "equal bills are enough",
            0.5,
            bills(2, True, exact=True, fractions=(0.25, 0.5), most=4),
        ),
        Check("never", "it says so if the search never pays, and only then", 0.5, never_or_at_last),
    ],
)

TASKS = [REWIND, FIND_TICKET, REINITIALISED, SHUFFLED, LEDGER]
