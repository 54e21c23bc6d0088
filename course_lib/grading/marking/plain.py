"""Plain data in, plain data out.

The judge uses this file to write inputs, a student's `check()` uses it in JupyterLab, and its
source is sent into the kernel that is graded. So it stands alone (standard library and numpy),
holds no secret, and nothing that it does in a kernel is trusted.

A *node* is a JSON-able description of a value:
    {"type": "int", "value": 3}                                 also bool, float, str, NoneType
    {"type": "list", "items": [node, ...]}                      also tuple
    {"type": "dict", "pairs": [key, value, key, value, ...]}
    {"type": "torch.Tensor", "dtype": "float32", "shape": [2], "bytes": "<base64>"}  also numpy
    {"type": "some.Class"}                                      anything else: its type's name
An *expression* is written by the judge only, and evaluated in the kernel:
    {"expr": "name", "name": "f"}    {"expr": "module", "name": "torch.nn"}
    {"expr": "attr", "of": expression, "name": "x"}
    {"expr": "helper", "name": "f", "source": "def f(): ..."}
    {"expr": "call", "of": e, "args": [...], "kwargs": {...}}
"""

import base64
import contextlib
import decimal
import importlib
import json
import numbers
import os
import select
import signal
import sys
import threading
import time
from array import array as row
from collections.abc import Callable
from typing import Any

import numpy as np

Node = dict[str, Any]
Names = dict[str, Any]

LIMIT = 4 << 20  # bytes of JSON that one request may bring back
LONGEST = 13_288  # bits of a whole number: JSON, in Python, writes 4300 digits at most
# Kinds of numbers that cross as others, which every machine has.
STORED = {"bfloat16": "float32", "float128": "float64", "complex256": "complex128"}
FAR = 10  # what sleeps so many times as long as it may compute is not waited for
LAST = 60  # nor is anything so many times as long: there are ways to use time that no count shows
ENDED, MUCH = "it ended the Python process", f"it returned more than {LIMIT >> 20} MB"


def name_of(kind: type) -> str:
    """The full name of a type: `list`, `numpy.ndarray`, `torch.Tensor`."""
    where = kind.__module__
    return kind.__qualname__ if where == "builtins" else f"{where}.{kind.__qualname__}"


def encode(x: Any, depth: int = 0) -> Node:
    """Return the node of x; of an object of an unknown type, its type's name alone.

    It asks for types, not with isinstance: an object can lie about its class.
    """
    kind: type = type(x)
    node: Node = {"type": name_of(kind)}
    number = kind is not bool and issubclass(kind, (numbers.Real, decimal.Decimal))
    if number and not issubclass(kind, np.generic):
        x = int(x) if issubclass(kind, numbers.Integral) else float(x)
    if type(x) is int and x.bit_length() > LONGEST:
        node["type"] += " of more than 4000 digits"
    elif x is None or type(x) in (bool, int, float, str):
        node["value"] = x
    elif issubclass(kind, str):
        node["value"] = str(x)
    elif issubclass(kind, (list, tuple, row)) and depth < 6:
        node["items"] = [encode(v, depth + 1) for v in x]
    elif issubclass(kind, dict) and depth < 6:
        node["pairs"] = [encode(v, depth + 1) for pair in x.items() for v in pair]
    else:
        torch = sys.modules.get("torch")
        if torch and issubclass(kind, torch.Tensor):
            node["type"], node["dtype"] = "torch.Tensor", str(x.dtype).removeprefix("torch.")
            x = x.detach().cpu()
            x = x.to_dense() if x.layout != torch.strided else x
            x = (x.float() if x.dtype == torch.bfloat16 else x).resolve_conj().resolve_neg().numpy()
        x = np.complex128(x) if kind is complex else x
        array = issubclass(type(x), (np.ndarray, np.generic))
        if array and x.dtype.kind in "biufc":
            x = x.astype(x.dtype.newbyteorder("="), copy=False)
            node.setdefault("dtype", str(x.dtype))
            node["shape"] = list(x.shape)
            x = x.astype(STORED.get(str(x.dtype), x.dtype), copy=False)
            if x.nbytes < LIMIT // 2:
                node["bytes"] = base64.b64encode(np.asarray(x, order="C").tobytes()).decode()
        elif array and x.dtype.kind in "OU" and x.size < LIMIT and depth < 6:  # of fractions, say
            node = {**encode(x.tolist(), depth + 1), "type": node["type"]}
    return node


def known(x: Any) -> Node:
    """Return the node of x, whatever it does when it is looked at: then its type's name alone."""
    try:
        return encode(x)
    except Exception:
        return {"type": name_of(type(x))}


