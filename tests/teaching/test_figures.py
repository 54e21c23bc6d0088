"""Figures, sliders and sources: one SVG for light and dark, the same on every run."""

import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.teaching import figure, interval, live, show, slider, source
from course_lib.teaching.figures import COLOURS, svg
from course_lib.teaching.page import asset, undocumented

# What the font can draw; a dollar begins a formula in matplotlib.
WORDS = st.text(st.sampled_from("abzXYZ019 <>&\"'#;=/äßñΩλ≤∞−“„½²"), max_size=20)
ROOMY = {"width": 4, "height": 3}


def drawn(title="a title", colour="C0"):
    fig, ax = figure(**ROOMY)
    ax.plot([0, 1, 2], [0, 1, 0], "o-", color=colour)
    ax.set_title(title)
    return fig


class Outline(HTMLParser):
    """All tags of a piece of HTML, in order, with their attributes and the text between."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.words = [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.words.append(data)


@pytest.mark.slow
@settings(max_examples=25)
@given(WORDS.filter(str.strip), WORDS)
def test_any_title_alt_and_caption_arrive_as_they_are(title, caption):
    html = show(drawn(title), alt=f"<\"{title}&'>", caption=caption).html
    outline = Outline(html)
    svgs = [attributes for tag, attributes in outline.tags if tag == "svg"]
    assert [each["aria-label"] for each in svgs] == [f"<\"{title}&'>"]
    words = re.sub(r"\s+", "", "".join(outline.words))
    for said in (title, caption):
        assert re.sub(r"\s+", "", said) in words


def test_an_alt_text_is_asked_for():
    for empty in ("", "  \n"):
        with pytest.raises(ValueError, match="alt is empty"):
            show(drawn(), alt=empty)


def test_every_named_colour_is_a_variable_with_its_fallback():
    fig, ax = figure(**ROOMY)
    for height, colour in enumerate(COLOURS.values()):
        ax.axhline(height, color=colour)
    text = svg(fig, "lines")
    for name, colour in COLOURS.items():
        assert f"var(--sw-{name},{colour})" in text
    bare = re.sub(r"var\(--sw-\w+,#\w+\)", "", text)
    assert not set(re.findall(r"#[0-9a-f]{6}", bare)) & set(COLOURS.values())


def test_the_style_sheet_knows_every_colour_by_day_and_by_night():
    styles = asset("frame.css")
    for name, colour in COLOURS.items():
        shades = re.findall(rf"--sw-{name}:(#\w+)", styles)
        assert shades[0] == colour
        assert len(set(shades)) == 2


def luminance(colour):
    """Relative luminance by WCAG 2.2."""
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    parts = np.array([int(digits[i : i + 2], 16) for i in (0, 2, 4)]) / 255
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def contrast(one, other):
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_contrast_agrees_with_the_standard():
    assert contrast("#000000", "#fff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("night", [0, 1])
@pytest.mark.parametrize("name", [name for name in COLOURS if name != "grid"])
def test_every_colour_can_be_read_as_text(name, night):
    """On the paper and on the wash of its own mode, and on the page of the book in that mode."""
    shade, paper, wash = (
        re.findall(rf"--sw-{word}:(#\w+)", asset("frame.css"))[night]
        for word in (name, "paper", "wash")
    )
    for ground in (paper, wash, ("#fdfcf9", "#16191d")[night]):
        assert contrast(shade, ground) >= 4.5, (shade, ground)


def test_numbers_are_short():
    fig, ax = figure(**ROOMY)
    ax.plot(np.linspace(0, 1, 50), np.sin(np.linspace(0, 9, 50)))
    paths = re.findall(r' d="([^"]+)"', svg(fig, "a wave"))
    assert paths
    assert not re.search(r"\.\d{3}", "".join(paths))
    assert not re.search(r"e-?\d", "".join(paths)), "an exponent"


def test_what_is_referred_to_is_there_and_is_this_figures_own():
    texts = [svg(drawn(title), "a") for title in ("one", "two")]
    ids = [set(re.findall(r' id="([^"]+)"', text)) for text in texts]
    for text, own in zip(texts, ids, strict=True):
        assert own and set(re.findall(r'(?:href="#|url\(#)([^")]+)', text)) == own
        ET.fromstring(text.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1))
    assert not ids[0] & ids[1]


def test_a_picture_keeps_its_pixels():
    fig, ax = figure(**ROOMY)
    ax.imshow(np.arange(64).reshape(8, 8), cmap="gray")
    image = next(a for tag, a in Outline(svg(fig, "a ramp")).tags if tag == "image")
    assert (image["width"], image["height"]) == ("8", "8")


def sliding(**changes):
    given = {
        "label": "steps",
        "alt": lambda value: f"{value} steps",
        "caption": "They add up.",
        "start": 1,
        **ROOMY,
    }
    return slider(lambda ax, n: ax.plot(range(n)), [2, 3, 4], **given | changes)


def test_a_slider_shows_its_start_alone_and_names_every_frame():
    outline = Outline(sliding().html)
    frames = [attributes for _, attributes in outline.tags if "data-frame" in attributes]
    assert ["hidden" in frame for frame in frames] == [True, False, True]
    assert [a["aria-label"] for tag, a in outline.tags if tag == "svg"] == [
        "2 steps",
        "3 steps",
        "4 steps",
    ]
    (moved,) = [a for tag, a in outline.tags if tag == "input"]
    assert (moved["type"], moved["max"], moved["value"]) == ("range", "2", "1")
    assert moved["aria-label"] == "steps" and moved["aria-valuetext"] == "3: 3 steps"


@pytest.mark.parametrize("change", [{"start": 3}, {"start": -1}, {"alt": lambda value: ""}])
def test_a_slider_refuses_what_it_cannot_show(change):
    with pytest.raises(ValueError, match=r"start|alt"):
        sliding(**change)
    with pytest.raises(ValueError, match="at least two"):
        slider(print, [1], label="steps", alt=str)


def test_live_draws_again_when_it_is_moved():
    asked = []
    box = live(lambda ax, n: asked.append(n), [2, 3, 4], label="steps", **ROOMY)
    _, control, shown = box.children
    before, control.value = shown.value, 4
    assert asked == [2, 4]
    assert shown.value != before and "steps: 4" in shown.value
    assert "Run live" in box.children[0].value


def test_live_starts_where_it_is_told():
    asked: list[int] = []
    live(lambda ax, n: asked.append(n), [2, 3, 4], label="steps", start=2, **ROOMY)
    assert asked == [4]


def test_live_without_ipywidgets_names_the_remedy(monkeypatch):
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    with pytest.raises(ImportError, match=r"pip install 'course_lib\[lab\]'"):
        live(print, [1, 2], label="steps")


def test_a_source_is_shown_letter_by_letter_with_its_file():
    shown = source(interval)
    assert re.search(r"<figcaption>course_lib/teaching/evidence.py</figcaption>", shown.html)
    words = "".join(Outline(shown.html.partition("<pre")[2]).words)
    assert shown.text.strip() in "<pre" + words
    assert '"""' not in shown.text and "array = np.asarray(values)" in shown.text
    with pytest.raises(TypeError):
        source(len)


