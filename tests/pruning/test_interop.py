"""Masks against torch's own pruning; state dicts into fresh networks; ONNX files run."""

import sys

import pytest
import torch
from onnx.reference import ReferenceEvaluator
from torch import nn
from torch.nn.utils import parametrize, prune

from course_lib.masks import Mask, prunable, select
from course_lib.pruning import interop, saliency
from course_lib.training.models import mlp

SIZES = (5, 8, 6, 3)


def test_masks_are_those_of_torch_layer_by_layer_and_over_all():
    ours, theirs = mlp(SIZES, 0), mlp(SIZES, 0)
    for index in (0, 2, 4):
        prune.l1_unstructured(theirs[index], "weight", amount=0.5)
    assert interop.from_torch_prune(theirs) == select(
        saliency.magnitude(ours), density=0.5, scope="tensor"
    )
    theirs = mlp(SIZES, 0)
    layers = [(theirs[index], "weight") for index in (0, 2, 4)]
    prune.global_unstructured(layers, pruning_method=prune.L1Unstructured, amount=0.5)
    assert interop.from_torch_prune(theirs) == select(
        saliency.magnitude(ours), density=0.5, scope="global"
    )


def test_there_and_back():
    model, X = mlp(SIZES, 1), torch.randn(7, 5)
    mask = select(saliency.magnitude(model), density=0.3)
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
    with pytest.raises(ValueError, match="nothing of that name"):
        interop.to_torch_prune(model, Mask({"9.weight": torch.ones(2, 2).bool()}))
    with pytest.raises(ValueError, match="network has"):
        interop.to_torch_prune(model, Mask({"0.weight": torch.ones(2, 2).bool()}))
    assert "0.weight" in prunable(model)  # nothing was half done


def test_without_onnx_an_export_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)  # what Python sees where it is not installed
    with pytest.raises(ImportError, match=r"course_lib\[onnx\]"):
        interop.export_onnx(mlp(SIZES, 0), torch.ones(2, 5), tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


def test_onnx_files_run(tmp_path):
    model, path = mlp(SIZES, 0), tmp_path / "model.onnx"
    select(saliency.magnitude(model), density=0.3).apply_(model)
    interop.export_onnx(model, torch.ones(2, 5), path)
    for n in (1, 7):
        X = torch.randn(n, 5)
        (found,) = ReferenceEvaluator(str(path)).run(None, {"input": X.numpy()})
        torch.testing.assert_close(torch.from_numpy(found), model(X).detach())