def decode(node: Node, names: Names) -> Any:
    """Return the value of a node or expression: one that the judge wrote, never an answer."""
    if "expr" in node:
        return evaluate(node, names)
    if "bytes" in node:
        stored = STORED.get(node["dtype"], node["dtype"])
        a = np.frombuffer(base64.b64decode(node["bytes"]), stored).reshape(node["shape"]).copy()
        if node["type"] != "torch.Tensor":
            return a if node["type"] == "numpy.ndarray" else a[()]
        import torch

        return torch.from_numpy(a).to(getattr(torch, node["dtype"]))
    if "value" in node:
        return node["value"]
    items = [decode(v, names) for v in node.get("items") or node.get("pairs", [])]
    if "pairs" in node:
        return dict(zip(items[::2], items[1::2], strict=True))
    return tuple(items) if node["type"] == "tuple" else items


def evaluate(node: Node, names: Names) -> Any:
    """Return the value of an expression, with `names` for the notebook's variables."""
    kind = node["expr"]
    if kind == "call":
        args = [decode(a, names) for a in node["args"]]
        kwargs = {key: decode(a, names) for key, a in node["kwargs"].items()}
        return decode(node["of"], names)(*args, **kwargs)
    if kind == "attr":
        return getattr(decode(node["of"], names), node["name"])
    if kind == "module":
        return importlib.import_module(node["name"])
    if kind == "helper":
        return load(node)
    if node["name"] not in names:
        raise NameError(f"{node['name']} is not defined")
    return names[node["name"]]


def load(node: Node) -> Callable[..., Any]:
    """Return the function of which a node holds the name and the source."""
    names: Names = {"np": np}
    exec(node["source"], names)
    function: Callable[..., Any] = names[node["name"]]
    return function


def answer(case: Node, names: Names, inputs: bool = False) -> Node:
    """Evaluate one case, a call: {"value": node} or {"raised": [type names], "text": message}.

    "changed" is added if the call changed some of its inputs: the indices of those. With `inputs`
    there are the inputs after the call instead, for whoever asks to compare them.
    """
    given = [*case["args"], *case["kwargs"].values()]
    try:
        args = [decode(a, names) for a in given]
        split = len(case["args"])
        kwargs = dict(zip(case["kwargs"], args[split:], strict=True))
        found = decode(case["of"], names)(*args[:split], **kwargs)
    except Exception as e:
        text = str(e)[:300]
        if type(e) is NotImplementedError and not text:  # of whom? a stub has no words of its own
            text = _elsewhere(e, case["of"].get("name"))
        return {"raised": [name_of(t) for t in type(e).__mro__[:-2]], "text": text}
    out = {"value": known(found)}
    after = [None if "expr" in n else known(a) for n, a in zip(given, args, strict=True)]
    if inputs:
        return {**out, "inputs": after}
    changed = differing(case, after)
    return {**out, "changed": changed} if changed else out


def _elsewhere(error: BaseException, name: str | None) -> str:
    """Say in which function an error arose, if that is not the one of this name."""
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    where = trace.tb_frame.f_code.co_name if trace else name
    return "" if where == name else f"{where} is not written yet"


def differing(case: Node, after: list[Node | None]) -> list[int]:
    """Return which inputs of a case are others after its call."""
    given = [*case["args"], *case["kwargs"].values()]
    written = [[json.dumps(node, sort_keys=True) for node in each] for each in (given, after)]
    pairs = enumerate(zip(given, *written, strict=True))  # as JSON nan equals nan
    return [i for i, (node, was, now) in pairs if "expr" not in node and was != now]


def answers(request: Node, names: Names, write: Callable[[bytes], object]) -> None:
    """Answer the cases of a request one by one; each goes out at once as a JSON line."""
    for case in request["cases"]:
        out = answer(case, names, request.get("inputs", False))
        write((json.dumps(out) + "\n").encode())
        if "shape" in out.get("value", ()) and "bytes" not in out["value"]:
            return  # far too large: enough seen


def serve(text: str) -> str:
    """In the kernel: make imports, [module, names] each, then answer requests, one after the other.

    A request is {"cases", "seconds"}; with "inputs" its answers tell these too, with "here" it is
    answered in this process and in no copy of it.

    Returns:
        JSON in base64: for each request its answers as JSON lines, and the reason if there are
        fewer than cases. The last requests get no answer if there is too much to bring back.
    """
    import __main__

    found: list[Any] = []
    room = LIMIT
    imports, requests = json.loads(base64.b64decode(text))
    for module, names in imports:  # a copy of this process need not make them each time
        with contextlib.suppress(BaseException):
            __import__(module, fromlist=names)
    for request in requests:
        # A student's own machine (`course check`) may have no fork, and there is no jail there.
        here = request.get("here") or sys.platform != "linux"
        lines, why = (at_once if here else in_a_fork)(request, vars(__main__))
        room -= sum(map(len, lines))
        if room < 0 and found:
            break
        found.append([lines, why])
    return base64.b64encode(json.dumps(found).encode()).decode()


