"""The backend for Wayland and the console: the kernel's input devices, read as raw bytes.

This process opens no device. The opener (``opener``), a small service that an administrator installs, hands over the
devices of the seat whose active session is this account's, one by one, also those plugged in later, and takes them
back when another session becomes active. Nothing is grabbed: the desktop gets its input as if we were not there.

1. Connect to the opener, say which scopes are granted; it hands over what those need.
2. Each device is told to count our clock and to leave out what no granted scope needs.
3. A read takes what has arrived from every device and parses it in one pass (``reports``), in one buffer.
4. The buffer is overwritten with zeros.
5. Where commands may have their names, the desktop's own map says which letter lies where (``desktop_map``).
6. What the kernel threw away is a gap; so is the time in which another session is active, and, where the policy leaves
   out what programs put in, the second in which a device that a program made has sent something.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import sys
import time

from desktop_logger.consent.grant import Grant
from desktop_logger.errors import Unavailable
from desktop_logger.records.classes import Reason
from desktop_logger.records.events import Batch, Event
from desktop_logger.records.layout import GAP

from . import Probe, evioc, reports
from .desktop_map import DesktopMap
from .keycodes import BUTTONS, KEYS, UNKNOWN
from .reports import Device, Keys, Press

SOCKET = "/run/desktop-logger/devices.sock"
READ_BYTES = reports.INPUT_EVENT.size * 4096
GATHER_S, GATHER_LEAST_S = 0.010, 0.001
"""The kernel keeps 42 reports of a mouse: 42 ms at 1,000 a second. A mouse that proves faster is read more often."""
AWAY_S = 5.0
"""While another session is active the gap is told in pieces of this length."""
SETTLE_MS = 20
_WAIT_S = 3.0
_INSTALL = "An administrator can install the device opener: sudo {} opener install"
_POINTING = frozenset({*range(0x110, 0x120), *range(0x140, 0x150)})
_DIRECT, _PEN, _FINGER, _LEFT = 0x01, 0x140, 0x145, 0x110


class Evdev:
    """The kernel's input devices, through the opener."""

    name = "evdev"

    def probe(self) -> Probe:
        """Ask the opener whether it would; no device is opened."""
        if not sys.platform.startswith("linux"):
            return Probe(False, "only Linux has it")
        try:
            link, answer = _asked(b"probe")
        except Unavailable as error:
            return Probe(False, error.message, error.hint)
        link.close()
        refused = _refusal(answer)
        if refused:
            return Probe(False, refused.message, refused.hint)
        return Probe(True, "the kernel's input devices of this seat: exact times, every loss counted")

    def capture(self, grant: Grant) -> EvdevCapture:
        """Have the opener hand over what the granted scopes need."""
        return EvdevCapture(grant.scopes, excludes=grant.injected == "exclude", names=grant.named_commands)


def _asked(request: bytes) -> tuple[socket.socket, bytes]:
    """Connect, ask, and wait for the first answer that is no device. Raises ``Unavailable``."""
    link = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        link.settimeout(_WAIT_S)
        link.connect(SOCKET)
        link.send(request)
        return link, link.recv(64)
    except (FileNotFoundError, ConnectionRefusedError):
        link.close()
        raise Unavailable(
            "no device opener is installed, and programs may not open input devices", _install()
        ) from None
    except OSError as error:
        link.close()
        raise Unavailable(
            f"the device opener does not answer ({error.strerror or 'too late'})",
            "See: systemctl status desktop-logger-opener.socket desktop-logger-opener.service",
        ) from None


def _install() -> str:
    command = os.path.join(os.path.dirname(sys.executable), "desktop-logger")
    return _INSTALL.format(command if os.path.exists(command) else "desktop-logger")


def _refusal(answer: bytes) -> Unavailable | None:
    """What stands in the way, where the opener's first answer is not ``here``."""
    if answer == b"here":
        return None
    if answer == b"busy":
        return Unavailable(
            "the device opener serves another process of yours", "Stop that one: desktop-logger stop. Else see: "
            "journalctl -u desktop-logger-opener",
        )  # fmt: skip
    if answer == b"denied":
        return Unavailable(
            "the device opener itself may not open the input devices",
            "It must be in the group of /dev/input/event*. " + _install(),
        )
    return Unavailable(
        "your session is not the active one at this computer, or no session manager says that it is",
        "Log in at the computer itself, on a system with systemd-logind or elogind.",
    )


