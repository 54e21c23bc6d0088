"""Wrong versions of assignment 12, each a misconception; and right ones, written differently.

Each message completes "This looks like a known slip: ..." and is read by a student whose answers
are those of the mutant in every case.
"""

import math

import numpy as np

from course_lib.grading import alternative, mutant, slip

# --- randomised_response


@alternative("randomised_response")
def bit_by_bit(bits, uniforms, epsilon):
    p = 1 / (1 + math.exp(-epsilon))
    flat = [bool(b) if u < p else not b for b, u in zip(bits.flat, uniforms.flat, strict=True)]
    return np.array(flat, dtype=bool).reshape(bits.shape)


@alternative("randomised_response")
def flips(bits, uniforms, epsilon):
    return bits ^ (uniforms >= 1 / (1 + np.exp(-epsilon)))


swapped = slip(
    "randomised_response",
    "it has the probabilities swapped, and lies as often as it should tell the truth",
    swap=("bits, ~bits", "~bits, bits"),
    loses=["first", "formula", "alike", "tables", "unchanged"],
)
forced_yes = slip(
    "randomised_response",
    "it says yes instead of the opposite, so that a yes is never lied about",
    swap=("bits, ~bits", "bits, True"),
    loses=["first", "formula", "alike", "tables", "unchanged"],
)
other_formula = slip(
    "randomised_response",
    "it takes p to be 1 - exp(-epsilon)",
    swap=("math.exp(epsilon) / (1 + math.exp(epsilon))", "1 - math.exp(-epsilon)"),
    loses=["formula"],
)
half_of_epsilon = slip(
    "randomised_response",
    "it takes p for epsilon / 2, which protects more than was asked for",
    swap=("math.exp(epsilon) / (1 + math.exp(epsilon))", "1 / (1 + math.exp(-epsilon / 2))"),
    loses=["formula"],
)
own_coins = slip(
    "randomised_response",
    "it tosses coins of its own with a known seed, instead of using the given ones",
    swap=("uniforms < p", "np.random.default_rng(0).random(bits.shape) < p"),
    loses=["first", "formula", "alike", "tables", "unchanged"],
)
one_coin = slip(
    "randomised_response",
    "it tosses one coin for all bits",
    swap=("uniforms < p", "uniforms.flat[0] < p"),
    loses=["first", "formula", "alike", "tables", "unchanged"],
)


@mutant("randomised_response", "it writes into the bits it was given", loses=["unchanged"])
def in_place(bits, uniforms, epsilon):
    bits ^= uniforms >= math.exp(epsilon) / (1 + math.exp(epsilon))
    return bits


# --- estimate


@alternative("estimate")
def hyperbolic(reports, epsilon):
    share = 0.5 + (np.count_nonzero(reports) / len(reports) - 0.5) / math.tanh(epsilon / 2)
    return [share, 1 / (2 * math.sinh(epsilon / 2) * math.sqrt(len(reports)))]


@alternative("estimate")
def one_by_one(reports, epsilon):
    lie = 1 / (1 + math.exp(epsilon))
    each = [((1.0 if said else 0.0) - lie) / (1 - 2 * lie) for said in reports]
    return sum(each) / len(each), (lie * (1 - lie) / len(each)) ** 0.5 / (1 - 2 * lie)


lies_left_in = slip(
    "estimate",
    "it returns the share of yes with the lies still in it",
    swap=("(np.mean(reports) - (1 - p)) / (2 * p - 1)", "np.mean(reports)"),
    loses=["share", "outside"],
)
inverted = slip(
    "estimate",
    "it estimates the share of those for whom no is so: p and 1 - p are exchanged",
    swap=("(np.mean(reports) - (1 - p))", "(p - np.mean(reports))"),
    loses=["share", "outside"],
)
takes_p_away = slip(
    "estimate",
    "it takes p away instead of 1 - p",
    swap=("(np.mean(reports) - (1 - p))", "(np.mean(reports) - p)"),
    loses=["share", "outside"],
)
not_stretched = slip(
    "estimate",
    "it does not divide the estimate by 2p - 1",
    swap=("(np.mean(reports) - (1 - p)) / (2 * p - 1)", "np.mean(reports) - (1 - p)"),
    loses=["share", "outside"],
)
cut_off = slip(
    "estimate",
    "it cuts the estimate off at 0 and 1, which biases it",
    swap=("return share,", "return min(max(share, 0.0), 1.0),"),
    loses=["outside"],
)
error_of_the_reports = slip(
    "estimate",
    "its error is that of the reports, not divided by 2p - 1",
    swap=(
        "math.sqrt(p * (1 - p) / len(reports)) / (2 * p - 1)",
        "math.sqrt(p * (1 - p) / len(reports))",
    ),
    loses=["error", "agreement"],
)
variance = slip(
    "estimate",
    "its error is the variance, without the root",
    swap=(
        "math.sqrt(p * (1 - p) / len(reports)) / (2 * p - 1)",
        "p * (1 - p) / len(reports) / (2 * p - 1) ** 2",
    ),
    loses=["error", "agreement"],
)
error_of_a_sample = slip(
    "estimate",
    "it takes the error of a sample, from the share of yes, for the error of the coins",
    swap=(
        "math.sqrt(p * (1 - p) / len(reports))",
        "math.sqrt(np.mean(reports) * (1 - np.mean(reports)) / len(reports))",
    ),
    loses=["error", "agreement"],
)


