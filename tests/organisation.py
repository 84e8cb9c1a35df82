"""An organisation and its people in one process, with the real ceremony, store, sealing, release and export."""

from __future__ import annotations

import json
import os
import re
import sqlite3
from collections.abc import Collection
from typing import Any

from desktop_logger import keystore, policy, release, store
from desktop_logger.admin import folder as folders
from desktop_logger.admin import lineage, registry
from desktop_logger.admin.erase import Erased, Request, erase
from desktop_logger.admin.export import Order, Report, export
from desktop_logger.admin.folder import Folder, Keys
from desktop_logger.cli.books import StoreBooks
from desktop_logger.clock import Clock
from desktop_logger.consent import gate, identity
from desktop_logger.consent.ceremony import Ceremony
from desktop_logger.consent.grant import Grant
from desktop_logger.consent.terminal import Terminal
from desktop_logger.paths import Home
from desktop_logger.records.classes import Button, Category, ClickKind, Command, KeyClass, Outcome, Reason, Role
from desktop_logger.records.events import Batch, Event
from desktop_logger.records.layout import CLICK, FOCUS, KEY, MOVE, TARGET, TASK, Redacted
from desktop_logger.records.profiles import SCOPES
from desktop_logger.redaction import Redactor
from desktop_logger.sealing import Signer, fingerprint
from tests.people import quick_passphrases

PASSPHRASE = "correct horse battery staple"  # noqa: S105 - made up, for homes that live as long as a test
START = 1_790_000_000.0


class HeldClock(Clock):
    """Wall-clock time that goes on only when a test says so."""

    def __init__(self, now: float = START) -> None:
        self.time = now

    def now(self) -> float:
        return self.time


class Script(Terminal):
    """A person who answers every prompt of the ceremony."""

    def __init__(self, scopes: Collection[str], purposes: Collection[str]) -> None:
        self.scopes, self.purposes = scopes, purposes
        self.said: list[str] = []

    def say(self, text: str = "") -> None:
        self.said.append(text)

    def page(self, text: str, more: str) -> None:
        raise AssertionError((text, more))

    def ask(self, prompt: str) -> str:
        if found := re.match(r"Record (\w+)\?", prompt):
            return "y" if found[1] in self.scopes else "n"
        if found := re.match(r"Type (\S+) to sign", prompt):
            return found[1]
        if prompt.startswith("Let "):
            return "y" if any(f"({one})" in prompt or one in prompt for one in self.purposes) else "n"
        return ""

    def secret(self, prompt: str) -> str:  # noqa: ARG002 - every secret is the same here
        return PASSPHRASE


class Organisation:
    """An admin's folder with a signed policy in force."""

    def __init__(self, root: str, clock: Clock, *, change: Collection[tuple[str, str]] = ()) -> None:
        self.clock = clock
        with quick_passphrases():
            self.folder: Folder = folders.create(os.path.join(root, "steward"), PASSPHRASE, clock)
        self.keys: Keys = self.folder.unlock(PASSPHRASE)
        with open(self.folder.policy_file, encoding="utf-8") as file:
            text = file.read()
        for before, after in (("cooling_off_hours = 24", "cooling_off_hours = 0"), *change):
            assert before in text, before
            text = text.replace(before, after)
        self.policy = policy.sign(text.encode(), self.keys.controller)

    def export(
        self, out: str, *outboxes: str, purpose: str = "improve-tools", form: str = "jsonl", **more: Any
    ) -> Report:
        return export(self.folder, self.keys, Order(outboxes, out, purpose, form), self.clock, **more)

    def erase(self, *outboxes: str, **more: Any) -> Erased:
        return erase(self.folder, self.keys, Request(outboxes, **more), self.clock)

    def lineage(self, export: str | None) -> list[dict[str, Any]]:
        """What the steward's lineage holds of each session of one export."""
        with lineage.opened(lineage.path_of(self.folder)) as connection:
            connection.row_factory = sqlite3.Row
            rows = connection.execute("SELECT * FROM sessions WHERE export = ? ORDER BY session", (export,)).fetchall()
        assert rows
        return [dict(one) for one in rows]


