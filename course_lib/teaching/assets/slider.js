/* One listener serves every slider of the page, now and later; saying it twice does nothing. */
window.swSlider ||= document.addEventListener("input", (event) => {
  const input = event.target, slider = input.closest?.(".sw-slider");
  if (!slider || input.type !== "range") return;
  const values = JSON.parse(slider.dataset.values);
  slider.querySelectorAll("[data-frame]").forEach((frame, i) => { frame.hidden = i !== +input.value; });
  slider.querySelector("output").textContent = values[input.value];
  input.setAttribute("aria-valuetext", slider.querySelectorAll("[data-frame]")[input.value].dataset.says);
}) || true;
