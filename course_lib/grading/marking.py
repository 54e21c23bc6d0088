"""Marks answers against material. Students have this file too, with what the visible checks need.

Both sides are plain data (see `plain`): no object of the student's is ever in the process that
marks, so no `__eq__` or `__repr__` of theirs runs. Nothing in an answer is believed before it has
passed `sane`.
"""

from __future__ import annotations

import base64
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from course_lib.grading.plain import at_once, load

DTYPES = frozenset(
    "bool bfloat16 complex64 complex128 float16 float32 float64 int8 int16 int32 int64 "
    "uint8 uint16 uint32 uint64".split()
)
SHORT = {"torch.Tensor": "tensor", "numpy.ndarray": "array"}
UNWRITTEN = "it is not written yet (NotImplementedError)"
LONGEST = 500  # characters; numpy would give every string of a list as much room as the longest
ITEM = "operator.getitem"  # a check may look at one item of an answer
ABSENT = ...  # an object that is not plain data; equal to nothing

Answers = tuple[list[str], str | None]  # a JSON line each; the reason if some are missing
Ask = Callable[[list[dict[str, Any]], float], Answers]  # of cases and seconds


class Value(NamedTuple):
    """A value that came from a node: its type's name, its form (dtype, items, pairs), its data."""

    type: str
    form: str | None
    data: Any


def clean(text: object, length: int = 200) -> str:
    """Return at most `length` characters of the text, without control characters."""
    return "".join(c if c.isprintable() else " " for c in str(text)[:length])


def sane(node: Any, depth: int = 0) -> Value:
    """Return the value of a node of which nothing is certain.

    Raises:
        ValueError, TypeError, LookupError, AttributeError: it is no node that `encode` makes.
    """
    kind = clean(node["type"], 80)
    if depth > 7:
        raise ValueError("too deep")
    if "shape" in node:
        shape, dtype = node["shape"], node["dtype"]
        whole = len(shape) <= 8 and all(type(i) is int and 0 <= i < 1 << 32 for i in shape)
        if dtype not in DTYPES or not whole:
            raise ValueError("no array of numbers")
        if "bytes" not in node:
            return Value(f"{kind} (too large to look at: shape {shape})", dtype, ABSENT)
        raw = base64.b64decode(node["bytes"], validate=True)
        array = np.frombuffer(raw, "float32" if dtype == "bfloat16" else dtype)
        return Value(kind, dtype, array.reshape(shape))  # raises unless shape and bytes agree
    for form in ("items", "pairs"):
        if form in node:
            return Value(kind, form, [sane(x, depth + 1) for x in node[form]])
    data = node.get("value", ABSENT)
    if isinstance(data, str) and len(data) > LONGEST:
        return Value(f"{kind} (too long to look at)", None, ABSENT)
    if type(data) not in (bool, int, float, str, type(None), type(ABSENT)):
        raise ValueError("not plain data")
    return Value(kind, None, data)


def outcome(line: str) -> dict[str, Any]:
    """Return a line of an answer, {"value": Value, "changed": [...]} or {"raised", "text"}."""
    try:
        found = json.loads(line)
        if "raised" in found:
            first, *others = found["raised"]
            names = [clean(first, 60), *(clean(t, 60) for t in others[:8])]
            return {"raised": names, "text": clean(found["text"])}
        changed = [i for i in found.get("changed", []) if type(i) is int][:9]
        return {"value": sane(found["value"]), "changed": changed}
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError, MemoryError):
        return {"raised": ["(no plain data came back)"], "text": ""}


def bare(value: Value) -> Any:
    """Return the data without type names: numbers, strings, numpy arrays, lists of them, dicts."""
    if value.form == "items":
        return [bare(v) for v in value.data]
    if value.form == "pairs":
        items = [bare(v) for v in value.data]
        return dict(zip(items[::2], items[1::2], strict=True))
    return value.data


def numbers(value: Value) -> np.ndarray | None:
    """Return the value as one array of numbers; None if it is none (ragged, text, unknown)."""
    if not _numeric(value):
        return None
    try:
        array = np.asarray(bare(value))
    except (ValueError, OverflowError, TypeError):
        return None
    return array if array.dtype.kind in "biufc" else None


