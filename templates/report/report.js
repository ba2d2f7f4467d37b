/* The page: what unfolds, and where its links lead. */

function foldable() {
  const all = document.querySelectorAll(".finding details");
  const tools = document.querySelector(".tools");
  if (!tools || !all.length) return;
  tools.hidden = false;
  document.addEventListener("toggle", (event) => lay(event.target), true);
  const fold = (open) => () => all.forEach((each) => { each.open = open; });
  document.getElementById("open-all").addEventListener("click", fold(true));
  document.getElementById("close-all").addEventListener("click", fold(false));
}

/* Where there are many, the browser reads evidence as markup only once somebody unfolds it. */
function lay(details) {
  const kept = details.querySelector("noscript");
  if (!kept) return;
  kept.insertAdjacentHTML("afterend", kept.textContent);
  kept.remove();
}

/* A finding unfolds. True when the page itself has what is linked to. */
function unfold(name) {
  const target = document.getElementById(name);
  const finding = target && target.closest(".finding");
  if (finding) {
    const details = [...finding.querySelectorAll("details")].at(-1);
    lay(details);
    details.open = true;
    target.scrollIntoView();
  }
  return Boolean(target);
}

/* What has no place of its own on the page is a row of the inventory. */
async function follow(table) {
  const name = location.hash.slice(1);
  if (!name || unfold(name) || !/-(tcp|udp)$/.test(name)) return;
  const found = await table;
  if (found) found.visit(name.replace(/^row-/, ""));
}

function start() {
  themes();
  foldable();
  const table = inventory();
  window.addEventListener("hashchange", () => follow(table));
  follow(table);
}

start();
