"""Examples in the docstrings of labs run, and what can be shown in a line or two has one."""

import doctest
from importlib import import_module
from pathlib import Path

import pytest

LABS = Path(__file__).parents[2] / "course_lib" / "labs"
MODULES = [path.stem for path in sorted(LABS.glob("[a-z]*.py"))]


def found(name):
    """The docstrings with examples of a module, each as who works in the module would try it."""
    module = import_module(f"course_lib.labs.{name}")
    return [test for test in doctest.DocTestFinder().find(module) if test.examples]


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name):
    runner = doctest.DocTestRunner()
    for test in found(name):
        said = []
        runner.run(test, out=said.append)
        assert not runner.failures, "".join(said)


def test_there_are_examples():
    assert sum(len(found(name)) for name in MODULES) >= 65
