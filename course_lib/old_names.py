"""Names that have moved: the old ones work for one release more, and say where the thing is now.

All that is left of a module that is gone is its docstring and

    from course_lib.old_names import moved

    __getattr__ = moved(__name__)
"""

import warnings
from collections.abc import Callable
from importlib import import_module

# Where to look for what a module had; the first that has it is the place to import it from.
MOVED: dict[str, tuple[str, ...]] = {
    "course_lib.labs.nofreelunch": ("course_lib.labs.no_free_lunch",),
    "course_lib.labs.thresholding": ("course_lib.labs.approximation",),
}


def moved(old: str) -> Callable[[str], object]:
    """Return the `__getattr__` of a module that is gone.

    It finds each of the module's names where it is now, with a DeprecationWarning that says where.

    Args:
        old: the name of the module, one of `MOVED`.
    """

    def find(name: str) -> object:
        if not name.startswith("__"):  # what tools ask of every module
            for place in MOVED[old]:
                module = import_module(place)
                if hasattr(module, name):
                    warnings.warn(
                        f"{old} is gone with the next release: write from {place} import {name}",
                        DeprecationWarning,
                        stacklevel=2,
                    )
                    return getattr(module, name)
        raise AttributeError(f"module {old!r} has no attribute {name!r}")

    return find
