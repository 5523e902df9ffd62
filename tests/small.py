"""Makes networks an eighth as wide, for tests of what happens around them."""

import contextlib
import types
from unittest import mock

import dcgan
from chainer_cpu import functions as F
from chainer_cpu import links as L
from lab.networks import paper


def narrow(link):
    """Returns link with every size that is a multiple of 64, a number of maps, divided by 8."""
    return lambda *sizes, **options: link(*(n // 8 if n % 64 == 0 else n for n in sizes), **options)


LINKS = types.SimpleNamespace(**{name: narrow(getattr(L, name)) for name in (
    "Linear", "Convolution2D", "Deconvolution2D", "BatchNormalization")})
FUNCTIONS = types.SimpleNamespace(**vars(F))
FUNCTIONS.reshape = lambda h, shape: F.reshape(h, (shape[0], -1, *shape[2:]))


@contextlib.contextmanager
def networks():
    """Makes all networks small that are built within this context."""
    with contextlib.ExitStack() as stack:
        for module in dcgan, paper:
            stack.enter_context(mock.patch.multiple(module, L=LINKS, F=FUNCTIONS))
        yield
