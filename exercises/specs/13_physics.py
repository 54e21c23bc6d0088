"""The checks of assignment 13. Secret: `course release` hands out the visible ones only.

Shares stay far from the bars of SoftDrop, and weights are whole numbers, so rounding decides
nothing.
"""

import numpy as np

from course_lib.grading import Check, Task, attr, call, helper, module, name

# --- distances


def places(*sizes, y=1.0, around=False):
    """Particles near to each other, or on both sides of the cut at phi = pi."""

    def cases(rng):
        found = []
        for n in sizes:
            phi = rng.uniform(-1.2, 1.2, n)
            if around:
                side = np.where(np.arange(n) % 2 == 0, 1, -1)
                phi = side * rng.uniform(2.2, 3.1, n)
            found.append((rng.uniform(-y, y, n).round(2), phi.round(2)))
        return found

    return cases


def line(rng):
    """Far apart in rapidity: more than once around, if it were an angle."""
    return [
        (np.array([-a, b, 0.5]).round(2), rng.uniform(-1, 1, 3).round(2))
        for a, b in rng.uniform(2.6, 5, (3, 2))
    ]


DISTANCES = Task(
    "distances",
    [
        Check("near", "measures pairs that are near", 1, places(2, 3, 5), visible=True),
        Check("around", "takes the short way round", 1.5, places(2, 3, 4, around=True)),
        Check("line", "leaves rapidities on their line", 0.5, line),
        Check("sizes", "works for one particle and for many", 0.5, places(1, 12)),
        Check(
            "unchanged",
            "is right, and leaves its inputs as they were",
            0.5,
            places(3, 4),
            unchanged=True,
        ),
    ],
)


# --- jet_mass


def four_vectors(rng, n, heavy=True):
    """Particles of any direction, with a mass of their own or without."""
    p = rng.uniform(1, 9, (n, 3)) * rng.choice([-1, 1], (n, 3))
    m = rng.uniform(1, 5, n) * heavy
    return np.column_stack([p, np.sqrt((p**2).sum(axis=1) + m**2)])


def sprays(*sizes, heavy=True):
    return lambda rng: [(four_vectors(rng, n, heavy),) for n in sizes]


def together(rng):
    """Massless particles that fly together, for which rounding gives less than zero; others."""
    found = []
    while len(found) < 3:
        p = four_vectors(rng, 1, heavy=False)
        both = np.concatenate([p * z for z in rng.uniform(0.1, 3, 3)])
        total = both.sum(axis=0)
        if total[3] ** 2 - total[0] ** 2 - total[1] ** 2 - total[2] ** 2 < 0:
            found.append((both,))
    return [*found, (four_vectors(rng, 3),)]


JET_MASS = Task(
    "jet_mass",
    [
        Check("two", "weighs two particles that weigh nothing", 1.5, sprays(2, 2, heavy=False),
              visible=True),
        Check("many", "weighs many particles with masses of their own", 1.5, sprays(3, 5, 8)),
        Check("one", "weighs a single particle", 0.5, sprays(1, 1)),
        Check("light", "returns 0 where rounding gives less than 0", 0.5, together, atol=1e-4),
    ],
)  # fmt: skip


# --- soft_drop


def node(rng, left, right, own=0.999):
    """Join two trees, on sides chosen by chance; own: the node's pT over the sum of theirs."""
    a, b = (left, right) if rng.random() < 0.5 else (right, left)
    total = a[0] + b[0]
    y, phi = ((a[0] * a[i] + b[0] * b[i]) / total for i in (1, 2))
    return (round(own * total, 3), round(y, 3), round(phi, 3), a, b)


def pair(rng, pt, z, distance, phi=0.0, own=0.999):
    """Two particles with a share z, a distance apart along the beam."""
    y = round(float(rng.uniform(-1, 1)), 3)
    soft = (round(z * pt, 3), y + distance, phi)
    return node(rng, soft, (round((1 - z) * pt, 3), y, phi), own)


def stray(rng, tree, z, distance, own=0.999):
    """Add a particle with a share z, a distance from a tree."""
    soft = (round(z / (1 - z) * tree[0], 3), tree[1] + distance, tree[2])
    return node(rng, soft, tree, own)


def fair(rng, pt=None):
    return pair(rng, pt or float(rng.uniform(80, 200)), rng.uniform(0.4, 0.48), 0.25)


def fair_pairs(rng):
    """The root is fair already: everything stays."""
    return [(fair(rng), 0.1, 1.0, 1.0) for _ in range(2)]


