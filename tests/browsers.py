"""The three browsers of the tests: Chromium, Firefox and WebKit.

selenium drives Chromium and WebKit, marionette_driver drives Firefox. All use a proxy where nobody
answers: no page gets anything from a network.
"""

import base64
import gc
import os
import shutil
import socket
import subprocess
import time
import warnings
from pathlib import Path

import pytest
from browser import NOWHERE, TIMEOUT, Browser, Selenium


class Chromium(Selenium):
    needs = {"chromium": "chromium", "chromedriver": "chromium-driver"}

    def __init__(self, folder):
        super().__init__(folder)
        from selenium import webdriver  # noqa: PLC0415 (a browser that is missing is skipped)

        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which("chromium")
        for flag in ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                     "--no-first-run", "--disable-background-networking", "--hide-scrollbars",
                     # Headless, it has no mouse unless told so.
                     "--blink-settings=primaryHoverType=2,availableHoverTypes=2,"
                     "primaryPointerType=4,availablePointerTypes=4",
                     f"--proxy-server={NOWHERE}", f"--user-data-dir={folder / 'profile'}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "WARNING"})
        self.driver = webdriver.Chrome(
            options, webdriver.ChromeService(shutil.which("chromedriver")))
        self.driver.set_script_timeout(TIMEOUT)
        self.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(self.downloads))

    def call(self, method, **parameters):
        return self.driver.execute_cdp_cmd(method, parameters)

    def wish(self, width, height, dark, still, language):
        phone = width < 600
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height,
                  deviceScaleFactor=1, mobile=phone)
        self.call("Emulation.setTouchEmulationEnabled", enabled=phone)
        self.media = {"prefers-color-scheme": "dark" if dark else "light",
                      "prefers-reduced-motion": "reduce" if still else "no-preference"}
        self.call("Emulation.setUserAgentOverride", acceptLanguage=language,
                  userAgent=self.call("Browser.getVersion")["userAgent"])

    def force_colours(self, forced):
        self.media["forced-colors"] = "active" if forced else "none"
        self._emulate()

    def _emulate(self):
        self.call("Emulation.setEmulatedMedia", features=[
            {"name": name, "value": value} for name, value in self.media.items()])

    def complaints(self):
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def screenshot(self, path):
        """Writes the whole page as a PNG."""
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))

    def close(self):
        self.driver.quit()


class Firefox(Browser):
    needs = {"firefox-esr": "firefox-esr"}

    def __init__(self, folder):
        super().__init__(folder)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        host, proxy_port = NOWHERE.split(":")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # marionette_driver's: a deprecated name, open sockets
            from marionette_driver.marionette import Marionette  # noqa: PLC0415

            self.marionette = Marionette(
                bin=shutil.which("firefox-esr"), port=port, headless=True,
                gecko_log=str(folder / "gecko.log"), prefs={
                    "network.proxy.type": 1, "network.proxy.http": host, "network.proxy.ssl": host,
                    "network.proxy.http_port": int(proxy_port),
                    "network.proxy.ssl_port": int(proxy_port),
                    "browser.download.folderList": 2, "browser.download.dir": str(self.downloads),
                    "browser.download.alwaysOpenPanel": False, "app.normandy.enabled": False})
            gc.collect()
        self.marionette.start_session()
        self.marionette.timeout.script = TIMEOUT

    def _configure(self, script):
        with self.marionette.using_context("chrome"):
            return self.marionette.execute_script(script)

    def wish(self, width, height, dark, still, language):
        self._configure(f"""
            const prefs = Services.prefs, style = gBrowser.selectedBrowser.style;
            prefs.setIntPref(
                "layout.css.prefers-color-scheme.content-override", {int(not dark)});
            prefs.setIntPref("ui.prefersReducedMotion", {int(still)});
            prefs.setIntPref("ui.primaryPointerCapabilities", {1 if width < 600 else 6});
            prefs.setIntPref("dom.w3c_touch_events.enabled", {int(width < 600)});
            prefs.setStringPref("intl.accept_languages", "{language}");
            for (const [name, value] of [["width", {width}], ["height", {height}]]) {{
                const rest = name[0].toUpperCase() + name.slice(1);
                for (const key of [name, "min" + rest, "max" + rest]) style[key] = value + "px";
            }}
            style.flex = "none";""")

    def force_colours(self, forced):
        self._configure("Services.prefs.setIntPref('browser.display.document_color_use', "
                        f"{2 if forced else 0})")

    def navigate(self, url):
        self.marionette.navigate(url)

    def execute(self, script, *arguments):
        return self.marionette.execute_async_script(script, list(arguments), sandbox=None)

    def act(self, *sources):
        self.marionette._send_message("WebDriver:PerformActions", {"actions": list(sources)})

    def complaints(self):
        return self._configure("""
            const seen = Services.console.getMessageArray().map(String)
                .filter(text => text.includes('file: "file:') || text.includes('file: "blob:'));
            Services.console.reset();
            return seen;""")

    def screenshot(self, path):
        path.write_bytes(self.marionette.screenshot(format="binary", full=True))

    def close(self):
        self.marionette.quit()
        self.marionette.cleanup()
        self.marionette = None
        gc.collect()  # marionette_driver closes its sockets when it is collected


