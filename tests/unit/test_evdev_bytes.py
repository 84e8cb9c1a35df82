"""The evdev backend's pure parts: the table of places, the pass over the kernel's bytes. No kernel is needed here."""

from __future__ import annotations

import random
import re
import socket
import struct
from collections.abc import Callable

import pytest

from desktop_logger.capture import evdev, keycodes, reports
from desktop_logger.capture.evioc import Range
from desktop_logger.capture.opener import REQUESTS
from desktop_logger.capture.reports import Device, Keys, Press
from desktop_logger.errors import Unavailable
from desktop_logger.records.classes import (
    ALT,
    ALTGR,
    CTRL,
    SHIFT,
    SUPER,
    Button,
    ClickKind,
    Command,
    Direction,
    KeyClass,
    Reason,
)  # fmt: skip
from desktop_logger.records.events import Batch, Event
from desktop_logger.records.layout import CLICK, GAP, KEY, LET_GO, MOVE, SCROLL, Redacted
from desktop_logger.redaction import Redactor
from desktop_logger.source.clicking import Clicking
from tests.noninterference import TERMS, Terms

SYN, KEYS, REL, ABS, LED = 0, 1, 2, 3, 0x11
TEXT_PLACES = [code for code, entry in enumerate(keycodes.table(0)) if entry == KeyClass.TEXT]
Sent = tuple[int, int, int]


