// Latent vectors and the forward pass: what a name of an image means, and the image itself.
//
// It runs in a worker, and where a browser allows none, in the page. A name is
//   seed-number          of "plot.py samples --seed seed", counted from 1: 3-12
//   name.near-number     a variation of another, near per cent of the way to somewhere else: 3-12.30-2
//   name~name~per cent   on the way from one to the other: 3-12~3-15.30-2~50
// and all that is needed to make it again.
"use strict";

// ---- latent vectors

// NumPy's legacy generator: MT19937 (Matsumoto and Nishimura 1998), and two of its words to a
// number in [0, 1). numpy.random.RandomState(seed).random_sample() gives the same numbers.
function randomState(seed) {
  const state = new Uint32Array(624);
  state[0] = seed;
  for (let i = 1; i < 624; i++) {
    state[i] = Math.imul(1812433253, state[i - 1] ^ (state[i - 1] >>> 30)) + i;
  }
  let at = 624;
  function word() {
    if (at === 624) {
      for (let i = 0; i < 624; i++) {
        const y = (state[i] & 0x80000000) | (state[(i + 1) % 624] & 0x7fffffff);
        state[i] = state[(i + 397) % 624] ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
      }
      at = 0;
    }
    let y = state[at++];
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  }
  return () => ((word() >>> 5) * 67108864 + (word() >>> 6)) / 9007199254740992;
}

// Row `number`, counted from 1, of RandomState(seed).uniform(-1, 1, (number, size)), as float32.
function latent(seed, number, size) {
  const next = randomState(seed), z = new Float32Array(size);
  for (let i = 0; i < (number - 1) * size; i++) next();
  return z.map(() => 2 * next() - 1);
}

// From one vector towards another, turning evenly, as look/generated.py's great_circle.
function greatCircle(start, end, t) {
  let a = 0, b = 0, ab = 0;
  start.forEach((v, i) => { a += v * v; b += end[i] * end[i]; ab += v * end[i]; });
  const lengthA = Math.sqrt(a), lengthB = Math.sqrt(b);
  const angle = Math.acos(Math.min(Math.max(ab / (lengthA * lengthB || 1), -1), 1));
  if (Math.sin(angle) < 1e-6) return start.map((v, i) => (1 - t) * v + t * end[i]);
  const length = ((1 - t) * lengthA + t * lengthB) / Math.sin(angle);
  const p = Math.sin((1 - t) * angle) * length / lengthA, q = Math.sin(t * angle) * length / lengthB;
  return start.map((v, i) => p * v + q * end[i]);
}

// FNV-1a: a seed of its own for the surroundings of every image.
function seedOf(name) {
  let hash = 2166136261;
  for (const letter of name) hash = Math.imul(hash ^ letter.codePointAt(0), 16777619);
  return hash >>> 0;
}

// The vector of an image that this page draws.
function vectorOf(name, size) {
  const [from, to, along] = name.split("~");
  if (to) return greatCircle(vectorOf(from, size), vectorOf(to, size), along / 100);
  const cut = name.lastIndexOf(".");
  const [first, number] = name.slice(cut + 1).split("-").map(Number);
  if (cut < 0) return latent(first, number, size);
  const middle = name.slice(0, cut);
  return greatCircle(vectorOf(middle, size), latent(seedOf(middle), number, size), first / 100);
}

// ---- networks

// Bytes as look/play.py writes them: how many, and 15 bits of them in each letter from U+3400 on.
function bytesOf([length, text]) {
  const bytes = new Uint8Array(length);
  let held = 0, bits = 0;
  for (let i = 0, at = 0; i < text.length; i++) {
    held = (held << 15 | text.charCodeAt(i) - 0x3400) & 0x3fffff;
    for (bits += 15; bits >= 8 && at < length; at++) {
      bits -= 8;
      bytes[at] = held >> bits;
    }
  }
  return bytes;
}

function floats(text) { return new Float32Array(bytesOf(text).slice().buffer); }

async function inflate(bytes) {
  // Not from a Blob: WebKit's workers cannot read one, where the page is a file.
  const stream = new DecompressionStream("deflate"), writer = stream.writable.getWriter();
  writer.write(bytes);
  writer.close();
  return new Int8Array(await new Response(stream.readable).arrayBuffer());
}

