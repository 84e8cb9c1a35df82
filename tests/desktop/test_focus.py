"""What has the focus, as real applications on a real accessibility bus say it; and that a secret leaves nothing."""

from __future__ import annotations

import contextlib
import json
import os
import select
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import jeepney
import pytest
from jeepney.io.blocking import open_dbus_connection

from desktop_logger.focus.applications import Rule
from desktop_logger.focus.bus import BusLost
from desktop_logger.focus.watching import Watching
from desktop_logger.focus.windows import Focused, Windows
from desktop_logger.records import attention
from desktop_logger.records.applications import Applications
from desktop_logger.records.classes import Category, Role, Safety
from tests.answering import HEIGHT, LEFT, PATHS, PLACES, TOP, Accessible, Answering
from tests.people import PASSPHRASE, Person, everything_under
from tests.testbed import wait_until

FINE = attention.ALLOWED
ALL = Rule(True, Applications("all"), {"answering": Category.EDITOR, "xterm": Category.TERMINAL})


class Watched:
    """A ``Watching`` that lives on a thread, and what it has told."""

    def __init__(self, rule: Rule = ALL) -> None:
        self._reading, self._writing = os.pipe()
        os.set_blocking(self._reading, False)
        os.set_blocking(self._writing, False)
        self.watching = Watching.open()
        self.watching.attend(rule, self._writing)
        self.told: list[tuple[int, int, int, int, int]] = []
        self.lost: BaseException | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._over.is_set():
            wait = max(0.0, min((self.watching.due() or 1e9) - time.monotonic(), 0.2))
            select.select(self.watching.descriptors(), [], [], wait)
            try:
                self.watching.turn()
            except BusLost as error:
                self.lost = error
                return
            with contextlib.suppress(BlockingIOError):
                self.told += attention.RECORD.iter_unpack(os.read(self._reading, 1 << 16))

    def states(self) -> list[tuple[int, int, int]]:
        """``(safety, category, flags)`` as they changed."""
        found: list[tuple[int, int, int]] = []
        for _, safety, category, _, flags in list(self.told):
            state = (safety, category, flags)
            if not flags & attention.CLICKED and found[-1:] != [state]:
                found.append(state)
        return found

    def roles(self) -> list[Role]:
        return [Role(role) for _, _, _, role, flags in list(self.told) if flags & attention.CLICKED]

    def becomes(self, safety: Safety, flags: int = FINE, seconds: float = 30, category: Category | None = None) -> None:
        """Waits; what an element was for an instant may be told before it is known whose it was."""

        def holds() -> bool:
            last = self.states()[-1:]
            return bool(last) and last[0][::2] == (safety, flags) and category in (None, last[0][1])

        wait_until(lambda: self.lost or holds(), seconds, f"{safety!r}")
        assert self.lost is None, "a bus has hung up"

    def end(self) -> None:
        self._over.set()
        self._thread.join(60)
        if self.lost is None:
            self.watching.rest()
        self.watching.close()
        os.close(self._reading)
        os.close(self._writing)


@pytest.fixture
def watched(answering: Answering) -> Iterator[Watched]:
    assert answering
    one = Watched()
    yield one
    one.end()


def test_a_focused_element_is_safe_secret_or_not_told(watched: Watched, answering: Answering) -> None:
    watched.becomes(Safety.SAFE)
    for element, safety in (
        ("secret", Safety.UNSAFE), ("field", Safety.SAFE), ("nothing", Safety.UNKNOWN), ("button", Safety.SAFE),
        ("secret", Safety.UNSAFE),
    ):  # fmt: skip
        answering.tell(f"focus {element}")
        watched.becomes(safety)
    assert {category for safety, category, _ in watched.states() if safety == Safety.SAFE} == {Category.EDITOR}
    answering.end()
    watched.becomes(Safety.UNANSWERED)


def test_an_application_that_hangs_is_unknown_until_it_answers_again(
    watched: Watched, answering: Answering, xdotool: Callable[..., str]
) -> None:
    watched.becomes(Safety.SAFE)
    answering.tell("hang")
    for _ in range(20):
        xdotool("key", "a")  # while nobody types it is not asked
        time.sleep(0.2)
        if watched.states()[-1][0] == Safety.UNKNOWN:
            break
    watched.becomes(Safety.UNKNOWN, seconds=1)
    answering.tell("wake")
    watched.becomes(Safety.SAFE)


