"""Names that have moved: the old ones work for one release more, and say where the thing is now.

All that is left of a module that is gone is its docstring and

    from course_lib.old_names import moved

    __getattr__ = moved(__name__)

A module that is still there, and that names have left, ends with `__getattr__ = left(__name__)`.
"""

import warnings
from collections.abc import Callable
from importlib import import_module
from types import ModuleType

# Where to look for what a module had; the first that has it is the place to import it from.
MOVED = {
    f"course_lib.{old}": [f"course_lib.{place}" for place in places.split()]
    for old, places in (
        ("labs.nofreelunch", "labs.no_free_lunch"),
        ("labs.thresholding", "labs.approximation"),
        ("pruning.iterative", "pruning pruning.cut pruning.rounds pruning.gradual pruning.store"),
        (
            "pruning.saliency",
            "pruning pruning.criteria pruning.curvature pruning.scoring pruning.ablation",
        ),
        ("sparse.layers", "sparse sparse.linear sparse.convolution sparse.convert"),
    )
}
# Names that have left their module alone, or got another name: (module, name) of then and of now.
LEFT: dict[tuple[str, str], tuple[str, str]] = {
    ("course_lib.labs.fairness", "card_table"): ("course_lib.labs.report_card", "card_table"),
    ("course_lib.labs.fairness", "report_card"): ("course_lib.labs.report_card", "group_card"),
    **{
        ("course_lib.labs.fairness", name): ("course_lib.labs.people", name)
        for name in ("Grouped", "census", "scrambled", "table", "transposed", "with_minority")
    },
    **{
        ("course_lib.labs.recovery", name): ("course_lib.labs.recovery", now)
        for name, now in (
            ("debias", "refit"),
            ("largest", "largest_support"),
            ("measure", "frequencies"),
        )
    },
    ("course_lib.labs.report_card", "made_people"): ("course_lib.labs.people", "made_people"),
}


def moved(old: str) -> Callable[[str], object]:
    """Return the `__getattr__` of a module that is gone.

    It finds each of the module's names where it is now, with a DeprecationWarning that says where.

    Args:
        old: the name of the module, one of `MOVED`.
    """

    def find(name: str) -> object:
        if name == "__all__":  # what `import *` takes
            return sorted(
                {each for place in MOVED[old] for each in _things(place) if each[0] != "_"}
            )
        if not name.startswith("__"):  # what tools ask of every module
            for place in MOVED[old]:
                if name in _things(place):
                    return _found(old, name, place, name)
        raise AttributeError(f"module {old!r} has no attribute {name!r}")

    return find


def _things(place: str) -> set[str]:
    """Return what a module has; the modules of a room are none of it."""
    module = import_module(place)
    return {name for name in dir(module) if not isinstance(getattr(module, name), ModuleType)}


def left(old: str) -> Callable[[str], object]:
    """Return the `__getattr__` of a module that names have left, as `moved` does of one gone.

    Args:
        old: the name of the module, with names in `LEFT`.
    """

    def find(name: str) -> object:
        if (old, name) not in LEFT:
            raise AttributeError(f"module {old!r} has no attribute {name!r}")
        return _found(old, name, *LEFT[old, name])

    return find


def _found(old: str, name: str, place: str, now: str) -> object:
    """Return what has another place, and warn whoever asked for it by the old one."""
    warnings.warn(
        f"{old}.{name} is gone with the next release: write from {place} import {now}",
        DeprecationWarning,
        stacklevel=3,
    )
    return getattr(import_module(place), now)