def report(ms: float, *events: Sent) -> bytes:
    micros = round(ms * 1000)
    stamp = (micros // 1_000_000, micros % 1_000_000)
    return b"".join(struct.pack("@llHHi", *stamp, *event) for event in (*events, (SYN, 0, 0)))


def seen(device: Device, *parts: bytes, keys: Keys | None = None) -> list[Event]:
    events: list[Event] = []
    presses: list[Press] = []
    device.parse(memoryview(b"".join(parts)), events, presses)
    (keys or Keys()).press(presses, events)
    return sorted(events, key=lambda event: event[0])


def test_places_agree_with_the_kernels_names() -> None:
    """Every letter, digit and sign types; what moves, edits or controls does not; from the kernel's own header."""
    try:
        with open("/usr/include/linux/input-event-codes.h", encoding="ascii") as file:
            lines = file.read()
    except FileNotFoundError:
        pytest.skip("no kernel headers here (Debian: linux-libc-dev)")
    codes = {name: int(number, 0) for name, number in re.findall(r"#define KEY_(\w+)\s+(0x[0-9a-f]+|\d+)\b", lines)}
    table = keycodes.table(0)

    def classes(pattern: str) -> set[int]:
        found = [code for name, code in codes.items() if re.fullmatch(pattern, name)]
        assert found, pattern
        return {table[code] for code in found}

    k = KeyClass
    signs = "MINUS|EQUAL|LEFTBRACE|RIGHTBRACE|SEMICOLON|APOSTROPHE|GRAVE|BACKSLASH|COMMA|DOT|SLASH|102ND|RO|YEN|SPACE"
    assert classes(f"[A-Z0-9]|{signs}|KP[0-9]|KP(ASTERISK|MINUS|PLUS|DOT|SLASH|EQUAL|COMMA|JPCOMMA)") == {k.TEXT}
    assert classes("BACKSPACE|DELETE") == {k.EDIT}
    assert classes("ENTER|KPENTER") == {k.ENTER}
    assert classes("TAB") == {k.TAB}
    assert classes("ESC") == {k.ESCAPE}
    assert classes("F[0-9]+") == {k.FUNCTION}
    assert classes("HOME|END|UP|DOWN|LEFT|RIGHT|PAGEUP|PAGEDOWN") == {k.NAV}
    assert classes("(LEFT|RIGHT)(CTRL|META)|LEFTALT") == {k.MODIFIER}
    assert classes("(LEFT|RIGHT)SHIFT|RIGHTALT|(CAPS|NUM|SCROLL)LOCK|HENKAN|MUHENKAN|HANGEUL|HANJA|FN") == {0}
    assert classes("MUTE|VOLUME(UP|DOWN)|PLAYPAUSE|NEXTSONG|BRIGHTNESS(UP|DOWN)|MAIL|POWER") == {k.MEDIA}
    assert classes("INSERT|SYSRQ|PAUSE|COMPOSE") == {k.OTHER}
    assert max(codes["MAX"], *(code for code in codes.values() if code < 0x300)) < keycodes.KEYS


def test_buttons_and_game_controllers_are_no_keys() -> None:
    table = keycodes.table(0)
    assert not any(table[code] for code in (*range(0x100, 0x160), *range(0x220, 0x224), *range(0x2C0, 0x300)))


def test_a_command_has_a_name_only_where_every_layout_agrees() -> None:
    named = {}
    for held in (CTRL, ALT, SUPER, CTRL | ALT, CTRL | SHIFT):
        for code, entry in enumerate(keycodes.table(held)):
            if entry >> 8:
                named[held, code] = Command(entry >> 8)
    zoom, switch = Command.ZOOM, Command.SWITCH_WINDOW
    assert named == {
        **{(held, code): zoom for held in (CTRL, SUPER, CTRL | SHIFT) for code in (74, 78, 82)},
        **{(held, 15): switch for held in (ALT, SUPER, CTRL | ALT)},
    }
    assert keycodes.table(CTRL)[46] == KeyClass.COMMAND
    assert keycodes.table(CTRL | ALTGR)[46] == KeyClass.TEXT
    assert keycodes.table(ALTGR)[46] == KeyClass.TEXT


def test_the_keypad_follows_its_light() -> None:
    device = Device()
    made = seen(
        device, report(1, (KEYS, 71, 1)), report(2, (KEYS, 71, 0)), report(3, (LED, 0, 0)), report(4, (KEYS, 71, 1))
    )
    assert [event[2] for event in made] == [KeyClass.NAV] * 2  # the light as it is at the end of the read
    assert [event[2] for event in seen(device, report(5, (KEYS, 72, 1)), report(6, (KEYS, 83, 1)))] == [
        KeyClass.NAV,
        KeyClass.EDIT,
    ]


def test_a_repeat_and_a_release_make_nothing() -> None:
    sent = [report(t, (4, 4, 30), (KEYS, 30, value)) for t, value in enumerate((1, 2, 2, 0, 1, 1, 0))]
    assert seen(Device(), *sent) == [(0, KEY, KeyClass.TEXT, 0, 0, 0), (4, KEY, KeyClass.TEXT, 0, 0, 0)]


def test_a_click_is_a_drag_only_while_the_button_is_down() -> None:
    """As under X11: the releases that tell it are asked for where targets are granted, and leave with the kind."""
    press, let_go = (KEYS, 0x110, 1), (KEYS, 0x110, 0)
    for steps, kind in (
        ((press, let_go, (REL, 0, 50)), ClickKind.SINGLE),
        ((press, (REL, 0, 50), let_go), ClickKind.DRAG),
    ):
        sent = [report(100 + n, one) for n, one in enumerate(steps)]  # all within one cell of the grid
        found = seen(Device(releases=True), *sent)
        assert Clicking().kinds(found) == [kind]
        assert [event[1] for event in found] == [event[1] for event in seen(Device(), *sent)] == [CLICK, MOVE]
    pad = Device(reports.PAD, axes=(Range(0, 1000, 10), Range(0, 600, 10)), releases=True)
    made = seen(pad, report(1, (KEYS, 0x14D, 1), (KEYS, 0x110, 1)), report(2, (KEYS, 0x145, 1), (KEYS, 0x110, 0)))
    assert [event[1:3] for event in made] == [(CLICK, Button.OTHER), (LET_GO, Button.OTHER)]


@pytest.mark.parametrize(
    ("scopes", "request_"),
    [
        (("keyboard",), b"keyboard"), (("pointer", "keyboard"), b"keyboard pointer"), (("target",), b"pointer"),
        (("keyboard", "target"), b"keyboard pointer"), (("context",), b"pointer"),
    ],
)  # fmt: skip
def test_what_is_asked_of_the_opener(scopes: tuple[str, ...], request_: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bytes] = []

    def refused(request: bytes) -> tuple[socket.socket, bytes]:
        asked.append(request)
        return socket.socket(socket.AF_UNIX), b"denied"

    monkeypatch.setattr(evdev, "_asked", refused)
    with pytest.raises(Unavailable, match="may not open"):
        evdev.EvdevCapture(scopes)
    assert asked == [request_]
    assert asked[0] in REQUESTS


def test_keyboards_are_one_in_the_order_of_their_clocks() -> None:
    """Control and a letter on two keyboards, within one millisecond and one read."""
    keys, one, other = Keys(), Device(), Device()
    keys.devices = {one, other}
    events: list[Event] = []
    presses: list[Press] = []
    other.parse(memoryview(report(1.5, (KEYS, 46, 1)) + report(1.8, (KEYS, 46, 0))), events, presses)
    other.parse(memoryview(report(1.95, (KEYS, 46, 1))), events, presses)
    one.parse(memoryview(report(1.2, (KEYS, 29, 1)) + report(1.9, (KEYS, 29, 0))), events, presses)
    keys.press(presses, events)
    assert [event[2] for event in events] == [KeyClass.MODIFIER, KeyClass.COMMAND, KeyClass.TEXT]
    assert not presses


def test_movements_are_summed_per_tick_and_end_at_a_click() -> None:
    sent = [report(1000 + t, (REL, 0, 2), (REL, 1, -1)) for t in range(40)]
    assert seen(Device(), *sent) == [(1019, MOVE, 0, 0, 40, -20), (1039, MOVE, 0, 0, 40, -20)]
    made = seen(Device(), report(1, (REL, 0, 5)), report(2, (KEYS, 0x110, 1)), report(3, (REL, 0, 7)))
    assert made == [(1, MOVE, 0, 0, 5, 0), (2, CLICK, Button.LEFT, 1, 0, 0), (3, MOVE, 0, 0, 7, 0)]


def test_after_a_loss_nothing_is_believed_until_the_next_report() -> None:
    device = Device()
    made = seen(
        device,
        report(1, (REL, 0, 5)),
        report(2, (REL, 0, 100), (SYN, 3, 0), (REL, 0, 200), (KEYS, 30, 1)),
        report(3, (REL, 0, 7)),
    )
    assert made == [(1, MOVE, 0, 0, 5, 0), (2, GAP, Reason.OVERFLOW, 1, 0, 0), (3, MOVE, 0, 0, 7, 0)]
    assert device.stale


def test_wheels_count_notches() -> None:
    assert [e[2:4] for e in seen(Device(), report(1, (REL, 8, -2), (REL, 6, 1)))] == [
        (Direction.DOWN, 2),
        (Direction.RIGHT, 1),
    ]
    fine = Device(fine=True)
    made = seen(
        fine, *(report(t, (REL, 11, 50)) for t in range(12)), report(20, (REL, 8, 1)), report(21, (REL, 12, 240))
    )
    assert [event[2:4] for event in made] == [(Direction.UP, 1)] * 5 + [(Direction.RIGHT, 2)]


def _pad(per_mm: int = 10) -> Device:
    return Device(reports.PAD, axes=(Range(0, 1000, per_mm), Range(0, 600, per_mm)))


def test_where_a_finger_lands_is_no_way() -> None:
    pad = _pad()
    made = seen(
        pad,
        report(1, (KEYS, 0x14A, 1), (KEYS, 0x145, 1), (ABS, 0, 100), (ABS, 1, 100)),
        report(2, (ABS, 0, 110), (ABS, 1, 105)),
        report(3, (KEYS, 0x14A, 0), (KEYS, 0x145, 0)),
        report(40, (KEYS, 0x14A, 1), (KEYS, 0x145, 1), (ABS, 0, 900), (ABS, 1, 500)),
        report(41, (ABS, 0, 899)),
    )
    assert [event[4:] for event in made] == [(12, 6), (-1, 0)]


def test_three_fingers_are_a_gesture_and_make_nothing() -> None:
    pad = _pad()
    sent = [report(t, (ABS, 0, 100 + 10 * t)) for t in range(1, 20)]
    assert seen(pad, report(0, (KEYS, 0x14E, 1), (ABS, 0, 100)), *sent) == []


def test_a_pad_that_does_not_say_its_size_is_as_wide_as_most() -> None:
    pad = _pad(per_mm=0)
    made = seen(pad, report(0, (KEYS, 0x145, 1), (ABS, 0, 0)), report(1, (ABS, 0, 500)))
    assert made[0][4] == int(reports.PAD_MM * reports.PAD_PX_PER_MM / 2)


@pytest.mark.parametrize("seed", range(3))
def test_a_pen_or_a_finger_on_the_screen_shows_no_way(seed: int) -> None:
    """However it moves, what comes out is that it touched: its way would be handwriting."""
    chance = random.Random(seed)
    axes = (Range(0, 20000, 100), Range(0, 12000, 100))
    outputs = []
    for _ in range(2):
        sent = []
        for touch in range(5):
            t = 1000 * touch
            sent.append(report(t, (KEYS, 0x140, 1), (KEYS, 0x14A, 1), (ABS, 0, chance.randrange(20000))))
            sent += [report(t + n, (ABS, n % 2, chance.randrange(12000))) for n in range(1, 50)]
            sent.append(report(t + 60, (KEYS, 0x14A, 0)))
        outputs.append(seen(Device(reports.SCREEN, axes=axes), *sent))
    assert outputs[0] == outputs[1] == [(1000 * n, CLICK, Button.LEFT, 1, 0, 0) for n in range(5)]


def _typed(chance: random.Random, choose: Callable[[], int], shape: list[tuple[int, str]]) -> bytes:
    sent = []
    for t, what in shape:
        if what == "text":
            code = choose()
            sent += [report(t + chance.random(), (4, 4, code), (KEYS, code, 1)), report(t + 1.5, (KEYS, code, 0))]
        elif what == "chord":
            code = choose()
            sent += [report(t, (KEYS, 29, 1)), report(t + 0.5, (KEYS, code, 1)), report(t + 1, (KEYS, code, 0))]
            sent += [report(t + 1.2, (KEYS, 29, 0))]
        elif what == "shift":
            sent += [report(t, (KEYS, 42, 1)), report(t + 1, (KEYS, 42, 0))] if chance.random() < 0.5 else []
        elif what == "move":
            part = chance.randrange(1, 30)
            sent += [report(t, (REL, 0, part)), report(t + 1, (REL, 0, 30 - part), (REL, 1, 9))]
        else:
            sent.append(report(t, (KEYS, 28, 1)))
            sent.append(report(t + 1, (KEYS, 28, 0)))
    return b"".join(sent)


def _differing(pairs: int, places: list[int]) -> int:
    """How many pairs of inputs of one shape give different records, in any byte, under profiles in turn."""
    chance = random.Random(5)
    differing = 0
    for number in range(pairs):
        t, shape = 1000, []
        for _ in range(chance.randrange(3, 25)):
            t += 20 * chance.choice((1, 3, 9, 30, 140))
            shape.append((t + 4, chance.choice(("text", "text", "text", "chord", "shift", "move", "enter"))))
        outputs = []
        for _ in range(2):
            sent = _typed(chance, lambda: chance.choice(places), shape)
            outputs.append(_redacted(seen(Device(), sent), TERMS[number % 4], t + 5000))
        differing += outputs[0] != outputs[1]
    return differing


def _redacted(events: list[Event], terms: Terms, end: int) -> tuple[Redacted, Redacted]:
    redactor = Redactor(terms._replace(named_commands=True))
    redactor.begin(0)
    redactor.feed(Batch(events, end))
    redactor.flush(end)
    return redactor.take()


def test_equal_classes_give_equal_bytes_whatever_was_typed() -> None:
    keypad_names = {74, 78, 82}  # named with Control: the one thing that tells places of text apart
    assert _differing(1500, [code for code in TEXT_PLACES if code not in keypad_names]) == 0


def test_that_check_can_fail() -> None:
    assert _differing(100, [30, 14, 28]) > 50


def test_scrolled_fractions_are_kept() -> None:
    pad = _pad()
    sent = [report(t, (ABS, 1, 500 - 2 * t)) for t in range(1, 66)]
    made = seen(pad, report(0, (KEYS, 0x14D, 1), (ABS, 1, 500)), *sent)
    assert {(event[1], event[2]) for event in made} == {(SCROLL, Direction.UP)}
    assert sum(event[3] for event in made) == 10  # 130 units are 13 mm
