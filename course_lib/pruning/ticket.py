"""A ticket: a mask, the values that its weights began with, and how it was found."""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from course_lib.files import write_whole
from course_lib.masks import Mask
from course_lib.pruning.store import State


@dataclass(frozen=True)
class Ticket:
    """A winning ticket, or what is meant to be one.

    Attributes:
        mask: which weights stay.
        initial: the values that training begins with, of all parameters, by the names of
            `state_dict`; pruned weights are among them, as they were.
        seed: of the initial values, one for each replica.
        provenance: how it was found; whatever JSON can say.

    Raises:
        ValueError: the mask and the values do not belong together, or a value is not finite.

    Examples:
        >>> start = nn.Linear(2, 2)
        >>> ticket = Ticket(Mask({"weight": torch.eye(2) > 0}), start.state_dict(), seed=(0,))
        >>> ticket.verify(start)
        >>> ticket.mask
        Mask(1 tensors, 2 of 4 weights kept)

    Source: Frankle and Carbin (2019).
    """

    mask: Mask
    initial: State
    seed: tuple[int, ...] = ()
    provenance: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, entry in self.mask.items():
            given = tuple(self.initial[name].shape) if name in self.initial else "nothing"
            if given != tuple(entry.shape):
                raise ValueError(
                    f"initial: given {given} for {name!r}, expected values of the mask's shape "
                    f"{tuple(entry.shape)}. Take mask and values from the same network."
                )
        check_values(self.initial, "initial")
        tensors = {n: v for n, v in self.initial.items() if isinstance(v, Tensor)}
        broken = [n for n, v in tensors.items() if not bool(torch.isfinite(v).all())]
        if broken:
            raise ValueError(f"initial: {broken} hold NaN or infinity, expected finite values.")

    def verify(self, start: nn.Module) -> None:
        """Check that a network, made again from its seed, holds exactly these initial values.

        Raises:
            ValueError: it does not; the ticket was rewound to something else, trained values say.
        """
        if not isinstance(start, nn.Module):
            given = type(start).__name__
            raise TypeError(f"start: given a {given}, expected the network itself.")
        found = start.state_dict()
        strange = [
            name
            for name, value in self.initial.items()
            if name not in found or not _same(found[name], value)
        ]
        if strange:
            raise ValueError(
                f"start: differs from the ticket's initial values in {strange}, expected the same "
                "to the last bit. Make it from the ticket's seed, at the ticket's rewind step."
            )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a safetensors file, whole or not at all.

        Raises:
            OSError: the folder is not there.
            TypeError: seed or provenance hold what JSON cannot say, or the values no tensors only.
        """
        others = [n for n, value in self.initial.items() if not isinstance(value, Tensor)]
        if others:
            raise TypeError(f"initial: {others} are no tensors, expected tensors, to be stored.")
        tensors = {f"mask/{name}": entry for name, entry in self.mask.items()}
        tensors |= {f"initial/{name}": value for name, value in self.initial.items()}
        tensors = {name: tensor.cpu().contiguous().clone() for name, tensor in tensors.items()}
        try:
            story = json.dumps({"seed": self.seed, "provenance": dict(self.provenance)})
        except TypeError as error:
            raise TypeError(
                f"seed and provenance: given {self.seed} and {dict(self.provenance)}, expected "
                f"what JSON can say ({error}). Write int(...) or float(...) around numpy's numbers."
            ) from error
        labels = {"ticket": story, "digest": _digest(story, tensors)}
        write_whole(Path(path), save(tensors, labels))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Ticket":
        """Read what `save` wrote; ValueError if it is broken, altered or something else."""
        try:
            with safe_open(path, "pt") as file:
                labels = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}
        except SafetensorError as error:
            raise ValueError(f"{os.fspath(path)}: {_NO_TICKET} ({error}).") from error
        story = labels.get("ticket", "")
        if labels.get("digest") != _digest(story, tensors):
            raise ValueError(f"{os.fspath(path)}: {_NO_TICKET}.")
        told = json.loads(story)
        parts: dict[str, State] = {"mask": {}, "initial": {}}
        for name, tensor in tensors.items():
            part, _, own = name.partition("/")
            parts[part][own] = tensor
        return cls(Mask(parts["mask"]), parts["initial"], tuple(told["seed"]), told["provenance"])


def _same(one: Any, other: Any) -> bool:
    """Tell whether two values of a state are the same, to the last bit."""
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        return torch.equal(one, other)
    return bool(one == other)


def check_values(weights: Mapping[str, Tensor], what: str) -> None:
    """Raise ValueError for weights on the device meta, of which there are only shapes."""
    if any(isinstance(w, Tensor) and w.is_meta for w in weights.values()):
        raise ValueError(
            f"{what}: on the device meta, which keeps no values, expected weights that have some. "
            "Load them on another device first: model.to_empty(device='cpu')."
        )


_NO_TICKET = "expected a file made by Ticket.save, unaltered. Find the ticket and save it again"


def _digest(story: str, tensors: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 of all that a ticket's file says."""
    found = hashlib.sha256(story.encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        found.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        found.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return found.hexdigest()
