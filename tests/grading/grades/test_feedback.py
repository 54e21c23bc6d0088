"""The page a student reads: all of the verdict that is theirs, and nothing that runs."""

from __future__ import annotations

from dataclasses import replace

import nbformat
import pytest
from axe_playwright_python.sync_playwright import Axe
from bs4 import BeautifulSoup
from hypothesis import given
from hypothesis import strategies as st

from course_lib.chapters import course
from course_lib.grading.cells import answered
from course_lib.grading.grades import feedback
from course_lib.grading.marking.mark import answering, mark
from course_lib.grading.verdict import CheckResult, Fault, Hand, TaskResult, Verdict, Written
from tests.grading import example

EVIL = (
    '<script>document.title="owned"</script><img src=x onerror=alert(1)>&amp;"\'\x1b[2J\u202e'
    "{{7*7}}"
)


@pytest.fixture(scope="module")
def verdict(assignment):
    """The verdict of functions that make a known slip, raise, and are not written."""

    def signed(weights, k):
        import numpy as np

        if not 0 <= k <= len(weights):
            raise ValueError("k")
        mask = np.zeros(len(weights), dtype=bool)
        mask[np.argsort(-weights, kind="stable")[:k]] = True
        return mask

    def split(total):
        raise RuntimeError(EVIL)

    names = {"keep": signed, "split": split}
    results = [mark(m, answering(names)) for m in assignment.materials(1).values()]
    return Verdict(
        assignment=example.NAME,
        student="ada",
        name="Lovelace, Ada",
        id="101",
        late=True,
        handed=["handed in twice; the last counts"],
        status="graded",
        points=sum(result.points for result in results),
        total=7,
        tasks=results,
        written=[Written("written", 3)],
        notes=["the cell keep is missing"],
        seed="5eed",
        fingerprint="f1f1",
    )


def text(page):
    return " ".join(BeautifulSoup(page, "html.parser").main.get_text(" ").split())


def test_it_says_what_was_right_what_was_wrong_and_why(verdict):
    said = text(feedback.page(verdict))
    assert (
        verdict.tasks[0].checks[0].fault.call in said
        and "Your function returned np.array(" in said
        and "Expected np.array(" in said
    )
    assert "This looks like a known slip: it compares signed values, not magnitudes" in said
    assert "Right: k = 0 and k = n work" in said
    assert "Not yet: keeps the k entries of largest magnitude 0 of 2" in said
    assert "keep 0.5 of 5 points" in said and "split 0 of 2 points" in said
    assert "0.5 of 7 points so far" in said and "Up to 3 more are for a person to give." in said
    assert "handed in late" in said and "the cell keep is missing" in said
    assert "For Lovelace, Ada" in said


def test_it_leads_to_the_chapter_and_to_the_tasks_that_lost_points(verdict):
    with_chapter = replace(verdict, assignment="03_iterative_pruning")
    page = BeautifulSoup(feedback.page(with_chapter), "html.parser")
    links = [a["href"] for a in page.find_all("a")]
    assert links[:2] == ["#task-1", "#task-2"] and page.find(id="task-2")
    assert links[2].startswith("https://")
    assert links[2].endswith("/notebooks/03_iterative_pruning.ipynb")
    # The assignment and the chapter each by its own title.
    assert page.h1.text == "3 · Many small cuts, made by you"
    assert page.find_all("a")[2].text == "the chapter, Many small cuts: pruning in rounds"


def test_without_the_course_the_title_is_the_name(verdict):
    for name, title in (("16_share_of_it", "16 · Share of it"), ("trial", "trial")):
        page = BeautifulSoup(feedback.page(replace(verdict, assignment=name)), "html.parser")
        assert page.h1.text == title


def test_an_assignment_without_a_chapter_leads_to_none(verdict):
    page = BeautifulSoup(feedback.page(replace(verdict, assignment="15_capstone")), "html.parser")
    assert [a["href"] for a in page.find_all("a")] == ["#task-1", "#task-2"]


