"""Backpropagation through a whole graph, in which a normalization and its ReLU are one."""

import collections
from collections.abc import Sequence

import numpy as np

from chainer_cpu._activation import ReLU
from chainer_cpu._compat import import_chainer
from chainer_cpu._maps import added
from chainer_cpu._node import FirstOrder, plain_variable
from chainer_cpu._normalization import BatchNormalization
from chainer_cpu._queue import queue

chainer = import_chainer()


def grad(outputs: Sequence, inputs: Sequence, grad_outputs: Sequence | None = None,
         grad_inputs: Sequence | None = None, set_grad: bool = False, retain_grad: bool = False,
         enable_double_backprop: bool = False, loss_scale: float | None = None) -> list:
    """Chainer's grad: takes its arguments and gives its values to the last bit, but for NaN.

    With one output and no further options, skips the gradient between a normalization and the ReLU
    behind it where nobody asks for it: that saves reading and writing it.
    """
    path = []
    if (grad_outputs is None and grad_inputs is None and loss_scale is None
            and not retain_grad and not enable_double_backprop
            and _are_variables(outputs) and len(outputs) == 1 and _are_variables(inputs)):
        path = _path(outputs[0], inputs)
    if (not path or chainer.get_function_hooks() or chainer.is_debug()
            or not all(_is_plain(function) for function in path)):
        return chainer.grad(outputs, inputs, grad_outputs, grad_inputs, set_grad, retain_grad,
                            enable_double_backprop, loss_scale)
    found = _backpropagate(outputs[0], path, {x.node for x in inputs})
    gradients = [None if g is None else plain_variable(g)
                 for g in (found.get(x.node) for x in inputs)]
    if set_grad:
        for x, gradient in zip(inputs, gradients, strict=True):
            x.grad_var = gradient
    return gradients


def _are_variables(given):
    return isinstance(given, (tuple, list)) and all(isinstance(x, chainer.Variable) for x in given)


def _is_plain(function):
    return (isinstance(function, FirstOrder) or type(function).backward_accumulate
            is chainer.FunctionNode.backward_accumulate) and not function._n_local_function_hooks


def _path(output, inputs):
    """Lists the functions between the inputs and the output, from the inputs on."""
    functions, waiting = {}, [output.creator_node]
    while waiting:
        function = waiting.pop()
        if function is not None and function not in functions:
            functions[function] = function.rank
            waiting += [x.creator_node for x in function.inputs if x.requires_grad]
    reached, path = {x.node for x in inputs}, []
    for function in sorted(functions, key=functions.get):
        if not reached.isdisjoint(function.inputs):
            path.append(function)
            reached.update(y() for y in function.outputs)
    return path


def _backpropagate(output, path, wanted):
    """Computes the gradients of one output: a dict from wanted nodes to arrays."""
    reached = wanted | {y() for function in path for y in function.outputs}
    users = collections.Counter(x for function in path for x in function.inputs)
    gradients = {output.node: np.ones_like(output.array)}
    done = set()
    with chainer.using_config("enable_backprop", False), queue():
        for function in reversed(path):
            if function in done:
                continue
            gys = [gradients.get(y()) for y in function.outputs]
            if all(gy is None for gy in gys):
                continue
            for y in function.outputs:
                if y() not in wanted:
                    gradients.pop(y(), None)
            options, between = {}, function.inputs[0]
            if (isinstance(function, ReLU) and isinstance(between.creator_node, BatchNormalization)
                    and users[between] == 1 and between not in wanted):
                options["slope"] = function.slope
                function = between.creator_node
                done.add(function)
            indexes = tuple(i for i, x in enumerate(function.inputs) if x in reached)
            if isinstance(function, FirstOrder):
                found = function.checked_gradients(indexes, gys[0], **options)
            else:
                queue().flush()
                found = [None if g is None else g.array for g in function._backward_target_inputs(
                    indexes, tuple(None if gy is None else plain_variable(gy)
                                   for gy in gys))]
            for i, gx in zip(indexes, found, strict=True):
                x = function.inputs[i]
                if gx is not None:
                    gradients[x] = added(gradients[x], gx) if x in gradients else gx
        queue().flush()  # also within deferred(): the caller will read the gradients
    return gradients
