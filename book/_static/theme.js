// On paper every page is light; afterwards the reader's own choice is back.
(() => {
  const page = document.documentElement.dataset;
  let chosen;
  addEventListener("beforeprint", () => {
    chosen = page.theme;
    page.theme = "light";
  });
  addEventListener("afterprint", () => {
    page.theme = chosen;
  });
})();