class WebKit(Selenium):
    """WebKitGTK's MiniBrowser on a screen in memory.

    It reads dark, still and language from the desktop when it starts; to change them, wish()
    starts it again.
    """

    needs = {"WebKitWebDriver": "webkit2gtk-driver", "Xvfb": "xvfb"}

    def __init__(self, folder):
        super().__init__(folder)
        reading, writing = os.pipe()
        self.screen = subprocess.Popen(
            ["Xvfb", "-displayfd", str(writing), "-screen", "0", "1600x6000x24", "-nolisten",
             "tcp"], pass_fds=[writing], stderr=subprocess.DEVNULL)
        os.close(writing)
        with os.fdopen(reading) as display:
            self.display = f":{display.readline().strip()}"
        self.driver, self.wished = None, None

    def wish(self, width, height, dark, still, language):
        wished = dark, still, language
        if self.wished != wished:
            self._stop()
            self._start(*wished)
            self.wished = wished
        self.driver.set_window_rect(0, 0, width, height + 20)
        self._resized(width)
        self.driver.set_window_rect(0, 0, width, height + 20 + height - self.run("innerHeight"))
        self._resized(width)

    def force_colours(self, forced):
        if forced:
            pytest.skip("WebKit knows no forced colours")

    def _resized(self, width):
        self.wait_for(f"innerWidth === {width}")

    def _start(self, dark, still, language):
        from selenium import webdriver  # noqa: PLC0415
        from selenium.webdriver.webkitgtk.service import Service  # noqa: PLC0415

        home = self.folder / f"{dark}-{still}-{language}"
        for version in 3, 4:
            gtk = home / f"gtk-{version}.0"
            gtk.mkdir(parents=True, exist_ok=True)
            # The window's own buttons must not be wider than a phone.
            (gtk / "gtk.css").write_text("* { min-width: 0; min-height: 0; padding: 0; margin: 0; "
                                         "border-width: 0; font-size: 1px; "
                                         "-gtk-icon-transform: scale(0.1); }")
            (gtk / "settings.ini").write_text(
                f"[Settings]\ngtk-enable-animations={str(not still).lower()}\n")
        (home / "user-dirs.dirs").write_text(f'XDG_DOWNLOAD_DIR="{self.downloads}"\n')
        locale = language.replace("ja", "ja_JP").replace("-", "_") + ".UTF-8"
        environment = {**os.environ, "DISPLAY": self.display, "XDG_CONFIG_HOME": str(home),
                       "LC_ALL": locale, "LOCPATH": str(self._make_locale(locale)),
                       "GTK_THEME": "Adwaita:dark" if dark else "Adwaita",
                       "http_proxy": f"http://{NOWHERE}", "https_proxy": f"http://{NOWHERE}",
                       "no_proxy": "localhost,127.0.0.1"}
        options = webdriver.WebKitGTKOptions()
        options.binary_location = str(next(Path("/usr/lib").glob("*/webkit2gtk-4*/MiniBrowser")))
        options.add_argument("--automation")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # selenium warns of what it does itself
            self.driver = webdriver.WebKitGTK(
                options, service=Service(shutil.which("WebKitWebDriver"), env=environment))
        self.driver.set_script_timeout(TIMEOUT)

    def _make_locale(self, name):
        """Compiles the locale called name from Debian's package locales. Returns its folder."""
        folder = self.folder / "locales"
        folder.mkdir(exist_ok=True)
        if not (folder / name).exists():
            made = shutil.which("localedef") and subprocess.run(
                ["localedef", "-i", name.split(".")[0], "-f", "UTF-8", folder / name],
                capture_output=True).returncode == 0
            if not made and not name.startswith("en"):
                pytest.skip("WebKit speaks no other language without Debian's package locales")
        return folder

    def act(self, *sources):
        for source in sources:
            if source.get("id") == "touch":
                return self._touch(source["actions"])
        super().act(*sources)

    def _touch(self, actions):
        """Sends the page a finger's events: WebKitGTK on a desktop knows no touch."""
        moves = [action for action in actions if action["type"] == "pointerMove"]
        self.run("(moves => { const at = document.elementFromPoint(...moves[0]),"
                 " node = at.closest('svg') ?? at;"
                 "const tell = (type, [x, y], buttons) => node.dispatchEvent(new PointerEvent(type,"
                 " {bubbles: true, cancelable: true, pointerType: 'touch', isPrimary: true,"
                 " clientX: x, clientY: y, buttons, pointerId: 1}));"
                 "const [first, ...rest] = moves, last = moves.at(-1);"
                 "const steep = Math.abs(last[1] - first[1]) > Math.abs(last[0] - first[0]);"
                 "tell('pointerdown', first, 1);"
                 "for (const move of steep ? rest.slice(0, 1) : rest) tell('pointermove', move, 1);"
                 # Up or down, the browser scrolls and sends the page no more events.
                 "tell(steep ? 'pointercancel' : 'pointerup', last, 0);"
                 "if (!rest.length) { node.closest('button, a, input')?.focus();"
                 " node.dispatchEvent(new MouseEvent('click', {bubbles: true, cancelable: true,"
                 " clientX: first[0], clientY: first[1]})); } })"
                 f"({[[move['x'], move['y']] for move in moves]})")

    def navigate(self, url):
        """Loads url, then records errors and warnings: MiniBrowser's console cannot be read."""
        super().navigate(url)
        self.run("""(() => {
            const seen = window.complaints = [];
            addEventListener("error", event => seen.push(event.message ?? event.target.src), true);
            addEventListener("unhandledrejection", ({reason}) => seen.push(String(reason)));
            for (const name of ["error", "warn"]) console[name] = (...words) => seen.push(words);
        })()""")

    def complaints(self):
        return self.run("window.complaints?.splice(0)") or []

    def screenshot(self, path):
        rect = self.driver.get_window_rect()
        height = self.run("document.documentElement.scrollHeight")
        self.driver.set_window_rect(0, 0, rect["width"], height + 20)
        time.sleep(0.3)
        self.driver.save_screenshot(str(path))
        self.driver.set_window_rect(0, 0, rect["width"], rect["height"])

    def _stop(self):
        if self.driver:
            self.driver.quit()
            self.driver = None

    def close(self):
        self._stop()
        self.screen.terminate()
        self.screen.wait()


