"""What a network holds and where random numbers stand, to see whether all was left as it was."""

import random
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn


class Snapshot:
    """All of a network that a function might change without being asked to.

    Args:
        model: the network; what it holds is copied.
    """

    def __init__(self, model: nn.Module) -> None:
        self._before = _state(model)

    def differences(self, model: nn.Module) -> list[str]:
        """Say in a phrase each what is not as it was."""
        before, after = self._before, _state(model)
        phrases = [f"{what} has gone" for what in before if what not in after]
        phrases += [f"{what} is new" for what in after if what not in before]
        for what in before:
            if what in after and not equal(before[what], after[what]):
                phrases.append(f"{what} has changed")
        return phrases


def _state(model: nn.Module) -> dict[str, Any]:
    """Return what a network holds, by phrases that name it."""
    found: dict[str, Any] = {}
    for path, module in model.named_modules(remove_duplicate=False):
        layer = f"layer {path!r}" if path else "the network"
        found[f"the kind of {layer}"] = type(module)
        found[f"the mode of {layer}"] = module.training
        hooks = (module._forward_hooks, module._forward_pre_hooks, module._backward_hooks)
        found[f"the hooks of {layer}"] = [list(own) for own in hooks]
        for name, buffer in module._buffers.items():
            found[f"the buffer {path}.{name}"] = None if buffer is None else buffer.clone()
    for name, p in model.named_parameters(remove_duplicate=False):
        found[f"the parameter {name!r}"] = p.detach().clone()
        found[f"what {name!r} is"] = (id(p), p.requires_grad)
        found[f"the gradient of {name!r}"] = None if p.grad is None else p.grad.clone()
    return found


def equal(one: Any, other: Any) -> bool:
    """Compare tensors, and what holds them, to the last bit; NaN equals NaN."""
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        alike = (one.shape, one.dtype, one.device) == (other.shape, other.dtype, other.device)
        if not alike or one.device.type == "meta":
            return alike
        return bool(torch.equal(one, other)) or bool(
            torch.equal(one.isnan(), other.isnan())
            and torch.equal(one.nan_to_num(), other.nan_to_num())
        )
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(equal(one[k], other[k]) for k in one)
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(map(equal, one, other))
    return bool(one == other)


def chance() -> dict[str, object]:
    """Return where the random numbers of all stand."""
    kind, keys, *rest = np.random.get_state()
    return {
        "torch's random number generator": torch.get_rng_state().numpy().tobytes(),
        "numpy's random number generator": (kind, np.asarray(keys).tobytes(), *rest),
        "Python's random number generator": random.getstate(),
    }
