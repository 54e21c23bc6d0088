"""What students may hand in: careless, unlucky and hostile notebooks, each with the scores it deserves."""

# ruff: noqa: E501
from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import nbformat
from nbformat.v4 import new_code_cell

from tests.grading.example import GOOD, answered, cell, meta

NONE = "def keep(weights, k):\n    return None\n"


@dataclass
class Case:
    """keep: source of the cell (split is right; OUT is the grader's folder). words: in the report.

    scores: of keep and split; None if it must stay ungraded, with no score at all.
    edit: what else is done to the notebook. cell_s: how long a cell may run.
    raw: what is done to the bytes of the file.
    """

    keep: str
    scores: tuple[float, float] | None
    words: str
    edit: Any = None
    cell_s: float = 4
    raw: Any = None


def body(text: str) -> str:
    """The function keep with this body."""
    return "def keep(weights, k):\n" + "\n".join(f"    {line}" for line in text.strip().split("\n"))


def good(first: str) -> str:
    """The right function, doing this first."""
    return GOOD.replace(
        "    ### BEGIN SOLUTION\n", "\n".join(f"    {x}" for x in first.split("\n")) + "\n"
    )


def copied(one):
    """A copy of a cell with an id of its own, as JupyterLab makes it."""
    copy = nbformat.from_dict(json.loads(json.dumps(one)))
    if "id" in copy:
        copy["id"] += "-copy"
    return copy


def duplicate(book):
    at = cell(book, "keep")
    book.cells.insert(at + 1, copied(book.cells[at]))


def split_cell(book):
    """JupyterLab's Split Cell: both halves keep the metadata."""
    at = cell(book, "split")
    first = book.cells[at]
    second = copied(first)
    first.source = "third = lambda x: x / 3\n"
    second.source = "def split(total):\n    return third(total), total - third(total)\n"
    book.cells.insert(at + 1, second)


def edited_locked(book):
    book.cells[cell(book, "imports")].source = "import numpy as np\nimport math\n"


def edited_check(book):
    book.cells[cell(book, "check_keep")].source = "print('keep: 5 of 5 points')\n5.0"


def removed(book):
    book.cells = [
        c
        for c in book.cells
        if c.metadata.get("nbgrader", {}).get("grade_id")
        not in ("imports", "check_keep", "question")
    ]


def reordered(book):
    """The check cells first."""
    book.cells.sort(
        key=lambda c: not c.metadata.get("nbgrader", {}).get("grade_id", "").startswith("check")
    )


def no_metadata(book):
    for c in book.cells:
        c.metadata = {}


def no_metadata_no_ids(book):
    for i, c in enumerate(book.cells):
        c.metadata, c["id"] = {}, f"x{i}"


def bogus(book):
    """Cells that claim to be graded: one of the student's making, one a copy, one with nonsense."""
    for key, kw in (("mine", {"points": 99}), ("check_keep", {"points": 99})):
        book.cells.append(new_code_cell("5.0", metadata=meta(key, grade=True, **kw)))
    book.cells.append(new_code_cell("5.0", metadata={"nbgrader": ["check_keep"]}))
    book.cells.append(new_code_cell("5.0", metadata={"nbgrader": {"grade_id": {"a": 1}}}))


def claims(book):
    """Names of cells that are HTML: the notes of the report tell them."""
    for at in (cell(book, "split"), cell(book, "imports")):
        book.cells.insert(at, nbformat.from_dict(json.loads(json.dumps(book.cells[at]))))
        book.cells[at].metadata.nbgrader.grade_id = HTML
        book.cells[at]["id"] = f"x{at}"


def skip_tags(book):
    for c in book.cells:
        c.metadata["tags"] = ["skip-execution", "nbgrader-skip", "raises-exception"]


def wrong_kind(book):
    """A solution cell turned into Markdown."""
    at = cell(book, "keep")
    book.cells[at] = nbformat.v4.new_markdown_cell(
        book.cells[at].source, metadata=book.cells[at].metadata
    )


def last(source):
    return lambda book: book.cells.append(new_code_cell(source))


