"""Pruning in rounds: score, select, refit, and again.

    for each round:
        train the network
        remove the fraction of its remaining weights with the lowest scores
        rewind what remains to its values at an early step, or let it go on as it is

Everything works alike on one network and on `Replicas`, where each copy is pruned by itself.
"""

import inspect
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from numbers import Integral, Real
from typing import Any

import numpy as np
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from course_lib.masks import Mask
from course_lib.pruning.criteria import magnitude
from course_lib.pruning.cut import Criterion, check_criterion_call, check_shares, prune_model
from course_lib.pruning.store import Round, State, Store, copied, put
from course_lib.training.examples import Examples, Loss
from course_lib.training.trainer import Train, Trainer


def rounds_needed(density: float, fraction: float) -> int:
    """Return the least t with (1 - fraction)^t <= density.

    Raises:
        ValueError: density or fraction not strictly between 0 and 1.

    Examples:
        >>> rounds_needed(density=0.1, fraction=0.2)
        11
    """
    if not (0 < density < 1 and 0 < fraction < 1):
        raise ValueError(f"given density={density}, fraction={fraction}: expected both in (0, 1).")
    t, left = 0, 1.0
    while left > density * (1 + 1e-12):  # 0.8 ** 2 is 0.64 but for a rounding error
        t, left = t + 1, left * (1 - fraction)
    return t


def one_shot(model: nn.Module, train: Train, *, density: float, **how: Any) -> Iterator[Round]:
    """Train, prune once to a density, train again: as `iterative_pruning` with a single cut.

    Args:
        model: as in `iterative_pruning`.
        train: as in `iterative_pruning`.
        density: to prune to.
        **how: its other arguments: rewind_step, scope, criterion, data, loss, folder, key.

    Examples:
        >>> import torch
        >>> from course_lib.training import Recipe, mlp
        >>> train = Trainer((torch.rand(20, 4), torch.arange(20) % 2), Recipe(steps=5, batch=4))
        >>> [done.density for done in one_shot(mlp((4, 8, 2), 0), train, density=0.25)]
        [1.0, 0.25]
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

    Examples:
        >>> import torch
        >>> from course_lib.training import Recipe, mlp
        >>> train = Trainer((torch.rand(20, 4), torch.arange(20) % 2), Recipe(steps=5, batch=4))
        >>> model = mlp((4, 8, 2), seed=0)
        >>> rounds = iterative_pruning(model, train, rounds=2, fraction=0.5, rewind_step=0)
        >>> [(done.number, done.density) for done in rounds]
        [(0, 1.0), (1, 0.5), (2, 0.25)]

    Source: Han et al. (2015); Frankle and Carbin (2019) for rewinding.
    """
    cuts = _cuts(rounds, fraction, densities)
    mask = Mask.ones_like(model)
    check_criterion_call(criterion, model, data, loss)
    for asked in cuts:
        check_shares(mask, asked.get("fraction"), asked.get("density"), scope, rates)
    check_train(train, round=0, start=0)
    _check_rewind(rewind_step, train)
    if rewind_step:
        check_train(train, round=0, stop=rewind_step)
    told = (cuts, rates, scope, rewind_step)
    store = Store(folder, model, told, key, (train, criterion, data, loss), len(cuts))

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
    store: "Store",
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
                    put(model, rewound)
                train(model, mask, round=number, start=begin)
                check_held(model, mask)
            else:
                if rewind_step:
                    train(model, mask, round=0, stop=rewind_step)
                rewound = copied(model) if rewind_step is not None else {}
                train(model, mask, round=0, start=begin)
            done = store.write(Round(number, mask, copied(model), rewound))
        else:
            put(model, done.trained)
            mask, rewound = done.mask, done.rewound
        yield done


def check_held(model: nn.Module, mask: Mask) -> None:
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


def check_train(train: object, **given: object) -> None:
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


def is_whole(value: object, least: int) -> bool:
    """Tell whether a value is an integer, and large enough."""
    return isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= least


def _check_rewind(rewind_step: int | None, train: Train) -> None:
    """Raise ValueError for a step that no training from the beginning comes by."""
    if rewind_step is None:
        return
    steps = train.recipe.steps if isinstance(train, Trainer) else None
    if not is_whole(rewind_step, 0) or (steps is not None and rewind_step >= steps):
        last = "0 or more" if steps is None else f"0 to {steps - 1}: training has {steps} steps"
        raise ValueError(f"rewind_step: given {rewind_step}, expected None or a step, {last}.")
