"""All that surrounds the experiment: images, networks, a run and its folder, figures, pictures."""