def first(source):
    return lambda book: book.cells.insert(0, new_code_cell(source))


EQUAL = """
class Yes:
    __array_priority__ = 1e9
    def __eq__(self, other): return self
    def __bool__(self): return True
    def __getattr__(self, name): return Yes()
    def __call__(self, *args, **kwargs): return Yes()
    def __iter__(self): return iter([])
    def __repr__(self): return "keep: 5 of 5 points"
    __class__ = property(lambda self: np.ndarray)
def keep(weights, k): return Yes()
"""
PATCHED = """
import builtins
builtins.all = builtins.any = lambda *args: True
np.allclose = np.array_equal = lambda *args, **kwargs: True
"""
LIES = """
import json
json.dumps = lambda *args, **kwargs: '{"value": {"type": "bool", "value": true}}'
get_ipython().run_cell = lambda *args, **kwargs: print("5.0")
"""
FORGED = """
import json, os
read_really = os.read
TRUE = json.dumps({"value": {"type": "numpy.ndarray", "dtype": "bool", "shape": [3], "bytes": "AQEB"}}).encode()
def read(fd, n):
    return b"\\n".join([TRUE] * 9) + b"\\n" if read_really(fd, n) else b""
os.read = read
"""
NASTY = """
import os
turn = [0]
def read(fd, n):
    turn[0] += 1
    bad = [
        b'{"value": ' + b"[" * 100000,
        b'{"value": {"type": "torch.Tensor", "dtype": "float64", "shape": [4000000000, 4000000000], "bytes": ""}}',
        b'{"value": {"type": "torch.Tensor", "dtype": "O", "shape": [1], "bytes": "AAAAAAAAAAA="}}',
        b'{"value": {"expr": "call", "of": {"expr": "name", "name": "x"}, "args": [], "kwargs": {}}}',
        b'{"value": {"type": "int", "value": ' + b"9" * 5000 + b"}}",
        b'{"raised": {"a": 1}, "text": []}',
        b'{"raised": [], "text": ""}',
        b'[]', b'{"value": null}', b'NaN',
    ]
    return b"" if turn[0] % 2 == 0 else b"\\n".join(bad[turn[0] // 2 % 5:]) + b"\\n"
os.read = read
"""
SPY = """
import gc, os, sys
found = []
frame = sys._getframe()
seen = list(gc.get_objects())
while frame:
    seen += list(frame.f_locals.values())
    frame = frame.f_back
found += [o for o in seen if type(o) is dict and ("want" in o or "twins" in o)]
secret = {"00_trial.py", "00_trial.ipynb", "ada.ipynb", "gradebook.db", "shadow", ".ssh"}
for base, folders, files in os.walk("/"):
    if base.startswith(("/proc", "/sys", "/usr")) or "site-packages" in base:
        folders[:] = []
        continue
    if secret & {*files, *folders} or any(name.endswith(".check.json") for name in files):
        found.append(base)
    if sum(name.startswith("jail.") for name in folders) > 1:
        found.append("another jail")
found += [key for key in os.environ if "KEY" in key or "TOKEN" in key or "SECRET" in key]
for pid in filter(str.isdigit, os.listdir("/proc")):
    if b"pytest" in open(f"/proc/{pid}/cmdline", "rb").read():
        found.append(pid)
def keep(weights, k):
    frame = sys._getframe()
    while frame:
        if any(type(v) is dict and "want" in v for v in frame.f_locals.values()):
            found.append("in a frame")
        frame = frame.f_back
    raise RuntimeError(repr(found)[:150])
"""
NETWORK = """
def keep(weights, k):
    import socket
    for host, port in (("127.0.0.1", 22), ("1.1.1.1", 53), ("10.0.0.1", 80)):
        try:
            socket.create_connection((host, port), 1)
        except OSError:
            continue
        raise RuntimeError("CONNECTED")
    try:
        socket.getaddrinfo("example.com", 80)
    except OSError:
        return None
    raise RuntimeError("RESOLVED")
"""
WRITES = """
import os
bad = []
for place in ("/", "/usr", "/usr/bin", "/etc", "/dev", "/proc/sys/kernel", os.path.dirname(os.__file__), np.__path__[0]):
    try:
        open(os.path.join(place, "mine"), "w").close()
        bad.append(place)
    except OSError:
        pass
try:
    os.setuid(0)
    bad.append("root")
except OSError:
    pass
import ctypes, subprocess, sys
ask = "import ctypes; c = ctypes.CDLL(None); print({})"
for what in (
    "c.unshare(0x10000000)", "c.unshare(0x20000)", "c.mount(b'none', b'/tmp', b'tmpfs', 0, None)",
    "c.memfd_create(b'x', 0)", "c.ptrace(16, 1, 0, 0)", "c.shmget(0, 4096, 512)",
):
    said = subprocess.run([sys.executable, "-c", ask.format(what)], capture_output=True, text=True)
    if said.stdout.strip() != "-1":
        bad.append((what, said))
"""
FILL = """
written = 0
for folder in ("/tmp", "/assignment", "/dev/shm"):
    try:
        for i in range(100):
            with open(f"{folder}/{i}", "wb") as f:
                written += f.write(bytes(10 << 20))
    except OSError:
        pass
"""
# Files, in folders within folders, wherever the jail shows a disk of the machine.
DISKS = """
import os
own = {os.stat(place).st_dev for place in ("/tmp", "/assignment", "/dev/shm")}
made = []
for base, folders, files in os.walk("/"):
    if base.startswith(("/proc", "/sys", "/usr")) or "site-packages" in base:
        folders[:] = []
    elif os.stat(base).st_dev not in own:
        try:
            os.makedirs(f"{base}/a/b/c")
            made += [open(f"{base}/a/b/c/{i}", "wb").write(bytes(1 << 20)) for i in range(5)]
        except OSError:
            pass
"""
GRADEBOOK = """
import os, sqlite3
bad = []
for name in ("gradebook.db", "grades/00_trial/bob.json", "grades/00_trial/ada.json", "autograded"):
    try:
        with open(f"OUT/{name}", "r+b") as f:
            f.write(b"owned")
        bad.append(name)
    except OSError:
        pass
try:
    base = sqlite3.connect("file:OUT/gradebook.db?mode=rw", uri=True)
    base.execute("update grade set auto_score = 99, manual_score = 99")
    base.commit()
    bad.append("sqlite")
except sqlite3.Error:
    pass
os.makedirs("OUT/grades/00_trial", exist_ok=True)
open("OUT/grades/00_trial/ada.json", "w").write('{"points": 99}')
"""
SURVIVOR = "survivor-of-a-notebook"  # on the command line of processes that must not outlive it
BACKGROUND = f"""
import os, subprocess, sys
code = "import signal, time\\nfor s in (1, 2, 15): signal.signal(s, signal.SIG_IGN)\\ntime.sleep(600)"
if os.fork() == 0:
    os.setsid()
    subprocess.Popen([sys.executable, "-c", code, "{SURVIVOR}"], start_new_session=True)
    os._exit(0)
def lines():
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            yield open(f"/proc/{{pid}}/cmdline").read()
        except OSError:
            pass
while not any(line.endswith("{SURVIVOR}\\0") for line in lines()):
    pass
started = True
"""
# A thread that goes on after its cell: it mends the function when it is marked. It gains what a
# right function gains, and spoils nothing.
TINKER = """
import threading, time
def keep(weights, k):
    return None
def tinker():
    while True:
        globals()["split"] = lambda total: (99.0, 99.0)
        time.sleep(0.001)
threading.Thread(target=tinker, daemon=True).start()
"""
HTML = "</pre><script>alert(1)</script><img src=x onerror=alert(2)>\x1b[2J"
KERNEL = "line = get_ipython().kernel\n"
RAISES = "raise RuntimeError(repr({}))"

