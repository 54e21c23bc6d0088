// The search page ranks pages by how much they are about the words. Sphinx gives the page, the
// stemmer and the words too common to count; `swText` (search_text.js) is the prose by sections.
(() => {
  const WORD = /\d+ of \d+|[\p{L}\p{N}_]+(?:[:.][\p{L}\p{N}_]+)*/gu; // "N:M" and "0.43" are words; "2 of 4" is "2:4"
  const HEADING = 5, TITLE = 20, KEYWORD = 20; // what one of these counts, in occurrences
  const SHOWN = 12;
  const MINOR = { "book/library/": 0.35, "book/instructor": 0.35, "book/page/": 0.5, "book/": 0.6 };
  const stemmer = new Stemmer(), stems = new Map();
  const stem = (word) => {
    // One word, however it is spelled: quantization, quantisation; color, colour.
    if (!stems.has(word)) stems.set(word, stemmer.stemWord(word.replace(/iz(?=[aei])/, "is").replace(/(?<=col|behavi|neighb|fav)our/, "or")));
    return stems.get(word);
  };
  const tokens = (text) => [...text.matchAll(WORD)].map((found) => [stem(found[0].toLowerCase().replace(" of ", ":")), found.index, found[0].length]);
  const words = (text) => tokens(text).map(([word]) => word);
  // How often the words of a query, each a set of spellings, stand one after another.
  const runs = (list, query) => list.filter((_, at) => query.every((like, i) => like.has(list[at + i]))).length;
  const element = (name, given = {}, ...children) => {
    const made = Object.assign(document.createElement(name), given);
    made.append(...children);
    return made;
  };

  const read = () => swText.pages.map(({ name, title, sections }) => ({
    name, title, head: words(title),
    keywords: (swText.keywords[name] ?? []).map(words),
    factor: Object.entries(MINOR).find(([start]) => name.startsWith(start))?.[1] ?? 1,
    sections: sections.map(([anchor, heading, text], at) => ({
      anchor: at ? `#${anchor}` : "", heading, text, head: at ? words(heading) : [], body: words(text),
      keywords: (swText.keywords[`${name}#${anchor}`] ?? []).map(words),
    })),
  }));
  const all = (page) => [page.head, ...page.keywords, ...page.sections.flatMap((each) => [each.head, each.body, ...each.keywords])];

  // What the query asks for: a set of spellings for each word that some page has, and those none has.
  const ask = (query, pages) => {
    const vocabulary = new Set(pages.flatMap(all).flat()), asked = words(query);
    const spelled = query.match(WORD) ?? [], terms = [], unknown = [];
    const telling = (word, i) => !stopwords.includes(spelled[i].toLowerCase());
    for (const [i, word] of asked.entries()) {
      if (!telling(word, i) && asked.some(telling)) continue;
      const begun = word.length < 3 ? [] : [...vocabulary].filter((known) => known.startsWith(word));
      const like = vocabulary.has(word) ? [word] : begun;
      like.length ? terms.push(new Set(like)) : unknown.push(spelled[i]);
    }
    return { asked, terms, unknown };
  };

  const occurrences = (section, query) =>
    runs(section.body, query) + HEADING * runs(section.head, query) + KEYWORD * section.keywords.filter((words) => runs(words, query)).length;
  const about = (page, query) =>
    TITLE * runs(page.head, query) + KEYWORD * page.keywords.filter((words) => runs(words, query)).length
    + page.sections.reduce((sum, section) => sum + occurrences(section, query), 0);

  // Pages with all words, the best first, each with its sections; apart: not in one section.
  const rank = (pages, terms, asked) => {
    const queries = terms.map((term) => [term]);
    if (terms.length > 1) queries.push(terms); // together they mean more
    const rare = queries.map((query) => Math.log(1 + pages.length / (1 + pages.filter((page) => about(page, query)).length)));
    const mean = pages.reduce((sum, page) => sum + all(page).flat().length, 0) / pages.length;
    const same = (words) => words.join(" ") === asked.join(" ");
    const named = (place) => Math.max(10 * place.keywords.some(same), 2 * same(place.head));
    const found = [];
    for (const page of pages) {
      const size = 2 + 8 * all(page).flat().length / mean;
      const sections = page.sections.map((section) => {
        const counts = queries.map((query) => occurrences(section, query));
        return { section, score: counts.reduce((sum, n, i) => sum + rare[i] * n, 0), whole: terms.every((_, i) => counts[i]) };
      });
      const together = about(page, terms), known = Math.max(...[page, ...page.sections].map(named));
      if (!known && !terms.every((term) => about(page, [term]))) continue;
      const apart = !known && !together && !sections.some(({ whole }) => whole);
      const score = queries.reduce((sum, query, i) => { const n = about(page, query); return sum + rare[i] * n / (n + size); }, known);
      const best = sections.filter(({ score }) => score).sort((a, b) => b.score - a.score).filter(({ score }, _, [top]) => score > top.score / 4);
      found.push({ page, together, known, apart, score: score * page.factor, best: best.map(({ section }) => section) });
    }
    const near = found.filter(({ apart }) => !apart);
    return (near.length ? near : found).sort((a, b) => b.score - a.score);
  };

  // Some 240 letters of a section from where the words stand closest, the words marked.
  const excerpt = ({ text }, terms) => {
    const hits = tokens(text).filter(([word]) => terms.some((like) => like.has(word)));
    const near = (at) => new Set(hits.filter(([, there]) => there >= at && there < at + 160).map(([word]) => word)).size;
    const [, first] = hits.reduce((best, hit) => (near(hit[1]) > near(best[1]) ? hit : best), hits[0] ?? ["", 0]);
    const sentence = Math.max(...[". ", "? ", "! "].map((end) => text.lastIndexOf(end, first) + 1));
    const from = first - sentence < 120 ? sentence : text.indexOf(" ", first - 80);
    const to = from + 240 < text.length ? text.lastIndexOf(" ", from + 240) : text.length;
    const shown = element("p", { className: "context" }, from > 0 && from !== sentence ? "… " : "");
    let at = from;
    for (const [, start, length] of hits.filter(([, start, length]) => start >= from && start + length <= to)) {
      shown.append(text.slice(at, start), element("mark", { textContent: text.substr(start, length) }));
      at = start + length;
    }
    shown.append(text.slice(at, to).trimEnd(), to < text.length ? " …" : "");
    return shown;
  };

  const link = (page, section, text) => element("a", { href: page.name + DOCUMENTATION_OPTIONS.LINK_SUFFIX + section, textContent: text });
  const result = ({ page, best }, terms) => {
    const item = element("li", {}, link(page, "", page.title));
    const [first = page.sections[0]] = best;
    if (first?.text) item.append(excerpt(first, terms));
    // A module and a method may have one name: it is said once.
    const places = best.filter(({ anchor, heading }, at) => anchor && best.findIndex((each) => each.anchor && each.heading === heading) === at).slice(0, 3);
    if (places.length) item.append(element("ul", { className: "search-places" }, ...places.map((section) => element("li", {}, link(page, section.anchor, section.heading)))));
    return item;
  };

  const says = (query, found, unknown, absent) => {
    const pages = found.length === 1 ? "1 page" : `${found.length || "No"} pages`;
    if (absent) return [`“${query}” is not a subject of this book; nearest: `, ...absent, found.length ? ` ${pages} ${found.length === 1 ? "names" : "name"} it:` : ""];
    if (unknown.length && found.length) return [`No page has “${unknown.join("”, “")}”; ${pages} for the other words.`];
    if (found[0]?.apart) return [`No section has all these words; ${pages} for “${query}”.`];
    return [`${pages} for “${query}”.`];
  };
  const points = ({ nearest, why }, pages) => {
    const [name, anchor] = nearest.split("#"), page = pages.find((each) => each.name === name);
    const section = page.sections.find((each) => each.anchor === `#${anchor}`);
    return [link(page, section?.anchor ?? "", [page.title, section?.heading].filter(Boolean).join(" › ")), `, ${why}`];
  };

  Search.query = (query) => {
    const pages = read(), { asked, terms, unknown } = ask(query, pages);
    const absent = swText.absent.find((entry) => entry.words.some((word) => runs(asked, words(word).map((each) => new Set([each])))));
    const ranked = terms.length ? rank(pages, terms, asked) : [];
    // Of what is not in the book, only pages that name it are shown.
    const found = absent ? ranked.filter((each) => !unknown.length && (each.known || each.together)) : ranked;
    Search.stopPulse();
    Search.title.textContent = "Search results";
    Search.status.replaceChildren(...says(query.trim(), found, unknown, absent && points(absent, pages)));
    const [shown, rest] = [found.slice(0, SHOWN), found.slice(SHOWN)];
    Search.output.append(...shown.map((each) => result(each, terms)));
    if (rest.length) {
      const more = element("ul", { className: "search" }, ...rest.map((each) => result(each, terms)));
      Search.output.after(element("details", {}, element("summary", { textContent: `${rest.length} more` }), more));
    }
  };
})();
