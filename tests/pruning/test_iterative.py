"""Pruning in rounds: against plain loops written down here, and against interruption."""

import copy
import dataclasses
import importlib
import os
import subprocess
import sys
import threading
from functools import partial
from typing import TypeVar

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.functional import cross_entropy, mse_loss
from torch.utils.data import DataLoader, TensorDataset

from course_lib.masks import Mask, prunable
from course_lib.pruning import (
    criteria,
    cubic,
    gradual_pruning,
    iterative_pruning,
    one_shot,
    prune,
    prune_model,
    rounds_needed,
    tickets,
)  # fmt: skip
from course_lib.pruning.fingerprint import Unknown, fingerprint
from course_lib.training.fit import Recipe, fit
from course_lib.training.models import mlp
from course_lib.training.replicas import Replicas
from course_lib.training.schedules import constant, exponential
from course_lib.training.trainer import Trainer


def toy(seed=0):
    g = torch.Generator().manual_seed(seed)
    return torch.randn(60, 6, generator=g).double(), torch.randint(0, 3, (60,), generator=g)


X, y = toy()
RECIPE = Recipe(steps=12, batch=8)
TRAIN = Trainer((X, y), RECIPE)


def net(seed=0):
    return mlp((6, 7, 5, 3), seed).double()


def states_equal(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[n], b[n]) for n in a)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 999), fraction=st.floats(0, 1), scope=st.sampled_from(["tensor", "global"])
)
def test_prune_against_sorting(seed, fraction, scope):
    rng = np.random.default_rng(seed)
    shapes = {"a": (3, 4), "b": (1, 5), "c": (2,)}
    # Scores below zero too: what is pruned must stay pruned however low the others score.
    scores = {n: torch.tensor(rng.normal(size=s)) for n, s in shapes.items()}
    mask = Mask({n: torch.tensor(rng.random(s) < 0.7) for n, s in shapes.items()})
    new = prune(scores, mask, fraction=fraction, scope=scope)
    groups = [list(shapes)] if scope == "global" else [[n] for n in shapes]
    for names in groups:
        alive = torch.cat([scores[n][mask[n]] for n in names])
        k = len(alive) - round(fraction * len(alive))
        kept = torch.cat([scores[n][new[n]] for n in names])
        assert sorted(kept.tolist()) == sorted(alive.tolist())[len(alive) - k :]
    assert all((new[n] <= mask[n]).all() for n in shapes)


def test_rates_and_density():
    scores = {"a": torch.arange(10.0), "b": torch.arange(10.0)}
    full = Mask.ones_like(scores)
    new = prune(scores, full, fraction=0.4, rates={"b": 0.2}, scope="tensor")
    assert (int(new["a"].sum()), int(new["b"].sum())) == (6, 8)
    assert prune(scores, new, density=0.5, scope="tensor").kept == 10
    with pytest.raises(ValueError, match="only 6 of 10"):
        prune(scores, new, density=0.7, scope="tensor")
    for wrong, said in (
        ({}, "exactly one"),
        ({"fraction": 0.1, "density": 0.1}, "exactly one"),
        ({"fraction": 1.2}, "from 0 to 1"),
        ({"fraction": 0.1, "rates": {"z": 0.1}, "scope": "tensor"}, "expected names among"),
        ({"fraction": 0.1, "rates": {"a": 0.1}}, "Write scope='tensor'"),
        ({"fraction": 0.1, "scope": "all"}, "scope"),
    ):
        with pytest.raises(ValueError, match=said):
            prune(scores, full, **wrong)
    with pytest.raises(ValueError, match="Score the same model"):
        prune({"a": scores["a"]}, full, fraction=0.1)


def test_rounds_needed_is_the_least():
    assert rounds_needed(0.107374182, 0.2) == 11 and rounds_needed(0.8**10, 0.2) == 10
    for density in (0.9, 0.5, 0.11, 0.01):
        for fraction in (0.1, 0.2, 0.36, 0.9):
            t = rounds_needed(density, fraction)
            assert (1 - fraction) ** t <= density * (1 + 1e-9) < (1 - fraction) ** (t - 1)
    with pytest.raises(ValueError, match="both in"):
        rounds_needed(1.0, 0.2)


