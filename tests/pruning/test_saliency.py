"""Each criterion against an oracle of its own: finite differences, closed forms, brute force."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from torch import nn
from torch.nn.functional import cross_entropy, mse_loss

from course_lib.masks import prunable
from course_lib.pruning import saliency
from course_lib.training.data import digits
from course_lib.training.fit import Recipe, fit
from course_lib.training.models import mlp

CRITERIA = [
    saliency.magnitude, saliency.random, saliency.signed_first_order, saliency.first_order,
    saliency.snip, saliency.fisher, saliency.obd, saliency.second_order, saliency.synflow,
    saliency.oracle,
]  # fmt: skip


def small(seed=0, activation=nn.ReLU):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(5, 4), activation(), nn.Linear(4, 3)).double()


def conv(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3)
    ).double()


def batch(n=7, shape=(5,), classes=3, seed=1):
    g = torch.Generator().manual_seed(seed)
    return torch.randn(n, *shape, generator=g).double(), torch.randint(
        0, classes, (n,), generator=g
    )


def changed(model, X, y, name, index, value, loss=cross_entropy):
    """The loss with one weight set to a value."""
    w = dict(model.named_parameters())[name]
    old = w.data[index].clone()
    w.data[index] = value
    with torch.no_grad():
        found = loss(model.eval()(X), y).item()
    w.data[index] = old
    return found


def entries(scores):
    return [(n, i) for n, s in scores.items() for i in np.ndindex(*s.shape)]


MODELS = [(small, (5,)), (conv, (1, 4, 4))]


@pytest.mark.parametrize("criterion", CRITERIA, ids=lambda c: c.__name__)
@pytest.mark.parametrize("make, shape", MODELS)
def test_one_signature_same_names_and_shapes(criterion, make, shape):
    model = make().train()
    before = [p.clone() for p in model.state_dict().values()]
    scores = criterion(model, batch(shape=shape))
    assert {n: s.shape for n, s in scores.items()} == {
        n: w.shape for n, w in prunable(model).items()
    }
    assert all(s.isfinite().all() and not s.requires_grad for s in scores.values())
    assert model.training and all(p.grad is None for p in model.parameters())
    assert all(map(torch.equal, before, model.state_dict().values()))


@pytest.mark.parametrize("make, shape", MODELS)
def test_first_order_is_the_slope_by_finite_differences(make, shape):
    model, (X, y) = make(), batch(shape=shape)
    scores = saliency.signed_first_order(model, (X, y))
    absolute, shares = saliency.first_order(model, (X, y)), saliency.snip(model, (X, y))
    total = sum(s.sum() for s in absolute.values())
    for name, index in entries(scores):
        w = prunable(model)[name][index].item()
        h = 1e-6
        up, down = (changed(model, X, y, name, index, w + s * h) for s in (1, -1))
        assert scores[name][index] == pytest.approx(-w * (up - down) / (2 * h), abs=1e-7)
        assert absolute[name][index] == scores[name][index].abs()
        assert shares[name][index] == pytest.approx((absolute[name][index] / total).item())


@pytest.mark.parametrize("make, shape", MODELS)
def test_first_order_of_each_is_a_loop_over_examples(make, shape):
    model = make()
    X, y = batch(5, shape)
    total = {name: torch.zeros_like(w) for name, w in prunable(model).items()}
    for x, label in zip(X, y, strict=True):
        for name, s in saliency.first_order(model, (x[None], label[None])).items():
            total[name] += s / 5
    found = saliency.first_order(model, (X, y), each=True)
    torch.testing.assert_close(found, total)
    together = saliency.first_order(model, (X, y))
    assert all((found[n] >= together[n] - 1e-12).all() for n in found)


@pytest.mark.parametrize("make, shape", MODELS)
def test_fisher_is_a_loop_over_examples(make, shape):
    model, (X, y) = make().eval(), batch(shape=shape)
    total = {n: 0 for n in prunable(model)}
    for x, label in zip(X, y, strict=True):
        g = torch.autograd.grad(
            cross_entropy(model(x[None]), label[None]), list(prunable(model).values())
        )
        total = {n: t + d**2 for (n, t), d in zip(total.items(), g, strict=True)}
    for name, score in saliency.fisher(model, (X, y)).items():
        expected = prunable(model)[name] ** 2 * total[name] / (2 * len(X))
        torch.testing.assert_close(score, expected.detach())


@pytest.mark.parametrize("activation", [nn.ReLU, nn.Tanh])
def test_exact_diagonal_is_the_second_difference(activation):
    model, (X, y) = small(activation=activation), batch()
    scores = saliency.obd(model, (X, y), diagonal="exact")
    for name, index in entries(scores):
        w, h = prunable(model)[name][index].item(), 1e-4
        up, at, down = (changed(model, X, y, name, index, w + s * h) for s in (1, 0, -1))
        curve = (up - 2 * at + down) / h**2
        assert scores[name][index] == pytest.approx(curve * w * w / 2, abs=2e-6)


@pytest.mark.parametrize("make, shape", MODELS)
def test_gauss_newton_is_exact_for_piecewise_linear_networks(make, shape):
    model, (X, y) = make(), batch(n=129, shape=shape)
    exact = saliency.obd(model, (X, y), diagonal="exact")
    estimate = saliency.obd(model, (X, y))
    for name in exact:
        torch.testing.assert_close(estimate[name], exact[name], atol=1e-10, rtol=1e-8)


def test_gauss_newton_is_not_exact_for_tanh():
    model, data = small(activation=nn.Tanh), batch()
    exact, estimate = saliency.obd(model, data, diagonal="exact"), saliency.obd(model, data)
    assert not torch.allclose(exact["0.weight"], estimate["0.weight"])


def test_hutchinson_comes_near_with_probes():
    model, data = small(), batch()
    exact = saliency.hessian_diagonal(model, data, diagonal="exact")

    def error(probes):
        found = saliency.hessian_diagonal(model, data, diagonal="hutchinson", probes=probes, seed=3)
        return sum((found[n] - exact[n]).square().sum() for n in exact).sqrt()

    assert error(4000) < 0.3 * error(40)
    assert error(4000) < 0.1


def quadratic(P=6, seed=0):
    """A linear model of one output at its minimum: its loss is exactly quadratic."""
    rng = np.random.default_rng(seed)
    X = torch.tensor(rng.normal(size=(40, P)) @ rng.normal(size=(P, P)))
    y = torch.tensor(rng.normal(size=(40, 1)))
    model = nn.Sequential(nn.Linear(P, 1, bias=False)).double()
    model[0].weight.data = torch.linalg.lstsq(X, y).solution.T
    return model, X, y


def test_second_order_is_exact_on_a_quadratic():
    model, X, y = quadratic()
    truth = saliency.oracle(model, (X, y), loss=mse_loss)["0.weight"]
    model[0].weight.data += 0.3  # away from the minimum both terms count
    away = saliency.oracle(model, (X, y), loss=mse_loss)["0.weight"]
    both = saliency.second_order(model, (X, y), loss=mse_loss)["0.weight"]
    torch.testing.assert_close(both, away)
    model[0].weight.data -= 0.3
    torch.testing.assert_close(saliency.obd(model, (X, y), loss=mse_loss)["0.weight"], truth)


def test_the_surgeon_is_least_squares_without_the_column():
    model, X, y = quadratic()
    inverse = saliency.inverse_hessian(model, (X, y), loss=mse_loss, damping=0)
    w = model[0].weight.data[0]
    base = mse_loss(model(X), y).item()
    scores = saliency.obs(model, (X, y), loss=mse_loss, damping=0)["0.weight"][0]
    for q in range(len(w)):
        others = [i for i in range(len(w)) if i != q]
        refit = torch.linalg.lstsq(X[:, others], y).solution[:, 0]
        rise = mse_loss(X[:, others] @ refit, y[:, 0]).item() - base
        cut = saliency.surgeon(w, inverse, q)
        torch.testing.assert_close(cut.weights[others], refit)
        assert cut.weights[q] == 0
        assert scores[q] == pytest.approx(rise) == cut.change.item()
        # And the inverse that is left is the inverse of what is left.
        rest = torch.linalg.inv(inverse)[others][:, others]
        torch.testing.assert_close(cut.inverse[others][:, others], torch.linalg.inv(rest))
    with pytest.raises(ValueError, match="cut already"):
        saliency.surgeon(cut.weights, cut.inverse, q)


def test_brain_surgery_on_a_quadratic_ends_at_its_supports_least_squares():
    model, X, y = quadratic()
    mask = saliency.brain_surgery(model, (X, y), 3, loss=mse_loss, damping=0)
    assert mask.kept == 3
    kept = mask["0.weight"][0]
    refit = torch.linalg.lstsq(X[:, kept], y).solution[:, 0]
    torch.testing.assert_close(model[0].weight.data[0, kept], refit)
    assert (model[0].weight.data[0, ~kept] == 0).all()
    with pytest.raises(ValueError, match="k: given 7"):
        saliency.brain_surgery(model, (X, y), 7, loss=mse_loss)


def test_full_hessian_is_symmetric_and_its_diagonal_agrees():
    model, (X, y) = small(activation=nn.Tanh), batch()
    H = saliency.full_hessian(model, (X, y))
    torch.testing.assert_close(H, H.T)
    diagonal = saliency.hessian_diagonal(model, (X, y), diagonal="exact")
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
    found = saliency.obs(model, (X, y), block=block, damping=1e-3)
    torch.testing.assert_close(torch.cat([s.flatten() for s in found.values()]), expected.detach())


@pytest.mark.parametrize("make, shape", MODELS)
@pytest.mark.parametrize("n", [1, 7, 129])
def test_the_oracle_is_the_plain_loop(make, shape, n):
    model, (X, y) = make(), batch(n=n, shape=shape)
    truth = saliency.oracle(model, (X, y))
    base = cross_entropy(model.eval()(X), y).item()
    for name, index in entries(truth):
        expected = changed(model, X, y, name, index, 0.0) - base
        assert truth[name][index].item() == pytest.approx(expected, abs=1e-12)


def test_the_oracle_of_a_tied_weight_cuts_both_uses():
    shared = nn.Linear(4, 4, bias=False).double()
    model = nn.Sequential(shared, nn.Tanh(), shared)
    X, y = batch(shape=(4,), classes=4)
    truth = saliency.oracle(model, (X, y))["0.weight"]
    base = cross_entropy(model(X), y).item()
    expected = changed(model, X, y, "0.weight", (1, 2), 0.0) - base
    assert truth[1, 2].item() == pytest.approx(expected, abs=1e-12)


def test_synflow_is_conserved_layer_by_layer():
    model = nn.Sequential(nn.Linear(5, 7, bias=False), nn.ReLU(), nn.Linear(7, 3, bias=False))
    X, y = batch()
    scores = saliency.synflow(model, (X.float(), y))
    flow = (model[2].weight.abs() @ model[0].weight.abs()).sum().item()
    assert [s.sum().item() for s in scores.values()] == pytest.approx([flow, flow], rel=1e-5)


def test_random_follows_its_seed():
    model, data = small(), batch()
    one, same, other = (saliency.random(model, data, seed=s)["0.weight"] for s in (1, 1, 2))
    assert torch.equal(one, same) and not torch.equal(one, other)


def test_errors_for_people():
    model, data = small(), batch()
    with pytest.raises(ValueError, match="expected 'exact'"):
        saliency.obd(model, data, diagonal="half")
    with pytest.raises(ValueError, match="block: given 0"):
        saliency.obs(model, data, block=0)
    with pytest.raises(ValueError, match="at most 5,000"):
        saliency.full_hessian(nn.Linear(100, 60), (torch.ones(1, 100), torch.tensor([0])))
    with pytest.raises(ValueError, match="smallest eigenvalue"):
        saliency.inverse_hessian(small(activation=nn.Tanh), data, damping=0)


def test_estimates_rank_as_the_truth_on_digits():
    data = digits()
    model = mlp((64, 12, 10), 0)
    fit(model, (data.X, data.y), Recipe(steps=300))
    truth = torch.cat([t.flatten() for t in saliency.oracle(model, (data.X, data.y)).values()])

    def rank(criterion):
        scores = criterion(model, (data.X, data.y))
        return spearmanr(torch.cat([s.flatten() for s in scores.values()]), truth.abs())[0]

    assert rank(saliency.first_order) > 0.7 and rank(saliency.obd) > 0.8
    assert abs(rank(saliency.random)) < 0.15
    assert not math.isnan(rank(saliency.fisher))
