"""Windows at its edge: the three functions of ``user32``, and COM objects with real tables for UI Automation.

Nothing here is of the program, so it runs on any system: a table of functions is a table of functions.
"""

from __future__ import annotations

import ctypes
from typing import Any

KIND: Any = getattr(ctypes, "WINFUNCTYPE", ctypes.CFUNCTYPE)
ELEMENT_SIZE, CLIENT_SIZE = 85, 58
"""So many methods IUIAutomationElement and IUIAutomation have."""


class Thing:
    """A COM object: a pointer to a table of functions. What nobody put in fails."""

    def __init__(self, size: int, methods: dict[int, Any]) -> None:
        one, two = KIND(ctypes.c_int32, ctypes.c_void_p), KIND(ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p)
        wrong = one(lambda _: -1)
        self._kept = [one(m) if place == 2 else two(m) for place, m in methods.items()] + [wrong]
        places = dict(zip(methods, self._kept, strict=False))
        self._table = (ctypes.c_void_p * size)(
            *(ctypes.cast(places.get(place, wrong), ctypes.c_void_p) for place in range(size))
        )
        self._pointer = ctypes.c_void_p(ctypes.addressof(self._table))
        self.address = ctypes.addressof(self._pointer)


class Desktop:
    """``user32`` and ``ole32`` as one object. ``name``: the class of the focused window, where there is one.

    ``says``: what the focused element says; ``made``, ``found``, ``said``: what the three calls return; ``empty``:
    there is no focused element, although the call went well. ``held``: elements that were given and not given back.
    """

    def __init__(
        self, *, threads: bool = True, name: str | None = "Chrome_WidgetWin_1", style: int = 0, made: int | None = None,
        found: int = 0, empty: bool = False, said: int = 0, says: int | None = None,
    ) -> None:  # fmt: skip
        self.threads, self.name, self.style, self.says = threads, name, style, says
        self.made = (0 if says is not None else -1) if made is None else made
        self.found, self.empty, self.said, self.held = found, empty, said, 0
        self.element = Thing(ELEMENT_SIZE, {2: self._release, 35: self._is_password})
        self.client = Thing(CLIENT_SIZE, {2: self._release, 8: self._focused})

    def _release(self, _: int) -> int:
        self.held -= 1
        return 0

    def _focused(self, _: int, into: int) -> int:
        if not self.found and not self.empty:
            self.held += 1
            ctypes.c_void_p.from_address(into).value = self.element.address
        return self.found

    def _is_password(self, _: int, into: int) -> int:
        ctypes.c_int32.from_address(into).value = self.says or 0
        return self.said

    def GetGUIThreadInfo(self, _thread: int, info: Any) -> int:  # noqa: N802 - Windows' names
        info._obj.focus = 4711 if self.name is not None else None
        return int(self.threads)

    def GetClassNameW(self, _window: Any, into: Any, size: int) -> int:  # noqa: N802
        into.value = (self.name or "")[: size - 1]
        return len(into.value)

    def GetWindowLongW(self, _window: Any, which: int) -> int:  # noqa: N802
        assert which == -16
        return self.style

    def CoInitializeEx(self, _nothing: None, _kind: int) -> int:  # noqa: N802
        return 0

    def CoCreateInstance(self, _class: bytes, _outer: None, _where: int, _kind: bytes, into: Any) -> int:  # noqa: N802
        if not self.made:
            into._obj.value = self.client.address
        return self.made
