"""Made-up office work: simulated people, their input as replay lines, and export-shaped datasets of it. Nobody's data.

``python -m desktop_logger.testing.office --out DIR [--people 48] [--sessions 4] [--profile coarse] [--seed 1]``

Input goes through the product's own reader of replay files, classes, redactor and profiles; what is written is what
``admin export`` would write, marked *simulated* in its card. It is for trying the program and for benchmarks, and
**never evidence**: how well a model foresees a simulator says how the simulator was written.

Distributions. Typing: pace drawn per person around 52 words a minute with a wide spread (Dhakal, Feit, Kristensson and
Oulasvirta, *Observations on Typing from 136 Million Keystrokes*, CHI 2018), pauses between keys log-normal. Pointing:
movement time after Fitts's law in Shannon's form, ``0.2 s + 0.15 s * log2(D / W + 1)`` (MacKenzie, *Fitts' Law as a
Research and Design Tool in HCI*, HCI 7, 1992; coefficients of the size found for mice). Everything else is invented:
which tasks there are (``TASKS``), what each is made of, how long one reads, how often somebody takes the menu rather
than the keyboard, and that one session in six passes a password field, which makes a gap.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import shutil
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from desktop_logger import disk
from desktop_logger.capture.replay import Reader, Rule
from desktop_logger.clock import Clock, day
from desktop_logger.dataset import folder
from desktop_logger.dataset.arrow import Session
from desktop_logger.dataset.card import Terms, card
from desktop_logger.dataset.parts import PartWriter, part_name
from desktop_logger.dataset.tally import Tally
from desktop_logger.errors import DesktopLoggerError, UsageError
from desktop_logger.inspection.columns import Records, ordered
from desktop_logger.policy import shipped_categories
from desktop_logger.records.events import Batch
from desktop_logger.records.layout import GAP, RECORD_BYTES, SCOPE_OF_KIND
from desktop_logger.records.profiles import PROFILES, SCOPES, SEGMENT_S, Profile
from desktop_logger.redaction import Redactor, for_release
from desktop_logger.segments.reading import RECORDS

Line = dict[str, Any]

_WORD_S = 52 / 60
"""Words a second of the middle typist; a word is five keys and a space."""


class Person(NamedTuple):
    """One simulated person's habits."""

    pace: float
    """Seconds from key to key, median."""
    slips: float
    """Share of keys that are taken back."""
    keyboard: float
    """How often a command is given by its keys rather than by the menu."""
    jobs: Mapping[str, float]
    """Weights of the tasks."""


