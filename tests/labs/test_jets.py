"""Jets against fastjet, brute force and closed forms; the sample; what observables feel."""

import importlib.util
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.labs import jets as lab

fastjet = pytest.importorskip("fastjet") if importlib.util.find_spec("fastjet") else None
needs_fastjet = pytest.mark.skipif(fastjet is None, reason="fastjet is not installed")


def random_particles(n, seed, spread=1.0):
    """Massive particles about (y, phi) = (0, pi), where the cylinder was cut open."""
    rng = np.random.default_rng(seed)
    pt, m = rng.exponential(20, n) + 0.1, rng.uniform(0, 1, n)
    y, phi = rng.normal(0, spread, n), math.pi + rng.normal(0, spread, n)
    mt = np.hypot(pt, m)
    return np.stack([pt * np.cos(phi), pt * np.sin(phi), mt * np.sinh(y), mt * np.cosh(y)], axis=1)


particles = st.builds(random_particles, st.integers(1, 25), st.integers(0, 10_000))


# Coordinates


def test_coordinates_by_hand():
    y = 0.5 * math.log((5 + 3) / (5 - 3))
    pt, rapidity, phi = lab.coordinates(np.array([[0.0, 4.0, 3.0, 5.0], [-4.0, 0.0, -3.0, 5.0]]))
    assert pt == pytest.approx([4, 4])
    assert rapidity == pytest.approx([y, -y])
    assert phi == pytest.approx([math.pi / 2, math.pi])


@pytest.mark.parametrize(
    "wrong",
    [
        [1.0, 2.0, 3.0, 4.0],
        [[1.0, 2.0, 3.0]],
        [[math.nan, 1, 0, 2]],
        [[0, 0, 1, 1]],
        [[1, 0, 9, 2]],
    ],
)
def test_what_has_no_place_on_the_cylinder_is_refused(wrong):
    with pytest.raises(ValueError, match="particles: given"):
        lab.coordinates(np.array(wrong))


@given(st.floats(-20, 20), st.floats(-20, 20))
def test_turn_is_the_angle_between_two_directions(a, b):
    way = lab.turn(a - b)
    assert -math.pi - 1e-12 <= way <= math.pi + 1e-12
    assert math.cos(way) == pytest.approx(math.cos(a - b), abs=1e-9)
    assert math.sin(way) == pytest.approx(math.sin(a - b), abs=1e-9)


def test_mass_of_two_massless_is_the_closed_form():
    rng = np.random.default_rng(0)
    for _ in range(20):
        (pt1, pt2), (y1, y2), (f1, f2) = (
            rng.uniform(1, 99, 2),
            rng.normal(0, 1, 2),
            rng.normal(0, 2, 2),
        )
        two = np.array(
            [
                [p * math.cos(f), p * math.sin(f), p * math.sinh(y), p * math.cosh(y)]
                for p, y, f in ((pt1, y1, f1), (pt2, y2, f2))
            ]
        )
        squared = 2 * pt1 * pt2 * (math.cosh(y1 - y2) - math.cos(f1 - f2))
        assert lab.mass(two) == pytest.approx(math.sqrt(squared), rel=1e-9)
    assert lab.mass(two[:0]) == 0 and lab.mass(two[:1]) == pytest.approx(0, abs=1e-5)


# Clustering


def slowly(particles, radius, power):
    """Cluster by looking at every pair every time: sets of particles, in the order of joining."""
    alive = {frozenset([i]): p for i, p in enumerate(particles)}
    joined, jets = [], []
    while alive:
        best, who = math.inf, None
        for a, p in alive.items():
            ka, ya, fa = (float(c[0]) for c in lab.coordinates(p[None]))
            if ka ** (2 * power) * radius**2 < best or who is None:
                best, who = ka ** (2 * power) * radius**2, (a,)
            for b, q in alive.items():
                kb, yb, fb = (float(c[0]) for c in lab.coordinates(q[None]))
                gap = math.remainder(fa - fb, 2 * math.pi)
                d = min(ka ** (2 * power), kb ** (2 * power)) * ((ya - yb) ** 2 + gap**2)
                if a is not b and d < best:
                    best, who = d, (a, b)
        if len(who) == 1:
            jets.append(who[0])
            del alive[who[0]]
        else:
            a, b = who
            alive[a | b] = alive.pop(a) + alive.pop(b)
            joined.append(a | b)
    return joined, set(jets)


