"""Citations: the link is authors and year, and each entry of the bibliography leads back."""

from typing import Any

from docutils import nodes
from sphinx.builders.html import StandaloneHTMLBuilder
from sphinxcontrib.bibtex.plugin import register_plugin
from sphinxcontrib.bibtex.style.referencing.author_year import AuthorYearReferenceStyle
from sphinxcontrib.bibtex.style.referencing.basic_author_year import (
    BasicAuthorYearTextualReferenceStyle,
)
from sphinxcontrib.bibtex.style.template import join, reference, year

from course_lib.teaching.book.sources import render


class Whole(BasicAuthorYearTextualReferenceStyle):
    """A citation in a sentence, `Frankle and Carbin [2019]`, all of it the link."""

    def inner(self, role_name: str) -> Any:
        """Return the template of one citation."""
        author = self.person.author_or_editor_or_title(full="s" in role_name)
        bracketed = join[self.bracket.left, year, self.bracket.right]
        return reference[join(sep=self.text_reference_sep)[author, bracketed]]


class AuthorYearStyle(AuthorYearReferenceStyle):
    """The package's own style by author and year, but for citations in a sentence."""

    def __post_init__(self) -> None:
        super().__post_init__()
        whole = Whole(bracket=self.bracket_textual, person=self.person)
        self.role_style.update(dict.fromkeys(whole.role_names(), whole))


register_plugin("sphinxcontrib.bibtex.style.referencing", "author_year_whole", AuthorYearStyle)


def visit_citation(translator: Any, node: nodes.citation) -> None:
    """Open an entry of the bibliography, and their list before the first.

    In place of docutils' own, whose role for an entry was deprecated.
    """
    if not isinstance(node.previous_sibling(), nodes.citation):
        translator.body.append('<div role="list" class="citation-list">\n')
    translator.body.append(translator.starttag(node, "div", classes=["citation"], role="listitem"))


def depart_citation(translator: Any, node: nodes.citation) -> None:
    """Say where the entry is cited and close it, and the list after the last."""
    where = cited(translator.builder, node["ids"])
    translator.body.append(render("cited.html", where=where).astext())
    last = not isinstance(node.next_node(descend=False, siblings=True), nodes.citation)
    translator.body.append("</div>\n</div>\n" if last else "</div>\n")


def cited(builder: StandaloneHTMLBuilder, ids: list[str]) -> list[tuple[str, str]]:
    """Return title and address of each page that cites an entry, at its first citation."""
    domain: Any = builder.env.get_domain("cite")
    entry = next(each for each in domain.citations if each.citation_id in ids)
    page = entry.bibliography_key.docname
    first: dict[str, str] = {}
    for ref in sorted(domain.citation_refs, key=lambda ref: (ref.docname, ref.line)):
        if entry.key in {target.key for target in ref.targets}:
            address = f"{builder.get_relative_uri(page, ref.docname)}#{ref.citation_ref_id}"
            first.setdefault(builder.env.titles[ref.docname].astext(), address)
    return list(first.items())
