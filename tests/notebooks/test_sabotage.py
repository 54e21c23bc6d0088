"""Every claim of every chapter turns red when its experiment is sabotaged."""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import nbformat
import pytest

from course_lib.chapters import chapters, left_out
from course_lib.teaching import ClaimFailed
from tests.notebooks.harness import REGISTERED, claims_made, run_evidence, tags

HERE = Path(__file__).parent
NOTEBOOKS = Path(__file__).parents[2] / "notebooks"

for file in sorted((HERE / "sabotages").glob("*.py")):  # names that start with a digit: by path
    if file.stem not in left_out(NOTEBOOKS.parent):
        spec = spec_from_file_location(f"sabotages_{file.stem}", file)
        spec.loader.exec_module(module_from_spec(spec))


def evidence_cells():
    for path in chapters(NOTEBOOKS.parent):
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type == "code" and "evidence" in tags(cell):
                yield path.stem, cell


@pytest.mark.slow
@pytest.mark.parametrize(
    "case", REGISTERED, ids=lambda c: f"{c.chapter}-{c.claim}-{c.make.__name__}"
)
def test_the_claim_falls(case):
    variables = case.make()
    with pytest.raises(ClaimFailed, match=rf"\b{case.claim}\b"):
        run_evidence(NOTEBOOKS / f"{case.chapter}.ipynb", case.claim, **variables)


def test_every_claim_has_a_sabotage():
    claims = {
        (stem, claim) for stem, cell in evidence_cells() for claim in claims_made(cell.source)
    }
    sabotaged = {(case.chapter, case.claim) for case in REGISTERED}
    assert claims == sabotaged
