"""Pruning in rounds: score, select, refit, and again.

    for each round:
        train the network
        remove the fraction of its remaining weights with the lowest scores
        rewind what remains to its values at an early step, or let it go on as it is

Everything works alike on one network and on `Replicas`, where each copy is pruned by itself.
"""

import copy
import inspect
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load, save
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from course_lib.files import store, stored
from course_lib.masks import Mask, select
from course_lib.masks.checks import checked_scores
from course_lib.pruning.fingerprint import Unknown, fingerprint
from course_lib.pruning.saliency import NEED_DATA, Scores, magnitude
from course_lib.training.examples import Examples, Loss
from course_lib.training.replicas import Replicas
from course_lib.training.trainer import Train, Trainer

Criterion = Callable[[nn.Module, Examples | None, Loss], Scores]
State = dict[str, Tensor]


# One cut


def prune(
    scores: Mapping[str, Tensor],
    mask: Mask,
    *,
    fraction: float | None = None,
    density: float | None = None,
    scope: str = "global",
    rates: Mapping[str, float] | None = None,
) -> Mask:
    """Remove the lowest scores among the weights that remain.

    Args:
        scores: a tensor for each name of the mask.
        mask: what remains. What is pruned already stays pruned, whatever its score.
        fraction: of the *remaining* weights, to remove.
        density: or: of *all* weights, to keep.
        scope: "global" ranks all weights of the network; "tensor" prunes each tensor alone.
        rates: with scope "tensor", fractions of their own for some names.

    Returns:
        A mask within the old one. Counts are rounded to the nearest integer.

    Raises:
        ValueError: not exactly one of fraction and density, or either out of range; a density above
            what remains; a rate for an unknown name; names or shapes that differ.

    Source: Han et al. (2015). Used in chapters 03, 05 and 09.
    """
    _check_cut(scores, mask, fraction, density, scope, rates)
    # Only what remains is ranked: what is pruned already never returns.
    left = {name: _remaining(s, mask[name], name) for name, s in scores.items()}

    def cut(names: list[str], share: float | None) -> Mask:
        k = _left(Mask({name: mask[name] for name in names}), share, density)
        best = select({name: left[name] for name in names}, k=k)
        new = {name: torch.zeros_like(mask[name]) for name in names}
        for name in names:
            new[name][mask[name]] = best[name]
        return Mask(new)

    if scope == "global":
        return cut(list(mask), fraction)
    shares = {name: fraction for name in mask} | dict(rates or {})
    return Mask({name: cut([name], share)[name] for name, share in shares.items()})


def _remaining(scores: Tensor, kept: Tensor, name: str) -> Tensor:
    """Return the scores of the weights that remain, checked; those of others may be anything."""
    if isinstance(scores, Tensor):
        scores = scores.detach().masked_fill(~kept, 0)
    return checked_scores(scores, f"scores of {name!r}")[kept]


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
    _check_shares(mask, fraction, density, scope, rates)
    if scores.keys() != mask.keys() or any(scores[n].shape != mask[n].shape for n in mask):
        raise ValueError("scores: expected the names and shapes of the mask. Score the same model.")


def _check_shares(
    mask: Mask,
    fraction: float | None,
    density: float | None,
    scope: str,
    rates: Mapping[str, float] | None,
) -> None:
    """Raise ValueError for shares out of range, an unknown scope, or rates that do not apply."""
    if rates is not None and not isinstance(rates, Mapping):
        raise TypeError(
            f"rates: given {rates!r}, expected a dictionary from names of the mask to fractions, "
            "as {'4.weight': 0.1}."
        )
    for name, share in {"fraction": fraction, "density": density, **(rates or {})}.items():
        number = isinstance(share, Real) and not isinstance(share, bool)
        if share is not None and not (number and 0 <= share <= 1):
            raise ValueError(f"{name}: given {share!r}, expected a share from 0 to 1.")
    if scope not in ("global", "tensor"):
        raise ValueError(f"scope: given {scope!r}, expected 'global' or 'tensor'.")
    if rates and (set(rates) - set(mask) or scope != "tensor" or fraction is None):
        raise ValueError(
            f"rates: given for {sorted(rates)} with scope {scope!r}, expected names among "
            f"{list(mask)}, scope 'tensor' and a fraction for the others. Write scope='tensor'."
        )


