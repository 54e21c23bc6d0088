"""Data and its cache, schedules, held masks, and replicas against training each alone."""

import copy
import random

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.functional import cross_entropy, mse_loss
from torch.utils.data import DataLoader, TensorDataset

from course_lib.masks import Mask, prunable, top_k
from course_lib.training import data as data_module
from course_lib.training import schedules
from course_lib.training.data import Data, digits, mnist1d
from course_lib.training.fit import Recipe, accuracy, fit, hold, mean_loss
from course_lib.training.models import mlp
from course_lib.training.replicas import Replicas, fit_replicas
from course_lib.training.trainer import Trainer


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path))
    return tmp_path


def toy(n=60, features=6, classes=3, seed=0):
    g = torch.Generator().manual_seed(seed)
    X = torch.randn(n, features, generator=g).double()
    return X, torch.randint(0, classes, (n,), generator=g)


def half(model, seed=0):
    g = torch.Generator().manual_seed(seed)
    return Mask({n: torch.rand(w.shape, generator=g) < 0.5 for n, w in prunable(model).items()})


# --- data


def test_mnist1d_is_made_once_and_is_the_same_when_read(cache, monkeypatch):
    first = mnist1d(100, seed=3)
    assert first.X.shape == (80, 40) and first.X_test.shape == (20, 40)
    assert (first.X.dtype, first.y.dtype) == (torch.float32, torch.int64)
    monkeypatch.setattr("mnist1d.data.make_dataset", lambda _: pytest.fail("made again"))
    assert all(map(torch.equal, first, mnist1d(100, seed=3)))


def test_another_seed_gives_fresh_examples_and_global_randomness_is_left_alone(cache):
    states = random.getstate(), np.random.get_state()[1].tolist()
    assert not torch.equal(mnist1d(100, 1).X, mnist1d(100, 2).X)
    assert states == (random.getstate(), np.random.get_state()[1].tolist())


@pytest.mark.parametrize("spoil", ["cut", "flip", "empty", "folder", "other"])
def test_a_broken_cache_is_made_anew(cache, spoil):
    good = mnist1d(100)
    (path,) = cache.glob("*.safetensors")
    content = path.read_bytes()
    if spoil == "folder":
        path.unlink()
        path.mkdir()
    else:
        changed = bytearray(content)
        changed[-3] ^= 1
        path.write_bytes(
            {"cut": content[:-9], "flip": bytes(changed), "empty": b"", "other": b"x" * 500}[spoil]
        )
    assert all(map(torch.equal, good, mnist1d(100)))
    if spoil != "folder":
        assert path.read_bytes() == content


def test_no_place_for_a_cache_is_no_failure(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "file" / "below"))
    assert len(mnist1d(100).X) == 80


