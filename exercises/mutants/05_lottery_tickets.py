"""Wrong versions of assignment 05, each a misconception; and right ones, written differently.

Each message completes "This looks like a known slip: ..." and is read by a student whose answers
are those of the mutant in every case.
"""

import numpy as np

from course_lib.grading import alternative, mutant, slip

# --- rewind


@alternative("rewind")
def by_multiplying(history, mask, rewind_step):
    return {name: w * mask.get(name, 1) for name, w in history[rewind_step].items()}


@alternative("rewind")
def by_places(history, mask, rewind_step):
    ticket = {}
    for name in sorted(history[rewind_step]):
        ticket[name] = history[rewind_step][name].tolist()
        if name in mask:
            for i, row in enumerate(mask[name].tolist()):
                for j, kept in enumerate(row):
                    if not kept:
                        ticket[name][i][j] = 0
    return ticket


trained = slip(
    "rewind",
    "it keeps the trained values: that is pruning without rewinding",
    swap=("history[rewind_step]", "history[max(history)]"),
    loses=["start", "later", "rest"],
)
always_to_the_start = slip(
    "rewind",
    "it goes back to step 0, whatever the rewind step is",
    swap=("history[rewind_step]", "history[0]"),
    loses=["later", "rest"],
)
unmasked = slip(
    "rewind",
    "it rewinds and forgets the mask",
    swap=("start[name][~kept] = 0", "pass"),
    loses=["start", "later"],
)
inside_out = slip(
    "rewind",
    "it keeps what the mask removes and removes what it keeps",
    swap=("start[name][~kept]", "start[name][kept]"),
    loses=["start", "later"],
)


@mutant(
    "rewind", "it masks what the mask does not name: biases and whole layers are 0", loses=["rest"]
)
def biases_masked(history, mask, rewind_step):
    return {name: w * mask.get(name, 0) for name, w in history[rewind_step].items()}


@mutant(
    "rewind",
    "it rewinds the pruned weights and leaves biases and other layers trained",
    loses=["rest"],
)
def biases_trained(history, mask, rewind_step):
    return {
        name: history[rewind_step][name] * mask[name] if name in mask else w.copy()
        for name, w in history[max(history)].items()
    }


pruned_alone = slip(
    "rewind",
    "it returns the pruned weights alone, without the rest",
    swap=("in history[rewind_step].items()", "in history[rewind_step].items() if name in mask"),
    loses=["rest"],
)
into_the_history = slip(
    "rewind",
    "it sets weights of the history itself to 0",
    swap=(
        "{name: values.copy() for name, values in history[rewind_step].items()}",
        "history[rewind_step]",
    ),
    loses=["unchanged", "own"],
)
lent = slip(
    "rewind",
    "it hands out arrays of the history for biases and other layers: training overwrites them",
    swaps=[
        (
            "{name: values.copy() for name, values in history[rewind_step].items()}",
            "dict(history[rewind_step])",
        ),
        ("start[name][~kept] = 0", "start[name] = np.where(kept, start[name], 0)"),
    ],
    loses=["own"],
)


# --- find_ticket


@alternative("find_ticket")
def with_fewer_columns(X, y, initial, fraction, rounds, steps, lr):
    kept = list(range(len(initial)))
    for _ in range(rounds):
        A, w = X[:, kept], initial[kept]
        for _ in range(steps):
            w = w - lr * A.T @ (A @ w - y) / len(y)
        order = sorted(range(len(kept)), key=lambda i: abs(w[i]))
        gone = set(order[: round(fraction * len(kept))])
        kept = [k for i, k in enumerate(kept) if i not in gone]
    return [i in kept for i in range(len(initial))], [
        v if i in kept else 0.0 for i, v in enumerate(initial.tolist())
    ]


@alternative("find_ticket")
def by_a_threshold(X, y, initial, fraction, rounds, steps, lr):
    mask = np.ones_like(initial)
    for _ in range(rounds):
        w = initial * mask
        for _ in range(steps):
            w -= lr * mask * np.mean(X * (X @ w - y)[:, None], axis=0)
        gone = round(fraction * int(mask.sum()))
        if gone:
            size = np.abs(w)
            mask[size <= np.sort(size[mask == 1])[gone - 1]] = 0
    return mask == 1, initial * mask


