"""The ledger and the borrowed slider: made from stored outputs, and anew when those change."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

from course_lib.teaching.evidence import MIME


def store(folder: Path, *outputs: dict[str, Any], tag: str = "evidence") -> None:
    """Write a chapter of one cell that stores these outputs."""
    cell = {
        "cell_type": "code",
        "metadata": {"tags": [tag]},
        "source": "",
        "outputs": [{"output_type": "display_data", "data": data} for data in outputs],
    }
    path = folder / "notebooks" / "01_trial.ipynb"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4}))
    later = path.stat().st_mtime + 5  # as if written later: some file systems count seconds
    os.utime(path, (later, later))


def claim(measured: float, verdict: str = "holds") -> dict[str, Any]:
    return {
        MIME: {
            "id": "C1",
            "statement": "Small is *small*.",
            "verdict": verdict,
            "measured": measured,
            "interval": [0.25, 0.75],
            "unit": "of the trials",
            "over": "4 seeds",
        }
    }


def build(folder: Path, text: str) -> str:
    """Build a book of one page with this text; return the page."""
    (folder / "index.md").write_text(text)
    return rebuild(folder)


def rebuild(folder: Path) -> str:
    app = Sphinx(
        folder, None, folder / "out", folder / "trees", "html", status=None, warning=None,
        confoverrides={"extensions": ["myst_parser", "course_lib.teaching.book"]},
    )  # fmt: skip
    app.build()
    return (folder / "out" / "index.html").read_text(encoding="utf-8")


LEDGER = "# Ledger\n\n```{ledger}\n```\n"


def test_a_row_says_where_what_how_sure_and_how_much(tmp_path: Path) -> None:
    store(tmp_path, claim(0.5, "does not hold"))
    page = build(tmp_path, LEDGER)
    assert 'href="notebooks/01_trial.html#C1"' in page
    assert "Small is <em>small</em>." in page
    assert "verdict-does-not-hold" in page
    assert "0.5 [0.25, 0.75] of the trials, over 4 seeds" in page
    assert "Claims measured so far: 1" in page


def test_the_ledger_follows_the_notebook(tmp_path: Path) -> None:
    store(tmp_path, claim(0.5))
    assert "0.5 [0.25" in build(tmp_path, LEDGER)
    store(tmp_path, claim(0.625))
    assert "0.625 [0.25" in rebuild(tmp_path)


def test_a_chapter_that_was_not_run_stops_the_build(tmp_path: Path) -> None:
    store(tmp_path)
    with pytest.raises(ExtensionError, match="course run 01_trial"):
        build(tmp_path, LEDGER)


def test_the_slider_is_the_one_that_the_chapter_stores(tmp_path: Path) -> None:
    stored = '<figure class="sw-slider">the block</figure>'
    store(tmp_path, {"text/html": "<p>no</p>"}, {"text/html": [stored]}, tag="hide-input")
    assert stored in build(tmp_path, "# Page\n\n```{slider} 01_trial\n```\n")
    with pytest.raises(ExtensionError, match=r"02_none\.ipynb is missing or stores no slider"):
        build(tmp_path, "# Page\n\n```{slider} 02_none\n```\n")


def test_released_assignments_are_beside_the_pages(tmp_path: Path) -> None:
    store(tmp_path, claim(0.5))
    (tmp_path / "exercises" / "release" / "01_trial").mkdir(parents=True)
    (tmp_path / "exercises" / "release" / "01_trial" / "01_trial.ipynb").write_text("{}")
    build(tmp_path, LEDGER)
    assert (tmp_path / "out" / "exercises" / "release" / "01_trial" / "01_trial.ipynb").is_file()
