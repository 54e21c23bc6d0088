"""Masks against torch's own pruning; state dicts into fresh networks; ONNX files run."""

import copy
import os
import sys
import warnings

import onnx
import pytest
import torch
from onnx import external_data_helper
from onnx.reference import ReferenceEvaluator
from torch import nn
from torch.nn.utils import parametrizations, parametrize, prune

from course_lib.masks import Mask, prunable, select
from course_lib.pruning import criteria, interop
from course_lib.sparse import convert, sparsify
from course_lib.training.models import mlp
from course_lib.training.replicas import Replicas

SIZES = (5, 8, 6, 3)
pytestmark = [  # torch's own words on how it exports
    pytest.mark.filterwarnings(f"ignore:{words}:DeprecationWarning")
    for words in ("You are using the legacy", "The feature will be removed", "`torch.jit.script")
]


def test_masks_are_those_of_torch_layer_by_layer_and_over_all():
    ours, theirs = mlp(SIZES, 0), mlp(SIZES, 0)
    for index in (0, 2, 4):
        prune.l1_unstructured(theirs[index], "weight", amount=0.5)
    assert interop.from_torch_prune(theirs) == select(
        criteria.magnitude(ours), density=0.5, scope="tensor"
    )
    theirs = mlp(SIZES, 0)
    layers = [(theirs[index], "weight") for index in (0, 2, 4)]
    prune.global_unstructured(layers, pruning_method=prune.L1Unstructured, amount=0.5)
    assert interop.from_torch_prune(theirs) == select(
        criteria.magnitude(ours), density=0.5, scope="global"
    )


def test_there_and_back():
    model, X = mlp(SIZES, 1), torch.randn(7, 5)
    mask = select(criteria.magnitude(model), density=0.3)
    interop.to_torch_prune(model, mask)
    assert "0.weight_orig" in model.state_dict()
    masked = model(X)
    state = interop.plain_state_dict(model)
    fresh = mlp(SIZES, 2)
    fresh.load_state_dict(state, strict=True)
    assert torch.equal(fresh(X), masked) and torch.equal(model(X), masked)
    assert interop.mask_of(fresh) == mask
    model(X).sum().backward()  # what state_dict left behind still trains
    assert model[0].weight_orig.grad is not None
    assert interop.from_torch_prune(model) == mask
    assert set(model.state_dict()) == set(state) and torch.equal(model(X), masked)


def test_a_layer_by_itself_and_parametrisations():
    layer = nn.Linear(3, 2)
    interop.to_torch_prune(layer, Mask({"weight": torch.eye(2, 3).bool()}))
    assert interop.from_torch_prune(layer)["weight"].sum() == 2

    class Doubled(nn.Module):
        def forward(self, w):
            return 2 * w

    parametrize.register_parametrization(layer, "weight", Doubled())
    state = interop.plain_state_dict(layer)
    assert set(state) == {"weight", "bias"}
    torch.testing.assert_close(state["weight"], layer.weight.detach())
    assert parametrize.is_parametrized(layer)


def test_errors_for_people():
    model = mlp(SIZES, 0)
    with pytest.raises(ValueError, match="no layer carries a mask"):
        interop.from_torch_prune(model)
    with pytest.raises(ValueError, match=r"network has no '9\.weight'"):
        interop.to_torch_prune(model, Mask({"9.weight": torch.ones(2, 2).bool()}))
    with pytest.raises(ValueError, match=r"'0.weight' is \(8, 5\) in the network"):
        interop.to_torch_prune(model, Mask({"0.weight": torch.ones(2, 2).bool()}))
    assert "0.weight" in prunable(model)  # nothing was half done


def test_without_onnx_an_export_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)  # what Python sees where it is not installed
    with pytest.raises(ImportError, match=r"course_lib\[onnx\]"):
        interop.export_onnx(mlp(SIZES, 0), torch.ones(2, 5), tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


def test_onnx_files_run(tmp_path):
    model, path = mlp(SIZES, 0), tmp_path / "model.onnx"
    select(criteria.magnitude(model), density=0.3).apply_(model)
    interop.export_onnx(model, torch.ones(2, 5), path)
    for n in (1, 7):
        X = torch.randn(n, 5)
        (found,) = ReferenceEvaluator(str(path)).run(None, {"input": X.numpy()})
        torch.testing.assert_close(torch.from_numpy(found), model(X).detach())


def tied() -> nn.Sequential:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 3))
    model[2].weight = model[0].weight
    return model


