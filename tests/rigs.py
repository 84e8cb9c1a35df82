"""The rig of a backend on a real X server: hands that go through XTEST."""

from __future__ import annotations

import time
from collections.abc import Sequence

import pytest

from desktop_logger import capture
from desktop_logger.capture import Backend, Capture
from desktop_logger.consent.grant import Grant
from desktop_logger.records.classes import keysym_of
from desktop_logger.testing import Step
from tests.benchmarks.processes import Desk
from tests.benchmarks.soak import _keycodes
from tests.inject import Injector

_SCROLL = {(0, 1): 4, (0, -1): 5, (-1, 0): 6, (1, 0): 7}


class X11Rig:
    """``name`` is the backend's; the desk has a window, so that the server hands events on as it does in real life."""

    def __init__(self, name: str, desk: Desk, *more: str) -> None:
        self.desk = desk
        self.can = frozenset({"keyboard", "pointer", "lose", *more})
        self.settle_s = 1.0  # a busy machine takes its time
        self._codes = _keycodes(desk.display)
        self._patch = pytest.MonkeyPatch()
        for variable in ("WAYLAND_DISPLAY", "XDG_SESSION_TYPE"):
            self._patch.delenv(variable, raising=False)
        self._patch.setenv("DISPLAY", desk.display)
        self.backend: Backend = capture.load(name)

    def begin(self, grant: Grant, steps: Sequence[Step]) -> Capture:
        with Injector(self.desk.display) as hand:
            hand.send(hand.move_to(640, 400))
            hand.sync()
            opened = self.backend.capture(grant)
            for step in steps:
                if "wait" in step:
                    hand.sync()
                    time.sleep(step["wait"])
                else:
                    hand.send(self._request(hand, step))
            hand.sync()
        return opened

    def _request(self, hand: Injector, step: Step) -> bytes:
        if "key" in step:
            code = self._codes[keysym_of(step["key"]) or 0]
            return hand.press(code) if step["down"] else hand.release(code)
        if "button" in step:
            return hand.button(step["button"]) if step["down"] else b""
        if "move" in step:
            return hand.move(*step["move"])
        return hand.button(_SCROLL[tuple(step["scroll"])])

    def lose(self) -> None:
        self.desk.server.kill()

    def close(self) -> None:
        self._patch.undo()
