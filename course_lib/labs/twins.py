"""Twins: other weights, the same function. What should a pruning rule make of them?

Each operation takes a multilayer perceptron, an `nn.Sequential` of Linear layers with an activation
after each but the last, and returns a new one that computes the same outputs. Chapter 13 prunes
both and looks whether they still agree: the network's counterpart of splitting a jet's particles.
"""

import copy
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

UNIT_BY_UNIT = (nn.ReLU, nn.LeakyReLU, nn.Tanh, nn.Softsign, nn.Identity)
HOMOGENEOUS = (nn.ReLU, nn.LeakyReLU, nn.Identity)  # f(a z) = a f(z) for every a > 0
ODD = (nn.Tanh, nn.Softsign, nn.Identity)  # f(-z) = -f(z)


class Hidden(NamedTuple):
    """A hidden layer: what makes its neurons, and what listens to them.

    Attributes:
        before: row i, with its bias, makes neuron i.
        after: column i listens to it.
    """

    before: nn.Linear
    after: nn.Linear


def permuted(model: nn.Sequential, seed: int) -> nn.Sequential:
    """Put the neurons of every hidden layer into another order.

    Args:
        model: a multilayer perceptron.
        seed: of the orders.

    Raises:
        TypeError: not a multilayer perceptron.

    Source: Hecht-Nielsen (1990).

    Examples:
        >>> from course_lib.training import mlp
        >>> model, X = mlp((3, 5, 2), 0), torch.randn(4, 3)
        >>> torch.allclose(permuted(model, seed=0)(X), model(X), atol=1e-6)
        True
    """
    generator = torch.Generator().manual_seed(seed)

    def change(hidden: Hidden) -> None:
        order = torch.randperm(hidden.before.out_features, generator=generator)
        _rebuild(hidden, order, torch.ones(len(order)))

    return _changed(model, UNIT_BY_UNIT, change)


def rescaled(model: nn.Sequential, seed: int, spread: float = 1) -> nn.Sequential:
    """Multiply what enters each hidden neuron by a number, and divide what leaves it by the same.

    Args:
        model: with ReLU or another activation that passes positive factors through.
        seed: of the factors.
        spread: standard deviation of their logarithms to base 2. They are whole powers of two, so
            that not one bit of the function is lost to rounding.

    Raises:
        TypeError: not a multilayer perceptron, or with an activation that is not homogeneous.

    Source: Neyshabur, Salakhutdinov and Srebro (2015).
    """
    generator = torch.Generator().manual_seed(seed)

    def change(hidden: Hidden) -> None:
        draw = torch.randn(hidden.before.out_features, generator=generator)
        _scale(hidden, torch.exp2((spread * draw).round()))

    return _changed(model, HOMOGENEOUS, change)


def sign_flipped(model: nn.Sequential, seed: int) -> nn.Sequential:
    """Change the signs of all that enters and all that leaves a hidden neuron, for about half.

    Raises:
        TypeError: not a multilayer perceptron, or with an activation that is not odd.

    Source: Sussmann (1992).
    """
    generator = torch.Generator().manual_seed(seed)

    def change(hidden: Hidden) -> None:
        coins = torch.randint(0, 2, (hidden.before.out_features,), generator=generator)
        _scale(hidden, 2.0 * coins - 1)

    return _changed(model, ODD, change)


def split(model: nn.Sequential, seed: int, times: int = 2, share: float = 1) -> nn.Sequential:
    """Replace neurons by copies that share out what the one had to say.

    A copy has the same incoming weights and bias, and the outgoing weights divided by `times`.

    Args:
        model: with any activation that treats each neuron by itself.
        seed: of the choice of neurons.
        times: copies of each.
        share: of the neurons of every hidden layer that are split.

    Raises:
        TypeError: not a multilayer perceptron.
        ValueError: times below 1, or a share that is not from 0 to 1.

    Source: Chen, Goodfellow and Shlens (2016), to widen networks.

    Examples:
        >>> from course_lib.training import mlp
        >>> model, X = mlp((3, 5, 2), 0), torch.randn(4, 3)
        >>> twin = split(model, seed=0)
        >>> twin[0].out_features, torch.allclose(twin(X), model(X), atol=1e-6)
        (10, True)
    """
    if times < 1 or not 0 <= share <= 1:
        raise ValueError(
            f"given times={times} and share={share}, expected at least 1 copy and a share from 0 "
            "to 1."
        )
    generator = torch.Generator().manual_seed(seed)

    def change(hidden: Hidden) -> None:
        neurons = hidden.before.out_features
        copies = torch.ones(neurons, dtype=torch.int64)
        copies[torch.randperm(neurons, generator=generator)[: round(share * neurons)]] = times
        origin = torch.arange(neurons).repeat_interleave(copies)
        _rebuild(hidden, origin, 1 / copies[origin].double())

    return _changed(model, UNIT_BY_UNIT, change)


