"""Parts to touch: a reader moves the thing itself. Closed forms in plain script, with no kernel.

Each shows its starting state as a still picture, on paper and where no script runs. What a script
computes is the mathematics of a chapter; tests hold it to the library's own.
"""

import math
from collections.abc import Sequence
from typing import Any

from course_lib.teaching.page import Html, asset, render

# Chapter 01's measures of loss: 2/p of a p-norm, or the matrix H (11, 12, 22) of a quadratic loss.
MEASURES: list[dict[str, Any]] = [
    {"name": "p = 1/2", "power": 4},
    {"name": "p = 1", "power": 2},
    {"name": "p = 2", "power": 1},
    {"name": "p = inf", "power": 0},
    {"name": "squeezed, a = 4", "H": [1, 0, 4]},
    {"name": "tilted", "H": [1, 0.8, 1.6]},
]
ROUND = 2  # of MEASURES: the ball to begin with
NORMAL = 1.96  # standard deviations to either side hold 95%


def five(coefficients: Sequence[float], *, k: int = 5, caption: str = "") -> Html:
    """Let the reader choose k cosine coefficients of a picture; it is rebuilt from them.

    Args:
        coefficients: of a square picture's orthonormal cosine transform, row after row.
        k: how many may be chosen.
        caption: the part's one message.

    Raises:
        ValueError: no square picture, numbers that are not finite, or k out of range.

    Examples:
        >>> five([3.0, 0.0, -1.0, 0.5], k=2).text
        'Choose 2 of 4 numbers.'
    """
    numbers, side = [float(each) for each in coefficients], math.isqrt(len(coefficients))
    if side**2 != len(numbers) or not all(map(math.isfinite, numbers)):
        raise ValueError(
            f"given {len(numbers)} coefficients: expected those of a square picture, all finite."
        )
    if not 1 <= k <= len(numbers):
        raise ValueError(f"k: given {k}, expected from 1 to {len(numbers)}, the coefficients.")
    numbers, peak = [round(each, 6) for each in numbers], max(map(abs, numbers)) or 1
    alt = f"{len(numbers)} bars between {min(numbers):.1f} and {max(numbers):.1f}, none chosen."
    return _part(
        "five", f"Choose {k} of {len(numbers)} numbers.", caption, doing="choosing",
        given={"numbers": numbers, "k": k}, alt=alt, side=side,
        heights=[each / peak for each in numbers],
    )  # fmt: skip


def ball(w: tuple[float, float] = (3.0, 2.0), *, caption: str = "") -> Html:
    """Let the reader drag w; a ball about it follows, as large as it takes to touch an axis.

    Args:
        w: where it begins, entries at most (4, 3) in size.
        caption: the part's one message.

    Raises:
        ValueError: w lies outside the picture.

    Examples:
        >>> ball((1.0, -2.0)).text
        'The ball of p = 2 around (1.0, -2.0) touches an axis at (0.0, -2.0).'
    """
    (x, y), reach = w, min(map(abs, w))
    if not (abs(x) <= 4 and abs(y) <= 3):
        raise ValueError(f"w: given {w}, expected entries of at most 4 and 3 in size.")
    left = [(x, 0.0), (0.0, y)]
    nearest = left[abs(x) < abs(y)]
    other = left[abs(x) >= abs(y)] if abs(x) == abs(y) else nearest
    turns = [math.pi * i / 48 for i in range(96)]
    around = [(x + reach * math.cos(t), y + reach * math.sin(t)) for t in turns]
    alt = f"The ball of p = 2 around ({x}, {y}) touches an axis at {nearest}."
    return _part(
        "ball", alt, caption, doing="dragging the point", given={"w": w, "measures": MEASURES},
        alt=alt, chosen=ROUND, touching=[nearest, other],
        outline="M" + "L".join(f"{a:.3f} {b:.3f}" for a, b in around) + "Z",
    )  # fmt: skip


