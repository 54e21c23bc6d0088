"""What the author of an assignment writes: checks, tasks, expressions, mutants; and proofs."""

from __future__ import annotations

import inspect
import json
import re
import textwrap
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, cast
from zlib import crc32

import numpy as np

from course_lib.grading.authoring import lazy
from course_lib.grading.errors import Refusal
from course_lib.grading.marking.mark import answering, by_turns, mark, report
from course_lib.grading.marking.plain import Node, answer, encode
from course_lib.grading.marking.values import Material, Rules, outcome, right

Function = Callable[..., Any]
NOTHING = 0.1  # the share of a task that a function may earn that knows nothing
SEEN = 1_000_003  # the seed of checks that somebody may have seen
BY_HAND = "by_hand"  # the check of the examples in a task's text; see the module `by_hand`
DRAWS = 50  # attempts at inputs for which each mutant loses what it must, no more and no less


class Expression(Node):
    """An expression that is evaluated in the kernel: see `course_lib.grading.marking.plain`."""


def name(variable: str) -> Expression:
    """A variable of the student's notebook.

    Examples:
        >>> name("weights")
        {'expr': 'name', 'name': 'weights'}
    """
    return Expression(expr="name", name=variable)


def module(path: str) -> Expression:
    """A module, imported in the kernel: `module("torch.nn")`.

    Examples:
        >>> module("torch.nn")
        {'expr': 'module', 'name': 'torch.nn'}
    """
    return Expression(expr="module", name=path)


def attr(of: Expression, path: str) -> Expression:
    """An attribute of the value of an expression: `attr(module("torch"), "relu")`.

    Examples:
        >>> attr(module("torch"), "relu")
        {'expr': 'attr', 'of': {'expr': 'module', 'name': 'torch'}, 'name': 'relu'}
    """
    return Expression(expr="attr", of=of, name=path)


def helper(function: Function) -> Expression:
    """A function of the spec's, sent to the kernel as source: it stands alone, with no secret.

    Examples:
        >>> def half(x):
        ...     return x / 2
        >>> print(helper(half)["source"], end="")
        def half(x):
            return x / 2
    """
    return Expression(expr="helper", **_source(function))


def call(of: Expression, *args: Any, **kwargs: Any) -> Expression:
    """A call in the kernel; each argument is an expression or plain data (numbers, tensors).

    Examples:
        >>> asked = call(attr(module("torch"), "relu"), name("weights"))
        >>> asked["of"]["name"], asked["args"]
        ('relu', [{'expr': 'name', 'name': 'weights'}])
    """
    nodes = [a if isinstance(a, Expression) else encode(a) for a in args]
    named = {k: a if isinstance(a, Expression) else encode(a) for k, a in kwargs.items()}
    return Expression(expr="call", of=of, args=nodes, kwargs=named)


def _source(function: Function) -> dict[str, str]:
    return {"name": function.__name__, "source": textwrap.dedent(inspect.getsource(function))}


@dataclass(frozen=True)
class Check:
    """One thing that a task's function must do; all or none of its points.

    id: a short name, never changed after release.
    title: what the student reads, as a statement that holds of a right answer.
    points: what it is worth.
    cases: from a numpy Generator to a list of argument tuples (or of `call` expressions).
    visible: is it released with the notebook, for `check` in JupyterLab?
    types: must types and dtypes agree, or do the right numbers suffice?
    unchanged: must the call leave its inputs as they were?
    rtol, atol: tolerance about the expected numbers.
    seconds: of a processor, for all of its cases together.
    property: where many answers are right: from (inputs, answer), both plain (numbers, lists,
        numpy arrays), to a sentence that says what is wrong, or "". It stands alone (it may use
        `np`), and its source is released if the check is visible. Answers with NaN or infinity
        never reach it: they fail.
    anew: must the last case, asked alone in a new process, give what it gave after the others?

    Examples:
        >>> def cases(rng):
        ...     return [(rng.normal(size=4),) for _ in range(3)]
        >>> Check("negative", "A negative weight counts by its size.", 2, cases, visible=True).rtol
        1e-05
    """

    id: str
    title: str
    points: float
    cases: Callable[[np.random.Generator], Iterable[Any]]
    visible: bool = False
    types: bool = False
    unchanged: bool = False
    rtol: float = 1e-5
    atol: float = 1e-7
    seconds: float = 2.0
    property: Callable[[list[Any], Any], str] | None = None
    anew: bool = False


@dataclass(frozen=True)
class Task:
    """One graded function: its name (the solution cell's grade_id too) and its checks.

    Examples:
        >>> def cases(rng):
        ...     return [(rng.normal(size=4),) for _ in range(3)]
        >>> plain = Check("plain", "It returns the sizes.", 1, cases, visible=True)
        >>> negative = Check("negative", "A negative weight counts by its size.", 2, cases)
        >>> Task("sizes", [plain, negative]).points
        3
    """

    name: str
    checks: list[Check]

    @property
    def points(self) -> float:
        """The sum of the points of its checks."""
        return sum(check.points for check in self.checks)


