"""A small application that answers accessibility as real toolkits do: an X window, and elements on a real AT-SPI bus.

Run as a program it opens one window, registers with the registry, and does what its standard input says, a line each:
``focus ELEMENT`` (``field``, ``secret``, ``button``, ``nothing``), ``hang``, ``wake``, ``take`` (the input focus),
``end``. Each line is answered with ``ok`` and the window's id.
``Answering`` starts it; ``Accessible`` makes the session bus and the accessibility bus that it lives on.
"""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import sys
import tempfile
import time
from typing import Any

NULL, ROOT = "/org/a11y/atspi/null", "/org/a11y/atspi/accessible/root"
BASE = "/org/a11y/atspi/accessible/"
PATHS = {"window": BASE + "1", "field": BASE + "2", "secret": BASE + "3", "button": BASE + "4"}
ROLES = {ROOT: 75, PATHS["window"]: 23, PATHS["field"]: 61, PATHS["secret"]: 40, PATHS["button"]: 43}
PLACES = {"field": 0, "secret": 100, "button": 200}
"""Each element is a strip of the window, this far from its top and 100 pixels high."""
WIDTH, HEIGHT, LEFT, TOP = 400, 300, 300, 150
ACTIVE, FOCUSED = 1, 12


OURS: set[str] = set()
"""The addresses of the session buses that the suite has started in this process."""
_CONFIGURATION = """<busconfig>
<type>session</type><listen>unix:tmpdir=/tmp</listen><auth>EXTERNAL</auth><servicedir>{}</servicedir>
<policy context="default">
<allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/>
</policy>
</busconfig>"""
_SERVICE = "[D-BUS Service]\nName=org.a11y.Bus\nExec={}{}\n"
_LAUNCHERS = ("/usr/libexec/at-spi-bus-launcher", "/usr/lib/at-spi2-core/at-spi-bus-launcher")


