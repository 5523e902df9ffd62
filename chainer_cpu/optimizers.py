"""Chainer's optimizers, with an Adam that updates all parameters in one pass over memory."""

import numpy as np

from chainer_cpu import _kernels, _workers
from chainer_cpu._compat import import_chainer
from chainer_cpu._maps import is_pixel_major

chainer = import_chainer()

import chainer.optimizers as stock  # noqa: E402
from chainer.optimizers import *  # noqa: E402, F401, F403
from chainer.optimizers.adam import AdamRule as StockAdamRule  # noqa: E402


class AdamRule(StockAdamRule):
    """Chainer's rule and state, m and v. AMSGrad, AdaBound and weight decay are Chainer's own."""

    def update_core_cpu(self, param):
        arrays = self.arrays(param)
        if arrays is None:
            super().update_core_cpu(param)
        else:
            _update(self, [arrays])

    def arrays(self, param):
        """The parameter, its gradient, m and v, which lie alike in memory; or None."""
        hp, array, grad, state = self.hyperparam, param.array, param.grad, self.state
        if (hp.amsgrad or hp.adabound or hp.weight_decay_rate or grad is None
                or not _is_dense(array)):
            return None
        for name in "mv":
            if state[name].strides != array.strides:  # as it comes from a checkpoint
                state[name] = _alike(state[name], array)
        if grad.strides != array.strides:
            grad = _alike(grad, array)
        arrays = array, grad, state["m"], state["v"]
        is_fast = all(a.dtype == np.float32 and a.flags.writeable or a is grad for a in arrays)
        return arrays if is_fast and grad.dtype == np.float32 else None


def _is_dense(array):
    """Whether its numbers lie in a row, in one of the two orders that ours have."""
    return array.flags.c_contiguous or is_pixel_major(array)


def _alike(x, model):
    """A copy of x that lies in memory as model does."""
    copy = np.empty_like(model, dtype=x.dtype)
    copy[...] = x
    return copy


def _update(rule, arrays):
    hp = rule.hyperparam
    rule._check_eps(np.float32)
    settings = np.array((hp.eta * rule.alpha_t, 1 - hp.beta1, 1 - hp.beta2, hp.eps), np.float32)
    _workers.run(_kernels.ADAM, sum(row[0].size for row in arrays), (settings,), (),
                 (_workers.addresses(arrays),))
    _workers.queue.flush()


class Adam(stock.Adam):
    """Chainer's Adam: its arguments, its formula, its state."""

    def create_update_rule(self):
        return AdamRule(self.hyperparam)

    def update(self, lossfun=None, *args, **kwds):
        """Chainer's update. Where there is nothing out of the ordinary, in one go."""
        params = list(self.target.params())
        if lossfun is None and self._is_plain(params):
            arrays = [param.update_rule.arrays(param) for param in params]
            if None not in arrays:
                self.t += 1
                for param in params:
                    param.update_rule.t += 1
                return _update(params[0].update_rule, arrays)
        super().update(lossfun, *args, **kwds)

    def _is_plain(self, params):
        """Whether every parameter has the same rule, no hook, no scale and a state."""
        hookables = [self._hookable, *(param.update_rule._hookable for param in params)]
        return (not any(h._pre_update_hooks or h._post_update_hooks for h in hookables)
                and not self._loss_scaling_is_dynamic
                and all(type(param.update_rule) is AdamRule and param.update_rule.enabled
                        and vars(param.update_rule.hyperparam).keys() == {"_parent"}
                        and param.update_rule.t == params[0].update_rule.t
                        and param.update_rule.state and param._loss_scale is None
                        for param in params))


def not_finite(params):
    """Of each parameter, how many numbers in its gradient are NaN or infinite: int64.

    A parameter that has no gradient, since the loss does not depend on it, has none of them.
    """
    counts, places, fast = np.zeros(len(params), np.int64), [], []
    for i, param in enumerate(params):
        gradient = param.grad
        if gradient is None:
            continue
        if gradient.dtype == np.float32 and _is_dense(gradient):
            places.append(i)
            fast.append(gradient)
        else:
            counts[i] = np.count_nonzero(~np.isfinite(gradient))
    if fast:
        found = np.zeros(len(fast), np.int64)
        _workers.run(_kernels.NOT_FINITE, sum(g.size for g in fast) // 8, (fast[0].ravel("K"),), (),
                     (_workers.addresses([(g,) for g in fast]), found))
        _workers.queue.flush()
        counts[places] = found
    return counts
