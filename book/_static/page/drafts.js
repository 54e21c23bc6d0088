// What was written, kept by this browser: one entry a field, so that two windows lose nothing.
(self.swPage ??= {}).drafts = (assignment) => {
  const key = (name) => `sw-draft:${assignment}:${name}`;
  let keeps = true;
  const tried = (what) => {
    try { return what(); } catch { keeps = false; return null; }
  };
  tried(() => { localStorage.setItem("sw-draft:", ""); localStorage.removeItem("sw-draft:"); });
  return {
    keeps: () => keeps,
    get: (name) => tried(() => localStorage.getItem(key(name))),
    set: (name, text) => tried(() => localStorage.setItem(key(name), text)),
    forget: (name) => tried(() => localStorage.removeItem(key(name))),
  };
};
