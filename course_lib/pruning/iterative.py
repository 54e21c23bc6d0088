"""Pruning in rounds: score, select, refit, and again.

    for each round:
        train the network
        remove the fraction of its remaining weights with the lowest scores
        rewind what remains to its values at an early step, or let it go on as it is

Everything works alike on one network and on `Replicas`, where each copy is pruned by itself.
"""

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from course_lib.masks import Mask, select
from course_lib.masks.files import write_whole
from course_lib.pruning.saliency import Scores, magnitude
from course_lib.training.replicas import Replicas
from course_lib.training.trainer import Train

Criterion = Callable[[nn.Module], Scores]
State = dict[str, Tensor]


# One cut


def prune(
    scores: Mapping[str, Tensor],
    mask: Mask,
    *,
    fraction: float | None = None,
    density: float | None = None,
    scope: str = "tensor",
    rates: Mapping[str, float] | None = None,
) -> Mask:
    """Remove the lowest scores among the weights that remain.

    Args:
        scores: a tensor for each name of the mask.
        mask: what remains. What is pruned already stays pruned, whatever its score.
        fraction: of the *remaining* weights, to remove.
        density: or: of *all* weights, to keep.
        scope: "tensor" prunes each tensor alone; "global" ranks all weights of the network.
        rates: with scope "tensor", fractions of their own for some names.

    Returns:
        A mask within the old one. Counts are rounded to the nearest integer.

    Raises:
        ValueError: not exactly one of fraction and density, or either out of range; a density above
            what remains; a rate for an unknown name; names or shapes that differ.

    Source: Han et al. (2015). Used in chapters 03, 05 and 09.
    """
    _check_cut(scores, mask, fraction, density, scope, rates)
    # What is pruned already is ranked below everything else: it never returns.
    ranked = {
        name: torch.where(mask[name], s.detach(), torch.finfo(s.dtype).min)
        for name, s in scores.items()
    }

    def cut(names: list[str], share: float | None) -> Mask:
        part = Mask({name: mask[name] for name in names})
        k = _left(part, share, density)
        return select({name: ranked[name] for name in names}, k=k) & part

    if scope == "global":
        return cut(list(mask), fraction)
    shares = {name: fraction for name in mask} | dict(rates or {})
    return Mask({name: cut([name], share)[name] for name, share in shares.items()})


def _left(mask: Mask, fraction: float | None, density: float | None) -> int:
    """Return how many weights of a mask stay, by a fraction of these or a density of all."""
    if density is None:
        return mask.kept - round(float(fraction or 0) * mask.kept)
    wanted = round(density * mask.numel)
    if wanted > mask.kept:
        raise ValueError(
            f"density: given {density}, which keeps {wanted}, but only {mask.kept} of "
            f"{mask.numel} weights remain. Pruned weights do not come back; choose a lower one."
        )
    return wanted


def _check_cut(
    scores: Mapping[str, Tensor],
    mask: Mask,
    fraction: float | None,
    density: float | None,
    scope: str,
    rates: Mapping[str, float] | None,
) -> None:
    """Raise ValueError for arguments of `prune` that contradict each other."""
    if (fraction is None) == (density is None):
        raise ValueError(
            f"given fraction = {fraction} and density = {density}, expected exactly one of them: a "
            "fraction of the remaining weights to remove, or a density to reach."
        )
    for name, share in {"fraction": fraction, "density": density, **(rates or {})}.items():
        if share is not None and not 0 <= share <= 1:
            raise ValueError(f"{name}: given {share}, expected a share from 0 to 1.")
    if scope not in ("tensor", "global"):
        raise ValueError(f"scope: given {scope!r}, expected 'tensor' or 'global'.")
    if scores.keys() != mask.keys() or any(scores[n].shape != mask[n].shape for n in mask):
        raise ValueError("scores: expected the names and shapes of the mask. Score the same model.")
    if rates and (set(rates) - set(mask) or scope != "tensor" or fraction is None):
        raise ValueError(
            f"rates: given for {sorted(rates)} with scope {scope!r}, expected names among "
            f"{list(mask)}, scope 'tensor' and a fraction for the others."
        )


