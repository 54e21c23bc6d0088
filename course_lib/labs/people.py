"""People: examples that know which group they are of, made or from a table.

Examples X are float32, one a row, their classes y int64, and groups are named by an array of
strings, one for each example; no network sees them.
"""

import warnings
from collections.abc import Callable
from http.client import HTTPException
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from fairlearn.datasets import fetch_adult
from numpy.typing import NDArray
from torch import Tensor

from course_lib.training.data import Data, cache_folder

Array = NDArray[Any]


class Grouped(NamedTuple):
    """Examples to learn from, and examples to be judged by that know their group.

    Attributes:
        X: float32, one example a row.
        y: their classes, int64.
        group: their groups' names; no network sees them.
        X_test: as X, of the test.
        y_test: as y, of the test.
        group_test: as group, of the test.
        weight_test: how many people of the world a test example stands for, relatively; it matters
            where the test set holds more of a group than the world does.
    """

    X: Tensor
    y: Tensor
    group: Array
    X_test: Tensor
    y_test: Tensor
    group_test: Array
    weight_test: Array


# A minority, made of examples that are all alike


def transposed(X: Tensor) -> Tensor:
    """Exchange rows and columns of square pictures, one a row of X (n, side * side).

    Args:
        X: (n, side * side).

    Examples:
        >>> transposed(torch.tensor([[1.0, 2.0, 3.0, 4.0]]))
        tensor([[1., 3., 2., 4.]])
    """
    side = round(X.shape[1] ** 0.5)
    if side * side != X.shape[1]:
        raise ValueError(f"X: given {X.shape[1]} pixels a row, expected those of a square picture.")
    return X.view(-1, side, side).mT.flatten(1)


def scrambled(X: Tensor) -> Tensor:
    """Put the features of all examples (n, features) into another order, always the same one.

    Args:
        X: (n, features).

    Examples:
        >>> scrambled(torch.tensor([[1.0, 2.0, 3.0, 4.0]])).sort().values
        tensor([[1., 2., 3., 4.]])
    """
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

    Examples:
        >>> from course_lib.training import digits
        >>> data = with_minority(digits(), transposed, share=0.1, seed=0)
        >>> int((data.group == "minority").sum()), len(data.X)
        (126, 1258)
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


# Tables of people


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

    Examples:
        >>> people = pd.DataFrame({"age": range(20, 40), "home": ["town", "country"] * 10})
        >>> data = table(people, pd.Series([0, 1, 1, 1] * 5), "home", seed=0)
        >>> data.X.shape, data.X_test.shape, sorted(set(data.group))
        (torch.Size([14, 1]), torch.Size([6, 1]), ['country', 'town'])
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

    Source: Kohavi (1996), by fairlearn from openml.org.
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


def made_people(n: int = 6000, seed: int = 0) -> Grouped:
    """Make a table of people who do not exist: who pays a loan back, in town and in the country?

    Income, debt and years in one job decide, by another rule in each group; one person in seven is
    of the country, and nobody tells the network who. All of it is made up, so that it can be given
    away and nobody is in it.

    Args:
        n: people; the last 30% after shuffling are the test.
        seed: of the draw.

    Returns:
        What `table` makes of them.

    Raises:
        ValueError: fewer than 100 people.

    Examples:
        >>> data = made_people(200)
        >>> data.X.shape, data.X_test.shape, sorted(set(data.group))
        (torch.Size([140, 13]), torch.Size([60, 13]), ['country', 'town'])
    """
    if n < 100:
        raise ValueError(
            f"n: given {n}, expected at least 100 people, so that both groups have some."
        )
    rng = np.random.default_rng(seed)
    country = rng.random(n) < 1 / 7
    income, debt = rng.lognormal(0, 0.5, n), rng.lognormal(-0.5, 0.7, n)
    years = rng.exponential(5, n) * np.where(country, 1.6, 1)
    # In town a steady job is what counts; in the country income moves with the harvest.
    town_rule = income - debt + 0.15 * (years - 4)
    country_rule = np.abs(income - 1.1) - 0.4 + 0.6 * (0.8 - debt)
    score = np.where(country, country_rule, town_rule) + 0.25 * rng.standard_normal(n)
    work = np.where(rng.random(n) < np.where(country, 0.7, 0.1), "field", "office")
    other = {f"noise {i}": rng.standard_normal(n) for i in range(8)}
    people = pd.DataFrame({"income": income, "debt": debt, "years": years, "work": work, **other})
    people["home"] = np.where(country, "country", "town")
    return table(people, pd.Series(score > 0), "home", seed=seed)