def _numeric(value: Value) -> bool:
    if isinstance(value.data, list):
        return value.form == "items" and all(map(_numeric, value.data))
    return isinstance(value.data, bool | int | float | np.ndarray)


def same(want: Value, got: Value, check: dict[str, Any]) -> bool:
    """Say whether two values are equal. check["types"]: are types and dtypes to agree too?"""
    if (check["types"] and want[:2] != got[:2]) or (want.form == "pairs") != (got.form == "pairs"):
        return False
    if isinstance(want.data, list) and isinstance(got.data, list):
        pairs = zip(want.data, got.data, strict=False)
        return len(want.data) == len(got.data) and all(same(w, g, check) for w, g in pairs)
    x, y = numbers(want), numbers(got)
    if x is None or y is None:
        known = want.data is not ABSENT and type(want.data) is type(got.data)
        return bool(
            known and not isinstance(want.data, list | np.ndarray) and want.data == got.data
        )
    if x.shape != y.shape:
        return False
    if not {x.dtype.kind, y.dtype.kind} & set("fc"):
        return bool((x == y).all())
    with np.errstate(all="ignore"):  # relative to the expected value
        return bool(np.allclose(y, x, check["rtol"], check["atol"], equal_nan=True))


def agree(want: dict[str, Any], got: dict[str, Any], check: dict[str, Any]) -> bool:
    """Say whether an outcome is the expected one (for an exception: one of that class)."""
    if "raised" in want or "raised" in got:
        return "raised" in want and "raised" in got and want["raised"][0] in got["raised"]
    unchanged = not check["unchanged"] or want["changed"] == got["changed"]
    return unchanged and same(want["value"], got["value"], check)


def show(node: Any, precision: int = 4) -> str:
    """Return a case, a node or a value as a person would write it, shortened."""
    if isinstance(node, dict) and "expr" in node:
        if node["expr"] == "attr":
            return f"{show(node['of'])}.{node['name']}"
        if node["expr"] == "call":
            args = [show(a) for a in node["args"]]
            args += [f"{key}={show(a)}" for key, a in node["kwargs"].items()]
            of = show(node["of"])
            return f"{args[0]}[{args[1]}]" if of == ITEM else f"{of}({', '.join(args)})"
        return str(node["name"])
    kind, form, data = sane(node) if isinstance(node, dict) else node
    if data is ABSENT:
        return f"an object of type {kind}"
    if isinstance(data, np.ndarray):
        text = np.array2string(data, precision=precision, separator=", ", threshold=20)
        return clean(f"{SHORT.get(kind, kind)}({' '.join(text.split())}, {form})", 600)
    if isinstance(data, list):
        inside = ", ".join(show(v, precision) for v in data[:12]) + ", ..." * (len(data) > 12)
        return clean(
            f"({inside})"
            if kind == "tuple"
            else f"[{inside}]"
            if kind == "list"
            else f"{kind}({inside})",
            600,
        )
    return clean(repr(data))


def numeral(value: Any) -> bool:
    """Say whether all numbers of a bare value are finite."""
    if isinstance(value, list):
        return all(map(numeral, value))
    if isinstance(value, dict):
        return all(map(numeral, value.values()))
    return not isinstance(value, float | complex | np.ndarray) or bool(np.isfinite(value).all())


def broken_property(case: dict[str, Any], got: Value, check: dict[str, Any]) -> str:
    """Return what the check's property finds wrong with an answer; empty if nothing."""
    given = [*case["args"], *case["kwargs"].values()]
    inputs = [None if "expr" in node else bare(sane(node)) for node in given]
    try:
        value = bare(got)
        if not numeral(value):  # a comparison with NaN is false, whichever way it is written
            return "the answer holds a number that is not finite (NaN or infinity)"
        return str(load(check["property"])(inputs, value) or "")
    except Exception:
        return "that is not the kind of answer asked for"


def difference(want: Value, got: Value, check: dict[str, Any]) -> str:
    """Return in words how a wrong value differs from the expected one."""
    if same(want, got, {**check, "types": False}):
        return f"expected    {show(want)}: the values are right, the type is not"
    x, y = numbers(want), numbers(got)
    if x is not None and y is not None and x.shape != y.shape:
        return f"expected    {show(want)}: shape {x.shape}, not {y.shape}"
    return f"expected    {show(want, 4 if show(want) != show(got) else 9)}"


