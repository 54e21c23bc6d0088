"""A figure in a narrow column, lines with their names, intervals as pictures, drawings."""

import re
import warnings
from itertools import pairwise

import numpy as np
import pytest

from course_lib.labs.drawings import MEASURED, SEEN, diamond, smallest
from course_lib.teaching import evidence, figure, forest, name_lines, show, slider
from course_lib.teaching.drawing import Panel, drawing
from course_lib.teaching.figures import drawings, drawn, svg
from course_lib.teaching.layouts import INCH, LEAST, NARROW, fitted, narrow
from course_lib.teaching.names import LineName, settle


def pair(**given):
    fig, axes = figure(height=3.4, ncols=2, sharey=True, **given)
    for ax, title in zip(axes, ("soft", "hard"), strict=True):
        ax.plot([0, 1], [0, 1], label="a line with a long name")
        ax.set_title(title)
        ax.legend(loc="center")
    axes[0].set_ylabel("kept")
    return fig


def test_a_figure_is_drawn_for_two_columns_and_left_as_it_was():
    fig = pair()
    first = drawings(fig, "two")
    assert drawings(fig, "two") == first
    sizes = re.findall(r'<svg class="(sw-\w+)" .*? width="(\d+)" height="(\d+)"', first)
    assert [name for name, *_ in sizes] == ["sw-wide", "sw-narrow"]
    (_, wide, low), (_, small, high) = sizes
    assert (int(wide), int(small)) == (8 * INCH, round(NARROW * INCH))
    assert int(high) > 1.5 * int(low)


def test_a_small_figure_is_drawn_once():
    fig, ax = figure(width=4, height=2)
    ax.plot([1, 2])
    assert drawings(fig, "a").count("<svg") == 1


def test_in_a_narrow_column_panels_are_a_column_and_each_has_its_axis():
    fig = pair()
    (_, wide), (_, small) = drawn(fig, "two")
    with narrow(fig):
        assert [ax.yaxis.get_tick_params()["labelleft"] for ax in fig.axes] == [True, True]
        assert [ax.get_ylabel() for ax in fig.axes] == ["kept", "kept"]
        settle(fig)
        fig.draw_without_rendering()
        for ax in fig.axes:  # a legend as wide as the panel stands under it
            assert ax.get_legend().get_window_extent().y1 < ax.bbox.y0
    assert wide[0]["box"][1] == pytest.approx(wide[1]["box"][1], abs=0.01)
    assert small[0]["box"][1] + small[0]["box"][3] < small[1]["box"][1]
    assert wide[0]["x"] == small[0]["x"]
    assert not fig.axes[1].yaxis.get_tick_params()["labelleft"]


def test_a_box_is_where_the_axes_are_drawn():
    fig, ax = figure(width=4, height=2)
    ax.plot([1, 10, 100], [0.25, 0.25, 0.25], "o", markersize=7)
    ax.set(xlim=(1, 100), ylim=(0, 1), xscale="log")
    ((text, (found,)),) = drawn(fig, "a")
    left, top, width, height = found["box"]
    marks = re.findall(r'<use [^>]*x="([\d.]+)" y="([\d.]+)" style="fill: var\(--sw-1', text)
    for mark, share in zip(marks, (0, 0.5, 1), strict=True):
        x, y = float(mark[0]) / 288, float(mark[1]) / 144
        assert x == pytest.approx(left + share * width, abs=1e-3)
        assert y == pytest.approx(top + 0.75 * height, abs=1e-3)
    assert found["scales"] == ("log", "linear") and found["x"] == (1, 100)


def test_pictures_stay_side_by_side_and_plots_do_not():
    fig, axes = figure(height=1.5, ncols=8)
    for ax in axes:
        ax.imshow(np.eye(8))
        ax.axis("off")
    _, (_, small) = drawn(fig, "eight")
    rows = {round(each["box"][1], 2) for each in small}
    assert len(rows) == 2


def test_no_letter_is_too_small_and_a_long_title_is_broken():
    fig, ax = figure()
    ax.set_title("a title that nobody could read in one line on the screen of a phone, or two")
    ax.text(0.5, 0.5, "tiny", fontsize=5)
    drawings(fig, "a")
    assert ax.texts[0].get_fontsize() == pytest.approx(LEAST)
    with narrow(fig):
        assert "\n" in ax.get_title()
        assert ax.title.get_window_extent().width < fig.bbox.width
    assert "\n" not in ax.get_title()


def lying(texts):
    """Where the texts that are seen lie, in pixels."""
    return [t.get_window_extent() for t in texts if t.get_visible() and t.get_text()]


def test_numbers_of_an_axis_that_would_touch_are_left_out_and_come_back():
    fig, ax = figure(height=4)
    ax.set(xlim=(17, 200), xticks=[20, 60, 100, 140, 150, 160])
    with narrow(fig):
        fig.draw_without_rendering()
        boxed = lying(ax.get_xticklabels())
        assert all(low.x1 < high.x0 for low, high in pairwise(boxed)) and len(boxed) == 5
        assert len(ax.get_xticks()) == 6
    with fitted(fig):
        fig.draw_without_rendering()
        assert len(lying(ax.get_xticklabels())) == 6


