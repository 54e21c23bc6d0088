"""The library's own pages, made from its source and docstrings: none of it is imported.

`.. room:: NAME` shows what a room hands out, module by module: each thing with its signature, its
docstring, the chapters that reach it and where it stands. `` {lines}`course_lib.masks.mask` `` is
how many lines of code a module or a function has.
"""

import ast
import re
import tokenize
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from inspect import cleandoc
from pathlib import Path
from textwrap import indent
from typing import Any

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.errors import ExtensionError
from sphinx.ext.napoleon import Config, GoogleDocstring
from sphinx.util.docutils import SphinxDirective, SphinxRole

from course_lib.chapters import chapters, course, title
from course_lib.teaching.book.library import FUNCTIONS, PACKAGE, Library, Place, read_library

PAGES = "book/library/"  # a page a room
NAPOLEON = Config(
    napoleon_use_rtype=False, napoleon_custom_sections=[("Attributes", "params_style")]
)
NAME = re.compile(r"[A-Za-z_][\w.]*")
# In a docstring: code in two signs or one, mathematics, words that stand out, and signs that would
# mean something in reStructuredText.
INLINE = re.compile(
    r"``.+?``|`(?P<code>[^`]+)`|\\\((?P<maths>\S.*?)\\\)|\*\w[^*|]*\*(?!\w)|(?P<sign>[*|\\]|_(?!\w))",
    re.DOTALL,
)
ERROR = re.compile(r"(Error|Exception|Warning)$")
SIGNATURE = re.compile(r'<dt class="sig .*?</dt>', re.DOTALL)
LISTED = re.compile(r"\s*</?d[ld]>\s*")
LINES = {"<dl>": "", "</dl>": "", "<dd>": '<span class="sig-line">', "</dd>": "</span>"}
SHOWN = re.compile(  # by a cell that calls `source`
    r"<figcaption>([\w/]+)\.py</figcaption>(?=<div[^>]*><pre[^>]*aria-label=\"Source of (\w+)\")"
)