def right(
    case: dict[str, Any], want: dict[str, Any], got: dict[str, Any], check: dict[str, Any]
) -> bool:
    """Say whether an answer is right: it has the property asked for, or is the expected one."""
    if check["property"] and "value" in want and "value" in got:
        return not broken_property(case, got["value"], check)
    return agree(want, got, check)


def fault(
    case: dict[str, Any], want: dict[str, Any], got: dict[str, Any], check: dict[str, Any]
) -> str:
    """Return what is wrong with a wrong answer, for the student to read."""
    if check["property"] and "value" in want and "value" in got:
        odd = broken_property(case, got["value"], check)
    elif "raised" in want:
        odd = f"expected it to raise {want['raised'][0]}"
    elif "value" in got and same(want["value"], got["value"], check):
        odd = f"it changed its input number {(got['changed'] or want['changed'])[0] + 1}"
    elif "value" in got:
        odd = difference(want["value"], got["value"], check)
    elif check["property"]:
        odd = "expected an answer"
    else:
        odd = f"expected    {show(want['value'])}"
    if "value" in got:
        precision = 9 if "value" in want and show(want["value"]) == show(got["value"]) else 4
        said = f"it returned {show(got['value'], precision)}"
        if got["value"].data is None and "value" in want and want["value"].data is not None:
            said += " (does it end without a `return`?)"
    elif got["raised"][0] == "NotImplementedError":
        said = UNWRITTEN
    else:
        first = got["raised"][0]
        said = first[1:-1] if first.startswith("(") else f"it raised {first}: {got['text']}"
    return f"{show(case)}\n{said}\n{odd}"


def mark(material: dict[str, Any], ask: Ask) -> dict[str, Any]:
    """Mark one task.

    Returns:
        {"name", "points", "total", "slips": messages of the known mistakes whose answers these are,
        "checks": [{"id", "title", "visible", "points", "total", "fault"}]}.
    """
    rows: list[dict[str, Any]] = []
    twins: dict[str, bool] = {}  # known slips: was one of their answers wrong?
    out: set[str] = set()  # those of which an answer was another
    for check in material["checks"]:
        cases, want = check["cases"], [outcome(json.dumps(w)) for w in check["want"]]
        began = time.monotonic()
        lines, why = ask(cases, check["seconds"])
        got = [outcome(line) for line in lines[: len(cases)]]
        silent = {"raised": [f"({clean(why or 'no answer came back')})"], "text": ""}
        answered = len(got)
        got += [silent] * (len(cases) - answered)
        # Of what was never answered only the first was really tried.
        tried = list(enumerate(zip(cases, want, got, strict=True)))[: answered + 1]
        bad = [i for i, each in tried if not right(*each, check)]
        row = {key: check[key] for key in ("id", "title", "visible")}
        row |= {"points": 0 if bad else check["points"], "total": check["points"], "fault": ""}
        if bad:
            i = min(bad, key=lambda i: len(json.dumps(cases[i])))  # the smallest failing input
            row["fault"] = fault(cases[i], want[i], got[i], check)
            left = check["seconds"] - (time.monotonic() - began)
            again = ask([cases[i]], left)[0] if 0 < i < answered and left > 0.1 else []
            if again and right(cases[i], want[i], outcome(again[0]), check):
                row["fault"] += "\ncalled first it is right: it remembers something between calls"
        rows.append(row)
        for message in check["twins"].keys() - out:
            pairs = zip(check["twins"][message], got, strict=True)
            if all(agree(outcome(json.dumps(twin)), given, check) for twin, given in pairs):
                twins[message] = twins.get(message, False) or bool(bad)
            else:
                out.add(message)
    slips = sorted(message for message, wrong in twins.items() if wrong and message not in out)
    slips = [each for each in slips if not any(map(each.startswith, set(slips) - {each}))]
    points, total = (sum(row[key] for row in rows) for key in ("points", "total"))
    return {
        "name": material["name"],
        "points": points,
        "total": total,
        "checks": rows,
        "slips": slips,
    }


def answering(names: dict[str, Any]) -> Ask:
    """Return an `ask` that answers in this process, with these names."""
    return lambda cases, seconds: at_once({"cases": cases, "seconds": seconds}, names)


