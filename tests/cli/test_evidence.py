"""`course evidence`: it lists what is stored, and does not take silence for proof."""

import json

import pytest
from click.testing import CliRunner

from course_lib.cli import main

CLAIM = """evidence("{id}", "Larger is better.", verdict="holds", measured={value}, interval=(1, 3),
    unit="points", over="10 seeds", check={value} > {least}, clock={clock})"""


def claim(id, value=2, least=0, clock=False):
    source = CLAIM.format(id=id, value=value, least=least, clock=clock)
    return f"from course_lib.teaching import evidence\n{source}", "evidence"


def call(*words):
    return CliRunner().invoke(main, list(words))


@pytest.mark.slow
def test_stored_claims_are_listed(write_notebook):
    write_notebook("02_later", claim("C10"))
    write_notebook("01_first", claim("C2"))
    assert call("run").exit_code == 0
    result = call("evidence")
    assert result.exit_code == 0
    assert "measured: 2 [1, 3] points, over 10 seeds" in result.output
    stored = json.loads(call("evidence", "--json").output)
    assert [(c["id"], c["chapter"]) for c in stored] == [("C2", "01_first"), ("C10", "02_later")]


@pytest.mark.slow
@pytest.mark.parametrize(("clock", "ran", "code"), [(True, 0, 0), (False, 1, 1)])
def test_a_failed_claim(write_notebook, clock, ran, code):
    """About the clock it is stored and marked; any other stops its chapter, nothing stored."""
    write_notebook("01_first", claim("C1", least=5, clock=clock))
    assert call("run").exit_code == ran
    result = call("evidence")
    assert result.exit_code == code
    assert ("DID NOT STAND" if clock else "stores no evidence") in result.output


@pytest.mark.slow
def test_a_stored_failure_is_an_error(write_notebook):
    path = write_notebook("01_first", claim("C1"))
    call("run")
    path.write_text(path.read_text().replace('"passed": true', '"passed": false'))
    assert call("evidence").exit_code == 1


def test_no_claim_is_no_proof(write_notebook):
    write_notebook("01_first", "1")
    result = call("evidence")
    assert result.exit_code == 1
    assert "no chapter stores a claim" in result.output
