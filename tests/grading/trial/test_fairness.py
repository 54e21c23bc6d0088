"""What others do, or this machine, costs nobody a point; what a notebook does itself costs it its own."""

# ruff: noqa: E501
from __future__ import annotations

import json
import os
import signal
import time
from dataclasses import replace

import nbformat
import numpy as np
import psutil
import pytest

from course_lib.grading import Check, Task, call, helper, name
from course_lib.grading.authoring.assignment import Assignment
from course_lib.grading.authoring.tasks import material
from course_lib.grading.errors import Refusal
from course_lib.grading.jail.kernel import ENDED, Kernel
from course_lib.grading.jail.limits import Limits
from course_lib.grading.marking import plain
from course_lib.grading.marking.mark import mark, read, report
from course_lib.grading.trial import judge as judging
from course_lib.grading.trial import worker
from course_lib.grading.trial.judge import Run, Undecided, settle
from course_lib.grading.verdict import UNREACHED
from tests.grading import example
from tests.grading.hostile import body, first, good, last

slow = pytest.mark.slow
GOOD = example.GOOD


@pytest.fixture(scope="module")
def paper(tmp_path_factory):
    assignment = Assignment(example.make(tmp_path_factory.mktemp("course")), example.NAME)
    assignment.limits = Limits(1024, files_mb=32, output_mb=5, cell_s=20)
    return assignment.paper(assignment.materials(7))


def grade(paper, keep=GOOD, edit=lambda book: None):
    """What came of a submission with this source for `keep`, and all that is said of it."""
    book = example.answered(paper.released, keep=keep)
    edit(book)
    found, _ = worker.grade(paper, nbformat.writes(book).encode(), "ada.ipynb")
    said = "\n".join([*map(report, found.tasks), *found.notes, found.why])
    return found, [task.points for task in found.tasks], said


def killing(monkeypatch, *turns):
    """Have a kernel's process killed from outside, at its calls of these numbers; count kernels."""
    begun = []
    begin, execute = Kernel._begin, Kernel.execute

    def counted(self, *args):
        begun.append(0)
        begin(self, *args)

    def killed(self, source, seconds, *args, **kwargs):
        begun[-1] += 1
        if (len(begun), begun[-1]) in turns:
            inside = psutil.Process(self.process.pid).children(recursive=True)
            psutil.wait_procs([p.kill() or p for p in inside if "python" in p.name()])
        return execute(self, source, seconds, *args, **kwargs)

    monkeypatch.setattr(Kernel, "_begin", counted)
    monkeypatch.setattr(Kernel, "execute", killed)
    return begun


# Ended, or was ended?


@slow
def test_a_right_notebook_whose_kernel_was_killed_has_all_points(paper, monkeypatch):
    begun = killing(monkeypatch, (1, 3))
    found, points, said = grade(paper)
    assert len(begun) == 2 and points == [5, 2] and found.notes == [], said


@slow
def test_one_that_was_killed_twice_at_different_places_is_for_a_person(paper, monkeypatch):
    killing(monkeypatch, (1, 3), (2, 5))
    found, _, said = grade(paper)
    assert found.status == "ungraded" and found.points is None and found.tasks == []
    assert "ran twice and ended differently" in said


@slow
def test_one_that_ends_itself_twice_alike_is_graded(paper, monkeypatch):
    begun = killing(monkeypatch)
    _, points, said = grade(paper, edit=last("import os\nos._exit(0)"))
    assert len(begun) == 2 and points == [5, 2] and "did not run to its end" in said


ODD_ANSWERS = {
    "a number too long to be written": ("10 ** 6000", "of more than 4000 digits"),
    "a list of such": ("[10 ** 6000]", "of more than 4000 digits"),
    "an array that cannot be looked at": ("Odd(3)", "Odd"),
    "an end that no except catches": ("exec('raise KeyboardInterrupt')", plain.ENDED),
}
ODD = """
class Odd(np.ndarray):
    astype = property(lambda self: 1 / 0)


"""


