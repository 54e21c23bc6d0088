"""Sensors against exact fractions, inverses, scikit-learn, brute force, and what always holds."""

import math
from fractions import Fraction
from itertools import combinations

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.linear_model import BayesianRidge, LinearRegression

from course_lib.labs import sensors as lab
from course_lib.labs.sensors import Sensors

CRITERIA = [lab.a_cost, lab.d_cost, lab.e_cost]
seeds = st.integers(0, 10_000)


def problem(seed, n=7, d=3):
    """Sensors whose rows, noises and prior are all irregular."""
    rng = np.random.default_rng(seed)
    L = rng.standard_normal((d, d)) + np.eye(d)
    return Sensors.of(
        rng.standard_normal((n, d)) * rng.lognormal(size=(n, 1)),
        rng.lognormal(size=n),
        L @ L.T + 0.1 * np.eye(d),
    )


def direct(s, mask):
    """The covariance as the formula says it, by inverses."""
    rows = s.A[mask]
    return np.linalg.inv(np.linalg.inv(s.prior) + rows.T @ (rows / s.noise[mask][:, None]))


def masks_of(n, rng, count=5):
    return rng.random((count, n)) < 0.5


# The covariance


@settings(deadline=None)
@given(seeds, st.integers(1, 6), st.integers(1, 5))
def test_covariance_against_direct_inverses(seed, n, d):
    s = problem(seed, n, d)
    masks = masks_of(n, np.random.default_rng(seed))
    found = lab.posterior_covariance(s, masks)
    assert found.shape == (5, d, d)
    for mask, covariance in zip(masks, found, strict=True):
        expected = direct(s, mask)
        np.testing.assert_allclose(
            covariance, expected, atol=1e-8 * np.abs(expected).max(), rtol=1e-6
        )
        np.testing.assert_allclose(lab.posterior_covariance(s, mask), covariance, rtol=1e-12)


def test_covariance_against_exact_fractions():
    A = [[1, 2], [3, -1], [0, 5]]
    noise = [Fraction(1, 2), Fraction(3), Fraction(2)]
    # The inverse prior [[2, 1], [1, 3]] plus outer products, inverted by hand: a 2 by 2 matrix.
    M = [[Fraction(2), Fraction(1)], [Fraction(1), Fraction(3)]]
    for a, v in zip(A, noise, strict=True):
        for i in range(2):
            for j in range(2):
                M[i][j] += Fraction(a[i] * a[j]) / v
    det = M[0][0] * M[1][1] - M[0][1] * M[1][0]
    expected = [[M[1][1] / det, -M[0][1] / det], [-M[1][0] / det, M[0][0] / det]]
    s = Sensors.of(A, [float(v) for v in noise], np.linalg.inv([[2.0, 1.0], [1.0, 3.0]]))
    found = lab.posterior_covariance(s, np.ones(3, dtype=bool))
    np.testing.assert_allclose(found, np.array(expected, dtype=float), rtol=1e-14)


def nearly_copies(noise):
    A = np.array([[1.0, 1.0], [1.0, 1.0 + 1e-9], [1.0, 1.0 - 3e-9]])
    return Sensors.of(A, noise)


@pytest.mark.parametrize("noise", [1e-4, 1e-10, 1e-14])
def test_near_copies_against_fifty_digits(noise):
    s = nearly_copies(noise)
    with mp.workdps(50):
        M = mp.eye(2)
        for row in s.A.tolist():
            a = mp.matrix(row)
            M += a * a.T / mp.mpf(noise)
        P = M**-1
        trace, logdet = float(P[0, 0] + P[1, 1]), float(mp.log(mp.det(P)))
    everything = np.ones(3, dtype=bool)
    # The sum of outer products has a condition of up to 3e14; its root that of 2e7.
    assert lab.cost(s, everything) == pytest.approx(trace, rel=1e-7)
    assert lab.cost(s, everything, lab.d_cost) == pytest.approx(logdet, rel=1e-7)
    one_by_one = np.eye(2)
    for i in range(3):
        one_by_one = lab.read_one(one_by_one, s)[i]
    assert lab.a_cost(one_by_one) == pytest.approx(trace, rel=1e-7)
    assert lab.d_cost(one_by_one) == pytest.approx(logdet, rel=1e-7)