@settings(deadline=None, max_examples=40)
@given(particles, st.sampled_from([0.4, 1.0, math.inf]), st.sampled_from([-1, 0, 1]))
def test_cluster_is_the_slow_way_done_fast(jet, radius, power):
    joined, jets = slowly(jet[:12], radius, power)
    found = lab.cluster(jet[:12], radius, power)
    n = found.particles
    assert n == len(jet[:12])
    assert [frozenset(found.leaves(node)) for node in range(n, len(found.pt))] == joined
    assert {frozenset(found.leaves(node)) for node in found.jets} == jets


@given(particles)
def test_a_node_is_the_sum_of_its_particles(jet):
    tree = lab.cluster(jet)
    assert len(tree.jets) == 1 and len(tree.pt) == 2 * len(jet) - 1
    for node in range(len(tree.pt)):
        assert np.allclose(tree.momenta[node], jet[tree.leaves(node)].sum(axis=0))
        if node >= len(jet):
            a, b = tree.children[node]
            assert sorted(tree.leaves(node)) == sorted(tree.leaves(a) + tree.leaves(b))
            gap = math.remainder(tree.phi[a] - tree.phi[b], 2 * math.pi)
            assert tree.angle(node) == pytest.approx(math.hypot(tree.y[a] - tree.y[b], gap))


@given(particles)
def test_jets_share_out_the_particles_hardest_first(jet):
    found = lab.cluster(jet, 0.5, -1)
    assert sorted(i for node in found.jets for i in found.leaves(node)) == list(range(len(jet)))
    assert list(found.pt[found.jets]) == sorted(found.pt[found.jets], reverse=True)


def test_nothing_to_cluster_and_no_radius_are_refused():
    for jet, radius in ((np.zeros((0, 4)), 1.0), (random_particles(3, 0), 0.0)):
        with pytest.raises(ValueError, match="expected at least one and a positive radius"):
            lab.cluster(jet, radius)


def pseudojets(jet):
    return [fastjet.PseudoJet(*map(float, p)) for p in jet]


@needs_fastjet
@pytest.mark.parametrize("power, algorithm", [(-1, "antikt"), (0, "cambridge"), (1, "kt")])
def test_jets_of_fastjet_one_by_one(power, algorithm):
    definition = fastjet.JetDefinition(getattr(fastjet, f"{algorithm}_algorithm"), 0.6)
    for seed in range(20):
        event = random_particles(120, seed, spread=1.5)
        sequence = fastjet.ClusterSequence(pseudojets(event), definition)
        wanted = fastjet.sorted_by_pt(sequence.inclusive_jets())
        found = lab.cluster(event, 0.6, power)
        assert len(found.jets) == len(wanted)
        for node, jet in zip(found.jets, wanted, strict=True):
            assert np.allclose(found.momenta[node], [jet.px(), jet.py(), jet.pz(), jet.e()])


def fastjet_soft_drop(jet, z_cut, beta):
    """SoftDrop by walking down fastjet's own tree: mass and number of particles."""
    definition = fastjet.JetDefinition(fastjet.cambridge_algorithm, 1000.0)
    sequence = fastjet.ClusterSequence(pseudojets(jet), definition)
    (here,) = sequence.inclusive_jets()
    a, b = fastjet.PseudoJet(), fastjet.PseudoJet()
    while here.has_parents(a, b):
        hard, soft = (a, b) if a.pt() > b.pt() else (b, a)
        if soft.pt() / (a.pt() + b.pt()) > z_cut * a.delta_R(b) ** beta:
            break
        here = fastjet.PseudoJet(hard)
    return here.m(), len(here.constituents())


@needs_fastjet
@pytest.mark.parametrize("name", ["W", "W alone", "QCD"])
def test_soft_drop_of_fastjet_jet_by_jet(name):
    for jet in lab.load_jets(name)[::4]:
        tree = lab.cluster(jet)
        for z_cut, beta in ((0.1, 0), (0.1, 2), (0.25, 1)):
            kept = lab.soft_drop(tree, z_cut, beta).kept
            m, count = fastjet_soft_drop(jet, z_cut, beta)
            assert kept.sum() == count and lab.mass(jet[kept]) == pytest.approx(m, abs=1e-5)


