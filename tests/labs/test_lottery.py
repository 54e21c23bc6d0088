"""The contest against the recipe written out by hand; the race against an ordinary loop."""

import copy
import math

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from course_lib.labs import lottery
from course_lib.labs.lottery import Moment, contest, controls, race, seconds_to, train_by_clock
from course_lib.masks import Mask
from course_lib.pruning import prune_model
from course_lib.pruning.tickets import Ticket
from course_lib.sparse import sparsify
from course_lib.training.data import Data, mnist1d
from course_lib.training.fit import Recipe, accuracy, batches, fit
from course_lib.training.models import mlp
from course_lib.training.replicas import Replicas
from course_lib.training.trainer import Trainer

SEEDS = [3, 4]


@pytest.fixture(scope="module")
def small():
    """A contest of two rounds, every control at both."""
    names = [*lottery.CONTROLS, "anywhere", "signs alone"]
    return contest(SEEDS, rounds=2, steps=40, contested={"1": names, "2": names})


def by_hand(rounds, rewind_step=0):
    """The recipe written out: accuracies by round, masks, trained networks."""
    data, (X, y) = mnist1d(), lottery.fresh_examples()
    train = Trainer((data.X, data.y), Recipe(steps=40), seeds=SEEDS)
    model = Replicas.of(lottery.SIZES, SEEDS)
    mask, found = Mask.ones_like(model), []
    for t in range(rounds + 1):
        if t:
            mask = prune_model(model, mask, fraction=0.36, rates=lottery.RATES, scope="tensor")
            if rewind_step is not None:
                model.load_state_dict(Replicas.of(lottery.SIZES, SEEDS).state_dict())
        train(model, mask, round=t)
        found.append((100 * accuracy(model, X, y)).tolist())
    return found, mask, model


@pytest.mark.parametrize("rewind_step", [0, None])
def test_the_tickets_are_those_of_the_recipe(small, rewind_step):
    wanted, _, _ = by_hand(2, rewind_step)
    found = small if rewind_step == 0 else contest(
        SEEDS, rounds=2, steps=40, contested={}, rewind_step=None
    )  # fmt: skip
    assert [found["ticket"][str(t)] for t in range(3)] == wanted


def test_seeds_do_not_know_of_one_another(small):
    alone = contest(SEEDS[1:], rounds=1, steps=40, contested={})
    assert np.allclose(
        [row[1] for row in list(small["ticket"].values())[:2]],
        [row[0] for row in alone["ticket"].values()],
        atol=0.5,  # sums in another order
    )


def test_densities_and_contestants(small):
    left = [15_000] + [
        sum(round(n * (1 - p) ** t) for n, p in ((4000, 0.36), (10_000, 0.36), (1000, 0.18)))
        for t in (1, 2)
    ]
    assert np.allclose(small["density"], np.array(left) / 15_000, atol=1e-4)
    assert set(small) == {"density", "ticket", *lottery.CONTROLS, "anywhere", "signs alone"}
    assert all(len(values) == 2 for values in small["shuffled"].values())


def test_each_control_changes_what_it_says_and_nothing_else():
    start, fresh = Replicas.of(lottery.SIZES, SEEDS), Replicas.of(lottery.SIZES, [50, 51])
    dense = copy.deepcopy(start)
    with torch.no_grad():
        for p in dense.parameters():
            p.mul_(torch.randn(p.shape, generator=torch.Generator().manual_seed(0)))
    mask = prune_model(dense, Mask.ones_like(dense), fraction=0.8, scope="tensor")
    ticket = Ticket(mask, start.state_dict(), tuple(SEEDS))
    for name, (values, own) in controls(ticket, dense, start, fresh, seed=0).items():
        same_values = all(torch.equal(values[n], ticket.initial[n]) for n in ticket.initial)
        same_mask = all(torch.equal(own[n], mask[n]) for n in mask)
        assert same_values == (name not in ("reinitialised", "signs alone")), name
        assert same_mask == (name in ("reinitialised", "signs alone", "one cut")), name
        per_layer = [int(own[n].sum()) for n in own] == [int(mask[n].sum()) for n in mask]
        assert per_layer == (name != "anywhere") and own.kept == mask.kept, name


