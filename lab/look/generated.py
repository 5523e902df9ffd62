"""Pictures of images that a run's networks make anew: samples, walks, nearest neighbours.

Latent vectors are drawn from a stream of their own: the first of them depend on the seed alone, so
sample 1 of seed 3 is the same image in every command, however many are drawn.
"""

import itertools
from pathlib import Path

import numpy as np
from PIL import Image

import dcgan
from chainer_cpu import chainer
from chainer_cpu import functions as F
from lab import networks
from lab.judge.features import standardize
from lab.look.tiles import draw_tiles, on_scale, real_labels, save_png, to_pixels
from lab.runs.files import FolderError


def samples(run, n=25, seed=0, sort_by_real=False, single=False, out=None):
    """Draws n images of the run's generator as a grid. Returns the path of the picture.

    With a discriminator in the run, its probability of "real" stands above each image; with
    sort_by_real the most real come first. With single, out is a folder that gets a PNG for each
    image instead, pixel by pixel, and is returned.
    """
    gen, dis, epoch = run.networks()
    shown = _shown(run)
    images = _draw(gen, latent(seed, n, gen.z_dim))
    prob = None if dis is None else prob_real(gen, dis, images)
    if sort_by_real:
        if prob is None:
            raise FolderError(f"the run has no discriminator.npz to sort by ({run.folder}); leave "
                              "out --sort-by-real")
        order = np.argsort(-prob, kind="stable")
        images, prob = images[order], prob[order]
    if single:
        folder = Path(out or run.path("samples"))
        folder.mkdir(exist_ok=True)
        for i, tile in enumerate(to_pixels(images, shown)):
            save_png(Image.fromarray(tile), folder / f"seed{seed}-{i + 1:04d}.png")
        return folder
    return _save(draw_tiles(images, real_labels(prob), _title(run, epoch, seed),
                            scale=6 if n <= 100 else 3, shown=shown), run, out, "samples.png")


def latent(seed, n, z_dim):
    """n vectors z. The first of them do not depend on n."""
    return np.random.RandomState(seed).uniform(-1, 1, (n, z_dim)).astype(np.float32)


def _draw(gen, z):
    return np.concatenate([dcgan.draw(gen, z[i:i + 500]) for i in range(0, len(z), 500)])


def prob_real(gen, dis, images):
    """D's probability of "real" for each image, by the statistics of 256 others of the same G.

    In training D judges an image by the statistics of its whole batch; here the batch is always the
    same one, so that a number belongs to its image and not to its neighbours in the picture.
    """
    judge = with_fixed_statistics(gen, dis)
    with chainer.using_config("train", False), chainer.no_backprop_mode():
        return np.concatenate([F.softmax(judge(images[i:i + 500])).array[:, 0]
                               for i in range(0, len(images), 500)])


def with_fixed_statistics(gen, dis):
    """A copy of dis whose running averages are the statistics of 256 images of gen."""
    judge = dis.copy(mode="copy")
    for link in judge.links():
        if hasattr(link, "avg_mean"):
            link.decay = 0  # the running averages become those of the next batch
    with chainer.using_config("train", True), chainer.no_backprop_mode():
        judge(dcgan.draw(gen, latent(0, 256, gen.z_dim)))
    return judge


def walk(run, seed=0, steps=9, out=None):
    """Draws the way from one z to another in images: straight, and along a great circle.

    Three pairs of z, two rows each. The straight way leads through the inside, where the vectors
    are shorter than those of the training; the great circle keeps their length.
    """
    gen, _, epoch = run.networks()
    z = latent(seed, 4, gen.z_dim)
    rows, labels = [], []
    for start, end in itertools.pairwise(z):
        for name, way in ("straight", straight), ("great circle", great_circle):
            row = way(start, end, steps)
            rows.append(row)
            labels += [f"|z| {length:.1f}" for length in np.linalg.norm(row, axis=1)]
            labels[-steps] = name
    picture = draw_tiles(_draw(gen, np.concatenate(rows)), labels,
                         "walk, " + _title(run, epoch, seed), columns=steps, scale=4,
                         shown=_shown(run))
    return _save(picture, run, out, "walk.png")


