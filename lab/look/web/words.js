// The words that both pages say; each has a file with its own beside this one.
"use strict";

const SHARED_WORDS = {
  en: {
    play: "Play", pause: "Pause", allDigits: "All digits", digit: (n) => `Digit ${n}`,
    epochs: (n) => `${n} epochs`,
  },
  ja: {
    play: "再生", pause: "停止", allDigits: "すべての数字", digit: (n) => `数字 ${n}`,
    epochs: (n) => `${n}エポック`,
  },
};