class Twice(nn.Module):
    def forward(self, w):
        return 2 * w


class Own(nn.Linear):
    """A layer with parameters that are called as torch's are, and mean something else."""

    def __init__(self):
        super().__init__(3, 3)
        self.scale_orig, self.scale_g = nn.Parameter(torch.ones(3)), nn.Parameter(torch.ones(3))

    def forward(self, x):
        return super().forward(x) * self.scale_orig * self.scale_g


class Encoder(nn.TransformerEncoderLayer):
    def __init__(self):
        super().__init__(4, 2, 8, dropout=0.0, batch_first=True)


def _old(way):
    def change(layer):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            way(layer)

    return change


# What may compute the weights, the networks of it, and inputs.
LINEAR = lambda: nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))  # noqa: E731
WAYS = {
    "torch's masks": (LINEAR, lambda m: prune.random_unstructured(m[0], "weight", 0.5), (5, 3)),
    "masks of rows": (LINEAR, lambda m: prune.ln_structured(m[0], "weight", 0.5, 2, 0), (5, 3)),
    "masks upon masks": (
        LINEAR,
        lambda m: [prune.random_unstructured(m[0], "weight", 0.4) for _ in range(2)],
        (5, 3),
    ),
    "masks of biases": (LINEAR, lambda m: prune.random_unstructured(m[2], "bias", 1), (5, 3)),
    "masks of an LSTM": (
        lambda: nn.LSTM(3, 4),
        lambda m: prune.random_unstructured(m, "weight_hh_l0", 0.5), (5, 2, 3),
    ),
    "parametrised": (
        LINEAR, lambda m: parametrize.register_parametrization(m[0], "weight", Twice()), (5, 3)
    ),
    "parametrised LSTM": (
        lambda: nn.LSTM(3, 4),
        lambda m: parametrize.register_parametrization(m, "weight_ih_l0", Twice()), (5, 2, 3),
    ),
    "orthogonal": (LINEAR, lambda m: parametrizations.orthogonal(m[0]), (5, 3)),
    "weight norm": (LINEAR, lambda m: parametrizations.weight_norm(m[0]), (5, 3)),
    "spectral norm": (LINEAR, lambda m: parametrizations.spectral_norm(m[0]), (5, 3)),
    "old weight norm": (LINEAR, _old(lambda m: nn.utils.weight_norm(m[0])), (5, 3)),
    "old spectral norm": (LINEAR, _old(lambda m: nn.utils.spectral_norm(m[2])), (5, 3)),
    "names that look so": (lambda: nn.Sequential(Own()), lambda m: None, (5, 3)),
    "compiled": (LINEAR, lambda m: torch.compile(m, backend="eager"), (5, 3)),
    "compiled within": (
        LINEAR, lambda m: nn.Sequential(torch.compile(m[0], backend="eager"), *m[1:]), (5, 3)
    ),
}  # fmt: skip


def _changed(kind: str) -> tuple[nn.Module, nn.Module, torch.Tensor]:
    """Return a network after somebody has changed it and used it, a fresh one, and inputs."""
    torch.manual_seed(1)
    build, change, shape = WAYS[kind]
    model, fresh, X = build(), build(), torch.randn(shape)
    changed = change(model)
    if kind.startswith("compiled"):
        model = changed
    out = model(X)  # what it computes now hangs on a graph, which torch does not copy
    (out[0] if isinstance(out, tuple) else out).sum().backward()
    return model.eval(), fresh.eval(), X


def _run(model: nn.Module, X: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        out = model(X)
    return out[0] if isinstance(out, tuple) else out


@pytest.mark.parametrize("kind", WAYS)
def test_a_state_is_plain_whatever_computes_the_weights(kind):
    model, fresh, X = _changed(kind)
    expected = _run(model, X)
    state = {name: value.clone() for name, value in model.state_dict().items()}
    for training in (True, False):
        model.train(training)
        fresh.load_state_dict(interop.plain_state_dict(model), strict=True)
        torch.testing.assert_close(_run(fresh, X), expected)
        mask = interop.mask_of(model)
        for name, kept in mask.items():
            weight = dict(fresh.named_parameters())[name.replace("_orig_mod.", "")]
            assert torch.equal(kept, weight != 0)
        assert model.training == training
    assert state.keys() == model.state_dict().keys()  # it has not been changed
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in state.items())
    assert torch.equal(_run(model, X), expected)


