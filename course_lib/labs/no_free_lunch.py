"""Labels that teach nothing: every possible truth counted, and labels drawn by chance.

A *learner* here is a function (X, y, X_new) -> y_new: it gets examples (m, features) with their
classes (m,), int64, and must name a class for each row of X_new. Some points of a small world are
seen with their labels, the others are not; `worlds` lets a learner try every labelling there is.
"""

import math
from collections.abc import Callable, Sequence
from itertools import product

import torch
from torch import Tensor

Learner = Callable[[Tensor, Tensor, Tensor], Tensor]

MOST_WORLDS = 1_000_000


# Every truth there is


def cube(bits: int) -> Tensor:
    """Return all points with so many coordinates 0 or 1, int64 (2**bits, bits), in binary order.

    Raises:
        ValueError: bits is not from 1 to 16.

    Examples:
        >>> cube(2).tolist()
        [[0, 0], [0, 1], [1, 0], [1, 1]]
    """
    if not 1 <= bits <= 16:
        raise ValueError(f"bits: given {bits}, expected from 1 to 16.")
    return torch.tensor(list(product((0, 1), repeat=bits)))


def labellings(points: int, classes: int = 2) -> Tensor:
    """Return every way to give a class to each point, int64 (classes**points, points).

    Raises:
        ValueError: no points, fewer than two classes, or more than a million ways.

    Examples:
        >>> labellings(2).tolist()
        [[0, 0], [0, 1], [1, 0], [1, 1]]
    """
    _check_count(points, classes)
    return torch.tensor(list(product(range(classes), repeat=points)))


def worlds(learner: Learner, X: Tensor, seen: Sequence[int], classes: int = 2) -> Tensor:
    """Let a learner loose in every world: count its hits on the points that it has not seen.

    A world is a class for each of the n points. The learner is shown the m points `seen` with
    their labels, and names a class for each of the others.

    Args:
        learner: called once for every labelling of the seen points.
        X: the points, (n, features).
        seen: the rows of X that are shown, in this order.
        classes: how many there are.

    Returns:
        Hits, int64 (classes**m, classes**(n - m)): a row for each labelling of the seen points, a
        column for each of the others, in the order of `labellings`; so, each world once.

    Raises:
        ValueError: seen names no point, all points, one twice or one that is not there; too many
            worlds; or a learner that does not return one class from 0 for each unseen point.

    Source: Wolpert (1996).
    """
    _check_seen(seen, len(X), classes)
    hidden = [i for i in range(len(X)) if i not in seen]
    given, truth = labellings(len(seen), classes), labellings(len(hidden), classes)
    told = torch.stack([learner(X[list(seen)], y, X[hidden]) for y in given])
    _check_told(told, len(hidden), classes)
    hits: Tensor = (told.unsqueeze(1) == truth).sum(dim=-1)
    return hits


def linear_rules(X: Tensor) -> Tensor:
    """Return the labellings of points of a cube that one line, plane, ... can draw.

    A point x gets 1 where w'x > b. On the cube of up to three bits the integers w from -2 to 2
    with b halfway between integers draw all there are: 4, 14 and 104.

    Args:
        X: points with at most three coordinates 0 or 1, (n, bits).

    Returns:
        int64 (rules, n), each once, in the order of `labellings`.

    Raises:
        ValueError: more than three coordinates, or others than 0 and 1.

    Source: Muroga (1971).

    Examples:
        >>> len(linear_rules(cube(2)))  # of 16 labellings; the two of "either, or" are missing
        14
    """
    bits = X.shape[-1]
    if bits > 3 or not ((X == 0) | (X == 1)).all():
        raise ValueError(f"X: given {bits} coordinates, expected at most three, each 0 or 1.")
    w = torch.tensor(list(product(range(-2, 3), repeat=bits)))
    b = torch.arange(-7, 7) + 0.5
    drawn = (X @ w.T).unsqueeze(-1) > b  # (n, slopes, offsets)
    rules: Tensor = drawn.flatten(1).T.long().unique(dim=0)
    return rules


# Learners


def nearest(X: Tensor, y: Tensor, X_new: Tensor) -> Tensor:
    """Name the class of the nearest example; of equally near ones, the first.

    Source: Cover and Hart (1967).

    Examples:
        >>> X, y = torch.tensor([[0.0], [10.0]]), torch.tensor([3, 7])
        >>> nearest(X, y, torch.tensor([[1.0], [8.0]]))
        tensor([3, 7])
    """
    # Differences, not the faster formula by products: its rounding would break exact ties.
    mode = "donot_use_mm_for_euclid_dist"
    return y[torch.cdist(X_new.double(), X.double(), compute_mode=mode).argmin(dim=1)]


