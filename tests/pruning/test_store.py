"""A run that is interrupted goes on as if nothing had been; another experiment is refused."""

import dataclasses
import threading
from functools import partial

import pytest
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset

from course_lib.masks import prunable
from course_lib.pruning import (
    criteria,
    iterative_pruning,
    tickets,
)  # fmt: skip
from course_lib.pruning.fingerprint import fingerprint
from course_lib.training.fit import Recipe, fit
from course_lib.training.schedules import constant, exponential
from course_lib.training.trainer import Trainer
from tests.pruning.trained import RECIPE, TRAIN, X, net, states_equal, y


class Interrupted(Exception):
    pass


@pytest.mark.parametrize("stop_at", [0, 1, 2, 3])
@pytest.mark.parametrize("rewind_step", [None, 0, 4])
def test_interrupted_and_resumed_equals_uninterrupted(tmp_path, stop_at, rewind_step):
    settings_ = {"rounds": 3, "fraction": 0.3, "rewind_step": rewind_step}
    whole = list(iterative_pruning(net(), TRAIN, **settings_))
    calls = []

    def breaks(model, mask=None, *, round=0, start=0, stop=None, on_step=None):
        TRAIN(model, mask, round=round, start=start, stop=(start + 3) if round == stop_at else stop)
        calls.append(round)
        if round == stop_at:
            raise Interrupted  # in the middle of a round, with the weights half trained

    with pytest.raises(Interrupted):
        list(iterative_pruning(net(), breaks, folder=tmp_path, key="toy", **settings_))
    calls.clear()

    def counts(model, mask=None, *, round=0, **rest):
        calls.append(round)
        TRAIN(model, mask, round=round, **rest)

    resumed = list(iterative_pruning(net(), counts, folder=tmp_path, key="toy", **settings_))
    assert set(calls) == set(range(stop_at, 4))  # nothing is done twice
    for a, b in zip(whole, resumed, strict=True):
        assert a.mask == b.mask and states_equal(a.trained, b.trained)
        assert states_equal(a.rewound, b.rewound)


def test_a_broken_round_is_done_again_and_a_strangers_folder_refused(tmp_path):
    settings_ = {"rounds": 2, "fraction": 0.3, "folder": tmp_path}
    whole = list(iterative_pruning(net(), TRAIN, **settings_))
    path = tmp_path / "round-001.safetensors"
    path.write_bytes(path.read_bytes()[:-5])
    again = list(iterative_pruning(net(), TRAIN, **settings_))
    assert all(states_equal(a.trained, b.trained) for a, b in zip(whole, again, strict=True))
    with pytest.raises(ValueError, match="another experiment"):
        list(iterative_pruning(net(1), TRAIN, **settings_))
    with pytest.raises(ValueError, match="another experiment"):
        list(iterative_pruning(net(), TRAIN, rounds=2, fraction=0.4, folder=tmp_path))


@pytest.mark.parametrize("kind", ["a file", "below a file", "no path", "a name too long"])
def test_a_folder_that_takes_no_rounds_is_told_before_anything_is_trained(kind, tmp_path):
    (tmp_path / "file").touch()
    folder = {
        "a file": tmp_path / "file", "below a file": tmp_path / "file" / "runs", "no path": 3,
        "a name too long": tmp_path / ("x" * 300),
    }[kind]  # fmt: skip
    model = net()
    with pytest.raises((TypeError, ValueError), match=r"^folder: given"):
        iterative_pruning(model, TRAIN, densities=[0.5], folder=folder)
    assert states_equal(model.state_dict(), net().state_dict())


def test_rounds_that_are_all_there_are_read_where_nothing_can_be_written(tmp_path, monkeypatch):
    def refused(**_):
        raise PermissionError("read-only")

    first = list(iterative_pruning(net(), TRAIN, densities=[0.5], folder=tmp_path))
    monkeypatch.setattr("tempfile.TemporaryFile", refused)
    again = list(iterative_pruning(net(), TRAIN, densities=[0.5], folder=tmp_path))
    assert states_equal(first[-1].trained, again[-1].trained)
    (tmp_path / "round-001.safetensors").unlink()
    with pytest.raises(ValueError, match=r"cannot be stored.*read-only"):
        iterative_pruning(net(), TRAIN, densities=[0.5], folder=tmp_path)


