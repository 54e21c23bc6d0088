"""The rules of the house: style, types, layers, pins, nothing of one machine in what is tracked."""

import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent


@pytest.mark.parametrize(
    "command",
    [["ruff", "check"], ["ruff", "format", "--check"], ["mypy"], ["lint-imports", "--no-cache"]],
    ids=" ".join,
)
def test_tools_find_nothing(command):
    result = subprocess.run(
        [BIN / command[0], *command[1:]], cwd=ROOT, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stdout + result.stderr


def pins():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


def asked_for():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    asked = [Requirement(text) for group in groups for text in group]
    return [wanted for wanted in asked if wanted.name != project["name"]]


def test_every_dependency_is_pinned_within_its_range():
    pinned = {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in pins().items()}
    for wanted in asked_for():
        assert pinned[wanted.name.lower()] in wanted.specifier, wanted


def test_pins_fit_every_machine():
    for name, version in pins().items():
        assert re.fullmatch(r"[0-9][0-9a-z.]*", version), f"{name}=={version}"
        assert not re.match(r"course|nvidia|cuda|triton", name)
    assert "://" not in (ROOT / "constraints.txt").read_text()


def test_what_is_tested_is_what_is_pinned():
    other = {name: metadata.version(name).split("+")[0] for name in pins()}
    assert other == pins()


def tracked():
    names = subprocess.check_output(["git", "ls-files", "-z"], cwd=ROOT, text=True).split("\0")
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


def test_no_path_of_this_machine_is_tracked():
    """A path of the machine that ran a chapter would be a diff on every other."""
    roots = {f"{ROOT}/", f"{Path.home()}/"} - {"//"}
    for path in tracked():
        text = path.read_bytes().decode("utf-8", errors="ignore")
        found = [root for root in roots if root in text]
        assert not found, f"{path.relative_to(ROOT)} names {found}"


def test_no_large_file_is_tracked():
    large = [p.relative_to(ROOT) for p in tracked() if p.stat().st_size > 2 * 2**20]
    assert not large


def test_the_repository_has_one_address():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    address = project["urls"]["Repository"]
    for name in ("_config.yml", "CITATION.cff", "README.md"):
        found = set(re.findall(r"https://github\.com/[\w.-]+/[\w.-]+", (ROOT / name).read_text()))
        assert found == {address}, name


def test_what_is_carried_has_its_licence_beside_it():
    carried = [p for p in (ROOT / "book" / "_static" / "vendor").iterdir() if p.is_dir()]
    notice = (ROOT / "NOTICE").read_text()
    for folder in carried:
        assert (folder / "LICENSE").stat().st_size > 500, folder.name
        assert f"vendor/{folder.name}" in notice
