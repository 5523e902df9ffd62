"""Errors and warnings about images."""


class DataError(Exception):
    """There are no images to train on. The message is an error message for the user."""


class DataPathError(DataError):
    """The path that the user gave is no folder, or holds nothing to train on."""


class DataWarning(UserWarning):
    """The user has to know something about the images."""


class Unavailable(Exception):
    """A source has no images at present. The message is the reason, within a sentence."""
