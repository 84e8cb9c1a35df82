"""The portable backend on a real server."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from desktop_logger import capture
from desktop_logger.capture import DisplayLost
from desktop_logger.capture.pynput import QUEUE
from desktop_logger.errors import Unavailable
from desktop_logger.records.classes import Button, Direction, KeyClass, Reason
from desktop_logger.records.layout import CLICK, GAP, KEY, MOVE, SCROLL
from tests.capturing import CaptureProcess
from tests.granted import grant
from tests.inject import Injector
from tests.testbed import Server, environment, wait_until


@pytest.fixture
def process(display: str) -> Iterator[CaptureProcess]:
    running = CaptureProcess("pynput", grant(), environment(display))
    running.wait_running()
    yield running
    running.close()


def test_it_counts_what_was_done(
    xterm: str, process: CaptureProcess, xdotool: Callable[..., str], display: str
) -> None:
    xdotool("type", "--delay", 5, "Hello you")
    xdotool("key", "Return", "BackSpace", "Left", "F5", "Escape", "ctrl+c", "shift+Tab")
    xdotool("click", 1, "click", 3, "click", 4, "click", 5, "click", 5)
    with Injector(display) as injector:
        injector.send(injector.move(40, 0), injector.move(0, 20), injector.move(40, 20))
        injector.sync()
    assert process.stop(1.0) == 0
    records = process.stream()
    assert Counter(KeyClass(r[2]).name for r in records if r[1] == KEY) == {
        "TEXT": 9, "ENTER": 1, "EDIT": 1, "NAV": 1, "FUNCTION": 1, "ESCAPE": 1, "MODIFIER": 1, "COMMAND": 1, "TAB": 1,
    }  # fmt: skip
    assert Counter(r[2] for r in records if r[1] == CLICK) == {Button.LEFT: 1, Button.RIGHT: 1}
    scrolls: Counter[int] = Counter()
    for record in records:
        if record[1] == SCROLL:
            scrolls[record[2]] += record[3]
    assert scrolls == {Direction.UP: 1, Direction.DOWN: 2}
    assert 0 < sum(r[3] for r in records if r[1] == MOVE) <= 20
    assert process.output() == b""
    assert xterm


def test_a_key_let_go_after_shift_counts_again_the_next_time(process: CaptureProcess, display: str) -> None:
    """pynput says A went down and a came up."""
    shift, a = 50, 38
    with Injector(display) as injector:
        for _ in range(3):
            injector.send(injector.press(shift), injector.press(a), injector.release(shift), injector.release(a))
            injector.sync()
    assert process.stop(1.0) == 0
    assert Counter(KeyClass(r[2]).name for r in process.stream() if r[1] == KEY) == {"TEXT": 3}


def test_it_refuses_where_a_policy_leaves_out_what_it_cannot_tell_apart(display: str) -> None:
    with pytest.raises(Unavailable, match="cannot tell what other programs put in"):
        capture.load("pynput").capture(grant(injected="exclude"))
    assert display


def test_its_display_goes_away() -> None:
    server = Server()
    try:
        process = CaptureProcess("pynput", grant(), environment(server.display))
        process.wait_running()
        server.kill()
        assert process.wait(60) == 4
        assert process.output() == b""
        process.close()
    finally:
        server.stop()


def test_overflow_is_counted_and_becomes_a_gap(display: str) -> None:
    opened = capture.load("pynput").capture(grant("pointer"))
    try:
        for _ in range(QUEUE + 5):
            opened._put(CLICK, Button.LEFT, 1)  # type: ignore[attr-defined]
        events = opened.read().events
        assert len(events) == QUEUE + 1
        assert events[-1][1:3] == (GAP, Reason.OVERFLOW)
        assert not opened.read().events
    finally:
        opened.close()
    assert display


def test_a_dead_listener_is_a_lost_display(display: str) -> None:
    opened = capture.load("pynput").capture(grant("keyboard"))
    try:
        threads = opened._threads  # type: ignore[attr-defined]
        for thread in threads:
            thread.stop()

        def ended() -> bool:
            with Injector(display) as injector:  # it notices at the next input
                injector.send(injector.key(38))
                injector.sync()
            return not any(thread.is_alive() for thread in threads)

        wait_until(ended, 20, "the end of the listener")
        opened._queue.clear()  # type: ignore[attr-defined]  # what it had queued before
        with pytest.raises(DisplayLost):
            opened.read()
    finally:
        opened.close()
    assert display


def test_it_hears_from_the_moment_that_it_is_open(display: str) -> None:
    """pynput's own listeners say that they are ready a little before they are."""
    with Injector(display) as injector:
        for _ in range(10):
            opened = capture.load("pynput").capture(grant("keyboard"))
            injector.send(injector.key(38))
            injector.sync()
            wait_until(lambda: opened._queue, 5, "the first key")  # type: ignore[attr-defined]  # noqa: B023
            opened.close()


def test_importing_it_without_a_display_is_fine() -> None:
    code = (
        "import desktop_logger.capture.pynput as p, sys; assert 'pynput' not in sys.modules; print(p.Pynput().probe())"
    )
    env = environment("")
    del env["DISPLAY"]
    done = subprocess.run([sys.executable, "-I", "-c", code], env=env, check=True, capture_output=True, text=True)
    assert "viable=False" in done.stdout
    assert "graphical session" in done.stdout
