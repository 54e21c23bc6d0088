"""What a class hands in: whose it is, which notebook counts, and ZIPs that mean no good."""

from __future__ import annotations

import contextlib
import io
import os
import random
import stat
import struct
import tempfile
import unicodedata
import zipfile
from pathlib import Path
from urllib.parse import unquote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from course_lib.grading.errors import Refusal, columns
from course_lib.grading.intake import collect as intake
from course_lib.grading.intake import unzip
from course_lib.grading.intake.collect import Handed, collect, report
from course_lib.grading.intake.names import LONGEST, Person, plain, safe, students

NAME = "03_iterative_pruning"
LITTER = (f"__MACOSX/hw/._{NAME}.ipynb", b"")
BOOK = b'{"cells": [], "nbformat": 4}'


def zipped(entries, path=None, method=zipfile.ZIP_DEFLATED):
    """A ZIP of (name, content) or (ZipInfo, content); returned as bytes, or written."""
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", method) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    if path is None:
        return memory.getvalue()
    path.write_bytes(memory.getvalue())
    return path


def folder(root, entries):
    for name, content in entries:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


def snapshot(root, without):
    """All that is in a folder, content, mode and times, but for what is in `without`."""
    return {
        p: (s.st_mode, s.st_mtime_ns, p.read_bytes() if stat.S_ISREG(s.st_mode) else b"")
        for p in root.rglob("*")
        if without not in (p, *p.parents)
        for s in [p.lstat()]
    }


@pytest.fixture
def take(tmp_path):
    """Collect, and see that nothing changes but scratch, and that scratch holds files alone."""

    def take(*sources) -> dict[str, Handed]:
        scratch = tmp_path / f"scratch{len(list(tmp_path.glob('scratch*')))}"
        before = snapshot(tmp_path, scratch)
        where = os.getcwd()
        try:
            handed = collect(sources, NAME, scratch)
        finally:
            assert snapshot(tmp_path, scratch) == before and os.getcwd() == where
            for path in scratch.rglob("*"):
                assert not path.is_symlink() and path.resolve().is_relative_to(scratch.resolve())
        assert [h.student for h in handed] == sorted({h.student for h in handed})
        return {h.student: h for h in handed}

    return take


def content(handed):
    assert isinstance(handed.notebook, Path), handed.notebook
    assert handed.notebook.is_file() and not handed.notebook.is_symlink()
    return handed.notebook.read_bytes()


def why(handed):
    assert isinstance(handed.notebook, Refusal)
    assert str(handed.notebook).isprintable()
    return str(handed.notebook)


@pytest.fixture(params=["folder", "zip"])
def source(request, tmp_path):
    """The same entries as a folder, and as a ZIP."""

    def source(entries, name="download"):
        if request.param == "zip":
            return zipped(entries, tmp_path / f"{name}.zip")
        return folder(tmp_path / name, entries)

    return source


# Downloads


def test_canvas(source, take):
    found = take(
        source(
            [
                (f"lovelaceada_12345_678901_{NAME}.ipynb", b"ada"),
                (f"hoppergrace_LATE_12346_678902_{NAME}-2.ipynb", b"grace"),
                ("turingalan_12347_678903_my homework.ipynb", b"alan"),
                ("nötheremmy_12348_678904_hw.zip", zipped([(f"hw/{NAME}.ipynb", b"emmy"), LITTER])),
                ("小川_12349_text.html", b"<p>"),
                ("anon_Ab3xY_678905_hw.ipynb", b"anon"),
                ("LATE_anon_Zz9_678906_hw.ipynb", b"late anon"),
                ("knuthdon_12350_678907_data.csv", b"1,2"),
                (f"knuthdon_12350_678908_{NAME}.ipynb", b"don"),
            ]
        )
    )
    assert {s: content(h) for s, h in found.items() if s != "小川_12349"} == {
        "lovelaceada_12345": b"ada",
        "hoppergrace_12346": b"grace",
        "turingalan_12347": b"alan",
        "nötheremmy_12348": b"emmy",
        "anon_Ab3xY": b"anon",
        "anon_Zz9": b"late anon",
        "knuthdon_12350": b"don",
    }
    assert why(found["小川_12349"]) == (
        "there is no notebook: text was typed in, and no file handed in"
    )
    assert {s for s, h in found.items() if h.late} == {"hoppergrace_12346", "anon_Zz9"}
    ada = found["lovelaceada_12345"]
    assert (ada.name, ada.id, ada.notes) == ("lovelaceada", "12345", ())
    assert found["nötheremmy_12348"].notes == ()
    assert found["turingalan_12347"].notes == ("handed in as my homework.ipynb",)
    assert found["hoppergrace_12346"].notes == (
        f"handed in more than once; {NAME}-2.ipynb counts, the last",
    )


def test_canvas_what_a_student_calls_a_file_speaks_for_nobody_else(source, take):
    posing = f"x_103_assignsubmission_file_{NAME}.ipynb"
    found = take(source([(f"eve_104_900_{NAME}.ipynb", b"1"), (f"eve_104_901_{posing}", b"2")]))
    assert [(h.id, h.system) for h in found.values()] == [("104", "Canvas")]