class Counting(nn.Linear):
    """A layer that keeps something beside its tensors, and writes on what it was given."""

    def __init__(self):
        super().__init__(6, 3)
        self.seen = {"batches": 0}

    def forward(self, X):
        self.seen["batches"] += 1
        return super().forward(X)

    def get_extra_state(self):
        return self.seen

    def set_extra_state(self, state):
        self.seen = state


def test_what_a_layer_keeps_beside_its_tensors_goes_along(tmp_path):
    settings_ = {"densities": [0.5, 0.2], "rewind_step": 0}
    model = Counting().double()
    rounds = list(iterative_pruning(model, TRAIN, **settings_))
    assert [done.trained["_extra_state"]["batches"] for done in rounds] == [12, 12, 12]
    assert rounds[0].rewound["_extra_state"] == {"batches": 0}
    *_, (done, ticket) = tickets.find(Counting().double(), TRAIN, rounds=1, fraction=0.5)
    assert ticket.initial["_extra_state"] == {"batches": 0} != done.trained["_extra_state"]
    with pytest.raises(TypeError, match=r"folder: .*'_extra_state'.*no tensors"):
        iterative_pruning(model, TRAIN, **settings_, folder=tmp_path)


def smooth(logits, y):
    return cross_entropy(logits, y, label_smoothing=0.1)


def by_size(model, data, loss, power=1):
    return {n: w.detach().abs() ** power for n, w in prunable(model).items()}


BASE = {
    "model": net, "train": TRAIN, "densities": [0.5, 0.2], "criterion": criteria.obd,
    "data": (X, y), "loss": cross_entropy,
}  # fmt: skip


def with_tanh():
    model = net()
    model[1] = nn.Tanh()
    return model


def half_frozen():
    model = net()
    model[2].bias.requires_grad_(False)
    return model


OTHERS = {
    "start values": {"model": lambda: net(1)},
    "network, the same values": {"model": with_tanh},
    "frozen bias": {"model": half_frozen},
    "examples": {"data": (X + 1e-9, y)},
    "classes": {"data": (X, y.flip(0))},
    "as batches": {"data": [(X[:30], y[:30]), (X[30:], y[30:])]},
    "criterion": {"criterion": criteria.fisher},
    "its settings": {"criterion": partial(criteria.obd, diagonal="hutchinson")},
    "its seed": {"criterion": partial(criteria.obd, diagonal="hutchinson", seed=1)},
    "own criterion": {"criterion": by_size},
    "own criterion's settings": {"criterion": partial(by_size, power=2)},
    "a lambda": {"criterion": lambda model, data, loss: by_size(model, data, loss, 2)},
    "another lambda": {"criterion": lambda model, data, loss: by_size(model, data, loss, 3)},
    "loss": {"loss": smooth},
    "loss as a module": {"loss": nn.CrossEntropyLoss(label_smoothing=0.1)},
    "loss as another": {"loss": nn.CrossEntropyLoss(label_smoothing=0.2)},
    "trainer's data": {"train": dataclasses.replace(TRAIN, data=(X, y.flip(0)))},
    "trainer's batches": {"train": dataclasses.replace(TRAIN, data=[(X, y)])},
    "loader": {"train": Trainer(DataLoader(TensorDataset(X, y), 8), RECIPE)},
    "loader's batch": {"train": Trainer(DataLoader(TensorDataset(X, y), 7), RECIPE)},
    "recipe": {"train": dataclasses.replace(TRAIN, recipe=Recipe(steps=12, batch=8, lr=0.2))},
    "schedule": {
        "train": dataclasses.replace(TRAIN, recipe=Recipe(steps=12, batch=8, schedule=constant))
    },
    "slope of the schedule": {
        "train": dataclasses.replace(
            TRAIN, recipe=Recipe(steps=12, batch=8, schedule=exponential(0.1))
        )
    },
    "another slope": {
        "train": dataclasses.replace(
            TRAIN, recipe=Recipe(steps=12, batch=8, schedule=exponential(0.2))
        )
    },
    "seeds": {"train": dataclasses.replace(TRAIN, seeds=(1,))},
    "trainer's loss": {"train": dataclasses.replace(TRAIN, loss=smooth)},
    "densities": {"densities": [0.5, 0.1]},
    "scope": {"scope": "tensor"},
    "rewinding": {"rewind_step": 0},
    "rewind step": {"rewind_step": 1},
}


