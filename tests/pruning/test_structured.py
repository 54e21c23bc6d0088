"""Removed units against the masked network, in float64."""

import copy
import pickle
import warnings

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils import parametrizations, prune

from course_lib.pruning import criteria
from course_lib.pruning.structured import remove, select_units, unit_mask, unit_scores
from course_lib.training.models import mlp


def perceptron(activation=nn.ReLU):
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(5, 8), activation(), nn.Linear(8, 6, bias=False), activation(), nn.Linear(6, 3)
    ).double()


def network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Sequential(
            nn.Conv2d(2, 6, 3, padding=1), nn.BatchNorm2d(6), nn.Sigmoid(), nn.MaxPool2d(2)
        ),
        nn.Conv2d(6, 4, 3, padding=1, stride=2),
        nn.Tanh(),
        nn.Flatten(),
        nn.Linear(16, 7),
        nn.BatchNorm1d(7),
        nn.ReLU(),
        nn.Dropout(0.0),
        nn.Linear(7, 3),
    ).double()  # fmt: skip


CASES = [
    (perceptron, (5,), {"0": 8, "2": 6}),
    (lambda: perceptron(nn.Sigmoid), (5,), {"0": 8, "2": 6}),
    (network, (2, 8, 8), {"0.0": 6, "1": 4, "4": 7}),
]


def agree(model, units, shape, n, train):
    smaller, masked = remove(model, units), copy.deepcopy(model)
    unit_mask(model, units).apply_(masked)
    X = torch.randn(n, *shape, dtype=torch.float64)
    smaller.train(train)
    masked.train(train)
    torch.testing.assert_close(smaller(X), masked(X), rtol=0, atol=1e-12)
    return smaller, masked, X


@pytest.mark.parametrize("make, shape, sizes", CASES)
@pytest.mark.parametrize("n, train", [(1, False), (7, False), (7, True)])
@settings(max_examples=10, deadline=None)
@given(draw=st.data())
def test_removed_is_masked(make, shape, sizes, n, train, draw):
    units = {}
    for name, size in sizes.items():
        kept = draw.draw(st.lists(st.booleans(), min_size=size, max_size=size).filter(any))
        if draw.draw(st.booleans()):
            units[name] = torch.tensor(kept)
    agree(make(), units, shape, n, train)


@pytest.mark.parametrize("make, shape, sizes", CASES)
def test_half_of_the_units_and_gradients_of_what_is_left(make, shape, sizes):
    model = make()
    before = copy.deepcopy(model.state_dict())
    units = select_units(unit_scores(criteria.magnitude(model)), 0.5)
    assert {n: int(u.sum()) for n, u in units.items()} == {
        n: round(s / 2) for n, s in sizes.items()
    }
    smaller, masked, X = agree(model, units, shape, 7, True)
    smaller(X).square().sum().backward()
    masked(X).square().sum().backward()
    kept = unit_mask(model, units)
    for name, parameter in smaller.named_parameters():
        if name in kept:
            theirs = masked.get_parameter(name).grad[kept[name]]
            torch.testing.assert_close(parameter.grad.flatten(), theirs)
            assert parameter.numel() == kept[name].sum()
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name])
    again = pickle.loads(pickle.dumps(smaller))
    torch.testing.assert_close(again.eval()(X), smaller.eval()(X))


def test_sizes_by_closed_form():
    model = mlp((40, 100, 100, 10), seed=0)
    units = select_units(unit_scores(criteria.magnitude(model)), 0.2)
    smaller = remove(model, units)
    assert sum(p.numel() for p in smaller.parameters()) == 41 * 20 + 21 * 20 + 21 * 10
    assert [m.out_features for m in smaller if isinstance(m, nn.Linear)] == [20, 20, 10]
    assert remove(model, {})(torch.ones(1, 40)).equal(model(torch.ones(1, 40)))
    one = select_units(unit_scores(criteria.magnitude(model)), 0.001)
    assert all(u.sum() == 1 for u in one.values())


def test_units_are_scored_by_the_sum_over_what_comes_in():
    scores = {"0.weight": torch.arange(12.0).view(2, 3, 2), "1.weight": torch.ones(3, 2)}
    assert unit_scores(scores)["0"].tolist() == [15.0, 51.0]
    assert select_units({"0": torch.tensor([1.0, 1.0, 2.0]), "1": torch.ones(2)}, 0.67)[
        "0"
    ].tolist() == [True, False, True]