@dataclass(frozen=True)
class Variant:
    """A version of a task's function: a mutant (message, loses) or an alternative (neither)."""

    task: str
    key: str
    function: Function
    source: str = ""
    message: str = ""
    loses: tuple[str, ...] = ()


def mutant(task: str, message: str, loses: Iterable[str]) -> Function:
    """Mark a function as a wrong version of a task: it must lose the checks `loses`, and no other.

    The message completes "This looks like a known slip: ..." and says what the function does wrong.
    The function stands alone, like a student's: it may use what the notebook imports, and no other
    function of its file. What is the reference solution but for an expression or two is a `slip`.

    Examples:
        >>> @mutant("sizes", "it keeps the sign", loses=["negative"])
        ... def signed(w):
        ...     return w
        >>> signed.variant["loses"]
        ('negative',)
    """
    return lambda function: _tag(function, task=task, message=message, loses=tuple(loses))


@dataclass(frozen=True)
class Slip:
    """A mutant that is told by what it changes in the reference solution; see `slip`."""

    task: str
    message: str
    loses: tuple[str, ...]
    swaps: tuple[tuple[str, str], ...]

    @property
    def variant(self) -> Node:
        """What a decorated function has too."""
        return {"task": self.task, "message": self.message, "loses": self.loses, "slip": self}

    def made_in(self, solution: str) -> str:
        """Return a reference solution with this mistake in it.

        Raises:
            Refusal: what is to be swapped does not stand there exactly once, or two swaps overlap.
        """
        places = []
        for old, new in self.swaps:
            # How lines are broken in the notebook is no part of the mistake.
            pattern = r"\s+".join(map(re.escape, old.split()))
            found = [match.span(1) for match in re.finditer(f"(?=({pattern}))", solution)]
            if len(found) != 1:
                raise Refusal(
                    f"it swaps {old!r}, which the reference solution of {self.task} has "
                    f"{len(found)} times; it must have it exactly once. "
                    + ("Say more of what stands about it" if found else "Copy what stands there")
                )
            places.append((*found[0], new))
        rest = len(solution)
        for start, end, new in sorted(places, reverse=True):
            if end > rest:
                raise Refusal("two of its swaps overlap. Make them one")
            solution, rest = solution[:start] + new + solution[end:], start
        return solution


def slip(
    task: str,
    message: str,
    *,
    swap: tuple[str, str] | None = None,
    swaps: Iterable[tuple[str, str]] = (),
    loses: Iterable[str],
) -> Slip:
    """Return a wrong version of a task that is its reference solution but for one swap, or several.

    In the solution, as it stands in the source notebook, the first part of each swap is replaced by
    the second; it must stand there exactly once. White space within it may be any. The version is
    called as the variable that this is assigned to; the rest is as for `mutant`:

        signed = slip("sizes", "it keeps the sign", swap=("np.abs(w)", "w"), loses=["negative"])

    Examples:
        >>> signed = slip("sizes", "it keeps the sign", swap=("np.abs(w)", "w"), loses=["negative"])
        >>> signed.made_in("def sizes(w): return np.abs(w)")
        'def sizes(w): return w'
    """
    if (swap is None) == (not swaps):
        raise TypeError(f"a slip of {task} has one swap=(old, new) or some swaps=[(old, new), ...]")
    pairs = tuple(swaps) if swap is None else (swap,)
    return Slip(task, message, tuple(loses), pairs)


def alternative(task: str) -> Function:
    """Mark a function as a right answer to a task, written differently: it must lose nothing.

    Examples:
        >>> @alternative("sizes")
        ... def by_root(w):
        ...     return (w * w) ** 0.5
        >>> by_root.variant
        {'task': 'sizes'}
    """
    return lambda function: _tag(function, task=task)


def _tag(function: Any, **what: Any) -> Any:
    function.variant = what
    return function


