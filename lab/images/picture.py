"""One picture: a file of any kind that Pillow reads, as a square of RGB bytes."""

import functools
import io

import numpy as np
from PIL import Image, ImageCms, ImageOps

try:
    import pillow_heif
    pillow_heif.register_heif_opener()
except ImportError:  # reads a phone's HEIC, where it is installed
    pillow_heif = None  # type: ignore[assignment]

# Pillow opens more, but some of that starts other programs (EPS) or is a film (MPEG).
FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP",
           *(("HEIF",) if pillow_heif else ()))
# Two colours that differ by no more, of 255, look alike: lossy WebP keeps grey no better, and two
# ways to compute sRGB differ by one.
ALIKE = 2


def suffixes() -> set[str]:
    """Returns the ends of the names of files that square() reads: ".png" and so on."""
    Image.init()
    kinds = {*FORMATS, "MPO"}  # which the JPEG format opens
    return {suffix for suffix, kind in Image.registered_extensions().items() if kind in kinds}


def square(path: str, size: int) -> np.ndarray | Exception:
    """Returns the middle of a picture as uint8 (3, size, size), or the Exception if there is none.

    The picture is turned as its EXIF says, laid on white where it is transparent, converted to sRGB
    from the RGB or CMYK of an embedded profile, cut to the square in its middle and scaled to
    size: a larger one by area, a smaller one by cubic interpolation. Of an animation it is the
    first frame.
    """
    try:
        with Image.open(path, formats=FORMATS) as picture:
            return np.asarray(_square(picture, size)).transpose(2, 0, 1)
    except MemoryError:
        raise
    except Exception as error:  # a damaged file can surface as any of a dozen kinds
        return error


def _square(picture, size):
    # A JPEG comes at a half, a quarter or an eighth at little cost. Four times the size is left to
    # the area, whose edges Pillow counts as whole pixels.
    picture.draft(None, (4 * size, 4 * size))
    picture.load()
    try:
        picture = ImageOps.exif_transpose(picture)
    except Exception:  # damaged EXIF, like any damage; the pixels are sound
        pass
    side = min(picture.size)
    left, top = ((length - side) // 2 for length in picture.size)
    middle = picture.crop((left, top, left + side, top + side))
    profile, space = picture.info.get("icc_profile"), "CMYK" if picture.mode == "CMYK" else "RGB"
    transform = _to_srgb(profile, space) if profile else None
    if not (transform and space == "CMYK"):
        middle = _on_white(middle)
    resampling = Image.Resampling.BOX if side > size else Image.Resampling.BICUBIC
    middle = middle.resize((size, size), resampling)
    return ImageCms.applyTransform(middle, transform) if transform else middle


@functools.lru_cache(64)
def _to_srgb(profile, space):
    """Returns the transform to sRGB from an ICC profile (bytes) of space, "RGB" or "CMYK".

    Returns None if the profile is damaged, of another space, or sRGB itself: most profiles are, and
    a transform would change bytes by one.
    """
    try:
        own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if own.profile.xcolor_space.strip() != space:
            return None
        transform = ImageCms.buildTransform(own, ImageCms.createProfile("sRGB"), space, "RGB")
    except (ImageCms.PyCMSError, OSError, TypeError, ValueError):
        return None
    if space == "RGB":
        colors = np.stack(np.meshgrid(*[np.arange(0, 256, 15)] * 3), -1).astype(np.uint8)
        colors = colors.reshape(1, -1, 3)
        converted = np.asarray(ImageCms.applyTransform(Image.fromarray(colors), transform))
        if np.abs(converted.astype(int) - colors).max() <= ALIKE:
            return None
    return transform


def _on_white(picture):
    """Returns a picture of any mode as RGB, on white where it is transparent."""
    transparent = picture.info.get("transparency")
    if picture.mode.startswith("I;16"):  # Pillow would cut the values, not scale them
        values = np.asarray(picture).astype(np.uint32)
        clear = values == transparent if isinstance(transparent, int) else np.zeros(1, bool)
        grey = (values * 255 + 32767) // 65535
        return Image.fromarray(np.where(clear, 255, grey).astype(np.uint8)).convert("RGB")
    if picture.mode in ("I", "F"):
        raise ValueError("pixels of 32 bits, of which nobody says how much is white")
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    return picture.convert("RGB")