class Room(SphinxDirective):
    """`.. room:: NAME`: what a room of the library hands out.

    Raises:
        ExtensionError: there is no such room.
    """

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return a section for each module."""
        library = of(self.env)
        (room,) = self.arguments
        if f"{PACKAGE}.{room}" not in library.modules:
            raise ExtensionError(f"room: {PACKAGE} has no room {room!r}.")
        for path in (*(each.path for each in library.modules.values()), *chapters(library.root)):
            self.env.note_dependency(str(path))
        text = "\n".join(Writer(library, rooms(self.env)).sections(room))
        return self.parse_text_to_nodes(text, allow_section_headings=True)


class Lines(SphinxRole):
    """`` {lines}`course_lib.masks.mask` ``: how many lines of code a module or a function has.

    Several names: how many they have together.

    Raises:
        ExtensionError: there is no such thing.
    """

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """Return the number, as text."""
        return [nodes.Text(str(sum(map(self._lines, self.text.split()))))], []

    def _lines(self, dotted: str) -> int:
        library = of(self.env)
        module, _, name = dotted.rpartition(".")
        place = library.find(module, name) if module in library.modules else None
        if place is None:
            raise ExtensionError(f"lines: {PACKAGE} has no {dotted}.")
        self.env.note_dependency(str(library.modules[place.module].path))
        return code_lines(library, place)


def of(env: BuildEnvironment) -> Library:
    """Return the library of a book."""
    return read_library(Path(env.srcdir))


def rooms(env: BuildEnvironment) -> list[str]:
    """Return the rooms that have a page."""
    return sorted(page.removeprefix(PAGES) for page in env.found_docs if page.startswith(PAGES))


def code_lines(library: Library, place: Place) -> int:
    """Return how many lines of code there are, docstrings, comments and blank lines not counted."""
    module = library.modules[place.module]
    whole = module.defined[place.name] if place.name else module.tree
    first, last = getattr(whole, "lineno", 1), getattr(whole, "end_lineno", 10**9)
    with module.path.open("rb") as file:
        tokens = list(tokenize.tokenize(file.readline))
    layout = tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT
    code = [token for token in tokens[1:-1] if token.type not in layout]
    lines = {n for token in code for n in range(token.start[0], token.end[0] + 1)}
    for node in ast.walk(whole):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            lines -= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return sum(first <= line <= last for line in lines)


@dataclass
class Writer:
    """Writes what rooms hand out as reStructuredText."""

    library: Library
    rooms: list[str]

    def __post_init__(self) -> None:
        self.shown = {
            there: face
            for room in self.rooms
            for pairs in self.library.public(room).values()
            for face, there in pairs
        }
        self.titles = {path: title(path) for path in chapters(self.library.root)}

    def sections(self, room: str) -> Iterator[str]:
        """Yield a room, module by module."""
        for module, pairs in self.library.public(room).items():
            name = module.removeprefix(f"{PACKAGE}.{room}").removeprefix(".") or room
            yield f"{name}\n{'-' * len(name)}\n"
            yield self.text(ast.get_docstring(self.library.modules[module].tree) or "", module)
            yield ".. code-block:: python\n"
            yield from (f"   {line}" for line in _imports(module, [face for face, _ in pairs]))
            yield ""
            for face, there in pairs:
                yield self.entry(face, there)

    def entry(self, face: Place, there: Place) -> str:
        """Return one function, class or value, as it is called by who imports it."""
        node = self.library.node(there)
        kind, heads = "data", [face.name]
        body = [self.text(_said_above(self.library, there), there.module)]
        options = [f":module: {face.module}"]
        if face != there:
            options.append(f":canonical: {'.'.join(there)}")
        if isinstance(node, FUNCTIONS):
            kind, heads = "function", [face.name + self.signature(node, there.module)]
        elif isinstance(node, ast.ClassDef):
            errors = any(ERROR.search(ast.unparse(base)) for base in node.bases)
            kind, heads = "exception" if errors else "class", [face.name + self._made(node, there)]
        elif node.value:
            options.append(f":value: {ast.unparse(node.value)}")
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            body = [self.text(ast.get_docstring(node) or "", there.module, _fields(node))]
        body.append(self._where(there))
        if isinstance(node, ast.ClassDef):
            body += [self._member(each, there.module) for each in node.body]
        return _directive(kind, heads, options, body)

    def _member(self, node: ast.stmt, module: str) -> str:
        """Return a public method or property of a class, nothing for what else it holds."""
        if not isinstance(node, FUNCTIONS) or re.match("_(?!_call__$)", node.name):
            return ""
        kinds = {ast.unparse(each).rpartition(".")[2] for each in node.decorator_list}
        said = [self.text(ast.get_docstring(node) or "", module)]
        if kinds & {"property", "cached_property"}:
            options = [f":type: {self._type(node.returns, module)}"] if node.returns else []
            return _directive("property", [node.name], options, said)
        options = [f":{kind}:" for kind in ("classmethod", "staticmethod") if kind in kinds]
        head = node.name + self.signature(node, module, bound="staticmethod" not in kinds)
        return _directive("method", [head], options, said)

    def _made(self, node: ast.ClassDef, there: Place) -> str:
        """Return how an object of a class is made."""
        for each in node.body:
            if isinstance(each, FUNCTIONS) and each.name == "__init__":
                return self.signature(each, there.module, bound=True).removesuffix(" -> None")
        makers = [ast.unparse(each) for each in (*node.decorator_list, *node.bases)]
        if not any(maker.startswith(("dataclass", "NamedTuple")) for maker in makers):
            return ""
        told = []
        for name, each in _fields(node).items():
            default = f" = {ast.unparse(each.value)}" if each.value else ""
            default = " = ..." if "field(" in default else default  # made anew for each
            told.append(f"{name}: {self._type(each.annotation, there.module)}{default}")
        return f"({', '.join(told)})"

    def signature(self, node: Any, module: str, *, bound: bool = False) -> str:
        """Return arguments and result of a function, types by the names that have an entry."""
        arguments = ast.parse(f"def f({ast.unparse(node.args)}): pass").body[0].args  # type: ignore[attr-defined]
        if bound:
            (arguments.posonlyargs or arguments.args).pop(0)
        for each in ast.walk(arguments):
            if isinstance(each, ast.arg) and each.annotation:
                each.annotation = ast.parse(self._type(each.annotation, module), mode="eval").body
        result = f" -> {self._type(node.returns, module)}" if node.returns else ""
        return f"({ast.unparse(arguments)}){result}"

    def _type(self, annotation: ast.expr, module: str) -> str:
        """Return an annotation in which what has an entry is called by its whole name."""
        text = ast.unparse(annotation)
        if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
            text = annotation.value
        return NAME.sub(lambda found: self._whole(found[0], module) or found[0], text)

    def _whole(self, dotted: str, module: str) -> str:
        """Return the whole name of what a module calls so, if it has an entry; else nothing."""
        first, *rest = dotted.split(".")
        place = self.library.find(module, first)
        while place and not place.name and rest:
            place = self.library.find(place.module, rest.pop(0))
        face = self.shown.get(place) if place else None
        return ".".join([*face, *rest]) if face else ""

    def text(self, docstring: str, module: str, fields: Collection[str] = ()) -> str:
        """Return a docstring as reStructuredText; what it names is a link if it has an entry.

        Args:
            docstring: of Google's style.
            module: where it stands.
            fields: of a class of data: a paragraph that begins with one lists them.
        """

        def inline(found: re.Match[str]) -> str:
            if found["sign"]:
                return f"\\{found[0]}"
            if found["maths"]:
                return f":math:`{found['maths']}`"
            if not found["code"]:
                return found[0]
            said = " ".join(found["code"].split())
            whole = self._whole(said.removesuffix("()"), module) if NAME.match(said) else ""
            known = whole.rpartition(".")[0] in self.library.modules
            return f":py:obj:`{said} <{whole}>`" if known else f"``{said}``"

        parts = cleandoc(docstring).split("\n\n")
        for i, part in enumerate(parts):
            if ">>>" in part:
                continue  # it stands as it is
            if part.startswith("    "):  # set in: a listing
                parts[i] = f"::\n\n{part}"
            else:
                parts[i] = INLINE.sub(inline, part)
                if re.split("[:,]", part)[0] in fields:
                    parts[i] = f"Attributes:\n{indent(parts[i], '    ')}"
        said = "\n\n".join(parts)
        return f"{GoogleDocstring(said, NAPOLEON)}\n"  # type: ignore[arg-type]  # as in its examples

    def _where(self, there: Place) -> str:
        """Return where something stands, and which chapters reach it."""
        root, module = self.library.root, self.library.modules[there.module]
        file = module.path.relative_to(root).as_posix()
        line = self.library.node(there).lineno
        link = f"`{file} <{course(root).repository}/blob/main/{file}#L{line}>`__"
        count = code_lines(self.library, there)
        said = [f"In {link}, {count} {'line' if count == 1 else 'lines'} of code."]
        uses = self.library.used_in.get(there, {})
        named = [self._chapter(path, whole=True) for path, named in uses.items() if named]
        others = [self._chapter(path, whole=False) for path, named in uses.items() if not named]
        if len(named) == len(self.titles) > 1:
            said.append("Used in every chapter.")
        elif uses:
            ways = {"in": named, "through other functions in": others}
            told = [f"{way} {', '.join(where)}" for way, where in ways.items() if where]
            said.append(f"Used {'; '.join(told)}.")
        return ".. rst-class:: library-where\n\n" + " ".join(said) + "\n"

    def _chapter(self, path: Path, *, whole: bool) -> str:
        said = f"{path.stem[:2]} {self.titles[path]}" if whole else path.stem[:2]
        return f":doc:`{said} </notebooks/{path.stem}>`"


def _fields(node: ast.AST) -> dict[str, ast.AnnAssign]:
    """Return the public fields of a class of data."""
    body = node.body if isinstance(node, ast.ClassDef) else []
    fields = {ast.unparse(each.target): each for each in body if isinstance(each, ast.AnnAssign)}
    return {name: each for name, each in fields.items() if not name.startswith("_")}


def _imports(module: str, faces: list[Place]) -> Iterator[str]:
    """Yield the lines by which a module's names are had."""
    names = [face.name for face in faces if face.module != module]
    if names:
        room = next(face.module for face in faces if face.module != module)
        line = f"from {room} import {', '.join(names)}"
        listed = "".join(f"\n       {name}," for name in names)
        yield line if len(line) < 80 else f"from {room} import ({listed}\n   )"
    if any(face.module == module for face in faces):
        above, _, last = module.rpartition(".")
        yield f"from {above} import {last}"


