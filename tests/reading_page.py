"""Helpers for the tests of index.html, the page of a run."""

import re
import shutil

from conftest import change_settings

from lab.look import page
from lab.runs import files
from lab.runs.opened import open_run


def open_page(browser, folder, going=False, **window):
    page.write_for(open_run(folder), going)
    browser.open(folder / "index.html", **window)
    wait_for_picture(browser)


def wait_for_picture(browser):
    """Waits until the page shows the picture of the epoch that it names."""
    browser.wait_for("document.querySelector('#samples img')?.complete && document.querySelector("
                     "'#samples img').alt.endsWith(document.querySelector('output').textContent)")


def shown(browser):
    """Returns the file name of the picture that the page shows."""
    wait_for_picture(browser)
    url = browser.run("document.querySelector('#samples img').src")
    return url.rsplit("/", 1)[1].split("?")[0]


def find_chart(title):
    """Returns JavaScript for the chart whose title begins with title."""
    return ("[...document.querySelectorAll('.chart')]"
            f".find(c => c.innerText.startsWith({title!r}))")


def points(browser, chart):
    """Waits until a chart is drawn. Returns the number of points of each of its curves."""
    browser.wait_for(f"{find_chart(chart)}?.querySelector('svg').children.length")
    paths = browser.run(f"[...{find_chart(chart)}.querySelectorAll('.curve')]"
                        ".map(path => path.getAttribute('d'))")
    return [len(re.findall("[ML]", path)) for path in paths]


def train_on(run, epoch, of):
    """Writes the files that a run of `of` epochs leaves after an epoch."""
    change_settings(run, epochs=of)
    shutil.copy(run / "epoch-0001.png", files.picture(run, epoch))
    files.append_row(run / "losses.csv", (epoch, 1.5, 0.25, 5.0, 0.9, 0.1))
    page.write_for(open_run(run), going=epoch < of)
