"""Data and its cache."""

import random

import numpy as np
import pytest
import torch

from course_lib.training import data as data_module
from course_lib.training.data import Data, digits, mnist1d


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path))
    return tmp_path


def test_mnist1d_is_made_once_and_is_the_same_when_read(cache, monkeypatch):
    first = mnist1d(100, seed=3)
    assert first.X.shape == (80, 40) and first.X_test.shape == (20, 40)
    assert (first.X.dtype, first.y.dtype) == (torch.float32, torch.int64)
    monkeypatch.setattr("mnist1d.data.make_dataset", lambda _: pytest.fail("made again"))
    assert all(map(torch.equal, first, mnist1d(100, seed=3)))


def test_another_seed_gives_fresh_examples_and_global_randomness_is_left_alone(cache):
    states = random.getstate(), np.random.get_state()[1].tolist()
    assert not torch.equal(mnist1d(100, 1).X, mnist1d(100, 2).X)
    assert states == (random.getstate(), np.random.get_state()[1].tolist())


@pytest.mark.parametrize("spoil", ["cut", "flip", "empty", "folder", "other"])
def test_a_broken_cache_is_made_anew(cache, spoil):
    good = mnist1d(100)
    (path,) = cache.glob("*.safetensors")
    content = path.read_bytes()
    if spoil == "folder":
        path.unlink()
        path.mkdir()
    else:
        changed = bytearray(content)
        changed[-3] ^= 1
        path.write_bytes(
            {"cut": content[:-9], "flip": bytes(changed), "empty": b"", "other": b"x" * 500}[spoil]
        )
    assert all(map(torch.equal, good, mnist1d(100)))
    if spoil != "folder":
        assert path.read_bytes() == content


def test_no_place_for_a_cache_is_no_failure(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "file" / "below"))
    assert len(mnist1d(100).X) == 80


def test_a_user_without_a_home_has_the_data_all_the_same(monkeypatch):
    for variable in ("COURSE_CACHE", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(variable, raising=False)

    def nobody(uid):
        raise KeyError(f"getpwuid(): uid not found: {uid}")

    monkeypatch.setattr("pwd.getpwuid", nobody)
    with pytest.raises(FileNotFoundError, match="COURSE_CACHE"):
        data_module.cache_folder()
    assert len(mnist1d(100).X) == 80


def test_holding_out_splits_and_never_shows_the_test_set():
    data = digits()
    assert (len(data.X), len(data.X_test)) == (1258, 539)
    chosen = data.hold_out(0.25, seed=1)
    rows = {tuple(row) for row in torch.cat([chosen.X, chosen.X_test]).tolist()}
    assert len(chosen.X) + len(chosen.X_test) == len(data.X)
    assert rows == {tuple(row) for row in data.X.tolist()}
    for share in (0.0, 1.0):
        with pytest.raises(ValueError, match="share"):
            Data(*data).hold_out(share, 0)
    with pytest.raises(ValueError, match="at least 50"):
        mnist1d(10)
