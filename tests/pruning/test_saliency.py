"""Each criterion against an oracle of its own: finite differences, closed forms, brute force."""

import copy
import math
import warnings

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from torch import nn
from torch.nn.functional import cross_entropy, mse_loss
from torch.utils.data import DataLoader, TensorDataset

from course_lib.masks import prunable, select
from course_lib.pruning import criteria, curvature
from course_lib.training.data import digits
from course_lib.training.fit import Recipe, fit
from course_lib.training.models import mlp
from course_lib.training.replicas import Replicas

CRITERIA = [
    criteria.magnitude, criteria.random, criteria.signed_first_order, criteria.first_order,
    criteria.snip, criteria.fisher, criteria.obd, criteria.second_order, criteria.synflow,
    criteria.oracle,
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
    scores = criteria.signed_first_order(model, (X, y))
    absolute, shares = criteria.first_order(model, (X, y)), criteria.snip(model, (X, y))
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
        for name, s in criteria.first_order(model, (x[None], label[None])).items():
            total[name] += s / 5
    found = criteria.first_order(model, (X, y), each=True)
    torch.testing.assert_close(found, total)
    together = criteria.first_order(model, (X, y))
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
    for name, score in criteria.fisher(model, (X, y)).items():
        expected = prunable(model)[name] ** 2 * total[name] / (2 * len(X))
        torch.testing.assert_close(score, expected.detach())


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
    truth = criteria.oracle(model, (X, y), loss=mse_loss)["0.weight"]
    model[0].weight.data += 0.3  # away from the minimum both terms count
    away = criteria.oracle(model, (X, y), loss=mse_loss)["0.weight"]
    both = criteria.second_order(model, (X, y), loss=mse_loss)["0.weight"]
    torch.testing.assert_close(both, away)
    model[0].weight.data -= 0.3
    torch.testing.assert_close(criteria.obd(model, (X, y), loss=mse_loss)["0.weight"], truth)


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


@pytest.mark.parametrize("make, shape", MODELS)
@pytest.mark.parametrize("n", [1, 7, 129])
def test_the_oracle_is_the_plain_loop(make, shape, n):
    model, (X, y) = make(), batch(n=n, shape=shape)
    truth = criteria.oracle(model, (X, y))
    base = cross_entropy(model.eval()(X), y).item()
    for name, index in entries(truth):
        expected = changed(model, X, y, name, index, 0.0) - base
        assert truth[name][index].item() == pytest.approx(expected, abs=1e-12)


def test_the_oracle_of_a_tied_weight_cuts_both_uses():
    shared = nn.Linear(4, 4, bias=False).double()
    model = nn.Sequential(shared, nn.Tanh(), shared)
    X, y = batch(shape=(4,), classes=4)
    truth = criteria.oracle(model, (X, y))["0.weight"]
    base = cross_entropy(model(X), y).item()
    expected = changed(model, X, y, "0.weight", (1, 2), 0.0) - base
    assert truth[1, 2].item() == pytest.approx(expected, abs=1e-12)


def test_synflow_is_conserved_layer_by_layer():
    model = nn.Sequential(nn.Linear(5, 7, bias=False), nn.ReLU(), nn.Linear(7, 3, bias=False))
    X, y = batch()
    scores = criteria.synflow(model, (X.float(), y))
    flow = (model[2].weight.abs() @ model[0].weight.abs()).sum().item()
    assert [s.sum().item() for s in scores.values()] == pytest.approx([flow, flow], rel=1e-5)


def test_random_follows_its_seed():
    model, data = small(), batch()
    one, same, other = (criteria.random(model, data, seed=s)["0.weight"] for s in (1, 1, 2))
    assert torch.equal(one, same) and not torch.equal(one, other)


def test_errors_for_people():
    model, data = small(), batch()
    with pytest.raises(ValueError, match="expected 'exact'"):
        criteria.obd(model, data, diagonal="half")
    with pytest.raises(ValueError, match="block: given 0"):
        criteria.obs(model, data, block=0)
    with pytest.raises(ValueError, match="at most 5,000"):
        curvature.full_hessian(nn.Linear(100, 60), (torch.ones(1, 100), torch.tensor([0])))
    with pytest.raises(ValueError, match="smallest eigenvalue"):
        curvature.inverse_hessian(small(activation=nn.Tanh), data, damping=0)


SETTINGS = {
    "half a probe": (criteria.obd, {"diagonal": "hutchinson", "probes": 2.5}, "probes: given 2.5"),
    "half a weight": (criteria.obs, {"block": 2.5}, "block: given 2.5"),
    "damping in words": (criteria.obs, {"damping": "a"}, "damping: given 'a'"),
    "damping below zero": (criteria.obs, {"damping": -1.0, "block": 4}, "damping: given -1"),
    "damping nowhere": (criteria.obs, {"damping": math.nan}, "damping: given nan"),
    "no damping": (criteria.obs, {"damping": 0, "block": 9}, r"damping: given 0.*singular"),
    "half a cut": (curvature.brain_surgery, {"k": 2.0}, "k: given 2.0"),
    "a seed of halves": (criteria.random, {"seed": 1.5}, "seed: given 1.5"),
    "no seed": (criteria.random, {"seed": None}, "seed: given None"),
    "a probe's seed": (criteria.obd, {"diagonal": "hutchinson", "seed": None}, "seed: given None"),
}  # fmt: skip


@pytest.mark.parametrize("kind", SETTINGS)
def test_settings_that_are_none_are_told_so(kind):
    criterion, wrong, said = SETTINGS[kind]
    model = small()
    model[0].bias.data.fill_(-100)  # its units are dead
    with pytest.raises((TypeError, ValueError), match=said):
        criterion(model, batch(), **wrong)


def test_a_seed_may_be_numpys():
    for scores in (criteria.random(small(), seed=seed)["0.weight"] for seed in (3, np.int64(3))):
        assert torch.equal(scores, criteria.random(small(), seed=3)["0.weight"])


def test_estimates_rank_as_the_truth_on_digits():
    data = digits()
    model = mlp((64, 12, 10), 0)
    fit(model, (data.X, data.y), Recipe(steps=300))
    truth = torch.cat([t.flatten() for t in criteria.oracle(model, (data.X, data.y)).values()])

    def rank(criterion):
        scores = criterion(model, (data.X, data.y))
        return spearmanr(torch.cat([s.flatten() for s in scores.values()]), truth.abs())[0]

    assert rank(criteria.first_order) > 0.7 and rank(criteria.obd) > 0.8
    assert abs(rank(criteria.random)) < 0.15
    assert not math.isnan(rank(criteria.fisher))


# --- networks of all kinds, against a plain loop over examples in float64


class Recurrent(nn.Module):
    """It answers with what its layer says last."""

    def __init__(self, kind, **how):
        super().__init__()
        self.layer = kind(3, 4, batch_first=True, **how)
        self.head = nn.Linear(8 if how.get("bidirectional") else 4, 3)

    def forward(self, X):
        return self.head(self.layer(X)[0][:, -1])


class Attentive(nn.Module):
    def __init__(self, **how):
        super().__init__()
        self.layer = nn.MultiheadAttention(4, 2, batch_first=True, **how)
        self.head = nn.Linear(4, 3)

    def forward(self, X):
        return self.head(X + self.layer(X, X, X, need_weights=False)[0]).mean(1)


class Language(nn.Module):
    """Embedding, a layer of a transformer with dropout, and a head that may be the embedding."""

    def __init__(self, tied):
        super().__init__()
        self.words = nn.Embedding(6, 4)
        self.layer = nn.TransformerEncoderLayer(4, 2, 5, dropout=0.4, batch_first=True)
        self.middle = nn.Linear(4, 4)
        self.head = nn.Linear(4, 6, bias=False)
        if tied:
            self.head.weight = self.words.weight

    def forward(self, X):
        return self.head(self.middle(self.layer(self.words(X))))


class Sum(nn.Module):
    """Two inputs, a residual, and one weight in two places."""

    def __init__(self):
        super().__init__()
        self.left, self.right, self.head = nn.Linear(3, 4), nn.Linear(2, 4), nn.Linear(4, 3)
        self.inner, self.again = nn.Linear(4, 4), nn.Linear(4, 4)
        self.again.weight = self.inner.weight

    def forward(self, X, more):
        h = torch.tanh(self.left(X) + self.right(more))
        return self.head(h + self.again(torch.tanh(self.inner(h))))


class Peeking(nn.Module):
    """It looks at its numbers, so it cannot be asked for many examples at once."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(5, 4), nn.Linear(4, 3)

    def forward(self, X):
        h = self.a(X)
        return self.b(h * 2 if h.sum().item() > -1e9 else h)


class KeptTwice(nn.Module):
    """It finds its weights in a list of its own, where nobody can put others."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(5, 4), nn.Linear(4, 3)
        self.held = [self.a.weight]

    def forward(self, X):
        return self.b(torch.tanh(nn.functional.linear(X, self.held[0], self.a.bias)))


def by_word(logits, words):
    return cross_entropy(logits.flatten(0, 1), words.flatten())


def of_layer(output, y):
    return mse_loss(output[0], y)


def kinds():
    torch.manual_seed(3)
    g = torch.Generator().manual_seed(4)

    def some(*shape):
        return torch.randn(5, *shape, generator=g)

    y = torch.tensor([0, 1, 2, 2, 1])
    words = torch.randint(0, 6, (5, 4), generator=g)
    return {
        "lstm": (Recurrent(nn.LSTM), (some(4, 3), y), cross_entropy),
        "lstm both ways": (
            Recurrent(nn.LSTM, bidirectional=True, num_layers=2), (some(4, 3), y), cross_entropy
        ),
        "gru": (Recurrent(nn.GRU), (some(4, 3), y), cross_entropy),
        "rnn": (Recurrent(nn.RNN), (some(4, 3), y), cross_entropy),
        "lstm alone": (nn.LSTM(3, 2, batch_first=True), (some(4, 3), some(4, 2)), of_layer),
        "attention": (Attentive(), (some(4, 4), y), cross_entropy),
        "attention, other keys": (Attentive(add_bias_kv=True), (some(4, 4), y), cross_entropy),
        "language": (Language(tied=False), (words, words.flip(1)), by_word),
        "language, tied": (Language(tied=True), (words, words.flip(1)), by_word),
        "two inputs": (Sum(), ((some(3), some(2)), y), cross_entropy),
        "named inputs": (Sum(), ({"X": some(3), "more": some(2)}, y), cross_entropy),
        "kept twice": (KeptTwice(), (some(5), y), cross_entropy),
        "peeking": (Peeking(), (some(5), y), cross_entropy),
        "norm": (
            nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 3)),
            (some(3), y), cross_entropy,
        ),
    }  # fmt: skip


