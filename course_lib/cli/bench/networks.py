"""Whole networks, sparse against dense: training step, inference, memory, first call."""

import copy
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib.cli.bench import Measurement
from course_lib.masks import Mask, prunable, top_k
from course_lib.sparse import SparseLinear, race, sparsify

BATCH = 128
STEP = {0.8: 2.5, 0.9: 4.5, 0.95: 7.5, 0.98: 12.0}  # times as fast as dense with fused Adam
# A process of its own: what the first product costs with nothing compiled in memory.
FIRST_CALL = """
import time, torch
from torch import nn
from course_lib.sparse import SparseLinear
layer = SparseLinear(nn.Linear(64, 64), torch.rand(64, 64) < 0.1)
start = time.perf_counter()
layer(torch.rand(128, 64)).sum().backward()
print(time.perf_counter() - start)
"""


def measure() -> list[Measurement]:
    """Return how many times as fast, or as large, a sparse network is as the dense one."""
    before = torch.get_num_threads()
    rows: list[Measurement] = []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            for sparsity in STEP:
                rows += _step(sparsity, threads)
            rows += _inference(mlp(), torch.rand(BATCH, 784), "MLP", threads)
            rows += _inference(cnn(), torch.rand(16, 3, 32, 32), "CNN", threads)
    finally:
        torch.set_num_threads(before)
    return [*rows, _memory(), _cold_start()]


def mlp() -> nn.Sequential:
    """Return 784-1024-1024-1024-10 with ReLU."""
    widths, layers = (784, 1024, 1024, 1024, 10), []
    for inputs, outputs in pairwise(widths):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def cnn() -> nn.Sequential:
    """Return a small convolutional network for 32x32 colour images, 1x1 and 3x3 windows."""
    return nn.Sequential(
        *(nn.Conv2d(3, 64, 3, padding=1), nn.ReLU()),
        *(nn.Conv2d(64, 128, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(128, 128, 3, padding=1), nn.ReLU(), nn.Conv2d(128, 256, 1), nn.ReLU()),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(256, 10)),
    )


def pruned(model: nn.Module, sparsity: float) -> Mask:
    """Prune each layer so far by magnitude, but the last one not at all."""
    weights = prunable(model)
    *_, last = weights
    return Mask(
        {
            name: top_k(w.abs(), w.numel() if name == last else round((1 - sparsity) * w.numel()))
            for name, w in weights.items()
        }
    )


def _trainer(model: nn.Module, **options: Any) -> Callable[[], None]:
    optimiser = torch.optim.Adam(model.parameters(), **options)
    x, y = torch.rand(BATCH, 784), torch.randint(10, (BATCH,))

    def step() -> None:
        optimiser.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimiser.step()

    return step


def _masked(model: nn.Module, mask: Mask) -> Callable[[], None]:
    """Return a training step of the dense model that holds the pruned weights at zero."""
    step = _trainer(model, fused=True)

    def masked_step() -> None:
        step()
        mask.apply_(model)

    return masked_step


def _step(sparsity: float, threads: int) -> Iterator[Measurement]:
    model = mlp()
    mask = pruned(model, sparsity)
    times = race(
        {
            "sparse": _trainer(sparsify(model, mask), fused=True),
            "dense": _trainer(copy.deepcopy(model), fused=True),
            "masked dense": _masked(copy.deepcopy(model), mask),
        },
        1.0,
    )
    ours = times.pop("sparse")
    what = f"training step, MLP, {sparsity:.0%} sparse, {threads} thread(s), against"
    for name, seconds in times.items():
        least = STEP[sparsity] if (name, threads) == ("dense", 1) else None
        yield Measurement(f"{what} {name}", seconds / ours, least=least)


@torch.no_grad()
def _inference(model: nn.Module, x: Tensor, name: str, threads: int) -> list[Measurement]:
    rows = []
    for sparsity in (0.5, 0.8, 0.9, 0.95):
        sparse = sparsify(model, pruned(model, sparsity))
        times = race({"sparse": partial(sparse, x), "dense": partial(model, x)})
        what = f"inference, {name}, {sparsity:.0%} sparse, {threads} thread(s), against dense"
        rows.append(Measurement(what, times["dense"] / times["sparse"]))
    return rows


def _memory() -> Measurement:
    """Count what one 1024x1024 layer keeps in training: weights, gradients, Adam, all indices."""
    linear = nn.Linear(1024, 1024, bias=False)
    mask = top_k(linear.weight.detach().abs(), linear.weight.numel() // 10)
    sparse = SparseLinear(linear, mask)
    what = "memory of a layer in training with Adam, 1024x1024, 90% sparse, share of dense"
    return Measurement(what, training_bytes(sparse) / training_bytes(linear), 0.25)


def training_bytes(layer: Any) -> int:
    """Take one Adam step; return the bytes of weights, gradients, optimiser state and indices."""
    optimiser = torch.optim.Adam(layer.parameters())
    layer(torch.rand(8, layer.in_features)).sum().backward()
    optimiser.step()
    parameters = sum(p.nbytes + p.grad.nbytes for p in layer.parameters())
    state = sum(t.nbytes for s in optimiser.state.values() for t in s.values())
    indices = sum(buffer.nbytes for buffer in layer.buffers())
    if hasattr(layer, "transposed"):
        plan, order = layer.transposed
        indices += order.nbytes + sum(p.nbytes for p in (layer.plan, plan)) - layer.columns.nbytes
        indices -= layer.pointers.nbytes  # the plan holds the layer's own columns and pointers
    return int(parameters + state + indices)


def _cold_start() -> Measurement:
    """Time the first forward and backward product of a new process, kernels cached on disk."""
    command = [sys.executable, "-c", FIRST_CALL]
    subprocess.run(command, check=True, capture_output=True)  # fills the cache
    found = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return Measurement("first product of a new process, kernels cached", float(found), unit="s")
