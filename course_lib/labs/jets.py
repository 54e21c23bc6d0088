"""Jets: clustering particles, grooming what was clustered, and tests of what an observable feels.

A *particle* is a row (px, py, pz, E) in GeV; a jet is an array of them, float64 (n, 4). The beam is
the z axis. Where a particle flies is told by its rapidity y along the beam and its azimuth phi
around it: two coordinates on a cylinder, which we unroll.

    tree = cluster(jet)                   # who joined whom, from the smallest angle to the largest
    groomed = soft_drop(tree)             # which branches stay
    mass(jet[groomed.kept])

The observables that chapter 13 compares are functions from particles to a number.
"""

import math
from collections.abc import Callable, Iterator
from importlib.resources import files
from typing import Any, NamedTuple
from zipfile import BadZipFile
from zlib import error as ZlibError

import numpy as np
import torch
from numpy.typing import NDArray

from course_lib.masks import top_k

Array = NDArray[np.float64]
Observable = Callable[[Array], float]
Treatment = Callable[[Array, int], Array]  # from a jet and a seed to the jet treated

W_MASS = 80.37  # GeV; Navas et al. (2024)


# Where particles fly


def coordinates(particles: Array) -> tuple[Array, Array, Array]:
    """Return transverse momentum pT (GeV), rapidity y and azimuth phi in (-pi, pi], each (n,).

    Raises:
        ValueError: not an array (n, 4) of finite numbers, or a particle with no pT or with less
            energy than momentum along the beam, which has no place on the cylinder.
    """
    particles = np.asarray(particles, dtype=np.float64)
    if particles.ndim != 2 or particles.shape[1] != 4 or not np.isfinite(particles).all():
        raise ValueError(
            f"particles: given an array of shape {particles.shape}, expected (n, 4) with finite "
            "px, py, pz, E in a row. For one particle write p[None]."
        )
    px, py, pz, E = particles.T
    pt = np.hypot(px, py)
    if not ((pt > 0) & (E >= np.abs(pz))).all():
        raise ValueError(
            "particles: given one along the beam (pT = 0) or with E < |pz|, expected pT > 0 and "
            "E >= |p|. Leave it out: it flew down the pipe."
        )
    # log((E + |pz|) / mT) rather than log((E + pz) / (E - pz)) / 2: no difference of equal numbers.
    squared_mass = np.maximum(E**2 - px**2 - py**2 - pz**2, 0)
    y = np.copysign(np.log((E + np.abs(pz)) / np.sqrt(pt**2 + squared_mass)), pz)
    return pt, y, np.arctan2(py, px)


def turn(phi: Any) -> Any:
    """Bring a difference of azimuths into [-pi, pi): the short way round the cylinder.

    Args:
        phi: radians.

    Examples:
        >>> round(turn(6.0), 4)  # nearly once around is a little back
        -0.2832
    """
    return (phi + math.pi) % (2 * math.pi) - math.pi


def squared_distance(y1: Any, phi1: Any, y2: Any, phi2: Any) -> Any:
    """Return (Delta R)^2 = (y1 - y2)^2 + (phi1 - phi2)^2, the azimuth taken the short way round."""
    return (y1 - y2) ** 2 + turn(phi1 - phi2) ** 2


def mass(particles: Array) -> float:
    """Return the mass in GeV of what a set of particles came from: their four-vectors added first.

    No particles have mass 0.

    Args:
        particles: (n, 4).

    Examples:
        >>> mass([[3.0, 0.0, 0.0, 5.0]])
        4.0
        >>> mass([[1.0, 0.0, 0.0, 1.0], [-1.0, 0.0, 0.0, 1.0]])  # two without mass, back to back
        2.0
    """
    px, py, pz, E = np.asarray(particles, dtype=np.float64).reshape(-1, 4).sum(axis=0)
    return math.sqrt(max(E**2 - px**2 - py**2 - pz**2, 0.0))


