"""The mask of a network: which of its weights are kept."""

import json
import math
import os
import sys
import warnings
from collections.abc import Collection, Iterable, Iterator, Mapping
from html import escape
from pathlib import Path
from typing import NamedTuple
from weakref import WeakSet

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from course_lib.files import check_file, write_whole
from course_lib.masks.checks import checked_device

# The layers whose weights pruning may touch, and what each calls its weights and its biases.
# Subclasses are of the kind. Recurrent layers name their own.
NAMES: dict[tuple[type[nn.Module], ...], tuple[tuple[str, ...], tuple[str, ...]]] = {
    (nn.Linear, nn.modules.conv._ConvNd, nn.Bilinear): (("weight",), ("bias",)),
    (nn.RNNCellBase,): (("weight_ih", "weight_hh"), ("bias_ih", "bias_hh")),
    (nn.MultiheadAttention,): (
        ("in_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight"),
        ("in_proj_bias", "bias_k", "bias_v"),
    ),
}
NORMS = (nn.modules.batchnorm._NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)
EMBEDDINGS = (nn.Embedding, nn.EmbeddingBag)


class LeftOutWarning(UserWarning):
    """A network has matrices that pruning does not touch."""


def prunable(
    module: nn.Module, *, biases: bool = False, norms: bool = False, embeddings: bool = False
) -> dict[str, Tensor]:
    """Name the weights that pruning may touch.

    They are those of Linear and Bilinear layers, of convolutions of one to three dimensions, of
    MultiheadAttention, and of LSTM, GRU, RNN and their cells. Matrices of other layers are left
    out, which a `LeftOutWarning` says once for each network, and `Mask.table(model)` counts.

    Args:
        module: any network. A weight shared by two layers is named once, by the first of its names.
        biases: also the biases of the layers named.
        norms: also the scales of batch, layer, group and RMS normalisation.
        embeddings: also the weights of embeddings. A weight that an embedding shares with another
            layer counts as an embedding.

    Returns:
        The parameters, by the names that `module.named_parameters()` gives them.

    Raises:
        TypeError: a layer computes its weight from others, as torch.nn.utils.prune, weight_norm
            and parametrisations do, or is sparse, held by `sparsify`, or quantised.
        ValueError: nothing in the network can be pruned, or a weight has no shape yet.

    Used in chapters 02 to 13.
    """
    check_module(module)
    # Three kinds of parameters; biases and norms stand aside: nobody takes them for matrices.
    wanted: set[Tensor] = set()
    embedded: set[Tensor] = set()
    aside: set[Tensor] = set()
    for path, layer in module.named_modules():
        check_dense(layer, path)
        _check_readable(layer, path)
        own = dict(layer.named_parameters(recurse=False, remove_duplicate=False))
        names, bias = weight_names(layer), bias_names(layer)
        if isinstance(layer, NORMS):
            aside.update(own.values())
            names, bias = (("weight",), ("bias",)) if norms else ((), ())
        elif isinstance(layer, EMBEDDINGS):
            embedded.update(own.values())
            check_plain(layer, path, ("weight",) if embeddings else ())
        aside.update(own[name] for name in bias if name in own)
        asked = (*names, *bias) if biases else names
        check_plain(layer, path, asked)
        wanted.update(own[name] for name in asked if name in own)
    wanted = wanted | embedded if embeddings else wanted - embedded
    parameters = dict(module.named_parameters())
    found: dict[str, Tensor] = {name: p for name, p in parameters.items() if p in wanted}
    check_shapes(parameters)
    seen = wanted | aside
    left_out = {n: p for n, p in parameters.items() if p not in seen and p.ndim > 1}
    if not found:
        raise ValueError(_nothing(module, left_out))
    if left_out and module not in _warned:
        _warned.add(module)
        warnings.warn(_left_out(module, found, left_out), LeftOutWarning, stacklevel=_callers())
    return found


