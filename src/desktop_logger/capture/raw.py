"""XInput2 raw events and XKB notices as bytes → classified events. It asks through ``Server`` and does no I/O itself.

One pass over the read buffer: keycodes become classes by table, movements are summed per tick of the grid.
Modifiers and group come from XkbStateNotify on the same connection, so they are in order with the keys. After a
notice that the keyboard map, the devices or the screen changed, the server is asked anew before the next key or
movement. What the server's injection device brings is another program's input: where the policy leaves it out, it makes
no record, and the second in which it came is a gap.
"""

from __future__ import annotations

import struct
import time
from collections import deque
from typing import Protocol

from desktop_logger.records.classes import Button, Direction, Reason
from desktop_logger.records.events import Event
from desktop_logger.records.layout import CLICK, GAP, KEY, LET_GO, MOVE, SCROLL, U32
from desktop_logger.records.profiles import EVENTS

from . import wire
from .keymap import Keymap
from .pointing import Claimed, Devices

_SAME_CLOCK_MS = 10_000
_REPEAT = 1 << 16  # XIKeyRepeat
_RAW = struct.Struct("<BBHIHHIIHHI")
_BOTH = struct.Struct("<iIiI")
_ONE = struct.Struct("<iI")
_WORD = struct.Struct("<I")
_FRACTION = 32
_GAP_MS = 1000

BUTTONS = {1: Button.LEFT, 2: Button.MIDDLE, 3: Button.RIGHT, 8: Button.BACK, 9: Button.FORWARD}
SCROLLS = {4: Direction.UP, 5: Direction.DOWN, 6: Direction.LEFT, 7: Direction.RIGHT}


class Server(Protocol):
    """What the parser asks while it parses, on a connection of its own."""

    def keymap(self) -> Keymap:
        """The keyboard map as it is now."""

    def devices(self) -> Devices:
        """The input devices as they are now."""

    def place(self) -> tuple[int, int]:
        """Where the pointer is; only to tell positions from movements."""


