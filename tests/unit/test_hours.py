"""The signed hours: nothing outside them, summer time kept, and wider ones ask for a new signature."""

from __future__ import annotations

import json
import tomllib
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desktop_logger import policy
from desktop_logger.consent import gate, hours
from desktop_logger.errors import NoConsent, UsageError
from desktop_logger.paths import shipped
from tests.signing import HeldClock, Organisation, Scripted, home_in, signed

pytestmark = pytest.mark.usefixtures("quick_passphrases")

OFFICE: dict[str, Any] = {
    "weekdays": ["mon", "tue", "wed", "thu", "fri"], "start": "09:00", "end": "17:00", "zone": "Europe/Berlin",
}  # fmt: skip


def at(text: str, zone: str = "Europe/Berlin") -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


@pytest.mark.parametrize(
    ("moment", "inside"),
    [
        ("2026-11-20T08:59:59", False), ("2026-11-20T09:00:00", True), ("2026-11-20T16:59:58", True),
        ("2026-11-20T16:59:59", False),  # a second and a half early: what is under way then must not fall outside
        ("2026-11-20T17:00:00", False), ("2026-11-21T12:00:00", False), ("2026-07-01T09:00:00", True),
        ("2026-07-01T08:30:00", False), ("2026-03-29T12:00:00", False), ("2026-03-30T09:00:00", True),
    ],
)  # fmt: skip
def test_the_edges_of_the_hours_in_winter_and_summer(moment: str, inside: bool) -> None:
    assert hours.within(OFFICE, at(moment)) is inside


def test_without_hours_every_moment_is_inside_and_an_unknown_zone_is_outside() -> None:
    assert hours.within(None, 0)
    assert not hours.within({**OFFICE, "zone": "Nowhere/Nothing"}, at("2026-11-20T12:00:00"))
    assert hours.within({**OFFICE, "weekdays": list(hours.WEEKDAYS), "start": "00:00", "end": "24:00"}, 1e9)


def test_when_they_begin_next() -> None:
    assert hours.opens(OFFICE, at("2026-11-20T17:00:00")) == at("2026-11-23T09:00:00")
    assert hours.opens(OFFICE, at("2026-11-20T08:00:30")) == at("2026-11-20T09:00:00")
    assert hours.opens({**OFFICE, "zone": "Nowhere/Nothing"}, 0) is None


minutes = st.times().map(lambda value: f"{value.hour:02}:{value.minute:02}")
schedules = st.builds(
    lambda days, one, two: {"weekdays": days, "start": min(one, two), "end": max(one, two), "zone": "Asia/Tokyo"},
    st.sets(st.sampled_from(hours.WEEKDAYS), min_size=1), minutes, minutes,
)  # fmt: skip


@given(wide=schedules, narrow=schedules, now=st.integers(1_700_000_000, 1_800_000_000))
def test_what_covers_has_every_moment_of_what_it_covers(wide: Any, narrow: Any, now: int) -> None:
    assert hours.covers(None, narrow)
    assert not hours.covers(wide, None)
    assert hours.covers(wide, wide)
    if hours.covers(wide, narrow) and hours.within(narrow, now):
        assert hours.within(wide, now)


SCHEDULE = '[schedule]\nweekdays = ["mon", "tue"]\nstart = "09:00"\nend = "17:00"\nzone = "Europe/Berlin"\n\n[dpo]'


@pytest.mark.parametrize(
    "change",
    [('"mon", "tue"', '"mon", "mon"'), ('"mon", "tue"', '"monday"'), ('"17:00"', '"09:00"'), ('"17:00"', '"08:00"'),
     ('"09:00"', '"9:00"'), ('"09:00"', '"25:00"'), ("Europe/Berlin", "Europe/Nowhere"), ("Europe/Berlin", "../etc"),
     ('start = "09:00"\n', "")],
)  # fmt: skip
def test_hours_that_name_no_time_are_refused_by_name(tmp_path: object, change: tuple[str, str]) -> None:
    assert change[0] in SCHEDULE
    with pytest.raises(UsageError, match="schedule"):
        Organisation().adopt(home_in(tmp_path), ("\n[dpo]", "\n" + SCHEDULE.replace(*change)))


def test_hours_are_signed_said_and_compared(tmp_path: object) -> None:
    home, clock, works = home_in(tmp_path), HeldClock(), Organisation()
    works.adopt(home, ("\n[dpo]", "\n" + SCHEDULE))
    person = Scripted(yes=("keyboard",))
    signed(home, clock, person)
    assert any("Monday, Tuesday, 09:00-17:00 (Europe/Berlin)" in text for text in person.said)
    found = gate.check(home, clock)
    assert found.schedule == {"weekdays": ["mon", "tue"], "start": "09:00", "end": "17:00", "zone": "Europe/Berlin"}
    assert gate.inherit(found.to_wire()).schedule == found.schedule
    works.adopt(home, ("\n[dpo]", "\n" + SCHEDULE.replace('"17:00"', '"16:00"')), version=2)
    narrower = gate.check(home, clock).schedule
    assert narrower
    assert narrower["end"] == "16:00"
    for version, change in enumerate((('"17:00"', '"18:00"'), ('"tue"', '"tue", "wed"'), ("Berlin", "Paris")), 3):
        works.adopt(home, ("\n[dpo]", "\n" + SCHEDULE.replace(*change)), version=version)
        with pytest.raises(NoConsent, match="hours"):
            gate.check(home, clock)
    works.adopt(home, version=9)
    with pytest.raises(NoConsent, match="hours"):
        gate.check(home, clock)


def test_the_example_schedule_is_one() -> None:
    with open(shipped("config", "policy.example.toml"), encoding="utf-8") as file:
        text = file.read()
    lines = text[text.index("# [schedule]") :].split("\n\n")[0].splitlines()
    table = "\n".join(line.removeprefix("# ").split("  #")[0] for line in lines)
    policy.Schedule.model_validate_json(json.dumps(tomllib.loads(table)["schedule"]))