def run(folder, **settings_):
    how = BASE | settings_
    return iterative_pruning(how.pop("model")(), how.pop("train"), folder=folder, **how)


def test_another_experiment_in_the_same_folder_is_refused_whatever_is_other(tmp_path):
    whole = list(run(tmp_path))
    for name, other in OTHERS.items():
        with pytest.raises(ValueError, match="another experiment"):
            print(name, list(run(tmp_path, **other)))
    # The same, told in other objects, is read.
    same = {
        "train": Trainer((X.clone(), y.clone()), Recipe(12, batch=8), seeds=[0]),
        "data": [X.clone(), y.clone()],
        "densities": (0.5, 0.2),
    }
    again = list(run(tmp_path, **same))
    assert all(states_equal(a.trained, b.trained) for a, b in zip(whole, again, strict=True))
    # And every experiment is told from every other.
    digests = {name: fingerprint(told(BASE | other)) for name, other in OTHERS.items()}
    assert len(set(digests.values())) == len(OTHERS)


def told(settings_):
    return {n: v() if n == "model" else v for n, v in settings_.items()}


class Own:
    """A trainer of one's own."""

    def __init__(self, lr, lock=None):
        self.lr, self.lock = lr, lock

    def __call__(self, model, mask=None, *, round=0, start=0, stop=None, on_step=None):
        recipe = Recipe(steps=4, batch=8, lr=self.lr)
        fit(model, (X, y), recipe, seed=round, mask=mask, start=start, stop=stop, on_step=on_step)


def test_trainers_of_ones_own_are_told_by_what_is_in_them_or_by_a_key(tmp_path):
    settings_ = {"densities": [0.5]}
    list(iterative_pruning(net(), Own(0.1), folder=tmp_path / "a", **settings_))
    list(iterative_pruning(net(), Own(0.1), folder=tmp_path / "a", **settings_))
    with pytest.raises(ValueError, match="another experiment"):
        list(iterative_pruning(net(), Own(0.2), folder=tmp_path / "a", **settings_))

    locked = Own(0.1, threading.Lock())
    model = net()
    with pytest.raises(TypeError, match=r"train\.lock is or holds a lock.*Give key="):
        iterative_pruning(model, locked, folder=tmp_path / "b", **settings_)
    assert states_equal(model.state_dict(), net().state_dict())
    list(iterative_pruning(net(), locked, **settings_))  # without a folder nothing is told apart

    keyed = {"folder": tmp_path / "b", **settings_}
    first = list(iterative_pruning(net(), locked, key="lr 0.1", **keyed))
    again = list(iterative_pruning(net(), Own(0.1, threading.Lock()), key="lr 0.1", **keyed))
    assert states_equal(first[-1].trained, again[-1].trained)
    for other in ({"key": "lr 0.2"}, {"key": "lr 0.1", "densities": [0.4]}, {}):
        with pytest.raises((TypeError, ValueError), match=r"another experiment|Give key="):
            list(iterative_pruning(net(), locked, **keyed | other))
    with pytest.raises(ValueError, match="another experiment"):
        list(iterative_pruning(net(1), locked, key="lr 0.1", **keyed))


def test_tickets_keep_experiments_apart_too(tmp_path):
    def find(**settings_):
        return list(
            tickets.find(net(), TRAIN, rounds=1, fraction=0.5, folder=tmp_path, **settings_)
        )

    find()
    find()
    for other in ({"scope": "tensor"}, {"criterion": criteria.snip, "data": (X, y)}):
        with pytest.raises(ValueError, match="another experiment"):
            find(**other)
