"""Convolutions with a sparse kernel: planes of images, shifted and multiplied, nothing unfolded."""

from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib.sparse.compilers import uncompiled
from course_lib.sparse.formats import CSR
from course_lib.sparse.kernels import as_feature_major, multiply_into, sddmm_into
from course_lib.sparse.linear import SparseLayer
from course_lib.sparse.plan import Array, Plan
from course_lib.sparse.products import Forward, MatrixForm


class SparseConv2d(SparseLayer):
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

    Examples:
        >>> dense = nn.Conv2d(3, 4, 3, padding=1)
        >>> layer = SparseConv2d(dense, dense.weight.abs() > 0.1)
        >>> tuple(layer(torch.rand(2, 3, 8, 8)).shape)
        (2, 4, 8, 8)

    Source: Chen, 2018 (Escoin: direct sparse convolution).
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
            y = Forward.apply(values, planes, self.bias, over, relu)
            return y[..., :height, :width]
        windows = F.unfold(x, self.window, self.dilation, 0, self.stride)
        columns = as_feature_major(windows.transpose(0, 1).flatten(1))
        form = MatrixForm(self.plan, self.transposed)
        y = Forward.apply(values, columns, self.bias, form, relu)
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

    Examples:
        >>> dense = nn.Conv1d(3, 4, 3, padding=1)
        >>> layer = SparseConv1d(dense, dense.weight.abs() > 0.1)
        >>> tuple(layer(torch.rand(2, 3, 8)).shape)
        (2, 4, 8)
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
