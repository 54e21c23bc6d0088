"""Parts to touch in a real browser: their mathematics against the library's, by other ways."""

import itertools
import math
import re

import numpy as np
import pytest
import torch
from axe_playwright_python.sync_playwright import Axe
from scipy.fft import dctn, idctn
from scipy.optimize import minimize_scalar
from sklearn.datasets import load_digits

from course_lib.labs import approximation, chance, privacy, robustness
from course_lib.masks import top_k
from course_lib.sparse.formats import CSR, Bitmask
from course_lib.teaching import touch
from tests.teaching.conftest import PAGES

pytestmark = pytest.mark.slow

rng = np.random.default_rng(0)
DIGIT = dctn(load_digits().images[1] / 16, norm="ortho").ravel()
KINDS = ["five", "ball", "stretch", "deals", "bytes", "crowd"]
# In the place of the browser's chance: small, even enough for these counts, and the same each time.
SEEDED = """let seed = 12345; Math.random = () => {
  seed = (seed + 0x6d2b79f5) | 0;
  let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
};"""


@pytest.fixture(scope="module")
def parts():
    """All parts on one page."""
    made = [
        touch.five(DIGIT, caption="Five of 64."),
        touch.ball(caption="Drag w."),
        touch.stretch(),
        touch.deals(np.random.default_rng(0).standard_normal(10)),
        touch.bytes_of(),
        touch.crowd(np.random.default_rng(4).random(300)),
    ]
    return [f"<script>{SEEDED}</script>", *(part.html for part in made)]


@pytest.fixture(scope="module")
def ask(browser, written):
    """Call a function of a part: ask("ball.drop", ...)."""
    page = browser.new_page()
    page.goto((written / "book by day.html").as_uri())
    yield lambda name, *given: page.evaluate(f"given => swTouch.{name}(...given)", list(given))
    page.close()


def part(page, kind):
    return page.locator(f"[data-touch={kind}]")


def told(page, kind):
    """What is seen; and in the end a screen reader is told the same."""
    return part(page, kind).locator(".sw-told").inner_text()


def heard(page, kind):
    return part(page, kind).locator(".sw-heard")


# Five of sixty-four


def vectors():
    """Coefficients with nothing odd, with ties, all equal, all zero."""
    yield from rng.standard_normal((20, 64))
    yield from rng.integers(-2, 3, (20, 64)).astype(float)
    yield np.ones(64)
    yield np.zeros(64)
    yield DIGIT


def test_the_rule_keeps_what_top_k_keeps(ask):
    for numbers in vectors():
        for k in (1, 5, 63, 64):
            expected = top_k(torch.tensor(numbers).abs(), k).nonzero().flatten().tolist()
            assert ask("five.largest", numbers.tolist(), k) == expected


def test_a_picture_is_rebuilt_by_the_inverse_transform(ask):
    for numbers in vectors():
        chosen = rng.permutation(64)[: rng.integers(0, 65)]
        kept = np.zeros(64)
        kept[chosen] = numbers[chosen]
        expected = idctn(kept.reshape(8, 8), norm="ortho").ravel()
        assert ask("five.rebuild", numbers.tolist(), chosen.tolist()) == pytest.approx(
            expected, abs=1e-12
        )
        if numbers.any():
            share = (kept**2).sum() / (numbers**2).sum()
            found = ask("five.share", numbers.tolist(), chosen.tolist())
            assert found == pytest.approx(share, abs=1e-12)


def test_of_nothing_but_zeros_no_share_is_told(ask):
    assert ask("five.sentence", [0] * 64, 5, [1], False).startswith("All the numbers are 0")


def greys(page):
    fills = "all => all.map(each => Number(/\\d+/.exec(each.style.fill)[0]))"
    return page.eval_on_selector_all("[data-touch=five] .sw-live rect", fills)


