"""Components alone on a page, as each of their surroundings is, in a real browser."""

import pytest

PAGES = {
    "elsewhere": ('<html lang="en">', "<body>", "light", "#fff"),
    "book by day": ('<html lang="en" data-theme="light">', "<body>", "light", "#fdfcf9"),
    "book by night": (
        '<html lang="en" data-theme="dark">',
        "<body>",
        "light",
        "#16191d;color:#eee",
    ),
    "lab by night": ('<html lang="en">', '<body data-jp-theme-light="false">', "light", "#111"),
    "lab by day, system dark": (
        '<html lang="en">',
        '<body data-jp-theme-light="true">',
        "dark",
        "#fff",
    ),
}


@pytest.fixture(scope="module")
def written(tmp_path_factory, parts):
    """A folder with the page of each surrounding, with the `parts` of the file of tests on it."""
    folder = tmp_path_factory.mktemp("pages")
    for name, (html, body, _, ground) in PAGES.items():
        (folder / f"{name}.html").write_text(
            f'<!doctype html>{html}<meta charset="utf-8"><title>t</title>'
            '<meta name="viewport" content="width=device-width">'
            f"<style>body{{background:{ground}}}</style>{body}<main><h1>t</h1>"
            f"{''.join(parts)}</main>"
        )
    return folder


@pytest.fixture
def open_one(browser, written):
    """Open a page, after a script if one is given; afterwards it must have reported no error."""
    contexts, faults = [], []

    def open_one(name="book by day", width=800, before="", aim="", **options):
        context = browser.new_context(viewport={"width": width, "height": 800}, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda said: said.type == "error" and faults.append(said.text))
        if before:
            page.add_init_script(before)
        page.goto((written / f"{name}.html").as_uri() + aim)
        return page

    yield open_one
    for context in contexts:
        context.close()
    assert not faults