@settings(deadline=None)
@given(seeds)
def test_one_more_reading_is_the_whole_computed_anew(seed):
    s = problem(seed)
    rng = np.random.default_rng(seed)
    mask = masks_of(7, rng, 1)[0]
    tried = lab.read_one(lab.posterior_root(s, mask), s)
    for i in np.flatnonzero(~mask):
        more = mask.copy()
        more[i] = True
        expected = lab.posterior_covariance(s, more)
        np.testing.assert_allclose(
            tried[i] @ tried[i].T, expected, atol=1e-9 * np.abs(expected).max(), rtol=1e-7
        )


def test_the_update_is_sherman_and_morrisons():
    s = problem(3)
    P = s.prior
    for i, root in enumerate(lab.read_one(np.linalg.cholesky(P), s)):
        Pa = P @ s.A[i]
        expected = P - np.outer(Pa, Pa) / (s.noise[i] + s.A[i] @ Pa)
        np.testing.assert_allclose(root @ root.T, expected, rtol=1e-9, atol=1e-12)


# The estimate


def test_the_mean_against_conditioning_the_joint_normal():
    s, rng = problem(5, n=6, d=3), np.random.default_rng(0)
    mask = np.array([True, False, True, True, False, False])
    readings = rng.standard_normal((4, 6))
    A = s.A[mask]
    gain = s.prior @ A.T @ np.linalg.inv(A @ s.prior @ A.T + np.diag(s.noise[mask]))
    found = lab.posterior_mean(s, mask, readings)
    np.testing.assert_allclose(found, readings[:, mask] @ gain.T, rtol=1e-9)
    np.testing.assert_allclose(lab.posterior_mean(s, mask, readings[1]), found[1], rtol=1e-12)
    readings[:, ~mask] = math.nan  # what is not read is not looked at
    np.testing.assert_array_equal(lab.posterior_mean(s, mask, readings), found)


def test_mean_and_covariance_against_scikit_learn():
    rng = np.random.default_rng(1)
    A, y = rng.standard_normal((8, 3)), rng.standard_normal(8)
    ridge = BayesianRidge(
        alpha_init=4.0, lambda_init=2.0, max_iter=1, fit_intercept=False,
        alpha_1=0, alpha_2=0, lambda_1=0, lambda_2=0,
    )  # fmt: skip
    ridge.fit(A, y)  # one step re-estimates both precisions; take those that it ended with
    s = Sensors.of(A, 1 / ridge.alpha_, np.eye(3) / ridge.lambda_)
    everything = np.ones(8, dtype=bool)
    np.testing.assert_allclose(lab.posterior_covariance(s, everything), ridge.sigma_, rtol=1e-8)
    np.testing.assert_allclose(lab.posterior_mean(s, everything, y), ridge.coef_, rtol=1e-8)


def test_the_trace_is_the_mean_squared_error():
    s, rng = problem(8, n=5, d=2), np.random.default_rng(2)
    mask = np.array([True, True, False, True, False])
    theta = rng.multivariate_normal(np.zeros(2), s.prior, 40_000)
    readings = theta @ s.A.T + np.sqrt(s.noise) * rng.standard_normal((40_000, 5))
    squared = ((lab.posterior_mean(s, mask, readings) - theta) ** 2).sum(axis=1)
    assert abs(squared.mean() - lab.cost(s, mask)) < 5 * stats.sem(squared)


# Criteria


def test_criteria_against_the_covariance():
    s = problem(4)
    masks = masks_of(7, np.random.default_rng(4))
    for root, P in zip(
        lab.posterior_root(s, masks), lab.posterior_covariance(s, masks), strict=True
    ):
        assert lab.a_cost(root) == pytest.approx(np.trace(P))
        assert lab.d_cost(root) == pytest.approx(math.log(np.linalg.det(P)))
        assert lab.e_cost(root) == pytest.approx(np.linalg.eigvalsh(P)[-1])


