"""Compiles kernels, keeps them on the disk, and tells who listens before it begins."""

import contextlib
import functools
import hashlib
import os
import pathlib
import sys
import warnings
from collections.abc import Callable, Iterator

from numba import njit
from numba.core import caching, ccallback

_listeners = []  # functions to call before the next compilation


@contextlib.contextmanager
def before_compiling(function: Callable[[], object]) -> Iterator[None]:
    """Calls function() once within the context, before the first compilation.

    Does not call it if everything that runs in the context is found on the disk.
    """
    _listeners.append(function)
    try:
        yield
    finally:
        if function in _listeners:
            _listeners.remove(function)


def _tell():
    while _listeners:
        _listeners.pop()()


@functools.cache
def _source_stamp():
    """Digests this package's files: a kernel depends on more of them than its own."""
    digest = hashlib.sha256()
    for path in sorted(pathlib.Path(__file__).parent.glob("*.py")):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.digest()


class _OfThePackage:
    def get_source_stamp(self):
        return _source_stamp()

    @classmethod
    def from_function(cls, py_func, py_file):
        # Without a home Numba would make a folder called ~.
        if issubclass(cls, caching.UserWideCacheLocator) and os.path.expanduser("~") == "~":
            return None
        return super().from_function(py_func, py_file)


class _Impl(caching.CompileResultCacheImpl):
    _locator_classes: list = [type(locator.__name__, (_OfThePackage, locator), {}) for locator in (
        caching.UserProvidedCacheLocator, caching.InTreeCacheLocator,
        caching.UserWideCacheLocator)]


class _Cache(caching.FunctionCache):
    """Numba's cache, but a broken file or a full disk is a warning and no error."""

    _impl_class = _Impl

    def load_overload(self, sig, target_context):
        try:
            found = super().load_overload(sig, target_context)
        except Exception:  # a pickle that was cut can raise anything
            _warn(f"compiled code on the disk is broken, and is made anew ({self.cache_path})")
            with contextlib.suppress(OSError):
                self.flush()
            found = None
        return _tell() if found is None else found

    def save_overload(self, sig, data):
        try:
            super().save_overload(sig, data)
        except OSError as error:
            _warn(f"compiled code cannot be kept, each start compiles anew ({self.cache_path}, "
                  f"{error.strerror})")


@functools.cache
def _warn(message):
    warnings.warn(message, CacheWarning, stacklevel=2)


class _NoCache(caching.NullCache):
    def load_overload(self, sig, target_context):
        return _tell()


def _with_cache(function):
    try:
        return _Cache(function)
    except RuntimeError:  # neither this folder nor the user's own can be written to
        return _NoCache()


class CacheWarning(RuntimeWarning):
    """Compiled code could not be read from the disk or written to it; the program goes on."""


class _Interrupts:
    """Lets Ctrl-C stop a compilation: raises at its end the exceptions that ctypes swallowed.

    LLVM calls back into Python while it compiles. If a signal's handler raises there, ctypes prints
    the exception as "ignored", and the program would go on.
    """

    def __enter__(self):
        self.swallowed, self.before = None, sys.unraisablehook
        sys.unraisablehook = self._note

    def _note(self, unraisable):
        if isinstance(unraisable.exc_value, Exception) or unraisable.exc_value is None:
            self.before(unraisable)
        else:
            self.swallowed = unraisable.exc_value

    def __exit__(self, *_):
        sys.unraisablehook = self.before
        if self.swallowed is not None:
            raise self.swallowed


def callback(function, signature):
    """Compiles a C function. Its .address is valid as long as the returned object lives."""
    code = ccallback.CFunc(function, (signature.args, signature.return_type), {},
                           {"error_model": "numpy"})
    code._cache = _with_cache(function)
    with _Interrupts():
        code.compile()
    return code


def compiled(signature, **options):
    """Decorates a function that is compiled for one signature at its first call, or by .made()."""
    def decorate(function):
        @functools.cache
        def made():
            dispatcher = njit(**options)(function)
            dispatcher._cache = _with_cache(function)
            with _Interrupts():
                dispatcher.compile(signature)
            dispatcher.disable_compile()
            return dispatcher

        @functools.wraps(function)
        def call(*args):
            return made()(*args)

        call.made = made
        return call
    return decorate
