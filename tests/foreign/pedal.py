"""A backend of somebody else: a foot pedal that writes one letter for each thing that happens.

The device is the file that FOOT_PEDAL names. T, S and D are a press of text, of Shift and of Delete, their small
letters the release; C and c are the left button; u, d, l, r move by one pixel; ^ and v scroll by one step.
"""

import os
import time
from collections.abc import Iterator

from desktop_logger.capture import DisplayLost
from desktop_logger.consent.grant import Grant
from desktop_logger.records.classes import Button, Direction, KeyClass
from desktop_logger.records.events import Batch
from desktop_logger.records.layout import CLICK, KEY, MOVE, SCROLL

KEYS = {"T": KeyClass.TEXT, "S": 0, "D": KeyClass.EDIT}
STEPS = {"u": (0, -1), "d": (0, 1), "l": (-1, 0), "r": (1, 0)}
SCROLLS = {"^": Direction.UP, "v": Direction.DOWN}


class Pedal:
    """Reads what the pedal wrote."""

    gather_s = 0.05

    def __init__(self, scopes: tuple[str, ...]) -> None:
        self.scopes, self.lost = scopes, False
        self.down: set[str] = set()
        try:
            self.file = os.open(os.environ["FOOT_PEDAL"], os.O_RDONLY | os.O_NONBLOCK)
        except (KeyError, OSError):
            raise DisplayLost("there is no foot pedal", "Plug it in.") from None

    def fileno(self) -> int:
        return self.file

    def due(self) -> float | None:
        return None

    def ended(self) -> bool:
        return False

    def read(self) -> Batch:
        now = int(time.monotonic() * 1000)
        try:
            wrote = "" if self.lost else os.read(self.file, 65536).decode()
            self.lost = self.lost or not wrote
        except BlockingIOError:
            wrote = ""
        if self.lost and not wrote:
            raise DisplayLost("the foot pedal is gone", "Plug it in again.")
        return Batch([(now, *event) for letter in wrote for event in self.events(letter)], now)

    def events(self, letter: str) -> Iterator[tuple[int, int, int, int, int]]:
        if "keyboard" in self.scopes and letter.upper() in KEYS:
            pressed = letter.isupper() and letter not in self.down
            if letter.isupper():
                self.down.add(letter)
            else:
                self.down.discard(letter.upper())
            if pressed and KEYS[letter]:
                yield KEY, KEYS[letter], 0, 0, 0
        elif "pointer" in self.scopes:
            if letter == "C":
                yield CLICK, Button.LEFT, 1, 0, 0
            elif letter in STEPS:
                yield MOVE, 0, 0, *STEPS[letter]
            elif letter in SCROLLS:
                yield SCROLL, SCROLLS[letter], 1, 0, 0

    def close(self) -> None:
        if self.file >= 0:
            os.close(self.file)
        self.file = -1
        self.down.clear()


def capture(grant: Grant) -> Pedal:
    """What the program calls."""
    return Pedal(grant.scopes)
