"""Wrong experiments of chapter 07: each must turn its claim red."""

import functools
import math
from fractions import Fraction

import torch

from course_lib.labs import no_free_lunch as lab
from course_lib.masks import Mask
from course_lib.pruning import prune_model
from course_lib.teaching import interval
from course_lib.training.data import digits
from course_lib.training.fit import Recipe, accuracy
from course_lib.training.replicas import Replicas
from course_lib.training.trainer import Trainer
from tests.notebooks.harness import sabotage

CHAPTER = "07_no_free_lunch"
FAIR = torch.full((10,), 0.1)
LOADED = torch.tensor([0.7] + [0.3 / 9] * 9)
SEEDS = range(4)
DATA = digits()
X, TRUE = DATA.X[:200], DATA.y[:200]
X_TEST, TRUE_TEST = DATA.X[200:], DATA.y[200:]


def labels(kind):
    """Labels of the training pictures and fresh ones of the test pictures, (seeds, n) each."""
    if kind == "true":
        return TRUE.expand(4, -1), TRUE_TEST.expand(4, -1)
    chances = LOADED if kind == "loaded" else FAIR
    return lab.toss((4, len(X)), chances, 1), lab.toss((4, len(X_TEST)), chances, 2)


@functools.cache
def network(kind, density=1.0, steps=500):
    """Four small networks, trained on labels of a kind; pruned ones begin again with the mask."""
    y, _ = labels(kind)
    train = Trainer((X, y), Recipe(steps=steps, batch=50), SEEDS)
    model = Replicas.of((64, 64, 64, 10), SEEDS)
    mask = None
    if density < 1:
        dense = network(kind)
        mask = prune_model(dense, Mask.ones_like(dense), density=density, scope="global")
    train(model, mask)
    return model


def known(kind, density=1.0, steps=500):
    """Per cent of the training labels known by heart, a number a seed."""
    return 100 * accuracy(network(kind, density, steps), X, labels(kind)[0])


def tested(kind, density=1.0):
    """Per cent right in the test, with labels thrown afresh."""
    return 100 * accuracy(network(kind, density), X_TEST, labels(kind)[1])


def leaky(share):
    """The test on dice, a share of it seen in training."""
    y, fresh = labels("dice")
    old = round(share / (1 - share) * 500)
    X_both, y_both = torch.cat([X_TEST[:500], X[:old]]), torch.cat([fresh[:, :500], y[:, :old]], 1)
    return 100 * accuracy(network("dice"), X_both, y_both)


def average(learner, with_seen=False):
    """Average over all truths on three bits, on unseen corners; or, wrongly, on all corners."""
    hits = lab.worlds(learner, lab.cube(3), [0, 3, 5, 6])
    unseen = Fraction(int(hits.sum()), hits.numel() * 4)
    return (4 + 4 * unseen) / 8 if with_seen else unseen


def small_print(test=None, heart=None, memory=None, structured=None, leak=0.2, averages=None):
    """What the evidence cell of C17 reads; whatever is not given is honest."""
    tests = tested("dice") if test is None else test
    throws = tests.numel() * len(X_TEST)
    return {
        "tests": tests,
        "throws": throws,
        "sand": tests.mean().item(),
        "sand_luck": 100 * math.sqrt(0.09 / throws),
        "heart": (known("dice") if heart is None else heart).mean().item(),
        "memory_low": interval(tested("loaded") if memory is None else memory)[1],
        "structured_low": interval(tested("true") if structured is None else structured)[1],
        "leaky_low": interval(leaky(leak))[1],
        "averages": averages or {"nearest": average(lab.nearest)},
    }


@sabotage(CHAPTER, "C17")
def training_labels_passed_off_as_fresh():
    return small_print(test=known("dice"))


@sabotage(CHAPTER, "C17")
def a_test_with_a_few_old_acquaintances():
    return small_print(test=leaky(0.05))


@sabotage(CHAPTER, "C17")
def loaded_dice_passed_off_as_fair():
    return small_print(test=tested("loaded"))


@sabotage(CHAPTER, "C17")
def true_labels_passed_off_as_dice():
    return small_print(test=tested("true"))


@sabotage(CHAPTER, "C17")
def corners_that_were_shown_are_graded_too():
    return small_print(averages={"nearest": average(lab.nearest, with_seen=True)})


@sabotage(CHAPTER, "C17")
def networks_that_never_learned_the_dice():
    return small_print(heart=known("dice", density=0.05))


@sabotage(CHAPTER, "C17")
def fair_dice_passed_off_as_the_loaded_ones():
    return small_print(memory=tested("dice"))


@sabotage(CHAPTER, "C17")
def dice_passed_off_as_labels_with_structure():
    return small_print(structured=tested("dice"))


@sabotage(CHAPTER, "C17")
def a_leak_that_does_not_leak():
    return small_print(leak=0.0)


def forgetting(kind="dice", density=0.05, patience=8, test=None):
    """What the evidence cell of C18 reads; with so few pictures a twentieth does for a tenth."""
    forgot, low, high = interval((known(kind) - known(kind, density)).numpy())
    gain = (tested("dice", density) if test is None else test) - tested("dice")
    return {
        "forgot": forgot,
        "forgot_low": low,
        "forgot_high": high,
        "relearned_low": interval(known(kind, 0.1, 500 * patience).numpy())[1],
        "test_gain": gain.mean(),
        "gain_luck": 100 * math.sqrt(2 * 0.09 / len(X_TEST) / len(SEEDS)),
    }


@sabotage(CHAPTER, "C18")
def the_dense_network_passed_off_as_pruned():
    return forgetting(density=1.0)


@sabotage(CHAPTER, "C18")
def too_little_pruned():
    return forgetting(density=0.3)


@sabotage(CHAPTER, "C18")
def nothing_to_forget():
    """True labels in the place of dice: a pruned network knows them as well."""
    return forgetting(kind="true")


@sabotage(CHAPTER, "C18")
def patience_that_was_not_given():
    return forgetting(patience=1)


@sabotage(CHAPTER, "C18")
def a_test_in_which_pruning_beats_chance():
    """The pruned network is tested on true labels, the dense one on dice."""
    return forgetting(test=tested("true", 0.05))
