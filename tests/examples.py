"""Examples in docstrings: every name that a room hands out has one, and all of them run."""

import doctest
from types import ModuleType


def handed_out(room: ModuleType) -> list[str]:
    """Return the names of a room's face that want an example: all but modules and exceptions."""
    things = {name: getattr(room, name) for name in room.__all__}
    errors = [n for n, t in things.items() if isinstance(t, type) and issubclass(t, Exception)]
    return [n for n, t in things.items() if not isinstance(t, ModuleType) and n not in errors]


def run_example(room: ModuleType, name: str) -> None:
    """Run the examples of a name, as who has imported the room's names would."""
    names = {each: getattr(room, each) for each in room.__all__}
    found = doctest.DocTestFinder(recurse=False).find(getattr(room, name), name, globs=names)
    assert any(test.examples for test in found), f"{name} has no example in its docstring"
    said: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    for test in found:
        runner.run(test, out=said.append)
    assert not runner.failures, "".join(said)
