"""A window of a real toolkit with a few fields, for the system's Python: ``toolkits.py gtk3|gtk4|qt6|tk``.

Standard input says which element gets the focus, by the words of ``docs/reference/desktops.md``; each line is answered
with ``ok``. In GTK, ``?`` before the words asks for what the element holds instead, which is answered as JSON.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

ENTRY, AREA, HIDDEN, PASSWORD = "text entry", "text area", "entry that hides its text", "password entry"


def gtk(version: str) -> None:
    import gi

    gi.require_version("Gtk", version)
    from gi.repository import Gio, GLib, Gtk

    widgets: dict[str, Any] = {}

    def opened(application: Any) -> None:
        hidden = Gtk.Entry()
        hidden.set_visibility(False)
        widgets.update({ENTRY: Gtk.Entry(), AREA: Gtk.TextView(), HIDDEN: hidden})
        window, box = Gtk.ApplicationWindow(application=application), Gtk.Box()
        if version == "4.0":
            widgets[PASSWORD] = Gtk.PasswordEntry()
        for widget in widgets.values():
            (box.append if version == "4.0" else box.add)(widget)
        (window.set_child if version == "4.0" else window.add)(box)
        (window.present if version == "4.0" else window.show_all)()

    def heard(*_: object) -> bool:
        name = sys.stdin.readline().strip()
        if not name:
            sys.exit()
        if name[0] == "?":
            print(json.dumps(widgets[name[1:]].get_text()), flush=True)
        else:
            widgets[name].grab_focus()
            print("ok", flush=True)
        return True

    application = Gtk.Application(application_id="test.Toolkits", flags=Gio.ApplicationFlags.NON_UNIQUE)
    application.connect("activate", opened)
    GLib.io_add_watch(sys.stdin, GLib.PRIORITY_LOW, GLib.IO_IN, heard)
    application.run([])


def run_tk() -> None:
    import tkinter as tk

    root = tk.Tk()
    widgets = {ENTRY: tk.Entry(root), HIDDEN: tk.Entry(root, show="*")}
    for widget in widgets.values():
        widget.pack()

    def heard(*_: object) -> None:
        name = sys.stdin.readline().strip()
        if not name:
            root.destroy()
            return
        widgets[name].focus_force()
        root.update()
        print("ok", flush=True)

    root.createfilehandler(sys.stdin, tk.READABLE, heard)
    root.mainloop()


def run_qt() -> None:
    from PyQt6.QtCore import QSocketNotifier
    from PyQt6.QtWidgets import QApplication, QLineEdit, QPlainTextEdit, QVBoxLayout, QWidget

    application = QApplication(["toolkits"])
    window, hidden = QWidget(), QLineEdit()
    hidden.setEchoMode(QLineEdit.EchoMode.Password)
    widgets = {ENTRY: QLineEdit(), AREA: QPlainTextEdit(), HIDDEN: hidden}
    layout = QVBoxLayout(window)
    for widget in widgets.values():
        layout.addWidget(widget)

    def heard() -> None:
        name = sys.stdin.readline().strip()
        if not name:
            application.quit()
            return
        widgets[name].setFocus()
        application.processEvents()
        print("ok", flush=True)

    notifier = QSocketNotifier(sys.stdin.fileno(), QSocketNotifier.Type.Read)
    notifier.activated.connect(heard)
    window.show()
    application.exec()


if __name__ == "__main__":
    run: dict[str, Callable[[], None]] = {
        "gtk3": lambda: gtk("3.0"), "gtk4": lambda: gtk("4.0"), "qt6": run_qt, "tk": run_tk,
    }  # fmt: skip
    run[sys.argv[1]]()
