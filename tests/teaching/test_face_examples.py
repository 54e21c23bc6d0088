"""What the room hands to authors of chapters has an example, and every example runs."""

from pathlib import Path

import pytest

from course_lib import teaching
from tests.examples import handed_out, run_example

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", handed_out(teaching))
def test_an_example_runs(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)  # one reads the chapters
    run_example(teaching, name)


def test_a_name_without_an_example_is_told() -> None:
    with pytest.raises(AssertionError, match="ClaimFailed has no example"):
        run_example(teaching, "ClaimFailed")
