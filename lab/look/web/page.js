// The page of a run: pictures, figures and curves of an epoch, and new epochs while it trains.
"use strict";

const frame = $("#samples .picture"), slider = $("#slider");
const loaded = new Map(); // the picture on show and a few neighbours, however many there are
let pictures = [], charts = [], rows = [], index = 0;
let known = ""; // what the page shows, as text
let which; // run it is of, as text

// ---- what the run is: index.js calls take with all of it, again and again while it trains

function take(run) {
  const { settings, losses, pictures: found } = run;
  const done = losses.epoch?.at(-1) ?? found.at(-1);
  const { epochs, ...others } = settings, now = JSON.stringify(others);
  which ??= now;
  // A new run in the folder has pictures of the same names, which the browser would not ask for again.
  if (now !== which) return location.reload();
  if (run.going) setTimeout(ask, 2000);
  // Nothing new; or somebody has the pointer in a curve, which must not be replaced under it.
  if (JSON.stringify(run) === known || (run.going && $("#charts :active"))) return;
  known = JSON.stringify(run);
  const follows = index === pictures.length - 1, epoch = pictures[index];
  pictures = found;
  index = follows || epoch === undefined ? found.length - 1 : nearest(epoch);
  slider.max = found.length - 1;

  const title = subject(settings);
  document.title = say.title(title, settings.epochs);
  $("h1").textContent = title;
  $("#about").textContent = [
    origin(settings), settings.images && say.images(count(settings.images)),
    settings.recipe && say.recipe(settings.recipe),
    done < settings.epochs ? say.going(done, settings.epochs) : say.epochs(done),
  ].filter(Boolean).join(" · ");
  $("#draws").hidden = !run.draws;
  $("#settings table").replaceChildren(...Object.entries(settings).map(([name, value]) =>
    element("tr", {}, element("th", { scope: "row" }, name.replaceAll("_", " ")),
      element("td", {}, inWords(value)))));
  if (run.real && !$("#real img")) {
    $("#real .picture").append(element("img", { src: "real.png", alt: say.real }));
  }
  rows = figuresOf(losses);
  charts = chartsOf(run, Math.max(done, found.at(-1), 1));
  $("#numbers table").replaceChildren(...rows);
  $("#charts").replaceChildren(...charts);
  show(index);
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

function chartsOf({ settings, losses, quality, best }, last) {
  const found = [], words = { label: say.label, dashed: say.dashed };
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
      : [{ name, color: "blue", y }];
    const compared = real === undefined ? note : say.compared(note, format(real));
    const mark = name === "frechet" ? best : null;
    add({ title, x: quality.epoch, series, mark,
      note: mark === null ? compared : say.best(compared, mark),
      lines: real === undefined ? [] : [{ y: real, color: "grey" }] });
  }
  return found;
}

// ---- pictures

function load(i) {
  const epoch = pictures[i];
  if (epoch !== undefined && !loaded.has(epoch)) {
    const image = new Image();
    image.alt = say.samples(epoch);
    image.src = `epoch-${String(epoch).padStart(4, "0")}.png`;
    loaded.set(epoch, image);
  }
  return loaded.get(epoch);
}

async function show(i) {
  index = Math.min(Math.max(i, 0), pictures.length - 1);
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
    if (current()) frame.replaceChildren(image);
  } catch {
    if (current()) frame.replaceChildren(element("p", {}, say.missing(epoch)));
  }
  if (!current()) return;
  for (const k of [1, 2, 3, -1, -2]) load(index + k);
  const near = pictures.slice(Math.max(index - 6, 0), index + 7);
  for (const k of loaded.keys()) if (!near.includes(k)) loaded.delete(k);
}

const player = new Player($("#play"), {
  begin() { if (index === pictures.length - 1) show(0); },
  // 4 to 20 pictures a second: a short run is not over at once, a long one takes under a minute.
  wait: () => 1000 / Math.min(Math.max(pictures.length / 30, 4), 20),
  async step() {
    await show(index + 1);
    return index < pictures.length - 1;
  },
});

function go(i) { player.stop(); show(i); }

$("#back").addEventListener("click", () => go(index - 1));
$("#forward").addEventListener("click", () => go(index + 1));
slider.addEventListener("input", () => go(Number(slider.value)));
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key] * (event.shiftKey ? 10 : 1);
  if (by) go(index + by);
  else if (event.key === " " && !event.target.closest("button, summary, a")) player.toggle();
  else if (event.key === "Escape") player.stop();
  else return;
  event.preventDefault();
});
