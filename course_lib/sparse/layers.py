"""Layers whose weights, gradients and optimiser state are the kept weights and nothing else.

`sparsify` turns a pruned network into one made of these, with the same outputs; `densify` turns it
back. They are ordinary modules: any optimiser trains them, `state_dict`, `torch.save` and
`deepcopy` keep them.

A sparse linear layer returns (batch, out_features) as nn.Linear does, but each feature's examples
lie side by side in memory, as the kernels want them. The next sparse layer finds them so and copies
nothing. Use `reshape`, not `view`, on the result.

Used in chapters 05 and 08.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from course_lib.masks import Mask
from course_lib.sparse.formats import CSR
from course_lib.sparse.kernels import (
    as_feature_major,
    feature_major,
    multiply,
    multiply_into,
    sddmm,
    sddmm_into,
)
from course_lib.sparse.plan import Array, Plan
from course_lib.sparse.roofline import break_even


class _Product(torch.autograd.Function):
    """Y = W X (+ bias, ReLU), feature-major, with the gradients of X, the values and the bias."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, values: Tensor, bias: Tensor | None, layer: Any) -> Tensor:
        x = as_feature_major(x)
        y = multiply(values, layer.plan, x, bias, relu=layer.relu)
        ctx.layer = layer
        ctx.save_for_backward(x, values, y if layer.relu else None)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor | None, ...]:
        x, values, y = ctx.saved_tensors
        need_x, need_values, need_bias, _ = ctx.needs_input_grad
        slope = as_feature_major(slope) if y is None else _gate(slope, y)
        plan, order = ctx.layer.transposed
        return (
            multiply(values.index_select(0, order), plan, slope) if need_x else None,
            sddmm(ctx.layer.plan, slope, x) if need_values else None,
            slope.sum(1) if need_bias else None,
            None,
        )


def _gate(slope: Tensor, y: Tensor) -> Tensor:
    """Return the slope where y > 0, else 0: the gradient of a ReLU."""
    gated = feature_major(y.shape[0], y.shape[1], y.dtype)
    return torch.ops.aten.threshold_backward.grad_input(slope, y, 0, grad_input=gated)


class _Sparse(nn.Module):
    """What sparse layers share: the kept values as a parameter, their pattern as buffers.

    values: (nnz,) the kept weights, row by row.
    columns, pointers: the pattern, as in `CSR`; saved with the values and checked when loaded.
    relu: whether a ReLU that follows is done in the same kernel.
    """

    columns: Tensor
    pointers: Tensor

    def __init__(self, weight: Tensor, mask: Tensor, bias: Tensor | None, relu: bool) -> None:
        super().__init__()
        self.relu = relu
        self.rows, self.width = weight.shape[0], weight[0].numel()
        matrix = CSR.from_dense(weight.detach().reshape(self.rows, -1), mask.reshape(self.rows, -1))
        self.values = nn.Parameter(torch.from_numpy(matrix.values))
        self.bias = None if bias is None else nn.Parameter(bias.detach().clone())
        self.register_buffer("columns", torch.from_numpy(matrix.columns))
        self.register_buffer("pointers", torch.from_numpy(matrix.pointers))
        self._lay_out()

    def _lay_out(self) -> None:
        """Derive from the pattern what the kernels need: the way through it, and its transpose."""
        matrix = self.csr()
        self.plan = matrix.plan
        self.transposed = self._transpose(matrix)

    def _transpose(self, matrix: CSR) -> tuple[Plan, Tensor]:
        transposed, order = matrix.transpose()
        return transposed.plan, torch.from_numpy(order)

    def _load_from_state_dict(self, state: Any, prefix: str, *rest: Any) -> None:
        """Load values and pattern together, or neither: the kernels trust the pattern."""
        errors: list[str] = rest[-1]
        columns, pointers = (
            state.get(prefix + n, getattr(self, n)) for n in ("columns", "pointers")
        )
        if columns.shape != self.columns.shape:
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
        self._lay_out()

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
        return f"{self.rows}x{self.width}, density={self.density:.3g}, relu={self.relu}"


