"""Fast functions that are deferred have the same values, in fewer calls of compiled code."""

import copy
import threading

import numpy as np
import pytest

import dcgan
from chainer_cpu import _memory, _queue, _threads, chainer
from chainer_cpu import functions as F
from trainer import Trainer


def random(*shape, seed=0):
    return np.random.RandomState(seed).uniform(-1, 1, shape).astype(np.float32)


@pytest.fixture
def calls(monkeypatch):
    """Returns a list that gets the number of kernels of each call of compiled code."""
    numbers, lead = [], _threads.lead
    monkeypatch.setattr(_threads, "lead",
                        lambda *args: (numbers.append(args[4]), lead(*args)))
    return numbers


def trained(batch, steps=2):
    np.random.seed(0)
    trainer = Trainer(dcgan.Generator(z_dim=10), dcgan.Discriminator())
    for i in range(steps):
        trainer.update(random(batch, 1, 28, 28, seed=i), random(batch, 10, seed=i))
    return trainer


@pytest.mark.parametrize("batch", [2, 12])
def test_a_step_has_the_same_bytes_whether_its_kernels_wait_or_not(batch, calls, monkeypatch):
    waiting = trained(batch).state()
    fewer = len(calls)
    # No queue is ever open: every kernel runs at once, and is a call of its own.
    monkeypatch.setattr(_queue.Queue, "__enter__", lambda queue: None)
    monkeypatch.setattr(_queue.Queue, "__exit__", lambda queue, *error: None)
    alone = trained(batch).state()
    assert len(calls) - fewer > 10 * fewer
    assert all(np.array_equal(alone[name], array) for name, array in waiting.items())


def test_a_step_comes_back_to_python_a_few_times_only(calls):
    """It does after forward passes and, for each network, after backward, check and update."""
    trained(12, steps=1)
    assert len(calls) == 8 and sum(calls) > 100


def layers(x, look=lambda h: h):
    h = look(F.convolution_2d(x, random(5, 3, 4, 4), random(5), 2, 1))
    h = look(F.relu(F.batch_normalization(h, random(5) + 2, random(5))))
    return F.linear(F.reshape(look(h), (len(x), -1)), random(4, h[0].size, seed=1))


@pytest.mark.parametrize("look", [
    lambda h: (h.array, h)[1], lambda h: (h.data, h)[1], copy.copy, lambda h: h + 0,
    lambda h: F.clip(h, -9, 9), lambda h: F.tanh(h),
    lambda h: chainer.Variable(np.tanh(h.array)), lambda h: (repr(h), h)[1]],
    ids=["array", "data", "copy", "sum", "clip", "tanh", "NumPy", "repr"])
def test_who_looks_sees_the_values(look):
    x = random(6, 3, 8, 8)
    expected = layers(x, look).array
    with F.deferred():
        seen = []
        y = layers(x, lambda h: (seen.append(look(h)), seen[-1])[1])
    assert np.array_equal(y.array, expected)
    again = []
    layers(x, lambda h: (again.append(look(h)), again[-1])[1])
    assert all(np.array_equal(a.array, b.array) for a, b in zip(seen, again, strict=True))


@pytest.mark.parametrize("channels", [1, 3, 40])
def test_weights_and_biases_may_be_computed_too(channels):
    x, V, b = random(6, channels, 8, 8), random(channels, 5, 4, 4), random(5, 2)
    found = []
    for context in (chainer.no_backprop_mode, F.deferred):
        with context():
            # Both lie in memory in another order than a convolution wants.
            W = F.transpose(F.relu(V), (1, 0, 2, 3))
            h = F.convolution_2d(x, F.relu(W), F.reshape(F.relu(b), (10,))[::2], 2, 1)
            y = F.deconvolution_2d(h, F.relu(W), None, 2, 1)
            z = F.linear(y, F.reshape(F.relu(F.transpose(y)), (3, -1))[:, :64 * channels])
        found.append([h.array, y.array, z.array])
    assert all(np.array_equal(a, b) for a, b in zip(*found, strict=True))


def test_an_error_in_between_leaves_what_was_computed_before():
    x = random(6, 3)
    with pytest.raises(ZeroDivisionError), F.deferred():
        y = F.relu(x)
        raise ZeroDivisionError
    assert np.array_equal(y.array, np.maximum(x, 0)) and not _queue.queue().waiting


def test_gradients_too_may_be_asked_for_before_the_end():
    x, W = (chainer.Variable(random(*shape)) for shape in ((6, 3), (4, 3)))
    found = []
    for context in (F.deferred, chainer.no_backprop_mode):
        with context(), chainer.using_config("enable_backprop", True):
            loss = F.sum(F.relu(F.linear(x, W)))
            for grad in (F.grad, chainer.grad):
                found.append([g.array.copy() for g in grad([loss], [x, W])])
    for gradients in found[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(gradients, found[0], strict=True))


def test_a_hook_sees_the_values():
    class Hook(chainer.FunctionHook):
        seen = []

        def forward_postprocess(self, function, in_data):
            self.seen.append([x.copy() for x in in_data])

    for context in (chainer.no_backprop_mode, F.deferred):
        with Hook(), context():
            layers(random(6, 3, 8, 8))
    half = len(Hook.seen) // 2
    assert half > 3
    for some, others in zip(Hook.seen[:half], Hook.seen[half:], strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(some, others, strict=True))


def test_memory_that_a_waiting_kernel_needs_goes_to_no_other_thread():
    shape, taken = (50, 1000), []
    with F.deferred():
        h = F.relu(random(*shape))
        block = _memory.block_of(h._data[0])
        del h
        thread = threading.Thread(target=lambda: taken.append(_memory.empty(shape, np.float32)))
        thread.start()
        thread.join()
        assert _memory.block_of(taken[0]) is not block
        assert _memory.block_of(_memory.empty(shape, np.float32)) is block


def test_the_stock_functions_take_part():
    """The network mixes Chainer's own functions with ours; dropout draws the same numbers."""
    x, found = random(40, 6), []
    for context in (F.deferred, chainer.no_backprop_mode):
        np.random.seed(1)
        with context():
            h = F.dropout(F.relu(F.linear(x, random(8, 6))), 0.3)
            y = F.sigmoid(F.linear(F.leaky_relu(h), random(3, 8)))
        found.append(y.array)
    assert np.array_equal(*found)


def in_another_thread(function):
    """Returns what function returns or raises in a thread of its own."""
    found = []

    def run():
        try:
            found.append(function())
        except Exception as error:
            found.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return found[0]


@pytest.mark.parametrize("look", [
    lambda y: y.array, lambda y: (y + 1).array, lambda y: F.relu(y).array,
    lambda y: F.grad([y], [y.creator.inputs[0].get_variable()])], ids=[
        "array", "Chainer's function", "ours", "gradient"])
def test_another_thread_sees_no_value_that_waits(look):
    x = chainer.Variable(random(40, 30))
    with F.deferred():
        y = F.relu(x)
        assert isinstance(in_another_thread(lambda: look(y)), RuntimeError)
    expected = np.maximum(x.array, 0)
    assert np.array_equal(y.array, expected)
    assert np.array_equal(in_another_thread(lambda: y.array), expected)


def test_a_generator_closed_from_another_thread_leaves_no_queue_open():
    def numbers():
        with F.deferred():
            yield F.relu(random(5, 5))

    made = numbers()
    y = next(made)
    in_another_thread(made.close)
    assert not _queue.queue().depth and not _queue.queue().waiting and not _memory.waiting
    assert np.array_equal(y.array, np.maximum(random(5, 5), 0))