@settings(deadline=None)
@given(seeds)
def test_one_more_sensor_never_costs(seed):
    s, rng = problem(seed), np.random.default_rng(seed)
    mask = masks_of(7, rng, 1)[0]
    more = mask.copy()
    more[rng.integers(7)] = True
    for criterion in CRITERIA:
        before, after = lab.cost(s, mask, criterion), lab.cost(s, more, criterion)
        assert after <= before + 1e-9 * abs(before)


@settings(deadline=None)
@given(seeds)
def test_what_a_sensor_adds_to_d_shrinks_as_others_are_read(seed):
    """The log-determinant is submodular; the trace is not, as the next test shows."""
    s, rng = problem(seed), np.random.default_rng(seed)
    small = masks_of(7, rng, 1)[0]
    large = small | masks_of(7, rng, 1)[0]
    i = int(rng.integers(7))

    def gain(mask):
        more = mask.copy()
        more[i] = True
        return float(lab.cost(s, mask, lab.d_cost) - lab.cost(s, more, lab.d_cost))

    if not large[i]:
        assert gain(small) >= gain(large) - 1e-9


def test_the_trace_can_gain_more_from_the_second_sensor():
    # The first unknown by itself; the sum of both, whose second is nearly unknown.
    s = Sensors.of([[1, 0], [1, 1]], 0.01, np.diag([1.0, 100.0]))
    nothing, first, both_summed, both = (
        float(lab.cost(s, np.array(mask, dtype=bool))) for mask in ((0, 0), (1, 0), (0, 1), (1, 1))
    )
    alone, beside = nothing - first, both_summed - both
    assert beside > 1.9 * alone


@settings(deadline=None)
@given(seeds, st.integers(1, 5))
def test_the_cost_is_never_below_the_bound_by_lengths(seed, k):
    s = Sensors.of(problem(seed).A, 0.3)
    mask = lab.loudest(s, k)
    bound = 9 / (3 + (s.A[mask] ** 2).sum() / 0.3)
    assert lab.cost(s, mask) >= bound * (1 - 1e-12)
    # The bound is least for the loudest, whatever else is read.
    rng = np.random.default_rng(seed)
    other = rng.permutation(mask)
    assert (s.A[other] ** 2).sum() <= (s.A[mask] ** 2).sum() + 1e-12


# Choices


@pytest.mark.parametrize("criterion", CRITERIA)
@pytest.mark.parametrize("k", [0, 1, 3, 6])
def test_exhaustive_against_a_loop(criterion, k):
    s = problem(k, n=6, d=3)
    found = lab.exhaustive(s, k, criterion)
    assert len(found.masks) == math.comb(6, k) and (found.masks.sum(axis=1) == k).all()
    costs = []
    for chosen in combinations(range(6), k):
        P = direct(s, np.isin(np.arange(6), chosen))
        costs.append({lab.a_cost: np.trace, lab.d_cost: lambda P: math.log(np.linalg.det(P)),
                      lab.e_cost: lambda P: np.linalg.eigvalsh(P)[-1]}[criterion](P))  # fmt: skip
    assert found.least == pytest.approx(min(costs))
    assert found.lottery == pytest.approx(np.mean(costs))
    assert float(lab.cost(s, found.best, criterion)) == pytest.approx(min(costs))


def test_a_large_search_is_made_in_parts(monkeypatch):
    s = problem(1)
    whole = lab.exhaustive(s, 3)
    monkeypatch.setattr(lab, "AT_ONCE", 4)
    np.testing.assert_allclose(lab.exhaustive(s, 3).costs, whole.costs, rtol=1e-12)


@pytest.mark.parametrize("criterion", CRITERIA)
def test_greedy_against_greedy_by_inverses(criterion):
    for seed in range(20):
        s, mask = problem(seed), np.zeros(7, dtype=bool)
        for _ in range(4):
            costs = {}
            for i in np.flatnonzero(~mask):
                more = mask.copy()
                more[i] = True
                costs[i] = criterion(np.linalg.cholesky(direct(s, more)))
            mask[min(costs, key=costs.get)] = True
        assert lab.greedy(s, 4, criterion).tolist() == mask.tolist()


