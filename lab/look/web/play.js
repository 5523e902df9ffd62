// The page that draws: nine images, the variations of one, the way from one to another.
//
// What it shows is its state (address.js). Images go by the names of net.js; whatever is on show and
// not yet drawn is asked for, a few at a time.
"use strict";

const say = speak({
  en: {
    images: "Nine images", more: "Nine more", seed: "Seed", back: "Back", others: "Eight others",
    nearer: "nearer", farther: "farther", distance: "How far the variations are",
    morph: "Morph", pick: "Pick two images above, and see one become the other.",
    second: "Pick a second image.", play: "Play", pause: "Pause", along: "How far from A to B",
    save: "Save", close: "Close", link: "Copy a link", run: "The run: its epochs and curves",
    keys: "← ↑ → ↓ another image, Enter its variations, Escape back", keyPlay: ", space plays the morph",
    title: (what) => `Draw: ${what}`, epochs: (n) => `after ${n} epochs`,
    going: (n, all) => `epoch ${n} of ${all}: the newest checkpoint of an unfinished run`,
    nine: ({ seed, from }) => `Images ${from} to ${from + 8} of seed ${seed}`,
    around: (what) => `In the middle ${what}, around it variations`,
    image: (seed, number) => `image ${number} of seed ${seed}`, step: (number) => `, variation ${number}`,
    between: (a, b, t) => `${t}% of the way from A, ${a}, to B, ${b}`,
    real: (p) => `real ${p}`, variations: (what) => `${what}: its variations`,
    saves: (what) => `${what}: save`, picks: (what) => `${what}: pick for the morph`,
    drop: (letter, what) => `${letter}, ${what}: take it away`, pickShort: "Pick",
    seeds: "A seed is a whole number from 0 to 4294967295.",
    copied: "Copied. It opens with this file.", notCopied: "Copy the address of this page.",
  },
  ja: {
    images: "9枚の画像", more: "次の9枚", seed: "シード", back: "戻る", others: "別の8枚",
    nearer: "近く", farther: "遠く", distance: "変化の大きさ",
    morph: "モーフィング", pick: "上の画像を2枚選ぶと、一方がもう一方に変わっていきます。",
    second: "もう1枚選んでください。", play: "再生", pause: "停止", along: "A から B までの位置",
    save: "保存", close: "閉じる", link: "リンクをコピー", run: "学習の記録: エポックとグラフ",
    keys: "← ↑ → ↓ で画像を移動、Enter で変化を表示、Escape で戻る", keyPlay: "、スペースキーでモーフィングを再生",
    title: (what) => `描く: ${what}`, epochs: (n) => `${n}エポック学習`,
    going: (n, all) => `${all}エポック中の${n}エポック目: 未完了の学習の最新のチェックポイント`,
    nine: ({ seed, from }) => `シード${seed}の画像 ${from}〜${from + 8}`,
    around: (what) => `中央が${what}、まわりがその変化`,
    image: (seed, number) => `シード${seed}の画像${number}`, step: (number) => `の変化${number}`,
    between: (a, b, t) => `A (${a}) から B (${b}) まで ${t}%`,
    real: (p) => `real ${p}`, variations: (what) => `${what}: 変化を見る`,
    saves: (what) => `${what}: 保存`, picks: (what) => `${what}: モーフィングに選ぶ`,
    drop: (letter, what) => `${letter}、${what}: 外す`, pickShort: "選ぶ",
    seeds: "シードは0から4294967295までの整数です。",
    copied: "コピーしました。このファイルと一緒に使えます。", notCopied: "このページのアドレスをコピーしてください。",
  },
});

const { networks, settings, epoch, page } = JSON.parse($("#data").textContent);
const size = networks.generator.at(-1).outSize;

// ---- the state

function inWords(name) {
  const [a, b, t] = name.split("~");
  if (b) return say.between(inWords(a), inWords(b), t);
  const [[seed, number], ...steps] = name.split(".").map((step) => step.split("-"));
  return say.image(seed, number) + steps.map((step) => say.step(step[1])).join("");
}

let state = parse(location.hash);

// A step that the browser's way back undoes; small: none of its own.
function go(changes, small = false) {
  const { a, b, t } = state;
  state = "seed" in changes || "of" in changes ? { a, b, t, ...changes } : { ...state, ...changes };
  const address = addressOf(state);
  if (small) location.replace(address);
  else if (address !== location.hash) location.hash = address;
  show();
}

window.addEventListener("hashchange", () => {
  if (location.hash === addressOf(state)) return;
  stop();
  state = parse(location.hash);
  show();
});

// ---- drawing

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
  const missing = [...document.querySelectorAll("canvas")].map((canvas) => canvas.name)
    .filter((name) => name && !drawn.has(name));
  if (busy || !missing.length) return;
  busy = true;
  ask([...new Set(missing)].slice(0, atOnce));
}

function arrived(images) {
  for (const { name, ...image } of images) drawn.set(name, image);
  for (const name of drawn.keys()) if (drawn.size > 300) drawn.delete(name);
  busy = false;
  document.querySelectorAll("canvas").forEach(refresh);
  pump();
}

