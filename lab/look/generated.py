"""Pictures of images that a run's networks make anew: samples, walks, nearest neighbours.

Latent vectors are drawn from a stream of their own: the first of them depend on the seed alone, so
sample 1 of seed 3 is the same image in every command, however many are drawn.
"""

import itertools
from pathlib import Path

import numpy as np
from PIL import Image

import chainer_cpu
from lab import networks
from lab.cli.flags import whole
from lab.judge.features import standardize
from lab.look.command import NETWORKS, SEED, command, flag
from lab.look.tiles import draw_tiles, on_scale, real_labels, save_png, to_pixels
from lab.runs.files import FolderError
from lab.runs.opened import OpenedRun

MANY = flag("how many", type=whole(1, 5000))
SORT = flag("those of the highest probability first")


@command(
    "samples.png", "images from the run's generator, as many as you like",
    "Batch normalization runs on its running averages, so an image does not depend on the others "
    'drawn with it. Above each stands the discriminator\'s probability of "real", judged as in '
    "training by batch statistics, here always those of the same 256 generated images, so that it "
    "too depends on the image alone. (In the pictures after each epoch they are those of the nine "
    "images.) While the run is not finished, its newest checkpoint is used.",
    "result --n 25 --seed 3 --sort-by-real",
    n=MANY, seed=SEED, sort_by_real=SORT, **NETWORKS)
def samples(run: OpenedRun, out: Path, n: int = 25, seed: int = 0, sort_by_real: bool = False,
            weights: str | None = None, epoch: str = "newest") -> Path:
    """Draws n images of the run's generator as a grid. Returns the path of the picture.

    With a discriminator in the run, its probability of "real" stands above each image; with
    sort_by_real the most real come first.
    """
    found = run.networks(weights, epoch)
    images, probabilities = _samples(run, found, n, seed, sort_by_real)
    save_png(draw_tiles(images, real_labels(probabilities), _title(run, found.epoch, seed, weights),
                        scale=6 if n <= 100 else 3, display_range=_display_range(run)), out)
    return out


@command(
    "samples", "the images of samples, each in a PNG of its own, pixel by pixel",
    "The names are those of the seed and of the image's place, from 1 on: seed3-0001.png is the "
    "first image of samples --seed 3.",
    "result --n 25 --seed 3",
    left=("samples/seed*.png",), n=MANY, seed=SEED, sort_by_real=SORT, **NETWORKS)
def singles(run: OpenedRun, out: Path, n: int = 25, seed: int = 0, sort_by_real: bool = False,
            weights: str | None = None, epoch: str = "newest") -> Path:
    """Writes n images of the run's generator into the folder out. Returns the folder."""
    images, _ = _samples(run, run.networks(weights, epoch), n, seed, sort_by_real)
    out.mkdir(exist_ok=True)
    for i, image in enumerate(to_pixels(images, _display_range(run))):
        save_png(Image.fromarray(image), out / f"seed{seed}-{i + 1:04d}.png")
    return out


def _samples(run, found, n, seed, sort_by_real):
    """Returns images of found networks, and their probabilities of "real", None without a D."""
    gen, dis, _ = found
    images = generate(gen, latent(seed, n, gen.z_dim))
    if dis is None and sort_by_real:
        raise FolderError(f"the run has no discriminator.npz to sort by ({run.folder}); leave out "
                          "--sort-by-real")
    probabilities = None if dis is None else probability_alone(gen, dis, images)
    if sort_by_real:
        order = np.argsort(-probabilities, kind="stable")
        images, probabilities = images[order], probabilities[order]
    return images, probabilities


def latent(seed: int, n: int, z_dim: int) -> np.ndarray:
    """Returns n vectors z, float32 (n, z_dim). The first of them do not depend on n."""
    return np.random.RandomState(seed).uniform(-1, 1, (n, z_dim)).astype(np.float32)


def generate(gen, z: np.ndarray) -> np.ndarray:
    """Generates images as dcgan.generate does, 500 at a time."""
    chainer = chainer_cpu.chainer
    with chainer.using_config("train", False), chainer.no_backprop_mode():
        return np.concatenate([gen(z[i:i + 500]).array for i in range(0, len(z), 500)])


def probability_alone(gen, dis, images: np.ndarray) -> np.ndarray:
    """Returns D's probability of "real" for each image, whatever the other images are.

    In training D judges an image by the statistics of its whole batch; here the batch is always the
    same one, so that a number belongs to its image and not to its neighbours in the picture.
    """
    chainer, dis = chainer_cpu.chainer, with_fixed_statistics(gen, dis)
    with chainer.using_config("train", False), chainer.no_backprop_mode():
        return np.concatenate([chainer_cpu.functions.softmax(dis(images[i:i + 500])).array[:, 0]
                               for i in range(0, len(images), 500)])


