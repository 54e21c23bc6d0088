"""Values that come back from a kernel, and how they compare with what was expected.

Both sides are plain data (see `plain`): no object of the student's is ever in the process that
marks, so no `__eq__` or `__repr__` of theirs runs. Nothing in an answer is believed before it has
passed `sane`.
"""

from __future__ import annotations

import base64
import json
import warnings
import zlib
from collections.abc import Sequence
from typing import Any, NamedTuple, NotRequired, TypedDict

import numpy as np

from course_lib.grading.errors import clean
from course_lib.grading.marking.plain import STORED, Node, load

DTYPES = frozenset(
    "bool bfloat16 complex64 complex128 float16 float32 float64 int8 int16 int32 int64 "
    "uint8 uint16 uint32 uint64 float128 complex256".split()
)
MADE = {"torch.Tensor": "torch.tensor", "numpy.ndarray": "np.array"}  # how a person makes one
PLAIN = {
    "torch.Tensor": ("float32", "int64", "bool"),
    "numpy.ndarray": ("float64", "int64", "bool"),
}
LONGEST = 500  # characters; numpy would give every string of a list as much room as the longest
PACKED = 2000  # characters of inputs that are put into a message
SHOWN = 300  # numbers of a value that are shown at most, whatever its shape
ITEM = "operator.getitem"  # a check may look at one item of an answer
ABSENT = ...  # an object that is not plain data; equal to nothing


class Rules(TypedDict):
    """A check as data: cases, expected answers, those of known mistakes, how to compare.

    anew: is it asked once more in a new process, and must answer the same there?
    lazy: which functions that know nothing pass it. beside: of a released check, are there any?
    """

    id: str
    title: str
    visible: bool
    points: float
    cases: list[Node]
    want: list[Node]
    twins: dict[str, list[Node]]
    seconds: float
    types: bool
    unchanged: bool
    rtol: float
    atol: float
    property: Node | None
    anew: NotRequired[bool]
    lazy: NotRequired[list[str]]
    beside: NotRequired[bool]


class Material(TypedDict):
    """All that it takes to mark a task.

    worth, hidden: what the whole task is worth, and the titles of its other checks, where this is
        a part of it.
    """

    name: str
    needs: list[str]
    checks: list[Rules]
    worth: NotRequired[float | None]
    hidden: NotRequired[list[str]]


class Value(NamedTuple):
    """A value that came from a node: its type's name, its form (dtype, items, pairs), its data."""

    type: str
    form: str | None
    data: Any


class Reply(NamedTuple):
    """What came of a case: a value and which inputs changed, or what was raised, with its text.

    silent: why there is neither, in words of ours.
    """

    value: Value | None = None
    changed: Sequence[int] = ()
    raised: Sequence[str] = ()
    text: str = ""
    silent: str = ""


def sane(node: Node, depth: int = 0) -> Value:
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
        array = np.frombuffer(raw, STORED.get(dtype, dtype))
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


def outcome(line: str) -> Reply:
    """Return what a line of an answer says."""
    try:
        found = json.loads(line)
        if "raised" in found:
            first, *others = found["raised"]
            names = [clean(first, 60), *(clean(t, 60) for t in others[:8])]
            return Reply(raised=names, text=clean(found["text"]))
        changed = [i for i in found.get("changed", []) if type(i) is int][:9]
        return Reply(sane(found["value"]), changed)
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError, MemoryError):
        return Reply(silent="no plain data came back")


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


def same(want: Value, got: Value, check: Rules) -> bool:
    """Say whether two values are equal. check["types"]: are types and dtypes to agree too?"""
    if (check["types"] and want[:2] != got[:2]) or (want.form == "pairs") != (got.form == "pairs"):
        return False
    if isinstance(want.data, list) and isinstance(got.data, list):
        pairs = zip(_parts(want), _parts(got), strict=False)
        return len(want.data) == len(got.data) and all(same(w, g, check) for w, g in pairs)
    x = numbers(want)
    # Of another shape it is not looked at: what is computed is no larger than what was expected.
    y = numbers(got) if x is None or _fits(got, x.shape) else None
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


def _fits(value: Value, shape: tuple[int, ...]) -> bool:
    """Say whether a value has as many numbers, along each axis, as the shape says."""
    if isinstance(value.data, np.ndarray):
        return bool(value.data.shape == shape)
    if value.form != "items":
        return not shape
    whole = bool(shape) and len(value.data) == shape[0]
    return whole and all(_fits(v, shape[1:]) for v in value.data)


def _parts(value: Value) -> list[Value]:
    """Return what is in a list or a dict; of a dict in the order of its keys, whatever its own."""
    if value.form != "pairs":
        return list(value.data)
    pairs = zip(value.data[::2], value.data[1::2], strict=True)
    ordered = sorted(pairs, key=lambda pair: repr(pair[0].data))
    return [part for pair in ordered for part in pair]


