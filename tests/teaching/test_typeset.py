"""Numbers as a printer sets them, and nothing else touched."""

import pytest

from course_lib.teaching import evidence, say
from course_lib.teaching.page import prose, typeset


@pytest.mark.parametrize(
    ("given", "set_so"),
    [
        ("-4.6 points [-5.8, -.5]", "−4.6 points [−5.8, −.5]"),
        ("| a | -0.2 |\n|:--|--:|", "| a | −0.2 |\n|:--|--:|"),
        ("- 5 apples\n- -5 pears", "- 5 apples\n- −5 pears"),
        ("**-4.1** and f(-1), a = -2", "**−4.1** and f(−1), a = −2"),
        ("1024x1024, 2 x 3", "1024 × 1024, 2 × 3"),
        ("3e-14, -1.03e+04", "3 × 10⁻¹⁴, −1.03 × 10⁴"),
    ],
)
def test_numbers_are_set(given, set_so):
    assert typeset(given) == set_so
    assert typeset(set_so) == set_so


@pytest.mark.parametrize(
    "text",
    [
        "`-1` and ``x[-1]``",
        "```python\nx = -1e-5\n```",
        r"$-3$, $$x - 3e-4$$, \(-1\), \[2 x 3\]",
        "[a page](notes-2/-1.html), {cite}`a-1`, <b style='margin:-1px'>",
        "5-10, C1-5, top-5, 2026-01-31, x-1, 0x1f, 2x faster, a1e5, --1",
    ],
)
def test_what_is_no_number_in_prose_stays(text):
    assert typeset(text) == text


def test_sentences_claims_and_captions_are_set():
    """What is stored for machines stays as it was given."""
    assert say("It is -1 in `x[-1]`.").data == "It is −1 in `x[-1]`."
    assert prose("At -1, `x-1 < -1`") == "At −1, <code>x-1 &lt; -1</code>"
    told = {"over": "-1 to 1", "note": "at -2", "unit": "of -3"}
    claim = evidence("C1", "Below -4.", verdict="holds", measured=3e-14, check=True, **told)
    shown = claim._repr_mimebundle_()
    for words in ("Below −4.", "−1 to 1", "at −2", "3 × 10⁻¹⁴ of −3"):
        assert words in shown["text/html"], words
    assert claim.note == "at -2"
