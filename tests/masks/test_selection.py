"""Selections against brute force: exact counts, ties, odd shapes, every data type, bad input."""

import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.masks import blocks, n_of_m, radix, select, threshold, top_k

FLOATS = [torch.float16, torch.bfloat16, torch.float32, torch.float64]
INTEGERS = [torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64]


def brute_top_k(scores: list[float], k: int) -> list[bool]:
    """Sort by falling score, then by rising index, and keep the first k."""
    order = sorted(range(len(scores)), key=lambda i: (-scores[i], i))
    return [i in order[:k] for i in range(len(scores))]


@pytest.fixture(params=["sorted", "counted", "counted in small chunks"])
def path(request, monkeypatch):
    """Make small tensors go each of the ways that a selection can go."""
    if request.param != "sorted":
        monkeypatch.setattr(radix, "FEW", 0)
    if request.param == "counted in small chunks":
        monkeypatch.setattr(radix, "CHUNK", 7)
        monkeypatch.setattr(radix, "DIGIT", 4)
        monkeypatch.setattr(radix, "FEW", 3)


@pytest.mark.parametrize("dtype", FLOATS + INTEGERS, ids=str)
def test_top_k_is_the_brute_force_answer_for_every_k_and_type(dtype, path):
    generator = torch.Generator().manual_seed(1)
    low = 0 if dtype == torch.uint8 else -9
    few_values = torch.randint(low, 9, (40,), generator=generator).to(dtype)  # hence many ties
    limits = torch.finfo(dtype) if dtype.is_floating_point else torch.iinfo(dtype)
    scores = torch.cat([few_values, torch.tensor([limits.min, limits.max, 0, 1], dtype=dtype)])
    for k in range(len(scores) + 1):
        assert top_k(scores, k).tolist() == brute_top_k(scores.tolist(), k)


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_top_k_orders_tiny_numbers_and_takes_both_zeros_for_equal(dtype, path):
    tiny = torch.finfo(dtype).smallest_normal
    scores = torch.tensor([-0.0, 0.0, -tiny, tiny, tiny / 2, -tiny / 2, 0.0, -0.0], dtype=dtype)
    for k in range(len(scores) + 1):
        assert top_k(scores, k).tolist() == brute_top_k(scores.tolist(), k)


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_top_k_of_any_finite_floats(data):
    scores = data.draw(st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=30))
    k = data.draw(st.integers(0, len(scores)))
    few = data.draw(st.sampled_from([0, 5, radix.FEW]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(radix, "FEW", few)
        kept = top_k(torch.tensor(scores, dtype=torch.float64), k)
    assert kept.tolist() == brute_top_k(scores, k)


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_top_k_of_any_long_integers(data):
    scores = data.draw(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=20))
    k = data.draw(st.integers(0, len(scores)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(radix, "FEW", 0)
        kept = top_k(torch.tensor(scores), k)
    assert kept.tolist() == brute_top_k(scores, k)


def test_top_k_of_a_million_agrees_with_numpy_partition():
    scores = torch.randn(1_500_000, generator=torch.Generator().manual_seed(0))
    for k in (1, 150_000, 1_499_999):
        kept = top_k(scores, k)
        cut = np.partition(scores.numpy(), -k)[-k]
        assert int(kept.sum()) == k
        assert float(scores[kept].min()) == cut


def test_all_tied_keeps_the_first_k_across_chunks():
    scores = torch.ones(3 * radix.CHUNK + 5)
    k = 2 * radix.CHUNK + 3
    kept = top_k(scores, k)
    assert bool(kept[:k].all()) and not bool(kept[k:].any())


@pytest.mark.parametrize("shape", [(), (0,), (3, 0), (1,), (2, 3, 4), (5, 1)])
def test_top_k_keeps_the_shape(shape):
    scores = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    for k in {0, scores.numel()}:
        kept = top_k(scores, k)
        assert kept.shape == scores.shape and int(kept.sum()) == k


def test_ties_follow_the_index_and_not_the_memory():
    scores = torch.tensor([[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]])
    expected = torch.tensor([[True, True], [False, False], [False, False]])
    assert torch.equal(top_k(scores.T, 2), expected)
    image = torch.ones(1, 2, 2, 2).to(memory_format=torch.channels_last)
    assert top_k(image, 3).flatten().tolist() == [True] * 3 + [False] * 5
    assert torch.equal(top_k(torch.arange(10.0)[::3], 2), torch.tensor([False, False, True, True]))


def test_scores_stay_as_they_were_and_gradients_are_no_trouble():
    scores = torch.randn(50, generator=torch.Generator().manual_seed(0), requires_grad=True)
    before = scores.detach().clone()
    kept = top_k(scores.abs(), 7)
    assert torch.equal(scores.detach(), before) and not kept.requires_grad


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize(
    "selection",
    [
        lambda s: top_k(s, 1),
        lambda s: threshold(s, 0.5),
        lambda s: n_of_m(s, 1, 2),
        lambda s: blocks(s, (1, 2), lambda sums: top_k(sums, 1)),
        lambda s: select({"layer": s}, k=1),
    ],
    ids=["top_k", "threshold", "n_of_m", "blocks", "select"],
)
def test_nan_and_infinity_are_named_with_their_place(selection, dtype, bad):
    scores = torch.ones(3, 4, dtype=dtype)
    scores[2, 1] = bad
    with pytest.raises(ValueError, match=rf"1 of 12 .*\({bad}\) at index \(2, 1\)"):
        selection(scores)


@pytest.mark.parametrize(
    ("k", "error", "words"),
    [
        (-1, ValueError, "given -1, expected an integer from 0 to 4"),
        (5, ValueError, "given 5, expected an integer from 0 to 4"),
        (2.0, TypeError, r"given 2.0 \(float\), expected an integer"),
        (0.5, TypeError, "give density"),
        (True, TypeError, r"given True \(bool\)"),
        ("2", TypeError, "given '2'"),
        (torch.tensor(2), TypeError, "Tensor"),
        (None, TypeError, "None"),
    ],
)
def test_wrong_k_is_said_plainly(k, error, words):
    with pytest.raises(error, match=words):
        top_k(torch.ones(4), k)


def test_numpy_integers_count():
    assert int(top_k(torch.ones(4), np.int64(3)).sum()) == 3


@pytest.mark.parametrize(
    "scores", [[1.0, 2.0], np.ones(3), torch.ones(2, dtype=torch.bool), torch.ones(2) * 1j]
)
def test_other_things_than_scores_are_refused(scores):
    with pytest.raises(TypeError, match="expected a torch tensor of floats"):
        top_k(scores, 1)


def test_threshold_drops_what_equals_tau():
    assert threshold(torch.tensor([1.0, 2.0, 3.0]), 2).tolist() == [False, False, True]
    with pytest.raises(ValueError, match="tau"):
        threshold(torch.ones(2), math.nan)


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_n_of_m_is_top_k_in_every_group(data):
    m = data.draw(st.integers(1, 5))
    n = data.draw(st.integers(0, m))
    rows, groups = data.draw(st.integers(0, 3)), data.draw(st.integers(0, 4))
    size = rows * groups * m
    values = data.draw(st.lists(st.integers(-3, 3), min_size=size, max_size=size))
    scores = torch.tensor(values, dtype=torch.float32).reshape(rows, groups * m)
    kept = n_of_m(scores, n, m)
    assert kept.shape == scores.shape
    for group, answer in zip(scores.reshape(-1, m), kept.reshape(-1, m), strict=True):
        assert answer.tolist() == brute_top_k(group.tolist(), n)


def test_n_of_m_takes_the_first_of_equals_in_wide_groups_too():
    scores = torch.ones(2, 3000)  # an unstable sort shuffles equals only where there are many
    assert torch.equal(
        n_of_m(scores, 500, 1500), torch.arange(1500).expand(2, 2, -1).flatten(1) < 500
    )


def test_n_of_m_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match="m: given 4, which does not divide the length 6 of axis"):
        n_of_m(torch.ones(2, 6), 2, 4)
    with pytest.raises(ValueError, match="n: given 5, expected an integer from 0 to 4"):
        n_of_m(torch.ones(2, 8), 5, 4)
    with pytest.raises(ValueError, match="m: given 0"):
        n_of_m(torch.ones(2, 8), 0, 0)
    assert n_of_m(torch.tensor(3.0), 1, 1).shape == ()


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_blocks_keep_whole_blocks_with_the_largest_sums(data):
    edges = tuple(data.draw(st.lists(st.integers(1, 3), min_size=2, max_size=3)))
    tiles = [data.draw(st.integers(1, 3)) for _ in edges]
    k = data.draw(st.integers(0, math.prod(tiles)))
    seed = data.draw(st.integers(0, 99))
    shape = [edge * tile for edge, tile in zip(edges, tiles, strict=True)]
    scores = torch.randint(-3, 4, shape, generator=torch.Generator().manual_seed(seed)).double()
    kept = blocks(scores, edges, lambda sums: top_k(sums, k))
    corners = [
        tuple(slice(i * e, (i + 1) * e) for i, e in zip(place, edges, strict=True))
        for place in np.ndindex(*tiles)
    ]
    sums = [float(scores[corner].sum()) for corner in corners]
    for corner, keep in zip(corners, brute_top_k(sums, k), strict=True):
        assert bool((kept[corner] == keep).all())


def test_blocks_do_not_overflow_and_take_any_rule():
    scores = torch.full((4, 2), 60_000, dtype=torch.float16)
    assert int(blocks(scores, (4, 1), lambda sums: n_of_m(sums, 1, 2)).sum()) == 4
    small = torch.full((4, 2), 127, dtype=torch.int8)
    assert bool(blocks(small, (2, 2), lambda sums: threshold(sums, 500)).all())


@pytest.mark.parametrize(
    ("edges", "words"),
    [
        ((4,), r"edges: given \(4,\), expected 2 edge"),
        ((4, 1), r"edges\[0\]: given 4, which does not divide the length 6 of axis 0"),
        ((0, 1), r"edges\[0\]: given 0"),
        ((7, 1), r"edges\[0\]: given 7"),
    ],
)
def test_blocks_that_do_not_tile_are_refused(edges, words):
    with pytest.raises(ValueError, match=words):
        blocks(torch.ones(6, 4), edges, lambda sums: top_k(sums, 1))


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_global_select_is_top_k_of_the_joined_scores(data):
    sizes = data.draw(st.lists(st.integers(0, 12), min_size=1, max_size=4))
    types = data.draw(st.sampled_from([FLOATS, INTEGERS[1:]]))
    drawn = [data.draw(st.lists(st.integers(-5, 5), min_size=s, max_size=s)) for s in sizes]
    scores = {
        f"layer {i}": torch.tensor(values, dtype=data.draw(st.sampled_from(types)))
        for i, values in enumerate(drawn)
    }
    k = data.draw(st.integers(0, sum(sizes)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(radix, "FEW", data.draw(st.sampled_from([0, radix.FEW])))
        patch.setattr(radix, "CHUNK", data.draw(st.sampled_from([3, radix.CHUNK])))
        mask = select(scores, k=k)
    assert list(mask) == list(scores)
    joined = [keep for name in scores for keep in mask[name].tolist()]
    assert joined == brute_top_k([value for values in drawn for value in values], k)


def test_half_precision_is_compared_exactly_with_full():
    third = torch.tensor([1 / 3])
    scores = {"half": third.half(), "full": third}
    assert third.half().float() < third  # so the larger of the two is the second
    mask = select(scores, k=1)
    assert [bool(mask["half"]), bool(mask["full"])] == [False, True]


def test_scope_tensor_keeps_its_share_of_each():
    scores = {"a": torch.arange(10.0), "b": 100 + torch.arange(20.0)}
    shares = select(scores, density=0.3, scope="tensor")
    assert [int(shares[n].sum()) for n in scores] == [3, 6]
    assert [int(t.sum()) for t in select(scores, k=4, scope="tensor").values()] == [4, 4]
    assert [int(t.sum()) for t in select(scores, density=0.3).values()] == [0, 9]


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({}, ValueError, "exactly one"),
        ({"k": 1, "density": 0.5}, ValueError, "exactly one"),
        ({"k": 1, "scope": "layer"}, ValueError, "scope: given 'layer'"),
        ({"k": 11}, ValueError, "from 0 to 10"),
        ({"density": 1.5}, ValueError, "given 1.5"),
        ({"density": 20}, ValueError, "percentage"),
        ({"density": math.nan}, ValueError, "given nan"),
        ({"density": True}, TypeError, "given True"),
        ({"density": "half"}, TypeError, "given 'half'"),
    ],
)
def test_select_says_what_it_wants(arguments, error, words):
    with pytest.raises(error, match=words):
        select({"a": torch.ones(10)}, **arguments)


def test_select_names_the_layer_with_bad_scores():
    with pytest.raises(ValueError, match=r"scores of 'fc\.weight'"):
        select({"fc.weight": torch.tensor([math.nan])}, k=1)
    with pytest.raises(TypeError, match="all floats or all integers"):
        select({"a": torch.ones(2), "b": torch.ones(2, dtype=torch.int64)}, k=1)
    with pytest.raises(TypeError, match="expected a mapping"):
        select(torch.ones(3), k=1)


def test_select_of_nothing_keeps_nothing():
    assert select({}, k=0).kept == 0
    assert select({"a": torch.empty(0)}, density=0.5).kept == 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.int64])
