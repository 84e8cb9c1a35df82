"""What a valid consent allows: the one thing that opens a backend, a segment or a release.

Invariants: only the gate makes a ``Grant`` (it alone holds ``MAKER``); a grant never changes after it is made; it
holds no secret. Standard library only, because every process of the daemon carries one.
"""

from __future__ import annotations

import base64
import json
from typing import Any, Final, NamedTuple, NoReturn

from desktop_logger.errors import Refused
from desktop_logger.records.applications import Applications
from desktop_logger.records.profiles import PROFILES, Profile

MAKER: Final = object()
"""The gate's token. A test asserts that no other module names it."""


class Recipient(NamedTuple):
    """Somebody whom the policy names as a reader of the release stream."""

    name: str
    fingerprint: str
    public: bytes
    scopes: tuple[str, ...]
    """Scopes that both the policy names for this reader and the receipt grants. Never empty."""


class Grant:
    """A consent that was valid when the gate looked; ``recheck`` says whether it still is."""

    __slots__ = (
        "admins", "applications", "backends", "categories", "consent_digest", "cooling_off_s", "demo",
        "device_public", "disk_cap_bytes", "expires", "given", "injected", "named_commands", "own", "policy_hash",
        "purposes", "receipt_hash", "receipt_id", "release", "release_mode", "retention_days", "schedule", "scopes",
        "subject_reader", "tasks", "uid", "unanswered", "watched",
    )  # fmt: skip

    receipt_id: str
    receipt_hash: str
    """SHA-256 (hex) of the exact bytes of the receipt."""
    policy_hash: str
    consent_digest: str
    subject_reader: bytes
    device_public: bytes
    scopes: tuple[str, ...]
    backends: tuple[tuple[str, str], ...]
    """Backends of others that may see input: name and SHA-256 (hex) of the file."""
    injected: str
    """``record`` or ``exclude``: what other programs put in as if it came from a keyboard or mouse."""
    named_commands: bool
    own: Profile
    release: Profile | None
    """``None``: nobody but the subject reads, and there is no release stream."""
    release_mode: str
    """``cooling-off``, ``approved`` or ``none``."""
    cooling_off_s: int
    admins: tuple[Recipient, ...]
    purposes: tuple[str, ...]
    retention_days: int
    disk_cap_bytes: int
    given: int
    expires: int
    """Unix seconds; from this second on the consent is not valid."""
    demo: bool
    applications: Applications
    """Which applications may be recorded; enforced from focus, whether or not ``context`` is granted."""
    unanswered: str
    """What is recorded where nobody can tell whether a field is secret: ``coarse`` form at most, or ``nothing``."""
    categories: dict[str, int]
    """Pattern of an application's name → number of its category; empty unless ``context`` is granted."""
    tasks: tuple[str, ...]
    """What ``task begin`` takes; the first has the number 1. Empty unless ``task`` is granted."""
    schedule: dict[str, Any] | None
    """The hours in which recording may happen (see ``hours``); ``None``: whenever it is started."""
    watched: tuple[tuple[str, str], ...]
    """Files the consent rests on, with the SHA-256 (hex) they had; ``""`` means the file was absent."""
    uid: int

    def __init__(self, maker: object, **facts: Any) -> None:
        if maker is not MAKER:
            raise Refused("a grant is made by the consent gate only", "Use consent.check().")
        if set(facts) != set(self.__slots__):
            raise Refused("a grant needs exactly its own fields")
        for name, value in facts.items():
            object.__setattr__(self, name, value)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"a grant does not change: {name}")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"a grant does not change: {name}")

    def __repr__(self) -> str:
        return f"<Grant {self.receipt_id} {'+'.join(self.scopes)} {self.own.name}>"

    def to_wire(self) -> bytes:
        """This grant as UTF-8 JSON for our own child processes, over an inherited descriptor."""
        facts: dict[str, Any] = {name: getattr(self, name) for name in self.__slots__}
        facts["own"] = self.own.name
        facts["release"] = self.release.name if self.release else None
        facts["subject_reader"] = _text(self.subject_reader)
        facts["device_public"] = _text(self.device_public)
        facts["admins"] = [[who.name, who.fingerprint, _text(who.public), list(who.scopes)] for who in self.admins]
        return json.dumps(facts, sort_keys=True, separators=(",", ":")).encode()


def facts_of_wire(data: bytes) -> dict[str, Any]:
    """The fields of a grant from ``to_wire``'s bytes. Raises ``Refused`` when they are not whole."""
    try:
        facts: dict[str, Any] = json.loads(data)
        facts["own"] = PROFILES[facts["own"]]
        facts["release"] = PROFILES[facts["release"]] if facts["release"] is not None else None
        facts["subject_reader"] = base64.b64decode(facts["subject_reader"], validate=True)
        facts["device_public"] = base64.b64decode(facts["device_public"], validate=True)
        facts["admins"] = tuple(
            Recipient(name, fingerprint, base64.b64decode(public, validate=True), tuple(scopes))
            for name, fingerprint, public, scopes in facts["admins"]
        )
        facts["scopes"] = tuple(facts["scopes"])
        facts["backends"] = tuple((name, digest) for name, digest in facts["backends"])
        facts["purposes"] = tuple(facts["purposes"])
        mode, names = facts["applications"]
        facts["applications"] = Applications({one: one for one in ("all", "allow", "deny")}[mode], tuple(names))
        facts["unanswered"] = {one: one for one in ("coarse", "nothing")}[facts["unanswered"]]
        facts["categories"] = {str(name): int(number) for name, number in facts["categories"].items()}
        facts["tasks"] = tuple(facts["tasks"])
        facts["watched"] = tuple((path, digest) for path, digest in facts["watched"])
        if facts["schedule"] is not None:
            facts["schedule"] = {name: facts["schedule"][name] for name in ("weekdays", "start", "end", "zone")}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise Refused("the grant that was handed over is not whole", "Start again: desktop-logger start") from None
    return facts


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
