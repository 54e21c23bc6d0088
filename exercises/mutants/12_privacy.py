"""Wrong versions of assignment 12, each a misconception; and right ones, written differently.

Each message completes "This looks like a known slip: ..." and is read by a student whose answers
are those of the mutant in every case.
"""

import math

import numpy as np

from course_lib.grading import alternative, mutant

# --- randomised_response


@alternative("randomised_response")
def bit_by_bit(bits, uniforms, epsilon):
    p = 1 / (1 + math.exp(-epsilon))
    flat = [bool(b) if u < p else not b for b, u in zip(bits.flat, uniforms.flat, strict=True)]
    return np.array(flat, dtype=bool).reshape(bits.shape)


@alternative("randomised_response")
def flips(bits, uniforms, epsilon):
    return bits ^ (uniforms >= 1 / (1 + np.exp(-epsilon)))


@mutant(
    "randomised_response",
    "it has the probabilities swapped, and lies as often as it should tell the truth",
    loses=["first", "formula", "alike", "tables", "unchanged"],
)
def swapped(bits, uniforms, epsilon):
    p = math.exp(epsilon) / (1 + math.exp(epsilon))
    return np.where(uniforms < p, ~bits, bits)


@mutant(
    "randomised_response",
    "it says yes instead of the opposite, so that a yes is never lied about",
    loses=["first", "formula", "alike", "tables", "unchanged"],
)
def forced_yes(bits, uniforms, epsilon):
    p = math.exp(epsilon) / (1 + math.exp(epsilon))
    return np.where(uniforms < p, bits, True)


@mutant(
    "randomised_response",
    "it takes p to be 1 - exp(-epsilon)",
    loses=["formula"],
)
def other_formula(bits, uniforms, epsilon):
    return np.where(uniforms < 1 - math.exp(-epsilon), bits, ~bits)


@mutant(
    "randomised_response",
    "it takes p for epsilon / 2, which protects more than was asked for",
    loses=["formula"],
)
def half_of_epsilon(bits, uniforms, epsilon):
    p = 1 / (1 + math.exp(-epsilon / 2))
    return np.where(uniforms < p, bits, ~bits)


@mutant(
    "randomised_response",
    "it tosses coins of its own with a known seed, instead of using the given ones",
    loses=["first", "formula", "alike", "tables", "unchanged"],
)
def own_coins(bits, uniforms, epsilon):
    p = math.exp(epsilon) / (1 + math.exp(epsilon))
    return np.where(np.random.default_rng(0).random(bits.shape) < p, bits, ~bits)


@mutant(
    "randomised_response",
    "it tosses one coin for all bits",
    loses=["first", "formula", "alike", "tables", "unchanged"],
)
def one_coin(bits, uniforms, epsilon):
    p = math.exp(epsilon) / (1 + math.exp(epsilon))
    return bits.copy() if uniforms.flat[0] < p else ~bits


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


@mutant(
    "estimate", "it returns the share of yes with the lies still in it", loses=["share", "outside"]
)
def lies_left_in(reports, epsilon):
    p = math.exp(epsilon) / (1 + math.exp(epsilon))
    return np.mean(reports), math.sqrt(p * (1 - p) / len(reports)) / (2 * p - 1)


@mutant(
    "estimate",
    "it estimates the share of those for whom no is so: p and 1 - p are exchanged",
    loses=["share", "outside"],
)
def inverted(reports, epsilon):
    p = math.exp(epsilon) / (1 + math.exp(epsilon))
    share = (p - np.mean(reports)) / (2 * p - 1)
    return share, math.sqrt(p * (1 - p) / len(reports)) / (2 * p - 1)


@mutant("estimate", "it takes p away instead of 1 - p", loses=["share", "outside"])
def takes_p_away(reports, epsilon):
    p = math.exp(epsilon) / (1 + math.exp(epsilon))
    share = (np.mean(reports) - p) / (2 * p - 1)
    return share, math.sqrt(p * (1 - p) / len(reports)) / (2 * p - 1)


@mutant("estimate", "it does not divide the estimate by 2p - 1", loses=["share", "outside"])
def not_stretched(reports, epsilon):
    p = math.exp(epsilon) / (1 + math.exp(epsilon))
    return np.mean(reports) - (1 - p), math.sqrt(p * (1 - p) / len(reports)) / (2 * p - 1)


@mutant("estimate", "it cuts the estimate off at 0 and 1, which biases it", loses=["outside"])
def cut_off(reports, epsilon):
    p = math.exp(epsilon) / (1 + math.exp(epsilon))
    share = (np.mean(reports) - (1 - p)) / (2 * p - 1)
    error = math.sqrt(p * (1 - p) / len(reports)) / (2 * p - 1)
    return min(max(share, 0.0), 1.0), error


@mutant(
    "estimate",
    "its error is that of the reports, not divided by 2p - 1",
    loses=["error", "agreement"],
)
def error_of_the_reports(reports, epsilon):
    p = math.exp(epsilon) / (1 + math.exp(epsilon))
    share = (np.mean(reports) - (1 - p)) / (2 * p - 1)
    return share, math.sqrt(p * (1 - p) / len(reports))


@mutant(
    "estimate",
    "its error is the variance, without the root",
    loses=["error", "agreement"],
)
def variance(reports, epsilon):
    p = math.exp(epsilon) / (1 + math.exp(epsilon))
    share = (np.mean(reports) - (1 - p)) / (2 * p - 1)
    return share, p * (1 - p) / len(reports) / (2 * p - 1) ** 2


