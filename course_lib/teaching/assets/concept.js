/* The same questions twice. Nothing is judged before both are answered; answers stay in this browser. */
document.querySelectorAll(".sw-concept").forEach((test) => {
  const times = ["before", "after"], questions = [...test.querySelectorAll("fieldset")];
  const part = (name) => test.querySelector(`[data-part=${name}]`), status = test.querySelector("[role=status]");
  const key = (time) => `sw-concept:${test.dataset.test}:${time}`;
  const store = {
    get: (time) => { try { return JSON.parse(localStorage.getItem(key(time))); } catch { return null; } },
    set: (time, value) => { try { localStorage.setItem(key(time), JSON.stringify(value)); } catch { kept[time] = value; lost = " This browser lets the page keep nothing: they last as long as the page is open."; } },
    remove: (time) => { delete kept[time]; try { localStorage.removeItem(key(time)); } catch {} },
  };
  let lost = "";
  const kept = {}, read = (time) => store.get(time) ?? kept[time];
  const given = () => questions.map((question) => Number(question.querySelector("input:checked")?.value ?? -1));
  const right = (answers) => questions.filter((question, i) => answers[i] === Number(question.dataset.right)).length;
  const word = (question, answer) => {
    const option = question.querySelector(`input[value="${answer}"]`);
    return option ? option.parentElement.innerText.trim() : "no answer";
  };
  const judge = (before, after) => questions.forEach((question, i) => {
    const said = question.querySelector(".sw-said"), answers = [before[i], after[i]];
    times.forEach((time, j) => {
      const line = said.querySelector(`[data-time=${time}]`), good = answers[j] === Number(question.dataset.right);
      line.dataset.as = good ? "right" : "wrong";
      line.textContent = `${good ? "\u2713" : "\u2717"} ${time}: ${word(question, answers[j])}`;
    });
    said.hidden = false;
  });
  const show = (stage) => {
    const before = read("before")?.answers, after = read("after")?.answers, form = stage !== "waiting";
    part("questions").hidden = !form;
    for (const name of ["keep", "again", "clear"]) part(name).hidden = name !== { first: "keep", second: "keep", waiting: "again", done: "clear" }[stage];
    part("clear").hidden = !before;
    questions.forEach((question) => {
      question.querySelector(".sw-said").hidden = true;
      question.querySelectorAll("input").forEach((input) => { input.disabled = stage === "done"; });
    });
    if (stage === "first") status.textContent = "Before you read. Guess where you do not know; nothing is judged yet.";
    if (stage === "waiting") status.textContent = `Your first answers are kept (${read("before").day}). Read the book, and come back to answer again.${lost}`;
    if (stage === "second") status.textContent = "After reading. Answer as you think now, without looking back.";
    if (stage !== "done") return;
    judge(before, after);
    const [first, second, all] = [right(before), right(after), questions.length], changed = before.filter((answer, i) => answer !== after[i]).length;
    const gained = first < all ? ` Of what there was to gain you gained ${Math.round(100 * (second - first) / (all - first))}%.` : "";
    status.textContent = `Right before: ${first} of ${all}. Right after: ${second} of ${all}. You changed your mind ${changed} times.${gained} Under each question: what you said, and what the book has shown.`;
  };
  const stage = () => (read("after") ? "done" : read("before") ? "waiting" : "first");
  test.addEventListener("submit", (event) => event.preventDefault());
  test.addEventListener("click", (event) => {
    const name = event.target.closest("button")?.dataset.part;
    if (name === "keep") {
      const answers = given(), left = answers.filter((answer) => answer < 0).length;
      if (left) { status.textContent = `${left} of ${answers.length} questions have no answer yet. \u201cI do not know\u201d is one.`; status.scrollIntoView({ block: "nearest" }); return; }
      store.set(read("before") ? "after" : "before", { answers, day: new Date().toLocaleDateString("en-GB", { dateStyle: "long" }) });
      show(stage());
    }
    if (name === "again") { test.reset(); show("second"); }
    if (name === "clear") { times.forEach(store.remove); test.reset(); show("first"); }
    if (name) status.scrollIntoView({ block: "nearest" });
  });
  show(stage());
});
