"""The portable backend: pynput's listeners on macOS, Windows, and X servers without XInput2.

pynput is imported only when this backend is opened or probed, because importing it connects to the display.
Its callbacks run on threads of their own and do one thing: classify, and put the event into a bounded queue.
What finds no room is counted, and the count becomes a gap. What it cannot do is known: no exact times, no second
keyboard group, no true deltas at the edge of the screen.
"""

from __future__ import annotations

import contextlib
import os
import struct
import sys
import threading
import time
from collections import deque
from typing import Any

from desktop_logger.consent.grant import Grant
from desktop_logger.errors import Unavailable
from desktop_logger.records.classes import CTRL, MODIFIER_BITS, Button, Direction, Reason, classify, keysym_of
from desktop_logger.records.events import Batch, Event
from desktop_logger.records.layout import CLICK, GAP, KEY, MOVE, SCROLL

from . import GATHER_S, DisplayLost, Probe, wire
from .opening import open_display

QUEUE = 16_384
"""Events that may wait between two reads."""
_CHECK_S = 1.0
_HEARS_S = 2.0
_NAMES = {
    "enter": "Return", "tab": "Tab", "backspace": "BackSpace", "delete": "Delete", "esc": "Escape", "space": "space",
    "home": "Home", "end": "End", "left": "Left", "right": "Right", "up": "Up", "down": "Down", "menu": "Menu",
    "page_up": "Prior", "page_down": "Next", "insert": "Insert", "pause": "Pause", "print_screen": "Print",
    "shift": "Shift_L", "shift_l": "Shift_L", "shift_r": "Shift_R", "caps_lock": "Caps_Lock", "num_lock": "Num_Lock",
    "scroll_lock": "Scroll_Lock", "ctrl": "Control_L", "ctrl_l": "Control_L", "ctrl_r": "Control_R",
    "alt": "Alt_L", "alt_l": "Alt_L", "alt_r": "Alt_R", "alt_gr": "ISO_Level3_Shift",
    "cmd": "Super_L", "cmd_l": "Super_L", "cmd_r": "Super_R",
}  # fmt: skip
_BUTTONS = {
    "left": Button.LEFT, "middle": Button.MIDDLE, "right": Button.RIGHT,
    "button8": Button.BACK, "x1": Button.BACK, "button9": Button.FORWARD, "x2": Button.FORWARD,
}  # fmt: skip
_DEAD, _SPACE = 0xFE50, 0x20
_NUMPAD = range(0x60, 0x70)  # Windows virtual keys VK_NUMPAD0 to VK_DIVIDE


class Pynput:
    """pynput's keyboard and mouse listeners."""

    name = "pynput"

    def probe(self) -> Probe:
        """Whether pynput can be imported here, and is trusted where the system asks for that."""
        try:
            keyboard, _ = _listeners()
        except Unavailable as error:
            return Probe(False, error.message, error.hint)
        del keyboard
        if not _may_listen():
            return Probe(
                False,
                "this program may not see input",
                "System Settings, Privacy & Security, Input Monitoring: allow it (nothing else), then start.",
            )
        return Probe(True, "pynput listeners")

    def capture(self, grant: Grant) -> PynputCapture:
        """Start the listeners of the granted scopes."""
        excludes = grant.injected == "exclude"
        if excludes and sys.platform not in ("darwin", "win32"):
            raise Unavailable(
                "backend pynput: on X11 it cannot tell what other programs put in, which the policy leaves out",
                "Use --backend x11.",
            )
        return PynputCapture(grant.scopes, excludes=excludes)


def _listeners() -> tuple[Any, Any]:
    """The keyboard and mouse modules of pynput. Raises ``Unavailable``."""
    if sys.platform not in ("darwin", "win32"):
        open_display(os.environ.get("DISPLAY", "")).socket.close()  # else pynput's library would try TCP
    try:
        from pynput import keyboard, mouse
    except ImportError as error:
        # pynput turns a display that cannot be opened into an ImportError too
        raise Unavailable(
            f"pynput cannot be used here ({type(error).__name__})", "Is a display there? Else: pip install pynput"
        ) from None
    except Exception as error:  # noqa: BLE001  pynput's platforms raise whatever their libraries raise
        raise Unavailable(
            f"pynput cannot be used here ({type(error).__name__})", "Start inside a graphical session."
        ) from None
    return keyboard, mouse