def prune_model(
    model: nn.Module,
    mask: Mask,
    criterion: Criterion = magnitude,
    *,
    data: Examples | None = None,
    loss: Loss = cross_entropy,
    **how: Any,
) -> Mask:
    """Score a network and prune the mask, or each replica's own part of it.

    Args:
        model: the network, or Replicas.
        mask: what remains.
        criterion: called as `criterion(model, data, loss)`, of one network alone.
        data: what the criterion looks at, a pair (X, y) or batches; magnitude looks at none.
        loss: from outputs and targets to their mean loss.
        **how: arguments of `prune`: a fraction or a density, scope, rates.

    Raises:
        TypeError: a criterion that cannot be called so, or that looks at data and is given none.
        ValueError: as `prune`.

    Used in chapters 03 and 05.
    """
    _check_criterion(criterion, model, data, loss)
    if not isinstance(model, Replicas):
        return prune(criterion(model, data, loss), mask, **how)
    if criterion is magnitude:
        stacked = magnitude(model)
        scores = [{n: s[i] for n, s in stacked.items()} for i in range(model.count)]
    else:
        scores = [criterion(model.replica(i), data, loss) for i in range(model.count)]
    masks = [
        prune(own, Mask({n: entry[i] for n, entry in mask.items()}), **how)
        for i, own in enumerate(scores)
    ]
    return Mask({name: torch.stack([m[name] for m in masks]) for name in mask})


def _check_criterion(criterion: object, *given: object) -> None:
    """Raise TypeError for a criterion that cannot be called with a network, data and a loss."""
    name = getattr(criterion, "__name__", type(criterion).__name__)
    try:
        inspect.signature(criterion).bind(*given)  # type: ignore[arg-type]
    except ValueError:  # written in C: it does not tell
        pass
    except TypeError as error:
        raise TypeError(
            f"criterion: {name} cannot be called as criterion(model, data, loss) ({error}). Write "
            f"def {name}(model, data=None, loss=None), and give data and loss beside it: "
            "criterion=..., data=(X, y)."
        ) from error
    if given[1] is None and getattr(criterion, "func", criterion) in NEED_DATA:
        raise TypeError(f"data: given None, but {name} looks at examples. Give data=(X, y).")


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


def one_shot(model: nn.Module, train: Train, *, density: float, **how: Any) -> Iterator[Round]:
    """Train, prune once to a density, train again: as `iterative_pruning` with a single cut.

    Args:
        model: as in `iterative_pruning`.
        train: as in `iterative_pruning`.
        density: to prune to.
        **how: its other arguments: rewind_step, scope, criterion, data, loss, folder, key.

    Used in chapters 03 and 05.
    """
    return iterative_pruning(model, train, densities=[density], **how)