scores_the_start = slip(
    "find_ticket",
    "it scores the initial values instead of the trained ones: that is pruning at initialisation",
    swap=("np.abs(w[left])", "np.abs(initial[left])"),
    loses=["mask", "values", "rounds", "counts"],
)
goes_on = slip(
    "find_ticket",
    "it goes on from the trained values in every round",
    swaps=[
        (
            "mask = np.ones(len(initial), dtype=bool)",
            "mask, w = np.ones(len(initial), dtype=bool), initial",
        ),
        ("w = np.where(mask, initial, 0.0)", "w = np.where(mask, w, 0.0)"),
    ],
    loses=["rounds"],
)
returns_the_trained = slip(
    "find_ticket",
    "it returns the trained values, not those to begin with",
    swap=("return mask, np.where(mask, initial, 0.0)", "return mask, np.where(mask, w, 0.0)"),
    loses=["values"],
)
returns_all_values = slip(
    "find_ticket",
    "it returns all the initial values, unmasked",
    swap=("return mask, np.where(mask, initial, 0.0)", "return mask, initial.copy()"),
    loses=["values"],
)
mask_of_the_round_before = slip(
    "find_ticket",
    "it returns the mask that the last training had, not the one that was cut from it",
    swaps=[
        (
            "w = np.where(mask, initial, 0.0)",
            "before, w = mask.copy(), np.where(mask, initial, 0.0)",
        ),
        (
            "return mask, np.where(mask, initial, 0.0)",
            "return before, np.where(before, initial, 0.0)",
        ),
    ],
    loses=["mask", "values", "rounds", "counts"],
)
revives = slip(
    "find_ticket",
    "it masks the values before training and lets the steps revive what was removed",
    swap=("lr * mask * (", "lr * ("),
    loses=["rounds"],
)


@mutant(
    "find_ticket",
    "it trains once and makes all cuts from that: one cut in disguise",
    loses=["rounds"],
)
def trains_once(X, y, initial, fraction, rounds, steps, lr):
    w = initial
    for _ in range(steps):
        w = w - lr * (X.T @ (X @ w - y)) / len(y)
    left = np.argsort(-np.abs(w))
    for _ in range(rounds):
        left = left[: len(left) - round(fraction * len(left))]
    mask = np.isin(np.arange(len(initial)), left)
    return mask, np.where(mask, initial, 0.0)


lowest = slip(
    "find_ticket",
    "it removes the lowest values, signs and all",
    swap=("np.abs(w[left])", "w[left]"),
    loses=["mask", "values", "rounds", "counts"],
)
of_all = slip(
    "find_ticket",
    "it takes the fraction of all weights, not of those left",
    swap=("round(fraction * len(left))", "min(round(fraction * len(mask)), len(left) - 1)"),
    loses=["rounds"],
)
overwrites_the_start = slip(
    "find_ticket",
    "it trains the array of the initial values itself, so there is nothing left to rewind to",
    swaps=[
        ("w = np.where(mask, initial, 0.0)", "w = initial; w *= mask"),
        ("w = w - lr", "w -= lr"),
    ],
    loses=["values", "rounds", "unchanged"],
)
begins_with_all = slip(
    "find_ticket",
    "it begins each round with all weights: what was removed still has its part in the first step",
    swaps=[
        ("w = np.where(mask, initial, 0.0)", "w = initial"),
        (
            "w - lr * mask * (X.T @ (X @ w - y)) / len(y)",
            "(w - lr * (X.T @ (X @ w - y)) / len(y)) * mask",
        ),
    ],
    loses=["rounds"],
)
keeps_the_fraction = slip(
    "find_ticket",
    "it keeps the fraction that it should remove",
    swap=("round(fraction * len(left))", "len(left) - max(1, round(fraction * len(left)))"),
    loses=["rounds", "counts"],
)
halves_up = slip(
    "find_ticket",
    "it rounds halves up; Python's round takes the even number",
    swap=("round(fraction * len(left))", "int(fraction * len(left) + 0.5)"),
    loses=["counts"],
)
threshold_of_none = slip(
    "find_ticket",
    "where no weight is to be removed it removes all: its threshold is sizes[-1], the largest",
    swap=(
        "mask[left[np.argsort(np.abs(w[left]))[:gone]]] = False",
        "mask = mask & (np.abs(w) > np.sort(np.abs(w[left]))[gone - 1])",
    ),
    loses=["counts"],
)