def test_greedy_and_exchange_lie_between_best_and_lottery():
    gaps = []
    for seed in range(60):
        s = Sensors.of(np.random.default_rng(seed).standard_normal((10, 3)), 0.1)
        all_choices = lab.exhaustive(s, 4)
        chosen = lab.greedy(s, 4)
        mended = lab.exchange(s, chosen)
        greedy, better = lab.cost(s, chosen), lab.cost(s, mended)
        assert chosen.sum() == mended.sum() == 4
        assert all_choices.least * (1 - 1e-9) <= better <= greedy * (1 + 1e-9)
        gaps.append((greedy / all_choices.least, all_choices.lottery / all_choices.least))
    greedy, lottery = np.array(gaps).T
    assert np.median(greedy) < 1.05 and greedy.max() > 1.001 and (greedy < lottery).all()


def test_no_single_exchange_helps_any_more():
    s = problem(11)
    start = np.array([True] * 3 + [False] * 4)
    mask = lab.exchange(s, start)
    assert start.tolist() == [True] * 3 + [False] * 4  # unchanged
    now = lab.cost(s, mask)
    for out in np.flatnonzero(mask):
        for new in np.flatnonzero(~mask):
            other = mask.copy()
            other[out], other[new] = False, True
            assert lab.cost(s, other) >= now * (1 - 1e-9)
    everything, nothing = np.ones(7, dtype=bool), np.zeros(7, dtype=bool)
    assert lab.exchange(s, everything).all() and not lab.exchange(s, nothing).any()


def test_the_loudest_are_the_longest_rows():
    s = Sensors.of([[0, -5], [3, 0], [1, 1], [3, 0]], [9, 1, 1, 1])
    assert lab.loudest(s, 2).tolist() == [True, True, False, False]  # of equal ones the first


def test_orthogonal_sensors_and_equal_prior_variances_make_the_loudest_best():
    rng = np.random.default_rng(0)
    for _ in range(50):
        Q = np.linalg.qr(rng.standard_normal((6, 6)))[0]
        A = Q[:5] * rng.lognormal(size=(5, 1))
        s = Sensors.of(A, 0.3, 2.5 * np.eye(6))
        for criterion in (lab.a_cost, lab.d_cost):
            best = lab.exhaustive(s, 3, criterion).best
            assert best.tolist() == lab.loudest(s, 3).tolist()


# Where sensors come from


def test_directions_are_uniform():
    rows = lab.directions(20_000, 3, np.random.default_rng(0))
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1)
    # On the sphere every coordinate is uniform from -1 to 1 (Archimedes).
    assert stats.kstest(rows[:, 2], "uniform", args=(-1, 2)).pvalue > 0.001


@pytest.mark.parametrize("redundancy", [0, 0.3, 1])
def test_redundant_rows(redundancy):
    A = lab.redundant_rows(9, 4, redundancy, np.random.default_rng(3))
    plain = lab.redundant_rows(9, 4, 0, np.random.default_rng(3))
    np.testing.assert_allclose(np.linalg.norm(A, axis=1), [2] * 4 + [1] * 5)
    np.testing.assert_array_equal(A[4:], plain[4:])
    spread = 4 - np.linalg.norm(A[:4].mean(axis=0)) ** 2
    assert spread == pytest.approx(0, abs=1e-12) if redundancy == 1 else spread > 0.1


def test_redundancy_draws_strong_sensors_together():
    def alike(r):
        drawn = [lab.redundant_rows(14, 4, r, np.random.default_rng(s))[:7] / 2 for s in range(50)]
        return np.mean([(A @ A.T)[np.triu_indices(7, 1)] for A in drawn])

    found = [alike(r) for r in np.linspace(0, 1, 6)]
    assert (np.diff(found) > 0).all() and found[-1] == pytest.approx(1)