def test_five_are_chosen_by_click_and_a_sixth_is_refused(open_one):
    page = open_one()
    stems = part(page, "five").get_by_role("button", name="position")
    assert set(greys(page)) == {255}
    for i in (0, 1, 2, 3, 4):
        stems.nth(i).click()
    kept = np.where(np.arange(64) < 5, DIGIT, 0)
    ink = idctn(kept.reshape(8, 8), norm="ortho").ravel().clip(0, 1)
    assert greys(page) == pytest.approx(255 * (1 - ink), abs=0.51)
    best = np.sort(DIGIT**2)[-5:].sum() / (DIGIT**2).sum()
    shares = [f"{share:.1%}" for share in ((kept**2).sum() / (DIGIT**2).sum(), best)]
    assert re.findall(r"[\d.]+%", told(page, "five")) == shares
    stems.nth(9).click()
    assert "Put one back first" in told(page, "five")
    assert stems.nth(9).get_attribute("aria-pressed") == "false"
    stems.nth(4).click()
    assert "You may choose 1 more" in told(page, "five")
    part(page, "five").get_by_role("button", name="rule's choice").click()
    assert f"hold {shares[1]}" in told(page, "five")


def test_the_stems_are_one_stop_and_arrows_move_among_them(open_one):
    page = open_one()
    stems = part(page, "five").get_by_role("button", name="position")
    stops = "all => all.filter(each => each.tabIndex === 0).length"
    assert page.eval_on_selector_all(".sw-stems button", stops) == 1
    stems.first.focus()
    for keys, at in (("ArrowRight", 1), ("ArrowDown", 17), ("ArrowLeft", 16), ("End", 63)):
        page.keyboard.press(keys)
        assert stems.nth(at).evaluate("each => document.activeElement === each")
    page.keyboard.press("ArrowRight")  # at the end it stays
    page.keyboard.press("Space")
    assert stems.nth(63).get_attribute("aria-pressed") == "true"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.dataset.do") == "rule"


# The ball

LOSSES = [
    approximation.lp(0.5),
    approximation.lp(1),
    approximation.lp(2),
    approximation.lp(math.inf),
    approximation.weighted_l2(torch.tensor([1.0, 4.0], dtype=torch.float64)),
    approximation.hessian_norm(torch.tensor([[1.0, 0.8], [0.8, 1.6]], dtype=torch.float64)),
]
POINTS = [[3, 2], [0, 0], [0, 2], [-1.5, 0], [2, 2], [-2, 2], [1, -3], [-4, -3], [0.1, 3], [2, 1]]


def along(g, w, axis, at):
    """The loss of the vector with this entry on this axis."""
    v = torch.zeros(2, dtype=torch.float64)
    v[axis] = float(at)
    return g(torch.tensor(w, dtype=torch.float64) - v).item()


@pytest.mark.parametrize("number", range(6))
def test_the_nearest_sparse_point_is_the_one_that_a_search_finds(ask, number):
    """The library's norms, searched along both axes: nothing on an axis is nearer."""
    g, measure = LOSSES[number], touch.MEASURES[number]
    for w in [*POINTS, *rng.uniform(-3, 3, (10, 2)).tolist()]:
        found = ask("ball.nearest", measure, w)
        if number < 5:  # not convex in p = 1/2, but kept as it is, so compared there
            searched = [along(g, w, axis, w[axis]) for axis in (0, 1)]
        else:
            searched = [
                minimize_scalar(lambda t, a=axis, w=w: along(g, w, a, t) ** 2).fun ** 0.5
                for axis in (0, 1)
            ]
        assert found["loss"] == pytest.approx(min(searched), abs=1e-7)
        assert found["left"][1 - found["kept"]] == 0
        reached = along(g, w, found["kept"], found["left"][found["kept"]])
        assert reached == pytest.approx(min(searched), abs=1e-7)
        if searched[0] != pytest.approx(searched[1], abs=1e-6):
            assert found["kept"] == searched.index(min(searched)) and not found["tie"]


@pytest.mark.parametrize("number", range(6))
def test_the_outline_of_a_ball_is_as_far_from_w_as_the_point_it_touches(ask, number):
    for w in POINTS:
        measure, g = touch.MEASURES[number], LOSSES[number]
        found = ask("ball.nearest", measure, w)
        points = torch.tensor(ask("ball.outline", measure, w, found["loss"]), dtype=torch.float64)
        lost = g(torch.tensor(w, dtype=torch.float64) - points)
        assert lost.numpy() == pytest.approx(np.full(96, found["loss"]), abs=1e-6)


def test_of_a_tie_the_first_entry_is_kept(ask):
    for w in ([2, 2], [-2, 2]):
        found = ask("ball.nearest", touch.MEASURES[2], w)
        assert found["tie"] and found["kept"] == 0 and found["left"] == [w[0], 0]
        assert "a tie, and the rule keeps the first" in ask("ball.sentence", touch.MEASURES[2], w)
    assert "nothing has to be dropped" in ask("ball.sentence", touch.MEASURES[5], [0, 0])


