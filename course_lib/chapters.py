"""The chapters of the course: where they lie, what they are called, which of them are taught.

Which are taught is set in `[tool.course]` of `pyproject.toml`, as are the course's name and its
addresses. Identifiers (of stored evidence, of the gradebook, of the cache) do not follow that name:
a renamed course reads what it wrote before.
"""

import json
import re
import tomllib
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

OWN = Path(__file__).resolve().parents[1]  # the course whose library this is, if it lies in one
SETTINGS = "[tool.course] in pyproject.toml"
ADDRESS = re.compile(r"https?://[\w.:-]+(/[\w.~%+-]+)*")
SIGNS = '"\\`<>[]{}|'  # mean something in one of the files that hold the name
ALL = "all"


class WrongCourse(ValueError):
    """`[tool.course]` says what cannot be."""


@dataclass(frozen=True)
class Course:
    """What `[tool.course]` says, or what holds where nothing is said.

    Attributes:
        name: of the course, as its pages show it.
        repository: the address from which it is cloned.
        book: the address of its book.
        original: that of a book with all chapters, to which links to a chapter that is not taught
            lead; none: they are plain words.
        chapters: those that are taught, by number or name; none: all.
    """

    name: str = "The Statue Within"
    repository: str = "https://github.com/statue-within/statue-within"
    book: str = "https://statue-within.github.io/statue-within"
    original: str = "https://statue-within.github.io/statue-within"
    chapters: tuple[str, ...] = ()

    @property
    def folder(self) -> str:
        """What a clone is called: the last part of the repository's address."""
        return self.repository.rpartition("/")[2]


def course(root: Path = OWN) -> Course:
    """Return what is set for the course in a folder.

    Raises:
        WrongCourse: the settings cannot be read, or say what cannot be.
    """
    file = root / "pyproject.toml"
    return _read(file.read_text(encoding="utf-8")) if file.is_file() else Course()


@cache
def _read(text: str) -> Course:
    try:
        said = tomllib.loads(text).get("tool", {}).get("course", {})
    except tomllib.TOMLDecodeError as error:
        raise WrongCourse(f"pyproject.toml cannot be read: {error}.") from error
    known = Course.__dataclass_fields__
    if strange := sorted(set(said) - set(known)):
        raise WrongCourse(f"{SETTINGS}: given {strange[0]}, expected only {', '.join(known)}.")
    texts = {key: _text(key, said[key]) for key in said if key != "chapters"}
    return Course(**texts, chapters=_listed(said.get("chapters", ALL)))


def _text(key: str, value: Any) -> str:
    """Return a name or an address, which may end with what a browser or git adds to it."""
    if key == "name":
        if isinstance(value, str) and value.strip() and value.isprintable():
            if not set(SIGNS) & set(value):
                return value.strip()
        raise WrongCourse(f"{SETTINGS}: name is {value!r}, expected words, with none of {SIGNS}")
    text = value.rstrip("/").removesuffix(".git") if isinstance(value, str) else ""
    path = ADDRESS.fullmatch(text)
    if (path and (key != "repository" or path[1])) or (key == "original" and value == ""):
        return text
    like = getattr(Course, key)
    raise WrongCourse(f"{SETTINGS}: {key} is {value!r}, expected an address, such as {like}")


def _listed(value: Any) -> tuple[str, ...]:
    if value == ALL:
        return ()
    if isinstance(value, list) and value and all(isinstance(one, str | int) for one in value):
        return tuple(map(str, value))
    raise WrongCourse(
        f'{SETTINGS}: chapters is {value!r}, expected "{ALL}" or a list such as ["01", "02"].'
    )


def chapters(root: Path) -> list[Path]:
    """Return the notebooks of the chapters that are taught, in their order; none if there are none.

    Raises:
        WrongCourse: the settings name a chapter that is not there.
    """
    there = {path.stem: path for path in notebooks(root)}
    asked = course(root).chapters
    names = [called(name, list(there)) for name in asked]
    if [] in names:
        raise WrongCourse(
            f"{SETTINGS}: no chapter is called {asked[names.index([])]!r}. "
            f"In notebooks/ are: {', '.join(there) or 'none'}."
        )
    return [path for name, path in there.items() if not asked or [name] in names]


def notebooks(root: Path) -> list[Path]:
    """Return the notebooks of all chapters that lie there, taught or not."""
    found = (root / "notebooks").glob("[0-9][0-9]_*.ipynb")
    return sorted(path for path in found if path.is_file())


def called(name: str, known: list[str]) -> list[str]:
    """Return those of the known chapters that someone calls `name`: by number or name."""
    return [key for key in known if name in (key, key[:2], key[:2].lstrip("0"))]


def left_out(root: Path) -> set[str]:
    """Return the names of the chapters that lie there and are not taught."""
    return {path.stem for path in notebooks(root)} - {path.stem for path in chapters(root)}


def title(path: Path) -> str:
    """Return the title of a notebook: its first heading, or else its file's name."""
    lines = (line for cell in cells(path) for line in "".join(cell["source"]).splitlines())
    return next((line[2:].strip() for line in lines if line.startswith("# ")), path.stem)


def cells(path: Path) -> list[dict[str, Any]]:
    """Return the cells of a notebook, to be read only: a file is parsed again when it changed."""
    state = path.stat()
    return _cells(path, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=64)
def _cells(path: Path, time: int, size: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return found


def html_outputs(path: Path) -> list[str]:
    """Return the HTML that a notebook's cells store, in order."""
    outputs = (output for cell in cells(path) for output in cell.get("outputs", []))
    return ["".join(output.get("data", {}).get("text/html", "")) for output in outputs]
