"""Networks an eighth as wide, for tests of what happens around them."""

import types

from chainer_cpu import functions as F
from chainer_cpu import links as L


def narrow(link):
    """Returns a link whose numbers of maps, the multiples of 64, are divided by 8."""
    return lambda *sizes, **options: link(*(n // 8 if n % 64 == 0 else n for n in sizes), **options)


LINKS = types.SimpleNamespace(**{name: narrow(getattr(L, name)) for name in (
    "Linear", "Convolution2D", "Deconvolution2D", "BatchNormalization")})
FUNCTIONS = types.SimpleNamespace(**vars(F))
FUNCTIONS.reshape = lambda h, shape: F.reshape(h, (shape[0], -1, *shape[2:]))
