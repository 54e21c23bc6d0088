"""What training says of data, settings and networks that it cannot take, and what it keeps."""

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from course_lib.masks import Mask, select
from course_lib.pruning import first_order, magnitude
from course_lib.sparse import densify, sparsify
from course_lib.training.data import digits
from course_lib.training.fit import Recipe, accuracy, fit, hold, mean_loss
from course_lib.training.models import mlp
from course_lib.training.replicas import Replicas, fit_replicas
from course_lib.training.trainer import Trainer

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


# --- sentences for what cannot be taken


class Pair(nn.Module):
    def __init__(self):
        super().__init__()
        self.own = nn.Linear(3, 3)

    def forward(self, X, more=None):
        return self.own(X), more


def small():
    return torch.nn.functional.one_hot(y)


DATA = {
    "class out of range": (net, (X, y + 5), {}, r"\(n,\) from 0 to classes - 1"),
    "float classes": (net, (X, y.float()), {}, r"targets \(8,\) torch.float32"),
    "int32 classes": (net, (X, y.int()), {}, "torch.int32"),
    "a column": (net, (X, y[:, None]), {}, r"targets \(8, 1\)"),
    "one-hot": (net, (X, small()), {}, r"targets \(8, 3\) torch.int64"),
    "float64": (net, (X.double(), y), {}, "parameters are torch.float32 on cpu"),
    "features": (net, (X[:, :2], y), {}, r"inputs \(8, 2\) torch.float32"),
    "device": (net, [(X.to("meta"), y)], {}, "on meta"),
    "one example": (lambda: net(nn.BatchNorm1d(6)), [(X[:1], y[:1])], {}, "more than 1 value"),
    "a tuple": (Pair, (X, y), {}, r"outputs tuple of \(8, 3\)"),
    "tokens": (lambda: nn.Linear(3, 3), (X.view(4, 5, 3), y.view(4, 5)), {}, "for tokens"),
    "a class": (net, (X, y), {"loss": nn.CrossEntropyLoss}, r"CrossEntropyLoss\(\)"),
    "a name": (Pair, ({"X": X, "other": X}, y), {}, "other: .*unexpected keyword"),
    "a recipe": (net, (X, y), {"recipe": {"steps": 3}}, "given a dict, expected a Recipe"),
    "a mask": (net, (X, y), {"mask": {"0.weight": X > 0}}, "given a dict, expected a Mask"),
    "a list": (net, (X, y), {"mask": [1]}, "given a list, expected a Mask"),
    "a hook": (net, (X, y), {"on_step": lambda step: step > 9}, "on_step: given a bool"),
    "a seed": (net, (X, y), {"seed": None}, "seed: given None"),
    "no network": (lambda: net, (X, y), {}, "expected a network"),
}


@pytest.mark.parametrize("case", DATA)
def test_fit_says_what_does_not_fit(case):
    make, data, how, said = DATA[case]
    how = {"recipe": R} | how
    with pytest.raises((TypeError, ValueError), match=said):
        fit(make(), data, **how)
    if case in ("float classes", "float64", "a tuple", "a name"):  # criteria ask in the same words
        with pytest.raises((TypeError, ValueError), match=r"^(data|loss): given .* The error was"):
            first_order(make(), data)


def test_fit_says_where_nothing_can_be_learnt():
    for off in (torch.no_grad, torch.inference_mode):
        with off(), pytest.raises(ValueError, match="gradients are switched off"):
            fit(net(), (X, y), R)


