"""Fairness: MetricFrame against counting by hand; networks before and after."""

import math
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from course_lib.labs import fairness as lab
from course_lib.labs.people import scrambled, with_minority
from course_lib.training.fit import Recipe
from tests.labs.test_people import toy


@st.composite
def answers(draw, groups="abc", networks=None):
    """Right classes, predictions of some networks, groups and weights."""
    n = draw(st.integers(2, 12))
    S = networks or draw(st.integers(1, 4))
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    named = rng.choice(list(groups), n)
    return rng.integers(0, 3, n), rng.integers(0, 3, (S, n)), named, rng.uniform(0.1, 3, n)


# Measures


@settings(max_examples=25)
@given(answers())
def test_accuracies_are_counted(case):
    y, predicted, group, weight = case
    found = lab.accuracies(y, predicted, group, weight)
    assert set(found) == {*group, "overall"}
    for name, seen in found.items():
        own = [i for i in range(len(y)) if name in (group[i], "overall")]
        for row, accuracy in zip(predicted, seen, strict=True):
            right = sum(weight[i] for i in own if row[i] == y[i])
            assert accuracy == pytest.approx(right / sum(weight[i] for i in own))


def test_overall_is_no_average_of_averages():
    y, group = np.zeros(10, dtype=int), ["a"] * 9 + ["b"]
    found = lab.accuracies(y, [[0] * 9 + [1]], group)
    assert (found["a"][0], found["b"][0], found["overall"][0]) == (1, 0, 0.9)
    balanced = lab.accuracies(y, [[0] * 9 + [1]], group, weight=[1 / 9] * 9 + [1])
    assert balanced["overall"][0] == pytest.approx(0.5)


def test_many_networks_keep_their_order():
    """More than ten, where names of networks would sort 10 before 2."""
    y = np.zeros(12, dtype=int)
    predicted = np.array([[0] * s + [1] * (12 - s) for s in range(12)])
    found = lab.accuracies(y, predicted, ["a"] * 12)
    assert found["a"] == pytest.approx(np.arange(12) / 12)


def test_classes_can_be_groups():
    y = np.array([0, 0, 1, 1, 1])
    found = lab.accuracies(y, [[0, 1, 1, 1, 0]], y)
    assert found["0"][0] == 0.5 and found["1"][0] == pytest.approx(2 / 3)


@settings(max_examples=15)
@given(answers(networks=3))
def test_accuracy_falls_by_what_is_lost_less_what_is_won(case):
    y, before, group, _ = case
    after = np.roll(before, 1, axis=1)
    gone, won = lab.lost(y, before, after), lab.lost(y, after, before)
    assert not (gone & won).any()
    fall = lab.accuracies(y, before, group)["overall"] - lab.accuracies(y, after, group)["overall"]
    assert fall == pytest.approx(gone.mean(axis=1) - won.mean(axis=1))


@given(answers())
def test_a_body_answers_with_its_most_common_class(case):
    _, predicted, *_ = case
    for column, answer in zip(predicted.T, lab.body(predicted), strict=True):
        count = Counter(column.tolist())
        assert answer == min(c for c in count if count[c] == max(count.values()))
    assert (lab.body(predicted) == stats.mode(predicted, axis=0).mode).all()


def test_exemplars_by_hand():
    before = [[0, 1, 2], [0, 1, 2], [1, 1, 0]]
    after = [[0, 2, 0], [1, 2, 2], [0, 2, 2]]
    assert lab.exemplars(before, after).tolist() == [1]  # a single network's change is no change


def test_margins_foretell_what_they_were_counted_on():
    margin, right = np.array([[-1.0, 0.5, 2.0, 0.4]]), np.array([[False, True, True, False]])
    found = lab.rates(margin, right, np.array([0.0, 1.0]))
    assert found.tolist() == [0, 0.5, 1]
    assert lab.foretold(margin, np.array([0.0, 1.0]), found)[0] == right.mean()
    assert lab.foretold(np.array([[3.0, 3.0, -1.0]]), np.array([0.0, 1.0]), found) == [2 / 3]


def test_margins_that_do_not_matter_foretell_the_plain_rate():
    """An independent route: outcomes of a known law, integrated over another group's margins."""
    rng = np.random.default_rng(0)
    others, own = rng.normal(1, 1, (1, 200_000)), rng.normal(0, 1, (1, 50_000))
    right = rng.uniform(size=others.shape) < stats.norm.cdf(others)
    edges = np.quantile(own, np.linspace(0, 1, 41)[1:-1])
    found = lab.foretold(own, edges, lab.rates(others, right, edges))[0]
    assert found == pytest.approx(0.5, abs=0.01)  # the mean of cdf(z) over a normal z


