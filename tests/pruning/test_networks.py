"""The table: some forty networks, every public function of masks, pruning and sparse.

Each cell is right by an oracle, or a refusal in the library's own words that changes nothing and is
listed in `calls.REFUSALS` with its reason. `python tests/pruning/networks.py` prints it.
"""

import contextlib
import copy
import inspect
import typing
from importlib import import_module

import pytest
import torch
from torch import nn
from torch.nn.functional import l1_loss

from course_lib import masks
from course_lib.masks import Mask
from course_lib.pruning import criteria, curvature, cut, interop, rounds, structured, tickets
from course_lib.pruning.testing import check_criterion
from course_lib.training import fit, trainer
from tests.pruning import calls
from tests.pruning.calls import APART, APART_ONE, CALLS, INSIDE, ROOMS, columns_of, is_apart, public
from tests.pruning.networks import NETWORK, NETWORKS

REFUSED = calls.refused()

COMPUTED = [
    "bfloat16", "float16", "tied", "tied head", "one module twice", "frozen", "partly frozen",
    "unused layer", "CNN, batch norm", "CNN, residual", "attention",
    "attention to others", "transformer", "LSTM", "GRU", "embedding",
]  # fmt: skip


@pytest.fixture(autouse=True)
def one_thread():
    """Networks of a few dozen weights, beside other tests."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("network", NETWORKS, ids=lambda n: n.name)
def test_the_result_is_right_or_refused_in_our_words(network, name):
    reason = REFUSED.get((network.name, name))
    found = calls.outcome(network, name)
    expected = f"a refusal, as {reason}" if reason else "the right result"
    assert found.kind == ("refused" if reason else "computed"), f"{found}; expected {expected}"


def test_every_public_function_has_a_column():
    left_out = [name for name in public() if not columns_of(name) and not is_apart(name)]
    assert not left_out, (
        f"{left_out} run on no network. Write their columns in tests/pruning/calls.py, with an "
        "oracle; or say in APART_ONE why they are given none."
    )


def test_nothing_is_listed_that_is_not_there():
    names = set(public())
    modules = {name.partition(".")[0] for name in names}
    assert set(APART_ONE) <= names and {*APART, *INSIDE} <= modules
    beside = {"fit", "trainer"}  # rooms that the rounds need, and beyond the three of the table
    columns = {column.partition(" ")[0] for column in CALLS}
    assert {c for c in columns if c.partition(".")[0] not in beside} <= names


def test_modules_left_apart_are_given_no_network():
    for module in APART:
        room = next(r for r in ROOMS if _exists(f"course_lib.{r}.{module}"))
        for name, thing in vars(import_module(f"course_lib.{room}.{module}")).items():
            if inspect.isfunction(thing) and not name.startswith("_"):
                kinds = {str(p.annotation) for p in inspect.signature(thing).parameters.values()}
                assert not any("Module" in kind for kind in kinds), f"{module}.{name}"


def _exists(name: str) -> bool:
    try:
        import_module(name)
    except ModuleNotFoundError:
        return False
    return True


def test_a_fifth_of_the_cells_is_refused_at_most():
    share = len(REFUSED) / (len(NETWORKS) * len(CALLS))
    assert share <= 0.2, f"{share:.1%} of the cells are refused"


def test_what_must_be_computed_is_not_refused():
    rooms = (
        "mask.", "weights.", "selection.", "criteria.", "curvature.", "cut.", "rounds.", "gradual.",
        "ticket.", "tickets.", "fit.", "trainer.",
    )  # fmt: skip
    must = {(network, c) for network in COMPUTED for c in CALLS if c.startswith(rooms)}
    must |= {("CNN, residual", "convert.sparsify"), ("transformer", "convert.sparsify")}
    # Where every parameter is frozen there is nothing to train: said, in place of doing nothing.
    must -= {("frozen", c) for c in [*calls.ROUNDS, *calls.TRAINING]}
    assert not must & set(REFUSED)
    assert len(must) > 500


def test_the_networks_are_what_their_names_say():
    def has(name: str, kind: type[nn.Module]) -> bool:
        return any(isinstance(layer, kind) for layer in NETWORK[name].model().modules())

    assert has("attention", nn.MultiheadAttention) and has("LSTM", nn.LSTM)
    assert has("transformer", nn.TransformerEncoderLayer) and has("GRU", nn.GRU)
    assert has("CNN, batch norm", nn.BatchNorm2d) and has("CNN, residual", nn.BatchNorm2d)
    for name in ("tied", "tied head", "one module twice"):
        model = NETWORK[name].model()
        assert len(list(model.named_parameters(remove_duplicate=False))) > len(
            list(model.parameters())
        )
    assert not any(p.requires_grad for p in NETWORK["frozen"].model().parameters())
    assert not list(NETWORK["empty"].model().parameters())
    assert len(list(NETWORK["one weight"].model().parameters())) == 1
    assert all(p.isnan().all() for p in NETWORK["diverged"].model().parameters())
    assert NETWORK["bfloat16"].model()[0].weight.dtype == torch.bfloat16
    assert NETWORK["on meta"].model()[0].weight.is_meta
    for network in NETWORKS:  # made again it is the same
        one, other = network.model().state_dict(), network.model().state_dict()
        assert one.keys() == other.keys()
        if network.device == "cpu":
            assert all(torch.equal(one[n].nan_to_num(), other[n].nan_to_num()) for n in one)


# The table itself turns red


def broken(name, monkeypatch, change):
    """Run a cell with a function of the library replaced by a wrong one."""
    monkeypatch.setitem(CALLS, name, change)
    return calls.outcome(NETWORK["perceptron"], name)


@pytest.mark.parametrize(
    "name", [name for name in CALLS if name.startswith(("criteria.", "curvature."))]
)
def test_scores_that_are_two_percent_off_are_wrong(monkeypatch, name):
    room, _, own = name.partition(" ")[0].partition(".")
    module = {"criteria": criteria, "curvature": curvature}[room]
    true = getattr(module, own)

    def off(*given, **how):
        found = true(*given, **how)
        if isinstance(found, Mask):  # brain_surgery: what is left, and the weights
            with torch.no_grad():
                given[0][0].weight.mul_(1.02)
            return found
        if isinstance(found, torch.Tensor):
            return found * 1.02
        return {name: s * 1.02 for name, s in found.items()}

    monkeypatch.setattr(module, own, off)
    assert calls.outcome(NETWORK["float64"], name).kind == "wrong"


def ignoring(function, *names, **instead):
    """Make a function that does not do what some of its arguments ask for."""

    def wrong(*given, **how):
        return function(*given, **{n: v for n, v in how.items() if n not in names} | instead)

    return wrong


def twice_named(model):
    return {n: p for n, p in model.named_parameters(remove_duplicate=False) if p.ndim > 1}


@contextlib.contextmanager
def held_at_first(optimiser, model, mask):
    mask.apply_(model)
    yield


WRONG = [
    ("weights.prunable", "tied", calls, "prunable", twice_named),
    ("selection.select", "perceptron", masks, "select",
     lambda scores, density: masks.Mask({n: s > 0.25 for n, s in scores.items()})),
    ("selection.top_k", "perceptron", masks, "top_k", lambda s, k: s < s.median()),
    ("cut.prune", "perceptron", cut, "prune",
     lambda scores, mask, fraction: masks.select(scores, density=1 - fraction)),
    ("cut.prune", "perceptron", cut, "prune",
     ignoring(cut.prune, scope="tensor")),
    ("rounds.iterative_pruning", "perceptron", rounds, "prune_model",
     ignoring(cut.prune_model, scope="tensor")),
    ("rounds.one_shot", "perceptron", rounds, "iterative_pruning",
     ignoring(rounds.iterative_pruning, rewind_step=0)),
    ("tickets.find", "perceptron", tickets, "iterative_pruning",
     ignoring(rounds.iterative_pruning, rewind_step=None)),
    ("tickets.largest", "perceptron", tickets, "magnitude",
     lambda model: {n: -s for n, s in criteria.magnitude(model).items()}),
    ("fit.fit", "perceptron", trainer, "fit", ignoring(fit, "mask")),
    ("fit.fit", "regression", trainer, "fit", ignoring(fit, loss=l1_loss)),
    ("fit.hold", "perceptron", calls, "hold", held_at_first),
    ("interop.plain_state_dict", "pruned by torch", interop, "plain_state_dict",
     lambda model: model.state_dict()),
    ("structured.remove", "CNN, batch norm", structured, "remove",
     lambda model, units: copy.deepcopy(model)),
    ("convert.sparsify", "CNN, residual", calls, "sparsify",
     lambda model, mask: copy.deepcopy(model)),
    ("convert.densify", "frozen", calls, "densify",
     lambda model: calls_densify(model).requires_grad_(True)),
]  # fmt: skip
calls_densify = calls.densify


@pytest.mark.parametrize("name, network, where, what, wrong", WRONG)
def test_what_is_not_done_is_wrong(monkeypatch, name, network, where, what, wrong):
    assert calls.outcome(NETWORK[network], name).kind == "computed"
    monkeypatch.setattr(where, what, wrong)
    assert calls.outcome(NETWORK[network], name).kind == "wrong"


def test_an_error_of_another_is_wrong(monkeypatch):
    found = broken("criteria.snip", monkeypatch, lambda t: torch.zeros(2) + torch.zeros(3))
    assert found.kind == "wrong" and "RuntimeError" in found.said
    found = broken("criteria.snip", monkeypatch, lambda t: int("a"))
    assert found.kind == "wrong" and "ValueError" in found.said


def test_a_refusal_that_has_changed_something_is_wrong(monkeypatch):
    def late(t):
        t.model[0].weight.data.zero_()
        Mask({"0.weight": 1})

    found = broken("criteria.snip", monkeypatch, late)
    assert found.kind == "wrong" and "the parameter '0.weight' has changed" in found.said


def test_a_result_that_has_changed_something_is_wrong(monkeypatch):
    found = broken("criteria.snip", monkeypatch, lambda t: t.model.eval())
    assert found.kind == "wrong" and "the mode of the network has changed" in found.said


# The criteria of the library are held to the common test


HOW = {
    criteria.random: {"equivariant": False},
    criteria.obs: {"damping": 10.0},
}
CRITERIA = [
    value
    for name, value in vars(criteria).items()
    if inspect.isfunction(value) and value.__module__ == criteria.__name__
    and not name.startswith("_") and typing.get_type_hints(value).get("return") == criteria.Scores
]  # fmt: skip


@pytest.mark.filterwarnings("ignore:synflow. nothing flows")
@pytest.mark.parametrize("criterion", CRITERIA, ids=lambda c: c.__name__)
def test_criteria_keep_what_all_must_keep(criterion):
    check_criterion(criterion, **HOW.get(criterion, {}))


def test_all_criteria_were_found():
    assert len(CRITERIA) >= 11
