"""Which letter lies where on the keyboard, as the Wayland desktop itself has it: asked of its server for X11 programs.

A compositor gives its keyboard map to Xwayland, on which our sign is shown anyway. The map alone is asked for, and to
be told when it changes: no key, no button, no state. Which of its layouts is in use Xwayland knows only while one of
its windows has the focus, so a place has a letter where all of them agree. Where anything fails nothing is known.
"""

from __future__ import annotations

import os

from desktop_logger.errors import Unavailable

from . import in_wayland, keymap, wire
from .keycodes import UNKNOWN, Letters

_WAIT_S = 0.2
"""What an answer may take while recording: the heartbeat is looked at every 0.8 s."""
_X_CODES = 8
"""X keycodes are the kernel's and 8."""


class DesktopMap:
    """A connection to the Xwayland of this session. Raises ``Unavailable`` where it cannot be asked."""

    def __init__(self) -> None:
        if not in_wayland() or not os.environ.get("DISPLAY"):
            raise Unavailable("there is no Xwayland to ask")
        self._link = wire.Wire()
        try:
            self._opcode = self._begun()
        except Unavailable:
            self._link.close()
            raise
        self._link.socket.settimeout(_WAIT_S)

    def _begun(self) -> int:
        xkb = self._link.extension("XKEYBOARD")
        if xkb is None:
            raise Unavailable("the X server has no XKB extension")
        self._link.ask(wire.xkb_use(xkb[0]))
        self._link.send(wire.xkb_select_maps(xkb[0]))
        return xkb[0]

    def fileno(self) -> int:
        """Readable when the map has changed, or the server is gone: ask again."""
        return self._link.fileno()

    def close(self) -> None:
        """Hang up."""
        self._link.close()

    def letters(self) -> Letters:
        """Ask, and take the notices that have come before the answer. Raises ``Unavailable`` where there is none."""
        try:
            known = keymap.parse(self._link.ask(wire.xkb_get_map(self._opcode)))
        except ValueError:
            return UNKNOWN
        plain, shifted = ({code - _X_CODES: letter for code, letter in known.agreed(level).items()} for level in (0, 1))
        return Letters(plain, shifted)