// Gives a canvas what its name means, once that is drawn; until then it keeps what it has.
function refresh(canvas) {
  const image = drawn.get(canvas.name);
  if (!image || canvas.shown === canvas.name) return;
  canvas.shown = canvas.name;
  paintOn(canvas, image.pixels);
  canvas.onshow?.(image.real === null ? "" : say.real(image.real.toFixed(3)));
}

function paintOn(canvas, pixels) {
  canvas.width = canvas.height = size;
  canvas.getContext("2d").putImageData(new ImageData(pixels, size, size), 0, 0);
}

function want(canvas, name) {
  canvas.name = name;
  refresh(canvas);
}

// ---- the nine

const grid = $(".grid");
const tiles = Array.from({ length: 9 }, (_, i) => {
  const canvas = element("canvas"), real = element("figcaption", { class: "real" });
  const image = element("button", { type: "button", class: "image" }, canvas);
  const pick = element("button", { type: "button" }), save = element("button", { type: "button" }, say.save);
  const figure = element("figure", {}, real, image, element("div", { class: "tools" }, pick, save));
  const tile = { figure, canvas, image, pick, save, real };
  image.addEventListener("click", () => {
    if (canvas.name === state.of) return openSave(canvas.name);
    go({ of: canvas.name, near: state.near ?? 30, from: 1 });
    tiles[MIDDLE].image.focus();
  });
  pick.addEventListener("click", () => togglePick(canvas.name));
  save.addEventListener("click", () => openSave(canvas.name));
  canvas.onshow = (text) => { real.textContent = text; label(tile); };
  grid.append(figure);
  return tile;
});

function label({ canvas, image, pick, save, real }) {
  const what = inWords(canvas.name), also = canvas.shown === canvas.name && real.textContent;
  const letter = canvas.name === state.a ? "A" : canvas.name === state.b ? "B" : "";
  const whole = also ? `${what}, ${also}` : what;
  image.setAttribute("aria-label", canvas.name === state.of ? say.saves(whole) : say.variations(whole));
  pick.textContent = letter || say.pickShort;
  pick.setAttribute("aria-pressed", letter !== "");
  pick.setAttribute("aria-label", say.picks(what));
  save.setAttribute("aria-label", say.saves(what));
}

function togglePick(name) {
  const others = [state.a, state.b].filter((picked) => picked && picked !== name);
  const [a, b] = [state.a, state.b].includes(name) ? others : [...others.slice(0, 1), name];
  pause();
  go({ a, b, t: b ? 50 : state.t });
}

function back() {
  const { of } = state;
  if (!of) return;
  go(parentOf(of));
  tiles.find(({ canvas }) => canvas.name === of)?.image.focus();
}

function more() {
  const { of, near, seed, from } = state, step = of ? 8 : 9;
  if (of) go({ of, near, from: from + step > MOST - 8 ? 1 : from + step });
  else if (from + step <= MOST - 8) go({ seed, from: from + step });
  else go({ seed: (seed + 1) % (LARGEST_SEED + 1), from: 1 });
}

// ---- the morph

const ends = ["A", "B"].map((letter) => {
  const canvas = element("canvas"), button = element("button", { type: "button", class: "image" }, canvas);
  button.addEventListener("click", () => {
    togglePick(canvas.name);
    // The last of them has gone from the page, and the focus is not to go with it.
    if (!canvas.name) (state.a ? ends[0].button : tiles[0].image).focus();
  });
  return { letter, canvas, button, figure: element("figure", {}, element("div", { class: "real" }, letter), button) };
});
const between = element("canvas"), betweenReal = element("div", { class: "real" });
const betweenButton = element("button", { type: "button", class: "image" }, between);
between.onshow = (text) => { betweenReal.textContent = text; };
betweenButton.addEventListener("click", () => openSave(between.name));
$("#way").append(ends[0].figure, element("figure", {}, betweenReal, betweenButton), ends[1].figure);

let timer = null;

function stop() {
  clearTimeout(timer);
  timer = null;
  $("#play").textContent = say.play;
}

function pause() {
  if (timer === null) return;
  stop();
  go({ t: state.t }, true);
}

function toggle() {
  if (timer !== null) return pause();
  if (stillness.matches || !state.b) return;
  $("#play").textContent = say.pause;
  if (state.t === 100) state.t = 0;
  const began = performance.now() - state.t * 40; // four seconds from A to B
  const step = () => {
    timer = setTimeout(step, 30);
    if (between.shown === between.name) {
      if (state.t === 100) return pause();
      state.t = Math.min(Math.max(state.t + 1, Math.round((performance.now() - began) / 40)), 100);
    }
    showMorph();
    pump();
  };
  step();
}

