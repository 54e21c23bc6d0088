"""Masks and pruned networks to and from others: torch.nn.utils.prune, state dicts, ONNX."""

import copy
import inspect
import os
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.jit._trace import TracerWarning
from torch.nn.utils import prune

from course_lib.masks import Mask, prunable
from course_lib.masks.mask import check_fits
from course_lib.masks.weights import check_module
from course_lib.pruning.plain import (
    Renewed,
    check_ordinary,
    check_single,
    check_ties,
    is_plain,
    join,
    plain_copy,
    prunings,
    uncompiled,
)


def to_torch_prune(model: nn.Module, mask: Mask) -> None:
    """Put a mask on a network as `torch.nn.utils.prune` does, in place: weight_orig, weight_mask.

    A weight that two layers share is pruned in both, and stays shared.

    Raises:
        TypeError: a weight is computed from others, or the network is `Replicas` or sparse.
        ValueError: the mask has names or shapes that the network has not, two names of one weight
            with different masks, or a weight that is pruned already. Nothing has been changed.

    Examples:
        >>> layer = nn.Linear(2, 2)
        >>> to_torch_prune(layer, Mask({"weight": torch.eye(2) > 0}))
        >>> sorted(layer.state_dict())
        ['bias', 'weight_mask', 'weight_orig']
    """
    check_ordinary(model)
    check_single(model)
    mask = Mask(mask)
    for path, layer in model.named_modules():
        for hook in prunings(layer):
            if join(path, hook._tensor_name) in mask:
                raise ValueError(
                    f"{join(path, hook._tensor_name)!r} is pruned by torch.nn.utils.prune already."
                    " Take that mask off first: old = interop.from_torch_prune(model). To keep "
                    "what both keep, put on old & mask."
                )
    check_fits(mask, model)
    weights = dict(model.named_parameters(remove_duplicate=False))
    kept: dict[Tensor, Tensor] = {}
    for name, entry in mask.items():
        first = kept.setdefault(weights[name], entry)
        if first is not entry and not torch.equal(first, entry):
            same = [other for other, w in weights.items() if w is weights[name]]
            raise ValueError(
                f"the mask has different entries for {same}, which are one weight. Give it one "
                f"entry, for {same[0]!r}."
            )
    for layer in list(model.modules()):
        for own, w in list(layer._parameters.items()):
            if w in kept:
                prune.custom_from_mask(layer, own, kept[w].to(w.device))
    for layer in model.modules():
        if isinstance(layer, nn.MultiheadAttention) and any(prunings(layer.out_proj)):
            layer.register_forward_pre_hook(Renewed())


def from_torch_prune(model: nn.Module) -> Mask:
    """Take the masks of `torch.nn.utils.prune` off a network, in place; its zeros stay.

    Returns:
        The mask of all that was pruned, by the weights' plain names.

    Raises:
        TypeError: two layers share a weight and prune it differently; nothing has been changed.
        ValueError: nothing in the network is pruned in this way.

    Examples:
        >>> layer = prune.l1_unstructured(nn.Linear(4, 4), "weight", amount=0.75)
        >>> from_torch_prune(layer)
        Mask(1 tensors, 4 of 16 weights kept)
        >>> sorted(layer.state_dict())
        ['bias', 'weight']
    """
    check_module(model)
    check_ties(model)
    kept: dict[Tensor, Tensor] = {}
    for layer in model.modules():
        for hook in list(prunings(layer)):
            own = hook._tensor_name
            kept[getattr(layer, f"{own}_orig")] = getattr(layer, f"{own}_mask").bool()
            prune.remove(layer, own)
        for number, renewed in list(layer._forward_pre_hooks.items()):
            if isinstance(renewed, Renewed):
                del layer._forward_pre_hooks[number]
    if not kept:
        raise ValueError(
            "no layer carries a mask of torch.nn.utils.prune. For the zeros of a plain network, "
            "use mask_of."
        )
    return Mask({name: kept[w] for name, w in model.named_parameters() if w in kept})