def stretch(
    W: Sequence[Sequence[float]] = ((1.0, 1.0), (1.0, -0.99)),
    x: tuple[float, float] = (1.0, 1.0),
    *,
    caption: str = "",
) -> Html:
    """Let the reader move the entries of a 2 by 2 matrix; ellipse and certified radius follow.

    The logits of an input x are W x, and x is of the first class.

    Args:
        W: to begin with, entries at most 1.5 in size.
        x: the input.
        caption: the part's one message.

    Raises:
        ValueError: W is no such matrix, or does not give x the first class.

    Examples:
        >>> stretch().text
        'W stretches up to 1.416; proved radius at x = (1.0, 1.0): 0.994, true 1.000.'
    """
    rows = [[float(each) for each in row] for row in W]
    if [len(row) for row in rows] != [2, 2] or not all(abs(e) <= 1.5 for row in rows for e in row):
        raise ValueError(f"W: given {W}, expected two rows of two entries, at most 1.5 in size.")
    (a, b), (c, d) = rows
    margin = (a - c) * x[0] + (b - d) * x[1]
    if margin <= 0:
        raise ValueError(f"W: given {W}, which does not give x = {x} the first class.")
    turning, mirroring = complex(a + d, c - b) / 2, complex(a - d, c + b) / 2
    norm = abs(turning) + abs(mirroring)
    angle = (
        math.atan2(turning.imag, turning.real) + math.atan2(mirroring.imag, mirroring.real)
    ) / 2
    truth, radius = margin / math.hypot(a - c, b - d), margin / (math.sqrt(2) * norm)
    alt = f"W stretches up to {norm:.3f}; proved radius at x = {x}: {radius:.3f}, true {truth:.3f}."
    return _part(
        "stretch", alt, caption, doing="moving an entry", given={"W": [a, b, c, d], "x": x},
        alt=f"The unit circle becomes an ellipse that reaches {norm:.3f} from the middle.",
        beside=f"About x a bubble of {radius:.3f} is proved safe; the border is {truth:.3f} away.",
        norm=f"{norm:.3f}", least=f"{abs(abs(turning) - abs(mirroring)):.3f}",
        turn=f"{math.degrees(angle):.2f}", radius=f"{radius:.3f}", truth=f"{truth:.3f}",
        far=[f"{norm * f(angle):.3f}" for f in (math.cos, math.sin)],
        border=[9 * e / math.hypot(a - c, b - d) for e in (d - b, a - c)],
    )  # fmt: skip


def deals(values: Sequence[float], *, s: int = 2, caption: str = "") -> Html:
    """Let the reader deal weights and count how often the s largest are the s true ones.

    Args:
        values: a first deal, shown and counted; its first s weights are the true ones.
        s: how many are true.
        caption: the part's one message.

    Raises:
        ValueError: s is not from 1 to the number of weights, or a value is not finite.

    Examples:
        >>> deals([0.5, -2.0, 1.0, 0.1]).text
        'A deal of 4 weights: the 2 largest are numbers 2, 3; true are the first 2. Odds 1 in 6.'
    """
    values = [round(float(each), 3) for each in values]
    N = len(values)
    if not 1 <= s <= N or not all(map(math.isfinite, values)):
        raise ValueError(f"given {N} values and s={s}: expected finite ones, and s from 1 to {N}.")
    kept = sorted(range(N), key=lambda i: (-abs(values[i]), i))[:s]
    odds, won = math.comb(N, s), set(kept) == set(range(s))
    # Of one deal the exact interval is known without a search: 0.025 or 0.975 is its other end.
    low, high = (0.025, 1.0) if won else (0.0, 0.975)

    def across(share: float) -> str:
        return f"{20 + 520 * math.sqrt(share):.1f}"

    shown = ", ".join(str(i + 1) for i in sorted(kept))
    text = f"the {s} largest are numbers {shown}; true are the first {s}. Odds 1 in {odds}."
    alt = f"A deal of {N} weights: {text}"
    return _part(
        "deals", alt, caption, doing="dealing", given={"values": values, "s": s}, alt=alt,
        kept=kept, odds=odds, exact=across(1 / odds), dot=across(won), step=532 / N,
        ends=[across(low), across(high)],
        heights=[f"{70 - 20 * min(max(each, -3), 3):.1f}" for each in values],
        ticks=[(across(share), f"{share:.0%}") for share in (0, 0.1, 0.3, 0.6, 1)],
    )  # fmt: skip


