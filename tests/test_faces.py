"""Faces of the rooms: what each hands out, an example for all of it, and what it may import."""

import ast
import doctest
import importlib
import inspect
import re
import subprocess
import sys
import textwrap
import warnings
from pathlib import Path

import pytest
import torch

LIBRARY = Path(__file__).resolve().parents[1] / "course_lib"
ROOMS = ("masks", "training", "pruning", "sparse")


def named(face):
    """What a face hands out, by name: of its modules, all that is public in them."""
    for name in face.__all__:
        if not hasattr(face, name):
            importlib.import_module(f"{face.__name__}.{name}")
        thing = getattr(face, name)
        if inspect.ismodule(thing):
            own = {n: v for n, v in vars(thing).items() if not n.startswith("_") and callable(v)}
            for inner, value in own.items():
                if getattr(value, "__module__", None) == thing.__name__:
                    yield f"{name}.{inner}", value
        elif getattr(thing, "__module__", "").startswith("course_lib."):  # no alias of a type
            yield name, thing


PUBLIC = [
    (room, name, thing)
    for room in ROOMS
    for name, thing in named(importlib.import_module(f"course_lib.{room}"))
]


@pytest.mark.parametrize(
    "thing", [p[2] for p in PUBLIC], ids=[f"{room}.{name}" for room, name, _ in PUBLIC]
)
def test_all_that_is_public_has_an_example_and_it_runs(thing, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    module = sys.modules[thing.__module__]
    examples = doctest.DocTestParser().get_doctest(
        inspect.getdoc(thing), dict(vars(module)), thing.__name__, module.__file__, None
    )
    assert examples.examples, "no example: write one under Examples: in its docstring"
    said = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    with torch.random.fork_rng(), warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)
        torch.manual_seed(0)
        runner.run(examples, out=said.append)
    assert not runner.failures, "".join(said)


@pytest.mark.parametrize("room", ROOMS)
def test_a_face_hands_out_what_its_docstring_tells_of(room):
    face = importlib.import_module(f"course_lib.{room}")
    assert len(set(face.__all__)) == len(face.__all__) > 5
    told = set(face.__doc__.replace("`", " ").replace(",", " ").replace(":", " ").split())
    modules = {path.stem for path in (LIBRARY / room).glob("*.py")}
    homes = {
        getattr(getattr(face, n, None), "__module__", "").rpartition(".")[2] for n in face.__all__
    }
    assert (homes & modules) <= told, "the docstring of the face names each module that it opens"


def test_the_three_verbs_are_three_names():
    from course_lib.masks import select
    from course_lib.pruning import score
    from course_lib.training import refit

    assert [f.__name__ for f in (score, select, refit)] == ["score", "select", "refit"]


# Of Python's own modules those that not every system has.
POSIX = {
    "_posixsubprocess", "crypt", "fcntl", "grp", "nis", "ossaudiodev", "posix", "pty", "pwd",
    "readline", "resource", "spwd", "syslog", "termios", "tty",
}  # fmt: skip


def own(module):
    """The file of a module of the library; None for others."""
    path = LIBRARY.parent / Path(*module.split("."))
    found = [p for p in (path.with_suffix(".py"), path / "__init__.py") if p.is_file()]
    return found[0] if found and module.startswith("course_lib") else None


def imports(path):
    """What a file imports, wherever it says so."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_the_rooms_of_pruning_say_nothing_that_only_posix_knows():
    todo = [path for room in ROOMS for path in (LIBRARY / room).glob("*.py")]
    seen = set()
    while todo:
        path = todo.pop()
        if path not in seen:
            seen.add(path)
            wanted = set(imports(path))
            assert not {name.partition(".")[0] for name in wanted} & POSIX, path.name
            todo += [found for name in wanted if (found := own(name))]
    assert len(seen) > 40


@pytest.mark.slow
def test_the_rooms_of_pruning_are_imported_where_there_is_no_posix():
    program = f"""
import sys
for room in {ROOMS}: assert f"course_lib.{{room}}" not in sys.modules
import mnist1d, numba, scipy, sklearn, torch, tqdm, concurrent.futures.process  # of others
import torch.utils.data, torch.nn.utils.prune
for name in {sorted(POSIX)}: sys.modules[name] = None
import importlib, pkgutil
for room in {ROOMS}:
    face = importlib.import_module(f"course_lib.{{room}}")
    for module in pkgutil.iter_modules(face.__path__, face.__name__ + "."):
        importlib.import_module(module.name)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def readme():
    """The examples of README's part on the library, each one a text of code."""
    text = (LIBRARY.parent / "README.md").read_text("utf-8")
    part = text.partition("## Prune a network of your own\n")[2].partition("\n## ")[0]
    blocks = re.findall(r"(?:^    .*\n|^\n(?=    ))+", part, re.MULTILINE)
    return [textwrap.dedent(block).strip() for block in blocks]


@pytest.mark.slow
def test_the_readme_shows_the_three_verbs_in_three_lines_that_run(capsys):
    verbs, whole = readme()
    lines = verbs.splitlines()
    assert len(lines) == 3
    assert [re.search(r"(\w+)\(", line)[1] for line in lines] == ["score", "select", "refit"]
    assert verbs in whole  # and so the longer example runs them
    scope = {}
    exec(whole, scope)
    told = capsys.readouterr().out
    dense, pruned = (float(share) for share in re.findall(r"([0-9.]+)% with", told))
    assert dense > 90 and pruned > 90
    mask = scope["mask"]
    assert mask.kept == round(0.1 * mask.numel) and "the network" in told
    for name, w in scope["model"].named_parameters():
        if name in mask:
            assert not w[~mask[name]].any() and w[mask[name]].all()
