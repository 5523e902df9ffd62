"""The warnings while training, and what happened in a run, by the same rules."""

import math

from lab.judge.figures import best

NEVER_IN_DOUBT = 1e-3  # D's loss
FAR_WORSE = 2          # times the best Fréchet distance before

CAUSES = {
    "collapse": "the samples have been nearly identical for 50 epochs and get no better",
    "won": "D's loss has been below 0.001 for 100 epochs and the samples get no better",
    "sure": "D has been sure of every image for 100 epochs and the samples are far worse",
}


class Watch:
    """Notices while a run trains that it has failed, and warns once of each cause.

    D's loss and probabilities alone do not tell: with the post's recipe they are at 0 and 1 for a
    hundred epochs while the samples get better. So each cause takes two things: what is seen, all
    through a span of epochs, and that the best Fréchet distance in that span is no match for the
    best before it.

    - collapse: diversity below 0.1 for 50 epochs, the distance not 5 % better;
    - D has won: its loss below 0.001 for 100 epochs, the distance not 5 % better;
    - D is sure: its mean probabilities within 0.05 of 0 or 1 for 100 epochs, the distance more than
      twice as large.

    What these numbers told of on real runs: docs/decisions.md, "When the watch speaks".
    """

    def __init__(self):
        self._measured = {}  # epoch: figures
        self._won = self._sure = 0  # for how many epochs
        self.told = {}  # cause: epoch

    def update(self, epoch, loss_dis, prob_real, prob_generated, figures=None):
        """Takes in an epoch's means, and its figures if it was measured. Returns new warnings.

        Call it for every epoch: for 0, too, with NaN for the means, and for those before a run was
        resumed.
        """
        sure = all(min(p, 1 - p) < 0.05 for p in (prob_real, prob_generated))
        self._sure = self._sure + 1 if sure else 0
        self._won = self._won + 1 if loss_dis < NEVER_IN_DOUBT else 0
        if figures is None:
            return []
        self._measured[epoch] = figures
        # With the measurement before the span: one within it would say nothing of its length.
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


def story(losses, quality):
    """What happened in a run, by epoch: a list of (epoch, event).

    losses: {epoch: (loss_dis, prob_real, prob_generated)}; quality: {epoch: figures}. Events are
    those of CAUSES; best; debris, a distance more than twice the best before, at its worst;
    recovery, the first after it that is nearly as good as that best again; sureButBetter, D's loss
    near 0 ever since a measurement and the best distance well below the one then; fewShapes, a
    recall of 0 at the best epoch. Nothing is told of a run with fewer than two measurements.
    """
    # A table of an earlier version may not have them.
    quality = {epoch: {"diversity": 1, "recall": 1, **figures}
               for epoch, figures in quality.items() if "frechet" in figures}
    trained = {epoch: figures["frechet"] for epoch, figures in quality.items() if epoch > 0}
    if len(quality) < 2 or not trained:
        return []
    watch = Watch()
    for epoch in sorted(losses.keys() | quality.keys()):
        watch.update(epoch, *losses.get(epoch, [math.nan] * 3), quality.get(epoch))
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
