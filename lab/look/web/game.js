// Real or drawn? Nine images, of which the reader, and D beside him, are to find the real ones.
"use strict";

const score = { reader: 0, judge: 0, images: 0 };
let round = 0, answered = false;

const cards = Array.from({ length: 9 }, () => {
  const tile = new Tile({
    click() {
      if (answered) return;
      tile.button.setAttribute("aria-pressed", tile.button.getAttribute("aria-pressed") !== "true");
    },
    show: () => showCard(tile),
    isOwn: true,
  });
  tile.verdict = element("p", { class: "verdict" });
  tile.figure.append(tile.verdict);
  $("#cards").append(tile.figure);
  return tile;
});

// D, which finds all drawn images of its generator unreal and knows real ones only among real ones, is
// told as much as the reader: how many are real. It picks those that it finds most real.
let picksOfD = [];

// Until the answer, D says nothing here.
function showCard({ name, caption, button, verdict }) {
  const real = name?.startsWith("real-"), guess = button.getAttribute("aria-pressed") === "true";
  caption.textContent = answered && picksOfD.length
    ? `D: ${picksOfD.includes(name) ? say.isReal : say.isDrawn}` : "";
  verdict.textContent = answered ? `${guess === real ? "✓" : "✗"} ${real ? say.isReal : say.isDrawn}` : "";
  verdict.className = answered && guess !== real ? "verdict wrong" : "verdict";
  button.setAttribute("aria-label", [say.card(cards.findIndex((card) => card.button === button) + 1),
    verdict.textContent].filter(Boolean).join(": "));
}

// Another nine: some of the real ones, the others drawn from a seed of their own.
function deal() {
  answered = false;
  round++;
  const random = randomState(Math.floor(Math.random() * LARGEST_SEED)), seed = Math.floor(random() * LARGEST_SEED);
  const shuffle = (list) => list.map((item) => [random(), item]).sort(([a], [b]) => a - b).map(([, item]) => item);
  const many = Math.min(2 + Math.floor(random() * 5), reals.length);
  const real = shuffle(reals.map((_, i) => `real-${i + 1}`)).slice(0, many);
  const names = shuffle([...real, ...Array.from({ length: 9 - many }, (_, i) => `${seed}-${i + 1}`)]);
  cards.forEach((card, i) => {
    card.button.setAttribute("aria-pressed", "false");
    card.want(names[i]);
    showCard(card);
  });
  $("#game-hint").textContent = say.find(many);
  $("#answer").hidden = false;
  $("#again").hidden = true;
  $("#score").textContent = "";
  pump();
}

function answer() {
  answered = true;
  const isReal = ({ name }) => name.startsWith("real-");
  picksOfD = cards.every(({ picture }) => picture?.real !== undefined)
    ? [...cards].sort((a, b) => b.picture.real - a.picture.real).slice(0, cards.filter(isReal).length)
      .map(({ name }) => name) : [];
  const right = cards.map((card) => [
    (card.button.getAttribute("aria-pressed") === "true") === isReal(card),
    picksOfD.includes(card.name) === isReal(card)]);
  const [reader, judge] = [0, 1].map((who) => right.filter((one) => one[who]).length);
  score.reader += reader;
  score.judge += judge;
  score.images += 9;
  cards.forEach(showCard);
  const judged = networks.discriminator !== null;
  $("#score").textContent = say.score(reader, judged ? judge : null)
    + (score.images > 9 ? ` ${say.total(score.reader, judged ? score.judge : null, score.images)}` : "");
  $("#answer").hidden = true;
  $("#again").hidden = false;
  $("#again").focus();
}

cards.forEach(showCard);
$("#answer").addEventListener("click", answer);
$("#again").addEventListener("click", deal);
$("#begin").addEventListener("click", () => {
  $("#begin").hidden = true;
  $("#playing").hidden = false;
  deal();
  cards[0].button.focus();
});
$("#game").hidden = reals.length < 3;
