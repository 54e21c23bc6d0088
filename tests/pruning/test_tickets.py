"""Tickets against a recipe written out by hand; controls against what each must keep and change."""

import copy
import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import nn

from course_lib.masks import Mask, prunable
from course_lib.pruning import tickets
from course_lib.pruning.tickets import Ticket
from course_lib.training.fit import Recipe, fit
from course_lib.training.models import mlp
from course_lib.training.replicas import Replicas
from course_lib.training.trainer import Trainer

SIZES = (6, 7, 5, 3)
RECIPE = Recipe(steps=12, batch=8)


def toy():
    g = torch.Generator().manual_seed(0)
    return torch.randn(60, 6, generator=g).double(), torch.randint(0, 3, (60,), generator=g)


X, y = toy()


def net(seed=0):
    return mlp(SIZES, seed).double()


def copies(*seeds):
    return Replicas([net(seed) for seed in seeds])


def some_mask(model, density, seed=0):
    g = torch.Generator().manual_seed(seed)
    weights = prunable(model)
    return Mask({n: torch.rand(w.shape, generator=g) < density for n, w in weights.items()})


def ticket_of(model, density=0.5, **labels):
    initial = {n: v.clone() for n, v in model.state_dict().items()}
    return Ticket(some_mask(model, density), initial, **labels)


def counts(mask):
    """Kept weights of each layer; of each replica too, where there are replicas."""
    return {n: (e.flatten(1) if e.ndim == 3 else e.flatten()).sum(-1) for n, e in mask.items()}


def equal(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[n], b[n]) for n in a)


@pytest.mark.parametrize("step", [0, 5])
def test_finding_is_the_recipe_written_out(step):
    train = Trainer((X, y), RECIPE, seeds=(3,))
    found = list(
        tickets.find(
            net(), train, rounds=2, fraction=0.4, rewind_step=step, seed=(0,), scope="tensor"
        )
    )

    model = net()
    fit(model, (X, y), RECIPE, seed=3, stop=step)  # to the rewind step, with the optimiser's memory
    start = {n: v.clone() for n, v in model.state_dict().items()}
    mask = {n: torch.ones_like(w, dtype=torch.bool) for n, w in prunable(model).items()}
    for number, (done, ticket) in enumerate(found):
        assert equal(ticket.initial, start)
        assert ticket.mask == Mask(mask) == done.mask
        assert ticket.provenance["round"] == number
        model.load_state_dict(start)
        seed = 3 + 10_000 * number
        fit(model, (X, y), RECIPE, seed=seed, mask=Mask(mask), start=step)
        assert equal(done.trained, model.state_dict())
        for name, w in prunable(model).items():
            left = torch.nonzero(mask[name].flatten()).flatten().tolist()
            left.sort(key=lambda i, w=w: abs(float(w.detach().flatten()[i])))
            for i in left[: round(0.4 * len(left))]:
                mask[name].view(-1)[i] = False
    assert len(found) == 3


def test_a_ticket_trained_again_is_the_network_of_its_round():
    train = Trainer((X, y), RECIPE, seeds=(1, 2))
    *_, (done, ticket) = tickets.find(copies(0, 1), train, rounds=2, fraction=0.3)
    again = copies(8, 9)
    tickets.train_from(again, ticket.initial, ticket.mask, train, round=2)
    assert equal(again.state_dict(), done.trained)


def test_replicas_find_what_each_finds_alone():
    both = list(
        tickets.find(copies(0, 1), Trainer((X, y), RECIPE, seeds=(4, 5)), rounds=2, fraction=0.3)
    )
    for i in (0, 1):
        train = Trainer((X, y), RECIPE, seeds=(4 + i,))
        alone = list(tickets.find(net(i), train, rounds=2, fraction=0.3))
        for (_, together), (_, own) in zip(both, alone, strict=True):
            assert {n: e[i].tolist() for n, e in together.mask.items()} == {
                n: e.tolist() for n, e in own.mask.items()
            }


models = st.sampled_from([net, lambda: copies(0, 1, 2)])


