// Tiles, and the worker that draws what they show.
//
// A tile shows the image that its name means (net.js) as soon as that is drawn, and until then what it
// showed before. Whatever is on show and not yet drawn is asked for, a few images at a time.
"use strict";

const data = JSON.parse($("#data").textContent), { settings, page } = data;
// The newest networks, or those of the best epoch, where they are others: play.html?best
const isBest = Boolean(data.best) && location.search === "?best";
const { networks, epoch } = isBest ? data.best : data;
const size = networks.generator.at(-1).outSize;

function paintOn(canvas, pixels) {
  canvas.width = canvas.height = size;
  canvas.getContext("2d").putImageData(new ImageData(pixels, size, size), 0, 0);
}

// A canvas in a button, under a line of text; name is that of the image that it is to show, shown that
// of the one which it shows.
class Tile {
  static all = [];

  // click and show are called with the tile: when somebody clicks it, when it shows another image.
  constructor({ click = () => {}, show = () => {} } = {}) {
    this.canvas = element("canvas");
    this.button = element("button", { type: "button", class: "image" }, this.canvas);
    this.caption = element("figcaption", { class: "real" });
    this.figure = element("figure", {}, this.caption, this.button);
    this.name = this.shown = undefined;
    this.show = show;
    this.button.addEventListener("click", () => click(this));
    Tile.all.push(this);
  }

  get picture() { return drawn.get(this.name); }

  want(name) {
    this.name = name;
    this.refresh();
  }

  refresh() {
    if (!this.picture || this.shown === this.name) return;
    this.shown = this.name;
    paintOn(this.canvas, this.picture.pixels);
    this.caption.textContent = this.judgement;
    this.show(this);
  }

  // What D says of the image, in words; "" while nobody knows.
  get judgement() {
    const { real = null } = this.picture ?? {};
    return real === null ? "" : say.real(real.toFixed(3));
  }
}

const drawn = new Map(); // name: {pixels, real}; the last of them
let ask, busy = false;

function drawInPage() {
  const paint = painter(networks);
  ask = (names) => setTimeout(() => arrived(paint(names)));
  busy = false;
  pump();
}

function drawInWorker() {
  const source = [$("#net").textContent, "let paint;",
    "onmessage = ({ data }) => { if (paint) postMessage(paint(data)); else paint = painter(data); };"];
  const worker = new Worker(URL.createObjectURL(new Blob(source, { type: "text/javascript" })));
  worker.onmessage = ({ data }) => arrived(data);
  worker.onerror = (event) => { event.preventDefault(); drawInPage(); };
  worker.postMessage(networks);
  ask = (names) => worker.postMessage(names);
}

// So many at a time that the page can change its mind a few times a second.
const work = [...networks.generator, ...(networks.discriminator ?? [])].reduce((sum, layer) =>
  sum + layer.ksize ** 2 * layer.inputs * layer.outputs * Math.min(layer.inSize, layer.outSize) ** 2, 0);
const atOnce = Math.min(Math.max(Math.round(2e8 / work), 1), 9);

function pump() {
  const missing = Tile.all.map(({ name }) => name).filter((name) => name && !drawn.has(name));
  if (busy || !missing.length) return;
  busy = true;
  ask([...new Set(missing)].slice(0, atOnce));
}

function arrived(images) {
  for (const { name, ...image } of images) drawn.set(name, image);
  for (const name of drawn.keys()) if (drawn.size > 300) drawn.delete(name);
  busy = false;
  for (const tile of Tile.all) tile.refresh();
  pump();
}

function startDrawing() {
  try { drawInWorker(); } catch { drawInPage(); }
}
