"""Code that is compiled once, kept where it can be kept, and right where it cannot."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numba.core import caching

import course_lib
from course_lib.sparse.compilers import njit


def twice():
    """Make a new function, which no cache knows in this process."""

    @njit(nogil=True, cache=True)
    def double(x):
        return 2 * x

    return double


def test_the_next_one_finds_the_code(monkeypatch, tmp_path):
    monkeypatch.setattr("numba.core.config.CACHE_DIR", str(tmp_path))
    assert twice()(np.ones(3)).tolist() == [2, 2, 2]
    again = twice()
    assert again(np.ones(3)).tolist() == [2, 2, 2]
    assert sum(again.stats.cache_hits.values()) == 1
    assert list(tmp_path.rglob("*.nbi"))


def test_nowhere_to_keep_the_code(monkeypatch):
    monkeypatch.setattr(caching.CacheImpl, "_locator_classes", [])
    assert twice()(np.ones(3)).tolist() == [2, 2, 2]


@pytest.mark.parametrize("act", ["save", "load"])
@pytest.mark.parametrize("error", [OSError(28, "no space left"), PermissionError(13, "denied")])
def test_a_full_disk_and_a_file_of_somebody_else(monkeypatch, tmp_path, act, error):
    monkeypatch.setattr("numba.core.config.CACHE_DIR", str(tmp_path))

    def refuse(*given):
        raise error

    monkeypatch.setattr(caching.IndexDataCacheFile, act, refuse)
    assert twice()(np.ones(3)).tolist() == [2, 2, 2]


@pytest.mark.slow
def test_a_course_and_a_home_that_cannot_be_written_to(tmp_path):
    """Files stand where the folders of the cache would be: nobody can make these, not even root."""
    room = tmp_path / "course_lib"
    for part in ("__init__.py", "files.py", "masks", "sparse"):
        source, target = Path(course_lib.__file__).parent / part, room / part
        target.parent.mkdir(exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
            (target / "__pycache__").write_text("")
        else:
            shutil.copy(source, target)
    code = (
        "import torch, course_lib; from torch import nn; from course_lib.masks import Mask\n"
        "from course_lib.sparse import densify, ladder, sparsify\n"
        "net = sparsify(nn.Linear(3, 2), Mask({'weight': torch.ones(2, 3) > 0}))\n"
        "x = torch.ones(4, 3)\n"
        "print(torch.allclose(net(x), densify(net)(x)), course_lib.__file__)"
    )
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME")
    }
    environment |= {"HOME": os.devnull + "/home", "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.stdout.split() == ["True", str(room / "__init__.py")], done.stderr
