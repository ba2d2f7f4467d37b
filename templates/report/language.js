"use strict";

/* The words of the page: English ones are in the code, and those of another language beside it. */

const TEXTS = JSON.parse(document.getElementById("texts")?.textContent ?? "{}");

/* A fixed text in the language of the page; `{name}` stands for a value. */
function said(text, values = {}) {
  const found = Object.hasOwn(TEXTS, text) ? TEXTS[text] : text;
  return found.replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

function counted(number) {
  return number.toLocaleString(document.documentElement.lang);
}
