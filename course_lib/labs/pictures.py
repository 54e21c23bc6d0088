"""A portrait and its cosines: the block of stone from which chapter 01 carves a statue."""

import numpy as np
import torch
from scipy.fft import dctn, idctn
from skimage import data
from torch import Tensor

from course_lib.labs.approximation import hard_threshold


def portrait() -> Tensor:
    """Return the head on a Greek coin, grey values in 0..1, float64 (64, 64).

    Source: one of the Brooklyn Museum's coins that scikit-image ships.
    """
    coin = data.coins()[231:295, 270:334]
    return torch.from_numpy(coin.astype(np.float64) / 255)


def to_cosines(image: Tensor) -> Tensor:
    """Write an image (height, width) as a sum of cosine waves: its orthonormal DCT coefficients.

    The transform turns no length into another: errors measure the same on either side of it.
    Source: Ahmed, Natarajan and Rao (1974).

    Args:
        image: (height, width).

    Examples:
        >>> round(to_cosines(torch.ones(2, 2))[0, 0].item(), 3)  # all of it is the mean
        2.0
    """
    return torch.from_numpy(dctn(image.numpy(), norm="ortho"))


def from_cosines(coefficients: Tensor) -> Tensor:
    """Add up the cosine waves: the inverse of `to_cosines`.

    Args:
        coefficients: (height, width).

    Examples:
        >>> image = portrait()
        >>> relative_error(from_cosines(to_cosines(image)), image) < 1e-12
        True
    """
    return torch.from_numpy(idctn(coefficients.numpy(), norm="ortho"))


def approximate(image: Tensor, k: int) -> Tensor:
    """Rebuild an image from its k largest cosine coefficients.

    Args:
        image: (height, width).
        k: how many coefficients are kept.

    Raises:
        TypeError, ValueError: as `top_k`.

    Examples:
        >>> relative_error(approximate(portrait(), 64 * 64), portrait()) < 1e-12
        True
    """
    return from_cosines(hard_threshold(to_cosines(image), k))


def relative_error(approximation: Tensor, original: Tensor) -> float:
    """Return the length of what is missing as a share of the length of the original.

    Args:
        approximation: any shape.
        original: the same.

    Examples:
        >>> round(relative_error(torch.tensor([3.0, 0.0]), torch.tensor([3.0, 4.0])), 3)
        0.8
    """
    return float(torch.linalg.norm(original - approximation) / torch.linalg.norm(original))