def iterative_pruning(
    model: nn.Module,
    train: Train,
    *,
    rounds: int | None = None,
    fraction: float | None = None,
    densities: Sequence[float] | None = None,
    rates: Mapping[str, float] | None = None,
    scope: str = "global",
    rewind_step: int | None = None,
    criterion: Criterion = magnitude,
    data: Examples | None = None,
    loss: Loss = cross_entropy,
    folder: str | os.PathLike[str] | None = None,
    key: str | None = None,
) -> Iterator[Round]:
    """Train, prune, rewind or go on, and train again; yield every trained network.

    Args:
        model: any network with prunable weights, or Replicas; trained in place.
        train: as `Trainer`; called with the mask, which it holds.
        rounds: how many times to prune; not needed with densities.
        fraction: of the remaining weights, removed each time; or instead:
        densities: to prune to, one for each round.
        rates: with scope "tensor", fractions of their own for some names.
        scope: "global" or "tensor", as in `prune`.
        rewind_step: go back to the values at this step after each cut, 0 for the initial ones, and
            train from there; None keeps the trained values, and training goes on from them.
        criterion: the saliency, of one network alone, called as `criterion(model, data, loss)`;
            settings of its own by `partial(obd, diagonal="exact")`.
        data: what the criterion looks at, a pair (X, y) or batches; magnitude looks at none.
        loss: what the criterion takes for the loss; training has its own.
        folder: where to store each round. If rounds are there already of the same experiment, they
            are read instead of done again, so a run that was interrupted continues; what it yields
            is the same, bit for bit, where seeds decide all. (What draws from torch's own global
            numbers, as nn.Dropout and a DataLoader that shuffles without a generator do, draws
            others after an interruption.) Another experiment is refused: whatever decides the
            result counts, the network and its values, trainer, criterion, data, loss and settings,
            each by its code and its contents.
        key: a name of your own for network, trainer, criterion, data and loss, where the library
            cannot tell two of them apart by what is in them. You then answer for it that they are
            the same whenever the key is; the network's values and the settings count all the same.

    Yields:
        Round 0, the dense network, and then one for each cut.

    Raises:
        TypeError: as `prune_model`; with a folder and no key, something in the experiment that
            cannot be told from another.
        ValueError: settings that contradict each other, a folder of another run, or as `prune`.

    Source: Han et al. (2015); Frankle and Carbin (2019) for rewinding. Used in chapters 03 and 05.
    """
    cuts = _cuts(rounds, fraction, densities)
    mask = Mask.ones_like(model)
    _check_criterion(criterion, model, data, loss)
    for asked in cuts:
        _check_shares(mask, asked.get("fraction"), asked.get("density"), scope, rates)
    _check_train(train, round=0, start=0)
    _check_rewind(rewind_step, train)
    if rewind_step:
        _check_train(train, round=0, stop=rewind_step)
    told = (cuts, rates, scope, rewind_step)
    store = _Store(folder, model, told, key, (train, criterion, data, loss), len(cuts))

    def cut(mask: Mask, number: int) -> Mask:
        return prune_model(
            model, mask, criterion, data=data, loss=loss, scope=scope, rates=rates, **cuts[number]
        )

    return _rounds(model, train, mask, len(cuts), cut, rewind_step, store)


def _rounds(
    model: nn.Module,
    train: Train,
    mask: Mask,
    rounds: int,
    cut: Callable[[Mask, int], Mask],
    rewind_step: int | None,
    store: "_Store",
) -> Iterator[Round]:
    """Do or read one round after the other."""
    begin = rewind_step or 0
    rewound: State = {}
    for number in range(rounds + 1):
        done = store.read(number)
        if done is None:
            if number:
                mask = cut(mask, number - 1)
                if rewind_step is not None:
                    _put(model, rewound)
                train(model, mask, round=number, start=begin)
                _check_held(model, mask)
            else:
                if rewind_step:
                    train(model, mask, round=0, stop=rewind_step)
                rewound = _copy(model) if rewind_step is not None else {}
                train(model, mask, round=0, start=begin)
            done = store.write(Round(number, mask, _copy(model), rewound))
        else:
            _put(model, done.trained)
            mask, rewound = done.mask, done.rewound
        yield done


def _check_held(model: nn.Module, mask: Mask) -> None:
    """Raise ValueError for a trainer that has brought pruned weights back."""
    weights = dict(model.named_parameters())
    back = [
        name
        for name, kept in mask.items()
        if bool((weights[name].detach()[~kept] != 0).any()) and weights[name].isfinite().all()
    ]
    if back:
        raise ValueError(
            f"train: pruned weights of {back} are not zero after it, expected that it holds the "
            "mask it is called with. Use a Trainer, or `with hold(optimiser, model, mask):`."
        )


def _cuts(
    rounds: int | None, fraction: float | None, densities: Sequence[float] | None
) -> list[dict[str, Any]]:
    """Return what is asked of each round, a fraction or a density."""
    if densities is not None and not isinstance(densities, Sequence | np.ndarray | Tensor):
        raise TypeError(
            f"densities: given {densities!r}, expected a list of one density for each round. Write "
            "densities=[0.1] for a single cut, or list(...) around a generator."
        )
    if rounds is None and densities is not None:
        rounds = len(densities)
    if isinstance(rounds, bool) or not isinstance(rounds, Integral) or rounds < 0:
        raise ValueError(f"rounds: given {rounds}, expected how many times to prune, 0 or more.")
    if (fraction is None) == (densities is None) or (
        densities is not None and len(densities) != rounds
    ):
        raise ValueError(
            f"given fraction = {fraction} and densities = {densities} for {rounds} rounds, "
            "expected one fraction, or one density for each round."
        )
    if densities is None:
        return [{"fraction": fraction}] * int(rounds)
    cuts = [{"density": density} for density in densities]
    numbers = all(isinstance(density, Real) for density in densities)
    if numbers and any(later > sooner for sooner, later in pairwise(densities)):
        raise ValueError(
            f"densities: given {list(densities)}, expected none that is larger than the one before:"
            " pruned weights do not come back."
        )
    return cuts