def test_canvas_the_last_version_counts_whatever_the_order(source, take):
    entries = [
        (f"ada_1_900_{NAME}.ipynb", b"first"),
        (f"ada_LATE_1_1000_{NAME}-2.ipynb", b"third"),
        (f"ada_1_950_{NAME}-1.ipynb", b"second"),
        ("ada_1_2000_notes.txt", b""),
    ]
    for order in (entries, entries[::-1]):
        found = take(source(order, f"download{len(order[0][0])}"))
        assert content(found["ada_1"]) == b"third" and found["ada_1"].late
        assert "handed in more than once" in found["ada_1"].notes[0]


@pytest.mark.parametrize("file", [f"{NAME}.ipynb", f"assignment_{NAME}.ipynb"])
def test_the_notebook_is_known_by_the_name_it_has_and_had(source, take, file):
    stem = file.removesuffix(".ipynb")
    found = take(
        source(
            [
                (f"ada_1_900_{file}", b"ada"),
                (f"bob_2_901_{stem}-1.ipynb", b"bob"),
                (f"Eve_3_assignsubmission_file_/{file}", b"eve"),
                ("Eve_3_assignsubmission_file_/scratch.ipynb", b"no"),
                (f"fay/{NAME}/{file}", b"fay"),
                ("gus.ipynb", b"gus"),
            ]
        )
    )
    good = {s: content(h).decode() for s, h in found.items() if isinstance(h.notebook, Path)}
    assert good == {"ada_1": "ada", "bob_2": "bob", "Eve_3": "eve", "fay": "fay", "gus": "gus"}
    assert found["Eve_3"].notes == ("not graded: scratch.ipynb",)
    assert [found[s].notes for s in ("ada_1", "fay", "gus")] == [()] * 3
    assert found["bob_2"].notes == (f"handed in more than once; {stem}-1.ipynb counts, the last",)


def test_under_both_names_it_takes_a_person(source, take):
    found = take(source([(f"ada/{NAME}.ipynb", b"1"), (f"ada/assignment_{NAME}.ipynb", b"2")]))
    assert "it takes a person to say which counts" in why(found["ada"])


@pytest.mark.parametrize(
    "entry", ["hw_2024_01_ada.ipynb", "ada_01_2_x.ipynb", "12_34_x.ipynb", "a b_1_2_x.ipynb"]
)
def test_what_canvas_does_not_write_is_a_plain_name(entry, source, take):
    (handed,) = take(source([(entry, b"")])).values()
    assert (handed.student, handed.id) == (entry.removesuffix(".ipynb"), "")


def test_canvas_two_people_of_one_name(source, take):
    found = take(source([("lia_1_10_x.ipynb", b"one"), ("lia_2_11_x.ipynb", b"two")]))
    assert {s: content(h) for s, h in found.items()} == {"lia_1": b"one", "lia_2": b"two"}


def test_a_later_download_counts(source, take):
    """A ZIP handed in after a notebook counts: by Canvas's numbers, not by the order given."""
    old = source([(f"ada_1_900_{NAME}.ipynb", b"old"), ("bob_2_901_x.ipynb", b"bob")], "old")
    hw = zipped([("x.ipynb", b"new")])
    new = source([("ada_LATE_1_1000_hw.zip", hw), ("eve_3_1001_x.ipynb", b"eve")], "new")
    found = take(new, old)
    assert [content(h) for h in found.values()] == [b"new", b"bob", b"eve"]
    assert found["ada_1"].late and "in 2 of the sources; new" in found["ada_1"].notes[0]
    assert "in 2" not in "".join(found["bob_2"].notes)


def test_of_plain_sources_the_one_given_last_counts(source, take):
    one = source([("ada/x.ipynb", b"1"), ("bob.ipynb", b"2")], "one")
    two = source([("ada.ipynb", b"3")], "two")
    assert [content(h) for h in take(one, two).values()] == [b"3", b"2"]
    assert [content(h) for h in take(two, one).values()] == [b"1", b"2"]


def test_a_last_version_that_is_no_good_is_not_replaced_by_an_older_one(source, take):
    one = source([("ada.ipynb", b"1")], "one")
    assert "no notebook" in why(take(one, source([("ada/x.pdf", b"")], "two"))["ada"])


def test_moodle(source, take):
    found = take(
        source(
            [
                (f"Ada Lovelace_123456_assignsubmission_file_/{NAME}.ipynb", b"ada"),
                ("Ada Lovelace_123456_assignsubmission_onlinetext_/onlinetext.html", b"Hi"),
                ("Ada Lovelace_123457_assignsubmission_file_/a/b/hw.ipynb", b"other ada"),
                ("Müller, Jürgen_7_assignsubmission_file/hw.zip", zipped([("x.ipynb", b"j")])),
                ("O'Brien_8_assignsubmission_onlinetext_/onlinetext.html", b"Hi"),
                ("小川 洋子_9_assignsubmission_file_hw.ipynb", b"flat"),
                ("Default group_assignsubmission_file_/hw.ipynb", b"team"),
                (".._10_assignsubmission_file_/hw.ipynb", b"dots"),
                ("CON_11_assignsubmission_file_/hw.ipynb", b"con"),
            ]
        )
    )
    assert "typed in" in why(found.pop("O'Brien_8"))
    assert {s: content(h) for s, h in found.items()} == {
        "Ada Lovelace_123456": b"ada",
        "Ada Lovelace_123457": b"other ada",
        "Müller, Jürgen_7": b"j",
        "小川 洋子_9": b"flat",
        "Default group": b"team",
        "%2E._10": b"dots",
        "CON_11": b"con",
    }
    assert found["%2E._10"].name == ".." and found["%2E._10"].id == "10"
    assert not any(h.late for h in found.values())


