"""Files are whole or not there; archives depend on their content; results know their key."""

import os
import stat
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from course_lib.files import check_file, store, stored, write_whole, zip_whole


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


@pytest.mark.parametrize("fails", ["replace", "fsync"])
def test_a_crash_leaves_what_was_there_and_no_trace(folder, monkeypatch, fails):
    path = folder / "a.txt"
    path.write_text("old")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, fails, full)
    with pytest.raises(OSError, match="No space"):
        write_whole(path, b"new")
    assert path.read_text() == "old" and list(folder.iterdir()) == [path]


def test_rights_are_the_umask_s_or_those_that_are_asked_for(folder):
    before = os.umask(0o027)
    try:
        write_whole(folder / "a", b"1")
        write_whole(folder / "b", b"1", mode=0o644)
        write_whole(folder / "new" / "c", b"1", parents=True)
    finally:
        os.umask(before)
    rights = [stat.S_IMODE((folder / name).stat().st_mode) for name in ("a", "b", "new/c")]
    assert rights == [0o640, 0o644, 0o640]
    with pytest.raises(FileNotFoundError):
        write_whole(folder / "nowhere" / "d", b"1")


def test_a_folder_is_no_file(folder):
    for path in (folder, Path("")):
        with pytest.raises(IsADirectoryError, match="expected the path of a file"):
            check_file(path)
        with pytest.raises(IsADirectoryError):
            write_whole(path, b"")


def test_an_archive_depends_on_names_contents_and_date_alone(folder):
    files = {"b.txt": b"two", "a/a.txt": b"one" * 1000}
    for name in ("one.zip", "two.zip"):
        zip_whole(folder / "dist" / name, files.items(), (2026, 5, 4, 3, 2, 2))
    one, two = ((folder / "dist" / name).read_bytes() for name in ("one.zip", "two.zip"))
    assert one == two
    with zipfile.ZipFile(folder / "dist" / "one.zip") as bundle:
        assert {entry.filename: bundle.read(entry) for entry in bundle.infolist()} == files
        assert {entry.date_time for entry in bundle.infolist()} == {(2026, 5, 4, 3, 2, 2)}

    def broken():
        yield "a", b"1"
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        zip_whole(folder / "dist" / "one.zip", broken())
    assert (folder / "dist" / "one.zip").read_bytes() == one
    assert len(list((folder / "dist").iterdir())) == 2


@given(st.text(st.characters(exclude_characters="\n", codec="utf-8")), st.binary())
def test_a_result_comes_back_with_its_key(tmp_path_factory, key, content):
    path = tmp_path_factory.mktemp("store") / "result"
    store(path, key, content)
    assert stored(path) == (key, content)


def test_a_result_that_was_cut_or_altered_is_none(folder):
    path = folder / "result"
    assert stored(path) is None
    store(path, "key", b"content")
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        assert stored(path) is None
    for at in range(len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        assert stored(path) is None
