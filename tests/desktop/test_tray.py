"""The icon in the tray on a session bus of its own: its menu, what it notifies, and that it tells the truth."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bus import Desktop
from tests.people import Person
from tests.testbed import wait_until
from tests.withdrawals import alive


@pytest.fixture
def desktop() -> Iterator[Desktop]:
    made = Desktop()
    yield made
    made.stop()


@pytest.fixture
def person(tmp_path: Path, display: str, desktop: Desktop) -> Iterator[Person]:
    someone = Person(str(tmp_path / "home"), display)
    someone.sign()  # without the bus, so that no keyring is asked
    someone.env["DBUS_SESSION_BUS_ADDRESS"] = desktop.address
    yield someone
    someone.run("stop")


def test_the_icon_says_what_is_and_its_menu_does_what_it_says(person: Person, desktop: Desktop) -> None:
    person.start()
    wait_until(lambda: desktop.items, 5, "the icon")
    wait_until(lambda: "recording" in desktop.title() and "not" not in desktop.title(), 5, "the truth")
    wait_until(lambda: desktop.notified, 5, "a notification")
    desktop.choose("Pause for 5 minutes")
    wait_until(lambda: person.status()["state"] == "paused", 5, "the pause")
    status = person.status()
    assert 280 < status["resumes_in"] <= 300
    assert status["pids"]["capture"] is None
    wait_until(lambda: "paused" in desktop.title(), 5, "the truth again")
    desktop.choose("Pause or resume")
    wait_until(lambda: person.status()["state"] == "recording", 10, "recording")
    capture = person.status()["pids"]["capture"]
    desktop.choose("Look at my data ...")
    wait_until(lambda: any("desktop-logger inspect" in text for text in desktop.notified), 5, "how to look")
    assert person.status()["state"] == "recording"
    desktop.choose("Withdraw consent")
    wait_until(lambda: not alive(capture), 5, "the end of capture")
    wait_until(lambda: person.status()["state"] == "no-consent", 10, "the end")
    words = [text.strip("*|- ") for text in desktop.notified if "desktop-logger inspect" not in text]
    assert words[0] in ("recording", "not recording")
    assert "paused" in words
    assert all(text in ("recording", "paused", "not recording") for text in words)


def test_a_bus_that_goes_away_takes_only_the_icon(person: Person, desktop: Desktop) -> None:
    person.start()
    wait_until(lambda: desktop.items, 5, "the icon")
    desktop.stop()
    person.ok("pause")
    person.ok("resume")
    status = person.status()
    assert (status["state"], status["indicator"]) == ("recording", "window")
