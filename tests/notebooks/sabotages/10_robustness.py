"""Wrong experiments of chapter 10: each must turn its claim red."""

import copy
import functools

import numpy as np
import torch

from course_lib.labs import robustness as lab
from course_lib.masks import Mask, top_k
from course_lib.pruning import prune_model
from course_lib.teaching import interval
from course_lib.training.data import digits
from course_lib.training.fit import Recipe
from course_lib.training.replicas import Replicas, fit_replicas
from tests.notebooks.harness import sabotage

CHAPTER = "10_robustness"
SEEDS = range(3)


@functools.cache
def grown(smallest_first=True):
    """Norm after removing half over that before, of 20 rotations and as many others."""
    rng = np.random.default_rng(0)

    def ratio(W):
        W = torch.from_numpy(W)
        scores = W.abs() if smallest_first else -W.abs()
        kept = top_k(scores, W.numel() // 2)
        return float(torch.linalg.matrix_norm(W * kept, 2) / torch.linalg.matrix_norm(W, 2))

    gauss = [rng.normal(size=(50, 50)) for _ in range(20)]
    rows = {
        "rotation": [ratio(np.linalg.qr(W)[0]) for W in gauss],
        "gaussian": [ratio(W) for W in gauss],
        "no minus signs": [ratio(np.abs(W)) for W in gauss],
    }
    return {kind: np.tile(np.array(row)[:, None], (1, 5)) for kind, row in rows.items()}


def norms(found, corner=-0.99):
    W = torch.tensor([[1.0, 1.0], [1.0, corner]], dtype=torch.float64)
    rises = (found["rotation"][:, 2] > 1).mean()
    falls = (found["no minus signs"] <= 1 + 1e-12).mean()
    return {"grown": found, "W": W, "rises": rises, "falls": falls}


@sabotage(CHAPTER, "C28")
def nonnegative_matrices_passed_off_as_rotations():
    found = grown()
    return norms(found | {"rotation": found["no minus signs"]})


@sabotage(CHAPTER, "C28")
def rotations_passed_off_as_nonnegative():
    found = grown()
    return norms(found | {"no minus signs": found["rotation"]})


@sabotage(CHAPTER, "C28")
def an_example_in_which_nothing_is_held_back():
    return norms(grown(), corner=0.99)


@functools.cache
def carved(gain=2.45):
    """Three networks, dense and at a tenth, with their inputs."""
    data = digits()
    dense = Replicas.of((64, 50, 50, 10), SEEDS, gain)
    fit_replicas(dense, (data.X, data.y), Recipe(steps=400), seeds=SEEDS)
    small = copy.deepcopy(dense)
    mask = prune_model(small, Mask.ones_like(small), density=0.1, scope="global")
    fit_replicas(small, (data.X, data.y), Recipe(steps=200, lr=0.05), seeds=SEEDS, mask=mask)
    return {1.0: dense, 0.1: small}, data.X_test[:100], data.y_test[:100]


@sabotage(CHAPTER, "C27")
def the_slope_of_one_layer_passed_off_as_a_bound():
    networks, X, _ = carved()
    slopes = lab.steepest_slopes(networks[1.0], X, steps=50).amax(dim=1)
    return {"looseness": (lab.layer_norms(networks[1.0])[0] / slopes).tolist()}


@sabotage(CHAPTER, "C27")
def a_bound_compared_with_itself():
    networks, _, _ = carved()
    bound = lab.lipschitz_bound(networks[1.0])
    return {"looseness": (bound / bound).tolist()}


def certified(proof=lab.interval_margins, dense=1.0, small=0.1, linear=(0.2, 0.18, 0.22)):
    """What the evidence cell of C29 reads."""
    networks, X, y = carved()

    def share(flags):
        return 100 * flags.double().mean(dim=-1)

    def pair(measure):
        return {1.0: measure(networks[dense]), 0.1: measure(networks[small])}

    def change(found, name="He's start", d=0.1):
        return interval((found[name][d] - found[name][1.0]).numpy())

    def radius(net):
        margins = lab.margins(net(X), y).detach()
        return lab.certified_radius(margins, lab.lipschitz_bound(net)).mean(dim=1)

    both = ("He's start", "usual start")
    proved = dict.fromkeys(both, pair(lambda net: share(proof(net, X, y, 0.01) > 0)))
    attacked = dict.fromkeys(both, pair(lambda n: share(lab.surviving(n, X, y, 0.05, steps=10))))
    better = dict.fromkeys(both, pair(lambda n: share(lab.linear_margins(n, X, y, 0.01) > 0)))
    return {
        "proved": proved, "change": change, "by_boxes": change(proved), "wider": linear,
        "by_attack": change(attacked), "by_lines": change(better), "eps": 0.01, "far": 0.05,
        "by_norms": change(dict.fromkeys(both, pair(radius))),
    }  # fmt: skip


@sabotage(CHAPTER, "C29")
def a_proof_that_was_good_already():
    return certified(proof=lab.linear_margins)


@sabotage(CHAPTER, "C29")
def dense_and_pruned_exchanged():
    return certified(dense=0.1, small=1.0)


@sabotage(CHAPTER, "C29")
def the_gain_is_in_the_network_itself():
    read = certified()
    return read | {"by_attack": read["by_boxes"]}


@sabotage(CHAPTER, "C29")
def a_linear_model_that_was_not_pruned():
    return certified(linear=(0.0, 0.0, 0.0))
