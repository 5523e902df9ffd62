// Inside the networks: a vector z, what each layer of the generator makes of it, and D's way down again.
"use strict";

// {name, z, moved, epoch}: the image that is looked into, its vector, the number of that which is moved,
// and the epoch whose generator draws it.
let look = null;
const numbers = $("#z");

function openInside(name) {
  look = { name, z: vectorOf(name, networks.zSize), moved: 0 };
  $("#inside").hidden = false;
  $("#whose").textContent = say.whose(inWords(name));
  $("#which").max = networks.zSize;
  choose(0);
  $("#inside").scrollIntoView({ block: "start" });
  $("#whose").focus({ preventScroll: true });
}

// The numbers of z as squares, blue below 0 and orange above; the one that can be moved has a frame.
function showNumbers() {
  const columns = Math.ceil(Math.sqrt(networks.zSize)), cell = 12;
  numbers.width = columns * cell;
  numbers.height = Math.ceil(networks.zSize / columns) * cell;
  const context = numbers.getContext("2d");
  look.z.forEach((value, i) => {
    const x = i % columns * cell, y = Math.floor(i / columns) * cell;
    context.fillStyle = signed(value);
    context.fillRect(x, y, cell, cell);
    if (i !== look.moved) return;
    context.strokeStyle = "#000";
    context.lineWidth = 2;
    context.strokeRect(x + 1, y + 1, cell - 2, cell - 2);
  });
}

function signed(value) {
  const strength = Math.min(Math.abs(value), 1), mix = (a) => Math.round(255 + (a - 255) * strength);
  return value < 0 ? `rgb(${mix(31)},${mix(95)},${mix(168)})` : `rgb(${mix(180)},${mix(82)},${mix(11)})`;
}

function choose(number) {
  look.moved = Math.min(Math.max(number, 0), networks.zSize - 1);
  $("#which").value = look.moved + 1;
  $("#value").value = look.z[look.moved];
  showLook();
}

function showLook() {
  $("#value").setAttribute("aria-valuetext", look.z[look.moved].toFixed(2));
  $("#shown").textContent = look.z[look.moved].toFixed(2);
  showNumbers();
  look.epoch = state.at;
  asked = { z: look.z.slice(), epoch: look.epoch, answer: showLayers };
  pump();
}

function showLayers(found) {
  const rows = found.map((layer) => {
    const row = element("div", { class: "layer" });
    const { link, size: side, channels } = layer;
    row.append(element("p", {}, element("b", {}, `${side} × ${side}`),
      ` ${layer.pixels ? say.drawnImage : layer.logits ? say.logits : say.layer(link, channels, layer.maps.length)}`));
    if (layer.logits) row.append(verdict(layer.logits));
    else row.append(element("div", { class: "maps" }, ...(layer.pixels ? [pictureOf(layer)] : layer.maps.map(
      ({ channel, values }) => mapOf(values, side, say.channel(channel + 1))))));
    return row;
  });
  const turn = found.findIndex(({ up }) => !up);
  $("#up").replaceChildren(...rows.slice(0, turn < 0 ? rows.length : turn));
  $("#down").replaceChildren(...(turn < 0 ? [] : rows.slice(turn)));
  $("#downward").hidden = turn < 0;
}

function pictureOf({ pixels }) {
  const canvas = element("canvas", { class: "large", role: "img", "aria-label": say.drawnImage });
  paintOn(canvas, pixels);
  return canvas;
}

function mapOf(values, side, label) {
  const canvas = element("canvas", { role: "img", "aria-label": label, title: label });
  const largest = values.reduce((most, v) => Math.max(most, Math.abs(v)), 1e-9);
  const pixels = new Uint8ClampedArray(values.length * 4).fill(255);
  values.forEach((v, i) => { pixels.fill(Math.round(255 * Math.max(v, 0) / largest), 4 * i, 4 * i + 3); });
  paintOn(canvas, pixels, side);
  return canvas;
}

function verdict([real, fake]) {
  const p = 1 / (1 + Math.exp(fake - real));
  return element("p", { class: "verdict" }, say.verdict(real.toFixed(2), fake.toFixed(2), say.judgement(p)));
}

$("#which").addEventListener("change", ({ target }) => choose(Math.round(Number(target.value)) - 1 || 0));
$("#value").addEventListener("input", ({ target }) => {
  look.z[look.moved] = Number(target.value);
  move();
  showLook();
});
$("#as-before").addEventListener("click", () => openInside(look.name));
numbers.addEventListener("click", ({ offsetX, offsetY }) => {
  const columns = Math.ceil(Math.sqrt(networks.zSize)), cell = numbers.clientWidth / columns;
  choose(Math.floor(offsetY / cell) * columns + Math.floor(offsetX / cell));
});
$("#closer").addEventListener("click", () => openInside(state.of ?? tiles[0].name));