_warned: WeakSet[nn.Module] = WeakSet()


def weight_names(layer: nn.Module) -> tuple[str, ...]:
    """Return what a layer calls the weights that pruning may touch; nothing for other layers."""
    if isinstance(layer, nn.RNNBase):
        return tuple(name for name in layer._flat_weights_names if name.startswith("weight"))
    return next((names for kinds, (names, _) in NAMES.items() if isinstance(layer, kinds)), ())


def bias_names(layer: nn.Module) -> tuple[str, ...]:
    """Return what a layer whose weights pruning may touch calls its biases."""
    if isinstance(layer, nn.RNNBase):
        return tuple(name for name in layer._flat_weights_names if name.startswith("bias"))
    return next((names for kinds, (_, names) in NAMES.items() if isinstance(layer, kinds)), ())


def check_module(module: nn.Module) -> None:
    """Raise TypeError for what is no network."""
    if not isinstance(module, nn.Module):
        given = module.__name__ if isinstance(module, type) else f"a {type(module).__name__}"
        raise TypeError(f"given {given}, expected a network: an nn.Module that has been made.")


def check_plain(layer: nn.Module, path: str, names: Iterable[str]) -> None:
    """Raise TypeError if one of a layer's weights is computed from others, not a parameter."""
    for name in names:
        # Asked without reading it: what computes a weight may change at every reading.
        value = vars(layer).get(name, layer._buffers.get(name, getattr(type(layer), name, None)))
        if name not in layer._parameters and isinstance(value, Tensor | property):
            raise TypeError(
                f"layer {path!r} computes its {name} (torch.nn.utils.prune, weight_norm or another "
                "parametrisation). Make it plain first: with interop.from_torch_prune(model) after "
                "torch.nn.utils.prune, else by loading interop.plain_state_dict(model) into a "
                "network built anew."
            )


def check_shapes(parameters: Mapping[str, Tensor]) -> None:
    """Raise ValueError for a parameter of a lazy layer that no input has been seen by."""
    for name, p in parameters.items():
        if nn.parameter.is_lazy(p):
            raise ValueError(
                f"{name!r} has no shape yet, as it belongs to a lazy layer. Call the network once, "
                "on a batch of inputs."
            )


def check_dense(layer: nn.Module, path: str) -> None:
    """Raise TypeError for a layer that keeps its weights as sparsify makes them."""
    if {"columns", "pointers"} <= {name for name, _ in layer.named_buffers(recurse=False)}:
        raise TypeError(
            f"layer {path!r} is sparse ({type(layer).__name__}): pruned weights are gone from it. "
            "Make the network dense first: densify(model), of course_lib.sparse."
        )


def _check_readable(layer: nn.Module, path: str) -> None:
    """Raise TypeError for a layer whose parameters are not the weights that it computes with."""
    kind = type(layer)
    if kind.__module__ == "course_lib.sparse.convert" and "kept" in layer._buffers:
        raise TypeError(
            f"layer {path!r} is held ({kind.__name__}, of sparsify with a batch): what lies under "
            "its mask counts as zero, whatever its weight says. Make the network dense first: "
            "densify(model), of course_lib.sparse."
        )
    if ".nn.quantized" in kind.__module__ and any(
        name.startswith(("_packed", "_all_weight")) for name in (*vars(layer), *layer._modules)
    ):
        raise TypeError(
            f"layer {path!r} is quantised ({kind.__name__}): its weights are integers, packed away "
            "where pruning cannot reach them. Prune the network first, and quantise it then."
        )


def check_fits(mask: "Mask", model: nn.Module, what: str = "the network") -> None:
    """Raise unless the network has every name of the mask, as a parameter of the same shape."""
    check_module(model)
    layers = dict(model.named_modules(remove_duplicate=False))
    for name in mask:
        path, _, own = name.rpartition(".")
        if path in layers and own not in layers[path]._buffers:
            check_dense(layers[path], path)
            check_plain(layers[path], path, [own])
    _check_match(mask, dict(model.named_parameters(remove_duplicate=False)), what)