# Grooming


def row(pt, y, phi):
    return [pt * math.cos(phi), pt * math.sin(phi), pt * math.sinh(y), pt * math.cosh(y)]


def test_soft_drop_by_hand():
    """A hard pair 0.2 apart, and a stray of 4% at 0.8."""
    jet = np.array([row(60, 0, 0), row(36, 0.2, 0), row(4, 0, 0.8)])
    tree = lab.cluster(jet)
    groomed = lab.soft_drop(tree, 0.1, 0)
    assert groomed.kept.tolist() == [True, True, False] and groomed.dropped == [2]
    assert groomed.z == pytest.approx(36 / 96) and groomed.angle == pytest.approx(0.2)
    # At beta = 2 the bar at 0.8 is about 0.1 * 0.64: the stray is still below, not so at 0.05.
    assert not lab.soft_drop(tree, 0.1, 2).kept[2]
    assert lab.soft_drop(tree, 0.05, 2).kept.all()
    # A bar that no pair passes: the hardest particle alone is left.
    alone = lab.soft_drop(tree, 0.9, 0)
    assert alone.kept.tolist() == [True, False, False] and alone.dropped == [2, 1]
    assert (alone.z, alone.angle) == (0, 0)


def test_the_radius_is_the_unit_of_the_angle():
    jet = np.array([row(95, 0, 0), row(5, 0.5, 0)])
    tree = lab.cluster(jet)
    for radius, kept in ((1.0, True), (0.5, False)):
        assert lab.soft_drop(tree, 0.1, 2, radius).kept.all() == kept


@given(particles, st.floats(0, 0.4), st.sampled_from([0, 1, 2]), st.floats(1.01, 100))
@settings(deadline=None)
def test_soft_drop_is_relative_and_keeps_a_branch(jet, z_cut, beta, factor):
    tree = lab.cluster(jet)
    groomed = lab.soft_drop(tree, z_cut, beta)
    assert set(np.flatnonzero(groomed.kept)) == set(tree.leaves(groomed.node))
    cut = [i for branch in groomed.dropped for i in tree.leaves(branch)]
    assert sorted([*cut, *tree.leaves(groomed.node)]) == list(range(len(jet)))
    again = lab.soft_drop(lab.cluster(factor * jet), z_cut, beta)
    assert (again.kept == groomed.kept).all()


def test_soft_drop_wants_one_jet_and_a_cut():
    with pytest.raises(ValueError, match="2 jets"):
        lab.soft_drop(lab.cluster(np.array([row(9, 0, 0), row(9, 3, 0)]), 1.0))
    with pytest.raises(ValueError, match="z_cut=-1"):
        lab.soft_drop(lab.cluster(random_particles(3, 0)), -1)


@given(particles, st.integers(0, 30))
def test_cuts_on_pt(jet, k):
    pt = np.hypot(jet[:, 0], jet[:, 1])
    kept = lab.hardest(jet, k)
    assert kept.sum() == min(k, len(jet))
    assert not kept.any() or kept.all() or pt[kept].min() >= pt[~kept].max()
    assert (lab.harder_than(jet, 20.0) == (pt > 20)).all()


# What is done to a jet


@given(particles, st.integers(0, 99))
def test_a_collinear_splitting_conserves_everything(jet, seed):
    halves = lab.split_collinear(jet, seed)
    assert len(halves) == 2 * len(jet)
    assert np.allclose(halves[: len(jet)] + halves[len(jet) :], jet)
    share = halves[: len(jet), 3] / jet[:, 3]
    assert ((share >= 0.2) & (share <= 0.8)).all()


@pytest.mark.parametrize("angle", [1e-3, 1e-2])
def test_a_splitting_at_an_angle(angle):
    jet = random_particles(200, 1)
    a, b = np.split(lab.split_collinear(jet, 0, angle), 2)
    assert np.allclose(a[:, :3] + b[:, :3], jet[:, :3])
    assert np.allclose((a + b)[:, 3], jet[:, 3], rtol=angle**2)
    between = np.einsum("ij,ij->i", a[:, :3], b[:, :3])
    between /= np.linalg.norm(a[:, :3], axis=1) * np.linalg.norm(b[:, :3], axis=1)
    assert np.arccos(between) == pytest.approx(angle, rel=1e-3)
    for part in (a, b):  # each on its own share of the mass
        assert (part[:, 3] >= np.linalg.norm(part[:, :3], axis=1) * (1 - 1e-12)).all()