def exactly(model, data):
    """A copy in float64 that is asked as it is used, and its data."""

    def double(X):
        if isinstance(X, dict):
            return {name: double(part) for name, part in X.items()}
        if isinstance(X, tuple):
            return tuple(map(double, X))
        return X.double() if X.is_floating_point() else X

    return copy.deepcopy(model).double().eval(), double(data)


def asked(model, X):
    return model(**X) if isinstance(X, dict) else model(*X) if isinstance(X, tuple) else model(X)


def one_of(X, i):
    if isinstance(X, dict):
        return {name: part[i : i + 1] for name, part in X.items()}
    return tuple(part[i : i + 1] for part in X) if isinstance(X, tuple) else X[i : i + 1]


def plain_gradients(model, data, loss):
    """The gradients of each example by themselves, by names of parameters."""
    X, y = data
    for i in range(len(y)):
        model.zero_grad()
        loss(asked(model, one_of(X, i)), y[i : i + 1]).backward()
        yield {name: p.grad.clone() for name, p in model.named_parameters()}


@pytest.fixture
def no_fast_attention():
    torch.backends.mha.set_fastpath_enabled(False)  # in evaluation it knows no gradients
    yield
    torch.backends.mha.set_fastpath_enabled(True)


@pytest.mark.filterwarnings("ignore:pruning leaves out")
@pytest.mark.parametrize("kind", kinds())
def test_slopes_of_networks_of_all_kinds_are_those_of_a_plain_loop(kind, no_fast_attention):
    model, data, loss = kinds()[kind]
    exact, exact_data = exactly(model, data)
    values = dict(exact.named_parameters())
    each = list(plain_gradients(exact, exact_data, loss))
    signed, sizes = (criteria.signed_first_order(model, data, loss),
                     criteria.first_order(model, data, loss, each=True))  # fmt: skip
    fisher = criteria.fisher(model, data, loss)
    assert list(signed) == list(prunable(model))
    assert (
        sum(bool(g.any()) for g in fisher.values()) >= len(fisher) - 1
    )  # a step back from nothing
    for name in signed:
        w, g = values[name].detach(), torch.stack([g[name] for g in each])
        for found, wanted in (
            (signed[name], -w * g.mean(0)),
            (sizes[name], (g * w).abs().mean(0)),
            (fisher[name], w.square() * g.square().mean(0) / 2),
        ):
            torch.testing.assert_close(
                found.double(), wanted, rtol=1e-3, atol=1e-4 * wanted.abs().max()
            )


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