def test_it_keeps_to_itself_what_is_the_instructor_s(verdict):
    page = feedback.page(verdict)
    for secret in ("handed in twice", "5eed", "f1f1", "Traceback"):
        assert secret not in page
    # Of what a check tried, only the smallest failing input is shown.
    shown = BeautifulSoup(page, "html.parser").find_all("code")
    calls = [c.get_text() for c in shown if c.get_text().startswith("keep(")]
    assert len(calls) == sum(bool(check.fault) for check in verdict.tasks[0].checks)


def test_what_a_person_gave_is_there(verdict):
    given = {
        "written": Hand(2.5, comment="Good.\nMore <b> next time."),
        "split": Hand(2, comment="I took the idea."),
    }
    said = text(feedback.page(verdict, given))
    assert "5 of 10 points" in said and "so far" not in said
    assert "written 2.5 of 3 points A comment for you Good. More <b> next time." in said
    assert "split 2 of 2 points These points were set by the person" in said
    assert "I took the idea." in said


def test_a_task_that_is_not_written_takes_one_sentence(assignment):
    def keep(weights, k):
        raise NotImplementedError

    material = assignment.materials(1)["keep"]
    result = mark(material, answering({"keep": keep}))
    found = Verdict("graded", assignment="02_saliency", student="bob", total=5, tasks=[result])
    said = text(feedback.page(found))
    assert "It is not written yet (NotImplementedError)." in said
    assert said.count("NotImplementedError") == 1 and "smallest input" not in said
    assert said.startswith(f"{course().name} · feedback 2 · What a weight is worth")


def test_whoever_has_it_all_right_reads_so(assignment):
    names = {"keep": assignment.reference["keep"], "split": assignment.reference["split"]}
    results = [mark(m, answering(names)) for m in assignment.materials(1).values()]
    found = Verdict("graded", assignment=example.NAME, student="bob", total=7, tasks=results)
    said = text(feedback.page(found))
    assert "7 of 7 points" in said and "Every check of every task passes" in said
    assert "Not yet" not in said and "so far" not in said


def test_no_score_is_not_a_zero(verdict):
    page = feedback.page(replace(verdict, status="ungraded", why=f"no notebook: {EVIL}"))
    said = text(page)
    assert "No score yet" in said and "That is not a zero." in said and "0 of" not in said
    assert "no notebook: <script>" in said


def everywhere(verdict, evil):
    """The verdict with a text in every place that a student's text can reach."""
    faults = [
        Fault(evil, returned=evil, expected=evil),
        Fault(evil, raised=evil, wrong=f"{evil}\n{evil}"),
        Fault(evil, silent=evil),
        Fault.told(f"{evil}\n{evil}\n{evil}"),
    ]
    checks = [CheckResult("x", "t", True, 0, 2, fault) for fault in faults]
    task, hand = TaskResult("split", 0, 8, checks), Hand(1, comment=evil)
    known = replace(verdict, student=evil, name=evil, notes=[evil], tasks=[task])
    return feedback.page(known, {"written": hand, "split": hand})


TAGS = set(
    "html head meta title style body main p h1 bdi small svg rect h2 section div h3 code span "
    "strong ul li dl dt dd a".split()
)


