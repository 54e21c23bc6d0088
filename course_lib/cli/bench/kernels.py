"""The sparse products beside torch's dense one, torch's CSR and SciPy's."""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

from course_lib.cli.bench import Measurement
from course_lib.masks import top_k
from course_lib.sparse import CSR, multiply, race, sddmm

SPARSITIES = (0.5, 0.55, 0.8, 0.9, 0.95, 0.98)
SQUARE = 1024, 128  # width and batch of most promises
FORWARD = {0.8: 2.7, 0.9: 5.5, 0.95: 11.0, 0.98: 25.0}  # times as fast as torch's dense product
LIBRARIES = 2.5  # times as fast as torch's CSR and as SciPy's


def measure() -> list[Measurement]:
    """Return how many times as fast as its peers each product is."""
    rows: list[Measurement] = []
    for width, batch in ((512, 128), SQUARE, (2048, 128), (2048, 256)):
        for sparsity in SPARSITIES:
            rows += _forward(width, batch, sparsity)
    for sparsity in (0.8, 0.9, 0.95, 0.98):
        rows += _all_three(*SQUARE, sparsity)
    for batch in (1, 7, 16, 129):  # odd batches: shown, nothing promised
        rows += _forward(1024, batch, 0.9)
    for width, batch in (SQUARE, (2048, 256)):
        rows += _two_threads(width, batch, 0.9)
    return rows


def layer(width: int, batch: int, sparsity: float) -> tuple[Tensor, CSR, Tensor, Tensor]:
    """Make a pruned weight, dense and sparse, an input (width, batch) and a slope of its output."""
    chance = torch.Generator().manual_seed(0)
    weight = torch.randn(width, width, generator=chance)
    mask = top_k(weight.abs(), round((1 - sparsity) * weight.numel()))
    x, slope = (torch.randn(width, batch, generator=chance) for _ in range(2))
    return weight * mask, CSR.from_dense(weight, mask), x, slope


def _promised(width: int, batch: int, sparsity: float) -> float | None:
    if (width, batch) == SQUARE and sparsity in FORWARD:
        return FORWARD[sparsity]
    if (width, batch, sparsity) == (2048, 256, 0.9):
        return 4.5
    return 1.0 if sparsity == 0.55 and batch == 128 else None


def _forward(width: int, batch: int, sparsity: float) -> Iterator[Measurement]:
    dense, csr, x, _ = layer(width, batch, sparsity)
    values, by_torch, by_scipy = torch.from_numpy(csr.values), csr.to_torch(), csr.to_scipy()
    rows, array = x.T.contiguous(), x.numpy()  # torch's dense layer has the batch first
    times = race(
        {
            "course": lambda: multiply(values, csr.plan, x),
            "dense": lambda: F.linear(rows, dense),
            "torch CSR": lambda: by_torch @ x,
            "SciPy": lambda: by_scipy @ array,
        }
    )
    ours, where = times.pop("course"), f"{width}x{width}, batch {batch}, {sparsity:.0%} sparse"
    for name, seconds in times.items():
        if name == "dense":
            least = _promised(width, batch, sparsity)
        else:
            least = LIBRARIES if (width, batch) == SQUARE else None
        yield Measurement(f"forward, {where}, against {name}", seconds / ours, least=least)


def _all_three(width: int, batch: int, sparsity: float) -> Iterator[Measurement]:
    dense, csr, x, slope = layer(width, batch, sparsity)
    values, (back, order) = torch.from_numpy(csr.values), csr.transpose()
    turn = torch.from_numpy(order)
    rows, slopes = x.T.contiguous(), slope.T.contiguous()

    def course() -> None:
        multiply(values, csr.plan, x)
        multiply(values.index_select(0, turn), back.plan, slope)
        sddmm(csr.plan, slope, x)

    def torch_dense() -> None:
        F.linear(rows, dense)
        slopes @ dense
        slopes.T @ rows

    times = race({"course": course, "dense": torch_dense})
    ratio = times["dense"] / times["course"]
    what = f"forward and both gradients, {width}x{width}, batch {batch}, {sparsity:.0%} sparse"
    yield Measurement(f"{what}, against dense", ratio, least=5.5 if sparsity == 0.9 else None)


def _two_threads(width: int, batch: int, sparsity: float) -> Iterator[Measurement]:
    _, csr, x, _ = layer(width, batch, sparsity)
    values, before = torch.from_numpy(csr.values), torch.get_num_threads()

    def on(threads: int) -> None:
        torch.set_num_threads(threads)
        multiply(values, csr.plan, x)

    try:
        times = race({"one": lambda: on(1), "two": lambda: on(2)})
    finally:
        torch.set_num_threads(before)
    what = (
        f"two threads against one, forward, {width}x{width}, batch {batch}, {sparsity:.0%} sparse"
    )
    yield Measurement(what, times["one"] / times["two"], least=1.7)
