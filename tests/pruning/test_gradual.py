"""Pruning while training, against its schedule."""

from functools import partial

import pytest

from course_lib.masks import Mask, prunable
from course_lib.pruning import (
    criteria,
    cubic,
    gradual_pruning,
)  # fmt: skip
from course_lib.training.fit import Recipe
from course_lib.training.replicas import Replicas
from course_lib.training.trainer import Trainer
from tests.pruning.trained import TRAIN, X, net, states_equal, y


def test_cubic_schedule():
    run = partial(cubic, begin=10, end=110, density=0.1)
    assert [run(t) for t in (0, 10, 110, 500)] == pytest.approx([1, 1, 0.1, 0.1])
    assert run(60) == pytest.approx(0.1 + 0.9 / 8)
    falling = [run(t) for t in range(200)]
    assert falling == sorted(falling, reverse=True)
    with pytest.raises(ValueError, match="begin < end"):
        cubic(1, begin=5, end=5, density=0.1)


@pytest.mark.parametrize("make", [net, lambda: Replicas([net(0), net(1)])])
def test_gradual_pruning_follows_the_cubic(make):
    model = make()
    train = Trainer((X, y), Recipe(steps=40, batch=8), seeds=range(getattr(model, "count", 1)))
    seen = {}

    def watched(model, mask=None, *, on_step, **rest):
        def look(step):
            new = on_step(step)
            if new is not None:
                seen[step] = new.density
            return new

        train(model, mask, on_step=look, **rest)

    mask = gradual_pruning(model, watched, density=0.2, begin=8, end=33, every=10)
    assert sorted(seen) == [18, 28, 33]
    for step, density in seen.items():
        assert density == pytest.approx(cubic(step, begin=8, end=33, density=0.2), abs=0.01)
    assert all((w[~mask[n]] == 0).all() for n, w in prunable(model).items())
    assert mask.density == pytest.approx(0.2, abs=0.01)


def test_gradual_pruning_does_all_that_it_says_or_says_so():
    settings_ = {"density": 0.2, "begin": 2, "end": 9}
    for wrong, said in (
        ({"end": 13}, "the last cut would never come"),
        ({"begin": 9}, "begin < end"),
        ({"every": 0}, "every: given 0"),
        ({"every": "2"}, "every: given '2'"),
        ({"every": 2.5}, "every: given 2.5"),
        ({"begin": None}, "begin: given None, expected a number"),
        ({"density": None}, "density: given None, expected a number"),
        ({"density": True}, "density: given True"),
        ({"mask": {}}, "mask: given a dict, expected a Mask"),
        ({"train": None}, "train: given None"),
        ({"train": lambda model, mask: None}, "train: .*'on_step'"),
        ({"density": 1.5}, "a share"),
        ({"mask": Mask({n: w > 9 for n, w in prunable(net()).items()})}, "do not come back"),
        ({"criterion": criteria.snip}, r"Give data=\(X, y\)"),
    ):
        model = net()
        with pytest.raises((TypeError, ValueError), match=said):
            gradual_pruning(model, **{"train": TRAIN} | settings_ | wrong)
        assert states_equal(model.state_dict(), net().state_dict())

    def deaf(model, mask=None, *, on_step=None, **rest):
        TRAIN(model, mask, **rest)

    with pytest.raises(ValueError, match="Does it call on_step"):
        gradual_pruning(net(), deaf, **settings_)
    by_slope = gradual_pruning(net(), TRAIN, **settings_, criterion=criteria.snip, data=(X, y))
    assert by_slope.density == pytest.approx(0.2, abs=0.01)
    assert by_slope != gradual_pruning(net(), TRAIN, **settings_)