@pytest.mark.parametrize(
    "contested, said", [({"9": ["shuffled"]}, "expected 0 to 1"), ({"1": ["luck"]}, "'luck'")]
)
def test_what_cannot_compete_is_named(contested, said):
    with pytest.raises(ValueError, match=said):
        contest([0], rounds=1, steps=2, contested=contested)


# The race


@pytest.fixture(scope="module")
def task():
    data = mnist1d()
    return Data(data.X, data.y, data.X_test[:100], data.y_test[:100])


def test_the_loop_by_the_clock_trains_as_fit_does(task):
    recipe = Recipe(steps=20)
    one, other = mlp((40, 30, 10), 0), mlp((40, 30, 10), 0)
    mask = prune_model(one, Mask.ones_like(one), fraction=0.5, scope="tensor")
    moments = train_by_clock(one, task, recipe, seed=5, mask=mask, looks=4)
    fit(other, (task.X, task.y), recipe, seed=5, mask=mask)
    for p, q in zip(one.parameters(), other.parameters(), strict=True):
        assert torch.allclose(p, q, atol=1e-6)
    assert [m.step for m in moments] == [5, 10, 15, 20]
    assert moments[-1].accuracy == pytest.approx(float(accuracy(other, task.X_test, task.y_test)))
    seconds = [m.seconds for m in moments]
    assert seconds == sorted(seconds) and seconds[0] > 0


def test_the_loss_is_the_mean_since_the_last_look(task):
    recipe, model = Recipe(steps=4, lr=0.0), mlp((40, 30, 10), 0)
    found = train_by_clock(copy.deepcopy(model), task, recipe, seed=1, looks=2)
    drawn = batches(len(task.X), recipe, 1)
    with torch.no_grad():
        wanted = [float(cross_entropy(model(task.X[i]), task.y[i])) for i in drawn]
    assert found[0].loss == pytest.approx((wanted[0] + wanted[1]) / 2, rel=1e-5)
    assert found[1].loss == pytest.approx((wanted[2] + wanted[3]) / 2, rel=1e-5)


def test_stopped_early_it_has_gone_the_same_way(task):
    recipe = Recipe(steps=20)
    whole = train_by_clock(mlp((40, 30, 10), 0), task, recipe, seed=5, looks=4)
    part = train_by_clock(mlp((40, 30, 10), 0), task, recipe, seed=5, looks=4, stop=10)
    assert [(m.step, m.loss) for m in part] == [(m.step, m.loss) for m in whole[:2]]


def test_masked_and_sparse_walk_the_same_path(task):
    found = race(0, task, width=50, recipe=Recipe(steps=30))
    pairs = list(zip(found.runs["masked"], found.runs["sparse"], strict=False))
    assert len(pairs) == 2 and len(found.runs["sparse"]) == 6
    assert all(a.loss == pytest.approx(b.loss, rel=1e-3) for a, b in pairs)
    assert all(seconds >= 0 for seconds in found.bill.values())
    assert found.bill["search"] > 0


def test_a_sparse_network_is_trained_by_the_same_loop(task):
    model = mlp((40, 30, 10), 0)
    mask = prune_model(model, Mask.ones_like(model), fraction=0.5, scope="tensor")
    sparse = sparsify(model, mask)
    a = train_by_clock(sparse, task, Recipe(steps=10), seed=0)
    b = train_by_clock(model, task, Recipe(steps=10), seed=0, mask=mask)
    assert [m.loss for m in a] == pytest.approx([m.loss for m in b], rel=1e-4)


def test_the_first_moment_at_which_it_is_as_good():
    moments = [Moment(1.0, 1, 0.0, 0.5), Moment(2.0, 2, 0.0, 0.7), Moment(3.0, 3, 0.0, 0.6)]
    assert seconds_to(moments, 0.6) == 2.0
    assert seconds_to(moments, 0.5) == 1.0
    assert seconds_to(moments, 0.71) == math.inf


@pytest.mark.parametrize("wrong", [{"optimiser": "adam"}, {"l1": 0.1}, {"weight_decay": 0.1}])
def test_a_recipe_that_the_loop_would_not_follow_is_refused(task, wrong):
    with pytest.raises(ValueError, match="expected SGD without"):
        train_by_clock(mlp((40, 30, 10), 0), task, Recipe(**wrong), seed=0)