class Reader:
    """The one buffer into which all devices are read. It is zero except while it is being parsed."""

    def __init__(self) -> None:
        self._view = memoryview(bytearray(READ_BYTES))
        self._zeros = memoryview(bytes(READ_BYTES))

    def take(self, descriptor: int, device: Device, events: list[Event], presses: list[Press]) -> bool:
        """Read what a device has, parse it, overwrite it. Whether the device is still there."""
        while True:
            try:
                size = os.readv(descriptor, [self._view])
            except BlockingIOError:
                return True
            except OSError:  # ENODEV: unplugged, or taken back
                return False
            if not size:
                return False
            try:
                device.parse(self._view[: size - size % reports.INPUT_EVENT.size], events, presses)
            finally:
                self._view[:size] = self._zeros[:size]
            if size < READ_BYTES:
                return True

    def skip(self, descriptor: int) -> bool:
        """Overwrite unseen what a device has; whether there was anything."""
        with contextlib.suppress(BlockingIOError):
            size = os.readv(descriptor, [self._view])
            self._view[:size] = self._zeros[:size]
            return size > 0
        return False


class EvdevCapture:
    """An open capture: the devices, and the way to the opener."""

    def __init__(self, scopes: tuple[str, ...], *, excludes: bool = False, names: bool = False) -> None:
        self._excludes = excludes
        self._left_out: set[int] = set()
        """Descriptors of devices that programs made, where what they send is left out."""
        self._keyboard, self._target = "keyboard" in scopes, "target" in scopes
        self._pointer = self._target or "pointer" in scopes
        # Where only the focus is granted, nothing of any device comes through; but whose session is active is told.
        wanted = [b"keyboard"] * self._keyboard + [b"pointer"] * (self._pointer or not self._keyboard)
        self.gather_s = GATHER_S
        self._reader = Reader()
        self._devices: dict[int, Device] = {}
        self._keys = Keys()
        self._away_since: int | None = None
        self._is_lost = False
        self._link, answer = _asked(b" ".join(wanted))
        refused = _refusal(answer)
        if refused:
            self._link.close()
            raise refused
        self._link.setblocking(False)
        self._poll = select.epoll()
        self._poll.register(self._link.fileno(), select.EPOLLIN)
        self._map: DesktopMap | None = None
        if names and self._keyboard:
            with contextlib.suppress(Unavailable):
                self._map = DesktopMap()
                self._poll.register(self._map.fileno(), select.EPOLLIN)
                self._look_at_map(self._map)

    def fileno(self) -> int:
        """Readable when any device, or the opener, has something."""
        return self._poll.fileno()

    def due(self) -> float | None:
        """While another session is active, when the next piece of the gap is to be told."""
        if self._away_since is None:
            return None
        return max(0.0, self._away_since / 1000 + AWAY_S - time.monotonic())

    def ended(self) -> bool:
        """Never by itself."""
        return False

    def close(self) -> None:
        """Let go of the devices and of the opener; forget which keys are down."""
        for descriptor in list(self._devices):
            self._drop(descriptor)
        self._forget_map()
        self._poll.close()
        self._link.close()

    def read(self) -> Batch:
        """Everything that has arrived, classified. Raises ``Unavailable`` when the opener is gone."""
        if self._is_lost:
            raise Unavailable("the device opener is gone", "See: systemctl status desktop-logger-opener.service")
        now = int(time.monotonic() * 1000)
        events: list[Event] = []
        presses: list[Press] = []
        for descriptor, _ in self._poll.poll(0):
            if descriptor in self._left_out:
                self._pass_over(descriptor, now, events)
            elif descriptor in self._devices:
                self._take(descriptor, events, presses)
            elif self._map is not None and descriptor == self._map.fileno():
                self._look_at_map(self._map)
            else:
                self._hear(events)
        self._keys.press(presses, events)
        for descriptor, device in list(self._devices.items()):
            if device.stale:
                self._resynchronise(descriptor, device)
        events.sort(key=_time)
        self._tell_away(now, events)
        return Batch(events, now - SETTLE_MS)

    def _look_at_map(self, asked: DesktopMap) -> None:
        """Ask for the desktop's map, which is new or has changed; without an answer commands have no names."""
        try:
            self._keys.letters = asked.letters()
        except Unavailable:
            self._forget_map()

    def _forget_map(self) -> None:
        self._keys.letters = UNKNOWN
        if self._map is not None:
            self._poll.unregister(self._map.fileno())
            self._map.close()
            self._map = None

    def _take(self, descriptor: int, events: list[Event], presses: list[Press]) -> None:
        """Everything that one device has."""
        if not self._reader.take(descriptor, self._devices[descriptor], events, presses):
            self._drop(descriptor)

    def _pass_over(self, descriptor: int, now: int, events: list[Event]) -> None:
        """What a program has put in: a gap, whatever it was."""
        try:
            if self._reader.skip(descriptor):
                events.append((now, GAP, Reason.NOT_ALLOWED, 1, 0, 0))
        except OSError:  # unplugged, or taken back
            self._drop(descriptor)

    def _hear(self, events: list[Event]) -> None:
        """What the opener says: a device, ``away`` or ``here``. Its silence for ever is the end."""
        while True:
            try:
                word, descriptors, _, _ = socket.recv_fds(self._link, 64, 4, socket.MSG_CMSG_CLOEXEC)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                word, descriptors = b"", []
            for descriptor in descriptors:
                self._adopt(descriptor, made=word == b"made")
            if not word:
                self._is_lost = True
                return
            now = int(time.monotonic() * 1000)
            if word == b"away" and self._away_since is None:
                self._away_since = now
                for descriptor in list(self._devices):
                    self._drop(descriptor)
            elif word == b"here" and self._away_since is not None:
                self._tell_away(now, events, until_now=True)
                self._away_since = None

    def _tell_away(self, now: int, events: list[Event], *, until_now: bool = False) -> None:
        """The part of the absence that has passed, in whole seconds; the rest waits for the next piece."""
        if self._away_since is None:
            return
        passed = now - self._away_since
        if until_now or passed >= AWAY_S * 1000:
            seconds = max(1, round(passed / 1000)) if until_now else passed // 1000
            events.append((self._away_since, GAP, Reason.PERMISSION, seconds, 0, 0))
            self._away_since += 1000 * seconds

    def _adopt(self, descriptor: int, *, made: bool) -> None:
        """Take a device: our clock, only what the scopes need, what is down now."""
        try:
            device = self._examined(descriptor)
            os.set_blocking(descriptor, False)
            self._reader.skip(descriptor)  # what came before the mask
        except OSError:  # it is gone again
            os.close(descriptor)
            return
        self._devices[descriptor] = device
        if made and self._excludes:
            self._left_out.add(descriptor)
        else:
            self._keys.devices.add(device)
            self._resynchronise(descriptor, device)
        self._poll.register(descriptor, select.EPOLLIN)

    def _examined(self, descriptor: int) -> Device:
        """What kind of device it is; from here on it sends only what the granted scopes need."""
        evioc.use_monotonic_clock(descriptor)
        keys, moves = evioc.codes(descriptor, evioc.EV_KEY), evioc.codes(descriptor, evioc.EV_REL)
        places, properties = evioc.codes(descriptor, evioc.EV_ABS), evioc.properties(descriptor)
        kind, axes = reports.MOUSE, None
        if {0, 1} <= places:
            if _DIRECT in properties or _PEN in keys:
                kind = reports.SCREEN
            elif _FINGER in keys:
                kind = reports.PAD
            elif _LEFT in keys:
                kind = reports.PLACES
            axes = (evioc.axis(descriptor, 0), evioc.axis(descriptor, 1))
        wheels = {reports.FINE_WHEEL, reports.FINE_HWHEEL} & moves
        types = {evioc.EV_KEY}
        wanted = set(range(KEYS)).difference(BUTTONS) if self._keyboard else set()
        if self._keyboard:
            types.add(evioc.EV_LED)
        if self._pointer:
            wanted |= _POINTING
            types.add(evioc.EV_REL)
            evioc.take_only(descriptor, evioc.EV_REL, {0, 1} | (wheels or {reports.WHEEL, reports.HWHEEL}))
            if kind in (reports.PAD, reports.PLACES):
                types.add(evioc.EV_ABS)
                evioc.take_only(descriptor, evioc.EV_ABS, {0, 1})
        evioc.take_only(descriptor, evioc.EV_KEY, wanted)
        evioc.take_only(descriptor, evioc.EV_SYN, types)
        return Device(kind, axes=axes, fine=bool(wheels), releases=self._target)

    def _resynchronise(self, descriptor: int, device: Device) -> None:
        """Ask what is down now. What was pressed unseen is in the gap; it makes no record."""
        if device.stale:
            device.stale = False
            self.gather_s = max(GATHER_LEAST_S, self.gather_s / 2)
        if not self._keyboard:
            return
        try:
            down = evioc.held(descriptor)
            lights = evioc.lights(descriptor)
            has_light = reports.NUMLOCK in evioc.codes(descriptor, evioc.EV_LED)
        except OSError:
            return  # the next read says that it is gone
        device.down[:] = bytes(KEYS)
        for code in down:
            device.down[code] = 1
        device.numlock = reports.NUMLOCK in lights if has_light else True
        self._keys.look()

    def _drop(self, descriptor: int) -> None:
        """A device that is gone holds nothing any more."""
        device = self._devices.pop(descriptor)
        self._left_out.discard(descriptor)
        with contextlib.suppress(OSError):
            self._poll.unregister(descriptor)
        os.close(descriptor)
        device.down[:] = bytes(KEYS)
        self._keys.devices.discard(device)
        self._keys.look()


def _time(event: Event) -> int:
    return event[0]