def test_plain_folders(source, take, tmp_path):
    found = take(
        source(
            [
                ("ada/x.ipynb", b"ada"),
                (f"bob/{NAME}.ipynb", b"bob"),
                ("bob/other.ipynb", b""),
                (f"eve/{NAME}/{NAME}.ipynb", b"eve"),
                ("fay/1.ipynb", b""),
                ("fay/2.ipynb", b""),
                ("gus.ipynb", b"gus"),
                ("hal/notes.txt", b""),
                (".hidden/x.ipynb", b""),
                ("readme.txt", b""),
                ("ira/.ipynb_checkpoints/x-checkpoint.ipynb", b""),
                ("ira/x.ipynb", b"ira"),
                ("jan/__MACOSX/._x.ipynb", b""),
                ("jan/._x.ipynb", b""),
                ("jan/deep/er/x.ipynb", b"jan"),
                ("__MACOSX/jan/._x.ipynb", b""),
                (".DS_Store", b""),
                ("kim.zip", zipped([("x.ipynb", b"kim")])),
                ("lea.ipynb.txt", b"lea"),
            ]
        )
    )
    assert list(found) == ("ada bob eve fay gus hal ira jan kim lea readme.txt".split())
    good = {s: content(h) for s, h in found.items() if isinstance(h.notebook, Path)}
    assert good == {s: s.encode() for s in "ada bob eve gus ira jan kim lea".split()}
    assert why(found["fay"]).endswith("which counts: 1.ipynb, 2.ipynb")
    assert why(found["hal"]) == (
        "there is no notebook: there is only notes.txt; hand in the file that ends in .ipynb"
    )
    assert "only readme.txt" in why(found["readme.txt"])
    assert found["bob"].notes == ("not graded: other.ipynb",)
    assert found["gus"].notes == () and found["gus"].name == "gus"
    assert found["lea"].notes == ("lea.ipynb.txt is taken for a notebook that a browser renamed",)


def test_two_submissions_in_one_source_are_for_a_person(source, take):
    found = take(source([("bob/x.ipynb", b""), ("bob.ipynb", b""), ("ada.ipynb", b"ada")]))
    assert why(found["bob"]) == "there are two submissions: bob, bob.ipynb"
    assert content(found["ada"]) == b"ada"


def test_a_pristine_copy_deeper_down_is_not_taken_for_the_answer(source, take):
    found = take(source([("ada/my.ipynb", b""), (f"ada/release/{NAME}.ipynb", b"")]))
    assert f"my.ipynb, release/{NAME}.ipynb" in why(found["ada"])


COPIES = [f"{NAME} (1)", f"Copy of assignment_{NAME}", f"{NAME}-Copy1", f"old/{NAME}"]


@pytest.mark.parametrize("copy", COPIES)
def test_a_copy_that_holds_something_else_takes_a_person(copy, source, take):
    files = [(f"ada/{NAME}.ipynb", BOOK), (f"bob/{NAME}.ipynb", BOOK)]
    beside = [(f"ada/{copy}.ipynb", BOOK + b" "), (f"bob/{copy}.ipynb", BOOK)]
    found = take(source([*files, *beside]))
    assert "there are several" in why(found["ada"]) and copy in why(found["ada"])
    assert content(found["bob"]) == BOOK and not found["bob"].notes


@pytest.mark.parametrize("copy", COPIES[:3])
def test_what_a_browser_makes_of_a_name_is_no_news(copy, source, take):
    ada = take(source([(f"ada/{copy}.ipynb", BOOK)]))["ada"]
    assert content(ada) == BOOK and not ada.notes


MALLORY = "Bob B_200_assignsubmission_file__100_assignsubmission_file_"  # 100 is called so


BOB = "Bob B_200_assignsubmission_file_"


@pytest.mark.parametrize("turn", [1, -1])
def test_nobody_takes_another_s_folder_by_a_name_like_moodle_s(turn, source, take):
    entries = [(f"{BOB}/{NAME}.ipynb", BOOK), (f"{MALLORY}/{NAME}.ipynb", b"?")]
    found = {handed.id: handed for handed in take(source(entries[::turn])).values()}
    assert found.keys() == {"100", "200"} and content(found["200"]) == BOOK


def test_a_file_that_could_be_of_two_people_takes_a_person(source, take):
    entries = [(f"{BOB}{NAME}.ipynb", BOOK), (f"{MALLORY}{NAME}.ipynb", b"?")]
    (found,) = take(source(entries)).values()
    assert "as that of two people" in why(found)


