"""Wrong versions of assignment 06, each a misconception; and right ones, written differently.

Each message completes "This looks like a known slip: ..." and is read by a student whose answers
are those of the mutant in every case.
"""

import math
import statistics

import numpy as np

from course_lib.grading import alternative, mutant

# --- threshold_odds


@alternative("threshold_odds")
def by_the_bell_curve(N, s, tau, sigma):
    inside = 2 * statistics.NormalDist(0, sigma).cdf(tau) - 1
    return math.prod([1 - inside] * s + [inside] * (N - s))


@alternative("threshold_odds")
def by_an_array(N, s, tau, sigma):
    q = math.erfc(tau / math.sqrt(2 * sigma * sigma))
    return np.prod(np.where(np.arange(N) < s, q, 1 - q))


@mutant(
    "threshold_odds",
    "it asks only that the true ones pass, and lets any others pass too",
    loses=["stays", "spread", "edges"],
)
def others_may_pass(N, s, tau, sigma):
    return math.erfc(tau / (sigma * math.sqrt(2))) ** s


@mutant(
    "threshold_odds",
    "it counts one end of the bell curve; a large negative weight passes as well",
    loses=["passes", "stays", "spread", "edges"],
)
def one_tail(N, s, tau, sigma):
    q = math.erfc(tau / (sigma * math.sqrt(2))) / 2
    return q**s * (1 - q) ** (N - s)


@mutant(
    "threshold_odds",
    "it counts every set of s weights, true or not",
    loses=["stays", "spread"],
)
def any_of_that_number(N, s, tau, sigma):
    q = math.erfc(tau / (sigma * math.sqrt(2)))
    return math.comb(N, s) * q**s * (1 - q) ** (N - s)


@mutant("threshold_odds", "it takes all bell curves for standard ones", loses=["spread"])
def without_the_spread(N, s, tau, sigma):
    q = math.erfc(tau / math.sqrt(2))
    return q**s * (1 - q) ** (N - s)


@mutant(
    "threshold_odds",
    "it divides by the variance instead of the standard deviation",
    loses=["spread"],
)
def by_the_variance(N, s, tau, sigma):
    q = math.erfc(tau / (sigma**2 * math.sqrt(2)))
    return q**s * (1 - q) ** (N - s)


@mutant(
    "threshold_odds",
    "it leaves out the root of two",
    loses=["passes", "stays", "spread", "edges"],
)
def without_the_root(N, s, tau, sigma):
    q = math.erfc(tau / sigma)
    return q**s * (1 - q) ** (N - s)


@mutant(
    "threshold_odds",
    "it wants all N to stay behind, the true ones too",
    loses=["passes", "stays", "spread", "edges"],
)
def all_stay_behind(N, s, tau, sigma):
    q = math.erfc(tau / (sigma * math.sqrt(2)))
    return q**s * (1 - q) ** N


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


@mutant(
    "best_threshold",
    "it puts the whole share s/N beyond one end of the bell curve",
    loses=["tails", "spread", "rare"],
)
def whole_share_above(N, s, sigma):
    return sigma * statistics.NormalDist().inv_cdf(1 - s / N)


@mutant("best_threshold", "it takes all bell curves for standard ones", loses=["spread"])
def standard_only(N, s, sigma):
    return statistics.NormalDist().inv_cdf(1 - s / (2 * N))


@mutant("best_threshold", "it multiplies by the variance", loses=["spread"])
def times_the_variance(N, s, sigma):
    return sigma**2 * statistics.NormalDist().inv_cdf(1 - s / (2 * N))


@mutant(
    "best_threshold",
    "it lets the share s/N stay behind instead of pass",
    loses=["tails", "spread", "rare"],
)
def share_stays_behind(N, s, sigma):
    return sigma * statistics.NormalDist().inv_cdf(0.5 + s / (2 * N))


@mutant(
    "best_threshold",
    "it returns the chance to pass, not the threshold",
    loses=["tails", "spread", "rare"],
)
def the_chance_itself(N, s, sigma):
    return s / N


@mutant(
    "best_threshold",
    "it looks no further than three standard deviations",
    loses=["rare"],
)
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


@mutant("estimate", "it compares values, signs and all, instead of sizes", loses=["signs"])
def signed(values, true):
    won = values[:, true].min(axis=1) > values[:, ~true].max(axis=1)
    p = won.mean()
    return p, math.sqrt(p * (1 - p) / len(won))


@mutant(
    "estimate",
    "it calls a deal won when one of the true ones is among the largest",
    loses=["share", "signs", "error", "many", "extremes"],
)
def one_is_enough(values, true):
    ranks = np.argsort(np.argsort(-np.abs(values), axis=1), axis=1)
    p = (ranks < true.sum())[:, true].any(axis=1).mean()
    return p, math.sqrt(p * (1 - p) / len(values))


