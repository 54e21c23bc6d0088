"""`course lab`: JupyterLab on the course."""

import os
import sys
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import click
import nbformat

from course_lib.chapters import chapters
from course_lib.cli.place import course_root, writable
from course_lib.cli.ports import free_port, until_ctrl_c

# Pages open as pages, no news is fetched, and what jupyterlab-myst shows is put right. What lies in
# `labconfig` Jupyter Notebook reads too: JupyterLab's button "Notebook" opens it.
SETTINGS = Path(__file__).with_name("lab_settings")
# nbgrader's own buttons are the instructor's (`course formgrader`), and would judge otherwise.
NBGRADER = [
    f"nbgrader.server_extensions.{name}"
    for name in ("assignment_list", "course_list", "formgrader", "validate_assignment")
]


@click.command()
@click.option("--port", type=click.IntRange(1, 65535), default=8888, show_default=True)
@click.option("--browser/--no-browser", default=True, help="Open a browser window.")
@click.option(
    "--list", "only_list", is_flag=True, help="List the assignments and how far they are."
)
def lab(port: int, browser: bool, only_list: bool) -> None:
    """Open JupyterLab on the course: a page of chapters and assignments to start from."""
    from course_lib.cli.start import as_text, write_start_page

    if only_list:
        click.echo(as_text(course_root()))
        return
    if find_spec("jupyterlab") is None:
        raise ModuleNotFoundError("jupyterlab", name="jupyterlab")
    root = course_root()
    writable(root)
    start = write_start_page(root).name
    trust(chapters(root))
    here = Path(sys.executable).parent
    os.environ["PATH"] = f"{here}{os.pathsep}{os.environ.get('PATH', '')}"  # `course` is found
    further = os.environ.get("JUPYTER_CONFIG_PATH")
    os.environ["JUPYTER_CONFIG_PATH"] = os.pathsep.join(filter(None, [str(SETTINGS), further]))
    options = [
        f"--ServerApp.root_dir={root}",
        f"--port={free_port(port)}",
        f"--LabApp.default_url=/lab/tree/{start}",
        "--LabApp.custom_css=True",
        f"--ServerApp.tornado_settings={ {'static_custom_path': [str(SETTINGS / 'custom')]} }",
        # No login shell, which might forget the path; and no tabs that another course left open.
        f"--ServerApp.terminado_settings={ {'shell_command': [os.environ.get('SHELL', 'sh')]} }",
        f"--LabApp.workspaces_dir={root / '_build' / 'lab'}",
        "--LanguageServerManager.autodetect=False",  # the course brings none
        "--KernelManager.transport_encryption=auto",  # on a shared machine others see no cell
        *(f"--ServerApp.jpserver_extensions={name}=False" for name in NBGRADER),
    ]
    if not browser:
        options.append("--no-browser")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        options.append("--allow-root")
    os.chdir(root)
    from jupyterlab.labapp import LabApp

    until_ctrl_c(LabApp.initialize_server(argv=options))


def trust(paths: list[Path]) -> None:
    """Sign the course's own chapters, so that JupyterLab shows their stored sliders at once.

    One that cannot be read is left to JupyterLab, which says what is wrong with it.
    """
    from nbformat.sign import NotebookNotary

    notary = NotebookNotary()
    for path in paths:
        with suppress(Exception):  # nbformat raises whatever its converters stumble over
            notary.sign(nbformat.read(path, as_version=4))
