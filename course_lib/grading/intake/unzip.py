"""Unpacks ZIPs that anybody may have made: one file at a time, under names and limits of ours.

No name in a ZIP is ever used as a path, so none leads anywhere; sizes are counted while unpacking,
whatever the ZIP says of itself.
"""

from __future__ import annotations

import io
import re
import stat
import struct
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from course_lib.grading.cells import LARGEST
from course_lib.grading.errors import Refusal, clean
from course_lib.grading.intake.names import safe

LARGEST_ZIP = 200 << 20  # bytes of a ZIP within a ZIP
RATIO, FLOOR = 200, 10 << 20  # a ZIP may give RATIO times its size, and FLOOR bytes in any case
TOTAL = 8 << 30  # bytes unpacked in one grading
CHUNK = 1 << 16
LITTER = frozenset(("__MACOSX", "Thumbs.db", "desktop.ini", "node_modules", "__pycache__"))
ENTRY = b"PK\x01\x02"  # with it begins each entry of a ZIP's directory
UTF8, ENCRYPTED = 0x800, 0x1  # flags of an entry
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # the others unpack without a limit to a step


@dataclass(frozen=True)
class File:
    """A file somewhere in what was handed in; it is opened only if it is the one that counts.

    parts: its path. get: returns it as a file on this machine (raises Refusal).
    odd: why what holds it is not graded, or "". folder: it is only a folder, which may be empty.
    version: among those of one name a later one has a higher. late: the download says so.
    """

    parts: tuple[str, ...]
    get: Callable[[], Path]
    odd: str = ""
    folder: bool = False
    version: int = 0
    late: bool = False


def litter(part: str) -> bool:
    """Is this the name of something that a computer left, not a person?"""
    return part in LITTER or (part.startswith(".") and not part.startswith(".."))


