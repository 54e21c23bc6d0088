"""Bounds against singular values, explicit matrices, brute force and attacks that must fail."""

import copy
import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils import prune
from torch.nn.utils.parametrizations import weight_norm

from course_lib.labs import robustness as lab
from course_lib.training.models import mlp
from course_lib.training.replicas import Replicas

seeds = st.integers(0, 10_000)


def generator(seed):
    return torch.Generator().manual_seed(seed)


def network(sizes, seed, gain=3.0):
    return mlp(sizes, seed, gain).double()


def inputs(n, features, seed):
    return torch.randn(n, features, generator=generator(seed), dtype=torch.float64)


def explicit(layer, size):
    """The matrix of a convolution, column by column."""
    one = torch.eye(layer.in_channels * math.prod(size), dtype=torch.float64)
    pictures = one.view(-1, layer.in_channels, *size)
    out = torch.conv2d(pictures, layer.weight.detach().double(), None, layer.stride, layer.padding)
    return out.flatten(1).T


# Norms


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1), (5, 3), (3, 5), (40, 40)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_spectral_norm_is_that_of_the_svd(shape, dtype):
    W = torch.randn(shape, generator=generator(1), dtype=dtype)
    exact = np.linalg.norm(W.double().numpy(), 2)
    found = lab.spectral_norm(W)
    assert found.norm == pytest.approx(exact, rel=1e-6)
    assert found.norm <= exact * (1 + 1e-12) <= lab.spectral_ceiling(W) * (1 + 1e-9)
    assert lab.spectral_ceiling(W) == pytest.approx(exact, rel=1e-3)
    torch.testing.assert_close(found.vector.norm().item(), 1.0)


def test_the_golden_ratio():
    golden = (1 + math.sqrt(5)) / 2
    assert lab.spectral_norm(torch.tensor([[1.0, 1], [1, 0]])).norm == pytest.approx(golden)
    assert lab.spectral_norm(torch.tensor([[1.0, 1], [1, -1]])).norm == pytest.approx(math.sqrt(2))


@given(seeds, st.integers(1, 6), st.integers(1, 6), st.integers(1, 4))
def test_from_below_and_from_above_whatever_the_effort(seed, m, n, effort):
    W = torch.randn(m, n, generator=generator(seed), dtype=torch.float64)
    exact = np.linalg.norm(W.numpy(), 2)
    start = torch.randn(n, generator=generator(seed + 1), dtype=torch.float64)
    hasty = lab.power_iteration(lambda v: W @ v, lambda u: W.T @ u, start, most=effort)
    assert hasty.rounds <= effort
    assert hasty.norm <= exact * (1 + 1e-12)
    assert lab.spectral_ceiling(W, effort) >= exact * (1 - 1e-12)
    assert lab.spectral_ceiling(W, effort) <= exact * n ** (1 / (4 * 2**effort)) * (1 + 1e-12)


def test_the_stopping_rule_keeps_its_promise():
    W = torch.diag(torch.tensor([2.0, 1.9, 0.5], dtype=torch.float64))
    for tolerance in (1e-2, 1e-5, 1e-9):
        found = lab.power_iteration(
            lambda v: W @ v, lambda u: W @ u, torch.ones(3, dtype=torch.float64), tolerance
        )
        squares = torch.tensor([4.0, 3.61, 0.25])
        assert (squares - found.norm**2).abs().min() <= tolerance * found.norm**2 + 1e-6
        assert found.rounds > 1


def test_zero_and_equal_singular_values():
    assert lab.spectral_norm(torch.zeros(3, 4)).norm == 0
    assert lab.spectral_ceiling(torch.zeros(3, 4)) == 0
    found = lab.spectral_norm(3 * torch.eye(5))
    assert found.norm == pytest.approx(3) and found.rounds == 1


CONVS = [
    (nn.Conv2d(1, 1, 3), (5, 6)),
    (nn.Conv2d(2, 3, 3, padding=1), (6, 5)),
    (nn.Conv2d(3, 2, (2, 3), stride=2, padding=(1, 0)), (7, 8)),
    (nn.Conv2d(2, 2, 1), (3, 3)),
]


@pytest.mark.parametrize("layer, size", CONVS, ids=str)
def test_a_convolution_is_a_matrix(layer, size):
    exact = np.linalg.norm(explicit(layer, size).numpy(), 2)
    assert lab.conv_norm(layer, size).norm == pytest.approx(exact, rel=1e-6)
    ceiling = lab.conv_ceiling(layer, size)
    assert ceiling >= exact * (1 - 1e-12)
    if layer.stride == (1, 1):
        assert ceiling <= 1.35 * exact


