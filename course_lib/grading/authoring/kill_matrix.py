"""The kill matrix: known mistakes, right answers and the stub of assignments, all graded."""

from __future__ import annotations

import json
import operator
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from course_lib.grading.authoring.assignment import Assignment
from course_lib.grading.authoring.tasks import Task, Variant, prove
from course_lib.grading.cells import answered, grade_id, used
from course_lib.grading.errors import Refusal
from course_lib.grading.jail.folders import end_all
from course_lib.grading.jail.walls import ready
from course_lib.grading.trial import worker
from course_lib.grading.trial.worker import Graded
from course_lib.grading.verdict import Plain, TaskResult
from course_lib.processes import Task as Job
from course_lib.processes import work

MUTANTS, ALTERNATIVES = 3, 2  # at least so many for a task
SEED = 0  # of the inputs that are graded end to end; `prove` draws many others
PROOF = "proof"


def count(assignment: Assignment) -> int:
    """Return how many pieces of work the matrix of an assignment is."""
    return 1 + len(rounds(assignment))


def matrices(
    found: Sequence[Assignment],
    workers: int,
    seeds: Iterable[int] = range(20),
    step: Callable[[], object] = lambda: None,
) -> Generator[Plain, None, None]:
    """Grade every version of every task, end to end; compare with what each must lose.

    Args:
        found: the assignments.
        workers: processes.
        seeds: for which versions are marked without a jail as well.
        step: is called after each piece of work.

    Yields:
        For each assignment, when it is done: {"assignment", "ok", "problems": sentences, "tasks"},
        each task {"name", "points", "checks": [{"id", "points", "visible"}], "rows"}, each row
        {"key", "kind", "message", "must": ids of checks it must lose, "lost": ids of those that it
        lost, "named": was its message told?}. A task has a row for each version, the reference and
        the stub first.

    Raises:
        Refusal: no jail can be made here.
    """
    ready()
    ongoing = {a.name: _Trial(a) for a in found}

    def tasks() -> Iterator[Job]:
        for a, trial in zip(found, list(ongoing.values()), strict=True):
            try:
                sealed = worker.seal(a.paper(a.materials(SEED)))
            except Refusal as refusal:
                trial.refuse(str(refusal))
            yield f"{a.name}/{PROOF}", (proof, a.folder.parents[1], a.name, list(seeds))
            for number, versions in enumerate(trial.rounds):
                book = nbformat.writes(_notebook(a, versions)).encode()
                job = (worker.grade_sealed, sealed, book, f"round {number}")
                yield f"{a.name}/{number}", job

    with closing(work(operator.call, tasks(), workers, at_end=end_all)) as done:
        for key, result, error in done:
            name, _, part = key.partition("/")
            ongoing[name].take(part, result, error)
            step()
            if not ongoing[name].left:
                yield ongoing.pop(name).matrix()


def proof(exercises: Path, name: str, seeds: list[int]) -> list[str]:
    """Return what is wrong with the tasks of an assignment, by marking alone."""
    a = Assignment(exercises, name)
    return [
        problem
        for task in a.tasks
        for problem in prove(
            task, a.reference[task.name], a.mutants(task.name), a.alternatives(task.name), seeds
        )
    ]


class _Trial:
    """What is found out about one assignment, piece by piece."""

    def __init__(self, assignment: Assignment) -> None:
        self.assignment = assignment
        self.rounds = rounds(assignment)
        self.left = {PROOF, *map(str, range(len(self.rounds)))}
        self.problems = [p for task in assignment.tasks for p in gaps(assignment, task)]
        self.results: dict[tuple[str, str], TaskResult] = {}

    def refuse(self, why: str) -> None:
        """Nothing can be graded: what is left is the proof."""
        self.problems.append(why)
        self.left, self.rounds = {PROOF}, []

    def take(self, part: str, result: list[str] | Graded, error: BaseException | None) -> None:
        self.left.remove(part)
        if isinstance(error, Refusal):
            self.problems += {str(error)} - set(self.problems)
        elif error:
            self.problems.append(f"{part} failed: {type(error).__name__}: {error}")
        elif isinstance(result, list):  # the proof
            self.problems += result
        elif result[0].status != "graded":
            self.problems.append(f"round {part} was not graded: {result[0].why}")
        else:
            versions = self.rounds[int(part)]
            marked = {task.name: task for task in result[0].tasks}
            self.results |= {(t, _key(v)): marked[t] for t, v in versions.items()}

    def matrix(self) -> Plain:
        tasks = described(self.assignment)
        problems = list(self.problems)
        for task in tasks:
            for row in task["rows"]:
                result = self.results.get((task["name"], row["key"]))
                row["must"], row["lost"], row["named"] = row["lost"], None, False
                if result is None:  # a problem says why
                    continue
                row["lost"] = [c.id for c in result.checks if c.lost]
                row["named"] = result.slips == [row["message"]] * bool(row["message"])
                where = f"{task['name']}, {row['key']}"
                if row["lost"] != row["must"]:
                    problems.append(f"{where}: loses {row['lost']}, must lose {row['must']}")
                if not row["named"]:
                    problems.append(f"{where}: the report does not name the mistake alone")
        name = self.assignment.name
        return {"assignment": name, "ok": not problems, "problems": problems, "tasks": tasks}