def report(result: dict[str, Any]) -> str:
    """Return the result of a task as a text for the student."""

    def lines() -> Iterator[str]:
        yield f"{result['name']}: {result['points']:g} of {result['total']:g} points"
        said = {row["fault"].split("\n")[1] if row["fault"] else "" for row in result["checks"]}
        if len(said) == 1 and (all_over := said.pop()).startswith((UNWRITTEN, "not reached")):
            yield f"  {all_over}"
            return
        for row in result["checks"]:
            verdict = "--" if row["fault"] else "ok"
            yield f"  [{verdict}] {row['points']:g}/{row['total']:g}  {row['title']}"
            yield from (f"        {line}" for line in row["fault"].splitlines())
        if result["slips"]:
            yield f"  This looks like a known slip: {', or '.join(result['slips'])}."

    return "\n".join(lines())


def borrowed(name: str, names: dict[str, Any], needs: list[str]) -> str:
    """Return the first object of course_lib that the student's function is or uses; empty if none.

    Rooms of the library that the assignment allows (`needs`) and `check` itself do not count.
    """
    rooms = ("grading", *needs)
    todo, seen = [name], set()  # type: list[str], set[str]

    def foreign(where: str) -> bool:
        package, *room = where.split(".")
        return package == "course_lib" and room[:1] not in [[r] for r in rooms]

    while todo:
        seen.add(key := todo.pop())
        thing = names.get(key)
        where = getattr(thing, "__module__", None) or getattr(thing, "__name__", "")
        if not isinstance(where, str):
            continue
        if foreign(where):
            return f"{where}.{getattr(thing, '__qualname__', '')}".rstrip(".")
        code = getattr(thing, "__code__", None)
        if where == "__main__" and code is not None:
            inside = next(filter(foreign, code.co_names), "")  # what it imports when it is called
            if inside:
                return inside
            todo += [n for n in code.co_names if n not in seen]
    return ""


class NotChecked(FileNotFoundError):
    """Nothing was checked. In a notebook its sentence is shown and no traceback: an error still."""

    def _render_traceback_(self) -> list[str]:
        """Return the lines that IPython shows."""
        return [f"Nothing was checked: {self}"]


def _visible(path: Path) -> dict[str, Any]:
    """Return what a task's check file holds.

    Raises:
        NotChecked: it is not there, or is no such file.
    """
    if not path.is_file():
        raise NotChecked(
            f"{path.name} is not in {path.parent.resolve()}. Keep the notebook in the folder in "
            "which it was released, with its .check.json files, and open it there."
        )
    try:
        material = json.loads(path.read_text(encoding="utf-8"))
        found = {key: material[key] for key in ("name", "needs", "checks")}
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise NotChecked(
            f"{path.resolve()} cannot be read ({type(error).__name__}). Unpack or fetch the course "
            "again beside this one, and copy the file from there."
        ) from None
    return found | {"worth": material.get("worth")}


def check(name: str, folder: str | Path = ".") -> None:
    """Run the visible checks of one task on the function in this notebook, and print the report.

    A check that takes longer than it may is stopped, as in grading.

    Raises:
        FileNotFoundError: the task's check file does not lie in the folder of the notebook, or
            cannot be read.
    """
    material = _visible(Path(folder) / f"{name}.check.json")
    names = vars(sys.modules["__main__"])
    if name not in names:
        print(f"{name} is not defined: run the cell above first.")
        return
    try:
        result = mark(material, answering(names))
    except KeyboardInterrupt:
        print(f"{name} was still running when you stopped it.")
        return
    print(said := report(result))
    if "it raised NameError" in said:
        print("  Is a cell not run yet? The imports are in the first cells of the notebook.")
    if used := borrowed(name, names, material["needs"]):
        print(
            f"  Note: {name} uses {used}. While it is graded it cannot: course_lib cannot be "
            "imported there. Write the function yourself."
        )
    print(f"{_seen(result['total'], material['worth'])} Grading draws other inputs.")


def _seen(total: float, worth: float | None) -> str:
    """Say how much of a task its visible checks are; releases of earlier do not tell its worth."""
    if worth is None:
        return "These are the visible checks; more of them are hidden."
    if worth <= total:
        return "These checks are all that the task has."
    return f"These visible checks are {total:g} of the task's {worth:g} points, the rest is hidden."
