"""What can be measured on a dense model and its pruned version: what a report card is made of.

Nothing is told by whoever asks: weights are counted, bytes are those of the arrays that would be
stored, and the clock is read here. Pairs are kept by seed.
"""

import copy
import hashlib
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from course_lib.labs.robustness import interval_margins
from course_lib.masks import Mask, prunable
from course_lib.sparse import CSR, race, refusals, sparsify
from course_lib.teaching.evidence import interval

Array = NDArray[Any]
Pair = tuple[nn.Module, nn.Module]
RACES = 5  # side by side; their spread is told


def _ready(model: nn.Module) -> nn.Module:
    """Return a copy for use: on the processor, without dropout, its weights plain parameters."""
    if any(name.endswith("_orig") for name, _ in model.named_parameters()):
        raise ValueError(
            "a model still carries masks of torch.nn.utils.prune, which keep the dense weights. "
            "Make them part of the weights: course_lib.pruning.interop.from_torch_prune(model)."
        )
    prunable(model)  # refuses a network in which nothing can be pruned
    return copy.deepcopy(model).cpu().eval()


def size(dense: nn.Module, pruned: nn.Module) -> dict[str, Any]:
    """Count weights that are not zero; where whole units are gone, they are gone from the count.

    Returns:
        What `ReportCard.size` is.
    """
    weights = sum(w.numel() for w in prunable(dense).values())
    kept = sum(int(torch.count_nonzero(w)) for w in prunable(pruned).values())
    return {"weights": weights, "kept": kept, "density": kept / weights}


def _compressed(pruned: nn.Module) -> dict[str, int]:
    """Return the bytes of the layers that take fewer in compressed rows, by name."""
    found = {}
    for name, w in prunable(pruned).items():
        matrix = CSR.from_dense(w.detach().reshape(len(w), -1))
        if matrix.nbytes < w.nbytes:
            found[name] = matrix.nbytes
    return found


def stored(dense: nn.Module, pruned: nn.Module) -> dict[str, Any]:
    """Return the bytes of both, as `ReportCard.bytes` is: an index costs what it takes."""
    compressed = _compressed(pruned)
    before = {name: tensor.nbytes for name, tensor in dense.state_dict().items()}
    layers = [
        [
            name,
            "compressed rows" if name in compressed else "dense",
            before.get(name, 0),
            compressed.get(name, tensor.nbytes),
        ]
        for name, tensor in pruned.state_dict().items()
    ]
    return {
        "dense": sum(before.values()),
        "stored": sum(layer[3] for layer in layers),
        "layers": layers,
    }


def clock(dense: nn.Module, pruned: nn.Module, X: Tensor) -> dict[str, Any]:
    """Let the dense layers and the sparse ones run side by side; what has no kernel stays dense.

    Args:
        dense: the model with all its weights.
        pruned: its pruned version.
        X: a batch of inputs.

    Returns:
        What `ReportCard.clock` is.
    """
    weights = prunable(pruned)
    mask = Mask({name: weights[name] != 0 for name in _compressed(pruned)})
    against = refusals(pruned, mask)
    sparse = sparsify(pruned, mask, leave=against) if len(against) < len(mask) else pruned
    with torch.inference_mode():
        runners = {"dense": partial(dense, X), "sparse": partial(sparse, X)}
        times = [race(runners, 0.05) for _ in range(RACES)]
    ratios = [seconds["dense"] / seconds["sparse"] for seconds in times]
    return {
        "batch": len(X),
        "threads": torch.get_num_threads(),
        "ratio": [float(np.median(ratios)), min(ratios), max(ratios)],
    }


def predictions(pairs: Mapping[int, Pair], X: Tensor, y: Tensor) -> dict[str, Array]:
    """Return the predicted classes (S, n) of the dense and of the pruned models.

    Raises:
        ValueError: a model whose logits are not finite, or not (n, classes).
    """
    found: dict[str, list[Array]] = {"dense": [], "pruned": []}
    for seed, models in pairs.items():
        for kind, model in zip(found, models, strict=True):
            with torch.no_grad():
                logits = model(X)
            whole = isinstance(logits, Tensor) and logits.ndim == 2 and len(logits) == len(y)
            if not whole or logits.shape[1] <= int(y.max()) or not logits.isfinite().all():
                given = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
                raise ValueError(
                    f"the {kind} model of seed {seed} gives {given}, expected finite logits of "
                    f"{len(y)} examples and at least {int(y.max()) + 1} classes."
                )
            found[kind].append(logits.argmax(dim=1).numpy())
    return {kind: np.stack(rows) for kind, rows in found.items()}