@pytest.mark.parametrize(
    "files, said",
    [
        ({"my homework.ipynb": BOOK}, "handed in as my homework.ipynb"),
        ({f"{NAME}.ipynb.txt": BOOK}, "a browser renamed"),
        ({f"{NAME}.json": BOOK, "keep.check.json": b"{}"}, "a browser renamed"),
        ({f"{NAME}.IPYNB": BOOK}, ""),
        ({f"{NAME}.ipynb": BOOK, "hw.zip": b"?"}, "not opened: hw.zip"),
        ({f"{NAME}.ipynb": BOOK, f"{NAME}.ipynb.txt": b"?"}, ""),
    ],
)
def test_odd_files_are_accepted_with_a_note(files, said, source, take):
    ada = take(source([(f"ada/{name}", data) for name, data in files.items()]))["ada"]
    assert content(ada) == BOOK
    assert said in " ".join(ada.notes) and bool(said) == bool(ada.notes)


@pytest.mark.parametrize(
    "files, said",
    [
        (["report.pdf", f"{NAME}.html"], f"only {NAME}.html, report.pdf; hand in the file that"),
        (["hw.tar.gz"], "hw.tar.gz is not opened here; hand in the notebook, or a ZIP"),
        (["a.json", "b.json"], "there are several"),
        ([f"{i}.py" for i in range(9)], "0.py, 1.py, 2.py, 3.py, 4.py and 4 more"),
        (["a.zip", "b.zip"], "there are several"),
        (["evil\x1b[2J.txt"], "only evil [2J.txt"),
    ],
)
def test_what_is_no_notebook_is_said_in_a_sentence(files, said, source, take):
    assert said in why(take(source([(f"ada/{name}", b"") for name in files]))["ada"])


def test_an_empty_folder(tmp_path, take):
    (tmp_path / "download" / "ada").mkdir(parents=True)
    one = take(tmp_path / "download")["ada"]
    two = take(zipped([("bob/", b"")], tmp_path / "b.zip"))["bob"]
    assert why(one) == why(two) == "there is no notebook: the folder is empty"


def test_links_are_not_followed(tmp_path, take):
    secret = folder(tmp_path / "secret", [("x.ipynb", b"secret"), ("k.zip", zipped([]))])
    source = folder(tmp_path / "in", [("ada/notes.txt", b""), ("bob/x.ipynb", b"bob")])
    (source / "ada" / NAME).symlink_to(secret)
    (source / "bob" / "data").symlink_to(secret)
    (source / "carl").symlink_to(secret)
    (source / "dan.ipynb").symlink_to(secret / "x.ipynb")
    for student, link in (("eve", "x.ipynb"), ("fay", "k.zip")):
        (source / student).mkdir()
        (source / student / "h.ipynb").write_bytes(b"")
        (source / student / link).symlink_to(secret / link)
    (source / "gus").mkdir()
    os.mkfifo(source / "gus" / "x.ipynb")
    os.mkfifo(source / "hal")
    found = take(source)
    assert content(found["bob"]) == b"bob"
    assert f"only {NAME}, notes.txt" in why(found["ada"])
    for student in ("carl", "dan", "eve", "fay"):
        assert "is a link, which is not followed" in why(found[student])
    assert why(found["gus"]) == "x.ipynb is not a file"
    assert "only hal" in why(found["hal"])


def test_a_folder_with_thousands_of_files_is_for_a_person(tmp_path, take, monkeypatch):
    monkeypatch.setattr(intake, "MOST_OF_ONE", 20)
    files = [(f"ada/data/{i}.txt", b"") for i in range(30)]
    source = folder(tmp_path / "in", [("ada/x.ipynb", b""), ("bob.ipynb", b""), *files])
    found = take(source)
    assert why(found["ada"]) == "the folder holds more than 20 files"
    assert content(found["bob"]) == b""
    folder(source, [(f"eve/.venv/{i}.py", b"") for i in range(30)] + [("eve/x.ipynb", b"eve")])
    assert content(take(source)["eve"]) == b"eve"


def test_a_folder_that_was_zipped_whole(tmp_path, take):
    def students(entries, name="spring.zip"):
        return list(take(zipped([(e, b"") for e in entries], tmp_path / name)))

    assert students(["spring/ada/x.ipynb", "spring/bob/x.ipynb", "spring/.DS_Store"]) == [
        "ada",
        "bob",
    ]
    assert students(["any/ada/x.ipynb", "any/bob/x.ipynb", "__MACOSX/any/._x"]) == ["ada", "bob"]
    assert students(["spring/ada/x.ipynb"]) == ["ada"]
    assert students(["spring/a.ipynb", "spring/b.ipynb"]) == ["a", "b"]
    assert students(["any/ada_1_2_x.ipynb"]) == ["ada_1"]
    assert students(["any/", "any/Ada_1_assignsubmission_file_/x.ipynb"]) == ["Ada_1"]
    # and a folder of one student stays one
    assert students(["ada/x.ipynb"]) == ["ada"]
    assert students(["spring/x.ipynb"]) == ["spring"]
    assert students([f"spring/{NAME}/{NAME}.ipynb"]) == ["spring"]
    assert students(["Ada_1_assignsubmission_file_/a/x", "Ada_1_assignsubmission_file_/b/x"]) == [
        "Ada_1"
    ]
    found = students(["spring/ada/x.ipynb", "spring/bob/../../x.ipynb", "../eve.ipynb"])
    assert found == ["%2E.%2Feve", "ada", "bob"]


