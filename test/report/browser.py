"""A headless Chromium, driven over its debugging pipe: enough to open a page, use it and see what it shows."""

import base64
import io
import json
import os
import select
import shutil
import subprocess
import time

import numpy as np
from PIL import Image

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
TIMEOUT_S = 60.0


def find() -> str | None:
    """The browser's program, None where there is none."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


def changed(before: np.ndarray, after: np.ndarray) -> float:
    """Share of the pixels (h, w, 3) that are another colour."""
    return float((np.abs(before.astype(int) - after).max(axis=-1) > 8).mean())


class Browser:
    """One tab of a browser that is ended by `close`. complaints: what its console and its log said of trouble."""

    def __init__(self, program: str, profile, width: int = 1200, height: int = 760):
        (self._their_in, self._out), (self._in, self._their_out) = os.pipe(), os.pipe()
        command = [
            program, "--headless=new", "--no-sandbox", "--disable-gpu-sandbox", "--use-angle=swiftshader",
            "--enable-unsafe-swiftshader", "--no-first-run", "--disable-extensions", "--disable-background-networking",
            "--remote-debugging-pipe", f"--user-data-dir={profile}", f"--window-size={width},{height}", "about:blank",
        ]  # fmt: skip
        self._process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, close_fds=False, preexec_fn=self._plug
        )
        os.close(self._their_in)
        os.close(self._their_out)
        self._number, self._rest, self._session = 0, b"", None
        self.complaints: list[str] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def _plug(self) -> None:
        """In the child: the pipe's ends are to be file descriptors 3 and 4."""
        read, write = os.dup(self._their_in), os.dup(self._their_out)
        while read < 5 or write < 5:
            read, write = os.dup(read), os.dup(write)
        os.dup2(read, 3)
        os.dup2(write, 4)

    def call(self, method: str, **params) -> dict:
        """Send one command and wait for its answer; what comes meanwhile is looked through for complaints."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + TIMEOUT_S
        while True:
            answer = self._next(deadline, method)
            if answer.get("id") == self._number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return answer["result"]

    def _next(self, deadline: float, method: str) -> dict:
        while b"\0" not in self._rest:
            left = deadline - time.monotonic()
            assert left > 0, f"the browser did not answer {method} within {TIMEOUT_S} s"
            if select.select([self._in], [], [], left)[0]:
                part = os.read(self._in, 1 << 16)
                assert part, f"the browser ended during {method}"
                self._rest += part
        text, _, self._rest = self._rest.partition(b"\0")
        message = json.loads(text)
        self._look(message.get("method"), message.get("params", {}))
        return message

    def _look(self, event: str | None, params: dict) -> None:
        if event == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(params["exceptionDetails"]))
        elif event == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning", "assert"):
            self.complaints.append(json.dumps(params["args"]))
        elif event == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            self.complaints.append(params["entry"]["text"])
        elif event == "Network.requestWillBeSent" and not params["request"]["url"].startswith(("file:", "data:")):
            self.complaints.append(f"request to {params['request']['url']}")

    def open(self, url: str) -> None:
        """Go there and wait until it is loaded and drawn."""
        self.call("Page.navigate", url=url)
        self.wait_for("document.readyState === 'complete'")
        self.settle()

    def evaluate(self, expression: str):
        """The value of a JavaScript expression; a promise's, once it is kept."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def wait_for(self, expression: str) -> None:
        """Until the expression is true."""
        deadline = time.monotonic() + TIMEOUT_S
        while not self.evaluate(expression):
            assert time.monotonic() < deadline, f"waited {TIMEOUT_S} s for {expression}"
            time.sleep(0.02)

    def settle(self) -> None:
        """Until two more frames were drawn."""
        self.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))")

    def middle(self, selector: str) -> tuple[float, float]:
        """Of the first element that fits, brought into view [px]."""
        box = f"document.querySelector('{selector}')"
        self.evaluate(f"{box}.scrollIntoView({{block: 'nearest'}})")
        x, y = self.evaluate(f"(b => [b.x + b.width / 2, b.y + b.height / 2])({box}.getBoundingClientRect())")
        return x, y

    def drag(self, start: tuple[float, float], by: tuple[float, float], steps: int = 4) -> None:
        """With the left button of the mouse."""
        self._mouse("mousePressed", *start)
        for i in range(1, steps + 1):
            self._mouse("mouseMoved", start[0] + by[0] * i / steps, start[1] + by[1] * i / steps)
        self._mouse("mouseReleased", start[0] + by[0], start[1] + by[1])
        self.settle()

    def click(self, at: tuple[float, float]) -> None:
        """With the left button of the mouse."""
        self.drag(at, (0.0, 0.0), steps=0)

    def _mouse(self, kind: str, x: float, y: float) -> None:
        buttons = 0 if kind == "mouseReleased" else 1
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=buttons, clickCount=1)

    def wheel(self, at: tuple[float, float], by: float) -> None:
        """Turn the wheel [px]."""
        self.call("Input.dispatchMouseEvent", type="mouseWheel", x=at[0], y=at[1], deltaX=0, deltaY=by)
        self.settle()

    def touch(self, *frames: list[tuple[float, float]]) -> None:
        """Fingers [px] at each of these moments: put down at the first, lifted after the last."""
        for i, points in enumerate(frames):
            kind = "touchMove" if i else "touchStart"
            fingers = [{"x": x, "y": y, "id": n} for n, (x, y) in enumerate(points)]
            self.call("Input.dispatchTouchEvent", type=kind, touchPoints=fingers)
        self.call("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])
        self.settle()

    def box(self, selector: str) -> tuple[float, float, float, float]:
        """Left, top, width, height [px] of the first element that fits, brought into view."""
        self.middle(selector)
        box = f"document.querySelector('{selector}').getBoundingClientRect()"
        return tuple(self.evaluate(f"(b => [b.x, b.y, b.width, b.height])({box})"))

    def see(self, selector: str) -> np.ndarray:
        """(h, w, 3) of the first element that fits."""
        x, y, width, height = self.box(selector)
        left, top = self.evaluate("[scrollX, scrollY]")
        return self.screenshot((x + left, y + top, width, height))

    def key(self, name: str, selector: str = "body") -> None:
        """Press a key while this element has the focus."""
        self.evaluate(
            f"document.querySelector('{selector}').dispatchEvent(new KeyboardEvent('keydown', "
            f"{{key: '{name}', bubbles: true, cancelable: true}}))"
        )
        self.settle()

    def screenshot(self, clip: tuple[float, float, float, float] | None = None) -> np.ndarray:
        """(h, w, 3) of the tab, or of left, top, width, height of the page [px]."""
        params = {} if clip is None else {"clip": dict(zip(("x", "y", "width", "height"), clip), scale=1)}
        shot = base64.b64decode(self.call("Page.captureScreenshot", format="png", **params)["data"])
        return np.asarray(Image.open(io.BytesIO(shot)).convert("RGB"))

    def close(self) -> None:
        """End the browser."""
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._in)
        os.close(self._out)
