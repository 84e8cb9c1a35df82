"""Pointer devices as the server describes them: which of them report positions instead of movements.

``parse`` reads an XIQueryDevice reply (XI2proto, "XIQueryDevice"): tablets, touch screens and the pointers of
virtual machines report a position in units of their own, from which a displacement in pixels is made here. The
first position after a change is only remembered: where it is on the screen must not show.

Some devices say that they move and yet carry positions: the server's own injection device (XTEST) when a program
injects those, nested servers, some remote desktops. So the mode of every device that claims to be relative is found
out from its numbers (``Claimed``).
"""

from __future__ import annotations

import struct
from typing import NamedTuple

_VALUATOR = 2
_ABSOLUTE = 1
_FRACTION = 1 << 32


class Axes:
    """The two axes of a device in absolute mode, in pixels of the screen per unit."""

    __slots__ = ("_last", "_rest", "_scale")

    def __init__(self, scale_x: float, scale_y: float) -> None:
        self._scale = (scale_x, scale_y)
        self._last: list[float | None] = [None, None]
        self._rest = [0.0, 0.0]

    def moved(self, axis: int, whole: int, fraction: int) -> int:
        """The displacement in whole pixels since the last position of this axis; the rest is carried."""
        value = whole + fraction / _FRACTION
        last, self._last[axis] = self._last[axis], value
        if last is None:
            return 0
        moved = (value - last) * self._scale[axis] + self._rest[axis]
        pixels = int(moved)
        self._rest[axis] = moved - pixels
        return pixels


class Claimed:
    """A device that says it is relative: movements or positions? Decided once a read, from the values it brought.

    Only the injection device brings now this and now that (``is_fickle``); any other is settled by its first negative
    value, which no position can be.
    """

    __slots__ = ("axes", "is_absolute", "is_fickle", "is_settled")

    NEAR_PX = 32
    """Smaller values are taken for movements: a position in that corner tells next to nothing."""

    def __init__(self, *, is_fickle: bool) -> None:
        self.axes = Axes(1.0, 1.0)
        self.is_absolute = self.is_settled = False
        self.is_fickle = is_fickle

    def undecided(self, values: list[tuple[int, int]]) -> bool:
        """Whether only the pointer's place can tell. Negative values cannot be positions."""
        if any(x < 0 or y < 0 for x, y in values):
            self.is_absolute = False
            self.is_settled = not self.is_fickle
            return False
        if all(x <= self.NEAR_PX and y <= self.NEAR_PX for x, y in values):
            self.is_absolute = False
            return False
        return True

    def decide(self, last: tuple[int, int], place: tuple[int, int]) -> None:
        """Where the pointer is where the last value says, it was a position. Else it stays as it was."""
        if last == place and not self.is_absolute:
            self.axes = Axes(1.0, 1.0)
        self.is_absolute = self.is_absolute or last == place


class Devices(NamedTuple):
    """What capture needs to know of the input devices."""

    absolute: dict[int, Axes]
    """Device id → axes, of every device whose axes are in absolute mode."""
    injected: frozenset[int]
    """The ids of the server's injection devices, keyboards among them."""
    claimed: frozenset[int] = frozenset()
    """The ids of pointers that say they are relative."""


def parse(reply: bytes, width: int, height: int) -> Devices:
    """The devices in an XIQueryDevice reply; ``width``, ``height`` of the screen in pixels.

    Raises ``ValueError`` where the reply is not whole.
    """
    try:
        return _parse(reply, (width, height))
    except (struct.error, IndexError) as error:
        raise ValueError("the list of input devices is not whole") from error


def _parse(reply: bytes, size: tuple[int, int]) -> Devices:
    found: dict[int, Axes] = {}
    injected, claimed = [], []
    at = 32
    for _ in range(struct.unpack_from("<H", reply, 8)[0]):
        device, _, _, n_classes, name_bytes = struct.unpack_from("<HHHHH", reply, at)
        if b"XTEST" in reply[at + 12 : at + 12 + name_bytes]:
            injected.append(device)
        at += 12 + (name_bytes + 3 & ~3)
        scales = [1.0, 1.0]
        is_absolute = is_pointer = False
        for _ in range(n_classes):
            kind, words = struct.unpack_from("<HH", reply, at)
            if kind == _VALUATOR:
                is_pointer = True
                axis = struct.unpack_from("<H", reply, at + 6)[0]
                low, _, high = struct.unpack_from("<iIi", reply, at + 12)
                if axis < len(scales) and reply[at + 40] == _ABSOLUTE:
                    is_absolute = True
                    scales[axis] = size[axis] / (high - low + 1) if high > low else 1.0
            at += 4 * words
        if is_absolute:
            found[device] = Axes(*scales)
        elif is_pointer:
            claimed.append(device)
    return Devices(found, frozenset(injected), frozenset(claimed))