def _check_train(train: object, **given: object) -> None:
    """Raise TypeError for a trainer that cannot be called as it will be."""
    asked = ", ".join(["model", "mask", *(f"{name}=..." for name in given)])
    expected = f"expected a Trainer((X, y), recipe) or a function to call as train({asked})"
    if not callable(train) or isinstance(train, nn.Module):
        raise TypeError(f"train: given {train!r}, {expected}.")
    try:
        inspect.signature(train).bind(None, None, **given)
    except ValueError:  # written in C: it does not tell
        pass
    except TypeError as error:
        name = getattr(train, "__name__", type(train).__name__)
        raise TypeError(
            f"train: {name} does not take that ({error}), {expected}. Write "
            f"def {name}(model, mask=None, *, round=0, start=0, stop=None, on_step=None)."
        ) from error


def _whole(value: object, least: int) -> bool:
    """Tell whether a value is an integer, and large enough."""
    return isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= least


def _check_rewind(rewind_step: int | None, train: Train) -> None:
    """Raise ValueError for a step that no training from the beginning comes by."""
    if rewind_step is None:
        return
    steps = train.recipe.steps if isinstance(train, Trainer) else None
    if not _whole(rewind_step, 0) or (steps is not None and rewind_step >= steps):
        last = "0 or more" if steps is None else f"0 to {steps - 1}: training has {steps} steps"
        raise ValueError(f"rewind_step: given {rewind_step}, expected None or a step, {last}.")


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
    data: Examples | None = None,
    loss: Loss = cross_entropy,
    mask: Mask | None = None,
) -> Mask:
    """Prune while training: every so many steps, to the density of the cubic schedule; in place.

    Args:
        model: any network with prunable weights, or Replicas.
        train: as `Trainer`.
        density: at the end.
        begin: the step before the first cut.
        end: the step of the last cut, at most the last of the training.
        every: steps between two cuts.
        scope: "global" or "tensor".
        criterion: the saliency, called as `criterion(model, data, loss)`.
        data: what the criterion looks at.
        loss: what the criterion takes for the loss.
        mask: to start from, instead of all.

    Returns:
        The last mask.

    Raises:
        TypeError: as `prune_model`.
        ValueError: as `cubic` and `prune`; a mask that is sparser than wanted; or a training that
            ended before the last cut.

    Source: Zhu and Gupta (2017). Used in chapters 03 and 09.
    """
    if mask is not None and not isinstance(mask, Mask):
        given = type(mask).__name__
        raise TypeError(f"mask: given a {given}, expected a Mask, or None to start from all.")
    current = mask if mask is not None else Mask.ones_like(model)
    for name, value in {"begin": begin, "end": end, "density": density}.items():
        if not isinstance(value, Real) or isinstance(value, bool):
            raise TypeError(f"{name}: given {value!r}, expected a number.")
    cubic(0, begin=begin, end=end, density=density)
    _check_criterion(criterion, model, data, loss)
    _check_shares(current, None, density, scope, None)
    _left(current, None, density)
    _check_train(train, on_step=None)
    if not _whole(every, 1):
        raise ValueError(f"every: given {every!r}, expected at least 1 step between two cuts.")
    if isinstance(train, Trainer) and end > train.recipe.steps:
        raise ValueError(
            f"end: given {end}, but training has {train.recipe.steps} steps, so the last cut would "
            "never come. Choose an earlier end, or more steps."
        )
    seen = 0

    def on_step(step: int) -> Mask | None:
        nonlocal current, seen
        seen = step
        if begin < step <= end and ((step - begin) % every == 0 or step == end):
            wanted = cubic(step, begin=begin, end=end, density=density)
            if wanted < current.density:
                current = prune_model(
                    model, current, criterion, data=data, loss=loss, density=wanted, scope=scope
                )
                return current
        return None

    train(model, current, on_step=on_step)
    _check_held(model, current)
    if seen < end:
        raise ValueError(
            f"train: ended at step {seen}, expected to come by step {end}, where the last cut is; "
            f"the network stays at density {current.density:.3f}. Does it call on_step?"
        )
    return current


