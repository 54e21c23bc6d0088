"""Dense networks, and what is asked of them made sparse."""

import copy

import torch
from torch import nn

from course_lib.masks import prunable, select
from course_lib.sparse import sparsify


def seeded(model, seed=0):
    chance = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(torch.randn(p.shape, generator=chance) / 3)
    return model.double()


def magnitude(model, density=0.3):
    return select({n: w.detach().abs() for n, w in prunable(model).items()}, density=density)


def mlp():
    return seeded(
        nn.Sequential(
            *(nn.Linear(20, 30), nn.ReLU(), nn.Linear(30, 25, bias=False), nn.Tanh()),
            *(nn.Linear(25, 12), nn.ReLU(), nn.Linear(12, 4)),
        )
    )


def cnn(**options):
    return seeded(
        nn.Sequential(
            *(nn.Conv2d(3, 5, options.pop("window", 3), **options), nn.ReLU()),
            *(nn.Conv2d(5, 6, 1, bias=False), nn.Flatten()),
        )
    )


def inputs(*shape):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def same(model, x, mask):
    """Compare outputs and every gradient with those of the dense model; return the sparse one."""
    dense = copy.deepcopy(model)
    mask.apply_(dense)
    sparse = sparsify(model, mask)
    ours, theirs = x.clone().requires_grad_(), x.clone().requires_grad_()
    y, expected = sparse(ours), dense(theirs)
    assert y.shape == expected.shape and torch.allclose(y, expected, atol=1e-11)
    slope = inputs(*y.shape)
    y.backward(slope)
    expected.backward(slope)
    assert torch.allclose(ours.grad, theirs.grad, atol=1e-11)
    for name, kept in mask.items():
        path = name.rpartition(".")[0]
        thin, thick = sparse.get_submodule(path), dense.get_submodule(path)
        assert torch.allclose(thin.values.grad, thick.weight.grad[kept], atol=1e-11), name
        if thick.bias is not None:
            assert torch.allclose(thin.bias.grad, thick.bias.grad, atol=1e-11), name
    return sparse
