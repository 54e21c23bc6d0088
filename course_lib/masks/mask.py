"""The mask of a network: which of its weights are kept."""

import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from course_lib.files import check_file, write_whole
from course_lib.masks.checks import checked_device, few
from course_lib.masks.weights import check_dense, check_module, check_plain, prunable


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


class Mask(Mapping[str, Tensor]):
    """A named mapping of bool tensors with the shapes of the weights: True kept, False pruned.

    A mask is a value: nothing in the library changes one, and `&` makes a new one.

    Args:
        kept: a bool tensor for each name.

    Raises:
        TypeError: an entry is not a bool tensor.

    Examples:
        >>> import torch
        >>> mask = Mask({"0.weight": torch.tensor([[True, False], [True, True]])})
        >>> mask
        Mask(1 tensors, 3 of 4 weights kept)
        >>> mask.kept, mask.density
        (3, 0.75)
        >>> w = {"0.weight": torch.ones(2, 2)}
        >>> mask.apply_(w)
        >>> w["0.weight"].tolist()
        [[1.0, 0.0], [1.0, 1.0]]
        >>> both = Mask.stacked([mask, mask])
        >>> tuple(both["0.weight"].shape), both.unstacked() == [mask, mask]
        ((2, 2, 2), True)
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

    @classmethod
    def stacked(cls, masks: Sequence["Mask"]) -> "Mask":
        """Put masks of S networks of one shape together: entries (S, ...), as `Replicas` have them.

        Raises:
            ValueError: there is none, or their names or shapes differ.
        """
        if not masks:
            raise ValueError("masks: given none, expected at least one, whose names to take.")
        for other in masks[1:]:
            _check_match(masks[0], other, "another of the masks")
            _check_match(other, masks[0], "the first of the masks")
        return cls({name: torch.stack([mask[name] for mask in masks]) for name in masks[0]})

    def unstacked(self) -> list["Mask"]:
        """Return the masks that `stacked` has put together, one for each place of the first axis.

        Raises:
            ValueError: the entries have first axes of different lengths, or none.
        """
        lengths = {len(entry) if entry.ndim else 0 for entry in self.values()}
        if len(lengths) != 1 or 0 in lengths:
            raise ValueError(
                f"the mask's entries have first axes of the lengths {sorted(lengths)}, expected "
                "one and the same: as many as there are replicas. Take the mask of Replicas."
            )
        return [Mask({n: entry[i] for n, entry in self.items()}) for i in range(lengths.pop())]

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
        raise ValueError(f"shapes of {few(shapes)}, and bits of {few(bits)}")
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
    """Rows of (layer, shape, weights, kept, density) that show themselves as text or as HTML.

    Examples:
        >>> import torch
        >>> Mask({"0.weight": torch.eye(3) > 0}).table()
           layer   shape  weights  kept  density
        0.weight  (3, 3)        9     3    33.3%
             all                9     3    33.3%
    """

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
            f"{what} has no {few(list(map(repr, missing)))}, which the mask names; it has "
            f"{few(list(map(repr, weights)))}. "
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
