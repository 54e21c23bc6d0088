"""sparsify and densify on networks as people write them: right by an oracle, or refused in words.

The oracle is the dense network with the mask applied, in float64.
"""

import copy
import io
import subprocess
import sys
import textwrap
import warnings
from collections import OrderedDict

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations, prune

from course_lib.masks import LeftOutWarning, Mask, prunable
from course_lib.sparse import (
    SparseConv1d,
    SparseConv2d,
    SparseLinear,
    convert,
    densify,
    refusals,
    sparsify,
)
from course_lib.sparse.convert import FusingSequential
from course_lib.sparse.linear import SparseLayer

pytestmark = [
    pytest.mark.filterwarnings(f"ignore::{LeftOutWarning.__module__}.LeftOutWarning"),
    pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated"),  # torch itself calls it
]


def seeded(model, seed=0):
    chance = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(torch.randn(p.shape, generator=chance) / 3)
    return model.double()


def some(weights, density=0.4, seed=2):
    """Keep weights by chance: what is kept does not matter here."""
    chance = torch.Generator().manual_seed(seed)
    weights = prunable(weights) if isinstance(weights, nn.Module) else weights
    return Mask({n: torch.rand(w.shape, generator=chance) < density for n, w in weights.items()})


def inputs(*shape, seed=1):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def masked(model, mask):
    dense = copy.deepcopy(model)
    mask.apply_(dense)
    return dense


def weight_of(layer):
    """Return a layer's weight as it would be dense."""
    return layer.dense().weight if isinstance(layer, SparseLayer) else layer.weight


def trained(model, mask, x, steps=3, **options):
    """Train the sparse and the masked dense network side by side; return the sparse one."""
    dense, sparse = masked(model, mask), sparsify(model, mask, **options)
    pairs = [(net, torch.optim.SGD(net.parameters(), 0.05, 0.9)) for net in (dense, sparse)]
    for _ in range(steps):
        for net, optimiser in pairs:
            optimiser.zero_grad()
            net(x).square().mean().backward()
            optimiser.step()
        mask.apply_(dense)
    assert torch.allclose(dense(x), sparse(x), atol=1e-10)
    back = densify(sparse)
    assert [n for n, _ in back.named_parameters()] == [n for n, _ in dense.named_parameters()]
    for (name, p), q in zip(dense.named_parameters(), back.parameters(), strict=True):
        assert torch.allclose(p, q, atol=1e-10), name
    assert [type(m) for m in back.modules()] == [type(m) for m in model.modules()]
    return sparse


# ---- gradients of gradients --------------------------------------------------------------------


def between():
    """Networks in which different things stand between sparse layers, and which are sparse."""

    def net(*middle):
        return nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 5), *middle, nn.Linear(5, 2))

    yield "all sparse", net(nn.Tanh()), (4, 6), None
    yield "one example", net(nn.Tanh()), (1, 6), None
    yield "sparse first", net(nn.Tanh()), (4, 6), ["0.weight"]
    yield "sparse last", net(nn.Tanh()), (4, 6), ["4.weight"]
    yield "dense between", net(nn.Tanh()), (4, 6), ["0.weight", "4.weight"]
    yield "a fused ReLU", net(nn.ReLU()), (4, 6), None
    yield "nothing", net(), (4, 6), ["0.weight", "2.weight"]
    yield "norm", net(nn.LayerNorm(5), nn.Sigmoid()), (4, 6), ["0.weight", "2.weight"]
    convolution = nn.Sequential(nn.Conv2d(2, 3, 3, padding=1), nn.Tanh(), nn.Conv2d(3, 2, (2, 3)))
    yield "convolutions", convolution, (2, 2, 4, 5), None
    yield (
        "ReLU",
        nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.Conv2d(3, 2, 1)),
        (2, 2, 5, 5),
        None,
    )
    strides = nn.Sequential(nn.Conv2d(2, 3, 3, stride=2), nn.Tanh(), nn.Flatten(), nn.Linear(12, 2))
    yield "strides", strides, (2, 2, 5, 5), None
    lines = nn.Sequential(nn.Conv1d(2, 3, 3, padding=1), nn.Tanh(), nn.Conv1d(3, 2, 2, dilation=2))
    yield "lines", lines, (2, 2, 7), None