def one_stray(rng):
    """One or two strays of a per cent or two, far out, on the left and on the right."""
    once = []
    while len(once) < 2:
        tree = stray(rng, fair(rng), rng.uniform(0.01, 0.02), 0.8)
        if (tree[3][0] < tree[4][0]) == bool(once):
            once.append(tree)
    twice = stray(rng, once[0], rng.uniform(0.01, 0.02), 0.9)
    return [(tree, 0.1, 1.0, 1.0) for tree in (*once, twice)]


def soft_inside(rng):
    """A fair root whose branches hold soft particles, which stay: grooming stops at the root."""
    found = []
    for _ in range(2):
        inner = stray(rng, fair(rng, 100.0), rng.uniform(0.01, 0.02), 0.8)
        y = inner[1] + 0.3
        other = (round(float(rng.uniform(70, 90)), 3), y, 0.0)
        found.append((node(rng, inner, other), 0.1, 1.0, 1.0))
    return found


def by_the_angle(rng):
    """Bars at which the exponent decides, of the distance alone, one way and the other."""
    found = []
    for _ in range(2):
        found.append((pair(rng, 100.0, rng.uniform(0.022, 0.03), 0.4), 0.1, 2.0, 1.0))  # .016
        found.append((pair(rng, 100.0, rng.uniform(0.032, 0.04), 0.25), 0.1, 0.5, 1.0))  # .05
    found.append((pair(rng, 100.0, rng.uniform(0.008, 0.012), 0.4), 0.1, 2.0, 1.0))  # not .0016
    found.append((pair(rng, 100.0, rng.uniform(0.07, 0.12), 0.25), 0.1, 0.5, 1.0))  # not .16
    return found


def by_the_radius(rng):
    """Bars at which the radius decides, one way and the other."""
    return [
        (pair(rng, 100.0, rng.uniform(0.04, 0.06), 0.3), 0.1, 1.0, 0.4),  # bar at .075, not .03
        (pair(rng, 100.0, rng.uniform(0.019, 0.025), 0.3), 0.1, 1.0, 2.0),  # bar at .015
        (pair(rng, 100.0, rng.uniform(0.03, 0.045), 0.3), 0.1, 2.0, 0.4),  # at .056, not .023
    ]


def across(rng):
    """Two on either side of the cut: near, though their azimuths differ by nearly 2 pi."""
    found = []
    for _ in range(2):
        y = round(float(rng.uniform(-1, 1)), 3)
        z = rng.uniform(0.2, 0.3)
        a, b = (100 * z, y, 3.0), (100 * (1 - z), y, -3.0)
        found.append((node(rng, a, b), 0.1, 1.0, 1.0))
    return found


def of_the_two(rng):
    """A strict cut at a distance of 1: a large branch goes, and what is left is fair in itself.

    In the last two the nodes have more or less momentum of their own than the two below.
    """
    found = []
    for inside, outside in ((0.999, 0.999), (0.999, 0.999), (1.2, 0.999), (0.999, 0.8)):
        inner = pair(rng, 60.0, rng.uniform(0.475, 0.49), 1.0, own=inside)
        outer = stray(rng, inner, rng.uniform(0.38, 0.42), 1.0, own=outside)
        found.append((outer, 0.45, 1.0, 1.0))
    return found


def to_the_end(rng):
    """A cut that nothing passes; and a particle to begin with."""
    found = []
    for _ in range(2):
        tree = pair(rng, 50.0, rng.uniform(0.15, 0.25), 1.0)
        found.append((stray(rng, tree, rng.uniform(0.1, 0.2), 1.0), 0.6, 1.0, 1.0))
    return [*found, ((round(float(rng.uniform(5, 50)), 2), 0.5, 1.0), 0.1, 1.0, 1.0)]


SOFT_DROP = Task(
    "soft_drop",
    [
        Check("pair", "stops where two share fairly", 0.5, fair_pairs, visible=True),
        Check("stray", "drops what is soft and follows the harder", 1.5, one_stray, visible=True),
        Check("stop", "leaves soft branches below where it stopped", 0.5, soft_inside),
        Check("angle", "asks for less where the two are near", 1, by_the_angle),
        Check("radius", "measures the distance in units of the radius", 0.5, by_the_radius),
        Check("around", "takes azimuths the short way round", 0.5, across),
        Check("shares", "compares the two with each other alone", 1, of_the_two),
        Check("end", "ends at a particle", 0.5, to_the_end),
    ],
)


# --- feels_splitting


def hardest_energy(jet):
    return float(jet[:, 3].max())


def squares(jet):
    return float((jet[:, 3] ** 2).sum())


