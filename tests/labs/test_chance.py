"""The odds against mpmath's hundreds of digits, against whole enumerations, and against dealing."""

import math
from itertools import combinations

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.labs import chance

mp.mp.dps = 60


@given(n=st.integers(0, 3000), share=st.floats(0, 1))
def test_choose_against_whole_numbers(n, share):
    k = round(share * n)
    exact = mp.log(mp.mpf(math.comb(n, k)))
    assert float(chance.log_choose(n, k)) == pytest.approx(float(exact), rel=1e-11, abs=1e-11)


@settings(max_examples=60)
@given(tau=st.floats(0, 60), sigma=st.floats(0.1, 9))
def test_tail_against_mpmath(tau, sigma):
    exact = mp.log(mp.erfc(mp.mpf(tau) / (mp.mpf(sigma) * mp.sqrt(2))))
    assert float(chance.log_tail(tau, sigma)) == pytest.approx(float(exact), rel=1e-9, abs=1e-14)


@settings(max_examples=60)
@given(N=st.integers(1, 10**6), share=st.floats(0, 1), tau=st.floats(0.01, 30))
def test_threshold_against_mpmath(N, share, tau):
    s = round(share * N)
    q = mp.erfc(mp.mpf(tau) / mp.sqrt(2))
    exact = s * mp.log(q) + (N - s) * mp.log1p(-q)
    found = float(chance.log_odds_threshold(N, s, chance.log_tail(tau)))
    assert found == pytest.approx(float(exact), rel=1e-8, abs=1e-12)


@settings(max_examples=60)
@given(N=st.integers(2, 10**6), share=st.floats(0.001, 0.999), sigma=st.floats(0.1, 9))
def test_best_threshold_is_where_q_is_the_share_and_nothing_near_is_better(N, share, sigma):
    s = min(max(round(share * N), 1), N - 1)
    tau = chance.best_threshold(N, s, sigma)
    assert math.exp(chance.log_tail(tau, sigma)) == pytest.approx(s / N, rel=1e-9)
    best = float(chance.log_odds_best(N, s))
    for factor in (0.9, 0.99, 1.01, 1.1):
        near = float(chance.log_odds_threshold(N, s, chance.log_tail(tau * factor, sigma)))
        assert near < best
    here = float(chance.log_odds_threshold(N, s, chance.log_tail(tau, sigma)))
    assert here == pytest.approx(best, rel=1e-9)


def test_top_k_by_counting_every_set():
    for N in range(1, 8):
        for s in range(N + 1):
            for k in range(s, N + 1):
                sets = list(combinations(range(N), k))
                good = sum(set(range(s)) <= set(kept) for kept in sets)
                found = math.exp(chance.log_odds_top_k(N, s, k))
                assert found == pytest.approx(good / len(sets), rel=1e-12)
            assert chance.log_odds_top_k(N, s) == pytest.approx(-math.log(math.comb(N, s)))


def test_numbers_of_the_text():
    q = chance.log_tail(chance.best_threshold(10, 2))
    assert math.exp(chance.log_odds_threshold(10, 2, q)) == pytest.approx(0.00671, abs=5e-6)
    assert math.exp(chance.log_odds_top_k(10, 2)) == pytest.approx(1 / 45)
    assert chance.log_odds_best(1000, 100) / math.log(10) == pytest.approx(
        math.log10(7e-142), abs=0.05
    )
    assert chance.log_odds_top_k(1000, 100) / math.log(10) == pytest.approx(
        math.log10(2e-140), abs=0.3
    )


@pytest.mark.parametrize("sigma", [0.1, 1.0, 30.0])
def test_dealing_agrees_within_its_own_interval(sigma):
    rng = np.random.default_rng(5)
    for tau in (None, chance.best_threshold(6, 2, sigma), 0.5 * sigma, 0.0):
        log_p = (
            chance.log_odds_top_k(6, 2)
            if tau is None
            else chance.log_odds_threshold(6, 2, chance.log_tail(tau, sigma))
        )
        low, high = chance.deal(6, 2, 40_000, rng, tau=tau, spread=sigma).interval(0.9999)
        assert low <= math.exp(log_p) <= high


