// Tiles, and the worker that draws what they show.
//
// A tile shows the image that its name means (net.js) as soon as that is drawn, and until then what it
// showed before. Whatever is on show and not yet drawn is asked for, a few images at a time; then what
// D thinks of it, once nothing moves.
"use strict";

const parts = [...document.querySelectorAll(".data")];
const data = JSON.parse(parts.map((part) => part.textContent).join("")), { settings, page, reals } = data;
for (const part of parts) part.remove();
// The newest networks, or those of the best epoch, where they are others: play.html?best
const isBest = Boolean(data.best) && location.search === "?best";
const { networks, epoch } = isBest ? data.best : data;
const size = networks.generator.at(-1).outSize;

function paintOn(canvas, pixels, side = size) {
  canvas.width = canvas.height = side;
  canvas.getContext("2d").putImageData(new ImageData(pixels, side, side), 0, 0);
}

// A canvas in a button, under a line of text; name is that of the image that it is to show, shown that
// of the one which it shows.
class Tile {
  static all = [];

  // click and show are called with the tile: when somebody clicks it, when it has something else to show
  // or to say. The second of two quick clicks is none.
  constructor({ click = () => {}, show = () => {} } = {}) {
    this.canvas = element("canvas");
    this.button = element("button", { type: "button", class: "image" }, this.canvas);
    this.caption = element("figcaption", { class: "judgement" });
    this.figure = element("figure", {}, this.caption, this.button);
    this.name = this.shown = undefined;
    this.show = show;
    this.button.addEventListener("click", (event) => { if (event.detail < 2) click(this); });
    Tile.all.push(this);
  }

  get picture() { return drawn.get(this.name); }

  want(name) {
    this.name = name;
    this.refresh();
  }

  refresh() {
    if (!this.picture) return;
    if (this.shown !== this.name) paintOn(this.canvas, this.picture.pixels);
    else if (this.caption.textContent === this.judgement) return;
    this.shown = this.name;
    this.caption.textContent = this.judgement;
    this.show(this);
  }

  // What D says of the image, in words; "" while nobody knows.
  get judgement() {
    const { real } = this.picture ?? {};
    return real === undefined ? "" : say.judgement(real);
  }
}

const drawn = new Map(); // name: {pixels, real}; the last of them
let ask, busy = true;    // until there is somebody to ask
let asked = null;        // {z, answer}: the layers of a vector, wanted by inside.js
let answering = null;    // the one of those that the worker is at
let movedAt = -Infinity; // ms: when somebody last moved a slider, or a player did

async function drawInPage() {
  const artist = await painter(networks, reals);
  ask = (task, data) => setTimeout(() => arrived(task, artist[task](data)));
  arrived();
}

function drawInWorker() {
  const source = [$("#net").textContent, `let artist; onmessage = async ({ data: [task, data] }) => {
    try {
      if (task === "networks") { artist = await painter(...data); postMessage([]); }
      else postMessage([task, artist[task](data)]);
    } catch (error) { setTimeout(() => { throw error; }); } // which onerror hears
  };`];
  const worker = new Worker(URL.createObjectURL(new Blob(source, { type: "text/javascript" })));
  worker.onmessage = ({ data }) => arrived(...data);
  worker.onerror = (event) => { event.preventDefault(); drawInPage(); };
  worker.postMessage(["networks", [networks, reals]]);
  ask = (task, data) => worker.postMessage([task, data]);
}

// So many at a time that the page can change its mind a few times a second.
const work = networks.generator.reduce((sum, layer) =>
  sum + layer.ksize ** 2 * layer.inputs * layer.outputs * Math.min(layer.inSize, layer.outSize) ** 2, 0);
const atOnce = Math.min(Math.max(Math.round(1.5e8 / work), 1), 9);

function pump() {
  if (busy) return;
  const names = [...new Set(Tile.all.map(({ name }) => name).filter(Boolean))];
  const missing = names.filter((name) => !drawn.has(name));
  const unjudged = networks.discriminator
    ? names.filter((name) => drawn.get(name)?.real === undefined && !missing.includes(name)) : [];
  const begin = (task, data) => { busy = true; ask(task, data); };
  if (missing.length) begin("draw", missing.slice(0, atOnce));
  else if (asked) {
    [answering, asked] = [asked, null];
    begin("layers", answering.z);
  } else if (unjudged.length && performance.now() > movedAt + 150) begin("judge", unjudged.slice(0, atOnce));
}

// Something moves: D waits until it stands still.
function move() {
  movedAt = performance.now();
  setTimeout(pump, 200);
}

function arrived(task, found) {
  busy = false;
  if (task === "layers") answering.answer(found);
  else {
    for (const { name, ...image } of found ?? []) drawn.set(name, { ...drawn.get(name), ...image });
    for (const name of drawn.keys()) if (drawn.size > 300) drawn.delete(name);
    for (const tile of Tile.all) tile.refresh();
  }
  pump();
}

function startDrawing() {
  if (!("DecompressionStream" in window)) $("#lead").textContent = say.tooOld;
  try { drawInWorker(); } catch { drawInPage(); }
}
