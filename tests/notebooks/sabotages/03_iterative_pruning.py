"""Wrong experiments of chapter 03: each must turn its claim red."""

from course_lib.masks import Mask
from course_lib.pruning import prune
from course_lib.training.models import mlp
from tests.notebooks.harness import sabotage

CHAPTER = "03_iterative_pruning"
HONEST = {
    "mean": 9.0, "low": 6.0, "high": 12.0, "early": -3.0, "begun_again": 10.0,
    "densities": [0.55**t for t in range(1, 7)],
}  # fmt: skip


def worn(step):
    """Densities of ten rounds of a wrong pruning, and what the evidence cell reads of them."""
    weights = {
        n: w.detach() for n, w in mlp((40, 100, 100, 10), 0).named_parameters() if w.ndim > 1
    }
    mask, counted = Mask.ones_like(weights), [1.0]
    for number in range(10):
        mask = step({n: w.abs() for n, w in weights.items()}, mask, number)
        counted.append(mask.density)
    law = [0.8**t for t in range(11)]
    astray = max(abs(seen - said) for seen, said in zip(counted, law, strict=True))
    return {"counted": counted, "astray": astray, "allowed": 3 * 0.5 / 0.2 / 15_000, "mask": mask}


@sabotage(CHAPTER, "C8")
def a_fraction_of_the_original():
    return worn(lambda s, m, t: prune(s, m, density=max(0.0, 1 - 0.2 * (t + 1))))


@sabotage(CHAPTER, "C8")
def pruned_weights_that_return():
    """Every round selects anew from all weights, so nothing wears away after the first."""
    return worn(lambda s, m, t: prune(s, Mask.ones_like(s), fraction=0.2))


@sabotage(CHAPTER, "C8")
def one_round_too_many():
    return worn(lambda s, m, t: prune(s, m, fraction=0.36 if t == 0 else 0.2))


@sabotage(CHAPTER, "C7")
def the_same_network_passed_off_as_both():
    return HONEST | {"mean": 0.0, "low": -0.1, "high": 0.1}


@sabotage(CHAPTER, "C7")
def six_trainings_against_one():
    """Costs not matched: then many cuts win at every density, also where it is a draw."""
    return HONEST | {"early": 6.0}


@sabotage(CHAPTER, "C7")
def going_on_passed_off_as_rewinding():
    return HONEST | {"begun_again": 0.0}
