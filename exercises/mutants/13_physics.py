"""Wrong versions of assignment 13, each a misconception; and right ones, written differently.

Each message completes "This looks like a known slip: ..." and is read by a student whose answers
are those of the mutant in every case.
"""

import numpy as np

from course_lib.grading import alternative, mutant

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


@mutant("distances", "it takes azimuths as if they lay on a line", loses=["around"])
def not_wrapped(y, phi):
    return np.hypot(y[:, None] - y, phi[:, None] - phi)


@mutant("distances", "it bends rapidities into a circle too", loses=["line"])
def both_wrapped(y, phi):
    def short(x):
        d = np.abs(x[:, None] - x) % (2 * np.pi)
        return np.minimum(d, 2 * np.pi - d)

    return np.hypot(short(y), short(phi))


@mutant(
    "distances",
    "it leaves out the square root",
    loses=["near", "around", "line", "sizes", "unchanged"],
)
def squared(y, phi):
    around = np.abs(phi[:, None] - phi)
    return (y[:, None] - y) ** 2 + np.minimum(around, 2 * np.pi - around) ** 2


@mutant(
    "distances",
    "it adds the two differences as if one walked along streets",
    loses=["near", "around", "line", "sizes", "unchanged"],
)
def along_streets(y, phi):
    around = np.abs(phi[:, None] - phi)
    return np.abs(y[:, None] - y) + np.minimum(around, 2 * np.pi - around)


@mutant(
    "distances",
    "it takes differences modulo a full turn and forgets that the other way may be shorter",
    loses=["near", "around", "line", "sizes", "unchanged"],
)
def one_way_only(y, phi):
    return np.hypot(y[:, None] - y, (phi[:, None] - phi) % (2 * np.pi))


@mutant("distances", "it writes into the arrays it was given", loses=["unchanged"])
def centred_in_place(y, phi):
    y -= y.mean()
    around = np.abs(phi[:, None] - phi)
    return np.hypot(y[:, None] - y, np.minimum(around, 2 * np.pi - around))


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


@mutant("jet_mass", "it returns the square of the mass", loses=["two", "many", "one", "light"])
def square_of_the_mass(particles):
    px, py, pz, E = particles.sum(axis=0)
    return max(E**2 - px**2 - py**2 - pz**2, 0.0)


@mutant(
    "jet_mass",
    "it adds the squares of the momenta instead of subtracting them",
    loses=["two", "many", "one", "light"],
)
def all_plus(particles):
    return float(np.linalg.norm(particles.sum(axis=0)))


@mutant(
    "jet_mass",
    "it leaves out the momentum along the beam",
    loses=["two", "many", "one", "light"],
)
def across_the_beam_only(particles):
    px, py, _, E = particles.sum(axis=0)
    return max(E**2 - px**2 - py**2, 0.0) ** 0.5


