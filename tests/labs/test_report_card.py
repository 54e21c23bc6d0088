"""The report card: every number against one counted by hand, and nothing on it that can be told."""

import copy
import json
import math

import numpy as np
import pytest
import torch
from scipy import sparse, stats
from torch import nn
from torch.nn.utils import prune

from course_lib.labs import report_card as lab
from course_lib.training.models import mlp

WORDS = {"data": "Made.", "recipe": "Cut."}


def cut(model, share):
    """Set all but the largest weights of each matrix to zero, in a copy."""
    pruned = copy.deepcopy(model)
    for w in pruned.parameters():
        if w.ndim > 1:
            limit = w.detach().abs().flatten().kthvalue(round(share * w.numel())).values
            w.data[w.abs() <= limit] = 0
    return pruned


def examples(n=60, features=8):
    generator = torch.Generator().manual_seed(0)
    X = torch.randn(n, features, generator=generator)
    return X, X[:, :3].argmax(dim=1), np.array(["a", "b", "c"])[[i % 3 for i in range(n)]]


def pairs(seeds=(3, 4, 5), share=0.9, sizes=(8, 40, 3)):
    dense = {seed: mlp(sizes, seed) for seed in seeds}
    return {seed: (model, cut(model, share)) for seed, model in dense.items()}


def card(found=None, **how):
    X, y, groups = examples()
    return lab.report_card(found or pairs(), X, y, groups, **({"eps": 0.01} | WORDS | how))


@pytest.fixture(scope="module")
def made():
    return pairs(), card()


# What it measures


def test_the_density_is_counted_in_the_weights(made):
    models, found = made
    _, pruned = models[3]
    kept = sum(int((layer.weight != 0).sum()) for layer in pruned if isinstance(layer, nn.Linear))
    assert found.size == {"weights": 440, "kept": kept, "density": kept / 440}
    assert kept == 44


def test_bytes_are_those_of_what_would_be_stored(made):
    (_, pruned), found = made[0][3], made[1]
    stored = sum(p.numel() * 4 for p in pruned.parameters() if p.ndim == 1)
    for layer in pruned:
        if isinstance(layer, nn.Linear):
            csr = sparse.csr_array(layer.weight.detach().numpy())
            stored += csr.nnz * (4 + 2) + 4 * len(csr.indptr)
    assert found.bytes["stored"] == stored
    assert found.bytes["dense"] == 4 * sum(p.numel() for p in pruned.parameters())


def test_a_layer_that_is_larger_in_compressed_rows_stays_dense():
    found = card(pairs(share=0.1))
    assert found.bytes["stored"] == found.bytes["dense"]
    assert {how for _, how, *_ in found.bytes["layers"]} == {"dense"}


def test_nothing_is_sparse_that_was_only_called_so():
    # Masked, renamed, made tiny: what is not zero counts as kept.
    dense = {seed: mlp((8, 40, 3), seed) for seed in (0, 1)}
    tiny = {s: copy.deepcopy(model) for s, model in dense.items()}
    for model in tiny.values():
        for w in model.parameters():
            w.data *= 1e-20
    found = card({s: (dense[s], tiny[s]) for s in dense})
    assert found.size["density"] == 1 and found.bytes["stored"] == found.bytes["dense"]


def test_units_that_are_gone_are_gone_from_the_count():
    small = {seed: mlp((8, 10, 3), seed) for seed in (0, 1)}
    found = card({seed: (mlp((8, 40, 3), seed), small[seed]) for seed in (0, 1)})
    assert found.size["density"] == 110 / 440
    assert found.bytes["stored"] == 4 * (110 + 13) < found.bytes["dense"] == 4 * (440 + 43)


def wilson(right, n, z=1.959963984540054):
    p = right / n
    centre, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return [p, *((centre + sign * half) / (1 + z * z / n) for sign in (-1, 1))]


