"""A session bus of one's own with a tray and a notification service on it, for tests of the icon."""

from __future__ import annotations

import contextlib
import subprocess
import threading
from typing import Any

import jeepney
from jeepney.io.blocking import open_dbus_connection

BUS = jeepney.DBusAddress("/org/freedesktop/DBus", "org.freedesktop.DBus", "org.freedesktop.DBus")


class Desktop:
    """What a desktop does: takes icons, shows notifications, opens menus."""

    def __init__(self) -> None:
        self._daemon = subprocess.Popen(
            ["dbus-daemon", "--session", "--print-address", "--nofork", "--nopidfile"],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._daemon.stdout
        self.address = self._daemon.stdout.readline().strip()
        self._serving = open_dbus_connection(bus=self.address)
        self._asking = open_dbus_connection(bus=self.address)
        for name in ("org.kde.StatusNotifierWatcher", "org.freedesktop.Notifications"):
            self._serving.send_and_get_reply(jeepney.new_method_call(BUS, "RequestName", "su", (name, 4)))
        self.items: list[str] = []
        self.notified: list[str] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        fields = jeepney.HeaderFields
        while not self._over.is_set():
            try:
                message = self._serving.receive(timeout=0.2)
            except TimeoutError:
                continue
            except OSError:
                return
            if message.header.message_type != jeepney.MessageType.method_call:
                continue
            if message.header.fields[fields.member] == "RegisterStatusNotifierItem":
                self.items.append(message.body[0])
                self._serving.send(jeepney.new_method_return(message))
            elif message.header.fields[fields.member] == "Notify":
                self.notified.append(message.body[4])
                self._serving.send(jeepney.new_method_return(message, "u", (7,)))

    def call(self, path: str, face: str, method: str, signature: str = "", body: tuple[Any, ...] = ()) -> Any:
        """Ask the icon something."""
        place = jeepney.DBusAddress(path, self.items[-1], face)
        answer = self._asking.send_and_get_reply(jeepney.new_method_call(place, method, signature, body), timeout=3)
        return answer.body

    def menu(self) -> dict[str, int]:
        """Label → id of the icon's menu."""
        _, (_, _, children) = self.call("/MenuBar", "com.canonical.dbusmenu", "GetLayout", "iias", (0, -1, []))
        return {facts["label"][1]: number for _, (number, facts, _) in children}

    def choose(self, label: str) -> None:
        """Click one row of the icon's menu."""
        body = (self.menu()[label], "clicked", ("i", 0), 0)
        self.call("/MenuBar", "com.canonical.dbusmenu", "Event", "isvu", body)

    def title(self) -> str:
        """What the icon says it shows."""
        body = ("org.kde.StatusNotifierItem",)
        (facts,) = self.call("/StatusNotifierItem", "org.freedesktop.DBus.Properties", "GetAll", "s", body)
        return str(facts["Title"][1])

    def stop(self) -> None:
        """End the bus and everything on it."""
        self._over.set()
        self._thread.join(60)
        for connection in (self._serving, self._asking):
            with contextlib.suppress(OSError):
                connection.close()
        self._daemon.terminate()
        self._daemon.wait(60)
        if self._daemon.stdout:
            self._daemon.stdout.close()
