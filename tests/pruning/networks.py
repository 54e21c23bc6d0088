"""Some forty small networks of the kinds that people bring, and data for each.

The table of `test_networks.py` runs every public function on each of them. To see it filled:

    python tests/pruning/networks.py
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss
from torch.nn.utils import prune

EXAMPLES = 6


@dataclass(frozen=True)
class Network:
    """A kind of network.

    Attributes:
        name: of the row in the table.
        make: makes it, the same at every call, in training mode as torch does.
        inputs: makes the inputs, examples along the first axis.
        names: the weights that pruning may touch, written down by hand.
        classes: how many outputs it has.
        dtype: of its numbers.
        device: where it lies.
        loss: what its outputs and targets are compared by.
        sparse: the weights that `sparsify` is asked to make sparse, if not all of `names`.
        units: a layer with hidden units, by name, for `structured`.
    """

    name: str
    make: Callable[[], nn.Module]
    inputs: Callable[[], Any]
    names: tuple[str, ...]
    classes: int = 3
    dtype: torch.dtype = torch.float32
    device: str = "cpu"
    loss: Callable[[Tensor, Tensor], Tensor] = cross_entropy
    sparse: tuple[str, ...] | None = None
    units: str = ""

    def model(self, seed: int = 0) -> nn.Module:
        """Make the network."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return self.make().to(self.dtype).to(self.device)

    def data(self) -> tuple[Any, Tensor]:
        """Make inputs and targets."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(1)
            inputs = each(self.inputs(), lambda x: x.to(self.dtype) if x.is_floating_point() else x)
            if self.loss is mse_loss:
                targets = torch.randn(EXAMPLES, self.classes, dtype=self.dtype)
            else:
                targets = torch.randint(0, self.classes, (EXAMPLES,))
            return each(inputs, lambda x: x.to(self.device)), targets.to(self.device)


def each(inputs: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """Change every tensor of inputs, whatever holds them."""
    if isinstance(inputs, dict):
        return {name: change(tensor) for name, tensor in inputs.items()}
    return tuple(map(change, inputs)) if isinstance(inputs, tuple) else change(inputs)


def output(model: nn.Module, inputs: Any) -> Any:
    """Call a network on inputs of any form."""
    if isinstance(inputs, dict):
        return model(**inputs)
    return model(*inputs) if isinstance(inputs, tuple) else model(inputs)


def numbers(*shape: int) -> Callable[[], Tensor]:
    return lambda: torch.randn(EXAMPLES, *shape)


def tokens(bound: int, *shape: int) -> Callable[[], Tensor]:
    return lambda: torch.randint(0, bound, (EXAMPLES, *shape))


# The networks


def mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 3))


def alone() -> nn.Module:
    return nn.Linear(4, 3)


def tied() -> nn.Module:
    model = nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 3))
    model[2].weight = model[0].weight
    return model


class TiedHead(nn.Module):
    """A language model in small: the head has the weights of the embedding."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.body = nn.Embedding(4, 3), nn.Linear(3, 3)
        self.head = nn.Linear(3, 4, bias=False)
        self.head.weight = self.words.weight

    def forward(self, sentence: Tensor) -> Tensor:
        return self.head(torch.tanh(self.body(self.words(sentence).mean(dim=1))))


def twice() -> nn.Module:
    layer = nn.Linear(3, 3)
    return nn.Sequential(layer, nn.ReLU(), layer, nn.ReLU(), nn.Linear(3, 3))


def frozen() -> nn.Module:
    return mlp().requires_grad_(False)


def partly_frozen() -> nn.Module:
    model = mlp()
    model[0].requires_grad_(False)
    return model


class Unused(nn.Module):
    """A network with a layer that it does not use."""

    def __init__(self) -> None:
        super().__init__()
        self.used, self.unused = nn.Linear(4, 3), nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.used(x)


def cnn() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 2, 2), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3)
    )


def channels_last() -> nn.Module:
    return nn.Sequential(nn.Conv2d(2, 2, 2), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3)).to(
        memory_format=torch.channels_last
    )


class Residual(nn.Module):
    """Two convolutions, the second with a shortcut."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 2, 2), nn.BatchNorm2d(2), nn.ReLU())
        self.inner, self.norm = nn.Conv2d(2, 2, 3, padding=1, bias=False), nn.BatchNorm2d(2)
        self.head = nn.Linear(2, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        x = torch.relu(x + self.norm(self.inner(x)))
        return self.head(x.mean(dim=(2, 3)))


class Attention(nn.Module):
    """Self-attention, its answers averaged."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(2, 1, batch_first=True)
        self.head = nn.Linear(2, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.attention(x, x, x, need_weights=False)[0].mean(dim=1))