def test_arrow_keys_move_the_ball_and_a_reader_hears_only_the_end(open_one):
    page = open_one()
    grip = part(page, "ball").get_by_role("slider")
    page.evaluate(
        "new MutationObserver(all => { window.said = (window.said || 0) + all.length; })"
        ".observe(document.querySelector('[data-touch=ball] .sw-heard'), {childList: true})"
    )
    grip.focus()
    for keys in ["ArrowUp"] * 5 + ["ArrowLeft"] * 5 + ["Shift+ArrowDown"]:
        page.keyboard.press(keys)
    assert grip.get_attribute("aria-valuetext") == "(2.5, 1.5)"
    expected = told(page, "ball")
    assert expected.startswith("w = (2.5, 1.5), p = 2.")
    page.wait_for_function("window.said")
    assert heard(page, "ball").inner_text() == expected
    assert page.evaluate("window.said") == 1  # twelve movements, one sentence
    page.keyboard.press("Home")
    assert grip.get_attribute("aria-valuetext") == "(3.0, 2.0)"
    for _ in range(5):
        page.keyboard.press("Shift+ArrowRight")
    assert grip.get_attribute("aria-valuenow") == "4"


def test_the_ball_is_dragged_or_sent_with_a_click(open_one):
    page = open_one()
    board = part(page, "ball").locator(".sw-live .sw-board")
    grip = part(page, "ball").get_by_role("slider")
    board.scroll_into_view_if_needed()

    def where(x, y):
        box = board.bounding_box()
        return box["x"] + box["width"] * (0.5 + x / 13.2), box["y"] + box["height"] * (0.5 - y / 10)

    page.mouse.move(*where(3, 2))
    page.mouse.down()
    page.mouse.move(*where(0, 0), steps=3)
    page.mouse.move(*where(-2, 1), steps=3)
    page.mouse.up()
    assert grip.get_attribute("aria-valuetext") == "(\u22122.0, 1.0)"
    page.mouse.move(*where(-1.8, 1.1))
    assert grip.get_attribute("aria-valuetext") == "(\u22122.0, 1.0)"  # it was let go
    page.mouse.click(*where(1, -2.5))
    assert grip.get_attribute("aria-valuetext") == "(1.0, \u22122.5)"
    part(page, "ball").get_by_role("combobox").select_option("squeezed, a = 4")
    assert "squeezed" in told(page, "ball")


def test_a_finger_drags_the_ball(open_one):
    page = open_one(width=390, has_touch=True)
    grip = part(page, "ball").get_by_role("slider")
    grip.scroll_into_view_if_needed()
    assert grip.evaluate("each => getComputedStyle(each).touchAction") == "none"
    box = grip.bounding_box()
    assert min(box["width"], box["height"]) >= 44
    x, y = box["x"] + 22, box["y"] + 22
    client = page.context.new_cdp_session(page)
    for kind, points in (
        ("touchStart", [{"x": x, "y": y}]),
        ("touchMove", [{"x": x - 60, "y": y + 20}]),
        ("touchEnd", []),
    ):
        client.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    across, up = (
        float(each) for each in re.findall(r"[\d.]+", grip.get_attribute("aria-valuetext"))
    )
    assert across < 2 and up < 2


# The matrix

MATRICES = [
    [1, 1, 1, -0.99],
    [1, 1, 1, 0],
    [0, 0, 0, 0],
    [1, 0, 0, 1],
    [0, 1, -1, 0],
    [0.5, 0, 0, 0],
    [-1.5, 1.5, 1.5, 1.5],
    [1, 1, 1, 1],
]


def test_the_ellipse_is_that_of_the_singular_values(ask):
    for W in [*MATRICES, *rng.uniform(-1.5, 1.5, (30, 4)).tolist()]:
        found, matrix = ask("stretch.ellipse", W), np.reshape(W, (2, 2)).astype(float)
        left, sizes, _ = np.linalg.svd(matrix)
        assert [found["norm"], found["least"]] == pytest.approx(sizes, abs=1e-12)
        assert found["norm"] == pytest.approx(
            robustness.spectral_norm(torch.tensor(matrix)).norm if matrix.any() else 0, abs=1e-6
        )
        assert np.hypot(*found["far"]) == pytest.approx(sizes[0], abs=1e-12)
        if sizes[0] > sizes[1] + 1e-9:  # else every direction is as long
            assert abs(left[:, 0] @ found["far"]) == pytest.approx(sizes[0], abs=1e-9)


