"""Replicas: many copies of one network trained at once, as one batched computation.

Ten seeds of a small network, one after another, keep a processor waiting: each step is a few dozen
operations on tiny matrices, and calling them costs more than doing them. Stacked along a first
axis, the ten do the same operations on ten times as much. `Replicas` is a network whose weights
are (S, out, in): everything that works on a model works on it, and the names are the same.

Training is written out by hand, forward and back, on one flat buffer for all weights: the chain
rule of a multilayer perceptron is six lines, and autograd's bookkeeping took most of the time.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from course_lib.masks import Mask
from course_lib.training.examples import checked_seeds, described, is_pair, seeded
from course_lib.training.fit import NOTHING, StepHook, check_mask
from course_lib.training.models import mlp
from course_lib.training.recipe import Recipe, batches, check_recipe


class ReplicatedLinear(nn.Linear):
    """S linear layers side by side: weight (S, out, in), bias (S, out)."""

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        nn.Module.__init__(self)
        _, self.out_features, self.in_features = weight.shape
        self.weight, self.bias = nn.Parameter(weight), nn.Parameter(bias)

    def forward(self, X: Tensor) -> Tensor:
        """Map (n, in), the same for all, or (S, n, in) to (S, n, out)."""
        X = X.expand(len(self.weight), *X.shape[-2:])
        return torch.baddbmm(self.bias.unsqueeze(1), X, self.weight.mT)


class Replicas(nn.Sequential):
    """S copies of one multilayer perceptron, with their own weights, as a single network.

    Args:
        models: S networks of the same shape, Linear layers with ReLU between them, such as `mlp`
            makes. They are copied.

    Raises:
        ValueError: no models, models of different shapes, or other layers.

    Examples:
        >>> model = Replicas.of((40, 100, 10), seeds=[0, 1, 2])
        >>> model.count, tuple(model[0].weight.shape)
        (3, (3, 100, 40))
        >>> tuple(model(torch.zeros(5, 40)).shape)
        (3, 5, 10)
        >>> model.replica(1)
        Sequential(
          (0): Linear(in_features=40, out_features=100, bias=True)
          (1): ReLU()
          (2): Linear(in_features=100, out_features=10, bias=True)
        )
    """

    def __init__(self, models: Sequence[nn.Module]) -> None:
        shapes = [[tuple(p.shape) for p in model.parameters()] for model in models]
        if not models or any(shape != shapes[0] for shape in shapes):
            raise ValueError(
                f"models: given {len(models)} with parameters {shapes[:2]}, expected at least one, "
                "and all of the same shape."
            )
        for model in models:
            layers = list(model.children())
            kinds = [type(layer) for layer in layers]
            if kinds != ([nn.Linear, nn.ReLU] * len(layers))[: len(layers)] or len(kinds) % 2 == 0:
                raise ValueError(
                    f"models: given layers {[kind.__name__ for kind in kinds]}, expected Linear, "
                    "ReLU, ..., Linear. Train other networks one by one with `fit`."
                )
        super().__init__()
        # All weights lie in one buffer, (S, P): a step of the optimiser is a few operations.
        rows = [torch.cat([p.detach().flatten() for p in model.parameters()]) for model in models]
        self._flat = torch.stack(rows)
        self._sizes = [p.numel() for p in models[0].parameters()]
        views = self.views(self._flat, shapes[0])
        for number, _ in enumerate(models[0].children()):
            if number % 2 == 0:
                self.append(ReplicatedLinear(views[number], views[number + 1]))
            else:
                self.append(nn.ReLU())

    @classmethod
    def of(cls, sizes: Sequence[int], seeds: Sequence[int], gain: float = 1.0) -> "Replicas":
        """Make one `mlp` for each seed."""
        return cls([mlp(sizes, seed, gain) for seed in seeds])

    @property
    def layers(self) -> list[ReplicatedLinear]:
        """The layers that have weights."""
        return [layer for layer in self.children() if isinstance(layer, ReplicatedLinear)]

    @property
    def count(self) -> int:
        """How many replicas there are."""
        return len(self._flat)

    def replica(self, number: int) -> nn.Sequential:
        """Return one of them as an ordinary network, a copy."""
        parts: list[nn.Module] = []
        for layer in self.layers:
            own = nn.Linear(layer.in_features, layer.out_features, device="meta")  # not filled
            for name, stacked in layer.named_parameters():
                setattr(own, name, nn.Parameter(stacked.detach()[number].clone()))
            parts += [own, nn.ReLU()]
        return nn.Sequential(*parts[:-1])

    def views(self, flat: Tensor, shapes: Sequence[tuple[int, ...]]) -> list[Tensor]:
        """Return the parts of a flat buffer (S, P) as (S, *shape) for each shape."""
        parts = flat.split(self._sizes, dim=1)
        return [part.view(len(flat), *s) for part, s in zip(parts, shapes, strict=True)]

    def __getstate__(self) -> object:
        _ = self.flat  # laid out anew, so that equal replicas have equal states
        return object.__getstate__(self)

    @property
    def flat(self) -> Tensor:
        """All parameters, (S, P): the buffer that the layers look into."""
        first = self.layers[0].weight
        if first.data_ptr() != self._flat.data_ptr() or first.dtype != self._flat.dtype:
            # A copy or a change of type has given every layer its own memory: lay it out again.
            rows = [p.detach().flatten(1) for p in self.parameters()]
            self._flat = torch.cat(rows, dim=1)
            shapes = [tuple(p.shape[1:]) for p in self.parameters()]
            for p, view in zip(self.parameters(), self.views(self._flat, shapes), strict=True):
                p.data = view
        return self._flat


def apart(model: nn.Module, mask: Mask) -> list[tuple[nn.Module, Mask]]:
    """Return a network with its mask; of `Replicas` a copy of each, with its own part of the mask.

    Raises:
        ValueError: the mask is not one of so many replicas.
    """
    if not isinstance(model, Replicas):
        return [(model, mask)]
    masks = mask.unstacked()
    if len(masks) != model.count:
        raise ValueError(
            f"mask: given one of {len(masks)} networks, expected one of {model.count}, as many as "
            "there are replicas. Make it with Mask.ones_like(model)."
        )
    return [(model.replica(number), own) for number, own in enumerate(masks)]


def together(model: nn.Module, masks: Sequence[Mask]) -> Mask:
    """Return the one mask of a network, or those of each of the replicas put together."""
    return Mask.stacked(masks) if isinstance(model, Replicas) else masks[0]


def copies(model: nn.Module) -> int:
    """Return how many networks a model is: 1, or as many as there are replicas."""
    return model.count if isinstance(model, Replicas) else 1


def fit_replicas(
    model: Replicas,
    data: tuple[Tensor, Tensor],
    recipe: Recipe,
    *,
    seeds: Sequence[int],
    lr: Tensor | None = None,
    mask: Mask | None = None,
    start: int = 0,
    stop: int | None = None,
    on_step: StepHook | None = None,
) -> None:
    """Train all replicas at once, in place; each as `fit` would train it alone.

    Args:
        model: the replicas.
        data: a pair (X, y): examples X (n, features), the same for all, and classes y (n,), or
            (S, n) where each replica learns labels of its own. The loss is cross-entropy.
        recipe: how.
        seeds: of the batches, one for each replica.
        lr: peak learning rates (S,), in place of the recipe's.
        mask: entries (S, out, in), one mask for each replica.
        start: the step to begin with; the optimiser begins without memory.
        stop: the step to end before.
        on_step: as in `fit`.

    Parameters that require no gradient stay as they are, but for what the mask prunes.

    Raises:
        TypeError: data, recipe, seeds, rates or mask of another kind.
        ValueError: the number of seeds, rates or rows of labels is not that of the replicas; no
            examples, or classes that are not the network's; nothing can be trained; steps that are
            not the recipe's; or the mask does not fit.

    Examples:
        >>> X = torch.rand(200, 2, generator=torch.Generator().manual_seed(0))
        >>> y = (X[:, 0] > X[:, 1]).long()
        >>> model = Replicas.of((2, 16, 2), seeds=[0, 1])
        >>> fit_replicas(model, (X, y), Recipe(steps=200, batch=32), seeds=[0, 1])
        >>> (model(X).argmax(dim=-1) == y).double().mean(dim=1) > 0.95
        tensor([True, True])
    """
    check_recipe(recipe)
    seeds = checked_seeds(seeds)
    X, y = _pair(data, model)
    if lr is not None and not isinstance(lr, Tensor):
        raise TypeError(f"lr: given {lr!r}, expected a tensor (S,). Write torch.tensor(...).")
    end = recipe.check_steps(start, stop)
    count = model.count
    for name, given in (("seeds", len(seeds)), ("lr", count if lr is None else lr.numel())):
        if given != count:
            raise ValueError(f"{name}: given {given}, expected {count}, one for each replica.")
    if y.ndim == 2 and len(y) != count:
        raise ValueError(f"y: given {len(y)} rows of labels, expected {count}, or one for all.")
    if not any(p.requires_grad for p in model.parameters()):
        raise ValueError(NOTHING)
    step = _Step(model, recipe, lr)
    step.hold(mask)
    order = torch.stack([batches(len(X), recipe, seed) for seed in seeds], dim=1)
    labels = y.expand(count, -1)
    silence = seeded(seeds[0])
    for t in range(start, end):
        chosen = order[t]
        torch.index_select(X, 0, chosen.flatten(), out=step.drawn.view(-1, X.shape[1]))
        step.gradient(labels.gather(1, chosen), silence)
        step.update(recipe.rate(t) / recipe.lr if recipe.lr else 0.0)
        renewed = on_step(t + 1) if on_step else None
        check_mask(renewed, "on_step")
        if renewed is not None:
            mask = renewed
            step.hold(mask)
    if mask is not None:
        mask.apply_(model)  # zero even where training diverged to NaN


def _pair(data: object, model: Replicas) -> tuple[Tensor, Tensor]:
    """Return examples and classes; raises TypeError or ValueError for other data."""
    if not (is_pair(data) and isinstance(data[0], Tensor)):
        raise TypeError(
            f"data: given a {type(data).__name__}, expected a pair (X, y) of tensors: Replicas "
            "draw their batches from it. Train one network at a time with `fit`."
        )
    X, y = data
    features, classes = model.layers[0].in_features, model.layers[-1].out_features
    if X.ndim != 2 or X.shape[1] != features or y.ndim not in (1, 2) or y.shape[-1] != len(X):
        raise ValueError(
            f"data: given X {tuple(X.shape)} and y {tuple(y.shape)}, expected (n, {features}) and "
            "(n,), or (replicas, n). Put examples along the first axis of X."
        )
    dtype, device = model.flat.dtype, model.flat.device
    if X.dtype != dtype or y.dtype != torch.int64 or not X.device == y.device == device:
        raise TypeError(
            f"data: given X {described(X)} and y {described(y)}, expected {dtype} and torch.int64, "
            f"both on {device}, as the replicas are. Convert with .to(...)."
        )
    if y.numel() and not 0 <= int(y.min()) <= int(y.max()) < classes:
        raise ValueError(
            f"y: given classes from {y.min()} to {y.max()}, expected 0 to {classes - 1}: the "
            f"replicas give {classes} logits."
        )
    return X, y


class _Step:
    """One step of gradient descent for all replicas: buffers made once, arithmetic in place."""

    def __init__(self, model: Replicas, recipe: Recipe, lr: Tensor | None) -> None:
        self.model, self.recipe = model, recipe
        self.flat = model.flat
        self.shapes = [tuple(p.shape[1:]) for p in model.parameters()]
        self.grad = torch.zeros_like(self.flat)
        self.first = torch.zeros_like(self.flat)  # momentum, or Adam's average of gradients
        self.second = torch.zeros_like(self.flat) if recipe.optimiser == "adam" else None
        self.count = 0
        rates = torch.full((model.count,), recipe.lr) if lr is None else lr
        self.lr = rates.to(self.flat.dtype).unsqueeze(1)
        self.same = bool((self.lr == self.lr[0]).all())
        self.peak = float(rates.double()[0]) if lr is not None else recipe.lr
        parameters = model.views(self.flat, self.shapes)
        gradients = model.views(self.grad, self.shapes)
        self.W, self.b = parameters[::2], parameters[1::2]
        self.dW, self.db = gradients[::2], gradients[1::2]
        self.decayed = torch.zeros_like(self.flat)  # 1 for weights, 0 for biases
        for part in model.views(self.decayed, self.shapes)[::2]:
            part.fill_(1)
        self.kept: Tensor | None = None
        trained = [p.requires_grad for p in model.parameters()]
        self.frozen = [g for g, free in zip(gradients, trained, strict=True) if not free]
        # Memory for what passes forward and back: asking the system for it at every step is slow.
        shape = (model.count, recipe.batch)
        self.drawn = self.flat.new_empty(*shape, self.W[0].shape[2])
        self.outputs = [self.flat.new_empty(*shape, W.shape[1]) for W in self.W]
        self.deltas = [self.flat.new_empty(*shape, W.shape[1]) for W in self.W[:-1]]
        self.minus_one = self.flat.new_full((*shape, 1), -1.0)

    def hold(self, mask: Mask | None) -> None:
        """Hold the weights that the mask prunes at zero, and forget what drove them."""
        check_mask(mask)
        if mask is None or not len(mask):
            return
        mask.apply_(self.model)
        kept = torch.ones_like(self.flat)
        names = [name for name, _ in self.model.named_parameters()]
        places = dict(zip(names, self.model.views(kept, self.shapes), strict=True))
        for name, entry in mask.items():
            places[name].copy_(entry)
        self.kept = kept
        self.first.mul_(kept)
        if self.second is not None:
            self.second.mul_(kept)

    @torch.no_grad()
    def gradient(self, y: Tensor, silence: torch.Generator) -> None:
        """Write the gradient of the mean cross-entropy of what was drawn, by the chain rule."""
        inputs, survived = [self.drawn], []
        last = len(self.W) - 1
        for layer, (W, b) in enumerate(zip(self.W, self.b, strict=True)):
            z = torch.baddbmm(b.unsqueeze(1), inputs[-1], W.mT, out=self.outputs[layer])
            if layer < last:
                z.relu_()
                if self.recipe.dropout:
                    kept = torch.rand(z.shape, generator=silence) >= self.recipe.dropout
                    survived.append(kept.to(z.dtype).div_(1 - self.recipe.dropout))
                    z.mul_(survived[-1])
                inputs.append(z)
        # Softmax and cross-entropy: the derivative is the probabilities, minus 1 at the right one.
        delta = z.sub_(z.amax(dim=-1, keepdim=True)).exp_()
        delta.div_(delta.sum(dim=-1, keepdim=True))
        delta.scatter_add_(-1, y.unsqueeze(-1), self.minus_one)
        delta.div_(y.shape[-1])
        for layer in range(last, -1, -1):
            torch.bmm(delta.mT, inputs[layer], out=self.dW[layer])
            torch.sum(delta, dim=1, out=self.db[layer])
            if layer:
                behind = torch.bmm(delta, self.W[layer], out=self.deltas[layer - 1])
                if survived:
                    behind.mul_(survived[layer - 1])
                delta = torch.ops.aten.threshold_backward.grad_input(
                    behind, inputs[layer], 0, grad_input=behind
                )

    @torch.no_grad()
    def update(self, factor: float) -> None:
        """Take the step of SGD with momentum, or of Adam, at a factor of the peak rate."""
        recipe, grad = self.recipe, self.grad
        if recipe.weight_decay:
            grad.addcmul_(self.flat, self.decayed, value=recipe.weight_decay)
        if recipe.l1:
            grad.addcmul_(self.flat.sign(), self.decayed, value=recipe.l1)
        if self.kept is not None:
            grad.mul_(self.kept)
        for part in self.frozen:
            part.zero_()
        self.count += 1
        if self.second is None:
            self.first.mul_(recipe.momentum).add_(grad)
            self._move(self.first, factor)
        else:
            self.first.lerp_(grad, 0.1)
            self.second.mul_(0.999).addcmul_(grad, grad, value=0.001)
            root = (self.second / (1 - 0.999**self.count)).sqrt_().add_(1e-8)
            self._move(self.first / root, factor / (1 - 0.9**self.count))

    def _move(self, direction: Tensor, factor: float) -> None:
        if self.same:
            self.flat.add_(direction, alpha=-self.peak * factor)
        else:
            self.flat.addcmul_(direction, self.lr, value=-factor)
