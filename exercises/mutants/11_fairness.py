"""Wrong versions of assignment 11, each a misconception; and right ones, written differently.

Each message completes "This looks like a known slip: ..." and is read by a student whose answers
are those of the mutant in every case.
"""

import numpy as np

from course_lib.grading import alternative, mutant

# --- group_accuracies


@alternative("group_accuracies")
def counting_one_by_one(y, predicted, group):
    hits, members = {}, {}
    for right, guess, g in zip(y.tolist(), predicted.tolist(), group.tolist(), strict=True):
        members[g] = members.get(g, 0) + 1
        hits[g] = hits.get(g, 0) + (right == guess)
    shares = [hits[g] / members[g] for g in sorted(members)]
    return shares, sum(hits.values()) / sum(members.values())


@alternative("group_accuracies")
def counting_in_bins(y, predicted, group):
    members = np.bincount(group)
    hits = np.bincount(group, weights=(y == predicted))
    return hits / members, hits.sum() / members.sum()


@mutant(
    "group_accuracies",
    "its overall accuracy is the mean of the groups' accuracies, as if they were of one size",
    loses=["overall", "unchanged"],
)
def average_of_averages(y, predicted, group):
    right = y == predicted
    by_group = [right[group == g].mean() for g in range(max(group) + 1)]
    return by_group, np.mean(by_group)


@mutant(
    "group_accuracies",
    "it divides a group's right answers by the number of all examples",
    loses=["groups", "many", "unchanged"],
)
def divided_by_all(y, predicted, group):
    right = y == predicted
    by_group = [(right & (group == g)).sum() / len(y) for g in range(max(group) + 1)]
    return by_group, right.mean()


@mutant(
    "group_accuracies",
    "it counts the wrong answers instead of the right ones",
    loses=["groups", "overall", "many", "unchanged"],
)
def counts_errors(y, predicted, group):
    wrong = y != predicted
    return [wrong[group == g].mean() for g in range(max(group) + 1)], wrong.mean()


@mutant("group_accuracies", "it knows two groups and no more", loses=["many"])
def two_groups(y, predicted, group):
    right = y == predicted
    return [right[group == g].mean() for g in (0, 1)], right.mean()


@mutant(
    "group_accuracies",
    "it takes classes for groups: it gives the accuracy within each class",
    loses=["groups", "many", "unchanged"],
)
def by_class(y, predicted, group):
    right = y == predicted
    found = [right[y == g].mean() if (y == g).any() else 0.0 for g in range(max(group) + 1)]
    return found, right.mean()


@mutant("group_accuracies", "it writes into the arrays it was given", loses=["unchanged"])
def accuracies_in_place(y, predicted, group):
    predicted -= y
    right = predicted == 0
    return [right[group == g].mean() for g in range(max(group) + 1)], right.mean()


# --- paired_interval


@alternative("paired_interval")
def by_sums(before, after, t):
    changes = [a - b for a, b in zip(after.tolist(), before.tolist(), strict=True)]
    n = len(changes)
    mean = sum(changes) / n
    half = t * (sum((x - mean) ** 2 for x in changes) / (n - 1) / n) ** 0.5
    return [mean, mean - half, mean + half]


@alternative("paired_interval")
def by_covariance(before, after, t):
    C = np.cov(before, after)
    spread = max(C[0, 0] + C[1, 1] - 2 * C[0, 1], 0.0)
    mean = np.mean(after) - np.mean(before)
    half = t * np.sqrt(spread / len(before))
    return mean, mean - half, mean + half


@mutant(
    "paired_interval",
    "it adds up the scatter of the two lists, as if they came from different seeds",
    loses=["low", "high", "steady"],
)
def unpaired(before, after, t):
    mean = after.mean() - before.mean()
    half = t * np.sqrt((before.var(ddof=1) + after.var(ddof=1)) / len(before))
    return mean, mean - half, mean + half


@mutant("paired_interval", "it divides by n where n - 1 belongs", loses=["low", "high"])
def divides_by_n(before, after, t):
    change = after - before
    half = t * change.std() / np.sqrt(len(change))
    return change.mean(), change.mean() - half, change.mean() + half


@mutant(
    "paired_interval",
    "it forgets the square root of n: these are limits for one seed, not for the mean",
    loses=["low", "high"],
)
def limits_of_one_seed(before, after, t):
    change = after - before
    half = t * change.std(ddof=1)
    return change.mean(), change.mean() - half, change.mean() + half


@mutant(
    "paired_interval",
    "it takes before less after",
    loses=["mean", "low", "high", "steady"],
)
def wrong_way_round(before, after, t):
    change = before - after
    half = t * change.std(ddof=1) / np.sqrt(len(change))
    return change.mean(), change.mean() - half, change.mean() + half


