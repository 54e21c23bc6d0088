"""Each criterion against an oracle of its own: finite differences, closed forms, brute force."""

import math
import warnings

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from torch import nn
from torch.nn.functional import cross_entropy, mse_loss

from course_lib.masks import prunable
from course_lib.pruning import criteria, curvature
from course_lib.training.data import digits
from course_lib.training.fit import Recipe, fit
from course_lib.training.models import mlp
from tests.pruning.made import CRITERIA, MODELS, batch, changed, entries, quadratic, small


@pytest.mark.parametrize("criterion", CRITERIA, ids=lambda c: c.__name__)
@pytest.mark.parametrize("make, shape", MODELS)
def test_one_signature_same_names_and_shapes(criterion, make, shape):
    model = make().train()
    before = [p.clone() for p in model.state_dict().values()]
    scores = criterion(model, batch(shape=shape))
    assert {n: s.shape for n, s in scores.items()} == {
        n: w.shape for n, w in prunable(model).items()
    }
    assert all(s.isfinite().all() and not s.requires_grad for s in scores.values())
    assert model.training and all(p.grad is None for p in model.parameters())
    assert all(map(torch.equal, before, model.state_dict().values()))


@pytest.mark.parametrize("make, shape", MODELS)
def test_first_order_is_the_slope_by_finite_differences(make, shape):
    model, (X, y) = make(), batch(shape=shape)
    scores = criteria.signed_first_order(model, (X, y))
    absolute, shares = criteria.first_order(model, (X, y)), criteria.snip(model, (X, y))
    total = sum(s.sum() for s in absolute.values())
    for name, index in entries(scores):
        w = prunable(model)[name][index].item()
        h = 1e-6
        up, down = (changed(model, X, y, name, index, w + s * h) for s in (1, -1))
        assert scores[name][index] == pytest.approx(-w * (up - down) / (2 * h), abs=1e-7)
        assert absolute[name][index] == scores[name][index].abs()
        assert shares[name][index] == pytest.approx((absolute[name][index] / total).item())


@pytest.mark.parametrize("make, shape", MODELS)
def test_first_order_of_each_is_a_loop_over_examples(make, shape):
    model = make()
    X, y = batch(5, shape)
    total = {name: torch.zeros_like(w) for name, w in prunable(model).items()}
    for x, label in zip(X, y, strict=True):
        for name, s in criteria.first_order(model, (x[None], label[None])).items():
            total[name] += s / 5
    found = criteria.first_order(model, (X, y), each=True)
    torch.testing.assert_close(found, total)
    together = criteria.first_order(model, (X, y))
    assert all((found[n] >= together[n] - 1e-12).all() for n in found)


@pytest.mark.parametrize("make, shape", MODELS)
def test_fisher_is_a_loop_over_examples(make, shape):
    model, (X, y) = make().eval(), batch(shape=shape)
    total = {n: 0 for n in prunable(model)}
    for x, label in zip(X, y, strict=True):
        g = torch.autograd.grad(
            cross_entropy(model(x[None]), label[None]), list(prunable(model).values())
        )
        total = {n: t + d**2 for (n, t), d in zip(total.items(), g, strict=True)}
    for name, score in criteria.fisher(model, (X, y)).items():
        expected = prunable(model)[name] ** 2 * total[name] / (2 * len(X))
        torch.testing.assert_close(score, expected.detach())


def test_second_order_is_exact_on_a_quadratic():
    model, X, y = quadratic()
    truth = criteria.oracle(model, (X, y), loss=mse_loss)["0.weight"]
    model[0].weight.data += 0.3  # away from the minimum both terms count
    away = criteria.oracle(model, (X, y), loss=mse_loss)["0.weight"]
    both = criteria.second_order(model, (X, y), loss=mse_loss)["0.weight"]
    torch.testing.assert_close(both, away)
    model[0].weight.data -= 0.3
    torch.testing.assert_close(criteria.obd(model, (X, y), loss=mse_loss)["0.weight"], truth)


def test_synflow_is_conserved_layer_by_layer():
    model = nn.Sequential(nn.Linear(5, 7, bias=False), nn.ReLU(), nn.Linear(7, 3, bias=False))
    X, y = batch()
    scores = criteria.synflow(model, (X.float(), y))
    flow = (model[2].weight.abs() @ model[0].weight.abs()).sum().item()
    assert [s.sum().item() for s in scores.values()] == pytest.approx([flow, flow], rel=1e-5)


