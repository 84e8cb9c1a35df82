"""The kernel's input events as bytes → classified events. No I/O: bytes come in, events go out.

``struct input_event``: seconds, microseconds, type and code, value (linux/input.h; 64-bit machines). A device sends
them in reports, each ended by SYN_REPORT. One pass over the buffer sums movements per tick of the grid and collects key
presses, which ``Keys`` then turns into classes in the order of all keyboards together. Autorepeat is passed over.

What each kind of device tells:

``MOUSE``   also keyboards and everything else: keys, buttons, wheel, movement in the device's own counts
``PLACES``  a pointer that reports positions (virtual machines): the way from one to the next, as on a screen of 1920
``PAD``     a touchpad: one finger moves, two scroll; which way, the desktop may have turned round. A tap is no click
``SCREEN``  touch screens and pens: that they were touched, nothing else. The way of a finger or a pen is handwriting
"""

from __future__ import annotations

import struct

from desktop_logger.records.classes import Button, Direction, Reason
from desktop_logger.records.events import Event
from desktop_logger.records.layout import CLICK, GAP, KEY, LET_GO, MOVE, SCROLL
from desktop_logger.records.profiles import EVENTS

from .evioc import EV_ABS, EV_KEY, EV_LED, EV_REL, EV_SYN, Range
from .keycodes import BUTTONS, HELD, KEYS, UNKNOWN, table

INPUT_EVENT = struct.Struct("@llIi")
"""Seconds, microseconds, type | code << 16, value."""

MOUSE, PLACES, PAD, SCREEN = "mouse", "places", "pad", "screen"

BTN_TOUCH, BTN_STYLUS, BTN_STYLUS2 = 0x14A, 0x14B, 0x14C
FINGERS = {0x145: 1, 0x14D: 2, 0x14E: 3, 0x14F: 4, 0x148: 5}
"""BTN_TOOL_FINGER … BTN_TOOL_QUINTTAP: how many fingers are on the pad."""
CLICKS = {
    0x110: Button.LEFT, 0x111: Button.RIGHT, 0x112: Button.MIDDLE, 0x113: Button.BACK, 0x114: Button.FORWARD,
    0x115: Button.FORWARD, 0x116: Button.BACK, 0x117: Button.OTHER, BTN_STYLUS: Button.OTHER, BTN_STYLUS2: Button.OTHER,
}  # fmt: skip
NUMLOCK = 0  # LED_NUML
WHEEL, HWHEEL, FINE_WHEEL, FINE_HWHEEL = 8, 6, 11, 12
_NOTCH = 120
"""Units of a wheel of high resolution that make one notch."""
SCREEN_PX = 1920
PAD_MM, PAD_PX_PER_MM, PAD_MM_PER_NOTCH = 69, 12, 1.3
"""As libinput has it: how wide a pad is that does not tell, how far a finger moves the pointer, its way for a notch."""


def _what(kind: int, code: int) -> int:
    return int(struct.unpack("@I", struct.pack("@HH", kind, code))[0])


_REPORT, _DROPPED = _what(EV_SYN, 0), _what(EV_SYN, 3)
_X, _Y = _what(EV_REL, 0), _what(EV_REL, 1)
_AT_X, _AT_Y = _what(EV_ABS, 0), _what(EV_ABS, 1)
_LIGHT = _what(EV_LED, NUMLOCK)
_KEYS = {_what(EV_KEY, code): code for code in range(KEYS)}
_WHEELS = {_what(EV_REL, code): code for code in (WHEEL, HWHEEL, FINE_WHEEL, FINE_HWHEEL)}

Press = tuple[int, int, int, "Device"]
"""``(µs, code, value, device)``: one change of a key. It lives for one read."""


