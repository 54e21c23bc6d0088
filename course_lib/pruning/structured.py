"""Structured pruning: whole neurons and channels scored, selected and really removed.

What is left is a smaller network of plain torch layers, faster with no special kernel. A unit is a
row of a Linear layer or an output channel of a convolution. To prune one is to zero its incoming
and its outgoing weights (`unit_mask`); no output depends on it then, whatever its bias,
normalisation or activation, so taking it out (`remove`) changes nothing.
"""

import copy
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from course_lib.masks import Mask, top_k
from course_lib.masks.checks import checked_density, checked_device, checked_scores
from course_lib.masks.weights import HOOKS, check_dense, check_plain

Units = dict[str, Tensor]

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
WEIGHTED = (nn.Linear, *CONVOLUTIONS)
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
# Layers in which no unit looks at another: they work the same with fewer. Pools do where the units
# are the channels of a convolution.
POOLS = (
    nn.MaxPool1d, nn.MaxPool2d, nn.AvgPool1d, nn.AvgPool2d, nn.AdaptiveAvgPool1d,
    nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d,
)  # fmt: skip
UNIT_BY_UNIT = (
    nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.SELU, nn.GELU, nn.SiLU, nn.Tanh, nn.Sigmoid,
    nn.Softplus, nn.Hardtanh, nn.Hardswish, nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d,
    nn.Flatten, *POOLS,
)  # fmt: skip


def unit_scores(scores: Mapping[str, Tensor]) -> Units:
    """Add up the scores of each unit's incoming weights: (units, ...) becomes (units).

    Args:
        scores: from any criterion of `course_lib.pruning.criteria`, by the names of the weights.

    Returns:
        A score for each unit, by the names of the layers.

    Raises:
        TypeError: scores is no mapping.
        ValueError: a name is not that of a layer's `weight`, such as those of attention and of
            recurrent layers, whose rows are no units; or there are no inputs to add up.

    Examples:
        >>> unit_scores({"0.weight": torch.tensor([[1.0, 2.0], [3.0, 4.0]])})
        {'0': tensor([3., 7.])}

    Source: Li et al. (2017), for sizes.
    """
    if not isinstance(scores, Mapping):
        given = type(scores).__name__
        raise TypeError(
            f"scores: given a {given}, expected those of a criterion: magnitude(model)."
        )
    units = {}
    for name, s in scores.items():
        layer, _, own = name.rpartition(".")
        if own != "weight" or not layer or s.ndim < 2:
            raise ValueError(
                f"scores of {name!r}, {tuple(s.shape)}: expected the weight of a Linear or "
                "convolutional layer in an nn.Sequential, whose rows are its units. Leave it out: "
                "{n: s for n, s in scores.items() if ...}."
            )
        dtype = torch.float32 if s.dtype in (torch.float16, torch.bfloat16) else None
        units[layer] = s.flatten(1).sum(dim=1, dtype=dtype)
    return units


def select_units(scores: Mapping[str, Tensor], density: float) -> Units:
    """Keep the best units of every layer but the last, whose units are the answers.

    Args:
        scores: from `unit_scores`, layers in the order of the network.
        density: the share of units to keep in each layer, above 0 and at most 1; at least one
            unit is kept.

    Returns:
        A bool tensor for each layer but the last: True kept. Ties by lowest index.

    Raises:
        TypeError: the density is no number, or scores are neither floats nor integers.
        ValueError: the density is out of range, scores are NaN or infinite, or not one number for
            each unit, or there is no layer but the last.

    Examples:
        >>> select_units({"0": torch.tensor([1.0, 3.0, 2.0, 0.0]), "2": torch.ones(2)}, density=0.5)
        {'0': tensor([False,  True,  True, False])}
    """
    if checked_density(density) == 0:
        raise ValueError(f"density: given {density}, expected a share above 0 and at most 1.")
    hidden = dict(list(scores.items())[:-1])
    if not hidden:
        raise ValueError(
            f"scores: given those of {list(scores)}, expected two layers or more: the units of the "
            "last are the answers."
        )
    for name, s in hidden.items():
        if checked_scores(s, f"scores of {name!r}").ndim != 1:
            raise ValueError(
                f"scores of {name!r}: given the shape {tuple(s.shape)}, expected one number for "
                "each unit, as unit_scores makes them."
            )
    return {name: top_k(s, max(1, round(density * len(s)))) for name, s in hidden.items()}


