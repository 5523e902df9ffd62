"""Trains the post's DCGAN on a CPU: the alternating loop, and the command that runs it.

    python trainer.py --digit 0 --epochs 1000
"""

from lab import cli  # noqa: F401, I001 (first: it names a missing package)

import math
import sys
import warnings

import numpy as np

import chainer_cpu
from lab.cli.console import Console, noting_interrupts
from lab.images.dataset import Images
from lab.training import options, words
from lab.training.blur import blur
from lab.training.errors import Diverged
from lab.training.processes import ALONE, is_first
from plot import sample_grid

REAL, FAKE = 0, 1  # the discriminator's two logits

# The half-life of the average, in images. In the beginning, when G changes fast, it is this share
# of the images so far.
HALF_LIFE, WARM_UP = 20_000, 0.1

# Images between two updates of the average: batches that are smaller share one.
AVERAGE_EVERY = 16

# The images that training has seen when the blur is gone.
BLUR_IMAGES = 80_000


class Trainer:
    """Trains a generator G against a discriminator D, one update each per iteration.

    p(x) is the probability of "real" in the softmax of D's two logits. With means over the batch,
    softmax cross entropy gives the two losses

        loss_gen = -log p(G(z))                           G wants its images to be taken for real
        loss_dis = -log (1 - p(G(z))) - log p(x)          D wants to tell them apart

    They are those of Goodfellow et al. 2014 (equation 1; for G the form of section 3, whose
    gradient does not vanish). At equilibrium p = 1/2: loss_gen is ln 2 = 0.693, loss_dis is
    2 ln 2 = 1.386.

    order: which network moves first.

        generator-first      the post's: both losses by one forward pass, then G moves, then D
        discriminator-first  D moves, then G, by the loss that the new D gives the same images

    blur: in the beginning D sees all images, real and generated, through a Gaussian blur. Its
    standard deviation is this share of an image's size, and fades to nothing over the first
    BLUR_IMAGES images (Karras et al. 2021, section 3.2). So G first learns what is seen from afar.
    Without it, D soon tells G's large images by their finest texture, and G learns nothing else.

    real_label: below 1, D learns that a real image is real with this probability (one-sided label
    smoothing, Salimans et al. 2016, section 3.4). It descends

        -log (1 - p(G(z))) - real_label log p(x) - (1 - real_label) log (1 - p(x))

    whose gradient does not vanish where D is sure, so that Adam's steps do not grow until G breaks.
    What is told is loss_dis all the same.

    alpha and beta1 are Adam's, for both networks. All random numbers come from NumPy's global
    legacy stream: with numpy.random.seed before the two networks are built, a run draws the numbers
    of the author's code in the author's order.

    average is a network like G: its weights and running statistics are exponential moving averages
    of G's (Karras et al. 2018; Yazici et al. 2019). The training reads nothing of it.

    processes: lab.training.processes that train the same networks together, each with its share of
    every batch. All draw the same random numbers and make the same updates.
    """

    def __init__(self, gen, dis, alpha=0.001, beta1=0.9, order="generator-first",
                 real_label=1.0, blur=0.0, processes=ALONE):
        self.gen, self.dis, self.processes = gen, dis, processes
        self.real_label, self.blur = real_label, blur
        processes.connect(gen, dis)  # batch statistics are of the whole batch
        self._step = {"generator-first": self._generator_first,
                      "discriminator-first": self._discriminator_first}[order]
        self.average = gen.copy(mode="copy")  # before G has an Adam, whose m and v it would copy
        self.average.cleargrads()
        self.opt_gen = _adam(gen, alpha, beta1)
        self.opt_dis = _adam(dis, alpha, beta1)
        self.averaged = 0       # images that the average is over: all that training has seen
        self.prob_real = self.prob_generated = math.nan  # D's means in the last update
        self.losses = []        # (loss_gen, loss_dis) of each epoch that fit() has trained
        self.epoch = 0          # epochs done
        self.iteration = 0      # iterations done in the current epoch
        self._permutation = np.zeros(0, np.int64)  # of the current epoch's images
        self._sums = np.zeros(4)                   # of its losses and probabilities

    def update(self, x_real, z):
        """One alternating step. Returns (loss_gen, loss_dis), floats.

        x_real: float32 (N, channels, size, size), size 28 for the post's networks. z: float32
        (N, z_dim). Of several processes, each passes its rows of the batch, and all return the
        means over the whole batch. Afterwards, every parameter's grad is the gradient of its
        update. Raises Diverged before NaN or infinity reaches the weights.
        """
        return self._step(x_real, z)

    def _generator_first(self, x_real, z):
        # 1. Forward. Both losses use one generated batch and D's logits of it. (Deferred, the
        #    kernels run in one call at the end: the same values, sooner.)
        with chainer_cpu.functions.deferred():
            y_fake = self._judge(self.gen(z))
            y_real = self._judge(x_real)
        loss_gen = _cross_entropy(y_fake, REAL)
        loss_dis, descended = self._losses_dis(y_fake, y_real)
        mean_gen, mean_dis, self.prob_real, self.prob_generated, n = self._means(
            len(z), loss_gen.array, loss_dis.array, _prob_real(y_real), _prob_real(y_fake))
        _check_finite("loss_gen", mean_gen)
        _check_finite("loss_dis", mean_dis)

        # 2. The generator, by the gradient of loss_gen in its own parameters alone. (The author's
        #    code computes the discriminator's too, and throws them away.)
        self._descend(loss_gen, len(z) / n, self.gen, lambda: self._update_gen(n))

        # 3. The discriminator, whose weights have not moved since the forward pass.
        self._descend(descended, len(z) / n, self.dis, self.opt_dis.update)
        return mean_gen, mean_dis

    def _discriminator_first(self, x_real, z):
        # 1. Forward.
        with chainer_cpu.functions.deferred():
            x_fake = self.gen(z)
            y_fake = self._judge(x_fake)
            y_real = self._judge(x_real)
        loss_dis, descended = self._losses_dis(y_fake, y_real)
        mean_dis, self.prob_real, self.prob_generated, n = self._means(
            len(z), loss_dis.array, _prob_real(y_real), _prob_real(y_fake))
        _check_finite("loss_dis", mean_dis)

        # 2. The discriminator, by the gradient of loss_dis in its own parameters alone.
        self._descend(descended, len(z) / n, self.dis, self.opt_dis.update)

        # 3. Forward again: the new discriminator gives logits of the images of phase 1.
        with chainer_cpu.functions.deferred():
            y_fake = self._judge(x_fake)
        loss_gen = _cross_entropy(y_fake, REAL)
        mean_gen, n = self._means(len(z), loss_gen.array)
        _check_finite("loss_gen", mean_gen)

        # 4. The generator, whose weights have not moved since phase 1.
        self._descend(loss_gen, len(z) / n, self.gen, lambda: self._update_gen(n))
        return mean_gen, mean_dis

    def _judge(self, x):
        """Returns D's logits (N, 2) of images x, as D sees them at this time."""
        share = self.blur * max(0, 1 - self.averaged / BLUR_IMAGES)
        return self.dis(blur(x, share * x.shape[-1]))

    def _losses_dis(self, y_fake, y_real):
        """Returns loss_dis, and what D descends: with label smoothing not the same."""
        loss_fake, loss_real = _cross_entropy(y_fake, FAKE), _cross_entropy(y_real, REAL)
        loss_dis = loss_fake + loss_real
        if self.real_label == 1:
            return loss_dis, loss_dis
        return loss_dis, loss_fake + (self.real_label * loss_real
                                      + (1 - self.real_label) * _cross_entropy(y_real, FAKE))

    def _means(self, rows, *values):
        """Returns means over the batch and its number of rows. rows, values: of our share."""
        *sums, n = self.processes.allreduce(rows * np.array([*map(float, values), 1]))
        return *(float(total / n) for total in sums), float(n)

    def _descend(self, loss, weight, network, update):
        """Updates network by the gradient of loss. weight: our rows' share of the batch."""
        names, parameters = zip(*network.namedparams(), strict=True)
        if weight != 1:
            loss = loss * weight
        chainer_cpu.functions.grad([loss], parameters, set_grad=True)
        self.processes.add_gradients(network)
        for name, parameter, bad in zip(names, parameters,
                                        chainer_cpu.optimizers.not_finite(parameters), strict=True):
            if bad:
                _check_finite(f"gradient of {type(network).__name__}{name}",
                              parameter.grad[~np.isfinite(parameter.grad)][0])
        update()

    def _update_gen(self, n):
        """Updates G by a batch of n; then average = decay average + (1 - decay) G.

        A batch of less than AVERAGE_EVERY does so only when it completes as many images: the
        average reads and writes all weights, which small batches would wait for.
        """
        before, self.averaged = self.averaged, self.averaged + int(n)
        if n >= AVERAGE_EVERY or before // AVERAGE_EVERY < self.averaged // AVERAGE_EVERY:
            decay = 0.5 ** (max(n, AVERAGE_EVERY) / min(HALF_LIFE, WARM_UP * self.averaged))
            self.opt_gen.update_and_average(self.average, decay)
        else:
            self.opt_gen.update()

    def steps(self, X, epochs=10, batch_size=100):
        """Trains to the end of epoch `epochs`, and yields after every iteration.

        X: float32 (n, channels, size, size), or lab.images.dataset.Images, which returns such
        batches. Yields None within an epoch, and at its end the epoch's means: (loss_gen, loss_dis,
        probability of real for real images, for generated ones). An epoch is one permutation of X,
        cut into int(n / batch_size) batches; the rest is dropped. Between iterations, state() is
        complete: load_state() in another process and steps() again continue to the same bits.
        """
        iterations = len(X) // batch_size
        if iterations == 0:
            raise ValueError(f"batch_size {batch_size} is larger than the {len(X)} images")
        while self.epoch < epochs:
            if self.iteration == 0:
                # On Windows NumPy makes int32 of the same numbers.
                self._permutation = np.random.permutation(len(X)).astype(np.int64)
                self._sums = np.zeros(4)
            batch = self._permutation[self.iteration * batch_size:][:batch_size]
            z = np.random.uniform(-1, 1, (batch_size, self.gen.z_dim)).astype(np.float32)
            share = self.processes.share(batch_size)
            try:
                losses = self.update(X[batch[share]], z[share])
            except Diverged as error:
                raise Diverged(f"{error} in iteration {self.iteration + 1} of epoch "
                               f"{self.epoch + 1}") from None
            self._sums += (*losses, self.prob_real, self.prob_generated)
            self.iteration += 1
            if self.iteration < iterations:
                yield None
            else:
                self.iteration = 0
                self.epoch += 1
                yield tuple(float(s) for s in self._sums / iterations)

    def fit(self, X, epochs=10, batch_size=100, on_epoch=None):
        """Trains `epochs` more epochs with a bar. Returns each epoch's (loss_gen, loss_dis).

        X: as in steps(), or any floats of that shape, or uint8, of which 0 to 255 become 0 to 1.
        Calls on_epoch(trainer) after every epoch. Ctrl-C (in a notebook: Interrupt) ends the
        training after the current iteration and returns the epochs done; losses has all epochs of
        every call. ValueError says which shape the networks take.
        """
        with warnings.catch_warnings():  # without ipywidgets it is the terminal's bar: no matter
            warnings.simplefilter("ignore")
            from tqdm.auto import tqdm  # noqa: PLC0415 (loads much that --help does not need)
        begun = len(self.losses)
        with (noting_interrupts() as interrupts, chainer_cpu.before_compiling(
                lambda: print("compiling, once: about half a minute", flush=True))):
            X = self._as_images(X)
            if self.epoch + self.iteration == 0 and _have_trained(self.gen):
                warnings.warn("these networks have been trained before, and Adam begins anew: the "
                              "losses may jump; call fit() of the Trainer that trained them, or "
                              "give this one its state()", stacklevel=2)
            if len(X) != len(self._permutation) or self.iteration >= len(X) // batch_size:
                self.iteration = 0  # an interrupted epoch goes on only with its own images
            with tqdm(total=epochs, unit="epoch") as bar:
                for means in self.steps(X, self.epoch + epochs, batch_size):
                    if means:
                        self.losses.append(means[:2])
                        bar.set_postfix(loss_gen=f"{means[0]:.3f}", loss_dis=f"{means[1]:.4f}",
                                        refresh=False)
                        bar.update()
                        if on_epoch:
                            on_epoch(self)
                    if interrupts:
                        break
        return self.losses[begun:]

    def _as_images(self, X):
        """Returns X as the networks take it: Images as they are, else float32 of their shape."""
        if not isinstance(X, Images):
            X = np.asarray(X)
            X = X / np.float32(255) if X.dtype == np.uint8 else X.astype(np.float32, copy=False)
        chainer = chainer_cpu.chainer
        with chainer.using_config("train", False), chainer.no_backprop_mode():
            shape = self.gen(np.zeros((1, self.gen.z_dim), np.float32)).shape[1:]
        found = X.pixels.shape if isinstance(X, Images) else X.shape
        if found[1:] != shape:
            raise ValueError(f"X has the shape {found}; these networks take (n, "
                             f"{', '.join(map(str, shape))})")
        return X

    def state(self):
        """Returns all that the next iteration depends on, {name: NumPy array}, as copies.

        That is: the networks and G's average with their running averages, both Adams, the place in
        the epoch, and NumPy's global random state.
        """
        chainer = chainer_cpu.chainer
        arrays = {}
        for name, part in self._parts():
            serializer = chainer.serializers.DictionarySerializer()
            serializer.save(part)
            arrays |= {f"{name}/{key}": np.array(value) for key, value in serializer.target.items()}
        _, keys, position, has_gauss, gauss = np.random.get_state()
        return arrays | {
            "epoch": np.array(self.epoch), "iteration": np.array(self.iteration),
            "averaged": np.array(self.averaged),
            "permutation": self._permutation.copy(), "sums": self._sums.copy(),
            "random/keys": keys, "random/position": np.array(position),
            "random/has_gauss": np.array(has_gauss), "random/gauss": np.array(gauss)}

    def load_state(self, arrays):
        """Loads a state() of the same networks. The caller has checked names, shapes and dtypes.

        Raises ValueError, before anything changes, if a number in it is impossible.
        """
        epoch, iteration, averaged = (int(arrays[name])
                                      for name in ("epoch", "iteration", "averaged"))
        permutation = arrays["permutation"]
        if min(epoch, iteration, averaged) < 0 or not 0 <= arrays["random/position"] <= 624:
            raise ValueError("epoch, iteration or random state out of range")
        if (np.sort(permutation) != np.arange(len(permutation))).any():
            raise ValueError("the order of the images is not a permutation")
        chainer = chainer_cpu.chainer
        for name, part in self._parts():
            own = {key.removeprefix(f"{name}/"): value for key, value in arrays.items()
                   if key.startswith(f"{name}/")}
            chainer.serializers.NpzDeserializer(own).load(part)
        self.epoch, self.iteration, self.averaged = epoch, iteration, averaged
        self._permutation, self._sums = permutation, arrays["sums"]
        np.random.set_state(("MT19937", arrays["random/keys"], int(arrays["random/position"]),
                             int(arrays["random/has_gauss"]), float(arrays["random/gauss"])))

    def _parts(self):
        return (("generator", self.gen), ("discriminator", self.dis),
                ("generator-average", self.average),
                ("adam_generator", self.opt_gen), ("adam_discriminator", self.opt_dis))


