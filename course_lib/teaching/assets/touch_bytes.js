/* The bytes of a pruned matrix, indices and pointers counted, and where storing it begins to pay. */
window.swTouch.bytes ||= (() => {
  const { text, percent, count, parse, set } = swTouch, INT32 = 2 ** 31 - 1, POINTER = 4;
  // To the nearest whole number, a half to the even one: as Python rounds.
  const round = (x) => { const up = Math.round(x); return up - x === 0.5 && up % 2 ? up - 1 : up; };
  const counted = ({ m, n, density, value, index }) => {
    const size = m * n, kept = round(density * size);
    return { kept, dense: value * size, csr: (value + index) * kept + POINTER * (m + 1), bitmap: value * kept + Math.ceil(size / 8) };
  };
  // Compressed rows are smaller than dense below this density; 0: never. And the same with no pointers counted.
  const even = ({ m, n, value, index }) => ({
    csr: Math.max((value * m * n - POINTER * (m + 1)) / ((value + index) * m * n), 0), bare: value / (value + index),
    bitmap: Math.max((value * m * n - Math.ceil((m * n) / 8)) / (value * m * n), 0),
  });
  // What is wrong with what was typed, in a sentence; nothing if all is well.
  const wrong = ({ m, n, density, index }) => {
    for (const [name, value] of [["rows m", m], ["columns n", n]]) {
      if (Number.isNaN(value)) return [name, `Type a whole number of ${name}, such as 1024.`];
      if (!Number.isInteger(value) || value < 1 || value > 1e6) return [name, `The ${name} must be a whole number from 1 to 1,000,000.`];
    }
    if (Number.isNaN(density)) return ["density", "Type a density, such as 0.1 or 10%."];
    if (density < 0 || density > 1) return ["density", "The density is the share of weights kept: from 0, nothing, to 1, all."];
    if (index === 2 && n > 65536) return ["columns n", `An index of 2 bytes tells at most 65,536 columns apart, and there are ${count(n)}. Take 4 bytes.`];
    if (density * m * n > INT32) return ["density", "A row pointer of 4 bytes counts at most 2,147,483,647 kept weights. Split the matrix, or keep fewer."];
    return undefined;
  };
  const sentence = (given) => {
    const { kept, dense, csr } = counted(given), at = even(given).csr;
    const ratio = csr / dense, than = csr === dense ? "as many bytes as the dense matrix" : `${text(ratio)} times the bytes of the dense matrix`;
    const pays = at ? `They save memory below a density of ${text(at, 4)}; with no pointers counted it would be ${text(even(given).bare, 4)}.` : "With so few columns the row pointers alone take as much as the dense matrix: they never save memory.";
    return `${count(kept)} of ${count(given.m * given.n)} weights are kept. Compressed rows take ${than}. ${pays}`;
  };
  const start = ({ one, all, tell }) => {
    const field = (name) => one(`[data-field="${name}"]`), thumb = one("[type=range]");
    const across = (density) => 45 + 490 * density, up = (share) => 225 - 80 * share;
    const read = () => ({ m: parse(field("rows m").value, true), n: parse(field("columns n").value, true), density: parse(field("density").value), value: Number(field("value").value), index: Number(field("index").value) });
    const show = () => {
      const given = read(), fault = wrong(given);
      all("[type=text]").forEach((each) => each.setAttribute("aria-invalid", each.dataset.field === fault?.[0]));
      if (fault) { tell(fault[1]); return; }
      const bytes = counted(given), at = even(given), ends = [0, 1].map((density) => counted({ ...given, density }));
      for (const name of ["dense", "csr", "bitmap"]) {
        one(`[data-say=${name}]`).textContent = count(bytes[name]);
        one(`[data-say=${name}-share]`).textContent = percent(bytes[name] / bytes.dense, 1);
        const [low, high] = ends.map((end) => up(end[name] / end.dense).toFixed(1));
        set(one(`[data-line=${name}]`), { x1: across(0), y1: low, x2: across(1), y2: high });
      }
      set(one(".sw-here"), { x1: across(given.density), x2: across(given.density) });
      ["csr", "bitmap"].forEach((name) => set(one(`[data-even=${name}]`), { cx: across(at[name]).toFixed(1) }));
      thumb.value = given.density;
      thumb.setAttribute("aria-valuetext", `density ${text(given.density, 3)}`);
      tell(sentence(given));
    };
    all("[type=text],select").forEach((each) => each.addEventListener("input", show));
    thumb.addEventListener("input", () => { field("density").value = thumb.value; show(); });
    show();
  };
  return { round, counted, even, wrong, sentence, start };
})();
swTouch.begin("bytes", swTouch.bytes.start);