BETWEEN = {name: rest for name, *rest in between()}


@pytest.mark.parametrize("head", [torch.sum, lambda y: y.square().sum()], ids=["sum", "square"])
@pytest.mark.parametrize("case", BETWEEN)
def test_gradient_penalties_and_hessians(case, head):
    model, shape, names = BETWEEN[case]
    model = seeded(copy.deepcopy(model))
    weights = prunable(model)
    mask = some({n: weights[n] for n in names or weights})
    dense, sparse, x = masked(model, mask), sparsify(model, mask), inputs(*shape)

    def penalised(net):
        at = x.clone().requires_grad_()
        (slope,) = torch.autograd.grad(head(net(at)), at, create_graph=True)
        (slope.square().sum() + net(at).sum()).backward()
        return at.grad

    assert torch.allclose(penalised(dense), penalised(sparse), atol=1e-9)
    for name, kept in mask.items():
        path = name.rpartition(".")[0]
        thin, thick = sparse.get_submodule(path), dense.get_submodule(path)
        assert torch.allclose(thin.values.grad, thick.weight.grad[kept], atol=1e-9), name
        assert torch.allclose(thin.bias.grad, thick.bias.grad, atol=1e-9), name
    hessians = (
        torch.autograd.functional.hessian(lambda at, net=net: net(at).pow(3).sum(), x)
        for net in (dense, sparse)
    )
    assert torch.allclose(*hessians, atol=1e-9)
    jacobians = (
        torch.autograd.functional.jacobian(net, x, create_graph=True) for net in (dense, sparse)
    )
    assert torch.allclose(*jacobians, atol=1e-9)


def test_a_third_derivative():
    model = seeded(nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1)))
    mask = some(model)
    found = []
    for net in (masked(model, mask), sparsify(model, mask)):
        x = inputs(2, 3).requires_grad_()
        slope = net(x).sum()
        for _ in range(3):
            (slope,) = torch.autograd.grad(slope.sum(), x, create_graph=True)
        found.append(slope)
    assert torch.allclose(*found, atol=1e-9)


# ---- who calls a layer, and who watches it -------------------------------------------------------


class Skip(nn.Sequential):
    def forward(self, x):
        h = self[0](x)
        return self[1](h) - h


class Indexes(nn.Module):
    """Another forward than that of the Sequential calls its parts."""

    def __init__(self):
        super().__init__()
        self.block = nn.Sequential(nn.Linear(4, 4), nn.ReLU())
        self.listed = [self.block[0]]

    def forward(self, x):
        h = self.block[0](x)
        return self.block[1](h) - h + self.block(x) + self.listed[0](x)


def shared_relu():
    act = nn.ReLU(inplace=True)
    return nn.Sequential(
        OrderedDict(one=nn.Linear(4, 4), a=act, two=nn.Linear(4, 4), b=act, c=nn.Tanh())
    )


def layer_twice():
    layer = nn.Linear(4, 4)
    return nn.Sequential(layer, nn.ReLU(), layer, nn.Tanh(), nn.Sequential(layer, nn.ReLU()))


@pytest.mark.parametrize(
    "make", [lambda: Skip(nn.Linear(4, 4), nn.ReLU()), Indexes, shared_relu, layer_twice]
)
def test_a_relu_is_done_by_the_layer_only_where_nobody_can_tell(make):
    model = seeded(make())
    sparse = trained(model, some(model), inputs(5, 4))
    assert any(isinstance(m, SparseLinear) for m in sparse.modules())


def test_hooks_see_what_they_saw():
    for place in ("0", "1", ""):
        model = seeded(nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2)))
        seen = []

        def note(module, *values, seen=seen):
            seen.append([v[0] if isinstance(v, tuple) else v for v in values])

        module = model.get_submodule(place)
        module.register_forward_hook(note)
        module.register_forward_pre_hook(lambda module, given: (given[0] * 2,))
        module.register_full_backward_hook(note)
        module.register_full_backward_pre_hook(lambda module, slope: (slope[0] * 3,))
        mask, x = some(model), inputs(5, 4).requires_grad_()
        found = []
        for net in (masked(model, mask), sparsify(model, mask), densify(sparsify(model, mask))):
            seen.clear()
            y = net(x)
            (slope,) = torch.autograd.grad(y.sum(), x)
            found.append([y, slope, *(v for values in seen for v in values)])
        assert len(found[0]) > 4
        for other in found[1:]:
            assert all(torch.allclose(a, b) for a, b in zip(found[0], other, strict=True)), place


