"""All that surrounds the experiment: images, networks, a run and its folder, figures, pictures.

For people, in Python or in a notebook: lab.open_run("result").
"""


def __getattr__(name):
    # Every import of a room comes past here: Chainer is loaded when somebody asks for a run.
    if name == "open_run":
        from lab.notebook import open_run  # noqa: PLC0415
        return open_run
    raise AttributeError(f"module 'lab' has no attribute '{name}'")
