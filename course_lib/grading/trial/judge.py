"""Runs a notebook in a kernel and, where its check cells stand, marks its functions."""

from __future__ import annotations

import base64
import binascii
import json
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from nbformat import NotebookNode, ValidationError
from nbformat.v4 import output_from_msg

from course_lib.grading.errors import clean
from course_lib.grading.jail.kernel import GRACE_SECONDS, Kernel, KernelLost, Message
from course_lib.grading.marking import plain
from course_lib.grading.marking.mark import Answers, Ask, mark
from course_lib.grading.marking.plain import Node
from course_lib.grading.marking.values import Material
from course_lib.grading.trial.submission import Step
from course_lib.grading.verdict import UNREACHED, TaskResult

SHOWN = 100_000  # characters of a cell's output that are kept
FORMATS = ("text/plain", "image/png", "image/jpeg")  # nothing that a browser would run

_SOURCE = base64.b64encode(Path(plain.__file__).read_bytes()).decode()
# Runs plain.py in a namespace of its own; of the student's names it uses none but __builtins__.
_ASK = (
    '(lambda d: (__import__("builtins").exec(__import__("base64").b64decode("{source}"), d), '
    'd["serve"]("{request}"))[1])({{"__name__": "plain"}})'
)


@dataclass
class Trial:
    """What came of running a notebook: results of tasks, and what a person should know."""

    results: dict[str, TaskResult] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    started: bool = False


def judge(
    steps: Iterable[Step], materials: dict[str, Material], kernel: Callable[[], Kernel]
) -> Trial:
    """Run the steps in a new kernel and mark the tasks; the cells get their outputs.

    A kernel that dies, hangs or floods ends the trial there: tasks not yet marked get 0 points.

    Raises:
        KernelLost, OSError: the kernel did not start. That is no fault of the student's.
    """
    trial, lost = Trial(), ""
    with kernel() as live:
        end = time.monotonic() + live.limits.total_s
        for step in steps:
            try:
                if (left := end - time.monotonic()) <= 0:
                    raise KernelLost(f"it took more than {live.limits.total_s:g} s in all")
                if step.task:
                    material = materials[step.task]
                    trial.results[step.task] = mark(material, _asking(live, material))
                elif step.cell.cell_type == "code" and step.runs:
                    _run(live, step.cell, min(left, live.limits.cell_s), trial)
            except KernelLost as error:
                lost = str(error)
                break
    if lost:
        trial.notes.append(f"the notebook did not run to its end: {lost}")
    for name, material in materials.items():
        if name not in trial.results:
            silence = f"{UNREACHED}: {lost or 'its check cell is not there'}"
            trial.results[name] = mark(material, partial(_silent, silence))
    return trial


def _run(live: Kernel, cell: NotebookNode, seconds: float, trial: Trial) -> None:
    """Run one cell; keep its output as far as it is short and harmless."""
    room = SHOWN

    def shown(message: Message) -> None:
        nonlocal room
        try:
            output = output_from_msg(message)
            if "data" in output:
                output.data = {k: v for k, v in output.data.items() if k in FORMATS}
                output.metadata = {}
            if output.output_type == "error":
                output.traceback = [clean(line, 2000) for line in output.traceback[-3:]]
            size = len(json.dumps(output))
        except (ValueError, TypeError, AttributeError, LookupError, ValidationError):
            return  # not an output: a status, a widget's message, a forgery
        room -= size
        if room >= 0:
            cell.outputs.append(output)

    reply = live.execute(cell.source, seconds, shown=shown)
    if reply["interrupted"]:
        trial.notes.append(f"a cell was stopped after {seconds:.0f} s")


def _silent(why: str, cases: object, seconds: float) -> tuple[list[str], str]:
    return [], why


def _asking(live: Kernel, material: Material) -> Ask:
    """Return what asks the kernel for the answers of one task.

    All checks are asked in one message, since each takes a while to go and come back. What did not
    come back in one, and what is asked again, goes in a message of its own.
    """
    requests = [{"cases": c["cases"], "seconds": c["seconds"]} for c in material["checks"]]
    waiting = deque(zip(requests, _ask(live, requests), strict=False))

    def ask(cases: list[Node], seconds: float) -> Answers:
        if waiting and waiting[0][0]["cases"] is cases:
            return waiting.popleft()[1]
        found = _ask(live, [{"cases": cases, "seconds": seconds}])
        return found[0] if found else ([], "no plain answer came back")

    return ask


def _ask(live: Kernel, requests: list[Node]) -> list[Answers]:
    """Ask the kernel to answer requests. Nothing is certain of what comes back but that it is text.

    Raises:
        KernelLost: see `Kernel.execute`.
    """
    request = base64.b64encode(json.dumps(requests).encode()).decode()
    seconds = sum(request["seconds"] for request in requests) + GRACE_SECONDS
    reply = live.execute("", seconds, expression=_ASK.format(source=_SOURCE, request=request))
    try:
        text = reply["user_expressions"]["it"]["data"]["text/plain"]
        if len(text) > 3 * plain.LIMIT:
            return []
        found = json.loads(base64.b64decode(text[1:-1], validate=True))
        return [([line for line in lines if isinstance(line, str)], why) for lines, why in found]
    except (LookupError, TypeError, ValueError, RecursionError, binascii.Error):
        return []
