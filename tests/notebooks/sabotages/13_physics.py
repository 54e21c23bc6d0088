"""Wrong experiments of chapter 13: each must turn its claim red."""

import copy
import functools

import numpy as np
import torch

from course_lib.labs import jets as lab
from course_lib.labs import twins
from course_lib.masks import select
from course_lib.pruning import criteria
from course_lib.teaching import interval
from course_lib.training.data import digits
from course_lib.training.fit import Recipe, accuracy, fit
from course_lib.training.models import mlp
from tests.notebooks.harness import sabotage

CHAPTER = "13_physics"
FEW = 60


@functools.cache
def sample(name):
    jets = lab.load_jets(name)[:FEW]
    return jets, [lab.cluster(jet) for jet in jets]


def weighed(name="W", keep=None, **rule):
    """What the evidence cell of C34 reads, if jets are groomed by a rule, or by `keep`."""
    jets, trees = sample(name)
    groomed = [lab.soft_drop(tree, **rule).kept for tree in trees]
    groomed = [keep(jet, kept) if keep else kept for jet, kept in zip(jets, groomed, strict=True)]
    rivals = [lab.hardest(j, int(k.sum())) for j, k in zip(jets, groomed, strict=True)]
    before = np.array([lab.mass(jet) for jet in jets])
    after = np.array([lab.mass(jet[kept]) for jet, kept in zip(jets, groomed, strict=True)])
    near = [((65 < m) & (m < 95)).astype(float) for m in (before, after)]
    gain, gain_low, gain_high = interval(near[1] - near[0])
    strays = [(k & ~r).sum() / k.sum() for k, r in zip(groomed, rivals, strict=True)]
    apart, apart_low, apart_high = interval(strays)
    return {
        "gain": gain, "gain_low": gain_low, "gain_high": gain_high, "after": after,
        "alone": np.median([lab.mass(jet) for jet in sample("W alone")[0]]),
        "heavy": np.median(before), "same": 1.0, "cut_same": 0.0,
        "apart": apart, "apart_low": apart_low, "apart_high": apart_high,
    }  # fmt: skip


@sabotage(CHAPTER, "C34")
def nothing_is_cut():
    return weighed(z_cut=0.0)


@sabotage(CHAPTER, "C34")
def jets_without_dust():
    return weighed("W alone")


@sabotage(CHAPTER, "C34")
def a_ranking_by_momentum_passed_off_as_softdrop():
    return weighed(keep=lambda jet, kept: lab.hardest(jet, int(kept.sum())))


@sabotage(CHAPTER, "C34")
def a_rule_that_is_not_relative():
    jets = sample("W")[0]
    kept = [[lab.harder_than(factor * jet, 2) for jet in jets] for factor in (1, 10)]
    return weighed() | {"same": np.mean([(a == b).all() for a, b in zip(*kept, strict=True)])}


ANGLES = [0.1, 0.03, 0.01, 0.003, 0.001, 0.0]


@functools.cache
def moves(name, angles=tuple(ANGLES)):
    def softdrop(jet):
        return lab.mass(jet[lab.soft_drop(lab.cluster(jet)).kept])

    value = {
        "SoftDrop": softdrop,
        "pT > 2 GeV": lambda jet: lab.mass(jet[lab.harder_than(jet, 2)]),
        "the 20 hardest": lambda jet: lab.mass(jet[lab.hardest(jet, 20)]),
    }[name]
    jets = sample("W")[0][:10]
    return np.array(
        [
            lab.changes(value, jets, lambda jet, seed, a=a: lab.split_collinear(jet, seed, a))
            for a in angles
        ]
    )


def felt_by(softdrop="SoftDrop", cuts=("pT > 2 GeV", "the 20 hardest"), **other):
    """What the evidence cell of C35 reads, with one observable passed off as another."""
    moved = {"SoftDrop": moves(softdrop, **other)}
    typical = np.median(moved["SoftDrop"], axis=1)
    row = moved["SoftDrop"][2]
    return {
        "moved": moved, "ratio": typical[2] / max(typical[4], 1e-300), "everyone": row.min(),
        "felt": np.median(row), "felt_low": row.min(), "felt_high": row.max(),
        "unsafe": min(np.median(moves(cut)[-1]) for cut in cuts),
        "softened": {"SoftDrop": np.full(10, 1e-5)},
    }  # fmt: skip