@mutant(
    "jet_mass",
    "it takes the root of a number that rounding has made negative",
    loses=["light"],
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


@mutant(
    "soft_drop",
    "it compares the softer one's momentum itself with the bar, not its share",
    loses=["stray", "angle", "radius", "shares", "end"],
)
def absolute_cut(tree, z_cut, beta, radius):
    while len(tree) == 5:
        soft, hard = sorted(tree[3:], key=lambda t: t[0])
        around = abs(soft[2] - hard[2])
        distance = np.hypot(soft[1] - hard[1], min(around, 2 * np.pi - around))
        if soft[0] > z_cut * (distance / radius) ** beta:
            break
        tree = hard
    todo, found = [tree], []
    while todo:
        t = todo.pop()
        found, todo = ([*found, t[0]], todo) if len(t) == 3 else (found, [*todo, t[4], t[3]])
    return found


@mutant("soft_drop", "it forgets the exponent beta", loses=["angle"])
def no_exponent(tree, z_cut, beta, radius):
    while len(tree) == 5:
        soft, hard = sorted(tree[3:], key=lambda t: t[0])
        around = abs(soft[2] - hard[2])
        distance = np.hypot(soft[1] - hard[1], min(around, 2 * np.pi - around))
        if soft[0] / (soft[0] + hard[0]) > z_cut * distance / radius:
            break
        tree = hard
    todo, found = [tree], []
    while todo:
        t = todo.pop()
        found, todo = ([*found, t[0]], todo) if len(t) == 3 else (found, [*todo, t[4], t[3]])
    return found


@mutant(
    "soft_drop",
    "it asks for the same share at all distances",
    loses=["angle", "radius"],
)
def no_angle(tree, z_cut, beta, radius):
    while len(tree) == 5:
        soft, hard = sorted(tree[3:], key=lambda t: t[0])
        if soft[0] / (soft[0] + hard[0]) > z_cut:
            break
        tree = hard
    todo, found = [tree], []
    while todo:
        t = todo.pop()
        found, todo = ([*found, t[0]], todo) if len(t) == 3 else (found, [*todo, t[4], t[3]])
    return found


@mutant(
    "soft_drop",
    "it raises the distance to the power beta, but not the radius",
    loses=["radius"],
)
def power_of_the_distance(tree, z_cut, beta, radius):
    while len(tree) == 5:
        soft, hard = sorted(tree[3:], key=lambda t: t[0])
        around = abs(soft[2] - hard[2])
        distance = np.hypot(soft[1] - hard[1], min(around, 2 * np.pi - around))
        if soft[0] / (soft[0] + hard[0]) > z_cut * distance**beta / radius:
            break
        tree = hard

    def particles(t):
        return [t[0]] if len(t) == 3 else particles(t[3]) + particles(t[4])

    return particles(tree)


@mutant("soft_drop", "it raises z_cut to the power beta too", loses=["angle", "radius"])
def power_of_the_cut(tree, z_cut, beta, radius):
    while len(tree) == 5:
        soft, hard = sorted(tree[3:], key=lambda t: t[0])
        around = abs(soft[2] - hard[2])
        distance = np.hypot(soft[1] - hard[1], min(around, 2 * np.pi - around))
        if soft[0] / (soft[0] + hard[0]) > (z_cut * distance / radius) ** beta:
            break
        tree = hard

    def particles(t):
        return [t[0]] if len(t) == 3 else particles(t[3]) + particles(t[4])

    return particles(tree)


@mutant(
    "soft_drop",
    "it divides by the momentum of the node instead of the sum of the two below",
    loses=["shares"],
)
def of_the_node(tree, z_cut, beta, radius):
    while len(tree) == 5:
        soft, hard = sorted(tree[3:], key=lambda t: t[0])
        around = abs(soft[2] - hard[2])
        distance = np.hypot(soft[1] - hard[1], min(around, 2 * np.pi - around))
        if soft[0] / tree[0] > z_cut * (distance / radius) ** beta:
            break
        tree = hard

    def particles(t):
        return [t[0]] if len(t) == 3 else particles(t[3]) + particles(t[4])

    return particles(tree)


@mutant("soft_drop", "it forgets to divide the distance by the radius", loses=["radius"])
def no_radius(tree, z_cut, beta, radius):
    while len(tree) == 5:
        soft, hard = sorted(tree[3:], key=lambda t: t[0])
        around = abs(soft[2] - hard[2])
        distance = np.hypot(soft[1] - hard[1], min(around, 2 * np.pi - around))
        if soft[0] / (soft[0] + hard[0]) > z_cut * distance**beta:
            break
        tree = hard
    todo, found = [tree], []
    while todo:
        t = todo.pop()
        found, todo = ([*found, t[0]], todo) if len(t) == 3 else (found, [*todo, t[4], t[3]])
    return found


@mutant(
    "soft_drop",
    "it goes on with the softer branch",
    loses=["stray", "angle", "radius", "shares", "end"],
)
def follows_the_softer(tree, z_cut, beta, radius):
    while len(tree) == 5:
        soft, hard = sorted(tree[3:], key=lambda t: t[0])
        around = abs(soft[2] - hard[2])
        distance = np.hypot(soft[1] - hard[1], min(around, 2 * np.pi - around))
        if soft[0] / (soft[0] + hard[0]) > z_cut * (distance / radius) ** beta:
            break
        tree = soft
    todo, found = [tree], []
    while todo:
        t = todo.pop()
        found, todo = ([*found, t[0]], todo) if len(t) == 3 else (found, [*todo, t[4], t[3]])
    return found


@mutant(
    "soft_drop",
    "it always goes on with the right branch, the harder or not",
    loses=["stray", "angle", "radius", "shares", "end"],
)
def follows_the_right(tree, z_cut, beta, radius):
    while len(tree) == 5:
        soft, hard = sorted(tree[3:], key=lambda t: t[0])
        around = abs(soft[2] - hard[2])
        distance = np.hypot(soft[1] - hard[1], min(around, 2 * np.pi - around))
        if soft[0] / (soft[0] + hard[0]) > z_cut * (distance / radius) ** beta:
            break
        tree = tree[4]

    def particles(t):
        return [t[0]] if len(t) == 3 else particles(t[3]) + particles(t[4])

    return particles(tree)


@mutant("soft_drop", "it takes azimuths as if they lay on a line", loses=["around"])
def azimuth_on_a_line(tree, z_cut, beta, radius):
    while len(tree) == 5:
        soft, hard = sorted(tree[3:], key=lambda t: t[0])
        distance = np.hypot(soft[1] - hard[1], soft[2] - hard[2])
        if soft[0] / (soft[0] + hard[0]) > z_cut * (distance / radius) ** beta:
            break
        tree = hard
    todo, found = [tree], []
    while todo:
        t = todo.pop()
        found, todo = ([*found, t[0]], todo) if len(t) == 3 else (found, [*todo, t[4], t[3]])
    return found


@mutant(
    "soft_drop",
    "it takes shares of the whole jet instead of shares of the two",
    loses=["shares"],
)
def of_the_whole_jet(tree, z_cut, beta, radius):
    whole = tree[0]
    while len(tree) == 5:
        soft, hard = sorted(tree[3:], key=lambda t: t[0])
        around = abs(soft[2] - hard[2])
        distance = np.hypot(soft[1] - hard[1], min(around, 2 * np.pi - around))
        if soft[0] / whole > z_cut * (distance / radius) ** beta:
            break
        tree = hard
    todo, found = [tree], []
    while todo:
        t = todo.pop()
        found, todo = ([*found, t[0]], todo) if len(t) == 3 else (found, [*todo, t[4], t[3]])
    return found


@mutant(
    "soft_drop",
    "it divides the softer by the harder instead of by their sum",
    loses=["shares"],
)
def softer_by_harder(tree, z_cut, beta, radius):
    while len(tree) == 5:
        soft, hard = sorted(tree[3:], key=lambda t: t[0])
        around = abs(soft[2] - hard[2])
        distance = np.hypot(soft[1] - hard[1], min(around, 2 * np.pi - around))
        if soft[0] / hard[0] > z_cut * (distance / radius) ** beta:
            break
        tree = hard
    todo, found = [tree], []
    while todo:
        t = todo.pop()
        found, todo = ([*found, t[0]], todo) if len(t) == 3 else (found, [*todo, t[4], t[3]])
    return found


@mutant(
    "soft_drop",
    "it goes on dropping in both branches after it should have stopped",
    loses=["stop"],
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


@mutant(
    "soft_drop",
    "it returns the particles from the softest to the hardest, not from left to right",
    loses=["pair", "stray", "stop", "angle", "radius", "around", "shares"],
)
def sorted_particles(tree, z_cut, beta, radius):
    while len(tree) == 5:
        soft, hard = sorted(tree[3:], key=lambda t: t[0])
        around = abs(soft[2] - hard[2])
        distance = np.hypot(soft[1] - hard[1], min(around, 2 * np.pi - around))
        if soft[0] / (soft[0] + hard[0]) > z_cut * (distance / radius) ** beta:
            break
        tree = hard
    todo, found = [tree], []
    while todo:
        t = todo.pop()
        found, todo = ([*found, t[0]], todo) if len(t) == 3 else (found, [*todo, t[4], t[3]])
    return sorted(found)


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


@mutant(
    "feels_splitting",
    "it gives both parts the whole momentum",
    loses=["hardest", "shares", "all", "largest", "unchanged"],
)
def doubles(observable, jets, share):
    return max(abs(observable(np.concatenate([j, j])) - observable(j)) for j in jets)


@mutant("feels_splitting", "it splits in halves, whatever share is given", loses=["shares"])
def always_halves(observable, jets, share):
    return max(abs(observable(np.concatenate([j / 2, j / 2])) - observable(j)) for j in jets)


@mutant("feels_splitting", "it splits the energies and leaves the momenta whole", loses=["all"])
def energies_alone(observable, jets, share):
    found = []
    for jet in jets:
        a, b = jet.copy(), jet.copy()
        a[:, 3] *= share
        b[:, 3] *= 1 - share
        found.append(abs(observable(np.concatenate([a, b])) - observable(jet)))
    return max(found)


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


@mutant(
    "feels_splitting",
    "it takes the change of the size for the size of the change: a change of sign goes unseen",
    loses=["largest"],
)
def change_of_the_size(observable, jets, share):
    split = [np.concatenate([share * j, (1 - share) * j]) for j in jets]
    pairs = zip(split, jets, strict=True)
    return max(abs(abs(observable(s)) - abs(observable(j))) for s, j in pairs)


@mutant("feels_splitting", "it averages the changes instead of taking the largest",
        loses=["largest", "unchanged"])  # fmt: skip
def averages(observable, jets, share):
    split = [np.concatenate([share * j, (1 - share) * j]) for j in jets]
    return float(np.mean([abs(observable(s) - observable(j)) for s, j in zip(split, jets)]))  # noqa: B905


@mutant("feels_splitting", "it takes the largest change with its sign, so a fall counts for less",
        loses=["hardest", "shares", "all", "largest", "unchanged"])  # fmt: skip
def with_its_sign(observable, jets, share):
    split = [np.concatenate([share * j, (1 - share) * j]) for j in jets]
    return max(observable(s) - observable(j) for s, j in zip(split, jets))  # noqa: B905


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


@mutant(
    "split_and_cut",
    "it halves what comes in instead of what goes out",
    loses=["incoming", "outgoing", "cut", "ties", "unchanged"],
)
def halves_incoming(W_in, b, W_out, neuron, bar):
    W_in, W_out = W_in.copy(), np.column_stack([W_out, W_out[:, neuron]])
    W_in[neuron] /= 2
    W_in, b = np.vstack([W_in, W_in[neuron]]), np.append(b, b[neuron])
    return np.where(abs(W_in) < bar, 0.0, W_in), b, np.where(abs(W_out) < bar, 0.0, W_out)


@mutant(
    "split_and_cut",
    "it copies the neuron and halves nothing, so that it counts twice",
    loses=["outgoing", "cut", "ties", "unchanged"],
)
def halves_nothing(W_in, b, W_out, neuron, bar):
    order = [*range(len(b)), neuron]
    W_in, W_out = W_in[order], W_out[:, order]
    return np.where(abs(W_in) < bar, 0.0, W_in), b[order], np.where(abs(W_out) < bar, 0.0, W_out)


@mutant(
    "split_and_cut",
    "it halves the copy's outgoing weights and leaves those of the original whole",
    loses=["outgoing", "cut", "ties", "unchanged"],
)
def halves_the_copy_alone(W_in, b, W_out, neuron, bar):
    order = [*range(len(b)), neuron]
    W_in, W_out = W_in[order], np.column_stack([W_out, W_out[:, neuron] / 2])
    return np.where(abs(W_in) < bar, 0.0, W_in), b[order], np.where(abs(W_out) < bar, 0.0, W_out)


@mutant("split_and_cut", "it halves the bias too", loses=["bias", "unchanged"])
def halves_the_bias(W_in, b, W_out, neuron, bar):
    order = [*range(len(b)), neuron]
    share = np.where(np.array(order) == neuron, 0.5, 1.0)
    W_in, W_out = W_in[order], W_out[:, order] * share
    b = b[order] * share
    return np.where(abs(W_in) < bar, 0.0, W_in), b, np.where(abs(W_out) < bar, 0.0, W_out)


@mutant("split_and_cut", "it cuts biases too", loses=["bias"])
def cuts_biases(W_in, b, W_out, neuron, bar):
    order = [*range(len(b)), neuron]
    W_in, W_out = W_in[order], W_out[:, order] * np.where(np.array(order) == neuron, 0.5, 1.0)
    return tuple(np.where(abs(w) < bar, 0.0, w) for w in (W_in, b[order], W_out))


@mutant("split_and_cut", "it cuts first and splits then", loses=["cut", "ties"])
def cuts_first(W_in, b, W_out, neuron, bar):
    W_in, W_out = (np.where(abs(w) < bar, 0.0, w) for w in (W_in, W_out))
    order = [*range(len(b)), neuron]
    return W_in[order], b[order], W_out[:, order] * np.where(np.array(order) == neuron, 0.5, 1.0)


@mutant(
    "split_and_cut",
    "it cuts what is below the bar with its sign, all negative weights among it",
    loses=["incoming", "outgoing", "cut", "ties", "unchanged"],
)
def cuts_negatives(W_in, b, W_out, neuron, bar):
    order = [*range(len(b)), neuron]
    W_in, W_out = W_in[order], W_out[:, order] * np.where(np.array(order) == neuron, 0.5, 1.0)
    return np.where(W_in < bar, 0.0, W_in), b[order], np.where(W_out < bar, 0.0, W_out)


@mutant("split_and_cut", "it cuts a weight that is as large as the bar", loses=["ties"])
def cuts_ties(W_in, b, W_out, neuron, bar):
    order = [*range(len(b)), neuron]
    W_in, W_out = W_in[order], W_out[:, order] * np.where(np.array(order) == neuron, 0.5, 1.0)
    return np.where(abs(W_in) > bar, W_in, 0.0), b[order], np.where(abs(W_out) > bar, W_out, 0.0)


@mutant("split_and_cut", "it writes into the arrays it was given", loses=["unchanged"])
def writes_into_them(W_in, b, W_out, neuron, bar):
    W_out[:, neuron] /= 2
    order = [*range(len(b)), neuron]
    W_in, W_out = W_in[order], W_out[:, order]
    return np.where(abs(W_in) < bar, 0.0, W_in), b[order], np.where(abs(W_out) < bar, 0.0, W_out)
