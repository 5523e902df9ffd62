"""The settings of a run, which settings.json and every checkpoint hold."""

import json
from dataclasses import MISSING, asdict, dataclass, field, fields
from os import PathLike
from pathlib import Path

from lab.runs.files import SETTINGS, FolderError, replace_file


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a run was told, and what it found. The defaults here are trainer.py's."""

    # What to learn.
    digit: int | str | None = 0      # 0 to 9 or "all"; None: pictures, which are no digits
    data: str = "auto"               # where images come from: the value of --data
    size: int = 28                   # width and height of an image
    sizes: str                       # the maps, one of its size's in networks.TABLE
    # How to learn.
    epochs: int = 1000
    # Images per iteration. 100 is that of the author's script of 11 November 2016: unlike the 1000
    # of the last one before the post, it draws the post's firm zeros with today's weights
    # (docs/reproduction.md).
    batch_size: int = 100
    recipe: str = "post"             # "post", "paper" or "steady": the defaults of what follows
    alpha: float                     # Adam's step size
    beta1: float                     # Adam's decay rate of the mean gradient
    order: str                       # of the updates: "generator-first" or "discriminator-first"
    real_label: float                # D's label of real images; below 1: label smoothing
    blur: float                      # of D's images in the beginning, as a share of size
    weights: str                     # the generator's that pictures show: "trained" or "average"
    z_dim: int = 100                 # length of the latent vector z
    seed: int = 0                    # of NumPy's global random stream
    start_from: str | None = None    # the run whose networks it began with; None: from the seed
    start_epoch: int | None = None   # the epoch of those networks
    # What to keep.
    picture_every: int = 1           # epochs from picture to picture
    quality_every: int = 10          # epochs from measurement to measurement; 0: never
    checkpoint_every: int = 10       # epochs from checkpoint to checkpoint
    snapshots: bool = True           # whether the generators of some epochs are kept
    # What was found.
    images: int                      # number of images trained on
    channels: int                    # of an image: 1 grey, 3 colour
    data_source: str                 # where the images are from, in words for a caption
    fingerprint: str                 # SHA-256 of the images trained on
    environment: dict                # checkpoint.environment(), and the number of processes
    real_figures: dict = field(default_factory=dict)  # of held-out images; empty: not measured

    @property
    def caption(self) -> str:
        """What the run is trained on, in a phrase for a picture."""
        if self.digit is None:  # not the folder's name: the font lacks many letters
            return f"{self.images:,} pictures"
        digits = "all digits" if self.digit == "all" else f"digit {self.digit}"
        return f"{digits}, {self.data_source}"

    @property
    def iterations(self) -> int:
        """Iterations per epoch; images that fill no batch are left out."""
        return self.images // self.batch_size

    def to_values(self) -> dict:
        """Returns a dict of plain values, for JSON."""
        return asdict(self)

    @classmethod
    def from_values(cls, values, path):
        """Reads settings from a dict from JSON, of this version or an earlier one.

        path: the file that the dict is from. FolderError names it, and the missing or wrong key.
        """
        values = _bring_up_to_date(values)
        for key in fields(cls):
            if key.name not in values:
                raise FolderError(f"the settings do not say {key.name} ({path}); restore that file")
            value = values[key.name]
            if not isinstance(value, key.type) and not (key.type is float and type(value) is int):
                raise FolderError(f"the settings are wrong ({path}, {key.name} is {value!r}); "
                                  "restore that file")
        return cls(**{key.name: values[key.name] for key in fields(cls)})


DEFAULTS = {key.name: key.default for key in fields(Settings) if key.default is not MISSING}


def _bring_up_to_date(values):
    """Adds the keys that earlier versions did not write, with the one value that they had."""
    environment = {"project": "before 1.0.0", "processes": 1, **values.get("environment", {})}
    values = {"size": 28, "order": "generator-first", "real_label": 1.0, "blur": 0.0,
              "weights": "trained", "real_figures": {}, "start_from": None, "start_epoch": None,
              "snapshots": False, **values, "environment": environment}
    if values["size"] != 28 and values.get("sizes") == "listing":
        values["sizes"] = "512"
    return values


def write_settings(folder: str | PathLike, settings: Settings) -> None:
    """Writes settings.json."""
    text = json.dumps(settings.to_values(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    # Bytes in a folder's name that are not UTF-8 become JSON's \\udcff, and read back the same.
    data = text.encode("utf-8", "backslashreplace")
    replace_file(Path(folder) / SETTINGS, lambda file: file.write(data))


def read_settings(folder: str | PathLike) -> Settings:
    """Reads the settings of the run in folder. FolderError if there is none."""
    path = Path(folder) / SETTINGS
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(values, dict) or not isinstance(values.get("environment", {}), dict):
            raise ValueError("not settings")
    except FileNotFoundError:
        raise FolderError(f"no run in this folder ({folder}, no {SETTINGS}); name a folder that "
                          "trainer.py has written") from None
    except (OSError, ValueError) as error:
        raise FolderError(f"the settings cannot be read ({path}, {error})") from None
    return Settings.from_values(values, path)
