"""What every fast function node has in common."""

import weakref

from chainer_cpu._compat import import_chainer
from chainer_cpu._queue import check, queue

chainer = import_chainer()

from chainer.utils import type_check  # noqa: E402


def plain_variable(array, requires_grad=False):
    """Chainer's Variable of a NumPy array, without a look at whether it is one."""
    return chainer.Variable._init_unchecked(
        array, requires_grad=requires_grad, is_chainerx_array=False)


class _Waiting(chainer.Variable):
    """A variable whose numbers wait in a thread's queue until that thread looks at them."""

    @property
    def raw_array(self):
        check(self.ticket)
        queue().flush()
        return self._data[0]

    def __copy__(self):
        check(self.ticket)
        queue().flush()
        return super().__copy__()


class FirstOrder:
    """Mixed into a FunctionNode with one output: checks gradients before they are addresses.

    Subclasses have ``values``, which makes the output of inputs, arrays, and ``gradients``, which
    yields those of the inputs that are asked for. What either makes may wait in a queue.

    Refuses what a silent None would get wrong. A gradient of another dtype is taken over into that
    of the output, which the results then have too, but for those of the inputs in ``follows``:
    they have the gradient's, as Chainer's. ``floating`` says that it must be a float's.
    """

    follows: tuple[int, ...] = ()
    floating = False
    ticket = None  # of the queue in which the output may wait

    def apply(self, inputs):
        if chainer.get_function_hooks() or self._n_local_function_hooks or chainer.is_debug():
            y, = super().apply(inputs)
        else:
            y = self._apply([chainer.as_variable(x) for x in inputs])
        self.output = y.shape, y.dtype
        return y,

    def forward(self, inputs):
        """For Chainer's apply, which may look at the output, or has hooks that do."""
        with queue():
            y = self.values(inputs)
            queue().flush()
        return y,

    def _apply(self, inputs):
        """What Chainer's apply does for one output where ``functions.is_fast`` has looked."""
        for x in inputs:
            if type(x) is _Waiting:
                check(x.ticket)
        arrays = [x._data[0] for x in inputs]  # x.array would look at it
        with queue():
            array = self.values(arrays)
        y = plain_variable(array, any([x.requires_grad for x in inputs]))
        self._input_layouts, self._output_layouts = (None,) * len(inputs), (None,)
        self._output_count = 1
        if chainer.config.enable_backprop:
            self.rank = max([x.rank for x in inputs])
            y.creator_node = self
            self.inputs = tuple([x.node for x in inputs])
            self.outputs = weakref.ref(y.node),
            for i in self._input_indexes_to_retain or ():
                self.inputs[i].data = arrays[i]
            if self._output_indexes_to_retain is not None:
                y.node.data = array
                self._retained_output_data = array,
            self.lazy_grad_sum = chainer.config.lazy_grad_sum
        if queue().depth:
            y.__class__ = _Waiting
            y.ticket = self.ticket = queue().ticket()
        return y

    def backward(self, indexes, grad_outputs):
        if chainer.config.enable_backprop:
            raise RuntimeError(
                f"no second-order gradients ({self.label}, enable_double_backprop=True); "
                "use Chainer's own functions and links for this network")
        with queue():
            found = self.checked_gradients(indexes, grad_outputs[0].array)
            queue().flush()
        return tuple([plain_variable(g) for g in found])

    def checked_gradients(self, indexes, gy, **options):
        """What ``gradients`` yields, arrays, for a gradient of any dtype. The queue is open."""
        if self.ticket is not None:
            check(self.ticket)
        shape, dtype = self.output
        if gy.shape != shape:
            raise ValueError(f"a gradient of shape {gy.shape} for an output of shape {shape} "
                             f"({self.label})")
        if gy.dtype == dtype:
            return list(self.gradients(indexes, gy, **options))
        if self.floating:
            type_check.expect(type_check.get_types((gy,), "gy", False)[0].dtype.kind == "f")
        queue().flush()
        found = list(self.gradients(indexes, gy.astype(dtype), **options))
        queue().flush()
        return [g.astype(gy.dtype if i in self.follows else dtype, copy=False)
                for i, g in zip(indexes, found, strict=True)]
