"""Evidence: what is measured, what is stored, what is refused."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate

from course_lib.teaching import ClaimFailed, collect, evidence, interval
from course_lib.teaching.evidence import MIME

GOOD = {"verdict": "holds", "measured": 0.5, "interval": (0.4, 0.6), "check": True}


def bundle(claim):
    return json.loads(json.dumps(claim._repr_mimebundle_()))


def write(folder, name, *claims, tags=("evidence",), outputs=None):
    cells = [
        {
            "cell_type": "code",
            "metadata": {"tags": list(tags)},
            "source": "",
            "outputs": [{"output_type": "execute_result", "data": bundle(c)} for c in [claim] if c]
            if outputs is None
            else outputs,
        }
        for claim in claims
    ]
    (folder / f"{name}.ipynb").write_text(json.dumps({"cells": cells, "nbformat": 4}))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"verdict": "true"}, "verdict"),
        ({"measured": math.nan}, "finite"),
        ({"measured": math.inf, "interval": None}, "finite"),
        ({"measured": 0.7}, "outside"),
        ({"interval": (0.6, 0.4)}, "outside"),
    ],
)
def test_what_cannot_be_is_refused(change, named):
    with pytest.raises(ValueError, match=named):
        evidence("C1", "a claim", **GOOD | change)


@pytest.mark.parametrize("id", ["", "1", "c1", "C0", "C01", "C1 ", "C1\n", "D1"])
def test_an_id_is_a_c_and_a_number(id):
    with pytest.raises(ValueError, match="id"):
        evidence(id, "a claim", **GOOD)


def test_a_claim_that_fails_says_what_it_claimed_and_what_was_measured():
    with pytest.raises(ClaimFailed) as failed:
        evidence("C7", "Many beat one.", **GOOD | {"check": np.bool_(False)}, over="5 seeds")
    for said in ("C7", "Many beat one.", "0.5", "0.4", "0.6", "5 seeds"):
        assert said in str(failed.value)


def test_a_claim_about_the_clock_reports_and_does_not_raise():
    claim = evidence("C19", "Faster.", **GOOD | {"check": False}, clock=True)
    assert not claim.passed
    assert "not reproduced" in claim._repr_mimebundle_()["text/html"]
    assert "not reproduced" in claim._repr_mimebundle_()["text/plain"]


@given(st.text(), st.text())
def test_any_words_are_escaped_and_stored_as_they_are(statement, note):
    """The card holds no tag but its own: taken out of quotes, every `<` opens a known one."""
    shown = bundle(evidence("C1", f"<script>{statement}", **GOOD, note=note, over=f"<b>&{note}"))
    assert "<script" not in shown["text/html"]
    assert "<b>&amp;" not in shown["text/html"]
    assert shown[MIME]["statement"] == f"<script>{statement}"
    assert shown[MIME]["note"] == note


def test_wilson_against_its_defining_equation():
    """The ends are where the share lies 1.96 standard errors of the end away."""
    share, low, high = interval(np.arange(40) < 9)
    for end in (low, high):
        assert abs(share - end) / math.sqrt(end * (1 - end) / 40) == pytest.approx(
            1.959964, rel=1e-5
        )


@pytest.mark.parametrize(("hits", "low_is", "high_is"), [(0, 0.0, None), (30, None, 1.0)])
def test_wilson_at_the_ends_holds_the_share(hits, low_is, high_is):
    share, low, high = interval(np.arange(30) < hits)
    assert 0 <= low <= share <= high <= 1
    assert low_is is None or low == pytest.approx(low_is, abs=1e-12)
    assert high_is is None or high == pytest.approx(high_is, abs=1e-12)


def test_student_against_its_density():
    """95% of Student's density, integrated by hand, lies within the half width."""
    values = [1.0, 2.0, 4.0, 7.0]
    mean, low, high = interval(values)
    t = (high - mean) / (np.std(values, ddof=1) / 2)
    density = lambda x: (1 + x**2 / 3) ** -2 * 2 / (math.pi * math.sqrt(3))  # noqa: E731
    assert mean == 3.5
    assert mean - low == pytest.approx(high - mean)
    assert integrate.quad(density, -t, t)[0] == pytest.approx(0.95, abs=1e-9)


@pytest.mark.parametrize("values", [[], [1.0], [1.0, math.nan], [[1.0, 2.0]], [math.inf, 1.0]])
def test_an_interval_needs_two_finite_values(values):
    with pytest.raises(ValueError, match="expected at least two"):
        interval(values)


def test_collect_sorts_by_number_and_names_the_chapter(tmp_path):
    claims = [evidence(f"C{i}", "s", **GOOD) for i in (10, 2, 1)]
    write(tmp_path, "02_b", claims[0])
    write(tmp_path, "01_a", claims[1], claims[2])
    found = collect(tmp_path)
    assert [(c.id, c.chapter) for c in found] == [("C1", "01_a"), ("C2", "01_a"), ("C10", "02_b")]
    assert found[0].interval == (0.4, 0.6)
    assert found[0].measured_text == claims[2].measured_text


def test_collect_names_both_chapters_of_a_claim_made_twice(tmp_path):
    for name in ("01_a", "02_b"):
        write(tmp_path, name, evidence("C1", "s", **GOOD))
    with pytest.raises(ValueError, match=r"C1.*01_a.*02_b"):
        collect(tmp_path)


def test_collect_names_the_cell_that_stores_none(tmp_path):
    write(tmp_path, "01_a", evidence("C1", "s", **GOOD), None)
    with pytest.raises(ValueError, match=r"01_a.*cell 2.*course run 01_a"):
        collect(tmp_path)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"cells": [{"metadata": {"tags": ["evidence"]}}]}', "\x00"]
)
def test_collect_names_a_notebook_that_cannot_be_read(tmp_path, text):
    (tmp_path / "03_c.ipynb").write_text(text)
    with pytest.raises(ValueError, match=r"03_c"):
        collect(tmp_path)


def test_collect_names_a_notebook_whose_evidence_has_other_fields(tmp_path):
    outputs = [{"output_type": "display_data", "data": {MIME: {"id": "C1", "colour": 1}}}]
    write(tmp_path, "01_a", "any", outputs=outputs)
    with pytest.raises(ValueError, match=r"01_a"):
        collect(tmp_path)


def test_a_check_may_be_a_function():
    """Were it not called, any function would count as true."""
    assert evidence("C1", "s", **GOOD | {"check": lambda: True}).passed
    with pytest.raises(ClaimFailed):
        evidence("C1", "s", **GOOD | {"check": lambda: False})


def test_every_number_is_written_with_a_minus_sign():
    claim = evidence("C1", "s", **GOOD | {"measured": -1.5, "interval": (-2, -1)}, unit="x-rays")
    assert claim.measured_text == "−1.5 [−2, −1] x-rays"


def test_collect_refuses_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(ValueError, match="no folder"):
        collect(tmp_path / "notebook")


@pytest.mark.parametrize("text", ['{"cells": ["x"]}', '{"cells": [{"outputs": ["x"]}]}'])
def test_collect_names_a_notebook_with_odd_cells(tmp_path, text):
    (tmp_path / "03_c.ipynb").write_text(text)
    with pytest.raises(ValueError, match="03_c"):
        collect(tmp_path)
