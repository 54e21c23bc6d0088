"""Curvatures against differences of slopes, plain inverses and least squares."""

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy, mse_loss

from course_lib.masks import prunable
from course_lib.pruning import criteria, curvature
from tests.pruning.made import (
    MODELS,
    asked,
    batch,
    changed,
    entries,
    exactly,
    kinds,
    one_of,
    quadratic,
    small,
)


@pytest.mark.parametrize("activation", [nn.ReLU, nn.Tanh])
def test_exact_diagonal_is_the_second_difference(activation):
    model, (X, y) = small(activation=activation), batch()
    scores = criteria.obd(model, (X, y), diagonal="exact")
    for name, index in entries(scores):
        w, h = prunable(model)[name][index].item(), 1e-4
        up, at, down = (changed(model, X, y, name, index, w + s * h) for s in (1, 0, -1))
        curve = (up - 2 * at + down) / h**2
        assert scores[name][index] == pytest.approx(curve * w * w / 2, abs=2e-6)


@pytest.mark.parametrize("make, shape", MODELS)
def test_gauss_newton_is_exact_for_piecewise_linear_networks(make, shape):
    model, (X, y) = make(), batch(n=129, shape=shape)
    exact = criteria.obd(model, (X, y), diagonal="exact")
    estimate = criteria.obd(model, (X, y))
    for name in exact:
        torch.testing.assert_close(estimate[name], exact[name], atol=1e-10, rtol=1e-8)


def test_gauss_newton_is_not_exact_for_tanh():
    model, data = small(activation=nn.Tanh), batch()
    exact, estimate = criteria.obd(model, data, diagonal="exact"), criteria.obd(model, data)
    assert not torch.allclose(exact["0.weight"], estimate["0.weight"])


@pytest.mark.slow
def test_hutchinson_comes_near_with_probes():
    model, data = small(), batch()
    exact = curvature.hessian_diagonal(model, data, diagonal="exact")

    def error(probes):
        found = curvature.hessian_diagonal(
            model, data, diagonal="hutchinson", probes=probes, seed=3
        )
        return sum((found[n] - exact[n]).square().sum() for n in exact).sqrt()

    assert error(4000) < 0.3 * error(40)
    assert error(4000) < 0.1


def test_the_surgeon_is_least_squares_without_the_column():
    model, X, y = quadratic()
    inverse = curvature.inverse_hessian(model, (X, y), loss=mse_loss, damping=0)
    w = model[0].weight.data[0]
    base = mse_loss(model(X), y).item()
    scores = criteria.obs(model, (X, y), loss=mse_loss, damping=0)["0.weight"][0]
    for q in range(len(w)):
        others = [i for i in range(len(w)) if i != q]
        refit = torch.linalg.lstsq(X[:, others], y).solution[:, 0]
        rise = mse_loss(X[:, others] @ refit, y[:, 0]).item() - base
        cut = curvature.surgeon(w, inverse, q)
        torch.testing.assert_close(cut.weights[others], refit)
        assert cut.weights[q] == 0
        assert scores[q] == pytest.approx(rise) == cut.change.item()
        # And the inverse that is left is the inverse of what is left.
        rest = torch.linalg.inv(inverse)[others][:, others]
        torch.testing.assert_close(cut.inverse[others][:, others], torch.linalg.inv(rest))
    with pytest.raises(ValueError, match="cut already"):
        curvature.surgeon(cut.weights, cut.inverse, q)


def test_brain_surgery_on_a_quadratic_ends_at_its_supports_least_squares():
    model, X, y = quadratic()
    mask = curvature.brain_surgery(model, (X, y), 3, loss=mse_loss, damping=0)
    assert mask.kept == 3
    kept = mask["0.weight"][0]
    refit = torch.linalg.lstsq(X[:, kept], y).solution[:, 0]
    torch.testing.assert_close(model[0].weight.data[0, kept], refit)
    assert (model[0].weight.data[0, ~kept] == 0).all()
    with pytest.raises(ValueError, match="k: given 7"):
        curvature.brain_surgery(model, (X, y), 7, loss=mse_loss)


