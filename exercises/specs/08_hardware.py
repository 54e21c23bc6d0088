"""The checks of assignment 08. Secret: `course release` hands out the visible ones only.

Numbers in matrices are small and whole, so sums are exact in any order and in float32 too. Where a
check is not about empty rows there are none, and all are positive but where entries are asked for.
"""

import numpy as np

from course_lib.grading import Check, Task, attr, call, module, name


def matrix(rng, rows, columns, kept, *, signed=False):
    """A matrix of small whole numbers with `kept` or a few more entries in every row."""
    w = np.zeros((rows, columns))
    for row in w:
        places = rng.choice(columns, min(kept + int(rng.integers(0, 2)), columns), replace=False)
        row[places] = rng.integers(1, 9, len(places))
    if signed:
        w *= rng.choice([-1.0, 1.0], w.shape)
    return w


def with_empty_rows(rng):
    """Empty rows in the middle, and at one end or the other."""
    found = []
    for rows, empty in ((4, [1]), (5, [0, 2]), (5, [2, 4]), (6, [1, 2, 5])):
        w = matrix(rng, rows, 6, 2)
        w[empty] = 0
        found.append(w)
    return found


def compressed(w):
    """(values, columns, pointers) of a matrix."""
    rows, columns = np.nonzero(w)
    pointers = np.concatenate([[0], np.cumsum((w != 0).sum(1))])
    return w[rows, columns], columns, pointers


# --- to_csr


def part(number, matrices):
    """The calls that ask for one of the three arrays."""
    take = attr(module("operator"), "getitem")
    return [call(take, call(name("to_csr"), w), number) for w in matrices]


def full_rows(rng, *, signed=False):
    return [matrix(rng, *size, 2, signed=signed) for size in ((2, 3), (3, 4), (4, 4), (5, 9))]


TINY = np.array([[0.0, 1e-9, 2.0], [-1e-12, 0.0, 3.0]])

TO_CSR = Task(
    "to_csr",
    [
        Check(
            "values",
            "the first array holds the entries that are not zero, row by row",
            1.5,
            lambda rng: part(0, full_rows(rng, signed=True)),
            visible=True,
        ),
        Check(
            "columns",
            "the second holds the column of each of them",
            1.5,
            lambda rng: part(1, full_rows(rng)),
            visible=True,
        ),
        Check(
            "pointers",
            "the third says where each row begins, and ends with the number of entries",
            1.5,
            lambda rng: part(2, full_rows(rng)),
            visible=True,
        ),
        Check(
            "empty_rows",
            "an empty row has a pointer like every other row",
            0.5,
            lambda rng: part(2, with_empty_rows(rng)),
        ),
        Check(
            "nothing",
            "a matrix of zeros has pointers too",
            0.5,
            lambda rng: part(2, [np.zeros((rows, 3)) for rows in (1, 2, 4)]),
        ),
        Check(
            "signs",
            "negative entries are entries, and tiny ones",
            0.5,
            lambda rng: part(0, [TINY, *(matrix(rng, r, 5, 3, signed=True) for r in (2, 3, 4))]),
        ),
    ],
)

# --- most_kept


def with_bits(value, index, exact):
    """Sizes for which the limit is reached exactly by a whole number, or by none."""

    def cases(rng):
        found = []
        while len(found) < 5:
            rows, columns = int(rng.integers(8, 40)), int(rng.integers(8, 40))
            room = rows * columns * value - 32 * (rows + 1)
            if (room % (value + index) == 0) == exact:
                found.append((rows, columns, value, index))
        return found

    return cases


MOST_KEPT = Task(
    "most_kept",
    [
        Check(
            "float32",
            "counts values, columns of two widths and pointers, where some bits are left over",
            2,
            # With columns of 32 bits a pointer more or less is lost in the rounding, always.
            lambda rng: [*with_bits(32, 32, False)(rng), *with_bits(32, 16, False)(rng)],
            visible=True,
        ),
        Check(
            "other",
            "counts values and columns of other widths, which may differ from each other",
            2,
            lambda rng: [*with_bits(16, 32, False)(rng), *with_bits(64, 16, False)(rng)],
        ),
        Check("smaller", "smaller means smaller, not equal", 1, with_bits(32, 32, True)),
    ],
)