def test_hooks_that_come_later_see_what_they_expect():
    model = seeded(nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2)))
    mask, x, seen = some(model), inputs(5, 4), []
    sparse = sparsify(model, mask)
    expected = masked(model, mask)
    handle = sparse[0].register_forward_hook(lambda *values: seen.append(values[2]))
    assert torch.allclose(sparse(x), expected(x)) and torch.allclose(seen[0], expected[0](x))
    handle.remove()
    everywhere = nn.modules.module.register_module_forward_hook(lambda *v: seen.append(v[2]))
    sparse(x)
    everywhere.remove()
    assert len(seen) == 5 and torch.allclose(seen[1], expected[0](x))
    sparse[1] = nn.Tanh()
    expected[1] = nn.Tanh()
    assert torch.allclose(sparse(x), expected(x))


def test_the_relu_is_done_in_the_kernel(monkeypatch):
    model = seeded(nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Conv2d(1, 1, 1), nn.ReLU()))
    sparse = sparsify(model, some(model))
    assert type(sparse) is FusingSequential and type(sparse[:2]) is FusingSequential
    monkeypatch.setattr(nn.ReLU, "forward", None)
    assert (sparse[:2](inputs(3, 4)) >= 0).all() and (sparse[2:](inputs(1, 1, 2, 2)) >= 0).all()


def test_hooks_that_cannot_be_kept_are_refused():
    for spoil, words in (
        (lambda m: m[0]._register_state_dict_hook(lambda *given: None), "hooks on its state_dict"),
        (lambda m: m[0].weight.register_hook(lambda slope: slope), "a hook on its gradient"),
        (lambda m: setattr(m[0], "forward", m[0].forward), "its forward has been replaced"),
    ):
        model = nn.Sequential(nn.Linear(4, 4), nn.ReLU())
        spoil(model)
        with pytest.raises(ValueError, match=rf"'0\.weight', of Linear: .*{words}"):
            sparsify(model, some(model))


# ---- ties, frozen weights, copies ----------------------------------------------------------------


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.encode, self.decode = nn.Linear(5, 5), nn.Linear(5, 5)
        self.decode.weight, self.decode.bias = self.encode.weight, self.encode.bias
        self.last = nn.Linear(5, 5)
        self.last.bias = self.encode.bias
        self.again = self.last

    def forward(self, x):
        return self.again(self.decode(torch.tanh(self.encode(x)))) + self.last(x)


def test_ties_are_kept():
    model, x = seeded(Tied()), inputs(7, 5)
    mask = some(model)
    sparse = trained(model, mask, x)
    assert sparse.encode.values is sparse.decode.values and sparse.again is sparse.last
    assert sparse.encode.bias is sparse.decode.bias and sparse.last.bias is sparse.encode.bias
    assert len(list(sparse.parameters())) == len(list(model.parameters())) == 3
    back = densify(copy.deepcopy(sparse))
    assert back.encode.weight is back.decode.weight and back.again is back.last
    assert back.encode.bias is back.decode.bias is back.last.bias
    other = sparsify(seeded(Tied(), 9), mask)
    other.load_state_dict(sparse.state_dict())
    assert torch.equal(other(x), sparse(x))


def test_a_tie_of_two_names_keeps_what_both_keep():
    model = seeded(Tied())
    one, two = (some({"w": model.encode.weight}, seed=s)["w"] for s in (3, 4))
    mask = Mask({"encode.weight": one, "decode.weight": two})
    sparse = sparsify(model, mask)
    assert torch.allclose(sparse(inputs(3, 5)), masked(model, mask)(inputs(3, 5)))
    assert sparse.encode.values.numel() == int((one & two).sum())