@mutant(
    "estimate",
    "it takes the first places for the true ones",
    loses=["share", "signs", "error", "many", "extremes"],
)
def first_places(values, true):
    size, s = np.abs(values), int(true.sum())
    won = size[:, :s].min(axis=1) > size[:, s:].max(axis=1)
    p = won.mean()
    return p, math.sqrt(p * (1 - p) / len(won))


@mutant(
    "estimate",
    "its error is that of a single deal: it does not shrink with their number",
    loses=["error", "many"],
)
def error_of_one(values, true):
    size = np.abs(values)
    p = (size[:, true].min(axis=1) > size[:, ~true].max(axis=1)).mean()
    return p, math.sqrt(p * (1 - p))


@mutant(
    "estimate",
    "it returns the variance of the share, without the root",
    loses=["error", "many"],
)
def no_root(values, true):
    size = np.abs(values)
    p = (size[:, true].min(axis=1) > size[:, ~true].max(axis=1)).mean()
    return p, p * (1 - p) / len(values)


@mutant(
    "estimate",
    "it divides by the number of values instead of the number of deals",
    loses=["error", "many"],
)
def every_value_a_deal(values, true):
    size = np.abs(values)
    p = (size[:, true].min(axis=1) > size[:, ~true].max(axis=1)).mean()
    return p, math.sqrt(p * (1 - p) / values.size)


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


@mutant("pool", "it counts copies as if they were news", loses=["copies", "copies_error"])
def counts_copies(seeds, wins, deals):
    n = sum(deals)
    p = sum(wins) / n
    return p, math.sqrt(p * (1 - p) / n)


@mutant(
    "pool",
    "it averages the shares of batches, large or small",
    loses=["share", "copies", "error", "twins", "copies_error"],
)
def mean_of_shares(seeds, wins, deals):
    batches = {seed: (w, d) for seed, w, d in zip(seeds, wins, deals, strict=True)}
    p = sum(w / d for w, d in batches.values()) / len(batches)
    return p, math.sqrt(p * (1 - p) / sum(d for _, d in batches.values()))


@mutant("pool", "it takes batches with the same numbers for copies", loses=["twins"])
def same_numbers(seeds, wins, deals):
    batches = set(zip(wins, deals, strict=True))
    won, n = sum(w for w, _ in batches), sum(d for _, d in batches)
    p = won / n
    return p, math.sqrt(p * (1 - p) / n)


@mutant(
    "pool",
    "its error counts batches where it should count deals",
    loses=["error", "copies_error"],
)
def error_by_batches(seeds, wins, deals):
    batches = {seed: (w, d) for seed, w, d in zip(seeds, wins, deals, strict=True)}
    won, n = sum(w for w, _ in batches.values()), sum(d for _, d in batches.values())
    p = won / n
    return p, math.sqrt(p * (1 - p) / len(batches))


@mutant(
    "pool",
    "it leaves copies out of the wins and not out of the deals",
    loses=["copies", "copies_error"],
)
def copies_in_the_deals(seeds, wins, deals):
    won, n = sum(dict(zip(seeds, wins, strict=True)).values()), sum(deals)
    p = won / n
    return p, math.sqrt(p * (1 - p) / n)


@mutant(
    "pool",
    "it leaves copies out of the share and counts them in the error",
    loses=["copies_error"],
)
def copies_in_the_error(seeds, wins, deals):
    batches = {seed: (w, d) for seed, w, d in zip(seeds, wins, deals, strict=True)}
    p = sum(w for w, _ in batches.values()) / sum(d for _, d in batches.values())
    return p, math.sqrt(p * (1 - p) / sum(deals))


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


@mutant(
    "pool",
    "it drops a seed that comes twice altogether",
    loses=["copies", "copies_error"],
)
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


@mutant(
    "log10_odds",
    "it works out the odds first, and they underflow to zero before the logarithm is taken",
    loses=["large"],
)
def odds_first(N, s, k):
    odds = 1.0
    for i in range(s):
        odds *= (k - i) / (N - i)
    return math.log10(odds)


@mutant(
    "log10_odds",
    "it puts a smallest number in the place of odds that underflow",
    loses=["large"],
)
def propped_up(N, s, k):
    odds = float(np.prod([(k - i) / (N - i) for i in range(s)]))
    return math.log10(max(odds, 1e-300))


@mutant(
    "log10_odds",
    "it is the natural logarithm, not that to the base 10",
    loses=["exact", "more", "large", "edges"],
)
def natural(N, s, k):
    return sum(math.log((k - i) / (N - i)) for i in range(s))


@mutant(
    "log10_odds",
    "it counts supports in every order in which they could be drawn",
    loses=["exact", "more", "large", "edges"],
)
def in_every_order(N, s, k):
    return math.log10(math.comb(k, s)) - math.log10(math.perm(N, s))


@mutant(
    "log10_odds",
    "it draws with putting back, (k/N) to the power s, which is only a bound",
    loses=["exact", "more", "large"],
)
def with_putting_back(N, s, k):
    return s * math.log10(k / N)


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