def test_the_ceiling_of_a_convolution_is_exact_where_the_picture_is_large():
    layer = nn.Conv2d(1, 1, 3, padding=1)
    gaps = [lab.conv_ceiling(layer, (n, n)) / lab.conv_norm(layer, (n, n)).norm for n in (4, 24)]
    assert gaps[1] < gaps[0] and gaps[1] < 1.02


# Slopes


@pytest.mark.parametrize("sizes", [(3, 5, 2), (4, 7, 6, 3), (5, 2)])
def test_jacobians_are_finite_differences(sizes):
    model, X = network(sizes, 0), inputs(6, sizes[0], 1)
    J = lab.jacobians(model, X)
    for i in range(sizes[0]):
        step = torch.zeros_like(X)
        step[:, i] = 1e-7
        with torch.no_grad():
            torch.testing.assert_close(
                J[..., i], (model(X + step) - model(X - step)) / 2e-7, atol=1e-5, rtol=1e-5
            )


@pytest.mark.parametrize("sizes", [(3, 8, 2), (4, 12, 9, 3)])
def test_slopes_lie_between_the_local_and_the_product(sizes):
    model, X = network(sizes, 3), inputs(30, sizes[0], 4)
    local = torch.linalg.matrix_norm(lab.jacobians(model, X), 2)
    found = lab.steepest_slopes(model, X, steps=60)
    nothing = lab.steepest_slopes(model, X, steps=0, rate=1e-7)
    torch.testing.assert_close(nothing, local, rtol=1e-5, atol=1e-6)
    assert found.max() > local.max() * 0.9999
    assert found.max() <= lab.lipschitz_bound(model)


def test_the_product_of_a_known_network():
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2))
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([[3.0, 0], [0, 1]]))
        model[2].weight.copy_(torch.tensor([[0.0, 2], [0.5, 0]]))
    assert [n.item() for n in lab.layer_norms(model)] == pytest.approx([3, 2])
    assert lab.lipschitz_bound(model).item() == pytest.approx(6)


def test_the_product_of_a_network_with_convolutions_bounds_random_slopes():
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 3, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(3, 2, 2), nn.ReLU(),
        nn.Flatten(), nn.Linear(2 * 2 * 3, 4),
    ).double()  # fmt: skip
    bound = lab.lipschitz_bound(model, (6, 8))
    a, b = torch.randn(2, 200, 1, 6, 8, dtype=torch.float64)
    slopes = (model(a) - model(b)).norm(dim=1) / (a - b).flatten(1).norm(dim=1)
    assert slopes.max() <= bound
    matrices = [explicit(model[0], (6, 8)), explicit(model[2], (3, 4)), model[5].weight.detach()]
    exact = math.prod(np.linalg.norm(m.numpy(), 2) for m in matrices)
    assert exact <= bound <= 2 * exact


# Margins and radii


def test_margins_by_hand():
    logits = torch.tensor([[3.0, 1, 2], [0, 5, 7], [1, 1, 0]])
    assert lab.margins(logits, torch.tensor([0, 1, 0])).tolist() == [1, -2, 0]


def test_the_radius_and_its_constant():
    margin, L = torch.tensor([[2.0, -1.0], [1.0, 4.0]]), torch.tensor([1.0, 2.0])
    expected = torch.tensor([[2 / math.sqrt(2), 0], [1 / 2 / math.sqrt(2), 2 / math.sqrt(2)]])
    torch.testing.assert_close(lab.certified_radius(margin, L), expected)


def test_the_root_of_two_is_needed():
    """With f(x) = (x, -x) / sqrt(2), L = 1, and the prediction at x turns at distance x exactly."""
    model = nn.Sequential(nn.Linear(1, 2, bias=False)).double()
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([[1.0], [-1.0]]) / math.sqrt(2))
    X, y = torch.tensor([[0.3]], dtype=torch.float64), torch.tensor([0])
    L = lab.lipschitz_bound(model)
    assert L.item() == pytest.approx(1)
    assert lab.certified_radius(lab.margins(model(X), y), L).item() == pytest.approx(0.3)


# No attack, no point of a grid, no random point inside a certified ball


