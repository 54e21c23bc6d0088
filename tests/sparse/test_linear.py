"""Sparse linear layers against the dense ones with the mask applied, in float64."""

import pytest
import torch
from torch import nn

from course_lib.sparse import SparseLinear
from course_lib.sparse.convert import FusingSequential
from tests.sparse.dense import inputs, magnitude, mlp, same


@pytest.mark.parametrize("batch", [1, 2, 7, 129])
def test_linear(batch):
    sparse = same(mlp(), inputs(batch, 20), magnitude(mlp()))
    kinds = [type(layer) for layer in sparse]
    assert type(sparse) is FusingSequential and kinds.count(SparseLinear) == 4


@pytest.mark.parametrize("shape", [(20,), (2, 3, 20), (0, 20), (2, 1, 3, 20)])
def test_inputs_with_other_axes(shape):
    model = nn.Sequential(nn.Linear(20, 30)).double()
    same(model, inputs(*shape), magnitude(model))


def test_what_a_layer_says_of_itself():
    layer = SparseLinear(nn.Linear(100, 50), torch.arange(5000).reshape(50, 100) % 10 == 0)
    assert layer.density == 0.1
    assert layer.nbytes == 500 * 6 + 51 * 4 + 50 * 4
    assert "50x100, density=0.1" in repr(layer)