def material(
    task: Task,
    reference: Function,
    mutants: list[Variant],
    seed: int,
    *,
    visible_only: bool = False,
    needs: Iterable[str] = (),
) -> Material:
    """Return inputs, expected answers and the mutants' answers, all plain data, for `mark`.

    Inputs are drawn again until each mutant loses the checks it must and no other: luck decides no
    score. With `visible_only` it is fit to be released: only the visible checks, the titles of the
    others, and only the mutants that lose a visible one.

    Raises:
        Refusal: no inputs were found for which the mutants lose as declared.
    """
    checks = [c for c in task.checks if c.visible or not visible_only]
    shown = {c.id for c in checks}
    told = [m for m in mutants if shown & set(m.loses)]
    rows = []
    for check in checks:
        row = _rules(check)
        odd: list[str] = []
        for attempt in range(DRAWS):
            rng = np.random.default_rng([seed, crc32(check.id.encode()), attempt])
            row["cases"] = _calls(task, check, rng)
            row["want"] = _answers(task, row, reference)
            twins = {m.key: _answers(task, row, m.function) for m in mutants}
            odd = [m.key for m in mutants if _loses(row, twins[m.key]) != (check.id in m.loses)]
            if not odd:
                break
        else:
            raise Refusal(
                f"{task.name}, check {check.id!r}: in {DRAWS} draws there were no inputs for which "
                f"the mutants {', '.join(odd)} lose as they declare. Change the cases, or `loses`."
            )
        row["twins"] = {m.message: twins[m.key] for m in told}
        rows.append(row)
    functions = lazy.bank(reference, lazy.words(rows))
    for row in rows:
        row["lazy"] = lazy.passing(task.name, row, functions)
    made = Material(name=task.name, needs=list(needs), checks=json.loads(json.dumps(rows)))
    if visible_only:
        made["worth"] = task.points
        made["hidden"] = [check.title for check in task.checks if not check.visible]
        lazy.conceal(made)
    return made


def lost_by_hand(task: Task, reference: Function, version: Function) -> tuple[str, ...]:
    """Return the check of the examples by hand if a version loses it: no mutant declares that.

    Its inputs are fixed, so it can be known.
    """
    check = task.checks[0]
    if check.id != BY_HAND:
        return ()
    row = _rules(check)
    row["cases"] = _calls(task, check, np.random.default_rng(0))
    row["want"] = _answers(task, row, reference)
    return (BY_HAND,) * _loses(row, _answers(task, row, version))


def _rules(check: Check) -> Rules:
    row = cast(Rules, {key: value for key, value in vars(check).items() if key != "cases"})
    row["property"] = _source(check.property) if check.property else None
    if not check.anew:
        del row["anew"]
    return row


def _calls(task: Task, check: Check, rng: np.random.Generator) -> list[Node]:
    drawn = check.cases(rng)
    return [a if isinstance(a, dict) else call(name(task.name), *a) for a in drawn]


def _answers(task: Task, row: Rules, version: Function) -> list[Node]:
    return [json.loads(json.dumps(answer(case, {task.name: version}))) for case in row["cases"]]


def _loses(row: Rules, answers: list[Node]) -> bool:
    pairs = zip(row["cases"], row["want"], answers, strict=True)
    read = ((c, outcome(json.dumps(w)), outcome(json.dumps(a))) for c, w, a in pairs)
    return not all(right(*each, row) for each in read)


def prove(
    task: Task,
    reference: Function,
    mutants: list[Variant],
    alternatives: list[Variant],
    seeds: Iterable[int] = range(20),
) -> list[str]:
    """Return what is wrong with a task, for many draws of its inputs; nothing if it is sound.

    The reference and the alternatives lose nothing, each mutant loses just what it must and is
    named (it alone), what knows nothing (of each check in another way, too), or just the visible
    checks of another draw, earns next to nothing. It needs no jail, and takes seconds.
    """
    wrong: list[str] = []
    right = Variant(task.name, "reference", reference)
    memory = lazy.Memory(reference)
    for check in material(task, memory, [], SEEN, visible_only=True)["checks"]:
        lazy.passing(task.name, check, {"remembers": memory})
    for seed in seeds:
        drawn = material(task, reference, mutants, seed)
        if (points := by_turns(drawn)) > task.points * NOTHING:
            kinds = "".join(f"\n  {c['id']}: {c['lazy'][:3]}" for c in drawn["checks"])
            wrong.append(f"{task.name}, lazy in turns, seed {seed}: earns {points:g}{kinds}")
        functions = lazy.bank(reference, lazy.words(drawn["checks"]))
        some = {key: functions[key] for check in drawn["checks"] for key in check["lazy"]}
        for key, function in {**some, "remembers the visible checks": memory.recall}.items():
            result = mark(drawn, answering({task.name: function}))
            if result.points > task.points * NOTHING:
                wrong.append(f"{task.name}, {key}, seed {seed}: earns points\n{report(result)}")
        for v in (right, *alternatives, *mutants):
            result = mark(drawn, answering({task.name: v.function}))
            lost = {row.id for row in result.checks if row.lost}
            must = set(v.loses)
            if lost != must:
                wrong.append(
                    f"{task.name}, {v.key}, seed {seed}: loses {sorted(lost)}, must lose "
                    f"{sorted(must)}\n{report(result)}"
                )
            elif result.slips != [v.message] * bool(v.message):
                wrong.append(f"{task.name}, {v.key}, seed {seed}: is told {result.slips}")
        if wrong:
            break
    return wrong
