"""Pruning: scores of weights, one cut, and rounds of them.

    criteria     what the loss would lose without a weight: a function from a network to scores
    curvature    the Hessian, and the surgeon who cuts by it
    cut          the lowest scores removed, once
    rounds       score, select, refit, and again; `gradual` does it while it trains
    tickets      a mask with the values that its weights began with, and its controls
    structured   whole neurons and channels, really removed
    interop      torch.nn.utils.prune, state dicts, ONNX
    testing      the common test, for a criterion of your own

The last four but one are modules to import from here: `from course_lib.pruning import tickets`.
"""

from course_lib.pruning.criteria import (
    first_order,
    fisher,
    magnitude,
    obd,
    obs,
    oracle,
    random,
    second_order,
    signed_first_order,
    snip,
    synflow,
)
from course_lib.pruning.curvature import (
    Cut,
    brain_surgery,
    full_hessian,
    hessian_diagonal,
    inverse_hessian,
    surgeon,
)
from course_lib.pruning.cut import Criterion, prune, prune_model, score
from course_lib.pruning.gradual import cubic, gradual_pruning
from course_lib.pruning.rounds import iterative_pruning, one_shot, rounds_needed
from course_lib.pruning.scoring import Scores
from course_lib.pruning.store import Round, State
from course_lib.pruning.testing import check_criterion

__all__ = [
    "Criterion",
    "Cut",
    "Round",
    "Scores",
    "State",
    "brain_surgery",
    "check_criterion",
    "cubic",
    "first_order",
    "fisher",
    "full_hessian",
    "gradual_pruning",
    "hessian_diagonal",
    "interop",
    "inverse_hessian",
    "iterative_pruning",
    "magnitude",
    "obd",
    "obs",
    "one_shot",
    "oracle",
    "prune",
    "prune_model",
    "random",
    "rounds_needed",
    "score",
    "second_order",
    "signed_first_order",
    "snip",
    "structured",
    "surgeon",
    "synflow",
    "tickets",
]