@pytest.mark.filterwarnings("ignore:Exporting a model to ONNX")  # of an LSTM, by torch
@pytest.mark.filterwarnings("ignore:the network makes plain numbers")  # and by us
@pytest.mark.parametrize("kind", WAYS)
def test_networks_are_exported_whatever_computes_their_weights(kind, tmp_path):
    model, _, X = _changed(kind)
    expected = _run(model, X)
    interop.export_onnx(model, X, tmp_path / "model.onnx")
    found = ReferenceEvaluator(str(tmp_path / "model.onnx")).run(None, {"input": X.numpy()})
    torch.testing.assert_close(torch.from_numpy(found[0]), expected)
    assert torch.equal(_run(model, X), expected)


def test_a_shared_weight_is_pruned_in_both_places_and_stays_shared():
    model, X = tied(), torch.randn(5, 3)
    mask = select(criteria.magnitude(model), density=0.5, scope="global")
    masked = copy.deepcopy(model)
    mask.apply_(masked)
    interop.to_torch_prune(model, mask)
    assert torch.equal(model(X), masked(X))
    assert model[0].weight_orig is model[2].weight_orig
    state = interop.plain_state_dict(model)
    assert torch.equal(state["0.weight"], state["2.weight"])
    fresh = tied()
    fresh.load_state_dict(state, strict=True)
    assert torch.equal(fresh(X), masked(X))
    model(X).sum().backward()
    assert interop.from_torch_prune(model) == mask
    assert model[0].weight is model[2].weight and torch.equal(model(X), masked(X))


def test_a_head_tied_to_an_embedding_is_pruned_in_both():
    torch.manual_seed(4)
    model = nn.Sequential(nn.Embedding(6, 4), nn.Linear(4, 4), nn.Linear(4, 6, bias=False))
    model[2].weight = model[0].weight
    words = torch.arange(6)
    mask = Mask.ones_like(model, embeddings=True)
    assert list(mask) == ["0.weight", "1.weight"]
    mask = Mask({**mask, "0.weight": torch.arange(24).reshape(6, 4) % 3 > 0})
    masked = copy.deepcopy(model)
    mask.apply_(masked)
    interop.to_torch_prune(model, mask)
    assert torch.equal(model(words), masked(words))
    assert interop.from_torch_prune(model) == mask
    assert model[0].weight is model[2].weight and torch.equal(model(words), masked(words))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_goes_there_and_back(dtype):
    model, X = mlp(SIZES, 1).to(dtype), torch.randn(7, 5).to(dtype)
    mask = select(criteria.magnitude(model), k=40)
    assert mask.kept == 40
    interop.to_torch_prune(model, mask)
    masked, fresh = model(X), mlp(SIZES, 2).to(dtype)
    state = interop.plain_state_dict(model)
    fresh.load_state_dict(state, strict=True)
    assert {value.dtype for value in state.values()} == {dtype}
    assert torch.equal(fresh(X), masked) and interop.mask_of(fresh) == mask
    assert interop.from_torch_prune(model) == mask and model[0].weight.dtype == dtype


def test_what_is_frozen_stays_frozen():
    model = mlp(SIZES, 0).requires_grad_(False)
    model[0].bias.requires_grad_(True)
    before = {name: p.requires_grad for name, p in model.named_parameters()}
    interop.to_torch_prune(model, Mask.ones_like(model))
    interop.from_torch_prune(model)
    assert {name: p.requires_grad for name, p in model.named_parameters()} == before


def test_a_mask_by_the_second_name_of_a_shared_weight_is_the_same_mask():
    model = tied()
    kept = torch.eye(3).bool()
    interop.to_torch_prune(model, Mask({"2.weight": kept}))
    assert int((model[0].weight != 0).sum()) == int((model[2].weight != 0).sum()) == 3
    assert interop.from_torch_prune(model) == Mask({"0.weight": kept})
    with pytest.raises(ValueError, match=r"different entries for \['0.weight', '2.weight'\]"):
        interop.to_torch_prune(model, Mask({"0.weight": kept, "2.weight": ~kept}))
    assert set(model.state_dict()) == set(tied().state_dict())


