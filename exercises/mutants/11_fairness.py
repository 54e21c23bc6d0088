"""Wrong versions of assignment 11, each a misconception; and right ones, written differently.

Each message completes "This looks like a known slip: ..." and is read by a student whose answers
are those of the mutant in every case.
"""

import numpy as np

from course_lib.grading import alternative, mutant, slip

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


unpaired = slip(
    "paired_interval",
    "it adds up the scatter of the two lists, as if they came from different seeds",
    swap=(
        "change.std(ddof=1) / np.sqrt(len(change))",
        "np.sqrt((before.var(ddof=1) + after.var(ddof=1)) / len(before))",
    ),
    loses=["low", "high", "steady"],
)
divides_by_n = slip(
    "paired_interval",
    "it divides by n where n - 1 belongs",
    swap=("change.std(ddof=1)", "change.std()"),
    loses=["low", "high"],
)
limits_of_one_seed = slip(
    "paired_interval",
    "it forgets the square root of n: these are limits for one seed, not for the mean",
    swap=("t * change.std(ddof=1) / np.sqrt(len(change))", "t * change.std(ddof=1)"),
    loses=["low", "high"],
)
wrong_way_round = slip(
    "paired_interval",
    "it takes before minus after",
    swap=("np.asarray(after) - before", "np.asarray(before) - after"),
    loses=["mean", "low", "high", "steady"],
)
always_normal = slip(
    "paired_interval",
    "it uses 1.96 whatever t is, which is too narrow for few seeds",
    swap=("t * change", "1.96 * change"),
    loses=["low", "high"],
)
upper_first = slip(
    "paired_interval",
    "it gives the upper limit before the lower one",
    swap=("mean - half, mean + half", "mean + half, mean - half"),
    loses=["low", "high"],
)


# --- rulers


@alternative("rulers")
def from_errors(a, b, chance):
    errors = [1 - a, 1 - b]
    gap = errors[1] - errors[0]
    return np.array([gap, errors[1] / errors[0], gap / (1 - chance - errors[0])])


@alternative("rulers")
def share_from_what_is_left(a, b, chance):
    return [a - b, (1.0 - b) / (1.0 - a), 1 - (b - chance) / (a - chance)]


without_sign = slip(
    "rulers",
    "it drops the sign of the gap",
    swaps=[
        ("return a - b", "return abs(a - b)"),
        ("(a - b) / (a - chance)", "abs(a - b) / (a - chance)"),
    ],
    loses=["sign"],
)
second_less_first = slip(
    "rulers",
    "its gap is the second group's accuracy minus the first's",
    swap=("return a - b", "return b - a"),
    loses=["gap", "sign"],
)
ratio_of_accuracies = slip(
    "rulers",
    "its ratio is one of accuracies, not of errors",
    swap=("(1 - b) / (1 - a)", "b / a"),
    loses=["ratio"],
)
ratio_inverted = slip(
    "rulers",
    "it divides the first group's errors by the second's",
    swap=("(1 - b) / (1 - a)", "(1 - a) / (1 - b)"),
    loses=["ratio"],
)
headroom_to_zero = slip(
    "rulers",
    "its headroom reaches down to 0, though a guess is right now and then",
    swap=("(a - chance)", "a"),
    loses=["headroom"],
)
headroom_above = slip(
    "rulers",
    "its headroom reaches up to a perfect score",
    swap=("(a - chance)", "(1 - chance)"),
    loses=["headroom"],
)
headroom_of_the_worse = slip(
    "rulers",
    "it takes the headroom of the worse group",
    swap=("(a - chance)", "(b - chance)"),
    loses=["headroom"],
)


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


any_network = slip(
    "exemplars",
    "it returns every example on which some network has changed its mind",
    swap=("body(before) != body(after)", "(before != after).any(axis=0)"),
    loses=["body", "ties", "none"],
)
first_network = slip(
    "exemplars",
    "it asks the first network alone",
    swap=("body(before) != body(after)", "before[0] != after[0]"),
    loses=["body", "ties", "none"],
)
most_have_changed = slip(
    "exemplars",
    "it asks whether most networks have changed, not whether the body has",
    swap=("body(before) != body(after)", "(before != after).mean(axis=0) > 0.5"),
    loses=["body", "ties", "none"],
)
largest_of_a_tie = slip(
    "exemplars",
    "of classes that tie it takes the largest",
    swap=(
        "np.bincount(column).argmax()",
        "predicted.max() - np.bincount(predicted.max() - column).argmax()",
    ),
    loses=["ties"],
)
mean_class = slip(
    "exemplars",
    "it averages the class numbers, which are names and no quantities",
    swap=("body(before) != body(after)", "~np.isclose(before.mean(axis=0), after.mean(axis=0))"),
    loses=["body", "ties", "none"],
)
as_a_mask = slip(
    "exemplars",
    "it returns True or False for each example instead of indices",
    swap=("np.flatnonzero(body(before) != body(after))", "body(before) != body(after)"),
    loses=["clear", "body", "ties", "none", "unchanged"],
)


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


netted = slip(
    "report_card",
    "it nets off what was lost and what was won, so that a swap looks like nothing",
    swaps=[
        ("int(lost[group == g].sum())", "max(int((lost * 1 - won)[group == g].sum()), 0)"),
        ("int(won[group == g].sum())", "max(int((won * 1 - lost)[group == g].sum()), 0)"),
    ],
    loses=["lost", "won"],
)
overall_of_groups = slip(
    "report_card",
    "its overall accuracy is the mean of the two groups' accuracies",
    swap=(
        "[r.mean() for r in right]",
        "[(r[group == 0].mean() + r[group == 1].mean()) / 2 for r in right]",
    ),
    loses=["overall"],
)
gap_the_other_way = slip(
    "report_card",
    "its gap is the minority's accuracy minus the majority's",
    swap=(
        "r[group == 0].mean() - r[group == 1].mean()",
        "r[group == 1].mean() - r[group == 0].mean()",
    ),
    loses=["gap"],
)
shares_not_counts = slip(
    "report_card",
    "it gives shares of what was lost and won, not how many",
    swaps=[
        ("int(lost[group == g].sum())", "lost[group == g].mean()"),
        ("int(won[group == g].sum())", "won[group == g].mean()"),
    ],
    loses=["lost", "won"],
)
changed_is_lost = slip(
    "report_card",
    "it counts a changed prediction as lost or won, though one wrong answer may become another",
    swap=(
        "right[0] & ~right[1], right[1] & ~right[0]",
        "(before != after) & ~right[1], (before != after) & ~right[0]",
    ),
    loses=["lost", "won"],
)
one_key_more = slip(
    "report_card",
    "it has a key of its own besides the four",
    swap=('"overall":', '"change": right[1].mean() - right[0].mean(), "overall":'),
    loses=["keys"],
)
