"""lab/images/folder.py: pictures of all kinds, sound and broken, as squares of one size."""

import io
import os
import struct
import sys
import time
import unicodedata
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps, PngImagePlugin

from lab.cli import own
from lab.images import folder, picture, place, source
from lab.images.errors import DataError, DataPathError, DataWarning

RED, GREEN, BLUE, WHITE, BLACK = (
    (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0))
SIZE = 32


def plain(color, size=(40, 40)):
    return Image.new("RGB", size, color)


@pytest.fixture
def pictures(tmp_path):
    """Returns save(picture, name), which adds to a folder that has a blue picture, the first.

    save.read() reads the folder, uint8 (n, channels, size, size).
    """
    def save(picture, name, **options):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        picture.save(path, **options)
        return path

    save(plain(BLUE), "0.png")
    save.folder = tmp_path
    save.read = lambda size=SIZE: folder.read(tmp_path, size).pixels
    return save


def color(square):
    """Returns the colour of a square of one colour, to within 2, as JPEG keeps it."""
    assert np.ptp(square.reshape(3, -1).astype(int), axis=1).max() <= 2
    return tuple(square.reshape(3, -1).mean(axis=1).round().astype(int).tolist())


def near(found, expected):
    return np.abs(np.subtract(found, expected)).max() <= 3


# What becomes of a picture


@pytest.mark.parametrize("kind", ("png", "jpg", "jpeg", "webp", "gif", "bmp", "tif", "tiff", "JPG"))
def test_pictures_of_many_kinds_are_squares_of_bytes(pictures, kind):
    pictures(plain((200, 100, 50)), f"1.{kind}", lossless=True)  # which WebP alone listens to
    x = pictures.read()
    assert x.shape == (2, 3, SIZE, SIZE) and x.dtype == np.uint8
    assert color(x[0]) == BLUE and near(color(x[1]), (200, 100, 50))


@pytest.mark.parametrize("shape", ((90, 30), (30, 90), (91, 30), (300, 100)))
def test_the_square_in_the_middle_is_kept(pictures, shape):
    picture, part = plain(RED, shape), max(shape) // 3
    middle = (part, 0, 2 * part, shape[1]) if shape[0] > shape[1] else (0, part, shape[0], 2 * part)
    picture.paste(GREEN, middle)
    pictures(picture, "1.png")
    assert color(pictures.read(30)[1]) == GREEN


@pytest.mark.parametrize("factor", (2, 5))
def test_large_pictures_are_scaled_down_by_area(pictures, factor):
    noise = np.random.RandomState(0).randint(0, 256, (SIZE * factor, SIZE * factor, 3), np.uint8)
    pictures(Image.fromarray(noise), "1.png")
    mean = noise.reshape(SIZE, factor, SIZE, factor, 3).mean(axis=(1, 3)).transpose(2, 0, 1)
    assert np.abs(pictures.read()[1] - mean).max() <= 1


def test_a_large_jpeg_is_what_decoding_all_of_it_gives(pictures):
    """A JPEG is decoded at a fraction of its size, which must not show."""
    rough = np.random.RandomState(0).randint(0, 256, (12, 12, 3), np.uint8)
    picture = Image.fromarray(rough).resize((960, 720), Image.Resampling.BICUBIC)
    path = pictures(picture, "1.jpg", quality=95)
    with Image.open(path) as whole:
        expected = np.asarray(ImageOps.fit(whole, (SIZE, SIZE), Image.Resampling.BOX), int)
    difference = pictures.read()[1].transpose(1, 2, 0) - expected
    assert np.abs(difference).max() <= 8 and np.abs(difference).mean() < 1


@pytest.mark.parametrize("shape", ((8, 8), (1, 1), (5, 20)))
def test_small_pictures_are_enlarged(pictures, shape):
    pictures(plain((10, 20, 30), shape), "1.png")
    assert color(pictures.read()[1]) == (10, 20, 30)