class Head(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.head = nn.Embedding(9, 4), nn.Linear(4, 9)
        self.mid = nn.Linear(4, 4)
        self.head.weight = self.embed.weight

    def forward(self, tokens):
        return self.head(torch.tanh(self.mid(self.embed(tokens))))


def test_a_tie_with_something_else_is_refused_by_name():
    model = seeded(Head())
    mask = some({"head.weight": model.head.weight, "mid.weight": model.mid.weight})
    with pytest.raises(ValueError, match=r"'head\.weight', of it is|'embed\.weight' of Embedding"):
        sparsify(model, mask)
    assert list(refusals(model, mask)) == ["head.weight"]
    tokens = torch.arange(9)
    sparse = sparsify(model, mask, leave=refusals(model, mask))
    assert torch.allclose(sparse(tokens), masked(model, mask)(tokens))
    assert type(sparse.mid) is SparseLinear and sparse.head.weight is sparse.embed.weight


def test_frozen_stays_frozen_weight_by_weight():
    model = nn.Sequential(
        nn.Linear(4, 4), nn.ReLU(), nn.Conv1d(4, 4, 1), nn.Flatten(), nn.Linear(4, 4)
    )
    model[0].weight.requires_grad_(False)
    model[2].bias.requires_grad_(False)
    model[4].requires_grad_(False)
    flags = [p.requires_grad for p in model.parameters()]
    for batch in (None, 1):
        sparse = sparsify(model, some(model), batch=batch)
        assert [p.requires_grad for p in sparse.parameters()] == flags
        assert [p.requires_grad for p in densify(sparse).parameters()] == flags
        layer = sparse[0].dense() if batch is None else sparse[0]
        assert not layer.weight.requires_grad and layer.bias.requires_grad


def test_frozen_networks_and_unused_layers_train():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.used, self.unused = nn.Linear(4, 4), nn.Conv2d(1, 2, 3)
            self.frozen = nn.Linear(4, 4).requires_grad_(False)

        def forward(self, x):
            return self.used(torch.relu(self.frozen(x)))

    net = seeded(Net())
    sparse = trained(net, some(net), inputs(6, 4))
    assert isinstance(sparse.unused, SparseConv2d) and not sparse.frozen.values.requires_grad


def test_training_mode_is_kept():
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Sequential(nn.Linear(4, 4), nn.ReLU()))
    model[2].eval()
    modes = [m.training for m in model.modules()]
    sparse = sparsify(model, some(model))
    assert [m.training for m in sparse.modules()] == modes
    assert [m.training for m in densify(sparse).modules()] == modes


def test_copies_of_all_kinds():
    model, x = seeded(Tied()), inputs(3, 5)
    sparse = sparsify(model, some(model))
    buffer = io.BytesIO()
    torch.save(sparse, buffer)
    buffer.seek(0)
    for copied in (copy.deepcopy(sparse), torch.load(buffer, weights_only=False)):
        assert torch.equal(copied(x), sparse(x)) and copied.encode.values is copied.decode.values
        copied(x).sum().backward()
    layer = sparse.encode
    state = copy.deepcopy(layer.state_dict())
    del state["values"]
    with pytest.raises(RuntimeError, match=r"Missing key.*values"):
        layer.load_state_dict(state)
    left, right = (SparseLinear(nn.Linear(2, 1), torch.tensor([[b, not b]])) for b in (True, False))
    with pytest.raises(RuntimeError, match="given without values"):
        left.load_state_dict({"columns": right.columns}, strict=False)
    assert torch.equal(left.columns, torch.zeros(1, dtype=left.columns.dtype))


# ---- networks that are computed ------------------------------------------------------------------


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6))
        self.one = nn.Conv2d(6, 6, 3, padding="same")
        self.norm = nn.BatchNorm2d(6)
        self.two = nn.Conv2d(6, 6, 3, stride=2, padding=1)
        self.short = nn.Conv2d(6, 6, 1, stride=2)
        self.head = nn.Linear(6, 4)

    def forward(self, x):
        x = torch.relu(self.stem(x))
        x = x + self.norm(self.one(x)).relu()
        return self.head((self.two(x) + self.short(x)).mean((2, 3)))


