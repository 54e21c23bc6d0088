"""`[tool.course]`: what an instructor sets, and what follows without being written again."""

import json

import pytest

from course_lib.chapters import Course, WrongCourse, chapters, course, left_out, notebooks, title


@pytest.fixture
def root(tmp_path):
    """A course of three chapters."""
    (tmp_path / "notebooks").mkdir()
    for name in ("01_one", "02_two", "13_last"):
        cells = [{"cell_type": "markdown", "source": ["Before.\n", f"# On {name}"]}]
        (tmp_path / "notebooks" / f"{name}.ipynb").write_text(json.dumps({"cells": cells}))
    (tmp_path / "notebooks" / "my own.ipynb").touch()
    return tmp_path


def set_to(root, *lines):
    (root / "pyproject.toml").write_text("\n".join(["[tool.course]", *lines]))


def stems(paths):
    return [path.stem for path in paths]


@pytest.mark.parametrize(
    "text", [None, "", "[tool.other]\nx = 1", '[tool.course]\nchapters = "all"']
)
def test_where_nothing_is_set_all_is_as_it_came(root, text):
    """So it is for a library that was installed by itself, with no pyproject.toml beside it."""
    if text is not None:
        (root / "pyproject.toml").write_text(text)
    assert course(root) == Course()
    assert stems(chapters(root)) == ["01_one", "02_two", "13_last"]
    assert [title(path) for path in chapters(root)] == ["On 01_one", "On 02_two", "On 13_last"]


@pytest.mark.parametrize("said", ['["13", "01"]', "[1, 13]", '["01_one", 13]', '["1", "1", "13"]'])
def test_chapters_that_are_taught(root, said):
    set_to(root, f"chapters = {said}")
    assert stems(chapters(root)) == ["01_one", "13_last"]
    assert stems(notebooks(root)) == ["01_one", "02_two", "13_last"]
    assert left_out(root) == {"02_two"}


def test_names_and_addresses_follow_the_file_at_once(root):
    set_to(root, 'name = "Less & Less"', 'repository = "https://git.example.org/a/less.git"')
    assert course(root).name == "Less & Less"
    assert course(root).repository == "https://git.example.org/a/less"
    assert course(root).folder == "less"
    assert course(root).book == Course.book
    set_to(root, 'name = " More "', 'book = "http://localhost:8000/"', 'original = ""')
    assert course(root) == Course(name="More", book="http://localhost:8000", original="")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("chapters = []", r'chapters is \[\], expected "all" or a list such as \["01", "02"\]'),
        ('chapters = "some"', r"chapters is 'some', expected"),
        ("chapters = [1.5]", r"chapters is \[1.5\], expected"),
        ("chapters = [1, 7]", r"no chapter is called '7'. In notebooks/ are: 01_one, 02_two"),
        ("chapters = [01]", r"pyproject.toml cannot be read: .*line 2"),
        ('chapter = "all"', r"given chapter, expected only name, repository, book, original"),
        ('name = ""', r"name is '', expected words"),
        ('name = "A\\nB"', r"name is 'A\\nB', expected words"),
        ('name = "<b>"', r"name is '<b>', expected words, with none of"),
        ("name = 3", r"name is 3, expected words"),
        ('repository = "nowhere"', r"repository is 'nowhere', expected an address, such as http"),
        ('repository = "https://x.org"', r"repository is 'https://x.org', expected an address"),
        ('repository = ""', r"repository is '', expected an address"),
        ('book = "https://x.org/a b"', r"book is 'https://x.org/a b', expected an address"),
        ('original = "here"', r"original is 'here', expected an address"),
    ],
)
def test_what_cannot_be_is_a_sentence(root, line, said):
    set_to(root, line)
    with pytest.raises(WrongCourse, match=said):
        chapters(root)
