"""A fingerprint is another one for all that decides a result, and the same in every process."""

import copy
import importlib
import os
import subprocess
import sys
from typing import TypeVar

import pytest
import torch
from torch import nn

from course_lib.pruning.fingerprint import Unknown, fingerprint
from course_lib.training.fit import Recipe, fit
from tests.pruning.trained import X, y

RATE = 0.1


def of_a_global(model, mask=None, **rest):
    fit(model, (X, y), Recipe(steps=3, lr=helped()), mask=mask)


def helped():
    return RATE


def holding(k):
    return lambda model: k


def recursive(n):
    return recursive(n - 1) if n else back(n)


def back(n):
    return recursive(n)


def test_functions_are_told_by_all_they_refer_to(monkeypatch):
    before = fingerprint(of_a_global)
    assert fingerprint(of_a_global) == before
    monkeypatch.setitem(globals(), "RATE", 0.2)
    assert fingerprint(of_a_global) != before
    assert len(fingerprint(recursive)) == 64 != fingerprint(back)
    counted = [fingerprint(lambda model, k=k: k) for k in (1, 2)]
    held = [fingerprint(holding(k)) for k in (1, 2)]
    assert len({*counted, *held}) == 4
    tied = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    untied = copy.deepcopy(tied)
    tied[1].weight = tied[0].weight
    untied[1].weight.data.copy_(untied[0].weight)
    assert fingerprint(tied) != fingerprint(untied)


WAYS_TO_A_MODULE = {
    "a name of the module": "import helpers\ndef f(m, d, l): return helpers.score(m)",
    "through a package": "import pack.helpers\ndef f(m, d, l): return pack.helpers.score(m)",
    "imported within": "def f(m, d, l):\n    from helpers import score\n    return score(m)",
    "from a package": "def f(m, d, l):\n    from pack import helpers\n    return helpers.score(m)",
    "whole, within": "def f(m, d, l):\n    import helpers as h\n    return h.score(m)",
    "deep, within": "def f(m, d, l):\n    import pack.helpers\n    return pack.helpers.score(m)",
    "handed on": "import helpers\ndef f(m, d, l): return getattr(helpers, 'sc' + 'ore')(m)",
    "kept": "import functools, helpers\ndef g(h, m): 0\nf = functools.partial(g, helpers)",
    "in a class": (
        "import helpers\nclass F:\n    def __call__(self, m): return helpers.score(m)\nf = F()"
    ),
    "cached": (
        "import functools, helpers\n@functools.lru_cache\ndef g(m): return helpers.score(m)\n"
        "def f(m, d, l): return g(m)"
    ),
    "written on it": "import helpers\ndef f(m, d, l): return f.score(m)\nf.score = helpers.score",
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS_TO_A_MODULE)
def test_what_lies_in_modules_of_ones_own_is_told_by_its_contents(way, tmp_path, monkeypatch):
    """A criterion behind a module was told by the module's name, and its old rounds were taken."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "__init__.py").touch()

    def told_with(power, word=""):
        source = f"RATE = {power}\ndef score(m): return m ** RATE\n" + word
        for own in ("helpers", "pack", "pack.helpers"):
            monkeypatch.delitem(sys.modules, own, raising=False)
        for path in (tmp_path, tmp_path / "pack"):
            (path / "helpers.py").write_text(source)
        importlib.invalidate_caches()
        scope = {"__name__": "__main__"}
        exec(WAYS_TO_A_MODULE[way], scope)
        return fingerprint(scope["f"])

    assert told_with(1) == told_with(1) != told_with(2)


def test_what_is_told_by_its_name_alone_is_refused_unless_it_is_a_librarys():
    class Strange:
        def __reduce_ex__(self, version):
            return "Strange"

    T = TypeVar("T")
    assert fingerprint(torch.relu) != fingerprint(torch.tanh)
    assert fingerprint(T) == fingerprint(T)
    with pytest.raises(Unknown, match="nothing but its name"):
        fingerprint(Strange())


IN_ANOTHER_PROCESS = """
import torch
from functools import partial
from torch import nn
from course_lib.pruning import criteria
from course_lib.pruning.fingerprint import fingerprint
from course_lib.training.fit import Recipe
from course_lib.training.models import mlp
from course_lib.training.schedules import exponential
from course_lib.training.trainer import Trainer

X, y = torch.arange(12.).view(4, 3), torch.tensor([0, 1, 1, 0])

class Own:
    words = {"a", "b", "sets", "have", "no", "order"}
    def __init__(self): self.rates = {"one": 0.1}
    def __call__(self, model, mask=None, **rest): return model in {"x", "y", "zed"} and helper()

def helper(): return X.sum() + len(Own.words)

torch.manual_seed(0)
print(fingerprint([
    Own(), Own.__call__, helper, lambda model, data, loss: helper(), nn.LSTM(3, 3), mlp((3, 3), 0),
    Trainer((X, y), Recipe(steps=3, schedule=exponential(0.1))), partial(criteria.obd, probes=3),
    nn.CrossEntropyLoss(label_smoothing=0.1), torch.Generator().manual_seed(1),
    torch.utils.data.DataLoader(torch.utils.data.TensorDataset(X, y), 2),
]))
"""


@pytest.mark.slow
def test_the_fingerprint_is_the_same_in_every_process(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(IN_ANOTHER_PROCESS)
    found = {
        subprocess.run(
            [sys.executable, str(script)], env={**os.environ, "PYTHONHASHSEED": str(seed)},
            capture_output=True, text=True, check=True,
        ).stdout
        for seed in (1, 2)
    }  # fmt: skip
    assert len(found) == 1 and len(found.pop().strip()) == 64
