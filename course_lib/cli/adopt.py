"""`course adopt`: make the files that cannot read `[tool.course]` follow it."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click

from course_lib.chapters import Course, chapters, course, left_out
from course_lib.cli.place import course_root, writable
from course_lib.files import write_whole

# Where the name stands, after these words; what else is called so (the authors, whom the licence
# wants named) stays.
NAMED = "_config.yml CITATION.cff README.md book/welcome.md book/instructor/scale.md".split()
BEFORE_NAME = r'(?m)^(# |title: "|description = "|.*--display-name ")'
# Where the repository's or the book's address stands, or what a clone is called.
ADDRESSED = [
    *("_config.yml", "CITATION.cff", "README.md", ".github/ISSUE_TEMPLATE/config.yml"),
    *("book/instructors.md", "book/instructor/term.md", "book/instructor/scale.md"),
]
CLONE = r"(\bcd |/opt/|~/|\$home/|\bunzip |\bdist/){}(?=-students\.zip|-book\.zip|[/\s`]|$)"
PROJECT = "pyproject.toml"  # tells what the files say now, and is therefore written last
LINE = re.compile(r"[ #]     - file: notebooks/(\w+)")  # of _toc.yml: a chapter, taught or not
PAGE = re.compile(r"[ #]         - file: book/page/(\w+)")  # and its assignment's page


@click.command()
@click.option("--check", is_flag=True, help="Write nothing; exit code 1 if a file does not follow.")
def adopt(check: bool) -> None:
    """Make files follow the name, addresses and chapters that [tool.course] in pyproject.toml sets.

    Says which it changed; called again, it changes none. What is not named there stays.
    """
    root = course_root()
    wanted = changes(root)
    if wanted and not check:
        writable(root)
    for path, text in wanted.items():
        if not check:
            write_whole(path, text.encode(), mode=path.stat().st_mode)
        click.echo(f"{path.relative_to(root)}: {'does not follow' if check else 'changed'}")
    for name in unlisted(root):
        click.echo(f"_toc.yml: no part of the book lists {name}; name it in one", err=True)
    if check and wanted:
        raise SystemExit(1)
    click.echo(f"{len(wanted)} files changed." if wanted else "All files follow.")


def changes(root: Path) -> dict[Path, str]:
    """Return what the files that do not follow `[tool.course]` should hold, in the order to write.

    Raises:
        WrongCourse: the settings say what cannot be.
    """
    new, old = course(root), before(root)
    book = [path.relative_to(root).as_posix() for path in chapters(root)]
    found = {}
    for name in dict.fromkeys([*NAMED, *ADDRESSED, "_toc.yml", *book, PROJECT]):
        path = root / name
        if not path.is_file():  # students receive no page of the instructor's
            continue
        text = changed = path.read_text(encoding="utf-8")
        if name == "_toc.yml":
            changed = contents(root, text)
        elif name in book:
            changed = _first_cell(text, old, new)
        else:
            head, mark, settings = text.partition("\n[tool.course]\n")
            if name in NAMED or name == PROJECT:
                head = re.sub(f"{BEFORE_NAME}{re.escape(old.name)}", rf"\g<1>{new.name}", head)
            changed = _addresses(head, old, new) + mark + settings
        if changed != text:
            found[path] = changed
    return found


def before(root: Path) -> Course:
    """Return what the files say now."""
    urls = tomllib.loads((root / PROJECT).read_text(encoding="utf-8"))["project"]["urls"]
    said = re.search(r'(?m)^title: "(.+)"$', (root / "_config.yml").read_text(encoding="utf-8"))
    name = said[1] if said else course(root).name
    return Course(name, urls["Repository"], urls["Documentation"])


def _addresses(text: str, old: Course, new: Course) -> str:
    """Return a text with the new addresses, and with what a clone and the archives are called."""
    for was, now in ((old.repository, new.repository), (old.book, new.book)):
        text = re.sub(rf"{re.escape(was)}(?![\w-])", now, text)
    return re.sub(CLONE.format(re.escape(old.folder)), rf"\g<1>{new.folder}", text)


def _first_cell(text: str, old: Course, new: Course) -> str:
    """Return a chapter whose first cell installs the library from the new address."""
    return text.replace(f'git+{old.repository}\\"', f'git+{new.repository}\\"', 1)


def contents(root: Path, text: str) -> str:
    """Return the book's contents, chapters that are not taught made comments, and emptied parts."""

    def part(text: str) -> str:
        lines = [_listed(root, line) for line in text.split("\n")]
        is_empty = not any(re.match(r" +- file: ", line) for line in lines)
        head = re.compile(r"[ #] - caption: |[ #]   chapters:")
        marked = [("#" if is_empty else " ") + n[1:] if head.match(n) else n for n in lines]
        return "\n".join(marked)

    first, *parts = re.split(r"(?m)^(?=[ #] - caption:)", text)
    return first + "".join(
        part(each) if LINE.search(each) or PAGE.search(each) else each for each in parts
    )


def _listed(root: Path, line: str) -> str:
    """Return a line of the contents, as a comment if it is of a chapter that is not taught."""
    named = LINE.match(line) or PAGE.match(line)
    return line if not named else ("#" if named[1] in left_out(root) else " ") + line[1:]


def unlisted(root: Path) -> Iterator[str]:
    """Yield the chapters that are taught and that the book's contents do not list."""
    listed = LINE.findall((root / "_toc.yml").read_text(encoding="utf-8"))
    yield from (path.stem for path in chapters(root) if path.stem not in listed)
