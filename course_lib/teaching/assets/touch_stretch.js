/* A 2 by 2 matrix: the ellipse that it makes of the circle, its longest radius, and the bubble that this proves. */
window.swTouch.stretch ||= (() => {
  const { text, set } = swTouch;
  // W v at the angle t is P e^(it) + Q e^(-it) in complex numbers: longest where the two point the same way.
  const ellipse = ([a, b, c, d]) => {
    const P = [(a + d) / 2, (c - b) / 2], Q = [(a - d) / 2, (c + b) / 2], [p, q] = [P, Q].map((each) => Math.hypot(...each));
    const turn = (Math.atan2(P[1], P[0]) + Math.atan2(Q[1], Q[0])) / 2;
    return { norm: p + q, least: Math.abs(p - q), turn, far: [Math.cos(turn), Math.sin(turn)].map((each) => (p + q) * each) };
  };
  // Two logits W x: the margin of the class at hand, what the norm proves, and how far the border really is.
  const bubble = ([a, b, c, d], [x, y]) => {
    const logits = [a * x + b * y, c * x + d * y], margin = logits[0] - logits[1], L = ellipse([a, b, c, d]).norm;
    return { logits, margin, radius: margin > 0 ? margin / (Math.SQRT2 * L) : 0, truth: margin > 0 ? margin / Math.hypot(a - c, b - d) : 0 };
  };
  const sentence = (W, x) => {
    const { norm } = ellipse(W), { logits, margin, radius, truth } = bubble(W, x);
    const grows = `W stretches a vector of length one to at most ${text(norm, 3)}.`;
    if (!norm) return `${grows} All logits are 0: there is nothing to certify.`;
    const given = `The logits of x are ${logits.map((each) => text(each)).join(" and ")}, the margin is ${text(margin)}.`;
    if (margin <= 0) return `${grows} ${given} x is not given the first class: there is nothing to certify.`;
    return `${grows} ${given} Proved: no change shorter than ${text(margin)} / (\u221a2\u00a0\u00b7\u00a0${text(norm, 3)}) = ${text(radius, 3)} changes the class. True: the nearest change that does is ${text(truth, 3)} long.`;
  };
  const start = ({ one, all, tell, given: { W: home, x } }) => {
    const fields = all("[type=range]"), outputs = all("output");
    const show = () => {
      const W = fields.map((field) => Number(field.value)), { norm, least, turn, far } = ellipse(W), { radius, truth } = bubble(W, x);
      fields.forEach((field, i) => { outputs[i].textContent = text(W[i]); field.setAttribute("aria-valuetext", text(W[i])); });
      set(one("ellipse"), { rx: norm.toFixed(3), ry: least.toFixed(3), transform: `rotate(${((turn * 180) / Math.PI).toFixed(2)})` });
      set(one(".sw-longest"), { x2: far[0].toFixed(3), y2: far[1].toFixed(3) });
      const [across, up] = [W[0] - W[2], W[1] - W[3]], long = 9 / (Math.hypot(across, up) || Infinity);
      set(one(".sw-border"), { x1: -up * long, y1: across * long, x2: up * long, y2: -across * long });
      set(one(".sw-proved"), { r: radius.toFixed(3) });
      set(one(".sw-true"), { r: truth.toFixed(3) });
      one("[data-say=norm]").textContent = text(norm, 3);
      one("[data-say=radius]").textContent = text(radius, 3);
      one("[data-say=truth]").textContent = text(truth, 3);
      tell(sentence(W, x));
    };
    const enter = (W) => { fields.forEach((field, i) => { field.value = W[i]; }); show(); };
    fields.forEach((field) => field.addEventListener("input", show));
    one("[data-do=prune]").addEventListener("click", () => {
      const W = fields.map((field) => Number(field.value)), least = Math.min(...W.filter(Boolean).map(Math.abs)), at = W.findIndex((each) => Math.abs(each) === least);
      enter(W.map((each, i) => (i === at ? 0 : each)));
    });
    one("[data-do=again]").addEventListener("click", () => enter(home));
    show();
  };
  return { ellipse, bubble, sentence, start };
})();
swTouch.begin("stretch", swTouch.stretch.start);