# Clustering


class Clustering(NamedTuple):
    """Who joined whom. Nodes 0..n-1 are the particles; then comes a node for every joining.

    Attributes:
        momenta: (nodes, 4), in GeV.
        pt: (nodes,), in GeV.
        y: rapidity (nodes,).
        phi: azimuth (nodes,).
        children: (nodes, 2), the two that joined; -1 for a particle.
        jets: the nodes that nobody joined any more, hardest first.
    """

    momenta: Array
    pt: Array
    y: Array
    phi: Array
    children: NDArray[np.int64]
    jets: list[int]

    @property
    def particles(self) -> int:
        """How many particles were clustered."""
        return (len(self.pt) + len(self.jets)) // 2

    def angle(self, node: int) -> float:
        """Return Delta R between the two that joined in a node."""
        a, b = self.children[node]
        return math.sqrt(squared_distance(self.y[a], self.phi[a], self.y[b], self.phi[b]))

    def leaves(self, node: int) -> list[int]:
        """Return the particles of a node, from left to right in its tree."""
        found, waiting = [], [node]
        while waiting:
            here = waiting.pop()
            a, b = (int(child) for child in self.children[here])
            if a < 0:
                found.append(here)
            else:
                waiting += [b, a]
        return found


def cluster(particles: Array, radius: float = math.inf, power: float = 0) -> Clustering:
    """Join the two nearest, again and again, adding their four-vectors.

    Near means d_ij = min(pT_i^2p, pT_j^2p) (Delta R_ij)^2. A node for which pT^2p radius^2 is the
    smallest of all is nearer to the beam than to any other, and is a jet.

    Args:
        particles: (n, 4), at least one.
        radius: of the jets; infinite, everything ends in one, the root of a tree.
        power: p. 0 joins by angle alone (Cambridge/Aachen), -1 the hardest first (anti-kt), 1 the
            softest first (kt).

    Raises:
        ValueError: no particles, a radius that is not positive, or as `coordinates`.

    Source: Dokshitzer et al. (1997); Cacciari, Salam and Soyez (2008), and (2012) for the search:
    the least d_ij is always between some i and its neighbour in angle, so one neighbour each is
    remembered, and the whole takes n^2 steps instead of n^3.
    """
    n = len(particles)
    if n == 0 or not radius > 0:
        raise ValueError(
            f"given {n} particles and radius={radius}, expected at least one and a positive radius."
        )
    momenta = np.zeros((2 * n, 4))
    momenta[:n] = particles
    pt, y, phi, weight = np.zeros((4, 2 * n))
    near, near2 = np.zeros(2 * n, dtype=np.int64), np.full(2 * n, math.inf)
    children = np.full((2 * n, 2), -1, dtype=np.int64)
    alive = np.arange(n)

    def place(nodes: slice) -> None:
        pt[nodes], y[nodes], phi[nodes] = coordinates(momenta[nodes])
        weight[nodes] = pt[nodes] ** (2 * power)

    def look_around(nodes: NDArray[np.int64]) -> Array:
        """Find the nearest neighbours of some nodes; return their distances from all alive."""
        d2: Array = squared_distance(y[nodes, None], phi[nodes, None], y[alive], phi[alive])
        d2[nodes[:, None] == alive] = math.inf
        best = d2.argmin(axis=1)
        near[nodes], near2[nodes] = alive[best], d2[np.arange(len(nodes)), best]
        return d2

    place(slice(0, n))
    look_around(alive)
    jets, new = [], n
    while len(alive):
        i = alive[(weight[alive] * np.minimum(near2[alive], radius**2)).argmin()]
        j = near[i]
        joins = near2[i] < radius**2
        alive = alive[(alive != i) & (alive != j)] if joins else alive[alive != i]
        bereft = (
            alive[(near[alive] == i) | (near[alive] == j)] if joins else alive[near[alive] == i]
        )
        if joins:
            momenta[new], children[new] = momenta[i] + momenta[j], (i, j)
            place(slice(new, new + 1))
            alive = np.append(alive, new)
            bereft = np.append(bereft, new)
        else:
            jets.append(int(i))
        if len(bereft) and len(alive):
            d2 = look_around(bereft)[-1]
            if joins:  # the newcomer may be nearer to others than whom they had
                closer = d2 < near2[alive]
                near2[alive[closer]], near[alive[closer]] = d2[closer], new
        new += joins
    jets.sort(key=lambda node: -pt[node])
    return Clustering(momenta[:new], pt[:new], y[:new], phi[:new], children[:new], jets)