def test_no_switch_is_so_quick_that_a_secret_goes_by(watched: Watched, answering: Answering) -> None:
    """On a busy machine the secret may have gone before it could say what it is: then that moment is not known."""
    watched.becomes(Safety.SAFE)
    for _ in range(25):
        before = len(watched.told)
        answering.tell("focus secret")
        answering.tell("focus field")
        grave = (Safety.UNSAFE, Safety.UNKNOWN)
        wait_until(lambda: any(one[1] in grave for one in watched.told[before:]), 20, "the secret")  # noqa: B023
        watched.becomes(Safety.SAFE)


def test_who_was_left_before_answering_is_unknown(
    watched: Watched, answering: Answering, display: str, accessible: str
) -> None:
    other = Answering(display, accessible)
    try:
        answering.tell("take")
        watched.becomes(Safety.SAFE)
        before = len(watched.told)
        answering.tell("hang")
        answering.tell("focus secret")
        access = watched.watching.access
        assert access is not None
        wait_until(lambda: PATHS["secret"] in access._told.values(), 20, "the news")
        other.tell("take")
        wait_until(lambda: any(one[1] == Safety.UNKNOWN for one in watched.told[before:]), 20, "the doubt")
        watched.becomes(Safety.SAFE)
    finally:
        other.end()


def test_a_window_whose_application_is_silent_is_unanswered(
    watched: Watched, xterm: str, xdotool: Callable[..., str]
) -> None:
    watched.becomes(Safety.SAFE)
    xdotool("windowfocus", "--sync", xterm)
    watched.becomes(Safety.UNANSWERED, category=Category.TERMINAL)


def test_the_role_under_a_click_is_told(watched: Watched, xdotool: Callable[..., str], answering: Answering) -> None:
    watched.becomes(Safety.SAFE)
    for element, role in (("button", Role.BUTTON), ("field", Role.TEXT_FIELD), ("secret", Role.TEXT_FIELD)):
        before = len(watched.roles())
        xdotool("mousemove", LEFT + 20, TOP + PLACES[element] + 50, "click", 1)
        wait_until(lambda: len(watched.roles()) > before, 5, "the role")  # noqa: B023
        assert watched.roles()[-1] == role
    xdotool("mousemove", LEFT + 20, TOP + HEIGHT + 50, "click", 1, "click", 4)
    wait_until(lambda: len(watched.roles()) == 4, 5, "the role of nothing")
    time.sleep(0.3)
    assert watched.roles()[3:] == [Role.UNKNOWN]
    assert answering


def test_what_may_not_be_recorded_is_told_as_such(
    answering: Answering, xterm: str, xdotool: Callable[..., str]
) -> None:
    one = Watched(ALL._replace(applications=Applications("deny", ("answering",))))
    try:
        one.becomes(Safety.SAFE, flags=0)
        xdotool("windowfocus", "--sync", xterm, "mousemove", 20, 20)
        one.becomes(Safety.UNANSWERED, flags=FINE)
        xdotool("mousemove", LEFT + 5, TOP + 250)  # scrolling goes where the pointer is, whatever has the focus
        one.becomes(Safety.UNANSWERED, flags=0)
    finally:
        one.end()
    assert answering


def test_a_window_that_calls_itself_nothing_may_be_one_of_the_list(
    display: str, accessible: str, xdotool: Callable[..., str]
) -> None:
    nameless = Answering(display, accessible, "")
    xdotool("mousemove", 400, 200)
    try:
        for mode, safety, flags in (
            ("all", Safety.SAFE, FINE), ("deny", Safety.UNANSWERED, FINE), ("allow", Safety.SAFE, 0),
        ):  # fmt: skip
            one = Watched(ALL._replace(applications=Applications(mode, () if mode == "all" else ("answering",))))
            try:
                one.becomes(safety, flags, category=Category.OTHER)
            finally:
                one.end()
    finally:
        nameless.end()


def test_a_password_prompt_is_known_by_its_name(display: str, accessible: str) -> None:
    prompt = Answering(display, accessible, "pinentry-gtk-2")
    one = Watched()
    try:
        one.becomes(Safety.UNSAFE)
        before = len(one.told)
        prompt.tell("focus button")
        wait_until(lambda: len(one.told) >= before + 2, 10, "another word")
        assert {safety for _, safety, _, _, _ in one.told[before:]} == {Safety.UNSAFE}
    finally:
        one.end()
        prompt.end()


def test_a_locked_screen_is_told(watched: Watched, accessible: str) -> None:
    watched.becomes(Safety.SAFE)
    saver = open_dbus_connection(bus=accessible)
    place = jeepney.DBusAddress("/org/freedesktop/ScreenSaver", None, "org.freedesktop.ScreenSaver")
    for active in (True, False):
        saver.send(jeepney.new_signal(place, "ActiveChanged", "b", (active,)))
        watched.becomes(Safety.SAFE, FINE | attention.LOCKED if active else FINE)
    saver.close()


