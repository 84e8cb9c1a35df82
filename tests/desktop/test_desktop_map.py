"""Shortcuts by name under Wayland: what the desktop's own keyboard map says, and nothing where it is not known."""

from __future__ import annotations

import glob
import os
import select
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from desktop_logger.capture import evdev, keycodes, keymap, wire
from desktop_logger.capture.desktop_map import DesktopMap
from desktop_logger.capture.evdev import EvdevCapture
from desktop_logger.capture.keycodes import UNKNOWN, Letters
from desktop_logger.capture.reports import Device
from desktop_logger.consent import person
from desktop_logger.consent.person import other_displays
from desktop_logger.records.classes import CTRL, SHIFT, Command, KeyClass
from tests.desktop.conftest import PlainUser
from tests.testbed import Server, environment, own_network, wait_until
from tests.unit.test_evdev_bytes import KEYS, TEXT_PLACES, report, seen

CONTROL, SHIFTED = 4, 1
"""Modifiers of the X server."""
A, C, V, Y, Z = 30, 46, 47, 21, 44
"""Places, by what the US layout types there."""
KEYPAD = {74, 78, 82}


@pytest.fixture
def xwayland(display: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A server whose map can be set, as the Xwayland of a session."""
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-1")
    return display


def lay(display: str, layout: str, variant: str = "") -> None:
    subprocess.run(
        ["setxkbmap", "-layout", layout, "-variant", variant, "-option", ""], check=True, env=environment(display)
    )


def names(letters: Letters, held: int) -> dict[int, int]:
    table = keycodes.table(held, letters=letters)
    return {code: table[code] >> 8 for code in TEXT_PLACES if code < 0xF8 and code not in KEYPAD}


@pytest.mark.parametrize(
    ("layout", "variant"), [("us", ""), ("de", ""), ("fr", ""), ("us", "dvorak"), ("us,ru", ""), ("gr,us", "")]
)
def test_with_one_latin_layout_commands_are_named_as_on_x11(layout: str, variant: str, xwayland: str) -> None:
    lay(xwayland, layout, variant)
    asked, link = DesktopMap(), wire.Wire()
    try:
        letters = asked.letters()
        xkb = link.extension("XKEYBOARD")
        assert xkb
        link.ask(wire.xkb_use(xkb[0]))
        known = keymap.parse(link.ask(wire.xkb_get_map(xkb[0])))
    finally:
        asked.close()
        link.close()
    for held, state in ((CTRL, CONTROL), (CTRL | SHIFT, CONTROL | SHIFTED)):
        for group in range(1 + layout.count(",")):
            there = known.table(group, state)
            found = names(letters, held)
            assert found == {code: there[code + 8] >> 8 for code in found}
            assert {Command.COPY, Command.PASTE, Command.SAVE} <= set(found.values())


def test_where_layouts_differ_a_command_has_no_name(xwayland: str) -> None:
    asked = DesktopMap()
    try:
        lay(xwayland, "us,de")
        found = names(asked.letters(), CTRL)
        assert (found[C], found[V], found[A]) == (Command.COPY, Command.PASTE, Command.SELECT_ALL)
        assert found[Y] == found[Z] == Command.NONE
        lay(xwayland, "us,us", ",dvorak")
        found = names(asked.letters(), CTRL)
        assert (found[C], found[V], found[A]) == (Command.NONE, Command.NONE, Command.SELECT_ALL)
    finally:
        asked.close()


@pytest.fixture
def opener(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The other end of the way to the device opener, which has no device to give."""
    ends: list[socket.socket] = []

    def asked(_request: bytes) -> tuple[socket.socket, bytes]:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ends.append(theirs)
        return ours, b"here"

    monkeypatch.setattr(evdev, "_asked", asked)
    yield
    for end in ends:
        end.close()


def pressed(capture: EvdevCapture, code: int) -> Command:
    """What a keyboard's bytes make of Control and this place, after everything has been read that has come."""
    capture.read()
    parts = [report(n, (KEYS, key, value)) for n, (key, value) in enumerate(((29, 1), (code, 1), (code, 0), (29, 0)))]
    device = Device()
    capture._keys.devices.add(device)
    try:
        made = seen(device, *parts, keys=capture._keys)
    finally:
        capture._keys.devices.discard(device)
    assert [event[2] for event in made] == [KeyClass.MODIFIER, KeyClass.COMMAND]
    return Command(made[1][3])


def test_capture_follows_the_map_and_without_it_names_nothing(opener: None, monkeypatch: pytest.MonkeyPatch) -> None:
    assert opener is None
    server = Server()
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-1")
    monkeypatch.setenv("DISPLAY", server.display)
    lay(server.display, "us")
    named, plain = EvdevCapture(("keyboard",), names=True), EvdevCapture(("keyboard",), names=False)
    pointing = EvdevCapture(("pointer",), names=True)
    try:
        assert (pressed(named, C), pressed(named, Z)) == (Command.COPY, Command.UNDO)
        assert pressed(plain, C) == Command.NONE
        assert pointing._map is None
        lay(server.display, "us", "dvorak")
        wait_until(lambda: pressed(named, 23) == Command.COPY, 10, "the other layout")
        assert pressed(named, C) == Command.NONE
    finally:
        server.stop()
    wait_until(lambda: pressed(named, 23) == Command.NONE, 10, "the end of the names")
    assert named._keys.letters is UNKNOWN
    for one in (named, plain, pointing):
        one.close()


@pytest.mark.skipif(
    not all(map(shutil.which, ("sway", "Xwayland", "xhost"))), reason="NOT TESTED: no sway or Xwayland here"
)
def test_a_compositor_gives_its_map_to_xwayland(
    plain_user: PlainUser, display: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """sway in a window, so that its seat has a keyboard."""
    with own_network(), tempfile.TemporaryDirectory(prefix="sway-") as folder:
        configuration = os.path.join(folder, "conf")
        Path(configuration).write_text("input * xkb_layout de\nxwayland force\nexec env > env\n", encoding="ascii")
        if not plain_user.ours:
            os.chown(folder, plain_user.uid, plain_user.gid)
        env = plain_user.environment(XDG_RUNTIME_DIR=folder, WLR_BACKENDS="x11", WLR_RENDERER="pixman", DISPLAY=display)
        process = subprocess.Popen(
            ["sway", "-c", configuration], env=env, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            preexec_fn=plain_user.become,  # noqa: PLW1509
        )  # fmt: skip
        try:

            def inner() -> dict[str, str]:
                """The environment that sway gives to its programs."""
                try:
                    with open(os.path.join(folder, "env"), encoding="utf-8") as file:
                        return dict(line.rstrip("\n").split("=", 1) for line in file if "=" in line)
                except FileNotFoundError:
                    return {}

            wait_until(lambda: inner().get("DISPLAY", display) != display, 30, "Xwayland")
            there = {**env, **inner()}
            allowed = ["xhost", f"+si:localuser:{os.environ.get('USER', 'root')}"]
            wait_until(lambda: plain_user.run(allowed, env=there).returncode == 0, 20, "an answer from Xwayland")
            for name in ("DISPLAY", "WAYLAND_DISPLAY"):
                monkeypatch.setenv(name, there[name])
            asked = DesktopMap()
            try:
                wait_until(lambda: names(asked.letters(), CTRL)[Z] == Command.REDO, 20, "the German layout")
                found = names(asked.letters(), CTRL)
                assert (found[C], found[Y]) == (Command.COPY, Command.UNDO)
                if not plain_user.ours:
                    assert plain_user.uid in other_displays()
                    monkeypatch.setattr(person, "UNIX_SOCKETS", f"/proc/{os.getppid()}/net/unix")
                    assert plain_user.uid not in other_displays(), "tests beside this one would be refused"
                told = {"SWAYSOCK": glob.glob(f"{folder}/sway-ipc.*.sock")[0]}
                plain_user.run(["swaymsg", "input * xkb_layout fr"], env=there | told)
                assert select.select([asked], [], [], 60)[0]
                wait_until(lambda: names(asked.letters(), CTRL)[16] == Command.SELECT_ALL, 20, "the French layout")
            finally:
                asked.close()
        finally:
            process.terminate()
            process.wait(60)
