"""Every rung gives the dense product; and the roofline's arithmetic, by hand."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.sparse import roofline
from course_lib.sparse.formats import CSR, BlockCSR
from course_lib.sparse.ladder import RUNGS, blocked, shifted
from course_lib.sparse.roofline import Machine, break_even, operations, race, traffic


def climbs(rung, rows, columns, batch, density, seed=0):
    rng = np.random.default_rng(seed)
    kept = rng.random((rows, columns)) < density
    weight = (rng.standard_normal((rows, columns)) * kept).astype(np.float32)
    x = rng.standard_normal((columns, batch)).astype(np.float32)
    csr, y = CSR.from_dense(weight, kept), np.full((rows, batch), np.nan, np.float32)
    rung(csr.values, csr.columns, csr.pointers, x, y)
    assert np.allclose(y, weight.astype(float) @ x, atol=1e-4)


@pytest.mark.parametrize("rung", RUNGS.values(), ids=RUNGS)
@pytest.mark.parametrize("batch", [1, 7, 16, 128, 129])
def test_rungs(rung, batch):
    for rows, columns, density in ((1, 1, 1), (20, 30, 0.2), (5, 9, 0), (0, 3, 1), (7, 40, 1)):
        climbs(rung, rows, columns, batch, density)


@settings(max_examples=30, deadline=None)
@given(
    rung=st.sampled_from(list(RUNGS)),
    shape=st.tuples(st.integers(1, 30), st.integers(1, 30), st.integers(1, 140)),
    density=st.floats(0, 1),
)
def test_rungs_on_any_shape(rung, shape, density):
    climbs(RUNGS[rung], *shape, density)


@settings(max_examples=40, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 30), st.integers(1, 30), st.integers(1, 140)),
    density=st.floats(0, 1),
    seed=st.integers(0, 99),
)
def test_blocks_of_four_rows(shape, density, seed):
    rows, columns, batch = shape
    rng = np.random.default_rng(seed)
    weight = rng.standard_normal((rows, columns)) * (rng.random((rows, columns)) < density)
    x = rng.standard_normal((columns, batch)).astype(np.float32)
    matrix = BlockCSR.from_dense(weight.astype(np.float32))
    room = np.full((rows + 1, batch), np.nan, np.float32)
    blocked(matrix.values, matrix.columns, matrix.pointers, x, room[:-1])
    assert np.allclose(room[:-1], weight @ x, atol=1e-4)
    assert np.isnan(room[-1]).all()  # a block that sticks out writes nothing there


@pytest.mark.parametrize("offset", [0, 16, 32, 48])
def test_shifted(offset):
    room = shifted(6, 10, offset)
    assert room.ctypes.data % 64 == offset and room.shape == (6, 10)
    assert room.flags.c_contiguous and room.dtype == np.float32
    room[:] = 1  # all of it is there


def test_counts_by_hand():
    assert operations(weights=100, batch=8) == 1600
    csr = CSR.from_dense(np.ones((10, 20), np.float32))
    assert traffic(csr.nbytes, (10, 20), 3) == 200 * 6 + 44 + 4 * 3 * 30
    assert traffic(800, (10, 20), 3, itemsize=8) == 800 + 720


def test_roof():
    machine = Machine(peak=100.0, bandwidth=20.0)
    assert machine.ridge == 5
    assert machine.attainable([0.5, 5, 50]).tolist() == [10, 100, 100]
    assert machine.seconds(1000, 1) == 10 and machine.seconds(1, 1000) == 50


def test_measured_numbers_can_be():
    machine = Machine.measure()
    assert machine is Machine.measure()
    assert 1e8 < machine.bandwidth < 1e13 and 1e9 < machine.peak < 1e13
    cached = roofline.measured_bandwidth(64 * 1024)
    assert 1e8 < cached < 1e14


def test_a_race_takes_turns_and_keeps_the_best():
    ran = []
    found = race({"a": lambda: ran.append("a"), "b": lambda: ran.append("b")}, 0.01)
    assert set(found) == {"a", "b"} and all(0 < t < 1 for t in found.values())
    assert ran[:4] == list("abab") and ran[4:10] == list("aaabbb")


@pytest.mark.parametrize(
    "times,expected",
    [
        (dict(dense=5.0, few=1.0, many=4.0), 0.5),  # a line through .1 and .4, met at .5
        (dict(dense=0.5, few=1.0, many=4.0), 0.05),
        (dict(dense=90.0, few=1.0, many=4.0), 1.0),
        (dict(dense=0.1, few=3.0, many=4.0), 0.0),
        (dict(dense=5.0, few=1.0, many=1.0), 1.0),
        (dict(dense=0.5, few=1.0, many=1.0), 0.0),
    ],
)
def test_break_even(times, expected, monkeypatch):
    monkeypatch.setattr(roofline, "race", lambda runners, seconds: times)
    roofline._break_even.cache_clear()
    assert math.isclose(break_even(60, 70, 3), expected)
    roofline._break_even.cache_clear()


def test_break_even_is_measured_once_for_similar_shapes(monkeypatch):
    seen = []

    def watched(runners, seconds):
        seen.append({name: run().shape for name, run in runners.items()})
        return dict(dense=5.0, few=1.0, many=4.0)

    monkeypatch.setattr(roofline, "race", watched)
    roofline._break_even.cache_clear()
    for shape in ((60, 120, 3), (64, 128, 4), (70, 130, 5)):
        break_even(*shape)
    roofline._break_even.cache_clear()
    assert seen == [{"dense": torch.Size([4, 64]), "few": (64, 4), "many": (64, 4)}]