class Desk:
    """A person at a desk: acts, and the time they take, as lines of a replay file."""

    def __init__(self, person: Person, rng: random.Random) -> None:
        self.person, self.rng = person, rng
        self.now = 1.0
        self.lines: list[Line] = []

    def wait(self, median: float, spread: float = 0.6) -> None:
        """Think, read, look."""
        self.now += self.rng.lognormvariate(math.log(median), spread)

    def _say(self, **line: Any) -> None:
        self.lines.append({"t": round(self.now, 3), **line})

    def key(self, name: str, *held: str) -> None:
        """One press, with modifiers around it."""
        for modifier in held:
            self._say(key=modifier, down=True)
            self.now += 0.02
        self._say(key=name, down=True)
        self.now += 0.03
        self._say(key=name, down=False)
        for modifier in reversed(held):
            self._say(key=modifier, down=False)
        self.now += self.rng.lognormvariate(math.log(self.person.pace), 0.45)

    def type(self, words: int) -> None:
        """Some words, with corrections. Which letters they are of does not matter: the filter cannot tell."""
        for _ in range(words):
            for _ in range(self.rng.choice((2, 3, 4, 5, 5, 6, 8))):
                self.key("e")
                if self.rng.random() < self.person.slips:
                    self.key("BackSpace")
                    self.key("e")
            self.key("space")
            if self.rng.random() < 0.08:
                self.wait(2.5)

    def point(self, distance: float) -> None:
        """A stroke of the pointer."""
        angle = self.rng.uniform(0, 2 * math.pi)
        seconds = 0.2 + 0.15 * math.log2(distance / 24 + 1)
        for _ in range(6):
            self.now += seconds / 6
            self._say(move=[round(distance / 6 * math.cos(angle)), round(distance / 6 * math.sin(angle))])

    def click(self, times: int = 1, *, button: int = 1) -> None:
        """Point at something and click."""
        self.point(self.rng.lognormvariate(math.log(300), 0.7))
        for _ in range(times):
            self.now += 0.15
            self._say(button=button, down=True)
            self.now += 0.06
            self._say(button=button, down=False)
        self.now += 0.2

    def scroll(self, steps: int, way: int = -1) -> None:
        """Turn the wheel."""
        for _ in range(steps):
            self._say(scroll=[0, way])
            self.now += self.rng.uniform(0.05, 0.2)

    def command(self, letter: str) -> None:
        """Give a command, by its keys or by the menu."""
        if self.rng.random() < self.person.keyboard:
            self.key(letter, "Control_L")
            return
        self.click()
        self.wait(0.6)
        self.point(120)
        self.now += 0.1
        self._say(button=1, down=True)
        self.now += 0.06
        self._say(button=1, down=False)
        self.now += 0.3

    def switch(self, application: str) -> None:
        """Go to another application, by keys or by clicking."""
        if self.rng.random() < self.person.keyboard:
            self.key("Tab", "Alt_L")
        else:
            self.click()
        self.focus(application)
        self.wait(0.8)

    def focus(self, application: str, *, secure: bool = False) -> None:
        """Another application has the focus now."""
        self._say(focus=application, secure=secure)


def _letter(desk: Desk) -> None:
    """Write: paragraphs, some formatting, saved now and then."""
    desk.switch("org.libreoffice.LibreOffice.writer")
    for _ in range(desk.rng.randint(1, 4)):
        desk.wait(3.0)
        desk.type(desk.rng.randint(6, 30))
        if desk.rng.random() < 0.25:
            desk.click(2)
            desk.command("b")
        if desk.rng.random() < 0.2:
            desk.command("z")
        desk.key("Return")
        if desk.rng.random() < 0.5:
            desk.command("s")
    desk.command("s")
    if desk.rng.random() < 0.1:
        desk.command("p")
        desk.click()


def _mail(desk: Desk) -> None:
    """Read some mails, answer a few."""
    desk.switch("org.mozilla.Thunderbird")
    for _ in range(desk.rng.randint(2, 6)):
        desk.click()
        desk.wait(6.0)
        if desk.rng.random() < 0.6:
            desk.scroll(desk.rng.randint(2, 9))
            desk.wait(4.0)
        if desk.rng.random() < 0.4:
            desk.click()
            desk.wait(1.5)
            desk.type(desk.rng.randint(5, 25))
            desk.key("Return")
            desk.click()
        elif desk.rng.random() < 0.4:
            desk.key("Delete")


def _table(desk: Desk) -> None:
    """Fill rows of a table: a value, Tab, a value, Tab, a value, Enter; copy down now and then; save."""
    desk.switch("org.libreoffice.LibreOffice.calc")
    desk.click()
    for row in range(desk.rng.randint(4, 12)):
        for column in range(3):
            for _ in range(desk.rng.randint(4, 7)):
                desk.key("KP_5")
            desk.key("Return" if column == 2 else "Tab")
            desk.wait(0.7)
        if row % 3 == 2:
            desk.command("c")
            for _ in range(desk.rng.randint(1, 3)):
                desk.key("Down")
            desk.command("v")
            desk.wait(1.0)
    desk.command("s")


