"""A real browser without a window: Debian's Chromium, driven over two pipes by the protocol that
its own tools speak (Chrome DevTools Protocol), so that nothing has to be installed beside it.
"""

import base64
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

Json = dict[str, Any]

CHROMIUM = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)
_WITHOUT_A_WINDOW = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-proxy-server",
    # no internet, for the browser itself too
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
_LIMIT_S = 120.0


class Browser:
    """One page of a browser of its own."""

    def __init__(self, profile: Path) -> None:
        assert CHROMIUM is not None
        self._events: list[Json] = []
        self._unread = b""
        self._number = 0
        to_read, self._out = os.pipe()
        self._in, to_write = os.pipe()
        self._process = subprocess.Popen(
            [
                # It reads commands at 3 and answers at 4, whatever these are here.
                "bash", "-c", f'exec "$@" 3<&{to_read} 4>&{to_write}', "bash", CHROMIUM,
                *_WITHOUT_A_WINDOW, "--remote-debugging-pipe", "--hide-scrollbars",
                f"--user-data-dir={profile}", "about:blank",
            ],
            pass_fds=(to_read, to_write),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(to_read)
        os.close(to_write)
        target = self._call("Target.createTarget", {"url": "about:blank"})["targetId"]
        attached = {"targetId": target, "flatten": True}
        self._session = self._call("Target.attachToTarget", attached)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._out)  # it ends when nobody is left to command it
        self._process.wait(timeout=_LIMIT_S)
        os.close(self._in)

    def call(self, method: str, **parameters: Any) -> Json:
        """What a command of the page returns. Raises AssertionError where it fails."""
        return self._call(method, parameters, {"sessionId": self._session})

    def open(self, url: str) -> None:
        """Go to a page, until all of it is loaded."""
        self._events.clear()
        found = self.call("Page.navigate", url=url)
        assert "errorText" not in found, found
        self.until_event("Page.loadEventFired")

    def until_event(self, method: str) -> None:
        """Wait for something that the page tells."""
        limit = time.monotonic() + _LIMIT_S
        while not any(event.get("method") == method for event in self._events):
            self._read(limit)

    def until(self, expression: str) -> None:
        """Wait until something is so in the page."""
        code = (
            "new Promise(done => { const look = () => document.readyState == 'complete' &&"
            f" ({expression}) ? done(true) :"
            " setTimeout(look, 20); look(); })"
        )
        limit, refused = time.monotonic() + _LIMIT_S, None
        while time.monotonic() < limit:
            try:
                self.evaluate(code)
            except AssertionError as error:  # the page went on to another meanwhile
                refused = error
                continue
            return
        raise AssertionError(f"never: {expression}") from refused

    def evaluate(self, expression: str) -> Any:
        """What an expression is in the page, awaited where it is a promise."""
        told = self.call(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in told, told["exceptionDetails"]
        return told["result"].get("value")

    def look(self, width: int, scheme: str, height: int = 900) -> None:
        """Have a window of a width, and a system with light or dark colours."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.call("Emulation.setEmulatedMedia", features=features)

    def press(self, key: str, code: int) -> None:
        """Press a key."""
        known = {"key": key, "code": key, "windowsVirtualKeyCode": code}
        if key == "Enter":
            known["text"] = "\r"
        self.call("Input.dispatchKeyEvent", type="keyDown", **known)
        self.call("Input.dispatchKeyEvent", type="keyUp", **known)

    def write(self, text: str) -> None:
        """Write into what has the focus."""
        self.call("Input.insertText", text=text)

    def picture(self) -> bytes:
        """The whole page, as PNG."""
        told = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        return base64.b64decode(told["data"])

    def complaints(self) -> list[str]:
        """What the browser did not like since the page was opened: its policy broken, scripts that
        failed, files that were not there.
        """
        self.evaluate("0")  # what was told before has come
        return [said for event in self._events if (said := _complaint(event)) is not None]

    def asked(self) -> list[str]:
        """The addresses that were asked for since the page was opened."""
        return [
            event["params"]["request"]["url"]
            for event in self._events
            if event.get("method") == "Network.requestWillBeSent"
        ]

    def _call(self, method: str, parameters: Json, more: Json | None = None) -> Json:
        self._number += 1
        number = self._number
        command = {"id": number, "method": method, "params": parameters, **(more or {})}
        os.write(self._out, json.dumps(command).encode() + b"\0")
        limit = time.monotonic() + _LIMIT_S
        while True:
            answer = self._read(limit)
            if answer.get("id") == number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return dict(answer["result"])

    def _read(self, limit: float) -> Json:
        """The next message; events are kept."""
        while b"\0" not in self._unread:
            ready, _, _ = select.select([self._in], [], [], max(limit - time.monotonic(), 0.0))
            assert ready, f"the browser said nothing for {_LIMIT_S:g} s"
            more = os.read(self._in, 2**16)
            assert more, "the browser ended"
            self._unread += more
        text, _, self._unread = self._unread.partition(b"\0")
        message: Json = json.loads(text)
        if "method" in message:
            self._events.append(message)
        return message


def _complaint(event: Json) -> str | None:
    told = event.get("params", {})
    match event.get("method"):
        case "Log.entryAdded" if told["entry"]["level"] in ("error", "warning"):
            return f"{told['entry']['source']}: {told['entry']['text']}"
        case "Runtime.exceptionThrown":
            return str(told["exceptionDetails"])
        case "Runtime.consoleAPICalled" if told["type"] in ("error", "warning", "assert"):
            return str(told["args"])
    return None


def axe(source: Path) -> Callable[[Browser], list[Json]]:
    """What axe-core finds of a page that it calls serious or critical."""
    script = source.read_text()

    def findings(browser: Browser) -> list[Json]:
        # As the developer's tools do it: the page's own policy holds for what is in the page.
        browser.evaluate(f"window.axe ? 0 : (0, function () {{ {script} }})()")
        found = browser.evaluate(
            "axe.run(document, {resultTypes: ['violations']}).then(found => found.violations"
            ".map(({id, impact, nodes}) => ({id, impact,"
            " nodes: nodes.slice(0, 3).map(node => node.html + ': ' + node.failureSummary)})))"
        )
        return [each for each in found if each["impact"] in ("serious", "critical")]

    return findings