def test_a_bus_that_dies_is_noticed(display: str, monkeypatch: pytest.MonkeyPatch) -> None:
    bus = Accessible()
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", bus.address)
    application = Answering(display, bus.address)
    one = Watched()
    try:
        one.becomes(Safety.SAFE)
        bus.stop()
        wait_until(lambda: one.lost, 5, "the loss")
    finally:
        one.end()
        application.end()
        bus.stop()


def test_no_key_ever_reaches_it(
    answering: Answering, xdotool: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    windows = Windows()
    windows.hear_clicks()
    seen: list[tuple[int, int | None]] = []
    receive = windows.display.next_event

    def noted() -> object:
        event = receive()
        seen.append((event.type, getattr(event, "evtype", None)))
        return event

    monkeypatch.setattr(windows.display, "next_event", noted)
    xdotool("type", "--delay", 5, "none of this")
    xdotool("key", "ctrl+c", "Return")
    xdotool("click", 1)
    wait_until(lambda: windows.read() or seen, 5, "the click")
    time.sleep(0.3)
    windows.read()
    # raw button presses, changed properties of the root window, and that the keyboard's map has changed
    assert set(seen) <= {(35, 15), (28, None), (34, None)}
    assert (35, 15) in seen
    assert answering
    windows.close()


def test_without_a_bus_or_a_library_nobody_answers(answering: Answering, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS")
    one = Watched()
    try:
        one.becomes(Safety.UNANSWERED)
        assert {state[0] for state in one.states()} == {Safety.UNANSWERED}
    finally:
        one.end()
    assert answering


def _evening(
    home: Path, display: str, answering: Answering, xdotool: Callable[..., str], secret: str
) -> tuple[Person, list[int]]:
    """Somebody types, signs in somewhere with a password, and types again: always at the same times.

    Between these lies more than what holds for the second before and after, and the end is far from the next frame.
    """
    someone = Person(str(home), display)
    someone.sign(profile="events")
    someone.start()
    began = time.monotonic()

    def at(seconds: float) -> None:
        time.sleep(max(0.0, began + seconds - time.monotonic()))

    at(1.2)
    xdotool("type", "--delay", 5, "before")
    at(4.2)
    answering.tell("focus secret")
    xdotool("type", "--delay", 5, secret)
    at(6.5)
    answering.tell("focus field")
    at(9.0)
    xdotool("type", "--delay", 5, "afterwards")
    at(12.0)
    someone.stop()
    sizes = [one.stat().st_size for one in sorted(home.rglob("*")) if one.is_file() and "segments" in one.parts]
    return someone, sizes


def test_a_password_leaves_no_record_not_even_how_long_it_was(
    tmp_path: Path, display: str, answering: Answering, xdotool: Callable[..., str]
) -> None:
    left = []
    for name, secret in (("short", "p"), ("long", "a much longer one 0123456789")):
        someone, sizes = _evening(tmp_path / name, display, answering, xdotool, secret)
        found = someone.inspect()
        assert found["keys"] == {"TEXT": len("before") + len("afterwards")}, found["gaps"]
        assert [gap["reason"] for gap in found["gaps"]] == ["secure"]
        lines = someone.ok("inspect", "--events", "--json", passphrase=PASSPHRASE).splitlines()
        kinds = [(line["record"], line.get("class"), line.get("reason")) for line in map(json.loads, lines)]
        left.append((sizes, kinds))
        assert len(secret) == 1 or secret.encode() not in everything_under(str(tmp_path / name))
    assert left[0] == left[1]


def test_an_answer_that_says_what_was_known_asks_the_display_nothing(
    answering: Answering, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    watching = Watching.open()
    assert isinstance(watching.windows, Windows)
    watching.attend(ALL, writing)
    told: list[int] = []

    def tells(safety: Safety) -> bool:
        watching.turn()
        with contextlib.suppress(BlockingIOError):
            told.extend(record[1] for record in attention.RECORD.iter_unpack(os.read(reading, 1 << 16)))
        return told[-1:] == [safety]

    wait_until(lambda: tells(Safety.SAFE), 30, "an answer")
    looks: list[float] = []
    look = watching.windows.focused

    def counted() -> Focused:
        looks.append(time.monotonic())
        return look()

    monkeypatch.setattr(watching.windows, "focused", counted)
    began = time.monotonic()
    for _ in range(1000):
        watching.turn()
    assert len(looks) <= 2 + (time.monotonic() - began) / 0.2  # the beats
    answering.tell("focus secret")
    wait_until(lambda: tells(Safety.UNSAFE), 30, "the secret")
    watching.rest()
    watching.close()
    os.close(reading)
    os.close(writing)