def _gather(desk: Desk) -> None:
    """Carry pieces from one application to another: select, copy, switch, paste, Enter, switch back."""
    for _ in range(desk.rng.randint(3, 8)):
        desk.switch("org.mozilla.firefox")
        if desk.rng.random() < 0.5:
            desk.scroll(desk.rng.randint(2, 6))
        desk.wait(2.0)
        desk.click(2)
        desk.command("c")
        desk.switch("org.libreoffice.LibreOffice.writer")
        desk.command("v")
        desk.key("Return")
        desk.wait(0.9)


def _search(desk: Desk) -> None:
    """Look something up: a tab, some words, Enter, read, follow, find on the page, close."""
    desk.switch("org.mozilla.firefox")
    desk.command("t")
    desk.type(desk.rng.randint(1, 4))
    desk.key("Return")
    desk.wait(2.5)
    for _ in range(desk.rng.randint(1, 3)):
        desk.click()
        desk.wait(3.0)
        desk.scroll(desk.rng.randint(3, 20))
        desk.wait(5.0)
    if desk.rng.random() < 0.4:
        desk.command("f")
        desk.type(1)
        desk.key("Return")
        desk.wait(2.0)
        desk.key("Escape")
    desk.command("w")


TASKS: dict[str, Callable[[Desk], None]] = {
    "letter": _letter, "mail": _mail, "table": _table, "gather": _gather, "search": _search,
}  # fmt: skip


class Plan(NamedTuple):
    """How much of what is simulated."""

    people: int = 48
    sessions: int = 4
    """Segments of ten minutes a person."""
    seed: int = 1
    jobs: Mapping[str, float] = {}
    """Weights of tasks for everybody, where they differ from even; 0: nobody does it."""
    first: int = 0
    """Number of the first person, so that a later round has other people."""


def person(plan: Plan, number: int) -> Person:
    """The habits of one person, the same whenever asked."""
    rng = random.Random(plan.seed * 1_000_003 + number)  # noqa: S311 - made-up people, the same every time
    jobs = {name: plan.jobs.get(name, 1.0) * rng.lognormvariate(0, 0.8) for name in TASKS}
    return Person(
        1 / (6 * _WORD_S) * rng.lognormvariate(-0.1, 0.35), rng.uniform(0.02, 0.1), rng.betavariate(2, 1.3), jobs
    )


def session(plan: Plan, number: int, which: int) -> list[Line]:
    """One segment of one person's input, as lines of a replay file."""
    rng = random.Random((plan.seed * 1_000_003 + number) * 1009 + which)  # noqa: S311 - the same every time
    desk = Desk(person(plan, number), rng)
    jobs = {name: weight for name, weight in desk.person.jobs.items() if weight > 0}
    secure_at = rng.uniform(100, 500) if rng.random() < 1 / 6 else math.inf
    last = ""
    while desk.now < SEGMENT_S - 5:
        # what one does is often done again
        if not last or rng.random() > 0.35:
            last = rng.choices(list(jobs), list(jobs.values()))[0]
        TASKS[last](desk)
        if desk.now > secure_at:
            desk.focus("org.keepassxc.KeePassXC", secure=True)
            desk.wait(12)
            desk.focus("org.mozilla.firefox")
            secure_at = math.inf
        desk.wait(4)
    return [line for line in desk.lines if line["t"] < SEGMENT_S]


def redacted(lines: list[Line], profile: Profile) -> dict[str, list[Records]]:
    """Lines through the product's reader and redactor: records by scope."""
    reader = Reader("made-up input", Rule(categories=shipped_categories()))
    redactor = Redactor(_Everything(profile))
    redactor.begin(0)
    events = [event for line in lines for event in reader.line(json.dumps(line).encode())[1]]
    redactor.feed(Batch(sorted([*events, *reader.rest()], key=lambda event: event[0]), reader.last))
    redactor.flush(reader.last)
    data = for_release(redactor.take()[0], profile, profile)  # gaps as an export knows them
    whole = np.frombuffer(data, RECORDS)
    kinds = np.array([[kind, SCOPES.index(scope)] for kind, scope in SCOPE_OF_KIND.items()])
    scope = np.full(256, -1)
    scope[kinds[:, 0]] = kinds[:, 1]
    of = scope[whole["kind"]]
    assert len(data) == whole.size * RECORD_BYTES  # noqa: S101
    return {name: [whole[(of == n) | (whole["kind"] == GAP)]] for n, name in enumerate(SCOPES)}