@pytest.mark.parametrize(
    "change",
    [
        lambda m: prune.random_unstructured(m[0], "weight", 0.5),
        lambda m: [prune.custom_from_mask(m[i], "weight", torch.ones(3, 3) * i) for i in (0, 2)],
        lambda m: parametrize.register_parametrization(m[0], "weight", Twice()),
        lambda m: [
            parametrize.register_parametrization(m[i], "weight", Twice(), unsafe=True)
            for i in (0, 2)
        ],
    ],
)
def test_a_shared_weight_that_is_computed_differently_is_refused_by_name(change, tmp_path):
    model = tied()
    change(model)
    before, X = model(torch.ones(1, 3)), torch.ones(1, 3)
    for ask in (
        interop.from_torch_prune,
        interop.mask_of,
        interop.plain_state_dict,
        lambda m: interop.export_onnx(m, X, tmp_path / "model.onnx"),
    ):
        with pytest.raises(TypeError, match=r"'.*', '.*'\] are one parameter"):
            ask(model)
    assert torch.equal(model(X), before) and not list(tmp_path.iterdir())


def test_a_second_mask_is_told_of_the_first():
    model = mlp(SIZES, 0)
    mask = select(criteria.magnitude(model), density=0.5, scope="global")
    interop.to_torch_prune(model, Mask({"2.weight": mask["2.weight"]}))
    with pytest.raises(ValueError, match=r"'2.weight' is pruned by torch.*from_torch_prune"):
        interop.to_torch_prune(model, mask)
    assert "0.weight" in model.state_dict()  # nothing was half done
    interop.to_torch_prune(model, Mask({"0.weight": mask["0.weight"]}))  # another weight is free
    assert set(interop.from_torch_prune(model)) == {"0.weight", "2.weight"}


def test_computed_weights_take_no_mask():
    model = mlp(SIZES, 0)
    parametrizations.weight_norm(model[2])
    with pytest.raises(TypeError, match="layer '2' computes its weight"):
        interop.to_torch_prune(model, Mask.ones_like(mlp(SIZES, 0)))
    assert "0.weight" in model.state_dict()


def test_a_transformer_goes_to_torch_and_back_and_trains_between():
    torch.manual_seed(2)
    model, X = Encoder(), torch.randn(2, 3, 4)
    mask = select(criteria.magnitude(model), density=0.5, scope="global")
    assert {"self_attn.in_proj_weight", "self_attn.out_proj.weight"} <= set(mask)
    twin = copy.deepcopy(model)  # the oracle: the mask applied by hand after every step
    mask.apply_(twin)
    interop.to_torch_prune(model, mask)
    for net in (model, twin):
        optimiser = torch.optim.SGD(net.parameters(), 0.1)
        for _ in range(3):
            optimiser.zero_grad()
            net(X).square().mean().backward()
            optimiser.step()
            if net is twin:
                mask.apply_(twin)
    torch.testing.assert_close(model(X), twin(X))
    torch.testing.assert_close(_run(model.eval(), X), _run(twin.eval(), X))
    assert interop.from_torch_prune(model) == mask
    torch.testing.assert_close(_run(model, X), _run(twin, X))
    assert not any(layer._forward_pre_hooks for layer in model.modules())