def with_idle(model: nn.Sequential, seed: int, count: int, size: float) -> nn.Sequential:
    """Add neurons to every hidden layer that listen and say nothing: all outgoing weights are 0.

    Args:
        model: with any activation that treats each neuron by itself.
        seed: of their incoming weights, normal with standard deviation `size`.
        count: how many.
        size: of the incoming weights; with a tiny one the neurons are soft in every respect.

    Raises:
        TypeError: not a multilayer perceptron.
    """
    generator = torch.Generator().manual_seed(seed)

    def change(hidden: Hidden) -> None:
        own = hidden.before.out_features
        origin = torch.cat([torch.arange(own), torch.zeros(count, dtype=torch.int64)])
        _rebuild(hidden, origin, (torch.arange(own + count) < own).float())
        new = torch.randn(count, hidden.before.in_features, generator=generator)
        hidden.before.weight[own:] = size * new
        hidden.before.bias[own:] = 0

    return _changed(model, UNIT_BY_UNIT, change)


def merged(model: nn.Sequential, tolerance: float = 1e-4) -> nn.Sequential:
    """Join neurons that say the same up to a positive factor, adding what leaves them.

    To cluster before one cuts: it undoes `split`, however the copies were rescaled.

    Args:
        model: with an activation that passes positive factors through.
        tolerance: the largest distance between the directions of incoming weights and bias of two
            neurons that are joined. The function is kept exactly if they are parallel.

    Raises:
        TypeError: not a multilayer perceptron, or with an activation that is not homogeneous.
    """

    def change(hidden: Hidden) -> None:
        rows = torch.cat([hidden.before.weight, hidden.before.bias.unsqueeze(1)], dim=1)
        length = rows.norm(dim=1)
        ways = rows / length.clamp(min=torch.finfo(rows.dtype).tiny).unsqueeze(1)
        same = torch.cdist(ways, ways, compute_mode="donot_use_mm_for_euclid_dist") <= tolerance
        leader = same.to(torch.int8).argmax(dim=1)  # the first neuron that says the same
        told = hidden.after.weight * length
        own = (leader == torch.arange(len(leader))).nonzero().squeeze(1)
        told = torch.zeros_like(told).index_add_(1, leader, told)[:, own]
        _rebuild(hidden, own, torch.ones(len(own)))
        hidden.after.weight.copy_(told / length[own].clamp(min=torch.finfo(rows.dtype).tiny))

    return _changed(model, HOMOGENEOUS, change)


# Machinery


@torch.no_grad()
def _changed(
    model: nn.Sequential, activations: tuple[type, ...], change: Callable[[Hidden], None]
) -> nn.Sequential:
    """Return a copy whose hidden layers have been changed, one after another from the input on."""
    layers = list(model) if isinstance(model, nn.Sequential) else []
    linear, between = layers[::2], layers[1::2]
    if (
        len(layers) % 2 == 0
        or any(type(layer) is not nn.Linear or layer.bias is None for layer in linear)
        or any(type(layer) not in activations for layer in between)
    ):
        raise TypeError(
            f"model: given {[type(layer).__name__ for layer in layers] or type(model).__name__}, "
            "expected an nn.Sequential of Linear layers with biases and, between them, one of "
            f"{', '.join(kind.__name__ for kind in activations)}: with others the function would "
            "not stay the same."
        )
    twin = copy.deepcopy(model)
    for place in range(0, len(layers) - 1, 2):
        before, after = twin[place], twin[place + 2]
        assert isinstance(before, nn.Linear) and isinstance(after, nn.Linear)
        change(Hidden(before, after))
    return twin


def _scale(hidden: Hidden, factors: Tensor) -> None:
    """Multiply incoming weights and biases by a factor each; divide outgoing weights by it."""
    hidden.before.weight.mul_(factors.unsqueeze(1))
    hidden.before.bias.mul_(factors)
    hidden.after.weight.div_(factors)


def _rebuild(hidden: Hidden, origin: Tensor, says: Tensor) -> None:
    """Make neurons anew, each a copy of one of the old, whose outgoing weights get a factor."""
    before, after = hidden
    before.weight = nn.Parameter(before.weight[origin])
    before.bias = nn.Parameter(before.bias[origin])
    after.weight = nn.Parameter(after.weight[:, origin] * says.to(after.weight.dtype))
    before.out_features = after.in_features = len(origin)