# Grooming


class Groomed(NamedTuple):
    """What is left of a jet, and how it got there.

    Attributes:
        node: where grooming stopped.
        kept: (particles,).
        z: the softer one's share of pT at the node; 0 if it is a single particle.
        angle: Delta R there; 0 if it is a single particle.
        dropped: the branches cut, the widest first.
    """

    node: int
    kept: NDArray[np.bool_]
    z: float
    angle: float
    dropped: list[int]


def soft_drop(tree: Clustering, z_cut: float = 0.1, beta: float = 2, radius: float = 1) -> Groomed:
    """Undo a clustering from the root; cut the softer branch until z > z_cut (Delta R / R)^beta.

    Args:
        tree: one jet, clustered by angle: `cluster(jet)`.
        z_cut: the least share of pT at Delta R = R.
        beta: how much milder the condition is at small angles; at 0 it is the same at all.
        radius: R, of the jet.

    Raises:
        ValueError: more than one jet in the clustering, or z_cut negative or not finite.

    Source: Larkoski, Marzani, Soyez and Thaler (2014).
    """
    if len(tree.jets) != 1 or not 0 <= z_cut < math.inf:
        raise ValueError(
            f"given {len(tree.jets)} jets and z_cut={z_cut}, expected one jet and z_cut >= 0. "
            "Cluster the particles of one jet with an infinite radius."
        )
    node, z, angle, dropped = tree.jets[0], 0.0, 0.0, []
    while tree.children[node, 0] >= 0:
        soft, hard = sorted((int(c) for c in tree.children[node]), key=lambda c: tree.pt[c])
        z = float(tree.pt[soft] / (tree.pt[soft] + tree.pt[hard]))
        angle = tree.angle(node)
        if z > z_cut * (angle / radius) ** beta:
            break
        dropped.append(soft)
        node, z, angle = hard, 0.0, 0.0
    kept = np.zeros(tree.particles, dtype=bool)
    kept[tree.leaves(node)] = True
    return Groomed(node, kept, z, angle, dropped)


def harder_than(particles: Array, least: float) -> NDArray[np.bool_]:
    """Select the particles with pT above `least` GeV: magnitude pruning by a threshold.

    Args:
        particles: (n, 4).
        least: GeV.

    Examples:
        >>> harder_than([[3.0, 0.0, 0.0, 5.0], [1.0, 0.0, 0.0, 1.0]], 2.0)
        array([ True, False])
    """
    return coordinates(particles)[0] > least


def hardest(particles: Array, k: int) -> NDArray[np.bool_]:
    """Select the k particles of largest pT, or all: magnitude pruning by a budget.

    Args:
        particles: (n, 4).
        k: how many.

    Examples:
        >>> hardest([[3.0, 0.0, 0.0, 5.0], [1.0, 0.0, 0.0, 1.0]], 1)
        array([ True, False])
    """
    pt = torch.from_numpy(coordinates(particles)[0])
    return top_k(pt, min(k, len(pt))).numpy()


# What is done to a jet to see what an observable feels


