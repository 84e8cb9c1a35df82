"""The focused window under sway, a Wayland compositor that says so: its IPC, JSON over a Unix socket (sway-ipc(7)).

Wayland itself tells a program nothing of other programs' windows. sway's tree holds titles too: they are in the answer,
and no line here reads them.

1. Each look asks which node of the tree has the focus (GET_SEATS: a few hundred bytes). None: no window, which is also
   what sway says of a panel or a launcher that takes the keys.
2. Only where it is another node than before, or sway has told of a change, the tree is asked: the names that the
   application gives itself, its process, and which windows can be seen.
3. Events say only that something has changed. They come on the same connection and in their order, so that after an
   answer everything that happened before it is known.

What sway does not say: where the pointer is, and that a lock screen has the keys. So whatever can be seen may be under
the pointer, and no element is vouched for as safe.
"""

from __future__ import annotations

import json
import os
import select
import socket
import struct
from collections.abc import Iterator
from typing import Any

from .bus import BusLost
from .windows import NOBODY, Focused

_MAGIC = b"i3-ipc"
_HEAD = struct.Struct("=6sII")
_SUBSCRIBE, _GET_TREE, _GET_SEATS = 2, 4, 101
_EVENT = 1 << 31
_ANSWER_S = 1.0
_MOST_BYTES = 1 << 24


class Sway:
    """A connection to the compositor. ``OSError``: it is not there, or gone; ``BusLost``: it stalls."""

    vouches = False
    """Whether the focus that it tells of is for certain where the keys go."""

    def __init__(self) -> None:
        self._link = socket.socket(socket.AF_UNIX)
        self._link.settimeout(_ANSWER_S)
        self.is_stale = True
        """Whether something has changed since the last look."""
        self._node = 0
        self._focused = NOBODY
        self._seen: list[Focused] = []
        try:
            self._link.connect(os.environ["SWAYSOCK"])
            if not self._ask(_SUBSCRIBE, b'["window","workspace"]')["success"]:
                raise ConnectionError("it tells of no changes")
        except (OSError, BusLost, ValueError, KeyError, TypeError):
            self._link.close()
            raise OSError("sway does not answer") from None

    def close(self) -> None:
        """Hang up."""
        self._link.close()

    def fileno(self) -> int:
        """The connection's descriptor."""
        return self._link.fileno()

    def read(self) -> list[int]:
        """Take what has come: that something has changed. Of clicks sway does not tell."""
        while select.select([self._link], [], [], 0)[0]:
            self._message()
        return []

    def hear_clicks(self, *, wanted: bool = True) -> None:
        """It tells of none."""

    def is_quiet(self) -> bool:
        """Whether nobody types: it does not say."""
        return False

    def focused(self) -> Focused:
        """The application that gets the keys now."""
        node = next((int(seat["focus"]) for seat in self._ask(_GET_SEATS) if seat["focus"]), 0)
        if self.is_stale or node != self._node:
            self.is_stale, self._node = False, node
            windows = list(_windows(self._ask(_GET_TREE)))
            self._focused = next((_named(one) for one in windows if one["id"] == node), NOBODY)
            self._seen = [_named(one) for one in windows if one.get("visible")]
        return self._focused

    def under_pointer(self) -> list[Focused]:
        """What may be under the pointer: every window that can be seen."""
        return self._seen

    def _ask(self, kind: int, body: bytes = b"") -> Any:
        self._link.sendall(_HEAD.pack(_MAGIC, len(body), kind) + body)
        while True:
            answered, said = self._message()
            if answered == kind:
                return json.loads(said)

    def _message(self) -> tuple[int, bytes]:
        """One message, an event or an answer."""
        magic, size, kind = _HEAD.unpack(self._exactly(_HEAD.size))
        if magic != _MAGIC or size > _MOST_BYTES:
            raise ConnectionError("this is not sway")
        said = self._exactly(size)
        if kind & _EVENT:
            self.is_stale = True
        return kind, said

    def _exactly(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            try:
                piece = self._link.recv(size - len(data))
            except TimeoutError:
                raise BusLost from None
            if not piece:
                raise ConnectionResetError("sway has gone")
            data += piece
        return bytes(data)


def _windows(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The windows of a tree: what belongs to a process."""
    if node.get("pid"):
        yield node
    for inside in (*node.get("nodes", ()), *node.get("floating_nodes", ())):
        yield from _windows(inside)


def _named(window: dict[str, Any]) -> Focused:
    """The names that an application gives itself (``app_id``; under Xwayland its class and instance), small letters."""
    old = window.get("window_properties") or {}
    names = (window.get("app_id"), old.get("instance"), old.get("class"))
    return Focused(tuple(dict.fromkeys(str(one).lower() for one in names if one)), int(window["pid"]))
