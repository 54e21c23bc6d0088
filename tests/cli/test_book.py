"""`course book`: strict, whole, not satisfied by a failed build, served. `course lab` opens."""

import json
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
import zipfile

import click
import pytest

from course_lib.cli.book import broken_pages, build, fingerprint, pack, pages

CONFIG = "title: Trial\nauthor: Nobody\nonly_build_toc_files: true\n"


@pytest.fixture
def small_book(course):
    (course / "_config.yml").write_text(CONFIG)
    (course / "welcome.md").write_text("# Welcome\n\nRead on.\n")
    return course


def test_pages_of_a_contents_file():
    toc = {
        "format": "jb-book",
        "root": "a",
        "parts": [
            {"caption": "One", "chapters": [{"file": "b/c", "sections": [{"file": "d.ipynb"}]}]},
            {"chapters": [{"url": "https://example.org"}]},
        ],
    }
    assert list(pages(toc)) == ["a", "b/c", "d.ipynb"]


def test_missing_and_broken_pages_are_named(small_book):
    (small_book / "_toc.yml").write_text(
        "format: jb-book\nroot: welcome\nchapters:\n- file: gone.md\n"
    )
    html = small_book / "html"
    html.mkdir()
    (html / "welcome.html").write_text("<pre>Traceback (most recent call last)</pre>")
    assert list(broken_pages(small_book, html)) == [
        "welcome shows a traceback",
        "gone.md has no page",
    ]


def test_the_fingerprint_follows_what_pages_are_made_of(small_book):
    first = fingerprint(small_book)
    (small_book / "README.md").write_text("not part of the book")
    assert fingerprint(small_book) == first
    (small_book / "notebooks" / "01_new.ipynb").write_text("{}")
    second = fingerprint(small_book)
    (small_book / "notebooks" / "01_new.ipynb").rename(small_book / "notebooks" / "02_new.ipynb")
    assert len({first, second, fingerprint(small_book)}) == 3


@pytest.mark.slow
def test_an_archive_of_the_pages_opens_from_a_folder(tmp_path):
    html = tmp_path / "html"
    (html / "book").mkdir(parents=True)
    (html / "index.html").write_text("<a href='book/one.html'>one</a>")
    (html / "book" / "one.html").write_text("one")
    first = pack(html, tmp_path / "dist" / "the-book.zip").read_bytes()
    (html / "index.html").touch()
    assert pack(html, tmp_path / "dist" / "the-book.zip").read_bytes() == first
    with zipfile.ZipFile(tmp_path / "dist" / "the-book.zip") as bundle:
        bundle.extractall(tmp_path / "out")
    assert (tmp_path / "out" / "the-book" / "book" / "one.html").read_text() == "one"
    assert [p.name for p in (tmp_path / "dist").iterdir()] == ["the-book.zip"]


@pytest.mark.slow
def test_a_failed_build_is_never_taken_for_a_book(small_book):
    (small_book / "book").mkdir()
    (small_book / "_toc.yml").write_text("format: jb-book\nroot: book/welcome\n")
    page = small_book / "book" / "welcome.md"
    page.write_text("# Welcome\n\n[nowhere](nowhere.md)\n")
    for _ in range(2):  # Sphinx alone says a warning once: the second build would pass
        with pytest.raises(click.ClickException, match="did not build"):
            build(small_book)
    page.write_text("# Welcome\n\nRead on.\n")
    html = build(small_book)
    assert (html / "index.html").is_file()


@pytest.mark.slow
def test_the_book_is_served_on_the_next_port_if_one_is_busy(small_book, course_command):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        busy = taken.getsockname()[1]
        server = subprocess.Popen(
            [*course_command, "book", "--port", str(busy)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            # Ctrl-C counts, even where the tests themselves were started in the background.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        said = []
        for line in server.stdout:
            said.append(line)
            if "http://localhost" in line:
                break
        address = said[-1].split()[4]
        try:
            assert any(f"Port {busy} is busy; using" in line for line in said)
            with urllib.request.urlopen(address, timeout=600) as answer:
                assert answer.status == 200
                assert "welcome" in answer.read().decode()
        finally:
            server.send_signal(signal.SIGINT)
        assert server.wait() == 130
        assert server.stdout.read().split() == ["Stopped."]


@pytest.mark.slow
def test_a_second_build_does_nothing(small_book, course_command):
    command = [*course_command, "book", "--no-serve"]
    assert subprocess.run(command, capture_output=True).returncode == 0
    again = subprocess.run(command, capture_output=True, text=True)
    assert again.returncode == 0
    assert again.stdout == "The book is up to date.\n"


@pytest.mark.parametrize("port", ["0", "70000", "web"])
def test_a_port_that_is_none_is_refused(small_book, course_command, port):
    command = [*course_command, "book", "--port", port]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 2
    assert "Invalid value for '--port'" in result.stderr


def patiently(address):
    """Read an address whose server says it before it listens; pytest's own limit ends a hang."""
    while True:
        try:
            with urllib.request.urlopen(address, timeout=600) as answer:
                return answer.read()
        except urllib.error.URLError:
            time.sleep(0.25)


@pytest.mark.slow
def test_the_lab_opens_on_the_course(small_book, course_command):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [*course_command, "lab", "--no-browser", "--port", str(port)]
    lab = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        start = "/lab/tree/start.md?"
        line = next(line for line in lab.stdout if f"{start}token=" in line)
        address = line[line.index("http") :].strip().replace(start, "/api/contents?")
        names = [entry["name"] for entry in json.loads(patiently(address))["content"]]
        assert "notebooks" in names
    finally:
        lab.terminate()
        lab.wait()
