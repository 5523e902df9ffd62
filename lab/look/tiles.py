"""Pictures made of images: NumPy arrays in, a grid of tiles out."""

import functools
import importlib.util
import os

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from lab.runs.files import replace_file

GAP, MARGIN = 12, 18
TITLE, LABEL = 26, 24  # heights of the lines of text, at the sizes of letters below
LETTERS = 16, 15       # of a title and of a label, in pixels
SMALLEST = 11          # letters of a long title; if that is not enough, the picture gets wider
# GitHub makes a picture smaller that is wider than this many pixels. Letters should have LEGIBLE
# pixels there.
SHOWN_WIDTH, LEGIBLE = 850, 12


def real_labels(probabilities) -> list[str] | None:
    """Returns a label for each of D's probabilities of "real", or None for None."""
    return None if probabilities is None else [f"real {p:.3f}" for p in probabilities]


def draw_tiles(images: np.ndarray, labels: list[str] | None = None, title="", columns=None, scale=6,
               display_range=None, rows=()) -> Image.Image:
    """Returns a grid of images as a PIL image, nearly square unless columns says otherwise.

    images: float (n, 1, h, w), grey, or (n, 3, h, w), colour. display_range: as of on_scale.
    labels: n texts, or none. rows: a text for each row, beside it. A pixel of an image becomes
    scale x scale pixels of the picture if it is 28 pixels high, fewer in larger images.
    """
    scale = max(round(28 * scale / images.shape[2]), 1)
    tiles = to_pixels(images, display_range).repeat(scale, axis=1).repeat(scale, axis=2)
    n, height, width = tiles.shape[:3]
    columns = columns or int(np.ceil(np.sqrt(n)))
    grid = columns * (width + GAP) - GAP
    left = MARGIN
    for _ in range(2):  # the texts of the rows make the picture wider
        whole = left + grid + MARGIN
        size = legible(LETTERS[1] if height > 112 else 13, whole)
        if labels:  # but no wider than their tiles
            widest = max(labels, key=len)
            while size > 13 and load_font(size).getlength(widest) > width + GAP / 2:
                size -= 1
        font = load_font(size)
        left = MARGIN + max((round(font.getlength(text)) + GAP for text in rows), default=0)
    label = LABEL + max(size - LETTERS[1], 0) if labels else 0
    letters = legible(LETTERS[0], whole)
    line = TITLE + letters - LETTERS[0]
    lines = title.split("\n") if title else []
    top = MARGIN + line * len(lines)
    picture = Image.new(
        "RGB" if tiles.ndim == 4 else "L",
        (max(left + grid, MARGIN + round(max(map(load_font(SMALLEST).getlength, lines), default=0)))
         + MARGIN, top + -(-n // columns) * (label + height + GAP) - GAP + MARGIN), "white")
    draw = ImageDraw.Draw(picture)
    for i, text in enumerate(lines):
        draw_title(draw, text, picture.width, letters, 14 + letters - LETTERS[0] + i * line)
    for i, tile in enumerate(tiles):
        row, column = divmod(i, columns)
        x, y = left + column * (width + GAP), top + row * (label + height + GAP)
        if labels:
            draw.text((x + width / 2, y + label - 6), labels[i], "#555555", font, anchor="ms")
        if column == 0 and rows:
            draw.text((MARGIN, y + label + height / 2), rows[row], "black", font, anchor="lm")
        picture.paste(Image.fromarray(tile), (x, y + label))
    return picture


def cut_tiles(picture: Image.Image, n: int, size: int) -> np.ndarray:
    """Returns the n images of a picture that draw_tiles has made, nearly square, without labels.

    uint8 (n, size, size), or (n, size, size, 3) in colour. Raises ValueError if the picture is not
    of that shape.
    """
    columns, scale = int(np.ceil(np.sqrt(n))), max(round(28 * 6 / size), 1)
    step = size * scale + GAP
    top = picture.height - MARGIN + GAP - -(-n // columns) * step  # what is above is the title
    if not MARGIN <= top < MARGIN + 4 * TITLE or picture.width < columns * step:
        raise ValueError("not a grid of such images")
    pixels = np.asarray(picture)
    corners = [(top + i // columns * step, MARGIN + i % columns * step) for i in range(n)]
    return np.stack([pixels[y:y + size * scale:scale, x:x + size * scale:scale]
                     for y, x in corners])


def legible(size: int, width: int) -> int:
    """Returns how large letters must be to be read in a README, in a picture of this width."""
    return max(size, int(np.ceil(LEGIBLE * width / SHOWN_WIDTH)))


def to_pixels(images, display_range=None) -> np.ndarray:
    """Returns on_scale as uint8: (n, h, w) of (n, 1, h, w), (n, h, w, 3) of (n, 3, h, w)."""
    pixels = np.rint(on_scale(images, display_range) * 255).astype(np.uint8)
    return pixels[:, 0] if pixels.shape[1] == 1 else pixels.transpose(0, 2, 3, 1)


def on_scale(images, display_range=None) -> np.ndarray:
    """Returns images (n, channels, h, w) as displayed: float64 from 0 (black) to 1 (white).

    display_range: the values of black and white, the same for all images. None gives every image a
    scale of its own, from its lowest value to its highest; a blank one is 0. An image in colour has
    one scale for its three channels, or its hues would change, and a hundredth of its values is cut
    at either end: single pixels that overshoot leave the others pale (docs/decisions.md).
    """
    images = np.asarray(images, np.float64)
    if display_range is None:
        cut = 0.01 if images.shape[1] == 3 else 0
        low, high = np.quantile(images, (cut, 1 - cut), axis=(1, 2, 3), keepdims=True)
    else:
        low, high = display_range
    span = high - low
    return ((images - low) / np.where(span > 0, span, 1)).clip(0, 1)


def draw_title(draw: ImageDraw.ImageDraw, text: str, width: int, size: int = LETTERS[0],
               baseline: int = 14) -> None:
    """Draws a line of text at the top of a picture, in smaller letters if it would not fit."""
    while size > SMALLEST and draw.textlength(text, load_font(size)) > width - 2 * MARGIN:
        size -= 1
    draw.text((MARGIN, MARGIN + baseline), text, "black", load_font(size), anchor="ls")


@functools.cache
def load_font(size):
    """Loads DejaVu Sans, which comes with matplotlib: the same letters on every machine."""
    # Found without importing matplotlib, which --help would wait for.
    (folder,) = importlib.util.find_spec("matplotlib").submodule_search_locations
    return ImageFont.truetype(
        os.path.join(folder, "mpl-data", "fonts", "ttf", "DejaVuSans.ttf"), size)


def save_png(picture: Image.Image, path):
    """Writes a PIL image, whole or not at all."""
    replace_file(path, lambda file: picture.save(file, "PNG"))