def _nothing(module: nn.Module, left_out: Mapping[str, Tensor]) -> str:
    has = f"; it has {_listed(left_out)}" if left_out else ""
    return (
        f"{type(module).__name__} has nothing to prune: expected weights of a Linear, Bilinear, "
        f"convolutional, attention or recurrent layer{has}. Embeddings are pruned when asked for."
    )


def _left_out(
    module: nn.Module, found: Mapping[str, Tensor], left_out: Mapping[str, Tensor]
) -> str:
    out, named = (sum(p.numel() for p in part.values()) for part in (left_out, found))
    return (
        f"pruning leaves out {out:,} of the {out + named:,} weights of {type(module).__name__}: "
        f"{_listed(left_out)}. Densities count the others. Embeddings are named by "
        "prunable(model, embeddings=True); Mask.table(model) counts them all."
    )


def _listed(weights: Mapping[str, Tensor]) -> str:
    return _few([f"{name} {tuple(w.shape)}" for name, w in weights.items()])


def _few(words: Collection[str], most: int = 6) -> str:
    more = len(words) - most
    return (", ".join(list(words)[:most]) or "nothing") + (f" and {more} more" if more > 0 else "")


def _callers() -> int:
    """Return the `stacklevel` of a warning in `prunable` at which the library was called."""
    level, frame = 2, sys._getframe(2)
    while frame.f_back and frame.f_globals.get("__name__", "").startswith("course_lib."):
        level, frame = level + 1, frame.f_back
    return level


