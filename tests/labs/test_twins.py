"""Twins compute the same; which rules treat them the same is counted weight by weight."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from course_lib.labs import twins
from course_lib.masks import select
from course_lib.pruning import criteria
from course_lib.training.models import mlp


def network(seed=0, sizes=(5, 7, 6, 3), activation=nn.ReLU):
    model = mlp(sizes, seed).double()
    for place in range(1, len(model), 2):
        model[place] = activation()
    return model


def examples(seed=0, n=40):
    return torch.randn(n, 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


OPERATIONS = {
    "permuted": (twins.permuted, nn.Tanh),
    "rescaled": (twins.rescaled, nn.ReLU),
    "sign_flipped": (twins.sign_flipped, nn.Tanh),
    "split": (twins.split, nn.Tanh),
    "split some in three": (lambda m, s: twins.split(m, s, times=3, share=0.4), nn.ReLU),
    "with_idle": (lambda m, s: twins.with_idle(m, s, count=4, size=1.0), nn.Tanh),
    "merged": (lambda m, s: twins.merged(twins.split(m, s, times=3)), nn.ReLU),
}


@pytest.mark.parametrize("name", OPERATIONS)
@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 1000))
def test_the_function_stays_and_the_model_given_too(name, seed):
    operation, activation = OPERATIONS[name]
    model = network(seed, activation=activation)
    before = copy.deepcopy(model.state_dict())
    twin = operation(model, seed)
    assert torch.allclose(twin(examples()), model(examples()), atol=1e-12, rtol=1e-10)
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())
    for layer in (twin[0], twin[2], twin[4]):
        assert tuple(layer.weight.shape) == (layer.out_features, layer.in_features)
        assert len(layer.bias) == layer.out_features


def test_rescaling_and_flipping_lose_no_bit_even_in_single_precision():
    X = examples().float()
    relu, tanh = network().float(), network(activation=nn.Tanh).float()
    assert torch.equal(twins.rescaled(relu, 3, spread=3)(X), relu(X))
    assert torch.equal(twins.sign_flipped(tanh, 3)(X), tanh(X))


def test_each_operation_really_changes_the_weights():
    model = network()
    assert not torch.equal(twins.permuted(model, 1)[0].weight, model[0].weight)
    ratio = twins.rescaled(model, 1)[0].weight / model[0].weight
    assert torch.equal(ratio, ratio[:, :1].expand_as(ratio)) and len(ratio[:, 0].unique()) > 1
    assert torch.equal(ratio.log2(), ratio.log2().round())
    flipped = twins.sign_flipped(network(activation=nn.Tanh), 1)[0].weight / model[0].weight
    assert set(flipped.flatten().tolist()) == {-1.0, 1.0}


def test_splitting_copies_what_enters_and_shares_out_what_leaves():
    model = network()
    twin = twins.split(model, 0, times=2)
    assert torch.equal(twin[0].weight, model[0].weight.repeat_interleave(2, dim=0))
    assert torch.equal(twin[0].bias, model[0].bias.repeat_interleave(2))
    assert torch.equal(twin[4].weight, model[4].weight.repeat_interleave(2, dim=1) / 2)
    some = twins.split(model, 0, times=4, share=0.5)
    assert (some[0].out_features, some[2].out_features) == (7 + 3 * 4, 6 + 3 * 3)
    assert twins.split(model, 0, share=0.0)[0].out_features == 7


def test_idle_neurons_listen_and_say_nothing():
    twin = twins.with_idle(network(), 0, count=4, size=2.0)
    assert twin[0].out_features == 11 and not twin[2].weight[:6, 7:].any()
    assert 1 < twin[0].weight[7:].std() < 3


def test_merging_undoes_splitting_however_it_was_rescaled():
    model = network()
    twin = twins.merged(twins.rescaled(twins.split(model, 0, times=3), 1, spread=2))
    assert [layer.out_features for layer in twin[::2]] == [7, 6, 3]
    assert torch.allclose(twin(examples()), model(examples()), atol=1e-10)
    assert twins.merged(model)[0].out_features == 7  # nobody alike: nobody joined
    silent = network()
    with torch.no_grad():
        silent[0].weight[:2] = 0
        silent[0].bias[:2] = 0
    joined = twins.merged(silent)
    assert joined[0].out_features == 6
    assert torch.allclose(joined(examples()), silent(examples()), atol=1e-12)


def test_what_does_not_keep_the_function_is_refused():
    with pytest.raises(TypeError, match="ReLU, LeakyReLU, Identity"):
        twins.rescaled(network(activation=nn.Tanh), 0)
    with pytest.raises(TypeError, match="Tanh, Softsign, Identity"):
        twins.sign_flipped(network(), 0)
    with pytest.raises(TypeError, match="would not stay the same"):
        twins.merged(network(activation=nn.Tanh))
    for wrong in (
        nn.Linear(2, 2),
        nn.Sequential(nn.Linear(2, 2), nn.ReLU()),
        nn.Sequential(nn.Linear(2, 2, bias=False)),
        nn.Sequential(),
    ):
        with pytest.raises(TypeError, match=r"expected an nn\.Sequential"):
            twins.permuted(wrong, 0)
    for times, share in ((0, 1), (2, 1.5)):
        with pytest.raises(ValueError, match=f"times={times}"):
            twins.split(network(), 0, times, share)


# What the rules make of twins


def pruned_outputs(model, scores):
    model = copy.deepcopy(model)
    select(scores, density=0.5).apply_(model)
    return model(examples())


def test_magnitude_respects_order_and_sign_but_neither_scale_nor_number():
    relu, tanh = network(1), network(1, activation=nn.Tanh)

    def gap(model, twin):
        one, other = (pruned_outputs(m, criteria.magnitude(m)) for m in (model, twin))
        return (one - other).abs().max().item()

    assert gap(relu, twins.permuted(relu, 0)) < 1e-12
    assert gap(tanh, twins.sign_flipped(tanh, 0)) < 1e-12
    assert gap(relu, twins.rescaled(relu, 0, spread=2)) > 1e-3
    assert gap(relu, twins.split(relu, 0, share=0.5)) > 1e-3


def test_scores_in_units_of_the_loss_do_not_feel_the_scale():
    """Each is a product in which the factor cancels: weight by weight, not only in the mask."""
    model = network(2)
    twin = twins.rescaled(model, 0, spread=2)
    y = torch.arange(40) % 3
    for score in (criteria.first_order, criteria.obd, criteria.fisher):
        one, other = score(model, (examples(), y)), score(twin, (examples(), y))
        for name in one:
            assert torch.allclose(one[name], other[name], rtol=1e-9, atol=1e-300)


def test_copies_get_less_of_every_score_of_the_loss():
    """Split in two, the surgeon's cheap relative quarters a neuron's outgoing scores."""
    model = network(3)
    twin = twins.split(model, 0)
    y = torch.arange(40) % 3
    one, other = (criteria.obd(m, (examples(), y))["4.weight"] for m in (model, twin))
    assert torch.allclose(other, one.repeat_interleave(2, dim=1) / 4, rtol=1e-9, atol=1e-300)