@mutant(
    "estimate",
    "it takes the error of a sample, from the share of yes, for the error of the coins",
    loses=["error", "agreement"],
)
def error_of_a_sample(reports, epsilon):
    p = math.exp(epsilon) / (1 + math.exp(epsilon))
    yes = np.mean(reports)
    return (yes - (1 - p)) / (2 * p - 1), math.sqrt(yes * (1 - yes) / len(reports)) / (2 * p - 1)


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


@mutant(
    "private_vote",
    "it counts the yes, so that places that were asked more often win",
    loses=["uneven", "low", "all"],
)
def counts_yes(places, reports, size, k):
    yes = np.bincount(places, weights=reports, minlength=size)
    mask = np.zeros(size, dtype=bool)
    mask[np.argsort(-yes, kind="stable")[:k]] = True
    return mask


@mutant(
    "private_vote",
    "it counts yes less no, which is no share where places were not asked equally often",
    loses=["uneven", "low", "all"],
)
def yes_less_no(places, reports, size, k):
    lead = np.bincount(places, weights=np.where(reports, 1, -1), minlength=size)
    mask = np.zeros(size, dtype=bool)
    mask[np.argsort(-lead, kind="stable")[:k]] = True
    return mask


@mutant(
    "private_vote",
    "it keeps the places with the smallest shares",
    loses=["even", "uneven", "low", "all"],
)
def smallest(places, reports, size, k):
    asked = np.bincount(places, minlength=size)
    yes = np.bincount(places, weights=reports, minlength=size)
    mask = np.zeros(size, dtype=bool)
    mask[np.argsort(yes / asked, kind="stable")[:k]] = True
    return mask


@mutant(
    "private_vote",
    "it keeps every place with a majority of yes, however many these are",
    loses=["even", "uneven", "low", "all"],
)
def majority(places, reports, size, k):
    asked = np.bincount(places, minlength=size)
    yes = np.bincount(places, weights=reports, minlength=size)
    return yes / asked > 0.5


@mutant(
    "private_vote",
    "it ranks by how far the share is from a half, for yes or for no",
    loses=["even", "uneven", "low", "all"],
)
def clearest(places, reports, size, k):
    asked = np.bincount(places, minlength=size)
    yes = np.bincount(places, weights=reports, minlength=size)
    mask = np.zeros(size, dtype=bool)
    mask[np.argsort(-np.abs(yes / asked - 0.5), kind="stable")[:k]] = True
    return mask


@mutant("private_vote", "it keeps one place at least, also for k = 0", loses=["all"])
def one_at_least(places, reports, size, k):
    asked = np.bincount(places, minlength=size)
    yes = np.bincount(places, weights=reports, minlength=size)
    mask = np.zeros(size, dtype=bool)
    mask[np.argsort(-yes / asked, kind="stable")[: max(k, 1)]] = True
    return mask


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


@mutant(
    "account",
    "it takes the largest epsilon for the sum: answers about the same data add up",
    loses=["sum", "more", "exact", "last"],
)
def largest(spent, total, epsilon):
    gone = max(spent, default=0.0)
    return gone, int((total - gone) // epsilon)


@mutant(
    "account",
    "it adds up squares and takes the root, as if epsilons were errors",
    loses=["sum", "more", "exact", "last"],
)
def squares(spent, total, epsilon):
    gone = math.sqrt(sum(e * e for e in spent))
    return gone, int((total - gone) // epsilon)


@mutant(
    "account",
    "it forgets what was spent, and divides the whole total",
    loses=["more", "exact", "last"],
)
def forgets(spent, total, epsilon):
    return sum(spent), int(total // epsilon)


@mutant("account", "it rounds up, and overspends with the last answer", loses=["more", "last"])
def rounds_up(spent, total, epsilon):
    return sum(spent), math.ceil((total - sum(spent)) / epsilon)


@mutant(
    "account",
    "it leaves something over where the rest would just be enough",
    loses=["exact", "last"],
)
def never_quite(spent, total, epsilon):
    return sum(spent), math.ceil((total - sum(spent)) / epsilon) - 1


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


@mutant("answered", "it keeps one budget for all people", loses=["people"])
def one_for_all(total, requests):
    spent, result = 0.0, []
    for _, epsilon in requests:
        can = spent + epsilon <= total
        spent += epsilon if can else 0
        result.append(can)
    return result


@mutant(
    "answered",
    "after a refusal nothing is answered any more, as if the refusal had cost something",
    loses=["refusals"],
)
def refusals_cost(total, requests):
    spent, result = {}, []
    for person, epsilon in requests:
        spent[person] = spent.get(person, 0) + epsilon
        result.append(spent[person] <= total)
    return result


@mutant(
    "answered", "it refuses the answer that would spend the total to the last bit",
    loses=["exact"],
)  # fmt: skip
def strictly_below(total, requests):
    spent, result = {}, []
    for person, epsilon in requests:
        can = spent.get(person, 0) + epsilon < total
        spent[person] = spent.get(person, 0) + (epsilon if can else 0)
        result.append(can)
    return result


@mutant(
    "answered",
    "it answers as long as something is left, and overspends with the last answer",
    loses=["one", "people", "refusals", "empty"],
)
def while_something_is_left(total, requests):
    spent, result = {}, []
    for person, epsilon in requests:
        can = spent.get(person, 0) < total
        spent[person] = spent.get(person, 0) + (epsilon if can else 0)
        result.append(can)
    return result


@mutant(
    "answered",
    "it looks at each answer alone: epsilons are not added up",
    loses=["one", "people", "exact", "refusals", "empty"],
)
def not_added_up(total, requests):
    return [epsilon <= total for _, epsilon in requests]
