"""What there is to say about images that cannot be had, or that are not what they seem."""


class DataError(Exception):
    """There are no images to train on; the message is one line for the user."""


class DataPathError(DataError):
    """The folder that was named does not exist, is not a folder, or holds none of the IDX files."""


class DataWarning(UserWarning):
    """Images were found, but the user has to know something about them; one line."""


class Unavailable(Exception):
    """A source of images gives none at present; the message is the reason."""
