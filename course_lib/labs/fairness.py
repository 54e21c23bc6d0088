"""Who pays for pruning: accuracy by group, gaps and ratios, the examples that were lost.

Predictions are int arrays (S, n): one row for each network, or *seed*. Groups are named by an array
of strings (n,), one for each example. Networks are compared seed by seed: row s before pruning and
row s after it began from the same values and saw the same examples.
"""

import copy
from collections.abc import Callable, Iterator, Sequence
from typing import cast

import numpy as np
import torch
from fairlearn.metrics import MetricFrame
from sklearn.metrics import accuracy_score
from torch import Tensor

from course_lib.labs import people
from course_lib.labs.people import Array
from course_lib.masks import Mask
from course_lib.old_names import left
from course_lib.pruning import iterative_pruning, prune_model
from course_lib.training import Recipe, Replicas, Train, Trainer

Way = Callable[[Replicas, Train, Sequence[float]], Iterator[Replicas]]

__getattr__ = left(__name__)


# Networks, before and after


def in_rounds(model: Replicas, train: Train, densities: Sequence[float]) -> Iterator[Replicas]:
    """Yield the dense network, then one for each density: cut, rewound, and trained once."""
    cuts = list(densities)
    for _ in iterative_pruning(model, train, densities=cuts, scope="tensor", rewind_step=0):
        yield model


def at_one_stroke(model: Replicas, train: Train, densities: Sequence[float]) -> Iterator[Replicas]:
    """Yield a network trained twice, then one for each density: trained, cut, trained again."""
    train(model)
    for density in (1.0, *densities):
        pruned = copy.deepcopy(model)
        mask = prune_model(pruned, Mask.ones_like(pruned), density=density, scope="tensor")
        train(pruned, mask, round=1)
        yield pruned


@torch.no_grad()
def logits(
    make: Callable[[int], people.Grouped],
    way: Way,
    densities: Sequence[float],
    seeds: Sequence[int],
    *,
    recipe: Recipe,
    hidden: Sequence[int] = (100, 100),
) -> Tensor:
    """Train and prune a network for each seed, on that seed's own data, and ask it the test.

    All networks of a way have had the same training, the dense one too.

    Args:
        make: the data of a seed; its test examples are the same for all.
        way: `in_rounds` or `at_one_stroke`.
        densities: falling.
        seeds: of the data, the initial values and the batches.
        recipe: of each training.
        hidden: units of the hidden layers.

    Returns:
        Logits (1 + len(densities), S, n_test, classes); the first are those of dense networks.
    """
    answers = []
    for seed in seeds:
        data = make(seed)
        sizes = (data.X.shape[1], *hidden, int(data.y.max()) + 1)
        train = Trainer((data.X, data.y), recipe, seeds=[seed])
        networks = way(Replicas.of(sizes, [seed]), train, densities)
        answers.append(torch.cat([network(data.X_test) for network in networks]))
    return torch.stack(answers, dim=1)


# Measures


def accuracies(
    y: Array, predicted: Array, group: Array, weight: Array | None = None
) -> dict[str, Array]:
    """Return the accuracy of each group and, as "overall", of all: arrays (S,).

    With the classes themselves for groups it gives the accuracy within each class.

    Args:
        y: right classes (n,).
        predicted: classes (S, n).
        group: names (n,).
        weight: of each example; all alike if not given.

    Raises:
        ValueError: shapes that differ, nothing to count, a group that is called "overall", a weight
            that is not positive.

    Source: Bird et al. (2020), for MetricFrame.

    Examples:
        >>> found = accuracies([0, 1, 1], [[0, 1, 0]], ["town", "town", "country"])
        >>> {name: share.tolist() for name, share in found.items()}
        {'country': [0.0], 'town': [1.0], 'overall': [0.6666666666666666]}
    """
    y, predicted, group = np.asarray(y), _rows(predicted, y), np.asarray(group).astype(str)
    weight = np.ones(len(y)) if weight is None else np.asarray(weight)
    for name, given in (("group", group), ("weight", weight)):
        if given.shape != y.shape:
            raise ValueError(f"{name}: given shape {given.shape}, expected that of y, {y.shape}.")
    if "overall" in group:
        raise ValueError("group: given one called 'overall', expected another name for it.")
    if not (np.isfinite(weight).all() and (weight > 0).all()):
        raise ValueError("weight: given some that are not positive and finite; expected all to be.")
    count = len(predicted)
    frame = MetricFrame(
        metrics=accuracy_score,
        y_true=np.tile(y, count),
        y_pred=predicted.ravel(),
        sensitive_features=np.tile(group, count),
        control_features=np.repeat(np.arange(count), len(y)),  # each network by itself
        sample_params={"sample_weight": np.tile(weight, count)},
    )
    by_group = frame.by_group.unstack()
    found = {str(name): by_group[name].to_numpy(dtype=float) for name in by_group}
    return {**found, "overall": frame.overall.to_numpy(dtype=float)}


