"""Consents without a terminal, for tests: a scripted person and a store that only remembers."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from desktop_logger import policy, sealing
from desktop_logger.clock import Clock
from desktop_logger.consent.ceremony import Ceremony
from desktop_logger.consent.receipt import Receipt
from desktop_logger.consent.terminal import Terminal
from desktop_logger.paths import Home
from tests.people import quick_passphrases
from tests.unit.test_policy import organisation

PASSPHRASE = "correct horse battery staple"  # noqa: S105 - a made-up one


class HeldClock(Clock):
    """A clock that stands where the test puts it (Unix seconds)."""

    def __init__(self, seconds: float = 1_800_000_000) -> None:
        self.seconds = seconds

    def now(self) -> float:
        return self.seconds


class Scripted(Terminal):
    """A person who answers from a script: ``yes`` names what is affirmed, the rest is declined."""

    def __init__(self, yes: Iterable[str] = ("keyboard", "pointer"), **answers: str) -> None:
        self.yes, self.answers = tuple(yes), answers
        self.said: list[str] = []
        self.asked: list[str] = []

    def say(self, text: str = "") -> None:
        self.said.append(text)

    def page(self, text: str, more: str) -> None:
        self.said.append(text)
        self.asked.append(more)

    def ask(self, prompt: str) -> str:
        self.asked.append(prompt)
        for start, answer in self.answers.items():
            if prompt.lower().startswith(start):
                return answer
        if "[y/N]" in prompt:
            return "y" if any(word in prompt for word in self.yes) else ""
        if prompt.startswith("Type "):
            return prompt.split()[1]
        return ""

    def secret(self, prompt: str) -> str:
        self.asked.append(prompt)
        return self.answers.get("passphrase", PASSPHRASE)


class Remembered:
    """A store that remembers what it was told."""

    def __init__(self) -> None:
        self.entries: list[tuple[str, dict[str, Any]]] = []
        self.begun: list[bool] = []

    def exist(self) -> bool:
        return bool(self.begun)

    def kek_place(self) -> str:
        return "file"

    def begin(self, subject: sealing.Signer, place: str, *, afresh: bool) -> tuple[str, str]:
        self.begun.append(afresh)
        return sealing.hexdigest(subject.public), sealing.hexdigest(place.encode())

    def record(self, kind: str, **facts: Any) -> None:
        self.entries.append((kind, facts))

    def record_withdrawal(self, kind: str, **facts: Any) -> None:
        self.record(kind, **facts)


def home_in(folder: object) -> Home:
    """A home below a test's folder; nothing is created."""
    root = os.path.join(str(folder), "home")
    return Home(root, os.path.join(root, "run"))


def signed(
    home: Home,
    clock: Clock,
    person: Scripted | None = None,
    books: Remembered | None = None,
    *,
    new_identity: bool = False,
) -> Receipt:
    """A ceremony held to its end."""
    with quick_passphrases():
        return Ceremony(home, clock, person or Scripted(), books or Remembered()).hold(new_identity=new_identity)


class Organisation:
    """A controller and one reader."""

    def __init__(self) -> None:
        self.signer, self.reader = sealing.Signer.generate(), sealing.ReaderKey.generate()

    def adopt(self, home: Home, *changes: tuple[str, str], version: int = 1) -> policy.Policy:
        """Put a policy in force, changed by text replacement."""
        text = organisation(self.signer, version=version, reader=self.reader)
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        return policy.adopt(home, policy.sign(text.encode(), self.signer), "policy")
