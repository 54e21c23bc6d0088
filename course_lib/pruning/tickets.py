"""Lottery tickets: a mask with the values that its weights began with, and what to hold it against.

A ticket is found by pruning in rounds with rewinding. That it learns well shows little by itself;
each control takes away one thing that might be the reason:

    reinitialised   the same mask, other initial values
    shuffled        the same values, as many weights in each layer, at random places
    random_mask     the same values, as many weights in all, anywhere
    largest         as many weights in each layer, the largest of some network: of the trained dense
                    one (a ticket found at one stroke) or of the untrained one (pruned at the start)
    signs_only      the same mask and the signs of the values, but one size for a whole layer

They take the model to tell one network from `Replicas`, where each copy has a control of its own.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from course_lib.masks import Mask, select, top_k
from course_lib.pruning.criteria import magnitude
from course_lib.pruning.rounds import iterative_pruning
from course_lib.pruning.store import Round, State, copied
from course_lib.pruning.ticket import Ticket, check_values
from course_lib.training.examples import seeded
from course_lib.training.replicas import apart, copies, together
from course_lib.training.trainer import Train

# Finding and training


def find(
    model: nn.Module,
    train: Train,
    *,
    rounds: int,
    fraction: float,
    rates: Mapping[str, float] | None = None,
    rewind_step: int = 0,
    seed: tuple[int, ...] = (),
    **how: Any,
) -> Iterator[tuple[Round, Ticket]]:
    """Find tickets by pruning in rounds with rewinding: one for each round, the dense one first.

    Args:
        model: one network or Replicas; trained in place.
        train: as `Trainer`.
        rounds: how many times to prune.
        fraction: of the remaining weights, removed each time.
        rates: with scope "tensor", fractions of their own for some layers, as a smaller one for
            the last.
        rewind_step: the step to whose values the weights go back.
        seed: of the initial values, for the record.
        **how: other arguments of `iterative_pruning`: scope, criterion, data, loss, folder, key.

    Yields:
        The round, whose network *is* the ticket, trained; and the ticket.

    Raises:
        ValueError: as `iterative_pruning`.

    Examples:
        >>> from course_lib.training import Recipe, Trainer, mlp
        >>> train = Trainer((torch.rand(20, 4), torch.arange(20) % 2), Recipe(steps=5, batch=4))
        >>> *_, (done, ticket) = find(mlp((4, 8, 2), 0), train, rounds=2, fraction=0.5, seed=(0,))
        >>> ticket.verify(mlp((4, 8, 2), 0))
        >>> ticket.mask.density
        0.25

    Source: Frankle and Carbin (2019); Frankle et al. (2020) for a later rewind step.
    """
    record = _record(seed)
    done = iterative_pruning(
        model, train, rounds=rounds, fraction=fraction, rates=rates, rewind_step=rewind_step, **how
    )
    told = {"fraction": _plain(fraction), "rewind_step": _plain(rewind_step)}
    return (
        (each, Ticket(each.mask, each.rewound, record, {"round": each.number, **told}))
        for each in done
    )


def _record(seed: object) -> tuple[int, ...]:
    """Return the seeds of the replicas, as JSON can say them; TypeError for what is none."""
    if not isinstance(seed, Iterable) or isinstance(seed, str | bytes):
        raise TypeError(
            f"seed: given {seed!r}, expected integers, one for each replica. Write seed=(0,)."
        )
    seeds = tuple(seed)
    for each in seeds:
        seeded(each)
    return tuple(int(each) for each in seeds)


def _plain(number: Any) -> Any:
    """Return Python's own number for one of numpy's."""
    return number.item() if isinstance(number, np.generic) else number


def train_from(
    model: nn.Module, initial: State, mask: Mask, train: Train, *, round: int = 0, step: int = 0
) -> None:
    """Put values into a network and train it there under a mask, in place.

    Args:
        model: a network of the right shape; what it holds is lost.
        initial: values for its `state_dict`.
        mask: what stays.
        train: as `Trainer`.
        round: another round sees other batches, the same round the same.
        step: the step of the recipe to begin with, the rewind step of a ticket.

    Raises:
        RuntimeError: values that do not fit the model.
        ValueError: a mask that does not.

    Examples:
        >>> from course_lib.training import Recipe, Trainer, mlp
        >>> train = Trainer((torch.rand(20, 4), torch.arange(20) % 2), Recipe(steps=5, batch=4))
        >>> start, model = mlp((4, 8, 2), 0), mlp((4, 8, 2), 1)
        >>> mask = select(magnitude(start), density=0.25)
        >>> train_from(model, start.state_dict(), mask, train)
        >>> int(torch.count_nonzero(model[0].weight)) == int(mask["0.weight"].sum())
        True
    """
    model.load_state_dict(initial)
    train(model, mask, round=round, start=step)


# Controls


def reinitialised(ticket: Ticket, fresh: nn.Module) -> State:
    """Return other initial values for the ticket's mask: those of a fresh network.

    Raises:
        ValueError: the fresh network is not of the ticket's shape, or has the ticket's own values
            in a masked layer, for one replica or all. A control with the same seed is no control.

    Examples:
        >>> start, fresh = nn.Linear(2, 2), nn.Linear(2, 2)
        >>> ticket = Ticket(Mask({"weight": torch.eye(2) > 0}), start.state_dict())
        >>> torch.equal(reinitialised(ticket, fresh)["weight"], fresh.weight)
        True

    Source: Frankle and Carbin (2019).
    """
    values = copied(fresh)
    wrong = [
        name
        for name in values.keys() | ticket.initial.keys()
        if _shape(values.get(name)) != _shape(ticket.initial.get(name))
    ]
    if wrong:
        raise ValueError(
            f"fresh: differs from the ticket in the shapes of {sorted(wrong)}, expected a network "
            "of the same architecture, made from another seed."
        )
    for name in ticket.mask:
        same = values[name] == ticket.initial[name]
        if same.reshape(copies(fresh), -1).all(dim=1).any():
            raise ValueError(
                f"fresh: has the ticket's own initial values in {name!r}, expected other ones. "
                "Make it from another seed."
            )
    return values


def _shape(value: Any) -> object:
    return tuple(value.shape) if isinstance(value, Tensor) else type(value)


def shuffled(model: nn.Module, mask: Mask, seed: int) -> Mask:
    """Move the kept places at random within each layer, whose count stays.

    Examples:
        >>> mask = Mask({"weight": torch.tensor([[True, True, False, False]])})
        >>> shuffled(nn.Linear(4, 1), mask, seed=0)
        Mask(1 tensors, 2 of 4 weights kept)

    Source: Frankle et al. (2021).
    """
    generator = torch.Generator().manual_seed(seed)

    def move(own: Mask) -> Mask:
        return Mask(
            {
                name: entry.flatten()[torch.randperm(entry.numel(), generator=generator)].view(
                    entry.shape
                )
                for name, entry in own.items()
            }
        )

    return _each(model, mask, move)


def random_mask(model: nn.Module, mask: Mask, seed: int) -> Mask:
    """Keep as many weights as the mask in all, anywhere in the network.

    Examples:
        >>> mask = Mask({"weight": torch.tensor([[True, True, False, False]])})
        >>> random_mask(nn.Linear(4, 1), mask, seed=0)
        Mask(1 tensors, 2 of 4 weights kept)

    Source: Frankle and Carbin (2019).
    """
    generator = seeded(seed)

    def draw(own: Mask) -> Mask:
        scores = {
            n: torch.rand(e.shape, generator=generator, dtype=torch.float64) for n, e in own.items()
        }
        return select(scores, k=own.kept)

    return _each(model, mask, draw)


def largest(model: nn.Module, mask: Mask) -> Mask:
    """Keep as many weights of each layer as the mask does, those that are largest in the model.

    Of the trained dense network this is the ticket found at one stroke, with no rounds; of the
    untrained one it is pruning at initialisation.

    Raises:
        ValueError: the mask is not that of the model.

    Examples:
        >>> model = nn.Linear(4, 1)
        >>> model.weight.data = torch.tensor([[1.0, -4.0, 2.0, -3.0]])
        >>> mask = Mask({"weight": torch.tensor([[True, True, False, False]])})
        >>> largest(model, mask)["weight"].tolist()
        [[False, True, False, True]]

    Source: Frankle and Carbin (2019).
    """
    scores = magnitude(model)
    check_values(scores, "model")
    if scores.keys() != mask.keys() or any(scores[n].shape != mask[n].shape for n in mask):
        raise ValueError("mask: expected the names and shapes of the model's prunable weights.")

    def take(own: nn.Module, kept: Mask) -> Mask:
        counts = {name: int(torch.count_nonzero(entry)) for name, entry in kept.items()}
        return Mask({n: top_k(s, counts[n]) for n, s in magnitude(own).items()})

    return together(model, [take(*part) for part in apart(model, mask)])


def signs_only(ticket: Ticket, model: nn.Module) -> State:
    """Keep the signs of the ticket's weights and give all of a layer one size, its own spread.

    The size is the standard deviation of the layer's initial weights, kept or not; a single weight
    keeps its own. Biases stay.

    Examples:
        >>> start = nn.Linear(4, 1)
        >>> start.weight.data = torch.tensor([[1.0, -1.0, 3.0, -3.0]])
        >>> ticket = Ticket(Mask.ones_like(start), start.state_dict())
        >>> [round(v, 3) for v in signs_only(ticket, start)["weight"][0].tolist()]
        [2.582, -2.582, 2.582, -2.582]

    Source: Zhou et al. (2019).
    """
    values = {name: value.clone() for name, value in ticket.initial.items()}
    for name in ticket.mask:
        w = values[name]
        own = w.reshape(copies(model), -1)
        spread = own.std(dim=1) if own.shape[1] > 1 else own.abs().squeeze(1)
        values[name] = w.sign() * spread.view(-1, *[1] * (w.ndim - 1))
    return values


def _each(model: nn.Module, mask: Mask, change: Callable[[Mask], Mask]) -> Mask:
    """Change a mask, or that of each replica by itself."""
    return together(model, [change(own) for _, own in apart(model, mask)])
