"""The X11 backend's pure parts: the keyboard map, the device list, the event stream, the authority file."""

from __future__ import annotations

import os
import socket
import struct
import threading
import time
from pathlib import Path

import pytest

from desktop_logger.capture import keymap, opening, pointing
from desktop_logger.capture.raw import Parser
from desktop_logger.errors import Unavailable
from desktop_logger.records.classes import ALT, ALTGR, CTRL, SHIFT, SUPER, Button, Command, KeyClass, Reason
from desktop_logger.records.events import Event
from desktop_logger.records.layout import CLICK, GAP, KEY, MOVE

XI, XKB = 131, 85
RAW_KEY, RAW_KEY_UP, RAW_BUTTON, RAW_MOTION = 13, 14, 15, 17


def key_type(mask: int, levels: dict[int, int]) -> bytes:
    entries = b"".join(struct.pack("<BBBBHxx", 1, m, level, m, 0) for m, level in levels.items())
    return struct.pack("<BBHBBBx", mask, mask, 0, 2, len(levels), 0) + entries


def map_reply(keys: dict[int, tuple[int, int, list[int]]], modmap: dict[int, int]) -> bytes:
    """An XkbGetMap reply; ``keys``: keycode → (type, groups | out-of-range rule, keysyms of width 2)."""
    types = [key_type(0, {}), key_type(1, {1: 1}), key_type(0x80, {0x80: 1})]
    low, high = 8, 110
    body = b"".join(types)
    for code in range(low, high):
        kind, info, syms = keys.get(code, (0, 0, []))
        body += struct.pack("<4BBBH", kind, kind, kind, kind, info, 2, len(syms)) + struct.pack(f"<{len(syms)}I", *syms)
    body += b"".join(bytes(pair) for pair in modmap.items())
    head = bytearray(40)
    head[15], head[17], head[20], head[33] = len(types), low, high - low, len(modmap)
    return bytes(head) + body


# 54: c/C and Cyrillic es; 49: dead key on AltGr; 37 Control, 50 Shift, 64 Alt (with Meta), 108 AltGr, 99 Super
REPLY = map_reply(
    {
        54: (1, 2, [0x63, 0x43, 0x6D3, 0x6F3]), 49: (2, 1, [0x60, 0xFE51]), 37: (0, 1, [0xFFE3, 0]),
        50: (0, 1, [0xFFE1, 0]), 64: (0, 1, [0xFFE9, 0xFFE7]), 65: (0, 1, [0xFFE7, 0]), 99: (0, 1, [0xFFEB, 0]),
        108: (0, 1, [0xFE03, 0]), 60: (1, 0x41, [0x2E, 0x3A]), 61: (1, 0x92, [0xFF51, 0, 0xFF0D, 0]),
    },
    {37: 4, 50: 1, 64: 8, 65: 8, 99: 64, 108: 128},
)  # fmt: skip


def devices_reply() -> bytes:
    """An XIQueryDevice reply: the server's injection device, a tablet and a mouse."""

    def valuator(number: int, low: int, high: int, mode: int) -> bytes:
        return struct.pack("<HHHHIiIiIiIIB3x", 2, 11, 9, number, 0, low, 0, high, 0, 0, 0, 0, mode)

    def device(number: int, name: bytes, *classes: bytes) -> bytes:
        head = struct.pack("<HHHHHBx", number, 3, 2, len(classes), len(name), 1)
        return head + name + bytes(-len(name) % 4) + b"".join(classes)

    reply = bytearray(32) + b"".join(
        (
            device(4, b"Virtual core XTEST pointer", valuator(0, -1, -1, 0), valuator(1, -1, -1, 0)),
            device(9, b"tablet", struct.pack("<HHHH", 1, 2, 9, 0), valuator(0, 0, 9999, 1), valuator(1, 0, 4999, 1)),
            device(10, b"mouse", valuator(0, -1, -1, 0)),
        )
    )
    struct.pack_into("<H", reply, 8, 3)
    return bytes(reply)


DEVICES = devices_reply()


class FakeServer:
    """Answers as a server whose map is ``REPLY`` and whose devices are given."""

    def __init__(self, devices: pointing.Devices | None = None, place: tuple[int, int] = (0, 0)) -> None:
        self.asked: list[str] = []
        self._devices = devices or pointing.Devices({}, frozenset())
        self._place = place

    def keymap(self) -> keymap.Keymap:
        self.asked.append("keymap")
        return keymap.parse(REPLY)

    def devices(self) -> pointing.Devices:
        self.asked.append("devices")
        return self._devices

    def place(self) -> tuple[int, int]:
        self.asked.append("place")
        return self._place