class TooLong(BaseException):
    """The time is up; no `except Exception` of a student catches it."""


def at_once(request: Node, names: Names) -> tuple[list[str], str | None]:
    """Answer the cases of a request here, in the time it has where a clock can interrupt."""
    parts: list[bytes] = []
    why = None

    used = -1.0

    def ring(number: int, _: object) -> None:
        nonlocal used
        if number == signal.SIGPROF:
            raise TooLong(still_running(request))
        before, used = used, time.process_time()
        if 0 <= before and used - before < 0.02:  # it sleeps: on a busy machine it has some time
            raise TooLong(no_answer(request))

    clock = hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()
    if clock:
        times = {"PROF": request["seconds"], "REAL": FAR * request["seconds"]}
        bells = {"PROF": signal.SIGPROF, "REAL": signal.SIGALRM}
        before = {bell: signal.signal(bell, ring) for bell in bells.values()}
        for which, seconds in times.items():  # again each second, if it is caught
            signal.setitimer(getattr(signal, f"ITIMER_{which}"), seconds, 1)
    try:
        answers(request, names, parts.append)
    except TooLong as bell:
        why = str(bell)
    except BaseException as end:  # what would end a copy of this process
        if isinstance(end, KeyboardInterrupt) and not request.get("here"):  # of who waits for it
            raise
        why = ENDED
    finally:
        if clock:
            for which in times:
                signal.setitimer(getattr(signal, f"ITIMER_{which}"), 0)
            for number, heard in before.items():
                signal.signal(number, heard)
    return b"".join(parts).decode().split("\n")[:-1], why


def still_running(request: Node) -> str:
    """Say that the processor time of a request is used up."""
    return f"it was still running after {request['seconds']:.1f} s of processor time"


def no_answer(request: Node) -> str:
    """Say that a request was waited for long enough, whatever it did."""
    return f"it had not answered after {FAR * request['seconds']:g} s"


def children(pid: int) -> list[int]:
    """Return the processes of this system that a process has started, as far as they live."""
    below = []
    with contextlib.suppress(OSError):  # it has ended
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children", "rb") as file:
                below += file.read().split()
    return [int(child) for child in below]


def spent(pid: int) -> tuple[float, bool]:
    """Return what a process of this system and all that it started have had of a processor.

    In seconds; and whether one of them has it now, or waits for it.
    """
    seconds, busy = 0.0, False
    with contextlib.suppress(OSError):  # it has ended
        with open(f"/proc/{pid}/stat", "rb") as file:
            stat = file.read().rpartition(b")")[2].split()
        seconds = sum(map(int, stat[11:15])) / os.sysconf("SC_CLK_TCK")
        busy = stat[0] == b"R"
    for child in children(pid):
        more, also = spent(child)
        seconds, busy = seconds + more, busy or also
    return seconds, busy


def in_a_fork(request: Node, names: Names) -> tuple[list[str], str | None]:
    """Answer the cases of a request in a forked copy of this process.

    An exit, a crash, an endless loop, a print or a kept state ends there.
    """
    r, w = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setpgid(0, 0)
            signal.signal(signal.SIGPROF, signal.SIG_DFL)  # its end
            signal.setitimer(signal.ITIMER_PROF, request["seconds"])
            null = os.open(os.devnull, os.O_RDWR)
            for fd in (0, 1, 2):
                os.dup2(null, fd)
            sys.stdout = sys.stderr = open(os.devnull, "w")
            with contextlib.suppress(Exception):  # torch would wait for threads that are not here
                sys.modules["torch"].set_num_threads(1)
            with os.fdopen(w, "wb", 0) as pipe:
                answers(request, names, pipe.write)
        finally:
            os._exit(0)
    os.close(w)
    got, began, why = b"", time.monotonic(), None
    while why is None:
        ready = select.select([r], [], [], 0.2)[0]
        part = os.read(r, 1 << 16) if ready else b""
        got += part
        if not ready:
            used, busy = spent(pid)
            if used > request["seconds"]:  # its clock knows nothing of what it started
                why = still_running(request)
            elif time.monotonic() > began + (LAST if busy else FAR) * request["seconds"]:
                why = no_answer(request)
        elif not part:
            why = ENDED
        elif len(got) > LIMIT:
            why = MUCH
    os.close(r)
    for kill in (os.kill, os.killpg):  # it, and what it started
        with contextlib.suppress(OSError):
            kill(pid, signal.SIGKILL)
    status = os.waitpid(pid, 0)[1]
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGPROF:
        why = still_running(request)
    lines = got[:LIMIT].decode(errors="replace").split("\n")[:-1][: len(request["cases"])]
    return lines, None if len(lines) == len(request["cases"]) and why == ENDED else why
