"""Chainer's optimizers, with an Adam that updates all parameters in one pass over memory."""

import numpy as np
from numba import carray

from chainer_cpu._compat import import_chainer
from chainer_cpu._intrinsics import add, pointer
from chainer_cpu._kernels import floats, helper, indexes, kernel
from chainer_cpu._maps import is_pixel_major
from chainer_cpu._queue import addresses, queue, run

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
            _update(self, [(*arrays, None)])

    def arrays(self, param):
        """Returns the parameter, its gradient, m and v, with equal strides; or None."""
        hp, array, grad, state = self.hyperparam, param.array, param.grad, self.state
        if (hp.amsgrad or hp.adabound or hp.weight_decay_rate or grad is None
                or not _is_dense(array)):
            return None
        for name in "mv":
            if state[name].strides != array.strides:  # after a checkpoint was loaded
                state[name] = _alike(state[name], array)
        if grad.strides != array.strides:
            grad = _alike(grad, array)
        arrays = array, grad, state["m"], state["v"]
        is_fast = all(a.dtype == np.float32 and a.flags.writeable or a is grad for a in arrays)
        return arrays if is_fast and grad.dtype == np.float32 else None


def _is_dense(array):
    """Whether the array is contiguous, in one of the two orders that our arrays have."""
    return array.flags.c_contiguous or is_pixel_major(array)


def _alike(x, model):
    """Returns a copy of x with the strides of model."""
    copy = np.empty_like(model, dtype=x.dtype)
    copy[...] = x
    return copy


@helper
def _overlap(begin, end, place, size):
    """Returns which of the size numbers from place on a share from begin to end has."""
    return max(begin - place, 0), min(end - place, size)


# Numbers of a parameter that are updated before they are averaged: they are still in the cache.
_BLOCK = 2048


@kernel
def _adam(share, shares, job):
    """Adam's update of many parameters, and of an average of each, in one pass over memory.

    table is (n, 6): the addresses of a parameter, its gradient, m, v and average, and their size.
    Where the gradient is 0 the parameter is not updated, where the average is 0 none is.
    settings: step size, 1 - beta1, 1 - beta2, eps, 1 - the average's decay.
    """
    table, settings = indexes(job, 0), floats(job, 0)
    step, rate1, rate2, eps, rate = settings[0], settings[1], settings[2], settings[3], settings[4]
    table = table.reshape((-1, 6))
    total = table[:, 5].sum()
    begin, end, place = total * share // shares, total * (share + 1) // shares, 0
    for row in table:
        low, high = _overlap(begin, end, place, row[5])
        place += row[5]
        for first in range(low, high, _BLOCK):
            last = min(first + _BLOCK, high)
            param = carray(pointer(row[0]), row[5], settings.dtype)[first:last]
            if row[1]:
                grad = carray(pointer(row[1]), row[5], settings.dtype)[first:last]
                m = carray(pointer(row[2]), row[5], settings.dtype)[first:last]
                v = carray(pointer(row[3]), row[5], settings.dtype)[first:last]
                for i in range(len(param)):
                    m[i] += rate1 * (grad[i] - m[i])
                    v[i] += rate2 * (grad[i] * grad[i] - v[i])
                    param[i] -= step / (np.sqrt(v[i]) + eps) * m[i]
            if row[4]:
                # In this form rounding leaves the average of a constant parameter constant, however
                # near decay is to 1.
                average = carray(pointer(row[4]), row[5], settings.dtype)[first:last]
                for i in range(len(param)):
                    average[i] += rate * (param[i] - average[i])


def _update(rule, rows, decay=1):
    """Runs the kernel. A row is a parameter, its gradient, m, v, and its average or None."""
    hp = rule.hyperparam
    rule._check_eps(np.float32)
    settings = np.array((hp.eta * rule.alpha_t, 1 - hp.beta1, 1 - hp.beta2, hp.eps, 1 - decay),
                        np.float32)
    run(_adam, sum(row[0].size for row in rows), (settings,), (), (addresses(rows),))
    queue().flush()