# --- private_vote


@alternative("private_vote")
def by_loops(places, reports, size, k):
    shares = []
    for place in range(size):
        said = [bool(r) for at, r in zip(places, reports, strict=True) if at == place]
        shares.append(sum(said) / len(said))
    best = sorted(range(size), key=lambda place: shares[place], reverse=True)[:k]
    return [place in best for place in range(size)]


@alternative("private_vote")
def by_rank(places, reports, size, k):
    shares = np.array([reports[places == place].mean() for place in range(size)])
    return (shares[:, None] < shares).sum(axis=1) < k


counts_yes = slip(
    "private_vote",
    "it counts the yes, so that places that were asked more often win",
    swap=("-yes / asked", "-yes"),
    loses=["uneven", "low", "all"],
)
yes_less_no = slip(
    "private_vote",
    "it counts yes minus no, which is no share where places were not asked equally often",
    swaps=[("weights=reports", "weights=np.where(reports, 1, -1)"), ("-yes / asked", "-yes")],
    loses=["uneven", "low", "all"],
)
smallest = slip(
    "private_vote",
    "it keeps the places with the smallest shares",
    swap=("-yes / asked", "yes / asked"),
    loses=["even", "uneven", "low", "all"],
)
majority = slip(
    "private_vote",
    "it keeps every place with a majority of yes, however many these are",
    swap=("return mask", "return yes / asked > 0.5"),
    loses=["even", "uneven", "low", "all"],
)
clearest = slip(
    "private_vote",
    "it ranks by how far the share is from a half, for yes or for no",
    swap=("-yes / asked", "-np.abs(yes / asked - 0.5)"),
    loses=["even", "uneven", "low", "all"],
)
one_at_least = slip(
    "private_vote",
    "it keeps one place at least, also for k = 0",
    swap=("[:k]", "[: max(k, 1)]"),
    loses=["all"],
)


# --- account


@alternative("account")
def by_paying(spent, total, epsilon):
    gone = 0.0
    for each in spent:
        gone += each
    count, paid = 0, gone
    while paid + epsilon <= total:
        count, paid = count + 1, paid + epsilon
    return [gone, count]


@alternative("account")
def in_sixteenths(spent, total, epsilon):
    gone = sum(round(16 * e) for e in spent)
    return gone / 16, (round(16 * total) - gone) // round(16 * epsilon)


largest = slip(
    "account",
    "it takes the largest epsilon for the sum: answers about the same data add up",
    swap=("sum(spent)", "max(spent, default=0.0)"),
    loses=["sum", "more", "exact", "last"],
)
squares = slip(
    "account",
    "it adds up squares and takes the root, as if epsilons were errors",
    swap=("sum(spent)", "math.sqrt(sum(e * e for e in spent))"),
    loses=["sum", "more", "exact", "last"],
)
forgets = slip(
    "account",
    "it forgets what was spent, and divides the whole total",
    swap=("(total - gone)", "total"),
    loses=["more", "exact", "last"],
)
rounds_up = slip(
    "account",
    "it rounds up, and overspends with the last answer",
    swap=("int((total - gone) // epsilon)", "math.ceil((total - gone) / epsilon)"),
    loses=["more", "last"],
)
never_quite = slip(
    "account",
    "it leaves something over where the rest would just be enough",
    swap=("int((total - gone) // epsilon)", "math.ceil((total - gone) / epsilon) - 1"),
    loses=["exact", "last"],
)


# --- answered


@alternative("answered")
def by_what_is_left(total, requests):
    left = {person: total for person, _ in requests}
    said = []
    for person, epsilon in requests:
        can = epsilon <= left[person]
        left[person] -= epsilon if can else 0
        said.append(can)
    return said


@alternative("answered")
def from_the_past(total, requests):
    said = []
    for i, (person, epsilon) in enumerate(requests):
        before = [
            e for (who, e), yes in zip(requests[:i], said, strict=True) if who == person and yes
        ]
        said.append(sum(before) + epsilon <= total)
    return said


one_for_all = slip(
    "answered",
    "it keeps one budget for all people",
    swap=("in requests:", "in [(None, e) for _, e in requests]:"),
    loses=["people"],
)
refusals_cost = slip(
    "answered",
    "after a refusal it refuses all else of that person, as if the refusal had cost something",
    swap=("if cost <= total:", "if True:"),
    loses=["refusals"],
)
strictly_below = slip(
    "answered",
    "it refuses the answer that would spend the total to the last bit",
    swaps=[
        ("result.append(cost <= total)", "result.append(cost < total)"),
        ("if cost <= total", "if cost < total"),
    ],
    loses=["exact"],
)
while_something_is_left = slip(
    "answered",
    "it answers as long as something is left, and overspends with the last answer",
    swaps=[
        ("result.append(cost <= total)", "result.append(cost - epsilon < total)"),
        ("if cost <= total", "if cost - epsilon < total"),
    ],
    loses=["one", "people", "refusals", "empty"],
)
not_added_up = slip(
    "answered",
    "it looks at each answer alone: epsilons are not added up",
    swap=("spent.get(person, 0) + epsilon", "epsilon"),
    loses=["one", "people", "exact", "refusals", "empty"],
)
