"""A headless Chromium that is told what to do over its DevTools protocol; skipped where there is none."""

import base64
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.sync.client import ClientConnection, connect

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")


class Tab:
    """One page of the browser; `errors` are what its console had of them."""

    def __init__(self, line: ClientConnection) -> None:
        self._line = line
        self._number = 0
        self.errors: list[str] = []
        for domain in ("Page", "Runtime", "Log"):
            self.ask(f"{domain}.enable")

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        self._line.send(json.dumps({"id": self._number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._line.recv(timeout=30))
            if message.get("id") == self._number:
                assert "error" not in message, message
                return message["result"]
            if error := _error(message.get("method"), message.get("params", {})):
                self.errors.append(error)

    def run(self, script: str) -> Any:
        """What a script of JavaScript gives; a promise is waited for."""
        found = self.ask("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def open(self, url: str, width: int = 1100, height: int = 1400, dark: bool = False) -> None:
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.ask("Emulation.setEmulatedMedia", features=scheme)
        self.ask("Page.navigate", url=url)

    def wait(self, condition: str) -> None:
        """Until an expression of JavaScript is true."""
        self.run(
            "new Promise((resolve, reject) => { const end = Date.now() + 15000; const look = () => {"
            f"  let found = false; try {{ found = {condition}; }} catch {{}}"
            "  if (found) resolve(); else if (Date.now() > end) reject(new Error('not so')); else setTimeout(look, 50);"
            "}; look(); })"
        )

    def press(self, key: str) -> None:
        text = {"Enter": "\r"}.get(key, "")
        for kind in ("keyDown", "keyUp"):
            code = {"Tab": 9, "Enter": 13}[key]
            self.ask("Input.dispatchKeyEvent", type=kind, key=key, code=key, text=text, windowsVirtualKeyCode=code)

    def picture(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self.ask("Page.captureScreenshot", captureBeyondViewport=True)["data"]))


def _error(event: str | None, found: dict[str, Any]) -> str:
    """What an event says of an error on the page; empty of any other."""
    match event:
        case "Runtime.exceptionThrown":
            return json.dumps(found["exceptionDetails"])
        case "Runtime.consoleAPICalled" if found["type"] in ("error", "assert"):
            return json.dumps(found["args"])
        case "Log.entryAdded" if found["entry"]["level"] == "error":
            return json.dumps(found["entry"])
    return ""


@contextmanager
def browser(profile: Path, *flags: str) -> Iterator[Tab]:
    """A browser with an empty tab."""
    if CHROMIUM is None:
        pytest.skip("no Chromium on the PATH")
    process = subprocess.Popen(
        [CHROMIUM, *FLAGS, *flags, "--remote-debugging-port=0", f"--user-data-dir={profile}", "about:blank"],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        lines = iter(process.stderr.readline, "")  # type: ignore[union-attr]
        port = next(found[1] for line in lines if (found := re.search(r"ws://127\.0\.0\.1:(\d+)/", line)))
        pages = httpx.get(f"http://127.0.0.1:{port}/json").json()
        address = next(page["webSocketDebuggerUrl"] for page in pages if page["type"] == "page")
        with connect(address, max_size=None) as line:
            yield Tab(line)
    finally:
        process.kill()
        process.wait()