def test_scores_without_values_are_refused_in_words(dtype):
    scores = torch.empty(4, 4, device="meta", dtype=dtype)
    for choose in (
        lambda: top_k(scores, 3),
        lambda: top_k(scores, 0),
        lambda: threshold(scores, 0.5),
        lambda: n_of_m(scores, 2, 4),
        lambda: blocks(scores, (2, 2), lambda sums: top_k(sums, 1)),
        lambda: select({"w": scores}, density=0.5),
        lambda: select({"w": scores}, density=0.5, scope="tensor"),
    ):
        with pytest.raises(ValueError, match="on the device 'meta', where tensors have shapes"):
            choose()


@pytest.mark.parametrize("scope", ["global", "tensor"])
def test_one_weight_is_kept_or_not(scope):
    for shape in ((), (1,), (1, 1, 1)):
        for density in (0, 0.5, 0.6, 1):
            mask = select({"w": torch.ones(shape)}, density=density, scope=scope)
            assert mask["w"].shape == shape and mask.kept == round(density)


def test_what_a_rule_of_blocks_returns_is_checked():
    scores = torch.ones(4, 4)
    with pytest.raises(TypeError, match=r"rule: it returned torch.float64, expected a bool"):
        blocks(scores, (2, 2), lambda sums: sums)
    with pytest.raises(ValueError, match=r"rule: it returned the shape \(4,\) for sums \(2, 2\)"):
        blocks(scores, (2, 2), lambda sums: top_k(sums.flatten(), 1))
    with pytest.raises(ValueError, match=r"edges: given 4, expected 2 edge"):
        blocks(scores, 4, lambda sums: top_k(sums, 1))


