"""A fingerprint of an experiment: the same in every process, another one for another experiment.

Values are told by their contents, functions by their code, their defaults and all that they refer
to, objects by their class and what pickle would store of them. What Python, torch and this library
define is told by its name. Nothing is told by an address or by `repr`; what cannot be told by its
contents (an open file, a generator, a lock) is an error.

A function refers to the names in its code: to what it imports, and to what it takes from a module
of one's own (`helpers.rate`); a module that is handed on is read whole. What is only named while
the function runs, by `eval` or `importlib.import_module`, is not seen.
"""

import dis
import enum
import hashlib
import importlib
import importlib.util
import sys
import types
from collections.abc import Mapping, Set
from functools import partial
from pathlib import PurePath
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn


class Unknown(TypeError):
    """Something that cannot be told by its contents."""


def fingerprint(value: object) -> str:
    """Return a digest of a value, 64 letters.

    Raises:
        Unknown: there is something in it that cannot be told by its contents.
    """
    return _Reader().read(value)


class _Reader:
    """Reads values, each once, and knows which it is in the middle of."""

    def __init__(self) -> None:
        self.known: dict[int, str] = {}
        self.open: list[int] = []
        self.alive: list[object] = []  # an address tells an object as long as that lives

    def read(self, value: object, where: str = "") -> str:
        if id(value) in self.known:
            return self.known[id(value)]
        if id(value) in self.open:  # it refers to itself: so many steps back
            return f"back {len(self.open) - self.open.index(id(value))}"
        self.open.append(id(value))
        self.alive.append(value)
        parts = self.parts(value, where)
        self.open.pop()
        found = hashlib.sha256()
        for part in parts:
            content = part if isinstance(part, bytes) else part.encode()
            found.update(len(content).to_bytes(8, "big") + content)
        self.known[id(value)] = found.hexdigest()
        return self.known[id(value)]

    def all(self, values: Any, where: str) -> list[str]:
        return [self.read(value, where) for value in values]

    def parts(self, value: object, where: str) -> list[str | bytes]:
        """Return what tells a value, its kind first."""
        match value:
            case None | bool() | int() | float() | complex() | str() | bytes() if (
                type(value).__module__ == "builtins"
            ):
                return [type(value).__name__, repr(value)]
            case enum.Enum():
                return ["enum", self.read(type(value), where), value.name]
            case torch.dtype() | torch.device() | torch.Size() | PurePath() | np.dtype():
                return [type(value).__name__, str(value)]
            case Tensor():
                return _numbers(value)
            case np.ndarray() | np.generic() if value.dtype.kind != "O":
                return ["array", str(value.dtype), str(value.shape), value.tobytes()]
            case types.CodeType():
                return self.code(value, where)
            case types.FunctionType():
                return self.function(value, where)
            case types.MethodType():
                return ["method", *self.all((value.__func__, value.__self__), where)]
            case types.ModuleType():
                return ["module", value.__name__, *self.pairs(_contents(value), where)]
            case type():
                return self.class_(value, where)
            case partial():
                return ["partial", *self.all((value.func, value.args, value.keywords), where)]
            case property() | staticmethod() | classmethod():
                inner = getattr(value, "__func__", None) or getattr(value, "fget", None)
                return [type(value).__name__, self.read(inner, where)]
            case list() | tuple() | range() if type(value).__module__ == "builtins":
                return ["sequence", *self.all(value, where)]
            case Mapping() if type(value).__module__ in ("builtins", "collections"):
                return ["mapping", *self.pairs(value, where)]
            case Set():
                return ["set", *sorted(self.all(value, where))]
        return self.object(value, where)

    def pairs(self, value: Mapping[Any, Any], where: str) -> list[str]:
        return [
            f"{self.read(key, where)} {self.read(item, f'{where}.{key}')}"
            for key, item in value.items()
        ]

    def function(self, f: types.FunctionType, where: str) -> list[str | bytes]:
        """Tell a function: a library's by its name, any other by its code and what that needs."""
        where = f"{where}.{f.__name__}".lstrip(".")
        held = [cell.cell_contents for cell in f.__closure__ or () if _filled(cell)]
        kept = self.all((f.__defaults__, f.__kwdefaults__, held), where)
        if _by_name(f):
            return ["function", f.__module__, f.__qualname__, *kept]
        if vars(f):  # what is written on it, `f.rate = 0.1`
            kept.append(self.read(vars(f), where))
        used = dict(sorted(_around(f.__code__, f.__globals__).items()))
        return ["function", *kept, *self.pairs(used, where), self.read(f.__code__, where)]

    def code(self, code: types.CodeType, where: str) -> list[str | bytes]:
        names = (code.co_names, code.co_varnames[: code.co_argcount + code.co_kwonlyargcount])
        return ["code", code.co_code, *self.all((*names, code.co_consts), where)]

    def class_(self, cls: type, where: str) -> list[str | bytes]:
        """Tell a class: a library's by its name, any other by what it defines."""
        if _by_name(cls):
            return ["class", cls.__module__, cls.__qualname__]
        own = {
            name: item
            for name, item in sorted(vars(cls).items())
            if not isinstance(item, types.GetSetDescriptorType | types.MemberDescriptorType)
            and name not in _OF_CLASSES
        }
        return ["class", cls.__name__, *self.all(cls.__bases__, where), *self.pairs(own, where)]

    def object(self, value: object, where: str) -> list[str | bytes]:
        """Tell an object by what pickle would store: how it is made, and its state."""
        try:
            made: Any = value.__reduce_ex__(4)
        except Exception as error:
            raise Unknown(
                f"{where.lstrip('.') or 'it'} is or holds a {type(value).__name__}, which cannot "
                f"be told by its contents ({error})"
            ) from error
        if isinstance(made, str):
            return self.named(value, made, where)
        self.alive.append(made)
        call, given, state, *items = [*made, None, None, None][:5]
        if isinstance(state, dict):  # whether it trains at the moment is no property of a network
            kept = state.keys() - ({"training"} if isinstance(value, nn.Module) else set())
            state = {name: state[name] for name in sorted(kept, key=str)}
        contents = [list(part) if part is not None else None for part in items]
        ties = _ties(value) if isinstance(value, nn.Module) else []
        return ["object", *ties, *self.all((call, given, state, contents), where)]

    def named(self, value: Any, name: str, where: str) -> list[str | bytes]:
        """Tell what pickle would find by its name: a library's by that, any other by contents."""
        if _by_name(value) or type(value).__module__ == "typing":
            return ["name", str(getattr(value, "__module__", None)), name]
        if hasattr(value, "__wrapped__"):  # a function under lru_cache
            return ["around", *self.all((type(value), value.__wrapped__), where)]
        if isinstance(type(value).__reduce__, types.FunctionType):  # the only one of its kind
            return ["only", name, *self.all((type(value), getattr(value, "__dict__", None)), where)]
        raise Unknown(
            f"{where.lstrip('.') or 'it'} is or holds {name!r}, of which nothing but its name can "
            "be told"
        )


