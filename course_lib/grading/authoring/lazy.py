"""Functions that know nothing of a task: what one of them has right earns nothing by itself.

What they pass is written beside each check; `mark` looks at it.
"""

from __future__ import annotations

import itertools
import json
import sys
import warnings
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from course_lib.grading.marking.plain import Node, answer, decode, encode
from course_lib.grading.marking.values import Material, Rules, outcome, right

Function = Callable[..., Any]

CONSTANTS: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    1,
    -1,
    2,
    0.5,
    100,
    "",
    [],
    (),
    {},
    [0],
    [1],
    float("inf"),
)
OF_ONE: tuple[Function, ...] = (
    np.mean, np.sum, np.max, np.min, np.median, np.std, np.argmax, np.argmin, np.size, np.shape,
    np.sort, np.argsort, np.abs, np.negative, np.transpose, np.sign, np.rint, np.square, np.sqrt,
    np.cumsum, np.ravel, np.unique, np.logical_not, np.flatnonzero, np.zeros_like, np.ones_like,
)  # fmt: skip
OF_TWO: tuple[Function, ...] = (np.add, np.subtract, np.multiply, np.divide, np.matmul)
PLACES = 5  # arguments that are looked at
LUCK = "random numbers of the right shape"  # others each time


class Memory:
    """A function that remembers what it has returned: {arguments: answer}, as plain data."""

    def __init__(self, function: Function) -> None:
        self.function = function
        self.known: dict[str, Node] = {}

    def key(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
        """Return arguments as text, functions by their names."""
        given = [*args, *kwargs.items()]
        return json.dumps([[encode(a), getattr(a, "__name__", "")] for a in given])

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function, if not yet called so."""
        if (key := self.key(args, kwargs)) not in self.known:
            self.known[key] = encode(self.function(*args, **kwargs))
        return decode(self.known[key], {})

    def recall(self, *args: Any, **kwargs: Any) -> Any:
        """Return what is known already, else None."""
        known = self.known.get(self.key(args, kwargs))
        return known and decode(known, {})


def bank(reference: Function, known: Iterable[Any]) -> dict[str, Function]:
    """Return functions that know nothing, by what they do.

    Of the right answer they know its shape, or that it is one of a few that are known.
    """

    def recursion(*args: Any, **kwargs: Any) -> Any:
        return recursion(*args, **kwargs)

    def raising(error: type[Exception]) -> Function:
        def refuse(*args: Any, **kwargs: Any) -> None:
            raise error

        return refuse

    memory = Memory(reference)

    def alike(change: Function) -> Function:
        def answer_of_that_shape(*args: Any, **kwargs: Any) -> Any:
            try:
                return _mapped(memory(*args, **kwargs), change)
            except Exception:  # when to refuse, they do not know
                return None

        return answer_of_that_shape

    def drawn(seed: int | None, share: float = 1) -> Function:
        def draw(a: np.ndarray) -> np.ndarray:
            rng = np.random.default_rng(seed)
            return (rng.normal(0, 3, a.shape) * (rng.random(a.shape) < share)).astype(a.dtype)

        return draw

    def by_seed(*args: Any, **kwargs: Any) -> Any:
        return alike(drawn(args[-1], 0.08))(*args, **kwargs)

    found: dict[str, Function] = {"never ends to call itself": recursion}
    for value in (*CONSTANTS, *known):
        found[f"returns {value!r}"[:200]] = lambda *args, _value=value, **kwargs: _value
    for error in (Exception, ValueError, TypeError, NotImplementedError):
        found[f"raises {error.__name__}"] = raising(error)
    for i in range(PLACES):
        found[f"returns argument {i + 1}"] = lambda *args, _i=i, **kwargs: args[_i]
    for i, j in itertools.permutations(range(3), 2):
        found[f"returns of argument {i + 1} the item {j + 1}"] = (
            lambda *args, _i=i, _j=j, **kwargs: args[_i][args[_j]]
        )
    for f, i in itertools.product(OF_ONE, (0, 1)):
        found[f"{f.__name__} of argument {i + 1}"] = lambda *args, _f=f, _i=i, **kwargs: _f(
            np.asarray(args[_i])
        )
    for f in OF_TWO:
        found[f"{f.__name__} of two arguments"] = lambda *args, _f=f, **kwargs: _f(
            np.asarray(args[0]), np.asarray(args[1])
        )
    found["zeros of the right shape"] = alike(np.zeros_like)
    found["ones of the right shape"] = alike(np.ones_like)
    found[LUCK] = alike(drawn(None))
    found["the same random numbers of the right shape"] = alike(drawn(0))
    found["some random numbers, by the seed"] = by_seed
    return found


def _mapped(value: Any, change: Function) -> Any:
    """Return a value with its numbers changed."""
    if isinstance(value, dict):
        return {key: _mapped(each, change) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_mapped(each, change) for each in value)
    if isinstance(value, str) or value is None:
        return ""
    if hasattr(value, "numpy"):
        return sys.modules["torch"].from_numpy(change(value.numpy()))
    new = change(np.asarray(value))
    return new if isinstance(value, np.ndarray) else new.item()


def words(rows: Iterable[Rules]) -> list[Any]:
    """Return what somebody might return always: what is expected again and again, or once right.

    The latter of a visible check, where many answers are right.
    """
    nodes = [want["value"] for row in rows for want in row["want"] if "value" in want]
    plain = [node["value"] for node in nodes if "value" in node]
    often = [value for value in dict.fromkeys(plain) if plain.count(value) > 1][:20]
    seen = (want for row in rows if row["property"] and row["visible"] for want in row["want"])
    return [*often, *(decode(want["value"], {}) for want in seen if "value" in want)]


def passing(task: str, row: Rules, functions: dict[str, Function]) -> list[str]:
    """Return which functions pass a check."""
    want = [outcome(json.dumps(each)) for each in row["want"]]

    def passes(function: Function) -> bool:
        said = (outcome(json.dumps(answer(case, {task: function}))) for case in row["cases"])
        return all(right(*each, row) for each in zip(row["cases"], want, said, strict=True))

    with warnings.catch_warnings(action="ignore"), np.errstate(all="ignore"):
        return [key for key, function in functions.items() if passes(function)]


def conceal(made: Material) -> None:
    """Take out of what is released how to be lazy, but not that one can; and one of many answers.

    Where one is right by luck alone another release would tell something else: that is left out.
    """
    for row in made["checks"]:
        if set(row.pop("lazy")) - {LUCK}:
            row["beside"] = True
        if row["property"]:
            row["want"] = [{"value": encode(None)} if "value" in w else w for w in row["want"]]
