"""Chainer's optimizers, with an Adam that updates a parameter in one pass over memory."""

import numpy as np

from chainer_cpu import _kernels, _workers
from chainer_cpu._compat import import_chainer

chainer = import_chainer()

import chainer.optimizers as stock  # noqa: E402
from chainer.optimizers import *  # noqa: E402, F401, F403
from chainer.optimizers.adam import AdamRule as StockAdamRule  # noqa: E402


class AdamRule(StockAdamRule):
    """Chainer's rule and state, m and v. AMSGrad, AdaBound and weight decay are Chainer's own."""

    def update_core_cpu(self, param):
        hp, arrays = self.hyperparam, (param.array, param.grad, self.state["m"], self.state["v"])
        if (hp.amsgrad or hp.adabound or hp.weight_decay_rate or any(a is None for a in arrays)
                or {a.dtype for a in arrays} != {np.dtype(np.float32)}
                or not all(a.flags.writeable for a in arrays if a is not param.grad)):
            return super().update_core_cpu(param)
        self._check_eps(np.float32)
        # All four flat, in the order in which the parameter lies.
        order = np.argsort([-stride for stride in param.array.strides], kind="stable")
        if not param.array.transpose(order).flags.c_contiguous:
            return super().update_core_cpu(param)
        flat = []
        for name, array in zip((None, None, "m", "v"), arrays):
            ordered = array.transpose(order)
            if not ordered.flags.c_contiguous:
                ordered = np.ascontiguousarray(ordered)
                if name:
                    self.state[name] = ordered.transpose(np.argsort(order))
            flat.append(ordered.reshape(-1))
        settings = np.array((hp.eta * self.alpha_t, 1 - hp.beta1, 1 - hp.beta2, hp.eps), np.float32)
        _workers.run(_kernels.ADAM, param.size, (*flat, settings))


class Adam(stock.Adam):
    """Chainer's Adam: its arguments, its formula, its state."""

    def create_update_rule(self):
        return AdamRule(self.hyperparam)