def test_a_user_without_a_home_has_the_data_all_the_same(monkeypatch):
    for variable in ("COURSE_CACHE", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(variable, raising=False)

    def nobody(uid):
        raise KeyError(f"getpwuid(): uid not found: {uid}")

    monkeypatch.setattr("pwd.getpwuid", nobody)
    with pytest.raises(FileNotFoundError, match="COURSE_CACHE"):
        data_module.cache_folder()
    assert len(mnist1d(100).X) == 80


def test_holding_out_splits_and_never_shows_the_test_set():
    data = digits()
    assert (len(data.X), len(data.X_test)) == (1258, 539)
    chosen = data.hold_out(0.25, seed=1)
    rows = {tuple(row) for row in torch.cat([chosen.X, chosen.X_test]).tolist()}
    assert len(chosen.X) + len(chosen.X_test) == len(data.X)
    assert rows == {tuple(row) for row in data.X.tolist()}
    for share in (0.0, 1.0):
        with pytest.raises(ValueError, match="share"):
            Data(*data).hold_out(share, 0)
    with pytest.raises(ValueError, match="at least 50"):
        mnist1d(10)


# --- schedules


def test_schedules():
    assert [schedules.cosine(u) for u in (0, 0.5)] == pytest.approx([1, 0.5])
    assert schedules.linear(0.25) == 0.75 and schedules.constant(0.9) == 1
    assert schedules.exponential(0.01)(0.5) == pytest.approx(0.1)
    assert [schedules.drops(0.5, 0.8)(u) for u in (0.4, 0.5, 0.9)] == pytest.approx([1, 0.1, 0.01])
    with pytest.raises(ValueError, match="end"):
        schedules.exponential(0)
    for wrong in ({"optimiser": "lion"}, {"steps": 0}, {"dropout": 1.0}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            Recipe(**wrong)


# --- held masks


OPTIMISERS = {
    "momentum": lambda p: torch.optim.SGD(p, 0.1, momentum=0.9, weight_decay=0.1),
    "nesterov": lambda p: torch.optim.SGD(p, 0.1, momentum=0.9, nesterov=True),
    "adam": lambda p: torch.optim.Adam(p, 0.01, weight_decay=0.1, amsgrad=True),
    "adamw": lambda p: torch.optim.AdamW(p, 0.01),
    "rmsprop": lambda p: torch.optim.RMSprop(p, 0.01, momentum=0.9, centered=True),
    "adagrad": lambda p: torch.optim.Adagrad(p, 0.1),
    "rprop": lambda p: torch.optim.Rprop(p),
    "fused": lambda p: torch.optim.Adam(p, 0.01, fused=True),
}


def nets():
    torch.manual_seed(0)
    shared = nn.Linear(6, 6)
    return {
        "mlp": mlp((6, 5, 3), 0),
        "norm": nn.Sequential(nn.Linear(6, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Linear(5, 3)),
        "tied": nn.Sequential(shared, nn.Tanh(), shared, nn.Linear(6, 3)),
        "conv": nn.Sequential(
            nn.Unflatten(1, (1, 6)), nn.Conv1d(1, 2, 3), nn.Flatten(), nn.Linear(8, 3)
        ),
    }


@pytest.mark.parametrize("net", nets())
@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_pruned_weights_stay_zero_and_the_others_move(net, optimiser):
    model = nets()[net].double()
    X, y = toy()
    opt = OPTIMISERS[optimiser](model.parameters())
    for _ in range(3):  # the optimiser learns to like weights that are then pruned
        opt.zero_grad()
        cross_entropy(model(X), y).backward()
        opt.step()
    mask = half(model)
    before = {n: w.detach().clone() for n, w in prunable(model).items()}
    with hold(opt, model, mask):
        for _ in range(5):
            opt.zero_grad()
            cross_entropy(model(X), y).backward()
            opt.step()
            assert all((w[~mask[n]] == 0).all() for n, w in prunable(model).items())
    for n, w in prunable(model).items():
        assert (w != before[n])[mask[n]].any()
        for memory in opt.state[w].values():
            if torch.is_tensor(memory) and memory.shape == w.shape and optimiser != "rprop":
                assert (memory[~mask[n]] == 0).all()
    opt.step()  # outside the context nothing is held
    assert not opt._optimizer_step_post_hooks


def test_hold_refuses_what_it_cannot_hold():
    model = mlp((6, 5, 3), 0)
    with (
        pytest.raises(ValueError, match="LBFGS"),
        hold(torch.optim.LBFGS(model.parameters()), model, half(model)),
    ):
        pass
    stranger = torch.optim.SGD(mlp((6, 5, 3), 0).parameters(), 0.1)
    with pytest.raises(ValueError, match="does not train"), hold(stranger, model, half(model)):
        pass
    with (
        pytest.raises(ValueError, match="the network has no"),
        hold(
            torch.optim.SGD(model.parameters(), 0.1), model, Mask({"9.weight": torch.ones(1) > 0})
        ),
    ):
        pass


def test_fit_learns_and_ends_in_evaluation_mode():
    data = digits()
    model = mlp((64, 30, 10), 0)
    fit(model, (data.X, data.y), Recipe(steps=200))
    assert accuracy(model, data.X_test, data.y_test) > 0.93 and not model.training
    loss = cross_entropy(model(data.X), data.y).item()
    assert mean_loss(model, data.X, data.y).item() == pytest.approx(loss, rel=1e-5)
    with pytest.raises(ValueError, match="dropout"):
        fit(model, (data.X, data.y), Recipe(dropout=0.5))


def test_fit_is_plain_pytorch():
    X, y = toy()
    recipe = Recipe(steps=7, batch=5, weight_decay=0.01)
    model = mlp((6, 5, 3), 0).double()
    plain = copy.deepcopy(model)
    fit(model, (X, y), recipe, seed=4)
    g = torch.Generator().manual_seed(4)
    decayed = [{"params": [p], "weight_decay": 0.01 * (p.ndim > 1)} for p in plain.parameters()]
    opt = torch.optim.SGD(decayed, 0.1, momentum=0.9)
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(opt, 7)
    for chosen in torch.randint(0, 60, (7, 5), generator=g):
        opt.zero_grad()
        cross_entropy(plain(X[chosen]), y[chosen]).backward()
        opt.step()
        falling.step()
    for a, b in zip(model.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


def plainly(model, batches, loss=cross_entropy, lr=0.05):
    """Gradient descent as anyone would write it, a step for each batch."""
    opt = torch.optim.SGD(model.parameters(), lr)
    for output, targets in batches:
        opt.zero_grad()
        loss(output(model), targets).backward()
        opt.step()


PLAIN = Recipe(steps=7, lr=0.05, momentum=0, schedule=schedules.constant)


def equal(a, b):
    assert all(map(torch.equal, a.state_dict().values(), b.state_dict().values()))


def test_batches_are_taken_one_a_step_over_and_over():
    X, y = toy()
    data = [(X[:20], y[:20]), (X[20:25], y[20:25]), (X[:0], y[:0]), [X[25:], y[25:]]]
    order = [data[0], data[1], data[3]] * 3
    for source in (data, DataLoader(TensorDataset(X[:45], y[:45]), 15)):
        model = mlp((6, 5, 3), 0).double()
        plain = copy.deepcopy(model)
        fit(model, source, PLAIN, stop=4)  # in two goes, as rounds that rewind do
        fit(model, source, PLAIN, start=4)
        seven = order[:7] if source is data else [*source, *source, *source][:7]
        plainly(plain, [(lambda m, X=X: m(X), y) for X, y in seven])
        equal(model, plain)


class Two(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.a, self.b = nn.Linear(6, 3), nn.Linear(6, 3)

    def forward(self, one, other, *, twice=None):
        return self.a(one) + self.b(other) * (1 if twice is None else twice)


@pytest.mark.parametrize("how", ["tuple", "list", "dictionary"])
def test_networks_of_several_inputs_are_trained_by_any_loss(how):
    X, _ = toy()
    wanted, twice = X[:, :3] * 2, torch.full((60, 1), 2.0).double()
    inputs = {
        "tuple": (X, X.flip(1)), "list": [X, X.flip(1)],
        "dictionary": {"one": X, "other": X.flip(1), "twice": twice},
    }[how]  # fmt: skip
    model = Two().double()
    plain = copy.deepcopy(model)
    fit(model, (inputs, wanted), PLAIN, loss=mse_loss, seed=3)
    drawn = torch.randint(0, 60, (7, 128), generator=torch.Generator().manual_seed(3))

    def asked(rows):
        more = {"twice": twice[rows]} if how == "dictionary" else {}
        return lambda m: m(X[rows], X.flip(1)[rows], **more)

    plainly(plain, [(asked(rows), wanted[rows]) for rows in drawn], mse_loss)
    equal(model, plain)


def test_fit_refuses_before_anything_is_changed():
    X, y = toy()
    batches = ((X, y) for _ in range(9))
    wrong = {
        "start = -1": ((X, y), {"start": -1}),
        "stop = 8 in a recipe of 7 steps": ((X, y), {"stop": 8}),
        "start = 5 and stop = 4": ((X, y), {"start": 5, "stop": 4}),
        "no example": ((X[:0], y[:0]), {}),
        "there is no example": ([], {}),
        "once only": (batches, {}),
        "DataLoader": (TensorDataset(X, y), {}),
        r"write \(X, y\)": ((X, y), {"loss": y}),
        "first axis": ((X[:30], y), {}),
        "given a tensor": (X, {}),
    }
    for said, (data, how) in wrong.items():
        model = mlp((6, 5, 3), 0).double().eval()
        with pytest.raises((TypeError, ValueError), match=said):
            fit(model, data, PLAIN, mask=half(model), **how)
        equal(model, mlp((6, 5, 3), 0).double())
        assert not model.training
    frozen = mlp((6, 5, 3), 0).requires_grad_(False)
    with pytest.raises(ValueError, match="nothing to train"):
        fit(frozen, (X, y), PLAIN)
    with pytest.raises(ValueError, match="mean over the batch"):
        loss = lambda z, y: cross_entropy(z, y, reduction="none")  # noqa: E731
        fit(mlp((6, 5, 3), 0).double(), (X, y), PLAIN, loss=loss)


def test_frozen_layers_are_pruned_and_not_trained():
    X, y = toy()
    model = mlp((6, 5, 3), 0).double()
    model[0].requires_grad_(False)
    before, mask = model[0].weight.detach().clone(), half(model)
    fit(model, (X, y), PLAIN, mask=mask)
    assert torch.equal(model[0].weight, before * mask["0.weight"])
    assert not torch.equal(model[2].weight, mlp((6, 5, 3), 0).double()[2].weight)


def test_two_masks_of_a_tied_weight_both_hold():
    model = nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 3))
    model[2].weight = model[0].weight
    first, second = torch.ones(3, 3) > 0, torch.ones(3, 3) > 0
    first[0], second[1] = False, False
    opt = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
    with hold(opt, model, Mask({"0.weight": first, "2.weight": second})):
        for _ in range(2):
            cross_entropy(model(torch.ones(4, 3)), torch.tensor([0, 1, 2, 2])).backward()
            opt.step()
    zero = model[0].weight == 0
    assert zero[0].all() and zero[1].all() and not zero[2].any()


def test_a_trainer_says_what_it_cannot_take():
    X, y = toy()
    recipe = Recipe(steps=3)
    for wrong, said in (
        (lambda: Trainer(X, y, recipe), r"Trainer\(\(X, y\), recipe\)"),
        (lambda: Trainer(X, y, recipe, seeds=[0]), r"Trainer\(\(X, y\), recipe\)"),
        (lambda: Trainer((X, y), 3), "expected a Recipe"),
        (lambda: Trainer((X, y), recipe, seeds=[]), "seeds: given none"),
        (lambda: Trainer(iter([(X, y)]), recipe), "once only"),
        (lambda: Trainer((X, y), recipe, loss=y), r"write \(X, y\)"),
    ):
        with pytest.raises((TypeError, ValueError), match=said):
            wrong()
    rates = Trainer((X, y), recipe, lr=torch.tensor([0.1]))
    with pytest.raises(ValueError, match="rates are for Replicas"):
        rates(mlp((6, 5, 3), 0).double())
    together = Replicas.of((6, 5, 3), [0]).double()
    for trainer, said in (
        (Trainer((X, y), recipe, loss=mse_loss), "by cross-entropy"),
        (Trainer([(X, y)], recipe), r"expected a pair \(X, y\)"),
        (Trainer((X[:, :4], y), recipe), r"expected \(n, 6\)"),
        (Trainer((X[:9], y), recipe), r"X \(9, 6\) and y \(60,\)"),
        (Trainer((X[:0], y[:0]), recipe), "no example"),
    ):
        with pytest.raises((TypeError, ValueError), match=said):
            trainer(together)
    with pytest.raises(ValueError, match="stop = 9 in a recipe of 3"):
        Trainer((X, y), recipe)(together, stop=9)


# --- replicas


@settings(max_examples=25, deadline=None)
@given(
    count=st.integers(1, 4),
    hidden=st.lists(st.integers(1, 9), max_size=3),
    batch=st.sampled_from([1, 7, 129]),
    optimiser=st.sampled_from(["sgd", "adam"]),
    weight_decay=st.sampled_from([0.0, 0.01]),
    l1=st.sampled_from([0.0, 0.001]),
    masked=st.booleans(),
    seed=st.integers(0, 99),
)
def test_replicas_equal_each_alone_step_by_step(
    count, hidden, batch, optimiser, weight_decay, l1, masked, seed
):
    X, y = toy(seed=seed)
    recipe = Recipe(
        steps=12, batch=batch, optimiser=optimiser, weight_decay=weight_decay, l1=l1, lr=0.05
    )
    alone = [mlp((6, *hidden, 3), seed + i).double() for i in range(count)]
    together = Replicas(alone)
    masks = [half(model, i) for i, model in enumerate(alone)]
    stacked = Mask({n: torch.stack([m[n] for m in masks]) for n in masks[0]})
    log = []

    def look(step):
        log.append([p.detach().clone() for p in together.parameters()])

    fit_replicas(
        together, (X, y), recipe, seeds=range(count), mask=stacked if masked else None, on_step=look
    )
    for i, model in enumerate(alone):
        steps = iter(log)

        def compare(step, model=model, i=i, steps=steps):
            for p, q in zip(model.parameters(), next(steps), strict=True):
                torch.testing.assert_close(p.detach(), q[i], rtol=1e-9, atol=1e-9)

        fit(model, (X, y), recipe, seed=i, mask=masks[i] if masked else None, on_step=compare)
        for p, q in zip(model.parameters(), together.replica(i).parameters(), strict=True):
            torch.testing.assert_close(p, q, rtol=1e-9, atol=1e-9)
    if masked:
        assert all((w[~stacked[n]] == 0).all() for n, w in prunable(together).items())


def test_replicas_with_rates_and_labels_of_their_own():
    X, y = toy()
    other = y.flip(0)
    models = [mlp((6, 5, 3), i).double() for i in range(2)]
    together = Replicas(models)
    rates = torch.tensor([0.2, 0.01])
    recipe = Recipe(steps=9, batch=8)
    fit_replicas(together, (X, torch.stack([y, other])), recipe, seeds=[5, 6], lr=rates)
    for i, (labels, lr) in enumerate(zip((y, other), (0.2, 0.01), strict=True)):
        fit(models[i], (X, labels), Recipe(steps=9, batch=8, lr=lr), seed=5 + i)
        for p, q in zip(models[i].parameters(), together.parameters(), strict=True):
            torch.testing.assert_close(p, q[i], rtol=1e-7, atol=1e-7)


def test_a_new_mask_midway_is_held_in_replicas_too():
    X, y = toy()
    model = mlp((6, 5, 3), 0).double()
    together = Replicas([model])
    recipe = Recipe(steps=12, batch=8)

    def cut(magnitudes):
        return Mask({n: top_k(w.detach().abs(), w.numel() // 2) for n, w in magnitudes.items()})

    fit(model, (X, y), recipe, on_step=lambda t: cut(prunable(model)) if t == 4 else None)
    fit_replicas(
        together, (X, y), recipe, seeds=[0],
        on_step=lambda t: cut(prunable(together)) if t == 4 else None,
    )  # fmt: skip
    zero = prunable(together)["0.weight"][0] == 0
    assert zero.sum() == 15
    assert torch.equal(zero, prunable(model)["0.weight"] == 0)


def test_dropout_in_replicas_silences_while_training_only():
    data = digits()
    together = Replicas.of((64, 40, 10), [0, 1])
    fit_replicas(together, (data.X, data.y), Recipe(steps=200, dropout=0.3), seeds=[0, 1])
    once, again = together(data.X_test), together(data.X_test)
    assert torch.equal(once, again)
    assert (accuracy(together, data.X_test, data.y_test) > 0.9).all()


def test_replicas_survive_copies_types_and_states():
    X, y = toy()
    together = Replicas.of((6, 5, 3), [0, 1])
    twin = copy.deepcopy(together).double()
    fit_replicas(twin, (X, y), Recipe(steps=3, batch=8), seeds=[0, 1])
    assert together.replica(0)[0].weight.dtype == torch.float32
    assert not torch.equal(twin.replica(0)[0].weight.float(), together.replica(0)[0].weight)
    fresh = Replicas.of((6, 5, 3), [7, 8]).double()
    fresh.load_state_dict(twin.state_dict())
    assert torch.equal(fresh(X), twin(X)) and torch.equal(fresh.flat, twin.flat)
    assert fresh(X).shape == (2, 60, 3)
    assert torch.equal(fresh(X)[1], twin.replica(1)(X)) or torch.allclose(
        fresh(X)[1], twin.replica(1)(X)
    )


def test_replicas_errors():
    X, y = toy()
    with pytest.raises(ValueError, match="of the same shape"):
        Replicas([mlp((6, 3), 0), mlp((6, 4), 0)])
    with pytest.raises(ValueError, match="same shape"):
        Replicas([])
    for odd in (
        nn.Sequential(nn.Linear(6, 3), nn.Tanh()),
        nn.Sequential(nn.Linear(6, 3), nn.ReLU()),
    ):
        with pytest.raises(ValueError, match="expected Linear"):
            Replicas([odd])
    pair = Replicas.of((6, 3), [0, 1]).double()
    with pytest.raises(ValueError, match="seeds: given 3"):
        fit_replicas(pair, (X, y), Recipe(steps=1), seeds=[0, 1, 2])
    with pytest.raises(ValueError, match="rows of labels"):
        fit_replicas(pair, (X, y.expand(3, -1)), Recipe(steps=1), seeds=[0, 1])
    with pytest.raises(ValueError, match="same shape"):
        fit_replicas(
            pair,
            (X, y),
            Recipe(steps=1),
            seeds=[0, 1],
            mask=Mask({"0.weight": torch.ones(3, 6) > 0}),
        )
