"""Layers whose weights, gradients and optimiser state are the kept weights and nothing else.

`sparsify` turns a pruned network into one made of these, with the same outputs; `densify` turns it
back. They are ordinary modules: any optimiser trains them, `state_dict`, `torch.save` and
`deepcopy` keep them, and they can be differentiated as often as one likes.

A sparse linear layer returns (batch, out_features) as nn.Linear does, but each feature's examples
lie side by side in memory, as the kernels want them. The next sparse layer finds them so and copies
nothing. Use `reshape`, not `view`, on the result.

Used in chapters 05 and 08.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib.masks import Mask
from course_lib.masks.checks import checked_count
from course_lib.masks.mask import bias_names, check_fits, check_module, check_plain, weight_names
from course_lib.sparse.compilers import NO_EXPORT, NO_TRANSFORM, uncompiled
from course_lib.sparse.formats import CSR
from course_lib.sparse.kernels import (
    FLOATS,
    as_feature_major,
    feature_major,
    multiply,
    multiply_into,
    sddmm,
    sddmm_into,
)
from course_lib.sparse.plan import Array, Plan
from course_lib.sparse.roofline import break_even

# ---- three products, each of them the gradient of the others -------------------------------------
#
# A sparse layer is the sum of w * x * g over its kept weights w, the activations x that each reads
# and the gradients g of what each adds to. It is linear in all three, so there are three products,
# (w, x) -> y, (w, g) -> the gradient of x and (x, g) -> the gradient of w, and whichever of them is
# differentiated, the other two are the answer. A *form* does them in memory: `_Matrix`, `_Planes`.


class _Forward(torch.autograd.Function):
    """(w, x) -> y = W x (+ bias, ReLU)."""

    @staticmethod
    def forward(
        ctx: Any, values: Tensor, x: Tensor, bias: Tensor | None, form: Any, relu: bool
    ) -> Tensor:
        y = form.product(values, x, bias, relu)
        ctx.form = form
        ctx.save_for_backward(values, x, y if relu else None)
        return form.shown(y)

    @staticmethod
    @uncompiled
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor | None, ...]:
        (values, x, y), form = ctx.saved_tensors, ctx.form
        need_values, need_x, need_bias, *_ = ctx.needs_input_grad
        g = form.laid(_alone(slope), y)
        return (
            _dots(x, g, form) if need_values else None,
            _back(values, g, form) if need_x else None,
            form.bare(g).sum(1) if need_bias else None,
            None,
            None,
        )

    @staticmethod
    def jvp(ctx: Any, *slopes: Tensor | None) -> Tensor:
        raise TypeError(NO_TRANSFORM)


class _Back(torch.autograd.Function):
    """(w, g) -> the gradient of x, which is W transposed times g."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, g: Tensor, form: Any) -> Tensor:
        ctx.form = form
        ctx.save_for_backward(values, g)
        return form.back(values, g)

    @staticmethod
    @uncompiled
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor | None, ...]:
        (values, g), form = ctx.saved_tensors, ctx.form
        need_values, need_g, _ = ctx.needs_input_grad
        return (
            _dots(_alone(slope), g, form) if need_values else None,
            _again(values, _alone(slope), form) if need_g else None,
            None,
        )


