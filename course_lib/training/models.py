"""The networks of the chapters."""

import math
from collections.abc import Sequence
from itertools import pairwise

from torch import nn

from course_lib.training.examples import seeded


def mlp(sizes: Sequence[int], seed: int, gain: float = 1.0) -> nn.Sequential:
    """Make a multilayer perceptron with ReLU between its layers.

    Args:
        sizes: units of each layer, the inputs first: (40, 100, 100, 10).
        seed: of the initial values, uniform in +-gain/sqrt(inputs), as torch's own at gain 1.
        gain: 1 is torch's default start; sqrt(6) = 2.45 is He's.

    Raises:
        TypeError: the seed is no integer.
        ValueError: fewer than two sizes, or one that is not positive.

    Examples:
        >>> model = mlp((40, 100, 10), seed=0)
        >>> [tuple(p.shape) for p in model.parameters()]
        [(100, 40), (100,), (10, 100), (10,)]

    Source: He et al. (2015), for the gain.
    """
    if len(sizes) < 2 or min(sizes) < 1:
        raise ValueError(f"sizes: given {tuple(sizes)}, expected at least two positive integers.")
    generator = seeded(seed)
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes):
        layer = nn.utils.skip_init(nn.Linear, inputs, outputs)
        bound = gain / math.sqrt(inputs)
        for parameter in layer.parameters():
            nn.init.uniform_(parameter, -bound, bound, generator=generator)
        layers += [layer, nn.ReLU()]
    return nn.Sequential(*layers[:-1])
