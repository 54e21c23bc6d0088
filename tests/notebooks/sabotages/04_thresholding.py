"""Wrong experiments of chapter 04: each must turn its claim red."""

import functools

import torch

from course_lib.labs import pictures
from course_lib.labs import recovery as lab
from course_lib.teaching import interval
from tests.notebooks.harness import sabotage

CHAPTER = "04_thresholding"


@functools.cache
def contest(m=60):
    """Forty problems; who solves which."""
    problems = lab.random_problems(40, m, 200, 10, seed=4)
    A, truth, y = problems
    stuck = lab.magnitude_pruning(A, y, 10, 0.2)
    answers = {
        "hard": lab.iht(A, y, 10, 200),
        "rounds": stuck,
        "once": lab.magnitude_pruning(A, y, 10, 1.0),
        "patient": lab.magnitude_pruning(A, y, 10, 0.05),
        "freed": lab.iht(A, y, 10, 200, start=stuck),
    }
    return {way: lab.recovered(x, truth) for way, x in answers.items()}


def judged(hard="hard", rounds="rounds", patient="patient", freed="freed", m=60, astray=0.0):
    """What the evidence cell of C9 reads, from the answers passed off for each role."""
    right = contest(m)
    gap, gap_low, gap_high = interval(right[hard].double() - right[rounds].double())
    return {
        "gap": gap,
        "gap_low": gap_low,
        "gap_high": gap_high,
        "patience_high": interval(right[patient])[2],
        "freed_low": interval(right[freed])[1],
        "astray": astray,
    }


@sabotage(CHAPTER, "C9")
def pruning_that_may_take_back():
    return judged(rounds="hard")


@sabotage(CHAPTER, "C9")
def hard_thresholding_that_may_not():
    return judged(freed="rounds")


@sabotage(CHAPTER, "C9")
def enough_measurements_for_anyone():
    return judged(m=200)


@sabotage(CHAPTER, "C9")
def patience_that_would_help():
    return judged(patient="hard")


@sabotage(CHAPTER, "C9")
def a_threshold_of_the_fee_instead_of_its_root():
    v = torch.linspace(-3, 3, 13, dtype=torch.float64)
    wrong, true = (torch.where(v.abs() > at, v, 0) for at in (0.5, 1.0))
    return judged(astray=(wrong - true).abs().max().item())


@functools.cache
def scans(lines, kind="head", rebuild=True):
    """Quality of five turned scans: (zeros, recovered)."""
    image = lab.phantom() if kind == "head" else pictures.portrait()
    filled, rebuilt = [], []
    for turn in range(5):
        mask = lab.radial_mask(64, lines, turn / 5)
        measured = lab.frequencies(image, mask)
        plain = lab.zero_filled(measured)
        filled.append(lab.psnr(plain, image))
        rebuilt.append(lab.psnr(lab.reconstruct(measured, mask) if rebuild else plain, image))
    return filled, rebuilt


def quality(few, many):
    """What the evidence cell of C10 reads."""
    best, best_low, best_high = interval(many[1])
    _, gain_low, _ = interval([b - a for a, b in zip(*many, strict=True)])
    return {
        "best": best,
        "best_low": best_low,
        "best_high": best_high,
        "gain_db_low": gain_low,
        "too_few": interval(few[1])[2],
        "seen_share": lab.radial_mask(64, 22).double().mean().item(),
    }


@sabotage(CHAPTER, "C10")
def nothing_is_recovered():
    return quality(scans(12), scans(22, rebuild=False))


@sabotage(CHAPTER, "C10")
def a_picture_full_of_edges():
    return quality(scans(12), scans(22, "coin"))


@sabotage(CHAPTER, "C10")
def as_many_lines_for_the_few_as_for_the_many():
    return quality(scans(22), scans(22))


@sabotage(CHAPTER, "C10")
def too_few_lines_for_both():
    return quality(scans(12), scans(12))
