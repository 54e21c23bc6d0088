"""Which weights of a network pruning may touch, by name, and which networks it cannot read."""

import sys
import warnings
from collections.abc import Iterable, Mapping
from weakref import WeakSet

from torch import Tensor, nn

from course_lib.masks.checks import few

# The layers whose weights pruning may touch, and what each calls its weights and its biases.
# Subclasses are of the kind. Recurrent layers name their own.
NAMES: dict[tuple[type[nn.Module], ...], tuple[tuple[str, ...], tuple[str, ...]]] = {
    (nn.Linear, nn.modules.conv._ConvNd, nn.Bilinear): (("weight",), ("bias",)),
    (nn.RNNCellBase,): (("weight_ih", "weight_hh"), ("bias_ih", "bias_hh")),
    (nn.MultiheadAttention,): (
        ("in_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight"),
        ("in_proj_bias", "bias_k", "bias_v"),
    ),
}
NORMS = (nn.modules.batchnorm._NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)
EMBEDDINGS = (nn.Embedding, nn.EmbeddingBag)
# Where a layer keeps what others have it call, to see or to change what it takes and gives.
HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


class LeftOutWarning(UserWarning):
    """A network has matrices that pruning does not touch.

    Examples:
        >>> import warnings
        >>> from torch import nn
        >>> with warnings.catch_warnings(record=True) as told:
        ...     warnings.simplefilter("always")
        ...     _ = prunable(nn.Sequential(nn.Embedding(5, 2), nn.Linear(2, 3)))
        >>> told[0].category.__name__
        'LeftOutWarning'
    """


def prunable(
    module: nn.Module, *, biases: bool = False, norms: bool = False, embeddings: bool = False
) -> dict[str, Tensor]:
    """Name the weights that pruning may touch.

    They are those of Linear and Bilinear layers, of convolutions of one to three dimensions, of
    MultiheadAttention, and of LSTM, GRU, RNN and their cells. Matrices of other layers are left
    out, which a `LeftOutWarning` says once for each network, and `Mask.table(model)` counts.

    Args:
        module: any network. A weight shared by two layers is named once, by the first of its names.
        biases: also the biases of the layers named.
        norms: also the scales of batch, layer, group and RMS normalisation.
        embeddings: also the weights of embeddings. A weight that an embedding shares with another
            layer counts as an embedding.

    Returns:
        The parameters, by the names that `module.named_parameters()` gives them.

    Raises:
        TypeError: a layer computes its weight from others, as torch.nn.utils.prune, weight_norm
            and parametrisations do, or is sparse, held by `sparsify`, or quantised.
        ValueError: nothing in the network can be pruned, or a weight has no shape yet.

    Examples:
        >>> from torch import nn
        >>> model = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
        >>> list(prunable(model))
        ['0.weight', '2.weight']
        >>> list(prunable(model, biases=True))
        ['0.weight', '0.bias', '2.weight', '2.bias']
    """
    check_module(module)
    # Three kinds of parameters; biases and norms stand aside: nobody takes them for matrices.
    wanted: set[Tensor] = set()
    embedded: set[Tensor] = set()
    aside: set[Tensor] = set()
    for path, layer in module.named_modules():
        check_dense(layer, path)
        _check_readable(layer, path)
        own = dict(layer.named_parameters(recurse=False, remove_duplicate=False))
        names, bias = weight_names(layer), bias_names(layer)
        if isinstance(layer, NORMS):
            aside.update(own.values())
            names, bias = (("weight",), ("bias",)) if norms else ((), ())
        elif isinstance(layer, EMBEDDINGS):
            embedded.update(own.values())
            check_plain(layer, path, ("weight",) if embeddings else ())
        aside.update(own[name] for name in bias if name in own)
        asked = (*names, *bias) if biases else names
        check_plain(layer, path, asked)
        wanted.update(own[name] for name in asked if name in own)
    wanted = wanted | embedded if embeddings else wanted - embedded
    parameters = dict(module.named_parameters())
    found: dict[str, Tensor] = {name: p for name, p in parameters.items() if p in wanted}
    check_shapes(parameters)
    seen = wanted | aside
    left_out = {n: p for n, p in parameters.items() if p not in seen and p.ndim > 1}
    if not found:
        raise ValueError(_nothing(module, left_out))
    if left_out and module not in _warned:
        _warned.add(module)
        warnings.warn(_left_out(module, found, left_out), LeftOutWarning, stacklevel=_callers())
    return found


_warned: WeakSet[nn.Module] = WeakSet()