def test_the_mode_and_what_is_frozen_stay():
    model = perceptron().eval()
    model[0].weight.requires_grad_(False)
    smaller = remove(model, {"0": torch.tensor([True] * 3 + [False] * 5)})
    assert not smaller.training and not smaller[0].weight.requires_grad
    assert smaller[2].weight.requires_grad


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_kept_and_sums_do_not_overflow(dtype):
    model = perceptron().to(dtype)
    with torch.no_grad():
        model[0].weight.fill_(30_000)  # five of them are more than float16 can hold
    scores = unit_scores(criteria.magnitude(model))
    assert scores["0"].tolist() == [5 * model[0].weight[0, 0].item()] * 8
    smaller = remove(model, select_units(scores, 0.5))
    assert {p.dtype for p in smaller.parameters()} == {dtype}
    assert torch.equal(smaller[0].weight, model[0].weight[:4])


def test_a_network_without_values_has_shapes_all_the_same():
    with torch.device("meta"):
        model = network()
    units = {"0.0": torch.arange(6) < 4, "4": torch.arange(7) % 2 == 0}
    smaller, real = remove(model, units), remove(network(), units)
    shapes = [p.shape for p in real.parameters()]
    assert [p.shape for p in smaller.parameters()] == shapes and smaller[0][0].weight.is_meta
    assert unit_mask(model, units) == unit_mask(network(), units)
    with pytest.raises(ValueError, match=r"units of '4'.*device 'meta'"):
        remove(model, {"4": units["4"].to("meta")})


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("attention.in_proj_weight", (12, 4)),
        ("weight_ih_l0", (12, 3)),
        ("lstm.weight_hh_l0", (12, 3)),
        ("weight", (3, 4)),
        ("0.bias", (4,)),
        ("1.weight", (4,)),
    ],
)
def test_scores_of_what_has_no_units_are_refused_by_name(name, shape):
    with pytest.raises(ValueError, match=f"scores of '{name}'.*whose rows are its units"):
        unit_scores({"0.weight": torch.ones(4, 3), name: torch.ones(shape)})


def test_units_that_cannot_be_chosen_are_named():
    two = {"0": torch.ones(3), "1": torch.ones(2)}
    for scores, error, words in (
        ({}, ValueError, "two layers or more"),
        ({"0": torch.ones(3)}, ValueError, "two layers or more"),
        (two | {"0": torch.ones(3, 2)}, ValueError, "scores of '0'.*one number for each unit"),
        (two | {"0": torch.tensor([1, float("nan")])}, ValueError, "scores of '0': 1 of 2 are NaN"),
        (two | {"0": [1.0, 2.0]}, TypeError, "scores of '0': given list"),
    ):
        with pytest.raises(error, match=words):
            select_units(scores, 0.5)
    with pytest.raises(TypeError, match="units of '0': given list"):
        remove(perceptron(), {"0": [True] * 8})


def old_norm(layer):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        nn.utils.weight_norm(layer)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda m: prune.l1_unstructured(m[0], "weight", 0.5), "'0' computes its weight"),
        (lambda m: prune.l1_unstructured(m[0], "bias", 0.5), "'0' computes its bias"),
        (lambda m: parametrizations.spectral_norm(m[2]), "'2' computes its weight"),
        (lambda m: old_norm(m[2]), "'2' computes its weight"),
        (lambda m: m[1].register_forward_hook(lambda *a: None), "'1' has hooks"),
        (lambda m: m[2].register_forward_pre_hook(lambda *a: None), "'2' has hooks"),
        (lambda m: m.register_forward_hook(lambda *a: None), "'' has hooks"),
        (lambda m: m[0].register_full_backward_hook(lambda *a: None), "'0' has hooks"),
        (lambda m: m.append(nn.MultiheadAttention(3, 1)), "'5' is a MultiheadAttention"),
        (lambda m: m.append(nn.LSTM(3, 1)), "'5' is a LSTM"),
        (lambda m: m.append(nn.ConvTranspose1d(3, 1, 1)), "'5' is a ConvTranspose1d"),
    ],
)
def test_what_cannot_be_cut_is_refused_before_it_is_copied(change, words):
    model = perceptron()
    change(model)
    model[:3](torch.ones(2, 5, dtype=torch.float64))  # torch would not copy what this has computed
    for ask in (remove, unit_mask):
        with pytest.raises(TypeError, match=f"layer {words}"):
            ask(model, {"0": torch.arange(8) < 4})


def test_a_norm_in_two_places_is_refused():
    norm = nn.BatchNorm1d(4, affine=False)
    model = nn.Sequential(nn.Linear(3, 4), norm, nn.Linear(4, 4), norm, nn.Linear(4, 2))
    with pytest.raises(TypeError, match="share their weights"):
        remove(model, {"0": torch.arange(4) < 2})


class Residual(nn.Module):
    def forward(self, x):
        return x + 1