def _said_above(library: Library, there: Place) -> str:
    """Return the comment above a value."""
    lines = library.modules[there.module].path.read_text(encoding="utf-8").splitlines()
    line = library.node(there).lineno - 2
    said: list[str] = []
    while line >= 0 and lines[line].startswith("#"):
        said.insert(0, lines[line].lstrip("#: "))
        line -= 1
    return " ".join(said)


def _directive(kind: str, heads: list[str], options: list[str], body: list[str]) -> str:
    """Return an entry of Sphinx's Python domain."""
    head = f".. py:{kind}:: " + "\n   ".join(heads)
    parts = [head, *(f"   {option}" for option in (":no-index-entry:", *options)), ""]
    return "\n".join([*parts, indent("\n".join(body), "   "), ""])


def plain_signatures(_: Sphinx, __: str, ___: str, context: dict[str, Any], ____: Any) -> None:
    """Write the lines of a long signature as lines: Sphinx makes them a list that defines nothing.

    Readers for the blind would announce that list.
    """
    if 'class="sig ' in context.get("body", ""):
        context["body"] = SIGNATURE.sub(
            lambda found: LISTED.sub(lambda tag: LINES[tag[0].strip()], found[0]), context["body"]
        )


def link_listings(app: Sphinx, page: str, _: str, context: dict[str, Any], __: Any) -> None:
    """Make a link of the caption of a listing that a cell shows, if what it shows has an entry."""
    if "sw-source" not in context.get("body", ""):
        return
    faces = Writer(of(app.env), rooms(app.env)).shown

    def linked(found: re.Match[str]) -> str:
        face = faces.get(Place(found[1].replace("/", "."), found[2]))
        if face is None:
            return found[0]
        room = face.module.split(".")[1]
        address = f"{app.builder.get_relative_uri(page, PAGES + room)}#{'.'.join(face)}"
        return f'<figcaption><a href="{address}">{found[1]}.py</a></figcaption>'

    context["body"] = SHOWN.sub(linked, context["body"])


def plain_types(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, shown: nodes.Element
) -> nodes.Node | None:
    """Link a signature's type that is no class but a value, and leave as text what is not ours."""
    if node.get("refdomain") != "py" or node.get("reftype") not in ("class", "exc"):
        return None
    where = node.get("refdoc", ""), app.builder, "obj", node["reftarget"]
    return env.get_domain("py").resolve_xref(env, *where, node, shown) or shown