// Layers as look/play.py describes them, ready to run.
async function network(layers) {
  return Promise.all(layers.map(async (layer) => {
    const high = await inflate(bytesOf(layer.high)), low = bytesOf(layer.low);
    const W = new Float32Array(high.length);
    for (let i = 0; i < W.length; i++) {
      const rest = layer.bits === 8 ? low[i] : i % 2 ? low[i >> 1] & 15 : low[i >> 1] >> 4;
      W[i] = high[i] * 2 ** layer.bits + rest;
    }
    return { ...layer, W, scale: floats(layer.scale), shift: floats(layer.shift), pairs: new Map() };
  }));
}

// For each tap of a layer's kernel: which pixel of its input adds to which of its output, in n maps.
// A deconvolution is a convolution with the two changed round. The lists are filled up to fours
// with pixels that add to one behind the last map.
function pairsOf(layer, n) {
  if (layer.pairs.has(n)) return layer.pairs.get(n);
  const { up, ksize, stride, pad, inSize, outSize } = layer;
  const [large, small] = up ? [outSize, inSize] : [inSize, outSize];
  const taps = [];
  for (let ky = 0; ky < ksize; ky++) {
    for (let kx = 0; kx < ksize; kx++) {
      const from = [], to = [];
      for (let image = 0; image < n; image++) {
        for (let y = 0; y < small; y++) {
          for (let x = 0; x < small; x++) {
            const row = y * stride + ky - pad, column = x * stride + kx - pad;
            if (row < 0 || row >= large || column < 0 || column >= large) continue;
            const near = (image * small + y) * small + x;
            const far = (image * large + row) * large + column;
            from.push(up ? near : far);
            to.push(up ? far : near);
          }
        }
      }
      while (from.length % 4) { from.push(0); to.push(n * outSize * outSize); }
      taps.push({ from: Int32Array.from(from), to: Int32Array.from(to) });
    }
  }
  layer.pairs.set(n, taps);
  return taps;
}

// One layer on n maps, pixel-major: x[pixel * inputs + channel]. W is [tap][output][input].
function run(layer, x, n) {
  const { inputs: C, outputs: O, W, scale, shift, slope } = layer;
  const y = new Float32Array((n * layer.outSize ** 2 + 1) * O);
  pairsOf(layer, n).forEach(({ from, to }, tap) => {
    for (let o = 0; o < O; o += 2) {
      const p = Math.min(o + 1, O - 1), one = (tap * O + o) * C, two = (tap * O + p) * C;
      for (let t = 0; t < from.length; t += 4) {
        const i = from[t] * C, j = from[t + 1] * C, k = from[t + 2] * C, l = from[t + 3] * C;
        let i1 = 0, j1 = 0, k1 = 0, l1 = 0, i2 = 0, j2 = 0, k2 = 0, l2 = 0;
        for (let c = 0; c < C; c++) {
          const v = W[one + c], w = W[two + c], xi = x[i + c], xj = x[j + c], xk = x[k + c], xl = x[l + c];
          i1 += v * xi; j1 += v * xj; k1 += v * xk; l1 += v * xl;
          i2 += w * xi; j2 += w * xj; k2 += w * xk; l2 += w * xl;
        }
        y[to[t] * O + o] += i1; y[to[t + 1] * O + o] += j1;
        y[to[t + 2] * O + o] += k1; y[to[t + 3] * O + o] += l1;
        if (p === o) continue;
        y[to[t] * O + p] += i2; y[to[t + 1] * O + p] += j2;
        y[to[t + 2] * O + p] += k2; y[to[t + 3] * O + p] += l2;
      }
    }
  });
  // Batch normalization and the weights' step, folded; a shift per channel, or of a linear layer per pixel and channel.
  for (let i = 0; i < y.length - O; i++) {
    const v = y[i] * scale[i % O] + shift[i % shift.length];
    y[i] = layer.tanh ? Math.tanh(v) : v < 0 ? v * slope : v;
  }
  return y;
}

// RGBA as look/tiles.py has it: between the networks' own black and white, or if there are none,
// between the image's lowest and highest value, in colour with a hundredth of all cut at either end.
function pixelsOf(image, channels, shown) {
  const [low, high] = shown ?? (channels === 3 ? [quantile(image, 0.01), quantile(image, 0.99)]
    : [quantile(image, 0), quantile(image, 1)]);
  const pixels = new Uint8ClampedArray(image.length / channels * 4).fill(255);
  for (let i = 0; i < pixels.length; i++) {
    if (i % 4 === 3) continue;
    const v = image[(i >> 2) * channels + (channels === 1 ? 0 : i % 4)];
    pixels[i] = Math.round((v - low) / (high - low || 1) * 255);
  }
  return pixels;
}

