"""`course run`: the only writer of the outputs that the notebooks store."""

import asyncio
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import click
import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode

from course_lib.cli.offline import AsyncOfflineKernelManager, namespace
from course_lib.cli.place import chapters, writable
from course_lib.files import write_whole

CELL_SECONDS = 15 * 60  # for what hangs; a cell that computes takes a minute at most
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    # No version: the same outputs are stored from Python 3.11 as from 3.12.
    "language_info": {"name": "python", "pygments_lexer": "ipython3"},
}


class NotebookFailed(Exception):
    """A notebook cannot be run, or shows what must not be stored; the message names the cell."""


@dataclass(frozen=True)
class Cost:
    """What a run took: seconds, the kernel's peak memory in MiB (None: not known), any change."""

    seconds: float
    peak: float | None
    changed: bool


def run_notebook(path: Path) -> Cost:
    """Execute the notebook in a fresh kernel with no network, then store its outputs.

    The file is replaced in one step, and only after everything went well.

    Raises:
        NotebookFailed: it is no notebook, a cell raised, ran too long or wrote to stderr, the
            kernel died, or somebody else changed the file meanwhile.
    """
    nb, before = read(path)
    peak: list[float | None] = [None]

    def measure(**_: object) -> None:
        peak[0] = _peak_memory(getattr(getattr(client.km, "provisioner", None), "pid", None))

    client = NotebookClient(
        nb,
        kernel_manager_class=AsyncOfflineKernelManager,
        kernel_name="python3",
        timeout=CELL_SECONDS,
        startup_timeout=CELL_SECONDS,
        record_timing=False,
        store_widget_state=False,
        coalesce_streams=True,
        resources={"metadata": {"path": str(path.parent)}},
        on_cell_executed=measure,  # the system counts up the peak; the last call has it all
    )
    start = time.perf_counter()
    try:
        _execute(client)
    except CellExecutionError as error:
        where = f"cell {_failed_cell(nb)}: " if _failed_cell(nb) else ""
        raise NotebookFailed(f"{where}{error.ename}: {error.evalue}".strip()) from error
    except CellTimeoutError as error:
        raise NotebookFailed(f"a cell took more than {CELL_SECONDS} s: {error}") from error
    except DeadKernelError as error:
        raise NotebookFailed("the kernel died (out of memory, or it was killed)") from error
    except RuntimeError as error:
        raise NotebookFailed(f"no kernel could be started: {error}") from error
    seconds = time.perf_counter() - start
    normalise(nb)
    after = nbformat.writes(nb) + "\n"
    if path.read_text(encoding="utf-8") != before:
        raise NotebookFailed("it was changed while it ran; run it again")
    if after != before:
        write_whole(path, after.encode(), mode=path.stat().st_mode)
    return Cost(seconds, peak[0], after != before)


def _execute(client: NotebookClient) -> None:
    """Run all cells, in a thread: Ctrl-C then reaches this one, and ends the kernel in order.

    In the main thread nbclient would answer Ctrl-C itself: the kernel has died, as if by mistake.
    """
    begun: Future[tuple[asyncio.AbstractEventLoop, asyncio.Task[None]]] = Future()

    async def cells() -> None:
        task = asyncio.current_task()
        assert task
        begun.set_result((asyncio.get_running_loop(), task))
        await client.async_execute()

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(asyncio.run, cells())
        try:
            running.result()
        except KeyboardInterrupt:
            client.shutdown_kernel = "immediate"
            loop, task = begun.result()
            loop.call_soon_threadsafe(task.cancel)
            raise


def read(path: Path) -> tuple[NotebookNode, str]:
    """Return the notebook and its text.

    Raises:
        NotebookFailed: the file is not a notebook of format 4.
    """
    text = path.read_text(encoding="utf-8")
    try:
        nb = nbformat.reads(text, as_version=4)
        nbformat.validate(nb)
    except Exception as error:  # nbformat raises whatever its converters stumble over
        raise NotebookFailed(f"it is not a notebook that can be read ({error})") from error
    return nb, text


def normalise(nb: NotebookNode) -> None:
    """Keep of a freshly run notebook only what another run on this machine would write again.

    Raises:
        NotebookFailed: a cell wrote to stderr (a warning, a progress bar).
    """
    nb.metadata = nbformat.from_dict(METADATA)
    for number, cell in enumerate(nb.cells, start=1):
        cell.metadata.pop("execution", None)
        if cell.cell_type != "code":
            continue
        if "hide-input" in cell.metadata.get("tags", []):  # folded in the book: in JupyterLab too
            cell.metadata["jupyter"] = {"source_hidden": True}
        if "live" in cell.metadata.get("tags", []):
            cell.outputs = []
        for output in cell.outputs:
            if output.output_type == "stream" and output.name == "stderr":
                raise NotebookFailed(
                    f"cell {number} writes to stderr, which a page must not show: "
                    f"{output.text.strip().splitlines()[0]}"
                )


def _failed_cell(nb: NotebookNode) -> int | None:
    for number, cell in enumerate(nb.cells, start=1):
        if any(output.output_type == "error" for output in cell.get("outputs", [])):
            return number
    return None


def _peak_memory(pid: int | None) -> float | None:
    """Return the highest resident memory of a process in MiB, None where /proc does not tell."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return None
    line = next((line for line in status.splitlines() if line.startswith("VmHWM:")), None)
    return int(line.split()[1]) / 1024 if line else None


@click.command()
@click.argument("names", nargs=-1)
def run(names: tuple[str, ...]) -> None:
    """Run chapters and store their outputs: all, or NAMES (01, 01_sparse_approximation, a path).

    Each runs in a fresh kernel with no network. A notebook is replaced only if all cells ran.
    """
    failed, paths = [], chapters(names)
    writable(paths[0].parent)
    lock = "own network namespace" if namespace() else "guard inside Python only"
    click.echo(f"network: none ({lock})")
    for path in paths:
        try:
            cost = run_notebook(path)
        except NotebookFailed as error:
            failed.append(path.name)
            click.echo(f"{path.name}: FAILED, file left as it was. {error}", err=True)
            continue
        peak = "memory not known" if cost.peak is None else f"{cost.peak:.0f} MiB at its peak"
        stored = "outputs changed" if cost.changed else "outputs unchanged"
        click.echo(f"{path.name}: {cost.seconds:.1f} s, {peak}, {stored}")
    if failed:
        raise click.ClickException(f"could not run: {', '.join(failed)}.")
