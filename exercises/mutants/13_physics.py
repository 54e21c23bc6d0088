"""Wrong versions of assignment 13, each a misconception; and right ones, written differently.

Each message completes "This looks like a known slip: ..." and is read by a student whose answers
are those of the mutant in every case.
"""

import numpy as np

from course_lib.grading import alternative, mutant, slip

# --- distances


@alternative("distances")
def by_the_remainder(y, phi):
    around = (phi[:, None] - phi + np.pi) % (2 * np.pi) - np.pi
    return ((y[:, None] - y) ** 2 + around**2) ** 0.5


@alternative("distances")
def pair_by_pair(y, phi):
    rows = []
    for i in range(len(y)):
        row = []
        for j in range(len(y)):
            angle = np.arccos(np.clip(np.cos(phi[i] - phi[j]), -1, 1))
            row.append(0.0 if i == j else np.sqrt((y[i] - y[j]) ** 2 + angle**2))
        rows.append(row)
    return rows


not_wrapped = slip(
    "distances",
    "it takes azimuths as if they lay on a line",
    swap=("np.minimum(around, 2 * np.pi - around)", "around"),
    loses=["around"],
)


@mutant("distances", "it bends rapidities into a circle too", loses=["line"])
def both_wrapped(y, phi):
    def short(x):
        d = np.abs(x[:, None] - x) % (2 * np.pi)
        return np.minimum(d, 2 * np.pi - d)

    return np.hypot(short(y), short(phi))


squared = slip(
    "distances",
    "it leaves out the square root",
    swap=("np.hypot(y[:, None] - y, around)", "(y[:, None] - y) ** 2 + around**2"),
    loses=["near", "around", "line", "sizes", "unchanged"],
)
along_streets = slip(
    "distances",
    "it adds the two differences as if one walked along streets",
    swap=("np.hypot(y[:, None] - y, around)", "np.abs(y[:, None] - y) + around"),
    loses=["near", "around", "line", "sizes", "unchanged"],
)
one_way_only = slip(
    "distances",
    "it takes differences modulo a full turn and forgets that the other way may be shorter",
    swap=("np.minimum(around, 2 * np.pi - around)", "(phi[:, None] - phi) % (2 * np.pi)"),
    loses=["near", "around", "line", "sizes", "unchanged"],
)
centred_in_place = slip(
    "distances",
    "it writes into the arrays it was given",
    swap=(
        "around = np.abs(phi[:, None] - phi)",
        "y -= y.mean(); around = np.abs(phi[:, None] - phi)",
    ),
    loses=["unchanged"],
)


# --- jet_mass


@alternative("jet_mass")
def row_by_row(particles):
    total = [0.0, 0.0, 0.0, 0.0]
    for row in particles:
        total = [t + float(v) for t, v in zip(total, row, strict=True)]
    p = (total[0] ** 2 + total[1] ** 2 + total[2] ** 2) ** 0.5
    return max(0.0, (total[3] - p) * (total[3] + p)) ** 0.5


@alternative("jet_mass")
def with_a_metric(particles):
    total = np.sum(particles, axis=0)
    squared = float(total @ np.diag([-1, -1, -1, 1]) @ total)
    return np.sqrt(squared) if squared > 0 else 0


@mutant(
    "jet_mass",
    "it adds the masses of the particles instead of their four-vectors",
    loses=["two", "many", "light"],
)
def masses_added(particles):
    squares = particles[:, 3] ** 2 - (particles[:, :3] ** 2).sum(axis=1)
    return float(np.sqrt(np.maximum(squares, 0)).sum())


square_of_the_mass = slip(
    "jet_mass",
    "it returns the square of the mass",
    swap=(
        "max(E**2 - px**2 - py**2 - pz**2, 0.0) ** 0.5",
        "max(E**2 - px**2 - py**2 - pz**2, 0.0)",
    ),
    loses=["two", "many", "one", "light"],
)


@mutant(
    "jet_mass",
    "it adds the squares of the momenta instead of subtracting them",
    loses=["two", "many", "one", "light"],
)
def all_plus(particles):
    return float(np.linalg.norm(particles.sum(axis=0)))


