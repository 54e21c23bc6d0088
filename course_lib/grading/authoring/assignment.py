"""An assignment as its author wrote it (notebook, spec, mutants), and what is released of it."""

from __future__ import annotations

import ast
import contextlib
import io
import json
import os
import runpy
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from functools import cached_property
from itertools import takewhile
from pathlib import Path
from zlib import crc32

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell

from course_lib.chapters import SETTINGS, left_out
from course_lib.grading.authoring.by_hand import cases, examples
from course_lib.grading.authoring.tasks import BY_HAND, Slip, Task, Variant, lost_by_hand, material
from course_lib.grading.cells import CHECK, OPEN, defined, is_check, is_written, marks, rooms
from course_lib.grading.errors import Refusal
from course_lib.grading.intake.names import notebook
from course_lib.grading.jail.limits import Limits
from course_lib.grading.marking.plain import Names
from course_lib.grading.marking.values import Material
from course_lib.grading.trial.earlier import releases
from course_lib.grading.trial.paper import Paper
from course_lib.grading.verdict import Plain, Written


def assignments(exercises: Path, *, untaught: bool = False) -> list[str]:
    """Return the names of all assignments, in order: untaught, of chapters left out as well."""
    found = sorted((exercises / "source").glob("*/*.ipynb"))
    left = set() if untaught else left_out(exercises.parent)
    return [p.stem for p in found if p.stem == p.parent.name and p.stem not in left]


