"""Every public function of masks, pruning and sparse, called on a network and held to an oracle.

An oracle here shares nothing with what it judges: gradients are torch's own, by a plain backward
pass in float64; curvatures are differences of these; selections are sorts by numpy; training is a
loop of a few lines. A call that is right returns, one that is wrong raises AssertionError, and a
refusal is a ValueError or TypeError raised by the library itself, with nothing changed.
"""

import copy
import inspect
import itertools
import math
import pkgutil
import tempfile
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from functools import cache, cached_property
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

import course_lib
from course_lib import masks
from course_lib.masks import Mask, prunable
from course_lib.pruning import (
    criteria,
    curvature,
    cut,
    gradual,
    interop,
    rounds,
    store,
    structured,
    tickets,
)
from course_lib.pruning.testing import Snapshot
from course_lib.sparse import densify, refusals, sparsify
from course_lib.training.fit import Recipe, fit, hold
from course_lib.training.schedules import constant
from course_lib.training.trainer import Trainer
from tests.pruning.networks import EXAMPLES, NETWORK, Network, each, output

REPARAMETRISED = ("pruned by torch", "weight norm", "spectral norm")
RECIPE = Recipe(steps=4, lr=0.05, batch=4, momentum=0.0, schedule=constant)
TOLERANCE = {
    torch.float64: 1e-6,
    torch.float32: 2e-3,
    torch.float16: 2e-2,
    torch.bfloat16: 0.1,
}


# A network, and what is true of it


def weight(model: nn.Module, name: str) -> Tensor:
    """Return a weight by its name, whatever holds it."""
    path, _, own = name.rpartition(".")
    found = getattr(model.get_submodule(path), own)
    assert isinstance(found, Tensor)
    return found


class Truth:
    """What a network computes, in float64 and by brute force."""

    def __init__(self, network: Network) -> None:
        self.network = network
        model = network.model()
        plain = getattr(model, "_orig_mod", model)
        self.model = copy.deepcopy(plain).double().eval().requires_grad_(True)
        inputs, self.targets = network.data()
        self.inputs = each(inputs, lambda x: x.double() if x.is_floating_point() else x)
        if self.targets.is_floating_point():
            self.targets = self.targets.double()
        self.weights = {
            name: weight(self.model, name.removeprefix("_orig_mod.")) for name in network.names
        }
        self.flat = torch.cat(
            [torch.empty(0).double(), *(w.detach().flatten() for w in self.weights.values())]
        )

    def split(self, flat: Tensor) -> dict[str, Tensor]:
        """Return a vector of all weights as a tensor for each name."""
        parts = flat.split([w.numel() for w in self.weights.values()])
        pairs = zip(self.weights.items(), parts, strict=True)
        return {name: part.view(w.shape) for (name, w), part in pairs}

    def at(self, flat: Tensor) -> None:
        """Put values into the weights."""
        with torch.no_grad():
            for name, part in self.split(flat).items():
                self.weights[name].copy_(part)

    def loss(self, some: slice = slice(None)) -> Tensor:
        """Return the loss of some examples."""
        z = output(self.model, each(self.inputs, lambda x: x[some]))
        return self.network.loss(z, self.targets[some])

    def slope(self, value: Tensor) -> Tensor:
        """Return the derivative of a number in all weights."""
        own = list(self.weights.values())
        found = torch.autograd.grad(value, own, allow_unused=True)
        pairs = zip(own, found, strict=True)
        return torch.cat([(torch.zeros_like(w) if g is None else g).flatten() for w, g in pairs])

    @cached_property
    def gradient(self) -> Tensor:
        """The gradient of the loss, (P,)."""
        return self.slope(self.loss())

    @cached_property
    def gradients(self) -> Tensor:
        """The gradients of single examples, (n, P)."""
        return torch.stack([self.slope(self.loss(slice(i, i + 1))) for i in range(EXAMPLES)])

    def differences(self, what: Callable[[], Tensor], h: float = 1e-5) -> Tensor:
        """Return the derivative of a vector in every weight, by central differences: (P, ...)."""
        rows = []
        for unit in torch.eye(len(self.flat), dtype=torch.float64) * h:
            self.at(self.flat + unit)
            up = what().detach()
            self.at(self.flat - unit)
            rows.append((up - what().detach()) / (2 * h))
        self.at(self.flat)
        return torch.stack(rows)

    @cached_property
    def hessian(self) -> Tensor:
        """The Hessian of the loss, (P, P)."""
        H = self.differences(lambda: self.slope(self.loss()))
        return (H + H.T) / 2

    @cached_property
    def gauss_newton(self) -> Tensor:
        """The diagonal of the Gauss-Newton matrix, (P,)."""
        J = self.differences(lambda: output(self.model, self.inputs))  # (P, n, C)
        total = torch.zeros_like(self.flat)
        for n, z in enumerate(output(self.model, self.inputs).detach()):
            label = self.targets[n : n + 1]
            S = torch.autograd.functional.hessian(
                lambda z, label=label: self.network.loss(z[None], label), z
            )
            total += torch.einsum("pc,cd,pd->p", J[:, n], S, J[:, n])
        return total / EXAMPLES

    @cached_property
    def damping(self) -> float:
        """Enough to make the Hessian positive definite."""
        if not len(self.flat) or not self.hessian.isfinite().all():
            return 1.0
        return 1 - 2 * min(0.0, float(torch.linalg.eigvalsh(self.hessian)[0]))


@cache
def truth(name: str) -> Truth:
    """Return what is true of a network, found out once."""
    return Truth(NETWORK[name])