class Parser:
    """Holds modifiers, group, keys that are down and fractions of a pixel between two reads; no event."""

    def __init__(
        self, server: Server, opcode: int, xkb_event: int, *, keyboard: bool, pointer: bool, injected: bool = True
    ) -> None:
        self._server = server
        self._xi, self._xkb_event = opcode, xkb_event
        self._keyboard = keyboard
        self.awaited: deque[str] = deque()
        """Replies that are still to come on the event connection, in order: ``state`` and ``keys``."""
        self._down = bytearray(256)
        self.offset: int | None = None
        """What to add to the server's ms to get ours; ``None`` until the first event."""
        self.is_foreign = False
        """Whether the server counts another clock than we do."""
        self._last_time = 0
        self._group = self._modifiers = 0
        self._fraction_x = self._fraction_y = 0
        self._map_stale = self._devices_stale = False
        self._with_injected = injected
        self._gap_at: int | None = None
        self._claimed: dict[int, Claimed] = {}
        if keyboard:
            self._keymap = server.keymap()
        self._devices = Devices({}, frozenset())
        self._wants_devices = pointer or not injected
        if self._wants_devices:
            self._new_devices()

    def forget(self) -> None:
        """Overwrite which keys are down."""
        self._down[:] = bytes(256)

    def parse(self, buffer: bytearray, size: int, events: list[Event]) -> int:
        """One pass over the first ``size`` bytes; appends to ``events`` and returns how many bytes were used."""
        down, grid = self._down, EVENTS.grid_ms
        absolute, claimed, excluded = self._devices.absolute, self._claimed, self._excluded()
        add, unpack, xi = events.append, _RAW.unpack_from, self._xi
        table = self._table() if self._keyboard else []
        xkb_event = self._xkb_event
        last_time = self._last_time
        offset = self.offset or 0
        dx = dy = moved_at = 0
        asked: set[int] = set()
        fx, fy = self._fraction_x, self._fraction_y
        moving = False
        at = 0
        while at + wire.HEADER <= size:
            kind = buffer[at] & 0x7F
            if kind == wire.GENERIC_EVENT:
                _, extension, _, words, what, _, stamp, detail, source, masks, flags = unpack(buffer, at)
                end = at + wire.HEADER + 4 * words
                if end > size:
                    break
                here, at = at, end
                if extension != xi:
                    continue
                if what < wire.XI_RAW_KEY_PRESS:
                    self._devices_stale = self._wants_devices
                    continue
                if self.offset is None:
                    offset = self.offset = self._anchor(stamp)
                elif stamp < last_time - (1 << 31):
                    offset = self.offset = offset + (1 << 32)
                last_time = stamp
                t = stamp + offset
                if self._devices_stale:
                    self._new_devices()
                    absolute, claimed, excluded = self._devices.absolute, self._claimed, self._excluded()
                if source in excluded:
                    if self._gap_at is None or t - self._gap_at >= _GAP_MS:
                        self._gap_at = t
                        if moving:
                            add((moved_at, MOVE, 0, 0, dx, dy))
                            dx = dy = 0
                            moving = False
                        add((t, GAP, Reason.NOT_ALLOWED, _GAP_MS // 1000, 0, 0))
                    continue
                if what == wire.XI_RAW_MOTION:
                    axes = _WORD.unpack_from(buffer, here + 32)[0] & 3 if masks else 0
                    if not axes:
                        continue  # a scroll axis: its steps come as buttons
                    if moving and t // grid != moved_at // grid:
                        add((moved_at, MOVE, 0, 0, dx, dy))
                        dx = dy = 0
                    moving, moved_at = True, t
                    values = here + 32 + 4 * masks
                    if axes == 3:
                        x, x_part, y, y_part = _BOTH.unpack_from(buffer, values)
                    else:
                        x, x_part = _ONE.unpack_from(buffer, values)
                        y = y_part = 0
                        if axes == 2:
                            x, x_part, y, y_part = 0, 0, x, x_part
                    mode = claimed.get(source)
                    if mode is not None:
                        if (mode.is_absolute or x > mode.NEAR_PX or y > mode.NEAR_PX) and source not in asked:
                            asked.add(source)
                            self._look_at(mode, buffer, here, size, source)
                        device = mode.axes if mode.is_absolute else None
                    else:
                        device = absolute.get(source)
                    if device is not None:
                        dx += device.moved(0, x, x_part) if axes & 1 else 0
                        dy += device.moved(1, y, y_part) if axes & 2 else 0
                    else:
                        fx += x_part
                        fy += y_part
                        dx += x + (fx >> _FRACTION)
                        dy += y + (fy >> _FRACTION)
                        fx &= U32
                        fy &= U32
                elif what == wire.XI_RAW_KEY_PRESS:
                    code = detail & 0xFF
                    if down[code] or flags & _REPEAT:
                        continue
                    down[code] = 1
                    entry = None
                    if self._map_stale:
                        self._new_map()
                        table = self._table()
                        entry = self._keymap.fleeting(code, self._modifiers)
                    if entry is None:
                        entry = table[code]
                    if entry & 0xFF:
                        if moving:
                            add((moved_at, MOVE, 0, 0, dx, dy))
                            dx = dy = 0
                            moving = False
                        add((t, KEY, entry & 0xFF, entry >> 8, 0, 0))
                elif what == wire.XI_RAW_KEY_RELEASE:
                    down[detail & 0xFF] = 0
                elif what in (wire.XI_RAW_BUTTON_PRESS, wire.XI_RAW_BUTTON_RELEASE):
                    if moving:
                        add((moved_at, MOVE, 0, 0, dx, dy))
                        dx = dy = 0
                        moving = False
                    pressed = what == wire.XI_RAW_BUTTON_PRESS
                    if detail not in SCROLLS:
                        add((t, CLICK if pressed else LET_GO, BUTTONS.get(detail, Button.OTHER), int(pressed), 0, 0))
                    elif pressed:
                        add((t, SCROLL, SCROLLS[detail], 1, 0, 0))
                continue
            if kind == wire.REPLY:
                end = at + wire.HEADER + 4 * _WORD.unpack_from(buffer, at + 4)[0]
                if end > size:
                    break
                if self.awaited and self.awaited.popleft() == "state":
                    self._modifiers, self._group = buffer[at + 8], buffer[at + 12]
                    table = self._table()
                else:
                    for code in range(256):
                        down[code] |= buffer[at + 8 + code // 8] >> code % 8 & 1
                at = end
                continue
            if kind == xkb_event and self._keyboard:
                if buffer[at + 1] == wire.XKB_STATE:
                    self._modifiers, self._group = buffer[at + 9], buffer[at + 13]
                    if not self._map_stale:
                        table = self._table()
                else:
                    self._map_stale = True
            elif kind == wire.MAPPING_NOTIFY:
                self._map_stale = self._keyboard
            elif kind == wire.CONFIGURE_NOTIFY:
                self._devices_stale = self._wants_devices  # positions are now of another screen
            at += wire.HEADER
        if moving:
            add((moved_at, MOVE, 0, 0, dx, dy))
        self._fraction_x, self._fraction_y, self._last_time = fx, fy, last_time
        return at

    def _anchor(self, stamp: int) -> int:
        """What to add to the server's ms to get ours. A local server counts the same clock, modulo 2³²."""
        now = int(time.monotonic() * 1000)
        behind = (now - stamp) & U32
        if behind <= _SAME_CLOCK_MS:
            return now - behind - stamp
        self.is_foreign = True
        return now - stamp

    def _table(self) -> list[int]:
        return self._keymap.table(self._group, self._modifiers)

    def _new_map(self) -> None:
        self._map_stale = False
        self._keymap = self._server.keymap()

    def _new_devices(self) -> None:
        """Ask for the devices; what was found out about those that are still there stays."""
        self._devices_stale = False
        self._devices = now = self._server.devices()
        self._claimed = {
            one: self._claimed.get(one) or Claimed(is_fickle=one in now.injected) for one in now.claimed | now.injected
        }

    def _excluded(self) -> frozenset[int]:
        return frozenset() if self._with_injected else self._devices.injected

    def _look_at(self, mode: Claimed, buffer: bytearray, at: int, size: int, device: int) -> None:
        """Find out whether this device's motions from ``at`` on are movements or positions."""
        values: list[tuple[int, int]] = []
        while at + wire.HEADER <= size:
            end = at + wire.HEADER
            if buffer[at] & 0x7F in (wire.GENERIC_EVENT, wire.REPLY):
                end += 4 * _WORD.unpack_from(buffer, at + 4)[0]
            if end > size:
                break
            if buffer[at] & 0x7F == wire.GENERIC_EVENT:
                _, _, _, _, what, _, _, _, source, masks, _ = _RAW.unpack_from(buffer, at)
                if what == wire.XI_RAW_MOTION and source == device and buffer[at + 32] & 3 == 3:
                    x, _, y, _ = _BOTH.unpack_from(buffer, at + 32 + 4 * masks)
                    values.append((x, y))
            at = end
        if values and mode.undecided(values):
            mode.decide(values[-1], self._server.place())
        if mode.is_settled:
            del self._claimed[device]
