"""The pictures of a run's epochs together: all of them moving, or a few side by side."""

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from lab.cli.console import Console
from lab.look.tiles import MARGIN, TITLE, draw_title, save_png
from lab.runs.files import FolderError, replace_file

POST_EPOCHS = (1, 100, 500, 1000)

MOST_FRAMES = 190
MOST_BYTES = 9_500_000
# A frame of noise, the worst case, takes 50 KB in 16 greys; in 64 colours 70 to 320 KB.
GREYS, COLORS = 16, 64


def animate(run, fps=15, every=None, out=None):
    """Makes a GIF of the run's pictures, every so many epochs. Returns its path.

    Without every it is below 10 MB: at most MOST_FRAMES pictures, fewer if they are large, evenly
    chosen, in GREYS greys or COLORS colours. The last one stays for two seconds.
    """
    found = run.pictures()
    epochs = list(found)
    if every is None:
        epochs = _evenly(epochs, min(MOST_FRAMES, MOST_BYTES // _most_bytes(found, epochs)))
    else:
        epochs = [epoch for epoch in epochs if epoch % every == 0 or epoch == epochs[-1]]
    path = Path(out or run.path("animation.gif"))
    with Console("plot.py").bar(len(epochs), 0, "picture") as bar:
        def frames():
            for i, epoch in enumerate(epochs):
                yield _few_colors(_open(found[epoch]))
                bar.set_description_str(f"picture {i + 1}/{len(epochs)}", refresh=False)
                bar.update()

        rest = frames()
        first = next(rest)
        duration = [round(100 / fps) * 10] * (len(epochs) - 1) + [2000]
        gif = io.BytesIO()
        first.save(gif, "GIF", save_all=True, append_images=rest, duration=duration, loop=0)
    replace_file(path, lambda file: file.write(gif.getbuffer()))
    return path


def _evenly(values, most):
    """Of a list, as many as most, the first and the last among them."""
    places = np.linspace(0, len(values) - 1, min(len(values), max(most, 2)))
    return [values[int(i)] for i in np.unique(places.round())]


def _most_bytes(found, epochs):
    """What a frame takes at most, by a few of them."""
    sizes = []
    for epoch in _evenly(epochs, 4):
        gif = io.BytesIO()
        _few_colors(_open(found[epoch])).save(gif, "GIF")
        sizes.append(len(gif.getbuffer()))
    return max(sizes)


def _few_colors(picture):
    if picture.mode == "L":
        step = 255 / (GREYS - 1)
        return picture.point([round(round(v / step) * step) for v in range(256)])
    return picture.quantize(COLORS)


def strip(run, epochs=None, out=None):
    """Puts the pictures of a few epochs side by side. Returns the path of the picture.

    Without epochs, the post's: 1, 100, 500 and 1000; in a shorter run those that are nearest to the
    same shares of it.
    """
    found = run.pictures()
    if epochs is None:
        last = max(found)
        wanted = POST_EPOCHS if set(POST_EPOCHS) <= set(found) else (1, last / 10, last / 2, last)
        epochs = sorted({min(found, key=lambda epoch: abs(epoch - want)) for want in wanted})
    for epoch in epochs:
        if epoch not in found:
            raise FolderError(f"the run has no picture of that epoch (--epochs, {epoch}); it has "
                              f"{len(found)} from {min(found)} to {max(found)}")
    tiles = [_open(found[epoch]) for epoch in epochs]
    width, height = tiles[0].size
    # In a README the strip is shrunk to a third: the epoch in letters that survive it.
    top, head = MARGIN + TITLE, 72
    picture = Image.new(tiles[0].mode, (width * len(tiles), height - top + head), "white")
    for i, (epoch, tile) in enumerate(zip(epochs, tiles, strict=True)):
        heading = Image.new(tile.mode, (width, head), "white")
        draw_title(ImageDraw.Draw(heading), f"epoch {epoch}", width, size=44, baseline=44)
        picture.paste(heading, (i * width, 0))
        picture.paste(tile.crop((0, top, width, height)), (i * width, head))
    path = Path(out or run.path("strip.png"))
    save_png(picture, path)
    return path


def _open(path):
    try:
        with Image.open(path) as picture:
            picture.load()
        return picture
    except (OSError, SyntaxError, ValueError) as error:
        raise FolderError(f"the picture cannot be read ({path}, {error}); remove it") from None