@pytest.mark.parametrize("rewind_step", [None, 0, 5])
def test_rounds_are_the_plain_loop(rewind_step):
    model = net()
    settings_ = {"rounds": 3, "fraction": 0.3, "rewind_step": rewind_step, "scope": "tensor"}
    found = list(iterative_pruning(model, TRAIN, **settings_))

    plain = net()
    masks = [torch.ones_like(w, dtype=torch.bool) for w in prunable(plain).values()]
    start = rewind_step or 0

    def train(number, mask, begin, end=None):
        named = Mask(dict(zip(prunable(plain), mask, strict=True)))
        fit(plain, (X, y), RECIPE, seed=10_000 * number, mask=named, start=begin, stop=end)

    if start:
        train(0, masks, 0, start)
    early = copy.deepcopy(plain.state_dict())
    train(0, masks, start)
    for number in (1, 2, 3):
        for i, w in enumerate(prunable(plain).values()):
            alive = w.detach().abs()[masks[i]].sort().values
            gone = round(0.3 * len(alive))
            masks[i] = masks[i] & (w.detach().abs() >= alive[gone])
        if rewind_step is not None:
            plain.load_state_dict(early)
        train(number, masks, start)
        for (name, entry), own in zip(found[number].mask.items(), masks, strict=True):
            assert torch.equal(entry, own), name
        assert states_equal(found[number].trained, plain.state_dict())
        assert all((w[~found[number].mask[n]] == 0).all() for n, w in prunable(plain).items())
    assert [r.number for r in found] == [0, 1, 2, 3]


@pytest.mark.parametrize("rewind_step", [None, 0, 4])
def test_replicas_are_pruned_each_by_itself(rewind_step):
    together = Replicas([net(s) for s in range(3)])
    train = Trainer((X, y), RECIPE, seeds=[0, 1, 2])
    settings_ = {"rounds": 2, "fraction": 0.4, "rates": {"4.weight": 0.2}, "scope": "tensor"}
    stacked = list(iterative_pruning(together, train, rewind_step=rewind_step, **settings_))
    for s in range(3):
        alone = iterative_pruning(
            net(s), Trainer((X, y), RECIPE, seeds=[s]), rewind_step=rewind_step, **settings_
        )
        for mine, theirs in zip(alone, stacked, strict=True):
            for name, entry in mine.mask.items():
                assert torch.equal(entry, theirs.mask[name][s])
            for name, w in mine.trained.items():
                torch.testing.assert_close(w, theirs.trained[name][s], rtol=1e-8, atol=1e-8)


class Interrupted(Exception):
    pass


@pytest.mark.parametrize("stop_at", [0, 1, 2, 3])
@pytest.mark.parametrize("rewind_step", [None, 0, 4])
def test_interrupted_and_resumed_equals_uninterrupted(tmp_path, stop_at, rewind_step):
    settings_ = {"rounds": 3, "fraction": 0.3, "rewind_step": rewind_step}
    whole = list(iterative_pruning(net(), TRAIN, **settings_))
    calls = []

    def breaks(model, mask=None, *, round=0, start=0, stop=None, on_step=None):
        TRAIN(model, mask, round=round, start=start, stop=(start + 3) if round == stop_at else stop)
        calls.append(round)
        if round == stop_at:
            raise Interrupted  # in the middle of a round, with the weights half trained

    with pytest.raises(Interrupted):
        list(iterative_pruning(net(), breaks, folder=tmp_path, key="toy", **settings_))
    calls.clear()

    def counts(model, mask=None, *, round=0, **rest):
        calls.append(round)
        TRAIN(model, mask, round=round, **rest)

    resumed = list(iterative_pruning(net(), counts, folder=tmp_path, key="toy", **settings_))
    assert set(calls) == set(range(stop_at, 4))  # nothing is done twice
    for a, b in zip(whole, resumed, strict=True):
        assert a.mask == b.mask and states_equal(a.trained, b.trained)
        assert states_equal(a.rewound, b.rewound)


def test_a_broken_round_is_done_again_and_a_strangers_folder_refused(tmp_path):
    settings_ = {"rounds": 2, "fraction": 0.3, "folder": tmp_path}
    whole = list(iterative_pruning(net(), TRAIN, **settings_))
    path = tmp_path / "round-001.safetensors"
    path.write_bytes(path.read_bytes()[:-5])
    again = list(iterative_pruning(net(), TRAIN, **settings_))
    assert all(states_equal(a.trained, b.trained) for a, b in zip(whole, again, strict=True))
    with pytest.raises(ValueError, match="another experiment"):
        list(iterative_pruning(net(1), TRAIN, **settings_))
    with pytest.raises(ValueError, match="another experiment"):
        list(iterative_pruning(net(), TRAIN, rounds=2, fraction=0.4, folder=tmp_path))


def test_one_shot_is_one_round_and_other_criteria_fit_in():
    found = list(one_shot(net(), TRAIN, density=0.25, rewind_step=0, scope="global"))
    assert len(found) == 2 and found[1].mask.kept == round(0.25 * found[1].mask.numel)
    by_curvature = {"criterion": criteria.obd, "data": (X, y)}
    model = net()
    *_, last = iterative_pruning(model, TRAIN, rounds=1, fraction=0.5, **by_curvature)
    assert last.mask.density == pytest.approx(0.5, abs=0.02)
    pair = Replicas([net(0), net(1)])
    both = prune_model(pair, Mask.ones_like(pair), **by_curvature, fraction=0.5)
    alone = prune_model(net(1), Mask.ones_like(net(1)), **by_curvature, fraction=0.5)
    assert torch.equal(both["0.weight"][1], alone["0.weight"])
    with pytest.raises(ValueError, match="one density for each round"):
        list(iterative_pruning(net(), TRAIN, rounds=2, densities=[0.5]))


