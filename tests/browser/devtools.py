"""A headless Chromium driven through its DevTools protocol: open a page, run script in it, move the mouse, press keys, take pictures."""
import base64
import json
import os
import shutil
import subprocess
import tempfile
import time

import websocket  # Debian and PyPI: websocket-client

LIMIT = 120  # seconds that anything is waited for: a busy machine is no failure
KEYS = {"ArrowUp": 38, "ArrowDown": 40, "ArrowLeft": 37, "ArrowRight": 39, "Escape": 27, "Tab": 9, "Enter": 13, "End": 35, "Home": 36}


def find_chromium():
    names = [os.environ.get("CHROMIUM", ""), "chromium", "chromium-browser", "google-chrome", "chrome"]
    return next((path for path in map(shutil.which, filter(None, names)) if path), None)


class Browser:
    """One page; `requests` and `problems` collect what it fetched and complained about since the last open()."""

    def __init__(self, program):
        self.folder = tempfile.mkdtemp(prefix="page_browser_")
        self.process = subprocess.Popen(
            [program, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-extensions",
             "--disable-background-networking", "--remote-debugging-port=0", f"--user-data-dir={self.folder}", "--remote-allow-origins=*", "about:blank"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.socket = self.connect()
        self.number, self.session, self.events = 0, None, []
        self.requests, self.problems = [], []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(domain + ".enable")

    def connect(self):
        """Chromium says in a file where it listens; it may be absent, half written, or ahead of who listens."""
        start = time.time()
        while True:
            try:
                with open(os.path.join(self.folder, "DevToolsActivePort"), encoding="ascii") as file:
                    port, path = file.read().split()
                return websocket.create_connection(f"ws://127.0.0.1:{port}{path}", timeout=LIMIT)
            except (OSError, ValueError, websocket.WebSocketException) as error:
                if self.process.poll() is not None or time.time() - start > LIMIT:
                    self.process.kill()
                    raise RuntimeError(f"Chromium does not answer: exit {self.process.poll()}, {error}") from error
            time.sleep(0.1)

    def close(self):
        try:
            self.session = None
            self.call("Browser.close")
        except (websocket.WebSocketException, OSError):
            pass
        try:
            self.process.wait(timeout=LIMIT)
        except subprocess.TimeoutExpired:
            self.process.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def note(self, message):
        method, values = message.get("method"), message.get("params", {})
        if method == "Network.requestWillBeSent":
            self.requests.append(values["request"]["url"][:200])
        elif method == "Runtime.exceptionThrown":
            self.problems.append(json.dumps(values["exceptionDetails"])[:600])
        elif method == "Runtime.consoleAPICalled" and values["type"] in ("error", "warning", "assert"):
            self.problems.append(json.dumps(values["args"])[:600])
        elif method == "Log.entryAdded" and values["entry"]["level"] in ("error", "warning"):
            self.problems.append(values["entry"]["text"][:600])
        elif method == "Page.javascriptDialogOpening":
            self.problems.append("dialog: " + values["message"])
        if method:
            self.events.append(method)

    def call(self, method, **values):
        self.number += 1
        message = {"id": self.number, "method": method, "params": values}
        if self.session:
            message["sessionId"] = self.session
        self.socket.send(json.dumps(message))
        while True:
            answer = json.loads(self.socket.recv())
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]
            self.note(answer)

    def run(self, script):
        """The value of an expression (promises are awaited)."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(json.dumps(answer["exceptionDetails"])[:600])
        return answer["result"].get("value")

    def wait(self, expression):
        """Whether the expression becomes true before the page complains or the time is over; then what follows from it is drawn."""
        start = time.time()
        while not (found := self.run(expression)) and not self.problems and time.time() - start < LIMIT:
            time.sleep(0.05)
        self.settle()
        return bool(found)

    def settle(self):
        """Until what was begun is drawn: frames, however long each of them takes."""
        self.run("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 30))))")

    def open(self, path, width=1200, height=900, dark=False):
        """Returns the seconds until the page says that it is ready."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])
        self.call("Page.navigate", url="about:blank")
        self.requests.clear(), self.problems.clear()
        start = time.time()
        self.call("Page.navigate", url=path if "://" in path else "file://" + os.path.abspath(path))
        while self.run("document.documentElement?.dataset.ready") != "yes":
            time.sleep(0.02)
            if time.time() - start > LIMIT:
                raise RuntimeError(f"{path} is not ready after {LIMIT} s: {self.problems}")
        seconds = time.time() - start
        self.settle()
        return seconds

    def shot(self, path):
        """The whole page, in a window that is tall enough for it."""
        width, height = self.run("[innerWidth, document.documentElement.scrollHeight]")
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=max(height, 300), deviceScaleFactor=1, mobile=False)
        self.settle()
        picture = self.call("Page.captureScreenshot", format="png")
        with open(path, "wb") as file:
            file.write(base64.b64decode(picture["data"]))

    def mouse(self, kind, x, y, **more):
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **more)

    def move(self, x, y):
        self.mouse("mouseMoved", x, y)
        self.settle()

    def click(self, x, y):
        self.mouse("mouseMoved", x, y)
        self.mouse("mousePressed", x, y, button="left", clickCount=1)
        self.mouse("mouseReleased", x, y, button="left", clickCount=1)
        self.settle()

    def click_on(self, selector):
        x, y = self.run(f"""(() => {{ const node = document.querySelector({json.dumps(selector)}); node.scrollIntoView({{block: 'center'}});
            const box = node.getBoundingClientRect(); return [box.left + box.width / 2, box.top + box.height / 2]; }})()""")
        self.click(x, y)

    def press(self, key, shift=False):
        values = {"key": key, "modifiers": 8 if shift else 0, "windowsVirtualKeyCode": KEYS.get(key, ord(key[0].upper()))}
        if len(key) == 1:
            values["text"] = key
        elif key == "Enter":
            values["text"] = "\r"
        self.call("Input.dispatchKeyEvent", type="keyDown", **values)
        self.call("Input.dispatchKeyEvent", type="keyUp", **values)
        self.settle()
