"""Whole networks, sparse against the dense model with its mask applied, in float64."""

import copy
import io

import pytest
import torch
from torch import nn
from torch.nn.utils import prune

from course_lib.masks import Mask
from course_lib.sparse import SparseConv2d, SparseLinear, convert, densify, refusals, sparsify
from tests.sparse.dense import cnn, inputs, magnitude, mlp, same, seeded


@pytest.mark.parametrize(
    "layer,x",
    [
        (SparseLinear(seeded(nn.Linear(6, 5)), torch.rand(5, 6) < 0.5), inputs(3, 6)),
        (
            SparseConv2d(seeded(nn.Conv2d(2, 3, 3, padding=1)), torch.rand(3, 2, 3, 3) < 0.5),
            inputs(2, 2, 4, 5),
        ),
    ],
)
def test_gradients_by_finite_differences(layer, x):
    for relu in (False, True):

        def run(x, values, bias, relu=relu):
            given = {"values": values, "bias": bias}
            return torch.func.functional_call(layer, given, (x,), {"relu": relu})

        arguments = (x, layer.values.detach().clone(), layer.bias.detach().clone())
        arguments = [a.requires_grad_() for a in arguments]
        assert torch.autograd.gradcheck(run, arguments)
        assert torch.autograd.gradgradcheck(run, arguments)


def test_degenerate_masks():
    model = nn.Sequential(nn.Linear(6, 5), nn.ReLU()).double()
    nothing = torch.zeros(5, 6, dtype=torch.bool)
    some = nothing.clone()
    some[2] = True
    for kept in (nothing, some, ~nothing):
        same(model, inputs(4, 6), Mask({"0.weight": kept}))


def optimisers():
    yield lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.01)
    yield lambda p: torch.optim.Adam(p, lr=0.01)
    yield lambda p: torch.optim.AdamW(p, lr=0.01, fused=True)


@pytest.mark.parametrize("make", list(optimisers()))
def test_training_is_that_of_the_masked_dense_network(make):
    model, mask = mlp(), magnitude(mlp())
    sparse = sparsify(model, mask)
    mask.apply_(model)
    pairs = [(net, make(net.parameters())) for net in (model, sparse)]
    x, y = inputs(16, 20), torch.arange(16) % 4
    for _ in range(20):
        for net, optimiser in pairs:
            optimiser.zero_grad()
            nn.functional.cross_entropy(net(x), y).backward()
            optimiser.step()
        mask.apply_(model)
    back = densify(sparse)
    for p, q in zip(model.parameters(), back.parameters(), strict=True):
        assert torch.allclose(p, q, atol=1e-9)
    state = pairs[1][1].state
    for layer in sparse:
        if isinstance(layer, SparseLinear):
            sizes = {t.numel() for t in state[layer.values].values() if t.ndim}
            assert (
                sizes == {layer.values.numel()} and layer.values.numel() < layer.rows * layer.width
            )


def test_there_and_back():
    for model, x in ((mlp(), inputs(5, 20)), (cnn(padding=1), inputs(2, 3, 9, 8))):
        mask, before = magnitude(model), copy.deepcopy(model.state_dict())
        sparse = sparsify(model, mask)
        back = densify(sparse)
        assert [type(m) for m in back.modules()] == [type(m) for m in model.modules()]
        assert all(torch.equal(model.state_dict()[k], v) for k, v in before.items())
        mask.apply_(model)
        for name, weight in model.state_dict().items():
            assert torch.equal(back.state_dict()[name], weight)
        assert isinstance(sparse[0], SparseLinear | SparseConv2d)  # left as it was
        assert torch.equal(back(x), model(x))


def test_saved_and_loaded():
    for model, x in ((mlp(), inputs(5, 20)), (cnn(padding=1), inputs(2, 3, 9, 8))):
        sparse = sparsify(model, magnitude(model))
        expected = sparse(x)
        buffer = io.BytesIO()
        torch.save(sparse, buffer)
        buffer.seek(0)
        for copied in (
            torch.load(buffer, weights_only=False),
            copy.deepcopy(sparse),
        ):
            assert torch.equal(copied(x), expected)
            copied(x).sum().backward()
        other = sparsify(seeded(copy.deepcopy(model), 5), magnitude(model))
        other.load_state_dict(sparse.state_dict())
        assert torch.equal(other(x), expected)


def test_another_pattern_of_the_same_size_is_loaded_whole():
    model = nn.Sequential(nn.Linear(4, 4)).double()
    left = torch.arange(16).reshape(4, 4) % 4 < 2
    one, two = (sparsify(model, Mask({"0.weight": m})) for m in (left, ~left))
    x = inputs(3, 4).requires_grad_()
    two.load_state_dict(one.state_dict())
    two(x).sum().backward()
    gradient, x.grad = x.grad, None
    one(x).sum().backward()
    assert torch.equal(one(x), two(x)) and torch.equal(gradient, x.grad)
    before = two(x)
    with pytest.raises(RuntimeError, match="keeps 0 weights, expected 8"):
        two.load_state_dict(sparsify(model, Mask({"0.weight": left & False})).state_dict())
    broken = one.state_dict() | {"0.columns": torch.zeros_like(one[0].columns)}
    with pytest.raises(RuntimeError, match="row 0 has the column"):
        two.load_state_dict(broken)
    assert torch.equal(two(x), before)  # a refused load changes nothing


