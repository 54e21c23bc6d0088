"""The book is made lighter, and loses nothing that a page shows."""

from pathlib import Path

import pydata_sphinx_theme
from fontTools.ttLib import TTFont

from course_lib.teaching.book.slim import icons, slim, subset

SUN, MOON, YELP = 0xF185, 0xF186, 0xF1E9


def font() -> Path:
    """An icon font as the theme ships it."""
    (found,) = Path(pydata_sphinx_theme.__file__).parent.rglob("fa-solid-900.woff2")
    return found


def site(folder: Path) -> Path:
    """A built book of one page that shows one icon."""
    static = folder / "_static"
    webfonts = static / "vendor" / "fontawesome" / "webfonts"
    webfonts.mkdir(parents=True)
    (webfonts / "fa-solid-900.woff2").write_bytes(font().read_bytes())
    (webfonts / "fa-solid-900.ttf").write_bytes(b"never loaded")
    (static / "theme.css").write_text(
        '.fa-sun:before,.fa-day:before{content:"\\f185"}.fa-yelp:before{content:"\\f1e9"}'
        'a{color:red}b:after{content:"\\f186"}'
    )
    (folder / "index.html").write_text('<i class="fa-solid fa-day"></i>')
    (static / "vendor" / "widgets.js").write_text("'fa-yelp'")
    return folder


def test_only_what_is_shown_is_left(tmp_path):
    slim(site(tmp_path))
    css = (tmp_path / "_static" / "theme.css").read_text()
    assert 'fa-day:before{content:"\\f185"}' in css
    assert "yelp" not in css
    assert "a{color:red}b:after" in css
    webfonts = tmp_path / "_static" / "vendor" / "fontawesome" / "webfonts"
    assert not (webfonts / "fa-solid-900.ttf").exists()
    known = TTFont(webfonts / "fa-solid-900.woff2").getBestCmap()
    assert SUN in known and MOON in known  # by a rule for an icon, and by a rule of its own
    assert YELP not in known
    assert (webfonts / "fa-solid-900.woff2").stat().st_size < font().stat().st_size / 20


def test_where_there_is_no_script_the_night_is_that_of_the_system(tmp_path):
    sheet = site(tmp_path) / "_static" / "night.css"
    sheet.write_text(
        'a{color:red}html[data-theme="dark"] a{color:pink}html:not([data-theme=dark]) b{top:0}'
    )
    slim(tmp_path)
    by_system = "@media screen and (prefers-color-scheme:dark){html[data-theme=auto] a{color:pink}}"
    assert sheet.read_text() == (
        'a{color:red}html[data-theme="dark"] a{color:pink}'
        f"{by_system}html:not([data-theme=dark]) b{{top:0}}"
    )


def test_a_second_time_changes_nothing(tmp_path):
    slim(site(tmp_path))
    before = {p: p.read_bytes() for p in tmp_path.rglob("*.css")}
    slim(tmp_path)
    assert before == {p: p.read_bytes() for p in tmp_path.rglob("*.css")}


def test_icons_are_found_in_pages_and_scripts(tmp_path):
    (tmp_path / "a.html").write_text('<i class="fa-solid fa-sun"></i> not-fa-moon')
    (tmp_path / "b.js").write_text("icon = 'fa-list'")
    assert {"fa-solid", "fa-sun", "fa-list"} <= icons(tmp_path.iterdir())


def test_a_font_without_the_characters_is_empty_and_whole(tmp_path):
    path = tmp_path / "font.woff2"
    path.write_bytes(font().read_bytes())
    subset(path, {0x41, SUN})
    assert set(TTFont(path).getBestCmap()) == {SUN} | ({0x41} & set(TTFont(font()).getBestCmap()))