@pytest.mark.parametrize("kind", ["lstm alone", "attention", "two inputs", "kept twice", "peeking"])
def test_the_oracle_of_networks_of_all_kinds_is_the_plain_loop(kind, no_fast_attention):
    model, data, loss = kinds()[kind]
    truth = criteria.oracle(model, data, loss)
    exact, (X, y) = exactly(model, data)
    with torch.no_grad():
        base = loss(asked(exact, X), y)
        for name, index in entries(truth):
            w = prunable(exact)[name]
            old = w[index].item()
            w[index] = 0
            assert truth[name][index].item() == pytest.approx(
                (loss(asked(exact, X), y) - base).item(), abs=1e-12
            )
            w[index] = old


def test_the_oracle_does_not_mix_the_rows_of_what_is_no_batch():
    """An LSTM takes a matrix for one sequence: many tries must not follow each other in it."""

    class Last(nn.LSTM):
        def forward(self, X):
            return super().forward(X)[0]

    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 4), Last(4, 3)).double()
    X, y = batch()
    truth = criteria.oracle(model, (X, y))["0.weight"]
    base = cross_entropy(model(X), y).item()
    expected = changed(model, X, y, "0.weight", (2, 3), 0.0) - base
    assert truth[2, 3].item() == pytest.approx(expected, abs=1e-12)


