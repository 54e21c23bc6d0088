"""A network ready to be scored, and its slopes: of a whole batch, or of single examples.

What criteria and curvatures share. A network is scored as it is used, by its prunable weights, in
evaluation mode, and is left as it was.
"""

import copy
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.modules.batchnorm import _BatchNorm

from course_lib.masks import prunable
from course_lib.training import examples
from course_lib.training.examples import Batch, Examples, Loss, examples_in, mapped, rows
from course_lib.training.replicas import Replicas

Scores = dict[str, Tensor]
CHUNK = 1 << 24  # numbers that one batched computation may hold at once


@dataclass(frozen=True)
class Scored:
    """A network ready to be scored, its prunable weights, and what it is scored by."""

    model: nn.Module
    weights: dict[str, Tensor]
    data: Examples
    loss: Loss
    dtype: torch.dtype | None  # of a copy, to which examples are converted
    count: int  # examples
    width: int  # the lengths of all axes of a batch's inputs

    def batches(self) -> Iterator[Batch]:
        """Go through the batches, where the network is and in its precision."""
        for inputs, targets in examples.batches_of(self.data):
            yield mapped(self._fitting, inputs), mapped(self._fitting, targets)

    def _fitting(self, X: Tensor) -> Tensor:
        devices = {w.device for w in self.weights.values()}
        X = X.to(devices.pop()) if len(devices) == 1 else X
        X = X.clone() if X.is_inference() else X
        return X.to(self.dtype) if self.dtype is not None and X.is_floating_point() else X

    def loss_of(self, batch: Batch) -> Tensor:
        """Return the mean loss of a batch."""
        return examples.mean_of(self.loss, examples.answer(self.model, batch[0]), batch[1])

    def mean(self, of: Callable[[Batch], Tensor]) -> Tensor:
        """Return the mean over all examples of what is a mean over those of a batch."""
        found, seen = torch.zeros(()), 0
        for batch in self.batches():
            value, count = of(batch), examples_in(batch)
            found = found + (value - found) * (count / (seen + count)) if seen else value
            seen += count
        return found


@contextmanager
def scored(
    model: nn.Module, data: Examples | None, loss: Loss, dtype: torch.dtype | None = None
) -> Iterator[Scored]:
    """Make a network ready to be scored, and leave it as it was.

    A copy is scored if another precision is asked for, or the network's own is a half.

    Raises:
        TypeError: Replicas, data or a loss of another kind.
        ValueError: no examples, or a network that cannot be copied.
    """
    if isinstance(model, Replicas):
        raise TypeError(
            "model: given Replicas, whose copies each have scores of their own, expected a single "
            "network. Write model.replica(0), or let prune_model score them all."
        )
    if data is None:
        raise TypeError("data: given None, but this criterion looks at examples. Give (X, y).")
    examples.check_loss(loss)
    weights = prunable(model)
    if dtype is None and any(w.dtype in (torch.float16, torch.bfloat16) for w in weights.values()):
        dtype = torch.float32
    count = width = 0
    for batch in examples.batches_of(data):
        count += examples_in(batch)
        width = max(width, sum(sum(X.shape) for X in examples.tensors_in(batch[0])))
    with torch.inference_mode(False), torch.enable_grad():
        if dtype is not None or any(w.is_inference() for w in weights.values()):
            model = _copied(model, dtype)
            named = dict(model.named_parameters())
            weights = {name: named[name] for name in weights}
        frozen = [w for w in weights.values() if not w.requires_grad]
        with _evaluating(model):
            try:
                for w in frozen:
                    w.requires_grad_(True)
                yield Scored(model, weights, data, loss, dtype, count, width)
            finally:
                for w in frozen:
                    w.requires_grad_(False)


