"""Wrong versions of assignment 05, each a misconception; and right ones, written differently.

Each message completes "This looks like a known slip: ..." and is read by a student whose answers
are those of the mutant in every case.
"""

import numpy as np

from course_lib.grading import alternative, mutant

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


@mutant(
    "rewind",
    "it keeps the trained values: that is pruning without rewinding",
    loses=["start", "later", "rest"],
)
def trained(history, mask, rewind_step):
    return {name: w * mask.get(name, 1) for name, w in history[max(history)].items()}


@mutant("rewind", "it goes back to step 0, whatever the rewind step is", loses=["later", "rest"])
def always_to_the_start(history, mask, rewind_step):
    return {name: w * mask.get(name, 1) for name, w in history[0].items()}


@mutant("rewind", "it rewinds and forgets the mask", loses=["start", "later"])
def unmasked(history, mask, rewind_step):
    return {name: w.copy() for name, w in history[rewind_step].items()}


@mutant(
    "rewind", "it keeps what the mask removes and removes what it keeps", loses=["start", "later"]
)
def inside_out(history, mask, rewind_step):
    return {
        name: np.where(mask[name], 0, w) if name in mask else w.copy()
        for name, w in history[rewind_step].items()
    }


@mutant(
    "rewind",
    "it masks what the mask does not name: biases and whole layers are 0",
    loses=["rest"],
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


@mutant("rewind", "it returns the pruned weights alone, without the rest", loses=["rest"])
def pruned_alone(history, mask, rewind_step):
    return {name: history[rewind_step][name] * kept for name, kept in mask.items()}


@mutant("rewind", "it sets weights of the history itself to 0", loses=["unchanged", "own"])
def into_the_history(history, mask, rewind_step):
    ticket = history[rewind_step]
    for name, kept in mask.items():
        ticket[name][~kept] = 0
    return ticket


@mutant(
    "rewind",
    "it hands out arrays of the history for biases and other layers: training overwrites them",
    loses=["own"],
)
def lent(history, mask, rewind_step):
    ticket = dict(history[rewind_step])
    for name, kept in mask.items():
        ticket[name] = np.where(kept, ticket[name], 0)
    return ticket


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


@mutant(
    "find_ticket",
    "it scores the initial values instead of the trained ones: that is pruning at initialisation",
    loses=["mask", "values", "rounds", "counts"],
)
def scores_the_start(X, y, initial, fraction, rounds, steps, lr):
    mask = np.ones(len(initial), dtype=bool)
    for _ in range(rounds):
        left = np.flatnonzero(mask)
        gone = round(fraction * len(left))
        mask[left[np.argsort(np.abs(initial[left]))[:gone]]] = False
    return mask, np.where(mask, initial, 0.0)


@mutant("find_ticket", "it goes on from the trained values in every round", loses=["rounds"])
def goes_on(X, y, initial, fraction, rounds, steps, lr):
    mask, w = np.ones(len(initial), dtype=bool), initial
    for _ in range(rounds):
        w = np.where(mask, w, 0.0)
        for _ in range(steps):
            w = w - lr * mask * (X.T @ (X @ w - y)) / len(y)
        left = np.flatnonzero(mask)
        gone = round(fraction * len(left))
        mask[left[np.argsort(np.abs(w[left]))[:gone]]] = False
    return mask, np.where(mask, initial, 0.0)


@mutant("find_ticket", "it returns the trained values, not those to begin with", loses=["values"])
def returns_the_trained(X, y, initial, fraction, rounds, steps, lr):
    mask = np.ones(len(initial), dtype=bool)
    for _ in range(rounds):
        w = np.where(mask, initial, 0.0)
        for _ in range(steps):
            w = w - lr * mask * (X.T @ (X @ w - y)) / len(y)
        left = np.flatnonzero(mask)
        gone = round(fraction * len(left))
        mask[left[np.argsort(np.abs(w[left]))[:gone]]] = False
    return mask, np.where(mask, w, 0.0)


@mutant("find_ticket", "it returns all the initial values, unmasked", loses=["values"])
def returns_all_values(X, y, initial, fraction, rounds, steps, lr):
    mask = np.ones(len(initial), dtype=bool)
    for _ in range(rounds):
        w = np.where(mask, initial, 0.0)
        for _ in range(steps):
            w = w - lr * mask * (X.T @ (X @ w - y)) / len(y)
        left = np.flatnonzero(mask)
        gone = round(fraction * len(left))
        mask[left[np.argsort(np.abs(w[left]))[:gone]]] = False
    return mask, initial.copy()


@mutant(
    "find_ticket",
    "it returns the mask that the last training had, not the one that was cut from it",
    loses=["mask", "values", "rounds", "counts"],
)
def mask_of_the_round_before(X, y, initial, fraction, rounds, steps, lr):
    mask = np.ones(len(initial), dtype=bool)
    for _ in range(rounds):
        before = mask.copy()
        w = np.where(mask, initial, 0.0)
        for _ in range(steps):
            w = w - lr * mask * (X.T @ (X @ w - y)) / len(y)
        left = np.flatnonzero(mask)
        gone = round(fraction * len(left))
        mask[left[np.argsort(np.abs(w[left]))[:gone]]] = False
    return before, np.where(before, initial, 0.0)


@mutant(
    "find_ticket",
    "it masks the values before training and lets the steps revive what was removed",
    loses=["rounds"],
)
def revives(X, y, initial, fraction, rounds, steps, lr):
    mask = np.ones(len(initial), dtype=bool)
    for _ in range(rounds):
        w = np.where(mask, initial, 0.0)
        for _ in range(steps):
            w = w - lr * (X.T @ (X @ w - y)) / len(y)
        left = np.flatnonzero(mask)
        gone = round(fraction * len(left))
        mask[left[np.argsort(np.abs(w[left]))[:gone]]] = False
    return mask, np.where(mask, initial, 0.0)


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


@mutant(
    "find_ticket",
    "it removes the lowest values, signs and all",
    loses=["mask", "values", "rounds", "counts"],
)
def lowest(X, y, initial, fraction, rounds, steps, lr):
    mask = np.ones(len(initial), dtype=bool)
    for _ in range(rounds):
        w = np.where(mask, initial, 0.0)
        for _ in range(steps):
            w = w - lr * mask * (X.T @ (X @ w - y)) / len(y)
        left = np.flatnonzero(mask)
        gone = round(fraction * len(left))
        mask[left[np.argsort(w[left])[:gone]]] = False
    return mask, np.where(mask, initial, 0.0)


@mutant("find_ticket", "it takes the fraction of all weights, not of those left", loses=["rounds"])
def of_all(X, y, initial, fraction, rounds, steps, lr):
    mask = np.ones(len(initial), dtype=bool)
    for _ in range(rounds):
        w = np.where(mask, initial, 0.0)
        for _ in range(steps):
            w = w - lr * mask * (X.T @ (X @ w - y)) / len(y)
        left = np.flatnonzero(mask)
        gone = min(round(fraction * len(mask)), len(left) - 1)
        mask[left[np.argsort(np.abs(w[left]))[:gone]]] = False
    return mask, np.where(mask, initial, 0.0)


@mutant(
    "find_ticket",
    "it trains the array of the initial values itself, so there is nothing left to rewind to",
    loses=["values", "rounds", "unchanged"],
)
def overwrites_the_start(X, y, initial, fraction, rounds, steps, lr):
    mask = np.ones(len(initial), dtype=bool)
    for _ in range(rounds):
        w = initial
        w *= mask
        for _ in range(steps):
            w -= lr * mask * (X.T @ (X @ w - y)) / len(y)
        left = np.flatnonzero(mask)
        gone = round(fraction * len(left))
        mask[left[np.argsort(np.abs(w[left]))[:gone]]] = False
    return mask, np.where(mask, initial, 0.0)


@mutant(
    "find_ticket",
    "it begins each round with all weights: what was removed still has its part in the first step",
    loses=["rounds"],
)
def begins_with_all(X, y, initial, fraction, rounds, steps, lr):
    mask = np.ones(len(initial), dtype=bool)
    for _ in range(rounds):
        w = initial
        for _ in range(steps):
            w = (w - lr * (X.T @ (X @ w - y)) / len(y)) * mask
        left = np.flatnonzero(mask)
        gone = round(fraction * len(left))
        mask[left[np.argsort(np.abs(w[left]))[:gone]]] = False
    return mask, np.where(mask, initial, 0.0)


@mutant(
    "find_ticket",
    "it keeps the fraction that it should remove",
    loses=["rounds", "counts"],
)
def keeps_the_fraction(X, y, initial, fraction, rounds, steps, lr):
    mask = np.ones(len(initial), dtype=bool)
    for _ in range(rounds):
        w = np.where(mask, initial, 0.0)
        for _ in range(steps):
            w = w - lr * mask * (X.T @ (X @ w - y)) / len(y)
        left = np.flatnonzero(mask)
        gone = len(left) - max(1, round(fraction * len(left)))
        mask[left[np.argsort(np.abs(w[left]))[:gone]]] = False
    return mask, np.where(mask, initial, 0.0)


@mutant(
    "find_ticket",
    "it rounds halves up; Python's round takes the even number",
    loses=["counts"],
)
def halves_up(X, y, initial, fraction, rounds, steps, lr):
    mask = np.ones(len(initial), dtype=bool)
    for _ in range(rounds):
        w = np.where(mask, initial, 0.0)
        for _ in range(steps):
            w = w - lr * mask * (X.T @ (X @ w - y)) / len(y)
        left = np.flatnonzero(mask)
        gone = int(fraction * len(left) + 0.5)
        mask[left[np.argsort(np.abs(w[left]))[:gone]]] = False
    return mask, np.where(mask, initial, 0.0)


@mutant(
    "find_ticket",
    "where no weight is to be removed it removes all: its threshold is sizes[-1], the largest",
    loses=["counts"],
)
def threshold_of_none(X, y, initial, fraction, rounds, steps, lr):
    mask = np.ones(len(initial), dtype=bool)
    for _ in range(rounds):
        w = np.where(mask, initial, 0.0)
        for _ in range(steps):
            w = w - lr * mask * (X.T @ (X @ w - y)) / len(y)
        left = np.flatnonzero(mask)
        gone = round(fraction * len(left))
        mask = mask & (np.abs(w) > np.sort(np.abs(w[left]))[gone - 1])
    return mask, np.where(mask, initial, 0.0)


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


@mutant(
    "reinitialised",
    "for seed 0 its generator is the ticket's own",
    loses=["fresh"],
)
def a_multiple_of_the_seed(initial, mask, seed):
    rng = np.random.default_rng(1000 * seed)
    control = {}
    for name, old in initial.items():
        b = 1 / np.sqrt(old.shape[1]) if old.ndim == 2 else 0.0
        control[name] = rng.uniform(-b, b, old.shape) * mask.get(name, 1)
    return control


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


@mutant(
    "reinitialised",
    "it deals the ticket's values out at other places instead of drawing new ones",
    loses=["fresh", "strangers"],
)
def dealt_again(initial, mask, seed):
    rng = np.random.default_rng([seed, 1])
    control = {}
    for name, old in initial.items():
        new = rng.permutation(old.ravel()).reshape(old.shape)
        control[name] = new * mask.get(name, 1)
    return control


@mutant(
    "reinitialised",
    "it leaves a layer that the mask does not name at the ticket's values",
    loses=["outside"],
)
def masked_layers_only(initial, mask, seed):
    rng = np.random.default_rng([seed, 1])
    control = {}
    for name, old in initial.items():
        if name in mask:
            b = 1 / np.sqrt(old.shape[1])
            control[name] = rng.uniform(-b, b, old.shape) * mask[name]
        else:
            control[name] = old.copy()
    return control


@mutant("reinitialised", "it draws biases too; the law has them begin at 0", loses=["outside"])
def biases_drawn(initial, mask, seed):
    rng = np.random.default_rng([seed, 1])
    control = {}
    for name, old in initial.items():
        b = 1 / np.sqrt(old.shape[-1])
        control[name] = rng.uniform(-b, b, old.shape) * mask.get(name, 1)
    return control


@mutant(
    "reinitialised",
    "it draws fresh values and forgets the mask: that is a dense network",
    loses=["zeros"],
)
def dense(initial, mask, seed):
    rng = np.random.default_rng([seed, 1])
    control = {}
    for name, old in initial.items():
        b = 1 / np.sqrt(old.shape[1]) if old.ndim == 2 else 0.0
        control[name] = rng.uniform(-b, b, old.shape)
    return control


@mutant(
    "reinitialised",
    "it takes the bound from the outputs of a layer, not from its inputs",
    loses=["law"],
)
def by_outputs(initial, mask, seed):
    rng = np.random.default_rng([seed, 1])
    control = {}
    for name, old in initial.items():
        b = 1 / np.sqrt(old.shape[0]) if old.ndim == 2 else 0.0
        control[name] = rng.uniform(-b, b, old.shape) * mask.get(name, 1)
    return control


@mutant(
    "reinitialised",
    "it takes the bound from the inputs that are kept, so the control begins with larger values",
    loses=["law"],
)
def by_kept_inputs(initial, mask, seed):
    rng = np.random.default_rng([seed, 1])
    control = {}
    for name, old in initial.items():
        b = 0.0
        if old.ndim == 2:
            b = 1 / np.sqrt(old.shape[1] * np.mean(mask.get(name, 1)))
        control[name] = rng.uniform(-b, b, old.shape) * mask.get(name, 1)
    return control


@mutant("reinitialised", "it draws positive values only", loses=["law"])
def positive(initial, mask, seed):
    rng = np.random.default_rng([seed, 1])
    control = {}
    for name, old in initial.items():
        b = 1 / np.sqrt(old.shape[1]) if old.ndim == 2 else 0.0
        control[name] = b * rng.random(old.shape) * mask.get(name, 1)
    return control


@mutant(
    "reinitialised",
    "it adds noise to the ticket's values, which shine through",
    loses=["law"],
)
def noise_on_top(initial, mask, seed):
    rng = np.random.default_rng([seed, 1])
    control = {}
    for name, old in initial.items():
        b = 1 / np.sqrt(old.shape[1]) if old.ndim == 2 else 0.0
        noisy = np.clip(old + rng.uniform(-b, b, old.shape) / 2, -b, b)
        control[name] = noisy * mask.get(name, 1)
    return control


@mutant(
    "reinitialised",
    "its seed is fixed: all networks of a study get the same control",
    loses=["strangers"],
)
def one_control_for_all(initial, mask, seed):
    rng = np.random.default_rng(2**20 + 7)
    control = {}
    for name, old in initial.items():
        b = 1 / np.sqrt(old.shape[1]) if old.ndim == 2 else 0.0
        control[name] = rng.uniform(-b, b, old.shape) * mask.get(name, 1)
    return control


@mutant(
    "reinitialised",
    "it makes the generator anew for every layer, and all layers get the same numbers",
    loses=["strangers"],
)
def same_in_every_layer(initial, mask, seed):
    control = {}
    for name, old in initial.items():
        rng = np.random.default_rng([seed, 1])
        b = 1 / np.sqrt(old.shape[1]) if old.ndim == 2 else 0.0
        control[name] = rng.uniform(-b, b, old.shape) * mask.get(name, 1)
    return control


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


@mutant("reinitialised", "it writes over the ticket's own network", loses=["unchanged"])
def over_the_ticket(initial, mask, seed):
    rng = np.random.default_rng([seed, 1])
    for name, values in initial.items():
        b = 1 / np.sqrt(values.shape[1]) if values.ndim == 2 else 0.0
        values[...] = rng.uniform(-b, b, values.shape) * mask.get(name, 1)
    return initial


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


@mutant(
    "shuffled",
    "it tosses a coin for every place: the count is right on average only",
    loses=["counts", "round"],
)
def coins(masks, t, seed):
    rng = np.random.default_rng(seed)
    return {name: rng.random(k.shape) < k.mean() for name, k in masks[t].items()}


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


@mutant(
    "shuffled",
    "it takes the mask of the last round, whichever was asked for",
    loses=["round"],
)
def last_round(masks, t, seed):
    rng = np.random.default_rng(seed)
    return {n: rng.permutation(k.ravel()).reshape(k.shape) for n, k in masks[-1].items()}


@mutant(
    "shuffled",
    "it takes the mask of the round before, from which the ticket was still to be cut",
    loses=["counts", "spread", "round"],
)
def round_before(masks, t, seed):
    rng = np.random.default_rng(seed)
    return {n: rng.permutation(k.ravel()).reshape(k.shape) for n, k in masks[t - 1].items()}


@mutant(
    "shuffled",
    "it shuffles whole rows, so every column keeps its count",
    loses=["spread"],
)
def whole_rows(masks, t, seed):
    rng = np.random.default_rng(seed)
    return {name: rng.permutation(kept) for name, kept in masks[t].items()}


@mutant(
    "shuffled",
    "it shuffles within each row, so every row keeps its count",
    loses=["spread"],
)
def within_rows(masks, t, seed):
    rng = np.random.default_rng(seed)
    return {name: rng.permuted(kept, axis=1) for name, kept in masks[t].items()}


@mutant(
    "shuffled",
    "it permutes rows and columns: what stood in one row or column stays together",
    loses=["spread"],
)
def rows_and_columns(masks, t, seed):
    rng = np.random.default_rng(seed)
    control = {}
    for name, kept in masks[t].items():
        rows, columns = (rng.permutation(n) for n in kept.shape)
        control[name] = kept[rows][:, columns]
    return control


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


@mutant(
    "shuffled",
    "its seed is fixed: every run gets the same places",
    loses=["twins"],
)
def fixed_seed(masks, t, seed):
    rng = np.random.default_rng(0)
    return {n: rng.permutation(k.ravel()).reshape(k.shape) for n, k in masks[t].items()}


@mutant(
    "shuffled",
    "it makes the generator anew for every layer: layers of one shape get the same places",
    loses=["twins"],
)
def same_places_in_every_layer(masks, t, seed):
    return {
        name: np.random.default_rng(seed).permutation(kept.ravel()).reshape(kept.shape)
        for name, kept in masks[t].items()
    }


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


@mutant(
    "ledger",
    "it counts as many trainings as cuts; the one that shows that the ticket wins is missing",
    loses=["mask", "sparse", "after", "exact", "never"],
)
def one_training_short(weights, fraction, rounds, steps, batch, skips_zeros):
    left = [weights]
    for _ in range(rounds):
        left.append(left[-1] - round(fraction * left[-1]))
    worked = left if skips_zeros else [weights] * len(left)
    *before, later = [6 * steps * batch * w for w in worked]
    search, saved = sum(before), before[0] - later
    return search, later, -(-search // saved) if saved else np.inf


@mutant(
    "ledger",
    "it believes that a mask makes training cheap: software multiplies by zeros too",
    loses=["mask", "later", "never"],
)
def masks_are_cheap(weights, fraction, rounds, steps, batch, skips_zeros):
    left = [weights]
    for _ in range(rounds):
        left.append(left[-1] - round(fraction * left[-1]))
    dense, *_, later = trainings = [6 * steps * batch * w for w in left]
    search, saved = sum(trainings), dense - later
    return search, later, -(-search // saved) if saved else np.inf


@mutant(
    "ledger",
    "it counts every training of the search at the dense price, even where zeros are skipped",
    loses=["sparse", "after", "exact", "never"],
)
def dense_search(weights, fraction, rounds, steps, batch, skips_zeros):
    left = weights
    for _ in range(rounds):
        left -= round(fraction * left)
    dense = 6 * steps * batch * weights
    later = 6 * steps * batch * left if skips_zeros else dense
    search, saved = (rounds + 1) * dense, dense - later
    return search, later, -(-search // saved) if saved else np.inf


@mutant(
    "ledger",
    "it counts the whole search at the price of the last ticket",
    loses=["sparse", "after", "exact", "never"],
)
def cheap_search(weights, fraction, rounds, steps, batch, skips_zeros):
    left = weights
    for _ in range(rounds):
        left -= round(fraction * left)
    dense = 6 * steps * batch * weights
    later = 6 * steps * batch * left if skips_zeros else dense
    search, saved = (rounds + 1) * later, dense - later
    return search, later, -(-search // saved) if saved else np.inf


@mutant(
    "ledger",
    "it leaves out the first training, as if the dense network had come for nothing",
    loses=["mask", "sparse", "after", "exact", "never"],
)
def dense_for_nothing(weights, fraction, rounds, steps, batch, skips_zeros):
    left = [weights]
    for _ in range(rounds):
        left.append(left[-1] - round(fraction * left[-1]))
    worked = left if skips_zeros else [weights] * len(left)
    dense, *others = [6 * steps * batch * w for w in worked]
    search, saved = sum(others), dense - others[-1]
    return search, others[-1], -(-search // saved) if saved else np.inf


@mutant(
    "ledger",
    "it counts the way forward and forgets the way back",
    loses=["mask", "sparse", "later"],
)
def forward_only(weights, fraction, rounds, steps, batch, skips_zeros):
    left = [weights]
    for _ in range(rounds):
        left.append(left[-1] - round(fraction * left[-1]))
    worked = left if skips_zeros else [weights] * len(left)
    dense, *_, later = trainings = [2 * steps * batch * w for w in worked]
    search, saved = sum(trainings), dense - later
    return search, later, -(-search // saved) if saved else np.inf


@mutant(
    "ledger",
    "it divides the search by the cost of a dense training: what is saved is the difference",
    loses=["after", "exact", "never"],
)
def forgets_the_later_cost(weights, fraction, rounds, steps, batch, skips_zeros):
    left = [weights]
    for _ in range(rounds):
        left.append(left[-1] - round(fraction * left[-1]))
    worked = left if skips_zeros else [weights] * len(left)
    dense, *_, later = trainings = [6 * steps * batch * w for w in worked]
    search = sum(trainings)
    return search, later, -(-search // dense) if later < dense else np.inf


@mutant("ledger", "it rounds down: the search has not paid yet", loses=["after", "never"])
def not_yet(weights, fraction, rounds, steps, batch, skips_zeros):
    left = [weights]
    for _ in range(rounds):
        left.append(left[-1] - round(fraction * left[-1]))
    worked = left if skips_zeros else [weights] * len(left)
    dense, *_, later = trainings = [6 * steps * batch * w for w in worked]
    search, saved = sum(trainings), dense - later
    return search, later, search // saved if saved else np.inf


@mutant(
    "ledger",
    "it rounds to the nearest number of trainings, which may be one too early",
    loses=["after", "never"],
)
def to_the_nearest(weights, fraction, rounds, steps, batch, skips_zeros):
    left = [weights]
    for _ in range(rounds):
        left.append(left[-1] - round(fraction * left[-1]))
    worked = left if skips_zeros else [weights] * len(left)
    dense, *_, later = trainings = [6 * steps * batch * w for w in worked]
    search, saved = sum(trainings), dense - later
    return search, later, round(search / saved) if saved else np.inf


@mutant("ledger", "it waits for one training more where the bills are equal", loses=["exact"])
def one_more(weights, fraction, rounds, steps, batch, skips_zeros):
    left = [weights]
    for _ in range(rounds):
        left.append(left[-1] - round(fraction * left[-1]))
    worked = left if skips_zeros else [weights] * len(left)
    dense, *_, later = trainings = [6 * steps * batch * w for w in worked]
    search, saved = sum(trainings), dense - later
    return search, later, search // saved + 1 if saved else np.inf


@mutant(
    "ledger",
    "where the search never pays it returns a number as if it did",
    loses=["never"],
)
def always_in_the_end(weights, fraction, rounds, steps, batch, skips_zeros):
    left = [weights]
    for _ in range(rounds):
        left.append(left[-1] - round(fraction * left[-1]))
    worked = left if skips_zeros else [weights] * len(left)
    dense, *_, later = trainings = [6 * steps * batch * w for w in worked]
    search, saved = sum(trainings), dense - later
    return search, later, -(-search // max(saved, 1))


@mutant(
    "ledger",
    "it removes the fraction of the original network in every round",
    loses=["sparse", "later", "after", "never"],
)
def of_the_original_network(weights, fraction, rounds, steps, batch, skips_zeros):
    left = [weights]
    for _ in range(rounds):
        left.append(max(left[-1] - round(fraction * weights), 0))
    worked = left if skips_zeros else [weights] * len(left)
    dense, *_, later = trainings = [6 * steps * batch * w for w in worked]
    search, saved = sum(trainings), dense - later
    return search, later, -(-search // saved) if saved else np.inf


@mutant("ledger", "it rounds halves up; Python's round takes the even number", loses=["later"])
def cuts_halves_up(weights, fraction, rounds, steps, batch, skips_zeros):
    left = [weights]
    for _ in range(rounds):
        left.append(left[-1] - int(fraction * left[-1] + 0.5))
    worked = left if skips_zeros else [weights] * len(left)
    dense, *_, later = trainings = [6 * steps * batch * w for w in worked]
    search, saved = sum(trainings), dense - later
    return search, later, -(-search // saved) if saved else np.inf


@mutant("ledger", "it rounds what is kept, not what is removed", loses=["later"])
def rounds_what_is_kept(weights, fraction, rounds, steps, batch, skips_zeros):
    left = [weights]
    for _ in range(rounds):
        left.append(round((1 - fraction) * left[-1]))
    worked = left if skips_zeros else [weights] * len(left)
    dense, *_, later = trainings = [6 * steps * batch * w for w in worked]
    search, saved = sum(trainings), dense - later
    return search, later, -(-search // saved) if saved else np.inf
