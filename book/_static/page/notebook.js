// The assignment's notebook: written with the student's sources in it, and sources read from one.
(self.swPage ??= {}).notebook = {
  name: (cell) => cell?.metadata?.nbgrader?.grade_id,
  source: (cell) => [cell?.source ?? ""].flat().filter((line) => typeof line === "string").join(""),

  // The released notebook, nothing changed but the sources of these cells.
  written(released, sources) {
    const book = structuredClone(released);
    for (const cell of book.cells) {
      const text = sources[this.name(cell)];
      if (typeof text === "string") cell.source = text.match(/[^\n]*\n|[^\n]+$/g) ?? [];
    }
    return `${JSON.stringify(book, null, 1)}\n`;
  },

  // Of a notebook of anybody's the sources of these cells; whatever else is in it is not looked at.
  sources(text, names, assignment) {
    let book;
    try { book = JSON.parse(text); } catch { throw new Error("it is no notebook"); }
    if (!Array.isArray(book?.cells)) throw new Error("it is no notebook");
    const of = book.metadata?.course?.assignment;
    if (typeof of === "string" && of !== assignment) throw new Error(`it is of assignment ${of}`);
    const found = {};
    for (const cell of book.cells) {
      const name = this.name(cell);
      if (names.includes(name)) found[name] = this.source(cell).replaceAll("\r\n", "\n");
    }
    if (!Object.keys(found).length) throw new Error("it is another assignment's, or none of ours");
    return found;
  },

  save(text, file) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "application/x-ipynb+json" }));
    link.download = file;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  },
};
