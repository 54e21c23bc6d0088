"""The checks of assignment 07. Secret: `course release` hands out the visible ones only.

All inputs are whole numbers but for chances and leaks, which keep well apart what the mistakes
would give.
"""

from itertools import product

import numpy as np

from course_lib.grading import Check, Task


def labels(rng, counts):
    """Labels in random order: class c as often as counts[c] says."""
    return rng.permutation(np.repeat(np.arange(len(counts)), counts))


def common(rng):
    """One class leads in training, another in the test; none is missing."""
    found = []
    for classes in (2, 3, 5):
        lead, other = rng.permutation(classes)[:2]
        train, test = rng.integers(1, 3, (2, classes))
        train[lead], test[other] = 4, 4 + int(rng.integers(0, 3))
        found.append((labels(rng, train), labels(rng, test)))
    return found


def ties(rng):
    """Three classes lead in training together; the lowest comes neither first nor last."""
    found = []
    for classes in (3, 5, 6):
        low, middle, high = sorted(rng.permutation(classes)[:3])
        train = np.ones(classes, dtype=int)
        train[[low, middle, high]] = 3, 2, 2
        y = np.concatenate([[middle], labels(rng, train), [high]])
        test = np.ones(classes, dtype=int)
        test[low], test[middle], test[high] = 2, 3, 4
        found.append((y, labels(rng, test)))
    return found


def gaps(rng):
    """Classes that do not start at 0 and leave numbers out."""
    found = []
    for y_train, y_test in common(rng):
        names = np.sort(rng.permutation(np.arange(3, 20))[:5])
        found.append((names[y_train], names[y_test]))
    return found


CONSTANT_ACCURACY = Task(
    "constant_accuracy",
    [
        Check("common", "names the commonest training class, in the test", 2, common, visible=True),
        Check("ties", "names the lowest of classes that are equally common", 1, ties),
        Check("gaps", "works where class numbers are left out", 1, gaps),
    ],
)


def chances(rng, classes):
    """Unequal chances in hundredths."""
    while True:
        parts = rng.integers(5, 60, classes)
        parts[0] = 100 - parts[1:].sum()
        if parts[0] >= 5 and np.ptp(parts) >= 15:
            return rng.permutation(parts) / 100


def memories(sizes, leaks):
    """Calls of memoriser_accuracy."""

    def cases(rng):
        return [(chances(rng, size), float(rng.choice(leaks))) for size in sizes for _ in range(2)]

    return cases


MEMORISER_ACCURACY = Task(
    "memoriser_accuracy",
    [
        Check("two", "knows two classes, no leak", 1.5, memories([2], [0.0]), visible=True),
        Check("many", "knows any number of classes", 1, memories([3, 4, 5], [0.0])),
        Check(
            "leak",
            "what leaked is right by heart, the rest as before",
            1.5,
            memories([2, 3, 4], [0.1, 0.2, 0.25, 0.4]),
        ),
    ],
)


def different(rng, count, columns):
    """Different rows in random order."""
    found = rng.permutation(np.array(list(product(range(6), repeat=columns))))
    return found[:count]


def planted(rng):
    """Some test rows are training rows from other places; all others are unlike in all columns."""
    found = []
    for columns, train, test in ((2, 5, 4), (3, 4, 7), (4, 6, 3)):
        X_train = different(rng, train, columns)
        X_test = different(rng, test, columns) + 10
        leaked = rng.choice(test, 2, replace=False)
        rows = rng.permutation([i for i in range(train) if i not in leaked])[:2]
        X_test[leaked] = X_train[rows]
        found.append((X_train, X_test))
    return found


