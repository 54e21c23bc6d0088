"""A common test for criteria: does one of your own keep what all of them must keep?

A criterion is trusted by everything behind it. Selections rank what it returns, rounds prune by it
again and again, and a mistake in it is seldom loud: a network is left in the wrong mode, a batch is
counted as much as one of half its size, a tied weight is ranked twice, and every number looks like
a number. `check_criterion` calls it on some small networks and says in a sentence what it found.
"""

import copy
import random
import warnings
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, NoReturn

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, mse_loss

from course_lib.masks import LeftOutWarning, prunable
from course_lib.pruning.cases import Case, Data, all_cases, batches, converted, each
from course_lib.pruning.snapshot import Snapshot, chance, equal

Loss = Callable[[Tensor, Tensor], Tensor]
Scores = Mapping[str, Tensor]


def check_criterion(
    criterion: Callable[..., Scores],
    *,
    split: bool = True,
    equivariant: bool = True,
    without: Collection[str] = (),
    **settings: object,
) -> None:
    """Run a criterion on small networks, and raise if it does not keep what all of them must keep.

    It is asked to

    - be called as `criterion(model, data, loss)`, data being a pair (inputs, targets) or batches of
      such pairs, inputs a tensor, tuple or dictionary; and to use the loss that it is given;
    - return finite scores for exactly the weights that `prunable` names, in their shapes, with no
      gradient and no memory in common with them: a tied weight once, frozen and unused ones too;
    - leave alone the parameters, buffers, gradients, modes and hooks of the network, the data, and
      everybody's random numbers; and return the same when asked again;
    - return the same in training mode, under `no_grad`, for frozen networks, for the data in
      batches of different sizes, and, but for rounding, in float32; and work in bfloat16;
    - follow the hidden units: where they stand in another order, so do their scores.

    Args:
        criterion: a function from a model, data and a loss to scores by the names of the weights.
        split: False for one that means something else by several batches than by one of them all.
        equivariant: False for one that looks at where weights stand, or draws lots.
        without: names of networks to leave out, as the sentences call them, which it may refuse.
        settings: further arguments for the criterion, such as `diagonal="exact"` for `obd`.

    Raises:
        AssertionError: it does not; the sentence says on which network, what was found, what was
            expected and what to do.

    Examples:
        >>> from course_lib.masks import LeftOutWarning, prunable
        >>> def by_fan_in(model, data=None, loss=None):
        ...     return {n: w.detach().abs() / w.shape[1] ** 0.5 for n, w in prunable(model).items()}
        >>> check_criterion(by_fan_in)
        >>> check_criterion(lambda model, data, loss: dict(model.named_parameters()))
        Traceback (most recent call last):
        AssertionError: the criterion on a perceptron: it names ['0.bias', '3.bias'], which ...

    Source: after `check_estimator` of scikit-learn (Buitinck et al., 2013).
    """
    ask = _Ask(criterion, settings)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LeftOutWarning)  # an embedding is left out, as it should be
        for case in _known(without):
            usual = ask(copy.deepcopy(case))
            _are_scores(ask, case, usual)
            for check in (
                _changes_nothing,
                _repeats_itself,
                _scores_as_used,
                _scores_frozen_weights,
                _takes_batches if split else _takes_one_batch,
                _works_in_half,
                _agrees_in_single,
            ):
                check(ask, copy.deepcopy(case), usual)
        _uses_the_loss(ask)
        if equivariant:
            _follows_the_units(ask)


def _known(without: Collection[str]) -> list[Case]:
    """Return the networks to try; ValueError for the name of none."""
    cases = list(all_cases())
    names = [case.name for case in cases]
    strange = sorted(set([without] if isinstance(without, str) else without) - set(names))
    if strange:
        raise ValueError(f"without: given {strange}, expected names among {names}.")
    return [case for case in cases if case.name not in without]


@dataclass(frozen=True)
class _Ask:
    """A criterion with its settings, called as everything calls it."""

    criterion: Callable[..., Scores]
    settings: Mapping[str, object]

    @property
    def name(self) -> str:
        """What the sentences call it."""
        own = getattr(self.criterion, "__name__", "<lambda>")
        return "the criterion" if own == "<lambda>" else own

    def __call__(
        self, case: Case, how: str = "", *, data: Data = None, loss: Loss = cross_entropy
    ) -> Scores:
        """Return its scores, or say that it could not be called so."""
        try:
            given = case.data if data is None else data
            return self.criterion(case.model, given, loss, **self.settings)
        except Exception as error:
            self.fail(
                case,
                f"{how or 'called as criterion(model, data, loss)'} it raised "
                f"{type(error).__name__}: {error}; expected scores. Mend it; or leave the network "
                "out by check_criterion(..., without=[...]), if it is one that the criterion "
                "refuses.",
                error,
            )

    def fail(self, case: Case, said: str, why: Exception | None = None) -> NoReturn:
        """Say on which network what was found, what was expected and what to do."""
        raise AssertionError(f"{self.name} on {case.name}: {said}") from why

    def same(
        self,
        case: Case,
        how: str,
        found: Scores,
        wanted: Scores,
        remedy: str,
        tolerance: float = 1e-6,
    ) -> None:
        """Ask for the same scores, but for a share of their length in all."""
        if found.keys() != wanted.keys():
            said = f"it names {sorted(found)}; expected {sorted(wanted)} as otherwise"
            self.fail(case, f"{how} {said}. {remedy}")
        pairs = [(name, found[name].double(), wanted[name].double()) for name in wanted]
        length = sum(float(w.square().sum()) for _, _, w in pairs) ** 0.5
        for name, f, w in pairs:
            apart = float((f - w).norm()) if f.shape == w.shape else float("inf")
            if not apart <= tolerance * length + 1e-12:
                said = f"the scores of {name!r} are {_some(f)}; expected {_some(w)} as otherwise"
                self.fail(case, f"{how} {said}. {remedy}")


