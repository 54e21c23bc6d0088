"""Make the sample of jets that chapter 13 reads: `python -m course_lib.labs.make_jets`.

It needs `pip install 'course_lib[jets]'`, the event generator Pythia, and takes about a minute.
Protons collide at 13 TeV. In two of three samples they make a W boson beside a Z: the W decays to
quarks, the Z to neutrinos, which leave no trace. In the third they make ordinary quarks and gluons.
Of every collision the hardest jet is taken (anti-kt, R = 1), if its pT is above 500 GeV.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from course_lib.labs.jets import Array, cluster

FILE = Path(__file__).parent / "jets_data" / "jets.npz"
RADIUS, LEAST_PT, JETS = 1.0, 500.0, 300

ALL = [
    "Print:quiet = on",
    "Beams:eCM = 13000.",
    "PhaseSpace:pTHatMin = 500.",
    "Random:setSeed = on",
]
W = [
    "WeakDoubleBoson:ffbar2ZW = on",
    "24:onMode = off", "24:onIfAny = 1 2 3 4 5",  # the W to quarks
    "23:onMode = off", "23:onIfAny = 12 14 16",  # the Z to neutrinos
]  # fmt: skip
SAMPLES = {
    "W": [*ALL, *W, "Random:seed = 1"],
    "W alone": [*ALL, *W, "PartonLevel:MPI = off", "Random:seed = 2"],
    "QCD": [*ALL, "HardQCD:all = on", "Random:seed = 3"],
}
BITS = 12  # of each momentum: a relative error of 1e-4, far below a detector's


def collisions(settings: list[str]) -> Iterator[Array]:
    """Simulate collisions; yield what can be seen of each: rows (px, py, pz, E, m)."""
    import pythia8mc

    pythia = pythia8mc.Pythia("", False)
    for line in settings:
        pythia.readString(line)
    if not pythia.init():
        raise RuntimeError(f"Pythia refuses {settings}: look at its messages with Print:quiet off.")
    while True:
        if pythia.next():
            seen = (p for p in pythia.event if p.isFinal() and p.isVisible() and abs(p.eta()) < 5)
            yield np.array([(p.px(), p.py(), p.pz(), p.e(), p.m()) for p in seen])


def hard_jets(settings: list[str], count: int) -> Iterator[Array]:
    """Yield the particles of the hardest jets, rows (px, py, pz, m)."""
    found = 0
    for seen in collisions(settings):
        clustering = cluster(seen[:, :4], RADIUS, power=-1)
        jet = clustering.jets[0]
        if clustering.pt[jet] > LEAST_PT:
            yield seen[sorted(clustering.leaves(jet))][:, [0, 1, 2, 4]]
            found += 1
        if found == count:
            return


def rounded(values: Array) -> NDArray[np.float32]:
    """Return float32 with all but the leading bits set to zero, so that it compresses."""
    mantissa, exponent = np.frexp(values)
    short: Array = np.ldexp(np.round(np.ldexp(mantissa, BITS)), exponent - BITS)
    return short.astype(np.float32)


def main(path: Path = FILE) -> None:
    """Make all samples and write the file."""
    from importlib.metadata import version

    made = [
        f"Pythia {version('pythia8mc')}; hardest jet, anti-kt R = {RADIUS}, pT > {LEAST_PT} GeV"
    ]
    parts: dict[str, Any] = {}
    for name, settings in SAMPLES.items():
        jets = list(hard_jets(settings, JETS))
        parts[f"{name}/particles"] = rounded(np.concatenate(jets).T)
        parts[f"{name}/counts"] = np.array([len(jet) for jet in jets], dtype=np.uint16)
        made.append(f"{name}: {'; '.join(settings)}")
        print(f"{name}: {len(jets)} jets, {sum(map(len, jets)):,} particles", file=sys.stderr)
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, made=np.array("\n".join(made)), **parts)


if __name__ == "__main__":
    main()