def _copied(model: nn.Module, dtype: torch.dtype | None) -> nn.Module:
    """Return a copy of another precision; ValueError for a network that cannot be copied."""
    try:
        return copy.deepcopy(model).to(dtype)
    except RuntimeError as error:
        raise ValueError(
            f"model: it cannot be copied, to be scored in {dtype} ({error}). Does it keep what a "
            "forward pass computed as an attribute? Delete that, or store it detached."
        ) from error


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    """Score a network as it is used, and leave every layer in the mode it was in.

    Attention is computed by its formula, since its fast forms know no second derivatives; what is
    compiled runs as it was written, since only that can be differentiated example by example.
    """
    modes = [(module, module.training) for module in model.modules()]
    fast = torch.backends.mha.get_fastpath_enabled()
    with ExitStack() as stack:
        stack.callback(torch.backends.mha.set_fastpath_enabled, fast)
        for module, mode in modes:
            stack.callback(setattr, module, "training", mode)
        torch.backends.mha.set_fastpath_enabled(False)
        model.eval()
        if any(hasattr(m, "_orig_mod") or m._compiled_call_impl is not None for m, _ in modes):
            stack.enter_context(torch.compiler.set_stance("force_eager"))
        stack.enter_context(sdpa_kernel(SDPBackend.MATH))
        yield


def slopes_of(value: Tensor, weights: Mapping[str, Tensor], *, again: bool = False) -> Scores:
    """Return the gradient; zero for weights that the value does not depend on.

    Raises:
        ValueError: it depends on none of them, and so was cut off from the network.
    """
    check_slope(value)
    found = torch.autograd.grad(
        value, list(weights.values()), create_graph=again, allow_unused=True, materialize_grads=True
    )
    return dict(zip(weights, found, strict=True))


def check_slope(value: Tensor) -> None:
    """Raise ValueError for a value that was cut off from the network."""
    if not value.requires_grad:
        raise ValueError(
            "loss: no slope leads from it to any prunable weight of the network. Is there a "
            "detach(), .data or torch.no_grad() in the network or in the loss?"
        )


def mean_gradients(task: Scored) -> Scores:
    """Return the gradient of the mean loss; nothing is added to what the weights already hold."""
    slope = task.mean(lambda batch: joined(slopes_of(task.loss_of(batch), task.weights)))
    return parted(slope, task.weights)


def example_gradients(task: Scored) -> Iterator[Scores]:
    """Yield the gradients of single examples, (chunk, *shape) for each weight."""

    def one(values: Scores, x: Any, label: Any) -> Tensor:
        return examples.mean_of(task.loss, as_if(task.model, values, as_batch(x)), as_batch(label))

    def each(values: Scores, batch: Batch) -> Scores:
        return vmap(grad(one), in_dims=(None, 0, 0))(values, *batch)  # type: ignore[no-any-return]

    def plainly(batch: Batch) -> Scores:
        found = [slopes_of(task.loss_of(example), task.weights) for example in one_by_one(batch)]
        return {name: torch.stack([g[name] for g in found]) for name in task.weights}

    check_apart(task.model)
    return together_or_plainly(task, each, plainly, sum(w.numel() for w in task.weights.values()))