class Assignment:
    """The assignment `name` of the folder `exercises`.

    Raises:
        Refusal: a part of it is not there, cannot be read, or does not fit the others.
    """

    def __init__(self, exercises: Path, name: str) -> None:
        self.name, self.folder = name, exercises / "source" / name
        self.released = exercises / "release" / name
        if name not in (known := assignments(exercises)):
            there = name in assignments(exercises, untaught=True)
            why = (
                f"{name} is not taught, see {SETTINGS}"
                if there
                else f"there is no assignment {name!r}"
            )
            raise Refusal(f"{why}. The assignments are: {', '.join(known) or 'none'}.")
        self.notebook_path = self.folder / f"{name}.ipynb"
        self.spec_path = exercises / "specs" / f"{name}.py"
        self.mutants_path = exercises / "mutants" / f"{name}.py"
        for path in (self.notebook_path, self.spec_path, self.mutants_path):
            if not path.is_file():
                raise Refusal(f"the assignment {name} has no {path}")
        self.source = nbformat.read(self.notebook_path, as_version=4)
        try:
            spec = runpy.run_path(str(self.spec_path))
        except Exception as error:
            raise Refusal(f"{self.spec_path} fails: {type(error).__name__}: {error}") from error
        self.tasks: list[Task] = [self._with_examples(task) for task in spec.get("TASKS", [])]
        self.needs: list[str] = list(spec.get("NEEDS", []))
        self.limits: Limits = spec.get("LIMITS", Limits())
        if problems := list(self._problems()):
            lines = "".join(f"\n  - {problem}" for problem in problems)
            raise Refusal(f"the notebook, the spec and the mutants of {name} do not fit:{lines}")

    @property
    def data(self) -> list[Path]:
        """Files that lie beside the source notebook: they are released, and seen in the jail."""
        return sorted(p for p in self.folder.iterdir() if p.is_file() and p != self.notebook_path)

    @property
    def _above(self) -> list[NotebookNode]:
        """The cells above the open part, or all: what may run in grading."""
        return list(takewhile(lambda cell: marks(cell).get("grade_id") != OPEN, self.source.cells))

    def _with_examples(self, task: Task) -> Task:
        """Return a task with the check of what its text works out before all others, if it does.

        It compares as the first visible check does, but for types, and looks at what becomes of the
        inputs if any check does.
        """
        found = examples(self.source, task.name)
        shown = [check for check in task.checks if check.visible]
        if not found or not shown:
            return task
        kept = any(check.unchanged for check in task.checks)
        first = replace(
            shown[0],
            id=BY_HAND,
            title="what the text works out" + ", and inputs stay as they were" * kept,
            points=0,
            cases=lambda rng: [case for case, _ in cases(found, self.reference)],
            types=False,
            unchanged=kept,
        )
        return replace(task, checks=[first, *task.checks])

    def _problems(self) -> Iterator[str]:
        if not self.tasks:
            yield f"{self.spec_path.name} of the specs has no TASKS"
        cells = {marks(c)["grade_id"]: c for c in self.source.cells if marks(c)}
        if len(cells) < sum(bool(marks(c)) for c in self.source.cells):
            yield "two cells have the same grade_id"
        for task in self.tasks:
            solution, check = cells.get(task.name), cells.get(CHECK + task.name)
            if solution is None or not marks(solution).get("solution"):
                yield f"{task.name} has no solution cell whose grade_id is {task.name}"
            elif solution not in self._above:
                yield f"the solution cell {task.name} stands in the open part"
            elif "### BEGIN SOLUTION" not in solution.source:
                yield f"the solution cell {task.name} has no line '### BEGIN SOLUTION'"
            elif task.name not in defined(solution.source):
                yield f"the solution cell {task.name} defines no function {task.name}"
            if check is None or not marks(check).get("grade") or marks(check).get("solution"):
                yield f"{task.name} has no autograded cell {CHECK}{task.name} (its grade_id)"
            else:
                if f'check("{task.name}")' not in check.source:
                    yield f'the cell {CHECK}{task.name} does not call check("{task.name}")'
                if (worth := float(marks(check).get("points", 0))) != task.points:
                    yield (
                        f"the cell {CHECK}{task.name} is worth {worth:g} points, "
                        f"the checks of {task.name} {task.points:g}"
                    )
            ids = [c.id for c in task.checks]
            if len(set(ids)) < len(ids):
                yield f"two checks of {task.name} have the same id"
            if not any(c.visible for c in task.checks):
                yield f"{task.name} has no visible check"
        names = {task.name for task in self.tasks}
        for key, cell in cells.items():
            if is_check(cell) and key.removeprefix(CHECK) not in names:
                yield f"the autograded cell {key} belongs to no task of the spec"
        for cell in self._above:
            if cell.cell_type == "code" and not is_check(cell):
                for room in sorted(rooms(cell.source) - {"grading", *self.needs}):
                    yield (
                        f"a cell imports course_lib.{room}, which is not there in grading. "
                        "Do without, or name the room in the spec's NEEDS"
                    )
        checks = {task.name: {c.id for c in task.checks} for task in self.tasks}
        for v in self._variants():
            if v["task"] not in checks:
                yield f"{v['key']} is a version of {v['task']}, which is no task"
            elif missing := set(v.get("loses", ())) - checks[v["task"]]:
                yield f"{v['key']} loses checks that {v['task']} has not: {sorted(missing)}"
            elif "slip" in v:
                try:
                    self._with(v["slip"])
                except Refusal as refusal:
                    yield f"{v['key']}: {refusal}"
        for path in self.data:
            if path.suffix in (".py", ".ipynb") or path.name.endswith(".check.json"):
                yield f"{path.name} lies beside the notebook: it would be given to students"

    def _variants(self) -> list[Plain]:
        """Read the mutants file: versions of tasks, each a function as source, or a slip."""
        text = self.mutants_path.read_text(encoding="utf-8")
        names: Names = {"__name__": "mutants"}
        try:
            exec(compile(text, str(self.mutants_path), "exec"), names)
        except Exception as error:
            raise Refusal(f"{self.mutants_path} fails: {type(error).__name__}: {error}") from error
        tree, found = ast.parse(text), dict[str, Plain]()
        slips = [n for n in ast.walk(tree) if isinstance(n, ast.Call) and _name(n.func) == "slip"]
        for node in tree.body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                key = node.name
            elif isinstance(node, ast.Assign) and _name(node.targets[0]):
                key = _name(node.targets[0])
                slips = [call for call in slips if call is not node.value]
            else:
                continue
            what = getattr(names[key], "variant", None)
            if what is None:
                continue
            if key in found:
                raise Refusal(f"{self.mutants_path} defines {key} twice")
            found[key] = {**what, "key": key}
            if not isinstance(node, ast.Assign):
                found[key]["source"] = _renamed(node, what["task"])
        for call in slips:
            raise Refusal(
                f"{self.mutants_path}, line {call.lineno}: this slip has no name. "
                "Write NAME = slip(...), each by itself"
            )
        return list(found.values())

    def _with(self, slip: Slip) -> str:
        """Return the solution cell of a slip's task with the slip in it.

        Raises:
            Refusal: a swap does not match, or what comes out is no Python or no other function.
        """
        cells = (c.source for c in self.source.cells if marks(c).get("grade_id") == slip.task)
        cell: str = next(cells, "")
        head, begin, rest = cell.partition("### BEGIN SOLUTION")
        solution, end, tail = rest.rpartition("### END SOLUTION")
        text = head + begin + slip.made_in(solution) + end + tail
        try:
            compile(text, slip.task, "exec")
        except SyntaxError as error:
            wrong = text.splitlines()[(error.lineno or 1) - 1].strip()
            raise Refusal(f"its swap makes no Python: {error.msg}, in {wrong!r}") from None
        source = ast.unparse(ast.parse(text))
        if source == ast.unparse(ast.parse(cell)):
            raise Refusal(f"its swap changes nothing in the reference solution of {slip.task}")
        return source + "\n"

    @cached_property
    def reference(self) -> Names:
        """The names that the source notebook defines when its cells have run.

        (All but the checks and the open part.)

        Raises:
            Refusal: a cell of it fails.
        """
        os.environ.setdefault("MPLBACKEND", "agg")
        names: Names = {"__name__": "__main__"}
        for number, cell in enumerate(self._above):
            if cell.cell_type == "code" and not is_check(cell):
                try:
                    with contextlib.redirect_stdout(io.StringIO()):
                        exec(compile(cell.source, f"{self.name}, cell {number}", "exec"), names)
                except Exception as error:
                    what = f"{type(error).__name__}: {error}"
                    raise Refusal(f"cell {number} of {self.notebook_path} fails: {what}") from error
        return names

    @cached_property
    def variants(self) -> list[Variant]:
        """The mutants and alternatives, each living among the names of the notebook."""
        found, tasks = [], {task.name: task for task in self.tasks}
        for v in self._variants():
            names, task = dict(self.reference), v["task"]
            if edit := v.pop("slip", None):
                v["source"] = self._with(edit)
            exec(compile(v["source"], f"mutant {v['key']}", "exec"), names)
            if v.get("message"):
                v["loses"] += lost_by_hand(tasks[task], self.reference[task], names[task])
            found.append(Variant(function=names[task], **v))
        return found

    def mutants(self, task: str) -> list[Variant]:
        """Return the wrong versions of a task."""
        return [v for v in self.variants if v.task == task and v.message]

    def alternatives(self, task: str) -> list[Variant]:
        """Return the right versions of a task."""
        return [v for v in self.variants if v.task == task and not v.message]

    def materials(self, seed: int, *, visible_only: bool = False) -> dict[str, Material]:
        """Return the material of every task; see `tasks.material`."""
        return {
            task.name: material(
                task,
                self.reference[task.name],
                self.mutants(task.name),
                seed,
                visible_only=visible_only,
                needs=self.needs,
            )
            for task in self.tasks
        }

    def paper(self, materials: dict[str, Material]) -> Paper:
        """Return what it takes to grade any submission, as the assignment is now."""
        data = {path.name: path.read_bytes() for path in self.data}
        earlier = tuple(releases(self.folder.parents[1], self.name))
        needs = tuple(self.needs)
        return Paper(self.student_notebook, materials, self.limits, needs, data, earlier)

    @cached_property
    def student_notebook(self) -> NotebookNode:
        """The notebook as released: no solution, locked cells locked, no output."""
        from nbgrader import preprocessors

        book: NotebookNode = nbformat.from_dict(json.loads(json.dumps(self.source)))
        clear = ("ClearSolutions", "ClearHiddenTests", "ClearMarkScheme", "ClearOutput")
        for name in (*clear, "LockCells", "CheckCellMetadata"):
            book, _ = getattr(preprocessors, name)().preprocess(book, {})
        for number, cell in enumerate(book.cells):
            cell.id = marks(cell).get("grade_id", f"cell-{number}")
        kernel = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
        course = {"assignment": self.name}
        if day := self.due:
            course["due"] = day.isoformat()
            book.cells.insert(1, _due_cell(day))
        book.metadata = NotebookNode(
            kernelspec=kernel, language_info={"name": "python"}, course=course
        )
        book.nbformat, book.nbformat_minor = 4, 5
        nbformat.validate(book)
        return book

    @property
    def due(self) -> date | None:
        """The day to hand in, if the source notebook tells one.

        Raises:
            Refusal: what it tells is no day.
        """
        course = self.source.metadata.get("course")
        said = course.get("due") if isinstance(course, dict) else course
        try:
            return date.fromisoformat(str(said)) if said else None
        except ValueError:
            raise Refusal(
                f"{self.notebook_path} is due {str(said)[:40]!r}, which is no day like 2026-12-24. "
                f"Set it anew: course release {self.name} --due DAY"
            ) from None

    def set_due(self, day: date) -> None:
        """Write the day to hand in into the source notebook; the release follows."""
        self.source.metadata["course"] = {"due": day.isoformat()}
        self.notebook_path.write_text(nbformat.writes(self.source) + "\n", encoding="utf-8")

    @property
    def written(self) -> list[Written]:
        """The answers that a person grades."""
        graded = (marks(c) for c in self.source.cells if is_written(c))
        return [Written(m["grade_id"], m["points"]) for m in graded]

    def files(self) -> dict[str, bytes]:
        """Return what is released: {file name: content}, the same at every call."""
        book = nbformat.writes(self.student_notebook) + "\n"
        found = {notebook(self.name): book.encode()}
        found |= {path.name: path.read_bytes() for path in self.data}
        seed = crc32(self.name.encode())
        for name, content in self.materials(seed, visible_only=True).items():
            text = json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
            found[f"{name}.check.json"] = text.encode()
        return found


def _name(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else ""


def _renamed(node: ast.FunctionDef | ast.ClassDef, new: str) -> str:
    """Return the source of a function under another name, without its decorators."""
    old, node.decorator_list, node.name = node.name, [], new
    for inner in ast.walk(node):
        if isinstance(inner, ast.Name) and inner.id == old:
            inner.id = new
    return ast.unparse(node) + "\n"


def _due_cell(day: date) -> NotebookNode:
    """Return the line that tells the day to hand in: not locked, for another day is no edit."""
    fixed = {"deletable": False, "editable": False}
    text = f"**To be handed in by {day.day} {day:%B %Y}.**"
    cell: NotebookNode = new_markdown_cell(text, id="due", metadata=fixed)
    return cell
