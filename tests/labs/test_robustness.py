"""Norms against the SVD, proofs against everything one can try, attacks against their balls."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from course_lib.labs import robustness as lab
from course_lib.training.models import mlp
from course_lib.training.replicas import Replicas


def matrix(m, n, seed=0):
    return torch.randn(m, n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def tiny(seed, sizes=(2, 5, 4, 3)):
    """A small network in float64 whose proofs are worth something."""
    return mlp(sizes, seed, gain=2.0).double()


def points(n, features, seed=0):
    return torch.rand(n, features, generator=torch.Generator().manual_seed(seed)).double()


# Norms


@pytest.mark.parametrize("shape", [(1, 1), (7, 1), (1, 7), (40, 129), (129, 40), (50, 50)])
def test_the_spectral_norm_lies_between_iteration_and_ceiling(shape):
    W = matrix(*shape)
    exact = np.linalg.svd(W.numpy(), compute_uv=False)[0]
    below, above = lab.spectral_norm(W), lab.spectral_ceiling(W)
    assert below.norm <= exact * (1 + 1e-12)
    assert below.norm == pytest.approx(exact, rel=1e-7)
    assert exact * (1 - 1e-12) <= above <= exact * (1 + 1e-3)
    assert torch.linalg.vector_norm(W @ below.vector).item() == pytest.approx(below.norm)


def test_the_worked_example_stretches_more_without_its_smallest_entry():
    before, after = torch.tensor([[1.0, 1.0], [1.0, -0.99]]), torch.tensor([[1.0, 1.0], [1.0, 0.0]])
    exact = np.linalg.norm(before.double().numpy(), 2)
    assert lab.spectral_norm(before.double()).norm == pytest.approx(exact, rel=1e-6)
    assert exact < 1.42
    assert lab.spectral_norm(after.double()).norm == pytest.approx((1 + math.sqrt(5)) / 2)


def test_a_matrix_of_zeros_stretches_nothing():
    assert lab.spectral_norm(torch.zeros(3, 4)).norm == 0
    assert lab.spectral_ceiling(torch.zeros(3, 4)) == 0


@pytest.mark.parametrize("bad", [torch.ones(3), torch.full((2, 2), float("nan"))])
def test_no_matrix_is_refused(bad):
    with pytest.raises(ValueError, match="expected a matrix of finite numbers"):
        lab.spectral_norm(bad)
    with pytest.raises(ValueError, match="expected a matrix of finite numbers"):
        lab.spectral_ceiling(bad)


@pytest.mark.parametrize("start", [torch.zeros(2), torch.tensor([math.inf, 0.0])])
def test_a_start_that_leads_nowhere_is_refused(start):
    with pytest.raises(ValueError, match="expected one above 0"):
        lab.power_iteration(lambda v: v, lambda u: u, start)


def as_matrix(layer, size):
    """The convolution as an explicit matrix, column by column."""
    basis = torch.eye(layer.in_channels * size[0] * size[1], dtype=torch.float64)
    planes = basis.view(-1, layer.in_channels, *size)
    return torch.conv2d(planes, layer.weight, None, layer.stride, layer.padding).flatten(1).T


@pytest.mark.parametrize(
    "kernel, stride, padding", [(3, 1, 1), (3, 1, 0), (2, 2, 0), ((1, 3), 1, 1)]
)
def test_a_convolution_lies_between_its_bounds(kernel, stride, padding):
    torch.manual_seed(1)
    layer, size = nn.Conv2d(2, 3, kernel, stride, padding).double(), (6, 5)
    exact = torch.linalg.matrix_norm(as_matrix(layer, size), 2).item()
    assert lab.conv_norm(layer, size).norm == pytest.approx(exact, rel=1e-6)
    assert exact <= lab.conv_ceiling(layer, size) * (1 + 1e-9)
    if stride == 1:
        assert lab.conv_ceiling(layer, (40, 40)) == pytest.approx(
            torch.linalg.matrix_norm(as_matrix(layer, (14, 14)), 2).item(), rel=0.15
        )


@pytest.mark.parametrize(
    "layer, size", [(nn.Conv2d(2, 2, 3, groups=2), (9, 9)), (nn.Conv2d(1, 1, 5), (3, 9))]
)
def test_convolutions_beyond_the_bound_are_refused(layer, size):
    with pytest.raises(ValueError, match="expected"):
        lab.conv_ceiling(layer, size)


# Networks


def test_the_product_bounds_every_slope_of_a_network():
    model = tiny(3)
    X = points(40, 2)
    bound = lab.lipschitz_bound(model).item()
    norms = [np.linalg.norm(layer.weight.detach().numpy(), 2) for layer in model[::2]]
    assert bound == pytest.approx(math.prod(norms))
    slopes = lab.steepest_slopes(model, X, steps=50)
    local = torch.linalg.matrix_norm(lab.jacobians(model, X), 2)
    assert (slopes >= local * 0.99).all()  # it began there
    assert slopes.max() <= bound
    pairs = [(a, b) for a, b in itertools.combinations(X, 2)]
    steep = max(float((model(a) - model(b)).norm() / (a - b).norm()) for a, b in pairs)
    assert steep <= slopes.max() * 1.0001


def test_jacobians_are_those_of_autograd():
    model, X = tiny(1), points(5, 2)
    wanted = torch.stack([torch.autograd.functional.jacobian(model, x) for x in X])
    assert torch.allclose(lab.jacobians(model, X), wanted)


def test_replicas_are_answered_one_by_one():
    models = [mlp((2, 6, 3), s) for s in range(3)]
    many, X, y = Replicas(models), points(7, 2).float(), torch.tensor([0, 1, 2, 0, 1, 2, 0])
    for i, model in enumerate(models):
        assert torch.allclose(lab.lipschitz_bound(many)[i], lab.lipschitz_bound(model))
        assert torch.allclose(lab.jacobians(many, X)[i], lab.jacobians(model, X), atol=1e-6)
        for proof in (lab.interval_margins, lab.linear_margins):
            found, alone = proof(many, X, y, 0.05)[i], proof(model, X, y, 0.05)
            assert torch.allclose(found, alone, atol=1e-5), proof
        found = lab.interval_logits(many, X, 0.05)
        assert torch.allclose(found[0][i], lab.interval_logits(model, X, 0.05)[0], atol=1e-6)


def test_a_layer_that_cannot_be_bounded_is_named():
    model = nn.Sequential(nn.Linear(2, 2), nn.Sigmoid(), nn.Linear(2, 2))
    with pytest.raises(ValueError, match="Sigmoid"):
        lab.lipschitz_bound(model)
    with pytest.raises(ValueError, match="expected a linear layer"):
        lab.interval_margins(
            model[:1].append(nn.ReLU()), points(1, 2).float(), torch.tensor([0]), 0.1
        )


# Margins and radii


def test_margins_by_hand():
    logits = torch.tensor([[3.0, 1.0, 2.5], [0.0, 4.0, 5.0]])
    assert lab.margins(logits, torch.tensor([0, 1])).tolist() == [0.5, -1.0]
    with pytest.raises(ValueError, match="expected"):
        lab.margins(logits, torch.tensor([0, 3]))
    with pytest.raises(ValueError, match="expected"):
        lab.margins(logits, torch.tensor([0]))


def test_the_radius_of_a_linear_model_is_the_distance_to_the_boundary():
    W = torch.eye(2).double()  # logits x and y; the boundary is the diagonal
    margin = lab.margins(torch.tensor([[3.0, 1.0]]).double() @ W, torch.tensor([0]))
    radius = lab.certified_radius(margin, torch.tensor(1.0))
    assert radius.item() == pytest.approx(math.sqrt(2))  # from (3, 1) to (2, 2)
    assert lab.certified_radius(torch.tensor([-1.0]), torch.tensor(2.0)).item() == 0
    with pytest.raises(ValueError, match="positive"):
        lab.certified_radius(margin, torch.tensor(0.0))


def ball(centre, eps, norm, rng, count=300):
    """Points of a ball about one input, many of them on its rim."""
    step = rng.normal(size=(count, len(centre)))
    if norm == "linf":
        step = np.clip(step, -1, 1)
        corners = np.array(list(itertools.product((-1, 1), repeat=len(centre))))
        step = np.vstack([step, corners])
    else:
        step /= np.linalg.norm(step, axis=1, keepdims=True)
    return centre + torch.from_numpy(step * eps * 0.999999)


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.sampled_from([0.01, 0.05, 0.2]))
def test_nothing_in_a_certified_ball_is_ever_misjudged(seed, eps):
    """Soundness: not one of many points, nor the best of an attack, crosses any certificate."""
    model, rng = tiny(seed), np.random.default_rng(seed)
    X = points(6, 2, seed)
    y = model(X).argmax(dim=1)
    radius = lab.certified_radius(lab.margins(model(X), y), lab.lipschitz_bound(model)).detach()
    proofs = {
        "intervals": lab.interval_margins(model, X, y, eps),
        "lines": lab.linear_margins(model, X, y, eps),
    }
    low, high = lab.interval_logits(model, X, eps)
    pushed = lab.attack(model, X, y, eps, steps=20, seed=seed)
    attacked = lab.margins(model(X + pushed), y).detach()
    for i, x in enumerate(X):
        near = ball(x, eps, "linf", rng)
        logits = model(near).detach()
        found = lab.margins(logits, y[i].expand(len(near)))
        assert (logits >= low[i] - 1e-9).all() and (logits <= high[i] + 1e-9).all()
        for name, proof in proofs.items():
            assert found.min() >= proof[i] - 1e-9, name
            assert attacked[i] >= proof[i] - 1e-9, name
        if radius[i] > 0:
            near = ball(x, radius[i].item(), "l2", rng)
            assert (model(near).argmax(dim=1) == y[i]).all()


def test_without_a_change_a_proof_is_the_margin():
    model, X = tiny(2), points(9, 2)
    y = torch.arange(9) % 3
    exact = lab.margins(model(X), y).detach()
    assert torch.allclose(lab.interval_margins(model, X, y, 0.0), exact)
    assert torch.allclose(lab.linear_margins(model, X, y, 0.0), exact)


def test_one_layer_is_bounded_exactly():
    """A linear network: the worst point of the box is a corner, and both proofs find it."""
    model, X, y = tiny(4, (3, 4)), points(5, 3), torch.tensor([0, 1, 2, 3, 0])
    corners = torch.tensor(list(itertools.product((-0.1, 0.1), repeat=3))).double()
    worst = torch.stack([lab.margins(model(X + c), y) for c in corners]).amin(dim=0).detach()
    assert torch.allclose(lab.interval_margins(model, X, y, 0.1), worst)
    assert torch.allclose(lab.linear_margins(model, X, y, 0.1), worst)


def test_intervals_pass_through_convolutions():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(32, 3))
    model = model.double()
    X = torch.rand(3, 1, 4, 4).double()
    low, high = lab.interval_logits(model, X, 0.1)
    for _ in range(200):
        logits = model(X + 0.1 * (2 * torch.rand(3, 1, 4, 4).double() - 1))
        assert (logits >= low).all() and (logits <= high).all()


@pytest.mark.parametrize("eps", [-0.1, math.nan, math.inf])
def test_a_radius_that_is_none_is_refused(eps):
    model, X, y = tiny(0), points(2, 2), torch.tensor([0, 1])
    for call in (lab.interval_margins, lab.linear_margins, lab.attack):
        with pytest.raises(ValueError, match="eps"):
            call(model, X, y, eps)


# Attacks


@settings(max_examples=30)
@given(st.integers(0, 1000), st.sampled_from(["l2", "linf"]), st.floats(0, 3))
def test_a_projection_is_the_nearest_point_of_the_ball(seed, norm, eps):
    delta = 2 * matrix(6, 4, seed)
    found = lab.project(delta, eps, norm)
    size = found.abs().amax(dim=1) if norm == "linf" else found.norm(dim=1)
    assert (size <= eps * (1 + 1e-12)).all()
    inside = (delta.abs().amax(dim=1) if norm == "linf" else delta.norm(dim=1)) <= eps
    assert torch.equal(found[inside], delta[inside])
    other = lab.project(delta + 0.5 * matrix(6, 4, seed + 1), eps, norm)
    assert ((found - delta).norm(dim=1) <= (other - delta).norm(dim=1) + 1e-9).all()


def test_another_norm_is_refused():
    with pytest.raises(ValueError, match="expected 'linf' or 'l2'"):
        lab.project(torch.zeros(1, 2), 1.0, "l1")


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_an_attack_stays_in_its_ball_and_finds_what_a_grid_finds(norm):
    model, X = tiny(7), points(30, 2)
    y = model(X).argmax(dim=1)
    eps = 0.15
    delta = lab.attack(model, X, y, eps, norm, steps=60)
    size = delta.abs().amax(dim=1) if norm == "linf" else delta.norm(dim=1)
    assert (size <= eps * (1 + 1e-9)).all()
    found = lab.margins(model(X + delta), y)
    assert (found <= lab.margins(model(X), y) + 1e-12).all()
    axis = torch.linspace(-eps, eps, 41).double()
    grid = torch.cartesian_prod(axis, axis)
    grid = grid[grid.norm(dim=1) <= eps] if norm == "l2" else grid
    best = torch.stack([lab.margins(model(X + g), y) for g in grid]).amin(dim=0)
    assert (found - best).abs().median() < 0.01
    survived = lab.surviving(model, X, y, eps, norm, steps=60)
    assert (survived == (best > 0)).double().mean() > 0.9
