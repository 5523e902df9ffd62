"""A run of the training: its command line, its loop's surroundings, its folder."""