def unit_mask(model: nn.Module, units: Mapping[str, Tensor]) -> Mask:
    """Make the mask that zeroes all incoming and outgoing weights of the units not kept.

    Args:
        model: as for `remove`.
        units: for some layers, by name, which units to keep: bool.

    Raises:
        TypeError, ValueError: as `remove`.

    Examples:
        >>> model = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 1))
        >>> mask = unit_mask(model, {"0": torch.tensor([True, False])})
        >>> {name: entry.tolist() for name, entry in mask.items()}
        {'0.weight': [[True, True], [False, False]], '2.weight': [[True, False]]}
    """
    return Mask(
        {
            f"{cut.name}.weight": torch.outer(cut.rows, cut.columns)
            .view(len(cut.rows), len(cut.columns), *(1,) * (cut.layer.weight.ndim - 2))
            .expand_as(cut.layer.weight)
            .clone()
            for cut in _cuts(model, units)
            if isinstance(cut.layer, WEIGHTED)
        }
    )


@torch.no_grad()
def remove(model: nn.Module, units: Mapping[str, Tensor]) -> nn.Sequential:
    """Take out the units that are not kept: a smaller network with the outputs of the masked one.

    Args:
        model: an nn.Sequential, nested or not, of Linear and convolutional layers, batch norms, and
            layers that treat each unit by itself (activations, pools, dropout, Flatten).
        units: for some layers, by name ("0", or "features.0"), which units to keep: bool, at least
            one. Layers not named keep all of theirs; the last layer may not be named.

    Returns:
        A new network of the same layers, plain torch. The one given is not changed.

    Raises:
        TypeError: a layer of another kind, or one that does not treat by itself each unit of the
            layers named, as a pool over the outputs of a Linear layer does; or weights shared,
            parametrised or hooked.
        ValueError: units of no layer, of the last one, of the wrong number, or none left.

    Examples:
        >>> model = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 1))
        >>> remove(model, {"0": torch.tensor([True, False])})
        Sequential(
          (0): Linear(in_features=2, out_features=1, bias=True)
          (1): ReLU()
          (2): Linear(in_features=1, out_features=1, bias=True)
        )
    """
    cuts = list(_cuts(model, units))  # which refuses before anything is copied
    smaller = copy.deepcopy(model)
    for cut in cuts:
        _shrink(smaller.get_submodule(cut.name), cut)
    assert isinstance(smaller, nn.Sequential)  # or _cuts has refused it
    return smaller


class _Cut(NamedTuple):
    """A layer with weights, and which of its units and of its inputs are kept."""

    name: str
    layer: nn.Module
    rows: Tensor
    columns: Tensor


def _cuts(model: nn.Module, units: Mapping[str, Tensor]) -> Iterator[_Cut]:
    """Walk through the layers, and yield those with weights, and what is kept of them."""
    layers = dict(_layers(model))
    _check_units(layers, units)
    flow: _Flow | None = None  # None: the inputs, of a number not known yet
    for name, layer in layers.items():
        if flow is not None:
            _check_flow(name, layer, flow)
        if isinstance(layer, WEIGHTED):
            outputs, inputs = layer.weight.shape[:2]
            rows = units.get(name, torch.ones(outputs, dtype=torch.bool)).cpu()
            yield _Cut(name, layer, rows, _over(inputs, flow))
            flow = _Flow(rows, layer.weight.ndim - 2)
        elif isinstance(layer, NORMS) and flow is not None:
            rows = _over(layer.num_features, flow)
            yield _Cut(name, layer, rows, rows)
        elif isinstance(layer, nn.Flatten) and flow is not None and flow.axes:
            flow = _Flow(flow.kept, 0, flat=True)


class _Flow(NamedTuple):
    """What flows between two layers, of which some units may be gone.

    kept: which units are kept.
    axes: how many axes lie behind that of the units; 0 if theirs is the last.
    flat: whether Flatten has made of each unit a block of numbers.
    """

    kept: Tensor
    axes: int
    flat: bool = False


