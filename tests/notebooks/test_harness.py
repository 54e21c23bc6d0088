"""The harness itself: it must tell a standing claim from a fallen one, and run nothing else."""

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from course_lib.teaching import ClaimFailed
from tests.notebooks.harness import claims_made, run_evidence


@pytest.fixture
def notebook(tmp_path):
    nb = new_notebook(
        cells=[
            new_code_cell("import numpy as np\nfrom course_lib.teaching import evidence"),
            new_code_cell("raise RuntimeError('the experiment must not be run')"),
            new_code_cell("%%time\n1"),
            new_code_cell(
                'evidence("C9", "the mean is large", verdict="holds", measured=np.mean(values),\n'
                '         interval=None, unit="", check=np.mean(values) > 1)',
                metadata={"tags": ["evidence"]},
            ),
        ]
    )
    path = tmp_path / "99_trial.ipynb"
    nbformat.write(nb, path)
    return path


def test_an_honest_experiment_stands(notebook):
    run_evidence(notebook, "C9", values=[3, 4])


def test_a_sabotaged_experiment_falls(notebook):
    with pytest.raises(ClaimFailed, match="C9"):
        run_evidence(notebook, "C9", values=[0, 1])


def test_a_claim_about_the_clock_falls_as_well(notebook):
    notebook.write_text(notebook.read_text().replace("interval=None", "clock=True"))
    run_evidence(notebook, "C9", values=[3, 4])
    with pytest.raises(ClaimFailed, match="C9"):
        run_evidence(notebook, "C9", values=[0, 1])


def test_a_forgotten_variable_is_not_taken_for_a_fall(notebook):
    with pytest.raises(NameError, match="values"):
        run_evidence(notebook, "C9")


def test_an_unknown_claim_is_not_taken_for_a_fall(notebook):
    with pytest.raises(LookupError, match="C1"):
        run_evidence(notebook, "C1", values=[0])


def test_claims_are_read_from_the_source():
    source = 'evidence("C1", s)\nteaching.evidence("C2", s)\nother("C3")\nevidence(name)'
    assert claims_made(source) == ["C1", "C2"]
