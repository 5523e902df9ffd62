"""--start-from: a new run begins with the networks of another run."""

from typing import NamedTuple

from chainer_cpu import chainer
from lab.networks import POST_SIZE
from lab.runs.files import NETWORKS
from lab.runs.networks import arrays_of, part
from lab.runs.opened import Missing, open_run
from lab.runs.settings import Settings
from lab.training.errors import UsageError


class Origin(NamedTuple):
    """The networks that a run begins with, and the run that they are from."""

    folder: str
    epoch: int
    settings: Settings
    arrays: dict        # those of the networks, as in a trainer's state


def read(folder, epoch="newest"):
    """Reads the Origin from a run's folder. FolderError if there is none.

    epoch: "newest" or "best". Where the folder has only one of the trained generator and its
    average, both begin as that one.
    """
    run, found, missing = open_run(folder), {}, None
    for weights in "average", "trained":
        try:
            found[weights] = run.networks(weights, epoch)
        except Missing as error:
            missing = error
    if not found:
        raise missing
    trained, average = (found.get(weights) or next(iter(found.values()))
                        for weights in ("trained", "average"))
    arrays = {}
    for name, network in zip(NETWORKS, (trained.gen, trained.dis, average.gen), strict=True):
        if network is not None:  # a published generator has no discriminator with it
            serializer = chainer.serializers.DictionarySerializer()
            serializer.save(network)
            arrays |= {part(name) + key: array for key, array in serializer.target.items()}
    return Origin(str(folder), trained.epoch, run.settings, arrays)


def fit(origin, given, pictures):
    """Returns the settings that a new run takes from origin: those of its networks, a dict.

    given: the flags; pictures: whether the images are pictures, of any size. Raises UsageError if
    the flags mean other networks.
    """
    given = given if pictures else {**given, "size": POST_SIZE}
    settings = {name: getattr(origin.settings, name) for name in ("size", "sizes", "z_dim")}
    differing = {"size": "another size", "z_dim": "another length of z", "sizes": "other maps"}
    for name, what in differing.items():
        if given.get(name, settings[name]) != settings[name]:
            raise UsageError(f"the networks to start from have {what} (--start-from, "
                              f"{origin.folder}, {settings[name]}; the new run {given[name]}); "
                              "they must be the same")
    return {**settings, "start_from": origin.folder, "start_epoch": origin.epoch}


def check_channels(origin, channels):
    """Raises UsageError unless the networks of origin draw as many channels as the images have."""
    words = {1: "grey", 3: "colour"}
    own = origin.settings.channels
    if channels != own:
        raise UsageError(f"the networks to start from draw in {words[own]} (--start-from, "
                          f"{origin.folder}), these images are in {words[channels]}; start from "
                          "other networks, or from none")


def load(origin, *networks):
    """Loads origin into a generator, a discriminator and an average of the generator."""
    for name, network in zip(NETWORKS, networks, strict=True):
        own = arrays_of(origin.arrays, name)
        if own:
            chainer.serializers.NpzDeserializer(own).load(network)