def test_lack_of_memory_and_errors_of_other_kinds_are_left_as_they_are():
    for kind in (torch.OutOfMemoryError, NotImplementedError, KeyError):

        class Broken(nn.Linear):
            def forward(self, X, kind=kind):
                raise kind("mine")

        with pytest.raises(kind) as found:
            fit(Broken(3, 3), (X, y), R)
        assert type(found.value) is kind


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"data": (X, y + 1)}, "classes from 1 to 3, expected 0 to 2"),
        ({"data": (X, y - 1)}, "classes from -1 to 1"),
        ({"data": (X, y.int())}, r"y \(20,\) torch.int32"),
        ({"data": (X, y.float())}, r"y \(20,\) torch.float32"),
        ({"data": (X.double(), y)}, r"X \(20, 3\) torch.float64"),
        ({"data": (X.to("meta"), y)}, "on meta"),
        ({"seeds": 0}, r"seeds=\[0\]"),
        ({"seeds": "01"}, "seeds: given '01'"),
        ({"seeds": [0, None]}, "seeds: given None"),
        ({"lr": [0.1, 0.2]}, "expected a tensor"),
        ({"recipe": {}}, "expected a Recipe"),
        ({"mask": {}}, "given a dict, expected a Mask"),
        ({"on_step": lambda step: True}, "on_step: given a bool"),
    ],
)
def test_replicas_say_what_does_not_fit(how, said):
    given = {"data": (X, y), "recipe": R, "seeds": [0, 1]} | how
    with pytest.raises((TypeError, ValueError), match=said):
        fit_replicas(Replicas([net(), net()]), **given)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("steps", wrong) for wrong in (10.0, "10", True, None, 0)],
        *[("batch", wrong) for wrong in (8.0, "8", True, -1)],
        *[("lr", wrong) for wrong in ("0.1", -1, float("nan"), float("inf"), None, True)],
        *[("momentum", wrong) for wrong in (-1, 2, 1, "0.9", float("nan"))],
        *[("weight_decay", wrong) for wrong in (-1, "0.1", None, float("nan"))],
        *[("l1", wrong) for wrong in (None, -0.1, float("nan"))],
        *[("dropout", wrong) for wrong in (-0.1, 1, "0", float("nan"))],
        ("schedule", "cosine"),
        ("optimiser", None),
    ],
)
def test_a_recipe_refuses_what_it_cannot_follow(name, value):
    with pytest.raises((TypeError, ValueError), match=f"^{name}: given "):
        Recipe(**{name: value})


def test_numbers_of_numpy_are_numbers():
    recipe = Recipe(steps=np.int64(3), batch=np.int32(8), lr=np.float32(0.5))
    Trainer((X, y), recipe, seeds=np.arange(1))(net())
    one, other = mlp((3, 3), np.int64(3)), mlp((3, 3), 3)
    assert torch.equal(one[0].weight, other[0].weight)
    assert torch.equal(digits(np.int64(3)).X, digits(3).X)


@pytest.mark.parametrize("seed", [None, 1.0, "1", True])
def test_seeds_are_integers(seed):
    data = digits()
    for asked in (
        lambda: mlp((3, 3), seed),
        lambda: digits(seed),
        lambda: data.hold_out(0.5, seed),
        lambda: Trainer((X, y), R, seeds=[seed]),
        lambda: fit(net(), (X, y), R, seed=seed),
    ):
        with pytest.raises(TypeError, match=f"given {seed!r}.*expected an integer"):
            asked()
    with pytest.raises(TypeError, match=r"seeds=\[0\]"):
        Trainer((X, y), R, seeds=0)
    with pytest.raises(ValueError, match="64 bits"):
        mlp((3, 3), 2**64)


def test_hold_says_what_is_no_optimiser_and_no_mask():
    model = net()
    optimiser = torch.optim.SGD(model.parameters(), 0.1)
    falling = torch.optim.lr_scheduler.StepLR(optimiser, 1)
    for given, mask, said in (
        (falling, half(model), "StepLR, expected an optimiser"),
        (optimiser, dict(half(model)), "given a dict, expected a Mask"),
        (optimiser, None, "given None"),
    ):
        with pytest.raises(TypeError, match=said), hold(given, model, mask):
            pass


@pytest.mark.parametrize("optimiser", ["sgd", "momentum", "adam"])
def test_sparse_gradients_of_embeddings_are_held(optimiser):
    torch.manual_seed(0)
    model = nn.Embedding(5, 4, sparse=True)
    mask = Mask({"weight": torch.rand(5, 4) > 0.5})
    before = model.weight.detach().clone()
    opt = {
        "sgd": lambda p: torch.optim.SGD(p, 0.1),
        "momentum": lambda p: torch.optim.SGD(p, 0.1, momentum=0.9),
        "adam": lambda p: torch.optim.SparseAdam(list(p), 0.1),
    }[optimiser](model.parameters())
    words = torch.tensor([0, 1, 1, 3])

    def step():
        opt.zero_grad()
        model(words).square().sum().backward()
        opt.step()

    step()  # the optimiser learns to like weights that are then pruned
    with hold(opt, model, mask):
        for _ in range(3):
            step()
            assert (model.weight[~mask["weight"]] == 0).all()
    assert (model.weight != before)[mask["weight"]].any()
    for memory in opt.state[model.weight].values():
        if isinstance(memory, torch.Tensor) and memory.shape == before.shape:
            assert (memory.to_dense()[~mask["weight"]] == 0).all()
