"""The focused window of an X display: what its application calls itself, and which process it is.

Asked of the server, where the keys really go (GetInputFocus), not assumed from what a window manager says. Never a
title. What is selected is the change of properties of the root window and, where roles under clicks are wanted, raw
button presses: their time, not their place, and never a key.

1. GetInputFocus; without a window manager that may mean the window under the pointer.
2. From there up to the first window that has a WM_CLASS: what the application calls itself, twice.
3. The process: as the server knows it from the socket (X-Resource), else nobody.
"""

from __future__ import annotations

import struct
import time
from typing import Any, NamedTuple

_POINTER_ROOT = 1
_DEEPEST, _FRAMES = 24, 3
_RAW_BUTTON_PRESS = 15
_WHEEL = range(4, 8)
_RAW = struct.Struct("<HII")
_SAME_CLOCK_MS = 10_000
_QUIET_MS = 3000
_U32 = 0xFFFFFFFF


_EXTENSIONS = frozenset({"ge", "res", "screensaver", "xinput"})


def open_display() -> Any:
    """A connection that knows the extensions used here: python-xlib's others would take 0.7 MB of this process."""
    from Xlib import display, ext

    everything = ext.__extensions__
    ext.__extensions__ = [one for one in everything if one[1] in _EXTENSIONS]
    try:
        return display.Display()
    finally:
        ext.__extensions__ = everything


class Focused(NamedTuple):
    """The application in front: its names, lower case (none: no window has the focus), and its process."""

    names: tuple[str, ...]
    pid: int | None


NOBODY = Focused((), None)


class Windows:
    """A display connection of its own. Raises whatever python-xlib raises where there is no display."""

    vouches = True
    """Whether the focus that it tells of is for certain where the keys go."""

    def __init__(self) -> None:
        from Xlib import X
        from Xlib.error import XError
        from Xlib.ext import ge, res, xinput
        from Xlib.protocol import request

        self._request = request
        self._X, self._XError = X, XError
        self._GENERIC = ge.GenericEventCode
        self._PID = res.LocalClientPIDMask
        self.display = open_display()
        self.root = self.display.screen().root
        self.root.change_attributes(event_mask=X.PropertyChangeMask)
        self._has_pids = self.display.has_extension("X-Resource")
        self._all = xinput.AllMasterDevices
        self._has_saver = self.display.has_extension("MIT-SCREEN-SAVER")
        self._has_clicks = self.display.has_extension("XInputExtension")
        if self._has_clicks:
            self.display.xinput_query_version()
        self._focused: tuple[int, Focused] = (0, NOBODY)
        self._pointed: tuple[int, Focused] = (0, NOBODY)
        self._child: Any = 0
        """The window of the top that the pointer was in at the last look; a number where it was in none."""
        self.is_stale = True
        """Whether something has changed since the last look."""
        self.display.sync()

    def close(self) -> None:
        """Hang up."""
        self.display.close()

    def hear_clicks(self, *, wanted: bool = True) -> None:
        """Be told of button presses, or no more."""
        if self._has_clicks:
            self.root.xinput_select_events([(self._all, 1 << _RAW_BUTTON_PRESS if wanted else 0)])
            self.display.flush()

    def fileno(self) -> int:
        """The connection's descriptor."""
        return int(self.display.fileno())

    def read(self) -> list[int]:
        """Take the events that have come: the times (ms, monotonic) of the clicks among them."""
        clicks = []
        while self.display.pending_events():
            event = self.display.next_event()
            if event.type == self._GENERIC and event.evtype == _RAW_BUTTON_PRESS:
                _, stamp, button = _RAW.unpack_from(event.data)
                if button not in _WHEEL:
                    clicks.append(_monotonic(stamp))
            elif event.type == self._X.PropertyNotify:
                self.is_stale = True
                self._focused = self._pointed = (0, NOBODY)  # the desktop has changed: look again at names too
        return clicks

    def focused(self) -> Focused:
        """The application that gets the keys now. Where the pointer is comes in the same answer."""
        self.is_stale = False
        try:
            asked = self._request.GetInputFocus(display=self.display.display, defer=1)
            self._child = self.root.query_pointer().child
            asked.reply()
            focus = asked.focus
            if isinstance(focus, int):
                return self._at_pointer() if focus == _POINTER_ROOT else NOBODY
            if focus.id != self._focused[0]:
                self._focused = (focus.id, self._of(focus))
            return self._focused[1]
        except self._XError:
            return NOBODY  # a window that has just gone

    def pointed(self) -> Focused:
        """The application under the pointer, which gets clicks and scrolling."""
        self._child = self.root.query_pointer().child
        return self._at_pointer()

    def _at_pointer(self) -> Focused:
        window = self._child
        try:
            if isinstance(window, int):
                return NOBODY
            if window.id != self._pointed[0]:
                self._pointed = (window.id, self._of(window))
            return self._pointed[1]
        except self._XError:
            return NOBODY

    def under_pointer(self) -> list[Focused]:
        """What may be under the pointer: the one that was at the last look."""
        return [self._at_pointer()]

    def is_quiet(self) -> bool:
        """Whether there has been no input for some seconds: asked of the server as a number, it tells nothing else."""
        return self._has_saver and int(self.root.screensaver_query_info().idle) > _QUIET_MS

    def place(self) -> tuple[int, int]:
        """Where the pointer is on the screen, in pixels."""
        answer = self.root.query_pointer()
        return answer.root_x, answer.root_y

    def _of(self, window: Any) -> Focused:
        """The names and the process of the application that a window belongs to: from it up, else inside its frame."""
        here = window
        for _ in range(_DEEPEST):
            if names := here.get_wm_class():
                return self._named(here, names)
            above = here.query_tree().parent
            if isinstance(above, int) or above.id == self.root.id:
                break
            here = above
        inside = [window]
        for _ in range(_FRAMES):
            inside = [child for one in inside for child in one.query_tree().children]
            for child in inside:
                if names := child.get_wm_class():
                    return self._named(child, names)
        return Focused((), self._pid(window))

    def _named(self, window: Any, names: tuple[str, ...]) -> Focused:
        return Focused(tuple(dict.fromkeys(name.lower() for name in names if name)), self._pid(window))

    def _pid(self, window: Any) -> int | None:
        """The process behind a window, as the server knows it."""
        if not self._has_pids:
            return None
        answer = self.display.res_query_client_ids([{"client": window.id, "mask": self._PID}])
        for one in answer.ids:
            if one.value:
                return int(one.value[0])
        return None


def _monotonic(stamp: int) -> int:
    """A server time as ms of the monotonic clock, which a local server counts too, modulo 2³²."""
    now = int(time.monotonic() * 1000)
    behind = (now - stamp) & _U32
    return now - behind if behind <= _SAME_CLOCK_MS else now