def ball(features, eps, norm, seed):
    """Corners, faces and random places of the ball about zero."""
    corners = torch.tensor(list(itertools.product([-1.0, 0, 1], repeat=features)))
    noise = torch.randn(300, features, generator=generator(seed))
    return lab.project(eps * torch.cat([corners, noise, 0.2 * noise]).double(), eps, norm)


@pytest.mark.slow
@settings(max_examples=60)
@given(seeds, st.integers(1, 4), st.integers(2, 4), st.floats(1e-3, 0.5), st.booleans())
def test_nothing_succeeds_in_a_certified_ball(seed, features, classes, eps, deep):
    sizes = (features, 6, 5, classes) if deep else (features, 5, classes)
    model, X = network(sizes, seed), inputs(5, features, seed)
    y = model(X).argmax(dim=1)
    y[0] = (y[0] + 1) % classes  # one wrong prediction
    lowest = {
        "intervals": lab.interval_margins(model, X, y, eps),
        "lines": lab.linear_margins(model, X, y, eps),
    }
    with torch.no_grad():
        tried = torch.stack(
            [lab.margins(model(X + d), y) for d in ball(features, eps, "linf", seed)]
        ).amin(dim=0)
    delta = lab.attack(model, X, y, eps, seed=seed, steps=20)
    tried = torch.minimum(tried, lab.margins(model(X + delta), y).detach())
    for name, bound in lowest.items():
        assert (bound <= tried + 1e-9).all(), name
    radius = lab.certified_radius(lab.margins(model(X), y).detach(), lab.lipschitz_bound(model))
    assert radius[0] == 0
    for i in range(1, 5):
        if radius[i] > 0:
            near = X[i] + ball(features, 0.9999 * radius[i].item(), "l2", seed)
            assert (model(near).argmax(dim=1) == y[i]).all()
            assert lab.surviving(
                model, X[i : i + 1], y[i : i + 1], 0.9999 * radius[i].item(), "l2", steps=20
            ).all()


@settings(max_examples=40)
@given(seeds, st.floats(0, 0.5))
def test_logits_stay_in_their_intervals(seed, eps):
    model, X = network((3, 6, 4, 3), seed), inputs(4, 3, seed)
    low, high = lab.interval_logits(model, X, eps)
    for d in ball(3, eps, "linf", seed):
        out = model(X + d)
        assert ((out >= low - 1e-9) & (out <= high + 1e-9)).all()