def _rows(predicted: Array, y: Array | None = None) -> Array:
    """Return predictions as an array, or raise ValueError if they are not classes (S, n)."""
    predicted = np.asarray(predicted)
    wanted = predicted.shape[1:] if y is None else np.shape(y)
    is_table = predicted.ndim == 2 and predicted.size and predicted.shape[1:] == wanted
    if not is_table or predicted.dtype.kind not in "iu" or predicted.min() < 0:
        raise ValueError(
            f"predictions: given {predicted.dtype} {predicted.shape}, expected classes 0, 1, ... "
            f"in a row for each network{'' if y is None else f' of {len(y)} examples'}. Take the "
            "argmax of the logits."
        )
    return predicted


def lost(y: Array, before: Array, after: Array) -> Array:
    """Tell which examples were right before and are wrong after, bool (S, n).

    What was won is `lost(y, after, before)`: accuracy falls by the mean of the one minus the other.

    Args:
        y: right classes (n,).
        before: predictions (S, n).
        after: predictions (S, n) of the same networks.

    Raises:
        ValueError: predictions that are not (S, n) classes for y (n,), or not as many networks.

    Examples:
        >>> lost([0, 1, 1], [[0, 1, 0]], [[0, 0, 1]]).tolist()
        [[False, True, False]]
    """
    y, before, after = np.asarray(y), _rows(before, y), _rows(after, y)
    if len(before) != len(after):
        raise ValueError(
            f"given {len(before)} networks before and {len(after)} after, expected the same ones."
        )
    return cast(Array, (before == y) & (after != y))


def body(predicted: Array) -> Array:
    """Return the class that most networks give each example: (S, n) to (n,).

    Of classes that tie it is the smallest.

    Args:
        predicted: classes (S, n).

    Raises:
        ValueError: predictions that are not (S, n) classes.

    Examples:
        >>> body([[0, 2], [1, 2], [1, 0]]).tolist()
        [1, 2]
    """
    predicted = _rows(predicted)
    classes = np.arange(predicted.max() + 1)[:, None, None]
    return cast(Array, (predicted == classes).sum(axis=1).argmax(axis=0))


def exemplars(before: Array, after: Array) -> Array:
    """Return the indices of examples on which the networks before and after differ as a body.

    It needs no labels: it finds what is worth a person's look.

    Args:
        before: predictions (S, n) of the dense networks.
        after: of the pruned ones.

    Raises:
        ValueError: predictions that are not classes, of the same examples.

    Source: Hooker et al. (2019), "pruning identified exemplars".

    Examples:
        >>> exemplars([[0, 1], [0, 1]], [[0, 2], [0, 2]]).tolist()
        [1]
    """
    if np.shape(before)[1:] != np.shape(after)[1:]:
        raise ValueError(
            f"given predictions {np.shape(before)} before and {np.shape(after)} after, expected "
            "columns for the same examples."
        )
    return np.flatnonzero(body(before) != body(after))


def rates(margin: Array, right: Array, edges: Array) -> Array:
    """Return the share of examples that are right after pruning, by their margin before.

    Args:
        margin: before, any shape.
        right: after, bool, of the same shape.
        edges: rising; between and beyond them lie the bins, one more than there are edges.

    Raises:
        ValueError: a bin without examples, margins that are not finite, or shapes that differ.

    Examples:
        >>> margin, right = np.array([-1.0, 0.5, 2.0, 0.4]), np.array([0, 1, 1, 0])
        >>> rates(margin, right, np.array([0.0, 1.0])).tolist()
        [0.0, 0.5, 1.0]
    """
    margin, right = np.asarray(margin), np.asarray(right)
    if margin.shape != right.shape or not np.isfinite(margin).all():
        raise ValueError(
            f"margin: given shape {margin.shape} for outcomes {right.shape}, expected the same, "
            "and finite numbers."
        )
    place = np.digitize(margin, edges).ravel()
    count = np.bincount(place, minlength=len(edges) + 1)
    if not count.all():
        raise ValueError(
            f"edges: {np.count_nonzero(count == 0)} of {len(count)} bins hold no example; expected "
            "some in each. Take fewer bins."
        )
    return np.bincount(place, np.ravel(right), len(edges) + 1) / count


def foretold(margin: Array, edges: Array, others: Array) -> Array:
    """Return the accuracy (S,) of a group that fares, margin for margin, as the others did.

    Args:
        margin: of the group before pruning, (S, n).
        edges: of the bins.
        others: what `rates` said of the other group in these bins.

    Source: Kitagawa (1955), who standardised death rates so.

    Examples:
        >>> foretold(np.array([[-1.0, 2.0]]), np.array([0.0]), np.array([0.25, 0.75])).tolist()
        [0.5]
    """
    return cast(Array, others[np.digitize(margin, edges)].mean(axis=1))