def mask_of(model: nn.Module) -> Mask:
    """Return which prunable weights of a network are not zero, whatever computes them.

    Names are those of the network given, so that the mask can be applied to it. torch.compile puts
    "_orig_mod." before them, of which `plain_state_dict` keeps nothing: for plain names give the
    network that was compiled.

    Raises:
        TypeError, ValueError: as `prunable`, and as `plain_state_dict`.

    Examples:
        >>> layer = nn.Linear(2, 2)
        >>> layer.weight.data = torch.eye(2)
        >>> mask_of(layer)["weight"].tolist()
        [[True, False], [False, True]]
    """
    check_module(model)
    weights = prunable(model if is_plain(model) else plain_copy(model))
    return Mask({name: w.detach() != 0 for name, w in weights.items()})


def plain_state_dict(model: nn.Module) -> dict[str, Tensor]:
    """Return the state under plain names, whatever computes the weights.

    Masks of `torch.nn.utils.prune`, layers that `sparsify` holds, parametrisations, and weight and
    spectral norms of the older kind are carried out, as in evaluation, so that the result loads
    into a freshly built network with strict=True. So does that of a network compiled by torch. The
    network given is not changed.

    Raises:
        TypeError: something else computes a weight of a layer that pruning knows; two layers share
            a weight and compute it differently; or a layer is sparse.

    Examples:
        >>> layer = prune.l1_unstructured(nn.Linear(4, 4), "weight", amount=0.75)
        >>> list(plain_state_dict(layer))
        ['bias', 'weight']
    """
    check_ordinary(model)
    plain = model if is_plain(model) else plain_copy(model)
    return {
        name.replace("_orig_mod.", ""): value.detach().clone()
        if isinstance(value, Tensor)
        else copy.deepcopy(value)  # what a layer's get_extra_state says
        for name, value in plain.state_dict().items()
    }


