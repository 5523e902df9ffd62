"""A grid of tiles: the picture after each epoch."""

import time
import tracemalloc

import numpy as np
import pytest
from PIL import Image

import plot
from lab.look import tiles


@pytest.fixture
def nine():
    return np.random.RandomState(0).normal(size=(9, 1, 28, 28)).astype(np.float32)


@pytest.fixture
def prob():
    return np.linspace(0, 1, 9)


def pixels(path):
    with Image.open(path) as picture:
        return np.asarray(picture).astype(int)


def changed_box(a, b):
    """Returns the top, bottom, left and right of the pixels in which two pictures differ."""
    rows, columns = np.nonzero((a != b).reshape(*a.shape[:2], -1).any(axis=2))
    return rows.min(), rows.max(), columns.min(), columns.max()


def test_every_pixel_of_an_image_is_a_square_from_black_to_white_on_the_images_own_scale(tmp_path):
    images = np.zeros((2, 1, 28, 28))
    images[0, 0, 3, 5] = 40  # highest: white; all else black
    images[1] = -7
    images[1, 0, 9, 9] = -8  # lowest: black; all else white
    plot.sample_grid(images, None, tmp_path / "x.png")
    first, second = np.split(pixels(tmp_path / "x.png")[18:-18, 18:-18], [174], axis=1)
    square = np.zeros((28, 28), int)
    square[3, 5] = 255
    np.testing.assert_array_equal(first[:, :168], np.kron(square, np.ones((6, 6), int)))
    square[:] = 255
    square[9, 9] = 0
    np.testing.assert_array_equal(second[:, -168:], np.kron(square, np.ones((6, 6), int)))


@pytest.mark.parametrize("n, columns, rows", [(1, 1, 1), (5, 3, 2), (9, 3, 3), (25, 5, 5)])
def test_the_grid_is_nearly_square_for_any_number_of_images(tmp_path, n, columns, rows):
    plot.sample_grid(np.zeros((n, 1, 28, 28)), None, tmp_path / "x.png")
    height, width = pixels(tmp_path / "x.png").shape
    assert (width - 24) // 180 == columns and (height - 24) // 180 == rows


def test_rgb_images_are_drawn_in_colour(tmp_path):
    images = np.zeros((1, 3, 28, 28))
    images[0, 0] = 1
    plot.sample_grid(images, None, tmp_path / "x.png")
    assert pixels(tmp_path / "x.png")[100, 100].tolist() == [255, 0, 0]


def test_the_probability_stands_above_its_own_image(tmp_path, nine, prob):
    plot.sample_grid(nine, prob, tmp_path / "a.png")
    prob[4] = 0.789
    plot.sample_grid(nine, prob, tmp_path / "b.png")
    a, b = pixels(tmp_path / "a.png"), pixels(tmp_path / "b.png")
    top, bottom, left, right = changed_box(a, b)
    tile = tiles.draw_tiles(nine).size[0] // 3
    assert tile < left < right < 2 * tile
    assert (b[bottom + 1:top + 36, left:right] == 255).any() and bottom - top < 20
    middle = tiles.to_pixels(nine)[4].repeat(6, 0).repeat(6, 1)
    below = b[bottom + 1:bottom + 20 + 168, 18 + 180:18 + 180 + 168]
    assert any((below[k:k + 168] == middle).all() for k in range(20))


def test_the_title_names_the_epoch_and_a_long_one_still_fits(tmp_path, nine, prob):
    for name, title in [("a", "epoch 1"), ("b", "epoch 2"), ("c", "a long title " * 8)]:
        plot.sample_grid(nine, prob, tmp_path / f"{name}.png", title=title)
    a, b, c = (pixels(tmp_path / f"{name}.png") for name in "abc")
    assert changed_box(a, b)[1] < 40
    assert (c[:40, -18:] == 255).all() and (c[:40, :18] == 255).all() and (c[:40] < 255).any()


def test_the_same_images_give_the_same_bytes(tmp_path, nine, prob):
    plot.sample_grid(nine, prob, tmp_path / "a.png", title="epoch 1")
    plot.sample_grid(nine, prob, tmp_path / "b.png", title="epoch 1")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_drawing_leaves_the_images_and_the_random_stream_alone(tmp_path, nine, prob):
    before, state = nine.copy(), np.random.get_state()
    plot.sample_grid(nine, prob, tmp_path / "a.png")
    np.testing.assert_array_equal(nine, before)
    np.testing.assert_array_equal(np.random.get_state()[1], state[1])
    assert np.random.get_state()[2:] == state[2:]


@pytest.mark.parametrize("step", ["os.fsync", "os.replace"])
def test_a_full_disk_leaves_the_older_picture_whole(tmp_path, nine, prob, monkeypatch, step):
    plot.sample_grid(nine, prob, tmp_path / "a.png")
    before = (tmp_path / "a.png").read_bytes()

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(step, full)
    with pytest.raises(OSError, match="No space"):
        plot.sample_grid(-nine, prob, tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_a_thousand_pictures_are_quick_and_small_and_leave_no_memory_behind(tmp_path, nine, prob):
    plot.sample_grid(nine, prob, tmp_path / "a.png")  # reads the font, once
    tracemalloc.start()
    plot.sample_grid(nine, prob, tmp_path / "a.png")
    start, _ = tracemalloc.get_traced_memory()
    began = time.process_time()
    for _ in range(100):
        plot.sample_grid(nine, prob, tmp_path / "a.png", title="epoch 1000")
    seconds = (time.process_time() - began) / 100
    end, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert seconds < 0.15
    assert (tmp_path / "a.png").stat().st_size < 30_000
    assert end - start < 100_000


@pytest.mark.parametrize("n, scale", [(9, 6), (25, 6), (100, 6), (169, 3)])
def test_letters_have_11_pixels_where_github_makes_a_wide_picture_smaller(n, scale):
    white = np.zeros((n, 1, 28, 28))
    picture = tiles.draw_tiles(white, ["real 0.31|"] * n, "|", scale=scale, display_range=(-1, 0))
    inked = (np.asarray(picture) < 200).any(axis=1).astype(int)
    heights = np.flatnonzero(np.diff(inked) == -1) - np.flatnonzero(np.diff(inked) == 1)
    # DejaVu's "|" is as high as its letters from top to bottom.
    assert min(heights) * min(850 / picture.width, 1) >= 11


def test_a_title_may_have_more_lines_than_one():
    one, two = (tiles.draw_tiles(np.zeros((9, 1, 28, 28)), None, title)
                for title in ("first", "first\nsecond"))
    assert two.height == one.height + 26
