// The page of a run: pictures, figures and curves of an epoch, and new epochs while it trains.
"use strict";

const frame = $("#samples .picture"), slider = $("#slider");
const loaded = new Map(); // the picture on show and a few neighbours, however many there are
let pictures = [], charts = [], rows = [], index = 0;
let known = ""; // what the page shows, as text
let which; // run it is of, as text
let stamp; // of that run, behind the names of its pictures: a run before it had the same names

// ---- what the run is: index.js calls take with all of it, again and again while it trains

function take(run) {
  const { settings, losses, pictures: found } = run;
  const done = losses.epoch?.at(-1) ?? found.at(-1);
  const { epochs, ...others } = settings, now = JSON.stringify(others);
  which ??= now;
  stamp ??= [...now].reduce((hash, letter) => (hash * 31 + letter.codePointAt(0)) % 1e9, 0);
  // A new run in the folder has pictures of the same names, which the browser would not ask for again.
  if (now !== which) return location.reload();
  if (run.going) setTimeout(ask, 2000);
  const state = run.going ? isSilent(run) ? "silent" : "going" : "ended";
  const { written, ...content } = run, text = JSON.stringify(content) + state;
  // Nothing new; or somebody has the pointer in a curve, which must not be replaced under it.
  if (text === known || (run.going && pointed)) return;
  known = text;
  $("main").hidden = false;
  const follows = index === pictures.length - 1, epoch = pictures[index];
  pictures = found;
  index = follows || epoch === undefined ? found.length - 1 : nearest(epoch);
  slider.max = found.length - 1;

  document.title = say.title(subject(settings), epochs);
  $("h1").textContent = say.heading(say.things(settings));
  $("#lead").textContent = say.lead(say.things(settings));
  const time = new Date(written * 1000).toLocaleString(language, { dateStyle: "medium", timeStyle: "short" });
  $("#about").textContent = [
    subject(settings), origin(settings), settings.images && say.images(count(settings.images)),
    settings.recipe && say.recipe(settings.recipe),
    done >= epochs ? say.epochs(done) : state === "silent" ? say.silent(done, epochs, time)
      : run.going ? say.going(done, epochs) : say.stopped(done, epochs),
  ].filter(Boolean).join(" · ");
  $("#draws").hidden = !run.draws;
  $("#settings table").replaceChildren(...Object.entries(settings).map(([name, value]) =>
    element("tr", {}, element("th", { scope: "row" }, name.replaceAll("_", " ")),
      element("td", {}, inWords(value)))));
  $("#real").hidden = !run.real;
  if (run.real && !$("#real img")) {
    $("#real .picture").append(element("img", { src: `real.png?${stamp}`, alt: say.real }));
  }
  rows = figuresOf(losses);
  charts = chartsOf(run, Math.max(done, found.at(-1), 1));
  $("#numbers").hidden = !rows.length;
  $("#numbers table").replaceChildren(...rows);
  $("#charts").replaceChildren(...charts);
  $("#story").hidden = !run.story.length;
  $("#story ul").replaceChildren(...run.story.map(({ event, epoch }) => {
    const there = element("button", { type: "button", class: "link" }, say.at(epoch));
    there.addEventListener("click", () => go(nearest(epoch)));
    return element("li", {}, there, `: ${say.events[event]}`);
  }));
  show();
}

// Whether nobody writes any more, though nobody has said so: after a kill, for example. An epoch may
// take five times as long as the longest of the last ones; before the first, a quarter of an hour.
function isSilent({ written, losses }) {
  const longest = Math.max(...losses.seconds?.slice(-20) ?? []);
  return Date.now() / 1000 - written > (longest > 0 ? Math.max(30, 5 * longest) : 900);
}

function alone() {
  $("#alone").hidden = false;
  $("h1").textContent = say.story;
}

function ask() {
  // A new address, so that it is read anew. From the disk a script is what a page may load.
  const script = element("script", { src: `index.js?${Date.now()}` });
  script.onload = () => script.remove();
  script.onerror = () => { script.remove(); setTimeout(ask, 2000); };
  document.head.append(script);
}

function inWords(value) {
  return value !== null && typeof value === "object"
    ? Object.entries(value).map(([name, part]) => `${name} ${inWords(part)}`).join("; ")
    : String(value);
}

function nearest(epoch) {
  return pictures.reduce((best, known, i) =>
    Math.abs(known - epoch) < Math.abs(pictures[best] - epoch) ? i : best, 0);
}

// Rows of a table that show(epoch).
function figuresOf(losses) {
  if (!losses.epoch?.length) return [];
  return ["loss_gen", "loss_dis", "prob_generated", "prob_real"].map((name) => {
    const [title, note] = say[name], cell = element("td");
    const row = element("tr", {}, element("th", { scope: "row" }, title), cell, element("td", {}, note));
    row.show = (epoch) => { cell.textContent = format(losses[name][losses.epoch.indexOf(epoch)]); };
    return row;
  });
}