def test_the_bubble_is_the_certified_radius_and_never_above_the_truth(ask):
    for W in [*MATRICES, *rng.uniform(-1.5, 1.5, (30, 4)).tolist()]:
        matrix, x = torch.tensor(W, dtype=torch.float64).reshape(2, 2), torch.ones(2).double()
        found, logits = ask("stretch.bubble", W, [1, 1]), matrix @ x
        margins = robustness.margins(logits[None], torch.tensor([0]))
        norm = torch.linalg.matrix_norm(matrix, 2)
        assert found["margin"] == pytest.approx(margins.item(), abs=1e-12)
        if norm > 0:
            expected = robustness.certified_radius(margins, norm).item()
            assert found["radius"] == pytest.approx(expected, abs=1e-12)
        assert found["radius"] <= found["truth"] + 1e-12
        if found["truth"]:  # the nearest point of the border has two equal logits
            away = (matrix[1] - matrix[0]) / torch.linalg.vector_norm(matrix[1] - matrix[0])
            border = matrix @ (x + found["truth"] * away)
            assert border[0].item() == pytest.approx(border[1].item(), abs=1e-9)
        assert "NaN" not in ask("stretch.sentence", W, [1, 1])


def test_an_entry_moves_by_keys_and_the_smallest_can_be_pruned(open_one):
    page = open_one()
    entries = part(page, "stretch").get_by_role("slider")
    entries.nth(3).focus()
    page.keyboard.press("ArrowRight")
    assert entries.nth(3).get_attribute("aria-valuetext") == "\u22120.98"
    part(page, "stretch").get_by_role("button", name="Prune").click()
    assert entries.nth(3).input_value() == "0"
    assert "at most 1.618" in told(page, "stretch")
    for _ in range(4):
        part(page, "stretch").get_by_role("button", name="Prune").click()
    assert "All logits are 0" in told(page, "stretch")
    part(page, "stretch").get_by_role("button", name="again").click()
    assert "at most 1.416" in told(page, "stretch")


# Ten weights