def test_a_name_of_an_axis_lies_inside_the_figure():
    fig, ax = figure(height=3)
    ax.barh(["sums in eight registers, of many words", "b"], [3, 2])
    ax.set(xlabel="times as fast as dense PyTorch")
    found = []
    for way in (narrow, fitted):
        with way(fig):
            fig.draw_without_rendering()
            (lies,) = lying([ax.xaxis.label])
            assert lies.x0 >= -0.5 and lies.x1 <= fig.bbox.x1 + 0.5
            found.append(ax.xaxis.label.get_position()[0])
    assert found[0] < found[1] == 0.5


def test_a_text_in_a_narrow_column_does_not_lie_across_an_axis_nor_on_another():
    fig, ax = figure(height=2.4)
    for row, low in enumerate((2.4, 2.99, 2.99)):
        ax.plot([low, low + 0.05], [row, row])
        ax.text(low - 0.02, row, "2.427 [2.402, 2.453]", ha="right", va="center")
    ax.text(2.74, -0.15, "the toll: 0.57", ha="center")
    ax.annotate("low", (2.2, 2.4), (2.2, 2.4), va="center")
    ax.set(ylim=(2.4, -0.7), xlim=(2.1, 3.2), yticks=range(3), yticklabels=["soft", "or", "hard"])
    first = drawings(fig, "three")
    with narrow(fig):
        fig.draw_without_rendering()
        for at, box in enumerate(boxed := lying(ax.texts)):
            assert box.x0 > ax.bbox.x0 and box.y0 > ax.bbox.y0
            assert not box.count_overlaps(boxed[:at])
    assert drawings(fig, "three") == first


def test_a_text_left_of_its_dot_goes_to_the_other_side_at_an_axis():
    fig, ax = figure(height=3)
    ax.plot([10], [0.2], "o")
    ax.annotate("2 of 10", (10, 0.2), (-7, -4), textcoords="offset points", ha="right")
    ax.set(xscale="log", xlim=(4, 40_000), ylim=(0, 1))
    with narrow(fig):
        (lies,) = lying(ax.texts)
        assert lies.x0 > ax.transData.transform((10, 0.2))[0]
    assert ax.texts[0].xyann == (-7, -4)


def test_a_broad_text_on_a_line_is_broken_where_that_clears_it():
    fig, ax = figure(height=4.2)
    ax.plot([45, 102], [30, 72])
    ax.text(46.5, 50.4, "sum of the squares of the chances")
    ax.set(xlim=(45, 102), ylim=(32, 73))
    with narrow(fig):
        assert ax.texts[0].get_text() == "sum of the squares\nof the chances"
    assert "\n" not in ax.texts[0].get_text()


def test_the_numbers_of_a_figure_and_of_its_description_have_minus_signs():
    fig, ax = figure(width=4, height=2, nrows=1)
    ax.set_title("lower right -0.99")
    text = drawings(fig, "at -0.99")
    assert "lower right \N{MINUS SIGN}0.99" in text and "at \N{MINUS SIGN}0.99" in text
    shown = slider(lambda ax, n: None, [-1, 0.5], label="n", alt=lambda n: f"at {n}", width=4)
    assert "-1" not in re.sub(
        r"<svg.*?</svg>|<script.*|<style.*?</style>", "", shown.html, flags=re.S
    )


def named(ends, names=("one", "two", "three"), **given):
    fig, ax = figure()
    for name, end in zip(names, ends, strict=True):
        ax.plot([1, 2, 3], [0, 1, end], label=name)
        ax.fill_between([1, 2, 3], [0, 0, 0], [0, 1, end], alpha=0.2)
    name_lines(ax, **given)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        drawings(fig, "lines")
        svg(fig, "lines")
    return ax, [t for t in ax.texts if isinstance(t, LineName)]


def test_names_stand_at_the_ends_of_their_lines_and_keep_clear():
    ax, names = named([5, 5.1, 0])
    assert not ax.get_legend().get_visible()
    for name, line in zip(names, ax.lines, strict=True):
        assert name.get_color() == line.get_color()
        assert tuple(name.xy) == tuple(line.get_xydata()[-1])
    boxed = sorted((n.get_window_extent() for n in names), key=lambda box: box.y0)
    assert all(low.y1 <= high.y0 + 1 for low, high in pairwise(boxed))
    assert all(box.x1 <= ax.figure.bbox.x1 for box in boxed)


@pytest.mark.parametrize(
    ("ends", "names"), [([5, 5, 5, 5], "abcd"), ([5, 3, 1], ["a " * 22, "b", "c"])]
)
def test_where_names_do_not_fit_there_is_a_legend(ends, names):
    ax, found = named(ends, names)
    assert ax.get_legend().get_visible()
    assert not any(name.get_visible() for name in found)


def test_what_is_not_emphasised_is_grey():
    _, names = named([5, 3, 1], emphasise=["two"])
    assert len({name.get_color() for name in names}) == 2
    assert names[0].get_color() == names[2].get_color() != names[1].get_color()
    with pytest.raises(ValueError, match="'four'"):
        named([5, 3, 1], emphasise=["four"])
    with pytest.raises(ValueError, match="none"):
        name_lines(figure()[1])


