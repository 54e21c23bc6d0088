"""Learning rates over time: functions from progress (0 to 1) to a factor of the peak.

The rate at step t of T is `peak * schedule(t / T)`. Used in chapters 02 to 13, compared in 09.
"""

import math
from collections.abc import Callable

Schedule = Callable[[float], float]


def constant(progress: float) -> float:
    """Stay at the peak."""
    return 1.0


def linear(progress: float) -> float:
    """Fall on a straight line to zero."""
    return 1 - progress


def cosine(progress: float) -> float:
    """Fall along half a cosine to zero. Source: Loshchilov and Hutter (2017)."""
    return (1 + math.cos(math.pi * progress)) / 2


def exponential(end: float = 0.01) -> Schedule:
    """Fall by equal factors in equal times, to the share `end` of the peak."""
    if not 0 < end <= 1:
        raise ValueError(f"end: given {end}, expected a share of the peak, above 0 and at most 1.")
    return lambda progress: end**progress


def drops(*at: float, factor: float = 0.1) -> Schedule:
    """Fall abruptly, by a factor, whenever progress passes one of the points."""
    return lambda progress: factor ** sum(progress >= point for point in at)
