"""What is hard about X11: whose input it is, several screens, grabs, compose, servers that end, fast mice."""

from __future__ import annotations

import os
import subprocess
import time
from collections import Counter
from collections.abc import Iterator

import pytest
from Xlib import X
from Xlib import display as displays

from desktop_logger import capture
from desktop_logger.capture import Capture, DisplayLost
from desktop_logger.errors import Unavailable
from desktop_logger.records.classes import KeyClass, Reason
from desktop_logger.records.events import Event
from desktop_logger.records.layout import CLICK, GAP, KEY, MOVE, SCROLL
from tests.granted import grant
from tests.inject import Injector
from tests.testbed import Server, environment, wait_until

A, C, LEFT_CTRL, RIGHT_ALT = 38, 54, 37, 108


def opened(display: str, monkeypatch: pytest.MonkeyPatch, *scopes: str, **facts: object) -> Capture:
    monkeypatch.setenv("DISPLAY", display)
    return capture.load("x11").capture(grant(*scopes, **facts))  # type: ignore[arg-type]


def events(of: Capture) -> list[Event]:
    """What has come in, once the server has sent it."""
    time.sleep(0.2)
    found: list[Event] = []
    while more := of.read().events:  # a read takes one lump, and says by its descriptor that there is more
        found += more
    return found


def counted(found: list[Event]) -> Counter[int]:
    return Counter(event[1] for event in found)


def moved(found: list[Event]) -> tuple[int, int]:
    moves = [event for event in found if event[1] == MOVE]
    return sum(event[4] for event in moves), sum(event[5] for event in moves)


