"""Whole networks made sparse and dense again, and why some cannot be."""

import copy
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib.masks import Mask
from course_lib.masks.checks import checked_count
from course_lib.masks.mask import check_fits
from course_lib.masks.weights import HOOKS, bias_names, check_module, check_plain, weight_names
from course_lib.sparse.convolution import SparseConv1d, SparseConv2d
from course_lib.sparse.linear import SparseLayer, SparseLinear, unfit
from course_lib.sparse.roofline import break_even


class HeldLinear(nn.Linear):
    """A dense layer whose pruned weights count as zero, whatever the optimiser does to them."""

    kept: Tensor

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., in_features) to (..., out_features)."""
        return F.linear(x, self.weight * self.kept, self.bias)


class HeldConv2d(nn.Conv2d):
    """A dense convolution whose pruned weights count as zero."""

    kept: Tensor

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, in_channels, height, width) to (batch, out_channels, height, width)."""
        out: Tensor = self._conv_forward(x, self.weight * self.kept, self.bias)
        return out


class HeldConv1d(nn.Conv1d):
    """A dense convolution over lines whose pruned weights count as zero."""

    kept: Tensor

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, in_channels, length) to (batch, out_channels, length)."""
        out: Tensor = self._conv_forward(x, self.weight * self.kept, self.bias)
        return out


Layer = SparseLinear | SparseConv2d
THIN: dict[type, type[SparseLayer]] = {
    kind.DENSE: kind for kind in (SparseLinear, SparseConv1d, SparseConv2d)
}
HELD: dict[type, type] = {nn.Linear: HeldLinear, nn.Conv1d: HeldConv1d, nn.Conv2d: HeldConv2d}


class FusingSequential(nn.Sequential):
    """An nn.Sequential in which a sparse layer does the ReLU that follows it, in one kernel.

    It does so where nobody can tell: each has no hooks, and the pair is called by this forward.
    Whoever calls or watches one of the two alone finds what it always did.
    """

    def forward(self, x: Any) -> Any:
        """Call one layer after the other."""
        layers = iter(self)
        ahead = next(layers, None)
        while (layer := ahead) is not None:
            ahead = next(layers, None)
            if ahead is not None and _fuses(layer, ahead):
                x = layer(x, relu=True)
                ahead = next(layers, None)
            else:
                x = layer(x)
        return x


def _pairs(layer: nn.Module, after: nn.Module) -> bool:
    """Tell whether these are a sparse layer and its ReLU."""
    return isinstance(layer, Layer) and type(after) is nn.ReLU


def _fuses(layer: nn.Module, after: nn.Module) -> bool:
    return _pairs(layer, after) and not (_is_watched(layer) or _is_watched(after))


_GLOBAL_HOOKS = [getattr(nn.modules.module, f"_global{hooks}") for hooks in HOOKS]


def _is_watched(layer: nn.Module) -> bool:
    """Tell whether somebody would see what this layer is given or returns."""
    own = vars(layer)
    return "forward" in own or any(own[hooks] for hooks in HOOKS) or any(_GLOBAL_HOOKS)


@torch.inference_mode(False)  # what is made there could never be trained
def sparsify(
    model: nn.Module, mask: Mask, *, batch: int | None = None, leave: Iterable[str] = ()
) -> nn.Module:
    """Return a copy of a pruned model in which every layer that the mask names is sparse.

    Outputs are those of the model with the mask applied, but for rounding. Weights that layers
    share stay shared, frozen ones frozen, hooks where they are. In an nn.Sequential, a ReLU right
    after such a layer is done by the layer.

    A torch.nn.TransformerEncoder gives up torch's fast path, which reads the weights of its layers
    without calling them: so in `eval` mode places that a padding mask hides hold numbers, not 0.

    Args:
        model: any network; it is not changed.
        mask: which weights are kept, by the names of the parameters ("0.weight").
        batch: convert only the layers that are predicted to be faster for such a batch, from times
            measured on this machine; the others stay dense, with their pruned weights held at zero.
        leave: names in the mask of weights that stay dense: their pruned weights are set to zero,
            and an optimiser is free to change them (`hold` keeps them). Other layers than linear
            and convolutional ones must be named; `leave=refusals(model, mask)` names those.

    Raises:
        TypeError: the network computes its weights, or cannot be copied; or an argument is not
            what it should be.
        ValueError: a weight of the mask cannot be run sparse, or the mask does not fit.

    Examples:
        >>> from course_lib.masks import select
        >>> model = nn.Sequential(nn.Linear(8, 4), nn.ReLU(), nn.Linear(4, 2))
        >>> mask = select({"0.weight": model[0].weight.abs()}, density=0.25)
        >>> sparsify(model, mask)
        FusingSequential(
          (0): SparseLinear(4x8, density=0.25)
          (1): ReLU()
          (2): Linear(in_features=4, out_features=2, bias=True)
        )
    """
    check_module(model)
    mask, leave = Mask(mask), {leave} if isinstance(leave, str) else set(leave)
    if batch is not None:
        checked_count(batch, 1, sys.maxsize, "batch")
    if leave >= mask.keys():
        raise ValueError(
            f"the mask names {len(mask)} weights, of which {len(leave)} are left dense: nothing "
            "would be sparse. mask.apply_(model) sets pruned weights to zero."
        )
    if unknown := leave - mask.keys():
        raise ValueError(
            f"leave names {sorted(unknown)}, expected names in the mask: {list(mask)}."
        )
    against = {name: why for name, why in refusals(model, mask).items() if name not in leave}
    if against:
        raise ValueError(_refusal(against, len(mask)))
    model = _copied(model)
    mask.apply_(model)
    for layers, kept in _weights(model, mask, leave):
        if batch is not None and not _pays(kept, batch):
            for layer in layers:
                layer.register_buffer("kept", kept)
                layer.__class__ = HELD[type(layer)]
            continue
        values: nn.Parameter | None = None
        for layer in layers:
            layer.__class__ = THIN[type(layer)]
            values = layer.thin_(kept, values)
    modules: Iterable[Any] = model.modules()
    for module in modules:
        if type(module) is nn.Sequential and any(map(_pairs, module, list(module)[1:])):
            module.__class__ = FusingSequential
        _call_layers(module)
    return model


def densify(model: nn.Module) -> nn.Module:
    """Return a copy of a model that `sparsify` made, all layers dense, the pruned weights zero.

    What was shared is shared again, what is frozen stays frozen, hooks stay where they are.

    Examples:
        >>> from course_lib.masks import select
        >>> model = nn.Linear(8, 4)
        >>> sparse = sparsify(model, select({"weight": model.weight.abs()}, density=0.25))
        >>> int(torch.count_nonzero(densify(sparse).weight))
        8
    """
    model = _copied(model)
    weights: dict[nn.Parameter, nn.Parameter] = {}  # dense ones, by the kept values
    modules: Iterable[Any] = model.modules()
    for module in modules:
        if isinstance(module, SparseLayer):
            values = module.values
            weights[values] = module.thicken_(weights.get(values))
        elif type(module) in HELD.values():
            with torch.no_grad():
                module.weight.masked_fill_(~module.kept, 0)
            del module.kept
            module.__class__ = next(kind for kind in HELD if isinstance(module, kind))
        elif type(module) is FusingSequential:
            module.__class__ = nn.Sequential  # type: ignore[assignment]
        elif "_fast_path" in vars(module):
            setattr(module, str(_fast_path(module)), module._fast_path)
            del module._fast_path
    return model


def refusals(model: nn.Module, mask: Mask) -> dict[str, str]:
    """Return why `sparsify` refuses weights that the mask names: a reason for each such name.

    Raises:
        TypeError: the network computes its weights (`sparsify` refuses it whole).
        ValueError: the mask does not fit the network.

    Examples:
        >>> model = nn.Sequential(nn.Linear(4, 4), nn.Bilinear(4, 4, 2))
        >>> refusals(model, Mask.ones_like(model))
        {'1.weight': 'Bilinear: there is no sparse kernel for such a layer'}
    """
    check_module(model)
    mask = Mask(mask)
    for path, layer in model.named_modules():
        if isinstance(layer, torch.jit.ScriptModule):
            raise TypeError(
                f"{path or 'the network'!r} is TorchScript, which cannot be changed. Give the "
                "network that it was made from."
            )
        check_plain(layer, path, weight_names(layer))
    named = dict(model.named_parameters(remove_duplicate=False))
    check_fits(mask, model)
    owners = _owners(model)
    attended = [m.out_proj for m in model.modules() if isinstance(m, nn.MultiheadAttention)]
    found = {}
    for name in mask:
        for path, layer, leaf in owners[named[name]]:
            if any(layer is other for other in attended):
                why = "the attention around it reads the weight without calling this layer"
            else:
                why = _against(layer, leaf) or ""
            if why and path == name:
                found[name] = f"{type(layer).__name__}: {why}"
            elif why:
                found[name] = f"it is also {path!r} of {type(layer).__name__}: {why}"
            if why:
                break
    return found


_NO_KERNEL = "there is no sparse kernel for such a layer"
_WHY: dict[tuple[type[nn.Module], ...], str] = {
    tuple(HELD.values()): "sparsify has made it; call densify first",
    (nn.MultiheadAttention,): "attention multiplies by it itself, without a layer to call",
    (nn.RNNBase, nn.RNNCellBase): "torch does a whole step in one function, with dense weights",
    (nn.Embedding, nn.EmbeddingBag): "rows of a table are looked up, not multiplied",
    (nn.modules.conv._ConvTransposeNd, nn.Conv3d, nn.Bilinear): _NO_KERNEL,
    (nn.Linear, nn.Conv1d, nn.Conv2d): "this class may compute something of its own with it",
}


def _against(layer: nn.Module, leaf: str) -> str | None:
    """Return why this parameter of a layer cannot be run sparse; None if it can."""
    if type(layer) not in THIN or leaf != "weight":
        known = (why for kinds, why in _WHY.items() if isinstance(layer, kinds))
        why = "expected the weight of nn.Linear, nn.Conv1d or nn.Conv2d"
        return why if leaf == "bias" else next(known, why)
    return unfit(layer)


def _refusal(against: Mapping[str, str], named: int, most: int = 6) -> str:
    """Say what sparsify cannot run, and how to go on without it."""
    lines = [f"  {name!r}, of {why}" for name, why in list(against.items())[:most]]
    more = [f"  and {len(against) - most} more"] if len(against) > most else []
    if len(against) < named:
        remedy = (
            "To leave these dense, pruned weights set to zero, and make the others sparse: "
            "sparsify(model, mask, leave=refusals(model, mask)), both of course_lib.sparse."
        )
    else:
        remedy = "In the dense network mask.apply_(model) sets pruned weights to zero."
    head = f"sparsify cannot run {len(against)} of the {named} weights that the mask names:"
    return "\n".join([head, *lines, *more, remedy])


def _owners(model: nn.Module) -> dict[Tensor, list[tuple[str, nn.Module, str]]]:
    """Return who has each parameter: (full name, layer, its name there), once for each layer."""
    owners: dict[Tensor, list[tuple[str, nn.Module, str]]] = {}
    for path, layer in model.named_modules():
        for leaf, parameter in layer._parameters.items():
            if parameter is not None:
                name = f"{path}.{leaf}" if path else leaf
                owners.setdefault(parameter, []).append((name, layer, leaf))
    return owners


def _weights(model: nn.Module, mask: Mask, leave: set[str]) -> Iterator[tuple[list[Any], Tensor]]:
    """Yield the layers that have each weight of the mask, and what is kept of it."""
    named = dict(model.named_parameters(remove_duplicate=False))
    left = [named[name] for name in leave]
    kept: dict[Tensor, Tensor] = {}
    for name, entry in mask.items():
        weight = named[name]
        if not any(weight is other for other in left):  # a weight of two names: what both keep
            kept[weight] = entry.cpu() & kept.get(weight, torch.tensor(True))
    owners = _owners(model)
    for shared, entry in kept.items():
        yield [layer for _, layer, _ in owners[shared]], entry


def _copied(model: nn.Module) -> nn.Module:
    try:
        return copy.deepcopy(model)
    except RuntimeError as error:
        for path, layer in model.named_modules():  # a bias that is computed has a remedy
            check_plain(layer, path, bias_names(layer))
        raise TypeError(
            f"{type(model).__name__} cannot be copied: it holds a tensor that was computed with "
            f"gradients (torch says: {str(error).split('.')[0]}). Remove it, or store it detached."
        ) from error


# Encoders of torch read the weights of their layers where they can, in place of calling them. They
# do not where these are false.
_FAST_PATHS: dict[type[nn.Module], str] = {
    nn.TransformerEncoder: "use_nested_tensor",
    nn.TransformerEncoderLayer: "activation_relu_or_gelu",
}


def _call_layers(module: Any) -> None:
    """See that an encoder calls its sparse and held layers."""
    kinds = (SparseLayer, *HELD.values())
    if (flag := _fast_path(module)) and any(isinstance(part, kinds) for part in module.modules()):
        module._fast_path = getattr(module, flag)
        setattr(module, flag, 0)


def _fast_path(module: nn.Module) -> str | None:
    """Return what turns the fast path of an encoder off, by name; None for other modules."""
    return next((flag for kind, flag in _FAST_PATHS.items() if isinstance(module, kind)), None)


def _pays(kept: Tensor, batch: int) -> bool:
    """Predict whether the layer is faster sparse; a convolution counts as the matrix it is."""
    rows, columns = kept.shape[0], kept[0].numel()
    return float(kept.float().mean()) < break_even(rows, columns, batch)