across_the_beam_only = slip(
    "jet_mass",
    "it leaves out the momentum along the beam",
    swap=("py**2 - pz**2", "py**2"),
    loses=["two", "many", "one", "light"],
)


@mutant(
    "jet_mass", "it takes the root of a number that rounding has made negative", loses=["light"]
)
def root_of_less_than_nothing(particles):
    px, py, pz, E = particles.sum(axis=0)
    squared = float(E**2 - px**2 - py**2 - pz**2)
    return squared**0.5 if squared >= 0 else float("nan")


# --- soft_drop


@alternative("soft_drop")
def recursively(tree, z_cut, beta, radius):
    if len(tree) == 3:
        return [tree[0]]
    a, b = tree[3], tree[4]
    around = (a[2] - b[2] + np.pi) % (2 * np.pi) - np.pi
    distance = ((a[1] - b[1]) ** 2 + around**2) ** 0.5
    if min(a[0], b[0]) > z_cut * (distance / radius) ** beta * (a[0] + b[0]):
        found, waiting = [], [tree]
        while waiting:
            here = waiting.pop()
            if len(here) == 3:
                found.append(here[0])
            else:
                waiting += [here[4], here[3]]
        return found
    return recursively(a if a[0] > b[0] else b, z_cut, beta, radius)


@alternative("soft_drop")
def by_logarithms(tree, z_cut, beta, radius):
    while len(tree) > 3:
        _, _, _, a, b = tree
        z = min(a[0], b[0]) / (a[0] + b[0])
        turn = np.angle(np.exp(1j * (a[2] - b[2])))
        far = np.log(np.sqrt((a[1] - b[1]) ** 2 + turn**2) / radius)
        if np.log(z) > np.log(z_cut) + beta * far:
            break
        tree = max(a, b, key=lambda branch: branch[0])
    level = [tree]
    while any(len(t) > 3 for t in level):
        level = [part for t in level for part in ([t] if len(t) == 3 else t[3:])]
    return np.array([t[0] for t in level])


absolute_cut = slip(
    "soft_drop",
    "it compares the softer one's momentum itself with the bar, not its share",
    swap=("soft[0] / (soft[0] + hard[0])", "soft[0]"),
    loses=["stray", "angle", "radius", "shares", "end"],
)
no_exponent = slip(
    "soft_drop",
    "it forgets the exponent beta",
    swap=("(distance / radius) ** beta", "distance / radius"),
    loses=["angle"],
)
no_angle = slip(
    "soft_drop",
    "it asks for the same share at all distances",
    swap=("z_cut * (distance / radius) ** beta", "z_cut"),
    loses=["angle", "radius"],
)
power_of_the_distance = slip(
    "soft_drop",
    "it raises the distance to the power beta, but not the radius",
    swap=("(distance / radius) ** beta", "distance**beta / radius"),
    loses=["radius"],
)
power_of_the_cut = slip(
    "soft_drop",
    "it raises z_cut to the power beta too",
    swap=("z_cut * (distance / radius) ** beta", "(z_cut * distance / radius) ** beta"),
    loses=["angle", "radius"],
)
of_the_node = slip(
    "soft_drop",
    "it divides by the momentum of the node instead of the sum of the two below",
    swap=("(soft[0] + hard[0])", "tree[0]"),
    loses=["shares"],
)
no_radius = slip(
    "soft_drop",
    "it forgets to divide the distance by the radius",
    swap=("(distance / radius) ** beta", "distance**beta"),
    loses=["radius"],
)
follows_the_softer = slip(
    "soft_drop",
    "it goes on with the softer branch",
    swap=("tree = hard", "tree = soft"),
    loses=["stray", "angle", "radius", "shares", "end"],
)
follows_the_right = slip(
    "soft_drop",
    "it always goes on with the right branch, the harder or not",
    swap=("tree = hard", "tree = tree[4]"),
    loses=["stray", "angle", "radius", "shares", "end"],
)
azimuth_on_a_line = slip(
    "soft_drop",
    "it takes azimuths as if they lay on a line",
    swap=("min(around, 2 * np.pi - around)", "around"),
    loses=["around"],
)
of_the_whole_jet = slip(
    "soft_drop",
    "it takes shares of the whole jet instead of shares of the two",
    swaps=[
        ("while len(tree) == 5:", "whole = tree[0]\n    while len(tree) == 5:"),
        ("(soft[0] + hard[0])", "whole"),
    ],
    loses=["shares"],
)
softer_by_harder = slip(
    "soft_drop",
    "it divides the softer by the harder instead of by their sum",
    swap=("(soft[0] + hard[0])", "hard[0]"),
    loses=["shares"],
)