@pytest.mark.parametrize("train", [True, False])
def test_a_residual_network_with_batch_norm(train):
    model = seeded(Residual()).train(train)
    for norm in (model.stem[1], model.norm):
        norm.running_var.fill_(1.5)
    sparse = trained(model, some(model), inputs(4, 3, 7, 6))
    assert sum(isinstance(m, SparseLayer) for m in sparse.modules()) == 5


LINES = {
    "plain": {},
    "padded": dict(padding=2),
    "same": dict(padding="same", dilation=2),
    "valid": dict(padding="valid"),
    "strided": dict(stride=2, padding=1),
    "dilated": dict(dilation=3, padding=1),
    "no bias": dict(bias=False),
}


@pytest.mark.parametrize("options", LINES.values(), ids=LINES)
def test_convolutions_over_lines(options):
    model = nn.Sequential(nn.Conv1d(3, 4, 3, **options), nn.ReLU(), nn.Conv1d(4, 2, 1))
    sparse = trained(seeded(model), some(model), inputs(3, 3, 12))
    assert isinstance(sparse[0], SparseConv1d)
    back = densify(sparse)
    assert str(back[0]) == str(model[0])
    with pytest.raises(ValueError, match=r"expected \(batch, 3, length\)"):
        sparse(inputs(3, 12))


def encoder(**options):
    layer = nn.TransformerEncoderLayer(8, 2, 12, dropout=0.0, **options)
    return seeded(nn.TransformerEncoder(layer, 2))


def feed_forward(model):
    weights = prunable(model)
    return some({n: w for n, w in weights.items() if ".linear" in n or n.startswith("linear")})


@pytest.mark.parametrize("options", [{}, {"norm_first": True}, {"activation": "gelu"}], ids=str)
@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.filterwarnings("ignore:enable_nested_tensor is True")
@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_the_feed_forward_part_of_a_transformer(options, batch_first):
    model, x = encoder(batch_first=batch_first, **options), inputs(3, 5, 8)
    hidden = torch.zeros(x.shape[:2] if batch_first else x.shape[1::-1], dtype=torch.bool)
    hidden[1, 3:] = True
    mask = feed_forward(model)
    trained(model, mask, x)
    dense, sparse = masked(model, mask), sparsify(model, mask)
    held = sparsify(model, mask, batch=10**9)
    for train in (True, False):
        for net in (dense, sparse, held, densify(sparse)):
            net.train(train)
        for grads in (True, False):
            with torch.set_grad_enabled(grads):
                expected = dense(x)
                for net in (sparse, densify(sparse)):
                    assert torch.allclose(net(x), expected, atol=1e-9)
                    assert torch.allclose(net.layers[0](x), dense.layers[0](x), atol=1e-9)
                # Places that are hidden have no meaning: torch's fast path makes them 0.
                seen = ~hidden if batch_first else ~hidden.t()
                expected = dense(x, src_key_padding_mask=hidden)[seen]
                found = sparse(x, src_key_padding_mask=hidden)[seen]
                assert torch.allclose(found, expected, atol=1e-9)
    back = densify(sparse)
    for module, was in zip(back.modules(), model.modules(), strict=True):
        assert vars(module).keys() == vars(was).keys()
    assert back.use_nested_tensor == model.use_nested_tensor
    assert back.layers[0].activation_relu_or_gelu == model.layers[0].activation_relu_or_gelu


def test_held_layers_of_a_transformer_are_called_too(monkeypatch):
    monkeypatch.setattr(convert, "break_even", lambda *sizes: 0.0)
    model, x = encoder(batch_first=True).eval(), inputs(3, 5, 8)
    mask = feed_forward(model)
    held = sparsify(model, mask, batch=4)
    with torch.no_grad():
        held.layers[0].linear1.weight += 1  # as an optimiser with momentum might
        expected = densify(held).eval()
        assert (expected.layers[0].linear1.weight == 0).any()
        assert torch.allclose(held(x), expected(x), atol=1e-9)


# ---- networks that are refused -------------------------------------------------------------------


class OwnLinear(nn.Linear):
    def forward(self, x):
        return F.linear(x, self.weight.abs(), self.bias)


