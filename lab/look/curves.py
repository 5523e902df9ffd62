"""The curves of a run: both losses, and what the discriminator believes."""

from pathlib import Path

import numpy as np

from lab.look.command import command
from lab.runs.files import replace_file
from lab.runs.opened import OpenedRun

LN2 = float(np.log(2))


@command(
    "losses.png", "both losses and the discriminator's probabilities over the epochs",
    "Losses are means per iteration, on a logarithmic scale. Dashed: the values at equilibrium, "
    "ln 2 = 0.693 for the generator, 2 ln 2 = 1.386 for the discriminator, probability 0.5. From "
    "100 epochs on, a running median stands before the single epochs.",
    "result")
def losses(run: OpenedRun, out: Path) -> Path:
    """Draws both losses and D's mean probabilities over the epochs. Returns the picture's path."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    table = run.losses()
    epoch = table["epoch"]
    figure = Figure(figsize=(9, 7), dpi=110, layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    above.set_title(run.caption, loc="left", fontsize=11)
    for axes, name, color, label in (
            (above, "loss_gen", "C0", "generator"), (above, "loss_dis", "C1", "discriminator"),
            (below, "prob_generated", "C0", "generated images"),
            (below, "prob_real", "C1", "real images")):
        value = table[name]
        if len(epoch) > 100:  # single epochs in the background, their trend before it
            axes.plot(epoch, value, color=color, alpha=0.25, linewidth=0.8)
            value = running_median(value, len(epoch) // 40 * 2 + 1)
        axes.plot(epoch, value, color=color, label=label, linewidth=1.6,
                  marker="o" if len(epoch) <= 30 else "", markersize=4)
    for axes, level, color, text in (
            (above, LN2, "C0", "ln 2 = 0.693"), (above, 2 * LN2, "C1", "2 ln 2 = 1.386"),
            (below, 0.5, "0.4", "0.5")):
        axes.axhline(level, color=color, linestyle="--", linewidth=1)
        axes.annotate(text, (1, level), (4, 0), xycoords=("axes fraction", "data"), color=color,
                      textcoords="offset points", va="center", fontsize=9, annotation_clip=False)
    above.set(yscale="log", ylabel="loss, mean per iteration")
    below.set(ylim=(-0.03, 1.03), ylabel='D\'s mean probability\nof "real"',
              xlabel="epoch (dashed: the values at equilibrium)")
    below.xaxis.set_major_locator(MaxNLocator(integer=True, steps=(1, 2, 5, 10)))
    for axes in (above, below):
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, frameon=False, fontsize=10)
    replace_file(out, lambda file: figure.savefig(file, format="png", metadata={"Software": None}))
    return out


def running_median(values, width):
    """Returns the median of the width values around each value; width is odd, fewer at the ends."""
    half = width // 2
    padded = np.pad(values, half, constant_values=np.nan)
    return np.nanmedian(np.lib.stride_tricks.sliding_window_view(padded, width), axis=1)
