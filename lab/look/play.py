"""The page that draws: one static file with a run's networks in it, and what runs them."""

import contextlib
import functools
import json
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

from lab import networks
from lab.cli.patience import patiently
from lab.look import page
from lab.look.command import NETWORKS, command
from lab.look.generated import with_fixed_statistics
from lab.look.tiles import cut_tiles
from lab.networks.layers import convolutions
from lab.runs import files
from lab.runs.files import replace_file
from lab.runs.opened import OpenedRun
from lab.runs.settings import Settings


@command(
    files.PLAY, "a page that draws with the run's generator, RUN/play.html",
    "One file, with the networks in it, for any browser, without a server or a network: nine "
    "images of any seed, the same as those of samples, variations of one, the way from one to "
    "another, what the layers make of it, and a game. Beside it are the generators of other "
    "epochs, where the run has kept them, to draw the same z with. While the run is not finished, "
    "its newest checkpoint is used. trainer.py writes it at the end.",
    "result", left=(files.PLAY, files.PLAY_EPOCHS), **NETWORKS)
def write(run: OpenedRun, out: Path, weights: str | None = None, epoch: str = "newest") -> Path:
    """Writes play.html of a run, finished or not. Returns its path, out.

    The networks are those of plot.py samples. In the run's folder the generators of the other
    epochs that are kept, and of the best, are files beside it, which the page loads when it is
    asked to. settings.json and generator.npz alone are enough; without a discriminator the page
    shows no probabilities. The page of the run, if there is one beside it, is written anew, to link
    to it. FolderError if there is no good generator.
    """
    settings = run.settings
    gen, dis, number = run.networks(weights, epoch)
    is_beside = out.parent.samefile(run.folder)
    has_page = is_beside and run.path(files.PAGE).exists()
    others = _others(run, weights, number) if is_beside else {}
    html = page.fill("play.html", json.dumps({
        "networks": describe(settings, gen, dis),
        "reals": [_text(tile.tobytes()) for tile in _reals(run)],
        "settings": {name: getattr(settings, name) for name in ("digit", "epochs", "data_source")},
        "epoch": number,
        "others": list(others),
        "best": run.best_epoch(),
        "page": has_page,
    }, ensure_ascii=False))
    for other, load in others.items():
        layers = json.dumps(_layers(_drawing(settings, load()), settings), ensure_ascii=False)
        _write(files.play_epoch(run.folder, other), f"takeGenerator({other}, {layers});\n")
    _write(out, html)
    if is_beside:
        for path in set(run.folder.glob(files.PLAY_EPOCHS)) - {
                files.play_epoch(run.folder, other) for other in others}:
            patiently(path.unlink)
    if has_page:
        page.write(run)
    return out


def _others(run, weights, number):
    """Of the epochs but number whose generator is kept: {epoch: function that loads it}."""
    found = {}
    if weights in (None, run.settings.weights):
        found = {epoch: functools.partial(run.snapshot, epoch) for epoch in run.snapshots()}
    if (best := run.best_epoch()) is not None:
        found[best] = lambda: run.networks(weights, "best").gen
    return {epoch: load for epoch, load in sorted(found.items()) if epoch != number}


def _write(path, text):
    """Writes a page or a script in UTF-16, which has room for 15 bits in a letter (_text)."""
    replace_file(path, lambda file: file.write(text.encode("utf-16", "surrogatepass")))


def _reals(run):
    """Returns the real images in a run's folder, uint8 (n, size, size) or (n, size, size, 3)."""
    with contextlib.suppress(OSError, ValueError), Image.open(run.path(files.REAL)) as picture:
        return cut_tiles(picture, 9, run.settings.size)
    return []


# How exact weights are, of generator and discriminator: at 28x28, and where networks are larger and
# have to be sent (docs/decisions.md).
FINE, COARSE = (1300, 400), (500, 100)
LARGEST = 2**15 - 1


def describe(settings: Settings, gen, dis) -> dict:
    """Returns a run's networks as web/net.js runs them, a dict for JSON. dis may be None.

    All layers are convolutions or deconvolutions there. Batch normalization in test mode is linear,
    and becomes the scale and the shift that every layer has, those of dis with the statistics of
    plot.py samples. Weights are whole numbers times a step for each channel; what that costs is in
    docs/decisions.md.
    """
    judging = dis and convolutions(
        with_fixed_statistics(gen, dis), networks.of(settings).DISCRIMINATOR, settings.size)
    return {"generator": _layers(_drawing(settings, gen), settings),
            "discriminator": judging and _layers(judging, settings),
            "zSize": gen.z_dim, "shown": networks.display_range(settings),
            "values": networks.value_range(settings)}


def _drawing(settings, gen):
    return convolutions(gen, networks.of(settings).GENERATOR, 1)


def _layers(layers, settings):
    """Layers of a network for JSON.

    The fewer weights a layer has, the less do exact ones cost: their numbers grow with the square
    root.
    """
    levels = (FINE if settings.size == networks.POST_SIZE else COARSE)[not layers[0].up]
    weights = sum(c.W.size for c in layers)
    return [_layer(c, min(round(levels * (weights / c.W.size) ** 0.5), LARGEST)) for c in layers]


def _layer(c, largest):
    W = c.W.transpose((2, 3, 1, 0) if c.up else (2, 3, 0, 1))  # as the page runs through them
    ksize, _, outputs, inputs = W.shape
    scale, shift = np.ones(outputs), np.float64(c.b)
    if c.norm:
        scale = c.norm.gamma.array / np.sqrt(np.float64(c.norm.avg_var) + c.norm.eps)
        shift = (shift - c.norm.avg_mean) * scale + c.norm.beta.array
    steps = np.abs(W).max(axis=(0, 1, 3), keepdims=True) / largest
    steps[steps == 0] = 1
    numbers = np.rint(W / steps).astype(np.int16)
    bits = 8 if largest >= 2**11 else 4  # the lower ones, as good as random; the others are packed
    return {"link": c.layer.link, "up": c.up, "ksize": ksize, "stride": c.stride, "pad": c.pad,
            "inSize": c.in_size, "outSize": c.out_size, "inputs": inputs, "outputs": outputs,
            "slope": c.layer.slope, "tanh": c.layer.tanh,
            "high": _text(_deflated((numbers >> bits).astype(np.int8).tobytes())),
            "low": _text(_packed(numbers & 2**bits - 1, bits)), "bits": bits,
            "scale": _text((scale * steps.ravel()).astype("<f4").tobytes()),
            "shift": _text(shift.astype("<f4").tobytes())}


def _deflated(data):
    """Nothing in it comes twice; but small numbers are more frequent than large ones."""
    packer = zlib.compressobj(strategy=zlib.Z_HUFFMAN_ONLY)
    return packer.compress(data) + packer.flush()


def _packed(numbers, bits):
    """Numbers of 8 bits, or of 4, two to a byte."""
    numbers = numbers.astype(np.uint8).ravel()
    if bits == 4:
        numbers = np.append(numbers, np.zeros(len(numbers) % 2, np.uint8))
        numbers = numbers[::2] << 4 | numbers[1::2]
    return numbers.tobytes()


def _text(data):
    """Bytes for JSON in UTF-16: how many, and 15 bits of them in each letter from U+3400 on."""
    bits = np.unpackbits(np.frombuffer(data, np.uint8))
    bits = np.append(bits, np.zeros(-len(bits) % 15, np.uint8)).reshape(-1, 15)
    letters = np.packbits(np.pad(bits, ((0, 0), (1, 0)))).view(">u2") + 0x3400
    return len(data), letters.astype("<u2").tobytes().decode("utf-16-le")
