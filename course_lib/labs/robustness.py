"""How far an input may move before a network changes its mind: proofs, and attacks.

A *network* here gives logits and is an `nn.Sequential` of Linear, ReLU, Flatten and Conv2d layers,
or `Replicas`; answers about replicas have a first axis for them. Its layers are of these very
classes and run one after the other, with no hooks: of anything else nothing is proved. A *ball* of
radius eps is all that can be reached by changing an input by at most eps: each number by at most
eps ("linf"), or all of them by a vector of length at most eps ("l2"). No proof here accounts for
the rounding of floating point numbers; in float64 it is far below everything that is measured.
"""

import math
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot
from torch.nn.grad import conv2d_input

from course_lib.training.replicas import Replicas, ReplicatedLinear

Map = Callable[[Tensor], Tensor]
LINEAR = (nn.Linear, ReplicatedLinear)


# How far a matrix stretches


class Stretch(NamedTuple):
    """What power iteration found: |A v| for a unit vector v, and in how many rounds."""

    norm: float
    vector: Tensor
    rounds: int


def power_iteration(
    forward: Map, adjoint: Map, start: Tensor, tolerance: float = 1e-8, most: int = 20_000
) -> Stretch:
    """Find the largest stretch of a linear map, by applying it and its transpose in turn.

    Each v gives |A v|, which is never above the spectral norm: the answer comes *from below*. It
    stops when |A'A v - s v| <= tolerance * s, with s = |A v|^2. Then the square of some singular
    value is within tolerance * s of s; that it is the largest one is likely and not proved.

    Args:
        forward: v to A v.
        adjoint: u to A'u.
        start: any v that is not orthogonal to the answer; a random one is not.
        tolerance: relative, of the stopping rule.
        most: rounds, at least 1; after these it stops all the same.

    Raises:
        ValueError: the start is zero or not finite, or the map gives numbers that are not finite.

    Source: Golub and Van Loan (2013), section 8.2.
    """
    length = torch.linalg.vector_norm(start).item()
    if not 0 < length < math.inf:
        raise ValueError(f"start: given a vector of length {length}, expected one above 0.")
    v = start / length
    for rounds in range(1, most + 1):
        pulled = adjoint(forward(v))  # A'A v
        square = torch.sum(v * pulled)  # |A v|^2
        residual = torch.linalg.vector_norm(pulled - square * v)
        if not residual.isfinite():
            raise ValueError("the map gives NaN or infinity; expected finite numbers.")
        found = Stretch(math.sqrt(max(square.item(), 0.0)), v, rounds)
        if residual <= tolerance * square:
            break
        v = pulled / torch.linalg.vector_norm(pulled)
    return found


def spectral_norm(W: Tensor, tolerance: float = 1e-8, seed: int = 0) -> Stretch:
    """Find max |W v| / |v| of a matrix (m, n) by power iteration, from below and in float64.

    Raises:
        ValueError: W is no matrix or not finite.

    Examples:
        >>> round(spectral_norm(torch.tensor([[3.0, 0.0], [0.0, 4.0]])).norm, 6)
        4.0
    """
    W = _checked_matrix(W)
    start = torch.randn(W.shape[1], generator=torch.Generator().manual_seed(seed), dtype=W.dtype)
    return power_iteration(lambda v: W @ v, lambda u: W.mT @ u, start, tolerance)


def spectral_ceiling(W: Tensor, doublings: int = 12) -> float:
    """Return a bound on the spectral norm from above: |(W'W)^q|_F^(1/2q), with q = 2^doublings.

    The Frobenius norm is never below the spectral one, and the spectral norm of (W'W)^q is exactly
    |W|^2q. It is too large by a factor of at most n^(1/4q): 1.0003 for n = 100.

    Raises:
        ValueError: W is no matrix or not finite.

    Source: Gelfand (1941).
    """
    W = _checked_matrix(W)
    power, logarithm = W.mT @ W, 0.0
    for doubling in range(doublings + 1):
        size = torch.linalg.matrix_norm(power).item()
        if size == 0:
            return 0.0
        logarithm += math.log(size) / 2 ** (doubling + 1)
        power = power / size  # so that nothing overflows
        power = power @ power
    return math.exp(logarithm)


