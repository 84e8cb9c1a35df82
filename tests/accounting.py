"""A recording is paused, and its processes are killed; then its own ledger must account for the whole time.

``python -m tests.accounting`` also waits for a rest and for the end of the signed hours (about five minutes); the
default tests leave these two out.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import tempfile
import time
from typing import NamedTuple

from desktop_logger.paths import Home
from tests.inject import Injector
from tests.people import Person
from tests.signing import Organisation
from tests.testbed import Server, wait_until

TICK_S = 5
"""Seconds between two frames, and so of each."""
MOMENT_S = 1.5
"""The last start's first moment, and the halves of a second of a dozen roundings."""


class Account(NamedTuple):
    """Seconds, from what is stored."""

    recorded: float
    gaps: dict[str, int]
    whole: float
    """From the answer of ``start`` to the word ``stop``, as the test's own clock has it."""
    twice: float
    """What is recorded and told as a gap as well: of a killed capture and a killed writer a second each."""

    @property
    def difference(self) -> float:
        return self.recorded + sum(self.gaps.values()) - self.whole

    def adds_up(self) -> bool:
        """Whether nothing is missing, and nothing is counted twice but what crashes explain."""
        return -MOMENT_S <= self.difference <= MOMENT_S + self.twice


def recorded(person: Person) -> float:
    """Seconds of all segments: what was sealed says its own, of what a crash ended the frames count."""
    total = 0.0
    for entry in person.json("ledger")["entries"]:
        if entry["kind"] == "segment.sealed":
            total += entry["seconds"]
        elif entry["kind"] == "segment.recovered":
            total += (entry["streams"]["own"] or {"frames": 0})["frames"] * TICK_S
    return total


def again(person: Person, role: str, seconds: float = 20) -> None:
    """Kill one process, and wait until everything runs again with another one."""
    before = person.status()["pids"][role]
    os.kill(before, signal.SIGKILL)

    def runs() -> bool:
        said = person.status()
        return said["state"] == "recording" and said["pids"][role] not in (None, before)

    wait_until(runs, seconds, f"recording again after the {role}'s end")


def walk(person: Person, *, rest: bool = False, until: float = 0.0, seed: int = 1) -> Account:
    """Record through pauses and crashes in a random order, ``rest`` and the end of the hours, and account for it."""
    chance = random.Random(seed)
    person.start()
    began = time.monotonic()
    steps = ["pause", "capture", "writer", "indicator", "stand"]
    chance.shuffle(steps)
    for step in steps:
        time.sleep(chance.uniform(0.5, 2.5))
        if step == "pause":
            person.ok("pause")
            time.sleep(chance.uniform(1.0, 4.0))
            person.ok("resume")
        elif step != "stand":
            again(person, step)
    if rest:
        wait_until(lambda: person.status()["reason"] == "rested", 150, "a rest")
        assert person.status()["state"] == "recording"
        time.sleep(20)
        with Injector(person.env["DISPLAY"]) as injector:
            injector.send(injector.move(50, 0))
            injector.sync()
        wait_until(lambda: person.status()["reason"] is None, 5, "the end of the rest")
        time.sleep(2)
    if until:
        wait_until(lambda: person.status()["reason"] == "schedule", until - time.time() + 10, "the end of the hours")
        time.sleep(4)
    whole = time.monotonic() - began
    person.stop()
    gaps = {gap["reason"]: gap["seconds"] for gap in person.inspect()["gaps"]}
    return Account(recorded(person), gaps, whole, 2.0)


def released(person: Person) -> set[tuple[str, int]]:
    """Every gap that an admin would see: reason and the number that stands for its length."""
    import json

    from tests.people import PASSPHRASE

    lines = person.ok("inspect", "--as-admin", "--events", "--json", passphrase=PASSPHRASE).splitlines()
    rows = [json.loads(line) for line in lines]
    return {(row["reason"], row["seconds"]) for row in rows if row["record"] == "gap"}


def hours(end: float) -> tuple[str, str]:
    """A change of the policy: signed hours that end at ``end``."""
    days = '"mon", "tue", "wed", "thu", "fri", "sat", "sun"'
    edge = time.strftime("%H:%M", time.gmtime(end))
    return "\n[dpo]", f'\n[schedule]\nweekdays = [{days}]\nstart = "00:00"\nend = "{edge}"\nzone = "UTC"\n\n[dpo]'


def main() -> int:
    """The long walk; 1 when it does not add up."""
    with tempfile.TemporaryDirectory(prefix="desktop-logger-") as folder:
        server = Server()
        person = Person(os.path.join(folder, "home"), server.display)
        try:
            end = (time.time() // 60 + 6) * 60
            Organisation().adopt(Home(person.home, os.path.join(person.home, "run")), hours(end))
            person.sign()
            account = walk(person, rest=True, until=end)
            print(account, f"difference {account.difference:+.1f} s", f"released: {released(person)}", sep="\n")
            # what ends the rest is a program's hand, which an organisation's policy leaves out
            wanted = {"paused", "crashed", "indicator", "rested", "schedule", "not_allowed"}
            good = account.adds_up() and set(account.gaps) == wanted and person.json("verify")["ok"]
            return 0 if good else 1
        finally:
            person.stop()
            server.stop()


if __name__ == "__main__":
    sys.exit(main())
