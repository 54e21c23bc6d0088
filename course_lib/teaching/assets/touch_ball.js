/* The ball around w, grown until it touches an axis: the nearest vector with one entry. */
window.swTouch.ball ||= (() => {
  const { text, set, path } = swTouch, FAR = [4, 3], AXES = ["first", "second"];
  // A measure has a `power`, 2/p of the p-norm (0: the largest entry), or a matrix `H`: its ball is an ellipse.
  // What is lost by dropping entry `i` of w, and the vector that is left; under H the survivor moves.
  const drop = ({ H }, w, i) => {
    const kept = 1 - i, own = H && (i ? H[0] : H[2]);
    const moved = H ? w[kept] + (H[1] * w[i]) / own : w[kept];
    const loss = H ? Math.abs(w[i]) * Math.sqrt((H[0] * H[2] - H[1] ** 2) / own) : Math.abs(w[i]);
    return { loss, left: i ? [moved, 0] : [0, moved] };
  };
  // Of equal losses the earlier entry is kept, as by the rule.
  const nearest = (measure, w) => {
    const [first, second] = [0, 1].map((i) => drop(measure, w, i)), tie = Math.abs(first.loss - second.loss) <= 1e-9 * first.loss;
    return { ...(tie || second.loss < first.loss ? second : first), kept: tie || second.loss < first.loss ? 0 : 1, tie, other: first };
  };
  const outline = ({ power, H }, [x, y], reach) => Array.from({ length: 96 }, (_, i) => {
    const t = (Math.PI * i) / 48, [c, s] = [Math.cos(t), Math.sin(t)].map((each) => (Math.abs(each) < 1e-12 && power !== 0 ? 0 : each));
    if (!H) return [x + reach * Math.sign(c) * Math.abs(c) ** power, y + reach * Math.sign(s) * Math.abs(s) ** power];
    const up = (reach * s) / Math.sqrt(H[2] - H[1] ** 2 / H[0]);
    return [x + (reach * c) / Math.sqrt(H[0]) - (H[1] * up) / H[0], y + up];
  });
  const pair = (v, digits = 1) => `(${v.map((each) => text(each, digits)).join(", ")})`;
  const sentence = (measure, w) => {
    const at = `w = ${pair(w)}, ${measure.name}.`, { loss, left, kept, tie, other } = nearest(measure, w);
    if (!w[0] || !w[1]) return `${at} An entry of w is 0 already: nothing has to be dropped, and the ball has no size.`;
    const [first, second] = [0, 1].map((i) => text(drop(measure, w, i).loss));
    const where = tie ? `The ball touches both axes, at ${pair(left)} and ${pair(other.left)}: a tie, and the rule keeps the first entry.` : `The ball touches the ${AXES[kept]} axis at ${pair(left)}.`;
    const wide = measure.power === 0 && !tie ? ` It touches along an edge: all points up to ${text(loss, 1)} away on that axis are as near.` : "";
    const size = Math.abs(w[0]) >= Math.abs(w[1]) ? 0 : 1;
    const rule = tie ? "" : size === kept ? " Keeping the larger entry is right." : " Keeping the larger entry is wrong here.";
    return `${at} Dropping the first entry costs ${first}, the second ${second}. ${where}${wide}${rule}`;
  };
  const start = ({ board, one, all, tell, given: { w: home, measures } }) => {
    const grip = one(".sw-grip"), choice = one("select"), [, , wide, high] = board.querySelector("svg").getAttribute("viewBox").split(" ").map(Number);
    board.append(grip);
    let w = home;
    const show = () => {
      const measure = measures[choice.value], found = nearest(measure, w), { loss, left, kept, tie, other } = found;
      set(one(".sw-wash"), { d: `${path(outline(measure, w, loss))}Z` });
      const ends = [-loss, loss].map((far) => (kept ? [0, left[1] + far] : [left[0] + far, 0]));
      set(one(".sw-edge"), { d: measure.power === 0 && !tie ? path(ends) : "" });
      [left, tie ? other.left : left].forEach(([cx, cy], i) => set(all(".sw-dot")[i], { cx, cy }));
      set(one(".sw-ink"), { cx: w[0], cy: w[1] });
      Object.assign(grip.style, { left: `${50 + (100 * w[0]) / wide}%`, top: `${50 - (100 * w[1]) / high}%` });
      set(grip, { "aria-valuenow": w[0], "aria-valuetext": pair(w) });
      tell(sentence(measure, w));
    };
    const move = (to) => { w = to.map((each, i) => Math.round(10 * Math.min(Math.max(each, -FAR[i]), FAR[i])) / 10 || 0); show(); };
    const follow = ({ clientX, clientY }) => {
      const box = board.getBoundingClientRect();
      move([((clientX - box.left) / box.width - 0.5) * wide, (0.5 - (clientY - box.top) / box.height) * high]);
    };
    grip.addEventListener("pointerdown", (event) => { grip.setPointerCapture(event.pointerId); grip.focus(); event.preventDefault(); });
    grip.addEventListener("pointermove", (event) => { if (grip.hasPointerCapture(event.pointerId)) follow(event); });
    board.addEventListener("click", (event) => { if (event.target !== grip) follow(event); }); // for who cannot drag
    grip.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
      if (event.key !== "Home" && (!step || event.ctrlKey || event.altKey || event.metaKey)) return;
      event.preventDefault();
      move(step ? w.map((each, i) => each + step[i] * (event.shiftKey ? 1 : 0.1)) : home);
    });
    choice.addEventListener("change", show);
    show();
  };
  return { drop, nearest, outline, sentence, start };
})();
swTouch.begin("ball", swTouch.ball.start);