def test_random_follows_its_seed():
    model, data = small(), batch()
    one, same, other = (criteria.random(model, data, seed=s)["0.weight"] for s in (1, 1, 2))
    assert torch.equal(one, same) and not torch.equal(one, other)


def test_errors_for_people():
    model, data = small(), batch()
    with pytest.raises(ValueError, match="expected 'exact'"):
        criteria.obd(model, data, diagonal="half")
    with pytest.raises(ValueError, match="block: given 0"):
        criteria.obs(model, data, block=0)
    with pytest.raises(ValueError, match="at most 5,000"):
        curvature.full_hessian(nn.Linear(100, 60), (torch.ones(1, 100), torch.tensor([0])))
    with pytest.raises(ValueError, match="smallest eigenvalue"):
        curvature.inverse_hessian(small(activation=nn.Tanh), data, damping=0)


SETTINGS = {
    "half a probe": (criteria.obd, {"diagonal": "hutchinson", "probes": 2.5}, "probes: given 2.5"),
    "half a weight": (criteria.obs, {"block": 2.5}, "block: given 2.5"),
    "damping in words": (criteria.obs, {"damping": "a"}, "damping: given 'a'"),
    "damping below zero": (criteria.obs, {"damping": -1.0, "block": 4}, "damping: given -1"),
    "damping nowhere": (criteria.obs, {"damping": math.nan}, "damping: given nan"),
    "no damping": (criteria.obs, {"damping": 0, "block": 9}, r"damping: given 0.*singular"),
    "half a cut": (curvature.brain_surgery, {"k": 2.0}, "k: given 2.0"),
    "a seed of halves": (criteria.random, {"seed": 1.5}, "seed: given 1.5"),
    "no seed": (criteria.random, {"seed": None}, "seed: given None"),
    "a probe's seed": (criteria.obd, {"diagonal": "hutchinson", "seed": None}, "seed: given None"),
}  # fmt: skip


@pytest.mark.parametrize("kind", SETTINGS)
def test_settings_that_are_none_are_told_so(kind):
    criterion, wrong, said = SETTINGS[kind]
    model = small()
    model[0].bias.data.fill_(-100)  # its units are dead
    with pytest.raises((TypeError, ValueError), match=said):
        criterion(model, batch(), **wrong)


def test_a_seed_may_be_numpys():
    for scores in (criteria.random(small(), seed=seed)["0.weight"] for seed in (3, np.int64(3))):
        assert torch.equal(scores, criteria.random(small(), seed=3)["0.weight"])


def test_estimates_rank_as_the_truth_on_digits():
    data = digits()
    model = mlp((64, 12, 10), 0)
    fit(model, (data.X, data.y), Recipe(steps=300))
    truth = torch.cat([t.flatten() for t in criteria.oracle(model, (data.X, data.y)).values()])

    def rank(criterion):
        scores = criterion(model, (data.X, data.y))
        return spearmanr(torch.cat([s.flatten() for s in scores.values()]), truth.abs())[0]

    assert rank(criteria.first_order) > 0.7 and rank(criteria.obd) > 0.8
    assert abs(rank(criteria.random)) < 0.15
    assert not math.isnan(rank(criteria.fisher))


def test_synflow_tells_of_layers_through_which_nothing_flows():
    """Ones are all alike, and a LayerNorm makes zeros of them."""
    behind = small()
    behind.insert(0, nn.LayerNorm(5).double())
    with pytest.warns(UserWarning, match=r"nothing flows through \['1.weight'\]"):
        scores = criteria.synflow(behind, batch())
    assert scores["1.weight"].eq(0).all() and scores["3.weight"].gt(0).any()
    pruned = small()
    pruned[0].weight.data.zero_()  # nothing is left there to be lost
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        criteria.synflow(small(), batch())
        criteria.synflow(pruned, batch())
        criteria.synflow(small().to("meta"), batch())


@pytest.mark.filterwarnings("ignore:pruning leaves out")
def test_synflow_starts_at_the_embedded_vectors():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Embedding(7, 4), nn.Flatten(), nn.Linear(12, 2, bias=False))
    X = torch.randint(0, 7, (5, 3))
    (scores,) = criteria.synflow(model, (X, torch.zeros(5))).values()
    torch.testing.assert_close(scores, model[2].weight.detach().abs().double())


def test_shares_of_nothing():
    """No slope at all: the shares are 0, not 0 / 0."""
    model = nn.Linear(1, 1, bias=False)
    model.weight.data.zero_()
    scores = criteria.snip(model, (torch.ones(2, 1), torch.ones(2, 1)), mse_loss)
    assert scores["weight"].item() == 0
