// The state of the page that draws, and the address after # that says it.
//
// Nine images are {seed, from}, the variations of one {of, near, from}: from is the first number. The
// morph, beside either, is from a to b, t per cent of the way; at is the epoch whose generator draws, if
// that is not the page's own.
"use strict";

const MOST = 5000, LARGEST_SEED = 2 ** 32 - 1, MIDDLE = 4;

const NAME = /^(\d{1,10})-(\d{1,4})(\.\d{1,3}-\d{1,4})*$/;

function isName(name) {
  return NAME.test(name) && name.length < 1000 && Number(name.split("-")[0]) <= LARGEST_SEED
    && name.split(".").every((step, i) => {
      const [first, number] = step.split("-").map(Number);
      return number >= 1 && number <= MOST && (i === 0 || (first >= 2 && first <= 100));
    });
}

// Whatever is no state is left out: nonsense means the first nine images.
function parse(address) {
  const given = new URLSearchParams(address.replace(/^#/, ""));
  const whole = (name, low, high, otherwise) => {
    const text = given.get(name) ?? "", value = Number(text);
    return /^\d{1,10}$/.test(text) && value >= low && value <= high ? value : otherwise;
  };
  const name = (key) => (isName(given.get(key) ?? "") ? given.get(key) : undefined);
  const [a, b] = [name("a"), name("b")].filter(Boolean);
  const at = others.find((epoch) => epoch === whole("epoch", 0, LARGEST_SEED));
  const found = { a, b, at, t: whole("t", 0, 100, 50), from: whole("from", 1, MOST - 8, 1) };
  return name("of") ? { ...found, of: name("of"), near: whole("near", 2, 100, 30) }
    : { ...found, seed: whole("seed", 0, LARGEST_SEED, 0) };
}

function addressOf({ seed, of, near, from, a, b, t, at }) {
  const parts = of ? [`of=${of}`, `near=${near}`] : [`seed=${seed}`];
  if (from > 1) parts.push(`from=${from}`);
  if (a) parts.push(`a=${a}`);
  if (b) parts.push(`b=${b}`, `t=${t}`);
  if (at !== undefined) parts.push(`epoch=${at}`);
  return `#${parts.join("&")}`;
}

function namesOf({ seed, of, near, from }) {
  const numbers = Array.from({ length: of ? 8 : 9 }, (_, i) => from + i);
  const names = numbers.map((number) => (of ? `${of}.${near}-${number}` : `${seed}-${number}`));
  return of ? [...names.slice(0, MIDDLE), of, ...names.slice(MIDDLE)] : names;
}

// Where an image came from.
function parentOf(of) {
  const cut = of.lastIndexOf("."), [first, number] = of.slice(cut + 1).split("-").map(Number);
  const from = (many) => Math.min(number - 1 - (number - 1) % many + 1, MOST - 8);
  return cut < 0 ? { seed: first, from: from(9) } : { of: of.slice(0, cut), near: first, from: from(8) };
}
