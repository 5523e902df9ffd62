// Curves over the epochs, each with a cursor.
"use strict";

function format(value) {
  if (value === null || value === undefined) return "–";
  return value !== 0 && Math.abs(value) < 0.001 ? value.toExponential(1) : value.toFixed(3);
}

function ticks(low, high, most) {
  const rough = (high - low) / most, power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough * 0.999);
  const found = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; k++) {
    found.push(Number((k * step).toPrecision(12)));
  }
  return found;
}

function runningMedian(values, width) {
  const half = Math.floor(width / 2);
  return values.map((_, i) => {
    const near = values.slice(Math.max(0, i - half), i + half + 1).filter((v) => v !== null);
    near.sort((a, b) => a - b);
    const middle = near.length >> 1;
    return near.length ? (near[middle] + near[near.length - 1 - middle]) / 2 : null;
  });
}

// A curve for those who do not see it: say(name, first, last, lowest, its epoch, highest, its epoch).
function inSentence(say, name, x, y) {
  const known = y.flatMap((v, i) => (v === null ? [] : [[v, x[i]]]));
  if (!known.length) return name;
  const low = known.reduce((a, b) => (b[0] < a[0] ? b : a)), high = known.reduce((a, b) => (b[0] > a[0] ? b : a));
  return say(name, format(known[0][0]), format(known.at(-1)[0]), format(low[0]), low[1], format(high[0]), high[1]);
}

// A figure with the curves of series, [{name, color, y}], over the epochs x, up to the epoch last;
// lines, [{y, color}], are there to compare with; best, an epoch, is marked. words: {label, curve,
// dashed}. go(epoch) is called when somebody points at one; figure.move(epoch) moves the cursor.
function chart({ title, words, note = "", x, last, series, lines = [], best, log = false, range, wide = false, go }) {
  const height = wide ? 210 : 132, left = 46, right = 20, top = 8, bottom = 22;
  const svg = element("svg", { height, role: "img", "aria-label": words.label(title,
    series.map(({ name, y }) => inSentence(words.curve, name === title ? title : name, x, y))) });
  const value = element("span");
  const key = element("p", {}, note);
  if (series.length > 1) {
    key.append(...series.map((s) => element("span", { class: `key ${s.color}` }, s.name)),
      note ? "" : element("span", { class: "note" }, words.dashed));
  }
  const figure = element("figure", { class: wide ? "chart wide" : "chart" },
    element("h2", {}, title, value), key, svg);

  const known = [...series.flatMap((s) => s.y), ...lines.map((line) => line.y)]
    .filter((v) => v !== null && (!log || v > 0));
  let [low, high] = range ?? [Math.min(...known), Math.max(...known)];
  const scale = log ? Math.log10 : (v) => v;
  if (log) [low, high] = [10 ** Math.floor(Math.log10(low)), 10 ** Math.ceil(Math.log10(high))];
  else if (!range) {
    low = Math.min(low, 0);
    if (high <= low) high = low + 1;
    const [first, second] = ticks(low, high, 4), step = second - first;
    [low, high] = [Math.floor(low / step) * step, Math.ceil(high / step - 1e-9) * step];
  }
  let width = 0, at = last;
  const toX = (epoch) => left + epoch / last * (width - left - right);
  const toY = (v) => height - bottom
    - (scale(Math.max(v, log ? low : v)) - scale(low)) / (scale(high) - scale(low)) * (height - top - bottom);
  const path = (y) => {
    let pen = "M";
    return x.map((epoch, i) => {
      if (y[i] === null) { pen = "M"; return ""; }
      const point = `${pen}${toX(epoch).toFixed(1)} ${toY(y[i]).toFixed(1)}`;
      pen = "L";
      return point;
    }).join("");
  };
  const cursor = element("g");

  function draw() {
    width = svg.clientWidth;
    svg.replaceChildren();
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`); // on paper it is as wide as that is
    const decades = ticks(Math.log10(low), Math.log10(high), 6).filter(Number.isInteger);
    for (const v of log ? decades.map((power) => 10 ** power) : ticks(low, high, wide ? 5 : 4)) {
      svg.append(element("line", { class: "grid", x1: left, x2: width - right, y1: toY(v), y2: toY(v) }),
        element("text", { x: left - 6, y: toY(v) + 4, "text-anchor": "end" },
          log && v < 0.001 ? v.toExponential(0) : String(Number(v.toPrecision(6)))));
    }
    for (const epoch of ticks(0, last, Math.min(Math.max(width / 90, 2), last))) {
      svg.append(element("text", { x: toX(epoch), y: height - 5, "text-anchor": "middle" }, String(epoch)));
    }
    for (const { y, color } of lines) {
      svg.append(element("line", { class: `balance ${color}`, x1: left, x2: width - right, y1: toY(y), y2: toY(y) }));
    }
    for (const { y, color } of series) {
      const long = y.length > 100;
      if (long) svg.append(element("path", { class: `curve faint ${color}`, d: path(y) }));
      svg.append(element("path", { class: `curve ${color}`,
        d: path(long ? runningMedian(y, 2 * Math.floor(y.length / 40) + 1) : y) }));
      if (y.length <= 30) {
        y.forEach((v, i) => v !== null
          && svg.append(element("circle", { class: `dot ${color}`, cx: toX(x[i]), cy: toY(v), r: 2 })));
      }
    }
    const i = x.indexOf(best);
    if (i >= 0) {
      const lowest = Math.min(...series.map(({ y }) => y[i] ?? Infinity));
      svg.append(element("circle", { class: "best", cx: toX(best), cy: toY(lowest), r: 5 }));
    }
    svg.append(cursor);
    figure.move(at);
  }

  figure.move = (epoch) => {
    at = epoch;
    cursor.replaceChildren(element("line",
      { class: "cursor", x1: toX(epoch), x2: toX(epoch), y1: top, y2: height - bottom }));
    const i = x.findLastIndex((known) => known <= epoch);
    if (series.length === 1) value.textContent = i < 0 ? "" : format(series[0].y[i]);
    for (const { y, color } of series) {
      if (i >= 0 && y[i] !== null) {
        cursor.append(element("circle", { class: `dot ${color}`, cx: toX(x[i]), cy: toY(y[i]), r: 3.5 }));
      }
    }
  };

  const point = (event) => go(
    (event.clientX - svg.getBoundingClientRect().left - left) / (width - left - right) * last);
  let finger = null; // where one has come down that may be about to scroll
  svg.addEventListener("mousedown", (event) => event.preventDefault()); // dragging selects nothing
  svg.addEventListener("pointerdown", (event) => {
    svg.setPointerCapture(event.pointerId);
    finger = event.pointerType === "touch" ? event : null;
    if (!finger) point(event);
  });
  svg.addEventListener("pointermove", (event) => {
    const along = finger && Math.abs(event.clientX - finger.clientX);
    if (along > 10 && along > Math.abs(event.clientY - finger.clientY)) finger = null;
    if (event.buttons && !finger) point(event);
  });
  svg.addEventListener("click", point); // a finger that was no more than that
  new ResizeObserver(() => requestAnimationFrame(() => { if (svg.clientWidth !== width) draw(); })).observe(svg);
  return figure;
}
