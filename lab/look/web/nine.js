// The nine images: of a seed, or the variations of one.
"use strict";

const grid = $(".grid");
const tiles = Array.from({ length: 9 }, () => {
  const tile = new Tile({ show: label, click: ({ name }) => {
    if (name === state.of) return openSave(name);
    go({ of: name, near: state.near ?? 30, from: 1 });
    tiles[MIDDLE].button.focus();
  } });
  tile.pick = element("button", { type: "button" });
  tile.save = element("button", { type: "button" }, say.save);
  tile.pick.addEventListener("click", () => togglePick(tile.name));
  tile.save.addEventListener("click", () => openSave(tile.name));
  tile.figure.append(element("div", { class: "tools" }, tile.pick, tile.save));
  grid.append(tile.figure);
  return tile;
});

function label({ name, isShown, judgement, button, pick, save }) {
  const what = inWords(name), also = isShown && judgement;
  const letter = name === state.a ? "A" : name === state.b ? "B" : "";
  const whole = [letter, what, also].filter(Boolean).join(", ");
  button.setAttribute("aria-label", name === state.of ? say.saves(whole) : say.variations(whole));
  pick.textContent = letter || say.pickShort;
  pick.setAttribute("aria-pressed", letter !== "");
  pick.setAttribute("aria-label", say.picks([letter, what].filter(Boolean).join(", ")));
  save.setAttribute("aria-label", say.saves(what));
}

function showNine() {
  const { of, seed, near } = state;
  $("#nine").hidden = Boolean(of);
  $("#around").hidden = !of;
  $("#seed").value = seed ?? "";
  $("#refused").textContent = "";
  $("#near").value = near ?? 30;
  $("#near").setAttribute("aria-valuetext", `${near}%`);
  $("#what").textContent = of ? say.around(inWords(of)) : say.nine(state);
  namesOf(state).forEach((name, i) => {
    tiles[i].figure.classList.toggle("middle", name === of);
    tiles[i].want(name);
    label(tiles[i]);
  });
}

function back() {
  const { of } = state;
  if (!of) return false;
  go(parentOf(of));
  tiles.find(({ name }) => name === of)?.button.focus();
  return true;
}

function more() {
  const { of, near, seed, from } = state, step = of ? 8 : 9;
  if (of) go({ of, near, from: from + step > MOST - 8 ? 1 : from + step });
  else if (from + step <= MOST - 8) go({ seed, from: from + step });
  else go({ seed: (seed + 1) % (LARGEST_SEED + 1), from: 1 });
}

$("#more").addEventListener("click", more);
$("#others").addEventListener("click", more);
$("#back").addEventListener("click", back);
$("#seed").addEventListener("change", ({ target }) => {
  const text = target.value.normalize("NFKC").trim(), seed = Number(text); // full-width digits, too
  const known = /^\d+$/.test(text) && seed <= LARGEST_SEED;
  if (known) go({ seed, from: 1 });
  target.setAttribute("aria-invalid", !known);
  $("#refused").textContent = known ? "" : say.seeds(target.value);
  if (!known) target.value = state.seed;
});
$("#near").addEventListener("input", ({ target }) => {
  state.near = Number(target.value);
  move();
  show();
});
$("#near").addEventListener("change", () => go({ near: state.near }, true));
