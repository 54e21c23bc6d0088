"""Three products, each of them the gradient of the others.

A sparse layer is the sum of w * x * g over its kept weights w, the activations x that each reads
and the gradients g of what each adds to. It is linear in all three, so there are three products,
(w, x) -> y, (w, g) -> the gradient of x and (x, g) -> the gradient of w, and whichever of them is
differentiated, the other two are the answer. A *form* does them in memory: `MatrixForm`
here, `_Planes` of a convolution.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from course_lib.sparse.compilers import NO_TRANSFORM, uncompiled
from course_lib.sparse.kernels import as_feature_major, feature_major, multiply, sddmm
from course_lib.sparse.plan import Plan


class Forward(torch.autograd.Function):
    """(w, x) -> y = W x (+ bias, ReLU)."""

    @staticmethod
    def forward(
        ctx: Any, values: Tensor, x: Tensor, bias: Tensor | None, form: Any, relu: bool
    ) -> Tensor:
        """Return y, as the form shows it."""
        y = form.product(values, x, bias, relu)
        ctx.form = form
        ctx.save_for_backward(values, x, y if relu else None)
        return form.shown(y)

    @staticmethod
    @uncompiled
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients of values, inputs and bias that are asked for."""
        (values, x, y), form = ctx.saved_tensors, ctx.form
        need_values, need_x, need_bias, *_ = ctx.needs_input_grad
        g = form.laid(_alone(slope), y)
        return (
            _gradient("dots", x, g, form) if need_values else None,
            _gradient("back", values, g, form) if need_x else None,
            form.bare(g).sum(1) if need_bias else None,
            None,
            None,
        )

    @staticmethod
    def jvp(ctx: Any, *slopes: Tensor | None) -> Tensor:
        """Refuse, in our words."""
        raise TypeError(NO_TRANSFORM)


class _Gradient(torch.autograd.Function):
    """back: (w, g) -> the gradient of x, W transposed times g; dots: (x, g) -> that of w.

    Which product, the other factor, and g. Each is linear in both, so its own gradients are the
    other of the two, and W x.
    """

    @staticmethod
    def forward(ctx: Any, which: str, other: Tensor, g: Tensor, form: Any) -> Tensor:
        ctx.which, ctx.form = which, form
        ctx.save_for_backward(other, g)
        return getattr(form, which)(other, g)

    @staticmethod
    @uncompiled
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor | None, ...]:
        (other, g), form, slope = ctx.saved_tensors, ctx.form, _alone(slope)
        _, need_other, need_g, _ = ctx.needs_input_grad
        turned, w, x = ("dots", other, slope) if ctx.which == "back" else ("back", slope, other)
        return (
            None,
            _gradient(turned, slope, g, form) if need_other else None,
            _again(w, x, form) if need_g else None,
            None,
        )


def _gradient(which: str, other: Tensor, g: Tensor, form: Any) -> Tensor:
    """Return a gradient; where gradients are wanted again, one that knows its own."""
    if torch.is_grad_enabled():
        return _Gradient.apply(which, other, g, form)
    return getattr(form, which)(other, g)


def _alone(slope: Tensor) -> Tensor:
    """Return the gradient, which must not be a whole batch of gradients in the guise of one."""
    if torch._C._functorch.is_legacy_batchedtensor(slope):
        raise TypeError(NO_TRANSFORM)
    return slope


def _again(values: Tensor, x: Tensor, form: Any) -> Tensor:
    """Return W x where the gradients of the layer lie, with no bias and no ReLU."""
    return form.laid(Forward.apply(values, x, None, form, False), None)


class MatrixForm(NamedTuple):
    """The three products of a matrix, feature-major: x is (columns, batch), y and g (rows, batch).

    plan: the pattern. transposed: the plan of the transposed matrix, and the order of its values.
    """

    plan: Plan
    transposed: tuple[Plan, Tensor]

    def product(self, values: Tensor, x: Tensor, bias: Tensor | None, relu: bool) -> Tensor:
        """Return y = W x (+ bias, ReLU)."""
        return multiply(values, self.plan, x, bias, relu=relu)

    def back(self, values: Tensor, g: Tensor) -> Tensor:
        """Return the gradient of x."""
        plan, order = self.transposed
        return multiply(values.index_select(0, order), plan, g)

    def dots(self, x: Tensor, g: Tensor) -> Tensor:
        """Return the gradient of the kept weights."""
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