# --- reinitialised


@alternative("reinitialised")
def next_seed(initial, mask, seed):
    rng = np.random.RandomState(seed + 1)
    control = {}
    for name in initial:
        control[name] = np.zeros(initial[name].shape)
        if initial[name].ndim == 2:
            b = initial[name].shape[1] ** -0.5
            control[name][...] = 2 * b * rng.random_sample(initial[name].shape) - b
        if name in mask:
            control[name][~mask[name]] = 0
    return control


@alternative("reinitialised")
def plain_python(initial, mask, seed):
    import random

    rng = random.Random(f"control of {seed}")
    control = {}
    for name, old in initial.items():
        if old.ndim == 1:
            control[name] = [0] * len(old)
            continue
        rows, inputs = old.shape
        b = 1 / inputs**0.5
        kept = mask[name].tolist() if name in mask else [[True] * inputs] * rows
        control[name] = [[rng.uniform(-b, b) if k else 0.0 for k in row] for row in kept]
    return control


@alternative("reinitialised")
def in_single_precision(initial, mask, seed):
    streams = np.random.SeedSequence(seed).spawn(len(initial))
    control = {}
    for (name, old), stream in zip(initial.items(), streams, strict=True):
        b = 0 if old.ndim == 1 else 1 / np.sqrt(old.shape[-1])
        draws = np.random.default_rng(stream).random(old.shape, dtype=np.float32)
        control[name] = np.float32(b) * (2 * draws - 1) * mask.get(name, True)
    return control


@mutant(
    "reinitialised",
    "it draws from the ticket's own seed, and so gets the ticket's own values",
    loses=["fresh", "law", "outside", "strangers"],
)
def same_seed(initial, mask, seed):
    rng = np.random.default_rng(seed)
    control = {}
    for name, old in initial.items():
        control[name] = np.zeros(old.shape)
        if old.ndim == 2:
            b = 1 / np.sqrt(old.shape[1])
            control[name] = rng.uniform(-b, b, old.shape) * mask.get(name, 1)
    return control


a_multiple_of_the_seed = slip(
    "reinitialised",
    "for seed 0 its generator is the ticket's own",
    swap=("np.random.default_rng([seed, 1])", "np.random.default_rng(1000 * seed)"),
    loses=["fresh"],
)


@mutant(
    "reinitialised",
    "it draws for the kept places only, from the ticket's seed: the ticket's values, moved along",
    loses=["fresh", "strangers"],
)
def same_seed_moved(initial, mask, seed):
    rng = np.random.default_rng(seed)
    control = {}
    for name, old in initial.items():
        b = 1 / np.sqrt(old.shape[1]) if old.ndim == 2 else 0.0
        if name in mask:
            control[name] = np.zeros(old.shape)
            control[name][mask[name]] = rng.uniform(-b, b, mask[name].sum())
        else:
            control[name] = np.random.default_rng([seed, 1]).uniform(-b, b, old.shape)
    return control


