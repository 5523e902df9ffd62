"""What stands in a run's folder: names, whole files, checkpoints, reading back."""
