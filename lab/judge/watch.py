"""Warns while a run trains, and tells afterwards what happened, by the same rules."""

import math

from lab.judge.figures import best

NEVER_IN_DOUBT = 1e-3  # D's loss below which D has won
FAR_WORSE = 2          # times the best Fréchet distance before

CAUSES = {
    "collapse": "the samples have been nearly identical for 50 epochs and get no better",
    "won": "D's loss has been below 0.001 for 100 epochs and the samples get no better",
    "sure": "D has been sure of every image for 100 epochs and the samples are far worse",
}


class Watch:
    """Notices that a run has failed, and warns once of each cause.

    D's loss and probabilities alone do not tell: with the post's recipe they stay at 0 and 1 for a
    hundred epochs while the samples get better. So each cause takes two things: a sign that lasts
    for a span of epochs, and a best Fréchet distance in that span that does not beat the best
    before it.

    - collapse: diversity below 0.1 for 50 epochs, the distance not 5 % better;
    - D has won: its loss below 0.001 for 100 epochs, the distance not 5 % better;
    - D is sure: its mean probabilities within 0.05 of 0 or 1 for 100 epochs, the distance more than
      twice as large.

    docs/decisions.md, "When the watch speaks", has what these numbers found in real runs.
    """

    def __init__(self):
        self._measured = {}  # epoch: figures
        self._won = self._sure = 0  # epochs that the sign has lasted
        self.told = {}  # cause: epoch of its warning

    def update(self, epoch: int, loss_dis: float, prob_real: float, prob_generated: float,
               figures: dict | None = None) -> list[str]:
        """Takes an epoch's means, and its figures if it was measured. Returns new warnings.

        Call it for every epoch, also for 0, with NaN for the means, and for the epochs before a run
        was resumed.
        """
        sure = all(min(p, 1 - p) < 0.05 for p in (prob_real, prob_generated))
        self._sure = self._sure + 1 if sure else 0
        self._won = self._won + 1 if loss_dis < NEVER_IN_DOUBT else 0
        if figures is None:
            return []
        self._measured[epoch] = figures
        # Includes the measurement before the span: those within it may cover less than its length.
        identical = all(figures["diversity"] < 0.1 for figures in
                        [*self._until(epoch - 50)[-1:], *self._after(epoch - 50)])
        seen = {
            "collapse": epoch >= 50 and identical and self._compare(epoch, 50) > 0.95,
            "won": self._won >= 100 and self._compare(epoch, 100) > 0.95,
            "sure": self._sure >= 100 and self._compare(epoch, 100) > FAR_WORSE,
        }
        new = [cause for cause in seen if seen[cause] and cause not in self.told]
        self.told.update(dict.fromkeys(new, epoch))
        return [f"epoch {epoch}: {CAUSES[cause]} (best: epoch {best(self._measured)}); a smaller "
                "--alpha or another --seed may help" for cause in new]

    def _until(self, end):
        return [figures for epoch, figures in self._measured.items() if epoch <= end]

    def _after(self, start):
        return [figures for epoch, figures in self._measured.items() if epoch > start]

    def _compare(self, epoch, span):
        """Returns the best distance of the last span epochs, relative to the best before."""
        last = [figures["frechet"] for figures in self._after(epoch - span)]
        before = [figures["frechet"] for figures in self._until(epoch - span)]
        return min(last) / max(min(before, default=math.inf), 1e-9)


def story(losses: dict[int, tuple[float, float, float]],
          quality: dict[int, dict]) -> list[tuple[int, str]]:
    """Returns what happened in a run, a list of (epoch, event) in the order of epochs.

    losses: {epoch: (loss_dis, prob_real, prob_generated)}; quality: {epoch: figures}. The
    events:

    - those of CAUSES;
    - best: the best epoch;
    - debris: the worst of the distances more than twice the best before;
    - recovery: the first distance after debris that is nearly as good as that best again;
    - sureButBetter: D's loss near 0 since a measurement, the best distance well below that one;
    - fewShapes: a recall of 0 at the best epoch.

    A run with fewer than two measurements has none.
    """
    # Tables of earlier versions may lack diversity and recall.
    quality = {epoch: {"diversity": 1, "recall": 1, **figures}
               for epoch, figures in quality.items() if "frechet" in figures}
    trained = {epoch: figures["frechet"] for epoch, figures in quality.items() if epoch > 0}
    if len(quality) < 2 or not trained:
        return []
    watch = Watch()
    for epoch in sorted(losses.keys() | quality.keys()):
        watch.update(epoch, *losses.get(epoch, (math.nan, math.nan, math.nan)), quality.get(epoch))
    events = [(epoch, cause) for cause, epoch in watch.told.items()]

    top = best(quality)
    events.append((top, "best"))
    if quality[top]["recall"] < 0.005:
        events.append((top, "fewShapes"))
    since = max((epoch for epoch in losses if epoch <= top
                 and losses[epoch][0] > 10 * NEVER_IN_DOUBT), default=min(losses, default=top))
    before = [figures["frechet"] for epoch, figures in quality.items() if epoch <= since]
    if top - since >= 10 and before and quality[top]["frechet"] < 0.8 * min(before):
        events.append((top, "sureButBetter"))

    lowest, falls = math.inf, {}  # epoch of a fall: (times the best before, that best)
    for epoch, distance in sorted(trained.items()):
        if distance > FAR_WORSE * lowest:
            falls[epoch] = distance / lowest, lowest
        lowest = min(lowest, distance)
    if falls:
        worst = max(falls, key=lambda epoch: falls[epoch][0])
        events.append((worst, "debris"))
        well = [epoch for epoch, distance in sorted(trained.items())
                if epoch > worst and distance < 1.2 * falls[worst][1]]
        events += [(epoch, "recovery") for epoch in well[:1]]
    return sorted(events, key=lambda event: event[0])
