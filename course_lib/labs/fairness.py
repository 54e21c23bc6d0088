"""Who pays for pruning: accuracy by group, gaps and ratios, the examples that were lost.

Predictions are int arrays (S, n): one row for each network, or *seed*. Groups are named by an array
of strings (n,), one for each example. Networks are compared seed by seed: row s before pruning and
row s after it began from the same values and saw the same examples.

Used in chapter 11.
"""

import copy
import warnings
from collections.abc import Callable, Iterator, Sequence
from http.client import HTTPException
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from fairlearn.datasets import fetch_adult
from fairlearn.metrics import MetricFrame
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score
from torch import Tensor

from course_lib.masks import Mask
from course_lib.pruning.iterative import iterative_pruning, prune_model
from course_lib.teaching import interval
from course_lib.training.data import Data, cache_folder
from course_lib.training.fit import Recipe
from course_lib.training.replicas import Replicas
from course_lib.training.trainer import Train, Trainer

Array = NDArray[Any]
Way = Callable[[Replicas, Train, Sequence[float]], Iterator[Replicas]]

# Data with groups


class Grouped(NamedTuple):
    """Examples to learn from, and examples to be judged by that know their group.

    X, X_test: float32, one example a row. y, y_test: int64. group, group_test: names, one for each
    example; no network sees them. weight_test: how many people of the world a test example stands
    for, relatively; it matters where the test set holds more of a group than the world does.
    """

    X: Tensor
    y: Tensor
    group: Array
    X_test: Tensor
    y_test: Tensor
    group_test: Array
    weight_test: Array


def transposed(X: Tensor) -> Tensor:
    """Exchange rows and columns of square pictures, one a row of X (n, side * side)."""
    side = round(X.shape[1] ** 0.5)
    if side * side != X.shape[1]:
        raise ValueError(f"X: given {X.shape[1]} pixels a row, expected those of a square picture.")
    return X.view(-1, side, side).mT.flatten(1)


def scrambled(X: Tensor) -> Tensor:
    """Put the features of all examples (n, features) into another order, always the same one."""
    return X[:, torch.randperm(X.shape[1], generator=torch.Generator().manual_seed(7))]


def with_minority(
    data: Data,
    change: Callable[[Tensor], Tensor],
    *,
    share: float,
    seed: int,
    names: tuple[str, str] = ("majority", "minority"),
) -> Grouped:
    """Make a minority: some training examples are changed, and their labels stay.

    Args:
        data: all of one group.
        change: what makes the minority different, such as `transposed`.
        share: of the training examples that are changed, to the nearest whole example.
        seed: which ones.
        names: of the two groups.

    Returns:
        Every test example appears twice, once in each group: what is hard for one group is then
        never that its members were harder. The weights give each group its share again.

    Raises:
        ValueError: a share that leaves one group empty.

    Used in chapter 11.
    """
    count = round(share * len(data.X))
    if not 0 < count < len(data.X):
        raise ValueError(
            f"share: given {share}, which makes {count} of {len(data.X)} examples a minority; "
            "expected some in both groups."
        )
    order = torch.randperm(len(data.X), generator=torch.Generator().manual_seed(seed))
    X, group = data.X.clone(), np.full(len(data.X), names[0], dtype=object)
    X[order[:count]] = change(X[order[:count]])
    group[order[:count].numpy()] = names[1]
    tests = len(data.X_test)
    return Grouped(
        X,
        data.y,
        group.astype(str),
        torch.cat([data.X_test, change(data.X_test)]),
        data.y_test.repeat(2),
        np.repeat(names, tests),
        np.repeat([1 - share, share], tests),
    )