def test_nothing_to_grade_is_said(tmp_path, take):
    with pytest.raises(Refusal, match="none is not there"):
        take(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(Refusal, match=r"empty holds no submission.*ada\.ipynb"):
        take(tmp_path / "empty")
    with pytest.raises(Refusal, match="holds no submission"):
        take()
    with pytest.raises(Refusal, match="holds no submission"):
        take(zipped([], tmp_path / "empty.zip"))


# Names


def names():
    """Names as a file system or a ZIP can hold them: any text, and bytes that are no text."""
    text = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1)
    raw = st.binary(min_size=1).map(lambda b: b.decode(errors="surrogateescape"))
    evil = st.sampled_from(
        [
            "..",
            ".",
            "con",
            "NUL.txt",
            "COM1 ",
            "a/b",
            "a\\b",
            "%2E",
            "%~",
            "=1+1",
            "-rf",
            " a ",
            "a.",
        ]
    )
    return st.one_of(text, raw, evil)


@given(names())
@example('Lovelace, Ada "the Countess" O\'Brien')
@example("小川 洋子")
@example("\x1b[2J\x07")
@example("a" * 300)
@example("川" * 300)
@example("\u202egpj.exe")
def test_a_safe_name_is_a_file_name_everywhere(name):
    made = safe(name)
    assert made.isprintable() and not set(made) & set('/\\:*?"<>|[]')
    assert made not in ("", ".", "..") and made[0] not in ".-~ " and made[-1] not in ". "
    assert len(made.encode()) <= LONGEST + 14 < 200
    device = made.split(".")[0].rstrip().upper()
    assert device not in {
        "CON",
        "PRN",
        "AUX",
        "NUL",
        *(f"{p}{i}" for p in ("COM", "LPT") for i in range(10)),
    }
    if "%~" not in made:
        assert unquote(made, errors="surrogateescape") == name


@given(st.lists(names(), unique=True))
@example(["a" * 300, "a" * 301, safe("a" * 300), "%2E", "."])
@example(["Ada", "ada", "ADA"])
@example(["\u00e9", "e\u0301", "E\u0301"])
@example(["x\udcff", "x\udcfe", "x%FF"])
def test_different_people_have_different_names(names):
    people = dict.fromkeys(plain(name) for name in names)
    assert len(people) == len({unicodedata.normalize("NFC", n) for n in names})
    made = students(people)
    assert list(made) == list(people)
    folded = {unicodedata.normalize("NFC", name.casefold()) for name in made.values()}
    assert len(folded) == len(people)  # also where there is no upper case
    assert {p: students([p])[p] for p in people if "%~" not in made[p]}.items() <= made.items()


def test_systems_that_give_the_same_name_do_not_mix_people():
    people = [
        Person("", "a_1", "a_1"),
        Person("Canvas", "1", "a", "1"),
        Person("Moodle", "1", "a", "1"),
    ]
    assert len(set(students(people).values())) == 3
    assert set(students(people[::-1]).values()) == set(students(people).values())


@pytest.mark.parametrize(
    "name, student",
    [
        ("=cmd|calc", "=cmd%7Ccalc"),
        ("Lovelace, Ada", "Lovelace, Ada"),
        ('Ada "Countess" O\'Brien', "Ada %22Countess%22 O'Brien"),
        ("émile, \x1b[2J", "émile, %1B%5B2J"),
        ("นักเรียน", "นักเรียน"),
        ("محمد", "محمد"),
        ("nul", "%6Eul"),
        ("z\udcff", "z%FF"),
    ],
)
def test_names_of_folders(name, student, tmp_path, take):
    (tmp_path / "in" / name).mkdir(parents=True)
    (tmp_path / "in" / name / "x.ipynb").write_bytes(b"it")
    found = take(tmp_path / "in")
    assert list(found) == [student] and content(found[student]) == b"it"
    assert found[student].name == name.replace("\udcff", "\ufffd")
    assert "\x1b" not in report(list(found.values()))


def test_a_name_of_three_hundred_letters(tmp_path, take):
    entries = [("a" * n + "/" + "b" * 300 + ".ipynb", str(n).encode()) for n in (300, 301)]
    found = take(zipped(entries, tmp_path / "in.zip"))
    assert sorted(map(content, found.values())) == [b"300", b"301"]


# ZIPs


def info(name, mode=0o100644, **fields):
    made = zipfile.ZipInfo(name)
    made.external_attr = mode << 16
    made.compress_type = zipfile.ZIP_DEFLATED
    for key, value in fields.items():
        setattr(made, key, value)
    return made


LINK = 0o120777


