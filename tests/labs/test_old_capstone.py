"""The capstone that was handed out first: it runs whole, says what has moved, and is right."""

from __future__ import annotations

import copy
import re
import sys
import types
import warnings
from pathlib import Path

import nbformat
import pytest
import torch

from course_lib.labs.people import made_people
from course_lib.pruning import iterative_pruning
from course_lib.training import Recipe, Trainer, mlp

ROOT = Path(__file__).parents[2]
NAME = "15_capstone"
OLD = ROOT / "tests/grading/released/0062cff/submissions" / NAME / "ada" / f"{NAME}.ipynb"
MOVED = {  # what it imports by names of then, and where that is now
    "course_lib.labs.fairness.scrambled": "course_lib.labs.people import scrambled",
    "course_lib.labs.fairness.transposed": "course_lib.labs.people import transposed",
    "course_lib.labs.fairness.with_minority": "course_lib.labs.people import with_minority",
    "course_lib.labs.report_card.made_people": "course_lib.labs.people import made_people",
    "course_lib.pruning.iterative.iterative_pruning": "course_lib.pruning import iterative_pruning",
}


@pytest.fixture(scope="module")
def ran():
    """Run it as a program of its own: the names it ends with, and what it was warned of."""
    program = types.ModuleType("__main__")
    cells = [c.source for c in nbformat.read(OLD, 4).cells if c.cell_type == "code"]
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings(record=True) as said:
        patch.setitem(sys.modules, "__main__", program)
        patch.chdir(ROOT / "exercises" / "release" / NAME)  # where the checks lie
        warnings.simplefilter("ignore")
        warnings.filterwarnings("always", category=DeprecationWarning, module="__main__")
        for source in cells:
            exec(compile(source, "capstone", "exec"), vars(program))
    return vars(program), [str(warning.message) for warning in said]


@pytest.mark.slow
def test_it_says_what_has_moved(ran):
    names = [f"{old} is gone with the next release: write from {now}" for old, now in MOVED.items()]
    trainer = "Trainer(X, y, recipe) goes with the next release: write Trainer((X, y), recipe)"
    assert ran[1] == names + 5 * [trainer]


@pytest.mark.slow
def test_its_tasks_and_its_card_are_right(ran, capsys, monkeypatch):
    names, _ = ran
    monkeypatch.chdir(ROOT / "exercises" / "release" / NAME)
    monkeypatch.setitem(sys.modules, "__main__", types.SimpleNamespace(**names))
    for task in ("recipe", "stored_bytes", "group_shares", "verdict"):
        names["check"](task)
        assert re.match(rf"{task}: ([\d.]+) of \1 points\n", capsys.readouterr().out)
    card, data = names["card"], made_people()
    for key in ("people", "digits", "mnist1d"):
        assert len(set(names["CHOICES"][key]().group)) == 2
    card.check(names["pairs"])
    dense, pruned = names["pairs"][0]
    assert card.size["density"] == 0.1 and list(names["pairs"]) == [0, 1, 2, 3, 4]
    right = (pruned(data.X_test).argmax(dim=1) == data.y_test).double().mean()
    assert card.accuracy["overall"]["pruned"][0] == pytest.approx(float(right)) and right > 0.8
    # ... and what it trained and pruned is what the words of today train and prune, to the bit.
    model = mlp((data.X.shape[1], 100, 100, 2), 0)
    train = Trainer((data.X, data.y), Recipe(steps=300), seeds=[0])
    rounds = iterative_pruning(model, train, densities=[0.5, 0.2, 0.1])
    now = [copy.deepcopy(model) for _ in rounds]
    for then, today in ((dense, now[0]), (pruned, now[-1])):
        assert all(torch.equal(w, today.state_dict()[k]) for k, w in then.state_dict().items())
