"""Opening a connection to a local X server: Unix socket, authorisation, set-up. Nothing else, and no other family.

No library does this for us: python-xlib falls back to TCP when the Unix socket fails, and it would be the largest
thing in a process that is meant to hold little. Sources: X Window System Protocol, section 8 ("Connection Setup"),
and Xsecurity(7) for the authority file.
"""

from __future__ import annotations

import os
import socket
import struct
from typing import NamedTuple

from desktop_logger.errors import Unavailable

_WAIT_S = 5.0
_SOCKET = "/tmp/.X11-unix/X"  # noqa: S108  (where X servers have always listened)
_LOCAL, _WILD = 256, 65535
_COOKIE = b"MIT-MAGIC-COOKIE-1"
_START = "Start inside a graphical session."


class Opened(NamedTuple):
    """A connection after set-up: the socket, and the screen's root window and size in pixels."""

    socket: socket.socket
    root: int
    width: int
    height: int


def open_display(name: str) -> Opened:
    """Connect to the display ``name`` (``:N`` or ``:N.S``). Raises ``Unavailable``."""
    if not name:
        raise Unavailable("there is no display (DISPLAY is not set)", _START)
    host, _, rest = name.partition(":")
    number, _, screen = rest.partition(".")
    if host not in ("", "unix"):
        raise Unavailable(f"the display {name} is not of this machine", "Record on the machine that shows the desktop.")
    if not number.isdecimal() or not (screen or "0").isdecimal():
        raise Unavailable(f"DISPLAY is not the name of a display: {name}", _START)
    link = _connected(number, name)
    try:
        return _set_up(link, number, int(screen or 0))
    except (OSError, struct.error, IndexError):
        link.close()
        raise Unavailable(f"the display {name} did not answer as an X server does", _START) from None
    except Unavailable:
        link.close()
        raise


def _connected(number: str, name: str) -> socket.socket:
    path = _SOCKET + number
    for address in (path, "\0" + path):  # servers on Linux listen on both
        link = socket.socket(socket.AF_UNIX)
        link.settimeout(_WAIT_S)
        try:
            link.connect(address)
        except OSError:
            link.close()
        else:
            return link
    raise Unavailable(f"cannot connect to the display {name}", "Is it running? " + _START)


def _set_up(link: socket.socket, number: str, screen: int) -> Opened:
    cookie = _cookie(number)
    scheme = _COOKIE if cookie else b""
    link.sendall(struct.pack("<BxHHHHxx", 0x6C, 11, 0, len(scheme), len(cookie)) + _padded(scheme) + _padded(cookie))
    head = _receive(link, 8)
    body = _receive(link, 4 * int(struct.unpack_from("<H", head, 6)[0]))
    if head[0] != 1:
        raise Unavailable("the display refuses this account", "Is XAUTHORITY set as in the graphical session?")
    at = 32 + (struct.unpack_from("<H", body, 16)[0] + 3 & ~3) + 8 * body[21]
    for _ in range(min(screen, body[20] - 1)):
        depths, at = body[at + 39], at + 40
        for _ in range(depths):
            at += 8 + 24 * int(struct.unpack_from("<H", body, at + 2)[0])
    root, width, height = struct.unpack_from("<I16xHH", body, at)
    return Opened(link, root, width, height)


def _receive(link: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        chunk = link.recv(size - len(data))
        if not chunk:
            raise ConnectionResetError
        data += chunk
    return bytes(data)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def _cookie(number: str) -> bytes:
    """The cookie for this display in the authority file; empty where there is none."""
    path = os.environ.get("XAUTHORITY") or os.path.join(os.path.expanduser("~"), ".Xauthority")
    try:
        with open(path, "rb") as file:
            data = file.read(1 << 20)
    except OSError:
        return b""
    host = os.uname().nodename.encode()
    at = 0
    while at + 2 <= len(data):
        family = struct.unpack_from(">H", data, at)[0]
        at += 2
        fields = []
        for _ in range(4):  # address, display number, scheme, cookie
            size = int.from_bytes(data[at : at + 2], "big")
            fields.append(data[at + 2 : at + 2 + size])
            at += 2 + size
        here = family == _WILD or (family == _LOCAL and fields[0] == host)
        if here and fields[1] in (b"", number.encode()) and fields[2] == _COOKIE:
            return fields[3]
    return b""
