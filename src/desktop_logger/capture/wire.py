"""A connection to a local X server, and the few requests that capture makes on it.

Request layouts follow the X11 core protocol, XI2proto (xorgproto, version 2.2) and the X Keyboard Extension
protocol specification. No request holds input data.
"""

from __future__ import annotations

import os
import struct

from desktop_logger.errors import Unavailable

from . import DisplayLost
from .opening import open_display

GENERIC_EVENT, MAPPING_NOTIFY, CONFIGURE_NOTIFY = 35, 34, 22
ERROR, REPLY = 0, 1
HEADER = 32
_CORE_KEYBOARD = 0x100

XI_DEVICE_CHANGED, XI_HIERARCHY_CHANGED = 1, 11
XI_RAW_KEY_PRESS, XI_RAW_KEY_RELEASE, XI_RAW_BUTTON_PRESS, XI_RAW_BUTTON_RELEASE, XI_RAW_MOTION = 13, 14, 15, 16, 17
XKB_NEW_KEYBOARD, XKB_MAP, XKB_STATE = 0, 1, 2


class Wire:
    """One open connection. ``root``: root window; ``width``, ``height``: of the screen in pixels.

    Raises ``Unavailable`` when it cannot be opened.
    """

    def __init__(self) -> None:
        opened = open_display(os.environ.get("DISPLAY", ""))
        self.socket, self.root, self.width, self.height = opened

    def fileno(self) -> int:
        """The socket's descriptor."""
        return self.socket.fileno()

    def close(self) -> None:
        """End the connection."""
        self.socket.close()

    def send(self, *requests: bytes) -> None:
        """Send requests whose replies, if any, are read elsewhere. Raises ``DisplayLost``."""
        try:
            self.socket.sendall(b"".join(requests))
        except OSError:
            raise _lost() from None

    def ask(self, request: bytes) -> bytes:
        """Send a request and wait for its reply; events in between are dropped. Raises ``DisplayLost``."""
        self.send(request)
        while True:
            head = self._receive(HEADER)
            kind = head[0] & 0x7F
            more = b""
            if kind in (REPLY, GENERIC_EVENT):
                more = self._receive(4 * int(struct.unpack_from("<I", head, 4)[0]))
            if kind == REPLY:
                return head + more
            if kind == ERROR:
                raise Unavailable(f"the X server refused a request (error {head[1]})", "Try --backend pynput.")

    def extension(self, name: str) -> tuple[int, int] | None:
        """``(major opcode, first event)``, or ``None`` where the server has none such (core, QueryExtension)."""
        text = name.encode()
        pad = -len(text) % 4
        reply = self.ask(struct.pack("<BxHHxx", 98, 2 + (len(text) + pad) // 4, len(text)) + text + bytes(pad))
        return (reply[9], reply[10]) if reply[8] else None

    def _receive(self, size: int) -> bytes:
        data = bytearray()
        try:
            while len(data) < size:
                chunk = self.socket.recv(size - len(data))
                if not chunk:
                    raise _lost()
                data += chunk
        except OSError:
            raise _lost() from None
        return bytes(data)


def _lost() -> DisplayLost:
    return DisplayLost("the display is gone", "Recording goes on when a display is there again.")


def query_keymap() -> bytes:
    """QueryKeymap (core): which keys are down."""
    return struct.pack("<BxH", 44, 1)


def watch_size(root: int) -> bytes:
    """ChangeWindowAttributes (core): StructureNotify on the root window, whose size monitors change."""
    return struct.pack("<BxHIII", 2, 4, root, 1 << 11, 1 << 17)


def get_geometry(root: int) -> bytes:
    """GetGeometry (core): the size of the screen as it is now."""
    return struct.pack("<BxHI", 14, 2, root)


def query_pointer(root: int) -> bytes:
    """QueryPointer (core): where the pointer is."""
    return struct.pack("<BxHI", 38, 2, root)


def xi_query_version(opcode: int) -> bytes:
    """XIQueryVersion 2.2: from 2.1 on raw events come also while another client holds a grab."""
    return struct.pack("<BBHHH", opcode, 47, 2, 2, 2)


def xi_select(opcode: int, root: int, *, keyboard: bool, pointer: bool, target: bool = False) -> bytes:
    """XISelectEvents on the root window for all master devices: only what the granted scopes need."""
    events = [XI_RAW_KEY_PRESS, XI_RAW_KEY_RELEASE] if keyboard else []
    if pointer:
        events += [XI_RAW_BUTTON_PRESS, XI_RAW_MOTION, XI_DEVICE_CHANGED]
        events += [XI_RAW_BUTTON_RELEASE] if target else []
    masters = struct.pack("<HHI", 1, 1, sum(1 << event for event in events))
    every = struct.pack("<HHI", 0, 1, 1 << XI_HIERARCHY_CHANGED)
    return struct.pack("<BBHIHxx", opcode, 46, 3 + 4, root, 2) + every + masters


def xi_query_devices(opcode: int) -> bytes:
    """XIQueryDevice of all devices."""
    return struct.pack("<BBHHxx", opcode, 48, 2, 0)


def xkb_use(opcode: int) -> bytes:
    """XkbUseExtension 1.0."""
    return struct.pack("<BBHHH", opcode, 0, 2, 1, 0)


def xkb_select(opcode: int) -> bytes:
    """XkbSelectEvents: new keyboards and maps entirely, the state only where modifiers or the group change."""
    maps = 1 << XKB_NEW_KEYBOARD | 1 << XKB_MAP
    part = 1 << 0 | 1 << 4  # XkbModifierStateMask, XkbGroupStateMask
    which = maps | 1 << XKB_STATE
    return struct.pack("<BBHHHHHHHHH", opcode, 1, 5, _CORE_KEYBOARD, which, 0, maps, 0xFF, 0xFF, part, part)


def xkb_select_maps(opcode: int) -> bytes:
    """XkbSelectEvents: new keyboards and maps, and no state, which would tell when modifiers are pressed."""
    maps = 1 << XKB_NEW_KEYBOARD | 1 << XKB_MAP
    return struct.pack("<BBHHHHHHH", opcode, 1, 4, _CORE_KEYBOARD, maps, 0, maps, 0xFF, 0xFF)


def xkb_get_state(opcode: int) -> bytes:
    """XkbGetState of the core keyboard."""
    return struct.pack("<BBHHxx", opcode, 4, 2, _CORE_KEYBOARD)


def xkb_get_map(opcode: int) -> bytes:
    """XkbGetMap: key types, keysyms and the modifier map, entirely."""
    return struct.pack("<BBHHHH18x", opcode, 8, 7, _CORE_KEYBOARD, 0x7, 0)
