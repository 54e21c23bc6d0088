/* A crowd answers with Warner's coin: the estimate, its interval, and what one answer gives away. */
window.swTouch.crowd ||= (() => {
  const { text, percent, count, set } = swTouch;
  const truth = (epsilon) => 1 / (1 + Math.exp(-epsilon));
  // About one half nothing cancels: 2p - 1 is tanh(epsilon / 2). At epsilon 0 nothing can be had.
  const estimate = (said, epsilon) => (epsilon ? (said - 0.5) / Math.tanh(epsilon / 2) + 0.5 : NaN);
  const spread = (n, epsilon) => 1 / (2 * Math.sinh(epsilon / 2) * Math.sqrt(n));
  // The first of the people have a yes; whoever draws a number below p says what is so.
  const answers = (draws, yes, epsilon) => draws.map((draw, i) => ({ said: (i < yes) === draw < truth(epsilon), honest: draw < truth(epsilon) }));
  // One answer doubles nothing, or settles everything: how much likelier a yes is where yes is so.
  const onePerson = (epsilon) => {
    if (!epsilon) return "One answer gives nothing away: the coin is fair, and yes is as likely from anybody.";
    const times = Math.exp(epsilon);
    return `One answer: a yes is ${times < 1e6 ? text(times, times < 100 ? 1 : 0) : "over a million"} times (e to the power \u03b5) as likely from someone for whom it is so. Who bets that an answer is true wins ${percent(truth(epsilon))} of the time.`;
  };
  const sentence = (said, n, q, epsilon) => {
    const coin = `\u03b5 = ${text(epsilon)}: with probability p = ${text(truth(epsilon), 3)} a person says what is so. Of ${count(n)} people ${percent(said)} said yes.`;
    if (!epsilon) return `${coin} No estimate can be had from such answers. ${onePerson(0)}`;
    const at = estimate(said, epsilon), room = 1.96 * spread(n, epsilon);
    return `${coin} The estimate is ${percent(at)}, 95% interval ${percent(at - room)} to ${percent(at + room)}; true is ${percent(q)}. ${onePerson(epsilon)}`;
  };
  const start = ({ one, all, tell, given: { draws: first, q } }) => {
    const thumb = one("[type=range]"), people = one("select"), output = one("output");
    const across = (share) => (560 * (Math.min(Math.max(share, -0.4), 1.4) + 0.4)) / 1.8;
    let draws = first;
    const show = () => {
      const epsilon = Number(thumb.value), n = Number(people.value), yes = Math.round(q * n);
      while (draws.length < n) draws = [...draws, Math.random()];
      const told = answers(draws.slice(0, n), yes, epsilon), said = told.filter((each) => each.said).length / n;
      const columns = Math.ceil(Math.sqrt(2.8 * n)), room = 560 / columns;
      all("[data-who]").forEach((dots) => {
        const [big, honest] = [...dots.dataset.who].map((each) => each === "y");
        const d = told.map((each, i) => (each.said === big && each.honest === honest ? `M${((i % columns) + 0.5) * room} ${(Math.floor(i / columns) + 0.5) * room}h0` : "")).join("");
        set(dots, { d, "stroke-width": room * (big ? 0.75 : 0.3) });
      });
      const at = estimate(said, epsilon), wide = 1.96 * spread(n, epsilon), known = epsilon > 0;
      set(one(".sw-interval"), { x1: across(known ? at - wide : -0.4).toFixed(1), x2: across(known ? at + wide : 1.4).toFixed(1) });
      set(one(".sw-share"), { cx: across(known ? at : 0.5).toFixed(1), r: known ? 5 : 0 });
      output.textContent = text(epsilon);
      thumb.setAttribute("aria-valuetext", text(epsilon));
      tell(sentence(said, n, yes / n, epsilon));
    };
    thumb.addEventListener("input", show);
    people.addEventListener("change", show);
    one("[data-do=ask]").addEventListener("click", () => { draws = Array.from({ length: Number(people.value) }, Math.random); show(); });
    one("[data-do=again]").addEventListener("click", () => { draws = first; all("[data-home]").forEach((each) => { each.value = each.dataset.home; }); show(); });
    show();
  };
  return { truth, estimate, spread, answers, onePerson, sentence, start };
})();
swTouch.begin("crowd", swTouch.crowd.start);
