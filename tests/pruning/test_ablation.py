"""The oracle against the plain loop that sets one weight after the other to zero."""

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from course_lib.masks import prunable
from course_lib.pruning import criteria
from tests.pruning.made import MODELS, asked, batch, changed, entries, exactly, kinds, small


@pytest.mark.parametrize("make, shape", MODELS)
@pytest.mark.parametrize("n", [1, 7, 129])
def test_the_oracle_is_the_plain_loop(make, shape, n):
    model, (X, y) = make(), batch(n=n, shape=shape)
    truth = criteria.oracle(model, (X, y))
    base = cross_entropy(model.eval()(X), y).item()
    for name, index in entries(truth):
        expected = changed(model, X, y, name, index, 0.0) - base
        assert truth[name][index].item() == pytest.approx(expected, abs=1e-12)


def test_the_oracle_of_a_tied_weight_cuts_both_uses():
    shared = nn.Linear(4, 4, bias=False).double()
    model = nn.Sequential(shared, nn.Tanh(), shared)
    X, y = batch(shape=(4,), classes=4)
    truth = criteria.oracle(model, (X, y))["0.weight"]
    base = cross_entropy(model(X), y).item()
    expected = changed(model, X, y, "0.weight", (1, 2), 0.0) - base
    assert truth[1, 2].item() == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("kind", ["lstm alone", "attention", "two inputs", "kept twice", "peeking"])
def test_the_oracle_of_networks_of_all_kinds_is_the_plain_loop(kind, no_fast_attention):
    model, data, loss = kinds()[kind]
    truth = criteria.oracle(model, data, loss)
    exact, (X, y) = exactly(model, data)
    with torch.no_grad():
        base = loss(asked(exact, X), y)
        for name, index in entries(truth):
            w = prunable(exact)[name]
            old = w[index].item()
            w[index] = 0
            assert truth[name][index].item() == pytest.approx(
                (loss(asked(exact, X), y) - base).item(), abs=1e-12
            )
            w[index] = old


def test_the_oracle_does_not_mix_the_rows_of_what_is_no_batch():
    """An LSTM takes a matrix for one sequence: many tries must not follow each other in it."""

    class Last(nn.LSTM):
        def forward(self, X):
            return super().forward(X)[0]

    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 4), Last(4, 3)).double()
    X, y = batch()
    truth = criteria.oracle(model, (X, y))["0.weight"]
    base = cross_entropy(model(X), y).item()
    expected = changed(model, X, y, "0.weight", (2, 3), 0.0) - base
    assert truth[2, 3].item() == pytest.approx(expected, abs=1e-12)


class Crosswise(nn.Module):
    def __init__(self, layers):
        super().__init__()
        self.layers = layers

    def forward(self, X):
        return self.layers(X)


NORMS = [nn.BatchNorm1d(4, track_running_stats=False), nn.LayerNorm((7, 4)), nn.LayerNorm(4)]


@pytest.mark.parametrize("norm", NORMS, ids=["batch", "both axes", "row"])
def test_the_oracle_tries_each_weight_alone_where_rows_look_at_each_other(norm):
    """Many tried together were one large batch to a norm without running averages."""
    plain = small()
    layers = nn.Sequential(plain[0], norm, nn.ReLU(), plain[2]).double()
    X, y = batch()
    found, wanted = criteria.oracle(layers, (X, y)), criteria.oracle(Crosswise(layers), (X, y))
    for name, changes in found.items():
        assert torch.allclose(changes, wanted[f"layers.{name}"], atol=1e-12)
