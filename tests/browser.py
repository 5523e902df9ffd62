"""A browser in which tests open pages from the disk: one vocabulary, whichever it is."""

import itertools
import time
from pathlib import Path

TIMEOUT = 30
NOWHERE = "127.0.0.1:9"  # the proxy; nobody listens there
KEYS = {"ArrowLeft": "\ue012", "ArrowUp": "\ue013", "ArrowRight": "\ue014", "ArrowDown": "\ue015",
        "End": "\ue010", "Home": "\ue011", "Tab": "\ue004", "Enter": "\ue007", "Escape": "\ue00c",
        "PageDown": "\ue00f", "Shift": "\ue008", "Control": "\ue009"}
EVALUATE = """const done = arguments[arguments.length - 1];
new Promise(resolve => resolve(window.eval(arguments[0])))
  .then(value => done({value: value === undefined ? null : value}),
        error => done({error: String(error)}));"""
# For a second at most: a page that gives way to the next one would not answer.
LOOK = """new Promise((done, fail) => { const end = Date.now() + 1000; (function look() {
  try { if (%s) done(true); else if (Date.now() > end) done(false); else setTimeout(look, 20); }
  catch (error) { fail(error); } })(); })"""


class Browser:
    """A browser: open pages, press keys, and ask what is there.

    complaints(): what the console has shown as an error or a warning since the last open(), and
    exceptions that nobody caught. downloads: the folder of what a page saves, emptied by open().
    """

    def __init__(self, folder):
        self.folder, self.downloads = folder, folder / "downloads"
        self.downloads.mkdir()
        self.numbers = itertools.count()

    def open(self, path, address="", width=1280, height=900, dark=False, still=False,
             language="en-US", forced=False):
        """Opens a file, at #address if there is one, as a browser with these wishes would.

        forced: the colours of the desktop, as for high contrast; a browser without is a skip.
        """
        self.wish(width, height, dark, still, language)
        self.force_colours(forced)
        for file in self.downloads.iterdir():
            file.unlink()
        self.navigate("about:blank")  # what the page before still says, it says now
        self.complaints()
        # Without a number of its own, another #address of the same file would not load it again.
        self.navigate(f"{path.resolve().as_uri()}?{next(self.numbers)}{address}")
        self.wait_for("document.readyState === 'complete'")

    def run(self, script):
        """The value of a JavaScript expression of the page, or of the promise that it is."""
        answer = self.execute(EVALUATE, script)
        if "error" in answer:
            raise RuntimeError(f"{answer['error']}: {script}")
        return answer["value"]

    def wait_for(self, script):
        """Waits until an expression is true. The page itself looks, which costs least."""
        end, last = time.monotonic() + TIMEOUT, ""
        while True:
            try:
                if self.run(LOOK % script):
                    return
            except Exception as error:  # asked while one page gives way to the next
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
        """Clicks into an element, so far across and down."""
        self.mouse(selector, (across, down), steps=["pointerDown", "pointerUp"] * times)

    def drag(self, selector, begin, end, release=True):
        """Goes from one place in an element to another, (across, down) each, with the button held.

        release=False keeps it held; release() lets it go.
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
        """Touches the middle of an element, and goes on so many pixels before the finger leaves."""
        x, y = self._place(selector)
        moves = [{"type": "pointerMove", "x": round(x + across * i / 10),
                  "y": round(y + down * i / 10), "duration": 20}
                 for i in range(1, 11)] if across or down else []
        self.act(_pointer("touch", [
            {"type": "pointerMove", "x": x, "y": y, "duration": 0},
            {"type": "pointerDown", "button": 0}, *moves, {"type": "pointerUp", "button": 0}]))
        if down:  # the page glides on; a touch meanwhile would only stop it
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
        """The bytes of a file that the page has saved."""
        # WebKit has another letter for "~".
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
    """driver: of selenium."""

    def navigate(self, url):
        self.driver.get(url)

    def execute(self, script, *arguments):
        return self.driver.execute_async_script(script, *arguments)

    def act(self, *sources):
        self.driver.execute("actions", {"actions": list(sources)})
