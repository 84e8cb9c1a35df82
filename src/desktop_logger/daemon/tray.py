"""The sign's second face: an icon in the desktop's tray with a menu, and a notification at every change of state.

StatusNotifierItem and dbusmenu over the session bus, through ``jeepney`` (the extra ``desktop``): the icon is told what
the window is told and sends the same marks. It never replaces the window: whether a desktop shows tray icons nobody
here can know, so liveness hangs on the window alone. Where there is no bus, no library or no tray, there is none.

Invariant: only the words of ``LOOKS``, of the menu and of ``HOW_TO_LOOK`` leave over the bus, the codes of tasks where
they were granted among them; nothing else about the person or the data.
"""

from __future__ import annotations

import os
from typing import Any

ITEM, MENU_PATH = "/StatusNotifierItem", "/MenuBar"
ITEM_FACE, MENU_FACE = "org.kde.StatusNotifierItem", "com.canonical.dbusmenu"
PROPERTIES = "org.freedesktop.DBus.Properties"
WATCHER = "org.kde.StatusNotifierWatcher"

CHOICES = (
    ("1", "Pause for 5 minutes"), ("2", "Pause for 15 minutes"), ("3", "Pause for an hour"), ("p", "Pause or resume"),
    ("d", "Delete last 15 minutes"), ("i", "Look at my data ..."), ("s", "Stop recording"), ("w", "Withdraw consent"),
)  # fmt: skip
"""Mark → label, for the sign's menu and the tray's. Ids of the menu are positions from 1."""

LOOK = "i"
"""Not a mark for the supervisor: says how to look. Nothing here can start a program, nor may (ADR 0034)."""
HOW_TO_LOOK = ("Type in a terminal:", "desktop-logger inspect", "It needs your passphrase.")

TASK_MARK = "\ue000"
"""The mark of the first task that can begin; the others follow."""
_ENDS, _BEGINS = 50, 100
"""First ids of the rows about tasks: those of the others must not move when these come and go."""


def ends(task: str) -> list[tuple[str, str]]:
    """Mark and label of how an open task can end."""
    return [("o", f"Done: {task}"), ("f", f"Failed: {task}"), ("g", f"Gave up: {task}")]


_CONNECT_S = 1.0
_SIZE = 22