class Accessible:
    """A session bus of one's own that starts an accessibility bus when asked, and nothing else.

    ``switched_on``: as when somebody has switched accessibility on for the desktop; Qt and Chromium wait for that.
    """

    def __init__(self, *, switched_on: bool = False) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="accessible-")
        launcher = next(path for path in _LAUNCHERS if os.path.exists(path))
        with open(os.path.join(self._folder.name, "org.a11y.Bus.service"), "w", encoding="ascii") as file:
            file.write(_SERVICE.format(launcher, " --a11y=1" if switched_on else ""))
        path = os.path.join(self._folder.name, "session.conf")
        with open(path, "w", encoding="ascii") as file:
            file.write(_CONFIGURATION.format(self._folder.name))
        self._daemon = subprocess.Popen(
            ["dbus-daemon", f"--config-file={path}", "--print-address", "--nofork", "--nopidfile"],
            # the accessibility bus puts its socket there, under a name that others would take too
            env={name: value for name, value in os.environ.items() if name != "DISPLAY"}
            | {"XDG_RUNTIME_DIR": self._folder.name},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._daemon.stdout
        self.address = self._daemon.stdout.readline().strip()
        OURS.add(self.address)

    def stop(self) -> None:
        if self.address not in OURS:
            return
        OURS.discard(self.address)
        self._daemon.terminate()
        self._daemon.wait(60)
        if self._daemon.stdout:
            self._daemon.stdout.close()
        self._folder.cleanup()


class Answering:
    """The application as a process. ``name`` is what it calls itself; empty: it does not."""

    def __init__(self, display: str, address: str, name: str = "answering") -> None:
        env = {variable: value for variable, value in os.environ.items() if variable != "WAYLAND_DISPLAY"} | {
            "DISPLAY": display,
            "DBUS_SESSION_BUS_ADDRESS": address,
        }
        self.process = subprocess.Popen(
            [sys.executable, __file__, name], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        try:
            self.window = self._answered()
            """The id of its window."""
        except BaseException:
            self.end()
            raise

    def tell(self, line: str) -> None:
        assert self.process.stdin
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        self._answered()

    def _answered(self) -> str:
        assert self.process.stdout
        ready, _, _ = select.select([self.process.stdout], [], [], 120)
        assert ready, "the answering application did not answer"
        word, window = self.process.stdout.readline().split()
        assert word == "ok"
        return window

    def end(self) -> None:
        if self.process.poll() is None:
            with contextlib.suppress(OSError, AssertionError, ValueError):
                self.process.stdin.write("end\n")  # type: ignore[union-attr]
                self.process.stdin.flush()  # type: ignore[union-attr]
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(60)
        for stream in (self.process.stdin, self.process.stdout):
            if stream:
                with contextlib.suppress(OSError):
                    stream.close()


class _Application:
    """What runs in the process."""

    def __init__(self, name: str) -> None:
        import jeepney
        from jeepney.io.blocking import open_dbus_connection
        from Xlib import X, display

        self.j, self.name = jeepney, name
        self.display = display.Display()
        screen = self.display.screen()
        self.window = screen.root.create_window(
            LEFT, TOP, WIDTH, HEIGHT, 0, screen.root_depth, X.InputOutput, X.CopyFromParent,
            event_mask=X.KeyPressMask | X.ButtonPressMask | X.StructureNotifyMask, background_pixel=screen.white_pixel,
        )  # fmt: skip
        if name:
            self.window.set_wm_class(name, name.capitalize())
        self.window.set_wm_name("a window")
        self.window.map()
        self.display.sync()
        while self.window.get_attributes().map_state != X.IsViewable:
            time.sleep(0.01)
        self.X = X
        self.take()
        session = open_dbus_connection("SESSION")
        place = jeepney.DBusAddress("/org/a11y/bus", "org.a11y.Bus", "org.a11y.Bus")
        (address,) = session.send_and_get_reply(jeepney.new_method_call(place, "GetAddress")).body
        session.close()
        self.bus = open_dbus_connection(address)
        registry = jeepney.DBusAddress(ROOT, "org.a11y.atspi.Registry", "org.a11y.atspi.Socket")
        body = ((self.bus.unique_name, ROOT),)
        answer = self.bus.send_and_get_reply(jeepney.new_method_call(registry, "Embed", "(so)", body))
        assert answer.header.message_type == jeepney.MessageType.method_return, answer.body
        self.focused = ""
        self.hangs = False
        self.focus("field")

    def take(self) -> None:
        self.window.set_input_focus(self.X.RevertToParent, self.X.CurrentTime)
        self.display.sync()

    def run(self) -> None:
        print("ok", self.window.id, flush=True)
        while True:
            ready, _, _ = select.select([sys.stdin, self.display, *([] if self.hangs else [self.bus.sock])], [], [])
            if self.display in ready:
                while self.display.pending_events():
                    self.display.next_event()
            if not self.hangs and self.bus.sock in ready:
                self.serve()
            if sys.stdin in ready:
                word, _, what = sys.stdin.readline().strip().partition(" ")
                if word in ("end", ""):
                    print("ok", self.window.id, flush=True)
                    return
                if word == "focus":
                    self.focus(what)
                elif word == "take":
                    self.take()
                elif word in ("hang", "wake"):
                    self.hangs = word == "hang"
                print("ok", self.window.id, flush=True)

    def focus(self, element: str) -> None:
        before, self.focused = self.focused, PATHS.get(element, "")
        for path, now in ((before, 0), (self.focused, 1)):
            if path:
                place = self.j.DBusAddress(path, None, "org.a11y.atspi.Event.Object")
                body = ("focused", now, 0, ("i", 0), (self.bus.unique_name, ROOT))
                self.bus.send(self.j.new_signal(place, "StateChanged", "siiv(so)", body))

    def serve(self) -> None:
        fields = self.j.HeaderFields
        with contextlib.suppress(TimeoutError):
            while True:
                message = self.bus.receive(timeout=0)
                if message.header.message_type != self.j.MessageType.method_call:
                    continue
                known = message.header.fields
                answer = self.answer(known[fields.path], known[fields.member], message.body)
                if answer is None:
                    self.bus.send(self.j.new_error(message, "org.freedesktop.DBus.Error.UnknownMethod"))
                else:
                    self.bus.send(self.j.new_method_return(message, *answer))

    def answer(self, path: str, member: str, body: tuple[Any, ...]) -> tuple[str, tuple[Any, ...]] | None:
        me = self.bus.unique_name
        if path not in ROLES:
            return None
        if member == "GetRole":
            return "u", (ROLES[path],)
        if member == "GetState":
            bits = 1 << ACTIVE if path == PATHS["window"] else 1 << FOCUSED if path == self.focused else 0
            return "au", ([bits, 0],)
        if member == "GetChildren":
            inside = {ROOT: [PATHS["window"]], PATHS["window"]: [PATHS[one] for one in PLACES]}.get(path, [])
            return "a(so)", ([(me, one) for one in inside],)
        if member == "GetAccessibleAtPoint":
            return "(so)", ((me, self.under(path, body[0] - LEFT, body[1] - TOP)),)
        if member == "Get":
            parent = {ROOT: (me, NULL), PATHS["window"]: (me, ROOT)}.get(path, (me, PATHS["window"]))
            facts = {"ToolkitName": ("s", "answering"), "Parent": ("(so)", parent), "Name": ("s", self.name)}
            return ("v", (facts[body[1]],)) if body[1] in facts else None
        return None

    @staticmethod
    def under(path: str, x: int, y: int) -> str:
        if path == PATHS["window"] and 0 <= x < WIDTH:
            for element, top in PLACES.items():
                if top <= y < top + 100:
                    return PATHS[element]
        return NULL


if __name__ == "__main__":
    with contextlib.suppress(ConnectionResetError):  # the bus is gone, and with it all there is to do
        _Application(sys.argv[1]).run()