class Trial:
    """One network, made anew for one call."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.model = network.model()
        self.data = network.data()
        self.inputs, self.targets = self.data
        self.names, self.loss = network.names, network.loss
        self.train = Trainer(self.data, RECIPE, loss=network.loss)

    @cached_property
    def folder(self) -> Path:
        """A folder of its own, which goes when the trial does."""
        self._folder = tempfile.TemporaryDirectory()
        return Path(self._folder.name)

    @property
    def truth(self) -> Truth:
        return truth(self.network.name)

    @property
    def weights(self) -> dict[str, Tensor]:
        """The prunable weights, by the names written down for the network."""
        return {name: weight(self.model, name) for name in self.names}

    @property
    def scores(self) -> dict[str, Tensor]:
        """The sizes of the weights."""
        return {name: w.detach().abs() for name, w in self.weights.items()}

    def mask(self, names: tuple[str, ...] | None = None) -> Mask:
        """Keep every second weight."""
        return Mask(
            {
                n: (torch.arange(w.numel(), device=w.device) % 2 == 0).view(w.shape)
                for n, w in self.weights.items()
                if names is None or n in names
            }
        )

    def masked(self, mask: Mapping[str, Tensor]) -> nn.Module:
        """Make the network with a mask applied, in evaluation mode, by hand."""
        model = self.network.model().eval()
        with torch.no_grad():
            for name, kept in mask.items():
                weight(model, name).masked_fill_(~kept, 0)
        return model

    def same(
        self, found: Mapping[str, Any], wanted: Mapping[str, Any], tolerance: float | None = None
    ) -> None:
        """Hold tensors to others, in their order, but for a share of their length in all."""
        assert set(found) == set(wanted), f"names {list(found)}, expected {list(wanted)}"
        if self.network.device == "meta":
            assert all(found[n].device.type == "meta" for n in wanted)
            assert all(found[n].shape == wanted[n].shape for n in wanted)
            return
        tolerance = TOLERANCE[self.network.dtype] if tolerance is None else tolerance
        length = math.sqrt(sum(float(w.double().square().nansum()) for w in wanted.values()))
        for name, w in wanted.items():
            f = found[name]
            assert f.shape == w.shape, f"{name}: {tuple(f.shape)}, expected {tuple(w.shape)}"
            assert torch.equal(f.isnan(), w.isnan()), f"{name}: {f}, expected {w}"
            apart = float((f.double() - w.double()).nan_to_num().norm())
            assert apart <= tolerance * length + 1e-9, f"{name}: {f}, expected {w}"

    def same_output(self, found: nn.Module, wanted: nn.Module) -> None:
        """Hold what a network answers to what another answers."""
        with torch.no_grad():
            z = {"output": output(found, self.inputs)}
            self.same(z, {"output": output(wanted, self.inputs)})


# The calls


CALLS: dict[str, Callable[[Trial], None]] = {}
IN_PLACE: set[str] = set()  # calls that are meant to change the network


def call(
    *names: str, in_place: bool = False
) -> Callable[[Callable[[Trial], None]], Callable[[Trial], None]]:
    """Register a column of the table: the names of the functions that it calls, by `module.name`.

    What follows a blank tells columns of the same function apart.
    """

    def register(function: Callable[[Trial], None]) -> Callable[[Trial], None]:
        for name in names:
            CALLS[name] = function
            IN_PLACE.update([name] if in_place else [])
        return function

    return register


# Masks


@call("weights.prunable")
def _(t: Trial) -> None:
    found = prunable(t.model)
    assert list(found) == list(t.names)
    assert all(found[n] is w for n, w in t.weights.items())


@call("mask.Mask.ones_like")
def _(t: Trial) -> None:
    found = Mask.ones_like(t.model)
    assert list(found) == list(t.names)
    for name, w in t.weights.items():
        t.same({"": found[name].double()}, {"": torch.ones_like(w)}, 0)


@call("mask.Mask.apply_", in_place=True)
def _(t: Trial) -> None:
    before = {name: p.detach().clone() for name, p in t.model.named_parameters()}
    mask = t.mask()
    mask.apply_(t.model)
    wanted = {n: p.masked_fill(~mask[n], 0) if n in mask else p for n, p in before.items()}
    t.same(dict(t.model.named_parameters()), wanted, 0)


@call("mask.Mask.table")
def _(t: Trial) -> None:
    rows = {row[0]: row for row in t.mask().table(t.model)}
    count = sum(p.numel() for p in t.model.parameters())
    assert rows["the network"][2] == f"{count:,}"
    for name, w in t.weights.items():
        assert rows[name][1:4] == (str(tuple(w.shape)), f"{w.numel():,}", f"{-(-w.numel() // 2):,}")


@call("mask.Mask.save", "mask.Mask.load")
def _(t: Trial) -> None:
    mask = t.mask()
    mask.save(t.folder / "mask")
    assert Mask.load(t.folder / "mask") == mask


@call("selection.select")
def _(t: Trial) -> None:
    found = masks.select(t.scores, density=0.4)
    check_cut(found, t.scores, round(0.4 * found.numel))


def check_cut(mask: Mask, scores: Mapping[str, Tensor], k: int, among: Mask | None = None) -> None:
    """Hold a mask to a stable sort: the k best among all weights, or among those of a mask."""
    flat = np.concatenate([[], *(s.double().numpy().ravel() for s in scores.values())])
    if among is not None:
        left = np.concatenate([[], *(among[name].numpy().ravel() for name in scores)]) > 0
        flat = np.where(left, flat, -np.inf)
    best = np.argsort(-flat, kind="stable")[:k]
    wanted = np.zeros(len(flat), bool)
    wanted[best] = True
    assert list(mask) == list(scores)
    found = np.concatenate([[], *(mask[name].numpy().ravel() for name in scores)])
    assert (found == wanted).all()


def first(t: Trial) -> Tensor:
    return next(iter(t.scores.values()), torch.zeros(0))


@call("selection.top_k")
def _(t: Trial) -> None:
    s = first(t)
    check_cut(Mask({"": masks.top_k(s, s.numel() // 2)}), {"": s}, s.numel() // 2)


@call("selection.threshold")
def _(t: Trial) -> None:
    s = first(t)
    tau = 0.1
    t.same({"": masks.threshold(s, tau).long()}, {"": (s > tau).long()}, 0)


@call("selection.n_of_m")
def _(t: Trial) -> None:
    s = first(t)
    found = masks.n_of_m(s, 1, s.shape[-1] or 1)
    wanted = np.zeros(s.shape, bool)
    if s.numel():
        np.put_along_axis(wanted, s.double().numpy().argmax(-1)[..., None], True, -1)
    assert (found.numpy() == wanted).all()


@call("selection.blocks")
def _(t: Trial) -> None:
    s = first(t)
    rows = s.flatten(1) if s.ndim > 1 else s[None]
    edges = (1, rows.shape[1] or 1)
    found = masks.blocks(rows, edges, lambda sums: masks.top_k(sums, min(1, len(sums))))
    sums = rows.double().sum(dim=1)
    for number, row in enumerate(found.numpy()):
        assert (row == (number == int(sums.argmax()))).all()


# Scores


def criterion(name: str, wanted: Callable[[Truth], Tensor], **settings: Any) -> None:
    """Register a criterion and the vector of scores that it should give."""

    def check(t: Trial) -> None:
        extra = {n: s(t) if callable(s) else s for n, s in settings.items()}
        found = getattr(module, name)(t.model, t.data, t.loss, **extra)
        assert list(found) == list(t.names)  # in this order equal scores are told apart
        if t.network.device == "meta":
            t.same(found, t.weights)
        else:
            t.same(found, t.truth.split(wanted(t.truth)))

    module = curvature if name == "hessian_diagonal" else criteria
    told = ", ".join(n if callable(s) else f"{n}={s}" for n, s in settings.items())
    CALLS[f"{module.__name__.rpartition('.')[2]}.{name}" + (f" ({told})" if told else "")] = check


def chance(t: Truth) -> Tensor:
    generator = torch.Generator().manual_seed(3)
    drawn = [torch.rand(w.shape, generator=generator) for w in t.weights.values()]
    return torch.cat([d.flatten() for d in drawn]).double()


def without_each(t: Truth) -> Tensor:
    """Set every weight to zero in turn, and look."""
    found, base = torch.empty_like(t.flat), t.loss().detach()
    for index in range(len(t.flat)):
        moved = t.flat.clone()
        moved[index] = 0
        t.at(moved)
        found[index] = t.loss().detach() - base
    t.at(t.flat)
    return found


def hutchinson(t: Truth) -> Tensor:
    generator = torch.Generator().manual_seed(3)
    signs = [torch.randint(0, 2, t.flat.shape, generator=generator).double() * 2 - 1 for _ in "ab"]
    return sum(s * (t.hessian @ s) for s in signs) / 2  # type: ignore[return-value]


def block_fisher(t: Truth) -> Tensor:
    """w^2 / (2 [F^-1]_ii), F the mean of outer products of gradients within blocks of four."""
    parts = []
    for G in t.gradients.split(4, dim=1):
        F = G.T @ G / EXAMPLES + 0.1 * torch.eye(G.shape[1], dtype=torch.float64)
        parts.append(torch.linalg.inv(F).diagonal())
    return t.flat.square() / (2 * torch.cat(parts))


def exact_surgeon(t: Truth) -> Tensor:
    return t.flat.square() / (2 * inverse(t).diagonal())


def inverse(t: Truth) -> Tensor:
    return torch.linalg.inv(t.hessian + t.damping * torch.eye(len(t.flat), dtype=torch.float64))


def flow(t: Truth) -> Tensor:
    """|w| dR/d|w|: all parameters by their sizes, and ones for what comes in."""
    twin = Truth(t.network)
    with torch.no_grad():
        for parameter in twin.model.parameters():
            parameter.abs_()
    for layer in twin.model.modules():
        if isinstance(layer, nn.Embedding):  # a number that is a name: what it stands for is ones
            layer.register_forward_hook(lambda layer, inputs, found: torch.ones_like(found))
    ones = each(t.inputs, lambda x: torch.ones_like(x[:1]))
    R = output(twin.model, ones).sum()
    sizes = torch.cat([w.detach().flatten() for w in twin.weights.values()])
    return sizes * twin.slope(R)


def damped(t: Trial) -> float:
    """Return a damping with which the Hessian can be inverted; any will do to be refused."""
    is_known = t.network.device != "meta" and t.network.name not in REPARAMETRISED
    return t.truth.damping if is_known else 1.0


criterion("magnitude", lambda t: t.flat.abs())
criterion("random", chance, seed=3)
criterion("signed_first_order", lambda t: -t.gradient * t.flat)
criterion("first_order", lambda t: (t.gradient * t.flat).abs())
criterion("first_order", lambda t: (t.gradients.abs() * t.flat.abs()).mean(0), each=True)
criterion("snip", lambda t: (t.gradient * t.flat).abs() / (t.gradient * t.flat).abs().sum())
criterion("fisher", lambda t: t.gradients.square().mean(0) * t.flat.square() / 2)
criterion("obd", lambda t: t.gauss_newton * t.flat.square() / 2)
criterion("obd", lambda t: t.hessian.diagonal() * t.flat.square() / 2, diagonal="exact")
criterion("second_order", lambda t: -t.gradient * t.flat + t.gauss_newton * t.flat.square() / 2)
criterion("obs", exact_surgeon, damping=damped)
criterion("obs", block_fisher, damping=0.1, block=4)
criterion("synflow", flow)
criterion("oracle", without_each)
criterion("hessian_diagonal", lambda t: t.hessian.diagonal(), diagonal="exact")
criterion("hessian_diagonal", lambda t: t.gauss_newton, diagonal="gauss-newton")
criterion("hessian_diagonal", hutchinson, diagonal="hutchinson", probes=2, seed=3)


@call("curvature.full_hessian")
def _(t: Trial) -> None:
    found = curvature.full_hessian(t.model, t.data, t.loss)
    if t.network.device == "meta":
        assert found.device.type == "meta"
        return
    t.same({"H": found}, {"H": t.truth.hessian}, 1e-5)


@call("curvature.inverse_hessian")
def _(t: Trial) -> None:
    found = curvature.inverse_hessian(t.model, t.data, t.loss, damping=damped(t))
    if t.network.device == "meta":
        assert found.device.type == "meta"
        return
    t.same({"H": found}, {"H": inverse(t.truth)}, 1e-5)


@call("curvature.brain_surgery", in_place=True)
def _(t: Trial) -> None:
    count = sum(w.numel() for w in t.weights.values())
    keep = max(count - 3, 0)
    mask = curvature.brain_surgery(t.model, t.data, keep, t.loss, damping=damped(t))
    H, w = t.truth.hessian, t.truth.flat.clone()
    H = H + t.truth.damping * torch.eye(len(w), dtype=torch.float64)
    left = list(range(count))
    for _ in range(count - keep):
        rest = torch.linalg.inv(H[left][:, left])
        q = int((w[left].square() / rest.diagonal()).argmin())
        w[left] -= w[left[q]] / rest[q, q] * rest[:, q]
        w[left.pop(q)] = 0
    kept = torch.zeros(count)
    kept[left] = 1
    t.same({n: e.long() for n, e in mask.items()}, t.truth.split(kept), 0)
    t.same({n: p.detach() for n, p in t.weights.items()}, t.truth.split(w))


@call("snapshot.Snapshot.differences", in_place=True)
def _(t: Trial) -> None:
    before = Snapshot(t.model)
    assert before.differences(t.model) == []
    t.model.eval()
    found = before.differences(t.model)
    assert found and all(phrase.startswith("the mode of ") for phrase in found)


# Rounds


@call("cut.score")
def _(t: Trial) -> None:
    found = cut.score(t.model, criteria.signed_first_order, data=t.data, loss=t.loss)
    meta = t.network.device == "meta"
    t.same(found, t.weights if meta else t.truth.split(-t.truth.gradient * t.truth.flat))


@call("cut.prune")
def _(t: Trial) -> None:
    found = cut.prune(t.scores, t.mask(), fraction=0.5)
    check_cut(found, t.scores, t.mask().kept - round(0.5 * t.mask().kept), t.mask())


@call("cut.prune_model")
def _(t: Trial) -> None:
    found = cut.prune_model(
        t.model, t.mask(), criteria.first_order, data=t.data, loss=t.loss, fraction=0.5
    )
    scores = t.truth.split((t.truth.gradient * t.truth.flat).abs())
    assert len(found) and all((found[n] <= t.mask()[n]).all() for n in found)
    assert found.kept == t.mask().kept - round(0.5 * t.mask().kept)
    if t.network.dtype != torch.bfloat16:  # there scores of different weights may be the same
        check_cut(found, scores, found.kept, t.mask())


def own_fit(
    t: Trial, model: nn.Module, mask: Mask, *, round: int = 0, start: int = 0, stop: int = 4
) -> None:
    """Train by gradient descent: the loop that everybody would write."""
    draw = torch.Generator().manual_seed(10_000 * round)
    order = torch.randint(0, EXAMPLES, (RECIPE.steps, RECIPE.batch), generator=draw)
    model.train()
    for chosen in order[start:stop]:
        inputs = each(t.inputs, lambda x, chosen=chosen: x[chosen])
        descend(t, model, mask, inputs, t.targets[chosen])
    model.eval()


def descend(t: Trial, model: nn.Module, mask: Mask, inputs: Any, targets: Tensor) -> None:
    """Go a step down the slope."""
    model.zero_grad()
    t.loss(output(model, inputs), targets).backward()
    with torch.no_grad():
        for p in model.parameters():
            if p.grad is not None:
                p -= RECIPE.lr * p.grad
        for name, kept in mask.items():
            weight(model, name).masked_fill_(~kept, 0)


class Stage(NamedTuple):
    """What a round should have ended with."""

    mask: Mask
    trained: dict[str, Tensor]


def own_rounds(t: Trial, counts: list[int], rewind_step: int | None) -> Iterator[Stage]:
    """Prune in rounds by the size of the weights, by hand."""
    model, mask = t.network.model(), Mask({n: e | True for n, e in t.mask().items()})
    initial = copy.deepcopy(model.state_dict())
    if rewind_step:
        own_fit(t, model, mask, stop=rewind_step)
        initial = copy.deepcopy(model.state_dict())
    own_fit(t, model, mask, start=rewind_step or 0)
    yield Stage(mask, values(model))
    for number, k in enumerate(counts, start=1):
        sizes = {n: weight(model, n).detach().double().abs() for n in t.names}
        flat = np.concatenate([np.where(mask[n], s, -1.0).ravel() for n, s in sizes.items()])
        kept = np.zeros(len(flat), bool)
        kept[np.argsort(-flat, kind="stable")[:k]] = True
        parts = torch.from_numpy(kept).split([s.numel() for s in sizes.values()])
        mask = Mask({n: p.view(mask[n].shape) for n, p in zip(sizes, parts, strict=True)})
        if rewind_step is not None:
            model.load_state_dict(initial)
        with torch.no_grad():
            for name, entry in mask.items():
                weight(model, name).mul_(entry)
        own_fit(t, model, mask, round=number, start=rewind_step or 0)
        yield Stage(mask, values(model))


def again(wanted: Callable[[], Any]) -> Any:
    """Do by hand what was done, with the random numbers that dropout drew then."""
    torch.manual_seed(0)
    return wanted()


def values(model: nn.Module) -> dict[str, Tensor]:
    return {name: p.detach().clone() for name, p in model.named_parameters()}


def check_rounds(t: Trial, found: list[store.Round], wanted: list[Stage]) -> None:
    assert len(found) == len(wanted)
    for number, (own, stage) in enumerate(zip(found, wanted, strict=True)):
        assert own.number == number and own.mask == stage.mask
        t.same({name: own.trained[name] for name in stage.trained}, stage.trained)
    t.same(values(t.model), wanted[-1].trained)


@call("rounds.iterative_pruning", in_place=True)
def _(t: Trial) -> None:
    found = list(rounds.iterative_pruning(t.model, t.train, rounds=2, fraction=0.3))
    P = sum(w.numel() for w in t.weights.values())
    once = P - round(0.3 * P)
    counts = [once, once - round(0.3 * once)]
    check_rounds(t, found, again(lambda: list(own_rounds(t, counts, None))))


@call("rounds.one_shot", in_place=True)
def _(t: Trial) -> None:
    found = list(rounds.one_shot(t.model, t.train, density=0.4, rewind_step=1))
    P = sum(w.numel() for w in t.weights.values())
    check_rounds(t, found, again(lambda: list(own_rounds(t, [round(0.4 * P)], 1))))


@call("gradual.gradual_pruning", in_place=True)
def _(t: Trial) -> None:
    mask = gradual.gradual_pruning(
        t.model, t.train, density=0.5, begin=0, end=2, every=1,
        criterion=criteria.first_order, data=t.data, loss=t.loss,
    )  # fmt: skip
    assert list(mask) == list(t.names)
    assert mask.kept == round(0.5 * mask.numel)
    assert all((weight(t.model, n)[~entry] == 0).all() for n, entry in mask.items())
    assert all(p.isfinite().all() for p in t.model.parameters())


@call("fit.fit", "trainer.Trainer", in_place=True)
def _(t: Trial) -> None:
    mask, own = t.mask(), t.masked(t.mask())
    t.train(t.model, mask)
    again(lambda: own_fit(t, own, mask))
    t.same(values(t.model), values(own))


@call("fit.fit (batches)", in_place=True)
def _(t: Trial) -> None:
    own, mask = t.masked(t.mask()), t.mask()
    batches = [part(t, slice(0, 4)), part(t, slice(4, 6))]
    fit(t.model, batches, RECIPE, loss=t.loss, mask=mask)
    torch.manual_seed(0)
    own.train()
    for inputs, targets in [*batches, *batches]:
        descend(t, own, mask, inputs, targets)
    t.same(values(t.model), values(own))


def part(t: Trial, some: slice) -> tuple[Any, Tensor]:
    return each(t.inputs, lambda x: x[some]), t.targets[some]


@call("fit.hold", in_place=True)
def _(t: Trial) -> None:
    mask, own = t.mask(), t.masked(t.mask()).train()
    trained = [p for p in t.model.parameters() if p.requires_grad]
    frozen = not trained  # an optimiser wants something
    optimiser = torch.optim.SGD(trained or [torch.zeros(1)], lr=0.1, momentum=0.9)
    with hold(optimiser, t.model, mask):
        for _ in range(0 if frozen else 3):
            optimiser.zero_grad()
            t.loss(output(t.model, t.inputs), t.targets).backward()
            optimiser.step()
    torch.manual_seed(0)
    pushed = {p: torch.zeros_like(p) for p in own.parameters() if p.requires_grad}
    for _ in range(0 if frozen else 3):
        own.zero_grad()
        t.loss(output(own, t.inputs), t.targets).backward()
        with torch.no_grad():
            for p, push in pushed.items():
                if p.grad is not None:
                    p -= 0.1 * push.mul_(0.9).add_(p.grad)
            for name, kept in mask.items():
                weight(own, name).masked_fill_(~kept, 0)
                if weight(own, name) in pushed:
                    pushed[weight(own, name)].masked_fill_(~kept, 0)
    t.same(values(t.model), values(own))


# Tickets


@call("tickets.find", in_place=True)
def _(t: Trial) -> None:
    initial = values(t.model)
    found = list(tickets.find(t.model, t.train, rounds=1, fraction=0.3))
    P = sum(w.numel() for w in t.weights.values())
    wanted = again(lambda: list(own_rounds(t, [P - round(0.3 * P)], 0)))
    check_rounds(t, [done for done, _ in found], wanted)
    for done, ticket in found:
        assert ticket.mask == done.mask
        t.same({name: ticket.initial[name] for name in initial}, initial, 0)


def ticket(t: Trial) -> tickets.Ticket:
    """Make a ticket by hand."""
    return tickets.Ticket(t.mask(), copy.deepcopy(t.model.state_dict()), (0,), {"round": 1})


@call("tickets.train_from")
def _(t: Trial) -> None:
    initial = copy.deepcopy(t.model.state_dict())
    model = t.network.model(seed=5)
    tickets.train_from(model, initial, t.mask(), t.train, round=1)
    own = t.masked(t.mask())
    again(lambda: own_fit(t, own, t.mask(), round=1))
    t.same(values(model), values(own))


@call("ticket.Ticket.save", "ticket.Ticket.load")
def _(t: Trial) -> None:
    ticket(t).save(t.folder / "ticket")
    found = tickets.Ticket.load(t.folder / "ticket")
    assert found.mask == t.mask() and found.seed == (0,) and found.provenance == {"round": 1}
    wanted = t.model.state_dict()
    t.same({name: found.initial[name] for name in wanted}, wanted, 0)


@call("ticket.Ticket.verify")
def _(t: Trial) -> None:
    own = ticket(t)
    own.verify(t.network.model())
    if list(t.model.parameters()):
        refuses(lambda: own.verify(t.network.model(seed=5)))


@call("tickets.reinitialised")
def _(t: Trial) -> None:
    fresh = t.network.model(seed=5)
    t.same(tickets.reinitialised(ticket(t), fresh), fresh.state_dict(), 0)


@call("tickets.shuffled")
def _(t: Trial) -> None:
    found = tickets.shuffled(t.model, t.mask(), seed=0)
    assert list(found) == list(t.names)
    for name, entry in t.mask().items():
        assert found[name].shape == entry.shape
        if not entry.is_meta:
            assert found[name].sum() == entry.sum()
            assert torch.equal(found[name], tickets.shuffled(t.model, t.mask(), seed=0)[name])


@call("tickets.random_mask")
def _(t: Trial) -> None:
    found = tickets.random_mask(t.model, t.mask(), seed=0)
    assert [(n, e.shape) for n, e in found.items()] == [(n, e.shape) for n, e in t.mask().items()]
    assert found.kept == t.mask().kept
    assert found == tickets.random_mask(t.model, t.mask(), seed=0)


@call("tickets.largest")
def _(t: Trial) -> None:
    found = tickets.largest(t.model, t.mask())
    assert list(found) == list(t.names)
    for name, s in t.scores.items():
        check_cut(Mask({"": found[name]}), {"": s}, int(t.mask()[name].sum()))


@call("tickets.signs_only")
def _(t: Trial) -> None:
    found, wanted = tickets.signs_only(ticket(t), t.model), dict(t.model.state_dict())
    for name in t.names:
        w = wanted[name].double()
        mean = w.mean()
        spread = ((w - mean).square().sum() / (w.numel() - 1)).sqrt() if w.numel() > 1 else w.abs()
        wanted[name] = w.sign() * spread
    t.same(found, wanted)


# To and from others


@call("interop.mask_of", in_place=True)
def _(t: Trial) -> None:
    mask = t.mask()
    with torch.no_grad():
        for name, w in t.weights.items():
            if isinstance(w, nn.Parameter):
                w.masked_fill_(~mask[name], 0)
    found, wanted = interop.mask_of(t.model), {n: w.detach() != 0 for n, w in t.weights.items()}
    assert list(found) == list(wanted)
    t.same({n: e.long() for n, e in found.items()}, {n: e.long() for n, e in wanted.items()}, 0)


@call("interop.to_torch_prune", in_place=True)
def _(t: Trial) -> None:
    mask = t.mask()
    interop.to_torch_prune(t.model, mask)
    t.same_output(t.model.eval(), t.masked(mask))
    state = t.model.state_dict()
    for name, entry in mask.items():
        t.same({"": state[f"{name}_mask"].long()}, {"": entry.long()}, 0)


@call("interop.from_torch_prune", in_place=True)
def _(t: Trial) -> None:
    if t.network.name == "pruned by torch":
        mask, wanted = Mask({"0.weight": weight(t.model, "0.weight") != 0}), t.network.model()
    else:
        mask, wanted = t.mask(), t.network.model()
        with torch.no_grad():
            for name, kept in mask.items():
                weight(wanted, name).mul_(kept)  # as torch does: NaN stays
        interop.to_torch_prune(t.model, mask)
    assert interop.from_torch_prune(t.model) == mask
    t.same_output(t.model.eval(), wanted.eval())
    for name in t.names:
        assert isinstance(weight(t.model, name), nn.Parameter)
        t.same({"": weight(t.model, name)}, {"": weight(wanted, name)}, 0)


@call("interop.plain_state_dict")
def _(t: Trial) -> None:
    state = interop.plain_state_dict(t.model)
    if t.network.name in REPARAMETRISED:
        fresh = NETWORK["perceptron"].model(seed=5)
    else:
        fresh = t.network.model(seed=5)
    fresh = getattr(fresh, "_orig_mod", fresh).eval()
    fresh.load_state_dict(state)  # strict
    t.same_output(fresh, t.network.model().eval())


@call("interop.export_onnx")
def _(t: Trial) -> None:
    path = t.folder / "network.onnx"
    interop.export_onnx(t.model, t.inputs, path)
    from onnx.reference import ReferenceEvaluator

    session = ReferenceEvaluator(str(path))
    parts = list(t.inputs.values()) if isinstance(t.inputs, dict) else t.inputs
    parts = list(parts) if isinstance(parts, list | tuple) else [parts]
    given = dict(zip(session.input_names, map(as_numpy, parts), strict=True))
    answer = np.asarray(session.run(None, given)[0]).astype(np.float64)
    with torch.no_grad():
        wanted = output(t.network.model().eval(), t.inputs)
    t.same({"": torch.from_numpy(answer)}, {"": wanted})


def as_numpy(x: Tensor) -> Any:
    if x.dtype != torch.bfloat16:
        return x.numpy()
    from ml_dtypes import bfloat16  # numpy has none of its own; comes with onnx

    return x.float().numpy().astype(bfloat16)


@call("structured.unit_scores")
def _(t: Trial) -> None:
    found = structured.unit_scores(t.scores)
    wanted = [torch.stack([unit.double().sum() for unit in s]) for s in t.scores.values()]
    names = [name.removesuffix(".weight") for name in t.names]
    t.same(found, dict(zip(names, wanted, strict=True)))


@call("structured.select_units")
def _(t: Trial) -> None:
    sums = {name: s.flatten(1).sum(dim=1) for name, s in t.scores.items()}
    found = structured.select_units(sums, 0.5)
    assert list(found) == list(sums)[:-1]
    for name, kept in found.items():
        k = max(1, round(0.5 * len(kept)))
        check_cut(Mask({"": kept}), {"": sums[name]}, k)


def units(t: Trial) -> dict[str, Tensor]:
    """Keep all but the first unit of a hidden layer, as a person would who reads the network."""
    name = t.network.units or t.network.names[0].removesuffix(".weight") if t.names else "0"
    count = weight(t.model, f"{name}.weight").shape[0] if t.network.units else 2
    return {name: torch.arange(count) > 0}


@call("structured.unit_mask", "structured.remove")
def _(t: Trial) -> None:
    kept = units(t)
    mask = structured.unit_mask(t.model, kept)
    smaller = structured.remove(t.model, kept).eval()
    (name,) = kept
    wanted = t.masked(mask)
    t.same_output(smaller, wanted)
    assert (~mask[f"{name}.weight"][0]).all() and mask[f"{name}.weight"][1:].all()
    before, after = (sum(p.numel() for p in m.parameters()) for m in (wanted, smaller))
    lost = before - after
    assert lost > sum(int((~entry).sum()) for entry in mask.values()) - 1


# Sparse layers


@call("convert.sparsify")
def _(t: Trial) -> None:
    mask = t.mask(t.network.sparse)
    wanted = t.masked(mask)
    sparse = sparsify(t.model, mask).eval()
    t.same_output(sparse, wanted)
    check_sparse_step(t, sparse, mask, wanted)


@call("convert.densify", "convert.refusals")
def _(t: Trial) -> None:
    mask = t.mask()
    wanted = t.masked(mask)
    dense = densify(sparsify(t.model, mask, leave=refusals(t.model, mask))).eval()
    t.same_output(dense, wanted)
    t.same(dict(dense.named_parameters()), dict(wanted.named_parameters()), 0)
    frozen = {n: p.requires_grad for n, p in t.model.named_parameters()}
    assert {n: p.requires_grad for n, p in dense.named_parameters()} == frozen


def check_sparse_step(t: Trial, sparse: nn.Module, mask: Mask, wanted: nn.Module) -> None:
    """Train the sparse network one step: what a dense one does whose gradients are masked."""
    trained = [p for p in sparse.parameters() if p.requires_grad]
    if not trained:
        return
    optimiser = torch.optim.SGD(trained, lr=0.1)
    t.loss(output(sparse, t.inputs), t.targets).backward()
    optimiser.step()
    t.loss(output(wanted, t.inputs), t.targets).backward()
    with torch.no_grad():
        for p in wanted.parameters():
            if p.grad is not None:
                p -= 0.1 * p.grad
        for name, kept in mask.items():
            weight(wanted, name).masked_fill_(~kept, 0)
    t.same(values(densify(sparse)), values(wanted))


# How a cell ends


class Outcome(NamedTuple):
    """How a cell of the table ended: "computed", "refused" or "wrong", and what was said."""

    kind: str
    said: str = ""


HOME = str(Path(course_lib.__file__).parent)


def refuses(function: Callable[[], object]) -> str:
    """Ask for a refusal in a sentence of the library's own, and return the sentence."""
    try:
        function()
    except (TypeError, ValueError) as error:
        assert is_ours(error), f"{type(error).__name__} of another's: {error}"
        return str(error)
    raise AssertionError("not refused")


