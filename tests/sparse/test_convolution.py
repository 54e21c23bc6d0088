"""Sparse convolutions against the dense ones with the mask applied, in float64."""

import pytest
import torch

from tests.sparse.dense import cnn, inputs, magnitude, same

CONVOLUTIONS = {
    "plain": {},
    "padded": dict(padding=1),
    "same": dict(padding="same"),
    "same, even": dict(padding="same", window=4),
    "valid": dict(padding="valid"),
    "one side": dict(padding=(0, 1)),
    "dilated": dict(padding=2, dilation=2),
    "strided": dict(stride=2, padding=1),
    "strides differ": dict(stride=(1, 2)),
    "oblong": dict(window=(2, 3)),
    "1x1": dict(window=1),
    "no bias": dict(bias=False),
}


@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.parametrize("images", [1, 3])
@pytest.mark.parametrize("options", CONVOLUTIONS.values(), ids=CONVOLUTIONS)
def test_convolutions(options, images):
    same(cnn(**options), inputs(images, 3, 9, 8), magnitude(cnn(**options), 0.4))


def test_channels_last():
    x = inputs(2, 3, 9, 8).to(memory_format=torch.channels_last)
    same(cnn(padding=1), x, magnitude(cnn(padding=1)))
