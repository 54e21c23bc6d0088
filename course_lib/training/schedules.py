"""Learning rates over time: functions from progress (0 to 1) to a factor of the peak.

The rate at step t of T is `peak * schedule(t / T)`.
"""

import math
from collections.abc import Callable

Schedule = Callable[[float], float]


def constant(progress: float) -> float:
    """Stay at the peak.

    Examples:
        >>> constant(0.5)
        1.0
    """
    return 1.0


def linear(progress: float) -> float:
    """Fall on a straight line to zero.

    Examples:
        >>> linear(0.25)
        0.75
    """
    return 1 - progress


def cosine(progress: float) -> float:
    """Fall along half a cosine to zero. Source: Loshchilov and Hutter (2017).

    Examples:
        >>> cosine(0.0), cosine(0.5), cosine(1.0)
        (1.0, 0.5, 0.0)
    """
    return (1 + math.cos(math.pi * progress)) / 2


def exponential(end: float = 0.01) -> Schedule:
    """Fall by equal factors in equal times, to the share `end` of the peak.

    Examples:
        >>> half_way = exponential(0.01)(0.5)
        >>> round(half_way, 3)
        0.1
    """
    if not 0 < end <= 1:
        raise ValueError(f"end: given {end}, expected a share of the peak, above 0 and at most 1.")
    return lambda progress: end**progress


def drops(*at: float, factor: float = 0.1) -> Schedule:
    """Fall abruptly, by a factor, whenever progress passes one of the points.

    Examples:
        >>> schedule = drops(0.5, 0.75)
        >>> [round(schedule(progress), 3) for progress in (0.4, 0.6, 0.8)]
        [1.0, 0.1, 0.01]
    """
    return lambda progress: factor ** sum(progress >= point for point in at)