def is_ours(error: Exception) -> bool:
    """Tell whether the library raised an error itself: a sentence of what to do, not a symptom."""
    where = traceback.extract_tb(error.__traceback__)[-1].filename
    said = str(error)
    return where.startswith(HOME) and len(said.split()) > 7 and said.rstrip().endswith((".", ")"))


def outcome(network: Network, name: str) -> Outcome:
    """Fill a cell of the table."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        t = Trial(network)
        before = Snapshot(t.model)
        torch.manual_seed(0)
        try:
            CALLS[name](t)
        except (TypeError, ValueError) as error:
            if not is_ours(error):
                return Outcome("wrong", told(error))
            is_late = (network.name, name) in TRAINED_BEFORE
            changed = [] if is_late else before.differences(t.model)
            said = f"refused, but {'; '.join(changed)}" if changed else str(error)
            return Outcome("wrong" if changed else "refused", said)
        except Exception as error:
            return Outcome("wrong", told(error))
        changed = [] if name in IN_PLACE else before.differences(t.model)
    return Outcome("wrong", "; ".join(changed)) if changed else Outcome("computed")


def told(error: Exception) -> str:
    """Tell an error in a line: its first one, and the last place in our own files."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if f.filename.startswith((HOME, str(Path(__file__).parent)))]
    where = f"{Path(own[-1].filename).name}:{own[-1].lineno}" if own else ""
    line = (str(error).splitlines() or [""])[0][:300]
    return f"{type(error).__name__} at {where}: {line}"


