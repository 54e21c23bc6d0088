/* Parts to touch: each begins where its still picture stands. Its numbers are seen at once, and heard once a movement has ended. */
window.swTouch ||= (() => {
  const ENDED = 700; // ms without a movement
  // A number with a true minus sign, and no minus before a zero.
  const text = (number, digits = 2) => number.toFixed(digits).replace(/^-(?=.*[1-9])/, "\u2212").replace("-", "");
  const percent = (share, digits = 1) => `${text(100 * share, digits)}%`;
  const count = (number) => number.toLocaleString("en-GB", { maximumFractionDigits: 0 });
  // What is typed: 0.1 or 0,1 or 10%; of whole numbers 1024 or 1,024. Anything else is NaN.
  const parse = (typed, whole) => {
    const clean = typed.trim().replace("\u2212", "-").replace(whole ? /[,\s]/g : ",", whole ? "" : ".");
    const [, digits, sign] = /^([+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)\s*(%?)$/i.exec(clean) || [];
    return digits === undefined ? NaN : Number(digits) / (sign ? 100 : 1);
  };
  const set = (element, attributes) => Object.entries(attributes).forEach(([name, value]) => element.setAttribute(name, value));
  const path = (points) => points.map(([x, y], i) => `${i ? "L" : "M"}${x.toFixed(3)} ${y.toFixed(3)}`).join("");
  const begin = (kind, start) => document.querySelectorAll(`.sw-touch[data-touch="${kind}"]:not(.sw-on)`).forEach((part) => {
    const live = part.querySelector(".sw-live"), board = part.querySelector(".sw-board").cloneNode(true);
    const one = (selector) => live.querySelector(selector), all = (selector) => [...live.querySelectorAll(selector)];
    live.prepend(board);
    // What is told says what the picture shows: nobody has to hear it twice.
    all("[role=img]").forEach((image) => { image.removeAttribute("role"); image.removeAttribute("aria-label"); image.setAttribute("aria-hidden", "true"); });
    const told = one(".sw-told"), heard = one(".sw-heard");
    let waiting;
    const tell = (sentence) => {
      told.textContent = sentence;
      clearTimeout(waiting);
      waiting = setTimeout(() => { if (heard.textContent !== sentence) heard.textContent = sentence; }, ENDED);
    };
    start({ live, board, one, all, tell, given: JSON.parse(part.dataset.given) });
    heard.textContent = told.textContent;
    part.classList.add("sw-on");
  });
  return { text, percent, count, parse, set, path, begin };
})();