def _checked_matrix(W: Tensor) -> Tensor:
    if W.ndim != 2 or not W.isfinite().all():
        raise ValueError(f"W: given shape {tuple(W.shape)}, expected a matrix of finite numbers.")
    return W.detach().double()


def conv_norm(
    layer: nn.Conv2d, size: tuple[int, int], tolerance: float = 1e-8, seed: int = 0
) -> Stretch:
    """Find the spectral norm of a convolution on pictures of a size (height, width), from below.

    Raises:
        ValueError: as `conv_ceiling`.
    """
    _check_conv(layer, size)
    W = layer.weight.detach().double()
    how: Any = (layer.stride, layer.padding)
    shape = (1, layer.in_channels, *size)
    start = torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=W.dtype)
    return power_iteration(
        lambda v: torch.conv2d(v, W, None, *how),
        lambda u: conv2d_input(shape, W, u, *how),
        start,
        tolerance,
    )


def conv_ceiling(layer: nn.Conv2d, size: tuple[int, int]) -> float:
    """Return a bound on the spectral norm of a convolution from above, by Fourier transform.

    Its matrix is a part of that of the same convolution on a torus, whose norm is the largest over
    all frequencies of the norm of a small matrix, (out channels, in channels).

    Raises:
        ValueError: groups, dilation, padding other than by zeros, or a picture below the kernel.

    Source: Sedghi, Gupta and Long (2019).
    """
    torus = _check_conv(layer, size)
    waves = torch.fft.fft2(layer.weight.detach().double(), s=torus).permute(2, 3, 0, 1)
    return float(torch.linalg.matrix_norm(waves, 2).max())


def _check_conv(layer: nn.Conv2d, size: tuple[int, int]) -> tuple[int, int]:
    """Return the size of the padded picture."""
    if not _is_plain(layer) or isinstance(layer.padding, str):
        raise ValueError(
            f"layer: given {layer}, expected no groups, no dilation, and zeros for padding."
        )
    height, width = (n + 2 * int(p) for n, p in zip(size, layer.padding, strict=True))
    if height < layer.kernel_size[0] or width < layer.kernel_size[1]:
        raise ValueError(f"size: given {size}, expected pictures no smaller than the kernel.")
    return height, width


# How far a network stretches


def layer_norms(model: nn.Sequential, size: tuple[int, int] | None = None) -> list[Tensor]:
    """Return a bound on the spectral norm of each layer with weights: exact for linear ones.

    Args:
        model: a network.
        size: of the pictures (height, width), if it has convolutions.

    Returns:
        A tensor for each layer: a number, or (S,) for replicas.

    Raises:
        ValueError: another network, a layer of another kind, or a convolution and no size.
    """
    found = []
    for layer in _known(model):
        if isinstance(layer, LINEAR):
            found.append(torch.linalg.matrix_norm(layer.weight.detach(), 2))
        elif isinstance(layer, nn.Conv2d):
            if size is None:
                raise ValueError(
                    f"size: not known at {layer}; expected the (height, width) of the pictures, "
                    "and no Linear or Flatten layer before a convolution."
                )
            height, width = _check_conv(layer, size)
            found.append(layer.weight.new_tensor(conv_ceiling(layer, size)))
            size = (
                (height - layer.kernel_size[0]) // layer.stride[0] + 1,
                (width - layer.kernel_size[1]) // layer.stride[1] + 1,
            )
        if isinstance(layer, (*LINEAR, nn.Flatten)):
            size = None  # what comes out is no picture of that size any more
    return found


def lipschitz_bound(model: nn.Sequential, size: tuple[int, int] | None = None) -> Tensor:
    """Return the product of the layers' norms: no two inputs are drawn further apart than by it.

    Arguments and errors as `layer_norms`. Source: Szegedy et al. (2014).
    """
    return torch.stack(layer_norms(model, size)).prod(dim=0)