class Unpacker:
    """A folder in which ZIPs are unpacked, with a limit for all of them."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.left, self.count = folder, TOTAL, 0
        folder.mkdir(parents=True, exist_ok=True)

    @contextmanager
    def files(self, archive: Path, most: int) -> Iterator[list[File]]:
        """Yield the files of a ZIP, to be had while the context lasts.

        Raises:
            Refusal: it is no ZIP, or damaged, or has more than `most` entries.
        """
        with _Directory(archive, most) as directory:
            cut = (
                f"{clean(archive.name)} is not a ZIP, or only a part: was it cut short on its way?"
            )
            try:
                book = zipfile.ZipFile(directory)
            except Refusal:
                raise
            except Exception:  # zipfile raises many kinds, for many kinds of nonsense
                raise Refusal(cut) from None
            directory.opening = False
            with book:
                # zipfile may take one student's ZIP, the last whole one in a part, for the class;
                # and it passes over entries that a wrong length makes a comment of another.
                first = min((info.header_offset for info in book.infolist()), default=0)
                if first != 0 or len(book.infolist()) != directory.entries:
                    raise Refusal(cut)
                allowance = [RATIO * archive.stat().st_size + FLOOR]
                found = [self._file(book, info, allowance) for info in book.infolist()]
                times = Counter(f.parts for f in found if not f.folder)
                yield [
                    replace(f, odd=f"{clean(f.parts[-1])} is in the ZIP {times[f.parts]} times")
                    if times[f.parts] > 1 and not f.odd
                    else f
                    for f in found
                    if f.parts
                ]

    def _file(self, book: zipfile.ZipFile, info: zipfile.ZipInfo, allowance: list[int]) -> File:
        name = re.sub(r"^(\./)+", "", _name(info).replace("\\", "/"))
        steps = name.split("/")
        parts = tuple(part for part in steps if part not in ("", "."))
        kind = stat.S_IFMT(info.external_attr >> 16)
        odd = ""
        if ".." in steps or re.match("/|[A-Za-z]:/", name):
            odd = f"the path {clean(name)} in the ZIP leads out of it"
            if re.match(r"/|[A-Za-z]:/|\.\./", name):  # it is nobody's folder
                parts = (name,)
        elif "\0" in info.orig_filename:
            odd = f"the name {clean(name)} in the ZIP goes on after its end"
        elif kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            what = "a symbolic link" if kind == stat.S_IFLNK else "a device"
            odd = f"{clean(name)} in the ZIP is {what}, not a file"

        def get() -> Path:
            return self._unpacked(book, info, parts[-1], allowance)

        return File(parts, get, odd, name.endswith("/"))

    def _unpacked(
        self, book: zipfile.ZipFile, info: zipfile.ZipInfo, name: str, allowance: list[int]
    ) -> Path:
        """Unpack one file; if that fails, nothing of it stays.

        Raises:
            Refusal: it cannot be read, or is too large.
            OSError: it cannot be written.
        """
        called = clean(name)
        if info.flag_bits & ENCRYPTED:
            raise Refusal(f"{called} is locked with a password; hand it in without one")
        if info.compress_type not in METHODS:
            raise Refusal(
                f"{called} is packed in an unusual way; make the ZIP with common settings"
            )
        largest = LARGEST_ZIP if name.lower().endswith(".zip") else LARGEST
        most = min(largest, allowance[0], self.left)
        self.count += 1
        path = self.folder / f"{self.count:06}" / safe(name)
        path.parent.mkdir()
        size = 0
        try:
            with path.open("xb") as file:
                for chunk in _chunks(book, info, called):
                    size += len(chunk)
                    if size > most:
                        raise Refusal(_too_large(called, most, largest, self.left))
                    file.write(chunk)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        self.left -= size
        allowance[0] -= size
        return path


def _chunks(book: zipfile.ZipFile, info: zipfile.ZipInfo, called: str) -> Iterator[bytes]:
    try:
        with book.open(info) as stream:
            while chunk := stream.read(CHUNK):
                yield chunk
    except Exception as error:  # as above: zipfile, zlib, struct, Unicode
        raise Refusal(f"{called} is damaged in the ZIP ({type(error).__name__})") from None


def _too_large(called: str, most: int, largest: int, left: int) -> str:
    if most == largest:
        return f"{called} is larger than {largest >> 20} MB; clear its outputs"
    if most == left:
        return (
            f"{called} is too large: all that is unpacked came to {TOTAL >> 30} GB; grade it apart"
        )
    return f"{called} unpacks to more than {RATIO} times the size of its ZIP, as no homework does"


def _name(info: zipfile.ZipInfo) -> str:
    """Return the name of an entry; many a program writes UTF-8 without saying so."""
    if not info.flag_bits & UTF8:
        try:
            return info.filename.encode("cp437").decode()
        except UnicodeError:
            pass
    return info.filename


class _Directory(io.BufferedReader):
    """A ZIP whose directory zipfile can read, whatever names are in it, if it is not too long."""

    def __init__(self, archive: Path, most: int) -> None:
        super().__init__(io.FileIO(archive))
        self.opening, self.called, self.most, self.entries = True, archive.name, most, 0

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        if not self.opening or not data.startswith(ENTRY):
            return data
        self.entries = data.count(ENTRY)
        if self.entries > self.most:
            raise Refusal(f"{clean(self.called)} holds more than {self.most} files.")
        return _readable(data)


def _readable(directory: bytes) -> bytes:
    """Take the mark of UTF-8 from the entries whose names are none: one would spoil the whole."""
    data, at = bytearray(directory), 0
    while data[at : at + 4] == ENTRY and len(data) >= at + 46:
        (flags,) = struct.unpack_from("<H", data, at + 8)
        name, *more = struct.unpack_from("<3H", data, at + 28)
        try:
            data[at + 46 : at + 46 + name].decode()
        except UnicodeDecodeError:
            struct.pack_into("<H", data, at + 8, flags & ~UTF8)
        at += 46 + name + sum(more)
    return bytes(data)