@pytest.mark.parametrize("tau", ["0.5", None, True, torch.ones(2)])
def test_a_threshold_is_a_number(tau):
    with pytest.raises(TypeError, match=r"tau: given .*expected a number"):
        threshold(torch.ones(3), tau)
    assert threshold(torch.ones(3), torch.tensor(0.5)).all()


def test_sparse_tensors_are_told_to_be_dense():
    with pytest.raises(TypeError, match=r"scores of 'w': given torch.sparse_coo.*to_dense"):
        select({"w": torch.eye(3).to_sparse()}, k=1)


@pytest.mark.parametrize("dtype", INTEGERS)
def test_a_threshold_of_integers_is_compared_as_a_number(dtype):
    limits = torch.iinfo(dtype)
    scores = [limits.min, limits.min + 1, 0, 5, 100, limits.max - 1, limits.max]
    taus = [-math.inf, -(2**70), limits.min - 1, limits.min, -1, -0.5, 0, 4.5, 5, 100, 200, 1000]
    taus += [limits.max - 1, limits.max, 2**70, math.inf, Fraction(9, 2)]
    for tau in taus:
        expected = [score > tau for score in scores]  # Python's integers never wrap
        assert threshold(torch.tensor(scores, dtype=dtype), tau).tolist() == expected, tau
    found = threshold(torch.tensor(scores, dtype=dtype), torch.tensor(200))
    assert found.tolist() == [score > 200 for score in scores]