def _known(model: nn.Sequential) -> list[nn.Module]:
    """Return the layers in the order in which they run, if all that runs is known.

    A bound is proved of what these very classes compute. A subclass, a forward of its own or a hook
    may compute anything, so no bound is given there.
    """
    kind = type(model)
    if not isinstance(model, nn.Sequential) or kind.forward is not nn.Sequential.forward:
        raise ValueError(
            f"model: given {kind.__name__}, expected nn.Sequential or Replicas: what a forward of "
            "its own does with the layers cannot be bounded."
        )
    layers = list(model)  # a layer that stands there twice runs twice
    for layer in layers:
        _check_layer(layer)
    _check_unaltered(model)
    return layers


def _check_layer(layer: nn.Module) -> None:
    if type(layer) not in (*LINEAR, nn.Conv2d, nn.ReLU, nn.Flatten):
        raise ValueError(
            f"model: given a layer {type(layer).__name__}, expected Linear, Conv2d, ReLU and "
            "Flatten layers alone, and no subclass of theirs."
        )
    if isinstance(layer, nn.Conv2d) and not _is_plain(layer):
        raise ValueError(
            f"model: given {layer}, expected no groups, no dilation, and zeros for padding."
        )
    _check_unaltered(layer)


def _is_plain(layer: nn.Conv2d) -> bool:
    return layer.groups == 1 and layer.dilation == (1, 1) and layer.padding_mode == "zeros"


def _check_unaltered(module: nn.Module) -> None:
    """Raise ValueError if this one may return other things than its class says."""
    own, of_all = vars(module), vars(nn.modules.module)
    hooked = any(own[h] or of_all[f"_global{h}"] for h in ("_forward_hooks", "_forward_pre_hooks"))
    if hooked or "forward" in own or type(module).__call__ is not nn.Module.__call__:
        raise ValueError(
            f"model: {type(module).__name__} has a hook, or a forward put in place of its own, "
            "which may change what it returns; expected none. Masks of torch.nn.utils.prune are "
            "such hooks: course_lib.pruning.interop.from_torch_prune makes them part of the "
            "weights."
        )


def _inputs(model: nn.Module, X: Tensor) -> Tensor:
    """Return a copy of the inputs, for replicas one for each."""
    shape = (model.count, *X.shape) if isinstance(model, Replicas) else X.shape
    return X.detach().expand(shape).clone()


def jacobians(model: nn.Module, X: Tensor) -> Tensor:
    """Return the derivative of the logits at each input, (n, classes, features), or (S, n, ...).

    Its spectral norm is how much the network stretches about that input.

    Args:
        model: any network.
        X: inputs (n, features).
    """
    X = _inputs(model, X).requires_grad_(True)
    logits = model(X)
    rows = [
        torch.autograd.grad(logits[..., j].sum(), X, retain_graph=True)[0]
        for j in range(logits.shape[-1])
    ]
    return torch.stack(rows, dim=-2)


def steepest_slopes(model: nn.Module, X: Tensor, steps: int = 200, rate: float = 0.02) -> Tensor:
    """Climb from each input to a steep place, and return the slope |f(a) - f(b)| / |a - b| there.

    Begins with b one small step from a = x along the direction that is stretched most, and moves
    both by gradient ascent. Whatever it finds is a slope of the network, so no Lipschitz constant
    is below it.

    Args:
        model: any network.
        X: inputs (n, features) to start from.
        steps: of ascent.
        rate: length of a step, in the units of the inputs.

    Returns:
        The largest slope met on the way from each input, (n,) or (S, n).

    Raises:
        ValueError: rate is not positive.
    """
    if not rate > 0:
        raise ValueError(f"rate: given {rate}, expected a length above 0.")
    directions = torch.linalg.svd(jacobians(model, X), full_matrices=False).Vh[..., 0, :]
    a = _inputs(model, X)
    b = a + rate * directions
    best = a.new_zeros(a.shape[:-1])
    for _ in range(steps + 1):
        a, b = a.requires_grad_(True), b.requires_grad_(True)
        out, way = (torch.linalg.vector_norm(d, dim=-1) for d in (model(a) - model(b), a - b))
        best = torch.maximum(best, (out / way).detach())
        # Where the network is flat there is no way up: stay.
        climb = (g.nan_to_num(0) for g in torch.autograd.grad(torch.log(out / way).sum(), (a, b)))
        a, b = (p.detach() + rate * _unit(g) for p, g in zip((a, b), climb, strict=True))
    return best