class Adam(stock.Adam):
    """Chainer's Adam: its arguments, its formula, its state."""

    def create_update_rule(self):
        return AdamRule(self.hyperparam)

    def update(self, lossfun=None, *args, **kwds):
        """Chainer's update, in one kernel unless the optimizer is out of the ordinary."""
        arrays = self._begin() if lossfun is None else None
        if arrays is None:
            super().update(lossfun, *args, **kwds)
        else:
            self._finish([(*row, None) for row in arrays])

    def update_and_average(self, average, decay: float) -> None:
        """Updates the target by its gradients, then moves average, a network like it, towards it.

        Each parameter and each running statistic (a persistent array of floats) of average becomes
        decay * average + (1 - decay) * target, with the target's numbers after the update; those
        are to the last bit what update() leaves. decay lies between 0, which makes the two equal
        but for rounding, and 1, which leaves average as it is.
        Raises ValueError, before anything is changed, if decay lies elsewhere, or if the networks
        differ in names, shapes or dtypes or share an array.
        """
        if not 0 <= decay <= 1:
            raise ValueError(f"decay is {decay}, not between 0 and 1")
        pairs = _pairs(self.target, average)
        arrays = self._begin()
        if arrays is None:
            super().update()
        updates, rows, others = {id(row[0]): row for row in arrays or ()}, [], []
        for own, mean in pairs:
            row = updates.pop(id(own), (own, None, None, None))
            if (own.dtype == np.float32 and _is_dense(own) and own.strides == mean.strides
                    and mean.flags.writeable):
                rows.append((*row, mean))
            else:
                others.append((own, mean))
                if row[1] is not None:
                    rows.append((*row, None))
        if rows:
            self._finish(rows, decay)
        for own, mean in others:
            mean += mean.dtype.type(1 - decay) * (own - mean)

    def _begin(self):
        """Counts an update. Returns AdamRule.arrays of each parameter; None: Chainer's turn."""
        params = list(self.target.params())
        if not self._is_plain(params):
            return None
        arrays = [param.update_rule.arrays(param) for param in params]
        if None in arrays:
            return None
        self.t += 1
        for param in params:
            param.update_rule.t += 1
        return arrays

    def _finish(self, rows, decay=1):
        _update(next(self.target.params()).update_rule, rows, decay)

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


def _pairs(network, other):
    """Pairs the parameters and running statistics of two networks by name."""
    found, others = _arrays(network), _arrays(other)
    if found.keys() != others.keys():
        raise ValueError(f"networks differ: {min(found.keys() ^ others.keys())} is in one only")
    for name, x in found.items():
        y = others[name]
        if x is y:
            raise ValueError(f"networks share {name}: average a copy")
        if x is None or y is None or x.shape != y.shape or x.dtype != y.dtype:
            raise ValueError(f"networks differ: {name} is {_kind(x)} in one, "
                             f"{_kind(y)} in the other")
    return [(x, others[name]) for name, x in found.items()]


def _arrays(network):
    found = {name: param.array for name, param in network.namedparams()}
    for path, link in network.namedlinks():
        for name in link._persistent:
            value = getattr(link, name)
            if isinstance(value, np.ndarray) and value.dtype.kind == "f":
                found[f"{path.rstrip('/')}/{name}"] = value
    return found


def _kind(x):
    return "not initialized" if x is None else f"{x.dtype} {x.shape}"


@kernel
def _not_finite(share, shares, job):
    """Adds to counts the number of NaNs and infinities in each array.

    table is (n, 2): address and size of an array, all of which have the dtype of ``like``.
    """
    table, counts, like = indexes(job, 0), indexes(job, 1), floats(job, 0)
    infinity = like.dtype.type(np.inf)
    table = table.reshape((-1, 2))
    total = table[:, 1].sum()
    begin, end, place = total * share // shares, total * (share + 1) // shares, 0
    for p in range(len(table)):
        size = table[p, 1]
        low, high = _overlap(begin, end, place, size)
        place += size
        if low < high:
            x = carray(pointer(table[p, 0]), size, like.dtype)[low:high]
            found = 0
            for i in range(len(x)):
                found += not abs(x[i]) < infinity
            if found:
                add(counts.ctypes.data + 8 * p, found)


def not_finite(params) -> np.ndarray:
    """Counts the NaNs and infinities in each parameter's gradient: int64, one for each parameter.

    Counts 0 for a parameter that has no gradient, since the loss does not depend on it.
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
        run(_not_finite, sum(g.size for g in fast) // 8, (fast[0].ravel("K"),), (),
            (addresses([(g,) for g in fast]), found))
        queue().flush()
        counts[places] = found
    return counts