class SparseLinear(_Sparse):
    """y = W x + b with a sparse W: nn.Linear, for the kept weights only.

    Args:
        linear: the layer to take the weights from; it is not changed.
        mask: bool, the shape of its weight: which weights are kept.
        relu: do the ReLU that follows in the same kernel.

    Raises:
        TypeError: weights that are neither float32 nor float64.

    Source: Nikdan et al., 2023 (training on the pattern only). Used in chapters 05 and 08.
    """

    def __init__(self, linear: nn.Linear, mask: Tensor, *, relu: bool = False) -> None:
        super().__init__(linear.weight, mask, linear.bias, relu)
        self.in_features, self.out_features = linear.in_features, linear.out_features

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., in_features) to (..., out_features)."""
        if x.shape[-1:] != (self.in_features,):
            raise ValueError(
                f"the input has the shape {tuple(x.shape)}, expected (..., {self.in_features})."
            )
        rows = x.reshape(-1, self.in_features)
        y = _Product.apply(rows.t(), self.values, self.bias, self).t()
        return y if x.ndim == 2 else y.reshape(*x.shape[:-1], self.out_features)

    def dense(self) -> nn.Linear:
        """Return nn.Linear with the same weights, the pruned ones zero."""
        has_bias = self.bias is not None
        linear = nn.Linear(self.in_features, self.out_features, has_bias, dtype=self.values.dtype)
        return _with(linear, self)


def _with(dense: Any, layer: _Sparse) -> Any:
    """Give a dense layer the weights of a sparse one."""
    with torch.no_grad():
        weight = torch.from_numpy(layer.csr().to_dense())
        dense.weight.copy_(weight.reshape(dense.weight.shape))
        if layer.bias is not None:
            dense.bias.copy_(layer.bias)
    return dense.train(layer.training)


class SparseConv2d(_Sparse):
    """A convolution with a sparse kernel: nn.Conv2d, for the kept weights only.

    Seen as a matrix, the weight has a row for each output channel and a column for each (input
    channel, place in the window). The activations of that column are the plane of the input
    channel, shifted by the place in the window: so the product of a linear layer does it, told
    where each column begins. Nothing is unfolded. The planes of all images lie in one row, with
    their borders of zeros; what falls between two lines or two images is computed and left out.
    With a stride above 1 the windows are unfolded first.

    Args:
        conv: the layer to take the weights from; zero padding, one group; it is not changed.
        mask: bool, the shape of its weight: which weights are kept.
        relu: do the ReLU that follows in the same kernel.

    Raises:
        ValueError: groups, or padding with something other than zeros.
        TypeError: weights that are neither float32 nor float64.

    Source: Chen, 2018 (Escoin: direct sparse convolution). Used in chapter 08.
    """

    def __init__(self, conv: nn.Conv2d, mask: Tensor, *, relu: bool = False) -> None:
        if conv.groups != 1 or conv.padding_mode != "zeros":
            raise ValueError(
                f"{conv} has groups={conv.groups}, padding_mode={conv.padding_mode!r}; expected 1 "
                "and 'zeros'. Leave this layer out of the mask that you give to sparsify."
            )
        self.channels = conv.in_channels
        self.window: Any = conv.kernel_size
        self.stride: Any = conv.stride
        self.dilation: Any = conv.dilation
        reach = [d * (k - 1) for d, k in zip(conv.dilation, conv.kernel_size, strict=True)]
        self.reach = (reach[0], reach[1])
        self.padding = _padding(conv.padding, self.reach)
        super().__init__(conv.weight, mask, conv.bias, relu)

    def _transpose(self, matrix: CSR) -> tuple[Plan, Tensor]:
        """Return the plan of the (input channel, (output channel, place)) matrix, and the order."""
        if self.stride != (1, 1):
            return super()._transpose(matrix)
        places = self.window[0] * self.window[1]
        channel, place = np.divmod(matrix.columns.astype(np.int64), places)
        column = matrix.rows().astype(np.int64) * places + place
        order = np.lexsort((column, channel))
        pointers = np.searchsorted(channel[order], np.arange(self.channels + 1)).astype(np.int32)
        shape = (self.channels, self.rows * places)
        return Plan(column[order].astype(np.int32), pointers, shape), torch.from_numpy(order)

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, in_channels, height, width) to (batch, out_channels, height, width)."""
        if x.ndim != 4 or x.shape[1] != self.channels:
            raise ValueError(
                f"the input has the shape {tuple(x.shape)}, expected (batch, {self.channels}, "
                "height, width)."
            )
        top, bottom, left, right = self.padding
        if any(self.padding):
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
            return _Convolution.apply(x, self.values, self.bias, self)[..., :height, :width]
        windows = F.unfold(x, self.window, self.dilation, 0, self.stride)
        y = _Product.apply(windows.transpose(0, 1).flatten(1), self.values, self.bias, self)
        return y.view(self.rows, len(x), height, width).transpose(0, 1)

    def offsets(self, line: int) -> Array:
        """Return how far each place of the window is from the first, in planes with such lines."""
        down, right = (np.arange(k) * d for k, d in zip(self.window, self.dilation, strict=True))
        return np.add.outer(down * line, right).ravel()

    def dense(self) -> nn.Conv2d:
        """Return nn.Conv2d with the same weights, the pruned ones zero."""
        top, bottom, left, right = self.padding
        if (top, left) != (bottom, right):
            padding: Any = "same"
        else:
            padding = (top, left)
        conv = nn.Conv2d(
            self.channels,
            self.rows,
            self.window,
            self.stride,
            padding,
            self.dilation,
            bias=self.bias is not None,
            dtype=self.values.dtype,
        )
        return _with(conv, self)