dealt_again = slip(
    "reinitialised",
    "it deals the ticket's values out at other places instead of drawing new ones",
    swap=("rng.uniform(-b, b, old.shape)", "rng.permutation(old.ravel()).reshape(old.shape)"),
    loses=["fresh", "strangers"],
)
masked_layers_only = slip(
    "reinitialised",
    "it leaves a layer that the mask does not name at the ticket's values",
    swap=(
        "rng.uniform(-b, b, old.shape) * mask.get(name, 1)",
        "rng.uniform(-b, b, old.shape) * mask[name] if name in mask else old.copy()",
    ),
    loses=["outside"],
)
biases_drawn = slip(
    "reinitialised",
    "it draws biases too; the law has them begin at 0",
    swap=("1 / np.sqrt(old.shape[1]) if old.ndim == 2 else 0.0", "1 / np.sqrt(old.shape[-1])"),
    loses=["outside"],
)
dense = slip(
    "reinitialised",
    "it draws fresh values and forgets the mask: that is a dense network",
    swap=(" * mask.get(name, 1)", ""),
    loses=["zeros"],
)
by_outputs = slip(
    "reinitialised",
    "it takes the bound from the outputs of a layer, not from its inputs",
    swap=("old.shape[1]", "old.shape[0]"),
    loses=["law"],
)
by_kept_inputs = slip(
    "reinitialised",
    "it takes the bound from the inputs that are kept, so the control begins with larger values",
    swap=("np.sqrt(old.shape[1])", "np.sqrt(old.shape[1] * np.mean(mask.get(name, 1)))"),
    loses=["law"],
)
positive = slip(
    "reinitialised",
    "it draws positive values only",
    swap=("rng.uniform(-b, b, old.shape)", "b * rng.random(old.shape)"),
    loses=["law"],
)
noise_on_top = slip(
    "reinitialised",
    "it adds noise to the ticket's values, which shine through",
    swap=(
        "rng.uniform(-b, b, old.shape)",
        "np.clip(old + rng.uniform(-b, b, old.shape) / 2, -b, b)",
    ),
    loses=["law"],
)
one_control_for_all = slip(
    "reinitialised",
    "its seed is fixed: all networks of a study get the same control",
    swap=("np.random.default_rng([seed, 1])", "np.random.default_rng(2**20 + 7)"),
    loses=["strangers"],
)
same_in_every_layer = slip(
    "reinitialised",
    "it makes the generator anew for every layer, and all layers get the same numbers",
    swap=("rng.uniform", "np.random.default_rng([seed, 1]).uniform"),
    loses=["strangers"],
)


@mutant(
    "reinitialised",
    "it draws one row and gives it to all outputs: the weights of a layer are not independent",
    loses=["law"],
)
def one_row_for_all(initial, mask, seed):
    rng = np.random.default_rng([seed, 1])
    control = {}
    for name, old in initial.items():
        control[name] = np.zeros(old.shape)
        if old.ndim == 2:
            b = 1 / np.sqrt(old.shape[1])
            control[name] += rng.uniform(-b, b, old.shape[1]) * mask.get(name, 1)
    return control


over_the_ticket = slip(
    "reinitialised",
    "it writes over the ticket's own network",
    swaps=[("fresh = {}", "fresh = initial"), ("fresh[name] = rng", "fresh[name][...] = rng")],
    loses=["unchanged"],
)


# --- shuffled


@alternative("shuffled")
def by_choosing_places(masks, t, seed):
    rng = np.random.default_rng([7, seed])
    control = {}
    for name, kept in masks[t].items():
        new = np.zeros(kept.size, dtype=bool)
        new[rng.choice(kept.size, int(kept.sum()), replace=False)] = True
        control[name] = new.reshape(kept.shape)
    return control


@alternative("shuffled")
def by_sorting_noise(masks, t, seed):
    rng = np.random.RandomState(seed)
    control = {}
    for name, kept in masks[t].items():
        noise = rng.rand(*kept.shape)
        control[name] = noise < np.append(np.sort(noise.ravel()), 2)[kept.sum()]
    return control


@alternative("shuffled")
def by_cards(masks, t, seed):
    import random

    rng = random.Random(seed)
    control = {}
    for name, kept in masks[t].items():
        cards = kept.astype(int).flatten().tolist()
        rng.shuffle(cards)
        columns = kept.shape[1]
        control[name] = [cards[i : i + columns] for i in range(0, len(cards), columns)]
    return control