def weight_names(layer: nn.Module) -> tuple[str, ...]:
    """Return what a layer calls the weights that pruning may touch; nothing for other layers."""
    if isinstance(layer, nn.RNNBase):
        return tuple(name for name in layer._flat_weights_names if name.startswith("weight"))
    return next((names for kinds, (names, _) in NAMES.items() if isinstance(layer, kinds)), ())


def bias_names(layer: nn.Module) -> tuple[str, ...]:
    """Return what a layer whose weights pruning may touch calls its biases."""
    if isinstance(layer, nn.RNNBase):
        return tuple(name for name in layer._flat_weights_names if name.startswith("bias"))
    return next((names for kinds, (_, names) in NAMES.items() if isinstance(layer, kinds)), ())


def check_module(module: nn.Module) -> None:
    """Raise TypeError for what is no network."""
    if not isinstance(module, nn.Module):
        given = module.__name__ if isinstance(module, type) else f"a {type(module).__name__}"
        raise TypeError(f"given {given}, expected a network: an nn.Module that has been made.")


def check_plain(layer: nn.Module, path: str, names: Iterable[str]) -> None:
    """Raise TypeError if one of a layer's weights is computed from others, not a parameter."""
    for name in names:
        # Asked without reading it: what computes a weight may change at every reading.
        value = vars(layer).get(name, layer._buffers.get(name, getattr(type(layer), name, None)))
        if name not in layer._parameters and isinstance(value, Tensor | property):
            raise TypeError(
                f"layer {path!r} computes its {name} (torch.nn.utils.prune, weight_norm or another "
                "parametrisation). Make it plain first: with interop.from_torch_prune(model) after "
                "torch.nn.utils.prune, else by loading interop.plain_state_dict(model) into a "
                "network built anew."
            )


def check_shapes(parameters: Mapping[str, Tensor]) -> None:
    """Raise ValueError for a parameter of a lazy layer that no input has been seen by."""
    for name, p in parameters.items():
        if nn.parameter.is_lazy(p):
            raise ValueError(
                f"{name!r} has no shape yet, as it belongs to a lazy layer. Call the network once, "
                "on a batch of inputs."
            )


def check_dense(layer: nn.Module, path: str) -> None:
    """Raise TypeError for a layer that keeps its weights as sparsify makes them."""
    if {"columns", "pointers"} <= {name for name, _ in layer.named_buffers(recurse=False)}:
        raise TypeError(
            f"layer {path!r} is sparse ({type(layer).__name__}): pruned weights are gone from it. "
            "Make the network dense first: densify(model), of course_lib.sparse."
        )


def _check_readable(layer: nn.Module, path: str) -> None:
    """Raise TypeError for a layer whose parameters are not the weights that it computes with."""
    kind = type(layer)
    if kind.__module__ == "course_lib.sparse.convert" and "kept" in layer._buffers:
        raise TypeError(
            f"layer {path!r} is held ({kind.__name__}, of sparsify with a batch): what lies under "
            "its mask counts as zero, whatever its weight says. Make the network dense first: "
            "densify(model), of course_lib.sparse."
        )
    if ".nn.quantized" in kind.__module__ and any(
        name.startswith(("_packed", "_all_weight")) for name in (*vars(layer), *layer._modules)
    ):
        raise TypeError(
            f"layer {path!r} is quantised ({kind.__name__}): its weights are integers, packed away "
            "where pruning cannot reach them. Prune the network first, and quantise it then."
        )


def _nothing(module: nn.Module, left_out: Mapping[str, Tensor]) -> str:
    has = f"; it has {_listed(left_out)}" if left_out else ""
    return (
        f"{type(module).__name__} has nothing to prune: expected weights of a Linear, Bilinear, "
        f"convolutional, attention or recurrent layer{has}. Embeddings are pruned when asked for."
    )


def _left_out(
    module: nn.Module, found: Mapping[str, Tensor], left_out: Mapping[str, Tensor]
) -> str:
    out, named = (sum(p.numel() for p in part.values()) for part in (left_out, found))
    return (
        f"pruning leaves out {out:,} of the {out + named:,} weights of {type(module).__name__}: "
        f"{_listed(left_out)}. Densities count the others. Embeddings are named by "
        "prunable(model, embeddings=True); Mask.table(model) counts them all."
    )


def _listed(weights: Mapping[str, Tensor]) -> str:
    return few([f"{name} {tuple(w.shape)}" for name, w in weights.items()])


def _callers() -> int:
    """Return the `stacklevel` of a warning in `prunable` at which the library was called."""
    level, frame = 2, sys._getframe(2)
    while frame.f_back and frame.f_globals.get("__name__", "").startswith("course_lib."):
        level, frame = level + 1, frame.f_back
    return level