def described(assignment: Assignment) -> list[Plain]:
    """Return the tasks of a matrix as the assignment declares them: `lost` is what must be lost."""
    found = []
    for task in assignment.tasks:
        ids = [check.id for check in task.checks]
        rows = [
            {"key": "reference", "kind": "reference", "message": "", "lost": []},
            {"key": "stub", "kind": "stub", "message": "", "lost": ids},
        ]
        for kind, versions in (
            ("mutant", assignment.mutants(task.name)),
            ("alternative", assignment.alternatives(task.name)),
        ):
            for v in versions:
                lost = [i for i in ids if i in v.loses]
                rows.append({"key": v.key, "kind": kind, "message": v.message, "lost": lost})
        checks = [{"id": c.id, "points": c.points, "visible": c.visible} for c in task.checks]
        found.append({"name": task.name, "points": task.points, "checks": checks, "rows": rows})
    return found


def stored(assignment: Assignment) -> Plain:
    """Return what is stored of a matrix that came out as the assignment declares."""
    return {"assignment": assignment.name, "tasks": described(assignment)}


def merged(path: Path, proved: Iterable[Assignment], known: Iterable[str]) -> bytes:
    """Return what the file of stored matrices is to hold, with these in the place of older ones.

    known: the names of all assignments there are; others are dropped.
    """
    old = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
    found = {entry["assignment"]: entry for entry in old} | {a.name: stored(a) for a in proved}
    kept = [found[name] for name in known if name in found]
    return (json.dumps(kept, indent=1, ensure_ascii=False) + "\n").encode()


def gaps(assignment: Assignment, task: Task) -> Iterable[str]:
    """Yield what a task lacks: mutants, alternatives, or a mutant for each of its checks."""
    mutants, right = assignment.mutants(task.name), assignment.alternatives(task.name)
    if len(mutants) < MUTANTS:
        yield f"{task.name} has {len(mutants)} mutants; it needs {MUTANTS} or more"
    if len(right) < ALTERNATIVES:
        yield f"{task.name} has {len(right)} alternatives; it needs {ALTERNATIVES} or more"
    for check in task.checks:
        if not any(check.id in m.loses for m in mutants):
            yield f"{task.name}: no mutant loses the check {check.id!r}; what does it find out?"


def rounds(assignment: Assignment) -> list[dict[str, Variant | str]]:
    """Put one version of each task into a notebook, as long as none uses another's function.

    The first two rounds are the reference and the stub of all tasks.
    """
    names = {task.name for task in assignment.tasks}
    packed: list[dict[str, Variant | str]] = []
    for v in assignment.variants:
        uses = used(v.source) & names - {v.task}
        for versions in packed:
            others = [used(o.source) for o in versions.values() if isinstance(o, Variant)]
            if (
                v.task not in versions
                and not uses & set(versions)
                and not any(v.task in o for o in others)
            ):
                versions[v.task] = v
                break
        else:
            packed.append({v.task: v})
    return [
        dict.fromkeys(sorted(names), "reference"),
        dict.fromkeys(sorted(names), "stub"),
        *packed,
    ]


def _notebook(assignment: Assignment, versions: dict[str, Variant | str]) -> NotebookNode:
    """Return the notebook of a student who answers with these versions, and rightly elsewhere."""
    right = {grade_id(cell): cell.source for cell in assignment.source.cells}
    sources = {}
    for task in assignment.tasks:
        if (version := versions.get(task.name, "reference")) != "stub":
            own = f"\n\n{version.source}" if isinstance(version, Variant) else ""
            sources[task.name] = right[task.name] + own
    return answered(assignment.student_notebook, sources)


def _key(version: Variant | str) -> str:
    return version.key if isinstance(version, Variant) else version


def text(found: Plain) -> str:
    """Return a matrix as a text: a block a task, a row a version, a column a check."""
    lines = []
    for task in found["tasks"]:
        ids = [check["id"] for check in task["checks"]]
        titles = [
            r["key"] if r["kind"] == r["key"] else f"{r['kind']} {r['key']}" for r in task["rows"]
        ]
        head = f"{task['name']} ({task['points']:g} points)"
        width = max(len(head), *(len(title) + 2 for title in titles)) + 2
        lines.append(head.ljust(width) + "  ".join(ids) + "  named")
        for title, row in zip(titles, task["rows"], strict=True):
            marks = [_mark(row, i).center(len(i)) for i in ids]
            named = "" if not row["message"] else "yes" if row["named"] else "NO"
            lines.append(f"  {title}".ljust(width) + "  ".join([*marks, named.center(5)]).rstrip())
    lines.append("x: killed, it loses the check's points; .: alive; !: not as declared")
    return "\n".join(lines)


def _mark(row: Plain, check: str) -> str:
    if row["lost"] is None:
        return "?"
    mark = "x" if check in row["lost"] else "."
    return mark + "!" * ((check in row["lost"]) != (check in row["must"]))
