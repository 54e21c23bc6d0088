// Starts Python in a worker, runs cells one after the other, ends them.
//
// Its bytes are loaded once, when first asked for, and kept: after a stop a new Python needs them.
(self.swPage ??= {}).runner = ({ root, assignment, said: tell }) => {
  const LIMIT = 60_000; // milliseconds: what a cell or a check may take
  let bytes, worker, waiting, number = 0;
  const said = (text) => tell(text);

  const script = (address) => new Promise((done, failed) => {
    const tag = document.createElement("script");
    tag.src = `${root}_static/${address}`;
    tag.onload = () => (tag.remove(), done());
    tag.onerror = () => failed(new Error(`${address} cannot be loaded`));
    document.head.append(tag);
  });

  const unpack = async (texts) => {
    const letters = atob(texts.join("")), packed = new Uint8Array(letters.length);
    for (let i = 0; i < letters.length; i++) packed[i] = letters.charCodeAt(i);
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  };

  const once = (make) => {
    let made;
    return () => (made ??= make().catch((error) => { made = undefined; throw error; }));
  };

  // The assignment's own: the notebook as it was released, and what its checks read.
  const material = once(async () => {
    if (!assignment) return { files: {} };
    await script(`page/${assignment}.js`);
    return self.swMaterial;
  });

  const load = once(async () => {
    said("Python is being loaded ...");
    await Promise.all([script("vendor/pyodide/contents.js"), script("page/library.js"), material()]);
    const parts = self.swParts, counts = { "course_lib.zip": { parts: 1 }, ...parts.contents };
    const wanted = Object.entries(counts).flatMap(([name, { parts }]) => [...Array(parts).keys()].map((i) => `${name}.${i}`));
    let there = 0;
    await Promise.all(wanted.map(async (name) => {
      if (!parts[name]) await script(`vendor/pyodide/${name}.js`);
      said(`Python is being loaded: ${++there} of ${wanted.length} parts`);
    }));
    said("Python is being unpacked ...");
    const whole = ([name, { parts: count }]) => unpack([...Array(count).keys()].map((i) => parts[`${name}.${i}`]));
    const unpacked = await Promise.all(Object.entries(counts).map(async (each) => [each[0], await whole(each)]));
    bytes = Object.fromEntries(unpacked);
    delete self.swParts;
  });

  const heard = ({ data }) => {
    if (data.broken) return end(`Python broke off: ${data.broken}`);
    if (!waiting || data.id !== waiting.id) return;
    if (typeof data.text === "string") return waiting.print(data.text);
    const { done, clock } = waiting;
    clearTimeout(clock);
    waiting = undefined;
    done(Boolean(data.good));
  };

  // A Python that is ready; a new one where there is none.
  const start = async () => {
    if (worker) return worker.ready;
    await load();
    if (worker) return worker.ready;
    said("Python begins ...");
    const text = URL.createObjectURL(new Blob([`(${swPage.worker})()`], { type: "text/javascript" }));
    const made = worker = new Worker(text);
    made.ready = new Promise((ready, failed) => {
      made.onmessage = ({ data }) => {
        if (!data.ready) return failed(new Error(data.broken ?? "Python did not begin"));
        made.onmessage = heard;
        said("Python is ready.");
        ready();
      };
      made.onerror = (event) => failed(new Error(event.message));
      made.stopped = failed;
    });
    made.ready.catch(() => made === worker && (worker = undefined)).finally(() => URL.revokeObjectURL(text));
    const { files } = await material();
    made.postMessage({ files: bytes, checks: files });
    return made.ready;
  };

  // End whatever runs; `why` is told to who waits for it. What was defined is gone.
  const end = (why) => {
    worker?.terminate();
    worker?.stopped(new Error(why));
    worker = undefined;
    const ended = waiting;
    waiting = undefined;
    clearTimeout(ended?.clock);
    ended?.failed(new Error(why));
    said("Python was stopped; the next click begins it anew.");
  };

  return {
    limit: LIMIT,
    material,
    start,
    end,
    begun: () => worker,
    tell: (other) => { tell = other; }, // who is told from now on
    // Run one cell: true if it ended well. `print` is given what it prints; fresh: forget first.
    async run(name, source, print, fresh = false) {
      await start();
      return new Promise((done, failed) => {
        const late = () => end(`It was still running after ${this.limit / 1000} seconds, and was stopped. Is there a loop that never ends?`);
        waiting = { id: ++number, print, done, failed, clock: setTimeout(late, this.limit) };
        worker.postMessage({ id: number, name, source, fresh });
      });
    },
  };
};
