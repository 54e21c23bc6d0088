"""What several tests of pruning need."""

import pytest
import torch


@pytest.fixture
def no_fast_attention():
    torch.backends.mha.set_fastpath_enabled(False)  # in evaluation it knows no gradients
    yield
    torch.backends.mha.set_fastpath_enabled(True)