@mutant(
    "shuffled",
    "it shuffles across layers: the total stays, the count of each layer does not",
    loses=["counts", "round"],
)
def across_layers(masks, t, seed):
    rng = np.random.default_rng(seed)
    pool = rng.permutation(np.concatenate([kept.ravel() for kept in masks[t].values()]))
    control = {}
    for name, kept in masks[t].items():
        control[name], pool = pool[: kept.size].reshape(kept.shape), pool[kept.size :]
    return control


coins = slip(
    "shuffled",
    "it tosses a coin for every place: the count is right on average only",
    swap=(
        "rng.permutation(kept.ravel()).reshape(kept.shape)",
        "rng.random(kept.shape) < kept.mean()",
    ),
    loses=["counts", "round"],
)


@mutant(
    "shuffled",
    "it draws places with replacement: some come twice, and fewer are kept",
    loses=["counts", "round"],
)
def with_replacement(masks, t, seed):
    rng = np.random.default_rng(seed)
    control = {}
    for name, kept in masks[t].items():
        new = np.zeros(kept.size, dtype=bool)
        new[rng.integers(0, kept.size, kept.sum())] = True
        control[name] = new.reshape(kept.shape)
    return control


last_round = slip(
    "shuffled",
    "it takes the mask of the last round, whichever was asked for",
    swap=("masks[t]", "masks[-1]"),
    loses=["round"],
)
round_before = slip(
    "shuffled",
    "it takes the mask of the round before, from which the ticket was still to be cut",
    swap=("masks[t]", "masks[t - 1]"),
    loses=["counts", "spread", "round"],
)
whole_rows = slip(
    "shuffled",
    "it shuffles whole rows, so every column keeps its count",
    swap=("rng.permutation(kept.ravel()).reshape(kept.shape)", "rng.permutation(kept)"),
    loses=["spread"],
)
within_rows = slip(
    "shuffled",
    "it shuffles within each row, so every row keeps its count",
    swap=("rng.permutation(kept.ravel()).reshape(kept.shape)", "rng.permuted(kept, axis=1)"),
    loses=["spread"],
)
rows_and_columns = slip(
    "shuffled",
    "it permutes rows and columns: what stood in one row or column stays together",
    swap=(
        "rng.permutation(kept.ravel()).reshape(kept.shape)",
        "kept[rng.permutation(len(kept))][:, rng.permutation(kept.shape[1])]",
    ),
    loses=["spread"],
)


@mutant(
    "shuffled",
    "it chooses among the places that the round before had left, not among all",
    loses=["spread"],
)
def among_those_left(masks, t, seed):
    rng = np.random.default_rng(seed)
    control = {}
    for name, kept in masks[t].items():
        new = np.zeros(kept.size, dtype=bool)
        places = np.flatnonzero(masks[t - 1][name])
        new[rng.choice(places, kept.sum(), replace=False)] = True
        control[name] = new.reshape(kept.shape)
    return control