def nearly(rng):
    """Test rows that have the numbers of a training row in another order, or all but one.

    The first has its digits: as text, 1 and 12 are like 11 and 2.
    """
    a, b, c, d = (int(i) for i in rng.permutation(np.arange(1, 10))[:4])
    digits = np.array([[a, 10 * b + c], [d, 10 * d + b]])
    found = [(digits, np.array([[10 * a + b, c], [d, 10 * d + b]]))]
    for columns in (2, 3, 4):
        X_train = np.stack([np.arange(columns) + 10 * i for i in range(4)])
        turned = np.roll(X_train[rng.integers(0, 4)], 1)
        altered = X_train[rng.integers(0, 4)].copy()
        altered[rng.integers(0, columns)] += 5
        copied = X_train[rng.integers(1, 4)]
        found.append((X_train, np.stack([copied, *rng.permutation([turned, altered])])))
    return found


def twins(rng):
    """Rows twice within the test, in the training or not; rows twice within the training."""
    found = []
    for columns in (1, 2, 3):
        rows = different(rng, 6, columns)
        X_test = rows[rng.permutation([0, 0, 1, 1, 2])]
        X_train = rows[rng.permutation([3, 2, 3, 4, 5, 1])]
        found.append((X_train, X_test))
    return found


FIND_LEAK = Task(
    "find_leak",
    [
        Check("planted", "finds training rows wherever they stand", 2, planted, visible=True),
        Check("nearly", "is not deceived by rows that are nearly equal", 1.5, nearly),
        Check("twins", "takes no row for leaked that is only twice in the test", 1.5, twins),
    ],
)


def splits(order, sizes=((5, 2), (7, 3), (9, 2))):
    """Calls of honest_split; order says, from a generator, which different row stands where."""

    def cases(rng):
        found = []
        for (count, every), columns in zip(sizes, (2, 3, 4), strict=True):
            rows = different(rng, count, columns)
            found.append((rows[order(rng, count)], every))
        return found

    return cases


def side_by_side(rng, count):
    """Each row once, twice or three times, copies next to each other; the first one twice."""
    times = rng.integers(1, 4, count)
    times[0] = 2
    return np.repeat(np.arange(count), times)


def scattered(rng, count):
    """Every row twice, far from each other."""
    return np.concatenate([np.arange(count), rng.permutation(count)])


HONEST_SPLIT = Task(
    "honest_split",
    [
        Check(
            "different",
            "numbers different rows in the order of appearance",
            1.5,
            splits(lambda rng, count: np.arange(count)),
            visible=True,
        ),
        Check("copies", "keeps copies together", 1, splits(side_by_side)),
        Check("scattered", "keeps copies together where they stand apart", 1.5, splits(scattered)),
    ],
)


def worlds(sizes, *, shuffled=False, listed=None):
    """Calls of average_accuracy, with all targets or so many of them; if shuffled, some twice."""

    def cases(rng):
        found = []
        for n, m in sizes:
            every = np.array(list(product((0, 1), repeat=n)))
            seen = np.sort(rng.choice(n, m, replace=False))
            if shuffled:
                seen = seen[::-1]
            answers = rng.integers(0, 2, (2**m, n - m))
            targets = rng.choice(every, listed, replace=shuffled) if listed else every
            found.append((targets, seen.tolist(), answers))
        return found

    return cases


def all_and_few(rng):
    """All targets, for which no table can be better than another; and a few, for which it can."""
    return worlds([(3, 2), (4, 2)])(rng) + worlds([(4, 3), (5, 2)], listed=7)(rng)


AVERAGE_ACCURACY = Task(
    "average_accuracy",
    [
        Check(
            "one",
            "is right for one target, one point shown",
            1.5,
            worlds([(3, 1), (4, 1), (5, 1), (6, 1)], listed=1),
            visible=True,
        ),
        Check("worlds", "averages over all targets, and over lists of targets", 2, all_and_few),
        Check(
            "order",
            "reads the shown classes in the order of seen",
            1.5,
            worlds([(4, 2), (5, 3), (6, 3)], shuffled=True, listed=9),
        ),
    ],
)

TASKS = [CONSTANT_ACCURACY, MEMORISER_ACCURACY, FIND_LEAK, HONEST_SPLIT, AVERAGE_ACCURACY]
