"""The base of the fast function nodes."""

import weakref

from chainer_cpu._compat import import_chainer
from chainer_cpu._queue import check, queue

chainer = import_chainer()

from chainer.utils import type_check  # noqa: E402


def plain_variable(array, requires_grad=False):
    """Returns a Variable of a NumPy array, without Chainer's checks."""
    return chainer.Variable._init_unchecked(
        array, requires_grad=requires_grad, is_chainerx_array=False)


class _Waiting(chainer.Variable):
    """A Variable whose numbers are in its thread's queue until that thread reads them."""

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
    """Mixed into a FunctionNode with one output: checks gradients, then computes with addresses.

    Subclasses define ``values(inputs)``, which returns the output of input arrays, and
    ``gradients(indexes, gy)``, which yields the gradients of the inputs with those indexes. The
    numbers of both may still be in the queue.

    backward raises RuntimeError where Chainer asks for gradients of second order. A gradient of
    another dtype is converted to the output's; results have the output's dtype, but those of the
    inputs in ``follows`` have the gradient's, as Chainer's. With ``floating`` it must be a float's.
    """

    follows: tuple[int, ...] = ()
    floating = False
    ticket = None  # of the queue in which the output is computed

    def apply(self, inputs):
        if chainer.get_function_hooks() or self._n_local_function_hooks or chainer.is_debug():
            y, = super().apply(inputs)
        else:
            y = self._apply([chainer.as_variable(x) for x in inputs])
        self.output = y.shape, y.dtype
        return y,

    def forward(self, inputs):
        """Returns the output computed: Chainer's apply calls this, and it or its hooks read it."""
        with queue():
            y = self.values(inputs)
            queue().flush()
        return y,

    def _apply(self, inputs):
        """Does what Chainer's apply does for one output, after ``functions.is_fast`` said yes."""
        for x in inputs:
            if type(x) is _Waiting:
                check(x.ticket)
        arrays = [x._data[0] for x in inputs]  # x.array would run the queue
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
        """Lists what ``gradients`` yields, for gy of any dtype. The queue must be open."""
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
