"""Pruning in rounds, against plain loops written down here."""

import copy
import dataclasses
from functools import partial

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy, mse_loss

from course_lib.masks import Mask, prunable
from course_lib.pruning import (
    criteria,
    gradual_pruning,
    iterative_pruning,
    one_shot,
    prune,
    prune_model,
    rounds_needed,
    tickets,
)  # fmt: skip
from course_lib.training.fit import Recipe, fit
from course_lib.training.replicas import Replicas
from course_lib.training.trainer import Trainer
from tests.pruning.trained import RECIPE, TRAIN, X, net, states_equal, y


def test_rounds_needed_is_the_least():
    assert rounds_needed(0.107374182, 0.2) == 11 and rounds_needed(0.8**10, 0.2) == 10
    for density in (0.9, 0.5, 0.11, 0.01):
        for fraction in (0.1, 0.2, 0.36, 0.9):
            t = rounds_needed(density, fraction)
            assert (1 - fraction) ** t <= density * (1 + 1e-9) < (1 - fraction) ** (t - 1)
    with pytest.raises(ValueError, match="both in"):
        rounds_needed(1.0, 0.2)


@pytest.mark.parametrize("rewind_step", [None, 0, 5])
def test_rounds_are_the_plain_loop(rewind_step):
    model = net()
    settings_ = {"rounds": 3, "fraction": 0.3, "rewind_step": rewind_step, "scope": "tensor"}
    found = list(iterative_pruning(model, TRAIN, **settings_))

    plain = net()
    masks = [torch.ones_like(w, dtype=torch.bool) for w in prunable(plain).values()]
    start = rewind_step or 0

    def train(number, mask, begin, end=None):
        named = Mask(dict(zip(prunable(plain), mask, strict=True)))
        fit(plain, (X, y), RECIPE, seed=10_000 * number, mask=named, start=begin, stop=end)

    if start:
        train(0, masks, 0, start)
    early = copy.deepcopy(plain.state_dict())
    train(0, masks, start)
    for number in (1, 2, 3):
        for i, w in enumerate(prunable(plain).values()):
            alive = w.detach().abs()[masks[i]].sort().values
            gone = round(0.3 * len(alive))
            masks[i] = masks[i] & (w.detach().abs() >= alive[gone])
        if rewind_step is not None:
            plain.load_state_dict(early)
        train(number, masks, start)
        for (name, entry), own in zip(found[number].mask.items(), masks, strict=True):
            assert torch.equal(entry, own), name
        assert states_equal(found[number].trained, plain.state_dict())
        assert all((w[~found[number].mask[n]] == 0).all() for n, w in prunable(plain).items())
    assert [r.number for r in found] == [0, 1, 2, 3]


def test_one_shot_is_one_round_and_other_criteria_fit_in():
    found = list(one_shot(net(), TRAIN, density=0.25, rewind_step=0, scope="global"))
    assert len(found) == 2 and found[1].mask.kept == round(0.25 * found[1].mask.numel)
    by_curvature = {"criterion": criteria.obd, "data": (X, y)}
    model = net()
    *_, last = iterative_pruning(model, TRAIN, rounds=1, fraction=0.5, **by_curvature)
    assert last.mask.density == pytest.approx(0.5, abs=0.02)
    pair = Replicas([net(0), net(1)])
    both = prune_model(pair, Mask.ones_like(pair), **by_curvature, fraction=0.5)
    alone = prune_model(net(1), Mask.ones_like(net(1)), **by_curvature, fraction=0.5)
    assert torch.equal(both["0.weight"][1], alone["0.weight"])
    with pytest.raises(ValueError, match="one density for each round"):
        list(iterative_pruning(net(), TRAIN, rounds=2, densities=[0.5]))


def test_rounds_work_with_batch_norm_tied_weights_and_any_optimiser():
    torch.manual_seed(0)
    shared = nn.Linear(6, 6)
    model = nn.Sequential(shared, nn.BatchNorm1d(6), nn.ReLU(), shared, nn.Linear(6, 3)).double()
    train = Trainer((X, y), Recipe(steps=10, batch=8, optimiser="adam", lr=0.01, weight_decay=0.1))
    for step in iterative_pruning(model, train, rounds=2, fraction=0.5, rewind_step=0):
        assert all((w[~step.mask[n]] == 0).all() for n, w in prunable(model).items())
    assert list(step.mask) == ["0.weight", "4.weight"]
    assert step.mask.density == pytest.approx(0.25, abs=0.02)


