"""Wrong versions of assignment 15, each a misconception; and right ones, written differently.

Each message completes "This looks like a known slip: ..." and is read by a student whose answers
are those of the mutant in every case.
"""

import numpy as np

from course_lib.grading import alternative, mutant, slip

# --- recipe


@alternative("recipe")
def many_small_cuts(X, y, seed):
    layers = start([X.shape[1], 64, len(set(y.tolist()))], seed)  # noqa: F821
    masks = [np.ones(W.shape, dtype=bool) for W, _ in layers]
    left, budget = sum(W.size for W, _ in layers), sum(W.size for W, _ in layers) // 10
    layers = train(layers, X, y, 60, masks)  # noqa: F821
    while left > budget:
        left = max(int(0.75 * left), budget)
        order = sorted(
            (-abs(W[i, j]), number, i, j)
            for number, (W, _) in enumerate(layers)
            for i, j in zip(*np.nonzero(masks[number]), strict=True)
        )
        for _, number, i, j in order[left:]:
            masks[number][i, j] = False
        layers = train(layers, X, y, 60, masks)  # noqa: F821
    return [[W.tolist(), b.tolist()] for W, b in layers]


@alternative("recipe")
def in_torch_by_layer(X, y, seed):
    import torch

    chance = torch.Generator().manual_seed(seed)
    d, classes = X.shape[1], int(y.max()) + 1
    p = []
    for inputs, outputs in ((d, 64), (64, classes)):
        W = torch.rand(outputs, inputs, generator=chance, dtype=torch.float64) * 2 - 1
        p += [W * (3 / inputs) ** 0.5, torch.zeros(outputs, dtype=torch.float64)]
    p = [values.requires_grad_() for values in p]
    X, y = torch.tensor(X, dtype=torch.float64), torch.tensor(y)
    masks = [torch.ones_like(p[0]), torch.ones_like(p[2])]
    for share in (1.0, 0.55, 0.3, 0.17, 0.099):
        for mask, W in zip(masks, (p[0], p[2]), strict=True):
            k = int(share * W.numel())
            mask.zero_().view(-1)[W.detach().abs().flatten().topk(k).indices] = 1
        optimiser = torch.optim.Adam(p, lr=0.02)
        for _ in range(100):
            h = torch.relu(X @ (p[0] * masks[0]).T + p[1])
            logits = h @ (p[2] * masks[1]).T + p[3]
            optimiser.zero_grad()
            torch.nn.functional.cross_entropy(logits, y).backward()
            optimiser.step()
        with torch.no_grad():
            p[0] *= masks[0]
            p[2] *= masks[1]
    return [(p[0].detach(), p[1].detach()), (p[2].detach(), p[3].detach())]


@mutant(
    "recipe",
    "it cuts to a tenth after the last training: what is left has never been trained together",
    loses=["accuracy", "others"],
)
def cut_and_stop(X, y, seed):
    layers = train(start([X.shape[1], 64, int(y.max()) + 1], seed), X, y, 120)  # noqa: F821
    sizes = np.concatenate([np.abs(W).ravel() for W, _ in layers])
    least = np.sort(sizes)[-int(0.1 * len(sizes))]
    return [(W * (np.abs(W) >= least), b) for W, b in layers]


@mutant(
    "recipe",
    "it trains on after the last cut without the mask, and the pruned weights come back",
    loses=["density", "accuracy", "others"],
)
def mask_forgotten(X, y, seed):
    layers = train(start([X.shape[1], 64, int(y.max()) + 1], seed), X, y, 60)  # noqa: F821
    for density in (0.5, 0.2, 0.1):
        sizes = np.concatenate([np.abs(W).ravel() for W, _ in layers])
        least = np.sort(sizes)[-int(density * len(sizes))]
        layers = [(W * (np.abs(W) >= least), b) for W, b in layers]
        layers = train(layers, X, y, 60)  # noqa: F821
    return layers


@mutant(
    "recipe",
    "it prunes the first layer to a tenth and leaves the second whole, which is a tenth of neither",
    loses=["density", "accuracy", "others"],
)
def second_layer_spared(X, y, seed):
    layers = train(start([X.shape[1], 64, int(y.max()) + 1], seed), X, y, 60)  # noqa: F821
    for density in (0.5, 0.3, 0.17, 0.1):
        W, V = layers[0][0], layers[1][0]
        least = np.sort(np.abs(W).ravel())[-int(density * W.size)]
        masks = [np.abs(W) >= least, np.ones(V.shape, dtype=bool)]
        layers = train(layers, X, y, 60, masks)  # noqa: F821
    return layers


