"""`course mutants`: show that each known mistake loses its points, and is named."""

import json
import os
from contextlib import closing

import click

from course_lib.cli.place import course_root
from course_lib.files import write_whole


@click.command()
@click.argument("names", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All assignments.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for machines.")
@click.option("--store", is_flag=True, help="Store what the book shows, if all is as declared.")
@click.option("--workers", type=click.IntRange(1), help="Processes; one a core if not given.")
def mutants(
    names: tuple[str, ...], everything: bool, as_json: bool, store: bool, workers: int | None
) -> None:
    """Grade the reference, the stub, every mutant and every alternative of assignments NAMES.

    It is done in the jail, as for students. Prints the kill matrix. Exit code 1 on any deviation
    from what the mutants declare; of such an assignment nothing is stored.
    """
    from tqdm import tqdm

    from course_lib.grading.authoring.assignment import Assignment, assignments
    from course_lib.grading.authoring.kill_matrix import count, matrices, merged, text
    from course_lib.grading.errors import Refusal

    root = course_root()
    known = assignments(root / "exercises")
    if not names and not everything:
        raise click.UsageError("name an assignment, or say --all")
    try:
        chosen = known if everything else list(dict.fromkeys(names))
        given = {name: Assignment(root / "exercises", name) for name in chosen}
        found = []
        with tqdm(total=sum(map(count, given.values())), unit="notebook", disable=None) as bar:
            processes = workers or os.cpu_count() or 1
            coming = matrices(list(given.values()), processes, step=bar.update)
            with closing(coming):
                for matrix in coming:
                    found.append(matrix)
                    if not as_json:
                        lines = [f"DEVIATION {problem}" for problem in matrix["problems"]]
                        told = [matrix["assignment"], text(matrix), *lines]
                        bar.write("\n".join(told) + "\n")
    except Refusal as refusal:
        raise click.ClickException(str(refusal)) from refusal
    if as_json:
        found.sort(key=lambda matrix: known.index(matrix["assignment"]))
        click.echo(json.dumps(found, indent=1, ensure_ascii=False))
    if store:
        path = root / "book" / "instructor" / "kill_matrix.json"
        proved = [given[matrix["assignment"]] for matrix in found if matrix["ok"]]
        write_whole(
            path, merged(path, proved, assignments(root / "exercises", untaught=True)), parents=True
        )
        click.echo(f"{len(proved)} stored in {path.relative_to(root)}", err=True)
    if not all(matrix["ok"] for matrix in found):
        raise SystemExit(1)
