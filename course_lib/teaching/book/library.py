"""The library as it is written: what each room hands out, and which chapter reaches which of it.

Everything is read from syntax trees, so nothing is imported, and nothing said of a function's use
is typed by hand. What a chapter reaches is found by names: what its cells name, what that names in
turn, and so on. A class that is reached brings what Python and torch call by themselves; its other
methods count once something that is reached asks for an attribute of that name. What is only
compared (`criterion in NEED_DATA`, `isinstance(layer, Masked)`) is not reached by that.
"""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import NamedTuple

from course_lib.chapters import cells, chapters

PACKAGE = "course_lib"
CALLED_BY_TORCH = ("forward", "backward", "setup_context")
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
DEFINITIONS = (*FUNCTIONS, ast.ClassDef)
Node = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Assign | ast.AnnAssign
Chain = tuple[str, ...]  # ("lab", "fit") for lab.fit; the first is empty if it is no such name


class Place(NamedTuple):
    """Where something is defined; the name is empty for a module, and dotted for a method."""

    module: str
    name: str = ""


@dataclass
class Module:
    """A module, or a notebook: its syntax tree, what it defines, and what it imports as what."""

    path: Path
    tree: ast.Module
    defined: dict[str, Node] = field(default_factory=dict)
    imported: dict[str, Place] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for node in self.tree.body:
            for name in _defined(node):
                self.defined[name] = node  # type: ignore[assignment]  # it defines a name
        for inner in ast.walk(self.tree):  # those in functions, too
            if isinstance(inner, ast.ImportFrom) and inner.module:
                for each in inner.names:
                    self.imported[each.asname or each.name] = Place(inner.module, each.name)
            elif isinstance(inner, ast.Import):
                for each in inner.names:
                    top = each.name if each.asname else each.name.partition(".")[0]
                    self.imported[each.asname or top] = Place(top)

    @property
    def all(self) -> list[str]:
        """What `__all__` lists, or else all functions and classes without an underscore."""
        listed = self.defined.get("__all__")
        if isinstance(listed, ast.Assign):
            return list(ast.literal_eval(listed.value))
        public = [name for name in self.defined if not name.startswith("_")]
        return [name for name in public if isinstance(self.defined[name], DEFINITIONS)]


@dataclass
class Library:
    """The modules of the package under a folder, by their dotted names."""

    root: Path
    modules: dict[str, Module]
    _known: dict[ast.AST, list[Chain]] = field(default_factory=dict, repr=False)

    def find(self, module: str, name: str) -> Place | None:
        """Return where a name that a module knows is defined; None if that is not in the library.

        Args:
            module: the dotted name of one of the library's modules.
            name: what the module calls it.
        """
        known = self.modules[module]
        if name in known.defined:
            return Place(module, name)
        source = known.imported.get(name)
        if source and source.module in self.modules and source.module != module:
            return self.find(*source) if source.name else source
        inside = f"{module}.{name}"
        return Place(inside) if inside in self.modules else None

    def public(self, room: str) -> dict[str, list[tuple[Place, Place]]]:
        """Return what a room hands out, by the module that defines it, in the order of the source.

        Each is a pair: the place to import it from, and the place where it is defined. A room
        whose face names nothing hands out its modules. They come as the room's docstring tells
        them, then by name.
        """
        face = f"{PACKAGE}.{room}"
        names = self.modules[face].all or sorted(
            name.removeprefix(f"{face}.") for name in self.modules if name.startswith(f"{face}.")
        )
        found: dict[str, list[tuple[Place, Place]]] = defaultdict(list)
        for name in names:
            place = self.find(face, name)
            if place and place.name:
                found[place.module].append((Place(face, name), place))
        for name in names:
            place = self.find(face, name)
            if place and not place.name and not name.rpartition(".")[2].startswith("_"):
                here = [Place(place.module, each) for each in self.modules[place.module].all]
                had = {there for _, there in found[place.module]}
                found[place.module] += [(each, each) for each in here if each not in had]
        for module, pairs in found.items():
            order = list(self.modules[module].defined)
            pairs.sort(key=lambda pair: order.index(pair[1].name))
        lines = (ast.get_docstring(self.modules[face].tree) or "").splitlines()
        told = [n for line in lines if "  " in line.strip() for n in re.split(r"\W+", line)]

        def turn(module: str) -> tuple[int, str]:
            name = module.rpartition(".")[2]
            return told.index(name) if name in told else len(told), name

        return {module: found[module] for module in sorted(found, key=turn) if found[module]}

    def node(self, place: Place) -> Node:
        """Return the syntax tree of what is defined at a place."""
        return self.modules[place.module].defined[place.name]

    def reached(self, start: Module) -> set[Place]:
        """Return all definitions of the library that the code of a notebook reaches."""
        seen: set[Place] = set()
        asked: set[str] = set()
        waiting: dict[str, list[tuple[str, ast.AST]]] = defaultdict(list)
        todo: list[tuple[str, ast.AST]] = [("", start.tree)]
        while todo:
            module, node = todo.pop()
            known = self.modules[module] if module else start
            for chain in self._mentions(node):
                for attribute in set(chain[1:]) - asked:
                    asked.add(attribute)
                    todo += waiting.pop(attribute, [])
                place = self._follow(module, known, chain)
                if place is None or place in seen:
                    continue
                seen.add(place)
                reached = self.node(place)
                if not isinstance(reached, ast.ClassDef):
                    todo.append((place.module, reached))
                    continue
                for part in (*reached.bases, *reached.decorator_list, *reached.body):
                    method = part.name if isinstance(part, FUNCTIONS) else ""
                    if method and method not in asked and not _called_by_itself(method):
                        waiting[method].append((place.module, part))
                    else:
                        todo.append((place.module, part))
        return seen

    def named(self, start: Module) -> set[Place]:
        """Return the definitions of the library that the code of a notebook names itself."""
        found = (self._follow("", start, chain) for chain in self._mentions(start.tree))
        return {place for place in found if place}

    def _mentions(self, node: ast.AST) -> list[Chain]:
        if node not in self._known:
            self._known[node] = list(mentions(node))
        return self._known[node]

    def _follow(self, module: str, known: Module, chain: Chain) -> Place | None:
        """Return the definition that `a.b.c` comes to, where `a` is what a module knows."""
        first, *rest = chain
        if module:
            place = self.find(module, first)
        else:
            source = known.imported.get(first)
            there = source is not None and source.module in self.modules
            place = (self.find(*source) if source.name else source) if source and there else None
        while place and not place.name and rest:
            place = self.find(place.module, rest.pop(0))
        return place if place and place.name else None

    @cached_property
    def used_in(self) -> dict[Place, dict[Path, bool]]:
        """The chapters that reach each definition, in their order, and whether they name it."""
        found: dict[Place, dict[Path, bool]] = defaultdict(dict)
        for path in chapters(self.root):
            cells = notebook(path)
            named = self.named(cells)
            for place in self.reached(cells):
                found[place][path] = place in named
        return found


