// What the pages share: elements, and words in the language of the browser.
"use strict";

const $ = (selector) => document.querySelector(selector);

function element(tag, attributes = {}, ...children) {
  const svg = ["svg", "g", "path", "line", "circle", "text"].includes(tag);
  const node = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag)
    : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

const language = navigator.language.startsWith("ja") ? "ja" : "en";
document.documentElement.lang = language;

// The words of a page, {en: {name: text or function}, ja: the same}; those that stand in the HTML
// are marked there: data-say for the text of an element, data-label for what a screen reader says.
function speak(words) {
  const say = words[language];
  for (const node of document.querySelectorAll("[data-say]")) node.textContent = say[node.dataset.say];
  for (const node of document.querySelectorAll("[data-label]")) {
    node.setAttribute("aria-label", say[node.dataset.label]);
  }
  return say;
}

const stillness = matchMedia("(prefers-reduced-motion: reduce)");

// What the networks were trained on, as a heading; and where it is from, if the heading is not that.
function subject({ digit, data_source: source }) {
  if (digit === null) return source;
  if (digit === "all") return language === "ja" ? "すべての数字" : "All digits";
  return language === "ja" ? `数字 ${digit}` : `Digit ${digit}`;
}

function origin({ digit, data_source: source }) { return digit === null ? "" : source; }

function count(number) { return number.toLocaleString(language); }