def test_rounds_work_with_batch_norm_tied_weights_and_any_optimiser():
    torch.manual_seed(0)
    shared = nn.Linear(6, 6)
    model = nn.Sequential(shared, nn.BatchNorm1d(6), nn.ReLU(), shared, nn.Linear(6, 3)).double()
    train = Trainer((X, y), Recipe(steps=10, batch=8, optimiser="adam", lr=0.01, weight_decay=0.1))
    for step in iterative_pruning(model, train, rounds=2, fraction=0.5, rewind_step=0):
        assert all((w[~step.mask[n]] == 0).all() for n, w in prunable(model).items())
    assert list(step.mask) == ["0.weight", "4.weight"]
    assert step.mask.density == pytest.approx(0.25, abs=0.02)


def test_cubic_schedule():
    run = partial(cubic, begin=10, end=110, density=0.1)
    assert [run(t) for t in (0, 10, 110, 500)] == pytest.approx([1, 1, 0.1, 0.1])
    assert run(60) == pytest.approx(0.1 + 0.9 / 8)
    falling = [run(t) for t in range(200)]
    assert falling == sorted(falling, reverse=True)
    with pytest.raises(ValueError, match="begin < end"):
        cubic(1, begin=5, end=5, density=0.1)


@pytest.mark.parametrize("make", [net, lambda: Replicas([net(0), net(1)])])
def test_gradual_pruning_follows_the_cubic(make):
    model = make()
    train = Trainer((X, y), Recipe(steps=40, batch=8), seeds=range(getattr(model, "count", 1)))
    seen = {}

    def watched(model, mask=None, *, on_step, **rest):
        def look(step):
            new = on_step(step)
            if new is not None:
                seen[step] = new.density
            return new

        train(model, mask, on_step=look, **rest)

    mask = gradual_pruning(model, watched, density=0.2, begin=8, end=33, every=10)
    assert sorted(seen) == [18, 28, 33]
    for step, density in seen.items():
        assert density == pytest.approx(cubic(step, begin=8, end=33, density=0.2), abs=0.01)
    assert all((w[~mask[n]] == 0).all() for n, w in prunable(model).items())
    assert mask.density == pytest.approx(0.2, abs=0.01)


# --- what is asked is done, or refused before anything is changed


def test_whole_numbers_are_ranked_as_they_are():
    scores = {"a": torch.tensor([0, 3, 1, 2]), "b": torch.tensor([5, -7, 4, 6])}
    full = Mask.ones_like(scores)
    once = prune(scores, full, fraction=0.5)
    assert [m.tolist() for m in once.values()] == [
        [False, True, False, False],
        [True, False, True, True],
    ]
    # The smallest number of its kind is a score like others, and never one of a pruned weight.
    for dtype in (torch.uint8, torch.int64, torch.float32):
        least = torch.iinfo(dtype).min if not dtype.is_floating_point else torch.finfo(dtype).min
        low = {"a": torch.tensor([0, least, least, 1]).to(dtype)}
        mask = Mask({"a": torch.tensor([False, True, True, True])})
        assert prune(low, mask, density=0.5)["a"].tolist() == [False, True, False, True]


def test_scores_of_pruned_weights_may_be_anything_and_of_others_not():
    nan = float("nan")
    mask = Mask({"a": torch.tensor([[True, False], [True, True]])})
    kept = prune({"a": torch.tensor([[1.0, nan], [3.0, 2.0]])}, mask, density=0.5)
    assert kept["a"].tolist() == [[False, False], [True, True]]
    with pytest.raises(ValueError, match=r"at index \(1, 0\)"):
        prune({"a": torch.tensor([[1.0, nan], [nan, 2.0]])}, mask, density=0.5)
    with pytest.raises(TypeError, match="scores of 'a'"):
        prune({"a": mask["a"]}, mask, density=0.5)


def test_one_scope_everywhere_if_none_is_given():
    """Weights of one layer are a hundred times as large: ranked together, they all stay."""

    def uneven():
        model = net()
        model[0].weight.data += 100
        return model

    still = dataclasses.replace(TRAIN, recipe=dataclasses.replace(RECIPE, lr=1e-9))
    first = lambda mask: mask["0.weight"].all().item()  # noqa: E731
    model = uneven()
    assert first(prune(criteria.magnitude(model), Mask.ones_like(model), density=0.5))
    assert first(prune_model(model, Mask.ones_like(model), density=0.5))
    *_, last = one_shot(uneven(), still, density=0.5)
    assert first(last.mask)
    *_, last = iterative_pruning(uneven(), still, rounds=1, fraction=0.5)
    assert first(last.mask)
    *_, (_, ticket) = tickets.find(uneven(), still, rounds=1, fraction=0.5)
    assert first(ticket.mask)
    assert first(gradual_pruning(uneven(), still, density=0.5, begin=1, end=9, every=2))
    *_, (_, ticket) = tickets.find(uneven(), still, rounds=1, fraction=0.5, scope="tensor")
    assert not first(ticket.mask)


