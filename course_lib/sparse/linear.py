"""Layers whose weights, gradients and optimiser state are the kept weights and nothing else.

`sparsify` turns a pruned network into one made of these, with the same outputs; `densify` turns it
back. They are ordinary modules: any optimiser trains them, `state_dict`, `torch.save` and
`deepcopy` keep them, and they can be differentiated as often as one likes.

A sparse linear layer returns (batch, out_features) as nn.Linear does, but each feature's examples
lie side by side in memory, as the kernels want them. The next sparse layer finds them so and copies
nothing. Use `reshape`, not `view`, on the result.
"""

import copy
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from course_lib.sparse.compilers import NO_EXPORT, uncompiled
from course_lib.sparse.formats import CSR
from course_lib.sparse.kernels import FLOATS, as_feature_major
from course_lib.sparse.plan import Plan
from course_lib.sparse.products import Forward, MatrixForm

# What a dense layer carries beside its weights that another module cannot answer for.
STATE_HOOKS = (
    "_state_dict_hooks",
    "_state_dict_pre_hooks",
    "_load_state_dict_pre_hooks",
    "_load_state_dict_post_hooks",
)


def unfit(layer: nn.Module) -> str | None:
    """Return why the weight of a dense layer of a known kind cannot be run sparse, or None."""
    own = vars(layer)
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


class SparseLayer(nn.Module):
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
        if why := unfit(layer):
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


class SparseLinear(SparseLayer):
    """y = W x + b with a sparse W: nn.Linear, for the kept weights only.

    Args:
        layer: the nn.Linear to take the weights from; it is not changed.
        mask: bool, the shape of its weight: which weights are kept.

    Raises:
        TypeError: another layer, or weights that are neither float32 nor float64.

    Examples:
        >>> dense = nn.Linear(8, 4)
        >>> layer = SparseLinear(dense, dense.weight.abs() > 0.2)
        >>> layer.dense()
        Linear(in_features=8, out_features=4, bias=True)
        >>> x = torch.rand(3, 8)
        >>> torch.allclose(layer(x), layer.dense()(x), atol=1e-6)
        True

    Source: Nikdan et al., 2023 (training on the pattern only).
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
        form = MatrixForm(self.plan, self.transposed)
        y = Forward.apply(values, rows, self.bias, form, relu).t()
        return y if x.ndim == 2 else y.reshape(*x.shape[:-1], self.out_features)
