"""What the notebooks store is evidence: the outputs of one run, top to bottom, of this source.

nbval passes a notebook whose outputs were cleared; this does not.
"""

import ast
import json
import re
from pathlib import Path

import nbformat
import nbval.kernel
import numpy as np
import pytest
from nbval.plugin import get_sanitize_patterns

from course_lib.chapters import chapters as taught
from course_lib.chapters import course
from course_lib.cli.run import METADATA
from course_lib.labs.chance import best_threshold
from course_lib.teaching import collect, figure, show
from tests.notebooks.harness import claims_made, tags

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
CHAPTERS = taught(ROOT)

# The design: which chapter measures which claims.
CLAIMS = {
    "01_sparse_approximation": "C1 C2 C3",
    "02_saliency": "C4 C5 C6",
    "03_iterative_pruning": "C7 C8",
    "04_thresholding": "C9 C10",
    "05_lottery_tickets": "C11 C12 C13 C14 C15",
    "06_chance": "C16",
    "07_no_free_lunch": "C17 C18",
    "08_hardware": "C19 C20 C21 C22 C23",
    "09_training_for_pruning": "C24 C25 C26",
    "10_robustness": "C27 C28 C29",
    "11_fairness": "C30",
    "12_privacy": "C31 C32 C33",
    "13_physics": "C34 C35 C36",
    "14_statistics": "C37 C38",
}
TAGS = {"evidence", "live", "nbval-ignore-output", "remove-cell", "hide-input", "raises-exception"}
MACHINE_PATH = re.compile(r"/(?:home|root|tmp|Users)/|site-packages|[A-Z]:\\\\")
ADDRESS = re.compile(r"\bat 0x[0-9a-f]{6,}")
MOST_LINES = 15
MOST_HIDDEN_LINES = 40  # behind a button: pictures and quizzes
MOST_BYTES = 2 * 2**20

chapters = pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)


def code_cells(path):
    nb = nbformat.read(path, as_version=4)
    return [cell for cell in nb.cells if cell.cell_type == "code"]


@chapters
def test_run_from_top_to_bottom(path):
    cells = code_cells(path)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))


@chapters
def test_a_cell_that_shows_something_stores_it(path):
    """A cell whose last line is an expression or that prints has an output, if it is not live."""
    for cell in code_cells(path):
        if shows(cell.source) and "live" not in tags(cell):
            assert cell.outputs, f"no stored output: {cell.source[:80]!r}"


def shows(source):
    body = ast.parse(source).body
    last = body[-1] if body else None
    if not isinstance(last, ast.Expr) or source.rstrip().endswith(";"):
        return False
    called = getattr(last.value, "func", None)
    return getattr(called, "id", "") in {
        "evidence",
        "show",
        "say",
        "slider",
        "quiz",
        "guess",
        "print",
    } or (isinstance(last.value, ast.Name))


@chapters
def test_no_error_no_warning_no_clock(path):
    for cell in code_cells(path):
        assert "execution" not in cell.metadata, "timing metadata: outputs come from `course run`"
        for output in cell.outputs:
            assert output.output_type != "error" or "raises-exception" in tags(cell)
            assert output.get("name") != "stderr", output.text[:200]


@chapters
def test_written_by_course_run(path):
    nb = nbformat.read(path, as_version=4)
    assert nb.metadata == METADATA
    assert path.read_text(encoding="utf-8") == nbformat.writes(nb) + "\n"
    for cell in code_cells(path):
        assert tags(cell) <= TAGS, "a tag that nothing knows"
        assert not ("live" in tags(cell) and cell.outputs), "outputs of live cells are not stored"


@chapters
def test_what_the_book_folds_is_folded_in_jupyterlab(path):
    """Of a quiz the source has the answers."""
    for cell in code_cells(path):
        folded = cell.metadata.get("jupyter", {}).get("source_hidden", False)
        assert folded == ("hide-input" in tags(cell)), cell.source[:80]


@chapters
def test_nothing_of_one_machine(path):
    for cell in code_cells(path):
        for output in cell.outputs:
            text = json.dumps(output)
            found = MACHINE_PATH.search(text) or ADDRESS.search(text)
            assert not found, f"{found[0]!r} in the output of {cell.source[:80]!r}"


