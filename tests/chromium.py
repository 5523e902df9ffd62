"""A headless Chromium for the tests: opens a page, presses keys, says what happened.

It is spoken to in the DevTools protocol (https://chromedevtools.github.io/devtools-protocol) over
a pair of pipes, which Chromium offers with --remote-debugging-pipe: messages are JSON, each ended
by a zero byte. That needs no driver and no further package.
"""

import base64
import json
import os
import select
import shutil
import subprocess
import time

PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser")
KEYS = {"ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40, "End": 35, "Home": 36,
        "Tab": 9, "Enter": 13, "Escape": 27, " ": 32}
TIMEOUT = 30


class Chromium:
    """with Chromium(folder) as browser: ...; folder is new and empty, for the browser's profile.

    requests: the URLs that were asked for. complaints: what the console shows as an error or a
    warning, exceptions, and failed requests.
    """

    def __init__(self, folder):
        self.requests, self.complaints = [], []
        self._number, self._buffer = 0, b""
        theirs_in, self._to = os.pipe()
        self._from, theirs_out = os.pipe()
        self._process = subprocess.Popen(
            # The pipes have to be the descriptors 3 and 4. (sh has no numbers above 9.)
            ["bash", "-c", f'exec "$@" 3<&{theirs_in} 4>&{theirs_out}', "bash", PROGRAM,
             "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
             "--no-first-run", "--disable-background-networking", "--disable-component-update",
             "--disable-sync", f"--user-data-dir={folder}", "--remote-debugging-pipe",
             "about:blank"],
            pass_fds=(theirs_in, theirs_out), stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(theirs_in)
        os.close(theirs_out)
        self._session = None

    def __enter__(self):
        targets = self.call("Target.getTargets")["targetInfos"]
        page = next(target for target in targets if target["type"] == "page")
        self._session = self.call("Target.attachToTarget", targetId=page["targetId"],
                                  flatten=True)["sessionId"]
        for domain in "Page", "Runtime", "Log", "Network":
            self.call(f"{domain}.enable")
        return self

    def __exit__(self, *_):
        self._session = None
        try:
            self.call("Browser.close")
            self._process.wait(TIMEOUT)
        finally:
            self._process.kill()
            self._process.wait()
            os.close(self._to)
            os.close(self._from)

    def call(self, method, **parameters):
        """Sends a command and returns its result."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                return answer["result"]
            self._note(answer)

    def _read(self):
        while b"\0" not in self._buffer:
            if not select.select([self._from], [], [], TIMEOUT)[0]:
                raise TimeoutError("Chromium is silent")
            data = os.read(self._from, 1 << 16)
            if not data:
                raise RuntimeError("Chromium has ended")
            self._buffer += data
        message, self._buffer = self._buffer.split(b"\0", 1)
        return json.loads(message)

    def _note(self, event):
        name, detail = event.get("method"), event.get("params", {})
        if name == "Network.requestWillBeSent":
            self.requests.append(detail["request"]["url"])
        elif name == "Network.loadingFailed" and not detail.get("canceled"):
            self.complaints.append(detail["errorText"])
        elif name == "Runtime.exceptionThrown":
            self.complaints.append(detail["exceptionDetails"])
        elif name == "Runtime.consoleAPICalled" and detail["type"] in ("error", "warning"):
            self.complaints.append(detail["args"])
        elif name == "Log.entryAdded" and detail["entry"]["level"] in ("error", "warning"):
            self.complaints.append(detail["entry"]["text"])

    def open(self, path, address="", width=1280, height=900, dark=False, still=False,
             language="en-US"):
        """Opens a file, at #address if there is one, as a browser with these wishes would."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height,
                  deviceScaleFactor=1, mobile=width < 600)
        self.call("Emulation.setTouchEmulationEnabled", enabled=width < 600)
        self.call("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
            {"name": "prefers-reduced-motion", "value": "reduce" if still else "no-preference"}])
        self.call("Emulation.setUserAgentOverride", acceptLanguage=language,
                  userAgent=self.call("Browser.getVersion")["userAgent"])
        # Another address of the same file would not load it again.
        self.call("Page.navigate", url="about:blank")
        self.requests.clear()
        self.call("Page.navigate", url=path.resolve().as_uri() + address)
        self.wait_for("document.readyState === 'complete'")

    def run(self, script):
        """The value of a JavaScript expression."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True,
                           awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"])
        return answer["result"].get("value")

    def wait_for(self, script):
        """Waits until an expression is true."""
        end = time.monotonic() + TIMEOUT
        while not self._is_true(script):
            if time.monotonic() > end:
                raise TimeoutError(script)
            time.sleep(0.02)

    def _is_true(self, script):
        try:
            return self.run(script)
        except RuntimeError as error:
            # Asked while one page gives way to the next.
            if "navigated or closed" in str(error) or "context was destroyed" in str(error):
                return False
            raise

    def press(self, key, shift=False):
        text = {"Enter": "\r", " ": " "}.get(key)
        for kind in "keyDown", "keyUp":
            self.call("Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=KEYS[key],
                      modifiers=8 if shift else 0,
                      **({"text": text} if text and kind == "keyDown" else {}))

    def click(self, selector, across=0.5, down=0.5):
        """Clicks into an element, so far across and down."""
        self.run(f"document.querySelector({selector!r}).scrollIntoView({{block: 'center'}})")
        box = self.run(f"document.querySelector({selector!r}).getBoundingClientRect().toJSON()")
        place = {"x": box["x"] + across * box["width"], "y": box["y"] + down * box["height"]}
        for kind in "mouseMoved", "mousePressed", "mouseReleased":
            self.call("Input.dispatchMouseEvent", type=kind, button="left", clickCount=1,
                      buttons=1 if kind == "mousePressed" else 0, **place)

    def tap(self, selector, across=0, down=0):
        """Touches the middle of an element, and goes on so many pixels before the finger leaves."""
        self.run(f"document.querySelector({selector!r}).scrollIntoView({{block: 'center'}})")
        box = self.run(f"document.querySelector({selector!r}).getBoundingClientRect().toJSON()")
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        self.call("Input.dispatchTouchEvent", type="touchStart", touchPoints=[{"x": x, "y": y}])
        for i in range(1, 11) if across or down else ():
            place = {"x": x + across * i / 10, "y": y + down * i / 10}
            self.call("Input.dispatchTouchEvent", type="touchMove", touchPoints=[place])
        self.call("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])

    def save_to(self, folder):
        """Lets the page save files into folder."""
        self.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(folder))

    def screenshot(self, path):
        """The whole page as a PNG."""
        data = self.call("Page.captureScreenshot", captureBeyondViewport=True)["data"]
        path.write_bytes(base64.b64decode(data))