def test_convolutions_and_pictures():
    torch.manual_seed(1)
    model = nn.Sequential(
        nn.Conv2d(1, 2, 3, stride=2, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(18, 3)
    ).double()
    X = torch.randn(4, 1, 5, 6, dtype=torch.float64)
    low, high = lab.interval_logits(model, X, 0.1)
    matrix = explicit(model[0], (5, 6))
    plain = nn.Sequential(nn.Linear(30, 18), nn.ReLU(), nn.Linear(18, 3)).double()
    with torch.no_grad():
        plain[0].weight.copy_(matrix)
        plain[0].bias.copy_(model[0].bias.repeat_interleave(9))
        plain[2].load_state_dict(model[3].state_dict())
    torch.testing.assert_close((low, high), lab.interval_logits(plain, X.flatten(1), 0.1))
    y = torch.tensor([0, 1, 2, 0])
    torch.testing.assert_close(
        lab.interval_margins(model, X, y, 0.1), lab.interval_margins(plain, X.flatten(1), y, 0.1)
    )


def test_one_linear_layer_is_bounded_exactly():
    """Then the worst corner is reached: by brute force, by both proofs and by the attack."""
    model, X, y = network((4, 3), 5), inputs(6, 4, 6), torch.tensor([0, 1, 2, 0, 1, 2])
    corners = 0.2 * torch.tensor(list(itertools.product([-1.0, 1], repeat=4))).double()
    with torch.no_grad():
        worst = torch.stack([lab.margins(model(X + c), y) for c in corners]).amin(dim=0)
    torch.testing.assert_close(lab.interval_margins(model, X, y, 0.2), worst)
    torch.testing.assert_close(lab.linear_margins(model, X, y, 0.2), worst)
    found = lab.margins(model(X + lab.attack(model, X, y, 0.2, steps=60)), y).detach()
    assert (found >= worst - 1e-12).all() and (found <= worst + 0.05).all()


def test_a_linear_pair_in_closed_form():
    """Two classes: the least margin is m - eps |w|, in the dual norm, and the attack attains it."""
    model, X = network((5, 2), 7), inputs(8, 5, 8)
    y = model(X).argmax(dim=1)
    w = model[0].weight[0] - model[0].weight[1]
    m = lab.margins(model(X), y)
    for norm, dual in (("linf", 1), ("l2", 2)):
        found = lab.margins(model(X + lab.attack(model, X, y, 0.1, norm)), y)
        torch.testing.assert_close(found, m - 0.1 * w.norm(dual), rtol=1e-4, atol=1e-5)


def test_the_better_proof_is_better_where_it_matters():
    model, X = network((6, 20, 20, 4), 9), inputs(40, 6, 10)
    y = model(X).argmax(dim=1)
    by_lines, by_boxes = (f(model, X, y, 0.05) for f in (lab.linear_margins, lab.interval_margins))
    assert (by_lines > by_boxes).double().mean() > 0.9
    exact = lab.margins(model(X), y).detach()
    for f in (lab.linear_margins, lab.interval_margins):
        torch.testing.assert_close(f(model, X, y, 0.0), exact)


# Attacks


# Radii so small that their squares are no numbers any more are nobody's.
RADII = st.just(0.0) | st.floats(1e-6, 2)


@given(seeds, RADII, st.sampled_from(["linf", "l2"]))
def test_projection_gives_the_nearest_point_of_the_ball(seed, eps, norm):
    delta = inputs(5, 3, seed)
    near = lab.project(delta, eps, norm)
    size = {"linf": math.inf, "l2": 2}[norm]
    assert (near.norm(size, dim=1) <= eps * (1 + 1e-12)).all()
    inside = delta.norm(size, dim=1) <= eps
    torch.testing.assert_close(near[inside], delta[inside])
    torch.testing.assert_close(lab.project(near, eps, norm), near)
    for other in ball(3, eps, norm, seed)[::20]:
        assert ((delta - near).norm(dim=1) <= (delta - other).norm(dim=1) + 1e-9).all()


@settings(max_examples=25)
@given(seeds, RADII, st.sampled_from(["linf", "l2"]))
def test_the_attack_stays_in_the_ball_and_never_makes_things_better(seed, eps, norm):
    model, X = network((4, 8, 3), seed), inputs(6, 4, seed)
    y = torch.arange(6) % 3
    delta = lab.attack(model, X, y, eps, norm, steps=10, seed=seed)
    assert (delta.norm({"linf": math.inf, "l2": 2}[norm], dim=1) <= eps * (1 + 1e-12)).all()
    before, after = (lab.margins(model(x), y) for x in (X, X + delta))
    assert (after <= before + 1e-12).all()


def test_the_attack_finds_what_an_exhaustive_search_finds():
    model, X = network((2, 10, 3), 11), inputs(25, 2, 12)
    y = model(X).argmax(dim=1)
    line = torch.linspace(-0.3, 0.3, 61, dtype=torch.float64)
    grid = torch.cartesian_prod(line, line)
    with torch.no_grad():
        broken = torch.stack([lab.margins(model(X + d), y) < 0 for d in grid]).any(dim=0)
    survived = lab.surviving(model, X, y, 0.3, steps=100)
    assert not (survived & broken).sum() > 1  # a valley that leads elsewhere
    assert (lab.linear_margins(model, X, y, 0.3)[broken] <= 0).all()
    assert 3 < broken.sum() < 22


# Replicas


def test_replicas_are_each_alone():
    model = Replicas([network((4, 6, 5, 3), seed) for seed in range(3)]).double()
    X, y = inputs(5, 4, 1), torch.tensor([0, 1, 2, 0, 1])
    questions = {
        "bound": lab.lipschitz_bound,
        "jacobians": lambda m: lab.jacobians(m, X),
        "logits": lambda m: torch.stack(lab.interval_logits(m, X, 0.1), dim=-1),
        "intervals": lambda m: lab.interval_margins(m, X, y, 0.1),
        "lines": lambda m: lab.linear_margins(m, X, y, 0.1),
        "radius": lambda m: lab.certified_radius(lab.margins(m(X), y), lab.lipschitz_bound(m)),
    }
    for name, ask in questions.items():
        together = ask(model).detach()
        for i in range(3):
            torch.testing.assert_close(together[i], ask(model.replica(i)).detach(), msg=name)
    delta = lab.attack(model, X, y, 0.1)
    assert delta.shape == (3, 5, 4)
    assert lab.surviving(model, X, y, 0.1).shape == (3, 5)
    slopes = lab.steepest_slopes(model, X, steps=5)
    assert slopes.shape == (3, 5) and (slopes <= lab.lipschitz_bound(model).unsqueeze(1)).all()


# What cannot be


MODEL = mlp((3, 4, 2), 0)
X, Y = torch.zeros(2, 3), torch.tensor([0, 1])


class Turned(nn.Sequential):
    def forward(self, X):
        return -super().forward(X)


class Called(nn.Sequential):
    def __call__(self, X):
        return 10 * super().__call__(X)


class Fivefold(nn.Linear):
    def forward(self, X):
        return 5 * super().forward(X)


class Negative(nn.ReLU):
    def forward(self, X):
        return -X


class Functional(nn.Module):
    """Its ReLU is no layer of its own."""

    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(3, 4), nn.Linear(4, 2)

    def forward(self, X):
        return self.last(torch.relu(self.first(X)))


def altered(how):
    """A plain network, to which something is done."""
    model = mlp((3, 4, 2), 0)
    how(model)
    return model


def picture(**how):
    return nn.Sequential(nn.Conv2d(2, 2, 3, **how), nn.ReLU(), nn.Flatten(), nn.Linear(72, 2))


PLAIN = list(mlp((3, 4, 2), 0))
UNKNOWN = {
    "a forward of its own": (Turned(*PLAIN), "Turned"),
    "a call of its own": (Called(*PLAIN), "Called"),
    "no Sequential": (Functional(), "Functional"),
    "a subclass of Linear": (nn.Sequential(nn.Linear(3, 4), nn.ReLU(), Fivefold(4, 2)), "Fivefold"),
    "a subclass of ReLU": (nn.Sequential(nn.Linear(3, 4), Negative(), nn.Linear(4, 2)), "Negative"),
    "computed weights": (
        nn.Sequential(weight_norm(nn.Linear(3, 2))),
        "ParametrizedLinear",
    ),
    "masks of torch": (
        altered(lambda m: prune.l1_unstructured(m[0], "weight", amount=0.5)),
        "Linear has a hook.*from_torch_prune",
    ),
    "a hook on a layer": (
        altered(lambda m: m[1].register_forward_hook(lambda layer, X, out: -out)),
        "ReLU has a hook",
    ),
    "a hook on the network": (
        altered(lambda m: m.register_forward_pre_hook(lambda layer, X: (10 * X[0],))),
        "Sequential has a hook",
    ),
    "another forward": (
        altered(lambda m: setattr(m[2], "forward", lambda X: 7 * X[..., :2])),
        "Linear has a hook, or a forward",
    ),
    "padding in a circle": (picture(padding=1, padding_mode="circular"), "zeros for padding"),
    "padding by mirrors": (picture(padding=1, padding_mode="reflect"), "zeros for padding"),
    "dilation": (picture(dilation=2), "no dilation"),
    "groups": (picture(groups=2), "no groups"),
}


@pytest.mark.parametrize("model, words", UNKNOWN.values(), ids=UNKNOWN)
def test_nothing_is_proved_of_what_is_not_known(model, words):
    size, y = (6, 6), torch.tensor([0, 1, 0, 1])
    pictures = isinstance(next(model.children()), nn.Conv2d)
    X = torch.zeros(4, 2, *size) if pictures else torch.zeros(4, 3)
    for ask in (
        lambda: lab.layer_norms(model, size),
        lambda: lab.lipschitz_bound(model, size),
        lambda: lab.interval_logits(model, X, 0.1),
        lambda: lab.interval_margins(model, X, y, 0.1),
        lambda: lab.linear_margins(model, X, y, 0.1),
    ):
        with pytest.raises(ValueError, match=words):
            ask()


@pytest.mark.parametrize(
    "layer",
    [
        nn.Tanh(),
        nn.Softmax(dim=1),
        Fivefold(3, 2),
        Negative(),
        weight_norm(nn.Linear(3, 2)),
        altered(lambda m: m[1].register_forward_hook(lambda layer, X, out: -out))[1],
        nn.Conv2d(3, 3, 1, groups=3),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_a_box_is_pushed_through_known_layers_alone(layer):
    """The ends of a box are no bounds of what a layer makes that does not rise."""
    with pytest.raises(ValueError, match=r"^model: .*expected"):
        lab.interval_step(layer, torch.zeros(4, 3), torch.ones(4, 3))


def test_a_hook_for_all_modules_is_one_too():
    handle = nn.modules.module.register_module_forward_hook(lambda layer, X, out: 2 * out)
    try:
        with pytest.raises(ValueError, match="has a hook"):
            lab.lipschitz_bound(MODEL)
    finally:
        handle.remove()
    assert lab.lipschitz_bound(MODEL) > 0


def test_a_layer_that_stands_there_twice_runs_twice():
    torch.manual_seed(0)
    layer, relu = nn.Linear(3, 3).double(), nn.ReLU()
    model = nn.Sequential(layer, relu, layer, relu, layer)
    apart = nn.Sequential(*(copy.deepcopy(part) for part in model))
    X, y = inputs(5, 3, 0), torch.tensor([0, 1, 2, 0, 1])
    for ask in (
        lab.lipschitz_bound,
        lambda m: torch.stack(lab.interval_logits(m, X, 0.1)),
        lambda m: lab.interval_margins(m, X, y, 0.1),
        lambda m: lab.linear_margins(m, X, y, 0.1),
    ):
        torch.testing.assert_close(ask(model), ask(apart))
    low, high = lab.interval_logits(model, X, 0.0)
    torch.testing.assert_close(low, model(X))
    torch.testing.assert_close(high, model(X))


def test_a_subclass_that_only_says_its_layers_is_bounded():
    class Named(nn.Sequential):
        def __init__(self):
            super().__init__(*MODEL)

    torch.testing.assert_close(lab.lipschitz_bound(Named()), lab.lipschitz_bound(MODEL))


@pytest.mark.parametrize("before", [nn.Linear(6, 20), nn.Flatten(3, 3)], ids=str)
def test_a_convolution_behind_what_changes_the_size_is_not_bounded(before):
    model = nn.Sequential(before, nn.Conv2d(1, 1, 3, padding=1))
    with pytest.raises(ValueError, match="no Linear or Flatten layer before a convolution"):
        lab.lipschitz_bound(model, (6, 6))


@pytest.mark.parametrize(
    "ask, words",
    [
        (lambda: lab.spectral_norm(torch.ones(3)), "expected a matrix"),
        (lambda: lab.spectral_ceiling(torch.tensor([[math.nan]])), "finite"),
        (lambda: lab.power_iteration(abs, abs, torch.zeros(2)), "above 0"),
        (lambda: lab.power_iteration(lambda v: v * math.nan, abs, torch.ones(2)), "NaN"),
        (lambda: lab.conv_norm(nn.Conv2d(2, 2, 3, groups=2), (5, 5)), "no groups"),
        (lambda: lab.conv_ceiling(nn.Conv2d(1, 1, 3, padding="same"), (5, 5)), "padding"),
        (lambda: lab.conv_ceiling(nn.Conv2d(1, 1, 3, dilation=2), (9, 9)), "dilation"),
        (lambda: lab.conv_ceiling(nn.Conv2d(1, 1, 3), (2, 5)), "no smaller"),
        (lambda: lab.layer_norms(nn.Sequential(nn.Conv2d(1, 1, 3))), "size"),
        (lambda: lab.lipschitz_bound(nn.Sequential(nn.Tanh())), "Tanh"),
        (lambda: lab.steepest_slopes(MODEL, X, rate=0), "rate"),
        (lambda: lab.margins(torch.zeros(2, 3), torch.tensor([0, 3])), "0 to 2"),
        (lambda: lab.margins(torch.zeros(2, 3), torch.tensor([0])), "shape"),
        (lambda: lab.certified_radius(torch.ones(2), torch.tensor(0.0)), "positive"),
        (lambda: lab.interval_margins(MODEL, X, Y, -0.1), "eps"),
        (lambda: lab.interval_margins(MODEL, X, Y + 1, 0.1), "0 to 1"),
        (lambda: lab.interval_margins(MODEL[:2], X, Y, 0.1), "ends with ReLU"),
        (lambda: lab.linear_margins(MODEL, X, Y, math.inf), "eps"),
        (lambda: lab.linear_margins(MODEL[1:], X, Y, 0.1), "Linear, ReLU"),
        (lambda: lab.project(X, 1, "l1"), "norm"),
        (lambda: lab.attack(MODEL, X, Y, -1), "eps"),
    ],
)
def test_errors_say_what_was_expected(ask, words):
    with pytest.raises(ValueError, match=words):
        ask()
