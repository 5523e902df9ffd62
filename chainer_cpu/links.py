"""Chainer's links, as they are."""

from chainer_cpu._compat import import_chainer

import_chainer()

from chainer.links import *  # noqa: E402, F401, F403