def with_layer(layer):
    return nn.Sequential(OrderedDict(fine=nn.Linear(4, 4), odd=layer))


REFUSED = {
    "attention": (nn.MultiheadAttention(4, 2), "in_proj_weight", "without a layer to call"),
    "out": (nn.MultiheadAttention(4, 2), "out_proj.weight", "without calling this layer"),
    "lstm": (nn.LSTM(4, 4), "weight_ih_l0", "with dense weights"),
    "gru": (nn.GRU(4, 4), "weight_hh_l0", "with dense weights"),
    "cell": (nn.GRUCell(4, 4), "weight_hh", "with dense weights"),
    "embedding": (nn.Embedding(4, 4), "weight", "looked up"),
    "transposed": (nn.ConvTranspose2d(4, 4, 3), "weight", "no sparse kernel"),
    "3d": (nn.Conv3d(4, 4, 3), "weight", "no sparse kernel"),
    "bilinear": (nn.Bilinear(4, 4, 4), "weight", "no sparse kernel"),
    "groups": (nn.Conv2d(4, 4, 3, groups=2), "weight", "groups=2"),
    "line groups": (nn.Conv1d(4, 4, 3, groups=4), "weight", "groups=4"),
    "padding": (nn.Conv2d(4, 4, 3, padding_mode="circular"), "weight", "'circular'"),
    "own": (OwnLinear(4, 4), "weight", "of OwnLinear: this class may compute something of its own"),
    "norm": (nn.LayerNorm(4), "weight", "expected the weight of nn.Linear, nn.Conv1d or nn.Conv2d"),
    "half": (nn.Linear(4, 4).half(), "weight", "torch.float16, expected torch.float32"),
    "bfloat16": (nn.Linear(4, 4).bfloat16(), "weight", "torch.bfloat16, expected torch.float32"),
    "meta": (nn.Linear(4, 4, device="meta"), "weight", "on the device meta, expected the CPU"),
    "held": (convert.HeldLinear(4, 4), "weight", "call densify first"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_run_is_refused_by_name_and_left_on_demand(case):
    layer, leaf, words = REFUSED[case]
    model = with_layer(copy.deepcopy(layer))
    named = dict(model.named_parameters())
    mask = some({n: torch.empty(named[n].shape) for n in ("fine.weight", f"odd.{leaf}")})
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(ValueError, match="cannot run 1 of the 2 weights") as error:
        sparsify(model, mask)
    assert f"'odd.{leaf}', of " in str(error.value) and words in str(error.value)
    assert "leave=refusals(model, mask)" in str(error.value)
    if case != "meta":
        assert all(torch.equal(before[n], v) for n, v in model.state_dict().items())
    assert list(refusals(model, mask)) == [f"odd.{leaf}"]
    sparse = sparsify(model, mask, leave=refusals(model, mask))
    assert type(sparse.fine) is SparseLinear and type(sparse.odd) is type(layer)
    if case != "meta":
        left = dict(sparse.named_parameters())[f"odd.{leaf}"]
        kept = mask[f"odd.{leaf}"]
        assert (left[~kept] == 0).all() and torch.equal(left[kept], named[f"odd.{leaf}"][kept])


def test_many_refusals_are_counted():
    model = nn.Sequential(*(nn.Embedding(2, 2) for _ in range(9)))
    mask = Mask.ones_like(dict(model.named_parameters()))
    with pytest.raises(ValueError, match="9 of the 9") as error:
        sparsify(model, mask)
    assert "and 3 more" in str(error.value) and "'8.weight'" not in str(error.value)
    assert "leave=" not in str(error.value)  # nothing would be left to be sparse
    with pytest.raises(ValueError, match=r"leave names \['x'\], expected names in the mask"):
        sparsify(model, mask, leave=["x"])
    for nothing, leave in ((mask, mask), (Mask({}), ())):
        with pytest.raises(ValueError, match="nothing would be sparse"):
            sparsify(model, nothing, leave=leave)


def reparametrised():
    def norm(layer):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return nn.utils.weight_norm(layer)

    yield lambda m: prune.l1_unstructured(m[0], "weight", 0.5)
    yield lambda m: norm(m[0])
    yield lambda m: nn.utils.spectral_norm(m[2])
    yield lambda m: parametrizations.weight_norm(m[0])
    yield lambda m: parametrizations.orthogonal(m[2])


@pytest.mark.parametrize("spoil", list(reparametrised()))
def test_computed_weights_are_refused_before_anything_is_copied(spoil):
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4))
    mask = Mask({"2.weight": torch.ones(4, 4, dtype=torch.bool)})
    spoil(model)
    for act in (sparsify, refusals):
        with pytest.raises(TypeError, match="computes its weight"):
            act(model, mask)