@settings(max_examples=30, deadline=None)
@given(make=models, density=st.floats(0, 1), seed=st.integers(0, 99))
def test_shuffled_keeps_the_count_of_every_layer(make, density, seed):
    model = make()
    mask = some_mask(model, density)
    moved = tickets.shuffled(model, mask, seed)
    assert {n: c.tolist() for n, c in counts(moved).items()} == {
        n: c.tolist() for n, c in counts(mask).items()
    }
    assert moved == tickets.shuffled(model, mask, seed)


@settings(max_examples=30, deadline=None)
@given(make=models, density=st.floats(0, 1), seed=st.integers(0, 99))
def test_random_keeps_the_count_of_the_network(make, density, seed):
    model = make()
    mask = some_mask(model, density)
    drawn = tickets.random_mask(model, mask, seed)
    assert torch.equal(sum(counts(drawn).values()), sum(counts(mask).values()))


def test_controls_by_chance_visit_every_place_alike():
    model = net()
    mask = some_mask(model, 0.3)
    for control in (tickets.shuffled, tickets.random_mask):
        drawn = [control(model, mask, seed) for seed in range(600)]
        for name, entry in mask.items():
            often = torch.stack([d[name] for d in drawn]).double().mean(0)
            share = counts(mask)[name] / entry.numel() if control is tickets.shuffled else None
            p = float(share) if share is not None else mask.density
            assert (often - p).abs().max() < 5 * (p * (1 - p) / 600) ** 0.5  # five deviations


def test_replicas_are_shuffled_each_in_its_own_way():
    model = Replicas([net(0), net(0)])
    mask = Mask({n: torch.stack([e, e]) for n, e in some_mask(net(), 0.5).items()})
    for control in (tickets.shuffled, tickets.random_mask):
        moved = control(model, mask, 0)
        assert any(not torch.equal(e[0], e[1]) for e in moved.values())


@pytest.mark.parametrize("make", [net, lambda: copies(0, 1, 2)])
def test_largest_against_sorting(make):
    model = make()
    mask = some_mask(model, 0.4)
    found = tickets.largest(model, mask)
    for name, w in prunable(model).items():
        parts = zip(w, mask[name], found[name], strict=True) if w.ndim == 3 else [
            (w, mask[name], found[name])
        ]  # fmt: skip
        for own, kept, got in parts:
            order = own.detach().abs().flatten().argsort(descending=True)
            wanted = torch.zeros(own.numel(), dtype=torch.bool)
            wanted[order[: int(kept.sum())]] = True
            assert torch.equal(got.flatten(), wanted)
    with pytest.raises(ValueError, match="names and shapes"):
        tickets.largest(model, Mask({"other": torch.ones(2, 2, dtype=torch.bool)}))


def test_reinitialised_refuses_the_same_start():
    ticket = ticket_of(net(0))
    assert equal(tickets.reinitialised(ticket, net(1)), net(1).state_dict())
    with pytest.raises(ValueError, match="another seed"):
        tickets.reinitialised(ticket, net(0))
    with pytest.raises(ValueError, match="another seed"):  # one replica of two is enough
        tickets.reinitialised(ticket_of(copies(0, 1)), copies(5, 1))


@pytest.mark.parametrize("make", [net, lambda: copies(0, 1)])
def test_signs_only_keeps_signs_biases_and_spread(make):
    model = make()
    ticket = ticket_of(model)
    values = tickets.signs_only(ticket, model)
    for name, value in values.items():
        old = ticket.initial[name]
        if name not in ticket.mask:
            assert torch.equal(value, old)
            continue
        assert torch.equal(value.sign(), old.sign())
        for own, before in zip(value, old, strict=True) if old.ndim == 3 else [(value, old)]:
            torch.testing.assert_close(own.abs(), before.std().expand_as(own))
    assert equal(ticket.initial, model.state_dict())  # the ticket has not been touched