def table(people: Any, outcome: Any, group: str, *, seed: int, held: float = 0.3) -> Grouped:
    """Turn a table of people into numbers to learn from.

    Numbers are centred and scaled by the training rows, a missing one becomes the mean; words
    become a column for each word, a missing one a column of its own. The group's own column is left
    out: the network is not told it, though other columns may tell. A person without a group or
    without an outcome can neither teach nor be judged by: that row is left out.

    Args:
        people: a pandas DataFrame, one person a row.
        outcome: a pandas Series, what is to be predicted.
        group: the column that names each person's group.
        seed: which rows are held for the test.
        held: their share.

    Raises:
        ValueError: no such column or no other, lengths that differ, no row with both a group and an
            outcome, infinite numbers, or a group with no row on one side.

    Used in chapter 11.
    """
    if group not in people.columns or len(people) != len(outcome):
        raise ValueError(
            f"given {len(people)} people with columns {list(people.columns)} and {len(outcome)} "
            f"outcomes, expected as many outcomes as people and a column {group!r}."
        )
    if len(people.columns) == 1:
        raise ValueError(f"given no column but {group!r}, expected some to learn from.")
    known = people[group].notna().to_numpy() & outcome.notna().to_numpy()
    if not known.any():
        raise ValueError(f"{group}: no row has both a group and an outcome, expected some.")
    people, outcome = people[known], outcome[known]
    names = people[group].astype(str).to_numpy()
    order = np.random.default_rng(seed).permutation(len(people))
    test, train = np.split(order, [round(held * len(people))])
    for name in np.unique(names):
        if not (name in names[test] and name in names[train]):
            raise ValueError(f"{group}: all {name!r} are on one side, expected some on both.")
    columns = []
    for label, column in people.drop(columns=group).items():
        if column.dtype.kind in "biuf":
            values = column.to_numpy(dtype=float, na_value=np.nan)
            if np.isinf(values).any():
                raise ValueError(f"{label}: given infinite numbers, expected finite or missing.")
            told = values[train][~np.isnan(values[train])]
            mean, spread = (told.mean(), told.std()) if len(told) else (0.0, 0.0)
            columns.append(np.where(np.isnan(values), 0.0, (values - mean) / (spread or 1.0)))
        else:
            words = column.astype(object).where(column.notna(), "missing").astype(str).to_numpy()
            columns += [(words == word).astype(float) for word in np.unique(words)]
    X = torch.from_numpy(np.stack(columns, axis=1)).float()
    y = torch.from_numpy(np.unique(outcome.astype(str), return_inverse=True)[1])
    ones = np.ones(len(test))
    return Grouped(X[train], y[train], names[train], X[test], y[test], names[test], ones)


