"""What the loss is without a weight: each is set to zero, many together where that can be done."""

from itertools import product
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import vmap

from course_lib.pruning.scoring import CHUNK, Scored, looks_around
from course_lib.training.examples import Batch, mean_of

# Layers that treat every row of a matrix alike: many batches can go through them as one; norms only
# as `_row_by_row` has it.
ROW_BY_ROW = (
    nn.Linear, nn.ReLU, nn.LeakyReLU, nn.Tanh, nn.Sigmoid, nn.GELU, nn.SiLU, nn.ELU, nn.Softplus,
    nn.Identity, nn.Dropout, nn.BatchNorm1d, nn.LayerNorm,
)  # fmt: skip


def tried_together(model: nn.Module) -> dict[str, int]:
    """Tell which Linear layers of a Sequential can be tried without many weights at once.

    Nobody else uses their weight, no hook looks on, and what follows treats rows alike.
    """
    layers = list(model) if type(model) is nn.Sequential else []
    if any(m._forward_hooks or m._forward_pre_hooks for m in model.modules()):
        return {}
    users = [w.data_ptr() for _, w in model.named_parameters(remove_duplicate=False)]
    return {
        f"{number}.weight": number
        for number, layer in enumerate(layers)
        if type(layer) is nn.Linear
        and users.count(layer.weight.data_ptr()) == 1
        and all(_row_by_row(after) for after in layers[number + 1 :])
    }


def _row_by_row(layer: nn.Module) -> bool:
    """Tell whether a layer treats every row of a matrix alike, whatever stands in the others."""
    if isinstance(layer, nn.LayerNorm) and len(layer.normalized_shape) > 1:
        return False
    return type(layer) in ROW_BY_ROW and not looks_around(layer)


def loss_without(task: Scored, w: Tensor, number: int | None, batch: Batch) -> Tensor:
    """Return the loss of a batch without each weight, float64 in the shape of the weights."""
    if number is not None and isinstance(batch[0], Tensor):
        assert isinstance(task.model, nn.Sequential)  # as `tried_together` found it
        inputs = task.model[:number](batch[0])
        if inputs.ndim == 2:
            return _without_each(task, number, inputs, batch[1])
    losses = torch.empty(w.shape, dtype=torch.float64, device=w.device)
    for index in product(*map(range, w.shape)):
        value = w.data[index].clone()
        w.data[index] = 0
        losses[index] = task.loss_of(batch)
        w.data[index] = value
    return losses


def _without_each(task: Scored, number: int, inputs: Tensor, y: Any) -> Tensor:
    """Return the loss without each weight of one Linear layer: only one of its outputs moves."""
    assert isinstance(task.model, nn.Sequential)
    layer, rest = task.model[number], task.model[number + 1 :]
    assert isinstance(layer, nn.Linear)
    z = layer(inputs)
    losses = torch.empty_like(layer.weight)
    size = max(1, CHUNK // (8 * z.numel()))
    one = vmap(lambda logits: mean_of(task.loss, logits, y))
    for unit, row in enumerate(layer.weight):
        for some in torch.arange(len(row), device=row.device).split(size):
            moved = z.expand(len(some), *z.shape).clone()
            moved[:, :, unit] -= (row[some] * inputs[:, some]).T
            logits = rest(moved.flatten(0, 1)).view(len(some), len(z), -1)
            try:
                losses[unit, some] = one(logits)
            except RuntimeError:  # a loss that looks at its numbers is asked one by one
                found = [mean_of(task.loss, each, y) for each in logits]
                losses[unit, some] = torch.stack(found)
    return losses