def test_masks_of_torch_for_units_recurrent_weights_and_biases():
    torch.manual_seed(3)
    model = nn.ModuleDict({"a": nn.Linear(4, 6), "b": nn.LSTM(4, 3)})
    sizes = model["a"].weight.detach().norm(dim=1)
    hidden = model["b"].weight_hh_l0.detach().clone()
    prune.ln_structured(model["a"], "weight", amount=2, n=2, dim=0)
    prune.l1_unstructured(model["b"], "weight_hh_l0", amount=9)
    prune.random_unstructured(model["b"], "bias_ih_l0", amount=4)
    mask = interop.from_torch_prune(model)
    assert list(mask) == [n for n, _ in model.named_parameters() if n in mask]
    assert (mask["a.weight"].all(dim=1) == (sizes > sizes.sort().values[1])).all()
    assert mask["a.weight"].sum() == 4 * 4
    cut = hidden.abs().flatten().sort().values[8]
    assert torch.equal(mask["b.weight_hh_l0"], hidden.abs() > cut)
    assert int(mask["b.bias_ih_l0"].sum()) == 12 - 4
    assert torch.equal(model["b"].weight_hh_l0, hidden * mask["b.weight_hh_l0"])
    twin = copy.deepcopy(model)
    interop.to_torch_prune(model, mask)
    X = torch.randn(5, 2, 4)
    assert torch.equal(model["b"](X)[0], twin["b"](X)[0])
    assert interop.from_torch_prune(model) == mask


def test_sparse_networks_and_replicas_are_told_what_to_do(tmp_path):
    model, X = mlp(SIZES, 0), torch.randn(2, 5)
    mask = select(criteria.magnitude(model), density=0.3, scope="global")
    sparse, several = sparsify(model, mask), Replicas([model, model])
    path = tmp_path / "model.onnx"
    for ask in (
        lambda: interop.export_onnx(sparse, X, path),
        lambda: interop.plain_state_dict(sparse),
        lambda: interop.mask_of(sparse),
        lambda: interop.to_torch_prune(sparse, mask),
        lambda: prunable(nn.Sequential(nn.Linear(2, 5), sparse)),
    ):
        with pytest.raises(TypeError, match=r"is sparse \(SparseLinear\).*densify"):
            ask()
    for ask in (
        lambda: interop.export_onnx(several, X, path),
        lambda: interop.to_torch_prune(several, Mask.ones_like(several)),
    ):
        with pytest.raises(TypeError, match=r"2 Replicas.*one replica, model.replica\(0\)"):
            ask()
    with pytest.raises(ValueError, match="device 'meta'"):
        interop.export_onnx(nn.Linear(5, 2, device="meta"), X, path)
    for example in ([1.0], {"input": 1.0}, (X, None), ()):
        with pytest.raises(TypeError, match=r"example: given a .*expected a batch of inputs"):
            interop.export_onnx(model, example, path)
    for ask in (interop.plain_state_dict, lambda m: interop.export_onnx(m, X, path)):
        with pytest.raises(ValueError, match=r"'0.weight' has no shape yet"):
            ask(nn.Sequential(nn.LazyLinear(3)))
    assert not list(tmp_path.iterdir())


def test_a_network_too_large_for_one_file_brings_its_weights_along(tmp_path, monkeypatch):
    """What torch does above 2 GiB, done to a small network by the package onnx."""
    export, model = torch.onnx.export, mlp(SIZES, 0)

    def large(model, args, path, **rest):
        export(model, args, path, **rest)
        proto = onnx.load(path)
        external_data_helper.convert_model_to_external_data(
            proto, all_tensors_to_one_file=False, size_threshold=0
        )
        onnx.save_model(proto, path)

    monkeypatch.setattr(torch.onnx, "export", large)
    beside = tmp_path / "0.weight"  # as torch calls the file of a weight
    beside.write_text("of somebody else")
    path = tmp_path / "model.onnx"
    interop.export_onnx(model, torch.ones(2, 5), path)
    assert sorted(os.listdir(tmp_path)) == ["0.weight", "model.onnx", "model.onnx.data"]
    assert beside.read_text() == "of somebody else"
    X = torch.randn(7, 5)
    (found,) = ReferenceEvaluator(str(path)).run(None, {"input": X.numpy()})
    torch.testing.assert_close(torch.from_numpy(found), model(X).detach())


class Both(nn.Linear):
    def forward(self, a, b, *, c=None):
        return super().forward(a) * b if c is None else super().forward(a) * b + c


def test_a_network_of_several_inputs_is_exported(tmp_path):
    model, a, b, c = Both(2, 3), torch.randn(5, 2), torch.randn(5, 3), torch.randn(5, 3)
    path = tmp_path / "both.onnx"
    for example, inputs in (
        ((a, b), {"input_0": a, "input_1": b}),
        ({"b": b, "a": a}, {"a": a, "b": b}),
        ({"c": c, "a": a, "b": b}, {"a": a, "b": b, "c": c}),
    ):
        interop.export_onnx(model, example, path)
        given = {name: x.numpy() for name, x in inputs.items()}
        (found,) = ReferenceEvaluator(str(path)).run(None, given)
        expected = model(**example) if isinstance(example, dict) else model(*example)
        torch.testing.assert_close(torch.from_numpy(found), expected.detach())


