"""The report card of a pruned model: what was kept, what it costs, whom it fails, what is proved.

One function takes plain things (dense and pruned models by seed, test data, groups) and measures
everything itself. Nothing on the card is told by whoever asks for it, but the names of the data and
of the recipe: the density is counted in the weights, the bytes in the arrays that would be stored,
and the clock is read here.

The card is about the models of the first seed. The other seeds say how far luck goes.

Source: after Mitchell et al. (2019), for the idea of such a card. Used in the capstone.
"""

from __future__ import annotations

import copy
import hashlib
import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from course_lib.files import write_whole
from course_lib.labs.fairness import Grouped, accuracies, table
from course_lib.labs.robustness import interval_margins
from course_lib.masks import Mask, prunable
from course_lib.sparse.formats import CSR
from course_lib.sparse.layers import refusals, sparsify
from course_lib.sparse.roofline import race
from course_lib.teaching.evidence import interval

Array = NDArray[Any]
Pair = tuple[nn.Module, nn.Module]
RACES = 5  # side by side; their spread is on the card
FORMAT = 1


@dataclass(frozen=True)
class ReportCard:
    """What `report_card` measured, as plain data; it prints as a table in Markdown.

    Attributes:
        size: "weights" of the dense model, "kept" of them that are not zero in the pruned one, and
            "density", their ratio.
        bytes: "dense", "stored", and "layers": [name, how it is stored, bytes dense, bytes stored].
        clock: "batch", "threads", and "ratio" of the seconds of the dense layers to those of the
            sparse ones: median, least and largest of some races.
        accuracy: by group, and "overall": "count" and, of "dense" and "pruned", [share, low, high].
        gap: of "dense" and "pruned": [widest gap, best group, worst group]; "change" over seeds.
        certificate: "eps", and of "dense" and "pruned" the share that is right and proved to stay
            so, [share, low, high], or None with the reason "why".
        evidence: "seeds", "change" of the overall accuracy, paired, as [mean, low, high], and the
            "densities" of all seeds.
        provenance: "data", "recipe", digests of all weights, versions, machine.
    """

    size: dict[str, Any]
    bytes: dict[str, Any]
    clock: dict[str, Any]
    accuracy: dict[str, dict[str, Any]]
    gap: dict[str, Any]
    certificate: dict[str, Any]
    evidence: dict[str, Any]
    provenance: dict[str, Any]

    def __str__(self) -> str:
        return "\n".join(_lines(self))

    def _repr_markdown_(self) -> str:
        return str(self)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the card as JSON, whole or not at all; OSError if the folder is not there."""
        content = json.dumps({"format": FORMAT, **asdict(self)}, indent=1, ensure_ascii=False)
        write_whole(Path(path), (content + "\n").encode())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> ReportCard:
        """Read a card that `save` wrote.

        Raises:
            ValueError: the file holds something else, or numbers that contradict each other.
        """
        try:
            found = json.loads(Path(path).read_text(encoding="utf-8"))
            if found.pop("format") != FORMAT:
                raise ValueError(f"expected format {FORMAT}")
            card = cls(**found)
            kept, weights = card.size["kept"], card.size["weights"]
            stored = sum(layer[3] for layer in card.bytes["layers"])
            if not 0 <= kept <= weights or card.size["density"] != kept / weights:
                raise ValueError("its density is not what its counts of weights give")
            if card.bytes["stored"] != stored:
                raise ValueError("its bytes are not the sum of its layers'")
            str(card)  # all that a table needs is there
        except (AttributeError, LookupError, TypeError, ValueError, ZeroDivisionError) as error:
            raise ValueError(
                f"{os.fspath(path)}: expected a card made by ReportCard.save, but it is broken or "
                f"was changed ({error}). Make the card again from the models."
            ) from error
        return card

    def check(self, pairs: Mapping[int, Pair]) -> None:
        """See whether the card is of these models; nothing is measured anew but what they weigh.

        Raises:
            ValueError: other weights, other seeds, or sizes and bytes that these weights have not.
        """
        first = next(iter(pairs.values()))
        size, stored = _size(*first), _bytes(*first)
        for what, told, found in (
            ("the weights", self.provenance["weights"], _digests(pairs)),
            ("the size", self.size, size),
            ("the bytes", self.bytes, stored),
        ):
            if told != found:
                raise ValueError(
                    f"{what} on the card are {told}, those of the models given are {found}. "
                    "The card is of other models, or was changed: make it again."
                )


def report_card(
    pairs: Mapping[int, Pair],
    X: Tensor,
    y: Tensor,
    groups: Sequence[str] | Array,
    *,
    data: str,
    recipe: str,
    eps: float,
    batch: int = 256,
) -> ReportCard:
    """Measure what pruning did to a model, and to whom.

    Args:
        pairs: the dense and the pruned model by seed, at least two pairs, each trained anew from
            its seed. The models give logits (n, classes); they are not changed.
        X: test examples, one a row (or pictures), which took no part in training or choosing.
        y: their classes, int64 (n,).
        groups: the name of each test example's group (n,); at least two groups, of two or more.
        data: what the data are and where they come from, in words.
        recipe: how the models were trained and pruned, in words.
        eps: every number of an input may move by so much, for the certificate.
        batch: examples at a time, for the clock.

    Returns:
        The card. Intervals are 95%: Wilson's for shares of test examples of the first seed's
        models, Student's for paired differences over seeds. A layer is stored in compressed rows
        (float values, uint16 or int32 columns, int32 pointers) where that takes fewer bytes, and
        dense elsewhere; the clock runs the same layers.

    Raises:
        ValueError: what is missing or does not fit, and what to do.

    Used in the capstone.
    """
    X, y, names = _checked_examples(X, y, groups, data, recipe, eps)
    pairs = {seed: (_ready(dense), _ready(pruned)) for seed, (dense, pruned) in pairs.items()}
    _check_pairs(pairs)
    predicted = _predictions(pairs, X, y)
    first = next(iter(pairs.values()))
    return ReportCard(
        size=_size(*first),
        bytes=_bytes(*first),
        clock=_clock(*first, X[:batch]),
        accuracy=_accuracy(y, predicted, names),
        gap=_gap(y, predicted, names),
        certificate=_certificate(*first, X, y, eps),
        evidence=_evidence(pairs, y, predicted),
        provenance={
            "data": data,
            "recipe": recipe,
            "examples": len(y),
            "weights": _digests(pairs),
            "torch": torch.__version__,
            "python": platform.python_version(),
            "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        },
    )


# What is measured


def _size(dense: nn.Module, pruned: nn.Module) -> dict[str, Any]:
    """Count weights that are not zero; where whole units are gone, they are gone from the count."""
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


def _bytes(dense: nn.Module, pruned: nn.Module) -> dict[str, Any]:
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


def _clock(dense: nn.Module, pruned: nn.Module, X: Tensor) -> dict[str, Any]:
    """Let the dense layers and the sparse ones run side by side; what has no kernel stays dense."""
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


def _predictions(pairs: Mapping[int, Pair], X: Tensor, y: Tensor) -> dict[str, Array]:
    """Return the predicted classes (S, n) of the dense and of the pruned models."""
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


def _accuracy(y: Tensor, predicted: dict[str, Array], names: Array) -> dict[str, dict[str, Any]]:
    """Return the accuracy of the first seed's models with Wilson's interval, for each group."""
    found = {}
    for name in [*np.unique(names).tolist(), "overall"]:
        own = np.full(len(names), True) if name == "overall" else names == name
        shares = {
            kind: list(interval(rows[0][own] == y.numpy()[own])) for kind, rows in predicted.items()
        }
        found[name] = {"count": int(own.sum()), **shares}
    return found


def _gap(y: Tensor, predicted: dict[str, Array], names: Array) -> dict[str, Any]:
    """Return the widest gap between groups, and by how much it changed over the seeds."""
    found: dict[str, Any] = {}
    gaps = {}
    for kind, rows in predicted.items():
        shares = accuracies(y.numpy(), rows, names)
        del shares["overall"]
        gaps[kind] = np.ptp(np.stack(list(shares.values())), axis=0)
        best, worst = (pick(shares, key=lambda name: float(shares[name][0])) for pick in (max, min))
        found[kind] = [float(gaps[kind][0]), best, worst]
    return {**found, "change": list(interval(gaps["pruned"] - gaps["dense"]))}


def _certificate(
    dense: nn.Module, pruned: nn.Module, X: Tensor, y: Tensor, eps: float
) -> dict[str, Any]:
    """Return the share of examples whose prediction is right and proved to stay so."""
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


def _evidence(pairs: Mapping[int, Pair], y: Tensor, predicted: dict[str, Array]) -> dict[str, Any]:
    shares = {kind: (rows == y.numpy()).mean(axis=1) for kind, rows in predicted.items()}
    return {
        "seeds": list(pairs),
        "change": list(interval(shares["pruned"] - shares["dense"])),
        "densities": [_size(*pair)["density"] for pair in pairs.values()],
    }


def _digests(pairs: Mapping[int, Pair]) -> dict[str, list[str]]:
    """Return a digest of the weights of each model, by seed."""
    return {str(seed): [_digest(model) for model in pair] for seed, pair in pairs.items()}


def _digest(model: nn.Module) -> str:
    digest = hashlib.sha256()
    for name, tensor in model.state_dict().items():
        digest.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
        digest.update(tensor.detach().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


# What is asked of those who ask


def _checked_examples(
    X: Tensor, y: Tensor, groups: Sequence[str] | Array, data: str, recipe: str, eps: float
) -> tuple[Tensor, Tensor, Array]:
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
    for what, words in (("data", data), ("recipe", recipe)):
        if not words.strip():
            raise ValueError(f"{what}: given nothing, expected a sentence that says what it is.")
    if not 0 <= eps < float("inf"):
        raise ValueError(f"eps: given {eps}, expected a finite number, at least 0.")
    return X, y, names


def _ready(model: nn.Module) -> nn.Module:
    """Return a copy for use: on the processor, without dropout, its weights plain parameters."""
    if any(name.endswith("_orig") for name, _ in model.named_parameters()):
        raise ValueError(
            "a model still carries masks of torch.nn.utils.prune, which keep the dense weights. "
            "Make them part of the weights: course_lib.pruning.interop.from_torch_prune(model)."
        )
    prunable(model)  # refuses a network in which nothing can be pruned
    return copy.deepcopy(model).cpu().eval()


def _check_pairs(pairs: Mapping[int, Pair]) -> None:
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
    for key, (_, digest) in _digests(pairs).items():
        if digest in seen:
            raise ValueError(
                f"the pruned models of seeds {seen[digest]} and {key} are the same; expected each "
                "to be trained anew from its seed. A copy is no evidence."
            )
        seen[digest] = key


# How it is shown


def _lines(card: ReportCard) -> list[str]:
    """Write the card as a table in Markdown."""
    size, stored, clock = card.size, card.bytes, card.clock
    ratio, least, most = clock["ratio"]
    rows: list[tuple[str, ...]] = [
        ("weights", f"{size['weights']:,}", f"{size['kept']:,} ({size['density']:.1%})"),
        ("bytes, indices included", f"{stored['dense']:,}", f"{stored['stored']:,}"),
        (
            f"speed, batch of {clock['batch']} on this machine",
            "1",
            f"{ratio:.2f} ({least:.2f} to {most:.2f})",
        ),
    ]
    for name, told in card.accuracy.items():
        label = f"accuracy, {name} ({told['count']:,} examples)"
        rows.append((label, _share(told["dense"]), _share(told["pruned"])))
    gaps = [card.gap[kind] for kind in ("dense", "pruned")]
    shown = [f"{100 * gap:.1f} points: {best} over {worst}" for gap, best, worst in gaps]
    rows.append(("widest gap", *shown))
    proof = [card.certificate[kind] for kind in ("dense", "pruned")]
    shares = ["no proof" if share is None else _share(share) for share in proof]
    rows.append((f"right, and proved so at eps {card.certificate['eps']:g}", *shares))
    seeds = len(card.evidence["seeds"])
    return [
        "| | dense | pruned |",
        "|---|---|---|",
        *(f"| {' | '.join(row)} |" for row in rows),
        f"| change of accuracy, {seeds} seeds | | {_points(card.evidence['change'])} |",
        f"| change of the gap, {seeds} seeds | | {_points(card.gap['change'])} |",
        "",
        f"Data: {card.provenance['data']} Recipe: {card.provenance['recipe']} "
        f"First seed: {card.evidence['seeds'][0]}. Machine: {card.provenance['machine']}.",
        *([f"No proof: {card.certificate['why']}"] if card.certificate["why"] else []),
    ]


def _share(found: Sequence[float]) -> str:
    share, low, high = (100 * value for value in found)
    return f"{share:.1f}% [{low:.1f}, {high:.1f}]"


def _points(found: Sequence[float]) -> str:
    mean, low, high = (f"{100 * v:+.1f}".replace("-", "\N{MINUS SIGN}") for v in found)
    return f"{mean} [{low}, {high}] points"


# Made people, for those who have no data of their own


def made_people(n: int = 6000, seed: int = 0) -> Grouped:
    """Make a table of people who do not exist: who pays a loan back, in town and in the country?

    Income, debt and years in one job decide, by another rule in each group; one person in seven is
    of the country, and nobody tells the network who. All of it is made up, so that it can be given
    away and nobody is in it.

    Args:
        n: people; the last 30% after shuffling are the test.
        seed: of the draw.

    Returns:
        What `fairness.table` makes of them.

    Raises:
        ValueError: fewer than 100 people.

    Used in the capstone.
    """
    if n < 100:
        raise ValueError(
            f"n: given {n}, expected at least 100 people, so that both groups have some."
        )
    rng = np.random.default_rng(seed)
    country = rng.random(n) < 1 / 7
    income, debt = rng.lognormal(0, 0.5, n), rng.lognormal(-0.5, 0.7, n)
    years = rng.exponential(5, n) * np.where(country, 1.6, 1)
    # In town a steady job is what counts; in the country income moves with the harvest.
    town_rule = income - debt + 0.15 * (years - 4)
    country_rule = np.abs(income - 1.1) - 0.4 + 0.6 * (0.8 - debt)
    score = np.where(country, country_rule, town_rule) + 0.25 * rng.standard_normal(n)
    work = np.where(rng.random(n) < np.where(country, 0.7, 0.1), "field", "office")
    other = {f"noise {i}": rng.standard_normal(n) for i in range(8)}
    people = pd.DataFrame({"income": income, "debt": debt, "years": years, "work": work, **other})
    people["home"] = np.where(country, "country", "town")
    return table(people, pd.Series(score > 0), "home", seed=seed)
