"""The common test of criteria passes an honest one, and turns red for every way to be dishonest."""

import copy
import doctest
import random

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from course_lib.masks import prunable
from course_lib.pruning import testing
from course_lib.pruning.snapshot import Snapshot, chance
from course_lib.pruning.testing import check_criterion


def output(model, inputs):
    if isinstance(inputs, dict):
        return model(**inputs)
    return model(*inputs) if isinstance(inputs, tuple) else model(inputs)


def batches(data):
    return [data] if isinstance(data, tuple) else data


def honest(model, data=None, loss=cross_entropy):
    """|g w| of the mean loss, written out with nothing of the library's."""
    twin = copy.deepcopy(model).eval().requires_grad_(True)
    for parameter in twin.parameters():
        parameter.grad = None
    seen = sum(len(targets) for _, targets in batches(data))
    with torch.enable_grad():
        for inputs, targets in batches(data):
            (loss(output(twin, inputs), targets) * len(targets) / seen).backward()
    return {
        name: (w * (0 if w.grad is None else w.grad)).detach().abs()
        for name, w in prunable(twin).items()
    }


def size(model, data=None, loss=None):
    return {name: w.detach().abs() for name, w in prunable(model).items()}


@pytest.mark.parametrize("criterion", [honest, size])
def test_an_honest_criterion_passes(criterion):
    check_criterion(criterion)


def test_settings_reach_the_criterion():
    def squared(model, data=None, loss=None, *, power=1):
        assert power == 2
        return {name: s**power for name, s in size(model).items()}

    check_criterion(squared, power=2)


# Sabotage: one criterion for each way to go wrong, and what the sentence says


def one_argument(model):
    return size(model)


def returns_a_list(model, data, loss):
    return list(size(model).values())


def names_biases(model, data, loss):
    return {name: p.detach().abs() for name, p in model.named_parameters()}


def counts_a_tie_twice(model, data, loss):
    found = dict(model.named_parameters(remove_duplicate=False))
    twice = {
        name: w for name, w in found.items() if any(w is own for own in prunable(model).values())
    }
    return {name: w.detach().abs() for name, w in twice.items()}


def forgets_what_is_unused(model, data, loss):
    return {name: s for name, s in size(model).items() if not name.startswith("unused")}


def one_score_a_row(model, data, loss):
    return {name: s.flatten(1).sum(1) for name, s in size(model).items()}


def python_lists(model, data, loss):
    return {name: s.tolist() for name, s in size(model).items()}


def bools(model, data, loss):
    return {name: s > 0.1 for name, s in size(model).items()}


def half_scores(model, data, loss):
    return {name: s.half() for name, s in size(model).items()}


def another_device(model, data, loss):
    return {name: s.to("meta") for name, s in size(model).items()}


def not_a_number(model, data, loss):
    return {name: s.fill_(float("nan")) for name, s in size(model).items()}


def infinite_for_the_unused(model, data, loss):
    return {n: s if n != "unused.weight" else s / 0 for n, s in honest(model, data, loss).items()}


def keeps_the_graph(model, data, loss):
    return {name: w.abs() for name, w in prunable(model).items()}


def the_weights_themselves(model, data, loss):
    return {name: w.detach() for name, w in prunable(model).items()}


def changes_weights(model, data, loss):
    scores = honest(model, data, loss)
    with torch.no_grad():
        next(model.parameters()).mul_(1 + 1e-6)
    return scores


def replaces_parameters(model, data, loss):
    layer = next(m for m in model.modules() if "weight" in m._parameters)
    layer.weight = nn.Parameter(layer.weight.detach().clone())
    return honest(model, data, loss)


def freezes(model, data, loss):
    model.requires_grad_(False)
    return honest(model, data, loss)


def leaves_gradients(model, data, loss):
    loss(output(model, batches(data)[0][0]), batches(data)[0][1]).backward()
    return honest(model, data, loss)


def clears_gradients(model, data, loss):
    model.zero_grad()
    return honest(model, data, loss)


def moves_running_averages(model, data, loss):
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    modes = [norm.training for norm in norms]
    for norm in norms:
        norm.train()
    with torch.no_grad():
        for inputs, _ in batches(data):
            output(model, inputs)
    for norm, mode in zip(norms, modes, strict=True):
        norm.training = mode
    return size(model)


def leaves_evaluation_mode(model, data, loss):
    model.eval()
    return honest(model, data, loss)


def leaves_a_hook(model, data, loss):
    model.register_forward_hook(lambda *_: None)
    return size(model)


def changes_the_data(model, data, loss):
    scores = honest(model, data, loss)
    for _, targets in batches(data):
        targets.zero_()
    return scores


def moves_random_numbers(model, data, loss):
    torch.rand(1)
    return size(model)


def moves_numpy(model, data, loss):
    np.random.rand()
    return size(model)


def moves_python(model, data, loss):
    random.random()
    return size(model)


def draws_from_everybodys(model, data, loss):
    state = torch.get_rng_state()
    scores = {name: torch.rand_like(s) for name, s in size(model).items()}
    torch.set_rng_state(state)
    return scores


def depends_on_the_mode(model, data, loss):
    sign = 2 if model.training else 1
    return {name: s * sign for name, s in honest(model, data, loss).items()}


def needs_gradients_on(model, data, loss):
    twin = copy.deepcopy(model).eval().requires_grad_(True)
    total = sum(loss(output(twin, inputs), y) * len(y) for inputs, y in batches(data))
    weights = prunable(twin)
    found = torch.autograd.grad(total, list(weights.values()), materialize_grads=True)
    return {n: (g * w).detach().abs() for (n, w), g in zip(weights.items(), found, strict=True)}


