"""Examples: what networks are trained on and scored with, in one form for all of them.

Data is a pair `(inputs, targets)`, or a collection of such pairs that can be gone through again and
again, as a list or a DataLoader: then each pair is a batch. Inputs are a tensor, which the network
is called with, a tuple or list (its arguments in order) or a dictionary (its arguments by name);
targets are a tensor. Examples lie along the first axis of all of them.

A loss is the mean over a batch, and over several batches every example counts once: batches are
weighed by their examples. A loss whose mean is over something else, as that of cross-entropy with
`ignore_index` or weights of classes, or that is a sum, depends then on how examples are batched:
give them as one batch, or weigh examples within the loss.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from numbers import Integral
from typing import Any, TypeGuard

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.data import Dataset

Batch = tuple[Any, Any]
Examples = Batch | Iterable[Batch]
Loss = Callable[[Any, Any], Tensor]

_EXPECTED = (
    "expected a pair (inputs, targets) of tensors, or a list or DataLoader of such pairs; inputs "
    "may also be a tuple or a dictionary of tensors"
)


def is_pair(data: object) -> TypeGuard[Batch]:
    """Tell a pair (inputs, targets) from a collection of such pairs."""
    return isinstance(data, tuple | list) and len(data) == 2 and isinstance(data[1], Tensor)


def check_examples(data: object) -> None:
    """Raise TypeError for what is no data, or can be gone through once only."""
    if is_pair(data):
        return
    if isinstance(data, Dataset):
        raise TypeError(
            f"data: given a {type(data).__name__}, which tells its examples one by one, "
            f"{_EXPECTED}. Wrap it: DataLoader(data, batch_size=128)."
        )
    if not isinstance(data, Iterable) or isinstance(data, Tensor | str | bytes | Mapping):
        raise TypeError(f"data: given {_named(data)}, {_EXPECTED}. Write (X, y).")
    if iter(data) is data:
        raise TypeError(
            f"data: given {_named(data)}, which can be gone through once only, and data is needed "
            "again and again. Give a list of its batches, list(data), or a DataLoader."
        )


def batches_of(data: Examples) -> Iterator[Batch]:
    """Go through the batches of data, of which a pair is a single one; empty ones are left out.

    Raises:
        TypeError: no such data.
        ValueError: there is no example in it.
    """
    check_examples(data)
    empty = True
    for batch in [data] if is_pair(data) else data:
        if not (isinstance(batch, tuple | list) and len(batch) == 2):
            raise TypeError(f"data: a batch is {_named(batch)}, {_EXPECTED}.")
        if examples_in(batch):  # type: ignore[arg-type]  # two things, as was seen
            empty = False
            yield batch[0], batch[1]
    if empty:
        raise ValueError("data: there is no example in it, expected at least one. See len(X).")


def examples_in(batch: Batch) -> int:
    """Return how many examples a batch has: the length of its targets.

    Raises:
        TypeError: targets without tensors, or without an axis of examples.
    """
    first = next(tensors_in(batch[1]), None)
    if first is None or not first.ndim:
        raise TypeError(
            f"data: a batch has {_named(batch[1])} for targets, without an axis of examples; "
            f"{_EXPECTED}. Give a single example an axis: X[None], y[None]."
        )
    return len(first)


def tensors_in(part: Any) -> Iterator[Tensor]:
    """Go through the tensors of inputs or targets."""
    if isinstance(part, Tensor):
        yield part
    elif isinstance(part, Mapping):
        for value in part.values():
            yield from tensors_in(value)
    elif isinstance(part, tuple | list):
        for value in part:
            yield from tensors_in(value)


def mapped(change: Callable[[Tensor], Tensor], part: Any) -> Any:
    """Change every tensor of inputs or targets, and leave what else there is."""
    if isinstance(part, Tensor):
        return change(part)
    if isinstance(part, Mapping):
        return {name: mapped(change, value) for name, value in part.items()}
    if isinstance(part, tuple | list):
        return tuple(mapped(change, value) for value in part)
    return part


def rows(batch: Batch, chosen: Tensor | slice) -> Batch:
    """Return some of the examples of a batch.

    Raises:
        ValueError: its tensors do not have a row for each example.
    """
    count = examples_in(batch)

    def take(tensor: Tensor) -> Tensor:
        if not tensor.ndim or len(tensor) != count:
            raise ValueError(
                f"data: there are {count} targets, and a tensor of shape {tuple(tensor.shape)} "
                "among the inputs; expected one row of it for each example. Put examples along "
                "the first axis."
            )
        return tensor[chosen]

    return mapped(take, batch[0]), mapped(take, batch[1])


class DataError(ValueError, RuntimeError):
    """Examples do not fit the network, or what it answers does not fit the loss."""


# What torch raises of tensors that do not fit. Subclasses are of other things, as lack of memory.
TORCH = (RuntimeError, IndexError, ValueError, TypeError)


def answer(model: nn.Module, inputs: Any) -> Any:
    """Call a network with a tensor, with a tuple of arguments, or with named ones.

    Raises:
        TypeError or ValueError: the call fails; our words first, then those of the error.
    """
    try:
        return _called(model, inputs)
    except TORCH as error:
        if type(error) not in TORCH:
            raise
        own = next(iter(model.parameters()), None) if isinstance(model, nn.Module) else None
        has = "" if own is None else f", whose parameters are {own.dtype} on {own.device}"
        raise _worded(error)(
            f"data: given inputs {described(inputs)}, which cannot be sent through "
            f"{type(model).__name__}{has}. Expected inputs of the shapes that its layers take, of "
            f"its type and on its device. The error was: {error}"
        ) from error


def _worded(error: Exception) -> type[Exception]:
    return TypeError if type(error) is TypeError else DataError


def _called(model: nn.Module, inputs: Any) -> Any:
    if isinstance(inputs, Mapping):
        return model(**inputs)
    if isinstance(inputs, tuple | list):
        return model(*inputs)
    return model(inputs)


def mean_of(loss: Loss, output: Any, targets: Any) -> Tensor:
    """Return the loss of a batch, one number.

    Raises:
        TypeError: the loss is no function, or what it gives is no tensor.
        ValueError: it gives more than one number.
    """
    check_loss(loss)
    try:
        value = loss(output, targets)
    except TORCH as error:
        if type(error) not in TORCH:
            raise
        raise _worded(error)(
            f"loss: given outputs {described(output)} and targets {described(targets)}, which "
            f"{_name_of(loss)} cannot compare. {_wanted(loss)} The error was: {error}"
        ) from error
    if not isinstance(value, Tensor):
        raise TypeError(f"loss: gives {_named(value)}, expected a tensor, the mean over the batch.")
    if value.numel() != 1:
        raise ValueError(
            f"loss: gives {tuple(value.shape)}, expected one number, the mean over the batch. "
            "Take reduction='mean', or .mean()."
        )
    return value.squeeze() if value.ndim else value


def check_loss(loss: object) -> None:
    """Raise TypeError for a loss that is no function."""
    if not callable(loss):
        raise TypeError(
            f"loss: given {_named(loss)}, expected a function of outputs and targets. Examples and "
            "their targets are one argument: write (X, y)."
        )
    if isinstance(loss, type) and issubclass(loss, nn.Module):
        raise TypeError(
            f"loss: given the class {loss.__name__}, expected one that has been made: "
            f"{loss.__name__}()."
        )


def _name_of(loss: Loss) -> str:
    return getattr(loss, "__name__", type(loss).__name__)


def _wanted(loss: Loss) -> str:
    if loss is cross_entropy or isinstance(loss, nn.CrossEntropyLoss):
        return (
            "Expected logits (n, classes) and torch.int64 classes (n,) from 0 to classes - 1; for "
            "tokens, (n, classes, tokens) and (n, tokens): loss=lambda z, y: "
            "cross_entropy(z.flatten(0, 1), y.flatten())."
        )
    return "Expected what the loss is made for, with examples along the first axis."


def described(part: Any) -> str:
    """Say shapes, types and devices of inputs, outputs or targets."""
    if isinstance(part, Tensor):
        return f"{tuple(part.shape)} {part.dtype} on {part.device}"
    if isinstance(part, Mapping):
        return "{" + ", ".join(f"{name}: {described(value)}" for name, value in part.items()) + "}"
    if isinstance(part, tuple | list):
        return f"{type(part).__name__} of {', '.join(map(described, part)) or 'nothing'}"
    return _named(part)


def seeded(seed: int, name: str = "seed") -> torch.Generator:
    """Return a generator of random numbers that begins with a seed.

    Raises:
        TypeError: the seed is no integer.
        ValueError: it does not fit into 64 bits.
    """
    if isinstance(seed, bool) or not isinstance(seed, Integral):
        raise TypeError(f"{name}: given {seed!r} ({type(seed).__name__}), expected an integer.")
    if not -(2**63) <= seed < 2**64:
        raise ValueError(f"{name}: given {seed}, expected an integer of at most 64 bits.")
    return torch.Generator().manual_seed(int(seed))


def checked_seeds(seeds: Any) -> tuple[int, ...]:
    """Return seeds, one for each replica, as integers.

    Raises:
        TypeError: no sequence of integers.
        ValueError: there is none.
    """
    if isinstance(seeds, str | bytes) or not isinstance(seeds, Iterable):
        raise TypeError(
            f"seeds: given {seeds!r}, expected a sequence of integers, one for each replica: "
            "seeds=[0]."
        )
    given = tuple(seeds)
    for seed in given:
        seeded(seed, "seeds")
    if not given:
        raise ValueError("seeds: given none, expected at least one.")
    return tuple(map(int, given))


def _named(given: object) -> str:
    if isinstance(given, Tensor):
        return f"a tensor {tuple(given.shape)}"
    return "None" if given is None else f"a {type(given).__name__}"
