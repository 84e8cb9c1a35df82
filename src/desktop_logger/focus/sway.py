"""The focused window where sway or i3 tells it: the i3 IPC protocol over its Unix socket (i3 IPC manual; sway-ipc(7)).

The messages that the compositor sends hold titles; they are read for two fields, the app id (or WM_CLASS) and the
process, and forgotten.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import struct
from typing import Any

from .windows import NOBODY, Focused

_MAGIC = b"i3-ipc"
_HEAD = struct.Struct("<6sII")
_SUBSCRIBE, _TREE = 2, 4
_LARGEST = 1 << 24
_WAIT_S = 1.0


class SwayLost(Exception):
    """The compositor has hung up, or says what this protocol does not know."""


class Sway:
    """One subscription to window events, and who had the focus at the last of them."""

    def __init__(self, path: str) -> None:
        self._link = socket.socket(socket.AF_UNIX)
        self._link.settimeout(_WAIT_S)
        self._buffer = bytearray()
        self._focused = NOBODY
        self._link.connect(path)
        self._send(_SUBSCRIBE, b'["window","workspace","shutdown"]')
        self._send(_TREE, b"")
        while not self._take():  # until the tree is there
            self._buffer += self._receive()
        self._link.setblocking(False)

    @classmethod
    def open(cls) -> Sway | None:
        """Connect where ``SWAYSOCK`` or ``I3SOCK`` says; ``None`` where there is no such compositor."""
        path = os.environ.get("SWAYSOCK") or os.environ.get("I3SOCK")
        if not path:
            return None
        try:
            return cls(path)
        except (OSError, SwayLost):
            return None

    def fileno(self) -> int:
        """The socket's descriptor."""
        return self._link.fileno()

    def close(self) -> None:
        """Hang up."""
        self._link.close()

    def read(self) -> list[int]:
        """Take what has come. There are no clicks here. Raises ``SwayLost``."""
        with contextlib.suppress(BlockingIOError):
            while True:
                self._buffer += self._receive()
                self._take()
        return []

    def focused(self) -> Focused:
        """The application that has the focus."""
        return self._focused

    def _send(self, kind: int, payload: bytes) -> None:
        self._link.sendall(_HEAD.pack(_MAGIC, len(payload), kind) + payload)

    def _receive(self) -> bytes:
        try:
            data = self._link.recv(1 << 16)
        except BlockingIOError:
            raise
        except OSError:
            raise SwayLost from None
        if not data:
            raise SwayLost
        return data

    def _take(self) -> bool:
        """Read the whole messages in the buffer; whether the answer with the tree was among them."""
        found = False
        while len(self._buffer) >= _HEAD.size:
            magic, size, kind = _HEAD.unpack_from(self._buffer)
            if magic != _MAGIC or size > _LARGEST:
                raise SwayLost
            if len(self._buffer) < _HEAD.size + size:
                break
            payload = bytes(self._buffer[_HEAD.size : _HEAD.size + size])
            del self._buffer[: _HEAD.size + size]
            try:
                said = json.loads(payload)
            except ValueError:
                raise SwayLost from None
            if kind == _TREE:
                found = True
                self._focused = _focused_in(said)
            elif kind >> 31 and isinstance(said, dict):
                self._hear(said)
        return found

    def _hear(self, said: dict[str, Any]) -> None:
        if said.get("change") == "focus" and isinstance(said.get("container"), dict):
            self._focused = _of(said["container"])
        elif said.get("change") in ("close", "focus", "empty"):
            self._link.settimeout(_WAIT_S)
            self._send(_TREE, b"")
            self._link.setblocking(False)


def _focused_in(tree: Any) -> Focused:
    """The focused window in a tree of containers."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if not isinstance(node, dict):
            continue
        if node.get("focused") is True:
            return _of(node)
        waiting += [*(node.get("nodes") or []), *(node.get("floating_nodes") or [])]
    return NOBODY


def _of(container: dict[str, Any]) -> Focused:
    """The names and process of a container's window; nobody's for one that holds no window."""
    said = container.get("window_properties")
    names = [container.get("app_id"), *((said.get("instance"), said.get("class")) if isinstance(said, dict) else ())]
    pid = container.get("pid")
    known = tuple(dict.fromkeys(name.lower() for name in names if isinstance(name, str) and name))
    return Focused(known, pid if isinstance(pid, int) and pid > 0 else None)