class Asking(nn.Module):
    """Attention to other things than what asks, which come in another width."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(2, 1, kdim=3, vdim=3, batch_first=True)
        self.head = nn.Linear(2, 3)

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return self.head(self.attention(a, b, b)[0].mean(dim=1))


class OwnMatrix(nn.Module):
    """A layer that nobody knows, which pruning leaves out, and one that it knows."""

    def __init__(self) -> None:
        super().__init__()
        self.own, self.head = nn.Parameter(torch.randn(3, 4)), nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.tanh(x @ self.own.T))


class Transformer(nn.Module):
    """One layer of a transformer's encoder."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(2, 1, 3, dropout=0.0, batch_first=True)
        self.head = nn.Linear(2, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.layer(x).mean(dim=1))


class Recurrent(nn.Module):
    """A recurrent layer, read at its end."""

    def __init__(self, kind: type[nn.RNNBase]) -> None:
        super().__init__()
        self.layer, self.head = kind(2, 2, batch_first=True), nn.Linear(2, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.layer(x)[0][:, -1])


class Cell(nn.Module):
    """A recurrent cell, called by a loop of one's own."""

    def __init__(self) -> None:
        super().__init__()
        self.cell, self.head = nn.GRUCell(2, 2), nn.Linear(2, 3)

    def forward(self, x: Tensor) -> Tensor:
        state = x.new_zeros(len(x), 2)
        for moment in x.unbind(dim=1):
            state = self.cell(moment, state)
        return self.head(state)


class Words(nn.Module):
    """The mean of some words, and a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.head = nn.Embedding(4, 3), nn.Linear(3, 3)

    def forward(self, sentence: Tensor) -> Tensor:
        return self.head(self.words(sentence).mean(dim=1))


def torch_pruned() -> nn.Module:
    model = mlp()
    prune.l1_unstructured(model[0], "weight", amount=5)
    return model


def weight_normed() -> nn.Module:
    model = mlp()
    nn.utils.parametrizations.weight_norm(model[0])
    return model


def spectral_normed() -> nn.Module:
    model = mlp()
    nn.utils.spectral_norm(model[0])
    return model


def compiled() -> nn.Module:
    return torch.compile(mlp(), backend="eager")  # type: ignore[return-value]


def empty() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Tanh())


class OneWeight(nn.Module):
    """A single weight: the odds of two classes."""

    def __init__(self) -> None:
        super().__init__()
        self.slope = nn.Linear(1, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        z = self.slope(x)
        return torch.cat([z, torch.zeros_like(z)], dim=1)


def diverged() -> nn.Module:
    model = mlp()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(float("nan"))
    return model


def line() -> nn.Module:
    return nn.Sequential(nn.Conv1d(1, 2, 2), nn.ReLU(), nn.Flatten(), nn.Linear(6, 3))


def grown() -> nn.Module:
    return nn.Sequential(nn.ConvTranspose2d(1, 2, 2), nn.ReLU(), nn.Flatten(), nn.Linear(18, 2))


def depthwise() -> nn.Module:
    return nn.Sequential(nn.Conv2d(2, 4, 2, groups=2), nn.ReLU(), nn.Flatten(), nn.Linear(16, 2))


class Skip(nn.Sequential):
    """A Sequential by kind, but not by what it computes."""

    def forward(self, x: Tensor) -> Tensor:
        h = self[0](x)
        return self[2](self[1](h) - h)


def own_forward() -> nn.Module:
    return Skip(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 3))


def hooked() -> nn.Module:
    model = mlp()
    model[0].register_forward_hook(_negated)
    return model


def _negated(module: nn.Module, inputs: Any, found: Tensor) -> Tensor:
    return -found


class Named(nn.Module):
    """Called as a model of a library for language is: by the names of its inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.times, self.head = nn.Embedding(4, 2), nn.Linear(2, 2), nn.Linear(2, 3)

    def forward(self, *, input_ids: Tensor, times: Tensor) -> Tensor:
        return self.head(torch.relu(self.words(input_ids).mean(dim=1) + self.times(times)))


class Pair(nn.Module):
    """Two inputs, multiplied with each other."""

    def __init__(self) -> None:
        super().__init__()
        self.both, self.head = nn.Bilinear(2, 3, 2), nn.Linear(2, 3)

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return self.head(torch.tanh(self.both(a, b)))


def regularised() -> nn.Module:
    return nn.Sequential(nn.Linear(4, 3), nn.LayerNorm(3), nn.ReLU(), nn.Dropout(0.3),
                         nn.Linear(3, 3))  # fmt: skip


TWO = ("0.weight", "2.weight")
ENCODER = ("layer.self_attn.in_proj_weight", "layer.self_attn.out_proj.weight",
           "layer.linear1.weight", "layer.linear2.weight", "head.weight")  # fmt: skip
RECURRENT = ("layer.weight_ih_l0", "layer.weight_hh_l0", "head.weight")

