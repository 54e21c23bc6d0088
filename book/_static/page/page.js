// An assignment's page: fields, buttons, and what they say. Nothing is loaded before it is asked for.
addEventListener("DOMContentLoaded", () => {
  const desk = document.querySelector(".desk");
  if (!desk) return;
  const assignment = desk.dataset.assignment, root = document.documentElement.dataset.content_root ?? "../../";
  const part = (name) => desk.querySelector(`.desk-${name}`);
  const said = (text) => { part("said").textContent = text; };
  const drafts = swPage.drafts(assignment), runner = swPage.runner({ root, assignment, said });
  const python = { busy: false, has: new Map() }; // what it was given to run, by the cell's name
  document.querySelector(".bd-article").append(desk);

  // What a cell printed is text, whatever is in it. Arrays keep their columns: no line is broken.
  // What a check says, and the page, is: a long line goes on further in than it begins.
  const output = (place) => {
    place.replaceChildren();
    place.className = "work-output";
    const print = (more, kind = "printed") => {
      let text = place.lastChild;
      if (text?.className !== kind) {
        text = Object.assign(document.createElement("pre"), { className: kind, tabIndex: 0 });
        place.append(text);
      }
      if (kind === "printed") text.append(more);
      else more.split(/(?<=\n)/).forEach((part) => {
        let line = text.lastChild;
        if (!line || line.textContent.endsWith("\n")) text.append(line = document.createElement("span"));
        line.append(part);
        line.style.setProperty("--begins", `${line.textContent.search(/\S|$/)}ch`);
      });
    };
    return Object.assign(print, { wrong: () => place.classList.add("is-wrong") });
  };
  const judged = (text) => {
    const found = /^\w+: ([\d.]+) of ([\d.]+) points/m.exec(text);
    return found ? (found[1] === found[2] && !text.includes("\n  [--]") ? "is-right" : "is-wrong") : "";
  };

  const works = [...document.querySelectorAll(".work")].map((block) => {
    const name = block.dataset.cell, field = block.querySelector("textarea"), released = field.defaultValue;
    const part = (which) => block.querySelector(`.work-${which}`);
    const work = { name, released, code: !block.classList.contains("words"), block, output: part("output"), part };
    const changed = (text) => {
      if (text === released) drafts.forget(name);
      else drafts.set(name, text);
      if (work.output?.childNodes.length) work.output.classList.add("is-old");
      part("again").hidden = text === released;
    };
    const kept = drafts.get(name);
    if (kept !== null) field.value = kept;
    part("again").hidden = field.value === released;
    const doing = { changed, run: () => act(() => run(work)), check: () => act(() => check(work)) };
    work.editor = work.code ? swPage.editor(field, doing) : swPage.words(field, doing);
    if (work.code) {
      part("run").addEventListener("click", doing.run);
      part("check").addEventListener("click", doing.check);
    }
    // What is taken away can be had back until something else is written.
    part("again").addEventListener("click", () => replace([[work, released]], `${name} is as it was released.`));
    return work;
  });

  const replace = (pairs, words) => {
    const before = pairs.map(([work]) => [work, work.editor.text()]);
    pairs.forEach(([work, text]) => work.editor.replace(text));
    said(`${words} `);
    const back = document.createElement("button");
    back.type = "button";
    back.textContent = "Undo";
    back.addEventListener("click", () => {
      before.forEach(([work, text]) => work.editor.replace(text));
      said("It is as it was before.");
    });
    part("said").append(back);
  };

  // One thing at a time; a second click while something runs does nothing.
  const act = async (what) => {
    if (python.busy) return;
    python.busy = true;
    document.body.classList.add("page-busy");
    part("stop").disabled = false;
    keep();
    try {
      await what();
    } catch (error) {
      said(error.message);
    } finally {
      python.busy = false;
      document.body.classList.remove("page-busy");
      part("stop").disabled = true;
    }
  };

  // Run a cell if Python has not run it as it stands; a Python that began anew has run none.
  const cell = async (name, source, print, { fresh = false, always = false } = {}) => {
    if (python.of !== runner.begun() || fresh) python.has.clear();
    if (!always && python.has.get(name) === source) return true;
    try {
      const good = await runner.run(name, source, print, fresh);
      python.of = runner.begun();
      if (good) python.has.set(name, source);
      else print.wrong();
      return good;
    } catch (error) {
      print(`${error.message}\n`, "said");
      print.wrong();
      throw error;
    }
  };

  // Locked cells that only import, then what stands above: nobody need press Run for them.
  const prepare = async (work, print, fresh = false) => {
    await runner.start();
    const { notebook } = await runner.material(), named = Object.fromEntries(works.map((each) => [each.name, each]));
    for (const each of notebook.cells) {
      const { grade_id: name, grade, solution } = each.metadata.nbgrader ?? {};
      if (name === work?.name) break;
      if (each.cell_type !== "code" || grade) continue;
      const above = solution && named[name];
      if (!solution) await cell(name, swPage.notebook.source(each), print, { fresh });
      else if (work && above) await cell(name, above.editor.text(), output(above.output));
      fresh = false;
    }
  };

  const run = async (work) => {
    said(`${work.name} ...`);
    const print = output(work.output);
    await prepare(work, print);
    said(`${work.name} is running ...`);
    const good = await cell(work.name, work.editor.text(), print, { always: true });
    if (!work.output.childNodes.length) print("It ran, and printed nothing.\n");
    said(good ? `${work.name} ran.` : `${work.name} has an error.`);
  };

  const check = async (work) => {
    said(`${work.name} ...`);
    const print = output(work.output);
    await prepare(work, print);
    said(`${work.name} is being checked ...`);
    const wrong = await checked(work, print);
    said(wrong ? `${work.name}: ${wrong}` : `${work.name}: all that can be seen here is right.`);
  };

  // Run a cell and its check; say what is wrong, "" if nothing is.
  const checked = async (work, print) => {
    if (!(await cell(work.name, work.editor.text(), print, { always: true }))) return "its code has an error.";
    let report = "";
    const heard = (text) => { report += text; print(text, "said"); };
    await cell(`check_${work.name}`, `check("${work.name}")`, Object.assign(heard, print), { always: true });
    work.output.classList.add(judged(report) || "is-wrong");
    return judged(report) === "is-right" ? "" : "not all is right yet.";
  };

  const all = async () => {
    await prepare(undefined, Object.assign(() => {}, { wrong: () => {} }), true);
    const short = [], codes = works.filter((work) => work.code);
    for (const work of codes) {
      said(`${work.name} is being checked ...`);
      if (await checked(work, output(work.output))) short.push(work.name);
    }
    const written = works.filter((work) => !work.code && work.editor.text().trim() === work.released.trim());
    const words = written.length ? " The answer in words is still to be written." : "";
    said(short.length ? `Not right yet: ${short.join(", ")}.${words}` : `All ${codes.length} tasks pass their visible checks.${words}`);
  };

  const sources = () => Object.fromEntries(works.map((work) => [work.name, work.editor.text()]));
  const out = async () => {
    const { notebook, file } = await runner.material();
    swPage.notebook.save(swPage.notebook.written(notebook, sources()), file);
    said(`${file} is saved where your browser puts what it downloads.`);
  };
  const into = async (file) => {
    const found = swPage.notebook.sources(await file.text(), works.map((work) => work.name), assignment);
    const pairs = works.filter((work) => work.name in found).map((work) => [work, found[work.name]]);
    replace(pairs, `${pairs.length} of ${works.length} answers are read from ${file.name}.`);
  };

  // With a server this browser keeps the book for when there is none.
  const keep = () => {
    if (location.protocol.startsWith("http")) navigator.serviceWorker?.register(`${root}sw.js`).catch(() => {});
  };

  part("all").addEventListener("click", () => act(all));
  part("stop").addEventListener("click", () => runner.end("It was stopped."));
  part("out").addEventListener("click", () => out().catch((error) => said(error.message)));
  const input = desk.querySelector("input");
  part("in").addEventListener("click", () => input.click());
  input.addEventListener("change", () => {
    const [file] = input.files;
    if (file) into(file).catch((error) => said(`${file.name} is not read: ${error.message}.`));
    input.value = "";
  });
  if (!drafts.keeps()) said("This browser keeps nothing: take the notebook out before you leave the page.");
  swPage.desk = { runner, works, sources }; // for who looks at the page from outside
});
