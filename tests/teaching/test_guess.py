"""Guesses: what the HTML of question and figure holds, and errors in words."""

import json
import re
from html import unescape

import numpy as np
import pytest

from course_lib.teaching import answer, figure, guess, show
from course_lib.teaching.guess import ASKED, place
from course_lib.teaching.layouts import boxes

ENDS = {"x": (1, 0.01), "y": (0, 100), "log": "x"}


@pytest.fixture(autouse=True)
def _fresh():
    """What other tests have asked is no matter here."""
    ASKED.clear()


def held(html, name):
    """What an attribute of the page holds for the script."""
    return json.loads(unescape(re.search(rf'data-{name}="([^"]*)"', html)[1]))


def empty(**changes):
    fig, ax = figure(4, 3)
    ax.set(**{"xlim": (0, 10), "ylim": (1, 2)} | changes)
    return fig, ax


def test_the_question_stands_alone_and_its_controls_wait_for_the_script():
    html = guess("lines", "How many <lines>?", low=2, high=64, unit="lines").html
    assert '<legend class="mathjax_process">How many &lt;lines&gt;?</legend>' in html
    assert '<div class="sw-controls" hidden>' in html
    assert held(html, "scale") == [2, 64, "linear"] and 'max="62"' in html
    assert "data-truth" not in html.partition("<script>")[0]


def test_each_kind_has_its_controls():
    choice = guess("winner", "Who?", choices=["soft", 'so-called "hard"']).html
    assert choice.count('type="radio"') == 2 and 'value="so-called &quot;hard&quot;"' in choice
    curve = guess("fall", "Draw.", xlabel="density", ylabel="accuracy", **ENDS).html
    assert held(curve, "places") == pytest.approx(np.geomspace(1, 0.01, 7), rel=1e-4)
    assert held(curve, "on")["x"] == [1, 0.01, "log"] and held(curve, "on")["y"] == [
        0,
        100,
        "linear",
    ]
    assert 'aria-label="accuracy at density 0.1"' in curve
    assert held(guess("own", "Draw.", x=[1, 2, 5], y=(0, 1)).html, "places") == [1, 2, 5]


def test_a_figure_tells_where_its_axes_lie():
    guess("lines", "How many?", low=2, high=64)
    fig, ax = empty(xscale="log", xlim=(1, 100))
    html = show(fig, alt="a", caption="c", answers=answer("lines", 22, along="y")).html
    (on,) = held(html, "on")
    left, top, right, bottom = on["place"]
    assert 0 < left < right <= 1 and 0 <= top < bottom < 1
    assert on["x"] == [1, 100, "log"] and on["y"] == [1, 2, "linear"]
    assert held(html, "truth") == 22 and held(html, "lock") == 1
    assert '<div class="sw-cover" hidden' in html and "until-found" not in html  # open as stored
    assert html.index("<figure") < html.index("<figcaption") < html.index("sw-said")
    assert on == place(fig, ax, "lines", boxes(fig))


def test_a_figure_that_is_drawn_for_a_phone_too_tells_where_its_axes_lie_there():
    guess("lines", "How many?", low=2, high=64)
    html = show(figure()[0], alt="a", answers=answer("lines", 22)).html
    wide, narrow = held(html, "on")
    assert wide["x"] == narrow["x"] and wide["place"] != narrow["place"]


def test_a_figure_need_not_be_locked_nor_right():
    guess("winner", "Who?", choices=["soft", "hard"])
    html = show(empty()[0], alt="a", answers=answer("winner", lock=False)).html
    assert not {"data-lock", "data-truth", "data-on"} & set(re.findall(r"data-\w+", html))


def test_of_a_measured_curve_the_values_at_the_places_are_told():
    guess("fall", "Draw.", x=[1, 0.1, 0.01, 0.001], y=(0, 100), log="x")
    html = show(empty()[0], alt="a", answers=answer("fall", ([0.01, 1], [20, 80]))).html
    assert held(html, "truth") == [80, pytest.approx(50), 20, None]


def test_the_same_cell_may_run_again_but_a_name_has_one_question():
    for _ in range(2):
        guess("lines", "How many?", low=2, high=64)
    with pytest.raises(ValueError, match=r"this name has the question 'How many\?'.*restart"):
        guess("lines", "How few?", low=2, high=64)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "given: none"),
        ({"low": 1, "high": 2, "choices": ["a", "b"]}, "given: number and choice"),
        ({"low": 1}, "expected a lower and a higher number"),
        ({"low": 5, "high": 5}, r"low, high = \(5, 5\)"),
        ({"low": 0, "high": 5, "log": "x"}, "above 0 on a logarithmic"),
        ({"choices": ["a", "a"]}, "two different choices"),
        ({"choices": ["a"]}, "two different choices"),
        ({"x": (0, 1)}, r"y = \(\), expected a lower"),
        ({"x": (1, 1), "y": (0, 1)}, "in order"),
        ({"x": (0, 2, 1), "y": (0, 1)}, "in order"),
        ({"x": (0, 1), "y": (0, 1), "log": "x"}, "above 0 on a logarithmic"),
        ({"x": (0, 1), "y": (0, 1), "log": "y"}, "above 0 on a logarithmic"),
    ],
)
def test_a_question_that_cannot_be_asked_is_told_in_words(given, said):
    with pytest.raises(ValueError, match=said):
        guess("wrong", "What?", **given)
    assert not ASKED


def test_a_name_is_a_plain_word():
    with pytest.raises(ValueError, match="small letters"):
        guess('a"b', "What?", low=1, high=2)


def test_an_answer_that_is_none_is_told_in_words():
    guess("lines", "How many?", low=2, high=64)
    guess("winner", "Who?", choices=["soft", "hard"])
    guess("fall", "Draw.", **ENDS)
    for name, given, said in (
        ("line", {}, r"asked were \['fall', 'lines', 'winner'\]"),
        ("lines", {"along": "z"}, "expected 'x' or 'y'"),
        ("lines", {"truth": float("nan")}, "finite"),
        ("winner", {"truth": "both"}, "'both' is none of"),
        ("fall", {"truth": ([1, 2], [1])}, "one length"),
        ("fall", {"truth": ([1, 2], [1, float("inf")])}, "finite"),
    ):
        with pytest.raises(ValueError, match=said):
            answer(name, **given)


def test_axes_that_are_not_there_or_cannot_be_drawn_on_are_told_in_words():
    guess("lines", "How many?", low=2, high=64)
    fig, _ = figure(4, 3, ncols=2)
    for on in (None, empty()[1]):
        with pytest.raises(ValueError, match=r"has 2 axes: say on which.*on=ax"):
            show(fig, alt="a", answers=answer("lines", on=on))
    with pytest.raises(ValueError, match="symlog"):
        show(empty(xscale="symlog")[0], alt="a", answers=answer("lines"))
    polar, _ = figure(4, 3, subplot_kw={"projection": "polar"})
    with pytest.raises(ValueError, match="polar axes"):
        show(polar, alt="a", answers=answer("lines"))


def test_the_same_guess_is_the_same_html():
    def both():
        ASKED.clear()
        asked = guess("fall", "Draw.", **ENDS).html
        return asked + show(empty()[0], alt="a", answers=answer("fall")).html

    assert both() == both()