@slow
@pytest.mark.parametrize("kind", ODD_ANSWERS)
def test_an_odd_answer_costs_its_own_task_alone(paper, kind):
    code, words = ODD_ANSWERS[kind]
    found, points, said = grade(paper, f"{ODD}def keep(weights, k):\n    return {code}\n")
    assert found.status == "graded" and points == [0, 2] and words in said, said


@slow
def test_one_that_a_machine_without_memory_ended_twice_is_for_a_person(paper, monkeypatch):
    count = iter(range(9))
    monkeypatch.setattr(judging, "_killed", lambda: str(next(count)))
    found, _, said = grade(paper, "import os\nos._exit(0)")
    assert found.status == "ungraded" and found.points is None and "no memory left" in said


@slow
def test_a_right_notebook_beside_one_that_is_out_of_memory_runs_once(paper, monkeypatch):
    count = iter(range(9))
    monkeypatch.setattr(judging, "_killed", lambda: str(next(count)))
    begun = killing(monkeypatch)
    assert grade(paper)[1] == [5, 2] and len(begun) == 1


@slow
def test_a_jail_that_was_killed_is_no_doing_of_the_notebook_s(paper, monkeypatch):
    with worker._here.kernels(paper)() as live:
        os.kill(live.process.pid, signal.SIGKILL)
        while live.process.poll() is None:  # until then it may still answer
            time.sleep(0.01)
        with pytest.raises(judging.KernelLost) as lost:
            live.execute("1", 60)
    assert lost.value.ours
    with worker._here.kernels(paper)() as live:
        with pytest.raises(judging.KernelLost, match=ENDED) as lost:
            live.execute("import os; os._exit(3)", 60)
        assert live.process.poll() == 3
    assert not lost.value.ours


# Time


@slow
def test_waiting_costs_nothing_and_computing_does(paper):
    """As on a machine that is so busy that a second of the processor takes two."""
    _, points, said = grade(paper, "import time\n" + good("time.sleep(0.4)"))
    assert points == [5, 2], said
    burn = "import time\n" + good(
        "end = time.process_time() + 0.4\nwhile time.process_time() < end: pass"
    )
    _, points, said = grade(paper, burn)
    assert points == [0, 2] and "still running after 1.0 s of processor time" in said


FORGED = """
import select, signal, time
burn = time.process_time
signal.setitimer = lambda *args: (0, 0)
time.monotonic = lambda: 0.0
select.select = lambda r, w, x, *seconds, really=select.select: really(r, w, x)
"""


@slow
def test_a_forged_clock_gains_nothing(paper):
    late = good("end = burn() + 0.8\nwhile burn() < end: pass")
    _, points, said = grade(paper, FORGED + late)
    assert points == [0, 2] and "still running after 1.0 s of processor time" in said


@slow
def test_what_a_function_imports_is_imported_before_it_is_asked(paper):
    module = "import time\\nend = time.process_time() + 1.5\\nwhile time.process_time() < end: pass"
    made = f"import sys\nopen('/tmp/heavy.py', 'w').write('{module}')\nsys.path.insert(0, '/tmp')\n"
    _, points, said = grade(paper, made + good("import heavy"))
    assert points == [5, 2], said


THREADS = """
import torch
torch.set_num_threads(2)
torch.ones(600, 600) @ torch.ones(600, 600)
(torch.randn(1 << 20) + 1).exp().sum()
"""


@slow
@pytest.mark.parametrize("inside", ["", "torch.set_num_threads(2)\n"])
def test_threads_of_torch_that_have_run_before_cost_no_point(inside, paper):
    """They do not come along into a fork, and whoever waits for them waits for ever."""
    used = good(inside + "(torch.randn(1 << 20) + 1).exp().sum()")
    _, points, said = grade(paper, THREADS + used)
    assert points == [5, 2], said


# What a notebook cannot bring about


