"""Small networks of the kinds that every criterion must take, and data for them."""

import copy
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

Data = Any  # (inputs, targets), or an iterable of such pairs


@dataclass(frozen=True)
class Case:
    """A small network in float64 and data for it.

    Attributes:
        name: what the sentences call it.
        model: the network.
        inputs: a tensor, or a tuple or dictionary of tensors; examples along the first axis.
        targets: what the loss compares its outputs with.
    """

    name: str
    model: nn.Module
    inputs: Any
    targets: Tensor

    @property
    def data(self) -> tuple[Any, Tensor]:
        """The pair that a criterion is given."""
        return self.inputs, self.targets


class _Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm = nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)
        self.second, self.head = nn.Conv2d(2, 2, 3, padding=1), nn.Linear(8, 3)
        self.norm.running_mean = torch.tensor([0.1, -0.2])
        self.norm.running_var = torch.tensor([0.5, 2.0])

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.norm(self.first(x)))
        out: Tensor = self.head((x + self.second(x)).flatten(1))
        return out


class _Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.head = nn.LSTM(3, 2, batch_first=True), nn.Linear(2, 3)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.lstm(x)[0][:, -1])
        return out


class _Attentive(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.words, self.head = nn.Embedding(5, 4), nn.Linear(4, 3)
        self.attention = nn.MultiheadAttention(4, 2, batch_first=True)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.words(tokens)
        out: Tensor = self.head(self.attention(x, x, x, need_weights=False)[0].mean(dim=1))
        return out


class _Unused(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.used, self.unused = nn.Linear(5, 3), nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.used(x)
        return out


class _Two(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Linear(5, 3), nn.Linear(2, 3)

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        out: Tensor = torch.tanh(self.left(a)) + self.right(b)
        return out


def _perceptron(classes: int = 3) -> nn.Module:
    return nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Dropout(0.5), nn.Linear(4, classes))


def _tied() -> nn.Module:
    model = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 3))
    model[2].weight = model[0].weight
    return model


def all_cases() -> Iterator[Case]:
    """Make the networks that every criterion must take, and data for them."""
    draw = torch.Generator().manual_seed(1)

    def numbers(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=draw, dtype=torch.float64)

    def whole(bound: int, *shape: int) -> Tensor:
        return torch.randint(0, bound, shape, generator=draw)

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made: list[tuple[str, nn.Module, Any]] = [
            ("a perceptron", _perceptron(), numbers(4, 5)),
            ("a convolutional network with a shortcut and a batch norm", _Residual(),
             numbers(4, 1, 4, 4)),
            ("two layers with one weight", _tied(), numbers(4, 3)),
            ("a network with a layer that it does not use", _Unused(), numbers(4, 5)),
            ("an LSTM", _Recurrent(), numbers(4, 2, 3)),
            ("attention over an embedding", _Attentive(), whole(5, 4, 2)),
            ("a network of two inputs", _Two(), (numbers(4, 5), numbers(4, 2))),
            ("a network of two inputs by name", _Two(), {"a": numbers(4, 5), "b": numbers(4, 2)}),
        ]  # fmt: skip
        for name, model, inputs in made:
            yield Case(name, model.double().eval(), inputs, whole(3, 4))


def each(inputs: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """Change every tensor of inputs, whatever holds them."""
    if isinstance(inputs, dict):
        return {name: change(tensor) for name, tensor in inputs.items()}
    if isinstance(inputs, tuple):
        return tuple(map(change, inputs))
    return change(inputs)


def converted(case: Case, dtype: torch.dtype) -> Case:
    """Return a copy in another type of numbers, data and all."""
    inputs = each(case.inputs, lambda x: x.to(dtype) if x.is_floating_point() else x)
    return Case(case.name, copy.deepcopy(case.model).to(dtype), inputs, case.targets)


class _Batches:
    """What a DataLoader is: something to go through, again and again; no list, no length."""

    def __init__(self, batches: Iterable[Data]) -> None:
        self.batches = list(batches)

    def __iter__(self) -> Iterator[Data]:
        return iter(self.batches)


def batches(case: Case) -> _Batches:
    """Return the data in batches of different sizes."""

    def part(begin: int, end: int) -> tuple[Any, Tensor]:
        return each(case.inputs, lambda x: x[begin:end]), case.targets[begin:end]

    return _Batches([part(0, 3), part(3, 4)])