BROWSERS = {"chromium": Chromium, "firefox": Firefox, "webkit": WebKit}


def missing(kind):
    """Returns the Debian packages that a class of BROWSERS still needs."""
    return [package for program, package in kind.needs.items() if not shutil.which(program)]


def start(name, folder):
    """Starts the browser called name; skips the test, with the reason, if it is not installed."""
    kind = BROWSERS[name]
    if packages := missing(kind):
        pytest.skip(f"{kind.__name__} is missing: the pages were not tried in it (Debian: apt-get "
                    f"install {' '.join(packages)})")
    return kind(folder)


# Marks tests of what the page's own code decides: it is the same code in every browser. The first
# browser that is installed runs them; make test-faults runs them in all.
FIRST = next((name for name, kind in BROWSERS.items() if not missing(kind)), "chromium")
in_one = pytest.mark.parametrize("browser_process", [
    pytest.param(name, marks=() if name == FIRST else pytest.mark.faults) for name in BROWSERS],
    indirect=True)


def by_day_and_by_night(phone):
    """Marks a test of width and dark: a phone by night, a desk by day; make test-faults swaps them.

    phone: its width in pixels.
    """
    return pytest.mark.parametrize("width, dark", [
        (phone, True), (1280, False), pytest.param(phone, False, marks=pytest.mark.faults),
        pytest.param(1280, True, marks=pytest.mark.faults)])
