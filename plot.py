"""Pictures: what it draws it gets as NumPy arrays or reads from a run folder."""

import functools
import os

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from runfolder import replace_file

SCALE = 6  # a pixel of an image becomes 6x6 pixels of the picture
GAP = 12
MARGIN = 18


def sample_grid(images, prob_real, path, title=""):
    """Writes images as a grid of tiles, above each "real 0.312", as a PNG.

    images: float (n, 1, h, w), drawn in grey, or (n, 3, h, w), drawn in colour; values unbounded.
    The grid is nearly square: nine images are 3x3. As in the post, every image has a scale of its
    own, its lowest value black and its highest white, and each of its pixels is a square
    (nearest-neighbour).
    prob_real: n probabilities, or None for no text.
    path: of the PNG. It is written under another name and then renamed, so that whoever looks, or
    kills the program, finds a whole picture or none. The same arguments give the same bytes.
    Raises OSError if it cannot be written; an older picture of that name is then still there.
    """
    labels = None if prob_real is None else [f"real {p:.3f}" for p in prob_real]
    save_png(draw_tiles(images, labels, title), path)


def draw_tiles(images, labels=None, title="", columns=None):
    """Returns the grid of sample_grid as a PIL image, with any n labels (or none)."""
    tiles = to_pixels(images).repeat(SCALE, axis=1).repeat(SCALE, axis=2)
    n, height, width = tiles.shape[:3]
    columns = columns or int(np.ceil(np.sqrt(n)))
    rows = -(-n // columns)
    font = load_font(15)
    head = MARGIN + 26 if title else MARGIN
    label = 24 if labels else 0
    picture = Image.new(
        "RGB" if tiles.ndim == 4 else "L",
        (2 * MARGIN + columns * (width + GAP) - GAP,
         head + rows * (label + height + GAP) - GAP + MARGIN), "white")
    draw = ImageDraw.Draw(picture)
    _fit_text(draw, (MARGIN, MARGIN), title, picture.width - 2 * MARGIN)
    for i, tile in enumerate(tiles):
        x = MARGIN + i % columns * (width + GAP)
        y = head + i // columns * (label + height + GAP)
        if labels:
            draw.text((x + width / 2, y + label - 6), labels[i], "#555555", font, anchor="ms")
        picture.paste(Image.fromarray(tile), (x, y + label))
    return picture


def to_pixels(images):
    """Float (n, 1, h, w) to uint8 (n, h, w), (n, 3, h, w) to (n, h, w, 3); each on its own scale."""
    images = np.asarray(images, np.float64)
    low = images.min(axis=(1, 2, 3), keepdims=True)
    span = images.max(axis=(1, 2, 3), keepdims=True) - low
    pixels = np.rint((images - low) * 255 / np.where(span > 0, span, 1)).astype(np.uint8)
    return pixels[:, 0] if pixels.shape[1] == 1 else pixels.transpose(0, 2, 3, 1)


@functools.cache
def load_font(size):
    """DejaVu Sans, which comes with matplotlib: the same letters on every machine."""
    import matplotlib

    return ImageFont.truetype(
        os.path.join(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf"), size)


def _fit_text(draw, xy, text, width):
    """Draws one line, in smaller letters if it would not fit."""
    size = 16
    while size > 8 and draw.textlength(text, load_font(size)) > width:
        size -= 1
    draw.text((xy[0], xy[1] + 14), text, "black", load_font(size), anchor="ls")


def save_png(picture, path):
    """Writes a PIL image so that there is never half a PNG under that name."""
    replace_file(path, lambda file: picture.save(file, "PNG"))