class _Store:
    """The folder of a run: a file a round, each telling by a digest which run it belongs to."""

    def __init__(
        self,
        folder: str | os.PathLike[str] | None,
        model: nn.Module,
        settings: object,
        key: str | None,
        parts: tuple[object, ...],
        rounds: int,
    ) -> None:
        try:
            self.folder = Path(folder) if folder is not None else None
        except TypeError as error:
            raise TypeError(f"folder: given {folder!r}, expected the path of a folder.") from error
        self.run = ""
        if self.folder is None:
            return
        if any(not os.path.exists(self._path(number)) for number in range(rounds + 1)):
            _check_folder(self.folder)
        other = [n for n, value in model.state_dict().items() if not isinstance(value, Tensor)]
        if other:
            raise TypeError(
                f"folder: the network's state holds {other}, which are no tensors and cannot be "
                "stored. Let get_extra_state give a tensor, or give no folder."
            )
        model = getattr(model, "_orig_mod", model)  # compiled or not, it is the same network
        if isinstance(model, Replicas):
            _ = model.flat  # laid out anew, if a copy had scattered it
        if key is not None:
            self.run = fingerprint((settings, model.state_dict(), key))
            return
        names = ("model", "train", "criterion", "data", "loss")
        try:
            self.run = fingerprint((settings, dict(zip(names, (model, *parts), strict=True))))
        except Unknown as error:
            raise TypeError(
                f"folder: {error}, so this experiment cannot be told from others, whose rounds may "
                "lie there. Give key='a name of your own' for this network, trainer, criterion, "
                "data and loss, and another one whenever you change any of them."
            ) from error

    def _path(self, number: int) -> Path:
        assert self.folder is not None
        return self.folder / f"round-{number:03}.safetensors"

    def read(self, number: int) -> Round | None:
        """Return a stored round; None if it is not there, or is broken and must be done again."""
        if self.folder is None:
            return None
        path = self._path(number)
        found = stored(path)
        if found is None:
            return None
        run, content = found
        if run != self.run:
            raise ValueError(
                f"folder: {path} belongs to another experiment: other settings, initial values, "
                "trainer, criterion, data or loss. Give an empty folder, or delete that one."
            )
        parts: dict[str, State] = {"mask": {}, "trained": {}, "rewound": {}}
        for name, tensor in load(content).items():
            part, _, own = name.partition("/")
            parts[part][own] = tensor
        return Round(number, Mask(parts["mask"]), parts["trained"], parts["rewound"])

    def write(self, done: Round) -> Round:
        """Store a round, whole or not at all."""
        if self.folder is not None:
            parts = {"mask": done.mask, "trained": done.trained, "rewound": done.rewound}
            content = save(
                {
                    f"{p}/{n}": t.contiguous().clone()
                    for p, own in parts.items()
                    for n, t in own.items()
                }
            )
            self.folder.mkdir(parents=True, exist_ok=True)
            store(self._path(done.number), self.run, content)
        return done


def _check_folder(folder: Path) -> None:
    """Make a folder and try it; ValueError, before anything is trained, if it takes no files."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except (OSError, ValueError) as error:
        raise ValueError(
            f"folder: given {str(folder)!r}, where rounds cannot be stored ({error}). Expected a "
            "folder that can be made and written to, in which there is room."
        ) from error


def _copy(model: nn.Module) -> State:
    """Return the state of a network, and no part of the network itself."""
    return {name: _apart(value) for name, value in model.state_dict().items()}


def _put(model: nn.Module, state: State) -> None:
    """Give a network this state; what it keeps beside its tensors it may change later."""
    model.load_state_dict({name: _apart(value) for name, value in state.items()})


def _apart(value: Any) -> Any:
    """Return a copy of a tensor, or of whatever `get_extra_state` of a layer gave."""
    return value.detach().clone() if isinstance(value, Tensor) else copy.deepcopy(value)