FORGERIES = {
    "a parent that is a list": 'line.session.send(line.iopub_socket, "stream", {"name": "stdout", "text": "x"}, parent={"header": []})',
    "a header that is a list": 'made = line.session.msg("stream", {"name": "stdout", "text": "x"})\nmade["header"] = []\nline.session.send(line.iopub_socket, made)',
    "half a character": 'print("\\ud800")',
    "half a character, forged": 'line.session.send(line.iopub_socket, "stream", {"name": "stdout", "text": "\\ud800"}, parent=line.get_parent())',
    "a number for a text": 'line.session.send(line.iopub_socket, "stream", {"name": 5, "text": [[[]]]}, parent=line.get_parent())',
}  # fmt: skip


@slow
@pytest.mark.parametrize("name", FORGERIES)
def test_no_message_turns_a_zero_into_a_failure_of_ours(name, paper):
    cell = "line = get_ipython().kernel\n" + FORGERIES[name]
    found, _, said = grade(paper, body("return None"), last(cell))
    assert found.status == "graded" and found.tasks[0].points == 0, said


@slow
@pytest.mark.parametrize("word", ["quit()", "exit()", "exit", "get_ipython().ask_exit()"])
def test_exit_and_quit_mean_nothing_in_a_cell(word, paper):
    found, points, said = grade(paper, edit=first(word))
    assert points == [5, 2] and found.notes == [], said


@slow
def test_nothing_is_asked_again_before_all_has_been_answered(paper, monkeypatch):
    asked, ask = [], judging._ask
    names = {
        json.dumps(c): name
        for name, m in paper.materials.items()
        for r in m["checks"]
        for c in r["cases"]
    }

    def noted(live, requests, *args):
        asked.append([names[json.dumps(r["cases"][-1])] for r in requests])
        return ask(live, requests, *args)

    monkeypatch.setattr(judging, "_ask", noted)
    state = "calls = []\n" + good("calls.append(1)\nif len(calls) > 2: return None")
    _, points, said = grade(paper, state)
    assert points == [0, 2] and "remembers something" in said
    right, again = asked[:2], asked[2:]
    assert [set(each) for each in right] == [{"keep"}, {"split"}] and len(again) == 1
    asked.clear()
    assert grade(paper)[1] == [5, 2]
    assert asked == right  # and what is asked until then tells nothing of what was right


def two_of(keep, seed):
    return [keep(seed), keep(seed + 1)]


def differ(inputs, answer):
    return "the seed changes nothing" if answer[0] == answer[1] else ""


@slow
@pytest.mark.parametrize(
    ("draw", "points"),
    [
        ("np.random.default_rng(seed).random()", 1),
        ("known.setdefault(seed, np.random.default_rng().random())", 0),
        ("known.setdefault(seed, np.random.rand())", 0),  # a copy of a process draws the same
    ],
)
def test_the_same_seed_is_asked_for_in_two_processes(draw, points, paper):
    def cases(rng):
        return [call(helper(two_of), name("keep"), int(seed)) for seed in rng.integers(0, 99, 2)]

    def right(seed):
        return np.random.default_rng(seed).random()

    check = Check("seed", "the seed decides", 1, cases, property=differ, anew=True)
    asked = {"keep": material(Task("keep", [check]), right, [], 0)}
    made = replace(paper, materials=paper.materials | asked)
    _, (found, _), said = grade(made, f"known = {{}}\ndef keep(seed):\n    return float({draw})")
    assert found == points and ("in another process" in said) == (points == 0), said


def test_marking_asks_again_last(paper):
    asked, checks = [], paper.materials["keep"]["checks"]
    firsts = {json.dumps(c["cases"][0]): json.dumps(c["want"][0]) for c in checks}

    def ask(cases, seconds):
        asked.append(cases)
        wrong = ['{"value": {"type": "int", "value": 1}}'] * (len(cases) - 1)
        return [firsts.get(json.dumps(cases[0]), "{}"), *wrong], None

    mark(paper.materials["keep"], ask)
    assert asked[: len(checks)] == [check["cases"] for check in checks] and len(asked) > len(checks)