def claim(**changes):
    given = {
        "verdict": "holds",
        "measured": 2.0,
        "interval": (1, 3),
        "check": True,
        "unit": "points",
    }
    return evidence("C1", "s", **given | changes)._repr_mimebundle_()["text/html"]


def places(html):
    """The places in per cent: of zero, of the ends of the interval, of the dot."""
    zero, low, high, dot = re.search(
        r'sw-zero" x1="([\d.]+)%".*?sw-span" x1="([\d.]+)%" x2="([\d.]+)%".*?cx="([\d.]+)%"', html
    ).groups()
    return [float(x) for x in (zero, low, high, dot)]


def test_a_claim_near_zero_has_a_number_line_in_proportion():
    zero, low, high, dot = places(claim())
    assert dot == pytest.approx((low + high) / 2, abs=0.02)
    assert high - low == pytest.approx(2 * (low - zero), abs=0.02)
    zero, low, *_ = places(claim(unit="times less time"))
    assert zero == low  # held against one
    assert places(claim(against=3))[0] == places(claim(against=3))[2]


@pytest.mark.parametrize(
    "change",
    [
        {"interval": None},
        {"interval": (2, 2)},
        {"measured": 90, "interval": (89, 91)},
        {"form": ".0%"},
    ],
)
def test_a_claim_whose_line_would_say_nothing_has_none(change):
    assert "sw-line" not in claim(**change)


def test_a_forest_says_every_number_and_hollows_what_holds_zero():
    rows = {"a": (1.0, 0.5, 1.5), "b <": (-0.1, -0.5, 0.3, "undecided")}
    shown = forest({"group": rows}, label="way", unit="points", margin=0.2, caption="c")
    for said in ("1.0 [0.5, 1.5]", "−0.1 [−0.5, 0.3]", "b &lt;", "undecided", "group"):
        assert said in shown.html
    assert [
        bool(each) for each in re.findall(r"<circle[^>]*?( class=\"sw-open\")?/>", shown.html)
    ] == [False, True]
    assert "group, b <: −0.1 [−0.5, 0.3] points, undecided" in shown.text
    with pytest.raises(ValueError, match="empty"):
        forest({}, label="way", unit="points")
    with pytest.raises(ValueError, match="outside"):
        forest({"a": (2, 0, 1)}, label="way", unit="points")


@pytest.mark.parametrize(("order", "size"), [(2, np.linalg.norm), (1, lambda v: np.abs(v).sum())])
def test_the_ball_of_the_drawing_touches_the_line_and_does_not_cross_it(order, size):
    (point,) = smallest(MEASURED, SEEN, order)
    assert np.dot(MEASURED, point) == pytest.approx(SEEN)
    along = np.array([-MEASURED[1], MEASURED[0]])
    others = np.array(point) + np.linspace(-3, 3, 601)[:, None] * along
    assert min(size(other) for other in others) == pytest.approx(size(np.array(point)))
    assert sum(np.isclose([size(other) for other in others], size(np.array(point)))) == 1


def test_the_cross_meets_the_line_where_one_entry_is_left():
    for point in (points := smallest(MEASURED, SEEN, 0)):
        assert np.dot(MEASURED, point) == pytest.approx(SEEN) and np.count_nonzero(point) == 1
    assert len(points) == 2 and smallest(MEASURED, SEEN, 1)[0] in points


def test_the_diamond_is_drawn_where_it_was_computed():
    """Its corner and the dot on it, and the circle's radius: read from the picture itself."""
    _, circle, corner, cross = re.split(r"<svg", diamond().html)
    frame = Panel((-1.3, 2.6), (-1.25, 1.75))
    x, y = frame.place(smallest(MEASURED, SEEN, 1)[0])
    assert f'cx="{x}" cy="{y}" r="5"' in corner and f"L{x} {y}L" in corner
    x, y = frame.place(smallest(MEASURED, SEEN, 2)[0])
    left, top, radius = map(
        float,
        re.search(r'cx="([\d.]+)" cy="([\d.]+)" r="([\d.]+)" fill="var\(--sw-1', circle).groups(),
    )
    assert np.hypot(x - left, y - top) == pytest.approx(radius, abs=0.02)
    assert cross.count('r="5"') == 2


def test_a_drawing_wants_words_and_escapes_them():
    panel = Panel((0, 1), (0, 1), title="a < b")
    panel.text((0.5, 0.5), "<i>")
    panel.arrow((0, 0), (1, 1))
    html = drawing(panel, alt='"x"', caption="c").html
    assert "a &lt; b" in html and "&lt;i&gt;" in html and 'aria-label="&quot;x&quot;"' in html
    with pytest.raises(ValueError, match="alt"):
        drawing(panel, alt=" ")


def test_a_figure_of_the_whole_column_is_shown_at_its_width():
    fig, ax = figure()
    ax.plot([1, 2])
    assert 'width="736"' in show(fig, alt="a").html