class Crosswise(nn.Module):
    def __init__(self, layers):
        super().__init__()
        self.layers = layers

    def forward(self, X):
        return self.layers(X)


NORMS = [nn.BatchNorm1d(4, track_running_stats=False), nn.LayerNorm((7, 4)), nn.LayerNorm(4)]


@pytest.mark.parametrize("norm", NORMS, ids=["batch", "both axes", "row"])
def test_the_oracle_tries_each_weight_alone_where_rows_look_at_each_other(norm):
    """Many tried together were one large batch to a norm without running averages."""
    plain = small()
    layers = nn.Sequential(plain[0], norm, nn.ReLU(), plain[2]).double()
    X, y = batch()
    found, wanted = criteria.oracle(layers, (X, y)), criteria.oracle(Crosswise(layers), (X, y))
    for name, changes in found.items():
        assert torch.allclose(changes, wanted[f"layers.{name}"], atol=1e-12)


BY_EXAMPLE = {
    "fisher": criteria.fisher, "obd": criteria.obd, "second order": criteria.second_order,
    "each": lambda model, data: criteria.first_order(model, data, each=True),
    "obs": lambda model, data: criteria.obs(model, data, block=4),
}  # fmt: skip


@pytest.mark.parametrize("way", BY_EXAMPLE)
def test_single_examples_of_what_normalises_by_the_batch_are_refused(way):
    model = small()
    model.insert(1, nn.BatchNorm1d(4, track_running_stats=False).double())
    with pytest.raises(ValueError, match=r"model: \['1'\] normalise by the batch at hand"):
        BY_EXAMPLE[way](model, batch())


def test_synflow_tells_of_layers_through_which_nothing_flows():
    """Ones are all alike, and a LayerNorm makes zeros of them."""
    behind = small()
    behind.insert(0, nn.LayerNorm(5).double())
    with pytest.warns(UserWarning, match=r"nothing flows through \['1.weight'\]"):
        scores = criteria.synflow(behind, batch())
    assert scores["1.weight"].eq(0).all() and scores["3.weight"].gt(0).any()
    pruned = small()
    pruned[0].weight.data.zero_()  # nothing is left there to be lost
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        criteria.synflow(small(), batch())
        criteria.synflow(pruned, batch())
        criteria.synflow(small().to("meta"), batch())


@pytest.mark.filterwarnings("ignore:pruning leaves out")
def test_synflow_starts_at_the_embedded_vectors():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Embedding(7, 4), nn.Flatten(), nn.Linear(12, 2, bias=False))
    X = torch.randint(0, 7, (5, 3))
    (scores,) = criteria.synflow(model, (X, torch.zeros(5))).values()
    torch.testing.assert_close(scores, model[2].weight.detach().abs().double())


# --- frozen, unused, half, compiled, elsewhere