@mutant(
    "paired_interval",
    "it uses 1.96 whatever t is, which is too narrow for few seeds",
    loses=["low", "high"],
)
def always_normal(before, after, t):
    change = after - before
    half = 1.96 * change.std(ddof=1) / np.sqrt(len(change))
    return change.mean(), change.mean() - half, change.mean() + half


@mutant("paired_interval", "it gives the upper limit before the lower one", loses=["low", "high"])
def upper_first(before, after, t):
    change = after - before
    half = t * change.std(ddof=1) / np.sqrt(len(change))
    return change.mean(), change.mean() + half, change.mean() - half


# --- rulers


@alternative("rulers")
def from_errors(a, b, chance):
    errors = [1 - a, 1 - b]
    gap = errors[1] - errors[0]
    return np.array([gap, errors[1] / errors[0], gap / (1 - chance - errors[0])])


@alternative("rulers")
def share_from_what_is_left(a, b, chance):
    return [a - b, (1.0 - b) / (1.0 - a), 1 - (b - chance) / (a - chance)]


@mutant("rulers", "it drops the sign of the gap", loses=["sign"])
def without_sign(a, b, chance):
    return abs(a - b), (1 - b) / (1 - a), abs(a - b) / (a - chance)


@mutant("rulers", "its gap is the second group's accuracy less the first's", loses=["gap", "sign"])
def second_less_first(a, b, chance):
    return b - a, (1 - b) / (1 - a), (a - b) / (a - chance)


@mutant("rulers", "its ratio is one of accuracies, not of errors", loses=["ratio"])
def ratio_of_accuracies(a, b, chance):
    return a - b, b / a, (a - b) / (a - chance)


@mutant("rulers", "it divides the first group's errors by the second's", loses=["ratio"])
def ratio_inverted(a, b, chance):
    return a - b, (1 - a) / (1 - b), (a - b) / (a - chance)


@mutant(
    "rulers",
    "its headroom reaches down to 0, though a guess is right now and then",
    loses=["headroom"],
)
def headroom_to_zero(a, b, chance):
    return a - b, (1 - b) / (1 - a), (a - b) / a


@mutant("rulers", "its headroom reaches up to a perfect score", loses=["headroom"])
def headroom_above(a, b, chance):
    return a - b, (1 - b) / (1 - a), (a - b) / (1 - chance)


@mutant("rulers", "it takes the headroom of the worse group", loses=["headroom"])
def headroom_of_the_worse(a, b, chance):
    return a - b, (1 - b) / (1 - a), (a - b) / (b - chance)


# --- exemplars


@alternative("exemplars")
def by_sorted_votes(before, after):
    found = []
    for i in range(before.shape[1]):
        answers = []
        for predicted in (before, after):
            votes = predicted[:, i].tolist()
            answers.append(min(votes, key=lambda c, votes=votes: (-votes.count(c), c)))
        if answers[0] != answers[1]:
            found.append(i)
    return found


@alternative("exemplars")
def by_table_of_votes(before, after):
    classes = np.arange(max(before.max(), after.max()) + 1)[:, None, None]
    first, second = ((p == classes).sum(axis=1).argmax(axis=0) for p in (before, after))
    return np.where(first != second)[0]


@mutant(
    "exemplars",
    "it returns every example on which some network has changed its mind",
    loses=["body", "ties", "none"],
)
def any_network(before, after):
    return np.flatnonzero((before != after).any(axis=0))


@mutant("exemplars", "it asks the first network alone", loses=["body", "ties", "none"])
def first_network(before, after):
    return np.flatnonzero(before[0] != after[0])


@mutant(
    "exemplars",
    "it asks whether most networks have changed, not whether the body has",
    loses=["body", "ties", "none"],
)
def most_have_changed(before, after):
    return np.flatnonzero((before != after).mean(axis=0) > 0.5)


@mutant("exemplars", "of classes that tie it takes the largest", loses=["ties"])
def largest_of_a_tie(before, after):
    def body(predicted):
        top = predicted.max()
        return np.array([top - np.bincount(top - column).argmax() for column in predicted.T])

    return np.flatnonzero(body(before) != body(after))


@mutant(
    "exemplars",
    "it averages the class numbers, which are names and no quantities",
    loses=["body", "ties", "none"],
)
def mean_class(before, after):
    return np.flatnonzero(~np.isclose(before.mean(axis=0), after.mean(axis=0)))


@mutant(
    "exemplars",
    "it returns True or False for each example instead of indices",
    loses=["clear", "body", "ties", "none", "unchanged"],
)
def as_a_mask(before, after):
    def body(predicted):
        return np.array([np.bincount(column).argmax() for column in predicted.T])

    return body(before) != body(after)


