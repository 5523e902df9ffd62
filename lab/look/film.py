"""The pictures of a run's epochs together: all of them moving, or a few side by side."""

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from lab.cli.console import Console
from lab.cli.flags import whole
from lab.look.command import command, flag
from lab.look.tiles import GAP, LABEL, LETTERS, MARGIN, TITLE, legible, load_font, save_png
from lab.runs.files import FolderError, replace_file
from lab.runs.opened import OpenedRun

POST_EPOCHS = (1, 100, 500, 1000)
ACROSS, BETWEEN = 4, 32  # epochs in a row of a strip, pixels between them

MOST_FRAMES = 190
MOST_BYTES = 9_500_000
# A frame of noise, the worst case, takes 50 KB in 16 greys; in 64 colours 70 to 320 KB.
GREYS, COLORS = 16, 64


@command(
    "animation.gif", "a GIF of the pictures after each epoch",
    "At most 10 MB by default, however long the run: a few pictures less, evenly chosen, in a few "
    "greys or colours.",
    "result --fps 20 --every 10",
    fps=flag("pictures per second", type=whole(1, 50)),
    every=flag("take those whose epoch is a multiple of N; the size then has no limit",
               type=whole(1)))
def animate(run: OpenedRun, out: Path, fps: int = 15, every: int | None = None) -> Path:
    """Makes a GIF of the run's pictures. Returns its path.

    every takes those whose epoch is a multiple of it. Without every the GIF is below 10 MB: at most
    MOST_FRAMES pictures, fewer if they are large, evenly chosen, in GREYS greys or COLORS colours.
    The last one stays for two seconds.
    """
    found = run.pictures()
    epochs = list(found)
    if every is None:
        epochs = _evenly(epochs, min(MOST_FRAMES, MOST_BYTES // _most_bytes(found, epochs)))
    else:
        epochs = [epoch for epoch in epochs if epoch % every == 0 or epoch == epochs[-1]]
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
    replace_file(out, lambda file: file.write(gif.getbuffer()))
    return out


def _evenly(values, most):
    """Returns at most `most` of the values, evenly chosen, the first and the last among them."""
    places = np.linspace(0, len(values) - 1, min(len(values), max(most, 2)))
    return [values[int(i)] for i in np.unique(places.round())]


def _most_bytes(found, epochs):
    """Returns the bytes of the largest of a few frames."""
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


def _epochs(text):
    return [whole(0)(part.strip()) for part in text.split(",")]


@command(
    "strip.png", "the pictures of a few epochs side by side",
    "Made for a README.",
    "result --epochs 1,100,500,1000",
    epochs=flag("which (default: 1,100,500,1000 as in the post; in a shorter run the nearest to "
                "the same shares of it)", "N,N,...", type=_epochs))
def strip(run: OpenedRun, out: Path, epochs: list[int] | None = None) -> Path:
    """Puts the pictures of a few epochs side by side. Returns the path of the picture.

    epochs: a list; without it post_epochs().
    """
    found = run.pictures()
    epochs = epochs or post_epochs(found)
    for epoch in epochs:
        if epoch not in found:
            raise FolderError(f"the run has no picture of that epoch (--epochs, {epoch}); it has "
                              f"{len(found)} from {min(found)} to {max(found)}")
    strip = _side_by_side({epoch: _open(found[epoch]) for epoch in epochs}, run.settings.size)
    save_png(strip, out)
    return out


def post_epochs(found):
    """Returns the post's epochs, 1, 100, 500, 1000, or the nearest to the same shares."""
    last = max(found)
    wanted = POST_EPOCHS if set(POST_EPOCHS) <= set(found) else (1, last / 10, last / 2, last)
    return sorted({min(found, key=lambda epoch: abs(epoch - want)) for want in wanted})


def _side_by_side(pictures, size):
    """Returns {epoch: its picture} as one picture, ACROSS epochs in a row. size: of an image.

    Where a README shows it, the strip is as wide as one picture: its images are made smaller, and
    its letters stay as large as can be read there.
    """
    scale = max(round(112 / size), 1)
    block, across = 3 * (scale * size + GAP) - GAP, min(len(pictures), ACROSS)
    width = 2 * MARGIN + across * (block + BETWEEN) - BETWEEN
    letters, head = legible(LETTERS[1], width), round(1.3 * legible(LETTERS[0], width))
    label = LABEL * letters // LETTERS[1]
    height = head + GAP + 3 * (label + scale * size + GAP) - GAP
    rows = -(-len(pictures) // across)
    strip = Image.new(next(iter(pictures.values())).mode,
                      (width, 2 * MARGIN + rows * (height + BETWEEN) - BETWEEN), "white")
    draw = ImageDraw.Draw(strip)
    for i, (epoch, picture) in enumerate(pictures.items()):
        row, column = divmod(i, across)
        left, top = MARGIN + column * (block + BETWEEN), MARGIN + row * (height + BETWEEN)
        draw.text((left, top), f"epoch {epoch}", "black", load_font(head), anchor="lt")
        for j, (text, image) in enumerate(_nine(picture, size)):
            x = left + j % 3 * (scale * size + GAP)
            y = top + head + GAP + j // 3 * (label + scale * size + GAP)
            # The letters of a label are pixels: they are scaled, and their empty ends cut off.
            text = text.resize((round(text.width * label / LABEL), label), Image.Resampling.LANCZOS)
            cut = max(text.width - scale * size - GAP, 0) // 2
            strip.paste(text.crop((cut, 0, text.width - cut, label)),
                        (x + (scale * size - text.width) // 2 + cut, y))
            strip.paste(image.resize((scale * size, scale * size), Image.Resampling.NEAREST),
                        (x, y + label))
    return strip


def _nine(picture, size):
    """Cuts an epoch's picture into nine pairs: the label as a picture, the image of size x size."""
    side = (picture.height - 2 * MARGIN - TITLE + GAP) // 3 - GAP - LABEL
    for i in range(9):
        x = MARGIN + i % 3 * (side + GAP)
        y = MARGIN + TITLE + i // 3 * (LABEL + side + GAP)
        image = picture.crop((x, y + LABEL, x + side, y + LABEL + side))
        yield (picture.crop((x, y, x + side, y + LABEL)),
               image.resize((size, size), Image.Resampling.NEAREST))


def _open(path):
    try:
        with Image.open(path) as picture:
            picture.load()
        return picture
    except (OSError, SyntaxError, ValueError) as error:
        raise FolderError(f"the picture cannot be read ({path}, {error}); remove it") from None
