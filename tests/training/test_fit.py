"""Training one network, against plain PyTorch; masks that are held."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy, mse_loss
from torch.utils.data import DataLoader, TensorDataset

from course_lib.masks import Mask, prunable
from course_lib.training import schedules
from course_lib.training.data import digits
from course_lib.training.fit import Recipe, accuracy, fit, hold, mean_loss
from course_lib.training.models import mlp
from tests.training.toys import half, toy

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