def _some(scores: Tensor) -> str:
    numbers = ", ".join(f"{s:.4g}" for s in scores.flatten()[:3].tolist())
    return f"[{numbers}{', ...' if scores.numel() > 3 else ''}]"


def _are_scores(ask: _Ask, case: Case, scores: Scores) -> None:
    """Ask for a number for every prunable weight and nothing else."""
    weights = prunable(case.model)
    if not isinstance(scores, Mapping):
        given = type(scores).__name__
        ask.fail(case, f"it returns a {given}; expected a dictionary. Return {{name: scores}}.")
    strange = [name for name in scores if name not in weights]
    missing = [name for name in weights if name not in scores]
    if strange:
        ask.fail(
            case,
            f"it names {strange}, which prunable(model) does not; expected {list(weights)}. Go "
            "through prunable(model).items(): it has each weight once, also a tied one.",
        )
    if missing:
        ask.fail(
            case,
            f"it leaves out {missing}; expected a score for each of {list(weights)}. Go through "
            "prunable(model).items(); what has no influence scores 0.",
        )
    for name, w in weights.items():
        s = scores[name]
        where = f"the scores of {name!r}"
        if not isinstance(s, Tensor) or s.shape != w.shape:
            given = tuple(s.shape) if isinstance(s, Tensor) else type(s).__name__
            said = f"{where} are {given}; expected a tensor {tuple(w.shape)}"
            ask.fail(case, f"{said}. Return one number for each weight, in its place.")
        _fit_the_weight(ask, case, where, s, w)


def _fit_the_weight(ask: _Ask, case: Case, where: str, s: Tensor, w: Tensor) -> None:
    """Ask one tensor of scores for its type, its numbers and a memory of its own."""
    is_number = not s.dtype.is_complex and s.dtype != torch.bool
    coarse = s.dtype.is_floating_point and s.itemsize < min(w.itemsize, 4)
    if not is_number or coarse or s.device != w.device:
        ask.fail(
            case,
            f"{where} are {s.dtype} on {s.device}; expected numbers no coarser than the weights, "
            f"{w.dtype} on {w.device}. Compute in the type and on the device of the weight.",
        )
    if not bool(torch.isfinite(s).all()):
        broken = int((~torch.isfinite(s)).sum())
        ask.fail(
            case,
            f"{broken} of {where} are NaN or infinite; expected finite numbers, which can be put "
            "in order. Look for a division by zero or a root of a negative number.",
        )
    if s.requires_grad:
        ask.fail(case, f"{where} require a gradient; expected plain numbers. Use w.detach().")


def _changes_nothing(ask: _Ask, case: Case, usual: Scores) -> None:
    """Ask it to leave alone network, data and random numbers."""
    for parameter in case.model.parameters():
        parameter.grad = torch.ones_like(parameter)
    first = next(case.model.children())
    first.train()  # a mode of its own, which must be there again
    before, lots, data = Snapshot(case.model), chance(), _copied(case.data)
    scores = ask(case)
    found = before.differences(case.model)
    found += [f"{name} has moved on" for name in chance() if chance()[name] != lots[name]]
    if not equal(data, case.data):
        found.append("the data have other values")
    if found:
        ask.fail(
            case,
            f"{'; '.join(found)}; expected everything as it was. Work on a copy, use "
            "torch.autograd.grad in place of backward(), restore modes, and draw from a "
            "torch.Generator of your own.",
        )
    own = {w.untyped_storage().data_ptr() for w in prunable(case.model).values()}
    shared = [n for n, s in scores.items() if s.untyped_storage().data_ptr() in own]
    if shared:
        ask.fail(
            case,
            f"the scores of {shared} lie in the memory of the weights; expected numbers of their "
            "own, which stay when the weights are pruned. Return a copy: w.detach().clone().",
        )


def _repeats_itself(ask: _Ask, case: Case, usual: Scores) -> None:
    """Ask again, with other random numbers lying about."""
    states = torch.get_rng_state(), np.random.get_state(), random.getstate()
    try:
        torch.manual_seed(8_191)
        np.random.seed(8_191)
        random.seed(8_191)
        found = ask(case)
    finally:
        torch.set_rng_state(states[0])
        np.random.set_state(states[1])
        random.setstate(states[2])
    remedy = "Draw from torch.Generator().manual_seed(seed), with the seed as an argument."
    ask.same(case, "asked again", found, usual, remedy, tolerance=0)


