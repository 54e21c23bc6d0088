"""Top-k over a hundred million weights, against `torch.topk` on the flat tensor."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from course_lib.cli.bench import Measurement
from course_lib.masks import select, top_k

WEIGHTS = 100_000_000
DENSITY = 0.1
LAYERS = 8  # the global selection sees the same weights as so many layers
PEER = "torch.topk"

WAYS: dict[str, Callable[[Tensor], object]] = {
    PEER: lambda scores: torch.topk(scores, round(DENSITY * scores.numel())),
    "top_k": lambda scores: top_k(scores, round(DENSITY * scores.numel())),
    f"global select over {LAYERS} layers": lambda scores: select(
        {str(i): layer for i, layer in enumerate(scores.chunk(LAYERS))}, density=DENSITY
    ),
}


def measure(weights: int = WEIGHTS, repeats: int = 3) -> list[Measurement]:
    """Time each of our selections and take its peak memory, beside torch's, one process each."""
    runs = {way: _in_fresh_process(way, weights, repeats) for way in WAYS}
    peer = runs.pop(PEER)
    mask = 1 / torch.float32.itemsize  # the answer itself, in copies of the scores
    rows = [
        Measurement(f"{PEER}, {weights:,} weights", peer["seconds"], unit="s"),
        Measurement(f"{PEER}, memory", peer["copies"], unit="copies of the scores"),
    ]
    for way, run in runs.items():
        copies = run["copies"] - mask
        rows += [
            Measurement(f"{way}, time against {PEER}", run["seconds"] / peer["seconds"], 3),
            Measurement(f"{way}, memory beside the mask", copies, 1, "copies of the scores"),
        ]
    return rows


def _in_fresh_process(way: str, weights: int, repeats: int) -> dict[str, float]:
    """Run one way in a process of its own, whose peak memory is then due to it alone."""
    command = [sys.executable, "-m", __name__, way, str(weights), str(repeats)]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return dict(json.loads(output))


def _run(way: str, weights: int, repeats: int) -> dict[str, float]:
    """Time one way in this process: the best of the repeats, and the memory that they add."""
    scores = torch.rand(weights, generator=torch.Generator().manual_seed(0))
    WAYS[way](scores[:1000])  # so that what is loaded at the first call is not counted
    before = _peak_bytes()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        WAYS[way](scores)
        seconds.append(time.perf_counter() - start)
    return {"seconds": min(seconds), "copies": (_peak_bytes() - before) / scores.nbytes}


def _peak_bytes() -> int:
    """Read the largest memory this process has had, from Linux."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("/proc/self/status has no VmHWM: this measurement needs Linux.")


if __name__ == "__main__":
    print(json.dumps(_run(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))))