class Mask(Mapping[str, Tensor]):
    """A named mapping of bool tensors with the shapes of the weights: True kept, False pruned.

    A mask is a value: nothing in the library changes one, and `&` makes a new one.

    Args:
        kept: a bool tensor for each name.

    Raises:
        TypeError: an entry is not a bool tensor.

    Used in every chapter from 02 on.
    """

    def __init__(self, kept: Mapping[str, Tensor]) -> None:
        if not isinstance(kept, Mapping) or not all(isinstance(name, str) for name in kept):
            raise TypeError(
                f"given a {type(kept).__name__}, expected a mapping from names to bool tensors."
            )
        self._kept = dict(kept)
        for name, entry in self._kept.items():
            if not isinstance(entry, Tensor) or entry.dtype != torch.bool:
                given = entry.dtype if isinstance(entry, Tensor) else type(entry).__name__
                raise TypeError(
                    f"mask of {name!r}: given {given}, expected a bool tensor, True where the "
                    "weight is kept. Make one with select() or by a comparison."
                )

    @classmethod
    def ones_like(
        cls,
        weights: nn.Module | Mapping[str, Tensor],
        *,
        biases: bool = False,
        norms: bool = False,
        embeddings: bool = False,
    ) -> "Mask":
        """Keep everything, to start from: the `prunable` weights of a module, or a whole mapping.

        The switches `biases`, `norms` and `embeddings` are those of `prunable`, and for a module
        only.
        """
        if not isinstance(weights, Mapping):
            weights = prunable(weights, biases=biases, norms=norms, embeddings=embeddings)
        return cls({name: torch.ones_like(w, dtype=torch.bool) for name, w in weights.items()})

    def __getitem__(self, name: str) -> Tensor:
        return self._kept[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._kept)

    def __len__(self) -> int:
        return len(self._kept)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Mask):
            return NotImplemented
        return self.keys() == other.keys() and all(
            entry.shape == other[name].shape and not _count(entry != other[name].to(entry.device))
            for name, entry in self.items()
        )

    __hash__ = None  # type: ignore[assignment]  # as for every container compared by content

    def __and__(self, other: "Mask") -> "Mask":
        """Keep what both keep; masks of different names or shapes raise ValueError."""
        if not isinstance(other, Mask):
            return NotImplemented
        _check_match(self, other, "the second mask")
        _check_match(other, self, "the first mask")
        return Mask({n: entry & other[n].to(entry.device) for n, entry in self.items()})

    @property
    def kept(self) -> int:
        """How many weights are kept."""
        return sum(_count(entry) for entry in self.values())

    @property
    def numel(self) -> int:
        """How many weights there are, kept or not."""
        return sum(entry.numel() for entry in self.values())

    @property
    def density(self) -> float:
        """The share of weights kept; 1 for a mask of no weights, which prunes nothing."""
        return self.kept / self.numel if self.numel else 1.0

    @property
    def sparsity(self) -> float:
        """The share of weights pruned: 1 - density."""
        return 1 - self.density

    @torch.no_grad()
    def apply_(self, weights: nn.Module | Mapping[str, Tensor]) -> None:
        """Set the pruned weights to zero, in place; what the mask does not name stays as it is.

        Raises:
            TypeError: a weight is computed from others, or of a sparse layer.
            ValueError: a name is missing, a shape differs, or a weight was made in torch's
                inference mode. No weight has been changed then.
        """
        if not isinstance(weights, Mapping):
            check_fits(self, weights)
            weights = dict(weights.named_parameters(remove_duplicate=False))
        _check_match(self, weights, "the network")
        for name, kept in self.items():
            if not weights[name].is_meta:
                checked_device(kept, f"mask of {name!r}")
            if weights[name].is_inference() and not torch.is_inference_mode_enabled():
                raise ValueError(
                    f"{name!r} was made in torch.inference_mode, outside of which torch forbids to "
                    "change it. Use copy.deepcopy(model), or make the network outside."
                )
        for name, kept in self.items():
            weights[name].masked_fill_(~kept.to(weights[name].device), 0)

    def table(self, model: nn.Module | None = None) -> "LayerTable":
        """Tabulate shape, count, kept and density of each layer and of all.

        With the model, what the mask leaves out is counted too: a row for each matrix that it does
        not name, one for biases, norms and other vectors, and one for the whole network.

        Raises:
            TypeError, ValueError: as `apply_`.
        """
        rows = [_Row(name, str(tuple(e.shape)), e.numel(), _count(e)) for name, e in self.items()]
        rows.append(_Row("all", "", self.numel, self.kept))
        if model is not None:
            check_fits(self, model)
            named = dict(model.named_parameters(remove_duplicate=False))
            masked = {named[name] for name in self}
            others = {n: p for n, p in model.named_parameters() if p not in masked}
            for name, p in others.items():
                if p.ndim > 1:
                    shape = str(tuple(p.shape))
                    rows.append(_Row(f"left out: {name}", shape, p.numel(), p.numel()))
            vectors = sum(p.numel() for p in others.values() if p.ndim < 2)
            if vectors:
                rows.append(_Row("left out: biases, norms", "", vectors, vectors))
            whole = sum(p.numel() for p in others.values())
            rows.append(_Row("the network", "", whole + self.numel, whole + self.kept))
        return LayerTable(row.cells() for row in rows)

    def __repr__(self) -> str:
        if any(entry.is_meta for entry in self.values()):
            return f"Mask({len(self)} tensors, {self.numel:,} weights, on the device 'meta')"
        return f"Mask({len(self)} tensors, {self.kept:,} of {self.numel:,} weights kept)"

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a safetensors file of one bit a weight, whole or not at all.

        Raises:
            OSError: the folder is not there, or cannot be written to; or the path is a folder.
            ValueError: an entry has the name "__metadata__", which such files keep for themselves.
        """
        if "__metadata__" in self:
            raise ValueError(
                "the mask has an entry '__metadata__', a name that safetensors files keep for "
                "themselves. Give that layer another name."
            )
        flat = {n: checked_device(e, f"mask of {n!r}").cpu().flatten() for n, e in self.items()}
        bits = {name: torch.from_numpy(np.packbits(entry.numpy())) for name, entry in flat.items()}
        shapes = {name: list(entry.shape) for name, entry in self.items()}
        write_whole(Path(path), save(bits, {SHAPES: json.dumps(shapes)}))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Mask":
        """Read a mask that `save` wrote; ValueError if the file is broken or no mask.

        Files of earlier versions, of a byte a weight, are read too.
        """
        check_file(Path(path))
        try:
            with safe_open(path, "pt") as file:
                entries = {name: file.get_tensor(name) for name in file.keys()}
                shapes = (file.metadata() or {}).get(SHAPES)
            if shapes is not None:
                entries = _unpacked(entries, json.loads(shapes))
            return cls(entries)
        except (SafetensorError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            raise ValueError(
                f"{os.fspath(path)}: expected a file made by Mask.save, but it is broken or holds "
                f"something else ({error}). Make the mask and save it again."
            ) from error


SHAPES = "shapes of the packed bits"  # what tells such a file from one of a byte a weight


def _unpacked(bits: Mapping[str, Tensor], shapes: Mapping[str, list[int]]) -> dict[str, Tensor]:
    """Return the entries of a mask from their bits, eight in a byte, the first the highest."""
    if bits.keys() != shapes.keys():
        raise ValueError(f"shapes of {_few(shapes)}, and bits of {_few(bits)}")
    entries = {}
    for name, shape in shapes.items():
        count = math.prod(shape)
        if bits[name].dtype != torch.uint8 or bits[name].shape != (-(-count // 8),):
            raise ValueError(
                f"{name!r} is {bits[name].dtype} {tuple(bits[name].shape)} for the shape {shape}"
            )
        entry = np.unpackbits(bits[name].numpy(), count=count).astype(bool)
        entries[name] = torch.from_numpy(entry).reshape(shape)
    return entries


class _Row(NamedTuple):
    name: str
    shape: str
    weights: int
    kept: int

    def cells(self) -> tuple[str, ...]:
        share = self.kept / self.weights if self.weights else 1.0
        return self.name, self.shape, f"{self.weights:,}", f"{self.kept:,}", f"{share:.1%}"


class LayerTable(tuple[tuple[str, ...], ...]):
    """Rows of (layer, shape, weights, kept, density) that show themselves as text or as HTML."""

    HEAD = ("layer", "shape", "weights", "kept", "density")

    def __str__(self) -> str:
        widths = [max(map(len, column)) for column in zip(self.HEAD, *self, strict=True)]
        lines = (map(str.rjust, row, widths) for row in (self.HEAD, *self))
        return "\n".join("  ".join(line) for line in lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        head = "".join(f'<th scope="col">{title}</th>' for title in self.HEAD)
        rows = ("".join(f"<td>{escape(cell)}</td>" for cell in row) for row in self)
        body = "".join(f"<tr>{row}</tr>" for row in rows)
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _count(entry: Tensor) -> int:
    return int(torch.count_nonzero(checked_device(entry, "the mask")))


def _check_match(mask: Mask, weights: Mapping[str, Tensor], what: str) -> None:
    """Raise ValueError unless the weights have every name of the mask, in the same shape."""
    missing = [name for name in mask if name not in weights]
    if missing:
        raise ValueError(
            f"{what} has no {_few(list(map(repr, missing)))}, which the mask names; it has "
            f"{_few(list(map(repr, weights)))}. "
            "Make the mask from the same network."
        )
    for name, kept in mask.items():
        if not isinstance(weights[name], Tensor):
            given = type(weights[name]).__name__
            raise TypeError(f"{name!r} is a {given} in {what}, expected a torch tensor.")
        if kept.shape != weights[name].shape:
            raise ValueError(
                f"{name!r} is {tuple(weights[name].shape)} in {what} and {tuple(kept.shape)} in "
                "the mask, expected the same shape. Make the mask from the same network."
            )