@pytest.mark.parametrize(
    "entry, student, said",
    [
        ("../evil.ipynb", "%2E.%2Fevil", "leads out"),
        ("./../evil.ipynb", "%2E.%2Fevil", "leads out"),
        ("/etc/evil.ipynb", "%2Fetc%2Fevil", "leads out"),
        ("C:\\evil.ipynb", "C%3A%2Fevil", "leads out"),
        ("..\\evil.ipynb", "%2E.%2Fevil", "leads out"),
        ("eve/../bob/x.ipynb", "eve", "leads out"),
        ("eve/../../../x.ipynb", "eve", "leads out"),
        ("Eve_1_assignsubmission_file_/../x.ipynb", "Eve_1", "leads out"),
        (info("eva.ipynb", LINK), "eva", "symbolic link"),
        (info("eve/data", LINK), "eve", "symbolic link"),
        (info("eve/x.ipynb", 0o010644), "eve", "a device"),
    ],
)
def test_an_entry_that_means_no_good_is_refused_alone(entry, student, said, tmp_path, take):
    rest = [("ada.ipynb", b"ada"), ("bob/x.ipynb", b"bob"), ("eve/good.ipynb", b"")]
    found = take(zipped([(entry, b"/etc/passwd"), *rest], tmp_path / "in.zip"))
    assert said in why(found[student])
    assert content(found["ada"]) == b"ada" and content(found["bob"]) == b"bob"


@pytest.mark.parametrize(
    "entry, said",
    [
        ("../x.ipynb", "leads out"),
        ("/x.ipynb", "leads out"),
        (info("x.ipynb", LINK), "symbolic link"),
        (info("data", LINK), "symbolic link"),
    ],
)
def test_the_same_in_a_student_s_own_zip(entry, said, source, take):
    hw = zipped([(entry, b"/etc/passwd"), ("good.ipynb", b"")])
    found = take(source([("eve/hw.zip", hw), ("bob.ipynb", b"bob")]))
    assert said in why(found["eve"]) and content(found["bob"]) == b"bob"


def test_backslashes_and_odd_names_in_a_zip(tmp_path, take):
    entries = [("ada\\x.ipynb", b"ada"), ("bob/nul.ipynb", b"bob"), ("e/" + "\x1b[2J.ipynb", b"e")]
    found = take(zipped(entries, tmp_path / "in.zip"))
    assert {s: content(h) for s, h in found.items()} == {"ada": b"ada", "bob": b"bob", "e": b"e"}
    assert "\x1b" not in report(list(found.values()))
    assert all(str(h.notebook).isprintable() for h in found.values())


def test_a_zip_in_a_zip_in_a_zip_is_refused(source, take):
    inner = zipped([("hw.zip", zipped([("x.ipynb", b"")]))])
    found = take(source([("eve/hw.zip", inner), ("bob.zip", zipped([("x.ipynb", b"bob")]))]))
    assert why(found["eve"]) == "hw.zip is a ZIP within a ZIP; hand in the notebook"
    assert content(found["bob"]) == b"bob"


@pytest.mark.parametrize("hw, said", [
    (b"", "is not a ZIP, or only a part"),
    (b"Rar!\x1a\x07\x00", "is not a ZIP"),
    (zipped([("x.ipynb", BOOK * 99)])[:-30], "is not a ZIP"),
    (zipped([("x.ipynb", BOOK * 99)])[40:], "is not a ZIP"),
    (zipped([]), "there is no notebook: the ZIP is empty"),
    (zipped([("a.ipynb", b"1"), ("b.ipynb", b"2")]), "there are several"),
    (zipped([("x.ipynb", BOOK)], method=zipfile.ZIP_BZIP2), "packed in an unusual way"),
    (zipped([("x.ipynb", BOOK)], method=zipfile.ZIP_LZMA), "packed in an unusual way"),
])  # fmt: skip
def test_a_student_s_zip_that_is_no_good(hw, said, source, take):
    found = take(source([("eve/hw.zip", hw), ("bob.ipynb", b"bob")]))
    assert said in why(found["eve"]) and content(found["bob"]) == b"bob"


def test_a_damaged_file_is_refused_alone(tmp_path, take):
    noise = random.Random(1).randbytes(5000)
    data = bytearray(zipped([("ada.ipynb", noise), ("bob.ipynb", b"bob")]))
    data[500] ^= 255
    (tmp_path / "in.zip").write_bytes(data)
    found = take(tmp_path / "in.zip")
    assert "ada.ipynb is damaged in the ZIP" in why(found["ada"])
    assert content(found["bob"]) == b"bob"
    assert not [p for p in (tmp_path / "scratch0").rglob("ada*") if p.is_file()]


def test_a_download_cut_short_stops_everything(tmp_path, take):
    data = zipped([("ada.ipynb", BOOK), ("bob.ipynb", BOOK)])
    for name, part in (("cut.zip", data[:-40]), ("notes.txt", b"hello")):
        (tmp_path / name).write_bytes(part)
        with pytest.raises(Refusal, match=r"not a ZIP.*download it again"):
            take(tmp_path / name)


def test_duplicate_entries(source, take, tmp_path):
    with pytest.warns(UserWarning, match="Duplicate"):
        hw = zipped([("x.ipynb", b"1"), ("x.ipynb", b"2")])
        outer = zipped([("eve.ipynb", b"1"), ("ada.ipynb", b"ada"), ("eve.ipynb", b"2")])
    found = take(source([("eve/hw.zip", hw), ("bob.ipynb", b"bob")]))
    assert why(found["eve"]) == "x.ipynb is in the ZIP 2 times" and content(found["bob"]) == b"bob"
    (tmp_path / "outer.zip").write_bytes(outer)
    found = take(tmp_path / "outer.zip")
    assert "2 times" in why(found["eve"]) and content(found["ada"]) == b"ada"


