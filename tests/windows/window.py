"""Inside Windows: a plain window with one field to type into, as programs have had it since 1985.

``ES_PASSWORD`` makes it a password field. Everything goes through ``user32``; nothing of the program is used here.
"""

from __future__ import annotations

import ctypes
import time
from ctypes import wintypes

ES_PASSWORD = 0x20
_WS_VISIBLE_POPUP, _WS_CHILD_VISIBLE = 0x90000000, 0x50000000
_PM_REMOVE = 1

user32 = ctypes.WinDLL("user32", use_last_error=True)  # type: ignore[attr-defined,unused-ignore]
user32.CreateWindowExW.restype = wintypes.HWND
user32.CreateWindowExW.argtypes = [
    wintypes.DWORD, wintypes.LPCWSTR, wintypes.LPCWSTR, wintypes.DWORD, *[ctypes.c_int] * 4, *[ctypes.c_void_p] * 4,
]  # fmt: skip
user32.SetFocus.argtypes = user32.SetForegroundWindow.argtypes = [wintypes.HWND]


class Window:
    """A window at the corner of the screen, and its field, which has the focus."""

    def __init__(self, style: int = 0) -> None:
        self.frame = user32.CreateWindowExW(0, "STATIC", "testbed", _WS_VISIBLE_POPUP, 0, 0, 400, 300, *[None] * 4)
        self.field = user32.CreateWindowExW(
            0, "EDIT", "", _WS_CHILD_VISIBLE | style, 10, 10, 300, 30, self.frame, None, None, None
        )
        self.focus()

    def focus(self) -> None:
        """Give the field the keyboard."""
        user32.SetForegroundWindow(self.frame)
        user32.SetFocus(self.field)

    def close(self) -> None:
        """Take it away."""
        user32.DestroyWindow(self.frame)


def pump(seconds: float) -> None:
    """Let windows live for a while."""
    message = wintypes.MSG()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        while user32.PeekMessageW(ctypes.byref(message), None, 0, 0, _PM_REMOVE):
            user32.TranslateMessage(ctypes.byref(message))
            user32.DispatchMessageW(ctypes.byref(message))
        time.sleep(0.01)


def type_letter() -> None:
    """Put an A in as a program, down and up."""
    user32.keybd_event(0x41, 0, 0, 0)
    user32.keybd_event(0x41, 0, 2, 0)
