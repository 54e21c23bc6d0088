"""README.md's first screen: a picture of this book that moves, numbers that were measured."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from course_lib.teaching import collect

ROOT = Path(__file__).parents[2]
STORED = ROOT / "book" / "_static" / "readme.gif"
TAKE = "from pathlib import Path; import sys; from course_lib.cli.picture import picture; "
TAKE += "picture(*map(Path, sys.argv[1:]))"


@pytest.mark.slow
def test_the_picture_of_the_readme_is_of_this_book(site, tmp_path):
    """As large and with as many steps as one that is taken now; fonts of a machine may differ."""
    new = tmp_path / "new.gif"
    subprocess.run([sys.executable, "-c", TAKE, str(site), str(new)], check=True)
    with Image.open(new) as taken, Image.open(STORED) as stored:
        assert taken.n_frames == stored.n_frames > 3
        assert taken.size == stored.size
    assert STORED.stat().st_size < 1_000_000


def test_the_numbers_of_the_readme_are_those_that_its_claims_store():
    """Each result ends in the claim's id; what it has in bold is what the claim measured."""
    stored = {claim.id: claim for claim in collect(ROOT / "notebooks")}
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    first_screen = text.partition("\n## ")[0]
    results = re.findall(r"^- (.*?\*\*(.+?)\*\*.*?)\((C\d+)\)$", first_screen, re.M | re.S)
    assert len(results) == 3
    for _, said, id in results:
        claim = stored[id]
        numbers = claim.measured_text.removesuffix(claim.unit).strip()
        assert said == numbers, f"README.md says {said} of {id}; measured was {numbers}"