@mutant("exemplars", "it sorts the votes in the arrays it was given", loses=["unchanged"])
def exemplars_in_place(before, after):
    before[:] = np.sort(before, axis=0)[::-1]
    after[:] = np.sort(after, axis=0)[::-1]
    first, second = (np.array([np.bincount(c).argmax() for c in p.T]) for p in (before, after))
    return np.flatnonzero(first != second)


# --- report_card


@alternative("report_card")
def card_by_loops(y, group, before, after):
    lost, won, hits, members = [0, 0], [0, 0], [[0, 0], [0, 0]], [0, 0]
    for right, g, old, new in zip(*(a.tolist() for a in (y, group, before, after)), strict=True):
        members[g] += 1
        hits[0][g] += old == right
        hits[1][g] += new == right
        lost[g] += old == right != new
        won[g] += old != right == new
    return {
        "won": won,
        "lost": lost,
        "gap": [h[0] / members[0] - h[1] / members[1] for h in hits],
        "overall": [sum(h) / sum(members) for h in hits],
    }


@alternative("report_card")
def card_by_tables(y, group, before, after):
    members = np.eye(2)[group]
    old, new = (before == y).astype(float), (after == y).astype(float)
    rates = np.stack([old, new]) @ members / members.sum(axis=0)
    return dict(
        overall=(old.mean(), new.mean()),
        gap=rates[:, 0] - rates[:, 1],
        lost=(old * (1 - new)) @ members,
        won=(new * (1 - old)) @ members,
    )


@mutant(
    "report_card",
    "it nets off what was lost and what was won, so that a swap looks like nothing",
    loses=["lost", "won"],
)
def netted(y, group, before, after):
    right = [before == y, after == y]
    net = [int((right[0] * 1 - right[1])[group == g].sum()) for g in (0, 1)]
    return {
        "overall": [r.mean() for r in right],
        "gap": [r[group == 0].mean() - r[group == 1].mean() for r in right],
        "lost": [max(n, 0) for n in net],
        "won": [max(-n, 0) for n in net],
    }


@mutant(
    "report_card",
    "its overall accuracy is the mean of the two groups' accuracies",
    loses=["overall"],
)
def overall_of_groups(y, group, before, after):
    right = [before == y, after == y]
    return {
        "overall": [(r[group == 0].mean() + r[group == 1].mean()) / 2 for r in right],
        "gap": [r[group == 0].mean() - r[group == 1].mean() for r in right],
        "lost": [int((right[0] & ~right[1])[group == g].sum()) for g in (0, 1)],
        "won": [int((right[1] & ~right[0])[group == g].sum()) for g in (0, 1)],
    }


@mutant("report_card", "its gap is the minority's accuracy less the majority's", loses=["gap"])
def gap_the_other_way(y, group, before, after):
    right = [before == y, after == y]
    return {
        "overall": [r.mean() for r in right],
        "gap": [r[group == 1].mean() - r[group == 0].mean() for r in right],
        "lost": [int((right[0] & ~right[1])[group == g].sum()) for g in (0, 1)],
        "won": [int((right[1] & ~right[0])[group == g].sum()) for g in (0, 1)],
    }


@mutant(
    "report_card",
    "it gives shares of what was lost and won, not how many",
    loses=["lost", "won"],
)
def shares_not_counts(y, group, before, after):
    right = [before == y, after == y]
    return {
        "overall": [r.mean() for r in right],
        "gap": [r[group == 0].mean() - r[group == 1].mean() for r in right],
        "lost": [(right[0] & ~right[1])[group == g].mean() for g in (0, 1)],
        "won": [(right[1] & ~right[0])[group == g].mean() for g in (0, 1)],
    }


@mutant(
    "report_card",
    "it counts a changed prediction as lost or won, though one wrong answer may become another",
    loses=["lost", "won"],
)
def changed_is_lost(y, group, before, after):
    right = [before == y, after == y]
    changed = before != after
    return {
        "overall": [r.mean() for r in right],
        "gap": [r[group == 0].mean() - r[group == 1].mean() for r in right],
        "lost": [int((changed & ~right[1])[group == g].sum()) for g in (0, 1)],
        "won": [int((changed & ~right[0])[group == g].sum()) for g in (0, 1)],
    }


@mutant(
    "report_card",
    "it has a key of its own besides the four",
    loses=["keys"],
)
def one_key_more(y, group, before, after):
    right = [before == y, after == y]
    return {
        "overall": [r.mean() for r in right],
        "gap": [r[group == 0].mean() - r[group == 1].mean() for r in right],
        "lost": [int((right[0] & ~right[1])[group == g].sum()) for g in (0, 1)],
        "won": [int((right[1] & ~right[0])[group == g].sum()) for g in (0, 1)],
        "change": right[1].mean() - right[0].mean(),
    }
