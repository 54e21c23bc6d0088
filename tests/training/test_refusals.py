"""What training says of data, settings and networks that it cannot take, and what it keeps."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from course_lib.masks import select
from course_lib.pruning.saliency import magnitude
from course_lib.sparse.layers import densify, sparsify
from course_lib.training.fit import Recipe, accuracy, fit, mean_loss
from course_lib.training.models import mlp
from course_lib.training.replicas import Replicas, fit_replicas

X = torch.randn(20, 3, generator=torch.Generator().manual_seed(0))
y = torch.arange(20) % 3
R = Recipe(steps=3, batch=8)


def net(*more):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 6), *more, nn.ReLU(), nn.Linear(6, 3))


def half(model):
    return select(magnitude(model), density=0.5)


# --- nothing silent


@pytest.mark.parametrize("penalty", ["weight_decay", "l1"])
def test_penalties_pull_at_the_kept_weights_of_sparse_layers(penalty):
    model = net().double()
    mask = half(model)
    thin, free = sparsify(model, mask), copy.deepcopy(model)
    recipe = Recipe(steps=20, batch=8, **{penalty: 0.05})
    fit(thin, (X.double(), y), recipe)
    fit(model, (X.double(), y), recipe, mask=mask)
    fit(free, (X.double(), y), Recipe(steps=20, batch=8), mask=mask)
    for a, b in zip(densify(thin).parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)
    assert model[0].weight.norm() < 0.9 * free[0].weight.norm()


def test_frozen_parameters_of_replicas_stay():
    frozen = Replicas([net(), net()]).requires_grad_(False)
    with pytest.raises(ValueError, match="nothing to train"):
        fit_replicas(frozen, (X, y), R, seeds=[0, 1])
    for optimiser in ("sgd", "adam"):
        recipe = Recipe(steps=3, batch=8, weight_decay=0.1, optimiser=optimiser)
        pair, alone = Replicas([net(), net()]).double(), net().double()
        for model in (pair, alone):
            model[0].requires_grad_(False)
        before = copy.deepcopy(pair)
        fit_replicas(pair, (X.double(), y), recipe, seeds=[0, 1])
        fit(alone, (X.double(), y), recipe, seed=0)
        assert torch.equal(pair[0].weight, before[0].weight)
        assert torch.equal(pair[0].bias, before[0].bias)
        for a, b in zip(pair.replica(0).parameters(), alone.parameters(), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("affine", [True, False])
def test_a_frozen_normalisation_keeps_its_averages(affine):
    model = net(nn.BatchNorm1d(6, affine=affine), nn.BatchNorm1d(6))
    model[1].eval().requires_grad_(False)
    fit(model, (X, y), R)
    assert torch.equal(model[1].running_mean, torch.zeros(6)) and not model.training
    seen = model[2].running_mean.clone()
    assert seen.any()
    fit(model, (X, y), R)  # now all of it is in eval mode, and trains again
    assert not torch.equal(model[2].running_mean, seen)
    if affine:
        assert torch.equal(model[1].running_mean, torch.zeros(6))


class Tokens(nn.Module):
    def forward(self, X):
        return X.view(4, 5, 3)


def test_measures_count_by_hand():
    model = net()
    right = [int(model(row).argmax()) == int(c) for row, c in zip(X, y, strict=True)]
    assert accuracy(model, X, y).item() == sum(right) / 20
    each = Tokens()(X)
    hits = sum(int(each[i, j].argmax() == y.view(4, 5)[i, j]) for i in range(4) for j in range(5))
    assert accuracy(Tokens(), X, y.view(4, 5)).item() == pytest.approx(hits / 20)
    loss = cross_entropy(X, y)
    torch.testing.assert_close(mean_loss(Tokens(), X, y.view(4, 5)), loss)
    pair = Replicas([net(), mlp((3, 6, 3), 1)])
    own = torch.stack([y, y.flip(0)])
    for measure in (accuracy, mean_loss):
        for labels in (y, own):
            alone = [measure(pair.replica(i), X, labels.expand(2, 20)[i]) for i in range(2)]
            torch.testing.assert_close(measure(pair, X, labels), torch.stack(alone))


@pytest.mark.parametrize("measure", [accuracy, mean_loss])
@pytest.mark.parametrize("together", [False, True])
def test_measures_refuse_what_they_would_count_wrongly(measure, together):
    model = Replicas([net(), net()]) if together else net()
    wrong = {
        r"\(20, 1\)": (X, y[:, None]),
        r"given \(1,\)": (X, y[:1]),
        "one-hot": (X, torch.nn.functional.one_hot(y)),
        "one class for each row": (X, y + 0.5),
        "no example": (X[:0], y[:0]),
    }
    for said, (inputs, targets) in wrong.items():
        with pytest.raises(ValueError, match=said):
            measure(model, inputs, targets)
    with pytest.raises(ValueError, match="single logit"):
        accuracy(nn.Linear(3, 1), X, y)
    with pytest.raises(ValueError, match="classes from 1 to 3, expected 0 to 2"):
        mean_loss(model, X, y + 1)
    with pytest.raises(TypeError, match="gives a tuple"):
        measure(nn.LSTM(3, 3), X, y)


@pytest.mark.parametrize("measure", [accuracy, mean_loss])
def test_measuring_changes_nothing_and_is_not_random(measure):
    model = net(nn.BatchNorm1d(6), nn.Dropout(0.9)).train()
    model[2].eval()
    before = copy.deepcopy(model)
    once = measure(model, X, y)
    assert [m.training for m in model.modules()] == [m.training for m in before.modules()]
    for a, b in zip(model.state_dict().values(), before.state_dict().values(), strict=True):
        assert torch.equal(a, b)
    assert torch.equal(once, measure(before.eval(), X, y))