function quantile(values, share) {
  const sorted = values.slice().sort(), at = share * (values.length - 1), before = Math.floor(at);
  return sorted[before] + (at - before) * (sorted[Math.ceil(at)] - sorted[before]);
}

// Draws with a run's networks: an object with
//   draw(names): the images, [{name, pixels (RGBA)}];
//   judge(names): what D thinks of them, [{name, real (a probability)}];
//   layers({z, epoch}): what the layers make of one vector, on the way up and down again: [{link, size,
//     channels, up, maps: [{channel, values}]}], with pixels in place of maps where it is the image, and
//     with logits, [real, drawn], at the end;
//   add({epoch, layers}): the generator of another epoch, from now on; D is of the page's own.
// Names are of images that it draws, with @epoch behind those of another epoch, or real-1, real-2 ... of
// the real ones that the page has.
async function painter({ generator, discriminator, zSize, shown, values: [black, white] }, reals) {
  const own = await network(generator), judges = await network(discriminator ?? []);
  const { outSize, outputs } = own.at(-1), length = outSize ** 2 * outputs;
  const generators = new Map([[undefined, own]]); // by epoch
  const images = new Map(); // the last, by name

  async function add({ epoch, layers: described }) {
    const found = await network(described);
    found.forEach((layer, i) => { layer.pairs = own[i].pairs; });
    generators.set(epoch, found);
    return epoch;
  }

  function realImage(number) {
    return Float32Array.from(bytesOf(reals[number - 1]), (v) => black + (white - black) * v / 255);
  }

  function paint(names, draws) {
    const n = names.length;
    let x = new Float32Array(n * zSize);
    names.forEach((name, i) => x.set(vectorOf(name.split("@")[0], zSize), i * zSize));
    for (const layer of draws) x = run(layer, x, n);
    names.forEach((name, i) => images.set(name, x.slice(i * length, (i + 1) * length)));
  }

  function imagesOf(names) {
    for (const name of names) if (name.startsWith("real-")) images.set(name, realImage(name.slice(5)));
    const missing = names.filter((name) => !images.has(name));
    for (const [epoch, draws] of generators) {
      const its = missing.filter((name) => name.split("@")[1] === epoch?.toString());
      if (its.length) paint(its, draws);
    }
    const found = names.map((name) => images.get(name));
    for (const name of images.keys()) if (images.size > 60) images.delete(name);
    return found;
  }

  function judge(names) {
    const n = names.length;
    let x = new Float32Array(n * length);
    imagesOf(names).forEach((image, i) => x.set(image, i * length));
    for (const layer of judges) x = run(layer, x, n);
    return names.map((name, i) => ({ name, real: 1 / (1 + Math.exp(x[2 * i + 1] - x[2 * i])) }));
  }

  // The channels of a map that differ most from place to place in this image.
  function busiest(layer, x, many) {
    const { outSize: side, outputs: O } = layer, pixels = side * side;
    const maps = Array.from({ length: O }, (_, channel) => {
      const values = Float32Array.from({ length: pixels }, (_, i) => x[i * O + channel]);
      const mean = values.reduce((a, b) => a + b, 0) / pixels;
      return { channel, values, spread: values.reduce((a, v) => a + (v - mean) ** 2, 0) };
    });
    return maps.sort((a, b) => b.spread - a.spread).slice(0, many);
  }

  function layers({ z, epoch }) {
    let x = Float32Array.from(z);
    const found = [], draws = generators.get(epoch);
    for (const layer of [...draws, ...draws === own ? judges : []]) {
      x = run(layer, x, 1);
      const { link, up, outSize: side, outputs: O } = layer;
      if (side === 1 && !up) found.push({ link, up, size: side, channels: O, logits: [x[0], x[1]] });
      else if (layer === draws.at(-1)) {
        found.push({ link, up, size: side, channels: O, pixels: pixelsOf(x.subarray(0, length), O, shown) });
      } else found.push({ link, up, size: side, channels: O, maps: busiest(layer, x, 8) });
    }
    return found;
  }

  return {
    draw(names) {
      const found = imagesOf(names);
      return names.map((name, i) => ({ name, pixels: pixelsOf(found[i], outputs, shown) }));
    },
    judge, layers, add,
  };
}
