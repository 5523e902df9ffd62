// The page that draws: its state (address.js), all that shows it, and the keyboard.
"use strict";

let state = parse(location.hash);

// Changes the state: a step that the browser's way back undoes; small: none of its own.
function go(changes, small = false) {
  const { a, b, t, at } = state;
  state = "seed" in changes || "of" in changes ? { a, b, t, at, ...changes } : { ...state, ...changes };
  const address = addressOf(state);
  if (small) location.replace(address);
  else if (address !== location.hash) location.hash = address;
  show();
}

window.addEventListener("hashchange", () => {
  if (location.hash === addressOf(state)) return;
  state = parse(location.hash);
  player.stop();
  show();
});

// The name of an image, in words.
function inWords(name) {
  const [a, b, t] = name.split("~");
  if (b) return say.between(inWords(a), inWords(b), t);
  const [[seed, number], ...steps] = name.split(".").map((step) => step.split("-"));
  return say.image(seed, number) + steps.map((step) => say.step(step[1])).join("");
}

function show() {
  showEpoch();
  showNine();
  showMorph();
  if (look && look.epoch !== state.at) showLook();
  $("#status").textContent = "";
  pump();
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || dialog.open) return;
  const { target, key } = event, at = tiles.findIndex(({ figure }) => figure.contains(document.activeElement));
  const by = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -3, ArrowDown: 3 }[key];
  if (key === "Escape") return whenUsed(event, player.stop() || back());
  if (target.closest("input, summary")) return;
  if (by) {
    // From outside the arrows to the side lead into the nine; up and down scroll.
    const tile = at < 0 ? Math.abs(by) === 1 && target === document.body && tiles[0] : tiles[at + by];
    whenUsed(event, tile);
    if (tile) tile.button.focus();
  } else if (key === " " && !target.closest("button, a")) whenUsed(event, player.toggle());
});

// Not links: what stands behind the address's # is the state.
for (const button of document.querySelectorAll("[data-to]")) {
  const part = $(button.dataset.to), heading = part.querySelector("h2");
  button.hidden = part.hidden;
  heading.tabIndex = -1;
  button.addEventListener("click", () => {
    part.scrollIntoView({ block: "start" });
    heading.focus({ preventScroll: true });
  });
}

document.title = say.title(subject(settings));
$("h1").textContent = say.heading(say.things(settings), settings.digit !== null);
$("#lead").textContent = say.lead(say.things(settings));
$("#who").hidden = !networks.discriminator;
$("#about").textContent = [subject(settings), origin(settings), own === best ? say.best(own)
  : own < settings.epochs ? say.going(own, settings.epochs) : say.after(own)].filter(Boolean).join(" · ");
document.body.classList.toggle("unjudged", !networks.discriminator);
startDrawing();
show();

// The page of the run calls this with its data: that is beside this page, and not only was once.
function take() { $("#run").hidden = false; }
// It is in UTF-8, and this page is not (look/play.py).
if (page) document.body.append(element("script", { src: "index.js", charset: "utf-8" }));