def _may_listen() -> bool:
    """Whether macOS lets this program listen; true elsewhere. Asks nobody.

    pynput's own ``IS_TRUSTED`` is about Accessibility, which a program needs to put input in; a tap that only listens,
    as pynput makes without ``suppress``, needs Input Monitoring.
    """
    if sys.platform != "darwin":
        return True
    import Quartz  # type: ignore[import-not-found,unused-ignore]  # pyobjc, which pynput brings

    return bool(Quartz.CGPreflightListenEventAccess())


def _hearing(listener: Any) -> threading.Event:
    """An event that is set when the server has begun to tell this listener of input.

    On X11 pynput says that it is ready just before it asks the server to begin, and what is typed in between is lost.
    The server's first answer (RECORD's StartOfData, without input) goes to the listener's handler like the others.
    """
    hears = threading.Event()
    handler = getattr(listener, "_handler", None)
    if handler is None or sys.platform in ("darwin", "win32"):
        hears.set()
        return hears

    def heard(answer: Any) -> Any:
        hears.set()
        return handler(answer)

    listener._handler = heard  # noqa: SLF001  pynput has no other place for this
    return hears


def _hooked(listener: Any) -> bool:
    """Whether Windows has taken this listener's hook; waits for it.

    Here too pynput says that it is ready just before it asks. It looks at no answer, and a hook that was refused
    would be silence.
    """
    from pynput._util import win32

    until = time.monotonic() + _HEARS_S
    while time.monotonic() < until:
        hook = win32.SystemHook._HOOKS.get(listener.ident)  # noqa: SLF001  pynput has no other place for this
        if hook is not None and hook._hook is not None:  # noqa: SLF001
            return bool(hook._hook)  # noqa: SLF001
        time.sleep(0.005)
    return False


def _quiet_threads() -> None:
    """A listener that dies with its display is seen by ``read``; its thread need not print about it."""
    import logging

    log = logging.getLogger("pynput")
    log.addHandler(logging.NullHandler())
    log.propagate = False
    threading.excepthook = lambda _: None


def _place(mouse: Any) -> tuple[int, int]:
    """Where the pointer is, from which the first movement is counted."""
    if sys.platform in ("darwin", "win32"):
        x, y = mouse.Controller().position
        return int(x), int(y)
    link = wire.Wire()
    try:
        x, y = struct.unpack_from("<hh", link.ask(wire.query_pointer(link.root)), 16)
    finally:
        link.close()
    return x, y


