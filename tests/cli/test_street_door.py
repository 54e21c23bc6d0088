"""What a newcomer meets first: hooks, workflows, templates, attributes, front pages."""

import re
import shlex
import subprocess
import sys
import tomllib
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote

import pytest
import yaml
from markdown_it import MarkdownIt

from course_lib.cli.doctor import pins

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
GITHUB = ROOT / ".github"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PAGES = ("CHANGELOG.md", "CODE_OF_CONDUCT.md", "CONTRIBUTING.md", "SECURITY.md")
CONFIG = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
HOOKS = {hook["id"]: hook for repo in CONFIG["repos"] for hook in repo["hooks"]}


def test_hooks_are_the_tools_that_are_pinned():
    """Of `.venv`, in which `make format` and `make check` put them: no second set of versions."""
    assert {repo["repo"] for repo in CONFIG["repos"]} == {"local"} and len(HOOKS) > 3
    packages = {"ruff": "ruff", "mypy": "mypy", "lint-imports": "import-linter"}
    pinned = pins((ROOT / "constraints.txt").read_text())
    for hook in HOOKS.values():
        folder, _, program = shlex.split(hook["entry"])[0].rpartition("/")
        assert hook["language"] == "system" and folder == ".venv/bin"
        assert packages[program] in pinned and (BIN / program).is_file()


def test_hooks_of_a_commit_mend_a_file(tmp_path):
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "bin").symlink_to(BIN)
    (tmp_path / "pyproject.toml").write_bytes((ROOT / "pyproject.toml").read_bytes())
    (tmp_path / "untidy.py").write_text('"""About."""\nimport sys\nimport os\nprint( os,sys )\n')
    for hook in HOOKS.values():
        if "stages" not in hook:
            subprocess.run(
                [*shlex.split(hook["entry"]), "untidy.py"],
                cwd=tmp_path, check=True, capture_output=True,
            )  # fmt: skip
    mended = '"""About."""\n\nimport os\nimport sys\n\nprint(os, sys)\n'
    assert (tmp_path / "untidy.py").read_text() == mended


def steps(workflow):
    """The jobs of a workflow, each with its steps."""
    for job in workflow["jobs"].values():
        for step in job["steps"]:
            yield job, step


WORKFLOWS = {p.stem: yaml.safe_load(p.read_text()) for p in (GITHUB / "workflows").glob("*.yml")}


def test_workflows_call_what_there_is():
    """Targets of make, files, and each action in one version throughout."""
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {"quick", "full", "weekly", "pages"} == WORKFLOWS.keys()
    used, called = set(), set()
    for workflow in WORKFLOWS.values():
        for _, step in steps(workflow):
            if "uses" in step:
                used.add(step["uses"])
            words = shlex.split(step.get("run", ""), comments=True)
            called |= {b for a, b in pairwise(words) if a == "make"}
            for word in words:
                if word.startswith(("tests/", ".ci/")):
                    assert (ROOT / word).exists(), word
    assert called <= targets and {"check", "format", "test"} <= called
    assert all(re.fullmatch(r"actions/[a-z-]+@v\d+", action) for action in used)
    assert len(used) == len({action.partition("@")[0] for action in used}), used


def test_the_quick_workflow_runs_on_every_python_of_the_range():
    told = {c.rpartition(" ")[2] for c in PROJECT["classifiers"] if " :: 3." in c}
    jobs = WORKFLOWS["quick"]["jobs"]
    assert set(jobs["linux"]["strategy"]["matrix"]["python"]) == told
    mac = jobs["macos"]
    assert mac["runs-on"].startswith("macos") and set(mac["strategy"]["matrix"]["python"]) < told
    assert "make test LONG=1" in str(WORKFLOWS["weekly"]["jobs"])


@pytest.mark.parametrize("name", ["bug", "teaching"])
def test_an_issue_form_is_one_that_the_hosting_site_reads(name):
    """By its rules: known kinds of field, each with its label, each id once."""
    form = yaml.safe_load((GITHUB / "ISSUE_TEMPLATE" / f"{name}.yml").read_text())
    assert form["name"] and form["description"] and form["body"]
    ids = [field["id"] for field in form["body"] if field["type"] != "markdown"]
    assert len(set(ids)) == len(ids) > 2
    for field in form["body"]:
        assert field["type"] in {"markdown", "textarea", "input", "dropdown", "checkboxes"}
        assert field["attributes"]["value" if field["type"] == "markdown" else "label"]
    assert any(field.get("validations", {}).get("required") for field in form["body"])
    assert "student" in str(form["body"][0])  # whose name and work are not for an issue


def test_a_report_of_a_hole_is_led_past_the_public_issues():
    config = yaml.safe_load((GITHUB / "ISSUE_TEMPLATE" / "config.yml").read_text())
    links = [link["url"] for link in config["contact_links"]]
    assert f"{PROJECT['urls']['Repository']}/security/policy" in links
    assert "SECURITY.md" in (GITHUB / "ISSUE_TEMPLATE" / "bug.yml").read_text()


def test_git_compares_notebooks_by_cells_and_attributes_name_what_is_there():
    """Where nbdime is switched on; without it git takes them as text."""
    names = ["notebooks/01_sparse_approximation.ipynb", "course_lib/__init__.py"]
    ask = ["git", "check-attr", "diff", "merge", "--", *names]
    said = subprocess.check_output(ask, cwd=ROOT, text=True).splitlines()
    assert [line.rpartition(": ")[2] for line in said] == ["jupyternotebook"] * 2 + [
        "unspecified"
    ] * 2
    for line in (ROOT / ".gitattributes").read_text().splitlines():
        if line and not line.startswith("#"):
            pattern = line.split()[0]
            found = subprocess.check_output(["git", "ls-files", "--", pattern], cwd=ROOT)
            assert found, f".gitattributes: nothing is called {pattern}"


@pytest.mark.parametrize("name", PAGES)
def test_links_of_the_front_pages_lead_somewhere(name):
    """Within the repository to a file that is tracked; elsewhere by https."""
    tokens = MarkdownIt().parse((ROOT / name).read_text())
    inside = [token for block in tokens for token in block.children or []]
    found = [unquote(token.attrs["href"]) for token in inside if "href" in token.attrs]
    for link in found:
        if not link.startswith("https://"):
            tracked = subprocess.check_output(["git", "ls-files", "--", link], cwd=ROOT)
            assert tracked, f"{name} leads to {link}, which is not tracked"
    assert found or name == "CONTRIBUTING.md"


def test_what_the_front_pages_name_is_there():
    """Files and commands in code spans: a page that names what is gone misleads."""
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    template = (GITHUB / "PULL_REQUEST_TEMPLATE.md").read_text()
    named = re.findall(r"`make ([a-z]+)", template + (ROOT / "CONTRIBUTING.md").read_text())
    assert len(named) > 3 and set(named) <= targets
    files = re.findall(
        r"`((?:tests|exercises|book)/[\w./]+\.\w+)`", (ROOT / "SECURITY.md").read_text()
    )
    assert files and all((ROOT / file).is_file() for file in files)
