"""Recovery against scikit-learn, optimality conditions, plain loops and closed forms."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from sklearn.linear_model import Lasso

from course_lib.labs import recovery as lab
from course_lib.labs.approximation import hard_threshold, soft_threshold


@pytest.mark.parametrize("shape", [(1, 7, 5), (3, 20, 40), (2, 1, 4)])
def test_fista_satisfies_the_conditions_of_the_minimum(shape):
    trials, m, n = shape
    A, _, y = lab.random_problems(trials, m, n, min(3, n), seed=1)
    tau = 0.05
    x = lab.fista(A, y, tau, 20_000)
    slope = torch.einsum("tmn,tm->tn", A, y - torch.einsum("tmn,tn->tm", A, x))
    torch.testing.assert_close(slope[x != 0], tau * x[x != 0].sign(), atol=1e-6, rtol=0)
    assert (slope.abs() <= tau + 1e-6).all()


def test_fista_agrees_with_scikit_learn():
    A, _, y = lab.random_problems(1, 30, 60, 4, seed=2)
    x = lab.fista(A[0], y[0], 0.1, 5_000)
    theirs = Lasso(alpha=0.1 / 30, fit_intercept=False, tol=1e-12, max_iter=100_000)
    np.testing.assert_allclose(x, theirs.fit(A[0].numpy(), y[0].numpy()).coef_, atol=1e-6)


def test_ista_never_rises_and_fista_is_ahead():
    A, _, y = lab.random_problems(5, 30, 60, 4, seed=3)
    path = torch.stack([lab.lasso_objective(A, x, y, 0.05) for x in lab.ista_steps(A, y, 0.05, 80)])
    assert (path.diff(dim=0) <= 1e-12).all()
    assert (lab.lasso_objective(A, lab.fista(A, y, 0.05, 80), y, 0.05) < path[-1]).all()


def test_a_batch_is_each_alone_with_a_tau_of_its_own():
    A, _, y = lab.random_problems(3, 10, 20, 2, seed=4)
    tau = torch.tensor([0.01, 0.1, 0.5], dtype=torch.float64)
    for method in (lab.ista, lab.fista):
        together = method(A, y, tau, 50)
        for i in range(3):
            torch.testing.assert_close(together[i], method(A[i], y[i], tau[i].item(), 50))


def test_closed_forms():
    y = torch.randn(9, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    eye = torch.eye(9, dtype=torch.float64)
    torch.testing.assert_close(lab.ista(eye, y, 0.4, 1), soft_threshold(y, 0.4))
    torch.testing.assert_close(lab.iht(eye, y, 3, 5), hard_threshold(y, 3))
    assert (lab.ista(eye, y, 100.0, 10) == 0).all()
    assert (lab.ista(eye, y, 0.1, 0) == 0).all()
    tall, _, b = lab.random_problems(1, 20, 5, 5, seed=0)
    torch.testing.assert_close(
        lab.fista(tall[0], b[0], 0.0, 3000), torch.linalg.lstsq(tall[0], b[0]).solution
    )
    assert (lab.iht(eye, y, 0, 3) == 0).all()
    torch.testing.assert_close(lab.iht(eye, y, 9, 1), y)


def test_hard_thresholding_rests_where_it_has_arrived():
    """In either precision: no step is left, and none is divided by."""
    for dtype in (torch.float32, torch.float64):
        y = torch.tensor([1, 0, 3], dtype=dtype)
        assert torch.equal(lab.iht(torch.eye(3, dtype=dtype), y, 2, 9), y)


@pytest.mark.parametrize("fraction", [0.2, 0.5, 1.0])
def test_magnitude_pruning_is_the_plain_loop(fraction):
    A, _, y = lab.random_problems(4, 12, 30, 3, seed=5)
    found = lab.magnitude_pruning(A, y, 3, fraction)
    for i in range(4):
        a, b, kept = A[i].numpy(), y[i].numpy(), np.arange(30)
        while True:
            part = a[:, kept]
            if len(kept) > 12:
                w = part.T @ np.linalg.solve(part @ part.T + 1e-3 * np.eye(12), b)
            else:
                w = np.linalg.lstsq(part, b, rcond=None)[0]
            if len(kept) == 3:
                break
            size = max(3, min(len(kept) - 1, round(len(kept) * (1 - fraction))))
            kept = np.sort(kept[np.argsort(-abs(w))[:size]])
        expected = np.zeros(30)
        expected[kept] = w
        np.testing.assert_allclose(found[i], expected, atol=1e-9)


def test_pruned_entries_never_return_and_thresholded_ones_do():
    A, _, y = lab.random_problems(20, 60, 200, 10, seed=6)
    supports = [x != 0 for x in lab.magnitude_pruning_steps(A, y, 10, 0.2)]
    assert all((b <= a).all() for a, b in pairwise(supports))
    hard = [x != 0 for x in lab.iht_steps(A, y, 10, 30)]
    assert any((b & ~a).any() for a, b in pairwise(hard))


def test_recovery_at_sixty_measurements():
    A, truth, y = lab.random_problems(30, 60, 200, 10, seed=0)

    def share(x):
        return lab.recovered(x, truth).double().mean().item()

    tau = 0.01 * torch.einsum("tmn,tm->tn", A, y).abs().amax(dim=1)
    soft = lab.fista(A, y, tau, 400)
    assert share(lab.refit(A, y, lab.largest_support(soft, 10))) > 0.8
    assert share(lab.iht(A, y, 10, 200)) > 0.9
    assert share(lab.magnitude_pruning(A, y, 10, 0.2)) < 0.3
    assert share(lab.magnitude_pruning(A, y, 10, 1.0)) < 0.1
    assert share(truth) == 1 and share(0 * truth) == 0


def test_hard_thresholding_stays_at_a_truth_it_is_given():
    A, truth, y = lab.random_problems(3, 30, 60, 4, seed=8)
    torch.testing.assert_close(lab.iht(A, y, 4, 1, start=truth), truth)


def test_turned_lines_are_other_lines():
    straight, turned = lab.radial_mask(64, 8), lab.radial_mask(64, 8, turn=0.5)
    assert turned[0, 0] and (straight & turned).sum() < straight.sum() / 2
    assert abs(int(turned.sum()) - int(straight.sum())) < 20
    # Turned by a whole step, lines are where lines were, up to the pixel at either end.
    assert (lab.radial_mask(64, 8, turn=1.0) ^ straight).sum() <= 2


def test_debias_is_least_squares():
    A, truth, y = lab.random_problems(3, 9, 20, 4, seed=7)
    torch.testing.assert_close(lab.refit(A, y, truth != 0), truth)


def test_the_phantom_from_lines():
    image = lab.phantom()
    assert image.shape == (64, 64) and 0 <= image.min() and image.max() <= 1
    masks = [lab.radial_mask(64, lines) for lines in (1, 8, 22)]
    counts = [int(mask.sum()) for mask in masks]
    assert counts == sorted(counts) and counts[0] == 64 and all(mask[0, 0] for mask in masks)
    mask = masks[-1]
    # The two are adjoint: <frequencies(u), v> = <u, zero_filled(v)>.
    g = torch.Generator().manual_seed(0)
    u = torch.randn(64, 64, generator=g, dtype=torch.float64)
    v = torch.complex(*torch.randn(2, 64, 64, generator=g, dtype=torch.float64)) * mask
    left = (lab.frequencies(u, mask) * v.conj()).sum().real
    torch.testing.assert_close(left, (u * lab.zero_filled(v)).sum())
    measured = lab.frequencies(image, mask)
    before = lab.psnr(lab.zero_filled(measured), image)
    after = lab.psnr(lab.reconstruct(measured, mask), image)
    assert before == pytest.approx(17.9, abs=0.5) and after > 30
    everything = torch.ones(64, 64, dtype=torch.bool)
    assert lab.psnr(lab.zero_filled(lab.frequencies(image, everything)), image) > 200


def test_errors_for_people():
    A, _, y = lab.random_problems(1, 4, 6, 2, seed=0)
    for tau in (-1.0, float("nan")):
        with pytest.raises(ValueError, match="tau"):
            lab.ista(A, y, tau, 1)
    with pytest.raises(ValueError, match="fraction"):
        lab.magnitude_pruning(A, y, 2, 0.0)
    with pytest.raises(ValueError, match="k: given 7"):
        lab.iht(A, y, 7, 1)
    with pytest.raises(ValueError, match="even size"):
        lab.radial_mask(63, 4)