@chapters
def test_cells_are_short_enough_to_read(path):
    for cell in code_cells(path):
        most = MOST_HIDDEN_LINES if "hide-input" in tags(cell) else MOST_LINES
        assert len(cell.source.splitlines()) <= most, cell.source


@chapters
def test_a_chapter_opened_elsewhere_fetches_the_library_first(path):
    """As on Colab, and from the course's own address."""
    first, *_ = code_cells(path)
    assert f'"course_lib[labs] @ git+{course(ROOT).repository}"' in first.source
    assert tags(first) == {"remove-cell"}
    assert not first.outputs


@chapters
def test_a_chapter_is_light(path):
    assert path.stat().st_size <= MOST_BYTES


@chapters
def test_claims_are_those_of_the_design(path):
    made = [claim for cell in code_cells(path) for claim in claims_made(cell.source)]
    assert sorted(made) == sorted(CLAIMS[path.stem].split())  # in the order of the story
    for cell in code_cells(path):
        assert ("evidence" in tags(cell)) == bool(claims_made(cell.source))


def test_nbval_runs_chapters_with_no_network():
    """The other half of the proof: `course test` hands every chapter to nbval, which uses this."""
    kernel = nbval.kernel.RunningKernel("python3")
    try:
        ask = "import socket; socket.create_connection(('192.0.2.1', 80), timeout=3)"
        message = kernel.execute_cell_input(ask, allow_stdin=False)
        reply = kernel.kc.get_shell_msg(timeout=600)
        while reply["parent_header"]["msg_id"] != message:
            reply = kernel.kc.get_shell_msg(timeout=600)
    finally:
        kernel.stop()
    assert "a chapter runs with no network" in reply["content"]["evalue"]


def drawn(height, alt="a line"):
    """A figure as nbval compares it."""
    fig, ax = figure()
    ax.plot([0, 1], [0, height])
    ax.set_ylim(0, 1)
    text = show(fig, alt=alt, caption="One line.")._repr_mimebundle_()["text/html"]
    for pattern, instead in get_sanitize_patterns((HERE / "sanitize.cfg").read_text()):
        text = re.sub(pattern, instead, text)
    return text


def test_nbval_compares_the_words_of_a_figure_and_not_its_last_digits():
    assert drawn(0.5) == drawn(0.501)
    assert drawn(0.5) != drawn(0.5, alt="another line")


def test_there_is_a_chapter():
    assert CHAPTERS


def test_all_claims_are_stored_and_hold():
    stored = collect(ROOT / "notebooks")
    assert [claim.id for claim in stored] == [c for p in CHAPTERS for c in CLAIMS[p.stem].split()]


def sliders(path, name):
    """The calls of slider or live in a chapter: {label: (what it runs over, where it starts)}."""
    calls = (
        node
        for cell in code_cells(path)
        for node in ast.walk(ast.parse(cell.source))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == name
    )
    found = {}
    for call in calls:
        given = {each.arg: ast.unparse(each.value) for each in call.keywords}
        found[given["label"]] = ast.unparse(call.args[1]), given.get("start", "0")
    return found


# Where the live slider runs over other values: the value at which both begin, and theirs.
FINER = {
    "'numbers kept, k'": (1024, "list(range(1, 1100, 11))[93]"),
    "'lines measured'": (22, "[4, 8, 12, 16, 22, 32][4]"),
    "'threshold / σ'": (1.28, "np.linspace(0.1, 3.1, 61).round(2)[round((best_tau - 0.1) / 0.05)]"),
    "'weights, N'": (10, "range(10, 1001, 10)[0]"),
}


@chapters
def test_a_live_slider_begins_where_the_still_one_does(path):
    still, live = sliders(path, "slider"), sliders(path, "live")
    assert live and live.keys() <= still.keys()
    for label, (values, start) in live.items():
        if values == still[label][0]:
            assert start == still[label][1], label
        else:
            value, finer = FINER[label]
            assert finer == f"{values}[{start}]"
            names = {"np": np, "best_tau": best_threshold(10, 2)}
            assert eval(finer, names) == pytest.approx(value, abs=0.025)