def test_full_hessian_is_symmetric_and_its_diagonal_agrees():
    model, (X, y) = small(activation=nn.Tanh), batch()
    H = curvature.full_hessian(model, (X, y))
    torch.testing.assert_close(H, H.T)
    diagonal = curvature.hessian_diagonal(model, (X, y), diagonal="exact")
    torch.testing.assert_close(H.diagonal(), torch.cat([d.flatten() for d in diagonal.values()]))


@pytest.mark.parametrize("block", [1, 3, 7, 32, 100])
def test_blockwise_surgeon_against_a_plain_inverse(block):
    model, (X, y) = small(), batch(n=50)
    G = torch.stack([
        torch.cat([g.flatten() for g in torch.autograd.grad(
            cross_entropy(model(x[None]), t[None]), list(prunable(model).values()))])
        for x, t in zip(X, y, strict=True)
    ])  # fmt: skip
    F = G.T @ G / len(X)
    same = torch.arange(len(F)) // block
    F = torch.where(same[:, None] == same[None], F, 0) + 1e-3 * torch.eye(len(F))
    w = torch.cat([p.flatten() for p in prunable(model).values()])
    expected = w**2 / (2 * torch.linalg.inv(F).diagonal())
    found = criteria.obs(model, (X, y), block=block, damping=1e-3)
    torch.testing.assert_close(torch.cat([s.flatten() for s in found.values()]), expected.detach())


@pytest.mark.filterwarnings("ignore:pruning leaves out")
@pytest.mark.parametrize("kind", ["lstm", "lstm alone", "gru", "attention", "language, tied",
                                  "two inputs", "kept twice", "peeking", "norm"])  # fmt: skip
def test_curvature_of_networks_of_all_kinds_is_the_slope_of_slopes(kind, no_fast_attention):
    model, data, loss = kinds()[kind]
    exact, data = exactly(model, data)
    found = curvature.hessian_diagonal(exact, data, loss, diagonal="exact")
    h = 1e-5
    for name, w in prunable(exact).items():
        curve = torch.empty(w.numel(), dtype=torch.float64)
        for i in range(w.numel()):
            slopes = []
            for step in (h, -h):
                w.data.view(-1)[i] += step
                slopes.append(torch.autograd.grad(loss(asked(exact, data[0]), data[1]), w)[0])
                w.data.view(-1)[i] -= step
            curve[i] = (slopes[0] - slopes[1]).flatten()[i] / (2 * h)
        torch.testing.assert_close(found[name].flatten(), curve, rtol=1e-4, atol=1e-7)
    # And the blocks of the full one, through obs.
    H = curvature.full_hessian(exact, data, loss)
    torch.testing.assert_close(
        H.diagonal(), torch.cat([d.flatten() for d in found.values()]), rtol=1e-8, atol=1e-10
    )


@pytest.mark.parametrize(
    "kind", ["lstm", "gru", "attention", "two inputs", "kept twice", "peeking", "norm"]
)
def test_gauss_newton_of_networks_of_all_kinds_is_written_out(kind, no_fast_attention):
    model, data, loss = kinds()[kind]
    exact, data = exactly(model, data)
    found = curvature.hessian_diagonal(exact, data, loss)
    weights = prunable(exact)
    wanted = {name: torch.zeros_like(w) for name, w in weights.items()}
    for i in range(len(data[1])):
        z = asked(exact, one_of(data[0], i))[0]
        p = z.detach().softmax(0)
        S = torch.diag(p) - torch.outer(p, p)
        rows = [torch.autograd.grad(zc, list(weights.values()), retain_graph=True) for zc in z]
        for name, J in zip(weights, map(torch.stack, zip(*rows, strict=True)), strict=True):
            wanted[name] += torch.einsum("a...,ab,b...->...", J, S, J) / len(data[1])
    for name in weights:
        torch.testing.assert_close(found[name], wanted[name].detach(), rtol=1e-8, atol=1e-12)