def reference():
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 3))


class WithUnused(nn.Module):
    def __init__(self):
        super().__init__()
        self.used, self.unused = reference(), nn.Linear(2, 2)

    def forward(self, X):
        return self.used(X)


WAYS = {
    **{c.__name__: c for c in CRITERIA},
    "each": lambda *a: criteria.first_order(*a, each=True),
    "exact": lambda *a: criteria.obd(*a, diagonal="exact"),
    "obs": lambda *a: criteria.obs(*a, damping=10.0),
    "obs in blocks": lambda *a: criteria.obs(*a, block=4, damping=1e-3),
}


def floats(n=7):
    X, y = batch(n)
    return X.float(), y


def same(found, wanted, prefix="", rtol=1e-4):
    for name, score in found.items():
        other = wanted[name.removeprefix(prefix)].to(score.dtype)
        assert (score - other).norm() <= rtol * other.norm(), name


@pytest.mark.parametrize("way", WAYS)
def test_frozen_layers_are_scored_and_stay_frozen(way):
    wanted = WAYS[way](reference(), floats())
    for frozen in ([0], [0, 2, 4]):
        model = reference()
        for number in frozen:
            model[number].requires_grad_(False)
        before = [p.requires_grad for p in model.parameters()]
        same(WAYS[way](model, floats()), wanted)
        assert [p.requires_grad for p in model.parameters()] == before
        assert all(p.grad is None for p in model.parameters())


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
def test_scores_do_not_depend_on_the_mode_around(way, context):
    wanted = WAYS[way](reference(), floats())
    with context():
        same(WAYS[way](reference(), floats()), wanted)


@pytest.mark.filterwarnings("ignore:synflow. nothing flows")
@pytest.mark.parametrize("way", [w for w in WAYS if w not in ("magnitude", "random")])
def test_an_unused_layer_has_no_slope(way):
    wanted = WAYS[way](reference(), floats())
    scores = WAYS[way](WithUnused(), floats())
    unused = scores.pop("unused.weight")
    same(scores, wanted, "used.")
    if not way.startswith("obs"):  # there damping is all that is known of it
        assert (unused == 0).all()


