// Tiles, and the worker that draws what they show.
//
// A tile shows the image that its name means (net.js) as soon as that is drawn, and until then what it
// showed before. Whatever is on show and not yet drawn is asked for, a few images at a time; then what
// D thinks of it, once nothing moves.
"use strict";

const parts = [...document.querySelectorAll(".data")];
const data = JSON.parse(parts.map((part) => part.textContent).join(""));
for (const part of parts) part.remove();
const { networks, settings, page, reals, others, best, epoch: own } = data;
const epochs = [...others, own].sort((a, b) => a - b);
const size = networks.generator.at(-1).outSize;

function paintOn(canvas, pixels, side = size) {
  canvas.width = canvas.height = side;
  canvas.getContext("2d").putImageData(new ImageData(pixels, side, side), 0, 0);
}

// A canvas in a button, under a line of text. name is that of the image that it is to show, key the same
// with the epoch that draws it, shown the key of the image which it shows. isOwn: whether it is always of
// the page's own epoch.
class Tile {
  static all = [];

  // click and show are called with the tile: when somebody clicks it, when it has something else to show
  // or to say. The second of two quick clicks is none.
  constructor({ click = () => {}, show = () => {}, isOwn = false } = {}) {
    this.canvas = element("canvas");
    this.button = element("button", { type: "button", class: "image" }, this.canvas);
    this.caption = element("figcaption", { class: "judgement" });
    this.figure = element("figure", {}, this.caption, this.button);
    this.name = this.shown = undefined;
    Object.assign(this, { show, isOwn });
    this.button.addEventListener("click", (event) => { if (event.detail < 2) click(this); });
    Tile.all.push(this);
  }

  get key() { return this.isOwn ? this.name : keyOf(this.name); }

  get picture() { return drawn.get(this.key); }

  get isShown() { return this.shown === this.key; }

  want(name) {
    this.name = name;
    this.refresh();
  }

  refresh() {
    if (!this.picture) return;
    if (!this.isShown) paintOn(this.canvas, this.picture.pixels);
    else if (this.caption.textContent === this.judgement) return;
    this.shown = this.key;
    this.caption.textContent = this.judgement;
    this.show(this);
  }

  // What D says of the image, in words; "" while nobody knows.
  get judgement() {
    const { real } = this.picture ?? {};
    return real === undefined ? "" : say.judgement(real);
  }
}

const drawn = new Map(); // key: {pixels, real}; the last of them
let ask, busy = true;    // until there is somebody to ask
let asked = null;        // {z, epoch, answer}: the layers of a vector, wanted by inside.js
let answering = null;    // the one of those that the worker is at
let movedAt = -Infinity; // ms: when somebody last moved a slider, or a player did

async function drawInPage() {
  const artist = await painter(networks, reals);
  ask = (task, data) => setTimeout(async () => arrived(task, await artist[task](data)));
  arrived();
}

function drawInWorker() {
  const source = [$("#net").textContent, `let artist; onmessage = async ({ data: [task, data] }) => {
    try {
      if (task === "networks") { artist = await painter(...data); postMessage([]); }
      else postMessage([task, await artist[task](data)]);
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
  const keys = [...new Set(Tile.all.map(({ key }) => key).filter(Boolean))];
  const missing = keys.filter((key) => !drawn.has(key) && isLoaded(epochOf(key)));
  const unjudged = networks.discriminator
    ? keys.filter((key) => drawn.has(key) && !key.includes("@") && drawn.get(key).real === undefined) : [];
  const begin = (task, data) => { busy = true; ask(task, data); };
  if (loaded.length) begin("add", loaded.shift());
  else if (missing.length) begin("draw", missing.slice(0, atOnce));
  else if (asked && isLoaded(asked.epoch)) {
    [answering, asked] = [asked, null];
    begin("layers", { z: answering.z, epoch: answering.epoch });
  } else if (unjudged.length && performance.now() > movedAt + 150) begin("judge", unjudged.slice(0, atOnce));
  else if (others.length && !scripts.size) load(others[0]); // whether they are beside this page
}

// Something moves: D waits until it stands still.
function move() {
  movedAt = performance.now();
  setTimeout(pump, 200);
}

function arrived(task, found) {
  busy = false;
  if (task === "layers") answering.answer(found);
  else if (task === "add") known.add(found);
  else {
    for (const { name, ...image } of found ?? []) drawn.set(name, { ...drawn.get(name), ...image });
    for (const key of drawn.keys()) if (drawn.size > 300) drawn.delete(key);
    for (const tile of Tile.all) tile.refresh();
  }
  pump();
}

function startDrawing() {
  if (!("DecompressionStream" in window)) $("#lead").textContent = say.tooOld;
  try { drawInWorker(); } catch { drawInPage(); }
}
