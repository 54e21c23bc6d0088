"""Runs cells as a notebook does, for the Python in a page: the worker calls this and no more."""

import ast
import linecache
import traceback

import __main__


def run(source: str, name: str) -> bool:
    """Run a cell's code, print its last value if it has one; say whether it ended well."""
    file = f"<{name}>"
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    try:
        tree = ast.parse(source, file)
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, file, "exec"), vars(__main__))
        if last is not None:
            show(eval(compile(ast.Expression(last.value), file, "eval"), vars(__main__)))
    except BaseException as error:  # SystemExit too: a cell ends nothing but itself
        print(*told(error), sep="\n")
        return False
    return True


def show(value: object) -> None:
    """Print the value of a cell's last line."""
    if value is not None:
        print(repr(value))


def told(error: BaseException) -> list[str]:
    """Return the lines that say what went wrong, and where in the cells."""
    if render := getattr(error, "_render_traceback_", None):
        return list(render())
    steps = traceback.extract_tb(error.__traceback__)
    own = [step for step in steps if step.filename != __file__]
    where = (
        [] if isinstance(error, SyntaxError) or not own else ["Traceback, last call at the end:"]
    )
    where += [line.rstrip("\n") for line in traceback.format_list(own)] if where else []
    return where + [line.rstrip("\n") for line in traceback.format_exception_only(error)]


def forget() -> None:
    """Forget all that cells have defined, as a kernel does that is started anew."""
    names = vars(__main__)
    for name in [name for name in names if not name.startswith("__")]:
        del names[name]
