"""Parts to touch, as they are stored: still pictures, and what is refused."""

import doctest
import json
import math

import pytest

from course_lib.teaching import touch
from course_lib.teaching.page import asset

LONGEST = 100  # lines of a part's script


def test_the_examples_run():
    assert doctest.testmod(touch).attempted > 5
    assert not doctest.testmod(touch).failed


@pytest.mark.parametrize(
    ("make", "refused"),
    [
        (lambda: touch.five([1, 2, 3]), "given 3 coefficients"),
        (lambda: touch.five([1, math.nan, 3, 4], k=1), "all finite"),
        (lambda: touch.five([1, 2, 3, 4]), "k: given 5, expected from 1 to 4"),
        (lambda: touch.five([], k=1), "k: given 1, expected from 1 to 0"),
        (lambda: touch.ball((4.5, 0)), "at most 4 and 3"),
        (lambda: touch.ball((math.nan, 0)), "at most 4 and 3"),
        (lambda: touch.stretch([[1, 2, 3]]), "two rows of two entries"),
        (lambda: touch.stretch([[1.6, 1], [1, 1]]), r"at most 1\.5"),
        (lambda: touch.stretch([[1, 1], [1, 1]]), "does not give x"),
        (lambda: touch.deals([1.0, 2.0], s=3), "s from 1 to 2"),
        (lambda: touch.deals([1.0, math.inf]), "expected finite ones"),
        (lambda: touch.bytes_of(0, 5), "given 0 x 5"),
        (lambda: touch.bytes_of(density=1.1), r"density 1\.1"),
        (lambda: touch.bytes_of(3, 65_537, index=2), "2 for at most 65,536 columns"),
        (lambda: touch.bytes_of(value=3), "2, 4 or 8 bytes"),
        (lambda: touch.crowd([]), "given 0 people"),
        (lambda: touch.crowd([0.5], epsilon=0), "epsilon above 0"),
        (lambda: touch.crowd([1.5]), "numbers from 0 to 1"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(make, refused):
    with pytest.raises(ValueError, match=refused):
        make()


@pytest.mark.parametrize(
    "part",
    [
        touch.five([0.0] * 4, k=1),
        touch.ball((0.0, 0.0)),
        touch.stretch([[0.5, 0], [0, 0]]),
        touch.deals([1.0, 1.0], s=1),
        touch.bytes_of(1, 1, 0.0),
        touch.bytes_of(1, 1, 1.0),
        touch.crowd([0.5], share=1.0),
    ],
)
def test_odd_beginnings_make_a_picture_without_holes(part):
    assert not {"nan", "inf", "None", "True"} & set(
        part.html.partition("<script>")[0].replace('"', " ").split()
    )


def test_a_part_is_small_and_the_same_each_time():
    """Stored outputs hold it: under 25 kB, no id of its own, no address."""
    for make in (touch.ball, touch.stretch, touch.bytes_of):
        part = make()
        assert part.html == make().html
        assert len(part.html) < 25_000 and " id=" not in part.html and "://" not in part.html


@pytest.mark.parametrize("kind", ["", "_five", "_ball", "_stretch", "_deals", "_bytes", "_crowd"])
def test_a_script_is_short(kind):
    assert 10 < len(asset(f"touch{kind}.js").splitlines()) <= LONGEST


def test_the_caption_is_prose_and_the_data_cannot_break_out():
    part = touch.ball(caption="a < `b`")
    assert "a &lt; <code>b</code>" in part.html
    assert json.dumps({"w": (3.0, 2.0)})[1:-1].replace('"', "&quot;") in part.html
