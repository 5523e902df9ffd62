// The words that both pages say; each has a file with its own beside this one.
"use strict";

const SHARED_WORDS = {
  en: {
    play: "Play", pause: "Pause", allDigits: "All digits", digit: (n) => `Digit ${n}`,
    epochs: (n) => `${n} epochs`,
    things: ({ digit, data_source: source }) => digit === null ? `pictures like those of “${source}”`
      : digit === "all" ? "digits"
      : ["zeros", "ones", "twos", "threes", "fours", "fives", "sixes", "sevens", "eights", "nines"][digit],
    who: "D, the discriminator, is a second network. It learned to tell real images from drawn ones; the "
      + "generator learned to deceive it.",
  },
  ja: {
    play: "再生", pause: "一時停止", allDigits: "すべての数字", digit: (n) => `数字の${n}`,
    epochs: (n) => `${n}エポック`,
    things: ({ digit, data_source: source }) => digit === null ? `「${source}」に似た画像`
      : digit === "all" ? "手書き数字" : `数字の${digit}`,
    who: "DはDiscriminator、もう1つのネットワークです。Dは本物の画像と生成画像を見分けるように学習し、"
      + "GeneratorはそのDをだますように学習しました。",
  },
};
