// "Change me": a listing of a chapter that the reader may change and run, where it stands.
// Nothing is loaded before the first click.
addEventListener("DOMContentLoaded", () => {
  const root = document.documentElement.dataset.content_root ?? "../";
  const script = (name) => new Promise((done, failed) => {
    const tag = document.createElement("script");
    Object.assign(tag, { src: `${root}_static/${name}`, onload: done, onerror: failed, async: false });
    document.head.append(tag);
  });
  let runner;
  const load = async (said) => {
    if (runner) return;
    const ours = ["worker", "runner", "editor"].map((name) => `page/${name}.js`);
    await Promise.all(["vendor/codemirror/codemirror.js", ...ours].map(script));
    runner = swPage.runner({ root, said });
  };

  const made = (kind, properties) => Object.assign(document.createElement(kind), properties);
  const button = (textContent) => made("button", { type: "button", textContent });

  for (const listing of document.querySelectorAll(".change-me")) {
    const source = listing.querySelector("pre").textContent.replace(/\n$/, "");
    const work = made("div", { className: "work" }), bar = made("div", { className: "work-bar" });
    const change = button("Change it here"), run = button("Run"), stop = button("Stop"), again = button("Begin anew");
    const words = made("span", { className: "work-said" }), output = made("div", { className: "work-output" });
    again.className = "work-again";
    stop.disabled = true;
    for (const place of [words, output]) place.setAttribute("role", "status");
    bar.append(change, words);
    listing.replaceWith(work);
    work.append(listing, bar, output);
    let editor, busy = false;

    const go = async () => {
      if (busy) return;
      busy = true;
      stop.disabled = false;
      runner.tell((text) => { words.textContent = text; });
      const text = made("pre", { tabIndex: 0 });
      output.replaceChildren(text);
      let good = false;
      try {
        good = await runner.run("cell", editor.text(), (more) => text.append(more), true);
        words.textContent = good ? "It ran." : "It has an error.";
      } catch (error) {
        text.append(error.message);
      }
      output.classList.toggle("is-wrong", !good);
      busy = false;
      stop.disabled = true;
    };
    change.addEventListener("click", async () => {
      change.disabled = true;
      try { await load(() => {}); } catch { words.textContent = "The editor cannot be loaded."; return; }
      const field = made("textarea", { value: source, rows: source.split("\n").length + 1 });
      field.setAttribute("aria-label", "Code to change. Escape, then Tab leaves the field");
      listing.replaceWith(field);
      editor = swPage.editor(field, { changed: () => {}, run: go, check: go });
      bar.replaceChildren(run, stop, words, again);
      editor.focus();
    });
    run.addEventListener("click", go);
    stop.addEventListener("click", () => runner.end("It was stopped."));
    again.addEventListener("click", () => editor.replace(source));
  }
});
