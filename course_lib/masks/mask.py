"""The mask of a network: which of its weights are kept."""

import os
from collections.abc import Iterator, Mapping
from html import escape
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from course_lib.masks.files import write_whole

PRUNABLE = (nn.Linear, nn.modules.conv._ConvNd)
NORMS = (nn.modules.batchnorm._NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)


def prunable(module: nn.Module, *, biases: bool = False, norms: bool = False) -> dict[str, Tensor]:
    """Name the weights that pruning may touch: those of Linear and convolutional layers.

    Args:
        module: any network. A weight shared by two layers is named once, by the first.
        biases: also the biases of the layers named.
        norms: also the scales of batch, layer, group and RMS normalisation.

    Returns:
        The parameters, by the names that `module.named_parameters()` gives them.

    Used in chapters 02 to 13.
    """
    kinds = PRUNABLE + (NORMS if norms else ())
    wanted = ("weight", "bias") if biases else ("weight",)
    found: dict[str, Tensor] = {}
    for path, layer in module.named_modules():
        for name, parameter in layer.named_parameters(path, recurse=False):
            is_wanted = isinstance(layer, kinds) and name.rpartition(".")[2] in wanted
            if is_wanted and not any(parameter is other for other in found.values()):
                found[name] = parameter
    return found


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
        cls, weights: nn.Module | Mapping[str, Tensor], *, biases: bool = False, norms: bool = False
    ) -> "Mask":
        """Keep everything, to start from: the `prunable` weights of a module, or a whole mapping.

        The switches `biases` and `norms` are those of `prunable`, and for a module only.
        """
        if isinstance(weights, nn.Module):
            weights = prunable(weights, biases=biases, norms=norms)
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
        return self.keys() == other.keys() and all(torch.equal(self[n], other[n]) for n in self)

    __hash__ = None  # type: ignore[assignment]  # as for every container compared by content

    def __and__(self, other: "Mask") -> "Mask":
        """Keep what both keep; masks of different names or shapes raise ValueError."""
        _check_match(self, other, "the second mask")
        _check_match(other, self, "the first mask")
        return Mask({name: self[name] & other[name] for name in self})

    @property
    def kept(self) -> int:
        """How many weights are kept."""
        return sum(int(torch.count_nonzero(entry)) for entry in self.values())

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
            ValueError: a name is missing or a shape differs; then no weight has been changed.
        """
        if isinstance(weights, nn.Module):
            weights = dict(weights.named_parameters(remove_duplicate=False))
        _check_match(self, weights, "the network")
        for name, kept in self.items():
            weights[name].masked_fill_(~kept.to(weights[name].device), 0)

    def table(self) -> "LayerTable":
        """Tabulate shape, count, kept and density of each layer and of all."""
        layers = {name: (str(tuple(self[name].shape)), Mask({name: self[name]})) for name in self}
        return LayerTable(
            (name, shape, f"{part.numel:,}", f"{part.kept:,}", f"{part.density:.1%}")
            for name, (shape, part) in {**layers, "all": ("", self)}.items()
        )

    def __repr__(self) -> str:
        return f"Mask({len(self)} tensors, {self.kept:,} of {self.numel:,} weights kept)"

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a safetensors file, whole or not at all; OSError if the folder is not there."""
        # Copies, because the format refuses tensors that share their memory.
        content = save({name: entry.cpu().contiguous().clone() for name, entry in self.items()})
        write_whole(Path(path), content)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Mask":
        """Read a mask that `save` wrote; ValueError if the file is broken or no mask."""
        try:
            return cls(load_file(path))
        except (SafetensorError, TypeError) as error:
            raise ValueError(
                f"{os.fspath(path)}: expected a file made by Mask.save, but it is broken or holds "
                f"something else ({error}). Make the mask and save it again."
            ) from error


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


def _check_match(mask: Mask, weights: Mapping[str, Tensor], what: str) -> None:
    """Raise ValueError unless the weights have every name of the mask, in the same shape."""
    missing = [name for name in mask if name not in weights]
    if missing:
        raise ValueError(
            f"{what} has no {missing}, which are in the mask; it has {list(weights)}. "
            "Make the mask from the same network."
        )
    for name, kept in mask.items():
        if kept.shape != weights[name].shape:
            raise ValueError(
                f"{name!r} is {tuple(weights[name].shape)} in {what} and {tuple(kept.shape)} in "
                "the mask, expected the same shape. Make the mask from the same network."
            )