def majority(X: Tensor, y: Tensor, X_new: Tensor) -> Tensor:
    """Name the commonest class for everything; of equally common ones, the lowest.

    Examples:
        >>> majority(torch.zeros(3, 1), torch.tensor([2, 5, 5]), torch.zeros(2, 1))
        tensor([5, 5])
    """
    return y.bincount().argmax().expand(len(X_new))


def contrary(learner: Learner, classes: int = 2) -> Learner:
    """Return a learner that hears another one and says the next class.

    Examples:
        >>> contrary(majority, 10)(torch.zeros(3, 1), torch.tensor([2, 5, 5]), torch.zeros(2, 1))
        tensor([6, 6])
    """
    return lambda X, y, X_new: (learner(X, y, X_new) + 1) % classes


# Labels by chance


def toss(size: Sequence[int], chances: Tensor, seed: int) -> Tensor:
    """Draw labels independently of everything: class c with chance chances[c], int64 of a size.

    Args:
        size: of what is drawn.
        chances: of each class, (C,).
        seed: of the draw.

    Raises:
        ValueError: chances that are no probabilities.

    Examples:
        >>> toss([8], torch.tensor([0.0, 0.5, 0.5]), seed=0).min()  # no class without a chance
        tensor(1)
    """
    chances = torch.as_tensor(chances, dtype=torch.float64)
    if chances.ndim != 1 or not (chances >= 0).all() or abs(chances.sum().item() - 1) > 1e-6:
        raise ValueError(f"chances: given {chances.tolist()}, expected numbers >= 0 that sum to 1.")
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.rand(tuple(size), generator=generator, dtype=torch.float64)
    # The last class that has a chance takes what rounding leaves over.
    edges = chances.cumsum(0)[: int(chances.nonzero().max())]
    return torch.bucketize(drawn, edges, right=True)


def replace_labels(y: Tensor, share: float, seed: int, classes: int = 10) -> Tensor:
    """Give each label, with a chance, to a fair die: what it was before leaves no trace.

    Args:
        y: classes, int64 of any shape.
        share: the chance of each label to be replaced, from 0 to 1.
        seed: of the choice and of the die; the same labels are replaced first as the share grows.
        classes: sides of the die. It may show the old label.

    Raises:
        ValueError: share out of range.

    Source: Zhang et al. (2017).

    Examples:
        >>> torch.equal(replace_labels(torch.arange(10), 0.0, seed=0), torch.arange(10))
        True
    """
    if not 0 <= share <= 1:
        raise ValueError(f"share: given {share}, expected from 0 to 1.")
    generator = torch.Generator().manual_seed(seed)
    chosen = torch.rand(y.shape, generator=generator) < share
    return torch.where(chosen, torch.randint(classes, y.shape, generator=generator), y)


def expected_accuracy(predicted: Tensor, chances: Tensor) -> Tensor:
    """Return the accuracy to expect on labels that are tossed afresh: the sum of q_c p_c.

    q_c is the share of the predictions that name class c; nothing else about them matters.

    Args:
        predicted: classes, int64 (..., n).
        chances: p, (C,): the law of the labels.

    Returns:
        float64 (...).

    Examples:
        >>> expected_accuracy(torch.tensor([0, 0, 1]), torch.tensor([0.75, 0.25]))
        tensor(0.5833, dtype=torch.float64)
    """
    return torch.as_tensor(chances, dtype=torch.float64)[predicted].mean(dim=-1)


# Checks


def _check_seen(seen: Sequence[int], n: int, classes: int) -> None:
    """Raise ValueError unless some, and not all, of n points are seen, in a world small enough."""
    shown = set(seen)
    if not shown or len(shown) != len(seen) or not shown < set(range(n)):
        raise ValueError(
            f"seen: given {list(seen)}, expected some of the rows 0 to {n - 1}, each once, "
            "and not all of them."
        )
    _check_count(n, classes)


def _check_count(points: int, classes: int) -> None:
    """Raise ValueError where labellings make no sense or are too many to try."""
    if points < 1 or classes < 2 or points * math.log(classes) > math.log(MOST_WORLDS):
        raise ValueError(
            f"given {points} points and {classes} classes, expected at least one point, two "
            f"classes, and at most {MOST_WORLDS:,} labellings. Enumeration is for small worlds."
        )


def _check_told(told: Tensor, unseen: int, classes: int) -> None:
    """Raise ValueError unless a learner named a class for each unseen point."""
    if told.shape[1:] != (unseen,) or not ((told >= 0) & (told < classes)).all():
        raise ValueError(
            f"learner: it returned shape {tuple(told.shape[1:])} with values from {told.min()} to "
            f"{told.max()}, expected {unseen} classes from 0 to {classes - 1}."
        )