def test_units_of_a_linear_layer_are_the_sensors_they_were_made_as():
    rng = np.random.default_rng(0)
    A, noise = rng.standard_normal((6, 2)), np.array([0.1, 0.5, 1.0, 2.0, 0.3, 0.7])
    theta = rng.multivariate_normal([3, -1], [[2, 0.5], [0.5, 1]], 60_000)
    H = theta @ A.T + np.sqrt(noise) * rng.standard_normal((60_000, 6)) + 7
    found = lab.units_as_sensors(H, theta)
    np.testing.assert_allclose(found.A, A, atol=0.03)
    np.testing.assert_allclose(found.noise, noise, rtol=0.03)
    np.testing.assert_allclose(found.prior, [[2, 0.5], [0.5, 1]], atol=0.05)


def test_units_as_sensors_against_scikit_learn_and_with_a_silent_unit():
    rng = np.random.default_rng(1)
    H, Z = np.abs(rng.standard_normal((50, 4))), rng.standard_normal((50, 3))
    H[:, 2] = 1.5
    found = lab.units_as_sensors(H, Z)
    fit = LinearRegression().fit(Z, H)
    np.testing.assert_allclose(found.A, fit.coef_, atol=1e-12)
    others = [0, 1, 3]
    np.testing.assert_allclose(found.noise[others], ((H - fit.predict(Z)) ** 2).mean(0)[others])
    assert found.noise[2] == 1 and (found.A[2] == 0).all()
    np.testing.assert_allclose(found.prior, np.cov(Z.T, bias=True))


# Errors for people


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: Sensors.of([1.0, 2.0]), r"A: given shape \(2,\).*A\[None\]"),
        (lambda: Sensors.of(np.ones((0, 2))), r"A: given shape \(0, 2\)"),
        (lambda: Sensors.of([[1.0, math.nan]]), "A: .* finite"),
        (lambda: Sensors.of([[1.0]], 0.0), "noise: given 0.0, expected a positive variance"),
        (lambda: Sensors.of([[1.0]], math.nan), "noise"),
        (lambda: Sensors.of([[1.0]], math.inf), "noise"),
        (lambda: Sensors.of([[1.0], [2.0]], [1.0, -1.0]), "or 2 of them"),
        (lambda: Sensors.of([[1.0], [2.0]], [1.0]), "or 2 of them"),
        (lambda: Sensors.of([[1.0, 0.0]], 1.0, np.eye(3)), r"prior: given shape \(3, 3\)"),
        (lambda: Sensors.of([[1.0, 0.0]], 1.0, [[1, 2], [0, 1]]), "symmetric"),
        (lambda: Sensors.of([[1.0, 0.0]], 1.0, [[1, 2], [2, 1]]), "positive definite"),
        (lambda: Sensors.of([[1.0, 0.0]], 1.0, [[1, math.nan], [math.nan, 1]]), "prior"),
        (lambda: lab.cost(problem(0), np.ones(7)), "mask: given float64"),
        (lambda: lab.cost(problem(0), np.ones(6, dtype=bool)), r"expected bool \(\.\.\., 7\)"),
        (lambda: lab.greedy(problem(0), 8), "k: given 8, expected from 0 to 7"),
        (lambda: lab.greedy(problem(0), -1), "k: given -1"),
        (lambda: lab.loudest(problem(0), 8), "k: given 8"),
        (lambda: lab.exhaustive(problem(0), 9), "k = 9"),
        (lambda: lab.exchange(problem(0), np.ones(3, dtype=bool)), "mask"),
        (
            lambda: lab.posterior_mean(problem(0), np.ones(7, dtype=bool), np.ones(6)),
            "one mask",
        ),
        (
            lambda: lab.posterior_mean(problem(0), np.ones((2, 7), dtype=bool), np.ones(7)),
            "one mask",
        ),
        (
            lambda: lab.redundant_rows(4, 2, 1.5, np.random.default_rng(0)),
            "redundancy: given 1.5, expected a number from 0 to 1",
        ),
        (lambda: lab.units_as_sensors(np.ones((3, 2)), np.ones((4, 2))), "same examples"),
        (
            lambda: lab.units_as_sensors(np.eye(3), [[1, 2], [2, 4], [0, 0]]),
            "outputs: given 2 of rank 1",
        ),
    ],
)
def test_errors_say_what_was_given(make, words):
    with pytest.raises(ValueError, match=words):
        make()