def test_what_onnx_has_no_operation_for_is_said(tmp_path):
    inputs = torch.ones(1, 2), torch.ones(1, 3)
    with pytest.raises(ValueError, match=r"cannot be written in the ONNX format.*bilinear"):
        interop.export_onnx(nn.Bilinear(2, 3, 4), inputs, tmp_path / "m")
    assert not list(tmp_path.iterdir())


def test_held_layers_are_read_as_they_compute(tmp_path, monkeypatch):
    monkeypatch.setattr(convert, "break_even", lambda *sizes: 0.0)
    model, X = mlp(SIZES, 0), torch.randn(7, 5)
    mask = select(criteria.magnitude(model), density=0.5)
    held = sparsify(model, mask, batch=64)
    with torch.no_grad():
        held[0].weight += 1  # as an optimiser with momentum might
    assert interop.mask_of(held) == mask
    fresh = mlp(SIZES, 1)
    fresh.load_state_dict(interop.plain_state_dict(held), strict=True)
    assert torch.equal(fresh(X), held(X)) and type(held[0]) is convert.HeldLinear
    for read in (prunable, criteria.magnitude, Mask.ones_like):
        with pytest.raises(TypeError, match=r"layer '0' is held.*densify"):
            read(held)


class Counting(nn.Linear):
    def get_extra_state(self):
        return {"seen": [3]}

    def set_extra_state(self, state):
        self.seen = state["seen"]


def test_extra_state_travels_with_the_plain_state():
    model = nn.Sequential(Counting(3, 2))
    state = interop.plain_state_dict(model)
    fresh = nn.Sequential(Counting(3, 2))
    fresh.load_state_dict(state, strict=True)
    assert fresh[0].seen == [3] and torch.equal(fresh[0].weight, model[0].weight)


def test_masks_of_what_torch_compiles_fit_it_and_what_is_no_network_is_said():
    model = mlp(SIZES, 0)
    compiled = torch.compile(model)
    mask = interop.mask_of(compiled)
    assert {n.removeprefix("_orig_mod.") for n in mask} == interop.mask_of(model).keys()
    assert mask.keys() == prunable(compiled).keys() and interop.mask_of(compiled._orig_mod)
    mask.apply_(compiled)
    with pytest.raises(TypeError, match="given a OrderedDict, expected a network"):
        interop.mask_of(model.state_dict())


def test_a_mask_of_arrays_is_said_before_anything_is_changed():
    model = mlp(SIZES, 0)
    with pytest.raises(TypeError, match=r"mask of '0.weight': given ndarray, expected a bool"):
        interop.to_torch_prune(model, {"0.weight": torch.ones(8, 5).bool().numpy()})
    assert "0.weight" in model.state_dict()


class Frozen(nn.Linear):
    def forward(self, x):
        return super().forward(x).reshape(len(x), -1)


def test_what_the_file_fixes_to_the_example_is_said(tmp_path):
    path = tmp_path / "model.onnx"
    with pytest.warns(UserWarning, match=r"test_interop.py, line \d+.*holds those of the example"):
        interop.export_onnx(Frozen(5, 2), torch.ones(2, 5), path)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        interop.export_onnx(nn.Linear(5, 2), torch.ones(2, 5), path)


def test_examples_that_do_not_fit_are_said(tmp_path):
    path, model = tmp_path / "model.onnx", mlp(SIZES, 0)
    for example in (torch.ones(2, 7), torch.ones(2, 5).double(), (torch.ones(2, 5),) * 2):
        with pytest.raises(ValueError, match=r"cannot be run on the example.*given torch.float"):
            interop.export_onnx(model, example, path)
    with pytest.raises(TypeError, match=r"given a DataParallel.*model\.module"):
        interop.export_onnx(nn.DataParallel(model), torch.ones(2, 5), path)
    assert not list(tmp_path.iterdir())
