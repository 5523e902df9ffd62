"""The warnings while training."""

import math

from lab.judge.figures import best


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
        self._told = set()

    def update(self, epoch, loss_dis, prob_real, prob_generated, figures=None):
        """Takes in an epoch's means, and its figures if it was measured. Returns new warnings.

        Call it for every epoch: for 0, too, with NaN for the means, and for those before a run was
        resumed.
        """
        sure = all(min(p, 1 - p) < 0.05 for p in (prob_real, prob_generated))
        self._sure = self._sure + 1 if sure else 0
        self._won = self._won + 1 if loss_dis < 1e-3 else 0
        if figures is None:
            return []
        self._measured[epoch] = figures
        # With the measurement before the span: one within it would say nothing of its length.
        identical = all(figures["diversity"] < 0.1 for figures in
                        [*self._until(epoch - 50)[-1:], *self._after(epoch - 50)])
        seen = {
            "the samples have been nearly identical for 50 epochs and get no better":
                epoch >= 50 and identical and self._compare(epoch, 50) > 0.95,
            "D's loss has been below 0.001 for 100 epochs and the samples get no better":
                self._won >= 100 and self._compare(epoch, 100) > 0.95,
            "D has been sure of every image for 100 epochs and the samples are far worse":
                self._sure >= 100 and self._compare(epoch, 100) > 2,
        }
        new = [cause for cause in seen if seen[cause] and cause not in self._told]
        self._told.update(new)
        return [f"epoch {epoch}: {cause} (best: epoch {best(self._measured)}); a smaller --alpha "
                "or another --seed may help" for cause in new]

    def _until(self, end):
        return [figures for epoch, figures in self._measured.items() if epoch <= end]

    def _after(self, start):
        return [figures for epoch, figures in self._measured.items() if epoch > start]

    def _compare(self, epoch, span):
        """Returns the best distance of the last span epochs, relative to the best before."""
        last = [figures["frechet"] for figures in self._after(epoch - span)]
        before = [figures["frechet"] for figures in self._until(epoch - span)]
        return min(last) / max(min(before, default=math.inf), 1e-9)