def raw(
    what: int, detail: int = 0, *, t: int = 1000, source: int = 9, axes: tuple[float, ...] = (), flags: int = 0
) -> bytes:
    mask = (1 << len(axes)) - 1
    values = b"".join(struct.pack("<iI", int(v // 1), int((v - v // 1) * (1 << 32))) for v in axes)
    body = (struct.pack("<I", mask) + values * 2) if axes else b""
    head = struct.pack("<BBHIHHIIHHI4x", 35, XI, 0, len(body) // 4, what, 2, t, detail, source, 1 if axes else 0, flags)
    return head + body


def state(modifiers: int, group: int) -> bytes:
    event = bytearray(32)
    event[0], event[1], event[9], event[13] = XKB, 2, modifiers, group
    return bytes(event)


def notice(kind: int) -> bytes:
    return bytes([XKB, kind]) + bytes(30)


def parse(parser: Parser, *parts: bytes) -> list[Event]:
    data = bytearray(b"".join(parts))
    events: list[Event] = []
    assert parser.parse(data, len(data), events) == len(data)
    return events


def parser(server: FakeServer | None = None, *, keyboard: bool = True, pointer: bool = True) -> Parser:
    made = Parser(server or FakeServer(), XI, XKB, keyboard=keyboard, pointer=pointer)
    made.offset = 0
    return made


def test_levels_groups_and_modifier_bits() -> None:
    made = keymap.parse(REPLY)
    assert [made.held(1 << real) for real in range(8)] == [SHIFT, 0, CTRL, ALT, 0, 0, SUPER, ALTGR]
    assert made.table(0, 0)[54] == KeyClass.TEXT
    assert made.table(1, 0)[54] == KeyClass.TEXT
    assert made.table(0, 4)[54] == KeyClass.COMMAND | Command.COPY << 8
    assert made.table(1, 4)[54] == KeyClass.COMMAND | Command.COPY << 8  # by the first group that has a letter
    assert made.table(0, 0)[49] == KeyClass.TEXT
    assert made.table(0, 0x80)[49] == 0  # a dead key makes no record
    assert made.table(3, 0)[60] == KeyClass.TEXT  # out of range, clamped
    assert made.table(3, 0)[61] == KeyClass.ENTER  # out of range, redirected to group 1
    assert made.table(0, 0)[8] == KeyClass.OTHER  # a code without a meaning
    assert [made.table(0, 0)[code] for code in (50, 108)] == [0, 0]


@pytest.mark.parametrize("size", [0, 20, 41, 60, len(REPLY) - 1])
def test_a_torn_map_is_an_error(size: int) -> None:
    with pytest.raises(ValueError, match="not whole"):
        keymap.parse(REPLY[:size])


def test_keys_follow_the_state_in_the_stream() -> None:
    made = parse(
        parser(), raw(RAW_KEY, 54), raw(RAW_KEY_UP, 54), raw(RAW_KEY, 37), state(4, 0), raw(RAW_KEY, 54, t=1007),
        raw(RAW_KEY, 54, t=1008), raw(RAW_KEY_UP, 54), raw(RAW_KEY_UP, 37), state(0, 0),
        raw(RAW_KEY, 54, flags=1 << 16),
    )  # fmt: skip
    assert made == [
        (1000, KEY, KeyClass.TEXT, 0, 0, 0),
        (1000, KEY, KeyClass.MODIFIER, 0, 0, 0),
        (1007, KEY, KeyClass.COMMAND, Command.COPY, 0, 0),
    ]


def test_a_new_map_is_asked_for_once_and_only_when_a_key_needs_it() -> None:
    server = FakeServer()
    one = parser(server)
    parse(one, notice(0), notice(1), bytes([34]) + bytes(31))
    assert server.asked == ["keymap", "devices"]
    parse(one, raw(RAW_KEY, 54), raw(RAW_KEY_UP, 54), raw(RAW_KEY, 54))
    assert server.asked == ["keymap", "devices", "keymap"]


def test_a_key_that_had_a_meaning_for_a_moment_is_text() -> None:
    assert [e[2] for e in parse(parser(), raw(RAW_KEY, 90))] == [KeyClass.OTHER]
    assert [e[2] for e in parse(parser(), notice(1), raw(RAW_KEY, 90), notice(1))] == [KeyClass.TEXT]
    assert [e[2] for e in parse(parser(), state(4, 0), notice(1), raw(RAW_KEY, 90))] == [KeyClass.COMMAND]


def test_the_first_replies_say_what_is_held() -> None:
    one = parser()
    one.awaited.extend(("state", "keys"))
    state_reply = bytearray(32)
    state_reply[0], state_reply[8] = 1, 4
    keys_reply = bytearray(40)
    keys_reply[0], keys_reply[4] = 1, 2
    keys_reply[8 + 49 // 8] |= 1 << 49 % 8
    made = parse(one, bytes(state_reply), bytes(keys_reply), raw(RAW_KEY, 49), raw(RAW_KEY, 54))
    assert [event[2:4] for event in made] == [(KeyClass.COMMAND, Command.COPY)]


def test_half_an_event_waits_for_its_other_half() -> None:
    one = parser()
    data = bytearray(raw(RAW_BUTTON, 1) + raw(RAW_MOTION, axes=(5, 5)))
    events: list[Event] = []
    assert one.parse(data, len(data) - 1, events) == 32
    assert [event[1] for event in events] == [CLICK]


def test_movements_are_summed_per_tick_and_fractions_are_kept() -> None:
    one = parser()
    made = parse(one, *(raw(RAW_MOTION, t=1000 + n, axes=(0.25, -0.5)) for n in range(40)))
    assert made == [(1019, MOVE, 0, 0, 5, -10), (1039, MOVE, 0, 0, 5, -10)]
    made = parse(one, raw(RAW_MOTION, t=1040, axes=(7,)), raw(RAW_BUTTON, 9), raw(RAW_MOTION, t=1041, axes=(1, 1)))
    assert made == [(1040, MOVE, 0, 0, 7, 0), (1000, CLICK, Button.FORWARD, 1, 0, 0), (1041, MOVE, 0, 0, 1, 1)]


def test_positions_become_displacements_in_pixels() -> None:
    one = parser(FakeServer(pointing.Devices({9: pointing.Axes(0.5, 0.25)}, frozenset())))
    made = parse(one, *(raw(RAW_MOTION, t=1000 + 20 * n, axes=(100 + 11 * n, 1000 - 40 * n)) for n in range(5)))
    assert (sum(event[4] for event in made), sum(event[5] for event in made)) == (22, -40)
    assert made[0][4:] == (0, 0)  # where it was first does not show


def test_injected_positions_are_found_out() -> None:
    server = FakeServer(pointing.Devices({}, frozenset({9})), place=(700, 500))
    one = parser(server)
    assert [event[4:] for event in parse(one, raw(RAW_MOTION, axes=(600, 400)), raw(RAW_MOTION, axes=(700, 500)))] == [
        (100, 100)
    ]
    assert [event[4:] for event in parse(one, raw(RAW_MOTION, axes=(-3, 4)))] == [(-3, 4)]
    one = parser(FakeServer(pointing.Devices({}, frozenset({9})), place=(3, 3)))
    assert [event[4:] for event in parse(one, raw(RAW_MOTION, axes=(600, 400)))] == [(600, 400)]


def test_a_mouse_is_settled_by_its_first_step_back_and_never_asked_about_again() -> None:
    server = FakeServer(pointing.Devices({}, frozenset(), frozenset({9})), place=(700, 500))
    one = parser(server)
    assert [event[4:] for event in parse(one, raw(RAW_MOTION, axes=(90, 40)), raw(RAW_MOTION, axes=(-3, 4)))] == [
        (87, 44)
    ]
    assert [event[4:] for event in parse(one, raw(RAW_MOTION, axes=(700, 500)))] == [(700, 500)]
    assert "place" not in server.asked


def test_a_pointer_that_brings_positions_is_found_out_whatever_it_says() -> None:
    server = FakeServer(pointing.Devices({}, frozenset(), frozenset({9})), place=(640, 430))
    made = parse(parser(server), raw(RAW_MOTION, axes=(600, 400)), raw(RAW_MOTION, axes=(640, 430)))
    assert [event[4:] for event in made] == [(40, 30)]


def test_what_is_injected_can_be_left_out_and_is_a_gap_once_a_second() -> None:
    server = FakeServer(pointing.Devices({}, frozenset({4, 5})))
    one = Parser(server, XI, XKB, keyboard=True, pointer=True, injected=False)
    one.offset = 0
    made = parse(
        one, raw(RAW_KEY, 54, source=5), raw(RAW_KEY, 54), raw(RAW_BUTTON, 1, t=1500, source=4),
        raw(RAW_KEY_UP, 54, t=1600, source=5), raw(RAW_KEY, 54, t=1700), raw(RAW_MOTION, t=2100, source=4, axes=(5, 5)),
    )  # fmt: skip
    assert made == [
        (1000, GAP, Reason.NOT_ALLOWED, 1, 0, 0), (1000, KEY, KeyClass.TEXT, 0, 0, 0),
        (2100, GAP, Reason.NOT_ALLOWED, 1, 0, 0),
    ]  # fmt: skip


def test_devices_are_asked_for_again_when_the_screen_or_they_change() -> None:
    server = FakeServer(pointing.Devices({9: pointing.Axes(1.0, 1.0)}, frozenset()))
    one = parser(server)
    for notice_of in (bytes([22]) + bytes(31), raw(11)):
        server.asked.clear()
        parse(one, notice_of, raw(RAW_MOTION, axes=(5, 5)), raw(RAW_MOTION, axes=(6, 6)))
        assert server.asked == ["devices"]
    only_keys = parser(server, pointer=False)
    server.asked.clear()
    parse(only_keys, raw(11), raw(RAW_KEY, 54))
    assert server.asked == []


def test_the_servers_clock_wraps() -> None:
    one = parser()
    one.offset = None
    late = (int(time.monotonic() * 1000) - 20) & 0xFFFFFFFF
    first = parse(one, raw(RAW_BUTTON, 1, t=late))
    assert abs(first[0][0] - time.monotonic() * 1000) < 100
    assert not one.is_foreign
    other = parser()
    other.offset = None
    start = 0xFFFFFFF0 if late < 0x80000000 else 0x7FFFFFF0
    made = parse(other, raw(RAW_BUTTON, 1, t=start), raw(RAW_BUTTON, 1, t=(start + 0x20) & 0xFFFFFFFF))
    assert made[1][0] - made[0][0] == 0x20
    assert other.is_foreign


def test_errors_and_other_extensions_are_passed_over() -> None:
    other = bytearray(raw(RAW_KEY, 54))
    other[1] = 77
    assert parse(parser(), bytes(32), bytes(other), raw(RAW_BUTTON, 3)) == [(1000, CLICK, Button.RIGHT, 1, 0, 0)]


def test_devices_in_absolute_mode_and_the_injection_device() -> None:
    found = pointing.parse(DEVICES, 1000, 500)
    assert set(found.absolute) == {9}
    assert found.injected == {4}
    assert found.claimed == {4, 10}
    axes = found.absolute[9]
    assert [axes.moved(0, 5000, 0), axes.moved(0, 5100, 0), axes.moved(1, 0, 0), axes.moved(1, 95, 0)] == [0, 10, 0, 9]
    with pytest.raises(ValueError, match="not whole"):
        pointing.parse(DEVICES[:60], 1000, 500)


@pytest.fixture
def answering(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, list[bytes], list[bytes]]:
    """A server that answers the set-up with what is in the first list; the second gets what it was sent."""
    path = str(tmp_path / "X7")
    answers: list[bytes] = []
    heard: list[bytes] = []
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(1)

    def serve() -> None:
        link, _ = listener.accept()
        with link, listener:
            heard.append(link.recv(4096))
            link.sendall(answers[0])

    monkeypatch.setattr(opening, "_SOCKET", path[:-1])
    threading.Thread(target=serve, daemon=True).start()
    return ":7.1", answers, heard


def test_the_right_screen_and_the_right_cookie(
    answering: tuple[str, list[bytes], list[bytes]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    display, answers, heard = answering
    screen = struct.pack("<I16xHH15xB", 11, 800, 600, 1) + struct.pack("<BxH4x", 24, 1) + bytes(24)
    second = struct.pack("<I16xHH15xB", 22, 1920, 1080, 0)
    setup = bytearray(32)
    struct.pack_into("<H", setup, 16, 3)
    setup[20], setup[21] = 2, 1
    body = bytes(setup) + b"abc\0" + bytes(8) + screen + second
    answers.append(struct.pack("<BxHHH", 1, 11, 0, len(body) // 4) + body)

    def entry(family: int, *fields: bytes) -> bytes:
        return struct.pack(">H", family) + b"".join(struct.pack(">H", len(field)) + field for field in fields)

    host = os.uname().nodename.encode()
    authority = tmp_path / "authority"
    authority.write_bytes(
        entry(256, b"elsewhere", b"7", b"MIT-MAGIC-COOKIE-1", b"wrong")
        + entry(256, host, b"8", b"MIT-MAGIC-COOKIE-1", b"wrong")
        + entry(65535, b"", b"", b"MIT-MAGIC-COOKIE-1", b"0123456789abcdef")
    )
    monkeypatch.setenv("XAUTHORITY", str(authority))
    opened = opening.open_display(display)
    opened.socket.close()
    assert opened[1:] == (22, 1920, 1080)
    assert b"0123456789abcdef" in heard[0]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [(struct.pack("<BBHHH", 0, 4, 11, 0, 1) + b"nope", "refuses this account"), (b"HTTP", "did not answer as")],
)
def test_a_server_that_will_not(answering: tuple[str, list[bytes], list[bytes]], answer: bytes, reason: str) -> None:
    display, answers, _ = answering
    answers.append(answer)
    with pytest.raises(Unavailable, match=reason):
        opening.open_display(display)
