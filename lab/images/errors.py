"""What there is to say of images that cannot be had, or are not what they seem."""


class DataError(Exception):
    """There are no images to train on. The message is an error message for the user."""


class DataPathError(DataError):
    """The path that the user gave is no folder, or holds nothing to train on."""


class DataWarning(UserWarning):
    """There are images, and something that the user has to know about them."""


class Unavailable(Exception):
    """A source has no images at present. The message is the reason, within a sentence."""