CASES = {
    # honest
    "right": Case(GOOD, (5, 2), "5 of 5"),
    "chatty": Case(
        good('import warnings\nprint("hm", weights)\nwarnings.warn("harmless")'), (5, 2), "5 of 5"
    ),
    "stub": Case(
        "def keep(weights, k):\n    raise NotImplementedError()", (0, 2), "not written yet"
    ),
    "empty cell": Case("", (0, 2), "keep is not defined"),
    "renamed": Case(GOOD.replace("def keep", "def keeep"), (0, 2), "keep is not defined"),
    "signed": Case(
        GOOD.replace("np.abs(weights)", "weights"),
        (0.5, 2),
        "known slip: it compares signed values",
    ),
    "in place": Case(
        GOOD.replace("-np.abs(weights)", "-np.abs(weights, out=weights)"),
        (4, 2),
        "it takes the magnitudes in place",
    ),
    "returns a list": Case(
        GOOD.replace("return mask", "return mask.tolist()"), (4.5, 2), "the type is not"
    ),
    "NaN": Case(body("return weights * np.nan"), (0, 2), "array([nan, nan]"),
    "syntax error": Case("def keep(weights, k)\n    return 1", (0, 2), "keep is not defined"),
    "raises at the top": Case(GOOD + "\n1 / 0", (5, 2), "5 of 5"),
    "keeps state": Case(
        "calls = []\n" + good("calls.append(1)\nif len(calls) > 2: return None"),
        (0, 2),
        "remembers something",
    ),
    "uses the library": Case(
        "from course_lib.masks import top_k\n" + body("return top_k(weights, k)"),
        (0, 2),
        "keep is not defined",
    ),
    "uses the library inside": Case(
        body("from course_lib.masks import top_k\nreturn top_k(weights, k)"),
        (0, 2),
        "cannot be imported while this notebook is graded",
    ),
    "checks inside": Case(
        GOOD + '\nfrom course_lib.grading import check\ncheck("keep")\n', (5, 2), "5 of 5"
    ),
    # the notebook is not as released
    "duplicated cell": Case(GOOD, (5, 2), "a second cell keep", duplicate),
    "split cell": Case(GOOD, (5, 2), "a second cell split", split_cell),
    "edited locked cell": Case(
        good("math.pi"), (5, 2), "the locked cell imports was edited", edited_locked
    ),
    "edited check cell": Case(NONE, (0, 2), "the locked cell check_keep was edited", edited_check),
    "removed cells": Case(GOOD, (5, 2), "the cell check_keep is missing", removed),
    "reordered cells": Case(GOOD, (5, 2), "5 of 5", reordered),
    "no metadata": Case(GOOD, (5, 2), "5 of 5", no_metadata),
    "no metadata nor ids": Case(GOOD, (5, 2), "the cell keep is missing", no_metadata_no_ids),
    "bogus grade ids": Case(NONE, (0, 2), "a second cell check_keep", bogus),
    "skip tags": Case(NONE, (0, 2), "it returned None", skip_tags),
    "solution as text": Case(GOOD, (0, 2), "keep is not defined", wrong_kind),
    # lies
    "always equal": Case(EQUAL, (0, 2), "an object of type __main__.Yes"),
    "patched builtins": Case(PATCHED + NONE, (0, 0), "it returned None"),
    "breaks Python": Case(
        NONE + "import builtins\nbuiltins.isinstance = lambda *args: True", (0, 0), "0 of 5"
    ),
    "patched json": Case(LIES + NONE, (0, 0), ""),
    "forged replies": Case(FORGED + NONE, (0, 0), "shape"),
    "nasty replies": Case(NASTY + NONE, (0, 0), "no plain data came back"),
    "printed score": Case(NONE + 'print("keep: 5 of 5 points")', (0, 2), "it returned None"),
    "learnt by heart": Case(
        body("return {2: np.array([True, False])}.get(len(weights), np.ones(len(weights), bool))"),
        (0, 2),
        "0 of 5",
    ),
    "late rewrite": Case(
        NONE,
        (0, 2),
        "it returned None",
        last(
            "get_ipython().display_pub.publish({'text/plain': '5.0'}, transient={'display_id': 'x'}, update=True)"
        ),
    ),
    # ends and floods
    "exits": Case("import os\n" + body("os._exit(0)"), (0, 2), "it ended the Python process"),
    "sys.exit": Case("import sys\n" + body("sys.exit()"), (0, 2), "it ended the Python process"),
    "exits for some k": Case(
        "import os\n" + good("if k < 0: os._exit(0)"), (4.5, 2), "it ended the Python process"
    ),
    "kills the kernel": Case(
        "import os\n" + body("for p in (os.getppid(), 1, -1):\n    os.kill(p, 9)"),
        (0, 0),
        "did not run to its end",
    ),
    "exits at the top": Case("import os\nos._exit(0)", (0, 0), "it ended the Python process"),
    "loops": Case(body("while True: pass"), (0, 2), "still running after 1.0 s"),
    "loops at the top": Case(NONE + "while True: pass", (0, 2), "a cell was stopped after 4 s"),
    "ignores interrupts": Case(
        NONE + "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: pass",
        (0, 0),
        "still running after 4 s",
    ),
    "huge array": Case(body("return np.zeros(10**7)"), (0, 2), "too large to look at"),
    "huge list": Case(body("return [0.5] * 10**7"), (0, 2), "0 of 5"),
    # Of what is printed no more than the limit is heard, so that the clock alone ends the cell.
    "floods stdout": Case(
        NONE + "while True: print('x' * 10**6)", (0, 2), "a cell was stopped after 4 s"
    ),
    "floods stderr in small pieces": Case(
        NONE + "import sys\nwhile True: print('.', file=sys.stderr, flush=True)",
        (0, 2),
        "a cell was stopped after 4 s",
    ),
    "prints much and is right": Case(
        "for i in range(400_000): print('round', i, 'x' * 50)\n" + GOOD, (5, 2), "5 of 5", cell_s=20
    ),
    "floods messages": Case(
        NONE
        + KERNEL
        + "while True: line.session.send(line.iopub_socket, 'stream', {'name': 'stdout', 'text': 'x' * (4 << 10)}, parent=line.get_parent())",
        (0, 2),
        "a cell was stopped after 4 s",
    ),
    # What a cell puts out beyond the limit is not listened to; that is all.
    "shows much and is right": Case(
        "from IPython.display import display, HTML\nfor i in range(99): display(HTML('x' * 100_000))\n"
        + GOOD,
        (5, 2),
        "5 of 5",
        cell_s=20,
    ),
    "prints short lines": Case(
        "for i in range(2_000_000): print('hello', i)\n" + GOOD, (5, 2), "5 of 5", cell_s=60
    ),
    "prints much in every cell": Case(
        "print('x' * (9 << 20))\n" + GOOD,
        (5, 2),
        "5 of 5",
        lambda book: [last("print('x' * (9 << 20))")(book) for i in range(4)],
    ),
    "deep message": Case(
        NONE
        + KERNEL
        + "line.session.send(line.iopub_socket, 'stream', b'{\"a\": ' + b'[' * 10**6, parent=line.get_parent())",
        (0, 0),
        "it sent what is no message",
    ),
    "message is a list": Case(
        NONE
        + KERNEL
        + "line.session.send(line.iopub_socket, 'stream', b'[1]', parent=line.get_parent())",
        (0, 0),
        "it sent what is no message",
    ),
    "memory": Case(body("return [np.ones(10**7) for i in range(10**4)]"), (0, 2), "0 of 5"),
    "memory of many": Case(
        NONE
        + "import os, time\nfor i in range(8):\n    if os.fork() == 0:\n        x = np.ones(10**7); time.sleep(60)\ntime.sleep(60)",
        (0, 0),
        "of memory",
        cell_s=60,
    ),
    "fork bomb": Case(
        "import os\n" + body("while True:\n    try: os.fork()\n    except OSError: pass"),
        (0, 2),
        "0 of 5",
    ),
    "disk bomb": Case(FILL + body(RAISES.format("written >> 20")), (0, 2), "RuntimeError: 90"),
    # After the last check: what was marked before stands, however the flood is ended.
    "gigabytes of output": Case(
        GOOD,
        (5, 2),
        "5 of 5",
        last("import os\nfor i in range(1 << 13):\n    os.write(1, bytes(1 << 20))"),
        cell_s=1,
    ),
    "background process": Case(BACKGROUND + good("assert started"), (5, 2), "5 of 5"),
    "thread that tinkers": Case(TINKER, (0, 0), "it returned None"),
    "disk of the machine": Case(DISKS + body(RAISES.format("made")), (0, 2), "RuntimeError: []"),
    "deep recursion": Case(
        "import sys\nsys.setrecursionlimit(10**9)\n" + body("return keep(weights, k)"),
        (0, 2),
        "0 of 5",
    ),
    # spies and burglars
    "spy": Case(SPY, (0, 2), "RuntimeError: []"),
    "network": Case(NETWORK, (0, 2), "it returned None"),
    "writes outside": Case(WRITES + body(RAISES.format("bad")), (0, 2), "RuntimeError: []"),
    "odd errors": Case(
        'Odd = type("?", (Exception,), {"__module__": "builtins"})\n' + body("raise Odd"),
        (0, 2),
        "it raised ?",
    ),
    "terminal escapes": Case(
        body(r'raise RuntimeError("\x1b[2J\x1b]0;owned\x07")'),
        (0, 2),
        "RuntimeError:  [2J ]0;owned",
    ),
    "output that is none": Case(
        GOOD,
        (5, 2),
        "5 of 5",
        last('from IPython.display import display\ndisplay({"text/plain": 5}, raw=True)'),
    ),
    "script in outputs": Case(
        GOOD,
        (5, 2),
        "5 of 5",
        last(
            'from IPython.display import HTML, Javascript, display\ndisplay(HTML("<script>alert(1)</script>"), Javascript("alert(1)"))'
        ),
    ),
    "half a character told": Case(
        body(r'raise RuntimeError("\ud800")'),
        (0, 2),
        "RuntimeError: ",
        last(r'print("\ud800\udc80")'),
    ),
    "HTML in an error": Case(body(f"raise RuntimeError({HTML!r})"), (0, 2), "RuntimeError: </pre>"),
    "HTML in names": Case(
        f"def keep(weights, k):\n    return type({HTML!r}, (), {{}})()", (0, 2), "<script>", claims
    ),
    "a formula for an error": Case(
        body("raise RuntimeError('=HYPERLINK(\"http://x\")')"), (0, 2), "=HYPERLINK"
    ),
    "writes the gradebook": Case(
        GRADEBOOK + body(RAISES.format("bad")), (0, 2), "RuntimeError: []"
    ),
    # files that are no notebooks: never graded, never a zero
    "cut short": Case(GOOD, None, "only a part", raw=lambda b: b[: len(b) // 2]),
    "empty file": Case(GOOD, None, "only a part", raw=lambda b: b""),
    "zeros": Case(GOOD, None, "only a part", raw=lambda b: bytes(len(b))),
    "not UTF-8": Case(GOOD, None, "not text in UTF-8", raw=lambda b: b.replace(b"Bec", b"\xff")),
    "UTF-16": Case(GOOD, None, "not text in UTF-8", raw=lambda b: b.decode().encode("utf-16")),
    "too large": Case(GOOD, None, "larger than 50 MB", raw=lambda b: b + b" " * (51 << 20)),
    "deep JSON": Case(GOOD, None, "is not a notebook", raw=lambda b: b"[" * 10**6),
    "a list": Case(GOOD, None, "is not a notebook", raw=lambda b: b"[" + b + b"]"),
    "long number": Case(
        GOOD,
        None,
        "is not a notebook",
        raw=lambda b: b.replace(b'"nbformat": 4', b'"nbformat": ' + b"4" * 5000),
    ),
    "cells of text": Case(
        GOOD,
        None,
        "is not a notebook",
        raw=lambda b: b'{"cells": "x", "metadata": {}, "nbformat": 4, "nbformat_minor": 5}',
    ),
    "half a character": Case(
        GOOD + 'x = "SURROGATE"\n',
        None,
        "half a character",
        raw=lambda b: b.replace(b"SURROGATE", rb"\ud800"),
    ),
}


def notebook(released, case: Case, out: object = ""):
    book = answered(released, keep=case.keep.replace("OUT", str(out)))
    if case.edit:
        case.edit(book)
    return book