def test_a_network_that_cannot_be_copied():
    model = nn.Sequential(nn.Linear(4, 4))
    model.last = model(torch.ones(1, 4))
    with pytest.raises(TypeError, match="cannot be copied: it holds a tensor that was computed"):
        sparsify(model, some(model))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_networks_that_are_no_ordinary_ones():
    model, x = nn.Sequential(nn.Linear(4, 4)), torch.ones(1, 4)
    mask = some(model)
    for script in (torch.jit.script(model), torch.jit.trace(model, x)):
        with pytest.raises(TypeError, match="is TorchScript, which cannot be changed"):
            sparsify(script, mask)
    with pytest.raises(TypeError, match=r"'0' is sparse.*densify"):
        sparsify(sparsify(model, mask), mask)
    compiled = Mask({f"_orig_mod.{name}": kept for name, kept in mask.items()})
    sparse = sparsify(torch.compile(model, backend="eager"), compiled)
    assert torch.allclose(sparse(x), masked(model, mask)(x))


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_inputs_that_are_no_ordinary_ones():
    for model, x in (
        (nn.Linear(4, 4), torch.ones(3, 4)),
        (nn.Conv1d(4, 4, 1), torch.ones(1, 4, 5)),
        (nn.Conv2d(4, 4, 1), torch.ones(1, 4, 5, 5)),
    ):
        sparse = sparsify(model, some(model))
        for given, words in (
            (x.to("meta"), "the input is on the device meta, expected the CPU"),
            (torch.nested.nested_tensor([x, x]), "the input is nested, expected"),
            (x.to_sparse(), "the input is torch.sparse_coo, expected"),
            (x.bfloat16(), "the input is torch.bfloat16, expected torch.float32: convert"),
            (x.double(), "the input is torch.float64, expected torch.float32: convert"),
        ):
            with pytest.raises((TypeError, ValueError), match=words):
                sparse(given)
        with pytest.raises(ValueError, match="the layer is on the device meta"):
            copy.deepcopy(sparse).to("meta")(x)
        for half in (torch.float16, torch.bfloat16):
            with pytest.raises(TypeError, match=f"{half}, expected torch.float32 or torch.float64"):
                copy.deepcopy(sparse).to(half)(x.to(half))


@pytest.mark.filterwarnings("ignore:Initializing zero-element")
def test_no_outputs_and_no_images():
    for model, x in (
        (nn.Linear(4, 0), inputs(3, 4)),
        (nn.Conv2d(2, 3, 3), inputs(0, 2, 5, 5)),
        (nn.Conv1d(2, 3, 3, stride=2), inputs(0, 2, 5)),
    ):
        model = seeded(model)
        assert sparsify(model, some(model))(x).shape == model(x).shape


def test_transforms_of_functions_are_refused_in_words():
    model = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 2))
    sparse, x = sparsify(model, some(model)), torch.ones(3, 4, requires_grad=True)
    slopes = torch.ones(5, 3, 2)
    for call in (
        lambda: torch.func.grad(lambda x: sparse(x).sum())(x),
        lambda: torch.func.vmap(sparse)(x),
        lambda: torch.func.jacrev(sparse)(x),
        lambda: torch.func.jvp(sparse, (x,), (x,)),
        lambda: torch.autograd.functional.jacobian(sparse, x, vectorize=True),
        lambda: torch.autograd.grad(sparse(x), x, slopes, is_grads_batched=True),
    ):
        with pytest.raises(TypeError, match=r"cannot be transformed by torch\.func.*densify"):
            call()
    with torch.autograd.forward_ad.dual_level():
        dual = torch.autograd.forward_ad.make_dual(x.detach(), torch.ones_like(x))
        with pytest.raises(TypeError, match="differentiated forward"):
            sparse(dual)


