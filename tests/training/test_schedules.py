"""Schedules."""

import pytest

from course_lib.training import schedules
from course_lib.training.fit import Recipe


def test_schedules():
    assert [schedules.cosine(u) for u in (0, 0.5)] == pytest.approx([1, 0.5])
    assert schedules.linear(0.25) == 0.75 and schedules.constant(0.9) == 1
    assert schedules.exponential(0.01)(0.5) == pytest.approx(0.1)
    assert [schedules.drops(0.5, 0.8)(u) for u in (0.4, 0.5, 0.9)] == pytest.approx([1, 0.1, 0.01])
    with pytest.raises(ValueError, match="end"):
        schedules.exponential(0)
    for wrong in ({"optimiser": "lion"}, {"steps": 0}, {"dropout": 1.0}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            Recipe(**wrong)
