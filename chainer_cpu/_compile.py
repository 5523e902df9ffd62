"""How kernels and loops are compiled: told before it happens, and kept on the disk."""

import contextlib
import functools
import hashlib
import os
import pathlib
import sys
import warnings

from numba import njit
from numba.core import caching, ccallback

_listeners = []  # what is called before something is compiled


@contextlib.contextmanager
def before_compiling(function):
    """A context in which function() is called once, when something is about to be compiled.

    It is not called where all that runs in the context is found on the disk.
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
    """A digest of this package's files: a kernel depends on more of them than its own."""
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
    """Numba's cache, for which a broken file counts as none, as does a disk without room."""

    _impl_class = _Impl

    def load_overload(self, sig, target_context):
        try:
            found = super().load_overload(sig, target_context)
        except Exception as error:  # a pickle that was cut can raise anything
            _warn(f"compiled code on the disk is broken, and is made anew ({self.cache_path}, "
                  f"{type(error).__name__})")
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
    """Compiled code on the disk could not be read or written; all goes on without."""


class _Interrupts:
    """Lets Ctrl-C stop a compilation: exceptions that ctypes swallows are raised at the end of it.

    LLVM calls Python back while it compiles. What a signal's handler raises there is printed as
    "ignored", and the program would go on.
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
    """Compiles a C function; its address is .address as long as the returned object lives."""
    code = ccallback.CFunc(function, (signature.args, signature.return_type), {},
                           {"error_model": "numpy"})
    code._cache = _with_cache(function)
    with _Interrupts():
        code.compile()
    return code


def compiled(signature, **options):
    """A decorator: compiles a function for one signature when it is first called, or by .made()."""
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
