"""What is read five times a second keeps the server's times, and belongs to what had the focus when it happened."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import pytest

from desktop_logger.records import attention
from desktop_logger.records.classes import Category, Reason, Role, Safety
from desktop_logger.records.layout import CLICK, FOCUS, GAP
from desktop_logger.records.profiles import EVENTS
from tests.capturing import CaptureProcess
from tests.granted import grant
from tests.inject import Injector
from tests.testbed import environment

GRID = EVENTS.grid_ms


@pytest.fixture
def process(display: str) -> Iterator[CaptureProcess]:
    made = CaptureProcess("x11", grant("pointer", "context"), environment(display))
    made.wait_running()
    yield made
    made.close()


def click(injector: Injector, button: int) -> tuple[float, float]:
    """Between which times (ms) the server has seen it."""
    before = time.monotonic() * 1000
    injector.send(injector.button(button))
    injector.sync()
    return before, time.monotonic() * 1000


def say(process: CaptureProcess, category: Category) -> None:
    """What the indicator says: this application has the focus from now on."""
    now = int(time.monotonic() * 1000)
    os.write(process.attention, attention.pack(now, Safety.SAFE, category, Role.UNKNOWN, attention.ALLOWED))


def test_what_gathers_between_two_reads_keeps_its_time_and_its_focus(process: CaptureProcess, display: str) -> None:
    process.safety = None  # from here on the focus is ours to say
    times: list[tuple[float, float]] = []
    with Injector(display) as injector:
        for button, category in ((1, Category.EDITOR), (2, Category.MAIL), (3, Category.EDITOR)):
            say(process, category)
            time.sleep(0.045)  # more than two cells of the grid; all three are within one read
            times.append(click(injector, button))
            time.sleep(0.045)
    until = time.monotonic() + 2.5
    while time.monotonic() < until:
        say(process, Category.EDITOR)
        time.sleep(0.2)
    process.tell("q")
    assert process.wait() == 0
    stream = process.stream()
    clicks = [record for record in stream if record[1] == CLICK]
    assert [record[2] for record in clicks] == [1, 2, 3]
    for one, other in ((0, 1), (1, 2)):
        apart = (clicks[other][0] - clicks[one][0]) * GRID
        assert times[other][0] - times[one][1] - GRID - 1 <= apart <= times[other][1] - times[one][0] + GRID + 1
    focus, seen = None, []
    for record in stream:
        if record[1] == FOCUS:
            focus = record[2]
        elif record[1] == CLICK:
            seen.append(focus)
    assert seen == [Category.EDITOR, Category.MAIL, Category.EDITOR]


def test_what_the_server_has_not_handed_over_when_it_pauses_is_said(process: CaptureProcess, display: str) -> None:
    with Injector(display) as injector:
        click(injector, 1)
    process.tell("q")  # long before the next read
    assert process.wait() == 0
    assert [record[2] for record in process.stream() if record[1] == GAP] == [Reason.UNKNOWN]
    assert not [record for record in process.stream() if record[1] == CLICK]