def prune_model(
    model: nn.Module, mask: Mask, criterion: Criterion = magnitude, **how: object
) -> Mask:
    """Score a network and prune the mask, or each replica's own part of it; arguments as `prune`.

    Raises:
        ValueError: as `prune`.

    Used in chapters 03 and 05.
    """
    if not isinstance(model, Replicas):
        return prune(criterion(model), mask, **how)  # type: ignore[arg-type]
    if criterion is magnitude:
        stacked = magnitude(model)
        scores = [{n: s[i] for n, s in stacked.items()} for i in range(model.count)]
    else:
        scores = [criterion(model.replica(i)) for i in range(model.count)]
    masks = [
        prune(own, Mask({n: entry[i] for n, entry in mask.items()}), **how)  # type: ignore[arg-type]
        for i, own in enumerate(scores)
    ]
    return Mask({name: torch.stack([m[name] for m in masks]) for name in mask})


def rounds_needed(density: float, fraction: float) -> int:
    """Return the least t with (1 - fraction)^t <= density.

    Raises:
        ValueError: density or fraction not strictly between 0 and 1.

    Used in chapter 03.
    """
    if not (0 < density < 1 and 0 < fraction < 1):
        raise ValueError(f"given density={density}, fraction={fraction}: expected both in (0, 1).")
    t, left = 0, 1.0
    while left > density * (1 + 1e-12):  # 0.8 ** 2 is 0.64 but for a rounding error
        t, left = t + 1, left * (1 - fraction)
    return t


# Rounds


@dataclass(frozen=True)
class Round:
    """Where iterative pruning stands: a trained network, and the mask it was trained with.

    Attributes:
        number: 0 is the dense network, t has been pruned t times.
        mask: the mask.
        trained: the weights at the end of this round's training, by the names of `state_dict`.
        rewound: the weights that every round starts from, if rounds rewind.
    """

    number: int
    mask: Mask
    trained: State
    rewound: State

    @property
    def density(self) -> float:
        """The share of weights that remain."""
        return self.mask.density


def one_shot(
    model: nn.Module,
    train: Train,
    *,
    density: float,
    rewind_step: int | None = None,
    criterion: Criterion = magnitude,
    scope: str = "tensor",
) -> Iterator[Round]:
    """Train, prune once to a density, train again: as `iterative_pruning` with a single cut.

    Used in chapters 03 and 05.
    """
    return iterative_pruning(
        model, train, rounds=1, densities=[density], rewind_step=rewind_step,
        criterion=criterion, scope=scope,
    )  # fmt: skip


def iterative_pruning(
    model: nn.Module,
    train: Train,
    *,
    rounds: int,
    fraction: float | None = None,
    densities: list[float] | None = None,
    rates: Mapping[str, float] | None = None,
    scope: str = "tensor",
    rewind_step: int | None = None,
    criterion: Criterion = magnitude,
    folder: str | os.PathLike[str] | None = None,
) -> Iterator[Round]:
    """Train, prune, rewind or go on, and train again; yield every trained network.

    Args:
        model: any network with Linear or convolutional layers, or Replicas; trained in place.
        train: as `Trainer`; called with the mask, which it holds.
        rounds: how many times to prune.
        fraction: of the remaining weights, removed each time; or instead:
        densities: to prune to, one for each round.
        rates: with scope "tensor", fractions of their own for some names.
        scope: "tensor" or "global", as in `prune`.
        rewind_step: go back to the values at this step after each cut, 0 for the initial ones, and
            train from there; None keeps the trained values, and training goes on from them.
        criterion: the saliency, of one network alone; with data, `partial(obd, X=X, y=y)`.
        folder: where to store each round. If rounds are there already, by the same settings and
            from the same initial values, they are read instead of done again, so a run that was
            interrupted continues; what it yields is the same, bit for bit.

    Yields:
        Round 0, the dense network, and then one for each cut.

    Raises:
        ValueError: settings that contradict each other, a folder of another run, or as `prune`.

    Source: Han et al. (2015); Frankle and Carbin (2019) for rewinding. Used in chapters 03 and 05.
    """
    if (fraction is None) == (densities is None) or (densities and len(densities) != rounds):
        raise ValueError(
            f"given fraction = {fraction} and densities = {densities} for {rounds} rounds, "
            "expected one fraction, or one density for each round."
        )
    cuts: list[dict[str, object]] = (
        [{"density": d} for d in densities] if densities else [{"fraction": fraction}] * rounds
    )
    store = _Store(folder, model, (rounds, fraction, densities, rates, scope, rewind_step))
    mask = Mask.ones_like(model)
    begin = rewind_step or 0
    rewound: State = {}
    for number in range(rounds + 1):
        done = store.read(number)
        if done is None:
            if number:
                mask = prune_model(
                    model, mask, criterion, scope=scope, rates=rates, **cuts[number - 1]
                )
                if rewind_step is not None:
                    model.load_state_dict(rewound)
                train(model, mask, round=number, start=begin)
            else:
                if rewind_step:
                    train(model, mask, round=0, stop=rewind_step)
                rewound = _copy(model) if rewind_step is not None else {}
                train(model, mask, round=0, start=begin)
            done = store.write(Round(number, mask, _copy(model), rewound))
        else:
            model.load_state_dict(done.trained)
            mask, rewound = done.mask, done.rewound
        yield done