def test_errors_for_people():
    model, kept = perceptron(), torch.ones(8, dtype=torch.bool)
    for wrong, message in (
        ({"4": torch.ones(3, dtype=torch.bool)}, "the answers"),
        ({"9": kept}, "expected one of the layers"),
        ({"0": kept[:5]}, "each of its 8 units"),
        ({"0": kept.float()}, "expected bool"),
        ({"0": ~kept}, "none is kept"),
    ):
        with pytest.raises(ValueError, match=message):
            remove(model, wrong)
    tied = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4))
    tied[2].weight = tied[0].weight
    hooked = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2))
    torch.nn.utils.prune.l1_unstructured(hooked[0], "weight", 0.5)
    hooked[0].weight = hooked[0].weight.detach()
    for wrong, message in (
        (nn.Linear(2, 2), "expected an nn.Sequential"),
        (Residual(), "expected an nn.Sequential"),
        (nn.Sequential(nn.Linear(4, 4), Residual()), "is a Residual"),
        (nn.Sequential(nn.Conv2d(4, 4, 1, groups=2), nn.ReLU()), "ungrouped"),
        (nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4)), "LayerNorm"),
        (nn.Sequential(nn.Linear(4, 4), nn.Flatten(0)), "from the channels on"),
        (tied, "share their weights"),
        (hooked, "computes its weight"),
    ):
        with pytest.raises(TypeError, match=message):
            remove(wrong, {})
    with pytest.raises(ValueError, match="density"):
        select_units({"0": torch.ones(3)}, 0.0)
    misfit = nn.Sequential(nn.Linear(4, 5), nn.Linear(4, 2))
    with pytest.raises(ValueError, match="does not fit together"):
        remove(misfit, {})


@pytest.mark.parametrize(
    ("layers", "at"),
    [
        ((nn.Linear(4, 4), nn.AvgPool1d(3, 1, 1), nn.Linear(4, 2)), 1),
        ((nn.Linear(4, 4), nn.MaxPool1d(3, 1, 1), nn.Linear(4, 2)), 1),
        ((nn.Linear(4, 4), nn.AdaptiveAvgPool1d(4), nn.Linear(4, 2)), 1),
        ((nn.Conv1d(3, 4, 1), nn.MaxPool2d(1), nn.Flatten(), nn.Linear(8, 2)), 1),
        ((nn.Conv1d(3, 4, 1), nn.Flatten(), nn.MaxPool1d(3, 1, 1), nn.Linear(8, 2)), 2),
        ((nn.Conv1d(3, 4, 1), nn.ReLU(), nn.Linear(8, 2)), 2),
        ((nn.Conv2d(3, 4, 1), nn.AdaptiveAvgPool2d(1), nn.Linear(1, 2)), 2),
        ((nn.Linear(4, 4), nn.ReLU(), nn.Conv1d(4, 2, 1)), 2),
    ],
)
def test_a_layer_that_looks_along_another_axis_is_refused(layers, at):
    model, units = nn.Sequential(*layers), {"0": torch.arange(4) < 2}
    for change in (remove, unit_mask):
        with pytest.raises(TypeError, match=f"layer '{at}'.*the units that come in lie"):
            change(model, units)
    whole = remove(model, {"0": torch.ones(4, dtype=torch.bool)})
    assert [p.shape for p in whole.parameters()] == [p.shape for p in model.parameters()]


def test_units_of_other_tokens_than_the_norm_counts_are_refused():
    norm = nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(8), nn.Linear(4, 2))  # 8 tokens
    tokens = nn.Sequential(nn.Linear(5, 4), nn.Flatten(), nn.Linear(32, 2))
    for model, at in ((norm, 1), (tokens, 2)):
        assert model(torch.ones(2, 8, 5)).shape[0] == 2
        with pytest.raises(ValueError, match=f"layer '{at}' expects .*but 4 channels come in"):
            remove(model, {"0": torch.arange(4) < 2})


def test_pools_and_norms_over_channels_of_lines_stay():
    model = nn.Sequential(
        nn.Conv1d(2, 6, 3), nn.BatchNorm1d(6), nn.MaxPool1d(2), nn.Conv1d(6, 4, 1),
        nn.AdaptiveAvgPool1d(2), nn.Flatten(), nn.BatchNorm1d(8), nn.Linear(8, 3),
    ).double()  # fmt: skip
    agree(model, {"0": torch.arange(6) % 2 == 0, "3": torch.arange(4) > 1}, (2, 10), 5, False)


def test_what_is_no_scores_or_units_is_said():
    with pytest.raises(TypeError, match="scores: given a Sequential"):
        unit_scores(perceptron())
    with pytest.raises(TypeError, match="units: given a NoneType"):
        remove(perceptron(), None)
