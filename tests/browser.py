"""Operates a browser, by the same methods for every browser; pages are files on the disk."""

import time
from pathlib import Path

TIMEOUT = 30
NOWHERE = "127.0.0.1:9"  # the proxy: nobody listens there
KEYS = {"ArrowLeft": "\ue012", "ArrowUp": "\ue013", "ArrowRight": "\ue014", "ArrowDown": "\ue015",
        "End": "\ue010", "Home": "\ue011", "Tab": "\ue004", "Enter": "\ue007", "Escape": "\ue00c",
        "PageDown": "\ue00f", "Shift": "\ue008", "Control": "\ue009"}
EVALUATE = """const done = arguments[arguments.length - 1];
new Promise(resolve => resolve(window.eval(arguments[0])))
  .then(value => done({value: value === undefined ? null : value}),
        error => done({error: String(error)}));"""
# Polls for a second at most: a page that is being left would never answer.
LOOK = """new Promise((done, fail) => { const end = Date.now() + 1000; (function look() {
  try { if (%s) done(true); else if (Date.now() > end) done(false); else setTimeout(look, 20); }
  catch (error) { fail(error); } })(); })"""


class Browser:
    """Opens pages, presses keys, and returns what a page holds.

    complaints() returns the console's errors and warnings since the last open(), and exceptions
    that nobody caught. downloads is the folder where pages save files; open() empties it.
    """

    def __init__(self, folder):
        self.folder, self.downloads = folder, folder / "downloads"
        self.downloads.mkdir()

    def open(self, path, address="", width=1280, height=900, dark=False, still=False,
             language="en-US", forced=False):
        """Opens the file path in a window of width x height pixels with these preferences.

        address: what follows the file's name, from "#" on. still: less motion. forced: the
        desktop's own colours, as for high contrast; a browser without them skips the test.
        """
        self.wish(width, height, dark, still, language)
        self.force_colours(forced)
        for file in self.downloads.iterdir():
            file.unlink()
        # The page before makes its last complaints, and the same file is loaded again: it would not
        # be where only the #address is another.
        self.navigate("about:blank")
        self.complaints()
        self.navigate(path.resolve().as_uri() + address)
        self.wait_for("document.readyState === 'complete'")

    def run(self, script):
        """Returns the value of a JavaScript expression, or of the promise that it makes."""
        answer = self.execute(EVALUATE, script)
        if "error" in answer:
            raise RuntimeError(f"{answer['error']}: {script}")
        return answer["value"]

    def wait_for(self, script):
        """Waits until the expression script is true. The page itself polls: that costs least."""
        end, last = time.monotonic() + TIMEOUT, ""
        while True:
            try:
                if self.run(LOOK % script):
                    return
            except Exception as error:  # the page is being left
                last = error
            if time.monotonic() > end:
                raise TimeoutError(f"{script} {last}")
            time.sleep(0.02)

    def press(self, key, *held, shift=False):
        held = [KEYS[name] for name in (*held, *["Shift"] * shift)]
        value = KEYS.get(key, key)
        self.act({"type": "key", "id": "keys", "actions": [
            *({"type": "keyDown", "value": name} for name in held),
            {"type": "keyDown", "value": value}, {"type": "keyUp", "value": value},
            *({"type": "keyUp", "value": name} for name in reversed(held))]})

    def type(self, text):
        for letter in text:
            self.press(letter)

    def click(self, selector, across=0.5, down=0.5, times=1):
        """Clicks in an element. across and down are shares of its width and height."""
        self.mouse(selector, (across, down), steps=["pointerDown", "pointerUp"] * times)

    def drag(self, selector, begin, end, release=True):
        """Drags from begin to end, both (across, down) in an element.

        release=False keeps the button held until release() is called.
        """
        self.mouse(selector, begin, steps=["pointerDown"])
        self.mouse(selector, end, steps=["pointerUp"] if release else [])

    def release(self):
        self.act(_pointer("mouse", [{"type": "pointerUp", "button": 0}]))

    def mouse(self, selector, place, steps):
        x, y = self._place(selector, *place)
        self.act(_pointer("mouse", [{"type": "pointerMove", "x": x, "y": y, "duration": 0},
                                    *({"type": step, "button": 0} for step in steps)]))

    def tap(self, selector, across=0, down=0):
        """Touches the middle of an element and moves the finger across and down, in pixels."""
        x, y = self._place(selector)
        moves = [{"type": "pointerMove", "x": round(x + across * i / 10),
                  "y": round(y + down * i / 10), "duration": 20}
                 for i in range(1, 11)] if across or down else []
        self.act(_pointer("touch", [
            {"type": "pointerMove", "x": x, "y": y, "duration": 0},
            {"type": "pointerDown", "button": 0}, *moves, {"type": "pointerUp", "button": 0}]))
        if down:  # the page still glides: the next touch would only stop it
            before, still = None, 0
            while still < 5:
                now = self.run("scrollY")
                before, still = now, still + 1 if now == before else 0
                time.sleep(0.05)

    def _place(self, selector, across=0.5, down=0.5):
        x, y = self.run(f"(node => {{ const seen = node.getBoundingClientRect(); "
                        f"const top = document.elementFromPoint(seen.x + {across} * seen.width, "
                        f"seen.y + {down} * seen.height);"
                        "if (!top || !(node.contains(top) || top.contains(node))) "
                        "node.scrollIntoView({block: 'center', behavior: 'instant'}); "
                        "const box = node.getBoundingClientRect(); "
                        f"return [box.x + {across} * box.width, box.y + {down} * box.height]; }})"
                        f"(document.querySelector({selector!r}))")
        return round(x), round(y)

    def saved(self, name):
        """Waits for the file called name that the page saves. Returns its bytes."""
        # WebKit writes "_" for "~".
        paths = [self.downloads / name, self.downloads / name.replace("~", "_")]
        end = time.monotonic() + TIMEOUT
        while not ((path := next(filter(Path.exists, paths), paths[0])).exists()
                   and path.stat().st_size and not list(self.downloads.glob("*.part"))):
            if time.monotonic() > end:
                raise TimeoutError(f"{name} in {[*self.downloads.iterdir()]}")
            time.sleep(0.02)
        return path.read_bytes()


def _pointer(kind, actions):
    return {"type": "pointer", "id": kind, "parameters": {"pointerType": kind}, "actions": actions}


class Selenium(Browser):
    """A browser that selenium drives, as self.driver."""

    def navigate(self, url):
        self.driver.get(url)

    def execute(self, script, *arguments):
        return self.driver.execute_async_script(script, *arguments)

    def act(self, *sources):
        self.driver.execute("actions", {"actions": list(sources)})