def test_what_the_mask_does_not_name_stays_dense():
    model = mlp()
    sparse = sparsify(model, Mask({"2.weight": magnitude(model)["2.weight"]}))
    assert [type(m).__name__ for m in sparse][:4] == ["Linear", "ReLU", "SparseLinear", "Tanh"]


def test_layers_that_do_not_pay_stay_dense_and_pruned(monkeypatch):
    monkeypatch.setattr(convert, "break_even", lambda rows, columns, batch: 0.5 * (rows > 26))
    model, mask = mlp(), magnitude(mlp())
    mixed = sparsify(model, mask, batch=64)
    assert [type(m) for m in mixed].count(SparseLinear) == 1
    mask.apply_(model)
    x, y = inputs(16, 20), torch.arange(16) % 4
    assert torch.allclose(mixed(x), model(x))
    optimiser = torch.optim.AdamW(mixed.parameters(), lr=0.1, weight_decay=0.5)
    for _ in range(5):
        optimiser.zero_grad()
        nn.functional.cross_entropy(mixed(x), y).backward()
        optimiser.step()
    back = densify(mixed)
    for name, kept in mask.items():
        assert (dict(back.named_parameters())[name][~kept] == 0).all()
    assert torch.allclose(back(x), mixed(x))
    assert [type(m) for m in back] == [type(m) for m in model]


def test_refusals():
    model = nn.Sequential(nn.Linear(4, 3), nn.LayerNorm(3), nn.Conv2d(4, 4, 3, groups=2))
    for name in ("1.weight", "0.bias"):
        shape = dict(model.named_parameters())[name].shape
        with pytest.raises(ValueError, match=rf"'{name}', of L.*: expected the weight of"):
            sparsify(model, Mask({name: torch.ones(shape, dtype=torch.bool)}))
    with pytest.raises(ValueError, match="groups=2"):
        sparsify(model, Mask.ones_like({"2.weight": model[2].weight}))
    with pytest.raises(ValueError, match="has no"):
        sparsify(model, Mask({"7.weight": torch.ones(1, 1, dtype=torch.bool)}))
    kept = torch.ones(3, 4, dtype=torch.bool)
    with pytest.raises(TypeError, match="float16"):
        SparseLinear(model[0].half(), kept)(torch.ones(2, 4).half())
    thin = SparseLinear(nn.Linear(4, 3), kept)
    with pytest.raises(ValueError, match=r"\(2, 5\), expected \(\.\.\., 4\)"):
        thin(torch.ones(2, 5))
    with pytest.raises(TypeError, match="float64"):
        thin(torch.ones(2, 4).double())
    window = SparseConv2d(nn.Conv2d(4, 3, 3), torch.ones(3, 4, 3, 3, dtype=torch.bool))
    for shape, words in (((1, 5, 9, 9), r"expected \(batch, 4,"), ((1, 4, 2, 9), "smaller than")):
        with pytest.raises(ValueError, match=words):
            window(torch.ones(shape))


def test_arguments_that_are_not_what_they_should_be_are_said():
    model, x = mlp(), inputs(2, 20)
    mask = magnitude(model)
    for ask, error, words in (
        (lambda: sparsify(mask, model), TypeError, "given a Mask, expected a network"),
        (lambda: refusals(mask, model), TypeError, "given a Mask, expected a network"),
        (lambda: sparsify(model, model), TypeError, "given a Sequential, expected a mapping"),
        (lambda: sparsify(model, {"0.weight": [True]}), TypeError, "given list, expected a bool"),
        (lambda: sparsify(model, mask, batch="8"), TypeError, "batch: given '8'"),
        (lambda: sparsify(model, mask, batch=0), ValueError, "batch: given 0"),
        (lambda: sparsify(model, mask)(x.numpy()), TypeError, "a ndarray, expected a tensor"),
    ):
        with pytest.raises(error, match=words):
            ask()
    assert torch.equal(sparsify(model, dict(mask))(x), sparsify(model, mask)(x))
    left = sparsify(model, mask, leave="0.weight")
    assert type(left[0]) is nn.Linear and type(left[2]) is SparseLinear


def test_a_pruned_bias_has_its_remedy():
    model = mlp()
    mask = magnitude(model)
    prune.l1_unstructured(model[0], "bias", amount=0.5)
    with pytest.raises(TypeError, match=r"layer '0' computes its bias.*from_torch_prune"):
        sparsify(model, mask)


def test_what_is_made_sparse_in_inference_mode_can_be_trained():
    model, x = mlp(), inputs(2, 20)
    mask = magnitude(model)
    with torch.inference_mode():
        sparse = sparsify(model, mask)
    sparse(x).sum().backward()
    expected = sparsify(model, mask)
    expected(x).sum().backward()
    assert torch.equal(sparse[0].values.grad, expected[0].values.grad)
