"""
Driving a headless Chromium through its DevTools protocol, over a pair of pipes: nothing to install but the browser.
"""

import base64
import contextlib
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Empty, Queue
from typing import Any

#: What the program is called, by distribution.
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")

#: Starts the browser, which reads from descriptor 3 and writes to 4, with two others put there.
_START = """
import fcntl, os, sys
ends = [fcntl.fcntl(int(number), fcntl.F_DUPFD, 10) for number in sys.argv[1:3]]
for number, end in enumerate(ends, 3):
    os.dup2(end, number)
os.execv(sys.argv[3], sys.argv[3:])
"""

#: Seconds after which something has gone wrong.
PATIENCE = 60


def program() -> str | None:
    """
    Path of the browser; None if there is none.
    """
    return next((found for name in NAMES if (found := shutil.which(name))), None)


class Page:
    """
    A tab of the browser.
    """

    def __init__(self, browser: "Browser", session: str) -> None:
        self._browser = browser
        self._session = session
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.send(f"{domain}.enable")

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        return self._browser.send(method, parameters, self._session)

    def events(self, method: str) -> list[dict[str, Any]]:
        """
        What the browser told of this tab so far.
        """
        return [
            event["params"]
            for event in list(self._browser.events)
            if event["method"] == method and event.get("sessionId") == self._session
        ]

    @property
    def addresses(self) -> list[str]:
        """
        All that was asked for over the network.
        """
        return [event["request"]["url"] for event in self.events("Network.requestWillBeSent")]

    @property
    def complaints(self) -> list[str]:
        """
        Errors of scripts, and what the browser refused or did not find.
        """
        thrown = [
            event["exceptionDetails"].get("exception", {}).get("description", event["exceptionDetails"]["text"])
            for event in self.events("Runtime.exceptionThrown")
        ]
        entries = [event["entry"] for event in self.events("Log.entryAdded")]
        return thrown + [entry["text"] for entry in entries if entry["level"] in {"error", "warning"}]

    def open(self, url: str) -> None:
        """
        Go to an address, and wait until the page is loaded.
        """
        # From an empty page, so that another fragment of the same page loads it again.
        for address in ("about:blank", url):
            before = len(self.events("Page.loadEventFired"))
            self.send("Page.navigate", url=address)
            self._browser.wait(
                lambda before=before: len(self.events("Page.loadEventFired")) > before, f"loading {address}"
            )

    def resize(self, width: int, height: int = 800) -> None:
        self.send(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )

    def prefer(self, scheme: str) -> None:
        """
        Prefer ``light`` or ``dark``.
        """
        self.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def run(self, expression: str) -> Any:
        """
        Value of a JavaScript expression.
        """
        reply = self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in reply, reply["exceptionDetails"]
        return reply["result"].get("value")

    def wait(self, expression: str) -> None:
        """
        Wait until a JavaScript expression is true.
        """
        self._browser.wait(lambda: self.run(f"Boolean({expression})"), expression)

    def text(self, selector: str) -> str:
        """
        The text that is seen of an element.
        """
        return self.run(f"document.querySelector({json.dumps(selector)}).innerText")

    def click(self, selector: str) -> None:
        """
        Click in the middle of an element, with the mouse.
        """
        found = json.dumps(selector)
        x, y = self.run(
            f"(() => {{ const e = document.querySelector({found}); e.scrollIntoView({{block: 'center'}});"
            " const r = e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def focus(self, selector: str) -> None:
        self.run(f"document.querySelector({json.dumps(selector)}).focus()")

    def type(self, text: str) -> None:
        """
        Type into what has the focus, instead of what is selected.
        """
        self.send("Input.insertText", text=text)

    def retype(self, selector: str, text: str) -> None:
        """
        Type into a field what shall stand there alone.
        """
        self.focus(selector)
        self.run(f"document.querySelector({json.dumps(selector)}).select()")
        self.type(text)

    def press(self, key: str) -> None:
        """
        Press a key: ``Tab``, ``Enter``, ``Escape``, or a blank.
        """
        code = {"Tab": 9, "Enter": 13, "Escape": 27, " ": 32}[key]
        text = {"Enter": {"text": "\r"}, " ": {"text": " "}}.get(key, {})
        self.send("Input.dispatchKeyEvent", type="keyDown", key=key, windowsVirtualKeyCode=code, **text)
        self.send("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=code)

    def picture(self, path: Path) -> None:
        """
        Keep what is seen as a PNG file.
        """
        path.write_bytes(base64.b64decode(self.send("Page.captureScreenshot")["data"]))


class Browser:
    """
    A running browser.

    Parameters
    ----------
    reading, writing
        File descriptors of its pipes.
    """

    def __init__(self, reading: int, writing: int) -> None:
        self.events: list[dict[str, Any]] = []
        self._input = os.fdopen(reading, "rb")
        self._output = os.fdopen(writing, "wb", buffering=0)
        self._replies: dict[int, Queue[dict[str, Any]]] = {}
        self._count = 0
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        rest = b""
        while chunk := self._input.read1(1 << 16):
            *messages, rest = (rest + chunk).split(b"\0")
            for message in map(json.loads, messages):
                if "id" in message:
                    self._replies[message["id"]].put(message)
                else:
                    self.events.append(message)

    def send(self, method: str, parameters: dict[str, Any] | None = None, session: str | None = None) -> dict[str, Any]:
        self._count += 1
        number = self._count
        message: dict[str, Any] = {"id": number, "method": method, "params": parameters or {}}
        if session is not None:
            message["sessionId"] = session
        replies = self._replies[number] = Queue()
        left = json.dumps(message).encode() + b"\0"
        while left:
            left = left[self._output.write(left) :]
        try:
            reply = replies.get(timeout=PATIENCE)
        except Empty:
            raise TimeoutError(f"the browser did not answer {method}") from None
        assert "error" not in reply, f"{method}: {reply['error']}"
        return reply["result"]

    def wait(self, condition: Callable[[], Any], what: str) -> None:
        end = time.monotonic() + PATIENCE
        while not condition():
            if time.monotonic() > end:
                raise TimeoutError(f"waited in vain for {what}")
            time.sleep(0.02)

    def page(self) -> Page:
        """
        A new tab, which shares nothing with the others.
        """
        context = self.send("Target.createBrowserContext")["browserContextId"]
        target = self.send("Target.createTarget", {"url": "about:blank", "browserContextId": context})["targetId"]
        return Page(self, self.send("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"])

    def close(self) -> None:
        with contextlib.suppress(OSError, TimeoutError, AssertionError):
            self.send("Browser.close")
        self._output.close()
        self._reader.join(PATIENCE)
        self._input.close()


@contextlib.contextmanager
def running(executable: str, profile: Path) -> Iterator[Browser]:
    """
    Run a browser.

    Parameters
    ----------
    executable
        Its program.
    profile
        An empty folder for what it keeps.
    """
    to_browser, from_us = os.pipe()
    to_us, from_browser = os.pipe()
    command = (
        sys.executable,
        "-c",
        _START,
        str(to_browser),
        str(from_browser),
        executable,
        "--headless",
        "--remote-debugging-pipe",
        f"--user-data-dir={profile}",
        "--no-first-run",
        "--no-sandbox",  # tests may run as root, and look at nothing but their own pages
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-background-networking",
        "--disable-component-update",
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    )
    with subprocess.Popen(
        command,
        pass_fds=(to_browser, from_browser),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "HOME": str(profile)},
    ) as process:
        os.close(to_browser)
        os.close(from_browser)
        browser = Browser(to_us, from_us)
        try:
            yield browser
        finally:
            browser.close()
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
