// The page of a run: pictures, figures and curves of an epoch, and new epochs while it trains.
"use strict";

const say = speak({
  en: {
    epoch: "Epoch", play: "Play", pause: "Pause", previous: "Previous picture", next: "Next picture",
    keys: "← → one picture, with Shift ten", keyPlay: "; space plays",
    figures: "Figures of this epoch", curves: "Curves", settings: "Settings",
    draws: "Draw with its generator", real: "Nine real images",
    title: (what, epochs) => `${what}, ${epochs} epochs`,
    images: (n) => `${n} images`, recipe: (name) => `recipe ${name}`, epochs: (n) => `${n} epochs`,
    going: (n, all) => `${n} of ${all} epochs so far: newer ones appear by themselves`,
    at: (n) => `epoch ${n}`, samples: (n) => `Nine generated images after epoch ${n}`,
    missing: (n) => `The picture of epoch ${n} is missing.`,
    label: (title) => `${title} over the epochs`, dashed: "dashed: equilibrium",
    losses: "Losses", generator: "generator", discriminator: "discriminator",
    probability: "D’s mean probability of “real”", generated: "generated images", reals: "real images",
    loss_gen: ["generator’s loss", "0.693 at equilibrium"],
    loss_dis: ["discriminator’s loss", "1.386 at equilibrium"],
    prob_generated: ["D’s probability, generated", "0.5 at equilibrium"],
    prob_real: ["D’s probability, real", "0.5 at equilibrium"],
    quality: {
      frechet: ["Fréchet distance", "0 is best"], precision: ["Precision", "1 is best"],
      recall: ["Recall", "1 is best"], digit_share: ["Share of the digit", "1 is best"],
      diversity: ["Diversity", "0 all alike"], nearest: ["Nearest real image", "0 copies"],
    },
    compared: (note, value) => `${note}; dashed: real ${value}`,
  },
  ja: {
    epoch: "エポック", play: "再生", pause: "停止", previous: "前の画像", next: "次の画像",
    keys: "← → で1枚ずつ、Shift を押しながらで10枚ずつ", keyPlay: "。スペースキーで再生",
    figures: "このエポックの数値", curves: "グラフ", settings: "設定",
    draws: "この生成器で描く", real: "本物の画像9枚",
    title: (what, epochs) => `${what}、${epochs}エポック`,
    images: (n) => `画像${n}枚`, recipe: (name) => `レシピ ${name}`, epochs: (n) => `${n}エポック`,
    going: (n, all) => `${all}エポック中${n}エポックまで終了。新しいものは自動で表示されます`,
    at: (n) => `エポック ${n}`, samples: (n) => `エポック${n}の後に生成した画像9枚`,
    missing: (n) => `エポック${n}の画像がありません。`,
    label: (title) => `エポックごとの${title}`, dashed: "破線: 均衡の値",
    losses: "損失", generator: "生成器", discriminator: "識別器",
    probability: "識別器が「本物」とする平均確率", generated: "生成した画像", reals: "本物の画像",
    loss_gen: ["生成器の損失", "均衡なら 0.693"],
    loss_dis: ["識別器の損失", "均衡なら 1.386"],
    prob_generated: ["識別器の確率、生成した画像", "均衡なら 0.5"],
    prob_real: ["識別器の確率、本物の画像", "均衡なら 0.5"],
    quality: {
      frechet: ["フレシェ距離", "0 が最良"], precision: ["適合率", "1 が最良"],
      recall: ["再現率", "1 が最良"], digit_share: ["その数字の割合", "1 が最良"],
      diversity: ["多様性", "0 なら全部同じ"], nearest: ["最も近い本物までの距離", "0 なら複製"],
    },
    compared: (note, value) => `${note}。破線: 本物 ${value}`,
  },
});

const frame = $("#samples .picture"), slider = $("#slider"), play = $("#play");
const loaded = new Map(); // the picture on show and a few neighbours, however many there are
let pictures = [], charts = [], rows = [], index = 0, timer = null;
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

function chartsOf({ settings, losses, quality }, last) {
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
    if (name === "epoch" || y.every((v) => v === null)) continue;
    const [title, note] = say.quality[name] ?? [name, ""], real = settings.real_figures?.[name];
    add({ title, x: quality.epoch, series: [{ name, color: "blue", y }],
      note: real === undefined ? note : say.compared(note, format(real)),
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

function pause() {
  clearTimeout(timer);
  timer = null;
  play.textContent = say.play;
}

function toggle() {
  if (timer !== null) return pause();
  if (stillness.matches) return;
  play.textContent = say.pause;
  if (index === pictures.length - 1) show(0);
  // 4 to 20 pictures a second: a short run is not over at once, a long one takes under a minute.
  const wait = 1000 / Math.min(Math.max(pictures.length / 30, 4), 20);
  const step = async () => {
    const mine = timer;
    await show(index + 1);
    if (timer !== mine) return;
    if (index === pictures.length - 1) pause();
    else timer = setTimeout(step, wait);
  };
  timer = setTimeout(step, wait);
}

function go(i) { pause(); show(i); }

play.addEventListener("click", toggle);
$("#back").addEventListener("click", () => go(index - 1));
$("#forward").addEventListener("click", () => go(index + 1));
slider.addEventListener("input", () => go(Number(slider.value)));
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key] * (event.shiftKey ? 10 : 1);
  if (by) go(index + by);
  else if (event.key === " " && !event.target.closest("button, summary, a")) toggle();
  else if (event.key === "Escape") pause();
  else return;
  event.preventDefault();
});
