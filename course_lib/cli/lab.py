"""`course lab`: JupyterLab on the course."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec

import click

from course_lib.cli.place import course_root
from course_lib.cli.ports import free_port


@click.command()
@click.option("--port", type=click.IntRange(1, 65535), default=8888, show_default=True)
@click.option("--browser/--no-browser", default=True, help="Open a browser window.")
def lab(port: int, browser: bool) -> None:
    """Open JupyterLab on the course: chapters in notebooks/, assignments in exercises/."""
    if find_spec("jupyterlab") is None:
        raise ModuleNotFoundError("jupyterlab", name="jupyterlab")
    root = course_root()
    options = [f"--ServerApp.root_dir={root}", f"--port={free_port(port)}"]
    if not browser:
        options.append("--no-browser")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        options.append("--allow-root")
    os.chdir(root)
    # JupyterLab takes the place of this process: Ctrl-C is then its own affair.
    os.execv(sys.executable, [sys.executable, "-m", "jupyterlab", *options])
