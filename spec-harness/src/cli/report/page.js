"use strict";
// Shows the cases that the filter finds; without a script, all of them are shown.
(() => {
  const byId = (id) => document.getElementById(id);
  const [form, text, verdict, count] = ["filter", "text", "verdict", "count"].map(byId);
  const rows = [...document.querySelectorAll("tr[data-text]")];
  const runs = [...document.querySelectorAll("details[data-text]")];
  const apply = () => {
    const words = text.value.toLowerCase().split(/\s+/).filter(Boolean);
    const fits = ({ dataset }) =>
      words.every((word) => dataset.text.includes(word)) &&
      (!verdict.value || dataset.verdicts.split(" ").includes(verdict.value));
    for (const element of [...rows, ...runs]) element.hidden = !fits(element);
    const shown = rows.filter((row) => !row.hidden).length;
    count.textContent = `${shown} of ${rows.length} cases`;
  };
  // What is asked for may stand in the address: report.html?text=map&verdict=fail
  const asked = new URLSearchParams(location.search);
  text.value = asked.get("text") ?? "";
  verdict.value = asked.get("verdict") ?? "";
  form.hidden = false;
  form.addEventListener("submit", (event) => event.preventDefault());
  text.addEventListener("input", apply);
  verdict.addEventListener("change", apply);
  // A link to a case opens it, whatever the filter says, and goes on from there.
  const open = () => {
    const target = location.hash && byId(location.hash.slice(1));
    const details = target && target.closest("details");
    if (details) {
      if (details.hidden) {
        text.value = verdict.value = "";
        apply();
      }
      details.open = true;
      details.scrollIntoView();
      details.querySelector("summary").focus({ preventScroll: true });
    }
    return Boolean(details);
  };
  addEventListener("hashchange", open);
  // The address is there already.
  addEventListener("click", (event) => {
    const link = event.target.closest("a");
    if (link && link.hash && link.hash === location.hash && open()) event.preventDefault();
  });
  addEventListener("keydown", (event) => {
    const writes = event.target.matches("input, select") || event.ctrlKey || event.altKey || event.metaKey;
    if (event.key === "/" && !writes) {
      event.preventDefault();
      text.select();
    }
  });
  apply();
  open();
})();