def with_fixed_statistics(gen, dis):
    """Returns a copy of dis whose running averages are the statistics of 256 images of gen."""
    chainer, fixed = chainer_cpu.chainer, dis.copy(mode="copy")
    for link in fixed.links():
        if hasattr(link, "avg_mean"):
            link.decay = 0  # the running averages become those of the next batch
    images = generate(gen, latent(0, 256, gen.z_dim))
    with chainer.using_config("train", True), chainer.no_backprop_mode():
        fixed(images)
    return fixed


@command(
    "walk.png", "walks from one latent vector z to the next, in images",
    "Three walks, two rows each: straight, where z gets shorter on the way than those of the "
    "training, and along a great circle, where it keeps its length.",
    "result --seed 3 --steps 9",
    seed=SEED, steps=flag("images in a row", type=whole(2, 50)), **NETWORKS)
def walk(run: OpenedRun, out: Path, seed: int = 0, steps: int = 9, weights: str | None = None,
         epoch: str = "newest") -> Path:
    """Draws the way from one z to another in images. Returns the path of the picture.

    Three pairs of z, two rows each. The straight way leads through the inside, where the vectors
    are shorter than those of the training; the great circle keeps their length.
    """
    gen, _, after = run.networks(weights, epoch)
    z = latent(seed, 4, gen.z_dim)
    ways = {"straight": straight, "great circle": great_circle}
    walks = np.concatenate([way(start, end, steps) for start, end in itertools.pairwise(z)
                            for way in ways.values()])
    save_png(draw_tiles(generate(gen, walks),
                        [f"|z| {length:.1f}" for length in np.linalg.norm(walks, axis=1)],
                        "walk, " + _title(run, after, seed, weights), columns=steps, scale=4,
                        display_range=_display_range(run), rows=[*ways] * 3), out)
    return out


def straight(start: np.ndarray, end: np.ndarray, steps: int) -> np.ndarray:
    """Returns `steps` vectors, float32 (steps, z_dim), evenly from start to end."""
    t = np.linspace(0, 1, steps, dtype=np.float32)[:, None]
    return (1 - t) * start + t * end


def great_circle(start: np.ndarray, end: np.ndarray, steps: int) -> np.ndarray:
    """Returns vectors that turn evenly from start to end (Shoemake 1985, "slerp").

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


@command(
    "nearest.png", "samples, each beside the training image nearest to it",
    "The distance is Euclidean, between images of mean 0 and norm 1, so brightness and contrast do "
    "not count; the smallest come first. Copies of training images have distances near 0; compare "
    "those from one training image to the next, in the title (median).",
    "result --n 12 --seed 3",
    n=flag("how many", type=whole(1, 1000)), seed=SEED,
    data=flag("the run's images, if they are not where they were (as --data of trainer.py)",
              "WHERE"), **NETWORKS)
def nearest(run: OpenedRun, out: Path, n: int = 12, seed: int = 0, data: str | None = None,
            weights: str | None = None, epoch: str = "newest") -> Path:
    """Draws samples, each beside the training image nearest to it. Returns the picture's path.

    Distances are Euclidean, between images of mean 0 and norm 1, so from 0 to 2: as in the picture,
    neither brightness nor contrast counts. The smallest comes first. How far training images are
    from each other stands in the title; a generator that copies them is nearer. data: where the
    run's images are now, if not where they were (as trainer.py's --data).
    """
    gen, _, after = run.networks(weights, epoch)
    _, real = run.images(data)
    images = generate(gen, latent(seed, n, gen.z_dim))
    index, distance = nearest_of(images, real)
    _, between = nearest_of(real[:1000], real, itself=True)
    order = np.argsort(distance, kind="stable")
    size, display_range = images.shape[3], _display_range(run)
    pairs = np.ones((n, *images.shape[1:3], 2 * size + 1))
    pairs[..., :size] = on_scale(images[order], display_range)
    pairs[..., -size:] = on_scale(real[index[order]], display_range)
    title = (f"sample | nearest of {len(real):,} training images (from one of those to the next: "
             f"{np.median(between):.3f})\n{_title(run, after, seed, weights)}")
    save_png(draw_tiles(pairs, [f"distance {d:.3f}" for d in distance[order]], title,
                        columns=4, scale=4, display_range=(0, 1)), out)
    return out


def nearest_of(images: np.ndarray, real, itself=False) -> tuple[np.ndarray, np.ndarray]:
    """Returns the index of the nearest real image and the distance to it, for each image.

    itself: images are the first ones of real, and an image is not its own neighbour.
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


def _display_range(run):
    return networks.display_range(run.settings)


def _title(run, epoch, seed, weights):
    other = "" if weights in (None, run.settings.weights) else f", {weights} weights"
    return f"epoch {epoch}{other}, {run.caption}, seed {seed}"
