"""The two data sets that chapters learn from: MNIST-1D, made here, and real handwritten digits."""

import os
import random
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from course_lib.files import store, stored
from course_lib.training.examples import seeded

CLASSES = 10


class Data(NamedTuple):
    """Examples to learn from and examples to be judged by.

    X and X_test are float32, one example a row; y and y_test int64, the classes.

    Examples:
        >>> import torch
        >>> X, y = torch.rand(10, 3), torch.zeros(10).long()
        >>> held = Data(X, y, X, y).hold_out(0.3, seed=0)
        >>> len(held.X), len(held.X_test)
        (7, 3)
    """

    X: Tensor
    y: Tensor
    X_test: Tensor
    y_test: Tensor

    def hold_out(self, share: float, seed: int) -> "Data":
        """Split the training examples: a share of them becomes the test set, for making choices.

        Whatever is chosen (a learning rate, a density) is chosen on this, so that the real test
        set is looked at once.

        Raises:
            TypeError: the seed is no integer.
            ValueError: the share leaves nothing on one side.
        """
        held = round(share * len(self.X))
        if not 0 < held < len(self.X):
            raise ValueError(
                f"share: given {share}, which holds out {held} of {len(self.X)} examples; "
                "expected a number between 0 and 1 that leaves some on both sides."
            )
        order = torch.randperm(len(self.X), generator=seeded(seed))
        out, stay = order[:held], order[held:]
        return Data(self.X[stay], self.y[stay], self.X[out], self.y[out])


def mnist1d(samples: int = 5000, seed: int = 42) -> Data:
    """Make MNIST-1D: ten stick figures, stretched, shifted and drowned in noise, 40 numbers each.

    Args:
        samples: in all; the last fifth is the test set.
        seed: of the generator; another seed gives fresh examples of the same law.

    Returns:
        Data with 40 features. Made once and then read from the cache; a broken cache is made anew.

    Raises:
        TypeError: the seed is no integer.
        ValueError: fewer than 50 samples.

    Examples:
        >>> data = mnist1d(samples=50)
        >>> tuple(data.X.shape), tuple(data.X_test.shape)
        ((40, 40), (10, 40))

    Source: Greydanus and Kobak (2024).
    """
    if samples < 50:
        raise ValueError(f"samples: given {samples}, expected at least 50, five for each class.")
    seeded(seed)  # refuses what is no seed

    def make() -> dict[str, Tensor]:
        from mnist1d.data import get_dataset_args, make_dataset  # takes seconds: it loads pyplot

        settings = get_dataset_args()
        settings.num_samples, settings.seed = samples, seed
        before = random.getstate(), np.random.get_state()  # the generator seeds what is global
        try:
            made = make_dataset(settings)
        finally:
            random.setstate(before[0])
            np.random.set_state(before[1])
        kinds = {"X": torch.float32, "y": torch.int64}
        parts = {name: np.asarray(made[name.lower()]) for name in Data._fields}
        return {name: torch.from_numpy(part).to(kinds[name[0]]) for name, part in parts.items()}

    return Data(**cached(f"mnist1d-{samples}-{seed}", make))


def digits(seed: int = 0) -> Data:
    """Return the 1,797 handwritten digits of scikit-learn, 8 by 8 pixels from 0 to 1.

    Args:
        seed: which 30% become the test set.

    Raises:
        TypeError: the seed is no integer.

    Examples:
        >>> data = digits(seed=0)
        >>> tuple(data.X.shape), tuple(data.X_test.shape)
        ((1258, 64), (539, 64))

    Source: Alpaydin and Kaynak (1998).
    """
    from sklearn.datasets import load_digits  # takes a second

    found = load_digits()
    X = torch.from_numpy(found.data).float() / 16
    y = torch.from_numpy(found.target).long()
    everything = Data(X, y, X[:0], y[:0])
    return everything.hold_out(0.3, seed)


# The cache


def cache_folder() -> Path:
    """Return the folder of what is made once: COURSE_CACHE, or the user's own cache folder.

    Raises:
        FileNotFoundError: neither is named and this user has no home.
    """
    if named := os.environ.get("COURSE_CACHE"):
        return Path(named)
    try:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    except RuntimeError:  # what pathlib raises for a user who is in no list
        raise FileNotFoundError(
            "this user has no home folder; name a folder in COURSE_CACHE"
        ) from None
    return Path(base, "statue-within")


def cached(name: str, make: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
    """Return tensors from the cache, or make them and store them.

    A file that is cut short or altered is noticed and made anew. Where nothing can be stored the
    tensors are simply made each time.
    """
    with suppress(OSError, SafetensorError):
        found = stored(cache_folder() / f"{name}.safetensors")
        if found and found[0] == name:
            return load(found[1])
    made = make()
    with suppress(OSError):
        folder = cache_folder()
        folder.mkdir(parents=True, exist_ok=True)
        content = save({key: tensor.contiguous() for key, tensor in made.items()})
        store(folder / f"{name}.safetensors", name, content)
    return made
