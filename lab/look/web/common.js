// What the pages share: elements, words in the language of the browser, a player.
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

// Words are {en: {name: text or function}, ja: the same}; those that stand in the HTML are marked
// there: data-say for the text of an element, data-label for what a screen reader says.
function speak(words) {
  const say = { ...SHARED_WORDS[language], ...words[language] };
  for (const node of document.querySelectorAll("[data-say]")) node.textContent = say[node.dataset.say];
  for (const node of document.querySelectorAll("[data-label]")) {
    node.setAttribute("aria-label", say[node.dataset.label]);
  }
  return say;
}

const stillness = matchMedia("(prefers-reduced-motion: reduce)");

// What a screen reader says once: that something has ended, or what is to be done next.
function announce(text) { $("#announce").textContent = text; }

// Takes a key from the browser, if it has been used here.
function whenUsed(event, used) { if (used) event.preventDefault(); }

// What the networks were trained on, as a heading; and where it is from, if the heading is not that.
function subject({ digit, data_source: source }) {
  return digit === null ? source : digit === "all" ? say.allDigits : say.digit(digit);
}

function origin({ digit, data_source: source }) { return digit === null ? "" : source; }

function count(number) { return number.toLocaleString(language); }

// A button that starts and stops what moves in steps. begin() is called at the start; step(), which
// may be async, after each pause of wait() ms, until it returns false or somebody stops it; end() then.
// For those who asked for less motion there is a step a second: they have pressed the button.
class Player {
  #timer = null;

  constructor(button, { begin, step, wait, end = () => {} }) {
    Object.assign(this, { button, begin, step, wait, end });
    button.addEventListener("click", () => this.toggle());
  }

  get moves() { return this.#timer !== null; }

  // Both return whether there was anything to start or to stop.
  toggle() {
    if (this.moves) return this.stop();
    if (this.begin() === false) return false;
    this.button.textContent = say.pause;
    this.#next();
    return true;
  }

  stop() {
    if (!this.moves) return false;
    clearTimeout(this.#timer);
    this.#timer = null;
    this.button.textContent = say.play;
    this.end();
    return true;
  }

  #next() {
    const mine = this.#timer = setTimeout(async () => {
      const goesOn = await this.step();
      if (this.#timer !== mine) return;
      if (goesOn) this.#next();
      else this.stop();
    }, stillness.matches ? 1000 : this.wait());
  }
}
