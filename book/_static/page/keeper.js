// The book's service worker: what a server has given once is there when the server is not.
//
// `swBook` (written when the book is built) names all files. A server that answers is always
// asked first, so that a new book is seen at once; Python never changes within one.
const { version, files } = self.swBook, CACHE = `sw-book-${version}`;

self.addEventListener("install", (event) => event.waitUntil((async () => {
  const cache = await caches.open(CACHE);
  const found = await Promise.all(files.map(async (file) => [file, await fetch(file, { cache: "no-cache" })]));
  await Promise.all(found.map(([file, answer]) => answer.ok && cache.put(file, answer)));
  await self.skipWaiting();
})()));

self.addEventListener("activate", (event) => event.waitUntil((async () => {
  const old = (await caches.keys()).filter((name) => name.startsWith("sw-book-") && name !== CACHE);
  await Promise.all(old.map((name) => caches.delete(name)));
  await self.clients.claim();
})()));

self.addEventListener("fetch", (event) => {
  const { request } = event, address = new URL(request.url);
  if (request.method !== "GET" || address.origin !== location.origin) return;
  const kept = async () => {
    const cache = await caches.open(CACHE);
    if (address.pathname.endsWith("/")) address.pathname += "index.html";
    return cache.match(address.href, { ignoreSearch: true });
  };
  event.respondWith((async () => {
    const still = address.pathname.includes("/_static/vendor/") && (await kept());
    if (still) return still;
    try { return await fetch(request); } catch (error) { return (await kept()) ?? Promise.reject(error); }
  })());
});