def read_library(root: Path) -> Library:
    """Return the library of a folder, read again only if it, or a chapter, has changed."""
    files = [*sorted((root / PACKAGE).rglob("*.py")), *chapters(root)]
    return _read(root, tuple((path, path.stat().st_mtime_ns) for path in files))


@lru_cache(maxsize=1)
def _read(root: Path, files: tuple[tuple[Path, int], ...]) -> Library:
    modules = {}
    for path in [path for path, _ in files if path.suffix == ".py"]:
        parts = path.relative_to(root).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        modules[name] = Module(path, ast.parse(path.read_text(encoding="utf-8"), str(path)))
    return Library(root, modules)


def notebook(path: Path) -> Module:
    """Return the code of a notebook's cells as one module; lines for IPython are left out."""
    code = ["".join(cell["source"]) for cell in cells(path) if cell["cell_type"] == "code"]
    lines = [line for cell in code for line in cell.splitlines() if line.lstrip()[:1] not in "%!"]
    return Module(path, ast.parse("\n".join(lines)))


def mentions(node: ast.AST, hidden: frozenset[str] = frozenset()) -> Iterator[Chain]:
    """Yield what code names and asks for, without annotations.

    Args:
        node: of a syntax tree.
        hidden: names that are variables here, whatever the module calls by them.
    """
    if isinstance(node, ast.Name):
        yield ("" if node.id in hidden else node.id,)
    elif isinstance(node, ast.Attribute):
        for first, *rest in mentions(node.value, hidden):
            yield (first, *rest, node.attr)
        if not isinstance(node.value, ast.Name | ast.Attribute):
            yield ("", node.attr)
    else:
        aside = _compared(node)
        if isinstance(node, (*FUNCTIONS, ast.Lambda)):
            hidden |= _variables(node)
        elif isinstance(node, ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp):
            hidden |= {name for each in node.generators for name in _stored(each.target)}
        for kind, value in ast.iter_fields(node):
            if kind not in ("annotation", "returns"):
                for child in value if isinstance(value, list) else [value]:
                    if isinstance(child, ast.AST) and child not in aside:
                        yield from mentions(child, hidden)


def _compared(node: ast.AST) -> list[ast.AST]:
    """Return the names that a comparison, or a question for the type, only looks at."""
    if isinstance(node, ast.Call) and ast.unparse(node.func) in ("isinstance", "issubclass"):
        return list(node.args[1:])
    sides = [node.left, *node.comparators] if isinstance(node, ast.Compare) else []
    names = ast.Name | ast.Attribute
    return [s for s in sides if all(isinstance(each, names) for each in getattr(s, "elts", [s]))]


def _variables(function: ast.AST) -> set[str]:
    """Return the names that are a function's own: its arguments, and what it assigns."""
    arguments = {each.arg for each in ast.walk(function) if isinstance(each, ast.arg)}
    inner = {each.name for each in ast.walk(function) if isinstance(each, DEFINITIONS)}
    return arguments | _stored(function) | inner - {getattr(function, "name", "")}


def _stored(node: ast.AST) -> set[str]:
    names = (each for each in ast.walk(node) if isinstance(each, ast.Name))
    return {name.id for name in names if isinstance(name.ctx, ast.Store)}


def _defined(node: ast.stmt) -> list[str]:
    """Return the names that a statement at the top of a module defines."""
    if isinstance(node, DEFINITIONS):
        return [node.name]
    if isinstance(node, ast.AnnAssign):
        return sorted(_stored(node.target))
    return [n for t in node.targets for n in _stored(t)] if isinstance(node, ast.Assign) else []


def _called_by_itself(method: str) -> bool:
    """Say whether Python, Jupyter or torch calls a method that no code names."""
    return method.startswith(("__", "_repr_")) or method in CALLED_BY_TORCH