def test_soft_particles_are_soft_massless_and_near():
    jet = random_particles(10, 0, spread=0.1)
    more = lab.add_soft(jet, seed=1, energy=1e-3, count=50)
    assert (more[:10] == jet).all()
    pt, y, phi = lab.coordinates(more[10:])
    assert pt == pytest.approx(np.full(50, 1e-3))
    _, y0, phi0 = lab.coordinates(jet.sum(axis=0)[None])
    assert np.abs(y - y0).max() <= 0.7 and np.abs(lab.turn(phi - phi0)).max() <= 0.7
    assert np.abs(more[10:, 3] - np.linalg.norm(more[10:, :3], axis=1)).max() < 1e-12


def test_what_the_observables_feel():
    """The claim C35 on a few jets: SoftDrop is continuous, the cuts on pT jump."""
    few = lab.load_jets("W")[:12]

    def groomed(jet):
        return lab.mass(jet[lab.soft_drop(lab.cluster(jet)).kept])

    def cut(jet):
        return lab.mass(jet[lab.harder_than(jet, 2)])

    def at(angle):
        return lambda jet, seed: lab.split_collinear(jet, seed, angle)

    assert lab.changes(groomed, few, lab.split_collinear).max() < 1e-8
    assert lab.changes(groomed, few, lab.add_soft).max() < 1e-3
    assert np.median(lab.changes(cut, few, lab.split_collinear)) > 1
    wide, narrow = (np.median(lab.changes(groomed, few, at(a))) for a in (1e-2, 1e-3))
    assert wide / narrow == pytest.approx(100, rel=0.5)


# The sample


def test_the_sample_is_what_it_says():
    wanted = {"W": (95, 108), "W alone": (81, 88), "QCD": (90, 130)}
    for name, (low, high) in wanted.items():
        jets = lab.load_jets(name)
        assert len(jets) == 300
        masses = np.array([lab.mass(jet) for jet in jets])
        assert low < np.median(masses) < high
        for jet in jets:
            px, py, pz, E = jet.T
            assert jet.dtype == np.float64 and np.isfinite(jet).all()
            assert math.hypot(px.sum(), py.sum()) > 499
            assert (E >= np.sqrt(px**2 + py**2 + pz**2)).all()
    said = lab.how_made()
    for words in ("Pythia 8.", "anti-kt R = 1.0", "Random:seed = 1", "PartonLevel:MPI = off"):
        assert words in said


def test_another_name_is_refused_with_the_right_ones():
    with pytest.raises(ValueError, match="expected one of QCD, W, W alone"):
        lab.load_jets("Z")


def test_a_broken_file_is_noticed(tmp_path, monkeypatch):
    from importlib.resources import files

    whole = files("course_lib.labs").joinpath("jets_data/jets.npz").read_bytes()
    middle = len(whole) // 2
    monkeypatch.setattr(lab, "files", lambda _: tmp_path)
    (tmp_path / "jets_data").mkdir()
    for broken in (whole[:middle], whole[:middle] + b"\0\1\2\3" + whole[middle + 4 :]):
        (tmp_path / "jets_data/jets.npz").write_bytes(broken)
        with pytest.raises(ValueError, match="broken"):
            lab.load_jets("W")


def test_rounding_keeps_twelve_bits():
    from course_lib.labs.make_jets import rounded

    values = np.random.default_rng(0).normal(0, 100, 1000)
    short = rounded(values)
    assert short.dtype == np.float32
    assert np.abs(short / values - 1).max() <= 2**-12
    mantissa, _ = np.frexp(short.astype(np.float64))
    assert (mantissa * 2**12 == np.round(mantissa * 2**12)).all()


@pytest.mark.skipif(not importlib.util.find_spec("pythia8mc"), reason="pythia8mc is not installed")
def test_the_script_still_makes_such_jets():
    from course_lib.labs import make_jets

    first, second = make_jets.hard_jets(make_jets.SAMPLES["W"], 2)
    for jet, stored in zip((first, second), lab.load_jets("W")[:2], strict=True):
        assert jet.shape == (len(stored), 4)
        assert np.allclose(jet[:, :3], stored[:, :3], rtol=2**-11)