def agree(want: Reply, got: Reply, check: Rules) -> bool:
    """Say whether an outcome is the expected one (for an exception: one of that class)."""
    if want.value is None or got.value is None:
        return bool(want.raised and got.raised) and want.raised[0] in got.raised
    unchanged = not check["unchanged"] or want.changed == got.changed
    return unchanged and same(want.value, got.value, check)


def show(node: Node | Value, precision: int = 4, room: int = SHOWN) -> str:
    """Return a case, a node or a value as a person would write it, shortened.

    What is not shortened can be pasted where `np` is NumPy.

    room: numbers that it may show. Of each axis, and of each list, some at both ends or at the
    beginning are shown, the fewer the more axes there are.
    """
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
    if isinstance(node, Value) and isinstance(data, np.ndarray):  # an answer's -0. is told as 0.
        data = np.where(data, data, abs(data))
    if isinstance(data, np.ndarray):
        made, stored = MADE.get(kind, kind.replace("numpy.", "np.")), ""
        if kind in MADE and (form not in PLAIN[kind] or not data.size):
            stored = f", {'dtype=torch' if kind == 'torch.Tensor' else 'np'}.{form}"
        edge = next((e for e in (3, 2) if (2 * e) ** data.ndim <= room), 1)
        if 2**data.ndim > room:
            return clean(f"{made}(... of shape {data.shape}{stored})")
        with np.printoptions(edgeitems=edge, threshold=min(20, room), precision=precision):
            text = np.array2string(data, separator=", ")
        return clean(f"{made}({' '.join(text.split())}{stored})", 600)
    if isinstance(data, list):
        some = data[: min(12, room)]
        parts = [show(v, precision, room // max(len(some), 1)) for v in some]
        if form == "pairs":
            parts = [": ".join(pair) for pair in zip(parts[::2], parts[1::2], strict=False)]
        inside = ", ".join(parts) + "," * (kind == "tuple" and len(data) == 1)
        inside += ", ..." * (len(data) > len(some))
        around = {"tuple": f"({inside})", "list": f"[{inside}]", "dict": f"{{{inside}}}"}
        return clean(around.get(kind, f"{kind}({inside})"), 600)
    return clean(repr(data if data != 0 or isinstance(data, int) else 0.0))


def given(case: Node) -> list[Node]:
    """Return the plain inputs of a case, or of the call that it takes an item of."""
    nodes = [*case["args"], *case["kwargs"].values()]
    plain = [node for node in nodes if "expr" not in node]
    whole = plain and show(case["of"]) != ITEM
    return plain if whole or "args" not in nodes[0] else given(nodes[0])


def packed(case: Node) -> str:
    """Return the inputs of a case as a text of printable characters; see `unpacked`."""
    return base64.b85encode(zlib.compress(json.dumps(given(case)).encode(), 9)).decode()


def unpacked(text: str) -> list[Node]:
    """Return the inputs that `packed` has put into a text.

    Raises:
        ValueError, zlib.error: there are none.
    """
    found: list[Node] = json.loads(zlib.decompress(base64.b85decode(text)))
    return found


def numeral(value: Any) -> bool:
    """Say whether all numbers of a bare value are finite."""
    if isinstance(value, list | dict):
        return all(map(numeral, value.values() if isinstance(value, dict) else value))
    return not isinstance(value, float | complex | np.ndarray) or bool(np.isfinite(value).all())


def broken_property(case: Node, got: Value, check: Rules) -> str:
    """Return what the check's property finds wrong with an answer; empty if nothing."""
    given = [*case["args"], *case["kwargs"].values()]
    inputs = [None if "expr" in node else bare(sane(node)) for node in given]
    try:
        value = bare(got)
        if not numeral(value):  # a comparison with NaN is false, whichever way it is written
            return "the answer holds a number that is not finite (NaN or infinity)"
        with warnings.catch_warnings(action="ignore"), np.errstate(all="ignore"):  # of any answer
            return clean(load(check["property"] or {})(inputs, value) or "", 400)
    except Exception:
        return "that is not the kind of answer asked for"


def difference(want: Value, got: Value, check: Rules) -> str:
    """Return the expected value, with how a wrong one differs from it."""
    if same(want, got, {**check, "types": False}):
        return f"{show(want)}: the values are right, the type is not"
    x, y = numbers(want), numbers(got)
    if x is not None and y is not None and x.shape != y.shape:
        return f"{show(want)}: shape {x.shape}, not {y.shape}"
    return f"{show(want, 4 if show(want) != show(got) else 9)}"


def flaw(case: Node, want: Reply, got: Reply, check: Rules) -> str | None:
    """Return what is wrong with an answer, None if it is right, by property or as expected.

    "" is what is wrong if the answer is not the expected one.
    """
    if check["property"] and want.value and got.value:
        return broken_property(case, got.value, check) or None
    return None if agree(want, got, check) else ""


def right(case: Node, want: Reply, got: Reply, check: Rules) -> bool:
    """Say whether an answer is right: it has the property asked for, or is the expected one."""
    return flaw(case, want, got, check) is None