def test_accuracies_and_gaps_are_counted(made):
    models, found = made
    X, y, groups = examples()
    widest = {}
    for kind, number in (("dense", 0), ("pruned", 1)):
        right = {s: (pair[number](X).argmax(1) == y).numpy() for s, pair in models.items()}
        for name in "abc":
            own = right[3][groups == name]
            assert found.accuracy[name][kind] == pytest.approx(wilson(own.sum(), len(own)))
        assert found.accuracy["overall"][kind] == pytest.approx(wilson(right[3].sum(), 60))
        shares = {s: [r[groups == g].mean() for g in "abc"] for s, r in right.items()}
        widest[kind] = np.array([max(each) - min(each) for each in shares.values()])
        gap, best, worst = found.gap[kind]
        assert gap == pytest.approx(widest[kind][0])
        assert found.accuracy[best][kind][0] - found.accuracy[worst][kind][0] == pytest.approx(gap)
    test = stats.ttest_rel(widest["pruned"], widest["dense"]).confidence_interval(0.95)
    assert found.gap["change"][1:] == pytest.approx([test.low, test.high])
    assert [row["count"] for row in found.accuracy.values()] == [20, 20, 20, 60]


def test_evidence_is_paired_over_seeds(made):
    models, found = made
    X, y, _ = examples()
    shares = [
        [float((model(X).argmax(1) == y).double().mean()) for model in pair]
        for pair in models.values()
    ]
    dense, pruned = np.transpose(shares)
    test = stats.ttest_rel(pruned, dense).confidence_interval(0.95)
    expected = [(pruned - dense).mean(), test.low, test.high]
    assert found.evidence["change"] == pytest.approx(expected)
    assert found.evidence["seeds"] == [3, 4, 5]


def test_what_is_proved_is_so_at_every_corner():
    # Of a linear model the bounds are exact: the worst point is a corner of the ball.
    X, y, _ = examples()
    models = {seed: mlp((8, 3), seed) for seed in (0, 1)}
    found = card({s: (model, cut(model, 0.5)) for s, model in models.items()}, eps=0.2)
    signs = torch.tensor(np.array(np.meshgrid(*[[-1.0, 1.0]] * 8)).reshape(8, -1).T)
    corners = X.double()[:, None] + 0.2 * signs
    always = (models[0].double()(corners).argmax(-1) == y[:, None]).all(dim=1)
    assert 0 < always.sum() < (models[0](X.double()).argmax(-1) == y).sum()
    assert found.certificate["dense"][0] == pytest.approx(float(always.double().mean()))


def test_what_cannot_be_bounded_is_no_proof_and_says_why():
    models = {s: nn.Sequential(nn.Linear(8, 3), nn.Tanh(), nn.Linear(3, 3)) for s in (0, 1)}
    found = card({s: (model, cut(model, 0.5)) for s, model in models.items()})
    assert found.certificate["pruned"] is None and "Tanh" in found.certificate["why"]
    assert "no proof" in str(found) and "Tanh" in str(found)


class Turned(nn.Sequential):
    """A network whose certificate would be of the one that it is the opposite of."""

    def forward(self, X):
        return -super().forward(X)


def test_a_forward_of_its_own_is_no_proof_and_says_why():
    models = {s: Turned(*mlp((8, 40, 3), s)) for s in (0, 1)}
    found = card({s: (model, cut(model, 0.5)) for s, model in models.items()})
    assert found.certificate["dense"] is None and found.certificate["pruned"] is None
    assert "| no proof | no proof |" in str(found) and "No proof: model: given Turned" in str(found)


def test_the_clock_is_read_here(made):
    ratio, least, most = made[1].clock["ratio"]
    assert 0 < least <= ratio <= most < math.inf
    assert made[1].clock["batch"] == 60


def test_a_convolution_has_a_card_too():
    def model(seed):
        torch.manual_seed(seed)
        return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 3))

    X, y, groups = examples(features=64)
    models = {seed: model(seed) for seed in (0, 1)}
    found = lab.report_card(
        {s: (m, cut(m, 0.9)) for s, m in models.items()},
        X.view(-1, 1, 8, 8), y, groups, eps=0.0, **WORDS,
    )  # fmt: skip
    assert found.size["weights"] == 36 + 432
    right = [
        float((m(X.view(-1, 1, 8, 8)).argmax(1) == y).double().mean()) for m in models.values()
    ]
    assert found.certificate["dense"][0] == pytest.approx(right[0])