def _unit(v: Tensor) -> Tensor:
    length: Tensor = torch.linalg.vector_norm(v, dim=-1, keepdim=True)
    return v / length.clamp(min=1e-30)


# Margins, and the radius that they buy


def margins(logits: Tensor, y: Tensor) -> Tensor:
    """Return the logit of the right class minus the largest of the others: (..., n).

    Positive where the prediction is right.

    Args:
        logits: (..., n, classes).
        y: the classes, int64 (n,).

    Raises:
        ValueError: y does not name a class for each row.

    Examples:
        >>> margins(torch.tensor([[3.0, 1.0], [0.0, 2.0]]), torch.tensor([0, 0]))
        tensor([ 2., -2.])
    """
    right = _right(logits, y)
    others = logits.masked_fill(right, -math.inf).amax(dim=-1)
    return logits.masked_fill(~right, -math.inf).amax(dim=-1) - others


def _right(logits: Tensor, y: Tensor) -> Tensor:
    """Return True at the right class of every row."""
    *_, n, classes = logits.shape
    _check_classes(y, n, classes)
    return one_hot(y, classes).bool().expand(logits.shape)


def _check_classes(y: Tensor, n: int, classes: int) -> None:
    if y.shape != (n,) or classes < 2 or not ((y >= 0) & (y < classes)).all():
        raise ValueError(
            f"y: given shape {tuple(y.shape)}, expected ({n},) classes from 0 to {classes - 1}, "
            "of at least two."
        )


def certified_radius(margin: Tensor, lipschitz: Tensor) -> Tensor:
    """Return margin / (sqrt(2) L): within this l2 distance the prediction stays right.

    The root of two is there because a margin is a difference of two logits. Where the prediction is
    wrong the radius is 0: there is nothing to certify.

    Args:
        margin: (..., n), from `margins`.
        lipschitz: L of the logits, (...), positive.

    Raises:
        ValueError: L is not positive.

    Source: Tsuzuku, Sato and Sugiyama (2018).

    Examples:
        >>> certified_radius(torch.tensor([2.0, -1.0]), torch.tensor(1.0))
        tensor([1.4142, 0.0000])
    """
    lipschitz = torch.as_tensor(lipschitz)
    if not (lipschitz > 0).all():
        raise ValueError(f"lipschitz: given {lipschitz}, expected positive numbers.")
    return margin.clamp(min=0) / (math.sqrt(2) * lipschitz.unsqueeze(-1))


# Intervals


def interval_step(layer: nn.Module, centre: Tensor, radius: Tensor) -> tuple[Tensor, Tensor]:
    """Push a box through one layer: the least box that holds all that comes out.

    A linear layer moves the centre as it moves any point, and stretches the radii by the *sizes* of
    its weights. A ReLU moves both ends.

    Args:
        layer: Linear, Conv2d, ReLU or Flatten.
        centre: of the box, as the layer takes it.
        radius: half its width in every direction, of the same shape.

    Returns:
        Centre and radius of the new box.

    Raises:
        ValueError: a layer of another kind, or one that was altered, such as by a hook.

    Source: Gowal et al. (2018).
    """
    _check_layer(layer)
    if isinstance(layer, LINEAR):
        return layer(centre), radius @ layer.weight.abs().mT
    if isinstance(layer, nn.Conv2d):
        sizes = layer.weight.abs()
        return layer(centre), torch.conv2d(radius, sizes, None, layer.stride, layer.padding)
    if isinstance(layer, nn.Flatten):
        return layer(centre), layer(radius)
    low, high = layer(centre - radius), layer(centre + radius)
    return (low + high) / 2, (high - low) / 2