@mutant(
    "shuffled",
    "it deals the count out evenly over the rows; by chance some would get more",
    loses=["spread"],
)
def evenly_over_rows(masks, t, seed):
    rng = np.random.default_rng(seed)
    control = {}
    for name, kept in masks[t].items():
        rows, columns = kept.shape
        each = np.full(rows, kept.sum() // rows)
        each[rng.permutation(rows)[: kept.sum() % rows]] += 1
        control[name] = np.array([rng.permutation(columns) < n for n in each])
    return control


fixed_seed = slip(
    "shuffled",
    "its seed is fixed: every run gets the same places",
    swap=("default_rng(seed)", "default_rng(0)"),
    loses=["twins"],
)
same_places_in_every_layer = slip(
    "shuffled",
    "it makes the generator anew for every layer: layers of one shape get the same places",
    swap=("rng.permutation", "np.random.default_rng(seed).permutation"),
    loses=["twins"],
)


@mutant("shuffled", "it shuffles the ticket's own mask", loses=["unchanged"])
def own_mask(masks, t, seed):
    rng = np.random.default_rng(seed)
    for kept in masks[t].values():
        kept[...] = rng.permutation(kept.ravel()).reshape(kept.shape)
    return masks[t]


# --- ledger


@alternative("ledger")
def by_counting_up(weights, fraction, rounds, steps, batch, skips_zeros):
    left, worked = weights, [weights]
    for _ in range(rounds):
        left -= round(fraction * left)
        worked.append(left if skips_zeros else weights)
    search = 6 * steps * batch * sum(worked)
    later, dense = (6 * steps * batch * w for w in (worked[-1], weights))
    n = 0
    while later < dense and search + n * later > n * dense:
        n += 1
    return search, later, n if later < dense else float("inf")


@alternative("ledger")
def by_floats(weights, fraction, rounds, steps, batch, skips_zeros):
    kept = np.full(rounds + 1, float(weights))
    for i in range(rounds):
        kept[i + 1] = kept[i] - round(fraction * kept[i])
    cost = 6.0 * steps * batch * (kept if skips_zeros else kept[0] * np.ones(rounds + 1))
    saved = cost[0] - cost[-1]
    after = np.ceil(cost.sum() / saved - 1e-9) if saved > 0 else np.inf
    return cost.sum(), cost[-1], after


one_training_short = slip(
    "ledger",
    "it counts as many trainings as cuts; the one that shows that the ticket wins is missing",
    swap=("sum(trainings)", "sum(trainings[:-1])"),
    loses=["mask", "sparse", "after", "exact", "never"],
)
masks_are_cheap = slip(
    "ledger",
    "it believes that a mask makes training cheap: software multiplies by zeros too",
    swap=("left if skips_zeros else [weights] * len(left)", "left"),
    loses=["mask", "later", "never"],
)
dense_search = slip(
    "ledger",
    "it counts every training of the search at the dense price, even where zeros are skipped",
    swap=("sum(trainings)", "len(trainings) * dense"),
    loses=["sparse", "after", "exact", "never"],
)
cheap_search = slip(
    "ledger",
    "it counts the whole search at the price of the last ticket",
    swap=("sum(trainings)", "len(trainings) * later"),
    loses=["sparse", "after", "exact", "never"],
)
dense_for_nothing = slip(
    "ledger",
    "it leaves out the first training, as if the dense network had come for nothing",
    swap=("sum(trainings)", "sum(trainings[1:])"),
    loses=["mask", "sparse", "after", "exact", "never"],
)
forward_only = slip(
    "ledger",
    "it counts the way forward and forgets the way back",
    swap=("6 * steps", "2 * steps"),
    loses=["mask", "sparse", "later"],
)
forgets_the_later_cost = slip(
    "ledger",
    "it divides the search by the cost of a dense training: what is saved is the difference",
    swap=("-(-search // saved)", "-(-search // dense)"),
    loses=["after", "exact", "never"],
)
not_yet = slip(
    "ledger",
    "it rounds down: the search has not paid yet",
    swap=("-(-search // saved)", "search // saved"),
    loses=["after", "never"],
)
to_the_nearest = slip(
    "ledger",
    "it rounds to the nearest number of trainings, which may be one too early",
    swap=("-(-search // saved)", "round(search / saved)"),
    loses=["after", "never"],
)
one_more = slip(
    "ledger",
    "it waits for one training more where the bills are equal",
    swap=("-(-search // saved)", "search // saved + 1"),
    loses=["exact"],
)
always_in_the_end = slip(
    "ledger",
    "where the search never pays it returns a number as if it did",
    swap=("-(-search // saved) if saved else np.inf", "-(-search // max(saved, 1))"),
    loses=["never"],
)
of_the_original_network = slip(
    "ledger",
    "it removes the fraction of the original network in every round",
    swap=("left[-1] - round(fraction * left[-1])", "max(left[-1] - round(fraction * weights), 0)"),
    loses=["sparse", "later", "after", "never"],
)
cuts_halves_up = slip(
    "ledger",
    "it rounds halves up; Python's round takes the even number",
    swap=("round(fraction * left[-1])", "int(fraction * left[-1] + 0.5)"),
    loses=["later"],
)
rounds_what_is_kept = slip(
    "ledger",
    "it rounds what is kept, not what is removed",
    swap=("left[-1] - round(fraction * left[-1])", "round((1 - fraction) * left[-1])"),
    loses=["later"],
)
