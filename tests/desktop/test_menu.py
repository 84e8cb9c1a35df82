"""The sign's own menu, clicked on a real display: timed pauses, resuming, and how to look without starting anything."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from Xlib import display as displays

from desktop_logger.daemon import tray
from desktop_logger.daemon.indicator import MENU, ROW, WIDTH
from tests.people import Person
from tests.testbed import wait_until
from tests.withdrawals import click


@pytest.fixture
def person(tmp_path: Path, display: str) -> Iterator[Person]:
    someone = Person(str(tmp_path / "home"), display)
    someone.sign()
    yield someone
    someone.run("stop")


def heights(display: str) -> set[int]:
    """Heights of the windows that can be seen and are as wide as the sign."""
    server = displays.Display(display)
    try:
        places = [
            one.get_geometry() for one in server.screen().root.query_tree().children if one.get_attributes().map_state
        ]
        return {place.height for place in places if place.width == WIDTH}
    finally:
        server.close()


def children(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()


def test_the_signs_menu_pauses_for_a_time_resumes_and_says_how_to_look(person: Person) -> None:
    display = person.env["DISPLAY"]
    person.start()
    click(person, "1")
    wait_until(lambda: person.status()["state"] == "paused", 10, "the pause")
    assert 270 < person.status()["resumes_in"] <= 300
    click(person, "p")
    wait_until(lambda: person.status()["state"] == "recording", 10, "recording")
    click(person, "i")
    wait_until(lambda: ROW * len(tray.HOW_TO_LOOK) in heights(display), 10, "how to look")
    status = person.status()
    assert status["state"] == "recording"
    assert not children(status["pids"]["indicator"])
    assert status["sandbox"]["indicator"]["seccomp"] in ("on", "unavailable"), os.uname().release


def test_both_menus_offer_the_same_and_everything_that_was_promised() -> None:
    assert MENU is tray.CHOICES
    labels = " ".join(label for _, label in MENU)
    for words in ("5 minutes", "15 minutes", "hour", "resume", "Delete last 15", "Look at my data", "Stop", "Withdraw"):
        assert words in labels
    assert any("desktop-logger inspect" in line for line in tray.HOW_TO_LOOK)
    assert all(len(line) * 7 + 20 <= WIDTH for line in (*tray.HOW_TO_LOOK, *(label for _, label in MENU)))
