"""Enumeration against Fractions and known counts; labels by chance against their law."""

import math
from collections import Counter
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.optimize import linprog
from sklearn.neighbors import KNeighborsClassifier

from course_lib.labs import no_free_lunch as lab


def test_the_cube_counts_in_binary():
    assert lab.cube(3).tolist() == [[int(b) for b in f"{i:03b}"] for i in range(8)]


@pytest.mark.parametrize("bits", [0, 17])
def test_a_cube_that_cannot_be_is_refused(bits):
    with pytest.raises(ValueError, match="bits"):
        lab.cube(bits)


@pytest.mark.parametrize("points, classes", [(1, 2), (3, 2), (2, 5)])
def test_labellings_are_all_and_each_once(points, classes):
    found = lab.labellings(points, classes)
    assert len(found) == len(found.unique(dim=0)) == classes**points
    powers = torch.tensor([classes**i for i in reversed(range(points))])
    assert (found @ powers).tolist() == list(range(classes**points))


@pytest.mark.parametrize("points, classes", [(0, 2), (3, 1), (20, 2), (7, 10)])
def test_labellings_without_sense_or_end_are_refused(points, classes):
    with pytest.raises(ValueError, match="points"):
        lab.labellings(points, classes)


def by_hand(learner, X, seen, classes):
    """Hits in every world, one after another, keyed by the world."""
    hidden = [i for i in range(len(X)) if i not in seen]
    found = {}
    for world in product(range(classes), repeat=len(X)):
        y = torch.tensor(world)
        told = learner(X[seen], y[seen], X[hidden])
        found[world] = sum(int(a == b) for a, b in zip(told, y[hidden], strict=True))
    return found, hidden


@pytest.mark.parametrize("seen", [[0], [6, 1], [2, 0, 7, 5], [0, 1, 2, 3, 4, 5, 6]])
@pytest.mark.parametrize("learner", [lab.nearest, lab.majority, lab.contrary(lab.nearest)])
def test_worlds_agree_with_one_world_after_another(learner, seen):
    X = lab.cube(3)
    hits = lab.worlds(learner, X, seen)
    found, hidden = by_hand(learner, X, seen, 2)
    for world, count in found.items():
        row = int("".join(str(world[i]) for i in seen), 2)
        column = int("".join(str(world[i]) for i in hidden), 2)
        assert hits[row, column] == count


@settings(max_examples=40, deadline=None)
@given(
    bits=st.integers(1, 3), classes=st.integers(2, 3), picked=st.data(), seed=st.integers(0, 999)
)
def test_any_learner_at_all_hits_one_in_c_and_by_the_binomial_law(bits, classes, picked, seed):
    X = lab.cube(bits)
    order = picked.draw(st.permutations(range(len(X))))
    seen = order[: picked.draw(st.integers(1, len(X) - 1))]
    table = {}  # a learner without any sense, but a function of what it is shown
    rng = np.random.default_rng(seed)

    def senseless(X, y, X_new):
        key = tuple(y.tolist())
        table.setdefault(key, torch.tensor(rng.integers(0, classes, len(X_new))))
        return table[key]

    hits = lab.worlds(senseless, X, seen, classes)
    unseen = len(X) - len(seen)
    assert Fraction(int(hits.sum()), hits.numel() * unseen) == Fraction(1, classes)
    counts = Counter(hits.flatten().tolist())
    for h in range(unseen + 1):
        expected = classes ** len(seen) * math.comb(unseen, h) * (classes - 1) ** (unseen - h)
        assert counts[h] == expected


def test_a_learner_that_peeks_is_not_average():
    """The test above can fail: a learner told the truth hits always."""
    X, columns = lab.cube(2), lab.labellings(2)
    assert (lab.worlds(lambda X, y, new: columns[3], X, [0, 1])[:, 3] == 2).all()


@pytest.mark.parametrize("seen", [[], [0, 0], [4], [-1], [0, 1, 2, 3]])
def test_points_that_cannot_be_seen_are_refused(seen):
    with pytest.raises(ValueError, match="seen"):
        lab.worlds(lab.nearest, lab.cube(2), seen)


@pytest.mark.parametrize("told", [[0], [0, 1, 1], [0, 2], [0, -1]])
def test_a_learner_that_answers_something_else_is_refused(told):
    with pytest.raises(ValueError, match="learner"):
        lab.worlds(lambda X, y, new: torch.tensor(told), lab.cube(2), [0, 1])


def test_too_many_worlds_are_refused_before_the_learner_is_asked():
    with pytest.raises(ValueError, match="labellings"):
        lab.worlds(lambda *_: 1 / 0, lab.cube(4), [0, 1], classes=3)


def separable(X, y):
    """Whether some plane separates, by linear programming."""
    sign = np.where(y, 1.0, -1.0)
    rows = -sign[:, None] * np.c_[X, np.ones(len(X))]
    return linprog(np.zeros(X.shape[1] + 1), rows, -np.ones(len(X)), bounds=(None, None)).success