def _over(inputs: int, flow: _Flow | None) -> Tensor:
    """Return which of the inputs of a layer are kept."""
    if flow is None or flow.kept.all():
        return torch.ones(inputs, dtype=torch.bool)
    return flow.kept.repeat_interleave(inputs // len(flow.kept))


def _check_flow(name: str, layer: nn.Module, flow: _Flow) -> None:
    """Refuse a layer that would look for the units on another axis than theirs."""
    kind = type(layer).__name__
    if isinstance(layer, nn.Linear):
        axes = {0}
    elif isinstance(layer, (*CONVOLUTIONS, *NORMS, *POOLS)):
        axes = {int(kind[-2])} | ({0} if isinstance(layer, nn.BatchNorm1d) else set())
    else:
        return
    gone = not flow.kept.all()  # what comes in whole may go any way
    if gone and flow.axes not in axes:
        where = f"on the axis before the last {flow.axes}" if flow.axes else "on the last axis"
        raise TypeError(
            f"layer {name!r} is a {kind}, and the units that come in lie {where}: it would mix "
            "them, or take another axis for theirs, so that none can be taken out. Between a "
            "convolution and a Linear layer stands Flatten(); pools stand right behind "
            "convolutions of as many dimensions. Keep all units of the layer before, or prune "
            "single weights."
        )
    if isinstance(layer, POOLS) or flow.axes not in axes:
        return
    inputs = layer.num_features if isinstance(layer, NORMS) else layer.weight.shape[1]
    count = len(flow.kept)
    uneven = inputs % count != 0
    if (uneven and isinstance(layer, WEIGHTED)) or (
        gone and (uneven or (inputs != count and not flow.flat))
    ):
        raise ValueError(
            f"layer {name!r} expects {inputs} inputs, but {count} channels come in. "
            "The network does not fit together, or has another axis than that of the units here: "
            "keep all units of the layer before, or prune single weights."
        )


def _layers(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Yield the innermost layers in their order, or refuse the network."""
    if not isinstance(model, nn.Sequential) or type(model).forward is not nn.Sequential.forward:
        raise TypeError(
            f"given a {type(model).__name__}, expected an nn.Sequential: only there it is known "
            "which layer reads which. Build the network as one, or prune single weights."
        )
    tensors = [
        *model.named_parameters(remove_duplicate=False),
        *model.named_buffers(remove_duplicate=False),
    ]
    if len({tensor for _, tensor in tensors}) < len(tensors):
        raise TypeError(
            "two layers share their weights, and would have to lose the same units. Untie them "
            "(give each a copy), or prune single weights."
        )
    for name, layer in model.named_modules():
        check_dense(layer, name)
        check_plain(layer, name, ("weight", "bias"))
        if any(getattr(layer, hooks) for hooks in HOOKS):
            raise TypeError(
                f"layer {name!r} has hooks, which may look at units by their numbers. Take them "
                "off first, and put them on what is returned."
            )
        if type(layer).forward is nn.Sequential.forward:
            continue
        kinds = (*WEIGHTED, *NORMS, *UNIT_BY_UNIT)
        if type(layer) not in kinds or getattr(layer, "groups", 1) != 1:
            raise TypeError(
                f"layer {name!r} is a {layer}: units can be removed only through Linear and "
                "ungrouped convolutional layers, batch norms, activations, pools and Flatten."
            )
        if isinstance(layer, nn.Flatten) and (layer.start_dim, layer.end_dim) != (1, -1):
            raise TypeError(f"layer {name!r} is {layer}: expected Flatten() from the channels on.")
        yield name, layer


def _check_units(layers: Mapping[str, nn.Module], units: Mapping[str, Tensor]) -> None:
    """Refuse units that are not a choice among the units of a hidden layer."""
    if not isinstance(units, Mapping):
        raise TypeError(
            f"units: given a {type(units).__name__}, expected a mapping from names of layers to "
            "bool tensors, as select_units makes it."
        )
    sizes = {n: layer.weight.shape[0] for n, layer in layers.items() if isinstance(layer, WEIGHTED)}
    hidden = list(sizes)[:-1]
    for name, kept in units.items():
        if not isinstance(kept, Tensor):
            given = type(kept).__name__
            raise TypeError(f"units of {name!r}: given {given}, expected a bool tensor.")
        checked_device(kept, f"units of {name!r}")
        if name not in hidden:
            raise ValueError(
                f"units of {name!r}: expected one of the layers {hidden}"
                + (" (the last layer's units are the answers)." if name in sizes else ".")
            )
        if kept.dtype != torch.bool or kept.shape != (sizes[name],):
            raise ValueError(
                f"units of {name!r}: given {kept.dtype} of shape {tuple(kept.shape)}, expected "
                f"bool, one for each of its {sizes[name]} units."
            )
        if not kept.any():
            raise ValueError(f"units of {name!r}: none is kept. Keep one at least.")


def _shrink(layer: nn.Module, cut: _Cut) -> None:
    """Keep rows and columns of a layer, in place."""
    rows, columns = cut.rows, cut.columns
    for name, tensor in [*layer.named_parameters(), *layer.named_buffers()]:
        if tensor.ndim == 0:  # how many batches a norm has seen
            continue
        kept = tensor.index_select(0, rows.nonzero().flatten().to(tensor.device))
        if name == "weight" and tensor.ndim > 1:
            kept = kept.index_select(1, columns.nonzero().flatten().to(tensor.device))
        if isinstance(tensor, nn.Parameter):
            kept = nn.Parameter(kept, requires_grad=tensor.requires_grad)
        setattr(layer, name, kept)
    sizes = {"out_features": rows, "out_channels": rows, "num_features": rows}
    sizes |= {"in_features": columns, "in_channels": columns}
    for attribute, kept in sizes.items():
        if hasattr(layer, attribute):
            setattr(layer, attribute, int(kept.sum()))
