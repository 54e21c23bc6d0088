"""Wrong versions of assignment 06, each a misconception; and right ones, written differently.

Each message completes "This looks like a known slip: ..." and is read by a student whose answers
are those of the mutant in every case.
"""

import math
import statistics

import numpy as np

from course_lib.grading import alternative, mutant, slip

# --- threshold_odds


@alternative("threshold_odds")
def by_the_bell_curve(N, s, tau, sigma):
    inside = 2 * statistics.NormalDist(0, sigma).cdf(tau) - 1
    return math.prod([1 - inside] * s + [inside] * (N - s))


@alternative("threshold_odds")
def by_an_array(N, s, tau, sigma):
    q = math.erfc(tau / math.sqrt(2 * sigma * sigma))
    return np.prod(np.where(np.arange(N) < s, q, 1 - q))


others_may_pass = slip(
    "threshold_odds",
    "it asks only that the true ones pass, and lets any others pass too",
    swap=("q**s * (1 - q) ** (N - s)", "q**s"),
    loses=["stays", "spread", "edges"],
)
one_tail = slip(
    "threshold_odds",
    "it counts one end of the bell curve; a large negative weight passes as well",
    swap=("math.erfc(tau / (sigma * math.sqrt(2)))", "math.erfc(tau / (sigma * math.sqrt(2))) / 2"),
    loses=["passes", "stays", "spread", "edges"],
)
any_of_that_number = slip(
    "threshold_odds",
    "it counts every set of s weights, true or not",
    swap=("q**s", "math.comb(N, s) * q**s"),
    loses=["stays", "spread"],
)
without_the_spread = slip(
    "threshold_odds",
    "it takes all bell curves for standard ones",
    swap=("sigma * math.sqrt(2)", "math.sqrt(2)"),
    loses=["spread"],
)
by_the_variance = slip(
    "threshold_odds",
    "it divides by the variance instead of the standard deviation",
    swap=("sigma * math.sqrt(2)", "sigma**2 * math.sqrt(2)"),
    loses=["spread"],
)
without_the_root = slip(
    "threshold_odds",
    "it leaves out the root of two",
    swap=("sigma * math.sqrt(2)", "sigma"),
    loses=["passes", "stays", "spread", "edges"],
)
all_stay_behind = slip(
    "threshold_odds",
    "it wants all N to stay behind, the true ones too",
    swap=("(1 - q) ** (N - s)", "(1 - q) ** N"),
    loses=["passes", "stays", "spread", "edges"],
)


# --- best_threshold


@alternative("best_threshold")
def by_halving(N, s, sigma):
    low, high = 0.0, 50.0 * sigma
    for _ in range(200):
        middle = (low + high) / 2
        if math.erfc(middle / (sigma * math.sqrt(2))) > s / N:
            low = middle
        else:
            high = middle
    return low


@alternative("best_threshold")
def by_newton(N, s, sigma):
    x = 0.0
    for _ in range(200):
        slope = math.sqrt(2 / math.pi) * math.exp(-x * x / 2)
        x += (math.erfc(x / math.sqrt(2)) - s / N) / slope
    return sigma * x


whole_share_above = slip(
    "best_threshold",
    "it puts the whole share s/N beyond one end of the bell curve",
    swap=("s / (2 * N)", "s / N"),
    loses=["tails", "spread", "rare"],
)
standard_only = slip(
    "best_threshold",
    "it takes all bell curves for standard ones",
    swap=("-sigma * statistics", "-statistics"),
    loses=["spread"],
)
times_the_variance = slip(
    "best_threshold",
    "it multiplies by the variance",
    swap=("-sigma *", "-(sigma**2) *"),
    loses=["spread"],
)
share_stays_behind = slip(
    "best_threshold",
    "it lets the share s/N stay behind instead of pass",
    swap=(
        "-sigma * statistics.NormalDist().inv_cdf(s / (2 * N))",
        "sigma * statistics.NormalDist().inv_cdf(0.5 + s / (2 * N))",
    ),
    loses=["tails", "spread", "rare"],
)
the_chance_itself = slip(
    "best_threshold",
    "it returns the chance to pass, not the threshold",
    swap=("-sigma * statistics.NormalDist().inv_cdf(s / (2 * N))", "s / N"),
    loses=["tails", "spread", "rare"],
)


