// A field to write code in: CodeMirror where it could be loaded, else the text field that is there.
(self.swPage ??= {}).editor = (field, { changed, run, check }) => {
  const keys = [
    { key: "Shift-Enter", run: () => (run(), true) },
    { key: "Ctrl-Enter", mac: "Cmd-Enter", run: () => (check(), true) },
  ];
  const label = field.getAttribute("aria-label"), describedby = field.getAttribute("aria-describedby");
  // Keys that the page takes for itself, "/" for its search, are letters of the code here.
  field.parentElement.addEventListener("keydown", (event) => {
    if (!event.altKey && !event.ctrlKey && !event.metaKey) event.stopPropagation();
  });
  if (self.swCodeMirror) return swCodeMirror(field, { label, describedby, changed, keys });
  return swPage.words(field, { changed });
};

// A field to write words in, as high as they need.
(self.swPage ??= {}).words = (field, { changed }) => {
  field.addEventListener("input", () => changed(field.value));
  return {
    text: () => field.value,
    replace: (text) => { field.value = text; changed(text); },
    focus: () => field.focus(),
  };
};