# What a class holds that says nothing of what it does, or where it was written.
_OF_CLASSES = {
    "__dict__", "__weakref__", "__doc__", "__module__", "__qualname__", "__annotations__",
    "__firstlineno__", "__static_attributes__", "__abstractmethods__", "_abc_impl", "__slotnames__",
    "__annotate_func__", "__annotations_cache__", "__annotate__",
}  # fmt: skip


def _numbers(X: Tensor) -> list[str | bytes]:
    """Return the contents of a tensor, wherever it lies."""
    if X.is_meta:
        raise Unknown("a tensor on the device meta has no contents")
    values = X.detach().to_dense() if X.layout != torch.strided else X.detach()
    content = values.cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
    return ["tensor", str(X.dtype), str(tuple(X.shape)), str(X.requires_grad), content]


def _ties(model: nn.Module) -> list[str]:
    """Return which names of a network are one and the same parameter."""
    first: dict[int, str] = {}
    named = model.named_parameters(remove_duplicate=False)
    pairs = [(name, first.setdefault(id(parameter), name)) for name, parameter in named]
    return [f"{name} is {other}" for name, other in pairs if name != other]


def _around(code: types.CodeType, scope: dict[str, Any]) -> dict[str, object]:
    """Return what a function's code, or code within it, looks up around it or imports, by name."""
    steps = [step for step in dis.get_instructions(code) if step.opname != "EXTENDED_ARG"]
    found: dict[str, object] = {}
    for at, step in enumerate(steps):
        name = str(step.argval)
        if step.opname in ("LOAD_GLOBAL", "LOAD_NAME") and name in scope:
            found |= _followed(name, scope[name], steps[at + 1 :])
        elif step.opname == "IMPORT_NAME":
            dots, wanted = steps[at - 2].argval, steps[at - 1].argval  # from ..helpers import rate
            found |= _imported("." * int(dots) + name, wanted or (), scope)
    for part in code.co_consts:
        if isinstance(part, types.CodeType):
            found |= _around(part, scope)
    return found