@given(
    st.text(max_size=60)
    | st.sampled_from([EVIL, "</style><script>", "-->", "\n\n", "\x00", "\ud800"])
)
def test_a_text_stays_a_text(verdict, evil):
    page = everywhere(verdict, evil)
    page.encode()  # no half characters
    parsed = BeautifulSoup(page, "html.parser")
    assert {tag.name for tag in parsed.find_all()} <= TAGS
    assert not any(key.startswith("on") for tag in parsed.find_all() for key in tag.attrs)
    assert all(c.isprintable() or c == "\n" for c in page)


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_browser_shows_it_runs_nothing_and_axe_finds_nothing(verdict, browser, tmp_path, scheme):
    path = tmp_path / "page.html"
    path.write_text(everywhere(verdict, EVIL + " long" * 60 + "x" * 300), encoding="utf-8")
    context = browser.new_context(color_scheme=scheme)
    page = context.new_page()
    sent, complaints = [], []
    page.on("request", lambda request: sent.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.goto(path.as_uri())
    assert EVIL[:60] in page.title()
    assert sent == [path.as_uri()] and complaints == []
    background = "getComputedStyle(document.body).backgroundColor"
    assert (
        page.evaluate(background)
        == {"light": "rgb(253, 252, 249)", "dark": "rgb(22, 25, 29)"}[scheme]
    )
    for width in (320, 390, 900):
        page.set_viewport_size({"width": width, "height": 800})
        root = "document.documentElement"
        assert page.evaluate(f"{root}.scrollWidth - {root}.clientWidth") <= 0
    # Were a text to get through, the policy would stop it.
    smuggled = "<img src=x onerror=alert(1)>"
    with page.expect_console_message(lambda said: "Content Security Policy" in said.text):
        page.evaluate("html => document.body.insertAdjacentHTML('beforeend', html)", smuggled)
    context.close()
    reader = browser.new_context(color_scheme=scheme, bypass_csp=True)  # axe is a script
    page = reader.new_page()
    page.goto(path.as_uri())
    found = Axe().run(page).response
    assert found["passes"] and not found["violations"], found["violations"]
    reader.close()


def handed_in(assignment, keep, words):
    """Return a notebook as graded, with this cell of `keep` and this answer in words."""
    return answered(assignment.student_notebook, {"keep": keep, "written": words})


def test_a_cell_that_is_no_python_is_named_with_its_line(assignment):
    broken = handed_in(assignment, "def keep(weights, k)\n    return weights", "Because.")
    names = {"split": assignment.reference["split"]}
    tasks = [mark(m, answering(names)) for m in assignment.materials(1).values()]
    found = Verdict(assignment=example.NAME, student="ada", status="graded", tasks=tasks)
    said = text(feedback.page(found, book=broken))
    why = "The cell that begins 'def keep(weights, k)' is not Python: expected ':' (line 1 of the"
    assert said.count(why) == 2  # beside the task, and about the notebook
    assert "keep : its cell is not Python. Mend that first." in said
    whole = handed_in(assignment, "%%time\n!ls\ndef keep(weights, k): ...", "Because.")
    assert "is not Python" not in text(feedback.page(found, book=whole))


@pytest.mark.parametrize("words", [EVIL, "Because.\n\nAnd so."])
def test_a_student_s_own_words_stand_beside_the_comment(verdict, assignment, words):
    given = {"written": Hand(2, comment="Well said.")}
    page = feedback.page(verdict, given, handed_in(assignment, "keep = None", words))
    section = BeautifulSoup(page, "html.parser").find(string="You wrote").find_parent("section")
    said = [part.get_text() for part in section.select(".said")]
    shown = "".join(c if c.isprintable() or c == "\n" else " " for c in words)
    assert [part.split() for part in said] == [shown.split(), ["Well", "said."]]
    assert not section.select("script, img")
    unwritten = handed_in(assignment, "keep = None", "YOUR ANSWER HERE")
    assert "You wrote" not in feedback.page(verdict, given, unwritten)


def test_the_page_is_made_from_the_notebook_as_graded(verdict, assignment, tmp_path):
    place = tmp_path / "autograded" / "ada" / example.NAME / f"{example.NAME}.ipynb"
    place.parent.mkdir(parents=True)
    nbformat.write(handed_in(assignment, "keep = None", "My own words."), place)
    assert feedback.write_page(tmp_path, verdict) == ""
    assert "My own words." in (tmp_path / "feedback" / example.NAME / "ada.html").read_text()
