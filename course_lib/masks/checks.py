"""What a selection may be given, and the sentences that say so when it is given something else."""

from collections.abc import Collection
from numbers import Integral, Real

import torch
from torch import Tensor

FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
INTEGERS = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)


def checked_device(tensor: Tensor, name: str) -> Tensor:
    """Return the tensor; raises ValueError if it is on "meta", where tensors have no values."""
    if tensor.is_meta:
        raise ValueError(
            f"{name}: on the device 'meta', where tensors have shapes and no values, so that "
            "nothing can be compared or counted. Make the network on a device where it can run."
        )
    return tensor


def checked_scores(scores: Tensor, name: str = "scores") -> Tensor:
    """Return the scores without their gradient.

    Raises TypeError for anything but floats or integers, ValueError for NaN or infinity, and for
    scores without values.
    """
    if not isinstance(scores, Tensor) or scores.dtype not in FLOATS + INTEGERS:
        given = scores.dtype if isinstance(scores, Tensor) else type(scores).__name__
        raise TypeError(
            f"{name}: given {given}, expected a torch tensor of floats (16 to 64 bits) or of "
            "integers. Convert with torch.as_tensor or .float()."
        )
    if scores.layout != torch.strided:
        raise TypeError(f"{name}: given {scores.layout}, expected a dense tensor: use .to_dense().")
    scores = checked_device(scores, name).detach()
    if scores.dtype in FLOATS and scores.numel():
        extremes = torch.stack(torch.aminmax(scores))  # both are NaN if any score is
        if not extremes.isfinite().all():
            wrong = (~scores.isfinite()).nonzero()
            where = tuple(wrong[0].tolist())
            raise ValueError(
                f"{name}: {len(wrong)} of {scores.numel()} are NaN or infinite, the first "
                f"({scores[where].item()}) at index {where}; expected finite numbers, which can "
                "be put in order. Find where they come from, or use torch.nan_to_num."
            )
    return scores


def checked_count(k: int, smallest: int, largest: int, name: str = "k") -> int:
    """Return k, an integer from `smallest` to `largest`.

    Raises TypeError for what is no integer (True and 3.0 are not), ValueError out of range.
    """
    if isinstance(k, bool) or not isinstance(k, Integral):
        raise TypeError(
            f"{name}: given {k!r} ({type(k).__name__}), expected an integer. "
            "To keep a share instead of a count, give density to select()."
        )
    if not smallest <= k <= largest:
        raise ValueError(
            f"{name}: given {k}, expected an integer from {smallest} to {largest}. "
            "Choose a value in this range."
        )
    return int(k)


def checked_density(density: float) -> float:
    """Return density, a number from 0 to 1; raises TypeError or ValueError."""
    if isinstance(density, bool) or not isinstance(density, Real):
        raise TypeError(
            f"density: given {density!r} ({type(density).__name__}), expected a number. "
            "Give the share to keep, from 0 to 1."
        )
    if not 0 <= density <= 1:
        raise ValueError(
            f"density: given {density}, expected the share to keep, from 0 to 1. "
            "Divide a percentage by 100; give a count as k."
        )
    return float(density)


def groups_along(axis: int, shape: torch.Size, size: int, name: str) -> int:
    """Return how many groups of `size` fill an axis; raises as `checked_count`, or if uneven."""
    length = shape[axis]
    size = checked_count(size, 1, length or size, name)  # any size divides an empty axis
    if length % size:
        raise ValueError(
            f"{name}: given {size}, which does not divide the length {length} of axis {axis} of "
            f"the scores {tuple(shape)}; expected a divisor. Choose one, or pad the scores."
        )
    return length // size


def few(words: Collection[str], most: int = 6) -> str:
    """Return the first of some words, and how many more there are."""
    more = len(words) - most
    return (", ".join(list(words)[:most]) or "nothing") + (f" and {more} more" if more > 0 else "")
