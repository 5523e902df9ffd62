// An image as a PNG file: a dialog that shows it, and a copy of the page's address.
"use strict";

const dialog = $("dialog");
const preview = new Tile({ show: ({ name, judgement }) => {
  $("dialog .name").textContent = [inWords(name), judgement].filter(Boolean).join(": ");
} });
dialog.prepend(preview.canvas);

function openSave(name) {
  preview.shown = undefined;
  preview.want(name);
  $("dialog .row").replaceChildren(...[1, Math.max(Math.floor(512 / size), 2)].map((times) => {
    const button = element("button", { type: "button" }, `${say.save} ${size * times} × ${size * times}`);
    button.addEventListener("click", () => save(name, times));
    return button;
  }));
  dialog.showModal();
  pump();
}

function save(name, times) {
  const image = drawn.get(keyOf(name));
  if (!image) return;
  const small = element("canvas"), large = element("canvas", { width: size * times, height: size * times });
  paintOn(small, image.pixels);
  const context = large.getContext("2d");
  context.imageSmoothingEnabled = false;
  context.drawImage(small, 0, 0, large.width, large.height);
  saveCanvas(large, `${keyOf(name)}${times > 1 ? `-${large.width}` : ""}.png`);
}

function saveCanvas(canvas, filename) {
  canvas.toBlob((blob) => {
    const url = URL.createObjectURL(blob);
    element("a", { href: url, download: filename }).click();
    setTimeout(() => URL.revokeObjectURL(url), 60000);
  });
}

dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
dialog.addEventListener("close", () => { preview.name = undefined; });
$("dialog > button").addEventListener("click", () => dialog.close());

async function copyLink() {
  player.stop();
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

$("#link").addEventListener("click", copyLink);