@pytest.mark.slow
def test_shared_with_another_process():
    """What is sent to another process moves in memory; the kernels must not look where it was."""
    assert (
        run("""
        from multiprocessing.reduction import ForkingPickler
        import torch.multiprocessing
        from course_lib.masks import Mask
        from course_lib.sparse import sparsify
        kept = {"weight": torch.rand(500, 500) < .1}
        sparse, x = sparsify(nn.Linear(500, 500), Mask(kept)), torch.ones(2, 500)
        for other in (sparse, copy.deepcopy(sparse), sparsify(nn.Linear(500, 500), Mask(kept))):
            other.load_state_dict(sparse.state_dict())
            y = other(x)
            if other is sparse:
                other.share_memory()
            else:
                ForkingPickler.dumps(other)
            rooms = [torch.full((n,), -1) for n in range(1, 5000)]  # where the pattern was
            print(torch.equal(y, other(x)), torch.equal(y, other.dense()(x)) or
                  torch.allclose(y, other.dense()(x), atol=1e-4))
    """).split()
        == ["True"] * 6
    )


def test_whoever_reads_the_dense_weight_is_told():
    class Reads(nn.Sequential):
        def forward(self, x):
            return F.linear(x, self[0].weight)

    model = Reads(nn.Linear(4, 4))
    sparse = sparsify(model, some(model))
    with pytest.raises(AttributeError, match=r"SparseLinear has no dense weight.*leave="):
        sparse(torch.ones(1, 4))
    assert not hasattr(sparse[0], "weight")


def test_one_layer_is_a_network():
    model = seeded(nn.Linear(4, 3))
    sparse = trained(model, some(model), inputs(5, 4))
    assert type(sparse) is SparseLinear and type(densify(sparse)) is nn.Linear


# ---- compilers, exports, caches ------------------------------------------------------------------


def run(code, **options):
    """Run Python in a fresh process; return what it printed."""
    code = "import torch, copy\nfrom torch import nn\n" + textwrap.dedent(code)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=900, **options
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_compiled_in_a_fresh_process():
    assert (
        run("""
        from course_lib.masks import Mask
        from course_lib.sparse import sparsify
        torch.manual_seed(0)
        model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 5),
                              nn.ReLU(), nn.Linear(5, 2)).double()
        kept = {n: torch.rand(w.shape) < .5 for n, w in model.named_parameters() if w.ndim > 1}
        model, x = sparsify(model, Mask(kept)), torch.randn(3, 1, 4, 4).double()
        other = copy.deepcopy(model)
        compiled = torch.compile(model, backend="eager")
        y = compiled(x)
        y.sum().backward()

        @torch.compile(backend="eager")
        def step(net):
            net.zero_grad()
            loss = net(x).square().sum()
            loss.backward()
            return loss

        step(other)
        print(torch.allclose(y, other(x)), torch.allclose(step(other), other(x).square().sum()))
        grads = [p.grad.clone() for p in other.parameters()]
        other.zero_grad()
        other(x).square().sum().backward()
        print(all(torch.allclose(p.grad, g) for p, g in zip(other.parameters(), grads)))
    """).split()
        == ["True"] * 3
    )


def exports():
    yield lambda m, x: torch.jit.trace(m, x)
    yield lambda m, x: torch.jit.script(m)
    yield lambda m, x: torch.onnx.export(m, (x,), io.BytesIO(), dynamo=False)
    yield lambda m, x: torch.export.export(m, (x,))
    yield lambda m, x: torch.export.export(m, (x,), strict=True)


@pytest.mark.parametrize("export", list(exports()))
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
def test_exports_are_refused_in_a_sentence(export):
    model = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    sparse, x = sparsify(model, some(model)), torch.ones(2, 4)
    with pytest.raises(
        Exception, match=r"cannot be traced, scripted or exported.*densify\(model\)"
    ):
        export(sparse, x)
