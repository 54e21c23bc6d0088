"""Wrong experiments of chapter 09: each must turn its claim red.

The networks of C24 are the chapter's with half of the steps, those of C25 with all of them;
an honest run of this size stands, so what falls, falls by the sabotage.
"""

import copy
import functools
import math

import torch

from course_lib.masks import Mask
from course_lib.pruning import gradual_pruning, prune_model
from course_lib.teaching import interval
from course_lib.training.data import digits, mnist1d
from course_lib.training.fit import Recipe, accuracy
from course_lib.training.replicas import Replicas
from course_lib.training.schedules import drops, exponential
from course_lib.training.trainer import Trainer
from tests.notebooks.harness import sabotage

CHAPTER = "09_training_for_pruning"
HE, SEEDS, SIZES = math.sqrt(6), range(5), (64, 200, 200, 10)


@functools.cache
def grown(gain, to_start=False, steps=400, **how):
    """Networks of the chapter after so many steps; with a pull to the start, if asked for."""
    data = digits()
    model = Replicas.of(SIZES, SEEDS, gain)
    recipe = Recipe(steps=steps, batch=64, **how)
    anchors = [layer.weight.detach().clone() for layer in model.layers]

    def pull(step):
        for layer, anchor in zip(model.layers, anchors, strict=True):
            layer.weight.data.lerp_(anchor, 0.2 * recipe.rate(step - 1))

    Trainer((data.X, data.y), recipe, seeds=SEEDS)(model, on_step=pull if to_start else None)
    return model


def decayed(gain=HE, decay=0.02):
    return grown(gain, weight_decay=decay)


@functools.cache
def thinned(model, density=0.05):
    data, kept = digits(), Mask.ones_like(model)
    kept = prune_model(model, kept, density=density, scope="global")
    carved = copy.deepcopy(model)
    kept.apply_(carved)
    return 100 * accuracy(carved, data.X_test, data.y_test)


def flat(model):
    return torch.cat([layer.weight.detach().flatten(1) for layer in model.layers], dim=1)


def learned(model, gain):
    w, start = flat(model), flat(Replicas.of(SIZES, SEEDS, gain))
    return w - (w * start).sum(1, keepdim=True) / start.square().sum(1, keepdim=True) * start


def breadth(w):
    return w.square().sum(1) ** 2 / (w.shape[1] * w.pow(4).sum(1))


def less(a, b, density=0.05):
    return interval((thinned(a, density) - thinned(b, density)).numpy())


def penalty(plain=None, heavy=None, small=None, small_heavy=None, home=None, gain=HE):
    """What the evidence cell of C24 reads, from the networks passed off for each role."""
    plain, heavy = plain or grown(HE), heavy or decayed()
    small, small_heavy = small or grown(1.0), small_heavy or decayed(1.0)
    mean, low, high = less(heavy, plain)
    return {
        "he": HE,
        "gain": mean,
        "gain_low": low,
        "gain_high": high,
        "default": less(small_heavy, small),
        "narrower_high": interval((breadth(flat(heavy)) / breadth(flat(plain))).numpy())[2],
        "wider": interval((breadth(learned(heavy, gain)) / breadth(learned(plain, gain))).numpy()),
        "moved": {
            "zero": less(decayed(), plain),
            "their start": less(home or grown(HE, to_start=True), plain),
        },
    }


@sabotage(CHAPTER, "C24")
def a_penalty_that_is_never_applied():
    return penalty(heavy=grown(HE, weight_decay=0.0))


@sabotage(CHAPTER, "C24")
def a_pull_to_the_start_passed_off_as_decay():
    return penalty(heavy=grown(HE, to_start=True))


@sabotage(CHAPTER, "C24")
def the_small_start_passed_off_as_the_large_one():
    return penalty(plain=grown(1.0), heavy=decayed(1.0), gain=1.0)


@sabotage(CHAPTER, "C24")
def a_condition_that_is_none():
    """The large start passed off as the default: then decay helps everywhere."""
    return penalty(small=grown(HE), small_heavy=decayed())


@sabotage(CHAPTER, "C24")
def a_pull_to_the_start_that_helps_as_much():
    """Then restraint, not melting, would be the reason."""
    return penalty(home=decayed())


def silence(drop=None, drop_he=None, low=0.05, high=0.2):
    """What the evidence cell of C25 reads."""
    drop = drop or grown(1.0, steps=800, dropout=0.5)
    drop_he = drop_he or grown(HE, steps=800, dropout=0.5)
    plain, plain_he = grown(1.0, steps=800), grown(HE, steps=800)
    return {
        "he": HE,
        "harms": less(drop, plain, low),
        "helps": less(drop, plain, high),
        "diff": {(HE, 0.2): less(drop_he, plain_he, 0.2)},
        "wide": {
            1.0: interval((breadth(learned(drop, 1.0)) / breadth(learned(plain, 1.0))).numpy())
        },
    }


@sabotage(CHAPTER, "C25")
def nothing_is_silenced():
    return silence(drop=grown(1.0, steps=800), drop_he=grown(HE, steps=800))


@sabotage(CHAPTER, "C25")
def decay_passed_off_as_dropout():
    return silence(drop=grown(1.0, steps=800, weight_decay=0.01))


@sabotage(CHAPTER, "C25")
def looked_at_only_where_much_is_left():
    return silence(low=0.3)


@sabotage(CHAPTER, "C25")
def looked_at_only_where_little_is_left():
    return silence(high=0.05)


@functools.cache
def raced(course, rate, density=0.05):
    """Test accuracy of three small networks that are pruned along a course."""
    data, seeds = mnist1d(2_000), range(3)
    model = Replicas.of((40, 60, 60, 10), seeds)
    recipe = Recipe(
        steps=300, lr=rate, schedule={"smooth": exponential(0.1), "drop": drops(0.5)}[course]
    )
    train = Trainer((data.X, data.y), recipe, seeds=seeds)
    if density < 1:
        gradual_pruning(model, train, density=density, begin=30, end=210, every=30)
    else:
        train(model)
    return 100 * accuracy(model, data.X_test, data.y_test)


def race(smooth, drop, idle=(-0.5, -1.0, 0.0), others=3.0):
    """What the evidence cell of C26 reads."""
    return {"smooth": interval((smooth - drop).numpy()), "idle": idle, "others": others}


@sabotage(CHAPTER, "C26")
def one_rate_for_both_that_suits_the_drop():
    return race(raced("smooth", 0.02), raced("drop", 0.02))


@sabotage(CHAPTER, "C26")
def the_same_course_twice():
    return race(raced("smooth", 0.1), raced("smooth", 0.1))


@sabotage(CHAPTER, "C26")
def a_gain_that_is_there_without_pruning_too():
    """A peak of its own for one side only: then it is ahead, pruned or not."""
    pruned = raced("smooth", 0.2), raced("drop", 0.002)
    dense = raced("smooth", 0.2, 1.0), raced("drop", 0.002, 1.0)
    return race(*pruned, idle=interval((dense[0] - dense[1]).numpy()), others=100.0)


@sabotage(CHAPTER, "C26")
def only_the_exponential_helps():
    """Linear decay at a rate that starves it, set beside exponential decay at its own."""
    fair = race(raced("smooth", 0.2), raced("drop", 0.002))
    return fair | {"others": interval((raced("smooth", 0.002) - raced("drop", 0.002)).numpy())[0]}