@mutant(
    "soft_drop", "it goes on dropping in both branches after it should have stopped", loses=["stop"]
)
def never_stops(tree, z_cut, beta, radius):
    todo, found = [tree], []
    while todo:
        t = todo.pop()
        if len(t) == 3:
            found.append(t[0])
            continue
        soft, hard = sorted(t[3:], key=lambda branch: branch[0])
        around = abs(soft[2] - hard[2])
        distance = np.hypot(soft[1] - hard[1], min(around, 2 * np.pi - around))
        passes = soft[0] / (soft[0] + hard[0]) > z_cut * (distance / radius) ** beta
        todo += [t[4], t[3]] if passes else [hard]
    return found


sorted_particles = slip(
    "soft_drop",
    "it returns the particles from the softest to the hardest, not from left to right",
    swap=("return particles(tree)", "return sorted(particles(tree))"),
    loses=["pair", "stray", "stop", "angle", "radius", "around", "shares"],
)


# --- feels_splitting


@alternative("feels_splitting")
def particle_by_particle(observable, jets, share):
    most = 0.0
    for jet in jets:
        rows = [part * p for p in jet for part in (share, 1 - share)]
        most = max(most, abs(observable(np.array(rows)) - observable(jet)))
    return most


@alternative("feels_splitting")
def with_a_product(observable, jets, share):
    parts = np.array([[share], [1 - share]])
    after = [observable(np.kron(parts, jet)) for jet in jets]
    before = [observable(jet) for jet in jets]
    return np.max(np.abs(np.subtract(after, before)))


doubles = slip(
    "feels_splitting",
    "it gives both parts the whole momentum",
    swap=("[share * jet, (1 - share) * jet]", "[jet, jet]"),
    loses=["hardest", "shares", "all", "largest", "unchanged"],
)
always_halves = slip(
    "feels_splitting",
    "it splits in halves, whatever share is given",
    swap=("[share * jet, (1 - share) * jet]", "[jet / 2, jet / 2]"),
    loses=["shares"],
)
energies_alone = slip(
    "feels_splitting",
    "it splits the energies and leaves the momenta whole",
    swap=(
        "[share * jet, (1 - share) * jet]",
        "[jet * [1, 1, 1, share], jet * [1, 1, 1, 1 - share]]",
    ),
    loses=["all"],
)


@mutant(
    "feels_splitting",
    "it splits the most energetic particle alone",
    loses=["hardest", "shares", "all", "largest", "unchanged"],
)
def the_hardest_alone(observable, jets, share):
    found = []
    for jet in jets:
        i = jet[:, 3].argmax()
        rows = [*np.delete(jet, i, axis=0), share * jet[i], (1 - share) * jet[i]]
        found.append(abs(observable(np.array(rows)) - observable(jet)))
    return max(found)


change_of_the_size = slip(
    "feels_splitting",
    "it takes the change of the size for the size of the change: a change of sign goes unseen",
    swap=("abs(observable(s) - observable(jet))", "abs(abs(observable(s)) - abs(observable(jet)))"),
    loses=["largest"],
)
averages = slip(
    "feels_splitting",
    "it averages the changes instead of taking the largest",
    swap=(
        "max(abs(observable(s) - observable(jet))",
        "sum(abs(observable(s) - observable(jet)) / len(jets)",
    ),
    loses=["largest", "unchanged"],
)
with_its_sign = slip(
    "feels_splitting",
    "it takes the largest change with its sign, so a fall counts for less",
    swap=("abs(observable(s) - observable(jet))", "observable(s) - observable(jet)"),
    loses=["hardest", "shares", "all", "largest", "unchanged"],
)