def split_collinear(particles: Array, seed: int, angle: float = 0) -> Array:
    """Split every particle in two that share its momentum, z and 1 - z, z uniform in (.2, .8).

    Args:
        particles: (n, 4).
        seed: of the shares and of the planes of the splittings.
        angle: between the two, for those of equal shares; at 0 they fly on together, and no
            measurement of energies could tell.

    Returns:
        (2n, 4). Momentum is conserved exactly, energy up to terms in angle^2.
    """
    generator = np.random.default_rng(seed)
    z = generator.uniform(0.2, 0.8, (len(particles), 1))
    if angle == 0:
        return np.concatenate([z * particles, (1 - z) * particles])
    p = particles[:, :3]
    own = np.sqrt(np.maximum(particles[:, 3:] ** 2 - (p**2).sum(axis=1, keepdims=True), 0))
    across = np.cross(p, generator.standard_normal(p.shape))
    across *= np.linalg.norm(p, axis=1, keepdims=True) / np.linalg.norm(
        across, axis=1, keepdims=True
    )
    kick = z * (1 - z) * angle * across
    parts = [(share * p + sign * kick, share * own) for share, sign in ((z, 1), (1 - z, -1))]
    return np.concatenate(
        [np.hstack([q, np.sqrt((q**2).sum(axis=1, keepdims=True) + m**2)]) for q, m in parts]
    )


def add_soft(particles: Array, seed: int, energy: float = 1e-6, count: int = 100) -> Array:
    """Add massless particles of the same tiny pT, `energy` in GeV, spread about the jet's axis."""
    generator = np.random.default_rng(seed)
    _, y, phi = (float(c[0]) for c in coordinates(particles.sum(axis=0)[None]))
    y_soft, phi_soft = (c + generator.uniform(-0.7, 0.7, count) for c in (y, phi))
    directions = [np.cos(phi_soft), np.sin(phi_soft), np.sinh(y_soft), np.cosh(y_soft)]
    return np.concatenate([particles, energy * np.stack(directions, axis=1)])


def changes(
    observable: Observable, jets: list[Array], treat: Callable[[Array, int], Array]
) -> Array:
    """Return |observable after - before| for each jet, treated with its number for a seed.

    An observable is safe if this vanishes with the energy and the angle of what was added.
    Source: Sterman and Weinberg (1977).
    """
    found = [abs(observable(treat(jet, seed)) - observable(jet)) for seed, jet in enumerate(jets)]
    return np.array(found)


# The sample


def load_jets(name: str) -> list[Array]:
    """Return 300 simulated jets of one kind, as `make_jets` made them; each (n, 4).

    Args:
        name: "W", from W bosons that decayed to quarks; "W alone", the same with the underlying
            event switched off in the simulation; "QCD", from ordinary quarks and gluons.

    Raises:
        ValueError: another name, or a file that is broken.

    Source: Pythia 8.3, Bierlich et al. (2022).
    """
    stored = dict(_stored())
    if f"{name}/particles" not in stored:
        kinds = sorted(key.split("/")[0] for key in stored if key.endswith("/particles"))
        raise ValueError(f"name: given {name!r}, expected one of {', '.join(kinds)}.")
    px, py, pz, m = stored[f"{name}/particles"].astype(np.float64)
    particles = np.stack([px, py, pz, np.sqrt(px**2 + py**2 + pz**2 + m**2)], axis=1)
    return np.split(particles, np.cumsum(stored[f"{name}/counts"])[:-1])


def how_made() -> str:
    """Return what the sample says of itself: generator, version, settings, seeds."""
    return str(dict(_stored())["made"])


def _stored() -> Iterator[tuple[str, Any]]:
    """Read the file; a zip archive carries a checksum of each part, so damage is noticed."""
    with files(__package__).joinpath("jets_data/jets.npz").open("rb") as file:
        try:
            with np.load(file) as archive:
                yield from archive.items()
        except (BadZipFile, ZlibError, OSError, ValueError, KeyError) as error:
            raise ValueError(
                f"jets_data/jets.npz is broken ({error}). Install the course again, or make the "
                "file anew: python -m course_lib.labs.make_jets."
            ) from error