# What is refused, and why


MASKS = ["weights.prunable", "mask.Mask.ones_like", "mask.Mask.apply_", "mask.Mask.table"]
FILES = ["mask.Mask.save", "mask.Mask.load"]
SELECTION = [name for name in CALLS if name.startswith("selection.")]
CRITERIA = [name for name in CALLS if name.startswith(("criteria.", "curvature."))]
HESSIANS = ["criteria.obs (damping)", "curvature.inverse_hessian", "curvature.brain_surgery"]
ROUNDS = [
    "rounds.iterative_pruning", "rounds.one_shot", "gradual.gradual_pruning",
    "tickets.find",
]  # fmt: skip
TRAINING = ["fit.fit", "trainer.Trainer", "fit.fit (batches)", "tickets.train_from"]
TICKETS = [
    "ticket.Ticket.save", "ticket.Ticket.load", "ticket.Ticket.verify",
    "tickets.reinitialised", "tickets.signs_only",
]  # fmt: skip
UNITS = ["structured.unit_mask", "structured.remove"]
SPARSE = ["convert.sparsify", "convert.densify", "convert.refusals"]

# A reason, and the cells that are refused for it: these calls on these networks.
REFUSALS: dict[str, list[tuple[list[str], list[str]]]] = {
    "its weights are computed from others, so that there is none to score, mask or hold": [
        (
            list(REPARAMETRISED),
            [*MASKS, *CRITERIA, "cut.score", "cut.prune_model", *ROUNDS, *TRAINING, "fit.hold",
             *TICKETS, "tickets.largest", "interop.to_torch_prune", *UNITS, *SPARSE],
        ),
        (["weight norm", "spectral norm"], ["interop.from_torch_prune"]),
    ],
    "it has no weights": [
        (
            ["empty"],
            ["weights.prunable", "mask.Mask.ones_like", "selection.blocks", *CRITERIA,
             "cut.score", "cut.prune_model", *ROUNDS, *TRAINING, "tickets.largest",
             "interop.mask_of", "interop.from_torch_prune", "structured.select_units", *UNITS,
             *SPARSE],
        ),
    ],
    "its weights are NaN, which nothing can put in order": [
        (
            ["diverged"],
            [*SELECTION, *HESSIANS, "cut.prune", "cut.prune_model", *ROUNDS, *TICKETS,
             "tickets.largest", "structured.select_units"],
        ),
    ],
    "its weights have shapes but no values, which is all that counts here": [
        (
            ["on meta"],
            ["mask.Mask.table", *FILES, *SELECTION, *HESSIANS, "criteria.oracle",
             "cut.prune", "cut.prune_model", *ROUNDS, *TICKETS, "tickets.random_mask",
             "tickets.largest", "interop.from_torch_prune",
             "interop.export_onnx", "structured.select_units", *SPARSE],
        ),
    ],
    "all of it is frozen, so that there is nothing to train": [
        (["frozen"], [*ROUNDS, *TRAINING]),
    ],
    "units are followed only through an nn.Sequential of layers that keep them apart": [
        (
            ["one layer", "one weight", "tied head", "unused layer", "CNN, residual",
             "CNN, depthwise", "CNN, transposed", "layer norm, dropout", "attention",
             "attention to others", "own matrix", "transformer", "LSTM", "GRU", "recurrent cell",
             "embedding", "inputs by name", "two inputs", "own forward", "hooked", "compiled"],
            UNITS,
        ),
    ],
    "two layers share their weights, and would have to lose the same units": [
        (["tied", "one module twice"], UNITS),
    ],
    "its rows are not units: gates, or queries, keys and values": [
        (
            ["one layer", "attention", "attention to others", "transformer", "LSTM", "GRU",
             "recurrent cell"],
            ["structured.unit_scores"],
        ),
    ],
    "its only layer gives the answers, so that no unit is hidden": [
        (["one layer", "one weight", "tied", "tied head", "own matrix", "embedding"],
         ["structured.select_units"]),
    ],
    "there is no sparse kernel for one of its layers": [
        (["CNN, depthwise", "CNN, transposed", "attention", "attention to others", "LSTM", "GRU",
          "recurrent cell", "two inputs"], ["convert.sparsify"]),
    ],
    "the sparse kernels compute in float32 and float64": [(["bfloat16", "float16"], SPARSE)],
    "ONNX has no such operation": [(["two inputs"], ["interop.export_onnx"])],
}  # fmt: skip