WRONG = {
    "rewinding to the end": ({"rewind_step": 12}, "rewind_step: given 12.*0 to 11"),
    "rewinding beyond": ({"rewind_step": 13}, "rewind_step: given 13"),
    "rewinding before": ({"rewind_step": -2}, "rewind_step: given -2"),
    "half a step": ({"rewind_step": 2.5}, "rewind_step: given 2.5"),
    "true": ({"rewind_step": True}, "rewind_step: given True"),
    "less than no rounds": ({"rounds": -1}, "rounds: given -1"),
    "no rounds told": ({"rounds": None}, "rounds: given None"),
    "both": ({"densities": [0.5, 0.2]}, "expected one fraction, or one density"),
    "growing": ({"fraction": None, "densities": [0.2, 0.5]}, "do not come back"),
    "a density above 1": ({"fraction": None, "densities": [5, 2]}, "density: given 5"),
    "a share in words": ({"fraction": "0.2"}, "fraction: given '0.2'"),
    "a fraction that is true": ({"fraction": True}, "fraction: given True"),
    "a rate that is true": ({"rates": {"0.weight": True}}, "0.weight: given True"),
    "one density": ({"fraction": None, "rounds": None, "densities": 0.1}, "densities: given 0.1"),
    "densities once": (
        {"fraction": None, "rounds": None, "densities": (d for d in (0.5, 0.1))},
        "densities: given <generator.*list",
    ),
    "rates in a row": ({"rates": [0.1, 0.2]}, r"rates: given \[0.1, 0.2\], expected a dictionary"),
    "no trainer": ({"train": None}, "train: given None, expected a Trainer"),
    "a network for a trainer": ({"train": net(1)}, "train: given Sequential"),
    "a trainer of one round": (
        {"train": lambda model, mask: None}, r"train: .*'round'.*train\(model, mask, round=",
    ),
    "a trainer without a stop": (
        {"train": lambda model, mask, round, start=0: None, "rewind_step": 3}, "train: .*'stop'",
    ),
    "a scope": ({"scope": "layer"}, "scope: given 'layer'"),
    "rates": ({"rates": {"0.weight": 0.1}}, "Write scope='tensor'"),
    "no data": ({"criterion": criteria.obd}, r"Give data=\(X, y\)"),
    "no data for a part": ({"criterion": partial(criteria.obd, probes=2)}, r"Give data=\(X, y\)"),
    "an old criterion": (
        {"criterion": lambda model: criteria.magnitude(model)},
        r"criterion\(model, data, loss\)",
    ),
    "data twice": (
        {"criterion": partial(criteria.obd, data=(X, y))}, r"criterion\(model, data, loss\)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG)
def test_rounds_refuse_at_once_what_cannot_be(wrong):
    settings_, said = WRONG[wrong]
    model = net()
    with pytest.raises((TypeError, ValueError), match=said):
        iterative_pruning(model, **{"train": TRAIN, "rounds": 2, "fraction": 0.3} | settings_)
    assert states_equal(model.state_dict(), net().state_dict())


@pytest.mark.parametrize("kind", ["a file", "below a file", "no path", "a name too long"])
def test_a_folder_that_takes_no_rounds_is_told_before_anything_is_trained(kind, tmp_path):
    (tmp_path / "file").touch()
    folder = {
        "a file": tmp_path / "file", "below a file": tmp_path / "file" / "runs", "no path": 3,
        "a name too long": tmp_path / ("x" * 300),
    }[kind]  # fmt: skip
    model = net()
    with pytest.raises((TypeError, ValueError), match=r"^folder: given"):
        iterative_pruning(model, TRAIN, densities=[0.5], folder=folder)
    assert states_equal(model.state_dict(), net().state_dict())


def test_rounds_that_are_all_there_are_read_where_nothing_can_be_written(tmp_path, monkeypatch):
    def refused(**_):
        raise PermissionError("read-only")

    first = list(iterative_pruning(net(), TRAIN, densities=[0.5], folder=tmp_path))
    monkeypatch.setattr("tempfile.TemporaryFile", refused)
    again = list(iterative_pruning(net(), TRAIN, densities=[0.5], folder=tmp_path))
    assert states_equal(first[-1].trained, again[-1].trained)
    (tmp_path / "round-001.safetensors").unlink()
    with pytest.raises(ValueError, match=r"cannot be stored.*read-only"):
        iterative_pruning(net(), TRAIN, densities=[0.5], folder=tmp_path)


class Counting(nn.Linear):
    """A layer that keeps something beside its tensors, and writes on what it was given."""

    def __init__(self):
        super().__init__(6, 3)
        self.seen = {"batches": 0}

    def forward(self, X):
        self.seen["batches"] += 1
        return super().forward(X)

    def get_extra_state(self):
        return self.seen

    def set_extra_state(self, state):
        self.seen = state


def test_what_a_layer_keeps_beside_its_tensors_goes_along(tmp_path):
    settings_ = {"densities": [0.5, 0.2], "rewind_step": 0}
    model = Counting().double()
    rounds = list(iterative_pruning(model, TRAIN, **settings_))
    assert [done.trained["_extra_state"]["batches"] for done in rounds] == [12, 12, 12]
    assert rounds[0].rewound["_extra_state"] == {"batches": 0}
    *_, (done, ticket) = tickets.find(Counting().double(), TRAIN, rounds=1, fraction=0.5)
    assert ticket.initial["_extra_state"] == {"batches": 0} != done.trained["_extra_state"]
    with pytest.raises(TypeError, match=r"folder: .*'_extra_state'.*no tensors"):
        iterative_pruning(model, TRAIN, **settings_, folder=tmp_path)


def test_gradual_pruning_does_all_that_it_says_or_says_so():
    settings_ = {"density": 0.2, "begin": 2, "end": 9}
    for wrong, said in (
        ({"end": 13}, "the last cut would never come"),
        ({"begin": 9}, "begin < end"),
        ({"every": 0}, "every: given 0"),
        ({"every": "2"}, "every: given '2'"),
        ({"every": 2.5}, "every: given 2.5"),
        ({"begin": None}, "begin: given None, expected a number"),
        ({"density": None}, "density: given None, expected a number"),
        ({"density": True}, "density: given True"),
        ({"mask": {}}, "mask: given a dict, expected a Mask"),
        ({"train": None}, "train: given None"),
        ({"train": lambda model, mask: None}, "train: .*'on_step'"),
        ({"density": 1.5}, "a share"),
        ({"mask": Mask({n: w > 9 for n, w in prunable(net()).items()})}, "do not come back"),
        ({"criterion": criteria.snip}, r"Give data=\(X, y\)"),
    ):
        model = net()
        with pytest.raises((TypeError, ValueError), match=said):
            gradual_pruning(model, **{"train": TRAIN} | settings_ | wrong)
        assert states_equal(model.state_dict(), net().state_dict())

    def deaf(model, mask=None, *, on_step=None, **rest):
        TRAIN(model, mask, **rest)

    with pytest.raises(ValueError, match="Does it call on_step"):
        gradual_pruning(net(), deaf, **settings_)
    by_slope = gradual_pruning(net(), TRAIN, **settings_, criterion=criteria.snip, data=(X, y))
    assert by_slope.density == pytest.approx(0.2, abs=0.01)
    assert by_slope != gradual_pruning(net(), TRAIN, **settings_)


def test_criteria_see_the_data_and_the_loss_of_the_call():
    seen = []

    def watches(model, data, loss):
        seen.append((data, loss))
        return criteria.magnitude(model)

    data, loss = [(X, y)], partial(cross_entropy, label_smoothing=0.1)
    list(iterative_pruning(net(), TRAIN, densities=[0.5], criterion=watches, data=data, loss=loss))
    prune_model(net(), Mask.ones_like(net()), watches, data=data, loss=loss, density=0.5)
    assert [(a is data, b is loss) for a, b in seen] == [(True, True)] * 2


# --- networks of other kinds


class Sequence_(nn.Module):
    def __init__(self, layer):
        super().__init__()
        self.layer, self.head = layer, nn.Linear(4, 3)

    def forward(self, X):
        return self.head(self.layer(X.view(-1, 3, 2))[0][:, -1])


class Words(nn.Module):
    def __init__(self):
        super().__init__()
        self.words, self.layer = nn.Embedding(5, 4), nn.TransformerEncoderLayer(4, 2, 6)
        self.head = nn.Linear(4, 5, bias=False)
        self.head.weight = self.words.weight

    def forward(self, X):
        return self.head(self.layer(self.words(X)))


def other_networks():
    torch.manual_seed(0)
    frozen, half, compiled, unused = net(), net(), net(), net()
    frozen[0].requires_grad_(False)
    unused.spare = nn.Linear(3, 3)
    unused.forward = lambda X: nn.Sequential.forward(unused[:5], X)
    words = torch.randint(0, 5, (60, 4))
    return {
        "lstm": (Sequence_(nn.LSTM(2, 4, batch_first=True)).double(), (X, y), cross_entropy),
        "gru": (Sequence_(nn.GRU(2, 4, batch_first=True)).double(), (X, y), cross_entropy),
        "words": (
            Words(),
            (words, words),
            lambda z, y: cross_entropy(z.flatten(0, 1), y.flatten()),
        ),
        "frozen": (frozen, (X, y), cross_entropy),
        "unused": (unused, (X, y), cross_entropy),
        "half": (half.bfloat16(), (X.bfloat16(), y), cross_entropy),
        "compiled": (torch.compile(compiled, backend="eager"), (X, y), cross_entropy),
    }


@pytest.mark.filterwarnings("ignore::UserWarning")  # that embeddings are left out
@pytest.mark.parametrize("criterion", [criteria.magnitude, criteria.snip, criteria.fisher])
@pytest.mark.parametrize("kind", other_networks())
def test_rounds_prune_networks_of_all_kinds(kind, criterion):
    model, data, loss = other_networks()[kind]
    train = Trainer(data, Recipe(steps=4, batch=8), loss=loss)
    rounds = iterative_pruning(
        model, train, densities=[0.5, 0.1], criterion=criterion, data=data, loss=loss, rewind_step=1
    )
    for done, density in zip(rounds, (1, 0.5, 0.1), strict=True):
        assert done.mask.kept == round(density * done.mask.numel)
        for name, w in prunable(model).items():
            assert (w[~done.mask[name]] == 0).all()
    assert list(done.mask) == list(prunable(model))


def test_a_layer_alone_is_pruned_as_asked():
    """No Linear in it: once it kept all of its weights without a word."""
    model = nn.LSTM(8, 8)
    words = torch.randn(20, 4, 8, generator=torch.Generator().manual_seed(0))
    train = Trainer((words, words), Recipe(steps=3, batch=5), loss=lambda z, y: mse_loss(z[0], y))
    *_, last = iterative_pruning(model, train, rounds=1, densities=[0.1])
    assert last.density == pytest.approx(0.1, abs=0.01)
    zeros = sum(int((w == 0).sum()) for w in (model.weight_hh_l0, model.weight_ih_l0))
    assert zeros == round(0.9 * 2 * 256)


def test_a_trainer_that_brings_weights_back_is_told_so():
    with pytest.raises(ValueError, match="holds the mask"):
        list(iterative_pruning(nn.Linear(8, 8), lambda *_, **__: None, densities=[0.1]))
    model = net()

    def free(model, mask=None, *, on_step=None, **rest):
        for step in range(1, 10):
            on_step(step)

    with pytest.raises(ValueError, match="holds the mask"):
        gradual_pruning(model, free, density=0.2, begin=2, end=9)


# --- one folder, one experiment


def smooth(logits, y):
    return cross_entropy(logits, y, label_smoothing=0.1)


def by_size(model, data, loss, power=1):
    return {n: w.detach().abs() ** power for n, w in prunable(model).items()}


BASE = {
    "model": net, "train": TRAIN, "densities": [0.5, 0.2], "criterion": criteria.obd,
    "data": (X, y), "loss": cross_entropy,
}  # fmt: skip


def with_tanh():
    model = net()
    model[1] = nn.Tanh()
    return model


def half_frozen():
    model = net()
    model[2].bias.requires_grad_(False)
    return model


OTHERS = {
    "start values": {"model": lambda: net(1)},
    "network, the same values": {"model": with_tanh},
    "frozen bias": {"model": half_frozen},
    "examples": {"data": (X + 1e-9, y)},
    "classes": {"data": (X, y.flip(0))},
    "as batches": {"data": [(X[:30], y[:30]), (X[30:], y[30:])]},
    "criterion": {"criterion": criteria.fisher},
    "its settings": {"criterion": partial(criteria.obd, diagonal="hutchinson")},
    "its seed": {"criterion": partial(criteria.obd, diagonal="hutchinson", seed=1)},
    "own criterion": {"criterion": by_size},
    "own criterion's settings": {"criterion": partial(by_size, power=2)},
    "a lambda": {"criterion": lambda model, data, loss: by_size(model, data, loss, 2)},
    "another lambda": {"criterion": lambda model, data, loss: by_size(model, data, loss, 3)},
    "loss": {"loss": smooth},
    "loss as a module": {"loss": nn.CrossEntropyLoss(label_smoothing=0.1)},
    "loss as another": {"loss": nn.CrossEntropyLoss(label_smoothing=0.2)},
    "trainer's data": {"train": dataclasses.replace(TRAIN, data=(X, y.flip(0)))},
    "trainer's batches": {"train": dataclasses.replace(TRAIN, data=[(X, y)])},
    "loader": {"train": Trainer(DataLoader(TensorDataset(X, y), 8), RECIPE)},
    "loader's batch": {"train": Trainer(DataLoader(TensorDataset(X, y), 7), RECIPE)},
    "recipe": {"train": dataclasses.replace(TRAIN, recipe=Recipe(steps=12, batch=8, lr=0.2))},
    "schedule": {
        "train": dataclasses.replace(TRAIN, recipe=Recipe(steps=12, batch=8, schedule=constant))
    },
    "slope of the schedule": {
        "train": dataclasses.replace(
            TRAIN, recipe=Recipe(steps=12, batch=8, schedule=exponential(0.1))
        )
    },
    "another slope": {
        "train": dataclasses.replace(
            TRAIN, recipe=Recipe(steps=12, batch=8, schedule=exponential(0.2))
        )
    },
    "seeds": {"train": dataclasses.replace(TRAIN, seeds=(1,))},
    "trainer's loss": {"train": dataclasses.replace(TRAIN, loss=smooth)},
    "densities": {"densities": [0.5, 0.1]},
    "scope": {"scope": "tensor"},
    "rewinding": {"rewind_step": 0},
    "rewind step": {"rewind_step": 1},
}


def run(folder, **settings_):
    how = BASE | settings_
    return iterative_pruning(how.pop("model")(), how.pop("train"), folder=folder, **how)


def test_another_experiment_in_the_same_folder_is_refused_whatever_is_other(tmp_path):
    whole = list(run(tmp_path))
    for name, other in OTHERS.items():
        with pytest.raises(ValueError, match="another experiment"):
            print(name, list(run(tmp_path, **other)))
    # The same, told in other objects, is read.
    same = {
        "train": Trainer((X.clone(), y.clone()), Recipe(12, batch=8), seeds=[0]),
        "data": [X.clone(), y.clone()],
        "densities": (0.5, 0.2),
    }
    again = list(run(tmp_path, **same))
    assert all(states_equal(a.trained, b.trained) for a, b in zip(whole, again, strict=True))
    # And every experiment is told from every other.
    digests = {name: fingerprint(told(BASE | other)) for name, other in OTHERS.items()}
    assert len(set(digests.values())) == len(OTHERS)


def told(settings_):
    return {n: v() if n == "model" else v for n, v in settings_.items()}


class Own:
    """A trainer of one's own."""

    def __init__(self, lr, lock=None):
        self.lr, self.lock = lr, lock

    def __call__(self, model, mask=None, *, round=0, start=0, stop=None, on_step=None):
        recipe = Recipe(steps=4, batch=8, lr=self.lr)
        fit(model, (X, y), recipe, seed=round, mask=mask, start=start, stop=stop, on_step=on_step)


def test_trainers_of_ones_own_are_told_by_what_is_in_them_or_by_a_key(tmp_path):
    settings_ = {"densities": [0.5]}
    list(iterative_pruning(net(), Own(0.1), folder=tmp_path / "a", **settings_))
    list(iterative_pruning(net(), Own(0.1), folder=tmp_path / "a", **settings_))
    with pytest.raises(ValueError, match="another experiment"):
        list(iterative_pruning(net(), Own(0.2), folder=tmp_path / "a", **settings_))

    locked = Own(0.1, threading.Lock())
    model = net()
    with pytest.raises(TypeError, match=r"train\.lock is or holds a lock.*Give key="):
        iterative_pruning(model, locked, folder=tmp_path / "b", **settings_)
    assert states_equal(model.state_dict(), net().state_dict())
    list(iterative_pruning(net(), locked, **settings_))  # without a folder nothing is told apart

    keyed = {"folder": tmp_path / "b", **settings_}
    first = list(iterative_pruning(net(), locked, key="lr 0.1", **keyed))
    again = list(iterative_pruning(net(), Own(0.1, threading.Lock()), key="lr 0.1", **keyed))
    assert states_equal(first[-1].trained, again[-1].trained)
    for other in ({"key": "lr 0.2"}, {"key": "lr 0.1", "densities": [0.4]}, {}):
        with pytest.raises((TypeError, ValueError), match=r"another experiment|Give key="):
            list(iterative_pruning(net(), locked, **keyed | other))
    with pytest.raises(ValueError, match="another experiment"):
        list(iterative_pruning(net(1), locked, key="lr 0.1", **keyed))


def test_tickets_keep_experiments_apart_too(tmp_path):
    def find(**settings_):
        return list(
            tickets.find(net(), TRAIN, rounds=1, fraction=0.5, folder=tmp_path, **settings_)
        )

    find()
    find()
    for other in ({"scope": "tensor"}, {"criterion": criteria.snip, "data": (X, y)}):
        with pytest.raises(ValueError, match="another experiment"):
            find(**other)


RATE = 0.1


def of_a_global(model, mask=None, **rest):
    fit(model, (X, y), Recipe(steps=3, lr=helped()), mask=mask)


def helped():
    return RATE


def holding(k):
    return lambda model: k


def recursive(n):
    return recursive(n - 1) if n else back(n)


def back(n):
    return recursive(n)


def test_functions_are_told_by_all_they_refer_to(monkeypatch):
    before = fingerprint(of_a_global)
    assert fingerprint(of_a_global) == before
    monkeypatch.setitem(globals(), "RATE", 0.2)
    assert fingerprint(of_a_global) != before
    assert len(fingerprint(recursive)) == 64 != fingerprint(back)
    counted = [fingerprint(lambda model, k=k: k) for k in (1, 2)]
    held = [fingerprint(holding(k)) for k in (1, 2)]
    assert len({*counted, *held}) == 4
    tied = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    untied = copy.deepcopy(tied)
    tied[1].weight = tied[0].weight
    untied[1].weight.data.copy_(untied[0].weight)
    assert fingerprint(tied) != fingerprint(untied)


WAYS_TO_A_MODULE = {
    "a name of the module": "import helpers\ndef f(m, d, l): return helpers.score(m)",
    "through a package": "import pack.helpers\ndef f(m, d, l): return pack.helpers.score(m)",
    "imported within": "def f(m, d, l):\n    from helpers import score\n    return score(m)",
    "from a package": "def f(m, d, l):\n    from pack import helpers\n    return helpers.score(m)",
    "whole, within": "def f(m, d, l):\n    import helpers as h\n    return h.score(m)",
    "deep, within": "def f(m, d, l):\n    import pack.helpers\n    return pack.helpers.score(m)",
    "handed on": "import helpers\ndef f(m, d, l): return getattr(helpers, 'sc' + 'ore')(m)",
    "kept": "import functools, helpers\ndef g(h, m): 0\nf = functools.partial(g, helpers)",
    "in a class": (
        "import helpers\nclass F:\n    def __call__(self, m): return helpers.score(m)\nf = F()"
    ),
    "cached": (
        "import functools, helpers\n@functools.lru_cache\ndef g(m): return helpers.score(m)\n"
        "def f(m, d, l): return g(m)"
    ),
    "written on it": "import helpers\ndef f(m, d, l): return f.score(m)\nf.score = helpers.score",
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS_TO_A_MODULE)
def test_what_lies_in_modules_of_ones_own_is_told_by_its_contents(way, tmp_path, monkeypatch):
    """A criterion behind a module was told by the module's name, and its old rounds were taken."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "__init__.py").touch()

    def told_with(power, word=""):
        source = f"RATE = {power}\ndef score(m): return m ** RATE\n" + word
        for own in ("helpers", "pack", "pack.helpers"):
            monkeypatch.delitem(sys.modules, own, raising=False)
        for path in (tmp_path, tmp_path / "pack"):
            (path / "helpers.py").write_text(source)
        importlib.invalidate_caches()
        scope = {"__name__": "__main__"}
        exec(WAYS_TO_A_MODULE[way], scope)
        return fingerprint(scope["f"])

    assert told_with(1) == told_with(1) != told_with(2)


def test_what_is_told_by_its_name_alone_is_refused_unless_it_is_a_librarys():
    class Strange:
        def __reduce_ex__(self, version):
            return "Strange"

    T = TypeVar("T")
    assert fingerprint(torch.relu) != fingerprint(torch.tanh)
    assert fingerprint(T) == fingerprint(T)
    with pytest.raises(Unknown, match="nothing but its name"):
        fingerprint(Strange())


IN_ANOTHER_PROCESS = """
import torch
from functools import partial
from torch import nn
from course_lib.pruning import criteria
from course_lib.pruning.fingerprint import fingerprint
from course_lib.training.fit import Recipe
from course_lib.training.models import mlp
from course_lib.training.schedules import exponential
from course_lib.training.trainer import Trainer

X, y = torch.arange(12.).view(4, 3), torch.tensor([0, 1, 1, 0])

class Own:
    words = {"a", "b", "sets", "have", "no", "order"}
    def __init__(self): self.rates = {"one": 0.1}
    def __call__(self, model, mask=None, **rest): return model in {"x", "y", "zed"} and helper()

def helper(): return X.sum() + len(Own.words)

torch.manual_seed(0)
print(fingerprint([
    Own(), Own.__call__, helper, lambda model, data, loss: helper(), nn.LSTM(3, 3), mlp((3, 3), 0),
    Trainer((X, y), Recipe(steps=3, schedule=exponential(0.1))), partial(criteria.obd, probes=3),
    nn.CrossEntropyLoss(label_smoothing=0.1), torch.Generator().manual_seed(1),
    torch.utils.data.DataLoader(torch.utils.data.TensorDataset(X, y), 2),
]))
"""


def test_the_fingerprint_is_the_same_in_every_process(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(IN_ANOTHER_PROCESS)
    found = {
        subprocess.run(
            [sys.executable, str(script)], env={**os.environ, "PYTHONHASHSEED": str(seed)},
            capture_output=True, text=True, check=True,
        ).stdout
        for seed in (1, 2)
    }  # fmt: skip
    assert len(found) == 1 and len(found.pop().strip()) == 64
