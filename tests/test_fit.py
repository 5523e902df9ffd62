"""Trainer.fit() trains on at every call, shows its losses, and keeps them when interrupted."""

import os
import signal
import threading

import numpy as np
import pytest

import dcgan
from lab.images.dataset import Images
from trainer import Trainer

BYTES = np.random.RandomState(0).randint(0, 256, (12, 1, 28, 28)).astype(np.uint8)


def build():
    np.random.seed(0)
    return Trainer(dcgan.Generator(z_dim=4), dcgan.Discriminator())


def stop(trainer):
    """Stops as Ctrl-C in a terminal does, or Interrupt in a notebook."""
    os.kill(os.getpid(), signal.SIGINT)


def test_every_call_trains_as_many_epochs_more():
    trainer = build()
    first = trainer.fit(BYTES, epochs=2, batch_size=4)
    more = trainer.fit(BYTES, epochs=1, batch_size=4)
    assert (len(first), len(more), trainer.epoch) == (2, 1, 3)
    assert trainer.losses == first + more == build().fit(BYTES, epochs=3, batch_size=4)


def test_the_bar_shows_both_losses_by_their_names(capfd):
    (losses,) = build().fit(BYTES, epochs=1, batch_size=4)
    shown = capfd.readouterr().err
    assert f"loss_gen={losses[0]:.3f}" in shown and f"loss_dis={losses[1]:.4f}" in shown


def test_a_function_is_called_after_every_epoch():
    trainer, seen = build(), []
    trainer.fit(BYTES, epochs=2, batch_size=6, on_epoch=lambda t: seen.append((t, len(t.losses))))
    assert seen == [(trainer, 1), (trainer, 2)]


@pytest.fixture
def interruptible():
    """Sets the default handler of SIGINT, which some shells ignore in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_interrupted_after_two_epochs_it_returns_both_and_goes_on_as_if_nothing_had_been(
        interruptible):
    trainer = build()
    stopped = trainer.fit(BYTES, 9, 4, on_epoch=lambda t: t.epoch == 2 and stop(t))
    assert stopped == trainer.losses and len(stopped) == 2
    trainer.fit(BYTES, 1, 4)
    assert trainer.losses == build().fit(BYTES, 3, 4)


def test_a_second_interrupt_ends_it_at_once(interruptible):
    with pytest.raises(KeyboardInterrupt):
        build().fit(BYTES, 9, 4, on_epoch=lambda t: [stop(t), stop(t)])
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_it_trains_in_another_thread_than_the_main_one():
    trainer = build()
    thread = threading.Thread(target=trainer.fit, args=(BYTES, 1, 4))
    thread.start()
    thread.join()
    assert trainer.epoch == 1


def test_an_epoch_that_was_interrupted_does_not_go_on_with_other_images(interruptible):
    trainer = build()
    original = trainer.update
    trainer.update = lambda *batch: [stop(trainer), original(*batch)][1]
    trainer.fit(BYTES, 1, 4)
    assert (trainer.epoch, trainer.iteration) == (0, 1)
    trainer.update = original
    assert len(trainer.fit(BYTES[:8], 1, 4)) == 1 and trainer.epoch == 1


@pytest.mark.parametrize("images", [
    BYTES, Images(BYTES, None, "drawn"), (BYTES / 255).astype(np.float64),
    (BYTES / np.float32(255)).tolist()], ids=["bytes", "Images", "float64", "lists"])
def test_images_of_every_kind_of_numbers_train_to_the_same_losses(images):
    expected = build().fit(BYTES / np.float32(255), 1, 4)
    assert build().fit(images, 1, 4) == expected


@pytest.mark.parametrize("shape", [(12, 28, 28), (12, 784), (12, 28, 28, 1), (12, 3, 28, 28),
                                   (12, 1, 32, 32)])
def test_images_of_another_shape_are_an_error_that_says_which_is_right(shape):
    with pytest.raises(ValueError, match=r"these networks take \(n, 1, 28, 28\)") as error:
        build().fit(np.zeros(shape), 1, 4)
    assert str(shape) in str(error.value)


def test_a_new_trainer_says_that_trained_networks_have_lost_their_adam():
    trainer = build()
    trainer.fit(BYTES, 1, 4)
    with pytest.warns(UserWarning, match="Adam begins anew"):
        Trainer(trainer.gen, trainer.dis).fit(BYTES, 1, 4)