def test_models_are_left_as_they_were():
    models = pairs()
    models[3][0].train()
    before = copy.deepcopy(models[3][1].state_dict())
    card(models)
    assert models[3][0].training
    assert all(torch.equal(t, before[name]) for name, t in models[3][1].state_dict().items())


# How it is kept


def test_it_is_a_table_that_can_be_pasted(made):
    found = str(made[1])
    rows = [line for line in found.splitlines() if line.startswith("|")]
    assert {row.count("|") for row in rows} == {4} and rows[0] == "| | dense | pruned |"
    assert "| weights | 440 | 44 (10.0%) |" in rows
    assert "accuracy, b (20 examples)" in found and "Made." in found


def test_it_is_stored_and_found_again(made, tmp_path):
    made[1].save(tmp_path / "card.json")
    again = lab.ReportCard.load(tmp_path / "card.json")
    assert again == made[1] and str(again) == str(made[1])
    again.check(made[0])


@pytest.mark.parametrize(
    "change",
    [
        lambda told: told["size"].update(density=0.01),
        lambda told: told["size"].update(kept=500, density=500 / 440),
        lambda told: told["bytes"].update(stored=10),
        lambda told: told.pop("clock"),
        lambda told: told["accuracy"].update(a=3),
        lambda told: told.update(format=2),
        lambda told: told.update(prize="first"),
        lambda told: told.pop("format"),
    ],
)
def test_a_card_that_was_changed_is_refused(made, tmp_path, change):
    made[1].save(tmp_path / "card.json")
    told = json.loads((tmp_path / "card.json").read_text())
    change(told)
    (tmp_path / "card.json").write_text(json.dumps(told))
    with pytest.raises(ValueError, match="Make the card again"):
        lab.ReportCard.load(tmp_path / "card.json")


@pytest.mark.parametrize("content", ["", "[]", "{}", "3", '{"format": 1}'])
def test_another_file_is_no_card(tmp_path, content):
    (tmp_path / "card.json").write_text(content)
    with pytest.raises(ValueError, match="made by ReportCard"):
        lab.ReportCard.load(tmp_path / "card.json")


def test_a_card_of_other_models_is_found_out(made, tmp_path):
    with pytest.raises(ValueError, match="of other models"):
        made[1].check(pairs(share=0.5))
    made[1].save(tmp_path / "card.json")  # changed so that its own numbers agree
    told = json.loads((tmp_path / "card.json").read_text())
    told["size"] = {"weights": 440, "kept": 4, "density": 4 / 440}
    (tmp_path / "card.json").write_text(json.dumps(told))
    with pytest.raises(ValueError, match="the size on the card"):
        lab.ReportCard.load(tmp_path / "card.json").check(made[0])


# What it asks of people


def refused(words, models=None, **how):
    X, y, groups = examples()
    given = {"X": X, "y": y, "groups": groups, "eps": 0.01} | WORDS | how
    with pytest.raises(ValueError, match=words):
        lab.report_card(models or pairs(), **given)


def test_errors_say_what_to_do():
    _, y, groups = examples()
    refused("five say more", pairs(seeds=(0,)))
    refused("A copy is no evidence", {0: (m := pairs()[3]), 1: m})
    refused("as many of each", groups=groups[:-1])
    refused("ask for another kind", groups=["a"] * 60)
    refused("ask for another kind", groups=["b"] + ["a"] * 59)
    refused("none called 'overall'", groups=["overall"] * 30 + ["a"] * 30)
    refused("expected the classes", y=y.float())
    refused("expected a sentence", data=" ")
    refused("expected a finite number", eps=-0.1)
    refused("at least 3 classes", pairs(sizes=(8, 40, 2)))
    refused("Sequential has nothing to prune", {0: (nn.Sequential(nn.ReLU()),) * 2, 1: m})
    broken = pairs()
    broken[4][1][0].weight.data[0, 0] = math.nan
    refused("pruned model of seed 4 has weights that are not finite", broken)


