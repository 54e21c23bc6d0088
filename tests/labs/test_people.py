"""People: made minorities, a made census, no network; tables of every kind of column."""

import urllib.error

import numpy as np
import pandas as pd
import pytest
import torch

from course_lib.labs import fairness
from course_lib.labs import people as lab
from course_lib.labs.report_card import group_card
from course_lib.training.data import Data, digits
from course_lib.training.fit import Recipe


def toy(n=40, features=4, seed=0):
    """Three classes that a straight line tells apart, all of one group."""
    g = torch.Generator().manual_seed(seed)
    X = torch.randn(n, features, generator=g)
    y = X[:, :3].argmax(dim=1)
    held = n // 4
    return Data(X[held:], y[held:], X[:held], y[:held])


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
    found = fairness.logits(
        lambda seed: made, fairness.in_rounds, [0.5], [0, 1], recipe=Recipe(steps=20), hidden=(5,)
    )
    before, after = found.argmax(dim=-1).numpy()
    card = group_card(
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


def test_made_people_are_told_apart_by_nothing_but_their_lives():
    data = lab.made_people(600, seed=1)
    assert set(data.group) == {"town", "country"} == set(data.group_test)
    assert len(data.X_test) == 180 and data.X.shape[1] == 13
    assert 0.2 < float(data.y.double().mean()) < 0.8
    assert torch.equal(data.X, lab.made_people(600, seed=1).X)
    with pytest.raises(ValueError, match="at least 100 people"):
        lab.made_people(50)


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
    ],
)
def test_errors_say_what_was_expected(call, words):
    with pytest.raises(ValueError, match=words):
        call()