# {orientation in EXIF: the sides of the scene at which the file's first row and column are}.
SIDES = {1: ("top", "left"), 2: ("top", "right"), 3: ("bottom", "right"), 4: ("bottom", "left"),
         5: ("left", "top"), 6: ("right", "top"), 7: ("right", "bottom"), 8: ("left", "bottom")}


@pytest.mark.parametrize("kind", ("jpg", "png", "webp", "tif"))
@pytest.mark.parametrize("orientation", SIDES)
def test_pictures_are_turned_as_their_exif_says(pictures, orientation, kind):
    scene = np.zeros((SIZE, 2 * SIZE, 3), np.uint8)
    scene[:SIZE // 2, :SIZE] = RED      # top left
    scene[:SIZE // 2, SIZE:] = GREEN    # top right
    scene[SIZE // 2:, :SIZE] = WHITE    # bottom left
    stored = np.flip(scene, [axis for axis, side in ((0, "bottom"), (1, "right"))
                             if side in SIDES[orientation]])
    if SIDES[orientation][0] in ("left", "right"):
        stored = stored.transpose(1, 0, 2)
    exif = Image.Exif()
    exif[0x0112] = orientation
    pictures(Image.fromarray(np.ascontiguousarray(stored)), f"1.{kind}", exif=exif)
    x = pictures.read()[1]
    for row, column, expected in ((4, 4, RED), (4, -5, GREEN), (-5, 4, WHITE), (-5, -5, BLACK)):
        assert np.abs(x[:, row, column] - np.array(expected, int)).max() < 30, (row, column)


def test_transparent_pictures_lie_on_white(pictures):
    half = Image.new("RGBA", (40, 40), (255, 0, 0, 128))
    clear = Image.new("RGBA", (40, 40), (255, 0, 0, 0))
    palette = Image.new("P", (40, 40), 1)
    palette.putpalette((*GREEN, *RED))
    pictures(half, "1.png")
    pictures(clear, "2.png")
    pictures(half, "3.webp", lossless=True)
    pictures(Image.new("LA", (40, 40), (0, 128)), "4.png")
    pictures(palette, "5.png", transparency=1)
    pictures(palette, "6.gif", transparency=1)
    pictures(palette, "7.png", transparency=0)
    pictures(plain(RED), "8.png", transparency=RED)
    pictures(Image.new("L", (40, 40), 7), "9.png", transparency=7)
    seen = [color(square) for square in pictures.read()[1:]]
    assert seen == [(255, 127, 127), WHITE, (255, 127, 127), (127, 127, 127), WHITE, WHITE, RED,
                    WHITE, WHITE]


def test_pictures_of_every_mode_have_the_right_colours(pictures):
    wine = (150, 30, 60)
    palette = Image.new("P", (40, 40), 1)
    palette.putpalette((*GREEN, *wine))
    made = [
        (plain(wine), "1.png"), (palette, "2.png"), (palette, "3.gif"), (palette, "4.bmp"),
        (plain(wine).convert("CMYK"), "5.jpg"), (plain(wine).convert("CMYK"), "6.tif"),
        (plain(wine).convert("YCbCr"), "7.jpg"), (plain(wine).convert("RGBA"), "8.tif")]
    for image, name in made:
        pictures(image, name)
    assert all(near(color(square), wine) for square in pictures.read()[1:])


@pytest.mark.parametrize("kind", ("png", "tif"))
def test_grey_of_one_and_of_sixteen_bits(pictures, kind):
    values = np.full((40, 40), 0x8000, np.uint16)
    pictures(Image.fromarray(values), f"1.{kind}")
    pictures(Image.new("1", (40, 40), 1), f"2.{kind}")
    pictures(Image.new("L", (40, 40), 128), f"3.{kind}")
    assert [color(square)[0] for square in pictures.read()[1:]] == [128, 255, 128]


def png(width, height, depth, kind, data, *chunks):
    """Returns the bytes of a PNG, for kinds that Pillow cannot write."""
    def chunk(name, data):
        return (struct.pack(">I", len(data)) + name + data
                + struct.pack(">I", zlib.crc32(name + data)))
    rows = b"".join(b"\0" + row for row in data)
    return (b"\x89PNG\r\n\x1a\n"
            + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0))
            + b"".join(chunk(*c) for c in chunks)
            + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def test_colours_of_sixteen_bits(pictures):
    wine = struct.pack(">3H", 150 * 257, 30 * 257, 60 * 257)
    (pictures.folder / "1.png").write_bytes(png(40, 40, 16, 2, [wine * 40] * 40))
    half = struct.pack(">4H", 0, 0, 0, 0x8000)
    (pictures.folder / "2.png").write_bytes(png(40, 40, 16, 6, [half * 40] * 40))
    grey = struct.pack(">H", 0x1234)
    (pictures.folder / "3.png").write_bytes(
        png(40, 40, 16, 0, [grey * 40] * 40, (b"tRNS", grey)))
    assert [color(square) for square in pictures.read()[1:]] == [
        (150, 30, 60), (127, 127, 127), WHITE]


def test_of_an_animation_the_first_picture_is_taken(pictures):
    for kind in "gif", "webp", "png", "tif":
        pictures(plain(RED), f"1.{kind}", save_all=True,
                 append_images=[plain(GREEN), plain(BLACK)])
    assert all(near(color(square), RED) for square in pictures.read()[1:])


def test_grey_is_a_matter_of_pixels_not_of_modes(tmp_path):
    plain((90, 90, 90)).save(tmp_path / "1.png")
    Image.new("L", (40, 40), 7).save(tmp_path / "2.png")
    Image.new("CMYK", (40, 40), (0, 0, 0, 99)).save(tmp_path / "3.tif")
    assert folder.read(tmp_path, SIZE).pixels.shape == (3, 1, SIZE, SIZE)
    plain((90, 90, 93)).save(tmp_path / "4.png")
    assert folder.read(tmp_path, SIZE).pixels.shape == (4, 3, SIZE, SIZE)


def drawings(path, kind, **options):
    """Saves two grey drawings as files of a kind. Returns them, uint8 (2, 1, 40, 40)."""
    y, x = np.mgrid[:40, :40] / 40
    grey = [(255 * np.exp(-8 * ((x - at) ** 2 + (y - 0.5) ** 2))).astype(np.uint8)
            for at in (0.3, 0.7)]
    path.mkdir(exist_ok=True)
    for i, pixels in enumerate(grey):
        Image.fromarray(pixels).convert("RGB").save(path / f"{i}.{kind}", **options)
    return np.array(grey)[:, None]


@pytest.mark.parametrize("kind", ("png", "jpg", "webp", "avif"))
def test_grey_drawings_are_grey_in_every_kind_of_file(tmp_path, kind):
    """Lossy WebP lets the three channels of grey differ by 1 of 255."""
    expected = drawings(tmp_path, kind)
    x = folder.read(tmp_path, 40).pixels
    assert x.shape == (2, 1, 40, 40)
    assert np.abs(x.astype(int) - expected).mean() < 3


def profile_of_p3():
    """Returns an ICC profile of Display P3: Pillow's own of sRGB with other primaries."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    primaries = {b"rXYZ": (0.51512, 0.24120, -0.00105), b"gXYZ": (0.29198, 0.69225, 0.04189),
                 b"bXYZ": (0.15710, 0.06657, 0.78407)}
    for i in range(struct.unpack_from(">I", profile, 128)[0]):
        name, at = struct.unpack_from(">4sI", profile, 132 + 12 * i)
        if name in primaries:
            struct.pack_into(">3i", profile, at + 8, *(round(65536 * x) for x in primaries[name]))
    return bytes(profile)


def profile_of_black_ink():
    """Returns an ICC profile of CMYK, a table with two steps an ink: only black ink is seen."""
    ramp, white, black = bytes(range(256)), bytes((255, 128, 128)), bytes((0, 128, 128))
    one = 65536
    table = (b"mft1" + bytes(4) + bytes((4, 3, 2, 0))
             + struct.pack(">9i", one, 0, 0, 0, one, 0, 0, 0, one)
             + 4 * ramp + 8 * (white + black) + 3 * ramp)
    header = struct.pack(">I4sI4s4s4s12x4s28x3I", 144 + len(table), b"lcms", 0x02400000, b"prtr",
                         b"CMYK", b"Lab ", b"acsp", 63190, 65536, 54061)
    return header.ljust(128, b"\0") + struct.pack(">I4sII", 1, b"A2B0", 144, len(table)) + table


@pytest.mark.parametrize("kind", ("png", "jpg", "webp", "tif"))
def test_display_p3_becomes_srgb(pictures, kind):
    seen = (230, 90, 60)
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4
              for v in np.array(seen) / 255]
    # The published matrix from linear P3 to linear sRGB, both with the white of D65.
    linear = np.array([[1.2249, -0.2247, 0], [-0.0420, 1.0419, 0],
                       [-0.0197, -0.0786, 1.0979]]) @ linear
    expected = 255 * (1.055 * linear ** (1 / 2.4) - 0.055)
    assert np.abs(expected - seen).max() > 10
    pictures(plain(seen), f"1.{kind}", icc_profile=profile_of_p3(), lossless=True)
    assert near(color(pictures.read()[1]), expected)


def test_cmyk_is_seen_as_its_profile_says(pictures):
    for name, profile in ("1.jpg", None), ("2.jpg", profile_of_black_ink()):
        pictures(Image.new("CMYK", (40, 40), (0, 255, 0, 0)), name, icc_profile=profile)
    assert [color(square) for square in pictures.read()[1:]] == [(255, 0, 255), WHITE]


@pytest.mark.parametrize("profile", (
    ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(), b"no profile", b"",
    profile_of_p3()[:300]), ids=("sRGB", "text", "empty", "cut"))
def test_a_profile_of_srgb_or_a_damaged_one_changes_no_byte(pictures, profile):
    noise = np.random.RandomState(0).randint(0, 256, (SIZE, SIZE, 3), np.uint8)
    pictures(Image.fromarray(noise), "1.png", icc_profile=profile)
    np.testing.assert_array_equal(pictures.read()[1], noise.transpose(2, 0, 1))


@pytest.mark.parametrize("bits, told", ((16, False), (12, True)))
def test_twelve_bits_in_sixteen_are_read_and_said_to_be_nearly_black(tmp_path, bits, told):
    drawn = drawings(tmp_path, "png")[:, 0].astype(np.uint16)
    for i, pixels in enumerate(drawn):
        Image.fromarray(pixels << bits - 8).save(tmp_path / f"{i}.png")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert len(folder.read(tmp_path, 40)) == 2
    assert [str(warning.message) for warning in caught] == told * [
        f"2 of 2 pictures are nearly black (--data, {tmp_path}, the first: 0.png), as files of 16 "
        "bits are that use but 12; make them brighter, or remove them"]


def test_a_png_with_megabytes_of_text_is_read(pictures):
    info = PngImagePlugin.PngInfo()
    info.add_text("workflow", "node " * 400_000, zip=True)
    pictures(plain(RED), "1.png", pnginfo=info)
    before = PngImagePlugin.MAX_TEXT_CHUNK
    assert color(pictures.read()[1]) == RED
    assert before == PngImagePlugin.MAX_TEXT_CHUNK


# Which files, and in which order


@pytest.mark.skipif(sys.platform != "linux", reason="names of any bytes are Linux's")
def test_names_of_any_kind_in_the_order_of_their_bytes(tmp_path):
    names = [b"B.png", b"a b.png", b"a.png", b"a/z.png", b"a0.png", b"\xc3\xa9.png",
             "絵/日本 語.png".encode(), b"\xff\xfe.png"]
    for i, name in reversed(list(enumerate(names))):
        path = tmp_path / os.fsdecode(name)
        path.parent.mkdir(exist_ok=True)
        plain((i, i, 99)).save(path)
    assert folder.read(tmp_path, SIZE).pixels[:, 0, 0, 0].tolist() == list(range(len(names)))


def test_other_files_are_passed_over_silently(pictures):
    pictures(plain(RED), "deep/er/1.png")
    pictures(plain(GREEN), ".hidden/2.png")
    pictures(plain(GREEN), "._2.png")
    for name in "notes.txt", "film.mp4", "film.mpg", "Thumbs.db", "desktop.ini", "noname":
        (pictures.folder / name).write_text("no picture")
    assert len(pictures.read()) == 2


@pytest.mark.parametrize("first, then", (("NFC", "NFD"), ("NFD", "NFC")))
def test_names_in_both_forms_of_unicode_are_the_same_images(tmp_path, monkeypatch, first, then):
    """A Mac writes NFD. By its bytes, é comes before z in one form and after it in the other."""
    monkeypatch.chdir(tmp_path)
    images = []
    for form in first, then:
        path = tmp_path / unicodedata.normalize(form, f"{form} Bühne")
        path.mkdir()
        for i, name in enumerate(("zebra.png", "étoile.png", "カー.png", "ガラス.png")):
            plain((50 * i, 90, 120)).save(path / unicodedata.normalize(form, name))
        images.append(source.load(unicodedata.normalize(then, f"{form} Bühne"), SIZE))
    assert images[0].fingerprint == images[1].fingerprint
    assert images[0].pixels[:, 0, 0, 0].tolist() == [0, 50, 100, 150]  # as sorted in NFC


def test_a_folder_in_a_folder_is_found_in_either_form(tmp_path):
    for form in "NFC", "NFD":
        (tmp_path / unicodedata.normalize("NFD", "é") / form).mkdir(parents=True, exist_ok=True)
        path = place.folder(tmp_path / unicodedata.normalize("NFC", "é") / form, "--data")
        assert os.path.isdir(path) and path.endswith(form)


def test_litter_of_network_storage_and_archives_is_left_out(pictures):
    for name in ("@eaDir/0.png/SYNOPHOTO_THUMB_XL.jpg", "#recycle/gone.jpg", "__MACOSX/0.png",
                 ".thumbnails/0.jpg", "$RECYCLE.BIN/S-1/x.png", "below/@EADIR/y.jpg"):
        pictures(plain(RED), name)
    pictures(plain(GREEN), "below/1.png")
    assert [color(square) for square in pictures.read()] == [BLUE, GREEN]


def test_the_project_s_own_pictures_below_the_user_s_folder_are_left_out(pictures, monkeypatch):
    monkeypatch.setattr(own, "ROOT", pictures.folder / "clone")
    pictures(plain(RED), "clone/docs/pictures/1.png")
    pictures(plain(GREEN), "clone/my-pictures/1.png")
    assert [color(square) for square in pictures.read()] == [BLUE, GREEN]


def test_what_is_named_as_a_picture_and_not_read_is_counted_with_what_to_do(
        pictures, monkeypatch):
    monkeypatch.setattr(picture, "FORMATS", [kind for kind in picture.FORMATS if kind != "HEIF"])
    pictures(plain(RED), "1.png")
    for name in ("a.HEIC", "b.heif", "raw.CR2", "drawing.psd", ".c.png.icloud", ".d.heic.icloud",
                 ".e.txt.icloud", "broken.png", "notes.txt"):
        (pictures.folder / name).write_bytes(b"\0" * 99)
    with pytest.warns(DataWarning) as caught:
        assert len(pictures.read()) == 2
    (message,) = (str(warning.message) for warning in caught)
    assert message.startswith(f"7 of 9 pictures are left out (--data, {pictures.folder}): ")
    for part in ("2 HEIC (python -m pip install pillow-heif, then start again)",
                 "1 raw from a camera (save them as JPEG)", "1 of a kind that is not read",
                 "2 in iCloud and not on this disk (download them first)",
                 "1 cannot be read (the first: broken.png, not a picture inside; "):
        assert part in message


def test_a_folder_of_heic_alone_says_what_reads_them(tmp_path, monkeypatch):
    monkeypatch.setattr(picture, "FORMATS", [kind for kind in picture.FORMATS if kind != "HEIF"])
    for i in range(3):
        (tmp_path / f"{i}.heic").write_bytes(b"\0\0\0\x18ftypheic")
    with pytest.raises(DataError, match=r"no picture .*3 HEIC \(python -m pip install pill"):
        source.load(str(tmp_path), SIZE)


@pytest.mark.skipif(picture.pillow_heif is None, reason="needs pillow-heif")
def test_heic_is_read_where_pillow_heif_is_installed(pictures):
    pictures(plain((200, 100, 50)), "1.heic", quality=-1)
    assert near(color(pictures.read()[1]), (200, 100, 50))


def test_the_pictures_of_a_phone_in_mpo_are_read(pictures):
    for name in "1.jpg", "2.mpo":
        pictures(plain(RED), name, format="MPO", save_all=True, append_images=[plain(GREEN)])
    assert [near(color(square), RED) for square in pictures.read()] == [False, True, True]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_passed_over_even_behind_a_link(pictures):
    pictures(plain(RED), "1.png")
    os.mkfifo(pictures.folder / "2.png")
    (pictures.folder / "3.png").symlink_to("2.png")
    assert len(pictures.read()) == 2


def test_a_link_that_leads_back_up_ends(pictures):
    pictures(plain(RED), "a/1.png")
    (pictures.folder / "a" / "up").symlink_to(pictures.folder)
    (pictures.folder / "a" / "self").symlink_to("self")
    assert len(pictures.read()) == 2


def test_a_link_to_other_pictures_is_followed_once(pictures, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    plain(RED).save(other / "x.png")
    for name in "a", "b":
        (pictures.folder / name).symlink_to(other)
    assert len(pictures.read()) == 2


# What cannot be read


def broken(path):
    """Returns {name: function that writes at path what cannot be read as a picture}."""
    whole = path.parent / "whole.jpg"
    noise = np.random.RandomState(0).randint(0, 256, (40, 40, 3), np.uint8)
    Image.fromarray(noise).save(whole)
    data = whole.read_bytes()
    whole.unlink()
    return {
        "empty": lambda: path.write_bytes(b""),
        "truncated": lambda: path.write_bytes(data[:len(data) // 2]),
        "broken": lambda: path.write_bytes(b"\x89PNG\r\n\x1a\n" + data),
        "text": lambda: path.write_text("Dear diary, today I took no pictures."),
        "dangling link": lambda: path.symlink_to("nowhere.png"),
        "PostScript": lambda: path.write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"),
        "32 bits": lambda: Image.fromarray(np.ones((9, 9), np.float32)).save(path, "TIFF"),
    }


REASONS = {"empty": "not a picture inside", "truncated": "truncated", "broken": "", "text":
           "not a picture inside", "dangling link": "No such file", "PostScript":
           "not a picture inside", "32 bits": "pixels of 32 bits"}


@pytest.mark.parametrize("how", REASONS)
def test_what_cannot_be_read_is_left_out_with_its_name_and_reason(pictures, how):
    pictures(plain(RED), "2.png")
    broken(pictures.folder / "1.png")[how]()
    with pytest.warns(DataWarning, match=rf"1 of 3 pictures .*the first: 1.png, .*{REASONS[how]}"):
        assert [color(square) for square in pictures.read()] == [BLUE, RED]


def test_a_picture_that_is_a_bomb_is_left_out(pictures, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10_000)
    pictures(plain(RED), "2.png")
    pictures(plain(RED, (101, 101)), "1.png")   # Pillow warns
    pictures(plain(RED, (300, 300)), "3.png")   # Pillow refuses
    with pytest.warns(DataWarning, match=r"2 of 4 pictures .* 1\.png, too large"):
        assert len(pictures.read()) == 2


def test_there_is_one_warning_for_all(pictures):
    pictures(plain(RED), "9.png")
    for name in "3 4.png", "日本.png", "7.jpg":
        (pictures.folder / name).write_bytes(b"")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        pictures.read()
    assert len(caught) == 1
    assert "3 of 5 pictures are left out" in str(caught[0].message)
    assert "the first: 3 4.png" in str(caught[0].message)


def test_what_is_only_odd_is_read_without_a_word(pictures):
    pictures(plain(RED), "1.jpg", exif=b"Exif\0\0MM\0\x2a\0\0\0\x08\0\xff no such thing")
    assert near(color(pictures.read()[1]), RED)


@pytest.mark.parametrize("number, what", ((0, "no pictures and no IDX files"),
                                          (1, "only one picture")))
def test_fewer_than_two_pictures_are_an_error(tmp_path, number, what):
    for i in range(number):
        plain(RED).save(tmp_path / f"{i}.png")
    with pytest.raises(DataPathError if number == 0 else DataError, match=what):
        folder.read(tmp_path, SIZE)


def test_pictures_that_are_all_broken_are_an_error(tmp_path):
    for i in range(3):
        (tmp_path / f"{i}.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"no picture .*3 cannot be read \(the first: 0\.png, "):
        folder.read(tmp_path, SIZE)


def test_pictures_that_are_all_alike_are_an_error(tmp_path):
    for i in range(3):
        plain(RED, (30 + i, 50)).save(tmp_path / f"{i}.png")
    with pytest.raises(DataError, match="the 3 pictures .* all alike"):
        folder.read(tmp_path, SIZE)


def test_a_file_name_cannot_speak_to_the_terminal(pictures):
    pictures(plain(RED), "new\nline \U0001f600.png")
    (pictures.folder / "\x1b[31mred\n.png").write_bytes(b"")
    with pytest.warns(DataWarning) as caught:
        assert len(pictures.read()) == 2
    assert "(the first: \ufffd[31mred\ufffd.png, not a" in str(caught[0].message)


def test_pictures_that_vanish_while_they_are_read_are_left_out(pictures, monkeypatch):
    pictures(plain(RED), "1.png")
    gone = pictures(plain(GREEN), "2.png")
    read = picture.square
    monkeypatch.setattr(picture, "square", lambda *given: gone.unlink(True) or read(*given))
    with pytest.warns(DataWarning, match=r"1 of 3 pictures .*the first: 2\.png, No such file"):
        assert len(pictures.read()) == 2


def test_whoever_waits_sees_what_is_going_on(pictures, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    for i in range(1, 4):
        pictures(plain(RED), f"{i}.png")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(folder, "PATIENCE", 0)
    pictures.read()
    looking, reading = terminal.getvalue().split("\n")[:2]
    assert looking.split("\r")[-1].strip().startswith("looking for pictures, 4 files 00:0")
    assert "<" not in looking and "picture 4/4 |" in reading


def test_an_interruption_does_not_wait_for_the_other_pictures(pictures, monkeypatch):
    for i in range(1, 200):
        pictures(plain((i, 0, 0)), f"{i}.png")
    read = []

    def interrupted(path, size):
        read.append(path)
        if len(read) > 1:
            time.sleep(0.2)  # all of them: 20 seconds of two processors
        raise KeyboardInterrupt
    monkeypatch.setattr(picture, "square", interrupted)
    with pytest.raises(KeyboardInterrupt):
        pictures.read()
    assert len(read) < 200
