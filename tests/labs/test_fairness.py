"""Fairness: MetricFrame against counting by hand, made minorities, a made census, no network."""

import json
import math
import urllib.error
from collections import Counter

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from course_lib.labs import fairness as lab
from course_lib.training.data import Data, digits
from course_lib.training.fit import Recipe


@st.composite
def answers(draw, groups="abc", networks=None):
    """Right classes, predictions of some networks, groups and weights."""
    n = draw(st.integers(2, 12))
    S = networks or draw(st.integers(1, 4))
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    named = rng.choice(list(groups), n)
    return rng.integers(0, 3, n), rng.integers(0, 3, (S, n)), named, rng.uniform(0.1, 3, n)


def toy(n=40, features=4, seed=0):
    """Three classes that a straight line tells apart, all of one group."""
    g = torch.Generator().manual_seed(seed)
    X = torch.randn(n, features, generator=g)
    y = X[:, :3].argmax(dim=1)
    held = n // 4
    return Data(X[held:], y[held:], X[:held], y[:held])


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


# The report card


def test_report_card_by_hand():
    y, group = np.array([0, 0, 0, 0, 1, 1]), np.array(["a"] * 4 + ["b"] * 2)
    before = np.array([[0, 0, 0, 0, 1, 1], [0, 0, 0, 1, 1, 0]])
    after = np.array([[0, 0, 0, 1, 0, 1], [0, 0, 0, 1, 0, 0]])
    card = lab.report_card(
        y, group, before, after, density=0.1, groups=("a", "b"), weight=[1] * 4 + [2] * 2
    )
    assert (card["density"], card["networks"]) == (0.1, 2)
    assert card["accuracy"]["a"]["before"] == pytest.approx(7 / 8)
    assert card["accuracy"]["b"]["after"] == pytest.approx(1 / 4)
    assert card["accuracy"]["overall"]["before"] == pytest.approx((1 + 5 / 8) / 2)
    old, new = [1 - 1, 3 / 4 - 1 / 2], [3 / 4 - 1 / 2, 3 / 4 - 0]
    change = np.subtract(new, old)
    low, high = stats.ttest_1samp(change, 0).confidence_interval(0.95)
    assert card["gap"]["change"] == pytest.approx([change.mean(), low, high])
    assert card["gap"]["before"] == pytest.approx(np.mean(old))
    assert card["ratio of accuracies"] == pytest.approx({"before": 6 / 7, "after": 1 / 3})
    assert card["ratio of errors"] == pytest.approx({"before": 2, "after": 3})
    assert card["examples"]["a"]["lost"] == pytest.approx(1 / 8)
    assert card["examples"]["b"] == {"count": 2, "lost": 0.5, "won": 0.0, "exemplars": [4]}
    assert json.loads(json.dumps(card)) == card
    assert "| gap (points) | 12.5 | 50.0 | +37.5 [" in lab.card_table(card)


def test_a_group_that_never_errs_has_no_ratio_of_errors():
    y, group = np.zeros(4, dtype=int), np.array(["a", "a", "b", "b"])
    wrong = np.array([[0, 0, 0, 1]] * 2)
    card = lab.report_card(y, group, wrong, wrong, density=1, groups=("a", "b"))
    assert card["ratio of errors"] == {"before": None, "after": None}
    assert "| ratio of errors |  |  | |" in lab.card_table(card)


# Data with groups


def test_transposed_turns_rows_into_columns_and_back():
    X = torch.arange(18.0).view(2, 9)
    assert lab.transposed(X)[0].tolist() == [0, 3, 6, 1, 4, 7, 2, 5, 8]
    assert torch.equal(lab.transposed(lab.transposed(X)), X)


def test_scrambled_moves_features_alike():
    X = torch.arange(40.0).repeat(3, 1)
    moved = lab.scrambled(X)
    assert torch.equal(moved[0], moved[2]) and not torch.equal(moved, X)
    assert torch.equal(moved.sort(dim=1).values, X)


