"""Privacy against enumeration, closed forms, mpmath, dp-accounting, scikit-learn and PyTorch."""

import math
from fractions import Fraction
from itertools import combinations, product

import mpmath as mp
import numpy as np
import pytest
import torch
from dp_accounting.pld import privacy_loss_distribution
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy

from course_lib.labs import privacy as lab
from course_lib.labs.privacy import Attack, Budget, Overspent, Tally

mp.mp.dps = 50
EPSILONS = st.floats(1e-6, 60)


# Clients


@pytest.fixture(scope="module")
def pool():
    rng = torch.Generator().manual_seed(0)
    return torch.rand(300, 7, generator=rng), torch.arange(300) % 10


def test_every_client_has_its_own_draw_of_just_its_classes(pool):
    X, y = pool
    found = lab.deal_clients(X, y, 40, 3, classes=4, each=6)
    assert found.X.shape == (40, 24, 7) and found.y.shape == (40, 24)
    where = {tuple(x.tolist()): i for i, x in enumerate(X)}
    hands = []
    for x, labels, has in zip(*found, strict=True):
        hand = [where[tuple(row.tolist())] for row in x]
        assert len(set(hand)) == 24  # no example twice
        assert [int(y[i]) for i in hand] == labels.tolist()
        counts = np.bincount(labels.numpy(), minlength=10)
        assert (counts == 6 * has).all() and has.sum() == 4
        hands.append(frozenset(hand))
    assert len(set(hands)) == 40
    again = lab.deal_clients(X, y, 40, 3, classes=4, each=6)
    assert torch.equal(again.X, found.X) and (again.classes == found.classes).all()
    assert not torch.equal(lab.deal_clients(X, y, 40, 4, classes=4, each=6).X, found.X)


def test_classes_are_dealt_evenly(pool):
    has = lab.deal_clients(*pool, 4000, 0, each=1).classes
    assert np.abs(has.mean(axis=0) - 0.5).max() < 5 * 0.5 / math.sqrt(4000)
    together = (has.T.astype(float) @ has / len(has))[~np.eye(10, dtype=bool)]
    assert np.abs(together - 5 / 10 * 4 / 9).max() < 0.04