def test_a_ticket_is_saved_and_read_bit_for_bit(tmp_path):
    path = tmp_path / "ticket.safetensors"
    ticket = ticket_of(copies(0, 1), seed=(0, 1), provenance={"round": 3, "data": "toy"})
    ticket.save(path)
    read = Ticket.load(path)
    assert read.mask == ticket.mask
    assert equal(read.initial, ticket.initial)
    assert (read.seed, read.provenance) == (ticket.seed, ticket.provenance)
    read.verify(copies(0, 1))
    with pytest.raises(ValueError, match=r"differs.*0\.weight"):
        read.verify(copies(0, 2))
    trained = copies(0, 1)
    Trainer((X, y), RECIPE, seeds=(0, 1))(trained)
    with pytest.raises(ValueError, match="rewind step"):
        dataclasses.replace(read, initial=trained.state_dict()).verify(copies(0, 1))


def test_an_altered_or_broken_file_is_refused(tmp_path):
    path = tmp_path / "ticket.safetensors"
    ticket_of(net(), seed=(0,)).save(path)
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[-1] ^= 1
    tensors = load_file(path)
    for content in (
        whole[:-3],
        b"",
        bytes(flipped),
        whole.replace(b'\\"seed\\": [0]', b'\\"seed\\": [1]'),
    ):
        assert content != whole
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"Ticket\.save"):
            Ticket.load(path)
    save_file(tensors, path)  # the tensors alone, with no word on where they come from
    with pytest.raises(ValueError, match=r"Ticket\.save"):
        Ticket.load(path)


def test_mask_and_values_must_belong_together():
    ticket = ticket_of(net())
    other = mlp((6, 4, 3), 0).double().state_dict()
    with pytest.raises(ValueError, match="same network"):
        Ticket(ticket.mask, other)
    broken = copy.deepcopy(ticket.initial)
    broken["2.weight"][0, 0] = float("nan")
    with pytest.raises(ValueError, match=r"2\.weight.*finite"):
        Ticket(ticket.mask, broken)


def test_seeds_may_be_numpys_and_what_is_none_is_told_so(tmp_path):
    one = mlp((5, 4, 3), 0)
    mask = Mask({n: w > 0 for n, w in prunable(one).items()})
    assert tickets.random_mask(one, mask, np.int64(3)) == tickets.random_mask(one, mask, 3)
    for wrong in (None, 1.5, "1", True):
        with pytest.raises(TypeError, match="seed: given"):
            tickets.random_mask(one, mask, wrong)
        for seed in (wrong, (wrong,)):
            with pytest.raises(TypeError, match="seed: given"):
                tickets.find(one, None, rounds=1, fraction=0.5, seed=seed)
    train = Trainer((torch.randn(9, 5), torch.arange(9) % 3), Recipe(steps=2, batch=3))
    how = {"rounds": 1, "fraction": np.float32(0.25), "rewind_step": np.int64(1)}
    *_, (_, ticket) = tickets.find(one, train, seed=(np.int64(3),), **how)
    ticket.save(tmp_path / "one.ticket")
    assert Ticket.load(tmp_path / "one.ticket").seed == (3,)


def test_tickets_are_told_what_they_cannot_be_held_against_or_say(tmp_path):
    one = mlp((5, 4, 3), 0)
    ticket = Ticket(Mask.ones_like(one), one.state_dict(), provenance={"rate": np.float32(1)})
    for other in (mlp((5, 6, 3), 1), mlp((5, 4, 4, 3), 1), nn.Linear(5, 3)):
        with pytest.raises(ValueError, match="fresh: differs from the ticket in the shapes of"):
            tickets.reinitialised(ticket, other)
    with pytest.raises(TypeError, match=r"provenance.*expected what JSON can say"):
        ticket.save(tmp_path / "one.ticket")
    with pytest.raises(TypeError, match="start: given a OrderedDict, expected the network"):
        ticket.verify(one.state_dict())
    kept = Ticket(ticket.mask, {**one.state_dict(), "_extra_state": {"batches": 0}})
    with pytest.raises(TypeError, match=r"initial: .*_extra_state.*are no tensors"):
        kept.save(tmp_path / "one.ticket")
    with pytest.raises(ValueError, match="_extra_state"):
        kept.verify(one)
