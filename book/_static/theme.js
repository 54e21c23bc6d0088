// On paper every page is light; afterwards the reader's own choice is back.
(() => {
  const page = document.documentElement.dataset;
  let chosen;
  addEventListener("beforeprint", () => {
    chosen = page.theme;
    page.theme = "light";
  });
  addEventListener("afterprint", () => {
    page.theme = chosen;
  });
})();

// What this browser keeps for its reader; where nothing can be kept, the pages work all the same.
const kept = {
  any: (() => { try { localStorage.setItem("sw-kept", ""); localStorage.removeItem("sw-kept"); return true; } catch { return false; } })(),
  all: () => { try { return Object.keys(localStorage).filter((key) => /^sw-(read|quiz|concept|guess):/.test(key)); } catch { return []; } },
  get: (key) => { try { return localStorage.getItem(key); } catch { return null; } },
  set: (key, value) => { try { localStorage.setItem(key, value); } catch {} },
  remove: (key) => { try { localStorage.removeItem(key); } catch {} },
};

// A chapter counts as opened when it is, and as read when its last heading has been seen.
addEventListener("DOMContentLoaded", () => {
  const chapter = /notebooks\/(\d\d_\w+)\.html$/.exec(location.pathname)?.[1];
  const last = [...document.querySelectorAll(".bd-article h2")].pop();
  if (!chapter || !last) return;
  const key = `sw-read:${chapter}`;
  if (!kept.get(key)) kept.set(key, "opened");
  new IntersectionObserver((seen, observer) => {
    if (!seen.some((entry) => entry.isIntersecting)) return;
    kept.set(key, "read");
    observer.disconnect();
  }).observe(last);
});

// The page of the reader's progress: what is kept, counted.
addEventListener("DOMContentLoaded", () => {
  const rows = [...document.querySelectorAll(".reader-progress tbody tr")];
  if (!rows.length) return;
  const good = ({ kind, right }, value) => (kind === "choice" ? Number(value) === right : swQuiz.same(value, ...right));
  const made = ([name, kind, places]) => { try { return swGuess.fits[kind](JSON.parse(kept.get(`sw-guess:${name}`)).value, places); } catch { return false; } };
  const fill = () => {
    let read = 0, guessed = 0, guesses = 0, answered = 0, right = 0, asked = 0;
    for (const row of rows) {
      const state = kept.get(`sw-read:${row.dataset.chapter}`), questions = JSON.parse(row.dataset.questions);
      const answers = questions.map((question) => [question, kept.get(`sw-quiz:${question.key}`)]).filter(([, value]) => value !== null);
      const fine = answers.filter(([question, value]) => good(question, value)).length;
      row.querySelector(".reader-read").textContent = { opened: "opened", read: "\u2713 to the end" }[state] ?? "not opened";
      row.querySelector(".reader-quiz").textContent = `${answers.length} of ${questions.length} answered` + (answers.length ? `, ${fine} right` : "");
      const names = JSON.parse(row.dataset.guesses), given = names.filter(made).length;
      if (names.length) row.querySelector(".reader-guesses").textContent = `${given} of ${names.length} made`;
      guessed += given; guesses += names.length;
      read += state === "read"; answered += answers.length; right += fine; asked += questions.length;
    }
    document.querySelector(".reader-summary").textContent = !kept.any ? "This browser lets the book keep nothing, so no progress can be shown. Quizzes and guesses work all the same, each as long as its page is open." : `${read} of ${rows.length} chapters read to the end; ${answered} of ${asked} questions answered, ${right} of them right` + (guesses ? `; ${guessed} of ${guesses} guesses made.` : ".");
  };
  fill();
  document.querySelector(".reader-forget").addEventListener("click", () => { kept.all().forEach(kept.remove); fill(); });
});

// A slider inside .plays moves by itself, unless the reader prefers stillness, until it is touched.
addEventListener("DOMContentLoaded", () => document.querySelectorAll(".plays .sw-slider").forEach((slider) => {
  const input = slider.querySelector("input[type=range]"), button = document.createElement("button");
  let clock = null, step = 1;
  const move = () => {
    if (input.valueAsNumber === Number(input.max)) step = -1;
    if (input.valueAsNumber === Number(input.min)) step = 1;
    input.valueAsNumber += step;
    input.dispatchEvent(new Event("input", { bubbles: true }));
  };
  const play = (on) => {
    clearInterval(clock);
    clock = on ? setInterval(move, 1200) : null;
    button.textContent = on ? "Pause" : "Play";
    slider.querySelector("output").setAttribute("aria-live", on ? "off" : "polite"); // no screen reader counts along
  };
  button.type = "button";
  button.className = "plays-button";
  button.addEventListener("click", () => play(!clock));
  input.addEventListener("pointerdown", () => play(false));
  input.addEventListener("keydown", () => play(false));
  slider.querySelector("label").after(button);
  play(!matchMedia("(prefers-reduced-motion: reduce)").matches);
}));

// A comma stays with its formula.
addEventListener("DOMContentLoaded", () => document.querySelectorAll(".bd-article span.math").forEach((formula) => {
  const next = formula.nextSibling, mark = next?.nodeType === Node.TEXT_NODE && /^[,.;:!?)\u2019\u201d]+/.exec(next.data)?.[0];
  if (!mark) return;
  const together = document.createElement("span");
  together.className = "formula-and-mark";
  formula.replaceWith(together);
  together.append(formula, mark);
  next.data = next.data.slice(mark.length);
}));

// A figure that is wider than a phone scrolls, by keyboard too.
addEventListener("load", () => document.querySelectorAll(".sw-figure").forEach((figure) => {
  if (figure.scrollWidth > figure.clientWidth) figure.tabIndex = 0;
}));

// The theme gives the arrow that opens a list of pages no name.
addEventListener("DOMContentLoaded", () => document.querySelectorAll(".bd-sidebar-primary summary").forEach((arrow) => {
  arrow.setAttribute("aria-label", `Pages of: ${arrow.closest("li")?.querySelector("a")?.textContent.trim() ?? "this part"}`);
}));