def directory(data):
    """Where the entries of a ZIP's directory begin."""
    at = data.index(unzip.ENTRY)
    while data[at : at + 4] == unzip.ENTRY:
        yield at
        at += 46 + sum(struct.unpack_from("<3H", data, at + 28))


def flagged(data, flag, which=0):
    """Set a flag of one entry, in the directory and in its own header."""
    data = bytearray(data)
    entry = list(directory(data))[which]
    header = struct.unpack_from("<L", data, entry + 42)[0]
    data[entry + 8 + flag // 256 // 8] |= flag if flag < 256 else 0
    for at in (entry + 8, header + 6):
        struct.pack_into("<H", data, at, struct.unpack_from("<H", data, at)[0] | flag)
    return bytes(data)


def test_a_locked_file_is_refused_alone(tmp_path, take):
    data = zipped([("ada.ipynb", BOOK), ("bob.ipynb", b"bob")])
    (tmp_path / "in.zip").write_bytes(flagged(data, unzip.ENCRYPTED))
    found = take(tmp_path / "in.zip")
    assert why(found["ada"]) == "ada.ipynb is locked with a password; hand it in without one"
    assert content(found["bob"]) == b"bob"


def test_a_name_that_is_no_utf_8_is_refused_alone(tmp_path, take):
    data = zipped([("eve.ipynb", BOOK), ("ädä.ipynb", b"ada")])
    data = flagged(data.replace(b"eve.", b"\xff\xfe\xfd."), unzip.UTF8)
    with pytest.raises(UnicodeDecodeError):  # the module alone gives up the whole
        zipfile.ZipFile(io.BytesIO(data))
    (tmp_path / "in.zip").write_bytes(data)
    found = take(tmp_path / "in.zip")
    assert content(found.pop("ädä")) == b"ada"
    (eve,) = found.values()
    assert "damaged in the ZIP (UnicodeDecodeError)" in why(eve)


def test_utf_8_that_is_not_called_so(tmp_path, take):
    """As macOS writes it; and old names of DOS, which are no UTF-8."""
    data = zipped([("ada1.ipynb", b"1"), ("bobb.ipynb", b"2")])
    data = data.replace(b"ada1", "äda".encode()).replace(b"bobb", "böbb".encode("cp437"))
    (tmp_path / "in.zip").write_bytes(data)
    assert {s: content(h) for s, h in take(tmp_path / "in.zip").items()} == {
        "äda": b"1", "böbb": b"2",
    }  # fmt: skip


def test_no_entry_hides_in_another_s_comment(tmp_path, take):
    data = bytearray(zipped([("ada.ipynb", BOOK), ("eve.ipynb", BOOK)]))
    first, second = directory(data)
    struct.pack_into("<H", data, first + 32, len(data) - 22 - second)  # the comment's length
    assert zipfile.ZipFile(io.BytesIO(data)).namelist() == ["ada.ipynb"]
    (tmp_path / "in.zip").write_bytes(data)
    with pytest.raises(Refusal, match="only a part"):
        take(tmp_path / "in.zip")


def test_a_name_with_a_nul_is_refused_alone(tmp_path, take):
    data = zipped([("eve.ipynb0.txt", b""), ("ada.ipynb", b"ada")]).replace(b"b0.", b"b\0.")
    (tmp_path / "in.zip").write_bytes(data)
    found = take(tmp_path / "in.zip")
    assert "goes on after its end" in why(found["eve"]) and content(found["ada"]) == b"ada"


# ZIP bombs


def left_in(scratch):
    return sum(p.stat().st_size for p in scratch.rglob("*") if p.is_file())


@pytest.mark.parametrize("lie", [False, True], ids=["honest", "says it is small"])
def test_a_bomb_is_stopped_while_it_unpacks(lie, tmp_path, take, monkeypatch):
    monkeypatch.setattr(unzip, "FLOOR", 1 << 20)
    bomb = bytearray(zipped([("x.ipynb", b"0" * (30 << 20))]))
    if lie:  # the sizes in the directory and in the header: unpacked 100 bytes
        (at,) = directory(bomb)
        struct.pack_into("<L", bomb, at + 24, 100)
        struct.pack_into("<L", bomb, 22, 100)
    entries = [("eve/hw.zip", bytes(bomb)), ("ada.ipynb", b"ada"), ("zoe.ipynb", b"zoe")]
    found = take(zipped(entries, tmp_path / "in.zip", zipfile.ZIP_STORED))
    assert ("damaged" if lie else "more than 200 times the size of its ZIP") in why(found["eve"])
    assert content(found["ada"]) == b"ada" and content(found["zoe"]) == b"zoe"
    assert left_in(tmp_path / "scratch0") < 1 << 20


def test_a_notebook_may_not_be_larger_than_the_limit(tmp_path, take, monkeypatch):
    monkeypatch.setattr(unzip, "LARGEST", 1 << 20)
    found = take(zipped([("ada.ipynb", b"0" * (2 << 20)), ("bob.ipynb", b"")], tmp_path / "in.zip"))
    assert why(found["ada"]) == "ada.ipynb is larger than 1 MB; clear its outputs"
    assert content(found["bob"]) == b"" and left_in(tmp_path / "scratch0") == 0


def test_what_bombs_took_is_given_back_and_all_together_have_a_limit(tmp_path, take, monkeypatch):
    monkeypatch.setattr(unzip, "TOTAL", 1000)
    sizes = {"a": 400, "b": 2000, "c": 600, "d": 1}
    entries = [(f"{s}.ipynb", b"0" * n) for s, n in sizes.items()]
    found = take(zipped(entries, tmp_path / "in.zip"))
    assert len(content(found["a"])) == 400 and len(content(found["c"])) == 600
    assert "grade it apart" in why(found["b"]) and "grade it apart" in why(found["d"])


def test_many_small_bombs_are_one(tmp_path, take, monkeypatch):
    monkeypatch.setattr(unzip, "FLOOR", 1 << 20)
    entries = [(f"{i:02}.ipynb", b"0" * (1 << 20)) for i in range(40)]
    source = zipped(entries, tmp_path / "in.zip")
    found = take(source)
    fit = (200 * source.stat().st_size + (1 << 20)) >> 20
    assert 1 < fit < 40 and left_in(tmp_path / "scratch0") == fit << 20
    assert sum(isinstance(h.notebook, Path) for h in found.values()) == fit


def test_content_that_looks_like_a_directory_stays_as_it_is(tmp_path, take):
    data = zipped([("eve.ipynb", BOOK)])
    book = data[data.index(unzip.ENTRY) :].replace(b"eve.", b"\xff\xfe\xfd.")
    book = book[:9] + b"\x08" + book[10:]  # it says that its name is UTF-8
    found = take(zipped([("ada.ipynb", book)], tmp_path / "in.zip", zipfile.ZIP_STORED))
    assert content(found["ada"]) == book


def test_the_number_of_entries_has_a_limit(source, take, tmp_path, monkeypatch):
    monkeypatch.setattr(intake, "MOST_OF_ONE", 20)
    many = zipped([(f"{i}.txt", b"") for i in range(30)])
    found = take(source([("eve/hw.zip", many), ("bob.ipynb", b"bob")]))
    assert why(found["eve"]) == "hw.zip holds more than 20 files."
    assert content(found["bob"]) == b"bob"
    monkeypatch.setattr(intake, "MOST", 20)
    (tmp_path / "many.zip").write_bytes(many)
    with pytest.raises(Refusal, match=r"many\.zip holds more than 20 files"):
        take(tmp_path / "many.zip")


def test_a_full_disk_is_no_student_s_fault(tmp_path, take, monkeypatch):
    source = zipped([("ada.ipynb", BOOK)], tmp_path / "in.zip")

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(Refusal, match=r"cannot be unpacked.*No space left"):
        collect([source], NAME, tmp_path / "scratch")


def test_of_a_download_cut_short_no_student_s_zip_is_taken_for_the_class(tmp_path, take):
    entries = [("ada.ipynb", BOOK), ("eve.zip", zipped([("bob.ipynb", BOOK)])), ("zoe.ipynb", BOOK)]
    whole = zipped(entries, method=zipfile.ZIP_STORED)
    assert len(take(zipped(entries, tmp_path / "whole.zip", zipfile.ZIP_STORED))) == 3
    for cut in range(len(whole) - 1, 0, -1):
        (tmp_path / "cut.zip").write_bytes(whole[:cut])
        with pytest.raises(Refusal, match="cut short"):
            collect([tmp_path / "cut.zip"], NAME, tmp_path / "scratch")


@given(st.randoms(use_true_random=False))
def test_whatever_bytes_change_each_is_graded_or_refused(rng):
    hw = zipped([("hw/x.ipynb", b"x" * 99)])
    entries = [("ada_1_2_x.ipynb", b"1" * 99), ("Eve_assignsubmission_file_/hw.zip", hw)]
    data = bytearray(zipped(entries, method=rng.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])))
    for _ in range(rng.randint(1, 4)):
        data[rng.randrange(len(data))] = rng.randrange(256)
    with tempfile.TemporaryDirectory() as name:
        Path(name, "in.zip").write_bytes(data)
        with contextlib.suppress(Refusal):
            for handed in collect([Path(name, "in.zip")], NAME, Path(name, "scratch")):
                assert isinstance(handed.notebook, Refusal) or handed.notebook.is_file()
        assert {p.name for p in Path(name).iterdir()} <= {"in.zip", "scratch"}


# What the instructor reads


def test_the_report(tmp_path):
    handed = [
        Handed("ada", tmp_path / "x.ipynb", True, notes=("handed in as x.ipynb", "so")),
        Handed("bob\x1b[2J", Refusal("there is no notebook")),
    ]
    assert report(handed).splitlines() == [
        "student  graded   late  note",
        "ada      x.ipynb  late  handed in as x.ipynb; so",
        "bob [2J  nothing        NEEDS A PERSON: there is no notebook",
        "2 handed in, 1 late; 1 will be graded, 1 needs a person: bob [2J",
    ]
    assert report(handed[:1]).splitlines()[-1] == "1 handed in, 1 late; 1 will be graded"


def test_columns():
    assert columns([["a", "b"], ["long", ""]]) == "a     b\nlong"
