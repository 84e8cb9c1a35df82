"""The X11 backend: XInput2 raw events, read off the socket in lumps and parsed by us.

The server's own timestamps give the time, so reading late costs nothing. What is selected is what the grant
names: without ``keyboard`` no key event reaches this process at all.

1. Two connections: one for events, one to ask.
2. A read takes what has arrived and parses it in one pass (``raw``).
3. The buffer is overwritten with zeros. What is left over is at most the head of one event.
"""

from __future__ import annotations

import struct
import time

from desktop_logger.consent.grant import Grant
from desktop_logger.errors import Unavailable
from desktop_logger.records.events import Batch, Event

from . import DisplayLost, Probe, keymap, pointing, wire
from .raw import Parser

GATHER_S, GATHER_LEAST_S = 0.2, 0.05
READ_BYTES = 1 << 17
_READ_MOST = 1 << 21
"""One ``read`` takes at most this much, so that the heartbeat is looked at often enough."""
SETTLE_MS = 500
"""An event may reach us this long after it happened."""
_OTHER = "Try --backend pynput."


class X11:
    """XInput2 2.2 and XKB on a display of this machine."""

    name = "x11"

    def probe(self) -> Probe:
        """Connect, ask for the two extensions, hang up."""
        try:
            link = wire.Wire()
        except Unavailable as error:
            return Probe(False, error.message, error.hint)
        try:
            _opcodes(link)
        except Unavailable as error:
            return Probe(False, error.message, error.hint)
        finally:
            link.close()
        return Probe(True, "XInput2 raw events of the X server: exact times, no loss")

    def capture(self, grant: Grant) -> X11Capture:
        """Select raw events of the granted scopes."""
        return X11Capture(grant.scopes, injected=grant.injected == "record")


def _opcodes(link: wire.Wire) -> tuple[int, int, int]:
    """``(XInput opcode, XKB opcode, first XKB event)``. Raises ``Unavailable``."""
    xi, xkb = link.extension("XInputExtension"), link.extension("XKEYBOARD")
    if xi is None or xkb is None:
        raise Unavailable("the X server has no XInput2 or no XKB extension", _OTHER)
    version = struct.unpack_from("<HH", link.ask(wire.xi_query_version(xi[0])), 8)
    if version < (2, 1):
        raise Unavailable("the X server's XInput2 is older than 2.1", _OTHER)
    link.ask(wire.xkb_use(xkb[0]))
    return xi[0], xkb[0], xkb[1]


class _Asking:
    """The second connection, on which the parser asks. It selects nothing."""

    def __init__(self) -> None:
        self.link = wire.Wire()
        try:
            self._xi, self._xkb, _ = _opcodes(self.link)
        except Unavailable:
            self.link.close()
            raise

    def keymap(self) -> keymap.Keymap:
        try:
            return keymap.parse(self.link.ask(wire.xkb_get_map(self._xkb)))
        except ValueError as error:
            raise Unavailable(f"the X server's answer is not understood: {error}", _OTHER) from None

    def devices(self) -> pointing.Devices:
        width, height = struct.unpack_from("<HH", self.link.ask(wire.get_geometry(self.link.root)), 16)
        reply = self.link.ask(wire.xi_query_devices(self._xi))
        try:
            return pointing.parse(reply, width, height)
        except ValueError as error:
            raise Unavailable(f"the X server's answer is not understood: {error}", _OTHER) from None

    def place(self) -> tuple[int, int]:
        x, y = struct.unpack_from("<hh", self.link.ask(wire.query_pointer(self.link.root)), 16)
        return x, y


class X11Capture:
    """An open capture. Holds one read buffer, which is zero except while it is being parsed."""

    def __init__(self, scopes: tuple[str, ...], *, injected: bool) -> None:
        keyboard, target = "keyboard" in scopes, "target" in scopes
        pointer = target or "pointer" in scopes
        self._buffer = bytearray(READ_BYTES)
        self._view = memoryview(self._buffer)
        self._have = 0
        self._is_lost = False
        self.gather_s = GATHER_S
        self._asking = _Asking()
        try:
            self._link = wire.Wire()
        except Unavailable:
            self._asking.link.close()
            raise
        try:
            xi, xkb, xkb_event = _opcodes(self._link)
            self._link.send(wire.xi_select(xi, self._link.root, keyboard=keyboard, pointer=pointer, target=target))
            if keyboard:
                self._link.send(wire.xkb_select(xkb), wire.xkb_get_state(xkb), wire.query_keymap())
            if pointer:
                self._link.send(wire.watch_size(self._link.root))
            self._parser = Parser(self._asking, xi, xkb_event, keyboard=keyboard, pointer=pointer, injected=injected)
            self._parser.awaited.extend(("state", "keys") if keyboard else ())
            self._link.socket.setblocking(False)
        except Unavailable:
            self._link.close()
            self._asking.link.close()
            raise

    def fileno(self) -> int:
        """The socket on which events arrive."""
        return self._link.fileno()

    def due(self) -> float | None:
        """Input always announces itself on the socket."""
        return None

    def ended(self) -> bool:
        """Never by itself."""
        return False

    def close(self) -> None:
        """Overwrite the buffer and hang up."""
        self._view[:] = bytes(len(self._view))
        self._parser.forget()
        self._link.close()
        self._asking.link.close()

    def read(self) -> Batch:
        """Everything that has arrived, classified. Raises ``DisplayLost`` when the server is gone."""
        if self._is_lost:
            raise DisplayLost("the display is gone", "Recording goes on when a display is there again.")
        events: list[Event] = []
        taken = 0
        while taken < _READ_MOST:
            try:
                size = self._link.socket.recv_into(self._view[self._have :])
            except (BlockingIOError, InterruptedError):
                break
            except OSError:
                size = 0
            if not size:
                self._is_lost = True
                break
            taken += size
            have = self._have + size
            used = self._parser.parse(self._buffer, have, events)
            rest = have - used
            if rest:
                self._view[:rest] = bytes(self._view[used:have])
            self._view[rest:have] = bytes(have - rest)
            self._have = rest
            if have < READ_BYTES:
                break
        self.gather_s = GATHER_S if taken < READ_BYTES else GATHER_LEAST_S  # in a flood the server need not hold it
        now = int(time.monotonic() * 1000)
        last = events[-1][0] if events else 0
        if self._parser.is_foreign and last > now and self._parser.offset is not None:
            self._parser.offset -= last - now
        return Batch(events, max(now - SETTLE_MS, min(last, now)))