def test_a_mask_that_keeps_the_dense_weights_is_refused():
    models = pairs()
    prune.l1_unstructured(models[3][1][0], "weight", amount=0.5)
    refused("from_torch_prune", models)


class Reader(nn.Module):
    """A network with weights that no sparse kernel knows: of attention, or of an LSTM alone."""

    def __init__(self, attention):
        super().__init__()
        self.recurrent = None if attention else nn.LSTM(4, 4, batch_first=True)
        if attention:
            self.encoder = nn.TransformerEncoderLayer(4, 2, 40, batch_first=True)

    def forward(self, X):
        steps = X.view(len(X), 2, 4)
        return (self.recurrent(steps)[0] if self.recurrent else self.encoder(steps)).mean(1)[:, :3]


@pytest.mark.parametrize("attention", [True, False])
def test_what_has_no_kernel_is_timed_dense(attention):
    dense = {seed: Reader(attention) for seed in (1, 2, 3)}
    found = card({seed: (model, cut(model, 0.95)) for seed, model in dense.items()})
    assert min(found.clock["ratio"]) > 0


# The part about groups, from predictions


def test_report_card_by_hand():
    y, group = np.array([0, 0, 0, 0, 1, 1]), np.array(["a"] * 4 + ["b"] * 2)
    before = np.array([[0, 0, 0, 0, 1, 1], [0, 0, 0, 1, 1, 0]])
    after = np.array([[0, 0, 0, 1, 0, 1], [0, 0, 0, 1, 0, 0]])
    card = lab.group_card(
        y, group, before, after, density=0.1, groups=("a", "b"), weight=[1] * 4 + [2] * 2
    )
    assert (card["density"], card["networks"]) == (0.1, 2)
    assert card["accuracy"]["a"]["before"] == pytest.approx(7 / 8)
    assert card["accuracy"]["b"]["after"] == pytest.approx(1 / 4)
    assert card["accuracy"]["overall"]["before"] == pytest.approx((1 + 5 / 8) / 2)
    old, new = [1 - 1, 3 / 4 - 1 / 2], [3 / 4 - 1 / 2, 3 / 4 - 0]
    change = np.subtract(new, old)
    low, high = stats.ttest_1samp(change, 0).confidence_interval(0.95)
    assert card["gap"]["change"] == pytest.approx([change.mean(), low, high])
    assert card["gap"]["before"] == pytest.approx(np.mean(old))
    assert card["ratio of accuracies"] == pytest.approx({"before": 6 / 7, "after": 1 / 3})
    assert card["ratio of errors"] == pytest.approx({"before": 2, "after": 3})
    assert card["examples"]["a"]["lost"] == pytest.approx(1 / 8)
    assert card["examples"]["b"] == {"count": 2, "lost": 0.5, "won": 0.0, "exemplars": [4]}
    assert json.loads(json.dumps(card)) == card
    assert "| gap (points) | 12.5 | 50.0 | +37.5 [" in lab.card_table(card)


def test_a_group_that_never_errs_has_no_ratio_of_errors():
    y, group = np.zeros(4, dtype=int), np.array(["a", "a", "b", "b"])
    wrong = np.array([[0, 0, 0, 1]] * 2)
    card = lab.group_card(y, group, wrong, wrong, density=1, groups=("a", "b"))
    assert card["ratio of errors"] == {"before": None, "after": None}
    assert "| ratio of errors | | | |" in lab.card_table(card)


@pytest.mark.parametrize(
    "call, words",
    [
        (
            lambda: lab.group_card(
                [0, 1], ["a", "b"], [[0, 1]] * 2, [[0, 1]] * 2, density=1, groups=("a", "c")
            ),
            "expected two of",
        ),
        (
            lambda: lab.group_card(
                [0, 1], ["a", "b"], [[0, 1]], [[0, 1]], density=1, groups=("a", "b")
            ),
            "at least two",
        ),
    ],
)
def test_errors_about_groups_say_what_was_expected(call, words):
    with pytest.raises(ValueError, match=words):
        call()
