"""Old names work for one release more, say where the thing is now, and are the same thing."""

import warnings
from importlib import import_module
from pathlib import Path

import pytest

from course_lib.old_names import LEFT, MOVED

ROOT = Path(__file__).resolve().parents[1]
NAMED = {  # by people's notebooks, stored networks and the capstone of 0.1.0: some of each module
    "course_lib.labs.nofreelunch": [],
    "course_lib.labs.thresholding": ["hard_threshold", "soft_threshold"],
    "course_lib.pruning.iterative": [
        "Round", "cubic", "gradual_pruning", "iterative_pruning", "one_shot", "prune",
        "prune_model", "rounds_needed",
    ],
    "course_lib.pruning.saliency": [
        "brain_surgery", "fisher", "magnitude", "oracle", "random", "snip", "surgeon",
    ],
    "course_lib.sparse.layers": [
        "FusingSequential", "HeldLinear", "SparseConv2d", "SparseLinear", "densify", "refusals",
        "sparsify",
    ],
}  # fmt: skip


def found(module, name):
    """What a name gives, and what is said meanwhile."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        thing = getattr(import_module(module), name)
    return thing, said


def test_every_module_that_is_gone_stands_in_the_table():
    gone = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in (ROOT / "course_lib").rglob("*.py")
        if "moved(__name__)" in path.read_text("utf-8").split('"""')[-1]
    }
    assert gone == set(MOVED) == set(NAMED)


@pytest.mark.parametrize("old", MOVED)
def test_all_that_is_public_now_has_its_old_name(old):
    """But for what the face of a room has from elsewhere."""
    for place in MOVED[old]:
        module = import_module(place)
        for name, thing in vars(module).items():
            if getattr(thing, "__module__", None) != place or name.startswith("_"):
                continue
            same, said = found(old, name)
            assert same is thing
            (warning,) = said
            assert warning.category is DeprecationWarning
            assert warning.filename == __file__  # where it was asked for
            where = str(warning.message).rpartition("write ")[2]
            scope = {}
            exec(where, scope)
            assert scope[name] is thing


@pytest.mark.parametrize(("old", "name"), [(old, n) for old, names in NAMED.items() for n in names])
def test_a_name_that_people_use(old, name):
    thing, said = found(old, name)
    assert callable(thing) and len(said) == 1


@pytest.mark.parametrize("old", MOVED)
def test_what_never_was_is_no_name(old):
    with pytest.raises(AttributeError, match=f"'{old}' has no attribute 'nothing'"):
        import_module(old).nothing  # noqa: B018


@pytest.mark.parametrize(("old", "now"), LEFT.items())
def test_a_name_that_left_its_module_or_has_another(old, now):
    same, said = found(*old)
    (warning,) = said
    assert same is getattr(import_module(now[0]), now[1]) and callable(same)
    assert warning.category is DeprecationWarning and warning.filename == __file__
    assert str(warning.message).endswith("write from {} import {}".format(*now))


@pytest.mark.parametrize("old", sorted({module for module, _ in LEFT}))
def test_what_a_module_never_had_is_no_name(old):
    with pytest.raises(AttributeError, match=f"'{old}' has no attribute 'nothing'"):
        import_module(old).nothing  # noqa: B018


@pytest.mark.parametrize("old", [old for old in MOVED if NAMED[old]])
def test_a_star_brings_what_was_there_and_says_so(old):
    had = {}
    with pytest.warns(DeprecationWarning, match="is gone with the next release"):
        exec(f"from {old} import *", had)
    assert set(NAMED[old]) <= set(had)


def test_a_module_of_today_is_not_what_was_meant():
    """`store` was a function there, and the room has a module of that name now."""
    from course_lib.files import store

    assert found("course_lib.pruning.iterative", "store")[0] is store
