"""Layers of a network in order, for code that computes them anew or counts their arithmetic."""

from typing import Any, NamedTuple

import chainer_cpu


class Layer(NamedTuple):
    """A layer: a link, then batch normalization, then an activation."""

    link: str                # its name in the network
    norm: str | None = None  # that of its batch normalization
    slope: float = 1         # values below 0 times this: 0 is ReLU, 0.2 leaky, 1 nothing
    tanh: bool = False


class Convolution(NamedTuple):
    """A layer with its weights, as a convolution of a square map (up: as a deconvolution)."""

    layer: Layer
    W: Any       # as Chainer has it: (out, in, ksize, ksize), and (in, out, ksize, ksize) of one up
    b: Any       # (out,), or (pixels, out) of a linear layer that makes a map
    norm: Any    # the link of the batch normalization, or None
    up: bool
    stride: int
    pad: int
    in_size: int
    out_size: int


def convolutions(network, layers: tuple[Layer, ...], size: int) -> list[Convolution]:
    """Returns the layers of a network, each as a Convolution, in a list.

    size: of the map that the network takes; a vector z is one pixel. A linear layer is the
    deconvolution of one pixel, which the batch normalization of its maps follows, or the
    convolution of a whole map into one pixel.
    """
    found = []
    for layer in layers:
        link: Any = network[layer.link]
        norm: Any = layer.norm and network[layer.norm]
        W, b, stride, pad = link.W.array, link.b.array, 1, 0
        if W.ndim == 4:
            up = isinstance(link, chainer_cpu.chainer.links.Deconvolution2D)
            stride, pad = link.stride[0], link.pad[0]
        elif up := size == 1:
            maps = len(norm.gamma.array)
            ksize = round((len(b) / maps) ** 0.5)
            W = W.reshape(maps, ksize, ksize, -1).transpose(3, 0, 1, 2)
            b = b.reshape(maps, -1).T
        else:
            W = W.reshape(len(b), -1, size, size)
        ksize = W.shape[2]
        out_size = (stride * (size - 1) + ksize - 2 * pad if up
                    else (size + 2 * pad - ksize) // stride + 1)
        found.append(Convolution(layer, W, b, norm, up, stride, pad, size, out_size))
        size = out_size
    return found
