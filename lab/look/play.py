"""The page that draws: one static file with a run's networks in it, and what runs them."""

import base64
import json
from pathlib import Path

import numpy as np

from lab import networks
from lab.look import page
from lab.look.generated import with_fixed_statistics
from lab.networks import paper
from lab.runs import files, saved
from lab.runs.files import replace_file


def write(run):
    """Writes play.html into the folder of a run, finished or not. Returns its path.

    The networks are the run's newest, as of plot.py samples. settings.json and generator.npz alone
    are enough; without a discriminator the page shows no probabilities. The page of the run, if
    there is one, is written anew, to link to it. FolderError if there is no good generator.
    """
    run = Path(run)
    settings = saved.read_settings(run)
    gen, dis, epoch = saved.load_networks(run)
    has_page = (run / files.PAGE).exists()
    html = page.fill("play.html", json.dumps({
        "networks": describe(gen, dis, networks.shown_range(settings)),
        "settings": {name: settings[name] for name in ("digit", "epochs", "data_source")},
        "epoch": epoch,
        "page": has_page,
    }))
    path = run / files.PLAY
    replace_file(path, lambda file: file.write(html.encode("utf-8")))
    if has_page:
        page.write(run)
    return path


def describe(gen, dis, shown):
    """The networks as look/web/net.js runs them, a dict for JSON. dis may be None.

    shown: as look.tiles.on_scale has it.

    All their layers are convolutions or deconvolutions there: a linear one is that from or to a
    map of one pixel. Batch normalization in test mode is linear too, and becomes the scale and the
    shift that every layer has, those of dis with the statistics of plot.py samples. Weights are
    float16, those of each channel divided by the largest, so that none is too small for it; what
    that costs is in docs/decisions.md. Scale and shift are float32.
    """
    first = len(gen.bn1.gamma.array)
    ksize = round((len(gen.l1.b.array) / first) ** 0.5)
    W, b = gen.l1.W.array.reshape(first, ksize, ksize, -1), gen.l1.b.array.reshape(first, -1)
    draws = [_layer(W.transpose(3, 0, 1, 2), b.T, gen.bn1, size=1, up=True)]
    for link, bn in (gen.dc1, gen.bn2), (gen.dc2, gen.bn3), (gen.dc3, gen.bn4), (gen.dc4, None):
        draws.append(_layer(link.W.array, link.b.array, bn, draws[-1]["outSize"], True, link))
    draws[-1] |= {"slope": 1, "tanh": isinstance(gen, paper.Generator)}

    judges = None
    if dis is not None:
        dis = with_fixed_statistics(gen, dis)
        slope = paper.LEAK if isinstance(dis, paper.Discriminator) else 0
        judges, size = [], draws[-1]["outSize"]
        for link, bn in (dis.c1, None), (dis.c2, dis.bn1), (dis.c3, dis.bn2), (dis.c4, dis.bn3):
            judges.append(_layer(link.W.array, link.b.array, bn, size, False, link)
                          | {"slope": slope})
            size = judges[-1]["outSize"]
        W = dis.l1.W.array.reshape(2, -1, size, size)
        judges.append(_layer(W, dis.l1.b.array, None, size, False) | {"slope": 1})
    return {"generator": draws, "discriminator": judges, "zSize": gen.z_dim,
            "shown": shown}


def _layer(W, b, bn, size, up, link=None):
    """W as Chainer has it: (out, in, ksize, ksize), and (in, out, ksize, ksize) of a layer up."""
    ksize, stride, pad = W.shape[2], link.stride[0] if link else 1, link.pad[0] if link else 0
    out_size = (stride * (size - 1) + ksize - 2 * pad if up
                else (size + 2 * pad - ksize) // stride + 1)
    W = W.transpose((2, 3, 1, 0) if up else (2, 3, 0, 1))  # as the page runs through them
    outputs, inputs = W.shape[2:]
    scale, shift = np.ones(outputs), np.float64(b)
    if bn is not None:
        scale = bn.gamma.array / np.sqrt(np.float64(bn.avg_var) + bn.eps)
        shift = (shift - bn.avg_mean) * scale + bn.beta.array
    largest = np.abs(W).max(axis=(0, 1, 3))
    largest[largest == 0] = 1
    return {"up": up, "ksize": ksize, "stride": stride, "pad": pad, "inSize": size,
            "outSize": out_size, "inputs": inputs, "outputs": outputs, "slope": 0,
            "W": _text(W / largest[:, None], "<f2"), "scale": _text(scale * largest, "<f4"),
            "shift": _text(shift, "<f4")}


def _text(array, dtype):
    return base64.b64encode(np.ascontiguousarray(array, dtype).tobytes()).decode("ascii")