@mutant(
    "recipe", "it keeps the smallest weights and removes the largest", loses=["accuracy", "others"]
)
def smallest_kept(X, y, seed):
    layers = train(start([X.shape[1], 64, int(y.max()) + 1], seed), X, y, 60)  # noqa: F821
    sizes = np.concatenate([np.abs(W).ravel() for W, _ in layers])
    most = np.sort(sizes)[int(0.1 * len(sizes)) - 1]
    return train(layers, X, y, 60, [np.abs(W) <= most for W, _ in layers])  # noqa: F821


turned = slip(
    "recipe",
    "its weights have the shape (inputs, outputs)",
    swap=("return layers", "return [(W.T, b) for W, b in layers]"),
    loses=["shape", "accuracy", "others"],
)
seed_ignored = slip(
    "recipe",
    "it begins at the same values whatever the seed",
    swap=("+ 1], seed)", "+ 1], 0)"),
    loses=["seed"],
)
four_classes = slip(
    "recipe",
    "it takes four classes for granted",
    swap=("int(np.max(y)) + 1", "4"),
    loses=["others"],
)


# --- stored_bytes


@alternative("stored_bytes")
def way_by_way(layers):
    def dense(W):
        return np.asarray(W).astype(np.float32).nbytes

    def rows(W):
        wide = np.uint16 if np.shape(W)[1] <= 1 << 16 else np.uint32
        at = np.nonzero(W)
        pointers = np.zeros(len(W) + 1, np.uint32)
        return np.zeros(len(at[0]), np.float32).nbytes + at[1].astype(wide).nbytes + pointers.nbytes

    def bits(W):
        return np.packbits(np.asarray(W) != 0).nbytes + 4 * np.count_nonzero(W)

    return sum(min(dense(W), rows(W), bits(W)) + 4 * np.size(b) for W, b in layers)