function chartsOf({ settings, losses, quality, story, best: kept }, last) {
  const found = [], words = { label: say.label, curve: say.curve, dashed: say.dashed };
  const best = kept ?? story.find(({ event }) => event === "best")?.epoch;
  const add = (options) => found.push(chart(
    { words, last, go: (epoch) => go(nearest(epoch)), ...options }));
  if (losses.epoch?.length) {
    add({ title: say.losses, x: losses.epoch, log: true, wide: true,
      series: [{ name: say.generator, color: "blue", y: losses.loss_gen },
        { name: say.discriminator, color: "orange", y: losses.loss_dis }],
      lines: [{ y: Math.LN2, color: "blue" }, { y: 2 * Math.LN2, color: "orange" }] });
    add({ title: say.probability, x: losses.epoch, range: [0, 1], wide: true,
      series: [{ name: say.generated, color: "blue", y: losses.prob_generated },
        { name: say.reals, color: "orange", y: losses.prob_real }],
      lines: [{ y: 0.5, color: "grey" }] });
  }
  for (const [name, y] of Object.entries(quality)) {
    if (["epoch", "frechet_average", "frechet_trained"].includes(name) || y.every((v) => v === null)) continue;
    const [title, note] = say.quality[name] ?? [name, ""], real = settings.real_figures?.[name];
    const { frechet_average: average, frechet_trained: trained } = quality;
    const both = name === "frechet" && (average ?? trained)?.some((v) => v !== null);
    const series = both
      ? [{ name: say.weights.trained, color: "blue", y: trained ?? y },
        { name: say.weights.average, color: "orange", y: average ?? y }]
      : [{ name: title, color: "blue", y }];
    add({ title, x: quality.epoch, series, best: name === "frechet" ? best : undefined,
      note: [real === undefined ? note : say.compared(note, format(real)),
        name === "frechet" && best !== undefined ? say.best(best) : ""].filter(Boolean).join(say.and),
      lines: real === undefined ? [] : [{ y: real, color: "grey" }] });
  }
  return found;
}

let pointed = false; // somebody holds a pointer in a curve
$("#charts").addEventListener("pointerdown", () => { pointed = true; });
for (const type of ["pointerup", "pointercancel"]) addEventListener(type, () => { pointed = false; });

// ---- pictures

function load(i) {
  const epoch = pictures[i];
  if (epoch !== undefined && !loaded.has(epoch)) {
    const image = new Image();
    image.alt = say.samples(epoch);
    image.src = `epoch-${String(epoch).padStart(4, "0")}.png?${stamp}`;
    loaded.set(epoch, image);
  }
  return loaded.get(epoch);
}

async function show() {
  const epoch = pictures[index];
  slider.value = index;
  slider.setAttribute("aria-valuetext", say.at(epoch));
  $("output").textContent = say.at(epoch);
  rows.forEach((row) => row.show(epoch));
  charts.forEach((figure) => figure.move(epoch));
  const image = load(index);
  const current = () => pictures[index] === epoch;
  try {
    await image.decode();
    if (current()) {
      frame.replaceChildren(image);
      $("#thumb").src = image.src;
    }
  } catch {
    if (current()) frame.replaceChildren(element("p", {}, say.missing(epoch)));
  }
  if (!current()) return;
  for (const k of [1, 2, 3, -1, -2]) load(index + k);
  const near = pictures.slice(Math.max(index - 6, 0), index + 7);
  for (const k of loaded.keys()) if (!near.includes(k)) loaded.delete(k);
}

let begun; // when the player was, or would have been, at the first picture
const player = new Player($("#play"), {
  begin() {
    if (pictures.length < 2) return false;
    if (index === pictures.length - 1) index = 0;
    begun = performance.now() - index * pace();
    show();
  },
  wait: pace,
  // Pictures are left out if they cannot be loaded as fast as that.
  async step() {
    const due = stillness.matches ? index + Math.ceil(pictures.length / 30)
      : Math.floor((performance.now() - begun) / pace());
    index = Math.min(Math.max(due, index + 1), pictures.length - 1);
    await show();
    return index < pictures.length - 1;
  },
  end() { announce(say.at(pictures[index])); },
});

// Milliseconds to a picture: half a minute for all of them, and no more than a quarter of a second.
function pace() { return Math.min(30000 / pictures.length, 250); }

// Goes to a picture. Returns whether there was anywhere to go.
function go(i) {
  const to = Math.min(Math.max(i, 0), pictures.length - 1), moved = to !== index;
  player.stop();
  index = to;
  show();
  return moved;
}

$("#back").addEventListener("click", () => go(index - 1));
$("#forward").addEventListener("click", () => go(index + 1));
slider.addEventListener("input", () => go(Number(slider.value)));
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key] * (event.shiftKey ? 10 : 1);
  if (by) whenUsed(event, go(index + by));
  else if (event.key === " " && !event.target.closest("button, summary, a")) whenUsed(event, player.toggle());
  else if (event.key === "Escape") whenUsed(event, player.stop());
});

// On a phone the slider stays, with a small picture, when the large one has gone out of sight.
new IntersectionObserver(([{ isIntersecting, boundingClientRect }]) => {
  document.body.classList.toggle("away", !isIntersecting && boundingClientRect.top < 0);
}).observe(frame);
