"""One cut, against sorting."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.masks import Mask
from course_lib.pruning import (
    iterative_pruning,
    prune,
)  # fmt: skip
from course_lib.training.replicas import Replicas
from course_lib.training.trainer import Trainer
from tests.pruning.trained import RECIPE, X, net, y


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