def census(group: str = "sex", *, seed: int) -> Grouped:
    """Fetch the census table of 1994, 48,842 people: who earns more than 50,000 dollars a year?

    Args:
        group: the column that names the groups, such as "sex" or "race".
        seed: which rows are held for the test.

    Raises:
        ConnectionError: it is not on this machine yet and there is no network to fetch it by.
        PermissionError: there is no place to keep it.
        ValueError: as `table`.

    Source: Kohavi (1996), by fairlearn from openml.org. Used in chapter 11, in an exercise.
    """
    try:
        folder = cache_folder() / "census"
        folder.mkdir(parents=True, exist_ok=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that it tries again; what counts is said below
            found = fetch_adult(data_home=str(folder), as_frame=True)
    except (PermissionError, FileNotFoundError, NotADirectoryError) as error:
        raise PermissionError(
            "The census table is fetched once and then kept, and there is no place for it "
            f"({error}). Name a folder that you may write to in the variable COURSE_CACHE."
        ) from error
    except (OSError, HTTPException) as error:
        raise ConnectionError(
            f"The census table is not on this machine, and fetching it failed ({error}). Connect "
            "to the network once and call this again, or go on with the digits, which need none."
        ) from error
    return table(found.data, found.target, group, seed=seed)


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
    make: Callable[[int], Grouped],
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

    Used in chapter 11.
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

    Source: Bird et al. (2020), for MetricFrame. Used in chapter 11.
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

    What was won is `lost(y, after, before)`: accuracy falls by the mean of the one less the other.

    Raises:
        ValueError: predictions that are not (S, n) classes for y (n,), or not as many networks.

    Used in chapter 11.
    """
    y, before, after = np.asarray(y), _rows(before, y), _rows(after, y)
    if len(before) != len(after):
        raise ValueError(
            f"given {len(before)} networks before and {len(after)} after, expected the same ones."
        )
    return cast(Array, (before == y) & (after != y))


def body(predicted: Array) -> Array:
    """Return the class that most networks give each example: (S, n) to (n,).

    Of classes that tie it is the smallest. Used in chapter 11.

    Raises:
        ValueError: predictions that are not (S, n) classes.
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

    Source: Hooker et al. (2019), "pruning identified exemplars". Used in chapter 11.
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

    Used in chapter 11.
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

    Source: Kitagawa (1955), who standardised death rates so. Used in chapter 11.
    """
    return cast(Array, others[np.digitize(margin, edges)].mean(axis=1))


# The report card


def report_card(
    y: Array,
    group: Array,
    before: Array,
    after: Array,
    *,
    density: float,
    groups: tuple[str, str],
    weight: Array | None = None,
) -> dict[str, Any]:
    """Sum up whom pruning hurt, as plain data that JSON can say.

    Args:
        y: right classes (n,).
        group: names (n,).
        before: predictions of the dense networks (S, n), S at least 2.
        after: of the pruned ones.
        density: of these.
        groups: the two to compare; the gap is the accuracy of the first less that of the second.
        weight: of each example, for the overall accuracy.

    Returns:
        "density" and "networks"; by group and overall under "accuracy", and under "gap": means
        "before" and "after", and "change" as mean, low, high, paired; "ratio of accuracies" (second
        to first) and "ratio of errors" of the means over networks, None where the first group never
        errs; and under "examples" by group: "count", the mean shares "lost" and "won", and the
        indices of its "exemplars".

    Raises:
        ValueError: an unknown group, fewer than two networks, or as `accuracies`.

    Source: after Mitchell et al. (2019). Used in chapter 11.
    """
    old, new = (accuracies(y, predicted, group, weight) for predicted in (before, after))
    members = {name: np.asarray(group).astype(str) == name for name in old if name != "overall"}
    if len(set(groups)) != 2 or not set(groups) <= set(members):
        raise ValueError(f"groups: given {groups}, expected two of {list(members)}.")
    first, second = groups

    def told(earlier: Array, later: Array) -> dict[str, Any]:
        change = list(interval(later - earlier))
        return {"before": float(earlier.mean()), "after": float(later.mean()), "change": change}

    def ratio(share: Callable[[Array], Array]) -> dict[str, float | None]:
        means = {
            when: [float(share(found[name]).mean()) for name in groups]
            for when, found in (("before", old), ("after", new))
        }
        return {when: b / a if a else None for when, (a, b) in means.items()}

    gone, won = lost(y, before, after), lost(y, after, before)
    changed = exemplars(before, after)
    return {
        "density": float(density),
        "networks": len(gone),
        "accuracy": {name: told(old[name], new[name]) for name in old},
        "gap": told(old[first] - old[second], new[first] - new[second]),
        "ratio of accuracies": ratio(lambda accuracy: accuracy),
        "ratio of errors": ratio(lambda accuracy: 1 - accuracy),
        "examples": {
            name: {
                "count": int(own.sum()),
                "lost": float(gone[:, own].mean()),
                "won": float(won[:, own].mean()),
                "exemplars": changed[own[changed]].tolist(),
            }
            for name, own in members.items()
        },
    }


def card_table(card: dict[str, Any]) -> str:
    """Write a report card as a table in Markdown.

    Used in chapter 11.
    """

    def row(name: str, told: dict[str, Any]) -> str:
        mean, low, high = (f"{100 * v:+.1f}".replace("-", "\N{MINUS SIGN}") for v in told["change"])
        before, after = (f"{100 * told[when]:.1f}" for when in ("before", "after"))
        return f"| {name} | {before} | {after} | {mean} [{low}, {high}] |"

    def ratio(name: str) -> str:
        before, after = ("" if v is None else f"{v:.2f}" for v in card[name].values())
        return f"| {name} | {before} | {after} | |"

    lines = [
        f"| density {card['density']:.3g}, {card['networks']} networks | before | after | change |",
        "|---|---|---|---|",
        *(row(f"accuracy, {name} (%)", told) for name, told in card["accuracy"].items()),
        row("gap (points)", card["gap"]),
        *(ratio(name) for name in ("ratio of accuracies", "ratio of errors")),
    ]
    for name, own in card["examples"].items():
        lines.append(f"| exemplars, {name} | | {len(own['exemplars'])} of {own['count']} | |")
    return "\n".join(lines)
