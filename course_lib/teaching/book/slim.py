"""Makes the built book lighter: what no page loads is deleted, and icons that none shows.

The theme brings two fonts with some two thousand icons and a rule of style for each; the book shows
two dozen. Run by `course_lib.teaching.book` when a build has finished.
"""

import re
from collections.abc import Iterable
from pathlib import Path

from fontTools.subset import Options, Subsetter, load_font, save_font

UNUSED = ("**/*.map", "scripts/fontawesome.js*", "vendor/fontawesome/**/*.ttf")
ICON = re.compile(r'((?:\.fa-[\w-]+:before,?)+)\{content:"(\\[0-9a-f]+)"\}')
# The colours of day, which a script chooses; without one they are to be there as well.
DAY = re.compile(r"""html\[data-theme=["']?light["']?\]""")
# And those of night, for a reader whose system is dark: `auto` is what the page says by itself.
DARK = re.compile(r"""(?<!:not\()\[data-theme=["']?dark["']?\]""")
NIGHT = re.compile(rf"(?:^|(?<=[{{}};/]))[^{{}};@/]*{DARK.pattern}[^{{}}]*\{{[^{{}}]*\}}")
BY_SYSTEM = "@media screen and (prefers-color-scheme:dark){"
ESCAPE = re.compile(r"\\([0-9a-f]{4})\b")


def slim(site: Path) -> None:
    """Delete unused files of a built book, rules for icons not shown, and their glyphs."""
    static = site / "_static"
    for pattern in UNUSED:
        for path in static.glob(pattern):
            path.unlink()
    written = (path for kind in ("html", "js") for path in site.rglob(f"*.{kind}"))
    shown = icons(path for path in written if "vendor" not in path.parts)  # those bring their own
    escapes: set[int] = set()
    for path in static.rglob("*.css"):
        text = path.read_text(encoding="utf-8")
        kept = ICON.sub(lambda rule: rule[0] if used(rule[1], shown) else "", text)
        if BY_SYSTEM not in kept:  # not yet done
            kept = NIGHT.sub(_by_system, kept)
        kept = DAY.sub("html:not([data-theme=dark])", kept)
        if kept != text:
            path.write_text(kept, encoding="utf-8")
        escapes |= {int(code, 16) for code in ESCAPE.findall(kept)}
    for font in static.glob("vendor/fontawesome/**/*.woff2"):
        subset(font, escapes)


def _by_system(rule: re.Match[str]) -> str:
    """Return a rule of night, and the same for a page without a script where the system is dark."""
    return f"{rule[0]}{BY_SYSTEM}{DARK.sub('[data-theme=auto]', rule[0])}}}"


def icons(files: Iterable[Path]) -> set[str]:
    """Return the names of icons that occur in pages and scripts, as `fa-sun`."""
    found: set[str] = set()
    for path in files:
        found |= set(re.findall(r"\bfa-[a-z0-9-]+", path.read_text(encoding="utf-8")))
    return found


def used(selectors: str, shown: set[str]) -> bool:
    """Say whether one of a rule's selectors (`.fa-sun:before,`) is of an icon that is shown."""
    return any(name in shown for name in re.findall(r"fa-[\w-]+", selectors))


def subset(font: Path, codes: set[int]) -> None:
    """Keep only some characters of a font, in place."""
    options = Options(flavor="woff2", layout_features=[], notdef_outline=True)
    loaded = load_font(str(font), options)
    subsetter = Subsetter(options)
    subsetter.populate(unicodes=codes)
    subsetter.subset(loaded)
    save_font(loaded, str(font), options)
