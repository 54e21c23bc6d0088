"""The portrait and its cosines."""

import math

import numpy as np
import pytest
import torch

from course_lib.labs import pictures


def cosine_matrix(n: int) -> np.ndarray:
    """Write down the orthonormal DCT-II from its definition."""
    rows, columns = np.mgrid[:n, :n]
    matrix = np.cos(math.pi * (columns + 0.5) * rows / n) * math.sqrt(2 / n)
    matrix[0] /= math.sqrt(2)
    return matrix


def test_portrait_is_a_small_grey_picture():
    image = pictures.portrait()
    assert image.shape == (64, 64) and image.dtype == torch.float64
    assert 0 <= float(image.min()) < 0.3 and 0.7 < float(image.max()) <= 1


def test_to_cosines_is_the_definition_and_goes_back():
    image = torch.rand(5, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    expected = cosine_matrix(5) @ image.numpy() @ cosine_matrix(8).T
    assert np.allclose(pictures.to_cosines(image).numpy(), expected)
    assert torch.allclose(pictures.from_cosines(pictures.to_cosines(image)), image)


def test_the_error_is_the_length_of_the_dropped_coefficients():
    image = pictures.portrait()
    sizes = pictures.to_cosines(image).flatten().abs().sort(descending=True).values
    for k in (0, 1, 40, 400, 4096):
        error = pictures.relative_error(pictures.approximate(image, k), image)
        expected = float((sizes[k:] ** 2).sum() / (sizes**2).sum()) ** 0.5
        assert error == pytest.approx(expected, abs=1e-12)


def test_few_cosines_carve_the_head_and_random_ones_do_not():
    image = pictures.portrait()
    assert pictures.relative_error(pictures.approximate(image, 400), image) < 0.1
    kept = torch.rand(64, 64, generator=torch.Generator().manual_seed(0)).argsort() < 6
    random = pictures.from_cosines(pictures.to_cosines(image) * kept)
    assert pictures.relative_error(random, image) > 0.1
