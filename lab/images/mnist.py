"""The images of one digit: MNIST from IDX files or from OpenML, or scikit-learn's 8×8 digits.

The author trained on "MNIST original": all 70,000 images, 6,903 of them zeros. Both ways to MNIST
give these, training part first.
"""

import os
import warnings

from lab.images import digits, idx, openml
from lab.images.dataset import Images
from lab.images.errors import DataError, DataWarning
from lab.images.idx import FOUR_FILES

# Of all 54,880,000 pixels and then all 70,000 labels, in the order of those files and of OpenML.
MNIST_SHA256 = "c2069063c1105f2bf96266aef1ff68c6e13bdda7a54e37bf19c16f1db24efc83"
DIGITS = "8×8 digits (scikit-learn)"  # the source of those
# What --data names besides folders.
NAMES = ("auto", "openml", "digits")


def load(digit=0, data="auto"):
    """Return the Images of digit, 0 to 9 or "all", in their original order.

    data is a folder with MNIST's four IDX files (each plain or .gz; the plain one wins), or:

    - "openml": MNIST from the user's cache folder, or else from OpenML, and then kept there;
    - "digits": the 8×8 digits that come with scikit-learn, enlarged; needs no network;
    - "auto": the folder that the environment variable MNIST_DIR names; without it as "openml", and
      if that fails as "digits", with a DataWarning.

    Images that have the files' form but are not MNIST's
    (Fashion-MNIST has the same names) are loaded with a DataWarning. Raises DataPathError if the
    folder is not one of IDX files, DataError if the images cannot be had or if there are fewer
    than two of the digit.
    """
    pixels, labels, source = _read(data)
    return Images(pixels.reshape(-1, 1, 28, 28), labels, source).of(digit)


def settled(data, images):
    """What names the images again that data has given: "auto" becomes what it has found.

    So a run that goes on does not ask the network for what it did without.
    """
    if data != "auto" or os.environ.get("MNIST_DIR"):
        return data
    return "digits" if images.source == DIGITS else "openml"


def _read(data):
    """All images of data: pixels uint8 (n, 28, 28), labels uint8 (n,), and the source."""
    if data == "digits":
        return *digits.read(), DIGITS
    if data == "auto" and os.environ.get("MNIST_DIR"):
        return _checked("IDX files", os.environ["MNIST_DIR"],
                        *idx.read(os.environ["MNIST_DIR"], "MNIST_DIR"))
    if data not in NAMES:
        return _checked("IDX files", data, *idx.read(os.fspath(data), "--data"))
    try:
        return _checked("OpenML", openml.cache_file(), *openml.read())
    except openml.Unavailable as reason:
        if data == "openml":
            raise DataError(f"MNIST could not be fetched from OpenML (--data openml, {reason}); "
                            "try again later, or offline use --data PATH, a folder with "
                            f"{FOUR_FILES}, or --data digits") from reason
        warnings.warn(f"MNIST could not be fetched from OpenML ({reason}); using scikit-learn's "
                      "8×8 digits instead; for MNIST, start again online or give --data PATH, a "
                      f"folder with {FOUR_FILES}", DataWarning)
        return _read("digits")


def _checked(origin, place, pixels, labels):
    """The pixels, the labels and their source in words; warns if they are not MNIST's."""
    if openml.sha256(pixels, labels) == MNIST_SHA256:
        return pixels, labels, f"MNIST ({origin})"
    warnings.warn(f"the images are not the known MNIST ({place}, unknown checksum); they are used "
                  "all the same", DataWarning)
    return pixels, labels, f"{origin} (not the known MNIST)"
