"""The commands of plot.py, a row for each."""

from lab.look import curves, film, generated, page, play

COMMANDS = {
    "samples": generated.samples,
    "singles": generated.singles,
    "losses": curves.losses,
    "animate": film.animate,
    "strip": film.strip,
    "walk": generated.walk,
    "nearest": generated.nearest,
    "page": page.write,
    "play": play.write,
}

# Patterns of what they leave in a run's folder.
LEFT = tuple(pattern for command in COMMANDS.values() for pattern in command.left)
