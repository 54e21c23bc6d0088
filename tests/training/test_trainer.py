"""Trainers, and what they refuse."""

import pytest
import torch
from torch.nn.functional import cross_entropy, mse_loss

from course_lib.masks import Mask
from course_lib.training import Recipe, Replicas, Trainer, fit, mlp, refit
from tests.training.toys import half, toy


def test_a_trainer_says_what_it_cannot_take():
    X, y = toy()
    recipe = Recipe(steps=3)
    for wrong, said in (
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


def test_refitting_is_a_trainer_called_once_with_the_mask():
    X, y = toy()
    recipe = Recipe(steps=5, batch=16)
    one, other, left = (mlp((6, 5, 3), 0).double() for _ in "abc")
    mask = half(one)
    refit(one, mask, (X, y), recipe, seeds=[3], loss=cross_entropy)
    fit(other, (X, y), recipe, seed=3, mask=mask)
    for own, wanted, before in zip(*(m.parameters() for m in (one, other, left)), strict=True):
        assert torch.equal(own, wanted) and not torch.equal(own, before)
    assert all(not one.get_parameter(n)[~kept].any() for n, kept in mask.items())
    many = Replicas([mlp((6, 5, 3), seed).double() for seed in (0, 1)])
    refit(many, Mask.stacked([mask, mask]), (X, y), recipe, seeds=[3, 4])
    for own, wanted in zip(many.replica(0).parameters(), one.parameters(), strict=True):
        torch.testing.assert_close(own, wanted)