def test_one_scope_everywhere_if_none_is_given():
    """Weights of one layer are a hundred times as large: ranked together, they all stay."""

    def uneven():
        model = net()
        model[0].weight.data += 100
        return model

    still = dataclasses.replace(TRAIN, recipe=dataclasses.replace(RECIPE, lr=1e-9))
    first = lambda mask: mask["0.weight"].all().item()  # noqa: E731
    model = uneven()
    assert first(prune(criteria.magnitude(model), Mask.ones_like(model), density=0.5))
    assert first(prune_model(model, Mask.ones_like(model), density=0.5))
    *_, last = one_shot(uneven(), still, density=0.5)
    assert first(last.mask)
    *_, last = iterative_pruning(uneven(), still, rounds=1, fraction=0.5)
    assert first(last.mask)
    *_, (_, ticket) = tickets.find(uneven(), still, rounds=1, fraction=0.5)
    assert first(ticket.mask)
    assert first(gradual_pruning(uneven(), still, density=0.5, begin=1, end=9, every=2))
    *_, (_, ticket) = tickets.find(uneven(), still, rounds=1, fraction=0.5, scope="tensor")
    assert not first(ticket.mask)


WRONG = {
    "rewinding to the end": ({"rewind_step": 12}, "rewind_step: given 12.*0 to 11"),
    "rewinding beyond": ({"rewind_step": 13}, "rewind_step: given 13"),
    "rewinding before": ({"rewind_step": -2}, "rewind_step: given -2"),
    "half a step": ({"rewind_step": 2.5}, "rewind_step: given 2.5"),
    "true": ({"rewind_step": True}, "rewind_step: given True"),
    "less than no rounds": ({"rounds": -1}, "rounds: given -1"),
    "no rounds told": ({"rounds": None}, "rounds: given None"),
    "both": ({"densities": [0.5, 0.2]}, "expected one fraction, or one density"),
    "growing": ({"fraction": None, "densities": [0.2, 0.5]}, "do not come back"),
    "a density above 1": ({"fraction": None, "densities": [5, 2]}, "density: given 5"),
    "a share in words": ({"fraction": "0.2"}, "fraction: given '0.2'"),
    "a fraction that is true": ({"fraction": True}, "fraction: given True"),
    "a rate that is true": ({"rates": {"0.weight": True}}, "0.weight: given True"),
    "one density": ({"fraction": None, "rounds": None, "densities": 0.1}, "densities: given 0.1"),
    "densities once": (
        {"fraction": None, "rounds": None, "densities": (d for d in (0.5, 0.1))},
        "densities: given <generator.*list",
    ),
    "rates in a row": ({"rates": [0.1, 0.2]}, r"rates: given \[0.1, 0.2\], expected a dictionary"),
    "no trainer": ({"train": None}, "train: given None, expected a Trainer"),
    "a network for a trainer": ({"train": net(1)}, "train: given Sequential"),
    "a trainer of one round": (
        {"train": lambda model, mask: None}, r"train: .*'round'.*train\(model, mask, round=",
    ),
    "a trainer without a stop": (
        {"train": lambda model, mask, round, start=0: None, "rewind_step": 3}, "train: .*'stop'",
    ),
    "a scope": ({"scope": "layer"}, "scope: given 'layer'"),
    "rates": ({"rates": {"0.weight": 0.1}}, "Write scope='tensor'"),
    "no data": ({"criterion": criteria.obd}, r"Give data=\(X, y\)"),
    "no data for a part": ({"criterion": partial(criteria.obd, probes=2)}, r"Give data=\(X, y\)"),
    "an old criterion": (
        {"criterion": lambda model: criteria.magnitude(model)},
        r"criterion\(model, data, loss\)",
    ),
    "data twice": (
        {"criterion": partial(criteria.obd, data=(X, y))}, r"criterion\(model, data, loss\)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG)
def test_rounds_refuse_at_once_what_cannot_be(wrong):
    settings_, said = WRONG[wrong]
    model = net()
    with pytest.raises((TypeError, ValueError), match=said):
        iterative_pruning(model, **{"train": TRAIN, "rounds": 2, "fraction": 0.3} | settings_)
    assert states_equal(model.state_dict(), net().state_dict())


def test_criteria_see_the_data_and_the_loss_of_the_call():
    seen = []

    def watches(model, data, loss):
        seen.append((data, loss))
        return criteria.magnitude(model)

    data, loss = [(X, y)], partial(cross_entropy, label_smoothing=0.1)
    list(iterative_pruning(net(), TRAIN, densities=[0.5], criterion=watches, data=data, loss=loss))
    prune_model(net(), Mask.ones_like(net()), watches, data=data, loss=loss, density=0.5)
    assert [(a is data, b is loss) for a, b in seen] == [(True, True)] * 2


class Sequence_(nn.Module):
    def __init__(self, layer):
        super().__init__()
        self.layer, self.head = layer, nn.Linear(4, 3)

    def forward(self, X):
        return self.head(self.layer(X.view(-1, 3, 2))[0][:, -1])


class Words(nn.Module):
    def __init__(self):
        super().__init__()
        self.words, self.layer = nn.Embedding(5, 4), nn.TransformerEncoderLayer(4, 2, 6)
        self.head = nn.Linear(4, 5, bias=False)
        self.head.weight = self.words.weight

    def forward(self, X):
        return self.head(self.layer(self.words(X)))


def other_networks():
    torch.manual_seed(0)
    frozen, half, compiled, unused = net(), net(), net(), net()
    frozen[0].requires_grad_(False)
    unused.spare = nn.Linear(3, 3)
    unused.forward = lambda X: nn.Sequential.forward(unused[:5], X)
    words = torch.randint(0, 5, (60, 4))
    return {
        "lstm": (Sequence_(nn.LSTM(2, 4, batch_first=True)).double(), (X, y), cross_entropy),
        "gru": (Sequence_(nn.GRU(2, 4, batch_first=True)).double(), (X, y), cross_entropy),
        "words": (
            Words(),
            (words, words),
            lambda z, y: cross_entropy(z.flatten(0, 1), y.flatten()),
        ),
        "frozen": (frozen, (X, y), cross_entropy),
        "unused": (unused, (X, y), cross_entropy),
        "half": (half.bfloat16(), (X.bfloat16(), y), cross_entropy),
        "compiled": (torch.compile(compiled, backend="eager"), (X, y), cross_entropy),
    }


@pytest.mark.filterwarnings("ignore::UserWarning")  # that embeddings are left out
@pytest.mark.parametrize("criterion", [criteria.magnitude, criteria.snip, criteria.fisher])
@pytest.mark.parametrize("kind", other_networks())
def test_rounds_prune_networks_of_all_kinds(kind, criterion):
    model, data, loss = other_networks()[kind]
    train = Trainer(data, Recipe(steps=4, batch=8), loss=loss)
    rounds = iterative_pruning(
        model, train, densities=[0.5, 0.1], criterion=criterion, data=data, loss=loss, rewind_step=1
    )
    for done, density in zip(rounds, (1, 0.5, 0.1), strict=True):
        assert done.mask.kept == round(density * done.mask.numel)
        for name, w in prunable(model).items():
            assert (w[~done.mask[name]] == 0).all()
    assert list(done.mask) == list(prunable(model))


def test_a_layer_alone_is_pruned_as_asked():
    """No Linear in it: once it kept all of its weights without a word."""
    model = nn.LSTM(8, 8)
    words = torch.randn(20, 4, 8, generator=torch.Generator().manual_seed(0))
    train = Trainer((words, words), Recipe(steps=3, batch=5), loss=lambda z, y: mse_loss(z[0], y))
    *_, last = iterative_pruning(model, train, rounds=1, densities=[0.1])
    assert last.density == pytest.approx(0.1, abs=0.01)
    zeros = sum(int((w == 0).sum()) for w in (model.weight_hh_l0, model.weight_ih_l0))
    assert zeros == round(0.9 * 2 * 256)


def test_a_trainer_that_brings_weights_back_is_told_so():
    with pytest.raises(ValueError, match="holds the mask"):
        list(iterative_pruning(nn.Linear(8, 8), lambda *_, **__: None, densities=[0.1]))
    model = net()

    def free(model, mask=None, *, on_step=None, **rest):
        for step in range(1, 10):
            on_step(step)

    with pytest.raises(ValueError, match="holds the mask"):
        gradual_pruning(model, free, density=0.2, begin=2, end=9)
