"""The X11 backend on a real server: what was typed, clicked and moved is what is counted, exactly."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from desktop_logger import capture
from desktop_logger.errors import Unavailable
from desktop_logger.records.classes import Button, Command, Direction, KeyClass
from desktop_logger.records.layout import CLICK, END, KEY, MOVE, RECORD_BYTES, SCROLL, START, signed
from desktop_logger.records.profiles import MOVE_CELL_PX, PROFILES
from desktop_logger.redaction import coarsen, for_release
from tests.capturing import CaptureProcess, Record, pack
from tests.granted import grant
from tests.inject import Injector
from tests.testbed import Server, environment

A, LEFT_CTRL, KP_7, SPACE = 38, 37, 79, 65

Start = Callable[..., CaptureProcess]


@pytest.fixture
def start(display: str) -> Iterator[Start]:
    running: list[CaptureProcess] = []

    def begin(*scopes: str, where: str = display, **facts: object) -> CaptureProcess:
        process = CaptureProcess("x11", grant(*scopes, **facts), environment(where))  # type: ignore[arg-type]
        running.append(process)
        process.wait_running()
        return process

    yield begin
    for process in running:
        process.close()


def records(data: bytes) -> list[bytes]:
    return [data[at : at + RECORD_BYTES] for at in range(0, len(data), RECORD_BYTES)]


def keys(records: list[Record]) -> dict[str, int]:
    return dict(Counter(KeyClass(record[2]).name for record in records if record[1] == KEY))


def moved(records: list[Record]) -> tuple[int, int]:
    """Pixels, from whole cells."""
    moves = [record for record in records if record[1] == MOVE]
    return sum(signed(m[3]) for m in moves) * MOVE_CELL_PX, sum(signed(m[4]) for m in moves) * MOVE_CELL_PX


def test_every_class_is_counted_exactly(start: Start, xterm: str, xdotool: Callable[..., str]) -> None:
    process = start()
    text = "Don't panic: 42 Is The Answer!"
    xdotool("type", "--delay", 3, text)
    xdotool("key", "BackSpace", "Delete", "Return", "KP_Enter", "Tab", "shift+Tab", "Left", "Home", "Prior", "Escape")
    xdotool("key", "F1", "F12", "Control_L", "XF86AudioPlay", "Shift_L", "Caps_Lock", "Caps_Lock")
    assert process.stop() == 0
    assert keys(process.stream()) == {
        "TEXT": len(text), "EDIT": 2, "ENTER": 2, "TAB": 2, "NAV": 3, "ESCAPE": 1, "FUNCTION": 2, "MODIFIER": 1,
        "MEDIA": 1,
    }  # fmt: skip
    assert process.output() == b""
    assert process.marks() == [START, END]
    assert xterm


def test_commands_and_their_names(start: Start, xdotool: Callable[..., str]) -> None:
    process = start()
    xdotool("key", "ctrl+c", "ctrl+shift+z", "alt+Tab", "ctrl+alt+t", "super+d", "ctrl+j")
    process.stop()
    named = [Command(r[3]).name for r in process.stream() if r[1] == KEY and r[2] == KeyClass.COMMAND]
    assert named == ["COPY", "REDO", "SWITCH_WINDOW", "NONE", "NONE", "NONE"]
    assert keys(process.stream()) == {"COMMAND": 6, "MODIFIER": 7}


def test_commands_keep_no_name_unless_granted(start: Start, xdotool: Callable[..., str]) -> None:
    process = start(named_commands=False)
    xdotool("key", "ctrl+c", "ctrl+v")
    process.stop()
    assert {record[3] for record in process.stream() if record[1] == KEY} == {0}


def test_a_layout_change_while_recording(start: Start, setxkbmap: Callable[..., None], display: str) -> None:
    process = start("keyboard")
    with Injector(display) as injector:
        injector.send(injector.key(49))  # us: grave, text
        injector.sync()
        time.sleep(0.2)
        setxkbmap("de")
        injector.send(injector.key(49))  # de: dead circumflex, no record
        injector.send(injector.press(108), injector.key(24), injector.release(108))  # de: AltGr + q = @, text
        injector.sync()
        time.sleep(0.2)
        setxkbmap("us")
        injector.send(injector.press(108), injector.key(24), injector.release(108))  # us: Alt + q, a command
        injector.sync()
    process.stop()
    assert [KeyClass(r[2]).name for r in process.stream()] == ["TEXT", "TEXT", "MODIFIER", "COMMAND"]


def test_characters_that_the_layout_lacks_are_text(start: Start, xterm: str, xdotool: Callable[..., str]) -> None:
    process = start("keyboard")
    xdotool("type", "--delay", 20, "naïve café, ß€你好")
    process.stop()
    assert keys(process.stream()) == {"TEXT": 16}
    assert xterm


def test_the_read_buffer_is_zero_after_every_read(display: str) -> None:
    opened = capture.load("x11").capture(grant())
    try:
        with Injector(display) as injector:
            for _ in range(20):
                injector.send(injector.key(A), injector.button(1), injector.move(3, 4))
                injector.sync()
                assert opened.read().events
                assert not any(opened._buffer)  # type: ignore[attr-defined]
    finally:
        opened.close()


def test_two_groups_and_commands_in_cyrillic(start: Start, setxkbmap: Callable[..., None], display: str) -> None:
    setxkbmap("us,ru", "-option", "grp:toggle")
    process = start("keyboard")
    with Injector(display) as injector:
        copy = injector.press(LEFT_CTRL) + injector.key(54) + injector.release(LEFT_CTRL)
        injector.send(injector.key(54), copy)
        injector.send(injector.press(108), injector.release(108))  # to the second group: no record
        injector.send(injector.key(54), injector.key(34), copy)  # c, and a key that is text in Russian only
        injector.send(injector.press(108), injector.release(108))
        injector.sync()
    process.stop()
    assert [(KeyClass(r[2]).name, r[3]) for r in process.stream()] == [
        ("TEXT", 0), ("MODIFIER", 0), ("COMMAND", Command.COPY),
        ("TEXT", 0), ("TEXT", 0), ("MODIFIER", 0), ("COMMAND", Command.COPY),
    ]  # fmt: skip


def test_the_keypad_follows_numlock(start: Start, display: str) -> None:
    process = start("keyboard")
    with Injector(display) as injector:
        injector.send(injector.key(KP_7), injector.key(77), injector.key(KP_7), injector.key(77), injector.key(KP_7))
        injector.sync()
    process.stop()
    assert [KeyClass(r[2]).name for r in process.stream()] == ["NAV", "TEXT", "NAV"]


def test_a_key_held_down_is_one_press(start: Start, xterm: str, display: str) -> None:
    process = start("keyboard")
    with Injector(display) as injector:
        injector.send(injector.press(A))
        injector.sync()
        time.sleep(1.5)  # the server repeats after 0.66 s
        injector.send(injector.release(A), injector.key(A))
        injector.sync()
    process.stop()
    assert keys(process.stream()) == {"TEXT": 2}
    assert xterm


def test_a_key_that_was_down_before_is_not_counted(start: Start, display: str) -> None:
    with Injector(display) as injector:
        injector.send(injector.press(A), injector.press(LEFT_CTRL))
        injector.sync()
        process = start("keyboard")
        injector.send(injector.key(54), injector.release(LEFT_CTRL), injector.release(A), injector.key(A))
        injector.sync()
    process.stop()
    assert [(KeyClass(r[2]).name, r[3]) for r in process.stream()] == [("COMMAND", Command.COPY), ("TEXT", 0)]


def test_clicks_and_scrolls(start: Start, xterm: str, xdotool: Callable[..., str]) -> None:
    process = start("pointer")
    xdotool("click", "--repeat", 7, "--delay", 5, 1)
    xdotool("click", 3, "click", 2, "click", 8)
    xdotool("click", "--repeat", 4, "--delay", 5, 5)
    xdotool("click", 4, "click", 6, "click", 7)
    process.stop()
    clicks: Counter[str] = Counter()
    scrolls: Counter[str] = Counter()
    for record in process.stream():
        if record[1] == CLICK:
            clicks[Button(record[2]).name] += record[3]
        elif record[1] == SCROLL:
            scrolls[Direction(record[2]).name] += record[3]
    assert clicks == {"LEFT": 7, "RIGHT": 1, "MIDDLE": 1, "BACK": 1}
    assert scrolls == {"DOWN": 4, "UP": 1, "LEFT": 1, "RIGHT": 1}
    assert xterm


def test_movements_add_up_exactly_even_at_the_edge(start: Start, display: str) -> None:
    process = start("pointer")
    with Injector(display) as injector:
        for dx, dy in ((13, -7), (-1, -1), (400, 30), (-2000, -2000), (3, 3), (1, 2)):  # far past the corner
            injector.send(injector.move(dx, dy))
            injector.sync()
            time.sleep(0.03)
    process.stop()
    x, y = moved(process.stream())
    assert abs(x - (13 - 1 + 400 - 2000 + 3 + 1)) < MOVE_CELL_PX
    assert abs(y - (-7 - 1 + 30 - 2000 + 3 + 2)) < MOVE_CELL_PX


def test_injected_positions_are_never_recorded_as_such(start: Start, display: str) -> None:
    process = start("pointer")
    with Injector(display) as injector:
        for x, y in ((600, 400), (640, 420), (700, 500)):
            injector.send(injector.move_to(x, y))
            injector.sync()
            time.sleep(0.15)
    process.stop()
    assert moved(process.stream()) == (100, 100)


def test_only_what_is_granted_comes_in(start: Start, display: str) -> None:
    keyboard, pointer = start("keyboard"), start("pointer")
    with Injector(display) as injector:
        injector.send(injector.key(A), injector.button(1), injector.move(50, 50))
        injector.sync()
    keyboard.stop()
    pointer.stop()
    assert {record[1] for record in keyboard.stream()} == {KEY}
    assert {record[1] for record in pointer.stream()} == {CLICK, MOVE}


def test_fifty_thousand_events_a_second_and_none_lost(start: Start, display: str) -> None:
    process = start("pointer")
    done = subprocess.run(
        [sys.executable, "-m", "tests.inject", display, "moves", "50000", "3"],
        check=True, capture_output=True, text=True, cwd=os.path.dirname(os.path.dirname(os.path.dirname(__file__))),
    )  # fmt: skip
    count, took = int(done.stdout.split()[0]), float(done.stdout.split()[1])
    process.stop(1.0)
    x, y = moved(process.stream())
    assert count - MOVE_CELL_PX < x <= count
    assert y == 0
    assert len(process.stream()) <= (took + 1) * 50


def test_clicks_in_a_flood_are_all_counted(start: Start, display: str) -> None:
    process = start("pointer")
    with Injector(display) as injector:
        injector.stream([injector.button(1) + injector.button(3)] * 5000, 5000)
    process.stop(1.0)
    assert Counter(r[2] for r in process.stream()) == {Button.LEFT: 5000, Button.RIGHT: 5000}


def test_what_is_released_is_made_by_coarsening_what_is_kept(
    start: Start, xterm: str, xdotool: Callable[..., str]
) -> None:
    process = start(own="events", release="coarse")
    xdotool("type", "--delay", 5, "some words and more")
    xdotool("mousemove_relative", 100, 60, "click", 1, "click", 1, "key", "Return")
    xdotool("type", "--delay", 5, "as many as a run needs")  # a shorter one takes its time from the segment's end
    process.stop()
    own = pack(process.stream())
    events, coarse = PROFILES["events"], PROFILES["coarse"]
    released = records(pack(process.stream("release")))  # runs that ended apart may have been let out in another order
    assert sorted(released) == sorted(records(for_release(own, events, coarse)))
    assert sorted(released) == sorted(records(coarsen(own, events, coarse)))
    assert process.stream("release")
    assert xterm


def test_a_new_segment_when_told(start: Start, xdotool: Callable[..., str]) -> None:
    process = start("keyboard", own="bursts")
    xdotool("type", "abcdef")
    time.sleep(2.5)  # until those are decided: a segment ends at the last moment that is
    process.tell("r")
    time.sleep(0.3)
    xdotool("type", "ghijk")
    process.stop()
    assert process.marks() == [START, END, START, END]
    assert [record[3] for record in process.stream()] == [6, 5]


def test_the_display_goes_away(start: Start) -> None:
    server = Server()
    try:
        process = start(where=server.display)
        subprocess.run(["xdotool", "type", "--delay", "5", "hello"], check=True, env=environment(server.display))
        time.sleep(1.2)  # what happened in the last moments is not known to have been safe
        server.kill()
        assert process.wait(60) == 4
    finally:
        server.stop()
    assert process.marks() == [START, END]
    assert keys(process.stream()) == {"TEXT": 5}
    assert process.said()[-1] == {"state": "gap", "reason": "display_lost"}
    assert process.output() == b""


def test_a_late_heartbeat_ends_capture(start: Start) -> None:
    process = start("keyboard")
    process.beating = False
    quiet = time.monotonic()
    assert process.process.wait(30) == 3
    assert time.monotonic() - quiet < 13
    assert process.wait() == 3
    assert process.marks() == [START, END]


def test_a_dead_parent_ends_capture(start: Start) -> None:
    process = start("keyboard")
    process.lose_parent()
    gone = time.monotonic()
    assert process.wait(30) == 0
    assert time.monotonic() - gone < 5
    assert process.marks() == [START, END]


def test_a_stuck_writer_costs_records_and_says_so(start: Start, display: str) -> None:
    process = start("pointer")
    process.draining = False
    with Injector(display) as injector:
        injector.stream([injector.button(1)] * 90_000, 30_000)
        time.sleep(1.5)
        process.draining = True
        time.sleep(2.5)
        injector.send(injector.button(3))
        injector.sync()
    process.stop(1.0)
    gaps = [record for record in process.stream() if record[1] == 1]
    assert len(gaps) == 1
    assert gaps[0][6] >= 1
    assert process.stream()[-1][1:3] == (CLICK, Button.RIGHT)


def test_idle_costs_next_to_nothing(start: Start) -> None:
    process = start()
    time.sleep(0.5)

    def ticks() -> int:
        with open(f"/proc/{process.process.pid}/stat") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return int(fields[11]) + int(fields[12])

    before = ticks()
    time.sleep(4)
    assert (ticks() - before) / os.sysconf("SC_CLK_TCK") / 4 < 0.01


def test_it_leaves_no_core(start: Start) -> None:
    process = start()
    with open(f"/proc/{process.process.pid}/limits") as file:
        assert "Max core file size        0                    0" in file.read()


def test_a_display_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WAYLAND_DISPLAY", "XDG_SESSION_TYPE"):
        monkeypatch.delenv(name, raising=False)
    for display in (":9999", "", "elsewhere:0", "nonsense"):
        monkeypatch.setenv("DISPLAY", display)
        probe = capture.load("x11").probe()
        assert not probe.viable
        assert probe.remedy
        with pytest.raises(Unavailable):
            capture.choose("auto")
    process = CaptureProcess("x11", grant(), environment(":9999"))
    try:
        assert process.wait() == 5
        assert process.said()[0]["state"] == "failed"
        assert process.said()[0]["hint"]
        assert process.output() == b""
        assert not process.data
    finally:
        process.close()


def test_auto_picks_x11_and_says_why(display: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name, why = capture.choose("auto")
    assert name == "x11"
    assert "XInput2" in why
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    with pytest.raises(Unavailable, match="Wayland"):
        capture.choose("auto")
    assert "only the windows of X11" in capture.choose("x11")[1]
    monkeypatch.delenv("WAYLAND_DISPLAY")
    monkeypatch.setenv("XDG_SESSION_TYPE", "wayland")
    with pytest.raises(Unavailable, match="Wayland"):
        capture.choose("auto")
    assert display
