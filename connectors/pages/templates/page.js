(() => {
  "use strict";
  const key = "parkpulse-lang";
  const choose = (lang) => {
    const radio = document.getElementById("lang-" + lang);
    if (!radio) return;
    radio.checked = true;
    document.documentElement.lang = lang === "en" ? "en" : "zh-CN";
  };
  let kept = null;
  try { kept = localStorage.getItem(key); } catch (refused) { kept = null; }
  if (location.hash === "#en" || location.hash === "#zh") kept = location.hash.slice(1);
  if (kept) choose(kept);
  for (const radio of document.querySelectorAll("input[name=lang]")) {
    radio.addEventListener("change", () => {
      const lang = radio.id.slice(5);
      choose(lang);
      try { localStorage.setItem(key, lang); } catch (refused) { return; }
    });
  }
  for (const control of document.querySelectorAll("[data-filter]")) {
    const wanted = () => control.value.trim().toLowerCase();
    control.addEventListener("input", () => {
      for (const item of document.querySelectorAll("." + control.dataset.filter + " [data-key]")) {
        const text = control.tagName === "SELECT" ? item.dataset.key : item.textContent.toLowerCase();
        const is = control.tagName === "SELECT" ? !wanted() || text === wanted() : text.includes(wanted());
        item.classList.toggle("out", !is);
      }
    });
  }
})();
