"""What the room hands to students and authors of tasks has an example, and every example runs."""

from pathlib import Path

import pytest

from course_lib import grading
from tests.examples import handed_out, run_example

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", handed_out(grading))
def test_an_example_runs(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)  # one asks for a released check
    run_example(grading, name)
