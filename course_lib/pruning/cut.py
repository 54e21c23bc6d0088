"""One cut: the lowest scores among what remains are removed, of a network or of each replica."""

import inspect
from collections.abc import Callable, Mapping
from numbers import Real
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from course_lib.masks import Mask, select
from course_lib.masks.checks import checked_scores
from course_lib.pruning.criteria import NEED_DATA, magnitude
from course_lib.pruning.scoring import Scores
from course_lib.training.examples import Examples, Loss
from course_lib.training.replicas import apart, together

Criterion = Callable[[nn.Module, Examples | None, Loss], Scores]


def score(
    model: nn.Module,
    criterion: Criterion = magnitude,
    *,
    data: Examples | None = None,
    loss: Loss = cross_entropy,
) -> Scores:
    """Score the weights of a network: the first of the three moves score, select, refit.

    Args:
        model: any network with prunable weights.
        criterion: called as `criterion(model, data, loss)`; one of `course_lib.pruning.criteria`,
            or of your own.
        data: what the criterion looks at, a pair (X, y) or batches; magnitude looks at none.
        loss: from outputs and targets to their mean loss.

    Returns:
        A tensor for each prunable weight, in its shape, the larger the more worth keeping.

    Raises:
        TypeError: a criterion that cannot be called so, or that looks at data and is given none.

    Examples:
        >>> from course_lib.pruning import first_order
        >>> from course_lib.training import mlp
        >>> model = mlp((4, 3, 2), seed=0)
        >>> scores = score(model, first_order, data=(torch.ones(6, 4), torch.zeros(6).long()))
        >>> {name: tuple(s.shape) for name, s in scores.items()}
        {'0.weight': (3, 4), '2.weight': (2, 3)}
    """
    check_criterion_call(criterion, model, data, loss)
    return criterion(model, data, loss)


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

    Examples:
        >>> scores = {"a": torch.tensor([4.0, 3.0, 2.0, 1.0])}
        >>> mask = prune(scores, Mask.ones_like(scores), fraction=0.5)
        >>> mask["a"].tolist()
        [True, True, False, False]
        >>> prune(scores, mask, density=0.25)["a"].tolist()
        [True, False, False, False]

    Source: Han et al. (2015).
    """
    _check_cut(scores, mask, fraction, density, scope, rates)
    # Only what remains is ranked: what is pruned already never returns.
    left = {name: _remaining(s, mask[name], name) for name, s in scores.items()}

    def cut(names: list[str], share: float | None) -> Mask:
        k = count_left(Mask({name: mask[name] for name in names}), share, density)
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


def count_left(mask: Mask, fraction: float | None, density: float | None) -> int:
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
    check_shares(mask, fraction, density, scope, rates)
    if scores.keys() != mask.keys() or any(scores[n].shape != mask[n].shape for n in mask):
        raise ValueError("scores: expected the names and shapes of the mask. Score the same model.")


def check_shares(
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

    Examples:
        >>> from course_lib.training import Replicas
        >>> model = Replicas.of((4, 3, 2), seeds=[0, 1])
        >>> mask = prune_model(model, Mask.ones_like(model), density=0.5)
        >>> [own.density for own in mask.unstacked()]
        [0.5, 0.5]
    """
    return together(
        model,
        [
            prune(score(own, criterion, data=data, loss=loss), kept, **how)
            for own, kept in apart(model, mask)
        ],
    )


def check_criterion_call(criterion: object, *given: object) -> None:
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
