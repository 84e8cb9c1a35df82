"""Inside Windows: the behaviours that every backend must show, by pynput, with hands that go through ``user32``.

What a program puts in is marked as such, and the grant of the behaviours records it. Output: one JSON object, behaviour
→ what it failed with, ``""`` where it held, ``null`` where it does not apply.
"""

from __future__ import annotations

import ctypes
import json
import time
from collections.abc import Sequence
from typing import Any

from desktop_logger import capture
from desktop_logger.capture import Backend, Capture
from desktop_logger.consent.grant import Grant
from desktop_logger.records.events import Batch
from desktop_logger.testing import Step
from desktop_logger.testing.conformance import BEHAVIOURS, Failed
from tests.windows import window

_CODES = {
    "period": 0xBE, "minus": 0xBD, "space": 0x20, "BackSpace": 0x08, "Tab": 0x09, "Return": 0x0D, "Escape": 0x1B,
    "Prior": 0x21, "Next": 0x22, "End": 0x23, "Home": 0x24, "Left": 0x25, "Up": 0x26, "Right": 0x27, "Down": 0x28,
    "Delete": 0x2E, "F1": 0x70, "F12": 0x7B, "Shift_L": 0xA0, "Control_L": 0xA2, "Alt_L": 0xA4, "Super_L": 0x5B,
    "Caps_Lock": 0x14,
}  # fmt: skip
_DOWN = {1: 0x02, 2: 0x20, 3: 0x08}
_MOVE, _WHEEL, _WHEEL_ACROSS, _NOTCH, _EXTENDED, _UP = 0x01, 0x0800, 0x1000, 120, 1, 2
_SET_MOUSE = 4


class Settled:
    """A capture that says that it has ended when it has been quiet: here nothing can be waited for."""

    def __init__(self, opened: Capture, settle_s: float) -> None:
        self._opened, self._settle_s, self._quiet = opened, settle_s, time.monotonic()
        self.gather_s = opened.gather_s

    def fileno(self) -> int:
        return self._opened.fileno()

    def due(self) -> float | None:
        return self._opened.due()

    def read(self) -> Batch:
        batch = self._opened.read()
        if batch.events:
            self._quiet = time.monotonic()
        return batch

    def ended(self) -> bool:
        return time.monotonic() - self._quiet > self._settle_s

    def close(self) -> None:
        self._opened.close()


class Rig:
    """pynput, and hands on Windows' own input queue."""

    can = frozenset({"keyboard", "pointer"})
    settle_s = 1.0

    def __init__(self) -> None:
        self.backend: Backend = capture.load("pynput")
        window.user32.SystemParametersInfoW(_SET_MOUSE, 0, (ctypes.c_int * 3)(0, 0, 0), 0)  # a pixel a count

    def begin(self, grant: Grant, steps: Sequence[Step]) -> Capture:
        window.user32.SetCursorPos(640, 400)
        window.pump(0.1)
        opened = self.backend.capture(grant)
        for step in steps:
            self._do(step)
        return Settled(opened, self.settle_s)

    def _do(self, step: Any) -> None:
        hand = window.user32
        if "wait" in step:
            window.pump(step["wait"])
        elif "key" in step:
            code = _CODES.get(step["key"]) or ord(step["key"].upper())
            extended = _EXTENDED if 0x21 <= code <= 0x2E else 0
            hand.keybd_event(code, 0, extended | (0 if step["down"] else _UP), 0)
        elif "button" in step:
            hand.mouse_event(_DOWN[step["button"]] << (not step["down"]), 0, 0, 0, 0)
        elif "move" in step:
            hand.mouse_event(_MOVE, *step["move"], 0, 0)
        else:
            across, up = step["scroll"]
            hand.mouse_event(_WHEEL_ACROSS if across else _WHEEL, 0, 0, (across or up) * _NOTCH, 0)

    def lose(self) -> None:
        raise NotImplementedError


def main() -> dict[str, str | None]:
    """Try each."""
    shown, rig, seen = window.Window(), Rig(), {}
    window.pump(0.5)
    for behaviour in BEHAVIOURS:
        try:
            seen[str(behaviour)] = behaviour.check(rig) or "" if behaviour.applies(rig) else None
        except Failed as failed:
            seen[str(behaviour)] = str(failed)
    shown.close()
    return seen


if __name__ == "__main__":
    print(json.dumps(main()))
