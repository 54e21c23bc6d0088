/* Choose a few of the coefficients of a square picture: it is rebuilt from them, and their share is told. */
window.swTouch.five ||= (() => {
  const { percent, text, set } = swTouch;
  const energy = (numbers) => numbers.reduce((sum, each) => sum + each * each, 0);
  // The rule: the k largest in size, of equals the first.
  const largest = (numbers, k) => numbers.map((_, i) => i).sort((i, j) => Math.abs(numbers[j]) - Math.abs(numbers[i]) || i - j).slice(0, k).sort((i, j) => i - j);
  const share = (numbers, chosen) => energy(chosen.map((i) => numbers[i])) / energy(numbers);
  // The sum of the chosen cosine waves: the inverse of the orthonormal DCT, n by n, row after row.
  const rebuild = (numbers, chosen) => {
    const n = Math.sqrt(numbers.length), wave = (u, x) => Math.sqrt((u ? 2 : 1) / n) * Math.cos((Math.PI * (2 * x + 1) * u) / (2 * n));
    return numbers.map((_, at) => chosen.reduce((sum, i) => sum + numbers[i] * wave(Math.floor(i / n), Math.floor(at / n)) * wave(i % n, at % n), 0));
  };
  const sentence = (numbers, k, chosen, ruled) => {
    if (!energy(numbers)) return "All the numbers are 0: there is nothing to share out.";
    const yours = `Your ${chosen.length === 1 ? "one number holds" : `${chosen.length} numbers hold`} ${percent(share(numbers, chosen))} of the sum of squares.`;
    const rule = `The ${k} largest in size hold ${percent(share(numbers, largest(numbers, k)))}`;
    if (ruled) return `${rule} of the sum of squares. That is the rule's choice.`;
    if (!chosen.length) return `Nothing is chosen yet. Choose ${k} of the ${numbers.length} numbers.`;
    if (chosen.length < k) return `${yours} You may choose ${k - chosen.length} more.`;
    const even = share(numbers, largest(numbers, k)) - share(numbers, chosen) < 1e-12;
    return `${yours} ${rule}${even ? ": yours are as good, nothing can be better" : ""}.`;
  };
  const start = ({ board, one, tell, given: { numbers, k } }) => {
    const stems = board.querySelector(".sw-stems"), picture = board.querySelector("svg");
    stems.removeAttribute("aria-hidden");
    set(stems, { role: "group", "aria-label": `The ${numbers.length} numbers; arrow keys move among them, Space chooses` });
    const buttons = [...stems.children].map((bar, i) => {
      const button = document.createElement("button");
      set(button, { type: "button", "data-lm-suppress-shortcuts": "true", "aria-label": `position ${i}, ${text(numbers[i])}`, "aria-pressed": "false", tabindex: i ? -1 : 0 });
      bar.replaceWith(button);
      button.append(bar);
      return button;
    });
    const n = Math.sqrt(numbers.length);
    picture.innerHTML = numbers.map((_, i) => `<rect x="${i % n}" y="${Math.floor(i / n)}" width="1.02" height="1.02"/>`).join("");
    let chosen = [], ruled = false;
    const show = () => {
      buttons.forEach((button, i) => button.setAttribute("aria-pressed", chosen.includes(i)));
      rebuild(numbers, chosen).forEach((ink, i) => {
        const grey = Math.round(255 * (1 - Math.min(Math.max(ink, 0), 1)));
        picture.children[i].style.fill = `rgb(${grey},${grey},${grey})`;
      });
      tell(sentence(numbers, k, chosen, ruled));
    };
    const focus = (at) => buttons.forEach((button, i) => { button.tabIndex = i === at ? 0 : -1; if (i === at) button.focus(); });
    stems.addEventListener("click", (event) => {
      const at = buttons.indexOf(event.target.closest("button"));
      if (at < 0) return;
      focus(at);
      if (ruled) [chosen, ruled] = [[], false];
      if (chosen.includes(at)) chosen = chosen.filter((i) => i !== at);
      else if (chosen.length < k) chosen = [...chosen, at];
      else { tell(`You have chosen ${k} already. Put one back first: choose it again.`); return; }
      show();
    });
    stems.addEventListener("keydown", (event) => {
      const across = getComputedStyle(stems).gridTemplateColumns.split(" ").length, at = buttons.indexOf(event.target.closest("button"));
      const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -across, ArrowDown: across, Home: -at, End: numbers.length - 1 - at }[event.key];
      if (step === undefined || event.ctrlKey || event.altKey || event.metaKey) return;
      event.preventDefault();
      if (buttons[at + step]) focus(at + step);
    });
    one("[data-do=rule]").addEventListener("click", () => { [chosen, ruled] = [largest(numbers, k), true]; show(); });
    one("[data-do=again]").addEventListener("click", () => { [chosen, ruled] = [[], false]; show(); });
    show();
  };
  return { largest, share, rebuild, sentence, start };
})();
swTouch.begin("five", swTouch.five.start);
