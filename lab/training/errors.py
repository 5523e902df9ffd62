"""Errors of a training. Each message is for the user."""


class UsageError(Exception):
    """The flags ask for something impossible: exit code 2."""


class ProcessesError(Exception):
    """The processes cannot work together."""


class Diverged(ArithmeticError):
    """A loss or a gradient is NaN or infinite; the message says which."""