class _Everything(NamedTuple):
    """A grant of all scopes under one profile, nothing released."""

    own: Profile
    scopes: tuple[str, ...] = SCOPES
    named_commands: bool = True
    release: Profile | None = None


def write(out: str, plan: Plan, profile: str = "coarse", step: Callable[[int], None] = lambda _done: None) -> str:
    """An export-shaped dataset of simulated people; its id. Raises ``Refused`` where ``out`` exists."""
    if profile not in PROFILES:
        raise UsageError(f"'{profile[:20]}' is not a profile", f"Profiles: {', '.join(PROFILES)}.")
    out = disk.new_place(out)
    draft = disk.draft_of(out)
    disk.remove_all(draft)
    os.makedirs(os.path.join(draft, "data"), 0o700)
    tally = Tally()
    numbers = random.Random(plan.seed * 7 + plan.first)  # noqa: S311 - numbers of made-up sessions
    done = 0
    try:
        for group in range(16):
            members = [plan.first + n for n in range(plan.people) if n % 16 == group]
            if not members:
                continue
            with PartWriter(os.path.join(draft, part_name(group, 0, "parquet")), "parquet") as part:
                for one in members:
                    made = list(_sessions(plan, one, group, profile, numbers))
                    for found in part.write(made):
                        tally.add(found)
                    for some in made:
                        tally.session(some)
                    done += 1
                    step(done)
                part.close()
        export = uuid.uuid4().hex
        terms = Terms(
            "simulation", ("try this program with made-up input: nobody's actions",), ("evidence of anything",), (),
            "9999-12-31", 1, 1,
        )  # fmt: skip
        groups = min(plan.people, 16)
        facts = card(
            export, day(Clock().now()), "parquet", terms, tally, subjects=plan.people, groups=groups, published=False
        )
        folder.write_card(draft, {**facts, "simulated": True})
        os.rename(draft, out)
        disk.sync_folder(os.path.dirname(out))
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return export


def _sessions(plan: Plan, number: int, group: int, profile: str, numbers: random.Random) -> Iterator[Session]:
    for which in range(plan.sessions):
        records, scopes = ordered(redacted(session(plan, number, which), PROFILES[profile]))
        yield Session(numbers.getrandbits(62), group, profile, records, scopes)


def main(argv: list[str] | None = None) -> int:
    """Write one dataset."""
    parser = argparse.ArgumentParser(prog="desktop_logger.testing.office", description="Made-up office work.")
    parser.add_argument("--out", required=True, help="a new folder")
    parser.add_argument("--people", type=int, default=Plan().people)
    parser.add_argument("--sessions", type=int, default=Plan().sessions, help="segments of ten minutes a person")
    parser.add_argument("--profile", default="coarse")
    parser.add_argument("--seed", type=int, default=Plan().seed)
    given = parser.parse_args(argv)
    if not 1 <= given.people <= 100_000 or not 1 <= given.sessions <= 10_000:
        parser.error("people and sessions are from 1 up")
    try:
        export = write(given.out, Plan(given.people, given.sessions, given.seed), given.profile)
    except DesktopLoggerError as error:
        print(f"error: {error.message}", *([f"hint: {error.hint}"] if error.hint else []), sep="\n", file=sys.stderr)
        return error.exit_status
    print(f"simulated {given.people} people, {given.people * given.sessions} sessions: {given.out} (export {export})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
