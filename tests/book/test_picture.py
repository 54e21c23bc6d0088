"""README.md's picture is taken from the book by a command, and is not of another book."""

import struct
import subprocess
import sys
from pathlib import Path

import pytest

STORED = Path(__file__).parents[2] / "book" / "_static" / "readme.png"
TAKE = "from pathlib import Path; import sys; from course_lib.cli.picture import picture; "
TAKE += "picture(*map(Path, sys.argv[1:]))"


def size(path):
    return struct.unpack(">II", path.read_bytes()[16:24])


@pytest.mark.slow
def test_the_picture_of_the_readme_is_of_this_book(site, tmp_path):
    """As high as the side bar, which lists every page; fonts of another machine may differ."""
    new = tmp_path / "new.png"
    subprocess.run([sys.executable, "-c", TAKE, str(site), str(new)], check=True)
    (width, height), (stored_width, stored_height) = size(new), size(STORED)
    assert width == stored_width
    assert height == pytest.approx(stored_height, rel=0.07)
    assert STORED.stat().st_size < 500_000