@mutant("best_threshold", "it looks no further than three standard deviations", loses=["rare"])
def on_a_grid_to_three(N, s, sigma):
    q = s / N
    low, high = 0.0, 3.0 * sigma
    for _ in range(100):
        middle = (low + high) / 2
        if math.erfc(middle / (sigma * math.sqrt(2))) > q:
            low = middle
        else:
            high = middle
    return high


@mutant(
    "best_threshold",
    "it looks for the threshold up to 10 only; with a large sigma it lies beyond",
    loses=["spread"],
)
def up_to_ten(N, s, sigma):
    low, high = 0.0, 10.0
    for _ in range(200):
        middle = (low + high) / 2
        if math.erfc(middle / (sigma * math.sqrt(2))) > s / N:
            low = middle
        else:
            high = middle
    return low


# --- estimate


@alternative("estimate")
def by_sorting(values, true):
    s, wins = int(sum(true)), 0
    for row in values:
        largest = sorted(range(len(row)), key=lambda i: -abs(row[i]))[:s]
        wins += all(true[i] for i in largest)
    n = len(values)
    return wins / n, (wins * (n - wins)) ** 0.5 / n**1.5


@alternative("estimate")
def by_ranks(values, true):
    ranks = np.argsort(np.argsort(-np.abs(values), axis=1), axis=1)
    won = ((ranks < true.sum()) == true).all(axis=1)
    return won.mean(), won.std() / np.sqrt(len(won))


signed = slip(
    "estimate",
    "it compares values, signs and all, instead of sizes",
    swap=("np.abs(values)", "values"),
    loses=["signs"],
)


@mutant(
    "estimate",
    "it calls a deal won when one of the true ones is among the largest",
    loses=["share", "signs", "error", "many", "extremes"],
)
def one_is_enough(values, true):
    ranks = np.argsort(np.argsort(-np.abs(values), axis=1), axis=1)
    p = (ranks < true.sum())[:, true].any(axis=1).mean()
    return p, math.sqrt(p * (1 - p) / len(values))


first_places = slip(
    "estimate",
    "it takes the first places for the true ones",
    swap=(
        "size[:, true].min(axis=1) > size[:, ~true].max(axis=1)",
        "size[:, : true.sum()].min(axis=1) > size[:, true.sum() :].max(axis=1)",
    ),
    loses=["share", "signs", "error", "many", "extremes"],
)
error_of_one = slip(
    "estimate",
    "its error is that of a single deal: it does not shrink with their number",
    swap=("math.sqrt(p * (1 - p) / len(won))", "math.sqrt(p * (1 - p))"),
    loses=["error", "many"],
)
no_root = slip(
    "estimate",
    "it returns the variance of the share, without the root",
    swap=("math.sqrt(p * (1 - p) / len(won))", "p * (1 - p) / len(won)"),
    loses=["error", "many"],
)
every_value_a_deal = slip(
    "estimate",
    "it divides by the number of values instead of the number of deals",
    swap=("len(won)", "values.size"),
    loses=["error", "many"],
)


@mutant(
    "estimate",
    "it counts true weights that were kept instead of deals that were won",
    loses=["share", "signs", "error", "many", "extremes"],
)
def weights_found(values, true):
    ranks = np.argsort(np.argsort(-np.abs(values), axis=1), axis=1)
    p = (ranks < true.sum())[:, true].mean()
    return p, math.sqrt(p * (1 - p) / len(values))


# --- pool


@alternative("pool")
def by_a_loop(seeds, wins, deals):
    seen, won, n = set(), 0, 0
    for seed, w, d in zip(seeds, wins, deals, strict=True):
        if seed not in seen:
            seen.add(seed)
            won, n = won + w, n + d
    return won / n, (won * (n - won) / n) ** 0.5 / n


@alternative("pool")
def by_unique(seeds, wins, deals):
    first = np.unique(seeds, return_index=True)[1]
    n = np.asarray(deals)[first].sum()
    p = np.asarray(wins)[first].sum() / n
    return np.array([p, np.sqrt(p * (1 - p) / n)])


