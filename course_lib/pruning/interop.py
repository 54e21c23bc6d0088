"""Masks and pruned networks to and from others: torch.nn.utils.prune, state dicts, ONNX."""

import copy
import os
import tempfile
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize, prune

from course_lib.masks import Mask, prunable


def to_torch_prune(model: nn.Module, mask: Mask) -> None:
    """Put a mask on a network as `torch.nn.utils.prune` does, in place: weight_orig, weight_mask.

    Raises:
        ValueError: the mask has names or shapes that the network has not.
    """
    weights = dict(model.named_parameters())
    for name, kept in mask.items():
        if name not in weights or weights[name].shape != kept.shape:
            has = tuple(weights[name].shape) if name in weights else "nothing of that name"
            raise ValueError(
                f"mask of {name!r}, {tuple(kept.shape)}: the network has {has}. Make the mask for "
                "this network, with select or Mask.ones_like."
            )
    for name, kept in mask.items():
        path, _, own = name.rpartition(".")
        prune.custom_from_mask(model.get_submodule(path), own, kept)


def from_torch_prune(model: nn.Module) -> Mask:
    """Take the masks of `torch.nn.utils.prune` off a network, in place; its zeros stay.

    Returns:
        The mask of all that was pruned, by the weights' plain names.

    Raises:
        ValueError: nothing in the network is pruned in this way.
    """
    kept: dict[str, Tensor] = {}
    for path, module in model.named_modules():
        for buffer in [n for n, _ in module.named_buffers(recurse=False) if n.endswith("_mask")]:
            own = buffer.removesuffix("_mask")
            if f"{own}_orig" in module._parameters:
                kept[f"{path}.{own}" if path else own] = getattr(module, buffer).bool()
                prune.remove(module, own)
    if not kept:
        raise ValueError(
            "no layer carries a mask of torch.nn.utils.prune. For the zeros of a plain network, "
            "use mask_of."
        )
    return Mask(kept)


def mask_of(model: nn.Module) -> Mask:
    """Return which prunable weights of a network are not zero."""
    return Mask({name: w.detach() != 0 for name, w in prunable(model).items()})


def plain_state_dict(model: nn.Module) -> dict[str, Tensor]:
    """Return the state under plain names, whatever computes the weights.

    Masks of `torch.nn.utils.prune` and parametrisations are carried out, so that the result loads
    into a freshly built network with strict=True. The network given is not changed.
    """
    state = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
    for path, module in model.named_modules():
        at = f"{path}." if path else ""
        for name in [n.removesuffix("_orig") for n in module._parameters if n.endswith("_orig")]:
            state[at + name] = state.pop(f"{at}{name}_orig") * state.pop(f"{at}{name}_mask")
        if parametrize.is_parametrized(module):
            for name in dict(module.parametrizations.named_children()):
                inner = f"{at}parametrizations.{name}."
                state = {n: t for n, t in state.items() if not n.startswith(inner)}
                state[at + name] = getattr(module, name).detach().clone()
    return state


def export_onnx(model: nn.Module, example: Tensor, path: str | os.PathLike[str]) -> None:
    """Write a network in the ONNX format, for batches of any size.

    Zeros are stored as zeros: ONNX has no sparse layer that runtimes would use. What makes the file
    small and fast is `structured.remove`.

    Args:
        model: in the mode in which it shall run; it is exported as in evaluation.
        example: a batch of inputs, for the shapes.
        path: of the file; an old one is replaced when the new one is complete.

    Raises:
        ImportError: the package `onnx` is not installed.
    """
    try:
        import onnx  # noqa: F401
    except ImportError as missing:
        raise ImportError(
            'exporting needs the package onnx: pip install "course_lib[onnx]"'
        ) from missing
    path = Path(path)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        part = Path(folder) / path.name
        torch.onnx.export(
            copy.deepcopy(model).eval(), (example,), str(part), dynamo=False,
            input_names=["input"], output_names=["output"],
            dynamic_axes={"input": {0: "batch"}, "output": {0: "batch"}},
        )  # fmt: skip
        part.replace(path)
