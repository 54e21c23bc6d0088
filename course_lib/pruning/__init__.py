"""Pruning: scores of weights, one cut, and rounds of them.

- `criteria`: what the loss would lose without a weight, from a network to scores.
- `curvature`: the Hessian, and the surgeon who cuts by it.
- `cut`: score, the first one of score, select, refit; and the lowest scores removed, once.
- `rounds`: score, select, refit, and again; a `store` on the disk goes on where they stopped, and
  `gradual` cuts while it trains.
- `tickets`: a `ticket` is a mask with the values that its weights began with; and its controls.
- `structured`: whole neurons and channels, really removed.
- `interop`: torch.nn.utils.prune, state dicts, ONNX.
- `testing`: the common test, for a criterion of your own.

Whole modules to import from here are `interop`, `structured` and `tickets`. Behind the others are
`scoring`, `ablation`, `fingerprint`, `cases`, `snapshot` and `plain`.
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
from course_lib.pruning.ticket import Ticket

__all__ = [
    "Criterion", "Cut", "Round", "Scores", "State", "Ticket", "brain_surgery", "check_criterion",
    "cubic", "first_order", "fisher", "full_hessian", "gradual_pruning", "hessian_diagonal",
    "interop", "inverse_hessian", "iterative_pruning", "magnitude", "obd", "obs", "one_shot",
    "oracle", "prune", "prune_model", "random", "rounds_needed", "score", "second_order",
    "signed_first_order", "snip", "structured", "surgeon", "synflow", "tickets",
]  # fmt: skip