def test_the_rule_wins_for_just_one_support_of_all(ask):
    """All orders of six values; and of ten, all places of the two largest."""
    orders = [list(order) for order in itertools.permutations(range(1, 7))]
    wins = ask("deals.won", orders[0], 2), sum(ask("deals.won", order, 2) for order in orders)
    assert wins == (False, len(orders) // math.comb(6, 2))
    won = 0
    for places in itertools.permutations(range(10), 2):
        sizes = [0.1 * (i + 1) for i in range(10)]
        sizes[places[0]], sizes[places[1]] = -9, 8
        won += ask("deals.won", sizes, 2)
    assert won == 2 and ask("deals.choose", 10, 2) == 45  # of 90: one in 45


def test_the_kept_are_those_of_top_k_ties_too(ask):
    for values in [*rng.standard_normal((20, 10)), *rng.integers(-2, 3, (20, 10)), np.zeros(10)]:
        expected = top_k(torch.tensor(values).double().abs(), 2).nonzero().flatten().tolist()
        assert sorted(ask("deals.kept", values.tolist(), 2)) == expected


@pytest.mark.parametrize(
    ("wins", "trials"),
    [(0, 1), (1, 1), (0, 135), (7, 135), (3, 135), (135, 135), (1, 2), (22, 1000), (999, 1000),
     (500, 1000), (4_440, 200_000), (22_222, 1_000_000)],
)  # fmt: skip
def test_the_interval_is_the_exact_one(ask, wins, trials):
    for confidence in (0.95, 0.9999):
        expected = chance.Counted(wins, trials).interval(confidence)
        assert ask("deals.interval", wins, trials, confidence) == pytest.approx(expected, abs=1e-9)


def test_many_deals_come_near_one_in_forty_five(open_one):
    page = open_one()
    box = part(page, "deals")
    widths = []
    for _ in range(40):
        box.get_by_role("button", name="Deal 1,000").click()
        ends = box.locator(".sw-live .sw-interval")
        widths.append(
            *ends.evaluate_all(
                "all => all.map(each => each.x2.baseVal.value - each.x1.baseVal.value)"
            )
        )
    deals, wins = (
        int(n.replace(",", "")) for n in re.findall(r"[\d,]+(?= deals|\s+won)", told(page, "deals"))
    )
    assert deals == 40_001
    low, high = chance.Counted(wins, deals).interval(0.9999)
    assert low <= 1 / 45 <= high and high - low < 0.01
    assert widths[-1] < widths[0] / 4
    box.get_by_role("button", name="again").click()
    assert told(page, "deals").startswith("1 deal, 0 won: 0.0%, 95% interval 0.00% to 97.50%")


def test_a_hand_is_of_the_bell_curve(ask):
    values = np.array(ask("deals.hand", 40_000))
    assert abs(values.mean()) < 0.025 and values.std() == pytest.approx(1, abs=0.02)
    assert (np.abs(values) < 1.96).mean() == pytest.approx(0.95, abs=0.01)


# Bytes


def type_matrix(page, m, n, density, value, index):
    box = part(page, "bytes")
    box.get_by_label("a value").select_option(f"{value} bytes")
    box.get_by_label("a column index").select_option(f"{index} bytes")
    for name, typed in (("rows m", m), ("columns n", n), ("density", density)):
        box.locator(f"[data-field='{name}']").fill(str(typed))


def shown_bytes(page):
    text = "all => Object.fromEntries(all.map(each => [each.dataset.say, each.textContent]))"
    found = page.eval_on_selector_all("[data-touch=bytes] .sw-live [data-say]", text)
    return [int(found[name].replace(",", "")) for name in ("dense", "csr", "bitmap")]


def test_bytes_are_those_of_the_arrays_that_the_library_makes(open_one):
    page = open_one()
    drawn = [(int(m), int(n), round(float(d), 3)) for m, n, d in zip(
        rng.integers(1, 60, 25), rng.integers(1, 60, 25), rng.random(25), strict=True)]  # fmt: skip
    odd = [(1, 1, 0), (1, 1, 1), (1, 37, 0.5), (41, 1, 0.5), (3, 3, 0.5), (5, 1, 0.5), (7, 9, 1)]
    for i, (m, n, density) in enumerate(odd + drawn):
        kind, index = (np.float16, np.float32, np.float64)[i % 3], ("uint16", "int32")[i % 2]
        weights = np.random.default_rng(i).standard_normal((m, n)).astype(kind)
        mask = top_k(torch.from_numpy(weights).abs(), round(density * m * n)).numpy()
        made = CSR.from_dense(weights, mask, index=index), Bitmask.from_dense(weights, mask)
        type_matrix(page, m, n, density, weights.itemsize, 2 if index == "uint16" else 4)
        expected = [weights.nbytes, *(each.nbytes for each in made)]
        assert shown_bytes(page) == expected, (m, n, density, kind, index)


def test_below_the_break_even_every_count_saves_and_above_it_none(ask):
    for m, n, value, index in [(1024, 1024, 4, 4), (1024, 1024, 4, 2), (7, 5, 2, 4), (9, 1, 4, 4),
                               (1, 1, 8, 2), (12, 30, 8, 2), (3, 2, 8, 4)]:  # fmt: skip
        given = {"m": m, "n": n, "value": value, "index": index}
        even = ask("bytes.even", given)
        assert even["bare"] == value / (value + index)
        for name, edge in (("csr", even["csr"]), ("bitmap", even["bitmap"])):
            for kept in {*range(min(m * n, 200)), *np.linspace(0, m * n, 50).astype(int).tolist()}:
                counted = ask("bytes.counted", given | {"density": kept / (m * n)})
                assert counted["kept"] == kept
                assert (counted[name] < counted["dense"]) == (kept / (m * n) < edge - 1e-15)


def test_halves_are_rounded_as_python_rounds(ask):
    for x in [0, 0.5, 1.5, 2.5, 3.5, 0.49999999999999994, 4.500001, 1e9 + 0.5, 104857.6]:
        assert ask("bytes.round", x) == round(x)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (("", 4, 0.5), "Type a whole number of rows m"),
        (("seven", 4, 0.5), "Type a whole number of rows m"),
        ((0, 4, 0.5), "from 1 to 1,000,000"),
        ((4, -3, 0.5), "The columns n must be a whole number"),
        ((4, 2.5, 0.5), "The columns n must be a whole number"),
        ((4, "1e99", 0.5), "from 1 to 1,000,000"),
        ((4, 4, ""), "Type a density"),
        ((4, 4, "1.5"), "from 0, nothing, to 1, all"),
        ((4, 4, "-0.1"), "from 0, nothing, to 1, all"),
        ((4, 4, "0,5,5"), "Type a density"),
        ((1_000_000, 1_000_000, 0.5), "Split the matrix"),
    ],
)
def test_what_makes_no_sense_gets_a_sentence(open_one, typed, said):
    page = open_one()
    before = shown_bytes(page)
    type_matrix(page, *typed, 4, 4)
    assert said in told(page, "bytes")
    assert part(page, "bytes").locator("[aria-invalid=true]").count() == 1
    assert "NaN" not in part(page, "bytes").inner_text() and shown_bytes(page)[0] > 0
    type_matrix(page, "1,024", "1024", "10%", 4, 4)
    assert shown_bytes(page) == before
    assert part(page, "bytes").locator("[aria-invalid=true]").count() == 0


