"""Takes in what a class handed in, as a learning-management system lets an instructor download it.

Which notebook is whose, and which one counts. Nothing is run or read here, no link is followed, and
nothing is written but what is unpacked into a folder for it. What is doubtful is left to a person:
it becomes the Refusal of that student alone.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from course_lib.grading.errors import Refusal, clean, columns
from course_lib.grading.intake.names import (
    TWO_PEOPLE,
    Label,
    Person,
    called,
    copied,
    label,
    notebook,
    plain,
    shown,
    students,
)
from course_lib.grading.intake.unzip import File, Unpacker, litter

MOST = 100_000  # entries of a ZIP of a class
MOST_OF_ONE = 2_000  # files of one student
NOTEBOOK = re.compile(r"\.ipynb$", re.IGNORECASE)
ZIP = re.compile(r"\.zip$", re.IGNORECASE)
# What browsers make of a notebook; the checks that come with an assignment are JSON too.
DOWNLOAD = re.compile(r"(\.ipynb\.(txt|json)|(?<!\.check)\.json)$", re.IGNORECASE)
ARCHIVE = re.compile(r"\.(7z|rar|tar|tgz|gz|bz2|xz)$", re.IGNORECASE)
TYPED = {"onlinetext.html", "text.html", "link.html"}  # what a student wrote in a form
VERSION = re.compile(r"-\d+$")  # Canvas puts it behind the name of a file that is handed in again


@dataclass(frozen=True)
class Handed:
    """What one student handed in.

    student: under which name it is graded: safe as a file name, unique.
    notebook: the notebook, or why there is none that can be graded.
    name, id, system: as the learning-management system writes the person, its number of the person,
        and which system that is.
    notes: for the instructor.
    """

    student: str
    notebook: Path | Refusal
    late: bool = False
    name: str = ""
    id: str = ""
    notes: tuple[str, ...] = ()
    system: str = ""


@dataclass
class Heap:
    """What one source holds of one person: the names of the entries, and the files in them.

    rank: a later heap has a higher one: Canvas's number of the attachment, then the source's.
    """

    source: str
    rank: tuple[int, int]
    entries: set[str] = field(default_factory=set)
    files: list[File] = field(default_factory=list)


def collect(sources: Sequence[Path], name: str, scratch: Path) -> list[Handed]:
    """Return what each student handed in for assignment `name`, in the order of their names.

    A source is a folder or a ZIP: a download of Canvas or Moodle, one folder a student (with an
    inner folder `name` too, as nbgrader has it), or notebooks named by their students. Who handed
    in twice is graded once, by the last: by Canvas's numbers, else by the order of the sources.
    Canvas alone says what is late.

    scratch: an empty folder that outlives the grading; ZIPs are unpacked there.

    Raises:
        Refusal: there is nothing to grade, a source cannot be read, or scratch not be written.
    """
    heaps: dict[Person, list[Heap]] = {}
    try:
        with ExitStack() as stack:
            unpacker = Unpacker(scratch)
            for number, source in enumerate(sources):
                files = _files(source, name, unpacker, stack)
                for person, heap in _heaps(files, source.name, number, name).items():
                    heaps.setdefault(person, []).append(heap)
            named = students(heaps)
            found = [_handed(p, named[p], heaps[p], name, unpacker) for p in heaps]
    except OSError as error:
        raise Refusal(f"what was handed in cannot be unpacked or read: {error}") from error
    if not found:
        raise Refusal(
            f"{', '.join(map(str, sources)) or 'no folder'} holds no submission. Give the ZIP that "
            "Canvas or Moodle made, or a folder with one folder a student with "
            f"{notebook(name)} in it, or with notebooks named by student (ada.ipynb)."
        )
    return sorted(found, key=lambda handed: handed.student)


def report(handed: Sequence[Handed]) -> str:
    """Return what will be graded as a table (student, notebook, late, note), and a summary."""
    rows = [["student", "graded", "late", "note"]]
    for h in handed:
        refused = isinstance(h.notebook, Refusal)
        what = "nothing" if isinstance(h.notebook, Refusal) else h.notebook.name
        notes = [f"NEEDS A PERSON: {h.notebook}"] * refused + list(h.notes)
        rows.append([h.student, what, "late" if h.late else "", "; ".join(notes)])
    people = [clean(h.student) for h in handed if isinstance(h.notebook, Refusal)]
    late = sum(h.late for h in handed)
    summary = f"{len(handed)} handed in, {late} late; {len(handed) - len(people)} will be graded"
    if people:
        needs = "need" if len(people) > 1 else "needs"
        summary += f", {len(people)} {needs} a person: {', '.join(people)}"
    return f"{columns(rows)}\n{summary}"


def _files(source: Path, name: str, unpacker: Unpacker, stack: ExitStack) -> list[File]:
    """Return all that a source holds; the first part of a path says whose it is."""
    if source.is_dir():
        return [file for entry in sorted(source.iterdir()) for file in _entry(entry)]
    if not source.is_file():
        raise Refusal(f"{source} is not there. Give a folder or a ZIP that holds the submissions.")
    try:
        files = stack.enter_context(unpacker.files(source, MOST))
    except Refusal as refusal:
        raise Refusal(f"{refusal} Look at {source}, and download it again.") from None
    return _unwrapped(files, source.stem, name)


def _entry(entry: Path) -> list[File]:
    """Return the files of one entry of a folder, and the folder itself, which may be empty."""
    if not entry.is_dir() or entry.is_symlink():
        return [_file(entry, (entry.name,))]
    found = [File((entry.name,), partial(_given, entry), folder=True)]

    def unreadable(error: OSError) -> None:
        what = clean(Path(str(error.filename)).name)
        found.append(replace(found[0], odd=f"the folder {what} cannot be opened"))

    for folder, folders, names in os.walk(entry, onerror=unreadable):
        folders[:] = sorted(f for f in folders if not litter(f))
        links = [f for f in folders if Path(folder, f).is_symlink()]
        for each in sorted(names) + links:
            path = Path(folder, each)
            found.append(_file(path, path.relative_to(entry.parent).parts))
        if len(found) > MOST_OF_ONE:
            odd = f"the folder holds more than {MOST_OF_ONE} files"
            return [replace(found[0], odd=odd)]
    return found


def _file(path: Path, parts: tuple[str, ...]) -> File:
    """Return a file of a folder; a link in the place of a notebook is not followed."""
    odd = ""
    if path.is_symlink() and (
        len(parts) == 1 or NOTEBOOK.search(path.name) or ZIP.search(path.name)
    ):
        odd = f"{clean(path.name)} is a link, which is not followed; hand in the file itself"
    elif not stat.S_ISREG(path.lstat().st_mode) and NOTEBOOK.search(path.name):
        odd = f"{clean(path.name)} is not a file"
    return File(parts, partial(_given, path), odd)


def _given(path: Path) -> Path:
    return path


def _unwrapped(files: list[File], stem: str, name: str) -> list[File]:
    """Return the files of a ZIP without the one folder that somebody zipped whole."""
    kept = [f for f in files if not f.odd and not any(map(litter, f.parts))]
    inner = [f.parts[1:] for f in kept if len(f.parts) > 1]
    tops = {f.parts[0] for f in kept}
    if len(tops) != 1 or any(len(f.parts) == 1 and not f.folder for f in kept):
        return files
    (top,) = tops
    folders = {parts[0] for parts in inner if len(parts) > 1} - {name}
    books = [parts for parts in inner if len(parts) == 1 and NOTEBOOK.search(parts[0])]
    if top == stem:
        whole = len(books) > 1 or (len(books) == 0 and len(folders) > 0)
    else:
        whole = len(folders) > 1
    if label(top) or not (whole or any(label(parts[0]) for parts in inner)):
        return files
    return [replace(f, parts=f.parts[f.parts[0] == top :]) for f in files if f.parts != (top,)]


def _heaps(files: list[File], source: str, number: int, name: str) -> dict[Person, Heap]:
    """Sort the files of a source by person; their paths become those within the submission."""
    heaps: dict[Person, Heap] = {}
    single = {f.parts[0] for f in files if len(f.parts) == 1 and not f.folder}
    for file in files:
        top, *rest = file.parts
        said = label(top, folder=top not in single)
        if any(map(litter, rest)) or (said is None and litter(top)):
            continue
        if said is None:
            stem = _stem(top) if top in single else top
            # A notebook that is named by its student stands for the one that was released.
            said = Label(plain(stem), top if top == stem else name + top.removeprefix(stem))
        if said.person.system == "Moodle" and TWO_PEOPLE.search(said.file):
            file = replace(file, odd=f"the name {clean(top)} can be read as that of two people")
        heap = heaps.setdefault(said.person, Heap(source, (0, number)))
        heap.rank = max(heap.rank, (said.attachment, number))
        heap.entries.add(top)
        parts = (said.file or top,) if top in single else tuple(rest)
        heap.files.append(replace(file, parts=parts, version=said.attachment, late=said.late))
    return heaps


def _stem(entry: str) -> str:
    """Return the name of a file without the ending of what a student hands in."""
    endings = (e for e in (NOTEBOOK, ZIP, DOWNLOAD) if e.search(entry))
    return next((e.sub("", entry) for e in endings), entry) or entry


def _handed(
    person: Person, student: str, heaps: list[Heap], name: str, unpacker: Unpacker
) -> Handed:
    heap = max(heaps, key=lambda heap: heap.rank)
    notes: list[str] = []
    late = any(file.late for file in heap.files)
    notebook: Path | Refusal
    if len(heaps) > 1:
        notes.append(f"in {len(heaps)} of the sources; {clean(heap.source)} counts, the last")
    try:
        if not person.system and len(heap.entries) > 1:
            raise Refusal(f"there are two submissions: {_listed(sorted(heap.entries))}")
        notebook, late = _chosen(heap.files, name, unpacker, notes)
    except Refusal as refusal:
        notebook = refusal
    return Handed(
        student, notebook, late, shown(person.name), person.id, tuple(notes), person.system
    )


def _chosen(
    given: list[File], name: str, unpacker: Unpacker, notes: list[str], zipped: bool = False
) -> tuple[Path, bool]:
    """Return the notebook that is graded, and whether it is late; add to the notes.

    A notebook goes before a ZIP, in which it is looked for in turn, and a browser's renaming of a
    notebook counts if there is neither.

    Raises:
        Refusal: there is none, or it takes a person to say which, or something is odd.
    """
    files = [file for file in given if not file.folder]
    for file in given:
        if file.odd:
            raise Refusal(file.odd)
    kinds = [[f for f in files if kind.search(f.parts[-1])] for kind in (NOTEBOOK, ZIP, DOWNLOAD)]
    books, zips, downloads = kinds
    if not any(kinds):
        raise Refusal(f"there is no notebook: {_instead(files, zipped)}")
    file = _one(books or zips or downloads, name, notes)
    if not books and zips:
        if zipped:
            raise Refusal(f"{clean(file.parts[-1])} is a ZIP within a ZIP; hand in the notebook")
        with unpacker.files(file.get(), MOST_OF_ONE) as inside:
            own = [f for f in inside if f.odd or not any(map(litter, f.parts))]
            return _chosen(own, name, unpacker, notes, zipped=True)[0], file.late
    path = file.get()
    if books and zips:
        notes.append(f"not opened: {_listed(f.parts[-1] for f in zips)}")
    if not books:
        notes.append(f"{clean(path.name)} is taken for a notebook that a browser renamed")
    elif not copied(_stem(_base(file)[-1]), name):
        notes.append(f"handed in as {clean(file.parts[-1])}")
    return path, file.late


def _one(files: list[File], name: str, notes: list[str]) -> File:
    """Return the one that counts of several notebooks, or of several ZIPs.

    Of versions the last; then, of those in the uppermost folder, the one with the right name, if no
    copy of that name holds anything else.
    """
    newest = {_base(file): file for file in sorted(files, key=lambda file: file.version)}
    level = min(_depth(file, name) for file in newest.values())
    upper = [f for f in newest.values() if _depth(f, name) == level]
    right = [f for f in newest.values() if _named(f, name)]
    choice = [f for f in right if f in upper] or upper + right
    copies = [f for f in newest.values() if copied(_stem(_base(f)[-1]), name)]
    if len(choice) == 1 and choice[0] in copies and len(copies) > 1:  # the same, or written on?
        choice = copies if len({f.get().read_bytes() for f in copies}) > 1 else choice
    if len(choice) > 1:
        paths = _listed("/".join(f.parts) for f in choice)
        raise Refusal(f"there are several, and it takes a person to say which counts: {paths}")
    (file,) = choice
    if len(newest) < len(files) or _base(file) != file.parts:
        notes.append(f"handed in more than once; {clean(file.parts[-1])} counts, the last")
    if others := [f for f in newest.values() if f is not file and f not in copies]:
        notes.append(f"not graded: {_listed('/'.join(f.parts) for f in others)}")
    return file


def _base(file: File) -> tuple[str, ...]:
    """Return the path of a file without Canvas's number of the version."""
    if not file.version:
        return file.parts
    stem = _stem(file.parts[-1])
    return (*file.parts[:-1], VERSION.sub("", stem) + file.parts[-1].removeprefix(stem))


def _depth(file: File, name: str) -> int:
    return len(file.parts) - (file.parts[0] == name)


def _named(file: File, name: str) -> bool:
    return any(called(_stem(path[-1]), name) for path in (file.parts, _base(file)))


def _instead(files: list[File], zipped: bool) -> str:
    """Say what there is in the place of a notebook."""
    names = sorted(file.parts[-1] for file in files)
    if not names:
        return f"the {'ZIP' if zipped else 'folder'} is empty"
    if set(names) <= TYPED:
        return "text was typed in, and no file handed in"
    if any(map(ARCHIVE.search, names)):
        return f"{_listed(names)} is not opened here; hand in the notebook, or a ZIP"
    return f"there is only {_listed(names)}; hand in the file that ends in .ipynb"


def _listed(names: Iterable[str]) -> str:
    first, *more = [clean(name, 80) for name in names]
    return ", ".join([first, *more[:4]]) + (f" and {len(more) - 4} more" if len(more) > 4 else "")