class Tray:
    """One icon on one bus. ``open`` makes it; whatever goes wrong later only ends the icon."""

    def __init__(self, connection: Any, library: Any) -> None:
        self.connection, self.jeepney = connection, library
        self.text, self.word = "not recording", ""
        self.notified = 0
        self._asked: int | None = None
        self.marks = ""
        self.begun: str | None = None
        self.tasks: list[str] = []
        self._layout = 1

    @classmethod
    def open(cls) -> Tray | None:
        """Connect and show the icon; ``None`` where that cannot be."""
        if not os.environ.get("DBUS_SESSION_BUS_ADDRESS"):
            return None
        try:
            import jeepney
            from jeepney.io.blocking import open_dbus_connection

            tray = cls(open_dbus_connection(bus="SESSION"), jeepney)
            tray._register()
        except Exception:  # noqa: BLE001  a missing library, bus or tray: each means that there is none
            return None
        return tray

    def fileno(self) -> int:
        """The bus connection's descriptor; -1 once it is gone."""
        return -1 if self.connection is None else int(self.connection.sock.fileno())

    def show(self, text: str, word: str) -> None:
        """Show a state: the sign's own text, and its word, a change of which is notified."""
        changed, self.text = text != self.text, text
        try:
            if changed:
                for name in ("NewTitle", "NewIcon", "NewToolTip"):
                    self._signal(ITEM, ITEM_FACE, name)
            if word != self.word:
                self.word = word
                self._notify(text, replaces=self.notified)
        except Exception:  # noqa: BLE001  the bus is gone; the window still shows everything
            self.connection = None

    def offer(self, begun: str | None, tasks: list[str]) -> None:
        """Offer tasks: how the one that has begun ended, else those that can begin."""
        self.begun, self.tasks, self._layout = begun, tasks, self._layout + 1
        try:
            place = self.jeepney.DBusAddress(MENU_PATH, None, MENU_FACE)
            self.connection.send(self.jeepney.new_signal(place, "LayoutUpdated", "ui", (self._layout, 0)))
        except Exception:  # noqa: BLE001  as above
            self.connection = None

    def read(self) -> str:
        """Answer what the desktop asks; returns marks that somebody chose in the menu."""
        try:
            while self.connection is not None:
                self._answer(self.connection.receive(timeout=0))
        except TimeoutError:
            pass
        except Exception:  # noqa: BLE001  as above
            self.connection = None
        chosen, self.marks = self.marks, ""
        return chosen

    # --- the bus ------------------------------------------------------------------------------------------------

    def _register(self) -> None:
        name = f"{ITEM_FACE}-{os.getpid()}-1"
        bus = self.jeepney.DBusAddress("/org/freedesktop/DBus", "org.freedesktop.DBus", "org.freedesktop.DBus")
        for method, signature, body in (
            ("RequestName", "su", (name, 4)),
            ("AddMatch", "s", (f"type='signal',member='NameOwnerChanged',arg0='{WATCHER}'",)),
        ):
            message = self.jeepney.new_method_call(bus, method, signature, body)
            self.connection.send_and_get_reply(message, timeout=_CONNECT_S)
        self.name = name
        self._announce()

    def _announce(self) -> None:
        """Tell the tray that we are here; its answer does not matter."""
        watcher = self.jeepney.DBusAddress("/StatusNotifierWatcher", WATCHER, WATCHER)
        call = self.jeepney.new_method_call(watcher, "RegisterStatusNotifierItem", "s", (self.name,))
        self.connection.send(call)

    def _signal(self, path: str, face: str, name: str) -> None:
        self.connection.send(self.jeepney.new_signal(self.jeepney.DBusAddress(path, None, face), name))

    def _notify(self, text: str, *, replaces: int) -> None:
        """One notification; of the state there is only one, which replaces the one before."""
        place = self.jeepney.DBusAddress(
            "/org/freedesktop/Notifications", "org.freedesktop.Notifications", "org.freedesktop.Notifications"
        )
        body: tuple[Any, ...] = ("desktop-logger", replaces, self._icon(), "desktop-logger", text, [], {}, 5000)
        message = self.jeepney.new_method_call(place, "Notify", "susssasa{sv}i", body)
        serial = next(self.connection.outgoing_serial)
        if text == self.text:
            self._asked = serial
        self.connection.send(message, serial=serial)

    def _answer(self, message: Any) -> None:
        kinds, fields = self.jeepney.MessageType, self.jeepney.HeaderFields
        header = message.header
        if header.message_type == kinds.signal:
            if header.fields.get(fields.member) == "NameOwnerChanged" and message.body[2]:
                self._announce()
        elif header.message_type == kinds.method_return:
            if header.fields.get(fields.reply_serial) == self._asked and message.body:
                self.notified, self._asked = int(message.body[0]), None
        elif header.message_type == kinds.method_call:
            path, member = header.fields.get(fields.path), header.fields.get(fields.member)
            answer = self._do(str(path), str(member), message.body)
            if answer is None:
                name = "org.freedesktop.DBus.Error.UnknownMethod"
                self.connection.send(self.jeepney.new_error(message, name, "s", ("not here",)))
            else:
                self.connection.send(self.jeepney.new_method_return(message, *answer))

    def _do(self, path: str, member: str, body: tuple[Any, ...]) -> tuple[str, tuple[Any, ...]] | None:
        """Signature and body of the answer to a call; ``None`` for a method that is not here."""
        facts = self._item() if path == ITEM else {"Version": ("u", 3), "Status": ("s", "normal")}
        if member == "GetAll":
            return "a{sv}", (facts,)
        if member == "Get":
            return ("v", (facts[body[1]],)) if body[1] in facts else None
        if path == ITEM and member in ("Activate", "SecondaryActivate"):
            self.marks += "p"
            return "", ()
        if path == ITEM and member in ("ContextMenu", "Scroll"):
            return "", ()
        if path != MENU_PATH:
            return None
        if member == "GetLayout":
            entries: list[Any] = [("(ia{sv}av)", (number, facts, [])) for number, facts in self._entries()]
            return "u(ia{sv}av)", (self._layout, (0, {"children-display": ("s", "submenu")}, entries))
        if member == "GetGroupProperties":
            return "a(ia{sv})", (
                [(number, facts) for number, facts in self._entries() if number in body[0] or not body[0]],
            )
        if member in ("Event", "EventGroup"):
            for number, kind, *_ in [body] if member == "Event" else body[0]:
                if kind == "clicked":
                    self._choose({row: mark for row, mark, _ in self._rows()}.get(number, ""))
            return ("", ()) if member == "Event" else ("ai", ([],))
        return {"AboutToShow": ("b", (False,)), "AboutToShowGroup": ("aiai", ([], []))}.get(member)

    def _choose(self, mark: str) -> None:
        """What a click in the menu does: a mark for the supervisor, or words about how to look."""
        if mark == LOOK:
            self._notify(" ".join(HOW_TO_LOOK), replaces=0)
        else:
            self.marks += mark

    def _entries(self) -> list[tuple[int, dict[str, Any]]]:
        return [(number, {"label": ("s", label)}) for number, _, label in self._rows()]

    def _rows(self) -> list[tuple[int, str, str]]:
        """Id, mark and label of every row; a row keeps its id, so that a click on an old menu does nothing else."""
        rows = [(number, mark, label) for number, (mark, label) in enumerate(CHOICES, 1)]
        if self.begun is not None:
            return rows + [(number, *row) for number, row in enumerate(ends(self.begun), _ENDS)]
        return rows + [
            (_BEGINS + number, chr(ord(TASK_MARK) + number), f"Begin: {task}") for number, task in enumerate(self.tasks)
        ]

    def _item(self) -> dict[str, Any]:
        """The properties of the icon."""
        return {
            "Category": ("s", "ApplicationStatus"), "Id": ("s", "desktop-logger"), "Status": ("s", "Active"),
            "Title": ("s", f"desktop-logger: {self.text}"), "IconName": ("s", self._icon()),
            "IconPixmap": ("a(iiay)", [(_SIZE, _SIZE, self._pixels())]),
            "ToolTip": ("(sa(iiay)ss)", ("", [], "desktop-logger", self.text)), "WindowId": ("i", 0),
            "ItemIsMenu": ("b", False), "Menu": ("o", MENU_PATH),
        }  # fmt: skip

    def _icon(self) -> str:
        return "media-record" if self.text.startswith("*") else "media-playback-pause"

    def _pixels(self) -> bytes:
        """A filled disc while recording, two bars otherwise; ARGB, so that no icon theme is needed."""
        recording, middle = self.text.startswith("*"), (_SIZE - 1) / 2
        made = bytearray()
        for y in range(_SIZE):
            for x in range(_SIZE):
                disc = (x - middle) ** 2 + (y - middle) ** 2 <= 81
                bars = 4 <= y < _SIZE - 4 and (5 <= x < 9 or 13 <= x < 17)
                made += (
                    (b"\xff\xb3\x26\x1e" if recording else b"\xff\x80\x80\x80")
                    if (disc if recording else bars)
                    else bytes(4)
                )
        return bytes(made)