def bytes_of(
    m: int = 1024, n: int = 1024, density: float = 0.1, *,
    value: int = 4, index: int = 4, caption: str = "",
) -> Html:  # fmt: skip
    """Let the reader type a pruned matrix; its bytes are counted, and where storing it pays.

    Args:
        m: rows.
        n: columns.
        density: share of weights kept.
        value: bytes of a weight: 2, 4 or 8.
        index: bytes of a column's index: 2 or 4.
        caption: the part's one message.

    Raises:
        ValueError: a matrix or a size that cannot be.

    Examples:
        >>> bytes_of().text
        'Density 0.1 of 1024 x 1024: dense 4,194,304, compressed rows 842,964 bytes.'
    """
    if not (1 <= m <= 10**6 and 1 <= n <= 10**6 and 0 <= density <= 1):
        raise ValueError(
            f"given {m} x {n}, density {density}: expected 1 to 1,000,000, and 0 to 1."
        )
    if value not in (2, 4, 8) or index not in (2, 4) or (index == 2 and n > 65536):
        raise ValueError(
            f"given value={value}, index={index} for {n} columns: expected 2, 4 or 8 bytes, and 4, "
            "or 2 for at most 65,536 columns."
        )
    dense, bits, pointers = value * m * n, -(-m * n // 8), 4 * (m + 1)
    each = {"dense": 0, "csr": value + index, "bitmap": value}  # bytes of a kept weight
    fixed = {"dense": dense, "csr": pointers, "bitmap": bits}
    looks = {
        "dense": ("dense", "muted", "sw-axis"), "csr": ("compressed rows", "1", "sw-blue"),
        "bitmap": ("bit for each weight", "3", "sw-green"),
    }  # fmt: skip
    rows: list[dict[str, Any]] = []
    for name, (label, colour, look) in looks.items():
        total, full = (fixed[name] + each[name] * kept for kept in (round(density * m * n), m * n))
        pays = max((dense - fixed[name]) / (each[name] * m * n), 0) if each[name] else None
        rows.append({
            "name": name, "label": label, "colour": colour, "look": look, "bytes": f"{total:,}",
            "share": f"{total / dense:.1%}",
            "ends": [f"{225 - 80 * end / dense:.1f}" for end in (fixed[name], full)],
            "even": None if pays is None else f"{45 + 490 * pays:.1f}",
        })  # fmt: skip
    counted = f"dense {dense:,}, compressed rows {rows[1]['bytes']} bytes."
    alt = f"Density {density:g} of {m} x {n}: {counted}"
    return _part(
        "bytes", alt, caption, doing="typing another matrix", given={}, alt=alt, rows=rows,
        here=45 + 490 * density, m=m, n=n, density=density, value=value, index=index,
    )  # fmt: skip


def crowd(
    draws: Sequence[float], *, share: float = 0.2, epsilon: float = 1.0, caption: str = ""
) -> Html:
    """Let the reader turn epsilon while a crowd answers with Warner's coin.

    Args:
        draws: one number from 0 to 1 for each person: below p they say what is so.
        share: of people whose true answer is yes.
        epsilon: to begin with, at most 6.
        caption: the part's one message.

    Raises:
        ValueError: nobody, or a number out of range.

    Examples:
        >>> crowd([0.1, 0.9, 0.2, 0.3], share=0.5).text
        'At epsilon 1, 1 of 4 people say yes. The coin turned 1 answers round; 2 have a yes.'
    """
    draws, n = [round(float(each), 3) for each in draws], len(draws)
    if not n or not all(0 <= each <= 1 for each in (*draws, share)) or not 0 < epsilon <= 6:
        raise ValueError(
            f"given {n} people, share={share}, epsilon={epsilon}: expected at least one, numbers "
            "from 0 to 1, and an epsilon above 0 and at most 6."
        )
    p, yes = 1 / (1 + math.exp(-epsilon)), math.floor(share * n + 0.5)
    people = [((i < yes) == (draw < p), draw < p) for i, draw in enumerate(draws)]
    said = sum(answer for answer, _ in people)
    estimate = (said / n - 0.5) / math.tanh(epsilon / 2) + 0.5
    room = NORMAL / (2 * math.sinh(epsilon / 2) * math.sqrt(n))
    columns = math.ceil(math.sqrt(2.8 * n))
    wide = 560 / columns

    def across(share: float) -> str:
        return f"{560 * (min(max(share, -0.4), 1.4) + 0.4) / 1.8:.1f}"

    def dotted(kind: tuple[bool, bool]) -> str:
        places = [divmod(i, columns) for i, each in enumerate(people) if each == kind]
        return "".join(f"M{(x + 0.5) * wide:.1f} {(y + 0.5) * wide:.1f}h0" for y, x in places)

    dots = [
        ("ny"[answer] + "ny"[honest], "1" if honest else "2", dotted((answer, honest)),
         f"{wide * (0.75 if answer else 0.3):.2f}")
        for answer in (True, False) for honest in (True, False)
    ]  # fmt: skip
    turned = sum(not honest for _, honest in people)
    alt = (
        f"At epsilon {epsilon:g}, {said} of {n} people say yes. The coin turned {turned} answers "
        f"round; {yes} have a yes."
    )
    return _part(
        "crowd", alt, caption, doing="turning epsilon", given={"draws": draws, "q": share}, alt=alt,
        dots=dots, mark=across(yes / n), ends=[across(estimate - room), across(estimate + room)],
        dot=across(estimate), epsilon=epsilon, crowds=sorted({max(n // 4, 1), n, 4 * n}),
    )  # fmt: skip


def _part(kind: str, text: str, caption: str, **given: Any) -> Html:
    """Return a part: its style, its page and its two scripts, the shared one first."""
    body = render(f"touch_{kind}.html", kind=kind, caption=caption, **given)
    style = asset("frame.css") + asset("touch.css")
    return Html(style + body + asset("touch.js") + asset(f"touch_{kind}.js"), text)