# Refused, but at the first cut, when training in place is behind it and its weights are looked at.
TRAINED_BEFORE = {(network, name) for network in ("diverged", "on meta") for name in ROUNDS}


def refused() -> dict[tuple[str, str], str]:
    """Return the cells that are refused, by network and call, each with its reason."""
    found: dict[tuple[str, str], str] = {}
    for reason, parts in REFUSALS.items():
        for networks, calls in parts:
            for cell in itertools.product(networks, calls):
                assert cell not in found, f"{cell} is refused twice"
                assert cell[0] in NETWORK and cell[1] in CALLS, f"{cell} is no cell"
                found[cell] = reason
    return found


# Nothing left out


ROOMS = ("masks", "pruning", "sparse")

# Public, but given no network: whole modules, and single functions. A reason for each.
APART = {
    "checks": "asked of scores by every selection",
    "radix": "the inside of top_k",
    "compilers": "compiles kernels",
    "formats": "matrices; tested in tests/sparse",
    "kernels": "matrices; tested in tests/sparse",
    "ladder": "matrices; tested in tests/sparse",
    "patterns": "matrices; tested in tests/sparse",
    "plan": "matrices; tested in tests/sparse",
    "roofline": "the machine; tested in tests/sparse",
    "simd": "the inside of kernels",
    "team": "the inside of kernels",
}
APART_ONE = {
    "mask.Mask": "by its methods",
    "mask.Mask.stacked": "of many networks; tested in tests/masks",
    "mask.Mask.unstacked": "of many networks; tested in tests/masks",
    "mask.LayerTable": "what Mask.table returns",
    "weights.LeftOutWarning": "what prunable warns with",
    "weights.weight_names": "asked of each layer by prunable",
    "weights.check_plain": "asked of each layer by prunable",
    "weights.check_dense": "asked of each layer by prunable",
    "weights.bias_names": "asked of each layer by prunable",
    "weights.check_module": "asked by every function that is given a network",
    "weights.check_shapes": "asked by every function that is given a mask and a network",
    "mask.check_fits": "asked by every function that is given a mask and a network",
    "fingerprint.Unknown": "raised by fingerprint",
    "fingerprint.fingerprint": "asked by rounds that store themselves; tested in tests/pruning",
    "rounds.rounds_needed": "numbers",
    "gradual.cubic": "numbers",
    "curvature.Cut": "what surgeon returns",
    "curvature.block_inverses": "the inside of criteria",
    "curvature.check_damping": "the inside of criteria",
    "curvature.check_whole": "the inside of criteria",
    "curvature.surgeon": "vectors; what brain_surgery does again and again",
    "cut.check_criterion_call": "asked by all that is given a criterion",
    "cut.check_shares": "asked by all that cuts",
    "cut.count_left": "asked by all that cuts",
    "linear.unfit": "asked of each layer by refusals",
    "rounds.check_held": "asked by rounds of every trainer",
    "rounds.check_train": "asked by rounds of every trainer",
    "rounds.is_whole": "numbers",
    "testing.check_criterion": "makes its own networks; tested in test_testing.py",
    "ticket.Ticket": "by its methods",
    "ticket.check_values": "asked by controls",
}
# Of these modules, too, no part is called by anybody but those in the table.
INSIDE = {
    "ablation": "the inside of oracle",
    "cases": "what check_criterion asks about",
    "plain": "the inside of interop",
    "products": "the inside of sparse layers",
    "scoring": "the inside of criteria and curvatures",
    "snapshot": "what check_criterion compares",
    "store": "how rounds are stored",
}
LAYERS = ("SparseLayer", "SparseLinear", "SparseConv", "HeldLinear", "HeldConv", "FusingSequential")


def is_apart(name: str) -> bool:
    """Tell what is listed above, and the layers that sparsify puts into a network."""
    module, _, own = name.partition(".")
    is_layer = module in ("linear", "convolution", "convert") and own.startswith(LAYERS)
    return module in {**APART, **INSIDE} or name in APART_ONE or is_layer


def public() -> Iterator[str]:
    """Name all public functions, classes and methods of the rooms, by `module.name`."""
    for room in ROOMS:
        package = import_module(f"course_lib.{room}")
        for found in pkgutil.iter_modules(package.__path__):
            module = import_module(f"course_lib.{room}.{found.name}")
            for name, thing in vars(module).items():
                is_own = getattr(thing, "__module__", None) == module.__name__
                if name.startswith("_") or not is_own or not callable(thing):
                    continue
                yield f"{found.name}.{name}"
                if inspect.isclass(thing):
                    for own, method in vars(thing).items():
                        if not own.startswith("_") and (
                            inspect.isfunction(method) or isinstance(method, classmethod)
                        ):
                            yield f"{found.name}.{name}.{own}"


def columns_of(name: str) -> list[str]:
    return [column for column in CALLS if column.partition(" ")[0] == name]
