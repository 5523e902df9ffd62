"""The images that a run trains on, and where they come from."""
