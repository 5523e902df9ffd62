// The words of the page of a run.
"use strict";

const say = speak({
  en: {
    heading: (things) => `A network learns to draw ${things}`,
    lead: (things) => `These ${things} were never made by anybody: a network drew them. It began with noise, `
      + "and drew the nine again after every epoch, that is, once through all real images. Move the slider, "
      + "or press Play, and watch it learn.",
    epoch: "Epoch", previous: "Previous picture", next: "Next picture",
    keys: "← → one picture, with Shift ten; space plays",
    figures: "Figures of this epoch", curves: "Curves", settings: "Settings", story: "What happened",
    draws: "Draw with it, look inside it, play against D", real: "Nine real images, for comparison",
    probabilities: "“real 0.312” above an image: D takes it for real with 31 %.",
    title: (what, epochs) => `${what}, ${epochs} epochs`,
    images: (n) => `${n} images`, recipe: (name) => `recipe ${name}`,
    going: (n, all) => `${n} of ${all} epochs so far: newer ones appear by themselves`,
    stopped: (n, all) => `stopped after epoch ${n} of ${all}`,
    silent: (n, all, time) => `${n} of ${all} epochs; nothing new since ${time}: the run seems to have ended `
      + "unexpectedly",
    at: (n) => `epoch ${n}`, samples: (n) => `Nine generated images after epoch ${n}`,
    missing: (n) => `The picture of epoch ${n} is missing.`,
    alone: "This page shows a run from the files beside it, and index.js is not there. Put it back into the "
      + "run’s folder, or send the whole folder.",
    label: (title, curves) => `${title} over the epochs. ${curves.join(" ")}`,
    curve: (name, first, last, low, lowAt, high, highAt) => `${name} from ${first} to ${last}, lowest `
      + `${low} at epoch ${lowAt}, highest ${high} at epoch ${highAt}.`,
    dashed: "dashed: equilibrium", best: (n) => `○ best: epoch ${n}`, and: "; ",
    losses: "Losses", generator: "generator", discriminator: "discriminator",
    probability: "How real D finds them", generated: "generated images", reals: "real images",
    loss_gen: ["generator’s loss", "0.693 at equilibrium"],
    loss_dis: ["discriminator’s loss", "1.386 at equilibrium"],
    prob_generated: ["D’s probability, generated", "0.5 at equilibrium"],
    prob_real: ["D’s probability, real", "0.5 at equilibrium"],
    quality: {
      frechet: ["Fréchet distance", "0 is best"], precision: ["Precision", "1 is best"],
      recall: ["Recall", "1 is best"], digit_share: ["Share of the digit", "1 is best"],
      diversity: ["Diversity", "0 all alike"], nearest: ["Nearest real image", "0 copies"],
    },
    weights: { trained: "generator", average: "average of its weights" },
    compared: (note, value) => `${note}; dashed: real ${value}`,
    events: {
      best: "The best pictures, by the lowest Fréchet distance to the real ones.",
      sureButBetter: "D’s loss is near 0: it is never in doubt, yet the pictures get better. The Fréchet "
        + "distance shows it.",
      fewShapes: "Even at the best epoch recall is 0: the generator repeats a few shapes, and real images "
        + "that look otherwise are not among them.",
      debris: "The pictures fall apart: their distance more than doubles.",
      recovery: "They have recovered.",
      collapse: "The samples have been nearly identical for 50 epochs and get no better.",
      won: "D’s loss has been below 0.001 for 100 epochs and the samples get no better.",
      sure: "D has been sure of every image for 100 epochs and the samples are far worse.",
    },
  },
  ja: {
    heading: (things) => `ネットワークが${things}を描けるようになるまで`,
    lead: () => "これらの画像は、誰かが作ったものではなく、ネットワークが描いたものです。最初はノイズでした。"
      + "1エポック（本物の画像すべてを一通り使う学習）が終わるたびに、同じ9枚を描き直しています。"
      + "スライダーを動かすか、再生を押すと、学習の様子が見られます。",
    epoch: "エポック", previous: "前の画像", next: "次の画像",
    keys: "←→で1枚ずつ、Shift+←→で10枚ずつ移動。スペースキーで再生",
    figures: "このエポックの数値", curves: "グラフ", settings: "設定", story: "学習中のできごと",
    draws: "このGeneratorで画像を生成・内部を見る・Dと勝負する", real: "比較のための本物の画像9枚",
    probabilities: "画像の上の「real 0.312」は、Dがそれを31%の確率で本物とみなすという意味です。",
    title: (what, epochs) => `${what}、${epochs}エポック`,
    images: (n) => `画像${n}枚`, recipe: (name) => `レシピ：${name}`,
    going: (n, all) => `${all}エポック中${n}エポックまで終了。新しい画像は自動で表示されます`,
    stopped: (n, all) => `${all}エポック中${n}エポックで停止`,
    silent: (n, all, time) => `${all}エポック中${n}エポックまで。${time}以降は更新がなく、学習は途中で止まったようです`,
    at: (n) => `エポック${n}`, samples: (n) => `${n}エポック後の生成画像9枚`,
    missing: (n) => `エポック${n}の画像がありません。`,
    alone: "このページは、同じフォルダにあるファイルから学習の記録を表示します。index.jsが見つかりません。"
      + "学習のフォルダに戻すか、フォルダごと送ってください。",
    label: (title, curves) => `エポックごとの${title}。${curves.join("")}`,
    curve: (name, first, last, low, lowAt, high, highAt) => `${name}は${first}から${last}へ、最小は`
      + `エポック${lowAt}の${low}、最大はエポック${highAt}の${high}。`,
    dashed: "破線：均衡状態の値", best: (n) => `○ 最良：エポック${n}`, and: "。",
    losses: "損失", generator: "Generator", discriminator: "Discriminator",
    probability: "Dから見た本物らしさ", generated: "生成画像", reals: "本物の画像",
    loss_gen: ["Generatorの損失", "均衡状態なら0.693"],
    loss_dis: ["Discriminatorの損失", "均衡状態なら1.386"],
    prob_generated: ["生成画像を本物とみなす確率", "均衡状態なら0.5"],
    prob_real: ["本物の画像を本物とみなす確率", "均衡状態なら0.5"],
    quality: {
      frechet: ["フレシェ距離", "0が最良"], precision: ["適合率", "1が最良"],
      recall: ["再現率", "1が最良"], digit_share: ["その数字の割合", "1が最良"],
      diversity: ["多様性", "0ならすべて同じ"], nearest: ["最も近い本物の画像までの距離", "0ならコピー"],
    },
    weights: { trained: "Generator", average: "重みの平均" },
    compared: (note, value) => `${note}。破線：本物では${value}`,
    events: {
      best: "最良の画像です。本物とのフレシェ距離が最小になりました。",
      sureButBetter: "Dの損失はほぼ0で、Dは迷いません。それでも画像は良くなっていて、フレシェ距離に表れています。",
      fewShapes: "最良のエポックでも再現率は0です。Generatorは少数の形を繰り返すだけで、本物にあるほかの形は描かれません。",
      debris: "画像が崩れ、本物との距離が2倍を超えました。",
      recovery: "画像が回復しました。",
      collapse: "50エポックのあいだ画像がほとんど同じで、良くなっていません。",
      won: "100エポックのあいだDの損失が0.001未満で、画像は良くなっていません。",
      sure: "100エポックのあいだDがどの画像にも迷わず、画像はずっと悪くなりました。",
    },
  },
});
