"""Recorded time and gaps are the whole time, whatever happens in between; and none of that leaves."""

from __future__ import annotations

from pathlib import Path

from desktop_logger.paths import Home
from tests.accounting import released, walk
from tests.people import Person
from tests.signing import Organisation


def test_recorded_time_and_gaps_are_the_whole_time_and_what_leaves_knows_one_reason(
    tmp_path: Path, display: str
) -> None:
    person = Person(str(tmp_path / "home"), display)
    Organisation().adopt(Home(person.home))
    person.sign()
    try:
        account = walk(person)
        assert account.adds_up(), (account, account.difference)
        assert set(account.gaps) == {"paused", "crashed", "indicator"}
        gaps = released(person)
        assert {reason for reason, _ in gaps} == {"unobserved"}
        assert {seconds for _, seconds in gaps} <= set(range(8))  # numbers of log2 buckets, not seconds
        assert person.json("verify")["ok"]
    finally:
        person.stop()
