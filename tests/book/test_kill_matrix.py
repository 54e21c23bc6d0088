"""The page of the kill matrix says of every version and check what was stored, in words."""

import json
from pathlib import Path
from typing import Any

import pytest
from bs4 import BeautifulSoup
from sphinx.errors import ExtensionError

from tests.book.test_extension import build, chapters, rebuild

TEXT = "# Matrix\n\n```{kill-matrix}\n```\n"


def row(key: str, kind: str, lost: list[str], message: str = "") -> dict[str, Any]:
    return {"key": key, "kind": kind, "lost": lost, "message": message}


ROWS = [
    row("reference", "reference", []),
    row("stub", "stub", ["size", "ties"]),
    row("signed", "mutant", ["size"], "it is < signed"),
    row("late", "mutant", ["ties"], "it is late"),
    row("missed", "mutant", [], "it is not found"),
    row("loops", "alternative", []),
]
CHECKS = [
    {"id": "size", "points": 2, "visible": True},
    {"id": "ties", "points": 0.5, "visible": False},
]
TASK = {"name": "keep", "points": 2.5, "checks": CHECKS, "rows": ROWS}


def test_every_version_is_killed_or_alive_in_words(tmp_path: Path) -> None:
    chapters(tmp_path, "01_one")
    stored = [{"assignment": "01_one", "tasks": [TASK]}, {"assignment": "99_own", "tasks": [TASK]}]
    (tmp_path / "kill_matrix.json").write_text(json.dumps(stored))
    page = BeautifulSoup(build(tmp_path, TEXT), "html.parser")
    summary, *tables = page.select("table")
    cells = [[c.get_text() for c in r.find_all(["th", "td"])] for r in summary.find_all("tr")]
    assert cells[1][1:] == ["1", "2", "2 of 3", "2 of 2"]
    for link in summary.find_all("a"):
        assert page.find(id=link["href"].removeprefix("#")).name == "section"
    assert len(tables) == 2
    regions = [tag["aria-label"] for tag in page.select("[role=region]")]
    assert len(set(regions)) == 3  # where both have a task of the same name, too
    head, *rows = [
        [c.get_text() for c in r.find_all(["th", "td"])] for r in tables[0].find_all("tr")
    ]
    assert head == ["Version", "size2, visible", "ties0.5, hidden"]
    killed, alive = "✗ killed", "✓ alive"
    assert rows == [
        ["reference", alive, alive],
        ["stub", killed, killed],
        ["mutant signedit is < signed", killed, alive],
        ["mutant lateit is late", alive, killed],
        ["mutant missedit is not found", alive, alive],
        ["alternative loops", alive, alive],
    ]
    assert "2 of 3 mistakes killed, 2 of 2 right answers alive" in page.find("summary").get_text()


@pytest.mark.parametrize("content", [None, "[", '[{"assignment": "01_one"}]', "3"])
def test_what_cannot_be_read_stops_the_build(tmp_path: Path, content: str | None) -> None:
    chapters(tmp_path, "01_one")
    (tmp_path / "kill_matrix.json").write_text("[]")
    build(tmp_path, TEXT)
    (tmp_path / "kill_matrix.json").unlink()
    if content is not None:
        (tmp_path / "kill_matrix.json").write_text(content)
    (tmp_path / "index.md").write_text(f"{TEXT}\nmore\n")
    with pytest.raises(ExtensionError, match="course mutants --all --store"):
        rebuild(tmp_path)