NETWORKS = [
    Network("perceptron", mlp, numbers(4), TWO, units="0"),
    Network("float64", mlp, numbers(4), TWO, dtype=torch.float64, units="0"),
    Network("bfloat16", mlp, numbers(4), TWO, dtype=torch.bfloat16, units="0"),
    Network("float16", mlp, numbers(4), TWO, dtype=torch.float16, units="0"),
    Network("regression", mlp, numbers(4), TWO, loss=mse_loss, units="0"),
    Network("one layer", alone, numbers(4), ("weight",)),
    Network("one weight", OneWeight, numbers(1), ("slope.weight",), classes=2),
    Network("tied", tied, numbers(3), ("0.weight",), units="0"),
    Network("tied head", TiedHead, tokens(4, 2), ("body.weight",), classes=4),
    Network("one module twice", twice, numbers(3), ("0.weight", "4.weight"), units="0"),
    Network("frozen", frozen, numbers(4), TWO, units="0"),
    Network("partly frozen", partly_frozen, numbers(4), TWO, units="0"),
    Network("unused layer", Unused, numbers(4), ("used.weight", "unused.weight")),
    Network("CNN, batch norm", cnn, numbers(1, 3, 3), ("0.weight", "4.weight"), units="0"),
    Network("CNN, channels last", channels_last, numbers(2, 3, 3), ("0.weight", "3.weight"),
            units="0"),
    Network("CNN, residual", Residual, numbers(1, 3, 3),
            ("stem.0.weight", "inner.weight", "head.weight")),
    Network("CNN, depthwise", depthwise, numbers(2, 3, 3), ("0.weight", "3.weight"), classes=2),
    Network("CNN, transposed", grown, numbers(1, 2, 2), ("0.weight", "3.weight"), classes=2),
    Network("CNN, 1-D", line, numbers(1, 4), ("0.weight", "3.weight"), units="0"),
    Network("layer norm, dropout", regularised, numbers(4), ("0.weight", "4.weight")),
    Network("attention", Attention, numbers(3, 2),
            ("attention.in_proj_weight", "attention.out_proj.weight", "head.weight")),
    Network("attention to others", Asking, lambda: (numbers(3, 2)(), numbers(3, 3)()),
            ("attention.q_proj_weight", "attention.k_proj_weight", "attention.v_proj_weight",
             "attention.out_proj.weight", "head.weight")),
    Network("own matrix", OwnMatrix, numbers(4), ("head.weight",)),
    Network("transformer", Transformer, numbers(3, 2), ENCODER,
            sparse=("layer.linear1.weight", "layer.linear2.weight")),
    Network("LSTM", lambda: Recurrent(nn.LSTM), numbers(3, 2), RECURRENT),
    Network("GRU", lambda: Recurrent(nn.GRU), numbers(3, 2), RECURRENT),
    Network("recurrent cell", Cell, numbers(3, 2),
            ("cell.weight_ih", "cell.weight_hh", "head.weight")),
    Network("embedding", Words, tokens(4, 2), ("head.weight",)),
    Network("inputs by name", Named,
            lambda: {"input_ids": tokens(4, 2)(), "times": numbers(2)()},
            ("times.weight", "head.weight")),
    Network("two inputs", Pair, lambda: (numbers(2)(), numbers(3)()),
            ("both.weight", "head.weight")),
    Network("own forward", own_forward, numbers(4), TWO, units="0"),
    Network("hooked", hooked, numbers(4), TWO, units="0"),
    Network("compiled", compiled, numbers(4), ("_orig_mod.0.weight", "_orig_mod.2.weight"),
            units="_orig_mod.0"),
    Network("pruned by torch", torch_pruned, numbers(4), TWO, units="0"),
    Network("weight norm", weight_normed, numbers(4), TWO, units="0"),
    Network("spectral norm", spectral_normed, numbers(4), TWO, units="0"),
    Network("diverged", diverged, numbers(4), TWO, units="0"),
    Network("empty", empty, numbers(3), ()),
    Network("on meta", mlp, numbers(4), TWO, device="meta", units="0"),
]  # fmt: skip
NETWORK = {network.name: network for network in NETWORKS}


def table() -> None:
    """Print the table filled: networks down, functions across, and the sentences of refusals."""
    from tests.pruning.calls import CALLS, outcome

    print("+ computed, - refused in our words, ! wrong\n")
    for number, call in enumerate(CALLS, start=1):
        print(f"{number:3} {call}")
    marks = {"computed": "+", "refused": "-", "wrong": "!"}
    told: dict[str, list[str]] = {kind: [] for kind in marks}
    for n in NETWORKS:
        print(f"\n{n.name:20} ", end="", flush=True)
        for call in CALLS:
            found = outcome(n, call)
            print(marks[found.kind], end="", flush=True)
            told[found.kind].append(f"{n.name}, {call}: {found.said}")
    for kind in ("wrong", "refused"):
        print(
            f"\n\n{len(told[kind])} of {len(NETWORKS) * len(CALLS)} {kind}:",
            *told[kind],
            sep="\n  ",
        )


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    table()