class _Dots(torch.autograd.Function):
    """(x, g) -> the gradient of w: g times x transposed, where a weight is kept."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, g: Tensor, form: Any) -> Tensor:
        ctx.form = form
        ctx.save_for_backward(x, g)
        return form.dots(x, g)

    @staticmethod
    @uncompiled
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor | None, ...]:
        (x, g), form = ctx.saved_tensors, ctx.form
        need_x, need_g, _ = ctx.needs_input_grad
        return (
            _back(_alone(slope), g, form) if need_x else None,
            _again(_alone(slope), x, form) if need_g else None,
            None,
        )


def _back(values: Tensor, g: Tensor, form: Any) -> Tensor:
    """Return the gradient of x; where gradients are wanted again, one that knows its own."""
    return _Back.apply(values, g, form) if torch.is_grad_enabled() else form.back(values, g)


def _dots(x: Tensor, g: Tensor, form: Any) -> Tensor:
    """Return the gradient of w, in the same way."""
    return _Dots.apply(x, g, form) if torch.is_grad_enabled() else form.dots(x, g)


def _alone(slope: Tensor) -> Tensor:
    """Return the gradient, which must not be a whole batch of gradients in the guise of one."""
    if torch._C._functorch.is_legacy_batchedtensor(slope):
        raise TypeError(NO_TRANSFORM)
    return slope


def _again(values: Tensor, x: Tensor, form: Any) -> Tensor:
    """Return W x where the gradients of the layer lie, with no bias and no ReLU."""
    return form.laid(_Forward.apply(values, x, None, form, False), None)


class _Matrix(NamedTuple):
    """The three products of a matrix, feature-major: x is (columns, batch), y and g (rows, batch).

    plan: the pattern. transposed: the plan of the transposed matrix, and the order of its values.
    """

    plan: Plan
    transposed: tuple[Plan, Tensor]

    def product(self, values: Tensor, x: Tensor, bias: Tensor | None, relu: bool) -> Tensor:
        return multiply(values, self.plan, x, bias, relu=relu)

    def back(self, values: Tensor, g: Tensor) -> Tensor:
        plan, order = self.transposed
        return multiply(values.index_select(0, order), plan, g)

    def dots(self, x: Tensor, g: Tensor) -> Tensor:
        return sddmm(self.plan, g, x)

    def shown(self, y: Tensor) -> Tensor:
        """Return what a product says to the world."""
        return y

    def laid(self, slope: Tensor, y: Tensor | None) -> Tensor:
        """Return the gradient of what was shown, 0 where a ReLU was closed, as kernels want it."""
        if y is None:
            return as_feature_major(slope)
        if torch.is_grad_enabled():  # somebody differentiates this gradient: the way autograd knows
            return slope.masked_fill(y <= 0, 0)
        gated = feature_major(y.shape[0], y.shape[1], y.dtype)
        return torch.ops.aten.threshold_backward.grad_input(slope, y, 0, grad_input=gated)

    def bare(self, g: Tensor) -> Tensor:
        """Return the laid gradient without what lies around it."""
        return g


class _Planes:
    """The three products of a convolution with stride 1, over all planes of all images at once.

    x is (channels, images * height * width). y is as large as the padded input: right where a whole
    window fits, and to be cropped there. g has a margin of zeros before each plane, for the windows
    that reach back beyond its start.

    Args:
        layer: the convolution.
        images, height, width: of the padded input.
    """

    def __init__(self, layer: SparseConv2d, images: int, height: int, width: int) -> None:
        self.plan, self.transposed = layer.plan, layer.transposed
        self.shape = (layer.rows, images, height, width)
        self.channels, self.size = layer.in_channels, images * height * width
        self.offsets = layer.offsets(width)
        self.reach = int(self.offsets[-1])
        # What a window at the very end would reach lies behind the plane: those places stay zero.
        self.whole = self.size - self.reach

    def product(self, values: Tensor, x: Tensor, bias: Tensor | None, relu: bool) -> Tensor:
        x = as_feature_major(x)
        y = x.new_zeros(len(self.plan.pointers) - 1, self.size)
        places = _places(x, self.offsets)
        multiply_into(y[:, : self.whole], values, self.plan, x, places, bias, relu=relu)
        return y

    def back(self, values: Tensor, g: Tensor) -> Tensor:
        plan, order = self.transposed
        x = g.new_empty(self.channels, self.size)
        places = _places(g, self.reach - self.offsets)
        multiply_into(x, values.index_select(0, order), plan, g, places, None, relu=False)
        return x

    def dots(self, x: Tensor, g: Tensor) -> Tensor:
        x = as_feature_major(x)
        found = x.new_zeros(self.plan.nnz)
        whole = self.bare(g)[:, : self.whole]
        sddmm_into(found, self.plan, whole, x, _places(x, self.offsets), fresh=True)
        return found

    def shown(self, y: Tensor) -> Tensor:
        """Return y as (images, out_channels, height, width)."""
        return y.view(self.shape).transpose(0, 1)

    def laid(self, slope: Tensor, y: Tensor | None) -> Tensor:
        """Return the gradient of what was shown as planes with margins, gated by the ReLU."""
        g = slope.new_zeros(self.shape[0], self.reach + self.size)
        self.bare(g).view(self.shape).copy_(slope.transpose(0, 1))
        if y is not None:
            self.bare(g).masked_fill_(y <= 0, 0)
        return g

    def bare(self, g: Tensor) -> Tensor:
        """Return the planes without their margins."""
        return g[:, self.reach :]


def _places(planes: Tensor, offsets: Array) -> Array:
    """Return where each (channel, place in the window) begins in the memory of the planes."""
    return np.add.outer(np.arange(len(planes)) * planes.stride(0), offsets).ravel()


# ---- the layers ----------------------------------------------------------------------------------

# What a dense layer carries beside its weights that another module cannot answer for.
STATE_HOOKS = (
    "_state_dict_hooks",
    "_state_dict_pre_hooks",
    "_load_state_dict_pre_hooks",
    "_load_state_dict_post_hooks",
)


class _Sparse(nn.Module):
    """What sparse layers share: the kept values as a parameter, their pattern as buffers.

    values: (nnz,) the kept weights, row by row.
    columns, pointers: the pattern, as in `CSR`; saved with the values and checked when loaded.

    A sparse layer is a dense layer that has become thin: in place, so whoever knew the layer, and
    whatever hooks or settings it has, finds the same object.
    """

    DENSE: ClassVar[type[nn.Module]]
    columns: Tensor
    pointers: Tensor
    bias: Tensor | None

    def __init__(self, layer: nn.Module, mask: Tensor) -> None:
        super().__init__()
        if type(layer) is not self.DENSE:
            raise TypeError(
                f"given {type(layer).__name__}, expected nn.{self.DENSE.__name__} itself."
            )
        if why := _against(layer, "weight"):
            error = TypeError if layer.weight.dtype not in FLOATS else ValueError
            raise error(f"{layer}: {why}.")
        vars(self).update(vars(copy.deepcopy(layer)))
        self.thin_(mask)

    def thin_(self, mask: Tensor, values: nn.Parameter | None = None) -> nn.Parameter:
        """Keep only these weights, given as `values` if another layer shares them; return them."""
        weight: Any = self.weight
        self.rows, self.width = weight.shape[0], weight.shape[1:].numel()
        flat = (self.rows, self.width)
        matrix = CSR.from_dense(weight.detach().reshape(flat), mask.reshape(flat))
        if values is None:
            values = nn.Parameter(torch.from_numpy(matrix.values), weight.requires_grad)
        self._rename("weight", "values", values)
        self.register_buffer("columns", torch.from_numpy(matrix.columns))
        self.register_buffer("pointers", torch.from_numpy(matrix.pointers))
        self._lay_out(matrix)
        return values

    def thicken_(self, weight: nn.Parameter | None = None) -> nn.Parameter:
        """Become the dense layer again, the pruned weights zero; undoes `thin_`."""
        if weight is None:
            matrix = torch.from_numpy(self.csr().to_dense())
            weight = nn.Parameter(matrix.reshape(self._shape()), self.values.requires_grad)
        self._rename("values", "weight", weight)
        for name in ("columns", "pointers", "rows", "width", "plan", "transposed"):
            delattr(self, name)
        self.__class__ = self.DENSE  # type: ignore[assignment]
        return weight

    def dense(self) -> Any:
        """Return a dense layer with the same weights, the pruned ones zero."""
        layer = copy.deepcopy(self)
        layer.thicken_()
        return layer

    def _rename(self, old: str, new: str, parameter: nn.Parameter) -> None:
        """Put a parameter in the place of another, so that optimisers see them in the old order."""
        own = {new if name == old else name: p for name, p in self._parameters.items()}
        self._parameters = own | {new: parameter}

    def _shape(self) -> tuple[int, ...]:
        """Return the shape of the dense weight."""
        return self.rows, self.width

    def _lay_out(self, matrix: CSR) -> None:
        """Derive from the pattern what the kernels need: the way through it, and its transpose.

        The arrays of the matrix must own their memory: that of a tensor is moved when the tensor is
        shared with another process, and the kernels would read what is no longer there.
        """
        self.plan = matrix.plan
        self.transposed = self._transpose(matrix)

    def _transpose(self, matrix: CSR) -> tuple[Plan, Tensor]:
        transposed, order = matrix.transpose()
        return transposed.plan, torch.from_numpy(order)

    def _load_from_state_dict(self, state: Any, prefix: str, *rest: Any) -> None:
        """Load values and pattern together, or neither: the kernels trust the pattern."""
        errors: list[str] = rest[-1]
        values, columns, pointers = (
            state.get(prefix + name, getattr(self, name))
            for name in ("values", "columns", "pointers")
        )
        if prefix + "values" not in state and not torch.equal(columns, self.columns):
            errors.append(f"{prefix}columns: given without {prefix}values, which belong to them.")
            return
        if columns.shape != self.columns.shape or values.shape != self.values.shape:
            errors.append(
                f"{prefix}values: given a layer that keeps {len(columns)} weights, expected "
                f"{len(self.columns)}. Make it with sparsify from the mask of the saved one."
            )
            return
        try:
            CSR(self.values.detach().numpy(), columns.numpy(), pointers.numpy(), self.csr().shape)
        except (TypeError, ValueError) as error:
            errors.append(f"{prefix}columns, {prefix}pointers: no pattern of this layer: {error}")
            return
        super()._load_from_state_dict(state, prefix, *rest)
        self._lay_out(copy.deepcopy(self.csr()))

    def __getattr__(self, name: str) -> Any:
        if name == "weight" and name not in vars(self).get("_parameters", ()):
            raise AttributeError(
                f"{type(self).__name__} has no dense weight, which something here reads: leave "
                "this layer out, with sparsify(..., leave=...), or read layer.dense().weight."
            )
        return super().__getattr__(name)

    def __prepare_scriptable__(self) -> None:
        raise TypeError(NO_EXPORT)  # torch.jit.script asks for it

    def _check(self, x: Tensor) -> Tensor:
        """Return the values, if the input is an ordinary tensor where they are, of their type."""
        if not isinstance(x, Tensor):
            given = type(x).__name__
            raise TypeError(f"the input is a {given}, expected a tensor: torch.as_tensor(...).")
        values = self.values
        own = values.dtype
        if x.is_cpu and values.is_cpu and x.dtype == own and own in FLOATS:
            if x.layout is torch.strided and not x.is_nested:
                return values
            kind = "nested" if x.is_nested else x.layout
            raise TypeError(f"the input is {kind}, expected an ordinary dense tensor.")
        for name, given in (("the input", x), ("the layer", values)):
            if not given.is_cpu:
                raise ValueError(f"{name} is on the device {given.device}, expected the CPU.")
        wanted = str(own) if own in FLOATS else "torch.float32 or torch.float64"
        raise TypeError(f"the input is {x.dtype}, expected {wanted}: convert with .to(...).")

    def csr(self) -> CSR:
        """Return the weights as a matrix (out, all the rest), sharing memory with the layer."""
        return CSR(
            self.values.detach().numpy(),
            self.columns.numpy(),
            self.pointers.numpy(),
            (self.rows, self.width),
        )

    @property
    def nbytes(self) -> int:
        """Bytes of the weights with their indices and row pointers, and of the bias."""
        return self.csr().nbytes + (0 if self.bias is None else self.bias.nbytes)

    @property
    def density(self) -> float:
        """The share of weights that are kept."""
        return self.values.numel() / max(self.rows * self.width, 1)

    def extra_repr(self) -> str:
        """Say what the layer is, in the line that torch prints."""
        return f"{self.rows}x{self.width}, density={self.density:.3g}"


class SparseLinear(_Sparse):
    """y = W x + b with a sparse W: nn.Linear, for the kept weights only.

    Args:
        layer: the nn.Linear to take the weights from; it is not changed.
        mask: bool, the shape of its weight: which weights are kept.

    Raises:
        TypeError: another layer, or weights that are neither float32 nor float64.

    Source: Nikdan et al., 2023 (training on the pattern only). Used in chapters 05 and 08.
    """

    DENSE = nn.Linear

    @uncompiled
    def forward(self, x: Tensor, *, relu: bool = False) -> Tensor:
        """Map (..., in_features) to (..., out_features); relu: and what is negative to 0."""
        values = self._check(x)
        if x.shape[-1:] != (self.in_features,):
            raise ValueError(
                f"the input has the shape {tuple(x.shape)}, expected (..., {self.in_features})."
            )
        rows = as_feature_major(x.reshape(-1, self.in_features).t())
        form = _Matrix(self.plan, self.transposed)
        y = _Forward.apply(values, rows, self.bias, form, relu).t()
        return y if x.ndim == 2 else y.reshape(*x.shape[:-1], self.out_features)


class SparseConv2d(_Sparse):
    """A convolution with a sparse kernel: nn.Conv2d, for the kept weights only.

    Seen as a matrix, the weight has a row for each output channel and a column for each (input
    channel, place in the window). The activations of that column are the plane of the input
    channel, shifted by the place in the window: so the product of a linear layer does it, told
    where each column begins. Nothing is unfolded. The planes of all images lie in one row, with
    their borders of zeros; what falls between two lines or two images is computed and left out.
    With a stride above 1 the windows are unfolded first.

    Args:
        layer: the nn.Conv2d to take the weights from; zero padding, one group; it is not changed.
        mask: bool, the shape of its weight: which weights are kept.

    Raises:
        ValueError: groups, or padding with something other than zeros.
        TypeError: another layer, or weights that are neither float32 nor float64.

    Source: Chen, 2018 (Escoin: direct sparse convolution). Used in chapter 08.
    """

    DENSE: ClassVar[type[nn.Module]] = nn.Conv2d

    @property
    def window(self) -> tuple[int, int]:
        """The height and width of the window."""
        return self.kernel_size

    @property
    def reach(self) -> tuple[int, int]:
        """How far the last place of the window is from the first."""
        down, right = (d * (k - 1) for d, k in zip(self.dilation, self.window, strict=True))
        return down, right

    def _shape(self) -> tuple[int, ...]:
        return self.rows, self.in_channels, *self.window

    def _transpose(self, matrix: CSR) -> tuple[Plan, Tensor]:
        """Return the plan of the (input channel, (output channel, place)) matrix, and the order."""
        if self.stride != (1, 1):
            return super()._transpose(matrix)
        places = self.window[0] * self.window[1]
        channel, place = np.divmod(matrix.columns.astype(np.int64), places)
        column = matrix.rows().astype(np.int64) * places + place
        order = np.lexsort((column, channel))
        pointers = np.searchsorted(channel[order], np.arange(self.in_channels + 1))
        shape = (self.in_channels, self.rows * places)
        plan = Plan(column[order].astype(np.int32), pointers.astype(np.int32), shape)
        return plan, torch.from_numpy(order)

    @uncompiled
    def forward(self, x: Tensor, *, relu: bool = False) -> Tensor:
        """Map (batch, in_channels, height, width) to (batch, out_channels, height, width).

        relu: and what is negative to 0.
        """
        values = self._check(x)
        if x.ndim != 4 or x.shape[1] != self.in_channels:
            raise ValueError(
                f"the input has the shape {tuple(x.shape)}, expected (batch, {self.in_channels}, "
                "height, width)."
            )
        top, bottom, left, right = _borders(self.padding, self.reach)
        if any((top, bottom, left, right)):
            x = F.pad(x, (left, right, top, bottom))
        height, width = (
            (size - reach - 1) // stride + 1
            for size, reach, stride in zip(x.shape[2:], self.reach, self.stride, strict=True)
        )
        if min(height, width) < 1:
            raise ValueError(
                f"the input, {tuple(x.shape)} with its padding, is smaller than the window."
            )
        if self.stride == (1, 1):
            planes = as_feature_major(x.transpose(0, 1).reshape(self.in_channels, -1))
            over = _Planes(self, len(x), x.shape[2], x.shape[3])
            y = _Forward.apply(values, planes, self.bias, over, relu)
            return y[..., :height, :width]
        windows = F.unfold(x, self.window, self.dilation, 0, self.stride)
        columns = as_feature_major(windows.transpose(0, 1).flatten(1))
        form = _Matrix(self.plan, self.transposed)
        y = _Forward.apply(values, columns, self.bias, form, relu)
        return y.view(self.rows, len(x), height, width).transpose(0, 1)

    def offsets(self, line: int) -> Array:
        """Return how far each place of the window is from the first, in planes with such lines."""
        down, right = (np.arange(k) * d for k, d in zip(self.window, self.dilation, strict=True))
        return np.add.outer(down * line, right).ravel()


def _borders(padding: Any, reach: tuple[int, int]) -> tuple[int, int, int, int]:
    """Return torch's padding as (top, bottom, left, right)."""
    if padding == "same":
        return reach[0] // 2, reach[0] - reach[0] // 2, reach[1] // 2, reach[1] - reach[1] // 2
    down, across = (0, 0) if padding == "valid" else padding
    return down, down, across, across