@pytest.mark.parametrize("bits, known", [(1, 4), (2, 14), (3, 104)])
def test_linear_rules_are_those_that_a_plane_can_draw(bits, known):
    X = lab.cube(bits)
    drawn = {tuple(row) for row in lab.linear_rules(X).tolist()}
    every = lab.labellings(len(X)).tolist()
    assert drawn == {tuple(y) for y in every if separable(X.numpy(), np.array(y))}
    assert len(drawn) == len(lab.linear_rules(X)) == known


@pytest.mark.parametrize("X", [lab.cube(4), torch.tensor([[0, 2]])])
def test_linear_rules_of_other_points_are_refused(X):
    with pytest.raises(ValueError, match="X"):
        lab.linear_rules(X)


def test_nearest_agrees_with_another_library():
    rng = np.random.default_rng(0)
    X, new, y = rng.normal(size=(40, 3)), rng.normal(size=(25, 3)), rng.integers(0, 4, 40)
    theirs = KNeighborsClassifier(1).fit(X, y).predict(new)
    ours = lab.nearest(torch.tensor(X), torch.tensor(y), torch.tensor(new))
    assert ours.tolist() == theirs.tolist()


def test_of_equally_near_examples_the_first_is_believed():
    X = torch.tensor([[1, 1], [0, 1], [1, 0]])
    assert lab.nearest(X, torch.tensor([3, 2, 1]), torch.tensor([[0, 0]])).tolist() == [2]


def test_nearest_keeps_exact_ties_among_many_points():
    """Beyond 25 rows cdist would multiply matrices, and rounding would decide."""
    X = torch.arange(60).double().view(-1, 1) * 0.1
    middle = torch.tensor([[0.0]])
    both = torch.cat([X + 0.3, -(X + 0.3)])
    y = torch.arange(120)
    assert lab.nearest(both, y, middle).tolist() == [0]
    assert lab.nearest(both.flip(0), y, middle).tolist() == [59]


def test_majority_and_contrary():
    y = torch.tensor([2, 1, 1, 2, 0])
    X, new = torch.zeros(5, 1), torch.zeros(3, 1)
    assert lab.majority(X, y, new).tolist() == [1, 1, 1]
    assert lab.contrary(lab.majority, 3)(X, y, new).tolist() == [2, 2, 2]
    assert lab.contrary(lab.majority, 2)(X, y.clamp(max=1), new).tolist() == [0, 0, 0]


@pytest.mark.parametrize("chances", [[0.1] * 10, [0.7, 0.2, 0.1], [0, 0.5, 0, 0.5, 0], [1.0]])
def test_tossed_labels_follow_their_law(chances):
    y = lab.toss((40, 500), torch.tensor(chances), seed=3)
    counts = y.flatten().bincount(minlength=len(chances)).numpy()
    assert y.shape == (40, 500) and len(counts) == len(chances)
    possible = np.array(chances) > 0
    assert (counts[~possible] == 0).all()
    if possible.sum() > 1:
        expected = 20_000 * np.array(chances)[possible]
        assert stats.chisquare(counts[possible], expected).pvalue > 1e-4
    assert not torch.equal(y, lab.toss((40, 500), torch.tensor(chances), seed=4)) or chances == [1]
    assert torch.equal(y, lab.toss((40, 500), torch.tensor(chances), seed=3))


@pytest.mark.parametrize("chances", [[0.5, 0.6], [-0.1, 1.1], [float("nan"), 1], [[1.0]]])
def test_chances_that_are_none_are_refused(chances):
    with pytest.raises(ValueError, match="chances"):
        lab.toss((3,), torch.tensor(chances), seed=0)


@pytest.mark.parametrize("share", [0, 0.3, 1])
def test_the_share_of_labels_that_change_is_nine_tenths_of_those_replaced(share):
    y = torch.arange(20_000) % 10
    new = lab.replace_labels(y, share, seed=1)
    changed = int((new != y).sum())
    if share == 0:
        assert changed == 0
    else:
        assert stats.binomtest(changed, len(y), 0.9 * share).pvalue > 1e-4
        assert set(new.tolist()) == set(range(10))


def test_the_same_labels_are_replaced_first_as_the_share_grows():
    y = torch.zeros(2, 500, dtype=torch.int64)
    few, many = (lab.replace_labels(y, share, seed=5) for share in (0.2, 0.6))
    assert (many[few != y] == few[few != y]).all() and y.sum() == 0
    assert few.shape == y.shape and (few != y).sum() < (many != y).sum()


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_out_of_range_is_refused(share):
    with pytest.raises(ValueError, match="share"):
        lab.replace_labels(torch.zeros(3, dtype=torch.int64), share, seed=0)


def test_expected_accuracy_is_what_tossing_gives():
    chances = torch.tensor([0.6, 0.3, 0.1])
    predicted = torch.tensor([[0, 0, 1, 2], [2, 2, 2, 2]])
    found = lab.expected_accuracy(predicted, chances)
    assert found.tolist() == pytest.approx([(0.6 + 0.6 + 0.3 + 0.1) / 4, 0.1], abs=1e-7)
    tossed = lab.toss((50_000, 1, 4), chances, seed=0)
    assert (tossed == predicted).double().mean((0, 2)).tolist() == pytest.approx(
        found.tolist(), abs=0.006
    )
