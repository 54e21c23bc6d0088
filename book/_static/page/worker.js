// What runs in the worker, beside the page: Python, unchanged, fed from bytes that the page has.
//
// A page that was opened from a folder can make a worker of a text and of nothing else, so this
// function is turned into one. It sends { ready }, { text, id }, and { good, id } at a cell's end.
(self.swPage ??= {}).worker = () => {
  const NUMPY = "numpy", HOME = "/home/assignment", MOST = 200_000; // characters that a cell may print
  const LAST = 20_000; // and of more than that, so many at its end: what a check says comes last
  let files, python, cells, printed, held, last, since, id;

  // Pyodide fetches its files by name: here they are.
  const named = (address) => {
    const name = String(address.url ?? address).split("/").pop();
    if (!files[name]) throw new Error(`the page asks nobody for anything: ${name}`);
    return files[name];
  };
  const typed = (name) => (String(name.url ?? name).endsWith(".wasm") ? "application/wasm" : "application/octet-stream");
  self.fetch = async (address) => new Response(named(address), { headers: { "content-type": typed(address) } });
  self.importScripts = (...addresses) => addresses.forEach((one) => (0, eval)(new TextDecoder().decode(named(one))));

  // Code from somebody else's notebook finds no way out of here either.
  const closed = "XMLHttpRequest WebSocket WebSocketStream WebTransport EventSource Worker SharedWorker indexedDB caches BroadcastChannel".split(" ");
  closed.forEach((name) => Object.defineProperty(self, name, { value: undefined }));

  // What is printed goes out in pieces, so that a cell that prints without end floods nobody.
  const send = () => {
    if (held) postMessage({ text: held, id });
    held = "";
    since = performance.now();
  };
  const print = (text) => {
    const room = MOST - printed;
    printed += text.length;
    if (room >= 0) held += text.length > room ? `${text.slice(0, room)}\n... (it printed more than is shown)\n` : text;
    if (text.length > room) last += text.slice(Math.max(room, 0));
    if (last.length > 2 * LAST) last = last.slice(-LAST);
    if (performance.now() - since > 100) send();
  };
  const stream = () => {
    const decoder = new TextDecoder();
    return { write: (bytes) => (print(decoder.decode(bytes, { stream: true })), bytes.length) };
  };

  const begin = async (given) => {
    files = given;
    importScripts("pyodide.js");
    python = await loadPyodide({ indexURL: "https://nowhere.invalid/" });
    await python.loadPackage(NUMPY, { messageCallback: () => {} });
    const place = python.runPython("import site; site.getsitepackages()[0]");
    python.unpackArchive(files["course_lib.zip"], "zip", { extractDir: place });
    files = {};
    python.setStdin({ error: true });
    python.setStdout(stream());
    python.setStderr(stream());
    python.FS.mkdirTree(HOME);
    python.FS.chdir(HOME);
    cells = python.pyimport("page_cells");
    cells.begin();
  };

  self.onmessage = async ({ data }) => {
    try {
      if (data.files) {
        await begin(data.files);
        for (const [name, content] of Object.entries(data.checks)) python.FS.writeFile(name, content);
        postMessage({ ready: true });
        return;
      }
      id = data.id;
      printed = 0;
      held = last = "";
      since = performance.now();
      if (data.fresh) cells.forget();
      const good = cells.run(data.source, data.name);
      held += last.slice(-LAST);
      send();
      postMessage({ good, id });
    } catch (error) {
      postMessage({ broken: String(error) });
    }
  };
};