def cubic(step: int, *, begin: int, end: int, density: float) -> float:
    """Return the density at a step: from 1 down to `density` along a cubic, fast and then slow.

    Raises:
        ValueError: begin is not before end, or the density is no share.

    Source: Zhu and Gupta (2017). Used in chapters 03 and 09.
    """
    if not begin < end or not 0 <= density <= 1:
        raise ValueError(
            f"given begin={begin}, end={end}, density={density}: expected begin < end and a share."
        )
    progress = min(max((step - begin) / (end - begin), 0.0), 1.0)
    return density + (1 - density) * (1 - progress) ** 3


def gradual_pruning(
    model: nn.Module,
    train: Train,
    *,
    density: float,
    begin: int,
    end: int,
    every: int = 50,
    scope: str = "global",
    criterion: Criterion = magnitude,
    mask: Mask | None = None,
) -> Mask:
    """Prune while training: every so many steps, to the density of the cubic schedule; in place.

    Args:
        model: any network with Linear or convolutional layers, or Replicas.
        train: as `Trainer`.
        density: at the end.
        begin: the step before the first cut.
        end: the step of the last cut.
        every: steps between two cuts.
        scope: "tensor" or "global".
        criterion: the saliency.
        mask: to start from, instead of all.

    Returns:
        The last mask.

    Raises:
        ValueError: as `cubic` and `prune`.

    Source: Zhu and Gupta (2017). Used in chapters 03 and 09.
    """
    current = mask if mask is not None else Mask.ones_like(model)

    def on_step(step: int) -> Mask | None:
        nonlocal current
        if begin < step <= end and ((step - begin) % every == 0 or step == end):
            wanted = cubic(step, begin=begin, end=end, density=density)
            if wanted < current.density:
                current = prune_model(model, current, criterion, density=wanted, scope=scope)
                return current
        return None

    train(model, current, on_step=on_step)
    return current


class _Store:
    """The folder of a run: a file a round, each telling by a digest which run it belongs to."""

    def __init__(
        self, folder: str | os.PathLike[str] | None, model: nn.Module, settings: object
    ) -> None:
        self.folder = Path(folder) if folder is not None else None
        start = save({n: t.contiguous().clone() for n, t in model.state_dict().items()})
        self.run = hashlib.sha256(repr(settings).encode() + start).hexdigest()

    def read(self, number: int) -> Round | None:
        """Return a stored round; None if it is not there, or is broken and must be done again."""
        if self.folder is None:
            return None
        path = self.folder / f"round-{number:03}.safetensors"
        try:
            content = path.read_bytes()
            if hashlib.sha256(content[64:]).hexdigest() != content[:64].decode():
                return None
            run, tensors = content[64:128].decode(), load(content[128:])
        except (OSError, UnicodeDecodeError, SafetensorError):
            return None
        if run != self.run:
            raise ValueError(
                f"folder: {path} belongs to a run with other settings or other initial values. "
                "Give an empty folder, or delete that one."
            )
        parts: dict[str, State] = {"mask": {}, "trained": {}, "rewound": {}}
        for name, tensor in tensors.items():
            part, _, own = name.partition("/")
            parts[part][own] = tensor
        return Round(number, Mask(parts["mask"]), parts["trained"], parts["rewound"])

    def write(self, done: Round) -> Round:
        """Store a round, whole or not at all."""
        if self.folder is not None:
            parts = {"mask": done.mask, "trained": done.trained, "rewound": done.rewound}
            content = self.run.encode() + save(
                {
                    f"{p}/{n}": t.contiguous().clone()
                    for p, own in parts.items()
                    for n, t in own.items()
                }
            )
            self.folder.mkdir(parents=True, exist_ok=True)
            write_whole(
                self.folder / f"round-{done.number:03}.safetensors",
                hashlib.sha256(content).hexdigest().encode() + content,
            )
        return done


def _copy(model: nn.Module) -> State:
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