def straight(start, end, steps):
    """steps vectors, float32 (steps, z_dim), evenly from start to end."""
    t = np.linspace(0, 1, steps, dtype=np.float32)[:, None]
    return (1 - t) * start + t * end


def great_circle(start, end, steps):
    """As straight, but turning evenly from one direction to the other (Shoemake 1985, "slerp").

    The length goes evenly from one length to the other. Parallel vectors have no one great circle,
    and get the straight way.
    """
    lengths = np.linalg.norm(start), np.linalg.norm(end)
    angle = np.arccos(np.clip(start @ end / (lengths[0] * lengths[1]), -1, 1))
    if np.sin(angle) < 1e-6:
        return straight(start, end, steps)
    t = np.linspace(0, 1, steps)[:, None]
    direction = (np.sin((1 - t) * angle) * start / lengths[0]
                 + np.sin(t * angle) * end / lengths[1]) / np.sin(angle)
    return (direction * ((1 - t) * lengths[0] + t * lengths[1])).astype(np.float32)


def nearest(run, n=12, seed=0, data=None, out=None):
    """Draws samples, each beside the training image nearest to it. Returns the picture's path.

    Distances are Euclidean, between images of mean 0 and norm 1, so from 0 to 2: as in the picture,
    neither brightness nor contrast counts. The smallest comes first. How far training images are
    from each other stands in the title; a generator that copies them is nearer. data: where the
    run's images are now, if not where they were (as trainer.py's --data).
    """
    gen, _, epoch = run.networks()
    _, real = run.images(data)
    images = _draw(gen, latent(seed, n, gen.z_dim))
    index, distance = nearest_of(images, real)
    _, between = nearest_of(real[:1000], real, itself=True)
    order = np.argsort(distance, kind="stable")
    size = images.shape[3]
    pairs = np.ones((n, *images.shape[1:3], 2 * size + 1))
    pairs[..., :size] = on_scale(images[order], _shown(run))
    pairs[..., -size:] = on_scale(real[index[order]], _shown(run))
    title = (f"sample | nearest of {len(real):,} training images (from one of those to the next: "
             f"{np.median(between):.3f}), {_title(run, epoch, seed)}")
    return _save(draw_tiles(pairs, [f"distance {d:.3f}" for d in distance[order]], title,
                            columns=4, scale=4, shown=(0, 1)), run, out, "nearest.png")


def nearest_of(images, real, itself=False):
    """Index of the nearest real image and distance to it, for each image.

    With itself, images are the first real ones, and each one's nearest other is meant.
    """
    a = standardize(images)
    index, product = np.zeros(len(a), int), np.full(len(a), -np.inf)
    for start in range(0, len(real), 1000):  # all at once are a lot of memory
        products = a @ standardize(real[start:start + 1000]).T  # |a - b|^2 = 2 - 2ab, of norms 1
        if itself:
            own = np.arange(start, min(start + products.shape[1], len(a)))
            products[own, own - start] = -np.inf
        best = products.argmax(axis=1)
        found = products[np.arange(len(a)), best]
        index = np.where(found > product, best + start, index)
        product = np.maximum(found, product)
    b = np.concatenate([standardize(real[index[i:i + 1000]]) for i in range(0, len(a), 1000)])
    return index, np.sqrt(((a - b) ** 2).sum(axis=1))


def _shown(run):
    return networks.shown_range(run.settings)


def _title(run, epoch, seed):
    return f"epoch {epoch}, {run.caption}, seed {seed}"


def _save(picture, run, out, name):
    path = Path(out or run.path(name))
    save_png(picture, path)
    return path