@mutant("feels_splitting", "it writes into the jets it was given", loses=["unchanged"])
def splits_in_place(observable, jets, share):
    most = 0.0
    for jet in jets:
        before, other = observable(jet), (1 - share) * jet
        jet *= share
        most = max(most, abs(observable(np.concatenate([jet, other])) - before))
    return most


# --- split_and_cut


@alternative("split_and_cut")
def with_an_index(W_in, b, W_out, neuron, bar):
    order = [*range(len(b)), neuron]
    outgoing = W_out[:, order] * np.where(np.array(order) == neuron, 0.5, 1.0)
    incoming = W_in[order]
    return incoming * (abs(incoming) >= bar), b[order], outgoing * (abs(outgoing) >= bar)


@alternative("split_and_cut")
def with_lists(W_in, b, W_out, neuron, bar):
    def cut(rows):
        return [[0.0 if abs(w) < bar else w for w in row] for row in rows]

    rows_in = [list(row) for row in W_in] + [list(W_in[neuron])]
    rows_out = []
    for row in W_out:
        new = [w / 2 if i == neuron else w for i, w in enumerate(row)]
        rows_out.append([*new, row[neuron] / 2])
    return cut(rows_in), [*b, b[neuron]], cut(rows_out)


halves_incoming = slip(
    "split_and_cut",
    "it halves what comes in instead of what goes out",
    swaps=[
        ("b = np.append(b, b[neuron])", "W_in[[neuron, -1]] /= 2; b = np.append(b, b[neuron])"),
        ("W_out[:, neuron] / 2", "W_out[:, neuron]"),
    ],
    loses=["incoming", "outgoing", "cut", "ties", "unchanged"],
)
halves_nothing = slip(
    "split_and_cut",
    "it copies the neuron and halves nothing, so that it counts twice",
    swap=("W_out[:, neuron] / 2", "W_out[:, neuron]"),
    loses=["outgoing", "cut", "ties", "unchanged"],
)
halves_the_copy_alone = slip(
    "split_and_cut",
    "it halves the copy's outgoing weights and leaves those of the original whole",
    swap=("W_out[:, neuron] = half", "pass"),
    loses=["outgoing", "cut", "ties", "unchanged"],
)
halves_the_bias = slip(
    "split_and_cut",
    "it halves the bias too",
    swap=("b = np.append(b, b[neuron])", "b = np.append(b, b[neuron]); b[[neuron, -1]] /= 2"),
    loses=["bias", "unchanged"],
)
cuts_biases = slip(
    "split_and_cut",
    "it cuts biases too",
    swap=("0.0, W_in), b", "0.0, W_in), np.where(np.abs(b) < bar, 0.0, b)"),
    loses=["bias"],
)
cuts_first = slip(
    "split_and_cut",
    "it cuts first and splits then",
    swaps=[
        (
            "b = np.append(b, b[neuron])",
            "b, W_out = np.append(b, b[neuron]), np.where(np.abs(W_out) < bar, 0.0, W_out)",
        ),
        ("np.where(np.abs(W_out) < bar, 0.0, W_out)", "W_out"),
    ],
    loses=["cut", "ties"],
)
cuts_negatives = slip(
    "split_and_cut",
    "it cuts what is below the bar with its sign, all negative weights among it",
    swaps=[("np.abs(W_in) < bar", "W_in < bar"), ("np.abs(W_out) < bar", "W_out < bar")],
    loses=["incoming", "outgoing", "cut", "ties", "unchanged"],
)
cuts_ties = slip(
    "split_and_cut",
    "it cuts a weight that is as large as the bar",
    swaps=[
        ("np.abs(W_in) < bar", "np.abs(W_in) <= bar"),
        ("np.abs(W_out) < bar", "np.abs(W_out) <= bar"),
    ],
    loses=["ties"],
)
writes_into_them = slip(
    "split_and_cut",
    "it writes into the arrays it was given",
    swap=("half = W_out[:, neuron] / 2", "W_out[:, neuron] /= 2; half = W_out[:, neuron]"),
    loses=["unchanged"],
)
