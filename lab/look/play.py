"""The page that draws: one static file with a run's networks in it, and what runs them."""

import base64
import json

import numpy as np

from lab import networks
from lab.look import page
from lab.look.command import NETWORKS, command
from lab.look.generated import with_fixed_statistics
from lab.networks.layers import convolutions
from lab.runs import files
from lab.runs.files import replace_file


@command(
    files.PLAY, "a page that draws with the run's generator, RUN/play.html",
    "One file, with the networks in it, for any browser, without a server or a network: nine "
    "images of any seed, the same as those of samples, variations of one, the way from one to "
    "another, and each to be saved. While the run is not finished, its newest checkpoint is used. "
    "trainer.py writes it at the end.",
    "result", **NETWORKS)
def write(run, out, weights=None, epoch="newest"):
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
    # Beside the newest, the best to choose, where it is another one.
    best = None
    if epoch == "newest" and run.best_epoch() not in (None, number):
        *both, best_number = run.networks(weights, "best")
        best = {"networks": describe(settings, *both), "epoch": best_number}
    html = page.fill("play.html", json.dumps({
        "networks": describe(settings, gen, dis),
        "settings": {name: getattr(settings, name) for name in ("digit", "epochs", "data_source")},
        "epoch": number,
        "best": best,
        "page": has_page,
    }))
    replace_file(out, lambda file: file.write(html.encode("utf-8")))
    if has_page:
        page.write(run)
    return out


def describe(settings, gen, dis):
    """The networks of a run's settings as look/web/net.js runs them, a dict for JSON.

    dis may be None. All layers are convolutions or deconvolutions there. Batch normalization in
    test mode is linear, and becomes the scale and the shift that every layer has, those of dis with
    the statistics of plot.py samples. Weights are float16, those of each channel divided by the
    largest, so that none is too small for it; what that costs is in docs/decisions.md. Scale and
    shift are float32.
    """
    of = networks.of(settings)
    generator = convolutions(gen, of.GENERATOR, 1)
    discriminator = dis and convolutions(with_fixed_statistics(gen, dis), of.DISCRIMINATOR,
                                         settings.size)
    return {"generator": [*map(_layer, generator)],
            "discriminator": discriminator and [*map(_layer, discriminator)],
            "zSize": gen.z_dim, "shown": networks.display_range(settings)}


def _layer(c):
    W = c.W.transpose((2, 3, 1, 0) if c.up else (2, 3, 0, 1))  # as the page runs through them
    ksize, _, outputs, inputs = W.shape
    scale, shift = np.ones(outputs), np.float64(c.b)
    if c.norm:
        scale = c.norm.gamma.array / np.sqrt(np.float64(c.norm.avg_var) + c.norm.eps)
        shift = (shift - c.norm.avg_mean) * scale + c.norm.beta.array
    largest = np.abs(W).max(axis=(0, 1, 3))
    largest[largest == 0] = 1
    return {"up": c.up, "ksize": ksize, "stride": c.stride, "pad": c.pad, "inSize": c.in_size,
            "outSize": c.out_size, "inputs": inputs, "outputs": outputs, "slope": c.layer.slope,
            "tanh": c.layer.tanh, "W": _text(W / largest[:, None], "<f2"),
            "scale": _text(scale * largest, "<f4"), "shift": _text(shift, "<f4")}


def _text(array, dtype):
    return base64.b64encode(np.ascontiguousarray(array, dtype).tobytes()).decode("ascii")
