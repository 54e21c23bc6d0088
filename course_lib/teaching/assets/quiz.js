/* One set of listeners serves every quiz of the page; answers stay in this browser. */
window.swQuiz ||= (() => {
  const store = {
    get: (key) => { try { return localStorage.getItem(key); } catch { return null; } },
    set: (key, value) => { try { localStorage.setItem(key, value); } catch {} },
    remove: (key) => { try { localStorage.removeItem(key); } catch {} },
  };
  const key = (question) => `sw-quiz:${question.dataset.question}`;
  const say = (question, index) => question.querySelectorAll("[role=status] p").forEach((p, i) => { p.hidden = i !== index; });
  const parse = (text) => {
    const [, top, , bottom] = /^\s*([+-]?[\d.]+(e[+-]?\d+)?)\s*(?:\/\s*([\d.]+))?\s*%?\s*$/i.exec(text.replace(",", ".").replace("\u2212", "-")) || [];
    return top === undefined ? NaN : Number(top) / (bottom ? Number(bottom) : 1) / (text.includes("%") ? 100 : 1);
  };
  const answer = (question, value) => {
    if (question.dataset.kind === "choice") {
      const radio = question.querySelectorAll("input")[value];
      if (!radio) return;
      radio.checked = true;
      say(question, +value);
    } else {
      question.querySelector("input").value = value;
      const known = JSON.parse(question.dataset.known), x = parse(value);
      const found = known.findIndex(([number, tolerance]) => Math.abs(x - number) <= tolerance);
      say(question, Number.isNaN(x) ? known.length + 1 : found < 0 ? known.length : found);
    }
    store.set(key(question), value);
  };
  const typed = (question) => answer(question, question.querySelector("input").value);
  document.addEventListener("change", (event) => {
    const question = event.target.closest?.(".sw-quiz fieldset");
    if (question && event.target.type === "radio") answer(question, event.target.value);
  });
  document.addEventListener("keydown", (event) => {
    const question = event.target.closest?.(".sw-quiz fieldset");
    if (question?.dataset.kind !== "number" || event.key !== "Enter" || event.target.tagName !== "INPUT") return;
    event.preventDefault(); // or a form with one field would be submitted
    typed(question);
  });
  document.addEventListener("click", (event) => {
    const quiz = event.target.closest?.(".sw-quiz"), question = event.target.closest?.("fieldset");
    if (!quiz || event.target.tagName !== "BUTTON") return;
    if (question) { event.preventDefault(); typed(question); return; }
    quiz.reset();
    quiz.querySelectorAll("fieldset").forEach((each) => { say(each, -1); store.remove(key(each)); });
  });
  return { parse, restore: () => document.querySelectorAll(".sw-quiz fieldset").forEach((question) => {
    const kept = store.get(key(question));
    if (kept !== null) answer(question, kept);
  }) };
})();
swQuiz.restore();