class SparseConv1d(SparseConv2d):
    """A convolution over lines with a sparse kernel: that of images of one line.

    Args and errors are those of `SparseConv2d`, for nn.Conv1d.
    """

    DENSE = nn.Conv1d

    def thin_(self, mask: Tensor, values: nn.Parameter | None = None) -> nn.Parameter:
        """Keep only these weights, as for every sparse layer; sizes become those of images."""
        for name, across in (("kernel_size", 1), ("stride", 1), ("dilation", 1), ("padding", 0)):
            size = getattr(self, name)
            setattr(self, name, size if isinstance(size, str) else (across, *size))
        return super().thin_(mask, values)

    def thicken_(self, weight: nn.Parameter | None = None) -> nn.Parameter:
        """Become the dense layer again; undoes `thin_`."""
        weight = super().thicken_(weight)
        for name in ("kernel_size", "stride", "dilation", "padding"):
            size = getattr(self, name)
            setattr(self, name, size if isinstance(size, str) else size[1:])
        return weight

    def _shape(self) -> tuple[int, ...]:
        return self.rows, self.in_channels, self.window[1]

    def forward(self, x: Tensor, *, relu: bool = False) -> Tensor:
        """Map (batch, in_channels, length) to (batch, out_channels, length)."""
        self._check(x)
        if x.ndim != 3 or x.shape[1] != self.in_channels:
            raise ValueError(
                f"the input has the shape {tuple(x.shape)}, expected (batch, {self.in_channels}, "
                "length)."
            )
        return super().forward(x.unsqueeze(2), relu=relu).squeeze(2)


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
        return self._conv_forward(x, self.weight * self.kept, self.bias)