def transverse_squares(jet):
    return float((jet[:, :2] ** 2).sum())


def mass(jet):
    px, py, pz, E = jet.sum(axis=0)
    return float(np.sqrt(max(E**2 - px**2 - py**2 - pz**2, 0.0)))


def above_three(jet):
    return float((jet[:, 3] > 3).sum())


def majority(jet):
    return float(np.sign(jet[:, 3] - 3).sum())


def tests(*observables, count=1, share=0.5):
    """Calls with each observable, and with jets of different sizes."""

    def cases(rng):
        found = []
        for observable in observables:
            jets = [four_vectors(rng, int(rng.integers(2, 6))).round(2) for _ in range(count)]
            found.append(call(name("feels_splitting"), helper(observable), jets, share))
        return found

    return cases


def energies(*values):
    """A jet of particles at rest, with these energies."""
    jet = np.zeros((len(values), 4))
    jet[:, 3] = values
    return jet


def up_and_down(rng):
    """Numbers of particles above 3 GeV that rise in one jet and fall, further, in another.

    And how many more are above than below, which changes its sign.
    """
    found = []
    for more in (2, 3):
        jets = [energies(9.0, 1.0), energies(*[4.0 + rng.uniform(0, 1)] * more), energies(1.0)]
        order = [1, 0, 2] if rng.random() < 0.5 else [0, 1, 2]
        jets = [jets[i] for i in order]
        found.append(call(name("feels_splitting"), helper(above_three), jets, 0.5))
    jets = [energies(4.0 + rng.uniform(0, 1)), energies(1.0)]
    return [*found, call(name("feels_splitting"), helper(majority), jets, 0.5)]


FEELS_SPLITTING = Task(
    "feels_splitting",
    [
        Check("hardest", "splits in two halves", 1, tests(hardest_energy, hardest_energy),
              visible=True),
        Check("shares", "splits in the shares it is given", 1,
              tests(hardest_energy, squares, share=0.2)),
        Check("all", "splits every particle, momenta too", 1,
              tests(squares, mass, transverse_squares), atol=1e-5),
        Check("largest", "returns the largest change, up or down", 0.5, up_and_down),
        Check("unchanged", "is right, and leaves the jets as they were", 0.5,
              tests(hardest_energy, squares, count=2), unchanged=True),
    ],
)  # fmt: skip


# --- split_and_cut


def networks(rng, shapes, *, bar=0.0, ties=False):
    """Weights that are whole numbers of different sizes, 4 or more; a bar between some of them."""
    found = []
    for inputs, hidden, outputs in shapes:
        count = hidden * (inputs + outputs)
        sizes = 4.0 * rng.permutation(np.arange(1, count + 1)) * rng.choice([-1, 1], count)
        W_in = sizes[: hidden * inputs].reshape(hidden, inputs)
        W_out = sizes[hidden * inputs :].reshape(outputs, hidden)
        b = rng.integers(1, 4, hidden).astype(float)
        at = 4.0 * round(bar * count) + (0.0 if ties or not bar else 1.0)
        found.append((W_in, b, W_out, int(rng.integers(hidden)), at))
    return found


SHAPES = [(2, 3, 1), (1, 2, 3), (3, 4, 2)]


def parts(number, **kind):
    """Calls that ask for one of the three arrays."""

    def cases(rng):
        take = attr(module("operator"), "getitem")
        return [
            call(take, call(name("split_and_cut"), *case), number)
            for case in networks(rng, SHAPES, **kind)
        ]

    return cases


def both_matrices(**kind):
    return lambda rng: [*parts(0, **kind)(rng), *parts(2, **kind)(rng)]


SPLIT_AND_CUT = Task(
    "split_and_cut",
    [
        Check("incoming", "copies what comes in", 0.5, parts(0), visible=True),
        Check("outgoing", "shares out what goes out", 1, parts(2), visible=True),
        Check("bias", "copies the bias, and cuts none", 0.5, parts(1, bar=0.5)),
        Check("cut", "cuts what is small after the splitting", 1, both_matrices(bar=0.5)),
        Check("ties", "keeps a weight as large as the bar", 0.5, both_matrices(bar=0.5, ties=True)),
        Check("unchanged", "is right, and leaves its inputs as they were", 0.5,
              lambda rng: networks(rng, [(2, 3, 2), (3, 2, 2)], bar=0.0), unchanged=True),
    ],
)  # fmt: skip

TASKS = [DISTANCES, JET_MASS, SOFT_DROP, FEELS_SPLITTING, SPLIT_AND_CUT]