# --- spmm


def product(*shapes):
    """Calls of spmm with matrices that have no empty row."""

    def cases(rng):
        return [
            (*compressed(matrix(rng, rows, columns, 2)), inputs(rng, columns, batch))
            for rows, columns, batch in shapes
        ]

    return cases


def inputs(rng, columns, batch):
    return rng.integers(-9, 10, (columns, batch)).astype(float)


SPMM = Task(
    "spmm",
    [
        Check(
            "product",
            "multiplies square matrices",
            2,
            product((3, 3, 2), (4, 4, 3), (5, 5, 5)),
            visible=True,
        ),
        Check(
            "shapes",
            "multiplies wide and tall matrices, one example and many",
            2,
            product((2, 5, 1), (6, 3, 2), (1, 4, 3), (7, 9, 20)),
        ),
        Check(
            "empty_rows",
            "an empty row gives a row of zeros",
            1,
            lambda rng: [(*compressed(w), inputs(rng, 6, 3)) for w in with_empty_rows(rng)],
        ),
        Check(
            "nothing",
            "a matrix of zeros gives zeros",
            0.5,
            lambda rng: [
                (*compressed(np.zeros((rows, 3))), inputs(rng, 3, 2)) for rows in (1, 2, 4)
            ],
        ),
        Check(
            "unchanged",
            "is right, and leaves its inputs as they were",
            0.5,
            product((4, 4, 3), (5, 6, 1)),
            unchanged=True,
        ),
    ],
)

# --- least_seconds


def layers(peak, bandwidth, *, low=200, high=2000):
    """Layers with so many billion operations and bytes a second, one of which is far too small.

    low, high: for their rows and columns. In small ones a single pointer counts.
    """

    def cases(rng):
        found = []
        for _ in range(4):
            rows, columns = (int(n) for n in rng.integers(low, high, 2))
            kept = int(rows * columns * rng.uniform(0.05, 0.3))
            scale = rng.uniform(1, 2)
            batch = int(rng.integers(low // 10, high // 10))
            found.append((rows, columns, batch, kept, peak * scale, bandwidth * scale))
        return found

    return cases


# The times are shorter than the usual absolute tolerance: only the relative one counts.
LEAST_SECONDS = Task(
    "least_seconds",
    [
        Check(
            "compute",
            "where arithmetic is slow, counts the operations that are done",
            2.5,
            layers(2, 20),
            visible=True,
            atol=0,
        ),
        Check(
            "memory",
            "where memory is slow, counts every byte once",
            2.5,
            lambda rng: [*layers(1e4, 3)(rng)[:2], *layers(1e4, 3, low=10, high=40)(rng)[:2]],
            visible=True,
            atol=0,
        ),
    ],
)

# --- pays_below


def race(rng, where):
    """Densities, times of the sparse product that grow with them, and a dense time."""
    count = int(rng.integers(3, 7))
    densities = np.sort(rng.choice(np.arange(1, 20), count, replace=False)) / 20
    times = np.cumsum(rng.integers(2, 9, count)).astype(float)
    j = int(rng.integers(0, count - 1))
    step = times[j + 1] - times[j]
    dense = {
        "between": times[j] + step * rng.uniform(0.2, 0.4),
        "never": times[0] * rng.uniform(0.3, 0.9),
        "always": times[-1] + 1,
        "equal": times[j],
        "just": times[0],
    }[where]
    if where == "equal" and j:
        times[j - 1] = times[j]
    return densities.tolist(), times.tolist(), float(dense)


def races(where):
    return lambda rng: [race(rng, where) for _ in range(5)]


PAYS_BELOW = Task(
    "pays_below",
    [
        Check(
            "between",
            "draws the straight line between two measured densities",
            2,
            races("between"),
            visible=True,
        ),
        Check(
            "never",
            "gives 0 where sparse never pays, and only there",
            0.5,
            lambda rng: [*races("never")(rng), race(rng, "just")],
        ),
        Check("always", "gives the last density where sparse always pays", 0.5, races("always")),
        Check("equal", "equal times still pay, and the largest density counts", 1, races("equal")),
    ],
)

TASKS = [TO_CSR, MOST_KEPT, SPMM, LEAST_SECONDS, PAYS_BELOW]
