"""The indicator process: the sign that recording is on, and the nearest way to stop it.

Either a small window of our own, always on top, on an X display (it needs no window manager and no tray), or a line
in the terminal that ``start --foreground`` runs in. A mark on its report every second says that the sign is really
there: without it nothing is recorded. It also looks where the focus is (the room ``focus``) and tells capture in closed
words; while it does not, nothing is recorded either.

It selects no key anywhere, and buttons on its own windows only, but for the times of others where roles under clicks
are wanted. It opens no file and starts nothing.

Marks to the supervisor: ``.`` alive, ``p`` pause or resume, ``d`` delete the last 15 minutes, ``s`` stop,
``w`` withdraw the consent; ``1``, ``2``, ``3`` pause for 5, 15, 60 minutes. Where tasks were granted, ``o``, ``f``,
``g``: the open task ended well, failed, was given up; ``TASK_MARK`` and what follows it in Unicode: that task of the
list begins.
"""

from __future__ import annotations

import json
import os
import select
import sys
import time
from typing import Any

from desktop_logger import confine
from desktop_logger.focus.applications import REST, Rule
from desktop_logger.focus.bus import BusLost
from desktop_logger.focus.watching import Watching
from desktop_logger.focus.windows import open_display

from .children import DISPLAY_LOST
from .tray import CHOICES, HOW_TO_LOOK, LOOK, TASK_MARK, Tray, ends

ALIVE_S, EARLY_S = 1.0, 0.2
"""How often the sign is looked at; earlier by at most this where the process is awake for something else."""
OBSERVER_LOST = 6
"""Exit status when a bus has hung up: only a new process may connect again."""
WIDTH, HEIGHT, ROW = 196, 26, 22
MENU = CHOICES
"""The same rows as the tray's."""

_PAGE = "page"
"""Not a mark: turns the menu to the next page."""
_LABEL = 25
"""Characters that fit into a row."""

# Shape and word as well as colour: the sign must be readable without telling red from grey.
LOOKS = {
    "recording": ("*  recording", 0xB3261E),
    "ending": ("*  recording, {} days left", 0xB3261E),
    "resting": ("*  recording, at rest", 0xB3261E),
    "paused": ("||  paused", 0x4A4A4A),
    "waiting": ("--  not recording", 0x4A4A4A),
    "resuming": ("||  resuming in {} s", 0x8A5A00),
}


_WORDS = {"ending": "recording", "resting": "recording"}
"""States that are not a change to be notified: the day before the end of a consent, or a rest, is still recording."""


def _look(state: str) -> tuple[str, int]:
    """Text and background colour for a state line such as ``recording`` or ``resuming 12``."""
    word, _, number = state.partition(" ")
    text, colour = LOOKS.get(word, LOOKS["waiting"])
    return text.format(number), colour