@pytest.mark.parametrize("share, seed", [(0.1, 0), (0.1, 1), (0.5, 3)])
def test_a_minority_is_changed_and_nothing_else(share, seed):
    data = digits()
    made = lab.with_minority(data, lab.transposed, share=share, seed=seed, names=("up", "turned"))
    turned = torch.from_numpy(made.group == "turned")
    assert int(turned.sum()) == round(share * len(data.X))
    assert torch.equal(made.X[~turned], data.X[~turned])
    assert torch.equal(made.X[turned], lab.transposed(data.X[turned]))
    assert torch.equal(made.y, data.y) and set(made.group) == {"up", "turned"}
    n = len(data.X_test)
    assert torch.equal(made.X_test[:n], data.X_test) and torch.equal(made.y_test[n:], data.y_test)
    assert torch.equal(made.X_test[n:], lab.transposed(data.X_test))
    assert (made.group_test == ["up"] * n + ["turned"] * n).all()
    by_group = made.weight_test.reshape(2, n).sum(axis=1)
    assert by_group / by_group.sum() == pytest.approx([1 - share, share])


def test_seeds_choose_other_members_and_the_data_stay_as_they_were():
    data = toy()
    kept = data.X.clone()
    members = {
        tuple(lab.with_minority(data, lab.scrambled, share=0.3, seed=s).group) for s in range(5)
    }
    assert len(members) == 5 and torch.equal(data.X, kept)


def people():
    """A made table, with words, numbers, a constant, and gaps in all of them."""
    frame = pd.DataFrame(
        {
            "age": [20.0, 30.0, np.nan, 50.0, 60.0, 40.0] * 5,
            "work": pd.Categorical(["farm", "shop", None, "farm", "shop", "farm"] * 5),
            "sex": ["F", "M", "M", "F", None, "M"] * 5,
            "one": 1,
        },
        index=range(100, 130),
    )
    earns = pd.Series(["<=50K", ">50K", ">50K"] * 10, index=frame.index).astype("category")
    return frame, earns


def test_a_table_becomes_numbers():
    frame, earns = people()
    made = lab.table(frame, earns, "sex", seed=0)
    assert made.X.shape[1] == 1 + 3 + 1  # age; farm, shop, missing; the constant. Not the sex.
    assert len(made.X) + len(made.X_test) == 25  # five have no group
    assert set(made.group) == {"F", "M"} and made.X.dtype == torch.float32
    everything = torch.cat([made.X, made.X_test])
    assert torch.isfinite(everything).all()
    assert (everything[:, 1:4].sum(dim=1) == 1).all() and (everything[:, 4] == 0).all()
    known = frame.loc[frame["sex"].notna(), "age"].to_numpy()
    order = np.random.default_rng(0).permutation(25)
    ages = known[order[round(0.3 * 25) :]]
    expected = (ages - np.nanmean(ages)) / np.nanstd(ages)
    assert np.allclose(made.X[:, 0].numpy(), np.nan_to_num(expected), atol=1e-6)
    rich = (earns[frame["sex"].notna()] == ">50K").to_numpy()[order]
    assert torch.cat([made.y_test, made.y]).numpy().astype(bool).tolist() == rich.tolist()
    assert (made.weight_test == 1).all()


@pytest.mark.parametrize(
    "values, kind",
    [
        (["<=50K", ">50K", None], object),
        (["<=50K", ">50K", None], "category"),
        (["<=50K", ">50K", None], "string"),
        ([0, 1, None], float),
        ([0, 1, None], "Int64"),
        ([False, True, None], "boolean"),
    ],
)
def test_who_has_no_outcome_is_left_out(values, kind):
    frame, _ = people()
    outcome = pd.Series(values * 10, index=frame.index).astype(kind)
    known = outcome.notna()
    made, expected = (
        lab.table(frame[rows], outcome[rows], "sex", seed=0) for rows in (slice(None), known)
    )
    assert len(made.X) + len(made.X_test) == (known & frame["sex"].notna()).sum() == 15
    assert torch.equal(made.X, expected.X) and torch.equal(made.y, expected.y)
    assert sorted(set(made.y.tolist())) == [0, 1]  # "missing" is no outcome