@alternative("stored_bytes")
def counted_entry_by_entry(layers):
    total = 0
    for W, b in layers:
        dense, rows, bits = 0, 4, 0
        for row in np.asarray(W).tolist():
            rows += 4
            for entry in row:
                dense += 32
                bits += 1
                if entry:
                    rows += 6 if len(row) <= 65536 else 8
                    bits += 32
        total += min(dense // 8, rows, (bits + 7) // 8) + sum(4 for _ in b)
    return float(total)


@mutant(
    "stored_bytes",
    "it counts the values that are kept and nothing that says where they belong",
    loses=["bits", "rows", "wide", "layers"],
)
def values_alone(layers):
    return sum(4 * int(np.count_nonzero(W)) + 4 * len(b) for W, b in layers)


without_pointers = slip(
    "stored_bytes",
    "it has no pointers",
    swap=("(4 + index) * kept + 4 * (rows + 1)", "(4 + index) * kept"),
    loses=["rows", "wide", "layers"],
)
one_pointer_short = slip(
    "stored_bytes",
    "it has a pointer for each row, and none for the end",
    swap=("4 * (rows + 1)", "4 * rows"),
    loses=["rows", "wide", "layers"],
)
bytes_for_bits = slip(
    "stored_bytes",
    "its bit mask takes a byte for each entry",
    swap=("-(-rows * columns // 8)", "rows * columns"),
    loses=["bits", "layers"],
)
bits_rounded_down = slip(
    "stored_bytes",
    "it drops the last bits, which need a byte too",
    swap=("-(-rows * columns // 8)", "rows * columns // 8"),
    loses=["bits", "layers"],
)
narrow_columns = slip(
    "stored_bytes",
    "its columns always have two bytes",
    swap=("2 if columns <= 65536 else 4", "2"),
    loses=["wide"],
)


@mutant("stored_bytes", "it chooses one way for all layers", loses=["layers"])
def one_way_for_all(layers):
    sums = np.zeros(3, dtype=int)
    for W, b in layers:
        kept, index = int(np.count_nonzero(W)), 2 if W.shape[1] <= 65536 else 4
        ways = [4 * W.size, (4 + index) * kept + 4 * (len(W) + 1), 4 * kept + -(-W.size // 8)]
        sums += np.array(ways) + 4 * len(b)
    return int(sums.min())


without_biases = slip(
    "stored_bytes",
    "it forgets the biases",
    swap=("4 * len(b) + min(", "min("),
    loses=["bits", "rows", "dense", "wide", "layers"],
)


# --- group_shares


@alternative("group_shares")
def by_the_quadratic(right, group, z):
    # The limits are where (p - q)^2 = z^2 q (1 - q) / n.
    rows = []
    for g in range(group.max() + 1):
        n = int((group == g).sum())
        p = float(right[group == g].sum()) / n
        a, b, c = 1 + z * z / n, -(2 * p + z * z / n), p * p
        root = max(b * b - 4 * a * c, 0.0) ** 0.5
        rows.append([p, (-b - root) / (2 * a), (-b + root) / (2 * a)])
    rows = np.array(rows)
    return rows, np.ptp(rows[:, 0])


@alternative("group_shares")
def by_counting(right, group, z):
    members = np.bincount(group)
    hits = np.bincount(group, weights=right)
    middle = (hits + z**2 / 2) / (members + z**2)
    half = z / (members + z**2) * np.sqrt(hits * (members - hits) / members + z**2 / 4)
    shares = hits / members
    return np.stack([shares, middle - half, middle + half], axis=1), shares.max() - shares.min()


about_the_share = slip(
    "group_shares",
    "its limits are p and about it z standard errors, which are 0 where all are right",
    swaps=[
        ("p * (1 - p) / n + z**2 / (4 * n**2)", "p * (1 - p) / n"),
        (
            "(centre - half) / (1 + z**2 / n), (centre + half) / (1 + z**2 / n)",
            "p - half, p + half",
        ),
    ],
    loses=["limits", "extreme"],
)
sure_as_all = slip(
    "group_shares",
    "it takes the number of all examples for the number of the group's",
    swap=("len(own)", "len(right)"),
    loses=["limits", "extreme"],
)
share_of_all = slip(
    "group_shares",
    "it divides a group's right answers by the number of all examples",
    swap=("own.mean()", "own.sum() / len(right)"),
    loses=["shares", "limits", "extreme", "gap"],
)
not_divided = slip(
    "group_shares",
    "it does not divide by 1 + z^2/n",
    swap=(
        "(centre - half) / (1 + z**2 / n), (centre + half) / (1 + z**2 / n)",
        "centre - half, centre + half",
    ),
    loses=["limits", "extreme"],
)
first_and_last = slip(
    "group_shares",
    "its gap is that of the first and the last group",
    swap=("max(shares) - min(shares)", "abs(shares[0] - shares[-1])"),
    loses=["gap"],
)
room_between = slip(
    "group_shares",
    "its gap is the room between two intervals, and not the difference of two shares",
    swap=(
        "max(shares) - min(shares)",
        "max(max(row[1] for row in rows) - min(row[2] for row in rows), 0.0)",
    ),
    loses=["gap"],
)


# --- verdict


@alternative("verdict")
def with_plain_numbers(dense, pruned, t, margin):
    x = [b - a for a, b in zip(dense.tolist(), pruned.tolist(), strict=True)]
    n, mean = len(x), sum(x) / len(x)
    half = t * (sum((v - mean) ** 2 for v in x) / (n - 1) / n) ** 0.5
    for word, holds in {
        "better": mean - half > 0,
        "good enough": mean - half > -margin,
        "worse": mean + half < -margin,
    }.items():
        if holds:
            return word
    return "open"


@alternative("verdict")
def by_scores(dense, pruned, t, margin):
    n = len(dense)
    C = np.cov(dense, pruned)
    error = np.sqrt(max(C[0, 0] + C[1, 1] - 2 * C[0, 1], 0) / n)
    about = (np.mean(pruned) - np.mean(dense) + np.array([0, margin])) / error
    if about[0] > t:
        return "better"
    if about[1] > t:
        return "good enough"
    return "worse" if about[1] < -t else "open"


no_difference_seen = slip(
    "verdict",
    "it takes a difference that was not seen for one that is not there, and asks for no margin",
    swaps=[("low > -margin", "high > 0"), ('"worse" if high < -margin else "open"', '"worse"')],
    loses=["enough", "open", "paired"],
)


@mutant("verdict", "it looks at the mean alone", loses=["enough", "open", "paired"])
def mean_alone(dense, pruned, t, margin):
    mean = (pruned - dense).mean()
    return "better" if mean > 0 else "good enough" if mean > -margin else "worse"


any_loss_is_worse = slip(
    "verdict",
    "it says worse of any loss, the margin notwithstanding",
    swap=("high < -margin", "high < 0"),
    loses=["open"],
)
unpaired = slip(
    "verdict",
    "it adds up the scatter of the two lists, as if they came from different seeds",
    swap=(
        "change.std(ddof=1) / np.sqrt(len(change))",
        "np.sqrt((pruned.var(ddof=1) + dense.var(ddof=1)) / len(dense))",
    ),
    loses=["paired"],
)
limits_of_one_seed = slip(
    "verdict",
    "it forgets the square root of n: these are limits for one seed, not for the mean",
    swap=("t * change.std(ddof=1) / np.sqrt(len(change))", "t * change.std(ddof=1)"),
    loses=["better", "enough", "worse", "paired"],
)
wrong_way_round = slip(
    "verdict",
    "it takes dense minus pruned",
    swap=("np.asarray(pruned) - dense", "np.asarray(dense) - pruned"),
    loses=["better", "enough", "worse", "open", "paired"],
)
