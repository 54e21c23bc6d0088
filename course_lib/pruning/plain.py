"""Networks whose weights are computed from others, and copies in which they are plain."""

import copy
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize, prune, remove_spectral_norm, remove_weight_norm
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

from course_lib.masks import weights
from course_lib.masks.weights import check_dense, check_module, check_plain, weight_names
from course_lib.sparse.convert import HELD, densify
from course_lib.training.replicas import Replicas


def join(path: str, own: str) -> str:
    """Return the full name of what a layer calls its own."""
    return f"{path}.{own}" if path else own


def check_ordinary(model: nn.Module) -> None:
    """Refuse a network with layers that are sparse, or have no shapes yet."""
    check_module(model)
    weights.check_shapes(dict(model.named_parameters()))
    for path, layer in model.named_modules():
        check_dense(layer, path)


def check_single(model: nn.Module) -> None:
    """Refuse many networks in one, which torch and others know nothing of."""
    if isinstance(model, Replicas):
        raise TypeError(
            f"given {model.count} Replicas in one, expected one network: give one replica, "
            "model.replica(0)."
        )


def prunings(layer: nn.Module) -> Iterator[prune.BasePruningMethod]:
    """Yield what torch.nn.utils.prune has put on a layer, one for each of its tensors."""
    for hook in list(layer._forward_pre_hooks.values()):
        if isinstance(hook, prune.BasePruningMethod):
            yield hook


def is_plain(model: nn.Module) -> bool:
    """Tell whether the weights of the layers that pruning knows, and all others, are parameters."""
    return not any(_sources(layer) for layer in model.modules())


def _sources(layer: nn.Module) -> Mapping[str, Tensor | None]:
    """Name the parameters of a layer from which others are computed; with the mask, if by one."""
    found: dict[str, Tensor | None] = {}
    for hook in layer._forward_pre_hooks.values():
        if isinstance(hook, prune.BasePruningMethod):
            own = hook._tensor_name
            found[f"{own}_orig"] = layer._buffers[f"{own}_mask"]
        elif isinstance(hook, WeightNorm):
            found |= {f"{hook.name}_g": None, f"{hook.name}_v": None}
        elif isinstance(hook, SpectralNorm):
            found[f"{hook.name}_orig"] = None
    if isinstance(layer, parametrize.ParametrizationList):
        found |= dict.fromkeys(layer._parameters)
    if type(layer) in HELD.values():
        found["weight"] = layer._buffers["kept"]
    return found


def check_ties(model: nn.Module) -> None:
    """Refuse a shared parameter from which two layers compute different weights."""
    users = defaultdict(list)  # of each parameter: its name, and what is computed from it
    for path, layer in model.named_modules():
        sources = _sources(layer)
        for own, w in layer._parameters.items():
            if w is not None:
                users[w].append((join(path, own), own in sources, sources.get(own)))
    for places in users.values():
        names, computed, masks = zip(*places, strict=True)
        first, *others = masks
        same = first is not None and all(m is not None and torch.equal(m, first) for m in others)
        if others and any(computed) and not same:
            raise TypeError(
                f"{list(names)} are one parameter, from which different weights are computed (by "
                "torch.nn.utils.prune or another parametrisation). Put the same mask on each, or "
                "give each layer a parameter of its own."
            )


def plain_copy(model: nn.Module) -> nn.Module:
    """Return a copy for evaluation in which all weights are parameters, as torch made them."""
    check_ties(model)
    # torch refuses to copy what it has computed; of that only the values are wanted here.
    memo = {
        id(value): value.detach().clone()
        for layer in model.modules()
        for value in [*vars(layer).values(), *getattr(layer, "_flat_weights", ())]
        if isinstance(value, Tensor) and not value.is_leaf
    }
    plain = copy.deepcopy(model, memo).eval()
    for layer in list(plain.modules()):
        _make_plain(layer)
    for path, layer in plain.named_modules():
        check_plain(layer, path, weight_names(layer))
    held = any(type(layer) in HELD.values() for layer in plain.modules())
    return densify(plain) if held else plain


@torch.no_grad()
def _make_plain(layer: nn.Module) -> None:
    """Carry out what computes the weights of one layer, in place."""
    for number, hook in list(layer._forward_pre_hooks.items()):
        if isinstance(hook, prune.BasePruningMethod):
            prune.remove(layer, hook._tensor_name)
        elif isinstance(hook, WeightNorm):
            remove_weight_norm(layer, hook.name)
        elif isinstance(hook, SpectralNorm):
            remove_spectral_norm(layer, hook.name)
        elif isinstance(hook, Renewed):
            del layer._forward_pre_hooks[number]
    if parametrize.is_parametrized(layer):
        # Not by remove_parametrizations: it changes the class, which a copy has from the original.
        lists = dict(cast(nn.ModuleDict, layer.parametrizations))
        values = {name: getattr(layer, name).detach().clone() for name in lists}
        del layer.parametrizations
        layer.__class__ = type(layer).__bases__[0]
        for name, value in values.items():
            if lists[name]._parameters:
                setattr(layer, name, nn.Parameter(value, value.is_floating_point()))
            else:
                layer.register_buffer(name, value)


def uncompiled(model: nn.Module) -> nn.Module:
    """Return the network that torch.compile has wrapped, and so within it."""
    model = getattr(model, "_orig_mod", model)
    for path, layer in list(model.named_modules()):
        if path and isinstance(getattr(layer, "_orig_mod", None), nn.Module):
            model.set_submodule(path, layer._orig_mod)
    return model


class Renewed:
    """Compute the pruned weight of attention's last layer, which is read but never called.

    torch.nn.utils.prune computes a weight when its layer is called; without this it would stay what
    it was, and a second backward pass would fail.
    """

    def __call__(self, attention: nn.MultiheadAttention, inputs: object) -> None:
        """Do what torch does before it calls a layer."""
        for hook in prunings(attention.out_proj):
            hook(attention.out_proj, inputs)