def skips_what_is_frozen(model, data, loss):
    scores = honest(model, data, loss)
    return {n: s * prunable(model)[n].requires_grad for n, s in scores.items()}


def pairs_only(model, data, loss):
    X, y = data
    return honest(model, (X, y), loss)


def tensors_only(model, data, loss):
    return honest(model, [(inputs.clone(), y) for inputs, y in batches(data)], loss)


def only_the_first_batch(model, data, loss):
    return honest(model, next(iter(batches(data))), loss)


def batches_count_the_same(model, data, loss):
    parts = [honest(model, part, loss) for part in batches(data)]
    return {name: sum(part[name] for part in parts) / len(parts) for name in parts[0]}


def runs_out_in_half(model, data, loss):
    wide = copy.deepcopy(model).double()
    for own, rounded in zip(wide.parameters(), model.parameters(), strict=True):
        own.requires_grad_(rounded.requires_grad)
    loose = 1e-3 if next(model.parameters()).dtype == torch.bfloat16 else 1.0
    return {name: s * loose for name, s in size(wide).items()}


def breaks_in_half(model, data, loss):
    return {name: torch.from_numpy(s.numpy()) for name, s in size(model).items()}


def cancels_in_single(model, data, loss):
    return {name: (s + 1e4) - 1e4 for name, s in size(model).items()}


def a_loss_of_its_own(model, data, loss):
    return honest(model, data, lambda z, y: cross_entropy(z, y) if y.ndim == 1 else (z * y).sum())


def by_place(model, data, loss):
    return {n: s + torch.arange(s.numel()).view_as(s) for n, s in size(model).items()}


SABOTAGED = {
    one_argument: "criterion(model, data, loss)",
    returns_a_list: "returns a list",
    names_biases: "it names ['0.bias'",
    counts_a_tie_twice: "two layers with one weight: it names ['2.weight']",
    forgets_what_is_unused: "leaves out ['unused.weight']",
    one_score_a_row: "'0.weight' are (4,)",
    python_lists: "'0.weight' are list",
    bools: "torch.bool",
    half_scores: "torch.float16",
    another_device: "on meta",
    not_a_number: "20 of the scores of '0.weight' are NaN",
    infinite_for_the_unused: "a layer that it does not use: 6 of the scores",
    keeps_the_graph: "require a gradient",
    the_weights_themselves: "the scores of ['0.weight', '3.weight'] lie in the memory",
    changes_weights: "the parameter '0.weight' has changed",
    replaces_parameters: "what '0.weight' is has changed",
    freezes: "what '0.weight' is has changed",
    leaves_gradients: "the gradient of '0.weight' has changed",
    clears_gradients: "the gradient of '0.weight' has changed",
    moves_running_averages: "the buffer norm.running_mean has changed",
    leaves_evaluation_mode: "the mode of layer '0' has changed",
    leaves_a_hook: "the hooks of the network has changed",
    changes_the_data: "the data have other values",
    moves_random_numbers: "torch's random number generator has moved on",
    moves_numpy: "numpy's random number generator has moved on",
    moves_python: "Python's random number generator has moved on",
    draws_from_everybodys: "asked again",
    depends_on_the_mode: "in training mode",
    needs_gradients_on: "under torch.no_grad()",
    skips_what_is_frozen: "with frozen weights",
    pairs_only: "given a list of one batch",
    tensors_only: "a network of two inputs: ",
    only_the_first_batch: "in batches of 3 and 1",
    batches_count_the_same: "in batches of 3 and 1",
    runs_out_in_half: "in bfloat16 the scores",
    breaks_in_half: "BFloat16",
    cancels_in_single: "in float32",
    a_loss_of_its_own: "never calls the loss",
    by_place: "in another order",
}


@pytest.mark.parametrize("criterion", SABOTAGED, ids=lambda c: c.__name__)
def test_a_dishonest_criterion_is_told_what_is_wrong(criterion):
    with pytest.raises(AssertionError) as caught:
        check_criterion(criterion)
    said = str(caught.value)
    assert SABOTAGED[criterion] in said
    assert said.startswith(f"{criterion.__name__} on ") and "; expected " in said
    assert said.endswith(".")


def test_what_a_criterion_means_otherwise_can_be_said():
    check_criterion(only_the_first_batch, split=False)
    check_criterion(by_place, equivariant=False)
    with pytest.raises(AssertionError, match="a network of two inputs by name"):
        check_criterion(tensors_only, without=["a network of two inputs"])
    check_criterion(
        tensors_only, without=["a network of two inputs", "a network of two inputs by name"]
    )
    with pytest.raises(
        ValueError, match=r"without: given \['a transformer'\], expected names among"
    ):
        check_criterion(honest, without=["a transformer"])


def test_asking_leaves_everybodys_random_numbers_alone():
    torch.manual_seed(5)
    np.random.seed(5)
    random.seed(5)
    before = chance()
    check_criterion(honest)
    assert chance() == before


def test_a_snapshot_tells_what_is_new_and_what_has_gone():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    before = Snapshot(model)
    assert before.differences(model) == []
    del model[1]
    model.register_buffer("extra", torch.ones(1))
    found = before.differences(model)
    assert "the parameter '1.weight' has gone" in found and "the buffer .extra is new" in found


def test_the_example_runs():
    options = doctest.ELLIPSIS | doctest.IGNORE_EXCEPTION_DETAIL
    failed, tried = doctest.testmod(testing, optionflags=options)
    assert tried >= 4 and not failed