@pytest.mark.parametrize("clients, examples, features", [(1, 3, 2), (53, 12, 5), (2, 1, 1)])
def test_regressions_against_autograd(clients, examples, features):
    rng = torch.Generator().manual_seed(clients)
    X = torch.randn(clients, examples, features, generator=rng)
    y = torch.randint(10, (clients, examples), generator=rng)
    weights, biases = lab.softmax_regressions(X, y, steps=9, lr=0.3)
    for i in {0, clients - 1}:
        W = torch.zeros(10, features, dtype=torch.float64, requires_grad=True)
        b = torch.zeros(10, dtype=torch.float64, requires_grad=True)
        for _ in range(9):
            loss = cross_entropy(X[i].double() @ W.T + b, y[i])
            for p, slope in zip((W, b), torch.autograd.grad(loss, (W, b)), strict=True):
                p.data -= 0.3 * slope
        torch.testing.assert_close(weights[i].double(), W.detach(), atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(biases[i].double(), b.detach(), atol=1e-5, rtol=1e-5)


def test_large_inputs_do_not_overflow():
    weights, _ = lab.softmax_regressions(torch.full((1, 2, 3), 300.0), torch.tensor([[1, 2]]))
    assert weights.isfinite().all()


def test_masks_keep_exactly_k_of_every_client():
    weights = torch.randn(11, 10, 6, generator=torch.Generator().manual_seed(1))
    kept, pixels = lab.weight_masks(weights, 13), lab.pixel_masks(weights, 2)
    assert (kept.sum(axis=1) == 13).all() and (pixels.sum(axis=1) == 2).all()
    for i in range(11):
        flat = weights[i].abs().flatten().numpy()
        assert flat[kept[i]].min() > flat[~kept[i]].max()
        lengths = (weights[i].numpy() ** 2).sum(axis=0)
        assert lengths[pixels[i]].min() > lengths[~pixels[i]].max()
    ties = lab.weight_masks(torch.ones(1, 10, 2), 3)[0]
    assert ties.tolist() == [True] * 3 + [False] * 17


def test_the_server_sees_only_what_its_mask_keeps():
    rng = torch.Generator().manual_seed(0)
    X, y = torch.randn(200, 4, generator=rng), torch.randint(2, (200,), generator=rng)
    X[:, 2] += 4 * y  # only this pixel tells
    masks = np.array([[0, 0, 1, 0], [1, 1, 0, 1], [1, 1, 1, 1]], dtype=bool)
    right = lab.server_accuracy(masks, (X[:100], y[:100]), (X[100:], y[100:]))
    assert right[0] > 0.93 and 0.3 < right[1] < 0.7 and right[2] > 0.93
    alone = lab.server_accuracy(masks[1], (X[:100], y[:100]), (X[100:], y[100:]))
    assert alone.shape == (1,) and alone[0] == right[1]


# The coin


@given(EPSILONS)
def test_truth_against_mpmath(epsilon):
    exact = mp.exp(mp.mpf(epsilon)) / (1 + mp.exp(mp.mpf(epsilon)))
    assert lab.truth(epsilon) == pytest.approx(float(exact), rel=1e-15)


@given(st.one_of(EPSILONS, st.sampled_from([1e-300, 1e-17, 36.0, 37.5, 44.0, 45.0, 700.0, 1e6])))
def test_the_noise_is_never_less_than_was_promised(epsilon):
    """The real odds of a lie, in whole numbers: 2^64 equally likely draws, so many of them lies."""
    lies = int(lab._lie_below(epsilon))
    assert 1 <= lies <= 2**63
    loss = mp.log(mp.mpf(2**64 - lies) / lies)
    assert loss <= mp.mpf(epsilon)
    if 1e-9 < epsilon < 30:  # and hardly more than that
        assert loss == pytest.approx(epsilon, rel=1e-5)


def test_every_source_of_noise_lies_as_often_as_it_should():
    bits = np.zeros(200_000, dtype=bool)
    for epsilon in (0.1, 1.0, 3.0):
        lie = 1 - lab.truth(epsilon)
        for rng in (None, np.random.default_rng(0)):
            for truth in (bits, ~bits):
                said = lab.randomised_response(truth, epsilon, insecure_rng=rng)
                room = 6 * math.sqrt(lie * (1 - lie) / len(bits))
                assert abs((said != truth).mean() - lie) < room


def test_noise_is_secure_unless_it_is_asked_not_to_be(monkeypatch):
    bits = np.zeros((5, 64), dtype=bool)
    first, second = (lab.randomised_response(bits, 0.5) for _ in range(2))
    assert (first != second).any() and first.shape == (5, 64)
    known = [
        lab.randomised_response(bits, 0.5, insecure_rng=np.random.default_rng(4)) for _ in range(2)
    ]
    assert (known[0] == known[1]).all()
    asked = []
    monkeypatch.setattr(lab.os, "urandom", lambda n: asked.append(n) or bytes(n))
    np.random.seed(0)
    assert lab.randomised_response(bits, 0.5).all()  # a draw of zero is always a lie
    assert asked == [8 * bits.size]
    with pytest.raises(TypeError):
        lab.randomised_response(bits, 0.5, np.random.default_rng(4))  # not without its name


def outcomes(truths, epsilon):
    """All reports of some bits with their probabilities, from the definition."""
    p = float(mp.exp(epsilon) / (1 + mp.exp(epsilon)))
    for said in product([False, True], repeat=len(truths)):
        right = sum(a == b for a, b in zip(said, truths, strict=True))
        yield np.array(said), p**right * (1 - p) ** (len(truths) - right)


@settings(max_examples=40)
@given(truths=st.lists(st.booleans(), min_size=1, max_size=7), epsilon=st.floats(0.05, 5))
def test_estimate_is_unbiased_and_has_its_error_by_enumeration(truths, epsilon):
    said, chance = zip(*outcomes(truths, epsilon), strict=True)
    estimates = lab.debias([s.mean() for s in said], epsilon)
    mean = np.dot(chance, estimates)
    assert mean == pytest.approx(np.mean(truths), abs=1e-9)
    spread = math.sqrt(np.dot(chance, (estimates - mean) ** 2))
    assert spread == pytest.approx(float(lab.standard_error(len(truths), epsilon)), rel=1e-9)


@settings(max_examples=40)
@given(n=st.integers(1, 5), share=st.floats(0, 1), epsilon=st.floats(0.05, 5))
def test_error_of_a_sample_by_enumeration(n, share, epsilon):
    mean = square = 0.0
    for truths in product([False, True], repeat=n):
        drawn = share ** sum(truths) * (1 - share) ** (n - sum(truths))
        for said, chance in outcomes(truths, epsilon):
            estimate = float(lab.debias(said.mean(), epsilon))
            mean, square = mean + drawn * chance * estimate, square + drawn * chance * estimate**2
    assert mean == pytest.approx(share, abs=1e-9)
    spread = math.sqrt(square - mean**2)
    assert spread == pytest.approx(float(lab.standard_error(n, epsilon, share)), rel=1e-6)


@given(EPSILONS, st.floats(0, 1))
def test_debias_undoes_the_coin(epsilon, share):
    p = mp.exp(mp.mpf(epsilon)) / (1 + mp.exp(mp.mpf(epsilon)))
    reported = float(share * p + (1 - share) * (1 - p))
    exact = (mp.mpf(reported) - (1 - p)) / (2 * p - 1)
    # The 1e-16 of the reported share and of the result are all that may be lost, for any epsilon.
    assert float(lab.debias(reported, epsilon)) == pytest.approx(
        float(exact), rel=1e-12, abs=1e-15 * (1 + 1 / epsilon)
    )


# Accounting


def losses(differing, epsilon, alike=0):
    """Chances of all reports under two inputs that differ in some bits, by enumeration."""
    one, other = (False,) * (differing + alike), (True,) * differing + (False,) * alike
    pairs = zip(outcomes(one, epsilon), outcomes(other, epsilon), strict=True)
    return np.array([(p, q) for (_, p), (_, q) in pairs]).T


@settings(max_examples=60)
@given(
    count=st.integers(1, 7), alike=st.integers(0, 3), epsilon=st.floats(0.02, 4),
    delta=st.floats(1e-9, 0.4),
)  # fmt: skip
def test_exact_composition_by_enumeration(count, alike, epsilon, delta):
    total = lab.exact_composition(epsilon, count, delta)
    P, Q = losses(count, epsilon, alike)
    worst = np.maximum(P - math.exp(total) * Q, 0).sum()
    assert worst <= delta * (1 + 1e-9) + 1e-14  # what a float of `total` can hold
    if total > 0:  # and a smaller total would break the promise
        assert np.maximum(P - math.exp(total - 1e-6) * Q, 0).sum() > worst
        assert worst == pytest.approx(delta, rel=1e-6, abs=1e-14)
    assert total <= count * epsilon + 1e-12


@pytest.mark.parametrize("epsilon, count", [(0.1, 640), (0.1, 256), (1.0, 640), (0.02, 3)])
@pytest.mark.parametrize("delta", [1e-9, 1e-5, 1e-2])
def test_exact_composition_agrees_with_dp_accounting(epsilon, count, delta):
    exact, theirs = (
        way(epsilon, count, delta) for way in (lab.exact_composition, lab.pld_composition)
    )
    assert exact <= theirs + 1e-9  # theirs rounds up
    assert theirs == pytest.approx(exact, rel=0.02, abs=0.01)
    once = privacy_loss_distribution.from_randomized_response(
        2 / (1 + math.exp(epsilon)), 2, value_discretization_interval=1e-4
    )
    assert once.self_compose(count).get_delta_for_epsilon(exact) == pytest.approx(delta, rel=0.15)


@given(st.floats(0.01, 3), st.integers(1, 900), st.floats(1e-12, 0.5))
def test_exact_is_below_both_bounds(epsilon, count, delta):
    exact = lab.exact_composition(epsilon, count, delta)
    assert 0 <= exact <= count * epsilon * (1 + 1e-12)
    assert exact <= lab.advanced_composition(epsilon, count, delta) + 1e-9


def test_numbers_of_the_text():
    assert lab.exact_composition(0.1, 640, 1e-5) == pytest.approx(13.35, abs=0.01)
    assert lab.exact_composition(0.1, 256, 1e-5) == pytest.approx(7.55, abs=0.01)
    by_hand = 0.1 * math.sqrt(2 * 640 * math.log(1e5)) + 64 * (math.exp(0.1) - 1)
    assert lab.advanced_composition(0.1, 640, 1e-5) == pytest.approx(by_hand)


def test_masks_with_equally_many_ones_differ_in_twice_their_number_at_most():
    masks = list(combinations(range(6), 2))
    assert max(len(set(a) ^ set(b)) for a in masks for b in masks) == 2 * 2


# The budget


def test_three_tenths_are_three_times_a_tenth():
    assert 3 * 0.1 > 0.3  # what a sum of floats would say
    budget = Budget(0.3)
    for _ in range(3):
        budget.spend(0.1)
    assert budget.left == 0 and budget.spent == Fraction(3, 10)
    with pytest.raises(Overspent, match=r"0 of 0\.3 is left"):
        budget.spend(1e-300)
    thirds = Budget(1)
    for _ in range(11):
        thirds.spend(Fraction(1, 11))
    assert thirds.left == 0


@given(st.integers(1, 500), st.lists(st.integers(1, 90), max_size=30))
def test_a_budget_is_a_sum_that_refuses(total, costs):
    budget, spent = Budget(total / 100), 0
    for cost in costs:
        if spent + cost <= total:
            budget.spend(cost / 100)
            spent += cost
        else:
            with pytest.raises(Overspent):
                budget.spend(cost / 100)
        assert budget.spent == Fraction(spent, 100) <= budget.total
        assert budget.left == Fraction(total - spent, 100)


# One bit of each


def test_a_group_pays_together_or_not_at_all():
    masks = np.zeros((5, 3), dtype=bool)
    budgets = [Budget(1.0) for _ in range(5)]
    budgets[3].spend(0.5)
    with pytest.raises(Overspent):
        lab.ask_one_bit(masks, 0.6, budgets, np.random.default_rng(0))
    assert [b.spent for b in budgets] == [0, 0, 0, Fraction(1, 2), 0]
    with pytest.raises(Overspent):  # the same phone twice in one call
        lab.ask_one_bit(masks[:2], 0.6, [budgets[0]] * 2, np.random.default_rng(0))
    assert budgets[0].spent == 0
    lab.ask_one_bit(masks, 0.5, budgets, np.random.default_rng(0))
    assert [float(b.spent) for b in budgets] == [0.5, 0.5, 0.5, 1.0, 0.5]


def test_places_are_public_and_dealt_evenly():
    rng = np.random.default_rng(1)
    masks = rng.random((640, 64)) < 0.5
    asked = [
        lab.ask_one_bit(m, 9.0, [Budget(9.0)] * 0 + [Budget(9.0) for _ in m],
                        np.random.default_rng(7))
        for m in (masks, ~masks)
    ]  # fmt: skip
    assert (asked[0].places == asked[1].places).all()  # whatever is on the phones
    assert (np.bincount(asked[0].places) == 10).all()
    rows = np.arange(640)
    assert (asked[0].reports != masks[rows, asked[0].places]).mean() < 0.01


def test_tally_is_unbiased_over_rounds():
    rng = np.random.default_rng(2)
    masks = rng.random((8000, 5)) < np.array([0.0, 0.1, 0.5, 0.8, 1.0])
    tally = Tally(5, 1.0)
    with pytest.raises(ValueError, match="never asked"):
        tally.shares()
    for part in np.split(masks, 4):
        budgets = [Budget(1.0) for _ in part]
        tally.add(lab.ask_one_bit(part, 1.0, budgets, rng, insecure_rng=rng))
    assert (tally.asked == 1600).all()
    off = (tally.shares() - [0.0, 0.1, 0.5, 0.8, 1.0]) / lab.standard_error(
        1600, 1.0, [0.0, 0.1, 0.5, 0.8, 1.0]
    )
    assert np.abs(off).max() < 4 and np.abs(off).max() > 0.01


# Attacks


@settings(max_examples=50)
@given(st.data())
def test_auc_and_roc_are_counted_over_pairs_and_thresholds(data):
    n = data.draw(st.integers(2, 30))
    truths = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    scores = np.array(data.draw(st.lists(st.integers(-3, 3), min_size=n, max_size=n)), float)
    assume(truths.any() and not truths.all())
    area = lab.auc(scores[:, None], truths[:, None])[0]
    a, b = scores[truths][:, None], scores[~truths]
    assert area == pytest.approx(((a > b) + 0.5 * (a == b)).mean())
    levels = [math.inf, *sorted(set(scores), reverse=True)]  # who is above each is accused
    wrong, right = ([(own >= least).mean() for least in levels] for own in (scores[~truths], a))
    at = np.linspace(0.013, 0.987, 40)
    at = at[~np.isclose(at[:, None], wrong).any(axis=1)]  # where the curve is no vertical line
    np.testing.assert_allclose(lab.roc(scores, truths, at), np.interp(at, wrong, right), atol=1e-9)


def test_an_attack_is_ridge_regression_and_noise_is_its_penalty():
    """Learning on clean masks with the penalty is learning on endless noisy copies of them."""
    rng = np.random.default_rng(0)
    masks = rng.random((60, 4)) < 0.4
    traits = masks[:, :1] ^ (rng.random((60, 2)) < 0.2)
    attack = Attack.learn(masks, traits, 1.0, floor=0.0)
    copies = np.repeat(masks, 4000, axis=0)
    noisy = lab.debias(lab.randomised_response(copies, 1.0, insecure_rng=rng), 1.0)
    fit, *_ = np.linalg.lstsq(
        np.c_[noisy, np.ones(len(noisy))], np.repeat(traits, 4000, axis=0).astype(float), rcond=None
    )
    np.testing.assert_allclose(attack.slopes, fit[:4], atol=0.01)
    clean = Attack.learn(masks, traits, floor=0.0)
    fit, *_ = np.linalg.lstsq(np.c_[masks, np.ones(60)], traits.astype(float), rcond=None)
    np.testing.assert_allclose(clean.slopes, fit[:4], atol=1e-9)


@settings(max_examples=30, deadline=None)
@given(st.floats(0.05, 4), st.integers(0, 10**6))
def test_no_score_of_a_private_report_beats_the_ceiling(epsilon, seed):
    """The area for any scores and any two kinds of owners, summed over all reports of 3 bits."""
    rng = np.random.default_rng(seed)
    kinds = rng.dirichlet(np.ones(8) * 0.3, size=2)  # which data owners of each kind have
    truths = list(product([False, True], repeat=3))
    each = epsilon / 3
    table = np.array([[chance for _, chance in outcomes(t, each)] for t in truths])
    with_it, without = kinds @ table
    ratio = with_it / without  # the best scores there are
    pairs = (ratio[:, None] > ratio) + 0.5 * (ratio[:, None] == ratio)
    assert with_it @ pairs @ without <= lab.truth(epsilon) + 1e-12
    extreme = table[[7, 0]]
    ratio = extreme[0] / extreme[1]
    pairs = (ratio[:, None] > ratio) + 0.5 * (ratio[:, None] == ratio)
    assert extreme[0] @ pairs @ extreme[1] <= lab.truth(epsilon) + 1e-12


def test_one_bit_scores_are_the_likelihood_ratio():
    rng = np.random.default_rng(3)
    traits = rng.random((4000, 2)) < 0.5
    masks = rng.random((4000, 3)) < np.where(traits[:, :1], [0.9, 0.2, 0.5], [0.1, 0.6, 0.5])
    answers = lab.Answers(np.array([0, 0, 1, 2]), np.array([True, False, True, True]))
    p = lab.truth(1.0)
    with_it, without = np.array([0.9, 0.9, 0.2, 0.5]), np.array([0.1, 0.1, 0.6, 0.5])
    chances = [q * p + (1 - q) * (1 - p) for q in (with_it, without)]
    chances = [np.where(answers.reports, c, 1 - c) for c in chances]
    found = lab.one_bit_scores(masks, traits, answers, 1.0)
    np.testing.assert_allclose(found[:, 0], np.log(chances[0] / chances[1]), atol=0.08)
    np.testing.assert_allclose(found[:, 1], 0, atol=0.08)  # a trait that masks do not show


@pytest.mark.parametrize(
    "call",
    [
        lambda: lab.deal_clients(torch.zeros(20, 2), torch.arange(20) % 10, 0, 0, each=1),
        lambda: lab.deal_clients(torch.zeros(20, 2), torch.arange(20) % 10, 1, 0, each=3),
        lambda: lab.deal_clients(torch.zeros(20, 2), torch.arange(20) % 10, 1, 0, classes=11),
        lambda: lab.softmax_regressions(torch.zeros(2, 3), torch.zeros(2, 3)),
        lambda: lab.softmax_regressions(torch.zeros(2, 3, 4), torch.zeros(2, 2)),
        lambda: lab.truth(0),
        lambda: lab.truth(float("nan")),
        lambda: lab.truth(math.inf),
        lambda: lab.randomised_response([True], -1),
        lambda: lab.debias(0.5, 0),
        lambda: lab.standard_error(0, 1),
        lambda: lab.standard_error(5, 1, 1.5),
        lambda: lab.standard_error(float("nan"), 1),
        lambda: lab.exact_composition(0, 3, 0.1),
        lambda: lab.exact_composition(1, 0, 0.1),
        lambda: lab.exact_composition(1, 3, 0),
        lambda: lab.advanced_composition(1, 3, 1),
        lambda: lab.pld_composition(1, 3, float("nan")),
        lambda: Budget(0),
        lambda: Budget(float("nan")),
        lambda: Budget(1).spend(-0.5),
        lambda: Tally(3, 0),
        lambda: lab.ask_one_bit(np.zeros((2, 2), bool), 1, [Budget(1)], np.random.default_rng()),
        lambda: Attack.learn(np.zeros((2, 2), bool), np.zeros((3, 1), bool)),
        lambda: lab.auc(np.zeros((3, 1)), np.ones((3, 1), bool)),
        lambda: lab.auc(np.zeros((3, 2)), np.eye(3, 1, dtype=bool)),
        lambda: lab.roc(np.zeros(3), np.zeros(2, bool), np.zeros(1)),
    ],
)
def test_nonsense_is_refused(call):
    with pytest.raises(ValueError, match=r"given|epsilon"):
        call()


def test_only_bits_are_reported():
    with pytest.raises(TypeError, match="expected bool"):
        lab.randomised_response([0, 1, 2], 1.0)