class Window:
    """The window on an X display. Override-redirect: drawn where we say, whatever manages windows."""

    def __init__(self) -> None:
        from Xlib import X
        from Xlib.protocol import request

        self.X, self._request = X, request
        self.display = open_display()
        screen = self.display.screen()
        self.screen = screen
        self.state = "waiting"
        self.open = self.covered = self.telling = False
        self.tasks: list[str] = []
        self.begun: str | None = None
        self.page = 0
        """0: the menu itself; from 1 on, the tasks that can begin."""
        self.font = self._font()
        self.corner = max(0, screen.width_in_pixels - WIDTH - 8)
        self.window = self._window(self.corner, 8, WIDTH, HEIGHT)
        self.window.set_wm_name("desktop-logger")
        self.menu = self._window(self.corner, 10 + HEIGHT, WIDTH, ROW * len(MENU))
        screen.root.change_attributes(event_mask=self.X.StructureNotifyMask)
        self.window.map()
        self.draw()

    def _font(self) -> Any:
        for name in ("-misc-fixed-bold-r-normal--13-*-*-*-*-*-iso8859-1", "fixed"):
            if self.display.list_fonts(name, 1):
                return self.display.open_font(name)
        return None

    def _window(self, x: int, y: int, width: int, height: int) -> Any:
        mask = self.X.ExposureMask | self.X.ButtonPressMask | self.X.VisibilityChangeMask
        return self.screen.root.create_window(
            x, y, width, height, 1, self.screen.root_depth, self.X.InputOutput, self.X.CopyFromParent,
            override_redirect=1, event_mask=mask, background_pixel=0x4A4A4A, border_pixel=0xFFFFFF,
        )  # fmt: skip

    def fileno(self) -> int:
        """The display connection's descriptor."""
        return int(self.display.fileno())

    def show(self, state: str) -> None:
        """Show another state."""
        self.state = state
        self.draw()

    def draw(self) -> None:
        """Paint the sign, and the menu while it is open."""
        text, colour = _look(self.state)
        self._paint(self.window, [text], colour, HEIGHT)
        if self.open:
            self._paint(self.menu, [label for _, label in self.rows()], 0x202020, ROW)
        self.display.flush()

    def offer(self, begun: str | None, tasks: list[str]) -> None:
        """Offer tasks: how the one that has begun ended, else those that can begin."""
        self.begun, self.tasks, self.page = begun, tasks, 0
        self._place(self.screen.root.get_geometry().width)
        self.draw()

    def rows(self) -> list[tuple[str, str]]:
        """The menu's rows as they stand now: mark and label. Words about how to look stand alone, and do nothing."""
        if self.telling:
            return [("", line) for line in HOW_TO_LOOK]
        if self.page:
            most = max(1, self.screen.height_in_pixels // ROW - 4)
            first = (self.page - 1) * most
            shown = enumerate(self.tasks[first : first + most], first)
            return [(chr(ord(TASK_MARK) + number), code[:_LABEL]) for number, code in shown] + [(_PAGE, "...")]
        if self.begun is not None:
            return [*MENU, *((mark, label[:_LABEL]) for mark, label in ends(self.begun))]
        return [*MENU, (_PAGE, "Begin a task ...")] if self.tasks else list(MENU)

    def _turn_page(self) -> None:
        """The next page, or the first again after the last."""
        most = max(1, self.screen.height_in_pixels // ROW - 4)
        self.page = self.page + 1 if self.page * most < len(self.tasks) else 0
        self._place(self.corner + WIDTH + 8)
        self.draw()

    def _paint(self, window: Any, rows: list[str], colour: int, height: int) -> None:
        values = {"foreground": 0xFFFFFF, "background": colour}
        if self.font is not None:
            values["font"] = self.font
        context = window.create_gc(**values)
        window.change_attributes(background_pixel=colour)
        window.clear_area(0, 0, 0, 0)
        for number, row in enumerate(rows):
            window.draw_text(context, 10, number * height + height // 2 + 5, row)
        context.free()

    def read(self) -> str:
        """Handle what has happened on our windows; returns marks for the supervisor."""
        marks = ""
        while self.display.pending_events():
            event = self.display.next_event()
            if event.type == self.X.Expose:
                self.draw()
            elif event.type == self.X.VisibilityNotify and event.state != self.X.VisibilityUnobscured:
                self.covered = True
            elif event.type == self.X.ConfigureNotify and event.window.id == self.screen.root.id:
                self._place(event.width)
            elif event.type == self.X.ButtonPress:
                marks += self._click(event)
        return marks

    def _click(self, event: Any) -> str:
        """The first button acts, the third opens and closes the menu; the wheel and made-up events do nothing."""
        if event.send_event:
            return ""
        left, right = event.detail == 1, event.detail == 3
        if event.window.id == self.window.id:
            if left and not self.open:
                return "p"
            if left or right:
                self._toggle()
            return ""
        if not left:
            return ""
        row, rows = int(event.event_y) // ROW, self.rows()
        if not 0 <= row < len(rows):
            return ""
        if rows[row][0] == _PAGE:
            self._turn_page()
            return ""
        if rows[row][0] == LOOK:
            self.telling = True
            self._place(self.corner + WIDTH + 8)
            self.draw()
            return ""
        self._toggle()
        return rows[row][0]

    def _toggle(self) -> None:
        self.open, self.page, self.telling = not self.open, 0, False
        self._place(self.corner + WIDTH + 8)
        if self.open:
            self.menu.map()
            self.menu.configure(stack_mode=self.X.Above)
        else:
            self.menu.unmap()
        self.draw()

    def _place(self, width: int) -> None:
        """Into the upper right corner of a screen of this width, in full size."""
        self.corner = max(0, width - WIDTH - 8)
        self.window.configure(x=self.corner, y=8, width=WIDTH, height=HEIGHT)
        self.menu.configure(x=self.corner, y=10 + HEIGHT, width=WIDTH, height=ROW * len(self.rows()))

    def alive(self) -> bool:
        """Whether the sign can be seen: asked of the server, not assumed. Puts it back where something moved it.

        Once a second, not at once: two windows that both insist on being on top must not keep each other busy.
        """
        if self.covered:
            self.covered = False
            for window in (self.window, self.menu):
                window.configure(stack_mode=self.X.Above)
        for attempt in range(2):
            asked = self._request.GetWindowAttributes(display=self.display.display, defer=1, window=self.window)
            place = self.window.get_geometry()
            asked.reply()
            if (place.x, place.y, place.width, place.height) == (self.corner, 8, WIDTH, HEIGHT):
                break
            if attempt:
                return False
            self._place(self.screen.root.get_geometry().width)
        return bool(asked.map_state == self.X.IsViewable)


class Terminal:
    """The sign as a line in the terminal of ``start --foreground``."""

    def __init__(self) -> None:
        if not os.isatty(1):
            raise OSError("no terminal")

    def fileno(self) -> int:
        """Nothing to read: Ctrl-C in the terminal stops."""
        return -1

    def show(self, state: str) -> None:
        """Print another state."""
        text, _ = _look(state)
        os.write(1, f"{time.strftime('%H:%M:%S')}  {text}\n".encode())

    def offer(self, begun: str | None, tasks: list[str]) -> None:
        """A line has no menu: tasks are told with ``task begin`` and ``task end``."""

    def read(self) -> str:
        """Nothing ever comes from here."""
        return ""

    def alive(self) -> bool:
        """Whether there is still a terminal."""
        return os.isatty(1)


def run(kind: str, sign: int, attention: int, report: int, layers: confine.Layers) -> int:
    """Show what ``sign`` says, and tell ``attention`` about the focus while it says so, until it ends."""
    try:
        face: Window | Terminal = Window() if kind == "window" else Terminal()
    except Exception:  # noqa: BLE001  python-xlib raises what it likes
        hint = "Start inside a graphical session, or with --foreground in a terminal."
        facts = {"state": "failed", "error": "no display for the recording sign", "hint": hint, "status": 5}
        os.write(report, json.dumps(facts).encode() + b"\n")
        return 5
    tray = Tray.open()
    watching = Watching.open()
    time.strftime("%H:%M:%S")  # reads the time zone's file, which is out of reach after the next line
    layers |= confine.shut()
    os.write(report, json.dumps({"state": "shown", "sandbox": layers, "lacks": watching.lacks}).encode() + b"\n")
    os.set_blocking(sign, False)
    os.set_blocking(attention, False)
    due = 0.0
    told = b""
    try:
        while True:
            now = time.monotonic()
            if now >= due - EARLY_S:
                due = now + ALIVE_S
                if not face.alive():
                    return 5
                os.write(report, b".\n")
            readable = [sign, *(one.fileno() for one in (face, tray) if one is not None and one.fileno() >= 0)]
            first = min(due, watching.due() or due)
            ready, _, _ = select.select(readable + watching.descriptors(), [], [], max(0.0, first - time.monotonic()))
            if sign in ready:
                data = os.read(sign, 1 << 16)
                if not data:
                    return 0
                *lines, told = (told + data).split(b"\n")
                for line in lines:
                    if line == REST:
                        watching.rest()
                    elif line.startswith(b"{"):
                        watching.attend(Rule.of_wire(line), attention)
                    elif line.startswith(b"["):
                        begun, *tasks = json.loads(line) or [None]
                        for shown in (face, tray):
                            if shown is not None:
                                shown.offer(begun, tasks)
                states = [
                    line.decode("ascii", "replace") for line in lines if line != REST and line[:1] not in (b"{", b"[")
                ]
                state = states[-1] if states else ""
                if state:
                    face.show(state)
                if state and tray is not None:
                    tray.show(_look(state)[0], _WORDS.get(state.partition(" ")[0], state.partition(" ")[0]))
            watching.turn()
            marks = face.read() + (tray.read() if tray is not None else "")
            if marks:
                os.write(report, marks.encode() + b"\n")
    except BusLost:
        return OBSERVER_LOST
    except Exception:  # noqa: BLE001  python-xlib again: the display is gone, and with it the sign
        return DISPLAY_LOST


def main(argv: list[str]) -> int:
    """``python -I -m desktop_logger.daemon.indicator window|terminal SIGN ATTENTION REPORT``."""
    import signal

    confine.keep_only(*argv[1:])
    layers = confine.harden()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return run(argv[0], int(argv[1]), int(argv[2]), int(argv[3]), layers)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
