"""The k-th largest of very many numbers, without sorting them and without a copy of them.

Sorting a hundred million scores only to learn where to cut is waste. Counting is enough: count
how many scores fall in each of 65,536 ranges, see in which range the k-th largest lies, and count
again inside that range alone. A 32-bit number is settled after two rounds. The counts need half a
megabyte, the scores are read in chunks that fit in the processor's cache, and they may lie in
many tensors, so a global selection never joins the layers of a network.

Source: radix selection (Alabi, Blanchard, Gordon and Steinbach 2012). Used by every selection.
"""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

CHUNK = 1 << 20  # scores read together: 4 MB of float32
DIGIT = 16  # bits that one round of counting settles
FEW = 1 << 14  # so few candidates are sorted outright: quicker than another round

# Only whole numbers can be counted by their bits: a float is read as the integer its bits spell.
KEY_TYPE = {
    torch.float16: torch.int16,
    torch.bfloat16: torch.int16,
    torch.float32: torch.int32,
    torch.float64: torch.int64,
}


def kth_largest(tensors: Sequence[Tensor], k: int) -> tuple[Tensor, int]:
    """Find the k-th largest of all numbers in the tensors, and how many of its equals belong.

    Args:
        tensors: one or more tensors of one data type, without NaN.
        k: rank, from 1 (the largest) to the count of all numbers.

    Returns:
        The k-th largest, a tensor of no dimension, which can be compared with those on any device,
        and how many of the numbers *equal* to it are among the k largest: k minus the count of
        those that are strictly larger.
    """
    dtype = tensors[0].dtype
    flat = [tensor.detach().reshape(-1) for tensor in tensors]  # each on a device of its own
    # The key we look for lies in low, ..., low + 2**bits - 1, and is the k-th largest of those.
    limits = torch.iinfo(KEY_TYPE.get(dtype, dtype))
    low, bits = limits.min, limits.bits
    candidates = sum(tensor.numel() for tensor in flat)

    while candidates > FEW and bits > 0:
        bits -= min(DIGIT, bits)
        counts = _count_digits(flat, low, bits)
        from_the_top = counts.flip(0).cumsum(0)
        place = int(torch.searchsorted(from_the_top, k))
        digit = len(counts) - 1 - place
        candidates = int(counts[digit])
        k -= int(from_the_top[place]) - candidates  # so many are surely larger
        low += digit << bits

    if bits > 0:
        high = low + (1 << bits) - 1
        inside = [keys[(keys >= low) & (keys <= high)].cpu() for keys in _keys(flat)]
        ordered = torch.cat(inside).sort(descending=True).values
        low = int(ordered[k - 1])
        k -= int(torch.count_nonzero(ordered > low))
    return _number(low, dtype), k


def first(flags: Tensor, count: int) -> Tensor:
    """Keep the first `count` True by index and clear the others, in place where memory allows."""
    flags = flags.contiguous()
    for chunk in flags.view(-1).split(CHUNK):
        found = int(torch.count_nonzero(chunk))
        if found > count:
            chunk[chunk.nonzero()[count:]] = False
        count = max(count - found, 0)
    return flags


def _count_digits(flat: Sequence[Tensor], low: int, bits: int) -> Tensor:
    """Count the candidates by the DIGIT bits of their keys that stand above the last `bits`."""
    size = 1 << DIGIT
    counts = torch.zeros(size + 2, dtype=torch.int64)
    for keys in _keys(flat):
        digits = (keys >> bits) - (low >> bits)
        # Keys that were ruled out before go to the two outer bins, which nobody reads.
        counts += torch.bincount(digits.clamp_(-1, size).add_(1), minlength=size + 2).cpu()
    return counts[1:-1]


def _keys(flat: Sequence[Tensor]) -> Iterator[Tensor]:
    """Yield, chunk by chunk, integers that stand in the same order as the numbers."""
    for tensor in flat:
        for chunk in tensor.split(CHUNK):
            if chunk.dtype in KEY_TYPE:
                chunk = _mirror(chunk.view(KEY_TYPE[chunk.dtype]))
            yield chunk if chunk.dtype == torch.int64 else chunk.to(torch.int32)


def _mirror(bits: Tensor) -> Tensor:
    """Turn sign and magnitude into an ordinary integer, or back.

    The bits of a float are a sign and a magnitude, so negative floats stand in the wrong order.
    Mirrored, -m lies as far below zero as m lies above it, and -0.0 equals 0.0.
    """
    return torch.where(bits < 0, torch.iinfo(bits.dtype).min - bits, bits)


def _number(key: int, dtype: torch.dtype) -> Tensor:
    """Return the number of this data type that has this key."""
    if dtype not in KEY_TYPE:
        return torch.tensor(key, dtype=dtype)
    return _mirror(torch.tensor(key, dtype=KEY_TYPE[dtype])).view(dtype)
