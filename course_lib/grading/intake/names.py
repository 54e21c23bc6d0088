"""Names: of students as learning-management systems write them, and what files are called."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

LONGEST = 120  # bytes of a safe name before it is cut: a path has room for a few of them
AWKWARD = frozenset('/\\:*?"<>|%[]')  # not in a file name everywhere, or not in a pattern of files
RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])\s*(\.|$)", re.IGNORECASE)
CUT = "%~"  # never part of a name that is whole: there, two hexadecimal digits follow a %

# Canvas (ContentZipper): the sortable name in lower case, letters and digits only, or anon_ID.
CANVAS = re.compile(
    r"(?:(?P<name>[^\s.-]+?)_(?=(?:LATE_)?\d))?(?P<late>LATE_)?"
    r"(?:(?P<id>[1-9]\d*)|anon_(?P<anon>[^\W_]+))_"
    r"(?:(?P<attachment>[1-9]\d*)_(?P<file>.+)|(?P<typed>(?:text|link)\.html))",
    re.DOTALL,
)
# Moodle (mod_assign's downloader): a folder, or the start of a file's name if it makes no folders.
MOODLE = re.compile(
    r"(?P<name>.+?)(?:_(?P<id>\d+))?_assignsubmission_(?P<kind>[a-z]+)(?:_(?P<file>.*))?", re.DOTALL
)
# People choose their names: of a folder the end counts, which is Moodle's; of a file nothing does.
MOODLE_FOLDER = re.compile(
    r"(?P<name>.+)_(?P<id>\d+)_assignsubmission_[a-z]+(?P<file>)_?", re.DOTALL
)
TWO_PEOPLE = re.compile(r"_\d+_assignsubmission_[a-z]+")


# What browsers, JupyterLab and Colab make of the name of a notebook that is there already.
COPY = re.compile(r"(?:Copy of )?(.+?)(?:-Copy\d+| ?\(\d+\)| copy(?: \d+)?)*", re.IGNORECASE)

# What the file of a released assignment begins with: in a list of files, a tab of JupyterLab or a
# download it is then not taken for the chapter of the same name.
GIVEN = "assignment_"


def notebook(assignment: str) -> str:
    """Return what the released notebook of an assignment is called."""
    return f"{GIVEN}{assignment}.ipynb"


def called(stem: str, assignment: str) -> bool:
    """Say whether a notebook (its name without .ipynb) is called as the released one is, or was.

    Earlier releases called it as the assignment is called, without GIVEN.
    """
    return stem in (assignment, GIVEN + assignment)


def copied(stem: str, assignment: str) -> bool:
    """Say whether a notebook is called so, or as a copy of one that is: `Copy of ... (1)`."""
    found = COPY.fullmatch(stem)
    return bool(found and called(found[1], assignment))


def released(folder: Path) -> list[Path]:
    """Return the notebooks of a released assignment's folder: that of now, that of earlier."""
    stems = (GIVEN + folder.name, folder.name)
    return [path for stem in stems if (path := folder / f"{stem}.ipynb").is_file()]


@dataclass(frozen=True)
class Person:
    """Somebody who handed in; two are the same if system and key agree.

    key: the system's number of the person, or the name where there is no number.
    """

    system: str
    key: str
    name: str = field(compare=False)
    id: str = field(default="", compare=False)


@dataclass(frozen=True)
class Label:
    """What the name of an entry of a download says.

    file: what the student called the file; "" if the entry is a folder of files.
    attachment: a number that grows with time (Canvas), or 0.
    """

    person: Person
    file: str = ""
    attachment: int = 0
    late: bool = False


def label(entry: str, folder: bool = False) -> Label | None:
    """Return what the name of an entry, a folder's or a file's, says, if Canvas or Moodle wrote it.

    The end of an entry of Canvas is what a student called the file: it may look like Moodle's.
    """
    found = CANVAS.fullmatch(entry)
    if found and (found["name"] or found["anon"]):
        number = found["id"] or found["anon"]
        person = Person("Canvas", number, found["name"] or "anon", number)
        file, late = found["file"] or found["typed"], bool(found["late"])
        return Label(person, file, int(found["attachment"] or 0), late)
    if found := (folder and MOODLE_FOLDER.fullmatch(entry)) or MOODLE.fullmatch(entry):
        number = found["id"] or ""
        return Label(
            Person("Moodle", number or found["name"], found["name"], number), found["file"] or ""
        )
    return None


def safe(name: str) -> str:
    """Return a name as one that files and folders may have on every system, different for each.

    What is awkward becomes %XX, its bytes in hexadecimal: control characters, separators, brackets,
    quotes, a leading dot, a device's name. `urllib.parse.unquote(safe(name))` is the name again,
    unless that is longer than LONGEST: then it is cut, and ends in a digest of the whole.
    """
    pieces = [c if c.isprintable() and c not in AWKWARD else _coded(c) for c in name]
    if name[:1] in (".", "-", "~", " ") or RESERVED.match(name):
        pieces[0] = _coded(name[0])
    if name[-1:] in (".", " "):
        pieces[-1] = _coded(name[-1])
    size = 0
    for count, piece in enumerate(pieces):
        size += len(piece.encode())
        if size > LONGEST:
            return "".join(pieces[:count]) + CUT + _digest(name)
    return "".join(pieces)


def students(people: Iterable[Person]) -> dict[Person, str]:
    """Return under which name each person is graded: safe, and unlike that of any other.

    It depends on the person alone (so a later download meets the same grades), but for names that
    a system without upper case takes for one: each of those gets a digest.
    """
    named = {p: safe(_composed(f"{p.name}_{p.id}" if p.id else p.name)) for p in people}
    folded = Counter(map(_folded, named.values()))
    return {
        p: name if folded[_folded(name)] == 1 else name + CUT + _digest(f"{p.system}\0{p.key}")
        for p, name in named.items()
    }


def plain(entry: str) -> Person:
    """Return the person whose name an entry bears; accents are one character each (NFC)."""
    name = _composed(entry)
    return Person("", name, name)


def shown(name: str) -> str:
    """Return a name that can be stored as UTF-8: bytes that are no text become U+FFFD."""
    return name.encode(errors="surrogateescape").decode(errors="replace")


def _coded(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode(errors="surrogateescape"))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:12]


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _folded(name: str) -> str:
    return _composed(name.casefold())
