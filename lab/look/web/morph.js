// The way from one picked image, A, to another, B.
"use strict";

const ends = ["A", "B"].map((letter) => {
  const tile = new Tile({ click: ({ name }) => {
    togglePick(name);
    // The last of them has gone from the page, and the focus is not to go with it.
    if (!tile.name) (state.a ? ends[0].button : tiles[0].button).focus();
  }, show: () => { tile.caption.textContent = letter; } });
  return Object.assign(tile, { letter });
});
const between = new Tile({ click: ({ name }) => openSave(name) });
$("#way").append(ends[0].figure, between.figure, ends[1].figure);

function togglePick(name) {
  const others = [state.a, state.b].filter((picked) => picked && picked !== name);
  const [a, b] = [state.a, state.b].includes(name) ? others : [...others.slice(0, 1), name];
  player.stop();
  go({ a, b, t: b ? 50 : state.t });
}

let begun; // when the player was at A
const player = new Player($("#play"), {
  begin() {
    if (!state.b) return false;
    if (state.t === 100) state.t = 0;
    begun = performance.now() - state.t * 40; // four seconds from A to B
  },
  wait: () => 30,
  step() {
    if (between.shown === between.name) {
      if (state.t === 100) return false;
      state.t = Math.min(Math.max(state.t + 1, Math.round((performance.now() - begun) / 40)), 100);
    }
    showMorph();
    pump();
    return true;
  },
  end() { go({ t: state.t }, true); },
});

function showMorph() {
  const { a, b, t } = state;
  $("#pick").hidden = Boolean(b);
  $("#pick").textContent = a ? say.second : say.pick;
  $("#way").hidden = !a;
  $("#moves").hidden = !b;
  for (const end of ends) {
    const name = end.letter === "A" ? a : b;
    end.figure.hidden = !name;
    end.want(name);
    if (name) end.button.setAttribute("aria-label", say.drop(end.letter, inWords(name)));
  }
  between.figure.hidden = !b;
  between.want(b && `${a}~${b}~${t}`);
  if (b) between.button.setAttribute("aria-label", say.saves(inWords(between.name)));
  $("#along").value = t;
  $("#along").setAttribute("aria-valuetext", `${t}%`);
}

$("#along").addEventListener("input", ({ target }) => {
  player.stop();
  state.t = Number(target.value);
  showMorph();
  pump();
});
$("#along").addEventListener("change", () => go({ t: state.t }, true));
