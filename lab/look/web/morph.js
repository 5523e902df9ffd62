// The way from one picked image, A, to another, B.
"use strict";

const STRIP = 9; // images in a strip

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
  phase = 0;
  go({ a, b, t: b ? 50 : state.t });
  announce(b ? say.picked : a ? say.second : say.pick);
  if (b && b === name) {
    $("#morph").scrollIntoView({ block: "nearest" });
  }
}

let phase = 0; // how far the player has come: 100 is B, 200 is A again
let ticked;    // when it last made a step
const player = new Player($("#play"), {
  begin() {
    if (!state.b) return false;
    if (phase >= 200) phase = 0;
    ticked = performance.now();
  },
  wait: () => 20,
  // Four seconds each way; a step waits until the one before is drawn.
  step() {
    if (between.isShown) {
      if (phase === 200) return false;
      const now = performance.now();
      phase = Math.min(phase + (stillness.matches ? 20 : Math.max((now - ticked) / 40, 1)), 200);
      ticked = now;
      state.t = Math.round(phase <= 100 ? phase : 200 - phase);
    }
    move();
    showMorph();
    pump();
    return true;
  },
  end() {
    go({ t: state.t }, true);
    if (between.name) announce(inWords(between.name));
  },
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
  state.t = phase = Number(target.value);
  move();
  showMorph();
  pump();
});
$("#along").addEventListener("change", () => go({ t: state.t }, true));

// Images on the way, evenly from A to B, in a row: drawn as any tile is, then saved.
$("#strip").addEventListener("click", () => {
  const { a, b } = state, images = new Map();
  const frames = Array.from({ length: STRIP }, (_, i) => `${a}~${b}~${Math.round(100 * i / (STRIP - 1))}`);
  stripTiles.forEach((tile, i) => {
    tile.show = () => {
      images.set(i, tile.picture.pixels);
      if (images.size === STRIP) saveStrip(frames.map((_, k) => images.get(k)), keyOf(`${a}~${b}`));
    };
    tile.shown = undefined;
    tile.want(frames[i]);
  });
  pump();
});
const stripTiles = Array.from({ length: STRIP }, () => new Tile());

function saveStrip(images, name) {
  for (const tile of stripTiles) Object.assign(tile, { name: undefined, show: () => {} });
  const times = Math.max(Math.floor(160 / size), 1), step = size * times + times;
  const strip = element("canvas", { width: images.length * step - times, height: size * times });
  const context = strip.getContext("2d"), small = element("canvas");
  context.imageSmoothingEnabled = false;
  context.fillStyle = "#fff";
  context.fillRect(0, 0, strip.width, strip.height);
  images.forEach((pixels, i) => {
    paintOn(small, pixels);
    context.drawImage(small, i * step, 0, size * times, size * times);
  });
  saveCanvas(strip, `${name}-strip.png`);
}
