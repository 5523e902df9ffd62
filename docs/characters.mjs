// Makes drawn characters to train on, 64x64 PNGs, always the same ones:
//
//   npm install @dicebear/core@9 @dicebear/collection@9 @resvg/resvg-js@2
//   node docs/characters.mjs pixel-art 6000 characters
//
// The style is one of https://www.dicebear.com/styles; pixel-art is CC0, adventurer is CC BY 4.0
// (Lisa Wischofsky). Node finds the packages in the folder of this file or above it.

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as collection from "@dicebear/collection";
import { createAvatar } from "@dicebear/core";
import { Resvg } from "@resvg/resvg-js";

const [style = "", number = "6000", folder = style] = process.argv.slice(2);
const name = style.replace(/-(.)/g, (_, letter) => letter.toUpperCase());
if (!(name in collection) || !/^[1-9][0-9]*$/.test(number)) {
  console.error("usage: node characters.mjs STYLE [NUMBER] [FOLDER], such as pixel-art 6000 characters");
  process.exit(2);
}
mkdirSync(folder, { recursive: true });
for (let i = 0; i < Number(number); i++) {
  const svg = createAvatar(collection[name], {
    seed: `character ${i}`,
    size: 64,
    backgroundColor: ["b6e3f4", "c0aede", "d1d4f9", "ffd5dc", "ffdfbf"],
  }).toString();
  const file = `${String(i).padStart(5, "0")}.png`;
  writeFileSync(join(folder, file), new Resvg(svg).render().asPng());
}
console.log(`${number} pictures in ${folder}`);