class PynputCapture:
    """Listeners running. Keys that are down are remembered while they are down, to tell autorepeat from typing."""

    gather_s = GATHER_S

    def __init__(self, scopes: tuple[str, ...], *, excludes: bool = False) -> None:
        keyboard, mouse = _listeners()
        _quiet_threads()
        self._queue: deque[Event] = deque()
        self._looked = time.monotonic()
        self._lost = 0
        self._down: dict[object, int] = {}
        self._latest: object = None
        self._excludes = excludes
        self._place: tuple[int, int] | None = None
        if "pointer" in scopes:
            self._place = _place(mouse)
        self._readable = self._writable = -1
        if sys.platform != "win32":  # where a pipe cannot be waited for: ``due`` decides alone
            self._readable, self._writable = os.pipe()
            os.set_blocking(self._readable, False)
            os.set_blocking(self._writable, False)
        self._threads: list[Any] = []
        if "keyboard" in scopes:
            self._threads.append(keyboard.Listener(on_press=self._pressed, on_release=self._released))
        if "pointer" in scopes:
            self._threads.append(mouse.Listener(on_move=self._moved, on_click=self._clicked, on_scroll=self._scrolled))
        for thread in self._threads:
            thread.daemon = True
            hears = _hearing(thread)
            thread.start()
            thread.wait()
            hears.wait(_HEARS_S)
            if sys.platform == "win32" and not _hooked(thread):
                self.close()
                raise Unavailable("Windows lets this program see no input", "Start inside your own desktop session.")

    def fileno(self) -> int:
        """A pipe into which the callbacks put one byte when the queue was empty; -1 on Windows."""
        return self._readable

    def due(self) -> float | None:
        """Listeners die silently; look once a second, and on Windows more often, since nothing else wakes anybody."""
        if self._readable < 0:
            return self.gather_s
        return max(0.0, self._looked + _CHECK_S - time.monotonic())

    def ended(self) -> bool:
        """Never by itself."""
        return False

    def read(self) -> Batch:
        """What the callbacks have queued. Raises ``DisplayLost`` when a listener has died."""
        self._looked = time.monotonic()
        with contextlib.suppress(OSError):  # nothing there, or no pipe
            os.read(self._readable, 4096)
        events: list[Event] = []
        with contextlib.suppress(IndexError):
            while True:
                events.append(self._queue.popleft())
        now = int(time.monotonic() * 1000)
        lost, self._lost = self._lost, 0
        if lost:
            events.append((now, GAP, Reason.OVERFLOW, 1, 0, 0))
        if not events and not all(thread.is_alive() for thread in self._threads):
            raise DisplayLost("the display is gone", "Recording goes on when a display is there again.")
        return Batch(events, now - 100)

    def close(self) -> None:
        """Stop the listeners and forget what is queued."""
        for thread in self._threads:
            with contextlib.suppress(Exception):  # a listener whose display is gone cannot say goodbye to it
                thread.stop()
        self._queue.clear()
        self._down.clear()
        for end in (self._readable, self._writable):
            with contextlib.suppress(OSError):
                os.close(end)
        self._readable = self._writable = -1

    def _put(self, what: int, code: int, extra: int = 0, dx: int = 0, dy: int = 0) -> None:
        if len(self._queue) >= QUEUE:
            self._lost += 1
            return
        was_empty = not self._queue
        self._queue.append((int(time.monotonic() * 1000), what, code, extra, dx, dy))
        if was_empty:
            with contextlib.suppress(OSError):
                os.write(self._writable, b"!")

    def _left_out(self, marks: tuple[object, ...]) -> bool:
        """Whether this was put in by a program and the policy leaves that out; pynput says it last."""
        if not (self._excludes and marks and marks[-1]):
            return False
        self._put(GAP, Reason.NOT_ALLOWED, 1)
        return True

    def _pressed(self, key: Any, *marks: object) -> None:
        # Autorepeat repeats the key that was pressed last. An earlier key that still seems to be down was let go under
        # another name: Shift first, and A goes down but a comes up.
        if key is None or (key in self._down and key == self._latest) or self._left_out(marks):
            return
        self._latest = key
        bits = 0
        for bit in tuple(self._down.values()):
            bits |= bit
        keysym = _keysym(key, bits)
        self._down[key] = MODIFIER_BITS.get(keysym, 0)
        kind, command = classify(keysym, bits)
        if kind:
            self._put(KEY, kind, command)

    def _released(self, key: Any, *_: object) -> None:
        self._down.pop(key, None)
        if key == self._latest:
            self._latest = None

    def _moved(self, x: float, y: float, *marks: object) -> None:
        place, self._place = self._place, (int(x), int(y))
        if place is not None and not self._left_out(marks):
            self._put(MOVE, 0, 0, int(x) - place[0], int(y) - place[1])

    def _clicked(self, _x: float, _y: float, button: Any, pressed: bool, *marks: object) -> None:
        if pressed and not self._left_out(marks):
            self._put(CLICK, _BUTTONS.get(button.name, Button.OTHER), 1)

    def _scrolled(self, _x: float, _y: float, dx: float, dy: float, *marks: object) -> None:
        if self._left_out(marks):
            return
        if dx:
            self._put(SCROLL, Direction.RIGHT if dx > 0 else Direction.LEFT, max(1, round(abs(dx))))
        if dy:
            self._put(SCROLL, Direction.UP if dy > 0 else Direction.DOWN, max(1, round(abs(dy))))


def _keysym(key: Any, held: int) -> int:
    """The X keysym of what pynput calls a key; 0 where it says too little."""
    name = getattr(key, "name", None)
    if name:
        if name.startswith("media_"):
            return 0x1008FF00
        known = name.upper() if name[0] == "f" and name[1:].isdecimal() else _NAMES.get(name)
        return (keysym_of(known) if known else None) or 0
    if getattr(key, "is_dead", False):
        return _DEAD
    char, code = getattr(key, "char", None), getattr(key, "vk", None)
    if char:
        if ord(char[0]) < 0x20 and held & CTRL:
            return ord(char[0]) + 0x60  # Windows and macOS say ^C for Ctrl+C
        return keysym_of(char[0]) or 0
    if code is None:
        return 0
    if sys.platform == "win32":
        return 0xFFAA if code in _NUMPAD else 0
    if sys.platform == "darwin":
        return 0
    return int(code) or _SPACE  # X11: a key that had a meaning for a moment only types what the layout lacks
