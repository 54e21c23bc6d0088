"""Runs a notebook in a kernel and, where its check cells stand, marks its functions.

What did not come back, because time ran out or a process ended, is asked for a second time in a
fresh kernel: only what happens twice is the notebook's own doing.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from nbformat import NotebookNode
from nbformat.v4 import output_from_msg

from course_lib.grading.cells import all_imports
from course_lib.grading.errors import Refusal, clean
from course_lib.grading.jail.clock import Clock
from course_lib.grading.jail.kernel import GRACE_SECONDS, Kernel, KernelLost, Message
from course_lib.grading.marking import plain
from course_lib.grading.marking.mark import Answers, Read, again, marked, read, remembering
from course_lib.grading.marking.plain import Node
from course_lib.grading.marking.values import Material, Rules
from course_lib.grading.trial.submission import Step
from course_lib.grading.verdict import UNREACHED, TaskResult

SHOWN = 100_000  # characters of a cell's output that are kept
FORMATS = ("text/plain", "image/png", "image/jpeg")  # nothing that a browser would run
SHORT = 4  # seconds: what may take longer is asked in a message of its own
NO_ANSWER = "no plain answer came back"
SLACK = 0.5  # seconds of a processor that asking takes itself

_SOURCE = base64.b64encode(Path(plain.__file__).read_bytes()).decode()
# Runs plain.py in a namespace of its own; of the student's names it uses none but __builtins__.
_ASK = (
    '(lambda d: (__import__("builtins").exec(__import__("base64").b64decode("{source}"), d), '
    'd["serve"]("{request}"))[1])({{"__name__": "plain"}})'
)


class Undecided(Refusal):
    """A notebook ended differently when it ran again: a person decides."""


@dataclass
class Run:
    """What came of running a notebook once, in one kernel.

    found: what is known of each check of the tasks that were reached; None where it was not asked.
    stops: how and where the notebook was stopped or ended. ours: why it was not its own doing.
    """

    found: dict[str, list[Read | None]] = field(default_factory=dict)
    stops: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    lost: str = ""
    ours: str = ""

    @property
    def doubtful(self) -> bool:
        """Was there anything that could have been the doing of others?"""
        reads = [one for row in self.found.values() for one in row if one]
        return bool(self.ours or self.stops or any(one.doubt for one in reads))


@dataclass
class Trial:
    """What came of a submission: results of tasks, and what a person should know."""

    results: dict[str, TaskResult]
    notes: list[str]


def judge(
    steps: Sequence[Step], materials: dict[str, Material], kernel: Callable[[], Kernel]
) -> Trial:
    """Run the steps in a new kernel and mark the tasks; the cells get their outputs.

    A kernel that dies, hangs or floods, twice alike, ends the trial there: tasks not yet marked get
    0 points.

    Raises:
        KernelLost, OSError: a kernel did not start. That is no fault of the student's.
        Undecided: it ran twice, and ended differently.
    """
    first = run(steps, materials, kernel)
    second = run(steps, materials, kernel, first) if first.doubtful else None
    return settle(materials, first, second)


def settle(materials: dict[str, Material], first: Run, second: Run | None = None) -> Trial:
    """Return what came of a submission that ran once, or twice if the first run is in doubt.

    Raises:
        Undecided: what is in doubt ended differently.
    """
    last = second or first
    if second and second.doubtful:
        if ours := second.ours or first.ours:
            raise Undecided(f"{ours}, and it did not come to its end in a second run; look at it")
        if second.stops and second.stops != first.stops:
            raise _undecided(first.stops or ["it came to its end"], second.stops)
    anew = bool(first.stops and not last.stops)  # what came of the first run is not to be trusted
    silence = f"{UNREACHED}: {last.lost or 'its check cell is not there'}"
    results = {}
    for name, material in materials.items():
        checks = material["checks"]
        one, two = (each.found.get(name, [None] * len(checks)) for each in (first, last))
        found = [
            _either(name, a, b, anew) or read([check], [([], silence)])[0]
            for check, a, b in zip(checks, one, two, strict=True)
        ]
        results[name] = marked(material, found)
    return Trial(results, last.notes)


def _either(name: str, one: Read | None, other: Read | None, anew: bool) -> Read | None:
    """Return what is known of a check after two runs: of the second alone, if it counts `anew`.

    Raises:
        Undecided: both are in doubt, and for different reasons.
    """
    if not (one and other):
        if anew and other and other.doubt:
            raise _undecided([f"{name}: not reached"], [f"{name}: {other.doubt}"])
        return other or one
    if other.doubt and other.doubt != one.doubt and (one.doubt or anew):
        raise _undecided([f"{name}: {one.doubt or 'answered'}"], [f"{name}: {other.doubt}"])
    return other if one.doubt or anew else one


def _undecided(first: list[str], second: list[str]) -> Undecided:
    told = [clean("; ".join(each), 200) for each in (first, second)]
    return Undecided(f"it ran twice and ended differently ({', then '.join(told)}): look at it")


def run(
    steps: Sequence[Step],
    materials: dict[str, Material],
    kernel: Callable[[], Kernel],
    before: Run | None = None,
) -> Run:
    """Run the steps once in a new kernel, and ask for answers where check cells stand.

    before: the run that left doubts. Where it came to the end, only what is in doubt is asked, each
    check by itself.

    Raises:
        KernelLost, OSError: the kernel did not start.
    """
    done, killed, whole = Run(), _killed(), False
    given: dict[str, list[Answers]] = {}
    cells = [step.cell for step in steps if step.cell.cell_type == "code" and step.runs]
    for cell in cells:
        cell.outputs = []
    with kernel() as live:
        clock, limits, place = Clock(live.process.pid, live.limits.total_s), live.limits, ""
        imports = [each for cell in cells for each in all_imports(cell.source, inside=True)]
        too_long = f"it took more than {limits.total_s:g} s in all"
        try:
            for number, step in enumerate(steps, 1):
                place = f"at cell {number} "
                if (left := clock.left()) <= 0:
                    raise KernelLost(too_long)
                if step.task:
                    if imports:  # what each copy of the kernel would have to import again
                        _ask(live, [], imports)
                        imports = []
                    material = materials[step.task]
                    if not before or before.stops or before.ours:
                        given[step.task] = _answers(live, material["checks"])
                    elif not _ask_again(live, material, before.found[step.task], done):
                        break
                elif step.cell in cells and _run(live, step.cell, min(left, limits.cell_s)):
                    if left < limits.cell_s:
                        raise KernelLost(too_long)
                    done.stops.append(f"{place}it was stopped")
                    done.notes.append(f"a cell was stopped after {limits.cell_s:.0f} s")
            else:
                whole = True
        except KernelLost as error:
            done.lost, done.ours = str(error), str(error) if error.ours else ""
            done.stops.append(f"{place * (done.lost == plain.ENDED)}{error}")
            done.notes.append(f"the notebook did not run to its end: {error}")
        checks = [check for name in given for check in materials[name]["checks"]]
        reads = iter(read(checks, [one for answers in given.values() for one in answers]))
        done.found |= {name: [*islice(reads, len(answers))] for name, answers in given.items()}
        if whole:
            _compare_orders(live, materials, done)
    ends = [done.lost, *(one.doubt for row in done.found.values() for one in row if one)]
    if plain.ENDED in ends and _killed() != killed:
        done.ours = "this machine had no memory left, and the system ended processes"
    return done


def _killed() -> str:
    """Return how many processes the system has ended for want of memory; empty if unknown."""
    try:
        found = re.search(r"^oom_kill .*", Path("/proc/vmstat").read_text(), re.MULTILINE)
    except OSError:
        return ""
    return found[0] if found else ""


def _run(live: Kernel, cell: NotebookNode, seconds: float) -> bool:
    """Run one cell; keep its output as far as it is short and harmless. Was it interrupted?"""
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
        except Exception:
            return  # not an output: a status, a widget's message, a forgery of whatever kind
        room -= size
        if room >= 0:
            cell.outputs.append(output)

    return bool(live.execute(cell.source, seconds, shown=shown)["interrupted"])


def _request(check: Rules) -> Node:
    return {key: check[key] for key in ("cases", "seconds")} | {"inputs": check["unchanged"]}


def _answers(live: Kernel, checks: list[Rules]) -> list[Answers]:
    """Ask for the answers to the checks of one task.

    They are asked in one message, since each takes a while to go and come back, unless it is to
    take long. If more time of the processor went by than the least of them may take, each is asked
    by itself: the kernel's own word for its time is worth nothing.
    """
    requests = [_request(check) for check in checks]
    found: list[Answers] = []
    least = min(request["seconds"] for request in requests)
    if max(request["seconds"] for request in requests) <= SHORT:
        found, used = _ask(live, requests)
        late = [
            r["seconds"]
            for r, (_, why) in zip(requests, found, strict=False)
            if why == plain.still_running(r)
        ]
        if used - sum(late) > least + SLACK:
            found = []
    return found + [_alone(live, request) for request in requests[len(found) :]]


def _alone(live: Kernel, request: Node) -> Answers:
    """Ask for the answers to one request, in the time that it has by our clock."""
    found, used = _ask(live, [request])
    if used > request["seconds"] + SLACK:
        return [], plain.still_running(request)
    return found[0] if found else ([], NO_ANSWER)


def _ask_again(live: Kernel, material: Material, known: list[Read | None], done: Run) -> bool:
    """Ask what an earlier run has left in doubt, each check by itself; say if the kernel lives.

    Where a copy of the kernel gave nothing, the kernel itself is asked: threads, which some
    libraries wait for, do not come along into a copy. Its end is no other than that of the copy.
    """
    row: list[Read | None] = [None] * len(known)
    done.found[material["name"]] = row
    for number, (check, one) in enumerate(zip(material["checks"], known, strict=True)):
        if not (one and one.doubt):  # asked like the others: what is asked tells nothing
            _alone(live, _request(check))
            continue
        request = _request(check)
        request["here"] = one.doubt in (plain.ENDED, plain.no_answer(request))
        try:
            row[number] = read([check], [_alone(live, request)])[0]
        except KernelLost as error:
            if error.ours or not request["here"]:
                raise
            return False
    return True


def _compare_orders(live: Kernel, materials: dict[str, Material], done: Run) -> None:
    """Ask once more for answers that were wrong: without the calls before them, and with these.

    This comes last, and nothing is asked after it: what is asked here tells which were wrong.
    """
    places, requests = [], []
    for name, row in done.found.items():
        for number, (check, one) in enumerate(zip(materials[name]["checks"], row, strict=True)):
            if one and (cases := again(check, one)):
                places.append((name, number))
                requests += [{**_request(check), "cases": some} for some in (cases[-1:], cases)]
    if not requests:
        return
    try:
        found, _ = _ask(live, requests)
    except KernelLost:  # it has told all that counts
        return
    for (name, number), alone, after in zip(places, found[::2], found[1::2], strict=False):
        check, row = materials[name]["checks"][number], done.found[name]
        if one := row[number]:
            row[number] = remembering(check, one, alone, after)


def _ask(
    live: Kernel, requests: list[Node], imports: Sequence[object] = ()
) -> tuple[list[Answers], float]:
    """Ask the kernel to answer requests; return the answers, and the processor seconds it took.

    Nothing is certain of what comes back but that it is text; of reasons only those are taken that
    are known.

    Raises:
        KernelLost: see `Kernel.execute`.
    """
    request = base64.b64encode(json.dumps([imports, requests]).encode()).decode()
    seconds = sum(request["seconds"] for request in requests) + GRACE_SECONDS
    reply = live.execute("", seconds, expression=_ASK.format(source=_SOURCE, request=request))
    try:
        text = reply["user_expressions"]["it"]["data"]["text/plain"]
        if len(text) > 3 * plain.LIMIT:
            return [], reply["used"]
        told = json.loads(base64.b64decode(text[1:-1], validate=True))
        pairs = [(lines, why) for lines, why in told]
        found = [_told(*pair) for pair in zip(requests, pairs, strict=False)]
    except (LookupError, TypeError, ValueError, RecursionError, binascii.Error):
        return [], reply["used"]
    return found, reply["used"]


def _told(request: Node, answers: tuple[list[object], object]) -> Answers:
    """Return the answers to a request, as far as they are lines, with a reason that is ours."""
    lines = [line for line in answers[0] if isinstance(line, str)][: len(request["cases"])]
    if request["inputs"]:
        lines = [_compared(*pair) for pair in zip(request["cases"], lines, strict=False)]
    ours = (plain.ENDED, plain.MUCH, plain.still_running(request), plain.no_answer(request))
    return lines, next((why for why in ours if why == answers[1]), NO_ANSWER)


def _compared(case: Node, line: str) -> str:
    """Return an answer that tells what became of its inputs as one that tells which changed."""
    try:
        found = json.loads(line)
        if "value" in found:
            found["changed"] = plain.differing(case, found.pop("inputs"))
        return json.dumps(found)
    except (LookupError, TypeError, ValueError, AttributeError, RecursionError):
        return ""
