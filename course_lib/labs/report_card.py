"""The report card of a pruned model: what was kept, what it costs, whom it fails, what is proved.

`report_card` takes plain things (dense and pruned models by seed, test data, groups) and measures
everything itself. Nothing on the card is told by whoever asks for it, but the names of the data and
of the recipe: the density is counted in the weights, the bytes in the arrays that would be stored,
and the clock is read here. The card is about the models of the first seed. The other seeds say how
far luck goes.

`group_card` is the part about groups, in more detail and from predictions alone: of all seeds
alike, with weighted examples, both rulers for a gap, and the examples that are worth a look.

Source: after Mitchell et al. (2019), for the idea of such a card.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from course_lib.files import write_whole
from course_lib.labs import measured
from course_lib.labs.fairness import accuracies, exemplars, lost
from course_lib.labs.measured import Array, Pair
from course_lib.old_names import left
from course_lib.teaching.evidence import interval

FORMAT = 1

__getattr__ = left(__name__)


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
        for what, told, found in (
            ("the weights", self.provenance["weights"], measured.digests(pairs)),
            ("the size", self.size, measured.size(*first)),
            ("the bytes", self.bytes, measured.stored(*first)),
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
    """
    names = measured.named_groups(X, y, groups)
    for what, words in (("data", data), ("recipe", recipe)):
        if not words.strip():
            raise ValueError(f"{what}: given nothing, expected a sentence that says what it is.")
    if not 0 <= eps < float("inf"):
        raise ValueError(f"eps: given {eps}, expected a finite number, at least 0.")
    pairs = measured.checked(pairs)
    predicted = measured.predictions(pairs, X, y)
    shares = {kind: accuracies(y.numpy(), rows, names) for kind, rows in predicted.items()}
    first = next(iter(pairs.values()))
    return ReportCard(
        size=measured.size(*first),
        bytes=measured.stored(*first),
        clock=measured.clock(*first, X[:batch]),
        accuracy=_accuracy(y, predicted, names),
        gap=_gap(shares),
        certificate=measured.certificate(*first, X, y, eps),
        evidence={
            "seeds": list(pairs),
            "change": _change(shares["dense"]["overall"], shares["pruned"]["overall"]),
            "densities": [measured.size(*pair)["density"] for pair in pairs.values()],
        },
        provenance={
            "data": data,
            "recipe": recipe,
            "examples": len(y),
            "weights": measured.digests(pairs),
            "torch": torch.__version__,
            "python": platform.python_version(),
            "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        },
    )


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


def _gap(shares: dict[str, dict[str, Array]]) -> dict[str, Any]:
    """Return the widest gap between groups, and by how much it changed over the seeds."""
    found: dict[str, Any] = {}
    gaps = {}
    for kind, accuracy in shares.items():
        groups = {name: own for name, own in accuracy.items() if name != "overall"}
        gaps[kind] = np.ptp(np.stack(list(groups.values())), axis=0)
        best, worst = (pick(groups, key=lambda name: float(groups[name][0])) for pick in (max, min))
        found[kind] = [float(gaps[kind][0]), best, worst]
    return {**found, "change": _change(gaps["dense"], gaps["pruned"])}


def _change(before: Array, after: Array) -> list[float]:
    """Return the mean change over seeds, paired, and its 95% interval: [mean, low, high]."""
    return list(interval(after - before))


# What predictions tell of groups


def group_card(
    y: Array,
    group: Array,
    before: Array,
    after: Array,
    *,
    density: float,
    groups: tuple[str, str],
    weight: Array | None = None,
) -> dict[str, Any]:
    """Sum up from predictions whom pruning hurt, as plain data that JSON can say.

    Args:
        y: right classes (n,).
        group: names (n,).
        before: predictions of the dense networks (S, n), S at least 2.
        after: of the pruned ones.
        density: of these.
        groups: the two to compare; the gap is the accuracy of the first minus that of the second.
        weight: of each example, for the overall accuracy.

    Returns:
        "density" and "networks"; by group and overall under "accuracy", and under "gap": means
        "before" and "after", and "change" as mean, low, high, paired; "ratio of accuracies" (second
        to first) and "ratio of errors" of the means over networks, None where the first group never
        errs; and under "examples" by group: "count", the mean shares "lost" and "won", and the
        indices of its "exemplars".

    Raises:
        ValueError: an unknown group, fewer than two networks, or as `accuracies`.

    Source: after Mitchell et al. (2019).
    """
    old, new = (accuracies(y, predicted, group, weight) for predicted in (before, after))
    members = {name: np.asarray(group).astype(str) == name for name in old if name != "overall"}
    if len(set(groups)) != 2 or not set(groups) <= set(members):
        raise ValueError(f"groups: given {groups}, expected two of {list(members)}.")
    first, second = groups

    def told(earlier: Array, later: Array) -> dict[str, Any]:
        means = {"before": float(earlier.mean()), "after": float(later.mean())}
        return {**means, "change": _change(earlier, later)}

    def ratio(share: Callable[[Array], Array]) -> dict[str, float | None]:
        means = {
            when: [float(share(found[name]).mean()) for name in groups]
            for when, found in (("before", old), ("after", new))
        }
        return {when: b / a if a else None for when, (a, b) in means.items()}

    gone, won = lost(y, before, after), lost(y, after, before)
    changed = exemplars(before, after)
    return {
        "density": float(density),
        "networks": len(gone),
        "accuracy": {name: told(old[name], new[name]) for name in old},
        "gap": told(old[first] - old[second], new[first] - new[second]),
        "ratio of accuracies": ratio(lambda accuracy: accuracy),
        "ratio of errors": ratio(lambda accuracy: 1 - accuracy),
        "examples": {
            name: {
                "count": int(own.sum()),
                "lost": float(gone[:, own].mean()),
                "won": float(won[:, own].mean()),
                "exemplars": changed[own[changed]].tolist(),
            }
            for name, own in members.items()
        },
    }


# How it is shown


def card_table(card: dict[str, Any]) -> str:
    """Write what `group_card` returned as a table in Markdown."""

    def row(name: str, told: dict[str, Any]) -> str:
        before, after = (f"{100 * told[when]:.1f}" for when in ("before", "after"))
        return _row(name, before, after, _signed(told["change"]))

    def ratio(name: str) -> str:
        before, after = ("" if v is None else f"{v:.2f}" for v in card[name].values())
        return _row(name, before, after, "")

    heads = "before", "after", "change"
    lines = [
        _row(f"density {card['density']:.3g}, {card['networks']} networks", *heads),
        "|---|---|---|---|",
        *(row(f"accuracy, {name} (%)", told) for name, told in card["accuracy"].items()),
        row("gap (points)", card["gap"]),
        *(ratio(name) for name in ("ratio of accuracies", "ratio of errors")),
    ]
    for name, own in card["examples"].items():
        changed = f"{len(own['exemplars'])} of {own['count']}"
        lines.append(_row(f"exemplars, {name}", "", changed, ""))
    return "\n".join(lines)


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
    for what, change in (("accuracy", card.evidence["change"]), ("the gap", card.gap["change"])):
        rows.append((f"change of {what}, {seeds} seeds", "", f"{_signed(change)} points"))
    return [
        _row("", "dense", "pruned"),
        "|---|---|---|",
        *(_row(*row) for row in rows),
        "",
        f"Data: {card.provenance['data']} Recipe: {card.provenance['recipe']} "
        f"First seed: {card.evidence['seeds'][0]}. Machine: {card.provenance['machine']}.",
        *([f"No proof: {card.certificate['why']}"] if card.certificate["why"] else []),
    ]


def _share(found: Sequence[float]) -> str:
    share, low, high = (100 * value for value in found)
    return f"{share:.1f}% [{low:.1f}, {high:.1f}]"


def _signed(change: Sequence[float]) -> str:
    mean, low, high = (f"{100 * v:+.1f}".replace("-", "\N{MINUS SIGN}") for v in change)
    return f"{mean} [{low}, {high}]"


def _row(*cells: str) -> str:
    """Write a row of a table in Markdown."""
    return "|" + "".join(f" {cell} |" if cell else " |" for cell in cells)