def test_keeping_more_agrees_with_counting_and_with_the_formula():
    for k in range(2, 7):
        sizes = np.abs(np.random.default_rng(3).standard_normal((5_000, 6)))
        ranked = np.argsort(-sizes, axis=1)[:, :k]
        by_hand = sum({0, 1} <= set(row) for row in ranked.tolist())
        counted = chance.deal(6, 2, 5_000, np.random.default_rng(3), k=k)
        assert (counted.successes, counted.trials) == (by_hand, 5_000)
        low, high = counted.interval(0.9999)
        assert low <= math.exp(chance.log_odds_top_k(6, 2, k)) <= high


def cauchy(rng, shape):
    return rng.standard_cauchy(shape)


def one_spread_a_deal(rng, shape):
    """Dependent, and exchangeable all the same."""
    return rng.standard_normal(shape) * np.exp(3 * rng.standard_normal((shape[0], 1)))


def in_pairs(rng, shape):
    return np.repeat(rng.standard_normal((shape[0], shape[1] // 2)), 2, axis=1)


@pytest.mark.parametrize("draw", [cauchy, one_spread_a_deal])
def test_the_law_does_not_matter_if_nobody_is_favoured(draw):
    low, high = chance.deal(6, 2, 40_000, np.random.default_rng(1), draw=draw).interval(0.9999)
    assert low <= 1 / 15 <= high


def test_pairs_are_favoured():
    low, high = chance.deal(6, 2, 40_000, np.random.default_rng(1), draw=in_pairs).interval(0.9999)
    assert low <= 1 / 3 <= high


def test_dealing_at_the_edges():
    rng = np.random.default_rng(0)
    assert chance.deal(4, 4, 50, rng).share == 1  # all are true: all are kept
    assert chance.deal(4, 0, 50, rng).share == 1  # none is: none is kept
    assert chance.deal(4, 0, 50, rng, tau=0.0).share == 0  # but all pass a threshold of nothing
    assert chance.deal(3, 1, 7, rng, spread=[1e9, 1e-9, 1e-9]).successes == 7
    wide = chance.deal(3, 1, 7, rng, tau=1.0, spread=[1e9, 1e-9, 1e-9])
    assert (wide.successes, wide.trials) == (7, 7)
    assert chance.deal(5, 2, 1, rng).trials == 1


def test_interval_of_nothing_found_is_not_nothing():
    assert chance.Counted(0, 100).interval() == pytest.approx((0, 1 - 0.025**0.01))
    many = [chance.Counted(n, 20).interval() for n in range(21)]
    for p in np.linspace(0.01, 0.99, 25):  # by its definition it covers at least 95 of 100 times
        chances = [math.comb(20, n) * p**n * (1 - p) ** (20 - n) for n in range(21)]
        assert (
            sum(c for c, (low, high) in zip(chances, many, strict=True) if low <= p <= high) >= 0.95
        )


@pytest.mark.parametrize(
    "call",
    [
        lambda: chance.log_choose(3, 4),
        lambda: chance.log_tail(-1),
        lambda: chance.log_tail(1, 0),
        lambda: chance.log_tail(float("nan")),
        lambda: chance.log_odds_threshold(3, 4, -1),
        lambda: chance.log_odds_threshold(3, 2, 0.5),
        lambda: chance.best_threshold(3, 4),
        lambda: chance.log_odds_top_k(5, 3, 2),
        lambda: chance.log_odds_top_k(5, 3, 6),
        lambda: chance.deal(3, 4, 5, np.random.default_rng(0)),
        lambda: chance.deal(3, 1, 0, np.random.default_rng(0)),
        lambda: chance.deal(3, 1, 5, np.random.default_rng(0), k=0),
        lambda: chance.deal(3, 1, 5, np.random.default_rng(0), k=4),
        lambda: chance.deal(3, 1, 5, np.random.default_rng(0), k=2, tau=1.0),
    ],
)
def test_nonsense_is_refused(call):
    with pytest.raises(ValueError, match="given"):
        call()


def test_edges_of_the_formula():
    assert chance.log_odds_best(5, 0) == 0
    assert chance.log_odds_best(5, 5) == 0
    assert chance.best_threshold(5, 0) == math.inf
    assert chance.best_threshold(5, 5) == 0
    assert chance.log_odds_threshold(5, 3, 0.0) == -math.inf  # all pass, and two should not
    assert np.shape(chance.log_odds_best(np.array([[5], [6]]), np.array([1, 2, 3]))) == (2, 3)
    tiny = chance.log_tail(chance.best_threshold(1e300, 1))
    assert tiny == pytest.approx(-300 * math.log(10), rel=1e-9)
