"""What macOS and Windows say of the focused field: that a secret goes into it, and never that none does.

macOS    ``IsSecureEventInputEnabled``: whether any program has the system hide keys now (Carbon; Apple's TN2150)
Windows  the focused window, where it is an edit field with ``ES_PASSWORD``; then UI Automation's ``IsPassword``

Only a yes is believed, for many programs never say it and nobody has tried this on a real Windows or Mac: a no is
``UNANSWERED``, as where nobody can be asked, and a question that fails is ``UNKNOWN``. A program that does not answer
UI Automation holds the process that asks, and its silence is a gap.

ctypes, since pyobjc and comtypes would bring thousands of classes into the process that sees names, for three calls.
The libraries come in as arguments: on Linux the tests hand in ones of their own.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from typing import Any

from desktop_logger.records.classes import Safety

Field = Callable[[], Safety]

_CARBON = "/System/Library/Frameworks/Carbon.framework/Carbon"
_STYLE, _ES_PASSWORD = -16, 0x20  # GWL_STYLE (WinUser.h)
_IN_PROCESS, _MANY_THREADS = 1, 0  # CLSCTX_INPROC_SERVER, COINIT_MULTITHREADED
_CUIAUTOMATION = bytes.fromhex("a4db48ffef600142aa8754103eef594e")  # ff48dba4-60ef-4201-aa87-54103eef594e
_IUIAUTOMATION = bytes.fromhex("7de5cb30d0d92a45ab137ac5ac4825ee")  # 30cbe57d-d9d0-452a-ab13-7ac5ac4825ee
# Places in the tables of IUnknown, IUIAutomation and IUIAutomationElement (UIAutomationClient.h)
_RELEASE, _GET_FOCUSED_ELEMENT, _GET_CURRENT_IS_PASSWORD = 2, 8, 35


def of_this_system() -> Field | None:
    """What asks this system, where there is something to ask. Asks nothing yet."""
    try:
        if sys.platform == "darwin":
            return secure_input(ctypes.CDLL(_CARBON))
        if sys.platform == "win32":
            return field(ctypes.WinDLL("user32"), ctypes.WinDLL("ole32"))
    except (OSError, AttributeError):
        pass
    return None


def secure_input(carbon: Any) -> Field:
    """Ask macOS. Raises ``AttributeError`` where the library has no such question."""
    asked = carbon.IsSecureEventInputEnabled
    asked.restype, asked.argtypes = ctypes.c_ubyte, []
    return lambda: Safety.UNSAFE if asked() else Safety.UNANSWERED


def field(user32: Any, ole32: Any) -> Field:
    """Ask Windows."""
    automation = Automation.open(ole32)

    def asked() -> Safety:
        if hides(user32):
            return Safety.UNSAFE
        if automation is None:
            return Safety.UNANSWERED
        said = automation.is_password()
        if said is None:
            return Safety.UNKNOWN
        return Safety.UNSAFE if said else Safety.UNANSWERED

    return asked


class _Threads(ctypes.Structure):
    """GUITHREADINFO (WinUser.h)."""

    _fields_ = (
        ("size", ctypes.c_uint32), ("flags", ctypes.c_uint32), ("active", ctypes.c_void_p), ("focus", ctypes.c_void_p),
        ("capture", ctypes.c_void_p), ("menu", ctypes.c_void_p), ("moved", ctypes.c_void_p), ("caret", ctypes.c_void_p),
        ("place", ctypes.c_int32 * 4),
    )  # fmt: skip


def hides(user32: Any) -> bool:
    """Whether the focused window is an edit field, by whatever name its class is derived, that shows no characters."""
    threads = _Threads(size=ctypes.sizeof(_Threads))
    if not user32.GetGUIThreadInfo(0, ctypes.byref(threads)) or not threads.focus:
        return False
    focus, name = ctypes.c_void_p(threads.focus), ctypes.create_unicode_buffer(256)
    user32.GetClassNameW(focus, name, len(name))
    return "edit" in name.value.lower() and bool(user32.GetWindowLongW(focus, _STYLE) & _ES_PASSWORD)


class Automation:
    """UI Automation, as far as one question goes."""

    def __init__(self, client: ctypes.c_void_p) -> None:
        self._client = client

    @classmethod
    def open(cls, ole32: Any) -> Automation | None:
        """The client, where this system has one."""
        client = ctypes.c_void_p()
        ole32.CoInitializeEx(None, _MANY_THREADS)
        failed = ole32.CoCreateInstance(_CUIAUTOMATION, None, _IN_PROCESS, _IUIAUTOMATION, ctypes.byref(client))
        return None if failed or not client else cls(client)

    def is_password(self) -> bool | None:
        """What the focused element says; ``None`` where there is none, or it does not say."""
        element, said = ctypes.c_void_p(), ctypes.c_int32()
        if _call(self._client, _GET_FOCUSED_ELEMENT, ctypes.byref(element)) or not element:
            return None
        try:
            return None if _call(element, _GET_CURRENT_IS_PASSWORD, ctypes.byref(said)) else bool(said)
        finally:
            _call(element, _RELEASE)


def _call(thing: ctypes.c_void_p, place: int, *into: Any) -> int:
    """Call a method of a COM object by its place in the table. The answer is an HRESULT: 0 where it went well."""
    table = ctypes.cast(thing, ctypes.POINTER(ctypes.POINTER(ctypes.c_void_p))).contents
    kind: Any = getattr(ctypes, "WINFUNCTYPE", ctypes.CFUNCTYPE)
    return int(kind(ctypes.c_int32, ctypes.c_void_p, *[ctypes.c_void_p] * len(into))(table[place])(thing, *into))