def test_two_bytes_do_not_tell_more_than_65536_columns_apart(open_one):
    page = open_one()
    type_matrix(page, 4, 65_536, "0,5", 4, 2)
    assert shown_bytes(page)[1] == 6 * 131_072 + 20
    type_matrix(page, 4, 65_537, 0.5, 4, 2)
    assert "Take 4 bytes" in told(page, "bytes")


def test_the_slider_of_the_density_writes_into_its_field(open_one):
    page = open_one()
    part(page, "bytes").get_by_role("slider").focus()
    page.keyboard.press("ArrowRight")
    assert part(page, "bytes").locator("[data-field=density]").input_value() == "0.101"


# The crowd


def test_the_coin_the_estimate_and_its_spread_are_the_librarys(ask):
    for epsilon in (1e-6, 0.02, 0.5, 1, 2, 6, 30, 700):
        assert ask("crowd.truth", epsilon) == pytest.approx(privacy.truth(epsilon), rel=1e-14)
        for n in (1, 75, 300):
            error = float(privacy.standard_error(n, epsilon))
            assert ask("crowd.spread", n, epsilon) == pytest.approx(error, rel=1e-9, abs=1e-130)
        for said in (0, 0.36, 1):
            expected = float(privacy.debias(said, epsilon))
            assert ask("crowd.estimate", said, epsilon) == pytest.approx(expected, rel=1e-9)


def test_a_person_speaks_true_if_the_draw_is_below_p(ask):
    draws = rng.random(200).tolist()
    for epsilon in (0, 0.5, 3):
        honest = np.array(draws) < 1 / (1 + math.exp(-epsilon))
        yes = np.arange(200) < 40
        told = ask("crowd.answers", draws, 40, epsilon)
        assert [each["honest"] for each in told] == honest.tolist()
        assert [each["said"] for each in told] == np.where(honest, yes, ~yes).tolist()


def test_the_estimate_is_right_on_average_and_its_interval_holds_the_truth(ask):
    hits, found = 0, []
    for _ in range(400):
        told = ask("crowd.answers", rng.random(300).tolist(), 60, 1)
        found.append(ask("crowd.estimate", np.mean([each["said"] for each in told]), 1))
        hits += abs(found[-1] - 0.2) <= 1.96 * ask("crowd.spread", 300, 1)
    assert np.mean(found) == pytest.approx(0.2, abs=5 * privacy.standard_error(300, 1) / 20)
    low, high = chance.Counted(hits, 400).interval(0.9999)
    assert low <= 0.95 <= high


@pytest.mark.parametrize("epsilon", [0, 700, 1e9])
def test_at_the_ends_of_epsilon_a_sentence_is_told_without_nan(ask, epsilon):
    said = ask("crowd.sentence", 0.5, 300, 0.2, epsilon)
    assert "NaN" not in said and "Infinity" not in said
    assert ("No estimate can be had" in said) == (epsilon == 0)


def test_epsilon_is_turned_by_keys_and_another_crowd_is_asked(open_one):
    page = open_one()
    box, first = part(page, "crowd"), told(page, "crowd")
    box.get_by_role("slider").focus()
    page.keyboard.press("Home")
    assert "No estimate can be had" in told(page, "crowd")
    assert box.locator("output").inner_text() == "0.00"
    page.keyboard.press("End")
    assert "\u03b5 = 6.00" in told(page, "crowd")
    box.get_by_role("combobox").select_option("1,200")
    assert "Of 1,200 people" in told(page, "crowd")
    box.get_by_role("button", name="again").click()
    assert told(page, "crowd") == first
    box.get_by_role("button", name="another").click()
    assert told(page, "crowd") != first


