"""How good samples are, in figures, and the watch that warns while training."""