function showMorph() {
  const { a, b, t } = state;
  $("#pick").hidden = Boolean(b);
  $("#pick").textContent = a ? say.second : say.pick;
  $("#way").hidden = !a;
  $("#moves").hidden = !b;
  for (const { letter, canvas, button, figure } of ends) {
    const name = letter === "A" ? a : b;
    figure.hidden = !name;
    want(canvas, name);
    if (name) button.setAttribute("aria-label", say.drop(letter, inWords(name)));
  }
  betweenButton.parentElement.hidden = !b;
  want(between, b && `${a}~${b}~${t}`);
  if (b) betweenButton.setAttribute("aria-label", say.saves(inWords(between.name)));
  $("#along").value = t;
  $("#along").setAttribute("aria-valuetext", `${t}%`);
}

// ---- saving

const dialog = $("dialog"), preview = $("dialog canvas");

function openSave(name) {
  const factor = Math.floor(512 / size);
  preview.onshow = (text) => { $("dialog .name").textContent = [inWords(name), text].filter(Boolean).join(": "); };
  preview.shown = null;
  want(preview, name);
  $("dialog .row").replaceChildren(...[1, factor].map((times) => {
    const button = element("button", { type: "button" }, `${say.save} ${size * times} × ${size * times}`);
    button.addEventListener("click", () => save(name, times));
    return button;
  }));
  dialog.showModal();
  pump();
}

function save(name, times) {
  const image = drawn.get(name);
  if (!image) return;
  const small = element("canvas"), large = element("canvas", { width: size * times, height: size * times });
  paintOn(small, image.pixels);
  const context = large.getContext("2d");
  context.imageSmoothingEnabled = false;
  context.drawImage(small, 0, 0, large.width, large.height);
  large.toBlob((blob) => {
    const url = URL.createObjectURL(blob);
    element("a", { href: url, download: `${name}${times > 1 ? `-${large.width}` : ""}.png` }).click();
    setTimeout(() => URL.revokeObjectURL(url), 60000);
  });
}

dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
dialog.addEventListener("close", () => { preview.name = undefined; });
$("dialog > button").addEventListener("click", () => dialog.close());

// ---- everything on show

function show() {
  const { of, seed, near } = state;
  $("#nine").hidden = Boolean(of);
  $("#around").hidden = !of;
  $("#seed").value = seed ?? "";
  $("#near").value = near ?? 30;
  $("#near").setAttribute("aria-valuetext", `${near}%`);
  $("#what").textContent = of ? say.around(inWords(of)) : say.nine(state);
  namesOf(state).forEach((name, i) => {
    const tile = tiles[i];
    tile.figure.classList.toggle("middle", name === of);
    want(tile.canvas, name);
    label(tile);
  });
  showMorph();
  $("#status").textContent = "";
  pump();
}

async function copyLink() {
  pause();
  location.replace(addressOf(state));
  const copied = await navigator.clipboard?.writeText(location.href).then(() => true, () => false)
    || copyAsOfOld(location.href);
  $("#status").textContent = copied ? say.copied : say.notCopied;
}

// Where a browser does not lend its clipboard to files.
function copyAsOfOld(text) {
  const field = element("textarea", { readonly: "" }), focused = document.activeElement;
  field.value = text;
  document.body.append(field);
  field.select();
  const copied = document.execCommand("copy");
  field.remove();
  focused.focus();
  return copied;
}

$("#more").addEventListener("click", more);
$("#others").addEventListener("click", more);
$("#back").addEventListener("click", back);
$("#link").addEventListener("click", copyLink);
$("#play").addEventListener("click", toggle);
$("#seed").addEventListener("change", ({ target }) => {
  const text = target.value.trim(), seed = Number(text);
  if (/^\d+$/.test(text) && seed <= LARGEST_SEED) return go({ seed, from: 1 });
  target.value = state.seed;
  $("#what").textContent = say.seeds; // beside the field
});
$("#near").addEventListener("input", ({ target }) => { state.near = Number(target.value); show(); });
$("#near").addEventListener("change", () => go({ near: state.near }, true));
$("#along").addEventListener("input", ({ target }) => { pause(); state.t = Number(target.value); showMorph(); pump(); });
$("#along").addEventListener("change", () => go({ t: state.t }, true));

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || dialog.open) return;
  const at = tiles.findIndex(({ figure }) => figure.contains(document.activeElement));
  const by = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -3, ArrowDown: 3 }[event.key];
  if (event.key === "Escape") { if (timer !== null) pause(); else back(); }
  else if (event.target.closest("input")) return;
  else if (by) tiles[at < 0 ? 0 : at + by]?.image.focus();
  else if (event.key === " " && !event.target.closest("button, a")) toggle();
  else return;
  event.preventDefault();
});

const title = subject(settings);
document.title = say.title(title);
$("h1").textContent = title;
$("#about").textContent = [origin(settings),
  epoch < settings.epochs ? say.going(epoch, settings.epochs) : say.epochs(epoch)].filter(Boolean).join(" · ");
$("#run").hidden = !page;
document.body.classList.toggle("unjudged", !networks.discriminator);
try { drawInWorker(); } catch { drawInPage(); }
show();