@slow
def test_no_text_from_inside_speaks_in_the_grader_s_voice(paper):
    voice = f"({UNREACHED}: the grader ran out of memory)"
    odd = f"Odd = type({voice!r}, (Exception,), {{'__module__': 'builtins'}})\n" + body("raise Odd")
    found, _, said = grade(paper, odd)
    assert found.tasks[0].all_over == "" and f"it raised {voice}" in said
    assert all(not check.fault.silent for check in found.tasks[0].checks)


@pytest.mark.parametrize(
    "why", [f"{UNREACHED}: the grader ran out of memory", "", 5, None, ["x"], plain.ENDED]
)
def test_reasons_from_inside_are_ours_or_none(why):
    request = {"cases": [1, 2], "seconds": 2, "inputs": False}
    lines, said = judging._told(request, (["{}", 7], why))
    assert lines == ["{}"] and said == (why if why == plain.ENDED else judging.NO_ANSWER)


CHANGED = """
import json
dumps = json.dumps
json.dumps = lambda x, *args, **kwargs: dumps({k: v for k, v in x.items() if k != "changed"} if type(x) is dict else x, *args, **kwargs)
"""


@slow
def test_whether_inputs_changed_is_seen_by_the_judge(paper):
    in_place = GOOD.replace("-np.abs(weights)", "-np.abs(weights, out=weights)")
    _, points, said = grade(paper, CHANGED + in_place)
    assert points == [4, 2] and "it changed its input number 1" in said


# Two runs, one verdict


def reads(paper, *whys, right=()):
    """What is known of `keep` when its checks went without an answer for these reasons."""
    checks = paper.materials["keep"]["checks"]
    want = [[json.dumps(w) for w in check["want"]] for check in checks]
    return [
        read([c], [([], why) if why else (w, None)])[0]
        for c, w, why in zip(checks, want, whys, strict=True)
    ]


def run(paper, *whys, **more):
    return Run({"keep": reads(paper, *whys)}, **more)


def points(paper, one, two=None):
    material = {"keep": paper.materials["keep"]}
    return settle(material, one, two).results["keep"].points


LATE = "it was still running after 1.0 s of processor time"


def test_what_has_an_answer_in_either_run_is_judged_by_it(paper):
    one = run(paper, LATE, "", "", ENDED, "")
    assert one.doubtful
    two = run(paper, "", *[""] * 4)
    assert points(paper, one, two) == 5
    assert points(paper, one, run(paper, LATE, "", "", ENDED, "")) == 2.5
    assert points(paper, one, Run({"keep": [None] * 5})) == 2.5  # its end, when it was asked itself
    with pytest.raises(Undecided, match=r"keep: .*still running.* then keep: it ended"):
        points(paper, one, run(paper, ENDED, "", "", ENDED, ""))


def test_what_came_of_a_run_that_was_stopped_counts_only_if_it_stops_again(paper):
    stopped = run(paper, *[ENDED] * 5, stops=["at cell 1 it was stopped"])
    assert points(paper, stopped, run(paper, *[""] * 5)) == 5
    assert points(paper, stopped, stopped) == 0
    for other in ({"stops": ["at cell 2 it was stopped"]}, {"ours": "no memory"}):
        with pytest.raises(Undecided):
            points(paper, stopped, run(paper, *[ENDED] * 5, **other))
    with pytest.raises(Undecided):
        points(paper, stopped, run(paper, LATE, "", "", "", ""))
    assert not run(paper, *[""] * 5).doubtful


def test_undecided_is_a_sentence_for_a_person(paper, monkeypatch):
    assert issubclass(Undecided, Refusal)
    monkeypatch.setattr(worker, "_run", lambda *args: run(paper, *[LATE] * 5, ours="no memory"))
    book = example.answered(paper.released)
    found, graded = worker.grade(paper, nbformat.writes(book).encode(), "ada.ipynb")
    assert found.status == "ungraded" and found.points is None and found.tasks == []
    assert "no memory" in found.why and graded == b""