class Subject:
    """One person's home, signed for, with a way to record without a keyboard."""

    def __init__(
        self,
        root: str,
        organisation: Organisation,
        *,
        scopes: Collection[str] = ("keyboard", "pointer"),
        purposes: Collection[str] = ("find out", "train models"),
        registered: bool = True,
        clock: Clock | None = None,
    ) -> None:
        self.clock = clock or organisation.clock
        self.home = Home(root, os.path.join(root, "run"))
        self.home.create()
        policy.adopt(self.home, organisation.policy, "policy.signed.json")
        with quick_passphrases():
            self.sign(scopes, purposes)
        self.identity = identity.unlock(self.home, PASSPHRASE)
        if registered:
            registry.add_subject(organisation.folder, fingerprint(self.identity.signer.public), self.clock)

    def sign(self, scopes: Collection[str], purposes: Collection[str]) -> None:
        Ceremony(self.home, self.clock, Script(scopes, purposes), FileBooks(self.home, self.clock)).hold()

    @property
    def grant(self) -> Grant:
        return gate.check(self.home, self.clock)

    @property
    def outbox(self) -> str:
        return self.home.outbox

    def record(self, presses: int = 40) -> str:
        """One sealed segment with typing, a command, clicks, motion and a pause; returns its id."""
        grant = self.grant
        redactor = Redactor(grant)
        redactor.begin(0)
        redactor.feed(Batch(events(presses), 60_000))
        redactor.gap(Reason.PAUSED, 30, 60_000)
        redactor.flush(95_000)
        own, out = redactor.take()
        epoch, kek = keystore.load_kek(self.home)
        segment = store.open_segment(self.home, self.clock, grant, kek, epoch)
        segment.append("own", own)
        if grant.release is not None:
            segment.append("release", Redacted(bytes(out)))
        for stream in segment.streams:
            segment.tick(stream)
        segment.seal()
        return segment.id

    def release(self, *, after: float = 700.0, hurry: bool = False) -> release.Released:
        """Let time go by and write what may leave."""
        assert isinstance(self.clock, HeldClock)
        self.clock.time += after
        return release.write(self.home, self.clock, self.grant, hurry=hurry)


class FileBooks(StoreBooks):
    """The store with its key in a file: a test must not ask for anybody's keyring."""

    def kek_place(self) -> str:
        return "file"

    def begin(self, subject: Signer, place: str, *, afresh: bool) -> tuple[str, str]:  # noqa: ARG002
        return super().begin(subject, "file", afresh=afresh)


def events(presses: int) -> list[Event]:
    """A task, typing, a correction, a command, motion, two clicks and another program, in one minute."""
    made: list[Event] = [(100, FOCUS, Category.EDITOR, 0, 0, 0), (150, TASK, 1, Outcome.BEGIN, 0, 0)]
    made += [(200 + 150 * n, KEY, KeyClass.TEXT, 0, 0, 0) for n in range(presses)]
    made += [(30_000, KEY, KeyClass.EDIT, 0, 0, 0), (34_000, KEY, KeyClass.COMMAND, Command.COPY, 0, 0)]
    made += [(40_000 + 100 * n, MOVE, 0, 0, 90, -40) for n in range(10)]
    for ms, kind in ((45_000, ClickKind.SINGLE), (45_200, ClickKind.DOUBLE)):
        made += [(ms, CLICK, Button.LEFT, 1, 0, 0), (ms, TARGET, Role.LINK, kind, 0, 0)]
    return [*made, (46_000, FOCUS, Category.BROWSER, 0, 0, 0), (50_000, TASK, 1, Outcome.OK, 0, 0)]


def offering(offered: Collection[str] = SCOPES, read: Collection[str] = SCOPES) -> list[tuple[str, str]]:
    """Changes to the example of a policy: scopes that people are asked about, and those that the reader may open."""
    both = 'scopes = ["keyboard", "pointer"]'
    task = '[[tasks]]\nid = "report"\ntext = {en = "a report", de = "ein Bericht", fr = "un rapport"}\n\n'
    return [
        (f"{both}   #", f"scopes = {json.dumps(list(offered))}   #"),
        (f"{both}\n", f"scopes = {json.dumps(list(read))}\n"),
        ("[[recipients]]  ", f"{task if 'task' in offered else ''}[[recipients]]  "),
    ]
