"""The checks of assignment 12. Secret: `course release` hands out the visible ones only.

Uniform numbers keep away from p, and sums of epsilons are exact, so rounding decides nothing.
"""

import math

import numpy as np

from course_lib.grading import Check, Task, attr, call, module, name

LN3 = math.log(3)  # p = 3/4


def part(function, number, *args):
    """One entry of the tuple that a function returns."""
    return call(attr(module("operator"), "getitem"), call(name(function), *args), number)


def coins(rng, shape, p, near):
    """Uniform numbers on either side of p: far from it, or close to it and some way below."""
    lie = rng.permutation(np.arange(math.prod(shape)) % 2 == 0)
    if near:
        off = rng.uniform(0.02, 0.04, lie.shape)
        below = p - np.where(rng.random(lie.shape) < 0.5, off, 0.18)
        found = np.where(lie, p + off * (1 - p) / 0.3, below)
    else:
        found = np.where(lie, rng.uniform(0.87, 0.99, lie.shape), rng.uniform(0.02, 0.5, lie.shape))
    return found.reshape(shape)


def tosses(shapes, *, epsilons=(LN3,), near=False, fixed=None):
    """Calls of randomised_response with truths and lies; all bits alike if fixed."""

    def cases(rng):
        found = []
        for shape, epsilon in zip(shapes, epsilons * len(shapes), strict=False):
            half = np.arange(math.prod(shape)) // 2 % 2 == 0
            bits = rng.permutation(half) if fixed is None else np.full(half.shape, fixed)
            p = math.exp(epsilon) / (1 + math.exp(epsilon))
            found.append((bits.reshape(shape), coins(rng, shape, p, near), epsilon))
        return found

    return cases


RANDOMISED_RESPONSE = Task(
    "randomised_response",
    [
        Check(
            "first",
            "tells the truth well below p and the opposite well above",
            1.5,
            tosses([(4,), (6,), (9,)]),
            visible=True,
        ),
        Check(
            "formula",
            "lets epsilon decide how often",
            1.5,
            tosses([(6,), (8,), (9,), (7,)], epsilons=(0.25, 0.75, 1.5, 2.5), near=True),
            visible=True,
        ),
        Check(
            "alike",
            "can lie about a yes as about a no",
            0.5,
            lambda rng: (
                tosses([(5,), (6,)], fixed=False)(rng) + tosses([(5,), (6,)], fixed=True)(rng)
            ),
        ),
        Check("tables", "works on tables", 0.5, tosses([(3, 4), (2, 5), (2, 2, 3)])),
        Check(
            "unchanged",
            "is right, and leaves its inputs as they were",
            1,
            tosses([(6,), (8,)]),
            unchanged=True,
        ),
    ],
)


def ballots(rng, count, yes):
    """Reports with so many yes."""
    return rng.permutation(np.arange(count) < yes)


def estimates(number, sizes, shares, epsilons=(LN3, 0.5, 2.0, 1.0)):
    """Calls that ask for the share (0) or its error (1)."""

    def cases(rng):
        found = []
        for size, share, epsilon in zip(sizes, shares, epsilons, strict=False):
            yes = min(max(round(share * size) + int(rng.integers(-1, 2)), 0), size)
            found.append(part("estimate", number, ballots(rng, size, yes), epsilon))
        return found

    return cases


ESTIMATE = Task(
    "estimate",
    [
        Check(
            "share",
            "takes the lies out of the share",
            2,
            estimates(0, (20, 25, 40), (0.6, 0.45, 0.35)),
            visible=True,
        ),
        Check(
            "outside",
            "lets an estimate fall outside 0 to 1",
            1,
            estimates(0, (12, 15, 20), (0.1, 0.95, 0.08)),
        ),
        Check(
            "error",
            "knows the error of the estimate",
            1.5,
            estimates(1, (4, 9, 30), (0.75, 0.4, 0.7)),
            visible=True,
        ),
        Check(
            "agreement",
            "knows that coins err even where all reports agree",
            0.5,
            lambda rng: [
                part("estimate", 1, np.full(int(rng.integers(5, 30)), said), epsilon)
                for said in (True, False)
                for epsilon in (LN3, 0.7)
            ],
        ),
    ],
)


def votes(sizes, keeps, *, even=False, low=False):
    """Calls of private_vote; shares of yes all differ, and the many yes are not the large shares.

    The same holds for yes minus no. With `low`, all shares are below a half.
    """

    def uneven(rng, size, k):
        while True:
            asked = rng.choice(np.arange(6, 60), size, replace=False)
            most = 0.45 if low else 0.95
            share = np.linspace(most, 0.1, size) + rng.uniform(-0.02, 0.02, size)
            yes = np.clip(np.round(share * asked), 1, asked).astype(int)
            order = rng.permutation(size)
            asked, yes = asked[order], yes[order]
            rules = yes / asked, yes, 2 * yes - asked
            apart = len({frozenset(np.argsort(-by)[:k].tolist()) for by in rules}) == len(rules)
            if len(set(yes / asked)) == size and (apart or not 0 < k < size):
                return asked, yes

    def cases(rng):
        found = []
        for size, k in zip(sizes, keeps, strict=True):
            if even:
                asked = np.full(size, 2 * size + 2)
                yes = rng.permutation(2 * size)[:size] + 1
            else:
                asked, yes = uneven(rng, size, k)
            places = np.repeat(np.arange(size), asked)
            reports = np.concatenate([ballots(rng, a, y) for a, y in zip(asked, yes, strict=True)])
            order = rng.permutation(len(places))
            found.append((places[order], reports[order], size, k))
        return found

    return cases


