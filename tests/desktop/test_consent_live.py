"""A running recording and what happens to its consent: narrowed, widened, withdrawn, outside the hours."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from desktop_logger.cli.books import StoreBooks
from desktop_logger.consent.ceremony import Ceremony
from tests.answering import Answering
from tests.people import TRIES, Person, as_typed
from tests.signing import HeldClock, Organisation, Scripted
from tests.testbed import wait_until
from tests.withdrawals import ROUTES, alive, click, home_of, measure


@pytest.fixture
def person(tmp_path: Path, display: str) -> Iterator[Person]:
    someone = Person(str(tmp_path / "home"), display)
    yield someone
    someone.run("stop")


def test_narrowing_a_running_recording_goes_on_with_less(
    tmp_path: Path, display: str, answering: Answering, xdotool: Callable[..., str]
) -> None:
    for attempt in range(TRIES):
        person = Person(str(tmp_path / f"home-{attempt}"), display)
        person.sign(profile="events")
        person.start()
        try:
            xdotool("windowfocus", "--sync", answering.window)
            xdotool("type", "abc")
            xdotool("click", "1")
            person.settle(3.2)
            said = person.ok("consent", "narrow", "--without", "pointer")
            assert "keyboard" in said
            wait_until(lambda: narrowed(person), 8, "the narrower")  # noqa: B023
            xdotool("type", "de")
            xdotool("click", "1")
            person.settle()
        finally:
            person.stop()
        found = person.inspect()
        assert found["pointer"]["clicks"] <= 1
        assert "consent" in {gap["reason"] for gap in found["gaps"]}
        assert person.json("verify")["ok"]
        status = person.json("consent", "status")
        assert (status["scopes"], status["narrowed"]) == (["keyboard"], True)
        if as_typed(found, 5) and found["pointer"]["clicks"] == 1:
            return
    raise AssertionError(f"in {TRIES} tries not all that was typed was recorded")


def narrowed(person: Person) -> bool:
    status = person.status()
    return (status["state"], status["scopes"]) == ("recording", ["keyboard"])


def test_a_wider_policy_ends_recording_until_signed_again_which_then_goes_on(person: Person) -> None:
    works, home = Organisation(), home_of(person)
    works.adopt(home)
    person.sign()
    person.start()
    capture = person.status()["pids"]["capture"]
    began = time.monotonic()
    works.adopt(home, ("retention_days = 30", "retention_days = 31"), version=2)
    wait_until(lambda: not alive(capture), 8, "the end of capture")
    assert time.monotonic() - began < 60  # the gate looks every 4 s
    wait_until(lambda: "kept longer" in " ".join(person.status()["warnings"]), 5, "the reason")
    status = person.status()
    assert (status["state"], status["reason"], status["pids"]["capture"]) == ("paused", "consent", None)
    said = person.sign()
    assert "data is kept longer: 31 days" in said
    assert "Record keyboard?" not in said
    wait_until(lambda: person.status()["state"] == "recording", 10, "recording under the new consent")


def test_outside_the_signed_hours_nothing_is_recorded(person: Person) -> None:
    hours = '[schedule]\nweekdays = ["{}"]\nstart = "09:00"\nend = "17:00"\nzone = "UTC"\n\n[dpo]'
    other = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")[(time.gmtime().tm_wday + 3) % 7]
    Organisation().adopt(home_of(person), ("\n[dpo]", "\n" + hours.format(other)))
    assert "Outside these hours nothing is recorded" in " ".join(person.sign().split())
    assert "outside the signed hours" in person.start()
    status = person.status()
    assert (status["state"], status["reason"], status["pids"]["capture"]) == ("paused", "schedule", None)
    person.stop()
    assert person.inspect()["keys"] == {}


@pytest.mark.parametrize("route", ROUTES)
def test_withdrawal_by_every_route_ends_capture(person: Person, route: str) -> None:
    person.sign()
    took = measure(person, route)
    assert took < 30, took  # on a busy machine; how long exactly, over many runs: docs/explanation/promises.md
    assert person.run("start").returncode == 3


def test_withdrawing_at_the_sign_makes_a_signed_withdrawal(person: Person) -> None:
    person.sign()
    person.start()
    pids = person.status()["pids"]
    click(person, "w")
    wait_until(lambda: not alive(pids["capture"]), 5, "the end of capture")
    wait_until(lambda: not any(alive(pid) for pid in pids.values()), 10, "the end of every process")
    (name,) = (name for name in os.listdir(home_of(person).receipts) if name.endswith(".withdrawn.json"))
    path = os.path.join(home_of(person).receipts, name)
    assert "good: withdrawal" in person.ok("consent", "verify", path)
    with open(os.path.join(person.home, "ledger", "ledger.jsonl"), encoding="utf-8") as file:
        assert any(json.loads(line)["kind"] == "consent.withdrawn" for line in file)


def test_the_sign_tells_the_truth(person: Person) -> None:
    """What the sign is told, beside the processes that exist, through a life of pauses and restarts."""
    person.sign()
    person.start()
    for verb, words in (("pause", ()), ("resume", ()), ("pause", ("1h",)), ("resume", ())):
        person.ok(verb, *words)
        status = person.status()
        assert (status["state"] == "recording") == alive(status["pids"]["capture"])
        assert status["pids"]["capture"] is None or status["state"] == "recording"


def test_a_consent_that_ends_soon_is_said_in_every_status(person: Person) -> None:
    long_ago = HeldClock(time.time() - 178 * 86_400)
    home = home_of(person)
    Ceremony(home, long_ago, Scripted(), StoreBooks(home, long_ago)).hold()
    assert any("ends in 2 days, soon" in warning for warning in person.status()["warnings"])
    said = person.json("consent", "status")
    assert said["valid"], said
    assert "ends in 2 days" in said["reminder"]
    person.start()
    assert any("ends in 2 days, soon" in warning for warning in person.status()["warnings"])