@pytest.mark.parametrize("way", [w for w in WAYS if w != "random"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_scored_as_well_as_its_rounded_weights(way, dtype):
    model, (X, y) = reference().to(dtype), floats()
    rounded = X.to(dtype)
    wanted = WAYS[way](copy.deepcopy(model).double(), (rounded.double(), y))
    same(WAYS[way](model, (rounded, y)), wanted, rtol=1e-3)
    assert next(model.parameters()).dtype == dtype


def test_small_slopes_of_half_precision_are_not_lost():
    """Their squares are below what float16 can hold."""
    model, (X, y) = reference().half(), floats()
    scores = criteria.fisher(model, ((1e-3 * X).half(), y))
    assert (scores["0.weight"] > 0).all() and scores["0.weight"].max() < 1e-7


@pytest.mark.parametrize("way", WAYS)
def test_a_compiled_network_is_scored_as_it_was_written(way):
    wanted = WAYS[way](reference(), floats())
    same(WAYS[way](torch.compile(reference(), backend="eager"), floats()), wanted, "_orig_mod.")
    model = reference()
    model.compile(backend="eager")
    same(WAYS[way](model, floats()), wanted)


@pytest.mark.parametrize("way", WAYS)
def test_scores_are_where_the_network_is(way):
    model = reference().to("meta")
    if way in ("oracle", "obs"):
        with pytest.raises(ValueError, match="no values"):
            WAYS[way](model, floats())
        return
    assert all(s.is_meta for s in WAYS[way](model, floats()).values())


@pytest.mark.parametrize("way", [w for w in WAYS if w != "random"])
def test_a_diverged_network_is_told_by_the_selection(way):
    model = reference()
    model[0].weight.data[1, 2] = float("nan")
    with pytest.raises(ValueError, match="NaN"):
        select(WAYS[way](model, floats()), k=3)


@pytest.mark.parametrize("way", WAYS)
def test_a_network_of_one_weight(way):
    model = nn.Linear(1, 1, bias=False)
    model.weight.data.fill_(2.0)
    X, y = torch.tensor([[1.0], [3.0]]), torch.tensor([[2.5], [5.0]])
    score = WAYS[way](model, (X, y), mse_loss)["weight"].item()
    # Errors are 2 - 2.5 and 6 - 5; slopes 2 (-0.5) 1 and 2 (1) 3; curvatures 2 and 18.
    w, g, curve = 2.0, (-1 + 6) / 2, (2 + 18) / 2
    wanted = {
        "magnitude": 2.0, "signed_first_order": -g * w, "first_order": g * w, "snip": 1.0,
        "fisher": w * w * (1 + 36) / 4, "obd": curve * w * w / 2, "exact": curve * w * w / 2,
        "second_order": -g * w + curve * w * w / 2, "synflow": 2.0, "each": w * (1 + 6) / 2,
        "oracle": (2.5**2 + 5**2) / 2 - (0.25 + 1) / 2, "obs": w * w / 2 * (curve + 10),
        "obs in blocks": w * w / 2 * ((1 + 36) / 2 + 1e-3),
    }  # fmt: skip
    if way != "random":
        assert score == pytest.approx(wanted[way], rel=1e-5)


# --- data and losses


@pytest.mark.parametrize("way", WAYS)
def test_batches_are_as_good_as_the_whole(way):
    X, y = floats(9)
    wanted = WAYS[way](reference(), (X, y))
    parts = [(X[:4], y[:4]), (X[4:4], y[4:4]), (X[4:6], y[4:6]), [X[6:], y[6:]]]
    same(WAYS[way](reference(), parts), wanted)
    same(WAYS[way](reference(), DataLoader(TensorDataset(X, y), batch_size=4)), wanted)
    same(WAYS[way](reference(), [X, y]), wanted)


NEEDY = [way for way in WAYS if way not in ("magnitude", "random")]
X, y = floats()
WRONG = {
    "None": (None, r"Give \(X, y\)"),
    "a generator": (((X, y) for _ in range(3)), "once only"),
    "a dataset": (TensorDataset(X, y), "DataLoader"),
    "examples alone": (X, r"Write \(X, y\)"),
    "a dictionary": ({"X": X, "y": y}, r"Write \(X, y\)"),
    "no batches": ([], "no example"),
    "no examples": ((X[:0], y[:0]), "no example"),
    "arrays": ((X.numpy(), y.numpy()), "a batch is a ndarray"),
    "three things": ([(X, y, y)], "a batch is a tuple"),
    "one example": ([(X[0], y[0])], r"y\[None\]"),
}


@pytest.mark.parametrize("way", NEEDY)
@pytest.mark.parametrize("wrong", WRONG)
def test_data_that_is_none_is_told_so(way, wrong):
    data, said = WRONG[wrong]
    with pytest.raises((TypeError, ValueError), match=said):
        WAYS[way](reference(), data)


@pytest.mark.parametrize("way", NEEDY)
def test_losses_that_are_none_are_told_so(way):
    model = reference()
    with pytest.raises(TypeError, match=r"write \(X, y\)"):
        WAYS[way](model, (X, y), y)
    if way == "synflow":  # it does not look at the loss
        return
    with pytest.raises(TypeError, match="gives a float"):
        WAYS[way](model, (X, y), lambda z, y: 1.0)
    if way != "oracle":  # that needs no slope
        with pytest.raises(ValueError, match="no slope"):
            WAYS[way](model, (X, y), lambda z, y: cross_entropy(z, y).detach())


def test_a_loss_for_each_example_is_no_mean():
    with pytest.raises(ValueError, match="reduction='mean'"):
        criteria.first_order(
            reference(), (X, y), lambda z, y: cross_entropy(z, y, reduction="none")
        )


def test_examples_that_do_not_lie_along_the_first_axis_are_told_so():
    with pytest.raises(ValueError, match="first axis"):
        criteria.fisher(Recurrent(nn.LSTM), (torch.randn(4, 5, 3), torch.zeros(5).long()))


@pytest.mark.parametrize("way", NEEDY)
def test_replicas_are_scored_one_by_one(way):
    with pytest.raises(TypeError, match=r"replica\(0\)"):
        WAYS[way](Replicas.of((5, 4, 3), [0, 1]), (X, y))


def test_shares_of_nothing():
    """No slope at all: the shares are 0, not 0 / 0."""
    model = nn.Linear(1, 1, bias=False)
    model.weight.data.zero_()
    scores = criteria.snip(model, (torch.ones(2, 1), torch.ones(2, 1)), mse_loss)
    assert scores["weight"].item() == 0