@torch.no_grad()
def _box(layers: Iterable[nn.Module], X: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """Push the linf ball about each input through layers."""
    _check_radius(eps)
    box = X, torch.full_like(X, eps)
    for layer in layers:
        box = interval_step(layer, *box)
    return box


def _check_radius(eps: float) -> None:
    if not 0 <= eps < math.inf:
        raise ValueError(f"eps: given {eps}, expected a radius, finite and at least 0.")


def interval_logits(model: nn.Sequential, X: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """Return bounds, low and high, on all logits within the linf ball about each input.

    Args:
        model: a network.
        X: inputs (n, features), or pictures.
        eps: the radius.

    Returns:
        Two tensors (n, classes), or (S, n, classes).

    Raises:
        ValueError: another network, a layer of another kind, or eps is negative or not finite.
    """
    centre, radius = _box(_known(model), X, eps)
    return centre - radius, centre + radius


@torch.no_grad()
def interval_margins(model: nn.Sequential, X: Tensor, y: Tensor, eps: float) -> Tensor:
    """Return a lower bound on the margin within the linf ball, (n,) or (S, n), by intervals.

    Where it is positive the prediction is certified. The last layer and the difference of two
    logits are taken as one linear map, so that what both logits share is not counted twice.

    Args:
        model: a network that ends with a linear layer.
        X: inputs (n, features), or pictures.
        y: the right classes (n,).
        eps: the radius.

    Raises:
        ValueError: as `interval_logits`; another last layer; or y does not fit.

    Source: Gowal et al. (2018).
    """
    *hidden, last = _known(model)
    centre, radius = _box(hidden, X, eps)
    differences, offsets = _contrast(last, y)
    lowest = offsets + torch.einsum("...njh,...nh->...nj", differences, centre)
    lowest -= torch.einsum("...njh,...nh->...nj", differences.abs(), radius)
    return _worst(lowest, y)


def _contrast(last: nn.Module, y: Tensor) -> tuple[Tensor, Tensor]:
    """Return weights (..., n, classes, h) and biases of the right logit minus each logit."""
    if not isinstance(last, LINEAR):
        raise ValueError(f"model: ends with {type(last).__name__}, expected a linear layer.")
    W, b = _affine(last)
    _check_classes(y, len(y), W.shape[-2])
    return W[..., y, :].unsqueeze(-2) - W.unsqueeze(-3), b[..., y].unsqueeze(-1) - b.unsqueeze(-2)


def _affine(layer: Any) -> tuple[Tensor, Tensor]:
    """Return the weights and biases of a linear layer; one without biases has zeros."""
    W: Tensor = layer.weight
    return W, W.new_zeros(W.shape[:-1]) if layer.bias is None else layer.bias


def _worst(lowest: Tensor, y: Tensor) -> Tensor:
    """Return the least over all wrong classes."""
    return lowest.masked_fill(_right(lowest, y), math.inf).amin(dim=-1)


@torch.no_grad()
def linear_margins(model: nn.Sequential, X: Tensor, y: Tensor, eps: float) -> Tensor:
    """Return a lower bound on the margin within the linf ball, by linear bounds: a better proof.

    An interval forgets that two units move together. Here every ReLU is enclosed between two
    straight lines, and what is to be bounded is carried back through the layers as a linear
    function of the input, on which the worst point of the ball is known exactly.

    Args:
        model: Linear and ReLU layers in turn, or `Replicas`.
        X: inputs (n, features).
        y: the right classes (n,).
        eps: the radius.

    Returns:
        (n,), or (S, n) for replicas. It takes memory for n times the square of a layer's width.

    Raises:
        ValueError: layers of another kind or order, eps negative, or y does not fit.

    Source: Zhang et al. (2018).
    """
    _check_radius(eps)
    layers = _known(model)
    if any(isinstance(layer, LINEAR) != (i % 2 == 0) for i, layer in enumerate(layers)):
        raise ValueError("model: expected Linear, ReLU, ..., Linear layers.")
    linear: list[Any] = layers[::2]
    ranges: list[tuple[Tensor, Tensor]] = []  # of the sums that go into each layer of ReLUs
    for depth, layer in enumerate(linear[:-1]):
        W, b = _affine(layer)
        rows, constant, below = W.unsqueeze(-3), b.unsqueeze(-2), (linear[:depth], ranges, X, eps)
        ranges.append((_lowest(rows, constant, *below), -_lowest(-rows, -constant, *below)))
    return _worst(_lowest(*_contrast(linear[-1], y), linear[:-1], ranges, X, eps), y)


def _lowest(
    A: Tensor,
    constant: Tensor,
    layers: list[Any],
    ranges: list[tuple[Tensor, Tensor]],
    X: Tensor,
    eps: float,
) -> Tensor:
    """Return a lower bound, (..., n, k), on A h + constant, with h what comes out of the layers.

    For z in [low, high], ReLU(z) lies between below * z and above * (z - min(low, 0)).
    """
    for layer, (low, high) in zip(reversed(layers), reversed(ranges), strict=True):
        up, down = high.clamp(min=0), low.clamp(max=0)
        above = up / (up - down).clamp(min=torch.finfo(up.dtype).tiny)
        below = (high > -low).to(up.dtype)
        rises, falls = A.clamp(min=0), A.clamp(max=0)
        constant = constant - (falls * (above * down).unsqueeze(-2)).sum(dim=-1)
        A = rises * below.unsqueeze(-2) + falls * above.unsqueeze(-2)
        W, b = _affine(layer)
        constant = constant + (A * b.unsqueeze(-2).unsqueeze(-2)).sum(dim=-1)
        A = A @ W.unsqueeze(-3)
    return constant + (A @ X.unsqueeze(-1)).squeeze(-1) - eps * A.abs().sum(dim=-1)


# Attacks


def project(delta: Tensor, eps: float, norm: str = "linf") -> Tensor:
    """Return the nearest changes within the ball: each number cut at eps, or the vector shortened.

    Args:
        delta: changes, one input a row.
        eps: the radius.
        norm: "linf" or "l2".

    Raises:
        ValueError: another norm, or eps negative or not finite.
    """
    _check_radius(eps)
    if norm == "linf":
        return delta.clamp(-eps, eps)
    if norm == "l2":
        length: Tensor = torch.linalg.vector_norm(delta, dim=-1, keepdim=True)
        return delta * (eps / length.clamp(min=torch.finfo(delta.dtype).tiny)).clamp(max=1)
    raise ValueError(f"norm: given {norm!r}, expected 'linf' or 'l2'.")


def attack(
    model: nn.Module,
    X: Tensor,
    y: Tensor,
    eps: float,
    norm: str = "linf",
    *,
    steps: int = 40,
    seed: int = 0,
) -> Tensor:
    """Look for the change within the ball that lowers the margin most: projected gradient descent.

    It starts at a random place of the ball, steps downhill and comes back to the ball whenever it
    has left it. That it finds nothing proves nothing.

    Args:
        model: any network.
        X: inputs (n, features).
        y: the right classes (n,).
        eps: the radius.
        norm: "linf" or "l2".
        steps: of descent, at least 1; their lengths shrink from 0.4 eps to nothing.
        seed: of the starting place.

    Returns:
        The change with the lowest margin met on the way, or none: (n, features) or (S, n, ...).

    Raises:
        ValueError: as `project` and `margins`.

    Source: Madry et al. (2018).
    """
    X = _inputs(model, X)
    best, lowest = torch.zeros_like(X), margins(model(X), y).detach()
    noise = torch.randn(X.shape, generator=torch.Generator().manual_seed(seed)).to(X)
    delta = project(eps * noise, eps, norm)
    for step in range(steps + 1):
        delta.requires_grad_(True)
        margin = margins(model(X + delta), y)
        (slope,) = torch.autograd.grad(margin.sum(), delta)
        better = margin.detach() < lowest
        lowest = torch.where(better, margin.detach(), lowest)
        best = torch.where(better.unsqueeze(-1), delta.detach(), best)
        downhill = -slope.sign() if norm == "linf" else -_unit(slope)
        delta = project(delta.detach() + 0.4 * eps * (1 - step / steps) * downhill, eps, norm)
    return best


def surviving(
    model: nn.Module, X: Tensor, y: Tensor, eps: float, norm: str = "linf", **how: int
) -> Tensor:
    """Tell which predictions are right and stay so under the attack: bool (n,) or (S, n).

    Arguments and errors as `attack`.
    """
    delta = attack(model, X, y, eps, norm, **how)
    return margins(model(X + delta), y) > 0