class Nested:
    """An X server inside another one: what is injected into the outer one are real devices of the inner one."""

    def __init__(self) -> None:
        self.outer, self.inner = Server(), ""
        reading, writing = os.pipe()
        self._process = subprocess.Popen(
            ["Xephyr", "-displayfd", str(writing), "-screen", "800x600", "-nolisten", "tcp", "-noreset"],
            env=environment(self.outer.display), pass_fds=(writing,), stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(writing)
        with os.fdopen(reading) as file:
            self.inner = f":{int(file.readline())}"
        self.hand = Injector(self.outer.display)
        self.program = Injector(self.inner)
        self.hand.send(self.hand.move_to(100, 100))
        self.settle()

    def settle(self) -> None:
        self.hand.sync()
        self.program.sync()
        time.sleep(0.2)

    def stop(self) -> None:
        self.hand.__exit__()
        self.program.__exit__()
        self._process.terminate()
        self._process.wait(60)
        self.outer.stop()


@pytest.fixture(scope="module")
def nested() -> Iterator[Nested]:
    made = Nested()
    yield made
    made.stop()


def test_what_programs_put_in_is_left_out_and_said_where_the_policy_says_so(
    nested: Nested, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = opened(nested.inner, monkeypatch, injected="exclude")
    try:
        for who in (nested.hand, nested.program):
            who.send(who.key(A), who.button(1), who.button(5), who.move(9, 4))
            nested.settle()
        found = events(one)
    finally:
        one.close()
    assert counted(found) == {KEY: 1, CLICK: 1, SCROLL: 1, MOVE: 1, GAP: 1}
    assert [event[2:4] for event in found if event[1] == GAP] == [(Reason.NOT_ALLOWED, 1)]
    assert found[-1][1] == GAP


def test_it_is_recorded_like_the_rest_where_the_policy_says_that(
    nested: Nested, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = opened(nested.inner, monkeypatch, injected="record")
    try:
        for who in (nested.hand, nested.program):
            who.send(who.key(A), who.button(1))
            nested.settle()
        assert counted(events(one)) == {KEY: 2, CLICK: 2}
    finally:
        one.close()


@pytest.mark.parametrize("scope", ["keyboard", "pointer"])
def test_leaving_it_out_asks_for_no_more_than_is_granted(
    scope: str, nested: Nested, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = opened(nested.inner, monkeypatch, scope, injected="exclude")
    try:
        for who in (nested.hand, nested.program):
            who.send(who.key(A), who.button(1))
            nested.settle()
        assert counted(events(one)) == {KEY if scope == "keyboard" else CLICK: 1, GAP: 1}
    finally:
        one.close()


def test_a_device_that_hides_positions_behind_movements_is_found_out(
    nested: Nested, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = opened(nested.inner, monkeypatch, "pointer")
    try:
        for x, y in ((300, 200), (340, 190), (310, 260)):
            nested.hand.send(nested.hand.move_to(x, y))
            nested.settle()
            found = events(one)
            assert all(abs(part) <= 70 for part in moved(found)), "a place on the screen shows"
    finally:
        one.close()
    assert moved(found) == (-30, 70)


def test_both_screens_of_a_display_are_seen_whichever_it_is_called_by(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server("800x600x24", "-screen", "1", "1024x768x24")
    try:
        with Injector(server.display) as injector:
            for name in (server.display, f"{server.display}.1"):
                one = opened(name, monkeypatch)
                for screen in (0, 1):
                    other = displays.Display(f"{server.display}.{screen}")
                    other.screen().root.warp_pointer(50, 50)
                    other.sync()
                    assert other.screen().root.query_pointer().same_screen
                    injector.send(injector.key(A), injector.button(1), injector.move(-3, 2))
                    injector.sync()
                    found = events(one)
                    assert counted(found) == {KEY: 1, CLICK: 1, MOVE: 1}, (name, screen)
                    assert moved(found) == (-3, 2)
                    other.close()
                one.close()
    finally:
        server.stop()


def test_a_grab_by_another_program_hides_nothing(display: str, monkeypatch: pytest.MonkeyPatch) -> None:
    one = opened(display, monkeypatch)
    other = displays.Display(display)
    root = other.screen().root
    try:
        assert root.grab_keyboard(True, X.GrabModeAsync, X.GrabModeAsync, X.CurrentTime) == X.GrabSuccess
        assert root.grab_pointer(
            True, X.ButtonPressMask, X.GrabModeAsync, X.GrabModeAsync, X.NONE, X.NONE, X.CurrentTime
        ) == X.GrabSuccess  # fmt: skip
        other.sync()
        with Injector(display) as injector:
            injector.send(injector.key(A), injector.button(1), injector.move(5, 5))
            injector.sync()
        assert counted(events(one)) == {KEY: 1, CLICK: 1, MOVE: 1}
    finally:
        other.close()
        one.close()


def test_compose_and_dead_keys_are_counted_by_the_keys_that_make_text(
    display: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = environment(display)
    subprocess.run(["setxkbmap", "-layout", "us", "-variant", "intl", "-option", "compose:menu"], check=True, env=where)
    menu, acute, e, o = 135, 48, 26, 32
    one = opened(display, monkeypatch, "keyboard")
    try:
        with Injector(display) as injector:
            injector.send(injector.key(menu), injector.key(o), injector.key(e))  # œ: two keys of text
            injector.send(injector.key(acute), injector.key(e))  # é: one
            injector.send(injector.press(RIGHT_ALT), injector.key(e), injector.release(RIGHT_ALT))  # é by AltGr: one
            injector.sync()
        found = events(one)
    finally:
        one.close()
    assert [KeyClass(event[2]).name for event in found] == ["TEXT"] * 4


def test_a_display_that_ends_and_one_that_comes_back_under_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server()
    one = opened(server.display, monkeypatch)
    server.kill()
    wait_until(lambda: _is_lost(one), 10, "the lost display")
    with pytest.raises(Unavailable):
        opened(server.display, monkeypatch)
    again = Server("1280x800x24", server.display)
    try:
        assert again.display == server.display
        with pytest.raises(DisplayLost):
            one.read()
        other = opened(again.display, monkeypatch)
        with Injector(again.display) as injector:
            injector.send(injector.press(LEFT_CTRL), injector.key(C), injector.release(LEFT_CTRL))
            injector.sync()
        assert [KeyClass(event[2]).name for event in events(other)] == ["MODIFIER", "COMMAND"]
        with pytest.raises(DisplayLost):
            one.read()
        other.close()
    finally:
        one.close()
        again.stop()


def _is_lost(one: Capture) -> bool:
    try:
        one.read()
    except DisplayLost:
        return True
    return False


def test_a_mouse_of_8000_reports_a_second_loses_nothing(display: str, monkeypatch: pytest.MonkeyPatch) -> None:
    one = opened(display, monkeypatch, "pointer")
    count, pixels = 24_000, [0, 0]

    def all_of_it() -> bool:
        for event in one.read().events:
            pixels[0] += event[4]
            pixels[1] += event[5]
        return pixels[0] >= count

    try:
        with Injector(display) as injector:
            injector.stream([injector.move(1, -1)] * count, 8000)
        wait_until(all_of_it, 20, "every step")
    finally:
        one.close()
    assert pixels == [count, -count]


def test_a_screen_that_changes_its_size_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server("1280x800x24")
    try:
        one = opened(server.display, monkeypatch, "pointer")
        parser = one._parser  # type: ignore[attr-defined]
        before = parser._devices
        for words in (
            ("--newmode", "small", "60", *["1024"] * 4, *["768"] * 4),
            ("--addmode", "screen", "small"),
            ("--output", "screen", "--mode", "small"),
        ):
            subprocess.run(["xrandr", *words], check=True, env=environment(server.display), capture_output=True)
        with Injector(server.display) as injector:
            injector.send(injector.move(7, 7))
            injector.sync()
        assert moved(events(one)) == (7, 7)
        assert parser._devices is not before
        one.close()
    finally:
        server.stop()
