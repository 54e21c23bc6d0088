"""Networks of all kinds, data and losses: scored as they are used, and left as they were."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy, mse_loss
from torch.utils.data import DataLoader, TensorDataset

from course_lib.masks import prunable, select
from course_lib.pruning import criteria
from course_lib.training.replicas import Replicas
from tests.pruning.made import CRITERIA, Recurrent, asked, batch, exactly, kinds, one_of, small


def plain_gradients(model, data, loss):
    """The gradients of each example by themselves, by names of parameters."""
    X, y = data
    for i in range(len(y)):
        model.zero_grad()
        loss(asked(model, one_of(X, i)), y[i : i + 1]).backward()
        yield {name: p.grad.clone() for name, p in model.named_parameters()}


@pytest.mark.filterwarnings("ignore:pruning leaves out")
@pytest.mark.parametrize("kind", kinds())
def test_slopes_of_networks_of_all_kinds_are_those_of_a_plain_loop(kind, no_fast_attention):
    model, data, loss = kinds()[kind]
    exact, exact_data = exactly(model, data)
    values = dict(exact.named_parameters())
    each = list(plain_gradients(exact, exact_data, loss))
    signed, sizes = (criteria.signed_first_order(model, data, loss),
                     criteria.first_order(model, data, loss, each=True))  # fmt: skip
    fisher = criteria.fisher(model, data, loss)
    assert list(signed) == list(prunable(model))
    assert (
        sum(bool(g.any()) for g in fisher.values()) >= len(fisher) - 1
    )  # a step back from nothing
    for name in signed:
        w, g = values[name].detach(), torch.stack([g[name] for g in each])
        for found, wanted in (
            (signed[name], -w * g.mean(0)),
            (sizes[name], (g * w).abs().mean(0)),
            (fisher[name], w.square() * g.square().mean(0) / 2),
        ):
            torch.testing.assert_close(
                found.double(), wanted, rtol=1e-3, atol=1e-4 * wanted.abs().max()
            )


BY_EXAMPLE = {
    "fisher": criteria.fisher, "obd": criteria.obd, "second order": criteria.second_order,
    "each": lambda model, data: criteria.first_order(model, data, each=True),
    "obs": lambda model, data: criteria.obs(model, data, block=4),
}  # fmt: skip


@pytest.mark.parametrize("way", BY_EXAMPLE)
def test_single_examples_of_what_normalises_by_the_batch_are_refused(way):
    model = small()
    model.insert(1, nn.BatchNorm1d(4, track_running_stats=False).double())
    with pytest.raises(ValueError, match=r"model: \['1'\] normalise by the batch at hand"):
        BY_EXAMPLE[way](model, batch())


def reference():
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 3))


class WithUnused(nn.Module):
    def __init__(self):
        super().__init__()
        self.used, self.unused = reference(), nn.Linear(2, 2)

    def forward(self, X):
        return self.used(X)


WAYS = {
    **{c.__name__: c for c in CRITERIA},
    "each": lambda *a: criteria.first_order(*a, each=True),
    "exact": lambda *a: criteria.obd(*a, diagonal="exact"),
    "obs": lambda *a: criteria.obs(*a, damping=10.0),
    "obs in blocks": lambda *a: criteria.obs(*a, block=4, damping=1e-3),
}


def floats(n=7):
    X, y = batch(n)
    return X.float(), y


def same(found, wanted, prefix="", rtol=1e-4):
    for name, score in found.items():
        other = wanted[name.removeprefix(prefix)].to(score.dtype)
        assert (score - other).norm() <= rtol * other.norm(), name


@pytest.mark.parametrize("way", WAYS)
def test_frozen_layers_are_scored_and_stay_frozen(way):
    wanted = WAYS[way](reference(), floats())
    for frozen in ([0], [0, 2, 4]):
        model = reference()
        for number in frozen:
            model[number].requires_grad_(False)
        before = [p.requires_grad for p in model.parameters()]
        same(WAYS[way](model, floats()), wanted)
        assert [p.requires_grad for p in model.parameters()] == before
        assert all(p.grad is None for p in model.parameters())


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
def test_scores_do_not_depend_on_the_mode_around(way, context):
    wanted = WAYS[way](reference(), floats())
    with context():
        same(WAYS[way](reference(), floats()), wanted)


@pytest.mark.filterwarnings("ignore:synflow. nothing flows")
@pytest.mark.parametrize("way", [w for w in WAYS if w not in ("magnitude", "random")])
def test_an_unused_layer_has_no_slope(way):
    wanted = WAYS[way](reference(), floats())
    scores = WAYS[way](WithUnused(), floats())
    unused = scores.pop("unused.weight")
    same(scores, wanted, "used.")
    if not way.startswith("obs"):  # there damping is all that is known of it
        assert (unused == 0).all()


@pytest.mark.parametrize("way", [w for w in WAYS if w != "random"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_scored_as_well_as_its_rounded_weights(way, dtype):
    model, (X, y) = reference().to(dtype), floats()
    rounded = X.to(dtype)
    wanted = WAYS[way](copy.deepcopy(model).double(), (rounded.double(), y))
    same(WAYS[way](model, (rounded, y)), wanted, rtol=1e-3)
    assert next(model.parameters()).dtype == dtype


def test_small_slopes_of_half_precision_are_not_lost():
    """Their squares are below what float16 can hold."""
    model, (X, y) = reference().half(), floats()
    scores = criteria.fisher(model, ((1e-3 * X).half(), y))
    assert (scores["0.weight"] > 0).all() and scores["0.weight"].max() < 1e-7


@pytest.mark.parametrize("way", WAYS)
def test_a_compiled_network_is_scored_as_it_was_written(way):
    wanted = WAYS[way](reference(), floats())
    same(WAYS[way](torch.compile(reference(), backend="eager"), floats()), wanted, "_orig_mod.")
    model = reference()
    model.compile(backend="eager")
    same(WAYS[way](model, floats()), wanted)


@pytest.mark.parametrize("way", WAYS)
def test_scores_are_where_the_network_is(way):
    model = reference().to("meta")
    if way in ("oracle", "obs"):
        with pytest.raises(ValueError, match="no values"):
            WAYS[way](model, floats())
        return
    assert all(s.is_meta for s in WAYS[way](model, floats()).values())


@pytest.mark.parametrize("way", [w for w in WAYS if w != "random"])
def test_a_diverged_network_is_told_by_the_selection(way):
    model = reference()
    model[0].weight.data[1, 2] = float("nan")
    with pytest.raises(ValueError, match="NaN"):
        select(WAYS[way](model, floats()), k=3)


@pytest.mark.parametrize("way", WAYS)
def test_a_network_of_one_weight(way):
    model = nn.Linear(1, 1, bias=False)
    model.weight.data.fill_(2.0)
    X, y = torch.tensor([[1.0], [3.0]]), torch.tensor([[2.5], [5.0]])
    score = WAYS[way](model, (X, y), mse_loss)["weight"].item()
    # Errors are 2 - 2.5 and 6 - 5; slopes 2 (-0.5) 1 and 2 (1) 3; curvatures 2 and 18.
    w, g, curve = 2.0, (-1 + 6) / 2, (2 + 18) / 2
    wanted = {
        "magnitude": 2.0, "signed_first_order": -g * w, "first_order": g * w, "snip": 1.0,
        "fisher": w * w * (1 + 36) / 4, "obd": curve * w * w / 2, "exact": curve * w * w / 2,
        "second_order": -g * w + curve * w * w / 2, "synflow": 2.0, "each": w * (1 + 6) / 2,
        "oracle": (2.5**2 + 5**2) / 2 - (0.25 + 1) / 2, "obs": w * w / 2 * (curve + 10),
        "obs in blocks": w * w / 2 * ((1 + 36) / 2 + 1e-3),
    }  # fmt: skip
    if way != "random":
        assert score == pytest.approx(wanted[way], rel=1e-5)


@pytest.mark.parametrize("way", WAYS)
def test_batches_are_as_good_as_the_whole(way):
    X, y = floats(9)
    wanted = WAYS[way](reference(), (X, y))
    parts = [(X[:4], y[:4]), (X[4:4], y[4:4]), (X[4:6], y[4:6]), [X[6:], y[6:]]]
    same(WAYS[way](reference(), parts), wanted)
    same(WAYS[way](reference(), DataLoader(TensorDataset(X, y), batch_size=4)), wanted)
    same(WAYS[way](reference(), [X, y]), wanted)


NEEDY = [way for way in WAYS if way not in ("magnitude", "random")]

X, y = floats()

WRONG = {
    "None": (None, r"Give \(X, y\)"),
    "a generator": (((X, y) for _ in range(3)), "once only"),
    "a dataset": (TensorDataset(X, y), "DataLoader"),
    "examples alone": (X, r"Write \(X, y\)"),
    "a dictionary": ({"X": X, "y": y}, r"Write \(X, y\)"),
    "no batches": ([], "no example"),
    "no examples": ((X[:0], y[:0]), "no example"),
    "arrays": ((X.numpy(), y.numpy()), "a batch is a ndarray"),
    "three things": ([(X, y, y)], "a batch is a tuple"),
    "one example": ([(X[0], y[0])], r"y\[None\]"),
}


@pytest.mark.parametrize("way", NEEDY)
@pytest.mark.parametrize("wrong", WRONG)
def test_data_that_is_none_is_told_so(way, wrong):
    data, said = WRONG[wrong]
    with pytest.raises((TypeError, ValueError), match=said):
        WAYS[way](reference(), data)


@pytest.mark.parametrize("way", NEEDY)
def test_losses_that_are_none_are_told_so(way):
    model = reference()
    with pytest.raises(TypeError, match=r"write \(X, y\)"):
        WAYS[way](model, (X, y), y)
    if way == "synflow":  # it does not look at the loss
        return
    with pytest.raises(TypeError, match="gives a float"):
        WAYS[way](model, (X, y), lambda z, y: 1.0)
    if way != "oracle":  # that needs no slope
        with pytest.raises(ValueError, match="no slope"):
            WAYS[way](model, (X, y), lambda z, y: cross_entropy(z, y).detach())


def test_a_loss_for_each_example_is_no_mean():
    with pytest.raises(ValueError, match="reduction='mean'"):
        criteria.first_order(
            reference(), (X, y), lambda z, y: cross_entropy(z, y, reduction="none")
        )


def test_examples_that_do_not_lie_along_the_first_axis_are_told_so():
    with pytest.raises(ValueError, match="first axis"):
        criteria.fisher(Recurrent(nn.LSTM), (torch.randn(4, 5, 3), torch.zeros(5).long()))


@pytest.mark.parametrize("way", NEEDY)
def test_replicas_are_scored_one_by_one(way):
    with pytest.raises(TypeError, match=r"replica\(0\)"):
        WAYS[way](Replicas.of((5, 4, 3), [0, 1]), (X, y))