@pytest.mark.parametrize(
    ("code", "left"),
    [
        ("def f():\n    'Two.'\n    return 2", "def f():\n    return 2"),
        ("def f():\n    \"\"\"Two\n\n    of it.\n    \"\"\"\n\n    # why\n    return 2",
         "def f():\n    # why\n    return 2"),
        ("def f():\n    'Nothing else.'", "def f():\n    'Nothing else.'"),
        ("class A:\n    'It.'\n\n    def f(self):\n        'Of it.'\n        return 'no docstring'",
         "class A:\n    def f(self):\n        return 'no docstring'"),
        ("  @cache\n  def f(x='Two.'):\n    'Three.'\n    return x",
         "@cache\ndef f(x='Two.'):\n  return x"),
    ],
)  # fmt: skip
def test_a_listing_has_no_docstrings(code, left):
    assert undocumented(code) == left


@pytest.mark.slow
def test_another_process_writes_the_same():
    program = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from tests.teaching.test_figures import *\n"
        "print(show(drawn(), alt='a').html + sliding().html + source(interval).html)"
    )
    root = __file__.rsplit("/tests/", 1)[0]
    runs = {
        subprocess.run(
            [sys.executable, "-c", program, root],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed, "PATH": "", "MPLBACKEND": "agg", "HOME": "/tmp"},
        ).stdout
        for seed in ("1", "2")
    }
    assert len(runs) == 1 and len(runs.pop()) > 10_000


@pytest.mark.parametrize("title", ['say id="foo"', 'see href="#x" url(#y)', COLOURS["1"]])
def test_words_that_look_like_markup_are_left_alone(title):
    assert title in Outline(svg(drawn(title), "a")).words


def test_a_figure_styles_nothing_but_itself():
    assert "<style" not in svg(drawn(), "a")