def _adam(network, alpha, beta1):
    optimizer = chainer_cpu.optimizers.Adam(alpha=alpha, beta1=beta1).setup(network)
    for parameter in network.params():
        # Chainer makes m and v at the first update; made here, they are in every state().
        parameter.update_rule._state = {}
        parameter.update_rule.init_state(parameter)
    return optimizer


def _have_trained(network):
    return any(link.avg_mean.any() for link in network.links() if hasattr(link, "avg_mean"))


def _cross_entropy(y, label):
    """Returns the mean of -log softmax(y)[label] over logits y (N, 2), a Variable."""
    return chainer_cpu.functions.softmax_cross_entropy(y, np.full(len(y), label, np.int32))


def _prob_real(y):
    """Returns the mean probability of "real" in the softmax of logits y (N, 2)."""
    e = np.exp(y.array - y.array.max(axis=1, keepdims=True))
    return (e / e.sum(axis=1, keepdims=True))[:, REAL].mean()


def _check_finite(name, value):
    if not math.isfinite(value):
        raise Diverged(f"{name} is {value}")


def main(argv=None):
    """Runs the command line. Returns the exit code: 0, 1, 2 or 128 + a signal's number."""
    given = options.parse(argv)  # exits with 2 on a bad flag
    with Console("trainer.py", is_first()).loading(words.LOADING):
        from lab.training.session import Session  # noqa: PLC0415 (--help does not wait for it)

    with Session(given) as session:  # turns errors and signals into a message and exit_code
        session.open()                         # the folder, and the images in it
        gen, dis = session.networks()          # untrained, from the seed
        settings = session.settings
        session.train(Trainer(gen, dis, settings.alpha, settings.beta1, settings.order,
                              settings.real_label, settings.blur, session.processes), sample_grid)
    return session.exit_code


if __name__ == "__main__":
    sys.exit(main())