def certificate(
    dense: nn.Module, pruned: nn.Module, X: Tensor, y: Tensor, eps: float
) -> dict[str, Any]:
    """Return the share of examples whose prediction is right and proved to stay so.

    Args:
        dense: the model with all its weights.
        pruned: its pruned version.
        X: inputs.
        y: their classes, int64 (n,).
        eps: by how much every number of an input may move.

    Returns:
        What `ReportCard.certificate` is.
    """
    found: dict[str, Any] = {"eps": float(eps), "dense": None, "pruned": None, "why": ""}
    for kind, model in (("dense", dense), ("pruned", pruned)):
        if not isinstance(model, nn.Sequential):
            found["why"] = f"the bounds know nn.Sequential, not {type(model).__name__}"
            continue
        try:
            # In float64 the rounding is far below what is measured.
            margins = interval_margins(copy.deepcopy(model).double(), X.double(), y, eps)
        except ValueError as error:
            found["why"] = str(error)
            continue
        found[kind] = list(interval((margins > 0).numpy()))
    return found


def digests(pairs: Mapping[int, Pair]) -> dict[str, list[str]]:
    """Return a digest of the weights of each model, by seed."""
    return {str(seed): [_digest(model) for model in pair] for seed, pair in pairs.items()}


def _digest(model: nn.Module) -> str:
    digest = hashlib.sha256()
    for name, tensor in model.state_dict().items():
        digest.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
        digest.update(tensor.detach().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def checked(pairs: Mapping[int, Pair]) -> dict[int, Pair]:
    """Return copies of pairs for use, if they can be measured: see `_ready`.

    Raises:
        ValueError: fewer than two seeds, weights that are not finite, a pruned model twice, one
            with masks of torch.nn.utils.prune, or with nothing in it to prune.
    """
    pairs = {seed: (_ready(dense), _ready(pruned)) for seed, (dense, pruned) in pairs.items()}
    if len(pairs) < 2:
        raise ValueError(
            f"pairs: given {len(pairs)}, expected at least two, by seed; five say more. One seed "
            "cannot tell what pruning did from what luck did."
        )
    for seed, pair in pairs.items():
        for kind, model in zip(("dense", "pruned"), pair, strict=True):
            if not all(t.isfinite().all() for t in model.state_dict().values()):
                raise ValueError(
                    f"the {kind} model of seed {seed} has weights that are not finite."
                )
    seen: dict[str, str] = {}
    for key, (_, digest) in digests(pairs).items():
        if digest in seen:
            raise ValueError(
                f"the pruned models of seeds {seen[digest]} and {key} are the same; expected each "
                "to be trained anew from its seed. A copy is no evidence."
            )
        seen[digest] = key
    return pairs


def named_groups(X: Tensor, y: Tensor, groups: Sequence[str] | Array) -> Array:
    """Return the names of the groups (n,), if they and the examples can be on a card.

    Raises:
        ValueError: classes y that are not int64 (n,), other numbers of inputs or of groups, or not
            at least two groups of two, none of them called "overall".
    """
    names = np.asarray(groups).astype(str)
    if y.ndim != 1 or y.dtype != torch.int64 or not len(y) or not (y >= 0).all():
        raise ValueError(
            f"y: given {y.dtype} of shape {tuple(y.shape)}, expected the classes 0, 1, ... of the "
            "test examples, int64 (n,)."
        )
    if len(X) != len(y) or names.shape != (len(y),):
        raise ValueError(
            f"given {len(X)} test examples, {len(y)} classes and groups of shape {names.shape}; "
            "expected as many of each: the group of every example."
        )
    counts = dict(zip(*np.unique(names, return_counts=True), strict=True))
    if len(counts) < 2 or min(counts.values()) < 2 or "overall" in counts:
        told = {str(name): int(count) for name, count in counts.items()}
        raise ValueError(
            f"groups: given {told}, expected at least two groups of two examples or more, none "
            "called 'overall'. If your data know no groups of people, ask for another kind: the "
            "classes themselves, hard and easy examples, old and new ones."
        )
    return names