counts_copies = slip(
    "pool",
    "it counts copies as if they were news",
    swap=(
        "{seed: (w, d) for seed, w, d in zip(seeds, wins, deals, strict=True)}",
        "dict(enumerate(zip(wins, deals, strict=True)))",
    ),
    loses=["copies", "copies_error"],
)
mean_of_shares = slip(
    "pool",
    "it averages the shares of batches, large or small",
    swap=("p = won / n", "p = sum(w / d for w, d in batches.values()) / len(batches)"),
    loses=["share", "copies", "error", "twins", "copies_error"],
)
same_numbers = slip(
    "pool",
    "it takes batches with the same numbers for copies",
    swap=("{seed: (w, d) for", "{(w, d): (w, d) for"),
    loses=["twins"],
)
error_by_batches = slip(
    "pool",
    "its error counts batches where it should count deals",
    swap=("p * (1 - p) / n", "p * (1 - p) / len(batches)"),
    loses=["error", "copies_error"],
)
copies_in_the_deals = slip(
    "pool",
    "it leaves copies out of the wins and not out of the deals",
    swap=("p = won / n", "n = sum(deals); p = won / n"),
    loses=["copies", "copies_error"],
)
copies_in_the_error = slip(
    "pool",
    "it leaves copies out of the share and counts them in the error",
    swap=("p * (1 - p) / n", "p * (1 - p) / sum(deals)"),
    loses=["copies_error"],
)


@mutant(
    "pool",
    "it leaves out a copy only where it follows its original directly",
    loses=["copies", "copies_error"],
)
def neighbours_only(seeds, wins, deals):
    kept = [i for i in range(len(seeds)) if i == 0 or seeds[i] != seeds[i - 1]]
    won, n = sum(wins[i] for i in kept), sum(deals[i] for i in kept)
    p = won / n
    return p, math.sqrt(p * (1 - p) / n)


@mutant("pool", "it drops a seed that comes twice altogether", loses=["copies", "copies_error"])
def drops_both(seeds, wins, deals):
    kept = [i for i, seed in enumerate(seeds) if seeds.count(seed) == 1] or [0]
    won, n = sum(wins[i] for i in kept), sum(deals[i] for i in kept)
    p = won / n
    return p, math.sqrt(p * (1 - p) / n)


# --- log10_odds


@alternative("log10_odds")
def by_lgamma(N, s, k):
    def ln(n):
        return math.lgamma(n + 1)

    return (ln(k) - ln(k - s) - ln(N) + ln(N - s)) / math.log(10)


@alternative("log10_odds")
def by_whole_numbers(N, s, k):
    return math.log10(math.comb(N - s, k - s)) - math.log10(math.comb(N, k))


odds_first = slip(
    "log10_odds",
    "it works out the odds first, and they underflow to zero before the logarithm is taken",
    swap=(
        "sum(math.log10((k - i) / (N - i)) for i in range(s))",
        "math.log10(math.prod((k - i) / (N - i) for i in range(s)))",
    ),
    loses=["large"],
)
propped_up = slip(
    "log10_odds",
    "it puts a smallest number in the place of odds that underflow",
    swap=(
        "sum(math.log10((k - i) / (N - i)) for i in range(s))",
        "math.log10(max(math.prod((k - i) / (N - i) for i in range(s)), 1e-300))",
    ),
    loses=["large"],
)
natural = slip(
    "log10_odds",
    "it is the natural logarithm, not that to the base 10",
    swap=("math.log10", "math.log"),
    loses=["exact", "more", "large", "edges"],
)


@mutant(
    "log10_odds",
    "it counts supports in every order in which they could be drawn",
    loses=["exact", "more", "large", "edges"],
)
def in_every_order(N, s, k):
    return math.log10(math.comb(k, s)) - math.log10(math.perm(N, s))


with_putting_back = slip(
    "log10_odds",
    "it draws with putting back, (k/N) to the power s, which is only a bound",
    swap=("(k - i) / (N - i)", "k / N"),
    loses=["exact", "more", "large"],
)


@mutant(
    "log10_odds",
    "it asks for the true ones alone, though more are kept",
    loses=["more", "large", "edges"],
)
def true_ones_alone(N, s, k):
    return -math.log10(math.comb(N, s))


@mutant(
    "log10_odds",
    "it is the chance of one set of k, of which many hold the true ones",
    loses=["more", "large", "edges"],
)
def one_set_of_k(N, s, k):
    return -math.log10(math.comb(N, k))
