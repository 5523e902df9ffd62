"""Pictures made of images: NumPy arrays in, a grid of tiles out."""

import functools
import importlib.util
import os

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from lab.runs.files import replace_file

GAP, MARGIN = 12, 18
TITLE, LABEL = 26, 24  # heights of the lines of text
SMALL = 10  # letters of a long title; if that is not enough, the picture gets wider


def real_labels(prob_real):
    return None if prob_real is None else [f"real {p:.3f}" for p in prob_real]


def draw_tiles(images, labels=None, title="", columns=None, scale=6, shown=None):
    """A grid of images, nearly square unless columns says otherwise, as a PIL image.

    images: float (n, 1, h, w), grey, or (n, 3, h, w), colour. shown: as on_scale has it. labels: n
    lines of text, or none. A pixel of an image becomes scale x scale pixels of the picture if it
    is 28 pixels high, fewer in larger images.
    """
    scale = max(round(28 * scale / images.shape[2]), 1)
    tiles = to_pixels(images, shown).repeat(scale, axis=1).repeat(scale, axis=2)
    n, height, width = tiles.shape[:3]
    columns = columns or int(np.ceil(np.sqrt(n)))
    rows = -(-n // columns)
    top = MARGIN + (TITLE if title else 0)
    label = LABEL if labels else 0
    picture = Image.new(
        "RGB" if tiles.ndim == 4 else "L",
        (2 * MARGIN + max(columns * (width + GAP) - GAP, round(load_font(SMALL).getlength(title))),
         top + rows * (label + height + GAP) - GAP + MARGIN), "white")
    draw = ImageDraw.Draw(picture)
    draw_title(draw, title, picture.width)
    font = load_font(15 if height > 112 else 13)
    for i, tile in enumerate(tiles):
        x = MARGIN + i % columns * (width + GAP)
        y = top + i // columns * (label + height + GAP)
        if labels:
            draw.text((x + width / 2, y + label - 6), labels[i], "#555555", font, anchor="ms")
        picture.paste(Image.fromarray(tile), (x, y + label))
    return picture


def to_pixels(images, shown=None):
    """Float (n, 1, h, w) to uint8 (n, h, w), (n, 3, h, w) to (n, h, w, 3), as on_scale has them."""
    pixels = np.rint(on_scale(images, shown) * 255).astype(np.uint8)
    return pixels[:, 0] if pixels.shape[1] == 1 else pixels.transpose(0, 2, 3, 1)


def on_scale(images, shown=None):
    """Images (n, channels, h, w) as they are shown, float64 from 0 (black) to 1 (white).

    shown: the values of black and white, the same for all images. None gives every image a scale of
    its own, from its lowest value to its highest; a blank one is 0. An image in colour has one
    scale for its three channels, or its hues would change, and a hundredth of its values is cut at
    either end: single pixels that overshoot leave the others pale (docs/decisions.md).
    """
    images = np.asarray(images, np.float64)
    if shown is None:
        cut = 0.01 if images.shape[1] == 3 else 0
        low, high = np.quantile(images, (cut, 1 - cut), axis=(1, 2, 3), keepdims=True)
    else:
        low, high = shown
    span = high - low
    return ((images - low) / np.where(span > 0, span, 1)).clip(0, 1)


def draw_title(draw, text, width, size=16, baseline=14):
    """A line at the top of a picture, in smaller letters if it would not fit."""
    while size > SMALL and draw.textlength(text, load_font(size)) > width - 2 * MARGIN:
        size -= 1
    draw.text((MARGIN, MARGIN + baseline), text, "black", load_font(size), anchor="ls")


@functools.cache
def load_font(size):
    """DejaVu Sans, which comes with matplotlib: the same letters on every machine."""
    # Found without importing matplotlib, which --help would wait for.
    (folder,) = importlib.util.find_spec("matplotlib").submodule_search_locations
    return ImageFont.truetype(
        os.path.join(folder, "mpl-data", "fonts", "ttf", "DejaVuSans.ttf"), size)


def save_png(picture, path):
    """Writes a PIL image, whole or not at all."""
    replace_file(path, lambda file: picture.save(file, "PNG"))
