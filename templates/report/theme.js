/* Light or dark: the reader's choice goes before that of the system. Paper stays light. */

const THEME = "portproof-theme";

/* A page from disk may have no memory at all, or one that it must not use. */
function rememberedTheme() {
  try { return localStorage.getItem(THEME); } catch { return null; }
}

function rememberTheme(theme) {
  try { localStorage.setItem(THEME, theme); } catch { /* then it is for this time only */ }
}

function themedRules() {
  return [...document.styleSheets]
    .flatMap((sheet) => [...sheet.cssRules])
    .filter((rule) => rule.media && rule.media.mediaText.includes("prefers-color-scheme"))
    .map((rule) => ({ media: rule.media, theme: rule.media.mediaText.match(/scheme:\s*(\w+)/)[1] }));
}

function themes() {
  const button = document.getElementById("theme");
  if (!button) return;
  const rules = themedRules();
  const system = matchMedia("(prefers-color-scheme: dark)");
  let chosen = ["light", "dark"].find((theme) => theme === rememberedTheme());
  const isDark = () => (chosen ? chosen === "dark" : system.matches);
  const show = () => {
    if (chosen) {
      rules.forEach(({ media, theme }) => { media.mediaText = theme === chosen ? "screen" : "not all"; });
      document.documentElement.style.colorScheme = chosen;
    }
    button.textContent = isDark() ? said("Light colours") : said("Dark colours");
  };
  button.addEventListener("click", () => {
    chosen = isDark() ? "light" : "dark";
    rememberTheme(chosen);
    show();
  });
  system.addEventListener("change", show);
  button.hidden = false;
  show();
}
