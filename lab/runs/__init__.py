"""A run's folder: file names, atomic writing, settings, checkpoints, opened runs."""