def _followed(path: str, value: object, steps: list[dis.Instruction]) -> dict[str, object]:
    """Return what code takes from a module of one's own, `helpers.rate`, or else the value."""
    for step in steps:
        own = isinstance(value, types.ModuleType) and not _of_library(value.__name__)
        if not own or step.opname not in ("LOAD_ATTR", "LOAD_METHOD"):
            break
        path, value = f"{path}.{step.argval}", getattr(value, str(step.argval), None)
    return {path: value}


def _imported(name: str, wanted: tuple[str, ...], scope: dict[str, Any]) -> dict[str, object]:
    """Return what an import within a function takes, of modules of one's own; else nothing."""
    try:
        whole = importlib.util.resolve_name(name, scope.get("__package__") or "")
        if _of_library(whole):
            return {}
        module = importlib.import_module(whole)
    except ImportError:  # then the function does without it, or fails
        return {name: None}
    if not wanted:  # import a.b binds a
        root = whole.partition(".")[0]
        return {whole: module, root: sys.modules[root]}
    return {f"{whole}.{own}": _part(module, own) for own in wanted}


def _part(module: types.ModuleType, name: str) -> object:
    """Return what `from module import name` gives, None where that would fail."""
    if hasattr(module, name):
        return getattr(module, name)
    try:
        return importlib.import_module(f"{module.__name__}.{name}")
    except ImportError:
        return None


def _contents(module: types.ModuleType) -> dict[str, object]:
    """Return all that a module of one's own holds; a library's is told by its name."""
    if _of_library(module.__name__):
        return {}
    return {name: value for name, value in sorted(vars(module).items()) if name[:2] != "__"}


def _filled(cell: types.CellType) -> bool:
    try:
        cell.cell_contents  # noqa: B018  # asking is the point
    except ValueError:
        return False
    return True


def _by_name(value: Any) -> bool:
    """Tell whether something is a library's: Python's, this one's, or an installed one's."""
    return _of_library(getattr(value, "__module__", None) or "builtins")


def _of_library(name: str) -> bool:
    """Tell whether a module is a library's; one that was not imported yet is looked for."""
    root = name.partition(".")[0]
    if root == "__main__":  # even where a library started Python, as `python -m pytest` does
        return False
    if root == "course_lib" or root in sys.stdlib_module_names:
        return True
    files = [getattr(sys.modules.get(own), "__file__", None) for own in (name, root)]
    if root not in sys.modules and (spec := importlib.util.find_spec(root)):
        files = [spec.origin]
    parts = {part for file in files for part in PurePath(file or "").parts}
    return not parts.isdisjoint({"site-packages", "dist-packages"})
