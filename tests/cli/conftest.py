import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook


@pytest.fixture
def course(tmp_path, monkeypatch):
    """An empty course, and the working folder of the test."""
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "_toc.yml").write_text("format: jb-book\nroot: welcome\n")
    (tmp_path / "constraints.txt").write_text("click==0.0\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def write_notebook(course):
    """Write a chapter whose cells are given as source or (source, tag, ...)."""

    def write(name, *cells):
        nb = new_notebook()
        for number, cell in enumerate(cells):
            source, *tags = (cell,) if isinstance(cell, str) else cell
            metadata = {"tags": tags} if tags else {}
            nb.cells.append(new_code_cell(source, id=f"c{number}", metadata=metadata))
        path = course / "notebooks" / f"{name}.ipynb"
        nbformat.write(nb, path)
        return path

    return write


@pytest.fixture
def course_command():
    """The `course` command as a program of its own."""
    return [str(Path(sys.executable).parent / "course")]