def export_onnx(
    model: nn.Module,
    example: Tensor | tuple[Tensor, ...] | Mapping[str, Tensor],
    path: str | os.PathLike[str],
) -> None:
    """Write a network in the ONNX format, for batches of any size.

    torch runs the network once, on the example, and writes down what it does. Where the network
    asks Python for `len(x)`, or decides by a value, the file would hold the answer for the example
    only: a warning says so, and where.

    Zeros are stored as zeros: ONNX has no sparse layer that runtimes would use. What makes the file
    small and fast is `structured.remove`. What computes the weights is carried out first.

    Args:
        model: it is exported as in evaluation, and not changed.
        example: a batch of inputs, for the shapes: a tensor, called "input" in the file; a tuple of
            tensors for a network that takes several, "input_0" and so on; or a mapping from the
            names that the network gives its inputs.
        path: of the file; an old one is replaced when the new one is complete. The weights of a
            network of more than 2 GiB, more than a file of this format can hold, lie beside it, in
            `path` with ".data" behind it.

    Raises:
        ImportError: the package `onnx` is not installed.
        TypeError: the network is sparse (densify it first), `Replicas` (export one replica),
            wrapped in DataParallel or TorchScript, the example is no tensor, or as
            `plain_state_dict`.
        ValueError: the network has no values, as it is on the device "meta", cannot be run on the
            example, or does something for which ONNX has no operation.

    Examples:
        >>> with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        ...     warnings.simplefilter("ignore")  # that torch has another exporter
        ...     export_onnx(nn.Linear(2, 1), torch.ones(3, 2), Path(folder, "network.onnx"))
        ...     os.listdir(folder)
        ['network.onnx']
    """
    try:
        import onnx
    except ImportError as missing:
        raise ImportError(
            'exporting needs the package onnx: pip install "course_lib[onnx]"'
        ) from missing
    check_ordinary(model)
    check_single(model)
    if isinstance(model, nn.DataParallel | torch.jit.ScriptModule):
        raise TypeError(
            f"given a {type(model).__name__}, expected the network itself: model.module of "
            "DataParallel, or what TorchScript was made from."
        )
    names, examples = _inputs(example)
    if any(p.is_meta for p in model.parameters()):
        raise ValueError(
            "the network is on the device 'meta', where tensors have shapes and no values. Make it "
            "on a device where it can run."
        )
    path = Path(path)
    plain = uncompiled(plain_copy(model))
    kinds = {input.kind for input in inspect.signature(plain.forward).parameters.values()}
    if isinstance(example, Mapping) or inspect.Parameter.KEYWORD_ONLY in kinds:
        plain = _ByPlace(plain, names if isinstance(example, Mapping) else []).eval()
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        part = Path(folder) / path.name
        try:
            with _fixed_is_said():
                torch.onnx.export(
                    plain, examples, str(part), dynamo=False,
                    input_names=names, output_names=["output"],
                    dynamic_axes={name: {0: "batch"} for name in [*names, "output"]},
                )  # fmt: skip
        except torch.onnx.OnnxExporterError as error:
            raise ValueError(
                f"the network cannot be written in the ONNX format: {error}. Build it of other "
                "operations, or export the part of it that has none of these."
            ) from error
        except (RuntimeError, TypeError, ValueError, LookupError, AttributeError) as error:
            given = ", ".join(f"{x.dtype} {tuple(x.shape)}" for x in examples)
            raise ValueError(
                f"the network cannot be run on the example and written down: given {given}, "
                "expected inputs such as it is called with, of which the first axis is the batch. "
                f"It says: {error}"
            ) from error
        if os.listdir(folder) != [path.name]:  # torch has laid each weight in a file beside it
            data = f"{path.name}.data"
            onnx.save_model(
                onnx.load(part), part, save_as_external_data=True, location=data, size_threshold=0
            )
            Path(folder, data).replace(path.parent / data)
        part.replace(path)


def _inputs(example: object) -> tuple[list[str], tuple[Tensor, ...]]:
    """Return what the inputs of an example are called in the file, and the inputs."""
    if isinstance(example, Mapping):
        names, parts = list(example), list(example.values())
    else:
        parts = list(example) if isinstance(example, tuple) else [example]
        names = ["input"] if len(parts) == 1 else [f"input_{n}" for n in range(len(parts))]
    if not parts or not all(isinstance(part, Tensor) for part in parts):
        raise TypeError(
            f"example: given a {type(example).__name__}, expected a batch of inputs: a tensor, "
            "or a tuple or mapping of tensors for a network that takes several."
        )
    return names, tuple(parts)


@contextmanager
def _fixed_is_said() -> Iterator[None]:
    """Say in one warning what torch's tracer has found fixed to the example."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", TracerWarning)
        yield
    fixed: dict[str, None] = {}
    for found in caught:
        if issubclass(found.category, TracerWarning):
            fixed[f"{Path(found.filename).name}, line {found.lineno}"] = None
        else:
            warnings.warn_explicit(found.message, found.category, found.filename, found.lineno)
    if fixed:
        warnings.warn(
            f"the network makes plain numbers or decisions of its inputs ({'; '.join(fixed)}), as "
            "len(x) and `if x.sum() > 0` do: the file holds those of the example, and may be wrong "
            "for batches of another size or other values. Write x.shape[0] and torch.where, and "
            "compare the file with the network on another batch.",
            stacklevel=5,
        )


class _ByPlace(nn.Module):
    """A network that takes all its inputs by place, as torch's exporter gives them."""

    def __init__(self, model: nn.Module, names: list[str]) -> None:
        super().__init__()
        self.model, self.names = model, names

    def forward(self, *inputs: Tensor) -> object:
        if self.names:
            return self.model(**dict(zip(self.names, inputs, strict=True)))
        return self.model(*inputs)