PRIVATE_VOTE = Task(
    "private_vote",
    [
        Check(
            "even",
            "keeps the places with most yes where all were asked equally often",
            1.5,
            votes((4, 5, 6), (2, 2, 4), even=True),
            visible=True,
        ),
        Check(
            "uneven",
            "goes by shares, not by numbers, where some were asked more often",
            1.5,
            votes((4, 5, 7), (1, 2, 3)),
            visible=True,
        ),
        Check(
            "low", "keeps k places, however small the shares", 0.5, votes((5, 6), (2, 3), low=True)
        ),
        Check("all", "keeps none or all if asked to", 0.5, votes((3, 4, 5), (0, 4, 2))),
    ],
)  # fmt: skip


def sixteenths(rng, low, high, count):
    return [int(n) / 16 for n in rng.integers(low, high, count)]


def ledgers(number, *, exact=False, empty=False):
    """Calls that ask for what is spent (0) or for what can follow (1)."""

    def cases(rng):
        found = []
        for count in (2, 3, 5, 4):
            spent = [] if empty else sixteenths(rng, 2, 9, count)
            epsilon = sixteenths(rng, 3, 8, 1)[0]
            left = epsilon * int(rng.integers(1, 6))
            if not exact:
                left += 1 / 16 * int(rng.integers(1, 3))
            found.append(part("account", number, spent, sum(spent) + left, epsilon))
        return found

    return cases


def nothing_left(rng):
    """Too little is left for another answer, or just enough for one."""
    found = []
    for enough in rng.permutation([False, True] * 4).tolist():
        spent, epsilon = sixteenths(rng, 2, 9, 3), sixteenths(rng, 4, 8, 1)[0]
        left = epsilon if enough else epsilon - 1 / 16
        found.append(part("account", 1, spent, sum(spent) + left, epsilon))
    return found


ACCOUNT = Task(
    "account",
    [
        Check("sum", "adds up what was spent", 1, ledgers(0), visible=True),
        Check("more", "counts the answers that are paid for where something stays over", 1,
              ledgers(1), visible=True),
        Check("exact", "lets the total be spent to the last bit", 0.5, ledgers(1, exact=True)),
        Check("last", "knows whether one more answer can be paid for", 0.5, nothing_left),
    ],
)  # fmt: skip


def one_person(rng):
    """Equal requests to one person: some are answered, then no more."""
    found = []
    for count in (4, 5, 6):
        price = int(rng.integers(3, 7))
        total = price * int(rng.integers(2, count - 1)) + int(rng.integers(1, price))
        found.append((total / 16, [("ann", price / 16)] * count))
    return found


def to_the_last_bit(rng):
    found = []
    for count in (3, 4, 5):
        price = int(rng.integers(2, 7))
        known = int(rng.integers(2, count))
        found.append((price * known / 16, [("eve", price / 16)] * count))
    return found


def cheaper_later(rng):
    """A request that is refused, then one that can be paid if the refusal was free."""
    found = []
    for who in ("ann", "bob", "eve"):
        first, rest = int(rng.integers(4, 9)), int(rng.integers(3, 7))
        small = int(rng.integers(1, rest))
        prices = [first, rest + int(rng.integers(1, 4)), small, rest]
        found.append(((first + rest) / 16, [(who, n / 16) for n in prices]))
    return found


def several_people(rng):
    """Requests to several people in turn; each has a budget of their own."""
    found = []
    for people in (["ann", "bob"], ["eve", "ann", "bob"], ["bob", "eve"]):
        price = int(rng.integers(3, 7))
        total = 2 * price + int(rng.integers(1, price))
        asked = [str(who) for who in rng.permutation(people * 3)]
        found.append((total / 16, [(who, price / 16) for who in asked]))
    return found


ANSWERED = Task(
    "answered",
    [
        Check("one", "answers until too little is left", 1.5, one_person, visible=True),
        Check(
            "people", "gives every person a budget of their own", 1, several_people, visible=True
        ),
        Check("exact", "lets the total be spent to the last bit", 1, to_the_last_bit),
        Check(
            "refusals", "lets a refusal cost nothing, and end nothing", 1, cheaper_later
        ),
        Check(
            "empty",
            "returns an empty list where nobody asks, and only there",
            0.5,
            lambda rng: [(1.0, []), (0.5, [("ann", 0.25), ("ann", 0.5)])],
        ),
    ],
)  # fmt: skip

TASKS = [RANDOMISED_RESPONSE, ESTIMATE, PRIVATE_VOTE, ACCOUNT, ANSWERED]
