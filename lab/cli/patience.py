"""Files that another program holds for a moment."""

import time
from collections.abc import Callable
from typing import TypeVar

PATIENCE = 2  # seconds
Result = TypeVar("Result")


def patiently(function: Callable[..., Result], *arguments, **named) -> Result:
    """Calls function, again for PATIENCE seconds while it raises PermissionError.

    A virus scanner or a sync client opens a file that was just written, and Windows refuses to
    replace or remove it meanwhile.
    """
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return function(*arguments, **named)
        except PermissionError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)