# Networks, before and after


def test_dense_networks_first_and_each_density_as_asked():
    seen = []

    class Spy:
        def __call__(self, model, mask=None, *, round=0, start=0, stop=None, on_step=None):
            seen.append((round, None if mask is None else mask.density))
            (mask or lab.Mask({})).apply_(model)

    model = lab.Replicas.of((4, 6, 3), [0])
    assert len(list(lab.in_rounds(model, Spy(), [0.5, 0.25]))) == 3
    assert [r for r, _ in seen] == [0, 1, 2]
    assert [d for _, d in seen] == pytest.approx([1, 0.5, 0.25], abs=0.02)
    seen.clear()
    assert len(list(lab.at_one_stroke(model, Spy(), [0.5, 0.25]))) == 3
    # One training for all; then each, the dense one too, has another: the same batches.
    assert [r for r, _ in seen] == [0, 1, 1, 1]
    assert [d for _, d in seen[1:]] == pytest.approx([1, 0.5, 0.25], abs=0.02)


def test_rounds_begin_again_and_a_stroke_goes_on():
    begun = []

    def train(model, mask=None, *, round=0, start=0, stop=None, on_step=None):
        begun.append(model.state_dict()["0.weight"].clone())
        for parameter in model.parameters():
            parameter.data.mul_(2)
        (mask or lab.Mask({})).apply_(model)

    start = lab.Replicas.of((4, 6, 3), [0]).state_dict()["0.weight"].clone()
    list(lab.in_rounds(lab.Replicas.of((4, 6, 3), [0]), train, [0.5]))
    again = begun[1]  # a cut rewinds to the initial values; the mask is the trainer's to hold
    assert torch.equal(begun[0], start) and torch.equal(again, start)
    begun.clear()
    list(lab.at_one_stroke(lab.Replicas.of((4, 6, 3), [0]), train, [0.5]))
    assert torch.equal(begun[1], 2 * start) and torch.equal(begun[2], 2 * start)


@pytest.mark.parametrize("way", [lab.in_rounds, lab.at_one_stroke])
def test_logits_are_of_networks_as_dense_as_asked(way):
    data = toy(n=240)

    def make(seed):
        return with_minority(data, scrambled, share=0.2, seed=seed)

    found = lab.logits(make, way, [0.5, 0.0], [3, 4], recipe=Recipe(steps=150), hidden=(8,))
    assert found.shape == (3, 2, 120, 3)
    right = (found.argmax(dim=-1) == make(0).y_test).double()
    assert (right[0, :, :60].mean(dim=-1) > 0.6).all()  # of the majority; chance is a third
    # With no weight left all inputs give the same logits; before that they do not.
    assert torch.equal(found[2, 0, 0], found[2, 0, 7]) and not torch.equal(*found[1, 0, :2])
    again = lab.logits(make, way, [0.5, 0.0], [3], recipe=Recipe(steps=150), hidden=(8,))
    assert torch.equal(again[:, 0], found[:, 0]) and not torch.equal(found[0, 0], found[0, 1])


# What cannot be


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: lab.accuracies([0, 1], [[0.5, 1.0]], ["a", "b"]), "argmax"),
        (lambda: lab.accuracies([0, 1], [0, 1], ["a", "b"]), "row for each network"),
        (lambda: lab.accuracies([], np.zeros((1, 0), dtype=int), []), "predictions"),
        (lambda: lab.accuracies([0, 1], [[0, 1]], ["a"]), "group"),
        (lambda: lab.accuracies([0, 1], [[0, 1]], ["a", "overall"]), "another name"),
        (lambda: lab.accuracies([0, 1], [[0, 1]], ["a", "b"], [1.0]), "weight"),
        (lambda: lab.accuracies([0, 1], [[0, 1]], ["a", "b"], [1, math.nan]), "positive"),
        (lambda: lab.lost([0, 1], [[0, 1]], [[0, 1], [1, 1]]), "same ones"),
        (lambda: lab.exemplars([[0, 1]], [[0, 1, 1]]), "same examples"),
        (lambda: lab.body([[-1, 0]]), "classes"),
        (lambda: lab.rates(np.ones((1, 3)), np.ones((1, 3)), np.array([2.0])), "fewer bins"),
        (lambda: lab.rates(np.array([math.nan]), np.ones(1), np.array([2.0])), "finite"),
    ],
)
def test_errors_say_what_was_expected(call, words):
    with pytest.raises(ValueError, match=words):
        call()