@pytest.mark.filterwarnings("error")
def test_missing_numbers_of_any_kind_become_the_mean():
    frame, earns = people()
    frame["count"] = pd.array([1, None, 3, 4, 5, 6] * 5, dtype="Int64")
    frame["owns"] = pd.array([True, None, False] * 10, dtype="boolean")
    frame["void"] = np.nan  # a column that nobody answered
    made = lab.table(frame, earns, "sex", seed=0)
    assert torch.isfinite(torch.cat([made.X, made.X_test])).all()
    assert (made.X[:, -1] == 0).all() and made.X[:, -3:-1].mean(dim=0).abs().max() < 1e-6


def test_the_census_takes_the_same_path(monkeypatch):
    frame, earns = people()
    asked = {}

    def fetch(**how):
        asked.update(how)
        return type("Bunch", (), {"data": frame, "target": earns})()

    monkeypatch.setattr(lab, "fetch_adult", fetch)
    made, expected = lab.census("sex", seed=3), lab.table(frame, earns, "sex", seed=3)
    assert torch.equal(made.X, expected.X) and (made.group_test == expected.group_test).all()
    assert asked["as_frame"] is True
    # ... and from there through training and pruning to a report card.
    found = lab.logits(
        lambda seed: made, lab.in_rounds, [0.5], [0, 1], recipe=Recipe(steps=20), hidden=(5,)
    )
    before, after = found.argmax(dim=-1).numpy()
    card = lab.report_card(
        made.y_test.numpy(), made.group_test, before, after, density=0.5, groups=("M", "F")
    )
    assert card["examples"]["F"]["count"] == (made.group_test == "F").sum()


@pytest.mark.parametrize("error", [urllib.error.URLError("no route"), TimeoutError("slow")])
def test_without_a_network_the_census_says_what_to_do(monkeypatch, error):
    def fetch(**how):
        raise error

    monkeypatch.setattr(lab, "fetch_adult", fetch)
    with pytest.raises(ConnectionError, match=r"not on this machine.*go on with the digits"):
        lab.census(seed=0)


def test_without_a_place_to_keep_it_the_census_says_what_to_do(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "file" / "below"))
    monkeypatch.setattr(lab, "fetch_adult", lambda **how: pytest.fail("fetched"))
    with pytest.raises(PermissionError, match="Name a folder that you may write to"):
        lab.census(seed=0)


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
        return lab.with_minority(data, lab.scrambled, share=0.2, seed=seed)

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
        (lambda: lab.transposed(torch.zeros(2, 8)), "square"),
        (lambda: lab.with_minority(toy(), lab.scrambled, share=0.001, seed=0), "share"),
        (lambda: lab.with_minority(toy(), lab.scrambled, share=1, seed=0), "share"),
        (lambda: lab.table(*people(), "height", seed=0), "height"),
        (lambda: lab.table(people()[0], people()[1][:4], "sex", seed=0), "4 outcomes"),
        (lambda: lab.table(people()[0][["sex"]], people()[1], "sex", seed=0), "to learn from"),
        (
            lambda: lab.table(people()[0], people()[1].mask(people()[1].notna()), "sex", seed=0),
            "no row has both",
        ),
        (lambda: lab.table(people()[0].assign(age=np.inf), people()[1], "sex", seed=0), "infinite"),
        (lambda: lab.table(*people(), "sex", seed=0, held=0.0), "both"),
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
        (
            lambda: lab.report_card(
                [0, 1], ["a", "b"], [[0, 1]] * 2, [[0, 1]] * 2, density=1, groups=("a", "c")
            ),
            "expected two of",
        ),
        (
            lambda: lab.report_card(
                [0, 1], ["a", "b"], [[0, 1]], [[0, 1]], density=1, groups=("a", "b")
            ),
            "at least two",
        ),
    ],
)
def test_errors_say_what_was_expected(call, words):
    with pytest.raises(ValueError, match=words):
        call()
