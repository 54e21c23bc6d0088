"""Makes `book/_static/vendor/pyodide`: Python and NumPy as scripts that any page may load.

    npm pack pyodide@0.27.7
    python book/vendoring/pyodide.py pyodide-0.27.7.tgz numpy-2.0.2-...-wasm32.whl

A page that was opened from a folder may fetch nothing, but it may load scripts. So each file that
Pyodide would fetch is kept as text in scripts, gzip in base64, in parts of at most two megabytes;
its bytes are those of the package. The lock file is cut to NumPy alone. Behind what is in the two
archives stands bytecode, which this very Python makes in Node (`bytecode.py`): to compile what a
page imports took two fifths of its start. What `contents.js` gives as SHA-256 is without it.

It fetches nothing itself, and writes the same bytes from the same files (and the same zlib).
"""

import base64
import gzip
import hashlib
import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

TARGET = Path(__file__).parents[1] / "_static" / "vendor" / "pyodide"
CORE = ("pyodide.js", "pyodide.asm.js", "pyodide.asm.wasm", "python_stdlib.zip")
LOCK = "pyodide-lock.json"
# What the package's page on the registry says of it, as `npm view pyodide@0.27.7 dist` shows it.
PACKAGE = "RUSVJlhQdfWfgO9hVHCiXoG+nVZQRS5D9FzgpLJ/VcgGBLSAKoPL8kTiOikxbHQm1kRISeWUBdulEgO26qpSRA=="
PART = 1_500_000  # characters


def read(package: Path, wheel: Path) -> dict[str, bytes]:
    """Return what Pyodide fetches to start with NumPy, by name.

    Raises:
        ValueError: one of the two files is not the one that is meant.
    """
    found = base64.b64encode(hashlib.sha512(package.read_bytes()).digest()).decode()
    if found != PACKAGE:
        raise ValueError(f"{package} has the SHA-512 {found}, expected {PACKAGE}")
    with tarfile.open(package) as tar:
        members = {name: tar.extractfile(f"package/{name}") for name in (*CORE, LOCK)}
        files = {name: member.read() for name, member in members.items() if member}
    lock = json.loads(files[LOCK])
    lock["packages"] = {"numpy": lock["packages"]["numpy"]}
    wanted, given = lock["packages"]["numpy"]["sha256"], sha256(wheel.read_bytes())
    if given != wanted:
        raise ValueError(f"{wheel} has the SHA-256 {given}, Pyodide's lock file wants {wanted}")
    return files | {LOCK: json.dumps(lock).encode(), wheel.name: wheel.read_bytes()}


def compiled(files: dict[str, bytes], wheel: str) -> dict[str, bytes]:
    """Return the same files, with bytecode in the archives."""
    with tempfile.TemporaryDirectory() as folder:
        for name, data in files.items():
            (Path(folder) / name).write_bytes(data)
        script = Path(__file__).with_name("bytecode.cjs")
        subprocess.run(["node", script, folder, wheel], check=True)
        return {name: (Path(folder) / name).read_bytes() for name in files}


def sha256(data: bytes) -> str:
    """Return the digest as the lock file writes it."""
    return hashlib.sha256(data).hexdigest()


def main(package: Path, wheel: Path) -> None:
    """Write the scripts, and `contents.js`, which says what they hold."""
    given = read(package, wheel)
    files = compiled(given, wheel.name)
    for old in TARGET.glob("*.js"):
        old.unlink()
    TARGET.mkdir(parents=True, exist_ok=True)
    contents = {}
    for name, data in files.items():
        text = base64.b64encode(gzip.compress(data, 9, mtime=0)).decode()
        parts = [text[i : i + PART] for i in range(0, len(text), PART)]
        for number, part in enumerate(parts):
            script = f'(self.swParts ??= {{}})["{name}.{number}"] = "{part}";\n'
            (TARGET / f"{name}.{number}.js").write_text(script)
        contents[name] = {"parts": len(parts), "bytes": len(data), "sha256": sha256(given[name])}
    said = json.dumps(contents, indent=1)
    (TARGET / "contents.js").write_text(f"(self.swParts ??= {{}}).contents = {said};\n")
    print(f"{TARGET}: {sum(p.stat().st_size for p in TARGET.glob('*.js')) / 1e6:.1f} MB")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
