"""Pruning in rounds: against plain loops written down here, and against interruption."""

import copy
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from course_lib.masks import Mask, prunable
from course_lib.pruning import saliency
from course_lib.pruning.iterative import (
    cubic,
    gradual_pruning,
    iterative_pruning,
    one_shot,
    prune,
    prune_model,
    rounds_needed,
)  # fmt: skip
from course_lib.training.fit import Recipe, fit
from course_lib.training.models import mlp
from course_lib.training.replicas import Replicas
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
    by_curvature = {"criterion": saliency.obd, "data": (X, y)}
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
