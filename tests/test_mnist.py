"""MNIST: the images, and one error message for every way not to get them.

Nothing here leaves the machine: OpenML is a small server on the loopback interface, asked through
scikit-learn's own code.
"""

import errno
import gzip
import hashlib
import json
import os
import socket
import struct
import sys
import tempfile
import threading
import warnings
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from conftest import SHARED, needs_shared
from PIL import Image
from sklearn.datasets import _openml, load_digits

from lab.images import mnist, source
from lab.images import openml as fetching
from lab.images.errors import DataError, DataPathError, DataWarning

TRAIN_IMAGES, TRAIN_LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
TEST_IMAGES, TEST_LABELS = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"

# A small MNIST: eight images for training, five for testing. There is one 7 and no 9.
PIXELS = np.random.RandomState(0).randint(0, 256, (13, 28, 28)).astype(np.uint8)
LABELS = np.array([5, 0, 4, 0, 1, 2, 0, 6, 7, 0, 3, 8, 0], np.uint8)
TRAINING = 8
ZEROS = [1, 3, 6, 9, 12]


@pytest.fixture(autouse=True)
def a_machine_without_network(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("MNIST_DIR", raising=False)
    monkeypatch.setenv("no_proxy", "*")
    point_openml_to("http://127.0.0.1:9", monkeypatch)  # nobody listens there


@pytest.fixture
def small_mnist(monkeypatch):
    """Makes PIXELS and LABELS pass for MNIST."""
    digest = hashlib.sha256(PIXELS.tobytes() + LABELS.tobytes()).hexdigest()
    monkeypatch.setattr(mnist, "MNIST_SHA256", digest)
    monkeypatch.setattr(fetching, "OPENML_SHAPE", (13, 784))


def load(digit, data):
    return source.load(data).of(digit)


def assert_zeros(images):
    assert images.x.dtype == np.float32 and images.x.shape == (5, 1, 28, 28)
    assert np.array_equal(images.x[:, 0], PIXELS[ZEROS].astype(np.float32) / 255)
    assert images.labels.dtype == np.uint8 and images.labels.tolist() == [0] * 5


def one_line(caught):
    """Returns the text of an exception or warning, which must be a single line."""
    text = str(caught.value if hasattr(caught, "value") else caught.message)
    assert "\n" not in text and len(text) < 600
    return text


# A folder of IDX files


def idx(array):
    header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    return header + array.tobytes()


def idx_files():
    return {
        TRAIN_IMAGES: idx(PIXELS[:TRAINING]),
        TRAIN_LABELS: idx(LABELS[:TRAINING]),
        TEST_IMAGES: idx(PIXELS[TRAINING:]),
        TEST_LABELS: idx(LABELS[TRAINING:]),
    }


def write(folder, files):
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return str(folder)


def test_a_folder_gives_one_digit_of_training_and_test_part_in_order(tmp_path, small_mnist):
    images = load(0, write(tmp_path, idx_files()))
    assert_zeros(images)
    assert images.source == "MNIST (IDX files)"


def test_all_digits_come_with_their_labels(tmp_path, small_mnist):
    images = load("all", write(tmp_path, idx_files()))
    assert np.array_equal(images.x[:, 0], PIXELS.astype(np.float32) / 255)
    assert np.array_equal(images.labels, LABELS)


def test_compressed_and_plain_files_may_be_mixed(tmp_path, small_mnist):
    files = idx_files()
    for name in (TRAIN_IMAGES, TEST_LABELS):
        files[name + ".gz"] = gzip.compress(files.pop(name))
    assert_zeros(load(0, write(tmp_path, files)))


def test_a_plain_file_wins_over_its_gz(tmp_path, small_mnist):
    files = idx_files()
    files[TRAIN_IMAGES + ".gz"] = gzip.compress(idx(255 - PIXELS[:TRAINING]))
    assert_zeros(load(0, write(tmp_path, files)))


def test_auto_takes_the_folder_that_mnist_dir_names(tmp_path, small_mnist, monkeypatch):
    monkeypatch.setenv("MNIST_DIR", write(tmp_path, idx_files()))
    assert_zeros(load(0, "auto"))


def test_files_that_are_not_mnist_are_loaded_with_a_warning(tmp_path):
    folder = write(tmp_path, idx_files())
    with pytest.warns(DataWarning, match="not the known MNIST") as caught:
        images = load(0, folder)
    assert_zeros(images)
    assert images.source == "IDX files (not the known MNIST)"
    assert len(caught) == 1 and folder in one_line(caught[0])


def compressed(name, damage):
    """Returns a change of files that replaces name by name.gz, with the content damage(content)."""
    return lambda files: files.update({name + ".gz": damage(files.pop(name))})


def replaced(name, content):
    return lambda files: files.update({name: content})


IDX_FAULTS = {
    "one missing": (lambda files: files.pop(TEST_LABELS), TEST_LABELS,
                    "expected it or its .gz, found neither"),
    "gz cut short": (compressed(TRAIN_IMAGES, lambda content: gzip.compress(content)[:-900]),
                     TRAIN_IMAGES + ".gz", "expected gzip data, found EOFError"),
    "gz damaged": (compressed(TEST_IMAGES, lambda content: gzip.compress(content)[:60] + bytes(60)),
                   TEST_IMAGES + ".gz", "expected gzip data, found "),
    "gz empty": (compressed(TRAIN_IMAGES, lambda content: b""), TRAIN_IMAGES + ".gz",
                 "expected a header of 16 bytes, found 0 bytes"),
    "HTML page as gz": (compressed(TEST_LABELS, lambda content: b"<!DOCTYPE html>"),
                        TEST_LABELS + ".gz", "expected gzip data, found BadGzipFile"),
    "plain file as gz": (compressed(TEST_LABELS, lambda content: content),
                         TEST_LABELS + ".gz", "expected gzip data, found BadGzipFile"),
    "gz as plain file": (replaced(TRAIN_IMAGES, gzip.compress(idx(PIXELS[:TRAINING]), mtime=0)),
                         TRAIN_IMAGES, "expected magic number 2051 (images), found 529205248"),
    "labels as images": (replaced(TEST_IMAGES, idx(np.zeros(50, np.uint8))), TEST_IMAGES,
                         "expected magic number 2051 (images), found 2049"),
    "images as labels": (replaced(TEST_LABELS, idx(PIXELS)), TEST_LABELS,
                         "expected magic number 2049 (labels), found 2051"),
    "other counts": (replaced(TEST_LABELS, idx(LABELS[:4])), TEST_LABELS,
                     "expected 5 labels for as many images, found 4"),
    "cut short": (replaced(TEST_IMAGES, idx(PIXELS[TRAINING:])[:-1]), TEST_IMAGES,
                  "expected 3,936 bytes for its 5 images, found 3,935 bytes"),
    "extra bytes": (replaced(TRAIN_LABELS, idx(LABELS[:TRAINING]) + b"\n"), TRAIN_LABELS,
                    "expected 16 bytes for its 8 labels, found 17 bytes"),
    "27×28": (replaced(TEST_IMAGES, idx(PIXELS[TRAINING:, 1:])), TEST_IMAGES,
              "expected 28×28, found 27×28"),
    "label 11": (replaced(TEST_LABELS, idx(np.array([7, 0, 11, 8, 0], np.uint8))), TEST_LABELS,
                 "expected 0 to 9, found 11"),
}


@pytest.mark.parametrize("change, name, told", IDX_FAULTS.values(), ids=IDX_FAULTS)
def test_a_wrong_file_is_named_with_what_was_expected_and_found(tmp_path, change, name, told):
    files = idx_files()
    change(files)
    write(tmp_path, files)
    with pytest.raises(DataError) as caught:
        load(0, str(tmp_path))
    assert not isinstance(caught.value, DataPathError)
    assert f"({tmp_path / name}, {told}" in one_line(caught)


@pytest.mark.parametrize("flag", ["--data", "MNIST_DIR"])
@pytest.mark.parametrize("make, told", [
    (lambda path: None, "no such folder"),
    (lambda path: path.write_text("images"), "not a folder"),
    (lambda path: path.mkdir(), "no .*IDX files in this folder"),
], ids=["missing", "a file", "empty"])
def test_a_folder_without_the_files_is_bad_usage(tmp_path, monkeypatch, flag, make, told):
    path = tmp_path / "my images"
    make(path)
    monkeypatch.setenv("MNIST_DIR", str(path))
    with pytest.raises(DataPathError, match=told) as caught:
        load(0, str(path) if flag == "--data" else "auto")
    assert f"({flag}, {path})" in one_line(caught)


def dotted(name):
    return name.replace("-idx", ".idx")


LAYOUTS = {
    "7-Zip": dotted,
    "7-Zip, compressed again": lambda name: dotted(name) + ".gz",
    "Kaggle": lambda name: f"{name}/{name}",
    "Kaggle, a dot": lambda name: f"{dotted(name)}/{dotted(name)}",
    "torchvision's root": lambda name: f"MNIST/raw/{name}",
    "torchvision's MNIST": lambda name: f"raw/{name}.gz",
}


@pytest.mark.parametrize("flag", ["--data", "MNIST_DIR"])
@pytest.mark.parametrize("place", LAYOUTS.values(), ids=LAYOUTS)
def test_the_four_files_are_found_as_others_name_and_lay_them(
        tmp_path, small_mnist, monkeypatch, flag, place):
    for name, content in idx_files().items():
        path = tmp_path / place(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    monkeypatch.setenv("MNIST_DIR", str(tmp_path))
    assert_zeros(load(0, str(tmp_path) if flag == "--data" else "auto"))
    assert not source.is_pictures(str(tmp_path))


def test_pictures_win_over_idx_files_that_lie_deeper(tmp_path):
    (tmp_path / "MNIST").mkdir()
    write(tmp_path / "MNIST" / "raw", idx_files())
    for i in range(3):
        Image.new("RGB", (40, 40), (90 * i, 0, 0)).save(tmp_path / f"{i}.png")
    assert source.is_pictures(str(tmp_path)) and len(source.load(str(tmp_path))) == 3


@pytest.mark.parametrize("digit, told", [(9, "no image of digit 9"),
                                         (7, "only one image of digit 7")])
def test_a_digit_needs_two_images(tmp_path, small_mnist, digit, told):
    with pytest.raises(DataError, match=told) as caught:
        load(digit, write(tmp_path, idx_files()))
    assert "(--digit, MNIST (IDX files))" in one_line(caught)
    assert "at least 2" in one_line(caught)


@needs_shared
def test_mnist_has_6903_zeros_among_70000_images():
    published = {
        TRAIN_IMAGES: "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        TRAIN_LABELS: "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        TEST_IMAGES: "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        TEST_LABELS: "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    }
    for name, digest in published.items():
        content = gzip.decompress((SHARED / "mnist" / f"{name}.gz").read_bytes())
        assert hashlib.sha256(content).hexdigest() == digest
    images = load("all", str(SHARED / "mnist"))
    assert images.source == "MNIST (IDX files)"
    assert images.x.shape == (70_000, 1, 28, 28)
    assert images.labels[:5].tolist() == [5, 0, 4, 1, 9]
    assert images.labels[60_000:60_005].tolist() == [7, 2, 1, 0, 4]
    assert len(load(0, str(SHARED / "mnist")).x) == 6_903


# OpenML


def point_openml_to(address, monkeypatch):
    for name in ("_SEARCH_NAME", "_DATA_INFO", "_DATA_FEATURES", "_DATA_QUALITIES"):
        path = getattr(_openml, name).split("/", 3)[3]
        monkeypatch.setattr(_openml, name, f"{address}/{path}")


def arff(pixels, labels):
    """Returns a data set as OpenML serves it: 784 numbers and a nominal class per line."""
    lines = ["@RELATION mnist_784"]
    lines += [f"@ATTRIBUTE pixel{i} REAL" for i in range(1, 785)]
    lines += ["@ATTRIBUTE class {0,1,2,3,4,5,6,7,8,9,10}", "@DATA"]
    for image, label in zip(pixels.reshape(-1, 784).tolist(), labels, strict=True):
        lines.append(",".join(map(str, image)) + f",{label}")
    return "\n".join(lines).encode()


class SmallOpenML(ThreadingHTTPServer):
    """Serves what fetch_openml asks for: four JSON pages and then the data.

    asked lists the pages as they were asked for. faults[page](handler, body) answers instead.
    """

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server_port}"
        self.asked, self.faults, self.over = [], {}, threading.Event()
        self.serve_data(arff(PIXELS, LABELS))

    def serve_data(self, data):
        feature = {"data_type": "numeric", "is_target": "false", "is_ignore": "false",
                   "is_row_identifier": "false", "number_of_missing_values": "0"}
        features = [{**feature, "index": str(i), "name": f"pixel{i + 1}"} for i in range(784)]
        features.append({**feature, "index": "784", "name": "class", "data_type": "nominal",
                         "is_target": "true"})
        description = {"id": "554", "name": "mnist_784", "version": "1", "status": "active",
                       "format": "ARFF", "description": "digits",
                       "url": f"{self.address}/data/v1/download/52667/mnist_784.arff",
                       "md5_checksum": hashlib.md5(data).hexdigest()}
        count = [{"name": "NumberOfInstances", "value": str(data.split(b"@DATA")[1].count(b"\n"))}]
        pages = {
            "list": {"data": {"dataset": [{"did": 554, "status": "active"}]}},
            "features": {"data_features": {"feature": features}},
            "qualities": {"data_qualities": {"quality": count}},
            "description": {"data_set_description": description},
        }
        self.pages = {name: json.dumps(page).encode() for name, page in pages.items()}
        self.pages["download"] = data


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        pages = self.server.pages
        page = next((page for page in pages if f"/{page}/" in self.path), "description")
        self.server.asked.append(page)
        self.server.faults.get(page, Handler.answer)(self, gzip.compress(pages[page]))

    def answer(self, body, sent=None):
        self.send_response(200)
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[:sent])

    def log_message(self, *args):
        pass