class Device:
    """What is remembered of a device between two reads: keys that are down, the last position, fractions."""

    def __init__(
        self, kind: str = MOUSE, *, axes: tuple[Range, Range] | None = None, fine: bool = False, releases: bool = False
    ) -> None:
        """``releases``: whether it is wanted when a button is let go, which tells a drag from a click."""
        self.kind = kind
        self._releases = releases
        self._pressed: dict[int, Button] = {}
        self.down = bytearray(KEYS)
        self.numlock = True
        """Whether the light says so; without a light it is taken to be on."""
        self.stale = False
        """Whether the kernel threw events away, so that what is down must be asked for."""
        self._skipping = False
        self._scale = _scales(kind, axes)
        self._fine = fine
        self._turned = {WHEEL: 0, HWHEEL: 0}
        self.lift()

    def lift(self) -> None:
        """Forget where fingers and pointers are."""
        self._at: list[int | None] = [None, None]
        self._landed = False
        self._rest = [0.0, 0.0]
        self._scrolled = [0.0, 0.0]
        self._fingers = 0

    def parse(self, buffer: memoryview, events: list[Event], presses: list[Press]) -> None:
        """One pass over whole events; appends to both lists."""
        grid = EVENTS.grid_ms
        add = events.append
        x = y = dx = dy = moved_at = edge = 0
        now: list[int | None] = [None, None]
        placed = False
        for seconds, micros, what, value in INPUT_EVENT.iter_unpack(buffer):
            if what == _X:
                x += value
            elif what == _Y:
                y += value
            elif what == _REPORT:
                if self._skipping:
                    self._skipping = placed = False
                    x = y = 0
                    continue
                if placed:
                    placed = False
                    x, y = self._way(now, seconds * 1000 + micros // 1000, events)
                    now = [None, None]
                if x or y:
                    t = seconds * 1000 + micros // 1000
                    if t >= edge:
                        if dx or dy:
                            add((moved_at, MOVE, 0, 0, dx, dy))
                        dx = dy = 0
                        edge = t - t % grid + grid
                    moved_at = t
                    dx += x
                    dy += y
                    x = y = 0
            elif self._skipping:
                continue
            elif what in _KEYS:
                code = _KEYS[what]
                if code not in BUTTONS:
                    if value != 2:
                        presses.append((seconds * 1_000_000 + micros, code, value, self))
                    continue
                if (value == 1 or self._releases) and (dx or dy):
                    add((moved_at, MOVE, 0, 0, dx, dy))
                    dx = dy = edge = 0
                self._button(seconds * 1000 + micros // 1000, code, value, events)
            elif what in _WHEELS:
                self._wheel(seconds * 1000 + micros // 1000, _WHEELS[what], value, events)
            elif what == _AT_X:
                now[0], placed = value, True
            elif what == _AT_Y:
                now[1], placed = value, True
            elif what == _LIGHT:
                self.numlock = bool(value)
            elif what == _DROPPED:
                if dx or dy:
                    add((moved_at, MOVE, 0, 0, dx, dy))
                    dx = dy = edge = 0
                add((seconds * 1000 + micros // 1000, GAP, Reason.OVERFLOW, 1, 0, 0))
                self.stale = self._skipping = True
                self.lift()
                x = y = 0
        if dx or dy:
            add((moved_at, MOVE, 0, 0, dx, dy))

    def _button(self, t: int, code: int, value: int, events: list[Event]) -> None:
        if code in FINGERS or code == BTN_TOUCH:
            if code in FINGERS and value:
                self._fingers = FINGERS[code]
            self._landed = True
            if self.kind != SCREEN or code != BTN_TOUCH:
                return
            button = Button.LEFT
        elif code in CLICKS:
            # What a press with two fingers on the pad means is the desktop's to say.
            button = Button.OTHER if self.kind == PAD and self._fingers > 1 else CLICKS[code]
        elif code < 0x120:
            button = Button.OTHER
        else:
            return
        if value == 1:
            self._pressed[code] = button
            events.append((t, CLICK, button, 1, 0, 0))
        elif value == 0 and self._releases:
            events.append((t, LET_GO, self._pressed.pop(code, button), 0, 0, 0))

    def _wheel(self, t: int, code: int, value: int, events: list[Event]) -> None:
        """A wheel of high resolution sends both counts; then only the fine one is looked at."""
        if code in (FINE_WHEEL, FINE_HWHEEL):
            wheel = WHEEL if code == FINE_WHEEL else HWHEEL
            turned = self._turned[wheel] + value
            notches = int(turned / _NOTCH)
            self._turned[wheel] = turned - notches * _NOTCH
        else:
            wheel, notches = code, 0 if self._fine else value
        _scroll(t, notches if wheel == HWHEEL else 0, notches if wheel == WHEEL else 0, events)

    def _way(self, now: list[int | None], t: int, events: list[Event]) -> tuple[int, int]:
        """From the last position to this one in pixels; to where a finger lands there is no way.

        With two fingers it is scrolling; with more it is a gesture.
        """
        ways = [0.0, 0.0]
        for axis, place in enumerate(now):
            if place is not None:
                last, self._at[axis] = self._at[axis], place
                if last is not None and not self._landed:
                    ways[axis] = (place - last) * self._scale[axis]
        self._landed = False
        if self.kind == SCREEN:
            return 0, 0
        if self.kind == PAD and self._fingers != 1:
            if self._fingers == 2:
                notch = PAD_MM_PER_NOTCH * PAD_PX_PER_MM
                turned = [self._scrolled[axis] + ways[axis] / notch for axis in (0, 1)]
                right, down = (int(round(part, 6)) for part in turned)
                self._scrolled = [turned[0] - right, turned[1] - down]
                _scroll(t, right, -down, events)
            return 0, 0
        whole = []
        for axis in (0, 1):
            way = ways[axis] + self._rest[axis]
            whole.append(int(way))
            self._rest[axis] = way - int(way)
        return whole[0], whole[1]


def _scales(kind: str, axes: tuple[Range, Range] | None) -> tuple[float, float]:
    """Pixels per unit of each axis."""
    if axes is None:
        return 0.0, 0.0
    if kind == PLACES:
        return (
            SCREEN_PX / max(1, axes[0].high - axes[0].low),
            SCREEN_PX * 9 / 16 / max(1, axes[1].high - axes[1].low),
        )
    # A pad that does not say how fine its units are is taken to be as wide as most, and its units to be square.
    per_mm = [axis.per_mm or max(1, axes[0].high - axes[0].low) / PAD_MM for axis in axes]
    return PAD_PX_PER_MM / per_mm[0], PAD_PX_PER_MM / per_mm[1]


def _scroll(t: int, right: int, up: int, events: list[Event]) -> None:
    if right:
        events.append((t, SCROLL, Direction.RIGHT if right > 0 else Direction.LEFT, abs(right), 0, 0))
    if up:
        events.append((t, SCROLL, Direction.UP if up > 0 else Direction.DOWN, abs(up), 0, 0))


class Keys:
    """All keyboards of the seat as the one that the desktop makes of them: what is held on one holds on all."""

    def __init__(self) -> None:
        self.devices: set[Device] = set()
        self.letters = UNKNOWN
        """What the desktop's map says lies where, as far as it is known."""
        self._held = 0

    def look(self) -> None:
        """Ask all devices anew which modifiers are held: one came, went, or was out of step."""
        self._held = 0
        for device in self.devices:
            for code, bit in HELD.items():
                if device.down[code]:
                    self._held |= bit

    def press(self, presses: list[Press], events: list[Event]) -> None:
        """Turn changes of keys, in the order of time, into events. The list is emptied."""
        presses.sort(key=_time)
        for micros, code, value, device in presses:
            if not value:
                device.down[code] = 0
                if code in HELD:
                    self.look()
            elif not device.down[code]:
                device.down[code] = 1
                entry = table(self._held, numlock=device.numlock, letters=self.letters)[code]
                if entry:
                    events.append((micros // 1000, KEY, entry & 0xFF, entry >> 8, 0, 0))
                self._held |= HELD.get(code, 0)
        presses.clear()


def _time(press: Press) -> int:
    return press[0]