def together_or_plainly(
    task: Scored,
    each: Callable[[Scores, Batch], Scores],
    plainly: Callable[[Batch], Scores],
    numbers: int,
) -> Iterator[Scores]:
    """Yield what is asked of single examples, chunk by chunk: many at once, or in a plain loop.

    Not every network can be differentiated for many examples at once (not those that look at their
    numbers, nor all recurrent ones), and some answer wrongly, because they keep their weights in a
    second place. So the first two examples are asked both ways, and the loop decides.
    """
    values = {name: w.detach() for name, w in task.weights.items()}
    together = None
    for batch in task.batches():
        for begin in range(0, examples_in(batch), size := max(1, CHUNK // numbers)):
            some = rows(batch, slice(begin, begin + size))
            if together is None:
                few = rows(some, slice(0, 2))
                together = alike(partial(each, values), plainly, few)
            if together:
                with at_once():
                    found = each(values, some)
            else:
                found = plainly(some)
            yield {name: part.detach() for name, part in found.items()}


def check_apart(model: nn.Module) -> None:
    """Raise ValueError for a network in which a single example has no answer of its own."""
    found = [name for name, layer in model.named_modules() if looks_around(layer)]
    if found:
        raise ValueError(
            f"model: {found} normalise by the batch at hand, having no running averages, so single "
            "examples cannot be scored. Make them with track_running_stats=True, or take a "
            "criterion of whole batches, as first_order."
        )


def looks_around(layer: nn.Module) -> bool:
    """Tell whether a layer in evaluation mode lets every example change what others give."""
    return isinstance(layer, _BatchNorm) and layer.running_mean is None


def alike(one: Callable[[Any], Scores], other: Callable[[Any], Scores], given: Any) -> bool:
    """Tell whether two ways give the same but for rounding; False if the first fails."""
    try:
        with at_once():
            found = one(given)
    except Exception:  # of any kind: the other way will say what is wrong, if something is
        return False
    wanted = other(given)
    if any(w.is_meta for w in wanted.values()):
        return True
    whole = joined(wanted).norm()
    return all(
        bool((found[name] - w).norm() <= 1e-2 * w.norm() + 1e-5 * whole) or not whole.isfinite()
        for name, w in wanted.items()
    )


@contextmanager
def at_once() -> Iterator[None]:
    """Differentiate for many examples at once: no slopes of biases, no word on what is slow."""
    with torch.no_grad(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "There is a performance drop")
        yield


def as_if(model: nn.Module, values: Scores, inputs: Any) -> Any:
    """Call a network as if its weights had these values, wherever it uses them."""
    put = {place: values[name] for name in values for place in _users(model)[name]}
    by_name = isinstance(inputs, Mapping)
    given = () if by_name else tuple(inputs) if isinstance(inputs, list) else inputs
    # Ties are told one by one: torch's own way leaves a module that stands in two places changed.
    return functional_call(model, put, given, dict(inputs) if by_name else {}, tie_weights=False)


def _users(model: nn.Module) -> dict[str, list[str]]:
    """Return for each parameter its names, one for every module that holds it."""
    names: dict[int, dict[tuple[int, str], str]] = {}
    for path, module in model.named_modules(remove_duplicate=False):
        for own, parameter in module.named_parameters(path, recurse=False):
            place = (id(module), own.rpartition(".")[2])  # whatever the module is called
            names.setdefault(id(parameter), {}).setdefault(place, own)
    first = {id(parameter): name for name, parameter in model.named_parameters()}
    return {first[key]: list(found.values()) for key, found in names.items()}


def as_batch(part: Any) -> Any:
    """Make a batch of one from what vmap took out of a batch."""
    return mapped(lambda X: X.unsqueeze(0), part)


def one_by_one(batch: Batch) -> Iterator[Batch]:
    """Go through the examples of a batch, each a batch of its own."""
    return (rows(batch, slice(i, i + 1)) for i in range(examples_in(batch)))


def is_number(X: Tensor) -> bool:
    """Tell numbers from names and switches."""
    return X.is_floating_point()


def numbers_in(part: Any) -> list[Tensor]:
    """Return the tensors of numbers among inputs or outputs."""
    return [X for X in examples.tensors_in(part) if is_number(X)]


def joined(weights: Mapping[str, Tensor]) -> Tensor:
    """Return all weights as one vector (P,), in their order, each row by row."""
    return torch.cat([w.flatten() for w in weights.values()])


def parted(flat: Tensor, weights: Mapping[str, Tensor]) -> Scores:
    """Return a vector (P,) as tensors of the shapes of the weights: undoes `joined`."""
    parts = flat.split([w.numel() for w in weights.values()])
    return {n: part.view(w.shape) for (n, w), part in zip(weights.items(), parts, strict=True)}