def _padding(padding: Any, reach: tuple[int, int]) -> tuple[int, int, int, int]:
    """Return torch's padding as (top, bottom, left, right)."""
    if padding == "same":
        return reach[0] // 2, reach[0] - reach[0] // 2, reach[1] // 2, reach[1] - reach[1] // 2
    down, across = (0, 0) if padding == "valid" else padding
    return down, down, across, across


class _Convolution(torch.autograd.Function):
    """A convolution with stride 1 over padded images, as one product over all their planes.

    The result is as large as the padded input: right where a whole window fits, and to be cropped
    there.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, values: Tensor, bias: Tensor | None, layer: Any) -> Tensor:
        images, channels, height, width = x.shape
        # (channels, images * height * width)
        planes = as_feature_major(x.transpose(0, 1).reshape(channels, -1))
        size, offsets = planes.shape[1], layer.offsets(width)
        places = _places(planes, offsets)
        y = planes.new_zeros(layer.rows, size)
        # What a window at the very end would reach lies behind the plane: those places stay zero.
        whole = y[:, : size - int(offsets[-1])]
        multiply_into(whole, values, layer.plan, planes, places, bias, relu=layer.relu)
        ctx.layer, ctx.shape = layer, x.shape
        ctx.save_for_backward(planes, values, y if layer.relu else None)
        return y.view(layer.rows, images, height, width).transpose(0, 1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor | None, ...]:
        planes, values, y = ctx.saved_tensors
        need_x, need_values, need_bias, _ = ctx.needs_input_grad
        layer, (images, channels, height, width) = ctx.layer, ctx.shape
        size = planes.shape[1]
        offsets = layer.offsets(width)
        reach = int(offsets[-1])
        # A margin of zeros before each plane, for the windows that reach back beyond its start.
        room = planes.new_zeros(layer.rows, reach + size)
        slopes = room[:, reach:]
        slopes.view(layer.rows, images, height, width).copy_(slope.transpose(0, 1))
        if y is not None:
            slopes.masked_fill_(y <= 0, 0)
        d_x = d_values = None
        if need_x:
            plan, order = layer.transposed
            d_planes = planes.new_empty(channels, size)
            multiply_into(
                d_planes,
                values.index_select(0, order),
                plan,
                room,
                _places(room, reach - offsets),
                None,
                relu=False,
            )
            d_x = d_planes.view(channels, images, height, width).transpose(0, 1)
        if need_values:
            d_values = torch.zeros_like(values)
            whole = slopes[:, : size - reach]
            sddmm_into(d_values, layer.plan, whole, planes, _places(planes, offsets), fresh=True)
        return d_x, d_values, slopes.sum(1) if need_bias else None, None


def _places(planes: Tensor, offsets: Array) -> Array:
    """Return where each (channel, place in the window) begins in the memory of the planes."""
    return np.add.outer(np.arange(len(planes)) * planes.stride(0), offsets).ravel()


Layer = SparseLinear | SparseConv2d


def sparsify(model: nn.Module, mask: Mask, *, batch: int | None = None) -> nn.Module:
    """Return a copy of a pruned model in which every layer that the mask names is sparse.

    Outputs are those of the model with the mask applied, but for rounding. In a Sequential, a ReLU
    right after such a layer is done by the layer.

    Args:
        model: any network; it is not changed.
        mask: which weights are kept, by the names of the parameters ("0.weight").
        batch: convert only the layers that are predicted to be faster for such a batch, from times
            measured on this machine; the others stay dense, with their pruned weights held at zero.

    Raises:
        ValueError: the mask names something else than weights of Linear or Conv2d, or does not fit.

    Used in chapters 05 and 08.
    """
    model = copy.deepcopy(model)
    mask.apply_(model)
    for name, kept in mask.items():
        path, _, leaf = name.rpartition(".")
        layer = model.get_submodule(path)
        kind = {nn.Linear: SparseLinear, nn.Conv2d: SparseConv2d}.get(type(layer))
        if kind is None or leaf != "weight":
            raise ValueError(
                f"the mask names {name!r}, of {type(layer).__name__}; expected the weight of "
                "nn.Linear or nn.Conv2d. Take it out of the mask, or use mask.apply_ for it."
            )
        if batch is None or _pays(kept, batch):
            model.set_submodule(path, kind(layer, kept, relu=_take_relu(model, path)))
        else:
            layer.register_buffer("kept", kept)
            layer.__class__ = HELD[type(layer)]
    return model


def densify(model: nn.Module) -> nn.Module:
    """Return a copy of a model that `sparsify` made, all layers dense, the pruned weights zero."""
    model = copy.deepcopy(model)
    for path, layer in list(model.named_modules()):
        if isinstance(layer, Layer):
            model.set_submodule(path, layer.dense())
        elif isinstance(layer, TakenReLU):
            model.set_submodule(path, nn.ReLU())
        elif isinstance(layer, HeldLinear | HeldConv2d):
            del layer.kept
            dense: Any = nn.Linear if isinstance(layer, nn.Linear) else nn.Conv2d
            layer.__class__ = dense
    return model


class TakenReLU(nn.Identity):
    """Stands where a ReLU was that the sparse layer before it now does."""


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


HELD: dict[type, type] = {nn.Linear: HeldLinear, nn.Conv2d: HeldConv2d}


def _take_relu(model: nn.Module, path: str) -> bool:
    """Take away the ReLU that follows the layer in a Sequential; return whether there was one."""
    parent, _, name = path.rpartition(".")
    block = model.get_submodule(parent)
    names = [key for key, _ in block.named_children()]
    following = names[names.index(name) + 1 :][:1]
    if not isinstance(block, nn.Sequential) or not following:
        return False
    if type(block.get_submodule(following[0])) is not nn.ReLU:
        return False
    setattr(block, following[0], TakenReLU())
    return True


def _pays(kept: Tensor, batch: int) -> bool:
    """Predict whether the layer is faster sparse; a convolution counts as the matrix it is."""
    rows, columns = kept.shape[0], kept[0].numel()
    return float(kept.float().mean()) < break_even(rows, columns, batch)
