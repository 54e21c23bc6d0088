"""Files: written whole or not at all, archives of one content, results that know their key."""

import hashlib
import os
import secrets
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

DRAFT = ".new."  # how the name of a file begins while it is written
OLDEST = (1980, 1, 1, 0, 0, 0)  # date that a ZIP can tell


def check_file(path: Path) -> None:
    """Raise IsADirectoryError for the path of a folder, which "" is too: of the current one."""
    if path.is_dir():
        raise IsADirectoryError(f"{path}: it is a folder, expected the path of a file.")


@contextmanager
def _draft(path: Path) -> Iterator[Path]:
    """Yield where to write; what is there in the end takes its place, or else leaves no trace."""
    draft = path.with_name(f"{DRAFT}{secrets.token_hex(8)}")
    try:
        yield draft
        os.replace(draft, path)
    except BaseException:
        with suppress(OSError):
            draft.unlink()
        raise


def write_whole(
    path: Path, content: bytes, *, mode: int | None = None, parents: bool = False
) -> None:
    """Write a file so that a crash or a full disk leaves the old one, or none, but never a part.

    Args:
        path: of the file.
        content: all that it is to hold.
        mode: its rights; as the user's umask has it, if not given.
        parents: make the folder first, if it is not there.

    Raises:
        OSError: the folder is not there, or cannot be written to; or the path is a folder.
    """
    check_file(path)
    if parents:
        path.parent.mkdir(parents=True, exist_ok=True)
    with _draft(path) as draft:
        with draft.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if mode is not None:
            draft.chmod(mode)


def zip_whole(
    target: Path,
    contents: Iterable[tuple[str, bytes]],
    when: tuple[int, int, int, int, int, int] = OLDEST,
) -> None:
    """Write an archive, whole or not at all, whose bytes depend on names, contents and date alone.

    Args:
        target: of the archive; its folder is made.
        contents: the name and the content of each file, in the order they are to have.
        when: the date that all of them bear.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with (
        _draft(target) as draft,
        zipfile.ZipFile(draft, "x", zipfile.ZIP_DEFLATED, compresslevel=9) as bundle,
    ):
        for name, content in contents:
            entry = zipfile.ZipInfo(name, when)
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            bundle.writestr(entry, content)


def store(path: Path, key: str, content: bytes) -> None:
    """Write a result that knows what it is the result of, whole or not at all.

    Args:
        path: of the file.
        key: what decided the result, in one line: a digest, or a name.
        content: the result.
    """
    told = key.encode() + b"\n" + content
    write_whole(path, hashlib.sha256(told).hexdigest().encode() + b"\n" + told)


def stored(path: Path) -> tuple[str, bytes] | None:
    """Return the key and the result that `store` wrote.

    None if nothing is there, or it is cut short or altered, and so is to be made again.
    """
    try:
        digest, told = path.read_bytes().split(b"\n", 1)
        if hashlib.sha256(told).hexdigest().encode() != digest:
            return None
        key, content = told.split(b"\n", 1)
        return key.decode(), content
    except (OSError, ValueError):
        return None