@pytest.fixture
def openml(monkeypatch, small_mnist):
    with SmallOpenML() as server:
        point_openml_to(server.address, monkeypatch)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.over.set()
        server.shutdown()


CACHE = Path("cache", "chainer-dcgan", "mnist_784.npz")


@pytest.mark.parametrize("data", ["openml", "auto"])
def test_openml_is_asked_once_and_then_its_images_are_kept(openml, tmp_path, data, capsys):
    images = load(0, data)
    assert_zeros(images)
    assert images.source == "MNIST (OpenML)"
    assert str(tmp_path / CACHE) in capsys.readouterr().err
    openml.asked.clear()
    again = load(0, data)
    assert_zeros(again)
    assert again.source == "MNIST (OpenML)"
    assert openml.asked == [] and capsys.readouterr().err == ""
    assert list(tmp_path.glob("cache/**/*.*")) == [tmp_path / CACHE]


def test_openml_needs_no_pandas(openml, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    assert_zeros(load(0, "openml"))


def silent(handler, body):
    handler.server.over.wait(20)


def silent_half_way(handler, body):
    handler.answer(body, sent=len(body) // 2)
    handler.wfile.flush()
    handler.server.over.wait(20)


def cut(handler, body):
    handler.answer(body, sent=len(body) // 2)


def html(handler, body):
    handler.answer(gzip.compress(b"<html>Please log in to this network</html>"))


def other(handler, body):
    handler.answer(gzip.compress(arff(255 - PIXELS, LABELS)))


def status(code):
    return lambda handler, body: handler.send_error(code)


OPENML_FAULTS = {
    "silent": ("list", silent, "timed out"),
    "silent later": ("description", silent, "timed out"),
    "silent half way": ("download", silent_half_way, "timed out"),
    "HTTP 500": ("list", status(500), "HTTP Error 500"),
    "HTTP 503 for the data": ("download", status(503), "HTTP Error 503"),
    "HTTP 412": ("list", status(412), "mnist_784 with version 1 not found"),
    "HTML page": ("list", html, "JSONDecodeError"),
    "HTML page for the data": ("download", html, "MD5"),
    "cut": ("download", cut, "EOFError"),
    "other bytes": ("download", other, "MD5"),
}


@pytest.mark.parametrize("page, fault, reason", OPENML_FAULTS.values(), ids=OPENML_FAULTS)
def test_a_failed_fetch_is_told_in_one_line_and_leaves_nothing_behind(
        openml, tmp_path, monkeypatch, page, fault, reason):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    openml.faults[page] = fault
    with monkeypatch.context() as hasty:
        hasty.setattr(fetching, "TIMEOUT", 1)
        with pytest.raises(DataError) as caught:
            load(0, "openml")
    message = one_line(caught)
    assert reason in message
    assert "--data openml" in message
    assert "--data PATH" in message and "--data digits" in message
    assert socket.getdefaulttimeout() is None
    assert list(tmp_path.iterdir()) == []
    openml.faults.clear()
    assert_zeros(load(0, "openml"))


def test_a_silent_openml_costs_a_single_wait_of_which_two_fit_in_30_seconds(openml, monkeypatch):
    assert 2 * fetching.TIMEOUT <= 30
    monkeypatch.setattr(fetching, "TIMEOUT", 1)
    openml.faults["description"] = silent
    with pytest.raises(DataError, match="timed out"):
        load(0, "openml")
    assert openml.asked == ["list", "description"]


@pytest.mark.parametrize("pixels, labels, told", [
    (PIXELS[:12], LABELS[:12], "expected 13 × 784, found 12 × 784"),
    (PIXELS + 0.5, LABELS, "whole numbers from 0 to 255"),
    (PIXELS.astype(int) + 1, LABELS, "whole numbers from 0 to 255"),
    (np.where(PIXELS == 0, np.nan, PIXELS), LABELS, "whole numbers from 0 to 255"),
    (PIXELS, LABELS + 2, "labels from 0 to 9"),
], ids=["an image short", "halves", "256", "no number", "label 10"])
def test_a_data_set_of_another_form_is_refused(openml, tmp_path, pixels, labels, told):
    openml.serve_data(arff(pixels, labels))
    with pytest.raises(DataError, match=told) as caught:
        load(0, "openml")
    one_line(caught)
    assert not (tmp_path / CACHE).exists()


def test_openml_images_that_are_not_mnist_are_used_with_a_warning(openml):
    openml.serve_data(arff(255 - PIXELS, LABELS))
    for _ in ("fetched", "kept"):
        with pytest.warns(DataWarning, match="not the known MNIST") as caught:
            images = load(0, "openml")
        assert len(caught) == 1
        assert images.source == "OpenML (not the known MNIST)"


def test_auto_without_network_takes_the_digits_and_says_so_once():
    with pytest.warns(DataWarning) as caught:
        images = load(0, "auto")
    assert images.source == "8×8 digits (scikit-learn)"
    assert len(caught) == 1
    message = one_line(caught[0])
    assert "refused" in message  # why
    assert "8×8 digits" in message  # what instead
    assert "180 of each digit" in message and "rough shapes" in message  # what comes of it
    assert "python trainer.py --data openml --out result-mnist" in message  # what to do later
    assert "--data PATH" in message


@pytest.fixture(params=["an error", "a tilde"])
def no_home(request, monkeypatch):
    """Finds no home folder, as two versions of platformdirs do for some users of containers."""
    def unknown(*_, **__):
        if request.param == "a tilde":
            return "~/.cache/chainer-dcgan"
        raise RuntimeError("could not determine the home directory")

    monkeypatch.setattr(fetching.platformdirs, "user_cache_dir", unknown)


def test_without_a_home_folder_auto_takes_the_digits(no_home, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.warns(DataWarning, match="no home folder .* set HOME or XDG_CACHE_HOME"):
        assert source.load("auto").source == "8×8 digits (scikit-learn)"
    assert list(tmp_path.iterdir()) == []  # no folder of the name "~"


def test_without_a_home_folder_openml_says_which_variable_to_set(no_home):
    with pytest.raises(DataError, match="no home folder .* set HOME or XDG_CACHE_HOME") as caught:
        source.load("openml")
    one_line(caught)


# The copy that is kept


def test_a_damaged_copy_is_fetched_again_after_a_warning(openml, tmp_path):
    load(0, "openml")
    cache = tmp_path / CACHE
    good = cache.read_bytes()
    cache.write_bytes(good[:1000])
    with pytest.warns(DataWarning, match="cannot be used") as caught:
        assert_zeros(load(0, "openml"))
    assert len(caught) == 1 and str(cache) in one_line(caught[0])
    openml.asked.clear()
    assert_zeros(load(0, "openml"))
    assert openml.asked == []


def test_no_damage_to_the_copy_ever_gives_wrong_images(openml, tmp_path, monkeypatch):
    load(0, "openml")
    point_openml_to("http://127.0.0.1:9", monkeypatch)
    cache = tmp_path / CACHE
    good = cache.read_bytes()
    damaged = [good[:len(good) * i // 20] for i in range(20)]
    for position in np.linspace(0, len(good) - 1, 150).astype(int):
        flipped = bytearray(good)
        flipped[position] ^= 1 << (position % 8)
        damaged.append(bytes(flipped))
    noticed = 0
    for content in damaged:
        cache.write_bytes(content)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                assert_zeros(load(0, "openml"))  # as where the flipped bit is in a date
            except DataError:
                assert len(caught) == 1 and str(cache) in one_line(caught[0])
                noticed += 1
    assert noticed > 150


@pytest.mark.parametrize("pixels, told", [
    (PIXELS ^ 1, "checksum differs"),
    (PIXELS.reshape(13, 784), "other arrays than expected"),
], ids=["values", "shape"])
def test_a_copy_that_was_changed_is_not_used(openml, tmp_path, pixels, told):
    load(0, "openml")
    with np.load(tmp_path / CACHE) as kept:
        arrays = {**kept, "pixels": pixels}
    np.savez(tmp_path / CACHE, **arrays)
    with pytest.warns(DataWarning, match=told):
        assert_zeros(load(0, "openml"))


def test_a_cache_folder_that_cannot_be_made_costs_a_warning(openml, tmp_path):
    (tmp_path / "cache").write_text("not a folder")
    with pytest.warns(DataWarning, match="could not be kept") as caught:
        assert_zeros(load(0, "openml"))
    assert len(caught) == 1 and str(tmp_path / CACHE) in one_line(caught[0])


def test_a_copy_that_others_hold_for_a_moment_is_kept_all_the_same(openml, tmp_path, monkeypatch):
    def replace(source, target):
        held.append(target)
        if len(held) == 1:
            raise PermissionError(errno.EACCES, "Permission denied", str(target))
        return original(source, target)

    held, original = [], os.replace
    monkeypatch.setattr(os, "replace", replace)
    assert_zeros(load(0, "openml"))
    assert (tmp_path / CACHE).exists() and len(held) == 2


def test_a_full_disk_costs_a_warning_and_leaves_no_half_copy(openml, tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.warns(DataWarning, match=os.strerror(errno.ENOSPC)):
        assert_zeros(load(0, "openml"))
    assert list((tmp_path / CACHE).parent.iterdir()) == []


# scikit-learn's digits


def test_the_digits_are_enlarged_into_the_middle_of_mnists_frame():
    images = load("all", "digits")
    small = load_digits()
    assert images.source == "8×8 digits (scikit-learn)"
    assert images.x.dtype == np.float32 and images.x.shape == (1797, 1, 28, 28)
    assert np.array_equal(images.labels, small.target)
    assert images.x.min() == 0 and images.x.max() == 1
    middle = images.x[:, 0, 4:24, 4:24]
    assert middle.sum() == pytest.approx(images.x.sum())
    assert middle.mean() == pytest.approx(small.images.mean() / 16, rel=0.02)
    # Each pixel became 2.5 × 2.5: doubled again, 5 × 5. A shift by one would differ by 0.09
    shrunk = np.repeat(np.repeat(middle, 2, 1), 2, 2).reshape(-1, 8, 5, 8, 5).mean((2, 4))
    assert np.abs(shrunk - small.images / 16).mean() < 0.06
