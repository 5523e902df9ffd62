"""Chainer's links, with fast ones in the place of those that the post's networks spend time in.

They are Chainer's links, with its arguments, parameters and initial values (drawn in the same order
from NumPy's global generator), that call the functions of ``chainer_cpu.functions``. Weights saved
from one kind load into the other.
"""

import numpy as np

from chainer_cpu import functions
from chainer_cpu._compat import import_chainer

chainer = import_chainer()

import chainer.links as stock  # noqa: E402
from chainer.links import *  # noqa: E402, F401, F403


class Linear(stock.Linear):
    def forward(self, x, n_batch_axes=1):
        if self.W.array is None:
            self._initialize_params(int(np.prod(x.shape[n_batch_axes:])))
        return functions.linear(x, self.W, self.b, n_batch_axes=n_batch_axes)


class _TapMajor:
    """Stores W, (out, in, kh, kw) or (in, out, kh, kw), in the order that the products read."""

    def _initialize_params(self, in_channels):
        super()._initialize_params(in_channels)
        if self.W.layout is None and isinstance(self.W.array, np.ndarray):
            self.W.array = np.ascontiguousarray(
                self.W.array.transpose(2, 3, 0, 1)).transpose(2, 3, 0, 1)


class Convolution2D(_TapMajor, stock.Convolution2D):
    def forward(self, x):
        if self.W.layout is not None:  # of a channel-last compute mode
            return super().forward(x)
        if self.W.array is None:
            self._initialize_params(x.shape[1])
        return functions.convolution_2d(x, self.W, self.b, self.stride, self.pad,
                                        dilate=self.dilate, groups=self.groups)


class Deconvolution2D(_TapMajor, stock.Deconvolution2D):
    def forward(self, x):
        if self.W.layout is not None:
            return super().forward(x)
        if self.W.array is None:
            self._initialize_params(x.shape[1])
        return functions.deconvolution_2d(x, self.W, self.b, self.stride, self.pad, self.outsize,
                                          dilate=self.dilate, groups=self.groups)


class BatchNormalization(stock.BatchNormalization):
    """With ``comm``, a ChainerMN communicator or None, x is this process's share of a batch.

    The statistics are then those of the whole batch, as in ChainerMN's MultiNodeBatchNormalization:
    all processes must call the link together. Gradients are the share's: their sum over the
    processes is the batch's. A copy of the link has no communicator.
    """

    comm = None

    def __init__(self, *args, comm=None, **kwargs):
        super().__init__(*args, **kwargs)
        self.comm = comm

    def copy(self, mode="share"):
        # Processes need not call a copy together.
        comm, self.comm = self.comm, None
        try:
            return super().copy(mode)
        finally:
            self.comm = comm

    def forward(self, x, **kwargs):
        if (not chainer.config.train or chainer.config.in_recomputing or kwargs
                or self.gamma is None or self.beta is None or self.avg_mean is None):
            if self.comm is not None and chainer.config.train:
                raise NotImplementedError("batch statistics over several processes, for this call")
            return super().forward(x, **kwargs)
        return functions.batch_normalization(
            x, self.gamma, self.beta, eps=self.eps, running_mean=self.avg_mean,
            running_var=self.avg_var, decay=self.decay, axis=self.axis, comm=self.comm)
