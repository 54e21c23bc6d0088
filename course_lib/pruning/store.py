"""Rounds on the disk: a folder of one experiment, in which it goes on after an interruption."""

import copy
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import load, save
from torch import Tensor, nn

from course_lib.files import store, stored
from course_lib.masks import Mask
from course_lib.pruning.fingerprint import Unknown, fingerprint

State = dict[str, Tensor]


@dataclass(frozen=True)
class Round:
    """Where iterative pruning stands: a trained network, and the mask it was trained with.

    Attributes:
        number: 0 is the dense network, t has been pruned t times.
        mask: the mask.
        trained: the weights at the end of this round's training, by the names of `state_dict`.
        rewound: the weights that every round starts from, if rounds rewind.

    Examples:
        >>> import torch
        >>> weights = {"weight": torch.ones(2, 2)}
        >>> mask = Mask({"weight": torch.eye(2) > 0})
        >>> Round(1, mask, trained=weights, rewound=weights).density
        0.5
    """

    number: int
    mask: Mask
    trained: State
    rewound: State

    @property
    def density(self) -> float:
        """The share of weights that remain."""
        return self.mask.density


class Store:
    """The folder of a run: a file a round, each telling by a digest which run it belongs to."""

    def __init__(
        self,
        folder: str | os.PathLike[str] | None,
        model: nn.Module,
        settings: object,
        key: str | None,
        parts: tuple[object, ...],
        rounds: int,
    ) -> None:
        try:
            self.folder = Path(folder) if folder is not None else None
        except TypeError as error:
            raise TypeError(f"folder: given {folder!r}, expected the path of a folder.") from error
        self.run = ""
        if self.folder is None:
            return
        if any(not os.path.exists(self._path(number)) for number in range(rounds + 1)):
            _check_folder(self.folder)
        other = [n for n, value in model.state_dict().items() if not isinstance(value, Tensor)]
        if other:
            raise TypeError(
                f"folder: the network's state holds {other}, which are no tensors and cannot be "
                "stored. Let get_extra_state give a tensor, or give no folder."
            )
        model = getattr(model, "_orig_mod", model)  # compiled or not, it is the same network
        if key is not None:
            self.run = fingerprint((settings, model.state_dict(), key))
            return
        names = ("model", "train", "criterion", "data", "loss")
        try:
            self.run = fingerprint((settings, dict(zip(names, (model, *parts), strict=True))))
        except Unknown as error:
            raise TypeError(
                f"folder: {error}, so this experiment cannot be told from others, whose rounds may "
                "lie there. Give key='a name of your own' for this network, trainer, criterion, "
                "data and loss, and another one whenever you change any of them."
            ) from error

    def _path(self, number: int) -> Path:
        assert self.folder is not None
        return self.folder / f"round-{number:03}.safetensors"

    def read(self, number: int) -> Round | None:
        """Return a stored round; None if it is not there, or is broken and must be done again."""
        if self.folder is None:
            return None
        path = self._path(number)
        found = stored(path)
        if found is None:
            return None
        run, content = found
        if run != self.run:
            raise ValueError(
                f"folder: {path} belongs to another experiment: other settings, initial values, "
                "trainer, criterion, data or loss. Give an empty folder, or delete that one."
            )
        parts: dict[str, State] = {"mask": {}, "trained": {}, "rewound": {}}
        for name, tensor in load(content).items():
            part, _, own = name.partition("/")
            parts[part][own] = tensor
        return Round(number, Mask(parts["mask"]), parts["trained"], parts["rewound"])

    def write(self, done: Round) -> Round:
        """Store a round, whole or not at all."""
        if self.folder is not None:
            parts = {"mask": done.mask, "trained": done.trained, "rewound": done.rewound}
            content = save(
                {
                    f"{p}/{n}": t.contiguous().clone()
                    for p, own in parts.items()
                    for n, t in own.items()
                }
            )
            self.folder.mkdir(parents=True, exist_ok=True)
            store(self._path(done.number), self.run, content)
        return done


def _check_folder(folder: Path) -> None:
    """Make a folder and try it; ValueError, before anything is trained, if it takes no files."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except (OSError, ValueError) as error:
        raise ValueError(
            f"folder: given {str(folder)!r}, where rounds cannot be stored ({error}). Expected a "
            "folder that can be made and written to, in which there is room."
        ) from error


def copied(model: nn.Module) -> State:
    """Return the state of a network, and no part of the network itself."""
    return {name: _apart(value) for name, value in model.state_dict().items()}


def put(model: nn.Module, state: State) -> None:
    """Give a network this state; what it keeps beside its tensors it may change later."""
    model.load_state_dict({name: _apart(value) for name, value in state.items()})


def _apart(value: Any) -> Any:
    """Return a copy of a tensor, or of whatever `get_extra_state` of a layer gave."""
    return value.detach().clone() if isinstance(value, Tensor) else copy.deepcopy(value)