# Every part

GEOMETRY = """part => ['.sw-still .sw-board', '.sw-live .sw-board'].map(where => {
  const drawn = [...part.querySelectorAll(`${where} :is(svg *:not(rect), td, b)`)];
  const apart = (text) => text.replace(/[A-Za-z]/g, ' $& '); // M1 2L3 4 has numbers to read
  const attributes = (each) => [...each.attributes].map(a => `${a.name} ${apart(a.value)}`).sort();
  const words = (each) => (each.children.length ? '' : each.textContent);
  return drawn.map(each => [each.tagName, ...attributes(each), words(each)].join(' '));
})"""


def numbers(text):
    return [
        round(float(each), 1) + 0 for each in re.findall(r"-?(?:\d+\.?\d*|\.\d+)(?:e-\d+)?", text)
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_script_draws_first_is_the_still_picture(open_one, kind):
    """The same shapes at the same places, computed twice: in Python, and by the script."""
    still, live = part(open_one(), kind).evaluate(GEOMETRY)
    assert len(still) == len(live) or kind == "five"  # whose pixels a script adds
    for a, b in zip(still, live, strict=False):
        assert numbers(a) == pytest.approx(numbers(b), abs=0.11), (a, b)


def moved(page):
    """Move every part away from its start."""
    part(page, "five").get_by_role("button", name="position").nth(1).click()
    for kind in ("ball", "stretch", "bytes", "crowd"):
        part(page, kind).get_by_role("slider").first.press("ArrowRight")
    part(page, "deals").get_by_role("button", name="Deal once").click()


@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing_before_and_after_a_movement(open_one, name):
    page = open_one(name, color_scheme=PAGES[name][2])
    for _ in range(2):
        found = Axe().run(page).response["violations"]
        assert [(each["id"], [n["html"][:120] for n in each["nodes"]]) for each in found] == []
        moved(page)


@pytest.mark.parametrize("width", [320, 390, 800])
def test_nothing_is_wider_than_the_window(open_one, width):
    page = open_one(width=width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    right = "all => Math.max(...all.map(each => each.getBoundingClientRect().right))"
    assert page.eval_on_selector_all(".sw-live :not(svg *)", right) <= width


def test_on_a_phone_a_finger_finds_every_control(open_one):
    page = open_one(width=390)
    boxes = page.eval_on_selector_all(
        ".sw-live :is(button, select, input, [role=slider])",
        "all => all.map(each => each.getBoundingClientRect())"
        ".map(box => Math.min(box.width, box.height))",
    )
    assert len(boxes) > 80 and min(boxes) >= 24


def test_printed_a_part_shows_its_start(open_one):
    page = open_one("book by night")
    moved(page)
    before = part(page, "ball").locator(".sw-still .sw-ink").get_attribute("cx")
    page.emulate_media(media="print")
    for kind in KINDS:
        assert part(page, kind).locator(".sw-still").is_visible()
        assert not part(page, kind).locator(".sw-live").is_visible()
        assert not part(page, kind).locator(".sw-need").is_visible()
    assert before == "3.0"


def test_without_a_script_there_is_a_picture_and_a_sentence(open_one):
    page = open_one(java_script_enabled=False)
    for kind in KINDS:
        box = part(page, kind)
        assert box.get_by_role("img").first.is_visible()
        assert "This is a still picture" in box.inner_text()
        assert not box.locator("button, input, select").first.is_visible()


def test_nothing_moves_by_itself(open_one):
    page = open_one(reduced_motion="no-preference")
    moved(page)
    assert page.evaluate("document.getAnimations().length") == 0


def test_in_jupyterlab_the_keys_are_the_components_own(open_one):
    page = open_one()
    focusable = page.locator(".sw-live :is(button, input, select, [tabindex])")
    marked = page.locator(
        ".sw-live :is(button, input, select, [tabindex])[data-lm-suppress-shortcuts]"
    )
    assert focusable.count() > 80 and marked.count() == focusable.count()


def test_said_twice_a_part_still_begins_once(open_one):
    """JupyterLab runs the scripts of an output again when it is shown again."""
    page = open_one()
    page.evaluate("document.querySelectorAll('script').forEach(each => eval(each.textContent))")
    assert part(page, "ball").locator(".sw-board").count() == 2  # still and live
