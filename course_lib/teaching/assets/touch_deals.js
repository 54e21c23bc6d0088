/* Deal weights, keep the largest in size, and count how often they are the true ones. */
window.swTouch.deals ||= (() => {
  const { percent, count, set } = swTouch;
  // A bell curve, two uniform numbers at a time (Box and Muller).
  const bell = () => Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());
  const hand = (N) => Array.from({ length: N }, bell);
  const kept = (values, s) => values.map((_, i) => i).sort((i, j) => Math.abs(values[j]) - Math.abs(values[i]) || i - j).slice(0, s);
  const won = (values, s) => kept(values, s).every((i) => i < s); // the first s are the true ones
  const choose = (N, s) => Array.from({ length: s }, (_, i) => (N - i) / (i + 1)).reduce((product, each) => product * each, 1);
  // The chance of k wins of n at odds p, or of fewer (step -1) or more (step 1): from k outwards the terms fall.
  const tail = (k, n, p, step) => {
    let log = k * Math.log(p) + (n - k) * Math.log1p(-p), term = 1, sum = 1;
    for (let i = 1, m = Math.min(k, n - k); i <= m; i += 1) log += Math.log((n - m + i) / i);
    for (let j = k; (step < 0 ? j > 0 : j < n) && term > 1e-17 * sum; j += step) {
      term *= step < 0 ? ((j / (n - j + 1)) * (1 - p)) / p : (((n - j) / (j + 1)) * p) / (1 - p);
      sum += term;
    }
    return Math.exp(log) * sum;
  };
  // The exact interval of Clopper and Pearson: the odds at which so few, or so many, are just too surprising.
  const interval = (k, n, confidence = 0.95) => {
    const half = (1 - confidence) / 2;
    const solve = (low, high, step) => {
      for (let i = 0; i < 60; i += 1) {
        const p = (low + high) / 2;
        if (step < 0 === tail(k, n, p, step) > half) low = p; else high = p;
      }
      return (low + high) / 2;
    };
    return [k ? solve(0, k / n, 1) : 0, k < n ? solve(k / n, 1, -1) : 1];
  };
  const sentence = (wins, deals, odds) => {
    const [low, high] = interval(wins, deals), exact = 1 / odds, inside = low <= exact && exact <= high;
    const place = inside ? "lie inside" : "lie outside: of honest intervals one in twenty misses";
    return `${count(deals)} ${deals === 1 ? "deal" : "deals"}, ${count(wins)} won: ${percent(wins / deals)}, 95% interval ${percent(low, 2)} to ${percent(high, 2)}. The exact odds, 1 in ${count(odds)} or ${percent(exact, 2)}, ${place}.`;
  };
  const start = ({ one, all, tell, given: { values: first, s } }) => {
    const N = first.length, odds = choose(N, s), across = (share) => (20 + 520 * Math.sqrt(share)).toFixed(1);
    let values, wins, deals;
    const show = () => {
      const largest = kept(values, s), [low, high] = interval(wins, deals);
      all(".sw-stem").forEach((stem, i) => {
        set(stem, { y2: (70 - 20 * Math.min(Math.max(values[i], -3), 3)).toFixed(1), class: `sw-stem ${largest.includes(i) ? "sw-orange" : "sw-axis"}` });
      });
      one("[data-say=won]").textContent = won(values, s) ? "won" : "lost";
      set(one(".sw-interval"), { x1: across(low), x2: across(high) });
      set(one(".sw-share"), { cx: across(wins / deals) });
      tell(sentence(wins, deals, odds));
    };
    const again = () => { [values, wins, deals] = [first, Number(won(first, s)), 1]; show(); };
    all("[data-deals]").forEach((button) => button.addEventListener("click", () => {
      for (let left = Number(button.dataset.deals); left; left -= 1) { values = hand(N); wins += won(values, s); deals += 1; }
      show();
    }));
    one("[data-do=again]").addEventListener("click", again);
    again();
  };
  return { hand, kept, won, choose, tail, interval, sentence, start };
})();
swTouch.begin("deals", swTouch.deals.start);
