"""Firefox over WebDriver BiDi, as much of it as our tests need.

    with Loudspeaker() as sound, Firefox(tmp_path, PULSE_SERVER=sound.url) as firefox:
        firefox.goto(site.url)
        firefox.fill("input[name=login]", "ann")
        firefox.press("Enter")
        firefox.click("[data-testid=start-talking]")
        firefox.until("window.__nextvoice.samplesRendered > 0")
        firefox.problems                    # errors of the console and of scripts

Playwright drives only a Firefox of its own making. Keys and clicks are the browser's own input,
so they count as a person's. Its fake microphone is a steady tone.
https://w3c.github.io/webdriver-bidi/
"""

from __future__ import annotations

import base64
import itertools
import json
import os
import shutil
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from websockets.sync.client import ClientConnection, connect

START_SECONDS = 60.0
KEYS = {"Enter": "\ue007", "Tab": "\ue004", "Escape": "\ue00c"}
PREFS: dict[str, bool | int | str] = {
    "media.navigator.streams.fake": True,
    "media.navigator.permission.disabled": True,
    "media.autoplay.default": 0,
    # Nothing of Mozilla's own is asked for or shown.
    "app.normandy.enabled": False,
    "app.update.disabledForTesting": True,
    "browser.aboutwelcome.enabled": False,
    "browser.safebrowsing.update.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "extensions.getAddons.cache.enabled": False,
    "extensions.update.enabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "services.settings.server": "data:,#remote-settings-dummy/v1",
    "signon.rememberSignons": False,
    "toolkit.telemetry.reportingpolicy.firstRun": False,
}


class Failed(AssertionError):
    """What the browser said to a command it could not do."""


class Firefox:
    """One window with one page, its profile in `folder`. A context manager."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.problems: list[str] = []
        self._profile = folder / "profile"
        self._log = folder / "firefox.log"
        self._ids = itertools.count(1)
        self._process: subprocess.Popen[bytes] | None = None
        self._environment = {**os.environ, **environment}
        self._open = ExitStack()
        self._socket: ClientConnection | None = None
        self._page = ""

    def __enter__(self) -> Self:
        self._profile.mkdir()
        prefs = (f"user_pref({json.dumps(k)}, {json.dumps(v)});\n" for k, v in PREFS.items())
        (self._profile / "user.js").write_text("".join(prefs))
        program = shutil.which("firefox-esr") or shutil.which("firefox") or "firefox-esr"
        command = [program, "--headless", "--no-remote", "--remote-debugging-port=0"]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [*command, "--profile", str(self._profile)],
                env=self._environment,
                stdout=log,
                stderr=log,
            )
        try:
            self._attach()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()

    def goto(self, url: str) -> None:
        """Open an address and wait until the page is loaded."""
        self._ask("browsingContext.navigate", context=self._page, url=url, wait="complete")

    def reload(self) -> None:
        """Load the page again and wait until it is there."""
        self._ask("browsingContext.reload", context=self._page, wait="complete")

    def run(self, expression: str) -> Any:
        """The value of a JavaScript expression in the page, awaited; must be JSON."""
        said = self._ask(
            "script.callFunction",
            functionDeclaration=f"async () => JSON.stringify(await ({expression}))",
            target={"context": self._page},
            awaitPromise=True,
        )
        if said["type"] == "exception":
            raise Failed(said["exceptionDetails"]["text"])
        return json.loads(said["result"]["value"]) if "value" in said["result"] else None

    def until(self, expression: str, seconds: float = 30.0) -> Any:
        """Wait until the expression is true, and return its value."""
        deadline = time.monotonic() + seconds
        while not (seen := self.run(expression)):
            if time.monotonic() > deadline:
                raise Failed(f"never true within {seconds} s: {expression}")
            time.sleep(0.05)
        return seen

    def visible(self, selector: str) -> None:
        """Wait until an element is there to see."""
        self.until(f"document.querySelector({json.dumps(selector)})?.checkVisibility() ?? false")

    def click(self, selector: str) -> None:
        """Click the middle of an element, once it is there to see."""
        self.visible(selector)
        element = self._find(selector)
        self._input(
            {"type": "pointerMove", "x": 0, "y": 0, "origin": {"type": "element", **element}},
            {"type": "pointerDown", "button": 0},
            {"type": "pointerUp", "button": 0},
            kind="pointer",
        )

    def fill(self, selector: str, text: str) -> None:
        """Type into a field."""
        self.click(selector)
        self.press(*text)

    def press(self, *keys: str) -> None:
        """Press and release each key: one character, or a name of `KEYS`."""
        values = [KEYS.get(key, key) for key in keys]
        each = ({"type": kind, "value": v} for v in values for kind in ("keyDown", "keyUp"))
        self._input(*each, kind="key")

    def picture(self, path: Path) -> None:
        """Keep a PNG of what can be seen."""
        shot = self._ask("browsingContext.captureScreenshot", context=self._page)
        path.write_bytes(base64.b64decode(shot["data"]))

    def _attach(self) -> None:
        address = f"{self._address()}/session"
        self._socket = self._open.enter_context(connect(address, max_size=None, proxy=None))
        self._ask("session.new", capabilities={})
        self._ask("session.subscribe", events=["log.entryAdded"])
        (page,) = self._ask("browsingContext.getTree")["contexts"]
        self._page = page["context"]

    def _address(self) -> str:
        """Where it listens, once it says so."""
        assert self._process is not None
        deadline = time.monotonic() + START_SECONDS
        while True:
            said = self._log.read_text(errors="replace")
            _, found, rest = said.partition("WebDriver BiDi listening on ")
            if found and "\n" in rest:
                return rest.partition("\n")[0].strip()
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"Firefox did not start:\n{said}")
            time.sleep(0.05)

    def _find(self, selector: str) -> dict[str, Any]:
        locator = {"type": "css", "value": selector}
        nodes = self._ask("browsingContext.locateNodes", context=self._page, locator=locator)
        first = nodes["nodes"][0]
        return {"element": {"sharedId": first["sharedId"]}}

    def _input(self, *actions: dict[str, Any], kind: str) -> None:
        source: dict[str, Any] = {"type": kind, "id": kind, "actions": list(actions)}
        self._ask("input.performActions", context=self._page, actions=[source])

    def _ask(self, method: str, **params: Any) -> dict[str, Any]:
        """Send a command, wait for its answer; what happened meanwhile is kept."""
        assert self._socket is not None
        number = next(self._ids)
        self._socket.send(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            said: dict[str, Any] = json.loads(self._socket.recv(timeout=START_SECONDS))
            if said.get("id") == number:
                break
            self._note(said)
        if said["type"] == "error":
            raise Failed(f"{method}: {said['error']}: {said['message']}")
        result: dict[str, Any] = said["result"]
        return result

    def _note(self, event: dict[str, Any]) -> None:
        if event.get("method") == "log.entryAdded" and event["params"]["level"] == "error":
            self.problems.append(str(event["params"]["text"]))

    def _end(self) -> None:
        self._open.close()
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
