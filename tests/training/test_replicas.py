"""Replicas against training each alone."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from course_lib.masks import Mask, prunable, top_k
from course_lib.pruning.fingerprint import fingerprint
from course_lib.training.data import digits
from course_lib.training.fit import Recipe, accuracy, fit
from course_lib.training.models import mlp
from course_lib.training.replicas import Replicas, apart, copies, fit_replicas, together
from tests.training.toys import half, toy


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


def test_a_model_and_its_mask_are_taken_apart_and_put_together():
    models = [mlp((6, 5, 3), seed) for seed in (0, 1)]
    masks = [half(model, seed) for seed, model in enumerate(models)]
    ((own, mask),) = apart(models[0], masks[0])
    assert own is models[0] and mask is masks[0] and together(own, [mask]) is mask
    many = Replicas(models)
    assert copies(many) == 2 and copies(own) == 1
    pairs = apart(many, Mask.stacked(masks))
    assert [mask for _, mask in pairs] == masks
    assert together(many, [mask for _, mask in pairs]) == Mask.stacked(masks)
    for (own, _), model in zip(pairs, models, strict=True):
        for name, p in own.named_parameters():
            assert torch.equal(p, model.get_parameter(name))
        own[0].weight.data.zero_()  # a copy
    assert all(layer.weight.any() for layer in many.layers)
    with pytest.raises(ValueError, match="one of 3 networks, expected one of 2"):
        apart(many, Mask.stacked([*masks, masks[0]]))


def test_equal_replicas_have_equal_states_though_one_was_scattered():
    one, other = (Replicas.of((6, 5, 3), [0, 1]) for _ in "ab")
    for p in other.parameters():
        p.data = p.data.clone() + 1
    assert fingerprint(one) != fingerprint(other)
    for p in other.parameters():
        p.data = p.data.clone() - 1
    for p, q in zip(one.parameters(), other.parameters(), strict=True):
        p.data = q.data.clone()
    assert fingerprint(one) == fingerprint(other)
