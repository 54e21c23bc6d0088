/* One set of listeners serves every guess of the page and every figure that answers one. */
window.swGuess ||= (() => {
  const visit = {}; /* where a browser keeps nothing, a guess lasts as long as the page */
  let lost = "";
  const read = (name) => {
    let text = null;
    try { text = localStorage.getItem(`sw-guess:${name}`); } catch {}
    try { return JSON.parse(text ?? visit[name]) ?? {}; } catch { return {}; }
  };
  const write = (name, state) => {
    visit[name] = JSON.stringify(state);
    try { localStorage.setItem(`sw-guess:${name}`, visit[name]); } catch { lost = " It is lost when you leave this page: this browser lets it keep nothing."; }
  };
  const data = (element, name) => JSON.parse(element.dataset[name] ?? "null");
  const fields = (question) => [...question.querySelectorAll("input")];
  const words = (value, unit = "") => value.toLocaleString("en", Number.isInteger(value) ? {} : { maximumSignificantDigits: 4 }).replace("-", "\u2212") + (unit && (unit[0] === "%" ? "" : "\u00a0") + (value === 1 ? unit.replace(/(ss|x|ch|sh)es$|(\w\w)s$/, "$1$2") : unit));
  /* A scale is two ends and "linear" or "log": how far along it a value lies, and the way back. */
  const part = ([from, to, scale], value) => (scale === "log" ? Math.log(value / from) / Math.log(to / from) : (value - from) / (to - from));
  const value = ([from, to, scale], along) => Number((scale === "log" ? from * (to / from) ** along : from + (to - from) * along).toPrecision(3));
  const fits = { number: Number.isFinite, choice: (found) => typeof found === "string", curve: (found, places) => found?.length === places && Boolean(found.every?.(Number.isFinite)) };
  const guessed = ({ dataset: { kind, places } }, { value: found }) => (fits[kind](found, JSON.parse(places ?? "[]").length) ? found : null);

  const draw = (tag, attributes, parent) => {
    const made = parent.appendChild(document.createElementNS("http://www.w3.org/2000/svg", tag));
    Object.entries(attributes).forEach(([name, each]) => made.setAttribute(name, each));
    return made;
  };
  const layer = (svg) => {
    svg.querySelector(".sw-mine")?.remove();
    const size = (13 * svg.viewBox.baseVal.width) / svg.width.baseVal.value; /* 13 pixels, however it is drawn */
    return draw("g", { class: "sw-mine", fill: "none", "stroke-width": 2, "font-size": size }, svg);
  };
  /* Where a word of a picture stands, in the picture's own units; nowhere, if it is not shown. */
  const place = (text) => {
    const svg = text.ownerSVGElement, own = svg.getBoundingClientRect(), box = text.getBoundingClientRect(), scale = svg.viewBox.baseVal.width / own.width;
    return { left: (box.left - own.left) * scale, right: (box.right - own.left) * scale, top: (box.top - own.top) * scale, bottom: (box.bottom - own.top) * scale };
  };
  const taken = (svg) => [...svg.querySelectorAll("text:not(.sw-mine *)")].map(place);
  /* Words at the first of some spots where the picture has none of its own. */
  const label = (text, spots, mine, box) => {
    const made = draw("text", {}, mine), others = taken(mine.ownerSVGElement);
    const put = ([x, y, anchor]) => Object.entries({ x, y, "text-anchor": anchor }).forEach(([name, each]) => made.setAttribute(name, each));
    made.textContent = text;
    const free = (spot) => {
      put(spot);
      const { left, right, top, bottom } = place(made);
      return left >= box.left - 1 && right <= box.right + 1 && top >= box.top - 6 && bottom <= box.bottom + 1 && !others.some((each) => left < each.right && right > each.left && top < each.bottom && bottom > each.top);
    };
    put(spots.find(free) ?? spots[0]);
  };
  /* What is left of a line from one place to another where words stand in its way. */
  const pieces = (from, to, gaps) => {
    const found = [];
    gaps.filter(([a, b]) => a < to && b > from).sort((a, b) => a[0] - b[0]).forEach(([a, b]) => { if (a > from) found.push([from, a]); from = Math.max(from, b); });
    return from < to ? [...found, [from, to]] : found;
  };
  /* Where axes lie in a picture, in its own units. */
  const frame = (svg, on) => {
    const { width, height } = svg.viewBox.baseVal, [left, top, right, bottom] = on.place;
    const box = { left: width * left, top: height * top, right: width * right, bottom: height * bottom };
    return { ...box, x: (along) => box.left + (box.right - box.left) * along, y: (along) => box.bottom - (box.bottom - box.top) * along };
  };
  const points = (box, on, places, found) => found.map((each, i) => [box.x(part(on.x, places[i])), box.y(part(on.y, each))]);
  const lay = {
    number(svg, on, along, found, unit) {
      const box = frame(svg, on), mine = layer(svg), at = part(on[along], found), inside = at >= 0 && at <= 1;
      const text = inside ? "your guess" : `your guess, ${words(found, unit)}, lies beyond`;
      const far = at > 0.5, x = box.x(at), y = box.y(at), others = taken(svg);
      const d = along === "x"
        ? pieces(box.top, box.bottom, others.filter(({ left, right }) => left < x + 2 && right > x - 2).map(({ top, bottom }) => [top, bottom])).map(([from, to]) => `M${x} ${from}V${to}`)
        : pieces(box.left, box.right, others.filter(({ top, bottom }) => top < y + 2 && bottom > y - 2).map(({ left, right }) => [left - 2, right + 2])).map(([from, to]) => `M${from} ${y}H${to}`);
      if (inside) draw("path", { d: d.join(""), "stroke-dasharray": "6 4" }, mine);
      const before = [inside ? x - 5 : box.right, "end"], after = [inside ? x + 5 : box.left, "start"], near = far ? [before, after] : [after, before];
      const ends = along === "x" ? (inside ? near : near.slice(0, 1)) : [[box.right - 4, "end"], [box.left + 4, "start"]];
      const down = Array.from({ length: Math.floor((box.bottom - box.top) / 10) }, (_, i) => box.top + 13 + 10 * i);
      const level = !inside ? (far ? box.top + 13 : box.bottom - 6) : at > 0.9 ? y + 15 : y - 6;
      const rows = along === "x" ? down : inside ? [level, y + 15, y - 6] : [level, ...down];
      label(text, rows.flatMap((row) => ends.map(([end, anchor]) => [end, row, anchor])), mine, box);
    },
    curve(svg, on, _, found, unit, answer, i) {
      const box = frame(svg, on), mine = layer(svg), places = data(answer, "places"), id = `sw-clip-${answer.dataset.answers}-${i}`;
      const all = points(box, on, places, found), seen = all.filter(([x, y]) => x >= box.left && x <= box.right && y >= box.top && y <= box.bottom);
      const hole = draw("clipPath", { id }, mine);
      draw("rect", { x: box.left, y: box.top, width: box.right - box.left, height: box.bottom - box.top }, hole);
      draw("polyline", { points: all.join(" "), "stroke-dasharray": "6 4", "clip-path": `url(#${id})` }, mine);
      const [x, y] = seen[seen.length >> 1] ?? [box.right, box.top + 20], falls = all.at(-1)[1] > all[0][1];
      const first = [seen.length ? x + (falls ? 6 : -6) : x, y - 8 < box.top + 8 ? y + 18 : y - 8, seen.length && falls ? "start" : "end"];
      label(seen.length ? "your guess" : "your guess lies beyond", [first, ...seen.flatMap(([x, y]) => [[x, y - 8, "middle"], [x, y + 18, "middle"]])], mine, box);
    },
  };
  const told = {
    number: (found, unit, truth) => `You guessed ${words(found, unit)}` + (truth === null ? "." : `; the answer is ${words(Number.isInteger(truth) ? truth : Number(truth.toPrecision(3)), unit)}.`),
    choice: (found, _, truth) => `You said: ${found}.` + (truth === null ? "" : truth === found ? " That is right." : ` The answer is: ${truth}.`),
    curve(found, unit, truth, places) {
      const gaps = (truth ?? []).map((each, i) => (each === null ? -1 : Math.abs(each - found[i]))), counted = gaps.filter((gap) => gap >= 0), most = Math.max(...counted);
      const short = (each) => words(Number(each.toPrecision(3))), off = (gap) => words(Number(gap.toPrecision(2)), unit === "%" ? "points" : unit);
      return `You drew ${found.map((each, i) => `${words(each, unit)} at ${short(places[i])}`).join(", ")}.` + (counted.length ? ` On average it is ${off(counted.reduce((a, b) => a + b) / counted.length)} away from the answer, and at most ${off(most)}, at ${short(places[gaps.indexOf(most)])}.` : "");
    },
  };

  const showAnswer = (answer) => {
    const { answers: name, kind, unit } = answer.dataset, state = read(name), found = guessed(answer, state);
    const open = !answer.dataset.lock || found !== null || Boolean(state.seen) || Boolean(answer.dataset.opened);
    const cover = answer.querySelector(".sw-cover"), shown = answer.querySelector(".sw-shown"), said = answer.querySelector(".sw-said");
    cover.hidden = open;
    cover.querySelector("a").hidden = !document.getElementById(`guess-${name}`);
    /* Who searches in the page finds what is covered, and it opens. */
    if (open) shown.removeAttribute("hidden"); else shown.setAttribute("hidden", "until-found");
    /* A figure wider than a phone scrolls, by keyboard too. */
    if (open) shown.querySelectorAll(".sw-figure").forEach((figure) => { if (figure.scrollWidth > figure.clientWidth) figure.tabIndex = 0; });
    said.hidden = found === null;
    if (found === null) return;
    said.textContent = told[kind](found, unit, data(answer, "truth"), data(answer, "places"));
    layAll(answer, found);
    [watcher, sized].forEach((each) => { each.unobserve(shown); each.observe(shown); });
  };
  const layAll = (answer, found) => answer.querySelectorAll(".sw-shown svg[viewBox]").forEach((svg, i) => lay[answer.dataset.kind]?.(svg, data(answer, "on")[i], answer.dataset.along, found, answer.dataset.unit, answer, i));
  /* Words have a place once their picture is shown: on a phone it is another one. */
  const sized = new ResizeObserver((seen) => seen.forEach(({ target }) => {
    const answer = target.closest(".sw-answers"), found = guessed(answer, read(answer.dataset.answers));
    if (found !== null) layAll(answer, found);
  }));
  /* Once the answer has been on the screen, the guess stays as it is. */
  const watcher = new IntersectionObserver((seen) => seen.forEach(({ isIntersecting, target }) => {
    const answer = target.closest(".sw-answers"), state = read(answer.dataset.answers);
    if (isIntersecting && !state.seen && guessed(answer, state) !== null) change(answer.dataset.answers, { ...state, seen: true });
  }), { threshold: 0.3 });

  const showPad = (question) => {
    const svg = question.querySelector(".sw-pad svg"), on = data(question, "on"), box = frame(svg, on), mine = layer(svg), ranges = fields(question);
    const values = ranges.map((range) => value(on.y, range.value / 100)), all = points(box, on, data(question, "places"), values);
    draw("polyline", { points: all.join(" "), "stroke-dasharray": question.dataset.drawn ? "none" : "2 5" }, mine);
    all.forEach(([cx, cy], i) => draw("circle", { cx, cy, r: ranges[i] === document.activeElement ? 7 : 4, class: ranges[i] === document.activeElement ? "sw-on" : "" }, mine));
    ranges.forEach((range, i) => range.setAttribute("aria-valuetext", words(values[i], question.dataset.unit)));
    return values;
  };
  const typed = (question) => {
    const [{ value: text }] = fields(question), { unit } = question.dataset;
    return swNumber(text) * (/%|cent/i.test(text) && unit[0] === "%" ? 100 : 1);
  };
  const number = (question, from) => {
    const [field, range] = fields(question), scale = data(question, "scale");
    if (from === range) field.value = question.dataset.whole ? Math.round(value(scale, range.value / range.max)) : value(scale, range.value / range.max);
    const found = typed(question);
    if (from !== range && Number.isFinite(found)) range.value = Math.round(part(scale, found) * range.max);
    range.setAttribute("aria-valuetext", Number.isFinite(found) ? words(found, question.dataset.unit) : "no guess yet");
  };
  /* What stands in the fields, or what is missing. */
  const entered = (question) => {
    const { kind, unit } = question.dataset;
    if (kind === "choice") return [fields(question).find((each) => each.checked)?.value ?? null, "Choose one first."];
    if (kind === "curve") return [question.dataset.drawn ? showPad(question) : null, "Draw the curve first."];
    const [low, high] = data(question, "scale"), found = typed(question), { whole } = question.dataset;
    return [found >= low && found <= high && (!whole || Number.isInteger(found)) ? found : null, `Type a ${whole ? "whole " : ""}number from ${words(low)} to ${words(high, unit)}.`];
  };
  const fill = {
    number(question, found) { const [field, range] = fields(question); if (found !== null) field.value = found; number(question, found === null ? null : field); if (found === null) range.value = range.max / 2; },
    choice(question, found) { fields(question).forEach((each) => { each.checked = each.value === found; }); },
    curve(question, found) {
      const on = data(question, "on");
      if (found !== null) { question.dataset.drawn = 1; fields(question).forEach((range, i) => { range.value = Math.round(100 * part(on.y, found[i])); }); }
      showPad(question);
    },
  };
  const showQuestion = (question) => {
    const state = read(question.dataset.guess), found = guessed(question, state), { kind, unit } = question.dataset, controls = question.querySelector(".sw-controls");
    const said = { number: () => words(found, unit), choice: () => found, curve: () => "the curve" };
    question.dataset.ready = 1;
    controls.hidden = false;
    if (state.seen && controls.contains(document.activeElement)) question.parentElement.focus({ preventScroll: true });
    controls.querySelectorAll("input, button").forEach((each) => { each.disabled = Boolean(state.seen); });
    fill[kind](question, found);
    question.querySelector("[role=status]").textContent = state.seen ? (found === null ? "You looked at the answer first." : `Your guess: ${said[kind]()}. You have seen the answer, so it stays.`) : found === null ? "" : `Kept: ${said[kind]()}. You can change it until you see the answer.${lost}`;
  };
  const all = (name, kind) => [...document.querySelectorAll(kind === "answers" ? ".sw-answers" : ".sw-guess [data-guess]")].filter((each) => !name || each.dataset[kind] === name);
  const show = (name) => { all(name, "guess").forEach(showQuestion); all(name, "answers").forEach(showAnswer); };
  const change = (name, state) => { write(name, state); show(name); };
  const keep = (question) => {
    const [found, missing] = entered(question);
    if (found === null) question.querySelector("[role=status]").textContent = missing;
    else change(question.dataset.guess, { value: found });
  };
  const reveal = (answer) => { if (answer) { answer.dataset.opened = 1; showAnswer(answer); } };
  const aimed = () => {
    let target = null;
    try { target = document.getElementById(decodeURIComponent(location.hash.slice(1))); } catch {}
    const around = target?.closest(".cell") ?? target;
    all("", "answers").filter((answer) => around && (answer.contains(target) || around.contains(answer)) && !around.matches("section, main")).forEach(reveal);
  };

  /* A line drawn with the pointer sets the points that it passes. */
  let last = null;
  const trace = (event) => {
    const svg = event.target.closest(".sw-pad svg"), question = event.target.closest("[data-guess]"), on = data(question, "on"), box = frame(svg, on);
    const spot = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
    const at = [(spot.x - box.left) / (box.right - box.left), (box.bottom - spot.y) / (box.bottom - box.top)], from = last ?? at;
    const parts = data(question, "places").map((place) => part(on.x, place)), nearest = parts.reduce((best, each, i) => (Math.abs(each - at[0]) < Math.abs(parts[best] - at[0]) ? i : best), 0);
    fields(question).forEach((range, i) => {
      const between = (parts[i] - from[0]) / (at[0] - from[0] || 1), passed = between >= 0 && between <= 1 && at[0] !== from[0];
      if (passed || i === nearest) range.value = Math.round(100 * (passed ? from[1] + (at[1] - from[1]) * between : at[1]));
    });
    last = at;
    question.dataset.drawn = 1;
    showPad(question);
  };
  const own = (event) => event.target.closest?.(".sw-guess [data-guess]");
  document.addEventListener("pointerdown", (event) => {
    if (!event.target.matches?.(".sw-pad .sw-paper") || fields(own(event))[0].disabled) return;
    event.preventDefault();
    try { event.target.setPointerCapture(event.pointerId); } catch {}
    last = null;
    trace(event);
  });
  document.addEventListener("pointermove", (event) => { if (last && event.buttons && event.target.matches?.(".sw-pad .sw-paper")) trace(event); });
  ["pointerup", "pointercancel"].forEach((end) => document.addEventListener(end, () => { last = null; }));
  document.addEventListener("input", (event) => {
    const question = own(event), kind = question?.dataset.kind;
    if (kind === "number") number(question, event.target);
    if (kind === "curve") { question.dataset.drawn = 1; showPad(question); }
  });
  ["focusin", "focusout"].forEach((moved) => document.addEventListener(moved, (event) => {
    const question = own(event);
    if (question?.dataset.kind === "curve") setTimeout(() => showPad(question));
  }));
  document.addEventListener("keydown", (event) => { if (own(event) && event.key === "Enter" && event.target.type === "text") { event.preventDefault(); keep(own(event)); } });
  document.addEventListener("click", (event) => {
    const answer = event.target.closest?.(".sw-cover")?.closest(".sw-answers");
    if (own(event) && event.target.tagName === "BUTTON") keep(own(event));
    if (answer && event.target.tagName === "BUTTON") {
      change(answer.dataset.answers, { ...read(answer.dataset.answers), seen: true });
      answer.querySelector(".sw-shown").focus({ preventScroll: true });
    }
    if (answer && event.target.tagName === "A") {
      const question = document.getElementById(`guess-${answer.dataset.answers}`);
      if (!question) return;
      event.preventDefault();
      question.scrollIntoView({ block: "center" });
      question.querySelector("input").focus({ preventScroll: true });
    }
  });
  document.addEventListener("beforematch", (event) => reveal(event.target.closest?.(".sw-answers")));
  addEventListener("hashchange", aimed);
  return { fits, restore() {
    document.querySelectorAll(".sw-pad svg:not(:has(.sw-paper))").forEach((svg) => {
      const box = frame(svg, data(svg.closest("[data-guess]"), "on"));
      draw("rect", { class: "sw-paper", x: box.left, y: box.top, width: box.right - box.left, height: box.bottom - box.top, fill: "transparent" }, svg);
    });
    all("", "guess").filter((question) => !question.dataset.ready).forEach(showQuestion);
    all("", "answers").forEach(showAnswer);
    aimed();
  } };
})();
swGuess.restore();