@sabotage(CHAPTER, "C35")
def a_cut_on_momentum_passed_off_as_softdrop():
    return felt_by("pT > 2 GeV")


@sabotage(CHAPTER, "C35")
def safe_observables_passed_off_as_cuts():
    return felt_by(cuts=("SoftDrop", "SoftDrop"))


@sabotage(CHAPTER, "C35")
def a_true_symmetry():
    """Splittings at angle zero passed off as all others: then nothing changes at any angle."""
    return felt_by(angles=(0.0,) * 6)


@functools.cache
def network(activation=torch.nn.ReLU):
    data = digits()
    model = mlp((64, 40, 40, 10), seed=0)
    model[1], model[3] = activation(), activation()
    fit(model, (data.X, data.y), Recipe(steps=300))
    return model, data


def pruned(model, score="magnitude", density=0.2):
    _, data = network()
    model = copy.deepcopy(model)
    X, y = data.X[:100], data.y[:100]
    select(getattr(criteria, score)(model, (X, y)), density=density).apply_(model)
    return model


def outputs(model, twin):
    _, data = network()
    return (pruned(model)(data.X_test) - pruned(twin)(data.X_test)).abs().max().item()


HONEST = {
    "order_feels": 1e-5, "sign_feels": 0.0, "lost": 17.0, "lost_low": 12.0, "lost_high": 22.0,
    "torn_low": 23.0, "obd_moves": 0.0, "ahead_low": 10.0, "weaker_low": 14.0, "behind": 1.0,
}  # fmt: skip


def accuracies(spread, score="magnitude"):
    """Test accuracy of pruned twins, five scales of one network."""
    model, data = network()
    twinned = [twins.rescaled(model, seed, spread) for seed in range(5)]
    found = [100 * accuracy(pruned(m, score), data.X_test, data.y_test).item() for m in twinned]
    return np.array(found)


@sabotage(CHAPTER, "C36")
def neurons_that_were_not_rescaled():
    lost, low, high = interval(accuracies(0) - accuracies(0))
    return HONEST | {"lost": lost, "lost_low": low, "lost_high": high}


@sabotage(CHAPTER, "C36")
def magnitude_passed_off_as_optimal_damage():
    return HONEST | {"obd_moves": np.abs(accuracies(0) - accuracies(2)).max()}


@sabotage(CHAPTER, "C36")
def a_rescaled_network_passed_off_as_permuted():
    model, _ = network()
    return HONEST | {"order_feels": outputs(model, twins.rescaled(model, 0, 2))}


@sabotage(CHAPTER, "C36")
def signs_flipped_where_the_activation_is_not_odd():
    """With ReLU the flipped network is no twin, and its outputs say so."""
    odd, _ = network(torch.nn.Tanh)
    flipped = twins.sign_flipped(odd, 0)
    for place in (1, 3):
        flipped[place] = torch.nn.ReLU()
    return HONEST | {"sign_feels": outputs(network()[0], flipped)}


@sabotage(CHAPTER, "C36")
def copies_that_were_merged_again():
    model, data = network()
    halves = [twins.merged(twins.split(model, seed)) for seed in range(5)]
    whole = [model] * 5
    scores = [
        np.array([100 * accuracy(pruned(m), data.X_test, data.y_test).item() for m in some])
        for some in (whole, halves)
    ]
    return HONEST | {"torn_low": interval(scores[0] - scores[1])[1]}


@sabotage(CHAPTER, "C36")
def a_repair_that_does_not_prune_well():
    """A score by chance is invariant too: the same for all twins."""
    gap = accuracies(0) - accuracies(0, "random")
    return HONEST | {"behind": gap.mean()}
