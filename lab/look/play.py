"""The page that draws: one static file with a run's networks in it, and what runs them."""

import base64
import contextlib
import json
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

from lab import networks
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
    "another, what the layers make of it, and a game. While the run is not finished, its newest "
    "checkpoint is used. trainer.py writes it at the end.",
    "result", **NETWORKS)
def write(run: OpenedRun, out: Path, weights: str | None = None, epoch: str = "newest") -> Path:
    """Writes play.html of a run, finished or not. Returns its path, out.

    The networks are those of plot.py samples; beside the newest there are those of the best epoch,
    if that is another one and its networks are kept. settings.json and generator.npz alone
    are enough; without a discriminator the page shows no probabilities. The page of the run, if
    there is one beside it, is written anew, to link to it. FolderError if there is no good
    generator.
    """
    settings = run.settings
    gen, dis, number = run.networks(weights, epoch)
    has_page = run.path(files.PAGE).exists() and out.parent.samefile(run.folder)
    # The best to choose beside the newest, where it is another one.
    best = None
    if epoch == "newest" and run.best_epoch() not in (None, number):
        *both, best_number = run.networks(weights, "best")
        best = {"networks": describe(settings, *both), "epoch": best_number}
    html = page.fill("play.html", json.dumps({
        "networks": describe(settings, gen, dis),
        "reals": [_text(tile.tobytes()) for tile in _reals(run)],
        "settings": {name: getattr(settings, name) for name in ("digit", "epochs", "data_source")},
        "epoch": number,
        "best": best,
        "page": has_page,
    }))
    replace_file(out, lambda file: file.write(html.encode("utf-8")))
    if has_page:
        page.write(run)
    return out


def _reals(run):
    """Returns the real images in a run's folder, uint8 (n, size, size) or (n, size, size, 3)."""
    with contextlib.suppress(OSError, ValueError), Image.open(run.path(files.REAL)) as picture:
        return cut_tiles(picture, 9, run.settings.size)
    return []


# The largest of the whole numbers that weights become, for the generator and the discriminator, and
# how many of their bits are not worth compressing: at 28x28, and where networks are larger and have
# to be sent (docs/decisions.md).
FINE, COARSE = (8191, 8191, 8), (1023, 127, 4)


def describe(settings: Settings, gen, dis) -> dict:
    """Returns a run's networks as web/net.js runs them, a dict for JSON. dis may be None.

    All layers are convolutions or deconvolutions there. Batch normalization in test mode is linear,
    and becomes the scale and the shift that every layer has, those of dis with the statistics of
    plot.py samples. Weights are whole numbers times a step for each channel and tap; what that
    costs is in docs/decisions.md.
    """
    of = networks.of(settings)
    draws = convolutions(gen, of.GENERATOR, 1)
    size = draws[-1].out_size
    *levels, bits = FINE if size == 28 else COARSE
    judges = convolutions(with_fixed_statistics(gen, dis), of.DISCRIMINATOR, size) if dis else []
    return {"generator": [_layer(c, levels[0], bits) for c in draws],
            "discriminator": [_layer(c, levels[1], bits) for c in judges] or None,
            "zSize": gen.z_dim, "shown": networks.display_range(settings),
            "values": networks.value_range(settings)}


def _layer(c, largest, bits):
    W = c.W.transpose((2, 3, 1, 0) if c.up else (2, 3, 0, 1))  # as the page runs through them
    ksize, _, outputs, inputs = W.shape
    scale, shift = np.ones(outputs), np.float64(c.b)
    if c.norm:
        scale = c.norm.gamma.array / np.sqrt(np.float64(c.norm.avg_var) + c.norm.eps)
        shift = (shift - c.norm.avg_mean) * scale + c.norm.beta.array
    steps = np.abs(W).max(axis=3, keepdims=True) / largest
    steps[steps == 0] = 1
    numbers = np.rint(W / steps).astype(np.int16)
    return {"link": c.layer.link, "up": c.up, "ksize": ksize, "stride": c.stride, "pad": c.pad,
            "inSize": c.in_size, "outSize": c.out_size, "inputs": inputs, "outputs": outputs,
            "slope": c.layer.slope, "tanh": c.layer.tanh,
            "high": _text(zlib.compress((numbers >> bits).astype(np.int8).tobytes(), 6)),
            "low": _text(_packed(numbers & 2**bits - 1, bits)), "bits": bits,
            "steps": _text(steps.astype("<f4").tobytes()),
            "scale": _text(scale.astype("<f4").tobytes()),
            "shift": _text(shift.astype("<f4").tobytes())}


def _packed(numbers, bits):
    """Packs numbers of 8 bits, or of 4, two to a byte. They are as good as random."""
    numbers = numbers.astype(np.uint8).ravel()
    if bits == 4:
        numbers = np.append(numbers, np.zeros(len(numbers) % 2, np.uint8))
        numbers = numbers[::2] << 4 | numbers[1::2]
    return numbers.tobytes()


def _text(data):
    """Returns bytes as text that JSON and HTML need not escape: five letters for four bytes."""
    return base64.b85encode(data).decode("ascii").replace("<", ",")