class HeldConv1d(nn.Conv1d):
    """A dense convolution over lines whose pruned weights count as zero."""

    kept: Tensor

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, in_channels, length) to (batch, out_channels, length)."""
        return self._conv_forward(x, self.weight * self.kept, self.bias)


Layer = SparseLinear | SparseConv2d
THIN: dict[type, type[_Sparse]] = {
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


_module = nn.modules.module
_GLOBAL_HOOKS = (
    _module._global_forward_hooks,
    _module._global_forward_pre_hooks,
    _module._global_backward_hooks,
    _module._global_backward_pre_hooks,
)


def _is_watched(layer: nn.Module) -> bool:
    """Tell whether somebody would see what this layer is given or returns."""
    return bool(
        layer._forward_hooks
        or layer._forward_pre_hooks
        or layer._backward_hooks
        or layer._backward_pre_hooks
        or "forward" in vars(layer)
        or any(_GLOBAL_HOOKS)
    )


# ---- networks ------------------------------------------------------------------------------------


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

    Used in chapters 05 and 08.
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
    """
    model = _copied(model)
    weights: dict[nn.Parameter, nn.Parameter] = {}  # dense ones, by the kept values
    modules: Iterable[Any] = model.modules()
    for module in modules:
        if isinstance(module, _Sparse):
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
    kind, own = type(layer), vars(layer)
    if kind not in THIN or leaf != "weight":
        known = (why for kinds, why in _WHY.items() if isinstance(layer, kinds))
        why = "expected the weight of nn.Linear, nn.Conv1d or nn.Conv2d"
        return why if leaf == "bias" else next(known, why)
    weight: Any = layer.weight
    if weight.dtype not in FLOATS:
        return f"values are {weight.dtype}, expected torch.float32 or torch.float64 (.float())"
    if weight.device.type != "cpu":
        return f"it is on the device {weight.device}, expected the CPU"
    if weight.layout is not torch.strided:
        return f"it has the layout {weight.layout}, expected a dense tensor (.to_dense())"
    if own.get("groups", 1) != 1 or own.get("padding_mode", "zeros") != "zeros":
        return (
            f"it has groups={own['groups']}, padding_mode={own['padding_mode']!r}; expected 1 and "
            "'zeros'"
        )
    if "forward" in own:
        return "its forward has been replaced by another"
    if any(own.get(hooks) for hooks in STATE_HOOKS):
        return "it has hooks on its state_dict, which know a dense weight only"
    if any(p is not None and p._backward_hooks for p in layer._parameters.values()):
        return "a hook on its gradient (register_hook) would be lost: no copy of a network keeps it"
    return None


def _refusal(against: Mapping[str, str], named: int, most: int = 6) -> str:
    """Say what sparsify cannot run, and how to go on without it."""
    lines = [f"  {name!r}, of {why}" for name, why in list(against.items())[:most]]
    more = [f"  and {len(against) - most} more"] if len(against) > most else []
    if len(against) < named:
        remedy = (
            "To leave these dense, pruned weights set to zero, and make the others sparse: "
            "sparsify(model, mask, leave=refusals(model, mask)), both of course_lib.sparse.layers."
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
    kinds = (_Sparse, *HELD.values())
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
