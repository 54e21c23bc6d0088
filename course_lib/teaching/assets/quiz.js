/* One set of listeners serves every quiz of the page; answers stay in this browser. */
window.swQuiz ||= (() => {
  const store = {
    get: (key) => { try { return localStorage.getItem(key); } catch { return null; } },
    set: (key, value) => { try { localStorage.setItem(key, value); } catch {} },
    remove: (key) => { try { localStorage.removeItem(key); } catch {} },
  };
  const key = (question) => `sw-quiz:${question.dataset.question}`;
  const say = (question, index) => question.querySelectorAll("[role=status] p:not(.sw-read)").forEach((p, i) => { p.hidden = i !== index; });
  // Of an answer in points, 5% are 5 as well.
  const same = (text, number, tolerance) => [1, /%|cent/i.test(text) ? 100 : 1].some((scale) => Math.abs(scale * swNumber(text) - number) <= tolerance);
  const read = (question, text) => {
    const said = question.querySelector(".sw-read");
    if (said) { said.textContent = swRead(text); said.hidden = !said.textContent; }
  };
  const answer = (question, value) => {
    if (question.dataset.kind === "choice") {
      const radio = question.querySelectorAll("input")[value];
      if (!radio) return;
      radio.checked = true;
      say(question, +value);
    } else {
      question.querySelector("input").value = value;
      const known = JSON.parse(question.dataset.known);
      const found = known.findIndex(([number, tolerance]) => same(value, number, tolerance));
      const none = Number.isNaN(swNumber(value));
      say(question, none ? known.length + (value.trim() ? 1 : 2) : found < 0 ? known.length : found);
      read(question, value);
      if (none) return store.remove(key(question)); // which is no answer
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
    quiz.querySelectorAll("fieldset").forEach((each) => { say(each, -1); store.remove(key(each)); read(each, ""); });
  });
  return { same, restore: () => document.querySelectorAll(".sw-quiz fieldset").forEach((question) => {
    const kept = store.get(key(question));
    if (kept !== null) answer(question, kept);
  }) };
})();
swQuiz.restore();