def _scores_as_used(ask: _Ask, case: Case, usual: Scores) -> None:
    """Ask in training mode and without gradients: scored as it is used, whoever asks."""
    case.model.train()
    training = ask(case, "in training mode")
    case.model.eval()
    remedy = "Score in evaluation mode, and leave every layer in the mode it was in."
    ask.same(case, "in training mode", training, usual, remedy)
    with torch.no_grad():
        quiet = ask(case, "under torch.no_grad()")
    remedy = "Put torch.enable_grad() around what needs gradients."
    ask.same(case, "under torch.no_grad()", quiet, usual, remedy)


def _scores_frozen_weights(ask: _Ask, case: Case, usual: Scores) -> None:
    """Ask with frozen weights: whether a weight is trained says nothing of what it does."""
    case.model.requires_grad_(False)
    remedy = "Take gradients with torch.func, or with respect to w.detach().requires_grad_()."
    frozen = ask(case, "with frozen weights")
    ask.same(case, "with frozen weights", frozen, usual, remedy)


def _takes_one_batch(ask: _Ask, case: Case, usual: Scores) -> None:
    """Ask with the data as a list of one batch."""
    how = "given a list of one batch"
    remedy = "Let data be a pair, or anything that yields pairs (inputs, targets)."
    ask.same(case, how, ask(case, how, data=[case.data]), usual, remedy)


def _takes_batches(ask: _Ask, case: Case, usual: Scores) -> None:
    """Ask with the data as a list, and as batches of different sizes."""
    _takes_one_batch(ask, case, usual)
    how = "given the same examples in batches of 3 and 1"
    remedy = (
        "Weight each batch by how many examples it holds, and take sizes or squares of the mean, "
        "not of its parts; if that is what you mean, give split=False."
    )
    ask.same(case, how, ask(case, how, data=batches(case)), usual, remedy)


def _works_in_half(ask: _Ask, case: Case, usual: Scores) -> None:
    """Ask in bfloat16: the scores are those of the rounded weights, to a digit or so."""
    rounded = converted(case, torch.bfloat16)
    found = ask(rounded, "in bfloat16")
    _are_scores(ask, replace(rounded, name=f"{case.name} in bfloat16"), found)
    remedy = "Sum in float32, and do not divide by what bfloat16 rounds to zero."
    ask.same(case, "in bfloat16", found, ask(converted(rounded, torch.float64)), remedy, 0.25)


def _agrees_in_single(ask: _Ask, case: Case, usual: Scores) -> None:
    """Ask in float32, in which networks are trained."""
    single = converted(case, torch.float32)
    remedy = "Look for a small difference of large numbers, or compute in float64."
    found = ask(single, "in float32")
    ask.same(case, "in float32", found, ask(converted(single, torch.float64)), remedy, 1e-3)


def _uses_the_loss(ask: _Ask) -> None:
    """Ask with another loss: who looks at the targets must do so through it."""
    case = next(all_cases())
    calls = 0

    def loss(output: Tensor, target: Tensor) -> Tensor:
        nonlocal calls
        calls += 1
        return mse_loss(output, target)

    draw = torch.Generator().manual_seed(2)
    one, other = torch.rand(2, 4, 3, generator=draw, dtype=torch.float64)
    how = "with mean squares for the loss"
    first = ask(case, how, data=(case.inputs, one), loss=loss)
    second = ask(case, how, data=(case.inputs, other), loss=loss)
    looks = any(not torch.equal(first[name], second[name]) for name in first)
    if looks and not calls:
        ask.fail(
            case,
            "it looks at the targets, but never calls the loss that it is given; expected scores "
            "for that loss. Use the argument `loss` in place of a loss of your own.",
        )


def _follows_the_units(ask: _Ask) -> None:
    """Ask with the hidden units in another order: the same network to whoever uses it."""
    case = next(all_cases())
    usual = ask(case)
    order = torch.tensor([2, 0, 3, 1])
    moved = converted(case, torch.float64)
    into, out = moved.model.get_submodule("0"), moved.model.get_submodule("3")
    with torch.no_grad():
        for parameter in into.parameters():
            parameter.copy_(parameter[order].clone())
        for w in (w for w in out.parameters() if w.ndim == 2):
            w.copy_(w[:, order].clone())
    wanted = {"0.weight": usual["0.weight"][order], "3.weight": usual["3.weight"][:, order]}
    ask.same(
        case,
        "with its hidden units in another order",
        ask(moved),
        wanted,
        "What a weight does, not where it stands, should decide; if the place is meant to, give "
        "equivariant=False.",
    )


def _copied(data: tuple[Any, Tensor]) -> tuple[Any, Tensor]:
    return each(data[0], torch.clone), data[1].clone()
